import { systemClock } from '../../base/clock.ts'
import { ERRORS, TickwireError } from '../../base/errors.ts'
import type { Surroundings } from '../config.ts'
import { describeError, type Screen, say, screenOf } from '../console.ts'
import { type DoctorFlags, examine } from '../doctor/examine.ts'
import { CHECKS, type Finding, type Status } from '../doctor/finding.ts'
import { Output } from '../output.ts'
import { type Paint, paint } from '../rows.ts'
import { Run } from '../run.ts'

export interface DoctorCommandFlags extends DoctorFlags {
  readonly json?: boolean
  readonly debug?: boolean
}

/** `tickwire doctor`: looks at everything that must be right, and names the next step where it is not. */
export async function doctor(
  words: readonly string[],
  flags: DoctorCommandFlags,
  around: Surroundings,
): Promise<number> {
  const run = new Run()
  const output = new Output(1, error => (error ? run.fail(error) : run.done()))
  const screen = screenOf(around)
  const counts: Record<Status, number> = { ok: 0, warn: 0, fail: 0, skip: 0 }
  let first: Finding | undefined
  const put = (finding: Finding) => {
    counts[finding.status]++
    if (finding.status === 'fail') first ??= finding
    if (flags.json) output.put(`${JSON.stringify({ type: 'check', ...finding })}\n`)
    else output.put(`${erase(screen)}${text(finding, screen)}${waiting(finding, screen)}`)
  }
  const examining = (async () => {
    for await (const finding of examine(words, flags, around, systemClock(), run.signal))
      put(finding)
    run.done()
  })()
  examining.catch(error => run.fail(error))

  const ending = await run.ended
  // A connection that is open is closed as it should be: the venue keeps the place of one that is cut.
  await examining.catch(() => {})
  const exit = ending.type === 'signal' ? ending.exit : first ? exitOf(first) : 0
  output.put(
    flags.json ? `${summaryLine(counts, exit)}\n` : `${erase(screen)}\n${summary(counts)}\n`,
  )
  await output.flush()
  const error = output.error ?? (ending.type === 'error' ? ending.error : undefined)
  if (error) {
    say(describeError(error, flags.debug ?? false))
    return error instanceof TickwireError ? ERRORS[error.code].exit : 1
  }
  if (ending.type === 'signal') say('stopped before the end')
  return exit
}

const exitOf = ({ code }: Finding) => (code === undefined ? 1 : ERRORS[code].exit)

const summaryLine = (counts: Readonly<Record<Status, number>>, exit: number) =>
  JSON.stringify({ type: 'summary', ...counts, exit })

function summary({ ok, warn, fail, skip }: Readonly<Record<Status, number>>): string {
  const parts = [
    `${ok} ok`,
    ...(warn > 0 ? [warn === 1 ? '1 warning' : `${warn} warnings`] : []),
    ...(fail > 0 ? [`${fail} failed`] : []),
    ...(skip > 0 ? [`${skip} not looked at`] : []),
  ]
  return parts.join(', ')
}

const NAME_WIDTH = Math.max(...CHECKS.map(name => name.length))
/** Where what was found begins. */
const INDENT = 'fail'.length + 2 + NAME_WIDTH + 2

const COLOURS: Readonly<Record<Status, keyof Paint>> = {
  ok: 'up',
  warn: 'bold',
  fail: 'down',
  skip: 'dim',
}

/** A finding for people: one line, or as many as the width of the terminal needs, and the next step under it. */
function text({ status, check, found, next }: Finding, { tty, colors, width }: Screen): string {
  const colour = paint(colors)[COLOURS[status]]
  const room = tty ? Math.max(30, width() - INDENT - 1) : Number.POSITIVE_INFINITY
  const body = [
    ...wrap(found, room),
    ...(next === undefined
      ? []
      : wrap(next, room - 2).map((line, i) => `${i ? '  ' : '→ '}${line}`)),
  ]
  const head = `${colour(status.padEnd(4))}  ${check.padEnd(NAME_WIDTH)}  `
  return `${body.map((line, i) => `${i ? ' '.repeat(INDENT) : head}${line}`).join('\n')}\n`
}

/** On a terminal: the name of what is looked at next, until it is found. Some of it takes its time. */
function waiting({ check }: Finding, { colors }: Screen): string {
  const next = CHECKS[CHECKS.indexOf(check) + 1]
  return colors && next ? paint(colors).dim(`…     ${next}`) : ''
}

const erase = ({ colors }: Screen) => (colors ? '\r\x1b[2K' : '')

function wrap(words: string, room: number): string[] {
  const lines = ['']
  for (const word of words.split(' ')) {
    const line = lines.at(-1)!
    if (line === '') lines[lines.length - 1] = word
    else if (line.length + 1 + word.length <= room) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines
}
