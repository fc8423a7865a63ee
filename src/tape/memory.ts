import { randomUUID } from 'node:crypto'
import { type Clock, systemClock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import type { Position, ReadOptions } from '../flow/contracts.ts'
import { readerNotice } from '../flow/queue.ts'
import { type MarketEvent, stampSeq } from '../market/events.ts'
import { topicFilter } from '../market/topics.ts'
import type { Tape } from './tape.ts'

export interface MemoryTapeOptions {
  /** Events kept, rounded up to a power of two. @default 131072 (about 35 MB) */
  readonly capacity?: number
  readonly clock?: Clock
}

/** Most events a ring can hold: some four gigabytes. */
const MOST = 2 ** 24
/** Most events handed to a reader at once, so that catching up does not hold the event loop. */
const BATCH = 4_096

/** A tape in a ring: the last `capacity` events, gone with the process. */
export function memoryTape(options: MemoryTapeOptions = {}): Tape {
  return new MemoryTape(options)
}

class MemoryTape implements Tape {
  readonly id = randomUUID()
  readonly #ring: (MarketEvent | undefined)[]
  readonly #mask: number
  readonly #clock: Clock
  readonly #waiting = new Set<() => void>()
  /** seq of the newest event. */
  #last = 0
  #closed = false

  constructor({ capacity = 131_072, clock = systemClock() }: MemoryTapeOptions) {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > MOST) {
      const range = `a whole number from 1 to ${MOST}`
      throw new TickwireError('BAD_OPTION', `capacity must be ${range}, not ${capacity}`)
    }
    const size = 2 ** Math.ceil(Math.log2(capacity))
    this.#ring = new Array(size).fill(undefined)
    this.#mask = size - 1
    this.#clock = clock
  }

  get start(): Position {
    return { tape: this.id, seq: Math.max(0, this.#last - this.#ring.length) }
  }

  get end(): Position {
    return { tape: this.id, seq: this.#last }
  }

  get written(): Position {
    return this.end
  }

  append(batch: readonly MarketEvent[]): void {
    if (this.#closed) throw new TickwireError('CLOSED', 'the tape is closed')
    for (const event of batch) {
      stampSeq(event, ++this.#last)
      this.#ring[this.#last & this.#mask] = event
    }
    this.#wake()
  }

  read(options: ReadOptions = {}): AsyncIterableIterator<MarketEvent[]> {
    const { from = 'now', topics, live = true, signal } = options
    // Where it starts is settled by the call, not by the first step of the loop.
    const { next, notice } = this.#locate(from)
    const last = live ? Number.POSITIVE_INFINITY : this.#last
    const stop = new AbortController()
    const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal
    const steps = this.#follow(next, last, notice, topics && topicFilter(topics), either)
    return {
      next: () => steps.next(),
      // A generator that waits would not hear of it.
      return: () => {
        stop.abort()
        return steps.return(undefined)
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  async *#follow(
    next: number,
    last: number,
    notice: MarketEvent | undefined,
    wanted: ((event: MarketEvent) => boolean) | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<MarketEvent[]> {
    if (notice) yield [notice]
    while (!signal.aborted && next <= last) {
      const first = Math.min(last, this.start.seq) + 1
      if (next < first) {
        yield [this.#skipped(next, first - 1)]
        next = first
        continue
      }
      const batch: MarketEvent[] = []
      const end = Math.min(this.#last, last, next + BATCH - 1)
      for (; next <= end; next++) {
        const event = this.#ring[next & this.#mask]!
        if (!wanted || wanted(event)) batch.push(event)
      }
      if (batch.length > 0) yield batch
      else if (next > this.#last) {
        if (this.#closed) return
        await this.#more(signal)
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#wake()
  }

  /** The number to read next, and what must be said before. */
  #locate(from: NonNullable<ReadOptions['from']>): { next: number; notice?: MarketEvent } {
    if (from === 'start') return { next: this.start.seq + 1 }
    if (from === 'now') return { next: this.#last + 1 }
    if ('time' in from) return { next: this.#firstAt(from.time) }
    if (from.tape !== this.id) {
      const message = 'this position is of another tape; reading from the oldest event held'
      return {
        next: this.start.seq + 1,
        notice: readerNotice('reset', this.#clock.now(), message, { from: this.start.seq + 1 }),
      }
    }
    if (!Number.isInteger(from.seq) || from.seq < 0 || from.seq > this.#last) {
      throw new TickwireError('BAD_POSITION', `no position ${from.seq} on this tape yet`, {
        hint: `It ends at ${this.#last}; use a position the tape gave out.`,
      })
    }
    return { next: from.seq + 1 }
  }

  /** The number of the first event received at or after a time; the one to come when there is none. */
  #firstAt(time: number): number {
    for (let seq = this.start.seq + 1; seq <= this.#last; seq++) {
      if (this.#ring[seq & this.#mask]!.receivedAt >= time) return seq
    }
    return this.#last + 1
  }

  #skipped(from: number, to: number): MarketEvent {
    const count = to - from + 1
    const message = `${count} events are no longer held: the reader was away or too slow`
    return readerNotice('skipped', this.#clock.now(), message, { count, from, to })
  }

  #wake(): void {
    if (this.#waiting.size === 0) return
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  #more(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const wake = () => {
        signal.removeEventListener('abort', wake)
        this.#waiting.delete(wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake)
      if (signal.aborted) wake()
    })
  }
}
