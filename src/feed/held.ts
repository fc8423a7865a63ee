import type { MarketEvent } from '../market/events.ts'
import type { Control, Inbox } from './description.ts'

/**
 * What a frame has given so far. It is delivered when the whole frame has proved to be sound, and once only: a
 * surprise behind an event neither loses nor repeats it.
 */
export class Held implements Inbox {
  readonly #events: (MarketEvent | undefined)[] = []
  #count = 0
  /** Everything else, each behind its number of events. */
  readonly #others: { readonly behind: number; readonly report: (inbox: Inbox) => void }[] = []

  event(event: MarketEvent): void {
    this.#events[this.#count++] = event
  }

  control(message: Control): void {
    this.later(inbox => inbox.control(message))
  }

  malformed(reason: string): void {
    this.later(inbox => inbox.malformed(reason))
  }

  unknown(kind: string): void {
    this.later(inbox => inbox.unknown(kind))
  }

  /** Done when it is handed on, at its place among the events; not at all where it is forgotten. */
  later(report: (inbox: Inbox) => void): void {
    this.#others.push({ behind: this.#count, report })
  }

  /** Forgets it: the frame is refused. */
  drop(): void {
    this.#events.fill(undefined, 0, this.#count)
    this.#count = 0
    this.#others.length = 0
  }

  /** Hands all of it on, in order, and forgets it. */
  deliver(inbox: Inbox): void {
    if (this.#others.length > 0) {
      this.#deliverMixed(inbox)
      return
    }
    const events = this.#events
    const count = this.#count
    this.#count = 0
    for (let i = 0; i < count; i++) {
      inbox.event(events[i]!)
      events[i] = undefined
    }
  }

  #deliverMixed(inbox: Inbox): void {
    let at = 0
    for (const { behind, report } of this.#others) {
      while (at < behind) inbox.event(this.#events[at++]!)
      report(inbox)
    }
    while (at < this.#count) inbox.event(this.#events[at++]!)
    this.drop()
  }
}
