import type { Link } from '../../feed/provider.ts'
import { Book, createEvent, type EventType, type MarketEvent } from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'
import { answersOf } from './answers.ts'
import { type Asks, calm } from './asks.ts'
import type { Answers } from './replies.ts'
import { type Ask, isSmart } from './subscriptions.ts'
import type { Tws } from './tws.ts'
import type { Upstream } from './upstream.ts'

/** The first rows of a book are all there when none came for so long, or at the latest after this, ms. */
const FILL_MS = { calm: 100, most: 1_000 } as const
/** How long a book may be out of order or crossed: TWS sends a move in steps; those of several exchanges do cross, ms. */
const UNSOUND_MS = { one: 1_000, several: 5_000 } as const

export interface OutputOptions {
  readonly link: Link
  readonly tws: Tws
  readonly asks: Asks
  readonly upstream: Upstream
  /** Kinds that are filled in from history. */
  readonly repaired: readonly EventType[]
  error(ask: Ask, code: number, text: string): void
  /** A book is to be asked for anew. */
  resync(ask: Ask, reason: string): void
}

/** What comes of what TWS says: ticks as they are; lines and books as they stand when all that came together is read. */
export class Output {
  readonly #options: OutputOptions
  readonly #batch: MarketEvent[] = []

  constructor(options: OutputOptions) {
    this.#options = options
  }

  /** Hears what TWS says of a subscription. */
  answers(ask: Ask): Answers {
    const { link, tws, error } = this.#options
    return answersOf(ask, {
      source: link.source,
      receivedAt: () => tws.inbox.receivedAt,
      event: event => {
        this.#heard(ask)
        if (event) this.#batch.push(event)
      },
      changed: () => {
        const { id } = ask
        this.#heard(ask)
        // An outage that this ends has it asked for anew: this is of the old one.
        if (ask.id !== id) return false
        ask.dirty = true
        return true
      },
      error: (code, text) => error(ask, code, text),
      spoil: reason => tws.inbox.spoil(reason),
      broken: reason => this.#breakBook(ask, reason),
      dataType: type => {
        const { symbol } = ask.resolved
        if (type !== 1) link.log.info({ symbol, type }, 'the data of this line is not live')
      },
    })
  }

  /** All that came together goes on together. */
  flush(receivedAt: number): void {
    const { link, asks } = this.#options
    for (const ask of asks.all) {
      if (!ask.dirty) continue
      ask.dirty = false
      if (ask.line) this.#showLine(ask, receivedAt)
      else this.#showBook(ask, receivedAt)
    }
    if (this.#batch.length === 0) return
    link.emit(this.#batch, receivedAt)
    this.#batch.length = 0
  }

  /** What has come of these is not whole; all that came before is told first. */
  broken(asks: readonly Ask[], reason: string): void {
    const { link } = this.#options
    for (const ask of asks) {
      if (!ask.rows) continue
      ask.rows.clear()
      calm(ask)
      ask.dirty = false
    }
    this.flush(link.clock.now())
    const topics = asks.flatMap(ask => (ask.active ? [...ask.topics.values()] : []))
    if (topics.length === 0) return
    link.broken(topics, reason)
    this.#tellLost(topics, reason)
  }

  /** What no history is asked for is gone for good. */
  #tellLost(topics: readonly Topic[], reason: string): void {
    const { link, repaired } = this.#options
    const { source, clock } = link
    const now = clock.now()
    for (const kind of new Set(topics.map(topic => topic.kind))) {
      if (kind === 'book' || repaired.includes(kind)) continue
      const message = `what was missed in kind ${kind} stays missing: ${reason}, and there is no history of it`
      const time = { source, timestamp: Math.floor(now), receivedAt: now }
      const said = { notice: 'unrepaired', message, kind, code: 'UNSUPPORTED' } as const
      link.emit([createEvent({ type: 'notice', ...time, ...said })], now)
    }
  }

  /** Something of it has come. */
  #heard(ask: Ask): void {
    const { tws, upstream, asks } = this.#options
    ask.dataAt = tws.inbox.receivedAt
    upstream.heard(ask, ask.dataAt)
    asks.alive(ask)
    if (!ask.active) asks.activate(ask)
  }

  #showLine({ line, topics, standsIn, resolved: { symbol } }: Ask, receivedAt: number): void {
    const { source } = this.#options.link
    const kinds = new Set([...topics.values()].map(({ kind }) => kind))
    if (kinds.has('ticker') || standsIn) {
      const ticker = line!.ticker(symbol, source, receivedAt)
      if (ticker) this.#batch.push(ticker)
    }
    if (kinds.has('quote')) {
      const quote = line!.quote(symbol, source, receivedAt)
      if (quote) this.#batch.push(quote)
    }
  }

  #showBook(ask: Ask, receivedAt: number): void {
    const { source, clock } = this.#options.link
    const rows = ask.rows!
    if (rows.fault !== undefined) {
      const patience = isSmart(ask) ? UNSOUND_MS.several : UNSOUND_MS.one
      ask.unsound ??= clock.setTimeout(() => {
        ask.unsound = undefined
        const { fault } = rows
        if (fault !== undefined) this.#breakBook(ask, `${fault} for ${patience} ms`)
      }, patience)
      return
    }
    ask.unsound?.cancel()
    ask.unsound = undefined
    if (!rows.isTold && !this.#isFilled(ask)) return
    calm(ask)
    const change = rows.take()
    if (!change) return
    const { bids, asks, snapshot } = change
    const { symbol } = ask.resolved
    this.#batch.push(
      new Book(
        ...([symbol, source, Math.floor(receivedAt), 0, receivedAt, 0] as const),
        ...([bids, asks, snapshot, undefined, undefined] as const),
      ),
    )
  }

  /**
   * Whether the first rows of a book are all there: TWS sends them one by one, and says neither how many nor when that is
   * done. They are when both sides have some and no more came for a moment, or after a while.
   */
  #isFilled(ask: Ask): boolean {
    const { clock } = this.#options.link
    const now = clock.now()
    ask.filling ??= { since: now, isDone: false, timer: undefined }
    const { filling } = ask
    filling.timer?.cancel()
    const leftMs = filling.since + FILL_MS.most - now
    if (filling.isDone || leftMs <= 0) return true
    const done = () => {
      filling.isDone = true
      ask.dirty = true
      this.flush(clock.now())
    }
    const waitMs = ask.rows!.hasBoth ? Math.min(FILL_MS.calm, leftMs) : leftMs
    filling.timer = clock.setTimeout(done, waitMs)
    return false
  }

  #breakBook(ask: Ask, reason: string): void {
    const { tws, resync } = this.#options
    // What is behind the fault is of a book nobody has.
    tws.requests.forget(ask.id)
    this.broken([ask], reason)
    resync(ask, reason)
  }
}
