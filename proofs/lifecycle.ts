// Random faults and random changes of what is subscribed, then calm: afterwards what is desired is confirmed and
// delivered, nothing has leaked, and the venue was never asked for more connections than it allows.
import { type Clock, sleep, systemClock } from '../src/base/clock.ts'
import { silentLog } from '../src/base/log.ts'
import { Pace } from '../src/base/pace.ts'
import { type Random, seededRandom } from '../src/base/random.ts'
import { openFeed, type Subscription } from '../src/feed/feed.ts'
import type { Connection, Provider } from '../src/feed/provider.ts'
import { createEvent } from '../src/market/events.ts'
import { formatTopic, type Topic } from '../src/market/topics.ts'
import { alpaca } from '../src/providers/alpaca/index.ts'
import { handClock } from '../src/testing/clock.ts'
import type { FaultOptions } from '../src/testing/faults.ts'
import { type ScriptedVenue, scriptedVenue } from '../src/testing/venue-scripted.ts'

/** What can be taken out of the engine; each must make rounds fail. */
export const MUTATIONS = ['resubscribe', 'release', 'close', 'pace'] as const
type Mutation = (typeof MUTATIONS)[number]

export interface RoundOptions {
  readonly without?: Mutation | undefined
  /** Over real sockets and real time; otherwise in memory, on a hand-turned clock. */
  readonly sockets?: boolean
}

const SYMBOLS = ['SPY', 'TSLA', 'AAPL', 'MSFT', 'NVDA', 'AMD']
const CHANNELS = ['trades', 'quotes'] as const

/** How long the venue closes every connection as soon as it is confirmed, in some rounds in memory, ms. */
const STORM_MS = 20_000
/** What a venue is asked for at most, per connection of the engine. */
const LIMIT = { attempts: 10, windowMs: 10_000 }

/** How long the venue misbehaves, how long it is calm after, and the step, ms. */
const TIMES = {
  memory: { chaosMs: 60_000, calmMs: 1_200_000, stepMs: 250, slotMs: 90_000 },
  sockets: { chaosMs: 2_000, calmMs: 6_000, stepMs: 50, slotMs: 300 },
}

/** One experiment; returns what did not hold. */
export async function round(seed: number, options: RoundOptions = {}): Promise<string[]> {
  const restore = options.without === 'pace' ? unpaced() : () => {}
  try {
    return await experiment(seed, options)
  } finally {
    restore()
  }
}

async function experiment(seed: number, options: RoundOptions): Promise<string[]> {
  const random = seededRandom(seed)
  const times = options.sockets ? TIMES.sockets : TIMES.memory
  const hand = handClock()
  const clock: Clock = options.sockets ? systemClock() : hand
  const pass = (ms: number) => (options.sockets ? sleep(clock, ms) : hand.advance(ms))
  const connections = random() < 0.3 ? 2 : 1
  const venue = scriptedVenue({
    clock,
    random,
    server: { plan: { connections }, slotMs: times.slotMs },
  })
  const listener = options.sockets ? await venue.listen() : undefined
  const provider = alpaca({
    ...{ key: 'PROOF', secret: 'proof', connections, codec: random() < 0.5 ? 'json' : 'msgpack' },
    ...(listener
      ? { url: `${listener.url}/v2/iex` }
      : { openSocket: venue.openSocket, httpGet: venue.httpGet }),
    clock,
  })
  // Few symbols to a connection, so that six are spread and, one being busier than all others, moved.
  const { capabilities } = provider
  const limits = { connections, symbolsPerConnection: 3 + Math.floor(random() * 4) }
  const spread = { ...provider, capabilities: { ...capabilities, limits } }
  const { counted, mostAttempts } = counting(spread, clock)
  const feed = openFeed(mutated(counted, options.without), {
    ...{ clock, random, leases: false, log: silentLog },
    ...(options.sockets && { backoff: { firstMs: 50, slowMs: 200, maxMs: 400 } }),
  })
  feed.done.catch(() => {})

  // Consumers come and go; each is wanted as long as it is in the list.
  const consumers: { readonly wants: string; readonly handle: Subscription; seen: number }[] = []
  const change = () => {
    if (consumers.length > 0 && random() < 0.45) {
      const [gone] = consumers.splice(Math.floor(random() * consumers.length), 1)
      gone!.handle.close()
      return
    }
    const channel = CHANNELS[Math.floor(random() * CHANNELS.length)]!
    const symbol = SYMBOLS[Math.floor(random() * SYMBOLS.length)]!
    const count = () => {
      consumer.seen++
    }
    const handle = channel === 'trades' ? feed.trades(symbol, count) : feed.quotes(symbol, count)
    const consumer = { wants: `${channel} ${symbol}`, seen: 0, handle }
    consumers.push(consumer)
  }

  // Faults of an opening wait for one, and each costs a wait of up to a minute.
  const calm = async () => {
    for (let ms = 0; ms < times.calmMs; ms += times.calmMs / 20) {
      await pass(times.calmMs / 20)
      const { acknowledged: _acknowledged, ...rest } = feed.stats().topics
      if (ms >= times.calmMs / 5 && Object.values(rest).every(n => n === 0)) break
    }
  }

  // Each connection is closed cleanly and served before, so that nothing but the pace holds the engine back.
  const storm = !options.sockets && random() < 0.6 ? 10_000 + Math.floor(random() * 20_000) : -1
  const inStorm = (ms: number) => storm >= 0 && ms >= storm && ms < storm + STORM_MS

  change()
  for (let ms = 0; ms < times.chaosMs; ms += times.stepMs) {
    venue.deliver(market(clock.now()))
    if (random() < 0.3) venue.deliver(market(clock.now()).slice(0, 2))
    if (random() < 0.1) change()
    if (inStorm(ms)) venue.inject({ fault: 'close', code: 1_000 })
    else if (random() < 0.06) venue.inject(anyFault(random, options.sockets ?? false))
    await pass(times.stepMs)
  }
  // Changes also come after the last fault, when no reconnect puts right what they left wrong.
  await calm()
  for (let i = 0; i < 6 || consumers.length === 0; i++) change()
  await calm()

  const faults: string[] = []
  const check = (holds: boolean, what: string) => {
    if (!holds) faults.push(what)
  }
  const desired = [...new Set(consumers.map(({ wants }) => wants))].sort()
  check(feed.state === 'open', `the feed is ${feed.state}`)
  const { topics } = feed.stats()
  check(
    topics.acknowledged === desired.length,
    `${desired.length} desired, ${JSON.stringify(topics)}`,
  )
  const carried = held(venue)
  check(carried.join() === desired.join(), `the venue has ${carried}, desired is ${desired}`)
  // Frames that were still to be doubled, swapped or damaged have been after these.
  for (let i = 0; i < 10; i++) {
    venue.deliver(market(clock.now()))
    await pass(20)
  }
  // A frame damaged among them left a hole: what stands behind it is held back until that is filled, or for so long.
  await pass(options.sockets ? 3_500 : 10_000)
  for (const consumer of consumers) consumer.seen = 0
  venue.deliver(market(clock.now()))
  await pass(500)
  for (const { wants, seen } of consumers) check(seen === 1, `${wants} came ${seen} times`)
  check(venue.maxOpen() <= connections, `${venue.maxOpen()} connections at a time`)
  const most = mostAttempts()
  check(most <= LIMIT.attempts, `${most} attempts in 10 s on one connection`)

  await feed.close()
  await pass(100)
  check(venue.openConnections() === 0, `${venue.openConnections()} connections left open`)
  await venue.close()
  if (!options.sockets) check(hand.pending() === 0, `${hand.pending()} timers left`)
  return faults
}

/** A trade and a quote of every symbol. */
function market(now: number) {
  const timestamp = Math.floor(now)
  return SYMBOLS.flatMap(symbol => [
    createEvent({ type: 'trade', symbol, timestamp, price: 1, size: 1, id: timestamp }),
    createEvent({
      ...{ type: 'quote', symbol, timestamp },
      ...{ bid: 1, bidSize: 1, ask: 2, askSize: 1 },
    }),
  ])
}

/** What the venue sends to any connection, as `channel symbol`. */
function held(venue: ScriptedVenue): string[] {
  const all = venue.connections.flatMap(({ subscribed }) =>
    CHANNELS.flatMap(channel => (subscribed[channel] ?? []).map(symbol => `${channel} ${symbol}`)),
  )
  return all.sort()
}

/** Any fault that a retry can mend; those that stop a feed have tests of their own. */
function anyFault(random: Random, sockets: boolean): FaultOptions {
  const brief = sockets ? 200 : 4_000
  const menu: readonly FaultOptions[] = [
    { fault: 'refuse', for: brief },
    { fault: 'upgrade-429', times: 1, retryAfter: sockets ? undefined : 5_000 },
    { fault: 'upgrade-502', times: 2 },
    { fault: 'auth-error', code: 500, close: true },
    { fault: 'connection-limit', close: random() < 0.5 },
    { fault: 'symbol-limit' },
    { fault: 'partial-ack', omit: 1 },
    { fault: 'slow-client', silent: random() < 0.5 },
    { fault: 'cut' },
    { fault: 'cut', on: 'random' },
    { fault: 'close', code: random() < 0.5 ? 1_000 : 1_011 },
    { fault: 'duplicate', times: 3 },
    { fault: 'reorder' },
    { fault: 'corrupt-json' },
    { fault: 'truncated-msgpack' },
    { fault: 'restart', for: brief },
    { fault: 'stall', for: brief },
    { fault: 'data-after-unsubscribe' },
    { fault: 'welcome-delayed', by: brief },
    // These are only found by a missing answer, which takes longer than a round on sockets has.
    ...(sockets
      ? []
      : ([
          { fault: 'half-open' },
          { fault: 'auth-timeout' },
          { fault: 'late-pong', for: 20_000 },
          { fault: 'mute', for: 8_000 },
        ] as const)),
  ]
  return menu[Math.floor(random() * menu.length)]!
}

/** The provider, and the most attempts that any one connection of the engine made in a window. */
function counting(provider: Provider, clock: Clock) {
  // A connection of the engine is known by its signal, which lives as long as its loop.
  const attempts = new Map<AbortSignal, number[]>()
  const counted: Provider = {
    ...provider,
    connect: link => {
      const times = attempts.get(link.signal) ?? []
      attempts.set(link.signal, [...times, clock.now()])
      return provider.connect(link)
    },
  }
  const mostAttempts = () => {
    let most = 0
    for (const times of attempts.values()) {
      for (const start of times) {
        const window = times.filter(time => time >= start && time < start + LIMIT.windowMs)
        most = Math.max(most, window.length)
      }
    }
    return most
  }
  return { counted, mostAttempts }
}

const { turn } = Pace.prototype
let unpacedRounds = 0

/** Lets every engine of the process connect as often as it likes; rounds that are run at a time are all without. */
function unpaced(): () => void {
  unpacedRounds++
  Pace.prototype.turn = async () => {}
  return () => {
    if (--unpacedRounds === 0) Pace.prototype.turn = turn
  }
}

/** The provider with a part of the engine's work undone, to see that the proof would notice. */
function mutated(provider: Provider, without: Mutation | undefined): Provider {
  if (!without) return provider
  const before = new Set<string>()
  return {
    ...provider,
    connect: async link => {
      // What an earlier connection has asked for is not asked for again.
      const known = new Set(before)
      const fresh = (topics: readonly Topic[]) => {
        if (without !== 'resubscribe') return topics
        for (const topic of topics) before.add(formatTopic(topic))
        return topics.filter(topic => !known.has(formatTopic(topic)))
      }
      const never = new AbortController().signal
      const connection = await provider.connect({
        ...link,
        topics: fresh(link.topics),
        signal: without === 'close' ? never : link.signal,
      })
      const kept: Connection = {
        subscribe: topics => connection.subscribe(fresh(topics)),
        unsubscribe: topics => (without === 'release' ? undefined : connection.unsubscribe(topics)),
        ended:
          without === 'close'
            ? Promise.race([connection.ended, aborted(link.signal)])
            : connection.ended,
        close: () => connection.close(),
      }
      return kept
    },
  }
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(undefined)))
}
