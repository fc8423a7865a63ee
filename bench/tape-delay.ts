/**
 * How long an event takes from `append` until a reader of what is written has it, on a calm disk; and how long the event
 * loop is held while another process fills the disk's cache with gigabytes: without recording, with the tape, and with
 * a recorder that writes on the loop and syncs each second.
 */
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, fdatasync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { silentLog } from '../src/base/log.ts'
import { RowEncoder } from '../src/market/rows.ts'
import { openFileTape } from '../src/tape/file/file.ts'
import { marketEvents } from './blocks.ts'
import { median, type Row, report, spread } from './table.ts'

const POOL = 65_536
/** Events received in one go stay together. */
const SLICE_MS = 1
const CALM = [
  { rate: 10_000, mostMs: 0.5 },
  { rate: 100_000, mostMs: 1 },
]
const CALM_MS = 4_000
const BUSY = { rate: 50_000, ms: 8_000, mostMs: 5 }
/** Megabytes that the other process writes over and over. */
const DIRTY = 2_000

type Mode = 'nothing' | 'tape' | 'on the loop'

interface Sample {
  /** From `append` to a reader, ms; of the tape only. */
  readonly delay: { readonly p50: number; readonly p99: number; readonly max: number }
  /** What a timer came too late, ms. */
  readonly loop: { readonly p99: number; readonly max: number }
  readonly unrecorded: boolean
}

export async function main({
  rounds = 3,
  json,
}: {
  rounds?: number
  json?: string
}): Promise<void> {
  const rows: Row[] = []
  const calm = CALM.map(() => [] as Sample[])
  const idle: Sample[] = []
  const busy: Record<Mode, Sample[]> = { nothing: [], tape: [], 'on the loop': [] }
  for (let round = 0; round < rounds; round++) {
    idle.push(run('nothing', CALM[0]!.rate, CALM_MS))
    for (const [i, { rate }] of CALM.entries()) calm[i]!.push(run('tape', rate, CALM_MS))
    for (const mode of Object.keys(busy) as Mode[]) {
      busy[mode].push(await underPressure(() => run(mode, BUSY.rate, BUSY.ms)))
    }
  }
  // How much of the rest is the machine's.
  rows.push(row('loop late without recording, p99', idle, ({ loop }) => loop.p99))
  for (const [i, { rate, mostMs }] of CALM.entries()) {
    const name = `append to written, ${rate}/s`
    rows.push(row(`${name}, p50`, calm[i]!, sample => sample.delay.p50))
    rows.push(row(`${name}, p99`, calm[i]!, sample => sample.delay.p99, mostMs))
  }
  const late = 'loop late on a busy disk, p99'
  rows.push(row(late, busy.tape, ({ loop }) => loop.p99, BUSY.mostMs))
  for (const peer of ['nothing', 'on the loop'] as const) {
    for (const what of ['p99', 'max'] as const) {
      const ours = row(`loop late on a busy disk, ${what}`, busy.tape, ({ loop }) => loop[what])
      const peerValue = median(busy[peer].map(({ loop }) => loop[what]))
      rows.push({ ...ours, peer, peerValue, ratio: peerValue / ours.value })
    }
  }
  rows.push(row('append to written on a busy disk, p99', busy.tape, ({ delay }) => delay.p99))
  rows.push(row('append to written on a busy disk, max', busy.tape, ({ delay }) => delay.max))
  report(rows, json)
  const stopped = [...calm.flat(), ...busy.tape].filter(({ unrecorded }) => unrecorded).length
  if (stopped > 0) console.log(`${stopped} runs of the tape were not recorded throughout`)
}

function row(
  name: string,
  samples: readonly Sample[],
  of: (sample: Sample) => number,
  mostMs?: number,
): Row {
  const values = samples.map(of)
  const value = median(values)
  return {
    ...{ name, unit: 'ms', value, spread: spread(values), rounds: samples.length },
    ...(mostMs !== undefined && {
      ...{ peer: 'at most', peerValue: mostMs, ratio: mostMs / value, budget: 1 },
    }),
  }
}

/** In a process of its own, in a folder of its own. */
function run(mode: Mode, rate: number, ms: number): Sample {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-bench-'))
  try {
    const args = [fileURLToPath(import.meta.url), mode, folder, `${rate}`, `${ms}`]
    return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Sample
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** While another process writes more to the same disk than it takes. */
async function underPressure(measure: () => Sample): Promise<Sample> {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-dirty-'))
  const command = `while :; do dd if=/dev/zero of=big bs=1M count=${DIRTY} conv=notrunc,fdatasync 2>/dev/null; done`
  const writer = spawn('sh', ['-c', command], { cwd: folder, detached: true, stdio: 'ignore' })
  try {
    await sleep(2_000)
    return measure()
  } finally {
    // The shell and its dd.
    process.kill(-writer.pid!, 'SIGKILL')
    rmSync(folder, { recursive: true, force: true })
    await sleep(1_000)
  }
}

interface Target {
  append(from: number, to: number): void
  close(): Promise<boolean>
}

/** What the pool holds is appended over and over; `seen` hears of the number of each event that is written. */
async function openTarget(
  mode: Mode,
  folder: string,
  seen: (from: number, to: number) => void,
): Promise<Target> {
  const pool = marketEvents(POOL)
  if (mode === 'nothing') return { append: () => {}, close: async () => false }
  if (mode === 'on the loop') {
    const encoder = new RowEncoder()
    const fd = openSync(join(folder, 'events'), 'w')
    let syncing = false
    const timer = setInterval(() => {
      if (syncing) return
      syncing = true
      fdatasync(fd, () => {
        syncing = false
      })
    }, 1_000)
    return {
      append: (from, to) => void writeSync(fd, encoder.encode(pool, from, to, false)),
      close: async () => {
        clearInterval(timer)
        while (syncing) await sleep(10)
        closeSync(fd)
        return false
      },
    }
  }
  const tape = await openFileTape({ folder, log: silentLog })
  let unrecorded = false
  const reading = (async () => {
    for await (const batch of tape.read({ written: true })) {
      seen(batch[0]!.seq!, batch.at(-1)!.seq!)
      if (!tape.isRecording) unrecorded = true
    }
  })()
  return {
    append: (from, to) => tape.append(pool.slice(from, to)),
    close: async () => {
      await tape.close()
      await reading
      return unrecorded
    },
  }
}

async function measure(mode: Mode, folder: string, rate: number, ms: number): Promise<Sample> {
  const delays = new Histogram()
  const late = new Histogram()
  /** When the events of a number were appended. */
  const times = new Float64Array(2 ** 20)
  let warm = false
  const target = await openTarget(mode, folder, (from, to) => {
    const now = performance.now()
    if (warm) for (let seq = from; seq <= to; seq++) delays.add(now - times[seq & (2 ** 20 - 1)]!)
  })
  let sent = 0
  const start = performance.now()
  for (let now = start; now - start < ms; ) {
    await new Promise(resolve => setTimeout(resolve, SLICE_MS))
    const before = now
    now = performance.now()
    warm = now - start > 1_000
    if (warm) late.add(Math.max(0, now - before - SLICE_MS))
    const due = Math.floor(((now - start) * rate) / 1_000)
    while (sent < due) {
      const from = sent % POOL
      const to = Math.min(from + due - sent, from + 4_096, POOL)
      for (let i = 0; i < to - from; i++) times[(sent + i + 1) & (2 ** 20 - 1)] = now
      target.append(from, to)
      sent += to - from
    }
  }
  const unrecorded = await target.close()
  return {
    delay: { p50: delays.at(0.5), p99: delays.at(0.99), max: delays.at(1) },
    loop: { p99: late.at(0.99), max: late.at(1) },
    unrecorded,
  }
}

/** Counts of times, ms, in steps of 2 %. */
class Histogram {
  readonly #counts = new Float64Array(2_048)
  #total = 0

  add(ms: number): void {
    const step = Math.ceil(Math.log(Math.max(ms, 1e-3) / 1e-3) / Math.log(1.02))
    this.#counts[Math.min(step, 2_047)]!++
    this.#total++
  }

  /** The time that this share of all does not exceed; 0 when there is none. */
  at(share: number): number {
    let left = this.#total * share
    if (left === 0) return 0
    for (const [step, count] of this.#counts.entries()) {
      left -= count
      if (count > 0 && left <= 1e-6) return 1e-3 * 1.02 ** step
    }
    return Number.POSITIVE_INFINITY
  }
}

const [, script, mode, folder, rate, ms] = process.argv
if (script === fileURLToPath(import.meta.url)) {
  console.log(JSON.stringify(await measure(mode as Mode, folder!, Number(rate), Number(ms))))
}
