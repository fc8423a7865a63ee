import { randomUUID } from 'node:crypto'
import {
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import type { Clock, Timer } from './clock.ts'
import { asError } from './errors.ts'

/** How often a holder shows that it lives, ms. */
const BEAT_MS = 10_000
/**
 * A lease not touched for so long is nobody's, where it cannot be told whether the process of its number is still the
 * one that took it. Where it can, a holder that lives keeps its place, however long it was paused.
 */
const STALE_MS = 45_000
/** A lease without a process in it, ms: is just being written, or was left by a full disk. */
const WRITING_MS = 1_000

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
/** What stands in the files that are held here. */
const TOKENS = new Set<string>()

/**
 * Takes the first of some files that no living process holds. Returns the process that holds the last one when all
 * are taken. The folder must be there. `failed` hears, once, that a file taken can no longer be kept fresh or
 * removed: others may then take the place for free after 45 s. @default a warning of the process
 * `lost` hears, once, which process has taken the place over (0 when it does not say): within 10 s of that.
 */
export function takeLease(
  files: readonly string[],
  clock: Clock,
  failed: (error: Error) => void = error => process.emitWarning(error),
  lost: (heldBy: number) => void = () => {},
): Lease | { readonly heldBy: number } {
  let heldBy = 0
  for (const file of files) {
    const token = `${process.pid} ${lifeOf(process.pid) ?? '-'} ${randomUUID()}`
    const holder = claim(file, token)
    if (holder === undefined) return held(file, token, clock, failed, lost)
    heldBy = holder
  }
  return { heldBy }
}

/** Makes the file ours; the process that holds it when somebody does. */
function claim(file: string, token: string): number | undefined {
  for (;;) {
    try {
      create(file, token)
      return undefined
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const holder = holderOf(file)
    if (holder !== undefined) return holder
    clearAway(file)
  }
}

/** A full disk makes a file and takes nothing into it: that one must not stay, it would be nobody's. */
function create(file: string, token: string): void {
  const fd = openSync(file, 'wx', 0o600)
  let isWhole = false
  try {
    writeFileSync(fd, token)
    isWhole = true
  } finally {
    closeSync(fd)
    if (!isWhole) rmSync(file, { force: true })
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

/** The living process that holds a lease, 0 when it does not say which; `undefined` when nobody does. */
function holderOf(file: string): number | undefined {
  try {
    const text = readFileSync(file, 'utf8')
    const age = Date.now() - statSync(file).mtimeMs
    const { pid, life } = parse(text)
    if (pid === 0) return age < WRITING_MS ? 0 : undefined
    return isHeld(text, pid, life, age) ? pid : undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function isHeld(text: string, pid: number, life: string | undefined, age: number): boolean {
  if (TOKENS.has(text)) return true
  const now = lifeOf(pid)
  if (pid === process.pid) {
    // Ours by number only: in a container a process has the same one after each start. By its life too: another
    // thread's, as far as can be told.
    return life !== undefined && life === now && age < STALE_MS
  }
  if (now === 'gone' || !isAlive(pid)) return false
  return life && now ? life === now : age < STALE_MS
}

/** What stands in a lease: number and life of its process, and something that is its own. */
function parse(text: string): { readonly pid: number; readonly life: string | undefined } {
  const [, pid = '0', life] = /^(\d+)(?: (\S+) \S+)?/.exec(text) ?? []
  return { pid: Number(pid), life: life === '-' ? undefined : life }
}

/**
 * Tells a process from another that had its number before: the start of the system and, in ticks since then, its own.
 * `undefined` where the system does not say; `gone` for one that has ended and only waits for its parent to notice.
 */
function lifeOf(pid: number): string | undefined {
  const stat = textOf(`/proc/${pid}/stat`)
  // The name of the program stands in parentheses, and may have spaces and parentheses in it.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (!fields?.[19]) return undefined
  if (/[ZX]/.test(fields[0]!)) return 'gone'
  return `${textOf('/proc/sys/kernel/random/boot_id')?.slice(0, 8) ?? ''}.${fields[19]}`
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

function held(
  file: string,
  token: string,
  clock: Clock,
  failed: (error: Error) => void,
  lost: (heldBy: number) => void,
): Lease {
  let timer: Timer
  let over = false
  let told = false
  // The place may be another process's by now: it is neither kept alive nor cleared then.
  const touch = (change: () => void) => {
    try {
      if (textOf(file) === token) change()
    } catch (thrown) {
      // Rights taken away or a disk gone must not end the process: it runs in a timer and at the exit.
      if (!told) failed(asError(thrown))
      told = true
    }
  }
  const end = () => {
    over = true
    timer.cancel()
    TOKENS.delete(token)
    LEASES.delete(lease)
    if (LEASES.size === 0) process.off('exit', releaseAll)
  }
  const beat = () => {
    const text = textOf(file)
    // None at all, or one that is just being written, is nobody's yet.
    if (text && text !== token) {
      end()
      lost(parse(text).pid)
      return
    }
    const now = new Date()
    touch(() => utimesSync(file, now, now))
    timer = clock.setTimeout(beat, BEAT_MS, 'idle')
  }
  const lease: Lease = {
    release() {
      if (over) return
      end()
      touch(() => rmSync(file, { force: true }))
    },
  }
  timer = clock.setTimeout(beat, BEAT_MS, 'idle')
  if (LEASES.size === 0) process.on('exit', releaseAll)
  LEASES.add(lease)
  TOKENS.add(token)
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
