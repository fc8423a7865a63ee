// Candles that grow, at the venues that send them so, through faults, kills and a history that lags: whatever befalls the
// feed, the last that it says of a candle is the venue's last, it is over, and none was shown going back or as it never was.
import type { Clock } from '../src/base/clock.ts'
import { type Random, seededRandom } from '../src/base/random.ts'
import type { FeedOptions } from '../src/feed/feed.ts'
import type { Provider } from '../src/feed/provider.ts'
import { Recent, type Seen } from '../src/feed/recent.ts'
import { Ends } from '../src/feed/repair-ends.ts'
import { REPAIR_DEFAULTS } from '../src/feed/repair-options.ts'
import type { Bar, Interval, MarketEvent } from '../src/market/events.ts'
import { binance } from '../src/providers/binance/index.ts'
import { coinbase } from '../src/providers/coinbase/index.ts'
import { kraken } from '../src/providers/kraken/index.ts'
import { handClock } from '../src/testing/clock.ts'
import type { FaultOptions } from '../src/testing/faults.ts'
import { binanceVenue } from '../src/testing/venue-binance.ts'
import { coinbaseVenue } from '../src/testing/venue-coinbase.ts'
import type { HostOptions, ScriptedVenue } from '../src/testing/venue-host.ts'
import { krakenVenue } from '../src/testing/venue-kraken.ts'
import { CandleMarket, type Form } from './repair-candles-market.ts'
import { Process, type World } from './repair-process.ts'

/** A venue of candles that grow. */
interface CandleVenue {
  readonly name: string
  readonly interval: Interval
  readonly lengthMs: number
  readonly symbols: readonly string[]
  readonly tellsEnd: boolean
  readonly revises: boolean
  venue(options: HostOptions): ScriptedVenue
  provider(world: World): Provider
}

const MINUTE_MS = 60_000

const VENUES: readonly CandleVenue[] = [
  {
    ...{ name: 'kraken', interval: '1m', lengthMs: MINUTE_MS, tellsEnd: false, revises: true },
    symbols: ['BTC/USD', 'ETH/USD', 'SOL/USD'],
    venue: options => {
      const precision = { pricePrecision: 3, sizePrecision: 8 }
      const pairs = ['BTC/USD', 'ETH/USD', 'SOL/USD'].map(symbol => ({ symbol, ...precision }))
      return krakenVenue({ ...options, server: { pairs } })
    },
    provider: world => kraken(world),
  },
  {
    ...{ name: 'binance', interval: '1m', lengthMs: MINUTE_MS, tellsEnd: true, revises: false },
    symbols: ['BTC/USDT', 'ETH/USDT', 'SOL/USDT'],
    venue: options => {
      return binanceVenue({ ...options, server: { symbols: ['BTC/USDT', 'ETH/USDT', 'SOL/USDT'] } })
    },
    provider: world => binance(world),
  },
  {
    ...{ name: 'coinbase', interval: '5m', lengthMs: 5 * MINUTE_MS },
    ...{ tellsEnd: false, revises: false },
    symbols: ['BTC/USD', 'ETH/USD', 'SOL/USD'],
    venue: options => {
      return coinbaseVenue({ ...options, server: { symbols: ['BTC/USD', 'ETH/USD', 'SOL/USD'] } })
    },
    provider: world => coinbase(world),
  },
]

const STEP_MS = 250
/** How long things go wrong: for so many candles, at least and at most. */
const CANDLES = { least: 1.2, most: 3 } as const
/** How long all goes well at the end while there is a market, ms. */
const CALM_MS = 20_000
const MOST_DEAD_MS = 20_000
const PATIENCE_MS = 1_800_000
/** A feed that hears much remembers no longer than that, ms. */
const MEMORY_MS = { least: 11_000, most: 40_000 } as const

/** What can be taken out: that history is asked at the end of a candle, and that the last form of each is known. */
export const CANDLE_MUTATIONS = ['ends', 'forms'] as const
export type CandleMutation = (typeof CANDLE_MUTATIONS)[number]

/** One experiment; returns what did not hold. `struck` is told of each fault that came about. */
export async function candleRound(
  seed: number,
  struck: (what: string) => void,
  without?: CandleMutation,
): Promise<string[]> {
  const at = VENUES[Math.abs(seed) % VENUES.length]!
  const random = luckOf(seed, 0)
  const clock = handClock(Date.UTC(2024, 0, 16, 15) + Math.floor(random() * 5 * MINUTE_MS))
  const memoryMs = MEMORY_MS.least + random() * (MEMORY_MS.most - MEMORY_MS.least)
  const isForgetful = random() < 0.5
  const restore = isForgetful ? forgetful(clock, memoryMs) : () => {}
  const mend = without ? mutated(without) : () => {}
  if (isForgetful) struck('forgetful')
  try {
    // A new process has what the tape has of before, however long ago that was; of a candle that is put right in a hole only
    // the latest is looked for where nothing is remembered.
    const here = isForgetful ? { ...at, revises: false } : at
    return (await experiment(seed, here, clock, random, !isForgetful, struck)).map(
      fault => `${at.name}: ${fault}`,
    )
  } finally {
    restore()
    mend()
  }
}

async function experiment(
  seed: number,
  at: CandleVenue,
  clock: ReturnType<typeof handClock>,
  random: Random,
  isMortal: boolean,
  struck: (what: string) => void,
): Promise<string[]> {
  const { symbols, interval, lengthMs } = at
  const [menuLuck, deathLuck] = [luckOf(seed, 2), luckOf(seed, 3)]
  const latencyMs = random() < 0.5 ? 0 : Math.floor(random() * 150)
  const venue = at.venue({ clock, random: luckOf(seed, 4), latencyMs })
  // The venue's REST side stands elsewhere and hears of everything later, as far as it can tell at the right time.
  const lagMs = lagOf(random)
  const behind: Clock = { ...clock, now: () => clock.now() - lagMs }
  const rest = at.venue({ clock: behind, random: luckOf(seed, 6), latencyMs })
  const world = { clock, openSocket: venue.openSocket, httpGet: rest.httpGet }
  const options: FeedOptions = { source: 'proof', random: luckOf(seed, 5), leases: false }
  const start = (left: readonly MarketEvent[]) =>
    Process.start(world, left, world => at.provider(world), options)
  let process = await start([])
  const subscribe = () => process.feed.subscribe({ bars: symbols, interval }).catch(() => {})
  const isConfirmed = () => process.feed.stats().topics.acknowledged === symbols.length
  const confirmed = async () => {
    for (let ms = 0; ms < PATIENCE_MS && !isConfirmed(); ms += STEP_MS) await clock.advance(STEP_MS)
    return isConfirmed()
  }
  void subscribe()
  if (!(await confirmed())) return ['nothing was ever subscribed']
  const market = new CandleMarket(luckOf(seed, 1), clock.now(), {
    ...at,
    deliver: bar => {
      venue.deliver([bar])
      clock.setTimeout(() => rest.deliver([bar]), lagMs, 'idle')
    },
  })
  const step = async (isOpen = true) => {
    market.run(clock.now(), isOpen)
    await clock.advance(STEP_MS)
  }
  for (let i = 0; i < 4; i++) await step()

  const chaosMs = (CANDLES.least + random() * (CANDLES.most - CANDLES.least)) * lengthMs
  const often = (0.01 + random() * 0.03) * Math.sqrt(MINUTE_MS / lengthMs)
  let deadMs = 0
  for (let ms = 0; ms < chaosMs; ms += STEP_MS) {
    if (menuLuck() < often) {
      const { stream, history } = nextFault(menuLuck)
      for (const fault of stream) venue.inject(fault)
      if (history) rest.inject(history)
    }
    if (isMortal && deadMs === 0 && deathLuck() < often / 8) {
      const left = await process.kill(deathLuck, '')
      struck('kill')
      deadMs = 1 + deathLuck() * MOST_DEAD_MS
      process = await start(left as readonly MarketEvent[])
    } else if (deadMs > 0) {
      deadMs = Math.max(0, deadMs - STEP_MS)
      if (deadMs === 0) void subscribe()
    }
    await step()
  }
  if (deadMs > 0) void subscribe()
  for (let ms = 0; ms < CALM_MS || !isConfirmed(); ms += STEP_MS) {
    if (ms > PATIENCE_MS) return ['not everything is subscribed again']
    await step()
  }
  // Nobody trades any more: the last candles come to their ends.
  const quietMs = lengthMs + REPAIR_DEFAULTS.giveUpMs + 60_000
  for (let ms = 0; ms < quietMs; ms += STEP_MS * 4) {
    market.run(clock.now(), false)
    await clock.advance(STEP_MS * 4)
  }
  for (const { fault } of [...venue.struck, ...rest.struck]) struck(fault)
  struck(at.name)
  if (lagMs > REPAIR_DEFAULTS.settleMs) struck('long lag')
  const faults = compare(market.truth, await process.recorded())
  await Promise.all([process.close(), clock.advance(5_000)])
  await Promise.all([venue.close(), rest.close()])
  return faults
}

/** Compares what was recorded with what the venue sent; returns what is not as it should be. */
function compare(
  truth: ReadonlyMap<string, readonly Form[]>,
  tape: readonly MarketEvent[],
): string[] {
  const faults: string[] = []
  const came = new Map<string, Bar[]>()
  for (const event of tape) {
    if (event.type === 'notice' && event.notice === 'unrepaired') {
      faults.push(`unrepaired: ${event.message}`)
    }
    if (event.type !== 'bar') continue
    const key = `${event.symbol} ${event.timestamp}`
    const bars = came.get(key)
    if (bars) bars.push(event)
    else came.set(key, [event])
  }
  for (const [key, forms] of truth) {
    const bars = came.get(key) ?? []
    const where = `${key.split(' ')[0]} at ${(forms[0]!.bar.timestamp % 36e5) / 6e4} min`
    const last = bars.at(-1)
    const [said, meant] = [last && textOf(last), textOf(forms.at(-1)!.bar)]
    if (said !== meant) faults.push(`${where}: ends as ${said}, not ${meant}`)
    else if (!last!.final) faults.push(`${where}: is not told to be over`)
    faults.push(...misshapen(bars, forms).map(what => `${where}: ${what}`))
  }
  for (const key of came.keys()) if (!truth.has(key)) faults.push(`${key} was never sent`)
  return faults
}

/** What is wrong with the way a candle went, whatever became of it. */
function misshapen(bars: readonly Bar[], forms: readonly Form[]): string[] {
  const places = new Map(forms.map(({ bar }, i) => [textOf(bar), i]))
  const faults: string[] = []
  for (const [i, bar] of bars.entries()) {
    const before = bars[i - 1]
    const place = places.get(textOf(bar))
    if (place === undefined) faults.push(`${textOf(bar)} never was`)
    if (!before || place === undefined) continue
    if (place < places.get(textOf(before))!) faults.push(`${textOf(bar)} behind ${textOf(before)}`)
    if (before.final && !bar.final) faults.push(`${textOf(bar)} grows though it was over`)
    if (before.final === bar.final && textOf(before) === textOf(bar)) {
      faults.push(`${textOf(bar)} came twice`)
    }
  }
  return faults
}

const textOf = ({ open, high, low, close, volume }: Bar) =>
  `${open}/${high}/${low}/${close} of ${volume}`

/** Any fault that a retry can mend, at venues that need no keys. */
function nextFault(random: Random): {
  readonly stream: readonly FaultOptions[]
  readonly history?: FaultOptions
} {
  const brief = Math.floor(random() * 8_000) + 1
  const times = 1 + Math.floor(random() * 3)
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)]!
  const lost: FaultOptions = pick([
    { fault: 'cut' },
    { fault: 'cut', reset: false },
    { fault: 'close', code: pick([1_000, 1_001, 1_011]) },
    { fault: 'restart', for: brief },
    { fault: 'restart', for: brief * 5 },
  ] as const)
  const opening: FaultOptions = pick([
    { fault: 'refuse', for: brief },
    { fault: 'upgrade-502', times },
    { fault: 'half-open' },
    { fault: 'welcome-delayed', by: brief },
  ] as const)
  const frames: FaultOptions = pick([
    { fault: 'duplicate', times },
    { fault: 'corrupt-json', times },
    { fault: 'stall', for: brief },
  ] as const)
  const history: FaultOptions = pick<FaultOptions>([
    { fault: 'rest-error', status: 500, times },
    { fault: 'rest-error', status: 429, retryAfter: brief },
    { fault: 'rest-spoiled', how: pick(['garbage', 'cut', 'shuffled', 'outside', 'silence']) },
  ])
  // Nothing tells of what a connection has not carried but that it ends.
  const unheard: readonly FaultOptions[] = [
    { fault: 'mute', for: 60_000 },
    { fault: 'cut', at: Math.max(50, brief) },
  ]
  const which = random()
  if (which < 0.3) return { stream: [lost] }
  if (which < 0.45) return { stream: [opening, lost] }
  if (which < 0.55) return { stream: [lost], history }
  if (which < 0.65) return { stream: unheard }
  if (which < 0.75) return { stream: [frames], history }
  return { stream: [frames] }
}

/** How far history lags behind the stream in a round, ms: in some for longer than it settles. */
function lagOf(random: Random): number {
  const [which, share] = [random(), random()]
  if (which < 0.2) return 0
  return Math.floor(which < 0.6 ? 1_000 + share * 9_000 : share * 1_000)
}

/** Leaves a feed no more memory of what it delivered than a busy one has, as long as it is left so. */
function forgetful(clock: Clock, ms: number): () => void {
  const { prototype } = Recent
  const { since } = prototype
  const horizon = Object.getOwnPropertyDescriptor(prototype, 'horizon')!
  prototype.since = function* (from) {
    for (const event of since.call(this, from))
      if (event.receivedAt >= clock.now() - ms) yield event
  }
  Object.defineProperty(prototype, 'horizon', {
    ...horizon,
    get(this: Recent) {
      return Math.max(horizon.get!.call(this), clock.now() - ms + SKEW_MS)
    },
  })
  return () => {
    prototype.since = since
    Object.defineProperty(prototype, 'horizon', horizon)
  }
}

/** The engine with a part of its work undone, until that is taken back. */
function mutated(without: CandleMutation): () => void {
  const { watch } = Ends.prototype
  const { of } = Recent.prototype
  if (without === 'ends') Ends.prototype.watch = () => {}
  else {
    Recent.prototype.of = function (topic) {
      const seen = of.call(this, topic)
      if (!seen) return undefined
      const { bar: _bar, barBefore: _before, ...rest } = seen
      return rest as Seen
    }
  }
  return () => {
    Ends.prototype.watch = watch
    Recent.prototype.of = of
  }
}

/** As of the memory that is patched. */
const SKEW_MS = 10_000

const luckOf = (seed: number, part: number): Random => seededRandom(Math.imul(seed, 64) + part)
