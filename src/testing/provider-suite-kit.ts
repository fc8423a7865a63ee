import assert from 'node:assert/strict'
import { silentLog } from '../base/log.ts'
import { seededRandom } from '../base/random.ts'
import { CHANNELS, type Channel } from '../feed/channels.ts'
import { type Feed, openFeed, type SubscribeRequest } from '../feed/feed.ts'
import type { Provider } from '../feed/provider.ts'
import { createEvent, type Interval, type MarketEvent, type Notice } from '../market/events.ts'
import { type HandClock, handClock } from './clock.ts'
import type { FaultOptions } from './faults.ts'
import type { HostHappening, ScriptedVenue } from './venue-host.ts'
import type { VenueFrame } from './venue-wire.ts'

/** What a fixture is made with. */
export interface FixtureOptions {
  readonly clock: HandClock
  /** To be handed to the venue: by it the suite hears what is said and how connections end. */
  readonly observe: (happening: HostHappening<unknown>) => void
  /** Symbols the venue must know beside its own. @default none */
  readonly symbols?: readonly string[]
}

/** A venue of one's own, and a provider whose transports end there. */
export interface ProviderFixture {
  readonly provider: Provider
  readonly venue: ScriptedVenue
}

/** A frame; as a function, asked when it is to be sent, where it carries a running number of the venue. */
export type FrameSource = VenueFrame | ((fixture: ProviderFixture) => VenueFrame)

/** A frame of the venue's documentation, and what it says. */
export interface DocumentedFrame {
  /** For the name of the test: `a trade`. */
  readonly name: string
  readonly kind: (typeof CHANNELS)[Channel]
  /** Canonical; none for a kind that is of no one symbol. */
  readonly symbol: string
  /** Of a bar. @default '1m' */
  readonly interval?: Interval
  /** The frame, and those that must stand before it. */
  readonly frames: readonly FrameSource[]
  /**
   * Fields of the event, or of one of the events, that come of it. `timestamp` must be there, exact to the nanosecond: as
   * ISO text, or in whole ms; `'received'` where the message has no time of its own.
   */
  readonly gives: { readonly timestamp: number | string; readonly [field: string]: unknown }
  /** The time it is read at, epoch ms: later than its own. @default that of a clock turned by hand */
  readonly at?: number
  /** How long after it the event is there at most, ms, where it is not at once: a bar that the clock ends. @default 3000 */
  readonly withinMs?: number
}

/** What the suite must be told of a provider: what no test can find out by itself. */
export interface ProviderTraits {
  /** A new venue and a new provider for each test. */
  make(options: FixtureOptions): ProviderFixture
  /** Two symbols both know, in canonical form. */
  readonly symbols: readonly [string, string]
  /** Ways users write symbols, and what they stand for. */
  readonly spellings?: Readonly<Record<string, string>>
  /** A symbol the venue refuses; absent where it never does. */
  readonly unknown?: string
  /** A symbol for the test of limits, one for each number from 0. @default none is made: limits are not tried */
  readonly many?: (index: number) => string
  /** A trade as the venue has it. @default one at 100 and some with a number and a side */
  trade?(fields: TradeFields): MarketEvent
  /** The kind the life of a connection is tried with. @default trades, where it has none quotes */
  readonly kind?: 'trade' | 'quote' | 'ticker'
  /** The venue's times are those it sends at, not those at which something happened. @default false */
  readonly stampsSent?: boolean
  /** Its messages name the request they answer and no symbol, so nothing can come unasked. @default false */
  readonly addressed?: boolean
  /** What tells the trades of one symbol apart where the venue numbers them itself. @default the `id` they were delivered with */
  markOf?(event: MarketEvent): unknown
  /** At least one of every kind of `capabilities.kinds` that can be asked for. */
  readonly frames: readonly DocumentedFrame[]
  /** Kinds that have no frame of their own, and why: `cancel: 'comes with trades'`. */
  readonly without?: Readonly<Partial<Record<string, string>>>
  /**
   * Of each kind that has a documented frame: frames that say what cannot be true, about the symbol of that frame or the
   * first of `symbols`. Each must be counted, and none be delivered.
   */
  readonly malformed: Readonly<Partial<Record<string, readonly FrameSource[]>>>
  /**
   * Titles of the checks that cannot be made of it, each with the reason the suite gives: what is left out is to be seen
   * here, and nothing more. A check that is missing here fails with the line to add.
   * @default none
   */
  readonly excludes?: Readonly<Record<string, string>>
  /** Where there are books. */
  readonly books?: {
    /** Levels of a side that the venue vouches for. @default all */
    readonly depth?: number
    /** Whether a lost update can be seen: by numbers or checksums. */
    readonly checked: boolean
    /** The venue sends the whole of it each time. @default false: changes */
    readonly whole?: boolean
  }
}

export interface TradeFields {
  readonly symbol: string
  /** 1, 2, 3 … for each symbol. */
  readonly id: number
  /** Whole ms. */
  readonly timestamp: number
}

/** Trades that never jump, with times of whole ms. */
const tradeOf = ({ symbol, id, timestamp }: TradeFields): MarketEvent =>
  createEvent({
    ...{ type: 'trade', source: 'venue', symbol, timestamp, id },
    ...{ price: 100 + (id % 5), size: id, side: id % 2 ? 'buy' : 'sell' },
  })

/** How long anything asked of a venue in memory takes at most, ms. */
export const ANSWERED_MS = 3_000

/** After so long what has not come never will, ms. */
const PATIENCE_MS = 30_000

/** A feed on a fixture, and what has come of it. */
export class Course {
  readonly clock: HandClock
  readonly fixture: ProviderFixture
  readonly feed: Feed
  readonly traits: ProviderTraits
  readonly notices: Notice[] = []
  readonly happenings: HostHappening<unknown>[] = []
  /** All that was delivered but notices. */
  readonly events: MarketEvent[] = []
  readonly #ids = new Map<string, number>()
  #turns = 0

  constructor(traits: ProviderTraits, options: { at?: number; symbols?: readonly string[] } = {}) {
    this.traits = traits
    this.clock = handClock(options.at)
    this.fixture = traits.make({
      clock: this.clock,
      observe: happening => this.happenings.push(happening),
      ...(options.symbols && { symbols: options.symbols }),
    })
    const settings = { log: silentLog, leases: false, random: seededRandom(7) } as const
    this.feed = openFeed(this.fixture.provider, { clock: this.clock, ...settings })
    this.feed.done.catch(() => {})
    this.feed.on('*', event => {
      if (event.type === 'notice') this.notices.push(event)
      else this.events.push(event)
    })
  }

  get venue(): ScriptedVenue {
    return this.fixture.venue
  }

  get provider(): Provider {
    return this.fixture.provider
  }

  /** The first of the two symbols. */
  get symbol(): string {
    return this.traits.symbols[0]
  }

  /** A kind that trades or the like are asked for by: trades where there are any. */
  get kind(): 'trade' | 'quote' | 'ticker' {
    if (this.traits.kind) return this.traits.kind
    return this.provider.capabilities.kinds.includes('trade') ? 'trade' : 'quote'
  }

  /** What a promise comes to; time goes on until it does, and when it never does, that is the failure. */
  async settled<T>(promise: Promise<T>, what: string): Promise<T> {
    let isOver = false
    const over = () => {
      isOver = true
    }
    promise.then(over, over)
    for (let ms = 0; ms < PATIENCE_MS && !isOver; ms += 500) await this.clock.advance(500)
    assert.ok(isOver, `${what} never settles`)
    return promise
  }

  /** Asks for something that moves, of these symbols; all of it must be granted. */
  async subscribed(...symbols: readonly string[]): Promise<void> {
    await this.subscribedTo(this.kind, symbols)
  }

  async subscribedTo(kind: string, symbols: readonly string[], interval?: Interval): Promise<void> {
    const asked = this.feed.subscribe(requestOf(kind, symbols, interval))
    asked.catch(() => {})
    await this.clock.advance(ANSWERED_MS)
    const { rejected, pending, accepted } = await this.settled(asked, 'subscribe')
    assert.deepEqual([rejected, pending], [[], []], 'all is granted')
    assert.equal(accepted.length, symbols.length)
  }

  /** The next event of that kind at the venue, of now or of so long ago. */
  next(symbol: string, agoMs = 0): MarketEvent {
    const id = (this.#ids.get(symbol) ?? 0) + 1
    this.#ids.set(symbol, id)
    const timestamp = Math.floor(this.clock.now()) - agoMs
    if (this.kind === 'quote') {
      return createEvent({
        ...{ type: 'quote', source: 'venue', symbol, timestamp },
        ...{ bid: 100 + id / 100, bidSize: id, ask: 101 + id / 100, askSize: 1 },
      })
    }
    if (this.kind === 'ticker') {
      const last = 100 + id / 100
      return createEvent({ type: 'ticker', source: 'venue', symbol, timestamp, last })
    }
    return (this.traits.trade ?? tradeOf)({ symbol, id, timestamp })
  }

  /** Something of each of these kinds as a market has it, none of it as it was the time before. */
  market(symbol: string, kinds: readonly string[]): MarketEvent[] {
    const at = { source: 'venue', symbol, timestamp: Math.floor(this.clock.now()) }
    const count = (this.#turns += 1)
    const [bid, ask, size] = [100, 101, count]
    const fields = { bid, bidSize: size, ask, askSize: size }
    const events: MarketEvent[] = []
    if (kinds.includes('trade')) {
      const id = (this.#ids.get(symbol) ?? 0) + 1
      this.#ids.set(symbol, id)
      events.push((this.traits.trade ?? tradeOf)({ ...at, id }))
    }
    if (kinds.includes('quote')) events.push(createEvent({ type: 'quote', ...at, ...fields }))
    const last = 100 + (count % 5)
    if (kinds.includes('ticker'))
      events.push(createEvent({ type: 'ticker', ...at, last, volume: count }))
    if (kinds.includes('book')) {
      const levels = { bids: [[bid, size]], asks: [[ask, size]] } as const
      const snapshot = count === 1 || this.traits.books?.whole === true
      events.push(createEvent({ type: 'book', ...at, ...levels, snapshot }))
    }
    return events
  }

  deliver(...symbols: readonly string[]): void {
    this.venue.deliver(symbols.map(symbol => this.next(symbol)))
  }

  /** Something of each symbol happens every second. */
  async seconds(count: number, ...symbols: readonly string[]): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.deliver(...symbols)
      await this.clock.advance(1_000)
    }
  }

  /** How many events of that kind the venue has sent of a symbol, and the numbers of those that came. */
  idsOf(symbol: string): { sent: number; came: unknown[] } {
    const mine = this.events.filter(it => it.type === this.kind && it.symbol === symbol)
    const came = mine.map(event => this.markOf(event))
    return { sent: this.#ids.get(symbol) ?? 0, came }
  }

  /** The number an event was delivered with. */
  markOf(event: MarketEvent): unknown {
    if (this.traits.markOf) return this.traits.markOf(event)
    if (event.type === 'trade') return event.id
    if (event.type === 'ticker') return Math.round(((event.last ?? 0) - 100) * 100)
    return event.type === 'quote' ? event.bidSize : undefined
  }

  /** What happens now comes, once. */
  async flows(...symbols: readonly string[]): Promise<void> {
    const before = this.events.length
    await this.seconds(3, ...symbols)
    await this.clock.advance(ANSWERED_MS)
    const mine = this.events.slice(before).filter(event => event.type === this.kind)
    for (const symbol of symbols) {
      const count = mine.filter(event => event.symbol === symbol).length
      assert.equal(count, 3, `of ${symbol} came ${count} of 3`)
    }
  }

  /** Sends a frame as it is; returns it. */
  send(frame: FrameSource): VenueFrame {
    const made = typeof frame === 'function' ? frame(this.fixture) : frame
    this.venue.send(made)
    return made
  }

  inject(fault: FaultOptions): void {
    this.venue.inject(fault)
  }

  count(notice: Notice['notice']): number {
    return this.notices.filter(it => it.notice === notice).length
  }

  codes(): (string | undefined)[] {
    return this.notices.map(({ code }) => code)
  }

  /** What the venue has for its clients, connection by connection. */
  held(): string[] {
    return this.venue.connections
      .flatMap(({ subscribed }) =>
        Object.entries(subscribed).flatMap(([list, names]) => names.map(name => `${list} ${name}`)),
      )
      .sort()
  }

  /** Ends it; nothing may be left of it. */
  async end(): Promise<void> {
    await this.settled(this.feed.close(), 'close')
    await this.clock.advance(ANSWERED_MS)
    assert.equal(this.venue.openConnections(), 0, 'no connection is left')
    await this.venue.close()
    assert.equal(this.clock.pending(), 0, 'no timer is left')
  }
}

/** The request for a kind, as a feed takes it. */
export function requestOf(
  kind: string,
  symbols: readonly string[],
  interval?: Interval,
): SubscribeRequest {
  const channel = channelOf(kind)
  assert.ok(channel, `${kind} can be asked for`)
  return { [channel]: symbols, ...(interval && { interval }) }
}

export const channelOf = (kind: string): Channel | undefined =>
  (Object.keys(CHANNELS) as Channel[]).find(channel => CHANNELS[channel] === kind)

/** Why a venue cannot have a fault, in its own words; `undefined` when it can. */
export function whyNot(traits: ProviderTraits, fault: FaultOptions): string | undefined {
  const course = new Course(traits)
  try {
    course.inject({ ...fault, at: '1h' } as FaultOptions)
    return undefined
  } catch (thrown) {
    return (thrown as Error).message
  } finally {
    void course.venue.close()
  }
}

/** A check as a group of them gives it: one that is left out says what keeps it from being made. */
export type SuiteCheck =
  | { readonly title: string; run(): Promise<void> }
  | { readonly title: string; readonly excluded: string }
