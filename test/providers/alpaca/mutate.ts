/** Frames of Alpaca's stock messages, and what can go wrong with them: all from one seeded source of chance. */
import { MsgpackWriter } from '../../../src/base/msgpack.ts'
import type { Random } from '../../../src/base/random.ts'
import { formatTime } from '../../../src/market/time.ts'

/** A value as it will be written: a leaf by its JSON text. */
type Leaf =
  | { readonly text: string }
  | { readonly number: number | bigint }
  | { readonly list: readonly string[] }
  | { readonly time: readonly [ms: number, nanos: number] }
  | { readonly levels: readonly (readonly [price: number, size: number])[] }
  | { readonly json: string }

type Message = [key: string, value: Leaf][]

const SYMBOLS = ['AAPL', 'SPY', 'TSLA', 'BRK.B', 'F', 'GOOGL', 'FAKEPACA', 'AAPL240315C00172500']
const PAIRS = ['BTC/USD', 'AVAX/USD', 'SHIB/USDT']
const CONDITIONS = [
  ['@'],
  ['@', 'I'],
  ['@', 'F', 'T', 'I'],
  [' ', '7'],
  ['R'],
  [],
  ['AB', ']'],
  ['"'],
]
const DAY_MS = 86_400_000

export class Mutator {
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  /** A JSON frame, sound or not. */
  json(): Uint8Array {
    const frame = this.#messages()
    const gap = this.#chance(0.1) ? () => this.#pick(['', '', ' ', '\n', '\t \r']) : () => ''
    const text = `${gap()}[${gap()}${frame
      .map(message => this.#jsonMessage(message, gap))
      .join(`${gap()},${gap()}`)}${gap()}]${gap()}`
    let bytes: Uint8Array = new TextEncoder().encode(text)
    if (this.#chance(0.3)) for (let n = this.#hits(); n > 0; n--) bytes = this.#damage(bytes)
    return bytes
  }

  /** A msgpack frame, sound or not. */
  msgpack(): Uint8Array {
    const frame = this.#messages()
    const writer = new MsgpackWriter()
    writer.array(frame.length)
    for (const message of frame) {
      writer.map(message.length)
      for (const [key, value] of message) {
        writer.text(key)
        this.#pack(writer, value)
      }
    }
    let bytes = writer.bytes()
    if (this.#chance(0.3)) for (let n = this.#hits(); n > 0; n--) bytes = this.#damage(bytes)
    return bytes
  }

  #messages(): Message[] {
    const frame = Array.from({ length: this.#pick([0, 1, 1, 1, 1, 2, 2, 3]) }, () =>
      this.#message(),
    )
    for (let n = this.#hits(); n > 0; n--) {
      const message = this.#pick(frame)
      if (message) this.#twist(message)
    }
    return frame
  }

  /** How often something goes wrong: mostly once, now and then never or several times. */
  #hits(): number {
    return this.#pick([0, 0, 0, 1, 1, 1, 2, 3])
  }

  #message(): Message {
    const c: [string, Leaf] = ['c', { list: this.#pick(CONDITIONS) }]
    const z: [string, Leaf] = ['z', { text: this.#pick(['A', 'B', 'C', ' ', '']) }]
    const t: [string, Leaf] = ['t', this.#time()]
    const code = () => ({ text: this.#pick(['V', 'Q', 'D', ' ', '']) })
    const tail = this.#chance(0.5) ? [c, z, t] : [t, c, z]
    const S = (type: string): Message => [
      ['T', { text: type }],
      ['S', { text: this.#pick(SYMBOLS) }],
    ]
    if (this.#chance(0.35)) return this.#crypto(t)
    switch (this.#int(14)) {
      case 0:
      case 1:
        return [
          ['T', { text: 't' }],
          ['i', this.#id()],
          ['S', { text: this.#pick(SYMBOLS) }],
          ['x', code()],
          ['p', this.#price()],
          ['s', this.#size()],
          ...tail,
        ]
      case 2:
      case 3:
        return [
          ...S('t'),
          ['i', this.#id()],
          ['x', code()],
          ['p', this.#price()],
          ['s', this.#size()],
          ...tail,
        ]
      case 4:
      case 5:
      case 6:
        return [
          ...S('q'),
          ['bx', code()],
          ['bp', this.#price()],
          ['bs', this.#size()],
          ['ax', code()],
          ['ap', this.#price()],
          ['as', this.#size()],
          ...tail,
        ]
      case 7:
      case 8:
        return [
          ...S(this.#pick(['b', 'u', 'd'])),
          ...(['o', 'h', 'l', 'c'] as const).map((key): [string, Leaf] => [key, this.#price()]),
          ['v', this.#size()],
          ['n', this.#chance(0.1) ? { json: 'null' } : this.#size()],
          ['vw', this.#price()],
          t,
        ]
      case 9:
        return [
          ...S('s'),
          ['sc', { text: 'H' }],
          ['sm', { text: 'Trading Halt' }],
          ['rc', { text: 'T12' }],
          ['rm', { text: 'Trading Halted; For information requested by NASDAQ' }],
          t,
          z,
        ]
      case 10:
        return [...S('l'), ['u', this.#price()], ['d', this.#price()], ['i', code()], t, z]
      case 11:
        return [...S('i'), ['p', this.#price()], z, t]
      case 12:
        return [
          ...S('c'),
          ['x', code()],
          ['oi', this.#id()],
          ['op', this.#price()],
          ['os', this.#size()],
          ['oc', { list: this.#pick(CONDITIONS) }],
          ['ci', this.#id()],
          ['cp', this.#price()],
          ['cs', this.#size()],
          ['cc', { list: this.#pick(CONDITIONS) }],
          z,
          t,
        ]
      default:
        return this.#rare(S, code, z, t)
    }
  }

  /** Crypto, options and news. */
  #crypto(t: [string, Leaf]): Message {
    const pair = { text: this.#pick(PAIRS) }
    switch (this.#int(6)) {
      case 0:
        return [
          ['T', { text: 't' }],
          ['S', pair],
          ['p', this.#price()],
          ['s', this.#amount()],
          t,
          ['i', this.#id()],
          ['tks', { text: this.#pick(['B', 'S', 'S', 'N', '']) }],
        ]
      case 1:
        return [
          ['T', { text: 'q' }],
          ['S', pair],
          ['bp', this.#price()],
          ['bs', this.#amount()],
          ['ap', this.#price()],
          ['as', this.#amount()],
          t,
        ]
      case 2:
      case 3:
        return [
          ['T', { text: 'o' }],
          ['S', pair],
          t,
          ['b', this.#levels()],
          ['a', this.#levels()],
          ...(this.#chance(0.4) ? ([['r', { json: 'true' }]] satisfies Message) : []),
        ]
      case 4:
        return [
          ['T', { text: 't' }],
          ['S', { text: 'AAPL240315C00172500' }],
          t,
          ['p', this.#price()],
          ['s', this.#size()],
          ['x', { text: 'N' }],
          ['c', { text: this.#pick(['S', 'I', ' ', '']) }],
        ]
      default:
        return [
          ['T', { text: 'n' }],
          ['id', this.#id()],
          ['headline', { text: this.#pick(['Up', 'Prices "fall"', 'Größer', '']) }],
          ['summary', { text: this.#pick(['', 'x'.repeat(this.#int(90))]) }],
          ['created_at', t[1]],
          ['updated_at', this.#time()],
          ['symbols', { list: this.#pick([['AAPL'], ['BTCUSD', 'SPY'], [], ['A B']]) }],
          ['source', { text: 'benzinga' }],
        ]
    }
  }

  #levels(): Leaf {
    const count = this.#pick([0, 0, 1, 1, 2, 3, 20])
    return {
      levels: Array.from({ length: count }, () => [
        this.#int(10_000_000) / 10 ** this.#int(5),
        this.#chance(0.2) ? 0 : this.#int(100_000) / 10 ** this.#int(9),
      ]),
    }
  }

  #amount(): Leaf {
    return { number: this.#int(10 ** this.#int(12)) / 10 ** this.#int(10) }
  }

  #rare(
    S: (type: string) => Message,
    code: () => Leaf,
    z: [string, Leaf],
    t: [string, Leaf],
  ): Message {
    switch (this.#int(5)) {
      case 0:
        return [
          ...S('x'),
          ['i', this.#id()],
          ['x', code()],
          ['p', this.#price()],
          ['s', this.#size()],
          ['a', { text: this.#pick(['C', 'E', 'X']) }],
          z,
          t,
        ]
      case 1:
        return [
          ['T', { text: 'success' }],
          ['msg', { text: this.#pick(['connected', 'authenticated', 'hello']) }],
        ]
      case 2:
        return [
          ['T', { text: 'error' }],
          ['code', { number: 400 + this.#int(15) }],
          ['msg', { text: 'invalid syntax' }],
        ]
      case 3:
        return [
          ['T', { text: 'subscription' }],
          ['trades', { list: ['AAPL'] }],
          ['quotes', { list: [] }],
          ['bars', { list: ['*', 'SPY'] }],
        ]
      default:
        return [...S(this.#pick(['n', 'o', 'p', 'zz', ''])), ['p', this.#price()], t]
    }
  }

  #price(): Leaf {
    const cents = this.#int(100_000)
    const digits = this.#pick([0, 1, 2, 2, 2, 3, 4, 6])
    return { number: this.#chance(0.05) ? 0 : cents / 10 ** digits }
  }

  #size(): Leaf {
    return { number: this.#chance(0.05) ? this.#int(1_000) / 8 : this.#int(10 ** this.#int(10)) }
  }

  #id(): Leaf {
    if (this.#chance(0.2))
      return { number: BigInt(this.#int(2 ** 30)) * BigInt(this.#int(2 ** 34)) }
    return { number: this.#int(2 ** this.#int(54)) }
  }

  #time(): Leaf {
    const day = this.#chance(0.05) ? this.#pick([19_001, 20_000, 0]) : 19_000
    const nanos = this.#pick([0, this.#int(1_000_000), this.#int(1_000) * 1_000])
    return { time: [day * DAY_MS + this.#int(DAY_MS), nanos] }
  }

  /** One thing wrong, or just unusual, with a message. */
  #twist(message: Message): void {
    const at = this.#int(Math.max(1, message.length))
    const field = message[at]
    switch (this.#int(10)) {
      case 0: {
        const shuffled = [...message].sort(() => this.#random() - 0.5)
        message.splice(0, message.length, ...shuffled)
        break
      }
      case 1:
        message.splice(at, 0, [this.#pick(UNKNOWN_KEYS), { json: this.#pick(UNKNOWN_VALUES) }])
        break
      case 2:
        if (field) field[1] = { json: this.#pick(ODD_NUMBERS) }
        break
      case 3:
        if (field) field[1] = { json: this.#pick(ODD_TEXTS) }
        break
      case 4:
        if (field) message.splice(this.#int(message.length), 0, [field[0], this.#pick(message)[1]])
        break
      case 5: {
        const other = this.#pick(message)
        if (field && other) [field[1], other[1]] = [other[1], field[1]]
        break
      }
      case 6:
        message.splice(at, 1)
        break
      case 7: {
        const time = message.find(([key]) => key === 't')
        if (time) time[1] = { json: this.#pick(ODD_TIMES) }
        break
      }
      case 8: {
        const nested = '['.repeat(this.#int(60))
        message.push(['k', { json: `${nested}${']'.repeat(nested.length)}` || '0' }])
        break
      }
      default:
        if (field)
          field[1] = { text: 'x'.repeat(this.#chance(0.05) ? 3_000 : this.#pick([2, 33, 65])) }
    }
  }

  #jsonMessage(message: Message, gap: () => string): string {
    const fields = message.map(([key, value]) => {
      return `${gap()}${JSON.stringify(key)}${gap()}:${gap()}${jsonOf(value)}${gap()}`
    })
    return `{${fields.join(',')}}`
  }

  #pack(writer: MsgpackWriter, value: Leaf): void {
    if ('text' in value) writer.text(value.text)
    else if ('time' in value) writer.time(...value.time)
    else if ('list' in value) {
      writer.array(value.list.length)
      for (const text of value.list) writer.text(text)
    } else if ('levels' in value) {
      writer.array(value.levels.length)
      for (const [price, size] of value.levels) {
        writer.map(2)
        writer.text('p')
        writer.float(price)
        writer.text('s')
        if (this.#chance(0.5)) writer.number(size)
        else writer.float(size)
      }
    } else if ('json' in value && value.json === 'true') writer.boolean(true)
    else if ('number' in value) {
      const { number } = value
      if (typeof number === 'bigint') writer.bigint(number)
      else if (this.#chance(0.3)) writer.float(number)
      else writer.number(number)
    } else this.#packOdd(writer)
  }

  /** What stands in for the odd JSON values. */
  #packOdd(writer: MsgpackWriter): void {
    switch (this.#int(12)) {
      case 0:
        writer.nil()
        break
      case 1:
        writer.boolean(true)
        break
      case 2:
        writer.float(this.#pick([Number.NaN, Infinity, -0, -1.5, 1e300]))
        break
      case 3:
        writer.number(-this.#int(2 ** this.#int(50)))
        break
      case 4:
        writer.bigint(2n ** 64n - 1n)
        break
      case 5:
        writer.text('é'.repeat(this.#int(5)))
        break
      case 6:
        for (let n = this.#int(60); n > 0; n--) writer.array(1)
        writer.nil()
        break
      case 7:
        writer.map(1)
        writer.text('S')
        writer.text('AAPL')
        break
      case 8:
        writer.time(this.#pick([-1, 17e12, -62_135_596_800_000, 253_402_300_800_000]), 5)
        break
      case 9:
        // A float of 32 bits, a timestamp with too many nanoseconds, an extension of another kind, bytes.
        writer.raw(this.#pick(RAW))
        break
      case 10:
        writer.text(this.#pick(['2024-01-15T14:30:00.5Z', '2024-01-15T14:30:00+01:00', 'x']))
        break
      default:
        writer.text('x'.repeat(this.#pick([1, 31, 32, 300])))
    }
  }

  /** Bytes changed without a thought for what they mean. */
  #damage(bytes: Uint8Array): Uint8Array {
    const at = this.#int(bytes.length + 1)
    const splice = (from: number, count: number, piece: Uint8Array) => {
      return Buffer.concat([bytes.subarray(0, from), piece, bytes.subarray(from + count)])
    }
    switch (this.#int(7)) {
      case 0:
        return splice(at, 1, Uint8Array.of(this.#int(256)))
      case 1:
        return bytes.slice(0, at)
      case 2:
        return splice(at, 0, Uint8Array.of(this.#pick(BYTES)))
      case 3:
        return splice(at, 1 + this.#int(4), new Uint8Array(0))
      case 4:
        return splice(at, 1, Uint8Array.of(bytes[at]! ^ (1 << this.#int(8))))
      case 5:
        return splice(at, 1, Uint8Array.of(this.#pick(BYTES)))
      default:
        return splice(this.#int(bytes.length + 1), 0, bytes.slice(at, at + this.#int(40)))
    }
  }

  #int(below: number): number {
    return Math.floor(this.#random() * below)
  }

  #chance(share: number): boolean {
    return this.#random() < share
  }

  #pick<V>(list: readonly V[]): V {
    return list[this.#int(list.length)]!
  }
}

function jsonOf(value: Leaf): string {
  if ('json' in value) return value.json
  if ('text' in value) return JSON.stringify(value.text)
  if ('list' in value) return JSON.stringify(value.list)
  if ('levels' in value) return JSON.stringify(value.levels.map(([p, s]) => ({ p, s })))
  if ('number' in value) return String(value.number)
  const [ms, nanos] = value.time
  return `"${formatTime(ms, nanos).replace(/\.?0*Z$/, 'Z')}"`
}

const UNKNOWN_KEYS = [
  'r',
  'tks',
  'k',
  'vw2',
  '',
  'é',
  '\\',
  '"',
  'a"b',
  '\u0000',
  '__proto__',
  'TT',
  'pq',
]
const UNKNOWN_VALUES = [
  ...['1', '"text"', 'null', 'true', 'false', '[]', '{}', '[1,[2,{"T":"t","S":"AAPL"}],"}"]'],
  ...[
    '{"T":"q","S":"SPY","x":{"y":[null,{"p":1e5}]}}',
    '"a\\"b\\\\c\\u0041"',
    '"\\ud800"',
    '"é☃😀"',
  ],
  ...[
    '-1.5e-7',
    '"]"',
    '"},{"',
    '[1,]',
    '{"a":}',
    'tru',
    'nul',
    '01',
    '"\\x"',
    '"\\u12G4"',
    '{1:2}',
  ],
]
const ODD_NUMBERS = [
  ...[
    '0',
    '-0',
    '0.0',
    '-0.0',
    '1e2',
    '1E+2',
    '1e-2',
    '1e999',
    '-1e999',
    '1e',
    '1e+',
    '1.',
    '.5',
    '-',
  ],
  ...[
    '00',
    '01',
    '-01',
    '0x10',
    '1_000',
    '+1',
    'NaN',
    'Infinity',
    '-5',
    '-0.5',
    '123456789',
    '1234567890',
  ],
  ...[
    '1.23456789',
    '12.34567891',
    '0.000000001',
    '999999999999999',
    '9999999999999999',
    '2147483648',
  ],
  ...[
    '4294967296',
    '9007199254740991',
    '9007199254740992',
    '9007199254740993',
    '9007199254740993.0',
  ],
  ...['18446744073709551615', '18446744073709551616', '123456789012345678901234567890', '1e16'],
  ...['0.1234567890123456789', '162.92000000000000001', '1.7976931348623157e308', '5e-324', '2.5'],
  ...['12345678.5', '123456789.25', '1234567890123.4567', '0.30000000000000004', '100.50'],
]
const ODD_TEXTS = [
  ...[
    '""',
    '" "',
    '"A"',
    '"\\u0041"',
    '"\\n"',
    '"\\/"',
    '"é"',
    '"\\ud83d\\ude00"',
    '"\\ud800"',
    '"\\"',
  ],
  ...[
    '"AAPL"',
    '"aapl"',
    '"A B"',
    '"\\u0000"',
    '"\u007f"',
    '"\t"',
    'null',
    'true',
    '{}',
    '[]',
    '[""]',
  ],
  ...[
    '["@","\\u0049"]',
    '["@", "I"]',
    '[ ]',
    '["@",]',
    '["@"',
    '[1]',
    '["]"]',
    '["a","b]","c"]',
    '[null]',
  ],
  ...['["@"]', '["@","F","T","I"]', '"b"', '"q"', '"t"', '"subscription"', '"success"', '"error"'],
  ...[`"${'y'.repeat(40)}"`, `"${'z'.repeat(70)}"`, '"\u2028"', '"\uFEFF"'],
]
const ODD_TIMES = [
  ...['"2024-01-15T14:30:00Z"', '"2024-01-15T14:30:00.1Z"', '"2024-01-15T14:30:00.123456789Z"'],
  ...['"2024-01-15T14:30:00.1234567891Z"', '"2024-01-15T14:30:00.Z"', '"2024-01-15T14:30:00"'],
  ...['"2024-01-15T14:30:00+01:00"', '"2024-01-15T14:30:00.5-05:30"', '"2024-01-15t14:30:00z"'],
  ...[
    '"2024-02-29T00:00:00Z"',
    '"2023-02-29T00:00:00Z"',
    '"2024-13-01T00:00:00Z"',
    '"2024-00-10T00:00:00Z"',
  ],
  ...[
    '"2024-01-00T00:00:00Z"',
    '"2024-01-15T24:00:00Z"',
    '"2024-01-15T23:60:00Z"',
    '"2024-01-15T23:59:60Z"',
  ],
  ...[
    '"0001-01-01T00:00:00Z"',
    '"0099-12-31T00:00:00Z"',
    '"0100-01-01T00:00:00Z"',
    '"9999-12-31T23:59:59.999999999Z"',
  ],
  ...[
    '"0100-01-01T00:00:00+23:59"',
    '"9999-12-31T23:59:59-23:59"',
    '"1969-12-31T23:59:59.999999999Z"',
  ],
  ...[
    '"2024-01-15 14:30:00Z"',
    '"2024-01-15T14:30:0Z"',
    '"2024-1-15T14:30:00Z"',
    '"+2024-01-15T14:30:00Z"',
  ],
  ...[
    '1705329000',
    'null',
    '""',
    '"\\u00320240115"',
    '"2024-01-15T1::30:00Z"',
    '"2024-01-15T/4:30:00Z"',
  ],
]
const BYTES = [...'"\\{}[]:, \n0159-+.eETSpstu\u0000\u007f']
  .map(c => c.charCodeAt(0))
  .concat(0x80, 0xc0, 0xff, 0xa1, 0xcb)
const RAW = [
  [0xca, 0x41, 0x20, 0, 0],
  [0xd7, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1],
  [0xd4, 0x05, 0x00],
  [0xc7, 0x03, 0xff, 1, 2, 3],
  [0xc4, 0x02, 0x41, 0x42],
  [0xd9, 0x01, 0x41],
  [0xda, 0x00, 0x01, 0x41],
  [0xc1],
  [0xdd, 0xff, 0xff, 0xff, 0xff],
  [0xdf, 0xff, 0xff, 0xff, 0xff],
  [0xd0, 0xff],
].map(bytes => Uint8Array.from(bytes))
