import type { Control, Inbox } from '../../src/feed/description.ts'
import type { MarketEvent } from '../../src/market/events.ts'

/** What a decoder says of a frame. */
export type Report =
  | MarketEvent
  | { readonly type: 'malformed'; readonly reason: string }
  | { readonly type: 'unknown'; readonly kind: string }
  | { readonly type: 'control'; readonly control: Control }

/** Keeps what it is told, in order. */
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

  take(): Report[] {
    return this.reports.splice(0)
  }
}
