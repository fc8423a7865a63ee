import { age } from '../board.ts'
import { cutLine, type Paint } from '../rows.ts'
import type { TapeLine, WatchDesk, WatchLine } from './watch-desk.ts'

export const PANES = ['list', 'book', 'tape', 'health'] as const
export type Pane = (typeof PANES)[number]

export interface PictureView {
  readonly width: number
  readonly height: number
  readonly paint: Paint
  /** Nothing but letters of the keyboard. */
  readonly isAscii: boolean
  /** The gateway's clock, epoch ms. */
  readonly now: number
  readonly banner: string | undefined
  readonly url: string
  /** Where there is no room for all. */
  readonly pane: Pane
  readonly isLocal: boolean
  /** What is being typed, or stands at the foot. */
  readonly prompt: string | undefined
  readonly isHelp: boolean
}

/** As wide as all panes take side by side. */
const BOTH_FROM = 76
const RIGHT = 33
const SOURCES = 4

export const HELP = [
  ['Up Down, k j', 'the symbol above, below'],
  ['/', 'a symbol more'],
  ['Delete, d', 'take the symbol off'],
  ['Tab', 'the next pane, where there is no room for all'],
  ['z', 'times in UTC or of this machine'],
  ['c', 'colours of up and down'],
  ['', '% and volume count what was seen since this began'],
  ['?', 'this'],
  ['Esc', 'closes what is open'],
  ['q, Ctrl-C', 'ends'],
] as const

/** The lines of the whole terminal. */
export function picture(desk: WatchDesk, view: PictureView): string[] {
  const { width, height, paint, isAscii } = view
  const head = headOf(desk, view)
  const room = Math.max(1, height - head.length - 1)
  const body = view.isHelp ? helpLines(paint) : bodyOf(desk, view, room)
  const lines = [...head, ...body.slice(0, room)]
  while (lines.length < height - 1) lines.push('')
  lines.push(paint.dim(view.prompt ?? '? keys  / symbol  q ends'))
  return lines.slice(-height).map(line => cutLine(isAscii ? plainLetters(line) : line, width))
}

function headOf(desk: WatchDesk, { paint, banner, url, now, isLocal }: PictureView): string[] {
  const { status, trouble } = desk
  const words = {
    open: 'connected',
    connecting: 'connecting',
    waiting: 'no connection',
    closed: 'closed',
  }
  const zone = isLocal ? '' : ' UTC'
  return [
    ...(banner ? [paint.alarm(` ${banner} `)] : []),
    `${paint.bold('tickwire')} · ${url} · ${words[status]} · ${timeOf(now, isLocal).slice(0, 8)}${zone}`,
    ...(trouble === undefined ? [] : [paint.alarm(` ${trouble} `)]),
  ]
}

function bodyOf(desk: WatchDesk, view: PictureView, room: number): string[] {
  const { width } = view
  if (width < BOTH_FROM) return panes(desk, view, width, room)[view.pane]()
  const left = width - RIGHT - 3
  const sources = Math.min(SOURCES, Math.max(1, desk.sources.length)) + 1
  const upper = room - sources
  const bookRoom = Math.min(15, Math.ceil(room * 0.6))
  const of = (columns: number, lines: number) => panes(desk, view, columns, lines)
  const lefts = [
    ...filled(of(left, upper).list(), upper),
    ...filled(of(left, sources).health(), sources),
  ]
  const rights = [
    ...filled(of(RIGHT, bookRoom).book(), bookRoom),
    ...filled(of(RIGHT, room - bookRoom).tape(), room - bookRoom),
  ]
  return lefts.map((line, i) => `${fit(line, left)} ${view.paint.dim('│')} ${rights[i] ?? ''}`)
}

const panes = (desk: WatchDesk, view: PictureView, width: number, room: number) => ({
  list: () => listLines(desk, view, width, room),
  book: () => bookLines(desk, view, room),
  tape: () => tapeLines(desk, view, width, room),
  health: () => healthLines(desk, view),
})

interface Column {
  readonly name: string
  readonly width: number
  text(line: WatchLine): string
}

function listLines(desk: WatchDesk, view: PictureView, width: number, room: number): string[] {
  const { paint, now } = view
  const columns: readonly Column[] = [
    { name: 'LAST', width: 12, text: it => `${arrow(it.tick)}${fixed(it.last, it.digits)}` },
    { name: '% SEEN', width: 7, text: percent },
    { name: 'BID', width: 11, text: it => fixed(it.bid, it.digits) },
    { name: 'ASK', width: 11, text: it => fixed(it.ask, it.digits) },
    { name: 'VOL SEEN', width: 9, text: it => short(it.volume) },
  ]
  const named = 10
  const aged = 10
  const shown = columns.filter(
    (_, i) =>
      named + aged + columns.slice(0, i + 1).reduce((sum, it) => sum + it.width + 1, 0) <= width,
  )
  const heading = ['SYMBOL'.padEnd(named), ...shown.map(it => it.name.padStart(it.width))]
  const lines = [paint.dim([...heading, 'AGE'.padStart(aged - 1)].join(' '))]
  const at = Math.max(
    0,
    desk.lines.findIndex(line => line.symbol === desk.focus),
  )
  // The one that is chosen is always to be seen.
  const from = Math.max(0, Math.min(at - Math.floor(room / 2), desk.lines.length - (room - 1)))
  for (const line of desk.lines.slice(from, from + room - 1)) {
    const isChosen = line.symbol === desk.focus
    const name = `${isChosen ? '›' : ' '}${line.symbol}`.slice(0, named).padEnd(named)
    if (line.state === 'refused') {
      lines.push(`${paint.bold(name)} ${paint.alarm(line.note)}`)
      continue
    }
    const cells = shown.map(column => {
      const text = column.text(line).padStart(column.width)
      const sign =
        column.name === 'LAST' ? line.tick : column.name === '% SEEN' ? changeOf(line) : 0
      return sign > 0 ? paint.up(text) : sign < 0 ? paint.down(text) : text
    })
    const row = [isChosen ? paint.bold(name) : name, ...cells, ageOf(line, now).padStart(aged - 1)]
    lines.push(line.state === 'live' ? row.join(' ') : paint.dim(row.join(' ')))
  }
  if (desk.lines.length === 0) lines.push('Nothing on the list: / adds a symbol.')
  return lines
}

function bookLines(desk: WatchDesk, { paint }: PictureView, room: number): string[] {
  const title = paint.dim(`BOOK ${desk.focus ?? ''}`)
  const { book } = desk
  if (typeof book === 'string') return [title, paint.alarm(' unsynced '), book]
  if (book.unsynced) return [title, paint.alarm(' unsynced '), book.unsynced.message]
  const depth = Math.max(1, Math.floor((room - 2) / 2))
  const digits = desk.lines.find(line => line.symbol === desk.focus)?.digits ?? 2
  const [bids, asks] = [book.cumulative('bids', depth), book.cumulative('asks', depth)]
  const most = Math.max(1e-9, ...[...bids, ...asks].map(([, , total]) => total))
  const row = ([price, size, total]: readonly [number, number, number], isBid: boolean) => {
    const bar = '█'.repeat(Math.max(1, Math.round((total / most) * 8))).padEnd(8)
    const color = isBid ? paint.up : paint.down
    return `${color(bar)} ${short(size).padStart(8)} ${color(price.toFixed(digits).padStart(12))}`
  }
  const { spread, mid } = book
  const middle =
    spread === undefined || mid === undefined
      ? 'one side is empty'
      : `spread ${spread.toFixed(digits)} · mid ${mid.toFixed(digits + 1)}`
  return [
    title,
    ...filled([], Math.max(0, depth - asks.length)),
    ...asks.toReversed().map(level => row(level, false)),
    paint.dim(middle),
    ...bids.map(level => row(level, true)),
  ]
}

function tapeLines(desk: WatchDesk, view: PictureView, width: number, room: number): string[] {
  const { paint, isLocal } = view
  const line = desk.lines.find(it => it.symbol === desk.focus)
  const digits = line?.digits ?? 2
  const text = (print: TapeLine) => {
    const at = timeOf(print.at, isLocal)
    if ('text' in print) {
      const words = cutLine(`${at.slice(0, 8)} ${print.text}`, width)
      return print.isGap ? paint.alarm(words) : paint.dim(words)
    }
    const { trade, tick } = print
    const price = `${arrow(tick)}${trade.price.toFixed(digits)}`.padStart(12)
    const colored = tick > 0 ? paint.up(price) : tick < 0 ? paint.down(price) : price
    return `${paint.dim(at.slice(0, 10))} ${colored} ${short(trade.size).padStart(8)}`
  }
  const newest = desk.tape.slice(-Math.max(0, room - 1)).toReversed()
  return [paint.dim(`TRADES ${desk.focus ?? ''}`), ...newest.map(text)]
}

function healthLines(desk: WatchDesk, { paint }: PictureView): string[] {
  const lines = desk.sources.map(({ source, state, reason, lag }) => {
    const word = state === 'live' ? paint.up(state) : paint.alarm(` ${state} `)
    const lags = lag ? ` · lag ${[lag.p50, lag.p95, lag.p99].map(Math.round).join('/')} ms` : ''
    return `${source} ${word}${lags} · ${reason}`
  })
  return [paint.dim('HEALTH'), ...(lines.length > 0 ? lines : ['asking …'])]
}

const helpLines = (paint: Paint) => [
  '',
  ...HELP.map(([keys, what]) => `  ${paint.bold(keys.padEnd(14))} ${what}`),
]

const filled = (lines: readonly string[], count: number) =>
  Array.from({ length: count }, (_, i) => lines[i] ?? '')

/** Exactly so wide; colours take no room. */
function fit(line: string, width: number): string {
  const cut = cutLine(line, width)
  return cut + ' '.repeat(Math.max(0, width - lengthOf(cut)))
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals are spoken to in them
const lengthOf = (text: string) => text.replace(/\x1b\[[\d;]*m/g, '').length

const arrow = (tick: number) => (tick > 0 ? '▲' : tick < 0 ? '▼' : ' ')
const fixed = (value: number | undefined, digits: number) => value?.toFixed(digits) ?? '-'
const changeOf = ({ first, last }: WatchLine) => (last ?? 0) - (first ?? last ?? 0)

function percent(line: WatchLine): string {
  const { first, last } = line
  if (!first || last === undefined) return '-'
  const value = ((last - first) / first) * 100
  const text = Math.abs(value).toFixed(2)
  // What rounds to nothing has no sign.
  return /[1-9]/.test(text) ? `${value > 0 ? '+' : '-'}${text}` : text
}

function short(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`
  if (value >= 1e5) return `${(value / 1e3).toFixed(1)}K`
  return Number(value.toFixed(4)).toLocaleString('en-US')
}

function ageOf({ state, at }: WatchLine, now: number): string {
  const ago = at === undefined ? '-' : age(now - at)
  return state === 'live' || state === 'loading' ? ago : state === 'gap' ? 'gap' : `${state} ${ago}`
}

function timeOf(ms: number, isLocal: boolean): string {
  const date = new Date(ms)
  return new Date(isLocal ? ms - date.getTimezoneOffset() * 60_000 : ms).toISOString().slice(11, 23)
}

const LETTERS: Readonly<Record<string, string>> = {
  ...{ '▲': '^', '▼': 'v', '█': '#', '│': '|', '·': '-', '…': '~', '›': '>', '–': '-' },
}

/** A letter for a letter, so that columns stand. */
const plainLetters = (line: string) =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all that is no ASCII
  line.replace(/[^\x00-\x7f]/g, letter => LETTERS[letter] ?? '?')
