import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Import, type ImportOptions, type ImportReport, importFile } from '../../app/import.ts'
import type { FileFormat } from '../../app/import-files.ts'
import type { Mapping } from '../../app/import-mapping.ts'
import { systemClock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import { didYouMean } from '../../base/suggest.ts'
import type { Adjustment, EventType, Interval } from '../../market/events.ts'
import { encodeEvent } from '../../market/json.ts'
import type { Merged } from '../../store/store.ts'
import { isGivenUp, openPast, type PastFlags, runTask } from '../asking.ts'
import type { Surroundings } from '../config.ts'
import { say } from '../console.ts'
import type { Output } from '../output.ts'
import { Progress } from '../progress.ts'
import { shortPath } from '../recording.ts'
import { amount } from '../rows.ts'
import type { Run } from '../run.ts'

export interface ImportFlags extends PastFlags {
  readonly kind?: EventType
  readonly format?: FileFormat
  readonly columns?: string
  readonly map?: Mapping
  readonly symbol?: string
  readonly source?: string
  readonly zone?: string
  readonly interval?: Interval
  readonly adjustment?: Adjustment
  readonly negativePrices?: boolean
  readonly dryRun?: boolean
  readonly strict?: boolean
  readonly json?: boolean
}

const FORMATS: readonly FileFormat[] = ['csv', 'ndjson', 'parquet']

/** @throws BAD_OPTION */
export function parseFileFormat(text: string): FileFormat {
  const found = FORMATS.find(name => name === text.toLowerCase())
  if (found) return found
  throw new TickwireError('BAD_OPTION', `--format cannot be ${JSON.stringify(text)}`, {
    hint: didYouMean(text, FORMATS),
  })
}

interface Work {
  readonly flags: ImportFlags
  readonly cwd: string
  readonly run: Run
  readonly output: Output
}

/** Events of a dry run that are shown. */
const SHOWN = 5

/** `tickwire import`: files from elsewhere, or our own exports, into the store. Resolves with the exit code. */
export async function importFiles(
  words: readonly string[],
  flags: ImportFlags,
  around: Surroundings,
): Promise<number> {
  return runTask(flags, async (run, output) => {
    const work: Work = { flags, cwd: around.cwd, run, output }
    const sum = { added: 0, known: 0 }
    const paths = await filesOf(words, around.cwd)
    // All of them are looked at before anything is taken.
    for (const path of paths) (await Import.open(path, optionsOf(flags, run))).close()
    if (flags.dryRun) {
      for (const path of paths) await rehearse(path, work)
      return 0
    }
    const { past } = await openPast(flags, around, { create: true, signal: run.signal })
    try {
      for (const path of paths) {
        if (run.signal.aborted) break
        const { added, known } = await take(path, work, events => past.merge(events))
        sum.added += added
        sum.known += known
      }
      const were = sum.known > 0 ? `, ${amount(sum.known)} were there already` : ''
      if (paths.length > 1) say(`${amount(sum.added)} events added${were}`)
    } finally {
      await past.close()
    }
    return 0
  })
}

/** Files as named; of a folder, all that are of a known form, oldest name first. */
async function filesOf(words: readonly string[], cwd: string): Promise<string[]> {
  const files: string[] = []
  for (const word of words) {
    const path = resolve(cwd, word)
    const isFolder = await stat(path).then(
      it => it.isDirectory(),
      () => false,
    )
    if (!isFolder) {
      files.push(path)
      continue
    }
    const names = await readdir(path, { recursive: true })
    const found = names.filter(name => /\.(?:parquet|(?:csv|ndjson)(?:\.gz)?)$/i.test(name)).sort()
    if (found.length === 0) {
      throw new TickwireError('BAD_OPTION', `no file in ${word} can be imported`, {
        hint: 'Files end in .csv, .ndjson or .parquet.',
      })
    }
    files.push(...found.map(name => join(path, name)))
  }
  return files
}

function optionsOf(flags: ImportFlags, run: Run): ImportOptions {
  const { kind, format, columns, map, symbol, source, zone, interval, adjustment } = flags
  return {
    ...(kind && { kind }),
    ...(format && { format }),
    ...(columns !== undefined && { columns: columns.split(',').map(name => name.trim()) }),
    ...(map && { mapping: map }),
    ...(symbol !== undefined && { symbol }),
    ...(source !== undefined && { source }),
    ...(zone !== undefined && { zone }),
    ...(interval && { interval }),
    ...(adjustment && { adjustment }),
    ...(flags.negativePrices && { negativePrices: true }),
    ...(flags.strict && { strict: true }),
    clock: systemClock(),
    signal: run.signal,
  }
}

async function rehearse(path: string, { flags, cwd, run, output }: Work): Promise<void> {
  const name = shortPath(path, cwd)
  const file = await Import.open(path, optionsOf(flags, run))
  let shown = 0
  try {
    sayWhat(name, file)
    for await (const events of file.events()) {
      for (const event of events.slice(0, SHOWN - shown)) {
        shown++
        await output.put(`${encodeEvent(event)}\n`)
      }
    }
    const report = file.report()
    sayBad(name, report)
    say(
      `${name}: would be ${amount(report.events)} events of ${amount(report.rows)} rows; nothing was taken`,
    )
  } catch (error) {
    if (!(run.signal.aborted && isGivenUp(error))) throw error
  } finally {
    file.close()
  }
}

const sayWhat = (name: string, { said, notes }: Import) => {
  say(`${name}: ${said}`)
  for (const note of notes) say(`${name}: ${note}`)
}

async function take(
  path: string,
  { flags, cwd, run, output }: Work,
  merge: Parameters<typeof importFile>[0]['merge'],
): Promise<Merged> {
  const name = shortPath(path, cwd)
  const looked = await Import.open(path, optionsOf(flags, run))
  sayWhat(name, looked)
  looked.close()
  const progress = new Progress({ label: `importing ${name}`, unit: 'rows' })
  try {
    const options: ImportOptions = {
      ...optionsOf(flags, run),
      onProgress({ rows, share }) {
        progress.total = share > 0 ? Math.round(rows / share) : undefined
        if (share >= 1) progress.detail = 'writing'
        progress.update(rows)
      },
    }
    const done = await importFile({ merge }, path, options)
    progress.end()
    sayBad(name, done)
    if (done.rows > 0 && done.events === 0) {
      throw new TickwireError('BAD_EVENT', `no row of ${name} can be an event`, {
        hint: 'See above why; --dry-run shows what rows become, --map names columns.',
      })
    }
    const { added, known, rows, events } = done
    if (flags.json) {
      await output.put(
        `${JSON.stringify({ file: path, rows, events, added, known, bad: Object.fromEntries(done.bad) })}\n`,
      )
    }
    const were = known > 0 ? `, ${amount(known)} were there already` : ''
    const out = rows > events ? `, ${amount(rows - events)} rows left out` : ''
    say(`${name}: ${amount(added)} events added${were}${out}`)
    return { added, known }
  } catch (error) {
    progress.end()
    if (!(run.signal.aborted && isGivenUp(error))) throw error
    say(
      `${name}: nothing of it was taken; what was added before stays, and is known when it comes again`,
    )
    return { added: 0, known: 0 }
  }
}

/** What was left out, and why. */
function sayBad(name: string, { bad, badRows, rows, events }: ImportReport): void {
  if (bad.size === 0) return
  for (const { line, reason } of badRows) say(`${name}:${line}: ${reason}`)
  const left = rows - events - badRows.length
  if (left > 0) say(`${name}: and ${amount(left)} more`)
  const counts = [...bad].map(([sort, count]) => `${amount(count)} ${sort}`).join(', ')
  say(`${name}: ${amount(rows - events)} of ${amount(rows)} rows left out: ${counts}`)
}
