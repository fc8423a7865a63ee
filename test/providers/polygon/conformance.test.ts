// The suite of every provider, for each market.
import type { EventType } from '../../../src/market/events.ts'
import { toISO } from '../../../src/market/time.ts'
import { type PolygonOptions, polygon } from '../../../src/providers/polygon/index.ts'
import type { PolygonMarket } from '../../../src/providers/polygon/markets.ts'
import {
  type DocumentedFrame,
  type ProviderTraits,
  providerSuite,
} from '../../../src/testing/provider-suite.ts'
import { polygonVenue } from '../../../src/testing/venue-polygon.ts'
import { SAMPLES } from './samples.ts'

/** What we add to an event, or what stands in its name already. */
const OURS = ['type', 'symbol', 'source', 'receivedAt', 'seq', 'flags']

const framesOf = (name: PolygonMarket, kinds: readonly EventType[]): DocumentedFrame[] =>
  SAMPLES.filter(({ market, event }) => market === name && kinds.includes(event.type)).map(
    ({ text, event }) => {
      const fields = Object.entries(event).filter(
        ([key, value]) => value !== undefined && !OURS.includes(key) && key !== 'nanos',
      )
      return {
        ...{ name: text.slice(0, 48), kind: event.type as DocumentedFrame['kind'] },
        ...{ symbol: event.symbol!, frames: [`[${text}]`] },
        gives: { ...Object.fromEntries(fields), timestamp: toISO(event) },
        ...(event.type === 'bar' && { interval: event.interval }),
        // Read a second after it was said.
        at: event.timestamp + 1_000,
      }
    },
  )

/** The first of these frames with a word for each of its prices, and without its end. */
function spoilt([shown]: readonly DocumentedFrame[]): string[] {
  const text = shown!.frames[0] as string
  const [price] = ['p', 'bp', 'o', 'u', 'h'].filter(key => text.includes(`"${key}":`))
  return [
    '{}',
    text.slice(0, -8),
    text.replace(new RegExp(`"${price}":[^,}]+`), `"${price}":"dear"`),
  ]
}

const traits = (
  market: PolygonMarket,
  symbols: readonly [string, string],
  kinds: readonly EventType[],
  more: Partial<ProviderTraits>,
): ProviderTraits => ({
  make: ({ clock, observe }) => {
    const venue = polygonVenue({ clock, observe, rest: { listed: { [market]: symbols } } })
    const { openSocket, httpGet } = venue
    const options: PolygonOptions = { key: 'KEY', market, openSocket, httpGet, clock }
    return { venue, provider: polygon(options) }
  },
  symbols,
  frames: framesOf(market, kinds),
  ...more,
  malformed: {
    ...Object.fromEntries(kinds.map(kind => [kind, spoilt(framesOf(market, [kind]))])),
    ...more.malformed,
  },
  excludes: {
    'a subscription refused for now is asked for again, without a storm':
      'symbol-limit cannot befall polygon: it has no limit of symbols',
    'a symbol the venue refuses is refused by name, and takes no other with it':
      'traits.unknown: the venue refuses no symbol',
    'damaged frames are counted, and what comes behind them is right (truncated-msgpack)':
      'truncated-msgpack cannot befall polygon: it speaks JSON only',
    'more symbols than a connection carries are spread, each on one':
      'capabilities.limits: one connection carries all symbols',
    books: 'traits.books: it has none',
    ...more.excludes,
  },
})

providerSuite(
  'polygon (stocks)',
  traits('stocks', ['AAPL', 'MSFT'], ['trade', 'quote', 'bar', 'luld', 'imbalance'], {
    spellings: { aapl: 'AAPL', 'brk.b': 'BRK.B', BACpL: 'BACpL' },
    excludes: {
      'what it does not carry is refused before it is asked': 'capabilities.kinds has luld',
    },
    many: index => `S${index}`,
    malformed: {
      trade: [
        '[{"ev":"T","sym":"AAPL","x":4,"i":"1","p":0,"s":100,"t":1705329000000}]',
        '[{"ev":"T","sym":"AAPL","x":4,"i":"1","s":100,"t":1705329000000}]',
        '[{"ev":"T","sym":"AAPL","x":4,"i":"1","p":5,"s":-1,"t":1705329000000}]',
        '[{"ev":"T","sym":"AAPL","x":4,"i":"1","p":5,"s":1}]',
        '[{"ev":"T","sym":"AAPL","p":5',
      ],
    },
  }),
)
providerSuite(
  'polygon (crypto)',
  traits('crypto', ['BTC/USD', 'ETH/USD'], ['trade', 'quote', 'bar'], {
    spellings: { 'btc-usd': 'BTC/USD', 'X:ETHUSD': 'ETH/USD' },
  }),
)
providerSuite(
  'polygon (options)',
  traits('options', ['SPY251219C00650000', 'AMC210827C00037000'], ['trade', 'quote', 'bar'], {
    spellings: { 'O:SPY251219C00650000': 'SPY251219C00650000' },
  }),
)
