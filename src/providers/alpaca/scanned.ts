import { asciiText, HASH_START, hashByte, Interner } from '../../base/interner.ts'
import {
  CLOSE_LIST,
  COMMA,
  KeySet,
  OPEN_LIST,
  OPEN_MAP,
  QUOTE,
  type Scanner,
} from '../../base/scanner.ts'
import type { Level, TradeId } from '../../market/events.ts'
import { parseTime } from '../../market/time.ts'
import { type Fields, isLevel, isTime, longId, NO_LEVELS } from './messages.ts'

/** Every key of Alpaca's messages. */
const KEYS = new KeySet([
  ...['T', 'S', 't', 'x', 'z', 'i', 'p', 's', 'c', 'bx', 'bp', 'bs', 'ax', 'ap', 'as'],
  ...['o', 'h', 'l', 'v', 'n', 'vw', 'u', 'd', 'sc', 'sm', 'rc', 'rm', 'a'],
  ...['oi', 'op', 'os', 'oc', 'ci', 'cp', 'cs', 'cc', 'tks', 'b', 'r'],
  ...['id', 'headline', 'summary', 'author', 'created_at', 'updated_at', 'url', 'content'],
  ...['symbols', 'source'],
])
const LEVEL_KEYS = new KeySet(['p', 's'])
const INDEX: ReadonlyMap<string, number> = new Map(KEYS.names.map((name, i) => [name, i]))

/** The fields of one message in JSON bytes, whatever their order. */
export class ScannedMessage implements Fields {
  fault: string | undefined
  timestamp = 0
  nanos = 0
  readonly #scanner: Scanner
  readonly #places = new Int32Array(KEYS.names.length)
  readonly #level = new Int32Array(LEVEL_KEYS.names.length)
  readonly #texts = new Interner<string>(32, 4_096)

  constructor(scanner: Scanner) {
    this.#scanner = scanner
  }

  /** Takes the message that begins at `pos` and gives the place behind it, or a surprise. */
  at(pos: number): number {
    this.fault = undefined
    this.timestamp = 0
    this.nanos = 0
    return this.#scanner.fields(pos, KEYS, this.#places)
  }

  number(key: string): number | undefined {
    const place = this.#place(key)
    if (place === 0) return undefined
    if (this.#number(place) && Number.isFinite(this.#scanner.out[0])) return this.#scanner.out[0]
    return this.#wrong(key, 'number')
  }

  text(key: string): string | undefined {
    const place = this.#place(key)
    if (place === 0) return undefined
    return this.#text(place) ?? this.#wrong(key, 'text')
  }

  list(key: string): readonly string[] | undefined {
    const place = this.#place(key)
    if (place === 0) return undefined
    if (this.#scanner.bytes[place] === OPEN_LIST) {
      if (this.#scanner.list(place) < 0) return this.#wrong(key, 'list')
      const { strings } = this.#scanner
      return strings.length === 0 ? undefined : strings
    }
    const text = this.#text(place)
    if (text === '') return undefined
    return text === undefined ? this.#wrong(key, 'list') : Object.freeze([text])
  }

  id(key: string): TradeId | undefined {
    const place = this.#place(key)
    if (place === 0) return undefined
    if (this.#number(place)) {
      const value = this.#scanner.out[0]!
      if (Number.isSafeInteger(value) && value >= 0) return value + 0
      const { bytes } = this.#scanner
      const id =
        value > 0 ? longId(asciiText(bytes, place, this.#scanner.number(place))) : undefined
      if (id !== undefined) return id
    }
    return this.#wrong(key, 'id')
  }

  levels(key: string): readonly Level[] | undefined {
    const place = this.#place(key)
    if (place === 0) return undefined
    return this.#levels(place) ?? this.#wrong(key, 'list of levels')
  }

  /** The list has been skipped once: its form is that of JSON. */
  #levels(place: number): readonly Level[] | undefined {
    const scanner = this.#scanner
    const { bytes } = scanner
    if (bytes[place] !== OPEN_LIST) return undefined
    let pos = scanner.space(place + 1)
    if (bytes[pos] === CLOSE_LIST) return NO_LEVELS
    const levels: Level[] = []
    for (;;) {
      if (bytes[pos] !== OPEN_MAP) return undefined
      pos = scanner.fields(pos, LEVEL_KEYS, this.#level)
      const [p = 0, s = 0] = this.#level
      if (pos < 0 || p === 0 || s === 0 || !this.#number(p)) return undefined
      const price = scanner.out[0]!
      if (!this.#number(s)) return undefined
      const size = scanner.out[0]! + 0
      if (!isLevel(price, size)) return undefined
      levels.push([price, size])
      pos = scanner.space(pos)
      if (bytes[pos] !== COMMA) return levels
      pos = scanner.space(pos + 1)
    }
  }

  boolean(key: string): boolean | undefined {
    const place = this.#place(key)
    if (place === 0) return undefined
    const { bytes } = this.#scanner
    // What has been skipped and begins so is the word.
    if (bytes[place] === 0x74) return true
    if (bytes[place] === 0x66) return false
    return this.#wrong(key, 'boolean')
  }

  time(key: string): boolean {
    const place = this.#place(key)
    if (place === 0) return false
    const scanner = this.#scanner
    if (scanner.time(place) > 0) {
      this.timestamp = scanner.out[1]!
      this.nanos = scanner.nanos
      return true
    }
    // With an offset, or in small letters.
    const text = this.#text(place)
    const moment = text === undefined ? undefined : parseTime(text)
    if (!moment || !isTime(moment.timestamp)) {
      this.#wrong(key, 'time')
      return false
    }
    this.timestamp = moment.timestamp
    this.nanos = moment.nanos
    return true
  }

  /** Where the value stands; 0 when it is absent or null. */
  #place(key: string): number {
    const place = this.#places[INDEX.get(key)!]!
    return place === 0 || this.#scanner.isNull(place) ? 0 : place
  }

  #number(place: number): boolean {
    const { bytes } = this.#scanner
    return bytes[place] !== QUOTE && this.#scanner.number(place) > 0
  }

  #text(place: number): string | undefined {
    const { bytes } = this.#scanner
    const behind = this.#scanner.string(place)
    if (behind < 0) return undefined
    const [start, end] = [place + 1, behind - 1]
    let hash = HASH_START
    for (let i = start; i < end; i++) hash = hashByte(hash, bytes[i]!)
    const known = this.#texts.get(bytes, start, end, hash)
    if (known !== undefined) return known
    const text = asciiText(bytes, start, end)
    this.#texts.set(bytes, start, end, hash, text)
    return text
  }

  #wrong(key: string, what: string): undefined {
    this.fault ??= `${key} is not a ${what}`
  }
}
