import { randomUUID } from 'node:crypto'
import { readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import type { Clock, Timer } from './clock.ts'
import { asError } from './errors.ts'

/** How often a holder shows that it lives, ms. */
const BEAT_MS = 10_000
/** A lease not touched for so long is nobody's: its process hangs, or the number of its process was given anew. */
const STALE_MS = 45_000

/** A place held by this process, for all the world of this machine to see. */
export interface Lease {
  /** Gives it back. May be called twice; never throws. */
  release(): void
}

/** What this process holds: given back when it exits. One listener serves all, however many they are. */
const LEASES = new Set<Lease>()
const releaseAll = () => {
  for (const lease of [...LEASES]) lease.release()
}

/**
 * Takes the first of some files that no living process holds. Returns the process that holds the last one when all
 * are taken. The folder must be there. `failed` hears, once, that a file taken can no longer be kept fresh or
 * removed: others then take the place for free after 45 s. @default a warning of the process
 */
export function takeLease(
  files: readonly string[],
  clock: Clock,
  failed: (error: Error) => void = error => process.emitWarning(error),
): Lease | { readonly heldBy: number } {
  let heldBy = 0
  for (const file of files) {
    const token = `${process.pid} ${randomUUID()}`
    const holder = claim(file, token)
    if (holder === undefined) return held(file, token, clock, failed)
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

function held(file: string, token: string, clock: Clock, failed: (error: Error) => void): Lease {
  let timer: Timer
  let over = false
  let told = false
  // After a long sleep of the machine the place may be another process's: it is neither kept alive nor cleared then.
  const touch = (change: () => void) => {
    try {
      if (textOf(file) === token) change()
    } catch (thrown) {
      // Rights taken away or a disk gone must not end the process: it runs in a timer and at the exit.
      if (!told) failed(asError(thrown))
      told = true
    }
  }
  const beat = () => {
    const now = new Date()
    touch(() => utimesSync(file, now, now))
    timer = clock.setTimeout(beat, BEAT_MS, 'idle')
  }
  const lease: Lease = {
    release() {
      if (over) return
      over = true
      timer.cancel()
      LEASES.delete(lease)
      if (LEASES.size === 0) process.off('exit', releaseAll)
      touch(() => rmSync(file, { force: true }))
    },
  }
  timer = clock.setTimeout(beat, BEAT_MS, 'idle')
  if (LEASES.size === 0) process.on('exit', releaseAll)
  LEASES.add(lease)
  return lease
}

/** What stands in a file; nothing when it cannot be read any more. */
function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
