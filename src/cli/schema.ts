import { z } from 'zod'
import {
  MARKETS as ALLTICK_MARKETS,
  PLANS as ALLTICK_PLANS,
  type AllTickMarket,
  type AllTickPlan,
} from '../providers/alltick/plans.ts'
import { type AlpacaFeed, feedNamesOf, MARKET_NAMES } from '../providers/alpaca/feeds.ts'
import { SITE_NAMES } from '../providers/binance/sites.ts'
import { IBKR_DATA_TYPES, type IbkrDataType } from '../providers/ibkr/settings.ts'
import { SEC_TYPES } from '../providers/ibkr/symbols.ts'
import { KRAKEN_DEPTHS } from '../providers/kraken/index.ts'
import { OPENALGO_PRODUCTS } from '../providers/openalgo/broker.ts'
import { OPENALGO_DEPTHS } from '../providers/openalgo/index.ts'
import { EXCHANGES as OPENALGO_EXCHANGES } from '../providers/openalgo/symbols.ts'
import {
  BRAND_NAMES,
  FEED_NAMES as POLYGON_FEEDS,
  type PolygonBrand,
  type PolygonFeed,
} from '../providers/polygon/feeds.ts'
import { MARKET_NAMES as POLYGON_MARKETS } from '../providers/polygon/markets.ts'
import { accountSchema, botSchema, splitSchema } from './bot-schema.ts'

/** What `stream` and `up` can show, by the names of the feed's channels. */
export const KINDS = [
  ...(['trades', 'quotes', 'bars', 'tickers', 'statuses', 'lulds'] as const),
  ...(['imbalances', 'corrections', 'cancels', 'books', 'news'] as const),
] as const
export type Kind = (typeof KINDS)[number]

/** Every provider `--provider` can name; how each is made stands in `BUILDERS` of providers.ts. */
export const PROVIDERS = [
  'alltick',
  'alpaca',
  'binance',
  'coinbase',
  'ibkr',
  'json',
  'kraken',
  'openalgo',
  'polygon',
  'simulated',
  'tickwire',
] as const
export type ProviderName = (typeof PROVIDERS)[number]

/** What `alpaca.feed` may be; which of them a market has, the provider checks. */
export const FEEDS: readonly AlpacaFeed[] = MARKET_NAMES.flatMap(feedNamesOf)

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const

const symbols = z.array(z.string().min(1, 'a symbol is empty')).min(1, 'the list is empty')

const PORT = 'must be a port, 1 to 65535'
const ANY_PORT = 'must be a port, 1 to 65535, or 0 for any that is free'
const RATE = "must be a number above 0, or 'max'"

/** Everything that can be configured, where there is one feed. */
const oneFeed = z.strictObject({
  /** Where the data comes from. @default alpaca when keys are there; `up` without: simulated */
  provider: z.enum(PROVIDERS).optional(),
  /** @default SPY TSLA AAPL, where that makes sense */
  symbols: symbols.optional(),
  /** @default trades; `up`: trades and quotes */
  kinds: z.array(z.enum(KINDS)).min(1, 'the list is empty').optional(),
  alltick: z
    .strictObject({
      /** Stocks, or everything else: currencies, metals, oil, indices, crypto. */
      market: z
        .enum(Object.keys(ALLTICK_MARKETS) as [AllTickMarket, ...AllTickMarket[]])
        .default('stocks'),
      /** What the token has. */
      plan: z.enum(Object.keys(ALLTICK_PLANS) as [AllTickPlan, ...AllTickPlan[]]).default('free'),
      /** Another server that speaks AllTick's protocol, without the token. */
      url: z.url({ protocol: /^wss?$/, error: 'must be a ws:// or wss:// address' }).optional(),
    })
    .prefault({}),
  alpaca: z
    .strictObject({
      market: z.enum(MARKET_NAMES as [(typeof MARKET_NAMES)[number]]).default('stocks'),
      /** @default iex of stocks, us of crypto, indicative of options; news have none */
      feed: z.enum(FEEDS as [AlpacaFeed]).optional(),
      /** Another server that speaks Alpaca's protocol, instead of the feed's own address. */
      url: z.url({ protocol: /^wss?$/, error: 'must be a ws:// or wss:// address' }).optional(),
      /** Where orders go, instead of Alpaca's own: a broker's address, without `/v2`. */
      broker: z
        .url({ protocol: /^https?$/, error: 'must be an http:// or https:// address' })
        .optional(),
    })
    .prefault({}),
  binance: z
    .strictObject({
      /** Which Binance: com, vision (market data alone) or us (another venue). */
      site: z.enum(SITE_NAMES as [(typeof SITE_NAMES)[number]]).default('com'),
      /** Trades each by itself, or those of one taker at one price as one. */
      trades: z.enum(['raw', 'aggregate']).default('raw'),
      /** Another server that speaks Binance's protocol. */
      url: z.url({ protocol: /^wss?$/, error: 'must be a ws:// or wss:// address' }).optional(),
    })
    .prefault({}),
  coinbase: z
    .strictObject({
      /** Another server that speaks the protocol of Coinbase's Advanced Trade. */
      url: z.url({ protocol: /^wss?$/, error: 'must be a ws:// or wss:// address' }).optional(),
    })
    .prefault({}),
  ibkr: z
    .strictObject({
      /** Where TWS or IB Gateway runs. */
      host: z.string().min(1, 'it is empty').default('127.0.0.1'),
      /** Its socket port. */
      port: z.int(PORT).min(1, PORT).max(65_535, PORT).default(7_497),
      /** No other program may give the same TWS this one. */
      client: z.int('must be a whole number').min(0, 'must be at least 0').default(8_425),
      data: z.enum(IBKR_DATA_TYPES as [IbkrDataType]).default('live'),
      /** Regular trades, or with combos, derivatives and average prices. */
      trades: z.enum(['last', 'all']).default('last'),
      /** Rows of a side of books. */
      depth: z.int('must be a whole number').min(1, 'must be at least 1').default(10),
      /** What the account has at the same time. */
      lines: z.int('must be a whole number').min(0, 'must be at least 0').default(100),
      ticks: z.int('must be a whole number').min(0, 'must be at least 0').default(5),
      books: z.int('must be a whole number').min(0, 'must be at least 0').default(3),
      /** Names for what no spelling leads to. */
      contracts: z
        .array(
          z.strictObject({
            name: z.string().min(1, 'it is empty'),
            secType: z.enum(SEC_TYPES),
            symbol: z.string().optional(),
            exchange: z.string().optional(),
            primaryExchange: z.string().optional(),
            currency: z.string().optional(),
            month: z.string('must be text, as "202612"').optional(),
            strike: z.number().optional(),
            right: z.enum(['C', 'P']).optional(),
            multiplier: z.number().optional(),
            localSymbol: z.string().optional(),
            tradingClass: z.string().optional(),
            conId: z.int('must be a whole number').optional(),
          }),
        )
        .default([]),
    })
    .prefault({}),
  /** A vendor as data: the path of its file, docs/providers/json.md. */
  json: z.string().min(1, 'the path is empty').optional(),
  kraken: z
    .strictObject({
      /** Levels a side of books. */
      depth: z.literal(KRAKEN_DEPTHS, { error: `must be ${KRAKEN_DEPTHS.join(', ')}` }).default(25),
      /** Another server that speaks Kraken's protocol. */
      url: z.url({ protocol: /^wss?$/, error: 'must be a ws:// or wss:// address' }).optional(),
    })
    .prefault({}),
  openalgo: z
    .strictObject({
      /** Where the user's OpenAlgo is. @default ws://127.0.0.1:8765 */
      url: z.url({ protocol: /^wss?$/, error: 'must be a ws:// or wss:// address' }).optional(),
      /** Its REST side. @default port 5000 beside a ws:// url, the same host as a wss:// one */
      rest: z
        .url({ protocol: /^https?$/, error: 'must be an http:// or https:// address' })
        .optional(),
      /** What a symbol without an exchange is of. */
      exchange: z.enum(OPENALGO_EXCHANGES).optional(),
      /** What tickers are made of. */
      tickers: z.enum(['ltp', 'quote']).default('ltp'),
      /** Levels a side of books. */
      depth: z
        .literal(OPENALGO_DEPTHS, { error: `must be ${OPENALGO_DEPTHS.join(', ')}` })
        .default(5),
      /** What bots' orders are of: closed the same day, kept derivatives, or delivered shares. */
      product: z.enum(OPENALGO_PRODUCTS).default('MIS'),
    })
    .prefault({}),
  polygon: z
    .strictObject({
      market: z.enum(POLYGON_MARKETS).default('stocks'),
      feed: z.enum(POLYGON_FEEDS as [PolygonFeed]).default('realtime'),
      /** Whose host names. */
      brand: z.enum(BRAND_NAMES as [PolygonBrand]).default('massive'),
      /** Connections the plan allows to one market. */
      connections: z.int('must be a whole number').min(1, 'must be at least 1').default(1),
      /** What sizes of quotes are multiplied by. */
      lot: z.int('must be a whole number').min(1, 'must be at least 1').default(1),
      /** Questions a minute the plan allows to REST. */
      requests: z.int('must be a whole number').min(1, 'must be at least 1').default(600),
      /** Another server that speaks Polygon's protocol. */
      url: z.url({ protocol: /^wss?$/, error: 'must be a ws:// or wss:// address' }).optional(),
    })
    .prefault({}),
  simulated: z
    .strictObject({
      seed: z.int('must be a whole number').default(1),
      /** Events a second; `max` for as many as possible. */
      rate: z.union([z.number().positive(RATE), z.literal('max')], { error: RATE }).default(50),
      /** More symbols than the built-in ones. */
      symbols: symbols.optional(),
    })
    .prefault({}),
  /** Where `up` keeps what it has: the tape, the store, the socket other commands ask at. */
  data: z.string().min(1, 'the path is empty').default('.tickwire'),
  tape: z
    .strictObject({
      /** Events kept in memory for readers that come late. */
      capacity: z
        .int('must be a whole number')
        .min(1, 'must be at least 1')
        .max(2 ** 24, 'must be at most 16777216')
        .default(131_072),
      /** Where `up` and `record` write it. @default tape/ in the data folder */
      folder: z.string().min(1, 'the path is empty').optional(),
      /** What of it is kept; the oldest files go. */
      keep: z
        .strictObject({
          /** Gigabytes. */
          gb: z.number().positive('must be above 0').default(10),
          /** @default any number of days */
          days: z.number().positive('must be above 0').optional(),
        })
        .prefault({}),
    })
    .prefault({}),
  /** Servers that `up` brings what it records to, beside its own store: docs/stores/. */
  stores: z
    .strictObject({
      postgres: z
        .strictObject({
          /** `postgres://user:password@host:5432/database`. With it, it is used. */
          url: z
            .url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// address' })
            .optional(),
          /** A file of certificates (PEM) to trust; then TLS is used. */
          ca: z.string().min(1, 'the path is empty').optional(),
          /** Where its tables are. */
          schema: z
            .string()
            .regex(/^[a-z_][a-z0-9_]{0,40}$/, 'must be of small letters, digits and _')
            .default('tickwire'),
          /** Books as a row an event, or also a row for each level. */
          books: z.enum(['depth', 'levels']).default('depth'),
          /** Older days are deleted, never those something was backfilled into. @default all stay */
          retentionDays: z.int('must be a whole number').min(1, 'must be at least 1').optional(),
          /** A role that is given the right to read. */
          reader: z.string().min(1, 'it is empty').optional(),
          /** Whether TimescaleDB is used where the server has it. */
          timescale: z.enum(['auto', 'off']).default('auto'),
          flushMs: z.number().min(1, 'must be at least 1').default(200),
        })
        .prefault({}),
      redis: z
        .strictObject({
          /** `redis://user:password@host:6379`, `rediss://` for TLS. With it, it is used. */
          url: z.url({ protocol: /^rediss?$/, error: 'must be a redis:// address' }).optional(),
          ca: z.string().min(1, 'the path is empty').optional(),
          /** Begins all keys. */
          prefix: z.string().regex(/^\S+$/, 'must be without spaces').default('tickwire'),
          flushMs: z.number().min(1, 'must be at least 1').default(20),
          /** Keeps about so many events in a stream; 0: none. */
          streams: z.int('must be a whole number').min(0, 'must be at least 0').default(0),
          /** Publishes what changes. */
          pubsub: z.enum(['on', 'off']).default('off'),
          /** When the latest of a symbol goes. */
          expire: z.enum(['never', 'session']).default('never'),
        })
        .prefault({}),
    })
    .prefault({}),
  /** What `serve` lets other programs have, and whom: docs/gateway.md. */
  gateway: z
    .strictObject({
      /** The address to listen at. Others than this machine's own need keys. */
      host: z.string().min(1, 'it is empty').default('127.0.0.1'),
      /** 0: any that is free. */
      port: z.int(ANY_PORT).min(0, ANY_PORT).max(65_535, ANY_PORT).default(8_425),
      /** Ports at which the paths of a vendor have nothing before them, for its clients that take no prefix. */
      ports: z
        .strictObject({
          alpaca: z.int(ANY_PORT).min(0, ANY_PORT).max(65_535, ANY_PORT).optional(),
          polygon: z.int(ANY_PORT).min(0, ANY_PORT).max(65_535, ANY_PORT).optional(),
          openalgo: z.int(ANY_PORT).min(0, ANY_PORT).max(65_535, ANY_PORT).optional(),
        })
        .prefault({}),
      /** Who has to show a key: auto, everybody beyond this machine; keys, everybody; anyone, nobody. */
      admission: z.enum(['auto', 'keys', 'anyone']).default('auto'),
      /** The file `tickwire keys` writes. @default gateway-keys.json in the data folder */
      keys: z.string().min(1, 'the path is empty').optional(),
      /** Other names the gateway is asked by. */
      hosts: z.array(z.string().min(1, 'a name is empty')).optional(),
      /** Origins whose pages may ask. */
      origins: z.array(z.string().min(1, 'an origin is empty')).optional(),
      /** Files (PEM): then it is https and wss. */
      tls: z
        .strictObject({
          cert: z.string().min(1, 'the path is empty').optional(),
          key: z.string().min(1, 'the path is empty').optional(),
        })
        .prefault({}),
      /** What a key may have that has no quota of its own, and all together who have no key. */
      quotas: z
        .strictObject({
          /** Symbols in one connection. @default any number */
          symbols: z.int('must be a whole number').min(1, 'must be at least 1').optional(),
          connections: z.int('must be a whole number').min(1, 'must be at least 1').default(1_000),
          /** A second. */
          requests: z.int('must be a whole number').min(1, 'must be at least 1').default(100),
        })
        .prefault({}),
    })
    .prefault({}),
  /** Another tickwire: a gateway. */
  tickwire: z
    .strictObject({
      url: z
        .url({ protocol: /^(ws|http)s?$/, error: 'must be a ws, wss, http or https address' })
        .default('ws://127.0.0.1:8425'),
      /** One of its sources. @default all of them */
      source: z.string().min(1, 'it is empty').optional(),
      encoding: z.enum(['json', 'msgpack', 'blocks']).default('blocks'),
    })
    .prefault({}),
  /** How venues are reached. */
  network: z
    .strictObject({
      /** `http://host:port` for everything. @default HTTPS_PROXY, or HTTP_PROXY for ws:// and http:// */
      proxy: z.string().optional(),
      /** Hosts reached without it. @default NO_PROXY and this machine */
      except: z.string().optional(),
      /** A file of certificates (PEM) to trust beside Node's own. */
      ca: z.string().min(1, 'the path is empty').optional(),
    })
    .prefault({}),
  /** What is logged to stderr, as JSON lines. */
  log: z.enum(LOG_LEVELS).default('silent'),
})

const OWN = Object.fromEntries(
  ['symbols', 'kinds', ...PROVIDERS].map(key => [key, true as const]),
) as Record<'symbols' | 'kinds' | ProviderName, true>

/** One of several: what it has of its own; of the rest it has what all have. */
const feedSchema = oneFeed.pick(OWN).extend({
  provider: z.enum(PROVIDERS),
  /** Its name on every event. @default the provider's id */
  source: z
    .string()
    .regex(/^[\w.-]+$/, 'must be of letters, digits and . _ -')
    .optional(),
})

/**
 * Everything that can be configured. The same tree is `tickwire.config.yaml`; a leaf's environment variable is
 * its path: `simulated.rate` is TICKWIRE_SIMULATED_RATE.
 */
export const configSchema = oneFeed.extend({
  /** Several, which `up` and `record` run at once; `provider` is the short form of one. */
  feeds: z.array(feedSchema).min(1, 'the list is empty').optional(),
  /** Strategies that run beside it, on paper or at a broker: docs/bots.md. */
  bots: z.array(botSchema).optional(),
  /** What all bots of an account at a broker may do together. */
  accounts: z.array(accountSchema).optional(),
  /** Splits of shares that a backtest must not cross, beside those it finds itself. */
  splits: z.array(splitSchema).optional(),
})

export type Settings = z.output<typeof configSchema>
/** A layer of settings as written: in a file, in the environment, as flags. */
export type RawSettings = z.input<typeof configSchema>

/** A place in the tree where a value stands. */
export interface Leaf {
  readonly path: readonly string[]
  /** `json`: what has parts of its own, all of it in one. */
  readonly type: 'number' | 'list' | 'text' | 'json'
}

/** All places a value may stand, in the order of the schema. */
export const LEAVES: readonly Leaf[] = leavesOf(configSchema, [])

function leavesOf(schema: z.ZodType, path: readonly string[]): Leaf[] {
  const inner = unwrap(schema)
  if (inner instanceof z.ZodObject) {
    return Object.entries(inner.shape).flatMap(([key, value]) =>
      leavesOf(value as z.ZodType, [...path, key]),
    )
  }
  if (inner instanceof z.ZodArray) {
    return [{ path, type: inner.element instanceof z.ZodObject ? 'json' : 'list' }]
  }
  const numeric =
    inner instanceof z.ZodNumber || inner instanceof z.ZodUnion || inner instanceof z.ZodLiteral
  return [{ path, type: numeric ? 'number' : 'text' }]
}

/** The keys that may stand at a place. */
export function keysAt(path: readonly PropertyKey[]): string[] {
  let schema: z.ZodType = configSchema
  for (const key of path) {
    const inner = unwrap(schema)
    if (inner instanceof z.ZodArray) schema = inner.element as z.ZodType
    else if (inner instanceof z.ZodObject) schema = inner.shape[String(key)] as z.ZodType
    else return []
  }
  const inner = unwrap(schema)
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : []
}

/** What may stand at a place, where it is one of some words; `undefined` elsewhere. */
export function valuesAt(path: readonly string[]): readonly string[] | undefined {
  let schema: z.ZodType | undefined = configSchema
  for (const key of path) {
    const inner = unwrap(schema)
    schema = inner instanceof z.ZodObject ? (inner.shape[key] as z.ZodType | undefined) : undefined
    if (!schema) return undefined
  }
  const inner = unwrap(schema)
  return inner instanceof z.ZodEnum ? inner.options.map(String) : undefined
}

function unwrap(schema: z.ZodType): z.ZodType {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  ) {
    return unwrap(schema.unwrap() as z.ZodType)
  }
  return schema
}
