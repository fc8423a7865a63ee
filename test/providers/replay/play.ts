import { type Log, silentLog } from '../../../src/base/log.ts'
import { type Feed, openFeed } from '../../../src/feed/feed.ts'
import {
  createEvent,
  type EventFields,
  hasFlag,
  type MarketEvent,
} from '../../../src/market/events.ts'
import { encodeEvent } from '../../../src/market/json.ts'
import {
  type ReplayOptions,
  type ReplayProvider,
  replay,
} from '../../../src/providers/replay/provider.ts'
import { memoryTape } from '../../../src/tape/memory.ts'
import type { Tape } from '../../../src/tape/tape.ts'
import { type HandClock, handClock } from '../../../src/testing/clock.ts'

/** When the recordings of these tests begin. */
export const T0 = Date.UTC(2024, 0, 15, 14, 30)

/** A trade received `at` ms after {@link T0}; its price says which one it is. */
export function trade(at: number, price = at, symbol = 'SPY', source = 'venue'): MarketEvent {
  const receivedAt = T0 + at
  const timestamp = Math.floor(receivedAt) - 3
  return createEvent({ type: 'trade', symbol, source, timestamp, receivedAt, price, size: 1 })
}

export function quote(at: number, symbol = 'SPY', source = 'venue'): MarketEvent {
  const receivedAt = T0 + at
  const timestamp = Math.floor(receivedAt)
  return createEvent({ type: 'quote', symbol, source, timestamp, receivedAt, bid: at })
}

export function notice(
  at: number,
  fields: Omit<EventFields & { type: 'notice' }, 'type' | 'timestamp'>,
): MarketEvent {
  const receivedAt = T0 + at
  return createEvent({
    source: 'venue',
    ...fields,
    type: 'notice',
    timestamp: receivedAt,
    receivedAt,
  })
}

export function record(events: readonly MarketEvent[], capacity = 65_536): Tape {
  const tape = memoryTape({ capacity })
  tape.append(events)
  return tape
}

/** Lets reading, slices and promises run as far as they can while the clock stands. */
export async function settle(turns = 24): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise<void>(resolve => setImmediate(resolve))
}

export interface Played {
  readonly clock: HandClock
  readonly feed: Feed
  readonly replay: ReplayProvider
  /** Everything but the notices of the feed itself, and how long after the start of the clock it came. */
  readonly events: MarketEvent[]
  readonly times: number[]
  /** Prices of the trades so far. */
  prices(): number[]
  /** Lets time pass. */
  pass(ms: number): Promise<void>
  /** Lets time pass until the feed ends. */
  toEnd(): Promise<MarketEvent[]>
}

export interface PlayOptions {
  readonly subscribe?: (feed: Feed) => void
  readonly log?: Log
  readonly clock?: HandClock
}

/** Plays a tape through a feed on a clock turned by hand; everything of every symbol unless told otherwise. */
export async function play(
  options: ReplayOptions,
  {
    subscribe = everything,
    log = silentLog,
    clock = handClock(Date.UTC(2026, 4, 1)),
  }: PlayOptions = {},
): Promise<Played> {
  const provider = replay(options)
  const feed = openFeed(provider, { clock, log, leases: false, random: () => 0.5 })
  const start = clock.now()
  const events: MarketEvent[] = []
  const times: number[] = []
  feed.on('*', event => {
    if (event.type === 'notice' && !hasFlag(event, 'replayed')) return
    events.push(event)
    times.push(clock.now() - start)
  })
  let over = false
  const ended = () => {
    over = true
  }
  feed.done.then(ended, ended)
  subscribe(feed)
  await settle()
  const pass = async (ms: number) => {
    await settle()
    await clock.advance(ms)
    await settle()
  }
  return {
    ...{ clock, feed, replay: provider, events, times, pass },
    prices: () => events.flatMap(event => (event.type === 'trade' ? [event.price] : [])),
    async toEnd() {
      for (let i = 0; i < 10_000 && !over; i++) await pass(1_000)
      if (!over) throw new Error('the replay does not end')
      return events
    },
  }
}

export function everything(feed: Feed): void {
  const { kinds } = feed.capabilities
  if (kinds.includes('trade')) feed.subscribe({ trades: '*' })
  if (kinds.includes('quote')) feed.subscribe({ quotes: '*' })
}

/** Events as text, as it leaves a process: two streams are the same when these are. */
export const texts = (events: readonly MarketEvent[]) => events.map(encodeEvent)
