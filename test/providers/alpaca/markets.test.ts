// Crypto, options and news as the engine sees them: options, symbols, requests, acknowledgements, verdicts.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { TickwireError } from '../../../src/base/errors.ts'
import { decodeMsgpack } from '../../../src/base/msgpack.ts'
import type { Control } from '../../../src/feed/description.ts'
import { KIND_BIT } from '../../../src/feed/provider.ts'
import { type EventType, Flag } from '../../../src/market/events.ts'
import type { Topic } from '../../../src/market/topics.ts'
import {
  chooseFeed,
  FEED_NAMES,
  FEEDS,
  feedNamesOf,
  MARKET_NAMES,
} from '../../../src/providers/alpaca/feeds.ts'
import {
  type AlpacaOptions,
  alpaca,
  alpacaDescription,
} from '../../../src/providers/alpaca/index.ts'
import { fromNews, toNews } from '../../../src/providers/alpaca/market-news.ts'
import { JsonScanner } from '../../../src/providers/alpaca/scan-json.ts'
import { alpacaVerdict } from '../../../src/providers/alpaca/verdict.ts'
import { type Report, readingOf, reportsOf } from './record.ts'

const KEYS = { key: 'PKTESTKEY', secret: 'a-very-secret-word' }

function thrown(call: () => unknown): TickwireError {
  try {
    call()
  } catch (error) {
    assert.ok(error instanceof TickwireError, String(error))
    return error
  }
  assert.fail('nothing was thrown')
}

const topic = (kind: EventType, symbol: string, interval?: '1m' | '1d'): Topic => ({
  ...{ source: 'alpaca', kind, symbol },
  ...(interval && { interval }),
})

const asked = (options: AlpacaOptions, topics: readonly Topic[]) =>
  alpacaDescription({ ...options, ...KEYS })
    .subscribe(topics, topics)
    .map(({ frame }) => ({ ...(decodeMsgpack(frame as Uint8Array) as object) }))

describe('a market and its feeds', () => {
  test('each has its address and its default', () => {
    const url = (options: AlpacaOptions) => alpacaDescription({ ...KEYS, ...options }).url
    const host = 'wss://stream.data.alpaca.markets'
    assert.equal(url({ market: 'crypto' }), `${host}/v1beta3/crypto/us`)
    assert.equal(url({ market: 'crypto', feed: 'us-1' }), `${host}/v1beta3/crypto/us-1`)
    assert.equal(url({ market: 'crypto', feed: 'eu-1' }), `${host}/v1beta3/crypto/eu-1`)
    assert.equal(url({ market: 'options' }), `${host}/v1beta1/indicative`)
    assert.equal(url({ market: 'options', feed: 'opra' }), `${host}/v1beta1/opra`)
    assert.equal(url({ market: 'news' }), `${host}/v1beta1/news`)
    assert.equal(url({ market: 'stocks' }), url({}))
  })

  test('no feed is of two markets, and none has the address of another', () => {
    assert.equal(new Set(FEED_NAMES.map(name => FEEDS[name].path)).size, FEED_NAMES.length)
    const named = MARKET_NAMES.flatMap(feedNamesOf)
    assert.equal(new Set(named).size, named.length)
    for (const market of MARKET_NAMES) {
      for (const feed of feedNamesOf(market)) assert.equal(chooseFeed(market, feed), feed)
    }
  })

  test('the sources have names of their own', () => {
    const id = (options: AlpacaOptions) => alpaca({ ...KEYS, ...options }).id
    assert.equal(id({}), 'alpaca')
    assert.equal(id({ market: 'crypto' }), 'alpaca-crypto')
    assert.equal(id({ market: 'options' }), 'alpaca-options')
    assert.equal(id({ market: 'news' }), 'alpaca-news')
  })

  test('a feed of another market is UNKNOWN_FEED, and its market is named', () => {
    const wrong = (options: object) =>
      thrown(() => alpaca({ ...KEYS, ...options } as AlpacaOptions))
    const crypto = wrong({ feed: 'us' })
    assert.equal(crypto.code, 'UNKNOWN_FEED')
    assert.match(crypto.hint!, /a feed of crypto: set market 'crypto'/)
    assert.match(wrong({ market: 'crypto', feed: 'iex' }).hint!, /market 'stocks'/)
    assert.match(wrong({ market: 'crypto', feed: 'eu1' }).hint!, /did you mean eu-1\?/)
    assert.match(wrong({ market: 'options', feed: 'opr' }).hint!, /did you mean opra\?/)
    assert.match(wrong({ market: 'news', feed: 'benzinga' }).hint!, /leave feed out/)
    const market = wrong({ market: 'cryto' })
    assert.deepEqual([market.code, market.hint], ['BAD_OPTION', 'did you mean crypto?'])
    assert.equal(wrong({ market: '__proto__' }).code, 'BAD_OPTION')
  })

  test('pairs of market and feed that do not go together are no TypeScript either', () => {
    // @ts-expect-error: a feed of crypto
    thrown(() => alpaca({ ...KEYS, feed: 'us' }))
    // @ts-expect-error: a feed of stocks
    thrown(() => alpaca({ ...KEYS, market: 'crypto', feed: 'iex' }))
    // @ts-expect-error: news have no feeds
    thrown(() => alpaca({ ...KEYS, market: 'news', feed: 'news' }))
    // @ts-expect-error: options come as msgpack only
    thrown(() => alpaca({ ...KEYS, market: 'options', codec: 'json' }))
    assert.ok(alpaca({ ...KEYS, market: 'crypto', feed: 'eu-1', codec: 'json' }))
  })

  test('options as JSON are refused at once, with the way out', () => {
    const error = thrown(() =>
      alpaca({ ...KEYS, market: 'options', codec: 'json' } as unknown as AlpacaOptions),
    )
    assert.equal(error.code, 'UNSUPPORTED')
    assert.match(error.message, /msgpack only/)
    assert.match(error.hint!, /codec/)
  })

  test('what each can do is said', () => {
    const of = (options: AlpacaOptions) => alpaca({ ...KEYS, ...options }).capabilities
    const crypto = of({ market: 'crypto' })
    assert.deepEqual(crypto.kinds, ['trade', 'quote', 'bar', 'book'])
    assert.deepEqual(crypto.barIntervals, ['1m', '1d'])
    assert.deepEqual([crypto.nature, crypto.history], ['live', true])
    const indicative = of({ market: 'options' })
    assert.deepEqual(indicative.kinds, ['trade', 'quote'])
    // The venue refuses * for option quotes.
    assert.deepEqual(indicative.wildcard, ['trade'])
    assert.equal(indicative.nature, 'delayed')
    assert.deepEqual(indicative.history, [])
    assert.deepEqual(of({ market: 'options', feed: 'opra' }).history, ['trade'])
    assert.equal(of({ market: 'options', feed: 'opra' }).nature, 'live')
    const news = of({ market: 'news' })
    assert.deepEqual([news.kinds, news.wildcard], [['news'], ['news']])
    assert.match(of({ market: 'crypto', feed: 'us-1' }).title, /crypto \(us-1: Kraken US\)/)
  })
})

describe('symbols', () => {
  test('crypto: pairs, in any of the usual spellings', () => {
    const { symbol } = alpaca({ ...KEYS, market: 'crypto' })
    const spellings = ['BTC/USD', 'btc/usd', ' BTC-USD', 'BTC_USD', 'BTCUSD', 'xbt/usd', '*']
    assert.deepEqual(spellings.map(symbol), [...Array(6).fill('BTC/USD'), '*'])
    assert.equal(symbol('SHIBUSDT'), 'SHIB/USDT')
    assert.equal(symbol('ETHBTC'), 'ETH/BTC')
    for (const text of [
      '',
      'AAPL',
      'BTC',
      'USD',
      'BTC/',
      '/USD',
      'A/B/C',
      'NSE:BTC/USD',
      'É/USD',
    ]) {
      const error = thrown(() => symbol(text))
      assert.equal(error.code, 'BAD_SYMBOL', text)
      assert.match(error.hint!, /BTC\/USD/)
    }
  })

  test("options: OCC's symbols, with or without the blanks", () => {
    const { symbol } = alpaca({ ...KEYS, market: 'options' })
    for (const text of ['AAPL240315C00172500', 'aapl240315c00172500', 'AAPL  240315C00172500']) {
      assert.equal(symbol(text), 'AAPL240315C00172500')
    }
    for (const text of ['F240315P00012000', 'SPXW240327P04925000', 'AAPL1240315C00172500', '*']) {
      assert.equal(symbol(text), text)
    }
    const wrong = ['AAPL', 'AAPL241315C00172500', 'AAPL240332C00172500', 'AAPL240315X00172500']
    for (const text of [...wrong, 'AAPL240315C172500', 'TOOLONG240315C00172500', 'BTC/USD']) {
      assert.equal(thrown(() => symbol(text)).code, 'BAD_SYMBOL', text)
    }
  })

  test('news: stocks and pairs; a pair stands as one word in articles and requests', () => {
    const { symbol } = alpaca({ ...KEYS, market: 'news' })
    assert.deepEqual(['aapl', 'BTC/USD', 'BTCUSD', 'btc-usd', '*', 'BRK.B'].map(symbol), [
      ...['AAPL', 'BTC/USD', 'BTC/USD', 'BTC-USD', '*', 'BRK.B'],
    ])
    // AUSD would be taken for a stock.
    for (const text of ['A/USD', 'A B', '']) {
      assert.equal(thrown(() => symbol(text)).code, 'BAD_SYMBOL', text)
    }
    const pair = fc
      .tuple(fc.stringMatching(/^[A-Z]{3,6}$/), fc.constantFrom('USD', 'USDT', 'USDC', 'BTC'))
      .map(([base, quote]) => `${base}/${quote}`)
    fc.assert(
      fc.property(pair, canonical => {
        let known: string
        try {
          known = symbol(canonical)
        } catch {
          return
        }
        assert.equal(fromNews(toNews(known)), known)
      }),
      { numRuns: 500, seed: 1 },
    )
    assert.equal(fromNews('GOOGL'), 'GOOGL')
    assert.equal(fromNews('BTCUSD'), 'BTC/USD')
  })
})

describe('requests', () => {
  test('crypto: books beside the rest, bars with their revisions', () => {
    const topics = [
      ...[topic('trade', 'BTC/USD'), topic('quote', 'ETH/USD'), topic('book', 'BTC/USD')],
      ...[topic('bar', 'BTC/USD', '1m'), topic('bar', 'ETH/USD', '1d')],
    ]
    assert.deepEqual(asked({ market: 'crypto' }, topics), [
      {
        ...{ action: 'subscribe', trades: ['BTC/USD'], quotes: ['ETH/USD'] },
        ...{ orderbooks: ['BTC/USD'], bars: ['BTC/USD'], updatedBars: ['BTC/USD'] },
        dailyBars: ['ETH/USD'],
      },
    ])
    assert.deepEqual(asked({ market: 'crypto' }, [topic('status', 'BTC/USD')]), [])
  })

  test('news: in the words of articles', () => {
    assert.deepEqual(asked({ market: 'news' }, [topic('news', 'BTC/USD'), topic('news', '*')]), [
      { action: 'subscribe', news: ['BTCUSD', '*'] },
    ])
  })

  test('an acknowledgement covers what stands in its lists', () => {
    const covers = (json: string, feed: 'us' | 'news' | 'opra') => {
      const decoder = new JsonScanner(readingOf({ feed }))
      const [report] = reportsOf(decoder, Buffer.from(`[${json}]`)) as [
        Report & { control: Control },
      ]
      assert.ok(report.control.type === 'acknowledged')
      return report.control.covers
    }
    const crypto = covers(
      '{"T":"subscription","trades":[],"quotes":[],"orderbooks":["BTC/USD"],"bars":["BTC/USD"],"updatedBars":["BTC/USD"],"dailyBars":[]}',
      'us',
    )
    assert.equal(crypto(topic('book', 'BTC/USD')), true)
    assert.equal(crypto(topic('bar', 'BTC/USD', '1m')), true)
    assert.equal(crypto(topic('trade', 'BTC/USD')), false)
    assert.equal(crypto(topic('news', 'BTC/USD')), false)
    const news = covers('{"T":"subscription","news":["BTCUSD"]}', 'news')
    assert.equal(news(topic('news', 'BTC/USD')), true)
    assert.equal(news(topic('news', 'AAPL')), false)
  })
})

describe('verdicts', () => {
  const hint = (feed: 'iex' | 'us' | 'indicative' | 'opra' | 'news', code: number) =>
    alpacaVerdict(feed, { type: 'message', code, message: 'no' })?.error.hint ?? ''

  test('name what the market has for free', () => {
    assert.match(hint('iex', 409), /'iex' \(free\)/)
    assert.match(hint('opra', 409), /'indicative' \(free\)/)
    assert.match(hint('us', 405), /10 books/)
    assert.match(hint('indicative', 405), /200 of quotes/)
    for (const code of [405, 409]) assert.doesNotMatch(hint('us', code), /PLAN|LIMIT/)
  })
})

describe('late trades', () => {
  const frame = Buffer.from(
    '[{"T":"t","S":"AAPL240315C00172500","t":"2024-03-11T13:35:35Z","p":2.84,"s":1,"x":"N","c":"S"},' +
      '{"T":"q","S":"AAPL240315C00172500","t":"2024-03-11T13:35:35Z","bx":"C","bp":9,"bs":5,"ax":"C","ap":9.6,"as":3,"c":"A"}]',
  )

  test('of the indicative feed are flagged, its quotes are not', () => {
    const flags = (feed: 'indicative' | 'opra') =>
      reportsOf(new JsonScanner(readingOf({ feed })), frame).map(report =>
        'flags' in report ? report.flags : undefined,
      )
    assert.deepEqual(flags('indicative'), [Flag.delayed, 0])
    assert.deepEqual(flags('opra'), [0, 0])
  })
})

describe('articles', () => {
  const article = (fields: string) =>
    Buffer.from(`[{"T":"n","headline":"H","updated_at":"2022-01-05T22:00:38Z",${fields}}]`)

  test('count for each of their symbols, and for * when they have none', () => {
    const wanting = (...symbols: string[]) =>
      readingOf({
        feed: 'news',
        interest: {
          revision: 1,
          mask: symbol => (symbols.includes(symbol) || symbols.includes('*') ? KIND_BIT.news : 0),
        },
      })
    const seen = (frame: Uint8Array, ...symbols: string[]) =>
      reportsOf(new JsonScanner(wanting(...symbols)), frame).length
    const two = article('"symbols":["AAPL","BTCUSD"]')
    assert.equal(seen(two, 'AAPL'), 1)
    assert.equal(seen(two, 'BTC/USD'), 1)
    assert.equal(seen(two, 'MSFT'), 0)
    assert.equal(seen(two, '*'), 1)
    assert.equal(seen(article('"symbols":[]'), 'AAPL'), 0)
    assert.equal(seen(article('"symbols":[]'), '*'), 1)
  })

  test('keep what they say, in any script; what can be no symbol is left out', () => {
    const [report] = reportsOf(
      new JsonScanner(readingOf({ feed: 'news' })),
      Buffer.from(
        '[{"T":"n","id":1,"headline":"Über \\u003cb\\u003e \\"x\\"","created_at":"2022-01-05T22:00:37Z",' +
          '"updated_at":"2022-01-05T22:00:38.5Z","symbols":["", "ETHUSD", "A B"],"summary":""}]',
      ),
    )
    assert.ok(report?.type === 'news')
    assert.equal(report.headline, 'Über <b> "x"')
    assert.deepEqual([report.symbol, report.symbols], ['ETH/USD', ['ETH/USD']])
    assert.equal(report.summary, undefined)
    assert.equal(report.timestamp, Date.UTC(2022, 0, 5, 22, 0, 38, 500))
    assert.equal(report.createdAt, Date.UTC(2022, 0, 5, 22, 0, 37))
  })

  test('without a headline, a time or a list of symbols are refused', () => {
    const bad = [
      ['{"T":"n","updated_at":"2022-01-05T22:00:38Z"}', 'n: no headline'],
      ['{"T":"n","headline":"H","symbols":[]}', 'n: no time'],
      ['{"T":"n","headline":"H","symbols":5,"created_at":"2022-01-05T22:00:38Z"}', 'n: symbols'],
      ['{"T":"n","headline":"H","updated_at":"soon"}', 'n: updated_at is not a time'],
    ] as const
    for (const [json, reason] of bad) {
      const [report] = reportsOf(new JsonScanner(readingOf()), Buffer.from(`[${json}]`))
      assert.ok(report?.type === 'malformed' && report.reason.startsWith(reason), json)
    }
  })
})
