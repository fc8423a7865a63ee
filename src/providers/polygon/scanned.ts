import { asciiText, hashOf, Interner } from '../../base/interner.ts'
import { CLOSE_LIST, KeySet, OPEN_LIST, QUOTE, type Scanner } from '../../base/scanner.ts'
import type { TradeId } from '../../market/events.ts'
import type { Moment } from '../../market/time.ts'
import { codesOf, decimalOf, type Fields, idOf, isWhole, longDigits, momentOf } from './messages.ts'

/** Every key of Polygon's messages that is read. */
const KEYS = new KeySet([
  ...['ev', 'sym', 'pair', 'T', 't', 's', 'p', 'i', 'x', 'z', 'c', 'ds', 'trfi'],
  ...['bx', 'bp', 'bs', 'ax', 'ap', 'as', 'a', 'b', 'o', 'h', 'l', 'v', 'dv', 'vw', 'fmv', 'val'],
])
const INDEX: ReadonlyMap<string, number> = new Map(KEYS.names.map((name, i) => [name, i]))

/** The fields of one message in JSON bytes, whatever their order. */
export class ScannedMessage implements Fields {
  fault: string | undefined
  readonly #scanner: Scanner
  readonly #places = new Int32Array(KEYS.names.length)
  readonly #texts = new Interner<string>(32, 4_096)

  constructor(scanner: Scanner) {
    this.#scanner = scanner
  }

  /** Takes the message that begins at `pos` and gives the place behind it, or a surprise. */
  at(pos: number): number {
    this.fault = undefined
    return this.#scanner.fields(pos, KEYS, this.#places)
  }

  number(key: string): number | undefined {
    const place = this.#place(key)
    if (place === 0) return undefined
    return this.#finite(place) ?? this.#wrong(key, 'number')
  }

  decimal(key: string): number | undefined {
    const place = this.#place(key)
    if (place === 0 || !this.#isText(place)) return this.number(key)
    return decimalOf(this.#text(place)) ?? this.#wrong(key, 'number')
  }

  text(key: string): string | undefined {
    const place = this.#place(key)
    if (place === 0) return undefined
    return this.#isText(place) ? this.#text(place) : this.#wrong(key, 'text')
  }

  code(key: string): string | undefined {
    const place = this.#place(key)
    if (place === 0) return undefined
    if (this.#isText(place)) {
      const text = this.#text(place)
      return text === '0' || text === '' ? undefined : text
    }
    const value = this.#finite(place)
    if (!isWhole(value)) return this.#wrong(key, 'code')
    return value === 0 ? undefined : String(value)
  }

  codes(key: string): readonly string[] | undefined {
    const place = this.#place(key)
    if (place === 0) return undefined
    const codes = codesOf(
      this.#scanner.bytes[place] === OPEN_LIST ? this.#numbers(place) : this.#finite(place),
    )
    return codes === 'wrong' ? this.#wrong(key, 'list of codes') : codes
  }

  id(key: string): TradeId | undefined {
    const place = this.#place(key)
    if (place === 0) return undefined
    if (this.#isText(place)) return idOf(this.#text(place))
    const value = this.#finite(place)
    if (isWhole(value)) return value + 0
    return longDigits(this.#digits(place)) ?? this.#wrong(key, 'id')
  }

  time(key: string): Moment | undefined {
    const place = this.#place(key)
    if (place === 0) return undefined
    const value = this.#finite(place)
    if (value === undefined) return this.#wrong(key, 'number')
    return momentOf(value, this.#digits(place)) ?? this.#wrong(key, 'time')
  }

  /** Where the value stands; 0 when it is absent or null. */
  #place(key: string): number {
    const place = this.#places[INDEX.get(key)!]!
    return place === 0 || this.#scanner.isNull(place) ? 0 : place
  }

  #isText(place: number): boolean {
    return this.#scanner.bytes[place] === QUOTE
  }

  /** A number; `undefined` for anything else, and for one beyond all doubles. */
  #finite(place: number): number | undefined {
    const scanner = this.#scanner
    const value = scanner.number(place) > 0 ? scanner.out[0] : undefined
    return Number.isFinite(value) ? value : undefined
  }

  /** The number there, as it is written. */
  #digits(place: number): string | undefined {
    const behind = this.#scanner.number(place)
    return behind > 0 ? asciiText(this.#scanner.bytes, place, behind) : undefined
  }

  /** A list of numbers; it has been skipped once, so its form is that of JSON. */
  #numbers(place: number): readonly unknown[] {
    const scanner = this.#scanner
    const { bytes } = scanner
    const list: unknown[] = []
    let pos = scanner.space(place + 1)
    while (bytes[pos] !== CLOSE_LIST) {
      const behind = scanner.number(pos)
      if (behind < 0) return WRONG
      list.push(scanner.out[0])
      pos = scanner.space(behind)
      if (bytes[pos] !== CLOSE_LIST) pos = scanner.space(pos + 1)
    }
    return list
  }

  /** A text; it has been skipped once, and is known to have no escape. */
  #text(place: number): string {
    const { bytes } = this.#scanner
    const [start, end] = [place + 1, this.#scanner.string(place) - 1]
    const hash = hashOf(bytes, start, end)
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

/** A list that is none of codes. */
const WRONG: readonly unknown[] = [undefined]
