import { rm, stat } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import type { Clock } from '../../base/clock.ts'
import { asError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { Checkpoint } from '../../flow/contracts.ts'
import type { Catalog, Segment } from './catalog.ts'
import { summaryOf } from './recover.ts'
import { type Aged, outlived, type Retention } from './retention.ts'
import { type SealRequest, type SealResult, sealSegments } from './seal.ts'

export interface SealerOptions {
  readonly catalog: Catalog
  readonly clock: Clock
  readonly log: Log
  readonly retention: Retention
  /** How far each topic had been seen at the end of the last sealed file. */
  readonly checkpoints: readonly Checkpoint[]
  /** The lowest number a store has yet to read. */
  readonly heldFrom: () => number
  /** Events up to this number are deleted, read or not. */
  readonly passed: (last: number) => void
}

/** Looks after finished files, one after the other: seals them in a worker thread, then lets go of what is too old. */
export class Sealer {
  readonly #at: SealerOptions
  readonly #stop = new Uint8Array(new SharedArrayBuffer(1))
  #checkpoints: readonly Checkpoint[]
  /** Highest receive times of sealed files, by path. */
  readonly #newest = new Map<string, number>()
  #work: Promise<void> = Promise.resolve()

  constructor(options: SealerOptions) {
    this.#at = options
    this.#checkpoints = options.checkpoints
  }

  add(segment: Segment): void {
    this.#work = this.#work.then(() => this.#seal(segment))
  }

  /** Resolves when everything added so far has been seen to. */
  idle(): Promise<void> {
    return this.#work
  }

  /** Ends what is under way: an unfinished file is sealed after the next start. */
  async close(): Promise<void> {
    Atomics.store(this.#stop, 0, 1)
    await this.#work
  }

  async #seal(segment: Segment): Promise<void> {
    if (this.#stop[0] !== 0) return
    const { catalog, log } = this.#at
    try {
      const { path } = segment
      const known = this.#checkpoints
      const result = await sealInWorker({ sources: [path], target: path, known, stop: this.#stop })
      if (!result) {
        await rm(`${path}.sealing`, { force: true })
        return
      }
      if (result.damaged > 0) {
        const { damaged } = result
        log.warn({ file: path, damaged }, 'parts of a tape file could not be read')
      }
      this.#checkpoints = result.checkpoints
      if (Number.isFinite(result.newest)) this.#newest.set(path, result.newest)
      catalog.replaced(segment)
    } catch (error) {
      const { message } = asError(error)
      log.warn({ file: segment.path, error: message }, 'a tape file could not be compressed')
      await rm(`${segment.path}.sealing`, { force: true }).catch(() => {})
    }
    // The folder may be another process's by now.
    if (this.#stop[0] !== 0) return
    try {
      // A disk too full for the compressed file needs it most.
      await this.#retain()
    } catch (error) {
      log.warn({ error: asError(error).message }, 'old tape files could not be removed')
    }
  }

  async #retain(): Promise<void> {
    const { catalog, retention, heldFrom, clock, passed } = this.#at
    const { segments } = catalog
    const files: Aged[] = []
    for (const [i, segment] of segments.entries()) {
      const { path, first } = segment
      const next = segments[i + 1] && (await catalog.headerOf(segments[i + 1]!))
      const { size } = await stat(path).catch(sizeOfGone)
      const last = next?.previous ?? first
      // The header of the next file knows the highest time of all files before it, of which one may be wrong.
      const newest = (next && (await this.#newestIn(segment))) ?? next?.highest ?? clock.now()
      files.push({ first, last, bytes: size, newest })
    }
    const count = outlived(files, retention, heldFrom(), clock.now())
    if (count === 0) return
    passed(files[count - 1]!.last)
    for (const segment of segments.slice(0, count)) {
      // First out of the catalog, so that nobody begins to read it.
      catalog.remove(segment)
      this.#newest.delete(segment.path)
      await rm(segment.path, { force: true })
    }
  }

  /** Highest receive time in a sealed file, looked up once; `undefined` when it does not say, or age does not matter. */
  async #newestIn(segment: Segment): Promise<number | undefined> {
    const { retention } = this.#at
    const known = this.#newest.get(segment.path)
    if (known !== undefined || retention.ageMs === undefined) return known
    const newest = await newestOf(segment)
    if (newest !== undefined) this.#newest.set(segment.path, newest)
    return newest
  }
}

async function newestOf(segment: Segment): Promise<number | undefined> {
  try {
    return (await summaryOf(segment))?.newest
  } catch (error) {
    // Gone or damaged since: the header of the next one says what is known of it.
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'TAPE_DAMAGED') throw error
    return undefined
  }
}

/** A file that somebody has removed takes no room, and does not keep older ones. */
function sizeOfGone(error: NodeJS.ErrnoException): { readonly size: number } {
  if (error.code !== 'ENOENT') throw error
  return { size: 0 }
}

/**
 * `undefined` when it was stopped. A worker is never terminated: one that is cut off in the midst of compressing takes
 * the whole process with it (Node 20 aborts on a compressor that was made and not begun).
 */
function sealInWorker(request: SealRequest): Promise<SealResult | undefined> {
  // Run from its sources, as in tests, there is no file that a worker could load.
  if (import.meta.url.endsWith('.ts')) return sealSegments(request)
  const worker = new Worker(new URL('./seal-worker.js', import.meta.url), { workerData: request })
  return new Promise((resolve, reject) => {
    worker.once('message', (result: SealResult | undefined) => resolve(result))
    worker.once('error', reject)
    worker.once('exit', () => reject(new Error('the worker ended without a result')))
  })
}
