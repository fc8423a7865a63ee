// Front door of `tickwire/derive`: state computed from events, pure and the same live and in replay.
export { BarBuilder } from './bars.ts'
export {
  BAR_FIELDS,
  type BarComparison,
  type BarDifference,
  type BarField,
  compareBars,
} from './bars-compare.ts'
export { type Alignment, type BarSize, intervalOf } from './bars-interval.ts'
export {
  BAR_DEFAULTS,
  type BarHandlers,
  type BarOptions,
  type BarStats,
  type FinalBar,
  type FormingBar,
} from './bars-options.ts'
export {
  type QuoteBar,
  QuoteBarBuilder,
  type QuoteBarOptions,
  type QuoteSide,
} from './bars-quotes.ts'
export { type RollUpOptions, rollUp } from './bars-rollup.ts'
export { Books } from './books.ts'
export { DayStatistics, type DayStatisticsOptions } from './day-statistics.ts'
export {
  type CumulativeLevel,
  type Fill,
  type Move,
  OrderBook,
  type OrderBookOptions,
  type OrderBookView,
  type Unsynced,
  type UnsyncedReason,
} from './order-book.ts'
export {
  type OpenClose,
  SALE_CONDITIONS,
  type SaleCondition,
  type SaleEffect,
  saleEffect,
} from './sale-conditions.ts'
