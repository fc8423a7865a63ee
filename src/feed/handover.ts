import type { MarketEvent } from '../market/events.ts'

/** Most events remembered or held while a symbol changes its connection; more ends the wait. */
const MOST = 10_000

/**
 * Moves one symbol from an old connection to a new one without a hole and without a repeat. Both carry it for a
 * while: the old one is delivered and the new one held, until an event that both have shown is the last of the old
 * one delivered. From there on the new one alone counts.
 */
export class Handover {
  /** Delivered from the old connection since the move began: identity → how often. */
  readonly #shown = new Map<string, number>()
  /** Identity of the last one of them. */
  #last: string | undefined
  #held: MarketEvent[] = []
  /** Set by a forced end: delivered from the new connection, so not to be delivered from the old one again. */
  #taken: Map<string, number> | undefined
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
    return this.#done && !this.#taken && this.#shown.size === 0
  }

  /** The new connection has shown something that the old one has not. */
  get waiting(): boolean {
    return this.#held.length > 0
  }

  /** An event of the symbol from the old connection; returns what is to be delivered, in order. */
  old(event: MarketEvent): readonly MarketEvent[] {
    const identity = identityOf(event)
    if (this.#done) {
      // After a proper end all of it has come, or will come, from the new connection.
      if (!this.#taken) return []
      if (takeOne(this.#taken, identity)) {
        // Level at last: all that follows comes from the new one too.
        this.#taken = undefined
        return []
      }
      addOne(this.#shown, identity)
      this.#last = identity
      return [event]
    }
    const [first] = this.#held
    if (first && identityOf(first) === identity) {
      this.#held.shift()
      return [event, ...this.#finish()]
    }
    addOne(this.#shown, identity)
    this.#last = identity
    if (this.#shown.size <= MOST) return [event]
    // Not confirmed yet: what was shown long ago will not be shown again.
    if (!this.#confirmed) this.#shown.clear()
    return [event, ...(this.#confirmed ? this.force() : [])]
  }

  /** An event of the symbol from the new connection; returns what is to be delivered, in order. */
  fresh(event: MarketEvent): readonly MarketEvent[] {
    if (this.level) return [event]
    if (!this.#confirmed) return []
    const identity = identityOf(event)
    if (this.#done) return this.#afterForce(event, identity)
    if (identity === this.#before) {
      // It was behind: what it has shown so far was delivered before the move began.
      this.#before = undefined
      this.#held = []
      return this.#shown.size === 0 ? this.#finish() : []
    }
    if (this.#held.length === 0 && takeOne(this.#shown, identity)) {
      // The new one is level with the old one when it shows the last event the old one has delivered.
      return identity === this.#last && !this.#shown.has(identity) ? this.#finish() : []
    }
    this.#held.push(event)
    return this.#held.length > MOST ? this.force() : []
  }

  /** Ends the wait where the two never met (a silent symbol); what the old one still brings is told apart. */
  force(): readonly MarketEvent[] {
    if (this.#done || !this.#confirmed) return []
    // A kind that the old one does not carry may stand before what both have shown.
    this.#held = this.#held.filter(event => !takeOne(this.#shown, identityOf(event)))
    this.#taken = new Map()
    for (const event of this.#held) addOne(this.#taken, identityOf(event))
    return this.#release()
  }

  /** Ends the wait where the old connection has nothing more to bring. */
  over(): readonly MarketEvent[] {
    return this.#done || !this.#confirmed ? [] : this.#release()
  }

  /** From the new connection, which may still be behind what the old one has delivered. */
  #afterForce(event: MarketEvent, identity: string): readonly MarketEvent[] {
    if (takeOne(this.#shown, identity)) {
      if (identity === this.#last && !this.#shown.has(identity)) this.#shown.clear()
      return []
    }
    if (this.#taken && this.#taken.size < MOST) addOne(this.#taken, identity)
    return [event]
  }

  #finish(): readonly MarketEvent[] {
    this.#shown.clear()
    return this.#release()
  }

  #release(): readonly MarketEvent[] {
    const held = this.#held
    this.#held = []
    this.#done = true
    return held
  }
}

function addOne(counts: Map<string, number>, identity: string): void {
  counts.set(identity, (counts.get(identity) ?? 0) + 1)
}

function takeOne(counts: Map<string, number>, identity: string): boolean {
  const count = counts.get(identity)
  if (count === undefined) return false
  if (count === 1) counts.delete(identity)
  else counts.set(identity, count - 1)
  return true
}

/** What makes two receipts of an event the same: all that the venue says, nothing that we add. */
export function identityOf(event: MarketEvent): string {
  const { receivedAt: _receivedAt, seq: _seq, ...said } = event
  return JSON.stringify(said)
}
