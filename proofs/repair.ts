// A seeded market once as the venue sent it and once as it came through a feed that met every fault of the menu, process
// kills included, while history lagged behind and failed now and then: what is on the tape must be what was sent.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, sleep, systemClock } from '../src/base/clock.ts'
import { openHttp } from '../src/base/http-network.ts'
import { type Random, seededRandom } from '../src/base/random.ts'
import { openWebSocket } from '../src/base/socket.ts'
import type { FeedOptions } from '../src/feed/feed.ts'
import { Multiset } from '../src/feed/identity.ts'
import type { Provider } from '../src/feed/provider.ts'
import { REPAIR_DEFAULTS, type RepairOptions } from '../src/feed/repair.ts'
import type { HistoryRequest } from '../src/flow/contracts.ts'
import { alpaca } from '../src/providers/alpaca/index.ts'
import { handClock } from '../src/testing/clock.ts'
import { scriptedVenue } from '../src/testing/venue-scripted.ts'
import { compare } from './repair-compare.ts'
import { nextFault } from './repair-faults.ts'
import { Market, SYMBOLS } from './repair-market.ts'
import { folderOf, Process, type World } from './repair-process.ts'

/** What can be taken out of the engine; each must make rounds fail. */
export const MUTATIONS = ['dedupe', 'order', 'hold', 'boundary', 'settle'] as const
type Mutation = (typeof MUTATIONS)[number]

export interface RoundOptions {
  readonly without?: Mutation | undefined
  /** Over real sockets and real time; otherwise in memory, on a hand-turned clock. */
  readonly sockets?: boolean
}

const CHANNELS = ['trades', 'quotes', 'bars', 'corrections', 'cancels'] as const

/** `calmMs` is how long the market goes on with all confirmed and no more faults, `mostCalmMs` how long it waits for that. */
const SOCKETS = {
  ...{ chaosMs: 5_000, calmMs: 1_500, mostCalmMs: 5_000 },
  ...{ stepMs: 50, lagMs: 300, mostDeadMs: 500, slotMs: 100 },
}
const MEMORY = {
  ...{ calmMs: 3_000, mostCalmMs: 60_000 },
  ...{ stepMs: 100, lagMs: 1_000, mostDeadMs: 10_000, slotMs: 10_000 },
}
/** How long a round waits for what has to come at last, ms. */
const PATIENCE = { sockets: 15_000, memory: 1_800_000 }

/** One experiment; returns what did not hold. */
export async function round(seed: number, options: RoundOptions = {}): Promise<string[]> {
  const root = mkdtempSync(join(tmpdir(), 'tickwire-repair-'))
  const { take } = Multiset.prototype
  // As if nothing that history shows had been delivered before.
  if (options.without === 'dedupe') Multiset.prototype.take = () => false
  try {
    return await experiment(seed, options, root)
  } finally {
    Multiset.prototype.take = take
    rmSync(root, { recursive: true, force: true })
  }
}

async function experiment(
  seed: number,
  { without, sockets = false }: RoundOptions,
  root: string,
): Promise<string[]> {
  const random = seededRandom(seed)
  const times = sockets ? SOCKETS : { ...MEMORY, chaosMs: 20_000 + random() ** 3 * 90_000 }
  // Wherever in a minute: bars come at its end.
  const hand = handClock(Date.UTC(2024, 0, 16, 15) + Math.floor(random() * 60_000))
  const clock: Clock = sockets ? systemClock() : hand
  const pass = (ms: number) => (sockets ? sleep(clock, ms) : hand.advance(ms))
  const venue = scriptedVenue({
    ...{ clock, random, latencyMs: random() < 0.5 ? 0 : Math.floor(random() * 150) },
    server: { slotMs: random() * times.slotMs },
    record: { lagMs: random() < 0.2 ? 0 : Math.floor(random() * times.lagMs) },
    rest: { requestsPerMinute: random() < 0.3 ? 200 : 5_000, pageSize: pageSize(random) },
  })
  const listener = sockets ? await venue.listen() : undefined
  const codec = random() < 0.5 ? 'json' : 'msgpack'
  const make = ({ clock, openSocket, httpGet }: World) =>
    mutated(
      alpaca({
        ...{ key: `PROOF${seed}`, secret: 'proof', codec, openSocket, httpGet, clock },
        ...(listener && { url: `${listener.url}/v2/iex` }),
      }),
      without,
    )
  const world: World = sockets
    ? { clock, openSocket: openWebSocket, httpGet: openHttp() }
    : { clock, openSocket: venue.openSocket, httpGet: venue.httpGet }
  const repair = repairOptions(without, sockets)
  const feedOptions: FeedOptions = {
    ...{ source: 'proof', random, leases: false, repair },
    ...(sockets && { backoff: { firstMs: 50, slowMs: 200, maxMs: 400 } }),
  }
  // A tape in files costs real time.
  const onDisk = sockets || random() < 0.1
  let generation = 0
  const start = (left: Parameters<typeof Process.start>[1]) =>
    Process.start(world, left, make, feedOptions)
  let process = await start(onDisk ? folderOf(root, generation) : [])
  const subscribe = () => {
    const request = Object.fromEntries(CHANNELS.map(channel => [channel, SYMBOLS]))
    process.feed.subscribe(request).catch(() => {})
  }
  const isConfirmed = () =>
    process.feed.stats().topics.acknowledged === CHANNELS.length * SYMBOLS.length
  const confirmed = async () => {
    for (let ms = 0; ms < PATIENCE[sockets ? 'sockets' : 'memory']; ms += times.stepMs) {
      if (isConfirmed()) return true
      await pass(times.stepMs)
    }
    return false
  }
  subscribe()
  const rate = 20 + random() ** 6 * 180
  if (!(await confirmed())) return ['nothing was ever subscribed']
  const market = new Market(random, {
    ...{ start: clock.now(), rate },
    deliver: batch => venue.deliver(batch),
  })
  market.open(clock.now())
  await pass(sockets ? 200 : 500)
  await process.written()

  const menu = { sockets, reorder: random() < 0.5 }
  const deprived = !without && random() < 0.05
  const often = 0.02 + random() * 0.06
  let deadMs = 0
  for (let ms = 0; ms < times.chaosMs; ms += times.stepMs) {
    market.run(clock.now())
    if (random() < often) for (const fault of nextFault(random, menu)) venue.inject(fault)
    if (deprived && ms >= times.chaosMs / 2 && ms < times.chaosMs / 2 + times.stepMs) {
      venue.inject({ fault: 'rest-error', status: 403, times: 1_000_000 })
    }
    if (deadMs === 0 && random() < often / 6) {
      const left = await process.kill(random, folderOf(root, ++generation))
      deadMs = 1 + random() * times.mostDeadMs
      process = await start(left)
    } else if (deadMs > 0) {
      deadMs = Math.max(0, deadMs - times.stepMs)
      if (deadMs === 0) subscribe()
    }
    await pass(times.stepMs)
  }
  if (deadMs > 0) subscribe()
  for (let ms = 0, calm = 0; calm < times.calmMs && ms < times.mostCalmMs; ms += times.stepMs) {
    market.run(clock.now())
    await pass(times.stepMs)
    calm = isConfirmed() ? calm + times.stepMs : 0
  }

  const faults: string[] = []
  if (!(await confirmed())) faults.push('not everything is subscribed again')
  const ordered = !venue.struck.some(({ fault }) => fault === 'reorder')
  const terms = { ...REPAIR_DEFAULTS, ...repair, deprived, ordered }
  const judge = async () => compare(market.truth, await process.recorded(), terms)
  if (sockets) {
    // As soon as all is there; a hole that stays open until it is given up would take longer than there is time.
    for (let ms = 0; ms < PATIENCE.sockets; ms += 250) {
      await pass(250)
      if ((await judge()).length === 0) break
    }
  } else await hand.advance(REPAIR_DEFAULTS.giveUpMs + 10_000)
  faults.push(...(await judge()))
  await Promise.all([process.close(), pass(sockets ? 100 : 5_000)])
  await venue.close()
  return faults
}

/** Small pages need many questions. */
function pageSize(random: Random): number {
  return random() < 0.3 ? 100 + Math.floor(random() * 400) : 10_000
}

function repairOptions(without: Mutation | undefined, sockets: boolean): RepairOptions {
  return {
    ...(sockets && { settleMs: 500, maxHoldMs: 2_000 }),
    ...(without === 'hold' && { policy: 'live-first' }),
    ...(without === 'settle' && { settleMs: 0 }),
    ...(without === 'boundary' && { overlapMs: 0 }),
  }
}

/** The provider with a part of the engine's work undone, to see that the proof would notice. */
function mutated(provider: Provider, without: Mutation | undefined): Provider {
  const ask = provider.history!
  const history = async function* (request: HistoryRequest) {
    if (without === 'order') {
      const batches = []
      for await (const batch of ask(request)) batches.push(batch)
      for (const batch of batches.reverse()) yield batch.reverse()
      return
    }
    for await (const batch of ask(request)) {
      // As if what has the time of the last event seen had all been seen.
      yield batch.filter(({ timestamp }) => timestamp > request.from)
    }
  }
  return without === 'order' || without === 'boundary' ? { ...provider, history } : provider
}
