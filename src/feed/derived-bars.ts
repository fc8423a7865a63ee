import type { Clock, Timer } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import { BarBuilder } from '../derive/bars.ts'
import {
  type BarSize,
  checkAlignment,
  Grid,
  type ParsedSize,
  parseSize,
  wholeFrom,
} from '../derive/bars-interval.ts'
import { BAR_DEFAULTS, type BarOptions, type BarStats } from '../derive/bars-options.ts'
import { DayStatistics } from '../derive/day-statistics.ts'
import type { HoleOf, HoleState } from '../flow/contracts.ts'
import { calendarOf } from '../market/calendar-book.ts'
import { type Bar, type EventType, hasFlag } from '../market/events.ts'
import { ANY, type Topic } from '../market/topics.ts'
import { type Past, Start, type Starter } from './derived-start.ts'
import type { Dispatcher, Receiver } from './dispatch.ts'
import type { Capabilities } from './provider.ts'

/** How bars are to be made; all but `from` need `from: 'trades'`. The defaults are those of `BAR_DEFAULTS`. */
export interface BarsFrom
  extends Pick<BarOptions, 'graceMs' | 'reviseMs' | 'fill' | 'formingMs' | 'align' | 'calendar'> {
  /** `venue`: as it sends them. `trades`: built here, in any length, also by what they hold. @default 'venue' */
  readonly from?: 'venue' | 'trades'
  /** Bars whose time still runs too, at most one every `formingMs` of a symbol. @default false */
  readonly forming?: boolean
}

/** Events that are made here out of others: what these are, and who makes them. */
export interface Derivation {
  readonly kinds: readonly EventType[]
  /** How far the source is behind, ms. */
  readonly delayMs: number
  /** Events go to the receiver, as if they had come. */
  make(receiver: Receiver): Maker
}

interface Maker extends Starter {
  advance(now: number): void
  /** Trades are missing there, or no longer. */
  holes(what: HoleState, holes: readonly HoleOf[]): void
  stats(): BarStats
  /** Nothing more will come. */
  end(): void
}

const NEEDS_TRADES = [
  'forming',
  'graceMs',
  'reviseMs',
  'fill',
  'formingMs',
  'align',
  'calendar',
] as const
/** How far a delayed source is behind, ms. */
const DELAY_MS = 15 * 60_000
/** How often time moves on while nothing comes, ms. */
const TICK_MS = 1_000

/** What takes part in making bars and day statistics, as far as the provider has it. */
function sourcesOf({ kinds, wildcard }: Capabilities, symbols: readonly string[]): EventType[] {
  const fixes = (['correction', 'cancel'] as const).filter(
    kind => kinds.includes(kind) && (!symbols.includes(ANY) || wildcard.includes(kind)),
  )
  return ['trade', ...fixes]
}

/**
 * Bars made from trades, where they are asked for.
 * @throws BAD_OPTION for a length or option that cannot be used, or that the venue's own bars do not have
 */
export function derivedBars(
  capabilities: Capabilities,
  source: string,
  symbols: readonly string[],
  options: BarsFrom & Pick<BarOptions, 'interval'>,
): Derivation | undefined {
  const { from = 'venue', forming = false, interval, ...rest } = options
  if (from === 'venue') {
    const stray = NEEDS_TRADES.find(name => options[name] !== undefined)
    if (stray === undefined) return undefined
    throw new TickwireError('BAD_OPTION', `${stray} means nothing to bars of the venue`, {
      hint: "Leave it out, or build them here with from: 'trades'.",
    })
  }
  if (from !== 'trades') {
    throw new TickwireError('BAD_OPTION', `bars cannot come from ${JSON.stringify(from)}`, {
      hint: "Choose from: 'venue' or from: 'trades'.",
    })
  }
  const { graceMs = BAR_DEFAULTS.graceMs, align = BAR_DEFAULTS.align, calendar } = rest
  const size = parseSize(interval as BarSize, align)
  for (const symbol of symbols) {
    const market = calendar ?? (symbol === ANY ? undefined : calendarOf(symbol, source))
    if (market) checkAlignment(size, align, market)
  }
  const delayMs = delayOf(capabilities)
  const built: BarOptions = { ...rest, interval, graceMs: graceMs + delayMs }
  const gridOf = (symbol: string) =>
    size.by === 'time' ? new Grid(size, align, calendar ?? calendarOf(symbol, source)) : undefined
  const make = (receiver: Receiver): Maker => {
    const begins = new Begins(gridOf, capabilities.waits ?? false)
    const pass = (bar: Bar) => {
      if (begins.isWhole(bar)) receiver.accept(bar, bar.receivedAt)
    }
    const builder = new BarBuilder(built, { final: pass, ...(forming && { forming: pass }) })
    return {
      early: false,
      accept: event => builder.accept(event),
      advance: now => builder.advance(now),
      holes: (what, holes) => builder.holes(what, holes),
      stats: () => builder.stats(),
      end: () => builder.end(),
      needs: (symbol, timeMs) => gridOf(symbol)?.at(timeMs).from,
      givenFrom: (symbol, timeMs) => begins.givenFrom(symbol, timeMs),
    }
  }
  // What is wrong with the options is found here, not with the first trade.
  make({ accept: () => {} })
  return { kinds: sourcesOf(capabilities, symbols), delayMs, make }
}

/** From which bar on all trades of each symbol are given. A recording is taken for whole: there is nothing before it. */
class Begins {
  readonly #gridOf: (symbol: string) => Grid | undefined
  /** The time from which on those are given that are not named. */
  #timeMs: number
  readonly #stamps = new Map<string, number>()

  constructor(gridOf: (symbol: string) => Grid | undefined, isWhole: boolean) {
    this.#gridOf = gridOf
    this.#timeMs = isWhole ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  }

  givenFrom(symbol: string, timeMs: number): void {
    if (symbol === ANY) this.#timeMs = timeMs
    else this.#learn(symbol, timeMs)
  }

  /** Bars by what they hold begin with the first trade there is. */
  isWhole({ symbol, timestamp }: Bar): boolean {
    const stamp = this.#stamps.get(symbol)
    if (stamp !== undefined) return timestamp >= stamp
    if (Number.isFinite(this.#timeMs)) return timestamp >= this.#learn(symbol, this.#timeMs)
    return this.#timeMs < 0 || this.#gridOf(symbol) === undefined
  }

  #learn(symbol: string, timeMs: number): number {
    const grid = this.#gridOf(symbol)
    const stamp = grid ? wholeFrom(grid, timeMs) : Number.NEGATIVE_INFINITY
    this.#stamps.set(symbol, stamp)
    return stamp
  }
}

const delayOf = ({ nature }: Capabilities) => (nature === 'delayed' ? DELAY_MS : 0)

const DAY = parseSize('1d', 'clock') as ParsedSize & { by: 'time' }

/** Tickers made from trades, where the venue has none. */
export function derivedTickers(
  capabilities: Capabilities,
  source: string,
  symbols: readonly string[],
): Derivation | undefined {
  const { kinds } = capabilities
  if (kinds.includes('ticker') || !kinds.includes('trade')) return undefined
  const dayAt = (symbol: string, timeMs: number) =>
    new Grid(DAY, 'clock', calendarOf(symbol, source)).at(timeMs)
  const make = (receiver: Receiver): Maker => {
    const days = new DayStatistics(
      { givenFrom: capabilities.waits ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY },
      ticker => receiver.accept(ticker, ticker.receivedAt),
    )
    return {
      early: true,
      accept: event => days.accept(event),
      advance: now => days.advance(now),
      holes: (what, holes) => days.holes(what, holes),
      stats: () => days.stats(),
      end: () => days.end(),
      needs: (symbol, timeMs) => dayAt(symbol, timeMs).from,
      givenFrom: (symbol, timeMs) => {
        days.givenFrom(timeMs, symbol === ANY ? undefined : { source, symbol })
      },
      dayOf: (symbol, timeMs) => dayAt(symbol, timeMs).stamp,
      previousClose: (symbol, close) => days.previousClose(source, symbol, close),
    }
  }
  return { kinds: sourcesOf(capabilities, symbols), delayMs: delayOf(capabilities), make }
}

/** A receiver's events at work. */
export interface Derived {
  remove(): void
  /** Nothing more will come. */
  end(): void
  /** Of the trades they are made of. */
  stats(): BarStats
}

/**
 * Lets a receiver have what is made out of the events of these topics. A live source that is silent still moves its
 * time on, and begins with what history has of before; a recording has no time but that of its events.
 */
export function routeDerived(
  { kinds, make, delayMs }: Derivation,
  topics: readonly Topic[],
  receiver: Receiver,
  feed: {
    readonly dispatcher: Dispatcher
    readonly clock: Clock
    readonly waits: boolean
    readonly past: Omit<Past, 'delayMs'>
    /** Has holes told to whoever makes events; returns what ends it. */
    holes(hear: Maker['holes']): () => void
  },
): Derived {
  const { dispatcher, clock, waits, past } = feed
  const maker = make(receiver)
  const symbols = [...new Set(topics.map(topic => topic.symbol))]
  const trades = topics.filter(({ kind }) => kind === 'trade')
  const start = waits ? undefined : new Start(trades, maker, { ...past, delayMs })
  const input = start ?? maker
  const removals = kinds.map(kind =>
    dispatcher.add(kind, symbols, { accept: event => input.accept(event) }),
  )
  // A recording tells of its holes by notices; a replay's own are of another time than its events.
  const notices: Receiver = {
    accept: event => {
      if (hasFlag(event, 'replayed')) maker.accept(event)
    },
  }
  if (waits) removals.push(dispatcher.add('notice', [ANY], notices))
  else removals.push(feed.holes((what, holes) => maker.holes(what, holes)))
  let timer: Timer | undefined
  const tick = () => {
    maker.advance(clock.now())
    timer = clock.setTimeout(tick, TICK_MS, 'idle')
  }
  if (!waits) timer = clock.setTimeout(tick, TICK_MS, 'idle')
  // When all of it has been asked for.
  queueMicrotask(() => void start?.begin())
  return {
    remove() {
      start?.close()
      timer?.cancel()
      for (const remove of removals) remove()
    },
    end: () => maker.end(),
    stats: () => maker.stats(),
  }
}
