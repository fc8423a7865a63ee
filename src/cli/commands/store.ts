import { join } from 'node:path'
import { TickwireError } from '../../base/errors.ts'
import { tableOf } from '../../store/columns.ts'
import { hasStore, rebuildStore } from '../../store/embedded.ts'
import type { Holding } from '../../store/store.ts'
import { followFileTape } from '../../tape/file/follow.ts'
import { openPast, type PastFlags, runTask, sayingLog } from '../asking.ts'
import { loadConfig, type Surroundings } from '../config.ts'
import { say, screenOf } from '../console.ts'
import { Progress } from '../progress.ts'
import { dataFolder, shortPath, tapeFolder } from '../recording.ts'
import { amount } from '../rows.ts'
import { TablePrinter } from '../table.ts'

export interface StoreFlags extends PastFlags {
  readonly json?: boolean
}

/** `tickwire store info`: what is stored, by day and kind. */
export async function storeInfo(flags: StoreFlags, around: Surroundings): Promise<number> {
  const screen = screenOf(around)
  return runTask(flags, async (run, output) => {
    const { past, folder, shown } = await openPast(flags, around, { signal: run.signal })
    try {
      const holdings = await past.holdings()
      const { owner } = past
      if (flags.json) {
        const about = { folder, ...(owner !== undefined && { owner }), holdings }
        await output.put(`${JSON.stringify(about)}\n`)
        return
      }
      if (holdings.length === 0) say('nothing is stored yet')
      else {
        const rows = holdings.map(cellsOf)
        const table = new TablePrinter(COLUMNS, screen.tty ? screen : PLAIN)
        await output.put(table.write(rows))
      }
      await output.flush()
      const sum = (of: (holding: Holding) => number) =>
        holdings.reduce((all, it) => all + of(it), 0)
      const who = owner === undefined ? '' : `; process ${owner} has it open`
      say(
        `${amount(sum(it => it.rows))} rows, ${megabytes(sum(it => it.bytes))} in ${shown}/store${who}`,
      )
    } finally {
      await past.close()
    }
    return 0
  })
}

const PLAIN = { colors: false, width: () => Number.POSITIVE_INFINITY }

const COLUMNS = [
  { name: 'day (UTC)', type: 'VARCHAR' },
  { name: 'kind', type: 'VARCHAR' },
  { name: 'rows', type: 'BIGINT' },
  { name: 'symbols', type: 'BIGINT' },
  { name: 'size', type: 'BIGINT' },
  { name: 'in', type: 'VARCHAR' },
]

function cellsOf({ day, kind, rows, symbols, bytes, sealed }: Holding): string[] {
  const place = sealed ? 'Parquet' : 'open day'
  return [day, tableOf(kind).view, amount(rows), amount(symbols), megabytes(bytes), place]
}

const megabytes = (bytes: number) => `${(bytes / 1_000_000).toFixed(2)} MB`

/** `tickwire store rebuild`: makes the store anew from the tape. */
export async function storeRebuild(flags: StoreFlags, around: Surroundings): Promise<number> {
  return runTask(flags, async (run, output) => {
    const config = loadConfig(around, { file: flags.config })
    const data = dataFolder(config, flags.data, around)
    const of =
      flags.data === undefined
        ? config
        : { ...config, data, tape: { ...config.tape, folder: undefined } }
    const tape = await followFileTape({ folder: tapeFolder(of, flags.tape, around) })
    const folder = join(data, 'store')
    const progress = new Progress({ label: 'taking the tape', unit: 'events' })
    const start = tape.start.seq
    progress.total = tape.end.seq - start
    const isNew = !hasStore(folder)
    try {
      await rebuildStore({
        ...{ folder, tape, log: sayingLog(config, around), signal: run.signal },
        onProgress: ({ seq }) => progress.update(seq - start),
      })
    } catch (error) {
      progress.end()
      if (!(error instanceof TickwireError) || error.code !== 'STORE_IN_USE') throw error
      throw new TickwireError(error.code, error.message, {
        cause: error,
        hint: 'End that process first (Ctrl-C in its terminal): it would go on writing to what is made anew.',
      })
    } finally {
      progress.end()
      await tape.close()
    }
    if (run.signal.aborted) {
      say(
        'ended before it was done: what is missing is taken when something is asked, or run it again',
      )
      return
    }
    const events = tape.end.seq - start
    if (flags.json) await output.put(`${JSON.stringify({ folder, events })}\n`)
    const shown = shortPath(folder, around.cwd)
    say(`${shown} is made ${isNew ? '' : 'anew '}from ${amount(events)} events of the tape`)
    return 0
  })
}
