/**
 * The plain decoders: parse, then read. They are what the fast decoders fall back to, and what those are held
 * against, event for event and refusal for refusal. A frame that does not parse gives nothing.
 */
import { decodeMsgpack, MsgpackTime } from '../../base/msgpack.ts'
import type { Decoder, Inbox } from '../../feed/description.ts'
import type { Level, TradeId } from '../../market/events.ts'
import { parseTime } from '../../market/time.ts'
import {
  CONTROLS,
  DATA,
  type Fields,
  isLevel,
  isTime,
  kindName,
  longId,
  type Reading,
  readControl,
  readData,
} from './messages.ts'

type Message = Readonly<Record<string, unknown>>

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Decodes JSON frames by `JSON.parse`. */
export class PlainJsonDecoder implements Decoder {
  readonly #reading: Reading

  constructor(reading: Reading) {
    this.#reading = reading
  }

  decode(frame: Uint8Array, _binary: boolean, receivedAt: number, inbox: Inbox): void {
    const messages = parseJson(frame)
    if (typeof messages === 'string') {
      inbox.malformed(messages)
      return
    }
    readMessages(messages, this.#reading, receivedAt, inbox)
  }
}

/** Decodes msgpack frames by building their values. */
export class PlainMsgpackDecoder implements Decoder {
  readonly #reading: Reading

  constructor(reading: Reading) {
    this.#reading = reading
  }

  decode(frame: Uint8Array, _binary: boolean, receivedAt: number, inbox: Inbox): void {
    const messages = parseMsgpack(frame)
    if (typeof messages === 'string') {
      inbox.malformed(messages)
      return
    }
    readMessages(messages, this.#reading, receivedAt, inbox)
  }
}

/** The messages of a frame, and beside each the same with the digits of long integers kept as text. */
export interface Parsed {
  readonly list: readonly unknown[]
  readonly exact: readonly unknown[]
}

/** What stands in JSON bytes, `prefix` and `suffix` put around them, or what is wrong with it. */
export function parseJson(bytes: Uint8Array, prefix = '', suffix = ''): Parsed | string {
  let text: string
  try {
    text = prefix + UTF8.decode(bytes) + suffix
  } catch {
    return 'not UTF-8'
  }
  try {
    const list: unknown = JSON.parse(text)
    if (!Array.isArray(list)) return 'not an array'
    // `JSON.parse` rounds integers beyond 2^53; a second look with those in quotes has their digits.
    return { list, exact: LONG.test(text) ? JSON.parse(quoteLong(text)) : list }
  } catch {
    return 'not JSON'
  }
}

const LONG = /\d{16}/
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?[\d.eE+-]+/g

function quoteLong(text: string): string {
  return text.replace(TOKEN, token => (/^\d{16,}$/.test(token) ? `"${token}"` : token))
}

/** What stands in msgpack bytes, or what is wrong with it. */
export function parseMsgpack(bytes: Uint8Array): Parsed | string {
  let list: unknown
  try {
    list = decodeMsgpack(bytes)
  } catch {
    return 'not msgpack'
  }
  return Array.isArray(list) ? { list, exact: list } : 'not an array'
}

/** Reports each message of a frame to the inbox. */
export function readMessages(
  { list, exact }: Parsed,
  reading: Reading,
  receivedAt: number,
  inbox: Inbox,
): void {
  for (let i = 0; i < list.length; i++) {
    readMessage(list[i], exact[i], reading, receivedAt, inbox)
  }
}

/** Reports one message to the inbox; `exact` is the same with the digits of long integers. */
export function readMessage(
  value: unknown,
  exact: unknown,
  reading: Reading,
  receivedAt: number,
  inbox: Inbox,
): void {
  const message = asMessage(value)
  const type = message?.T
  if (!message || typeof type !== 'string') {
    inbox.malformed('a message without T')
    return
  }
  if (DATA.has(type)) {
    const fields = new PlainFields(message, exact as Message)
    const event = readData(type, fields, reading, receivedAt)
    if (event) inbox.event(event)
    else if (fields.fault !== undefined) inbox.malformed(`${type}: ${fields.fault}`)
  } else {
    const control = CONTROLS.has(type) ? readControl(type, message, reading.feed) : undefined
    if (control) inbox.control(control)
    else inbox.unknown(kindName(type))
  }
}

function asMessage(value: unknown): Message | undefined {
  const isMap =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  return isMap ? (value as Message) : undefined
}

/** Fields of a parsed message. */
class PlainFields implements Fields {
  fault: string | undefined
  timestamp = 0
  nanos = 0
  readonly #message: Message
  readonly #exact: Message

  constructor(message: Message, exact: Message) {
    this.#message = message
    this.#exact = exact
  }

  number(key: string): number | undefined {
    const value = this.#get(key)
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isFinite(value)) return value
    return this.#wrong(key, 'number')
  }

  text(key: string): string | undefined {
    const value = this.#get(key)
    if (value === undefined || typeof value === 'string') return value
    return this.#wrong(key, 'text')
  }

  list(key: string): readonly string[] | undefined {
    const value = this.#get(key)
    if (value === undefined || value === '') return undefined
    if (typeof value === 'string') return Object.freeze([value])
    if (Array.isArray(value) && value.every(item => typeof item === 'string')) {
      return value.length === 0 ? undefined : Object.freeze(value)
    }
    return this.#wrong(key, 'list')
  }

  id(key: string): TradeId | undefined {
    const value = this.#get(key)
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value + 0
    if (typeof value === 'number' && value > 0) {
      const digits = this.#exact[key]
      const id = longId(typeof digits === 'string' ? digits : undefined)
      if (id !== undefined) return id
    }
    if (typeof value === 'bigint') {
      const id = longId(String(value))
      if (id !== undefined) return id
    }
    return this.#wrong(key, 'id')
  }

  levels(key: string): readonly Level[] | undefined {
    const value = this.#get(key)
    if (value === undefined) return undefined
    if (!Array.isArray(value)) return this.#wrong(key, 'list of levels')
    const levels: Level[] = []
    for (const item of value) {
      const { p, s } = asMessage(item) ?? {}
      if (typeof p !== 'number' || typeof s !== 'number' || !isLevel(p, s)) {
        return this.#wrong(key, 'list of levels')
      }
      levels.push([p, s + 0])
    }
    return levels
  }

  boolean(key: string): boolean | undefined {
    const value = this.#get(key)
    if (value === undefined || typeof value === 'boolean') return value
    return this.#wrong(key, 'boolean')
  }

  time(key: string): boolean {
    const value = this.#get(key)
    if (value === undefined) return false
    const moment =
      typeof value === 'string'
        ? parseTime(value)
        : value instanceof MsgpackTime
          ? value
          : undefined
    if (!moment || !isTime(moment.timestamp)) {
      this.#wrong(key, 'time')
      return false
    }
    this.timestamp = moment.timestamp
    this.nanos = moment.nanos
    return true
  }

  #get(key: string): unknown {
    return this.#message[key] ?? undefined
  }

  #wrong(key: string, what: string): undefined {
    this.fault ??= `${key} is not a ${what}`
  }
}
