import type { Bindings, Driver } from './duckdb.ts'

type Appender = InstanceType<Driver['api']['DuckDBAppender']>
type Type = Parameters<Driver['api']['DuckDBDataChunk']['create']>[0][number]

export type ColumnType =
  | 'double'
  | 'bigint'
  | 'uinteger'
  | 'integer'
  | 'boolean'
  | 'ns'
  | 'text'
  | 'texts'
  | 'levels'

/** Rows DuckDB takes at once. */
const CHUNK = 2_048

const BYTES: Readonly<Record<ColumnType, number>> = {
  double: 8,
  bigint: 8,
  ns: 8,
  uinteger: 4,
  integer: 4,
  boolean: 1,
  text: 0,
  texts: 0,
  levels: 0,
}

/** A column that is being filled: numbers in place, texts and lists as they are. */
export class ColumnBuffer {
  readonly type: ColumnType
  readonly doubles: Float64Array
  readonly words: Uint32Array
  readonly bytes: Uint8Array
  readonly values: unknown[] = []
  readonly valid = new Uint8Array(CHUNK / 8).fill(0xff)
  hasNull = false

  constructor(type: ColumnType) {
    this.type = type
    const memory = new ArrayBuffer(CHUNK * Math.max(BYTES[type], 1))
    this.bytes = new Uint8Array(memory)
    const none = new ArrayBuffer(0)
    this.doubles = new Float64Array(BYTES[type] === 8 ? memory : none)
    this.words = new Uint32Array(BYTES[type] >= 4 ? memory : none)
  }

  setNull(row: number): void {
    this.valid[row >> 3]! &= ~(1 << (row & 7))
    this.hasNull = true
    // What a row that was not ended has left there must not be taken for a text.
    if (row < this.values.length) this.values[row] = undefined
  }

  reset(): void {
    if (this.hasNull) this.valid.fill(0xff)
    this.hasNull = false
    this.values.length = 0
  }
}

/** Takes rows column by column and hands them over by the thousand. They are there once `flush` and a commit are done. */
export class RowAppender {
  readonly #driver: Driver
  readonly #appender: Appender
  readonly #types: Type[]
  readonly columns: readonly ColumnBuffer[]
  /** The row that is being filled. */
  row = 0

  constructor(driver: Driver, appender: Appender, columns: readonly ColumnType[]) {
    this.#driver = driver
    this.#appender = appender
    this.#types = columns.map(type => typeOf(driver.api, type))
    this.columns = columns.map(type => new ColumnBuffer(type))
  }

  endRow(): void {
    this.row++
    if (this.row === CHUNK) this.#hand()
  }

  flush(): void {
    if (this.row > 0) this.#hand()
    this.#appender.flushSync()
  }

  close(): void {
    this.#appender.closeSync()
  }

  #hand(): void {
    const { api, bindings } = this.#driver
    const count = this.row
    const chunk = api.DuckDBDataChunk.create(this.#types, count)
    for (const [i, column] of this.columns.entries()) {
      const vector = bindings.data_chunk_get_vector(chunk.chunk, i)
      fill(bindings, vector, column, count)
      column.reset()
    }
    this.row = 0
    this.#appender.appendDataChunk(chunk)
  }
}

function typeOf(api: Driver['api'], type: ColumnType): Type {
  switch (type) {
    case 'double':
      return api.DOUBLE
    case 'bigint':
      return api.BIGINT
    case 'uinteger':
      return api.UINTEGER
    case 'integer':
      return api.INTEGER
    case 'boolean':
      return api.BOOLEAN
    case 'ns':
      return api.TIMESTAMP_NS
    case 'text':
      return api.VARCHAR
    case 'texts':
      return api.LIST(api.VARCHAR)
    case 'levels':
      return api.LIST(api.STRUCT({ price: api.DOUBLE, size: api.DOUBLE }))
  }
}

function fill(bindings: Bindings, vector: unknown, column: ColumnBuffer, count: number): void {
  const { type, bytes, values } = column
  const width = BYTES[type]
  if (width > 0) bindings.copy_data_to_vector(vector, 0, bytes.buffer, 0, count * width)
  else if (type === 'text') {
    for (let row = 0; row < values.length; row++) {
      const text = values[row] as string | undefined
      if (text !== undefined) bindings.vector_assign_string_element(vector, row, text)
    }
  } else fillLists(bindings, vector, column, count)
  if (!column.hasNull) return
  bindings.vector_ensure_validity_writable(vector)
  const { valid } = column
  bindings.copy_data_to_vector_validity(vector, 0, valid.buffer, 0, Math.ceil(count / 64) * 8)
}

function fillLists(bindings: Bindings, vector: unknown, column: ColumnBuffer, count: number): void {
  const lists = column.values as (readonly unknown[] | undefined)[]
  const places = new BigUint64Array(count * 2)
  let total = 0
  for (let row = 0; row < count; row++) {
    const length = lists[row]?.length ?? 0
    places[row * 2] = BigInt(total)
    places[row * 2 + 1] = BigInt(length)
    total += length
  }
  bindings.list_vector_reserve(vector, total)
  bindings.list_vector_set_size(vector, total)
  const child = bindings.list_vector_get_child(vector)
  if (column.type === 'texts') {
    let at = 0
    for (let row = 0; row < count; row++) {
      for (const text of (lists[row] as readonly string[] | undefined) ?? []) {
        bindings.vector_assign_string_element(child, at++, text)
      }
    }
  } else if (total > 0) {
    const sides = [new Float64Array(total), new Float64Array(total)] as const
    let at = 0
    for (let row = 0; row < count; row++) {
      for (const [price, size] of (lists[row] as readonly (readonly number[])[] | undefined) ??
        []) {
        sides[0][at] = price!
        sides[1][at++] = size!
      }
    }
    for (const [i, side] of sides.entries()) {
      const part = bindings.struct_vector_get_child(child, i)
      bindings.copy_data_to_vector(part, 0, side.buffer, 0, side.byteLength)
    }
  }
  bindings.copy_data_to_vector(vector, 0, places.buffer, 0, places.byteLength)
}
