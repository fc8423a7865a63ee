import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeMsgpack, MsgpackTime } from '../../../src/base/msgpack.ts'
import { type Interest, KIND_BIT } from '../../../src/feed/provider.ts'
import { Flag, type MarketEvent, type Trade } from '../../../src/market/events.ts'
import { PlainJsonDecoder } from '../../../src/providers/alpaca/plain.ts'
import { JsonScanner } from '../../../src/providers/alpaca/scan-json.ts'
import { MsgpackScanner } from '../../../src/providers/alpaca/scan-msgpack.ts'
import { plain, type Report, readingOf, reportsOf } from './record.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const T = '"t":"2024-01-15T14:30:00Z"'
const TRADE = `{"T":"t","S":"AAPL","i":1,"x":"V","p":150.25,"s":100,"c":["@"],"z":"C",${T}}`
const book = (rest: string) => `{"T":"o","S":"BTC/USD",${T},${rest}}`
const trade = (changes: string) => `{"T":"t","S":"AAPL","p":150.25,"s":100,${T}${changes}}`

/** What the scanner reports of a frame; the plain decoder has to report the same. */
function read(frame: string | Uint8Array, reading = readingOf()): Report[] {
  const bytes = typeof frame === 'string' ? bytesOf(frame) : frame
  const reports = reportsOf(new JsonScanner(reading), bytes)
  assert.deepEqual(plain(reports), plain(reportsOf(new PlainJsonDecoder(reading), bytes)))
  return reports
}

const types = (reports: readonly Report[]) => reports.map(({ type }) => type)
const reasons = (reports: readonly Report[]) =>
  reports.flatMap(report => (report.type === 'malformed' ? [report.reason] : []))
const one = (frame: string) => {
  const [report, ...more] = read(frame)
  assert.equal(more.length, 0)
  return report
}

describe('books', () => {
  const levels = (frame: string) => {
    const report = one(frame)
    assert.ok(report?.type === 'book')
    return [report.bids, report.asks, report.snapshot]
  }

  it('remove a level by a size of 0, or -0; in a snapshot that is no level at all', () => {
    const sides = '"b":[{"p":1,"s":0},{"p":2,"s":3}],"a":[{"p":4,"s":-0}]'
    const delta = levels(`[${book(sides)}]`)
    assert.deepEqual(delta, [
      [
        [1, 0],
        [2, 3],
      ],
      [[4, 0]],
      false,
    ])
    assert.ok(Object.is((delta[1] as number[][])[0]![1], 0), 'not -0')
    assert.deepEqual(levels(`[${book(`${sides},"r":true`)}]`), [[[2, 3]], [], true])
    assert.deepEqual(levels(`[${book(`"r":true,${sides}`)}]`), [[[2, 3]], [], true])
  })

  it('may lack a side, and have keys nobody knows', () => {
    assert.deepEqual(levels(`[${book('"a":[{"p":1,"s":2,"n":7}]')}]`), [[], [[1, 2]], false])
    assert.deepEqual(levels(`[${book('"b":null,"a":[],"r":false')}]`), [[], [], false])
    assert.deepEqual(levels(`[ ${book('"b": [ { "s" : 2 , "p" : 1 } ] ,"a":[ ]')} ]`), [
      ...[[[1, 2]], [], false],
    ])
  })

  it('nobody wants are skipped, and what stands around them still comes', () => {
    const interest: Interest = { revision: 1, mask: () => KIND_BIT.trade }
    const frame = `[${TRADE},${book('"b":[{"p":1,"s":0},{"p":2,"s":3}],"a":[]')},${TRADE}]`
    assert.deepEqual(types(read(frame, readingOf({ interest }))), ['trade', 'trade'])
  })
})

describe('what is not a message', () => {
  it('is refused, and the other messages of the frame still come', () => {
    const bad = [
      ['{"T":"t","S":"AAPL","s":100,"t":"2024-01-15T14:30:00Z"}', 't: p is not a price'],
      [trade(',"p":0'), 't: p is not a price'],
      [trade(',"p":-1'), 't: p is not a price'],
      [trade(',"p":1e999'), 't: p is not a number'],
      [trade(',"p":"150"'), 't: p is not a number'],
      [trade(',"p":null'), 't: p is not a price'],
      [trade(',"s":-1'), 't: s is not an amount'],
      [trade(',"s":null'), 't: s is not an amount'],
      [trade(',"S":""'), 't: no symbol'],
      [trade(',"S":"A B"'), 't: no symbol'],
      [trade(',"S":"\\u001b[31m"'), 't: no symbol'],
      [trade(',"S":5'), 't: S is not a text'],
      [trade(',"t":null'), 't: no time'],
      [trade(',"t":"yesterday"'), 't: t is not a time'],
      [trade(',"t":1705329000'), 't: t is not a time'],
      [trade(',"i":1.5'), 't: i is not a id'],
      [trade(',"i":-1'), 't: i is not a id'],
      [trade(',"i":"1"'), 't: i is not a id'],
      [trade(',"i":18446744073709551616'), 't: i is not a id'],
      [trade(',"c":[1]'), 't: c is not a list'],
      [trade(',"x":5'), 't: x is not a text'],
      [
        `{"T":"q","S":"A","bx":"V","bp":-1,"bs":1,"ax":"V","ap":2,"as":1,${T}}`,
        'q: bp is not an amount',
      ],
      [`{"T":"q","S":"A","bx":"V","bp":1,"bs":1,"ax":"V","ap":2,${T}}`, 'q: as is not an amount'],
      [`{"T":"b","S":"A","o":1,"h":1,"l":0,"c":1,"v":1,${T}}`, 'b: l is not a price'],
      [`{"T":"x","S":"A","a":"X",${T}}`, 'x: a is neither C nor E'],
      [`{"T":"s","S":"A","sc":"",${T}}`, 's: no sc'],
      [book('"b":[{"p":0,"s":1}],"a":[]'), 'o: b is not a list of levels'],
      [book('"b":[{"p":-1,"s":1}],"a":[]'), 'o: b is not a list of levels'],
      [book('"b":[{"p":1,"s":-1}],"a":[]'), 'o: b is not a list of levels'],
      [book('"b":[{"p":1}],"a":[]'), 'o: b is not a list of levels'],
      [book('"b":[],"a":[{"p":"1","s":2}]'), 'o: a is not a list of levels'],
      [book('"b":[],"a":[{"p":1e999,"s":2}]'), 'o: a is not a list of levels'],
      [book('"b":[],"a":[{"p":1,"s":null}]'), 'o: a is not a list of levels'],
      [book('"b":[[1,2]],"a":[]'), 'o: b is not a list of levels'],
      [book('"b":[null],"a":[]'), 'o: b is not a list of levels'],
      [book('"b":{},"a":[]'), 'o: b is not a list of levels'],
      [book('"b":5,"a":[]'), 'o: b is not a list of levels'],
      [book('"b":[],"a":[],"r":1'), 'o: r is not a boolean'],
      [book('"b":[],"a":[],"t":null'), 'o: no time'],
      [trade(',"tks":1'), 't: tks is not a text'],
      ['{"S":"AAPL"}', 'a message without T'],
      ['{"T":5}', 'a message without T'],
      ['[]', 'a message without T'],
      ['null', 'a message without T'],
      ['{}', 'a message without T'],
    ]
    for (const [message, reason] of bad) {
      const reports = read(`[${TRADE},${message},${TRADE}]`)
      assert.deepEqual(types(reports), ['trade', 'malformed', 'trade'], message)
      assert.deepEqual(reasons(reports), [reason])
    }
  })

  it('makes nothing of a frame that does not parse, however far it went', () => {
    for (const frame of [
      ...[
        '',
        ' ',
        '[',
        ']',
        `[${TRADE}`,
        `[${TRADE},]`,
        `[${TRADE}]x`,
        `[${TRADE} ${TRADE}]`,
        `[,${TRADE}]`,
      ],
      ...[
        `[${TRADE},${TRADE.slice(0, -1)}]`,
        `[${TRADE},{"T":"t","S":"AAPL","p":01}]`,
        `\uFEFF[${TRADE}]`,
      ],
      ...[
        `[${TRADE},${trade(',"k":tru')}]`,
        `[${TRADE},${trade(',"k":"\t"')}]`,
        `[${TRADE},{"T":"zz",}]`,
      ],
    ]) {
      assert.deepEqual(reasons(read(frame)), ['not JSON'], frame)
      assert.equal(read(frame).length, 1)
    }
    assert.deepEqual(reasons(read(TRADE)), ['not an array'])
    assert.deepEqual(read('[]'), [])
    assert.deepEqual(read(' [ ] '), [])
  })

  it('takes no bytes that are not UTF-8', () => {
    const frame = bytesOf(`[${TRADE},${trade(',"k":"?"')}]`)
    frame[frame.lastIndexOf(63)] = 0xff
    assert.deepEqual(reasons(read(frame)), ['not UTF-8'])
  })

  it('of a kind we do not know is counted by its name', () => {
    const [report] = read('[{"T":"zz","S":"AAPL","new":[1,{"a":"}"}]}]')
    assert.deepEqual(report, { type: 'unknown', kind: 'zz' })
    assert.deepEqual(one('[{"T":"success","msg":"hello"}]'), { type: 'unknown', kind: 'success' })
    const long = one(`[{"T":"${'z'.repeat(1_000)}"}]`) as { kind: string }
    assert.ok(long.kind.length < 50)
  })
})

describe('what is unusual but right', () => {
  it('comes the same, in any order of keys, with white space, escapes and unknown keys', () => {
    const [expected] = read(`[${TRADE}]`)
    for (const message of [
      '{"S":"AAPL","z":"C","T":"t","c":["@"],"t":"2024-01-15T14:30:00Z","s":100,"p":150.25,"x":"V","i":1}',
      TRADE.replaceAll(':', ' : ').replaceAll('14 : 30 : 00', '14:30:00').replaceAll(',', ' ,\n'),
      TRADE.replace('"AAPL"', '"\\u0041APL"'),
      TRADE.replace('"p"', '"\\u0070"'),
      TRADE.replace('"x"', '"r":{"a":[1,"}",{"T":"t"}]},"x"'),
      TRADE.replace('}', ',"note":"é\\n☃"}'),
      TRADE.replace('150.25', '1.5025e2').replace('"s":100', '"s":100.0'),
      TRADE.replace('"p"', '"p":9,"p"').replace('"S":"AAPL"', '"S":"X","S":"AAPL"'),
      TRADE.replace('T14:30:00Z', 't15:30:00.000+01:00'),
      TRADE.replace('["@"]', '"@"'),
      TRADE.replace('["@"]', '[ "\\u0040" ]'),
    ]) {
      assert.deepEqual(read(`[${message}]`), [expected], message)
    }
  })

  it('delivers nothing twice when the end of a frame needs JSON.parse', () => {
    const decoder = new JsonScanner(readingOf())
    const odd = TRADE.replace('"AAPL"', '"\\u0042"')
    const reports = reportsOf(decoder, bytesOf(`[${TRADE},${TRADE},${odd},${TRADE}]`))
    assert.deepEqual(
      reports.map(report => (report as Trade).symbol),
      ['AAPL', 'AAPL', 'B', 'AAPL'],
    )
    assert.equal(decoder.fallbacks, 1)
  })

  it('knows absent from nothing: empty lists, blank codes, sides without a quote', () => {
    const bare = one(`[${trade(',"c":[],"x":" ","z":""')}]`) as Trade
    assert.deepEqual(
      [bare.conditions, bare.exchange, bare.tape, bare.id],
      [undefined, undefined, undefined, undefined],
    )
    const quote = one(
      `[{"T":"q","S":"A","bx":" ","bp":0,"bs":5,"ax":"Q","ap":2.5,"as":0,${T},"c":[" "],"z":"A"}]`,
    ) as MarketEvent & { type: 'quote' }
    assert.deepEqual(
      [quote.bid, quote.bidSize, quote.bidExchange, quote.ask, quote.askSize, quote.conditions],
      [undefined, undefined, undefined, 2.5, 0, [' ']],
    )
  })

  it('keeps ids beyond 2^53 exactly, as text', () => {
    const idOf = (digits: string) => (one(`[${trade(`,"i":${digits}`)}]`) as Trade).id
    assert.equal(idOf('9007199254740991'), 9_007_199_254_740_991)
    assert.equal(idOf('9007199254740992'), '9007199254740992')
    assert.equal(idOf('9007199254740993'), '9007199254740993')
    assert.equal(idOf('18446744073709551615'), '18446744073709551615')
    assert.equal(idOf('52983525033527'), 52_983_525_033_527)
    const packed = encodeMsgpack([
      { T: 't', S: 'A', p: 1, s: 1, i: 9_007_199_254_740_993n, t: new MsgpackTime(0, 0) },
    ])
    const [event] = reportsOf(new MsgpackScanner(readingOf()), packed)
    assert.equal((event as Trade).id, '9007199254740993')
  })

  it('keeps every bit of the flags it is given', () => {
    const [event] = read(`[${TRADE}]`, readingOf({ flags: Flag.delayed }))
    assert.equal((event as Trade).flags, Flag.delayed)
  })
})

describe('control messages', () => {
  it('are read in both codecs', () => {
    for (const [message, control] of [
      [{ T: 'success', msg: 'connected' }, { type: 'welcome' }],
      [{ T: 'success', msg: 'authenticated' }, { type: 'ready' }],
      [
        { T: 'error', code: 402, msg: 'auth failed' },
        { type: 'error', code: 402, message: 'auth failed' },
      ],
      [{ T: 'error' }, { type: 'error', code: undefined, message: '' }],
    ]) {
      const expected = [{ type: 'control', control }]
      assert.deepEqual(read(JSON.stringify([message])), expected)
      assert.deepEqual(
        reportsOf(new MsgpackScanner(readingOf()), encodeMsgpack([message])),
        expected,
      )
    }
  })

  it('acknowledge what their lists hold', () => {
    const [report] = read(
      '[{"T":"subscription","trades":["AAPL"],"quotes":["*"],"bars":["SPY"],"updatedBars":["SPY"],"dailyBars":[],"statuses":[],"lulds":[],"corrections":["AAPL"],"cancelErrors":["AAPL"]}]',
    )
    assert.ok(report?.type === 'control' && report.control.type === 'acknowledged')
    const { covers } = report.control
    const at = { source: 'alpaca' }
    assert.ok(covers({ ...at, kind: 'trade', symbol: 'AAPL' }))
    assert.ok(covers({ ...at, kind: 'correction', symbol: 'AAPL' }))
    assert.ok(covers({ ...at, kind: 'quote', symbol: '*' }))
    assert.ok(covers({ ...at, kind: 'bar', interval: '1m', symbol: 'SPY' }))
    assert.ok(!covers({ ...at, kind: 'bar', interval: '1d', symbol: 'SPY' }))
    assert.ok(!covers({ ...at, kind: 'bar', symbol: 'SPY' }), 'no interval means all bars')
    assert.ok(!covers({ ...at, kind: 'quote', symbol: 'AAPL' }))
    assert.ok(!covers({ ...at, kind: 'news', symbol: 'AAPL' }))
    // The documented acknowledgements do not name this list.
    assert.ok(covers({ ...at, kind: 'imbalance', symbol: 'AAPL' }))
  })
})

describe('interest', () => {
  const quote = `{"T":"q","S":"AAPL","bx":"V","bp":1,"bs":1,"ax":"V","ap":2,"as":1,${T}}`
  const other = TRADE.replace('AAPL', 'MSFT')

  it('lets only wanted kinds of wanted symbols through', () => {
    const interest: Interest = {
      revision: 1,
      mask: symbol => (symbol === 'AAPL' ? KIND_BIT.trade : 0),
    }
    const status = `{"T":"s","S":"AAPL","sc":"H",${T}}`
    const reports = read(`[${quote},${TRADE},${other},${status},${TRADE}]`, readingOf({ interest }))
    assert.deepEqual(types(reports), ['trade', 'trade'])
  })

  it('is asked once per symbol, and again when it has changed', () => {
    let asked = 0
    let mask = 0
    const interest = {
      revision: 1,
      mask: () => {
        asked++
        return mask
      },
    }
    const decoder = new JsonScanner(readingOf({ interest }))
    const frame = bytesOf(`[${TRADE},${other},${TRADE},${TRADE.replace('AAPL', 'A'.repeat(20))}]`)
    assert.equal(reportsOf(decoder, frame).length, 0)
    assert.equal(reportsOf(decoder, frame).length, 0)
    assert.equal(asked, 3)
    mask = KIND_BIT.trade
    interest.revision++
    assert.equal(reportsOf(decoder, frame).length, 4)
    assert.equal(reportsOf(decoder, frame).length, 4)
    assert.equal(asked, 6)
  })

  it('skips a message that nobody wants, whatever its texts hold', () => {
    const interest: Interest = { revision: 1, mask: symbol => (symbol === 'AAPL' ? -1 : 0) }
    for (const extra of [
      ...[
        '"}"',
        '"},{"',
        '"]"',
        '{"a":1}',
        '[{"a":1},{"T":"t","S":"AAPL"}]',
        '"\\"}"',
        '"é}"',
        '[[]]',
      ],
      ...[`[${TRADE}]`, `{"a":${TRADE}}`],
    ]) {
      for (const pad of ['', 'x', 'xx', 'xxx']) {
        const unwanted = `{"T":"q","S":"MSFT","${pad}":1,"k":${extra}}`
        const reports = read(`[${unwanted},${TRADE},${unwanted}]`, readingOf({ interest }))
        assert.deepEqual(types(reports), ['trade'], unwanted)
      }
    }
  })

  it('keeps hostile numbers of symbols in bounds', () => {
    const decoder = new JsonScanner(readingOf())
    const packed = new MsgpackScanner(readingOf())
    const rest = TRADE.slice(TRADE.indexOf('","i"'))
    const time = new MsgpackTime(0, 0)
    for (let n = 0; n < 70_000; n += 1_000) {
      const symbols = Array.from({ length: 1_000 }, (_, i) => `S${n + i}`)
      const frame = bytesOf(`[${symbols.map(symbol => `{"T":"t","S":"${symbol}${rest}`)}]`)
      const names = reportsOf(decoder, frame).map(report => (report as Trade).symbol)
      assert.equal(names.join(), symbols.join())
      const messages = symbols.slice(0, 100).map(S => ({ T: 't', S, p: 1, s: 1, t: time }))
      assert.equal(reportsOf(packed, encodeMsgpack(messages)).length, 100)
    }
  })
})

describe('frames of any size', () => {
  it('decode alike, larger ones than the scanner takes through JSON.parse', () => {
    const decoder = new JsonScanner(readingOf())
    const packed = new MsgpackScanner(readingOf())
    const message = { T: 't', S: 'A', p: 1.5, s: 1, t: new MsgpackTime(0, 0) }
    for (const count of [1, 100, 1_000, 20_000]) {
      const reports = reportsOf(decoder, bytesOf(`[${Array(count).fill(TRADE)}]`))
      assert.equal(reports.length, count)
      assert.ok(reports.every(report => report.type === 'trade'))
      assert.equal(reportsOf(packed, encodeMsgpack(Array(count).fill(message))).length, count)
    }
    assert.equal(decoder.fallbacks, 1)
  })

  it('never show what an earlier, longer frame left behind', () => {
    const decoder = new JsonScanner(readingOf())
    const packed = new MsgpackScanner(readingOf())
    const whole = `[${TRADE},${TRADE}]`
    const message = { T: 't', S: 'AAPL', p: 1.5, s: 1, c: ['@'], t: new MsgpackTime(0, 0) }
    const bytes = encodeMsgpack([message, message])
    for (let cut = whole.length - 1; cut > 0; cut--) {
      assert.equal(reportsOf(decoder, bytesOf(whole)).length, 2)
      assert.deepEqual(reasons(reportsOf(decoder, bytesOf(whole.slice(0, cut)))), ['not JSON'])
    }
    for (let cut = bytes.length - 1; cut > 0; cut--) {
      assert.equal(reportsOf(packed, bytes).length, 2)
      assert.deepEqual(reasons(reportsOf(packed, bytes.subarray(0, cut))), ['not msgpack'])
    }
  })
})
