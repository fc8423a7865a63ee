import type { EventType } from '../market/events.ts'
import { startOf } from './manifest.ts'

const DAY_MS = 86_400_000
/** So many late rows of a sealed day are sealed without waiting for more. */
const MANY = 1_000_000

/** Rows of a kind and day that are in no sealed file. */
export interface OpenDay {
  readonly kind: EventType
  readonly day: string
  rows: number
  /** Receive times of the first and the last of them, epoch ms. */
  since: number
  last: number
  /** By the number of a tape: the lowest position among them. */
  readonly lowest: Map<number, number>
}

export interface SealRule {
  /** Tape time, epoch ms. */
  readonly now: number
  /** So long nothing of a day has come before it is sealed, and so long it has been over, ms. */
  readonly quietMs: number
  /** What comes late for a sealed day waits so long for more, ms. */
  readonly lateMs: number
}

/**
 * The days to be sealed: over by `quietMs`, with nothing received for as long. What comes late is sealed too, `lateMs`
 * after the first of it or when it is much, so that a day does not fall into many small files.
 */
export function dueDays(
  days: readonly OpenDay[],
  { now, quietMs, lateMs }: SealRule,
  isSealed: (kind: EventType, day: string) => boolean,
): OpenDay[] {
  return days
    .filter(({ kind, day, rows, since, last }) => {
      if (rows === 0 || now < startOf(day) + DAY_MS + quietMs || now < last + quietMs) return false
      return !isSealed(kind, day) || rows >= MANY || now >= since + lateMs
    })
    .sort((a, b) => (a.day < b.day ? -1 : a.day > b.day ? 1 : 0))
}
