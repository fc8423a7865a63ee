import { join } from 'node:path'
import { TickwireError } from '../../base/errors.ts'
import { hasStore, openStore } from '../../store/embedded.ts'
import { runTask, sayingLog } from '../asking.ts'
import { loadConfig, type Surroundings } from '../config.ts'
import { say } from '../console.ts'
import { dataFolder, shortPath } from '../recording.ts'
import { amount } from '../rows.ts'
import type { StoreFlags } from './store.ts'

/** `tickwire store compact`: puts the files of each sealed day and kind together. Resolves with the exit code. */
export async function storeCompact(flags: StoreFlags, around: Surroundings): Promise<number> {
  return runTask(flags, async (run, output) => {
    const config = loadConfig(around, { file: flags.config })
    const data = dataFolder(config, flags.data, around)
    const folder = join(data, 'store')
    const shown = shortPath(folder, around.cwd)
    if (!hasStore(folder)) {
      throw new TickwireError('NO_TAPE', `there is no store in ${shown}`, {
        hint: 'Fill it with `tickwire up`, `tickwire import` or `tickwire backfill`.',
      })
    }
    const store = await openStore({ folder, log: sayingLog(config, around) })
    // What is under way is given up; what has been put together stays so.
    run.signal.addEventListener('abort', () => void store.close())
    try {
      const gone = await store.compact()
      if (run.signal.aborted) return
      if (flags.json) await output.put(`${JSON.stringify({ folder, gone })}\n`)
      say(
        gone === 0
          ? `each day and kind in ${shown} is one file already`
          : `${amount(gone)} files fewer in ${shown}; the old ones go in an hour`,
      )
    } finally {
      await store.close()
    }
  })
}
