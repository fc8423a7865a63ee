// A strategy runs live, on paper, on a market that a feed brings through faults and repairs; then in backtest over the tape
// that was recorded: the same orders and fills, one for one. And what comes after a moment changes nothing before it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../src/base/log.ts'
import { type Random, seededRandom } from '../src/base/random.ts'
import { type BacktestOptions, backtest } from '../src/bot/backtest.ts'
import type { DiaryRow } from '../src/bot/diary.ts'
import type { LoopOptions } from '../src/bot/loop.ts'
import type { Fill, Order } from '../src/bot/orders.ts'
import { BotRunner } from '../src/bot/runner.ts'
import { defineStrategy, type Strategy } from '../src/bot/strategy.ts'
import { Ema } from '../src/derive/indicators.ts'
import { openFeed } from '../src/feed/feed.ts'
import { createEvent, type MarketEvent } from '../src/market/events.ts'
import { alpaca } from '../src/providers/alpaca/index.ts'
import { memoryTape } from '../src/tape/memory.ts'
import { handClock } from '../src/testing/clock.ts'
import { scriptedVenue } from '../src/testing/venue-scripted.ts'
import { nextFault } from './repair-faults.ts'
import { Market, SYMBOLS } from './repair-market.ts'

/**
 * What can be done wrong; each must make rounds fail: `chance` of the strategy's own, another `seed`, events in another
 * `order`, a strategy that looks at what is still to come (`future`).
 */
export const MUTATIONS = ['chance', 'seed', 'order', 'future'] as const
type Mutation = (typeof MUTATIONS)[number]

export interface RoundOptions {
  readonly without?: Mutation | undefined
}

const TUESDAY_10 = Date.UTC(2024, 0, 16, 15)
const MINUTES = 3
const STEP_MS = 100
/** More events than a round has. */
const CAPACITY = 131_072

/** One experiment; returns what did not hold. */
export async function round(seed: number, { without }: RoundOptions = {}): Promise<string[]> {
  const random = seededRandom(seed)
  const foreseen: MarketEvent[] = []
  const strategy = tradingAtRandom(without, foreseen)
  const options: LoopOptions<Record<string, never>> = {
    ...{ strategy, params: {}, symbols: SYMBOLS, seed },
    paper: { latencyMs: [5, 400], slippageBps: 1, fees: { perUnit: 0.005 } },
    risk: { maxOrdersPerMinute: 1_000, allowShort: random() < 0.5 },
  }
  const live = await liveRun(seed, random, options)
  const tape = memoryTape({ capacity: CAPACITY })
  tape.append(without === 'order' ? swapped(live.events, random) : live.events)
  const past: BacktestOptions<Record<string, never>> = {
    ...{ ...options, source: tape, from: 0, to: 9e12 },
    ...(without === 'seed' && { seed: seed + 1 }),
  }
  foreseen.push(...live.events)
  const again = await backtest(past)
  const faults: string[] = []
  if (live.fills.length === 0) faults.push('nothing was ever filled')
  faults.push(...differences('order', live.sent, again.orders.map(plainOrder)))
  faults.push(...differences('fill', live.fills, again.fills.map(plainFill)))
  faults.push(...(await untouched(live.events, past, random, foreseen)))
  return faults
}

/** What is after a moment is made another market; what was done before it must stay. */
async function untouched(
  events: readonly MarketEvent[],
  options: BacktestOptions<Record<string, never>>,
  random: Random,
  foreseen: MarketEvent[],
): Promise<string[]> {
  const at = Math.floor(events.length * (0.3 + random() * 0.4))
  const then = events[at]!.receivedAt
  const changed = events.map(event =>
    event.receivedAt > then && event.type === 'trade'
      ? createEvent({ ...event, price: event.price * 1.05 })
      : event,
  )
  const run = async (list: readonly MarketEvent[]) => {
    foreseen.splice(0, foreseen.length, ...list)
    const tape = memoryTape({ capacity: CAPACITY })
    tape.append(list)
    const { orders, fills } = await backtest({ ...options, source: tape })
    return {
      orders: orders.filter(one => one.createdAt <= then).map(plainOrder),
      fills: fills.filter(one => one.timestamp <= then),
    }
  }
  const [one, other] = [await run(events), await run(changed)]
  const faults = [
    ...differences('order', one.orders, other.orders),
    ...differences('fill', one.fills, other.fills),
  ]
  return faults.map(fault => `what came later changed it: ${fault}`)
}

/** Buys and sells by averages and by chance, with orders of every type. */
function tradingAtRandom(
  without: Mutation | undefined,
  foreseen: readonly MarketEvent[],
): Strategy<Record<string, never>> {
  return defineStrategy<Record<string, never>>({
    name: 'parity',
    subscribe: { trades: true, quotes: true, bars: '5s' },
    onTrade({ symbol, price, timestamp }, bot) {
      const average = bot.indicator(symbol, () => new Ema(10)).update(price)
      const chance = without === 'chance' ? Math.random() : bot.random()
      if (average === undefined || chance > 0.15) return
      let side = price > average ? ('buy' as const) : ('sell' as const)
      if (without === 'future') {
        const next = foreseen.find(
          one => one.type === 'trade' && one.symbol === symbol && one.timestamp > timestamp,
        )
        if (next?.type === 'trade') side = next.price > price ? 'buy' : 'sell'
      }
      const quantity = 1 + Math.floor(bot.random() * 20)
      const held = bot.position(symbol).quantity
      const kind = bot.random()
      const tick = side === 'buy' ? -0.02 : 0.02
      if (side === 'sell' && held > 0 && kind < 0.5) bot.sell(symbol, held)
      else if (kind < 0.4) bot.order({ symbol, side, quantity })
      else if (kind < 0.7) bot.order({ symbol, side, quantity, limitPrice: price + tick })
      else if (kind < 0.9) bot.order({ symbol, side, quantity, stopPrice: price - tick })
      else bot.order({ symbol, side, quantity, limitPrice: price, timeInForce: 'ioc' })
    },
    onBar(_bar, bot) {
      const [first] = bot.openOrders
      if (first && bot.random() < 0.5) bot.cancel(first.id)
    },
  })
}

interface Lived {
  readonly events: readonly MarketEvent[]
  readonly sent: readonly object[]
  readonly fills: readonly Fill[]
}

/** The market as a feed brings it through faults, and a bot on its tape. */
async function liveRun(
  seed: number,
  random: Random,
  options: LoopOptions<Record<string, never>>,
): Promise<Lived> {
  const clock = handClock(TUESDAY_10)
  const venue = scriptedVenue({
    ...{ clock, random: seededRandom(seed + 1), latencyMs: Math.floor(random() * 100) },
    record: { lagMs: Math.floor(random() * 800) },
  })
  const { openSocket, httpGet } = venue
  const provider = alpaca({ key: `PARITY${seed}`, secret: 'proof', openSocket, httpGet, clock })
  const feed = openFeed(provider, {
    ...{ clock, log: silentLog, random: seededRandom(seed + 2), leases: false },
  })
  feed.done.catch(() => {})
  const tape = memoryTape({ clock, capacity: CAPACITY })
  feed.pipe(tape)
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-parity-'))
  const told: DiaryRow[] = []
  const stop = new AbortController()
  const runner = new BotRunner<Record<string, never>>({
    ...{ ...options, tape, clock, file: join(folder, 'bot.json'), signal: stop.signal },
    said: () => {},
    tell: rows => told.push(...rows),
  })
  const running = runner.run()
  try {
    const list = [...SYMBOLS]
    feed.subscribe({ trades: list, quotes: list, corrections: list, cancels: list }).catch(() => {})
    await clock.advance(1_000)
    const luck = seededRandom(seed + 3)
    const market = new Market(seededRandom(seed + 4), {
      ...{ start: clock.now(), rate: 30 },
      deliver: batch => venue.deliver(batch),
    })
    market.open(clock.now())
    for (let ms = 0; ms < MINUTES * 60_000; ms += STEP_MS) {
      market.run(clock.now())
      const menu = { sockets: false, reorder: true, deprived: false }
      if (luck() < 0.01) for (const fault of nextFault(luck, menu)) venue.inject(fault)
      await clock.advance(STEP_MS)
    }
    await clock.advance(60_000)
    const events: MarketEvent[] = []
    for await (const batch of tape.read({ from: 'start', live: false })) events.push(...batch)
    stop.abort()
    await running
    const sent = told.flatMap(row => (row.did === 'order' ? [plainOrder(row.order)] : []))
    const fills = told.flatMap(row => (row.did === 'fill' ? [plainFill(row)] : []))
    return { events, sent, fills }
  } finally {
    stop.abort()
    await Promise.all([feed.close(), clock.advance(5_000)])
    await tape.close()
    await venue.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What was asked for, and when. */
function plainOrder(order: Order) {
  const { id, symbol, side, quantity, type, limitPrice, stopPrice, createdAt } = order
  return { id, symbol, side, quantity, type, limitPrice, stopPrice, createdAt }
}

function plainFill(fill: Fill): Fill {
  const { id, orderId, symbol, side, price, quantity, fee, liquidity, timestamp } = fill
  return { id, orderId, symbol, side, price, quantity, fee, liquidity, timestamp }
}

function differences(what: string, one: readonly object[], other: readonly object[]): string[] {
  const length = Math.max(one.length, other.length)
  for (let i = 0; i < length; i++) {
    const [a, b] = [JSON.stringify(one[i]), JSON.stringify(other[i])]
    if (a !== b) return [`${what} ${i + 1} of ${one.length} and ${other.length}: ${a}, then ${b}`]
  }
  return []
}

/** Some neighbours on the tape change places. */
function swapped(events: readonly MarketEvent[], random: Random): MarketEvent[] {
  const list = [...events]
  for (let i = 1; i < list.length; i++) {
    if (random() < 0.2) [list[i - 1], list[i]] = [list[i]!, list[i - 1]!]
  }
  return list
}

/** For the last line of the proof. */
export const summary = () => `each a market of ${MINUTES} minutes through faults, and a bot`
