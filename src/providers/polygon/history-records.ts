/**
 * Records of REST as events: the rules are those of the stream, the names other ones, and times are exact to the
 * nanosecond. https://massive.com/docs/rest/stocks/trades-quotes/trades
 */
import {
  type Adjustment,
  Bar,
  Cancel,
  Flag,
  type Interval,
  type MarketEvent,
  Quote,
  Trade,
} from '../../market/events.ts'
import type { Moment } from '../../market/time.ts'
import type { FeedInfo } from './feeds.ts'
import { isMap } from './history-client.ts'
import type { Market } from './markets.ts'
import { exchangeOf, optional, price, takerOf, tapeOf, together } from './messages.ts'
import { PlainFields } from './plain.ts'

export type RestKind = 'trade' | 'quote' | 'bar'

export interface RecordRules {
  readonly kind: RestKind
  readonly market: Market
  readonly feed: FeedInfo
  readonly source: string
  /** What sizes of quotes are multiplied by. */
  readonly lot: number
  /** Of bars. */
  readonly interval: Interval
  readonly adjustment: Adjustment
}

/** What a record says, and when that was. */
export interface RestRecord extends Moment {
  readonly events: readonly MarketEvent[]
}

/**
 * What became of a trade, by its correction indicator, which Polygon hands through from the tapes: the trade was later
 * called an error or cancelled, or the record is the word of that. 12 repeats, corrected, what stands in the corrected
 * trade (1) itself. https://massive.com/knowledge-base (canceled trades), NYSE's TAQ client specification (codes)
 */
const FATES: { readonly [code: string]: { trade: boolean; cancel?: 'cancel' | 'error' } } = {
  7: { trade: true, cancel: 'error' },
  8: { trade: true, cancel: 'cancel' },
  10: { trade: false, cancel: 'cancel' },
  11: { trade: false, cancel: 'error' },
  12: { trade: false },
}
const TRADED = { trade: true } as const

/** Reads records of one kind. */
export class RecordReader {
  readonly #rules: RecordRules
  readonly #flags: number

  constructor(rules: RecordRules) {
    this.#rules = rules
    this.#flags = rules.feed.nature === 'delayed' ? Flag.delayed : 0
  }

  /** What a record says, or what is wrong with it. `exact` is the same with the digits of long integers. */
  read(symbol: string, record: unknown, exact: unknown, receivedAt: number): RestRecord | string {
    if (!isMap(record) || !isMap(exact)) return 'not a map'
    const { kind, source } = this.#rules
    const fields = new PlainFields(record, exact)
    const moment =
      kind === 'bar'
        ? fields.time('t')
        : (fields.time('sip_timestamp') ?? fields.time('participant_timestamp'))
    if (!moment) return fields.fault ?? 'no time'
    const { timestamp, nanos } = moment
    const base = [symbol, source, timestamp, nanos, receivedAt, this.#flags] as const
    const events =
      kind === 'trade'
        ? this.#trade(base, fields)
        : [kind === 'quote' ? this.#quote(base, fields) : this.#bar(base, fields)]
    return fields.fault ?? { timestamp, nanos, events }
  }

  #trade(base: Base, f: PlainFields): MarketEvent[] {
    const { market } = this.#rules
    const value = price(f, 'price')
    const exact = optional(f, 'decimal_size', 'decimal')
    const size = optional(f, 'size') ?? exact
    if (size === undefined) f.fault ??= 'no size'
    const conditions = f.codes('conditions')
    const [id, tape] = [f.id('id'), tapeOf(f.code('tape'))]
    const exchange = exchangeOf(f.code('exchange'), f.code('trf_id'))
    const traded = exact ?? size ?? 0
    const side = market.name === 'crypto' ? takerOf(conditions) : undefined
    const fate = FATES[f.code('correction') ?? ''] ?? TRADED
    const events: MarketEvent[] = []
    if (fate.trade) {
      events.push(new Trade(...base, value, traded, id, exchange, conditions, tape, side))
    }
    if ('cancel' in fate && fate.cancel) {
      events.push(new Cancel(...base, id, value, traded, fate.cancel, exchange, tape))
    }
    return events
  }

  #quote(base: Base, f: PlainFields): Quote {
    const { lot } = this.#rules
    const [bid, bidSize] = [optional(f, 'bid_price'), optional(f, 'bid_size')]
    const [ask, askSize] = [optional(f, 'ask_price'), optional(f, 'ask_size')]
    if (bid === undefined && ask === undefined) f.fault ??= 'neither bid_price nor ask_price'
    // The stream has one condition, and 0 for none.
    const conditions = f.codes('conditions')?.filter(code => code !== '0')
    return new Quote(
      ...base,
      bid || undefined,
      bid && bidSize !== undefined ? bidSize * lot : undefined,
      ask || undefined,
      ask && askSize !== undefined ? askSize * lot : undefined,
      f.code('bid_exchange'),
      f.code('ask_exchange'),
      together(conditions?.length ? Object.freeze(conditions) : undefined, f.codes('indicators')),
      tapeOf(f.code('tape')),
    )
  }

  #bar(base: Base, f: PlainFields): Bar {
    const { market, interval, adjustment } = this.#rules
    const [open, high] = [price(f, 'o'), price(f, 'h')]
    const [low, close] = [price(f, 'l'), price(f, 'c')]
    const volume = optional(f, 'v')
    if (volume === undefined && market.volumes) f.fault ??= 'no v'
    const [, , timestamp, , receivedAt] = base
    return new Bar(
      ...base,
      ...([interval, open, high, low, close, volume ?? 0] as const),
      ...([optional(f, 'vw') || undefined, optional(f, 'n')] as const),
      ...([receivedAt >= timestamp + longestMs(interval), 0, adjustment] as const),
    )
  }
}

type Base = readonly [
  symbol: string,
  source: string,
  timestamp: number,
  nanos: number,
  receivedAt: number,
  flags: number,
]

const UNIT_MS: { readonly [unit: string]: number } = {
  ...{ s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 },
}

/** How long an interval lasts at most, ms: days end at midnight in New York, and one a year has 25 hours. */
export function longestMs(interval: Interval): number {
  const unit = interval.at(-1)!
  const extra = unit === 'd' || unit === 'w' ? UNIT_MS.h! : 0
  return Number.parseInt(interval, 10) * UNIT_MS[unit]! + extra
}

const TIMESPANS: { readonly [unit: string]: string } = {
  ...{ s: 'second', m: 'minute', h: 'hour', d: 'day', w: 'week' },
}

/** The length of a bar as a path has it: `5/minute`; `undefined` for bars REST has not. */
export function spanOf(interval: Interval): string | undefined {
  const count = Number(interval.slice(0, -1))
  const timespan = TIMESPANS[interval.at(-1)!]
  return timespan && Number.isInteger(count) && count >= 1 ? `${count}/${timespan}` : undefined
}
