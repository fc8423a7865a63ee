/** What Polygon has streams of, by cluster. https://massive.com/docs/websocket */
import { TickwireError } from '../../base/errors.ts'
import { didYouMean } from '../../base/suggest.ts'
import type { EventType, Interval } from '../../market/events.ts'
import type { InstrumentKind } from '../../market/instruments.ts'
import { canonicalPair } from '../../market/symbols.ts'
import { ANY, type Topic } from '../../market/topics.ts'
import type { FeedInfo } from './feeds.ts'

export const MARKET_NAMES = ['stocks', 'options', 'crypto', 'forex', 'indices'] as const
export type PolygonMarket = (typeof MARKET_NAMES)[number]

/** What stands before the dot of a subscription, and as `ev` in its messages. */
export type Channel =
  | ('T' | 'Q' | 'A' | 'AM' | 'LULD' | 'NOI' | 'FMV')
  | ('XT' | 'XQ' | 'XAS' | 'XA')
  | ('C' | 'CAS' | 'CA')
  | 'V'

/** One cluster. */
export interface Market {
  readonly name: PolygonMarket
  /** Default name of the source. */
  readonly id: string
  readonly channels: { readonly [kind in EventType]?: Channel }
  readonly bars: { readonly [interval: Interval]: Channel }
  /** Its bars say how much was traded. */
  readonly volumes: boolean
  /** Whether business plans have fair market values of it. */
  readonly fairValues: boolean
  /** Kinds that cannot be had for all symbols at once. */
  readonly named: readonly EventType[]
  /** Symbols one connection may carry. @default any number */
  readonly symbolsPerConnection?: number
  /** Why nothing may come. */
  readonly silence: string
  readonly instrument: InstrumentKind
  readonly calendar: string
  /** Canonical form of a symbol as a user may write it; `undefined` or BAD_SYMBOL for what is none. */
  symbol(text: string): string | undefined
  /** A symbol that there always is. */
  readonly example: string
  /** As the stream writes a canonical symbol. */
  toVenue(symbol: string): string
  /** The reverse. */
  fromVenue(text: string): string
  /** As REST writes it: versions 3 and 2. */
  restName(symbol: string): string
  aggregateName(symbol: string): string
}

const same = (symbol: string) => symbol
const without = (prefix: string) => (text: string) =>
  text.startsWith(prefix) ? text.slice(prefix.length) : text
/** A user may write the venue's prefix, in any case. */
const bare = (prefix: string, text: string) =>
  text.trim().toUpperCase().startsWith(prefix) ? text.trim().slice(prefix.length) : text.trim()
/** A pair has one slash; the venue writes a dash, or a slash too. */
const slashed = (text: string) => text.replace('-', '/')

const US_HOURS = 'US stocks trade 04:00–20:00 New York time, Monday to Friday'

/** A preferred share, a warrant or a when-issued one has small letters in it: `BACpL`. */
const STOCK = /^[A-Z][A-Za-z0-9.]{0,31}$/
/** The contract's root, day, side and strike in thousandths. */
const CONTRACT = /^[A-Z][A-Z0-9.]{0,5}\d{6}[CP]\d{8}$/
const INDEX = /^[A-Z0-9][A-Z0-9.-]{0,31}$/

const upperUnlessMixed = (text: string) => (text === text.toLowerCase() ? text.toUpperCase() : text)
const matching = (pattern: RegExp, text: string) => (pattern.test(text) ? text : undefined)

export const MARKETS: { readonly [market in PolygonMarket]: Market } = {
  stocks: {
    name: 'stocks',
    id: 'polygon',
    channels: { trade: 'T', quote: 'Q', luld: 'LULD', imbalance: 'NOI' },
    bars: { '1s': 'A', '1m': 'AM' },
    volumes: true,
    fairValues: true,
    named: [],
    silence: `${US_HOURS}: the market may be closed, the symbol quiet, or no symbol at all (Polygon confirms any name)`,
    instrument: 'equity',
    calendar: 'us-equities',
    symbol: text => matching(STOCK, upperUnlessMixed(text.trim())),
    example: 'AAPL',
    toVenue: same,
    fromVenue: same,
    restName: same,
    aggregateName: same,
  },
  options: {
    name: 'options',
    id: 'polygon-options',
    channels: { trade: 'T', quote: 'Q' },
    bars: { '1s': 'A', '1m': 'AM' },
    volumes: true,
    fairValues: true,
    // https://massive.com/docs/websocket/options/quotes: 1,000 contracts a connection, named.
    named: ['quote'],
    symbolsPerConnection: 1_000,
    silence:
      'US options trade 09:30–16:00 New York time, Monday to Friday (some to 16:15): the market may be closed, the contract quiet, expired or no contract at all',
    instrument: 'option',
    calendar: 'us-equities',
    symbol: text => matching(CONTRACT, bare('O:', text).toUpperCase()),
    example: 'SPY251219C00650000',
    toVenue: symbol => `O:${symbol}`,
    fromVenue: without('O:'),
    restName: symbol => `O:${symbol}`,
    aggregateName: symbol => `O:${symbol}`,
  },
  crypto: {
    name: 'crypto',
    id: 'polygon-crypto',
    channels: { trade: 'XT', quote: 'XQ' },
    bars: { '1s': 'XAS', '1m': 'XA' },
    volumes: true,
    fairValues: true,
    named: [],
    silence: 'crypto trades at any hour: the pair may be quiet, or none that Polygon has',
    instrument: 'crypto',
    calendar: 'always',
    symbol: text => canonicalPair(bare('X:', text)),
    example: 'BTC/USD',
    toVenue: symbol => symbol.replace('/', '-'),
    fromVenue: text => slashed(without('X:')(text)),
    restName: symbol => `X:${symbol.replace('/', '-')}`,
    aggregateName: symbol => `X:${symbol.replace('/', '')}`,
  },
  forex: {
    name: 'forex',
    id: 'polygon-forex',
    channels: { quote: 'C' },
    bars: { '1s': 'CAS', '1m': 'CA' },
    volumes: true,
    fairValues: true,
    named: [],
    silence:
      'forex trades from Sunday 17:00 to Friday 17:00 New York time: the market may be closed, the pair quiet, or none that Polygon has',
    instrument: 'forex',
    calendar: 'forex',
    symbol: text => canonicalPair(bare('C:', text)),
    example: 'EUR/USD',
    toVenue: same,
    fromVenue: text => slashed(without('C:')(text)),
    restName: symbol => `C:${symbol.replace('/', '-')}`,
    aggregateName: symbol => `C:${symbol.replace('/', '')}`,
  },
  indices: {
    name: 'indices',
    id: 'polygon-indices',
    channels: { ticker: 'V' },
    bars: { '1s': 'A', '1m': 'AM' },
    volumes: false,
    fairValues: false,
    named: [],
    silence:
      'indices are worked out while their market is open: it may be closed, or the name no index',
    instrument: 'index',
    calendar: 'us-equities',
    symbol: text => matching(INDEX, bare('I:', text).toUpperCase()),
    example: 'SPX',
    toVenue: symbol => `I:${symbol}`,
    fromVenue: without('I:'),
    restName: symbol => `I:${symbol}`,
    aggregateName: symbol => `I:${symbol}`,
  },
}

/** @throws BAD_OPTION for a market there is not */
export function chooseMarket(name: PolygonMarket = 'stocks'): Market {
  if (Object.hasOwn(MARKETS, name)) return MARKETS[name]
  throw new TickwireError('BAD_OPTION', `polygon has no market ${JSON.stringify(name)}`, {
    hint: didYouMean(String(name), MARKET_NAMES),
  })
}

/** The channel a topic comes over; `undefined` where the feed does not carry it. */
export function channelOf(
  { kind, interval = '1m' }: Topic,
  market: Market,
  feed: FeedInfo,
): Channel | undefined {
  if (kind === 'bar') return market.bars[interval]
  if (kind === 'ticker' && feed.fairValues && market.fairValues) return 'FMV'
  return market.channels[kind]
}

/** A channel and a symbol as a subscription names them: `T.AAPL`, `Q.*`. */
export function pairOf(channel: Channel, symbol: string, market: Market): string {
  return `${channel}.${symbol === ANY ? ANY : market.toVenue(symbol)}`
}

/** The kinds a feed carries. */
export function kindsOf(market: Market, feed: FeedInfo): readonly EventType[] {
  const kinds = [...(Object.keys(market.channels) as EventType[]), 'bar' as const]
  return feed.fairValues && market.fairValues ? [...kinds, 'ticker'] : kinds
}

/** Printable ASCII but for space, quote and backslash: more than any symbol holds. */
const SYMBOL = /^[!#-[\]-~]{1,64}$/

/** Canonical form of a symbol in a message; `undefined` for what can be none. */
export function readSymbol(text: string, market: Market): string | undefined {
  return SYMBOL.test(text) && text !== ANY ? market.fromVenue(text) : undefined
}
