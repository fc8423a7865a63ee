import { TickwireError } from '../base/errors.ts'
import { calendarOf } from '../market/calendar-book.ts'
import {
  type Cancel,
  type Correction,
  Flag,
  type MarketEvent,
  type Trade,
  type TradeId,
} from '../market/events.ts'
import { FIRST_MS, LAST_MS } from '../market/time.ts'
import { Agenda } from './bars-agenda.ts'
import { type Cell, Cells, SETTLED } from './bars-cell.ts'
import { fixedId, mayBeOf } from './bars-fixes.ts'
import { exchangeCode, Folds } from './bars-fold.ts'
import { Holes, type ToldHole } from './bars-holes.ts'
import { type BarSize, Grid, intervalOf, type ParsedSize } from './bars-interval.ts'
import { CANCELED, TradeLog } from './bars-log.ts'
import {
  type BarHandlers,
  type BarOptions,
  type BarStats,
  type FormingBar,
  type FullBarOptions,
  fullOptions,
  type KnownTrade,
  sizesOf,
} from './bars-options.ts'
import { Sender } from './bars-sender.ts'
import { shortOf } from './bars-shelf.ts'
import { leadOf, State } from './bars-state.ts'
import { type Parts, Track } from './bars-track.ts'
import { DAY_SHIFT, EVERYTHING, RULE, saleRule, VOLUME } from './sale-conditions.ts'

/** Marks that say what kind of data it is, not how one event came. */
const LASTING = Flag.simulated | Flag.replayed | Flag.delayed | Flag.polled
/** A rule by which a trade counts for volume and no price, in bars of any length. */
const ONLY_VOLUME = VOLUME | (VOLUME << DAY_SHIFT)

/**
 * Builds bars from trades. Give it everything that comes, in order: trades, their corrections and cancels, and notices,
 * for bars around a hole are kept until it is filled; any other event moves its time on, as `advance` does. Time is the
 * tape's (when events were received), never the machine's, so a replay gives the same bars at any speed.
 *
 * Which trades give a price and which only volume says `saleRule`. A bar is sent when the tape time is past its end by
 * `graceMs`; late trades, corrections and cancels after that give the same bar again with the next `revision`. An
 * interval in which nothing had a price that counts has no bar. When all of a bar that was sent is taken back, it is sent
 * with its last close, the volume that is left, and no `vwap`.
 *
 * Bars by what they hold (`500t`) count trades in the order they come, close with the trade that fills them, and bear
 * the time of their first.
 */
export class BarBuilder {
  readonly #options: FullBarOptions
  readonly #sizes: readonly ParsedSize[]
  readonly #byVenue: boolean
  readonly #graceMs: number
  readonly #forms: boolean
  /** Whether bars may go on a shelf. */
  readonly #shelves: boolean
  /** Place of the size that is added to for all; -1 when each has to be added to. */
  readonly #leadAt: number
  readonly #folds = new Folds()
  readonly #agenda = new Agenda()
  readonly #holes: Holes
  readonly #log: TradeLog
  readonly #parts: Parts
  readonly #sender: Sender
  readonly #sources = new Map<string, Map<string, State>>()
  readonly #states: State[] = []
  /** Tape time. */
  #now = Number.NEGATIVE_INFINITY
  /** Of the last event: most have the same. */
  #source: string | undefined
  #symbols = new Map<string, State>()
  #trades = 0
  #tooLate = 0
  #unmatched = 0
  #malformed = 0

  /** @throws BAD_OPTION for an option or a size that cannot be used, or sizes that do not divide the calendar's session */
  constructor(options: BarOptions, handlers: BarHandlers) {
    this.#options = fullOptions(options)
    this.#sizes = sizesOf(this.#options)
    const { graceMs, reviseMs, fill, align, time } = this.#options
    this.#byVenue = time === 'venue'
    this.#graceMs = graceMs
    // A filled bar looks at those before it, and one that is put in between may cut another short: neither is for a shelf.
    this.#shelves = fill === 'none' && align === 'clock'
    const shortMs = this.#shelves ? Math.max(...this.#sizes.map(shortOf)) : 0
    this.#holes = new Holes(this.#keptMs)
    this.#log = new TradeLog(reviseMs + graceMs + shortMs)
    this.#forms = handlers.forming !== undefined
    // A bar that is shown while it forms, or made before its first trade, has to be added to at once.
    this.#leadAt = this.#shelves && !this.#forms ? leadOf(this.#sizes) : -1
    this.#parts = {
      folds: this.#folds,
      cells: new Cells(this.#folds),
      log: this.#log,
      agenda: this.#agenda,
      holes: this.#holes,
      fills: fill === 'previous',
    }
    this.#sender = new Sender(handlers, this.#options, this.#keptMs, this.#parts)
  }

  /** Tape time, epoch ms; -Infinity before the first event. */
  get now(): number {
    return this.#now
  }

  accept(event: MarketEvent): void {
    const time = this.#byVenue ? event.timestamp : event.receivedAt
    if (time > this.#now && time < Number.POSITIVE_INFINITY) {
      this.#holes.passed(this.#now, time)
      this.#now = time
      if (time >= this.#agenda.next) this.#settle()
    }
    if (event.type === 'trade') this.#trade(event)
    else if (event.type === 'cancel' || event.type === 'correction') {
      this.#fix(this.#stateOf(event), event)
    } else if (event.type === 'notice') this.#holes.hear(event, this.#now)
  }

  /** Takes a batch, as sinks do. */
  append(batch: readonly MarketEvent[]): void {
    for (let i = 0; i < batch.length; i++) this.accept(batch[i]!)
  }

  /**
   * Takes what a feed tells its sinks of holes, so that bars around each are kept until that one is filled or left. With
   * it the notices of the same source need not be given.
   */
  holes(what: 'opened' | 'filled' | 'left', holes: readonly ToldHole[]): void {
    this.#holes.tell(what, holes, this.#now)
  }

  /** The tape time has come to `timeMs`, though no event has: sends what is due. @throws BAD_OPTION */
  advance(timeMs: number): void {
    if (!Number.isFinite(timeMs)) {
      throw new TickwireError('BAD_OPTION', `time cannot advance to ${timeMs}`, {
        hint: 'Give epoch milliseconds; `end` sends what is left.',
      })
    }
    if (timeMs > this.#now) {
      this.#holes.passed(this.#now, timeMs)
      this.#now = timeMs
    }
    if (this.#now >= this.#agenda.next) this.#settle()
    this.#sender.formAll(this.#now)
  }

  /** Tape time up to which it is known what is missing: as of then bars are let go. */
  get #known(): number {
    return this.#holes.known(this.#now)
  }

  /** Nothing more will come: sends at once what is over. A bar whose time still runs is never final. */
  end(): void {
    this.#agenda.hurry(this.#now)
    this.#settle()
  }

  /** The newest bar of a symbol as it stands; none while nothing has given it a price. @throws BAD_OPTION */
  current(source: string, symbol: string, interval: BarSize): FormingBar | undefined {
    const state = this.#sources.get(source)?.get(symbol)
    const name = intervalOf(interval)
    const track = state?.tracks.find(it => it.size.interval === name)
    const cell = track?.current
    if (!state || !track || !cell) return undefined
    state.pour()
    return cell.isPriced ? this.#sender.forming(track, cell, this.#now) : undefined
  }

  /** The trade of an id that a correction or cancel is of, if it is remembered: it has come, and not too long ago. */
  find(fix: Correction | Cancel, id: TradeId): KnownTrade | undefined {
    const state = this.#sources.get(fix.source)?.get(fix.symbol)
    const log = this.#log
    const number = state && this.#meant(state, fix, id)
    if (number === undefined) return undefined
    const [timestamp, nanos] = [log.timeOf(number), log.nanosOf(number)]
    return { timestamp, nanos, isCanceled: log.ruleOf(number) === CANCELED }
  }

  /**
   * Whether the trade that a correction or cancel is of may still come, when that came at a tape time: one that a hole has
   * taken comes when the hole is filled.
   */
  mayCome(source: string, symbol: string, at: number): boolean {
    if (at + this.#keptMs > this.#known) return true
    return this.#holes.touches(source, symbol, Number.NEGATIVE_INFINITY, at, this.#known)
  }

  stats(): BarStats {
    return {
      trades: this.#trades,
      revisions: this.#sender.revisions,
      tooLate: this.#tooLate,
      malformed: this.#malformed,
      unmatched: this.#states.reduce((sum, it) => sum + (it.fixes?.size ?? 0), this.#unmatched),
    }
  }

  #trade(trade: Trade): void {
    const { timestamp } = trade
    if (!isSound(trade)) {
      this.#malformed++
      return
    }
    this.#trades++
    const state = this.#stateOf(trade)
    state.flags = trade.flags & LASTING
    if (this.#holes.isWaiting && (trade.flags & Flag.repaired) === 0) {
      this.#holes.came(trade.source, trade.symbol, timestamp, this.#now)
    }
    const { tracks } = state
    const log = this.#log
    if (log.isFull(this.#now)) this.#turn()
    let rule = trade.size > 0 ? saleRule(trade.conditions, trade.tape) : 0
    log.add(state, trade, rule)
    if (state.fixes !== undefined) rule = this.#fixed(state, trade, rule)
    if (rule === 0) return
    const { rows, at } = log
    const folds = this.#folds
    if (this.#leadAt >= 0) {
      const { lead } = state
      // Rules that say the same of days as of less.
      const plain = rule === EVERYTHING || rule === ONLY_VOLUME
      if (plain && lead >= 0 && folds.holds(lead, timestamp)) {
        folds.add(lead, rows, at, rule)
        return
      }
      if (lead >= 0 && timestamp >= folds.from(lead)) state.pour()
      if (plain && this.#lead(state, timestamp)) {
        folds.add(state.lead, rows, at, rule)
        return
      }
    }
    for (let i = 0; i < tracks.length; i++) {
      const track = tracks[i]!
      const own = ruleIn(track, rule)
      if (own === 0) continue
      let { row } = track
      let cell: Cell | undefined
      if (track.grid === undefined) {
        if (row < 0) {
          ;({ row } = track.begin(state.last, timestamp, trade.nanos, this.#now))
        }
      } else if (row < 0 || !folds.holds(row, timestamp)) {
        cell = this.#place(track, timestamp)
        if (cell === undefined) continue
        ;({ row } = cell)
      }
      folds.add(row, rows, at, own)
      if (track.grid === undefined) this.#fill(track)
      else if (folds.isIdle(row)) {
        track.due(cell ?? track.current!, this.#now + this.#graceMs)
      }
      if (this.#forms) this.#sender.form(track, this.#now)
    }
  }

  /**
   * Begins the bars of a trade that is past all of the shortest size. From then on only the shortest one is added to; what
   * it holds is poured into the others when it is over, or when one of them has to be right.
   */
  #lead(state: State, timestamp: number): boolean {
    const { tracks } = state
    const folds = this.#folds
    const { row } = tracks[this.#leadAt]!
    if (row >= 0 && timestamp < folds.until(row)) return false
    // One that counts for days only may have begun a later one.
    for (let i = 0; i < tracks.length; i++) {
      const { row } = tracks[i]!
      if (row >= 0 && timestamp < folds.from(row)) return false
    }
    for (let i = 0; i < tracks.length; i++) {
      const track = tracks[i]!
      if (track.row < 0 || !folds.holds(track.row, timestamp)) this.#place(track, timestamp)
      else if (folds.isIdle(track.row)) {
        track.due(track.current!, this.#now + this.#graceMs)
      }
    }
    state.lead = tracks[this.#leadAt]!.row
    return true
  }

  /** Applies what came before its trade; returns the rule of what the trade is now. */
  #fixed(state: State, { exchange, id, timestamp }: Trade, rule: number): number {
    const fix = state.takeFix(exchange, id, timestamp)
    return fix ? this.#apply(state, state.last, fix) : rule
  }

  /** Takes a trade back or puts it right, then by what waits for the id that gives it; returns its rule. */
  #apply(state: State, number: number, event: Correction | Cancel): number {
    const log = this.#log
    let rule = 0
    for (let fix: Correction | Cancel | undefined = event; fix; ) {
      if (fix.type === 'cancel') {
        log.cancel(number)
        return 0
      }
      rule = ruleOf(fix)
      log.replace(number, fix.price, fix.size, rule, fix.id)
      fix = state.takeFix(fix.exchange, fix.id, log.timeOf(number))
    }
    return rule
  }

  #place(track: Track, timestamp: number): Cell | undefined {
    const cell = track.at(timestamp, this.#now, this.#graceMs)
    if (cell === undefined) this.#tooLate++
    return cell
  }

  /** Closes a bar that holds what it was to hold. */
  #fill(track: Track): void {
    const { size, row } = track
    if (size.by === 'time' || !this.#folds.isPriced(row)) return
    const folds = this.#folds
    const measure = size.by === 'ticks' ? 'count' : size.by === 'volume' ? 'volume' : 'turnover'
    if (folds[measure](row) < size.most) return
    const cell = track.current!
    track.close(cell, this.#log.next, this.#now)
    this.#sender.send(track, cell, this.#now)
    track.tidy(this.#known, this.#keptMs)
  }

  /** How long a bar is kept after its end, ms. */
  get #keptMs(): number {
    return this.#options.reviseMs + this.#graceMs
  }

  /** Whether a hole of a symbol with trades in the log began before the younger half did: the older ones may be put right. */
  get #isNeeded(): boolean {
    const { since, oldest } = this.#log
    const known = this.#known
    return this.#states.some(
      ({ source, symbol, last }) =>
        last >= oldest &&
        this.#holes.touches(source, symbol, Number.NEGATIVE_INFINITY, since, known),
    )
  }

  /** Half of what is remembered goes, unless a hole needs it; bars that nothing can change any more go in any case. */
  #turn(): void {
    const known = this.#known
    this.#holes.tidy(known)
    const keeps = this.#isNeeded && this.#log.keep(this.#now)
    for (const state of this.#states) {
      if (!keeps) state.pour()
      for (const track of state.tracks) {
        track.prune(known, this.#keptMs)
        if (!keeps) track.turn()
      }
      this.#forget(state)
    }
    if (!keeps) this.#log.turn(this.#now)
  }

  /** Gives up corrections and cancels whose trade will not come any more. */
  #forget(state: State): void {
    if (!state.fixes) return
    const { source, symbol } = state
    this.#unmatched += state.forgetFixes(at => !this.mayCome(source, symbol, at))
  }

  #fix(state: State, event: Correction | Cancel): void {
    if (!isSound(event)) {
      this.#malformed++
      return
    }
    const id = fixedId(event)
    if (id === undefined) {
      this.#unmatched++
      return
    }
    const log = this.#log
    const number = this.#meant(state, event, id)
    if (number === undefined) {
      this.#unmatched += state.wait(event, this.#now)
      return
    }
    const before = log.ruleOf(number)
    if (before === CANCELED) return
    state.pour()
    // Before the log is changed, which says what those on the shelf were sent with.
    const found = state.tracks.map(it => it.find(it.grid ? log.timeOf(number) : number))
    const rule = this.#apply(state, number, event)
    for (const track of state.tracks) {
      const there = found[track.place]
      if (ruleIn(track, before) === 0 && ruleIn(track, rule) === 0) {
        if (there) track.settled(there)
        continue
      }
      const cell = there ?? this.#fixedFirst(track, number, before)
      if (!cell) continue
      if (number < cell.first) cell.first = number
      track.refold(cell)
      const open = cell === track.current && track.grid === undefined
      if (cell.dueAt === SETTLED && !open) track.due(cell, this.#now + this.#graceMs)
      if (this.#forms) this.#sender.form(track, this.#now)
    }
  }

  /** Number of the trade that is put right. Over a quiet night yesterday's are remembered. */
  #meant(state: State, fix: Correction | Cancel, id: TradeId): number | undefined {
    const isMeant = (timestamp: number) => mayBeOf(fix, timestamp, state.calendar)
    return this.#log.find(state, exchangeCode(fix.exchange), id, isMeant)
  }

  /** The bar of a trade that did not count before it was put right, where that is the first in it. */
  #fixedFirst(track: Track, number: number, before: number): Cell | undefined {
    if (track.grid && ruleIn(track, before) === 0)
      return this.#place(track, this.#log.timeOf(number))
    this.#tooLate++
    return undefined
  }

  /** Sends everything that is due. */
  #settle(): void {
    this.#sender.settle(this.#now, this.#known)
  }

  #stateOf({ source, symbol }: Trade | Correction | Cancel): State {
    if (source !== this.#source) {
      this.#source = source
      let symbols = this.#sources.get(source)
      if (!symbols) this.#sources.set(source, (symbols = new Map()))
      this.#symbols = symbols
    }
    return this.#symbols.get(symbol) ?? this.#begin(source, symbol)
  }

  #begin(source: string, symbol: string): State {
    const { align, calendar = calendarOf(symbol, source) } = this.#options
    const state = new State(source, symbol, calendar, this.#folds, this.#leadAt)
    for (const size of this.#sizes) {
      const grid = size.by === 'time' ? new Grid(size, align, calendar) : undefined
      const shortMs = this.#shelves ? shortOf(size) : 0
      state.tracks.push(new Track(state, size, grid, shortMs, this.#parts))
    }
    this.#symbols.set(symbol, state)
    this.#states.push(state)
    return state
  }
}

/** Whether price and size are numbers, and the time one that calendars know. */
export function isSound(event: Trade | Correction | Cancel): boolean {
  const { timestamp } = event
  if (!(timestamp >= FIRST_MS && timestamp <= LAST_MS)) return false
  // What is taken back is known by its id alone.
  return event.type === 'cancel' || Number.isFinite(event.price + event.size)
}

/** What a rule says of the bars of a track. */
const ruleIn = ({ day }: Track, rule: number) => (day ? rule >> DAY_SHIFT : rule) & RULE

const ruleOf = ({ size, conditions, tape }: Correction) =>
  size > 0 ? saleRule(conditions, tape) : 0
