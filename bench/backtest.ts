/**
 * A backtest from events in memory to its result: a strategy that only counts, the moving-average crossover of the examples,
 * and the same beside quotes, from which its orders are filled. What reading the past from a store costs is in `store`.
 *
 * CPU time; one variant per process, medians over passes. Every pass is a run of its own, and all must come to the same: as
 * many events seen as there are, the same fills.
 */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { seededRandom } from '../src/base/random.ts'
import { BacktestRun } from '../src/bot/backtest.ts'
import { defineStrategy, type Strategy } from '../src/bot/strategy.ts'
import { Ema } from '../src/derive/indicators.ts'
import { createEvent, type MarketEvent } from '../src/market/events.ts'
import { median, type Row, report, spread } from './table.ts'

const EVENTS = 400_000
const BATCH = 1_024
/** Passes before it counts, and that count. */
const WARM = 3
const PASSES = 7
const START = Date.UTC(2025, 5, 2, 14)

const VARIANTS = ['trivial', 'example', 'quoted'] as const
type Variant = (typeof VARIANTS)[number]

const TITLES: { readonly [variant in Variant]: string } = {
  trivial: 'a strategy that counts trades',
  example: 'moving-average crossover on trades',
  quoted: 'moving-average crossover, trades and quotes',
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
    if (variant !== 'trivial') return common
    return { ...common, peer: 'budget', peerValue: LEAST, ratio: value / LEAST, budget: 1 }
  })
  report(rows, json)
}

function inProcess(variant: Variant): number {
  const args = ['--max-semi-space-size=64', fileURLToPath(import.meta.url), variant]
  return Number(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

/** Runs in a process of its own; millions of events a second of CPU. */
function measure(variant: Variant): number {
  const batches = market(variant === 'quoted')
  const samples: number[] = []
  let whole: string | undefined
  for (let pass = 0; pass < WARM + PASSES; pass++) {
    const seen = { count: 0 }
    const run = new BacktestRun({
      ...{ strategy: strategyOf(variant, seen), params: {}, symbols: ['SPY'] },
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
  }
  return median(samples)
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
  return defineStrategy({
    name: 'crossing',
    subscribe: { trades: true, quotes: variant === 'quoted' },
    onTrade({ symbol, price }, bot) {
      const fast = bot.indicator(`fast ${symbol}`, () => new Ema(20)).update(price)
      const slow = bot.indicator(`slow ${symbol}`, () => new Ema(60)).update(price)
      if (fast === undefined || slow === undefined || bot.openOrders.length > 0) return
      const held = bot.position(symbol).quantity
      if (fast > slow && held === 0) bot.buy(symbol, 10)
      else if (fast < slow && held > 0) bot.sell(symbol, held)
    },
  })
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
