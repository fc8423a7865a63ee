import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Books } from '../../src/derive/books.ts'
import { createEvent, Flag, type MarketEvent } from '../../src/market/events.ts'
import { Latest } from '../../src/store/latest.ts'
import { START } from './kit.ts'
import { marketEvents } from './latest-kit.ts'

function latestOf(events: readonly MarketEvent[], expire: 'never' | 'session' = 'never') {
  const latest = new Latest({ expire })
  for (const event of events) latest.apply(event)
  return latest
}

const trade = (fields: object) =>
  createEvent({
    ...{ type: 'trade', symbol: 'AAPL', source: 'alpaca', price: 1, size: 1, timestamp: START },
    ...fields,
  })
const of = (kind: 'trade' | 'bar', interval?: '1m') =>
  ({ source: 'alpaca', kind, symbol: 'AAPL', interval }) as const

/** Everything that ever came, looked through for each topic: what `Latest` says of trades and quotes, said plainly. */
function plainly(events: readonly MarketEvent[]): Map<string, unknown> {
  const trades = new Map<string, { event: MarketEvent; price: number; place: number }[]>()
  const quotes = new Map<string, MarketEvent>()
  const isBehind = ({ flags }: MarketEvent) => (flags & (Flag.late | Flag.repaired)) !== 0
  for (const [place, event] of events.entries()) {
    const key = `${event.source} ${event.symbol}`
    const list = trades.get(key) ?? []
    if (event.type === 'trade') {
      trades.set(key, [
        ...list,
        { event, price: event.price, place: isBehind(event) ? -place : place },
      ])
    } else if (event.type === 'cancel') {
      const left = list.filter(({ event: it }) => it.type !== 'trade' || it.id !== event.id)
      trades.set(key, left)
    } else if (event.type === 'correction') {
      // It takes the trade's place, under a number of its own.
      for (const one of list) {
        if (one.event.type === 'trade' && one.event.id === event.originalId) {
          one.price = event.price
          one.event = createEvent({ ...one.event, id: event.id!, price: event.price })
        }
      }
    } else if (event.type === 'quote') {
      const known = quotes.get(key)
      const ahead = known ? event.timestamp - known.timestamp || event.nanos - known.nanos : 1
      if (ahead > 0 || (ahead === 0 && !isBehind(event))) quotes.set(key, event)
    }
  }
  const said = new Map<string, unknown>()
  for (const [key, list] of trades) {
    const newest = [...list].sort(
      (a, b) =>
        a.event.timestamp - b.event.timestamp || a.event.nanos - b.event.nanos || a.place - b.place,
    )
    const last = newest.at(-1)
    if (last) said.set(`${key} trade`, [last.event.timestamp, last.price])
  }
  for (const [key, quote] of quotes) said.set(`${key} quote`, quote)
  return said
}

describe('the latest', () => {
  it('is what a look through everything that came says', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const events = marketEvents(3_000, seed)
      const latest = latestOf(events)
      const said = new Map<string, unknown>()
      const books = new Books()
      for (const event of events) books.accept(event)
      for (const [, event] of latest.entries()) {
        const key = `${event.source} ${event.symbol} ${event.type}`
        if (event.type === 'trade') said.set(key, [event.timestamp, event.price])
        else if (event.type === 'quote') said.set(key, event)
        else if (event.type === 'book') {
          const book = books.get(event.source, event.symbol)!
          assert.deepEqual([event.bids, event.asks], [book.bids(1), book.asks(1)])
        }
      }
      for (const { source, symbol, synced } of books) {
        assert.equal(latest.get({ source, symbol, kind: 'book' }) !== undefined, synced)
      }
      assert.deepEqual(said, plainly(events), `seed ${seed}`)
    }
  })

  it('goes on from a state as if nothing had been', () => {
    const events = marketEvents(2_000, 3).filter(({ type }) => type !== 'book')
    for (const cut of [1, 700, 1_999]) {
      const before = latestOf(events.slice(0, cut), 'session')
      const after = new Latest({ expire: 'session' })
      after.restore(before.state(), before.now)
      assert.equal(after.isChanged, false)
      for (const event of events.slice(cut)) after.apply(event)
      assert.deepEqual(new Map(after.entries()), new Map(latestOf(events, 'session').entries()))
    }
  })

  it('moves forward only, and back by a cancel', () => {
    const first = trade({ id: 1, price: 10 })
    const late = trade({ id: 2, timestamp: START - 5, flags: Flag.late, price: 20 })
    const asNew = trade({ id: 3, flags: Flag.repaired, price: 30 })
    const newest = trade({ id: 4, timestamp: START + 1, price: 40 })
    const latest = latestOf([first, late, asNew])
    assert.equal(latest.get(of('trade')), first)
    latest.apply(newest)
    assert.equal(latest.get(of('trade')), newest)
    const cancel = (id: number) =>
      createEvent({
        ...{ type: 'cancel', symbol: 'AAPL', source: 'alpaca', timestamp: START + 2 },
        ...{ id, action: 'cancel' },
      })
    for (const [id, then] of [
      [4, first],
      [1, asNew],
      [3, late],
      [2, undefined],
    ] as const) {
      latest.apply(cancel(id))
      assert.equal(latest.get(of('trade')), then)
    }
    assert.deepEqual(latest.take(), [['alpaca:trade:AAPL', undefined]])
  })

  it('keeps of a bar the last word, and of a final bar no draft', () => {
    const bar = (fields: object) =>
      createEvent({
        ...{ type: 'bar', symbol: 'AAPL', source: 'alpaca', interval: '1m', timestamp: START },
        ...{ open: 1, high: 1, low: 1, close: 1, volume: 1, final: true, revision: 0 },
        ...fields,
      })
    const [draft, final, again, revised] = [
      bar({ final: false }),
      bar({}),
      bar({ final: false }),
      bar({ revision: 1 }),
    ]
    const latest = new Latest()
    const after = (event: MarketEvent) => {
      latest.apply(event)
      return latest.get(of('bar', '1m'))
    }
    assert.equal(after(draft), draft)
    assert.equal(after(final), final)
    assert.equal(after(again), final)
    assert.equal(after(revised), revised)
    assert.equal(after(bar({})), revised)
  })
})
