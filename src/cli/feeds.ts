import type { AppFeed } from '../app/app.ts'
import { TickwireError } from '../base/errors.ts'
import type { Feed, FeedStats, SubscribeRequest } from '../feed/feed.ts'
import { bannerOf, checkFlags, requestOf, type StreamFlags } from './commands/stream.ts'
import type { Config } from './config.ts'
import { withFallback } from './fallback.ts'
import { CONNECT_MS } from './follow.ts'
import { type Chosen, chooseProvider } from './providers.ts'
import type { Kind, ProviderName } from './schema.ts'

/** One of the feeds a command runs, and what it asks of it. */
export interface ChosenFeed {
  readonly chosen: Chosen
  readonly source: string
  readonly request: SubscribeRequest
  readonly app: AppFeed
  /** Said wherever its prices are shown that are not live and real, or not all that happened: as it is by now. */
  banner(): string | undefined
}

/** Flags that are about one feed, as a person writes them. */
const OF_ONE = [
  ...(['market', 'feed', 'port', 'trades', 'quotes', 'bars', 'kinds', 'rate', 'seed'] as const),
] as const

/** Without a list of symbols, from a real venue: few enough for a free plan. */
const LIVE_SYMBOLS = ['SPY', 'TSLA', 'AAPL']

export interface ChooseFeeds {
  readonly kinds: readonly Kind[]
  /** Where no provider is named and there is no key. */
  readonly fallback?: ProviderName
  /** Without a list of symbols, a few well-known ones; else that is an error. */
  readonly someSymbols?: boolean
  /** Hears what is asked for where the plan refuses the stream. */
  readonly told: (line: string) => void
}

/**
 * The feeds the settings name, all of them unless the command line names one.
 * @throws BAD_OPTION where symbols or flags are given that are about one feed, and there are several
 */
export function chooseFeeds(
  words: readonly string[],
  flags: StreamFlags,
  config: Config,
  { kinds, fallback, someSymbols = false, told }: ChooseFeeds,
): readonly ChosenFeed[] {
  const all = config.each.length > 1 ? config.each : [{ source: config.each[0]?.source, config }]
  if (all.length > 1)
    mustBeOfAll(
      words,
      flags,
      all.map(({ config: own }) => own.provider!),
    )
  const feeds = all.map(({ source: named, config: own }) => {
    const chosen = chooseProvider(own, fallback ? { fallback } : {})
    checkFlags(chosen, flags)
    const { provider } = chosen
    const symbols = someSymbols ? (provider.capabilities.symbols ?? LIVE_SYMBOLS) : undefined
    const request = requestOf(words, flags, own, chosen, { kinds, ...(symbols && { symbols }) })
    const source = named ?? provider.id
    const tell = all.length > 1 ? (line: string) => told(`${source}: ${line}`) : told
    const asked = withFallback(chosen, flags, tell)
    const app = { provider: asked.provider, source, ackTimeoutMs: CONNECT_MS }
    const banner = () => bannerOf({ ...asked.provider.capabilities, polled: asked.isPolled })
    return { chosen, source, request, app, banner }
  })
  mustDiffer(feeds)
  return feeds
}

function mustBeOfAll(
  words: readonly string[],
  flags: StreamFlags,
  providers: readonly ProviderName[],
): void {
  const flag = OF_ONE.find(name => flags[name] !== undefined)
  if (words.length === 0 && flag === undefined) return
  const what = words.length > 0 ? 'symbols' : `--${flag}`
  throw new TickwireError(
    'BAD_OPTION',
    `${what} can only be given for one feed, and feeds names ${providers.length}`,
    {
      hint: `Choose one with --provider (${[...new Set(providers)].join(', ')}), or set it in the file.`,
    },
  )
}

function mustDiffer(feeds: readonly ChosenFeed[]): void {
  const names = feeds.map(({ source }) => source)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice === undefined) return
  throw new TickwireError('BAD_CONFIG', `feeds: two of them have the name ${twice}`, {
    hint: 'Give one of them a name of its own: `source: another-name`.',
  })
}

/** Said wherever prices are shown that are not live and real: of which feed, where not all are alike. */
export function bannerOfAll(feeds: readonly ChosenFeed[]): string | undefined {
  const each = feeds.map(({ source, banner }) => ({ source, words: banner() }))
  const [first] = each
  if (each.every(({ words }) => words === first?.words)) return first?.words
  return each.flatMap(({ source, words }) => (words ? [`${source}: ${words}`] : [])).join(' | ')
}

/** What stands for the feeds in a title. */
export function titleOf(feeds: readonly ChosenFeed[]): string {
  const [only, ...others] = feeds
  if (others.length === 0) return only!.app.provider.capabilities.title
  return feeds.map(({ source }) => source).join(' + ')
}

/** What was asked for of all of them, as of one. */
export function requestOfAll(feeds: readonly ChosenFeed[]): SubscribeRequest {
  const all: Record<string, string[]> = {}
  for (const { request } of feeds) {
    for (const [channel, symbols] of Object.entries(request)) {
      all[channel] = [...(all[channel] ?? []), ...[symbols].flat()]
    }
  }
  return all
}

/** The numbers of several feeds as if they were one's: sums. */
export function statsOf(feeds: readonly Feed[]): FeedStats {
  const all = feeds.map(feed => feed.stats())
  const [first] = all
  if (all.length === 1) return first!
  const sum = (number: (stats: FeedStats) => number) =>
    all.reduce((total, stats) => total + number(stats), 0)
  return {
    ...first!,
    // A first connection each is none that was made again.
    connects: 1 + sum(({ connects }) => Math.max(0, connects - 1)),
    events: sum(({ events }) => events),
    malformed: sum(({ malformed }) => malformed),
    duplicates: sum(({ duplicates }) => duplicates),
    failures: sum(({ failures }) => failures),
    quarantined: { ...first!.quarantined, count: sum(({ quarantined }) => quarantined.count) },
    readers: all.flatMap(({ readers }) => readers),
  }
}
