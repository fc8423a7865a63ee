import { TickwireError } from '../base/errors.ts'
import { ANY } from './topics.ts'

/** A canonical symbol taken apart. */
export interface ParsedSymbol {
  /** `AAPL`, `BTC/USD` or `NSE:RELIANCE`. */
  readonly kind: 'plain' | 'pair' | 'qualified'
  /** What stands before the first colon of a qualified symbol. */
  readonly exchange?: string
  readonly base: string
  /** What stands behind the slash of a pair, qualified (`BINANCE:BTC/USDT`) or not. */
  readonly quote?: string
}

/** Longest symbol, in UTF-16 units. */
export const SYMBOL_LENGTH = 64

/**
 * The canonical form of a symbol: no blanks around it, upper case, checked. `AAPL` and `BRK.B` plain, pairs
 * `BTC/USD`, exchange-qualified `NSE:RELIANCE`. Other spellings of pairs are read by {@link canonicalPair}: only a
 * venue knows whether `BTCUSD` is one.
 *
 * @throws BAD_SYMBOL for what cannot be a symbol; the hint says what to change
 */
export function canonicalSymbol(text: string): string {
  const symbol = text.trim().toUpperCase()
  const hint = faultOf(symbol)
  if (hint) throw badSymbol(text, hint)
  return symbol
}

/** A symbol, canonical or as a user may write it, taken apart. @throws BAD_SYMBOL as {@link canonicalSymbol} */
export function parseSymbol(text: string): ParsedSymbol {
  const symbol = canonicalSymbol(text)
  const colon = symbol.indexOf(':')
  const slash = symbol.indexOf('/', colon + 1)
  const base = symbol.slice(colon + 1, slash < 0 ? undefined : slash)
  const quote = slash < 0 ? {} : { quote: symbol.slice(slash + 1) }
  if (colon > 0) return { kind: 'qualified', exchange: symbol.slice(0, colon), base, ...quote }
  return { kind: slash < 0 ? 'plain' : 'pair', base, ...quote }
}

/** The reverse of {@link parseSymbol}. */
export function formatSymbol({ exchange, base, quote }: Omit<ParsedSymbol, 'kind'>): string {
  return `${exchange === undefined ? '' : `${exchange}:`}${base}${quote === undefined ? '' : `/${quote}`}`
}

/**
 * Currencies that end a pair written in one word. Stablecoins that end in `USD` behind a single letter (TUSD,
 * BUSD) are left out, because DOTUSD and SHIBUSD are far likelier to be quoted in dollars.
 */
export const QUOTE_CURRENCIES: readonly string[] = [
  ...['FDUSD', 'USDT', 'USDC', 'DAI'],
  ...['USD', 'EUR', 'GBP', 'JPY', 'CHF', 'AUD', 'CAD', 'NZD', 'SEK', 'NOK', 'DKK', 'PLN', 'CZK'],
  ...['HUF', 'TRY', 'ZAR', 'MXN', 'BRL', 'ARS', 'SGD', 'HKD', 'CNH', 'CNY', 'KRW', 'INR', 'THB'],
  ...['IDR', 'ILS', 'UAH', 'AED', 'BTC', 'XBT', 'ETH', 'BNB'],
]

/** Older names some venues keep (Kraken: XBT, XDG). */
const CURRENCY_ALIASES: Readonly<Record<string, string>> = { XBT: 'BTC', XDG: 'DOGE' }

/**
 * The canonical form of a pair, for venues that trade nothing else: `BTC/USD` from `btc-usd`, `BTC_USD`,
 * `BTCUSD` or `XBT/USD`. A pair in one word is split before the longest known quote currency.
 *
 * @throws BAD_SYMBOL also when it is no pair, or one word that ends in no known currency
 */
export function canonicalPair(text: string): string {
  const symbol = canonicalSymbol(text)
  const parts = symbol.split(/[/_-]/)
  const [base, quote] = parts.length === 1 ? splitWord(symbol) : parts
  if (!base || !quote || parts.length > 2 || symbol.includes(':')) {
    throw badSymbol(text, 'Write a pair with a slash, as in BTC/USD.')
  }
  return `${CURRENCY_ALIASES[base] ?? base}/${CURRENCY_ALIASES[quote] ?? quote}`
}

function splitWord(word: string): readonly string[] {
  const [quote] = QUOTE_CURRENCIES.filter(it => word.endsWith(it) && it !== word).sort(
    (a, b) => b.length - a.length,
  )
  return quote ? [word.slice(0, -quote.length), quote] : []
}

/** What to change about an upper-case text that is no symbol; `undefined` when it is one. */
function faultOf(symbol: string): string | undefined {
  if (symbol === '') return 'Give a symbol such as AAPL, BTC/USD or NSE:RELIANCE.'
  if (symbol === ANY) return 'A star stands for all symbols and is no symbol itself.'
  if (symbol.length > SYMBOL_LENGTH) return `A symbol has at most ${SYMBOL_LENGTH} characters.`
  if (/[\s,;]/.test(symbol)) return 'Give several symbols one by one: SPY TSLA, or ["SPY", "TSLA"].'
  if (/[\p{Cc}\p{Cf}\p{Cs}]/u.test(symbol)) return 'Take out the control or invisible characters.'
  const rest = symbol.slice(symbol.indexOf(':') + 1)
  if (symbol.startsWith(':') || rest === '') return 'Write EXCHANGE:SYMBOL, as in NSE:RELIANCE.'
  const slash = rest.indexOf('/')
  if (slash >= 0 && !/^[^/]+\/[^/]+$/.test(rest))
    return 'Write a pair as BASE/QUOTE, as in BTC/USD.'
  return undefined
}

function badSymbol(text: string, hint: string): TickwireError {
  const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
  return new TickwireError('BAD_SYMBOL', `not a symbol: ${shown}`, { hint })
}
