// A process that records is killed at random moments, over and over on one folder, while readers inside of it and a
// process that follows its files say what they see. Afterwards everything they saw is there, under the same numbers.
// At the same time another one, with a store beside its tape, is killed too: see crash-store.ts; and one that keeps
// PostgreSQL and Redis, with these servers: see crash-servers.ts.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { silentLog } from '../src/base/log.ts'
import { type Random, seededRandom } from '../src/base/random.ts'
import { type FileTape, openFileTape } from '../src/tape/file/file.ts'
import { inspectTape } from '../src/tape/file/inspect.ts'
import { eventOf, GENERATION } from './crash-events.ts'
import type { FollowerPlan } from './crash-follower.ts'
import { losePower } from './crash-power.ts'
import { serversRound, serversSummary } from './crash-servers.ts'
import { type Place, type Run, Sight } from './crash-sight.ts'
import { storeRound, storeSummary } from './crash-store.ts'
import type { WriterPlan } from './crash-writer.ts'

/** What the rounds so far were worth. */
export const summary = () => [storeSummary(), serversSummary()].filter(Boolean).join('\n')

const OF_TAPE = ['written', 'writes', 'reservation', 'handoff'] as const
const OF_STORE = ['transaction', 'hold'] as const
/** Ways that need servers of our own: where there are none, they cannot be found out. */
export const OF_SERVERS = ['rows', 'together'] as const
/**
 * Ways to break it, each of which must make rounds fail. Of the tape: `written` a disk that says so before it has, `writes`
 * one that leaves some out, `reservation` no number promised beyond what is on the disk, `handoff` events handed on before
 * they are written. Of the store: `transaction` its position committed apart from the rows, `hold` a tape not told what the
 * store has yet to read. Of servers: `rows` PostgreSQL's position committed before the rows, `together` the same in Redis.
 */
export const MUTATIONS = [...OF_TAPE, ...OF_STORE, ...OF_SERVERS] as const
export type Mutation = (typeof MUTATIONS)[number]

/** Parts that a round can be of alone (`--at`): the tape, the embedded store, PostgreSQL and Redis. */
export const PLACES = ['tape', 'store', 'servers'] as const

export interface RoundOptions {
  readonly without?: Mutation | undefined
  readonly at?: (typeof PLACES)[number] | undefined
}

/** How long a process may take for what it is waited for, ms. */
const PATIENCE_MS = 30_000
/** Most faults told of a round. */
const MOST = 5

/** What was said outside of the process that recorded. */
interface Claims {
  readonly seen: { readonly by: string; readonly run: Run }[]
  /** Highest number said to be written, of each generation. */
  readonly written: number[]
  /** Where each generation began: behind the notice of what the one before has lost. */
  readonly begun: number[]
  readonly synced: Map<string, number>
  readonly faults: string[]
  /** Where the reader in the process has come to. */
  readonly places: Place[]
  stalled: boolean
}

/** One experiment; returns what did not hold. */
export async function round(seed: number, options: RoundOptions = {}): Promise<string[]> {
  const { without, at } = options
  const isOf = (place: string, ways: readonly string[]) =>
    (at === undefined || at === place) && (without === undefined || ways.includes(without))
  const faults = await Promise.all([
    isOf('tape', OF_TAPE) ? tapeRound(seed, options) : [],
    isOf('store', OF_STORE) ? storeRound(seed, without) : [],
    isOf('servers', OF_SERVERS) ? serversRound(seed, without) : [],
  ])
  return faults.flat().slice(0, MOST)
}

async function tapeRound(seed: number, options: RoundOptions): Promise<string[]> {
  // A disk that takes nothing for long is told of in the stream, and is another experiment.
  for (let attempt = 1; attempt <= 3; attempt++) {
    const faults = await attemptRound(seed, options)
    if (faults) return faults
  }
  return ['the disk took nothing for too long, three times']
}

async function attemptRound(
  seed: number,
  { without }: RoundOptions,
): Promise<string[] | undefined> {
  const random = seededRandom(seed)
  const folder = await mkdtemp(join(tmpdir(), 'tickwire-crash-'))
  // In memory, where a sync costs nothing.
  const scratch = await mkdtemp(
    join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'tickwire-power-'),
  )
  const claims: Claims = {
    ...{
      seen: [],
      written: [],
      begun: [],
      synced: new Map(),
      faults: [],
      places: [],
      stalled: false,
    },
  }
  const follower = child('crash-follower', { folder, seed } satisfies FollowerPlan)
  const following = listen(follower, claims, 0)
  try {
    const kills = 2 + Math.floor(random() * 2)
    const plan = {
      ...{ folder, without },
      capacity: random() < 0.5 ? 131_072 : 32_768,
      segmentBytes: Math.floor(2 ** (17 + random() * 4)),
      syncMs: 50 + Math.floor(random() * 400),
      slowMs: random() < 0.5 ? 0 : random() * 10,
    }
    for (let generation = 0; generation < kills; generation++) {
      await recordAndKill({ ...plan, seed: seed + generation, generation }, random, claims)
    }
    if (claims.stalled) return undefined
    const highest = Math.max(0, ...claims.seen.map(({ run }) => run[0] + run[2] - 1))
    const faults = await losePower({
      ...{ folder, scratch, synced: claims.synced, highest, random },
      nextId: kills * GENERATION + 1,
      breakPromise: without === 'reservation',
    })
    faults.push(...(await reopen(folder, kills, claims, random, follower)))
    await Promise.race([following, sleep(PATIENCE_MS, undefined, { ref: false })])
    if (follower.exitCode !== 0) faults.push('the follower does not come to the end of the tape')
    return [...claims.faults, ...faults]
  } finally {
    follower.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
    await rm(scratch, { recursive: true, force: true })
  }
}

/** One writer from its start to its death. */
async function recordAndKill(
  plan: Omit<WriterPlan, 'places'>,
  random: Random,
  claims: Claims,
): Promise<void> {
  // The longer ones are rarer: most of what a kill can hit is there soon.
  const aliveMs = 200 + random() ** 2 * 1_300
  const places = [...claims.places.slice(0, -1)].filter(() => random() < 0.05)
  const last = claims.places.at(-1)
  const writer = child('crash-writer', { ...plan, places: last ? [...places, last] : [] })
  const listening = listen(writer, claims, plan.generation)
  await Promise.race([once(writer, 'ready'), listening])
  await sleep(aliveMs)
  const early = writer.exitCode !== null
  writer.kill('SIGKILL')
  await listening
  if (early) claims.faults.push(`the writer ended by itself with ${writer.exitCode}`)
}

/** Opens the tape that the last kill has left, compares it with what was said, and goes on with it. */
async function reopen(
  folder: string,
  kills: number,
  claims: Claims,
  random: Random,
  follower: ChildProcess,
): Promise<string[]> {
  const faults: string[] = []
  const tape = await openFileTape({ folder, log: silentLog })
  const ids = Array.from({ length: 500 }, (_, i) => kills * GENERATION + i + 1)
  try {
    const { runs, ends, sight } = await readAll(tape)
    faults.push(...sight.faults, ...compare(runs, ends, claims))
    tape.append(ids.map(eventOf))
    const end = tape.end.seq
    for (let i = 0; i < 4; i++) {
      const from = claims.places[Math.floor(random() * claims.places.length)]
      if (from) faults.push(...(await readOn(tape, from, end)))
    }
    follower.stdin?.write(`${end}\n`)
  } finally {
    await tape.close()
  }
  const again = await openFileTape({ folder, log: silentLog })
  try {
    const { sight } = await readAll(again)
    faults.push(...sight.faults.map(fault => `opened once more, ${fault}`))
    if (sight.place.id !== ids.at(-1)) faults.push('what was recorded last is not there')
    if (again.end.seq !== sight.place.seq) faults.push('numbers are lost on a tape that was closed')
    await again.sealed()
  } finally {
    await again.close()
  }
  const { segments, foreign, missing } = await inspectTape(folder, { verify: true })
  const damage = segments.flatMap(one => one.damage.map(({ reason }) => `${one.file}: ${reason}`))
  faults.push(...damage, ...foreign.map(({ file, reason }) => `${file}: ${reason}`))
  for (const { from, to } of missing) faults.push(`numbers ${from} to ${to} are missing`)
  return faults
}

/** Everything on a tape, and where each generation ends. */
async function readAll(tape: FileTape) {
  const sight = new Sight('read again', { seq: 0 })
  const runs: Run[] = []
  const ends = new Map<number, number>()
  for await (const batch of tape.read({ from: 'start', live: false })) {
    for (const run of sight.take(batch)) {
      const [seq, id, count] = run
      const before = runs.at(-1)
      if (before && before[0] + before[2] === seq && before[1] + before[2] === id) {
        runs[runs.length - 1] = [before[0], before[1], before[2] + count]
      } else runs.push(run)
      ends.set(Math.floor(id / GENERATION), seq + count - 1)
    }
  }
  return { runs, ends, sight }
}

function compare(
  runs: readonly Run[],
  ends: ReadonlyMap<number, number>,
  { seen, written, begun }: Claims,
): string[] {
  const faults: string[] = []
  for (const { by, run } of seen) {
    const [seq, id, count] = run
    const held = runs.findLast(other => other[0] <= seq)
    const last = held ? held[0] + held[2] - 1 : 0
    if (!held || seq > last || held[1] - held[0] !== id - seq) {
      faults.push(`${by} saw number ${seq} as event ${id}; it is not that now`)
    } else if (seq + count - 1 > last) {
      faults.push(`${by} saw events up to number ${seq + count - 1}; they end at ${last}`)
    }
    if (faults.length === MOST) return faults
  }
  for (const [generation, seq] of written.entries()) {
    const end = ends.get(generation) ?? begun[generation]!
    if (end < seq)
      faults.push(`number ${seq} was said to be written; run ${generation} ends at ${end}`)
  }
  return faults
}

async function readOn(tape: FileTape, from: Place, end: number): Promise<string[]> {
  const sight = new Sight(`read on from ${from.seq}`, from)
  const position = { tape: tape.id, seq: from.seq }
  for await (const batch of tape.read({ from: position, live: false })) sight.take(batch)
  if (sight.place.seq === end) return sight.faults
  return [...sight.faults, `read on from ${from.seq}, the tape ends at ${sight.place.seq}`]
}

function child(name: string, plan: object): ChildProcess {
  const script = fileURLToPath(new URL(`./${name}.js`, import.meta.url))
  return spawn(process.execPath, [script, JSON.stringify(plan)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
}

/** Notes what a process says until nothing more comes from it. */
async function listen(process: ChildProcess, claims: Claims, generation: number): Promise<void> {
  const gone = once(process, 'close')
  for await (const line of createInterface({ input: process.stdout! })) {
    const [word, ...rest] = line.split(' ')
    if (word === 'ready') {
      claims.begun[generation] = Number(rest[0])
      process.emit('ready')
    } else if (word === 'saw') noteSeen(rest, claims)
    else if (word === 'written') claims.written[generation] = Number(rest[0])
    else if (word === 'synced') claims.synced.set(rest[0]!, Number(rest[1]))
    else if (word === 'fault') claims.faults.push(rest.join(' '))
    else if (word === 'stalled') claims.stalled = true
  }
  await gone
}

function noteSeen([by = '', ...numbers]: readonly string[], claims: Claims): void {
  for (let i = 0; i + 2 < numbers.length; i += 3) {
    const run = numbers.slice(i, i + 3).map(Number) as [number, number, number]
    claims.seen.push({ by, run })
    if (by !== 'reader') continue
    claims.places.push({ seq: run[0] + run[2] - 1, id: run[1] + run[2] - 1 })
  }
}
