/**
 * Pushes to events, straight from the bytes, their fields in any order. Whatever is odd goes, as a whole frame, through the
 * plain decoder; until a frame has been read to its end nothing of it is taken, so nothing is taken twice.
 */
import { FieldOrder } from '../../base/field-order.ts'
import { asciiText, hashOf, Interner } from '../../base/interner.ts'
import { Literal } from '../../base/literal.ts'
import {
  CLOSE_LIST,
  CLOSE_MAP,
  COLON,
  COMMA,
  KeySet,
  OPEN_LIST,
  OPEN_MAP,
  QUOTE,
  Scanner,
  SURPRISE,
} from '../../base/scanner.ts'
import { scratch } from '../../base/scratch.ts'
import { ShortTexts } from '../../base/short-texts.ts'
import { pastPlainText } from '../../base/words.ts'
import type { ConnectionContext, Decoder, Inbox } from '../../feed/description.ts'
import type { Level } from '../../market/events.ts'
import { idOf, type Listed, Market, PRICE, SIZE, TIME } from './market.ts'
import { BOOK, PlainDecoder, TRADE } from './plain.ts'
import type { AllTickMarket } from './plans.ts'

const { bytes: BYTES, view: VIEW, out: OUT } = scratch

const TRADE_FIRST = new Literal('{"cmd_id":22998,"data":{"code":"')
const TRADE_PUSH = new Literal('{"cmd_id":22998,"data":')
const BOOK_PUSH = new Literal('{"cmd_id":22999,"data":')
const LEVEL_PRICE = new Literal('{"price":')
const LEVEL_SIZE = new Literal(',"volume":')

const KEYS = new KeySet([
  ...['code', 'seq', 'tick_time', 'price', 'volume', 'trade_direction', 'bids', 'asks'],
])
const [CODE, SEQ, TICK_TIME, PRICE_KEY, VOLUME, DIRECTION, BIDS] = [0, 1, 2, 3, 4, 5, 6]
const ENVELOPE = new KeySet(['cmd_id', 'data', 'ret'])
const LEVEL = new KeySet(['price', 'volume'])

const MOST_FIELDS = 32
/** `:"` and `}}` as words. */
const [COLON_QUOTE, CLOSE_MAPS] = [0x223a, 0x7d7d]

/** Decodes the frames of one connection. */
export class AllTickDecoder implements Decoder {
  /** How often `JSON.parse` had to help with pushes; rises with what the venue does not document. */
  fallbacks = 0
  readonly #market: Market
  readonly #numbers: Float64Array
  readonly #plain: PlainDecoder
  readonly #scanner = new Scanner()
  readonly #short = new ShortTexts<Listed>()
  #codes = new Interner<Listed>(64, 8_192)
  #revision = Number.NaN
  #listed: Listed | undefined
  /** The venue writes the fields in the same order each time. */
  readonly #ofTrade = new FieldOrder(KEYS, MOST_FIELDS)
  readonly #ofBook = new FieldOrder(KEYS, MOST_FIELDS)
  readonly #envelope = new Int32Array(ENVELOPE.names.length)
  readonly #level = new Int32Array(LEVEL.names.length)

  constructor(context: ConnectionContext, market: AllTickMarket) {
    this.#market = new Market(context, market)
    this.#numbers = this.#market.numbers
    this.#plain = new PlainDecoder(this.#market)
  }

  decode(frame: Uint8Array, binary: boolean, receivedAt: number, inbox: Inbox): void {
    const market = this.#market
    market.refresh()
    if (market.revision !== this.#revision) {
      this.#revision = market.revision
      this.#codes = new Interner(64, 8_192)
      this.#short.clear()
    }
    if (this.#scanner.at(frame)) {
      if (TRADE_FIRST.isAt(0) && this.#usualTrade(TRADE_FIRST.length, receivedAt, inbox)) return
      const command = TRADE_PUSH.isAt(0) ? TRADE : BOOK_PUSH.isAt(0) ? BOOK : 0
      if (command !== 0 && this.#push(command, receivedAt, inbox)) return
      if (command === 0 && this.#any(receivedAt, inbox)) return
      if (command !== 0) this.fallbacks++
    }
    this.#plain.decode(frame, binary, receivedAt, inbox)
  }

  /**
   * A trade with the documented fields in their order, numbers as numbers and prices as text, from behind the quote of its
   * code. False when it is any other: nothing of it has been taken then.
   */
  #usualTrade(pos: number, receivedAt: number, inbox: Inbox): boolean {
    const scanner = this.#scanner
    const listed = this.#short.get(pos)
    if (listed === undefined) return false
    pos = this.#short.end
    // ","seq":
    if (VIEW.getInt32(pos, true) !== 0x73222c22) return false
    if (VIEW.getInt32(pos + 4, true) !== 0x3a227165) return false
    pos = this.#seq(pos + 8)
    // ,"tick_time":
    if (pos < 0 || VIEW.getInt32(pos, true) !== 0x6974222c) return false
    if (VIEW.getInt32(pos + 4, true) !== 0x745f6b63) return false
    if (VIEW.getInt32(pos + 8, true) !== 0x22656d69 || BYTES[pos + 12] !== COLON) return false
    pos = scanner.millis(pos + 13)
    // ,"price":"
    if (pos < 0 || VIEW.getInt32(pos, true) !== 0x7270222c) return false
    if (VIEW.getInt32(pos + 4, true) !== 0x22656369) return false
    if (VIEW.getInt16(pos + 8, true) !== COLON_QUOTE) return false
    const time = OUT[1]!
    pos = scanner.number(pos + 10)
    // ","volume":"
    if (pos < 0 || VIEW.getInt32(pos, true) !== 0x76222c22) return false
    if (VIEW.getInt32(pos + 4, true) !== 0x6d756c6f) return false
    if (VIEW.getInt32(pos + 8, true) !== 0x223a2265) return false
    const price = OUT[0]!
    pos = scanner.number(pos + 12)
    // ","turnover":
    if (pos < 0 || VIEW.getInt32(pos, true) !== 0x74222c22) return false
    if (VIEW.getInt32(pos + 4, true) !== 0x6f6e7275) return false
    if (VIEW.getInt32(pos + 8, true) !== 0x22726576 || BYTES[pos + 12] !== COLON) return false
    const size = OUT[0]!
    pos = pastPlainText(pos + 13)
    // ,"trade_direction":
    if (pos < 0 || VIEW.getInt32(pos, true) !== 0x7274222c) return false
    if (VIEW.getInt32(pos + 4, true) !== 0x5f656461) return false
    if (VIEW.getInt32(pos + 8, true) !== 0x65726964) return false
    if (VIEW.getInt32(pos + 12, true) !== 0x6f697463) return false
    if (VIEW.getInt16(pos + 16, true) !== 0x226e || BYTES[pos + 18] !== COLON) return false
    const direction = BYTES[pos + 19]! ^ 48
    if (direction > 2 || VIEW.getInt16(pos + 20, true) !== CLOSE_MAPS) return false
    if (pos + 22 !== scanner.end) return false
    if (!(price > 0 && price < Infinity && size >= 0 && size < Infinity)) return false
    const market = this.#market
    if (listed.mask !== 0) {
      market.tick(listed, time, price, size, market.id, direction, receivedAt, inbox)
    }
    return true
  }

  #push(command: number, receivedAt: number, inbox: Inbox): boolean {
    const pos = this.#data(TRADE_PUSH.length, command)
    if (pos < 0 || BYTES[pos] !== CLOSE_MAP || pos + 1 !== this.#scanner.end) return false
    return this.#take(command, receivedAt, inbox)
  }

  /** The envelope in any order. */
  #any(receivedAt: number, inbox: Inbox): boolean {
    const scanner = this.#scanner
    const behind = scanner.fields(scanner.space(0), ENVELOPE, this.#envelope)
    if (behind < 0 || scanner.space(behind) !== scanner.end) return false
    const [commandAt, data, ret] = this.#envelope as unknown as number[]
    if (commandAt === 0 || data === 0 || ret !== 0 || scanner.small(commandAt!) < 0) return false
    const command = scanner.integer
    if (command !== TRADE && command !== BOOK) return false
    return this.#data(data!, command) > 0 && this.#take(command, receivedAt, inbox)
  }

  #take(command: number, receivedAt: number, inbox: Inbox): boolean {
    const listed = this.#listed
    if (!listed) return false
    if (listed.mask === 0) return true
    const market = this.#market
    const fault =
      command === TRADE
        ? market.takeTrade(listed, receivedAt, inbox)
        : market.takeBook(listed, receivedAt, inbox)
    return fault === undefined
  }

  /** The fields of `data`, from its bracket to behind the other. */
  #data(pos: number, command: number): number {
    const scanner = this.#scanner
    const order = command === TRADE ? this.#ofTrade : this.#ofBook
    this.#market.begin()
    this.#listed = undefined
    if (BYTES[pos] !== OPEN_MAP) return SURPRISE
    for (let i = 0; ; i++) {
      const at = order.value(scanner, i, pos)
      if (at < 0) return SURPRISE
      const { key } = order
      pos = key < 0 ? this.#skip(at) : this.#value(key, at)
      if (pos < 0) return SURPRISE
      if (BYTES[pos] === COMMA) continue
      pos = scanner.space(pos)
      const c = BYTES[pos]!
      if (c === CLOSE_MAP) return pos + 1
      if (c !== COMMA) return SURPRISE
    }
  }

  #skip(pos: number): number {
    const behind = pastPlainText(pos)
    return behind < 0 ? this.#scanner.skip(pos) : behind
  }

  #value(key: number, pos: number): number {
    const market = this.#market
    switch (key) {
      case CODE:
        return this.#code(pos)
      case SEQ:
        return this.#seq(pos)
      case TICK_TIME:
        return this.#time(pos)
      case PRICE_KEY:
        return this.#amount(pos, PRICE)
      case VOLUME:
        return this.#amount(pos, SIZE)
      case DIRECTION: {
        const digit = BYTES[pos]! ^ 48
        const behind = BYTES[pos + 1]
        if (digit <= 2 && (behind === CLOSE_MAP || behind === COMMA)) {
          market.direction = digit
          return pos + 1
        }
        const next = this.#number(pos)
        const value = OUT[0]!
        if (next < 0 || (value !== 0 && value !== 1 && value !== 2)) return SURPRISE
        market.direction = value
        return next
      }
      default:
        return this.#side(pos, key === BIDS)
    }
  }

  #code(pos: number): number {
    const known = BYTES[pos] === QUOTE ? this.#short.get(pos + 1) : undefined
    if (known === undefined) return this.#newCode(pos)
    this.#listed = known
    return this.#short.end + 1
  }

  #newCode(pos: number): number {
    const behind = this.#scanner.string(pos)
    if (behind < 0) return SURPRISE
    const [start, end] = [pos + 1, behind - 1]
    const hash = hashOf(BYTES, start, end)
    let listed = this.#codes.get(BYTES, start, end, hash)
    if (listed === undefined) {
      listed = this.#market.listed(asciiText(BYTES, start, end))
      if (listed === undefined) return SURPRISE
      this.#codes.set(BYTES, start, end, hash, listed)
    }
    this.#listed = listed
    this.#short.set(start, end, listed)
    return behind
  }

  /** Up to sixteen digits, in quotes or not. Longer ones stay text. */
  #seq(pos: number): number {
    const next = this.#scanner.small(pos)
    if (next < 0) return this.#longSeq(pos)
    this.#market.id = this.#scanner.integer
    return next
  }

  #longSeq(pos: number): number {
    const quoted = BYTES[pos] === QUOTE
    const start = quoted ? pos + 1 : pos
    let end = start
    let value = 0
    let c = 0
    while ((c = (BYTES[end]! ^ 48) >>> 0) <= 9) {
      value = value * 10 + c
      end++
    }
    const length = end - start
    if (length === 0 || length > 32 || (length > 1 && BYTES[start] === 48)) return SURPRISE
    const next = BYTES[end]!
    if (quoted ? next !== QUOTE : next !== COMMA && next !== CLOSE_MAP) return SURPRISE
    this.#market.id = length < 16 ? value : idOf(asciiText(BYTES, start, end))
    return quoted ? end + 1 : end
  }

  /** Mostly an integer of thirteen digits. */
  #time(pos: number): number {
    const next = this.#scanner.millis(pos)
    const c = next < 0 ? 0 : BYTES[next]
    if (c !== COMMA && c !== CLOSE_MAP) return this.#amount(pos, TIME)
    this.#numbers[TIME] = OUT[1]!
    return next
  }

  #amount(pos: number, place: number): number {
    const next = this.#number(pos)
    const value = OUT[0]! + 0
    if (next < 0 || !(value >= 0 && value < Infinity)) return SURPRISE
    this.#numbers[place] = value
    return next
  }

  /** In quotes or not. */
  #number(pos: number): number {
    if (BYTES[pos] !== QUOTE) return this.#scanner.number(pos)
    const behind = this.#scanner.number(pos + 1)
    return behind > 0 && BYTES[behind] === QUOTE ? behind + 1 : SURPRISE
  }

  #side(pos: number, isBids: boolean): number {
    const scanner = this.#scanner
    const levels: Level[] = []
    this.#market[isBids ? 'bids' : 'asks'] = levels
    if (BYTES[pos] !== OPEN_LIST) return SURPRISE
    pos = scanner.space(pos + 1)
    if (BYTES[pos] === CLOSE_LIST) return pos + 1
    for (;;) {
      const behind = this.#usualLevel(pos, levels)
      pos = behind < 0 ? this.#anyLevel(pos, levels) : behind
      if (pos < 0) return SURPRISE
      pos = scanner.space(pos)
      const c = BYTES[pos]!
      if (c === CLOSE_LIST) return pos + 1
      if (c !== COMMA) return SURPRISE
      pos = scanner.space(pos + 1)
    }
  }

  #usualLevel(pos: number, levels: Level[]): number {
    if (!LEVEL_PRICE.isAt(pos)) return SURPRISE
    pos = this.#number(pos + LEVEL_PRICE.length)
    if (pos < 0 || !LEVEL_SIZE.isAt(pos)) return SURPRISE
    const price = OUT[0]!
    pos = this.#number(pos + LEVEL_SIZE.length)
    if (pos < 0 || BYTES[pos] !== CLOSE_MAP) return SURPRISE
    return addLevel(levels, price, OUT[0]! + 0) ? pos + 1 : SURPRISE
  }

  #anyLevel(pos: number, levels: Level[]): number {
    const behind = this.#scanner.fields(pos, LEVEL, this.#level)
    const [priceAt, sizeAt] = this.#level as unknown as number[]
    if (behind < 0 || priceAt === 0 || this.#number(priceAt!) < 0) return SURPRISE
    const price = OUT[0]!
    if (sizeAt === 0) return addLevel(levels, price, Number.NaN) ? behind : SURPRISE
    if (this.#number(sizeAt!) < 0) return SURPRISE
    return addLevel(levels, price, OUT[0]! + 0) ? behind : SURPRISE
  }
}

/** Adds a level unless it has no price; false for one that cannot be. */
function addLevel(levels: Level[], price: number, size: number): boolean {
  if (!(price >= 0 && price < Infinity) || size < 0 || size === Infinity) return false
  if (price > 0) levels.push([price, size])
  return true
}
