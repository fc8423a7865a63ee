import type { Clock, Timer } from '../base/clock.ts'
import { type MarketEvent, markLate } from '../market/events.ts'
import { venueOrder } from './identity.ts'

/** Most events held; more lets the oldest go before their time. */
const MOST_HELD = 100_000

interface Held {
  readonly event: MarketEvent
  readonly due: number
  free: boolean
}

/** Held of one symbol, in order of venue time, from `head` on. */
interface Line {
  list: Held[]
  head: number
}

/** Marks what comes behind a later event of its symbol and kind, and lets everything pass as it comes. */
export class ArrivalOrder {
  readonly #newest = new Map<string, Map<string, MarketEvent>>()

  /** Whether it came late; it is marked then. */
  isLate(event: MarketEvent): boolean {
    const { type, symbol } = event
    // Only of these is every event a moment of its own: a revised bar is older by right.
    if (symbol === undefined || !(type === 'trade' || type === 'quote' || type === 'ticker')) {
      return false
    }
    let kind = this.#newest.get(type)
    if (!kind) this.#newest.set(type, (kind = new Map()))
    const newest = kind.get(symbol)
    if (newest && venueOrder(event, newest) < 0) {
      markLate(event)
      return true
    }
    kind.set(symbol, event)
    return false
  }
}

/**
 * Puts the events of each symbol in the order of their venue times: each is held for `windowMs` and goes, behind what is
 * older than it, when that is over. What is older than one that has gone already passes at once, marked `late`.
 * Bars and news are not held: their times are not those at which they come.
 */
export class TimeOrder {
  readonly #windowMs: number
  readonly #clock: Clock
  readonly #deliver: (batch: readonly MarketEvent[]) => void
  readonly #lines = new Map<string, Line>()
  /** The last of each symbol that has gone. */
  readonly #gone = new Map<string, MarketEvent>()
  /** In order of arrival. */
  #queue: Held[] = []
  #head = 0
  #timer: Timer | undefined

  constructor(windowMs: number, clock: Clock, deliver: (batch: readonly MarketEvent[]) => void) {
    this.#windowMs = windowMs
    this.#clock = clock
    this.#deliver = deliver
  }

  get size(): number {
    return this.#queue.length - this.#head
  }

  /** `held`, or what it is to pass as at once. */
  take(event: MarketEvent): 'held' | 'late' | 'free' {
    const { type, symbol } = event
    if (symbol === undefined || type === 'bar' || type === 'news') return 'free'
    const gone = this.#gone.get(symbol)
    if (gone && venueOrder(event, gone) < 0) {
      markLate(event)
      return 'late'
    }
    const held: Held = { event, due: this.#clock.now() + this.#windowMs, free: false }
    let line = this.#lines.get(symbol)
    if (!line) this.#lines.set(symbol, (line = { list: [], head: 0 }))
    const { list, head } = line
    let at = list.length
    while (at > head && venueOrder(event, list[at - 1]!.event) < 0) at--
    list.splice(at, 0, held)
    this.#queue.push(held)
    if (this.size > MOST_HELD) this.#release(held.due - this.#windowMs, 1)
    this.#timer ??= this.#wait()
    return 'held'
  }

  /** Lets everything go. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#release(Number.POSITIVE_INFINITY, 0)
  }

  #wait(): Timer | undefined {
    const next = this.#queue[this.#head]
    if (!next) return undefined
    return this.#clock.setTimeout(() => {
      this.#release(this.#clock.now(), 0)
      this.#timer = this.#wait()
    }, next.due - this.#clock.now())
  }

  /** Lets go what is due at `now`, and of the rest the oldest, as many as `surplus`. */
  #release(now: number, surplus: number): void {
    const batch: MarketEvent[] = []
    let more = surplus
    for (; this.#head < this.#queue.length; this.#head++) {
      const next = this.#queue[this.#head]!
      if (next.due > now && more-- <= 0) break
      if (!next.free) this.#let(next, batch)
    }
    if (this.#head > this.#queue.length / 2) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
    if (batch.length > 0) this.#deliver(batch)
  }

  /** Lets one go, with all of its symbol that is older. */
  #let(last: Held, batch: MarketEvent[]): void {
    const symbol = last.event.symbol!
    const line = this.#lines.get(symbol)!
    for (let held: Held | undefined; held !== last; line.head++) {
      held = line.list[line.head]!
      held.free = true
      batch.push(held.event)
    }
    this.#gone.set(symbol, last.event)
    if (line.head === line.list.length) this.#lines.delete(symbol)
    else if (line.head > line.list.length / 2) {
      line.list = line.list.slice(line.head)
      line.head = 0
    }
  }
}
