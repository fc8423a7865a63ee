import { join, resolve } from 'node:path'
import { EXPORT_FORMATS, type ExportFormat, exportEvents } from '../../app/export.ts'
import { TickwireError } from '../../base/errors.ts'
import { didYouMean } from '../../base/suggest.ts'
import type { EventType } from '../../market/events.ts'
import { checkRange, isGivenUp, openPast, type PastFlags, runTask, spellings } from '../asking.ts'
import type { Surroundings } from '../config.ts'
import { say } from '../console.ts'
import { parseSymbols } from '../flags.ts'
import { Progress } from '../progress.ts'
import { shortPath } from '../recording.ts'
import { amount } from '../rows.ts'
import { parseStored } from './history.ts'

export interface ExportFlags extends PastFlags {
  readonly out: string
  readonly format: ExportFormat
  readonly kinds?: readonly EventType[]
  readonly symbols?: string
  readonly from?: number
  readonly to?: number
  readonly force?: boolean
  readonly json?: boolean
}

/** @throws BAD_OPTION */
export function parseFormat(text: string): ExportFormat {
  const found = EXPORT_FORMATS.find(name => name === text.toLowerCase())
  if (found) return found
  throw new TickwireError('BAD_OPTION', `--format cannot be ${JSON.stringify(text)}`, {
    hint: didYouMean(text, EXPORT_FORMATS),
  })
}

/** Kinds that can be stored, as a list. @throws BAD_OPTION */
export function parseStoredKinds(text: string): EventType[] {
  const words = text.split(/[\s,]+/).filter(word => word !== '')
  if (words.length > 0) return [...new Set(words.map(parseStored))]
  throw new TickwireError('BAD_OPTION', '--kinds is empty', { hint: 'Name some: trades,bars.' })
}

/** `tickwire export`: what is stored as files, by kind, day and symbol. Resolves with the exit code. */
export async function exportFiles(flags: ExportFlags, around: Surroundings): Promise<number> {
  checkRange(flags)
  const { format, kinds, from, to, force } = flags
  const symbols = flags.symbols === undefined ? undefined : parseSymbols([flags.symbols])
  const out = resolve(around.cwd, flags.out)
  return runTask(flags, async (run, output) => {
    const { past, folder } = await openPast(flags, around, { signal: run.signal })
    const progress = new Progress({ label: 'exporting', unit: 'rows' })
    try {
      const done = await exportEvents(past, {
        ...{ out, format, store: join(folder, 'store'), signal: run.signal },
        ...(kinds && { kinds }),
        ...(symbols && { symbols: spellings(symbols) }),
        ...(from !== undefined && { from }),
        ...(to !== undefined && { to }),
        ...(force && { force }),
        onProgress({ done, total, file }) {
          progress.total = total
          progress.detail = file
          progress.update(done)
        },
      })
      progress.end()
      const { files, rows, kept } = done
      const shown = shortPath(out, around.cwd)
      if (flags.json) await output.put(`${JSON.stringify({ out, format, ...done })}\n`)
      else if (files + kept === 0)
        say('nothing of that is stored: `tickwire store info` shows what is')
      else {
        const was = kept > 0 ? `; ${amount(kept)} were there already` : ''
        say(
          `${amount(rows)} rows in ${files === 1 ? '1 file' : `${amount(files)} files`} of ${shown}${was}`,
        )
      }
    } catch (error) {
      progress.end()
      if (!(run.signal.aborted && isGivenUp(error))) throw error
      say('ended: what is there is whole, and the same command goes on behind it')
    } finally {
      await past.close()
    }
    return 0
  })
}
