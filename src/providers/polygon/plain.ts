/**
 * The plain decoder: parse, then read. It is what the scanner falls back to, and what that is held against, event for
 * event and refusal for refusal. A frame that does not parse gives nothing.
 */
import type { Decoder, Inbox } from '../../feed/description.ts'
import type { TradeId } from '../../market/events.ts'
import type { Moment } from '../../market/time.ts'
import {
  codesOf,
  DATA,
  decimalOf,
  type Fields,
  idOf,
  isWhole,
  kindName,
  longDigits,
  momentOf,
  type Reading,
  readData,
  readStatus,
} from './messages.ts'

type Message = Readonly<Record<string, unknown>>

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Decodes frames by `JSON.parse`. */
export class PlainDecoder implements Decoder {
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
    this.#reading.statuses.settle(inbox)
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
    return { list, exact: LONG.test(text) ? (parseLong(text) as unknown[]) : list }
  } catch {
    return 'not JSON'
  }
}

const LONG = /\d{16}/
/** A long number behind a key, or in a list. */
const LONG_NUMBER = /([:[,]\s*)(\d{16,})(?=\s*[,}\]])/g
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?[\d.eE+-]+/g

/** JSON that parses, with its long numbers as texts. */
function parseLong(text: string): unknown {
  try {
    return JSON.parse(text.replace(LONG_NUMBER, '$1"$2"'))
  } catch {
    // What looked like one stands in a text.
    const quoted = (token: string) => (/^\d{16,}$/.test(token) ? `"${token}"` : token)
    return JSON.parse(text.replace(TOKEN, quoted))
  }
}

/** Reports each message of a frame to the inbox. */
export function readMessages(
  { list, exact }: Parsed,
  reading: Reading,
  receivedAt: number,
  inbox: Inbox,
): void {
  for (let i = 0; i < list.length; i++) {
    const message = asMessage(list[i])
    const ev = message?.ev
    if (!message || typeof ev !== 'string') inbox.malformed('a message without ev')
    else if (DATA.has(ev)) {
      const fields = new PlainFields(message, exact[i] as Message)
      const event = readData(ev, fields, reading, receivedAt)
      if (event) inbox.event(event)
      else if (fields.fault !== undefined) inbox.malformed(`${ev}: ${fields.fault}`)
    } else if (ev === 'status') readStatus(message, reading, inbox)
    else inbox.unknown(kindName(ev))
  }
}

function asMessage(value: unknown): Message | undefined {
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isMap ? (value as Message) : undefined
}

/** Fields of a parsed message. `exact`: the same with long integers as texts. */
export class PlainFields implements Fields {
  fault: string | undefined
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

  decimal(key: string): number | undefined {
    const value = this.#get(key)
    if (typeof value !== 'string') return this.number(key)
    return decimalOf(value) ?? this.#wrong(key, 'number')
  }

  text(key: string): string | undefined {
    const value = this.#get(key)
    if (value === undefined || typeof value === 'string') return value
    return this.#wrong(key, 'text')
  }

  code(key: string): string | undefined {
    const value = this.#get(key)
    if (value === undefined || value === 0 || value === '0' || value === '') return undefined
    if (typeof value === 'string') return value
    return isWhole(value) ? String(value) : this.#wrong(key, 'code')
  }

  codes(key: string): readonly string[] | undefined {
    const value = this.#get(key)
    if (value === undefined) return undefined
    const codes = codesOf(value)
    return codes === 'wrong' ? this.#wrong(key, 'list of codes') : codes
  }

  id(key: string): TradeId | undefined {
    const value = this.#get(key)
    if (value === undefined) return undefined
    if (typeof value === 'string') return idOf(value)
    if (isWhole(value)) return value + 0
    return longDigits(this.#digits(key)) ?? this.#wrong(key, 'id')
  }

  time(key: string): Moment | undefined {
    const value = this.number(key)
    if (value === undefined) return undefined
    return momentOf(value, this.#digits(key)) ?? this.#wrong(key, 'time')
  }

  /** The digits of a number beyond 2^53. */
  #digits(key: string): string | undefined {
    const digits = this.#exact[key]
    return typeof digits === 'string' ? digits : undefined
  }

  #get(key: string): unknown {
    return this.#message[key] ?? undefined
  }

  #wrong(key: string, what: string): undefined {
    this.fault ??= `${key} is not a ${what}`
  }
}
