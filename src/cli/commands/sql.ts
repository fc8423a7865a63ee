import { text as readText } from 'node:stream/consumers'
import { TickwireError } from '../../base/errors.ts'
import type { Cell } from '../../store/store.ts'
import { isGivenUp, openPast, type PastFlags, runTask } from '../asking.ts'
import type { Surroundings } from '../config.ts'
import { type Screen, say, screenOf } from '../console.ts'
import { amount } from '../rows.ts'
import { csvHead, csvRows, jsonRows, type TableColumn, TablePrinter } from '../table.ts'

export interface SqlFlags extends PastFlags {
  readonly json?: boolean
  readonly csv?: boolean
}

/** `tickwire sql`: one statement that reads. Resolves with the exit code. */
export async function sql(
  words: readonly string[],
  flags: SqlFlags,
  around: Surroundings,
): Promise<number> {
  const format = formatOf(flags)
  const screen = screenOf(around)
  const given = words.join(' ')
  return runTask(flags, async (run, output) => {
    const statement = given === '-' ? await readText(process.stdin) : given
    if (statement.trim() === '') {
      throw new TickwireError('BAD_OPTION', 'there is no statement', {
        hint: 'Give one in quotes, as in `tickwire sql "select count(*) from trades"`, or - to read it from stdin.',
      })
    }
    const { past } = await openPast(flags, around, { signal: run.signal })
    let count = 0
    try {
      const { columns, rows } = await past.sql(statement, { signal: run.signal })
      const write = writerOf(format, columns, screen)
      const head = write([])
      if (head) await output.put(head)
      for await (const batch of rows) {
        if (run.signal.aborted) return
        count += batch.length
        await output.put(write(batch))
      }
      await output.flush()
      if (screen.tty && format === undefined) say(count === 1 ? '1 row' : `${amount(count)} rows`)
    } catch (error) {
      if (!(run.signal.aborted && isGivenUp(error))) throw withCaret(error)
    } finally {
      await past.close()
    }
    return 0
  })
}

export type RowFormat = 'json' | 'csv' | undefined

/** @throws BAD_OPTION for both at once */
export function formatOf({ json, csv }: { json?: boolean; csv?: boolean }): RowFormat {
  if (json && csv) {
    throw new TickwireError('BAD_OPTION', '--json and --csv exclude each other', {
      hint: 'Leave one of them out.',
    })
  }
  return json ? 'json' : csv ? 'csv' : undefined
}

function writerOf(
  format: RowFormat,
  columns: readonly TableColumn[],
  screen: Screen,
): (rows: readonly (readonly Cell[])[]) => string {
  if (format === 'csv') {
    let head: string | undefined = csvHead(columns)
    return rows => {
      const text = (head ?? '') + csvRows(rows)
      head = undefined
      return text
    }
  }
  if (format === 'json' || !screen.tty) return jsonRows(columns)
  const table = new TablePrinter(columns, screen)
  let isBegun = false
  // As wide as the first rows need, so without any nothing is written yet.
  return rows => {
    if (rows.length === 0 && !isBegun) return ''
    isBegun = true
    return table.write(rows)
  }
}

/** DuckDB's words, its `LINE 1: …` with the caret under it set off below them. */
function withCaret(error: unknown): unknown {
  if (!(error instanceof TickwireError) || error.code !== 'BAD_SQL') return error
  const [first = '', ...rest] = error.message.split('\n')
  const below = rest.filter(line => line.trim() !== '').map(line => `  ${line}`)
  const { hint, cause } = error
  return new TickwireError('BAD_SQL', [first, ...below].join('\n'), {
    cause,
    hint:
      hint ??
      'docs/store.md names the tables and columns; `tickwire store info` shows what is stored.',
  })
}
