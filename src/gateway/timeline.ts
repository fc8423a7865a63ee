import type { Notice, NoticeName } from '../market/events.ts'

/** How far back it goes, ms. */
export const TIMELINE_MS = 3_600_000
/** Notices that are kept of it at most: a source that comes and goes must not push out all others for ever. */
const MOST = 1_000
const TOLD: ReadonlySet<NoticeName> = new Set([
  ...(['connected', 'disconnected', 'stale', 'quiet', 'live', 'gap', 'repaired'] as const),
  ...(['unrepaired', 'resynced', 'lost', 'rejected', 'unrecorded'] as const),
])

/** What has become of the sources within the last hour, as far as the gateway has seen it. */
export class Timeline {
  #notices: Notice[] = []
  readonly #connectedAt = new Map<string, number>()

  accept(notice: Notice): void {
    if (!TOLD.has(notice.notice)) return
    const { source, receivedAt } = notice
    if (notice.notice === 'connected') this.#connectedAt.set(source, receivedAt)
    if (notice.notice === 'disconnected') this.#connectedAt.delete(source)
    this.#notices.push(notice)
    if (this.#notices.length > 2 * MOST) this.#notices = this.#notices.slice(-MOST)
  }

  /** Oldest first. */
  of(source: string, now: number): readonly Notice[] {
    const from = now - TIMELINE_MS
    return this.#notices.slice(-MOST).filter(it => it.source === source && it.receivedAt >= from)
  }

  /** Since when the newest connection of a source stands; `undefined` where none is known to. */
  connectedAt(source: string): number | undefined {
    return this.#connectedAt.get(source)
  }
}
