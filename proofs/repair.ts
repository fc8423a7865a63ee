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
import { REPAIR_DEFAULTS, type RepairOptions } from '../src/feed/repair-options.ts'
import type { HistoryRequest } from '../src/flow/contracts.ts'
import { alpaca } from '../src/providers/alpaca/index.ts'
import { handClock } from '../src/testing/clock.ts'
import { scriptedVenue } from '../src/testing/venue-scripted.ts'
import { CANDLE_MUTATIONS, candleRound } from './repair-candles.ts'
import { BAR_MUTATIONS, type BarMutation, compare } from './repair-compare.ts'
import { nextFault } from './repair-faults.ts'
import { Market, SYMBOLS } from './repair-market.ts'
import { folderOf, Process, type World } from './repair-process.ts'

/** What can be taken out of the engine; each must make rounds fail. */
export const MUTATIONS = [
  ...(['dedupe', 'order', 'hold', 'boundary', 'settle', 'confirm'] as const),
  ...BAR_MUTATIONS,
  ...CANDLE_MUTATIONS,
] as const
type Mutation = (typeof MUTATIONS)[number]

export interface RoundOptions {
  readonly without?: Mutation | undefined
  /** Over real sockets and real time; otherwise in memory, on a hand-turned clock. */
  readonly sockets?: boolean
  /** Of one of {@link PLACES} only. @default stocks, and in memory candles too */
  readonly at?: string | undefined
}

/** What a round is made of: trades, quotes and bars of Alpaca's, and candles that grow at a venue that sends them so. */
export const PLACES: readonly string[] = ['stocks', 'candles']

const CHANNELS = ['trades', 'quotes', 'bars', 'corrections', 'cancels'] as const

/**
 * `calmMs` is how long the market goes on with all confirmed and no more faults, `mostCalmMs` how long it waits for that;
 * `lagMs` how far history lags behind the stream at most, and `longLagMs` in some rounds: for longer than it settles.
 */
const SOCKETS = {
  ...{ chaosMs: 5_000, calmMs: 1_500, mostCalmMs: 5_000 },
  ...{ stepMs: 50, lagMs: 300, longLagMs: 1_500, mostDeadMs: 500, slotMs: 100 },
}
const MEMORY = {
  ...{ calmMs: 3_000, mostCalmMs: 60_000 },
  ...{ stepMs: 100, lagMs: 1_000, longLagMs: 6_000, mostDeadMs: 10_000, slotMs: 10_000 },
}
/** How long a round waits for what has to come at last, ms. */
const PATIENCE = { sockets: 45_000, memory: 1_800_000 }

/** One experiment of each; returns what did not hold. */
export async function round(seed: number, options: RoundOptions = {}): Promise<string[]> {
  const { without, sockets = false, at } = options
  const ofCandles = CANDLE_MUTATIONS.find(one => one === without)
  const isOfStocks = at === 'stocks' || sockets || (without !== undefined && !ofCandles)
  const faults = at === 'candles' || ofCandles ? [] : await stocks(seed, options)
  if (!isOfStocks) faults.push(...(await candleRound(seed, struck, ofCandles)))
  return faults
}

/** How often each fault, and each other trouble, has come about. */
const troubles = new Map<string, number>()
const struck = (what: string) => void troubles.set(what, (troubles.get(what) ?? 0) + 1)

/** What has come about in all rounds. */
export function summary(): string {
  const list = [...troubles].sort(([a], [b]) => (a < b ? -1 : 1))
  return `came about: ${list.map(([what, count]) => `${what} ${count}`).join(', ')}`
}

async function stocks(seed: number, options: RoundOptions): Promise<string[]> {
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
  const random = luckOf(seed, 0)
  const [marketLuck, menuLuck, deathLuck] = [luckOf(seed, 1), luckOf(seed, 2), luckOf(seed, 3)]
  const [venueLuck, feedLuck] = [luckOf(seed, 4), luckOf(seed, 5)]
  const times = sockets ? SOCKETS : { ...MEMORY, chaosMs: 20_000 + random() ** 3 * 90_000 }
  // Wherever in a minute: bars come at its end.
  const begin = TUESDAY_10 + Math.floor(random() * 60_000)
  const hand = handClock(begin)
  const clock: Clock = sockets ? clockFrom(begin) : hand
  const pass = (ms: number) => (sockets ? sleep(clock, ms) : hand.advance(ms))
  const latencyMs = random() < 0.5 ? 0 : Math.floor(random() * 150)
  const slotMs = random() * times.slotMs
  const lagMs = lagOf(random, times)
  const venue = scriptedVenue({
    ...{ clock, random: venueLuck, latencyMs, server: { slotMs }, record: { lagMs } },
    rest: restPlan(random),
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
    ...{ source: 'proof', random: feedLuck, leases: false, repair },
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
  const market = new Market(marketLuck, {
    ...{ start: clock.now(), rate },
    deliver: batch => venue.deliver(batch),
  })
  market.open(clock.now())
  await pass(sockets ? 200 : 500)
  await process.written()

  const reorder = random() < 0.5
  const deprived = !without && random() < 0.05
  const menu = { sockets, reorder, deprived }
  const often = 0.02 + random() * 0.06
  let deadMs = 0
  for (let ms = 0; ms < times.chaosMs; ms += times.stepMs) {
    market.run(clock.now())
    if (menuLuck() < often) for (const fault of nextFault(menuLuck, menu)) venue.inject(fault)
    if (deprived && ms >= times.chaosMs / 2 && ms < times.chaosMs / 2 + times.stepMs) {
      venue.inject({ fault: 'rest-error', status: 403, times: 1_000_000 })
    }
    if (deadMs === 0 && deathLuck() < often / 6) {
      const left = await process.kill(deathLuck, folderOf(root, ++generation))
      struck('kill')
      deadMs = 1 + deathLuck() * times.mostDeadMs
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

  for (const { fault } of venue.struck) struck(fault)
  if (lagMs > REPAIR_DEFAULTS.settleMs) struck('long lag')
  if (onDisk) struck('on disk')
  if (deprived) struck('deprived')
  const faults: string[] = []
  if (!(await confirmed())) faults.push('not everything is subscribed again')
  const ordered = !venue.struck.some(({ fault }) => fault === 'reorder')
  const bars = BAR_MUTATIONS.includes(without as BarMutation) ? (without as BarMutation) : undefined
  const terms = { ...REPAIR_DEFAULTS, ...repair, deprived, ordered, without: bars }
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

/** An open market, in which silence means something. */
const TUESDAY_10 = Date.UTC(2024, 0, 16, 15)

/** The machine's clock, set to another time. */
function clockFrom(begin: number): Clock {
  const clock = systemClock()
  const offset = begin - clock.now()
  return { ...clock, now: () => clock.now() + offset }
}

/**
 * Chance for one part of an experiment, so that no part depends on how often another one draws: on sockets, where time is
 * real, that differs from run to run.
 */
const luckOf = (seed: number, part: number): Random => seededRandom(Math.imul(seed, 64) + part)

/** How far history lags behind the stream in a round, ms. */
function lagOf(random: Random, { lagMs, longLagMs }: typeof SOCKETS | typeof MEMORY): number {
  const [which, share] = [random(), random()]
  if (which < 0.2) return 0
  return Math.floor(which < 0.5 ? lagMs + share * (longLagMs - lagMs) : share * lagMs)
}

/** Small pages need many questions: with few of them allowed, filling a hole would take longer than it is tried. */
function restPlan(random: Random): {
  readonly requestsPerMinute: number
  readonly pageSize: number
} {
  const fewQuestions = random() < 0.3
  const smallPages = random() < 0.3
  return {
    requestsPerMinute: fewQuestions && !smallPages ? 200 : 5_000,
    pageSize: smallPages ? 100 + Math.floor(random() * 400) : 10_000,
  }
}

function repairOptions(without: Mutation | undefined, sockets: boolean): RepairOptions {
  return {
    ...(sockets && { settleMs: 500, confirmMs: 3_000, maxHoldMs: 2_000 }),
    ...(without === 'hold' && { policy: 'live-first' }),
    ...(without === 'settle' && { settleMs: 0, confirmMs: 0 }),
    ...(without === 'confirm' && { confirmMs: 0 }),
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
