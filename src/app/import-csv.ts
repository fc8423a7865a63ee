/** A record of a CSV file. */
export interface CsvRecord {
  /** The line it begins on, from 1. */
  readonly line: number
  readonly cells: readonly string[]
  /** Why it cannot be read: a quote that is never closed. */
  readonly fault?: string
}

/** What stands between cells, most usual first. */
const SEPARATORS = [',', ';', '\t', '|'] as const
/** A quote that is not closed so far on never will be, characters. */
const LONGEST = 1 << 20

/** What separates the cells of a first line. */
export function separatorOf(line: string): string {
  let best: string = ','
  let most = 0
  for (const separator of SEPARATORS) {
    const count = line.split(separator).length
    if (count > most) [best, most] = [separator, count]
  }
  return best
}

/**
 * Records of a CSV text as RFC 4180 has them, whatever ends its lines and separates its cells; empty lines are none. Pieces may
 * end anywhere.
 */
export async function* readCsv(
  pieces: AsyncIterable<string>,
  separator?: string,
): AsyncGenerator<CsvRecord[]> {
  let rest = ''
  let line = 1
  let between = separator
  let isFirst = true
  for await (const piece of pieces) {
    rest += isFirst ? piece.replace(/^\uFEFF/, '') : piece
    isFirst = false
    if (between === undefined) {
      const end = rest.search(/[\r\n]/)
      if (end < 0) continue
      between = separatorOf(rest.slice(0, end))
    }
    const { records, from, nextLine } = split(rest, between, line, false)
    rest = rest.slice(from)
    line = nextLine
    if (records.length > 0) yield records
  }
  const { records } = split(rest, between ?? separatorOf(rest), line, true)
  if (records.length > 0) yield records
}

interface Split {
  readonly records: CsvRecord[]
  /** Where what is not read yet begins. */
  readonly from: number
  readonly nextLine: number
}

function split(text: string, separator: string, firstLine: number, isLast: boolean): Split {
  const records: CsvRecord[] = []
  let [at, line] = [0, firstLine]
  for (;;) {
    // Where it ends decides whether a line end is one: a `\r` at the end may be half of one.
    const end = isLast ? text.length : text.length - 1
    const record = at < text.length ? recordAt(text, at, separator, end, isLast) : undefined
    if (!record) return { records, from: at, nextLine: line }
    const { cells, next, lines, fault } = record
    if (cells.length > 1 || cells[0] !== '' || fault) {
      records.push({ line, cells, ...(fault !== undefined && { fault }) })
    }
    line += lines
    at = next
  }
}

interface Found {
  readonly cells: string[]
  readonly next: number
  readonly lines: number
  readonly fault?: string
}

function recordAt(
  text: string,
  start: number,
  separator: string,
  end: number,
  isLast: boolean,
): Found | undefined {
  const cells: string[] = []
  let at = start
  let lines = 1
  for (;;) {
    let cell: string
    if (text[at] === '"') {
      const close = closingQuote(text, at + 1)
      if (close < 0 || (close >= end && !isLast)) {
        if (!isLast && text.length - start < LONGEST) return undefined
        // What follows is read as if the line had ended properly.
        const stop = lineEnd(text, start)
        const fault = 'a quote in it is not closed'
        return { cells: [text.slice(start, stop)], ...behind(text, stop), lines: 1, fault }
      }
      const inside = text.slice(at + 1, close)
      for (const letter of inside) if (letter === '\n') lines++
      cell = inside.replaceAll('""', '"')
      at = close + 1
      // Something behind a closing quote belongs to the cell, as most programs take it.
      const more = cellEnd(text, at, separator)
      cell += text.slice(at, more)
      at = more
    } else {
      const stop = cellEnd(text, at, separator)
      cell = text.slice(at, stop)
      at = stop
    }
    cells.push(cell)
    if (at >= text.length) {
      return isLast ? { cells, next: text.length, lines } : undefined
    }
    if (text[at] === separator) {
      at++
      continue
    }
    if (at >= end && !isLast) return undefined
    return { cells, ...behind(text, at), lines }
  }
}

function closingQuote(text: string, from: number): number {
  for (let at = from; ; at += 2) {
    at = text.indexOf('"', at)
    if (at < 0 || text[at + 1] !== '"') return at
  }
}

function cellEnd(text: string, from: number, separator: string): number {
  let at = from
  while (at < text.length && text[at] !== separator && text[at] !== '\n' && text[at] !== '\r') at++
  return at
}

function lineEnd(text: string, from: number): number {
  let at = from
  while (at < text.length && text[at] !== '\n' && text[at] !== '\r') at++
  return at
}

/** Behind a line end. */
function behind(text: string, at: number): { next: number } {
  return { next: text[at] === '\r' && text[at + 1] === '\n' ? at + 2 : at + 1 }
}
