import { TickwireError } from '../base/errors.ts'
import { DAY_MS, MINUTE_MS } from './calendar-dates.ts'

/** Days of offsets kept per zone before they are forgotten and found again. */
const KEPT_DAYS = 8_192

const zones = new Map<string, Zone>()

/** The zone of an IANA name, from `Intl`. Its methods throw BAD_OPTION where `Intl` does not know it. */
export function zoneOf(name: string): Zone {
  let zone = zones.get(name)
  if (!zone) {
    zone = new Zone(name)
    zones.set(name, zone)
  }
  return zone
}

/** Local time of a zone. Costs a map look-up; `Intl` (about 2 µs) is asked twice per UTC day. */
export class Zone {
  readonly #name: string
  #format: Intl.DateTimeFormat | undefined
  /** Offset by UTC day; NaN for a day on which it changes. */
  readonly #offsets = new Map<number, number>()

  constructor(name: string) {
    this.#name = name
  }

  /** What local time is ahead of UTC, ms. */
  offsetAt(ms: number): number {
    const day = Math.floor(ms / DAY_MS)
    let offset = this.#offsets.get(day)
    if (offset === undefined) {
      const first = this.#ask(day * DAY_MS)
      offset = first === this.#ask((day + 1) * DAY_MS) ? first : Number.NaN
      if (this.#offsets.size >= KEPT_DAYS) this.#offsets.clear()
      this.#offsets.set(day, offset)
    }
    return Number.isNaN(offset) ? this.#ask(ms) : offset
  }

  /** The local date at a moment, as a day number. */
  dayAt(ms: number): number {
    return Math.floor((ms + this.offsetAt(ms)) / DAY_MS)
  }

  /** The moment a local clock shows `minute` minutes past midnight of a day; negative is the evening before. */
  momentOf(day: number, minute: number): number {
    const local = day * DAY_MS + minute * MINUTE_MS
    return local - this.offsetAt(local - this.offsetAt(local))
  }

  #ask(ms: number): number {
    // `12/31/1969, GMT-05:00`, with seconds for local mean time, nothing behind GMT for UTC.
    const [, sign, hours = 0, minutes = 0, seconds = 0] =
      /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(this.#formatter().format(ms)) ?? []
    const size = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)
    return size * (sign === '-' ? -1_000 : 1_000)
  }

  /** Made on first use: that takes longer than everything else here. */
  #formatter(): Intl.DateTimeFormat {
    try {
      return (this.#format ??= new Intl.DateTimeFormat('en-US', {
        timeZone: this.#name,
        timeZoneName: 'longOffset',
      }))
    } catch (cause) {
      throw new TickwireError(
        'BAD_OPTION',
        `no time zone is called ${JSON.stringify(this.#name)}`,
        {
          hint: 'Name one as America/New_York.',
          cause,
        },
      )
    }
  }
}
