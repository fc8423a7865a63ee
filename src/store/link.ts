import type { MessagePort, TransferListItem } from 'node:worker_threads'
import { asError, ERRORS, type ErrorCode, TickwireError } from '../base/errors.ts'

/*
 * Calls across a port, to a worker or within a thread: a call has one answer, or items that come as fast as they are
 * taken. What a caller does not take stays where it is made.
 */

/** Items on their way to a caller at most. */
const AHEAD = 4

interface Failure {
  readonly code: string | undefined
  readonly message: string
  readonly hint: string | undefined
}

type Up =
  | { readonly id: number; readonly call: string; readonly args: unknown }
  | { readonly id: number; readonly more: number }
  | { readonly id: number; readonly stop: true }

type Down =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly item: unknown }
  | { readonly id: number; readonly end: true }
  | { readonly id: number; readonly failure: Failure }

/** What is handed over rather than copied. */
export class Transfer {
  readonly value: unknown
  readonly list: readonly TransferListItem[]

  constructor(value: unknown, list: readonly TransferListItem[]) {
    this.value = value
    this.list = list
  }
}

/** Bytes that nobody here needs any more. */
export function transferred(bytes: Uint8Array): Transfer {
  return new Transfer(bytes, [bytes.buffer as ArrayBuffer])
}

/** What a caller needs of a port or worker. */
export interface CallPort {
  postMessage(value: unknown, transfer: readonly TransferListItem[]): void
  on(event: 'message', listener: (value: Down) => void): unknown
  ref(): void
  unref(): void
}

interface Waiting {
  answer(down: Down): void
  lost(error: Error): void
}

/** The calling side. */
export class Caller {
  readonly #port: CallPort
  readonly #waiting = new Map<number, Waiting>()
  #next = 1
  #lost: Error | undefined

  constructor(port: CallPort) {
    this.#port = port
    port.on('message', (down: Down) => this.#waiting.get(down.id)?.answer(down))
    port.unref()
  }

  /** The other side is gone: whoever waits is told, and whoever asks. */
  lost(error: Error): void {
    this.#lost = error
    for (const waiting of [...this.#waiting.values()]) waiting.lost(error)
  }

  call(name: string, args?: unknown, transfer: readonly TransferListItem[] = []): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#lost) return reject(this.#lost)
      const id = this.#begin({
        answer: down => {
          this.#end(id)
          if ('failure' in down) reject(errorOf(down.failure))
          else resolve('value' in down ? down.value : undefined)
        },
        lost: error => {
          this.#end(id)
          reject(error)
        },
      })
      this.#post({ id, call: name, args }, transfer)
    })
  }

  /** The answer of a call that a signal ends, with `CLOSED`. */
  answer(name: string, args: unknown, signal: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#lost) return reject(this.#lost)
      if (signal.aborted) return reject(givenUp())
      const end = () => {
        signal.removeEventListener('abort', abort)
        this.#end(id)
      }
      const abort = () => {
        end()
        this.#post({ id, stop: true }, [])
        reject(givenUp())
      }
      const id = this.#begin({
        answer: down => {
          end()
          if ('failure' in down) reject(errorOf(down.failure))
          else resolve('value' in down ? down.value : undefined)
        },
        lost: error => {
          end()
          reject(error)
        },
      })
      signal.addEventListener('abort', abort)
      this.#post({ id, call: name, args }, [])
    })
  }

  /** Items of a call. A signal ends it with `CLOSED`. */
  async *items(name: string, args: unknown, signal?: AbortSignal): AsyncGenerator<unknown> {
    if (this.#lost) throw this.#lost
    if (signal?.aborted) throw givenUp()
    const come: Down[] = []
    let failure: Error | undefined
    let wake = () => {}
    const id = this.#begin({
      answer: down => {
        come.push(down)
        wake()
      },
      lost: error => {
        failure = error
        wake()
      },
    })
    const abort = () => {
      failure = givenUp()
      wake()
    }
    signal?.addEventListener('abort', abort)
    let isOver = false
    try {
      this.#post({ id, call: name, args }, [])
      this.#post({ id, more: AHEAD }, [])
      for (;;) {
        if (failure) throw failure
        const down = come.shift()
        if (!down) {
          await new Promise<void>(resolve => {
            wake = resolve
          })
          continue
        }
        if ('failure' in down) {
          isOver = true
          throw errorOf(down.failure)
        }
        if (!('item' in down)) {
          isOver = true
          return
        }
        this.#post({ id, more: 1 }, [])
        yield down.item
      }
    } finally {
      signal?.removeEventListener('abort', abort)
      if (!isOver && !this.#lost) this.#post({ id, stop: true }, [])
      this.#end(id)
    }
  }

  #begin(waiting: Waiting): number {
    const id = this.#next++
    this.#waiting.set(id, waiting)
    // A port that nobody waits at does not keep the process alive.
    if (this.#waiting.size === 1) this.#port.ref()
    return id
  }

  #end(id: number): void {
    if (this.#waiting.delete(id) && this.#waiting.size === 0) this.#port.unref()
  }

  #post(up: Up, transfer: readonly TransferListItem[]): void {
    this.#port.postMessage(up, transfer)
  }
}

/** What a call does: answers, or gives items. The signal is that of a caller who wants no more. */
export type Handler = (
  args: never,
  signal: AbortSignal,
) => Promise<unknown> | AsyncIterable<unknown>

interface Running {
  readonly stop: AbortController
  credit: number
  wake: () => void
}

/** The answering side. */
export function serve(
  port: Pick<MessagePort, 'postMessage' | 'on'>,
  handlers: Readonly<Record<string, Handler>>,
): void {
  const running = new Map<number, Running>()
  const post = (down: Down, transfer: readonly TransferListItem[] = []) =>
    port.postMessage(down, transfer)

  const give = async (id: number, items: AsyncIterable<unknown>, call: Running) => {
    for await (const item of items) {
      while (call.credit === 0 && !call.stop.signal.aborted) {
        await new Promise<void>(resolve => {
          call.wake = resolve
        })
      }
      if (call.stop.signal.aborted) break
      call.credit--
      if (item instanceof Transfer) post({ id, item: item.value }, item.list)
      else post({ id, item })
    }
    post({ id, end: true })
  }

  const begin = async (id: number, name: string, args: unknown) => {
    const call: Running = { stop: new AbortController(), credit: 0, wake: () => {} }
    running.set(id, call)
    try {
      const result = handlers[name]!(args as never, call.stop.signal)
      if (Symbol.asyncIterator in result) await give(id, result, call)
      else post({ id, value: await result })
    } catch (thrown) {
      post({ id, failure: failureOf(asError(thrown)) })
    } finally {
      running.delete(id)
    }
  }

  port.on('message', (up: Up) => {
    if ('call' in up) {
      void begin(up.id, up.call, up.args)
      return
    }
    const call = running.get(up.id)
    if (!call) return
    if ('more' in up) call.credit += up.more
    else call.stop.abort()
    call.wake()
  })
}

export function givenUp(): TickwireError {
  return new TickwireError('CLOSED', 'the question was given up')
}

function failureOf(error: Error): Failure {
  const { code, hint } = error as { code?: unknown; hint?: unknown }
  return {
    code: typeof code === 'string' ? code : undefined,
    message: error.message,
    hint: typeof hint === 'string' ? hint : undefined,
  }
}

function errorOf({ code, message, hint }: Failure): Error {
  if (code !== undefined && Object.hasOwn(ERRORS, code)) {
    return new TickwireError(code as ErrorCode, message, { hint })
  }
  return Object.assign(new Error(message), code === undefined ? {} : { code })
}
