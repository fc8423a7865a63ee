import { TickwireError } from '../base/errors.ts'
import type { OpenSocket } from '../base/socket.ts'
import { didYouMean } from '../base/suggest.ts'
import type { Provider } from '../feed/provider.ts'
import { FEED_NAMES } from '../providers/alpaca/feeds.ts'
import { alpaca } from '../providers/alpaca/index.ts'
import { KEYS_PAGE } from '../providers/alpaca/verdict.ts'
import { simulated } from '../providers/simulated/provider.ts'
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

const BUILDERS: Record<ProviderName, (config: Config, options: BuildOptions) => Chosen> = {
  alpaca: ({ alpaca: { feed, url }, alpacaKeys }, { raw, openSocket }) => {
    if (!alpacaKeys) throw noKeys('alpaca needs a key and none is set')
    const provider = alpaca({
      feed,
      ...alpacaKeys,
      ...(url !== undefined && { url }),
      ...(raw && { codec: 'json' as const }),
      ...(openSocket && { openSocket }),
    })
    return { name: 'alpaca', provider, label: feed }
  },
  simulated: ({ simulated: { seed, rate, symbols = [] } }) => {
    const provider = simulated({
      seed,
      rate: rate === 'max' ? Number.POSITIVE_INFINITY : rate,
      symbols,
    })
    return { name: 'simulated', provider, label: 'simulated' }
  },
}

/**
 * The provider the settings ask for; with none named, alpaca when keys are there, else `fallback`.
 * @throws MISSING_KEY naming both ways on when there is neither
 */
export function chooseProvider(
  config: Config,
  options: BuildOptions & { readonly fallback?: ProviderName },
): Chosen {
  const name = config.provider ?? (config.alpacaKeys ? 'alpaca' : options.fallback)
  if (!name) throw noKeys('no provider chosen and no key set')
  return BUILDERS[name](config, options)
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

/** @throws UNKNOWN_FEED */
export function parseFeed(text: string): (typeof FEED_NAMES)[number] {
  const feed = FEED_NAMES.find(known => known === text.toLowerCase())
  if (feed) return feed
  throw new TickwireError('UNKNOWN_FEED', `alpaca has no feed ${JSON.stringify(text)}`, {
    hint: didYouMean(text, FEED_NAMES),
  })
}
