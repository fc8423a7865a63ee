// A process that trades is killed at random moments around its orders, over and over, against a broker that loses replies, answers
// too late, tells twice, in the wrong order or not at all, and restarts. Afterwards no order was sent twice, no
// fill is lost, and positions are the same at the broker, in the journal and in what each bot was told.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Random, seededRandom } from '../src/base/random.ts'
import { type BrokerFaults, ScriptedBroker } from '../src/testing/scripted-broker.ts'
import type { TraderPlan, TraderReport } from './orders-trader.ts'

/**
 * Ways to break it, each of which must make rounds fail: `looks` what the broker says when
 * asked is not looked at, `once` an order whose answer was lost is sent again under another id, `sums` a sum that is told twice counts twice, `journal` nothing is kept over a kill.
 */
export const MUTATIONS = ['looks', 'once', 'sums', 'journal'] as const
export type Mutation = (typeof MUTATIONS)[number]

const KILLS = 3
const PATIENCE_MS = 90_000
const LATE_MS = 700
const INDIA = { 'NSE:INFY': 600, 'NSE:TCS': 500, 'NSE:SBIN': 400 }

/** @returns what does not hold; nothing where all of it does */
export async function round(
  seed: number,
  { without }: { without?: Mutation | undefined } = {},
): Promise<string[]> {
  const random = seededRandom(seed)
  const folder = await mkdtemp(join(tmpdir(), 'tickwire-orders-'))
  // Every fifth round is of a broker that keeps no id of ours.
  const dialect = seed % 5 === 0 ? 'openalgo' : 'alpaca'
  const prices = dialect === 'openalgo' ? { prices: INDIA } : {}
  const broker = new ScriptedBroker({
    ...{ seed, dialect, faults: faultsOf(random), lateMs: LATE_MS, stepMs: 60, ...prices },
  })
  await broker.start()
  const children: ChildProcess[] = []
  try {
    const plan = (settle: boolean): TraderPlan => ({
      ...{
        folder,
        url: broker.url,
        dialect,
        seed: Math.floor(random() * 2 ** 31),
        settle,
        without,
      },
      ...{ timeoutMs: 300, giveUpMs: 2_500 },
    })
    for (let life = 0; life < KILLS; life++) {
      const child = start(plan(false))
      children.push(child)
      const isReady = once(createInterface({ input: child.stdout! }), 'line')
      await Promise.race([isReady, sleep(PATIENCE_MS)])
      await sleep(random() * 500)
      if (random() < 0.3) {
        await broker.stop()
        await sleep(random() * 200)
        await broker.start()
        await sleep(random() * 300)
      }
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
      if (without === 'journal') await rm(join(folder, 'account', 'orders.ndjson'), { force: true })
    }
    broker.isCalm = true
    const child = start(plan(true))
    children.push(child)
    const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
    const [out, errors] = await Promise.all([text(child.stdout!), text(child.stderr!)])
    clearTimeout(late)
    const line = out.trim().split('\n').at(-1)!
    if (!line.startsWith('{')) return [`the trader did not end: ${out}${errors}`]
    return faultsFound(broker, JSON.parse(line) as TraderReport)
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await broker.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

function start(plan: TraderPlan): ChildProcess {
  const script = fileURLToPath(new URL('./orders-trader.js', import.meta.url))
  return spawn(process.execPath, [script, JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** Every round has faults of its own, some more than others. */
function faultsOf(random: Random): BrokerFaults {
  const rate = (most: number) => (random() < 0.3 ? 0 : random() * most)
  return {
    ...{ lostReply: rate(0.25), lostRequest: rate(0.15), late: rate(0.15), failed: rate(0.1) },
    ...{ failedAfter: rate(0.15), limited: rate(0.02), doubled: rate(0.3), swapped: rate(0.3) },
    ...{ dropped: rate(0.2), cut: rate(0.03), rejected: rate(0.1) },
  }
}

function faultsFound({ desk, posts }: ScriptedBroker, report: TraderReport): string[] {
  const wrong: string[] = []
  if (report.phase !== 'ready') wrong.push(`the account is ${report.phase}: ${report.why}`)
  for (const [what, count] of posts) {
    // By its id, or where the broker is given none by what it is.
    const meant = report.orders.filter(({ id, words }) => id === what || words === what).length
    if (count > Math.max(1, meant)) wrong.push(`${what} was sent ${count} times, meant ${meant}`)
  }
  const known = new Map(report.orders.map(order => [order.brokerId, order]))
  for (const { id, clientId, filled, worth, status } of desk.orders.values()) {
    const mine = known.get(id)
    if (!mine) wrong.push(`${clientId} is in the market, and the journal does not know it`)
    else if (Math.abs(mine.filled - filled) > 1e-9) {
      wrong.push(
        `${clientId}: ${filled} was filled (${status}), the journal says ${mine.filled} (${mine.status})`,
      )
    } else if (filled > 0 && Math.abs(mine.averagePrice! - worth / filled) > 1e-6) {
      wrong.push(`${clientId}: filled at ${worth / filled}, the journal says ${mine.averagePrice}`)
    }
  }
  for (const { id, brokerId, filled, status } of report.orders) {
    if (brokerId !== undefined && desk.order(brokerId)) continue
    if (filled > 0 || status !== 'rejected')
      wrong.push(`${id} never came to the broker, and is ${status}`)
  }
  const sums = new Map<string, number>()
  for (const [key, held] of Object.entries(report.held)) {
    const symbol = key.slice(key.indexOf(' ') + 1)
    sums.set(symbol, (sums.get(symbol) ?? 0) + held)
    const told = report.told[key] ?? 0
    if (Math.abs(told - held) > 1e-9)
      wrong.push(`${key}: the journal says ${held}, the bot was told ${told}`)
  }
  for (const symbol of new Set([...sums.keys(), ...desk.positions().map(one => one.symbol)])) {
    const [ours, theirs] = [sums.get(symbol) ?? 0, desk.held(symbol)]
    if (Math.abs(ours - theirs) > 1e-9)
      wrong.push(`${symbol}: the broker holds ${theirs}, the bots ${ours}`)
  }
  return wrong.slice(0, 8)
}
