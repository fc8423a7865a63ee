// Feeds of crypto, options and news on the scripted venue: books after a cut, trades repaired, articles delivered.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../../src/base/log.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { openFeed } from '../../../src/feed/feed.ts'
import { type Book, createEvent, type Level } from '../../../src/market/events.ts'
import { type AlpacaOptions, alpaca } from '../../../src/providers/alpaca/index.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { scriptedVenue } from '../../../src/testing/venue-scripted.ts'

function kit(options: AlpacaOptions) {
  const clock = handClock()
  const venue = scriptedVenue({ clock, server: { slotMs: 0 } })
  const { openSocket, httpGet } = venue
  const keys = { key: 'PK', secret: 'secret' }
  const provider = alpaca({ ...options, ...keys, openSocket, httpGet, clock } as AlpacaOptions)
  const feed = openFeed(provider, { clock, random: seededRandom(7), log: silentLog, leases: false })
  feed.done.catch(() => {})
  const notices: string[] = []
  feed.on('notice', ({ notice }) => notices.push(notice))
  return {
    ...{ clock, venue, feed, notices },
    async end() {
      const closed = feed.close()
      await clock.advance(2_000)
      await closed
      await venue.close()
    },
  }
}

const now = ({ clock }: { readonly clock: { now(): number } }) => Math.floor(clock.now())

test('a book is whole again after a cut, and then what the venue has', async () => {
  const one = kit({ market: 'crypto' })
  const { venue, clock, feed } = one
  const bids = new Map<number, number>()
  const books: Book[] = []
  feed.books('BTC/USD', event => {
    books.push(event)
    if (event.snapshot) bids.clear()
    for (const [price, size] of event.bids) {
      if (size > 0) bids.set(price, size)
      else bids.delete(price)
    }
  })
  const say = (snapshot: boolean, ...levels: Level[]) =>
    venue.deliver([
      createEvent({
        ...{ type: 'book', symbol: 'BTC/USD', timestamp: now(one), bids: levels, asks: [] },
        snapshot,
      }),
    ])
  await clock.advance(1_000)
  say(true, [100, 1], [99, 2])
  await clock.advance(100)
  say(false, [99, 0], [98, 5])
  await clock.advance(100)
  venue.inject({ fault: 'cut' })
  // While nobody listens.
  say(false, [100, 0], [97, 7])
  await clock.advance(30_000)
  assert.ok(one.notices.filter(name => name === 'connected').length >= 2, one.notices.join())
  assert.equal(books.filter(({ snapshot }) => snapshot).length, 2)
  assert.deepEqual(
    [...bids],
    [
      [98, 5],
      [97, 7],
    ],
  )
  say(false, [98, 6])
  await clock.advance(100)
  assert.equal(bids.get(98), 6)
  await one.end()
})

test('trades of crypto missed during a cut are filled in, ids beyond 2^53 told apart', async () => {
  const one = kit({ market: 'crypto' })
  const { venue, clock, feed } = one
  const ids: unknown[] = []
  feed.trades('BTC/USD', ({ id }) => {
    ids.push(id)
  })
  // Ids that are all the same number as doubles.
  let next = 2n ** 60n
  const sent: string[] = []
  const trade = () => {
    sent.push(String(next++))
    venue.deliver([
      createEvent({
        ...{ type: 'trade', symbol: 'BTC/USD', timestamp: now(one), price: 100, size: 0.5 },
        ...{ id: sent.at(-1)!, side: 'buy' },
      }),
    ])
  }
  await clock.advance(1_000)
  for (let i = 0; i < 60; i++) {
    if (i === 20) venue.inject({ fault: 'cut' })
    trade()
    await clock.advance(500)
  }
  await clock.advance(10_000)
  assert.deepEqual(ids, sent)
  assert.ok(one.notices.includes('repaired'))
  await one.end()
})

test('the indicative feed is not repaired from the history of OPRA', async () => {
  const one = kit({ market: 'options' })
  const { venue, clock, feed } = one
  const symbol = 'SPY240315C00475000'
  let count = 0
  feed.trades(symbol, () => {
    count++
  })
  await clock.advance(1_000)
  for (let i = 0; i < 20; i++) {
    if (i === 5) venue.inject({ fault: 'cut' })
    venue.deliver([
      createEvent({ type: 'trade', symbol, timestamp: now(one), price: 2 + i, size: 1 }),
    ])
    await clock.advance(500)
  }
  await clock.advance(20_000)
  assert.ok(count < 20, 'what was missed is missing')
  assert.ok(!one.notices.includes('gap') && !one.notices.includes('repaired'))
  await one.end()
})

test('an article goes once to whoever asked for two of its symbols, and to whoever wants all', async () => {
  const one = kit({ market: 'news' })
  const { venue, clock, feed } = one
  const some: string[] = []
  const all: string[] = []
  feed.news(['AAPL', 'BTC/USD'], ({ headline }) => {
    some.push(headline)
  })
  feed.news('*', ({ headline }) => {
    all.push(headline)
  })
  await clock.advance(1_000)
  const article = (headline: string, ...symbols: string[]) =>
    createEvent({
      ...{ type: 'news', symbol: symbols[0], symbols, headline },
      timestamp: now(one),
    })
  venue.deliver([
    article('both', 'AAPL', 'BTC/USD'),
    article('none'),
    article('other', 'MSFT'),
    article('second', 'MSFT', 'BTC/USD'),
  ])
  await clock.advance(100)
  assert.deepEqual(some, ['both', 'second'])
  assert.deepEqual(all, ['both', 'none', 'other', 'second'])
  await one.end()
})
