// A book at each venue that has them, through seeded faults: at every quiet moment it is the venue's, what is shown in
// between is a state the venue's book has had, and from a break to the next snapshot it is not shown at all.
import { silentLog } from '../src/base/log.ts'
import { type Random, seededRandom } from '../src/base/random.ts'
import { openFeed } from '../src/feed/feed.ts'
import type { Link, Provider } from '../src/feed/provider.ts'
import { createEvent, type MarketEvent } from '../src/market/events.ts'
import type { Topic } from '../src/market/topics.ts'
import { DepthBook } from '../src/providers/binance/depth.ts'
import { Market as CoinbaseMarket } from '../src/providers/coinbase/market.ts'
import { KrakenBook } from '../src/providers/kraken/book.ts'
import { handClock } from '../src/testing/clock.ts'
import { Reader, WalkingBook } from './books-market.ts'
import { type BookVenue, faultsOf, VENUES } from './books-venues.ts'

/** What can be taken out; each must make rounds fail. */
export const MUTATIONS = ['checks', 'snapshots', 'clearing', 'removals', 'deltas', 'gaps'] as const
type Mutation = (typeof MUTATIONS)[number]

/** Where a round can be had by itself. */
export const PLACES: readonly string[] = VENUES.map(({ name }) => name)

/** Where a mutation must be found: at each of these for itself. */
export function mustFind(without: Mutation): string[] {
  // Where no loss shows, there is no check to take out, and no word of a break.
  const isOfChecks = without === 'checks' || without === 'gaps'
  return VENUES.flatMap(({ name, checked }) => (isOfChecks && !checked ? [] : name))
}

export interface RoundOptions {
  readonly without?: Mutation | undefined
  /** Of one venue only. @default all of them */
  readonly at?: string | undefined
}

/** Times of chaos, each followed by a calm. */
const PHASES = 3
const FAULTS_A_PHASE = 5
/** Time from one fault to the next, at least and at most, ms. */
const PAUSE_MS = { least: 500, most: 10_500 }
const STEP_MS = 100
/** The longest a book may take to be whole when nothing goes wrong any more, ms. */
const CALM_MS = 120_000

/** One experiment at every venue; returns what did not hold. */
export async function round(seed: number, options: RoundOptions = {}): Promise<string[]> {
  const restore = options.without === 'checks' ? unchecked() : undefined
  try {
    const faults: string[] = []
    for (const venue of VENUES) {
      if (options.at !== undefined && venue.name !== options.at) continue
      for (const fault of await experiment(seed, venue, options)) {
        faults.push(`${venue.name}: ${fault}`)
      }
    }
    return faults
  } finally {
    restore?.()
  }
}

async function experiment(
  seed: number,
  { name, make, symbols, depth, checked }: BookVenue,
  { without }: RoundOptions,
): Promise<string[]> {
  const random = seededRandom(seed)
  const clock = handClock(Date.UTC(2024, 0, 15, 12) + Math.floor(random() * 60_000))
  const latencyMs = random() < 0.5 ? 0 : Math.floor(random() * 80)
  const { venue, provider } = make({ clock, random, latencyMs })
  const faults = new Set<string>()
  const books = new Map(symbols.map(symbol => [symbol, new WalkingBook(symbol, random, depth)]))
  const readers = new Map(
    symbols.map(symbol => {
      const truth = books.get(symbol)!
      return [symbol, new Reader(truth, depth, what => faults.add(`${symbol} ${what}`))]
    }),
  )
  const said = new WeakMap<MarketEvent, Link>()
  /** The connection whose book is shown: another one that is to take over may have a break of its own. */
  const shown = new Map<string, Link | undefined>()
  const watched = watching(provider, said, (topics, link) => {
    for (const { kind, symbol } of topics) {
      if (kind === 'book' && shown.get(symbol) === link) readers.get(symbol)?.broken()
    }
  })
  const heard = mutated(watched, without, random)
  const settings = { random, log: silentLog, leases: false } as const
  const feed = openFeed(heard, { clock, source: name, ...settings })
  feed.done.catch(error => faults.add(`the feed has ended: ${error}`))
  const step = async (ms = STEP_MS) => {
    for (const book of books.values()) {
      if (random() < 0.7) venue.deliver([book.step(Math.floor(clock.now()))])
    }
    await clock.advance(ms)
  }
  for (const book of books.values()) venue.deliver([book.begin(Math.floor(clock.now()))])
  feed.on('*', event => {
    if (event.type === 'book') shown.set(event.symbol, said.get(event))
    for (const reader of readers.values()) reader.take(event)
  })
  const lives = symbols.map(symbol => {
    const live = feed.book(symbol)
    live.on('change', view => readers.get(symbol)!.look(view))
    readers.get(symbol)!.live = live
    return live
  })
  await clock.advance(5_000)
  for (let phase = 0; phase < PHASES; phase++) {
    for (let i = 0; i < FAULTS_A_PHASE; i++) {
      for (const fault of faultsOf(random, { name, checked })) venue.inject(fault)
      const pause = PAUSE_MS.least + random() * (PAUSE_MS.most - PAUSE_MS.least)
      for (let ms = 0; ms < pause; ms += STEP_MS) await step()
    }
    // Calm: changes go on until every book is whole. A fault that lay in wait for the next connection may still strike,
    // and each time the next attempt is further away.
    await clock.advance(30_000)
    for (let ms = 0; ms < 20_000; ms += 500) await step(500)
    const calmSince = clock.now()
    const lastStrike = () => Math.max(calmSince, venue.struck.at(-1)?.at ?? 0)
    while (lives.some(({ book }) => !book.synced) && clock.now() - lastStrike() < CALM_MS) {
      await step(500)
    }
    for (const book of books.values()) venue.deliver([book.step(Math.floor(clock.now()))])
    await clock.advance(2_000)
    for (const [symbol, reader] of readers) {
      for (const what of reader.compare()) faults.add(`${symbol} in calm ${phase + 1}: ${what}`)
    }
  }
  for (const live of lives) live.close()
  const closed = feed.close()
  await clock.advance(5_000)
  await closed
  await venue.close()
  const left = clock.pending()
  return left > 0 ? [...faults, `${left} timers left`] : [...faults]
}

/** The provider; `said` is told what each connection says, and `broken` hears what it says is broken, once the engine has. */
function watching(
  provider: Provider,
  said: WeakMap<MarketEvent, Link>,
  broken: (topics: readonly Topic[], link: Link) => void,
): Provider {
  return {
    ...provider,
    connect: (link: Link) =>
      provider.connect({
        ...link,
        emit: (batch, receivedAt) => {
          for (const event of batch) said.set(event, link)
          link.emit(batch, receivedAt)
        },
        broken: (topics, reason) => {
          link.broken(topics, reason)
          broken(topics, link)
        },
      }),
  }
}

/** The provider with a part of its work undone, to see that the proof would notice. */
function mutated(provider: Provider, without: Mutation | undefined, random: Random): Provider {
  if (!without || without === 'checks') return provider
  const seen = new Set<string>()
  const change = (event: MarketEvent): MarketEvent | undefined => {
    if (event.type !== 'book') return event
    const { symbol, snapshot, bids, asks } = event
    const isFirst = snapshot && !seen.has(symbol)
    if (snapshot) seen.add(symbol)
    const stays = ([, size]: readonly [number, number]) => size > 0
    switch (without) {
      case 'snapshots':
        return snapshot && !isFirst ? undefined : event
      case 'clearing':
        return snapshot && !isFirst ? createEvent({ ...event, snapshot: false }) : event
      case 'removals':
        return createEvent({ ...event, bids: bids.filter(stays), asks: asks.filter(stays) })
      case 'deltas':
        return !snapshot && random() < 0.01 ? undefined : event
      default:
        return event
    }
  }
  return {
    ...provider,
    connect: link =>
      provider.connect({
        ...link,
        emit: (batch, receivedAt) => {
          const kept = batch.flatMap(event => change(event) ?? [])
          if (kept.length > 0) link.emit(kept, receivedAt)
        },
        ...(without === 'gaps' && { broken: () => {} }),
      }),
  }
}

/** Takes every update for the right one: neither numbers nor checksums are looked at. Returns what puts it back. */
function unchecked(): () => void {
  const { take } = DepthBook.prototype
  const { apply } = KrakenBook.prototype
  const { begin } = CoinbaseMarket.prototype
  const numbers = new WeakMap<CoinbaseMarket, number>()
  DepthBook.prototype.take = function (diff) {
    return take.call(this, { ...diff, first: Number.NEGATIVE_INFINITY })
  }
  KrakenBook.prototype.apply = function (snapshot, bids, asks, checksum) {
    this.doubted = true
    return apply.call(this, snapshot, bids, asks, checksum)
  }
  CoinbaseMarket.prototype.begin = function (sequence, ...times) {
    const next = (numbers.get(this) ?? sequence - 1) + 1
    numbers.set(this, next)
    return begin.call(this, next, ...times)
  }
  return () => {
    DepthBook.prototype.take = take
    KrakenBook.prototype.apply = apply
    CoinbaseMarket.prototype.begin = begin
  }
}
