/** Records of REST as events: the rules are those of the stream, because records have the keys of its messages. */
import { KIND_BIT } from '../../feed/provider.ts'
import { type Adjustment, Bar, Flag, type Interval, type MarketEvent } from '../../market/events.ts'
import { type AlpacaFeed, FEEDS } from './feeds.ts'
import { isMap } from './history-client.ts'
import type { RestKind } from './history-markets.ts'
import type { Reading } from './messages.ts'
import { readMessage } from './plain.ts'

/** What the venue says has become of a trade: it never was, it was replaced, or it is the replacement. */
export type Mark = 'canceled' | 'incorrect' | 'corrected'

export interface RestRecord {
  readonly event: MarketEvent
  readonly mark: Mark | undefined
}

export interface RecordRules {
  readonly kind: RestKind
  readonly feed: AlpacaFeed
  readonly source: string
  /** Of bars. */
  readonly interval: Interval
  readonly adjustment: Adjustment
}

const TYPES: { readonly [kind in RestKind]: string } = {
  ...{ trade: 't', quote: 'q', bar: 'b', book: 'o', news: 'n' },
}
const MARKS: readonly unknown[] = ['canceled', 'incorrect', 'corrected']

/** Reads records of one kind. */
export class RecordReader {
  readonly #rules: RecordRules
  readonly #reading: Reading
  #event: MarketEvent | undefined
  #reason = ''

  constructor(rules: RecordRules) {
    this.#rules = rules
    const { source, feed, kind } = rules
    const interest = { revision: 0, mask: () => KIND_BIT[kind] }
    const { nature, lateTrades } = FEEDS[feed]
    const flags = nature === 'delayed' && !lateTrades ? Flag.delayed : 0
    this.#reading = { source, feed, interest, flags }
  }

  /**
   * The event of a record, which becomes a message of the stream thereby; or what is wrong with it. `exact` is the same
   * with the digits of long integers.
   */
  read(symbol: string, record: unknown, exact: unknown, receivedAt: number): RestRecord | string {
    if (!isMap(record)) return 'not a map'
    const { kind } = this.#rules
    // The record is ours, fresh from the parser: it need not be copied.
    const message = Object.assign(record, { T: TYPES[kind], S: symbol })
    // What REST has of a book is all of it.
    if (kind === 'book') Object.assign(message, { r: true })
    this.#event = undefined
    readMessage(message, exact, this.#reading, receivedAt, this.#inbox)
    const event = this.#event as MarketEvent | undefined
    if (!event) return this.#reason
    if (event.type === 'bar') return { event: this.#barOf(event), mark: undefined }
    const mark = kind === 'trade' ? (record.u ?? undefined) : undefined
    if (mark === undefined || mark === '') return { event, mark: undefined }
    return MARKS.includes(mark) ? { event, mark: mark as Mark } : 'u is no known mark'
  }

  readonly #inbox = {
    event: (event: MarketEvent) => {
      this.#event = event
    },
    malformed: (reason: string) => {
      this.#reason = reason
    },
    // A record is given the type of its kind, so it is neither of these.
    control: () => {},
    unknown: () => {},
  }

  #barOf(bar: Bar): Bar {
    const { interval, adjustment } = this.#rules
    return new Bar(
      bar.symbol,
      bar.source,
      bar.timestamp,
      bar.nanos,
      bar.receivedAt,
      bar.flags,
      interval,
      bar.open,
      bar.high,
      bar.low,
      bar.close,
      bar.volume,
      bar.vwap,
      bar.tradeCount,
      bar.receivedAt >= bar.timestamp + longestMs(interval),
      0,
      adjustment,
    )
  }
}

const UNIT_MS: { readonly [unit: string]: number } = {
  ...{ s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 },
}

/** How long an interval lasts at most, ms: days end at midnight in New York, and one a year has 25 hours. */
export function longestMs(interval: Interval): number {
  const unit = interval.at(-1)!
  const extra = unit === 'd' || unit === 'w' ? UNIT_MS.h! : 0
  return Number.parseInt(interval, 10) * UNIT_MS[unit]! + extra
}

/** The bars REST has, by the names it has for them. */
export function timeframeOf(interval: Interval): string | undefined {
  const count = Number(interval.slice(0, -1))
  if (!Number.isInteger(count) || count < 1) return undefined
  switch (interval.at(-1)) {
    case 'm':
      return count <= 59 ? `${count}Min` : undefined
    case 'h':
      return count <= 23 ? `${count}Hour` : undefined
    case 'd':
      return count === 1 ? '1Day' : undefined
    case 'w':
      return count === 1 ? '1Week' : undefined
  }
  return undefined
}
