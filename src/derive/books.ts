import type { Book, MarketEvent, Notice } from '../market/events.ts'
import { OrderBook, type OrderBookOptions, type OrderBookView } from './order-book.ts'

/** Notices by which a tape says that events are missing: any of them may have been a part of any book. */
const HOLES: ReadonlySet<string> = new Set(['lost', 'skipped', 'reset'])

/**
 * All order books of one stream, by source and symbol. Give it everything that comes, in order: it takes the `book`
 * events, and the notices after which a book is not whole any more (`gap` of the kind `book`, of one symbol or of all of
 * its source; `lost`, `skipped` and `reset` of a tape). The next snapshot makes it whole again.
 */
export class Books implements Iterable<OrderBook> {
  readonly #options: OrderBookOptions
  readonly #bySource = new Map<string, Map<string, OrderBook>>()

  /** The options are those of every book. */
  constructor(options: OrderBookOptions = {}) {
    this.#options = options
  }

  /** Takes any event; returns the book when it was a part of one. */
  accept(event: MarketEvent): OrderBookView | undefined {
    if (event.type === 'book') return this.apply(event)
    if (event.type === 'notice') this.#heed(event)
    return undefined
  }

  /** Takes a part of a book, and returns that book. */
  apply(event: Book): OrderBook {
    const book = this.open(event.source, event.symbol)
    book.apply(event)
    return book
  }

  get(source: string, symbol: string): OrderBook | undefined {
    return this.#bySource.get(source)?.get(symbol)
  }

  /** The books of a symbol, whatever their source, in the order they first came. */
  of(symbol: string): OrderBook[] {
    const found: OrderBook[] = []
    for (const books of this.#bySource.values()) {
      const book = books.get(symbol)
      if (book) found.push(book)
    }
    return found
  }

  /** The book, made when it is not there. */
  open(source: string, symbol: string): OrderBook {
    let books = this.#bySource.get(source)
    if (!books) {
      books = new Map()
      this.#bySource.set(source, books)
    }
    let book = books.get(symbol)
    if (!book) {
      book = new OrderBook(symbol, source, this.#options)
      books.set(symbol, book)
    }
    return book
  }

  delete(source: string, symbol: string): void {
    const books = this.#bySource.get(source)
    if (books?.delete(symbol) && books.size === 0) this.#bySource.delete(source)
  }

  *[Symbol.iterator](): Generator<OrderBook> {
    for (const books of this.#bySource.values()) yield* books.values()
  }

  #heed({ notice, kind, source, symbol, message }: Notice): void {
    if (notice === 'gap' && kind === 'book') {
      const books = this.#bySource.get(source)
      if (symbol === undefined) for (const book of books?.values() ?? []) lose(book, message)
      else lose(books?.get(symbol), message)
    } else if (HOLES.has(notice)) for (const book of this) lose(book, message)
  }
}

/** What is not whole keeps its first reason. */
function lose(book: OrderBook | undefined, message: string): void {
  if (book?.synced) book.break('gap', message)
}
