import type { HistorySource, Position, Reader } from '../flow/contracts.ts'
import type { EventType, Interval, MarketEvent } from '../market/events.ts'

/**
 * The past, by kind, symbol and time: what commands, notebooks and bots ask, whichever store answers. Times are the
 * venue's, epoch ms, both bounds inclusive; `symbols: ['*']` means all. Bars come as stored where the interval was
 * stored (by its venue, an import, a backfill), else they are built from stored trades by the sale conditions.
 */
export interface History extends HistorySource, AsyncDisposable {
  /**
   * The last event of each symbol at or before a time, of bars the last that was over by then; none for a symbol there is
   * nothing of.
   */
  asOf(request: AsOfRequest): Promise<MarketEvent[]>
  /**
   * One statement that reads.
   * @throws BAD_SQL when it cannot be understood or would write, or fails
   */
  sql(text: string, options?: { readonly signal?: AbortSignal }): Promise<Table>
  /** Parquet files that together hold what was asked and more of the same days; those of open days are written for it. */
  parquet(request: PartsRequest): Promise<string[]>
  /** What there is, by day and kind, oldest first. */
  holdings(): Promise<Holding[]>
  /** Ends questions that run. May be called twice. */
  close(): Promise<void>
}

export interface AsOfRequest {
  readonly kind: EventType
  readonly symbols: readonly string[]
  /** Venue time, epoch ms. */
  readonly time: number
  /** Length of bars. @default '1m' */
  readonly interval?: Interval
  /** @default all of them, the newest wins */
  readonly source?: string
  readonly signal?: AbortSignal
}

export interface PartsRequest {
  /** @default all */
  readonly kinds?: readonly EventType[]
  /** UTC days that overlap these venue times, epoch ms. @default all */
  readonly from?: number
  readonly to?: number
  readonly signal?: AbortSignal
}

/** An answer to SQL: rows come in batches, values as {@link Cell}. */
export interface Table {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: AsyncIterable<Cell[][]>
}

/** Whole numbers beyond 2^53 and times are text; times in ISO form with all their digits. Lists and structs nest. */
export type Cell =
  | string
  | number
  | boolean
  | null
  | readonly Cell[]
  | { readonly [name: string]: Cell }

/** A kind on a day, as it is stored. */
export interface Holding {
  /** UTC, by venue time: `2025-06-02`. */
  readonly day: string
  readonly kind: EventType
  readonly rows: number
  readonly symbols: number
  /** True when the day is (also) in Parquet, where it stays. */
  readonly sealed: boolean
  readonly bytes: number
}

/** A tape as a store reads it: positions are kept by its id. */
export interface Followed extends Reader {
  readonly id: string
}

/**
 * What fills itself from a tape. What it holds and the position it came up to are committed together, so that after any end
 * it goes on where it was, with nothing twice and nothing missing.
 */
export interface TapeStore extends AsyncDisposable {
  /** How far of the tape it has. */
  readonly position: Position | undefined
  /** Up to where it would not need the tape again, not even to be made anew. `undefined`: it needs all there is. */
  readonly needed: Position | undefined
  /**
   * Takes what the tape has behind `position`, then what comes, until `signal` or `close`; resolves at that end.
   * Only what is `written` on the tape is taken.
   * @throws what the tape, the disk or the server threw; what was committed stays
   */
  follow(
    tape: Followed,
    options?: { readonly signal?: AbortSignal; readonly live?: boolean },
  ): Promise<void>
  /** Resolves when all up to a position can be read from here. */
  reached(position: Position): Promise<void>
  /** May be called twice. */
  close(): Promise<void>
}

/** A history that fills itself. */
export interface Store extends History, TapeStore {
  /** Takes events that are on no tape (an import, a backfill), except what is there; straight into days. */
  merge(events: AsyncIterable<readonly MarketEvent[]>, options?: MergeOptions): Promise<Merged>
}

export interface MergeOptions {
  /** Called now and then with how many have been taken. */
  readonly onProgress?: (events: number) => void
  readonly signal?: AbortSignal
}

export interface Merged {
  readonly added: number
  /** Were there already: by id and exchange, else in every field, as often as they are there. */
  readonly known: number
}
