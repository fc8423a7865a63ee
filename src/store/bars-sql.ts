import { tidy } from '../derive/bars-fold.ts'
import { parseSize } from '../derive/bars-interval.ts'
import { PRICES, RANGE, VOLUME } from '../derive/sale-conditions.ts'
import { calendarOf } from '../market/calendar-book.ts'
import { zoneOf } from '../market/calendar-zone.ts'
import { Bar, Flag, type Interval } from '../market/events.ts'
import { SALE } from './columns.ts'
import type { Chunk } from './duckdb.ts'
import { HOT } from './schema.ts'
import { type Range, type Snapshot, type Span, spansOf } from './snapshot.ts'

/*
 * Bars by SQL. Trades are summed up by their rule, and the sums of a bar are put together here, to the last bit as
 * `BarBuilder` does it. What adding doubles loses to rounding is kept by taking each number apart: whole numbers,
 * multiples of 2^-40 and the rest add up without loss, or with next to none, in any order.
 */

const QUARTER_MS = 900_000
const HOUR_MS = 3_600_000
/** Kinds of data, not how one event came. */
const LASTING = Flag.simulated | Flag.replayed | Flag.delayed | Flag.polled
const FINE = '1099511627776'

/** A source and symbol as one text. */
export function placeOf(source: string, symbol: string): string {
  return JSON.stringify([source, symbol])
}

/** A question for bars. */
export interface AskedBars extends Range {
  readonly interval: Interval
  /** Bars that end later are not over, epoch ms. */
  readonly now: number
}

export interface SqlBars {
  readonly bars: Bar[]
  /** Places whose bars SQL cannot tell: where exchange and id decide which of two trades was first, or the zone the hour. */
  readonly unsure: ReadonlySet<string>
}

/** The length of bars in ms, where they can be had by SQL at all. */
export function sqlLength(interval: Interval): number | undefined {
  const size = parseSize(interval, 'clock')
  return size.by === 'time' && !size.day && HOUR_MS % size.ms === 0 ? size.ms : undefined
}

/** Bars of trades that begin in a range, in order of time. */
export async function sqlBars(snapshot: Snapshot, asked: AskedBars, ms: number): Promise<SqlBars> {
  const from = Math.ceil(asked.from / ms) * ms
  const to = Math.floor(asked.to / ms) * ms + ms - 1
  const range = { ...asked, from, to }
  const maker = new BarMaker(asked, ms)
  for (const day of await snapshot.daysOf('trade', range)) {
    const spans = spansOf(snapshot, 'trade', day, range)
    const sums = spans.map(span => (span.isOpen ? openSums(span, ms) : partSums(span, ms)))
    const select = `${sums.join(' union all ')} order by ms, source, symbol`
    const { chunks } = await snapshot.session.stream(select)
    for await (const chunk of chunks) maker.take(chunk)
  }
  return maker.end()
}

/**
 * What a trade is ordered by in a bar: its nanosecond, and its number in the bits that are left, so that the least and the
 * greatest show whether they are one trade's.
 */
function roomIn(ms: number): number {
  return 2 ** Math.min(62 - Math.ceil(Math.log2(ms * 1_000_000)), 24)
}

/** The sums of rows that have price, size, ts and `nth`, a number of their own. */
function sumsOf(ms: number): string {
  const room = roomIn(ms)
  const place = `(epoch_ns(ts) % ${ms}000000) * ${room}`
  const up = `${place} + nth % ${room}`
  const down = `${place} + ${room - 1} - nth % ${room}`
  const isTie = (one: string, other: string) =>
    `(${one} % ${room} + ${other} % ${room} <> ${room - 1})::integer::double`
  const parts = (name: string, of: string) => {
    const rest = `(${of} - round(${of}))`
    return [
      `sum(round(${of})) as ${name}_whole`,
      `sum(round(${rest} * ${FINE})) / ${FINE} as ${name}_fine`,
      `sum(${rest} - round(${rest} * ${FINE}) / ${FINE}) as ${name}_rest`,
    ]
  }
  return [
    ...['count(*)::double as n', 'min(price) as low', 'max(price) as high'],
    `arg_min(price, ${up}) as opens`,
    `arg_max(price, ${up}) as closes`,
    // Of two rows with the same nanosecond in different rules or files the first decides.
    `(min(${up}) // ${room})::double as opens_at`,
    `(max(${up}) // ${room})::double as closes_at`,
    `${isTie(`min(${up})`, `min(${down})`)} as opens_tie`,
    `${isTie(`max(${up})`, `max(${down})`)} as closes_tie`,
    ...parts('units', 'size'),
    ...parts('money', '(price * size)'),
  ].join(', ')
}

/** The columns in which sums come, all of them numbers behind the first two. */
const NUMBERS = [
  ...['ms', 'flags', 'rule', 'n', 'low', 'high', 'opens', 'closes', 'opens_at', 'closes_at'],
  ...['opens_tie', 'closes_tie', 'units_whole', 'units_fine', 'units_rest'],
  ...['money_whole', 'money_fine', 'money_rest'],
]
const COUNTS = 'isfinite(price) and isfinite(size) and size > 0'

function openSums({ from, where }: Span, ms: number): string {
  const inner =
    `select t.head, epoch_ns(ts) // ${ms}000000 as bucket, (d.${SALE} & 15)::double as rule, ${sumsOf(ms)} ` +
    `from (select t.*, t.rowid as nth from ${from}) t join ${HOT}.trade_details d on d.id = t.detail join ${HOT}.heads h on h.id = t.head where ${where} and ${COUNTS} group by all`
  return `select symbol, source, ${NUMBERS.join(', ')} from (select h.symbol, h.source, h.flags::double as flags, (bucket * ${ms})::double as ms, s.* from (${inner}) s join ${HOT}.heads h on h.id = s.head)`
}

function partSums({ from, where }: Span, ms: number): string {
  const inner =
    `select symbol, source, flags::double as flags, epoch_ns(ts) // ${ms}000000 as bucket, (${SALE} & 15)::double as rule, ${sumsOf(ms)} ` +
    `from (select *, file_row_number as nth from ${from}) where ${where} and ${COUNTS} group by all`
  return `select symbol, source, ${NUMBERS.join(', ')} from (select *, (bucket * ${ms})::double as ms from (${inner}))`
}

/** Sums that are put together to one bar. */
class Sums {
  count = 0
  /** Whether any trade gave a price. */
  isPriced = false
  isUnsure = false
  flags = 0
  low = 0
  high = 0
  open = 0
  close = 0
  #openAt = 0
  #closeAt = 0
  /** Whole, fine and rest, of units that count for price, of those that do not, and of money. */
  readonly #units = [0, 0, 0]
  readonly #odd = [0, 0, 0]
  readonly #money = [0, 0, 0]

  clear(): void {
    this.count = 0
    this.isPriced = false
    this.isUnsure = false
    this.flags = 0
    for (const parts of [this.#units, this.#odd, this.#money]) parts.fill(0)
  }

  add(row: number, of: readonly (readonly number[] | Float64Array)[]): void {
    const at = (column: number) => of[column]![row]!
    const rule = at(2)
    this.flags |= at(1)
    if ((rule & VOLUME) !== 0) {
      this.count += at(3)
      const units = (rule & RANGE) !== 0 ? this.#units : this.#odd
      for (let i = 0; i < 3; i++) {
        units[i]! += at(12 + i)
        if ((rule & RANGE) !== 0) this.#money[i]! += at(15 + i)
      }
    }
    const prices = rule & PRICES
    if (prices === 0) return
    const [openAt, closeAt] = [at(8), at(9)]
    // Trades that only give a price while there is none other are known in bars of days alone.
    if (prices !== PRICES || at(10) !== 0 || at(11) !== 0) this.isUnsure = true
    if (this.isPriced && (openAt === this.#openAt || closeAt === this.#closeAt)) {
      this.isUnsure = true
    }
    if (!this.isPriced || at(4) < this.low) this.low = at(4)
    if (!this.isPriced || at(5) > this.high) this.high = at(5)
    if (!this.isPriced || openAt < this.#openAt) {
      this.open = at(6)
      this.#openAt = openAt
    }
    if (!this.isPriced || closeAt > this.#closeAt) {
      this.close = at(7)
      this.#closeAt = closeAt
    }
    this.isPriced = true
  }

  bar(symbol: string, source: string, interval: Interval, timestamp: number, ms: number): Bar {
    const { low, high, open, close } = this
    const units = total(this.#units, [0, 0, 0])
    const vwap =
      units === 0 ? undefined : Math.min(high, Math.max(low, total(this.#money, [0, 0, 0]) / units))
    return new Bar(
      ...([symbol, source, timestamp, 0, timestamp + ms] as const),
      (this.flags & LASTING) | Flag.derived,
      interval,
      open,
      high,
      low,
      close,
      tidy(total(this.#units, this.#odd)),
      vwap,
      this.count,
      true,
      0,
      undefined,
    )
  }
}

/** The sum of numbers taken apart, rounded once. */
function total(one: readonly number[], other: readonly number[]): number {
  const whole = one[0]! + other[0]!
  const fine = one[1]! + other[1]!
  const rest = one[2]! + other[2]!
  const sum = whole + fine
  const part = sum - whole
  return sum + (whole - (sum - part) + (fine - part) + rest)
}

/** Makes bars of sums that come in order of time, source and symbol. */
class BarMaker {
  readonly #asked: AskedBars
  readonly #ms: number
  readonly #bars: Bar[] = []
  readonly #unsure = new Set<string>()
  readonly #fits = new Map<string, boolean>()
  #symbol = ''
  #source = ''
  #at = Number.NaN
  /** Of the bar that is being put together: made once, as there are many bars. */
  readonly #sums = new Sums()

  constructor(asked: AskedBars, ms: number) {
    this.#asked = asked
    this.#ms = ms
  }

  take(chunk: Chunk): void {
    const [symbols, sources] = [chunk.values(0), chunk.values(1)] as [string[], string[]]
    const numbers = NUMBERS.map((_, i) => chunk.numbers(i + 2).items)
    for (let row = 0; row < chunk.rowCount; row++) {
      const at = numbers[0]![row]!
      const [symbol, source] = [symbols[row]!, sources[row]!]
      if (at !== this.#at || symbol !== this.#symbol || source !== this.#source) {
        this.#finish()
        this.#at = at
        this.#symbol = symbol
        this.#source = source
        this.#sums.clear()
      }
      this.#sums.add(row, numbers)
    }
  }

  end(): SqlBars {
    this.#finish()
    return { bars: this.#bars, unsure: this.#unsure }
  }

  #finish(): void {
    const [at, sums, ms] = [this.#at, this.#sums, this.#ms]
    if (Number.isNaN(at)) return
    const [symbol, source] = [this.#symbol, this.#source]
    if (sums.isUnsure || !this.#isOnClock(symbol, source, at)) {
      this.#unsure.add(placeOf(source, symbol))
    }
    if (!sums.isPriced || at + ms > this.#asked.now) return
    this.#bars.push(sums.bar(symbol, source, this.#asked.interval, at, ms))
  }

  /** Whether bars begin when those of UTC do where the symbol is traded. */
  #isOnClock(symbol: string, source: string, at: number): boolean {
    // Clocks of markets differ by quarters of an hour.
    if (QUARTER_MS % this.#ms === 0) return true
    const key = placeOf(source, symbol)
    let fits = this.#fits.get(key)
    if (fits === undefined) {
      const calendar = calendarOf(symbol, source)
      fits = !calendar || zoneOf(calendar.zone).offsetAt(at) % this.#ms === 0
      this.#fits.set(key, fits)
    }
    return fits
  }
}
