import { randomUUID } from 'node:crypto'
import { type Clock, systemClock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import type { Position, ReadOptions } from '../flow/contracts.ts'
import type { MarketEvent } from '../market/events.ts'
import { Keyframes } from './keyframes.ts'
import { type Log, positionOf, readLog, Waiting } from './reading.ts'
import { Ring } from './ring.ts'
import type { Tape } from './tape.ts'

export interface MemoryTapeOptions {
  /** Events kept, rounded up to a power of two. @default 131072 (about 35 MB) */
  readonly capacity?: number
  readonly clock?: Clock
}

/** Most events a ring can hold: some four gigabytes. */
const MOST = 2 ** 24

/** A tape in a ring: the last `capacity` events, gone with the process. @throws BAD_OPTION for an unusable capacity */
export function memoryTape(options: MemoryTapeOptions = {}): Tape {
  return new MemoryTape(options)
}

/** @throws BAD_OPTION when a ring cannot have this many events */
export function checkCapacity(capacity: number): number {
  if (Number.isInteger(capacity) && capacity >= 1 && capacity <= MOST) return capacity
  const range = `a whole number from 1 to ${MOST}`
  throw new TickwireError('BAD_OPTION', `capacity must be ${range}, not ${capacity}`)
}

class MemoryTape implements Tape {
  readonly id = randomUUID()
  readonly #ring: Ring
  readonly #waiting = new Waiting()
  readonly #keyframes = new Keyframes(frames => this.#ring.append(frames))
  readonly #log: Log
  #closed = false

  constructor({ capacity = 131_072, clock = systemClock() }: MemoryTapeOptions) {
    const ring = new Ring(checkCapacity(capacity))
    this.#ring = ring
    this.#log = {
      id: this.id,
      ring,
      now: () => clock.now(),
      begin: () => ring.first - 1,
      end: () => ring.last,
      isClosed: () => this.#closed,
      more: signal => this.#waiting.wait(signal),
    }
  }

  get start(): Position {
    return positionOf(this, this.#ring.first - 1)
  }

  get end(): Position {
    return positionOf(this, this.#ring.last)
  }

  get written(): Position {
    return this.end
  }

  append(batch: readonly MarketEvent[]): void {
    if (this.#closed) throw new TickwireError('CLOSED', 'the tape is closed')
    this.#ring.append(batch)
    this.#keyframes.follow(batch)
    this.#waiting.wake()
  }

  read(options: ReadOptions = {}): AsyncIterableIterator<MarketEvent[]> {
    return readLog(this.#log, options)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#waiting.wake()
  }
}
