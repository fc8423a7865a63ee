import { createRequire } from 'node:module'
import type {
  DuckDBConnection,
  DuckDBDataChunk,
  DuckDBInstance,
  DuckDBValue,
} from '@duckdb/node-api'
import { asError, TickwireError } from '../base/errors.ts'
import { type ColumnType, RowAppender } from './appender.ts'

type Api = typeof import('@duckdb/node-api')

/** What is needed of the layer below, which moves whole columns at once: ten times as fast as value by value. */
export interface Bindings {
  data_chunk_get_vector(chunk: unknown, column: number): unknown
  copy_data_to_vector(
    vector: unknown,
    at: number,
    from: ArrayBufferLike,
    start: number,
    bytes: number,
  ): void
  copy_data_to_vector_validity(
    vector: unknown,
    at: number,
    from: ArrayBufferLike,
    start: number,
    bytes: number,
  ): void
  vector_ensure_validity_writable(vector: unknown): void
  vector_assign_string_element(vector: unknown, row: number, text: string): void
  vector_get_validity(vector: unknown, bytes: number): Uint8Array | null
  list_vector_reserve(vector: unknown, size: number): void
  list_vector_set_size(vector: unknown, size: number): void
  list_vector_get_child(vector: unknown): unknown
  struct_vector_get_child(vector: unknown, index: number): unknown
}

export interface Driver {
  readonly api: Api
  readonly bindings: Bindings
}

let driver: Driver | undefined

/** @throws STORE_DRIVER_MISSING */
async function loadDriver(): Promise<Driver> {
  if (driver) return driver
  try {
    const api: Api = await import('@duckdb/node-api')
    const near = createRequire(createRequire(import.meta.url).resolve('@duckdb/node-api'))
    driver = { api, bindings: near('@duckdb/node-bindings') as Bindings }
    return driver
  } catch (cause) {
    throw new TickwireError(
      'STORE_DRIVER_MISSING',
      'the embedded store needs DuckDB, which is not installed',
      { cause, hint: 'Run `npm install @duckdb/node-api`; everything else works without it.' },
    )
  }
}

/** Whether the driver is there and fits this machine. @throws STORE_DRIVER_MISSING */
export async function checkDriver(): Promise<void> {
  await loadDriver()
}

export interface DatabaseOptions {
  readonly file: string
  /** The only folder its statements may read and write. */
  readonly folder: string
  /** Others they may read and write too. @default none */
  readonly others?: readonly string[]
  readonly threads: number
  readonly memoryMb: number
}

/** A database file. It must be open once in a process: nothing keeps a second one from writing over it. */
export class Database {
  readonly #driver: Driver
  readonly #instance: DuckDBInstance

  private constructor(driver: Driver, instance: DuckDBInstance) {
    this.#driver = driver
    this.#instance = instance
  }

  /** @throws STORE_DRIVER_MISSING, or what DuckDB says of the file */
  static async open(options: DatabaseOptions): Promise<Database> {
    const loaded = await loadDriver()
    const { file, folder, others = [], threads, memoryMb } = options
    // Names of files are given as patterns that match them alone, which are held against this list as they are written.
    const folders = [folder, ...others].flatMap(one => [one, literally(one)])
    const allowed = [...new Set(folders)].map(one => quoted(`${one}/`)).join(', ')
    const instance = await loaded.api.DuckDBInstance.create(file, {
      threads: `${threads}`,
      memory_limit: `${memoryMb}MB`,
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    })
    const database = new Database(loaded, instance)
    const session = await database.connect()
    try {
      await session.run(`set temp_directory = ${quoted(`${folder}/spill`)}`)
      await session.run(`set allowed_directories = [${allowed}]`)
      await session.run('set enable_external_access = false')
      await session.run('set lock_configuration = true')
    } finally {
      session.close()
    }
    return database
  }

  async connect(gate?: Gate): Promise<Session> {
    return new Session(this.#driver, await this.#instance.connect(), gate)
  }

  close(): void {
    this.#instance.closeSync()
  }
}

/**
 * Lets so many statements run at once. They run in the few threads that the process has for files too: questions that
 * took them all would keep the tape from being written.
 */
export class Gate {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(most: number) {
    this.#free = most
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }
}

/** A text as SQL writes it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A file to be read, as SQL writes it: letters that make a pattern of a name stand for themselves. */
export function fileNamed(path: string): string {
  return quoted(literally(path))
}

function literally(path: string): string {
  return path.replace(/[*?[]/g, '[$&]')
}

export interface Answer {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  /** Columns of up to 2,048 rows at a time. */
  readonly chunks: AsyncIterable<Chunk>
}

/** What a statement is: `select` reads. */
export type StatementKind = 'select' | 'explain' | 'other'

/** Between two attempts to end a statement, ms. */
const AGAIN_MS = 5

/** One connection: statements run one after the other. */
export class Session {
  readonly #driver: Driver
  readonly #connection: DuckDBConnection
  readonly #gate: Gate | undefined
  /** Statements that have been handed to DuckDB, and have not ended. */
  #under = 0
  #isGivenUp = false
  #again: ReturnType<typeof setInterval> | undefined
  #ended: () => void = () => {}

  constructor(driver: Driver, connection: DuckDBConnection, gate?: Gate) {
    this.#driver = driver
    this.#connection = connection
    this.#gate = gate
  }

  #through<T>(work: () => Promise<T>): Promise<T> {
    const counted = async () => {
      if (this.#isGivenUp) throw new TickwireError('CLOSED', 'the question was given up')
      this.#under++
      try {
        return await work()
      } finally {
        if (--this.#under === 0) this.#ended()
      }
    }
    return this.#gate ? this.#gate.run(counted) : counted()
  }

  async run(sql: string, values?: readonly unknown[]): Promise<void> {
    await this.#through(() => this.#connection.run(sql, values as DuckDBValue[] | undefined))
  }

  /** All rows of a small answer, whole numbers as bigints where SQL has 64 bits. */
  async all(sql: string, values?: readonly unknown[]): Promise<unknown[][]> {
    const reader = await this.#through(() =>
      this.#connection.runAndReadAll(sql, values as DuckDBValue[] | undefined),
    )
    return reader.getRowsJS() as unknown[][]
  }

  async stream(sql: string): Promise<Answer> {
    const result = await this.#through(() => this.#connection.stream(sql))
    const names = result.columnNames()
    const types = result.columnTypes()
    return {
      columns: names.map((name, i) => ({ name, type: `${types[i]}` })),
      chunks: this.#chunks(result),
    }
  }

  async *#chunks(result: { fetchChunk(): Promise<DuckDBDataChunk | null> }): AsyncIterable<Chunk> {
    for (;;) {
      const chunk = await this.#through(() => result.fetchChunk())
      if (!chunk || chunk.rowCount === 0) return
      yield new Chunk(this.#driver, chunk)
    }
  }

  /** What each of the statements of a text is; those before the last one may have to be run to know the next. */
  async kindsOf(sql: string): Promise<StatementKind[]> {
    return this.#through(() => this.#kindsOf(sql))
  }

  async #kindsOf(sql: string): Promise<StatementKind[]> {
    const { StatementType } = this.#driver.api
    const statements = await this.#connection.extractStatements(sql)
    if (statements.count !== 1) return Array.from({ length: statements.count }, () => 'other')
    const prepared = await statements.prepare(0)
    try {
      const type = prepared.statementType
      if (type === StatementType.SELECT) return ['select']
      return [type === StatementType.EXPLAIN ? 'explain' : 'other']
    } finally {
      prepared.destroySync()
    }
  }

  async appender(table: string, columns: readonly ColumnType[]): Promise<RowAppender> {
    const [name, schema, catalog] = table.split('.').reverse() as [string, string, string?]
    const appender = await this.#connection.createAppender(name, schema, catalog)
    return new RowAppender(this.#driver, appender, columns)
  }

  /**
   * Ends the statement that runs, and lets none begin any more. DuckDB hears it only while one runs: said to one that has
   * been handed over and waits for its thread, it would be lost, and is said again until that has ended.
   */
  interrupt(): void {
    this.#isGivenUp = true
    if (this.#under === 0 || this.#again) return
    this.#connection.interrupt()
    this.#again = setInterval(() => this.#connection.interrupt(), AGAIN_MS)
    this.#ended = () => {
      clearInterval(this.#again)
      this.#again = undefined
    }
  }

  /** Ends what runs, waits for that, and closes. */
  async end(): Promise<void> {
    this.interrupt()
    if (this.#under > 0) {
      const stop = this.#ended
      await new Promise<void>(resolve => {
        this.#ended = () => {
          stop()
          resolve()
        }
      })
    }
    this.close()
  }

  /** When nothing runs. May be called twice. */
  close(): void {
    this.#isGivenUp = true
    this.#connection.closeSync()
  }
}

/** Up to 2,048 rows of an answer. */
export class Chunk {
  readonly #driver: Driver
  readonly #chunk: DuckDBDataChunk
  readonly rowCount: number

  constructor(driver: Driver, chunk: DuckDBDataChunk) {
    this.#driver = driver
    this.#chunk = chunk
    this.rowCount = chunk.rowCount
  }

  /** The numbers of a column of DOUBLE, and which of them are there; `undefined`: all are. */
  numbers(column: number): {
    readonly items: Float64Array
    readonly valid: Uint8Array | undefined
  } {
    const { items } = this.#chunk.getColumnVector(column) as unknown as { items: Float64Array }
    const { bindings } = this.#driver
    const vector = bindings.data_chunk_get_vector(this.#chunk.chunk, column)
    const valid = bindings.vector_get_validity(vector, Math.ceil(this.rowCount / 64) * 8)
    return { items, valid: valid ?? undefined }
  }

  /** The values of a column as the driver gives them. */
  values(column: number): readonly unknown[] {
    return this.#chunk.getColumnValues(column)
  }

  get columnCount(): number {
    return this.#chunk.columnCount
  }
}

/** The lists and structs of a value, which the driver wraps. */
export interface ListValue {
  readonly items: readonly unknown[]
}
export interface StructValue {
  readonly entries: Readonly<Record<string, unknown>>
}

/** What the driver threw, as what a question is told. */
export function badSql(thrown: unknown): TickwireError {
  const error = asError(thrown)
  if (error instanceof TickwireError) return error
  const message = error.message.replace(/^Failed to (?:extract statements|prepare|execute): /, '')
  return new TickwireError('BAD_SQL', message, { cause: error })
}
