// Records at a steady rate beside a store that follows the tape, seals its days and takes in batches from elsewhere, while
// retention takes from the tape what the store has in files; until it is killed. Says what it begins and what it has done.
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { StoreKeeper } from '../src/app/keeper.ts'
import { type Clock, systemClock } from '../src/base/clock.ts'
import { silentLog } from '../src/base/log.ts'
import { type Random, seededRandom } from '../src/base/random.ts'
import type { MarketEvent } from '../src/market/events.ts'
import { type EmbeddedStore, openStore } from '../src/store/embedded.ts'
import { type FileTape, openFileTape } from '../src/tape/file/file.ts'
import type { Mutation } from './crash.ts'
import { BATCH, eventOf, GENERATION, mergedId } from './crash-events.ts'
import { say } from './crash-readers.ts'

export interface StorePlan {
  readonly tape: string
  readonly store: string
  readonly seed: number
  readonly generation: number
  readonly segmentBytes: number
  /** Above it the oldest files of the tape may go. */
  readonly bytes: number
  readonly quietMs: number
  readonly lateMs: number
  /** Makes the store anew before it follows. */
  readonly rebuild: boolean
  /** Number of the first batch; those before it came in earlier runs. */
  readonly batch: number
  /** A batch that was under way when the last run ended: it comes again. */
  readonly again: number | undefined
  readonly without: Mutation | undefined
}

/** Events a second. */
const RATE = 10_000
const MOST_A_TURN = 100
/** With more events in no sealed day it goes on slowly: on a busy machine days would pass faster than they are sealed. */
const AHEAD = 7_200
/** Between batches then, ms. */
const SLOW_MS = 40
/** So much faster time passes for the one who tells the tape what it may let go of. */
const HASTE = 20

async function main(plan: StorePlan): Promise<void> {
  const { segmentBytes, bytes, generation, without } = plan
  const random = seededRandom(plan.seed)
  const tape = await openFileTape({
    ...{ folder: plan.tape, segmentBytes, log: silentLog },
    // Never so much that it would go although the store has yet to read it.
    retention: { bytes, maxBytes: Number.MAX_SAFE_INTEGER },
  })
  const begun = tape.end.seq
  if (without === 'hold') tape.hold = () => {}
  let store: EmbeddedStore | undefined
  const clock = systemClock()
  const hasty: Clock = {
    ...clock,
    setTimeout: (fn, ms, idle) => clock.setTimeout(fn, ms / HASTE, idle),
  }
  const keeper = new StoreKeeper({
    ...{ tape, clock: hasty, log: silentLog },
    told: line => say('fault', `the store of run ${generation}: ${line}`),
    async open() {
      store = await openIt(plan, tape)
      return store
    },
  })
  // An empty tape is held from its first event on.
  while (keeper.state === 'opening' && generation === 0) await sleep(5)
  say('ready', begun)
  const after = (seq = 0) => Math.max(0, seq - begun)
  const stored = () => after(store?.position?.seq)
  setInterval(() => say('stored', store?.position?.seq ?? 0, store?.needed?.seq ?? 0), 7)
  void sealOften(() => store, random)
  void compactOften(() => store, random)
  void mergeOften(plan, () => store, stored, random)

  const began = performance.now()
  const due = () => ((performance.now() - began) * RATE) / 1_000
  for (let sent = 0; ; ) {
    const size = 1 + Math.floor(random() * MOST_A_TURN)
    while (due() < sent + size) await sleep(1)
    if (sent - after(store?.needed?.seq) > AHEAD) await sleep(SLOW_MS)
    tape.append(Array.from({ length: size }, () => eventOf(generation * GENERATION + ++sent)))
    await turn()
  }
}

async function openIt(plan: StorePlan, tape: FileTape): Promise<EmbeddedStore> {
  const { store: folder, quietMs, lateMs } = plan
  const log = { ...silentLog, warn: complain, error: complain }
  const store = await openStore({ folder, quietMs, lateMs, log, threads: 1, memoryMb: 256 })
  if (plan.rebuild) await noted('rebuild', () => store.rebuild(tape))
  return store
}

function complain(_: object, message: string): void {
  say('fault', `the store says: ${message}`)
}

/** What is said before and after tells whether a kill came in the midst. */
async function noted<T>(name: string, work: () => Promise<T>): Promise<T> {
  say('begins', name)
  const result = await work()
  say('ends', name)
  return result
}

async function sealOften(store: () => EmbeddedStore | undefined, random: Random): Promise<void> {
  for (;;) {
    await sleep(100 + random() * 300)
    const open = store()
    if (open) await noted('seal', () => open.seal())
  }
}

/** More rarely than files are put together by themselves, so that both come. */
async function compactOften(store: () => EmbeddedStore | undefined, random: Random): Promise<void> {
  for (;;) {
    await sleep(300 + random() * 900)
    const open = store()
    if (open) await noted('compact', () => open.compact())
  }
}

async function mergeOften(
  { batch, again, generation }: StorePlan,
  store: () => EmbeddedStore | undefined,
  stored: () => number,
  random: Random,
): Promise<void> {
  for (let next = again ?? batch; ; next = next < batch ? batch : next + 1) {
    await sleep(random() * 300)
    while (!store() || stored() < BATCH) await sleep(5)
    const events = batchOf(next, generation, stored(), random)
    say('batch', next)
    const { added, known } = await noted('merge', () => store()!.merge(inTwo(events)))
    const isWhole = added === BATCH || (added === 0 && next === again)
    if (!isWhole || added + known !== events.length) {
      say('fault', `batch ${next}: ${added} were added and ${known} known of ${events.length}`)
    }
    say('merged', next)
  }
}

/** New events among as many that are on the tape, and stored. */
function batchOf(batch: number, generation: number, stored: number, random: Random) {
  const first = Math.floor(random() * (stored - BATCH)) + 1
  return Array.from({ length: BATCH }, (_, i) => [
    eventOf(mergedId(batch, i)),
    eventOf(generation * GENERATION + first + i),
  ]).flat()
}

async function* inTwo(events: readonly MarketEvent[]): AsyncGenerator<readonly MarketEvent[]> {
  yield events.slice(0, events.length / 2)
  await turn()
  yield events.slice(events.length / 2)
}

await main(JSON.parse(process.argv[2]!) as StorePlan)
