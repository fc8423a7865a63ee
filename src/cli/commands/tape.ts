import { TickwireError } from '../../base/errors.ts'
import { compactTape } from '../../tape/file/compact.ts'
import { inspectTape, type SegmentInfo, type TapeInfo } from '../../tape/file/inspect.ts'
import { loadConfig, type Surroundings } from '../config.ts'
import { createLog, say } from '../console.ts'
import { Output } from '../output.ts'
import { shortPath, tapeFolder } from '../recording.ts'
import { amount } from '../rows.ts'

export interface TapeFlags {
  readonly json?: boolean
  readonly config?: string
}

/** `tickwire tape info`: what a tape holds. */
export async function tapeInfo(
  given: string | undefined,
  flags: TapeFlags,
  around: Surroundings,
): Promise<number> {
  await show(given, flags, around, false)
  return 0
}

/** `tickwire tape verify`: reads every event. @throws TAPE_DAMAGED when something cannot be read */
export async function tapeVerify(
  given: string | undefined,
  flags: TapeFlags,
  around: Surroundings,
): Promise<number> {
  const info = await show(given, flags, around, true)
  const damaged =
    info.segments.filter(({ damage }) => damage.length > 0).length + info.foreign.length
  if (damaged === 0 && info.missing.length === 0) {
    say(`all ${amount(info.events)} events can be read`)
    return 0
  }
  const lost = info.missing.reduce((sum, { from, to }) => sum + to - from + 1, 0)
  throw new TickwireError(
    'TAPE_DAMAGED',
    `${amount(damaged)} of ${amount(info.segments.length + info.foreign.length)} files are damaged, ${amount(lost)} events cannot be read`,
    { hint: 'Everything else can: readers are told of the hole by a `skipped` notice.' },
  )
}

/** `tickwire tape compact`: compresses and merges its files. */
export async function tapeCompact(
  given: string | undefined,
  flags: TapeFlags,
  around: Surroundings,
): Promise<number> {
  const config = loadConfig(around, { file: flags.config })
  const folder = tapeFolder(config, given, around)
  const done = await compactTape(folder, createLog(config, around.env))
  if (flags.json) await print(`${JSON.stringify(done)}\n`)
  else {
    const { filesBefore, filesAfter, bytesBefore, bytesAfter } = done
    const before = filesBefore === 1 ? '1 file' : `${amount(filesBefore)} files`
    const now = `${filesBefore === 1 ? 'is' : 'are'} now ${amount(filesAfter)}`
    say(`${before} of ${megabytes(bytesBefore)} ${now} of ${megabytes(bytesAfter)}`)
  }
  return 0
}

async function show(
  given: string | undefined,
  flags: TapeFlags,
  around: Surroundings,
  verify: boolean,
): Promise<TapeInfo> {
  const folder = tapeFolder(loadConfig(around, { file: flags.config }), given, around)
  const info = await inspectTape(folder, { verify })
  await print(
    flags.json ? `${JSON.stringify(info)}\n` : describe(info, shortPath(folder, around.cwd)),
  )
  return info
}

async function print(text: string): Promise<void> {
  const output = new Output(1, error => {
    if (error) throw error
  })
  output.put(text)
  await output.flush()
}

function describe(info: TapeInfo, folder: string): string {
  const { id, segments, foreign, missing, bytes, events } = info
  const [first, last] = [
    segments.find(one => one.events > 0),
    segments.findLast(one => one.events > 0),
  ]
  const each = events > 0 ? `, ${(bytes / events).toFixed(1)} bytes each` : ''
  const lines = [
    `tape      ${folder}`,
    `id        ${id}`,
    `events    ${amount(events)}${each}`,
    `numbers   ${first ? `${first.first} to ${last!.last}` : 'none yet'}`,
    `received  ${first ? `${moment(first.from)} to ${moment(last!.to)}` : '-'}`,
    `files     ${amount(segments.length)}, ${megabytes(bytes)}, ${segments.filter(one => one.sealed).length} compressed`,
    '',
    'file                       events         size  bytes/event  received from',
    ...segments.map(row),
  ]
  for (const { file, reason } of foreign) lines.push(`${file}  cannot be read: ${reason}`)
  for (const { file, damage } of segments) {
    for (const { offset, reason } of damage) lines.push(`${file}  at byte ${offset}: ${reason}`)
  }
  for (const { from, to } of missing) lines.push(`numbers ${from} to ${to} cannot be read`)
  return `${lines.join('\n')}\n`
}

function row({ file, events, bytes, from, sealed }: SegmentInfo): string {
  const each = events > 0 ? (bytes / events).toFixed(1) : '-'
  const cells = [amount(events).padStart(12), megabytes(bytes).padStart(11), each.padStart(11)]
  return `${file}  ${cells.join('  ')}  ${moment(from)}${sealed ? '' : '  (not compressed yet)'}`
}

const megabytes = (bytes: number) => `${(bytes / 1_000_000).toFixed(2)} MB`
const moment = (time: number | undefined) =>
  time === undefined ? '-' : new Date(time).toISOString()
