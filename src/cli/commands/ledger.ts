import { ledgerDays, readLedger } from '../../app/ledger-file.ts'
import { TickwireError } from '../../base/errors.ts'
import { Ledger, type LedgerRow } from '../../feed/ledger.ts'
import { loadConfig, type Surroundings } from '../config.ts'
import { say } from '../console.ts'
import { parseSymbols } from '../flags.ts'
import { Output } from '../output.ts'
import { shortPath, tapeFolder } from '../recording.ts'
import { amount } from '../rows.ts'

export interface LedgerFlags {
  readonly day?: string
  readonly tape?: string
  readonly json?: boolean
  readonly config?: string
}

/** `tickwire ledger`: what came on a day, and what became of it. Resolves with the exit code. */
export async function ledger(
  words: readonly string[],
  flags: LedgerFlags,
  around: Surroundings,
): Promise<number> {
  const folder = tapeFolder(loadConfig(around, { file: flags.config }), flags.tape, around)
  const days = await ledgerDays(folder)
  const day = flags.day ?? days.at(-1)
  if (day === undefined || !days.includes(day)) {
    const where = shortPath(folder, around.cwd)
    throw new TickwireError(
      'NO_TAPE',
      `there is no ledger ${day ? `of ${day} ` : ''}beside the tape in ${where}`,
      {
        hint:
          days.length > 0
            ? `There is one of ${days.slice(-5).join(', ')}.`
            : '`tickwire record` and `tickwire up` keep one.',
      },
    )
  }
  const book = new Ledger()
  book.restore(await readLedger(folder, day))
  const symbols = parseSymbols(words)?.map(symbol => symbol.toUpperCase())
  const rows = book.rows().filter(row => !symbols || symbols.includes(row.symbol))
  if (rows.length === 0) say('nothing of these symbols')
  const output = new Output(1, error => {
    if (error) throw error
  })
  output.put(flags.json ? rows.map(row => `${JSON.stringify(row)}\n`).join('') : table(day, rows))
  await output.flush()
  return 0
}

const HEADS = [
  ...(['symbol', 'kind', 'received', 'repaired', 'disordered'] as const),
  ...(['twice', 'refused', 'dropped', 'holes', 'filled', 'left'] as const),
  ...(['lag p50', 'p99', 'max'] as const),
]

function table(day: string, rows: readonly LedgerRow[]): string {
  // Where there is one source only, its name says nothing.
  const named = new Set(rows.map(({ source }) => source)).size > 1
  const cells = [
    [...(named ? ['source'] : []), ...HEADS],
    ...rows.map(row => [...(named ? [row.source] : []), ...cellsOf(row)]),
  ]
  const names = named ? 3 : 2
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map(row => row[column]!.length)))
  // Names stand to the left, numbers to the right.
  const aligned = cells.map(row =>
    row
      .map((cell, i) => (i < names ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  )
  return `${[`ledger of ${day} (UTC)`, ...aligned].join('\n')}\n`
}

function cellsOf(row: LedgerRow): string[] {
  const { symbol, kind, received, repaired, outOfOrder, duplicates, quarantined, dropped } = row
  const { gaps, gapsRepaired, gapsUnrepaired, lag } = row
  const counts = [received, repaired, outOfOrder, duplicates, quarantined, dropped]
  const holes = [gaps, gapsRepaired, gapsUnrepaired]
  const lags = [lag?.p50, lag?.p99, lag?.max].map(duration)
  return [symbol, kind, ...[...counts, ...holes].map(amount), ...lags]
}

function duration(ms: number | undefined): string {
  if (ms === undefined) return '-'
  return Math.abs(ms) < 10_000 ? `${ms.toFixed(1)} ms` : `${(ms / 1_000).toFixed(0)} s`
}
