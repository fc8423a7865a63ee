import { TickwireError } from '../../base/errors.ts'

/** One symbol of the simulated market. The prices are invented; their size is that of mid 2025. */
export interface SimulatedInstrument {
  readonly symbol: string
  /** The level the price moves around. */
  readonly price: number
  /** Smallest step of a price. @default 0.01 */
  readonly tick: number
  /** Usual distance between bid and ask, in ticks. @default 2 */
  readonly spreadTicks: number
  /** Share of the events it gets, against the other subscribed symbols. @default 1 */
  readonly weight: number
  /** `stock`: whole shares, exchange, tape, conditions. `crypto`: fractional sizes, a taker's side. @default by the symbol */
  readonly market: 'stock' | 'crypto'
  /** Consolidated tape of a stock: A NYSE, B regional, C Nasdaq. @default 'A' */
  readonly tape: string
}

const stock = (
  symbol: string,
  price: number,
  spreadTicks: number,
  weight: number,
  tape = 'C',
): SimulatedInstrument => ({
  symbol,
  price,
  tick: 0.01,
  spreadTicks,
  weight,
  market: 'stock',
  tape,
})

const crypto = (
  symbol: string,
  price: number,
  spreadTicks: number,
  weight: number,
): SimulatedInstrument => ({
  symbol,
  price,
  tick: 0.01,
  spreadTicks,
  weight,
  market: 'crypto',
  tape: '',
})

/** The symbols every simulated market has. */
export const INSTRUMENTS: readonly SimulatedInstrument[] = [
  stock('SPY', 628.4, 1, 10, 'B'),
  stock('TSLA', 316.2, 4, 9),
  stock('AAPL', 212.5, 1, 8),
  stock('MSFT', 505.8, 4, 5),
  stock('NVDA', 171.4, 1, 10),
  stock('AMZN', 224.9, 2, 6),
  stock('GOOGL', 183.1, 2, 4),
  stock('META', 704.3, 8, 4),
  stock('QQQ', 560.2, 1, 8),
  stock('AMD', 155.6, 2, 6),
  crypto('BTC/USD', 117_900, 450, 6),
  crypto('ETH/USD', 3_410, 60, 5),
]

/** A symbol of the user's own: by name alone (its level follows from the name), or with what is to differ. */
export type SymbolOption =
  | string
  | (Pick<SimulatedInstrument, 'symbol'> & Partial<SimulatedInstrument>)

/**
 * The whole list: the built-in symbols, then `more`, which may also change built-in ones.
 * `canonical` brings names into the one form.
 * @throws BAD_OPTION when a number cannot be used
 */
export function instruments(
  more: readonly SymbolOption[],
  canonical: (text: string) => string,
): Map<string, SimulatedInstrument> {
  const all = new Map(INSTRUMENTS.map(instrument => [instrument.symbol, instrument]))
  for (const option of more) {
    const given = typeof option === 'string' ? { symbol: option } : option
    const symbol = canonical(given.symbol)
    const instrument = { ...(all.get(symbol) ?? invented(symbol)), ...given, symbol }
    for (const field of ['price', 'tick', 'spreadTicks', 'weight'] as const) {
      const value = instrument[field]
      if (Number.isFinite(value) && value > 0) continue
      throw new TickwireError('BAD_OPTION', `${field} of ${symbol} is ${value}`, {
        hint: `Give a ${field} above 0.`,
      })
    }
    if (instrument.price < instrument.tick * 100) {
      throw new TickwireError(
        'BAD_OPTION',
        `the price of ${symbol} (${instrument.price}) is too near its tick (${instrument.tick})`,
        { hint: 'Give a tick of at most a hundredth of the price.' },
      )
    }
    all.set(symbol, instrument)
  }
  return all
}

function invented(symbol: string): SimulatedInstrument {
  const price = 20 + (hash(symbol) % 28_000) / 100
  return symbol.includes('/') ? crypto(symbol, price, 3, 1) : stock(symbol, price, 2, 1, 'A')
}

/** FNV-1a over the UTF-16 units: a seed for each symbol, the same on every machine. */
export function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  }
  return value >>> 0
}
