import { TickwireError } from '../../base/errors.ts'
import { didYouMean } from '../../base/suggest.ts'
import type { Provider } from '../../feed/provider.ts'
import { formatPrice, type Instrument } from '../../market/instruments.ts'
import type { Surroundings } from '../config.ts'
import { Output } from '../output.ts'
import { chooseProvider } from '../providers.ts'
import type { ProviderName } from '../schema.ts'
import { resolveConfig, type StreamFlags } from './stream.ts'

export interface SymbolsFlags extends Pick<StreamFlags, 'config' | 'json' | 'limit'> {
  readonly provider?: ProviderName
}

/** How many are shown unless told otherwise. */
const SHOWN = 20
/** The longest a venue may take to list what it has, ms. */
const LONGEST_MS = 30_000

/** What was found: an instrument, and what it is called there. */
export interface Found {
  readonly instrument: Instrument
  readonly venueName: string
}

/** `tickwire symbols search`: what a venue calls an instrument and what it is here, with its steps. */
export async function symbolsSearch(
  text: string,
  flags: SymbolsFlags,
  around: Surroundings,
): Promise<number> {
  const config = resolveConfig(around, flags)
  const { name, provider } = chooseProvider(
    { ...config, provider: config.provider ?? 'kraken' },
    {},
  )
  const found = await searchSymbols(provider, text, AbortSignal.timeout(LONGEST_MS))
  if (found.length === 0) throw nothing(text, name, provider)
  const shown = found.slice(0, flags.limit ?? (flags.json ? found.length : SHOWN))
  const output = new Output(1, error => {
    if (error) throw error
  })
  const lines = flags.json ? shown.map(one => asLine(one, name)) : tableOf(shown)
  if (!flags.json && shown.length < found.length) {
    lines.push(`and ${found.length - shown.length} more: --limit ${found.length} shows them`)
  }
  output.put(`${lines.join('\n')}\n`)
  await output.flush()
  return 0
}

/**
 * What of a venue's instruments goes by a text: by symbol, by the venue's own name or by that for people, the nearest
 * first.
 * @throws UNSUPPORTED where a provider lists nothing, BAD_OPTION for an empty text, UNREACHABLE
 */
export async function searchSymbols(
  provider: Provider,
  text: string,
  signal?: AbortSignal,
): Promise<Found[]> {
  const asked = bare(text)
  if (asked === '') {
    throw new TickwireError('BAD_OPTION', `nothing to search for: ${JSON.stringify(text)}`, {
      hint: 'Give a symbol or a part of one: tickwire symbols search BTC',
    })
  }
  if (!provider.instruments) {
    throw new TickwireError('UNSUPPORTED', `${provider.id} has no list of what trades there`, {
      hint: '`tickwire providers --json` says which have one ("instruments": true).',
    })
  }
  const list = await provider.instruments(signal, text)
  const meant = meaning(provider, text)
  const rank = ({ instrument, venueName }: Found) => {
    const { symbol, name = '' } = instrument
    const names = [symbol, venueName].map(bare)
    if (symbol === meant || names.includes(asked)) return 0
    if (names.some(it => it.startsWith(asked))) return 1
    if (names.some(it => it.includes(asked)) || bare(name).includes(asked)) return 2
    return undefined
  }
  return list
    .map(instrument => ({
      instrument,
      venueName: instrument.vendorNames?.[provider.id] ?? instrument.symbol,
    }))
    .map(found => ({ found, rank: rank(found) }))
    .filter(one => one.rank !== undefined)
    .sort(
      (a, b) =>
        a.rank! - b.rank! || (a.found.instrument.symbol < b.found.instrument.symbol ? -1 : 1),
    )
    .map(({ found }) => found)
}

/** Letters and digits only: `btc-usd`, `BTC/USD` and `BTCUSD` are asked for alike. */
const bare = (text: string) => text.toUpperCase().replace(/[^\p{L}\p{N}]/gu, '')

/** The symbol a user would subscribe by this text; none where it is no symbol. */
function meaning(provider: Provider, text: string): string | undefined {
  try {
    return provider.symbol(text)
  } catch (error) {
    if (error instanceof TickwireError) return undefined
    throw error
  }
}

function nothing(text: string, name: string, provider: Provider): TickwireError {
  const symbol = meaning(provider, text)
  const known = provider.capabilities.symbols ?? []
  return new TickwireError('UNKNOWN_SYMBOL', `nothing at ${name} goes by ${JSON.stringify(text)}`, {
    hint: known.length > 0 ? didYouMean(symbol ?? text, known) : 'Try a part of it: BTC.',
  })
}

function asLine({ instrument, venueName }: Found, provider: string): string {
  return JSON.stringify({ provider, venueName, ...instrument })
}

const HEAD = ['symbol', 'at the venue', 'kind', 'price step', 'size step', 'currency', 'name']

function tableOf(found: readonly Found[]): string[] {
  const rows = found.map(({ instrument, venueName }) => {
    const { symbol, kind, tickSize, lotSize, currency = '', name = '' } = instrument
    const step = (value: number | undefined) =>
      value === undefined ? '' : formatPrice(value, { tickSize: value })
    return [symbol, venueName, kind, step(tickSize), step(lotSize), currency, name]
  })
  const all = [HEAD, ...rows]
  const widths = HEAD.map((_, column) => Math.max(...all.map(row => row[column]!.length)))
  return all.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
}
