import type { SessionName } from '../market/calendar.ts'
import { calendarOf } from '../market/calendar-book.ts'
import { describeClosed } from '../market/calendar-words.ts'
import { ANY, type Topic } from '../market/topics.ts'
import { USUAL_SESSIONS } from './provider.ts'

/** The hours in which nothing is to be expected of a source, by the calendars of its markets. */
export class ClosedHours {
  readonly #source: string
  readonly #sessions: readonly SessionName[] | undefined

  /** `sessions`: those in which something is to be expected. @default pre, regular, post */
  constructor(source: string, sessions: readonly SessionName[] | undefined) {
    this.#source = source
    this.#sessions = sessions
  }

  /** Why nothing is to be expected of any of the topics at a time, for a person; `undefined` when something is. */
  why(topics: readonly Pick<Topic, 'symbol'>[], time: number): string | undefined {
    let why: string | undefined
    for (const symbol of new Set(topics.map(topic => topic.symbol))) {
      const calendar = symbol === ANY ? undefined : calendarOf(symbol, this.#source)
      const closed = calendar && describeClosed(calendar, time, this.#sessions ?? USUAL_SESSIONS)
      if (!closed) return undefined
      // People ask when the market opens, not when the first early trades may come.
      why = (this.#sessions ? undefined : describeClosed(calendar, time)) ?? closed
    }
    return why
  }

  /**
   * Whether events themselves say that a calendar is wrong (a special session it does not know): the last came when the
   * market was closed, and had been for as long as their pace takes to make silence unusual.
   */
  isBelied(topics: readonly Pick<Topic, 'symbol'>[], last: number, patienceMs: number): boolean {
    return this.why(topics, last - patienceMs) !== undefined && this.why(topics, last) !== undefined
  }
}
