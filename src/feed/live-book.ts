import { TickwireError } from '../base/errors.ts'
import { OrderBook, type OrderBookView } from '../derive/order-book.ts'
import { bookBehind } from './book-view.ts'
import type { BookKeeper } from './books.ts'
import type { SubscribeOutcome } from './subscriptions.ts'

export interface BookOptions {
  /** Of which source, where a replay carries several; a live feed has one. @default whichever comes first */
  readonly source?: string
  /** Ends it. */
  readonly signal?: AbortSignal
}

/**
 * One order book, kept up to date by its feed. `book` is one object all the time, can be read at any time and is never half changed: it is whole, or
 * empty and `unsynced` with the reason. A loop gets it whenever it has changed since the last step, so one that is slow
 * misses steps in between and never the present; leaving the loop closes it.
 */
export interface LiveBook extends AsyncIterable<OrderBookView> {
  readonly book: OrderBookView
  /**
   * Resolves with the book when it is whole for the first time. Rejects when the venue refuses it, and with `CLOSED` or the
   * feed's fatal reason when it ends before.
   */
  readonly ready: Promise<OrderBookView>
  /** Calls the handler once for all changes that came together. Returns what ends it. */
  on(kind: 'change', handler: (book: OrderBookView) => unknown): () => void
  /** Lets go of the symbol, unless somebody else wants it, and ends all loops. May be called twice. */
  close(): void
}

export interface LiveBookHooks {
  /** The venue's answer. */
  outcome(): Promise<SubscribeOutcome>
  /** Calls a handler of the user's: what it throws goes no further. */
  guard(call: () => unknown): void
  /** The user has closed it. */
  closed(): void
}

/** The view behind {@link LiveBook}. */
export class LiveView implements LiveBook {
  readonly #keeper: BookKeeper
  readonly #hooks: LiveBookHooks
  readonly #symbol: string
  readonly #source: string | undefined
  /** Stands in until something has come. */
  readonly #nothing: OrderBook
  /** What the user holds, whatever stands behind it. */
  readonly book: OrderBookView
  readonly #unwatch: () => void
  #handlers: readonly { readonly call: (book: OrderBookView) => unknown }[] = []
  #ready: Promise<OrderBookView> | undefined
  #waiting: { resolve(book: OrderBookView): void; reject(error: unknown): void }[] = []
  /** Loops that wait for a change. */
  #loops: (() => void)[] = []
  /** Set at the end: nothing changes it any more. */
  #last: OrderBook | undefined
  #isClosed = false
  #error: TickwireError | undefined

  constructor(
    keeper: BookKeeper,
    { symbol, source }: { symbol: string; source: string | undefined },
    hooks: LiveBookHooks,
  ) {
    this.#keeper = keeper
    this.#symbol = symbol
    this.#source = source
    this.#hooks = hooks
    this.#nothing = new OrderBook(symbol, source ?? '')
    this.book = bookBehind(() => this.#present)
    this.#unwatch = keeper.watch(symbol, { changed: book => this.#changed(book) })
  }

  get #present(): OrderBook {
    return this.#last ?? this.#keeper.find(this.#symbol, this.#source) ?? this.#nothing
  }

  get ready(): Promise<OrderBookView> {
    // Made when asked for, so that nobody has to catch what nobody asked.
    this.#ready ??= new Promise((resolve, reject) => {
      if (this.book.synced) return resolve(this.book)
      if (this.#last) return reject(this.#reason)
      this.#waiting.push({ resolve, reject })
      this.#hooks.outcome().then(({ rejected: [first] }) => first && reject(first.reason), reject)
    })
    return this.#ready
  }

  on(kind: 'change', handler: (book: OrderBookView) => unknown): () => void {
    if (kind !== 'change') {
      throw new TickwireError('BAD_OPTION', `a book has no ${kind}`, { hint: "It has 'change'." })
    }
    const entry = { call: handler }
    this.#handlers = [...this.#handlers, entry]
    return () => {
      this.#handlers = this.#handlers.filter(other => other !== entry)
    }
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.end(undefined)
    this.#hooks.closed()
  }

  /** The feed has ended by itself, for a fatal reason where there is one: no more changes come. */
  end(error: TickwireError | undefined): void {
    if (this.#last) return
    this.#last = this.#present
    this.#error = error
    this.#unwatch()
    for (const { reject } of this.#waiting.splice(0)) reject(this.#reason)
    this.#wake()
  }

  [Symbol.asyncIterator](): AsyncIterator<OrderBookView> {
    let seen = 0
    return {
      next: async () => {
        while (!this.#isClosed) {
          const { book } = this
          if (book.version !== seen) {
            seen = book.version
            return { done: false, value: book }
          }
          if (this.#last) break
          await new Promise<void>(resolve => this.#loops.push(resolve))
        }
        if (this.#error) throw this.#error
        return { done: true, value: undefined }
      },
      return: () => {
        this.close()
        return Promise.resolve({ done: true, value: undefined })
      },
    }
  }

  get #reason(): TickwireError {
    return this.#error ?? new TickwireError('CLOSED', `the book of ${this.#symbol} is closed`)
  }

  #changed(book: OrderBook): void {
    if (book !== this.#present) return
    if (book.synced) for (const { resolve } of this.#waiting.splice(0)) resolve(this.book)
    for (const { call } of this.#handlers) this.#hooks.guard(() => call(this.book))
    this.#wake()
  }

  #wake(): void {
    for (const resume of this.#loops.splice(0)) resume()
  }
}
