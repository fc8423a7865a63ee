import type { MarketEvent } from '../market/events.ts'
import { type Hole, mayBeIn } from './hole.ts'
import { identityOf, saysTheSame, venueOrder } from './identity.ts'
import type { Recent } from './recent.ts'
import type { RepairOptions } from './repair-options.ts'
import { Delivered, endOf, judge, lengthOf, type Verdict } from './repair-past.ts'
import { type Answer, askFrom } from './repair-questions.ts'

/** How often it is looked whether history can be read by now, where a record in the hole could not be. */
const LOOKS = 4

/** What an answer of history makes of a hole. */
export interface Outcome {
  readonly hole: Hole
  readonly verdict: Exclude<Verdict, 'open'>
  /** What of the answer has not been delivered, in its order. */
  readonly missed: readonly MarketEvent[]
  /** How many records in it cannot be read, whatever is done. */
  readonly unread: number
  /** It was broken again, but nothing is filled in there: it is not known any more what was delivered in between. */
  readonly isCut: boolean
}

/** Holds the answers of history against what has been delivered: what of them was missed, and whether that is all. */
export class Closing {
  readonly #recent: Recent
  readonly #overlapMs: number
  /** Whether what is settled is asked about once more. */
  readonly #confirms: boolean

  constructor(
    recent: Recent,
    { overlapMs, confirmMs }: Pick<Required<RepairOptions>, 'overlapMs' | 'confirmMs'>,
  ) {
    this.#recent = recent
    this.#overlapMs = overlapMs
    this.#confirms = confirmMs > 0
  }

  /** Those of the holes, all of one kind, of which an answer says something to go by. */
  outcomes(holes: readonly Hole[], { events: answers, isPaged, unread }: Answer): Outcome[] {
    if (holes.length === 0) return []
    const delivered = this.#deliveredSince(askFrom(holes, this.#overlapMs), holes)
    return holes.flatMap(hole => {
      // As if it had been asked about alone, so that one answer can be compared with the next.
      const begin = askFrom([hole], this.#overlapMs)
      const answer = (answers.get(hole.symbol) ?? []).filter(one => one.timestamp >= begin)
      const judged = judge(hole, answer, isPaged)
      if (judged === 'open') return []
      const verdict = judged === 'settled' && !this.#confirms ? 'whole' : judged
      const inside = unread.filter(place => mayBeIn(hole, place)).length
      // What one answer spoils another one may have whole.
      if (inside > 0 && ++hole.looks <= LOOKS) return []
      const known = delivered.get(hole.symbol)!
      // What was filled in first may be so much that the beginning of it is not at hand any more.
      known.cover(hole.given)
      if (hole.last) known.coverBar(hole.last)
      // Late ones of before the hole may still be missing, and late ones of after it may be there.
      for (const event of hole.held) known.add(event)
      const mayBeMissed = answer.filter(this.#belongs(hole)).filter(event => !isUntrue(hole, event))
      const missed = known.missing(mayBeMissed, hole.bars, verdict === 'whole')
      const isCut = hole.brokenSince && this.#forgets(hole)
      return [{ hole, verdict, missed, unread: inside, isCut }]
    })
  }

  /**
   * What of an answer may be missing. Where all that was delivered shortly before the hole is at hand, it is looked
   * through for late ones too; otherwise only what is behind the hole's beginning cannot have been delivered, and the end
   * of the bar that stands there, as it is known how that was delivered. Nor is what stands behind the first live event,
   * where so much came since then that it is not at hand any more.
   */
  #belongs(hole: Hole): (event: MarketEvent) => boolean {
    const { from, fromNanos, isFirst, interval, last, heard } = hole
    const { horizon } = this.#recent
    if (isFirst || from + lengthOf(interval) < horizon) {
      const begin = { timestamp: from, nanos: isFirst || last?.timestamp === from ? -1 : fromNanos }
      const end = this.#forgets(hole) ? heard : undefined
      return event => venueOrder(event, begin) > 0 && (!end || venueOrder(event, end) < 0)
    }
    const earliest = Math.max(horizon, from - this.#overlapMs)
    return event => endOf(event) >= earliest
  }

  /** Whether not all that came behind a hole is at hand; what bars the stream has spoken of the hole knows itself. */
  #forgets({ heard, kind }: Hole): boolean {
    return heard !== undefined && kind !== 'bar' && heard.receivedAt < this.#recent.oldest
  }

  /** What has been delivered of the holes' topics since a venue time, by symbol. */
  #deliveredSince(from: number, holes: readonly Hole[]): ReadonlyMap<string, Delivered> {
    const delivered = new Map(holes.map(({ symbol }) => [symbol, new Delivered()]))
    const [{ kind, interval }] = holes as [Hole]
    for (const event of this.#recent.since(from)) {
      const type = event.type === 'correction' || event.type === 'cancel' ? 'trade' : event.type
      if (type !== kind || (event.type === 'bar' && event.interval !== interval)) continue
      delivered.get(event.symbol!)?.add(event)
    }
    return delivered
  }
}

/** Whether it was found before that this cannot be true: said again it is not looked at again. */
function isUntrue({ untrue }: Hole, event: MarketEvent): boolean {
  const other = untrue.get(identityOf(event))
  return other !== undefined && saysTheSame(other, event)
}
