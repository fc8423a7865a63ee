/**
 * The plain decoder: parse, then read. It is what the scanner falls back to, and what that is held against, event for
 * event and refusal for refusal.
 */
import type { Decoder, Inbox } from '../../feed/description.ts'
import { KIND_BIT } from '../../feed/provider.ts'
import type { Interval, Level } from '../../market/events.ts'
import type { Moment } from '../../market/time.ts'
import type { Market, Pair, TickerFields } from './market.ts'
import { readReply, SHUTDOWN } from './replies.ts'
import { INTERVALS } from './streams.ts'

type Message = Readonly<Record<string, unknown>>

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** A number as JSON has it. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
/** Above it a time is in microseconds: in milliseconds it would be the year 5138, in microseconds it is 1973. */
const LEAST_MICROS = 1e14

/** What each kind of event is for, by the venue's name of it. */
export const WANTED: { readonly [event: string]: number } = {
  trade: KIND_BIT.trade,
  aggTrade: KIND_BIT.trade,
  kline: KIND_BIT.bar,
  '24hrTicker': KIND_BIT.ticker,
  depthUpdate: KIND_BIT.book,
}

/** Decodes frames by `JSON.parse`. */
export class PlainDecoder implements Decoder {
  readonly #market: Market
  #receivedAt = 0

  constructor(market: Market) {
    this.#market = market
  }

  decode(frame: Uint8Array, _binary: boolean, receivedAt: number, inbox: Inbox): void {
    this.#market.refresh()
    this.#receivedAt = receivedAt
    const whole = parseMap(frame)
    if (typeof whole === 'string') {
      inbox.malformed(whole)
      return
    }
    const message = unwrapped(whole)
    if (typeof message === 'string') {
      inbox.malformed(message)
      return
    }
    const { e: event } = message
    if (event === undefined) {
      // The only event without a name, and without a time.
      if (message.u === undefined) readReply(message, inbox)
      else this.#read('bookTicker', KIND_BIT.quote, message, inbox)
    } else if (typeof event !== 'string') inbox.malformed('e is not a text')
    else if (event === SHUTDOWN) {
      inbox.control({ type: 'leaving' })
    } else if (!Object.hasOwn(WANTED, event)) inbox.unknown(event.slice(0, 32))
    else this.#read(event, WANTED[event]!, message, inbox)
  }

  #read(event: string, kind: number, message: Message, inbox: Inbox): void {
    const { s: name } = message
    if (typeof name !== 'string' || name === '') {
      inbox.malformed(`${event}: no symbol`)
      return
    }
    const pair = this.#market.pair(name)
    if ((pair.mask & kind) === 0) return
    const fields = new Fields(message)
    const take = this.#event(event, fields, pair, inbox)
    if (fields.fault === undefined) take()
    else {
      inbox.malformed(`${event}: ${fields.fault}`)
      if (event === 'depthUpdate') this.#market.spoilBook(pair, inbox)
    }
  }

  /** Reads all fields; what is returned gives the event on. */
  #event(event: string, fields: Fields, pair: Pair, inbox: Inbox): () => void {
    const market = this.#market
    const receivedAt = this.#receivedAt
    switch (event) {
      case 'bookTicker': {
        const [bid, bidSize] = [fields.amount('b'), fields.amount('B')]
        const [ask, askSize] = [fields.amount('a'), fields.amount('A')]
        return () => market.takeQuote(pair, receivedAt, bid, bidSize, ask, askSize, inbox)
      }
      case '24hrTicker': {
        const { timestamp, nanos } = fields.time('E')
        const ticker = readTicker(fields)
        return () => market.takeTicker(pair, timestamp, nanos, receivedAt, ticker, inbox)
      }
      case 'kline': {
        const candle = new Fields(asMap(fields.get('k')) ?? {})
        const { timestamp, nanos } = candle.time('t')
        const interval = candle.get('i') as Interval
        if (typeof interval !== 'string' || !Object.hasOwn(INTERVALS, interval)) {
          candle.fault ??= 'i is no interval of ours'
        }
        const [open, high] = [candle.price('o'), candle.price('h')]
        const [low, close] = [candle.price('l'), candle.price('c')]
        const [volume, turnover] = [candle.amount('v'), candle.amount('q')]
        const [trades, final] = [candle.id('n'), candle.flag('x')]
        fields.fault ??= candle.fault
        return () =>
          market.takeCandle(
            ...([pair, timestamp, nanos, receivedAt, interval, open, high, low, close] as const),
            ...([volume, turnover, trades, final, inbox] as const),
          )
      }
      case 'depthUpdate': {
        const { timestamp, nanos } = fields.time('E')
        const [first, last] = [fields.id('U'), fields.id('u')]
        if (first > last) fields.fault ??= 'U is above u'
        const [bids, asks] = [fields.levels('b'), fields.levels('a')]
        const diff = { first, last, timestamp, nanos, bids, asks }
        return () => market.takeDiff(pair, receivedAt, diff, inbox)
      }
      default: {
        const { timestamp, nanos } = fields.time('T')
        const [price, size] = [fields.price('p'), fields.price('q')]
        const id = fields.id(event === 'trade' ? 't' : 'a')
        const buyerMade = fields.flag('m')
        return () =>
          market.takeTrade(
            ...([pair, timestamp, nanos, receivedAt, price, size, id, buyerMade, inbox] as const),
          )
      }
    }
  }
}

function readTicker(fields: Fields): TickerFields {
  return {
    change: fields.number('p'),
    changePercent: fields.number('P'),
    vwap: fields.amount('w'),
    previousClose: fields.amount('x'),
    last: fields.amount('c'),
    lastSize: fields.amount('Q'),
    bid: fields.amount('b'),
    bidSize: fields.amount('B'),
    ask: fields.amount('a'),
    askSize: fields.amount('A'),
    open: fields.amount('o'),
    high: fields.amount('h'),
    low: fields.amount('l'),
    volume: fields.amount('v'),
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

/** What stands in the wrapping of a combined stream; what has none is as it is. */
function unwrapped(message: Message): Message | string {
  const { stream, data } = message
  if (stream === undefined || data === undefined) return message
  return asMap(data) ?? 'data is not a map'
}

function asMap(value: unknown): Message | undefined {
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

/** A time in milliseconds or microseconds since 1970. */
export function momentOf(value: unknown): Moment | undefined {
  if (!Number.isSafeInteger(value) || (value as number) <= 0) return undefined
  const number = value as number
  if (number < LEAST_MICROS) return { timestamp: number, nanos: 0 }
  const timestamp = Math.floor(number / 1_000)
  return { timestamp, nanos: (number - timestamp * 1_000) * 1_000 }
}

/** Levels of a book; `undefined` where one is none. */
export function levelsOf(value: unknown): Level[] | undefined {
  if (!Array.isArray(value)) return undefined
  const levels: Level[] = []
  for (const item of value) {
    if (!Array.isArray(item)) return undefined
    const [price, size] = [numberOf(item[0]), numberOf(item[1])]
    if (price === undefined || size === undefined || !(price > 0) || !(size >= 0)) return undefined
    levels.push([price, size])
  }
  return levels
}

/** Fields of a message. What is wrong is noted in `fault`, and something of the right type given. */
export class Fields {
  fault: string | undefined
  readonly #message: Message

  constructor(message: Message) {
    this.#message = message
  }

  get(key: string): unknown {
    return Object.hasOwn(this.#message, key) ? this.#message[key] : undefined
  }

  number(key: string): number {
    const number = numberOf(this.get(key))
    if (number === undefined) this.fault ??= `${key} is not a number`
    return number ?? 0
  }

  /** 0 or more. */
  amount(key: string): number {
    const number = this.number(key)
    if (!(number >= 0)) this.fault ??= `${key} is negative`
    return number
  }

  /** Above 0. */
  price(key: string): number {
    const number = this.number(key)
    if (!(number > 0)) this.fault ??= `${key} is not above 0`
    return number
  }

  /** A number of the venue's: of a trade, of an update. */
  id(key: string): number {
    const value = this.get(key)
    if (Number.isSafeInteger(value) && (value as number) >= 0) return (value as number) + 0
    this.fault ??= `${key} is no id`
    return 0
  }

  flag(key: string): boolean {
    const value = this.get(key)
    if (typeof value !== 'boolean') this.fault ??= `${key} is neither true nor false`
    return value === true
  }

  time(key: string): Moment {
    const moment = momentOf(this.get(key))
    if (!moment) this.fault ??= `${key} is not a time`
    return moment ?? { timestamp: 0, nanos: 0 }
  }

  levels(key: string): Level[] {
    const levels = levelsOf(this.get(key))
    if (!levels) this.fault ??= `${key} holds a level that is none`
    return levels ?? []
  }
}
