import type { Clock } from '../base/clock.ts'
import type { TickwireError } from '../base/errors.ts'
import { ANY, formatTopic, type Topic } from '../market/topics.ts'
import { type Interest, KIND_BIT } from './provider.ts'

/** What became of a request to subscribe. Topics still `pending` are asked for again after every reconnect. */
export interface SubscribeOutcome {
  /** The venue confirmed them. */
  readonly accepted: readonly Topic[]
  /** The venue refused them, and why. */
  readonly rejected: readonly { readonly topic: Topic; readonly reason: TickwireError }[]
  /** No answer yet: not connected, or the venue is silent about them. */
  readonly pending: readonly Topic[]
}

/** `wanted` not asked for yet · `sent` asked, unanswered · `acknowledged` · `rejected`. */
export type TopicState = 'wanted' | 'sent' | 'acknowledged' | 'rejected'

interface Entry {
  readonly topic: Topic
  state: TopicState
  reason: TickwireError | undefined
}

type Entries = Map<string, Entry>

/**
 * What one connection is to carry, and how far the venue has confirmed it. A lost connection makes all of it
 * `wanted` again; nothing leaves it but by `remove`. Looking up a symbol or a state costs no more than what is found:
 * thousands of symbols may come and go one by one.
 */
export class Portion {
  readonly #entries: Entries = new Map()
  readonly #symbols = new Map<string, Set<Topic>>()
  readonly #states: Readonly<Record<TopicState, Entries>> = {
    wanted: new Map(),
    sent: new Map(),
    acknowledged: new Map(),
    rejected: new Map(),
  }
  readonly #changed: () => void

  constructor(changed: () => void) {
    this.#changed = changed
  }

  get topics(): Topic[] {
    return topicsIn(this.#entries)
  }

  get size(): number {
    return this.#entries.size
  }

  /** True when the venue has answered for everything. */
  get settled(): boolean {
    return this.#states.wanted.size === 0 && this.#states.sent.size === 0
  }

  has(topic: Topic): boolean {
    return this.#entries.has(formatTopic(topic))
  }

  /** The topics of a symbol. */
  ofSymbol(symbol: string): Topic[] {
    return [...(this.#symbols.get(symbol) ?? [])]
  }

  /** State and reason of a topic. */
  of(topic: Topic): Readonly<Entry> | undefined {
    return this.#entries.get(formatTopic(topic))
  }

  /** Topics in a state, for reconciling. */
  in(state: TopicState): Topic[] {
    return topicsIn(this.#states[state])
  }

  add(topics: readonly Topic[]): void {
    for (const topic of topics) {
      const key = formatTopic(topic)
      if (this.#entries.has(key)) continue
      const entry: Entry = { topic, state: 'wanted', reason: undefined }
      this.#entries.set(key, entry)
      this.#states.wanted.set(key, entry)
      const others = this.#symbols.get(topic.symbol)
      if (others) others.add(topic)
      else this.#symbols.set(topic.symbol, new Set([topic]))
    }
  }

  remove(topics: readonly Topic[]): void {
    for (const topic of topics) {
      const key = formatTopic(topic)
      const entry = this.#entries.get(key)
      if (!entry) continue
      this.#entries.delete(key)
      this.#states[entry.state].delete(key)
      const others = this.#symbols.get(topic.symbol)
      others?.delete(entry.topic)
      if (others?.size === 0) this.#symbols.delete(topic.symbol)
    }
    this.#changed()
  }

  /** Moves topics to a state; returns those it changed anything for. */
  move(topics: readonly Topic[], state: TopicState, reason?: TickwireError): Topic[] {
    const moved: Topic[] = []
    for (const topic of topics) {
      const key = formatTopic(topic)
      const entry = this.#entries.get(key)
      // Refused for something else is news.
      if (!entry || (entry.state === state && entry.reason?.code === reason?.code)) continue
      this.#states[entry.state].delete(key)
      this.#states[state].set(key, entry)
      entry.state = state
      entry.reason = reason
      moved.push(topic)
    }
    if (moved.length > 0) this.#changed()
    return moved
  }

  /** The connection is gone, and every subscription with it. */
  reset(): void {
    this.move(this.topics, 'wanted')
  }
}

/** What is desired by anybody, counted by user, and who waits for the venue's answer. */
export class Subscriptions implements Interest {
  readonly #users = new Map<string, { readonly topic: Topic; count: number }>()
  /** What is desired of each symbol, and the kinds of it as a mask. */
  readonly #symbols = new Map<string, { readonly topics: Set<Topic>; mask: number }>()
  readonly #waiters = new Set<() => void>()
  #settling = false
  #revision = 1
  #finished = false

  get revision(): number {
    return this.#revision
  }

  /** Whether nobody wants anything. */
  get isEmpty(): boolean {
    return this.#users.size === 0
  }

  get topics(): Topic[] {
    return [...this.#users.values()].map(({ topic }) => topic)
  }

  mask(symbol: string): number {
    return (this.#symbols.get(symbol)?.mask ?? 0) | (this.#symbols.get(ANY)?.mask ?? 0)
  }

  /** Counts one user more for each topic; returns those nobody wanted before. */
  add(topics: readonly Topic[]): Topic[] {
    const fresh: Topic[] = []
    for (const topic of topics) {
      const key = formatTopic(topic)
      const held = this.#users.get(key)
      if (held) {
        held.count++
        continue
      }
      this.#users.set(key, { topic, count: 1 })
      const { symbol } = topic
      const entry = this.#symbols.get(symbol) ?? { topics: new Set(), mask: 0 }
      this.#symbols.set(symbol, entry)
      entry.topics.add(topic)
      entry.mask = maskOf(entry.topics)
      fresh.push(topic)
    }
    if (fresh.length > 0) this.#revision++
    return fresh
  }

  /** Counts one user less for each topic; returns those nobody wants any more. */
  release(topics: readonly Topic[]): Topic[] {
    const gone: Topic[] = []
    for (const topic of topics) {
      const key = formatTopic(topic)
      const held = this.#users.get(key)
      if (!held || --held.count > 0) continue
      this.#users.delete(key)
      const entry = this.#symbols.get(topic.symbol)!
      entry.topics.delete(held.topic)
      entry.mask = maskOf(entry.topics)
      if (entry.mask === 0) this.#symbols.delete(topic.symbol)
      gone.push(topic)
    }
    if (gone.length > 0) this.#revision++
    return gone
  }

  /** Resolves when the venue has answered for every topic, at the latest after `timeoutMs`. */
  outcome(
    topics: readonly Topic[],
    entryOf: (topic: Topic) => Readonly<Entry> | undefined,
    clock: Clock,
    timeoutMs: number,
  ): Promise<SubscribeOutcome> {
    return new Promise(resolve => {
      const finish = () => {
        timer.cancel()
        this.#waiters.delete(check)
        resolve(outcomeOf(topics, entryOf))
      }
      const check = () => {
        const open = topics.some(topic => {
          const state = entryOf(topic)?.state
          return state === 'wanted' || state === 'sent'
        })
        if (!open || this.#finished) finish()
      }
      const timer = clock.setTimeout(finish, timeoutMs, 'idle')
      this.#waiters.add(check)
      check()
    })
  }

  /** Something is answered or gone: whoever waits looks again, once for all that changed in this turn. */
  settle(): void {
    if (this.#settling || this.#waiters.size === 0) return
    this.#settling = true
    queueMicrotask(() => {
      this.#settling = false
      this.#check()
    })
  }

  /** Answers everybody who waits with what is known now. */
  finish(): void {
    this.#finished = true
    this.#check()
  }

  #check(): void {
    for (const check of [...this.#waiters]) check()
  }
}

function maskOf(topics: Iterable<Topic>): number {
  let mask = 0
  for (const { kind } of topics) mask |= KIND_BIT[kind]
  return mask
}

function topicsIn(entries: Entries): Topic[] {
  return Array.from(entries.values(), ({ topic }) => topic)
}

function outcomeOf(
  topics: readonly Topic[],
  entryOf: (topic: Topic) => Readonly<Entry> | undefined,
): SubscribeOutcome {
  const accepted: Topic[] = []
  const rejected: { topic: Topic; reason: TickwireError }[] = []
  const pending: Topic[] = []
  for (const topic of topics) {
    const entry = entryOf(topic)
    if (entry?.state === 'acknowledged') accepted.push(topic)
    else if (entry?.state === 'rejected' && entry.reason)
      rejected.push({ topic, reason: entry.reason })
    else pending.push(topic)
  }
  return { accepted, rejected, pending }
}
