// Polygon as the engine sees it: options, symbols, requests, verdicts, statuses counted against requests.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { TickwireError } from '../../../src/base/errors.ts'
import type { Control, Request } from '../../../src/feed/description.ts'
import type { EventType, Interval } from '../../../src/market/events.ts'
import type { Topic } from '../../../src/market/topics.ts'
import {
  type PolygonOptions,
  polygon,
  polygonDescription,
} from '../../../src/providers/polygon/index.ts'
import { MARKET_NAMES, MARKETS, readSymbol } from '../../../src/providers/polygon/markets.ts'
import { Statuses } from '../../../src/providers/polygon/statuses.ts'
import { handClock } from '../../../src/testing/clock.ts'

const KEY = 'a-very-secret-key'

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

const topic = (kind: EventType, symbol: string, interval?: Interval): Topic => ({
  ...{ source: 'polygon', kind, symbol },
  ...(interval && { interval }),
})
const frameOf = ({ frame }: Request) =>
  JSON.parse(String(typeof frame === 'function' ? frame(1) : frame)) as { params: string }

describe('options', () => {
  test('unknown names are refused with the one that was meant', () => {
    for (const [options, code, hint] of [
      [{ feed: 'delayd' }, 'UNKNOWN_FEED', 'did you mean delayed?'],
      [{ market: 'stock' }, 'BAD_OPTION', 'did you mean stocks?'],
      [{ brand: 'masive' }, 'BAD_OPTION', 'did you mean massive?'],
    ] as const) {
      const error = thrown(() => polygon({ key: KEY, ...(options as object) }))
      assert.deepEqual([error.code, error.hint], [code, hint])
    }
    for (const market of ['toString', '__proto__', '']) {
      assert.equal(
        thrown(() => polygon({ key: KEY, market: market as 'stocks' })).code,
        'BAD_OPTION',
      )
    }
  })

  test('numbers that are none are refused', () => {
    for (const value of [0, -1, 1.5, Number.NaN]) {
      for (const name of ['connections', 'lotSize', 'requestsPerMinute']) {
        assert.equal(thrown(() => polygon({ key: KEY, [name]: value })).code, 'BAD_OPTION')
      }
    }
  })

  test('a missing key says so, and where keys are', () => {
    const error = thrown(() => polygon())
    assert.equal(error.code, 'MISSING_KEY')
    assert.match(error.hint ?? '', /massive\.com\/dashboard\/keys.*POLYGON_API_KEY/)
  })

  test('a key that cannot be right is refused without being repeated', () => {
    for (const key of ['', 'hush hush', 'hush\n', 'hush…', 5]) {
      const error = thrown(() => polygon({ key: key as string }))
      assert.equal(error.code, 'BAD_KEY')
      assert.ok(!inspect(error, { depth: 9 }).includes('hush'), 'the value is repeated')
    }
  })

  test('the key stands in no description of the provider, only in the greeting', () => {
    const description = polygonDescription({ key: KEY })
    for (const shown of [polygon({ key: KEY }), description]) {
      assert.ok(!inspect(shown, { depth: 9, showHidden: true }).includes(KEY))
    }
    assert.deepEqual(description.greet?.().map(String), [`{"action":"auth","params":"${KEY}"}`])
  })

  test('market, feed and brand make the address', () => {
    for (const [options, url] of [
      [{}, 'wss://socket.massive.com/stocks'],
      [{ feed: 'delayed', market: 'options' }, 'wss://delayed.massive.com/options'],
      [{ brand: 'polygon', market: 'crypto' }, 'wss://socket.polygon.io/crypto'],
      [{ feed: 'delayed-business', market: 'forex' }, 'wss://delayed-business.massive.com/forex'],
      [{ url: 'ws://127.0.0.1:1/x/indices', market: 'indices' }, 'ws://127.0.0.1:1/x/indices'],
    ] as const) {
      assert.equal(polygonDescription({ key: KEY, ...options }).url, url)
    }
  })

  test('connections of one key to one market count together, whatever the host', () => {
    const account = (options: PolygonOptions) => polygon({ key: KEY, ...options }).account
    assert.equal(account({}), account({ feed: 'delayed', brand: 'polygon' }))
    assert.notEqual(account({}), account({ market: 'crypto' }))
    assert.notEqual(account({}), account({ key: 'another' }))
  })

  test('fair market values come over business hosts only, and late data is flagged in words', () => {
    assert.ok(!polygon({ key: KEY }).capabilities.kinds.includes('ticker'))
    assert.ok(polygon({ key: KEY, feed: 'business' }).capabilities.kinds.includes('ticker'))
    const { nature, title } = polygon({ key: KEY, feed: 'delayed' }).capabilities
    assert.deepEqual([nature, title], ['delayed', 'Polygon stocks (15 minutes late)'])
  })
})

describe('symbols', () => {
  test('are taken as users and the venue write them', () => {
    for (const [market, text, symbol] of [
      ['stocks', ' aapl ', 'AAPL'],
      ['stocks', 'brk.b', 'BRK.B'],
      ['stocks', 'BACpL', 'BACpL'],
      ['options', 'o:spy251219c00650000', 'SPY251219C00650000'],
      ['options', 'SPY251219C00650000', 'SPY251219C00650000'],
      ['crypto', 'X:BTCUSD', 'BTC/USD'],
      ['crypto', 'btc-usd', 'BTC/USD'],
      ['forex', 'C:EUR-USD', 'EUR/USD'],
      ['forex', 'eurusd', 'EUR/USD'],
      ['indices', 'i:spx', 'SPX'],
      ['indices', '*', '*'],
    ] as const) {
      assert.equal(polygon({ key: KEY, market }).symbol(text), symbol)
    }
  })

  test('that are none are refused with an example', () => {
    for (const [market, text] of [
      ['stocks', ''],
      ['stocks', 'AAPL MSFT'],
      ['stocks', 'BTC/USD'],
      ['options', 'AAPL'],
      ['crypto', 'AAPL'],
      ['forex', ''],
      ['indices', 'SP X'],
    ] as const) {
      const error = thrown(() => polygon({ key: KEY, market }).symbol(text))
      assert.equal(error.code, 'BAD_SYMBOL', text)
      assert.ok(error.hint)
    }
  })

  test('go to the venue and come back, in every market', () => {
    const letters = fc.stringMatching(/^[A-Z]{3,5}$/)
    const of = {
      stocks: fc.stringMatching(/^[A-Z][A-Za-z0-9.]{0,9}$/),
      options: fc.tuple(letters, fc.stringMatching(/^\d{6}[CP]\d{8}$/)).map(it => it.join('')),
      crypto: fc.tuple(letters, fc.constantFrom('USD', 'EUR', 'BTC')).map(it => it.join('/')),
      forex: fc.tuple(letters, letters).map(it => it.join('/')),
      indices: fc.stringMatching(/^[A-Z0-9][A-Z0-9.]{0,9}$/),
    }
    for (const name of MARKET_NAMES) {
      const market = MARKETS[name]
      fc.assert(
        fc.property(of[name], symbol => {
          assert.equal(readSymbol(market.toVenue(symbol), market), symbol)
          assert.equal(
            polygon({ key: KEY, market: name }).symbol(market.restName(symbol)).toUpperCase(),
            symbol.toUpperCase(),
          )
        }),
        { numRuns: 100, seed: 5 },
      )
    }
  })
})

describe('requests', () => {
  test('hold the pairs of one channel each', () => {
    const { subscribe } = polygonDescription({ key: KEY })
    const topics = [
      ...[topic('trade', 'AAPL'), topic('quote', 'AAPL'), topic('trade', 'BRK.B')],
      ...[topic('bar', 'AAPL', '1m'), topic('bar', '*', '1s'), topic('luld', 'AAPL')],
    ]
    const params = subscribe(topics, topics).map(request => frameOf(request).params)
    assert.deepEqual(params, ['T.AAPL,T.BRK.B', 'Q.AAPL', 'AM.AAPL', 'A.*', 'LULD.AAPL'])
  })

  test('of many symbols come in parts of 500', () => {
    const { subscribe } = polygonDescription({ key: KEY })
    const topics = Array.from({ length: 1_201 }, (_, i) => topic('trade', `S${i}`))
    assert.deepEqual(
      subscribe(topics, topics).map(request => request.topics.length),
      [500, 500, 201],
    )
  })

  test('let go of nothing that another topic needs', () => {
    const { unsubscribe } = polygonDescription({ key: KEY })
    const [gone, stays] = [topic('trade', 'AAPL'), topic('trade', 'MSFT')]
    assert.deepEqual(
      unsubscribe([gone], [stays]).map(request => frameOf(request).params),
      ['T.AAPL'],
    )
    assert.deepEqual(unsubscribe([gone], [gone]), [])
  })

  test('of other markets name symbols as the venue does', () => {
    for (const [market, kind, symbol, params] of [
      ['options', 'quote', 'SPY251219C00650000', 'Q.O:SPY251219C00650000'],
      ['crypto', 'trade', 'BTC/USD', 'XT.BTC-USD'],
      ['forex', 'quote', 'EUR/USD', 'C.EUR/USD'],
      ['indices', 'ticker', 'SPX', 'V.I:SPX'],
    ] as const) {
      const topics = [topic(kind, symbol)]
      const [request] = polygonDescription({ key: KEY, market }).subscribe(topics, topics)
      assert.equal(frameOf(request!).params, params)
    }
  })
})

describe('verdicts', () => {
  const judge = (name: string, message: string, options: PolygonOptions = {}) =>
    polygonDescription({ key: KEY, ...options }).verdict({
      type: 'message',
      code: undefined,
      name,
      message,
    })

  test('say what is wrong and what to do', () => {
    for (const [name, message, scope, code, verdict, hint] of [
      ['auth_failed', 'authentication failed', 'connection', 'AUTH_FAILED', 'fatal', /dashboard/],
      [
        ...(['auth_failed', "Your plan doesn't include websocket access. Visit …"] as const),
        ...(['connection', 'NOT_ENTITLED', 'fatal', /free one has none.*pricing/] as const),
      ],
      [
        'auth_timeout',
        'No authentication …',
        'connection',
        'HANDSHAKE_TIMEOUT',
        'retry',
        /in time/,
      ],
      ['max_connections', 'Maximum …', 'connection', 'CONNECTION_LIMIT', 'slow', /Another program/],
      ['no_realtime', "You don't …", 'connection', 'NOT_ENTITLED', 'fatal', /feed 'delayed'/],
      ['error', 'not authorized', 'request', 'NOT_ENTITLED', 'fatal', /lacks that kind/],
      ['error', 'something else', 'request', 'BAD_REQUEST', 'retry', /symbols/],
    ] as const) {
      const judgement = judge(name, message)
      const { error } = judgement!
      assert.deepEqual([judgement!.scope, error.code, error.verdict], [scope, code, verdict])
      assert.match(error.hint ?? '', hint)
      assert.match(error.message, /^Polygon \(stocks\) says /)
    }
  })

  test('nobody comes back within a minute where another program has the connection', () => {
    const { verdict } = polygonDescription({ key: KEY })
    for (const judgement of [
      judge('max_connections', ''),
      verdict({ type: 'close', code: 1_008, reason: 'policy' }),
    ]) {
      assert.equal(judgement?.error.code, 'CONNECTION_LIMIT')
      assert.equal(judgement?.error.retryAfterMs, 60_000)
    }
    assert.equal(verdict({ type: 'close', code: 1_006, reason: '' }), undefined)
  })
})

describe('statuses counted against requests', () => {
  function counting() {
    const clock = handClock()
    const told: Control[] = []
    const control = (message: Control) => told.push(message)
    const statuses = new Statuses(({ kind, symbol }) => `${kind}.${symbol}`)
    const end = new AbortController()
    statuses.attach({ clock, signal: end.signal, control })
    const covered = (message: Control | undefined) =>
      ['a', 'b', 'c'].filter(symbol =>
        (message as { covers?: (topic: Topic) => boolean }).covers?.(topic('trade', symbol)),
      )
    return { clock, statuses, told, inbox: { control }, covered, end }
  }
  const pairs = ['trade.a', 'trade.b', 'trade.c']

  test('as many errors as pairs are left: these are refused, though the errors came first', () => {
    const { statuses, told, inbox, covered } = counting()
    statuses.asked(pairs)
    assert.ok(statuses.refused('not authorized'))
    statuses.settle(inbox)
    assert.deepEqual(told, [], 'which one is not known yet')
    statuses.granted('trade.a')
    statuses.granted('trade.c')
    statuses.settle(inbox)
    assert.deepEqual(
      told.map(({ type }) => type),
      ['confirmed', 'error'],
    )
    assert.deepEqual([covered(told[0]), covered(told[1])], [['a', 'c'], ['b']])
  })

  test('one error for several: when nothing more comes, those left are refused', async () => {
    const { clock, statuses, told, inbox, covered } = counting()
    statuses.asked(pairs)
    statuses.granted('trade.b')
    statuses.refused('not authorized')
    statuses.settle(inbox)
    assert.deepEqual(
      told.map(({ type }) => type),
      ['confirmed'],
    )
    await clock.advance(1_000)
    assert.deepEqual(covered(told.at(-1)), ['a', 'c'])
  })

  test('a pair that is held already is confirmed by us, as the venue will not', async () => {
    const { clock, statuses, told, inbox, covered } = counting()
    statuses.asked(pairs)
    for (const pair of pairs) statuses.granted(pair)
    statuses.settle(inbox)
    statuses.released(['trade.b'])
    statuses.asked(pairs)
    await clock.advance(0)
    assert.deepEqual(covered(told.at(-1)), ['a', 'c'])
    statuses.refused('not authorized')
    statuses.settle(inbox)
    assert.deepEqual(covered(told.at(-1)), ['b'])
  })

  test('an error without a request is about nothing, and none waits behind the end', async () => {
    const { clock, statuses, told, inbox, end } = counting()
    assert.equal(statuses.refused('not authorized'), false)
    statuses.asked(pairs)
    statuses.refused('not authorized')
    statuses.settle(inbox)
    end.abort()
    await clock.advance(5_000)
    assert.deepEqual([told, clock.pending()], [[], 0])
  })
})
