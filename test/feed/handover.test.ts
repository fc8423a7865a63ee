import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../src/base/random.ts'
import { Handover } from '../../src/feed/handover.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'

/** As the venue says it; every connection gets objects of its own. */
const said = (n: number, receivedAt: number, timestamp = n) =>
  createEvent({ type: 'quote', symbol: 'A', timestamp, bid: n, receivedAt: NOON + receivedAt })
const NOON = Date.UTC(2024, 0, 15, 12)

test('whatever the delays, the merged stream is the venue’s: no hole, no repeat, in order', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.nat(40),
      fc.array(fc.boolean(), { minLength: 200, maxLength: 200 }),
      fc.boolean(),
      (count, joinAt, turns, repeats) => {
        // Some venues say the same thing twice in a row.
        const stream = Array.from({ length: count }, (_, i) => (repeats ? i >> 1 : i))
        const join = Math.min(joinAt, count)
        const oldSide = stream.map(n => said(n, 1))
        const newSide = stream.slice(join).map(n => said(n, 2))
        const merged: MarketEvent[] = []
        const handover = new Handover()
        handover.confirm()
        for (const takeOld of turns) {
          // The new connection shows nothing before its place in the venue's stream has come.
          if (takeOld && oldSide.length > 0) merged.push(...handover.old(oldSide.shift()!))
          else if (newSide.length > 0) merged.push(...handover.fresh(newSide.shift()!))
        }
        for (const event of oldSide) merged.push(...handover.old(event))
        for (const event of newSide) merged.push(...handover.fresh(event))
        const seen = merged.map(event => event.timestamp)
        if (!repeats) assert.deepEqual(seen, stream)
        else assert.deepEqual([...new Set(seen)], [...new Set(stream)])
      },
    ),
    { numRuns: 2_000, seed: 5 },
  )
})

test('a silent symbol is handed over by force, and what was in flight comes once', () => {
  const trade = (id: number, receivedAt: number) =>
    createEvent({
      ...{ type: 'trade', symbol: 'A', timestamp: NOON + id, receivedAt: NOON + receivedAt },
      ...{ price: 1, size: 1, id },
    })
  const ids = (events: readonly MarketEvent[]) => events.map(e => e.type === 'trade' && e.id)
  const handover = new Handover()
  handover.confirm()
  assert.deepEqual(handover.fresh(trade(3, 2)), [])
  assert.deepEqual(ids(handover.force()), [3])
  assert.ok(handover.done)
  assert.deepEqual(ids(handover.old(trade(2, 1))), [2])
  assert.deepEqual(handover.old(trade(3, 1)), [])
  assert.deepEqual(ids(handover.fresh(trade(4, 2))), [4])
})

test('an older quote does not come behind a forced end, and one that says what an earlier one said does', () => {
  const untimed = (bid: number, at: number) =>
    createEvent({
      ...{ type: 'quote', symbol: 'A', timestamp: NOON + at, receivedAt: NOON + at, bid },
    })
  const handover = new Handover()
  handover.old(untimed(1, 10))
  handover.confirm()
  handover.old(untimed(2, 20))
  handover.fresh(untimed(9, 25))
  handover.force()
  assert.deepEqual(handover.old(untimed(8, 26)), [])
  assert.equal(handover.fresh(untimed(3, 2_500)).length, 1)
  // Nothing would be the latest but 3 for as long as the symbol is quiet.
  assert.equal(handover.fresh(untimed(1, 3_000)).length, 1)
})

test('quotes that come back take no trade with them, whatever the delays', () => {
  const random = seededRandom(11)
  for (const times of ['none', 'seconds', 'exact'] as const) {
    for (let round = 0; round < 400; round++) {
      // Some venues tell at once what stands, to whoever subscribes.
      const begins = round % 4 < 2
      const [oldLag, newLag] = [random() * 40, random() * 40]
      const joinAt = 500 + random() * 50
      const begin = joinAt - random() * 60
      const make = (at: number, n: number, value: number, isTrade: boolean, lag: number) => {
        const receivedAt = NOON + at + lag
        const seconds = NOON + at - (at % 1_000)
        const said = { none: receivedAt, seconds, exact: NOON + at }[times]
        const nanos = times === 'exact' ? Math.floor((at % 1) * 1e6) : 0
        return isTrade
          ? createEvent({
              ...{ type: 'trade', symbol: 'A', timestamp: NOON + Math.floor(at), receivedAt },
              ...{ price: 1, size: 1, id: n },
            })
          : createEvent({
              ...{ type: 'quote', symbol: 'A', timestamp: Math.floor(said), nanos, receivedAt },
              ...{ bid: value },
            })
      }
      const handover = new Handover()
      const merged: MarketEvent[] = []
      const steps: [at: number, step: () => readonly MarketEvent[]][] = [
        [joinAt + newLag, () => handover.confirm() ?? []],
        [joinAt + newLag + 2_000, () => handover.force()],
      ]
      const trades: number[] = []
      let bid = 0
      let state: [at: number, value: number] | undefined
      for (let at = 0, n = 0; at < 800; at += random() * (round % 2 ? 8 : 60)) {
        const isTrade = random() < 0.3
        const value = isTrade ? 0 : Math.floor(random() * 3)
        if (isTrade) trades.push(++n)
        else bid = value
        if (at >= joinAt && state && begins) {
          const [since, stands] = state
          const event = make(since, 0, stands, false, joinAt + newLag - since)
          steps.push([joinAt + newLag, () => handover.fresh(event)])
        }
        if (at >= joinAt) state = undefined
        else if (!isTrade) state = [at, value]
        const [a, b] = [oldLag, newLag].map(lag => make(at, n, value, isTrade, lag))
        steps.push([at + oldLag, () => (at + oldLag < begin ? [a!] : handover.old(a!))])
        if (at >= joinAt) steps.push([at + newLag, () => handover.fresh(b!)])
      }
      steps.sort(([a], [b]) => a - b)
      for (const [, step] of steps) merged.push(...step())
      const came = merged.flatMap(e => (e.type === 'trade' ? Number(e.id) : []))
      assert.deepEqual(
        came.sort((a, b) => a - b),
        trades,
        `${times}, round ${round}`,
      )
      const last = merged.findLast(e => e.type === 'quote')
      assert.equal(last?.type === 'quote' && last.bid, bid)
    }
  }
})

test('what one connection receives within its own millisecond is still the same', () => {
  const cancel = (id: number, receivedAt: number) =>
    createEvent({
      ...{ type: 'cancel', symbol: 'A', timestamp: NOON + id, receivedAt: NOON + receivedAt },
      ...{ price: 1, size: 1, id, action: 'cancel' },
    })
  const handover = new Handover()
  handover.confirm()
  const merged: MarketEvent[] = []
  for (let id = 10; id < 20; id++) {
    merged.push(...handover.old(cancel(id, id + 30)), ...handover.fresh(cancel(id, id + 0.5)))
  }
  merged.push(...handover.force())
  assert.deepEqual(
    merged.map(({ timestamp }) => timestamp - NOON),
    [10, 11, 12, 13, 14, 15, 16, 17, 18, 19],
  )
})

test('where the venue says no time, or when it sent, that is not what the two are compared by', () => {
  const untimed = (value: number, receivedAt: number) =>
    createEvent({
      type: 'quote',
      symbol: 'A',
      timestamp: Math.floor(receivedAt),
      bid: value,
      receivedAt,
    })
  const sent = (value: number, receivedAt: number) =>
    createEvent({ type: 'ticker', symbol: 'A', timestamp: receivedAt - 3, last: value, receivedAt })
  for (const make of [untimed, sent]) {
    const handover = new Handover()
    handover.confirm()
    const merged: MarketEvent[] = []
    for (let value = 1; value <= 20; value++) {
      merged.push(...handover.old(make(value, NOON + value * 10)))
      if (value > 5) merged.push(...handover.fresh(make(value, NOON + value * 10 + 7)))
    }
    assert.ok(handover.done)
    assert.deepEqual(
      merged.map(event =>
        event.type === 'quote' ? event.bid : event.type === 'ticker' && event.last,
      ),
      Array.from({ length: 20 }, (_, i) => i + 1),
    )
  }
})

test('a state that the new connection begins with is not told again, let alone behind a newer one', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 40 }),
      fc.nat(40),
      fc.array(fc.boolean(), { minLength: 120, maxLength: 120 }),
      (count, joinAt, turns) => {
        const stream = Array.from({ length: count }, (_, i) => i + 1)
        const join = Math.min(joinAt, count - 1)
        const oldSide = stream.map(n => said(n, 1))
        // The last of before, as of the moment it was asked for.
        const state = said(join, 2, 1_000)
        const newSide = [state, ...stream.slice(join).map(n => said(n, 2))]
        const merged: MarketEvent[] = []
        const handover = new Handover()
        for (let i = 0; i < join; i++) merged.push(...handover.old(oldSide.shift()!))
        handover.confirm()
        for (const takeOld of turns) {
          if (takeOld && oldSide.length > 0) merged.push(...handover.old(oldSide.shift()!))
          else if (newSide.length > 0) merged.push(...handover.fresh(newSide.shift()!))
        }
        for (const event of oldSide) merged.push(...handover.old(event))
        for (const event of newSide) merged.push(...handover.fresh(event))
        const bids = merged.map(event => (event.type === 'quote' && event.bid) || 0)
        assert.deepEqual(
          bids.filter(bid => bid > 0),
          stream,
        )
      },
    ),
    { numRuns: 2_000, seed: 7 },
  )
})

test('of states that two connections never tell alike only the newest is delivered in the end', () => {
  const handover = new Handover()
  handover.confirm()
  const merged: MarketEvent[] = []
  for (let n = 1; n <= 10; n++) {
    merged.push(...handover.fresh(said(n + 0.25, 2)), ...handover.old(said(n, 1)))
  }
  merged.push(...handover.force())
  assert.deepEqual(
    merged.map(event => event.timestamp),
    [...Array.from({ length: 10 }, (_, i) => i + 1), 10.25],
  )
})

test('a flood on one side does not fill the memory', () => {
  const handover = new Handover()
  handover.confirm()
  for (let n = 0; n < 20_000; n++) handover.fresh(said(n, 2))
  assert.ok(handover.done)
})

test('a new connection that is not confirmed takes nothing over', () => {
  const handover = new Handover()
  assert.deepEqual(handover.fresh(said(1, 2)), [])
  for (let n = 0; n < 20_000; n++) assert.equal(handover.old(said(n, 1)).length, 1)
  assert.deepEqual(handover.force(), [])
  assert.equal(handover.done, false)
})
