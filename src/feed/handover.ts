import type { EventType, MarketEvent } from '../market/events.ts'

/** Most events remembered or held while a symbol changes its connection; more ends the wait. */
const MOST = 10_000

interface Held {
  readonly event: MarketEvent
  readonly identity: string
  /** Whether the two can meet here for certain. */
  readonly isPlace: boolean
}

/** Identity → how often. */
type Counts = Map<string, number>

/**
 * Moves one symbol from an old connection to a new one without a hole and without a repeat. Both carry it for a
 * while: the old one is delivered and the new one held, until an event that both have shown is the last of the old
 * one delivered. From there on the new one alone counts. A quote may say what an earlier one has said, so where it is
 * what they met by, trades and all else that happens are still told apart one by one. The parts of a book come from one of
 * them, and the book is to be asked for anew when the other takes over.
 */
export class Handover {
  /**
   * Delivered from the old connection since the move began, and not shown by the new one: what has happened, states that
   * their time tells apart, and those that may be said again.
   */
  readonly #happened: Counts = new Map()
  readonly #timed: Counts = new Map()
  readonly #untimed: Counts = new Map()
  /** Identity of the last one of them. */
  #last: string | undefined
  #held: Held[] = []
  /** Kinds of state the new one has shown: the first of each may be of long before it carried the symbol. */
  readonly #begun = new Set<EventType>()
  /**
   * Kinds of state the old one has shown since the move began: what the new one has shown of them alone, ahead of what both
   * have, is older. And those it has shown while something else was held.
   */
  readonly #stated = new Set<EventType>()
  readonly #differing = new Set<EventType>()
  /** Set where the two have not met for certain: what happened as the new connection tells it, not to be delivered again. */
  #taken: Counts | undefined
  /** Identity of the last event delivered before the move began, where the new one may still have it before it. */
  #before: string | undefined
  #confirmed = false
  #done = false

  /** `last`: the last event delivered so far, given when the new connection may be behind it. */
  constructor(last?: MarketEvent) {
    this.#before = last && identityOf(last)
  }

  /** The new connection carries the symbol whole: only what it shows from now on can take over. */
  confirm(): void {
    this.#confirmed = true
  }

  /** The new connection alone counts; the old one may let the symbol go. */
  get done(): boolean {
    return this.#done
  }

  /** It is done, and the new connection has shown all that the old one has delivered. */
  get level(): boolean {
    return this.#done && !this.#taken && this.#count === 0
  }

  /** The new connection has shown something that the old one has not. */
  get waiting(): boolean {
    return this.#held.length > 0
  }

  /** An event of the symbol from the old connection; returns what is to be delivered, in order. */
  old(event: MarketEvent): readonly MarketEvent[] {
    if (event.type === 'book') return this.#done ? [] : [event]
    const identity = identityOf(event)
    const isState = STATES.has(event.type)
    if (this.#done) {
      // All of it has come, or will come, from the new connection; a state, where it has another one since, is of the past.
      if (!this.#taken || isState) return []
      if (takeOne(this.#taken, identity)) {
        // Level at last: all that follows comes from the new one too.
        this.#taken = undefined
        return []
      }
      addOne(this.#happened, identity)
      this.#last = identity
      return [event]
    }
    if (isState) this.#stated.add(event.type)
    const place = this.#held.findIndex(held => held.identity === identity)
    // It may be an earlier one that said the same: a trade beside it is a better place to meet.
    const isBetter = (held: Held) => !STATES.has(held.event.type)
    const isPlace = this.#held[place]?.isPlace === true
    if (place >= 0 && (isPlace || !this.#held.some(isBetter))) {
      // The old one has passed what stands before it; what is none of a state it has missed.
      const missed = this.#held.splice(0, place + 1).slice(0, -1)
      const lost = missed.flatMap(held => (this.#stated.has(held.event.type) ? [] : held.event))
      return [...lost, event, ...this.#finish(isPlace)]
    }
    addOne(this.#shownLike(event), identity)
    this.#last = identity
    if (isState && this.#held.length > 0) this.#differing.add(event.type)
    if (this.#count <= MOST) return [event]
    // Not confirmed yet: what was shown long ago will not be shown again.
    if (!this.#confirmed) this.#forget()
    return [event, ...(this.#confirmed ? this.force() : [])]
  }

  /** An event of the symbol from the new connection; returns what is to be delivered, in order. */
  fresh(event: MarketEvent): readonly MarketEvent[] {
    // The new one's deltas follow on a snapshot of its own: none of them fits what the old one has brought.
    if (event.type === 'book') return this.#done ? [event] : []
    if (this.level) return [event]
    if (!this.#confirmed) return []
    const identity = identityOf(event)
    if (this.#done) return this.#apart(event, identity)
    const isPlace = isUnique(event) && (!STATES.has(event.type) || this.#begun.has(event.type))
    this.#begun.add(event.type)
    if (identity === this.#before) {
      // It was behind: what it has shown so far was delivered before the move began.
      this.#before = undefined
      this.#held = []
      return this.#count === 0 ? this.#finish(isPlace) : []
    }
    const shown = this.#shownLike(event)
    if (takeOne(shown, identity)) {
      // Behind the old one, a state it has held is one that it began with: older than what was delivered.
      this.#held = this.#held.filter(held => !this.#stated.has(held.event.type))
      // The new one is level with the old one when it shows the last event the old one has delivered.
      return identity === this.#last && !shown.has(identity) ? this.#finish(isPlace) : []
    }
    this.#held.push({ event, identity, isPlace })
    return this.#held.length > MOST ? this.force() : []
  }

  /** Ends the wait where the two never met (a silent symbol); what the old one still brings is told apart. */
  force(): readonly MarketEvent[] {
    if (this.#done || !this.#confirmed) return []
    // A kind that the old one does not carry may stand before what both have shown.
    this.#held = this.#held.filter(
      ({ event, identity }) => !takeOne(this.#shownLike(event), identity),
    )
    // Where both have told states in words of their own, all but the newest would go back in time.
    const newest = new Map(this.#held.map(({ event }) => [event.type, event]))
    this.#held = this.#held.filter(
      ({ event }) => !this.#differing.has(event.type) || newest.get(event.type) === event,
    )
    this.#untimed.clear()
    return this.#releaseApart()
  }

  /** Ends the wait where the old connection has nothing more to bring. */
  over(): readonly MarketEvent[] {
    if (this.#done || !this.#confirmed) return []
    this.#untimed.clear()
    return this.#release()
  }

  /** From the new connection, which may still be behind what the old one has delivered. */
  #apart(event: MarketEvent, identity: string): readonly MarketEvent[] {
    const shown = this.#shownLike(event)
    if (takeOne(shown, identity)) {
      if (identity === this.#last && !shown.has(identity)) this.#forget()
      return []
    }
    if (!STATES.has(event.type) && this.#taken && this.#taken.size < MOST) {
      addOne(this.#taken, identity)
    }
    return [event]
  }

  /** They have met, for certain or not: what the new one has not shown of what led to it, it will not show. */
  #finish(isPlace: boolean): readonly MarketEvent[] {
    if (isPlace) {
      this.#forget()
      return this.#release()
    }
    this.#timed.clear()
    this.#untimed.clear()
    return this.#releaseApart()
  }

  #releaseApart(): readonly MarketEvent[] {
    this.#taken = new Map()
    for (const { event, identity } of this.#held) {
      if (!STATES.has(event.type)) addOne(this.#taken, identity)
    }
    return this.#release()
  }

  #release(): readonly MarketEvent[] {
    const held = this.#held.map(({ event }) => event)
    this.#held = []
    this.#done = true
    return held
  }

  get #count(): number {
    return this.#happened.size + this.#timed.size + this.#untimed.size
  }

  #shownLike(event: MarketEvent): Counts {
    if (!STATES.has(event.type)) return this.#happened
    return isTimed(event) ? this.#timed : this.#untimed
  }

  #forget(): void {
    this.#happened.clear()
    this.#timed.clear()
    this.#untimed.clear()
  }
}

/** Kinds that say what a symbol is at, not what has happened: some venues tell them at once to whoever subscribes. */
const STATES: ReadonlySet<EventType> = new Set(['quote', 'ticker'])

/** Whether the venue has told its time, and to less than a second. */
const isTimed = (event: MarketEvent) =>
  event.type !== 'ticker' && !isOfReceipt(event) && (event.timestamp % 1_000 > 0 || event.nanos > 0)

/** Whether hardly another event of the symbol says the same. */
const isUnique = (event: MarketEvent) =>
  isTimed(event) || (!STATES.has(event.type) && (event.type !== 'trade' || event.id !== undefined))

/** Kinds that the venue always tells with its time: where ours is the same, that is chance. */
const TOLD_TIME: ReadonlySet<EventType> = new Set(['trade', 'cancel', 'correction', 'bar'])

/** Whether ours stands where the venue has said no time. */
const isOfReceipt = ({ type, timestamp, nanos, receivedAt }: MarketEvent) =>
  !TOLD_TIME.has(type) && timestamp === Math.floor(receivedAt) && nanos === 0

function addOne(counts: Counts, identity: string): void {
  counts.set(identity, (counts.get(identity) ?? 0) + 1)
}

function takeOne(counts: Counts, identity: string): boolean {
  const count = counts.get(identity)
  if (count === undefined) return false
  if (count === 1) counts.delete(identity)
  else counts.set(identity, count - 1)
  return true
}

/**
 * What makes two receipts of an event the same: all that the venue says, nothing that we add. Where it says no time, as of
 * some quotes, ours stands there, and a ticker may have that of its sending: each connection has another one.
 */
export function identityOf(event: MarketEvent): string {
  const { receivedAt: _receivedAt, seq: _seq, timestamp, nanos, ...said } = event
  const isTold = event.type !== 'ticker' && !isOfReceipt(event)
  return JSON.stringify(isTold ? { timestamp, nanos, ...said } : said)
}
