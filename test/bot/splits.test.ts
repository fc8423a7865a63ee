import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { backtest } from '../../src/bot/backtest.ts'
import { findSplits, splitOn } from '../../src/bot/splits.ts'
import { defineStrategy } from '../../src/bot/strategy.ts'
import type { HistoryRequest, HistorySource } from '../../src/flow/contracts.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'

const DAY = 86_400_000
/** Midnight in New York of Thursday, 6 June 2024. */
const FROM = Date.UTC(2024, 5, 6, 4)
const range = { symbols: ['NVDA'], from: FROM, to: FROM + 30 * DAY }

/** A share of 1,200 that becomes ten of 120 on Monday, 10 June; one that never does. */
const DAYS = [0, 1, 4, 5]
const closeOf = (symbol: string, day: number, adjustment: string) =>
  symbol === 'NVDA' && day < 4 && adjustment === 'raw' ? 1_200 + day : 120 + day / 10

const storeOf = (adjustments: readonly string[]): HistorySource => ({
  async *history({ kind, symbols: [symbol], adjustment = 'raw', interval }: HistoryRequest) {
    const events: MarketEvent[] = []
    for (const day of DAYS) {
      const timestamp = FROM + day * DAY
      const common = { source: 's', symbol: symbol!, timestamp, receivedAt: timestamp }
      const close = closeOf(symbol!, day, adjustment)
      if (kind === 'bar' && interval === '1d' && adjustments.includes(adjustment)) {
        const prices = { open: close, high: close, low: close, close, volume: 1 }
        const more = { interval, final: true, revision: 0, adjustment, ...prices }
        events.push(createEvent({ ...common, type: 'bar', ...more } as never))
      }
      if (kind === 'trade') {
        const at = { timestamp: timestamp + 10 * 3_600_000, receivedAt: timestamp + 10 * 3_600_000 }
        events.push(
          createEvent({ ...common, ...at, type: 'trade', price: close, size: 1 } as never),
        )
      }
    }
    if (events.length > 0) yield events
  },
})

describe('a split', () => {
  test('is found where raw and adjusted daily bars change their relation', async () => {
    const found = await findSplits(storeOf(['raw', 'split']), {
      ...range,
      symbols: ['NVDA', 'SPY'],
    })
    assert.deepEqual(
      found.map(({ symbol, date, ratio }) => [symbol, date, ratio]),
      [['NVDA', '2024-06-10', 10]],
    )
    // Its day begins with the night before, at 20:00 in New York.
    assert.equal(new Date(found[0]!.at).toISOString(), '2024-06-10T00:00:00.000Z')
    assert.deepEqual(await findSplits(storeOf(['raw']), range), [])
    assert.deepEqual(await findSplits(storeOf([]), range), [])
  })

  test('is not crossed; up to it, and from it on, all is well', async () => {
    const seen: number[] = []
    const strategy = defineStrategy({ name: 's', onTrade: ({ price }) => seen.push(price) })
    const options = {
      ...{ ...range, strategy, params: {}, source: storeOf(['raw', 'split']) },
      splits: [splitOn('NVDA', '2024-06-10'), splitOn('SPY', '2024-06-07')],
    }
    await assert.rejects(backtest(options), {
      code: 'UNSUPPORTED',
      message: /NVDA was split on 2024-06-10/,
    })
    for (const symbols of [['SPY'], ['NVDA', 'SPY']]) {
      await assert.rejects(backtest({ ...options, symbols }), { message: /was split on/ })
    }
    seen.length = 0
    const [only] = options.splits
    const later: HistorySource = {
      async *history(request: HistoryRequest) {
        for await (const batch of options.source.history(request)) {
          yield batch.filter(({ timestamp }) => timestamp >= FROM + 4 * DAY)
        }
      },
    }
    await backtest({ ...options, splits: [only!], source: later })
    assert.deepEqual(seen, [120.4, 120.5])
  })

  test('has a day', () => {
    assert.throws(() => splitOn('NVDA', 'June'), { code: 'BAD_OPTION' })
  })
})
