import { Books } from '../../src/derive/books.ts'
import type {
  ClientSubscription,
  GatewayClient,
} from '../../src/providers/tickwire/client-browser.ts'
import type { Ladder } from '../wire.ts'

/** Levels of a side. */
const DEPTH = 40

/** The book of one symbol. */
export class LadderWatch {
  #client: GatewayClient | undefined
  #subscription: ClientSubscription | undefined
  #symbol: string | undefined
  #books = new Books()
  /** Why there is none, where no book says so itself. */
  #reason: string | undefined = 'waiting for the book'
  #isDirty = true

  open(client: GatewayClient): void {
    this.#client = client
  }

  /** `book`: whose is to be had, where there is any. */
  show(book: string | undefined, symbol: string): void {
    if (this.#subscription && this.#symbol === symbol && book !== undefined) return
    this.#subscription?.close()
    this.#subscription = undefined
    this.#symbol = symbol
    this.#books = new Books()
    this.#isDirty = true
    this.#reason = book === undefined ? 'no source here has books' : 'waiting for the book'
    if (book === undefined || !this.#client) return
    const books = this.#books
    this.#subscription = this.#client.subscribe(
      { kinds: ['book'], symbols: [book] },
      {
        batch: events => {
          if (books !== this.#books) return
          for (const event of events) books.accept(event)
          this.#reason = undefined
          this.#isDirty = true
        },
        answered: ({ accepted, rejected: [no] }) => {
          if (accepted.length === 0 && no)
            this.#say(no.hint ? `${no.message}. ${no.hint}` : no.message)
        },
        refused: ({ message }) => {
          if (books === this.#books) this.#say(message)
        },
      },
    )
  }

  /** What is here cannot be trusted any more. */
  cut(reason: string): void {
    for (const book of this.#books) if (book.synced) book.break('gap', reason)
    this.#say(reason)
  }

  changed(): Ladder | undefined {
    if (!this.#isDirty || this.#symbol === undefined) return undefined
    this.#isDirty = false
    const [book] = this.#books.of(this.#symbol)
    const unsynced = book
      ? book.unsynced && (this.#reason ?? book.unsynced.message)
      : (this.#reason ?? 'waiting for the book')
    const bids = unsynced === undefined ? book!.bids(DEPTH) : []
    const asks = unsynced === undefined ? book!.asks(DEPTH) : []
    return { symbol: this.#symbol, unsynced, bids, asks }
  }

  #say(reason: string): void {
    this.#reason = reason
    this.#isDirty = true
  }
}
