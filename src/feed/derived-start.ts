import { type Clock, sleep } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { HistoryRequest, HistorySource } from '../flow/contracts.ts'
import { cutToMs, type MarketEvent, markRepaired } from '../market/events.ts'
import { ANY, type Topic } from '../market/topics.ts'
import { identityOf, Multiset } from './identity.ts'
import type { SubscribeOutcome } from './subscriptions.ts'

/** How long until history is asked again: it lags behind the stream, ms. */
const SETTLE_MS = 1_500
/** How far the next question reaches back into the answer before it, ms of venue time. */
const OVERLAP_MS = 30_000
/** First and longest wait after a failed question, ms. */
const RETRY_MS = { first: 500, most: 15_000 } as const
/** How long it is tried, ms. */
const GIVE_UP_MS = 120_000
/** How long what history has shown may be on its way on the stream, ms. */
const IN_FLIGHT_MS = 30_000
/** Most trades of the past that are fetched at once, and live ones that wait for them. */
const MOST_RECORDS = 1_000_000
const MOST_HELD = 100_000
/** Time between two looks at what the venue has not answered, ms. */
const PENDING_MS = 1_000
/** How far back the last day with a close is looked for, ms. */
const CLOSE_MS = 14 * 86_400_000

/** What is made out of trades, and begins with a reader. */
export interface Starter {
  accept(event: MarketEvent): void
  /** Live trades can be used before those of before have come. */
  readonly early: boolean
  /** From when on trades are needed for what runs at a time to be whole; nothing needs any from before. */
  needs(symbol: string, timeMs: number): number | undefined
  /** All trades of a symbol (`*`: of every one not named) are given from that time on. */
  givenFrom(symbol: string, timeMs: number): void
  /** The time that the running day bears, where the close of the day before is to be known. */
  dayOf?(symbol: string, timeMs: number): number
  previousClose?(symbol: string, close: number): void
}

/** Where the past is to be had. */
export interface Past {
  readonly source: string
  readonly clock: Clock
  readonly log: Log
  /** Absent where there is no history of trades. */
  readonly trades: HistorySource['history'] | undefined
  /** Absent where there is no history of bars. */
  readonly bars: HistorySource['history'] | undefined
  readonly millisecondTimes: boolean
  /** How far what comes live is behind, ms. */
  readonly delayMs: number
  /** The venue's answer to topics. */
  outcome(topics: readonly Topic[]): Promise<SubscribeOutcome>
  /** Those that can be true. */
  sound(batch: readonly MarketEvent[]): readonly MarketEvent[]
  malformed(record: unknown, reason: string): void
}

/** A symbol whose past is not in yet. */
interface Opening {
  readonly symbol: string
  /** Live ones that wait. */
  readonly held: MarketEvent[]
  /** All live ones so far. */
  readonly seen: Multiset
  /** Identity of the first of them: history that shows it reaches up to the stream. */
  first: string | undefined
  /** Latest venue time of a live one. */
  reach: number
  /** What history answered the last time. */
  answer: string | undefined
}

/**
 * The start of what is made out of trades. A reader comes in the middle of a bar or a day: its trades so far are asked of
 * history, up to where the stream goes on, and each is given once. Where they are not to be had, it is said from when on
 * all are given.
 */
export class Start {
  readonly #starter: Starter
  readonly #past: Past
  readonly #topics: readonly Topic[]
  readonly #openings = new Map<string, Opening>()
  /** Given from history: what of it was on its way on the stream too, and may still come. */
  readonly #given = new Map<string, { readonly known: Multiset; readonly until: number }>()
  readonly #abort = new AbortController()

  constructor(topics: readonly Topic[], starter: Starter, past: Past) {
    this.#starter = starter
    this.#past = past
    this.#topics = topics
    const now = past.clock.now()
    if (!past.trades) return
    for (const { symbol } of topics) {
      if (symbol === ANY || starter.needs(symbol, now) === undefined) continue
      this.#openings.set(symbol, openingOf(symbol))
    }
  }

  /** Waits for the venue's answer, and asks for the past then. */
  async begin(): Promise<void> {
    const { clock, delayMs } = this.#past
    const { signal } = this.#abort
    for (let topics = this.#topics; topics.length > 0; ) {
      const { accepted, pending } = await this.#past.outcome(topics)
      if (signal.aborted) return
      const now = clock.now()
      this.#begin(
        accepted.map(({ symbol }) => symbol),
        now,
        now - delayMs,
      )
      topics = pending
      if (topics.length > 0) await sleep(clock, PENDING_MS, signal)
      if (signal.aborted) return
    }
  }

  /** A live event. */
  accept(event: MarketEvent): void {
    const symbol = event.symbol ?? ''
    const opening = this.#openings.get(symbol)
    if (opening) {
      const identity = identityOf(event)
      opening.seen.add(identity)
      if (event.type === 'trade') {
        opening.first ??= identity
        opening.reach = Math.max(opening.reach, event.timestamp)
      }
      if (!this.#starter.early) {
        opening.held.push(event)
        return
      }
    } else if (this.#given.size > 0 && this.#isGiven(symbol, event)) return
    this.#starter.accept(event)
  }

  close(): void {
    this.#abort.abort()
  }

  #isGiven(symbol: string, event: MarketEvent): boolean {
    const given = this.#given.get(symbol)
    if (!given) return false
    if (this.#past.clock.now() <= given.until) return given.known.take(identityOf(event))
    this.#given.delete(symbol)
    return false
  }

  /** The venue sends these from now on. */
  #begin(symbols: readonly string[], now: number, at: number): void {
    const groups = new Map<number, Opening[]>()
    for (const symbol of symbols) {
      const opening = this.#openings.get(symbol)
      const from = this.#starter.needs(symbol, at)
      if (!opening || from === undefined || from >= at) this.#open(symbol, at)
      else groups.set(from, [...(groups.get(from) ?? []), opening])
    }
    for (const [from, group] of groups) void this.#fill(group, from, now, at)
    void this.#askClose(symbols, at)
  }

  /** All that is needed is there, or it will not come. */
  #open(symbol: string, from: number, missed: readonly MarketEvent[] = []): void {
    const held = this.#openings.get(symbol)?.held ?? []
    this.#openings.delete(symbol)
    this.#starter.givenFrom(symbol, from)
    for (const event of missed) this.#starter.accept(event)
    for (const event of held) this.#starter.accept(event)
  }

  async #fill(group: readonly Opening[], from: number, now: number, at: number): Promise<void> {
    const { clock } = this.#past
    const answers = new Map<string, readonly MarketEvent[]>()
    let asked = from
    const left = () => group.filter(({ symbol }) => this.#openings.has(symbol))
    try {
      while (left().length > 0) {
        const open = left()
        if (open.some(({ held }) => held.length > MOST_HELD)) throw tooMany(MOST_HELD)
        const to = Math.max(Math.ceil(clock.now()), ...open.map(({ reach }) => reach))
        const symbols = open.map(({ symbol }) => symbol)
        const fresh = await this.#ask(
          { kind: 'trade', symbols, from: asked, to },
          this.#past.trades!,
        )
        for (const opening of open) {
          const { symbol } = opening
          const before = (answers.get(symbol) ?? []).filter(event => event.timestamp < asked)
          const answer = [...before, ...fresh.filter(event => event.symbol === symbol)]
          answers.set(symbol, answer)
          if (isComplete(opening, answer)) {
            answers.delete(symbol)
            this.#give(opening, answer, from, at)
          }
        }
        asked = Math.max(from, to - this.#past.delayMs - OVERLAP_MS)
        if (left().length === 0) return
        if (clock.now() - now > GIVE_UP_MS) {
          throw new TickwireError('VENUE_ERROR', 'history does not reach up to the stream')
        }
        await sleep(clock, SETTLE_MS, this.#abort.signal)
        if (this.#abort.signal.aborted) return
      }
    } catch (thrown) {
      if (this.#abort.signal.aborted) return
      const symbols = left().map(({ symbol }) => symbol)
      const what = `the trades of ${symbols.slice(0, 5).join(', ')} since ${new Date(from).toISOString()} are not to be had`
      this.#past.log.warn({ error: thrown, symbols }, `${what}: what is made of them begins later`)
      for (const symbol of symbols) this.#open(symbol, at)
    }
  }

  /** Gives what history has shown and the stream has not. */
  #give(opening: Opening, answer: readonly MarketEvent[], from: number, at: number): void {
    const { symbol, seen } = opening
    const missed = answer.filter(event => !seen.take(identityOf(event)))
    const known = new Multiset()
    for (const event of missed) {
      if (event.timestamp >= at - OVERLAP_MS) known.add(identityOf(event))
    }
    this.#given.set(symbol, { known, until: this.#past.clock.now() + IN_FLIGHT_MS })
    this.#open(symbol, from, missed)
  }

  async #askClose(symbols: readonly string[], at: number): Promise<void> {
    const { starter, past } = { starter: this.#starter, past: this.#past }
    if (!starter.dayOf || !past.bars) return
    const groups = new Map<number, string[]>()
    for (const symbol of symbols) {
      if (symbol === ANY) continue
      const day = starter.dayOf(symbol, at)
      groups.set(day, [...(groups.get(day) ?? []), symbol])
    }
    for (const [day, names] of groups) {
      const span = { from: day - CLOSE_MS, to: day - 1 }
      try {
        const request = { ...span, kind: 'bar', interval: '1d', symbols: names } as const
        const bars = await this.#ask(request, past.bars)
        for (const symbol of names) {
          const last = bars.findLast(bar => bar.symbol === symbol && bar.timestamp < day)
          if (last?.type === 'bar') starter.previousClose?.(symbol, last.close)
        }
      } catch (thrown) {
        if (this.#abort.signal.aborted) return
        past.log.debug(
          { error: thrown, symbols: names },
          'the close of the day before is not known',
        )
      }
    }
  }

  /** Asks until there is an answer. @throws what no asking again helps against, or the last failure */
  async #ask(
    question: Pick<HistoryRequest, 'kind' | 'symbols' | 'interval' | 'from' | 'to'>,
    history: HistorySource['history'],
  ): Promise<MarketEvent[]> {
    const { clock, source, millisecondTimes } = this.#past
    const { signal } = this.#abort
    const malformed = (record: unknown, reason: string) => this.#past.malformed(record, reason)
    const begun = clock.now()
    for (let waitMs: number = RETRY_MS.first; ; waitMs = Math.min(waitMs * 2, RETRY_MS.most)) {
      try {
        const events: MarketEvent[] = []
        for await (const batch of history({ ...question, source, malformed, signal })) {
          for (const event of batch) {
            if (millisecondTimes) cutToMs(event)
            markRepaired(event)
            events.push(event)
          }
          if (events.length > MOST_RECORDS) throw tooMany(MOST_RECORDS)
        }
        if (signal.aborted) throw new TickwireError('CLOSED', 'nobody waits for it any more')
        return [...this.#past.sound(events)]
      } catch (thrown) {
        const error = asError(thrown)
        const known = error instanceof TickwireError ? error : undefined
        const isFinal = known?.fatal || LASTING.has(known?.code ?? '')
        if (signal.aborted || isFinal || clock.now() - begun > GIVE_UP_MS) throw error
        await sleep(clock, known?.retryAfterMs ?? waitMs, signal)
      }
    }
  }
}

/** Asked the same way, it would be refused again. */
const LASTING: ReadonlySet<string> = new Set(['BAD_REQUEST', 'BAD_OPTION', 'UNSUPPORTED'])

const openingOf = (symbol: string): Opening => ({
  ...{ symbol, held: [], seen: new Multiset() },
  ...{ first: undefined, reach: Number.NEGATIVE_INFINITY, answer: undefined },
})

/** History shows the first that came live, or, where none came, says the same twice. */
function isComplete(opening: Opening, answer: readonly MarketEvent[]): boolean {
  if (opening.first !== undefined) return answer.some(it => identityOf(it) === opening.first)
  const last = answer.at(-1)
  const said = `${answer.length} ${last ? identityOf(last) : ''}`
  if (opening.answer === said) return true
  opening.answer = said
  return false
}

const tooMany = (count: number) =>
  new TickwireError('UNSUPPORTED', `more than ${count} trades would be needed`, {
    hint: 'Build these bars from history.',
  })
