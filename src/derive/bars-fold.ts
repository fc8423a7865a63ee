import { PRICES, RANGE, VOLUME } from './sale-conditions.ts'

export interface Prices {
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
}

/**
 * Places in a row, by how often they are touched: its first line of a cache by each trade, the second one by those that
 * count for price.
 */
const FROM = 0
const UNTIL = 1
const PRICED = 2
/** 1 while the bar of the row is not to be sent: the one thing of it that each trade has to know. */
const IDLE = 3
const COUNT = 4
const HIGH = 5
const LOW = 6
/** Size of trades that count for volume only. */
const ODD = 7
const CLOSE = 8
/** Here and behind it: ms, nanoseconds, exchange and id of the trade. */
const CLOSE_AT = 9
/** Size and money of trades that count for price. */
const UNITS = 13
const MONEY = 14
/** What rounding took from each of the three: mostly nothing from sizes, which are whole. */
const MONEY_LOST = 15
const UNITS_LOST = 16
const ODD_LOST = 17
const OPEN = 18
const OPEN_AT = 19
const ROW = 24

/**
 * Places in a row of the log, which is where trades are added from: as arguments so many numbers would each be an object
 * on the heap.
 */
export const LOG_MS = 0
export const LOG_NANOS = 1
export const LOG_PRICE = 2
export const LOG_SIZE = 3
export const LOG_EXCHANGE = 4
export const LOG_ID = 5
/** Number of the trade of the same symbol before it. */
export const LOG_BEFORE = 6
export const LOG_RULE = 7

/** Values of {@link PRICED}: no price yet, only some that count while there is none other, one that counts. */
const UNPRICED = 0
const FIRST = 1
const FULLY = 2

/**
 * What trades add up to, a row for each sum: one array for all, because an object with as many numbers would be as many
 * objects, and these live long. A row also says what belongs to it, from and until.
 *
 * A sum is one of the set of its trades, not of the order in which they came: open and close go by venue time, trades of
 * one nanosecond by exchange and id (by arrival where an id is missing or text), and what rounding takes from a total is
 * carried beside it.
 */
export class Folds {
  #data = new Float64Array(ROW * 64)
  #used = 0
  readonly #free: number[] = []

  /** A row for sums; what is in it is whatever was there. */
  take(): number {
    return this.#free.pop() ?? this.#grow()
  }

  /** Makes a row empty. */
  begin(row: number, from: number, until: number): void {
    this.clear(row)
    const data = this.#data
    data[row + FROM] = from
    data[row + UNTIL] = until
    data[row + IDLE] = 1
  }

  isIdle(row: number): boolean {
    return this.#data[row + IDLE] === 1
  }

  setIdle(row: number, idle: boolean): void {
    this.#data[row + IDLE] = idle ? 1 : 0
  }

  #grow(): number {
    const row = this.#used
    this.#used += ROW
    if (this.#used > this.#data.length) {
      const larger = new Float64Array(this.#data.length * 2)
      larger.set(this.#data)
      this.#data = larger
    }
    return row
  }

  release(row: number): void {
    this.#free.push(row)
  }

  /** The sums alone. */
  copy(from: number, to: number): void {
    // Loops: for so few numbers the built-in ones take several times as long.
    const data = this.#data
    const idle = data[to + IDLE]!
    for (let i = PRICED; i < ROW; i++) data[to + i] = data[from + i]!
    data[to + IDLE] = idle
  }

  clear(row: number): void {
    const data = this.#data
    const idle = data[row + IDLE]!
    for (let i = PRICED; i < ROW; i++) data[row + i] = 0
    data[row + IDLE] = idle
  }

  from(row: number): number {
    return this.#data[row + FROM]!
  }

  until(row: number): number {
    return this.#data[row + UNTIL]!
  }

  endAt(row: number, until: number): void {
    this.#data[row + UNTIL] = until
  }

  holds(row: number, place: number): boolean {
    return place >= this.#data[row + FROM]! && place < this.#data[row + UNTIL]!
  }

  /** Adds the trade that stands at a place of the log, by its rule (`saleRule`, of days shifted). */
  add(row: number, rows: Float64Array, at: number, rule: number): void {
    const data = this.#data
    const price = rows[at + LOG_PRICE]!
    if ((rule & VOLUME) !== 0) {
      const size = rows[at + LOG_SIZE]!
      data[row + COUNT]!++
      if ((rule & RANGE) !== 0) {
        sum(data, row + UNITS, row + UNITS_LOST, size)
        sum(data, row + MONEY, row + MONEY_LOST, price * size)
      } else sum(data, row + ODD, row + ODD_LOST, size)
    }
    const prices = rule & PRICES
    if (prices === 0) return
    const priced = data[row + PRICED]!
    if (priced === UNPRICED) {
      data[row + PRICED] = prices === PRICES ? FULLY : FIRST
      data[row + HIGH] = data[row + LOW] = price
      set(data, row + OPEN, row + OPEN_AT, rows, at)
      set(data, row + CLOSE, row + CLOSE_AT, rows, at)
      return
    }
    if (price > data[row + HIGH]!) data[row + HIGH] = price
    else if (price < data[row + LOW]!) data[row + LOW] = price
    if (prices === PRICES && priced === FULLY) {
      if (!isBefore(data, row + CLOSE_AT, rows, at)) {
        set(data, row + CLOSE, row + CLOSE_AT, rows, at)
      } else if (isBefore(data, row + OPEN_AT, rows, at)) {
        set(data, row + OPEN, row + OPEN_AT, rows, at)
      }
      return
    }
    const first = isBefore(data, row + OPEN_AT, rows, at)
    if (first) set(data, row + OPEN, row + OPEN_AT, rows, at)
    if (prices === PRICES) data[row + PRICED] = FULLY
    else if (!first || priced === FULLY) return
    set(data, row + CLOSE, row + CLOSE_AT, rows, at)
  }

  /** Adds what another row holds, which is priced fully or not at all: the same as adding its trades one by one. */
  pour(from: number, to: number): void {
    const data = this.#data
    data[to + COUNT]! += data[from + COUNT]!
    pourTotal(data, from, to, UNITS, UNITS_LOST)
    pourTotal(data, from, to, ODD, ODD_LOST)
    pourTotal(data, from, to, MONEY, MONEY_LOST)
    if (data[from + PRICED] === UNPRICED) return
    const priced = data[to + PRICED]!
    data[to + PRICED] = FULLY
    const [high, low] = [data[from + HIGH]!, data[from + LOW]!]
    if (priced === UNPRICED || high > data[to + HIGH]!) data[to + HIGH] = high
    if (priced === UNPRICED || low < data[to + LOW]!) data[to + LOW] = low
    if (priced === UNPRICED || comesBefore(data, from + OPEN_AT, to + OPEN_AT)) {
      data[to + OPEN] = data[from + OPEN]!
      copyTime(data, from + OPEN_AT, to + OPEN_AT)
    }
    if (priced !== FULLY || !comesBefore(data, from + CLOSE_AT, to + CLOSE_AT)) {
      data[to + CLOSE] = data[from + CLOSE]!
      copyTime(data, from + CLOSE_AT, to + CLOSE_AT)
    }
  }

  /** Trades that count for volume. */
  count(row: number): number {
    return this.#data[row + COUNT]!
  }

  /** Whether there is a price. */
  isPriced(row: number): boolean {
    return this.#data[row + PRICED] !== UNPRICED
  }

  prices(row: number): Prices {
    const data = this.#data
    return {
      open: data[row + OPEN]!,
      high: data[row + HIGH]!,
      low: data[row + LOW]!,
      close: data[row + CLOSE]!,
    }
  }

  volume(row: number): number {
    const data = this.#data
    const lost = data[row + UNITS_LOST]! + data[row + ODD_LOST]!
    return data[row + UNITS]! + data[row + ODD]! + lost
  }

  /** Money of the trades that count for price. */
  turnover(row: number): number {
    return this.#data[row + MONEY]! + this.#data[row + MONEY_LOST]!
  }

  /** `undefined` while there is no price. */
  vwap(row: number): number | undefined {
    const data = this.#data
    const units = data[row + UNITS]! + data[row + UNITS_LOST]!
    if (!this.isPriced(row) || units === 0) return undefined
    // Rounding may push a quotient of sums past prices that are all the same.
    return Math.min(data[row + HIGH]!, Math.max(data[row + LOW]!, this.turnover(row) / units))
  }
}

/** Takes price and time of a trade over; `time` is the first of four places. */
function set(
  data: Float64Array,
  place: number,
  time: number,
  rows: Float64Array,
  at: number,
): void {
  data[place] = rows[at + LOG_PRICE]!
  data[time] = rows[at + LOG_MS]!
  data[time + 1] = rows[at + LOG_NANOS]!
  data[time + 2] = rows[at + LOG_EXCHANGE]!
  data[time + 3] = rows[at + LOG_ID]!
}

/** Whether a trade is before the one whose time stands at a place. */
function isBefore(data: Float64Array, time: number, rows: Float64Array, at: number): boolean {
  const ms = rows[at + LOG_MS]!
  if (ms !== data[time]!) return ms < data[time]!
  const nanos = rows[at + LOG_NANOS]!
  if (nanos !== data[time + 1]!) return nanos < data[time + 1]!
  const [id, other] = [rows[at + LOG_ID]!, data[time + 3]!]
  // Without ids, what came first is first.
  if (Number.isNaN(id) || Number.isNaN(other)) return false
  const exchange = rows[at + LOG_EXCHANGE]!
  return exchange === data[time + 2]! ? id < other : exchange < data[time + 2]!
}

/** As {@link isBefore}, of two times in rows of sums. */
function comesBefore(data: Float64Array, one: number, other: number): boolean {
  if (data[one] !== data[other]) return data[one]! < data[other]!
  if (data[one + 1] !== data[other + 1]) return data[one + 1]! < data[other + 1]!
  const [id, otherId] = [data[one + 3]!, data[other + 3]!]
  if (Number.isNaN(id) || Number.isNaN(otherId)) return false
  return data[one + 2] === data[other + 2] ? id < otherId : data[one + 2]! < data[other + 2]!
}

function copyTime(data: Float64Array, from: number, to: number): void {
  for (let i = 0; i < 4; i++) data[to + i] = data[from + i]!
}

function pourTotal(data: Float64Array, from: number, to: number, total: number, lost: number) {
  sum(data, to + total, to + lost, data[from + total]!)
  data[to + lost]! += data[from + lost]!
}

/** Adds to a total, and what rounding takes from that to another place (Knuth's TwoSum). */
function sum(data: Float64Array, place: number, lostAt: number, value: number): void {
  const total = data[place]!
  const next = total + value
  const part = next - total
  data[place] = next
  const lost = total - (next - part) + (value - part)
  if (lost !== 0) data[lostAt]! += lost
}

const LETTERS = 7

/**
 * A name as a number: that of one letter, which it mostly is, a small one; longer names in their order behind all of
 * these, exact to seven letters.
 */
export function exchangeCode(exchange: string | undefined): number {
  if (exchange === undefined || exchange === '') return 0
  if (exchange.length === 1) return exchange.charCodeAt(0)
  let code = 1
  for (let i = 0; i < LETTERS; i++) {
    code = code * 128 + (i < exchange.length ? exchange.charCodeAt(i) & 127 : 0)
  }
  return code
}

/** A volume as it is shown: sums of coin sizes carry dust beyond what any venue writes. */
export function tidy(sum: number): number {
  return Number.isInteger(sum) ? sum : Number(sum.toPrecision(15))
}
