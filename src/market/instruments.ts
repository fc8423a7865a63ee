import { TickwireError } from '../base/errors.ts'
import { canonicalSymbol } from './symbols.ts'

export type InstrumentKind = 'equity' | 'etf' | 'crypto' | 'forex' | 'option' | 'future' | 'index'

/** What is known about something that trades, apart from its prices. What a venue does not say is absent. */
export interface Instrument {
  /** Canonical symbol. */
  readonly symbol: string
  readonly kind: InstrumentKind
  /** For people: `Apple Inc.` */
  readonly name?: string
  /** Smallest step of an order's price, in `currency`. Trades may print between steps. */
  readonly tickSize?: number
  /** Smallest step of an order's size. */
  readonly lotSize?: number
  /** Decimals a price is shown with. @default those of `tickSize` */
  readonly pricePrecision?: number
  /** What prices are in: `USD`, `USDT`. */
  readonly currency?: string
  /** Units per contract: 100 for a US equity option. @default 1 */
  readonly multiplier?: number
  /** Id of the trading calendar: `us-equities`, `always`. */
  readonly calendar?: string
  /** What venues call it, by provider id: `{ kraken: 'XBT/USD' }`. */
  readonly vendorNames?: Readonly<Record<string, string>>
}

/** Instruments by name. */
export interface InstrumentBook extends Iterable<Instrument> {
  readonly size: number
  /** By canonical symbol, in any case. */
  get(symbol: string): Instrument | undefined
  /** By what a provider calls it, exactly; where nothing else is said, that is the canonical symbol. */
  byVendorName(provider: string, name: string): Instrument | undefined
}

/**
 * A book of instruments.
 * @throws BAD_SYMBOL for a symbol that is not canonical
 * @throws BAD_OPTION for a symbol or vendor name met twice, and a step, precision or multiplier out of range
 */
export function instruments(list: Iterable<Instrument>): InstrumentBook {
  const bySymbol = new Map<string, Instrument>()
  const byName = new Map<string, Instrument>()
  for (const instrument of list) {
    check(instrument)
    add(bySymbol, instrument.symbol, instrument)
    for (const [provider, name] of Object.entries(instrument.vendorNames ?? {})) {
      add(byName, `${provider}:${name}`, instrument)
    }
  }
  const get = (symbol: string) => bySymbol.get(symbol.trim().toUpperCase())
  return {
    get size() {
      return bySymbol.size
    },
    get,
    byVendorName(provider, name) {
      const named = byName.get(`${provider}:${name}`)
      if (named) return named
      const same = bySymbol.get(name)
      return same?.vendorNames?.[provider] === undefined ? same : undefined
    },
    [Symbol.iterator]: () => bySymbol.values(),
  }
}

/** The multiple of the tick size nearest to a price, halves upwards; the price itself where no tick size is known. */
export function roundToTick(price: number, { tickSize }: Pick<Instrument, 'tickSize'>): number {
  if (tickSize === undefined) return price
  // A product of doubles is off in its last digits: 3 × 0.1 is not 0.3. The decimals of the tick take that away.
  return Number((Math.round(price / tickSize) * tickSize).toFixed(decimals(tickSize)))
}

/**
 * A price in plain decimals with the instrument's precision, without an exponent. Digits beyond it are shown, not
 * cut: a trade at 150.2575 did not happen at 150.26.
 */
export function formatPrice(
  price: number,
  { pricePrecision, tickSize }: Pick<Instrument, 'pricePrecision' | 'tickSize'>,
): string {
  const atLeast = pricePrecision ?? (tickSize === undefined ? 0 : decimals(tickSize))
  return price.toFixed(Math.min(100, Math.max(atLeast, decimals(price))))
}

/** Digits behind the point in the shortest decimal form of a number. */
function decimals(value: number): number {
  const [digits = '', exponent = '0'] = String(value).split('e')
  const point = digits.indexOf('.')
  return Math.max(0, (point < 0 ? 0 : digits.length - point - 1) - Number(exponent))
}

function add(map: Map<string, Instrument>, name: string, instrument: Instrument): void {
  if (map.has(name)) {
    throw new TickwireError('BAD_OPTION', `two instruments are called ${name}`, {
      hint: 'Every symbol, and every name at one provider, stands for one instrument.',
    })
  }
  map.set(name, instrument)
}

function check(instrument: Instrument): void {
  const { symbol, pricePrecision } = instrument
  if (canonicalSymbol(symbol) !== symbol) {
    throw new TickwireError('BAD_SYMBOL', `not a canonical symbol: ${symbol}`, {
      hint: `Write ${canonicalSymbol(symbol)}.`,
    })
  }
  for (const field of ['tickSize', 'lotSize', 'multiplier'] as const) {
    const value = instrument[field]
    if (value !== undefined && !(value > 0 && value < Number.POSITIVE_INFINITY)) {
      throw new TickwireError('BAD_OPTION', `${symbol}: ${field} is ${value}, not above 0`)
    }
  }
  const whole = Number.isInteger(pricePrecision) && pricePrecision! >= 0 && pricePrecision! <= 100
  if (pricePrecision !== undefined && !whole) {
    throw new TickwireError(
      'BAD_OPTION',
      `${symbol}: pricePrecision is ${pricePrecision}, not 0–100`,
    )
  }
}
