import type { Clock, Timer } from '../base/clock.ts'
import type { Bar, MarketEvent } from '../market/events.ts'
import { type Hole, keyOfHole } from './hole.ts'
import { exactIdentityOf, identityOf, Multiset } from './identity.ts'
import { endOf } from './repair-past.ts'

/** How long what history has shown may be on its way on the stream, ms. */
const IN_FLIGHT_MS = 30_000

/** What has been filled in of a topic within a time, and may still be on its way on the stream. */
class OfTopic {
  readonly #counts = new Multiset()
  readonly #bars = new Map<string, Bar>()
  /** By our clock: from when on what is filled in belongs to the next. */
  readonly closesAt: number
  /** By our clock: what comes later was not on its way. */
  until = Number.NEGATIVE_INFINITY
  /** What was filled in before. */
  older: OfTopic | undefined

  constructor(now: number, older: OfTopic | undefined) {
    this.closesAt = now + IN_FLIGHT_MS
    this.older = older
    // What a topic is filled in again and again with is not kept for ever.
    if (older) older.older = undefined
  }

  add(event: MarketEvent): void {
    if (event.type === 'bar') this.#bars.set(identityOf(event), event)
    else this.#counts.add(identityOf(event))
  }

  /** Whether an event of the stream is one of them; each is found once. */
  take(event: MarketEvent, now: number): boolean {
    const { older } = this
    if (now > this.until) return false
    if (event.type !== 'bar') {
      return this.#counts.take(identityOf(event)) || (older?.take(event, now) ?? false)
    }
    const place = identityOf(event)
    const said = this.#bars.get(place)
    if (said === undefined) return older?.take(event, now) ?? false
    // What it was like before it was over, or had grown so far, is behind us, and what comes then may still come.
    if (!event.final && (said.final || event.volume < said.volume)) return true
    // Once the stream says something else of a bar, what it says behind that counts.
    this.#bars.delete(place)
    if (older) older.#bars.delete(place)
    return said.final === event.final && exactIdentityOf(said) === exactIdentityOf(event)
  }
}

/**
 * What has been filled in from history and, sent by the venue after its stream had begun again, may still come that way
 * too: then it is not delivered twice.
 */
export class Filled {
  readonly #clock: Clock
  /** How long before the stream began again something was sent that may have come since, ms. */
  readonly #overlapMs: number
  readonly #topics = new Map<string, OfTopic>()
  #forgetting: Timer | undefined

  constructor(clock: Clock, overlapMs: number) {
    this.#clock = clock
    this.#overlapMs = overlapMs
  }

  get isEmpty(): boolean {
    return this.#topics.size === 0
  }

  /** These are filled in now. */
  remember(hole: Hole, missed: readonly MarketEvent[]): void {
    const recent = missed.filter(event => endOf(event) >= hole.resumedAt! - this.#overlapMs)
    if (recent.length === 0) return
    const key = keyOfHole(hole)
    const now = this.#clock.now()
    let topic = this.#topics.get(key)
    if (!topic || now >= topic.closesAt) this.#topics.set(key, (topic = new OfTopic(now, topic)))
    for (const event of recent) topic.add(event)
    topic.until = now + IN_FLIGHT_MS
    this.#forgetting ??= this.#forgetLater()
  }

  /** Whether an event of the stream has been delivered from history; each is found once. */
  take(key: string, event: MarketEvent): boolean {
    return this.#topics.get(key)?.take(event, this.#clock.now()) ?? false
  }

  close(): void {
    this.#forgetting?.cancel()
  }

  #forgetLater(): Timer {
    const forget = () => {
      const now = this.#clock.now()
      for (const [key, { until }] of this.#topics) if (now > until) this.#topics.delete(key)
      this.#forgetting = this.#topics.size > 0 ? this.#forgetLater() : undefined
    }
    return this.#clock.setTimeout(forget, IN_FLIGHT_MS + 1, 'idle')
  }
}
