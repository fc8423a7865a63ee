import type { MarketEvent } from '../market/events.ts'
import { amount, paint, price } from './rows.ts'

interface Line {
  first: number | undefined
  last: number | undefined
  previous: number | undefined
  bid: number | undefined
  ask: number | undefined
  volume: number
  trades: number
  /** When anything last came, our clock, epoch ms. */
  seenAt: number
}

export interface BoardView {
  readonly colors: boolean
  readonly width: number
  readonly height: number
  /** Epoch ms, for ages. */
  readonly now: number
  /** What the data is, where it is not live: said in the title. */
  readonly banner: string | undefined
  readonly title: string
  /** At the foot, a line each: the latest word of the engine first. */
  readonly foot: readonly string[]
}

/** The latest of each symbol, as a table of fixed-width lines. Knows nothing of terminals. */
export class Board {
  readonly #lines = new Map<string, Line>()
  readonly #columns: readonly Column[]
  #events = 0

  /** Names shown before anything came for them: of symbols, or where sources are told apart, of both. */
  constructor(names: readonly string[], nameWidth = SYMBOL_WIDTH) {
    this.#columns = COLUMNS.map((column, i) =>
      i > 0
        ? column
        : { ...column, width: nameWidth, text: (name: string) => cut(name, nameWidth) },
    )
    for (const name of names) this.#line(name)
  }

  get events(): number {
    return this.#events
  }

  add(event: MarketEvent, name = event.symbol): void {
    if (event.type === 'notice' || name === undefined) return
    this.#events++
    const line = this.#line(name)
    line.seenAt = event.receivedAt
    if (event.type === 'trade') {
      line.first ??= event.price
      if (event.price !== line.last) line.previous = line.last
      line.last = event.price
      line.volume += event.size
      line.trades++
    } else if (event.type === 'quote') {
      line.bid = event.bid
      line.ask = event.ask
    } else if (event.type === 'ticker' && event.last !== undefined) {
      line.first ??= event.last
      if (event.last !== line.last) line.previous = line.last
      line.last = event.last
    }
  }

  #line(name: string): Line {
    let line = this.#lines.get(name)
    if (!line) {
      line = {
        first: undefined,
        last: undefined,
        previous: undefined,
        bid: undefined,
        ask: undefined,
        volume: 0,
        trades: 0,
        seenAt: 0,
      }
      this.#lines.set(name, line)
    }
    return line
  }

  /** The lines to paint, none wider than the view and together less than its height. */
  render(view: BoardView): string[] {
    const { alarm, bold, dim, up, down } = paint(view.colors)
    const shown = this.#columns.filter(
      (_, index) => widthOf(this.#columns.slice(0, index + 1)) <= view.width,
    )
    const cells = (texts: readonly string[]) =>
      shown.map(({ left, width }, i) =>
        left ? texts[i]!.padEnd(width) : texts[i]!.padStart(width),
      )
    // Title, heading, foot, and the line the cursor waits on.
    const room = Math.max(1, view.height - 3 - view.foot.length - (view.banner ? 1 : 0))
    const all = [...this.#lines]
    const rows = (all.length > room ? all.slice(0, room - 1) : all).map(([symbol, line]) => {
      const change = changeOf(line)
      const texts = cells(shown.map(column => column.text(symbol, line, view.now)))
      return shown
        .map((column, i) => {
          const text = texts[i]!
          const moved =
            column.name === 'LAST' ? (line.last ?? 0) - (line.previous ?? line.last ?? 0) : 0
          const sign = column.name === 'CHANGE' ? change : moved
          return sign > 0 ? up(text) : sign < 0 ? down(text) : text
        })
        .join('  ')
    })
    const more = all.length > room ? [dim(`… and ${all.length - room + 1} more`)] : []
    const heading = dim(cells(shown.map(({ name }) => name)).join('  '))
    return [
      ...(view.banner ? [alarm(cut(` ${view.banner} `, view.width))] : []),
      bold(cut(view.title, view.width)),
      heading,
      ...rows,
      ...more,
      ...view.foot.map(line => dim(cut(line, view.width))),
    ].slice(0, Math.max(1, view.height - 1))
  }
}

interface Column {
  readonly name: string
  readonly width: number
  readonly left?: boolean
  text(symbol: string, line: Line, now: number): string
}

const SYMBOL_WIDTH = 9

/** From the left; a narrow terminal loses the last ones. */
const COLUMNS: readonly Column[] = [
  { name: 'SYMBOL', width: SYMBOL_WIDTH, left: true, text: symbol => cut(symbol, SYMBOL_WIDTH) },
  { name: 'LAST', width: 10, text: (_, { last }) => price(last) },
  {
    name: 'CHANGE',
    width: 8,
    text: (_, line) => {
      if (line.last === undefined) return '-'
      const change = changeOf(line)
      return `${change > 0 ? '+' : ''}${change.toFixed(2)}`
    },
  },
  { name: 'BID', width: 10, text: (_, { bid }) => price(bid) },
  { name: 'ASK', width: 10, text: (_, { ask }) => price(ask) },
  {
    name: 'SPREAD',
    width: 7,
    text: (_, { bid, ask }) =>
      bid === undefined || ask === undefined ? '-' : price(Math.round((ask - bid) * 1e8) / 1e8),
  },
  {
    name: 'VOLUME',
    width: 11,
    text: (_, { volume }) => amount(Math.round(volume * 1e4) / 1e4),
  },
  { name: 'TRADES', width: 9, text: (_, { trades }) => amount(trades) },
  { name: 'AGE', width: 5, text: (_, { seenAt }, now) => (seenAt === 0 ? '-' : age(now - seenAt)) },
]

const widthOf = (columns: readonly Column[]) =>
  columns.reduce((sum, { width }) => sum + width + 2, -2)

function changeOf({ first, last }: Line): number {
  return first === undefined || last === undefined ? 0 : Math.round((last - first) * 1e8) / 1e8
}

/** How long ago: `1.2s`, `45s`, `12m`. */
export function age(ms: number): string {
  if (ms < 10_000) return `${Math.max(0, ms / 1_000).toFixed(1)}s`
  if (ms < 600_000) return `${Math.round(ms / 1_000)}s`
  return `${Math.round(ms / 60_000)}m`
}

const cut = (text: string, width: number) =>
  text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text
