import { TickwireError } from '../../base/errors.ts'
import { canonicalSymbol, parseSymbol } from '../../market/symbols.ts'

/** What a contract is, in TWS's words: stock, option, future, currency pair, index, commodity, crypto, and the rest. */
export const SEC_TYPES = [
  ...(['STK', 'OPT', 'FUT', 'CONTFUT', 'FOP', 'CASH', 'IND', 'CFD'] as const),
  ...(['BOND', 'CMDTY', 'CRYPTO', 'WAR', 'FUND'] as const),
] as const
export type IbkrSecType = (typeof SEC_TYPES)[number]

/**
 * A contract as TWS's API describes it: what is given is held against all there are, and one must be left.
 * https://interactivebrokers.github.io/tws-api/basic_contracts.html
 */
export interface IbkrContract {
  readonly secType: IbkrSecType
  readonly symbol?: string
  /** `SMART`, or one exchange. */
  readonly exchange?: string
  /** Where a stock is listed, which tells namesakes apart. */
  readonly primaryExchange?: string
  readonly currency?: string
  /** `202612`, or the last trading day `20261218`. */
  readonly month?: string
  readonly strike?: number
  readonly right?: 'C' | 'P'
  readonly multiplier?: number
  readonly localSymbol?: string
  readonly tradingClass?: string
  /** IBKR's own number of it, which stands alone. */
  readonly conId?: number
}

/** Names of symbols that no spelling covers, as `contracts` gives them; canonical. */
export type NamedContracts = ReadonlyMap<string, IbkrContract>

const US_LISTINGS = new Set(['NASDAQ', 'NYSE', 'ARCA', 'AMEX', 'BATS', 'IEX', 'PINK'])
/** Exchanges whose plain names are futures. */
const FUTURES = new Set([
  ...['CME', 'CBOT', 'NYMEX', 'COMEX', 'CFE', 'EUREX', 'ICEUS', 'IPE', 'ICEEU', 'OSE.JPN'],
  ...['SGX', 'HKFE', 'MONEP', 'ENDEX', 'SNFE', 'CDE', 'NYBOT', 'GLOBEX', 'ECBOT'],
])
/** What IBKR trades as currencies; a pair with any other base is crypto. */
const MONEY = new Set([
  ...['USD', 'EUR', 'GBP', 'JPY', 'CHF', 'AUD', 'CAD', 'NZD', 'SEK', 'NOK', 'DKK', 'PLN', 'CZK'],
  ...['HUF', 'TRY', 'ZAR', 'MXN', 'SGD', 'HKD', 'CNH', 'ILS', 'KRW', 'INR', 'RUB', 'AED', 'SAR'],
])
const MONTH = String.raw`(20\d{2}(?:0[1-9]|1[0-2])(?:[0-3]\d)?)`
/** `ES 202612 CME`, as people and TWS write a future. */
const WORDS = new RegExp(`^(\\S+)\\s+${MONTH}\\s+(\\S+)$`)
const FUTURE = new RegExp(`^(.+)-${MONTH}$`)
/** The OCC's name of an option: root, day, right, strike in thousandths. */
const OPTION = /^([A-Z]{1,6})(\d{2})(\d{2})(\d{2})([CP])(\d{8})$/

/**
 * The canonical form of a symbol for IBKR: stocks `AAPL`, `BRK.B`, `NASDAQ:AAPL`, `LSE:VOD`; pairs `EUR/USD`, `BTC/USD`;
 * futures `CME:ES-202612`, also written `ES 202612 CME`; options by the OCC's name, `AAPL261218C00200000`.
 * @throws BAD_SYMBOL
 */
export function ibkrSymbol(text: string): string {
  const [, root, month, exchange] = WORDS.exec(text.trim().toUpperCase()) ?? []
  const symbol = canonicalSymbol(root ? `${exchange}:${root}-${month}` : text)
  const { kind } = parseSymbol(symbol)
  if (kind === 'qualified' && symbol.includes('/')) {
    throw new TickwireError('BAD_SYMBOL', `IBKR has no exchange-qualified pairs: ${symbol}`, {
      hint: 'Write EUR/USD or BTC/USD; the exchange follows from what it is.',
    })
  }
  return symbol
}

/** What TWS is asked for, of a canonical symbol. */
export function contractOf(symbol: string, named: NamedContracts = new Map()): IbkrContract {
  const given = named.get(symbol)
  if (given) return given
  const { kind, base, quote, exchange } = parseSymbol(symbol)
  if (kind === 'pair') return pairOf(base, quote!)
  if (kind === 'qualified') return qualifiedOf(exchange!, base)
  const [, root, year, month, day, right, strike] = OPTION.exec(symbol) ?? []
  if (root) {
    return {
      ...{ secType: 'OPT', symbol: root, exchange: 'SMART', currency: 'USD' },
      ...{ month: `20${year}${month}${day}`, right: right as 'C' | 'P' },
      ...{ strike: Number(strike) / 1_000, multiplier: 100 },
    }
  }
  return { secType: 'STK', symbol: spaced(symbol), exchange: 'SMART', currency: 'USD' }
}

function pairOf(base: string, quote: string): IbkrContract {
  return MONEY.has(base) && MONEY.has(quote)
    ? { secType: 'CASH', symbol: base, exchange: 'IDEALPRO', currency: quote }
    : { secType: 'CRYPTO', symbol: base, exchange: 'PAXOS', currency: quote }
}

function qualifiedOf(exchange: string, base: string): IbkrContract {
  const [, root, month] = FUTURE.exec(base) ?? []
  if (root) return { secType: 'FUT', symbol: root, exchange, month: month! }
  if (FUTURES.has(exchange)) return { secType: 'FUT', symbol: base, exchange }
  const stock = { secType: 'STK', symbol: spaced(base) } as const
  return US_LISTINGS.has(exchange)
    ? { ...stock, exchange: 'SMART', primaryExchange: exchange, currency: 'USD' }
    : { ...stock, exchange }
}

/** The parts of a contract that its name is made of, as TWS says them. */
interface Named {
  readonly symbol?: string
  readonly secType?: string
  readonly exchange?: string
  readonly primaryExch?: string
  readonly currency?: string
  readonly localSymbol?: string
}

/**
 * Ways to write a contract of TWS's so that {@link contractOf} leads to it, the shortest first; none for what only a name
 * in the option `contracts` does.
 */
export function symbolsOf(contract: Named, contractMonth: string | undefined): string[] {
  const { symbol = '', secType, exchange = '', currency = '', localSymbol = '' } = contract
  const { primaryExch = '' } = contract
  const plain = symbol.replace(' ', '.')
  switch (secType) {
    case 'STK': {
      const isUs = US_LISTINGS.has(primaryExch) && currency === 'USD'
      const listed = primaryExch || (exchange === 'SMART' ? '' : exchange)
      return spellings([isUs && plain, listed !== '' && `${listed}:${plain}`])
    }
    case 'CASH':
    case 'CRYPTO':
      return spellings([`${symbol}/${currency}`])
    case 'FUT':
      return spellings([contractMonth && `${exchange}:${symbol}-${contractMonth}`])
    case 'OPT':
      return spellings([currency === 'USD' && localSymbol.replaceAll(' ', '')])
    default:
      return []
  }
}

/** Those that are canonical. */
function spellings(texts: readonly (string | false | undefined)[]): string[] {
  return texts.filter((text): text is string => {
    if (!text) return false
    try {
      return ibkrSymbol(text) === text
    } catch (thrown) {
      if (thrown instanceof TickwireError && thrown.code === 'BAD_SYMBOL') return false
      throw thrown
    }
  })
}

/** TWS writes a class of shares behind a blank: `BRK B`. */
const spaced = (symbol: string) => symbol.replace('.', ' ')
