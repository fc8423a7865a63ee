/**
 * The plain decoder: parse, then read. It is what the scanner falls back to, and what that is held against, event for
 * event and refusal for refusal.
 */
import type { Decoder, Inbox } from '../../feed/description.ts'
import { KIND_BIT } from '../../feed/provider.ts'
import type { Level } from '../../market/events.ts'
import { type Moment, parseTime } from '../../market/time.ts'
import type { CandleRecord, Market, Product, TickerRecord, TradeRecord } from './market.ts'
import { readSubscriptions } from './replies.ts'

type Message = Readonly<Record<string, unknown>>

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** A number as JSON has it. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** What each channel of data is for. */
const WANTED: { readonly [channel: string]: number } = {
  market_trades: KIND_BIT.trade,
  l2_data: KIND_BIT.book | KIND_BIT.quote,
  ticker: KIND_BIT.ticker,
  ticker_batch: KIND_BIT.ticker,
  candles: KIND_BIT.bar,
}
/** Lists of records in the events of a channel. */
const LISTS: { readonly [channel: string]: string } = {
  ...{ market_trades: 'trades', ticker: 'tickers', ticker_batch: 'tickers', candles: 'candles' },
}

/** Decodes frames by `JSON.parse`. */
export class PlainDecoder implements Decoder {
  readonly #market: Market

  constructor(market: Market) {
    this.#market = market
  }

  decode(frame: Uint8Array, _binary: boolean, receivedAt: number, inbox: Inbox): void {
    this.#market.refresh()
    const message = parseMap(frame)
    if (typeof message === 'string') {
      inbox.malformed(message)
      return
    }
    const { channel, type, sequence_num: sequence, timestamp, events } = message
    if (channel === undefined) {
      if (type === 'error' && typeof message.message === 'string') {
        inbox.control({ type: 'error', code: undefined, message: message.message })
      } else inbox.unknown(typeof type === 'string' ? type.slice(0, 32) : 'no channel')
      return
    }
    const sent = momentOf(timestamp)
    const fault =
      typeof channel !== 'string'
        ? 'channel is not a text'
        : !Number.isSafeInteger(sequence) || (sequence as number) < 0
          ? 'sequence_num is none'
          : !sent
            ? 'timestamp is not a time'
            : !Array.isArray(events)
              ? 'events is not a list'
              : undefined
    if (fault !== undefined) {
      inbox.malformed(fault)
      return
    }
    const [name, list] = [channel as string, events as unknown[]]
    const { timestamp: ms, nanos } = sent!
    if (!this.#market.begin((sequence as number) + 0, ms, nanos, receivedAt)) return
    if (name === 'heartbeats') return
    if (name === 'subscriptions') readSubscriptions(asMap(list[0])?.subscriptions, inbox)
    else if (!Object.hasOwn(WANTED, name)) inbox.unknown(name.slice(0, 32))
    else for (const event of list) this.#event(name, asMap(event) ?? {}, inbox)
  }

  #event(channel: string, event: Message, inbox: Inbox): void {
    const { type } = event
    if (type !== 'snapshot' && type !== 'update') {
      inbox.malformed(`${channel}: type is neither snapshot nor update`)
    } else if (channel === 'l2_data') this.#levels(event, type === 'snapshot', inbox)
    else this.#records(channel, event, type === 'snapshot', inbox)
  }

  #levels(event: Message, snapshot: boolean, inbox: Inbox): void {
    const product = this.#product(event, 'l2_data', inbox)
    if (!product || (product.mask & WANTED.l2_data!) === 0) return
    const [bids, asks]: [Level[], Level[]] = [[], []]
    let last: Moment = NO_TIME
    let fault = Array.isArray(event.updates) ? undefined : 'updates is not a list'
    for (const update of fault === undefined ? (event.updates as unknown[]) : []) {
      const fields = new Fields(asMap(update) ?? {})
      const { side } = fields.message
      if (side !== 'bid' && side !== 'offer') fields.fault ??= 'side is neither bid nor offer'
      last = fields.time('event_time')
      const level = [fields.price('price_level'), fields.amount('new_quantity')] as const
      ;(side === 'bid' ? bids : asks).push(level)
      fault ??= fields.fault
    }
    if (fault === undefined) {
      this.#market.takeLevels(product, snapshot, last, bids, asks, inbox)
      return
    }
    inbox.malformed(`l2_data: ${fault}`)
    this.#market.spoilBook(product, inbox)
  }

  /** Records of several products, which are told product by product. */
  #records(channel: string, event: Message, snapshot: boolean, inbox: Inbox): void {
    const list = event[LISTS[channel]!]
    if (!Array.isArray(list)) {
      inbox.malformed(`${channel}: ${LISTS[channel]} is not a list`)
      return
    }
    const market = this.#market
    const trades = new Map<Product, TradeRecord[]>()
    const candles = new Map<Product, CandleRecord[]>()
    for (const item of list as unknown[]) {
      const record = asMap(item) ?? {}
      const product = this.#product(record, channel, inbox)
      if (!product || (product.mask & WANTED[channel]!) === 0) continue
      const fields = new Fields(record)
      const told =
        channel === 'market_trades'
          ? put(trades, product, readTrade(fields), fields)
          : channel === 'candles'
            ? put(candles, product, readCandle(fields), fields)
            : undefined
      if (told === undefined) {
        const ticker = readTicker(fields)
        if (fields.fault === undefined) market.takeTicker(product, ticker, inbox)
      }
      if (fields.fault !== undefined) inbox.malformed(`${channel}: ${fields.fault}`)
    }
    for (const [product, records] of trades) market.takeTrades(product, snapshot, records, inbox)
    for (const [product, records] of candles) market.takeCandles(product, snapshot, records, inbox)
  }

  #product({ product_id: id }: Message, channel: string, inbox: Inbox): Product | undefined {
    if (typeof id === 'string' && id !== '') return this.#market.product(id)
    inbox.malformed(`${channel}: no product_id`)
    return undefined
  }
}

function put<T>(lists: Map<Product, T[]>, product: Product, record: T, { fault }: Fields): true {
  if (fault !== undefined) return true
  const list = lists.get(product)
  if (list) list.push(record)
  else lists.set(product, [record])
  return true
}

/** A trade, of the stream or of the older feed's REST side. */
function readTrade(fields: Fields): TradeRecord {
  const { side } = fields.message
  if (side !== 'BUY' && side !== 'SELL') fields.fault ??= 'side is neither BUY nor SELL'
  const [id, { timestamp, nanos }] = [fields.id('trade_id'), fields.time('time')]
  if (timestamp <= 0) fields.fault ??= 'time is none'
  const [price, size] = [fields.price('price'), fields.price('size')]
  return { id, price, size, makerBuys: side === 'BUY', timestamp, nanos }
}

export function readCandle(fields: Fields): CandleRecord {
  return {
    start: fields.id('start'),
    open: fields.price('open'),
    high: fields.price('high'),
    low: fields.price('low'),
    close: fields.price('close'),
    volume: fields.amount('volume'),
  }
}

function readTicker(fields: Fields): TickerRecord {
  return {
    price: fields.amount('price'),
    volume: fields.amount('volume_24_h'),
    low: fields.amount('low_24_h'),
    high: fields.amount('high_24_h'),
    changePercent: fields.optional('price_percent_chg_24_h'),
    bid: fields.optionalAmount('best_bid'),
    bidSize: fields.optionalAmount('best_bid_quantity'),
    ask: fields.optionalAmount('best_ask'),
    askSize: fields.optionalAmount('best_ask_quantity'),
  }
}

/** The map a frame holds, or what is wrong with it. */
function parseMap(frame: Uint8Array): Message | string {
  let text: string
  try {
    text = UTF8.decode(frame)
  } catch {
    return 'not UTF-8'
  }
  try {
    return asMap(JSON.parse(text)) ?? 'not a map'
  } catch {
    return 'not JSON'
  }
}

export function asMap(value: unknown): Message | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Message)
    : undefined
}

/** A finite number written as text; −0 is 0. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value !== 'string' || !NUMBER.test(value)) return undefined
  const number = Number(value) + 0
  return Number.isFinite(number) ? number : undefined
}

const NO_TIME: Moment = { timestamp: 0, nanos: 0 }

/** A time; one at or before 1970, or of the year 1, is none. */
export function momentOf(value: unknown): Moment | undefined {
  const moment = typeof value === 'string' ? parseTime(value) : undefined
  return moment && moment.timestamp <= 0 ? NO_TIME : moment
}

/** Fields of a message. What is wrong is noted in `fault`, and something of the right type given. */
export class Fields {
  fault: string | undefined
  readonly message: Message

  constructor(message: Message) {
    this.message = message
  }

  optional(key: string): number | undefined {
    const value = Object.hasOwn(this.message, key) ? this.message[key] : undefined
    if (value === undefined) return undefined
    const number = numberOf(value)
    if (number === undefined) this.fault ??= `${key} is not a number`
    return number
  }

  optionalAmount(key: string): number | undefined {
    const number = this.optional(key)
    if (number !== undefined && !(number >= 0)) this.fault ??= `${key} is negative`
    return number
  }

  /** 0 or more. */
  amount(key: string): number {
    const number = this.optionalAmount(key)
    if (number === undefined) this.fault ??= `${key} is not a number`
    return number ?? 0
  }

  /** Above 0. */
  price(key: string): number {
    const number = this.amount(key)
    if (!(number > 0)) this.fault ??= `${key} is not above 0`
    return number
  }

  /** An id or a time in seconds: digits as text. */
  id(key: string): number {
    const value = Object.hasOwn(this.message, key) ? this.message[key] : undefined
    const number =
      typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
    if (Number.isSafeInteger(number)) return number
    this.fault ??= `${key} is no id`
    return 0
  }

  time(key: string): Moment {
    const moment = momentOf(this.message[key])
    if (!moment) this.fault ??= `${key} is not a time`
    return moment ?? NO_TIME
  }
}
