import { TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import type { Calendar } from '../market/calendar.ts'
import type { Bar } from '../market/events.ts'
import {
  type Alignment,
  type BarSize,
  checkAlignment,
  type ParsedSize,
  parseSize,
} from './bars-interval.ts'

/** A bar that is over. A later one of the same place, with a higher `revision`, replaces it. */
export type FinalBar = Bar & { readonly final: true }
/** A bar as it stands, while its time still runs. */
export type FormingBar = Bar & { readonly final: false }

export interface BarOptions {
  /** One size, or several that are built in one pass. */
  readonly interval: BarSize | readonly BarSize[]
  /**
   * How long after its end a bar waits for trades that are still on their way, ms of tape time. Later ones revise it.
   * @default 1000
   */
  readonly graceMs?: number
  /**
   * How long a final bar can be revised, ms; trades are remembered as long, so that they can be taken back, and those
   * of before and in a hole until it is filled. A bar that still runs takes whatever comes. @default 120000
   */
  readonly reviseMs?: number
  /**
   * `previous`: an interval of the regular session without a price gets a bar of the last close, with `vwap` absent.
   * `none`: no bar is invented. @default 'none'
   */
  readonly fill?: 'none' | 'previous'
  /** Least time between two forming bars of a symbol and size, ms of tape time. @default 250 */
  readonly formingMs?: number
  /** Where bars of a time begin. @default 'clock' */
  readonly align?: Alignment
  /** Of every symbol. @default the one of each symbol, by `calendarOf`; where that is unknown, around the clock in UTC */
  readonly calendar?: Calendar
  /**
   * What the tape time is: when events were `received`, or, for what comes from history all at once, their `venue` time.
   * @default 'received'
   */
  readonly time?: 'received' | 'venue'
}

/** The one table of defaults. */
export const BAR_DEFAULTS: Required<Omit<BarOptions, 'interval' | 'calendar'>> = {
  graceMs: 1_000,
  reviseMs: 120_000,
  fill: 'none',
  formingMs: 250,
  align: 'clock',
  time: 'received',
}

const OPTION_NAMES = [...Object.keys(BAR_DEFAULTS), 'interval', 'calendar']

/** With the defaults in place. */
export type FullBarOptions = typeof BAR_DEFAULTS & Pick<BarOptions, 'interval' | 'calendar'>

/** Takes bars. Without `forming` none of these are made. */
export interface BarHandlers {
  final(bar: FinalBar): void
  forming?(bar: FormingBar): void
}

/** What is known of one trade. */
export interface KnownTrade {
  /** Venue time, epoch ms, and nanoseconds below it. */
  readonly timestamp: number
  readonly nanos: number
  /** It has been taken back. */
  readonly isCanceled: boolean
}

export interface BarStats {
  readonly trades: number
  /** Bars that were sent again, with a higher revision. */
  readonly revisions: number
  /** Trades, corrections and cancels that came when their bar could not be revised any more. */
  readonly tooLate: number
  /** Corrections and cancels whose trade was not found: it had no id, was too old, or has not come. */
  readonly unmatched: number
  /** Trades and corrections left out because their price, size or time is no finite number. */
  readonly malformed: number
}

/** All options, checked. @throws BAD_OPTION for an option that cannot be used */
export function fullOptions(options: BarOptions): FullBarOptions {
  checkOptions(options, OPTION_NAMES)
  return { ...BAR_DEFAULTS, ...withoutAbsent(options) }
}

/** The sizes that are asked for, checked. @throws BAD_OPTION for none, one twice, and one that cannot be used */
export function sizesOf({ interval, align, calendar }: FullBarOptions): ParsedSize[] {
  const sizes = Array.isArray(interval) ? (interval as readonly BarSize[]) : [interval as BarSize]
  if (sizes.length === 0)
    throw bad('interval is an empty list', "Name at least one, as in ['1m', '1d'].")
  const parsed = sizes.map(size => parseSize(size, align))
  const names = parsed.map(size => size.interval)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw bad(`interval names ${twice} twice`, 'Name each size once.')
  if (calendar) for (const size of parsed) checkAlignment(size, align, calendar)
  return parsed
}

/** Words that options of bars take. */
const CHOICES: { readonly [name: string]: readonly string[] } = {
  fill: ['none', 'previous'],
  align: ['clock', 'session'],
  time: ['received', 'venue'],
}
const TIMES: readonly string[] = ['graceMs', 'reviseMs', 'formingMs']

/** Checks what is given of options that have these names. @throws BAD_OPTION for an unknown name, word or time */
export function checkOptions(options: object, names: readonly string[]): void {
  for (const [name, value] of Object.entries(options)) {
    if (!names.includes(name)) {
      throw bad(`bars have no option ${name}`, didYouMean(name, names))
    }
    if (value === undefined) continue
    const words = CHOICES[name]
    if (words && !words.includes(value)) {
      throw bad(`${name} cannot be ${JSON.stringify(value)}`, `Choose one of: ${words.join(', ')}.`)
    }
    if (TIMES.includes(name) && !(Number.isFinite(value) && value >= 0)) {
      throw bad(`${name} is ${value}`, 'Give milliseconds, 0 or more.')
    }
  }
}

function withoutAbsent<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}

function bad(message: string, hint: string): TickwireError {
  return new TickwireError('BAD_OPTION', message, { hint })
}
