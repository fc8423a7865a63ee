import type { Clock, Timer } from '../base/clock.ts'
import { type BarSize, parseSize } from '../derive/bars-interval.ts'
import type { Position, ReadOptions } from '../flow/contracts.ts'
import type { MarketEvent } from '../market/events.ts'
import { ANY } from '../market/topics.ts'
import { AccountLink, type AccountLinkOptions, type ToldOrder } from './account-link.ts'
import { Diary, type DiaryRow } from './diary.ts'
import { type BotCommand, BotLoop, type LoopOptions } from './loop.ts'
import { type BotIdentity, loadBot, saveBot } from './state.ts'
import { kindsOf, strategyFailed } from './strategy.ts'

/** The tape a bot reads. */
export interface BotTape {
  readonly id: string
  read(options: ReadOptions): AsyncIterable<MarketEvent[]>
}

export interface RunnerOptions<P> extends Omit<LoopOptions<P>, 'listener' | 'broker'> {
  readonly tape: BotTape
  /** Where its state is kept. */
  readonly file: string
  /** Whose positions they are: those of one account are not those of another. @default 'paper' */
  readonly account?: string
  /** The way to an account at a broker; {@link BotRunner.hear} is to be told what becomes of orders. @default the paper broker */
  readonly link?: AccountLinkOptions
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Told what the reading does that a person should know. */
  readonly said: (line: string) => void
  /** Told what the bot did, once that has been saved; {@link BotRunner.settle} is to say when it has come through. */
  readonly tell: (rows: readonly DiaryRow[]) => void
  /** It knows what it knew before: from now on it can be told what to do. */
  readonly ready?: () => void
  /** Before each event that the bot takes. */
  readonly taking?: (event: MarketEvent) => void
}

/** State is saved behind each batch in which something happened, and otherwise so often, ms. */
const SAVE_MS = 1_000
/** How far back bars and books are worked out from at a restart, ms; farther where bars are longer. */
const WARM_MS = 900_000
/** Trades of a bar that is over may still be on their way. */
const LATE_MS = 60_000
/** Older than this when it is read, an event is of the past: nobody trades on it, ms. */
const FRESH_MS = 5_000

/**
 * Runs a bot on a live tape until its signal ends it: goes on where its state was saved, reads what happened meanwhile
 * without trading on it, and saves its state with its place on the tape, so that no event counts twice and none is left out.
 */
export class BotRunner<P> {
  readonly loop: BotLoop<P>
  readonly #options: RunnerOptions<P>
  readonly #diary: Diary
  readonly #identity: BotIdentity
  #position: Position | undefined
  #savedVersion = 0
  #savedAt = 0
  #saveTook = 0
  /** What is new and not saved yet is saved then, though nothing else comes. */
  #later: Timer | undefined
  #isOver = false
  #link: AccountLink | undefined
  /** What the strategy threw when it was told of an order. */
  #failure: { readonly thrown: unknown } | undefined

  /** @throws BAD_STATE */
  constructor(options: RunnerOptions<P>) {
    this.#options = options
    const { account = 'paper', strategy, name = strategy.name, link } = options
    this.#diary = new Diary(name, () => this.loop.now)
    this.loop = new BotLoop({
      ...options,
      listener: this.#diary.listener,
      ...(link && {
        broker: listener => {
          this.#link = new AccountLink(listener, link)
          return this.#link
        },
      }),
    })
    this.#identity = { bot: this.loop.name, strategy: strategy.name, account }
  }

  /** @throws STRATEGY_FAILED: its state stays as it was saved before the event at which that happened */
  async run(): Promise<void> {
    const { tape, signal, said } = this.#options
    const saved = loadBot(this.#options.file, this.#identity)
    if (saved && saved.position.tape === tape.id) {
      await this.#warm(saved.position, saved.snapshot.now)
      this.loop.restore(saved.snapshot)
      this.#position = saved.position
      said(`goes on behind number ${saved.position.seq} of the tape`)
    } else if (saved) {
      // Money and positions are those of before; what was seen is of another tape.
      this.loop.restore(saved.snapshot)
      said('its state is of another tape: it goes on with what it holds, from now')
    }
    if (saved) this.#link?.restore(this.loop.orders, saved.snapshot.now)
    this.#link?.flush()
    this.#savedVersion = this.loop.version
    if (saved) this.#diary.restore(saved.diary)
    this.#tell()
    this.#options.ready?.()
    const from = this.#position ?? 'now'
    try {
      for await (const batch of tape.read({ from, written: true, books: true, signal })) {
        this.#take(batch)
      }
    } finally {
      this.#later?.cancel()
      this.#isOver = true
    }
    this.save()
  }

  /** Rows up to this number have come through to whoever was told. */
  settle(n: number): void {
    this.#diary.settle(n)
  }

  /** What a person asks of it, between two events. */
  command(what: BotCommand): void {
    this.loop.command(what)
    this.save()
  }

  /** What its account says of an order. */
  hear(told: ToldOrder): void {
    if (this.#isOver || this.#failure) return
    try {
      this.#link?.hear(told)
    } catch (thrown) {
      // What it has half done must not be saved: the next event ends it.
      this.#failure = { thrown }
      return
    }
    this.#saveIfDue()
  }

  /** Saves it now, and then tells and sends what is new. */
  save(): void {
    const { file, params, symbols, clock } = this.#options
    const begun = clock.now()
    this.#savedVersion = this.loop.version
    this.#savedAt = begun
    if (!this.#position || this.#failure) return
    const snapshot = this.loop.snapshot()
    saveBot(file, {
      ...{ version: 1, ...this.#identity, params, symbols, position: this.#position, snapshot },
      diary: this.#diary.snapshot(),
    })
    this.#savedAt = clock.now()
    this.#saveTook = this.#savedAt - begun
    this.#link?.flush()
    this.#tell()
  }

  #tell(): void {
    if (this.#diary.hasNews) this.#options.tell(this.#diary.news())
  }

  #take(batch: readonly MarketEvent[]): void {
    const { clock, tape, taking } = this.#options
    for (const event of batch) {
      this.loop.isCatchingUp = event.receivedAt < clock.now() - FRESH_MS
      taking?.(event)
      try {
        if (this.#failure) throw this.#failure.thrown
        this.loop.accept(event)
      } catch (thrown) {
        throw strategyFailed(this.loop.name, event, thrown)
      }
      if (event.seq !== undefined) this.#position = { tape: tape.id, seq: event.seq }
    }
    this.#saveIfDue()
  }

  #saveIfDue(): void {
    const { clock } = this.#options
    const isNew = this.loop.version !== this.#savedVersion || this.#diary.hasNews
    // On a disk that takes its time no more than half of it goes there: what is new waits for the next batch.
    const waitMs = isNew ? this.#saveTook : SAVE_MS
    const leftMs = waitMs - (clock.now() - this.#savedAt)
    if (leftMs <= 0) this.save()
    else if (isNew && !this.#later) {
      this.#later = clock.setTimeout(() => {
        this.#later = undefined
        if (!this.#isOver) this.save()
      }, leftMs)
    }
  }

  /** What is worked out from events is worked out again, from those of shortly before. */
  async #warm({ seq }: Position, now: number): Promise<void> {
    const { tape, signal, strategy, symbols } = this.#options
    const { wanted } = strategy
    const sizes = wanted.bars === undefined ? [] : [wanted.bars].flat()
    const lengths = (sizes as readonly BarSize[]).map(size => parseSize(size, 'clock'))
    const longest = Math.max(0, ...lengths.map(size => (size.by === 'time' ? size.ms : 0)))
    const from = { time: now - Math.max(WARM_MS, longest + LATE_MS) }
    // Others of the tape are none of its business, and it may be far to read.
    const topics = symbols.flatMap(symbol =>
      kindsOf(wanted).map(kind => ({ source: ANY, kind, symbol })),
    )
    for await (const batch of tape.read({ from, topics, live: false, books: true, signal })) {
      for (const event of batch) {
        if (event.seq !== undefined && event.seq > seq) return
        this.loop.warm(event)
      }
    }
  }
}
