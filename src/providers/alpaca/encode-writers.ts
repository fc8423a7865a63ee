import { MsgpackWriter } from '../../base/msgpack.ts'
import type { Level, TradeId } from '../../market/events.ts'
import { formatTime } from '../../market/time.ts'
import { longId } from './messages.ts'

/** Takes the fields of a message in order. */
export interface Writer {
  text(key: string, value: string): void
  /** A price: always a double. */
  price(key: string, value: number): void
  /** A size or count: an integer where it is whole; null where it is absent. */
  count(key: string, value: number | undefined): void
  id(key: string, value: TradeId | undefined): void
  list(key: string, value: readonly string[] | undefined): void
  levels(key: string, value: readonly Level[]): void
  yes(key: string): void
  time(key: string, timestamp: number, nanos: number): void
}

/** Writes a message as JSON. */
export class JsonWriter implements Writer {
  #text = ''

  end(): string {
    return `${this.#text}}`
  }

  text(key: string, value: string): void {
    this.#put(key, JSON.stringify(value))
  }

  price(key: string, value: number): void {
    this.#put(key, JSON.stringify(value))
  }

  count(key: string, value: number | undefined): void {
    this.#put(key, value === undefined ? 'null' : JSON.stringify(value))
  }

  id(key: string, value: TradeId | undefined): void {
    const digits = idDigits(value)
    if (digits !== undefined) this.#put(key, digits)
  }

  list(key: string, value: readonly string[] | undefined): void {
    this.#put(key, JSON.stringify(value ?? []))
  }

  levels(key: string, value: readonly Level[]): void {
    const levels = value.map(
      ([price, size]) => `{"p":${JSON.stringify(price)},"s":${JSON.stringify(size)}}`,
    )
    this.#put(key, `[${levels}]`)
  }

  yes(key: string): void {
    this.#put(key, 'true')
  }

  time(key: string, timestamp: number, nanos: number): void {
    this.#put(key, `"${trimmedTime(timestamp, nanos)}"`)
  }

  #put(key: string, value: string): void {
    this.#text += `${this.#text === '' ? '{' : ','}"${key}":${value}`
  }
}

/** Writes a message as msgpack. */
export class PackWriter implements Writer {
  readonly #fields = new MsgpackWriter()
  #count = 0

  end(): Uint8Array {
    const writer = new MsgpackWriter(this.#fields.length + 3)
    writer.map(this.#count)
    writer.raw(this.#fields.bytes())
    return writer.bytes()
  }

  text(key: string, value: string): void {
    this.#key(key).text(value)
  }

  price(key: string, value: number): void {
    this.#key(key).float(value)
  }

  count(key: string, value: number | undefined): void {
    if (value === undefined) this.#key(key).nil()
    else this.#key(key).number(value)
  }

  id(key: string, value: TradeId | undefined): void {
    const digits = idDigits(value)
    if (digits === undefined) return
    if (typeof value === 'number') this.#key(key).number(value)
    else this.#key(key).bigint(BigInt(digits))
  }

  list(key: string, value: readonly string[] | undefined): void {
    const writer = this.#key(key)
    writer.array(value?.length ?? 0)
    for (const text of value ?? []) writer.text(text)
  }

  levels(key: string, value: readonly Level[]): void {
    const writer = this.#key(key)
    writer.array(value.length)
    for (const [price, size] of value) {
      writer.map(2)
      writer.text('p')
      writer.float(price)
      writer.text('s')
      writer.float(size)
    }
  }

  yes(key: string): void {
    this.#key(key).boolean(true)
  }

  time(key: string, timestamp: number, nanos: number): void {
    this.#key(key).time(timestamp, nanos)
  }

  #key(key: string): MsgpackWriter {
    this.#count++
    this.#fields.text(key)
    return this.#fields
  }
}

/** Alpaca's ids are 64-bit numbers; an id that is not one is left out. */
function idDigits(id: TradeId | undefined): string | undefined {
  if (typeof id === 'string') return longId(id)
  return Number.isSafeInteger(id) && id! >= 0 ? String(id) : undefined
}

/** RFC 3339 with nanoseconds, zeros at the end cut off, as Go writes it. */
function trimmedTime(timestamp: number, nanos: number): string {
  return formatTime(timestamp, nanos).replace(/\.?0*Z$/, 'Z')
}
