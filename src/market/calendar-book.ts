import { TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import { type Calendar, createCalendar, type Session } from './calendar.ts'
import { cme } from './calendar-cme.ts'
import { FRIDAY, MONDAY } from './calendar-dates.ts'
import { hkex } from './calendar-hong-kong.ts'
import { nse } from './calendar-india.ts'
import { usEquities } from './calendar-us.ts'
import type { EventBase } from './events.ts'
import type { Instrument } from './instruments.ts'

/**
 * Currencies between banks: Sunday 17:00 to Friday 17:00 New York, a trading day ending at 17:00. It has no
 * exchange and no holidays, though next to nothing trades on Christmas and New Year's Day.
 */
export const forex: Calendar = createCalendar({
  id: 'forex',
  market: 'FX market',
  zone: 'America/New_York',
  place: 'New York',
  holidays: 'none',
  plan: ({ weekday }) => ({
    stretches:
      weekday < MONDAY || weekday > FRIDAY ? [] : [{ name: 'regular', from: -7 * 60, to: 17 * 60 }],
  }),
})

/** Open around the clock, as crypto is. A day is one in UTC. */
export const always: Calendar = createCalendar({
  id: 'always',
  market: 'round-the-clock market',
  zone: 'UTC',
  place: 'UTC',
  holidays: 'none',
  plan: () => ({ stretches: [{ name: 'regular', from: 0, to: 24 * 60 }] }),
})

/** The calendars there are. */
export const CALENDARS: readonly Calendar[] = [usEquities, nse, hkex, cme, forex, always]

/** Shorter and other names. */
const ALIASES = new Map([
  ['us', 'us-equities'],
  ['nyse', 'us-equities'],
  ['nasdaq', 'us-equities'],
  ['bse', 'nse'],
  ['hk', 'hkex'],
  ['globex', 'cme'],
  ['fx', 'forex'],
  ['crypto', 'always'],
])

/** What {@link calendarNamed} takes. */
export const CALENDAR_NAMES: readonly string[] = [
  ...CALENDARS.map(({ id }) => id),
  ...ALIASES.keys(),
]

/** A calendar by its id or a shorter name (`us`, `fx`, `crypto`), in any case. @throws BAD_OPTION */
export function calendarNamed(name: string): Calendar {
  const lower = name.trim().toLowerCase()
  const id = ALIASES.get(lower) ?? lower
  const calendar = CALENDARS.find(it => it.id === id)
  if (calendar) return calendar
  throw new TickwireError('BAD_OPTION', `no calendar is called ${JSON.stringify(name)}`, {
    hint: didYouMean(name, CALENDAR_NAMES),
  })
}

/** Sources whose every symbol trades around the clock. */
const AROUND_THE_CLOCK = new Set(['simulated', 'binance', 'bybit', 'coinbase', 'kraken', 'okx'])

const BY_EXCHANGE = new Map<string, Calendar>([
  ...['NYSE', 'NASDAQ', 'AMEX', 'ARCA', 'BATS', 'IEX', 'SMART', 'OTC', 'US'].map(
    name => [name, usEquities] as const,
  ),
  ...['NSE', 'BSE', 'NFO', 'BFO', 'NSE_INDEX', 'BSE_INDEX'].map(name => [name, nse] as const),
  ...['HKEX', 'SEHK', 'HK'].map(name => [name, hkex] as const),
  ...['CME', 'GLOBEX', 'CBOT', 'NYMEX', 'COMEX'].map(name => [name, cme] as const),
  ...['IDEALPRO', 'FX'].map(name => [name, forex] as const),
  ...['CRYPTO', 'PAXOS', ...[...AROUND_THE_CLOCK].map(name => name.toUpperCase())].map(
    name => [name, always] as const,
  ),
])

/** What is exchanged on the FX market; a pair of anything else is crypto. */
const FIAT = new Set([
  ...['USD', 'EUR', 'GBP', 'JPY', 'CHF', 'AUD', 'CAD', 'NZD', 'SEK', 'NOK', 'DKK', 'PLN', 'CZK'],
  ...['HUF', 'TRY', 'ZAR', 'MXN', 'BRL', 'ARS', 'SGD', 'HKD', 'CNH', 'CNY', 'KRW', 'INR', 'THB'],
  ...['IDR', 'ILS', 'UAH', 'AED', 'XAU', 'XAG', 'XPT', 'XPD'],
])

/**
 * The calendar of a symbol or instrument. An instrument's own calendar and kind go first; then the source, where
 * everything it has trades around the clock; then how the symbol is written: `AAPL` US equities, `EUR/USD` FX,
 * `BTC/USD` around the clock, `NSE:RELIANCE`, `700.HK` and `ES 202612 CME` by the exchange. None where the exchange
 * is one without a calendar here, and for what is no symbol: nothing is assumed then.
 *
 * @param source id of the provider, as in `event.source`
 * @throws BAD_OPTION when the instrument names a calendar that does not exist
 */
export function calendarOf(
  of: string | Pick<Instrument, 'symbol' | 'kind' | 'calendar'>,
  source?: string,
): Calendar | undefined {
  if (typeof of === 'string') return bySymbol(of, source)
  if (of.calendar !== undefined) return calendarNamed(of.calendar)
  if (of.kind === 'crypto') return always
  if (of.kind === 'forex') return forex
  const calendar = bySymbol(of.symbol, source)
  // A future's symbol alone looks like a share's.
  return of.kind === 'future' && calendar === usEquities ? cme : calendar
}

function bySymbol(symbol: string, source: string | undefined): Calendar | undefined {
  if (source !== undefined && AROUND_THE_CLOCK.has(source)) return always
  const name = symbol.trim().toUpperCase()
  // Contracts as Interactive Brokers writes them: symbol, month, exchange.
  const [, contract] = /^\S+ \d{6,8} (\S+)$/.exec(name) ?? []
  if (contract !== undefined) return BY_EXCHANGE.get(contract)
  // Not with `parseSymbol`: a venue may send what is no symbol of ours, and that is no reason to stop.
  const [, exchange, base, quote] = /^(?:([^\s:]+):)?([^\s/]+)(?:\/([^\s/]+))?$/.exec(name) ?? []
  if (base === undefined) return undefined
  if (exchange !== undefined) {
    return BY_EXCHANGE.get(exchange) ?? (quote === undefined ? undefined : always)
  }
  if (quote !== undefined) return FIAT.has(base) && FIAT.has(quote) ? forex : always
  const [, suffix] = /\.(US|HK|SH|SZ)$/.exec(base) ?? []
  return suffix === undefined ? usEquities : BY_EXCHANGE.get(suffix)
}

/** Symbols whose calendar is remembered per source. */
const KEPT_SYMBOLS = 65_536

const known = new Map<string, Map<string, Calendar | undefined>>()

/**
 * What the market of an event did at its venue time. None where its calendar is not known. A daily bar bears the
 * midnight its day begins with, which is no session of that day.
 *
 * @param calendar instead of the one of {@link calendarOf}
 */
export function sessionOf(
  event: Pick<EventBase, 'symbol' | 'source' | 'timestamp'>,
  calendar: Calendar | undefined = remembered(event.symbol, event.source),
): Session | undefined {
  return calendar?.sessionAt(event.timestamp)
}

function remembered(symbol: string | undefined, source: string): Calendar | undefined {
  if (symbol === undefined) return undefined
  let symbols = known.get(source)
  if (!symbols) known.set(source, (symbols = new Map()))
  const calendar = symbols.get(symbol)
  if (calendar !== undefined || symbols.has(symbol)) return calendar
  if (symbols.size >= KEPT_SYMBOLS) symbols.clear()
  const found = calendarOf(symbol, source)
  symbols.set(symbol, found)
  return found
}
