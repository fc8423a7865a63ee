import type { MarketEvent } from '../market/events.ts'
import type { Moment } from '../market/time.ts'

const DAY_MS = 86_400_000

/**
 * What makes two receipts of an event the same, whichever way they came: a trade's id and exchange on its day, where it
 * has them; a bar's place; everything the venue says otherwise. Never what we add.
 */
export function identityOf(event: MarketEvent): string {
  const { type, timestamp, nanos } = event
  if (type === 'trade' && event.id !== undefined) {
    return `t${event.exchange ?? ''}:${event.id}:${Math.floor(timestamp / DAY_MS)}`
  }
  if (type === 'quote') {
    const { bid, bidSize, ask, askSize, bidExchange, askExchange, conditions, tape } = event
    return `q${timestamp}.${nanos}:${bid}:${bidSize}:${ask}:${askSize}:${bidExchange}:${askExchange}:${conditions}:${tape}`
  }
  // Marks of history carry the time of their trade, messages of the stream one of their own.
  if (type === 'cancel' && event.id !== undefined) {
    return `x${event.exchange ?? ''}:${event.id}:${Math.floor(timestamp / DAY_MS)}`
  }
  if (type === 'correction' && event.originalId !== undefined) {
    return `c${event.exchange ?? ''}:${event.originalId}:${event.price}:${event.size}:${Math.floor(timestamp / DAY_MS)}`
  }
  if (type === 'bar') return `b${event.interval}:${timestamp}`
  const { receivedAt: _receivedAt, seq: _seq, flags: _flags, source: _source, ...said } = event
  return JSON.stringify(said)
}

/** The same, but bars of one place that say different things are told apart: one may put the other right. */
export function exactIdentityOf(event: MarketEvent): string {
  if (event.type !== 'bar') return identityOf(event)
  const { open, high, low, close, volume, vwap, tradeCount } = event
  return `${identityOf(event)}:${open}:${high}:${low}:${close}:${volume}:${vwap}:${tradeCount}`
}

/** Whether two events of one identity say the same: a trade or bar may have been put right. */
export function saysTheSame(a: MarketEvent, b: MarketEvent): boolean {
  if (a.type === 'trade' && b.type === 'trade') {
    return a.timestamp === b.timestamp && a.price === b.price && a.size === b.size
  }
  return exactIdentityOf(a) === exactIdentityOf(b)
}

/** Venue time decides; the order is kept where it is the same. */
export function venueOrder(a: Moment, b: Moment): number {
  return a.timestamp - b.timestamp || a.nanos - b.nanos
}

/** How often each text is in it. */
export class Multiset {
  readonly #counts = new Map<string, number>()

  add(text: string): void {
    this.#counts.set(text, (this.#counts.get(text) ?? 0) + 1)
  }

  /** Adds what is missing for each text to be in it as often as it is in another. */
  cover(other: Multiset): void {
    for (const [text, count] of other.#counts)
      if ((this.#counts.get(text) ?? 0) < count) this.#counts.set(text, count)
  }

  /** Takes it out once; false when it is not in it. */
  take(text: string): boolean {
    const count = this.#counts.get(text)
    if (count === undefined) return false
    if (count === 1) this.#counts.delete(text)
    else this.#counts.set(text, count - 1)
    return true
  }
}
