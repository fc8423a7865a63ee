import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, systemClock } from '../../base/clock.ts'
import { asError, TickwireError } from '../../base/errors.ts'
import { type Lease, takeLease } from '../../base/lease.ts'
import { type Log as Logger, stderrLog } from '../../base/log.ts'
import type { Checkpoint, Position, ReadOptions } from '../../flow/contracts.ts'
import { createEvent, type MarketEvent, type NoticeName } from '../../market/events.ts'
import { Keyframes } from '../keyframes.ts'
import { checkCapacity } from '../memory.ts'
import { type Log, positionOf, readLog, Waiting } from '../reading.ts'
import { Ring } from '../ring.ts'
import type { Tape } from '../tape.ts'
import { Catalog } from './catalog.ts'
import { type Disk, systemDisk } from './disk.ts'
import { inUse, unwritable } from './failures.ts'
import { Holds } from './holds.ts'
import { readIdentity, writeIdentity } from './identity.ts'
import { Numbers, STEP } from './numbers.ts'
import { OlderFiles } from './older.ts'
import { type Recovered, recover } from './recover.ts'
import type { Retention } from './retention.ts'
import { Sealer } from './sealer.ts'
import { Writer } from './writer.ts'

export interface FileTapeOptions {
  /** Where its files are, made when it is not there. One process writes to it at a time; others may read. */
  readonly folder: string
  /** Newest events kept at hand in memory, rounded up to a power of two. @default 131072 (about 35 MB) */
  readonly capacity?: number
  /** A file is done at this size or age, and is then compressed in the background. @default 67108864 (64 MiB) */
  readonly segmentBytes?: number
  /** @default 3600000 (an hour) */
  readonly segmentMs?: number
  /** How often what was written is brought to safety from a loss of power, ms. @default 1000 */
  readonly syncMs?: number
  /** What may be given up to keep the disk free. @default 10 GiB */
  readonly retention?: Retention
  readonly clock?: Clock
  /** @default warnings and errors to stderr */
  readonly log?: Logger
  /** The file system, for tests. @default the machine's */
  readonly disk?: Disk
}

/** A {@link Tape} in files: it outlives the process. */
export interface FileTape extends Tape {
  readonly folder: string
  /** How far each (source, symbol, kind) had been seen when the tape was opened: where a restarted feed goes on. */
  readonly checkpoints: readonly Checkpoint[]
  /** False while the disk takes nothing: the stream goes on in memory, under an `unrecorded` notice. */
  readonly isRecording: boolean
  /**
   * How many events appended since it was opened, notices included, are not on the disk and will not be: those an
   * outage has cost, and during one all that came since it began.
   */
  readonly unrecorded: number
  /**
   * Says how far a store has read: retention by age and size stops there, until `maxBytes`. A name keeps its place until
   * `release`, also over restarts: a new name is written at once, a move within 10 s.
   */
  hold(name: string, position: Position): void
  release(name: string): void
  /** Resolves when all finished files are compressed, as far as they can be. */
  sealed(): Promise<void>
}

/**
 * Opens a tape on disk, made when there is none, and goes on behind its last event. After an unclean end a `lost`
 * notice says which numbers are not used.
 * @throws TAPE_IN_USE when another process records to it, TAPE_UNWRITABLE, TAPE_DAMAGED, TAPE_TOO_NEW, BAD_OPTION
 */
export async function openFileTape(options: FileTapeOptions): Promise<FileTape> {
  const { folder, clock = systemClock(), log = stderrLog } = options
  checkCapacity(options.capacity ?? 131_072)
  let lease: Lease | undefined
  let numbers: Numbers | undefined
  try {
    await mkdir(folder, { recursive: true })
    let takenBy: number | undefined
    let tape: OpenFileTape | undefined
    const lost = (heldBy: number) => {
      takenBy = heldBy
      tape?.forsake(heldBy)
    }
    const taken = takeLease([join(folder, 'writer.lease')], clock, undefined, lost)
    if ('heldBy' in taken) throw inUse(folder, taken.heldBy)
    lease = taken
    const { disk = systemDisk } = options
    const known = await readIdentity(folder)
    const { id, holds } = known ?? { id: randomUUID(), holds: new Map<string, number>() }
    const catalog = new Catalog(folder, id, true)
    await catalog.refresh()
    const found = await recover(catalog, log)
    // Not before it is known that the tape can be read: a wrong name would make its files a stranger's.
    if (!known?.isWritten) await writeIdentity(folder, disk, { id, holds })
    if (known && !known.isWritten) {
      log.warn({ folder, id }, 'tape.json was lost: made anew from the files, stores hold nothing')
    }
    numbers = await Numbers.open(folder)
    const isClean = numbers.closedAt === found.last
    // Behind everything that may have been given out. Where nobody wrote down the last promise, that is one step.
    const promised = numbers.closedAt ?? numbers.reserved
    const isKnown = !known || (numbers.reserved > 0 && promised >= found.last)
    const begin = isKnown ? Math.max(found.last, promised) : found.last + STEP
    await numbers.reserve(begin + STEP)
    if (takenBy !== undefined) throw inUse(folder, takenBy)
    tape = new OpenFileTape(options, { id, holds, lease, numbers, catalog, found, begin })
    if (!isClean && begin > found.last) tape.tellLost(found.last + 1, begin, 'UNCLEAN_END')
    return tape
  } catch (error) {
    await numbers?.close(undefined)
    lease?.release()
    throw error instanceof TickwireError ? error : unwritable(folder, asError(error))
  }
}

interface Opened {
  readonly id: string
  readonly holds: ReadonlyMap<string, number>
  readonly lease: Lease
  readonly numbers: Numbers
  readonly catalog: Catalog
  readonly found: Recovered
  /** The number before the first one given out now. */
  readonly begin: number
}

class OpenFileTape implements FileTape {
  readonly id: string
  readonly folder: string
  readonly checkpoints: readonly Checkpoint[]
  readonly #ring: Ring
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #lease: Lease
  readonly #numbers: Numbers
  readonly #writer: Writer
  readonly #sealer: Sealer
  readonly #waiting = new Waiting()
  readonly #keyframes = new Keyframes(frames => this.#append(frames))
  readonly #log: Log
  readonly #holds: Holds
  #closing: Promise<void> | undefined
  #closed = false
  #isForsaken = false

  constructor(options: FileTapeOptions, opened: Opened) {
    const { folder, clock = systemClock(), log = stderrLog, disk = systemDisk } = options
    const { id, numbers, catalog, found, begin } = opened
    this.id = id
    this.folder = folder
    this.checkpoints = found.checkpoints
    this.#clock = clock
    this.#logger = log
    this.#lease = opened.lease
    this.#numbers = numbers
    this.#holds = new Holds({ tape: id, folder, disk, clock, log, known: opened.holds })
    const ring = new Ring(options.capacity ?? 131_072, begin)
    this.#ring = ring
    this.#sealer = new Sealer({
      ...{ catalog, clock, log },
      retention: options.retention ?? {},
      checkpoints: found.sealed,
      heldFrom: () => this.#holds.lowest,
      passed: last => this.#alarm(last),
    })
    const { segmentBytes = 64 * 1_024 ** 2, segmentMs = 3_600_000, syncMs = 1_000 } = options
    this.#writer = new Writer(
      {
        ...{ tape: id, folder, ring, catalog, numbers, disk, clock },
        ...{ segmentBytes, segmentMs, syncMs },
        ...{ previous: found.last, highest: found.highest },
      },
      {
        moved: () => this.#waiting.wake(),
        begun: first => this.#keyframes.begin(first),
        completed: segment => {
          this.#holds.save()
          this.#sealer.add(segment)
        },
        failed: (error, from) => this.#tellUnrecorded(error, from),
        resumed: (from, to) => this.tellLost(from, to, 'UNRECORDED'),
      },
    )
    this.#log = {
      ...{ id, ring },
      now: () => clock.now(),
      begin: () => catalog.before ?? (ring.first > begin + 1 ? ring.first - 1 : found.last),
      end: written => (written ? this.#writer.written : ring.last),
      isClosed: () => this.#closed,
      more: signal => this.#waiting.wait(signal),
      older: new OlderFiles(catalog, seq => this.#writer.isLost(seq)),
    }
    for (const segment of found.unsealed) this.#sealer.add(segment)
  }

  get start(): Position {
    return positionOf(this, this.#log.begin())
  }

  get end(): Position {
    return positionOf(this, this.#ring.last)
  }

  get written(): Position {
    return positionOf(this, this.#writer.written)
  }

  get isRecording(): boolean {
    return this.#writer.isRecording
  }

  get unrecorded(): number {
    return this.#writer.unrecorded
  }

  append(batch: readonly MarketEvent[]): void {
    if (this.#closing) throw new TickwireError('CLOSED', 'the tape is closed')
    this.#append(batch)
    this.#keyframes.follow(batch)
  }

  read(options: ReadOptions = {}): AsyncIterableIterator<MarketEvent[]> {
    return readLog(this.#log, options)
  }

  hold(name: string, position: Position): void {
    if (position.tape !== this.id) {
      throw new TickwireError('BAD_POSITION', `${name} holds a position of another tape`)
    }
    this.#holds.put(name, position.seq)
  }

  release(name: string): void {
    this.#holds.release(name)
  }

  sealed(): Promise<void> {
    return this.#sealer.idle()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Another process has taken the folder: the stream goes on in memory, and nothing there is touched any more. */
  forsake(heldBy: number): void {
    this.#isForsaken = true
    this.#holds.stop()
    void this.#sealer.close()
    this.#writer.forsake(inUse(this.folder, heldBy))
  }

  /** Says that the numbers from `from` to `to` stand for nothing that could be read here. */
  tellLost(from: number, to: number, code: 'UNCLEAN_END' | 'UNRECORDED'): void {
    const which = `the events numbered ${from} to ${to}`
    const message =
      code === 'UNRECORDED'
        ? `${which} are not on the tape: the disk took none of them`
        : `${which}, if there were any, are not on the tape: it was not closed`
    this.#tell('lost', message, { from, to, code })
  }

  #tellUnrecorded(error: Error, from: number): void {
    const { code = 'SLOW_DISK' } = error as NodeJS.ErrnoException
    const how = this.#isForsaken ? 'any more' : 'for the time being'
    const message = `nothing is recorded in ${this.folder} ${how}: ${error.message}`
    this.#logger.warn({ code, from }, message)
    this.#tell('unrecorded', message, { from, code })
  }

  #alarm(last: number): void {
    for (const [name, seq] of this.#holds.behind(last)) {
      const message = `the tape is full: what ${name} had yet to read, up to number ${last}, is deleted`
      this.#logger.error({ name, from: seq + 1, to: last }, message)
    }
  }

  #tell(notice: NoticeName, message: string, details: { from: number; to?: number; code: string }) {
    const now = this.#clock.now()
    const time = { timestamp: Math.floor(now), receivedAt: now }
    this.#append([createEvent({ type: 'notice', ...time, notice, message, ...details })])
  }

  #append(batch: readonly MarketEvent[]): void {
    this.#ring.append(batch)
    this.#writer.schedule()
    this.#waiting.wake()
  }

  async #close(): Promise<void> {
    try {
      await this.#writer.close()
      await this.#sealer.close()
      await this.#holds.close()
      await this.#closeNumbers()
    } finally {
      this.#closed = true
      this.#waiting.wake()
      this.#lease.release()
    }
  }

  /** What cannot be written at the end is no reason to keep the rest open. */
  async #closeNumbers(): Promise<void> {
    const isWhole = this.isRecording && !this.#isForsaken
    try {
      await this.#numbers.close(isWhole ? this.#ring.last : undefined)
    } catch (error) {
      const message = 'the tape could not be closed properly: the next start takes it for a crash'
      this.#logger.warn({ folder: this.folder, error: asError(error).message }, message)
    }
  }
}
