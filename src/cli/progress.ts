import { isatty } from 'node:tty'
import { type Clock, systemClock } from '../base/clock.ts'
import { amount } from './rows.ts'

/** Between two pictures on a terminal, and between two lines elsewhere, ms. */
const PAINT_MS = 100
const LINE_MS = 10_000
/** The rate is that of the last so many ms: what the beginning was like says little of the end. */
const WINDOW_MS = 15_000
/** Work that is done sooner needs no words, ms. */
const QUIET_MS = 500

export interface ProgressOptions {
  /** What is being done: `importing`. */
  readonly label: string
  /** What is counted: `rows`. */
  readonly unit: string
  /** All there is to do, in the same unit, as far as that is known. */
  readonly total?: number | undefined
  /** Standard error is a terminal. @default whether it is */
  readonly tty?: boolean
  readonly width?: () => number
  readonly clock?: Clock
  /** @default to standard error */
  readonly write?: (text: string) => void
}

/**
 * How far long work has come, how fast it goes and how long it still takes: a living line on a terminal, a line now and
 * then elsewhere. All of it goes to standard error.
 */
export class Progress {
  total: number | undefined
  /** What is at hand: a day, a file. */
  detail = ''
  readonly #options: Required<Omit<ProgressOptions, 'total'>>
  readonly #startedAt: number
  #samples: { readonly at: number; readonly done: number }[]
  #done = 0
  #saidAt: number
  #isShown = false

  constructor(options: ProgressOptions) {
    const { total, ...rest } = options
    this.total = total
    this.#options = {
      tty: isatty(2),
      width: () => process.stderr.columns || 80,
      clock: systemClock(),
      write: text => void process.stderr.write(text),
      ...rest,
    }
    this.#startedAt = this.#options.clock.now()
    this.#saidAt = this.#startedAt
    this.#samples = [{ at: this.#startedAt, done: 0 }]
  }

  /** So much is done in all. */
  update(done: number): void {
    this.#done = done
    const { clock, tty } = this.#options
    const now = clock.now()
    const since = now - this.#saidAt
    if (now - this.#startedAt < QUIET_MS || since < (tty ? PAINT_MS : LINE_MS)) return
    this.#samples.push({ at: now, done })
    while (this.#samples.length > 2 && now - this.#samples[1]!.at > WINDOW_MS) this.#samples.shift()
    this.#saidAt = now
    this.#show(this.#line(now))
  }

  add(count: number): void {
    this.update(this.#done + count)
  }

  /** A line of its own, above the living one. */
  say(line: string): void {
    this.#options.write(`${this.#clear()}${line}\n`)
  }

  /** Takes the living line away. */
  end(): void {
    const clear = this.#clear()
    if (clear) this.#options.write(clear)
  }

  #show(line: string): void {
    const { tty, write, width } = this.#options
    if (!tty) {
      write(`${line}\n`)
      return
    }
    write(`\r${line.slice(0, Math.max(10, width() - 1))}\x1b[K`)
    this.#isShown = true
  }

  #clear(): string {
    if (!this.#isShown) return ''
    this.#isShown = false
    return '\r\x1b[K'
  }

  /** `importing: 1,200,000 of 3,000,000 rows (40 %), 210,000/s, 9 s left · day.csv` */
  #line(now: number): string {
    const { label, unit } = this.#options
    const { total, detail } = this
    const done = this.#done
    const [first] = this.#samples
    const seconds = (now - first!.at) / 1_000
    const rate = seconds > 0 ? (done - first!.done) / seconds : 0
    const share = total ? ` of ${amount(total)} ${unit} (${percent(done / total)})` : ` ${unit}`
    const left = total && rate > 0 ? [`${timeText(Math.max(0, total - done) / rate)} left`] : []
    const speed = rate >= 10 ? amount(Math.round(rate)) : rate.toFixed(1)
    const parts = [`${label}: ${amount(Math.round(done))}${share}`, `${speed}/s`, ...left]
    return parts.join(', ') + (detail ? ` · ${detail}` : '')
  }
}

const percent = (part: number) => `${Math.min(100, Math.floor(part * 100))} %`

/** `9 s`, `3 min 20 s`, `2 h 05 min`. */
export function timeText(seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole < 100) return `${whole} s`
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  const minutes = Math.ceil(seconds / 60)
  return `${amount(Math.floor(minutes / 60))} h ${String(minutes % 60).padStart(2, '0')} min`
}
