// Alpaca's documented messages, word for word, and what is to come of them: through the scanner and through the
// plain decoder.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Decoder } from '../../../src/feed/description.ts'
import { type Interest, KIND_BIT } from '../../../src/feed/provider.ts'
import { createEvent, type EventFields, Flag } from '../../../src/market/events.ts'
import type { Reading } from '../../../src/providers/alpaca/messages.ts'
import { PlainJsonDecoder } from '../../../src/providers/alpaca/plain.ts'
import { JsonScanner } from '../../../src/providers/alpaca/scan-json.ts'
import { plain, type Report, readingOf, reportsOf } from './record.ts'

/** https://docs.alpaca.markets/docs/real-time-stock-pricing-data */
const STOCKS = 'real-time stock data'
/** https://docs.alpaca.markets/docs/streaming-market-data */
const STREAM = 'market-data streaming'

/** Each field given is as the documents have it; `at` is the time to the second, then ms and the nanoseconds below. */
type At = readonly [second: string, ms: number, nanos: number]
type Expected = EventFields extends infer F
  ? F extends EventFields
    ? Omit<F, 'timestamp' | 'nanos'> & { readonly at: At }
    : never
  : never

function event({ at: [second, ms, nanos], ...fields }: Expected): Report {
  const timestamp = Date.parse(`${second}Z`) + ms
  return createEvent({
    ...{ source: 'alpaca', receivedAt: 1, ...fields },
    ...{ timestamp, nanos },
  } as unknown as EventFields)
}

const malformed = (reason: string): Report => ({ type: 'malformed', reason })
const unknown = (kind: string): Report => ({ type: 'unknown', kind })
const welcome: Report = { type: 'control', control: { type: 'welcome' } }
const ready: Report = { type: 'control', control: { type: 'ready' } }
const error = (code: number, message: string): Report => ({
  type: 'control',
  control: { type: 'error', code, message },
})

/** What both decoders, each new, make of a text; they must agree on it. */
function decode(text: string, fields: Partial<Reading> = {}): Report[] {
  const bytes = Buffer.from(text)
  const reading = readingOf(fields)
  const scanned = reportsOf(new JsonScanner(reading), bytes)
  const parsed = reportsOf(new PlainJsonDecoder(reading), bytes)
  assert.deepEqual(plain(scanned), plain(parsed), 'the scanner and the plain decoder differ')
  return scanned
}

interface Sample {
  readonly name: string
  readonly source: string
  readonly frame: string
  readonly expected: readonly Report[]
}

const docTrade = event({
  ...{ type: 'trade', symbol: 'AAPL', at: ['2021-02-22T15:51:44', 208, 0] },
  ...{ id: 96_921, exchange: 'D', price: 126.55, size: 1, conditions: ['@', 'I'], tape: 'C' },
})
const batchTrade = (id: number, exchange: string, price: number, size: number, at: At) =>
  event({
    ...{ type: 'trade', symbol: 'AAPL', id, exchange, price, size, at },
    ...{ conditions: ['@', 'F', 'T', 'I'], tape: 'C' },
  })
const docQuote = event({
  ...{ type: 'quote', symbol: 'AMD', at: ['2021-02-22T15:51:45', 335, 689_322] },
  ...{ bidExchange: 'U', bid: 87.66, bidSize: 1, askExchange: 'Q', ask: 87.68, askSize: 4 },
  ...{ conditions: ['R'], tape: 'C' },
})
const testQuote = (second: string, ms: number, nanos: number) =>
  event({
    ...{ type: 'quote', symbol: 'FAKEPACA', at: [second, ms, nanos] },
    ...{ bidExchange: 'O', bid: 133.85, bidSize: 4, askExchange: 'R', ask: 135.77, askSize: 5 },
    ...{ conditions: ['R'], tape: 'A' },
  })
const docBar = (interval: '1m' | '1d', final: boolean, revision: number) =>
  event({
    ...{ type: 'bar', symbol: 'SPY', at: ['2021-02-22T19:15:00', 0, 0], interval, final, revision },
    ...{ open: 388.985, high: 389.13, low: 388.975, close: 389.12, volume: 49_378 },
    ...{ tradeCount: 461, vwap: 389.062639 },
  })
const BAR = (type: string) =>
  `[{"T":"${type}","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"n":461,"vw":389.062639,"t":"2021-02-22T19:15:00Z"}]`

const SAMPLES: readonly Sample[] = [
  {
    name: 'welcome',
    source: STREAM,
    frame: '[{"T":"success","msg":"connected"}]',
    expected: [welcome],
  },
  {
    name: 'authenticated',
    source: STREAM,
    frame: '[{"T":"success","msg":"authenticated"}]',
    expected: [ready],
  },
  {
    name: 'a quote of the test feed',
    source: STREAM,
    frame:
      '[{"T":"q","S":"FAKEPACA","bx":"O","bp":133.85,"bs":4,"ax":"R","ap":135.77,"as":5,"c":["R"],"z":"A","t":"2024-07-24T07:56:53.639713735Z"}]',
    expected: [testQuote('2024-07-24T07:56:53', 639, 713_735)],
  },
  {
    name: 'the next quote of the test feed',
    source: STREAM,
    frame:
      '[{"T":"q","S":"FAKEPACA","bx":"O","bp":133.85,"bs":4,"ax":"R","ap":135.77,"as":5,"c":["R"],"z":"A","t":"2024-07-24T07:56:58.641207127Z"}]',
    expected: [testQuote('2024-07-24T07:56:58', 641, 207_127)],
  },
  {
    name: 'a bar of the test feed, its time before count and vwap',
    source: STREAM,
    frame:
      '[{"T":"b","S":"FAKEPACA","o":132.65,"h":136,"l":132.12,"c":134.65,"v":205,"t":"2024-07-24T07:56:00Z","n":16,"vw":133.7}]',
    expected: [
      event({
        ...{ type: 'bar', symbol: 'FAKEPACA', at: ['2024-07-24T07:56:00', 0, 0] },
        ...{ open: 132.65, high: 136, low: 132.12, close: 134.65, volume: 205 },
        ...{ tradeCount: 16, vwap: 133.7, interval: '1m', final: true, revision: 0 },
      }),
    ],
  },
  {
    name: 'a trade, its id before its symbol',
    source: STOCKS,
    frame:
      '[{"T":"t","i":96921,"S":"AAPL","x":"D","p":126.55,"s":1,"t":"2021-02-22T15:51:44.208Z","c":["@","I"],"z":"C"}]',
    expected: [docTrade],
  },
  {
    name: 'a batch of trades, their symbols first',
    source: STOCKS,
    frame:
      '[{"T":"t","S":"AAPL","i":628,"x":"K","p":162.92,"s":3,"c":["@","F","T","I"],"z":"C","t":"2023-04-06T11:54:26.838232225Z"},{"T":"t","S":"AAPL","i":75,"x":"Z","p":162.92,"s":3,"c":["@","F","T","I"],"z":"C","t":"2023-04-06T11:54:26.838562809Z"},{"T":"t","S":"AAPL","i":1465,"x":"P","p":162.91,"s":71,"c":["@","F","T","I"],"z":"C","t":"2023-04-06T11:54:26.83915973Z"}]',
    expected: [
      batchTrade(628, 'K', 162.92, 3, ['2023-04-06T11:54:26', 838, 232_225]),
      batchTrade(75, 'Z', 162.92, 3, ['2023-04-06T11:54:26', 838, 562_809]),
      batchTrade(1_465, 'P', 162.91, 71, ['2023-04-06T11:54:26', 839, 159_730]),
    ],
  },
  {
    name: 'a quote, its time before its conditions',
    source: STOCKS,
    frame:
      '[{"T":"q","S":"AMD","bx":"U","bp":87.66,"bs":1,"ax":"Q","ap":87.68,"as":4,"t":"2021-02-22T15:51:45.335689322Z","c":["R"],"z":"C"}]',
    expected: [docQuote],
  },
  { name: 'a minute bar', source: STOCKS, frame: BAR('b'), expected: [docBar('1m', true, 0)] },
  { name: 'a daily bar', source: STOCKS, frame: BAR('d'), expected: [docBar('1d', false, 0)] },
  { name: 'an updated bar', source: STOCKS, frame: BAR('u'), expected: [docBar('1m', true, 1)] },
  {
    name: 'a correction',
    source: STOCKS,
    frame:
      '[{"T":"c","S":"EEM","x":"M","oi":52983525033527,"op":39.1582,"os":440000,"oc":[" ","7"],"ci":52983525034326,"cp":39.1809,"cs":440000,"cc":[" ","7"],"z":"B","t":"2023-04-06T14:25:06.542305024Z"}]',
    expected: [
      event({
        ...{ type: 'correction', symbol: 'EEM', at: ['2023-04-06T14:25:06', 542, 305_024] },
        ...{ originalId: 52_983_525_033_527, originalPrice: 39.1582, originalSize: 440_000 },
        ...{ originalConditions: [' ', '7'], conditions: [' ', '7'], exchange: 'M', tape: 'B' },
        ...{ id: 52_983_525_034_326, price: 39.1809, size: 440_000 },
      }),
    ],
  },
  {
    name: 'a cancel',
    source: STOCKS,
    frame:
      '[{"T":"x","S":"GOOGL","i":465,"x":"D","p":105.31,"s":300,"a":"C","z":"C","t":"2023-04-06T13:15:42.83540958Z"}]',
    expected: [
      event({
        ...{ type: 'cancel', symbol: 'GOOGL', at: ['2023-04-06T13:15:42', 835, 409_580] },
        ...{ id: 465, exchange: 'D', price: 105.31, size: 300, action: 'cancel', tape: 'C' },
      }),
    ],
  },
  {
    name: 'limit up and limit down',
    source: STOCKS,
    frame:
      '[{"T":"l","S":"IONM","u":3.24,"d":2.65,"i":"B","t":"2023-04-06T13:34:45.565004401Z","z":"C"}]',
    expected: [
      event({
        ...{ type: 'luld', symbol: 'IONM', at: ['2023-04-06T13:34:45', 565, 4_401] },
        ...{ limitUp: 3.24, limitDown: 2.65, indicator: 'B', tape: 'C' },
      }),
    ],
  },
  {
    name: 'a status',
    source: STOCKS,
    frame:
      '[{"T":"s","S":"AAPL","sc":"H","sm":"Trading Halt","rc":"T12","rm":"Trading Halted; For information requested by NASDAQ","t":"2021-02-22T19:15:00Z","z":"C"}]',
    expected: [
      event({
        ...{ type: 'status', symbol: 'AAPL', at: ['2021-02-22T19:15:00', 0, 0] },
        ...{ statusCode: 'H', statusMessage: 'Trading Halt', reasonCode: 'T12', tape: 'C' },
        reasonMessage: 'Trading Halted; For information requested by NASDAQ',
      }),
    ],
  },
  {
    name: 'an imbalance',
    source: STOCKS,
    frame: '[{"T":"i","S":"INAQU","p":9.12,"z":"C","t":"2024-12-13T19:58:09.242138635Z"}]',
    expected: [
      event({
        ...{ type: 'imbalance', symbol: 'INAQU', at: ['2024-12-13T19:58:09', 242, 138_635] },
        ...{ price: 9.12, tape: 'C' },
      }),
    ],
  },
  // https://docs.alpaca.markets/docs/streaming-market-data#errors (411 from Alpaca's Go client, 408 from older text)
  ...Object.entries({
    400: 'invalid syntax',
    401: 'not authenticated',
    402: 'auth failed',
    403: 'already authenticated',
    404: 'auth timeout',
    405: 'symbol limit exceeded',
    406: 'connection limit exceeded',
    407: 'slow client',
    408: 'v2 not enabled',
    409: 'insufficient subscription',
    410: 'invalid subscribe action for this feed',
    411: 'insufficient scope',
    412: 'option messages are only available in MsgPack format',
    413: 'star subscription is not allowed for option quotes',
    500: 'internal error',
  }).map(
    ([code, msg]): Sample => ({
      name: `error ${code}`,
      source: STREAM,
      frame: `[{"T":"error","code":${code},"msg":"${msg}"}]`,
      expected: [error(Number(code), msg)],
    }),
  ),
]

describe('the documented samples', () => {
  for (const { name, source, frame, expected } of SAMPLES) {
    test(`${name} (${source})`, () => {
      assert.deepEqual(decode(frame), expected)
    })
  }

  test('are read by the scanner without the help of JSON.parse', () => {
    const scanner = new JsonScanner(readingOf())
    for (const { frame } of SAMPLES) reportsOf(scanner, Buffer.from(frame))
    assert.equal(scanner.fallbacks, 0)
  })

  test('one decoder reads them all in a row, twice', () => {
    const frames = [...SAMPLES, ...SAMPLES]
    for (const Decoder of [JsonScanner, PlainJsonDecoder]) {
      const decoder: Decoder = new Decoder(readingOf())
      const reports = frames.flatMap(({ frame }) => reportsOf(decoder, Buffer.from(frame)))
      assert.deepEqual(
        reports,
        frames.flatMap(({ expected }) => expected),
      )
    }
  })

  test('all of them as one batch of mixed types keep their order', () => {
    const all = `[${SAMPLES.map(({ frame }) => frame.slice(1, -1)).join(',')}]`
    assert.deepEqual(
      decode(all),
      SAMPLES.flatMap(({ expected }) => expected),
    )
  })

  test('white space between the tokens changes nothing', () => {
    for (const { frame, expected } of SAMPLES) {
      const spaced = JSON.stringify(JSON.parse(frame), null, 2)
      assert.deepEqual(decode(spaced), expected)
    }
  })

  test('the frames may be a part of a larger buffer', () => {
    for (const { frame, expected } of SAMPLES) {
      const bytes = Buffer.from(`[9]${frame}[9]`).subarray(3, -3)
      assert.deepEqual(reportsOf(new JsonScanner(readingOf()), bytes), expected)
    }
  })
})

describe('acknowledgements', () => {
  const covers = (frame: string, feed: 'iex' | 'test' = 'iex') => {
    const [report] = decode(frame, { feed })
    assert.ok(report?.type === 'control' && report.control.type === 'acknowledged')
    const { control } = report
    return (kind: EventFields['type'], symbol: string, interval?: '1m' | '1d') =>
      control.covers({ source: 'alpaca', kind, symbol, interval })
  }

  test('hold the whole state: what is not in it is not subscribed', () => {
    const has = covers(
      '[{"T":"subscription","trades":["AAPL"],"quotes":["AMD","CLDR"],"bars":["*"],"updatedBars":[],"dailyBars":[],"statuses":[],"lulds":[],"corrections":["AAPL"],"cancelErrors":["AAPL"]}]',
    )
    assert.ok(has('trade', 'AAPL'))
    assert.ok(has('quote', 'AMD'))
    assert.ok(has('quote', 'CLDR'))
    assert.ok(!has('trade', 'AMD'))
    assert.ok(!has('quote', 'AAPL'))
    assert.ok(!has('status', 'AAPL'))
    assert.ok(!has('luld', 'AAPL'))
    assert.ok(!has('trade', '*'))
  })

  test('corrections and cancels ride on trades', () => {
    const has = covers('[{"T":"subscription","trades":["AAPL"],"quotes":[],"bars":[]}]')
    assert.ok(has('correction', 'AAPL') && has('cancel', 'AAPL'))
    assert.ok(!has('correction', 'AMD') && !has('cancel', 'AMD'))
  })

  test('the test feed lists three channels, and minute bars need only theirs', () => {
    const ack = '[{"T":"subscription","trades":[],"quotes":["FAKEPACA"],"bars":["FAKEPACA"]}]'
    const has = covers(ack, 'test')
    assert.ok(has('quote', 'FAKEPACA') && has('bar', 'FAKEPACA', '1m'))
    assert.ok(!has('trade', 'FAKEPACA'))
    assert.ok(!has('bar', 'FAKEPACA', '1d'), 'the test feed has no daily bars')
    assert.ok(!has('status', 'FAKEPACA'), 'nor statuses')
    assert.ok(!covers(ack)('bar', 'FAKEPACA', '1m'), 'elsewhere a minute needs its updates too')
  })

  test('a length of bars has channels of its own', () => {
    const has = covers(
      '[{"T":"subscription","bars":["A","B"],"updatedBars":["A"],"dailyBars":["A","C"]}]',
    )
    assert.ok(has('bar', 'A', '1m') && has('bar', 'A', '1d') && has('bar', 'A'))
    assert.ok(!has('bar', 'B', '1m') && !has('bar', 'B', '1d'))
    assert.ok(!has('bar', 'C', '1m') && has('bar', 'C', '1d') && !has('bar', 'C'))
  })

  test('say nothing about imbalances where they have no such list', () => {
    assert.ok(covers('[{"T":"subscription","trades":[]}]')('imbalance', 'INAQU'))
    assert.ok(!covers('[{"T":"subscription","imbalances":[]}]')('imbalance', 'INAQU'))
    assert.ok(covers('[{"T":"subscription","imbalances":["INAQU"]}]')('imbalance', 'INAQU'))
  })

  test('a list that is null or missing covers nothing', () => {
    const has = covers('[{"T":"subscription","trades":null}]')
    assert.ok(!has('trade', 'AAPL') && !has('quote', 'AAPL'))
  })
})

/** A trade and a quote in the documented form, fields replaced by JSON texts or (`undefined`) left out. */
function written(base: Readonly<Record<string, string>>) {
  return (changes: Readonly<Record<string, string | undefined>> = {}) => {
    const fields = Object.entries({ ...base, ...changes }).filter(([, json]) => json !== undefined)
    return `{${fields.map(([key, json]) => `"${key}":${json}`).join(',')}}`
  }
}
const trade = written({
  ...{ T: '"t"', S: '"AAPL"', i: '7', x: '"V"', p: '1.5', s: '100', c: '["@"]', z: '"C"' },
  t: '"2024-01-15T14:30:00.5Z"',
})
const quote = written({
  ...{ T: '"q"', S: '"AAPL"', bx: '"V"', bp: '1.5', bs: '1', ax: '"Q"', ap: '1.6', as: '2' },
  ...{ c: '["R"]', z: '"C"', t: '"2024-01-15T14:30:00.5Z"' },
})
const bar = written({
  ...{ T: '"b"', S: '"AAPL"', o: '1', h: '3', l: '1', c: '2', v: '10', n: '4', vw: '1.75' },
  t: '"2024-01-15T14:30:00Z"',
})
const AT: At = ['2024-01-15T14:30:00', 500, 0]
const TRADE: Expected = {
  ...{ type: 'trade', symbol: 'AAPL', at: AT, id: 7, exchange: 'V', price: 1.5, size: 100 },
  ...{ conditions: ['@'], tape: 'C' },
}
const QUOTE: Expected = {
  ...{ type: 'quote', symbol: 'AAPL', at: AT, bidExchange: 'V', bid: 1.5, bidSize: 1 },
  ...{ askExchange: 'Q', ask: 1.6, askSize: 2, conditions: ['R'], tape: 'C' },
}

describe('fields', () => {
  const read = (...messages: string[]) => decode(`[${messages.join(',')}]`)

  test('a message without a required field is refused, and says which', () => {
    const cases: readonly [message: string, reason: string][] = [
      [trade({ S: undefined }), 't: no symbol'],
      [trade({ p: undefined }), 't: p is not a price'],
      [trade({ s: undefined }), 't: s is not an amount'],
      [trade({ t: undefined }), 't: no time'],
      [quote({ S: undefined }), 'q: no symbol'],
      [quote({ bp: undefined }), 'q: bp is not an amount'],
      [quote({ bs: undefined }), 'q: bs is not an amount'],
      [quote({ ap: undefined }), 'q: ap is not an amount'],
      [quote({ as: undefined }), 'q: as is not an amount'],
      [quote({ t: undefined }), 'q: no time'],
      [bar({ o: undefined }), 'b: o is not a price'],
      [bar({ h: undefined }), 'b: h is not a price'],
      [bar({ l: undefined }), 'b: l is not a price'],
      [bar({ c: undefined }), 'b: c is not a price'],
      [bar({ v: undefined }), 'b: v is not an amount'],
      [bar({ t: undefined }), 'b: no time'],
      ['{"T":"s","S":"A","t":"2024-01-15T14:30:00Z"}', 's: no sc'],
      ['{"T":"l","S":"A","u":1,"t":"2024-01-15T14:30:00Z"}', 'l: d is not a price'],
      ['{"T":"x","S":"A","i":1,"t":"2024-01-15T14:30:00Z"}', 'x: a is neither C nor E'],
      ['{"T":"c","S":"A","t":"2024-01-15T14:30:00Z"}', 'c: op is not a price'],
      ['{"S":"A"}', 'a message without T'],
      ['{"T":1}', 'a message without T'],
      ['{}', 'a message without T'],
      ['7', 'a message without T'],
      ['null', 'a message without T'],
      ['[]', 'a message without T'],
    ]
    for (const [message, reason] of cases) {
      assert.deepEqual(read(message), [malformed(reason)], message)
    }
  })

  test('null is as good as absent', () => {
    assert.deepEqual(read(trade({ p: 'null' })), [malformed('t: p is not a price')])
    assert.deepEqual(read(trade({ i: 'null', x: 'null', c: 'null', z: 'null' })), [
      event({
        ...TRADE,
        id: undefined,
        exchange: undefined,
        conditions: undefined,
        tape: undefined,
      }),
    ])
  })

  test('optional fields may be missing', () => {
    assert.deepEqual(read(trade({ i: undefined, x: undefined, c: undefined, z: undefined })), [
      event({
        ...TRADE,
        id: undefined,
        exchange: undefined,
        conditions: undefined,
        tape: undefined,
      }),
    ])
    assert.deepEqual(read(bar({ n: undefined, vw: undefined })), [
      event({
        ...{ type: 'bar', symbol: 'AAPL', at: ['2024-01-15T14:30:00', 0, 0], interval: '1m' },
        ...{ open: 1, high: 3, low: 1, close: 2, volume: 10, final: true, revision: 0 },
      }),
    ])
  })

  test('a price that is zero, negative or not finite is refused', () => {
    for (const p of ['0', '-0', '0.0', '-1.5', '1e999', '-1e999']) {
      const [report] = read(trade({ p }))
      assert.equal(report?.type, 'malformed', p)
    }
    for (const message of [quote({ bp: '1e999' }), quote({ as: '-1' }), bar({ h: '1e400' })]) {
      assert.equal(read(message)[0]?.type, 'malformed', message)
    }
  })

  test('NaN and Infinity are not JSON: the frame is refused, with the sound messages in it', () => {
    for (const p of ['NaN', 'Infinity', '-Infinity']) {
      assert.deepEqual(read(trade(), trade({ p })), [malformed('not JSON')])
    }
  })

  test('a number in quotes is no number, and a text without quotes no text', () => {
    assert.deepEqual(read(trade({ p: '"1.5"' })), [malformed('t: p is not a number')])
    assert.deepEqual(read(trade({ x: '5' })), [malformed('t: x is not a text')])
    assert.deepEqual(read(trade({ S: '5' })), [malformed('t: S is not a text')])
    assert.deepEqual(read(trade({ t: '1705329000' })), [malformed('t: t is not a time')])
    assert.deepEqual(read(trade({ c: '[1]' })), [malformed('t: c is not a list')])
    assert.deepEqual(read(trade({ i: '"7"' })), [malformed('t: i is not a id')])
  })

  test('a quote of price 0 has no such side, and neither size nor exchange " " with it', () => {
    const none = { bid: undefined, bidSize: undefined, bidExchange: undefined }
    assert.deepEqual(read(quote({ bx: '" "', bp: '0', bs: '0' })), [event({ ...QUOTE, ...none })])
    assert.deepEqual(read(quote({ bx: '" "', bp: '0', bs: '5' })), [event({ ...QUOTE, ...none })])
    assert.deepEqual(read(quote({ ax: '" "', ap: '0', as: '0' })), [
      event({ ...QUOTE, ask: undefined, askSize: undefined, askExchange: undefined }),
    ])
  })

  test('a quoted side may have the size 0', () => {
    assert.deepEqual(read(quote({ bs: '0' })), [event({ ...QUOTE, bidSize: 0 })])
  })

  test('ids beyond 2^53 keep every digit', () => {
    const cases: readonly [digits: string, id: number | string][] = [
      ['0', 0],
      ['9007199254740991', 9_007_199_254_740_991],
      ['9007199254740992', '9007199254740992'],
      ['9007199254740993', '9007199254740993'],
      ['3447222699101865076', '3447222699101865076'],
      ['18446744073709551615', '18446744073709551615'],
    ]
    for (const [digits, id] of cases) {
      assert.deepEqual(read(trade({ i: digits })), [event({ ...TRADE, id })])
      const idFirst = `{"T":"t","i":${digits},${trade({ T: undefined, i: undefined }).slice(1)}`
      assert.deepEqual(read(idFirst), [event({ ...TRADE, id })])
    }
    for (const digits of ['18446744073709551616', '-1', '1.5', '1e30']) {
      assert.deepEqual(read(trade({ i: digits })), [malformed('t: i is not a id')], digits)
    }
  })

  test('conditions may be one text, as options have them', () => {
    assert.deepEqual(read(trade({ c: '"S"' })), [event({ ...TRADE, conditions: ['S'] })])
    assert.deepEqual(read(trade({ c: '""' })), [event({ ...TRADE, conditions: undefined })])
    assert.deepEqual(read(trade({ c: '[]' })), [event({ ...TRADE, conditions: undefined })])
    assert.deepEqual(read(trade({ c: '[" "]' })), [event({ ...TRADE, conditions: [' '] })])
  })

  test('an empty exchange or tape, or a blank one, is absent', () => {
    for (const blank of ['""', '" "']) {
      const expected = event({ ...TRADE, exchange: undefined, tape: undefined })
      assert.deepEqual(read(trade({ x: blank, z: blank })), [expected])
    }
  })

  test('a size of coins or fractions comes through, and the unit is not touched', () => {
    assert.deepEqual(read(trade({ s: '29.205707815' })), [event({ ...TRADE, size: 29.205707815 })])
    assert.deepEqual(read(trade({ s: '0' })), [event({ ...TRADE, size: 0 })])
  })

  test('times have 0 to 9 digits and are exact to the nanosecond', () => {
    const cases: readonly [fraction: string, ms: number, nanos: number][] = [
      ['', 0, 0],
      ['.1', 100, 0],
      ['.83540958', 835, 409_580],
      ['.000000001', 0, 1],
      ['.999999999', 999, 999_999],
    ]
    for (const [fraction, ms, nanos] of cases) {
      assert.deepEqual(read(trade({ t: `"2024-01-15T14:30:00${fraction}Z"` })), [
        event({ ...TRADE, at: ['2024-01-15T14:30:00', ms, nanos] }),
      ])
    }
    const late = read(trade({ t: '"2024-01-15T09:30:00.000000001-05:00"' }))
    assert.deepEqual(late, [event({ ...TRADE, at: ['2024-01-15T14:30:00', 0, 1] })])
    for (const t of ['2024-02-30T00:00:00Z', '2024-01-15T24:00:00Z', '2024-01-15', '']) {
      assert.deepEqual(read(trade({ t: `"${t}"` })), [malformed('t: t is not a time')], t)
    }
  })

  test('keys nobody documents are ignored, whatever they hold', () => {
    const r = '{"T":"q","S":"SPY","deep":[{"p":[1e5,"}]"]}]}'
    assert.deepEqual(read(trade({ r })), [event(TRADE)])
    assert.deepEqual(read(quote({ r: '"2024-01-15T14:30:00Z"' })), [event(QUOTE)])
  })

  test('a bar with no vwap says 0, and has none then', () => {
    const [report] = read(bar({ n: '0', vw: '0' }))
    assert.ok(report?.type === 'bar')
    assert.equal(report.vwap, undefined)
    assert.equal(report.tradeCount, 0)
  })
})

describe('frames', () => {
  test('one bad message among good ones costs only itself', () => {
    const frame = `[${[trade(), trade({ p: '0' }), quote(), trade({ i: '-1' }), trade()].join(',')}]`
    assert.deepEqual(decode(frame), [
      event(TRADE),
      malformed('t: p is not a price'),
      event(QUOTE),
      malformed('t: i is not a id'),
      event(TRADE),
    ])
  })

  test('an unknown T is counted by its name, shortened', () => {
    const frame = `[${trade()},{"T":"zz","S":"AAPL"},{"T":"${'y'.repeat(50)}"},{"T":""},${quote()}]`
    assert.deepEqual(decode(frame), [
      event(TRADE),
      unknown('zz'),
      unknown(`${'y'.repeat(32)}…`),
      unknown(''),
      event(QUOTE),
    ])
  })

  test('a success of another wording is unknown, and an error may lack its code', () => {
    assert.deepEqual(decode('[{"T":"success","msg":"hello"}]'), [unknown('success')])
    assert.deepEqual(decode('[{"T":"error","msg":"odd"}]'), [
      { type: 'control', control: { type: 'error', code: undefined, message: 'odd' } },
    ])
    assert.deepEqual(decode('[{"T":"error","code":"406"}]'), [
      { type: 'control', control: { type: 'error', code: undefined, message: '' } },
    ])
  })

  test('a frame that is not an array of JSON gives nothing but its refusal', () => {
    const cases: readonly [frame: string, reason: string][] = [
      ['', 'not JSON'],
      ['{"T":"success","msg":"connected"}', 'not an array'],
      ['null', 'not an array'],
      [`[${trade()}`, 'not JSON'],
      [`[${trade()},]`, 'not JSON'],
      [`[${trade()}]x`, 'not JSON'],
      [`[${trade()}][]`, 'not JSON'],
      [`[${trade()},{"T":"t"`, 'not JSON'],
    ]
    for (const [frame, reason] of cases) {
      assert.deepEqual(decode(frame), [malformed(reason)], frame)
    }
    const broken = Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d])
    const scanned = reportsOf(new JsonScanner(readingOf()), broken)
    assert.deepEqual(scanned, [malformed('not UTF-8')])
    assert.deepEqual(reportsOf(new PlainJsonDecoder(readingOf()), broken), scanned)
  })

  test('an empty frame of JSON gives nothing', () => {
    assert.deepEqual(decode('[]'), [])
    assert.deepEqual(decode(' [ ] '), [])
  })

  test('the delayed feed marks every event', () => {
    const frame = `[${trade()},${quote()},${bar()},{"T":"i","S":"A","p":1,"t":"2024-01-15T14:30:00Z"}]`
    const reports = decode(frame, { flags: Flag.delayed, feed: 'delayed_sip' })
    const flags = reports.map(report => 'flags' in report && report.flags)
    assert.deepEqual(flags, [Flag.delayed, Flag.delayed, Flag.delayed, Flag.delayed])
  })

  test('the source and the time of arrival stand on every event', () => {
    const frame = Buffer.from(`[${trade()},${quote()},${bar()}]`)
    for (const Decoder of [JsonScanner, PlainJsonDecoder]) {
      const reports = reportsOf(new Decoder(readingOf({ source: 'mine' })), frame, 1234.5)
      for (const report of reports) {
        assert.ok('source' in report)
        assert.deepEqual([report.source, report.receivedAt], ['mine', 1234.5])
      }
      assert.equal(reports.length, 3)
    }
  })
})

describe('interest', () => {
  const wants = (masks: Readonly<Record<string, number>>): Interest & { revision: number } => ({
    revision: 1,
    mask: symbol => masks[symbol] ?? 0,
  })

  test('what nobody wants is skipped, sound or not', () => {
    const interest = wants({ AAPL: KIND_BIT.trade, SPY: KIND_BIT.quote })
    const frame = `[${[
      trade(),
      trade({ S: '"SPY"' }),
      trade({ S: '"TSLA"', p: '0' }),
      quote(),
      quote({ S: '"SPY"', c: '["}","]"]' }),
      bar(),
      trade({ S: '"TSLA"', r: '{"a":[{}]}' }),
      trade(),
    ].join(',')}]`
    assert.deepEqual(decode(frame, { interest }), [
      event(TRADE),
      event({ ...QUOTE, symbol: 'SPY', conditions: ['}', ']'] }),
      event(TRADE),
    ])
  })

  test('controls come whatever is wanted', () => {
    const interest = wants({})
    assert.deepEqual(decode('[{"T":"success","msg":"connected"}]', { interest }), [welcome])
    assert.deepEqual(decode('[{"T":"zz"}]', { interest }), [unknown('zz')])
  })

  test('a change of interest holds from the next frame on, both ways', () => {
    for (const Decoder of [JsonScanner, PlainJsonDecoder]) {
      const masks: Record<string, number> = { AAPL: KIND_BIT.trade }
      const interest = wants(masks)
      const decoder: Decoder = new Decoder(readingOf({ interest }))
      const long = 'AAPL240315C00172500'
      const frame = Buffer.from(
        `[${trade()},${quote()},${trade({ S: '"SPY"' })},${trade({ S: `"${long}"` })}]`,
      )
      const seen = () =>
        reportsOf(decoder, frame).map(
          report => 'symbol' in report && `${report.type} ${report.symbol}`,
        )
      assert.deepEqual(seen(), ['trade AAPL'])
      masks.AAPL = KIND_BIT.quote
      masks.SPY = KIND_BIT.trade
      masks[long] = -1
      interest.revision++
      assert.deepEqual(seen(), ['quote AAPL', 'trade SPY', `trade ${long}`])
      delete masks.SPY
      delete masks[long]
      masks.AAPL = KIND_BIT.trade | KIND_BIT.quote
      interest.revision++
      assert.deepEqual(seen(), ['trade AAPL', 'quote AAPL'])
    }
  })

  test('thousands of symbols are told apart', () => {
    const names = Array.from({ length: 5_000 }, (_, i) => `S${i.toString(36).toUpperCase()}`)
    const interest: Interest = {
      revision: 1,
      mask: symbol => (names.indexOf(symbol) % 2 === 0 ? KIND_BIT.trade : 0),
    }
    const decoder = new JsonScanner(readingOf({ interest }))
    const frame = Buffer.from(`[${names.map(name => trade({ S: `"${name}"` })).join(',')}]`)
    for (let round = 0; round < 2; round++) {
      const symbols = reportsOf(decoder, frame).map(report => 'symbol' in report && report.symbol)
      assert.deepEqual(
        symbols,
        names.filter((_, i) => i % 2 === 0),
      )
    }
  })
})
