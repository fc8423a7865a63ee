import { write } from 'node:fs'
import { TickwireError } from '../base/errors.ts'

/** Backlog from which a writer should wait, characters. */
const HIGH = 1 << 20
/** Wait before the next try when a non-blocking pipe is full, ms. */
const FULL_MS = 2

/**
 * Standard output that never makes the event loop wait: writes to a pipe go through the thread pool, one at a
 * time, whatever came meanwhile in one piece. A slow reader of the pipe so costs its own data, by the policy of
 * the queue before us, and never the connection to the venue.
 */
export class Output {
  readonly #fd: number
  readonly #ended: (error: TickwireError | undefined) => void
  #pending: string[] = []
  #length = 0
  #writing = false
  #broken = false
  #error: TickwireError | undefined
  #waiters: (() => void)[] = []

  /** `ended` hears once that nothing more can be written: with the error, or without when the reader has gone away. */
  constructor(fd: number, ended: (error: TickwireError | undefined) => void) {
    this.#fd = fd
    this.#ended = ended
  }

  /** The reader has gone away (`| head`). */
  get gone(): boolean {
    return this.#broken && this.#error === undefined
  }

  /** Why not everything put has been written: a full disk. Final once {@link flush} has resolved. */
  get error(): TickwireError | undefined {
    return this.#error
  }

  /** Takes text. When it returns a promise, wait for it before giving more. */
  put(text: string): Promise<void> | undefined {
    if (this.#broken) return undefined
    this.#pending.push(text)
    this.#length += text.length
    // One write for all that is put in this turn of the loop.
    if (!this.#writing) {
      this.#writing = true
      setImmediate(() => this.#next())
    }
    return this.#length > HIGH ? this.flush() : undefined
  }

  /** True while not all that was put has been written. */
  get waiting(): boolean {
    return this.#writing
  }

  /** True while text should rather be left out than put. */
  get full(): boolean {
    return this.#length > HIGH
  }

  /** Resolves when everything has been written, or never can be. */
  flush(): Promise<void> {
    if (!this.#writing) return Promise.resolve()
    return new Promise(resolve => this.#waiters.push(resolve))
  }

  #next(): void {
    if (this.#pending.length === 0 || this.#broken) {
      this.#writing = false
      const waiters = this.#waiters
      this.#waiters = []
      for (const resolve of waiters) resolve()
      return
    }
    const bytes = Buffer.from(this.#pending.join(''))
    this.#pending = []
    this.#write(bytes, 0)
  }

  #write(bytes: Buffer, from: number): void {
    write(this.#fd, bytes, from, bytes.length - from, null, (error, written) => {
      if (error?.code === 'EAGAIN') {
        setTimeout(() => this.#write(bytes, from), FULL_MS)
      } else if (error) {
        this.#broken = true
        if (error.code !== 'EPIPE') this.#error = unwritable(error)
        this.#ended(this.#error)
        this.#next()
      } else if (from + written < bytes.length) this.#write(bytes, from + written)
      else {
        this.#length = this.#pending.reduce((sum, text) => sum + text.length, 0)
        this.#next()
      }
    })
  }
}

/** A write that failed for another reason than the reader's going away. */
export function unwritable(cause: NodeJS.ErrnoException): TickwireError {
  // `ENOSPC: no space left on device, write`
  const reason = cause.message.replace(/^[A-Z0-9]+: |, write$/g, '')
  return new TickwireError('OUTPUT_FAILED', `standard output cannot be written: ${reason}`, {
    hint: 'What was written is not complete. Look at the disk, or at the program it is piped into.',
    cause,
  })
}
