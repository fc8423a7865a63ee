/**
 * JSON frames to events, straight from the bytes. Trades, quotes, bars and books are read by hand, as they are nearly
 * all of the traffic, in the orders of keys that Alpaca documents for stocks and for crypto; a key and what is around it is compared as a word or two
 * of four bytes, little end first (0x3a225322 is `"S":`). Anything else, or anything odd, goes key by key through the kit; what that finds odd, with the rest of the frame
 * through `JSON.parse`. All three give the same events: a test holds them against the plain decoder.
 *
 * The checks that make a message an event are those of messages.ts; where one fails here, the message is read again
 * by that.
 */
import { Buffer } from 'node:buffer'
import { CHARS } from '../../base/interner.ts'
import {
  CLOSE_LIST,
  CLOSE_MAP,
  COLON,
  COMMA,
  OPEN_LIST,
  OPEN_MAP,
  QUOTE,
  Scanner,
  SURPRISE,
} from '../../base/scanner.ts'
import { scratch } from '../../base/scratch.ts'
import { pastMap } from '../../base/words.ts'
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
  CONTROLS,
  DATA,
  isLevel,
  kindName,
  longId,
  NO_LEVELS,
  type Reading,
  readControl,
  readData,
  standing,
  symbolOf,
  takerOf,
  tradeFlagsOf,
} from './messages.ts'
import { type Parsed, parseJson, readMessages } from './plain.ts'
import { ScannedMessage } from './scanned.ts'

const { bytes: BYTES, view: VIEW, out: OUT } = scratch
/** The same bytes; makes a text of them at once, which takes a third of the time letter by letter does. */
const TEXT = Buffer.from(BYTES.buffer)
const TRADE = KIND_BIT.trade
const QUOTES = KIND_BIT.quote
const BARS = KIND_BIT.bar
const BOOKS = KIND_BIT.book

/** Makes one kind of event of what has been read; the arguments are those of the method it calls. */
type Adder = (
  scanner: JsonScanner,
  symbol: string,
  first: number,
  second: number,
  exchange: string | undefined,
  other: string | undefined,
) => void

const ADDERS: Adder[] = []
const ADD_QUOTE = 0
const ADD_TRADE = 1
const ADD_BAR = 2
const ADD_COIN_TRADE = 3
const ADD_BOOK = 4

/** Decodes JSON frames. */
export class JsonScanner implements Decoder {
  /** How often `JSON.parse` had to help; rises with what the venue does not document. */
  fallbacks = 0
  readonly #reading: Reading
  readonly #scanner = new Scanner()
  readonly #symbols: WantedSymbols
  readonly #message: ScannedMessage
  readonly #held = new Held()
  /** Of the last `#integer` or `#side`. */
  #value = 0
  /** Of the last `#side`. */
  #exchange: string | undefined
  /** Of the last `#tail`. */
  #conditions: readonly string[] | undefined
  #tape: string | undefined
  /** Prices of the message at hand: doubles are not boxed here. */
  readonly #prices = new Float64Array(5)
  #receivedAt = 0
  readonly #tradeFlags: number
  // Of the last message of crypto.
  #id: TradeId | undefined
  #taker: Side | undefined
  #bids: readonly Level[] = NO_LEVELS
  #asks: readonly Level[] = NO_LEVELS
  /** Of the last `#levels`. */
  #levelsRead: readonly Level[] = NO_LEVELS

  constructor(reading: Reading) {
    this.#reading = reading
    this.#tradeFlags = tradeFlagsOf(reading)
    this.#symbols = new WantedSymbols(reading.interest, symbolOf)
    this.#message = new ScannedMessage(this.#scanner)
  }

  decode(frame: Uint8Array, _binary: boolean, receivedAt: number, inbox: Inbox): void {
    const scanner = this.#scanner
    this.#receivedAt = receivedAt
    if (!scanner.at(frame)) {
      this.#parse(frame, 0, inbox)
      return
    }
    this.#symbols.refresh()
    let pos = scanner.space(0)
    if (BYTES[pos] !== OPEN_LIST) {
      this.#parse(frame, 0, inbox)
      return
    }
    pos = scanner.space(pos + 1)
    if (BYTES[pos] === CLOSE_LIST && scanner.space(pos + 1) === frame.length) return
    for (;;) {
      const start = pos
      pos = this.#read(start)
      if (pos < 0) {
        this.#parse(frame, start, inbox)
        return
      }
      if (BYTES[pos] === COMMA && BYTES[pos + 1] === OPEN_MAP) {
        pos++
        continue
      }
      pos = scanner.space(pos)
      if (BYTES[pos] === COMMA) pos = scanner.space(pos + 1)
      else if (BYTES[pos] === CLOSE_LIST && scanner.space(pos + 1) === frame.length) break
      else {
        this.#parse(frame, 0, inbox)
        return
      }
    }
    this.#held.deliver(inbox)
  }

  /** One message, into what is held; the place behind it, or a surprise. */
  #read(pos: number): number {
    let next = SURPRISE
    // {"T":"q",
    const type = VIEW.getInt32(pos + 4, true)
    const isUsual =
      VIEW.getInt32(pos, true) === 0x2254227b &&
      (type & 0xff00ffff) === 0x2200223a &&
      BYTES[pos + 8] === COMMA
    if (isUsual) {
      switch ((type >>> 16) & 0xff) {
        case 0x71: // q
          next = this.#quote(pos + 9)
          break
        case 0x74: // t
          next = this.#trade(pos + 9)
          break
        case 0x62: // b
        case 0x64: // d
        case 0x75: // u
          next = this.#bar(pos + 9, BYTES[pos + 6]!)
          break
        case 0x6f: // o
          next = this.#book(pos + 9)
          break
      }
    }
    return next > 0 ? next : this.#any(pos)
  }

  #trade(pos: number): number {
    const scanner = this.#scanner
    let id = -1
    // "i":1,"S":"AAPL" or "S":"AAPL","i":1
    const idFirst = VIEW.getInt32(pos, true) === 0x3a226922
    if (idFirst) {
      pos = this.#integer(pos + 4)
      if (pos < 0 || BYTES[pos] !== COMMA) return SURPRISE
      id = this.#value
      pos++
    }
    if (VIEW.getInt32(pos, true) !== 0x3a225322) return SURPRISE
    pos = this.#symbols.read(pos + 4, scanner)
    if (pos < 0) return SURPRISE
    const { slot } = this.#symbols
    if ((this.#symbols.mask(slot) & TRADE) === 0) return pastMap(pos, scanner.end)
    if (!idFirst) {
      if (VIEW.getInt32(pos, true) !== 0x2269222c || BYTES[pos + 4] !== COLON) {
        return this.#coinTrade(pos, slot)
      }
      pos = this.#integer(pos + 5)
      if (pos < 0) return SURPRISE
      id = this.#value
    }
    if (id > Number.MAX_SAFE_INTEGER || id !== Math.floor(id)) return SURPRISE
    // ,"x":"V","p":1.5,"s":100
    if (
      VIEW.getInt32(pos, true) !== 0x2278222c ||
      VIEW.getInt32(pos + 2, true) !== 0x223a2278 ||
      VIEW.getInt32(pos + 7, true) !== 0x70222c22 ||
      VIEW.getInt32(pos + 9, true) !== 0x3a227022
    ) {
      return SURPRISE
    }
    const exchange = CHARS[BYTES[pos + 6]!]
    pos = scanner.number(pos + 13)
    if (pos < 0 || VIEW.getInt32(pos, true) !== 0x2273222c || BYTES[pos + 4] !== COLON)
      return SURPRISE
    const price = OUT[0]!
    pos = this.#integer(pos + 5)
    if (pos < 0) return SURPRISE
    const size = this.#value
    pos = this.#tail(pos)
    if (pos < 0 || exchange === undefined || !(price > 0 && price < Infinity)) return SURPRISE
    this.#prices[0] = price
    const from = exchange === ' ' ? undefined : exchange
    this.#add(ADD_TRADE, this.#symbols.symbols[slot]!, size, id, from, undefined)
    return pos
  }

  #quote(pos: number): number {
    const scanner = this.#scanner
    if (VIEW.getInt32(pos, true) !== 0x3a225322) return SURPRISE
    pos = this.#symbols.read(pos + 4, scanner)
    if (pos < 0) return SURPRISE
    const { slot } = this.#symbols
    if ((this.#symbols.mask(slot) & QUOTES) === 0) return pastMap(pos, scanner.end)
    const behind = this.#side(pos, true)
    if (behind < 0) return this.#coinQuote(pos, slot)
    pos = behind
    const bidSize = this.#value
    const bidExchange = this.#exchange
    pos = this.#side(pos, false)
    if (pos < 0) return SURPRISE
    const askSize = this.#value
    const askExchange = this.#exchange
    pos = this.#tail(pos)
    if (pos < 0) return SURPRISE
    const bid = this.#prices[0]!
    const ask = this.#prices[1]!
    if (!(bid >= 0 && bid < Infinity && ask >= 0 && ask < Infinity)) return SURPRISE
    const symbol = this.#symbols.symbols[slot]!
    this.#add(ADD_QUOTE, symbol, bidSize, askSize, bidExchange, askExchange)
    return pos
  }

  /** A trade of crypto, from behind its symbol: price and size first, then time, id and the taker's side. */
  #coinTrade(pos: number, slot: number): number {
    const scanner = this.#scanner
    // ,"p":1.5,"s":0.25
    if (VIEW.getInt32(pos, true) !== 0x2270222c || BYTES[pos + 4] !== COLON) return SURPRISE
    pos = scanner.number(pos + 5)
    if (pos < 0) return SURPRISE
    const price = OUT[0]!
    if (VIEW.getInt32(pos, true) !== 0x2273222c || BYTES[pos + 4] !== COLON) return SURPRISE
    pos = scanner.number(pos + 5)
    if (pos < 0) return SURPRISE
    const size = OUT[0]! + 0
    if (!isLevel(price, size)) return SURPRISE
    this.#id = undefined
    this.#taker = undefined
    let timed = false
    while (BYTES[pos] === COMMA) {
      const key = VIEW.getInt32(pos, true)
      if (key === 0x6b74222c) {
        // ,"tks":"S"
        if (VIEW.getInt32(pos + 4, true) !== 0x223a2273 || BYTES[pos + 9] !== QUOTE) return SURPRISE
        const letter = CHARS[BYTES[pos + 8]!]
        if (letter === undefined) return SURPRISE
        this.#taker = takerOf(letter)
        pos += 10
      } else if (BYTES[pos + 4] !== COLON) return SURPRISE
      else if (key === 0x2274222c) {
        pos = scanner.time(pos + 5)
        timed = true
      } else if (key === 0x2269222c) pos = this.#longId(pos + 5)
      else return SURPRISE
      if (pos < 0) return SURPRISE
    }
    if (!timed || BYTES[pos] !== CLOSE_MAP) return SURPRISE
    this.#prices[0] = price
    this.#prices[1] = size
    this.#add(ADD_COIN_TRADE, this.#symbols.symbols[slot]!, 0, 0, undefined, undefined)
    return pos + 1
  }

  /** An id of any length, in `#id`: beyond 2^53 its digits. */
  #longId(start: number): number {
    let pos = start
    while (pos - start < 21 && BYTES[pos]! >= 0x30 && BYTES[pos]! <= 0x39) pos++
    // Anything but plain digits, and none that begin with 0 but 0 itself.
    if (pos === start || (BYTES[pos] !== COMMA && BYTES[pos] !== CLOSE_MAP)) return SURPRISE
    if (BYTES[start] === 0x30 && pos - start > 1) return SURPRISE
    const digits = TEXT.toString('latin1', start, pos)
    if (digits.length >= 17 && digits.length <= 19) {
      // More than 2^53 has, and fewer than 2^64.
      this.#id = digits
      return pos
    }
    const value = Number(digits)
    this.#id = Number.isSafeInteger(value) ? value : longId(digits)
    return this.#id === undefined ? SURPRISE : pos
  }

  /** A quote of crypto, from behind its symbol: no exchanges. */
  #coinQuote(pos: number, slot: number): number {
    pos = this.#coinSide(pos, true)
    if (pos < 0) return SURPRISE
    const bidSize = this.#value
    pos = this.#coinSide(pos, false)
    if (pos < 0) return SURPRISE
    const askSize = this.#value
    pos = this.#tail(pos)
    if (pos < 0) return SURPRISE
    const bid = this.#prices[0]!
    const ask = this.#prices[1]!
    if (!(bid >= 0 && bid < Infinity && ask >= 0 && ask < Infinity)) return SURPRISE
    this.#add(ADD_QUOTE, this.#symbols.symbols[slot]!, bidSize, askSize, undefined, undefined)
    return pos
  }

  /** `,"bp":0.35718,"bs":13445.46` or the same with `a`: into `#prices` and `#value`. */
  #coinSide(pos: number, isBid: boolean): number {
    const scanner = this.#scanner
    if (
      VIEW.getInt32(pos, true) !== (isBid ? 0x7062222c : 0x7061222c) ||
      VIEW.getInt32(pos + 2, true) !== (isBid ? 0x3a227062 : 0x3a227061)
    ) {
      return SURPRISE
    }
    pos = scanner.number(pos + 6)
    if (
      pos < 0 ||
      VIEW.getInt32(pos, true) !== (isBid ? 0x7362222c : 0x7361222c) ||
      VIEW.getInt32(pos + 2, true) !== (isBid ? 0x3a227362 : 0x3a227361)
    ) {
      return SURPRISE
    }
    this.#prices[isBid ? 0 : 1] = OUT[0]!
    pos = scanner.number(pos + 6)
    this.#value = OUT[0]! + 0
    return pos > 0 && this.#value >= 0 && this.#value < Infinity ? pos : SURPRISE
  }

  /** A book: symbol, then time, bids, asks and whether it is a snapshot, in any order. */
  #book(pos: number): number {
    const scanner = this.#scanner
    if (VIEW.getInt32(pos, true) !== 0x3a225322) return SURPRISE
    pos = this.#symbols.read(pos + 4, scanner)
    if (pos < 0) return SURPRISE
    const { slot } = this.#symbols
    // Skipping one takes a look at all of its braces.
    if ((this.#symbols.mask(slot) & BOOKS) === 0) return SURPRISE
    let bids = NO_LEVELS
    let asks = NO_LEVELS
    let snapshot = false
    let timed = false
    while (BYTES[pos] === COMMA) {
      if (BYTES[pos + 4] !== COLON) return SURPRISE
      switch (VIEW.getInt32(pos, true)) {
        case 0x2274222c: // t
          pos = scanner.time(pos + 5)
          timed = true
          break
        case 0x2262222c: // b
          pos = this.#levels(pos + 5)
          bids = this.#levelsRead
          break
        case 0x2261222c: // a
          pos = this.#levels(pos + 5)
          asks = this.#levelsRead
          break
        case 0x2272222c: // r
          snapshot = VIEW.getInt32(pos + 5, true) === 0x65757274
          if (!snapshot) return SURPRISE
          pos += 9
          break
        default:
          return SURPRISE
      }
      if (pos < 0) return SURPRISE
    }
    if (!timed || BYTES[pos] !== CLOSE_MAP) return SURPRISE
    this.#bids = snapshot ? standing(bids) : bids
    this.#asks = snapshot ? standing(asks) : asks
    const symbol = this.#symbols.symbols[slot]!
    this.#add(ADD_BOOK, symbol, snapshot ? 1 : 0, 0, undefined, undefined)
    return pos + 1
  }

  /** `[{"p":71859.53,"s":0.27994},…]`, in `#levelsRead`. */
  #levels(pos: number): number {
    const scanner = this.#scanner
    if (BYTES[pos] !== OPEN_LIST) return SURPRISE
    pos++
    if (BYTES[pos] === CLOSE_LIST) {
      this.#levelsRead = NO_LEVELS
      return pos + 1
    }
    const levels: Level[] = []
    for (;;) {
      if (VIEW.getInt32(pos, true) !== 0x2270227b || BYTES[pos + 4] !== COLON) return SURPRISE
      pos = scanner.number(pos + 5)
      if (pos < 0) return SURPRISE
      const price = OUT[0]!
      if (VIEW.getInt32(pos, true) !== 0x2273222c || BYTES[pos + 4] !== COLON) return SURPRISE
      pos = scanner.number(pos + 5)
      if (pos < 0 || BYTES[pos] !== CLOSE_MAP) return SURPRISE
      const size = OUT[0]! + 0
      if (!isLevel(price, size)) return SURPRISE
      levels.push([price, size])
      pos++
      if (BYTES[pos] === COMMA) pos++
      else if (BYTES[pos] === CLOSE_LIST) break
      else return SURPRISE
    }
    this.#levelsRead = levels
    return pos + 1
  }

  /** `,"bx":"U","bp":87.66,"bs":1` or the same with `a`: into `#exchange`, `#prices` and `#value`. */
  #side(pos: number, isBid: boolean): number {
    const scanner = this.#scanner
    if (
      VIEW.getInt32(pos, true) !== (isBid ? 0x7862222c : 0x7861222c) ||
      VIEW.getInt32(pos + 3, true) !== 0x223a2278 ||
      VIEW.getInt32(pos + 8, true) !== (isBid ? 0x62222c22 : 0x61222c22) ||
      VIEW.getInt32(pos + 11, true) !== (isBid ? 0x3a227062 : 0x3a227061)
    ) {
      return SURPRISE
    }
    const exchange = CHARS[BYTES[pos + 7]!]
    if (exchange === undefined) return SURPRISE
    this.#exchange = exchange === ' ' ? undefined : exchange
    pos = scanner.number(pos + 15)
    if (
      pos < 0 ||
      VIEW.getInt32(pos, true) !== (isBid ? 0x7362222c : 0x7361222c) ||
      VIEW.getInt32(pos + 2, true) !== (isBid ? 0x3a227362 : 0x3a227361)
    ) {
      return SURPRISE
    }
    this.#prices[isBid ? 0 : 1] = OUT[0]!
    return this.#integer(pos + 6)
  }

  /** Behind the sizes: `c` and `z` perhaps, `t` for sure, then the end. Into `#conditions`, `#tape` and as `time`. */
  #tail(pos: number): number {
    const scanner = this.#scanner
    let conditions: readonly string[] | undefined
    let tape: string | undefined
    let timed = false
    while (BYTES[pos] === COMMA) {
      if (BYTES[pos + 4] !== COLON) return SURPRISE
      const key = VIEW.getInt32(pos, true)
      if (key === 0x2263222c) {
        pos = scanner.list(pos + 5)
        conditions = scanner.strings
      } else if (key === 0x227a222c) {
        tape = CHARS[BYTES[pos + 6]!]
        if (tape === undefined || BYTES[pos + 5] !== QUOTE || BYTES[pos + 7] !== QUOTE)
          return SURPRISE
        pos += 8
      } else if (key === 0x2274222c) {
        pos = scanner.time(pos + 5)
        timed = true
      } else return SURPRISE
      if (pos < 0) return SURPRISE
    }
    if (!timed || BYTES[pos] !== CLOSE_MAP) return SURPRISE
    this.#conditions = conditions !== undefined && conditions.length > 0 ? conditions : undefined
    this.#tape = tape === ' ' ? undefined : tape
    return pos + 1
  }

  /**
   * Events are made in functions of their own, all called from here: a call that goes to several functions is not
   * inlined, so that each is compiled by itself, and the constructor into it (measured: 30 ns an event).
   */
  #add(
    which: number,
    symbol: string,
    first: number,
    second: number,
    exchange: string | undefined,
    other: string | undefined,
  ): void {
    ADDERS[which]!(this, symbol, first, second, exchange, other)
  }

  static {
    ADDERS[ADD_QUOTE] = (scanner, symbol, bidSize, askSize, bidExchange, askExchange) =>
      scanner.#addQuote(symbol, bidSize, askSize, bidExchange, askExchange)
    ADDERS[ADD_TRADE] = (scanner, symbol, size, id, exchange) =>
      scanner.#addTrade(symbol, size, id, exchange)
    ADDERS[ADD_BAR] = (scanner, symbol, type, count) => scanner.#addBar(symbol, type, count)
    ADDERS[ADD_COIN_TRADE] = (scanner, symbol) => scanner.#addCoinTrade(symbol)
    ADDERS[ADD_BOOK] = (scanner, symbol, snapshot) => scanner.#addBook(symbol, snapshot === 1)
  }

  #addQuote(
    symbol: string,
    bidSize: number,
    askSize: number,
    bidExchange: string | undefined,
    askExchange: string | undefined,
  ): void {
    const { source, flags } = this.#reading
    const bid = this.#prices[0]!
    const ask = this.#prices[1]!
    this.#held.event(
      new Quote(
        symbol,
        source,
        OUT[1]!,
        this.#scanner.nanos,
        this.#receivedAt,
        flags,
        bid > 0 ? bid : undefined,
        bid > 0 ? bidSize : undefined,
        ask > 0 ? ask : undefined,
        ask > 0 ? askSize : undefined,
        bidExchange,
        askExchange,
        this.#conditions,
        this.#tape,
      ),
    )
  }

  #addTrade(symbol: string, size: number, id: number, exchange: string | undefined): void {
    this.#held.event(
      new Trade(
        symbol,
        this.#reading.source,
        OUT[1]!,
        this.#scanner.nanos,
        this.#receivedAt,
        this.#tradeFlags,
        this.#prices[0]!,
        size,
        id,
        exchange,
        this.#conditions,
        this.#tape,
        undefined,
      ),
    )
  }

  #addCoinTrade(symbol: string): void {
    this.#held.event(
      new Trade(
        symbol,
        this.#reading.source,
        OUT[1]!,
        this.#scanner.nanos,
        this.#receivedAt,
        this.#tradeFlags,
        this.#prices[0]!,
        this.#prices[1]!,
        this.#id,
        undefined,
        undefined,
        undefined,
        this.#taker,
      ),
    )
  }

  #addBook(symbol: string, snapshot: boolean): void {
    const { source, flags } = this.#reading
    this.#held.event(
      new Book(
        symbol,
        source,
        OUT[1]!,
        this.#scanner.nanos,
        this.#receivedAt,
        flags,
        this.#bids,
        this.#asks,
        snapshot,
        undefined,
        undefined,
      ),
    )
  }

  #bar(pos: number, type: number): number {
    const scanner = this.#scanner
    if (VIEW.getInt32(pos, true) !== 0x3a225322) return SURPRISE
    pos = this.#symbols.read(pos + 4, scanner)
    if (pos < 0) return SURPRISE
    const { slot } = this.#symbols
    if ((this.#symbols.mask(slot) & BARS) === 0) return pastMap(pos, scanner.end)
    // ,"o":388.9,"h":389.1,"l":388.9,"c":389.1,"v":49378
    if (VIEW.getInt32(pos, true) !== 0x226f222c || BYTES[pos + 4] !== COLON) return SURPRISE
    pos = scanner.number(pos + 5)
    if (pos < 0) return SURPRISE
    const open = OUT[0]!
    if (VIEW.getInt32(pos, true) !== 0x2268222c || BYTES[pos + 4] !== COLON) return SURPRISE
    pos = scanner.number(pos + 5)
    if (pos < 0) return SURPRISE
    const high = OUT[0]!
    if (VIEW.getInt32(pos, true) !== 0x226c222c || BYTES[pos + 4] !== COLON) return SURPRISE
    pos = scanner.number(pos + 5)
    if (pos < 0) return SURPRISE
    const low = OUT[0]!
    if (VIEW.getInt32(pos, true) !== 0x2263222c || BYTES[pos + 4] !== COLON) return SURPRISE
    pos = scanner.number(pos + 5)
    if (pos < 0) return SURPRISE
    const close = OUT[0]!
    if (VIEW.getInt32(pos, true) !== 0x2276222c || BYTES[pos + 4] !== COLON) return SURPRISE
    pos = this.#integer(pos + 5)
    if (pos < 0) return SURPRISE
    const volume = this.#value
    let count = -1
    let vwap = 0
    let timed = false
    while (BYTES[pos] === COMMA) {
      const key = VIEW.getInt32(pos, true)
      if (key === 0x7776222c && VIEW.getInt32(pos + 2, true) === 0x3a227776) {
        pos = scanner.number(pos + 6)
        vwap = OUT[0]!
      } else if (BYTES[pos + 4] !== COLON) return SURPRISE
      else if (key === 0x226e222c) {
        pos = this.#integer(pos + 5)
        count = this.#value
      } else if (key === 0x2274222c) {
        pos = scanner.time(pos + 5)
        timed = true
      } else return SURPRISE
      if (pos < 0) return SURPRISE
    }
    if (BYTES[pos] !== CLOSE_MAP || !timed) return SURPRISE
    if (!(open > 0 && high > 0 && low > 0 && close > 0 && vwap >= 0)) return SURPRISE
    if (!(open + high + low + close + vwap < Infinity)) return SURPRISE
    const prices = this.#prices
    prices[0] = open
    prices[1] = high
    prices[2] = low
    prices[3] = close
    prices[4] = vwap
    this.#value = volume
    this.#add(ADD_BAR, this.#symbols.symbols[slot]!, type, count, undefined, undefined)
    return pos + 1
  }

  #addBar(symbol: string, type: number, count: number): void {
    const { source, flags } = this.#reading
    const prices = this.#prices
    const vwap = prices[4]!
    this.#held.event(
      new Bar(
        symbol,
        source,
        OUT[1]!,
        this.#scanner.nanos,
        this.#receivedAt,
        flags,
        type === DAY ? '1d' : '1m',
        prices[0]!,
        prices[1]!,
        prices[2]!,
        prices[3]!,
        this.#value,
        vwap > 0 ? vwap : undefined,
        count < 0 ? undefined : count,
        type !== DAY,
        type === UPDATE ? 1 : 0,
        undefined,
      ),
    )
  }

  /** 0 or more, in `#value`; mostly a short integer. */
  #integer(pos: number): number {
    const next = this.#scanner.small(pos)
    this.#value = this.#scanner.integer
    return next > 0 ? next : this.#longSize(pos)
  }

  #longSize(start: number): number {
    const pos = this.#scanner.number(start)
    if (pos < 0) return SURPRISE
    const value = OUT[0]!
    // A double that JSON writes as -0 is 0.
    this.#value = value + 0
    return value >= 0 && value < Infinity ? pos : SURPRISE
  }

  /** A message of any kind with its keys in any order. */
  #any(start: number): number {
    const message = this.#message
    const end = message.at(start)
    if (end < 0) return SURPRISE
    const type = message.text('T')
    if (type === undefined) {
      this.#held.malformed('a message without T')
    } else if (DATA.has(type)) {
      message.fault = undefined
      const event = readData(type, message, this.#reading, this.#receivedAt)
      if (event) this.#held.event(event)
      else if (message.fault !== undefined) this.#held.malformed(`${type}: ${message.fault}`)
    } else if (CONTROLS.has(type)) this.#control(type, start, end)
    else this.#held.unknown(kindName(type))
    return end
  }

  #control(type: string, start: number, end: number): void {
    const { list } = parseJson(BYTES.subarray(start, end), '[', ']') as Parsed
    const control = readControl(type, list[0] as Record<string, unknown>, this.#reading.feed)
    if (control) this.#held.control(control)
    else this.#held.unknown(kindName(type))
  }

  /** The frame from a message on (0: all of it) through `JSON.parse`, which judges what is wrong with it. */
  #parse(frame: Uint8Array, start: number, inbox: Inbox): void {
    this.fallbacks++
    // Only what begins a message can stand behind a bracket; all before it is known to be sound.
    const whole = start === 0 || frame[start] !== OPEN_MAP
    const parsed = whole ? parseJson(frame) : parseJson(frame.subarray(start), '[')
    if (whole || typeof parsed === 'string') this.#held.drop()
    if (typeof parsed === 'string') {
      inbox.malformed(parsed)
      return
    }
    readMessages(parsed, this.#reading, this.#receivedAt, this.#held)
    this.#held.deliver(inbox)
  }
}

const DAY = 0x64
const UPDATE = 0x75
