import { TickwireError } from '../base/errors.ts'
import type { HistorySource } from '../flow/contracts.ts'
import type { Adjustment, EventOf, EventType, Interval, MarketEvent } from '../market/events.ts'
import { parseTime } from '../market/time.ts'
import { isInterval } from '../market/topics.ts'
import type { History, Merged, MergeOptions } from '../store/store.ts'
import { arrowStream } from './arrow.ts'

/** Epoch ms, a Date, or ISO text: `2025-06-02T13:30:00Z`, or a UTC day, `2025-06-02`, from its begin or to its end. */
export type Moment = number | Date | string

export interface PastRange {
  /** Venue time, inclusive. @default the beginning */
  readonly from?: Moment
  /** Venue time, inclusive. @default the end */
  readonly to?: Moment
  /** The configured source. @default all of them */
  readonly source?: string
  /** Ends it, with `CLOSED`. */
  readonly signal?: AbortSignal
}

export interface PastBars extends PastRange {
  /** As stored where that length was stored, else built from stored trades. @default '1m' */
  readonly interval?: Interval
  /** @default 'raw' */
  readonly adjustment?: Adjustment
}

/** Events of the past to loop over, in time order per symbol: one by one, or in batches, which is faster. */
export interface PastEvents<E extends MarketEvent> extends AsyncIterable<E> {
  batches(): AsyncIterableIterator<E[]>
  /** All of them at once: for what fits into memory. */
  toArray(): Promise<E[]>
  /**
   * The bytes of an Arrow IPC stream, with the columns of SQL without `tape_id`: `tableFromIPC(history.trades('SPY').arrow())`.
   */
  arrow(): AsyncIterableIterator<Uint8Array>
}

/** What can be asked of a data folder, whoever has its store open: the process that fills it, or this one. */
export interface Past extends History {
  /** The number of the process that answered last; `undefined` where this one has the store open. */
  readonly owner: number | undefined
  /** `'*'` for all symbols, here and below. @throws BAD_OPTION for a range that ends before it begins */
  trades(symbols: string | readonly string[], range?: PastRange): PastEvents<EventOf<'trade'>>
  quotes(symbols: string | readonly string[], range?: PastRange): PastEvents<EventOf<'quote'>>
  bars(symbols: string | readonly string[], range?: PastBars): PastEvents<EventOf<'bar'>>
  tickers(symbols: string | readonly string[], range?: PastRange): PastEvents<EventOf<'ticker'>>
  notices(range?: PastRange): PastEvents<EventOf<'notice'>>
  /** Any kind: `events('luld', 'SPY')`. */
  events<T extends EventType>(
    kind: T,
    symbols: string | readonly string[],
    range?: PastBars,
  ): PastEvents<EventOf<T>>
  /** Takes events that are on no tape, except what is there. The running owner does it where there is one. */
  merge(events: AsyncIterable<readonly MarketEvent[]>, options?: MergeOptions): Promise<Merged>
}

/** Wider than any market's past and future, and within what a store's nanoseconds can count, epoch ms. */
const FIRST_MS = -9_000_000_000_000
const LAST_MS = 9_000_000_000_000

/** The events of a kind that a history has, as something to loop over; asked anew by each loop. */
export function pastEvents<T extends EventType>(
  source: HistorySource,
  kind: T,
  symbols: string | readonly string[],
  { from, to, ...rest }: PastBars = {},
): PastEvents<EventOf<T>> {
  const list = typeof symbols === 'string' ? [symbols] : symbols
  if (list.length === 0 || list.includes('')) {
    throw new TickwireError('NO_SYMBOLS', 'no symbol given', { hint: "'*' stands for all." })
  }
  if (rest.interval !== undefined && !isInterval(rest.interval)) {
    throw new TickwireError('BAD_OPTION', `${JSON.stringify(rest.interval)} is no interval`, {
      hint: 'Write 1m, 5m, 1h or 1d.',
    })
  }
  const request = { kind, symbols: list, ...rest, from: msOf(from, 'from'), to: msOf(to, 'to') }
  if (request.from > request.to) {
    throw new TickwireError('BAD_OPTION', 'the range ends before it begins', {
      hint: 'Exchange `from` and `to`; both are inclusive.',
    })
  }
  const batches = () => source.history(request) as AsyncIterableIterator<EventOf<T>[]>
  return {
    batches,
    arrow: () => arrowStream(kind, batches()),
    async toArray() {
      const all: EventOf<T>[] = []
      for await (const batch of batches()) for (const event of batch) all.push(event)
      return all
    },
    async *[Symbol.asyncIterator]() {
      for await (const batch of batches()) yield* batch
    },
  }
}

function msOf(moment: Moment | undefined, bound: 'from' | 'to'): number {
  if (moment === undefined) return bound === 'from' ? FIRST_MS : LAST_MS
  const ms = typeof moment === 'string' ? msOfText(moment, bound) : Number(moment)
  if (Number.isFinite(ms)) return Math.min(LAST_MS, Math.max(FIRST_MS, ms))
  throw new TickwireError('BAD_OPTION', `${bound}: ${JSON.stringify(moment)} is no time`, {
    hint: 'Give epoch milliseconds, a Date, or text like 2025-06-02T13:30:00Z or 2025-06-02.',
  })
}

function msOfText(text: string, bound: 'from' | 'to'): number {
  if (!DAY.test(text)) return parseTime(text)?.timestamp ?? Number.NaN
  const begin = parseTime(`${text}T00:00:00Z`)?.timestamp ?? Number.NaN
  return bound === 'from' ? begin : begin + DAY_MS - 1
}

const DAY = /^\d{4}-\d\d-\d\d$/
const DAY_MS = 86_400_000
