/** Time, handed in: production code takes a `Clock`, tests hand over one they turn themselves. */
export interface Clock {
  /** Epoch milliseconds with a fraction; never runs backwards. */
  now(): number
  /** Calls `fn` once after `ms`. The timer keeps the process alive unless `idle`. */
  setTimeout(fn: () => void, ms: number, idle?: 'idle'): Timer
}

export interface Timer {
  cancel(): void
}

/** How far the wall clock may move away from the monotonic one before it is followed, ms. */
const DRIFT_MS = 20

/** Node fires a timer at once when it is set for longer than this (24.8 days). */
const LONGEST_MS = 2 ** 31 - 1

/**
 * The machine's clock: monotonic between readings, and pulled along when the wall clock is set: at once where that was set
 * forwards; set back, it goes at half its pace until the other has caught up, for what waits by it must not wait for ever.
 */
export function systemClock(): Clock {
  let origin = performance.timeOrigin
  let last = 0
  let checked = 0
  return {
    now() {
      const elapsed = performance.now()
      if (elapsed - checked > 1_000) {
        const drift = Date.now() - (origin + elapsed)
        if (Math.abs(drift) > DRIFT_MS) origin += Math.max(drift, (checked - elapsed) / 2)
        checked = elapsed
      }
      const now = origin + elapsed
      return now > last ? (last = now) : last
    },
    setTimeout(fn, ms, idle) {
      let timer: NodeJS.Timeout
      const arm = (left: number) => {
        const step = Math.min(left, LONGEST_MS)
        timer = setTimeout(() => (left > step ? arm(left - step) : fn()), step)
        if (idle) timer.unref()
      }
      arm(ms)
      return { cancel: () => clearTimeout(timer) }
    },
  }
}

/** Resolves after `ms`, or at once when `signal` aborts (it never rejects: look at the signal). */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal?.aborted) return resolve()
    const done = () => {
      timer.cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.setTimeout(done, ms)
    signal?.addEventListener('abort', done)
  })
}
