// The whole way: a feed on OpenAlgo's server side in memory, with its acks, refusals, restarts and brokers.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TickwireError } from '../../../src/base/errors.ts'
import {
  type Book,
  createEvent,
  type MarketEvent,
  type Ticker,
} from '../../../src/market/events.ts'
import { openAlgoDescription, openalgo } from '../../../src/providers/openalgo/index.ts'
import { BROKERS } from '../../../src/providers/openalgo/server-frames.ts'
import { KEY, liveKit, TEN } from './kit.ts'

const tick = (symbol: string, last: number, fields: object = {}): MarketEvent =>
  createEvent({ type: 'ticker', symbol, source: 'x', timestamp: TEN, last, ...fields })
const depth = (symbol: string, bid: number, ask: number): MarketEvent =>
  createEvent({
    ...{ type: 'book', symbol, source: 'x', timestamp: TEN, snapshot: true },
    ...{ bids: [[bid, 10]], asks: [[ask, 20]] },
  })
const quote = (symbol: string, bid: number, ask: number): MarketEvent =>
  createEvent({
    type: 'quote',
    symbol,
    source: 'x',
    timestamp: TEN,
    bid,
    ask,
    bidSize: 1,
    askSize: 2,
  })

/** What was sent, one action each, symbols in short. */
const short = (heard: readonly string[]) =>
  heard.map(text => {
    const {
      action,
      mode,
      symbols = [],
    } = JSON.parse(text) as {
      action: string
      mode?: string
      symbols?: { symbol: string; mode?: number }[]
    }
    const list = symbols.map(it => it.symbol + (it.mode === undefined ? '' : `/${it.mode}`))
    return [action, mode, ...list].filter(it => it !== undefined).join(' ')
  })

describe('subscriptions', () => {
  it('are the message of the tutorials: symbols with their exchange, and one mode', async () => {
    const kit = liveKit({ openalgo: { defaultExchange: 'NSE' } })
    kit.feed.tickers(['RELIANCE', 'NSE:INFY'], kit.keep)
    await kit.clock.advance(10)
    assert.deepEqual(kit.heard, [
      `{"action":"authenticate","api_key":"${KEY}"}`,
      '{"action":"subscribe","symbols":[{"symbol":"RELIANCE","exchange":"NSE"},{"symbol":"INFY","exchange":"NSE"}],"mode":"ltp"}',
    ])
    kit.server.deliver([tick('NSE:RELIANCE', 1_424.7), tick('NSE:TCS', 1)])
    await kit.clock.advance(10)
    assert.deepEqual(
      kit.got.map(it => [it.type, it.symbol, (it as Ticker).last]),
      [['ticker', 'NSE:RELIANCE', 1_424.7]],
    )
    await kit.end()
  })

  it('are one a symbol, in the richest mode anybody needs, up and down again', async () => {
    const kit = liveKit()
    const tickers = kit.feed.tickers(['NSE:A', 'NSE:B'], kit.keep)
    await kit.clock.advance(10)
    const books = kit.feed.books('NSE:A', kit.keep)
    await kit.clock.advance(10)
    assert.deepEqual((await books.ready).accepted.length, 1)
    assert.deepEqual(kit.server.sessions[0]!.modes, { ltp: ['NSE:B'], depth: ['NSE:A'] })
    // Depth feeds the ticker too.
    kit.server.deliver([tick('NSE:A', 5), depth('NSE:A', 4.95, 5.05)])
    await kit.clock.advance(10)
    assert.deepEqual(
      kit.got.map(({ type }) => type),
      ['ticker', 'ticker', 'book'],
    )
    books.close()
    await kit.clock.advance(10)
    assert.deepEqual(kit.server.sessions[0]!.modes, { ltp: ['NSE:A', 'NSE:B'] })
    tickers.close()
    await kit.clock.advance(10)
    assert.deepEqual(short(kit.heard).slice(1), [
      'subscribe ltp A B',
      'subscribe depth A',
      'unsubscribe A/1',
      'subscribe ltp A',
      'unsubscribe A/3',
      'unsubscribe A/1 B/1',
    ])
    await kit.end()
  })

  it('of many symbols go in messages of 500, of books with the levels wanted', async () => {
    const kit = liveKit({ openalgo: { depth: 20 }, server: { levels: 20 } })
    kit.feed.books(
      Array.from({ length: 1_100 }, (_, i) => `NFO:X${i}`),
      kit.keep,
    )
    await kit.clock.advance(10)
    const sizes = kit.heard.slice(1).map(text => {
      const message = JSON.parse(text)
      return [message.symbols.length, message.mode, message.depth]
    })
    assert.deepEqual(sizes, [
      [500, 'depth', 20],
      [500, 'depth', 20],
      [100, 'depth', 20],
    ])
    assert.equal(kit.feed.stats().topics.acknowledged, 1_100)
    await kit.end()
  })

  it('are refused one by one: an unknown symbol takes no other with it', async () => {
    const kit = liveKit({ server: { symbols: ['NSE:INFY'] } })
    const outcome = await Promise.all([
      kit.feed.subscribe({ tickers: ['NSE:INFY', 'NSE:BAD'] }),
      kit.clock.advance(100),
    ]).then(([it]) => it)
    assert.deepEqual(
      outcome.accepted.map(({ symbol }) => symbol),
      ['NSE:INFY'],
    )
    const [{ topic, reason } = assert.fail()] = outcome.rejected
    assert.equal(`${topic.symbol} ${reason.code}`, 'NSE:BAD UNKNOWN_SYMBOL')
    assert.match(reason.hint!, /NSE:RELIANCE/)
    // What cannot be had is not asked for again.
    const asked = kit.heard.length
    await kit.clock.advance(300_000)
    assert.equal(kit.heard.length, asked)
    await kit.end()
  })

  it('beyond the capacity say so, and what fits is had', async () => {
    const kit = liveKit({ server: { capacity: 2 } })
    const ready = kit.feed.subscribe({ tickers: ['NSE:A', 'NSE:B', 'NSE:C'] })
    await kit.clock.advance(100)
    const { accepted, rejected } = await ready
    assert.equal(accepted.length, 2)
    assert.deepEqual(
      rejected.map(({ topic, reason }) => [topic.symbol, reason.code]),
      [['NSE:C', 'SYMBOL_LIMIT']],
    )
    assert.match(rejected[0]!.reason.hint!, /MAX_SYMBOLS_PER_WEBSOCKET/)
    await kit.end()
  })

  it('of what the broker lacks are refused although they are granted', async () => {
    const script = { auth: () => undefined }
    const kit = liveKit({ server: { features: { depth: false }, script } })
    const ready = kit.feed.subscribe({ books: 'NSE:A', tickers: 'NSE:B' })
    await kit.clock.advance(100)
    const { accepted, rejected } = await ready
    assert.deepEqual(
      [accepted.map(it => it.kind), rejected.map(it => it.reason.code)],
      [['ticker'], ['UNSUPPORTED']],
    )
    await kit.end()
  })

  it('for quotes fall back on depth where the broker has bid and ask only there', async () => {
    const kit = liveKit({ server: { broker: 'zerodha' } })
    const quotes = kit.feed.quotes('NSE:A', kit.keep)
    await kit.clock.advance(10)
    assert.deepEqual(kit.server.sessions[0]!.modes, { quote: ['NSE:A'] })
    kit.server.deliver([tick('NSE:A', 100, { open: 99 })])
    await kit.clock.advance(100)
    assert.deepEqual(kit.server.sessions[0]!.modes, { depth: ['NSE:A'] })
    kit.server.deliver([quote('NSE:A', 99.5, 100.5)])
    await kit.clock.advance(10)
    assert.deepEqual(
      kit.got.map(it => [it.type, 'bid' in it && it.bid]),
      [['quote', 99.5]],
    )
    // The next symbol goes there at once, and all of it is let go in the end.
    const more = kit.feed.quotes('NSE:B', kit.keep)
    await kit.clock.advance(10)
    assert.deepEqual(kit.server.sessions[0]!.modes, { depth: ['NSE:A', 'NSE:B'] })
    quotes.close()
    more.close()
    await kit.clock.advance(10)
    assert.deepEqual(kit.server.sessions[0]!.modes, {})
    await kit.end()
  })
})

describe('quotes that are to be had with the depth only', () => {
  it('are asked for in two messages, however many symbols find it out at a time', async () => {
    const kit = liveKit({ server: { broker: 'zerodha' } })
    const symbols = Array.from({ length: 120 }, (_, i) => `NSE:S${i}`)
    kit.feed.quotes(symbols, kit.keep)
    await kit.clock.advance(10)
    const before = kit.heard.length
    kit.server.deliver(symbols.map(symbol => tick(symbol, 100, { open: 99 })))
    await kit.clock.advance(200)
    const said = kit.heard.slice(before).map(text => JSON.parse(text))
    assert.deepEqual(
      said.map(({ action, symbols: list }) => [action, list.length]),
      [['subscribe', 120], ['unsubscribe', 120]], // biome-ignore format: pairs
    )
    assert.equal(kit.server.sessions[0]!.modes.depth?.length, 120)
    await kit.end()
  })

  it('leave nothing behind of a symbol that is let go meanwhile', async () => {
    const kit = liveKit({ server: { broker: 'zerodha' } })
    const [one] = [kit.feed.quotes('NSE:A', kit.keep), kit.feed.quotes('NSE:B', kit.keep)]
    await kit.clock.advance(10)
    kit.server.deliver([tick('NSE:A', 100, { open: 99 }), tick('NSE:B', 100, { open: 99 })])
    await kit.clock.advance(10)
    one.close()
    await kit.clock.advance(200)
    assert.deepEqual(kit.server.sessions[0]!.modes, { depth: ['NSE:B'] })
    await kit.end()
  })
})

describe('brokers', () => {
  for (const broker of BROKERS) {
    it(`${broker}: a ticker, a quote and a book come as they were`, async () => {
      const kit = liveKit({ server: { broker } })
      kit.feed.tickers('NSE:A', kit.keep)
      kit.feed.quotes('NSE:A', kit.keep)
      kit.feed.books('NSE:A', kit.keep)
      await kit.clock.advance(10)
      const day = { open: 99.05, high: 101, low: 98.5, previousClose: 99, lastTime: TEN }
      kit.server.deliver([tick('NSE:A', 100.1, day), depth('NSE:A', 100, 100.15)])
      await kit.clock.advance(10)
      const ticker = kit.got.filter(({ type }) => type === 'ticker').at(-1) as Ticker
      assert.equal(broker === 'deltaexchange' ? ticker.mark : ticker.last, 100.1)
      const { open, high, low, previousClose } = ticker
      assert.deepEqual([open, high, low, previousClose], [99.05, 101, 98.5, 99])
      if (broker !== 'deltaexchange') assert.equal(ticker.lastTime, TEN)
      // In seconds or in milliseconds, it is the server's time.
      assert.equal(Math.floor(ticker.timestamp / 1_000), TEN / 1_000)
      const book = kit.got.find(({ type }) => type === 'book') as Book
      assert.deepEqual([book.bids, book.asks], [[[100, 10]], [[100.15, 20]]])
      assert.deepEqual(kit.feed.stats().malformed, 0)
      await kit.end()
    })
  }
})

describe('authentication', () => {
  it('with a wrong key ends for good, and says where the right one is', async () => {
    const kit = liveKit({ server: { users: { other: 'somebody' } } })
    kit.feed.tickers('NSE:A', kit.keep)
    await kit.clock.advance(600_000)
    assert.equal(kit.fatal?.code, 'AUTH_FAILED')
    assert.match(kit.fatal!.hint!, /API Key/)
    assert.equal(kit.venue.opened.length, 1, 'tried once')
    assert.ok(!JSON.stringify(kit.notices).includes(KEY))
  })

  it("with a broker's login that is over ends for good, and says to log in there", async () => {
    const kit = liveKit()
    kit.server.logOut('No authentication tokens found for user demo')
    kit.feed.tickers('NSE:A', kit.keep)
    await kit.clock.advance(600_000)
    assert.equal(kit.fatal?.code, 'AUTH_FAILED')
    assert.match(kit.fatal!.hint!, /Log in to your broker/)
    assert.equal(kit.venue.opened.length, 1, 'tried once')
  })

  it('may take seconds, as after a while it does', async () => {
    const kit = liveKit({ server: { authDelayMs: 5_000 } })
    kit.feed.tickers('NSE:A', kit.keep)
    await kit.clock.advance(6_000)
    assert.equal(kit.feed.stats().topics.acknowledged, 1)
    await kit.end()
  })

  it('without an answer in 15 s is tried again', async () => {
    let silent = 1
    const auth = () => (silent-- > 0 ? ('silence' as const) : undefined)
    const kit = liveKit({ server: { script: { auth } } })
    kit.feed.tickers('NSE:A', kit.keep)
    await kit.clock.advance(14_000)
    assert.equal(kit.feed.state, 'authenticating')
    await kit.clock.advance(5_000)
    assert.equal(kit.feed.state, 'open')
    assert.equal(
      kit.notices.find(({ notice }) => notice === 'disconnected')?.code,
      'HANDSHAKE_TIMEOUT',
    )
    await kit.end()
  })

  it('needs a key that can be one', () => {
    const refused = (options: object, code: string) =>
      assert.throws(
        () => openalgo(options),
        (error: TickwireError) => error.code === code && !!error.hint,
      )
    refused({}, 'MISSING_KEY')
    refused({ apiKey: '' }, 'BAD_KEY')
    refused({ apiKey: 'two words' }, 'BAD_KEY')
    refused({ apiKey: KEY, defaultExchange: 'NES' }, 'BAD_OPTION')
    refused({ apiKey: KEY, depth: 7 }, 'BAD_OPTION')
    refused({ apiKey: KEY, tickers: 'full' }, 'BAD_OPTION')
    refused({ apiKey: KEY, restUrl: 'ftp://x' }, 'BAD_OPTION')
    assert.equal(openAlgoDescription({ apiKey: KEY }).url, 'ws://127.0.0.1:8765')
  })
})

describe('a server that starts anew', () => {
  it('has forgotten all: everything is asked for again, and goes on', async () => {
    const kit = liveKit()
    kit.feed.tickers('NSE:A', kit.keep)
    kit.feed.books('NSE:B', kit.keep)
    await kit.clock.advance(100)
    for (const connection of [...kit.venue.connections]) connection.close(1_001, '')
    await kit.clock.advance(10_000)
    assert.equal(kit.venue.opened.length, 2)
    assert.deepEqual(kit.server.sessions[0]!.modes, { ltp: ['NSE:A'], depth: ['NSE:B'] })
    kit.server.deliver([tick('NSE:A', 7), depth('NSE:B', 1, 2)])
    await kit.clock.advance(10)
    assert.deepEqual(
      kit.got.map(({ type }) => type),
      ['ticker', 'book'],
    )
    await kit.end()
  })

  it('that hangs is found by a ping, and one that is cut is tried again', async () => {
    const kit = liveKit()
    kit.feed.tickers('NSE:A', kit.keep)
    await kit.clock.advance(100)
    for (const connection of kit.venue.connections) connection.stall(600_000)
    await kit.clock.advance(35_000)
    assert.equal(kit.notices.find(({ notice }) => notice === 'disconnected')?.code, 'MUTE')
    assert.equal(kit.feed.state, 'open')
    kit.venue.cut()
    await kit.clock.advance(10_000)
    assert.equal(kit.feed.state, 'open')
    assert.equal(kit.venue.opened.length, 3)
    await kit.end()
  })

  it('whose frames are damaged or come twice gives nothing wrong', async () => {
    const kit = liveKit()
    kit.feed.tickers('NSE:A', kit.keep)
    await kit.clock.advance(100)
    for (const [i, fault] of (['corrupt-json', 'duplicate', 'lost'] as const).entries()) {
      const [connection] = kit.venue.connections
      connection!.spoil(fault, 1)
      connection!.delivering(true)
      kit.server.deliver([tick('NSE:A', 10 + i)])
      connection!.delivering(false)
      await kit.clock.advance(1_000)
    }
    assert.deepEqual(
      kit.got.map(it => (it as Ticker).last),
      [11],
    )
    const { malformed, duplicates } = kit.feed.stats()
    assert.deepEqual([malformed, duplicates], [1, 1])
    await kit.end()
  })
})

describe('the server', () => {
  it('answers as documented, to the letter', async () => {
    const { openAlgoServer } = await import('../../../src/providers/openalgo/server.ts')
    const { handClock } = await import('../../../src/testing/clock.ts')
    const clock = handClock(TEN)
    const server = openAlgoServer({
      clock,
      symbols: ['NSE:RELIANCE', 'NSE:INFY'],
      users: { k: 'demo' },
    })
    const sent: string[] = []
    let closed: unknown
    const session = server.accept(
      { path: '/any', headers: {} },
      {
        ...{ bufferedBytes: 0, send: frame => void sent.push(String(frame)), cut: () => {} },
        close: (code, reason) => {
          closed = [code, reason]
        },
      },
    )
    const ask = (message: unknown) => {
      session.receive(Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)))
      return sent.splice(0)
    }
    const symbols = [
      { symbol: 'INFY', exchange: 'NSE' },
      { symbol: 'BAD', exchange: 'NSE' },
    ]
    assert.deepEqual(ask({ action: 'subscribe', symbols, mode: 1 }), [
      '{"status": "error", "code": "NOT_AUTHENTICATED", "message": "You must authenticate first"}',
    ])
    assert.deepEqual(ask('{'), [
      '{"status": "error", "code": "INVALID_JSON", "message": "Invalid JSON message"}',
    ])
    assert.match(
      ask({ action: 'auth', apikey: 'x' })[0]!,
      /"AUTHENTICATION_ERROR", "message": "Invalid API key"/,
    )
    assert.deepEqual(ask({ type: 'auth', apikey: 'k' }), [
      '{"type": "auth", "status": "success", "message": "Authentication successful", "broker": "angel", "user_id": "demo", "supported_features": {"ltp": true, "quote": true, "depth": true}}',
    ])
    assert.deepEqual(ask({ action: 'subscribe', symbols, mode: ' Quote ', request_id: 'r1' }), [
      '{"type": "subscribe", "status": "partial", "subscriptions": [{"symbol": "INFY", "exchange": "NSE", "status": "success", "mode": "Quote", "depth": 5, "broker": "angel"}, {"symbol": "BAD", "exchange": "NSE", "status": "error", "message": "Symbol BAD not found for exchange NSE", "broker": "angel"}], "message": "Subscription processing complete", "broker": "angel", "request_id": "r1"}',
    ])
    assert.match(
      ask({ action: 'subscribe', symbols, mode: 4 })[0]!,
      /INVALID_MODE.*Invalid mode 4; expected 1/,
    )
    assert.match(ask({ action: 'subscribe', instruments: symbols })[0]!, /INVALID_PARAMETERS/)
    assert.match(ask({ action: 'subscribe', symbols: ['X'] })[0]!, /SERVER_ERROR/)
    assert.match(ask({ action: 'bogus' })[0]!, /Invalid action: bogus/)
    assert.match(
      ask({ action: 'ping', timestamp: 123, _pingId: 7 })[0]!,
      /"client_timestamp": 123, "_pingId": 7/,
    )
    assert.match(
      ask({ action: 'unsubscribe', symbol: 'INFY', exchange: 'NSE', mode: 2 })[0]!,
      /"successful": \[\{"symbol": "INFY"/,
    )
    assert.deepEqual(session.topics, [])
    ask(`{"action":"${'x'.repeat(1_024 * 1_024)}"}`)
    assert.deepEqual(closed, [1_009, 'message too big'])
    // Nobody authenticates in time.
    const late = server.accept(
      { path: '/', headers: {} },
      { bufferedBytes: 0, send: () => {}, cut: () => {}, close: (...how) => (closed = how) },
    )
    await clock.advance(15_000)
    assert.deepEqual(closed, [4_401, 'auth timeout'])
    late.closed()
    session.closed()
  })
})
