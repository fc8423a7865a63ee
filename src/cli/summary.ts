import type { Feed, FeedStats } from '../feed/feed.ts'
import { amount } from './rows.ts'

/** The last line of a run: `1,234 events in 10.0 s (123/s), 1 reconnect, 0 dropped, 3 holes (2 filled, 1 left)`. */
export function summary(
  what: 'events' | 'frames',
  count: number,
  elapsedMs: number,
  stats: FeedStats,
  dropped: number,
): string {
  const seconds = elapsedMs / 1_000
  const rate = seconds > 0 ? count / seconds : 0
  const reconnects = Math.max(0, stats.connects - 1)
  const parts = [
    `${amount(count)} ${count === 1 ? what.slice(0, -1) : what} in ${seconds.toFixed(1)} s (${amount(Math.round(rate))}/s)`,
    `${reconnects} reconnect${reconnects === 1 ? '' : 's'}`,
    `${amount(dropped)} dropped`,
  ]
  const { opened, filled } = stats.holes
  if (opened > 0) {
    const what = `${amount(opened)} hole${opened === 1 ? '' : 's'}`
    // What is open still is left now.
    parts.push(`${what} (${amount(filled)} filled, ${amount(opened - filled)} left)`)
  }
  if (stats.malformed > 0) parts.push(`${amount(stats.malformed)} malformed`)
  const { count: quarantined } = stats.quarantined
  if (quarantined > 0) parts.push(`${amount(quarantined)} quarantined`)
  return parts.join(', ')
}

/** Counts the data that comes, whoever gets it, up to the end of the run. */
export function countEvents(feed: Feed, signal: AbortSignal): () => number {
  let count = 0
  const stop = feed.pipe({
    append: events => {
      for (const event of events) if (event.type !== 'notice') count++
    },
  })
  signal.addEventListener('abort', stop)
  return () => count
}
