// What a bot did, on its way to people: its log, standard output, a webhook.
import { appendFile, mkdir, rename, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock, Timer } from '../../base/clock.ts'
import { asError } from '../../base/errors.ts'
import type { DiaryRow } from '../../bot/diary.ts'
import type { Notification, Notifier } from '../../bot/notify.ts'

/** Takes lines, and says when they have come through. */
export interface Lines {
  put(text: string): unknown
  flush(): Promise<void>
}

/** How often it is looked what has come through, ms. */
const SETTLE_MS = 500

/** Rows on their way to people: a line of JSON each, and a notification for what they want to hear at once. */
export class Told {
  readonly #sinks: readonly Lines[]
  readonly #notifier: Notifier | undefined
  readonly #settle: (n: number) => void
  readonly #clock: Clock
  #timer: Timer
  #last = 0
  #settled = 0

  constructor(
    sinks: readonly Lines[],
    notifier: Notifier | undefined,
    settle: (n: number) => void,
    clock: Clock,
  ) {
    this.#sinks = sinks
    this.#notifier = notifier
    this.#settle = settle
    this.#clock = clock
    this.#timer = this.#lookLater()
  }

  take(rows: readonly DiaryRow[]): void {
    const text = rows.map(row => `${JSON.stringify(row)}\n`).join('')
    for (const sink of this.#sinks) sink.put(text)
    for (const row of rows) {
      this.#last = row.n
      const said = messageOf(row)
      if (!said) continue
      const { n, bot, time, again } = row
      const at = Date.parse(time)
      this.#notifier?.notify({ ...said, bot, at, n, ...(again && { again }) })
    }
  }

  /** Waits for what is on its way, not for ever. */
  async close(): Promise<void> {
    this.#timer.cancel()
    await this.#notifier?.close()
    await this.#look()
  }

  #lookLater(): Timer {
    return this.#clock.setTimeout(() => {
      void this.#look()
      this.#timer = this.#lookLater()
    }, SETTLE_MS)
  }

  async #look(): Promise<void> {
    const last = this.#last
    for (const sink of this.#sinks) await sink.flush()
    const unsent = this.#notifier?.firstUnsent
    const settled = unsent === undefined ? last : Math.min(last, unsent - 1)
    if (settled <= this.#settled) return
    this.#settled = settled
    this.#settle(settled)
  }
}

/** A log that is larger goes aside, over the one that went aside before, bytes. */
const MOST_BYTES = 16 << 20

/** The log of a bot: lines behind those of its lives before. */
export class LogFile implements Lines {
  readonly #file: string
  readonly #said: (line: string) => void
  #pending: string[] = []
  #work: Promise<void> | undefined
  #isTold = false

  constructor(file: string, said: (line: string) => void) {
    this.#file = file
    this.#said = said
  }

  put(text: string): void {
    this.#pending.push(text)
    this.#work ??= this.#write().finally(() => {
      this.#work = undefined
    })
  }

  async flush(): Promise<void> {
    while (this.#work) await this.#work
  }

  async #write(): Promise<void> {
    while (this.#pending.length > 0) {
      const text = this.#pending.join('')
      this.#pending = []
      try {
        await mkdir(dirname(this.#file), { recursive: true })
        const size = await stat(this.#file).then(
          it => it.size,
          () => 0,
        )
        if (size > MOST_BYTES) await rename(this.#file, `${this.#file}.1`)
        await appendFile(this.#file, text, { mode: 0o600 })
      } catch (thrown) {
        // A bot is not stopped by its log; that it lacks something has to be known.
        if (!this.#isTold) this.#said(`${this.#file} lacks rows: ${asError(thrown).message}`)
        this.#isTold = true
      }
    }
  }
}

/** What a person wants to hear at once. */
function messageOf(row: DiaryRow): Pick<Notification, 'kind' | 'message'> | undefined {
  switch (row.did) {
    case 'refused': {
      if (row.code === 'CATCHING_UP') return undefined
      const { side, quantity, symbol } = row.request
      const message = `${side} ${quantity} ${symbol} refused, ${row.code}: ${row.why}`
      return { kind: 'refused', message }
    }
    case 'fill': {
      const { side, quantity, symbol, price, id } = row
      return { kind: 'fill', message: `${side} ${quantity} ${symbol} at ${price} (${id})` }
    }
    case 'update':
      if (row.status !== 'rejected') return undefined
      return { kind: 'error', message: `order ${row.id} was rejected: ${row.ending}` }
    case 'signal':
      return { kind: 'signal', message: row.message }
    case 'day': {
      const { day, made, equity, fills, fees } = row
      const sign = made < 0 ? '' : '+'
      const sums = `${sign}${made.toFixed(2)}, equity ${equity.toFixed(2)}`
      return {
        kind: 'summary',
        message: `day ${day}: ${sums}, ${fills} fills, fees ${fees.toFixed(2)}`,
      }
    }
    default:
      return undefined
  }
}
