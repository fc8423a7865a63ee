/**
 * Frames to events, straight from the bytes, in the orders of keys that Binance documents. Anything else, or anything
 * odd, is read key by key through the kit, in any order; what that finds odd by `JSON.parse`. All three give the same
 * events: a test holds them against the plain decoder.
 */
import { asciiText, HASH_START, hashByte, Interner } from '../../base/interner.ts'
import { Literal } from '../../base/literal.ts'
import {
  BACKSLASH,
  CLOSE_LIST,
  CLOSE_MAP,
  COMMA,
  KeySet,
  OPEN_LIST,
  QUOTE,
  Scanner,
  SURPRISE,
} from '../../base/scanner.ts'
import { scratch } from '../../base/scratch.ts'
import type { ConnectionContext, Decoder, Inbox } from '../../feed/description.ts'
import { KIND_BIT } from '../../feed/provider.ts'
import type { Interval, Level } from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'
import { Market, type MarketRest, type Pair } from './market.ts'
import { PlainDecoder, WANTED } from './plain.ts'
import { INTERVALS } from './streams.ts'
import type { Names } from './symbols.ts'

const { bytes: BYTES, out: OUT } = scratch

const WRAPPED = new Literal('{"stream":"')
const DATA = new Literal(',"data":')
const TRADE = new Literal('{"e":"trade","E":')
const AGGREGATE = new Literal('{"e":"aggTrade","E":')
const DEPTH = new Literal('{"e":"depthUpdate","E":')
const KLINE = new Literal('{"e":"kline","E":')
const TICKER = new Literal('{"e":"24hrTicker","E":')
const QUOTES = new Literal('{"u":')
const SYMBOL = new Literal(',"s":"')
const [T, A, P, Q, F, L] = ['t', 'a', 'p', 'q', 'f', 'l'].map(key => new Literal(`,"${key}":`))
const [TIME, MAKER, IGNORED, FIRST, LAST] = ['T', 'm', 'M', 'U', 'u'].map(
  key => new Literal(`,"${key}":`),
)
const [BID, BID_SIZE, ASK, ASK_SIZE] = ['b', 'B', 'a', 'A'].map(key => new Literal(`,"${key}":`))
const CANDLE = new Literal(',"k":{"t":')
const [K_END, K_SYMBOL, K_INTERVAL] = ['T', 's', 'i'].map(key => new Literal(`,"${key}":`))
const [K_FIRST, K_LAST, K_TRADES, K_CLOSED] = ['f', 'L', 'n', 'x'].map(
  key => new Literal(`,"${key}":`),
)
/** Texts of a candle in their order; those in between are read by themselves. */
const K_PRICES = ['o', 'c', 'h', 'l', 'v'].map(key => new Literal(`,"${key}":`))
const K_REST = ['q', 'V', 'Q', 'B'].map(key => new Literal(`,"${key}":`))
const TICKER_KEYS = [...'pPwxcQbBaAohlvq'].map(key => new Literal(`,"${key}":`))
const TICKER_COUNTS = [...'OCFLn'].map(key => new Literal(`,"${key}":`))
const TRUE = new Literal('true')
const FALSE = new Literal('false')

const KEYS = new KeySet([...'eEstapqTmubBAUkPwxcQohlvin', 'stream', 'data'])
const at = (key: string) => KEYS.names.indexOf(key)
const EVENT = at('e')
const [AT_STREAM, AT_DATA] = [at('stream'), at('data')]
/** By name, the places of what a ticker holds, in the order of `TICKER_KEYS` without the last. */
const TICKER_AT = [...'pPwxcQbBaAohlv'].map(at)

/** Decodes the frames of one connection. */
export class BinanceDecoder implements Decoder {
  /** How often `JSON.parse` had to help; rises with what the venue does not document. */
  fallbacks = 0
  readonly #market: Market
  readonly #plain: PlainDecoder
  readonly #scanner = new Scanner()
  #pairs = new Interner<Pair>()
  #revision = Number.NaN
  readonly #intervals = new Interner<Interval>(8, 256)
  readonly #places = new Int32Array(KEYS.names.length)
  readonly #inner = new Int32Array(KEYS.names.length)
  /** Numbers of the message at hand: doubles are not boxed here. */
  readonly #numbers = new Float64Array(16)
  #receivedAt = 0
  // What the readers below have read.
  #pair: Pair | undefined
  #timestamp = 0
  #nanos = 0
  #id = 0
  #flag = false
  #levels: Level[] = []

  constructor(context: ConnectionContext, names: Names, rest?: MarketRest) {
    this.#market = new Market(context, names, rest)
    this.#plain = new PlainDecoder(this.#market)
  }

  decode(frame: Uint8Array, binary: boolean, receivedAt: number, inbox: Inbox): void {
    this.#receivedAt = receivedAt
    const market = this.#market
    market.refresh()
    if (market.revision !== this.#revision) {
      this.#revision = market.revision
      this.#pairs = new Interner()
    }
    if (this.#scanner.at(frame) && (this.#usual(inbox) || this.#any(inbox))) return
    this.fallbacks++
    this.#plain.decode(frame, binary, receivedAt, inbox)
  }

  confirmed(topics: readonly Topic[]): void {
    this.#market.confirmed(topics)
  }

  resync({ symbol }: Topic): void {
    this.#market.resync(symbol)
  }

  /** Reads a frame in the documented order; false, and nothing told, when it is not that. */
  #usual(inbox: Inbox): boolean {
    let pos = 0
    let end = this.#scanner.end - 1
    if (WRAPPED.isAt(0)) {
      pos = this.#scanner.string(WRAPPED.length - 1)
      if (pos < 0 || !DATA.isAt(pos) || BYTES[end] !== CLOSE_MAP) return false
      pos += DATA.length
      end--
    }
    if (TRADE.isAt(pos)) return this.#trade(pos + TRADE.length, end, T!, inbox)
    if (QUOTES.isAt(pos)) return this.#quote(pos + QUOTES.length, end, inbox)
    if (DEPTH.isAt(pos)) return this.#depth(pos + DEPTH.length, end, inbox)
    if (AGGREGATE.isAt(pos)) return this.#trade(pos + AGGREGATE.length, end, A!, inbox)
    if (KLINE.isAt(pos)) return this.#candle(pos + KLINE.length, end, inbox)
    if (TICKER.isAt(pos)) return this.#ticker(pos + TICKER.length, end, inbox)
    return false
  }

  #trade(pos: number, end: number, idKey: Literal, inbox: Inbox): boolean {
    pos = this.#symbol(this.#integer(pos))
    if (pos < 0) return false
    const pair = this.#pair!
    if ((pair.mask & KIND_BIT.trade) === 0) return this.#isClosed(end)
    pos = this.#count(behind(pos, idKey))
    const id = this.#id
    pos = this.#decimal(behind(pos, P!), 0)
    pos = this.#decimal(behind(pos, Q!), 1)
    if (idKey === A) pos = this.#integer(behind(this.#integer(behind(pos, F!)), L!))
    pos = this.#epoch(behind(pos, TIME!))
    pos = this.#boolean(behind(pos, MAKER!))
    const buyerMade = this.#flag
    pos = this.#boolean(behind(pos, IGNORED!))
    const [price, size] = [this.#numbers[0]!, this.#numbers[1]!]
    if (pos !== end || BYTES[end] !== CLOSE_MAP || !isPrice(price) || !isPrice(size)) return false
    this.#market.takeTrade(
      pair,
      this.#timestamp,
      this.#nanos,
      this.#receivedAt,
      price,
      size,
      id,
      buyerMade,
      inbox,
    )
    return true
  }

  #quote(pos: number, end: number, inbox: Inbox): boolean {
    pos = this.#symbol(this.#count(pos))
    if (pos < 0) return false
    const pair = this.#pair!
    if ((pair.mask & KIND_BIT.quote) === 0) return this.#isClosed(end)
    pos = this.#decimal(behind(pos, BID!), 0)
    pos = this.#decimal(behind(pos, BID_SIZE!), 1)
    pos = this.#decimal(behind(pos, ASK!), 2)
    pos = this.#decimal(behind(pos, ASK_SIZE!), 3)
    if (pos !== end || BYTES[end] !== CLOSE_MAP || !this.#areAmounts(0, 4)) return false
    this.#giveQuote(pair, inbox)
    return true
  }

  /** Gives on what stands in `#numbers`: bid and ask, each with its size behind it. */
  #giveQuote(pair: Pair, inbox: Inbox): void {
    const numbers = this.#numbers
    this.#market.takeQuote(
      pair,
      this.#receivedAt,
      numbers[0]!,
      numbers[1]!,
      numbers[2]!,
      numbers[3]!,
      inbox,
    )
  }

  #depth(pos: number, end: number, inbox: Inbox): boolean {
    pos = this.#epoch(pos)
    const [timestamp, nanos] = [this.#timestamp, this.#nanos]
    pos = this.#symbol(pos)
    if (pos < 0) return false
    const pair = this.#pair!
    if ((pair.mask & KIND_BIT.book) === 0) return this.#isClosed(end)
    pos = this.#count(behind(pos, FIRST!))
    const first = this.#id
    pos = this.#count(behind(pos, LAST!))
    const last = this.#id
    pos = this.#readLevels(behind(pos, BID!))
    const bids = this.#levels
    pos = this.#readLevels(behind(pos, ASK!))
    if (pos !== end || BYTES[end] !== CLOSE_MAP || first > last) return false
    const diff = { first, last, timestamp, nanos, bids, asks: this.#levels }
    this.#market.takeDiff(pair, this.#receivedAt, diff, inbox)
    return true
  }

  #candle(pos: number, end: number, inbox: Inbox): boolean {
    const scanner = this.#scanner
    pos = this.#symbol(this.#integer(pos))
    if (pos < 0) return false
    const pair = this.#pair!
    if ((pair.mask & KIND_BIT.bar) === 0) return this.#isClosed(end)
    pos = this.#epoch(behind(pos, CANDLE))
    pos = this.#integer(behind(pos, K_END!))
    pos = behind(pos, K_SYMBOL!)
    pos = pos < 0 ? pos : scanner.string(pos)
    pos = behind(pos, K_INTERVAL!)
    const interval = pos < 0 ? undefined : this.#interval(pos)
    pos = pos < 0 ? pos : scanner.string(pos)
    // A quiet interval has −1 as the numbers of its trades.
    pos = this.#integer(behind(this.#integer(behind(pos, K_FIRST!)), K_LAST!))
    for (let i = 0; i < K_PRICES.length; i++) pos = this.#decimal(behind(pos, K_PRICES[i]!), i)
    pos = this.#count(behind(pos, K_TRADES!))
    const trades = this.#id
    pos = this.#boolean(behind(pos, K_CLOSED!))
    const final = this.#flag
    for (let i = 0; i < K_REST.length; i++) pos = this.#decimal(behind(pos, K_REST[i]!), 5 + i)
    if (pos !== end - 1 || BYTES[pos] !== CLOSE_MAP || BYTES[end] !== CLOSE_MAP) return false
    if (interval === undefined || !this.#arePrices(4) || !this.#areAmounts(4, 6)) return false
    const numbers = this.#numbers
    this.#market.takeCandle(
      pair,
      this.#timestamp,
      this.#nanos,
      this.#receivedAt,
      interval,
      numbers[0]!,
      numbers[2]!,
      numbers[3]!,
      numbers[1]!,
      numbers[4]!,
      numbers[5]!,
      trades,
      final,
      inbox,
    )
    return true
  }

  #ticker(pos: number, end: number, inbox: Inbox): boolean {
    pos = this.#epoch(pos)
    const [timestamp, nanos] = [this.#timestamp, this.#nanos]
    pos = this.#symbol(pos)
    if (pos < 0) return false
    const pair = this.#pair!
    if ((pair.mask & KIND_BIT.ticker) === 0) return this.#isClosed(end)
    for (let i = 0; i < TICKER_KEYS.length; i++)
      pos = this.#decimal(behind(pos, TICKER_KEYS[i]!), i)
    for (const key of TICKER_COUNTS) pos = this.#integer(behind(pos, key))
    if (pos !== end || BYTES[end] !== CLOSE_MAP) return false
    return this.#giveTicker(pair, timestamp, nanos, inbox)
  }

  /** Gives on what stands in `#numbers`, in the order of `TICKER_KEYS`. */
  #giveTicker(pair: Pair, timestamp: number, nanos: number, inbox: Inbox): boolean {
    // The change may be negative.
    if (!this.#areAmounts(2, 14) || !Number.isFinite(this.#numbers[0]! + this.#numbers[1]!)) {
      return false
    }
    const [p, P, w, x, c, Q, b, B, a, A, o, h, l, v] = this.#numbers as unknown as number[]
    const fields = {
      ...{ change: p!, changePercent: P!, vwap: w!, previousClose: x!, last: c!, lastSize: Q! },
      ...{ bid: b!, bidSize: B!, ask: a!, askSize: A! },
      ...{ open: o!, high: h!, low: l!, volume: v! },
    }
    this.#market.takeTicker(pair, timestamp, nanos, this.#receivedAt, fields, inbox)
    return true
  }

  /** Reads a frame whose keys come in any order; false, and nothing told, when that is not all that is odd. */
  #any(inbox: Inbox): boolean {
    const scanner = this.#scanner
    const places = this.#places
    let pos = scanner.fields(scanner.space(0), KEYS, places)
    if (pos < 0 || scanner.space(pos) !== scanner.end) return false
    if (places[AT_STREAM]! > 0 && places[AT_DATA]! > 0) {
      pos = scanner.fields(places[AT_DATA]!, KEYS, places)
      if (pos < 0) return false
    }
    const event = places[EVENT]! > 0 ? this.#text(places[EVENT]!) : 'bookTicker'
    if (event === undefined || this.#symbolAt(places[at('s')]!) < 0) return false
    const pair = this.#pair!
    if (event === 'bookTicker') return places[EVENT]! === 0 && this.#anyQuote(pair, inbox)
    const kind = Object.hasOwn(WANTED, event) ? WANTED[event]! : 0
    if (kind === 0) return false
    if ((pair.mask & kind) === 0) return true
    if (event === 'trade' || event === 'aggTrade') return this.#anyTrade(pair, event, inbox)
    if (event === 'depthUpdate') return this.#anyDepth(pair, inbox)
    return event === 'kline' ? this.#anyCandle(pair, inbox) : this.#anyTicker(pair, inbox)
  }

  #anyTrade(pair: Pair, event: string, inbox: Inbox): boolean {
    if (this.#count(this.#place(event === 'trade' ? 't' : 'a')) < 0) return false
    const id = this.#id
    if (this.#epoch(this.#place('T')) < 0 || this.#boolean(this.#place('m')) < 0) return false
    if (!this.#decimals('pq') || !this.#arePrices(2)) return false
    const [price, size] = [this.#numbers[0]!, this.#numbers[1]!]
    this.#market.takeTrade(
      ...([pair, this.#timestamp, this.#nanos, this.#receivedAt, price, size] as const),
      ...([id, this.#flag, inbox] as const),
    )
    return true
  }

  #anyQuote(pair: Pair, inbox: Inbox): boolean {
    if (this.#places[at('u')]! === 0) return false
    if ((pair.mask & KIND_BIT.quote) === 0) return true
    if (!this.#decimals('bBaA') || !this.#areAmounts(0, 4)) return false
    this.#giveQuote(pair, inbox)
    return true
  }

  #anyDepth(pair: Pair, inbox: Inbox): boolean {
    if (this.#epoch(this.#place('E')) < 0 || this.#count(this.#place('U')) < 0) return false
    const first = this.#id
    if (this.#count(this.#place('u')) < 0) return false
    const last = this.#id
    if (this.#readLevels(this.#place('b')) < 0) return false
    const bids = this.#levels
    if (this.#readLevels(this.#place('a')) < 0 || first > last) return false
    const [timestamp, nanos] = [this.#timestamp, this.#nanos]
    const diff = { first, last, timestamp, nanos, bids, asks: this.#levels }
    this.#market.takeDiff(pair, this.#receivedAt, diff, inbox)
    return true
  }

  #anyCandle(pair: Pair, inbox: Inbox): boolean {
    const inner = this.#places[at('k')]!
    if (inner === 0 || this.#scanner.fields(inner, KEYS, this.#inner) < 0) return false
    this.#places.set(this.#inner)
    const place = this.#place('i')
    const interval = place < 0 ? undefined : this.#interval(place)
    if (interval === undefined || this.#epoch(this.#place('t')) < 0) return false
    if (this.#count(this.#place('n')) < 0 || this.#boolean(this.#place('x')) < 0) return false
    if (!this.#decimals('ohlcvq') || !this.#arePrices(4) || !this.#areAmounts(4, 6)) return false
    const [open, high, low, close, volume, turnover] = this.#numbers as unknown as number[]
    this.#market.takeCandle(
      ...([pair, this.#timestamp, this.#nanos, this.#receivedAt, interval] as const),
      ...([open!, high!, low!, close!, volume!, turnover!, this.#id, this.#flag, inbox] as const),
    )
    return true
  }

  #anyTicker(pair: Pair, inbox: Inbox): boolean {
    if (this.#epoch(this.#place('E')) < 0) return false
    for (let i = 0; i < TICKER_AT.length; i++) {
      if (this.#decimal(this.#places[TICKER_AT[i]!]! || SURPRISE, i) < 0) return false
    }
    return this.#giveTicker(pair, this.#timestamp, this.#nanos, inbox)
  }

  // Readers: each takes a place, or a surprise, and gives the place behind, or a surprise.

  /** Where the value of a key stands. */
  #place(key: string): number {
    return this.#places[at(key)]! || SURPRISE
  }

  /** Numbers in quotes by their keys, into `#numbers`. */
  #decimals(keys: string): boolean {
    for (let i = 0; i < keys.length; i++) {
      if (this.#decimal(this.#place(keys[i]!), i) < 0) return false
    }
    return true
  }

  #decimal(pos: number, index: number): number {
    if (pos < 0) return SURPRISE
    const next = this.#scanner.decimal(pos)
    // −0 is 0.
    this.#numbers[index] = OUT[0]! + 0
    return next
  }

  /** An integer of up to 15 digits, into `#id`. */
  #count(pos: number): number {
    if (pos < 0) return SURPRISE
    const first = pos
    let value = 0
    let c = 0
    while ((c = (BYTES[pos]! ^ 48) >>> 0) <= 9) {
      value = value * 10 + c
      pos++
    }
    const digits = pos - first
    if (digits === 0 || digits > 15 || (digits > 1 && BYTES[first] === 48)) return SURPRISE
    if (!isEnd(BYTES[pos]!)) return SURPRISE
    this.#id = value
    return pos
  }

  /** An integer of any length that is passed over. */
  #integer(pos: number): number {
    if (pos < 0) return SURPRISE
    if (BYTES[pos] === 45) pos++
    const first = pos
    while ((BYTES[pos]! ^ 48) >>> 0 <= 9) pos++
    const digits = pos - first
    if (digits === 0 || (digits > 1 && BYTES[first] === 48)) return SURPRISE
    return isEnd(BYTES[pos]!) ? pos : SURPRISE
  }

  /** A time of 13 digits in milliseconds, or 16 in microseconds. */
  #epoch(pos: number): number {
    if (pos < 0) return SURPRISE
    const first = pos
    let ms = 0
    let c = 0
    while (pos - first < 13 && (c = (BYTES[pos]! ^ 48) >>> 0) <= 9) {
      ms = ms * 10 + c
      pos++
    }
    if (pos - first < 13 || BYTES[first] === 48) return SURPRISE
    let micros = 0
    while ((c = (BYTES[pos]! ^ 48) >>> 0) <= 9) {
      micros = micros * 10 + c
      pos++
    }
    const digits = pos - first
    if ((digits !== 13 && digits !== 16) || !isEnd(BYTES[pos]!)) return SURPRISE
    // The largest integer a double holds is of 16 digits too.
    if (digits === 16 && ms > 9_007_199_254_739) return SURPRISE
    this.#timestamp = ms
    this.#nanos = micros * 1_000
    return pos
  }

  #boolean(pos: number): number {
    if (pos < 0) return SURPRISE
    this.#flag = TRUE.isAt(pos)
    const next = this.#flag ? pos + 4 : FALSE.isAt(pos) ? pos + 5 : SURPRISE
    return next > 0 && isEnd(BYTES[next]!) ? next : SURPRISE
  }

  /** `,"s":"BTCUSDT"`, into `#pair`. */
  #symbol(pos: number): number {
    return pos > 0 && SYMBOL.isAt(pos) ? this.#symbolAt(pos + SYMBOL.length - 1) : SURPRISE
  }

  #symbolAt(pos: number): number {
    if (pos <= 0 || BYTES[pos] !== QUOTE) return SURPRISE
    const start = ++pos
    let hash = HASH_START
    let c = 0
    while ((c = BYTES[pos]!) !== QUOTE) {
      if (c < 33 || c > 126 || c === BACKSLASH) return SURPRISE
      hash = hashByte(hash, c)
      pos++
    }
    let pair = this.#pairs.get(BYTES, start, pos, hash)
    if (pair === undefined) {
      if (pos === start) return SURPRISE
      pair = this.#market.pair(asciiText(BYTES, start, pos))
      this.#pairs.set(BYTES, start, pos, hash, pair)
    }
    this.#pair = pair
    return pos + 1
  }

  /** A text of plain ASCII; `undefined` for anything else. */
  #text(pos: number): string | undefined {
    const end = this.#scanner.string(pos)
    return end < 0 ? undefined : asciiText(BYTES, pos + 1, end - 1)
  }

  #interval(pos: number): Interval | undefined {
    if (BYTES[pos] !== QUOTE) return undefined
    const start = pos + 1
    let end = start
    let hash = HASH_START
    while (BYTES[end] !== QUOTE && end - start < 4) hash = hashByte(hash, BYTES[end++]!)
    if (BYTES[end] !== QUOTE) return undefined
    const known = this.#intervals.get(BYTES, start, end, hash)
    if (known !== undefined) return known
    const text = asciiText(BYTES, start, end) as Interval
    if (!Object.hasOwn(INTERVALS, text)) return undefined
    this.#intervals.set(BYTES, start, end, hash, text)
    return text
  }

  /** `[["0.0024","10"],…]`, into `#levels`. */
  #readLevels(pos: number): number {
    if (pos < 0 || BYTES[pos] !== OPEN_LIST) return SURPRISE
    const scanner = this.#scanner
    const levels: Level[] = []
    this.#levels = levels
    if (BYTES[++pos] === CLOSE_LIST) return pos + 1
    for (;;) {
      if (BYTES[pos] !== OPEN_LIST) return SURPRISE
      pos = scanner.decimal(pos + 1)
      if (pos < 0 || BYTES[pos] !== COMMA) return SURPRISE
      const price = OUT[0]!
      pos = scanner.decimal(pos + 1)
      if (pos < 0 || BYTES[pos] !== CLOSE_LIST) return SURPRISE
      const size = OUT[0]! + 0
      if (!isPrice(price) || !(size >= 0 && size < Infinity)) return SURPRISE
      levels.push([price, size])
      const c = BYTES[++pos]!
      pos++
      if (c === CLOSE_LIST) return pos
      if (c !== COMMA) return SURPRISE
    }
  }

  /** Whether these of `#numbers` are 0 or more. */
  #areAmounts(from: number, to: number): boolean {
    const numbers = this.#numbers
    for (let i = from; i < to; i++) if (!(numbers[i]! >= 0 && numbers[i]! < Infinity)) return false
    return true
  }

  /** Whether the first of `#numbers` are above 0. */
  #arePrices(count: number): boolean {
    for (let i = 0; i < count; i++) if (!isPrice(this.#numbers[i]!)) return false
    return true
  }

  /** What nobody wants is passed over, where at least it ends as a message does. */
  #isClosed(end: number): boolean {
    return BYTES[end] === CLOSE_MAP
  }
}

const behind = (pos: number, literal: Literal) =>
  pos > 0 && literal.isAt(pos) ? pos + literal.length : SURPRISE

const isPrice = (value: number) => value > 0 && value < Infinity

const isEnd = (byte: number) => byte === COMMA || byte === CLOSE_MAP
