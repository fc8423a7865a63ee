/**
 * Frames to events, straight from the bytes: books, trades and heartbeats, which are nearly all of the traffic, in the
 * orders of keys that Coinbase documents, tickers and what has its keys in another order through the kit, and the rest by
 * `JSON.parse`. All give the same events: a test holds them against the plain decoder. Nothing is told before the frame
 * has been read to its end.
 */
import { asciiText, hashOf, Interner } from '../../base/interner.ts'
import { Literal } from '../../base/literal.ts'
import {
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
import type { Level } from '../../market/events.ts'
import { Market, type Product, type TickerRecord, type TradeRecord } from './market.ts'
import { PlainDecoder } from './plain.ts'

const { bytes: BYTES, view: VIEW, out: OUT } = scratch
const LEVELS = KIND_BIT.book | KIND_BIT.quote

const IS_LEVELS = new Literal('{"channel":"l2_data",')
const IS_TRADES = new Literal('{"channel":"market_trades",')
const IS_HEARTBEAT = new Literal('{"channel":"heartbeats",')
/** Older frames have it. */
const CLIENT = new Literal('"client_id":"",')
const TIMESTAMP = new Literal('"timestamp":')
const SEQUENCE = new Literal(',"sequence_num":')
const EVENTS = new Literal(',"events":[')
const SNAPSHOT = new Literal('{"type":"snapshot",')
const UPDATE = new Literal('{"type":"update",')
const OF_PRODUCT = new Literal('"product_id":')
const UPDATES = new Literal(',"updates":[')
const TRADES = new Literal('"trades":[')
const BID = new Literal('{"side":"bid","event_time":')
const OFFER = new Literal('{"side":"offer","event_time":')
const LEVEL = new Literal(',"price_level":')
const QUANTITY = new Literal(',"new_quantity":')
const TRADE_ID = new Literal('{"trade_id":')
const PRODUCT = new Literal(',"product_id":')
const PRICE = new Literal(',"price":')
const SIZE = new Literal(',"size":')
const BOUGHT = new Literal(',"side":"BUY","time":')
const SOLD = new Literal(',"side":"SELL","time":')

const FRAME_KEYS = new KeySet(['channel', 'timestamp', 'sequence_num', 'events'])
const EVENT_KEYS = new KeySet(['type', 'product_id', 'updates', 'trades', 'tickers'])
const ITEM_KEYS = new KeySet([
  ...(['side', 'event_time', 'price_level', 'new_quantity'] as const),
  ...(['trade_id', 'product_id', 'price', 'size', 'time'] as const),
  ...(['volume_24_h', 'low_24_h', 'high_24_h', 'price_percent_chg_24_h'] as const),
  ...(['best_bid', 'best_bid_quantity', 'best_ask', 'best_ask_quantity'] as const),
])

const NONE: readonly Level[] = []
/** More than one frame mostly needs is not kept for the next. */
const MOST_KEPT = 1_024

/** What a frame holds of one product in one event: told when the frame has been read to its end, then used again. */
class Found {
  product: Product
  snapshot = false
  timestamp = 0
  nanos = 0
  bids = NONE
  asks = NONE
  trades: TradeRecord[] | undefined
  ticker: TickerRecord | undefined

  constructor(product: Product) {
    this.product = product
  }
}

/** A trade of a frame, used again in the next. */
type Kept = { -readonly [key in keyof TradeRecord]: TradeRecord[key] }

/** Decodes the frames of one connection. */
export class CoinbaseDecoder implements Decoder {
  /** How often `JSON.parse` had to help; snapshots of books above 1 MiB are its own. */
  fallbacks = 0
  readonly #market: Market
  readonly #plain: PlainDecoder
  readonly #scanner = new Scanner()
  #products = new Interner<Product>()
  #revision = Number.NaN
  readonly #frame = new Int32Array(FRAME_KEYS.names.length)
  readonly #event = new Int32Array(EVENT_KEYS.names.length)
  readonly #item = new Int32Array(ITEM_KEYS.names.length)
  /** The first `#size` are of this frame. */
  readonly #found: Found[] = []
  #size = 0
  /** The first `#used` are of this frame. */
  readonly #records: Kept[] = []
  #used = 0
  // What the readers below have read.
  #product: Product | undefined
  /** Milliseconds of the last time, and of the frame's: here, doubles are not boxed. */
  readonly #ms = new Float64Array(2)
  #nanos = 0
  #sentNanos = 0
  #sequence = 0

  constructor(context: ConnectionContext) {
    this.#market = new Market(context)
    this.#plain = new PlainDecoder(this.#market)
  }

  decode(frame: Uint8Array, binary: boolean, receivedAt: number, inbox: Inbox): void {
    const market = this.#market
    market.refresh()
    if (market.revision !== this.#revision) {
      this.#revision = market.revision
      this.#products = new Interner()
    }
    this.#size = this.#used = 0
    if (this.#scanner.at(frame) && (this.#usual() || this.#any())) {
      this.#tell(receivedAt, inbox)
    } else {
      this.fallbacks++
      this.#plain.decode(frame, binary, receivedAt, inbox)
    }
    if (this.#found.length > MOST_KEPT) this.#found.length = MOST_KEPT
    if (this.#records.length > MOST_KEPT) this.#records.length = MOST_KEPT
  }

  #tell(receivedAt: number, inbox: Inbox): void {
    const market = this.#market
    if (!market.begin(this.#sequence, this.#ms[1]!, this.#sentNanos, receivedAt)) return
    for (let i = 0; i < this.#size; i++) {
      const found = this.#found[i]!
      const { product, snapshot, bids, asks, trades, ticker } = found
      if (trades) market.takeTrades(product, snapshot, trades, inbox)
      else if (ticker) market.takeTicker(product, ticker, inbox)
      else {
        // They are the event's now.
        found.bids = found.asks = NONE
        market.takeLevels(product, snapshot, found, bids, asks, inbox)
      }
    }
  }

  /** Reads a frame in the documented order into `#found`; false when it is not that. */
  #usual(): boolean {
    const kind = IS_LEVELS.isAt(0) ? IS_LEVELS : IS_TRADES.isAt(0) ? IS_TRADES : IS_HEARTBEAT
    let pos = behind(0, kind)
    if (pos > 0 && CLIENT.isAt(pos)) pos += CLIENT.length
    if (pos < 0 || !TIMESTAMP.isAt(pos)) return false
    pos = this.#sent(pos + TIMESTAMP.length)
    if (pos < 0 || !SEQUENCE.isAt(pos)) return false
    pos = this.#integer(pos + SEQUENCE.length)
    if (pos < 0 || !EVENTS.isAt(pos)) return false
    pos += EVENTS.length
    if (kind === IS_HEARTBEAT) pos = this.#scanner.skip(pos - 1)
    else if (BYTES[pos] === CLOSE_LIST) pos++
    else {
      for (;;) {
        pos = kind === IS_LEVELS ? this.#usualLevels(pos) : this.#usualTrades(pos)
        if (pos < 0) return false
        const c = BYTES[pos++]!
        if (c === CLOSE_LIST) break
        if (c !== COMMA) return false
      }
    }
    return pos > 0 && BYTES[pos] === CLOSE_MAP && pos + 1 === this.#scanner.end
  }

  #usualLevels(pos: number): number {
    const snapshot = SNAPSHOT.isAt(pos)
    pos = behind(pos, snapshot ? SNAPSHOT : UPDATE)
    pos = this.#readProduct(behind(pos, OF_PRODUCT))
    if (pos < 0 || !UPDATES.isAt(pos)) return SURPRISE
    pos += UPDATES.length
    const product = this.#product!
    const scanner = this.#scanner
    const [bids, asks]: [Level[], Level[]] = [[], []]
    this.#ms[0] = this.#nanos = 0
    let time = 0
    let length = 0
    if (BYTES[pos] === CLOSE_LIST) pos++
    else {
      for (;;) {
        const isBid = BID.isAt(pos)
        pos = behind(pos, isBid ? BID : OFFER)
        if (pos < 0) return SURPRISE
        // All of a message mostly have one time.
        if (length > 0 && isSame(pos, time, length)) pos += length
        else {
          time = pos
          pos = this.#moment(pos)
          length = pos - time
        }
        if (pos < 0 || !LEVEL.isAt(pos)) return SURPRISE
        pos = scanner.decimal(pos + LEVEL.length)
        if (pos < 0 || !QUANTITY.isAt(pos)) return SURPRISE
        const price = OUT[0]!
        pos = scanner.decimal(pos + QUANTITY.length)
        if (pos < 0 || BYTES[pos++] !== CLOSE_MAP) return SURPRISE
        const size = OUT[0]! + 0
        if (!isPrice(price) || !(size >= 0 && size < Infinity)) return SURPRISE
        ;(isBid ? bids : asks).push([price, size])
        const c = BYTES[pos++]!
        if (c === CLOSE_LIST) break
        if (c !== COMMA) return SURPRISE
      }
    }
    if (BYTES[pos] !== CLOSE_MAP) return SURPRISE
    this.#keep(product, snapshot, bids, asks)
    return pos + 1
  }

  #usualTrades(pos: number): number {
    const snapshot = SNAPSHOT.isAt(pos)
    pos = behind(pos, snapshot ? SNAPSHOT : UPDATE)
    if (pos < 0 || !TRADES.isAt(pos)) return SURPRISE
    pos += TRADES.length
    const from = this.#size
    if (BYTES[pos] === CLOSE_LIST) pos++
    else {
      for (;;) {
        pos = this.#usualTrade(pos, from, snapshot)
        if (pos < 0) return SURPRISE
        const c = BYTES[pos++]!
        if (c === CLOSE_LIST) break
        if (c !== COMMA) return SURPRISE
      }
    }
    return BYTES[pos] === CLOSE_MAP ? pos + 1 : SURPRISE
  }

  #usualTrade(pos: number, from: number, snapshot: boolean): number {
    if (!TRADE_ID.isAt(pos)) return SURPRISE
    pos = this.#quoted(pos + TRADE_ID.length)
    const id = OUT[0]!
    if (pos < 0 || !PRODUCT.isAt(pos)) return SURPRISE
    pos = this.#readProduct(pos + PRODUCT.length)
    if (pos < 0 || !PRICE.isAt(pos)) return SURPRISE
    pos = this.#decimal(pos + PRICE.length)
    const price = OUT[0]!
    if (pos < 0 || !SIZE.isAt(pos)) return SURPRISE
    pos = this.#decimal(pos + SIZE.length)
    const size = OUT[0]!
    if (pos < 0) return SURPRISE
    const makerBuys = BOUGHT.isAt(pos)
    if (!makerBuys && !SOLD.isAt(pos)) return SURPRISE
    pos = this.#moment(pos + (makerBuys ? BOUGHT.length : SOLD.length))
    if (pos < 0 || BYTES[pos] !== CLOSE_MAP) return SURPRISE
    return this.#addTrade(from, snapshot, id, price, size, makerBuys) ? pos + 1 : SURPRISE
  }

  /** Reads a frame whose keys come in any order into `#found`; false when that is not all that is odd. */
  #any(): boolean {
    this.#size = this.#used = 0
    const scanner = this.#scanner
    const pos = scanner.fields(scanner.space(0), FRAME_KEYS, this.#frame)
    if (pos < 0 || scanner.space(pos) !== scanner.end) return false
    const [name, time, sequence, events] = this.#frame as unknown as [
      number,
      number,
      number,
      number,
    ]
    if (name === 0 || time === 0 || sequence === 0 || events === 0) return false
    const channel = this.#text(name)
    if (this.#sent(time) < 0 || this.#integer(sequence) < 0) return false
    switch (channel) {
      case 'heartbeats':
        return BYTES[events] === OPEN_LIST
      case 'l2_data':
        return this.#list(events, at => this.#anyEvent(at, 'updates'))
      case 'market_trades':
        return this.#list(events, at => this.#anyEvent(at, 'trades'))
      case 'ticker':
      case 'ticker_batch':
        return this.#list(events, at => this.#anyEvent(at, 'tickers'))
    }
    return false
  }

  #anyEvent(pos: number, key: 'updates' | 'trades' | 'tickers'): number {
    const end = this.#scanner.fields(pos, EVENT_KEYS, this.#event)
    if (end < 0) return SURPRISE
    const [type, id] = [this.#event[0]!, this.#event[1]!]
    const items = this.#event[EVENT_KEYS.names.indexOf(key)]!
    const word = type === 0 ? undefined : this.#text(type)
    if ((word !== 'snapshot' && word !== 'update') || items === 0) return SURPRISE
    const snapshot = word === 'snapshot'
    if (key === 'updates') {
      if (id === 0 || this.#readProduct(id) < 0) return SURPRISE
      const product = this.#product!
      const [bids, asks]: [Level[], Level[]] = [[], []]
      this.#ms[0] = this.#nanos = 0
      if (!this.#list(items, at => this.#anyLevel(at, bids, asks))) return SURPRISE
      this.#keep(product, snapshot, bids, asks)
    } else if (key === 'trades') {
      const from = this.#size
      if (!this.#list(items, at => this.#anyTrade(at, from, snapshot))) return SURPRISE
    } else if (!this.#list(items, at => this.#anyTicker(at, snapshot))) return SURPRISE
    return end
  }

  #anyLevel(pos: number, bids: Level[], asks: Level[]): number {
    const end = this.#scanner.fields(pos, ITEM_KEYS, this.#item)
    if (end < 0) return SURPRISE
    const side = this.#textOf('side')
    if ((side !== 'bid' && side !== 'offer') || this.#moment(this.#place('event_time')) < 0) {
      return SURPRISE
    }
    if (this.#decimal(this.#place('price_level')) < 0) return SURPRISE
    const price = OUT[0]!
    if (this.#decimal(this.#place('new_quantity')) < 0) return SURPRISE
    const size = OUT[0]! + 0
    if (!isPrice(price) || !(size >= 0 && size < Infinity)) return SURPRISE
    ;(side === 'bid' ? bids : asks).push([price, size])
    return end
  }

  #anyTrade(pos: number, from: number, snapshot: boolean): number {
    const end = this.#scanner.fields(pos, ITEM_KEYS, this.#item)
    if (end < 0 || this.#quoted(this.#place('trade_id')) < 0) return SURPRISE
    const id = OUT[0]!
    const side = this.#textOf('side')
    if ((side !== 'BUY' && side !== 'SELL') || this.#readProduct(this.#place('product_id')) < 0) {
      return SURPRISE
    }
    if (this.#decimal(this.#place('price')) < 0) return SURPRISE
    const price = OUT[0]!
    if (this.#decimal(this.#place('size')) < 0) return SURPRISE
    const size = OUT[0]!
    if (this.#moment(this.#place('time')) < 0) return SURPRISE
    return this.#addTrade(from, snapshot, id, price, size, side === 'BUY') ? end : SURPRISE
  }

  #anyTicker(pos: number, snapshot: boolean): number {
    const end = this.#scanner.fields(pos, ITEM_KEYS, this.#item)
    if (end < 0 || this.#readProduct(this.#place('product_id')) < 0) return SURPRISE
    const product = this.#product!
    if ((product.mask & KIND_BIT.ticker) === 0) return end
    const [price, volume] = [this.#number('price'), this.#number('volume_24_h')]
    const [low, high] = [this.#number('low_24_h'), this.#number('high_24_h')]
    const changePercent = this.#number('price_percent_chg_24_h')
    const [bid, bidSize] = [this.#number('best_bid'), this.#number('best_bid_quantity')]
    const [ask, askSize] = [this.#number('best_ask'), this.#number('best_ask_quantity')]
    const amounts = [price, volume, low, high, bid, bidSize, ask, askSize]
    const isSound =
      amounts.every(it => it === undefined || (it >= 0 && it < Infinity)) &&
      (changePercent === undefined || Number.isFinite(changePercent))
    if (price === undefined || volume === undefined) return SURPRISE
    if (!isSound || low === undefined || high === undefined) return SURPRISE
    const ticker = { price, volume, low, high, changePercent, bid, bidSize, ask, askSize }
    this.#find(product, snapshot).ticker = ticker
    return end
  }

  /** A number in quotes of the item at hand; absent is `undefined`, anything else NaN. */
  #number(key: string): number | undefined {
    const pos = this.#place(key)
    if (pos < 0) return undefined
    return this.#decimal(pos) < 0 ? Number.NaN : OUT[0]! + 0
  }

  #keep(product: Product, snapshot: boolean, bids: Level[], asks: Level[]): void {
    if ((product.mask & LEVELS) === 0) return
    const found = this.#find(product, snapshot)
    found.timestamp = this.#ms[0]!
    found.nanos = this.#nanos
    found.bids = bids
    found.asks = asks
  }

  /** One more that is found, with nothing in it yet. */
  #find(product: Product, snapshot: boolean): Found {
    const i = this.#size++
    if (i === this.#found.length) this.#found.push(new Found(product))
    const found = this.#found[i]!
    found.product = product
    found.snapshot = snapshot
    found.trades = found.ticker = undefined
    return found
  }

  /** Keeps a trade with those of its product in the same event, which begins at `from` of what was found. */
  #addTrade(
    from: number,
    snapshot: boolean,
    id: number,
    price: number,
    size: number,
    makerBuys: boolean,
  ): boolean {
    const product = this.#product!
    // What nobody wants is only passed over.
    if ((product.mask & KIND_BIT.trade) === 0) return true
    const timestamp = this.#ms[0]!
    if (!isPrice(price) || !isPrice(size) || timestamp <= 0) return false
    const next = this.#used++
    if (next === this.#records.length) {
      this.#records.push({ id, price, size, makerBuys, timestamp, nanos: 0 })
    }
    const record = this.#records[next]!
    record.id = id
    record.price = price
    record.size = size
    record.makerBuys = makerBuys
    record.timestamp = timestamp
    record.nanos = this.#nanos
    for (let i = from; i < this.#size; i++) {
      const found = this.#found[i]!
      if (found.product !== product) continue
      found.trades!.push(record)
      return true
    }
    this.#find(product, snapshot).trades = [record]
    return true
  }

  // Readers: each takes a place, or a surprise, and gives the place behind, or a surprise.

  #list(pos: number, read: (pos: number) => number): boolean {
    const scanner = this.#scanner
    if (BYTES[pos] !== OPEN_LIST) return false
    pos = scanner.space(pos + 1)
    if (BYTES[pos] === CLOSE_LIST) return true
    for (;;) {
      pos = read(pos)
      if (pos < 0) return false
      pos = scanner.space(pos)
      if (BYTES[pos] === CLOSE_LIST) return true
      if (BYTES[pos] !== COMMA) return false
      pos = scanner.space(pos + 1)
    }
  }

  #place(key: string): number {
    return this.#item[ITEM_KEYS.names.indexOf(key)]! || SURPRISE
  }

  #textOf(key: string): string | undefined {
    const pos = this.#place(key)
    return pos < 0 ? undefined : this.#text(pos)
  }

  /** A text of plain ASCII; `undefined` for anything else. */
  #text(pos: number): string | undefined {
    const end = this.#scanner.string(pos)
    return end < 0 ? undefined : asciiText(BYTES, pos + 1, end - 1)
  }

  /** A number in quotes. */
  #decimal(pos: number): number {
    if (pos < 0 || BYTES[pos] !== QUOTE) return SURPRISE
    const next = this.#scanner.number(pos + 1)
    return next > 0 && BYTES[next] === QUOTE ? next + 1 : SURPRISE
  }

  /** The time of the frame. */
  #sent(pos: number): number {
    const next = this.#moment(pos)
    this.#ms[1] = this.#ms[0]!
    this.#sentNanos = this.#nanos
    return next
  }

  /** A time in UTC, into `#ms` and `#nanos`; one of 1970 or before is none. */
  #moment(pos: number): number {
    if (pos < 0) return SURPRISE
    const next = this.#scanner.time(pos)
    if (next < 0) return SURPRISE
    const timestamp = OUT[1]!
    this.#ms[0] = timestamp > 0 ? timestamp : 0
    this.#nanos = timestamp > 0 ? this.#scanner.nanos : 0
    return next
  }

  /** Up to 15 digits, into `#sequence`. */
  #integer(pos: number): number {
    const end = this.#scanner.digits(pos)
    if (end < 0) return SURPRISE
    this.#sequence = OUT[0]!
    return BYTES[end] === COMMA || BYTES[end] === CLOSE_MAP ? end : SURPRISE
  }

  /** Up to 15 digits in quotes, where zeros may stand before, into `OUT`. */
  #quoted(pos: number): number {
    if (pos < 0 || BYTES[pos] !== QUOTE) return SURPRISE
    const end = BYTES[pos + 1] === 48 ? this.#padded(pos + 1) : this.#scanner.digits(pos + 1)
    return end > 0 && BYTES[end] === QUOTE ? end + 1 : SURPRISE
  }

  #padded(first: number): number {
    let pos = first
    let value = 0
    let c = 0
    while ((c = (BYTES[pos]! ^ 48) >>> 0) <= 9) {
      value = value * 10 + c
      pos++
    }
    OUT[0] = value
    return pos - first > 15 ? SURPRISE : pos
  }

  /** A product in quotes, into `#product`. */
  #readProduct(pos: number): number {
    if (pos < 0) return SURPRISE
    const end = this.#scanner.string(pos)
    if (end < 0 || end - pos < 3) return SURPRISE
    const [start, stop] = [pos + 1, end - 1]
    const hash = hashOf(BYTES, start, stop)
    let product = this.#products.get(BYTES, start, stop, hash)
    if (product === undefined) {
      product = this.#market.product(asciiText(BYTES, start, stop))
      this.#products.set(BYTES, start, stop, hash, product)
    }
    this.#product = product
    return end
  }
}

const behind = (pos: number, literal: Literal) =>
  pos >= 0 && literal.isAt(pos) ? pos + literal.length : SURPRISE

/** Whether the same text stands at two places. */
function isSame(a: number, b: number, length: number): boolean {
  const end = a + length
  for (; a + 4 <= end; a += 4, b += 4) {
    if (VIEW.getInt32(a, true) !== VIEW.getInt32(b, true)) return false
  }
  for (; a < end; a++, b++) if (BYTES[a] !== BYTES[b]) return false
  return true
}

const isPrice = (value: number) => value > 0 && value < Infinity
