import { Books } from '../derive/books.ts'
import type { OrderBook } from '../derive/order-book.ts'
import type { Book, EventType, MarketEvent, NoticeName } from '../market/events.ts'
import { ANY, type Topic } from '../market/topics.ts'

/** How long deltas may come without the snapshot they need before it is asked for, once more, ms. */
const PATIENCE_MS = 5_000

export interface BookHooks {
  readonly source: string
  /** Hands events on, in their order, to everybody. */
  deliver(batch: readonly MarketEvent[], receivedAt: number): void
  notice(name: NoticeName, message: string, details: { kind: EventType; symbol?: string }): void
  /** Asks the venue for a book anew, if it can be asked. */
  resync(topic: Topic, reason: string): void
}

/** Somebody who looks at a book, not at its updates. */
export interface Watcher {
  /** The book has changed; called once for all changes that came together. */
  changed(book: OrderBook): void
}

interface Entry {
  /** The last part of the book that came. */
  last: Book | undefined
  /** A `gap` has been told, and not yet that it is over. */
  isTold: boolean
  /** Since when deltas come that need a snapshot, our clock, epoch ms; moves on when one is asked for. */
  orphanedAt: number | undefined
}

/**
 * Keeps the books of a feed, while somebody has subscribed any: for readers that join late or have lost a part, and to
 * see that a book is not whole any more. That is told by a `gap` notice before the part that does not fit, a fresh
 * snapshot is asked for, and behind that snapshot `resynced` is told.
 */
export class BookKeeper {
  readonly #hooks: BookHooks
  readonly #books = new Books()
  readonly #entries = new Map<OrderBook, Entry>()
  /** Symbols of the topics that are wanted; `*` is one of them. */
  readonly #wanted = new Set<string>()
  readonly #watchers = new Map<string, Set<Watcher>>()
  /** Changed, and those who watch have not been told. */
  readonly #changed = new Set<OrderBook>()

  constructor(hooks: BookHooks) {
    this.#hooks = hooks
  }

  /** Whether there is anything to keep; otherwise nothing needs to be given here. */
  get isActive(): boolean {
    return this.#wanted.size > 0
  }

  want(topics: readonly Topic[]): void {
    for (const { kind, symbol } of topics) if (kind === 'book') this.#wanted.add(symbol)
  }

  /** Nobody wants these any more: what will be known of them is what comes when they are subscribed anew. */
  forget(topics: readonly Topic[]): void {
    let some = false
    for (const { kind, symbol } of topics)
      some = (kind === 'book' && this.#wanted.delete(symbol)) || some
    if (!some || this.#wanted.has(ANY)) return
    for (const book of [...this.#entries.keys()]) {
      if (this.#wanted.has(book.symbol)) continue
      book.break('gap', 'nobody subscribes it any more')
      this.#books.delete(book.source, book.symbol)
      this.#entries.delete(book)
    }
  }

  /** The feed is closed: whoever still holds a book sees that it is not kept any more. */
  close(): void {
    for (const book of this.#books) book.break('gap', 'the feed is closed')
  }

  /** Looks at what has come, and hands it on with what is to be said about it in between. */
  pass(batch: readonly MarketEvent[], receivedAt: number): void {
    let from = 0
    for (let i = 0; i < batch.length; i++) {
      const event = batch[i]!
      if (event.type === 'notice') this.#hear(event)
      if (event.type !== 'book' || !this.#isWanted(event.symbol)) continue
      const book = this.#books.open(event.source, event.symbol)
      const wasSynced = book.synced
      const isSynced = book.apply(event)
      const entry = this.#entryOf(book)
      entry.last = event
      this.#changed.add(book)
      if (isSynced && wasSynced) continue
      if (isSynced) {
        entry.orphanedAt = undefined
        if (!entry.isTold) continue
        entry.isTold = false
        this.#hooks.deliver(batch.slice(from, i + 1), receivedAt)
        from = i + 1
        this.#say('resynced', book, 'whole again')
      } else if (wasSynced) {
        if (i > from) this.#hooks.deliver(batch.slice(from, i), receivedAt)
        from = i
        const { message } = book.unsynced!
        this.#tell(book, message)
        this.#ask(book, entry, receivedAt, message)
      } else this.#waitOn(book, entry, receivedAt)
    }
    if (from === 0) this.#hooks.deliver(batch, receivedAt)
    else if (from < batch.length) this.#hooks.deliver(batch.slice(from), receivedAt)
    if (this.#changed.size > 0) this.#tellWatchers()
  }

  /** What has come of these is not whole, and why. With `now`, a fresh snapshot is asked for; otherwise one will come. */
  broken(topics: readonly Topic[], reason: string, now?: number): void {
    for (const topic of topics) {
      if (topic.kind !== 'book') continue
      for (const book of this.#booksOf(topic)) {
        if (!book.synced) continue
        book.break('gap', reason)
        this.#changed.add(book)
        this.#tell(book, reason)
        if (now !== undefined) this.#ask(book, this.#entryOf(book), now, reason)
      }
    }
    this.#tellWatchers()
  }

  /** The whole book behind its part `delta`, for a reader that has lost one before. */
  snapshotBehind(delta: Book): Book | undefined {
    const book = this.#books.get(delta.source, delta.symbol)
    // Within a batch the book is ahead of its earlier parts: such a reader has to wait for the last.
    return book && this.#entries.get(book)?.last === delta ? book.snapshot() : undefined
  }

  /** The whole books of the symbols, for a reader that joins; none of those that are not whole. */
  snapshots(symbols: readonly string[]): Book[] {
    const books = symbols.includes(ANY)
      ? [...this.#books]
      : symbols.flatMap(symbol => this.#books.of(symbol))
    return books.flatMap(book => book.snapshot() ?? [])
  }

  /** The book of a symbol: of one source, or of whichever came first. */
  find(symbol: string, source?: string): OrderBook | undefined {
    return source === undefined ? this.#books.of(symbol)[0] : this.#books.get(source, symbol)
  }

  /** Tells a watcher of every change of a symbol's books; returns what ends it. */
  watch(symbol: string, watcher: Watcher): () => void {
    const watchers = this.#watchers.get(symbol) ?? new Set()
    this.#watchers.set(symbol, watchers.add(watcher))
    return () => {
      watchers.delete(watcher)
      if (watchers.size === 0) this.#watchers.delete(symbol)
    }
  }

  #isWanted(symbol: string): boolean {
    return this.#wanted.has(symbol) || this.#wanted.has(ANY)
  }

  #entryOf(book: OrderBook): Entry {
    let entry = this.#entries.get(book)
    if (!entry) {
      entry = { last: undefined, isTold: false, orphanedAt: undefined }
      this.#entries.set(book, entry)
    }
    return entry
  }

  #booksOf({ source, symbol }: Topic): OrderBook[] {
    if (symbol !== ANY) return [this.#books.get(source, symbol) ?? []].flat()
    return [...this.#books].filter(book => book.source === source)
  }

  /** A recording tells of its own holes. */
  #hear(notice: MarketEvent): void {
    const before = [...this.#entries.keys()].filter(book => book.synced)
    this.#books.accept(notice)
    for (const book of before) if (!book.synced) this.#changed.add(book)
  }

  #waitOn(book: OrderBook, entry: Entry, now: number): void {
    entry.orphanedAt ??= now
    if (now - entry.orphanedAt >= PATIENCE_MS) this.#ask(book, entry, now, book.unsynced!.message)
  }

  #ask(book: OrderBook, entry: Entry, now: number, reason: string): void {
    entry.orphanedAt = now
    const { source, symbol } = book
    // What a recording holds nobody can be asked for.
    if (source !== this.#hooks.source) return
    const wanted = this.#wanted.has(symbol) ? symbol : ANY
    this.#hooks.resync({ source, kind: 'book', symbol: wanted }, reason)
  }

  #tell(book: OrderBook, reason: string): void {
    this.#entryOf(book).isTold = true
    this.#say('gap', book, reason)
  }

  #say(name: NoticeName, { symbol }: OrderBook, what: string): void {
    this.#hooks.notice(name, `${symbol} (book): ${what}`, { kind: 'book', symbol })
  }

  #tellWatchers(): void {
    const changed = [...this.#changed]
    this.#changed.clear()
    for (const book of changed) {
      const watchers = this.#watchers.get(book.symbol)
      if (watchers) for (const watcher of [...watchers]) watcher.changed(book)
    }
  }
}
