/**
 * A backtest from events in memory to its result: a strategy that only counts, the moving-average crossover of the examples,
 * and the same beside quotes, from which its orders are filled. What reading the past from a store costs is in `store`.
 *
 * On minute bars the same crossover runs in grademark, the backtester of JavaScript that is best known. It is given its bars
 * as a frame that is ready, and the averages by the same code; like us it fills at the open of the next bar. It does less: no
 * orders, no risk, no cash, no curve. Its trades must have our prices, each of them.
 *
 * CPU time; one variant per process, medians over passes. Every pass is a run of its own, and all must come to the same: as
 * many events seen as there are, the same fills.
 */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { seededRandom } from '../src/base/random.ts'
import { BacktestRun } from '../src/bot/backtest.ts'
import type { Fill } from '../src/bot/orders.ts'
import { type BotContext, defineStrategy, type Strategy } from '../src/bot/strategy.ts'
import { Ema } from '../src/derive/indicators.ts'
import { type Bar, createEvent, type MarketEvent } from '../src/market/events.ts'
import { peer } from './peers.ts'
import { median, type Row, report, spread } from './table.ts'

const EVENTS = 400_000
const BATCH = 1_024
/** Passes before it counts, and that count. */
const WARM = 3
const PASSES = 7
const START = Date.UTC(2025, 5, 2, 14)
const MINUTE = 60_000
const [FAST, SLOW] = [20, 60]

const VARIANTS = ['trivial', 'example', 'quoted', 'bars', 'grademark'] as const
type Variant = (typeof VARIANTS)[number]

const TITLES: { readonly [variant in Variant]: string } = {
  trivial: 'a strategy that counts trades',
  example: 'moving-average crossover on trades',
  quoted: 'moving-average crossover, trades and quotes',
  bars: 'moving-average crossover on bars of 1 m',
  grademark: 'grademark 0.3.0, the same bars',
}
/** Least events a second of the trivial strategy, millions. */
const LEAST = 2

export async function main({
  rounds = 5,
  json,
}: {
  rounds?: number
  json?: string
}): Promise<void> {
  const samples = new Map<Variant, number[]>(VARIANTS.map(variant => [variant, []]))
  for (let round = 0; round < rounds; round++) {
    for (const variant of VARIANTS) samples.get(variant)!.push(inProcess(variant))
  }
  const rows = VARIANTS.map((variant): Row => {
    const rates = samples.get(variant)!
    const value = median(rates)
    const common = {
      name: TITLES[variant],
      unit: 'M events/s',
      value,
      rounds,
      spread: spread(rates),
    }
    if (variant === 'trivial')
      return { ...common, peer: 'budget', peerValue: LEAST, ratio: value / LEAST, budget: 1 }
    if (variant !== 'bars') return common
    const peerValue = median(samples.get('grademark')!)
    return { ...common, peer: 'grademark', peerValue, ratio: value / peerValue }
  })
  report(rows, json)
}

function inProcess(variant: Variant): number {
  const args = ['--max-semi-space-size=64', fileURLToPath(import.meta.url), variant]
  return Number(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

/** Runs in a process of its own; millions of events a second of CPU. */
function measure(variant: Variant): number {
  if (variant === 'grademark') return measureGrademark()
  const batches = variant === 'bars' ? inBatches(bars()) : market(variant === 'quoted')
  const samples: number[] = []
  let whole: string | undefined
  for (let pass = 0; pass < WARM + PASSES; pass++) {
    const seen = { count: 0 }
    const run = new BacktestRun({
      ...{
        strategy: strategyOf(variant, seen),
        params: {},
        symbols: [variant === 'bars' ? 'BTC/USD' : 'SPY'],
      },
      ...{ from: 0, to: 9e12, cash: 1e7, risk: { maxOrdersPerMinute: 1e6 } },
    })
    const start = process.cpuUsage()
    for (const batch of batches) run.take(batch)
    const { user, system } = process.cpuUsage(start)
    const { fills, events, endEquity } = run.result()
    if (pass >= WARM) samples.push(EVENTS / (user + system))
    const came = JSON.stringify([events, seen.count, fills, endEquity])
    if (came !== (whole ??= came)) throw new Error('two runs over the same events differ')
    const isWhole = events === EVENTS && (variant === 'trivial' ? seen.count === EVENTS : true)
    if (!isWhole) throw new Error(`${seen.count} of ${EVENTS} events were seen`)
    if (variant !== 'trivial' && fills.length < 100) throw new Error('next to nothing was traded')
    if (variant === 'bars' && pass === 0) mustAgree(fills)
  }
  return median(samples)
}

interface GrademarkTrade {
  readonly entryTime: Date
  readonly entryPrice: number
  readonly exitPrice: number
}
interface GrademarkBar {
  readonly time: Date
  readonly close: number
}
interface Crossing extends GrademarkBar {
  readonly fast: number | undefined
  readonly slow: number | undefined
}
interface Frame<T> {
  toArray(): T[]
  bake(): Frame<T>
}
interface Grademark {
  backtest(
    strategy: {
      prepIndicators(args: { inputSeries: Frame<GrademarkBar> }): Frame<Crossing>
      entryRule(enter: () => void, args: { bar: Crossing }): void
      exitRule(exit: () => void, args: { bar: Crossing }): void
    },
    bars: Frame<GrademarkBar>,
  ): readonly GrademarkTrade[]
}

/** A run of grademark, to be called again and again. */
function grademark(): () => readonly GrademarkTrade[] {
  const { DataFrame } = peer<{ DataFrame: new <T>(rows: readonly T[]) => Frame<T> }>('data-forge')
  const { backtest } = peer<Grademark>('grademark')
  const rows = bars().map(({ timestamp, open, high, low, close, volume }) => ({
    ...{ time: new Date(timestamp + MINUTE), open, high, low, close, volume },
  }))
  const frame = new DataFrame(rows).bake()
  return () =>
    backtest(
      {
        prepIndicators({ inputSeries }) {
          const [fast, slow] = [new Ema(FAST), new Ema(SLOW)]
          // A frame asks for its first row more often than once, which an average would count.
          const rows = inputSeries.toArray().map(bar => {
            return { ...bar, fast: fast.update(bar.close), slow: slow.update(bar.close) }
          })
          return new DataFrame<Crossing>(rows)
        },
        entryRule(enter, { bar: { fast, slow } }) {
          if (fast !== undefined && slow !== undefined && fast > slow) enter()
        },
        exitRule(exit, { bar: { fast, slow } }) {
          if (fast !== undefined && slow !== undefined && fast < slow) exit()
        },
      },
      frame,
    )
}

function measureGrademark(): number {
  const run = grademark()
  const samples: number[] = []
  for (let pass = 0; pass < WARM + PASSES; pass++) {
    const start = process.cpuUsage()
    const trades = run()
    const { user, system } = process.cpuUsage(start)
    if (trades.length < 100) throw new Error('next to nothing was traded')
    if (pass >= WARM) samples.push(EVENTS / (user + system))
  }
  return median(samples)
}

/** The same strategy over the same bars buys and sells at the same prices, whoever runs it. */
function mustAgree(fills: readonly Fill[]): void {
  const trades = grademark()()
  const theirs = trades.flatMap(({ entryPrice, exitPrice }) => [entryPrice, exitPrice])
  const ours = fills.map(({ price }) => price)
  // What is still held at the end it counts as sold there; we count it as held.
  const whole = ours.length - (ours.length % 2)
  const held = theirs.length - whole
  const agree = ours.slice(0, whole).every((price, i) => price === theirs[i])
  if (!agree || held < 0 || held > 2)
    throw new Error(
      `grademark traded ${theirs.length} times, we ${ours.length}, or at other prices`,
    )
}

function strategyOf(variant: Variant, seen: { count: number }): Strategy<Record<string, never>> {
  if (variant === 'trivial') {
    return defineStrategy({
      name: 'counting',
      onTrade() {
        seen.count++
      },
    })
  }
  if (variant === 'bars') {
    // As grademark does it: at the bar that fills an order nothing is decided.
    let isFilled = false
    return defineStrategy({
      name: 'crossing',
      subscribe: { venueBars: '1m' },
      onFill() {
        isFilled = true
      },
      onBar({ symbol, close }, bot) {
        seen.count++
        cross(symbol, close, bot, !isFilled)
        isFilled = false
      },
    })
  }
  return defineStrategy({
    name: 'crossing',
    subscribe: { trades: true, quotes: variant === 'quoted' },
    onTrade({ symbol, price }, bot) {
      cross(symbol, price, bot)
    },
  })
}

function cross(symbol: string, price: number, bot: BotContext, mayDecide = true): void {
  const fast = bot.indicator(`fast ${symbol}`, () => new Ema(FAST)).update(price)
  const slow = bot.indicator(`slow ${symbol}`, () => new Ema(SLOW)).update(price)
  if (fast === undefined || slow === undefined) return
  if (!mayDecide || bot.openOrders.length > 0) return
  const held = bot.position(symbol).quantity
  // One of a day would end at midnight, before the bar that fills it is known; grademark's have no end.
  const timeInForce = 'gtc'
  if (fast > slow && held === 0) bot.buy(symbol, 10, { timeInForce })
  else if (fast < slow && held > 0) bot.sell(symbol, held, { timeInForce })
}

/** Minutes of a market that never closes. */
function bars(): Bar[] {
  const random = seededRandom(2)
  let cents = 60_000
  return Array.from({ length: EVENTS }, (_, i) => {
    const open = cents
    cents = Math.max(10_000, cents + Math.round((random() - 0.5) * 40))
    const [high, low] = [Math.max(open, cents) + 3, Math.min(open, cents) - 3]
    const timestamp = START - (START % MINUTE) + i * MINUTE
    return createEvent({
      ...{ type: 'bar', source: 'simulated', symbol: 'BTC/USD', interval: '1m', timestamp },
      ...{ open: open / 100, high: high / 100, low: low / 100, close: cents / 100, volume: 1_000 },
      ...{ final: true, revision: 0, receivedAt: timestamp + MINUTE },
    })
  })
}

function inBatches(events: readonly MarketEvent[]): MarketEvent[][] {
  const batches: MarketEvent[][] = []
  for (let i = 0; i < events.length; i += BATCH) batches.push(events.slice(i, i + BATCH))
  return batches
}

/** A price that walks, ten times a second, within one session. */
function market(withQuotes: boolean): MarketEvent[][] {
  const random = seededRandom(1)
  const batches: MarketEvent[][] = []
  let [cents, at] = [60_000, START]
  for (let i = 0; i < EVENTS; i++) {
    at += random() * 80
    cents += Math.round((random() - 0.5) * 4)
    const price = cents / 100
    const common = { source: 'simulated', symbol: 'SPY', timestamp: Math.floor(at), receivedAt: at }
    const event =
      withQuotes && i % 2 === 0
        ? { type: 'quote', bid: price - 0.01, bidSize: 300, ask: price + 0.01, askSize: 300 }
        : { type: 'trade', price, size: 100, id: i, exchange: 'V' }
    if (i % BATCH === 0) batches.push([])
    batches.at(-1)!.push(createEvent({ ...common, ...event } as never))
  }
  return batches
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(String(measure(process.argv[2] as Variant)))
}
