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

/**
 * What one connection is to carry, and how far the venue has confirmed it. A lost connection makes all of it
 * `wanted` again; nothing leaves it but by `remove`.
 */
export class Portion {
  readonly #entries = new Map<string, Entry>()
  readonly #changed: () => void

  constructor(changed: () => void) {
    this.#changed = changed
  }

  get topics(): Topic[] {
    return [...this.#entries.values()].map(entry => entry.topic)
  }

  get size(): number {
    return this.#entries.size
  }

  /** True when the venue has answered for everything. */
  get settled(): boolean {
    for (const { state } of this.#entries.values()) {
      if (state === 'wanted' || state === 'sent') return false
    }
    return true
  }

  has(topic: Topic): boolean {
    return this.#entries.has(formatTopic(topic))
  }

  /** Whether any topic of a symbol is in it. */
  carries(symbol: string): boolean {
    for (const { topic } of this.#entries.values()) if (topic.symbol === symbol) return true
    return false
  }

  /** State and reason of a topic. */
  of(topic: Topic): Readonly<Entry> | undefined {
    return this.#entries.get(formatTopic(topic))
  }

  /** Topics in a state, for reconciling. */
  in(state: TopicState): Topic[] {
    return [...this.#entries.values()].filter(entry => entry.state === state).map(e => e.topic)
  }

  add(topics: readonly Topic[]): void {
    for (const topic of topics) {
      const key = formatTopic(topic)
      if (!this.#entries.has(key)) {
        this.#entries.set(key, { topic, state: 'wanted', reason: undefined })
      }
    }
  }

  remove(topics: readonly Topic[]): void {
    for (const topic of topics) this.#entries.delete(formatTopic(topic))
    this.#changed()
  }

  /** Moves topics to a state; returns those it changed anything for. */
  move(topics: readonly Topic[], state: TopicState, reason?: TickwireError): Topic[] {
    const moved: Topic[] = []
    for (const topic of topics) {
      const entry = this.#entries.get(formatTopic(topic))
      if (!entry || entry.state === state) continue
      entry.state = state
      entry.reason = reason
      moved.push(topic)
    }
    if (moved.length > 0) this.#changed()
    return moved
  }

  /** The connection is gone, and every subscription with it. */
  reset(): void {
    for (const entry of this.#entries.values()) {
      entry.state = 'wanted'
      entry.reason = undefined
    }
  }
}

/** What is desired by anybody, counted by user, and who waits for the venue's answer. */
export class Subscriptions implements Interest {
  readonly #users = new Map<string, { readonly topic: Topic; count: number }>()
  readonly #masks = new Map<string, number>()
  readonly #waiters = new Set<() => void>()
  #revision = 1
  #finished = false

  get revision(): number {
    return this.#revision
  }

  get topics(): Topic[] {
    return [...this.#users.values()].map(({ topic }) => topic)
  }

  mask(symbol: string): number {
    return (this.#masks.get(symbol) ?? 0) | (this.#masks.get(ANY) ?? 0)
  }

  /** Counts one user more for each topic; returns those nobody wanted before. */
  add(topics: readonly Topic[]): Topic[] {
    const fresh: Topic[] = []
    for (const topic of topics) {
      const key = formatTopic(topic)
      const held = this.#users.get(key)
      if (held) held.count++
      else {
        this.#users.set(key, { topic, count: 1 })
        this.#masks.set(topic.symbol, (this.#masks.get(topic.symbol) ?? 0) | KIND_BIT[topic.kind])
        fresh.push(topic)
      }
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
      gone.push(topic)
    }
    if (gone.length > 0) this.#refresh()
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

  /** Something is answered or gone: whoever waits looks again. */
  settle(): void {
    for (const check of [...this.#waiters]) check()
  }

  /** Answers everybody who waits with what is known now. */
  finish(): void {
    this.#finished = true
    this.settle()
  }

  #refresh(): void {
    this.#masks.clear()
    for (const { topic } of this.#users.values()) {
      this.#masks.set(topic.symbol, (this.#masks.get(topic.symbol) ?? 0) | KIND_BIT[topic.kind])
    }
    this.#revision++
  }
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
