import { TickwireError } from '../../base/errors.ts'
import { seededRandom } from '../../base/random.ts'

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

/** As many as there is room for among names of up to four letters. */
const MOST_SYMBOLS = 10_000

/** A symbol of the user's own: by name alone (its level follows from the name), or with what is to differ. */
export type SymbolOption =
  | string
  | (Pick<SimulatedInstrument, 'symbol'> & Partial<SimulatedInstrument>)

/**
 * The whole list. Of a number: so many in all, first the built-in symbols, then invented names that get fewer events
 * the later they come. Of a list: the built-in symbols, then those of the list, which may also change built-in ones.
 * `canonical` brings names into the one form.
 * @throws BAD_OPTION when a number cannot be used
 */
export function instruments(
  more: number | readonly SymbolOption[],
  canonical: (text: string) => string,
): Map<string, SimulatedInstrument> {
  if (typeof more === 'number') return manyInstruments(more)
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

function manyInstruments(count: number): Map<string, SimulatedInstrument> {
  if (!(Number.isSafeInteger(count) && count > 0 && count <= MOST_SYMBOLS)) {
    throw new TickwireError('BAD_OPTION', `symbols is ${count}`, {
      hint: `Give a whole number from 1 to ${MOST_SYMBOLS}, or a list of names.`,
    })
  }
  const all = new Map(INSTRUMENTS.slice(0, count).map(one => [one.symbol, one]))
  const random = seededRandom(1)
  const letter = () => String.fromCharCode(65 + Math.floor(random() * 26))
  while (all.size < count) {
    const u = random()
    const length = u < 0.01 ? 1 : u < 0.06 ? 2 : u < 0.45 ? 3 : 4
    const symbol = Array.from({ length }, letter).join('')
    if (all.has(symbol)) continue
    const rank = all.size + 1
    all.set(symbol, {
      ...invented(symbol),
      // Few symbols have most of the events: the next has as many as its rank says.
      weight: 60 / rank,
      spreadTicks: 2 + Math.floor(rank / 50),
      // Nasdaq lists the longer names, the NYSE the shorter.
      tape: length === 4 ? 'C' : hash(symbol) % 4 === 0 ? 'B' : 'A',
    })
  }
  return all
}

function invented(symbol: string): SimulatedInstrument {
  const price = 20 + (hash(symbol) % 28_000) / 100
  return symbol.includes('/') ? crypto(symbol, price, 3, 1) : stock(symbol, price, 2, 1, 'A')
}

/** @throws BAD_OPTION for a seed that is no whole number */
export function checkSeed(seed: number): void {
  if (Number.isSafeInteger(seed)) return
  throw new TickwireError('BAD_OPTION', `seed is ${seed}`, { hint: 'Give a whole number.' })
}

/** FNV-1a over the UTF-16 units: a seed for each symbol, the same on every machine. */
export function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  }
  return value >>> 0
}
