// What goes out of events of any venue is read back as what project() says.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createEvent, type EventFields } from '../../../src/market/events.ts'
import { clean } from '../../../src/providers/openalgo/market.ts'
import { MODES, modeNumber } from '../../../src/providers/openalgo/modes.ts'
import { projectOpenAlgo } from '../../../src/providers/openalgo/project.ts'
import { pythonJson } from '../../../src/providers/openalgo/server-frames.ts'
import { bench, events, TEN } from './kit.ts'

const maybe = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined })
const price = fc.integer({ min: 1, max: 1e9 }).map(cents => cents / 1_000)
const size = fc.integer({ min: 1, max: 1e9 }).map(units => units / 10_000)
const levels = fc.uniqueArray(fc.tuple(price, size), { maxLength: 4, selector: ([one]) => one })
const base = {
  symbol: fc.constant('NSE:RELIANCE'),
  source: fc.constant('any'),
  timestamp: fc.nat(50).map(seconds => TEN + seconds * 1_000),
  flags: fc.constantFrom(0, 0, 0, 1, 2),
  receivedAt: fc.constant(1),
}
const KINDS = {
  trade: { price, size, id: maybe(fc.nat()) },
  quote: { bid: maybe(price), bidSize: maybe(size), ask: maybe(price), askSize: maybe(size) },
  ticker: {
    ...{ last: maybe(price), lastSize: maybe(size), open: maybe(price), high: maybe(price) },
    ...{ low: maybe(price), previousClose: maybe(price), volume: maybe(size), vwap: maybe(price) },
    ...{ openInterest: maybe(size), mark: maybe(price), changePercent: maybe(price) },
  },
  book: { bids: levels, asks: levels, snapshot: fc.boolean() },
}
const anyEvent = fc.oneof(
  ...Object.entries(KINDS).map(([type, own]) =>
    fc
      .record({ ...base, ...(own as Record<string, fc.Arbitrary<unknown>>) })
      .map(fields => createEvent({ type, ...fields } as unknown as EventFields)),
  ),
)

// biome-ignore lint/suspicious/noExplicitAny: the data of a message, compared field by field
type Data = Record<string, any>

describe('decode(encode(event)) is project(event)', () => {
  for (const mode of MODES) {
    test(`in the mode ${mode}`, () => {
      fc.assert(
        fc.property(fc.array(anyEvent, { minLength: 1, maxLength: 12 }), list => {
          const projection = projectOpenAlgo(mode, 5)
          let hasTicker = false
          for (const event of list) {
            hasTicker ||= event.type === 'ticker'
            const data = projection(event) as Data | undefined
            if (!data) continue
            // A ticker that is newer than a trade knows better.
            if (event.type === 'trade' && !hasTicker) {
              assert.deepEqual(
                [data.ltp, data.ltq ?? data.last_quantity, data.ltt],
                [event.price, event.size, event.timestamp],
              )
            }
            const head = { type: 'market_data', symbol: 'RELIANCE', exchange: 'NSE' }
            const text = pythonJson({ ...head, mode: modeNumber(mode), data, broker: 'any' })
            const read = events(bench().read(text, TEN)) as Data[]
            assert.deepEqual(bench().readPlainly(text, TEN), bench().read(text, TEN))
            const ticker = read.find(({ type }) => type === 'ticker')
            const known = (value: number | undefined) => (value ? clean(value) : undefined)
            const [top, bottom] = [data.depth?.buy[0], data.depth?.sell[0]]
            assert.equal(ticker?.last, known(data.ltp))
            assert.equal(ticker?.open, known(data.open))
            assert.equal(ticker?.previousClose, known(data.close))
            assert.equal(ticker?.volume, known(data.volume))
            assert.equal(ticker?.vwap, known(data.average_price))
            assert.equal(ticker?.openInterest, known(data.oi))
            assert.equal(ticker?.bid, known(top?.price ?? data.bid))
            assert.equal(ticker?.ask, known(bottom?.price ?? data.ask))
            if (ticker) assert.equal(ticker.timestamp, event.timestamp)
            const book = read.find(({ type }) => type === 'book')
            const pairs = (side: Data[]) => side.map(level => [level.price, level.quantity])
            if (book) {
              assert.deepEqual(
                [book.bids, book.asks],
                [pairs(data.depth.buy), pairs(data.depth.sell)],
              )
            } else assert.equal((data.depth?.buy.length ?? 0) + (data.depth?.sell.length ?? 0), 0)
          }
        }),
        { numRuns: 300, seed: 7 },
      )
    })
  }
})
