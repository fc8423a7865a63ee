import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { type BacktestOptions, backtest } from '../../src/bot/backtest.ts'
import { inOrder } from '../../src/bot/in-order.ts'
import { defineStrategy } from '../../src/bot/strategy.ts'
import type { HistoryRequest, HistorySource } from '../../src/flow/contracts.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { handClock } from '../../src/testing/clock.ts'
import { bar, quote, T0, trade } from './kit.ts'

/** Answers as stores do: by venue time, of what a symbol has, in batches. */
const storeOf = (events: readonly MarketEvent[]): HistorySource => ({
  async *history({ kind, symbols, from, to, interval }: HistoryRequest) {
    const found = events.filter(
      event =>
        event.type === kind &&
        (symbols.includes('*') || symbols.includes(event.symbol!)) &&
        event.timestamp >= from &&
        event.timestamp <= to &&
        (event.type !== 'bar' || event.interval === (interval ?? '1m')),
    )
    found.sort((a, b) => a.timestamp - b.timestamp || (a.seq ?? 0) - (b.seq ?? 0))
    for (let i = 0; i < found.length; i += 7) {
      yield found.slice(i, i + 7).map(event => {
        const copy = createEvent({ ...event } as never)
        return Object.assign(copy, { seq: event.seq })
      })
    }
  },
})

/** Both directions, on trades and quotes of two symbols. */
const flipping = defineStrategy({
  name: 'flipping',
  subscribe: { trades: true, quotes: true },
  onTrade({ symbol, price }, bot) {
    if (bot.openOrders.length > 0 || bot.random() < 0.8) return
    const held = bot.position(symbol).quantity
    if (held > 0) bot.sell(symbol, held)
    else bot.buy(symbol, 5, { limitPrice: price })
  },
})

function market(seed: number): MarketEvent[] {
  const random = seededRandom(seed)
  let [at, price] = [0, 100]
  return Array.from({ length: 2_000 }, () => {
    at += Math.floor(random() * 200)
    price = Math.round((price + (random() - 0.5) * 0.2) * 100) / 100
    // Some are told late, some filled in much later.
    const delay = random() < 0.05 ? random() * 60_000 : random() * 50
    const more = {
      symbol: random() < 0.5 ? 'SPY' : 'QQQ',
      timestamp: T0 + at - Math.floor(delay),
      flags: delay > 50 ? 1 : 0,
    }
    return random() < 0.5
      ? trade(at, price, 10, more)
      : quote(at, [price - 0.01, 10, price + 0.01, 10], more)
  })
}

type Options = BacktestOptions<Record<string, never>>

const optionsOf = (source: Options['source']): Options => ({
  ...{ strategy: flipping, params: {}, symbols: ['SPY', 'QQQ'], from: T0 - 1e6, to: T0 + 1e9 },
  ...{ source, paper: { latencyMs: [5, 90] }, seed: 3, risk: { maxOrdersPerMinute: 1e6 } },
})

describe('a backtest', () => {
  test('makes of a store what it makes of the tape the store was filled from', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const tape = memoryTape({ clock: handClock(T0) })
      const events = market(seed)
      tape.append(events)
      const ofTape = await backtest(optionsOf(tape))
      const ofStore = await backtest(optionsOf(storeOf(events)))
      assert.ok(ofTape.fills.length > 20, `${ofTape.fills.length} fills`)
      assert.deepEqual(ofStore.orders, ofTape.orders)
      assert.deepEqual(ofStore.fills, ofTape.fills)
      assert.deepEqual(ofStore.endEquity, ofTape.endEquity)
    }
  })

  test('of bars alone knows each at its right edge, and trades at the next open', async () => {
    const bars = [10, 11, 12].map((open, i) =>
      bar(i * 60_000, [open, open + 2, open - 1, open + 1], { receivedAt: 0 }),
    )
    const seen: number[] = []
    const strategy = defineStrategy({
      name: 'bars',
      subscribe: { venueBars: '1m' },
      onBar(_, bot) {
        seen.push(bot.now - T0)
        if (bot.position('SPY').quantity === 0 && bot.openOrders.length === 0) bot.buy('SPY', 1)
      },
    })
    const options = { ...optionsOf(storeOf(bars)), strategy, symbols: ['SPY'] }
    const { fills, trips, equity } = await backtest(options)
    assert.deepEqual(seen, [0, 60_000, 120_000])
    assert.deepEqual(
      fills.map(({ price, timestamp }) => [price, timestamp - T0]),
      [[11, 60_000]],
    )
    assert.deepEqual([trips, equity.at(-1)], [[], [T0 + 120_000, 100_002]])
  })

  test('says what is wrong with its range, its symbols, and when it was given up', async () => {
    const tape = memoryTape({ clock: handClock(T0) })
    await assert.rejects(backtest({ ...optionsOf(tape), from: 2, to: 1 }), { code: 'BAD_OPTION' })
    await assert.rejects(backtest({ ...optionsOf(tape), symbols: [] }), { code: 'NO_SYMBOLS' })
    const signal = AbortSignal.abort()
    const given = backtest({ ...optionsOf(storeOf(market(1))), signal })
    await assert.rejects(given, { code: 'CLOSED' })
  })
})

test('streams come in the order in which their events could be known, whatever their batches', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = seededRandom(seed)
    const all: MarketEvent[] = []
    const streams = Array.from({ length: 1 + Math.floor(random() * 4) }, (_, i) => {
      const isRecorded = random() < 0.7
      const events = Array.from({ length: Math.floor(random() * 300) }, () => {
        const at = Math.floor(random() * 100_000)
        const receivedAt = T0 + at + (random() < 0.1 ? random() * 50_000 : random() * 20)
        const event = trade(at, 1, 1, { symbol: `S${i}`, receivedAt })
        return isRecorded ? Object.assign(event, { seq: Math.floor(receivedAt * 1_000) }) : event
      }).sort((a, b) => a.timestamp - b.timestamp)
      all.push(...events.map(event => ({ ...event })))
      return (async function* () {
        for (let from = 0; from < events.length; ) {
          const to = from + 1 + Math.floor(random() * 40)
          yield events.slice(from, to)
          from = to
        }
      })()
    })
    const came: MarketEvent[] = []
    for await (const batch of inOrder(streams)) came.push(...batch)
    const known = all
      .map(event => (event.seq === undefined ? event.timestamp : event.receivedAt))
      .sort((a, b) => a - b)
    assert.deepEqual(
      came.map(({ receivedAt }) => receivedAt),
      known,
    )
  }
})
