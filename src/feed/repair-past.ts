import { type Bar, createEvent, type Interval, type MarketEvent } from '../market/events.ts'
import { stageOf } from './duplicates.ts'
import { exactIdentityOf, identityOf, Multiset, venueOrder } from './identity.ts'

const UNIT_MS: { readonly [unit: string]: number } = {
  ...{ s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 },
}

/** How long a bar lasts at most, ms: a day of the year has 25 hours. 0 for what is no bar, or one of so many trades. */
export function lengthOf(interval: Interval | undefined): number {
  if (interval === undefined) return 0
  const unit = interval.at(-1)!
  const extra = unit === 'd' || unit === 'w' ? UNIT_MS.h! : 0
  const ms = UNIT_MS[unit]
  return ms === undefined ? 0 : Number.parseInt(interval, 10) * ms + extra
}

/** When all of an event has happened: of a bar that is its right edge. */
export function endOf(event: MarketEvent): number {
  return event.timestamp + (event.type === 'bar' ? lengthOf(event.interval) : 0)
}

/**
 * What of a topic has been delivered: how often each event, and of bars, which put each other right, what was said last
 * of each place.
 */
export class Delivered {
  readonly #counts = new Multiset()
  readonly #bars = new Map<string, Bar>()

  /** Events in the order in which they were delivered. */
  add(event: MarketEvent): void {
    if (event.type === 'bar') this.#bars.set(identityOf(event), event)
    else this.#counts.add(identityOf(event))
  }

  /** Takes a form of a bar, unless it knows a later one: what is held back has not been delivered yet. */
  learn(bar: Bar): void {
    const known = this.#bars.get(identityOf(bar))
    if (!known || !isBefore(bar, known)) this.add(bar)
  }

  /** Takes what another knows of, where it does not know of that itself. */
  cover(other: Delivered): void {
    this.#counts.cover(other.#counts)
    for (const bar of other.#bars.values()) this.coverBar(bar)
  }

  /** Takes a bar that was delivered, where it does not know of that place itself. */
  coverBar(bar: Bar): void {
    const place = identityOf(bar)
    if (!this.#bars.has(place)) this.#bars.set(place, bar)
  }

  /**
   * Those of an answer that have not been delivered, each once. A bar that was over when it was delivered, but said
   * something else, comes as its next revision; one that still grew comes again when it is over, though it may say the
   * same. Bars the stream has spoken of `since` it goes on are its own to put right.
   */
  missing(
    answer: readonly MarketEvent[],
    since: ReadonlyMap<string, Bar>,
    isWhole = true,
  ): MarketEvent[] {
    const missing: MarketEvent[] = []
    const named = new Set<string>()
    for (const event of answer) {
      const identity = identityOf(event)
      if (event.type === 'bar') {
        const [last, word] = [this.#bars.get(identity), since.get(identity)]
        if (word && !isShortOf(word, event)) continue
        if (last && !isNewsOf(last, event, isWhole)) continue
        const revision = last ? last.revision + (last.final ? 1 : 0) : event.revision
        const fresh = last ? createEvent({ ...event, revision }) : event
        this.#bars.set(identity, fresh)
        missing.push(fresh)
        continue
      }
      if (hasName(event)) {
        // A name stands for one event, however often an answer has it; two quotes may well be alike.
        const once = `${identity} ${event.timestamp}.${event.nanos}`
        if (named.has(once)) continue
        named.add(once)
      }
      if (!this.#counts.take(identity)) missing.push(event)
    }
    return missing
  }
}

/**
 * Whether the stream's word on a bar lacks something that history has. That it is over may be said here, by the clock, of
 * a candle whose last frame was lost; what was put right, or still grows, is the stream's to go on with.
 */
const isShortOf = (word: Bar, bar: Bar): boolean =>
  word.final && word.revision === 0 && bar.final && bar.volume > word.volume

/**
 * Whether a bar says more of its place than the last one did: none that is over grows again. Candles only grow, so history
 * that knows less of one lags behind; only one that `isWhole` may know of trades that were taken back.
 */
function isNewsOf(last: Bar, bar: Bar, isWhole: boolean): boolean {
  if (bar.volume < last.volume && !(isWhole && bar.final)) return false
  if (last.final !== bar.final) return bar.final
  return exactIdentityOf(last) !== exactIdentityOf(bar)
}

/** Whether a form of a bar is of before another one. */
const isBefore = (one: Bar, other: Bar): boolean =>
  stageOf(one) < stageOf(other) || (!one.final && !other.final && one.volume < other.volume)

const hasName = (event: MarketEvent) =>
  ((event.type === 'trade' || event.type === 'cancel') && event.id !== undefined) ||
  (event.type === 'correction' && event.originalId !== undefined)

/** How far history must reach, and what it said the last time. */
export interface Reach {
  /** Identity of the first live event behind the hole. */
  first: string | undefined
  /** Of a bar as it was first heard of while it grew, or as the stream said it last when it was over. */
  firstBar: Bar | undefined
  /** What history answered the last time. */
  answer: string | undefined
  /** An answer in several pages has shown that event: one begun later shows all that came before it. */
  shown: boolean
  /** History has shown something in that event's place, and what there was time for has been asked: this is the last look. */
  near: boolean
  isLast: boolean
  /** When history had said the same twice with no live event behind the hole, by our clock. */
  settledAt: number | undefined
}

/**
 * How far an answer of history goes: `open` something may be missing · `settled` it is the same as the last one, and nothing
 * is known that it should reach up to: history may lag behind for longer than that, so it is asked once more later ·
 * `whole` it reaches up to the live stream, or was still the same then.
 */
export type Verdict = 'open' | 'settled' | 'whole'

/**
 * Judges an answer of history. Its first page may be older than its last: a late report that belongs there may not have
 * been known then, although the last one shows what came behind it.
 */
export function judge(hole: Reach, answer: readonly MarketEvent[], isPaged: boolean): Verdict {
  const last = answer.at(-1)
  // A bar that is put right stands where it stood; one that grows is never the same.
  const said =
    last?.type === 'bar'
      ? answer.filter(isOver).map(exactIdentityOf).join(' ')
      : `${answer.length} ${last ? identityOf(last) : ''}`
  const isSame = hole.answer === said
  hole.answer = said
  if (hole.first === undefined) {
    if (hole.settledAt === undefined) return isSame ? 'settled' : 'open'
    return isSame ? 'whole' : 'settled'
  }
  const there = answer.find(event => identityOf(event) === hole.first)
  const isReached = there !== undefined && (there.type !== 'bar' || reaches(there, hole, isSame))
  hole.near ||= there !== undefined
  const isWhole = isReached && (!isPaged || hole.shown)
  hole.shown ||= isReached
  return isWhole ? 'whole' : 'open'
}

const isOver = (event: MarketEvent) => event.type === 'bar' && event.final

/**
 * Whether history is as far as the stream was at the first bar behind a hole. While that grows it has as much of it, or
 * all of it; when it is over it may never say just what the stream said, and then the same twice is enough. So it is in the
 * last look, as history may count otherwise.
 */
function reaches(there: Bar, { firstBar, isLast }: Reach, isSame: boolean): boolean {
  if (isSame && (isLast || firstBar?.final)) return true
  if (firstBar === undefined) return false
  if (firstBar.final) return exactIdentityOf(there) === exactIdentityOf(firstBar)
  return there.final || there.volume >= firstBar.volume
}

/**
 * Both in venue time, ties with what was missed first, but for bars, which put right what was said before; within each
 * the order stays.
 */
export function merge(missed: readonly MarketEvent[], live: readonly MarketEvent[]): MarketEvent[] {
  const merged: MarketEvent[] = []
  let at = 0
  for (const event of live) {
    const ties = event.type === 'bar' ? -1 : 0
    while (at < missed.length && venueOrder(missed[at]!, event) <= ties) merged.push(missed[at++]!)
    merged.push(event)
  }
  for (; at < missed.length; at++) merged.push(missed[at]!)
  return merged
}
