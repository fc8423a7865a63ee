/**
 * The plain decoder: parse, then read. It is what the scanner falls back to, and what that is held against, event for
 * event and refusal for refusal.
 */
import type { Decoder, Inbox } from '../../feed/description.ts'
import type { Level } from '../../market/events.ts'
import { idOf, type Market, PRICE, SIZE, TIME } from './market.ts'
import { readReply } from './replies.ts'

type Message = Readonly<Record<string, unknown>>

export const TRADE = 22_998
export const BOOK = 22_999

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** A number as JSON has it. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
/** Numbers that a double may not hold, made text. */
const LONG = /"seq"(\s*):(\s*)(\d{16,})/g

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
    const { cmd_id } = message
    if (cmd_id !== TRADE && cmd_id !== BOOK) {
      readReply(message, inbox)
      return
    }
    const data = asMap(message.data)
    const fault = data ? this.#read(cmd_id, data, receivedAt, inbox) : 'data is not a map'
    if (fault !== undefined) inbox.malformed(`${cmd_id}: ${fault}`)
  }

  #read(command: number, data: Message, receivedAt: number, inbox: Inbox): string | undefined {
    const market = this.#market
    const listed = typeof data.code === 'string' ? market.listed(data.code) : undefined
    if (!listed) return 'no code'
    if (listed.mask === 0) return undefined
    market.begin()
    const fault = readFields(data, market)
    if (fault !== undefined) return fault
    return command === TRADE
      ? market.takeTrade(listed, receivedAt, inbox)
      : market.takeBook(listed, receivedAt, inbox)
  }
}

/** Fills the message at hand; what is wrong with it, where something is. */
export function readFields(data: Message, market: Market): string | undefined {
  const { numbers } = market
  for (const [name, place] of [
    ['tick_time', TIME],
    ['price', PRICE],
    ['volume', SIZE],
  ] as const) {
    const value = own(data, name)
    if (value === undefined) continue
    const number = numberOf(value)
    if (number === undefined || number < 0) return `${name} is not a number of 0 or more`
    numbers[place] = number
  }
  const seq = own(data, 'seq')
  if (seq !== undefined) {
    const digits = String(seq)
    if (!/^\d{1,32}$/.test(digits)) return 'seq is no number'
    market.id = idOf(digits)
  }
  const direction = own(data, 'trade_direction')
  if (direction !== undefined) {
    const number = numberOf(direction)
    if (number !== 0 && number !== 1 && number !== 2) return 'trade_direction is none'
    market.direction = number
  }
  for (const name of ['bids', 'asks'] as const) {
    const value = own(data, name)
    if (value === undefined) continue
    const levels = levelsOf(value)
    if (!levels) return `${name} holds a level that is none`
    market[name] = levels
  }
  return undefined
}

/** The levels of a side; a price of 0 is none. */
function levelsOf(value: unknown): Level[] | undefined {
  if (!Array.isArray(value)) return undefined
  const levels: Level[] = []
  for (const item of value) {
    const level = asMap(item)
    const [priceText, sizeText] = level ? [own(level, 'price'), own(level, 'volume')] : []
    const price = numberOf(priceText)
    const size = sizeText === undefined || sizeText === '' ? Number.NaN : numberOf(sizeText)
    if (price === undefined || price < 0 || size === undefined || size < 0) return undefined
    if (price > 0) levels.push([price, size])
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

/** A field of the map itself; null is as good as not there. */
function own(map: Message, name: string): unknown {
  return Object.hasOwn(map, name) ? (map[name] ?? undefined) : undefined
}

/** The map a text holds, or what is wrong with it. */
export function parseMap(frame: Uint8Array): Message | string {
  let text: string
  try {
    text = UTF8.decode(frame)
  } catch {
    return 'not UTF-8'
  }
  try {
    return asMap(JSON.parse(text.replace(LONG, '"seq"$1:$2"$3"'))) ?? 'not a map'
  } catch {
    return 'not JSON'
  }
}

export function asMap(value: unknown): Message | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Message)
    : undefined
}
