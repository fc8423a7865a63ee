import { TickwireError } from '../base/errors.ts'
import { calendarOf } from '../market/calendar-book.ts'
import { Flag, type Interval, type MarketEvent, type Quote } from '../market/events.ts'
import { FIRST_MS, LAST_MS } from '../market/time.ts'
import type { Prices } from './bars-fold.ts'
import {
  type BarSize,
  checkAlignment,
  type Edges,
  Grid,
  type ParsedSize,
  parseSize,
} from './bars-interval.ts'
import { BAR_DEFAULTS, type BarOptions, checkOptions } from './bars-options.ts'

/** One side of a quote bar; `size` is what stood there last. */
export interface QuoteSide extends Prices {
  readonly size: number | undefined
}

/** What best bid and ask did in an interval. Not one of the events of a stream: it is made here only. */
export interface QuoteBar {
  readonly symbol: string
  readonly source: string
  /** Left edge, epoch ms. */
  readonly timestamp: number
  readonly interval: Interval
  /** Tape time at which it was sent, epoch ms. */
  readonly receivedAt: number
  readonly flags: number
  /** Absent while nobody has quoted that side yet. */
  readonly bid: QuoteSide | undefined
  readonly ask: QuoteSide | undefined
  /** Quotes in it. */
  readonly quoteCount: number
}

/** One length of time; the defaults are those of `BAR_DEFAULTS`. */
export type QuoteBarOptions = Pick<BarOptions, 'graceMs' | 'align' | 'calendar' | 'time'> & {
  readonly interval: BarSize
}

/** Quotes of a symbol that wait before those that can be are added up: that changes no bar. */
const MANY = 256
/** Quotes by which it is known how far a symbol is behind. */
const FEW = 3

interface Side {
  open: number
  high: number
  low: number
  close: number
  size: number | undefined
}

interface Book {
  readonly symbol: string
  readonly source: string
  readonly grid: Grid
  /** Quotes that others may still come before, by venue time. */
  readonly waiting: Quote[]
  /** How far the freshest of its quotes were behind, ms: the least first, three at most. */
  readonly freshest: number[]
  /** What is before this venue time has been added up. */
  settled: number
  edges: Edges | undefined
  bid: Side | undefined
  ask: Side | undefined
  count: number
  flags: number
}

/**
 * Builds bars of best bid and ask. A bar opens at the quote that stood when it began, which counts for its high and low
 * (the carry rule: vendors' quote bars are made so); the first bar of all opens with its first quote. A side that nobody
 * quotes keeps its last price. An interval without a quote has no bar.
 *
 * Quotes are put in the order of venue time within `graceMs`; one that comes later than that is counted and left out:
 * unlike bars of trades these are never revised. Where even the freshest quotes of a symbol come later than that, it is
 * taken to be as far behind as these are, and waited for by as much longer. One fresh quote does not make all others late: of
 * three or more it is the second freshest that counts.
 */
export class QuoteBarBuilder {
  readonly #size: ParsedSize & { by: 'time' }
  readonly #options: QuoteBarOptions
  readonly #graceMs: number
  readonly #byVenue: boolean
  readonly #handler: (bar: QuoteBar) => void
  readonly #books = new Map<string, Map<string, Book>>()
  /** Of the books that have something to send or to sort in, when the first of it is due. */
  #dueAt = Number.POSITIVE_INFINITY
  #now = Number.NEGATIVE_INFINITY
  #late = 0
  #malformed = 0

  /** @throws BAD_OPTION for an option that cannot be used, or anything but a length of time */
  constructor(options: QuoteBarOptions, handler: (bar: QuoteBar) => void) {
    checkOptions(options, ['interval', 'graceMs', 'align', 'calendar', 'time'])
    const { align = BAR_DEFAULTS.align, calendar } = options
    const size = parseSize(options.interval, align)
    if (size.by !== 'time') {
      throw new TickwireError('BAD_OPTION', `quote bars cannot have the size ${size.interval}`, {
        hint: "Give a time from '1s' to '1d'.",
      })
    }
    if (calendar) checkAlignment(size, align, calendar)
    this.#size = size
    this.#options = options
    this.#graceMs = options.graceMs ?? BAR_DEFAULTS.graceMs
    this.#byVenue = (options.time ?? BAR_DEFAULTS.time) === 'venue'
    this.#handler = handler
  }

  /** Quotes that came too late to be sorted in. */
  get late(): number {
    return this.#late
  }

  /** Quotes left out because a price, a size or the time is no finite number. */
  get malformed(): number {
    return this.#malformed
  }

  accept(event: MarketEvent): void {
    const time = this.#byVenue ? event.timestamp : event.receivedAt
    if (time > this.#now && time < Number.POSITIVE_INFINITY) this.#advance(time)
    if (event.type !== 'quote') return
    if (isSound(event)) this.#quote(event)
    else this.#malformed++
  }

  append(batch: readonly MarketEvent[]): void {
    for (const event of batch) this.accept(event)
  }

  /** The tape time has come to `timeMs`, though no event has. @throws BAD_OPTION */
  advance(timeMs: number): void {
    if (!Number.isFinite(timeMs)) {
      throw new TickwireError('BAD_OPTION', `time cannot advance to ${timeMs}`, {
        hint: 'Give epoch milliseconds; `end` sends what is left.',
      })
    }
    if (timeMs > this.#now) this.#advance(timeMs)
  }

  /** Nothing more will come: sends at once what is over. */
  end(): void {
    for (const books of this.#books.values()) {
      for (const book of books.values()) this.#settle(book, this.#now)
    }
  }

  #advance(now: number): void {
    this.#now = now
    if (now < this.#dueAt) return
    this.#dueAt = Number.POSITIVE_INFINITY
    for (const books of this.#books.values()) {
      for (const book of books.values()) {
        this.#settle(book, this.#watermark(book))
        this.#note(book)
      }
    }
  }

  /** Quotes wait until a bar is over, or there are many of them. */
  #note(book: Book): void {
    const { edges, grid, waiting } = book
    const [first] = waiting
    const to = edges?.to ?? (first && grid.at(first.timestamp).to)
    if (to === undefined) return
    this.#dueAt = Math.min(this.#dueAt, to + this.#graceMs + this.#behindOf(book))
  }

  /** Venue time up to which all quotes have come. */
  #watermark(book: Book): number {
    return this.#now - this.#graceMs - this.#behindOf(book)
  }

  /** Whoever keeps within the grace is not behind. A first quote may be an old one that stands, and one may be dated wrong. */
  #behindOf({ freshest }: Book): number {
    const behind = freshest[freshest.length === FEW ? 1 : 0] ?? 0
    return behind > this.#graceMs ? behind : 0
  }

  #learn(book: Book, { timestamp }: Quote): void {
    const { freshest } = book
    const behind = this.#now - timestamp
    if (freshest.length === FEW && behind >= freshest[FEW - 1]!) return
    const before = this.#behindOf(book)
    freshest.push(behind)
    freshest.sort((a, b) => a - b)
    if (freshest.length > FEW) freshest.pop()
    // What waits is due sooner.
    if (this.#behindOf(book) < before) this.#dueAt = Number.NEGATIVE_INFINITY
  }

  #quote(quote: Quote): void {
    const book = this.#bookOf(quote)
    this.#learn(book, quote)
    if (quote.timestamp < Math.max(book.settled, this.#watermark(book))) {
      this.#late++
      return
    }
    const { waiting } = book
    let at = waiting.length
    while (at > 0 && isAfter(waiting[at - 1]!, quote)) at--
    waiting.splice(at, 0, quote)
    if (waiting.length >= MANY) this.#settle(book, this.#watermark(book))
    if (!book.edges || waiting.length === 1) this.#note(book)
  }

  /** Adds up what is before a venue time, and sends the bars that end by then. */
  #settle(book: Book, to: number): void {
    // As more quotes show how late they come it may reach less far than before: what was sent stays.
    const until = Math.max(to, book.settled)
    const { waiting } = book
    let count = 0
    while (count < waiting.length && waiting[count]!.timestamp < until) {
      this.#add(book, waiting[count++]!)
    }
    if (count > 0) waiting.splice(0, count)
    book.settled = until
    if (book.edges && book.edges.to <= until) this.#send(book)
  }

  #add(book: Book, quote: Quote): void {
    if (book.edges && quote.timestamp >= book.edges.until) this.#send(book)
    if (!book.edges) {
      book.edges = book.grid.at(quote.timestamp)
      // What stood when it began is what it opens with.
      book.bid = carried(book.bid)
      book.ask = carried(book.ask)
    }
    book.count++
    book.flags = quote.flags & (Flag.simulated | Flag.replayed | Flag.delayed | Flag.polled)
    book.bid = quoted(book.bid, quote.bid, quote.bidSize)
    book.ask = quoted(book.ask, quote.ask, quote.askSize)
  }

  #send(book: Book): void {
    const { symbol, source, edges, bid, ask, count, flags } = book
    book.edges = undefined
    book.count = 0
    this.#handler({
      ...{ symbol, source, timestamp: edges!.stamp, interval: this.#size.interval },
      ...{ receivedAt: this.#now, flags: flags | Flag.derived },
      ...{ bid: bid && { ...bid }, ask: ask && { ...ask }, quoteCount: count },
    })
  }

  #bookOf({ source, symbol }: Quote): Book {
    let books = this.#books.get(source)
    if (!books) this.#books.set(source, (books = new Map()))
    let book = books.get(symbol)
    if (!book) {
      const { align = BAR_DEFAULTS.align, calendar = calendarOf(symbol, source) } = this.#options
      const grid = new Grid(this.#size, align, calendar)
      book = {
        ...{ symbol, source, grid, waiting: [], freshest: [], count: 0, flags: 0 },
        ...{ settled: Number.NEGATIVE_INFINITY, edges: undefined, bid: undefined, ask: undefined },
      }
      books.set(symbol, book)
    }
    return book
  }
}

const carried = (side: Side | undefined): Side | undefined =>
  side && { ...side, open: side.close, high: side.close, low: side.close }

function quoted(
  side: Side | undefined,
  price: number | undefined,
  size: number | undefined,
): Side | undefined {
  if (price === undefined) return side
  if (!side) return { open: price, high: price, low: price, close: price, size }
  side.high = Math.max(side.high, price)
  side.low = Math.min(side.low, price)
  side.close = price
  side.size = size
  return side
}

const isSound = ({ timestamp, bid, bidSize, ask, askSize }: Quote) =>
  timestamp >= FIRST_MS &&
  timestamp <= LAST_MS &&
  Number.isFinite((bid ?? 0) + (bidSize ?? 0) + (ask ?? 0) + (askSize ?? 0))

const isAfter = (a: Quote, b: Quote) =>
  a.timestamp > b.timestamp || (a.timestamp === b.timestamp && a.nanos > b.nanos)
