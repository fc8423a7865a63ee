import { TickwireError } from '../../base/errors.ts'
import type { Instrument } from '../../market/instruments.ts'
import { krakenSymbol } from './symbols.ts'

/** Currencies that are money of a state: two of them make a forex pair. */
const MONEY = new Set(['USD', 'EUR', 'GBP', 'JPY', 'CHF', 'AUD', 'CAD', 'NZD', 'AED'])

/**
 * The pairs of an `AssetPairs` answer. https://docs.kraken.com/api/docs/rest-api/get-tradable-asset-pairs
 * @throws VENUE_ERROR when a pair lacks its precision: an order rounded wrongly is worse than none
 */
export function readInstruments(answer: Readonly<Record<string, unknown>>): Instrument[] {
  const list = new Map<string, Instrument>()
  for (const [name, value] of Object.entries(answer)) {
    const { wsname, pair_decimals, lot_decimals, tick_size } = (value ?? {}) as Record<
      string,
      unknown
    >
    // Without one a pair is not streamed (dark pools); tokenized stocks have small letters, and no canonical form.
    if (typeof wsname !== 'string' || /[a-z]/.test(wsname)) continue
    if (!isDecimals(pair_decimals) || !isDecimals(lot_decimals)) {
      throw new TickwireError(
        'VENUE_ERROR',
        `the venue gives no precision for ${name.slice(0, 32)}`,
      )
    }
    const symbol = krakenSymbol(wsname)
    const [base = '', currency = ''] = symbol.split('/')
    const tickSize = Number(tick_size)
    list.set(symbol, {
      symbol,
      kind: MONEY.has(base) && MONEY.has(currency) ? 'forex' : 'crypto',
      tickSize: tickSize > 0 && tickSize < Infinity ? tickSize : Number(`1e-${pair_decimals}`),
      lotSize: Number(`1e-${lot_decimals}`),
      pricePrecision: pair_decimals,
      currency,
      calendar: 'always',
      vendorNames: { kraken: wsname },
    })
  }
  return [...list.values()]
}

const isDecimals = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 20
