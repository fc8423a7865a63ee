import type { Bar, Correction, EventType, MarketEvent, TradeId } from '../market/events.ts'
import { stageOf } from './duplicates.ts'
import { identityOf } from './identity.ts'

const DAY_MS = 86_400_000

/** What one leg has brought. */
export interface LegCounters {
  /** Delivered: no other leg had shown them before. */
  readonly first: number
  /** Left out: another leg had shown them before, or a later stage of their bar. */
  readonly second: number
  /** Left out: this leg itself had shown them before. */
  readonly repeated: number
  /** Of `first`: no other leg has shown them for as long as they were remembered. */
  readonly alone: number
  /** Of `first`: delivered behind a later event of their symbol and kind. */
  readonly outOfOrder: number
}

export type Counters = { -readonly [K in keyof LegCounters]: number }

interface Shown {
  readonly event: MarketEvent
  /** When it was shown first, by our clock. */
  readonly at: number
  /** How often by each leg. */
  readonly legs: number[]
  delivered: number
  /** Another one of the same mark. */
  next: Shown | undefined
  /** Of what is told again and again. */
  readonly place: Place | undefined
}

/** A bar, or a trade that is put right: what is told again and again, each time as it is now. */
type Told = Bar | Correction

/** One of these. */
interface Place {
  readonly key: string
  /** As they were delivered. */
  readonly forms: Shown[]
  /** Of each leg, the last of these that it has come to. */
  readonly reached: (Shown | undefined)[]
}

/** Of one symbol and kind, by their marks. */
type Shelf = Map<number | string, Shown>

/**
 * Tells the first arrival of an event from the others. Where the venue gives an id an event comes once; where it does not,
 * two that say the same may be two, so it comes as often as the leg that shows it most often has shown it.
 *
 * The forms of a bar come one after the other, and so do those of a trade that is put right; the last has to stand: what a
 * leg says of it is left out only where it was delivered behind what this leg said before. So the last form is delivered last,
 * whatever a leg that is behind, or has missed some of them, says in between. Only a bar that is final, or revised, is never
 * what it was at an earlier stage: a leg that is lost may not come to its end.
 */
export class Arrivals {
  readonly #counters: readonly Counters[]
  readonly #rememberMs: number
  readonly #most: number
  readonly #shelves = new Map<string | undefined, Map<EventType, Shelf>>()
  readonly #places = new Map<string, Place>()
  /** Everything on the shelves, oldest first, from `#head` on. */
  #queue: Shown[] = []
  #head = 0
  /** Events forgotten before their time, for want of room. */
  forgotten = 0

  constructor(counters: readonly Counters[], rememberMs: number, most: number) {
    this.#counters = counters
    this.#rememberMs = rememberMs
    this.#most = most
  }

  /** Events remembered. */
  get size(): number {
    return this.#queue.length - this.#head
  }

  /** Whether it is to be delivered. */
  isFirst(event: MarketEvent, leg: number, now: number): boolean {
    if (isTold(event)) return this.#isNewForm(event, leg, now)
    const shown = this.#find(event) ?? this.#remember(event, now)
    const counters = this.#counters[leg]!
    const count = ++shown.legs[leg]!
    if (count > shown.delivered && (shown.delivered === 0 || !comesOnce(event))) {
      shown.delivered++
      counters.first++
      return true
    }
    if (count > shown.delivered) counters.repeated++
    else counters.second++
    return false
  }

  /** Forgets everything, and so knows what came from one leg alone. */
  close(): void {
    for (; this.#head < this.#queue.length; this.#head++) this.#settle(this.#queue[this.#head]!)
    this.#shelves.clear()
    this.#places.clear()
  }

  #isNewForm(event: Told, leg: number, now: number): boolean {
    const key = placeOf(event)
    const known = this.#places.get(key)
    const shown = known && formBehind(known, leg, event)
    if (known && shown) {
      known.reached[leg] = shown
      shown.legs[leg]!++
      this.#counters[leg]!.second++
      return false
    }
    if (known && stageOf(event) < stageOf(known.forms.at(-1)!.event)) {
      this.#counters[leg]!.second++
      return false
    }
    this.#forget(now)
    const place = this.#places.get(key) ?? { key, forms: [], reached: [] }
    this.#places.set(key, place)
    const legs = this.#counters.map((_, i) => (i === leg ? 1 : 0))
    const fresh = { event, at: now, legs, delivered: 1, next: undefined, place }
    place.forms.push(fresh)
    place.reached[leg] = fresh
    this.#queue.push(fresh)
    this.#counters[leg]!.first++
    return true
  }

  #find(event: MarketEvent): Shown | undefined {
    let shown = this.#shelves.get(event.symbol)?.get(event.type)?.get(markOf(event))
    if (!shown) return undefined
    // Only what bears the same mark is looked at closely.
    const identity = identityOf(event)
    while (shown && identityOf(shown.event) !== identity) shown = shown.next
    return shown
  }

  #remember(event: MarketEvent, now: number): Shown {
    this.#forget(now)
    const shelf = this.#shelf(event)
    const mark = markOf(event)
    const legs = this.#counters.map(() => 0)
    const next = shelf.get(mark)
    const shown = { event, at: now, legs, delivered: 0, next, place: undefined }
    shelf.set(mark, shown)
    this.#queue.push(shown)
    return shown
  }

  #shelf({ symbol, type }: MarketEvent): Shelf {
    let kinds = this.#shelves.get(symbol)
    if (!kinds) this.#shelves.set(symbol, (kinds = new Map()))
    let shelf = kinds.get(type)
    if (!shelf) kinds.set(type, (shelf = new Map()))
    return shelf
  }

  #forget(now: number): void {
    for (; this.#head < this.#queue.length; this.#head++) {
      const shown = this.#queue[this.#head]!
      const isOld = shown.at < now - this.#rememberMs
      if (!isOld && this.size < this.#most) break
      if (!isOld) this.forgotten++
      this.#settle(shown)
      this.#drop(shown)
    }
    if (this.#head > this.#queue.length / 2) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
  }

  /** The oldest of a mark stands last, that of a place first. */
  #drop(shown: Shown): void {
    const { place } = shown
    if (place) {
      place.forms.shift()
      if (place.forms.length === 0) this.#places.delete(place.key)
      return
    }
    const shelf = this.#shelf(shown.event)
    const mark = markOf(shown.event)
    const first = shelf.get(mark)
    if (first === shown) shelf.delete(mark)
    for (let one = first; one; one = one.next) if (one.next === shown) one.next = undefined
  }

  #settle({ legs, delivered }: Shown): void {
    for (let leg = 0; leg < legs.length; leg++) {
      let others = 0
      for (let other = 0; other < legs.length; other++) {
        if (other !== leg) others = Math.max(others, legs[other]!)
      }
      const alone = Math.min(legs[leg]!, delivered) - others
      if (alone > 0) this.#counters[leg]!.alone += alone
    }
  }
}

/** Equal for the same event; others seldom share it. */
function markOf(event: MarketEvent): number | string {
  const { type, timestamp, nanos } = event
  if ((type === 'trade' || type === 'cancel') && event.id !== undefined) return markOfId(event.id)
  return timestamp + nanos / 1e6
}

/** One leg may write as text what another one writes as a number. */
const markOfId = (id: TradeId) => (typeof id === 'number' ? id : Number(id) || id)

/** A correction of a trade without an id is an event like others. */
const isTold = (event: MarketEvent): event is Told =>
  event.type === 'bar' || (event.type === 'correction' && event.originalId !== undefined)

function placeOf(event: Told): string {
  const { type, symbol, timestamp, nanos } = event
  if (type === 'bar') return `${symbol} ${event.interval} ${timestamp}.${nanos} ${event.adjustment}`
  const { exchange, originalId } = event
  return `${symbol} trade ${exchange ?? ''}:${originalId}:${Math.floor(timestamp / DAY_MS)}`
}

/** The first of the forms that a leg has not come to yet which says the same. */
function formBehind({ forms, reached }: Place, leg: number, told: Told): Shown | undefined {
  const said = formOf(told)
  const last = reached[leg]
  const from = last ? forms.lastIndexOf(last) + 1 : 0
  return forms.find(({ event }, i) => i >= from && formOf(event as Told) === said)
}

function formOf(event: Told): string {
  if (event.type === 'correction') {
    const { price, size, id, conditions } = event
    return [price, size, id, conditions].join(':')
  }
  const { open, high, low, close, volume, vwap, tradeCount, final, revision } = event
  return [open, high, low, close, volume, vwap, tradeCount, final, revision].join(':')
}

/** Whether its identity is its own: an id. */
function comesOnce(event: MarketEvent): boolean {
  const { type } = event
  return (type === 'trade' || type === 'cancel') && event.id !== undefined
}
