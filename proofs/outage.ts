// PostgreSQL and Redis are away for a minute while a tape is recorded beside them, and come back. The recording must notice
// nothing of it, the lag must say what is waiting and for how long, and in the end every event that was recorded must be
// there exactly once and Redis must have the latest of all of them. Where TimescaleDB is installed, odd seeds are with it.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { keepServers, type ServerStore } from '../src/app/stores.ts'
import { silentLog } from '../src/base/log.ts'
import { openPostgres } from '../src/store/postgres.ts'
import { openRedis } from '../src/store/redis.ts'
import { type FileTape, openFileTape } from '../src/tape/file/file.ts'
import { hasty, serversEvent, serversOf } from './crash-servers-kit.ts'

type Services = typeof import('../scripts/services.mjs')

/** None: what could be taken out is taken out in `crash`. */
export const MUTATIONS: readonly string[] = []
/** How long the servers are away (`--at`). */
export const PLACES = ['minute', 'moment'] as const
const AWAY_MS = { minute: 60_000, moment: 3_000 }

/** Events a second. */
const RATE = 2_000
/** Recorded before, and behind, ms. */
const BESIDE_MS = 3_000
/** How long catching up may take, ms. */
const PATIENCE_MS = 180_000

const lines: string[] = []
export const summary = () => lines.join('\n')

/** One outage: of even seeds both are stopped, of odd ones killed. */
export async function round(
  seed: number,
  { at = 'minute' }: { readonly at?: (typeof PLACES)[number] } = {},
): Promise<string[]> {
  const path = pathToFileURL(join(process.cwd(), 'scripts/services.mjs')).href
  const { noPostgres, noRedis, noTimescale, TIMESCALE, startPostgres, startRedis } = (await import(
    path
  )) as Services
  const missing = noPostgres || noRedis
  if (missing) {
    lines.push(`left out: ${missing}`)
    return []
  }
  const timescale = !noTimescale && seed % 2 === 1
  const postgres = await startPostgres({ settings: timescale ? TIMESCALE : {} })
  const redis = await startRedis({
    args: ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '60 1'],
  })
  const folder = await mkdtemp(join(tmpdir(), 'tickwire-outage-'))
  const plan = {
    ...{ tape: folder, postgres: postgres.url, redis: redis.url, prefix: 'outage' },
    ...{ books: 'levels' as const, timescale: timescale ? ('auto' as const) : ('off' as const) },
    ...{ generation: 0, seed },
  }
  const tape = await openFileTape({ folder, log: silentLog })
  const servers = keepServers(serversOf(plan), { tape, clock: hasty(), log: silentLog })
  const faults: string[] = []
  try {
    const recorder = record(tape)
    await sleep(BESIDE_MS)
    const how = seed % 2 === 1 ? 'SIGKILL' : undefined
    await Promise.all([postgres.stop(how), redis.stop(how)])
    await sleep(AWAY_MS[at])
    for (const { name, behind, lagMs = 0, error } of servers) {
      if (!error) faults.push(`${name} is away and nothing is said`)
      const least = AWAY_MS[at] - 2_000
      if (!(behind > 0 && lagMs >= least)) {
        faults.push(`${name} is away: ${behind} events are said to wait for ${lagMs} ms`)
      }
    }
    const waiting = servers.map(({ behind }) => behind)
    await Promise.all([postgres.start(), redis.start()])
    const began = performance.now()
    await sleep(BESIDE_MS)
    const { sent, longestMs } = await recorder.end()
    if (tape.end.seq < sent) faults.push(`${sent} were sent, the tape ends at ${tape.end.seq}`)
    const until = Date.now() + PATIENCE_MS
    while (!servers.every(({ seq, behind }) => seq === tape.end.seq && behind === 0)) {
      if (Date.now() > until) {
        return [...faults, `not caught up: ${servers.map(it => `${it.name} at ${it.seq}`).join()}`]
      }
      await sleep(50)
    }
    const took = performance.now() - began
    faults.push(...(await compare(plan, tape, servers)))
    const form = timescale ? 'hypertables' : 'partitions'
    lines.push(
      `seed ${seed} (${form}): ${sent} sent, ${waiting.join(' and ')} waited for ${AWAY_MS[at] / 1_000} s, all there ${Math.round(took)} ms after the start; longest append ${longestMs.toFixed(1)} ms`,
    )
    return faults
  } finally {
    await tape.close()
    for (const server of servers) await server.close()
    await Promise.all([postgres.end(), redis.end()])
    await rm(folder, { recursive: true, force: true })
  }
}

/** Appends at a steady rate until it is ended. */
function record(tape: FileTape) {
  const began = performance.now()
  let [sent, longestMs, isOver] = [0, 0, false]
  const running = (async () => {
    while (!isOver) {
      const due = Math.floor(((performance.now() - began) * RATE) / 1_000)
      const batch = Array.from({ length: Math.min(2_000, due - sent) }, () => serversEvent(++sent))
      const at = performance.now()
      if (batch.length > 0) tape.append(batch)
      longestMs = Math.max(longestMs, performance.now() - at)
      await sleep(5)
    }
  })()
  return {
    async end() {
      isOver = true
      await running
      while (tape.written.seq < tape.end.seq) await sleep(5)
      return { sent, longestMs }
    },
  }
}

/** What is there against what was recorded. */
async function compare(
  plan: Parameters<typeof serversOf>[0],
  tape: FileTape,
  servers: readonly ServerStore[],
): Promise<string[]> {
  const faults: string[] = []
  for (const { name, lagMs } of servers) if (lagMs !== 0) faults.push(`${name} lags ${lagMs} ms`)
  const { postgres, redis } = serversOf(plan)
  const rows = await openPostgres({ ...postgres!, log: silentLog })
  const latest = await openRedis({ ...redis!, log: silentLog })
  try {
    const compared = await rows.check(tape, ({ seq, kind, is }) => {
      if (faults.length < 5) faults.push(`number ${seq} (${kind}) is ${is}`)
    })
    if (compared !== tape.end.seq) faults.push(`${compared} of ${tape.end.seq} compared`)
    const kinds = ['trades', 'quotes', 'books', 'cancels', 'news', 'notices']
    const all = kinds.map(kind => `select seq from ${kind} where tape_no > 0`).join(' union all ')
    const { rows: counts } = await rows.sql(
      `select count(*)::int, count(distinct seq)::int, min(seq)::int, max(seq)::int from (${all}) t`,
    )
    for await (const [row] of counts) {
      const { seq } = tape.end
      if (`${row}` !== `${[seq, seq, 1, seq]}`) faults.push(`rows of ${seq} events: ${row}`)
    }
    await latest.check(tape, key => faults.push(`Redis: ${key} is not as on the tape`))
    const { at } = await latest.all()
    if (at?.seq !== tape.end.seq) faults.push(`Redis is at ${at?.seq}`)
    return faults
  } finally {
    await rows.close()
    await latest.close()
  }
}
