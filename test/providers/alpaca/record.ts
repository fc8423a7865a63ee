import type { Control, Decoder, Inbox } from '../../../src/feed/description.ts'
import type { Interest } from '../../../src/feed/provider.ts'
import type { MarketEvent } from '../../../src/market/events.ts'
import type { Topic } from '../../../src/market/topics.ts'
import type { Reading } from '../../../src/providers/alpaca/messages.ts'

/** Everything wanted. */
export const EVERYTHING: Interest = { revision: 1, mask: () => -1 }

/** What a decoder needs, with everything wanted unless told otherwise. */
export function readingOf(fields: Partial<Reading> = {}): Reading {
  return { source: 'alpaca', interest: EVERYTHING, flags: 0, feed: 'iex', ...fields }
}

/** What a decoder reported of one frame, in order. */
export type Report =
  | MarketEvent
  | { readonly type: 'malformed'; readonly reason: string }
  | { readonly type: 'unknown'; readonly kind: string }
  | { readonly type: 'control'; readonly control: Control }

/** Keeps what it is told. */
export class Recorder implements Inbox {
  reports: Report[] = []

  event(event: MarketEvent): void {
    this.reports.push(event)
  }

  control(control: Control): void {
    this.reports.push({ type: 'control', control })
  }

  malformed(reason: string): void {
    this.reports.push({ type: 'malformed', reason })
  }

  unknown(kind: string): void {
    this.reports.push({ type: 'unknown', kind })
  }
}

/** What a decoder makes of one frame. */
export function reportsOf(decoder: Decoder, frame: Uint8Array, receivedAt = 1): Report[] {
  const recorder = new Recorder()
  decoder.decode(frame, false, receivedAt, recorder)
  return recorder.reports
}

const PROBES: readonly Topic[] = ['AAPL', 'SPY', '*'].flatMap(symbol =>
  (['trade', 'quote', 'bar', 'status', 'luld', 'imbalance'] as const).map(kind => ({
    source: 'alpaca',
    kind,
    symbol,
  })),
)

/** Reports in a form that can be compared and printed: acknowledgements by the topics they cover. */
export function plain(reports: readonly Report[]): unknown[] {
  return reports.map(report => {
    if (report.type !== 'control' || report.control.type !== 'acknowledged') return report
    const { covers } = report.control
    return { type: 'acknowledged', topics: PROBES.filter(topic => covers(topic)) }
  })
}

/** Whether two lists of reports are the same, bit for bit. */
export function same(a: readonly Report[], b: readonly Report[]): boolean {
  return a.length === b.length && a.every((report, i) => sameValue(report, b[i]))
}

function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a === 'function' && typeof b === 'function') {
    return PROBES.every(topic => a(topic) === b(topic))
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
  let fields = 0
  for (const key in left) {
    if (!(key in right) || !sameValue(left[key], right[key])) return false
    fields++
  }
  for (const _ in right) fields--
  return fields === 0
}
