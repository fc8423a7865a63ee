import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TickwireError } from '../../src/base/errors.ts'
import { silentLog } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { openFeed } from '../../src/feed/feed.ts'
import type { Capabilities, Provider } from '../../src/feed/provider.ts'
import type { RepairOptions } from '../../src/feed/repair-options.ts'
import { createEvent, type EventFields, type Notice } from '../../src/market/events.ts'
import type { Topic } from '../../src/market/topics.ts'
import { alpaca } from '../../src/providers/alpaca/index.ts'
import { handClock } from '../../src/testing/clock.ts'
import { scriptedVenue } from '../../src/testing/venue-scripted.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
/** Tuesday, 09:30 in New York: the market opens. */
const OPEN = Date.UTC(2024, 0, 16, 14, 30)

/** A feed of trades, in an open market, with the rules of silence as they are for everybody. */
async function setUp(
  symbols: readonly string[],
  repair: RepairOptions = {},
  own: Partial<Capabilities> = {},
) {
  const clock = handClock(OPEN)
  // No quota, so that questions are answered when they are asked.
  const venue = scriptedVenue({ clock, server: { slotMs: 0 } })
  const { openSocket } = venue
  let hasHistory = true
  const httpGet: typeof venue.httpGet = async request => {
    const answer = await venue.httpGet(request)
    const isLatest = request.url.includes('latest')
    return hasHistory || isLatest ? answer : { ...answer, status: 500, body: Buffer.from('{}') }
  }
  const alpacas = alpaca({ key: 'PK', secret: 'secret', openSocket, httpGet, clock })
  const provider = { ...alpacas, capabilities: { ...alpacas.capabilities, ...own } }
  const parts = { clock, random: seededRandom(7), log: silentLog, leases: false } as const
  const feed = openFeed(provider, { ...parts, repair })
  const notices: Notice[] = []
  feed.on('notice', notice => notices.push(notice))
  const ids: unknown[] = []
  feed.trades(symbols, trade => {
    ids.push(trade.id)
  })
  await clock.advance(SECOND)
  let id = 0
  const trade = (symbol: string, price = 100) =>
    createEvent({
      ...{ type: 'trade', source: 'venue', size: 100, exchange: 'V', conditions: ['@'], tape: 'B' },
      ...{ symbol, price, id: ++id, timestamp: clock.now() - 5 },
    })
  return {
    ...{ clock, venue, feed, ids },
    said: (name: string) => notices.filter(({ notice }) => notice === name),
    /** From now on the venue says what it has last, and nothing else. */
    loseHistory: () => {
      hasHistory = false
    },
    deliver: (symbol: string, price?: number) => venue.deliver([trade(symbol, price)]),
    bars: (list: readonly EventFields[]) => venue.deliver(list.map(bar => createEvent(bar))),
    /** A trade of each of these a second, for so long. */
    async run(forMs: number, ...names: string[]) {
      for (let t = 0; t < forMs; t += SECOND) {
        venue.deliver(names.map(name => trade(name)))
        await clock.advance(SECOND)
      }
    },
    get connects() {
      return feed.stats().connects
    },
    async end() {
      const closed = feed.close()
      await clock.advance(2 * SECOND)
      await closed
      await venue.close()
    },
  }
}

test('what is lost and never filled in has the connection made anew once, not without end', async () => {
  const kit = await setUp(['SPY'], { policy: 'off' })
  await kit.run(MINUTE, 'SPY')
  kit.venue.inject({ fault: 'mute', for: 10 * SECOND })
  await kit.run(3 * SECOND, 'SPY')
  await kit.clock.advance(8 * SECOND)
  assert.equal(kit.connects, 2)
  assert.notEqual(kit.feed.health().state, 'stale', 'the new connection is not to blame')
  await kit.clock.advance(30 * MINUTE)
  assert.equal(kit.connects, 2)
  assert.deepEqual([kit.said('stale').length, kit.said('quiet').length], [1, 1])
  await kit.end()
})

test('an event that cannot be true, though the venue has it as its latest, is no reason to do anything', async () => {
  const kit = await setUp(['SPY'])
  await kit.run(MINUTE, 'SPY')
  kit.deliver('SPY', 100_000)
  await kit.clock.advance(30 * MINUTE)
  assert.equal(kit.connects, 1)
  assert.deepEqual(kit.feed.stats().quarantined.byRule, { 'price-jump': 1 })
  await kit.end()
})

test('a mute connection is found although the hole of another symbol is open', async () => {
  const kit = await setUp(['SPY', 'THIN'])
  await kit.run(MINUTE, 'SPY', 'THIN')
  kit.loseHistory()
  kit.venue.inject({ fault: 'cut' })
  await kit.run(10 * SECOND, 'SPY')
  assert.deepEqual([kit.connects, kit.said('repaired')], [2, []])
  kit.venue.inject({ fault: 'mute', for: 10 * MINUTE })
  await kit.run(12 * SECOND, 'SPY')
  assert.deepEqual([kit.connects, kit.said('repaired')], [3, []])
  await kit.run(3 * SECOND, 'SPY')
  assert.equal(kit.feed.health().state, 'live')
  await kit.end()
})

test('a mute connection about which the venue does not answer is made anew after minutes', async () => {
  const kit = await setUp(['SPY'])
  await kit.run(MINUTE, 'SPY')
  kit.venue.inject({ fault: 'rest-error', status: 403, times: 1_000_000 })
  kit.venue.inject({ fault: 'mute', for: 60 * MINUTE })
  await kit.run(2 * MINUTE, 'SPY')
  assert.equal(kit.connects, 1)
  assert.match(kit.feed.health().reason, /the venue cannot be asked/)
  await kit.run(5 * MINUTE, 'SPY')
  assert.equal(kit.connects, 2)
  assert.equal(kit.feed.health().state, 'live')
  await kit.end()
})

test('minute bars beside the trades of a thin symbol are not falling behind', async () => {
  const kit = await setUp(['THIN'])
  const symbols = Array.from('ABCDEFGHIJ', letter => `S${letter}`)
  kit.feed.bars(symbols, () => {})
  for (let minute = 0; minute < 30; minute++) {
    await kit.clock.advance(20 * SECOND)
    kit.deliver('THIN')
    await kit.clock.advance(40 * SECOND)
    const left = kit.clock.now() - (kit.clock.now() % MINUTE) - MINUTE
    const prices = { open: 1, high: 1, low: 1, close: 1, volume: 1, final: true }
    kit.bars(
      symbols.map(symbol => ({
        ...{ type: 'bar', source: 'venue', symbol, interval: '1m', timestamp: left, ...prices },
      })),
    )
  }
  assert.equal(kit.connects, 1)
  assert.deepEqual(kit.said('stale'), [])
  await kit.end()
})

test('out of the sessions of its source a silent feed is left alone', async () => {
  const kit = await setUp(['SPY'], {}, { sessions: ['overnight'] })
  kit.venue.inject({ fault: 'mute', for: 10 * MINUTE })
  await kit.run(MINUTE, 'SPY')
  assert.equal(kit.connects, 1)
  assert.match(kit.feed.health().reason, /US market in its regular session; overnight trading/)
  await kit.end()
})

test('a feed of the night is expected to come at night', () => {
  const sessions = (feed: 'boats' | 'overnight' | 'iex') =>
    alpaca({ key: 'PK', secret: 'secret', feed }).capabilities.sessions
  assert.deepEqual([sessions('boats'), sessions('overnight')], [['overnight'], ['overnight']])
  assert.equal(sessions('iex'), undefined)
})

test('a topic that is refused in the midst of a stream has a hole, which is filled when it is taken again', async () => {
  for (const fatal of [false, true]) {
    const clock = handClock(OPEN)
    const venue = scriptedVenue({ clock, server: { slotMs: 0 } })
    const { openSocket, httpGet } = venue
    const provider = alpaca({ key: 'PK', secret: 'secret', openSocket, httpGet, clock })
    let refuse: (topics: readonly Topic[], reason: TickwireError) => void = () => {}
    let again: () => void = () => {}
    const wrapped: Provider = {
      ...provider,
      connect: async link => {
        const connection = await provider.connect(link)
        let isCut = false
        refuse = (topics, reason) => {
          isCut = true
          connection.unsubscribe(topics)
          link.rejected(topics, reason)
        }
        again = () => {
          isCut = false
        }
        const subscribe = connection.subscribe.bind(connection)
        connection.subscribe = topics => {
          if (!isCut) subscribe(topics)
        }
        return connection
      },
    }
    const parts = { clock, random: seededRandom(7), log: silentLog, leases: false } as const
    const feed = openFeed(wrapped, parts)
    const said: string[] = []
    feed.on('notice', ({ notice }) => said.push(notice))
    const ids: unknown[] = []
    const held = feed.trades('SPY', ({ id }) => {
      ids.push(id)
    })
    await clock.advance(SECOND)
    const run = async (from: number, to: number) => {
      for (let id = from; id <= to; id++) {
        venue.deliver([
          createEvent({
            ...{ type: 'trade', source: 'venue', symbol: 'SPY', price: 100, size: 100, id },
            ...{ exchange: 'V', conditions: ['@'], tape: 'B', timestamp: clock.now() - 5 },
          }),
        ])
        await clock.advance(SECOND)
      }
    }
    await run(1, 3)
    const code = fatal ? 'NOT_ENTITLED' : 'SYMBOL_LIMIT'
    refuse([{ source: 'alpaca', kind: 'trade', symbol: 'SPY' }], new TickwireError(code, 'no'))
    await clock.advance(10)
    await run(4, 7)
    assert.deepEqual(ids, [1, 2, 3])
    assert.equal(said.includes('unrepaired'), fatal)
    again()
    // Whoever asks anew for what was refused wants it to be tried again; what may pass is asked for again anyway.
    if (fatal) feed.trades('SPY', () => {})
    await clock.advance(70 * SECOND)
    await run(8, 12)
    await clock.advance(5 * SECOND)
    assert.deepEqual(ids, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    assert.equal(said.filter(name => name === 'repaired').length, 1)
    held.close()
    const closed = feed.close()
    await clock.advance(2 * SECOND)
    await closed
    await venue.close()
  }
})
