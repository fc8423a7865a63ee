import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { silentLog } from '../../../src/base/log.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { type Feed, type FeedOptions, openFeed } from '../../../src/feed/feed.ts'
import { createEvent, type Level, type MarketEvent } from '../../../src/market/events.ts'
import { type IbkrOptions, ibkr } from '../../../src/providers/ibkr/index.ts'
import { loadLibrary } from '../../../src/providers/ibkr/library.ts'
import { type HandClock, handClock } from '../../../src/testing/clock.ts'
import { type FakeTws, type FakeTwsOptions, fakeTws } from '../../../src/testing/fake-tws.ts'

/** A Friday in New York, 13:30. */
export const NOON = Date.UTC(2026, 10, 20, 18, 30)

export interface Scene {
  readonly clock: HandClock
  readonly tws: FakeTws
  readonly feed: Feed
  readonly events: MarketEvent[]
  /** Notices as `name code: message`. */
  readonly notices: string[]
  of<T extends MarketEvent['type']>(type: T): Extract<MarketEvent, { type: T }>[]
  deliver(...events: MarketEvent[]): void
  /** Turns the clock, with time for the network in between. */
  pass(ms: number, step?: number): Promise<void>
  /** Turns the clock until it holds, ten minutes at most. */
  passUntil(holds: () => boolean, what: string): Promise<void>
}

/** Waits for the network, not for the clock. */
export async function until(holds: () => boolean, what = 'it to hold'): Promise<void> {
  const end = performance.now() + 10_000
  while (!holds()) {
    if (performance.now() > end) throw new Error(`waited for ${what}`)
    await rest()
  }
}

const clients = new Set<Socket>()
const servers = new Set<Socket>()
const gather = (sockets: Set<Socket>) => (message: unknown) => {
  const { socket } = message as { socket: Socket }
  sockets.add(socket)
  socket.on('close', () => sockets.delete(socket))
}
subscribe('net.client.socket', gather(clients))
subscribe('net.server.socket', gather(servers))

/** Whether all that one end has written the other has read. */
function isQuiet(): boolean {
  return [...clients].every(client => {
    if (client.connecting) return false
    const server = [...servers].find(({ remotePort }) => remotePort === client.localPort)
    if (!server) return client.destroyed
    return server.bytesRead === client.bytesWritten && client.bytesRead === server.bytesWritten
  })
}

/** Lets what is under way on the loopback arrive, and what follows from it. */
export async function rest(): Promise<void> {
  const end = performance.now() + 1_000
  for (let quiet = 0; quiet < 3 && performance.now() < end; ) {
    await new Promise<void>(resolve => setImmediate(resolve))
    quiet = isQuiet() ? quiet + 1 : 0
  }
}

/** The clock of the scene at hand. */
let turning: HandClock | undefined

/** What a promise comes to, while the clock goes on: an answer that is late is waited for by that clock. */
export async function answerOf<T>(promise: Promise<T>): Promise<T> {
  let settled = false
  const done = () => {
    settled = true
  }
  promise.then(done, done)
  await rest()
  for (let left = 300; !settled && left > 0; left--) {
    await turning?.advance(100)
    await rest()
  }
  return promise
}

export async function scene(
  t: TestContext,
  options: {
    readonly tws?: FakeTwsOptions
    readonly ibkr?: IbkrOptions
    readonly feed?: FeedOptions
  } = {},
): Promise<Scene> {
  // Loaded when first used: that takes its time, and no clock of ours.
  await loadLibrary()
  const clock = handClock(NOON)
  turning = clock
  const tws = await fakeTws({ clock, ...options.tws }).listen()
  const provider = ibkr({ port: tws.port, clock, ...options.ibkr })
  const feed = openFeed(provider, {
    ...{ clock, leases: false as const, log: silentLog, random: seededRandom(1) },
    ...options.feed,
  })
  feed.done.catch(() => {})
  const events: MarketEvent[] = []
  const notices: string[] = []
  feed.on('*', event => {
    if (event.type === 'notice') {
      notices.push(`${event.notice} ${event.code ?? ''}: ${event.message}`)
    } else events.push(event)
  })
  t.after(async () => {
    await feed.close()
    await tws.close()
  })
  const pass = async (ms: number, step = 500) => {
    for (let left = ms; left > 0; left -= step) {
      await clock.advance(Math.min(step, left))
      await rest()
    }
  }
  return {
    ...{ clock, tws, feed, events, notices, pass },
    of: type => events.filter(event => event.type === type) as never,
    deliver: (...list) => tws.deliver(list),
    async passUntil(holds, what) {
      for (let left = 1_200; !holds(); left--) {
        if (left === 0) throw new Error(`ten minutes without ${what}`)
        await pass(500)
      }
    },
  }
}

let at = 0

/** A trade of now, a little further on each time. */
export function trade(symbol: string, price: number, size: number, more: object = {}) {
  return createEvent({
    ...{ type: 'trade', symbol, price, size, timestamp: NOON + at++, exchange: 'NASDAQ' },
    ...more,
  })
}

export function quote(symbol: string, bid: number, ask: number, more: object = {}) {
  return createEvent({
    ...{ type: 'quote', symbol, bid, ask, bidSize: 100, askSize: 200, timestamp: NOON },
    ...more,
  })
}

export function book(symbol: string, bids: Level[], asks: Level[], snapshot = false) {
  return createEvent({ type: 'book', symbol, bids, asks, snapshot, timestamp: NOON })
}
