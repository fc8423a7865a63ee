import type { Timer } from '../../base/clock.ts'
import { type Clock, systemClock } from '../../base/clock.ts'
import { asError } from '../../base/errors.ts'
import type { Position, ReadOptions } from '../../flow/contracts.ts'
import type { MarketEvent } from '../../market/events.ts'
import { type Log, positionOf, readLog, Waiting } from '../reading.ts'
import type { TapeReader } from '../tape.ts'
import { BlockReader } from './blocks.ts'
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
    const catalog = new Catalog(folder, false)
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
  #looking: Promise<void> | undefined
  #closed = false
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
      begin: () => (catalog.segments[0]?.first ?? this.#last + 1) - 1,
      end: () => this.#last,
      isClosed: () => this.#closed,
      more: signal => this.#waiting.wait(signal),
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

  /** Looks again and again, while somebody is interested. */
  watch(): void {
    if (this.#closed) return
    this.#timer = this.#clock.setTimeout(
      () => {
        this.#looking = this.look().finally(() => this.watch())
      },
      this.#pollMs,
      'idle',
    )
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
    await this.#catalog.refresh()
    return this.#catalog.segments.at(-1)
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
    const header = await this.#catalog.headerOf(segment)
    if (!header) return undefined
    const blocks = await BlockReader.open(segment.path)
    const summary = await readSummary(blocks)
    if (summary) this.#last = Math.max(this.#last, summary.last)
    return blocks
  }
}
