// Alpaca as the engine sees it: options, requests, verdicts, and one run over a real socket.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { systemClock } from '../../../src/base/clock.ts'
import { type ErrorCode, TickwireError } from '../../../src/base/errors.ts'
import { silentLog } from '../../../src/base/log.ts'
import { decodeMsgpack } from '../../../src/base/msgpack.ts'
import type { Judgement, Request } from '../../../src/feed/description.ts'
import { openFeed } from '../../../src/feed/feed.ts'
import {
  createEvent,
  type EventType,
  hasFlag,
  type MarketEvent,
} from '../../../src/market/events.ts'
import type { Topic } from '../../../src/market/topics.ts'
import {
  type AlpacaOptions,
  type AlpacaStockOptions,
  alpaca,
  alpacaDescription,
  type StockFeed,
} from '../../../src/providers/alpaca/index.ts'
import { alpacaServer } from '../../../src/providers/alpaca/server.ts'
import { SERVER_ERRORS } from '../../../src/providers/alpaca/server-session.ts'
import { alpacaVerdict } from '../../../src/providers/alpaca/verdict.ts'
import { startVenue } from '../../../src/testing/venue.ts'

const KEYS = { key: 'PKTESTKEY', secret: 'a-very-secret-word' }
const KEYS_PAGE = 'https://app.alpaca.markets/paper/dashboard/overview'

/** The error of a call that must throw one of ours. */
function thrown(call: () => unknown): TickwireError {
  try {
    call()
  } catch (error) {
    assert.ok(error instanceof TickwireError, String(error))
    return error
  }
  assert.fail('nothing was thrown')
}

const json = (options: AlpacaStockOptions = {}) =>
  alpacaDescription({ ...KEYS, codec: 'json', ...options })
const topic = (kind: EventType, symbol: string, interval?: '1m' | '1d' | '5m'): Topic => ({
  ...{ source: 'alpaca', kind, symbol },
  ...(interval && { interval }),
})
const messages = (requests: readonly Request[]) =>
  requests.map(({ frame }) => JSON.parse(frame as string) as Record<string, unknown>)

describe('options', () => {
  test('an unknown feed is refused with the one that was meant', () => {
    const error = thrown(() => alpaca({ ...KEYS, feed: 'iexx' as StockFeed }))
    assert.equal(error.code, 'UNKNOWN_FEED')
    assert.equal(error.hint, 'did you mean iex?')
    const far = thrown(() => alpaca({ ...KEYS, feed: 'bloomberg' as StockFeed }))
    assert.equal(far.hint, 'known: iex, sip, delayed_sip, boats, overnight, test')
    for (const feed of ['toString', '__proto__', '']) {
      const { code } = thrown(() => alpaca({ ...KEYS, feed: feed as StockFeed }))
      assert.equal(code, 'UNKNOWN_FEED')
    }
  })

  test('an unknown codec is refused with the one that was meant', () => {
    const error = thrown(() => alpaca({ ...KEYS, codec: 'msgpak' as 'json' }))
    assert.equal(error.code, 'BAD_OPTION')
    assert.equal(error.hint, 'did you mean msgpack?')
  })

  test('a number of connections that is none is refused', () => {
    for (const connections of [0, -1, 1.5, Number.NaN]) {
      const { code } = thrown(() => alpaca({ ...KEYS, connections }))
      assert.equal(code, 'BAD_OPTION')
    }
    assert.equal(alpaca({ ...KEYS, connections: 5 }).capabilities.limits.connections, 5)
  })

  test('a missing key or secret says so, and where keys are made', () => {
    for (const options of [{}, { secret: KEYS.secret }, { key: KEYS.key }]) {
      const error = thrown(() => alpaca(options))
      assert.equal(error.code, 'MISSING_KEY')
      assert.match(error.message, 'key' in options ? /a secret/ : /a key/)
      assert.ok(error.hint?.includes(KEYS_PAGE))
      assert.match(error.hint ?? '', /APCA_API_KEY_ID/)
    }
  })

  test('a key that cannot be right is refused without being repeated', () => {
    const faults: readonly [value: unknown, said: RegExp][] = [
      ['', /is empty$/],
      ['hush hush', /white space/],
      ['hush-hush\n', /white space/],
      ['hush\u0000hush', /characters no key has/],
      ['hush…hush', /characters no key has/],
      [Number.NaN, /not text/],
    ]
    for (const name of ['key', 'secret']) {
      for (const [value, said] of faults) {
        const error = thrown(() => alpaca({ ...KEYS, [name]: value }))
        assert.equal(error.code, 'BAD_KEY')
        assert.match(error.message, new RegExp(`^the alpaca ${name} `))
        assert.match(error.message, said)
        assert.ok(error.hint?.includes(KEYS_PAGE))
        assert.ok(!inspect(error, { depth: 9 }).includes('hush'), 'the value is repeated')
      }
    }
  })

  test('the secret stands in no description of the provider and in no error, only in the greeting', () => {
    for (const codec of ['json', 'msgpack'] as const) {
      const provider = alpaca({ ...KEYS, codec })
      const description = alpacaDescription({ ...KEYS, codec })
      for (const shown of [provider, description]) {
        assert.ok(!inspect(shown, { depth: 9, showHidden: true }).includes(KEYS.secret))
        assert.ok(!JSON.stringify(shown).includes(KEYS.secret))
      }
      assert.ok(!String(provider.account).includes(KEYS.secret))
      for (const options of [{ feed: 'x' }, { codec: 'x' }, { key: '' }]) {
        const error = thrown(() => alpaca({ ...KEYS, ...options } as AlpacaOptions))
        assert.ok(!inspect(error, { depth: 9 }).includes(KEYS.secret))
      }
    }
    assert.deepEqual(
      json()
        .greet?.()
        .map(frame => JSON.parse(frame as string)),
      [{ action: 'auth', ...KEYS }],
    )
  })

  test('each feed has its address, and its codec in the upgrade', () => {
    const urls: Readonly<Record<StockFeed, string>> = {
      iex: 'wss://stream.data.alpaca.markets/v2/iex',
      sip: 'wss://stream.data.alpaca.markets/v2/sip',
      delayed_sip: 'wss://stream.data.alpaca.markets/v2/delayed_sip',
      boats: 'wss://stream.data.alpaca.markets/v1beta1/boats',
      overnight: 'wss://stream.data.alpaca.markets/v1beta1/overnight',
      test: 'wss://stream.data.alpaca.markets/v2/test',
    }
    for (const [feed, url] of Object.entries(urls)) {
      assert.equal(json({ feed: feed as StockFeed }).url, url)
    }
    assert.equal(alpacaDescription(KEYS).url, urls.iex)
    assert.equal(json({ url: 'ws://127.0.0.1:1/v2/iex' }).url, 'ws://127.0.0.1:1/v2/iex')
    assert.deepEqual(json().headers, { 'Content-Type': 'application/json' })
    assert.deepEqual(alpacaDescription(KEYS).headers, { 'Content-Type': 'application/msgpack' })
  })

  test('the nature of the data is said', () => {
    const nature = (feed: StockFeed) => alpaca({ ...KEYS, feed }).capabilities.nature
    assert.equal(nature('iex'), 'live')
    assert.equal(nature('delayed_sip'), 'delayed')
    assert.equal(nature('test'), 'test')
    const { symbols, kinds, barIntervals } = alpaca({ ...KEYS, feed: 'test' }).capabilities
    assert.deepEqual(symbols, ['FAKEPACA'])
    assert.deepEqual(barIntervals, ['1m'])
    assert.ok(!kinds.includes('status'))
  })

  test('symbols are written as the venue does, and others refused', () => {
    const { symbol } = alpaca(KEYS)
    assert.deepEqual(['aapl', ' SPY ', 'brk.b', '*'].map(symbol), ['AAPL', 'SPY', 'BRK.B', '*'])
    for (const text of ['', ' ', 'A B', 'BTC/USD', 'AAPL,SPY', '"', '.A', 'A'.repeat(33)]) {
      assert.equal(thrown(() => symbol(text)).code, 'BAD_SYMBOL', JSON.stringify(text))
    }
  })
})

describe('requests', () => {
  const ask = (topics: readonly Topic[], options?: AlpacaStockOptions) =>
    messages(json(options).subscribe(topics, topics))

  test('each kind goes to its channel', () => {
    const channels: readonly [Topic, Record<string, string[]>][] = [
      [topic('trade', 'A'), { trades: ['A'] }],
      [topic('quote', 'A'), { quotes: ['A'] }],
      [topic('bar', 'A', '1m'), { bars: ['A'], updatedBars: ['A'] }],
      [topic('bar', 'A', '1d'), { dailyBars: ['A'] }],
      [topic('bar', 'A'), { bars: ['A'], updatedBars: ['A'], dailyBars: ['A'] }],
      [topic('status', 'A'), { statuses: ['A'] }],
      [topic('luld', 'A'), { lulds: ['A'] }],
      [topic('imbalance', 'A'), { imbalances: ['A'] }],
      [topic('correction', 'A'), { trades: ['A'] }],
      [topic('cancel', 'A'), { trades: ['A'] }],
      [topic('quote', '*'), { quotes: ['*'] }],
    ]
    for (const [one, lists] of channels) {
      assert.deepEqual(ask([one]), [{ action: 'subscribe', ...lists }])
    }
  })

  test('what goes on one channel is asked for once', () => {
    const topics = [topic('trade', 'A'), topic('correction', 'A'), topic('cancel', 'A')]
    assert.deepEqual(ask([...topics, topic('trade', 'B')]), [
      { action: 'subscribe', trades: ['A', 'B'] },
    ])
  })

  test('several kinds share one message, which names the topics it asks for', () => {
    const topics = [topic('trade', 'AAPL'), topic('quote', 'AMD'), topic('quote', 'CLDR')]
    const requests = json().subscribe(topics, topics)
    assert.deepEqual(messages(requests), [
      { action: 'subscribe', trades: ['AAPL'], quotes: ['AMD', 'CLDR'] },
    ])
    assert.deepEqual(requests[0]?.topics, topics)
  })

  test('in msgpack the same is said in bytes', () => {
    const topics = [topic('trade', 'AAPL')]
    const [request] = alpacaDescription(KEYS).subscribe(topics, topics)
    assert.ok(request?.frame instanceof Uint8Array)
    assert.deepEqual(
      { ...(decodeMsgpack(request.frame) as object) },
      { action: 'subscribe', trades: ['AAPL'] },
    )
  })

  test('what the feed does not carry is not asked for', () => {
    assert.deepEqual(ask([topic('bar', 'A', '5m'), topic('news', 'A')]), [])
    assert.deepEqual(ask([topic('status', 'A'), topic('bar', 'A')], { feed: 'test' }), [
      { action: 'subscribe', bars: ['A'] },
    ])
    assert.deepEqual(ask([]), [])
  })

  test('long lists go out in messages of at most 16 KiB, nothing twice and nothing lost', () => {
    const names = Array.from({ length: 9_000 }, (_, i) => `SYM${i}`)
    const wide = Array.from({ length: 900 }, (_, i) => `${i}${'W'.repeat(28)}`)
    for (const [list, kind] of [
      [names, 'trade'],
      [names, 'bar'],
      [wide, 'bar'],
    ] as const) {
      const topics = list.map(symbol => topic(kind, symbol))
      for (const codec of ['json', 'msgpack'] as const) {
        const description = alpacaDescription({ ...KEYS, codec })
        const said = [
          ...description.subscribe(topics, topics),
          ...description.unsubscribe(topics, []),
        ]
        const longest = Math.max(...said.map(({ frame }) => Buffer.byteLength(frame as string)))
        assert.ok(longest <= 16_384, `${longest} bytes`)
      }
      const requests = json().subscribe(topics, topics)
      assert.ok(requests.length > 1)
      assert.deepEqual(
        requests.flatMap(request => request.topics),
        topics,
      )
      const channel = kind === 'trade' ? 'trades' : 'updatedBars'
      assert.deepEqual(
        messages(requests).flatMap(message => message[channel]),
        list,
      )
    }
  })

  test('letting go keeps a channel that something else still needs', () => {
    const drop = (topics: readonly Topic[], held: readonly Topic[]) =>
      messages(json().unsubscribe(topics, held))
    const [trade, correction, other] = [
      topic('trade', 'A'),
      topic('correction', 'A'),
      topic('trade', 'B'),
    ]
    assert.deepEqual(drop([trade], []), [{ action: 'unsubscribe', trades: ['A'] }])
    assert.deepEqual(drop([trade], [correction]), [])
    assert.deepEqual(drop([correction], [trade]), [])
    assert.deepEqual(drop([trade, other], [correction]), [{ action: 'unsubscribe', trades: ['B'] }])
    assert.deepEqual(drop([trade, correction], [other]), [{ action: 'unsubscribe', trades: ['A'] }])
    assert.deepEqual(drop([topic('bar', 'A', '1m')], [topic('bar', 'A', '1d')]), [
      { action: 'unsubscribe', bars: ['A'], updatedBars: ['A'] },
    ])
    assert.deepEqual(drop([topic('bar', 'A')], [topic('bar', 'A', '1m')]), [
      { action: 'unsubscribe', dailyBars: ['A'] },
    ])
    assert.deepEqual(drop([topic('trade', 'A')], [topic('trade', '*')]), [
      { action: 'unsubscribe', trades: ['A'] },
    ])
  })

  test('an unsubscribe asks for nothing', () => {
    const requests = json().unsubscribe([topic('trade', 'A')], [])
    assert.deepEqual(
      requests.map(({ topics }) => topics),
      [[]],
    )
  })
})

describe('verdicts', () => {
  const RULES: Readonly<Record<keyof typeof SERVER_ERRORS, [Judgement['scope'], ErrorCode]>> = {
    400: ['request', 'BAD_REQUEST'],
    401: ['connection', 'AUTH_FAILED'],
    402: ['connection', 'AUTH_FAILED'],
    403: ['ignore', 'BAD_REQUEST'],
    404: ['connection', 'HANDSHAKE_TIMEOUT'],
    405: ['request', 'SYMBOL_LIMIT'],
    406: ['connection', 'CONNECTION_LIMIT'],
    407: ['connection', 'SLOW_CLIENT'],
    408: ['connection', 'NOT_ENTITLED'],
    409: ['connection', 'NOT_ENTITLED'],
    410: ['request', 'UNSUPPORTED'],
    411: ['connection', 'NOT_ENTITLED'],
    412: ['connection', 'UNSUPPORTED'],
    413: ['request', 'UNSUPPORTED'],
    500: ['connection', 'VENUE_ERROR'],
  }
  const judge = (code: number | undefined, message: string) =>
    alpacaVerdict('sip', { type: 'message', code, message })

  for (const [code, [scope, name]] of Object.entries(RULES)) {
    const words = SERVER_ERRORS[Number(code) as keyof typeof SERVER_ERRORS]
    test(`${code} ${words}: ${name}, of the ${scope}`, () => {
      const judgement = judge(Number(code), words)
      assert.equal(judgement?.scope, scope)
      assert.equal(judgement.error.code, name)
      assert.equal(judgement.error.message, `Alpaca (sip) says ${code} ${words}`)
      if (name === 'AUTH_FAILED') assert.ok(judgement.error.hint?.includes(KEYS_PAGE))
      if (name === 'NOT_ENTITLED' && code !== '411') assert.match(judgement.error.hint!, /iex/)
    })
  }

  test('a wrong key and a lacking plan end it, a taken slot waits long, the rest is tried again', () => {
    const verdict = (code: number) => judge(code, '')?.error.verdict
    assert.deepEqual([402, 409, 411, 412].map(verdict), ['fatal', 'fatal', 'fatal', 'fatal'])
    assert.equal(verdict(406), 'slow')
    assert.equal(verdict(405), 'reshard')
    assert.deepEqual([404, 407, 500].map(verdict), ['retry', 'retry', 'retry'])
  })

  test('a code of tomorrow refuses the request when it is a 4xx, else the connection', () => {
    assert.deepEqual(
      [judge(499, 'new')?.scope, judge(499, 'new')?.error.code],
      [...['request', 'BAD_REQUEST']],
    )
    for (const code of [503, 7, undefined]) {
      const judgement = judge(code, 'new')
      assert.deepEqual([judgement?.scope, judgement?.error.code], ['connection', 'VENUE_ERROR'])
    }
  })

  test('HTTP answers to the upgrade', () => {
    const upgrade = (status: number, retryAfterMs?: number) =>
      alpacaVerdict('iex', { type: 'upgrade', status, retryAfterMs })?.error
    const missing = upgrade(404)
    assert.equal(missing?.code, 'NOT_FOUND')
    assert.equal(missing.verdict, 'fatal')
    assert.match(missing.message, /HTTP 404/)
    const busy = upgrade(429, 30_000)
    assert.equal(busy?.code, 'RATE_LIMITED')
    assert.equal(busy.verdict, 'slow')
    assert.equal(busy.retryAfterMs, 30_000)
    assert.equal(upgrade(401)?.code, 'AUTH_FAILED')
    assert.equal(upgrade(403)?.code, 'AUTH_FAILED')
    assert.equal(upgrade(502), undefined, "the engine's own reading: try again")
  })

  test('any close is left to the engine', () => {
    for (const code of [1000, 1001, 1006, 1011]) {
      assert.equal(alpacaVerdict('iex', { type: 'close', code, reason: '' }), undefined)
    }
  })
})

describe('over a real socket', () => {
  const base = { symbol: 'AAPL', timestamp: Date.UTC(2024, 0, 15, 14, 30), nanos: 123_456 }
  const trade = createEvent({
    ...{ type: 'trade', ...base, price: 162.92, size: 3, id: '9007199254740993' },
    ...{ exchange: 'K', conditions: ['@', 'I'], tape: 'C' },
  })
  const quote = createEvent({ type: 'quote', ...base, bid: 1.5, bidSize: 2 })
  const correction = createEvent({
    ...{ type: 'correction', ...base, originalPrice: 1, originalSize: 1, originalId: 1 },
    ...{ price: 2, size: 2, id: 2, exchange: 'K', tape: 'C' },
  })
  const other = createEvent({ type: 'trade', ...base, symbol: 'SPY', price: 1, size: 1 })

  for (const codec of ['json', 'msgpack'] as const) {
    test(`${codec}: subscribes, is acknowledged, and gets what it asked for`, async t => {
      const accounts = { [KEYS.key]: KEYS.secret }
      const venue = await startVenue(alpacaServer({ clock: systemClock(), accounts }))
      t.after(() => venue.close())
      const url = `${venue.url}/v2/delayed_sip`
      const provider = alpaca({ ...KEYS, codec, url, feed: 'delayed_sip' })
      const feed = openFeed(provider, { log: silentLog, leases: false })
      t.after(() => feed.close())
      const outcome = await feed.subscribe({ trades: ['AAPL'], quotes: ['AAPL'] })
      assert.deepEqual(outcome.rejected, [])
      assert.equal(outcome.accepted.length, 2)
      const got: MarketEvent[] = []
      const arrived = new Promise<void>(resolve => {
        const take = (event: MarketEvent) => {
          got.push(event)
          if (got.length === 2) resolve()
        }
        feed.trades('AAPL', take)
        feed.quotes('AAPL', take)
      })
      venue.deliver([other, correction, trade, quote])
      await arrived
      assert.deepEqual(
        got.map(({ type }) => type),
        ['trade', 'quote'],
      )
      const [first, second] = got
      assert.ok(first?.type === 'trade' && second?.type === 'quote')
      const { price, size, id, exchange, conditions, tape, timestamp, nanos } = first
      assert.deepEqual(
        { price, size, id, exchange, conditions, tape, timestamp, nanos },
        {
          ...{ price: 162.92, size: 3, id: '9007199254740993', exchange: 'K', tape: 'C' },
          ...{ conditions: ['@', 'I'], timestamp: base.timestamp, nanos: base.nanos },
        },
      )
      assert.ok(hasFlag(first, 'delayed') && hasFlag(second, 'delayed'))
      assert.deepEqual([second.bid, second.bidSize, second.ask], [1.5, 2, undefined])
      await feed.close()
    })
  }

  test('a refused secret ends it, with the page of keys and without the secret', async t => {
    const accounts = { [KEYS.key]: 'another' }
    const venue = await startVenue(alpacaServer({ clock: systemClock(), accounts }))
    t.after(() => venue.close())
    const provider = alpaca({ ...KEYS, url: `${venue.url}/v2/iex` })
    const feed = openFeed(provider, { log: silentLog, leases: false })
    t.after(() => feed.close())
    await assert.rejects(feed.subscribe({ trades: 'AAPL' }), error => {
      assert.ok(error instanceof TickwireError)
      assert.equal(error.code, 'AUTH_FAILED')
      assert.ok(error.hint?.includes(KEYS_PAGE))
      assert.ok(!inspect(error, { depth: 9 }).includes(KEYS.secret))
      return true
    })
  })
})
