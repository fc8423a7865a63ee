import { quotedCell } from '../market/csv.ts'
import type { Cell } from '../store/store.ts'
import { cutLine, paint } from './rows.ts'

/** The widest a column gets while there are others beside it. */
const WIDEST = 48

export interface TableColumn {
  readonly name: string
  /** As SQL calls it. */
  readonly type: string
}

export interface TableOptions {
  readonly colors: boolean
  readonly width: () => number
}

const NUMERIC = /^(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|DOUBLE|FLOAT|REAL|DECIMAL.*)$/i

/** Rows as aligned columns: as wide as the first of them need. Nothing wraps. */
export class TablePrinter {
  readonly #columns: readonly TableColumn[]
  readonly #options: TableOptions
  #widths: readonly number[] | undefined

  constructor(columns: readonly TableColumn[], options: TableOptions) {
    this.#columns = columns
    this.#options = options
  }

  write(rows: readonly (readonly Cell[])[]): string {
    const texts = rows.map(row => row.map(cellText))
    let text = ''
    if (!this.#widths) {
      const most = this.#columns.length === 1 ? Number.POSITIVE_INFINITY : WIDEST
      this.#widths = this.#columns.map(({ name }, i) =>
        texts.reduce(
          (widest, row) => Math.max(widest, Math.min(most, row[i]!.length)),
          name.length,
        ),
      )
      const { dim } = paint(this.#options.colors)
      text = `${this.#cut(dim(this.#line(this.#columns.map(({ name }) => name))))}\n`
    }
    for (const row of texts) text += `${this.#cut(this.#line(row))}\n`
    return text
  }

  #line(cells: readonly string[]): string {
    const padded = cells.map((text, i) => {
      const width = this.#widths![i]!
      const shown = text.length > width && width >= WIDEST ? `${text.slice(0, width - 1)}…` : text
      return NUMERIC.test(this.#columns[i]!.type) ? shown.padStart(width) : shown.padEnd(width)
    })
    return padded.join('  ').trimEnd()
  }

  #cut(line: string): string {
    return cutLine(line, this.#options.width())
  }
}

/** A value as a person reads it; without what a terminal would take for orders. */
function cellText(cell: Cell): string {
  if (cell === null) return '-'
  const text = typeof cell === 'object' ? JSON.stringify(cell) : `${cell}`
  // Nobody reads nine digits of a second that are all 0.
  const short = /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}Z$/.test(text) ? shortTime(text) : text
  return short.replace(/\p{Cc}+/gu, ' ')
}

/** `2025-06-02 13:30:00.123`, with as many digits as say something, in UTC. */
function shortTime(iso: string): string {
  const [second = '', digits = ''] = iso.slice(0, -1).replace('T', ' ').split('.')
  const some = digits.replace(/(?:000)+$/, '')
  return some === '' ? second : `${second}.${some}`
}

/** Rows as CSV: an empty cell is null, an empty text stands in quotes. */
export function csvRows(rows: readonly (readonly Cell[])[]): string {
  return rows.map(row => `${row.map(csvCell).join(',')}\n`).join('')
}

export const csvHead = (columns: readonly TableColumn[]) =>
  `${columns.map(({ name }) => quotedCell(name)).join(',')}\n`

function csvCell(cell: Cell): string {
  if (cell === null) return ''
  if (cell === '') return '""'
  return quotedCell(typeof cell === 'object' ? JSON.stringify(cell) : `${cell}`)
}

/** Rows as one JSON object a line. A second column of the same name is told apart by a number. */
export function jsonRows(
  columns: readonly TableColumn[],
): (rows: readonly (readonly Cell[])[]) => string {
  const seen = new Map<string, number>()
  const keys = columns.map(({ name }) => {
    const times = (seen.get(name) ?? 0) + 1
    seen.set(name, times)
    return JSON.stringify(times === 1 ? name : `${name}_${times}`)
  })
  return rows =>
    rows
      .map(row => `{${row.map((cell, i) => `${keys[i]}:${jsonCell(cell)}`).join(',')}}\n`)
      .join('')
}

/** JSON has no place for NaN and infinity: they are texts, as they would be null without a word. */
function jsonCell(cell: Cell): string {
  return JSON.stringify(cell, (_, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? `${value}` : value,
  )
}
