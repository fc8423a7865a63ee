import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import { type Lease, takeLease } from '../base/lease.ts'
import type { HistoryRequest, Position } from '../flow/contracts.ts'
import { decodeColumns, encodeColumns } from '../market/columns.ts'
import { EVENT_TYPES, type MarketEvent } from '../market/events.ts'
import { type Asked, type AskedAt, type AskedParts, notNow } from './answerer.ts'
import { checkDriver } from './duckdb.ts'
import { makeFolder } from './files.ts'
import { type Hand, hire } from './hands.ts'
import { AHEAD, BLOCK, Intake, type IntakeOptions } from './intake.ts'
import type { KeeperOptions, Opened } from './keeper.ts'
import { givenUp } from './link.ts'
import { type Checked, checkOptions, type StoreOptions } from './options.ts'
import type { Note } from './parts.ts'
import { closed, Place } from './place.ts'
import { goOn } from './recovery.ts'
import { Sealing } from './sealing.ts'
import type {
  AsOfRequest,
  Followed,
  Holding,
  Merged,
  MergeOptions,
  PartsRequest,
  Store,
  Table,
} from './store.ts'
import { storeTrouble } from './trouble.ts'

export type { StoreOptions } from './options.ts'

/** The store in files of one folder, for one process at a time. */
export interface EmbeddedStore extends Store {
  /** Seals days that are over and quiet; what is under way is waited for. Done once a minute while it follows a tape. */
  seal(): Promise<void>
  /**
   * Puts the files of each sealed kind and day together; gives how many there are fewer. Many small ones are put together
   * by themselves. The old ones stay for an hour, for whoever is reading them.
   */
  compact(): Promise<number>
  /**
   * Makes anew from a tape what is in no sealed file, and forgets sealed files that cannot be read. What the tape does
   * not hold any more is sealed first. Not while it follows.
   */
  rebuild(tape: Followed, options?: RebuildOptions): Promise<void>
}

export interface RebuildOptions {
  /** Called now and then with the position reached. */
  readonly onProgress?: (position: Position) => void
  readonly signal?: AbortSignal
}

/**
 * Opens the store in a folder, or makes one.
 * @throws STORE_DRIVER_MISSING STORE_IN_USE STORE_TOO_NEW STORE_DAMAGED STORE_UNWRITABLE BAD_OPTION
 */
export async function openStore(options: StoreOptions): Promise<EmbeddedStore> {
  const store = new Embedded(checkOptions(options))
  await store.open()
  return store
}

/** Makes a store anew from a tape, see {@link EmbeddedStore.rebuild}. @throws as {@link openStore} */
export async function rebuildStore(
  options: StoreOptions & RebuildOptions & { readonly tape: Followed },
): Promise<void> {
  const store = await openStore(options)
  try {
    await store.rebuild(options.tape, options)
  } finally {
    await store.close()
  }
}

interface Compacted {
  readonly gone: number
  readonly notes: readonly Note[]
}

class Embedded implements EmbeddedStore {
  readonly #options: Checked
  readonly #place = new Place()
  readonly #sealing: Sealing
  readonly #end = new AbortController()
  #lease: Lease | undefined
  #hand: Hand | undefined
  #following: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #merges = 1

  constructor(options: Checked) {
    this.#options = options
    this.#sealing = new Sealing({
      ...{ ...options, place: this.#place },
      call: (name, rule) => this.#call(name, rule),
      sealed: opened => this.#take(opened),
    })
  }

  async open(): Promise<void> {
    const { folder, clock, log } = this.#options
    await checkDriver()
    try {
      await makeFolder(folder)
      const lease = takeLease(
        [join(folder, 'store.lease')],
        clock,
        error => log.warn({ folder, error: error.message }, 'the lease of the store is not kept'),
        heldBy => void this.#taken(heldBy),
      )
      if ('heldBy' in lease) {
        throw new TickwireError('STORE_IN_USE', `process ${lease.heldBy} has ${folder} open`, {
          hint: 'If it is `tickwire up`, commands ask it by themselves. If it imports, backfills or answers, wait until it is done and try again; or end it.',
        })
      }
      this.#lease = lease
    } catch (error) {
      throw storeTrouble(error, folder, `no store can be opened in ${folder}`)
    }
    try {
      await this.#start()
    } catch (error) {
      await this.#stop()
      this.#lease.release()
      throw error
    }
  }

  get position(): Position | undefined {
    return this.#place.position
  }

  get needed(): Position | undefined {
    return this.#place.needed
  }

  async #start(): Promise<void> {
    const { folder, threads, memoryMb } = this.#options
    const options: KeeperOptions = { folder, threads, memoryMb }
    this.#hand = hire(options)
    this.#take((await this.#hand.caller.call('open')) as Opened)
  }

  async #stop(): Promise<void> {
    const hand = this.#hand
    if (!hand) return
    this.#hand = undefined
    try {
      await hand.caller.call('close')
    } catch (error) {
      const fields = { folder: this.#options.folder, error: asError(error).message }
      this.#options.log.warn(fields, 'the store could not be closed properly')
    }
    await hand.end()
  }

  #take(opened: Opened): void {
    this.#tell(opened.notes)
    this.#place.stand(opened)
  }

  #tell(notes: readonly Note[]): void {
    for (const { level, fields, message } of notes) this.#options.log[level](fields, message)
  }

  async #taken(heldBy: number): Promise<void> {
    const { folder, log } = this.#options
    log.error({ folder, heldBy }, 'another process has taken the store: it is closed here')
    await this.close()
  }

  follow(
    tape: Followed,
    options: { readonly signal?: AbortSignal; readonly live?: boolean } = {},
  ): Promise<void> {
    if (this.#closing) return Promise.reject(closed())
    if (this.#following) {
      const message = 'the store follows a tape already'
      return Promise.reject(new TickwireError('BAD_OPTION', message, { hint: 'End that first.' }))
    }
    this.#following = this.#follow(tape, options).finally(() => {
      this.#following = undefined
      void this.#sealing.end()
    })
    return this.#following
  }

  #follow(
    tape: Followed,
    { signal, live = true }: { readonly signal?: AbortSignal; readonly live?: boolean },
  ): Promise<void> {
    const stop = signal ? AbortSignal.any([signal, this.#end.signal]) : this.#end.signal
    const place = this.#place
    place.tape = tape.id
    if (live) this.#sealing.begin()
    const { clock } = this.#options
    const call: IntakeOptions['call'] = (name, args, transfer) => this.#call(name, args, transfer)
    const reopen = async () => {
      await this.#stop()
      await this.#start()
    }
    const work = () => new Intake({ tape, place, clock, call }).run(live, stop)
    return goOn({ ...this.#options, place, reopen }, work, stop)
  }

  async #call(
    name: string,
    args?: unknown,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<unknown> {
    if (!this.#hand) throw this.#closing ? closed() : notNow()
    return this.#hand.caller.call(name, args, transfer)
  }

  reached(position: Position): Promise<void> {
    return this.#place.reached(position, this.#end.signal)
  }

  async seal(): Promise<void> {
    await this.#sealing.seal()
  }

  async compact(): Promise<number> {
    if (this.#closing) throw closed()
    try {
      const { gone, notes } = (await this.#call('compact')) as Compacted
      this.#tell(notes)
      return gone
    } catch (error) {
      throw storeTrouble(error, this.#options.folder, 'files cannot be put together')
    }
  }

  async rebuild(tape: Followed, options: RebuildOptions = {}): Promise<void> {
    const { onProgress, signal } = options
    if (this.#closing) throw closed()
    if (this.#following) {
      throw new TickwireError('BAD_OPTION', 'the store follows a tape: it cannot be made anew', {
        hint: 'End that first.',
      })
    }
    const { clock } = this.#options
    const start = startOfTape(tape)
    this.#take((await this.#call('reset', { tape: tape.id, start })) as Opened)
    this.#place.tape = tape.id
    let timer: Timer | undefined
    const tell = () => {
      timer = clock.setTimeout(() => {
        if (this.position) onProgress?.(this.position)
        tell()
      }, 500)
    }
    if (onProgress) tell()
    try {
      await this.follow(tape, { live: false, ...(signal && { signal }) })
    } finally {
      timer?.cancel()
    }
    if (this.position) onProgress?.(this.position)
  }

  async merge(
    events: AsyncIterable<readonly MarketEvent[]>,
    options: MergeOptions = {},
  ): Promise<Merged> {
    const { onProgress, signal } = options
    const { folder } = this.#options
    if (this.#closing) throw closed()
    const id = this.#merges++
    const args = { id }
    await this.#call('mergeBegin', args)
    let count = 0
    const under: Promise<unknown>[] = []
    try {
      for await (const batch of events) {
        if (signal?.aborted) throw givenUp()
        for (let from = 0; from < batch.length; from += BLOCK) {
          const to = Math.min(from + BLOCK, batch.length)
          const block = encodeColumns(batch, from, to)
          under.push(this.#call('mergeTake', { id, block }))
          if (under.length >= AHEAD) await under.shift()
          count += to - from
        }
        onProgress?.(count)
      }
      await Promise.all(under)
      if (signal?.aborted) throw givenUp()
    } catch (error) {
      await Promise.allSettled(under)
      await this.#call('mergeDrop', args)
      throw storeTroubleOf(error, folder)
    }
    try {
      return (await this.#call('mergeEnd', args)) as Merged
    } catch (error) {
      throw storeTrouble(error, folder, 'nothing was taken in')
    }
  }

  async *history(request: HistoryRequest): AsyncGenerator<MarketEvent[]> {
    const { kind, symbols, from, to, interval = '1m', adjustment = 'raw', source } = request
    checkRange(from, to)
    const now = this.#now()
    const asked: Asked = { kind, symbols, from, to, interval, adjustment, source, now }
    for await (const block of this.#ask('history', asked, request.signal)) {
      yield decodeColumns(block as Uint8Array)
    }
  }

  /** The time by which bars are over: that of the clock, or of the tape where that is ahead. */
  #now(): number {
    return Math.max(this.#options.clock.now(), this.#place.time)
  }

  async asOf(request: AsOfRequest): Promise<MarketEvent[]> {
    const { kind, symbols, time, interval = '1m', source, signal } = request
    const asked: AskedAt = { kind, symbols, time, interval, source, now: this.#now() }
    return decodeColumns((await this.#answer('asOf', asked, signal)) as Uint8Array)
  }

  async sql(text: string, options: { readonly signal?: AbortSignal } = {}): Promise<Table> {
    const rows = this.#ask('sql', { text }, options.signal)
    const { value } = await rows.next()
    return { columns: value as Table['columns'], rows: rows as AsyncIterable<never> }
  }

  async parquet(request: PartsRequest): Promise<string[]> {
    const { kinds = EVENT_TYPES, from = 0, to = Number.MAX_SAFE_INTEGER, signal } = request
    checkRange(from, to)
    const asked: AskedParts = { kinds, from, to }
    return (await this.#answer('parquet', asked, signal)) as string[]
  }

  async holdings(): Promise<Holding[]> {
    return (await this.#answer('holdings', undefined)) as Holding[]
  }

  async *#ask(name: string, args: unknown, signal?: AbortSignal): AsyncGenerator<unknown> {
    if (this.#closing) throw closed()
    if (!this.#hand) throw notNow()
    const either = signal ? AbortSignal.any([signal, this.#end.signal]) : this.#end.signal
    yield* this.#hand.caller.items(name, args, either)
  }

  async #answer(name: string, args: unknown, signal?: AbortSignal): Promise<unknown> {
    if (this.#closing) throw closed()
    if (!this.#hand) throw notNow()
    const either = signal ? AbortSignal.any([signal, this.#end.signal]) : this.#end.signal
    return this.#hand.caller.answer(name, args, either)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#end.abort()
    await this.#following?.catch(() => undefined)
    await this.#sealing.end()
    await this.#stop()
    this.#lease?.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

function checkRange(from: number, to: number): void {
  if (from <= to) return
  throw new TickwireError('BAD_OPTION', `from (${from}) is after to (${to})`, {
    hint: 'Give the earlier time first.',
  })
}

/** Errors of whoever gives the events are his. */
function storeTroubleOf(error: unknown, folder: string): Error {
  const it = asError(error)
  return /duckdb|IO Error|No space/i.test(it.message)
    ? storeTrouble(it, folder, 'nothing was taken in')
    : it
}

/** The number before the oldest event that a tape still holds. */
function startOfTape(tape: Followed & { readonly start?: Position }): number {
  return tape.start?.seq ?? 0
}

/** Whether there is a store in a folder. */
export function hasStore(folder: string): boolean {
  return existsSync(join(folder, 'manifest.json')) || existsSync(join(folder, 'hot.duckdb'))
}
