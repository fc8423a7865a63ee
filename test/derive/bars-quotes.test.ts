import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type QuoteBar, QuoteBarBuilder } from '../../src/derive/bars-quotes.ts'
import { createEvent, type Quote } from '../../src/market/events.ts'
import { OPEN } from './bars-kit.ts'

const quote = (at: number, bid?: number, ask?: number, more: Partial<Omit<Quote, 'type'>> = {}) =>
  createEvent({
    ...{ type: 'quote', symbol: 'SPY', source: 'x', timestamp: OPEN + at, receivedAt: OPEN + at },
    ...{ bid, bidSize: bid && 3, ask, askSize: ask && 4 },
    ...more,
  })

function build(quotes: readonly Quote[], until: number) {
  const bars: QuoteBar[] = []
  const builder = new QuoteBarBuilder({ interval: '1s' }, bar => bars.push(bar))
  builder.append(quotes)
  builder.advance(OPEN + until)
  return { bars, builder }
}

const numbers = (side: QuoteBar['bid']) => side && [side.open, side.high, side.low, side.close]

describe('quote bars', () => {
  test('open at the quote that stood when they began, which counts for high and low', () => {
    const { bars } = build([quote(0, 10, 12), quote(500, 11, 13), quote(1_500, 9, 12)], 3_000)
    assert.deepEqual(
      bars.map(bar => [bar.timestamp - OPEN, numbers(bar.bid), numbers(bar.ask), bar.quoteCount]),
      [
        [0, [10, 11, 10, 11], [12, 13, 12, 13], 2],
        [1_000, [11, 11, 9, 9], [13, 13, 12, 12], 1],
      ],
    )
    assert.deepEqual([bars[0]!.bid!.size, bars[0]!.ask!.size], [3, 4])
  })

  test('a side that nobody quotes keeps its last price, and is absent before its first', () => {
    const { bars } = build([quote(0, 10), quote(1_100, undefined, 12), quote(2_100, 11)], 5_000)
    assert.deepEqual(
      bars.map(bar => [numbers(bar.bid), numbers(bar.ask)]),
      [
        [[10, 10, 10, 10], undefined],
        [
          [10, 10, 10, 10],
          [12, 12, 12, 12],
        ],
        [
          [10, 11, 10, 11],
          [12, 12, 12, 12],
        ],
      ],
    )
  })

  test('an interval without a quote has no bar', () => {
    const { bars } = build([quote(0, 10, 11), quote(5_000, 10, 11)], 9_000)
    assert.deepEqual(
      bars.map(bar => bar.timestamp - OPEN),
      [0, 5_000],
    )
  })

  test('quotes are sorted in within the grace; later ones are counted and left out', () => {
    const late = { receivedAt: OPEN + 900 }
    const later = { receivedAt: OPEN + 4_000 }
    const { bars, builder } = build(
      [
        quote(800, 10, 12),
        quote(100, 11, 13, late),
        quote(3_900, 1, 2),
        quote(200, 99, 100, later),
      ],
      6_000,
    )
    assert.deepEqual(numbers(bars[0]!.bid), [11, 11, 10, 10])
    assert.equal(builder.late, 1)
  })

  test('are those of the plain way', () => {
    const record = fc.record({
      at: fc.integer({ min: 0, max: 9_000 }),
      bid: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
      ask: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
    })
    const property = fc.property(fc.array(record, { maxLength: 400 }), records => {
      const quotes = records
        .sort((a, b) => a.at - b.at)
        .map(({ at, bid, ask }) => quote(at, bid, ask))
      const { bars } = build(quotes, 20_000)
      const plain = new Map<number, { bid: number[]; ask: number[] }>()
      let [bid, ask] = [undefined as number | undefined, undefined as number | undefined]
      for (const one of quotes) {
        const place = Math.floor((one.timestamp - OPEN) / 1_000) * 1_000
        const known = plain.get(place) ?? {
          bid: bid === undefined ? [] : [bid],
          ask: ask === undefined ? [] : [ask],
        }
        plain.set(place, known)
        if (one.bid !== undefined) known.bid.push((bid = one.bid))
        if (one.ask !== undefined) known.ask.push((ask = one.ask))
      }
      const sides = (list: number[]) =>
        list.length === 0 ? undefined : [list[0], Math.max(...list), Math.min(...list), list.at(-1)]
      assert.deepEqual(
        bars.map(bar => [bar.timestamp - OPEN, numbers(bar.bid), numbers(bar.ask)]),
        [...plain].map(([place, lists]) => [place, sides(lists.bid), sides(lists.ask)]),
      )
    })
    fc.assert(property, { numRuns: 200 })
  })

  test('of a source that is behind wait for as much longer', () => {
    const behindMs = 15 * 60_000
    const quotes = Array.from({ length: 10 }, (_, s) =>
      quote(s * 1_000, 10 + s, 20, { receivedAt: OPEN + s * 1_000 + behindMs }),
    )
    // Another one is not.
    const now = quote(behindMs, 1, 2, { source: 'y', receivedAt: OPEN + behindMs })
    const { bars, builder } = build([now, ...quotes], behindMs + 12_000)
    assert.deepEqual([bars.length, builder.late], [11, 0])
    assert.deepEqual(
      bars
        .filter(({ source }) => source === 'x')
        .map(bar => [bar.timestamp - OPEN, bar.bid!.close]),
      quotes.map((_, s) => [s * 1_000, 10 + s]),
    )
    assert.deepEqual(bars[0]!.source, 'y')
  })

  test('of a symbol that is behind lose none to a fresh quote of another symbol, or to one of its own', () => {
    const behindMs = 15 * 60_000
    const received = (s: number) => ({ receivedAt: OPEN + s * 1_000 + behindMs })
    const quotes = Array.from({ length: 30 }, (_, s) => quote(s * 1_000, 10 + s, 20, received(s)))
    const fresh = (s: number, symbol: string) =>
      quote(s * 1_000 + behindMs, 99, 100, { symbol, ...received(s) })
    for (const symbol of ['MSFT', 'SPY']) {
      const all = [...quotes.slice(0, 10), fresh(9, symbol), ...quotes.slice(10)]
      const { bars, builder } = build(all, behindMs + 32_000)
      assert.equal(builder.late, 0)
      assert.deepEqual(
        bars.filter(bar => bar.timestamp < OPEN + behindMs).map(bar => bar.bid!.close),
        quotes.map(({ bid }) => bid),
      )
    }
  })

  test('are sent when their end is past by the grace, though each quote takes its time to come', () => {
    const { bars, builder } = build([quote(0, 10, 12, { receivedAt: OPEN + 5 })], 1_999)
    assert.equal(bars.length, 0)
    builder.advance(OPEN + 2_000)
    assert.equal(bars.length, 1)
  })

  test('of a first quote that stood for long are not taken for those of a source that is behind', () => {
    const old = quote(-600_000, 10, 11, { receivedAt: OPEN })
    const { bars, builder } = build([old, quote(100, 12, 13), quote(1_100, 14, 15)], 3_500)
    assert.deepEqual(
      bars.map(bar => bar.timestamp - OPEN),
      [-600_000, 0, 1_000],
    )
    assert.equal(builder.late, 0)
  })

  test('go by the time of quotes, not by how many came: one beyond the grace is late in any case', () => {
    for (const count of [10, 255, 256, 300]) {
      const quotes = Array.from({ length: count }, (_, i) => quote(i * 10, 10, 20))
      const last = quotes.at(-1)!.timestamp - OPEN
      const passed = quote(last + 2_000, 10, 20)
      const late = quote(last + 999, 1, 99, { receivedAt: OPEN + last + 2_000 })
      const bars: QuoteBar[] = []
      const builder = new QuoteBarBuilder({ interval: '1m' }, bar => bars.push(bar))
      builder.append([...quotes, passed, late])
      builder.advance(OPEN + 120_000)
      assert.deepEqual([builder.late, bars.length, bars[0]!.bid!.low], [1, 1, 10])
    }
  })

  test('leave out what is no number, and count it', () => {
    const nan = Number.NaN
    const { bars, builder } = build(
      [
        ...[quote(0, 10, 12), quote(1, nan, 12), quote(2, 10, nan)],
        ...[quote(3, 11, 12, { bidSize: nan }), quote(4, 10, Number.POSITIVE_INFINITY)],
        quote(5, 13, 14, { timestamp: nan, receivedAt: OPEN + 5 }),
        quote(6, 13, 14, { timestamp: 1e18, receivedAt: OPEN + 6 }),
      ],
      3_000,
    )
    assert.deepEqual([bars.length, bars[0]!.quoteCount, builder.malformed], [1, 1, 6])
    assert.deepEqual(numbers(bars[0]!.bid), [10, 10, 10, 10])
    for (const time of [nan, Number.POSITIVE_INFINITY]) {
      assert.throws(() => builder.advance(time), { code: 'BAD_OPTION' })
    }
  })

  test('are of a time only', () => {
    const make = () => new QuoteBarBuilder({ interval: '500t' }, () => {})
    assert.throws(make, { code: 'BAD_OPTION' })
  })
})

test('a symbol whose quotes begin to come late has none of its bars sent twice', () => {
  const begin = Date.UTC(2024, 0, 16, 15)
  const bars: QuoteBar[] = []
  const builder = new QuoteBarBuilder({ interval: '1s' }, bar => bars.push(bar))
  const stalled = [
    ...([
      [200, 200],
      [600, 3_900],
      [650, 3_950],
      [900, 4_100],
      [1_500, 4_700],
      [2_500, 5_700],
    ] as const),
  ].map(([at, came], i) => ({ symbol: 'SPY', at, came, bid: 100 + i }))
  // Another symbol goes on, and with it the time.
  const others = Array.from({ length: 90 }, (_, i) => ({
    ...{ symbol: 'OTHER', at: i * 100, came: i * 100 + 1, bid: 50 },
  }))
  for (const { symbol, at, came, bid } of [...stalled, ...others].sort((a, b) => a.came - b.came)) {
    const times = { timestamp: begin + at, receivedAt: begin + came }
    builder.accept(createEvent({ type: 'quote', symbol, source: 'a', bid, ask: 200, ...times }))
  }
  builder.end()
  const places = bars.filter(({ symbol }) => symbol === 'SPY').map(({ timestamp }) => timestamp)
  assert.ok(places.length > 0)
  assert.deepEqual(places, [...new Set(places)])
})
