import { TickwireError } from '../../base/errors.ts'
import { canonicalPair } from '../../market/symbols.ts'
import { ANY } from '../../market/topics.ts'

/**
 * Canonical form of a pair in any of the venue's spellings: `BTC/USD` (WebSocket v2), `XBT/USD` (v1, `wsname`), `XBTUSD`
 * (REST), `BTC-USD`.
 * @throws BAD_SYMBOL
 */
export function krakenSymbol(text: string): string {
  if (text.trim() === ANY) {
    const hint = 'Kraken takes no wildcard: name the pairs, as in BTC/USD.'
    throw new TickwireError('BAD_SYMBOL', 'a star is no pair', { hint })
  }
  return canonicalPair(text)
}

/** A pair the venue does not have. */
export function unknownPair(message: string): TickwireError {
  return new TickwireError('UNKNOWN_SYMBOL', message, {
    hint: 'Pairs are written BTC/USD; https://api.kraken.com/0/public/AssetPairs names them all.',
  })
}

/** REST keeps the older names of two currencies. */
const OLD_NAMES: { readonly [currency: string]: string } = { BTC: 'XBT', DOGE: 'XDG' }

/** What REST calls a pair: `XBTUSD`. */
export function restName(symbol: string): string {
  return symbol
    .split('/')
    .map(currency => (Object.hasOwn(OLD_NAMES, currency) ? OLD_NAMES[currency] : currency))
    .join('')
}

/** Printable ASCII without quote and backslash, with one slash: what a symbol of a message may be. */
const SYMBOL = /^[!#-.0-[\]-~]{1,32}\/[!#-.0-[\]-~]{1,31}$/

/** Whether a text can be the symbol of a message. */
export function isSymbol(text: string): boolean {
  return SYMBOL.test(text)
}
