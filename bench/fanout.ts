// `npm run bench -- fanout`: deliveries for each second of the server's CPU, against one `ws.send` for each message and
// client, which gets the same events from the same tape at the same pace; each client has had every event, both ways.
// Beside it: memory for each client, and what one client that reads nothing costs the others.
import { type ChildProcess, fork } from 'node:child_process'
import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { seededRandom } from '../src/base/random.ts'
import { createEvent, type MarketEvent } from '../src/market/events.ts'
import { memoryTape } from '../src/tape/memory.ts'
import type { Tape } from '../src/tape/tape.ts'
import type { Counted, Late, Order } from './fanout-clients.ts'
import { type FanServer, gatewayOn, plainOn } from './fanout-servers.ts'
import { median, type Row, report, spread } from './table.ts'

const ROUNDS = 3
const SYMBOLS = Array.from({ length: 500 }, (_, i) => `S${i}`)
/** How long there is load, ms. */
const LOAD_MS = 2_000

interface Case {
  readonly clients: number
  /** Symbols of each client. */
  readonly each: number
  /** Events a second onto the tape. */
  readonly rate: number
  readonly budget?: number
}

/** They offer 200,000 deliveries a second, the last 500,000. */
const CASES: readonly Case[] = [
  { clients: 10, each: 250, rate: 40_000, budget: 3 },
  { clients: 100, each: 50, rate: 20_000, budget: 3 },
  { clients: 1_000, each: 10, rate: 10_000, budget: 3 },
  { clients: 5_000, each: 5, rate: 10_000, budget: 1.7 },
]

interface Round {
  readonly perCpu: number
  readonly late: Late
}

export async function main({ rounds = ROUNDS, json }: { rounds?: number; json?: string }) {
  const farm = fork(fileURLToPath(new URL('./fanout-clients.js', import.meta.url)))
  const rows: Row[] = []
  try {
    // First, while nothing else has left anything behind.
    rows.push(await memory(farm))
    for (const one of CASES) rows.push(...(await compare(farm, one, rounds)))
    rows.push(await oneStalled(farm, rounds))
  } finally {
    farm.disconnect()
  }
  const load = loadavg().map(it => it.toFixed(1))
  console.log(`load of the machine at the end, 1, 5 and 15 minutes: ${load.join(', ')}`)
  report(rows, json)
}

async function compare(farm: ChildProcess, one: Case, rounds: number): Promise<Row[]> {
  const ours: Round[] = []
  const theirs: Round[] = []
  for (let i = 0; i < rounds; i++) {
    ours.push(await measure(farm, one, gatewayOn))
    theirs.push(await measure(farm, one, plainOn))
  }
  const values = ours.map(({ perCpu }) => perCpu / 1_000)
  const peers = theirs.map(({ perCpu }) => perCpu / 1_000)
  const ratios = ours.map(({ perCpu }, i) => perCpu / theirs[i]!.perCpu)
  const { p50, p99 } = ours.at(-1)!.late
  const ratio = median(ratios).toFixed(2)
  console.log(
    `${one.clients} clients: ${ratio}x; late by p50 ${p50} ms, p99 ${p99} ms in the last round`,
  )
  return [
    {
      name: `${one.clients} clients, ${one.each} of 500 symbols each`,
      ...{ unit: 'k deliveries/CPU-s', value: median(values), peer: 'ws.send each' },
      ...{ peerValue: median(peers), ratio: median(ratios), spread: spread(values), rounds },
      ...(one.budget !== undefined && { budget: one.budget }),
    },
  ]
}

/** Deliveries for a second of this process's CPU: the server's, as clients are elsewhere. */
async function measure(
  farm: ChildProcess,
  one: Case,
  open: (tape: Tape) => Promise<FanServer>,
): Promise<Round> {
  const tape = memoryTape()
  const server = await open(tape)
  const symbols = drawn(one)
  await ask(farm, { type: 'open', port: server.port, symbols, stalled: 0 })
  await ask(farm, { type: 'late' })
  const { events, deliveries } = made(one.rate, LOAD_MS)
  const expected = deliveries(symbols)
  const began = process.cpuUsage()
  await play(tape, events, one.rate)
  await arrived(farm, expected)
  const { user, system } = process.cpuUsage(began)
  const late = await ask<Late>(farm, { type: 'late' })
  await ask(farm, { type: 'close' })
  await server.close()
  await tape.close()
  return { perCpu: expected / ((user + system) / 1e6), late }
}

/** Trades for a while at a rate, and how many of each symbol: made before anything is measured. */
export function made(rate: number, ms: number) {
  const random = seededRandom(7)
  const perSymbol = new Map<string, number>()
  const timestamp = Date.now()
  const events = Array.from({ length: Math.round((rate * ms) / 1_000) }, (_, i) => {
    const symbol = SYMBOLS[Math.floor(random() * SYMBOLS.length)]!
    perSymbol.set(symbol, (perSymbol.get(symbol) ?? 0) + 1)
    return createEvent({
      ...{ type: 'trade', symbol, source: 'bench', timestamp, receivedAt: timestamp },
      ...{ price: 100 + (i % 900) / 100, size: 100, exchange: 'V', tape: 'A', id: i + 1 },
    })
  })
  /** Of all clients together, by the symbols of each. */
  const deliveries = (symbols: readonly (readonly string[])[]) =>
    symbols.flat().reduce((sum, symbol) => sum + (perSymbol.get(symbol) ?? 0), 0)
  return { events, deliveries }
}

/** Appends them at a pace, each stamped as it is appended. */
export async function play(
  tape: Tape,
  events: readonly MarketEvent[],
  rate: number,
): Promise<void> {
  const start = performance.now()
  for (let done = 0; done < events.length; ) {
    await sleep(1)
    const pace = Math.round(((performance.now() - start) / 1_000) * rate)
    // A process that was kept waiting makes up for it bit by bit, as a venue does.
    const due = Math.min(events.length, pace, done + Math.ceil(rate / 50))
    if (due === done) continue
    const batch = events.slice(done, due)
    const receivedAt = performance.timeOrigin + performance.now()
    for (const event of batch) (event as { receivedAt: number }).receivedAt = receivedAt
    done = due
    tape.append(batch)
  }
}

/** Waits until clients have had so many events; more, fewer in time, or a client that is cut off is an error. */
export async function arrived(farm: ChildProcess, expected: number): Promise<void> {
  const late = performance.now() + 60_000
  for (;;) {
    const { events, ended } = await ask<Counted>(farm, { type: 'count' })
    if (events === expected) return
    if (events > expected || ended > 0 || performance.now() > late) {
      const cut = ended > 0 ? `, and ${ended} of them were cut off` : ''
      throw new Error(`clients had ${events} events instead of ${expected}${cut}`)
    }
    await sleep(20)
  }
}

export function drawn({ clients, each }: Case): string[][] {
  const random = seededRandom(clients)
  return Array.from({ length: clients }, () => {
    const some = new Set<string>()
    while (some.size < each) some.add(SYMBOLS[Math.floor(random() * SYMBOLS.length)]!)
    return [...some]
  })
}

const MEMORY: Case = { clients: 5_000, each: 5, rate: 2_000 }

/** What a client costs that is subscribed and gets events. */
async function memory(farm: ChildProcess): Promise<Row> {
  const tape = memoryTape()
  const server = await gatewayOn(tape)
  // What the process takes once it is warm is not the clients'.
  await play(tape, made(20_000, 2_000).events, 20_000)
  const before = resident()
  const symbols = drawn(MEMORY)
  await ask(farm, { type: 'open', port: server.port, symbols, stalled: 0 })
  await play(tape, made(MEMORY.rate, 1_000).events, MEMORY.rate)
  await sleep(500)
  const value = (resident() - before) / MEMORY.clients / 1_024
  await ask(farm, { type: 'close' })
  await server.close()
  await tape.close()
  return {
    ...{ name: `memory for each of ${MEMORY.clients} clients`, unit: 'kB resident', value },
    ...{ peer: 'at most', peerValue: 35, ratio: 35 / value, spread: 0, rounds: 1, budget: 1 },
  }
}

/** Memory of the process behind a full collection. */
function resident(): number {
  setFlagsFromString('--expose_gc')
  runInNewContext('gc')()
  return process.memoryUsage().rss
}

const STALLED: Case = { clients: 1_000, each: 10, rate: 10_000 }

/** How late events are for 999 clients beside one that reads nothing, against 1,000 that read. */
async function oneStalled(farm: ChildProcess, rounds: number): Promise<Row> {
  const ratios: number[] = []
  const p99s: number[] = []
  for (let i = 0; i < rounds; i++) {
    const well = await lateBeside(farm, 0)
    const beside = await lateBeside(farm, 1)
    p99s.push(beside.p99)
    ratios.push(beside.p99 / well.p99)
  }
  const ratio = median(ratios)
  return {
    ...{ name: 'p99 beside one client that reads nothing', unit: 'ms', value: median(p99s) },
    ...{ peer: 'p99 without, times 1.5', peerValue: (median(p99s) / ratio) * 1.5 },
    ...{ ratio: 1.5 / ratio, spread: spread(p99s), rounds, budget: 1 },
  }
}

async function lateBeside(farm: ChildProcess, stalled: number): Promise<Late> {
  const tape = memoryTape()
  const server = await gatewayOn(tape)
  // The one that stalls wants everything.
  const symbols = drawn(STALLED).map((some, i) => (i < stalled ? [...SYMBOLS] : some))
  await ask(farm, { type: 'open', port: server.port, symbols, stalled })
  await ask(farm, { type: 'stall' })
  await ask(farm, { type: 'late' })
  const { events, deliveries } = made(STALLED.rate, 2 * LOAD_MS)
  await play(tape, events, STALLED.rate)
  await arrived(farm, deliveries(symbols.slice(stalled)))
  const late = await ask<Late>(farm, { type: 'late' })
  for (const client of server.gateway!.inside.clients()) check(client, stalled)
  await ask(farm, { type: 'close' })
  await server.close()
  await tape.close()
  return late
}

/** Only the one that stalls may have lost anything, and what waits for it is bounded. */
function check(
  client: ReturnType<NonNullable<FanServer['gateway']>['inside']['clients']>[number],
  stalled: number,
): void {
  const { counters, waitingBytes, symbols } = client
  const isTheOne = stalled > 0 && symbols === SYMBOLS.length
  if (!isTheOne && counters.dropped > 0)
    throw new Error(`a client that reads lost ${counters.dropped}`)
  if (isTheOne && counters.queued === 0)
    throw new Error('the client that reads nothing has no queue')
  if (counters.queued > 16_384 || waitingBytes > 2 * 1024 * 1024) {
    throw new Error(`${counters.queued} events and ${waitingBytes} bytes wait for one client`)
  }
}

export function ask<T>(farm: ChildProcess, order: Order): Promise<T> {
  return new Promise((resolve, reject) => {
    farm.once('message', answer => resolve(answer as T))
    farm.send(order, error => error && reject(error))
  })
}
