import type { Clock, Timer } from '../base/clock.ts'
import { Bar, type Interval } from '../market/events.ts'

/** How long after its end a candle may still change, ms. */
const GRACE_MS = 2_000

/**
 * Whether a candle that history gives is over, so that it is all there: a later one stands behind it, or it had ended well
 * before it was asked for. By our clock at the answer it may have ended on the way.
 */
export function isOver(endMs: number, askedAt: number, isFollowed: boolean): boolean {
  return isFollowed || askedAt >= endMs + GRACE_MS
}

/** A candle as last heard of. */
interface Running {
  bar: Bar
  closed: boolean
  timer: Timer | undefined
}

export interface CandlesOptions {
  /** How long a candle is, ms. */
  lengthOf(interval: Interval): number
  /** The venue sends a candle again and again, also an earlier one, unchanged: that is no news. @default false */
  readonly repeats?: boolean
}

/**
 * Candles of a venue that sends each as it grows and never says that it is over. It is when a later one begins; or, as a
 * quiet pair has no later one, when the clock has passed its end and a little more.
 */
export class Candles {
  readonly #options: CandlesOptions
  readonly #clock: Clock
  readonly #emit: (bar: Bar) => void
  readonly #running = new Map<string, Running>()

  /** `emit` is given those that time has closed. */
  constructor(
    clock: Clock,
    emit: (bar: Bar) => void,
    signal: AbortSignal,
    options: CandlesOptions,
  ) {
    this.#options = options
    this.#clock = clock
    this.#emit = emit
    signal.addEventListener('abort', () => this.#stop(), { once: true })
  }

  /** What a candle the venue has sent means: perhaps the end of the one before it, and itself. */
  take(bar: Bar, emit: (bar: Bar) => void): void {
    const key = `${bar.interval} ${bar.symbol}`
    const running = this.#running.get(key)
    const before = running?.bar
    const { repeats = false, lengthOf } = this.#options
    if (running && before && bar.timestamp < before.timestamp) {
      // Of one that is long over.
      if (!repeats) emit(copy(bar, true, 1, bar.receivedAt))
      return
    }
    if (running && before && bar.timestamp === before.timestamp) {
      const isNews = !isSame(bar, before)
      if (repeats && !isNews) return
      // One that says the same once more puts nothing right: as the same revision the feed knows it for a duplicate.
      const revision = before.revision + (isNews ? 1 : 0)
      running.bar = running.closed ? copy(bar, true, revision, bar.receivedAt) : bar
      emit(running.bar)
      return
    }
    if (running) {
      running.timer?.cancel()
      if (!running.closed) emit(copy(running.bar, true, 0, bar.receivedAt))
    }
    const end = bar.timestamp + lengthOf(bar.interval) + GRACE_MS
    if (!running && this.#clock.now() >= end) {
      // The first that a connection brings may be of one that is long over.
      const over = copy(bar, true, 0, bar.receivedAt)
      this.#running.set(key, { bar: over, closed: true, timer: undefined })
      emit(over)
      return
    }
    const next: Running = { bar, closed: false, timer: undefined }
    this.#running.set(key, next)
    emit(bar)
    this.#await(next, end)
  }

  /** Nobody wants these any more. */
  drop(symbol: string, interval: Interval): void {
    const key = `${interval} ${symbol}`
    this.#running.get(key)?.timer?.cancel()
    this.#running.delete(key)
  }

  #await(running: Running, end: number): void {
    const left = Math.max(0, end - this.#clock.now())
    running.timer = this.#clock.setTimeout(() => {
      running.timer = undefined
      // The clock may have been set back meanwhile.
      if (this.#clock.now() < end) {
        this.#await(running, end)
        return
      }
      running.closed = true
      running.bar = copy(running.bar, true, 0, this.#clock.now())
      this.#emit(running.bar)
    }, left)
  }

  #stop(): void {
    for (const { timer } of this.#running.values()) timer?.cancel()
    this.#running.clear()
  }
}

function isSame(a: Bar, b: Bar): boolean {
  const { open, high, low, close, volume } = a
  return (
    open === b.open && high === b.high && low === b.low && close === b.close && volume === b.volume
  )
}

function copy(bar: Bar, final: boolean, revision: number, receivedAt: number): Bar {
  return new Bar(
    bar.symbol,
    bar.source,
    bar.timestamp,
    bar.nanos,
    receivedAt,
    bar.flags,
    bar.interval,
    bar.open,
    bar.high,
    bar.low,
    bar.close,
    bar.volume,
    bar.vwap,
    bar.tradeCount,
    final,
    revision,
    bar.adjustment,
  )
}
