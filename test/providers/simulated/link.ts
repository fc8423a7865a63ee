import type { Clock } from '../../../src/base/clock.ts'
import type { TickwireError } from '../../../src/base/errors.ts'
import { silentLog } from '../../../src/base/log.ts'
import type { Link } from '../../../src/feed/provider.ts'
import type { EventType, Interval, MarketEvent } from '../../../src/market/events.ts'
import type { Topic } from '../../../src/market/topics.ts'
import { type SimulatedOptions, simulated } from '../../../src/providers/simulated/provider.ts'
import { handClock } from '../../../src/testing/clock.ts'

/** The engine's side of a connection that only takes notes. */
export interface Notes {
  readonly link: Link
  readonly events: MarketEvent[]
  readonly frames: string[]
  readonly acks: Topic[]
  readonly refusals: { readonly topic: Topic; readonly reason: TickwireError }[]
}

export function takeNotes(
  clock: Clock,
  wanted: readonly Topic[],
  options: { raw?: boolean; signal?: AbortSignal; emit?: Link['emit'] } = {},
): Notes {
  const notes: Omit<Notes, 'link'> = { events: [], frames: [], acks: [], refusals: [] }
  const link: Link = {
    source: 'simulated',
    topics: wanted,
    interest: { revision: 0, mask: () => -1 },
    clock,
    log: silentLog,
    signal: options.signal ?? new AbortController().signal,
    raw: options.raw ? frame => notes.frames.push(Buffer.from(frame.data).toString()) : undefined,
    authenticating: () => {},
    opened: () => {},
    emit: options.emit ?? (batch => notes.events.push(...batch)),
    acknowledged: topics => notes.acks.push(...topics),
    rejected: (topics, reason) => notes.refusals.push(...topics.map(topic => ({ topic, reason }))),
    room: () => undefined,
    unknown: () => {},
    broken: () => {},
    outage: () => {},
    malformed: (_frame, reason) => {
      throw new Error(`the simulated market sent a malformed frame: ${reason}`)
    },
  }
  return { ...notes, link }
}

export function topics(symbols: readonly string[], ...kinds: EventType[]): Topic[] {
  return kinds.flatMap(kind =>
    symbols.map(symbol => ({
      source: 'simulated',
      kind,
      symbol,
      ...(kind === 'bar' && { interval: '1m' as Interval }),
    })),
  )
}

/** What the live market sends in `ms` of a clock that is turned by hand. */
export async function play(
  options: SimulatedOptions,
  symbols: readonly string[],
  kinds: readonly EventType[],
  ms: number,
): Promise<MarketEvent[]> {
  const clock = handClock()
  const { link, events } = takeNotes(clock, topics(symbols, ...kinds))
  const connection = await simulated(options).connect(link)
  clock.turn(ms)
  await connection.close()
  return events
}
