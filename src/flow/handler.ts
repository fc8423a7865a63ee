import type { Clock, Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import type { MarketEvent } from '../market/events.ts'
import {
  type DeliveryCounters,
  type DeliveryOptions,
  DeliveryQueue,
  type QueueHooks,
  readerNotice,
} from './queue.ts'

/** How long a reader may take for an event, or its oldest event wait, before it is called lagging, ms. */
export const LAGGING_MS = 1_000
/** Calls timed when a handler is new, and in every second: the clock costs more than the call. */
const TIMED_FIRST = 64
const TIMED_PER_SECOND = 8

export interface HandlerHooks {
  readonly clock: Clock
  /** Takes `lagging` and `dropped`. */
  notify(notice: MarketEvent): void
  /** Takes what the handler threw or rejected with. */
  failed(error: TickwireError, event: MarketEvent): void
  readonly snapshot?: QueueHooks['snapshot']
  readonly dropped?: QueueHooks['dropped']
}

/**
 * Calls one handler with events in order, one at a time. A handler that returns a promise gets its next event when
 * that has settled; what comes in between waits in a bounded queue, so the socket never waits for a handler.
 */
export class HandlerReader {
  readonly name: string
  readonly #handler: (event: MarketEvent) => unknown
  readonly #hooks: HandlerHooks
  readonly #queue: DeliveryQueue
  /** Events go through the queue even when the handler is idle, to be merged there. */
  readonly #holds: boolean
  /** Being called, or its promise has not settled. */
  #busy = false
  #closed = false
  #direct = 0
  #failures = 0
  #startedAt = 0
  #lagging = false
  #watcher: Timer | undefined
  #release: Timer | undefined
  #timed = TIMED_FIRST
  #timedAt = 0
  /** What the last timed calls took, ms, on average: for blaming. */
  #cost = 0
  #onDrained: (() => void) | undefined

  constructor(
    name: string,
    handler: (event: MarketEvent) => unknown,
    delivery: DeliveryOptions,
    hooks: HandlerHooks,
  ) {
    this.name = name
    this.#handler = handler
    this.#hooks = hooks
    const { snapshot, dropped } = hooks
    this.#queue = new DeliveryQueue(delivery, { notify: it => hooks.notify(it), snapshot, dropped })
    this.#holds = delivery.policy === 'conflate' && (delivery.holdMs ?? 0) > 0
  }

  get counters(): DeliveryCounters & { readonly failures: number } {
    const { in: queued, delivered, ...rest } = this.#queue.counters
    return {
      in: queued + this.#direct,
      delivered: delivered + this.#direct,
      ...rest,
      failures: this.#failures,
    }
  }

  /** With the policy `block`: set while there is no room, and resolves when there is. */
  get room(): Promise<void> | undefined {
    return this.#queue.room()
  }

  /** How many calls it had and what one takes, ms: who is to blame when the process was blocked. */
  get load(): { readonly calls: number; readonly cost: number } {
    return { calls: this.counters.delivered, cost: this.#cost }
  }

  /** `now`: when the batch of this event was received. */
  accept(event: MarketEvent, now: number): void {
    if (this.#closed) return
    if (this.#busy || this.#holds) {
      this.#queue.push(event, now)
      if (this.#queue.closed) this.#end(this.#queue.closed, event)
      else if (!this.#busy) this.#next()
      return
    }
    this.#direct++
    if (now - this.#timedAt >= 1_000) {
      this.#timedAt = now
      this.#timed = Math.max(this.#timed, TIMED_PER_SECOND)
    }
    this.#busy = true
    if (this.#call(event)) return
    this.#busy = false
    // Events that came from within the call.
    if (this.#queue.size > 0) this.#next()
  }

  /** Resolves when the handler has finished with all it was given. */
  drained(): Promise<void> {
    if (this.#closed || (!this.#busy && this.#queue.size === 0)) return Promise.resolve()
    return new Promise(resolve => {
      this.#onDrained = resolve
    })
  }

  /** Stops calling the handler; what waits is given up. */
  close(): void {
    this.#closed = true
    this.#watcher?.cancel()
    this.#release?.cancel()
    this.#queue.clear()
    this.#onDrained?.()
  }

  /** Says that this handler held up the process. */
  blame(ms: number): void {
    if (!this.#lagging) this.#lag(`held up the process for ${Math.round(ms)} ms`)
  }

  /** Calls the handler; true when it has not finished. */
  #call(event: MarketEvent): boolean {
    let result: unknown
    const timed = this.#timed > 0
    const start = timed ? this.#hooks.clock.now() : 0
    try {
      result = this.#handler(event)
    } catch (thrown) {
      this.#fail(thrown, event)
    }
    if (timed) this.#time(start)
    if (!isThenable(result)) return false
    this.#await(result, event)
    return true
  }

  #time(start: number): void {
    this.#timed--
    const took = this.#hooks.clock.now() - start
    this.#cost += (took - this.#cost) / TIMED_PER_SECOND
    if (took >= LAGGING_MS) this.blame(took)
    else if (this.#queue.size === 0) this.#lagging = false
  }

  #await(result: PromiseLike<unknown>, event: MarketEvent): void {
    this.#startedAt = this.#hooks.clock.now()
    this.#watcher ??= this.#hooks.clock.setTimeout(() => this.#watch(), LAGGING_MS, 'idle')
    const settled = () => {
      this.#busy = false
      this.#next()
    }
    result.then(settled, thrown => {
      this.#fail(thrown, event)
      settled()
    })
  }

  /** Works off what waits, until the handler is busy or there is no more. */
  #next(): void {
    while (!this.#closed) {
      // Busy while it looks: what the queue has to tell may come back to this very handler.
      this.#busy = true
      const event = this.#queue.shift(this.#hooks.clock.now())
      if (event && this.#call(event)) return
      this.#busy = false
      if (event) continue
      if (this.#queue.size > 0) this.#releaseLater()
      else {
        this.#lagging = false
        this.#onDrained?.()
      }
      return
    }
  }

  /** What is held to be merged comes when its time is over. */
  #releaseLater(): void {
    const wait = (this.#queue.readyAt ?? 0) - this.#hooks.clock.now()
    this.#release ??= this.#hooks.clock.setTimeout(() => {
      this.#release = undefined
      if (!this.#busy) this.#next()
    }, wait)
  }

  #watch(): void {
    this.#watcher = undefined
    if (this.#closed || (!this.#busy && this.#queue.size === 0)) return
    const now = this.#hooks.clock.now()
    const late = Math.max(this.#busy ? now - this.#startedAt : 0, this.#queue.lagMs(now))
    if (late >= LAGGING_MS && !this.#lagging && !this.#holds) {
      this.#lag(`is ${Math.round(late)} ms behind with ${this.#queue.size} events waiting`)
    }
    // A handler that never comes back must not hide what it costs.
    this.#queue.reportLoss(now)
    this.#watcher = this.#hooks.clock.setTimeout(() => this.#watch(), LAGGING_MS / 4, 'idle')
  }

  #lag(what: string): void {
    this.#lagging = true
    const { clock } = this.#hooks
    const details = { code: this.name, count: this.#queue.size }
    const message = `handler ${this.name} ${what}`
    this.#hooks.notify(readerNotice('lagging', clock.now(), message, details))
  }

  #fail(thrown: unknown, event: MarketEvent): void {
    this.#failures++
    const { message } = asError(thrown)
    const error = new TickwireError('HANDLER_FAILED', `handler ${this.name} failed: ${message}`, {
      cause: thrown,
      hint: 'The feed goes on; catch the error inside the handler, or listen with feed.on("error").',
    })
    this.#hooks.failed(error, event)
  }

  #end(reason: TickwireError, event: MarketEvent): void {
    this.close()
    this.#hooks.failed(reason, event)
  }
}

/** Whether a handler's result is a promise of some kind. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  )
}
