import { TickwireError } from '../base/errors.ts'
import type { Calendar, SessionName } from '../market/calendar.ts'
import { sessionOf } from '../market/calendar-book.ts'
import type { Bar } from '../market/events.ts'
import {
  badSnapshot,
  checkNames,
  type Indicator,
  type IndicatorSnapshot,
  nothingToReplace,
  opened,
  shown,
  usable,
} from './indicators-contract.ts'

export interface SessionVwapOptions {
  /** Hours of the market. @default those of each bar's symbol and source, by `calendarOf` */
  readonly calendar?: Calendar
  /** Whose bars count. @default ['regular'] */
  readonly sessions?: readonly SessionName[]
}

export type VwapInput = Pick<
  Bar,
  'symbol' | 'source' | 'timestamp' | 'high' | 'low' | 'close' | 'volume' | 'vwap'
>

/** What has been traded of one trading day. */
interface Sums {
  readonly day: string | null
  /** Price times volume. */
  readonly amount: number
  readonly volume: number
}

/** Of a trading day: nothing that lies in closed hours would ever count. */
const NAMES: readonly SessionName[] = ['pre', 'regular', 'break', 'post', 'overnight']

const NOTHING: Sums = { day: null, amount: 0, volume: 0 }

/**
 * Volume-weighted average price since the trading day's session began, of bars of one symbol that are shorter than
 * it (`1m`; a daily bar lies in no session). A bar's own `vwap` counts, or else the mean of high, low and close.
 * It is `undefined` from the first bar of a new trading day until something has been traded in one of the sessions; bars of
 * others, of closed hours and of earlier days change nothing else.
 */
export class SessionVwap implements Indicator<VwapInput, number> {
  readonly name: string
  readonly needs = 1
  readonly #calendar: Calendar | undefined
  readonly #sessions: readonly SessionName[]
  #before = NOTHING
  #sums = NOTHING
  #count = 0

  /** @throws BAD_OPTION for an empty list of sessions, a name that is none, and an option it does not have */
  constructor(options: SessionVwapOptions = {}) {
    checkNames('session-vwap', options, ['calendar', 'sessions'])
    const { calendar, sessions = ['regular'] } = options
    const stray = sessions.find(name => !NAMES.includes(name))
    if (sessions.length === 0 || stray !== undefined) {
      const what = stray === undefined ? 'no sessions' : `no session is called ${shown(stray)}`
      const hint = `Choose from ${NAMES.join(', ')}, as in { sessions: ['pre', 'regular', 'post'] }.`
      throw new TickwireError('BAD_OPTION', `session-vwap: ${what}`, { hint })
    }
    this.#calendar = calendar
    this.#sessions = [...sessions]
    this.name = `session-vwap(${[calendar?.id ?? 'by symbol', ...sessions].join(',')})`
  }

  get count(): number {
    return this.#count
  }

  get ready(): boolean {
    return this.#sums.volume > 0
  }

  get value(): number | undefined {
    return this.ready ? this.#sums.amount / this.#sums.volume : undefined
  }

  update(bar: VwapInput): number | undefined {
    const sums = this.#add(this.#sums, bar)
    this.#before = this.#sums
    this.#sums = sums
    this.#count++
    return this.value
  }

  replace(bar: VwapInput): number | undefined {
    if (this.#count === 0) throw nothingToReplace(this.name)
    this.#sums = this.#add(this.#before, bar)
    return this.value
  }

  snapshot(): IndicatorSnapshot {
    const state = { before: this.#before, sums: this.#sums }
    return { indicator: this.name, count: this.#count, state }
  }

  restore(snapshot: IndicatorSnapshot): void {
    const { count, state } = opened(this.name, snapshot)
    const { before, sums } = (state ?? {}) as { before?: unknown; sums?: unknown }
    if (!isSums(before) || !isSums(sums)) throw badSnapshot(this.name, 'its sums are missing')
    this.#before = before
    this.#sums = sums
    this.#count = count
  }

  #add(sums: Sums, bar: VwapInput): Sums {
    const number = (what: 'timestamp' | 'high' | 'low' | 'close' | 'volume') =>
      usable(this.name, what, bar?.[what])
    const volume = number('volume')
    if (volume < 0) throw new TickwireError('BAD_OPTION', `${this.name}: volume is ${volume}`)
    const price =
      bar.vwap === undefined
        ? (number('high') + number('low') + number('close')) / 3
        : usable(this.name, 'vwap', bar.vwap)
    number('timestamp')
    const session = sessionOf(bar, this.#calendar)
    if (!session) {
      throw new TickwireError('BAD_OPTION', `${this.name}: ${bar.symbol} has no known hours`, {
        hint: "Name the calendar: new SessionVwap({ calendar: calendarNamed('us') }).",
      })
    }
    const { day, name } = session
    if (day === undefined || (sums.day !== null && day < sums.day)) return sums
    const today = day === sums.day ? sums : { ...NOTHING, day }
    if (!this.#sessions.includes(name)) return today
    return { day, amount: today.amount + price * volume, volume: today.volume + volume }
  }
}

function isSums(value: unknown): value is Sums {
  const { day, amount, volume } = (value ?? {}) as Partial<Sums>
  const isDay = day === null || typeof day === 'string'
  return isDay && Number.isFinite(amount) && Number.isFinite(volume)
}
