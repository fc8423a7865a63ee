import { TickwireError } from '../../base/errors.ts'
import { openFeed, type SubscribeRequest } from '../../feed/feed.ts'
import type { Capabilities } from '../../feed/provider.ts'
import type { MarketEvent } from '../../market/events.ts'
import { encodeEvent } from '../../market/json.ts'
import { type Config, loadConfig, type Surroundings } from '../config.ts'
import { createLog, describeError, exitCodeOf, type Screen, say, screenOf } from '../console.ts'
import { parseSymbols } from '../flags.ts'
import { CONNECT_MS, follow } from '../follow.ts'
import { Losses } from '../losses.ts'
import { Output } from '../output.ts'
import { type Chosen, chooseProvider } from '../providers.ts'
import { Rows } from '../rows.ts'
import { type Ending, Run } from '../run.ts'
import type { Kind, RawSettings } from '../schema.ts'
import { countEvents, summary } from '../summary.ts'

/** Flags as commander hands them over, already parsed one by one. */
export interface StreamFlags {
  readonly provider?: Config['provider']
  readonly feed?: Config['alpaca']['feed']
  readonly kinds?: readonly Kind[]
  readonly trades?: boolean
  readonly quotes?: boolean
  readonly bars?: boolean
  readonly raw?: boolean
  readonly rate?: number | 'max'
  readonly seed?: number
  readonly duration?: number
  readonly limit?: number
  readonly json?: boolean
  readonly debug?: boolean
  readonly config?: string
}

/** Without a list of symbols, in the simulated market. */
const SIMULATED_SYMBOLS = ['SPY', 'TSLA', 'AAPL']

/** Settings and flags together. @throws BAD_OPTION for a flag of another provider */
export function resolveConfig(around: Surroundings, flags: StreamFlags): Config {
  const settings: RawSettings = {
    ...(flags.provider && { provider: flags.provider }),
    ...(flags.feed && { alpaca: { feed: flags.feed } }),
    simulated: {
      ...(flags.rate !== undefined && { rate: flags.rate }),
      ...(flags.seed !== undefined && { seed: flags.seed }),
    },
    ...(flags.debug && { log: 'debug' as const }),
  }
  return loadConfig(around, { flags: settings, file: flags.config })
}

/** @throws BAD_OPTION for a flag that means nothing to the provider */
export function checkFlags(chosen: Chosen, flags: StreamFlags): void {
  const stray =
    chosen.name === 'simulated'
      ? flags.feed !== undefined && '--feed'
      : (flags.rate !== undefined && '--rate') || (flags.seed !== undefined && '--seed')
  if (!stray) return
  const owner = chosen.name === 'simulated' ? 'alpaca' : 'simulated'
  throw new TickwireError('BAD_OPTION', `${stray} means nothing to the provider ${chosen.name}`, {
    hint: `Leave it out, or choose --provider ${owner}.`,
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
  const kinds = given.length > 0 ? given : (config.kinds ?? defaults.kinds)
  const builtIn = chosen.name === 'simulated' ? SIMULATED_SYMBOLS : undefined
  const symbols = parseSymbols(words) ?? config.symbols ?? defaults.symbols ?? builtIn
  if (!symbols) {
    throw new TickwireError('NO_SYMBOLS', 'no symbols given', {
      hint: 'Name at least one, as in `tickwire stream SPY TSLA`.',
    })
  }
  return Object.fromEntries(kinds.map(kind => [kind, symbols]))
}

/** Said in words wherever prices are shown that are not live and real. */
export function bannerOf({ nature }: Capabilities): string | undefined {
  return {
    live: undefined,
    simulated: 'SIMULATED · invented prices, not real ones',
    replayed: 'REPLAY · prices of the past',
    delayed: 'DELAYED · prices are 15 minutes old',
    test: 'TEST DATA · not real prices',
  }[nature]
}

/** Turns events into lines: columns for a person at a terminal, NDJSON for everything else. */
export function lineWriter(
  screen: Screen,
  json: boolean,
  banner: string | undefined,
  request: SubscribeRequest,
): (event: MarketEvent) => string {
  if (json || !screen.tty) return event => `${encodeEvent(event)}\n`
  const symbols = Object.values(request).flat()
  const symbolWidth = Math.max(6, ...symbols.map(symbol => symbol.length))
  const { colors, width, height } = screen
  const rows = new Rows({ colors, banner, width, height, symbolWidth })
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
  const request = requestOf(words, flags, config, chosen, { kinds: ['trades'] })

  const run = new Run()
  const output = outputOf(run)
  const log = createLog(config, around.env)
  const feed = openFeed(chosen.provider, { log, ackTimeoutMs: CONNECT_MS })
  const banner = bannerOf(chosen.provider.capabilities)
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
    const show = (event: MarketEvent) => {
      if (event.type !== 'notice' && !run.signal.aborted) return put(line(event))
    }
    feed.on('*', show, { name: 'standard output' })
  }
  const arrived = countEvents(feed, run.signal)
  follow(feed, run, {
    request,
    label: chosen.label,
    durationMs: flags.duration,
    say,
    log,
    losses,
    shown: () => count,
    connected: () => {
      if (banner && (!screen.tty || flags.json || flags.raw)) say(banner)
    },
  })

  const ending = await run.ended
  const stats = feed.stats()
  const elapsedMs = performance.now() - startedAt
  // Whoever wanted no more has not lost what came behind that.
  const sated = count >= limit || output.gone
  const dropped = () => {
    if (flags.raw) return losses.count
    return sated
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
