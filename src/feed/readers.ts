import type { Clock, Timer } from '../base/clock.ts'
import type { TickwireError } from '../base/errors.ts'
import type { BarStats } from '../derive/bars-options.ts'
import { LAGGING_MS } from '../flow/handler.ts'
import type { DeliveryCounters } from '../flow/queue.ts'

/** How often it is looked whether the process was held up, ms. */
const STALL_CHECK_MS = 250

/** A handler, or a loop, as its feed sees it. */
export interface Reader {
  readonly name: string
  readonly counters: DeliveryCounters
  /** Of handlers: how many calls, and what one costs, ms. */
  readonly load?: { readonly calls: number; readonly cost: number }
  /** Of those whose events are made here out of trades. */
  readonly made?: BarStats | undefined
  blame?(ms: number): void
  /** Set while it has no room, with the policy `block`. */
  room(): Promise<void> | undefined
  /** The feed has ended by itself: what waits is still delivered; resolves then. */
  end(error: TickwireError | undefined): Promise<void>
  close(): void
}

export interface ReaderStats extends DeliveryCounters {
  readonly name: string
  /** Where its bars or tickers are made here out of trades: how many there were, and what of them could not be used. */
  readonly made?: BarStats
}

/** Everybody who reads a feed; and who of them it is that holds the process up. */
export class Readers {
  readonly #clock: Clock
  readonly #readers = new Set<Reader>()
  /** Those that finish with what they have been given, after the feed has ended by itself. */
  #draining: readonly Reader[] = []
  #stalls: Timer | undefined
  /** Calls of each handler at the last look. */
  readonly #calls = new WeakMap<Reader, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(reader: Reader): void {
    this.#readers.add(reader)
    if (reader.load) this.#watchStalls()
  }

  delete(reader: Reader): void {
    this.#readers.delete(reader)
  }

  stats(): ReaderStats[] {
    return [...this.#readers].map(({ name, counters, made }) => {
      return { name, ...counters, ...(made && { made }) }
    })
  }

  /** What a source that can wait has to wait for: all readers that have no room. */
  room(): Promise<void> | undefined {
    const full: Promise<void>[] = []
    for (const reader of this.#readers) {
      const room = reader.room()
      if (room) full.push(room)
    }
    return full.length > 0 ? Promise.all(full).then(() => {}) : undefined
  }

  /** The feed has ended by itself; resolves when all that came has been handled. */
  end(reason: TickwireError | undefined): Promise<void> {
    this.#stalls?.cancel()
    this.#draining = [...this.#readers]
    return Promise.all(this.#draining.map(reader => reader.end(reason))).then(() => {})
  }

  /** Handlers and loops end at once, also those that a feed which ended by itself still waits for. */
  close(): void {
    this.#stalls?.cancel()
    for (const reader of [...this.#readers, ...this.#draining]) reader.close()
  }

  /** Notices when the process was held up, and names the handler that its timed calls show to be the dearest. */
  #watchStalls(): void {
    if (this.#stalls) return
    const due = this.#clock.now() + STALL_CHECK_MS
    this.#stalls = this.#clock.setTimeout(
      () => {
        this.#stalls = undefined
        const late = this.#clock.now() - due
        let [dearest, worst] = [undefined as Reader | undefined, 0]
        for (const reader of this.#readers) {
          if (!reader.load) continue
          const { calls, cost } = reader.load
          const share = (calls - (this.#calls.get(reader) ?? 0)) * (cost || Number.MIN_VALUE)
          this.#calls.set(reader, calls)
          if (share > worst) [dearest, worst] = [reader, share]
        }
        if (late >= LAGGING_MS - STALL_CHECK_MS) dearest?.blame?.(late + STALL_CHECK_MS)
        if ([...this.#readers].some(reader => reader.load)) this.#watchStalls()
      },
      STALL_CHECK_MS,
      'idle',
    )
  }
}
