// A connection that stands while its other side has lost the venue, and times too coarse to tell a repeat by.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import { openFeed } from '../../src/feed/feed.ts'
import type { Capabilities, Link, Provider } from '../../src/feed/provider.ts'
import { createEvent } from '../../src/market/events.ts'
import { handClock } from '../../src/testing/clock.ts'

function stage(t: TestContext, more: Partial<Capabilities> = {}) {
  const clock = handClock()
  const links: Link[] = []
  let asked = 0
  const provider: Provider = {
    id: 'toy',
    capabilities: {
      ...{ title: 'Toy', kinds: ['quote'], barIntervals: [], wildcard: [], nature: 'live' },
      ...{ auth: 'none', limits: {}, history: false, silenceHint: '' },
      ...more,
    },
    symbol: text => text,
    async connect(link) {
      links.push(link)
      link.opened()
      link.acknowledged(link.topics)
      let end = (_: undefined) => {}
      const ended = new Promise<undefined>(resolve => {
        end = resolve
      })
      const close = async () => end(undefined)
      link.signal.addEventListener('abort', close)
      return { subscribe: () => {}, unsubscribe: () => {}, ended, close }
    },
    async latest() {
      asked++
      const timestamp = Math.floor(clock.now())
      return [createEvent({ type: 'quote', symbol: 'BTC/USD', timestamp, bid: 1 })]
    },
  }
  const feed = openFeed(provider, { clock, leases: false, log: silentLog })
  t.after(() => feed.close())
  const seen: (number | undefined)[] = []
  const notices: string[] = []
  feed.quotes('BTC/USD', quote => seen.push(quote.bid))
  feed.on('notice', ({ notice, message }) => notices.push(`${notice}: ${message}`))
  const quote = (bid: number) => {
    const timestamp = Math.floor(clock.now())
    const now = clock.now()
    const event = createEvent({ type: 'quote', symbol: 'BTC/USD', source: 'toy', timestamp, bid })
    links.at(-1)!.emit([event], now)
  }
  return { clock, feed, links, seen, notices, quote, asked: () => asked }
}

test('an outage is told, is health, and leaves the connection alone until it is over', async t => {
  const { clock, feed, links, notices, asked } = stage(t)
  await clock.advance(100)
  links[0]!.outage('the other side has lost the venue')
  links[0]!.outage('the other side has lost the venue')
  assert.deepEqual(feed.health(), {
    ...feed.health(),
    ...{ state: 'stale', reason: 'the other side has lost the venue' },
  })
  await clock.advance(120_000)
  assert.equal(asked(), 0, 'silence is explained')
  assert.equal(links.length, 1)
  assert.deepEqual(
    notices.filter(line => line.startsWith('stale')),
    ['stale: the other side has lost the venue'],
  )
  links[0]!.outage(undefined)
  assert.notEqual(feed.health().state, 'stale')
  assert.ok(notices.includes('live: data comes again'))
  await clock.advance(60_000)
  assert.ok(asked() > 0, 'silence is looked into again')
})

test('an outage ends with its connection', async t => {
  const { clock, feed, links } = stage(t)
  await clock.advance(100)
  links[0]!.outage('lost')
  await feed.close()
  assert.equal(feed.health().state, 'dead')
})

test('where times are whole seconds, nothing is taken for sent twice, and where they are exact, what comes back is', async t => {
  const coarse = stage(t, { wholeSeconds: true })
  const fine = stage(t)
  const exact = stage(t, { exactTimes: true })
  for (const { clock, quote } of [coarse, fine, exact]) {
    await clock.advance(100)
    for (const bid of [1, 1, 2, 1]) quote(bid)
    await clock.advance(100)
  }
  assert.deepEqual(coarse.seen, [1, 1, 2, 1])
  assert.deepEqual(fine.seen, [1, 2, 1])
  assert.deepEqual(exact.seen, [1, 2])
})
