import type { Topic } from '../market/topics.ts'
import type { HealthState } from './health-report.ts'
import type { Question } from './probe.ts'
import { Spacing } from './spacing.ts'

/** A connection, as health sees it. */
export interface Watched {
  /** The same object as long as it is the same place among the feed's connections, however often it is made anew. */
  readonly id: object
  /** How often it has been opened. */
  readonly opened: number
  /** Confirmed topics it carries. */
  readonly topics: readonly Topic[]
  readonly isOpen: boolean
  /** Why data does not come, where the other side says so: then there is nothing to find out, and nothing to gain. */
  readonly outage?: string | undefined
  /** Whether a topic is asked for now and then, so that its silence says nothing. @default none is */
  polls?(topic: Topic): boolean
  /** Ends it, to be made anew at once. */
  reopen(reason: string): void
}

/** What health knows of a connection. */
export interface Watch {
  opened: number
  state: HealthState
  /** Why nothing comes, while it is quiet. */
  why: string | undefined
  /** Silence counts from here at the earliest. */
  since: number
  askAt: number
  askWaitMs: number
  /** When one topic may be asked for next. */
  oneAt: number
  question: Question | undefined
  /** When the last had come, of which the venue has said that there is nothing newer. */
  answeredAt: number | undefined
  /** Outlives the connection: what did not help is done ever more rarely. */
  readonly reopenings: Spacing
}

/** Of a connection that has just been opened; `before` is what was known of the one in its place. */
export function newWatch(opened: number, now: number, before: Watch | undefined): Watch {
  return {
    ...{ opened, state: 'live', why: undefined, since: now, question: undefined },
    ...{ askAt: 0, askWaitMs: 0, oneAt: 0, answeredAt: undefined },
    reopenings: before?.reopenings ?? new Spacing(),
  }
}
