import { asError, TickwireError } from '../base/errors.ts'
import type { Position } from '../flow/contracts.ts'
import { type CommitOptions, Commits, type Taker } from './commits.ts'
import type { Followed } from './store.ts'

/** A connection to a server. */
export interface Connection {
  /** Why it is of no use any more. */
  readonly lost: Error | undefined
  /** Ends it behind what is under way. */
  close(): Promise<void>
  /** Ends it at once. */
  cut(): void
}

/** How a server takes a tape. */
export interface Taking {
  readonly taker: Taker
  /** How far of the tape the server is. */
  readonly seq: number
  /** Behind which number the reading begins, where that is earlier. @default seq */
  readonly from?: number
  /** Whether it has to be told first how books stood there. @default false */
  readonly books?: boolean
  /** What is left to be done when the tape ends, or the following. */
  end?(): Promise<void>
}

export interface FollowerOptions<L extends Connection> extends Omit<CommitOptions, 'most'> {
  connect(): Promise<L>
  /** Looks how far of a tape the server is. */
  begin(link: L, tape: string): Promise<Taking>
  /** An error in our words; `what` could not be done. */
  trouble(error: unknown, what: string): TickwireError
}

/** Events committed at once at most, and taken ahead meanwhile. */
const MOST = 20_000
/** How long a server may take at the end, ms: what it lacks comes at the next start. */
const LEAVE_MS = 5_000

/** What every store on a server has: one connection to write by, made anew where it is lost, and the tape it follows. */
export class Follower<L extends Connection> {
  readonly #options: FollowerOptions<L>
  readonly #commits: Commits
  #link: L | undefined
  #following: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(options: FollowerOptions<L>) {
    this.#options = options
    this.#commits = new Commits({ ...options, most: MOST })
  }

  /** How far of which tape the server is, as far as is known. */
  get position(): Position | undefined {
    return this.#commits.position
  }

  set position(position: Position | undefined) {
    this.#commits.position = position
  }

  get isClosing(): boolean {
    return this.#closing !== undefined
  }

  reached(position: Position): Promise<void> {
    return this.#commits.reached(position)
  }

  /** As {@link TapeStore.follow}. */
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
    })
    return this.#following
  }

  async #follow(
    tape: Followed,
    { signal, live = true }: { readonly signal?: AbortSignal; readonly live?: boolean },
  ): Promise<void> {
    const { what, begin } = this.#options
    const { ended } = this.#commits
    const stop = signal ? AbortSignal.any([signal, ended]) : ended
    await this.trying(`${what} takes nothing`, async () => {
      const taking = await this.asking(link => begin(link, tape.id))
      const { taker, seq, from = seq, books = false, end } = taking
      this.position = { tape: tape.id, seq }
      await this.#commits.run(tape, taker, {
        ...{ from: from === 0 ? 'start' : { tape: tape.id, seq: from }, live, signal: stop, books },
      })
      await end?.()
    })
  }

  /** The connection for writing. */
  async linked(): Promise<L> {
    if (!this.#link || this.#link.lost) this.#link = await this.#options.connect()
    return this.#link
  }

  /** Asks by that connection: a server that does not answer is told of, and in the end cut off. */
  async asking<T>(work: (link: L) => Promise<T>): Promise<T> {
    const link = await this.linked()
    return this.#commits.watch(
      () => work(link),
      () => link.cut(),
    )
  }

  /** Does something of which an error is told in our words. @throws CLOSED */
  async trying<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (this.#closing) throw closed()
    try {
      return await work()
    } catch (error) {
      throw this.#options.trouble(error, what)
    }
  }

  /** May be called twice. `rest`: what is to be ended between what is followed and the connection. */
  close(rest: () => void = () => {}): Promise<void> {
    this.#closing ??= this.#close(rest)
    return this.#closing
  }

  async #close(rest: () => void): Promise<void> {
    const { log, clock } = this.#options
    this.#commits.close()
    const late = clock.setTimeout(() => this.#link?.cut(), LEAVE_MS)
    await this.#following?.catch(error => {
      log.debug({ error: asError(error).message }, 'what was under way at the end did not come in')
    })
    rest()
    await this.#link?.close().catch(error => {
      log.debug({ error: asError(error).message }, 'the connection did not end properly')
    })
    late.cancel()
  }
}

export const closed = () => new TickwireError('CLOSED', 'the store is closed')
