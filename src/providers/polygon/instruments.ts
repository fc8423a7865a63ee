/** What trades at Polygon. https://massive.com/docs/rest/stocks/tickers/all-tickers */
import { TickwireError } from '../../base/errors.ts'
import type { Instrument } from '../../market/instruments.ts'
import { canonicalSymbol } from '../../market/symbols.ts'
import { isMap, type Page, type RestClient } from './history-client.ts'
import { type Market, type PolygonMarket, readSymbol } from './markets.ts'

/** The markets REST has a list of, by its own names; that of options is too long to be of use. */
const LISTS: { readonly [market in PolygonMarket]?: string } = {
  ...{ stocks: 'stocks', crypto: 'crypto', forex: 'fx', indices: 'indices' },
}

/** No market has as many pages of a thousand. */
const MOST_PAGES = 100

/** Funds among the types of stocks. https://massive.com/docs/rest/stocks/tickers/ticker-types */
const FUNDS: readonly unknown[] = ['ETF', 'ETN', 'ETV', 'ETS', 'FUND']

/** Everything active in a market; `undefined` where there is no list of it. */
export function instrumentsOf(
  market: Market,
  rest: Pick<RestClient, 'ask'>,
  id: string,
): ((signal?: AbortSignal) => Promise<Instrument[]>) | undefined {
  const list = LISTS[market.name]
  if (!list) return undefined
  return async signal => {
    const found = new Map<string, Instrument>()
    const asked = new Set<string>()
    let next: string | undefined =
      `/v3/reference/tickers?market=${list}&active=true&sort=ticker&order=asc&limit=1000`
    while (next !== undefined) {
      if (asked.has(next) || asked.size >= MOST_PAGES) {
        throw new TickwireError('VENUE_ERROR', "there is no end of the venue's list of instruments")
      }
      asked.add(next)
      const page: Page = await rest.ask(next, signal)
      for (const record of page.records) {
        const instrument = instrumentOf(record, market, id)
        if (instrument) found.set(instrument.symbol, instrument)
      }
      next = page.next
    }
    return [...found.values()]
  }
}

/** `undefined` for what cannot be subscribed to. */
function instrumentOf(record: unknown, market: Market, id: string): Instrument | undefined {
  if (!isMap(record) || typeof record.ticker !== 'string') return undefined
  const { ticker, name, type } = record
  const [base, quote] = [record.base_currency_symbol, record.currency_symbol]
  const isPair = typeof base === 'string' && typeof quote === 'string'
  const symbol = isPair ? `${base}/${quote}` : readSymbol(ticker, market)
  if (symbol === undefined || !isCanonical(symbol, market)) return undefined
  const money = isPair ? quote : record.currency_name
  return {
    symbol,
    kind: FUNDS.includes(type) ? 'etf' : market.instrument,
    ...(typeof name === 'string' && name !== '' && { name }),
    ...(typeof money === 'string' &&
      /^[a-z]{3,5}$/i.test(money) && { currency: money.toUpperCase() }),
    calendar: market.calendar,
    ...(ticker !== symbol && { vendorNames: { [id]: ticker } }),
  }
}

/**
 * Whether a book of instruments can have it. Names with small letters in them (preferred shares, warrants) can be
 * subscribed to, but a book knows no case.
 */
function isCanonical(symbol: string, market: Market): boolean {
  try {
    return market.symbol(symbol) === symbol && canonicalSymbol(symbol) === symbol
  } catch (thrown) {
    if (thrown instanceof TickwireError && thrown.code === 'BAD_SYMBOL') return false
    throw thrown
  }
}
