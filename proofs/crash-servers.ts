// A process that records beside PostgreSQL and Redis is killed at random moments, and so are the servers, in the midst of
// transactions. What each kill leaves is compared with the tape as it is, and at the end, caught up: PostgreSQL event for
// event, Redis with the latest that the tape gives.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { PrivateServer } from '../scripts/services.mjs'
import { keepServers } from '../src/app/stores.ts'
import { silentLog } from '../src/base/log.ts'
import { type Random, seededRandom } from '../src/base/random.ts'
import { openPostgres } from '../src/store/postgres.ts'
import { openRedis } from '../src/store/redis.ts'
import { openFileTape } from '../src/tape/file/file.ts'
import { followFileTape } from '../src/tape/file/follow.ts'
import type { Mutation } from './crash.ts'
import { hasty, type ServersPlan, serversOf } from './crash-servers-kit.ts'

type Services = typeof import('../scripts/services.mjs')

interface Servers {
  readonly hasTimescale: boolean
  readonly postgres: PrivateServer
  readonly redis: PrivateServer
}

/** How long a process may take until the servers have something of it, or all, ms. */
const START_MS = 120_000
/** What kills have hit. */
const hits = { writer: 0, postgres: 0, redis: 0, events: 0, timescale: 0 }
let missing: string | false | undefined
let begun: Promise<Servers> | undefined

/** What the rounds so far were worth. */
export function serversSummary(): string {
  if (missing === undefined) return ''
  if (missing) return `servers left out: ${missing}`
  const { writer, postgres, redis, events, timescale } = hits
  const form = timescale > 0 ? `; with TimescaleDB in ${timescale} rounds` : ''
  return `servers: ${writer} kills of the process, ${postgres} of PostgreSQL, ${redis} of Redis; ${events} events compared in each${form}`
}

/** Two servers of our own, for all rounds; `undefined` where they are not installed. */
async function start(): Promise<Servers | undefined> {
  const path = pathToFileURL(join(process.cwd(), 'scripts/services.mjs')).href
  const services = (await import(path)) as Services
  const { noPostgres, noRedis, noTimescale, TIMESCALE, startPostgres, startRedis } = services
  missing = noPostgres || noRedis
  if (missing) return undefined
  begun ??= (async () => ({
    hasTimescale: !noTimescale,
    postgres: await startPostgres({ settings: noTimescale ? {} : TIMESCALE }),
    // Each command is on the disk before it is answered: what Redis has said it has.
    redis: await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] }),
  }))()
  return begun
}

/** One experiment; returns what did not hold. */
export async function serversRound(seed: number, without?: Mutation): Promise<string[]> {
  const servers = await start()
  if (!servers) return []
  const random = seededRandom(seed)
  const tape = await mkdtemp(join(tmpdir(), 'tickwire-servers-'))
  const name = `crash_${process.pid}_${seed}`
  const url = new URL(servers.postgres.url)
  await inPostgres(servers, `create database ${name}`)
  url.pathname = `/${name}`
  const fixed = {
    ...{ tape, postgres: url.href, redis: servers.redis.url, prefix: name },
    books: random() < 0.5 ? ('depth' as const) : ('levels' as const),
    timescale: servers.hasTimescale && seed % 2 === 0 ? ('auto' as const) : ('off' as const),
  }
  if (fixed.timescale === 'auto') hits.timescale++
  try {
    const kills = 2
    for (let generation = 0; generation < kills; generation++) {
      const plan = { ...fixed, generation, seed: seed + generation }
      await recordAndKill(plan, servers, random, without)
      const faults = await compare(plan, without)
      if (faults.length > 0) return faults.map(fault => `servers, kill ${generation + 1}: ${fault}`)
    }
    await catchUp({ ...fixed, generation: kills, seed })
    const faults = await compare({ ...fixed, generation: kills, seed }, without, true)
    return faults.map(fault => `servers, caught up: ${fault}`)
  } finally {
    await inPostgres(servers, `drop database ${name} with (force)`)
    await rm(tape, { recursive: true, force: true })
  }
}

async function inPostgres({ postgres }: Servers, text: string): Promise<void> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  await client.query(text)
  await client.end()
}

/** One writer from its start to its death; a server may die before it, and come back. */
async function recordAndKill(
  plan: ServersPlan,
  { postgres, redis }: Servers,
  random: Random,
  without: Mutation | undefined,
): Promise<void> {
  const broken = without ? ['--import', fileOf(`crash-${without}`)] : []
  const args = [...broken, fileOf('crash-servers-writer'), JSON.stringify(plan)]
  const writer = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const begins = listen(writer)
  await Promise.race([begins, sleep(START_MS, undefined, { ref: false })])
  await sleep(random() * 500)
  const which = random()
  const dying = which < 0.35 ? postgres : which < 0.7 ? redis : undefined
  if (dying) {
    hits[dying === postgres ? 'postgres' : 'redis']++
    await dying.stop('SIGKILL')
    await sleep(random() * 200)
    await dying.start()
    await sleep(random() * 600)
  }
  hits.writer++
  const gone = once(writer, 'exit')
  writer.kill('SIGKILL')
  await gone
}

/** Resolves when both servers have something of this run. */
async function listen(writer: ChildProcess): Promise<void> {
  let from = Number.POSITIVE_INFINITY
  const lines = createInterface({ input: writer.stdout! })
  await new Promise<void>(resolve => {
    lines.on('close', resolve)
    lines.on('line', line => {
      const [word, ...rest] = line.split(' ')
      if (word === 'ready') from = Number(rest[0])
      else if (word === 'stored' && rest.every(seq => Number(seq) > from)) resolve()
    })
  })
}

const fileOf = (name: string) => fileURLToPath(new URL(`./${name}.js`, import.meta.url))

/** Brings the servers up to the end of the tape, as a next start does. */
async function catchUp(plan: ServersPlan): Promise<void> {
  const tape = await openFileTape({ folder: plan.tape, log: silentLog })
  const servers = keepServers(serversOf(plan), { tape, clock: hasty(), log: silentLog })
  const until = Date.now() + START_MS
  const isDone = () => servers.every(({ seq }) => seq === tape.end.seq)
  while (!isDone() && Date.now() < until) await sleep(10)
  await tape.close()
  for (const server of servers) await server.close()
}

/** What is in the servers, as it is, against the tape. */
async function compare(
  plan: ServersPlan,
  without: Mutation | undefined,
  isWhole = false,
): Promise<string[]> {
  const faults: string[] = []
  const { postgres, redis } = serversOf(plan)
  const tape = await followFileTape({ folder: plan.tape })
  const rows = await openPostgres({ ...postgres!, log: silentLog })
  const latest = await openRedis({ ...redis!, log: silentLog })
  try {
    const end = tape.end.seq
    const position = (await rows.stored(tape.id))?.seq ?? 0
    const compared = await rows.check(tape, ({ seq, kind, is }) => {
      faults.push(`PostgreSQL at ${position}: number ${seq} (${kind}) is ${is}`)
    })
    hits.events += compared
    const beyond = await countBeyond(rows, position)
    if (beyond > 0) faults.push(`PostgreSQL has ${beyond} rows beyond its position ${position}`)
    const at = (await latest.all()).at?.seq ?? 0
    await latest.check(tape, key => faults.push(`Redis at ${at}: ${key} is not as on the tape`))
    if (isWhole && (position !== end || at !== end)) {
      faults.push(`the tape ends at ${end}, PostgreSQL at ${position}, Redis at ${at}`)
    }
    return without ? faults.slice(0, 1) : faults
  } finally {
    await rows.close()
    await latest.close()
    await tape.close()
  }
}

const TABLES = ['trades', 'quotes', 'books', 'book_levels', 'cancels', 'news', 'notices']

async function countBeyond(
  store: Awaited<ReturnType<typeof openPostgres>>,
  position: number,
): Promise<number> {
  const counts = TABLES.map(
    table => `(select count(*) from ${table} where tape_no > 0 and seq > ${position})`,
  )
  const { rows } = await store.sql(`select ${counts.join(' + ')}`)
  for await (const [row] of rows) return Number(row![0])
  return 0
}
