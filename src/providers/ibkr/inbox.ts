import type { Clock } from '../../base/clock.ts'
import type { RawFrame } from '../../feed/provider.ts'
import { faultOf } from './wire.ts'

export interface InboxHooks {
  readonly clock: Clock
  /** Set when somebody wants to see messages as received. */
  readonly raw?: (() => ((frame: RawFrame) => void) | undefined) | undefined
  malformed?(message: Uint8Array, reason: string): void
  /** All that came together has been passed on. */
  flush?(receivedAt: number): void
}

/** The message at hand: when it came, and whether anything of it may be passed on. */
export class Inbox {
  readonly #hooks: InboxHooks
  #receivedAt = 0
  #flushing = false
  #last = ''
  #spoiled = false

  constructor(hooks: InboxHooks) {
    this.#hooks = hooks
  }

  /** Epoch ms. */
  get receivedAt(): number {
    return this.#receivedAt
  }

  /** Nothing more of it is passed on: the library reports a fault ahead of what it made of the message. */
  get spoiled(): boolean {
    return this.#spoiled
  }

  /** Takes the next; `checked`: held to the form of its kind, as all are behind the greeting. */
  take(fields: readonly string[], raw: string, checked: boolean): void {
    this.#spoiled = false
    this.#last = raw
    if (!this.#flushing) {
      this.#flushing = true
      this.#receivedAt = this.#hooks.clock.now()
      // The library passes on all of a chunk off the network in one go.
      queueMicrotask(() => {
        this.#flushing = false
        this.#hooks.flush?.(this.#receivedAt)
      })
    }
    const look = this.#hooks.raw?.()
    if (look) look({ data: Buffer.from(raw), binary: false, receivedAt: this.#receivedAt })
    if (!checked) return
    const fault = raw.endsWith('\0') ? faultOf(fields) : 'a message that does not end'
    if (fault !== undefined) this.spoil(fault)
  }

  /** It is not what it should be: counted, and nothing more of it passed on. */
  spoil(reason: string): void {
    if (this.#spoiled) return
    this.#spoiled = true
    this.report(reason)
  }

  /** It is of no known kind: nothing more of it is passed on. */
  skip(): void {
    this.#spoiled = true
  }

  /** Counts it as malformed. */
  report(reason: string): void {
    this.#hooks.malformed?.(Buffer.from(this.#last), reason)
  }
}
