import type { Clock } from '../../base/clock.ts'
import type { Bar, MarketEvent, News, Quote, Trade } from '../../market/events.ts'
import { ServerBooks } from './server-books.ts'

/** What the venue can be asked for later. */
export type RecordedKind = 'trades' | 'quotes' | 'bars'
type Recorded = Trade | Quote | Bar | News

/** A trade, quote, minute bar or article that has gone out, and what became of it. */
export interface Entry<E extends Recorded = Recorded> {
  readonly event: E
  /** From when on it can be asked for, epoch ms. */
  readonly visibleAt: number
  /** Nanoseconds since the epoch: the order of the answer. */
  readonly at: bigint
  /** What a later message said of a trade. */
  update?: 'canceled' | 'incorrect' | 'corrected'
  /** From when on that is known, epoch ms. @default with the event */
  updateAt?: number
}

export interface RecordOptions {
  /** Events kept, the oldest go first. @default 200000 */
  readonly capacity?: number | undefined
  /** How long after its delivery an event can be asked for, ms. @default 0 */
  readonly lagMs?: number | undefined
}

/** The entries of one symbol in order of time; those before `from` have been dropped. */
interface Series {
  entries: Entry[]
  from: number
}

/** What has been delivered, bounded, for the venue's REST answers. */
export class AlpacaRecord {
  readonly #clock: Clock
  readonly #capacity: number
  readonly #lagMs: number
  readonly #kinds: Readonly<Record<RecordedKind, Map<string, Series>>> = {
    ...{ trades: new Map(), quotes: new Map(), bars: new Map() },
  }
  /** The books of crypto as they are now. */
  readonly books = new ServerBooks()
  /** Articles of all symbols, the last word of each. */
  readonly #news: Series = { entries: [], from: 0 }
  /** The series in the order their entries came, so that the oldest can go; read from `#oldest` on. */
  #arrivals: Series[] = []
  #oldest = 0

  constructor(clock: Clock, { capacity = 200_000, lagMs = 0 }: RecordOptions = {}) {
    this.#clock = clock
    this.#capacity = capacity
    this.#lagMs = lagMs
  }

  add(batch: readonly MarketEvent[]): void {
    this.books.add(batch)
    const visibleAt = this.#clock.now() + this.#lagMs
    for (const event of batch) {
      switch (event.type) {
        case 'trade':
          this.#put('trades', event, visibleAt)
          break
        case 'quote':
          this.#put('quotes', event, visibleAt)
          break
        case 'bar':
          if (event.interval === '1m') this.#putBar(event, visibleAt)
          break
        case 'news':
          this.#putNews(event, visibleAt)
          break
        case 'cancel':
          this.#mark(event.symbol, event.exchange, event.id, 'canceled', visibleAt)
          break
        case 'correction': {
          const { symbol, exchange, originalId } = event
          const original = this.#mark(symbol, exchange, originalId, 'incorrect', visibleAt)
          if (!original) break
          const { id, price, size, conditions } = event
          const corrected = { ...original.event, id, price, size, conditions } as Trade
          this.#put('trades', corrected, visibleAt).update = 'corrected'
          break
        }
      }
    }
  }

  /** What can be seen now of a symbol, in order of time. */
  list(kind: RecordedKind, symbol: string): readonly Entry[] {
    const series = this.#kinds[kind].get(symbol)
    const now = this.#clock.now()
    const known = series?.entries.slice(series.from).filter(entry => entry.visibleAt <= now) ?? []
    for (const [i, entry] of known.entries()) {
      if (entry.updateAt !== undefined && entry.updateAt > now) known[i] = plain(entry)
    }
    return known
  }

  /** The articles that can be seen now, in order of time. */
  news(): readonly Entry<News>[] {
    const now = this.#clock.now()
    const { entries, from } = this.#news
    return entries.slice(from).filter(({ visibleAt }) => visibleAt <= now) as Entry<News>[]
  }

  #put(kind: RecordedKind, event: Trade | Quote | Bar, visibleAt: number): Entry {
    const all = this.#kinds[kind]
    let series = all.get(event.symbol)
    if (!series) all.set(event.symbol, (series = { entries: [], from: 0 }))
    return this.#putInto(series, event, visibleAt)
  }

  #putInto(series: Series, event: Recorded, visibleAt: number): Entry {
    const entry: Entry = { event, visibleAt, at: nanoseconds(event) }
    const { entries, from } = series
    // Late prints are put where they belong.
    const last = entries.at(-1)
    if (!last || last.at <= entry.at) entries.push(entry)
    else entries.splice(placeBehind(entries, entry.at, from), 0, entry)
    this.#arrivals.push(series)
    if (this.#arrivals.length - this.#oldest > this.#capacity) this.#drop()
    return entry
  }

  /** An article that is sent again has been changed: its new form is the one there is, at its new time. */
  #putNews(article: News, visibleAt: number): void {
    const { entries, from } = this.#news
    const at = entries.findIndex(({ event }, i) => i >= from && (event as News).id === article.id)
    if (at >= 0 && article.id !== undefined) {
      entries.splice(at, 1)
      const arrival = this.#arrivals.indexOf(this.#news, this.#oldest)
      this.#arrivals.splice(arrival, 1)
    }
    this.#putInto(this.#news, article, visibleAt)
  }

  /** A bar that is sent again takes the place of the one before. */
  #putBar(bar: Bar, visibleAt: number): void {
    const entries = this.#kinds.bars.get(bar.symbol)?.entries ?? []
    const at = entries.findLastIndex(({ event }) => event.timestamp === bar.timestamp)
    if (at >= 0) entries[at] = { event: bar, visibleAt, at: nanoseconds(bar) }
    else this.#put('bars', bar, visibleAt)
  }

  #mark(
    symbol: string,
    exchange: string | undefined,
    id: Trade['id'],
    update: NonNullable<Entry['update']>,
    updateAt: number,
  ): Entry | undefined {
    const entry = this.#kinds.trades.get(symbol)?.entries.findLast(({ event }) => {
      const trade = event as Trade
      return trade.id === id && trade.exchange === exchange
    })
    if (entry) {
      entry.update = update
      entry.updateAt = updateAt
    }
    return entry
  }

  /** Lets the oldest go; the arrays are cut now and then, not each time. */
  #drop(): void {
    const series = this.#arrivals[this.#oldest++]!
    series.from++
    if (isMostlyDropped(series.from, series.entries.length)) {
      series.entries = series.entries.slice(series.from)
      series.from = 0
    }
    if (isMostlyDropped(this.#oldest, this.#arrivals.length)) {
      this.#arrivals = this.#arrivals.slice(this.#oldest)
      this.#oldest = 0
    }
  }
}

/** An entry before anything was said of it. */
const plain = ({ event, visibleAt, at }: Entry): Entry => ({ event, visibleAt, at })

const isMostlyDropped = (from: number, length: number) => from >= 1_024 && from * 2 >= length

/** Where in a list in order of time, from `from` on, the first later entry stands. */
function placeBehind(list: readonly Entry[], at: bigint, from: number): number {
  let [low, high] = [from, list.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (list[middle]!.at > at) high = middle
    else low = middle + 1
  }
  return low
}

export function nanoseconds({ timestamp, nanos }: { timestamp: number; nanos: number }): bigint {
  return BigInt(timestamp) * 1_000_000n + BigInt(nanos)
}
