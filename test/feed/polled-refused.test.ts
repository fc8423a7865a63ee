// A stream that its plan refuses, wholly or in part: what is asked instead, what is told, and what is left alone.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type ErrorCode, TickwireError } from '../../src/base/errors.ts'
import { openFeed } from '../../src/feed/feed.ts'
import { polled } from '../../src/feed/polled.ts'
import type { Connection, Link, Provider } from '../../src/feed/provider.ts'
import type { LatestRequest } from '../../src/flow/contracts.ts'
import { createEvent, flagNames, type MarketEvent } from '../../src/market/events.ts'
import type { Topic } from '../../src/market/topics.ts'
import { handClock } from '../../src/testing/clock.ts'
import { toyCapabilities } from './toy-venue.ts'

interface Behaviour {
  /** How a connection fails to come about. */
  readonly connect?: ErrorCode
  /** Why a topic is refused; it is granted otherwise. */
  readonly refuse?: (topic: Topic) => ErrorCode | undefined
  /** Why a question is refused. */
  readonly latest?: (request: LatestRequest) => ErrorCode | undefined
  readonly leases?: string
}

/** A venue whose stream and answers are as told. */
function venue({ connect, refuse, latest, leases }: Behaviour) {
  const clock = handClock(Date.UTC(2025, 5, 2, 15))
  const said: string[] = []
  const links: Link[] = []
  const ends: ((reason?: TickwireError) => void)[] = []
  const told: string[] = []
  let price = 100
  const provider: Provider = {
    id: 'toy',
    account: 'toy account',
    capabilities: { ...toyCapabilities, nature: 'live', wildcard: ['trade'] },
    symbol: text => text.toUpperCase(),
    connect: async link => {
      said.push('connect')
      if (connect) throw new TickwireError(connect, `no stream: ${connect}`, { hint: 'pay' })
      links.push(link)
      const ask = (topics: readonly Topic[]) => {
        said.push(`subscribe ${topics.map(({ kind, symbol }) => `${kind} ${symbol}`).join()}`)
        for (const topic of topics) {
          const code = refuse?.(topic)
          if (code) link.rejected([topic], new TickwireError(code, `not in the plan: ${code}`))
          else link.acknowledged([topic])
        }
      }
      link.opened()
      let end = (_: TickwireError | undefined) => {}
      const ended = new Promise<TickwireError | undefined>(resolve => {
        end = resolve
      })
      ends.push(end)
      link.signal.addEventListener('abort', () => end(undefined), { once: true })
      const connection: Connection = {
        subscribe: ask,
        unsubscribe: topics => said.push(`unsubscribe ${topics.map(one => one.symbol).join()}`),
        ended,
        close: async () => end(undefined),
      }
      ask(link.topics)
      return connection
    },
    latest: async request => {
      const { kind, symbols, source = '' } = request
      said.push(`ask ${kind} ${symbols.join()}`)
      const code = latest?.(request)
      if (code) throw new TickwireError(code, `no answer: ${code}`)
      const time = { source, timestamp: Math.floor(clock.now()), receivedAt: clock.now() }
      return symbols.map((symbol): MarketEvent => {
        price++
        return kind === 'quote'
          ? createEvent({ type: 'quote', symbol, ...time, bid: price, ask: price + 1 })
          : createEvent({ type: 'trade', symbol, ...time, price, size: 1, id: price })
      })
    },
  }
  const wrapped = polled(provider, {
    when: 'refused',
    onRefused: ({ code }, topics) => told.push(`${code} ${topics.map(one => one.symbol).join()}`),
  })
  const feed = openFeed(wrapped, { clock, leases: leases ?? false, random: () => 0.5 })
  const notices: string[] = []
  feed.on('notice', ({ notice, symbol, message }) =>
    notices.push([notice, symbol, message].filter(Boolean).join(' ')),
  )
  return { clock, feed, wrapped, said, told, notices, links, ends }
}

test('a stream that is refused whole is asked for instead, at once and every minute', async () => {
  const { clock, feed, said, told, notices } = venue({ connect: 'NOT_ENTITLED' })
  const seen: string[] = []
  feed.trades(['A', 'B'], ({ symbol, flags }) => seen.push(`${symbol} ${flagNames(flags)}`))
  await clock.advance(10)
  assert.deepEqual(said, ['connect', 'ask trade A,B'])
  await clock.advance(60_000)
  assert.deepEqual(said.slice(2), ['ask trade A,B'], 'and no stream is tried again')
  assert.deepEqual(seen, ['A polled', 'B polled', 'A polled', 'B polled'])
  assert.deepEqual(told, ['NOT_ENTITLED A,B'])
  assert.deepEqual(notices.slice(0, 3), [
    'connected connected to Toy, polled every 60 s',
    'rejected A A (trade): no stream: NOT_ENTITLED; asked for every 60 s instead',
    'rejected B B (trade): no stream: NOT_ENTITLED; asked for every 60 s instead',
  ])
  assert.equal(feed.capabilities.polled, true)
  assert.equal(feed.stats().topics.acknowledged, 2)
  await feed.close()
})

test('a wrong key, and anything else that is not the plan, is the stream’s own', async () => {
  for (const code of ['AUTH_FAILED', 'REGION_REFUSED'] as const) {
    const { clock, feed, said, told } = venue({ connect: code })
    const done = assert.rejects(feed.done, { code })
    feed.trades('A', () => {})
    await clock.advance(120_000)
    await done
    assert.deepEqual([said, told], [['connect'], []])
  }
})

test('a refused kind is asked for beside the stream that goes on; the refused symbol of another fault is not', async () => {
  const { clock, feed, said, told, links } = venue({
    refuse: ({ kind, symbol }) =>
      kind === 'quote' ? 'NOT_ENTITLED' : symbol === 'X' ? 'UNKNOWN_SYMBOL' : undefined,
  })
  const seen: string[] = []
  const show = ({ type, symbol, flags }: MarketEvent) =>
    seen.push(`${type} ${symbol} ${flagNames(flags)}`.trim())
  feed.trades(['A', 'X'], show)
  const quotes = feed.quotes('A', show)
  await clock.advance(10)
  const time = { source: 'toy', timestamp: Math.floor(clock.now()), receivedAt: clock.now() }
  const trade = createEvent({ type: 'trade', symbol: 'A', ...time, price: 5, size: 1 })
  links[0]!.emit([trade], clock.now())
  assert.deepEqual(seen, ['quote A polled', 'trade A'])
  assert.deepEqual(told, ['NOT_ENTITLED A'])
  assert.deepEqual(feed.stats().topics, { wanted: 0, sent: 0, acknowledged: 2, rejected: 1 })
  assert.notEqual(feed.capabilities.polled, true, 'it streams')
  quotes.close()
  await clock.advance(60_000)
  assert.equal(
    said.filter(line => line.startsWith('ask quote')).length,
    1,
    'what is let go is not asked',
  )
  await feed.close()
})

test('where the answers are refused too, it ends as it would have, with both reasons', async () => {
  const { clock, feed, told } = venue({
    connect: 'NOT_ENTITLED',
    latest: () => 'NOT_ENTITLED',
  })
  const done = assert.rejects(feed.done, {
    ...{ code: 'NOT_ENTITLED', hint: 'pay' },
    message: 'no stream: NOT_ENTITLED; asked for it instead: no answer: NOT_ENTITLED',
  })
  feed.trades('A', () => {})
  feed.quotes('A', () => {})
  await clock.advance(120_000)
  await done
  assert.deepEqual(told, [])
})

test('only what is answered stays; every symbol at once, and kinds without a last one, cannot be asked for', async () => {
  const { clock, feed, told } = venue({
    connect: 'NOT_ENTITLED',
    latest: ({ kind }) => (kind === 'quote' ? 'UNSUPPORTED' : undefined),
  })
  feed.trades(['A', '*'], () => {})
  feed.quotes('A', () => {})
  feed.news('A', () => {})
  await clock.advance(10)
  assert.deepEqual(feed.stats().topics, { wanted: 0, sent: 0, acknowledged: 1, rejected: 3 })
  assert.deepEqual(told, ['NOT_ENTITLED A'])
  await feed.close()
})

test('nothing that can be asked for at all: the refusal ends it', async () => {
  const { clock, feed, said } = venue({ connect: 'NOT_ENTITLED' })
  const done = assert.rejects(feed.done, { code: 'NOT_ENTITLED' })
  feed.trades('*', () => {})
  await clock.advance(120_000)
  await done
  assert.deepEqual(said, ['connect'])
})

test('a passing fault of a question is no reason to lose the stream, and is asked again', async () => {
  let fault: ErrorCode | undefined = 'RATE_LIMITED'
  const { clock, feed, said } = venue({
    refuse: ({ kind }) => (kind === 'quote' ? 'NOT_ENTITLED' : undefined),
    latest: () => fault,
  })
  feed.news('A', () => {})
  const seen: number[] = []
  feed.quotes('A', ({ bid }) => seen.push(bid!))
  await clock.advance(10)
  fault = undefined
  await clock.advance(60_010)
  assert.equal(seen.length, 1)
  assert.equal(said.filter(line => line === 'connect').length, 1)
  await feed.close()
})

test('silence of what is asked for is no reason to replace the stream beside it', async () => {
  const { clock, feed, said } = venue({
    refuse: ({ kind }) => (kind === 'quote' ? 'NOT_ENTITLED' : undefined),
  })
  feed.news('A', () => {})
  feed.quotes('A', () => {})
  await clock.advance(30 * 60_000)
  assert.equal(said.filter(line => line === 'connect').length, 1)
  assert.equal(said.filter(line => line.startsWith('ask')).length, 30, 'one a minute')
  await feed.close()
})

test('a plan that ends while it streams is the end, with its hole to be told', async () => {
  const { clock, feed, said, ends } = venue({})
  const done = assert.rejects(feed.done, { code: 'NOT_ENTITLED' })
  feed.trades('A', () => {})
  await clock.advance(10)
  ends[0]!(new TickwireError('NOT_ENTITLED', 'your plan has run out'))
  await clock.advance(10)
  await done
  assert.equal(said.filter(line => line.startsWith('ask')).length, 0)
})

test('a refusal said after the greeting, before anything was granted, is asked for instead', async () => {
  const { clock, feed, ends, told } = venue({ refuse: () => 'VENUE_ERROR' })
  feed.trades('A', () => {})
  await clock.advance(10)
  ends[0]!(new TickwireError('NOT_ENTITLED', 'no real-time data'))
  await clock.advance(10)
  assert.deepEqual(told, ['NOT_ENTITLED A'])
  assert.equal(feed.stats().topics.acknowledged, 1)
  await feed.close()
})

test('without a stream the place of the account is free for others', async (t: TestContext) => {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-leases-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const { clock, feed } = venue({ connect: 'NOT_ENTITLED', leases: folder })
  feed.trades('A', () => {})
  await clock.advance(10)
  assert.equal(feed.stats().topics.acknowledged, 1)
  assert.deepEqual(readdirSync(folder), [])
  await feed.close()
})

test('one unknown symbol takes no other with it', async () => {
  const { clock, feed } = venue({
    connect: 'NOT_ENTITLED',
    latest: ({ symbols }) => (symbols.includes('X') ? 'UNKNOWN_SYMBOL' : undefined),
  })
  const seen: string[] = []
  feed.trades(['A', 'X', 'B'], ({ symbol }) => seen.push(symbol))
  await clock.advance(10)
  assert.deepEqual(seen.sort(), ['A', 'B'])
  assert.deepEqual(feed.stats().topics, { wanted: 0, sent: 0, acknowledged: 2, rejected: 1 })
  await feed.close()
})
