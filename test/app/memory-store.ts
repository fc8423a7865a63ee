// A store that keeps arrays: what tests hand to the app in place of DuckDB. What it holds outlives its being open, as a folder does.
import { TickwireError } from '../../src/base/errors.ts'
import { type Log, silentLog } from '../../src/base/log.ts'
import type { HistoryRequest, Position, Reader } from '../../src/flow/contracts.ts'
import type { MarketEvent } from '../../src/market/events.ts'
import type {
  AsOfRequest,
  Cell,
  Holding,
  Merged,
  MergeOptions,
  PartsRequest,
  Store,
  Table,
} from '../../src/store/store.ts'

export class MemoryFolder {
  readonly events: MarketEvent[] = []
  readonly positions = new Map<string, Position>()
  /** Made to fail, or hold up, what is asked of it. */
  readonly faults: {
    open?: () => Error | undefined
    /** Called before a batch is taken; what it throws ends `follow`. */
    take?: (batch: readonly MarketEvent[]) => unknown
    sql?: (text: string, signal: AbortSignal | undefined) => Promise<Table>
    history?: (request: HistoryRequest) => AsyncIterable<MarketEvent[]>
  } = {}
  /** Where it says what fails in it. */
  log: Log = silentLog
  /** How many of the last events it would need again to be made anew. */
  keeps = 0
  opened = 0
  isOpen = false

  readonly open = async (log: Log): Promise<MemoryStore> => {
    this.log = log
    const fault = this.faults.open?.()
    if (fault) throw fault
    if (this.isOpen) throw new TickwireError('STORE_IN_USE', 'process 1 has the store open')
    this.isOpen = true
    this.opened++
    return new MemoryStore(this)
  }
}

export class MemoryStore implements Store {
  readonly #folder: MemoryFolder
  readonly #end = new AbortController()
  #position: Position | undefined
  #waiting: (() => void)[] = []

  constructor(folder: MemoryFolder) {
    this.#folder = folder
  }

  get position() {
    return this.#position
  }

  get needed() {
    const position = this.#position
    return position && { tape: position.tape, seq: Math.max(0, position.seq - this.#folder.keeps) }
  }

  async follow(
    tape: Reader & { readonly id?: string },
    options: { readonly signal?: AbortSignal; readonly live?: boolean } = {},
  ): Promise<void> {
    const { faults, positions, events } = this.#folder
    const id = tape.id ?? ''
    const signal = AbortSignal.any([this.#end.signal, ...(options.signal ? [options.signal] : [])])
    const from = positions.get(id)
    this.#position = from
    const { live = true } = options
    const read = tape.read({ from: from ?? 'start', written: true, live, signal })
    for await (const batch of read) {
      await faults.take?.(batch)
      events.push(...batch)
      this.#position = { tape: id, seq: batch.at(-1)!.seq ?? this.#position?.seq ?? 0 }
      positions.set(id, this.#position)
      for (const wake of this.#waiting.splice(0)) wake()
    }
  }

  async reached({ seq }: Position): Promise<void> {
    while ((this.#position?.seq ?? 0) < seq) {
      if (this.#end.signal.aborted) throw new TickwireError('CLOSED', 'the store is closed')
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }

  async *history(request: HistoryRequest): AsyncGenerator<MarketEvent[]> {
    if (this.#folder.faults.history) {
      yield* this.#folder.faults.history(request)
      return
    }
    const { kind, symbols, from, to, source } = request
    const found = this.#folder.events.filter(
      event =>
        event.type === kind &&
        (symbols.includes('*') || symbols.includes(event.symbol ?? '')) &&
        (source === undefined || event.source === source) &&
        event.timestamp >= from &&
        event.timestamp <= to,
    )
    for (let i = 0; i < found.length; i += 3) yield found.slice(i, i + 3)
  }

  async asOf({ kind, symbols, time }: AsOfRequest): Promise<MarketEvent[]> {
    return symbols.flatMap(symbol => {
      const all = this.#folder.events.filter(
        event => event.type === kind && event.symbol === symbol && event.timestamp <= time,
      )
      return all.slice(-1)
    })
  }

  async sql(text: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<Table> {
    if (this.#folder.faults.sql) return this.#folder.faults.sql(text, signal)
    const rows: Cell[][] = [[this.#folder.events.length]]
    return { columns: [{ name: 'n', type: 'BIGINT' }], rows: inBatches(rows) }
  }

  async parquet({ kinds = [] }: PartsRequest): Promise<string[]> {
    return kinds.map(kind => `/days/${kind}.parquet`)
  }

  async holdings(): Promise<Holding[]> {
    const rows = this.#folder.events.length
    return [{ day: '2024-01-15', kind: 'trade', rows, symbols: 1, sealed: false, bytes: 0 }]
  }

  async merge(
    batches: AsyncIterable<readonly MarketEvent[]>,
    { onProgress }: MergeOptions = {},
  ): Promise<Merged> {
    const taken: MarketEvent[] = []
    for await (const batch of batches) {
      taken.push(...batch)
      onProgress?.(taken.length)
    }
    this.#folder.events.push(...taken)
    return { added: taken.length, known: 0 }
  }

  async close(): Promise<void> {
    this.#end.abort()
    for (const wake of this.#waiting.splice(0)) wake()
    this.#folder.isOpen = false
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

async function* inBatches(rows: Cell[][]): AsyncGenerator<Cell[][]> {
  yield rows
}
