import type { Control, Decoder, Inbox } from '../../../src/feed/description.ts'
import type { Interest } from '../../../src/feed/provider.ts'
import type { MarketEvent } from '../../../src/market/events.ts'
import type { Topic } from '../../../src/market/topics.ts'
import { FEEDS } from '../../../src/providers/polygon/feeds.ts'
import {
  channelOf,
  MARKETS,
  type PolygonMarket,
  pairOf,
} from '../../../src/providers/polygon/markets.ts'
import type { Reading } from '../../../src/providers/polygon/messages.ts'
import { Statuses } from '../../../src/providers/polygon/statuses.ts'
import { handClock } from '../../../src/testing/clock.ts'

/** Everything wanted. */
export const EVERYTHING: Interest = { revision: 1, mask: () => -1 }

/** What a decoder needs, with everything wanted unless told otherwise. */
export function readingOf(name: PolygonMarket, fields: Partial<Reading> = {}): Reading {
  const market = MARKETS[name]
  const statuses = new Statuses(topic => {
    const channel = channelOf(topic, market, FEEDS.realtime)
    return channel && pairOf(channel, topic.symbol, market)
  })
  const { signal } = new AbortController()
  statuses.attach({ clock: handClock(), signal, control: () => {} })
  return {
    ...{ source: 'polygon', interest: EVERYTHING, flags: 0, market, lot: 1, statuses },
    ...fields,
  }
}

/** What a decoder reported of one frame, in order. */
export type Report =
  | MarketEvent
  | { readonly type: 'malformed'; readonly reason: string }
  | { readonly type: 'unknown'; readonly kind: string }
  | { readonly type: 'control'; readonly control: Control }

/** What a decoder makes of one frame. */
export function reportsOf(decoder: Decoder, frame: Uint8Array | string, receivedAt = 1): Report[] {
  const reports: Report[] = []
  const inbox: Inbox = {
    event: event => reports.push(event),
    control: control => reports.push({ type: 'control', control }),
    malformed: reason => reports.push({ type: 'malformed', reason }),
    unknown: kind => reports.push({ type: 'unknown', kind }),
  }
  decoder.decode(typeof frame === 'string' ? Buffer.from(frame) : frame, false, receivedAt, inbox)
  return reports
}

const PROBES: readonly Topic[] = ['AAPL', 'MSFT', '*'].flatMap(symbol =>
  (['trade', 'quote', 'luld'] as const).map(kind => ({ source: 'polygon', kind, symbol })),
)

/** Reports in a form that can be compared and printed: controls by the topics they cover. -0 is not 0. */
export function plain(reports: readonly Report[]): unknown[] {
  return reports.map(report => {
    if (report.type !== 'control') return { ...report }
    const { covers, ...rest } = report.control as Control & { covers?: (topic: Topic) => boolean }
    return {
      ...rest,
      ...(covers && { covered: PROBES.filter(covers).map(it => it.kind + it.symbol) }),
    }
  })
}
