/** US options. https://docs.alpaca.markets/docs/real-time-option-data */
import type { FeedInfo, Market } from './market.ts'

const HOURS =
  'US options trade 09:30–16:00 New York time (some index options longer), Monday to Friday'

export const OPTION_FEEDS = {
  // https://docs.alpaca.markets/reference/optiontrades: trades are delayed and quotes are modified.
  indicative: {
    path: '/v1beta1/indicative',
    title: 'free; quotes are not the real ones, trades 15 minutes late',
    nature: 'delayed',
    silence: `${HOURS}, and most contracts trade rarely: the market may be closed; try quotes of a contract near the money`,
    lateTrades: true,
  },
  opra: {
    path: '/v1beta1/opra',
    title: 'all US exchanges',
    nature: 'live',
    silence: `${HOURS}, and most contracts trade rarely: the market may be closed; try quotes of a contract near the money`,
  },
} as const satisfies { readonly [feed: string]: FeedInfo }

export type OptionFeed = keyof typeof OPTION_FEEDS

/**
 * Underlying, expiry as YYMMDD, call or put, strike in thousandths of a dollar: `AAPL240315C00172500`.
 * https://en.wikipedia.org/wiki/Option_naming_convention (OCC's symbols have 21 characters, blanks behind the
 * underlying; Alpaca leaves them out.)
 */
const CONTRACT = /^[A-Z][A-Z0-9]{0,5}\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])[CP]\d{8}$/
/** The shortest that could be one: 1 + 6 + 1 + 8. */
const SHORTEST = 16

/** Whether a canonical symbol is an option contract. */
export function isContract(symbol: string): boolean {
  return symbol.length >= SHORTEST && CONTRACT.test(symbol)
}

export const OPTIONS: Market = {
  id: 'alpaca-options',
  title: 'options',
  feeds: OPTION_FEEDS,
  defaultFeed: 'indicative',
  channels: ['trades', 'quotes'],
  kinds: ['trade', 'quote'],
  barIntervals: [],
  // The venue refuses * for option quotes (413).
  wildcard: ['trade'],
  symbolsPerConnection: 900,
  symbol(text) {
    const symbol = text
      .trim()
      .toUpperCase()
      .replace(/^([A-Z0-9]{1,6}) +(?=\d{6}[CP])/, '$1')
    return isContract(symbol) ? symbol : undefined
  },
  wrongSymbol: {
    message: 'not a symbol of a US option',
    hint: 'Write underlying, expiry (YYMMDD), C or P and the strike in thousandths: AAPL240315C00172500.',
  },
}
