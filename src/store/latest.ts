import { Books } from '../derive/books.ts'
import { calendarOf } from '../market/calendar-book.ts'
import {
  type Bar,
  Book,
  type Cancel,
  type Correction,
  type EventOf,
  Flag,
  type MarketEvent,
  type Notice,
  stampSeq,
  Trade,
} from '../market/events.ts'
import { formatTopic, type Topic } from '../market/topics.ts'

/** Kinds of which the latest is kept. */
export const LATEST_KINDS = ['trade', 'quote', 'ticker', 'bar', 'book'] as const
export type LatestEvent = EventOf<(typeof LATEST_KINDS)[number]>

export interface LatestOptions {
  /**
   * `session`: what is of an earlier trading day goes when the next one begins; where a market never closes, after 24
   * hours. By the tape's time. @default 'never'
   */
  readonly expire?: 'never' | 'session'
}

/** Trades kept of a symbol: so many in a row can be taken back. */
const KEPT_TRADES = 32
const DAY_MS = 86_400_000
/** How often what is over is looked for, by tape time, ms. */
const SWEEP_MS = 60_000

/** The latest of one topic. */
interface Slot {
  readonly topic: Topic
  /** As text: {@link formatTopic}. */
  readonly key: string
  event: LatestEvent | undefined
  /** Of trades: the newest, oldest first; the last of them is `event`. */
  readonly trades: Trade[]
}

/**
 * The latest trade, quote, ticker, bar of each length and best levels of each symbol and source, from the events of a tape
 * in their order. It moves forward only in venue time: what is late or repaired never takes the place of what is newer. A
 * cancel brings back the trade before, a correction changes the one it names. Of books it has the best level of each side
 * while they are whole, as it came last.
 */
export class Latest {
  readonly #expires: boolean
  readonly #sources = new Map<string, Map<string, Map<string, Slot>>>()
  readonly #books = new Books()
  #changed = new Set<Slot>()
  #now = Number.NEGATIVE_INFINITY
  #sweepAt = Number.NEGATIVE_INFINITY

  constructor({ expire = 'never' }: LatestOptions = {}) {
    this.#expires = expire === 'session'
  }

  /** Whether anything is another than when changes were last taken. */
  get isChanged(): boolean {
    return this.#changed.size > 0
  }

  /** Highest receive time seen, epoch ms. */
  get now(): number {
    return this.#now
  }

  apply(event: MarketEvent): void {
    switch (event.type) {
      case 'trade':
        this.#trade(event)
        break
      case 'quote':
      case 'ticker':
        this.#forward(this.#slot(event.source, event.type, event.symbol), event)
        break
      case 'bar':
        this.#bar(event)
        break
      case 'book':
        this.#book(event)
        break
      case 'cancel':
        this.#takeBack(event)
        break
      case 'correction':
        this.#correct(event)
        break
      case 'notice':
        this.#heed(event)
        break
    }
    const { receivedAt } = event
    if (receivedAt > this.#now && receivedAt < Number.POSITIVE_INFINITY) {
      this.#now = receivedAt
      if (this.#expires && receivedAt >= this.#sweepAt) this.#sweep()
    }
  }

  /** What has changed since the last time; without an event: it is gone. */
  take(): (readonly [key: string, event: LatestEvent | undefined])[] {
    const changed = [...this.#changed].map(({ key, event }) => [key, event] as const)
    this.#changed = new Set()
    return changed
  }

  /** All there is, by key. */
  *entries(): Generator<readonly [key: string, event: LatestEvent]> {
    for (const { key, event } of this.#slots()) if (event) yield [key, event]
  }

  get({ source, kind, interval, symbol }: Topic): LatestEvent | undefined {
    const channel = interval ? `${kind}@${interval}` : kind
    return this.#sources.get(source)?.get(channel)?.get(symbol)?.event
  }

  /** When the last of what there is expires, epoch ms; `undefined` where nothing does. */
  get expiresAt(): number | undefined {
    if (!this.#expires) return undefined
    let last: number | undefined
    for (const { event } of this.#slots()) {
      if (event) last = Math.max(last ?? 0, expiryOf(event))
    }
    return last
  }

  /** What another one needs to go on from here; of books only the best levels: the tape knows them whole. */
  state(): LatestEvent[] {
    return [...this.#slots()].flatMap(({ event, trades }) =>
      trades.length > 0 ? trades : event ? [event] : [],
    )
  }

  /** Goes on from a {@link state}, at a time of the tape; nothing counts as changed. */
  restore(events: readonly MarketEvent[], now: number): void {
    for (const event of events as readonly LatestEvent[]) {
      const slot = this.#slot(event.source, event.type, event.symbol, intervalOf(event))
      if (event.type === 'trade') slot.trades.push(event)
      slot.event = event
    }
    this.#now = now
    this.#sweepAt = nextSweep(now)
    this.#changed = new Set()
  }

  *#slots(): Generator<Slot> {
    for (const channels of this.#sources.values()) {
      for (const slots of channels.values()) yield* slots.values()
    }
  }

  #slot(
    source: string,
    kind: LatestEvent['type'],
    symbol: string,
    interval?: Bar['interval'],
  ): Slot {
    const channel = interval ? `${kind}@${interval}` : kind
    let channels = this.#sources.get(source)
    if (!channels) this.#sources.set(source, (channels = new Map()))
    let slots = channels.get(channel)
    if (!slots) channels.set(channel, (slots = new Map()))
    let slot = slots.get(symbol)
    if (!slot) {
      const topic = { source, kind, symbol, interval }
      slots.set(symbol, (slot = { topic, key: formatTopic(topic), event: undefined, trades: [] }))
    }
    return slot
  }

  #put(slot: Slot, event: LatestEvent | undefined): void {
    if (slot.event === event) return
    slot.event = event
    this.#changed.add(slot)
  }

  #forward(slot: Slot, event: LatestEvent): void {
    if (!slot.event || isNewer(event, slot.event)) this.#put(slot, event)
  }

  #bar(bar: Bar): void {
    const slot = this.#slot(bar.source, 'bar', bar.symbol, bar.interval)
    const known = slot.event as Bar | undefined
    const isSame = known?.timestamp === bar.timestamp && known.nanos === bar.nanos
    // Of one interval the last word counts; what is final is no draft again.
    if (isSame) {
      if (bar.revision >= known.revision && (bar.final || !known.final)) this.#put(slot, bar)
    } else this.#forward(slot, bar)
  }

  #trade(trade: Trade): void {
    const slot = this.#slot(trade.source, 'trade', trade.symbol)
    const { trades } = slot
    let at = trades.length
    while (at > 0 && !isNewer(trade, trades[at - 1]!)) at--
    if (at === 0 && trades.length >= KEPT_TRADES) return
    trades.splice(at, 0, trade)
    if (trades.length > KEPT_TRADES) trades.shift()
    this.#put(slot, trades.at(-1))
  }

  #takeBack(cancel: Cancel): void {
    const { source, symbol, id, exchange, price, size } = cancel
    const slot = this.#slot(source, 'trade', symbol)
    const at = slot.trades.findLastIndex(trade =>
      id === undefined
        ? trade.price === price && trade.size === size && isAt(trade, exchange)
        : trade.id === id && isAt(trade, exchange),
    )
    if (at < 0) return
    slot.trades.splice(at, 1)
    this.#put(slot, slot.trades.at(-1))
  }

  #correct(correction: Correction): void {
    const { source, symbol, originalId, originalPrice, originalSize, exchange } = correction
    const slot = this.#slot(source, 'trade', symbol)
    const at = slot.trades.findLastIndex(trade =>
      originalId === undefined
        ? trade.price === originalPrice && trade.size === originalSize && isAt(trade, exchange)
        : trade.id === originalId && isAt(trade, exchange),
    )
    if (at < 0) return
    const old = slot.trades[at]!
    const trade = new Trade(
      ...([symbol, source, old.timestamp, old.nanos, correction.receivedAt, old.flags] as const),
      ...([correction.price, correction.size, correction.id ?? old.id] as const),
      ...([correction.exchange ?? old.exchange, correction.conditions] as const),
      ...([correction.tape ?? old.tape, old.side] as const),
    )
    if (correction.seq !== undefined) stampSeq(trade, correction.seq)
    slot.trades[at] = trade
    this.#put(slot, slot.trades.at(-1))
  }

  #book(event: Book): void {
    const book = this.#books.apply(event)
    const slot = this.#slot(event.source, 'book', event.symbol)
    if (!book.synced) {
      this.#put(slot, undefined)
      return
    }
    const { bestBid, bestAsk } = book
    const known = slot.event as Book | undefined
    if (known && isSameLevel(known.bids[0], bestBid) && isSameLevel(known.asks[0], bestAsk)) return
    const top = new Book(
      ...([event.symbol, event.source] as const),
      ...([event.timestamp, event.nanos, event.receivedAt] as const),
      event.flags & ~(Flag.conflated | Flag.late | Flag.repaired),
      bestBid ? [bestBid] : [],
      bestAsk ? [bestAsk] : [],
      true,
      event.sequence,
      undefined,
    )
    if (event.seq !== undefined) stampSeq(top, event.seq)
    this.#put(slot, top)
  }

  /** Books of which something was lost have no best level that could be trusted. */
  #heed(notice: Notice): void {
    this.#books.accept(notice)
    const { notice: what, kind } = notice
    const isHole = what === 'lost' || what === 'skipped' || what === 'reset'
    if (!isHole && !(what === 'gap' && kind === 'book')) return
    for (const slot of this.#slots()) {
      const { source, symbol, kind: of } = slot.topic
      if (of === 'book' && !this.#books.get(source, symbol)?.synced) this.#put(slot, undefined)
    }
  }

  #sweep(): void {
    this.#sweepAt = nextSweep(this.#now)
    for (const slot of this.#slots()) {
      if (!slot.event || expiryOf(slot.event) > this.#now) continue
      slot.trades.length = 0
      this.#put(slot, undefined)
    }
  }
}

const nextSweep = (now: number) => (Math.floor(now / SWEEP_MS) + 1) * SWEEP_MS

const intervalOf = (event: LatestEvent) => (event.type === 'bar' ? event.interval : undefined)

const isAt = (trade: Trade, exchange: string | undefined) =>
  exchange === undefined || trade.exchange === undefined || trade.exchange === exchange

function isSameLevel(
  a: readonly [number, number] | undefined,
  b: readonly [number, number] | undefined,
): boolean {
  return a === b || (a !== undefined && b !== undefined && a[0] === b[0] && a[1] === b[1])
}

/** Whether an event takes the place of one that came before it. */
function isNewer(event: MarketEvent, known: MarketEvent): boolean {
  const ahead = event.timestamp - known.timestamp || event.nanos - known.nanos
  return ahead > 0 || (ahead === 0 && (event.flags & (Flag.late | Flag.repaired)) === 0)
}

/** When the trading day behind that of an event begins. */
function expiryOf({ symbol, source, timestamp }: LatestEvent): number {
  const calendar = calendarOf(symbol, source)
  if (!calendar || !(Math.abs(timestamp) < 8e15)) return timestamp + DAY_MS
  let session = calendar.sessionAt(timestamp)
  const { day } = session
  for (let steps = 0; steps < 64; steps++) {
    const next = calendar.next(session.from)
    if (!next) break
    session = next
    if (next.day !== undefined && next.day !== day && next.name !== 'closed') return next.from
  }
  return timestamp + DAY_MS
}
