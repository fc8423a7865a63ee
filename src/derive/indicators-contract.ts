import { TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'

/**
 * A technical indicator fed one value after the other, in order of time. It holds what the next value needs and no more,
 * however long it runs.
 */
export interface Indicator<Input, Value> {
  /** Kind and options, as a snapshot of it says them: `rsi(14)`. */
  readonly name: string
  /** How many inputs it takes until there is a value. */
  readonly needs: number
  /** How many it has had; a replacement is none. */
  readonly count: number
  readonly ready: boolean
  /** `undefined` until it is ready: what few inputs would give is no value of this indicator. */
  readonly value: Value | undefined
  /** Takes the next input; returns the value then. @throws BAD_OPTION for what is no usable number; nothing has changed then */
  update(input: Input): Value | undefined
  /**
   * Puts another input in place of the last one, as often as the bar that is forming changes: all is as if only this one had
   * come. @throws BAD_OPTION before the first `update`, and for what is no usable number
   */
  replace(input: Input): Value | undefined
  /** All it knows, as plain data for JSON: at most some more inputs than it needs. */
  snapshot(): IndicatorSnapshot
  /**
   * Goes on where a snapshot was taken, to the last bit as if it had never stopped; what it had before is gone.
   * @throws BAD_OPTION when it is not a snapshot of an indicator with this name; nothing has changed then
   */
  restore(snapshot: IndicatorSnapshot): void
}

/** What {@link Indicator.snapshot} gives: plain data, whole after `JSON.parse(JSON.stringify(…))`. */
export interface IndicatorSnapshot {
  /** The indicator's name. */
  readonly indicator: string
  readonly count: number
  readonly state: unknown
}

/** A price, or a bar, whose close is meant. */
export type PriceInput = number | { readonly close: number }

/** Beyond it, squares and sums could become infinite, which JSON cannot say. */
const LARGEST = 1e100

/** The number, if it is one to reckon with; −0 is 0. @throws BAD_OPTION */
export function usable(name: string, what: string, value: unknown): number {
  if (typeof value === 'number' && Math.abs(value) < LARGEST) return value + 0
  throw new TickwireError('BAD_OPTION', `${name}: ${what} is ${shown(value)}`, {
    hint: 'Leave out what has no value: one that is not a number would spoil all that follow.',
  })
}

/** @throws BAD_OPTION when it is not a whole number, or below `least` */
export function checkPeriod(name: string, what: string, value: unknown, least = 1): void {
  if (Number.isSafeInteger(value) && (value as number) >= least) return
  throw new TickwireError('BAD_OPTION', `${name}: ${what} is ${shown(value)}`, {
    hint: `Give a whole number of bars, ${least} or more.`,
  })
}

/** @throws BAD_OPTION for an option that has none of these names */
export function checkNames(name: string, options: object, names: readonly string[]): void {
  const stray = Object.keys(options).find(option => !names.includes(option))
  if (stray === undefined) return
  throw new TickwireError('BAD_OPTION', `${name} has no option ${stray}`, {
    hint: didYouMean(stray, names),
  })
}

export function nothingToReplace(name: string): TickwireError {
  return new TickwireError('BAD_OPTION', `${name}: replace before the first update`, {
    hint: 'Give the first input with update.',
  })
}

export function badSnapshot(name: string, why: string): TickwireError {
  return new TickwireError('BAD_OPTION', `${name} cannot go on from this snapshot: ${why}`, {
    hint: 'Restore an indicator of the same kind and options, from what snapshot() gave, or feed it anew.',
  })
}

/** The parts of a snapshot, if it is one of `name`. @throws BAD_OPTION */
export function opened(name: string, snapshot: IndicatorSnapshot): IndicatorSnapshot {
  if (typeof snapshot !== 'object' || snapshot === null) throw badSnapshot(name, 'it is none')
  const { indicator, count } = snapshot
  if (indicator !== name) throw badSnapshot(name, `it is one of ${shown(indicator)}`)
  if (!Number.isSafeInteger(count) || count < 0) {
    throw badSnapshot(name, `count is ${shown(count)}`)
  }
  return snapshot
}

export function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
