import type { Clock, Timer } from '../base/clock.ts'

/** A clock that stands still until a test turns it. */
export interface HandClock extends Clock {
  /**
   * Moves on by `ms`, fires what comes due in order of time, and lets promises settle before the first timer,
   * between any two and after the last. Await it.
   */
  advance(ms: number): Promise<void>
  /** Moves on by `ms` and fires what comes due, all in this call: promises settle afterwards. */
  turn(ms: number): void
  /**
   * Jumps to `time` (epoch ms) without firing anything, as when a laptop wakes up. What is overdue then fires on
   * the next {@link turn} or {@link advance}. @throws RangeError for a time before `now()`
   */
  set(time: number): void
  /** How many timers wait, `idle` ones included. */
  pending(): number
}

interface Waiting {
  readonly due: number
  readonly fn: () => void
}

/** As in Node, where a timer takes at least 1 ms: one that rearms itself with 0 cannot stop the clock. */
const SHORTEST_MS = 1

/** A clock turned by hand, standing at `start` (epoch ms). @default 2024-01-15T14:30:00Z, a Monday's US opening */
export function handClock(start: number = Date.UTC(2024, 0, 15, 14, 30)): HandClock {
  let now = start
  // In order of time; timers due at the same time stay in the order they were set.
  const timers: Waiting[] = []

  function add(timer: Waiting) {
    let at = timers.length
    while (at > 0 && timers[at - 1]!.due > timer.due) at--
    timers.splice(at, 0, timer)
  }

  function fireNext(until: number): boolean {
    const next = timers[0]
    if (!next || next.due > until) return false
    timers.shift()
    now = Math.max(now, next.due)
    next.fn()
    return true
  }

  function checked(ms: number): number {
    if (!(ms >= 0)) throw new RangeError(`a clock turns forwards only, not by ${ms} ms`)
    return now + ms
  }

  return {
    now: () => now,
    setTimeout(fn, ms): Timer {
      const timer = { due: now + Math.max(SHORTEST_MS, ms || 0), fn }
      add(timer)
      return {
        cancel() {
          const at = timers.indexOf(timer)
          if (at >= 0) timers.splice(at, 1)
        },
      }
    },
    async advance(ms) {
      const until = checked(ms)
      await settled()
      while (fireNext(until)) await settled()
      now = Math.max(now, until)
    },
    turn(ms) {
      const until = checked(ms)
      while (fireNext(until));
      now = Math.max(now, until)
    },
    set(time) {
      checked(time - now)
      now = time
    },
    pending: () => timers.length,
  }
}

/** All promise jobs there are, and those they start, run before an immediate does. */
const settled = () => new Promise<void>(resolve => setImmediate(resolve))
