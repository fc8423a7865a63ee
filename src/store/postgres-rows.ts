import { saleRule } from '../derive/sale-conditions.ts'
import type { Level, MarketEvent, Trade } from '../market/events.ts'
import { type FieldColumn, type KindTable, tableOf } from './columns.ts'
import { LEVEL_COLUMNS, MERGED, tableColumns } from './postgres-schema.ts'

const TWO_32 = 2 ** 32
/** 2000-01-01, from which the server counts microseconds, epoch ms. */
const SERVER_EPOCH_MS = 946_684_800_000
/** Venue times that stand in a row as they are, epoch ms; the rest stands in `odd`. */
const LAST_MS = 9_200_000_000_000
/** What a text of the server cannot hold: NUL, and halves of a character. */
const BAD_TEXT = /\0|\p{Surrogate}/u
const ALL_BAD = /\0|\p{Surrogate}/gu
/** Longer ones do not fit into an index; they are no symbols. */
const LONGEST_SYMBOL = 256
/** Begins every stream of binary rows: signature, flags, no extension. */
const HEAD = Buffer.from('5047434f50590aff0d0a000000000000000000', 'hex')
const TRAILER = Buffer.from([0xff, 0xff])
const FLOAT8 = 701
const TEXT = 25

/** What the columns cannot hold of an event: numbers as texts that `Number` reads, and other fields as they are. */
export interface Odd {
  /** The event's own number, where it is not that of the row; empty where it has none. */
  readonly seq?: string
  readonly numbers?: Readonly<Record<string, string>>
  readonly fields?: Readonly<Record<string, unknown>>
}

/** Rows in the binary form of COPY, ready to be sent. */
export class CopyRows {
  #bytes = Buffer.allocUnsafe(65_536)
  #length = 0
  rows = 0
  readonly #words: Words

  constructor(words: Words) {
    this.#words = words
    this.#raw(HEAD)
  }

  get byteLength(): number {
    return this.#length
  }

  /** All of it; nothing can be added afterwards. */
  end(): Uint8Array {
    this.#raw(TRAILER)
    return this.#bytes.subarray(0, this.#length)
  }

  row(columns: number): void {
    this.rows++
    this.#room(2)
    this.#length = this.#bytes.writeInt16BE(columns, this.#length)
  }

  null(): void {
    this.#room(4)
    this.#length = this.#bytes.writeInt32BE(-1, this.#length)
  }

  int2(value: number): void {
    this.#head(2)
    this.#length = this.#bytes.writeInt16BE(value, this.#length)
  }

  int4(value: number): void {
    this.#head(4)
    this.#length = this.#bytes.writeInt32BE(value, this.#length)
  }

  /** A whole number within ±2^53. */
  int8(value: number): void {
    const high = Math.floor(value / TWO_32)
    this.#long(high, value - high * TWO_32)
  }

  /** Nanoseconds since the epoch: as one number they are beyond what a double holds. */
  nanoseconds(ms: number, nanos: number): void {
    // 2^16 ms are 15,625 * 2^22 ns.
    const above = Math.floor(ms / 65_536)
    const steps = above * 15_625
    const high = Math.floor(steps / 1_024)
    const low = (steps - high * 1_024) * 4_194_304 + (ms - above * 65_536) * 1_000_000 + nanos
    const carry = Math.floor(low / TWO_32)
    this.#long(high + carry, low - carry * TWO_32)
  }

  time(ms: number, nanos: number): void {
    this.int8((ms - SERVER_EPOCH_MS) * 1_000 + Math.floor(nanos / 1_000))
  }

  float8(value: number): void {
    this.#head(8)
    this.#length = this.#bytes.writeDoubleBE(value, this.#length)
  }

  boolean(value: boolean): void {
    this.#head(1)
    this.#length = this.#bytes.writeUInt8(value ? 1 : 0, this.#length)
  }

  /** A text that comes again and again. */
  word(text: string): void {
    const bytes = this.#words.of(text)
    this.#head(bytes.length)
    this.#raw(bytes)
  }

  text(text: string): void {
    this.#room(4 + text.length * 3)
    const wrote = this.#bytes.write(text, this.#length + 4)
    this.#bytes.writeInt32BE(wrote, this.#length)
    this.#length += 4 + wrote
  }

  texts(list: readonly string[]): void {
    const at = this.#array(list.length === 0 ? [] : [list.length], TEXT)
    for (const text of list) this.word(text)
    this.#sized(at)
  }

  levels(levels: readonly Level[]): void {
    const at = this.#array(levels.length === 0 ? [] : [levels.length, 2], FLOAT8)
    for (const [price, size] of levels) {
      this.float8(price)
      this.float8(size)
    }
    this.#sized(at)
  }

  /** Begins an array; its length stands at the place returned. */
  #array(dimensions: readonly number[], element: number): number {
    const at = this.#length
    this.#room(16 + dimensions.length * 8)
    let to = at + 4
    to = this.#bytes.writeInt32BE(dimensions.length, to)
    to = this.#bytes.writeInt32BE(0, to)
    to = this.#bytes.writeInt32BE(element, to)
    for (const length of dimensions) {
      to = this.#bytes.writeInt32BE(length, to)
      to = this.#bytes.writeInt32BE(1, to)
    }
    this.#length = to
    return at
  }

  #sized(at: number): void {
    this.#bytes.writeInt32BE(this.#length - at - 4, at)
  }

  #long(high: number, low: number): void {
    this.#head(8)
    this.#bytes.writeInt32BE(high, this.#length)
    this.#length = this.#bytes.writeUInt32BE(low, this.#length + 4)
  }

  #head(bytes: number): void {
    this.#room(4 + bytes)
    this.#length = this.#bytes.writeInt32BE(bytes, this.#length)
  }

  #raw(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return
    const more = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + bytes))
    this.#bytes.copy(more, 0, 0, this.#length)
    this.#bytes = more
  }
}

const MOST_WORDS = 65_536
/** Longer texts are not kept: they hardly come again. */
const LONGEST_WORD = 64

/** The bytes of texts met before. */
export class Words {
  readonly #known = new Map<string, Uint8Array>()

  of(text: string): Uint8Array {
    const known = this.#known.get(text)
    if (known) return known
    const bytes = Buffer.from(text)
    if (text.length > LONGEST_WORD) return bytes
    if (this.#known.size >= MOST_WORDS) this.#known.clear()
    this.#known.set(text, bytes)
    return bytes
  }
}

interface Head {
  readonly ms: number
  readonly nanos: number
  readonly flags: number
  readonly symbol: string | undefined
  readonly source: string
  odd: Odd | undefined
}

/** Writes events of one kind as rows. */
export class KindRows {
  readonly #table: KindTable
  readonly #count: number
  readonly #rows: CopyRows
  /** Of books kept by level: their levels. */
  readonly #levels: CopyRows | undefined

  /** With `levels`, levels of books go there, a row for each. */
  constructor(kind: MarketEvent['type'], rows: CopyRows, levels?: CopyRows) {
    this.#table = tableOf(kind)
    this.#count = tableColumns(this.#table).length
    this.#rows = rows
    this.#levels = levels
  }

  /**
   * `tapeNo` and `seq`: whose number it stands under. Returns the venue's time it stands at, epoch ms, in whole days since 1970.
   */
  add(event: MarketEvent, tapeNo: number, seq: number): number {
    const rows = this.#rows
    const head = headOf(event, tapeNo === MERGED ? undefined : seq)
    rows.row(this.#count)
    this.#common(rows, head, event.receivedAt, tapeNo, seq)
    const values = event as unknown as Readonly<Record<string, unknown>>
    for (const field of this.#table.fields) this.#field(field, values[field.field], head)
    if (head.odd) rows.text(oddText(head.odd))
    else rows.null()
    if (event.type === 'trade') {
      const { conditions, tape } = event as Trade
      rows.int2(saleRule(conditions, tape))
    }
    if (this.#levels && event.type === 'book') {
      this.#side(event.bids, 'b', head, event.receivedAt, tapeNo, seq)
      this.#side(event.asks, 'a', head, event.receivedAt, tapeNo, seq)
    }
    return Math.floor(head.ms / 86_400_000)
  }

  #common(rows: CopyRows, head: Head, receivedAt: number, tapeNo: number, seq: number): void {
    rows.time(head.ms, head.nanos)
    rows.nanoseconds(head.ms, head.nanos)
    rows.float8(receivedAt)
    rows.int8(seq)
    rows.int4(tapeNo)
    rows.int4(head.flags)
    if (head.symbol === undefined) rows.null()
    else rows.word(head.symbol)
    rows.word(head.source)
  }

  #side(
    levels: readonly Level[],
    side: 'a' | 'b',
    head: Head,
    receivedAt: number,
    tapeNo: number,
    seq: number,
  ): void {
    const rows = this.#levels!
    for (const [i, [price, size]] of levels.entries()) {
      rows.row(LEVEL_COLUMNS.length)
      this.#common(rows, head, receivedAt, tapeNo, seq)
      rows.word(side)
      rows.int4(i)
      rows.float8(price)
      rows.float8(size)
    }
  }

  #field({ field, form }: FieldColumn, value: unknown, head: Head): void {
    const rows = this.#rows
    if (form === 'id') this.#id(value as number | string | undefined, field, head)
    else if (value === undefined) rows.null()
    else if (form === 'number') rows.float8(value as number)
    else if (form === 'boolean') rows.boolean(value as boolean)
    else if (form === 'word') rows.word(this.#plain(value as string, field, head))
    else if (form === 'text') rows.text(this.#plain(value as string, field, head))
    else if (form === 'texts') {
      const list = value as readonly string[]
      const isOdd = list.some(isBad)
      if (isOdd) head.odd = withField(head.odd, field, list)
      rows.texts(isOdd ? list.map(plain) : list)
    } else if (this.#levels) rows.null()
    else rows.levels(value as readonly Level[])
  }

  /** A whole number, or a text. A number that is not whole stands as 0 with its text beside it. */
  #id(id: number | string | undefined, field: string, head: Head): void {
    const rows = this.#rows
    if (typeof id !== 'number') {
      rows.null()
      if (id === undefined) rows.null()
      else rows.text(this.#plain(id, field, head))
      return
    }
    const isWhole = Number.isSafeInteger(id) && !Object.is(id, -0)
    rows.int8(isWhole ? id : 0)
    if (isWhole) rows.null()
    else rows.text(exact(id))
  }

  #plain(text: string, field: string, head: Head): string {
    if (!isBad(text)) return text
    head.odd = withField(head.odd, field, text)
    return plain(text)
  }
}

/** `seq`: the number of its row, if that is to be its own. */
function headOf(event: MarketEvent, seq: number | undefined): Head {
  const { timestamp, nanos, flags, symbol, source } = event
  let odd: Odd | undefined
  let [ms, ns, bits, place] = [timestamp, nanos, flags, symbol]
  if (!isPlainTime(timestamp, nanos)) {
    odd = { numbers: { timestamp: exact(timestamp), nanos: exact(nanos) } }
    ms = timestamp > 0 ? Math.min(Math.floor(timestamp), LAST_MS) : 0
    ns = 0
  }
  if ((flags | 0) !== flags || Object.is(flags, -0)) {
    odd = withNumber(odd, 'flags', exact(flags))
    bits = 0
  }
  // Said to this reader alone it has a place and no number; one that was on no tape may have had a number elsewhere.
  if (event.seq !== seq) odd = { ...odd, seq: event.seq === undefined ? '' : exact(event.seq) }
  if (symbol !== undefined && (symbol.length > LONGEST_SYMBOL || isBad(symbol))) {
    odd = withField(odd, 'symbol', symbol)
    place = plain(symbol.slice(0, LONGEST_SYMBOL))
  }
  const from = isBad(source) ? plain(source) : source
  if (from !== source) odd = withField(odd, 'source', source)
  return { ms, nanos: ns, flags: bits, symbol: place, source: from, odd }
}

/** Its own number stands first, so that a merge can leave it out of account: {@link SAME_ODD}. */
function oddText({ seq, numbers, fields }: Odd): string {
  return JSON.stringify({ seq, numbers, fields })
}

/** `odd` without the event's own number, which two that are the same may differ in. */
export const SAME_ODD = `nullif(regexp_replace(odd, '^\\{"seq":"[^"]*",?', '{'), '{}')`

/** Short texts that have been looked at and are good: they come again and again. */
const GOOD = new Set<string>()

function isBad(text: string): boolean {
  if (GOOD.has(text)) return false
  if (BAD_TEXT.test(text)) return true
  if (text.length <= LONGEST_WORD) {
    if (GOOD.size >= MOST_WORDS) GOOD.clear()
    GOOD.add(text)
  }
  return false
}

const plain = (text: string) => text.replace(ALL_BAD, '\ufffd')

function withNumber(odd: Odd | undefined, name: string, value: string): Odd {
  return { ...odd, numbers: { ...odd?.numbers, [name]: value } }
}

function withField(odd: Odd | undefined, name: string, value: unknown): Odd {
  return { ...odd, fields: { ...odd?.fields, [name]: value } }
}

function isPlainTime(timestamp: number, nanos: number): boolean {
  return (
    timestamp <= LAST_MS &&
    timestamp >= 0 &&
    Number.isInteger(timestamp) &&
    !Object.is(timestamp, -0) &&
    nanos >= 0 &&
    nanos < 1_000_000 &&
    Number.isInteger(nanos) &&
    !Object.is(nanos, -0)
  )
}

/** A number as a text that `Number` makes the same number of. */
function exact(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}
