import { type EventType, fieldsOf, type Level, type MarketEvent } from '../market/events.ts'

/** Colours, or nothing where they are not wanted. */
export interface Paint {
  up(text: string): string
  down(text: string): string
  dim(text: string): string
  bold(text: string): string
  /** For words that must not be missed: SIMULATED. */
  alarm(text: string): string
}

const plain = (text: string) => text
export const sgr = (on: number, off: number) => (text: string) => `\x1b[${on}m${text}\x1b[${off}m`

export function paint(colors: boolean): Paint {
  if (!colors) return { up: plain, down: plain, dim: plain, bold: plain, alarm: plain }
  return {
    up: sgr(32, 39),
    down: sgr(31, 39),
    dim: sgr(2, 22),
    bold: sgr(1, 22),
    alarm: sgr(7, 27),
  }
}

/** A price as people write it: two decimals, more where it has more. */
export function price(value: number | undefined): string {
  if (value === undefined) return '-'
  const text = String(value)
  const digits = text.length - text.indexOf('.') - 1
  return text.includes('e') || (text.includes('.') && digits > 2) ? text : value.toFixed(2)
}

/** A size or volume with thousands separated. */
export function amount(value: number | undefined): string {
  if (value === undefined) return '-'
  return value.toLocaleString('en-US', { maximumFractionDigits: 6 })
}

/** Local time of day: `09:30:00.123`. */
export function timeOfDay(timestamp: number): string {
  const date = new Date(timestamp)
  const two = (n: number) => String(n).padStart(2, '0')
  const ms = String(date.getMilliseconds()).padStart(3, '0')
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`
}

/** Day and time in UTC, in which days are asked for: `2025-06-02 13:30:00.123`. */
export function dayAndTime(timestamp: number): string {
  return new Date(timestamp).toISOString().slice(0, -1).replace('T', ' ')
}

const TIME_WIDTH = 12
const DATED_WIDTH = 23

/** The columns with a heading, but for time and symbol, and the space between all of them. */
const HEADED_WIDTH = 7 + 11 + 10 + 4 * 2

/** A line of at most `width` characters on the screen; sequences that colour take no room and are kept. */
export function cutLine(line: string, width: number): string {
  const parts = line.split(COLORING)
  if (parts.reduce((sum, part, i) => sum + (i % 2 ? 0 : part.length), 0) <= width) return line
  let room = width - 1
  let cut = ''
  parts.forEach((part, i) => {
    if (i % 2) cut += part
    else if (part.length <= room) {
      cut += part
      room -= part.length
    } else if (room >= 0) {
      cut += `${part.slice(0, room)}…`
      room = -1
    }
  })
  return cut
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals are spoken to in them
const COLORING = /(\x1b\[[\d;]*m)/

export interface RowOptions {
  readonly colors: boolean
  /** Said above every screenful; absent for live data. */
  readonly banner: string | undefined
  /** Width and height of the terminal, asked again for every row. */
  readonly width: () => number
  readonly height: () => number
  /** Of the longest symbol expected. */
  readonly symbolWidth: number
  /** Day and time in UTC, for what may be of several days, instead of the local time of day. @default false */
  readonly dated?: boolean
}

/**
 * Writes events as aligned lines, with a heading now and then so that one is always on the screen; the banner
 * stands in it. A price is green when it is above the last one of its symbol, red when below. Nothing wraps: a
 * narrow terminal loses the time first, then what stands at the right.
 */
export class Rows {
  readonly #options: RowOptions
  readonly #paint: Paint
  readonly #last = new Map<string, number>()
  #sinceHeading = Number.POSITIVE_INFINITY

  constructor(options: RowOptions) {
    this.#options = options
    this.#paint = paint(options.colors)
  }

  /** The lines for one event, each with its line end. */
  write(event: MarketEvent): string {
    // The heading takes two lines: one of them must still be there when the next comes.
    const room = Math.max(4, this.#options.height() - 3)
    let text = ''
    if (this.#sinceHeading >= room) {
      text = this.#heading()
      this.#sinceHeading = 0
    }
    this.#sinceHeading++
    return `${text}${cutLine(this.#row(event), this.#options.width())}\n`
  }

  #heading(): string {
    const { banner, symbolWidth } = this.#options
    const width = this.#options.width()
    const { alarm, dim } = this.#paint
    const words = [
      ...(this.#timed
        ? [(this.#options.dated ? 'TIME (UTC)' : 'TIME').padEnd(this.#timeWidth)]
        : []),
      'KIND'.padEnd(7),
      'SYMBOL'.padEnd(symbolWidth),
      'PRICE'.padStart(11),
      'SIZE'.padStart(10),
    ]
    const lines = [...(banner ? [alarm(` ${banner} `)] : []), dim(words.join('  '))]
    return lines.map(line => `${cutLine(line, width)}\n`).join('')
  }

  /** There is room for all columns that have a heading. */
  get #timed(): boolean {
    return this.#options.width() >= HEADED_WIDTH + this.#timeWidth + this.#options.symbolWidth
  }

  get #timeWidth(): number {
    return this.#options.dated ? DATED_WIDTH : TIME_WIDTH
  }

  #row(event: MarketEvent): string {
    const { dim } = this.#paint
    const time = this.#options.dated ? dayAndTime : timeOfDay
    const head = [
      ...(this.#timed ? [dim(time(event.timestamp))] : []),
      event.type.padEnd(7),
      (event.symbol ?? '').padEnd(this.#options.symbolWidth),
    ].join('  ')
    switch (event.type) {
      case 'trade': {
        const rest = [event.exchange, event.conditions?.join(' '), event.side]
        return this.#line(head, event, event.price, event.size, words(rest))
      }
      case 'quote': {
        const ask = `ask ${price(event.ask)} × ${amount(event.askSize)}`
        return this.#line(head, event, event.bid, event.bidSize, `bid   ${ask}`)
      }
      case 'bar': {
        const { open, high, low } = event
        const range = `o ${price(open)}  h ${price(high)}  l ${price(low)}`
        const rest = [event.interval, range, `vwap ${price(rounded(event.vwap))}`]
        return this.#line(head, event, event.close, event.volume, words(rest))
      }
      case 'ticker':
        return this.#line(head, event, event.last, event.lastSize, others(event))
      case 'correction':
      case 'cancel':
      case 'imbalance':
        return this.#line(head, event, event.price, event.size, others(event))
      case 'book': {
        const sides = `${levels('bid', event.bids)}  ${levels('ask', event.asks)}`
        return `${head}  ${dim(`${event.snapshot ? 'whole  ' : ''}${sides}`)}`
      }
      case 'news': {
        const { headline, symbols, publisher } = event
        return `${head}  ${printable(headline)}  ${dim(words([symbols.join(' '), publisher]))}`
      }
      default:
        return `${head}  ${dim(others(event))}`
    }
  }

  #line(
    head: string,
    event: MarketEvent,
    value: number | undefined,
    size: number | undefined,
    rest: string,
  ): string {
    const { up, down, dim } = this.#paint
    const text = price(value).padStart(11)
    let shown = text
    if (value !== undefined) {
      const key = `${event.type} ${event.symbol}`
      const last = this.#last.get(key)
      this.#last.set(key, value)
      if (last !== undefined && value !== last) shown = value > last ? up(text) : down(text)
    }
    return `${head}  ${shown}  ${amount(size).padStart(10)}  ${dim(rest)}`.trimEnd()
  }
}

/** The first of the levels, and how many there are more. */
function levels(side: string, all: readonly Level[]): string {
  const [first, ...more] = all
  if (!first) return `${side} -`
  return `${side} ${price(first[0])} × ${amount(first[1])}${more.length > 0 ? ` +${more.length}` : ''}`
}

/** What a venue wrote, without what a terminal would take for orders. */
const printable = (text: string) => text.replace(/\p{Cc}+/gu, ' ')

const words = (parts: readonly (string | undefined)[]) => parts.filter(Boolean).join('  ')
const rounded = (value: number | undefined) =>
  value === undefined ? undefined : Math.round(value * 1e4) / 1e4

/** Shown in columns of their own, or of no interest to a person. */
const SHOWN = new Set(
  ['type', 'symbol', 'source', 'timestamp', 'nanos', 'receivedAt', 'flags', 'seq'].concat([
    'price',
    'size',
    'last',
    'lastSize',
    'id',
  ]),
)
const OTHER_FIELDS = new Map<EventType, readonly string[]>()

/** The fields of a kind that has no columns of its own, by name. */
function others(event: MarketEvent): string {
  let fields = OTHER_FIELDS.get(event.type)
  if (!fields) {
    fields = fieldsOf(event.type).filter(name => !SHOWN.has(name))
    OTHER_FIELDS.set(event.type, fields)
  }
  const values = event as unknown as Readonly<Record<string, unknown>>
  return fields
    .filter(name => values[name] !== undefined)
    .map(name => `${name} ${printable(String(values[name]))}`)
    .join('  ')
}
