/**
 * The plain decoder: parse, then read. It is what the scanner falls back to, and what that is held against, event for
 * event and refusal for refusal.
 */
import type { Decoder, Inbox } from '../../feed/description.ts'
import type { Level } from '../../market/events.ts'
import { parseTime } from '../../market/time.ts'
import { clean, FIELDS, isSigned, type Market, SIZES, TIMES } from './market.ts'
import { readReply } from './replies.ts'
import { isName, symbolOf } from './symbols.ts'

type Message = Readonly<Record<string, unknown>>

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** A number as JSON has it. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** Decodes frames by `JSON.parse`. */
export class PlainDecoder implements Decoder {
  readonly #market: Market

  constructor(market: Market) {
    this.#market = market
  }

  decode(frame: Uint8Array, _binary: boolean, receivedAt: number, inbox: Inbox): void {
    this.#market.refresh()
    const message = parseMap(frame)
    if (typeof message === 'string') inbox.malformed(message)
    else if (message.type !== 'market_data') readReply(message, this.#market, inbox)
    else {
      const fault = this.#read(message, receivedAt, inbox)
      if (fault !== undefined) inbox.malformed(`market_data: ${fault}`)
    }
  }

  /** What is wrong with it, where something is. */
  #read(message: Message, receivedAt: number, inbox: Inbox): string | undefined {
    const { symbol, exchange, mode, broker } = message
    if (!isName(symbol) || !isName(exchange)) return 'no symbol and exchange'
    if (mode !== 1 && mode !== 2 && mode !== 3) return 'mode is none of 1, 2 and 3'
    const data = asMap(message.data)
    if (!data) return 'data is not a map'
    const market = this.#market
    const listed = market.listed(symbolOf({ symbol, exchange }))
    if (listed.mask === 0) return undefined
    market.begin()
    const fault = this.#fields(data) ?? this.#depth(data.depth ?? undefined)
    if (fault !== undefined) return fault
    const name = typeof broker === 'string' ? broker : ''
    return market.take(listed, mode, name, receivedAt, inbox) ? undefined : 'no ltp'
  }

  #fields(data: Message): string | undefined {
    const market = this.#market
    for (const [i, name] of FIELDS.entries()) {
      const value = own(data, name)
      if (value === undefined) continue
      if (i >= TIMES) {
        market.set(i, timeOf(value))
        continue
      }
      const number = numberOf(value)
      if (number === undefined) return `${name} is not a number`
      if (number < 0 && !isSigned(i)) return `${name} is negative`
      market.set(i, i < SIZES ? clean(number) : number)
    }
    return undefined
  }

  #depth(value: unknown): string | undefined {
    if (value === undefined) return undefined
    const depth = asMap(value)
    const [bids, asks] = [levelsOf(own(depth ?? {}, 'buy')), levelsOf(own(depth ?? {}, 'sell'))]
    if (!bids || !asks) return 'depth holds a level that is none'
    this.#market.bids = bids
    this.#market.asks = asks
    return undefined
  }
}

/** The levels of a side, without what is padding. */
export function levelsOf(value: unknown): Level[] | undefined {
  if (!Array.isArray(value)) return undefined
  const levels: Level[] = []
  for (const item of value) {
    const level = asMap(item)
    if (!level) return undefined
    const [price, size] = [numberOf(level.price ?? 0), numberOf(level.quantity ?? 0)]
    if (price === undefined || size === undefined || price < 0 || size < 0) return undefined
    if (price > 0 && size > 0) levels.push([clean(price), size])
  }
  return levels
}

/** A finite number, given as one or as text; −0 is 0. */
export function numberOf(value: unknown): number | undefined {
  const number =
    typeof value === 'number'
      ? value
      : typeof value === 'string' && NUMBER.test(value)
        ? Number(value)
        : Number.NaN
  return Number.isFinite(number) ? number + 0 : undefined
}

/** A time as a number in whatever unit, RFC 3339 included; NaN for text of a broker's own. */
function timeOf(value: unknown): number {
  const number = numberOf(value)
  if (number !== undefined) return number
  const moment = typeof value === 'string' ? parseTime(value) : undefined
  return moment ? moment.timestamp * 1_000 + Math.floor(moment.nanos / 1_000) : Number.NaN
}

/** A field of the map itself; null is as good as not there. */
function own(map: Message, name: string): unknown {
  return Object.hasOwn(map, name) ? (map[name] ?? undefined) : undefined
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
