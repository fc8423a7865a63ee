import type { BacktestResult, EquityPoint } from './backtest.ts'

/** What a run comes to. Shares are fractions: 0.02 is 2 %. `undefined` where there is too little to tell. */
export interface Metrics {
  readonly totalReturn: number
  /** The deepest fall from a height, as a share of it. */
  readonly maxDrawdown: number
  /** By the returns of days, over a year, without a riskless rate. */
  readonly sharpe: number | undefined
  /** The same, by what is lost alone. */
  readonly sortino: number | undefined
  readonly trips: number
  /** Share of round trips that made money, without fees. */
  readonly hitRate: number | undefined
  /** Worth of all fills, as a multiple of what the account began with. */
  readonly turnover: number
  /** Share of the time in which something was held. */
  readonly exposure: number
  readonly fees: number
  /** By UTC month, `2025-06`. */
  readonly months: readonly { readonly month: string; readonly return: number }[]
}

/** Days of trading in a year, where all days trade and where a market has its own. */
const YEAR = { always: 365, market: 252 }
const DAY_MS = 86_400_000

export function metricsOf(result: BacktestResult): Metrics {
  const { equity, startCash, endEquity, trips, fills, exposure, fees } = result
  const days = returnsBy(equity, startCash, at => Math.floor(at / DAY_MS))
  const isAlways = result.symbols.every(symbol => symbol.includes('/'))
  const year = isAlways ? YEAR.always : YEAR.market
  const daily = days.map(({ value }) => value)
  const worth = fills.reduce((sum, { price, quantity }) => sum + price * quantity, 0)
  const won = trips.filter(({ made }) => made > 0).length
  return {
    totalReturn: endEquity / startCash - 1,
    maxDrawdown: drawdownOf(equity),
    ...ratios(daily, year),
    trips: trips.length,
    hitRate: trips.length > 0 ? won / trips.length : undefined,
    turnover: worth / startCash,
    ...{ exposure, fees },
    months: returnsBy(equity, startCash, monthOf).map(({ key, value }) => ({
      month: key,
      return: value,
    })),
  }
}

const monthOf = (at: number) => new Date(at).toISOString().slice(0, 7)

function drawdownOf(equity: readonly EquityPoint[]): number {
  let [top, deepest] = [Number.NEGATIVE_INFINITY, 0]
  for (const [, value] of equity) {
    top = Math.max(top, value)
    deepest = Math.max(deepest, (top - value) / top)
  }
  return deepest
}

/** From the end of one stretch to the end of the next. */
function returnsBy<K>(
  equity: readonly EquityPoint[],
  start: number,
  keyOf: (at: number) => K,
): { readonly key: K; readonly value: number }[] {
  const ends = new Map<K, number>()
  for (const [at, value] of equity) ends.set(keyOf(at), value)
  let before = start
  return [...ends].map(([key, end]) => {
    const value = end / before - 1
    before = end
    return { key, value }
  })
}

/** A mean and a spread of fewer than five days say nothing. */
const LEAST_DAYS = 5

function ratios(daily: readonly number[], year: number): Pick<Metrics, 'sharpe' | 'sortino'> {
  const count = daily.length
  if (count < LEAST_DAYS) return { sharpe: undefined, sortino: undefined }
  const mean = daily.reduce((sum, one) => sum + one, 0) / count
  const spread = Math.sqrt(daily.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (count - 1))
  const below = Math.sqrt(daily.reduce((sum, one) => sum + Math.min(0, one) ** 2, 0) / count)
  const over = (divisor: number) => (divisor > 0 ? (mean / divisor) * Math.sqrt(year) : undefined)
  return { sharpe: over(spread), sortino: over(below) }
}
