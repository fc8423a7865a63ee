// A process that records and stores is killed at random moments and in the midst of sealing, merging, compacting and making anew. Of
// what each kill leaves a copy is opened: the store has what the tape has and had, and every batch from elsewhere whole.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, open, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { type Log, silentLog } from '../src/base/log.ts'
import { type Random, seededRandom } from '../src/base/random.ts'
import type { EventType, MarketEvent } from '../src/market/events.ts'
import { type EmbeddedStore, openStore, rebuildStore } from '../src/store/embedded.ts'
import { followFileTape } from '../src/tape/file/follow.ts'
import type { TapeReader } from '../src/tape/tape.ts'
import type { Mutation } from './crash.ts'
import { BATCH, BATCHES, GENERATION, idOf, isAsMade, mergedId } from './crash-events.ts'
import { Sight } from './crash-sight.ts'
import type { StorePlan } from './crash-store-writer.ts'

type Work = 'seal' | 'merge' | 'compact' | 'rebuild'

/** What kills have hit, and in how many rounds there were sealed days and a tape that had let go of events. */
const hits = { seal: 0, merge: 0, compact: 0, rebuild: 0, else: 0, sealed: 0, retained: 0 }

/** What the rounds so far were worth. */
export function storeSummary(): string {
  const { seal, merge, compact, rebuild, sealed, retained } = hits
  return (
    `kills of a store: ${seal} in the midst of sealing, ${merge} of a merge, ${compact} of putting files together, ` +
    `${rebuild} of making anew, ${hits.else} of none; days sealed in ${sealed} rounds, events gone from the tape in ${retained}`
  )
}

/** What was said outside of the process that stored. */
interface Told {
  readonly faults: string[]
  /** Number before the first event of the run that is killed. */
  from: number
  /** Highest number that it said is stored. */
  stored: number
  /** Up to where all is in sealed days, as it said. */
  needed: number
  /** Is called when something has been said. */
  heard: () => void
  /** Batches that were begun, and those said to be in. */
  readonly begun: Set<number>
  readonly merged: Set<number>
  /** Whether the last kill came in the midst of making anew. */
  wasRebuilt: boolean
  /** Being done. */
  readonly under: Set<Work>
}

const KINDS: readonly EventType[] = ['trade', 'cancel', 'news', 'notice']
/** How long what a kill is to hit is waited for, ms. */
const PATIENCE_MS = 3_000
const START_MS = 30_000
/** Events of a day. A run is killed when it has stored, or sealed the days of, so many at most. */
const DAY = 2_400
/** Within how long after it began, or anything was stored, a kill comes, ms. */
const WITHIN_MS: Readonly<Record<Work | 'else', number>> = {
  ...{ seal: 200, merge: 200, compact: 200, rebuild: 250, else: 400 },
}

/** One experiment; returns what did not hold. */
export async function storeRound(seed: number, without?: Mutation): Promise<string[]> {
  const random = seededRandom(seed)
  const root = await mkdtemp(join(tmpdir(), 'tickwire-store-'))
  const told: Told = {
    ...{ faults: [], from: 0, stored: 0, needed: 0, heard: () => {}, wasRebuilt: false },
    ...{ begun: new Set<number>(), merged: new Set<number>(), under: new Set<Work>() },
  }
  const fixed = {
    ...{ tape: join(root, 'tape'), store: join(root, 'store'), without },
    segmentBytes: Math.floor(2 ** (13 + random() * 3)),
    // So little that all goes which may.
    bytes: 16_384,
    quietMs: random() * 7_200_000,
    lateMs: random() * 3_600_000,
  }
  const kills = 2 + Math.floor(random() * 2)
  try {
    for (let generation = 0; generation < kills; generation++) {
      // The first run has nothing to make anew.
      const aims = generation === 0 ? AIMS.slice(0, -1) : AIMS
      const aim = aims[(seed + generation) % aims.length]
      const again = [...told.begun].find(batch => !told.merged.has(batch))
      const plan: StorePlan = {
        ...{ ...fixed, generation, again, rebuild: aim === 'rebuild', seed: seed + generation },
        batch: Math.max(-1, ...told.begun) + 1,
      }
      await storeAndKill(plan, aim, random, told)
      const copy = join(root, 'copy')
      const isLast = generation === kills - 1
      const faults = [...told.faults, ...(await look(root, copy, told, isLast, random))]
      await rm(copy, { recursive: true, force: true })
      const hit = [...told.under].join(' and ')
      if (faults.length > 0) {
        const which = `kill ${generation + 1}${hit && ` in the midst of ${hit}`}`
        return faults.map(fault => `${which}: ${fault}`)
      }
    }
    return []
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

const AIMS: readonly (Work | undefined)[] = ['seal', 'merge', 'compact', undefined, 'rebuild']

/** One writer from its start to its death. */
async function storeAndKill(
  plan: StorePlan,
  aim: Work | undefined,
  random: Random,
  told: Told,
): Promise<void> {
  told.under.clear()
  told.stored = 0
  told.from = Number.POSITIVE_INFINITY
  const broken = plan.without === 'transaction' ? ['--import', fileOf('crash-apart')] : []
  const args = [...broken, fileOf('crash-store-writer'), JSON.stringify(plan)]
  const writer = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const listening = listen(writer, told)
  const enough = random() * DAY
  const isSealed = random() < 0.7
  let isGoing = false
  const begins = new Promise<void>(resolve => {
    let late = setTimeout(resolve, START_MS)
    void listening.then(resolve)
    told.heard = () => {
      // How long a busy machine takes to start it does not count.
      if (!isGoing && told.stored > told.from) {
        isGoing = true
        clearTimeout(late)
        late = setTimeout(resolve, PATIENCE_MS)
      }
      const come = isSealed ? told.needed : told.stored
      // A store is made anew before it takes what is new.
      const isReady = aim === 'rebuild' || come - told.from >= enough
      if (!isReady || (aim && !told.under.has(aim))) return
      clearTimeout(late)
      resolve()
    }
  })
  await begins
  await sleep(random() * WITHIN_MS[aim ?? 'else'])
  const early = writer.exitCode !== null
  writer.kill('SIGKILL')
  await listening
  if (early) told.faults.push(`the writer ended by itself with ${writer.exitCode}`)
  told.wasRebuilt = told.under.has('rebuild')
  for (const work of told.under) hits[work]++
  if (told.under.size === 0) hits.else++
}

function fileOf(name: string): string {
  return fileURLToPath(new URL(`./${name}.js`, import.meta.url))
}

/** Notes what a process says until nothing more comes from it. */
async function listen(process: ChildProcess, told: Told): Promise<void> {
  const gone = once(process, 'close')
  for await (const line of createInterface({ input: process.stdout! })) {
    const [word, ...rest] = line.split(' ')
    const [what = ''] = rest
    if (word === 'ready') told.from = Number(what)
    else if (word === 'stored') {
      told.stored = Math.max(told.stored, Number(what))
      told.needed = Math.max(told.needed, Number(rest[1]))
    } else if (word === 'batch') told.begun.add(Number(what))
    else if (word === 'merged') told.merged.add(Number(what))
    else if (word === 'ends') told.under.delete(what as Work)
    else if (word === 'fault') {
      if (!isExpected(line, told)) told.faults.push(rest.join(' '))
    } else if (word === 'begins') told.under.add(what as Work)
    told.heard()
  }
  await gone
}

/** Opens a copy of what a kill has left, as it is, and after the last one also with its open days lost. */
async function look(
  root: string,
  copy: string,
  told: Told,
  isLast: boolean,
  random: Random,
): Promise<string[]> {
  for (const name of ['tape', 'store']) {
    await cp(join(root, name), join(copy, name), { recursive: true })
  }
  const faults: string[] = []
  const complain = (_: object, message: string) => {
    if (!isExpected(message, told)) faults.push(`the store says: ${message}`)
  }
  const log: Log = { ...silentLog, warn: complain, error: complain }
  const tape = await followFileTape({ folder: join(copy, 'tape') })
  const folder = join(copy, 'store')
  const options = { folder, log, threads: 1, memoryMb: 256 }
  try {
    const store = await openStore(options)
    try {
      faults.push(...checkPlace(store, tape, told))
      await store.follow(tape, { live: false })
      faults.push(...(await compare(store, tape, told)))
      if (isLast && (await store.holdings()).some(({ sealed }) => sealed)) hits.sealed++
      if (isLast && tape.start.seq > 0) hits.retained++
    } finally {
      await store.close()
    }
    if (faults.length > 0 || !isLast) return faults

    // One that is damaged says so.
    const isDamaged = await spoil(folder, random)
    await rebuildStore({ ...options, tape, ...(isDamaged && { log: silentLog }) })
    const again = await openStore(options)
    try {
      const lost = isDamaged ? 'damaged' : 'deleted'
      faults.push(
        ...(await compare(again, tape, told)).map(it => `made anew, its tables ${lost}: ${it}`),
      )
    } finally {
      await again.close()
    }
    return faults
  } finally {
    await tape.close()
  }
}

/** A file of open days that was just being made when the kill came holds nothing yet, and is made again. */
function isExpected(message: string, { wasRebuilt }: Told): boolean {
  return wasRebuilt && /hot\.duckdb is damaged and set aside/.test(message)
}

/**
 * Before it catches up: it has no less than was said, and the tape has what it lacks. A store that is just being made anew
 * does not know how far it needs the tape, but what has been sealed stays so.
 */
function checkPlace(store: EmbeddedStore, tape: TapeReader, told: Told): string[] {
  const { stored } = told
  const position = store.position?.seq ?? 0
  const needed = (told.needed = Math.max(told.needed, store.needed?.seq ?? 0))
  const faults: string[] = []
  if (position < stored)
    faults.push(`number ${stored} was said to be stored; it ends at ${position}`)
  if (tape.start.seq > needed) {
    faults.push(`the tape begins behind ${tape.start.seq}; sealed is only what is up to ${needed}`)
  }
  return faults
}

/** Deletes or damages the tables of open days. */
async function spoil(folder: string, random: Random): Promise<boolean> {
  const path = join(folder, 'hot.duckdb')
  if (random() < 0.5) {
    await rm(path)
    await rm(`${path}.wal`, { force: true })
    return false
  }
  const { size } = await stat(path)
  const file = await open(path, 'r+')
  // Its three heads: one of them alone it can do without.
  await file.write(Buffer.alloc(Math.min(size, 12_288), 0xa5), 0, undefined, 0)
  await file.close()
  return true
}

/** The store against the tape, against how its events were made, and against the batches. */
async function compare(store: EmbeddedStore, tape: TapeReader, told: Told): Promise<string[]> {
  const all: MarketEvent[] = []
  const from = { from: 0, to: Number.MAX_SAFE_INTEGER }
  for (const kind of KINDS) {
    for await (const batch of store.history({ kind, symbols: ['*'], ...from })) all.push(...batch)
  }
  const held = all.filter(isOfTape).sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0))
  const sight = new Sight('the store', { seq: 0 })
  sight.take(held)
  const faults = [...sight.faults]
  const end = tape.end.seq
  if (sight.place.seq !== end) faults.push(`it ends at ${sight.place.seq}, the tape at ${end}`)
  const position = store.position?.seq ?? 0
  if (position !== end) faults.push(`its position is ${position}, not ${end}`)

  let at = held.findIndex(({ seq = 0 }) => seq > tape.start.seq)
  for await (const batch of tape.read({ from: 'start', live: false })) {
    const differs = batch.find(event => !isDeepStrictEqual(held[at++], event))
    if (!differs) continue
    faults.push(`number ${differs.seq} of the tape is not the same in the store`)
    break
  }
  faults.push(
    ...compareBatches(
      all.filter(event => !isOfTape(event)),
      told,
    ),
  )
  return faults
}

/** Events of batches come without a number. */
function isOfTape(event: MarketEvent): boolean {
  return event.seq !== undefined || (idOf(event) ?? 0) < BATCHES * GENERATION
}

/** Each batch is there once and whole, or, when nobody said it was in, not at all. */
function compareBatches(events: readonly MarketEvent[], { begun, merged }: Told): string[] {
  const faults: string[] = []
  const ids = new Set<number>()
  for (const event of events) {
    const id = idOf(event)!
    if (ids.has(id)) faults.push(`event ${id} of a batch is there twice`)
    if (!isAsMade(event, id)) faults.push(`event ${id} of a batch is not as it was made`)
    ids.add(id)
  }
  let expected = 0
  for (const batch of begun) {
    const there = Array.from({ length: BATCH }, (_, i) => mergedId(batch, i)).filter(id =>
      ids.has(id),
    ).length
    expected += there
    const isRight = there === BATCH || (there === 0 && !merged.has(batch))
    if (!isRight) faults.push(`of batch ${batch} there are ${there} of ${BATCH}`)
  }
  if (expected !== ids.size) faults.push('there are events of batches nobody gave')
  return faults
}
