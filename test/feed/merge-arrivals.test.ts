import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Arrivals } from '../../src/feed/merge-arrivals.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'

const DAY = 86_400_000
const REMEMBER_MS = 50

const counters = () =>
  [0, 1, 2].map(() => ({ first: 0, second: 0, repeated: 0, alone: 0, outOfOrder: 0 }))

// Few of everything, so that much is the same, or nearly.
const anyReceipt = fc
  .record({
    kind: fc.constantFrom('trade', 'anonymous', 'quote'),
    symbol: fc.constantFrom('A', 'B'),
    time: fc.constantFrom(0, 1, DAY),
    nanos: fc.constantFrom(0, 1),
    id: fc.constantFrom(1, 2, '1'),
    exchange: fc.constantFrom('V', 'Q', undefined),
    price: fc.constantFrom(1, 2),
    leg: fc.integer({ min: 0, max: 2 }),
    wait: fc.constantFrom(0, 0, 1, 30),
  })
  .map(({ kind, symbol, time, nanos, id, exchange, price, leg, wait }) => {
    const common = { symbol, timestamp: time, nanos, exchange, price, size: 1 }
    const fields = {
      trade: { type: 'trade', ...common, id },
      anonymous: { type: 'trade', ...common },
      quote: { type: 'quote', ...common, bid: price, exchange: undefined },
    }[kind]
    return { event: createEvent(fields as never) as MarketEvent, leg, wait }
  })

interface Known {
  readonly key: string
  readonly at: number
  readonly legs: number[]
  delivered: number
}

/** What makes a receipt the same, spelled out. */
function keyOf(event: MarketEvent): string {
  const { type, symbol, timestamp, nanos } = event
  if (type === 'trade' && event.id !== undefined) {
    return `${symbol} trade ${event.id} ${event.exchange} ${Math.floor(timestamp / DAY)}`
  }
  if (type === 'trade')
    return `${symbol} print ${timestamp} ${nanos} ${event.exchange} ${event.price}`
  if (type === 'quote') return `${symbol} quote ${timestamp} ${nanos} ${event.bid}`
  return assert.fail(type)
}

test('is what a list that is searched from end to end would say', () => {
  fc.assert(
    fc.property(
      fc.array(anyReceipt, { maxLength: 120 }),
      fc.constantFrom(4, 1_000),
      (receipts, most) => {
        const arrivals = new Arrivals(counters(), REMEMBER_MS, most)
        let known: Known[] = []
        let forgotten = 0
        let now = 1_000
        for (const { event, leg, wait } of receipts) {
          now += wait
          const key = keyOf(event)
          let entry = known.find(one => one.key === key)
          if (!entry) {
            const young = known.filter(({ at }) => at >= now - REMEMBER_MS)
            known = young.slice(Math.max(0, young.length - most + 1))
            forgotten += young.length - known.length
            entry = { key, at: now, legs: [0, 0, 0], delivered: 0 }
            known.push(entry)
          }
          entry.legs[leg]!++
          const once = key.includes(' trade ')
          const most1 = Math.max(...entry.legs)
          const isFirst = (once ? Math.min(1, most1) : most1) > entry.delivered
          if (isFirst) entry.delivered++
          assert.equal(arrivals.isFirst(event, leg, now), isFirst)
          assert.equal(arrivals.size, known.length)
          assert.equal(arrivals.forgotten, forgotten)
        }
      },
    ),
    { numRuns: 500 },
  )
})

test('holds no more than it is told to, however long it runs', () => {
  const list = counters()
  const arrivals = new Arrivals(list, 1_000_000, 100)
  for (let i = 0; i < 10_000; i++) {
    const fields = { symbol: 'A', timestamp: i % 7, price: 1, size: 1, id: i } as const
    arrivals.isFirst(createEvent({ type: 'trade', ...fields }), i % 2, i)
    assert.ok(arrivals.size <= 100)
  }
  assert.deepEqual([arrivals.size, arrivals.forgotten], [100, 9_900])
  arrivals.close()
  assert.deepEqual(
    list.map(({ first, alone }) => [first, alone]),
    [
      [5_000, 5_000],
      [5_000, 5_000],
      [0, 0],
    ],
  )
  assert.equal(arrivals.size, 0)
})

/** Bars that differ in one thing each, and places of others beside them. */
const FORMS = [{}, { vwap: 2 }, { revision: 1 }, { tradeCount: 3 }, { final: false }, { close: 2 }]
const barOf = (form: number, more: object = {}) =>
  createEvent({
    ...{ type: 'bar', symbol: 'A', timestamp: 0, interval: '1m', final: true, revision: 0 },
    ...{ open: 1, high: 2, low: 1, close: 1, volume: 1, ...FORMS[form], ...more },
  })

/** As Tickwire numbers them: forming, final, revised once. */
const stageOf = (form: number) => (form === 4 ? 0 : form === 2 ? 2 : 1)

describe('a trade that is put right again and again', () => {
  const fixOf = (price: number, at: number, more: object = {}) =>
    createEvent({
      ...{ type: 'correction', symbol: 'A', exchange: 'V', timestamp: at, originalId: 7, id: 7 },
      ...{ originalPrice: 10, originalSize: 1, price, size: 1, ...more },
    })

  test('is in the end what it was last, though it was that before', () => {
    const list = counters()
    const arrivals = new Arrivals(list, 1_000, 100)
    const delivered: number[] = []
    const show = (leg: number, price: number, at: number) => {
      if (arrivals.isFirst(fixOf(price, at), leg, at)) delivered.push(price)
    }
    for (const [at, price] of [11, 10, 11].entries()) {
      show(0, price, at)
      if (at === 1) show(1, 11, 0)
    }
    // The slow one has missed that it was put back.
    show(1, 11, 2)
    assert.deepEqual(delivered, [11, 10, 11])
    assert.deepEqual(
      list.map(({ first, second, repeated }) => [first, second, repeated]),
      [
        [3, 0, 0],
        [0, 2, 0],
        [0, 0, 0],
      ],
    )
  })

  test('is not another one, nor the same with other conditions', () => {
    const arrivals = new Arrivals(counters(), 1_000, 100)
    const others = [{}, { symbol: 'B' }, { exchange: 'Q' }, { originalId: 8 }, { timestamp: DAY }]
    for (const more of [...others, { conditions: ['I'] }, { id: 9 }, { size: 2 }]) {
      assert.equal(arrivals.isFirst(fixOf(11, 0, more), 0, 0), true)
      assert.equal(arrivals.isFirst(fixOf(11, 0, more), 1, 0), false)
    }
    // One leg may write as text what another one writes as a number.
    const text = { id: '7', originalId: '7', size: 3 }
    assert.equal(arrivals.isFirst(fixOf(11, 0, text), 0, 0), true)
    assert.equal(arrivals.isFirst(fixOf(11, 0, { size: 3 }), 1, 0), false)
  })
})

describe('the forms of a bar', () => {
  test('come again as often as one leg shows them, and no more often', () => {
    const arrivals = new Arrivals(counters(), 1_000, 100)
    const shown = [0, 1, 0].flatMap(form => [0, 1].map(leg => [form, leg] as const))
    assert.deepEqual(
      shown.map(([form, leg], at) => arrivals.isFirst(barOf(form), leg, at)),
      [true, false, true, false, true, false],
    )
  })

  test('end with the last, where a slow leg shows one that the fast one has missed', () => {
    const arrivals = new Arrivals(counters(), 1_000, 100)
    const delivered: number[] = []
    const show = (leg: number, form: number) => {
      if (arrivals.isFirst(barOf(form), leg, 0)) delivered.push(form)
    }
    show(1, 5)
    show(0, 0)
    show(0, 5)
    assert.deepEqual(delivered, [5, 0, 5])
  })

  test('never go back to an earlier stage, though a leg may not come to the last', () => {
    const list = counters()
    const arrivals = new Arrivals(list, 1_000, 100)
    const show = (leg: number, form: number, more = {}) =>
      arrivals.isFirst(barOf(form, more), leg, 0)
    assert.deepEqual([show(0, 4), show(1, 4), show(0, 0)], [true, false, true])
    // One that the other leg has missed, of when it was forming.
    assert.equal(show(1, 4, { close: 7 }), false)
    assert.equal(show(0, 2), true)
    assert.equal(show(1, 0), false)
    assert.equal(show(1, 3), false)
    assert.equal(show(1, 2), false)
    assert.deepEqual(
      list.map(({ first, second, repeated }) => [first, second, repeated]),
      [
        [3, 0, 0],
        [0, 5, 0],
        [0, 0, 0],
      ],
    )
  })

  test('miss none of the stage they are at, in the order of each leg, and end with what all legs end with', () => {
    const form = fc.integer({ min: 0, max: FORMS.length - 1 })
    const receipts = fc.array(fc.record({ leg: fc.integer({ min: 0, max: 2 }), form }), {
      maxLength: 40,
    })
    fc.assert(
      fc.property(receipts, form, (list, end) => {
        const top = Math.max(...list.map(({ form }) => stageOf(form)), stageOf(end))
        // All end at the last stage that one has come to.
        const last = stageOf(end) === top ? end : top === 2 ? 2 : 0
        const all = [...list, ...[0, 1, 2].map(leg => ({ leg, form: last }))]
        const counts = counters()
        const arrivals = new Arrivals(counts, 1_000, 100)
        const delivered = all
          .filter(({ leg, form }, at) => arrivals.isFirst(barOf(form), leg, at))
          .map(({ form }) => form)
        assert.equal(delivered.at(-1), last)
        const stages = delivered.map(stageOf)
        assert.deepEqual(stages, stages.toSorted())
        for (const own of [0, 1, 2]) {
          let [at, stage] = [-1, 0]
          for (const { leg, form } of all) {
            // Behind a later stage, told by whomever, it is of the past.
            stage = Math.max(stage, stageOf(form))
            if (leg !== own || stageOf(form) < stage) continue
            at = delivered.indexOf(form, at + 1)
            assert.notEqual(at, -1)
          }
          const { first, second, repeated } = counts[own]!
          const said = all.filter(({ leg }) => leg === own)
          assert.deepEqual([first + second, repeated], [said.length, 0])
        }
        assert.equal(arrivals.size, delivered.length)
      }),
      { numRuns: 1_000 },
    )
  })

  test('are those of the leg that leads, where others are behind it and have missed some', () => {
    const leads = fc.array(
      fc.record({ form: fc.integer({ min: 0, max: FORMS.length - 1 }), seen: fc.boolean() }),
      { maxLength: 20 },
    )
    fc.assert(
      fc.property(leads, fc.integer({ min: 0, max: 5 }), (list, behind) => {
        const arrivals = new Arrivals(counters(), 1_000, 100)
        const said = list.toSorted((a, b) => stageOf(a.form) - stageOf(b.form))
        for (const [i, { form }] of said.entries()) {
          assert.equal(arrivals.isFirst(barOf(form), 0, i), true)
          const late = said[i - behind]
          if (late?.seen) assert.equal(arrivals.isFirst(barOf(late.form), 1, i), false)
        }
      }),
    )
  })

  test('are not those of another symbol, length, time or adjustment', () => {
    const arrivals = new Arrivals(counters(), 1_000, 100)
    const others = [{}, { symbol: 'B' }, { interval: '5m' }, { timestamp: 1 }, { nanos: 1 }]
    for (const more of [...others, { adjustment: 'split' }]) {
      assert.equal(arrivals.isFirst(barOf(0, more), 0, 0), true)
      assert.equal(arrivals.isFirst(barOf(0, more), 1, 0), false)
    }
  })

  test('are forgotten one by one', () => {
    const list = counters()
    const arrivals = new Arrivals(list, 50, 3)
    const show = (form: number, at: number) => arrivals.isFirst(barOf(form), 0, at)
    for (const [at, form] of [4, 0, 1, 3, 2].entries()) show(form, at)
    assert.deepEqual([arrivals.size, arrivals.forgotten], [3, 2])
    assert.equal(arrivals.isFirst(barOf(3), 1, 6), false)
    assert.equal(show(2, 60), true)
    assert.deepEqual([arrivals.size, arrivals.forgotten], [1, 2])
    arrivals.close()
    assert.deepEqual(
      list.map(({ first, second, alone }) => [first, second, alone]),
      [
        [6, 0, 5],
        [0, 1, 0],
        [0, 0, 0],
      ],
    )
  })
})
