/**
 * Frames to events, straight from the bytes: what the venue sends most, in the order of keys it documents, trades and
 * books by hand and the rest key by key. Whatever is odd goes, as a whole frame, through the plain decoder; until a frame
 * has been read to its end nothing of it is taken, so nothing is taken twice.
 */
import { asciiText, hashOf, Interner } from '../../base/interner.ts'
import { Literal } from '../../base/literal.ts'
import {
  CLOSE_LIST,
  CLOSE_MAP,
  COMMA,
  KeySet,
  QUOTE,
  Scanner,
  SURPRISE,
} from '../../base/scanner.ts'
import { scratch } from '../../base/scratch.ts'
import type { ConnectionContext, Decoder, Inbox } from '../../feed/description.ts'
import { KIND_BIT } from '../../feed/provider.ts'
import type { Bar, Trade } from '../../market/events.ts'
import { Levels } from './book.ts'
import { intervalOf } from './channels.ts'
import { CHANGE_FIELD, Market, type Pair, TICKER_FIELDS } from './market.ts'
import { PlainDecoder } from './plain.ts'
import { isSymbol } from './symbols.ts'

const { bytes: BYTES, out: OUT } = scratch

const HEARTBEAT = new Literal('{"channel":"heartbeat"}')
const TRADES = new Literal('{"channel":"trade","type":"update","data":[')
const TICKER = new Literal('{"channel":"ticker","type":"update","data":[')
const BOOK = new Literal('{"channel":"book","type":"update","data":[')
const BOOK_SNAPSHOT = new Literal('{"channel":"book","type":"snapshot","data":[')
const OHLC = new Literal('{"channel":"ohlc","type":"update","timestamp":')
const DATA = new Literal(',"data":[')

const SYMBOL = new Literal('{"symbol":')
const BUY = new Literal(',"side":"buy","price":')
const SELL = new Literal(',"side":"sell","price":')
const QTY = new Literal(',"qty":')
const MARKET = new Literal(',"ord_type":"market","trade_id":')
const LIMIT = new Literal(',"ord_type":"limit","trade_id":')
const TIMESTAMP = new Literal(',"timestamp":')
const BIDS = new Literal(',"bids":[')
const ASKS = new Literal(',"asks":[')
const PRICE = new Literal('{"price":')
const CHECKSUM = new Literal(',"checksum":')
const TICKER_KEYS = TICKER_FIELDS.map(name => new Literal(`,"${name}":`))

const TRADE = KIND_BIT.trade
const BARS = KIND_BIT.bar
const BOOKS = KIND_BIT.book
const TICKERS = KIND_BIT.ticker | KIND_BIT.quote

const KEYS = new KeySet([
  ...['symbol', 'timestamp', 'bid', 'bid_qty', 'ask', 'ask_qty', 'last', 'volume', 'vwap', 'low'],
  ...['high', 'change', 'change_pct', 'open', 'close', 'trades', 'interval_begin', 'interval'],
])
const KEY = Object.fromEntries(KEYS.names.map((name, i) => [name, i]))

/** Stands for all pairs nobody wants anything of. */
const NOBODY: Pair = {
  ...{
    symbol: '',
    mask: 0,
    lastTrade: undefined,
    awaitedAt: undefined,
    book: undefined,
    precision: undefined,
  },
}

/** The decoder of a connection. `depth` is that of the books subscribed. */
export function krakenDecoder(context: ConnectionContext, depth: number): Decoder {
  return new KrakenScanner(new Market(context, depth))
}

/** Decodes frames. */
export class KrakenScanner implements Decoder {
  /** How often the plain decoder had to help with data; rises with what the venue does not document. */
  fallbacks = 0
  readonly #market: Market
  readonly #plain: PlainDecoder
  readonly #scanner = new Scanner()
  readonly #places = new Int32Array(KEYS.names.length)
  readonly #bids = new Levels()
  readonly #asks = new Levels()
  #pairs = new Interner<Pair>(64, 4_096)
  #revision = Number.NaN
  #receivedAt = 0
  /** Of the last `#symbol`. */
  #pair = NOBODY
  /** A value read by `#number` was none. */
  #wrong = false
  // What a frame has given, until its end has been seen; the arrays of trades serve every frame.
  #count = 0
  readonly #trades: Trade[] = []
  readonly #tradePairs: Pair[] = []
  readonly #bars: Bar[] = []

  constructor(market: Market) {
    this.#market = market
    this.#plain = new PlainDecoder(market)
  }

  decode(frame: Uint8Array, binary: boolean, receivedAt: number, inbox: Inbox): void {
    const scanner = this.#scanner
    if (scanner.at(frame)) {
      this.#market.refresh()
      if (this.#market.revision !== this.#revision) {
        this.#revision = this.#market.revision
        this.#pairs = new Interner(64, 4_096)
      }
      this.#receivedAt = receivedAt
      if (this.#read(inbox)) return
    }
    this.#plain.decode(frame, binary, receivedAt, inbox)
  }

  /** False when the frame is not of the usual form: nothing of it has been taken then. */
  #read(inbox: Inbox): boolean {
    // {"channel":"
    switch (BYTES[12]) {
      case 0x74: // t
        if (TRADES.isAt(0)) return this.#readTrades(TRADES.length, inbox) || this.#surprise()
        if (TICKER.isAt(0)) return this.#readTicker(TICKER.length, inbox) || this.#surprise()
        break
      case 0x62: // b
        if (BOOK.isAt(0)) return this.#readBook(BOOK.length, false, inbox) || this.#surprise()
        if (BOOK_SNAPSHOT.isAt(0)) {
          return this.#readBook(BOOK_SNAPSHOT.length, true, inbox) || this.#surprise()
        }
        break
      case 0x6f: // o
        if (OHLC.isAt(0)) return this.#readCandles(OHLC.length, inbox) || this.#surprise()
        break
      case 0x68: // h
        return HEARTBEAT.isAt(0) && this.#scanner.end === HEARTBEAT.length
    }
    return false
  }

  #surprise(): false {
    this.fallbacks++
    return false
  }

  #readTrades(pos: number, inbox: Inbox): boolean {
    this.#count = 0
    for (;;) {
      pos = this.#trade(pos)
      if (pos < 0) return false
      if (BYTES[pos] !== COMMA) break
      pos++
    }
    if (!this.#isEnd(pos)) return false
    for (let i = 0; i < this.#count; i++) {
      this.#market.takeTrade(this.#tradePairs[i]!, this.#trades[i]!, inbox)
    }
    return true
  }

  #trade(pos: number): number {
    const scanner = this.#scanner
    pos = this.#symbol(pos)
    if (pos < 0 || (this.#pair.mask & TRADE) === 0) return SURPRISE
    const isBuy = BUY.isAt(pos)
    if (!isBuy && !SELL.isAt(pos)) return SURPRISE
    pos = scanner.number(pos + (isBuy ? BUY.length : SELL.length))
    if (pos < 0 || !QTY.isAt(pos)) return SURPRISE
    const price = OUT[0]!
    pos = scanner.number(pos + QTY.length)
    if (pos < 0) return SURPRISE
    const size = OUT[0]!
    const isMarket = MARKET.isAt(pos)
    if (!isMarket && !LIMIT.isAt(pos)) return SURPRISE
    pos = scanner.digits(pos + (isMarket ? MARKET.length : LIMIT.length))
    if (pos < 0 || !TIMESTAMP.isAt(pos)) return SURPRISE
    const id = OUT[0]!
    pos = scanner.time(pos + TIMESTAMP.length)
    if (pos < 0 || BYTES[pos] !== CLOSE_MAP) return SURPRISE
    if (!(price > 0 && price < Infinity && size > 0 && size < Infinity)) return SURPRISE
    this.#timed()
    const type = isMarket ? 'market' : 'limit'
    const side = isBuy ? 'buy' : 'sell'
    const i = this.#count++
    this.#trades[i] = this.#market.trade(this.#pair, price, size, id, side, type)
    this.#tradePairs[i] = this.#pair
    return pos + 1
  }

  #readBook(pos: number, snapshot: boolean, inbox: Inbox): boolean {
    const scanner = this.#scanner
    pos = this.#symbol(pos)
    const pair = this.#pair
    if (pos < 0 || (pair.mask & BOOKS) === 0 || !BIDS.isAt(pos)) return false
    pos = this.#levels(pos + BIDS.length, this.#bids)
    if (pos < 0 || !ASKS.isAt(pos)) return false
    pos = this.#levels(pos + ASKS.length, this.#asks)
    if (pos < 0 || !CHECKSUM.isAt(pos)) return false
    pos = scanner.digits(pos + CHECKSUM.length)
    if (pos < 0) return false
    const checksum = OUT[0]!
    if (checksum > 0xffffffff) return false
    const timed = TIMESTAMP.isAt(pos)
    if (timed) pos = scanner.time(pos + TIMESTAMP.length)
    if (pos < 0 || BYTES[pos] !== CLOSE_MAP || !this.#isEnd(pos + 1)) return false
    if (timed) this.#timed()
    else this.#untimed()
    this.#market.takeBook(pair, snapshot, this.#bids, this.#asks, checksum, inbox)
    return true
  }

  /** Levels from behind their bracket to behind the other. */
  #levels(pos: number, levels: Levels): number {
    const scanner = this.#scanner
    levels.count = 0
    if (BYTES[pos] === CLOSE_LIST) return pos + 1
    for (;;) {
      if (!PRICE.isAt(pos)) return SURPRISE
      const priceAt = pos + PRICE.length
      pos = scanner.number(priceAt)
      if (pos < 0 || !QTY.isAt(pos)) return SURPRISE
      const priceEnd = pos
      const price = OUT[0]!
      const sizeAt = pos + QTY.length
      pos = scanner.number(sizeAt)
      if (pos < 0 || BYTES[pos] !== CLOSE_MAP) return SURPRISE
      const size = OUT[0]! + 0
      if (!(price > 0 && price < Infinity && size >= 0 && size < Infinity)) return SURPRISE
      const { precision } = this.#pair
      levels.add(price, size, BYTES, priceAt, priceEnd, sizeAt, pos, precision)
      pos++
      if (BYTES[pos] === CLOSE_LIST) return pos + 1
      if (BYTES[pos] !== COMMA) return SURPRISE
      pos++
    }
  }

  #readTicker(pos: number, inbox: Inbox): boolean {
    let behind = this.#usualTicker(pos)
    if (behind < 0) behind = this.#anyTicker(pos)
    if (behind < 0 || !this.#isEnd(behind)) return false
    if ((this.#pair.mask & TICKERS) !== 0) this.#market.takeTicker(this.#pair, inbox)
    return true
  }

  /** All fields, in the documented order. */
  #usualTicker(pos: number): number {
    const scanner = this.#scanner
    const { numbers } = this.#market
    pos = this.#symbol(pos)
    if (pos < 0) return SURPRISE
    for (let i = 0; i < numbers.length; i++) {
      const key = TICKER_KEYS[i]!
      if (!key.isAt(pos)) return SURPRISE
      pos = scanner.number(pos + key.length)
      if (pos < 0) return SURPRISE
      const value = OUT[0]! + 0
      if (!(value < Infinity && (value >= 0 || (i >= CHANGE_FIELD && value > -Infinity)))) {
        return SURPRISE
      }
      numbers[i] = value
    }
    if (!TIMESTAMP.isAt(pos)) return SURPRISE
    pos = scanner.time(pos + TIMESTAMP.length)
    if (pos < 0 || BYTES[pos] !== CLOSE_MAP) return SURPRISE
    this.#timed()
    return pos + 1
  }

  #anyTicker(pos: number): number {
    const scanner = this.#scanner
    const { numbers } = this.#market
    pos = this.#fields(pos)
    if (pos < 0 || (this.#pair.mask & TICKERS) === 0) return pos
    const time = this.#places[KEY.timestamp!]!
    if (time > 0 && scanner.time(time) < 0) return SURPRISE
    if (time > 0) this.#timed()
    else this.#untimed()
    this.#wrong = false
    for (const [i, key] of TICKER_FIELDS.entries()) {
      const value = i < CHANGE_FIELD ? this.#amount(key) : this.#number(key)
      numbers[i] = (value ?? Number.NaN) + 0
    }
    return this.#wrong ? SURPRISE : pos
  }

  #readCandles(pos: number, inbox: Inbox): boolean {
    this.#bars.length = 0
    pos = this.#scanner.time(pos)
    if (pos < 0 || !DATA.isAt(pos)) return false
    pos += DATA.length
    for (;;) {
      pos = this.#fields(pos)
      if (pos < 0 || !this.#candle()) return false
      if (BYTES[pos] !== COMMA) break
      pos++
    }
    if (!this.#isEnd(pos)) return false
    for (const bar of this.#bars) this.#market.takeCandle(bar, inbox)
    return true
  }

  /** The candle whose fields have been found, unless nobody wants it; false for a surprise. */
  #candle(): boolean {
    if ((this.#pair.mask & BARS) === 0) return true
    const begin = this.#places[KEY.interval_begin!]!
    if (begin === 0 || this.#scanner.time(begin) < 0) return false
    this.#timed()
    this.#wrong = false
    const interval = intervalOf(this.#number('interval'))
    const [open, high] = [this.#amount('open'), this.#amount('high')]
    const [low, close] = [this.#amount('low'), this.#amount('close')]
    const [volume, vwap] = [this.#amount('volume'), this.#amount('vwap')]
    const trades = this.#amount('trades')
    if (this.#wrong || !interval || volume === undefined) return false
    if (!open || !high || !low || !close) return false
    const prices = [open, high, low, close] as const
    this.#bars.push(this.#market.candle(this.#pair, interval, prices, volume, vwap, trades))
    return true
  }

  /** Finds the fields of a record and its pair. */
  #fields(pos: number): number {
    const behind = this.#scanner.fields(pos, KEYS, this.#places)
    if (behind < 0) return SURPRISE
    const symbol = this.#places[KEY.symbol!]!
    return symbol > 0 && this.#name(symbol) > 0 ? behind : SURPRISE
  }

  #number(key: string): number | undefined {
    const place = this.#places[KEY[key]!]!
    if (place === 0 || this.#scanner.isNull(place)) return undefined
    const scanner = this.#scanner
    const next = BYTES[place] === QUOTE ? scanner.decimal(place) : scanner.number(place)
    const value = next < 0 ? Number.NaN : OUT[0]!
    if (!Number.isFinite(value)) this.#wrong = true
    return value
  }

  #amount(key: string): number | undefined {
    const value = this.#number(key)
    if (value === undefined) return undefined
    if (!(value >= 0)) this.#wrong = true
    return value + 0
  }

  /** `{"symbol":"BTC/USD"`, into `#pair`. */
  #symbol(pos: number): number {
    return SYMBOL.isAt(pos) ? this.#name(pos + SYMBOL.length) : SURPRISE
  }

  #name(pos: number): number {
    const behind = this.#scanner.string(pos)
    if (behind < 0) return SURPRISE
    const [start, end] = [pos + 1, behind - 1]
    const hash = hashOf(BYTES, start, end)
    let pair = this.#pairs.get(BYTES, start, end, hash)
    if (pair === undefined) {
      const symbol = asciiText(BYTES, start, end)
      if (!isSymbol(symbol)) return SURPRISE
      pair = this.#market.pair(symbol) ?? NOBODY
      this.#pairs.set(BYTES, start, end, hash, pair)
    }
    this.#pair = pair
    return behind
  }

  /** The end of the list and of the frame. */
  #isEnd(pos: number): boolean {
    return (
      BYTES[pos] === CLOSE_LIST && BYTES[pos + 1] === CLOSE_MAP && pos + 2 === this.#scanner.end
    )
  }

  /** What is read is of the time last read. */
  #timed(): void {
    const { time } = this.#market
    time[0] = OUT[1]!
    time[1] = this.#receivedAt
    this.#market.nanos = this.#scanner.nanos
  }

  /** Or of that of its receipt. */
  #untimed(): void {
    const { time } = this.#market
    time[0] = Math.floor(this.#receivedAt)
    time[1] = this.#receivedAt
    this.#market.nanos = 0
  }
}
