import { TickwireError } from '../../base/errors.ts'
import { ANY } from '../../market/topics.ts'
import {
  type AlpacaMarket,
  chooseFeed,
  FEEDS,
  MARKET_NAMES,
  MARKETS,
} from '../../providers/alpaca/feeds.ts'
import { INSTRUMENTS } from '../../providers/simulated/instruments.ts'
import { simulated } from '../../providers/simulated/provider.ts'
import { feedFrom } from '../../testing/venue-market.ts'
import { type Happening, scriptedVenue } from '../../testing/venue-scripted.ts'
import { loadConfig, type Surroundings, simKeys } from '../config.ts'
import { parseSymbols } from '../flags.ts'
import { noMarket, PLAIN_VENUES, type VENUES } from '../sim-flags.ts'
import { runSim } from './sim-host.ts'
import { simIbkr } from './sim-ibkr.ts'
import { simulateNews } from './sim-news.ts'
import { simPolygon } from './sim-polygon.ts'
import { simPlain } from './sim-venues.ts'

type Said = Extract<Happening, { type: 'said' }>
type SaidMessage = Said['message']

export interface SimFlags {
  readonly venue: (typeof VENUES)[number]
  /** Of the venue. @default stocks, where it has markets */
  readonly market?: string
  readonly port: number
  readonly symbols?: string
  readonly rate: number
  readonly seed: number
  readonly faults?: string
  readonly connections: number
  readonly hold: number
  readonly duration?: number
  readonly debug?: boolean
}

/**
 * `tickwire sim`: a venue on this machine, fed by the simulated market, that does what its faults file says.
 * Resolves with the exit code.
 */
export async function sim(flags: SimFlags, around: Surroundings): Promise<number> {
  // Nothing of it is used here, but a mistake in it shall not wait for the next command.
  loadConfig(around)
  const { venue, market } = flags
  if (venue === 'ibkr') {
    if (market !== undefined) throw noMarket(market, venue, [])
    return simIbkr(flags, around)
  }
  if (venue === 'polygon') return simPolygon(flags, around)
  const plain = PLAIN_VENUES.find(name => name === venue)
  if (plain) return simPlain(flags, plain, around)
  const kind = MARKET_NAMES.find(name => name === (market ?? 'stocks'))
  if (!kind) throw noMarket(market!, venue, MARKET_NAMES)
  return simAlpaca(flags, kind, around)
}

async function simAlpaca(
  flags: SimFlags,
  kind: AlpacaMarket,
  around: Surroundings,
): Promise<number> {
  const keys = simKeys(around.env)
  const symbols = symbolsOf(flags.symbols, kind)
  const market = simulated({ seed: flags.seed, rate: flags.rate, symbols })
  const names = symbols.map(symbol => market.symbol(symbol))
  return runSim<SaidMessage>(flags, around.cwd, {
    make: options =>
      scriptedVenue({
        ...options,
        server: {
          ...(keys && { accounts: { [keys.key]: keys.secret } }),
          plan: { connections: flags.connections },
          slotMs: flags.hold,
        },
        // A person's bot may ask as it likes; the headers still count.
        rest: { requestsPerMinute: 10_000 },
      }),
    said,
    lines: ({ url, httpUrl }) => [
      `stream  ${url}${FEEDS[chooseFeed(kind)].path}${otherPaths(kind)}`,
      `REST    ${httpUrl}${REST_ROOTS[kind]}`,
      `keys    ${keys ? 'TICKWIRE_SIM_KEY and TICKWIRE_SIM_SECRET' : 'any key with any secret'}`,
      `symbols ${names.join(' ')}`,
    ],
    feed: deliver =>
      kind === 'news'
        ? simulateNews(names, flags, deliver)
        : feedFrom(market, { deliver }, { request: requestOf(kind, names) }),
  })
}

/** The paths of a market's other feeds. */
function otherPaths(market: AlpacaMarket): string {
  const [, ...others] = Object.values<{ readonly path: string }>(MARKETS[market].feeds)
  return others.length > 0 ? `   (also ${others.map(({ path }) => path).join(' ')})` : ''
}

const REST_ROOTS: Readonly<Record<AlpacaMarket, string>> = {
  stocks: '/v2/stocks',
  crypto: '/v1beta3/crypto/us',
  options: '/v1beta1/options',
  news: '/v1beta1/news',
}

/** What the simulated market is asked for: what the venue has of a market. */
function requestOf(market: Exclude<AlpacaMarket, 'news'>, names: readonly string[]) {
  const both = { trades: names, quotes: names }
  if (market === 'options') return both
  return { ...both, bars: names, ...(market === 'crypto' && { books: names }) }
}

/** Invented contracts; their prices do not follow from anything. */
const CONTRACTS = ['SPY271217C00630000', 'SPY271217P00630000', 'AAPL271217C00215000']

/** @throws NO_SYMBOLS, BAD_SYMBOL */
function symbolsOf(text: string | undefined, market: AlpacaMarket): string[] {
  const given = text === undefined ? undefined : parseSymbols([text])
  const builtIn = INSTRUMENTS.filter(
    one => one.market === (market === 'crypto' ? 'crypto' : 'stock'),
  )
  const usual = market === 'options' ? CONTRACTS : builtIn.map(({ symbol }) => symbol)
  return (given ?? usual).map(text => {
    // The provider's own check: what a client could subscribe to.
    const symbol = text === ANY ? undefined : MARKETS[market].symbol(text)
    if (symbol !== undefined) return symbol
    const { title, wrongSymbol } = MARKETS[market]
    throw new TickwireError('BAD_SYMBOL', `${wrongSymbol.message}: ${JSON.stringify(text)}`, {
      hint: `Alpaca's stream of ${title} has ${title} only, such as ${usual[0]}; \`--market\` chooses another.`,
    })
  })
}

function said({ connection, message }: Said): string[] {
  const { T, msg, code, nature: _, ...lists } = message
  if (T === 'error') return [`#${connection} error ${code} ${msg}`]
  if (T === 'success') return msg === 'authenticated' ? [`#${connection} authenticated`] : []
  const held = Object.entries(lists).filter(
    (entry): entry is [string, string[]] => Array.isArray(entry[1]) && entry[1].length > 0,
  )
  const shown = held
    .filter(([name]) => name !== 'corrections' && name !== 'cancelErrors')
    .map(([name, symbols]) => `${name} ${shortened(symbols)}`)
  return [`#${connection} subscribed: ${shown.join('; ') || 'nothing'}`]
}

const shortened = (symbols: readonly string[]) =>
  symbols.length > 8
    ? `${symbols.slice(0, 8).join(' ')} and ${symbols.length - 8} more`
    : symbols.join(' ')
