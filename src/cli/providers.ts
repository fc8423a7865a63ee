import { TickwireError } from '../base/errors.ts'
import type { HttpGet } from '../base/http.ts'
import { openHttp } from '../base/http-network.ts'
import { type OpenSocket, webSockets } from '../base/socket.ts'
import { didYouMean } from '../base/suggest.ts'
import type { Provider } from '../feed/provider.ts'
import { alltick } from '../providers/alltick/index.ts'
import { chooseFeed } from '../providers/alpaca/feeds.ts'
import { type AlpacaStockOptions, alpaca } from '../providers/alpaca/index.ts'
import { KEYS_PAGE } from '../providers/alpaca/verdict.ts'
import { binance } from '../providers/binance/index.ts'
import { coinbase } from '../providers/coinbase/index.ts'
import { type IbkrContract, ibkr } from '../providers/ibkr/index.ts'
import { json } from '../providers/json/index.ts'
import { kraken } from '../providers/kraken/index.ts'
import { openalgo } from '../providers/openalgo/index.ts'
import { polygon } from '../providers/polygon/index.ts'
import { simulated } from '../providers/simulated/provider.ts'
import { tickwire } from '../providers/tickwire/index.ts'
import { readVendor } from './commands/json.ts'
import { ALPACA_KEY, ALPACA_SECRET, CONFIG_FILES, type Config, variableOf } from './config.ts'
import { PROVIDERS, type ProviderName } from './schema.ts'

const SYMBOLS_VARIABLE = variableOf(['simulated', 'symbols'])

/** A provider as a command uses it. */
export interface Chosen {
  readonly name: ProviderName
  readonly provider: Provider
  /** What stands for the source in `subscribed: … (trades, iex)`. */
  readonly label: string
}

export interface BuildOptions {
  /** Frames shall be readable by people. */
  readonly raw?: boolean
  /** Another transport than the network. */
  readonly openSocket?: OpenSocket
}

/**
 * How each provider is made of the settings: one entry a venue. A venue that needs a key takes it from
 * `config.vendorKeys`, by `keyOf`; one that is asked over the network takes `wired(config, options)`.
 */
const BUILDERS: Record<ProviderName, (config: Config, options: BuildOptions) => Chosen> = {
  alltick: (config, options) => {
    const { market, plan, url } = config.alltick
    const token = config.vendorKeys.alltick
    const provider = alltick({ token, market, plan, url, ...wired(config, options) })
    return { name: 'alltick', provider, label: `alltick ${market}` }
  },
  alpaca: ({ alpaca: { market, feed, url }, alpacaKeys, reachedBy }, { raw, openSocket }) => {
    if (!alpacaKeys) throw noKeys('alpaca needs a key and none is set')
    const chosen = chooseFeed(market, feed)
    const provider = alpaca({
      // Which feed goes with which market has just been checked.
      ...({ market, feed } as Pick<AlpacaStockOptions, 'market' | 'feed'>),
      ...alpacaKeys,
      ...(url !== undefined && { url }),
      ...(raw && { codec: 'json' as const }),
      ...wired({ reachedBy }, { openSocket }),
    })
    const label = market === 'stocks' || market === 'news' ? chosen : `${market} ${chosen}`
    return { name: 'alpaca', provider, label }
  },
  binance: (config, options) => {
    const { site, trades, url } = config.binance
    const provider = binance({ site, trades, url, ...wired(config, options) })
    return { name: 'binance', provider, label: site === 'com' ? 'binance' : `binance ${site}` }
  },
  coinbase: (config, options) => {
    const provider = coinbase({ url: config.coinbase.url, ...wired(config, options) })
    return { name: 'coinbase', provider, label: 'coinbase' }
  },
  ibkr: ({ ibkr: { client, data, lines, ticks, books, contracts: list, ...rest } }) => {
    const budgets = { lines, ticks, books }
    const contracts = Object.fromEntries(
      list.map(({ name, ...contract }) => [name, contract as IbkrContract]),
    )
    const provider = ibkr({ ...rest, clientId: client, dataType: data, budgets, contracts })
    return { name: 'ibkr', provider, label: 'ibkr' }
  },
  json: (config, options) => {
    if (config.json === undefined) {
      throw new TickwireError('BAD_CONFIG', 'the provider json needs the file of a vendor', {
        hint: `Set json: FILE in ${CONFIG_FILES[0]} or ${variableOf(['json'])}; examples/json-ticks.yaml is one.`,
      })
    }
    const vendor = readVendor(config.json, config.cwd)
    const { openSocket } = wired(config, options)
    const provider = json(vendor, { variables: config.variables, openSocket })
    return { name: 'json', provider, label: provider.id }
  },
  kraken: (config, options) => {
    const { depth, url } = config.kraken
    const provider = kraken({ depth, url, ...wired(config, options) })
    return { name: 'kraken', provider, label: 'kraken' }
  },
  openalgo: (config, options) => {
    const { exchange, rest, url, tickers, depth } = config.openalgo
    const provider = openalgo({
      ...{ url, tickers, depth, restUrl: rest, defaultExchange: exchange },
      ...{ apiKey: config.vendorKeys.openalgo, ...wired(config, options) },
    })
    return { name: 'openalgo', provider, label: 'openalgo' }
  },
  polygon: (config, options) => {
    const { market, feed, lot, requests, ...rest } = config.polygon
    const provider = polygon({
      ...{ market, feed, lotSize: lot, requestsPerMinute: requests, ...rest },
      key: config.vendorKeys.polygon,
      ...wired(config, options),
    })
    return { name: 'polygon', provider, label: `${market} ${feed}` }
  },
  simulated: ({ simulated: { seed, rate, symbols = [] } }) => {
    const provider = simulated({
      seed,
      rate: rate === 'max' ? Number.POSITIVE_INFINITY : rate,
      symbols,
    })
    return { name: 'simulated', provider, label: 'simulated' }
  },
  tickwire: (config, options) => {
    const { url, source, encoding } = config.tickwire
    const key = config.vendorKeys.tickwire
    const provider = tickwire({
      ...{ url, encoding, ...wired(config, options) },
      ...(source !== undefined && { source }),
      ...(key !== undefined && { key }),
    })
    return { name: 'tickwire', provider, label: source ?? 'tickwire' }
  },
}

/** Socket and HTTP by the settings; of another transport there is no HTTP. */
function wired(
  { reachedBy }: Pick<Config, 'reachedBy'>,
  { openSocket }: { readonly openSocket?: OpenSocket | undefined },
): { readonly openSocket: OpenSocket; readonly httpGet?: HttpGet } {
  if (openSocket) return { openSocket }
  return { openSocket: webSockets(reachedBy), httpGet: openHttp(reachedBy) }
}

/**
 * The provider the settings ask for; with none named, alpaca when keys are there, else `fallback`.
 * @throws MISSING_KEY naming both ways on when there is neither, BAD_OPTION when there are several
 */
export function chooseProvider(
  config: Config,
  options: BuildOptions & { readonly fallback?: ProviderName },
): Chosen {
  if (config.each.length > 1) throw several(config)
  const name = config.provider ?? (config.alpacaKeys ? 'alpaca' : options.fallback)
  if (!name) throw noKeys('no provider chosen and no key set')
  return BUILDERS[name](config, options)
}

function several({ each }: Config): TickwireError {
  const names = [...new Set(each.map(({ config }) => config.provider))].join(', ')
  return new TickwireError('BAD_OPTION', `this takes one feed, and feeds names ${each.length}`, {
    hint: `Choose one with --provider (${names}).`,
  })
}

function noKeys(message: string): TickwireError {
  return new TickwireError('MISSING_KEY', message, {
    hint:
      'Add --provider simulated for an invented market without a key, or run `tickwire init` to set ' +
      `${ALPACA_KEY} and ${ALPACA_SECRET} (free keys: ${KEYS_PAGE}).`,
  })
}

/** An error of a provider with its way out in the words of the command line, where the library's are options. */
export function inSettings(error: unknown): unknown {
  if (!(error instanceof TickwireError) || error.code !== 'UNKNOWN_SYMBOL') return error
  const hint = error.hint?.replace(
    /the option symbols: \['(.+?)'\]/,
    (_, symbol) => `${SYMBOLS_VARIABLE}=${symbol}, or simulated.symbols in ${CONFIG_FILES[0]}`,
  )
  return new TickwireError(error.code, error.message, { hint, cause: error.cause })
}

/** @throws UNKNOWN_PROVIDER */
export function parseProvider(text: string): ProviderName {
  const name = PROVIDERS.find(known => known === text.toLowerCase())
  if (name) return name
  throw new TickwireError('UNKNOWN_PROVIDER', `no provider ${JSON.stringify(text)}`, {
    hint: didYouMean(text, PROVIDERS),
  })
}
