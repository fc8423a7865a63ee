import { asError, TickwireError } from '../base/errors.ts'
import type { EventType, MarketEvent } from '../market/events.ts'
import { EVENT_TYPES } from '../market/events.ts'
import { cellOf } from './cells.ts'
import { ODD, tableOf } from './columns.ts'
import { Database, fileNamed, quoted, type Session } from './duckdb.ts'
import { eventColumns, readEvents } from './events.ts'
import { settleFile } from './files.ts'
import { copyOut } from './parts.ts'
import { shownColumns } from './schema.ts'
import { within } from './snapshot.ts'
import type { Cell } from './store.ts'

export interface WorkbenchOptions {
  /** What does not fit into memory goes there meanwhile. */
  readonly folder: string
  /** Other folders that files are read from. */
  readonly others?: readonly string[]
  /** @default 2 */
  readonly threads?: number
  /** @default 1024 */
  readonly memoryMb?: number
}

/** Rows of a kind in files of ours: those of one symbol (`null`: of none), or all. Venue times, epoch ms, both inclusive. */
export interface Rows {
  readonly kind: EventType
  readonly paths: readonly string[]
  readonly symbol?: string | null
  readonly from: number
  readonly to: number
}

/** A Parquet file, as far as it says itself what it is. */
export interface ParquetFile {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: number
  /** The kind of its events, where tickwire wrote it. */
  readonly kind: EventType | undefined
}

/** Parquet files outside of any store: read and written where no store has to be open. */
export class Workbench {
  readonly #database: Database
  readonly #session: Session

  private constructor(database: Database, session: Session) {
    this.#database = database
    this.#session = session
  }

  /** @throws STORE_DRIVER_MISSING */
  static async open(options: WorkbenchOptions): Promise<Workbench> {
    const { threads = 2, memoryMb = 1_024, ...folders } = options
    const database = await Database.open({ file: ':memory:', threads, memoryMb, ...folders })
    return new Workbench(database, await database.connect())
  }

  close(): void {
    this.#session.close()
    this.#database.close()
  }

  /** Ends the statement that runs. */
  interrupt(): void {
    this.#session.interrupt()
  }

  /** How many rows there are of each symbol, in order of their names; those of no symbol first. */
  async symbolsOf(rows: Omit<Rows, 'symbol'>): Promise<{ symbol: string | null; rows: number }[]> {
    if (rows.paths.length === 0) return []
    const found = await this.#session.all(
      `select symbol, count(*) from ${from(rows)} group by 1 order by 1 nulls first`,
    )
    return found.map(([symbol, count]) => ({
      symbol: symbol as string | null,
      rows: Number(count),
    }))
  }

  /** In order of time. */
  async *events(rows: Rows): AsyncGenerator<MarketEvent[]> {
    const table = tableOf(rows.kind)
    const { chunks } = await this.#session.stream(
      `select ${eventColumns(table)} from ${from(rows)} ${ORDER}`,
    )
    for await (const chunk of chunks) yield readEvents(table, chunk)
  }

  /** Writes them to a file of their own, in order of time, with the columns of SQL. The name is there when it is whole. */
  async copy(rows: Rows, file: string): Promise<void> {
    const { kind } = rows
    const [odd] = await this.#session.all(`select count(${ODD}) from ${from(rows)}`)
    const columns = shownColumns(tableOf(kind)).concat(Number(odd![0]) > 0 ? [ODD] : [])
    const list = columns.map(name => `"${name}"`).join(', ')
    const said = quoted(JSON.stringify({ version: 1, kind }))
    const select = `select ${list} from ${from(rows)} ${ORDER}`
    await copyOut(this.#session, select, `${file}.new`, `, kv_metadata {tickwire: ${said}}`)
    await settleFile(`${file}.new`, file)
  }

  /** @throws BAD_PARQUET */
  async look(file: string): Promise<ParquetFile> {
    return this.#reading(file, async () => {
      const columns = await this.#session.all(
        `describe select * from read_parquet(${fileNamed(file)})`,
      )
      const [count] = await this.#session.all(
        `select count(*) from read_parquet(${fileNamed(file)})`,
      )
      const [said] = await this.#session.all(
        `select decode(value) from parquet_kv_metadata(${fileNamed(file)}) where decode(key) = 'tickwire'`,
      )
      const names = columns.map(([name, type]) => ({ name: `${name}`, type: `${type}` }))
      return { columns: names, rows: Number(count![0]), kind: kindOf(said?.[0]) }
    })
  }

  /** The events of a file that tickwire wrote, in its own order. @throws BAD_PARQUET */
  async *eventsIn(file: string, kind: EventType): AsyncGenerator<MarketEvent[]> {
    const table = tableOf(kind)
    const { columns } = await this.look(file)
    const has = (name: string) => columns.some(column => column.name === name)
    const lacking = shownColumns(table).find(name => !has(name))
    if (lacking !== undefined) {
      throw new TickwireError('BAD_PARQUET', `${file} has no column ${lacking}`, {
        hint: 'It was written by tickwire and changed since: map its columns with --map.',
      })
    }
    const source = has(ODD) ? '' : `, null::varchar as ${ODD}`
    const select = `select ${eventColumns(table)} from (select *${source} from read_parquet(${fileNamed(file)}))`
    const { chunks } = await this.#reading(file, () => this.#session.stream(select))
    for await (const chunk of this.#all(file, chunks)) yield readEvents(table, chunk)
  }

  /** The rows of any file, times as text with nine digits, other values as an answer to SQL has them. @throws BAD_PARQUET */
  async *rowsIn(file: string): AsyncGenerator<Cell[][]> {
    const select = `select * from read_parquet(${fileNamed(file)})`
    const { columns, chunks } = await this.#reading(file, () => this.#session.stream(select))
    for await (const chunk of this.#all(file, chunks)) {
      const values = columns.map((_, i) => chunk.values(i))
      const rows: Cell[][] = []
      for (let row = 0; row < chunk.rowCount; row++) rows.push(values.map(it => cellOf(it[row])))
      yield rows
    }
  }

  async #reading<T>(file: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw unreadable(file, error)
    }
  }

  async *#all<T>(file: string, chunks: AsyncIterable<T>): AsyncGenerator<T> {
    try {
      for await (const chunk of chunks) yield chunk
    } catch (error) {
      throw unreadable(file, error)
    }
  }
}

const ORDER = 'order by ts, seq nulls last, filename, file_row_number'

function from({ paths, symbol, from, to }: Rows): string {
  const files = paths.map(fileNamed).join(', ')
  const whose =
    symbol === undefined
      ? ''
      : symbol === null
        ? ' and symbol is null'
        : ` and symbol = ${quoted(symbol)}`
  return `(select * from read_parquet([${files}], union_by_name = true, filename = true, file_row_number = true) where ${within(from, to, 'ts')}${whose})`
}

function kindOf(said: unknown): EventType | undefined {
  if (typeof said !== 'string') return undefined
  try {
    const { kind } = JSON.parse(said) as { kind?: unknown }
    return EVENT_TYPES.find(type => type === kind)
  } catch {
    // Somebody else's word under our name: the columns say what it is.
    return undefined
  }
}

function unreadable(file: string, thrown: unknown): TickwireError {
  const error = asError(thrown)
  if (error instanceof TickwireError) return error
  const [line = ''] = error.message.split('\n')
  return new TickwireError('BAD_PARQUET', `${file} cannot be read: ${line}`, {
    cause: error,
    hint: 'It is damaged, or no Parquet file. Nothing of it was taken in.',
  })
}
