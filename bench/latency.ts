// `npm run bench -- latency`: how much later an event is at a client of the gateway than on the tape: from `append`, through the
// file it is written to, to a socket read in another process. At 10,000 events a second, over clients that want a tenth each.
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { silentLog } from '../src/base/log.ts'
import { openFileTape } from '../src/tape/file/file.ts'
import { arrived, ask, drawn, made, play } from './fanout.ts'
import type { Late } from './fanout-clients.ts'
import { gatewayOn } from './fanout-servers.ts'
import { median, type Row, report, spread } from './table.ts'

const LOAD = { clients: 20, each: 50, rate: 10_000 }
const LOAD_MS = 4_000
/** At most, ms, with the machine under half load. */
const BUDGETS = { p50: 1.5, p99: 5 } as const

export async function main({ rounds = 3, json }: { rounds?: number; json?: string }) {
  const farm = fork(fileURLToPath(new URL('./fanout-clients.js', import.meta.url)))
  const samples: (Late & { readonly cpu: number })[] = []
  try {
    for (let i = 0; i < rounds; i++) samples.push(await measure(farm))
  } finally {
    farm.disconnect()
  }
  const cpu = Math.round(median(samples.map(it => it.cpu)) * 100)
  const load = loadavg().map(it => it.toFixed(1))
  console.log(`the gateway took ${cpu} % of a core; load of the machine: ${load.join(', ')}`)
  const rows = (['p50', 'p99'] as const).map((name): Row => {
    const values = samples.map(it => it[name])
    const value = median(values)
    return {
      ...{ name: `added by the gateway at ${LOAD.rate} events/s, ${name}`, unit: 'ms', value },
      ...{ peer: 'at most', peerValue: BUDGETS[name], ratio: BUDGETS[name] / value, budget: 1 },
      ...{ spread: spread(values), rounds },
    }
  })
  report(rows, json)
}

async function measure(farm: ChildProcess): Promise<Late & { cpu: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'latency-'))
  const tape = await openFileTape({ folder, log: silentLog })
  const server = await gatewayOn(tape)
  try {
    const symbols = drawn(LOAD)
    await ask(farm, { type: 'open', port: server.port, symbols, stalled: 0 })
    // Warm, before anything is measured.
    const warming = made(LOAD.rate, 1_000)
    await play(tape, warming.events, LOAD.rate)
    await arrived(farm, warming.deliveries(symbols))
    await ask(farm, { type: 'late' })
    const began = process.cpuUsage()
    const start = performance.now()
    const { events, deliveries } = made(LOAD.rate, LOAD_MS)
    await play(tape, events, LOAD.rate)
    await arrived(farm, warming.deliveries(symbols) + deliveries(symbols))
    const { user, system } = process.cpuUsage(began)
    const cpu = (user + system) / 1_000 / (performance.now() - start)
    return { ...(await ask<Late>(farm, { type: 'late' })), cpu }
  } finally {
    await ask(farm, { type: 'close' })
    await server.close()
    await tape.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
