/**
 * The plain decoder: parse, then read. It is what the scanner falls back to, and what that is held against, event for
 * event and refusal for refusal.
 */
import type { Decoder, Inbox } from '../../feed/description.ts'
import { KIND_BIT } from '../../feed/provider.ts'
import type { Bar, Trade } from '../../market/events.ts'
import { parseTime } from '../../market/time.ts'
import { Levels } from './book.ts'
import { intervalOf } from './channels.ts'
import { CHANGE_FIELD, type Market, type Pair, type PairFacts, TICKER_FIELDS } from './market.ts'
import { readReply } from './replies.ts'
import { isSymbol } from './symbols.ts'

type Message = Readonly<Record<string, unknown>>

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** What `JSON.parse` would make of a price or size loses its trailing zeros, which the checksum needs: as text it keeps them. */
const DIGITS = /"(price|qty)"(\s*):(\s*)(-?[0-9][0-9.eE+-]*)/g
/** A number as JSON has it. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** Decodes frames by `JSON.parse`. */
export class PlainDecoder implements Decoder {
  readonly #market: Market
  readonly #bids = new Levels()
  readonly #asks = new Levels()
  #receivedAt = 0

  constructor(market: Market) {
    this.#market = market
  }

  decode(frame: Uint8Array, _binary: boolean, receivedAt: number, inbox: Inbox): void {
    this.#market.refresh()
    this.#receivedAt = receivedAt
    const message = parse(frame)
    if (typeof message === 'string') {
      inbox.malformed(message)
      return
    }
    const { channel, type, data } = message
    if (channel === undefined) {
      readReply(message, this.#market, inbox)
      return
    }
    if (typeof channel !== 'string') {
      inbox.malformed('channel is not a text')
      return
    }
    if (channel === 'heartbeat') return
    if (channel === 'status') {
      const [status] = Array.isArray(data) ? data : []
      const { system } = asMap(status) ?? {}
      if (typeof system === 'string' && system !== 'online') {
        this.#market.tell('warn', `Kraken is in the state ${system.slice(0, 32)}`)
      }
      return
    }
    if (!CHANNELS.has(channel)) {
      inbox.unknown(channel.slice(0, 32))
      return
    }
    if (type !== 'snapshot' && type !== 'update') {
      inbox.malformed(`${channel}: type is neither snapshot nor update`)
      return
    }
    if (channel === 'instrument') this.#instrument(data, type === 'snapshot', inbox)
    else if (!Array.isArray(data)) inbox.malformed(`${channel}: data is no list`)
    else this.#records(channel, data, type === 'snapshot', inbox)
  }

  #records(channel: string, data: readonly unknown[], snapshot: boolean, inbox: Inbox): void {
    for (const value of data) {
      const record = asMap(value)
      const symbol = record?.symbol
      if (!record || typeof symbol !== 'string' || !isSymbol(symbol)) {
        inbox.malformed(`${channel}: no symbol`)
        continue
      }
      const pair = this.#market.pair(symbol)
      if (!pair || (pair.mask & WANTED[channel]!) === 0) continue
      const fault = this.#record(channel, record, pair, snapshot, inbox)
      if (fault === undefined) continue
      inbox.malformed(`${channel}: ${fault}`)
      if (channel === 'book') this.#market.spoilBook(pair, 'a message could not be read', inbox)
    }
  }

  /** What is wrong with a record, where something is. */
  #record(
    channel: string,
    record: Message,
    pair: Pair,
    snapshot: boolean,
    inbox: Inbox,
  ): string | undefined {
    const fields = new Fields(record)
    this.#time(fields, channel === 'ohlc' ? 'interval_begin' : 'timestamp', channel)
    switch (channel) {
      case 'trade': {
        const trade = this.#trade(fields, pair)
        if (fields.fault === undefined) this.#market.takeTrade(pair, trade, inbox)
        break
      }
      case 'ticker': {
        for (const [i, key] of TICKER_FIELDS.entries()) {
          const value = i < CHANGE_FIELD ? fields.amount(key) : fields.number(key)
          this.#market.numbers[i] = (value ?? Number.NaN) + 0
        }
        if (fields.fault === undefined) this.#market.takeTicker(pair, inbox)
        break
      }
      case 'ohlc': {
        const bar = this.#candle(fields, pair)
        if (bar && fields.fault === undefined) this.#market.takeCandle(bar, inbox)
        break
      }
      case 'book': {
        const checksum = fields.number('checksum')
        if (!Number.isInteger(checksum) || checksum! < 0 || checksum! > 0xffffffff) {
          fields.fault ??= 'checksum is none'
        }
        readLevels(record.bids, this.#bids, pair, fields)
        readLevels(record.asks, this.#asks, pair, fields)
        if (fields.fault !== undefined) break
        this.#market.takeBook(pair, snapshot, this.#bids, this.#asks, checksum!, inbox)
      }
    }
    return fields.fault
  }

  #time(fields: Fields, key: string, channel: string): void {
    const moment = fields.time(key)
    if (!moment && (channel === 'trade' || channel === 'ohlc')) fields.fault ??= `no ${key}`
    this.#market.time[0] = moment?.timestamp ?? Math.floor(this.#receivedAt)
    this.#market.time[1] = this.#receivedAt
    this.#market.nanos = moment?.nanos ?? 0
  }

  #trade(fields: Fields, pair: Pair): Trade {
    const price = fields.price('price')
    const size = fields.amount('qty') ?? 0
    if (!(size > 0)) fields.fault ??= 'qty is not above 0'
    const id = fields.number('trade_id')
    if (!Number.isSafeInteger(id) || id! < 0) fields.fault ??= 'trade_id is none'
    const side = fields.text('side')
    if (side !== 'buy' && side !== 'sell') fields.fault ??= 'side is neither buy nor sell'
    const taker = side === 'sell' ? 'sell' : 'buy'
    return this.#market.trade(pair, price, size, (id ?? 0) + 0, taker, fields.text('ord_type'))
  }

  #candle(fields: Fields, pair: Pair): Bar | undefined {
    const interval = intervalOf(fields.number('interval'))
    if (!interval) fields.fault ??= 'interval is none of the venue'
    const [open, high] = [fields.price('open'), fields.price('high')]
    const [low, close] = [fields.price('low'), fields.price('close')]
    const volume = fields.amount('volume')
    if (volume === undefined) fields.fault ??= 'no volume'
    const [vwap, trades] = [fields.amount('vwap'), fields.amount('trades')]
    if (!interval) return undefined
    const prices = [open, high, low, close] as const
    return this.#market.candle(pair, interval, prices, volume ?? 0, vwap, trades)
  }

  #instrument(data: unknown, snapshot: boolean, inbox: Inbox): void {
    const pairs = asMap(data)?.pairs
    // An update may be of assets only.
    if (pairs === undefined && asMap(data)) return
    if (!Array.isArray(pairs)) {
      inbox.malformed('instrument: no pairs')
      return
    }
    const list: PairFacts[] = []
    for (const value of pairs) {
      const facts = factsOf(value)
      if (facts) list.push(facts)
      else inbox.malformed('instrument: a pair that is none')
    }
    this.#market.takeFacts(list, snapshot, this.#receivedAt, inbox)
  }
}

const WANTED: { readonly [channel: string]: number } = {
  trade: KIND_BIT.trade,
  ticker: KIND_BIT.ticker | KIND_BIT.quote,
  ohlc: KIND_BIT.bar,
  book: KIND_BIT.book,
}
const CHANNELS: ReadonlySet<string> = new Set([...Object.keys(WANTED), 'instrument'])

/** The message of a frame, prices and sizes as text; or what is wrong with it. */
function parse(frame: Uint8Array): Message | string {
  let text: string
  try {
    text = UTF8.decode(frame)
  } catch {
    return 'not UTF-8'
  }
  try {
    return asMap(JSON.parse(text.replace(DIGITS, '"$1"$2:$3"$4"'))) ?? 'not a map'
  } catch {
    return 'not JSON'
  }
}

/** Most decimals a pair may have. */
const MOST_DECIMALS = 20
const isDecimals = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MOST_DECIMALS

function factsOf(value: unknown): PairFacts | undefined {
  const { symbol, status, price_precision: price, qty_precision: size } = asMap(value) ?? {}
  if (typeof symbol !== 'string' || !isSymbol(symbol) || typeof status !== 'string')
    return undefined
  return isDecimals(price) && isDecimals(size)
    ? { symbol, status, precision: { price, size } }
    : undefined
}

const ENCODER = new TextEncoder()

function readLevels(value: unknown, levels: Levels, pair: Pair, fields: Fields): void {
  levels.count = 0
  if (!Array.isArray(value)) {
    fields.fault ??= 'no levels'
    return
  }
  for (const item of value) {
    const { price: priceText, qty: sizeText } = asMap(item) ?? {}
    const [price, size] = [numberOf(priceText), numberOf(sizeText)]
    if (price === undefined || size === undefined || !(price > 0) || !(size >= 0)) {
      fields.fault ??= 'a level that is none'
      return
    }
    // A number still, for all that was done to keep its text: its digits are not known, as with an exponent.
    const [first, second] = [priceText, sizeText].map(it => (typeof it === 'string' ? it : 'e'))
    const bytes = ENCODER.encode(first! + second!)
    const middle = first!.length
    levels.add(price, size + 0, bytes, 0, middle, middle, bytes.length, pair.precision)
  }
}

/** A finite number, given as one or as text. */
function numberOf(value: unknown): number | undefined {
  const number =
    typeof value === 'string' && NUMBER.test(value)
      ? Number(value)
      : typeof value === 'number'
        ? value
        : Number.NaN
  return Number.isFinite(number) ? number : undefined
}

function asMap(value: unknown): Message | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Message)
    : undefined
}

/** Fields of a record. Absent and null are `undefined`; a wrong type is noted in `fault`. */
class Fields {
  fault: string | undefined
  readonly #record: Message

  constructor(record: Message) {
    this.#record = record
  }

  number(key: string): number | undefined {
    const value = this.#record[key] ?? undefined
    if (value === undefined) return undefined
    const number = numberOf(value)
    if (number === undefined) this.fault ??= `${key} is not a number`
    return number
  }

  /** Absent, or 0 or more. */
  amount(key: string): number | undefined {
    const value = this.number(key)
    if (value === undefined) return undefined
    if (!(value >= 0)) this.fault ??= `${key} is negative`
    return value + 0
  }

  /** Above 0. */
  price(key: string): number {
    const value = this.number(key)
    if (value === undefined || !(value > 0)) this.fault ??= `${key} is not a price`
    return value ?? 0
  }

  text(key: string): string | undefined {
    const value = this.#record[key] ?? undefined
    if (value === undefined || typeof value === 'string') return value
    this.fault ??= `${key} is not a text`
    return undefined
  }

  time(key: string): { timestamp: number; nanos: number } | undefined {
    const text = this.text(key)
    if (text === undefined) return undefined
    const moment = parseTime(text)
    if (!moment || moment.timestamp < FIRST_TIME) this.fault ??= `${key} is not a time`
    return moment
  }
}

/** The year 100: what the scanner can read too. */
const FIRST_TIME = Date.UTC(100, 0)
