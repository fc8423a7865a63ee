import type { MarketEvent } from '../market/events.ts'

/**
 * Events remembered: a frame sent twice comes soon after itself. Few enough that most are young garbage when they are
 * forgotten: objects that are kept for longer cost several times what decoding them did. A power of two.
 */
const MEMORY = 4_096
/** Lists they are spread over by time and price. A power of two. */
const LISTS = 8_192
/** Numbers start anew here, long before they are too large for their arrays. */
const MOST = 2 ** 30

/**
 * Finds events that a venue, or the way from it, has sent twice: equal in everything the venue says, its time to the
 * nanosecond included, to one of the last {@link MEMORY}. A trade without an id is never taken for one: two of the same
 * price and size in one second are no rarity. Of a bar only the newest form counts, and those of an earlier stage (forming,
 * final, revised): within one stage it may be put right and go back to what it was before, though a venue that sends all of its
 * forms twice is heard twice then, because a wrong one that stands is worse; and so may a quote or ticker within one moment of the venue's clock, unless
 * its times are exact.
 */
export class Duplicates {
  /** The latest events, each at its number & (MEMORY − 1). */
  readonly #events: (MarketEvent | undefined)[] = new Array(MEMORY).fill(undefined)
  /** Of each: the number of the one before it in its list, and its key, which spares a look at the event itself. */
  readonly #links = new Int32Array(MEMORY * 2)
  /** Number of the latest event of each list; 0 when there is none. */
  readonly #latest = new Int32Array(LISTS)
  #last = 0
  readonly #found: (event: MarketEvent) => void
  /** `Capabilities.exactTimes` */
  readonly #isExact: boolean
  /** How many there have been. */
  count = 0

  /** `found` is told of each. */
  constructor(found: (event: MarketEvent) => void = () => {}, exactTimes = false) {
    this.#found = found
    this.#isExact = exactTimes
  }

  /** The batch, without what has come before; the same array when there is nothing to leave out. */
  pass(batch: readonly MarketEvent[]): readonly MarketEvent[] {
    for (let i = 0; i < batch.length; i++) {
      if (!this.#repeats(batch[i]!)) continue
      const rest = batch.slice(0, i)
      this.#count(batch[i]!)
      for (let j = i + 1; j < batch.length; j++) {
        if (this.#repeats(batch[j]!)) this.#count(batch[j]!)
        else rest.push(batch[j]!)
      }
      return rest
    }
    return batch
  }

  #count(event: MarketEvent): void {
    this.count++
    this.#found(event)
  }

  #repeats(event: MarketEvent): boolean {
    const { type } = event
    if (type === 'notice' || (type === 'trade' && event.id === undefined)) return false
    // A delta that says the same may have had another in between, and a snapshot makes whole what was broken.
    if (type === 'book') return false
    const key = keyOf(event)
    const list = (key ^ (key >>> 15)) & (LISTS - 1)
    const links = this.#links
    const oldest = this.#last - MEMORY
    let number = this.#latest[list]!
    const latest = number
    while (number > oldest && number > 0) {
      const at = number & (MEMORY - 1)
      if (links[at * 2 + 1] === key) {
        const other = this.#events[at]!
        const isEqual = isSame(other, event)
        if (isEqual && !this.#hasChanged(event, number)) return true
        // What is behind it is older.
        if (isEqual || (isOtherForm(other, event) && stageOf(event) >= stageOf(other))) break
      }
      number = links[at * 2]!
    }
    if (this.#last === MOST) this.#forget()
    const own = ++this.#last
    const at = own & (MEMORY - 1)
    this.#events[at] = event
    links[at * 2] = latest
    links[at * 2 + 1] = key
    this.#latest[list] = own
    return false
  }

  /**
   * Whether a quote or ticker of the same symbol and moment came behind the event of this number, and says something
   * else: many venues tell milliseconds or whole seconds, within which a price goes away and comes back. Left out, the
   * other one would stay the latest.
   */
  #hasChanged({ type, symbol, timestamp, nanos }: MarketEvent, number: number): boolean {
    if (this.#isExact || (type !== 'quote' && type !== 'ticker')) return false
    for (let later = this.#last; later > number; later--) {
      const other = this.#events[later & (MEMORY - 1)]!
      const isOfMoment = other.timestamp === timestamp && other.nanos === nanos
      if (isOfMoment && other.type === type && other.symbol === symbol) return true
    }
    return false
  }

  #forget(): void {
    this.#last = 0
    this.#latest.fill(0)
  }
}

/**
 * The same for events that say the same, and for the forms of a bar: times alone may be of whole seconds, with thousands
 * of events in each.
 */
function keyOf(event: MarketEvent): number {
  const { timestamp, nanos } = event
  let key = Math.imul(timestamp | 0, 0x9e3779b1) ^ Math.imul(nanos, 0x85ebca6b)
  if (event.type === 'quote') key = mix(key, event.bid ?? 0, event.bidSize ?? 0)
  else if (event.type === 'trade') key = mix(key, event.price, event.size)
  else if (event.type === 'bar') key = named(named(key, event.symbol), event.interval)
  return key
}

const mix = (key: number, price: number, size: number) =>
  Math.imul(key ^ (price * 1_024) ^ (size << 16), 0xc2b2ae35)

function named(key: number, name: string): number {
  let mixed = key
  for (let i = 0; i < name.length; i++) mixed = Math.imul(mixed ^ name.charCodeAt(i), 0x01000193)
  return mixed
}

/** Whether two bars are of one place. */
const isOtherForm = (a: MarketEvent, b: MarketEvent) =>
  a.type === 'bar' &&
  b.type === 'bar' &&
  a.timestamp === b.timestamp &&
  a.nanos === b.nanos &&
  a.symbol === b.symbol &&
  a.interval === b.interval &&
  a.adjustment === b.adjustment

/** Bars of a place go through these in order: one that was said before a later one is said again by no venue that means it. */
export const stageOf = (event: MarketEvent) =>
  event.type === 'bar' && event.final ? 1 + event.revision : 0

/** Whether two events say the same, in all that the venue says. */
function isSame(a: MarketEvent, b: MarketEvent): boolean {
  if (a.timestamp !== b.timestamp || a.nanos !== b.nanos || a.symbol !== b.symbol) return false
  if (a.type === 'trade' && b.type === 'trade') {
    return (
      a.id === b.id &&
      a.exchange === b.exchange &&
      a.price === b.price &&
      a.size === b.size &&
      a.tape === b.tape &&
      a.side === b.side &&
      isSameList(a.conditions, b.conditions)
    )
  }
  if (a.type === 'quote' && b.type === 'quote') {
    return (
      a.bid === b.bid &&
      a.ask === b.ask &&
      a.bidSize === b.bidSize &&
      a.askSize === b.askSize &&
      a.bidExchange === b.bidExchange &&
      a.askExchange === b.askExchange &&
      a.tape === b.tape &&
      isSameList(a.conditions, b.conditions)
    )
  }
  if (a.type === 'bar' && b.type === 'bar') {
    return (
      a.close === b.close &&
      a.volume === b.volume &&
      a.interval === b.interval &&
      a.open === b.open &&
      a.high === b.high &&
      a.low === b.low &&
      a.vwap === b.vwap &&
      a.tradeCount === b.tradeCount &&
      a.final === b.final &&
      a.revision === b.revision &&
      a.adjustment === b.adjustment
    )
  }
  return a.type === b.type && said(a) === said(b)
}

/** Codecs mostly hand out one list for the same codes. */
function isSameList(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined || a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

function said({ receivedAt: _receivedAt, seq: _seq, ...rest }: MarketEvent): string {
  return JSON.stringify(rest)
}
