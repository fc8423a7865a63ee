import type { EventType, MarketEvent, Quote, Trade } from '../market/events.ts'
import type { ColumnBuffer, ColumnType, RowAppender } from './appender.ts'
import { type FieldColumn, type KindTable, tableOf } from './columns.ts'
import type { Details, Heads } from './dictionary.ts'
import type { Session } from './duckdb.ts'

/** Venue times that a TIMESTAMP_NS from 1970 on holds, epoch ms; the rest stands in `odd`. */
const LAST_MS = 9_200_000_000_000
const TWO_32 = 2 ** 32

/** What stands in rows of open days before the fields of their kind. */
export const HOT_COLUMNS: readonly [name: string, type: string][] = [
  ['head', 'UINTEGER'],
  ['tape_no', 'UINTEGER'],
  ['ts', 'TIMESTAMP_NS'],
  ['received_ms', 'DOUBLE'],
  ['pos', 'BIGINT'],
]

const TYPES: Readonly<Record<FieldColumn['form'], ColumnType>> = {
  number: 'double',
  id: 'bigint',
  word: 'text',
  text: 'text',
  texts: 'texts',
  boolean: 'boolean',
  levels: 'levels',
}

function typesOf({ details, plain }: KindTable): ColumnType[] {
  const fields = plain.flatMap(({ form }): ColumnType[] =>
    form === 'id' ? ['bigint', 'text'] : [TYPES[form]],
  )
  const detail: ColumnType[] = details.length > 0 ? ['uinteger'] : []
  return ['uinteger', 'uinteger', 'ns', 'double', 'bigint', ...detail, ...fields, 'text']
}

interface Place {
  readonly field: string
  readonly form: FieldColumn['form']
  readonly column: ColumnBuffer
  /** Of an id that is text. */
  readonly text: ColumnBuffer | undefined
}

/** Fills in what a kind has beside what all events have. */
type Fill = (event: MarketEvent, row: number) => void

/** Appends the events of one kind to a table. */
class KindRows {
  readonly #appender: RowAppender
  readonly #heads: Heads
  readonly #head: ColumnBuffer
  readonly #tape: ColumnBuffer
  readonly #ts: ColumnBuffer
  readonly #received: ColumnBuffer
  readonly #pos: ColumnBuffer
  readonly #fill: Fill
  readonly #odd: ColumnBuffer
  #lastMs = -1
  #lastHigh = 0
  #lastLow = 0

  constructor(table: KindTable, appender: RowAppender, heads: Heads, details: Details | undefined) {
    this.#appender = appender
    this.#heads = heads
    const { columns } = appender
    const common = columns.slice(0, HOT_COLUMNS.length) as [
      ...[ColumnBuffer, ColumnBuffer, ColumnBuffer, ColumnBuffer, ColumnBuffer],
    ]
    ;[this.#head, this.#tape, this.#ts, this.#received, this.#pos] = common
    let at = HOT_COLUMNS.length
    const detail = details && columns[at++]!
    const places = table.plain.map(({ field, form }) => ({
      ...{ field, form },
      column: columns[at++]!,
      text: form === 'id' ? columns[at++]! : undefined,
    }))
    this.#fill = details ? fillDetailed(table.kind, places, details, detail!) : fillAll(places)
    this.#odd = columns[at]!
  }

  /** `pos`: its number on the tape, or that of the place a notice to the reader stands at. */
  add(event: MarketEvent, tapeNo: number, pos: number | undefined): void {
    const appender = this.#appender
    const { row } = appender
    const { symbol, source, timestamp, nanos, flags } = event
    let odd: Record<string, string> | undefined
    let [ms, ns, bits] = [timestamp, nanos, flags]
    if (!isPlainTime(timestamp, nanos)) {
      odd = { timestamp: exact(timestamp), nanos: exact(nanos) }
      ms = timestamp > 0 ? Math.min(Math.floor(timestamp), LAST_MS) : 0
      ns = 0
    }
    if ((flags | 0) !== flags || Object.is(flags, -0)) {
      odd = { ...odd, flags: exact(flags) }
      bits = 0
    }
    if (pos === undefined) {
      this.#pos.setNull(row)
      if (event.seq !== undefined) odd = { ...odd, seq: exact(event.seq) }
    } else {
      setLong(this.#pos, row, pos)
      // Said to this reader alone: it has a place and no number.
      if (event.seq === undefined) odd = { ...odd, seq: '' }
    }
    this.#head.words[row] = this.#heads.find(symbol, source, bits)
    this.#tape.words[row] = tapeNo
    this.#setTime(this.#ts, row, ms, ns)
    this.#received.doubles[row] = event.receivedAt
    this.#fill(event, row)
    if (odd) this.#odd.values[row] = JSON.stringify(odd)
    else this.#odd.setNull(row)
    appender.endRow()
  }

  flush(): void {
    this.#appender.flush()
  }

  close(): void {
    this.#appender.close()
  }

  /** Nanoseconds since the epoch in two halves: as one number they are beyond what a double holds. */
  #setTime(column: ColumnBuffer, row: number, ms: number, nanos: number): void {
    if (ms !== this.#lastMs) {
      this.#lastMs = ms
      // 2^16 ms are 15,625 * 2^22 ns.
      const above = Math.floor(ms / 65_536)
      const steps = above * 15_625
      const high = Math.floor(steps / 1_024)
      const low = (steps - high * 1_024) * 4_194_304 + (ms - above * 65_536) * 1_000_000
      this.#lastHigh = high
      this.#lastLow = low
    }
    const low = this.#lastLow + nanos
    const carry = Math.floor(low / TWO_32)
    column.words[row * 2] = low - carry * TWO_32
    column.words[row * 2 + 1] = this.#lastHigh + carry
  }
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

function setLong(column: ColumnBuffer, row: number, value: number): void {
  const high = Math.floor(value / TWO_32)
  column.words[row * 2] = value - high * TWO_32
  column.words[row * 2 + 1] = high
}

/** Any kind, by its table. */
function fillAll(places: readonly Place[]): Fill {
  return (event, row) => {
    const values = event as unknown as Readonly<Record<string, unknown>>
    for (let i = 0; i < places.length; i++) {
      const place = places[i]!
      set(place, row, values[place.field])
    }
  }
}

/** The kinds that come by the million: reading their fields by name rather than by a table takes half the time. */
function fillDetailed(
  kind: EventType,
  places: readonly Place[],
  details: Details,
  detail: ColumnBuffer,
): Fill {
  const of = (field: string) => places.find(place => place.field === field)!
  if (kind === 'trade') {
    const [price, size, id, text] = [
      ...[of('price').column, of('size').column, of('id').column, of('id').text!],
    ] as const
    return (event, row) => {
      const trade = event as Trade
      const { exchange, conditions, tape, side } = trade
      detail.words[row] = details.find(exchange, conditions, tape, side)
      price.doubles[row] = trade.price
      size.doubles[row] = trade.size
      setId(id, text, row, trade.id)
    }
  }
  const [bid, bidSize, ask, askSize] = [
    ...[of('bid').column, of('bidSize').column, of('ask').column, of('askSize').column],
  ] as const
  return (event, row) => {
    const quote = event as Quote
    const { bidExchange, askExchange, conditions, tape } = quote
    detail.words[row] = details.find(bidExchange, askExchange, conditions, tape)
    setNumber(bid, row, quote.bid)
    setNumber(bidSize, row, quote.bidSize)
    setNumber(ask, row, quote.ask)
    setNumber(askSize, row, quote.askSize)
  }
}

function setNumber(column: ColumnBuffer, row: number, value: number | undefined): void {
  if (value === undefined) column.setNull(row)
  else column.doubles[row] = value
}

function set({ form, column, text }: Place, row: number, value: unknown): void {
  if (form === 'id') {
    setId(column, text!, row, value as number | string | undefined)
  } else if (value === undefined) column.setNull(row)
  else if (form === 'number') column.doubles[row] = value as number
  else if (form === 'boolean') column.bytes[row] = value ? 1 : 0
  else column.values[row] = value
}

/** A whole number, or a text. A number that is not whole stands as 0 with its text beside it. */
function setId(
  column: ColumnBuffer,
  text: ColumnBuffer,
  row: number,
  id: number | string | undefined,
): void {
  if (typeof id !== 'number') {
    column.setNull(row)
    if (id === undefined) text.setNull(row)
    else text.values[row] = id
    return
  }
  const isWhole = Number.isSafeInteger(id) && !Object.is(id, -0)
  setLong(column, row, isWhole ? id : 0)
  if (isWhole) text.setNull(row)
  else text.values[row] = exact(id)
}

/** The dictionaries of a store, as its tables have them. */
export interface Dictionaries {
  readonly heads: Heads
  readonly details: ReadonlyMap<EventType, Details>
}

/** Appends events of all kinds to the tables of a schema; nothing is there before `flush` and a commit. */
export class EventRows {
  readonly #session: Session
  readonly #schema: string
  readonly #dictionaries: Dictionaries
  readonly #kinds = new Map<EventType, KindRows>()
  #missing: Set<EventType> | undefined

  constructor(session: Session, schema: string, dictionaries: Dictionaries) {
    this.#session = session
    this.#schema = schema
    this.#dictionaries = dictionaries
  }

  /** Makes the appenders of what is in a batch. */
  async ready(events: readonly MarketEvent[]): Promise<void> {
    for (let i = 0; i < events.length; i++) {
      const { type } = events[i]!
      if (!this.#kinds.has(type)) (this.#missing ??= new Set()).add(type)
    }
    if (!this.#missing) return
    for (const kind of this.#missing) {
      const table = tableOf(kind)
      const appender = await this.#session.appender(`${this.#schema}.${kind}`, typesOf(table))
      const details = this.#dictionaries.details.get(kind)
      this.#kinds.set(kind, new KindRows(table, appender, this.#dictionaries.heads, details))
    }
    this.#missing = undefined
  }

  /** Of a kind that `ready` has seen. */
  add(event: MarketEvent, tapeNo: number, pos: number | undefined): void {
    this.#kinds.get(event.type)!.add(event, tapeNo, pos)
  }

  flush(): void {
    for (const kind of this.#kinds.values()) kind.flush()
  }

  close(): void {
    for (const kind of this.#kinds.values()) kind.close()
    this.#kinds.clear()
  }
}
