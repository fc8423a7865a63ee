import type { EventType, Notice } from '../market/events.ts'

/** Trades of so long before a hole may be missing too, ms. */
const BEFORE_MS = 30_000
/** A hole that nobody says the end of is waited for so long, ms. */
const LONGEST_MS = 3_600_000
/** And so long where trades come again behind it: it is being filled by then, or nobody is going to. */
const FILLING_MS = 900_000
/** When nothing at all has come for so long, something may have been missed, ms; and how soon that is told. */
const SILENCE_MS = 10_000
const UNTOLD_MS = 60_000
/** Holes of one symbol, or of a whole source, waited for at a time; the oldest is given up. */
const MOST = 16
/** The end of a hole that is still open. */
const SOON = Number.POSITIVE_INFINITY

/** A hole of which a feed tells by itself, of each symbol: what sinks are told (`Sink.holes`). */
export interface ToldHole {
  readonly source: string
  readonly kind: EventType
  readonly symbol: string
  /** Venue time of its beginning, epoch ms. */
  readonly from: number
}

interface Hole {
  /** Its beginning as it was told. */
  readonly said: number
  /** Venue time, epoch ms. */
  readonly from: number
  to: number
  /** Tape time until which it may be filled, and what is filled in be revised. */
  until: number
  /** Of a whole source: symbols of which that is known to be otherwise. None of this ever makes a hole larger again. */
  readonly sooner: Map<string, { to?: number; until?: number }>
}

/** What is known of one source. */
interface Known {
  /** Of any symbol. */
  readonly all: Hole[]
  readonly symbols: Map<string, Hole[]>
  /** Each hole is told by itself: notices, which tell of several at once, say nothing new. */
  isTold: boolean
}

/**
 * Where trades are missing that may still come, as a feed says: bars there are not let go. All at a tape time, `now`.
 */
export class Holes {
  /** Whether it counts which symbols come again: somebody has told of a hole by a notice, and may not tell its end. */
  isWaiting = false
  readonly #keptMs: number
  readonly #sources = new Map<string, Known>()
  /** The last silence of all: when it began, and until when it may still be told what was missed in it. */
  #silence = { since: Number.NEGATIVE_INFINITY, until: Number.NEGATIVE_INFINITY }

  /** `keptMs`: how long bars are kept anyway. */
  constructor(keptMs: number) {
    this.#keptMs = keptMs
  }

  /** The tape time passes from one moment to another. */
  passed(from: number, to: number): void {
    if (to <= from + SILENCE_MS || !Number.isFinite(from)) return
    this.#silence = { since: from, until: to + UNTOLD_MS }
  }

  /**
   * Up to when it is known what is missing: when nothing came for long, whoever recorded it may have stood still, and is told
   * only now what was missed. Until then nothing is to be let go that was there when the silence began.
   */
  known(now: number): number {
    return now < this.#silence.until ? this.#silence.since : now
  }

  /** Takes any notice. */
  hear(notice: Notice, now: number): void {
    const { source, symbol, kind, timestamp, from, to } = notice
    if (kind !== undefined && kind !== 'trade') return
    if (this.#sources.get(source)?.isTold) return
    const what = notice.notice
    // Lost when something came last, rather than when that is noticed.
    if (what === 'disconnected') {
      this.#lose(this.#of(source), Math.min(timestamp, this.known(now)), now)
    } else if (what === 'connected') this.#resume(source, timestamp)
    else if (what === 'gap' && from !== undefined) {
      const of = this.#of(source)
      const holes = symbol === undefined ? of.all : listOf(of, symbol)
      this.#add(holes, from, to ?? timestamp, now)
      this.isWaiting = true
    } else if ((what === 'repaired' || what === 'unrepaired') && symbol !== undefined) {
      this.#end(source, symbol, now)
    }
  }

  /** Takes what a feed tells of each hole by itself. From then on its notices are not needed. */
  tell(what: 'opened' | 'filled' | 'left', holes: readonly ToldHole[], now: number): void {
    for (const { source, kind, symbol, from } of holes) {
      const of = this.#of(source)
      if (!of.isTold) of.all.length = 0
      of.isTold = true
      if (kind !== 'trade') continue
      // Nothing may have come before it.
      if (what === 'opened') this.#add(listOf(of, symbol), from, SOON, Math.max(now, from))
      else this.#endTold(of, symbol, from, now)
    }
  }

  /**
   * A live trade, while it {@link isWaiting}. Where its source is lost, its symbol has another connection, and is whole from
   * there on; a hole that it is behind is soon filled.
   */
  came(source: string, symbol: string, timestamp: number, now: number): void {
    const of = this.#sources.get(source)
    if (of === undefined) return
    const until = now + FILLING_MS
    for (const hole of of.all) {
      if (hole.to === SOON) soonerOf(hole, symbol).to ??= timestamp + BEFORE_MS
      else if (timestamp >= hole.to) soonerOf(hole, symbol).until ??= until
    }
    for (const hole of of.symbols.get(symbol) ?? []) {
      if (timestamp >= hole.to && hole.until > until) hole.until = until
    }
  }

  /** Forgets what is not waited for any more. */
  tidy(now: number): void {
    this.isWaiting = false
    for (const { all, symbols } of this.#sources.values()) {
      forgetOver(all, now)
      if (all.length > 0) this.isWaiting = true
      for (const [symbol, holes] of symbols) {
        forgetOver(holes, now)
        if (holes.length === 0) symbols.delete(symbol)
        else if (holes.some(({ to }) => to !== SOON)) this.isWaiting = true
      }
    }
  }

  /** Whether some of what lies between two venue times may be missing, at a tape time. */
  touches(source: string, symbol: string, from: number, to: number, now: number): boolean {
    const known = this.#sources.get(source)
    if (known === undefined) return false
    const own = known.symbols.get(symbol)
    return (
      (own !== undefined && isAmong(own, symbol, from, to, now)) ||
      isAmong(known.all, symbol, from, to, now)
    )
  }

  /**
   * A connection is gone. While none has come back, what else is said of that is the same hole: one of several may be tried
   * for hours.
   */
  #lose({ all }: Known, from: number, now: number): void {
    if (all.some(({ to, until }) => to === SOON && until > now)) return
    this.#add(all, from, SOON, now)
    this.isWaiting = true
  }

  #add(holes: Hole[], from: number, to: number, now: number): void {
    forgetOver(holes, now)
    if (holes.length === MOST) holes.shift()
    // Of what is older, some has been let go before this was known.
    const begin = Math.max(from - BEFORE_MS, this.known(now) - this.#keptMs)
    holes.push({ said: from, from: begin, to, until: now + LONGEST_MS, sooner: new Map() })
  }

  /** Data comes again; which of it is the first will be said with the gap. */
  #resume(source: string, timestamp: number): void {
    for (const hole of this.#sources.get(source)?.all ?? []) {
      if (hole.to === SOON) hole.to = timestamp + BEFORE_MS
    }
  }

  /** Nothing more will come of a symbol, but what is filled in may still be put right. */
  #end(source: string, symbol: string, now: number): void {
    const known = this.#sources.get(source)
    const until = now + this.#keptMs
    for (const hole of known?.symbols.get(symbol) ?? []) hole.until = Math.min(hole.until, until)
    for (const hole of known?.all ?? []) {
      if (hole.to !== SOON) soonerOf(hole, symbol).until ??= until
    }
  }

  /** As {@link #end}, of the one hole that began then: a symbol may have others. */
  #endTold({ symbols }: Known, symbol: string, said: number, now: number): void {
    for (const hole of symbols.get(symbol) ?? []) {
      if (hole.said === said) hole.until = Math.min(hole.until, now + this.#keptMs)
    }
  }

  #of(source: string): Known {
    let known = this.#sources.get(source)
    if (!known) {
      known = { all: [], symbols: new Map(), isTold: false }
      this.#sources.set(source, known)
    }
    return known
  }
}

function listOf({ symbols }: Known, symbol: string): Hole[] {
  let holes = symbols.get(symbol)
  if (!holes) symbols.set(symbol, (holes = []))
  return holes
}

function soonerOf({ sooner }: Hole, symbol: string): { to?: number; until?: number } {
  let own = sooner.get(symbol)
  if (!own) sooner.set(symbol, (own = {}))
  return own
}

function forgetOver(holes: Hole[], now: number): void {
  if (holes.some(({ until }) => until <= now)) {
    holes.splice(0, holes.length, ...holes.filter(({ until }) => until > now))
  }
}

function isAmong(holes: readonly Hole[], symbol: string, from: number, to: number, now: number) {
  for (const hole of holes) {
    if (hole.until <= now || from >= hole.to || to <= hole.from) continue
    const own = hole.sooner.get(symbol)
    if (own === undefined) return true
    if (now < (own.until ?? SOON) && from < (own.to ?? SOON)) return true
  }
  return false
}
