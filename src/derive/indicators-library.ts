import { ATR, BollingerBands as Bands, EMA, MACD, RSI, SMA, WSMA } from 'trading-signals'
import { TickwireError } from '../base/errors.ts'
import {
  badSnapshot,
  checkNames,
  checkPeriod,
  type Indicator,
  type IndicatorSnapshot,
  nothingToReplace,
  opened,
  type PriceInput,
  usable,
} from './indicators-contract.ts'

/** What an indicator reads of a bar, where the close is not all. */
export interface HighLowClose {
  readonly high: number
  readonly low: number
  readonly close: number
}

export interface BollingerBands {
  readonly lower: number
  /** The moving average. */
  readonly middle: number
  readonly upper: number
}

export interface MacdOptions {
  /** @default 12 */
  readonly short?: number
  /** @default 26 */
  readonly long?: number
  /** @default 9 */
  readonly signal?: number
}

export interface MacdValue {
  /** Short average less long average. */
  readonly macd: number
  /** Average of `macd`. */
  readonly signal: number
  /** `macd` less `signal`. */
  readonly histogram: number
}

/** What is asked of the library. */
interface Engine<K, V> {
  update(input: K, replace: boolean): V | null
}

/** An average that goes on from its own last value, which no number of inputs gives back. */
interface Recursion {
  /** Its value before the last input. */
  before: number | undefined
}

interface Made<K, V> {
  readonly engine: Engine<K, V>
  readonly recursions: readonly Recursion[]
}

/** What a snapshot holds. `null` is a recursion that has not begun. */
interface State {
  readonly inputs: readonly unknown[]
  readonly before: readonly (number | null)[]
}

/**
 * An indicator of the library with what it takes to build it again: the last inputs, which bring windows and counters
 * up to where they were, and of each recursion the value before the last input, from which that input gives the last.
 */
abstract class LibraryIndicator<I, K, V> implements Indicator<I, V> {
  readonly name: string
  readonly needs: number
  readonly #make: () => Made<K, V>
  #made: Made<K, V>
  #inputs: K[] = []
  #count = 0
  #value: V | undefined

  constructor(name: string, needs: number, make: () => Made<K, V>) {
    this.name = name
    this.needs = needs
    this.#make = make
    this.#made = make()
  }

  get count(): number {
    return this.#count
  }

  get ready(): boolean {
    return this.#count >= this.needs
  }

  get value(): V | undefined {
    return this.ready ? this.#value : undefined
  }

  update(input: I): V | undefined {
    const kept = this.read(input)
    this.#inputs.push(kept)
    // One more than needed: the library starts a Wilder average from a whole window, and may have to do so again.
    if (this.#inputs.length > this.needs + 1) this.#inputs.shift()
    this.#count++
    return this.#give(kept, false)
  }

  replace(input: I): V | undefined {
    if (this.#count === 0) throw nothingToReplace(this.name)
    const kept = this.read(input)
    this.#inputs[this.#inputs.length - 1] = kept
    return this.#give(kept, true)
  }

  snapshot(): IndicatorSnapshot {
    const before = this.#made.recursions.map(one => one.before ?? null)
    const state: State = { inputs: [...this.#inputs], before }
    return { indicator: this.name, count: this.#count, state }
  }

  restore(snapshot: IndicatorSnapshot): void {
    const { count, state } = opened(this.name, snapshot)
    const { inputs, before } = this.#stateOf(state, count)
    const made = this.#make()
    for (const input of inputs) made.engine.update(input, false)
    made.recursions.forEach((one, i) => {
      // One that has not begun has been given all inputs there were.
      if (before[i] !== null) one.before = before[i]
    })
    this.#made = made
    this.#inputs = inputs
    this.#count = count
    if (count > 0) this.#give(inputs.at(-1)!, true)
    else this.#value = undefined
  }

  /** What is handed to the library, and kept. @throws BAD_OPTION */
  protected abstract read(input: I): K
  /** The same for what stands in a snapshot. */
  protected abstract readKept(kept: unknown): K

  #give(input: K, replace: boolean): V | undefined {
    this.#value = this.#made.engine.update(input, replace) ?? undefined
    return this.value
  }

  #stateOf(state: unknown, count: number): { inputs: K[]; before: readonly (number | null)[] } {
    const { inputs, before } = (state ?? {}) as Partial<State>
    const expected = Math.min(count, this.needs + 1)
    if (!Array.isArray(inputs) || inputs.length !== expected) {
      throw badSnapshot(this.name, `it does not hold the last ${expected} inputs`)
    }
    const fits = (value: unknown) => value === null || Number.isFinite(value)
    if (before?.length !== this.#made.recursions.length || !before.every(fits)) {
      throw badSnapshot(this.name, 'an average is missing')
    }
    return { inputs: inputs.map(input => this.readKept(input)), before }
  }
}

/** Of closes, or of whatever numbers it is fed. */
abstract class PriceIndicator<V> extends LibraryIndicator<PriceInput, number, V> {
  protected override read(input: PriceInput): number {
    if (typeof input === 'number') return usable(this.name, 'the value', input)
    return usable(this.name, 'close', input?.close)
  }

  protected override readKept(kept: unknown): number {
    return usable(this.name, 'an input of the snapshot', kept)
  }
}

class Exponential extends EMA implements Recursion {
  get before(): number | undefined {
    return this.previousResult
  }

  set before(value: number) {
    this.previousResult = value
  }
}

class Wilder extends WSMA implements Recursion {
  get before(): number | undefined {
    return this.previousResult
  }

  set before(value: number) {
    this.previousResult = value
  }
}

/** Runs `make` with a class of Wilder averages, and returns those it has made besides. */
function withWilder<K, V>(make: (smoothing: typeof Wilder) => Engine<K, V>): Made<K, V> {
  const recursions: Wilder[] = []
  class Noted extends Wilder {
    constructor(period: number) {
      super(period)
      recursions.push(this)
    }
  }
  return { engine: make(Noted), recursions }
}

/** Simple moving average: the mean of the last `period` closes. */
export class Sma extends PriceIndicator<number> {
  /** @throws BAD_OPTION for a period that is no whole number above 0 */
  constructor(period: number) {
    checkPeriod('sma', 'period', period)
    super(`sma(${period})`, period, () => ({ engine: new SMA(period), recursions: [] }))
  }
}

/**
 * Exponential moving average: the latest close counts 2 / (period + 1), what was before the rest. It starts from the first
 * close, which counts about 15 % when there is a value, and fades from there.
 */
export class Ema extends PriceIndicator<number> {
  /** @throws BAD_OPTION for a period that is no whole number above 0 */
  constructor(period: number) {
    checkPeriod('ema', 'period', period)
    super(`ema(${period})`, period, () => {
      const engine = new Exponential(period)
      return { engine, recursions: [engine] }
    })
  }
}

/**
 * Relative strength index, 0–100, with Wilder's smoothing: `period` changes, so one close more. 100 where nothing has
 * fallen, also where nothing has moved.
 */
export class Rsi extends PriceIndicator<number> {
  /** @throws BAD_OPTION for a period that is no whole number above 1 */
  constructor(period = 14) {
    checkPeriod('rsi', 'period', period, 2)
    super(`rsi(${period})`, period + 1, () => withWilder(smoothing => new RSI(period, smoothing)))
  }
}

/**
 * Moving average convergence divergence, of exponential averages. There is a value when the signal has had as many of `macd`
 * as it averages: after `long + signal − 1` closes.
 */
export class Macd extends PriceIndicator<MacdValue> {
  /**
   * @throws BAD_OPTION for a period that is no whole number above 0, a short one that is not below the long one, and an option
   * it does not have
   */
  constructor(options: MacdOptions = {}) {
    checkNames('macd', options, ['short', 'long', 'signal'])
    const { short = 12, long = 26, signal = 9 } = options
    checkPeriod('macd', 'short', short)
    checkPeriod('macd', 'long', long)
    checkPeriod('macd', 'signal', signal)
    if (short >= long) {
      throw new TickwireError('BAD_OPTION', `macd: short is ${short}, long is ${long}`, {
        hint: 'The short average is the one of fewer bars.',
      })
    }
    super(`macd(${short},${long},${signal})`, long + signal - 1, () => {
      const averages = [short, long, signal].map(period => new Exponential(period))
      const [first, second, third] = averages as [Exponential, Exponential, Exponential]
      return { engine: new MACD(first, second, third), recursions: averages }
    })
  }
}

/**
 * Bollinger bands: the mean of the last `period` closes, and `deviations` standard deviations (of the population: divided by
 * `period`) below and above.
 */
export class Bollinger extends PriceIndicator<BollingerBands> {
  /** @throws BAD_OPTION for a period that is no whole number above 0, and for deviations that are not above 0 */
  constructor(period = 20, deviations = 2) {
    checkPeriod('bollinger', 'period', period)
    if (!(usable('bollinger', 'deviations', deviations) > 0)) {
      throw new TickwireError('BAD_OPTION', `bollinger: deviations is ${deviations}`, {
        hint: 'Give a number above 0, as in new Bollinger(20, 2).',
      })
    }
    super(`bollinger(${period},${deviations})`, period, () => ({
      engine: new Bands(period, deviations),
      recursions: [],
    }))
  }
}

/** Average true range of bars, with Wilder's smoothing. The first bar's range is its high less its low. */
export class Atr extends LibraryIndicator<HighLowClose, HighLowClose, number> {
  /** @throws BAD_OPTION for a period that is no whole number above 0 */
  constructor(period = 14) {
    checkPeriod('atr', 'period', period)
    super(`atr(${period})`, period, () => withWilder(smoothing => new ATR(period, smoothing)))
  }

  protected override read(bar: HighLowClose): HighLowClose {
    const number = (what: 'high' | 'low' | 'close') => usable(this.name, what, bar?.[what])
    const kept = { high: number('high'), low: number('low'), close: number('close') }
    if (kept.high >= kept.low) return kept
    throw new TickwireError(
      'BAD_OPTION',
      `${this.name}: high ${kept.high} is below low ${kept.low}`,
    )
  }

  protected override readKept(kept: unknown): HighLowClose {
    return this.read(kept as HighLowClose)
  }
}
