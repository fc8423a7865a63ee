import { randomUUID } from 'node:crypto'
import { readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import type { Clock, Timer } from './clock.ts'

/** How often a holder shows that it lives, ms. */
const BEAT_MS = 10_000
/** A lease not touched for so long is nobody's: its process hangs, or the number of its process was given anew. */
const STALE_MS = 45_000

/** A place held by this process, for all the world of this machine to see. */
export interface Lease {
  release(): void
}

/**
 * Takes the first of some files that no living process holds. Returns the process that holds the last one when all
 * are taken. The folder must be there.
 */
export function takeLease(
  files: readonly string[],
  clock: Clock,
): Lease | { readonly heldBy: number } {
  let heldBy = 0
  for (const file of files) {
    const token = `${process.pid} ${randomUUID()}`
    const holder = claim(file, token)
    if (holder === undefined) return held(file, token, clock)
    heldBy = holder
  }
  return { heldBy }
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
