/**
 * The tape in files against NDJSON and msgpackr records: events to a file until they are written, at several events a
 * turn of the event loop, and from the file to events, before and after it is sealed.
 *
 * Events per second of CPU, the thread pool's included; one variant per process, the variants in turn within each
 * round, medians over rounds. What is read is compared in the run.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { silentLog } from '../src/base/log.ts'
import type { MarketEvent } from '../src/market/events.ts'
import { compactTape } from '../src/tape/file/compact.ts'
import { marketEvents } from './blocks.ts'
import { median, type Row, report, spread } from './table.ts'
import {
  FORMS,
  type Form,
  openRecorder,
  READINGS,
  type Reading,
  type Recorder,
  readAll,
  recordedFiles,
  textOf,
} from './tape-recorders.ts'

const TURNS = [1, 4, 16, 64, 512, 4_096]
/** Different events; a recording repeats them, with other numbers. */
const POOL = 65_536
/** Most events that wait to be written: none is used anew before that. */
const AHEAD = 32_768
const MOST: Record<Form, number> = { tickwire: 2_097_152, NDJSON: 524_288, msgpackr: 1_048_576 }
const MOST_TURNS = 131_072
const REPLAYED = 524_288
const LEAST = { append: 2e6, replay: 4e6, overLines: 3, live: 28, sealed: 15 }

interface Appended {
  readonly perCpu: number
  readonly perSecond: number
  readonly bytes: number
}

interface Replayed {
  readonly perCpu: number
  readonly bytes: number
  readonly digest: string
}

export async function main({
  rounds = 3,
  json,
}: {
  rounds?: number
  json?: string
}): Promise<void> {
  const appended = new Map<string, Appended[]>()
  const replayed = new Map<string, Replayed[]>()
  const add = <T>(map: Map<string, T[]>, key: string, value: T) =>
    map.set(key, [...(map.get(key) ?? []), value])
  for (let round = 0; round < rounds; round++) {
    for (const perTurn of TURNS) {
      for (const form of FORMS) {
        const sample = inFolder(folder => child<Appended>('append', form, folder, `${perTurn}`))
        add(appended, `${form} ${perTurn}`, sample)
      }
    }
    for (const form of FORMS) {
      inFolder(folder => {
        child('record', form, folder)
        const readings = READINGS.filter(r => (r === 'JSON.parse alone' ? 'NDJSON' : r) === form)
        for (const reading of readings)
          add(replayed, reading, child<Replayed>('replay', reading, folder))
        if (form !== 'tickwire') return
        child('seal', form, folder)
        add(replayed, 'sealed', child<Replayed>('replay', form, folder))
      })
    }
  }
  if (new Set([...replayed.values()].flat().map(({ digest }) => digest)).size !== 1) {
    throw new Error('what is read differs from what was recorded')
  }
  report([...TURNS.flatMap(n => appendRows(n, appended)), ...replayRows(replayed)], json)
}

function appendRows(perTurn: number, all: ReadonlyMap<string, readonly Appended[]>): Row[] {
  const of = (form: Form, what: keyof Appended) =>
    all.get(`${form} ${perTurn}`)!.map(sample => sample[what])
  const name = `append, ${perTurn} a turn`
  const isHeld = perTurn >= 16
  const cpu = of('tickwire', 'perCpu')
  const bytes = of('tickwire', 'bytes')
  return [
    ...(isHeld ? [atLeast(name, 'events/CPU s', cpu, LEAST.append)] : []),
    against(
      ...([name, 'events/CPU s', cpu, 'NDJSON', of('NDJSON', 'perCpu')] as const),
      isHeld ? LEAST.overLines : undefined,
    ),
    against(name, 'events/CPU s', cpu, 'msgpackr', of('msgpackr', 'perCpu')),
    against(
      ...([name, 'events/s', of('tickwire', 'perSecond')] as const),
      ...(['NDJSON', of('NDJSON', 'perSecond')] as const),
    ),
    perTurn >= 4
      ? atMost(`live, ${perTurn} a turn`, bytes, LEAST.live)
      : smaller(`live, ${perTurn} a turn`, bytes, of('NDJSON', 'bytes')),
  ]
}

function replayRows(all: ReadonlyMap<string, readonly Replayed[]>): Row[] {
  const of = (key: string) => all.get(key)!.map(({ perCpu }) => perCpu)
  const rows: Row[] = []
  for (const [key, name] of [
    ['tickwire', 'replay, live rows'],
    ['sealed', 'replay, sealed'],
  ] as const) {
    rows.push(atLeast(name, 'events/CPU s', of(key), LEAST.replay))
    for (const peer of READINGS.slice(1)) {
      const budget = peer === 'NDJSON' ? LEAST.overLines : undefined
      rows.push(against(name, 'events/CPU s', of(key), peer, of(peer), budget))
    }
  }
  const sealed = all.get('sealed')!.map(({ bytes }) => bytes)
  return [...rows, atMost('sealed', sealed, LEAST.sealed)]
}

function against(
  name: string,
  unit: string,
  samples: readonly number[],
  peer: string,
  peers: readonly number[],
  budget?: number,
): Row {
  const [value, peerValue] = [median(samples), median(peers)]
  return {
    ...{ name, unit, value, peer, peerValue, ratio: value / peerValue },
    ...{ spread: spread(samples), rounds: samples.length },
    ...(budget !== undefined && { budget }),
  }
}

function atLeast(name: string, unit: string, samples: readonly number[], least: number): Row {
  return against(name, unit, samples, 'at least', [least], 1)
}

function atMost(name: string, samples: readonly number[], most: number): Row {
  const row = against(name, 'B/event', samples, 'at most', [most], 1)
  return { ...row, ratio: most / row.value }
}

function smaller(name: string, samples: readonly number[], lines: readonly number[]): Row {
  const row = against(name, 'B/event', samples, 'NDJSON', lines)
  return { ...row, ratio: row.peerValue! / row.value }
}

function inFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-bench-'))
  try {
    return use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function child<T>(...args: readonly string[]): T {
  const flags = ['--min-semi-space-size=64', '--max-semi-space-size=64']
  const script = fileURLToPath(import.meta.url)
  return JSON.parse(
    execFileSync(process.execPath, [...flags, script, ...args], { encoding: 'utf8' }),
  ) as T
}

const TASKS: Readonly<Record<string, (...args: string[]) => Promise<unknown>>> = {
  append: (form, folder, perTurn) => append(form as Form, folder!, Number(perTurn)),
  record: async (form, folder) => {
    const recorder = await openRecorder(form as Form, folder!)
    await feed(recorder, marketEvents(POOL), 512, REPLAYED)
    await recorder.close()
  },
  replay: (reading, folder) => replay(reading as Reading, folder!),
  seal: (_, folder) => compactTape(folder!, silentLog),
}

async function append(form: Form, folder: string, perTurn: number): Promise<Appended> {
  const pool = marketEvents(POOL)
  const recorder = await openRecorder(form, folder)
  // Each turn on its own: what a block of so many takes. It warms the code up as well.
  const alone = Math.max(1, Math.min(4_096, POOL / perTurn))
  for (let i = 0; i < alone; i++) await feed(recorder, pool, perTurn, perTurn)
  const size = () => statSync(files[0]!).size
  const files = await recordedFiles(folder)
  const bytes = size() / (alone * perTurn)
  await feed(recorder, pool, perTurn, AHEAD)

  const count = Math.min(MOST[form], MOST_TURNS * perTurn)
  const [cpu, start] = [process.cpuUsage(), performance.now()]
  await feed(recorder, pool, perTurn, count)
  const seconds = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  await recorder.close()
  return { perCpu: (count * 1e6) / (user + system), perSecond: count / seconds, bytes }
}

/** Appends so many events a turn, until the last one is written. */
async function feed(
  recorder: Recorder,
  pool: readonly MarketEvent[],
  perTurn: number,
  count: number,
): Promise<void> {
  const end = recorder.written + count
  for (let seq = recorder.written; seq < end; ) {
    const from = seq % POOL
    const batch = pool.slice(from, Math.min(from + perTurn, from + end - seq))
    recorder.append(batch)
    seq += batch.length
    await turn()
    while (seq - recorder.written > AHEAD) await turn()
  }
  while (recorder.written < end) await turn()
}

async function replay(reading: Reading, folder: string): Promise<Replayed> {
  const hash = createHash('sha256')
  let count = 0
  await readAll(reading, folder, batch => {
    if (count < POOL)
      for (const event of batch.slice(0, POOL - count)) hash.update(textOf(reading, event))
    count += batch.length
  })
  if (count !== REPLAYED) throw new Error(`${reading}: ${count} events, not ${REPLAYED}`)
  const ring: unknown[] = new Array(4_096).fill(undefined)
  let at = 0
  const samples: number[] = []
  for (let pass = 0; pass < 4; pass++) {
    const cpu = process.cpuUsage()
    await readAll(reading, folder, batch => {
      for (const event of batch) ring[at++ & 4_095] = event
    })
    const { user, system } = process.cpuUsage(cpu)
    if (pass > 0) samples.push((REPLAYED * 1e6) / (user + system))
  }
  const files = await recordedFiles(folder)
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0) / REPLAYED
  return { perCpu: median(samples), bytes, digest: hash.digest('hex') }
}

const [, script, task, ...args] = process.argv
if (script === fileURLToPath(import.meta.url)) {
  console.log(JSON.stringify((await TASKS[task!]!(...args)) ?? null))
}
