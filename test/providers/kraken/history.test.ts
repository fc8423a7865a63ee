// Kraken's REST side: pages to their end and never beyond, bounds, limits, and answers that are wrong.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { HttpAnswer, HttpGet } from '../../../src/base/http.ts'
import type { HistoryRequest } from '../../../src/flow/contracts.ts'
import type { MarketEvent } from '../../../src/market/events.ts'
import { canonicalSymbol } from '../../../src/market/symbols.ts'
import { krakenHistory } from '../../../src/providers/kraken/history.ts'
import { type KrakenOptions, kraken } from '../../../src/providers/kraken/index.ts'
import { krakenSymbol, restName } from '../../../src/providers/kraken/symbols.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { stream } from './stream-kit.ts'

type Row = readonly unknown[]

/** A REST side that gives these answers, one after the other, the last one again and again. */
function asking(...answers: readonly unknown[]) {
  const clock = handClock()
  const urls: string[] = []
  const times: number[] = []
  const httpGet: HttpGet = async ({ url, headers }) => {
    assert.equal(headers['User-Agent'], 'tickwire')
    urls.push(url)
    times.push(clock.now())
    const answer = answers[Math.min(urls.length, answers.length) - 1]
    const whole = typeof answer === 'object' && answer !== null && 'status' in answer
    const body = Buffer.from(
      typeof answer === 'string' ? answer : JSON.stringify(whole ? {} : answer),
    )
    return { status: 200, headers: {}, body, ...(whole && (answer as HttpAnswer)) }
  }
  const history = krakenHistory({ id: 'kraken', httpGet, clock })
  return { clock, urls, times, history }
}

/** Runs something that waits for its turn. */
async function turning<T>(clock: ReturnType<typeof handClock>, call: Promise<T>): Promise<T> {
  let done = false
  const settled = call.finally(() => {
    done = true
  })
  settled.catch(() => {})
  for (let i = 0; i < 3_000 && !done; i++) await clock.advance(100)
  return settled
}

async function all(pages: AsyncIterable<MarketEvent[]>): Promise<MarketEvent[]> {
  const events: MarketEvent[] = []
  for await (const batch of pages) events.push(...batch)
  return events
}

const result = (rows: readonly Row[], last: unknown, name = 'XXBTZUSD') => ({
  ...{ error: [], result: { [name]: rows, last } },
})
const START = Date.UTC(2024, 0, 15, 14)
const rowAt = (seconds: number, id: number): Row => [
  ...['30243.40000', '0.34507674', START / 1_000 + seconds, 'b', 'm', '', id],
]
const cursor = (seconds: number) => `${BigInt(START + seconds * 1_000) * 1_000_000n}`
const trades = (fields: Partial<HistoryRequest> = {}): HistoryRequest => ({
  ...{ kind: 'trade', symbols: ['BTC/USD'], from: START, to: START + 3_600_000 },
  ...fields,
})

describe('trades of the past', () => {
  test('the documented answer', async () => {
    const documented = {
      error: [],
      result: {
        XXBTZUSD: [
          ['30243.40000', '0.34507674', 1_688_669_597.8277369, 'b', 'm', '', 61_044_952],
          ['30243.30000', '0.00376960', 1_688_669_598.2804112, 's', 'l', '', 61_044_953],
        ],
        last: '1688671969993150842',
      },
    }
    const { clock, history, urls } = asking(documented)
    const from = 1_688_669_597_000
    const events = await turning(clock, all(history.history(trades({ from, to: from + 10_000 }))))
    assert.deepEqual(
      events.map(
        event => event.type === 'trade' && [event.id, event.price, event.size, event.side],
      ),
      [
        [61_044_952, 30_243.4, 0.34507674, 'buy'],
        [61_044_953, 30_243.3, 0.0037696, 'sell'],
      ],
    )
    const [first] = events
    assert.deepEqual([first?.timestamp, first?.nanos], [1_688_669_597_827, 737_000])
    assert.ok(first?.type === 'trade' && first.conditions?.[0] === 'market')
    assert.equal(new URL(urls[0]!).searchParams.get('pair'), 'XBTUSD')
  })

  test('page after page, the row at a boundary once, one question a second', async () => {
    const page = (from: number) =>
      result(
        Array.from({ length: 1_000 }, (_, i) => rowAt(from + i * 0.001, from * 1_000 + i + 1)),
        cursor(from + 0.999),
      )
    const last = result([rowAt(1.999, 2_000), rowAt(2.5, 2_001)], cursor(2.5))
    const { clock, history, urls, times } = asking(page(0), page(1), last)
    const events = await turning(clock, all(history.history(trades())))
    assert.deepEqual(
      events.map(event => event.type === 'trade' && event.id),
      Array.from({ length: 2_001 }, (_, i) => i + 1),
    )
    assert.equal(urls.length, 3)
    for (let i = 1; i < times.length; i++) assert.ok(times[i]! - times[i - 1]! >= 999)
  })

  test('both bounds are in, and nothing is asked beyond them', async () => {
    const rows = [rowAt(-0.0005, 1), rowAt(0, 2), rowAt(1, 3), rowAt(1.001, 4)]
    const { clock, history, urls } = asking(result(rows, cursor(1.001)))
    const to = START + 1_000
    const events = await turning(clock, all(history.history(trades({ to }))))
    assert.deepEqual(
      events.map(event => event.type === 'trade' && event.id),
      [2, 3],
    )
    assert.equal(urls.length, 1)
  })

  test('times are brought in order, whatever noise is in them', async () => {
    const rows = [rowAt(1.0000005, 1), rowAt(1.0000001, 2)]
    const { clock, history } = asking(result(rows, cursor(2)))
    const events = await turning(clock, all(history.history(trades())))
    const times = events.map(event => event.timestamp * 1e6 + event.nanos)
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    )
  })

  const full = (row: (i: number) => Row) => Array.from({ length: 1_000 }, (_, i) => row(i))
  const wrong: readonly [what: string, answers: readonly unknown[], said: RegExp][] = [
    [
      'a page that comes again',
      [
        result(
          full(i => rowAt(1, i + 1)),
          cursor(1),
        ),
      ],
      /no end of pages/,
    ],
    [
      'a cursor that goes back',
      [
        result(
          full(i => rowAt(1, i + 1)),
          cursor(1),
        ),
        result(
          full(i => rowAt(1, i + 1_001)),
          cursor(0.5),
        ),
      ],
      /no end of pages/,
    ],
    ['no cursor', [result([rowAt(1, 1)], 5)], /no last/],
    ['numbers out of order', [result([rowAt(1, 2), rowAt(1, 1)], cursor(1))], /out of order/],
    [
      'a trade that is left out',
      [result([rowAt(1, 1), rowAt(1, 3)], cursor(1))],
      /trade 2 .*missing, 3 came/,
    ],
    [
      'a trade that is left out between pages',
      [
        result(
          full(i => rowAt(1, i + 1)),
          cursor(1),
        ),
        result([rowAt(2, 1_002)], cursor(2)),
      ],
      /trade 1001 .*missing/,
    ],
    ['another day', [result([rowAt(-90_000, 1)], cursor(1))], /outside of the time/],
    ['two pairs', [{ error: [], result: { A: [], B: [], last: '1' } }], /not of one pair/],
    ['no rows', [{ error: [], result: { A: 7, last: '1' } }], /no rows/],
    ['a record without a price', [result([[null, '1', 1, 'b', 'm', '', 1]], '1')], /no price/],
    ['a record that is a map', [result([{} as never], '1')], /not a list/],
  ]
  for (const [what, answers, said] of wrong) {
    test(`${what} is a fault of the venue, and ends`, async () => {
      const { clock, history, urls } = asking(...answers)
      await assert.rejects(turning(clock, all(history.history(trades()))), {
        code: 'VENUE_ERROR',
        message: said,
      })
      assert.ok(urls.length <= 3)
    })
  }

  test('with somebody to tell, a record that is none is left out', async () => {
    const bad: Row = ['0', '1', START / 1_000 + 1, 'b', 'm', '', 1]
    const { clock, history } = asking(result([bad, rowAt(2, 2)], cursor(2)))
    const told: string[] = []
    const malformed = (_: unknown, reason: string) => told.push(reason)
    const events = await turning(clock, all(history.history(trades({ malformed }))))
    assert.deepEqual([events.length, told], [1, ['no price']])
  })

  test('an answer that cannot be read is asked for again a few times', async () => {
    const { clock, history, urls } = asking(
      '<html>',
      { error: ['EService:Unavailable'] },
      result([], '0'),
    )
    assert.deepEqual(await turning(clock, all(history.history(trades()))), [])
    assert.equal(urls.length, 3)
  })

  test('what the venue says is said on, under its own code', async () => {
    const codes: readonly [said: string, code: string][] = [
      ['EQuery:Unknown asset pair', 'UNKNOWN_SYMBOL'],
      ['EGeneral:Too many requests', 'RATE_LIMITED'],
      ['EAPI:Rate limit exceeded', 'RATE_LIMITED'],
      ['EService:Busy', 'VENUE_ERROR'],
      ['EGeneral:Invalid arguments', 'BAD_REQUEST'],
    ]
    for (const [said, code] of codes) {
      const { clock, history } = asking({ error: [said] })
      await assert.rejects(turning(clock, all(history.history(trades()))), {
        code,
        message: `Kraken says: ${said}`,
      })
    }
    const { clock, history } = asking({ status: 451 })
    await assert.rejects(turning(clock, all(history.history(trades()))), { code: 'REGION_REFUSED' })
  })

  test('given up, it ends at once', async () => {
    const stop = new AbortController()
    const { clock, history } = asking(result([], '0'))
    const call = all(
      history.history(trades({ symbols: ['BTC/USD', 'ETH/USD'], signal: stop.signal })),
    )
    stop.abort()
    await assert.rejects(turning(clock, call), { code: 'CLOSED' })
  })
})

describe('candles of the past', () => {
  const minute = (i: number) => Date.UTC(2024, 0, 15, 14, i)
  const row = (i: number): Row => [minute(i) / 1_000, '1', '3', '0.5', '2', '1.5', '10', 4]
  const bars = (fields: Partial<HistoryRequest> = {}): HistoryRequest => ({
    ...{ kind: 'bar', symbols: ['BTC/USD'], from: minute(0), to: minute(60), ...fields },
  })

  test('within the bounds, the one that runs not final', async () => {
    const rows = [row(-1), ...Array.from({ length: 31 }, (_, i) => row(i))]
    const { clock, history } = asking(result(rows, minute(29) / 1_000))
    const events = await turning(clock, all(history.history(bars())))
    assert.deepEqual(
      events.map(({ timestamp }) => timestamp),
      Array.from({ length: 31 }, (_, i) => minute(i)),
    )
    const finals = events.map(event => event.type === 'bar' && event.final)
    assert.deepEqual(finals, [...Array.from({ length: 30 }, () => true), false])
    const [bar] = events
    assert.ok(bar?.type === 'bar')
    assert.deepEqual([bar.open, bar.high, bar.low, bar.close], [1, 3, 0.5, 2])
    assert.deepEqual([bar.vwap, bar.volume, bar.tradeCount], [1.5, 10, 4])
  })

  test('what is over, the venue says, and not our clock', async () => {
    const { clock, history } = asking(result([row(0), row(1)], minute(0) / 1_000))
    const events = await turning(clock, all(history.history(bars())))
    const finals = events.map(event => event.type === 'bar' && event.final)
    assert.deepEqual(finals, [true, false])
    const { history: other } = asking(result([row(0)], undefined))
    await assert.rejects(turning(clock, all(other.history(bars()))), {
      code: 'VENUE_ERROR',
      message: /no last/,
    })
  })

  test('what the venue no longer has is refused, and the way out named', async () => {
    const { clock, history, urls } = asking(result([], 0))
    const from = minute(0) - 86_400_000
    await assert.rejects(turning(clock, all(history.history(bars({ from })))), {
      code: 'UNSUPPORTED',
      hint: /ask from 2024-01-15T02:31:00\.000Z on, or for trades/i,
    })
    assert.equal(urls.length, 0)
  })

  test('candles out of order, or at no minute, are a fault', async () => {
    for (const [rows, said] of [
      [[row(1), row(0)], /out of order/],
      [[row(1), row(1)], /out of order/],
      [[[minute(1) / 1_000 + 7, ...row(1).slice(1)]], /no whole minute/],
    ] as const) {
      const { clock, history } = asking(result(rows, 0))
      await assert.rejects(turning(clock, all(history.history(bars()))), {
        code: 'VENUE_ERROR',
        message: said,
      })
    }
  })
})

describe('questions that cannot be answered', () => {
  test('are refused before anything is asked', async () => {
    const { clock, history, urls } = asking(result([], '0'))
    const wrong: readonly [fields: Partial<HistoryRequest>, code: string][] = [
      [{ kind: 'quote' }, 'UNSUPPORTED'],
      [{ kind: 'bar', interval: '3m' }, 'UNSUPPORTED'],
      [{ kind: 'bar', adjustment: 'split' }, 'UNSUPPORTED'],
      [{ symbols: [] }, 'NO_SYMBOLS'],
      [{ symbols: ['*'] }, 'BAD_SYMBOL'],
      [{ symbols: ['nonsense'] }, 'BAD_SYMBOL'],
      [{ from: 5, to: 4 }, 'BAD_OPTION'],
      [{ from: Number.NaN }, 'BAD_OPTION'],
    ]
    for (const [fields, code] of wrong) {
      await assert.rejects(turning(clock, all(history.history(trades(fields)))), { code })
    }
    assert.equal(urls.length, 0)
    for (const restUrl of ['ws://x', 'https://me:secret@x', 'nonsense', 'https://x/?a=1']) {
      assert.throws(() => krakenHistory({ id: 'kraken', restUrl }), { code: 'BAD_OPTION' })
    }
  })
})

describe('where questions go', () => {
  const asked = async (options: KrakenOptions) => {
    const hosts: string[] = []
    const clock = handClock()
    const httpGet: HttpGet = async ({ url }) => {
      hosts.push(new URL(url).origin)
      return { status: 200, headers: {}, body: Buffer.from('{"error":[],"result":{}}') }
    }
    const provider = kraken({ ...options, httpGet, clock })
    await turning(clock, provider.instruments!())
    return [
      ...new Set([...hosts, ...provider.check!.addresses.slice(1).map(it => new URL(it).origin)]),
    ]
  }

  test('to the server of the stream, unless that is the venue or another is named', async () => {
    const venue = 'https://api.kraken.com'
    assert.deepEqual(await asked({}), [venue])
    assert.deepEqual(await asked({ url: 'wss://beta-ws.kraken.com/v2' }), [venue])
    assert.deepEqual(await asked({ url: 'ws://127.0.0.1:8000/v2' }), ['http://127.0.0.1:8000'])
    assert.deepEqual(await asked({ url: 'wss://notkraken.com/v2' }), ['https://notkraken.com'])
    const both = { url: 'ws://127.0.0.1:8000/v2', restUrl: 'http://127.0.0.1:9000' }
    assert.deepEqual(await asked(both), ['http://127.0.0.1:9000'])
  })
})

describe('the latest, and the instruments', () => {
  test('of each kind from the venue that has it', async () => {
    const kit = stream()
    kit.feed.trades('BTC/USD', () => {})
    await kit.clock.advance(50)
    const minute = Math.floor(kit.clock.now() / 60_000) * 60_000
    const bar = { interval: '1m', open: 1, high: 2, low: 1, close: 2, volume: 3, tradeCount: 2 }
    kit.deliver(
      kit.trade(),
      kit.trade(),
      kit.event('book', { bids: [[99, 1.5]], asks: [[101, 2]], snapshot: true }),
      kit.event('bar', { ...bar, timestamp: minute - 60_000 }),
      kit.event('bar', { ...bar, timestamp: minute }),
    )
    const ask = (kind: MarketEvent['type']) =>
      turning(kit.clock, kit.provider.latest!({ kind, symbols: ['btcusd'] }))
    const [trade] = await ask('trade')
    assert.ok(trade?.type === 'trade' && trade.id === 2 && trade.symbol === 'BTC/USD')
    const [quote] = await ask('quote')
    assert.ok(quote?.type === 'quote' && quote.bid === 99 && quote.askSize === 2)
    const [last] = await ask('bar')
    assert.ok(last?.type === 'bar' && last.final && last.timestamp === minute - 60_000)
    const [book] = await ask('book')
    assert.ok(book?.type === 'book' && book.snapshot)
    assert.deepEqual([book.bids, book.asks], [[[99, 1.5]], [[101, 2]]])
    const [ticker] = await ask('ticker')
    assert.ok(ticker?.type === 'ticker' && ticker.symbol === 'BTC/USD')
    assert.deepEqual([ticker.last, ticker.lastSize], [trade.price, trade.size])
    await assert.rejects(ask('status'), { code: 'UNSUPPORTED' })
    await kit.end()
  })

  // https://docs.kraken.com/api/docs/rest-api/get-ticker-information
  const TICKER = {
    ...{ a: ['30300.10000', '1', '1.500'], b: ['30300.00000', '2', '2.250'] },
    ...{ c: ['30303.20000', '0.00067643'], v: ['4083.67001100', '4412.73601799'] },
    ...{ p: ['30706.77771', '30689.13205'], t: [34_619, 38_907] },
    ...{ l: ['29868.30000', '29860.10000'], h: ['31631.00000', '31640.00000'] },
    o: '30502.80000',
  }

  test('a ticker is of the last 24 hours, not of today', async () => {
    const { clock, history } = asking({ error: [], result: { XXBTZUSD: TICKER } })
    const [ticker] = await turning(clock, history.latest({ kind: 'ticker', symbols: ['BTC/USD'] }))
    assert.ok(ticker?.type === 'ticker')
    const { last, lastSize, open, high, low, volume, vwap, bid, bidSize, ask, askSize } = ticker
    assert.deepEqual([last, lastSize, open], [30_303.2, 0.00067643, undefined])
    assert.deepEqual([high, low, volume, vwap], [31_640, 29_860.1, 4_412.73601799, 30_689.13205])
    assert.deepEqual([bid, bidSize, ask, askSize], [30_300, 2.25, 30_300.1, 1.5])
    assert.equal(ticker.timestamp, Math.floor(ticker.receivedAt))
  })

  test('a ticker without a price says that there is none, one that cannot be read is refused', async () => {
    const none = { ...TICKER, b: ['0.00000', '0', '0.000'], c: ['0.00000', '0.00000000'] }
    const empty = asking({ error: [], result: { XXBTZUSD: none } })
    const request = { kind: 'ticker', symbols: ['BTC/USD'] } as const
    const [ticker] = await turning(empty.clock, empty.history.latest(request))
    assert.ok(ticker?.type === 'ticker')
    assert.deepEqual(
      [ticker.bid, ticker.bidSize, ticker.last, ticker.lastSize],
      [undefined, undefined, undefined, undefined],
    )
    const bad = asking({ error: [], result: { XXBTZUSD: { ...TICKER, h: ['31631.0'] } } })
    await assert.rejects(turning(bad.clock, bad.history.latest(request)), {
      ...{ code: 'VENUE_ERROR', message: /no h$/ },
    })
  })

  test('instruments have the steps of price and size, and both names', async () => {
    const kit = stream()
    const list = await turning(kit.clock, kit.provider.instruments!())
    const btc = list.find(({ symbol }) => symbol === 'BTC/USD')
    assert.deepEqual(btc, {
      ...{ symbol: 'BTC/USD', kind: 'crypto', tickSize: 0.1, lotSize: 1e-8, pricePrecision: 1 },
      ...{ currency: 'USD', calendar: 'always', vendorNames: { kraken: 'XBT/USD' } },
    })
    assert.equal(list.length, 5)
    await kit.end()
  })

  test('a pair without its precision is a fault: orders would be rounded wrongly', async () => {
    const pair = { wsname: 'XBT/USD', pair_decimals: 1, status: 'online' }
    const { clock, history } = asking({ error: [], result: { XXBTZUSD: pair } })
    await assert.rejects(turning(clock, history.instruments()), { code: 'VENUE_ERROR' })
  })
})

describe('whether the venue can be had', () => {
  const ask = (kit: ReturnType<typeof stream>) =>
    turning(kit.clock, kit.provider.check!.ask(new AbortController().signal))

  test('is told by its time', async () => {
    const kit = stream()
    assert.deepEqual(kit.provider.check!.addresses, [
      'wss://ws.kraken.com/v2',
      'https://api.kraken.com',
    ])
    const answer = await ask(kit)
    assert.equal(answer.date, Math.floor(answer.sentAt / 1_000) * 1_000)
    assert.deepEqual([answer.refusal, answer.grants.length], [undefined, 2])
    await kit.end()
  })

  test('a refusal is an answer too; none at all is thrown', async () => {
    const kit = stream()
    kit.venue.inject({ fault: 'rest-error', status: 403 })
    const { refusal, grants } = await ask(kit)
    assert.deepEqual([refusal?.code, grants], ['REGION_REFUSED', []])
    kit.venue.inject({ fault: 'refuse', for: '1m' })
    await assert.rejects(ask(kit), { code: 'UNREACHABLE' })
    await kit.end()
  })
})

test('symbols are the same whichever way they are written, there and back', () => {
  for (const text of ['BTC/USD', 'btc/usd', 'XBT/USD', 'XBTUSD', 'BTC-USD', ' BTCUSD ']) {
    assert.equal(krakenSymbol(text), 'BTC/USD')
  }
  assert.equal(krakenSymbol('XDG/EUR'), 'DOGE/EUR')
  for (const symbol of ['BTC/USD', 'ETH/BTC', 'DOGE/USD', 'SOL/EUR', '1INCH/USD']) {
    assert.equal(krakenSymbol(restName(symbol)), symbol)
    assert.equal(canonicalSymbol(symbol), symbol)
  }
  assert.deepEqual([restName('BTC/USD'), restName('ETH/BTC')], ['XBTUSD', 'ETHXBT'])
})
