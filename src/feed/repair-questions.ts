import type { Clock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import type { HistorySource, PlaceOf } from '../flow/contracts.ts'
import { cutToMs, type MarketEvent } from '../market/events.ts'
import { earliestOf, type Hole, latestOf } from './hole.ts'
import { lengthOf } from './repair-past.ts'

/** Most records fetched for the holes of one request. */
const MOST_RECORDS = 1_000_000
/** Questions to history at a time: each may bring as many records. */
const MOST_AT_ONCE = 4

/** What history says of some holes. */
export interface Answer {
  readonly events: ReadonlyMap<string, readonly MarketEvent[]>
  readonly isPaged: boolean
  /** Where it has records that can be no event. */
  readonly unread: readonly PlaceOf[]
}

export interface QuestionHooks {
  readonly source: string
  readonly clock: Clock
  readonly overlapMs: number
  /** The stream tells times to the millisecond only. */
  readonly millisecondTimes: boolean
  /** How far the venue's clock is ahead of ours, as far as that is known, ms. */
  aheadMs(): number
  /** A record of history that can be no event. */
  malformed(record: unknown, reason: string): void
}

/** Asks history about holes, a few questions at a time and each for so long at most. */
export class Questions {
  readonly #history: HistorySource['history']
  readonly #hooks: QuestionHooks
  /** Ends all of them. */
  readonly #signal: AbortSignal
  #asking = 0
  /** Who waits until fewer are asking. */
  readonly #waiting: (() => void)[] = []

  constructor(history: HistorySource['history'], signal: AbortSignal, hooks: QuestionHooks) {
    this.#history = history
    this.#signal = signal
    this.#hooks = hooks
  }

  /**
   * Asks about holes, all of one kind, when it is its turn; `limitMs` includes the wait for that. An answer that came too
   * late is taken no more.
   * @throws VENUE_ERROR when the time is over; what history throws
   */
  async ask(
    holes: () => readonly Hole[],
    limitMs: number,
    take: (answer: Answer) => void,
  ): Promise<void> {
    const abort = new AbortController()
    const stop = () => abort.abort()
    this.#signal.addEventListener('abort', stop)
    const timer = this.#hooks.clock.setTimeout(stop, Math.max(0, limitMs), 'idle')
    const answered = async () => {
      const answer = await this.#ask(holes(), abort.signal)
      if (!abort.signal.aborted) take(answer)
    }
    try {
      await this.#turn(abort.signal)
      const late = new Promise<never>((_, reject) => {
        abort.signal.addEventListener('abort', () => reject(tooLate()))
      })
      await Promise.race([answered(), late]).finally(() => this.#turnOver())
    } finally {
      timer.cancel()
      this.#signal.removeEventListener('abort', stop)
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    if (this.#asking < MOST_AT_ONCE) {
      this.#asking++
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1)
        reject(tooLate())
      }
      const go = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      this.#waiting.push(go)
      signal.addEventListener('abort', leave)
    })
  }

  /** Hands the turn to the next who waits. */
  #turnOver(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#asking--
  }

  async #ask(holes: readonly Hole[], signal: AbortSignal): Promise<Answer> {
    const { source, clock, overlapMs, millisecondTimes, aheadMs, malformed } = this.#hooks
    const answers = new Map<string, MarketEvent[]>(holes.map(({ symbol }) => [symbol, []]))
    const [first] = holes
    if (!first) return { events: answers, isPaged: false, unread: [] }
    const { kind, interval } = first
    const unread: PlaceOf[] = []
    // By the venue's clock, what has happened up to now.
    const to = latestOf(holes, hole => hole.reach, Math.ceil(clock.now() + aheadMs()))
    const request = {
      ...{ kind, symbols: [...answers.keys()], from: askFrom(holes, overlapMs), to, signal },
      ...(interval !== undefined && { interval }),
      source,
      malformed: (record: unknown, reason: string, place: PlaceOf = {}) => {
        unread.push(place)
        malformed(record, reason)
      },
    }
    let [count, pages] = [0, 0]
    for await (const batch of this.#history(request)) {
      pages++
      count += batch.length
      if (count > MOST_RECORDS) {
        throw new TickwireError('UNSUPPORTED', `more than ${MOST_RECORDS} events are missing`, {
          hint: 'Backfill them from history.',
        })
      }
      for (const event of batch) {
        if (millisecondTimes) cutToMs(event)
        answers.get(event.symbol ?? '')?.push(event)
      }
    }
    return { events: answers, isPaged: pages > 1, unread }
  }
}

/** Venue time from which on history is asked: bars are found by their left edge. */
export function askFrom(holes: readonly Hole[], overlapMs: number): number {
  return earliestOf(holes, ({ from }) => from) - overlapMs - lengthOf(holes[0]?.interval)
}

const tooLate = () => new TickwireError('VENUE_ERROR', 'history has not answered in time')
