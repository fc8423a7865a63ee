import { TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import {
  type Bar,
  type Book,
  type Correction,
  Flag,
  type Imbalance,
  type Level,
  type Luld,
  type MarketEvent,
  type Quote,
  type Ticker,
  type Trade,
} from '../market/events.ts'
import { encodeEvent } from '../market/json.ts'
import { FIRST_MS, LAST_MS } from '../market/time.ts'
import { PriceLevels } from './price-levels.ts'
import type { Capabilities } from './provider.ts'

export interface QuarantineOptions {
  /**
   * Prices may be 0 and below, as those of oil futures in April 2020, of power and of spreads. Turns the rule
   * `price-jump` off: near 0 a factor says nothing.
   * @default false
   */
  readonly negativePrices?: boolean
  /** How far an event's time may be ahead of our clock, for live and delayed data, ms. @default 86400000, a day */
  readonly maxAheadMs?: number
  /**
   * How old a live or delayed trade or quote may be, ms. Any by default: what a venue tells on subscribing of a symbol
   * that hardly trades can be months old and right. What a repair fills in has no age.
   * @default Infinity
   */
  readonly maxAgeMs?: number
  /** The factor from which on the rule `price-jump` looks at a trade; `Infinity` turns it off. @default 10 */
  readonly maxJump?: number
}

export const QUARANTINE_DEFAULTS: Required<QuarantineOptions> = {
  negativePrices: false,
  maxAheadMs: 86_400_000,
  maxAgeMs: Number.POSITIVE_INFINITY,
  maxJump: 10,
}

/** Why an event is refused. docs/quarantine.md says what each kind of event is held to, and why. */
export const QUARANTINE_RULES = {
  'no-symbol': 'it has no symbol',
  'bad-time': 'its time is not a whole number of ms, or its nanoseconds are outside 0–999,999',
  'too-old': 'its time is before 1990, or longer ago than allowed',
  'too-new': "its time is ahead of this machine's clock by more than allowed; is that clock right?",
  'bad-price': 'a price is negative, 0 where there must be one, not a number, or above 2^53',
  'bad-size': 'a size is negative, 0 for a trade, not a number, or above 2^53',
  'bad-range': "a bar's high is below its low, or its open or close is outside of them",
  'price-jump': 'a trade far from the prices before it that no quote and no later trade agree with',
} as const

export type QuarantineRule = keyof typeof QUARANTINE_RULES

/** What was refused so far. */
export interface QuarantineStats {
  readonly count: number
  readonly byRule: Readonly<Partial<Record<QuarantineRule, number>>>
  /** By symbol and rule, of the first 1,000 symbols it happened to; `''` where there is none. */
  readonly bySymbol: Readonly<Record<string, Readonly<Partial<Record<QuarantineRule, number>>>>>
  /** The latest five, the event as JSON cut to 500 characters. */
  readonly samples: readonly { readonly rule: QuarantineRule; readonly event: string }[]
}

/** Above it a number can no longer count single units; no market has such a price or order. */
const MOST = Number.MAX_SAFE_INTEGER
/** Before it nobody sent market data like ours; a time of 0 or one in seconds is far before it. */
const EARLIEST_MS = Date.UTC(1990, 0, 1)
const SAMPLES = 5
const SAMPLE_LENGTH = 500
const MOST_SYMBOLS = 1_000
/** Longer names are cut, as keys of counters. */
const SYMBOL_LENGTH = 64

type Counts = Partial<Record<QuarantineRule, number>>

/**
 * Keeps back events that cannot be true: wrong data is worse than missing data. It works on one feed, in the order
 * its events come.
 */
export class Quarantine {
  readonly #options: Required<QuarantineOptions>
  readonly #log: Log
  readonly #refused: (event: MarketEvent) => void
  /** Whether the times are of today. */
  readonly #current: boolean
  readonly #replays: boolean
  /** A trade's price is above this one, any other at least the next. */
  readonly #above: number
  readonly #least: number
  #levels: PriceLevels | undefined
  /** Bounds of the times of the batch at hand. */
  #earliest = FIRST_MS
  #latest = LAST_MS
  #oldest = Number.NEGATIVE_INFINITY
  #count = 0
  readonly #byRule: Counts = {}
  readonly #bySymbol = new Map<string, Counts>()
  #samples: { readonly rule: QuarantineRule; readonly event: MarketEvent }[] = []

  /** `refused` is told of each event kept back. @throws BAD_OPTION for a bound that is none */
  constructor(
    nature: Capabilities['nature'],
    options: QuarantineOptions,
    log: Log,
    refused: (event: MarketEvent) => void = () => {},
  ) {
    this.#refused = refused
    this.#options = checked({ ...QUARANTINE_DEFAULTS, ...options })
    this.#log = log
    // A simulated or recorded day, or one of a test, is of whatever year somebody chose.
    this.#current = nature === 'live' || nature === 'delayed'
    this.#replays = nature === 'replayed'
    if (this.#current) this.#earliest = EARLIEST_MS
    const { negativePrices, maxJump } = this.#options
    this.#above = negativePrices ? Number.NEGATIVE_INFINITY : 0
    this.#least = negativePrices ? -MOST : 0
    if (!negativePrices && maxJump < Number.POSITIVE_INFINITY) {
      this.#levels = new PriceLevels(maxJump)
    }
  }

  /** The events that may be delivered: the same array when that is all of them. */
  pass(batch: readonly MarketEvent[], receivedAt: number): readonly MarketEvent[] {
    // What is on a tape passed when it was recorded, by the options of that time.
    if (this.#replays && batch.every(isReplayed)) return batch
    this.#setBounds(receivedAt)
    for (let i = 0; i < batch.length; i++) {
      const rule = this.#ruleOf(batch[i]!)
      if (rule !== undefined) return this.#sift(batch, i, rule)
    }
    return batch
  }

  /**
   * The same for what comes out of a repair: live events in it have passed before, and what is of the past says
   * nothing about the price of the next live trade.
   */
  passRepaired(batch: readonly MarketEvent[], now: number): readonly MarketEvent[] {
    this.#setBounds(now)
    const live = this.#levels
    this.#levels = live?.copy(new Set(batch.map(event => event.symbol ?? '')))
    const passed = batch.filter(event => {
      const rule = isRepaired(event) ? this.#ruleOf(event) : undefined
      if (rule !== undefined) this.#refuse(event, rule)
      return rule === undefined
    })
    this.#levels = live
    return passed
  }

  /** Whether an event that is only looked at would pass. */
  isSound(event: MarketEvent, now: number): boolean {
    this.#setBounds(now)
    const live = this.#levels
    this.#levels = live?.copy([event.symbol ?? ''])
    const rule = this.#ruleOf(event)
    this.#levels = live
    return rule === undefined
  }

  /** The rule an event breaks, for whoever counts by himself; to be asked in the order events come. */
  ruleOf(event: MarketEvent, now: number): QuarantineRule | undefined {
    this.#setBounds(now)
    return this.#ruleOf(event)
  }

  stats(): QuarantineStats {
    return {
      count: this.#count,
      byRule: { ...this.#byRule },
      bySymbol: Object.fromEntries(
        [...this.#bySymbol].map(([name, counts]) => [name, { ...counts }]),
      ),
      samples: this.#samples.map(({ rule, event }) => ({ rule, event: textOf(event) })),
    }
  }

  #setBounds(now: number): void {
    if (!this.#current) return
    this.#latest = now + this.#options.maxAheadMs
    this.#oldest = now - this.#options.maxAgeMs
  }

  #sift(batch: readonly MarketEvent[], first: number, why: QuarantineRule): MarketEvent[] {
    const passed = batch.slice(0, first)
    this.#refuse(batch[first]!, why)
    for (let i = first + 1; i < batch.length; i++) {
      const event = batch[i]!
      const rule = this.#ruleOf(event)
      if (rule === undefined) passed.push(event)
      else this.#refuse(event, rule)
    }
    return passed
  }

  #refuse(event: MarketEvent, rule: QuarantineRule): void {
    this.#count++
    this.#refused(event)
    add(this.#byRule, rule)
    const name = String(event.symbol ?? '').slice(0, SYMBOL_LENGTH)
    let counts = this.#bySymbol.get(name)
    if (!counts && this.#bySymbol.size < MOST_SYMBOLS) {
      counts = {}
      this.#bySymbol.set(name, counts)
    }
    if (counts) add(counts, rule)
    this.#samples.push({ rule, event })
    if (this.#samples.length > SAMPLES) this.#samples.shift()
    if (this.#byRule[rule] === 1) {
      const why = QUARANTINE_RULES[rule]
      this.#log.warn(
        { rule, event: textOf(event) },
        `a ${event.type} is not delivered (${why}); the next ones are counted in stats()`,
      )
    }
  }

  /** The rule an event breaks. */
  #ruleOf(event: MarketEvent): QuarantineRule | undefined {
    // Each kind reads its own fields in its own function: V8 knows the shape there.
    switch (event.type) {
      case 'quote':
        return this.#quote(event)
      case 'trade':
        return this.#trade(event)
      case 'bar':
        return this.#bar(event)
      case 'book':
        return this.#book(event)
      case 'notice':
        return undefined
      case 'news':
        return this.#time(event.timestamp, event.nanos)
      default: {
        const { symbol, timestamp, nanos } = event
        if (!symbol) return 'no-symbol'
        const rule = this.#time(timestamp, nanos)
        if (rule !== undefined) return rule
        if (event.type === 'ticker') return this.#ticker(event)
        if (event.type === 'correction') return this.#correction(event)
        if (event.type === 'imbalance') return this.#imbalance(event)
        if (event.type === 'luld') return this.#luld(event)
        if (event.type === 'cancel') return named(event.price, event.size)
        return undefined
      }
    }
  }

  #trade(event: Trade): QuarantineRule | undefined {
    const { symbol, timestamp, price, size } = event
    if (!symbol) return 'no-symbol'
    const rule = this.#time(timestamp, event.nanos)
    if (rule !== undefined) return rule
    if (timestamp < this.#oldest && !isRepaired(event)) return 'too-old'
    if (!this.#isPrice(price)) return 'bad-price'
    if (!(size > 0 && size <= MOST)) return 'bad-size'
    if (this.#levels?.isAbsurd(symbol, price, timestamp)) return 'price-jump'
    return undefined
  }

  #quote(event: Quote): QuarantineRule | undefined {
    const { timestamp, bid, bidSize, ask, askSize } = event
    if (!event.symbol) return 'no-symbol'
    const rule = this.#time(timestamp, event.nanos)
    if (rule !== undefined) return rule
    if (timestamp < this.#oldest && !isRepaired(event)) return 'too-old'
    if (!(this.#mayBePrice(bid) && this.#mayBePrice(ask))) return 'bad-price'
    if (!(mayBeSize(bidSize) && mayBeSize(askSize))) return 'bad-size'
    this.#levels?.quote(event)
    return undefined
  }

  #bar(event: Bar): QuarantineRule | undefined {
    const { open, high, low, close, volume } = event
    if (!event.symbol) return 'no-symbol'
    const rule = this.#time(event.timestamp, event.nanos)
    if (rule !== undefined) return rule
    const prices =
      this.#isPrice(open) && this.#isPrice(high) && this.#isPrice(low) && this.#isPrice(close)
    if (!(prices && this.#mayBePrice(event.vwap))) return 'bad-price'
    // Sums may be beyond what counts single units: some coins exist in quadrillions.
    if (!(isAmount(volume) && mayBeSize(event.tradeCount))) return 'bad-size'
    const within = low <= open && open <= high && low <= close && close <= high
    return within ? undefined : 'bad-range'
  }

  #book(event: Book): QuarantineRule | undefined {
    if (!event.symbol) return 'no-symbol'
    const rule = this.#time(event.timestamp, event.nanos)
    return rule ?? this.#side(event.bids) ?? this.#side(event.asks)
  }

  #side(levels: readonly Level[]): QuarantineRule | undefined {
    for (let i = 0; i < levels.length; i++) {
      const level = levels[i]!
      if (!this.#mayBePrice(level[0])) return 'bad-price'
      if (!mayBeSize(level[1])) return 'bad-size'
    }
    return undefined
  }

  /** A venue sends 0 for what it does not know yet of the day, so 0 passes. */
  #ticker(event: Ticker): QuarantineRule | undefined {
    const { lastTime, lastSize, bidSize, askSize, volume, openInterest } = event
    if (lastTime !== undefined) {
      const rule = this.#time(Math.floor(lastTime), 0)
      if (rule !== undefined) return rule
    }
    const { last, open, high, low, previousClose, vwap, bid, ask } = event
    for (const price of [last, open, high, low, previousClose, vwap, bid, ask]) {
      if (!this.#mayBePrice(price)) return 'bad-price'
    }
    // Changes are signed, and so are some indexes.
    const { change, changePercent, mark, value } = event
    for (const price of [change, changePercent, mark, value]) {
      if (price !== undefined && !Number.isFinite(price)) return 'bad-price'
    }
    if (!(mayBeSize(lastSize) && mayBeSize(bidSize) && mayBeSize(askSize))) return 'bad-size'
    const sums = [volume, openInterest].every(sum => sum === undefined || isAmount(sum))
    return sums ? undefined : 'bad-size'
  }

  /** What counts from now on. */
  #correction(event: Correction): QuarantineRule | undefined {
    if (!this.#isPrice(event.price)) return 'bad-price'
    if (!mayBeSize(event.size)) return 'bad-size'
    return named(event.originalPrice, event.originalSize)
  }

  #imbalance(event: Imbalance): QuarantineRule | undefined {
    if (!this.#mayBePrice(event.price)) return 'bad-price'
    return mayBeSize(event.size) && mayBeSize(event.pairedSize) ? undefined : 'bad-size'
  }

  #luld(event: Luld): QuarantineRule | undefined {
    const { limitUp, limitDown } = event
    return this.#mayBePrice(limitUp) && this.#mayBePrice(limitDown) ? undefined : 'bad-price'
  }

  #time(timestamp: number, nanos: number): QuarantineRule | undefined {
    if (timestamp >= this.#earliest && timestamp <= this.#latest) {
      const whole = Math.floor(timestamp) === timestamp && nanos >>> 0 === nanos
      return whole && nanos < 1_000_000 ? undefined : 'bad-time'
    }
    if (!Number.isFinite(timestamp)) return 'bad-time'
    return timestamp < this.#earliest ? 'too-old' : 'too-new'
  }

  #isPrice(price: number): boolean {
    return price > this.#above && price >= -MOST && price <= MOST
  }

  /** A side nobody quotes has no price, or at some venues a price of 0. */
  #mayBePrice(price: number | undefined): boolean {
    return price === undefined || (price >= this.#least && price <= MOST)
  }
}

function checked(options: Required<QuarantineOptions>): Required<QuarantineOptions> {
  const { maxAheadMs, maxAgeMs, maxJump } = options
  const refuse = (what: string, hint: string) => {
    throw new TickwireError('BAD_OPTION', `quarantine: ${what}`, { hint })
  }
  if (!(maxAheadMs >= 0)) refuse(`maxAheadMs is ${maxAheadMs}`, 'Give milliseconds, 0 or more.')
  if (!(maxAgeMs > 0)) refuse(`maxAgeMs is ${maxAgeMs}`, 'Give milliseconds above 0.')
  if (!(maxJump > 1)) refuse(`maxJump is ${maxJump}`, 'Give a factor above 1.')
  return options
}

/** Of the trade that is taken back: it may have been as wrong as it likes, but these have to be numbers. */
function named(price: number | undefined, size: number | undefined): QuarantineRule | undefined {
  if (price !== undefined && !Number.isFinite(price)) return 'bad-price'
  return size !== undefined && !Number.isFinite(size) ? 'bad-size' : undefined
}

const isRepaired = (event: MarketEvent) => (event.flags & Flag.repaired) !== 0
const isReplayed = (event: MarketEvent) => (event.flags & Flag.replayed) !== 0
const mayBeSize = (size: number | undefined) => size === undefined || (size >= 0 && size <= MOST)
const isAmount = (amount: number) => amount >= 0 && amount < Number.POSITIVE_INFINITY

function add(counts: Counts, rule: QuarantineRule): void {
  counts[rule] = (counts[rule] ?? 0) + 1
}

/** The JSON form, or one like it for what that cannot hold: `NaN` and such as text. */
function textOf(event: MarketEvent): string {
  const plain = (_key: string, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
  let text: string
  try {
    text = encodeEvent(event)
  } catch {
    text = JSON.stringify(event, plain)
  }
  return text.slice(0, SAMPLE_LENGTH)
}
