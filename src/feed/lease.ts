import { createHash, randomUUID } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { Clock, Timer } from '../base/clock.ts'

/** How often a holder shows that it lives, ms. */
const BEAT_MS = 10_000
/** A lease not touched for so long is nobody's: its process hangs, or the number of its process was given anew. */
const STALE_MS = 45_000

/** A place of an account at a venue, held by this process. */
export interface Lease {
  release(): void
}

/**
 * Takes one of the `places` an account has at a venue, for this machine's user: a file says who holds it, so that
 * two processes with one account do not throw each other off. Returns the process that holds the last one when
 * all are taken.
 */
export function takeLease(
  folder: string,
  account: string,
  places: number,
  clock: Clock,
): Lease | { readonly heldBy: number } {
  makeFolder(folder)
  const name = createHash('sha256').update(account).digest('hex').slice(0, 16)
  let heldBy = 0
  for (let place = 1; place <= places; place++) {
    const file = join(folder, `${name}-${place}.lease`)
    const token = `${process.pid} ${randomUUID()}`
    const holder = claim(file, token)
    if (holder === undefined) return held(file, token, clock)
    heldBy = holder
  }
  return { heldBy }
}

/** Not Node's `recursive`: under /proc, where nothing can be made, that never returns. */
function makeFolder(folder: string): void {
  const parent = dirname(folder)
  if (parent !== folder && !existsSync(parent)) makeFolder(parent)
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** Makes the file ours; the process that holds it when somebody does. */
function claim(file: string, token: string): number | undefined {
  for (;;) {
    try {
      writeFileSync(file, token, { flag: 'wx', mode: 0o600 })
      return undefined
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const holder = holderOf(file)
    if (holder !== undefined) return holder
    clearAway(file)
  }
}

/** Moves a lease that nobody holds out of the way, unless somebody has just taken it anew. */
function clearAway(file: string): void {
  const aside = `${file}.${process.pid}`
  try {
    renameSync(file, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if (holderOf(aside) === undefined) rmSync(aside, { force: true })
  else renameSync(aside, file)
}

/** The living process that holds a lease; `undefined` when nobody does. */
function holderOf(file: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(file, 'utf8'), 10)
    const fresh = Date.now() - statSync(file).mtimeMs < STALE_MS
    return fresh && (Number.isNaN(pid) || isAlive(pid)) ? pid || 0 : undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // It is there, and another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function held(file: string, token: string, clock: Clock): Lease {
  let timer: Timer
  let over = false
  // After a long sleep of the machine the place may be another process's: it is neither kept alive nor cleared then.
  const isOurs = () => textOf(file) === token
  const beat = () => {
    if (over) return
    const now = new Date()
    if (isOurs()) utimesSync(file, now, now)
    timer = clock.setTimeout(beat, BEAT_MS, 'idle')
  }
  const release = () => {
    if (over) return
    over = true
    timer.cancel()
    process.off('exit', release)
    if (isOurs()) rmSync(file, { force: true })
  }
  timer = clock.setTimeout(beat, BEAT_MS, 'idle')
  process.on('exit', release)
  return { release }
}

/** What stands in a file; nothing when it cannot be read any more. */
function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
