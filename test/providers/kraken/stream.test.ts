// Kraken as a user sees it: a feed on a scripted venue, on good days and on bad ones.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { MarketEvent } from '../../../src/market/events.ts'
import { FAULT_NAMES, type FaultName, type FaultOptions } from '../../../src/testing/faults.ts'
import { ReaderBook, type Stream, stream } from './stream-kit.ts'

const names = (kit: Stream) => kit.notices.map(({ notice }) => notice)
const codes = (kit: Stream) => kit.notices.map(({ code }) => code)

describe('a good day', () => {
  test('needs no key, and brings trades, quotes, tickers, candles, books and statuses', async () => {
    const kit = stream()
    const { feed, clock } = kit
    const seen: MarketEvent[] = []
    for (const kind of ['trade', 'quote', 'ticker', 'bar', 'book', 'status'] as const) {
      feed.on(kind, event => seen.push(event))
    }
    const request = { trades: 'BTC/USD', quotes: 'btc-usd', tickers: 'XBT/USD', books: 'BTC/USD' }
    const asked = feed.subscribe({ ...request, bars: 'BTC/USD', statuses: 'BTC/USD' })
    await clock.advance(50)
    const outcome = await asked
    assert.equal(outcome.accepted.length, 6)
    assert.deepEqual([outcome.rejected, outcome.pending], [[], []])
    const [connection] = kit.venue.connections
    assert.deepEqual(connection?.subscribed, {
      instrument: [''],
      trade: ['BTC/USD'],
      ticker: ['BTC/USD'],
      book: ['BTC/USD'],
      ohlc: ['BTC/USD'],
    })
    const minute = Math.floor(clock.now() / 60_000) * 60_000
    kit.deliver(
      kit.trade({ price: 64_000.5 }),
      kit.event('quote', { bid: 64_000.4, bidSize: 1.5, ask: 64_000.6, askSize: 2 }),
      kit.event('bar', {
        ...{ interval: '1m', timestamp: minute, open: 1, high: 2, low: 1, close: 2, volume: 3 },
      }),
      kit.event('book', { bids: [[64_000.4, 1.5]], asks: [[64_000.6, 2]], snapshot: true }),
      kit.event('status', { statusCode: 'cancel_only' }),
    )
    await clock.advance(50)
    const of = (type: string) => seen.filter(event => event.type === type)
    const [trade] = of('trade')
    assert.ok(trade?.type === 'trade')
    assert.deepEqual(
      [trade.symbol, trade.source, trade.price, trade.size, trade.id, trade.side],
      ['BTC/USD', 'kraken', 64_000.5, 0.5, 1, 'buy'],
    )
    const [quote] = of('quote')
    assert.ok(quote?.type === 'quote')
    assert.deepEqual(
      [quote.bid, quote.bidSize, quote.ask, quote.askSize],
      [64_000.4, 1.5, 64_000.6, 2],
    )
    assert.equal(of('ticker').length, 1)
    const [bar] = of('bar')
    assert.ok(
      bar?.type === 'bar' && !bar.final && bar.timestamp === minute && bar.interval === '1m',
    )
    const books = of('book').map(event => event.type === 'book' && event.snapshot)
    assert.deepEqual(
      books,
      [true, false],
      'the empty one of the subscription, and the first change',
    )
    assert.deepEqual(
      of('status').map(event => event.type === 'status' && event.statusCode),
      ['online', 'cancel_only'],
    )
    const { malformed, unknown } = feed.stats()
    assert.deepEqual([malformed, unknown], [0, {}])
    assert.ok(!names(kit).includes('rejected'))
    await kit.end()
    assert.equal(clock.pending(), 0)
  })

  test('a channel two kinds share is let go when both are', async () => {
    const kit = stream()
    const quotes = kit.feed.quotes('BTC/USD', () => {})
    const tickers = kit.feed.tickers('BTC/USD', () => {})
    kit.feed.trades('ETH/USD', () => {})
    await kit.clock.advance(50)
    quotes.close()
    await kit.clock.advance(50)
    assert.deepEqual(kit.venue.connections[0]?.subscribed.ticker, ['BTC/USD'])
    tickers.close()
    await kit.clock.advance(50)
    assert.equal(kit.venue.connections[0]?.subscribed.ticker, undefined)
    const again = kit.feed.subscribe({ quotes: 'BTC/USD' })
    await kit.clock.advance(50)
    const more = kit.feed.subscribe({ tickers: 'BTC/USD' })
    await kit.clock.advance(50)
    assert.equal((await again).accepted.length, 1)
    assert.equal((await more).accepted.length, 1, '“already subscribed” is an answer')
    await kit.end()
  })

  test('an unknown pair is refused by its name; the others of its request are there', async () => {
    const kit = stream()
    const request = { trades: ['BTC/USD', 'FOO/USD', 'ETH/USD'], statuses: ['BTC/USD', 'FOO/USD'] }
    const asked = kit.feed.subscribe(request)
    await kit.clock.advance(50)
    const { accepted, rejected, pending } = await asked
    assert.deepEqual(
      accepted.map(({ kind, symbol }) => `${kind} ${symbol}`),
      ['trade BTC/USD', 'trade ETH/USD', 'status BTC/USD'],
    )
    assert.deepEqual(
      rejected.map(({ topic, reason }) => [topic.kind, topic.symbol, reason.code]),
      [
        ['trade', 'FOO/USD', 'UNKNOWN_SYMBOL'],
        ['status', 'FOO/USD', 'UNKNOWN_SYMBOL'],
      ],
    )
    assert.deepEqual(pending, [])
    await kit.end()
  })

  test('hundreds of pairs are asked for within what the venue takes', async () => {
    const pairs = Array.from({ length: 1_990 }, (_, i) => ({
      ...{ symbol: `C${i}/USD`, pricePrecision: 2, sizePrecision: 8 },
    }))
    const times: number[] = []
    const kit = stream({
      venue: {
        server: { pairs },
        observe: happening => {
          if (happening.type === 'said') times.push(kit.clock.now())
        },
      },
    })
    const asked = kit.feed.subscribe({ trades: pairs.map(({ symbol }) => symbol) })
    await kit.clock.advance(3_000)
    assert.equal((await asked).accepted.length, 1_990)
    const moments = [...new Set(times)]
    assert.ok(moments.length > 1, 'not all at once')
    await kit.end()
  })
})

/** Random books: some levels change a second, those of one side best. */
function walk(kit: Stream, random: () => number): MarketEvent {
  const levels = (base: number, sign: number) =>
    Array.from({ length: 1 + Math.floor(random() * 4) }, () => {
      const price = base + (sign * Math.floor(random() * 60)) / 10
      const size = random() < 0.4 ? 0 : Math.floor(1 + random() * 1e6) / 1e5
      return [Number(price.toFixed(1)), size] as const
    })
  return kit.event('book', { bids: levels(1_000, -1), asks: levels(1_000.1, 1), snapshot: false })
}

describe('books', () => {
  /** A walk with a fault in the middle of it; returns the reader's book, and how often it started anew. */
  async function course(
    fault: FaultOptions | undefined,
    options: Parameters<typeof stream>[0] = {},
  ) {
    const kit = stream(options)
    const book = new ReaderBook()
    let snapshots = 0
    kit.feed.on('*', event => {
      book.take(event)
      if (event.type === 'book' && event.snapshot) snapshots++
    })
    kit.feed.subscribe({ books: 'BTC/USD' })
    await kit.clock.advance(50)
    let seed = 5
    const random = () => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
      return seed / 2 ** 32
    }
    for (let i = 0; i < 300; i++) {
      if (i === 150 && fault) kit.venue.inject(fault)
      kit.deliver(walk(kit, random))
      await kit.clock.advance(100)
    }
    await kit.clock.advance(5_000)
    const asked = kit.provider.latest!({ kind: 'book', symbols: ['BTC/USD'] })
    await kit.clock.advance(1_000)
    const [truth] = await asked
    assert.ok(truth?.type === 'book')
    const depth = 25
    const right = { bids: truth.bids.slice(0, depth), asks: truth.asks.slice(0, depth) }
    assert.ok(book.synced)
    assert.deepEqual(book.lists, right)
    await kit.end()
    assert.equal(kit.clock.pending(), 0)
    return { kit, snapshots }
  }

  test('of a reader who only applies events are those of the venue', async () => {
    const { kit, snapshots } = await course(undefined)
    assert.equal(snapshots, 1)
    assert.ok(!names(kit).includes('gap'))
  })

  test('a checksum that does not fit is told as a gap, and the book is had anew', async () => {
    const { kit, snapshots } = await course({ fault: 'bad-checksum' })
    const gaps = kit.notices.filter(({ notice }) => notice === 'gap')
    assert.equal(gaps.length, 1)
    assert.deepEqual([gaps[0]?.kind, gaps[0]?.symbol], ['book', 'BTC/USD'])
    assert.equal(snapshots, 2)
    assert.ok(!names(kit).includes('disconnected'), 'on the same connection')
  })

  test('a lost or damaged message, one out of order, one that comes twice: right again', async () => {
    for (const fault of ['lost', 'corrupt-json', 'reorder', 'duplicate', 'cut'] as const) {
      const { kit, snapshots } = await course({ fault })
      if (fault !== 'duplicate') assert.ok(snapshots > 1, fault)
      assert.equal(kit.feed.stats().malformed, fault === 'corrupt-json' ? 1 : 0)
    }
  })

  test('with small sizes written by exponents they are verified all the same', async () => {
    const { snapshots } = await course(
      { fault: 'lost' },
      { venue: { server: { exponents: true } } },
    )
    assert.ok(snapshots > 1)
  })

  test('a venue whose checksums are never right is not stormed, and its book still comes', async () => {
    const { kit } = await course({ fault: 'bad-checksum', times: 1_000_000 })
    const gaps = kit.notices.filter(({ notice }) => notice === 'gap')
    assert.equal(gaps.length, 1, 'told once, as nothing was whole in between')
    assert.ok(names(kit).includes('resynced'))
    // Books that come and cannot be used look like silence; that is told by looking again, ever more rarely.
    assert.ok(kit.venue.attempts.length <= 5, `${kit.venue.attempts.length} connections`)
  })
})

describe('trades', () => {
  async function ids(fault: FaultOptions) {
    const kit = stream()
    const seen: number[] = []
    kit.feed.trades('BTC/USD', trade => seen.push(trade.id as number))
    await kit.clock.advance(50)
    await kit.seconds(5)
    kit.venue.inject(fault)
    await kit.seconds(60)
    await kit.clock.advance(5_000)
    const expected = Array.from({ length: kit.lastId }, (_, i) => i + 1)
    await kit.end()
    assert.equal(kit.clock.pending(), 0)
    return { kit, seen, expected }
  }

  test('none is missing after a cut: history has what the stream lost', async () => {
    const { kit, seen, expected } = await ids({ fault: 'restart', for: '5s' })
    assert.deepEqual(seen, expected)
    assert.ok(names(kit).includes('repaired'))
  })

  test('a frame that is lost without a trace otherwise shows by its number, and is filled in', async () => {
    const { kit, seen, expected } = await ids({ fault: 'lost', times: 2 })
    assert.deepEqual(
      [...seen].sort((a, b) => a - b),
      expected,
    )
    assert.ok(names(kit).includes('repaired'))
    assert.ok(!names(kit).includes('disconnected'))
  })
})

describe('every fault ends in live data again', () => {
  /** What each fault needs to be seen, and what comes of it. */
  const COURSES: {
    readonly [fault in FaultName]?: { with?: object; codes?: string[]; ends?: string }
  } = {
    'upgrade-404': { ends: 'NOT_FOUND' },
    'upgrade-429': { codes: ['RATE_LIMITED'] },
    'upgrade-502': { codes: ['UPGRADE_REFUSED'] },
    'half-open': { codes: ['MUTE'] },
    close: { codes: ['CONNECTION_LOST'] },
    cut: { codes: ['CONNECTION_LOST'] },
    mute: { codes: ['MUTE'] },
  }
  const ABSENT: readonly FaultName[] = [
    ...(['auth-error', 'auth-timeout', 'connection-limit', 'truncated-msgpack'] as const),
  ]
  const OPENING = /^(upgrade|half|welcome|symbol|partial|refuse|rest)/

  for (const fault of FAULT_NAMES.filter(name => !ABSENT.includes(name))) {
    test(fault, async () => {
      const kit = stream()
      const seen: number[] = []
      kit.feed.trades('BTC/USD', trade => seen.push(trade.id as number))
      kit.feed.books('BTC/USD', () => {})
      const other = kit.feed.trades('ETH/USD', () => {})
      await kit.clock.advance(50)
      await kit.seconds(3)
      const { with: extra, codes: expected = [], ends } = COURSES[fault] ?? {}
      kit.venue.inject({ fault, ...extra } as FaultOptions)
      other.close()
      kit.deliver(kit.event('book', { bids: [[1, 1]], asks: [], snapshot: false }))
      await kit.seconds(1)
      if (OPENING.test(fault)) kit.venue.inject({ fault: 'close' })
      await kit.seconds(90)
      for (const code of expected) assert.ok(codes(kit).includes(code), `${code}: ${codes(kit)}`)
      if (ends) await assert.rejects(kit.feed.done, { code: ends })
      else {
        const before = kit.lastId
        await kit.seconds(3)
        await kit.clock.advance(500)
        assert.deepEqual(seen.slice(-3), [before + 1, before + 2, before + 3])
        assert.equal(kit.feed.state, 'open')
      }
      assert.ok(
        kit.venue.struck.some(one => one.fault === fault),
        'it has struck',
      )
      assert.ok(kit.venue.connectsPerWindow() <= 10)
      await kit.end()
      assert.equal(kit.clock.pending(), 0, 'no timer is left')
    })
  }

  test('what cannot befall it is refused, and why', () => {
    const kit = stream()
    for (const fault of ABSENT) {
      assert.throws(() => kit.venue.inject({ fault } as FaultOptions), {
        code: 'BAD_CONFIG',
        message: new RegExp(`^${fault} cannot befall kraken: `),
      })
    }
  })
})

test('a country it does not serve is told in plain words, once', async () => {
  const kit = stream({
    kraken: {
      openSocket: (_request, events) => {
        queueMicrotask(() => events.closed({ code: 1_006, reason: '', httpStatus: 451 }))
        return { send() {}, ping() {}, close() {}, terminate() {} }
      },
    },
  })
  kit.feed.trades('BTC/USD', () => {})
  await kit.clock.advance(10_000)
  await assert.rejects(kit.feed.done, (error: { code?: string; hint?: string }) => {
    assert.equal(error.code, 'REGION_REFUSED')
    return error.hint!.includes('does not serve the country')
  })
  await kit.end()
})

describe('a book', () => {
  test('whose checksums never fit goes on, unverified, and that is in the stream', async () => {
    const kit = stream()
    kit.venue.inject({ fault: 'bad-checksum', times: 100_000 })
    const levels = (size: number) => ({ bids: [[99, size]], asks: [[101, 1]] })
    kit.deliver(kit.event('book', { ...levels(1), snapshot: true }))
    const live = kit.feed.book('BTC/USD')
    for (let i = 2; i <= 60; i++) {
      await kit.clock.advance(1_000)
      kit.deliver(kit.event('book', { ...levels(i), snapshot: false }))
    }
    await kit.clock.advance(50)
    assert.deepEqual(live.book.bestBid, [99, 60])
    assert.equal(live.book.checksum, undefined)
    const told = kit.notices.filter(({ notice }) => notice === 'unverified')
    assert.deepEqual(
      told.map(({ symbol, kind }) => [symbol, kind]),
      [['BTC/USD', 'book']],
    )
    live.close()
    await kit.end()
  })

  test('is never shown wrong, however many losses lie behind right updates', async () => {
    const kit = stream()
    const prices = Array.from({ length: 12 }, (_, i) => [900 + i, 1])
    kit.deliver(kit.event('book', { bids: prices, asks: [[1_000, 5]], snapshot: true }))
    const live = kit.feed.book('BTC/USD')
    const change = async (price: number, size: number) => {
      kit.deliver(kit.event('book', { bids: [[price, size]], asks: [], snapshot: false }))
      await kit.clock.advance(200)
    }
    await kit.clock.advance(1_000)
    for (let loss = 1; loss <= 10; loss++) {
      kit.venue.inject({ fault: 'lost' })
      await change(912 - loss, 0)
      for (let i = 1; i <= 60; i++) {
        await change(900, loss * 100 + i)
        // Not shown at all until it is asked for anew, which is ever more rarely.
        if (live.book.synced) assert.equal(live.book.bestBid?.[0], 911 - loss, `after loss ${loss}`)
      }
      for (let i = 1; i <= 400 && !live.book.synced; i++) await change(900, i)
      assert.equal(live.book.synced, true, `after loss ${loss}`)
      assert.notEqual(live.book.checksum, undefined)
    }
    assert.equal(kit.notices.filter(({ notice }) => notice === 'unverified').length, 0)
    live.close()
    await kit.end()
  })
})
