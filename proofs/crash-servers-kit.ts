// What the processes of crash-servers.ts have in common: their plan, their events, their pace.
import type { ServersConfig } from '../src/app/stores.ts'
import { type Clock, systemClock } from '../src/base/clock.ts'
import { createEvent, type MarketEvent } from '../src/market/events.ts'
import { eventOf } from './crash-events.ts'

export interface ServersPlan {
  readonly tape: string
  readonly postgres: string
  readonly redis: string
  readonly prefix: string
  readonly books: 'depth' | 'levels'
  readonly timescale: 'auto' | 'off'
  readonly generation: number
  readonly seed: number
}

export function serversOf({
  postgres,
  redis,
  prefix,
  books,
  timescale,
}: ServersPlan): ServersConfig {
  return {
    postgres: { url: postgres, books, timescale, flushMs: 5, connectMs: 2_000 },
    redis: { url: redis, prefix, flushMs: 5, streams: 50_000, connectMs: 2_000 },
  }
}

/** Waits pass so much faster: after a failure a server is tried again soon. */
const HASTE = 40

export function hasty(): Clock {
  const clock = systemClock()
  const isWait = (ms: number) => ms >= 5_000 && ms <= 15_000
  const setTimeout: Clock['setTimeout'] = (fn, ms, idle) =>
    clock.setTimeout(fn, isWait(ms) ? ms / HASTE : ms, idle)
  return { ...clock, setTimeout }
}

/** So many symbols that what is lost of one is not soon made good by the next. */
const SYMBOLS = 3_000

/** An event that follows from its counter: trades and news, and what takes them back; quotes, and books. */
export function serversEvent(id: number): MarketEvent {
  const event = eventOf(id)
  const { timestamp, receivedAt, source, flags } = event
  const mix = Math.imul(id ^ 0x5bd1e995, 0x27d4eb2d) >>> 0
  const head = {
    symbol: `Q${mix % SYMBOLS}`,
    source,
    timestamp,
    nanos: mix % 1_000_000,
    receivedAt,
    flags,
  }
  switch (id % 8) {
    case 0:
    case 1:
      return createEvent({
        type: 'quote',
        ...head,
        bid: mix / 7,
        ask: mix / 3,
        bidSize: 1e-8 * mix,
      })
    case 2: {
      const snapshot = mix % 5 === 0
      const bids = [[100 + (mix % 7), mix % 4]] as const
      const asks = [[110 + (mix % 5), (mix >>> 3) % 4]] as const
      return createEvent({ type: 'book', ...head, symbol: `B${mix % 20}`, bids, asks, snapshot })
    }
    case 3: {
      const taken = eventOf(id - 1 - (mix % 30))
      if (taken.type !== 'trade') return event
      const { symbol, id: of, exchange } = taken
      return createEvent({ type: 'cancel', ...head, symbol, id: of, exchange, action: 'error' })
    }
    default:
      return event
  }
}
