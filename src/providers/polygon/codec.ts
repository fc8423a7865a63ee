/**
 * Frames to events, straight from the bytes. Trades, quotes, bars and rates are read by hand, as they are nearly all of
 * the traffic, in the orders of keys that Polygon documents or was seen to send; a key and what is around it is
 * compared as a word or two of four bytes, little end first (0x2270222c is `,"p"`). Anything else, or anything odd, goes
 * key by key through the kit; what that finds odd, with the rest of the frame through `JSON.parse`. All three give the
 * same events: a test holds them against the plain decoder.
 *
 * The checks that make a message an event are those of messages.ts; where one fails here, the message is read again
 * by that.
 *
 * Codes of one and two digits are read in place, again and again, and all of it in one class: read by one method they cost 6 to
 * 9 % of a message, spread over classes by kind 10 % (measured, 1 and 64 messages a frame).
 */
import { asciiText } from '../../base/interner.ts'
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
import { Bar, Quote, type Side, Trade, type TradeId } from '../../market/events.ts'
import { CodeLists } from './code-lists.ts'
import { readSymbol } from './markets.ts'
import {
  DATA,
  decimalOf,
  exchangeOf,
  idOf,
  kindName,
  type Reading,
  readData,
  readStatus,
  takerOf,
  tapeOf,
} from './messages.ts'
import { type Parsed, parseJson, readMessages } from './plain.ts'
import { ScannedMessage } from './scanned.ts'

const { bytes: BYTES, view: VIEW, out: OUT } = scratch
const TRADE = KIND_BIT.trade
const QUOTES = KIND_BIT.quote
const BARS = KIND_BIT.bar

/** Makes one kind of event of what has been read; the arguments are those of the method it calls. */
type Adder = (
  scanner: PolygonDecoder,
  symbol: string,
  exchange: string | undefined,
  other: string | undefined,
  tape: string | undefined,
) => void

const ADDERS: Adder[] = []
const ADD_QUOTE = 0
const ADD_TRADE = 1
const ADD_SECOND = 2
const ADD_MINUTE = 3

/** Codes of exchanges and tapes below this are kept as texts. */
const MOST_CODES = 1_000
const EXCHANGES = Array.from({ length: MOST_CODES }, (_, code) => (code ? String(code) : undefined))
const TAPES = EXCHANGES.map(tapeOf)
/** Lists of one condition. */
const SINGLES = EXCHANGES.map(code => (code === undefined ? undefined : Object.freeze([code])))
/** By their first two bytes: codes of one digit and what may stand behind it, and of two; the length in two bits. */
const SHORT_CODES = new Uint16Array(65_536)
for (let code = 0; code < 100; code++) {
  const text = String(code)
  const behind = code < 10 ? [COMMA, CLOSE_MAP] : [text.charCodeAt(1)]
  for (const second of behind) {
    SHORT_CODES[text.charCodeAt(0) | (second << 8)] = (code << 2) | text.length
  }
}

/** Decodes the frames of all clusters. */
export class PolygonDecoder implements Decoder {
  /** How often `JSON.parse` had to help; rises with what the venue does not document. */
  fallbacks = 0
  readonly #reading: Reading
  readonly #scanner = new Scanner()
  readonly #symbols: WantedSymbols
  readonly #message: ScannedMessage
  readonly #codes = new CodeLists()
  readonly #facilities = new Map<number, string>()
  readonly #held = new Held()
  readonly #isCrypto: boolean
  readonly #hasVolumes: boolean
  /** No status has come in the frame at hand. */
  #isSettled = true
  #receivedAt = 0
  /** Prices of the message at hand: doubles are not boxed here. */
  readonly #values = new Float64Array(5)
  // Of the last message.
  #id: TradeId | undefined
  #conditions: readonly string[] | undefined
  #side: Side | undefined
  #exact = -1
  #facilityId = 0
  /** Of the last `#amount`. */
  #size = 0
  #bidSize = 0
  #askSize = 0
  /** Of the last `#smallCode`. */
  #code = 0

  constructor(reading: Reading) {
    this.#reading = reading
    const { market } = reading
    this.#symbols = new WantedSymbols(reading.interest, text => readSymbol(text, market))
    this.#message = new ScannedMessage(this.#scanner)
    this.#isCrypto = market.name === 'crypto'
    this.#hasVolumes = market.volumes
  }

  decode(frame: Uint8Array, _binary: boolean, receivedAt: number, inbox: Inbox): void {
    const scanner = this.#scanner
    this.#receivedAt = receivedAt
    if (!scanner.at(frame)) {
      this.#parse(frame, 0, inbox)
      return
    }
    this.#symbols.refresh()
    let pos = 1
    if (BYTES[0] !== OPEN_LIST || BYTES[1] !== OPEN_MAP) {
      pos = scanner.space(0)
      if (BYTES[pos] !== OPEN_LIST) {
        this.#parse(frame, 0, inbox)
        return
      }
      pos = scanner.space(pos + 1)
      if (BYTES[pos] === CLOSE_LIST && scanner.space(pos + 1) === frame.length) return
    }
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
      if (BYTES[pos] === CLOSE_LIST && pos + 1 === frame.length) break
      pos = scanner.space(pos)
      if (BYTES[pos] === COMMA) pos = scanner.space(pos + 1)
      else if (BYTES[pos] === CLOSE_LIST && scanner.space(pos + 1) === frame.length) break
      else {
        this.#parse(frame, 0, inbox)
        return
      }
    }
    this.#held.deliver(inbox)
    if (!this.#isSettled) this.#settle(inbox)
  }

  #settle(inbox: Inbox): void {
    this.#isSettled = true
    this.#reading.statuses.settle(inbox)
  }

  /** One message, into what is held; the place behind it, or a surprise. */
  #read(pos: number): number {
    let next = SURPRISE
    // {"ev":"
    const isUsual =
      VIEW.getInt32(pos, true) === 0x7665227b &&
      (VIEW.getInt32(pos + 4, true) & 0xffffff) === 0x223a22
    if (isUsual) {
      switch (VIEW.getInt32(pos + 7, true)) {
        case 0x222c2251: // Q",
          next = this.#quote(this.#symbol(pos + 10))
          break
        case 0x222c2254: // T",
          next = this.#trade(this.#symbol(pos + 10))
          break
        case 0x222c2241: // A",
          next = this.#bar(this.#symbol(pos + 10), ADD_SECOND)
          break
        case 0x2c224d41: // AM",
          next = this.#bar(this.#symbol(pos + 11), ADD_MINUTE)
          break
        case 0x2c225158: // XQ",
          next = this.#quote(this.#pair(pos + 11))
          break
        case 0x2c225458: // XT",
          next = this.#trade(this.#pair(pos + 11))
          break
        case 0x222c2243: // C",
          // "p":
          if (VIEW.getInt32(pos + 10, true) === 0x3a227022) {
            next = this.#rate(this.#symbols.read(pos + 14, this.#scanner))
          }
          break
        case 0x2c224158: // XA",
        case 0x2c224143: // CA",
          next = this.#bar(this.#pair(pos + 11), ADD_MINUTE)
          break
        case 0x22534158: // XAS"
        case 0x22534143: // CAS"
          if (BYTES[pos + 11] === COMMA) next = this.#bar(this.#pair(pos + 12), ADD_SECOND)
          break
      }
    }
    return next > 0 ? next : this.#any(pos)
  }

  /** From behind the symbol; keys in any order. */
  #trade(pos: number): number {
    if (pos < 0) return SURPRISE
    const scanner = this.#scanner
    const { slot } = this.#symbols
    if ((this.#symbols.mask(slot) & TRADE) === 0) return pastMap(pos, scanner.end)
    let price = 0
    let size = -1
    let exchange = 0
    let tape = 0
    let isTimed = false
    this.#exact = -1
    this.#facilityId = 0
    this.#id = undefined
    this.#conditions = undefined
    // One round takes the keys in the documented order; as many as it takes, any other.
    for (;;) {
      const start = pos
      if (VIEW.getInt32(pos, true) === 0x2278222c && BYTES[pos + 4] === COLON) {
        const entry = SHORT_CODES[VIEW.getUint16(pos + 5, true)]!
        const next = pos + 5 + (entry & 3)
        if (entry !== 0 && BYTES[next] === COMMA) {
          exchange = entry >>> 2
          pos = next
        } else {
          pos = this.#smallCode(pos + 5)
          if (pos < 0) return SURPRISE
          exchange = this.#code
        }
      }
      if (VIEW.getInt32(pos, true) === 0x2269222c && BYTES[pos + 4] === COLON) {
        pos = this.#tradeId(pos + 5)
        if (pos < 0) return SURPRISE
      }
      if (VIEW.getInt32(pos, true) === 0x227a222c && BYTES[pos + 4] === COLON) {
        tape = BYTES[pos + 5]! ^ ZERO
        if (tape <= 9 && (BYTES[pos + 6] === COMMA || BYTES[pos + 6] === CLOSE_MAP)) pos += 6
        else {
          pos = this.#smallCode(pos + 5)
          if (pos < 0) return SURPRISE
          tape = this.#code
        }
      }
      if (VIEW.getInt32(pos, true) === 0x2270222c && BYTES[pos + 4] === COLON) {
        pos = scanner.number(pos + 5)
        if (pos < 0) return SURPRISE
        price = OUT[0]!
      }
      if (VIEW.getInt32(pos, true) === 0x2273222c && BYTES[pos + 4] === COLON) {
        pos = this.#amount(pos + 5)
        if (pos < 0) return SURPRISE
        size = this.#size
      }
      if (VIEW.getInt32(pos, true) === 0x2263222c && BYTES[pos + 4] === COLON) {
        pos = this.#conditionsAt(pos + 5)
        if (pos < 0) return SURPRISE
      }
      if (VIEW.getInt32(pos, true) === 0x2274222c && BYTES[pos + 4] === COLON) {
        pos = scanner.millis(pos + 5)
        if (pos < 0) return SURPRISE
        isTimed = true
      }
      if (VIEW.getInt32(pos, true) === 0x7470222c && VIEW.getInt16(pos + 4, true) === 0x3a22) {
        pos = scanner.pastDigits(pos + 6)
        if (pos < 0) return SURPRISE
      }
      // q, and r of crypto
      const key = VIEW.getInt32(pos, true)
      if ((key === 0x2271222c || key === 0x2272222c) && BYTES[pos + 4] === COLON) {
        pos = scanner.pastDigits(pos + 5)
        if (pos < 0) return SURPRISE
      }
      if (BYTES[pos] === CLOSE_MAP) break
      if (pos > start) continue
      pos = this.#rareOfTrade(pos)
      if (pos < 0) return SURPRISE
    }
    if (!isTimed || !(price > 0 && price < Infinity)) return SURPRISE
    if (this.#exact >= 0) size = this.#exact
    if (!(size >= 0 && size < Infinity)) return SURPRISE
    this.#values[0] = price
    this.#size = size
    this.#side = this.#isCrypto ? takerOf(this.#conditions) : undefined
    const facility = this.#facilityId
    const from = facility === 0 ? EXCHANGES[exchange] : this.#facility(exchange, facility)
    this.#add(ADD_TRADE, this.#symbols.symbols[slot]!, from, undefined, TAPES[tape])
    return pos + 1
  }

  /** `ds`, `trfi` or `trft` of a trade. */
  #rareOfTrade(pos: number): number {
    const key = VIEW.getInt32(pos, true)
    if (key === 0x7364222c && VIEW.getInt16(pos + 4, true) === 0x3a22) {
      pos = this.#exactSize(pos + 6)
      this.#exact = OUT[0]!
      return pos
    }
    if (key !== 0x7274222c) return SURPRISE
    const rest = VIEW.getInt32(pos + 4, true)
    if (rest === 0x3a226966) {
      pos = this.#scanner.small(pos + 8)
      this.#facilityId = this.#scanner.integer
      return pos
    }
    return rest === 0x3a227466 ? this.#scanner.pastDigits(pos + 8) : SURPRISE
  }

  /** From behind the symbol; the two sides in the documented order, then keys in any. */
  #quote(pos: number): number {
    if (pos < 0) return SURPRISE
    const scanner = this.#scanner
    const { slot } = this.#symbols
    if ((this.#symbols.mask(slot) & QUOTES) === 0) return pastMap(pos, scanner.end)
    let bidExchange = 0
    let askExchange = 0
    // ,"bx":
    if (VIEW.getInt32(pos, true) === 0x7862222c) {
      if (VIEW.getInt16(pos + 4, true) !== 0x3a22) return SURPRISE
      const entry = SHORT_CODES[VIEW.getUint16(pos + 6, true)]!
      const next = pos + 6 + (entry & 3)
      if (entry !== 0 && BYTES[next] === COMMA) {
        bidExchange = entry >>> 2
        pos = next
      } else {
        pos = this.#smallCode(pos + 6)
        if (pos < 0) return SURPRISE
        bidExchange = this.#code
      }
    }
    pos = this.#offer(pos, 0x7062222c, 0x7362222c, 0)
    if (pos < 0) return SURPRISE
    this.#bidSize = this.#size
    // ,"ax":
    if (VIEW.getInt32(pos, true) === 0x7861222c) {
      if (VIEW.getInt16(pos + 4, true) !== 0x3a22) return SURPRISE
      const entry = SHORT_CODES[VIEW.getUint16(pos + 6, true)]!
      const next = pos + 6 + (entry & 3)
      if (entry !== 0 && BYTES[next] === COMMA) {
        askExchange = entry >>> 2
        pos = next
      } else {
        pos = this.#smallCode(pos + 6)
        if (pos < 0) return SURPRISE
        askExchange = this.#code
      }
    }
    pos = this.#offer(pos, 0x7061222c, 0x7361222c, 1)
    if (pos < 0) return SURPRISE
    this.#askSize = this.#size
    let tape = 0
    let both = 0
    let condition = 0
    let list: readonly string[] | undefined
    let indicators: readonly string[] | undefined
    let isTimed = false
    for (;;) {
      const start = pos
      if (VIEW.getInt32(pos, true) === 0x2263222c && BYTES[pos + 4] === COLON) {
        condition = 0
        list = undefined
        if (BYTES[pos + 5] === OPEN_LIST) {
          // The last list that was read is the one `behind` remembers by.
          if (indicators !== undefined) return SURPRISE
          pos = this.#codes.read(pos + 5)
          list = this.#codes.list
        } else {
          condition = BYTES[pos + 5]! ^ ZERO
          if (condition <= 9 && BYTES[pos + 6] === COMMA) pos += 6
          else {
            if (BYTES[pos + 5] === QUOTE) return SURPRISE
            pos = this.#smallCode(pos + 5)
            condition = this.#code
          }
        }
        if (pos < 0) return SURPRISE
      }
      if (VIEW.getInt32(pos, true) === 0x2269222c && BYTES[pos + 4] === COLON) {
        if (BYTES[pos + 5] !== OPEN_LIST) return SURPRISE
        pos = this.#codes.read(pos + 5)
        if (pos < 0) return SURPRISE
        indicators = this.#codes.list
      }
      if (VIEW.getInt32(pos, true) === 0x2274222c && BYTES[pos + 4] === COLON) {
        pos = scanner.millis(pos + 5)
        if (pos < 0) return SURPRISE
        isTimed = true
      }
      if (VIEW.getInt32(pos, true) === 0x2271222c && BYTES[pos + 4] === COLON) {
        pos = scanner.pastDigits(pos + 5)
        if (pos < 0) return SURPRISE
      }
      if (VIEW.getInt32(pos, true) === 0x227a222c && BYTES[pos + 4] === COLON) {
        tape = BYTES[pos + 5]! ^ ZERO
        if (tape <= 9 && (BYTES[pos + 6] === COMMA || BYTES[pos + 6] === CLOSE_MAP)) pos += 6
        else {
          pos = this.#smallCode(pos + 5)
          if (pos < 0) return SURPRISE
          tape = this.#code
        }
      }
      if (BYTES[pos] === CLOSE_MAP) break
      if (pos > start) continue
      const key = VIEW.getInt32(pos, true)
      if (key === 0x2278222c && BYTES[pos + 4] === COLON) {
        pos = this.#smallCode(pos + 5)
        both = this.#code
      } else if (key === 0x2272222c && BYTES[pos + 4] === COLON) pos = scanner.pastDigits(pos + 5)
      else if (key === 0x7274222c) {
        // trfi, trft
        const rest = VIEW.getInt32(pos + 4, true)
        if (rest !== 0x3a226966 && rest !== 0x3a227466) return SURPRISE
        pos = scanner.pastDigits(pos + 8)
      } else return SURPRISE
      if (pos < 0) return SURPRISE
    }
    if (!isTimed) return SURPRISE
    if (list !== undefined && indicators !== undefined) return SURPRISE
    this.#conditions =
      indicators === undefined && list === undefined && condition < MOST_CODES
        ? SINGLES[condition]
        : (list ?? this.#codes.behind(condition, indicators))
    this.#add(
      ADD_QUOTE,
      this.#symbols.symbols[slot]!,
      EXCHANGES[bidExchange === 0 ? both : bidExchange],
      EXCHANGES[askExchange === 0 ? both : askExchange],
      TAPES[tape],
    )
    return pos + 1
  }

  /** `,"bp":114.125,"bs":100` or the same with `a`, into `#values` and `#size`. */
  #offer(pos: number, priceKey: number, sizeKey: number, at: number): number {
    if (VIEW.getInt32(pos, true) !== priceKey || VIEW.getInt16(pos + 4, true) !== 0x3a22) {
      return SURPRISE
    }
    pos = this.#scanner.number(pos + 6)
    if (pos < 0) return SURPRISE
    const price = OUT[0]!
    if (VIEW.getInt32(pos, true) !== sizeKey || VIEW.getInt16(pos + 4, true) !== 0x3a22) {
      return SURPRISE
    }
    pos = this.#amount(pos + 6)
    if (pos < 0 || !(price >= 0 && price < Infinity)) return SURPRISE
    this.#values[at] = price
    return pos
  }

  /** A rate of two currencies, from behind the pair. */
  #rate(pos: number): number {
    if (pos < 0) return SURPRISE
    const scanner = this.#scanner
    const { slot } = this.#symbols
    if ((this.#symbols.mask(slot) & QUOTES) === 0) return pastMap(pos, scanner.end)
    let exchange = 0
    let isTimed = false
    let bid = -1
    let ask = -1
    while (BYTES[pos] === COMMA && BYTES[pos + 4] === COLON) {
      switch (VIEW.getInt32(pos, true)) {
        case 0x2278222c: // x
          pos = this.#smallCode(pos + 5)
          exchange = this.#code
          break
        case 0x2261222c: // a
          pos = scanner.number(pos + 5)
          ask = OUT[0]! + 0
          break
        case 0x2262222c: // b
          pos = scanner.number(pos + 5)
          bid = OUT[0]! + 0
          break
        case 0x2274222c: // t
          pos = scanner.millis(pos + 5)
          isTimed = true
          break
        default:
          return SURPRISE
      }
      if (pos < 0) return SURPRISE
    }
    if (BYTES[pos] !== CLOSE_MAP || !isTimed) return SURPRISE
    if (!(bid >= 0 && bid < Infinity && ask >= 0 && ask < Infinity)) return SURPRISE
    const values = this.#values
    values[0] = bid
    values[1] = ask
    this.#bidSize = -1
    this.#askSize = -1
    this.#conditions = undefined
    const from = EXCHANGES[exchange]
    this.#add(ADD_QUOTE, this.#symbols.symbols[slot]!, from, from, undefined)
    return pos + 1
  }

  /** From behind the symbol; keys in any order. */
  #bar(pos: number, which: number): number {
    if (pos < 0) return SURPRISE
    const scanner = this.#scanner
    const { slot } = this.#symbols
    if ((this.#symbols.mask(slot) & BARS) === 0) return pastMap(pos, scanner.end)
    let open = 0
    let high = 0
    let low = 0
    let close = 0
    let volume = -1
    let exact = -1
    let vwap = 0
    let isTimed = false
    while (BYTES[pos] === COMMA) {
      const key = VIEW.getInt32(pos, true)
      if (BYTES[pos + 4] === COLON) {
        switch (key) {
          case 0x2276222c: // v
            pos = this.#amount(pos + 5)
            volume = this.#size
            break
          case 0x226f222c: // o
            pos = scanner.number(pos + 5)
            open = OUT[0]!
            break
          case 0x2263222c: // c
            pos = scanner.number(pos + 5)
            close = OUT[0]!
            break
          case 0x2268222c: // h
            pos = scanner.number(pos + 5)
            high = OUT[0]!
            break
          case 0x226c222c: // l
            pos = scanner.number(pos + 5)
            low = OUT[0]!
            break
          case 0x2261222c: // a
          case 0x227a222c: // z
            pos = scanner.number(pos + 5)
            break
          case 0x2273222c: // s
            pos = scanner.millis(pos + 5)
            isTimed = true
            break
          case 0x2265222c: // e
            pos = scanner.pastDigits(pos + 5)
            break
          default:
            return SURPRISE
        }
      } else if (VIEW.getInt16(pos + 4, true) === 0x3a22) {
        switch (key) {
          case 0x7661222c: // av
          case 0x706f222c: // op
            pos = scanner.number(pos + 6)
            break
          case 0x7776222c: // vw
            pos = scanner.number(pos + 6)
            vwap = OUT[0]! + 0
            break
          case 0x7664222c: // dv
            pos = this.#exactSize(pos + 6)
            exact = OUT[0]!
            break
          default:
            return SURPRISE
        }
      } else return SURPRISE
      if (pos < 0) return SURPRISE
    }
    if (BYTES[pos] !== CLOSE_MAP || !isTimed) return SURPRISE
    if (!(open > 0 && high > 0 && low > 0 && close > 0 && vwap >= 0)) return SURPRISE
    if (!(open + high + low + close + vwap < Infinity)) return SURPRISE
    if (exact >= 0) volume = exact
    if (volume < 0) {
      if (this.#hasVolumes) return SURPRISE
      volume = 0
    }
    if (!(volume < Infinity)) return SURPRISE
    const values = this.#values
    values[0] = open
    values[1] = high
    values[2] = low
    values[3] = close
    values[4] = vwap
    this.#size = volume
    this.#add(which, this.#symbols.symbols[slot]!, undefined, undefined, undefined)
    return pos + 1
  }

  /**
   * Events are made in functions of their own, all called from here: a call that goes to several functions is not
   * inlined, so that each is compiled by itself, and the constructor into it (measured: 30 ns an event).
   */
  #add(
    which: number,
    symbol: string,
    exchange: string | undefined,
    other: string | undefined,
    tape: string | undefined,
  ): void {
    ADDERS[which]!(this, symbol, exchange, other, tape)
  }

  static {
    ADDERS[ADD_QUOTE] = (scanner, symbol, bidExchange, askExchange, tape) =>
      scanner.#addQuote(symbol, bidExchange, askExchange, tape)
    ADDERS[ADD_TRADE] = (scanner, symbol, exchange, _, tape) =>
      scanner.#addTrade(symbol, exchange, tape)
    ADDERS[ADD_SECOND] = (scanner, symbol) => scanner.#addBar(symbol, '1s')
    ADDERS[ADD_MINUTE] = (scanner, symbol) => scanner.#addBar(symbol, '1m')
  }

  #addTrade(symbol: string, exchange: string | undefined, tape: string | undefined): void {
    const { source, flags } = this.#reading
    this.#held.event(
      new Trade(
        symbol,
        source,
        OUT[1]!,
        0,
        this.#receivedAt,
        flags,
        this.#values[0]!,
        this.#size,
        this.#id,
        exchange,
        this.#conditions,
        tape,
        this.#side,
      ),
    )
  }

  #addQuote(
    symbol: string,
    bidExchange: string | undefined,
    askExchange: string | undefined,
    tape: string | undefined,
  ): void {
    const { source, flags, lot } = this.#reading
    const values = this.#values
    const bid = values[0]!
    const bidSize = this.#bidSize
    const ask = values[1]!
    const askSize = this.#askSize
    this.#held.event(
      new Quote(
        symbol,
        source,
        OUT[1]!,
        0,
        this.#receivedAt,
        flags,
        bid > 0 ? bid : undefined,
        bid > 0 && bidSize >= 0 ? (lot === 1 ? bidSize : bidSize * lot) : undefined,
        ask > 0 ? ask : undefined,
        ask > 0 && askSize >= 0 ? (lot === 1 ? askSize : askSize * lot) : undefined,
        bidExchange,
        askExchange,
        this.#conditions,
        tape,
      ),
    )
  }

  #addBar(symbol: string, interval: '1s' | '1m'): void {
    const { source, flags } = this.#reading
    const values = this.#values
    const vwap = values[4]!
    this.#held.event(
      new Bar(
        symbol,
        source,
        OUT[1]!,
        0,
        this.#receivedAt,
        flags,
        interval,
        values[0]!,
        values[1]!,
        values[2]!,
        values[3]!,
        this.#size,
        vwap > 0 ? vwap : undefined,
        undefined,
        true,
        0,
        undefined,
      ),
    )
  }

  /** `"sym":"AAPL"`, its slot in `#symbols`. */
  #symbol(pos: number): number {
    return VIEW.getInt32(pos, true) === 0x6d797322 && VIEW.getInt16(pos + 4, true) === 0x3a22
      ? this.#symbols.read(pos + 6, this.#scanner)
      : SURPRISE
  }

  /** `"pair":"BTC-USD"`, its slot in `#symbols`. */
  #pair(pos: number): number {
    return VIEW.getInt32(pos, true) === 0x69617022 && VIEW.getInt32(pos + 3, true) === 0x3a227269
      ? this.#symbols.read(pos + 7, this.#scanner)
      : SURPRISE
  }

  /** A code of an exchange, tape or condition, in `#code`: of one or two digits by a table, others by the kit. */
  #smallCode(pos: number): number {
    const entry = SHORT_CODES[VIEW.getUint16(pos, true)]!
    const next = pos + (entry & 3)
    if (entry !== 0 && (BYTES[next] === COMMA || BYTES[next] === CLOSE_MAP)) {
      this.#code = entry >>> 2
      return next
    }
    return this.#anyCode(pos)
  }

  #anyCode(pos: number): number {
    const scanner = this.#scanner
    if (BYTES[pos] === QUOTE) {
      pos = scanner.digits(pos + 1)
      if (pos < 0 || BYTES[pos] !== QUOTE || OUT[0]! >= MOST_CODES) return SURPRISE
      this.#code = OUT[0]!
      return pos + 1
    }
    pos = scanner.small(pos)
    this.#code = scanner.integer
    return this.#code < MOST_CODES ? pos : SURPRISE
  }

  /** 0 or more, in `#size`; mostly a short integer. */
  #amount(pos: number): number {
    const next = this.#scanner.small(pos)
    this.#size = this.#scanner.integer
    return next > 0 ? next : this.#longAmount(pos)
  }

  #longAmount(start: number): number {
    const pos = this.#scanner.number(start)
    if (pos < 0) return SURPRISE
    const value = OUT[0]!
    // A double that JSON writes as -0 is 0.
    this.#size = value + 0
    return value >= 0 && value < Infinity ? pos : SURPRISE
  }

  /** A decimal in quotes, 0 or more, in `out[0]`. */
  #exactSize(pos: number): number {
    const behind = this.#scanner.string(pos)
    if (behind < 0) return SURPRISE
    const value = decimalOf(asciiText(BYTES, pos + 1, behind - 1))
    if (value === undefined || !(value >= 0)) return SURPRISE
    OUT[0] = value + 0
    return behind
  }

  /** An id, in quotes or not, in `#id`. */
  #tradeId(pos: number): number {
    const scanner = this.#scanner
    if (BYTES[pos] !== QUOTE) {
      const behind = scanner.digits(pos)
      this.#id = OUT[0]!
      return behind
    }
    const behind = scanner.digits(pos + 1)
    if (behind > 0 && BYTES[behind] === QUOTE) {
      this.#id = OUT[0]!
      return behind + 1
    }
    const end = scanner.string(pos)
    if (end > 0) this.#id = idOf(asciiText(BYTES, pos + 1, end - 1))
    return end
  }

  /** Codes in a list, or one, in `#conditions`. */
  #conditionsAt(pos: number): number {
    if (BYTES[pos] === OPEN_LIST) {
      pos = this.#codes.read(pos)
      this.#conditions = this.#codes.list
      return pos
    }
    pos = this.#scanner.small(pos)
    if (pos > 0) this.#conditions = this.#codes.single(this.#scanner.integer)
    return pos
  }

  /** An exchange and a reporting facility. */
  #facility(exchange: number, facility: number): string | undefined {
    const key = exchange + facility * MOST_CODES
    const known = this.#facilities.get(key)
    if (known !== undefined) return known
    const name = exchangeOf(EXCHANGES[exchange], String(facility))
    if (name !== undefined && this.#facilities.size < MOST_CODES) this.#facilities.set(key, name)
    return name
  }

  /** A message of any kind with its keys in any order. */
  #any(start: number): number {
    const message = this.#message
    const end = message.at(start)
    if (end < 0) return SURPRISE
    const ev = message.text('ev')
    if (ev === undefined) {
      this.#held.malformed('a message without ev')
    } else if (DATA.has(ev)) {
      message.fault = undefined
      const event = readData(ev, message, this.#reading, this.#receivedAt)
      if (event) this.#held.event(event)
      else if (message.fault !== undefined) this.#held.malformed(`${ev}: ${message.fault}`)
    } else if (ev === 'status') {
      const { list } = parseJson(BYTES.subarray(start, end), '[', ']') as Parsed
      const status = list[0] as Record<string, unknown>
      this.#held.later(inbox => {
        readStatus(status, this.#reading, inbox)
        this.#isSettled = false
      })
    } else this.#held.unknown(kindName(ev))
    return end
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
    this.#settle(inbox)
  }
}

const ZERO = 0x30
