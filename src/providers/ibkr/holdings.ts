import type { TickwireError } from '../../base/errors.ts'
import type { Link } from '../../feed/provider.ts'
import { formatTopic, type Topic } from '../../market/topics.ts'
import type { Ask, Held } from './subscriptions.ts'

/** The topics a feed wants of one connection, and what it has been told of each. */
export class Holdings {
  readonly #link: Link
  readonly #held = new Map<string, Held>()

  constructor(link: Link) {
    this.#link = link
  }

  get all(): readonly Held[] {
    return [...this.#held.values()]
  }

  /** Those that come by a request. */
  of(ask: Ask): Held[] {
    return [...ask.topics.keys()].flatMap(key => this.#held.get(key) ?? [])
  }

  /** Wanted, from now on; `undefined` where it is already, and TWS still thinks about it. */
  add(topic: Topic): Held | undefined {
    const key = formatTopic(topic)
    const before = this.#held.get(key)
    if (before && before.state !== 'refused' && before.state !== 'limit') return undefined
    const held: Held = { topic, state: 'asked', makeshift: false }
    this.#held.set(key, held)
    return held
  }

  /** @returns false when it was not wanted */
  delete(topic: Topic): boolean {
    return this.#held.delete(formatTopic(topic))
  }

  clear(): void {
    this.#held.clear()
  }

  /** Nobody has let go of it meanwhile, or asked for it anew. */
  isAsked(held: Held): boolean {
    return this.#held.get(formatTopic(held.topic)) === held && held.state === 'asked'
  }

  /** TWS sends these; returns those for which that is news. */
  serve(list: readonly Held[]): readonly Held[] {
    const fresh = list.filter(({ state }) => state !== 'served')
    for (const held of fresh) held.state = 'served'
    return fresh
  }

  /** Tells the feed that these are served. */
  acknowledge(list: readonly Held[]): void {
    if (list.length > 0) this.#link.acknowledged(list.map(({ topic }) => topic))
  }

  /** Tells the feed that these are not to be had: for good, or (`limit`) for want of room, which may come. */
  refuse(
    list: readonly Held[],
    error: TickwireError,
    state: 'refused' | 'limit' = 'refused',
  ): void {
    for (const held of list) held.state = state
    const topics = list.map(({ topic }) => topic)
    if (topics.length > 0) this.#link.rejected(topics, error)
  }
}
