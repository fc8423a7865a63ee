// What nobody has subscribed goes no further, also where a decoder gives all it finds.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import type { ConnectionContext, WebSocketDescription } from '../../src/feed/description.ts'
import { openFeed } from '../../src/feed/feed.ts'
import { KIND_BIT } from '../../src/feed/provider.ts'
import { Selection } from '../../src/feed/selection.ts'
import { websocketProvider } from '../../src/feed/websocket.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { handClock } from '../../src/testing/clock.ts'
import { plainVenue } from '../../src/testing/venue-plain.ts'

const NOW = Date.UTC(2024, 0, 15, 12)
const BASE = { source: 'venue', timestamp: NOW, receivedAt: NOW }
const trade = (symbol: string) => createEvent({ type: 'trade', ...BASE, symbol, price: 1, size: 1 })
const book = (symbol: string) =>
  createEvent({ type: 'book', ...BASE, symbol, bids: [[1, 1]], asks: [], snapshot: true })

/** A venue whose every frame says a trade and a book of two symbols; whoever connects hears all of it. */
function venueOf(clock: ReturnType<typeof handClock>, more: Partial<WebSocketDescription> = {}) {
  let context: ConnectionContext | undefined
  const venue = plainVenue(
    'venue',
    peer => ({ topics: [], receive: () => peer.send('{}'), deliver: () => {}, closed: () => {} }),
    { clock },
  )
  const description: WebSocketDescription = {
    ...{ id: 'venue', url: 'ws://venue.test/', handshakeTimeoutMs: 5_000, maxFrameBytes: 1_000 },
    capabilities: {
      ...{ title: 'A venue', kinds: ['trade', 'book'], barIntervals: [], wildcard: ['trade'] },
      ...{ nature: 'live', auth: 'none', limits: {}, history: false, silenceHint: '' },
    },
    subscribe: topics => [{ frame: 'more', topics }],
    unsubscribe: () => [{ frame: 'less', topics: [] }],
    ping: { everyMs: 60_000, timeoutMs: 60_000 },
    verdict: () => undefined,
    symbol: text => text,
    decoder: given => {
      context = given
      return {
        decode: (_frame, _binary, _receivedAt, inbox) => {
          inbox.control({ type: 'confirmed', covers: () => true })
          for (const symbol of ['AAPL', 'MSFT']) {
            inbox.event(trade(symbol))
            inbox.event(book(symbol))
          }
        },
      }
    },
    ...more,
  }
  const provider = websocketProvider(description, { openSocket: venue.openSocket })
  const feed = openFeed(provider, { clock, log: silentLog, leases: false })
  const events: MarketEvent[] = []
  feed.on('*', event => {
    if (event.type !== 'notice') events.push(event)
  })
  return { venue, feed, events, emit: (list: MarketEvent[]) => context!.emit(list, NOW) }
}

describe('what a plain decoder finds', () => {
  test('is delivered as far as it was asked for, in frames and between them', async () => {
    const clock = handClock(NOW)
    const { venue, feed, events, emit } = venueOf(clock)
    feed.trades('AAPL', () => {})
    await clock.advance(1_000)
    emit([trade('AAPL'), book('AAPL'), trade('MSFT')])
    const came = events.map(({ type, symbol }) => `${type} ${symbol}`)
    assert.deepEqual([...new Set(came)], ['trade AAPL'])
    assert.equal(feed.stats().events - events.length, 2, 'and counted: beside two notices')
    feed.subscribe({ trades: ['MSFT'] }).catch(() => {})
    await clock.advance(1_000)
    assert.ok(events.some(({ symbol }) => symbol === 'MSFT'))
    const closed = feed.close()
    await clock.advance(5_000)
    await closed
    await venue.close()
  })

  test('is taken as it is from a decoder that selects by itself', async () => {
    const clock = handClock(NOW)
    const { venue, feed, events } = venueOf(clock, { selects: true })
    feed.trades('AAPL', () => {})
    await clock.advance(1_000)
    assert.ok(events.some(({ symbol }) => symbol === 'MSFT'))
    const closed = feed.close()
    await clock.advance(5_000)
    await closed
    await venue.close()
  })
})

describe('a selection', () => {
  const wanted = new Map([
    ['AAPL', KIND_BIT.trade | KIND_BIT.news],
    ['', 0],
  ])
  const interest = { revision: 1, mask: (symbol: string) => wanted.get(symbol) ?? 0 }
  const news = (...symbols: string[]) =>
    createEvent({ type: 'news', ...BASE, symbol: symbols[0], symbols, id: 1, headline: 'x' })

  test('lets through what somebody wants, and always notices', () => {
    const selection = new Selection(interest)
    assert.deepEqual(
      [trade('AAPL'), trade('MSFT'), trade('AAPL'), book('AAPL')].map(it => selection.has(it)),
      [true, false, true, false],
    )
    const notice = createEvent({ type: 'notice', ...BASE, notice: 'live', message: 'x' })
    assert.equal(selection.has(notice), true)
    assert.deepEqual(
      [news('MSFT', 'AAPL'), news('MSFT')].map(it => selection.has(it)),
      [true, false],
    )
  })

  test('hears of what is wanted now', () => {
    const moving = { revision: 1, mask: (symbol: string) => wanted.get(symbol) ?? 0 }
    const selection = new Selection(moving)
    assert.equal(selection.has(trade('TSLA')), false)
    wanted.set('TSLA', KIND_BIT.trade)
    moving.revision++
    assert.equal(selection.has(trade('TSLA')), true)
  })
})
