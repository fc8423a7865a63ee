import type { Clock, Timer } from './clock.ts'

const MINUTE_MS = 60_000
/** The part of a minute's requests that may go at once where nothing is said; the others come one by one. */
const BURST = 0.25
/** Sums of waits are off by less than this, in requests. */
const ROUNDING = 1e-6

/**
 * So many requests in any minute, whoever asks: a quarter of them at once, the rest spread evenly, so that somebody
 * who wants one answer need not wait for the minute of somebody who wants thousands. First come, first served.
 */
export class Quota {
  readonly #clock: Clock
  readonly #share: number
  #perMinute = 0
  #burst = 0
  #perMs = 0
  /** Requests that may start now, as of `#countedAt`. */
  #left = 0
  #countedAt: number
  #pausedUntil = Number.NEGATIVE_INFINITY
  readonly #waiting: (() => void)[] = []
  #timer: Timer | undefined

  /** `burst` is the part of a minute's requests that may go at once. */
  constructor(clock: Clock, perMinute: number, burst = BURST) {
    this.#clock = clock
    this.#share = burst
    this.#countedAt = clock.now()
    this.allow(perMinute)
  }

  get perMinute(): number {
    return this.#perMinute
  }

  /** Follows what the server says it allows: 1 or more a minute. */
  allow(perMinute: number): void {
    if (perMinute === this.#perMinute) return
    this.#count()
    const burst = Math.max(1, Math.floor(perMinute * this.#share))
    this.#left = Math.min(burst, this.#left + Math.max(0, burst - this.#burst))
    this.#perMinute = perMinute
    this.#burst = burst
    // The first of a minute and the first of the next are a minute apart: one more fits in between.
    this.#perMs = (perMinute - burst + 1) / MINUTE_MS
    this.#serve()
  }

  /** Nobody starts for so long, ms; afterwards one by one. */
  pause(ms: number): void {
    this.#count()
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#clock.now() + ms)
    this.#left = Math.min(this.#left, 1)
    this.#serve()
  }

  /** Waits for its turn; returns early, without having had it, when the signal aborts. */
  turn(signal?: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      if (signal?.aborted) return resolve()
      const go = () => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1)
        go()
        this.#serve()
      }
      signal?.addEventListener('abort', leave)
      this.#waiting.push(go)
      this.#serve()
    })
  }

  /** A turn that came to nothing: the server has not seen the request, so it counts for none. */
  giveBack(): void {
    this.#count()
    this.#left = Math.min(this.#burst, this.#left + 1)
    this.#serve()
  }

  #count(): void {
    const now = this.#clock.now()
    // While paused nothing is saved up.
    const from = Math.max(this.#countedAt, Math.min(this.#pausedUntil, now))
    this.#left = Math.min(this.#burst, this.#left + (now - from) * this.#perMs)
    this.#countedAt = now
  }

  #serve(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#count()
    const paused = this.#pausedUntil - this.#clock.now()
    while (paused <= 0 && this.#left >= 1 - ROUNDING && this.#waiting.length > 0) {
      this.#left--
      this.#waiting.shift()!()
    }
    if (this.#waiting.length === 0) return
    const wait = paused > 0 ? paused : (1 - this.#left) / this.#perMs
    this.#timer = this.#clock.setTimeout(() => this.#serve(), wait)
  }
}

const QUOTAS = new WeakMap<Clock, Map<string, Quota>>()

/** The one quota of an account among all who share a clock; `perMinute` counts where it is not known yet. */
export function sharedQuota(
  clock: Clock,
  account: string,
  perMinute: number,
  burst?: number,
): Quota {
  let accounts = QUOTAS.get(clock)
  if (!accounts) QUOTAS.set(clock, (accounts = new Map()))
  let quota = accounts.get(account)
  if (!quota) accounts.set(account, (quota = new Quota(clock, perMinute, burst)))
  return quota
}
