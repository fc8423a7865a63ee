import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { HistoryRequest } from '../flow/contracts.ts'
import type { EventOf, EventType, MarketEvent } from '../market/events.ts'
import { openPostgres, type PostgresOptions, readPostgres } from '../store/postgres.ts'
import type {
  AsOfRequest,
  Holding,
  Merged,
  MergeOptions,
  PartsRequest,
  Store,
  Table,
} from '../store/store.ts'
import { type Past, type PastBars, type PastEvents, type PastRange, pastEvents } from './past.ts'
import { type PostgresConfig, readCa } from './stores.ts'

export type PostgresHistoryOptions = Pick<
  PostgresOptions,
  'url' | 'ca' | 'schema' | 'connectMs' | 'clock' | 'log'
>

/**
 * What `tickwire up` has brought to PostgreSQL, to be asked as a data folder is: from any machine, with the right to read.
 *
 * ```js
 * const history = await openPostgresHistory({ url: 'postgres://analyst@db/market' })
 * for await (const trade of history.trades('SPY', { from: '2025-06-02' })) console.log(trade.price)
 * await history.close()
 * ```
 * @throws STORE_DRIVER_MISSING STORE_UNREACHABLE STORE_REFUSED STORE_TOO_NEW BAD_OPTION
 */
export async function openPostgresHistory(options: PostgresHistoryOptions): Promise<Past> {
  return new ServerPast(await readPostgres(options))
}

/**
 * What is in PostgreSQL, to be asked as a data folder is, from any machine; the right to read is enough. With `write` its
 * tables are made where they are missing, and {@link Past.merge} takes events in.
 * @throws STORE_DRIVER_MISSING STORE_UNREACHABLE STORE_REFUSED STORE_TOO_NEW BAD_OPTION
 */
export async function openPostgresPast(
  { caFile, ...config }: PostgresConfig,
  { clock, log, write = false }: { clock: Clock; log: Log; write?: boolean },
): Promise<Past> {
  const options = { ...config, ca: await readCa(caFile), clock, log }
  return new ServerPast(await (write ? openPostgres(options) : readPostgres(options)))
}

class ServerPast implements Past {
  readonly owner = undefined
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  history(request: HistoryRequest): AsyncIterable<MarketEvent[]> {
    return this.#store.history(request)
  }

  asOf(request: AsOfRequest): Promise<MarketEvent[]> {
    return this.#store.asOf(request)
  }

  sql(text: string, options?: { readonly signal?: AbortSignal }): Promise<Table> {
    return this.#store.sql(text, options)
  }

  parquet(request: PartsRequest): Promise<string[]> {
    return this.#store.parquet(request)
  }

  holdings(): Promise<Holding[]> {
    return this.#store.holdings()
  }

  merge(events: AsyncIterable<readonly MarketEvent[]>, options?: MergeOptions): Promise<Merged> {
    return this.#store.merge(events, options)
  }

  trades(symbols: string | readonly string[], range?: PastRange): PastEvents<EventOf<'trade'>> {
    return pastEvents(this, 'trade', symbols, range)
  }

  quotes(symbols: string | readonly string[], range?: PastRange): PastEvents<EventOf<'quote'>> {
    return pastEvents(this, 'quote', symbols, range)
  }

  bars(symbols: string | readonly string[], range?: PastBars): PastEvents<EventOf<'bar'>> {
    return pastEvents(this, 'bar', symbols, range)
  }

  tickers(symbols: string | readonly string[], range?: PastRange): PastEvents<EventOf<'ticker'>> {
    return pastEvents(this, 'ticker', symbols, range)
  }

  notices(range?: PastRange): PastEvents<EventOf<'notice'>> {
    return pastEvents(this, 'notice', '*', range)
  }

  events<T extends EventType>(
    kind: T,
    symbols: string | readonly string[],
    range?: PastBars,
  ): PastEvents<EventOf<T>> {
    return pastEvents(this, kind, symbols, range)
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
