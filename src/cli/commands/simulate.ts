import { TickwireError } from '../../base/errors.ts'
import { CHANNELS } from '../../feed/channels.ts'
import { type DayOptions, simulateDay } from '../../providers/simulated/simulate-day.ts'
import { openFileTape } from '../../tape/file/file.ts'
import { loadConfig, type Surroundings } from '../config.ts'
import { createLog, say, screenOf } from '../console.ts'
import { Painter } from '../painter.ts'
import { recordOf, shortPath } from '../recording.ts'
import { amount } from '../rows.ts'
import { Run } from '../run.ts'
import type { Kind } from '../schema.ts'
import { conclude } from './stream.ts'

/** Most events that may wait for the disk: fewer than the tape keeps at hand. */
const MOST_WAITING = 65_536
const PAINT_MS = 500

export interface SimulateFlags {
  readonly day: string
  readonly symbols: number
  readonly events?: number
  readonly seed: number
  readonly kinds?: readonly Kind[]
  readonly tape?: string
  readonly config?: string
  readonly debug?: boolean
}

/**
 * `tickwire simulate`: writes the market of a whole trading day to a tape, as fast as the disk takes it. Resolves with
 * the exit code.
 */
export async function simulate(flags: SimulateFlags, around: Surroundings): Promise<number> {
  const config = loadConfig(around, { file: flags.config })
  const { day, seed, symbols, events } = flags
  const kinds = flags.kinds?.map(kind => CHANNELS[kind]) as DayOptions['kinds']
  const batches = simulateDay({
    ...{ day, seed, symbols },
    ...(events !== undefined && { events }),
    ...(kinds && { kinds }),
  })
  const { folder: where, retention = {} } = recordOf(config, flags.tape, around)
  const folder = shortPath(where, around.cwd)
  const log = createLog(config, around.env)
  const tape = await openFileTape({ folder: where, retention, log })
  const run = new Run()
  const screen = screenOf(around)
  const painter = screen.tty ? new Painter(text => process.stdout.write(text)) : undefined
  const startedAt = performance.now()
  say('SIMULATED · invented prices, not real ones')
  let count = 0
  const paint = () => painter?.paint([`${day} to ${folder} · ${amount(count)} events`])
  const painting = setInterval(paint, PAINT_MS)
  const write = async () => {
    for (const batch of batches) {
      if (run.signal.aborted) return
      tape.append(batch)
      count += batch.length
      while (tape.end.seq - tape.written.seq > MOST_WAITING) {
        if (tape.unrecorded > 0) throw full(folder)
        await new Promise(resolve => setImmediate(resolve))
      }
    }
    run.done()
  }
  write().catch(error => run.fail(error))
  const ending = await run.ended
  clearInterval(painting)
  await tape.sealed()
  await tape.close()
  paint()
  painter?.close()
  const lost = tape.unrecorded > 0 ? ({ type: 'error', error: full(folder) } as const) : ending
  const seconds = (performance.now() - startedAt) / 1_000
  const summarize = () =>
    `${amount(count)} events of ${day} in ${seconds.toFixed(1)} s; recorded to ${folder}, up to number ${tape.end.seq}`
  return conclude(ending.type === 'error' ? ending : lost, flags.debug ?? false, summarize)
}

function full(folder: string): TickwireError {
  return new TickwireError('TAPE_UNWRITABLE', `the disk of ${folder} takes no more`, {
    hint: 'Make room, or choose another folder with --tape.',
  })
}
