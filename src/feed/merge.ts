import type { BackoffOptions } from '../base/backoff.ts'
import { TickwireError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import type { HistoryRequest, LatestRequest } from '../flow/contracts.ts'
import type { MarketEvent } from '../market/events.ts'
import { DEFAULT_LEASES } from './lease.ts'
import type { LegCounters } from './merge-arrivals.ts'
import { MergedConnection } from './merge-connection.ts'
import { isMergeable, Leg, type LegOptions } from './merge-leg.ts'
import { type Capabilities, hasHistory, type Provider, USUAL_SESSIONS } from './provider.ts'

export interface MergeOptions {
  /** Default name of the source. @default the id of the first leg */
  readonly id?: string
  /**
   * How long it is remembered what a leg has shown: a leg further behind than this is delivered a second time, ms.
   * @default 60000
   */
  readonly rememberMs?: number
  /** Most events remembered, some 600 bytes each. @default 200000 */
  readonly rememberEvents?: number
  /**
   * `arrival`: each event passes when it is first seen. `time`: the events of a symbol wait for `windowMs` and come in order of
   * venue time; one that is later still passes at once, marked `late`. Bars and news do not wait.
   * @default 'arrival'
   */
  readonly order?: 'arrival' | 'time'
  /** With the order `time`: how long events wait, ms. @default 250 */
  readonly windowMs?: number
  /** Waits between a leg's attempts to connect. */
  readonly backoff?: BackoffOptions
  /** As in `FeedOptions`, for the connections of the legs. @default the same folder */
  readonly leases?: string | false
  /** Chance for jitter. @default Math.random */
  readonly random?: Random
}

/** The one table of defaults. */
export const MERGE_DEFAULTS = {
  rememberMs: 60_000,
  rememberEvents: 200_000,
  windowMs: 250,
} as const

export interface LegStats extends LegCounters {
  readonly title: string
  /** At least one of its connections is open. */
  readonly isOpen: boolean
  /** Connections made so far. */
  readonly connects: number
  /** Frames that could not be decoded. */
  readonly malformed: number
  /** Why it takes no more part: a wrong key, or because there is no more to come. */
  readonly over?: string
}

export interface MergeStats {
  readonly legs: readonly LegStats[]
  /** Events remembered. */
  readonly remembered: number
  /** Events forgotten before their time: `rememberEvents` is too small for `rememberMs`. */
  readonly forgotten: number
  /** Events that wait, with the order `time`. */
  readonly held: number
}

/** A provider over several, for one feed at a time. */
export interface MergedProvider extends Provider {
  /** What each leg has brought, since the provider was made. */
  stats(): MergeStats
}

/**
 * Several sources of the same data as one: all of them stay connected, and of each event the first arrival is delivered. One
 * may be lost without a hole while another goes on; what none carried is a hole. Two receipts are the same event by id,
 * exchange and day where the venue gives an id, else by all the venue says. Books are not merged: their updates mean
 * something only in the order of one source.
 *
 * ```js
 * const both = merge([alpaca({ feed: 'sip', key, secret }), alpaca({ feed: 'sip', key, secret, url })])
 * const feed = openFeed(both)
 * ```
 * @throws BAD_OPTION for no sources, sources of different nature (live and simulated), recordings, unusable options
 */
export function merge(providers: readonly Provider[], options: MergeOptions = {}): MergedProvider {
  const { order = 'arrival', backoff = {}, random = Math.random } = options
  checkProviders(providers)
  if (order !== 'arrival' && order !== 'time') {
    throw new TickwireError('BAD_OPTION', `merge: order is ${order}`, {
      hint: "It is 'arrival' or 'time'.",
    })
  }
  const { leases = DEFAULT_LEASES } = options
  const legOptions: LegOptions = {
    rememberMs: above0('rememberMs', options.rememberMs),
    rememberEvents: above0('rememberEvents', options.rememberEvents),
    windowMs: order === 'time' ? above0('windowMs', options.windowMs) : undefined,
    leases: leases === false ? undefined : leases,
    ...{ backoff, random },
  }
  const legs = providers.map((provider, index) => new Leg(index, provider))
  const id = options.id ?? providers[0]!.id
  let forgotten = 0
  let current: MergedConnection | undefined

  const merged: MergedProvider = {
    id,
    capabilities: capabilitiesOf(providers),
    symbol: text => firstOf(providers, provider => provider.symbol(text)),
    async connect(link) {
      const connection = new MergedConnection(legs, link, legOptions)
      current = connection
      void connection.ended.then(() => {
        forgotten += connection.forgotten
        if (current === connection) current = undefined
      })
      return connection.open()
    },
    stats: () => ({
      legs: legs.map(leg => ({
        ...{ title: leg.provider.capabilities.title, isOpen: leg.isOpen, connects: leg.connects },
        ...leg.counters,
        malformed: leg.malformed,
        ...(leg.over && { over: leg.over.reason?.message ?? 'there is no more to come' }),
      })),
      remembered: current?.remembered ?? 0,
      forgotten: forgotten + (current?.forgotten ?? 0),
      held: current?.held ?? 0,
    }),
  }
  if (providers.some(({ history }) => history)) {
    merged.history = request => history(providers, { source: id, ...request })
  }
  if (providers.some(({ latest }) => latest)) {
    merged.latest = request => latest(providers, { source: id, ...request })
  }
  return merged
}

/** From the first source that has it; from the next one when that fails before it has answered anything. */
async function* history(
  providers: readonly Provider[],
  request: HistoryRequest,
): AsyncGenerator<MarketEvent[]> {
  const able = providers.filter(provider => hasHistory(provider, request.kind))
  for (const [i, provider] of able.entries()) {
    let answered = false
    try {
      for await (const batch of provider.history!(request)) {
        answered = true
        yield batch
      }
      return
    } catch (error) {
      if (answered || i === able.length - 1 || request.signal?.aborted) throw error
    }
  }
  throw new TickwireError('UNSUPPORTED', `no leg has a history of kind ${request.kind}`)
}

async function latest(
  providers: readonly Provider[],
  request: LatestRequest,
): Promise<MarketEvent[]> {
  const able = providers.filter(
    ({ latest, capabilities }) => latest && capabilities.kinds.includes(request.kind),
  )
  for (const [i, provider] of able.entries()) {
    try {
      return await provider.latest!(request)
    } catch (error) {
      if (i === able.length - 1 || request.signal?.aborted) throw error
    }
  }
  throw new TickwireError('UNSUPPORTED', `no leg knows the latest of kind ${request.kind}`)
}

function capabilitiesOf(providers: readonly Provider[]): Capabilities {
  const all = providers.map(({ capabilities }) => capabilities)
  const union = <T>(lists: readonly (readonly T[])[]) => [...new Set(lists.flat())]
  const known = all.flatMap(({ symbols }) => (symbols ? [symbols] : []))
  const kinds = union(all.map(one => one.kinds)).filter(isMergeable)
  const past = kinds.filter(kind => providers.some(provider => hasHistory(provider, kind)))
  return {
    title: all.map(({ title }) => title).join(' + '),
    kinds,
    barIntervals: union(all.map(({ barIntervals }) => barIntervals)),
    wildcard: union(all.map(({ wildcard }) => wildcard)).filter(isMergeable),
    ...(known.length === all.length && { symbols: union(known) }),
    nature: all[0]!.nature,
    ...(all.some(({ sessions }) => sessions) && {
      sessions: union(all.map(({ sessions = USUAL_SESSIONS }) => sessions)),
    }),
    auth: all.some(({ auth }) => auth === 'key') ? 'key' : 'none',
    limits: {},
    history: past.length > 0 && past,
    silenceHint: all[0]!.silenceHint,
  }
}

function checkProviders(providers: readonly Provider[]): void {
  if (!Array.isArray(providers) || providers.length === 0) {
    throw new TickwireError('BAD_OPTION', 'merge: no sources', {
      hint: 'Give a list of providers: merge([one, other]).',
    })
  }
  const natures = new Set(providers.map(({ capabilities }) => capabilities.nature))
  if (natures.size > 1) {
    throw new TickwireError('BAD_OPTION', `merge: sources are ${[...natures].join(' and ')}`, {
      hint: 'Merge sources of one nature, or read feeds of different ones side by side with union.',
    })
  }
  if (providers.some(({ capabilities }) => capabilities.waits)) {
    throw new TickwireError('BAD_OPTION', 'merge: a recording is no source to be merged', {
      hint: 'A source that waits for its readers would hold up the others. Read the feeds with union.',
    })
  }
}

function above0(name: keyof typeof MERGE_DEFAULTS, value = MERGE_DEFAULTS[name] as number): number {
  if (Number.isFinite(value) && value > 0) return value
  throw new TickwireError('BAD_OPTION', `merge: ${name} is ${value}`, {
    hint: `Give a number above 0; ${MERGE_DEFAULTS[name]} is usual.`,
  })
}

/** What the first of them answers; when all refuse, why the first does. */
function firstOf<T>(providers: readonly Provider[], ask: (provider: Provider) => T): T {
  let refusal: unknown
  for (const provider of providers) {
    try {
      return ask(provider)
    } catch (error) {
      if (!(error instanceof TickwireError)) throw error
      refusal ??= error
    }
  }
  throw refusal
}
