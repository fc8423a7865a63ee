import type { Clock, Timer } from '../base/clock.ts'
import type { Bar, MarketEvent } from '../market/events.ts'
import type { Topic } from '../market/topics.ts'
import { keyOfHole } from './hole.ts'
import { endOf } from './repair-past.ts'

/** How long after its end history is asked whether a candle is over, ms: it may still change until then. */
const AFTER_MS = 2_500
/** How often history is asked about a candle that it does not say is over, and how long after the last time, ms. */
const TRIES = 3
const AGAIN_MS = 30_000
/** The longest a timer can wait, ms. */
const LONGEST_MS = 2 ** 31 - 1

interface Watched {
  readonly bar: Bar
  tries: number
  /** `undefined` while history is asked. */
  timer: Timer | undefined
}

/**
 * Candles that still grew when history was asked about a hole behind them, and of which the stream has not spoken since: of
 * a quiet symbol it never may, and a connection that has not heard of a candle does not say that it is over. So history is
 * asked at its end.
 */
export class Ends {
  readonly #clock: Clock
  readonly #ended: (bar: Bar) => void
  readonly #watched = new Map<string, Watched>()

  /** `ended` is given each that may be over by now. */
  constructor(clock: Clock, ended: (bar: Bar) => void) {
    this.#clock = clock
    this.#ended = ended
  }

  get isEmpty(): boolean {
    return this.#watched.size === 0
  }

  /** The last that was delivered of a topic is this one. */
  watch(bar: Bar): void {
    const key = keyOfHole({ ...bar, kind: 'bar' })
    const known = this.#watched.get(key)
    const isKnown = known?.bar.timestamp === bar.timestamp
    const tries = isKnown ? known.tries : 0
    const [end, now] = [endOf(bar), this.#clock.now()]
    this.#drop(key)
    if (bar.final || end === bar.timestamp || tries === TRIES) return
    const watched: Watched = { bar, tries, timer: undefined }
    this.#watched.set(key, watched)
    this.#await(watched, Math.max(end + AFTER_MS, tries === 0 ? now : now + AGAIN_MS))
  }

  /**
   * The stream says something of a topic: what it says of a watched candle it goes on with itself, unless that is less than
   * has been delivered. Returns whether it calls over what is less: then the last frame of it was lost, and history has the
   * end.
   */
  hear(key: string, event: MarketEvent): boolean {
    const bar = this.#watched.get(key)?.bar
    if (event.type !== 'bar' || bar?.timestamp !== event.timestamp) return false
    if (event.revision === 0 && event.volume < bar.volume) return event.final
    this.#drop(key)
    return false
  }

  /** History has said this, and it has been delivered. */
  over(event: MarketEvent): void {
    if (event.type !== 'bar' || !event.final) return
    const key = keyOfHole({ ...event, kind: 'bar' })
    if (this.#watched.get(key)?.bar.timestamp === event.timestamp) this.#drop(key)
  }

  /** These are not to be watched any more. */
  forget({ kind, interval, symbol }: Pick<Topic, 'kind' | 'interval' | 'symbol'>): void {
    this.#drop(keyOfHole({ kind, interval, symbol }))
  }

  close(): void {
    for (const key of [...this.#watched.keys()]) this.#drop(key)
  }

  #await(watched: Watched, due: number): void {
    const over = () => {
      watched.timer = undefined
      if (this.#clock.now() < due) this.#await(watched, due)
      else {
        watched.tries++
        this.#ended(watched.bar)
      }
    }
    const wait = Math.min(LONGEST_MS, Math.max(0, due - this.#clock.now()))
    watched.timer = this.#clock.setTimeout(over, wait, 'idle')
  }

  #drop(key: string): void {
    this.#watched.get(key)?.timer?.cancel()
    this.#watched.delete(key)
  }
}
