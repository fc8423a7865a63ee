/**
 * msgpack frames to events, straight from the bytes: trades, quotes, bars and books by hand, `T` first as Alpaca writes it and
 * the other keys in any order; anything else, or anything odd, as values, message by message. The plain decoder gives
 * the same events: a test holds one against the other.
 */
import { CodeLists } from '../../base/code-lists.ts'
import { CHARS, SINGLES } from '../../base/interner.ts'
import { MsgpackReader } from '../../base/msgpack.ts'
import { copyFrame, scratch } from '../../base/scratch.ts'
import type { Decoder, Inbox } from '../../feed/description.ts'
import { Held } from '../../feed/held.ts'
import { KIND_BIT } from '../../feed/provider.ts'
import { WantedSymbols } from '../../feed/wanted-symbols.ts'
import {
  Bar,
  Book,
  type Level,
  Quote,
  type Side,
  Trade,
  type TradeId,
} from '../../market/events.ts'
import {
  isLevel,
  NO_LEVELS,
  type Reading,
  standing,
  symbolOf,
  takerOf,
  tradeFlagsOf,
} from './messages.ts'
import { parseMsgpack, readMessage, readMessages } from './plain.ts'

const TRADE = KIND_BIT.trade
const QUOTES = KIND_BIT.quote
const BARS = KIND_BIT.bar
const BOOKS = KIND_BIT.book

/** Not the plain case. */
const SURPRISE = -1

const { bytes: BYTES, view: VIEW, out: OUT } = scratch

/**
 * Decodes msgpack frames. A frame is copied where there is room behind it, so that no reader has to watch for its
 * end: a message that reaches beyond it is refused when it is whole.
 */
export class MsgpackScanner implements Decoder {
  /** How many messages were read as values: all but trades, quotes, bars and books in the documented form. */
  fallbacks = 0
  readonly #reading: Reading
  readonly #symbols: WantedSymbols
  readonly #codes = new CodeLists()
  readonly #held = new Held()
  #end = 0
  #receivedAt = 0
  /** Of the last `#symbol`, `#list`, `#number` and `#time`. */
  #slot = 0
  #strings: readonly string[] | undefined
  #nanos = 0
  /** Of the last `#integer`. */
  #value = 0
  /** Of the last `#levels`. */
  #levelsRead: readonly Level[] = NO_LEVELS
  /** Of the last `#taker`. */
  #takerRead: Side | undefined
  readonly #tradeFlags: number

  constructor(reading: Reading) {
    this.#reading = reading
    this.#tradeFlags = tradeFlagsOf(reading)
    this.#symbols = new WantedSymbols(reading.interest, symbolOf)
  }

  decode(frame: Uint8Array, _binary: boolean, receivedAt: number, inbox: Inbox): void {
    this.#receivedAt = receivedAt
    this.#symbols.refresh()
    const fault = this.#frame(frame)
    if (fault === undefined) this.#held.deliver(inbox)
    else {
      this.#held.drop()
      inbox.malformed(fault)
    }
  }

  /** All messages into what is held; says what is wrong if the frame cannot be read to its end. */
  #frame(frame: Uint8Array): string | undefined {
    const end = frame.length
    if (!copyFrame(frame)) return this.#asValues(frame)
    this.#end = end
    const head = BYTES[0]!
    let left = head & 15
    let pos = 1
    if ((head & 0xf0) !== 0x90) {
      if (head !== 0xdc && head !== 0xdd) return this.#asValues(frame)
      left = head === 0xdd ? VIEW.getUint32(1) : VIEW.getUint16(1)
      pos = head === 0xdd ? 5 : 3
    }
    // Each message takes a byte or more.
    if (left > end - pos) return 'not msgpack'
    let reader: MsgpackReader | undefined
    for (; left > 0; left--) {
      const next = this.#read(pos)
      if (next > 0 && next <= end) pos = next
      else {
        reader ??= new MsgpackReader(frame)
        reader.pos = pos
        if (!this.#asValue(reader)) return 'not msgpack'
        pos = reader.pos
      }
    }
    return pos === end ? undefined : 'not msgpack'
  }

  #asValues(frame: Uint8Array): string | undefined {
    this.fallbacks++
    const parsed = parseMsgpack(frame)
    if (typeof parsed === 'string') return parsed
    readMessages(parsed, this.#reading, this.#receivedAt, this.#held)
    return undefined
  }

  #asValue(reader: MsgpackReader): boolean {
    this.fallbacks++
    let message: unknown
    try {
      message = reader.value(1)
    } catch {
      return false
    }
    readMessage(message, message, this.#reading, this.#receivedAt, this.#held)
    return true
  }

  /** One message, into what is held; the place behind it (perhaps behind the frame), or a surprise. */
  #read(pos: number): number {
    // A map of up to 15, T, one letter.
    const head = VIEW.getInt32(pos)
    const letter = VIEW.getUint8(pos + 4)
    if ((head & 0xf0ffffff) !== MAP_WITH_T) return SURPRISE
    const left = ((head >>> 24) & 15) - 1
    switch (letter) {
      case 0x71: // q
        return this.#quote(pos + 5, left)
      case 0x74: // t
        return this.#trade(pos + 5, left)
      case 0x62: // b
      case 0x64: // d
      case 0x75: // u
        return this.#bar(pos + 5, left, letter)
      case 0x6f: // o
        return this.#book(pos + 5, left)
    }
    return SURPRISE
  }

  // In the four below: `left` pairs of key and value from `pos` on. `seen` has a bit for each key; of equal keys
  // the last one counts.

  #trade(pos: number, left: number): number {
    let slot = 0
    let id: TradeId | undefined
    let exchange: string | undefined
    let conditions: readonly string[] | undefined
    let tape: string | undefined
    let taker: Side | undefined
    let price = 0
    let size = 0
    let seen = 0
    while (left-- > 0) {
      const letters = keyAt(pos)
      pos += letters > 0xff ? 3 : 2
      let bit = 0
      switch (letters) {
        case 0x53: // S
          bit = 1
          pos = this.#symbol(pos)
          if (pos < 0) return SURPRISE
          slot = this.#slot
          if ((this.#symbols.mask(slot) & TRADE) === 0) return this.#unwanted(pos, left)
          break
        case 0x69: // i
          bit = 2
          if (BYTES[pos] === 0xcf && isLong(pos)) {
            id = longDigits(pos)
            pos += 9
            break
          }
          pos = this.#integer(pos)
          id = this.#value
          if (!Number.isSafeInteger(id)) return SURPRISE
          break
        case 0x78: // x
          bit = 4
          exchange = CHARS[BYTES[pos + 1]!]
          if (exchange === undefined || BYTES[pos] !== 0xa1) return SURPRISE
          if (exchange === ' ') exchange = undefined
          pos += 2
          break
        case 0x70: // p
          bit = 8
          pos = this.#number(pos)
          price = OUT[0]!
          break
        case 0x73: // s
          bit = 16
          pos = this.#integer(pos)
          size = this.#value
          break
        case 0x63: // c
          bit = 32
          pos = this.#list(pos)
          conditions = this.#strings
          break
        case 0x74: // t
          bit = 64
          pos = this.#time(pos)
          break
        case 0x7a: // z
          bit = 128
          tape = CHARS[BYTES[pos + 1]!]
          if (tape === undefined || BYTES[pos] !== 0xa1) return SURPRISE
          if (tape === ' ') tape = undefined
          pos += 2
          break
        case 0x54: // T, again
          return SURPRISE
        case 0:
          pos = this.#taker(pos - 2)
          taker = this.#takerRead
          break
        default:
          pos = this.#skip(pos)
      }
      if (pos < 0) return SURPRISE
      seen |= bit
    }
    // S, p, s and t must be there.
    if (pos > this.#end || (seen & 89) !== 89 || !(price > 0 && price < Infinity)) return SURPRISE
    this.#held.event(
      new Trade(
        this.#symbols.symbols[slot]!,
        this.#reading.source,
        OUT[1]!,
        this.#nanos,
        this.#receivedAt,
        this.#tradeFlags,
        price,
        size,
        id,
        exchange,
        conditions,
        tape,
        taker,
      ),
    )
    return pos
  }

  #quote(pos: number, left: number): number {
    let slot = 0
    let bidExchange: string | undefined
    let askExchange: string | undefined
    let conditions: readonly string[] | undefined
    let tape: string | undefined
    let bid = 0
    let bidSize = 0
    let ask = 0
    let askSize = 0
    let seen = 0
    while (left-- > 0) {
      const letters = keyAt(pos)
      pos += letters > 0xff ? 3 : 2
      let bit = 0
      switch (letters) {
        case 0x53: // S
          bit = 1
          pos = this.#symbol(pos)
          if (pos < 0) return SURPRISE
          slot = this.#slot
          if ((this.#symbols.mask(slot) & QUOTES) === 0) return this.#unwanted(pos, left)
          break
        case 0x6278: // bx
          bit = 2
          bidExchange = CHARS[BYTES[pos + 1]!]
          if (bidExchange === undefined || BYTES[pos] !== 0xa1) return SURPRISE
          if (bidExchange === ' ') bidExchange = undefined
          pos += 2
          break
        case 0x6270: // bp
          bit = 4
          pos = this.#number(pos)
          bid = OUT[0]!
          break
        case 0x6273: // bs
          bit = 8
          pos = this.#integer(pos)
          bidSize = this.#value
          break
        case 0x6178: // ax
          bit = 16
          askExchange = CHARS[BYTES[pos + 1]!]
          if (askExchange === undefined || BYTES[pos] !== 0xa1) return SURPRISE
          if (askExchange === ' ') askExchange = undefined
          pos += 2
          break
        case 0x6170: // ap
          bit = 32
          pos = this.#number(pos)
          ask = OUT[0]!
          break
        case 0x6173: // as
          bit = 64
          pos = this.#integer(pos)
          askSize = this.#value
          break
        case 0x63: // c
          bit = 128
          pos = this.#list(pos)
          conditions = this.#strings
          break
        case 0x74: // t
          bit = 256
          pos = this.#time(pos)
          break
        case 0x7a: // z
          bit = 512
          tape = CHARS[BYTES[pos + 1]!]
          if (tape === undefined || BYTES[pos] !== 0xa1) return SURPRISE
          if (tape === ' ') tape = undefined
          pos += 2
          break
        case 0x54: // T, again
        case 0:
          return SURPRISE
        default:
          pos = this.#skip(pos)
      }
      if (pos < 0) return SURPRISE
      seen |= bit
    }
    // S, t, prices and sizes must be there.
    if (pos > this.#end || (seen & 365) !== 365) return SURPRISE
    if (!(bid >= 0 && bid < Infinity && ask >= 0 && ask < Infinity)) return SURPRISE
    const { source, flags } = this.#reading
    this.#held.event(
      new Quote(
        this.#symbols.symbols[slot]!,
        source,
        OUT[1]!,
        this.#nanos,
        this.#receivedAt,
        flags,
        bid > 0 ? bid : undefined,
        bid > 0 ? bidSize : undefined,
        ask > 0 ? ask : undefined,
        ask > 0 ? askSize : undefined,
        bidExchange,
        askExchange,
        conditions,
        tape,
      ),
    )
    return pos
  }

  #bar(pos: number, left: number, type: number): number {
    let slot = 0
    let open = 0
    let high = 0
    let low = 0
    let close = 0
    let volume = 0
    let vwap = 0
    let count: number | undefined
    let seen = 0
    while (left-- > 0) {
      const letters = keyAt(pos)
      pos += letters > 0xff ? 3 : 2
      let bit = 0
      switch (letters) {
        case 0x53: // S
          bit = 1
          pos = this.#symbol(pos)
          if (pos < 0) return SURPRISE
          slot = this.#slot
          if ((this.#symbols.mask(slot) & BARS) === 0) return this.#unwanted(pos, left)
          break
        case 0x6f: // o
          bit = 2
          pos = this.#number(pos)
          open = OUT[0]!
          break
        case 0x68: // h
          bit = 4
          pos = this.#number(pos)
          high = OUT[0]!
          break
        case 0x6c: // l
          bit = 8
          pos = this.#number(pos)
          low = OUT[0]!
          break
        case 0x63: // c
          bit = 16
          pos = this.#number(pos)
          close = OUT[0]!
          break
        case 0x76: // v
          bit = 32
          pos = this.#integer(pos)
          volume = this.#value
          break
        case 0x6e: // n
          bit = 64
          pos = this.#integer(pos)
          count = this.#value
          break
        case 0x7677: // vw
          bit = 128
          pos = this.#number(pos)
          vwap = OUT[0]!
          break
        case 0x74: // t
          bit = 256
          pos = this.#time(pos)
          break
        case 0x54: // T, again
        case 0:
          return SURPRISE
        default:
          pos = this.#skip(pos)
      }
      if (pos < 0) return SURPRISE
      seen |= bit
    }
    // S, t, the four prices and the volume must be there.
    if (pos > this.#end || (seen & 319) !== 319) return SURPRISE
    if (!(open > 0 && high > 0 && low > 0 && close > 0 && vwap >= 0)) return SURPRISE
    if (!(open + high + low + close + vwap < Infinity)) return SURPRISE
    const { source, flags } = this.#reading
    this.#held.event(
      new Bar(
        this.#symbols.symbols[slot]!,
        source,
        OUT[1]!,
        this.#nanos,
        this.#receivedAt,
        flags,
        type === DAY ? '1d' : '1m',
        open,
        high,
        low,
        close,
        volume,
        vwap > 0 ? vwap : undefined,
        count,
        type !== DAY,
        type === UPDATE ? 1 : 0,
        undefined,
      ),
    )
    return pos
  }

  #book(pos: number, left: number): number {
    let slot = 0
    let bids = NO_LEVELS
    let asks = NO_LEVELS
    let snapshot = false
    let seen = 0
    while (left-- > 0) {
      const letters = keyAt(pos)
      pos += 2
      let bit = 0
      switch (letters) {
        case 0x53: // S
          bit = 1
          pos = this.#symbol(pos)
          if (pos < 0) return SURPRISE
          slot = this.#slot
          if ((this.#symbols.mask(slot) & BOOKS) === 0) return SURPRISE
          break
        case 0x74: // t
          bit = 2
          pos = this.#time(pos)
          break
        case 0x62: // b
          pos = this.#levels(pos)
          bids = this.#levelsRead
          break
        case 0x61: // a
          pos = this.#levels(pos)
          asks = this.#levelsRead
          break
        case 0x72: // r
          if (BYTES[pos] !== 0xc3 && BYTES[pos] !== 0xc2) return SURPRISE
          snapshot = BYTES[pos] === 0xc3
          pos++
          break
        default:
          return SURPRISE
      }
      if (pos < 0) return SURPRISE
      seen |= bit
    }
    if (pos > this.#end || seen !== 3) return SURPRISE
    const { source, flags } = this.#reading
    this.#held.event(
      new Book(
        this.#symbols.symbols[slot]!,
        source,
        OUT[1]!,
        this.#nanos,
        this.#receivedAt,
        flags,
        snapshot ? standing(bids) : bids,
        snapshot ? standing(asks) : asks,
        snapshot,
        undefined,
        undefined,
      ),
    )
    return pos
  }

  /** The key `tks` and a letter, in `#takerRead`. */
  #taker(pos: number): number {
    if (VIEW.getInt32(pos) !== TKS || BYTES[pos + 4] !== 0xa1) return SURPRISE
    const letter = CHARS[BYTES[pos + 5]!]
    this.#takerRead = takerOf(letter)
    return letter === undefined ? SURPRISE : pos + 6
  }

  /** A list of maps of `p` and `s`, in `#levelsRead`. */
  #levels(pos: number): number {
    const tag = BYTES[pos]!
    let count = tag & 15
    if (tag === 0xdc) {
      count = VIEW.getUint16(pos + 1)
      pos += 3
    } else if (tag === 0xdd) {
      count = VIEW.getUint32(pos + 1)
      pos += 5
    } else if ((tag & 0xf0) === 0x90) pos++
    else return SURPRISE
    if (count === 0) {
      this.#levelsRead = NO_LEVELS
      return pos
    }
    const levels: Level[] = []
    for (; count > 0; count--) {
      // {p: …, s: …}
      if (pos > this.#end || BYTES[pos] !== 0x82) return SURPRISE
      if (BYTES[pos + 1] !== 0xa1 || BYTES[pos + 2] !== 0x70) return SURPRISE
      pos = this.#number(pos + 3)
      if (pos < 0 || BYTES[pos] !== 0xa1 || BYTES[pos + 1] !== 0x73) return SURPRISE
      const price = OUT[0]!
      pos = this.#integer(pos + 2)
      const size = this.#value
      if (pos < 0 || !isLevel(price, size)) return SURPRISE
      levels.push([price, size])
    }
    this.#levelsRead = levels
    return pos
  }

  /** A symbol of up to 31 bytes in `#slot`; what no symbol may hold, the table refuses. */
  #symbol(pos: number): number {
    const tag = BYTES[pos++]!
    const length = tag & 31
    if ((tag & 0xe0) !== 0xa0 || pos + length > this.#end) return SURPRISE
    if (length === 0) return SURPRISE
    if (length < 8) {
      // The words hold the length too, as a zero byte is one that a text may have.
      const low = VIEW.getInt32(pos, true) & LOW_BYTES[length]!
      const high = (VIEW.getInt32(pos + 4, true) & HIGH_BYTES[length]!) | (length << 24)
      this.#slot = this.#symbols.short(low, high, BYTES, pos, pos + length)
    } else this.#slot = this.#symbols.long(BYTES, pos, pos + length)
    return this.#slot < 0 ? SURPRISE : pos + length
  }

  /** An integer from 0 to 2^53 − 1, or a double from 0 on, in `#value`. */
  #integer(pos: number): number {
    const tag = VIEW.getUint8(pos)
    if (tag < 0x80) {
      this.#value = tag
      return pos + 1
    }
    switch (tag) {
      case 0xcc:
        this.#value = VIEW.getUint8(pos + 1)
        return pos + 2
      case 0xcd:
        this.#value = VIEW.getUint16(pos + 1)
        return pos + 3
      case 0xce:
        this.#value = VIEW.getUint32(pos + 1)
        return pos + 5
      case 0xcf: {
        const high = VIEW.getUint32(pos + 1)
        this.#value = high * 4_294_967_296 + VIEW.getUint32(pos + 5)
        return high < 0x200000 ? pos + 9 : SURPRISE
      }
      case 0xcb: {
        // -0 is 0.
        const value = VIEW.getFloat64(pos + 1) + 0
        this.#value = value
        return value >= 0 && value < Infinity ? pos + 9 : SURPRISE
      }
    }
    return SURPRISE
  }

  /** A double, or an integer that `#integer` knows, in `OUT[0]`. */
  #number(pos: number): number {
    if (BYTES[pos] === 0xcb) {
      OUT[0] = VIEW.getFloat64(pos + 1)
      return pos + 9
    }
    const next = this.#integer(pos)
    OUT[0] = this.#value
    return next
  }

  /** A timestamp of 32 or 64 bits, in `OUT[1]` and `#nanos`. */
  #time(pos: number): number {
    const head = VIEW.getUint16(pos)
    if (head === 0xd7ff) {
      const high = VIEW.getUint32(pos + 2)
      const nanos = high >>> 2
      if (nanos > 999_999_999) return SURPRISE
      const ms = (nanos / 1_000_000) | 0
      this.#nanos = nanos - ms * 1_000_000
      OUT[1] = ((high & 3) * 4_294_967_296 + VIEW.getUint32(pos + 6)) * 1_000 + ms
      return pos + 10
    }
    if (head !== 0xd6ff) return SURPRISE
    this.#nanos = 0
    OUT[1] = VIEW.getUint32(pos + 2) * 1_000
    return pos + 6
  }

  /** Up to four one-letter texts, or (options) one by itself, interned, in `#strings`; `undefined` when empty. */
  #list(pos: number): number {
    const tag = BYTES[pos]!
    if (tag === 0xa1) {
      this.#strings = SINGLES[BYTES[pos + 1]!]
      return this.#strings !== undefined ? pos + 2 : SURPRISE
    }
    const count = BYTES[pos++]! - 0x90
    if (count === 1 && BYTES[pos] === 0xa1) {
      this.#strings = SINGLES[BYTES[pos + 1]!]
      return this.#strings !== undefined ? pos + 2 : SURPRISE
    }
    if (count < 0 || count > 4) return SURPRISE
    let code = 0
    for (const end = pos + count * 2; pos < end; pos += 2) {
      if (BYTES[pos] !== 0xa1) return SURPRISE
      code = (code << 8) | BYTES[pos + 1]!
    }
    if (count === 0) this.#strings = undefined
    else {
      this.#strings = this.#codes.get(code, count)
      if (this.#strings === undefined) return SURPRISE
    }
    return pos
  }

  /** Past the value of an unknown key: scalars, ASCII text, extensions (Alpaca sends an undocumented time `r`). */
  #skip(pos: number): number {
    const tag = BYTES[pos]!
    if (tag >= 0x80 && tag < 0xa0) return SURPRISE
    const next = skipScalar(pos)
    if (next > this.#end) return SURPRISE
    if ((tag & 0xe0) === 0xa0 || tag === 0xd9) {
      for (let at = pos + 1; at < next; at++) {
        // The length byte of a longer text may be anything.
        if (BYTES[at]! >= 0x80 && !(tag === 0xd9 && at === pos + 1)) return SURPRISE
      }
    }
    return next
  }

  /**
   * Past the rest of a message that nobody wants, `left` pairs from behind its symbol. Only the lengths are looked
   * at; another `S` or `T`, or a key that is not short, is a surprise.
   */
  #unwanted(pos: number, left: number): number {
    while (left-- > 0) {
      const letters = keyAt(pos)
      if (letters === 0x53 || letters === 0x54) return SURPRISE
      if (letters === 0 && VIEW.getInt32(pos) !== TKS) return SURPRISE
      pos += letters === 0 ? 4 : letters > 0xff ? 3 : 2
      const tag = BYTES[pos]!
      if (tag >= 0x90 && tag < 0xa0) {
        let count = tag & 15
        pos++
        while (count-- > 0 && pos > 0 && pos < this.#end) pos = skipScalar(pos)
      } else pos = skipScalar(pos)
      if (pos < 0 || pos > this.#end) return SURPRISE
    }
    return pos
  }
}

/** Whether an integer of 64 bits is 2^53 or more, and its digits then. */
function isLong(pos: number): boolean {
  return BYTES[pos + 1]! + (BYTES[pos + 2]! >>> 5) > 0
}

function longDigits(pos: number): string {
  return VIEW.getBigUint64(pos + 1).toString()
}

const DAY = 0x64
const UPDATE = 0x75

/** A map of up to 15, `T`, a text of one letter. */
const MAP_WITH_T = 0x80a154a1 | 0
/** The key `tks`. */
const TKS = 0xa3746b73 | 0
/** Masks for the first `length` bytes of a text, little end first: the first four, and those behind. */
const LOW_BYTES = Int32Array.from({ length: 8 }, (_, n) => (n < 4 ? (1 << (n * 8)) - 1 : -1))
const HIGH_BYTES = Int32Array.from({ length: 8 }, (_, n) => (n < 5 ? 0 : (1 << (n * 8 - 32)) - 1))

/** A key of one or two ASCII letters; 0 for any other. */
function keyAt(pos: number): number {
  const first = BYTES[pos + 1]!
  if (BYTES[pos] === 0xa1) return first < 0x80 ? first : 0
  if (BYTES[pos] !== 0xa2 || first === 0 || first >= 0x80) return 0
  const second = BYTES[pos + 2]!
  return second < 0x80 ? (first << 8) | second : 0
}

/** Past a value that is neither list nor map, by its length alone (perhaps behind the frame). */
function skipScalar(pos: number): number {
  const tag = BYTES[pos]!
  let length = 1
  if (tag < 0x80 || tag >= 0xe0) length = 1
  else if (tag >= 0xa0 && tag < 0xc0) length = 1 + (tag & 31)
  else {
    switch (tag) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        break
      case 0xcc:
      case 0xd0:
        length = 2
        break
      case 0xcd:
      case 0xd1:
      case 0xd4:
        length = 3
        break
      case 0xd5:
        length = 4
        break
      case 0xca:
      case 0xce:
      case 0xd2:
        length = 5
        break
      case 0xd6:
        length = 6
        break
      case 0xcb:
      case 0xcf:
      case 0xd3:
        length = 9
        break
      case 0xd7:
        length = 10
        break
      case 0xd8:
        length = 18
        break
      case 0xd9:
        length = 2 + BYTES[pos + 1]!
        break
      case 0xc7:
        length = 3 + BYTES[pos + 1]!
        break
      default:
        return SURPRISE
    }
  }
  return pos + length
}
