import { TickwireError } from '../../base/errors.ts'
import { didYouMean } from '../../base/suggest.ts'
import { canonicalSymbol } from '../../market/symbols.ts'
import { ANY } from '../../market/topics.ts'

/** https://docs.openalgo.in/symbol-format: exchange codes, those of indices included. */
export const EXCHANGES = [
  ...(['NSE', 'BSE', 'NFO', 'BFO', 'CDS', 'BCD', 'MCX', 'NCDEX', 'NCO'] as const),
  ...(['NSE_INDEX', 'BSE_INDEX', 'MCX_INDEX', 'GLOBAL_INDEX', 'CRYPTO'] as const),
] as const
export type OpenAlgoExchange = (typeof EXCHANGES)[number]

/** A symbol as the server's messages have it. */
export interface VenueName {
  readonly symbol: string
  readonly exchange: string
}

/**
 * Canonical form, `NSE:RELIANCE`, of that or, where there is a default exchange, of `RELIANCE`.
 * @throws BAD_SYMBOL
 */
export function openAlgoSymbol(text: string, defaultExchange: string | undefined): string {
  if (text.trim().split(':').at(-1) === ANY) {
    const hint = 'OpenAlgo takes no wildcard: name the symbols, as in NSE:RELIANCE.'
    throw new TickwireError('BAD_SYMBOL', 'a star is no symbol', { hint })
  }
  const symbol = canonicalSymbol(text)
  const colon = symbol.indexOf(':')
  const [exchange, name] =
    colon < 0 ? [defaultExchange, symbol] : [symbol.slice(0, colon), symbol.slice(colon + 1)]
  if (exchange === undefined) {
    throw new TickwireError('BAD_SYMBOL', `${symbol} says no exchange`, {
      hint: `Write NSE:${symbol}, or set defaultExchange: 'NSE'.`,
    })
  }
  if (!isExchange(exchange)) {
    throw new TickwireError('BAD_SYMBOL', `OpenAlgo has no exchange ${exchange}`, {
      hint: didYouMean(exchange, EXCHANGES),
    })
  }
  if (name.includes(':')) {
    throw new TickwireError('BAD_SYMBOL', `a colon too many: ${symbol}`, {
      hint: 'More levels of a book are had by the option depth, not by a suffix such as :20.',
    })
  }
  return `${exchange}:${name}`
}

export const isExchange = (text: string): text is OpenAlgoExchange =>
  (EXCHANGES as readonly string[]).includes(text)

/** What the server calls a canonical symbol. */
export function venueName(symbol: string): VenueName {
  const colon = symbol.indexOf(':')
  return { symbol: symbol.slice(colon + 1), exchange: symbol.slice(0, colon) }
}

/** The canonical symbol of a message. */
export const symbolOf = ({ symbol, exchange }: VenueName): string => `${exchange}:${symbol}`

/** Indices have neither bid nor ask. */
export const isIndex = (symbol: string): boolean => /^[A-Z]+_INDEX:/.test(symbol)

/** Printable ASCII without space, quote, backslash and colon: what a symbol or exchange of a message may be. */
const NAME = /^[!#-9;-[\]-~]{1,64}$/

/** Whether a text can be the symbol or the exchange of a message. */
export const isName = (text: unknown): text is string => typeof text === 'string' && NAME.test(text)
