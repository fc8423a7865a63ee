import type { Timer } from '../../base/clock.ts'
import { type Clock, systemClock } from '../../base/clock.ts'
import { asError } from '../../base/errors.ts'
import type { Position, ReadOptions } from '../../flow/contracts.ts'
import type { MarketEvent } from '../../market/events.ts'
import { type Log, positionOf, readLog, Waiting } from '../reading.ts'
import type { TapeReader } from '../tape.ts'
import type { BlockReader } from './blocks.ts'
import { Catalog, type Segment } from './catalog.ts'
import { noTape, unreadable } from './failures.ts'
import { BLOCK, ROWS_HEAD, WHOLE_HEAD } from './format.ts'
import { readIdentity } from './identity.ts'
import { OlderFiles } from './older.ts'
import { readSummary } from './summary.ts'

export interface FollowOptions {
  readonly folder: string
  /** How often it is looked whether there is more, ms. @default 20 */
  readonly pollMs?: number
  readonly clock?: Clock
}

/**
 * Reads the tape of another process from its files, live too: everything it gives has been written, so it outlives
 * that process. Nothing is changed in the folder.
 * @throws NO_TAPE TAPE_DAMAGED TAPE_TOO_NEW
 */
export async function followFileTape(options: FollowOptions): Promise<TapeReader> {
  const { folder } = options
  try {
    const identity = await readIdentity(folder)
    if (!identity) throw noTape(folder)
    const catalog = new Catalog(folder, identity.id, false)
    await catalog.refresh()
    // Whatever is of another tape is known from now on.
    await catalog.sift()
    const tape = new FollowedTape(options, identity.id, catalog)
    await tape.look()
    tape.watch()
    return tape
  } catch (error) {
    throw unreadable(folder, asError(error))
  }
}

class FollowedTape implements TapeReader {
  readonly id: string
  readonly #catalog: Catalog
  readonly #clock: Clock
  readonly #pollMs: number
  readonly #waiting = new Waiting()
  readonly #log: Log
  #timer: Timer | undefined
  /** Readers that wait: they keep the process alive, the tape alone does not. */
  #readers = 0
  #isIdle = true
  #looking: Promise<void> | undefined
  #closed = false
  /** Why the files cannot be read just now. */
  #failure: Error | undefined
  /** Where the end of the tape is looked for. */
  #segment: Segment | undefined
  #blocks: BlockReader | undefined
  #last = 0

  constructor({ clock = systemClock(), pollMs = 20 }: FollowOptions, id: string, catalog: Catalog) {
    this.id = id
    this.#catalog = catalog
    this.#clock = clock
    this.#pollMs = pollMs
    this.#log = {
      ...{ id, ring: undefined },
      now: () => clock.now(),
      begin: () => catalog.before ?? this.#last,
      end: () => this.#last,
      isClosed: () => this.#closed,
      more: signal => this.#more(signal),
      older: new OlderFiles(catalog, () => false),
    }
  }

  get start(): Position {
    return positionOf(this, this.#log.begin())
  }

  get end(): Position {
    return positionOf(this, this.#last)
  }

  get written(): Position {
    return this.end
  }

  read(options: ReadOptions = {}): AsyncIterableIterator<MarketEvent[]> {
    return readLog(this.#log, options)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#timer?.cancel()
    await this.#looking
    await this.#blocks?.close()
    this.#waiting.wake()
  }

  /** Looks again and again: sets the timer for the next time, as long as no look is under way. */
  watch(): void {
    this.#timer?.cancel()
    if (this.#closed || this.#looking) return
    this.#isIdle = this.#readers === 0
    this.#timer = this.#clock.setTimeout(
      () => {
        this.#looking = this.#lookAgain().finally(() => {
          this.#looking = undefined
          this.watch()
        })
      },
      this.#pollMs,
      this.#isIdle ? 'idle' : undefined,
    )
  }

  async #more(signal: AbortSignal): Promise<void> {
    if (this.#failure) throw this.#failure
    this.#readers++
    if (this.#isIdle) this.watch()
    await this.#waiting.wait(signal)
    // A timer set for it stays until the next look: readers that come and go must not put that off for ever.
    this.#readers--
  }

  /** Readers that wait are told when the folder is gone, or nobody may read it any more. */
  async #lookAgain(): Promise<void> {
    try {
      await this.look()
      this.#failure = undefined
    } catch (error) {
      this.#failure = unreadable(this.#catalog.folder, asError(error))
      this.#waiting.wake()
    }
  }

  /** Finds out how far the tape goes now. */
  async look(): Promise<void> {
    const before = this.#last
    for (;;) {
      await this.#readOn()
      const next = this.#segment && (await this.#catalog.after(this.#segment))
      if (this.#segment && !next) break
      // Something may have come before the next file was begun.
      await this.#readOn()
      await this.#blocks?.close()
      this.#blocks = undefined
      this.#segment = next ?? (await this.#newest())
      if (!this.#segment) break
    }
    if (this.#last > before) this.#waiting.wake()
  }

  async #newest(): Promise<Segment | undefined> {
    return this.#catalog.find(Number.MAX_SAFE_INTEGER)
  }

  async #readOn(): Promise<void> {
    if (!this.#segment) return
    this.#blocks ??= await this.#open(this.#segment)
    for (;;) {
      const block = await this.#blocks?.next()
      if (!block) return
      if (block.type !== BLOCK.rows && block.type !== BLOCK.whole) continue
      const head = block.type === BLOCK.whole ? WHOLE_HEAD : ROWS_HEAD
      const last = block.body.readUIntLE(head - 8, 6) + block.body.readUInt16LE(head - 2) - 1
      this.#last = Math.max(this.#last, last)
    }
  }

  async #open(segment: Segment): Promise<BlockReader | undefined> {
    const reader = await this.#catalog.open(segment)
    if (!reader) return undefined
    const { blocks } = reader
    const summary = await readSummary(blocks)
    let last = summary?.last ?? blocks.header.previous
    if (!summary && blocks.header.form === 'columns') {
      // A compressed file whose end is damaged.
      for (let block = await reader.next(); block; block = await reader.next()) {
        last = Math.max(last, block.events.at(-1)?.seq ?? 0)
      }
    }
    this.#last = Math.max(this.#last, last)
    return blocks
  }
}
