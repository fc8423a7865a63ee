import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TickwireError } from '../../src/base/errors.ts'
import { openFeed } from '../../src/feed/feed.ts'
import { polled } from '../../src/feed/polled.ts'
import type { Provider } from '../../src/feed/provider.ts'
import { websocketProvider } from '../../src/feed/websocket.ts'
import type { LatestRequest } from '../../src/flow/contracts.ts'
import { createEvent, flagNames, type MarketEvent } from '../../src/market/events.ts'
import { handClock } from '../../src/testing/clock.ts'
import { toyCapabilities, toyDescription } from './toy-venue.ts'

function venue() {
  const clock = handClock()
  const asked: string[] = []
  const prices = new Map<string, number>()
  let fault: TickwireError | undefined
  const capabilities = { ...toyCapabilities, nature: 'live' } as const
  const provider: Provider = {
    ...websocketProvider(toyDescription({ capabilities })),
    latest: async ({ kind, symbols, source = '' }: LatestRequest): Promise<MarketEvent[]> => {
      asked.push(`${kind} ${symbols.join()}`)
      if (fault) throw fault
      return symbols.flatMap(symbol => {
        const price = prices.get(symbol)
        const fields = {
          type: 'trade',
          symbol,
          source,
          price: price!,
          size: 1,
          id: price!,
        } as const
        return price ? [createEvent({ ...fields, timestamp: Math.floor(clock.now()) })] : []
      })
    },
  }
  const feed = openFeed(polled(provider, { everyMs: 60_000 }), { clock, leases: false })
  const fail = (error: TickwireError | undefined) => {
    fault = error
  }
  return { clock, feed, asked, prices, fail }
}

test('that nothing has changed for long is nothing to tell, and no reason to begin anew', async () => {
  const { clock, feed, prices } = venue()
  const notices: string[] = []
  feed.on('notice', ({ notice }) => notices.push(notice))
  feed.trades('A', () => {})
  for (let price = 1; price < 10; price++) {
    prices.set('A', price)
    await clock.advance(60_000)
  }
  await clock.advance(3_600_000 * 4)
  assert.deepEqual(notices, ['connected', 'subscribed'])
  await feed.close()
})

test('what has changed between two questions comes, flagged, and nothing else', async () => {
  const { clock, feed, asked, prices } = venue()
  const seen: string[] = []
  prices.set('A', 1)
  feed.trades(['A', 'B'], event =>
    seen.push(`${event.symbol}${event.price} ${flagNames(event.flags)}`),
  )
  await clock.advance(10)
  await clock.advance(60_000)
  prices.set('A', 2)
  prices.set('B', 7)
  await clock.advance(60_000)
  assert.deepEqual(asked, ['trade A,B', 'trade A,B', 'trade A,B'])
  assert.deepEqual(seen, ['A1 polled', 'A2 polled', 'B7 polled'])
  assert.equal(feed.stats().topics.acknowledged, 2)
  await feed.close()
})

test('what a venue tells without a time is news only when it says something else', async () => {
  const clock = handClock()
  let bid = 1
  const capabilities = { ...toyCapabilities, nature: 'live', kinds: ['ticker', 'quote'] } as const
  const provider: Provider = {
    ...websocketProvider(toyDescription({ capabilities })),
    // As venues without a time are read: it is that of the answer.
    latest: async ({ kind, source = '' }) => {
      const now = clock.now() + 0.25
      const place = { symbol: 'A', source, timestamp: Math.floor(now), receivedAt: now }
      return [
        createEvent({
          ...place,
          ...(kind === 'quote' ? { type: 'quote', bid } : { type: 'ticker', bid }),
        }),
      ]
    },
  }
  const feed = openFeed(polled(provider, { everyMs: 60_000 }), { clock, leases: false })
  const seen: string[] = []
  const keep = ({ type, bid }: { readonly type: string; readonly bid: number | undefined }) =>
    void seen.push(`${type} ${bid}`)
  feed.quotes('A', keep)
  feed.tickers('A', keep)
  await clock.advance(10)
  await clock.advance(180_000)
  assert.deepEqual(seen, ['quote 1', 'ticker 1'])
  for (bid of [2, 1]) await clock.advance(60_000)
  assert.deepEqual(seen.slice(2), ['quote 2', 'ticker 2', 'quote 1', 'ticker 1'])
  await feed.close()
})

test('whoever subscribes later does not wait for the next turn', async () => {
  const { clock, feed, asked, prices } = venue()
  prices.set('A', 1)
  prices.set('C', 3)
  feed.trades('A', () => {})
  await clock.advance(1_000)
  const seen: number[] = []
  const late = feed.trades('C', ({ price }) => seen.push(price))
  await clock.advance(1)
  assert.deepEqual([seen, asked.at(-1)], [[3], 'trade A,C'])
  late.close()
  await clock.advance(60_010)
  assert.equal(asked.at(-1), 'trade A')
  await feed.close()
})

test('a question that fails is asked again after a while; a refused key ends it', async () => {
  const { clock, feed, prices, fail } = venue()
  const seen: number[] = []
  prices.set('A', 1)
  fail(new TickwireError('RATE_LIMITED', 'slow down', { retryAfterMs: 5_000 }))
  feed.trades('A', ({ price }) => seen.push(price))
  await clock.advance(1_000)
  assert.deepEqual(seen, [])
  fail(undefined)
  await clock.advance(10_000)
  assert.deepEqual(seen, [1])
  fail(new TickwireError('AUTH_FAILED', 'who are you'))
  const done = assert.rejects(feed.done, { code: 'AUTH_FAILED' })
  await clock.advance(60_000)
  await done
})

test('a kind the plan lacks or the venue cannot be asked for is refused by name; the others go on', async () => {
  const clock = handClock()
  const kinds = ['trade', 'quote', 'ticker'] as const
  const capabilities = { ...toyCapabilities, nature: 'live', kinds } as const
  const fault = { quote: 'NOT_ENTITLED', ticker: 'UNSUPPORTED' } as const
  const asked: string[] = []
  const provider: Provider = {
    ...websocketProvider(toyDescription({ capabilities })),
    latest: async ({ kind, symbols, refused }: LatestRequest): Promise<MarketEvent[]> => {
      asked.push(`${kind} ${symbols.join()}`)
      if (kind === 'quote' || kind === 'ticker') throw new TickwireError(fault[kind], 'not this')
      refused?.(['GONE'], new TickwireError('UNKNOWN_SYMBOL', 'no such thing'))
      refused?.(['SLOW'], new TickwireError('VENUE_ERROR', 'not now'))
      const time = Math.floor(clock.now())
      return [createEvent({ type: 'trade', symbol: 'A', timestamp: time, price: 1, size: 1 })]
    },
  }
  const feed = openFeed(polled(provider), { clock, leases: false })
  const ready = feed.subscribe({ trades: ['A', 'GONE', 'SLOW'], quotes: 'A', tickers: 'A' })
  await clock.advance(10)
  assert.deepEqual(feed.stats().topics, { wanted: 0, sent: 1, acknowledged: 1, rejected: 3 })
  await clock.advance(60_000)
  assert.deepEqual(asked.slice(3), ['trade A,SLOW'], 'what may pass is asked again')
  await feed.close()
  const { accepted, rejected } = await ready
  assert.deepEqual(
    [accepted, rejected].map(list =>
      list.map(it => ('topic' in it ? `${it.topic.symbol} ${it.reason.code}` : it.symbol)),
    ),
    [['A'], ['GONE UNKNOWN_SYMBOL', 'A NOT_ENTITLED', 'A UNSUPPORTED']],
  )
})

test('a provider that cannot be asked, and a haste no venue allows, are refused', () => {
  const provider = websocketProvider(toyDescription())
  assert.throws(() => polled(provider), { code: 'UNSUPPORTED' })
  const able = { ...provider, latest: async () => [] }
  assert.throws(() => polled(able, { everyMs: 999 }), { code: 'BAD_OPTION' })
})
