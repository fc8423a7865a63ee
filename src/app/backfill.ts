import { type Clock, sleep } from '../base/clock.ts'
import { asError, ERRORS, TickwireError } from '../base/errors.ts'
import { silentLog } from '../base/log.ts'
import { hasHistory, type Provider, USUAL_SESSIONS } from '../feed/provider.ts'
import { Quarantine } from '../feed/quarantine.ts'
import { calendarOf } from '../market/calendar-book.ts'
import {
  type Adjustment,
  createEvent,
  type EventType,
  type Interval,
  type MarketEvent,
} from '../market/events.ts'
import type { Merged } from '../store/store.ts'
import { BackfillJournal, type Done, type Span, type Wanted } from './backfill-journal.ts'

export interface BackfillOptions {
  readonly provider: Provider
  /** Name on the events: that of the feed whose holes it fills. @default the provider's id */
  readonly source?: string
  /** Canonical. */
  readonly symbols: readonly string[]
  readonly kinds: readonly EventType[]
  /** Venue time, epoch ms, inclusive. */
  readonly from: number
  /** Venue time, epoch ms, inclusive. @default now */
  readonly to?: number
  /** Length of bars. @default '1m' */
  readonly interval?: Interval
  /** Of bars. @default 'raw' */
  readonly adjustment?: Adjustment
  /** Asks anew for what has come before. @default false */
  readonly again?: boolean
  /** Where it goes: what is there already is not added twice. */
  readonly into: { merge(events: AsyncIterable<readonly MarketEvent[]>): Promise<Merged> }
  /** Folder of the store, where it is kept what has come. */
  readonly store: string
  readonly clock: Clock
  readonly onProgress?: (progress: BackfillProgress) => void
  /** Told before it waits to ask again. */
  readonly onRetry?: (error: TickwireError, waitMs: number) => void
  /** Ends it; what has come stays. */
  readonly signal?: AbortSignal
}

export interface BackfillProgress {
  /** Questions answered, of those there are. */
  readonly done: number
  readonly total: number
  readonly events: number
  readonly at: Wanted & Span
}

export interface Backfilled extends Merged {
  /** Questions that were answered whole, and stored. */
  readonly asked: number
  /** Days of a symbol and kind that had come before. */
  readonly before: number
  /** Days on which the market of a symbol was closed. */
  readonly closed: number
  /** Records that can be no event, and events that cannot be true. */
  readonly refused: number
  /** All of it has come; false when the signal ended it. */
  readonly isWhole: boolean
}

const DAY_MS = 86_400_000
/** A day counts as come only when it had been over for so long: histories lag. */
const SETTLED_MS = 3_600_000
/** Bars asked for at once, about. */
const BARS = 5_000
/** What is stored in one go: a kill costs at most so much, events and ms. */
const GROUP_EVENTS = 500_000
const GROUP_MS = 30_000
/** Waits before a question is asked again that failed for no fault of its own, ms. */
const WAITS_MS = [1_000, 5_000, 30_000]

/** One question to the vendor. */
interface Chunk extends Wanted, Span {}

/**
 * Fills a store from a provider's history: a question for each symbol, kind and day (of bars for several days), within the
 * pace the provider keeps by itself. What has come is kept in mind beside the store and not asked again. When the vendor
 * fails or the signal ends it, what has come is stored.
 * @throws UNSUPPORTED, what the vendor answers, what the store says
 */
export async function backfill(options: BackfillOptions): Promise<Backfilled> {
  check(options)
  const journal = await BackfillJournal.open(options.store)
  return new Backfill(options, journal).run()
}

function check({ provider, kinds, symbols, from, to }: BackfillOptions): void {
  const { title } = provider.capabilities
  if (!provider.history) {
    throw new TickwireError('UNSUPPORTED', `${title} has no history`, {
      hint: 'Choose another provider; `tickwire providers` shows which have it.',
    })
  }
  const lacking = kinds.find(kind => !hasHistory(provider, kind))
  if (lacking !== undefined) {
    throw new TickwireError('UNSUPPORTED', `${title} has no history of ${lacking}s`, {
      hint: 'Leave it out of --kinds, or choose another provider.',
    })
  }
  if (symbols.length === 0 || kinds.length === 0) {
    throw new TickwireError('NO_SYMBOLS', 'nothing is asked for', {
      hint: 'Name symbols and kinds.',
    })
  }
  if (to !== undefined && from > to) {
    throw new TickwireError('BAD_OPTION', 'the range ends before it begins', {
      hint: 'Exchange its ends.',
    })
  }
}

class Backfill {
  readonly #options: BackfillOptions
  readonly #journal: BackfillJournal
  readonly #quarantine: Quarantine
  #before = 0
  #closed = 0
  #refused = 0
  #added = 0
  #known = 0
  #events = 0
  #asked = 0
  #total = 0
  /** Places of questions on the list. */
  #order: ReadonlyMap<Chunk, number> = new Map()

  constructor(options: BackfillOptions, journal: BackfillJournal) {
    this.#options = options
    this.#journal = journal
    const { nature } = options.provider.capabilities
    this.#quarantine = new Quarantine(
      nature,
      { maxJump: Number.POSITIVE_INFINITY },
      silentLog,
      () => this.#refused++,
    )
  }

  async run(): Promise<Backfilled> {
    const { signal, clock, into, onRetry } = this.#options
    const chunks = this.#plan()
    this.#total = chunks.length
    let tries = 0
    while (chunks.length > 0 && !signal?.aborted) {
      const group = new Group()
      const events = this.#eventsOf(chunks, group)
      const first = await events.next()
      if (!first.done) {
        // What merges does not see our signal: what has come is stored to the end.
        const { added, known } = await into.merge(withFirst(first.value, events))
        this.#added += added
        this.#known += known
      }
      await this.#journal.add(group.done.filter(one => one.to + SETTLED_MS < group.startedAt(one)))
      this.#asked += group.done.length
      if (group.done.length > 0) tries = 0
      const { failure } = group
      if (failure === undefined || signal?.aborted) continue
      const wait = WAITS_MS[tries++]
      if (wait === undefined || !mayPass(failure)) throw this.#told(failure)
      onRetry?.(failure as TickwireError, wait)
      await sleep(clock, wait, signal)
    }
    return {
      ...{ added: this.#added, known: this.#known, asked: this.#asked, before: this.#before },
      ...{ closed: this.#closed, refused: this.#refused, isWhole: chunks.length === 0 },
    }
  }

  /** Events of chunks until there is enough to be stored in one go; takes those that came whole off the list. */
  async *#eventsOf(chunks: Chunk[], group: Group): AsyncGenerator<MarketEvent[]> {
    const { clock, signal } = this.#options
    const begin = clock.now()
    let count = 0
    for (let chunk = chunks[0]; chunk; chunk = chunks[0]) {
      if (signal?.aborted || count >= GROUP_EVENTS || clock.now() - begin > GROUP_MS) return
      this.#tell(chunk)
      const startedAt = clock.now()
      let events = 0
      try {
        for await (const batch of this.#ask(chunk)) {
          const passed = this.#pass(batch, chunk)
          events += passed.length
          this.#events += passed.length
          if (passed.length > 0) yield passed
          this.#tell(chunk)
        }
      } catch (error) {
        // What has come of it stays; asked again, it is known.
        group.failure = asError(error)
        return
      }
      if (signal?.aborted) return
      chunks.shift()
      count += events
      group.add({ ...chunk, events }, startedAt)
      this.#tell(chunk)
    }
  }

  #ask({ source, kind, symbol, interval, adjustment, from, to }: Chunk) {
    const { provider, signal } = this.#options
    return provider.history!({
      ...{ kind, symbols: [symbol], from, to, source },
      ...(interval && { interval }),
      ...(adjustment && { adjustment }),
      ...(signal && { signal }),
      malformed: () => {
        this.#refused++
      },
    })
  }

  /** What can be true, and is over: a bar that still forms is none to keep. */
  #pass(batch: readonly MarketEvent[], { adjustment }: Chunk): MarketEvent[] {
    const passed: MarketEvent[] = []
    for (const event of this.#quarantine.pass(batch, this.#options.clock.now())) {
      if (event.type !== 'bar') passed.push(event)
      else if (event.final) {
        passed.push(event.adjustment === undefined ? createEvent({ ...event, adjustment }) : event)
      }
    }
    return passed
  }

  #tell(at: Chunk): void {
    const { onProgress } = this.#options
    onProgress?.({ done: this.#order.get(at) ?? 0, total: this.#total, events: this.#events, at })
  }

  /** Questions, the oldest first. */
  #plan(): Chunk[] {
    const { provider, from, clock, again = false } = this.#options
    // What is named twice is asked once.
    const symbols = new Set(this.#options.symbols)
    const kinds = new Set(this.#options.kinds)
    const { source = provider.id, interval = '1m', adjustment = 'raw' } = this.#options
    const to = Math.min(this.#options.to ?? Number.POSITIVE_INFINITY, clock.now())
    const chunks: Chunk[] = []
    for (const kind of kinds) {
      const days = kind === 'bar' ? daysAtOnce(interval) : 1
      for (const symbol of symbols) {
        const wanted: Wanted = {
          ...{ source, kind, symbol },
          ...(kind === 'bar' && { interval, adjustment }),
        }
        let run: { from: number; to: number; days: number } | undefined
        const close = () => {
          if (run) chunks.push({ ...wanted, from: run.from, to: run.to })
          run = undefined
        }
        for (let day = Math.floor(from / DAY_MS) * DAY_MS; day <= to; day += DAY_MS) {
          const span = { from: Math.max(from, day), to: Math.min(to, day + DAY_MS - 1) }
          if (!this.#isOpen(symbol, source, span)) {
            this.#closed++
            continue
          }
          if (!again && this.#journal.has(wanted, span)) {
            this.#before++
            close()
            continue
          }
          if (run && run.days < days) run = { ...run, to: span.to, days: run.days + 1 }
          else {
            close()
            run = { ...span, days: 1 }
          }
        }
        close()
      }
    }
    chunks.sort((a, b) => a.from - b.from)
    this.#order = new Map(chunks.map((chunk, i) => [chunk, i]))
    return chunks
  }

  /** Whether something is to be expected of a symbol's market in a UTC day, in which the evening before may end. */
  #isOpen(symbol: string, source: string, { from, to }: Span): boolean {
    const { provider } = this.#options
    const calendar = calendarOf(symbol, provider.id) ?? calendarOf(symbol, source)
    if (!calendar) return true
    const { sessions: usual = USUAL_SESSIONS } = provider.capabilities
    const day = Math.floor(from / DAY_MS) * DAY_MS
    return [day - DAY_MS, day, day + DAY_MS].some(at =>
      calendar
        .day(new Date(at).toISOString().slice(0, 10))
        .sessions.some(it => usual.includes(it.name) && it.from <= to && it.to > from),
    )
  }

  #told(failure: Error): Error {
    const known = failure instanceof TickwireError
    if (!known) return failure
    const { code, hint, message } = failure
    const onward = 'What has come is stored; the same command goes on behind it.'
    return new TickwireError(code, message, {
      cause: failure,
      hint: hint ? `${hint} ${onward}` : onward,
    })
  }
}

/** What is stored in one go. */
class Group {
  readonly done: Done[] = []
  failure: Error | undefined
  readonly #startedAt = new Map<Done, number>()

  add(done: Done, startedAt: number): void {
    this.done.push(done)
    this.#startedAt.set(done, startedAt)
  }

  /** When it was asked. */
  startedAt(done: Done): number {
    return this.#startedAt.get(done) ?? 0
  }
}

/** Whether asking again may help. */
function mayPass(error: Error): boolean {
  if (!(error instanceof TickwireError)) return false
  const { verdict } = ERRORS[error.code]
  return verdict === 'retry' || verdict === 'slow'
}

async function* withFirst<T>(first: T, rest: AsyncGenerator<T>): AsyncGenerator<T> {
  yield first
  yield* rest
}

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS } as const

/** Days of bars of a length that are asked for at once. */
function daysAtOnce(interval: Interval): number {
  const unit = UNIT_MS[interval.at(-1) as keyof typeof UNIT_MS]
  if (unit === undefined) return 1
  return Math.max(1, Math.floor((BARS * Number.parseInt(interval, 10) * unit) / DAY_MS))
}
