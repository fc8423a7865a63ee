// Front door of `tickwire/indicators`. Apart from `tickwire/derive`: loading the library behind it takes 60 ms.
export type {
  Indicator,
  IndicatorSnapshot,
  PriceInput,
} from './indicators-contract.ts'
export {
  Atr,
  Bollinger,
  type BollingerBands,
  Ema,
  type HighLowClose,
  Macd,
  type MacdOptions,
  type MacdValue,
  Rsi,
  Sma,
} from './indicators-library.ts'
export { SessionVwap, type SessionVwapOptions, type VwapInput } from './indicators-vwap.ts'
