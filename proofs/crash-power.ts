// Loss of power, on copies of a tape: of the newest file only what was synced is sure to be there. It is cut or zeroed
// behind that, or loses a page of it, and is then opened as if the machine had come up again.
import { copyFile, mkdir, open, readdir, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLog } from '../src/base/log.ts'
import type { Random } from '../src/base/random.ts'
import { openFileTape } from '../src/tape/file/file.ts'
import { Numbers } from '../src/tape/file/numbers.ts'
import { SegmentReader } from '../src/tape/file/segment.ts'
import { eventOf } from './crash-events.ts'
import { Sight } from './crash-sight.ts'

export interface Outage {
  readonly folder: string
  /** Where copies are made. */
  readonly scratch: string
  /** Bytes of a file that are safe, by its path. */
  readonly synced: ReadonlyMap<string, number>
  /** The highest number that anybody outside has seen. */
  readonly highest: number
  /** What the next event appended is made from. */
  readonly nextId: number
  /** Promise no number beyond what is left. */
  readonly breakPromise: boolean
  readonly random: Random
}

/** Neighbouring blocks that it is cut at each end of, cuts elsewhere, zeroed tails and lost pages, of each. */
const BLOCKS = 3
const OTHERS = 1
const PAGE = 4_096

/** What is left of a file: everything before `at`; behind it nothing, zeros, or a page of zeros and the rest. */
interface Cut {
  readonly kind: 'cut' | 'zero' | 'page'
  readonly at: number
}

interface Tail {
  readonly size: number
  /** Number of the last event before the file. */
  readonly previous: number
  readonly blocks: readonly { readonly end: number; readonly last: number }[]
}

export async function losePower(outage: Outage): Promise<string[]> {
  const { folder, synced, random } = outage
  const all = (await readdir(folder)).filter(name => name.endsWith('.tape')).sort()
  // The older ones do not matter to it.
  const files = await onlyBegun(folder, all.slice(-3))
  const newest = files.at(-1)
  if (newest === undefined) return []
  const path = join(folder, newest)
  const tail = await readTail(path).catch((error: Error) => error)
  if (tail instanceof Error) return [tail.message]
  const safe = synced.get(path) ?? 0
  const faults: string[] = []
  for (const cut of chooseCuts(tail, safe, random)) {
    const found = await comeUp(outage, files, newest, cut, tail)
    faults.push(...found.map(fault => `${cut.kind} at ${cut.at} of ${newest}: ${fault}`))
  }
  return faults
}

/** Without files that have been made and not written to. */
async function onlyBegun(folder: string, files: readonly string[]): Promise<string[]> {
  const sizes = await Promise.all(files.map(async name => (await stat(join(folder, name))).size))
  return files.filter((_, i) => sizes[i]! > 0)
}

async function readTail(path: string): Promise<Tail> {
  const { size } = await stat(path)
  const reader = await SegmentReader.open(path)
  const blocks: { end: number; last: number }[] = []
  for (let block = await reader.next(); block; block = await reader.next()) {
    blocks.push({ end: reader.blocks.offset, last: block.first + block.events.length - 1 })
  }
  await reader.close()
  return { size, previous: reader.blocks.header.previous, blocks }
}

function chooseCuts({ size, blocks }: Tail, safe: number, random: Random): Cut[] {
  const unsafe = size - safe
  if (unsafe <= 0) return [{ kind: 'cut', at: size }]
  const anywhere = () => safe + Math.floor(random() * unsafe)
  const ends = [safe, ...blocks.map(({ end }) => end).filter(end => end > safe)]
  const first = Math.floor(random() * Math.max(1, ends.length - BLOCKS))
  const cuts: Cut[] = ends.slice(first, first + BLOCKS).map(at => ({ kind: 'cut', at }))
  for (let i = 0; i < OTHERS; i++) {
    cuts.push({ kind: 'cut', at: anywhere() }, { kind: 'zero', at: anywhere() })
    cuts.push({ kind: 'page', at: Math.max(safe, anywhere() & -PAGE) })
  }
  return cuts
}

async function comeUp(
  outage: Outage,
  files: readonly string[],
  newest: string,
  { kind, at }: Cut,
  tail: Tail,
): Promise<string[]> {
  const { folder, scratch, highest, nextId } = outage
  await rm(scratch, { recursive: true, force: true })
  await mkdir(scratch, { recursive: true })
  for (const name of [...files, 'tape.json', 'numbers']) {
    await copyFile(join(folder, name), join(scratch, name))
  }
  const kept = tail.blocks.findLast(({ end }) => end <= at)?.last ?? tail.previous
  if (outage.breakPromise) await promiseOnly(scratch, kept)
  const path = join(scratch, newest)
  if (kind === 'cut') await truncate(path, at)
  else await zero(path, at, kind === 'page' ? Math.min(at + PAGE, tail.size) : tail.size)

  const tape = await openFileTape({ folder: scratch, log: silentLog })
  try {
    const first = tape.end.seq + 1
    tape.append([eventOf(nextId), eventOf(nextId + 1)])
    const sight = new Sight(
      'reader',
      { seq: tape.start.seq },
      { cut: true, damage: kind === 'page' },
    )
    for await (const batch of tape.read({ from: 'start', live: false })) sight.take(batch)
    const faults = [...sight.faults]
    const held = (sight.lostFrom ?? first) - 1
    if (kind === 'page' ? held < kept : held !== kept) {
      faults.push(`it holds events up to ${held}, not ${kept}`)
    }
    if (first <= highest) faults.push(`number ${first} is given out again: ${highest} was seen`)
    if (sight.place.seq !== first + 1) faults.push(`reading ends at ${sight.place.seq}`)
    return faults
  } finally {
    await tape.close()
  }
}

async function promiseOnly(folder: string, last: number): Promise<void> {
  await rm(join(folder, 'numbers'))
  const numbers = await Numbers.open(folder)
  await numbers.reserve(last)
  await numbers.close(undefined)
}

async function zero(path: string, from: number, to: number): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(Buffer.alloc(to - from), 0, to - from, from)
  await file.close()
}
