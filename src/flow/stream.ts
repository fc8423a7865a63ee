import type { Clock, Timer } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import type { MarketEvent } from '../market/events.ts'
import { LAGGING_MS } from './handler.ts'
import {
  type DeliveryCounters,
  type DeliveryOptions,
  DeliveryQueue,
  type QueueHooks,
  readerNotice,
} from './queue.ts'

/**
 * Events to loop over: one by one, or with `batches()` all that has arrived since the last look (an iterator step
 * per event costs about as much as decoding it). For one loop: a second one is refused. Breaking out of the loop,
 * `close()` or the signal end it, also while it waits; a fatal end of the feed is thrown from the loop.
 */
export interface EventStream<E extends MarketEvent> extends AsyncIterable<E> {
  batches(): AsyncIterableIterator<E[]>
  readonly counters: DeliveryCounters
  close(): void
}

export interface StreamHooks {
  readonly name: string
  readonly clock: Clock
  /** Takes `lagging` and `dropped`. */
  notify(notice: MarketEvent): void
  /** The reason of a fatal end has been thrown from the loop. */
  told(): void
  /** The stream has ended, however it came to that. */
  closed(): void
  readonly snapshot?: QueueHooks['snapshot']
  readonly dropped?: QueueHooks['dropped']
}

interface Waiting {
  /** Called when there may be something to take. */
  wake(): void
}

/** The reader behind an {@link EventStream}: push from the engine's side, pull from the user's. */
export class StreamReader<E extends MarketEvent> implements EventStream<E> {
  readonly #queue: DeliveryQueue
  readonly #hooks: StreamHooks
  readonly #holds: boolean
  #waiting: Waiting | undefined
  #release: Timer | undefined
  #claimed = false
  #over = false
  #error: TickwireError | undefined
  #lagging = false
  /** Our clock at the last arrival or pull: exact enough for a loop's next step, and free. */
  #now = 0

  constructor(delivery: DeliveryOptions, hooks: StreamHooks) {
    const { snapshot, dropped } = hooks
    this.#queue = new DeliveryQueue(delivery, { notify: it => hooks.notify(it), snapshot, dropped })
    this.#hooks = hooks
    this.#holds = delivery.policy === 'conflate' && (delivery.holdMs ?? 0) > 0
  }

  get counters(): DeliveryCounters {
    return this.#queue.counters
  }

  /** With the policy `block`: set while there is no room, and resolves when there is. */
  get room(): Promise<void> | undefined {
    return this.#queue.room()
  }

  accept(event: MarketEvent, now: number): void {
    if (this.#over) return
    this.#now = now
    this.#queue.push(event, now)
    if (this.#queue.closed) this.end(this.#queue.closed)
    else if (this.#waiting) this.#wake()
    else this.#watch(now)
  }

  /** No more events: what waits is still delivered, then the loop ends, with `error` if given. */
  end(error?: TickwireError): void {
    if (this.#over) return
    this.#over = true
    this.#error = error
    this.#wake()
    this.#hooks.closed()
  }

  /** Ends at once: what waits is given up. */
  close(): void {
    this.#queue.clear()
    this.end()
  }

  batches(): AsyncIterableIterator<E[]> {
    return this.#loop(() => {
      const batch = this.#queue.take(this.#now, Number.POSITIVE_INFINITY, this.#over) as E[]
      return batch.length > 0 ? batch : undefined
    })
  }

  [Symbol.asyncIterator](): AsyncIterator<E> {
    return this.#loop(() => this.#queue.shift(this.#now, this.#over) as E | undefined)
  }

  #loop<T>(take: () => T | undefined): AsyncIterableIterator<T> {
    if (this.#claimed) {
      const message = 'a second loop over one stream: each event would reach only one of them'
      throw new TickwireError('BAD_OPTION', message, { hint: 'Open a stream for each loop.' })
    }
    this.#claimed = true
    return {
      next: () => this.#pull(take),
      return: () => {
        this.close()
        return Promise.resolve({ done: true, value: undefined })
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  #pull<T>(take: () => T | undefined): Promise<IteratorResult<T>> {
    const step = this.#step(take)
    if (step) return step
    this.#now = this.#hooks.clock.now()
    const late = this.#step(take)
    if (late) return late
    this.#lagging = false
    return new Promise((resolve, reject) => {
      const wake = () => {
        const woken = this.#step(take)
        if (woken) woken.then(resolve, reject)
        else this.#wait({ wake })
      }
      this.#wait({ wake })
    })
  }

  /** A value, the end or the error, if there is one to be had now. */
  #step<T>(take: () => T | undefined): Promise<IteratorResult<T>> | undefined {
    const value = take()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    if (!this.#over) return undefined
    const error = this.#error
    this.#error = undefined
    if (!error) return Promise.resolve({ done: true, value: undefined })
    this.#hooks.told()
    return Promise.reject(error)
  }

  #wait(waiting: Waiting): void {
    this.#waiting = waiting
    if (!this.#holds) return
    const { readyAt } = this.#queue
    if (readyAt === undefined || this.#release) return
    this.#release = this.#hooks.clock.setTimeout(() => {
      this.#release = undefined
      this.#wake()
    }, readyAt - this.#hooks.clock.now())
  }

  /** Answers a waiting loop. The rest of the frame being delivered joins the batch: the loop runs after it. */
  #wake(): void {
    const waiting = this.#waiting
    if (!waiting) return
    this.#waiting = undefined
    queueMicrotask(() => {
      this.#now = this.#hooks.clock.now()
      if (this.#over) {
        this.#release?.cancel()
        this.#release = undefined
      }
      waiting.wake()
    })
  }

  /** Says once when the loop has let its oldest event wait for too long. */
  #watch(now: number): void {
    const late = this.#queue.lagMs(now)
    if (this.#lagging || this.#holds || late < LAGGING_MS) return
    this.#lagging = true
    const message = `loop ${this.#hooks.name} is ${Math.round(late)} ms behind with ${this.#queue.size} events waiting`
    const details = { code: this.#hooks.name, count: this.#queue.size }
    this.#hooks.notify(readerNotice('lagging', now, message, details))
  }
}
