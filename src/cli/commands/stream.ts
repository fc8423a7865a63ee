import { TickwireError } from '../../base/errors.ts'
import { CHANNELS } from '../../feed/channels.ts'
import { openFeed, type SubscribeRequest, type Symbols } from '../../feed/feed.ts'
import type { Capabilities } from '../../feed/provider.ts'
import { Flag, type MarketEvent } from '../../market/events.ts'
import { encodeEvent } from '../../market/json.ts'
import { feedNamesOf } from '../../providers/alpaca/feeds.ts'
import { type Config, loadConfig, type Surroundings } from '../config.ts'
import { createLog, describeError, exitCodeOf, type Screen, say, screenOf } from '../console.ts'
import { withFallback } from '../fallback.ts'
import { parseSymbols } from '../flags.ts'
import { CONNECT_MS, follow } from '../follow.ts'
import { Losses } from '../losses.ts'
import { Output } from '../output.ts'
import { type Chosen, chooseProvider, inSettings } from '../providers.ts'
import { Rows } from '../rows.ts'
import { type Ending, Run } from '../run.ts'
import { KINDS, type Kind, type RawSettings } from '../schema.ts'
import { countEvents, summary } from '../summary.ts'
import { checkVenueFlags, settingsOf } from '../venue-flags.ts'

/** Flags as commander hands them over, already parsed one by one. */
export interface StreamFlags {
  readonly provider?: Config['provider']
  /** Of the provider, where it has such a setting. */
  readonly market?: string
  readonly feed?: string
  readonly port?: number
  readonly kinds?: readonly Kind[]
  readonly trades?: boolean
  readonly quotes?: boolean
  readonly bars?: boolean
  readonly raw?: boolean
  readonly rate?: number | 'max'
  readonly seed?: number
  readonly duration?: number
  readonly limit?: number
  /** Ask every so many ms instead of streaming; `false`: never, also where the plan refuses the stream. */
  readonly poll?: number | false
  readonly json?: boolean
  readonly debug?: boolean
  readonly config?: string
}

/** Without a list of symbols, in the simulated market. */
const SIMULATED_SYMBOLS = ['SPY', 'TSLA', 'AAPL']

/** Settings and flags together. @throws BAD_OPTION, UNKNOWN_FEED for a market or feed the provider has not */
export function resolveConfig(around: Surroundings, flags: StreamFlags): Config {
  const settings: RawSettings = {
    ...(flags.provider && { provider: flags.provider }),
    ibkr: { ...(flags.port !== undefined && { port: flags.port }) },
    simulated: {
      ...(flags.rate !== undefined && { rate: flags.rate }),
      ...(flags.seed !== undefined && { seed: flags.seed }),
    },
    ...(flags.debug && { log: 'debug' as const }),
  }
  const before = loadConfig(around, { flags: settings, file: flags.config })
  if (!flags.market && !flags.feed) return before
  const chosen = settingsOf(flags, before.provider ?? (before.alpacaKeys ? 'alpaca' : undefined))
  const config = loadConfig(around, { flags: { ...settings, ...chosen }, file: flags.config })
  const { feed, market } = config.alpaca
  const fits = !chosen.alpaca?.market || !feed || feedNamesOf(market).includes(feed)
  // One that is set for another market is not meant; one of the command line is, and a mistake.
  return fits || flags.feed ? config : { ...config, alpaca: { ...config.alpaca, feed: undefined } }
}

/** Flags that only one provider heeds. */
const FLAGS_OF = [
  ['port', 'ibkr'],
  ['rate', 'simulated'],
  ['seed', 'simulated'],
] as const

/** @throws BAD_OPTION for a flag that means nothing to the provider */
export function checkFlags(chosen: Chosen, flags: StreamFlags): void {
  checkVenueFlags(flags, chosen.name)
  const stray = FLAGS_OF.find(([flag, owner]) => flags[flag] !== undefined && owner !== chosen.name)
  if (!stray) return
  const [flag, owner] = stray
  throw new TickwireError('BAD_OPTION', `--${flag} means nothing to the provider ${chosen.name}`, {
    hint: `Leave it out, or choose --provider ${owner}.${
      flag === 'port' ? ' Where `tickwire serve` listens is --listen.' : ''
    }`,
  })
}

/** What to ask the feed for. @throws NO_SYMBOLS */
export function requestOf(
  words: readonly string[],
  flags: StreamFlags,
  config: Config,
  chosen: Chosen,
  defaults: { readonly kinds: readonly Kind[]; readonly symbols?: readonly string[] },
): SubscribeRequest {
  const flagged = (['trades', 'quotes', 'bars'] as const).filter(kind => flags[kind])
  const given = [...new Set([...flagged, ...(flags.kinds ?? [])])]
  const kinds = given.length > 0 ? given : (config.kinds ?? defaultKinds(chosen, defaults.kinds))
  const builtIn = chosen.name === 'simulated' ? SIMULATED_SYMBOLS : undefined
  const symbols = parseSymbols(words) ?? config.symbols ?? defaults.symbols ?? builtIn
  if (!symbols) {
    throw new TickwireError('NO_SYMBOLS', 'no symbols given', {
      hint: 'Name at least one, as in `tickwire stream SPY TSLA`.',
    })
  }
  return Object.fromEntries(kinds.map(kind => [kind, symbols]))
}

/** Those of the usual kinds that the provider has; all it has where that is none of them, as of news. */
function defaultKinds({ provider }: Chosen, usual: readonly Kind[]): readonly Kind[] {
  const has = (kind: Kind) => provider.capabilities.kinds.includes(CHANNELS[kind])
  const some = usual.filter(has)
  return some.length > 0 ? some : KINDS.filter(has)
}

/** What tickers are made of, besides being data of its own. */
const SOURCES: readonly MarketEvent['type'][] = ['trade', 'correction', 'cancel']

/** Tickers are made here of a venue that has none, and are no part of what it is asked for then; it is for trades. */
function withoutMade(
  request: SubscribeRequest,
  { kinds }: Capabilities,
): { made: Symbols | undefined; asked: SubscribeRequest } {
  const { tickers: made, ...rest } = request
  if (made === undefined || kinds.includes('ticker') || !kinds.includes('trade'))
    return { made: undefined, asked: request }
  return { made, asked: { trades: made, ...rest } }
}

/** Said in words wherever prices are shown that are not live and real, or not all that happened. */
export function bannerOf({ nature, polled }: Capabilities): string | undefined {
  const words = {
    live: undefined,
    simulated: 'SIMULATED · invented prices, not real ones',
    replayed: 'REPLAY · prices of the past',
    delayed: DELAYED,
    test: 'TEST DATA · not real prices',
  }[nature]
  return [...(words ? [words] : []), ...(polled ? [POLLED] : [])].join(' · ') || undefined
}

export const DELAYED = 'DELAYED · prices are 15 minutes old'
const POLLED = 'POLLED · asked for now and then, what happens in between is not seen'

/** Turns events into lines: columns for a person at a terminal, NDJSON for everything else. */
export function lineWriter(
  screen: Screen,
  json: boolean,
  banner: string | undefined | (() => string | undefined),
  request: SubscribeRequest,
): (event: MarketEvent) => string {
  if (json || !screen.tty) return event => `${encodeEvent(event)}\n`
  const symbols = Object.values(request).flat()
  const symbolWidth = Math.max(6, ...symbols.map(symbol => symbol.length))
  const { colors, width, height } = screen
  const rows = new Rows({
    ...{ colors, width, height, symbolWidth },
    get banner() {
      return typeof banner === 'function' ? banner() : banner
    },
  })
  return event => rows.write(event)
}

/** Says how it ended; returns the exit code. The output, once flushed, may turn a good end into a bad one. */
export function conclude(
  reason: Ending,
  debug: boolean,
  summarize: () => string,
  output?: Output,
): number {
  const failed = reason.type !== 'error' && output?.error
  const ending: Ending = failed ? { type: 'error', error: failed } : reason
  if (ending.type === 'error') {
    say(describeError(ending.error, debug))
    return exitCodeOf(ending.error)
  }
  say(summarize())
  return ending.type === 'signal' ? ending.exit : 0
}

/** `tickwire stream`. Resolves with the exit code. */
export async function stream(
  words: readonly string[],
  flags: StreamFlags,
  around: Surroundings,
): Promise<number> {
  const screen = screenOf(around)
  const config = resolveConfig(around, flags)
  const chosen = chooseProvider(config, { raw: flags.raw ?? false })
  checkFlags(chosen, flags)
  if (flags.raw && flags.poll) {
    throw new TickwireError('BAD_OPTION', '--raw means nothing with --poll', {
      hint: 'Questions have answers, not frames of a stream: leave one of them out.',
    })
  }
  const request = requestOf(words, flags, config, chosen, { kinds: ['trades'] })
  const { made, asked } = withoutMade(request, chosen.provider.capabilities)

  const run = new Run()
  const output = outputOf(run)
  const log = createLog(config, around.env)
  const fallback = withFallback(chosen, flags, say)
  const { provider } = fallback
  const feed = openFeed(provider, { log, ackTimeoutMs: CONNECT_MS })
  const { capabilities } = provider
  const late = { seen: false }
  const banner = () => {
    const { nature } = capabilities
    const isLate = nature === 'live' && late.seen
    // Whether a refusal is answered by polling is told when there is an answer.
    const { isPolled: polled } = fallback
    return bannerOf({ ...capabilities, ...{ nature: isLate ? 'delayed' : nature, polled } })
  }
  const limit = flags.limit ?? Number.POSITIVE_INFINITY
  const startedAt = performance.now()
  const losses = new Losses(say)
  let count = 0
  const put = (text: string) => {
    if (++count >= limit) run.done()
    return output.put(text)
  }
  if (flags.raw) {
    feed.raw(({ data, binary }) => {
      if (run.signal.aborted) return
      if (output.full) losses.add(1)
      else put(`${Buffer.from(data).toString(binary ? 'base64' : 'utf8')}\n`)
    })
  } else {
    const line = lineWriter(screen, flags.json ?? false, banner, request)
    const hidden = made === undefined || request.trades !== undefined ? [] : SOURCES
    const show = (event: MarketEvent) => {
      if (event.type === 'notice' || run.signal.aborted || hidden.includes(event.type)) return
      if ((event.flags & Flag.delayed) !== 0 && !late.seen) {
        late.seen = true
        // A venue may answer late where its stream would not be.
        if (capabilities.nature === 'live') say(DELAYED)
      }
      return put(line(event))
    }
    feed.on('*', show, { name: 'standard output' })
    try {
      if (made !== undefined) feed.tickers(made, show, { name: 'standard output' })
    } catch (error) {
      await feed.close()
      throw inSettings(error)
    }
  }
  const arrived = countEvents(feed, run.signal)
  follow(feed, run, {
    request: asked,
    label: chosen.label,
    durationMs: flags.duration,
    say,
    log,
    losses,
    shown: () => count,
    connected: () => {
      const words = banner()
      if (words && (!screen.tty || flags.json || flags.raw)) say(words)
    },
  })

  const ending = await run.ended
  const stats = feed.stats()
  const elapsedMs = performance.now() - startedAt
  // Whoever wanted no more has not lost what came behind that.
  const sated = count >= limit || output.gone
  const dropped = () => {
    if (flags.raw) return losses.count
    return sated || made !== undefined
      ? stats.readers.reduce((sum, reader) => sum + reader.dropped, 0)
      : arrived() - count
  }
  await feed.close()
  await output.flush()
  const what = flags.raw ? 'frames' : 'events'
  const summarize = () => summary(what, count, elapsedMs, stats, dropped())
  return conclude(ending, flags.debug ?? false, summarize, output)
}

/** Standard output; its reader going away (`| head`) is an ordinary end. */
export function outputOf(run: Run): Output {
  const output = new Output(1, error => (error ? run.fail(error) : run.done()))
  run.leaving = () => {
    if (output.waiting) say('left at once: what was not written yet is lost')
  }
  return output
}
