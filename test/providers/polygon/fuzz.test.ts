// The scanner and the plain decoder give the same, bit for bit, on documented messages that were twisted or damaged.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { type Random, seededRandom } from '../../../src/base/random.ts'
import { PolygonDecoder } from '../../../src/providers/polygon/codec.ts'
import { MARKET_NAMES, type PolygonMarket } from '../../../src/providers/polygon/markets.ts'
import { type Parsed, PlainDecoder, parseJson } from '../../../src/providers/polygon/plain.ts'
import { plain, readingOf, reportsOf } from './record.ts'
import { SAMPLES } from './samples.ts'

/** A message as keys and values, these as JSON text. */
type Message = [key: string, json: string][]

const PAIR = /"(\w+)":("[^"]*"|\[[^\]]*\]|[^,}]+)/g
const messagesOf = (market: PolygonMarket): Message[] =>
  SAMPLES.filter(sample => sample.market === market).map(({ text }) =>
    [...text.matchAll(PAIR)].map(([, key, json]) => [key!, json!]),
  )

const STATUSES = [
  '{"ev":"status","status":"success","message":"subscribed to: T.AAPL"}',
  '{"ev":"status","status":"success","message":"subscribed to: Q.*"}',
  '{"ev":"status","status":"success","message":"unsubscribed to: T.AAPL"}',
  '{"ev":"status","status":"error","message":"not authorized"}',
  '{"ev":"status","status":"max_connections","message":"Maximum \\"number\\""}',
  '{"ev":"status","status":7}',
  '{"ev":"ZZ","p":1}',
  'null',
]
const ODD = [
  ...[
    '0',
    '-0',
    '0.0',
    '1',
    '-1',
    '1.5',
    '1e3',
    '1e999',
    '1E-7',
    '007',
    '00',
    '5.',
    '.5',
    '123456789',
  ],
  ...[
    '9007199254740991',
    '9007199254740993',
    '12345678901234567890',
    '1536036818784.0',
    '153603681878',
  ],
  ...['1536036818784746', '1788877046310003385', '99999999999999999', '0.1234567890123456789'],
  ...[
    'null',
    'true',
    '""',
    '"0"',
    '"1"',
    '"01"',
    '"12"',
    '"0.5"',
    '"-1"',
    '"1e2"',
    '"A"',
    '"é"',
    '"\\u0041"',
  ],
  ...[
    '[]',
    '[0]',
    '[1,2]',
    '[ 1 , 2 ]',
    '[12,37,41,53,62,70]',
    '[1.5]',
    '[-0]',
    '["1"]',
    '[[1]]',
    '[1,]',
  ],
  ...['{}', '{"a":"}"}', '"a]b"', '"BTC-USD"', '"I:SPX"', '"O:SPY241220P00720000"', '"AAPL"'],
]
const KEYS = [
  'p',
  's',
  'c',
  'i',
  't',
  'x',
  'z',
  'ds',
  'dv',
  'trfi',
  'trft',
  'pt',
  'q',
  'bp',
  'as',
  'ev',
  'sym',
  'v',
  'new',
  'é',
]

class Mutator {
  readonly #random: Random
  readonly #messages: readonly Message[]

  constructor(random: Random, messages: readonly Message[]) {
    this.#random = random
    this.#messages = messages
  }

  frame(): Uint8Array {
    const texts = Array.from({ length: this.#pick([1, 1, 1, 2, 3]) }, () => this.#message())
    const gap = () => (this.#chance(0.05) ? this.#pick([' ', '\n', '\t']) : '')
    const frame = Buffer.from(
      `${gap()}[${gap()}${texts.join(`${gap()},${gap()}`)}${gap()}]${gap()}`,
    )
    for (let n = this.#pick([0, 0, 0, 0, 1, 2]); n > 0; n--) {
      frame[this.#int(frame.length)] = this.#chance(0.7) ? 32 + this.#int(95) : this.#int(256)
    }
    return this.#chance(0.03) ? frame.subarray(0, this.#int(frame.length)) : frame
  }

  #message(): string {
    if (this.#chance(0.12)) return this.#pick(STATUSES)
    const message: Message = this.#pick(this.#messages).map(([key, json]) => [
      key,
      this.#vary(json),
    ])
    for (let n = this.#pick([0, 0, 1, 1, 2]); n > 0; n--) this.#twist(message)
    return `{${message.map(([key, json]) => `"${key}":${json}`).join(',')}}`
  }

  /** Another number of the same look. */
  #vary(json: string): string {
    if (!/^-?\d/.test(json) || this.#chance(0.5)) return json
    return json.replace(/\d/g, (digit, at: number) => (at === 0 ? digit : String(this.#int(10))))
  }

  #twist(message: Message): void {
    const at = this.#int(Math.max(1, message.length))
    const field = message[at]
    if (!field) return
    switch (this.#int(6)) {
      case 0:
        field[1] = this.#pick(ODD)
        break
      case 1:
        message.splice(at, 1)
        break
      case 2:
        message.splice(at, 0, [this.#pick(KEYS), this.#pick(ODD)])
        break
      case 3:
        message.splice(this.#int(message.length), 0, ...message.splice(at, 1))
        break
      case 4:
        message.push([field[0], this.#pick(ODD)])
        break
      default:
        field[1] = this.#pick(message)[1]
    }
  }

  #int(below: number): number {
    return Math.floor(this.#random() * below)
  }

  #chance(of: number): boolean {
    return this.#random() < of
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#int(list.length)]!
  }
}

const NARROW = { revision: 1, mask: (symbol: string) => (symbol.length % 2 ? -1 : 1) }
const ROUNDS = 12_000

/** Whether a message may have two symbols or kinds: of those the first decides where nobody wants it. */
function repeats(frame: Uint8Array, { list }: Parsed): boolean {
  const text = Buffer.from(frame).toString('latin1')
  return ['ev', 'sym', 'pair', 'T', 'p'].some(key => {
    const written = text.match(new RegExp(`"${key}"\\s*:`, 'g'))?.length ?? 0
    return written > list.filter(message => Object.hasOwn(Object(message), key)).length
  })
}

for (const market of MARKET_NAMES) {
  test(`${ROUNDS} frames of ${market}`, () => {
    const messages = messagesOf(market)
    const seen = new Map<string, number>()
    // Thousands of frames do not parse, and nobody looks at the stack of those errors.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    const fast = new PolygonDecoder(readingOf(market))
    const slow = new PlainDecoder(readingOf(market))
    const narrow = new PolygonDecoder(readingOf(market, { interest: NARROW }))
    const narrowSlow = new PlainDecoder(readingOf(market, { interest: NARROW }))
    try {
      for (let seed = 1; seed <= ROUNDS; seed++) {
        const frame = new Mutator(seededRandom(seed), messages).frame()
        const show = () => `seed ${seed}: ${Buffer.from(frame).toString('latin1')}`
        const reports = plain(reportsOf(fast, frame))
        const expected = plain(reportsOf(slow, frame))
        if (!isDeepStrictEqual(reports, expected)) assert.deepEqual(reports, expected, show())
        for (const { type } of reports as { type: string }[])
          seen.set(type, (seen.get(type) ?? 0) + 1)
        // What nobody wants is only skipped, not checked.
        const parsed = parseJson(frame)
        if (typeof parsed === 'string' || repeats(frame, parsed)) continue
        const some = plain(reportsOf(narrow, frame))
        const wanted = plain(reportsOf(narrowSlow, frame))
        if (!isDeepStrictEqual(some, wanted)) assert.deepEqual(some, wanted, `narrow, ${show()}`)
      }
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
    // That it compared something.
    const events = ['trade', 'quote', 'bar', 'ticker', 'luld', 'imbalance'].reduce(
      (sum, type) => sum + (seen.get(type) ?? 0),
      0,
    )
    assert.ok(events > ROUNDS / 4, `events: ${events}`)
    for (const type of ['malformed', 'unknown', 'confirmed']) {
      assert.ok((seen.get(type) ?? 0) > ROUNDS / 100, `${type}: ${seen.get(type)}`)
    }
    assert.ok(fast.fallbacks > ROUNDS / 20)
  })
}
