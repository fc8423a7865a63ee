import { writeFileSync } from 'node:fs'

/** One result: ours against a peer's, measured in the same run. */
export interface Row {
  readonly name: string
  readonly unit: string
  readonly value: number
  readonly peer?: string
  readonly peerValue?: number
  /** How many times better than the peer: above 1 is better, whatever the unit. */
  readonly ratio?: number
  /** (max − min) / median of our samples. */
  readonly spread: number
  readonly rounds: number
  /** The least ratio that is promised. */
  readonly budget?: number
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export function spread(samples: readonly number[]): number {
  return (Math.max(...samples) - Math.min(...samples)) / median(samples)
}

/** Prints the rows and, with a file, writes them as JSON; the last column says whether a budget is met. */
export function report(rows: readonly Row[], file?: string): void {
  const cells = rows.map(row => [
    row.name,
    `${format(row.value)} ${row.unit}`,
    row.peer ? `${row.peer} ${format(row.peerValue ?? 0)}` : '',
    row.ratio === undefined ? '' : `${row.ratio.toFixed(2)}x`,
    `±${Math.round(row.spread * 50)} %`,
    row.budget === undefined ? '' : verdict(row),
  ])
  const head = ['what', 'value', 'against', 'ratio', 'spread', 'budget']
  const widths = head.map((title, i) => Math.max(title.length, ...cells.map(c => c[i]!.length)))
  for (const line of [head, ...cells]) {
    console.log(
      line
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
  }
  if (file) writeFileSync(file, `${JSON.stringify(rows, null, 2)}\n`)
}

function verdict({ ratio = 0, budget = 0 }: Row): string {
  return `${format(budget)}x ${ratio >= budget ? 'met' : 'MISSED'}`
}

const format = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))
