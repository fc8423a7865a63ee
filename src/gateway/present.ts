import { Books } from '../derive/books.ts'
import type { OrderBook } from '../derive/order-book.ts'
import {
  type Book,
  type EventType,
  Flag,
  type MarketEvent,
  type Trade,
  type TradeId,
} from '../market/events.ts'
import { ANY, type Topic } from '../market/topics.ts'
import { Timeline } from './timeline.ts'

/** Trades of a symbol that are remembered, so that the last can be taken back. */
const TRADES = 8
/** Kinds of which the last says how things stand. */
const STATES: ReadonlySet<EventType> = new Set([
  ...(['trade', 'quote', 'ticker', 'bar', 'status', 'luld', 'imbalance'] as const),
])

/** The last of each kind of one symbol of one source; of bars, of each length. */
interface Latest {
  readonly byKind: Map<string, MarketEvent>
  /** Newest first. */
  trades: Trade[]
}

/**
 * How things stand: the latest of each source, symbol and kind, and the books, as far as the tape has been followed. The
 * latest moves only forward in venue time; what is repaired or late never replaces it, and what is taken back does not
 * stay.
 */
export class Present {
  readonly books = new Books()
  readonly timeline = new Timeline()
  readonly #lastPart = new Map<OrderBook, Book>()
  readonly #sources = new Map<string, Map<string, Latest>>()

  accept(event: MarketEvent): void {
    const { type } = event
    if (type === 'book') this.#lastPart.set(this.books.apply(event), event)
    else if (type === 'notice') {
      this.books.accept(event)
      this.timeline.accept(event)
    } else if (type === 'cancel') this.#takeBack(event.source, event.symbol, event.id)
    else if (type === 'correction') {
      this.#takeBack(event.source, event.symbol, event.originalId)
    } else if (STATES.has(type)) this.#keep(event)
  }

  /** The last of a kind, newest venue time first where several sources have the symbol. */
  latest(topic: Topic): MarketEvent[] {
    const found: MarketEvent[] = []
    for (const [source, symbols] of this.#sources) {
      if (topic.source !== ANY && topic.source !== source) continue
      const entries = topic.symbol === ANY ? symbols.values() : [symbols.get(topic.symbol)]
      for (const entry of entries) {
        const event = entry?.byKind.get(keyOf(topic.kind, topic.interval))
        if (event) found.push(event)
      }
    }
    return found
  }

  /** The whole books of a topic; none of those that are not whole. */
  wholeBooks({ source, symbol }: Topic): Book[] {
    const books = symbol === ANY ? [...this.books] : this.books.of(symbol)
    return books
      .filter(book => source === ANY || book.source === source)
      .flatMap(book => book.snapshot() ?? [])
  }

  /** The whole book behind its part `delta`, where nothing has come of it since. */
  snapshotBehind(delta: Book): Book | undefined {
    const book = this.books.get(delta.source, delta.symbol)
    return book && this.#lastPart.get(book) === delta ? book.snapshot() : undefined
  }

  #keep(event: MarketEvent): void {
    const { source, symbol } = event
    if (symbol === undefined) return
    let symbols = this.#sources.get(source)
    if (!symbols) {
      symbols = new Map()
      this.#sources.set(source, symbols)
    }
    let entry = symbols.get(symbol)
    if (!entry) {
      entry = { byKind: new Map(), trades: [] }
      symbols.set(symbol, entry)
    }
    const key = event.type === 'bar' ? keyOf('bar', event.interval) : event.type
    const last = entry.byKind.get(key)
    if (last && !isNewer(event, last)) return
    entry.byKind.set(key, event)
    if (event.type !== 'trade') return
    entry.trades.unshift(event)
    if (entry.trades.length > TRADES) entry.trades.length = TRADES
  }

  #takeBack(source: string, symbol: string, id: TradeId | undefined): void {
    const entry = this.#sources.get(source)?.get(symbol)
    if (!entry || id === undefined) return
    entry.trades = entry.trades.filter(trade => trade.id !== id)
    const [last] = entry.trades
    if (last) entry.byKind.set('trade', last)
    else entry.byKind.delete('trade')
  }
}

const keyOf = (kind: EventType, interval: string | undefined) =>
  kind === 'bar' ? `bar@${interval ?? '1m'}` : kind

function isNewer(event: MarketEvent, last: MarketEvent): boolean {
  // What was repaired or came late never replaces what came after it; a revised bar replaces its own.
  if (event.timestamp === last.timestamp && event.nanos === last.nanos) return true
  if ((event.flags & (Flag.repaired | Flag.late)) !== 0) return false
  return (
    event.timestamp > last.timestamp ||
    (event.timestamp === last.timestamp && event.nanos > last.nanos)
  )
}
