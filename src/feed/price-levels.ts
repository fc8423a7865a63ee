import type { Quote } from '../market/events.ts'

/** Prices that agree before a level is known, and before a new one is believed. */
const ENOUGH = 3
/** How near to each other, as a factor, prices have to be to agree on a new level. */
const AGREE = 2
/** For how long a price says what the next one should be, ms of venue time. */
const REFERENCE_MS = 15 * 60_000
/** Symbols followed; the one known longest makes room for a new one. */
const MOST_SYMBOLS = 65_536
/** Quotes kept to ask: a power of two, few enough that most are young garbage when they leave. */
const QUOTES = 2_048

class Level {
  /** How many prices have agreed on it, up to {@link ENOUGH}. */
  support = 1
  /** The latest price that did not agree, and how many in a row agreed with that one. */
  rival = 0
  rivals = 0

  constructor(
    readonly symbol: string,
    public price: number,
    public timestamp: number,
  ) {}
}

/**
 * Tells a price that is far from all that is known of its symbol. It errs towards belief: splits, halts and thin
 * options jump too. So a price is absurd only while three before it agreed on another level, the last of them not
 * long ago, and no quote at hand is near it; and when three in a row agree on the new level, that is the level.
 */
export class PriceLevels {
  readonly #factor: number
  readonly #levels: Map<string, Level>
  readonly #quotes: (Quote | undefined)[]
  #quoted = 0
  /** A symbol's trades come in bursts: most need no look-up. */
  #last: Level | undefined

  /** `factor`: how far a price may be from the last one, up or down. */
  constructor(
    factor: number,
    levels = new Map<string, Level>(),
    quotes: (Quote | undefined)[] = new Array(QUOTES).fill(undefined),
    quoted = 0,
  ) {
    this.#factor = factor
    this.#levels = levels
    this.#quotes = quotes
    this.#quoted = quoted
  }

  /** Symbols it follows. */
  get size(): number {
    return this.#levels.size
  }

  /** What is known of these symbols, to go on from elsewhere without an effect here. */
  copy(symbols: Iterable<string>): PriceLevels {
    const levels = new Map<string, Level>()
    for (const symbol of symbols) {
      const level = this.#levels.get(symbol)
      if (level) levels.set(symbol, Object.assign(new Level(symbol, 0, 0), level))
    }
    return new PriceLevels(this.#factor, levels, [...this.#quotes], this.#quoted)
  }

  quote(quote: Quote): void {
    this.#quotes[this.#quoted++ & (QUOTES - 1)] = quote
  }

  /** Whether a price above 0 is absurd; what is not, is learned from. */
  isAbsurd(symbol: string, price: number, timestamp: number): boolean {
    let level = this.#last
    if (level === undefined || level.symbol !== symbol) {
      level = this.#levels.get(symbol)
      if (level === undefined) {
        this.#add(symbol, price, timestamp)
        return false
      }
      this.#last = level
    }
    if (isNear(price, level.price, this.#factor)) {
      if (!isRecent(level, timestamp)) level.support = 1
      else if (level.support < ENOUGH) level.support++
      level.rivals = 0
      level.price = price
      level.timestamp = timestamp
      return false
    }
    if (level.support < ENOUGH || !isRecent(level, timestamp) || this.#isQuoted(symbol, price)) {
      move(level, price, timestamp, 1)
      return false
    }
    level.rivals = level.rivals > 0 && isNear(price, level.rival, AGREE) ? level.rivals + 1 : 1
    level.rival = price
    if (level.rivals < ENOUGH) return true
    move(level, price, timestamp, ENOUGH)
    return false
  }

  #add(symbol: string, price: number, timestamp: number): void {
    if (this.#levels.size >= MOST_SYMBOLS) {
      for (const oldest of this.#levels.keys()) {
        this.#levels.delete(oldest)
        break
      }
    }
    this.#last = new Level(symbol, price, timestamp)
    this.#levels.set(symbol, this.#last)
  }

  /** Whether the symbol's latest quote at hand speaks for a price: near one of its sides, or between them. */
  #isQuoted(symbol: string, price: number): boolean {
    const end = Math.max(0, this.#quoted - QUOTES)
    for (let i = this.#quoted - 1; i >= end; i--) {
      const quote = this.#quotes[i & (QUOTES - 1)]!
      if (quote.symbol !== symbol) continue
      const { bid = 0, ask = 0 } = quote
      return (
        isNear(price, bid, this.#factor) ||
        isNear(price, ask, this.#factor) ||
        (bid <= price && price <= ask)
      )
    }
    return false
  }
}

function move(level: Level, price: number, timestamp: number, support: number): void {
  level.price = price
  level.timestamp = timestamp
  level.support = support
  level.rivals = 0
}

const isNear = (a: number, b: number, factor: number) => a <= b * factor && b <= a * factor

/** Late trades come with earlier times: both directions count. */
const isRecent = (level: Level, timestamp: number) =>
  Math.abs(timestamp - level.timestamp) <= REFERENCE_MS
