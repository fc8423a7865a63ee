import { TickwireError } from '../../base/errors.ts'
import type { SubscribeRequest } from '../../feed/feed.ts'
import { createEvent, type MarketEvent } from '../../market/events.ts'
import { MARKET_NAMES, MARKETS, type PolygonMarket } from '../../providers/polygon/markets.ts'
import type { StatusMessage } from '../../providers/polygon/server-session.ts'
import { INSTRUMENTS } from '../../providers/simulated/instruments.ts'
import { simulated } from '../../providers/simulated/provider.ts'
import { feedFrom } from '../../testing/venue-market.ts'
import { polygonVenue } from '../../testing/venue-polygon.ts'
import { type Surroundings, simKeys } from '../config.ts'
import { parseSymbols } from '../flags.ts'
import { noMarket } from '../sim-flags.ts'
import type { SimFlags } from './sim.ts'
import { runSim } from './sim-host.ts'

/** Without a list of symbols; their prices do not follow from anything. */
const USUAL: Readonly<Record<PolygonMarket, readonly string[]>> = {
  stocks: INSTRUMENTS.filter(({ market }) => market === 'stock').map(({ symbol }) => symbol),
  options: ['SPY271217C00630000', 'SPY271217P00630000', 'AAPL271217C00215000'],
  crypto: INSTRUMENTS.filter(({ market }) => market === 'crypto').map(({ symbol }) => symbol),
  forex: ['EUR/USD', 'GBP/USD', 'USD/JPY'],
  indices: ['SPX', 'NDX', 'DJI'],
}

/** `tickwire sim --venue polygon`: a cluster of Polygon's and its REST side, fed by the simulated market. */
export async function simPolygon(flags: SimFlags, around: Surroundings): Promise<number> {
  const cluster = MARKET_NAMES.find(name => name === (flags.market ?? 'stocks'))
  if (!cluster) throw noMarket(flags.market!, 'polygon', MARKET_NAMES)
  const symbols = symbolsOf(flags.symbols, cluster)
  const keys = simKeys(around.env)
  const plan = { connections: flags.connections }
  const market = simulated({ seed: flags.seed, rate: flags.rate, symbols })
  const names = symbols.map(symbol => market.symbol(symbol))
  return runSim<StatusMessage>(flags, around.cwd, {
    make: options =>
      polygonVenue({
        ...options,
        server: { market: cluster, plan, ...(keys && { accounts: { [keys.key]: {} } }) },
        rest: { listed: { [cluster]: names } },
      }),
    said: ({ connection, message: { status, message } }) =>
      status === 'connected' ? [] : [`#${connection} ${status} ${message}`],
    lines: ({ url, httpUrl }) => [
      `stream  ${url}/${cluster}`,
      `REST    ${httpUrl}`,
      `key     ${keys ? 'TICKWIRE_SIM_KEY' : 'any'}`,
      `symbols ${names.join(' ')}`,
    ],
    feed: deliver => {
      const put = (batch: readonly MarketEvent[]) =>
        deliver(cluster === 'indices' ? batch.map(asValue) : batch)
      return feedFrom(market, { deliver: put }, { request: requestOf(cluster, names) })
    },
  })
}

/** What a cluster has of what is simulated. */
function requestOf(cluster: PolygonMarket, names: readonly string[]): SubscribeRequest {
  const { channels } = MARKETS[cluster]
  return {
    ...((channels.trade || channels.ticker) && { trades: names }),
    ...(channels.quote && { quotes: names }),
    bars: names,
  }
}

/** An index is not traded: what would be its price is its value. */
function asValue(event: MarketEvent): MarketEvent {
  if (event.type !== 'trade') return event
  const { symbol, source, timestamp, nanos, receivedAt, flags, price: value } = event
  return createEvent({ type: 'ticker', symbol, source, timestamp, nanos, receivedAt, flags, value })
}

/** @throws NO_SYMBOLS, BAD_SYMBOL */
function symbolsOf(text: string | undefined, cluster: PolygonMarket): string[] {
  const { symbol, example } = MARKETS[cluster]
  const given = text === undefined ? undefined : parseSymbols([text])
  return (given ?? USUAL[cluster]).map(one => {
    const name = symbol(one)
    if (name !== undefined) return name
    throw new TickwireError('BAD_SYMBOL', `not a symbol of ${cluster}: ${JSON.stringify(one)}`, {
      hint: `Write it as in ${example}; \`--market\` chooses another cluster.`,
    })
  })
}
