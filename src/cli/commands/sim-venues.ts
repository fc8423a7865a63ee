/** Venues with one market each that `tickwire sim` can be: what they are asked for, and how to come in. */
import { TickwireError } from '../../base/errors.ts'
import type { SubscribeRequest } from '../../feed/feed.ts'
import { INSTRUMENTS } from '../../providers/simulated/instruments.ts'
import { simulated } from '../../providers/simulated/provider.ts'
import { allTickVenue } from '../../testing/venue-alltick.ts'
import { binanceVenue } from '../../testing/venue-binance.ts'
import { coinbaseVenue } from '../../testing/venue-coinbase.ts'
import type { HostHappening, HostOptions, ScriptedVenue } from '../../testing/venue-host.ts'
import { krakenVenue } from '../../testing/venue-kraken.ts'
import { feedFrom } from '../../testing/venue-market.ts'
import { openAlgoVenue } from '../../testing/venue-openalgo.ts'
import { type Surroundings, simKeys } from '../config.ts'
import { parseSymbols } from '../flags.ts'
import { noMarket, type PLAIN_VENUES } from '../sim-flags.ts'
import type { SimFlags } from './sim.ts'
import { runSim } from './sim-host.ts'

type PlainVenue = (typeof PLAIN_VENUES)[number]

type Options = Pick<HostOptions, 'clock' | 'random'> & {
  readonly observe: (happening: HostHappening<string>) => void
}

interface PlainSim {
  /** Without a list of symbols; their prices do not follow from anything. */
  readonly usual: readonly string[]
  /** What a symbol of it looks like. */
  readonly symbol: RegExp
  /** The kinds it is fed with. */
  readonly channels: readonly ('trades' | 'quotes' | 'books' | 'tickers' | 'bars')[]
  make(options: Options, symbols: readonly string[], key: string | undefined): ScriptedVenue
  /** The path of its stream. @default none */
  readonly path?: string
  /** What it takes for a key. @default none */
  readonly key?: string
}

const STOCKS = INSTRUMENTS.filter(({ market }) => market === 'stock').map(({ symbol }) => symbol)
const COINS = INSTRUMENTS.filter(({ market }) => market === 'crypto').map(({ symbol }) => symbol)
const PAIR = /^[A-Z0-9]{2,12}\/[A-Z0-9]{2,12}$/

const SIMS: Readonly<Record<PlainVenue, PlainSim>> = {
  openalgo: {
    usual: ['NSE:RELIANCE', 'NSE:INFY', 'NSE:TCS', 'NSE_INDEX:NIFTY'],
    symbol: /^[A-Z_]+:[^\s:]+$/,
    channels: ['trades', 'books', 'bars'],
    make: (options, symbols, key) =>
      openAlgoVenue({ ...options, server: { symbols, ...(key && { users: { [key]: 'demo' } }) } }),
    key: 'api_key',
  },
  alltick: {
    usual: STOCKS.map(symbol => `${symbol}.US`),
    symbol: /^[A-Z0-9]+\.[A-Z]{2}$/,
    channels: ['trades', 'books', 'bars'],
    make: (options, codes, key) =>
      allTickVenue({
        ...options,
        server: { codes, plan: 'professional', ...(key && { tokens: [key] }) },
      }),
    path: '/quote-stock-b-ws-api',
    key: 'token',
  },
  kraken: {
    usual: COINS,
    symbol: PAIR,
    channels: ['trades', 'quotes', 'books', 'bars'],
    make: (options, symbols) => {
      const pairs = symbols.map(symbol => ({ symbol, pricePrecision: 4, sizePrecision: 8 }))
      return krakenVenue({ ...options, server: { pairs } })
    },
    path: '/v2',
  },
  binance: {
    usual: COINS.map(symbol => symbol.replace(/\/USD$/, '/USDT')),
    symbol: PAIR,
    channels: ['trades', 'quotes', 'books', 'bars'],
    make: (options, symbols) => binanceVenue({ ...options, server: { symbols } }),
    path: '/stream',
  },
  coinbase: {
    usual: COINS,
    symbol: PAIR,
    channels: ['trades', 'books', 'bars'],
    make: (options, symbols) => coinbaseVenue({ ...options, server: { symbols } }),
  },
}

/** `tickwire sim --venue openalgo` and others: fed by the simulated market. */
export async function simPlain(
  flags: SimFlags,
  venue: PlainVenue,
  around: Surroundings,
): Promise<number> {
  if (flags.market !== undefined) throw noMarket(flags.market, venue, [])
  const { usual, symbol, channels, make, path = '', key } = SIMS[venue]
  const given = flags.symbols === undefined ? undefined : parseSymbols([flags.symbols])
  const names = (given ?? usual).map(text => {
    const name = text.trim().toUpperCase()
    if (symbol.test(name)) return name
    throw new TickwireError('BAD_SYMBOL', `not a symbol of ${venue}: ${JSON.stringify(text)}`, {
      hint: `Write it as in ${usual[0]}.`,
    })
  })
  const keys = key === undefined ? undefined : simKeys(around.env)
  const market = simulated({ seed: flags.seed, rate: flags.rate, symbols: names })
  const request = Object.fromEntries(channels.map(name => [name, names])) as SubscribeRequest
  return runSim<string>(flags, around.cwd, {
    make: options => make(options, names, keys?.key),
    said: ({ connection, message }) => [`#${connection} ${shortened(message)}`],
    lines: ({ url, httpUrl }) => [
      `stream  ${url}${path}`,
      `REST    ${httpUrl}`,
      `key     ${key === undefined ? 'none' : keys ? 'TICKWIRE_SIM_KEY' : `any ${key}`}`,
      `symbols ${names.join(' ')}`,
    ],
    feed: deliver => feedFrom(market, { deliver }, { request }),
  })
}

const shortened = (text: string) => (text.length > 160 ? `${text.slice(0, 160)}…` : text)
