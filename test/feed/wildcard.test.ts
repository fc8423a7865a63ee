import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Wildcard } from '../../src/feed/wildcard.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'

const said = (n: number) =>
  createEvent({ type: 'trade', symbol: 'A', timestamp: n, price: 1, size: 1 })
const times = (events: readonly MarketEvent[]) => events.map(event => event.timestamp)

/** A wildcard whose time is up when the test says so. */
function started() {
  const emitted: number[] = []
  const due: (() => void)[] = []
  const wildcard = new Wildcard({
    emit: batch => void emitted.push(...times(batch)),
    later: fn => void due.push(fn),
  })
  const all = (n: number) => times(wildcard.accept('A', 'all', said(n)))
  const own = (n: number) => times(wildcard.accept('A', 'own', said(n)))
  const turn = (side: 'all' | 'own') => wildcard.turn(side, () => ['A'])
  return { wildcard, emitted, due, all, own, turn }
}

test('`*` speaks from the first event on that both have shown', () => {
  const { own, all, turn } = started()
  assert.deepEqual([own(1), all(1)], [[1], []])
  turn('all')
  assert.deepEqual([own(2), own(3), all(2), all(3)], [[2], [3], [], []])
  assert.deepEqual([all(4), own(4)], [[4], []])
})

test('what only the new side has shown is held until the time is up', () => {
  const { own, all, turn, due, emitted, wildcard } = started()
  own(1)
  turn('all')
  assert.deepEqual([all(5), all(6)], [[], []])
  assert.equal(wildcard.idle, false)
  due[0]!()
  assert.ok(wildcard.idle)
  assert.deepEqual(emitted, [5, 6])
  assert.deepEqual([own(6), all(7), own(7)], [[], [7], []])
})

test('a symbol that was silent is handed over by its first event, whoever shows it first', () => {
  for (const first of ['all', 'own'] as const) {
    const { own, all, turn, due } = started()
    turn('all')
    due[0]!()
    if (first === 'all') assert.deepEqual([all(1), own(1)], [[1], []])
    else assert.deepEqual([own(1), all(1)], [[1], []])
    assert.deepEqual([all(2), own(2)], [[2], []])
  }
})

test('an own side that is still behind when `*` comes back repeats nothing', () => {
  const { own, all, turn } = started()
  own(1)
  turn('all')
  assert.deepEqual([all(1), all(2)], [[], [2]])
  turn('own')
  assert.deepEqual([all(3), all(4), own(2)], [[3], [4], []])
  turn('all')
  assert.deepEqual([own(3), own(4), own(5), all(5), all(6)], [[], [], [5], [], [6]])
})

test('the timer of a change that was taken back ends nothing', () => {
  const { own, all, turn, due, emitted, wildcard } = started()
  turn('all')
  all(1)
  turn('own')
  due[0]!()
  assert.equal(wildcard.idle, false)
  assert.deepEqual([emitted, own(1), all(2), own(2)], [[], [1], [], [2]])
})

test('what `*` has brought alone is not repeated by the own side when it takes over', () => {
  const { wildcard, own, all, turn } = started()
  own(1)
  turn('all')
  assert.deepEqual(all(1), [])
  assert.deepEqual(all(2), [2])
  assert.deepEqual(times(wildcard.alone('A', said(3))), [3])
  turn('own')
  assert.deepEqual([own(2), own(3), own(4)], [[], [], [4]])
})

test('what is held of a symbol comes when its own side is lost, or not wanted any more', () => {
  const lost = started()
  lost.own(1)
  lost.turn('all')
  lost.all(3)
  assert.deepEqual(times(lost.wildcard.alone('A', said(4))), [3, 4])
  const left = started()
  left.own(1)
  left.turn('all')
  left.all(3)
  assert.deepEqual(times(left.wildcard.drop('A')), [3])
  assert.deepEqual(times(left.wildcard.drop('A')), [])
})
