// Front door of `tickwire/bot`: strategies, and the loop that runs them live, on paper, in replay and in backtest.
export {
  type BacktestOptions,
  type BacktestProgress,
  type BacktestResult,
  BacktestRun,
  backtest,
  type EquityPoint,
  pastOf,
  type RunOptions,
} from './backtest.ts'
export type { Broker, BrokerListener, OrderUpdate } from './broker.ts'
export type { DaySummary } from './desk.ts'
export {
  BotLoop,
  type LoopListener,
  type LoopOptions,
  type LoopSnapshot,
} from './loop.ts'
export { type Metrics, metricsOf } from './metrics.ts'
export type { Fill, Order, OrderRequest, OrderStatus, OrderType, TimeInForce } from './orders.ts'
export { PaperBroker } from './paper.ts'
export type { Fees, PaperOptions } from './paper-costs.ts'
export type { Position } from './portfolio.ts'
export { DataQuality, type Quality } from './quality.ts'
export { type ReportWords, reportHtml, reportJson } from './report.ts'
export {
  ApprovedOrder,
  type RefusalCode,
  RefusedOrder,
  RISK_DEFAULTS,
  type RiskLimits,
} from './risk.ts'
export { findSplits, type Split, splitOn } from './splits.ts'
export {
  type BotContext,
  type Decision,
  defineStrategy,
  type Json,
  type OrderOptions,
  type Strategy,
  type StrategyDefinition,
  type Wanted,
} from './strategy.ts'
export type { RoundTrip } from './trips.ts'
