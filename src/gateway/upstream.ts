import type { Clock, Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import { CHANNELS } from '../feed/channels.ts'
import type { Hold, SubscribeRequest } from '../feed/feed.ts'
import type { EventType, Interval } from '../market/events.ts'
import { ANY, formatTopic, type Topic } from '../market/topics.ts'
import type { GatewayFeed } from './context.ts'

/** How long a subscription of the venue is kept when nobody wants it any more, ms. */
export const LINGER_MS = 30_000

/** What somebody asks for, as users write it. */
export interface Asked {
  readonly kinds: readonly EventType[]
  readonly symbols: readonly string[]
  readonly source?: string | undefined
  readonly interval?: Interval | undefined
}

export interface Rejection {
  readonly topic: Topic
  readonly reason: TickwireError
}

/** What was asked, as the sources call it. */
export interface Resolved {
  readonly topics: readonly Topic[]
  readonly rejected: readonly Rejection[]
}

/** What the venues have said. */
export interface Outcome {
  readonly accepted: readonly Topic[]
  readonly rejected: readonly Rejection[]
  readonly pending: readonly Topic[]
}

interface Entry {
  readonly topic: Topic
  readonly feed: GatewayFeed
  users: number
  /** Whose topic it is, where the venue has been asked. */
  hold: Hold | undefined
  /** Why it was not. */
  refusal: TickwireError | undefined
  /** Since when nobody wants it, our clock. */
  idleSince: number | undefined
}

const CHANNEL_OF = Object.fromEntries(
  Object.entries(CHANNELS).map(([channel, kind]) => [kind, channel]),
) as Readonly<Record<EventType, string>>

/**
 * The union of what all clients want, each topic counted by user: what the venues see is one subscription, made with the
 * first and let go of a while after the last, never for one who comes or goes in between.
 */
export class Upstream {
  readonly #feeds: readonly GatewayFeed[]
  readonly #clock: Clock
  readonly #lingerMs: number
  readonly #entries = new Map<string, Entry>()
  #timer: Timer | undefined

  constructor(feeds: readonly GatewayFeed[], clock: Clock, lingerMs = LINGER_MS) {
    this.#feeds = feeds
    this.#clock = clock
    this.#lingerMs = lingerMs
  }

  /** Topics that are held, also those only for a while longer. */
  get size(): number {
    return this.#entries.size
  }

  /**
   * What is asked, in the names of the sources; what no source can have is rejected.
   * @throws UNKNOWN_FEED for a source that is not there
   */
  resolve({ kinds, symbols, source = ANY, interval }: Asked): Resolved {
    const feeds = this.#feeds.filter(feed => source === ANY || feed.source === source)
    if (feeds.length === 0) {
      const names = this.#feeds.map(feed => feed.source)
      const hint = `${didYouMean(source, names)} This gateway has: ${names.join(', ')}.`
      throw new TickwireError('UNKNOWN_FEED', `no source ${source} here`, { hint })
    }
    const topics = new Map<string, Topic>()
    const rejected: Rejection[] = []
    // Who names one a thousand times asks for it once.
    const each = new Set(symbols)
    for (const kind of new Set(kinds)) {
      const able = feeds.filter(feed => feed.capabilities.kinds.includes(kind))
      for (const text of each) {
        const length = kind === 'bar' ? (interval ?? '1m') : undefined
        const one = this.#resolveOne(able, { source, kind, symbol: text, interval: length })
        for (const topic of one.topics) topics.set(formatTopic(topic), topic)
        rejected.push(...one.rejected)
      }
    }
    return { topics: [...topics.values()], rejected }
  }

  /** A symbol that one source knows is not rejected because another does not. */
  #resolveOne(feeds: readonly GatewayFeed[], asked: Topic): Resolved {
    const topics: Topic[] = []
    const rejected: Rejection[] = []
    for (const feed of feeds) {
      // What is played back says where it was from.
      const source = feed.capabilities.nature === 'replayed' ? ANY : feed.source
      try {
        topics.push({ ...asked, source, symbol: symbolOf(feed, asked) })
      } catch (error) {
        rejected.push({ topic: { ...asked, source: feed.source }, reason: reasonOf(error) })
      }
    }
    if (topics.length > 0) return { topics, rejected: [] }
    if (rejected.length > 0) return { topics, rejected }
    const has = [...new Set(this.#feeds.flatMap(feed => feed.capabilities.kinds))].join(', ')
    const reason = new TickwireError('UNSUPPORTED', `no source here has ${asked.kind} events`, {
      hint: `There are: ${has}.`,
    })
    return { topics, rejected: [{ topic: asked, reason }] }
  }

  /** Wants these, for one user more; they must have been resolved. */
  hold(topics: readonly Topic[]): void {
    const fresh: Entry[] = []
    for (const topic of topics) {
      const key = formatTopic(topic)
      let entry = this.#entries.get(key)
      if (!entry) {
        const feed = this.#feedOf(topic)
        entry = { topic, feed, users: 0, hold: undefined, refusal: undefined, idleSince: undefined }
        this.#entries.set(key, entry)
        fresh.push(entry)
      } else if (entry.refusal) fresh.push(entry)
      entry.users++
      entry.idleSince = undefined
    }
    for (const entries of grouped(fresh)) this.#ask(entries)
  }

  /** Needs these no more. */
  release(topics: readonly Topic[]): void {
    const now = this.#clock.now()
    for (const topic of topics) {
      const entry = this.#entries.get(formatTopic(topic))
      if (entry && --entry.users === 0) entry.idleSince = now
    }
    this.#timer ??= this.#clock.setTimeout(() => this.#sweep(), this.#lingerMs, 'idle')
  }

  /** What the venues have said of these by now, or say in time. */
  async answer(topics: readonly Topic[]): Promise<Outcome> {
    const accepted: Topic[] = []
    const rejected: Rejection[] = []
    const pending: Topic[] = []
    const byHold = new Map<Hold, Topic[]>()
    for (const topic of topics) {
      const entry = this.#entries.get(formatTopic(topic))
      if (!entry) continue
      if (entry.refusal) rejected.push({ topic, reason: entry.refusal })
      else if (entry.hold) put(byHold, entry.hold, topic)
    }
    await Promise.all(
      [...byHold].map(async ([hold, own]) => {
        try {
          const outcome = await hold.answer(own)
          accepted.push(...outcome.accepted)
          rejected.push(...outcome.rejected)
          pending.push(...outcome.pending)
        } catch (error) {
          for (const topic of own) rejected.push({ topic, reason: reasonOf(error) })
        }
      }),
    )
    return { accepted, rejected, pending }
  }

  close(): void {
    this.#timer?.cancel()
    for (const { hold } of this.#entries.values()) hold?.release()
    this.#entries.clear()
  }

  #feedOf(topic: Topic): GatewayFeed {
    return (
      this.#feeds.find(feed => feed.source === topic.source) ??
      this.#feeds.find(feed => feed.capabilities.nature === 'replayed')!
    )
  }

  /** Asks for all at once; where that cannot be, for each by itself, so that one takes no other with it. */
  #ask(entries: readonly Entry[]): void {
    const { feed } = entries[0]!
    try {
      const hold = feed.hold(requestOf(entries))
      for (const entry of entries) {
        entry.hold = hold
        entry.refusal = undefined
      }
    } catch (error) {
      if (entries.length > 1) for (const entry of entries) this.#ask([entry])
      else entries[0]!.refusal = reasonOf(error)
    }
  }

  #sweep(): void {
    this.#timer = undefined
    const now = this.#clock.now()
    const byHold = new Map<Hold, Topic[]>()
    let next = Number.POSITIVE_INFINITY
    for (const [key, { topic, idleSince, hold }] of this.#entries) {
      if (idleSince === undefined) continue
      const left = idleSince + this.#lingerMs - now
      if (left > 0) {
        next = Math.min(next, left)
        continue
      }
      this.#entries.delete(key)
      if (hold) put(byHold, hold, topic)
    }
    for (const [hold, topics] of byHold) hold.release(topics)
    if (next < Number.POSITIVE_INFINITY) {
      this.#timer ??= this.#clock.setTimeout(() => this.#sweep(), next, 'idle')
    }
  }
}

/** @throws BAD_SYMBOL UNKNOWN_SYMBOL UNSUPPORTED */
function symbolOf({ provider, capabilities }: GatewayFeed, { kind, symbol, interval }: Topic) {
  const { wildcard, title, barIntervals } = capabilities
  if (interval !== undefined && !barIntervals.includes(interval)) {
    const has = barIntervals.length > 0 ? `It has: ${barIntervals.join(', ')}.` : ''
    throw new TickwireError('UNSUPPORTED', `${title} has no bars of ${interval}`, {
      hint: `${has} The provider tickwire and \`feed.bars\` build any others from trades.`.trim(),
    })
  }
  if (symbol !== ANY) return provider.symbol(symbol)
  if (wildcard.includes(kind)) return ANY
  throw new TickwireError('UNSUPPORTED', `${title} has no wildcard for ${kind} events`, {
    hint: 'Name the symbols.',
  })
}

function requestOf(entries: readonly Entry[]): SubscribeRequest {
  const symbols: Record<string, string[]> = {}
  for (const { topic } of entries) {
    ;(symbols[CHANNEL_OF[topic.kind]] ??= []).push(topic.symbol)
  }
  const { interval } = entries.find(({ topic }) => topic.kind === 'bar')?.topic ?? {}
  return { ...symbols, ...(interval && { interval }) }
}

/** Entries that go into one request: of one feed, and bars of one length. */
function grouped(entries: readonly Entry[]): Iterable<Entry[]> {
  const groups = new Map<string, Entry[]>()
  for (const entry of entries) {
    const key = `${entry.feed.source} ${entry.topic.interval ?? ''}`
    const others = groups.get(key)
    if (others) others.push(entry)
    else groups.set(key, [entry])
  }
  return groups.values()
}

/** Puts it behind what is there: a client may ask for thousands at once. */
function put<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list) list.push(value)
  else map.set(key, [value])
}

function reasonOf(error: unknown): TickwireError {
  if (error instanceof TickwireError) return error
  return new TickwireError('VENUE_ERROR', asError(error).message, { cause: error })
}
