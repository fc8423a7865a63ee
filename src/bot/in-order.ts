import type { MarketEvent } from '../market/events.ts'

/** How far the venue's clock may be ahead of the one that received, ms. */
const SKEW_MS = 5_000

/** One stream of the past: batches in order of venue time, of one kind and symbol. */
export type PastStream = AsyncIterable<readonly MarketEvent[]>

interface Head {
  readonly batches: AsyncIterator<readonly MarketEvent[]>
  batch: readonly MarketEvent[]
  next: number
}

/**
 * Several streams of the past as one, in the order in which their events could be known: what was recorded, when it was
 * received, by its number on the tape; what was imported or backfilled at its venue time, a bar at its right edge. Equal
 * times keep the order of the streams. What waits for its turn is what was received long after it happened.
 */
export async function* inOrder(streams: readonly PastStream[]): AsyncGenerator<MarketEvent[]> {
  const heads: Head[] = []
  const waiting = new Waiting()
  try {
    for (const stream of streams) {
      const head: Head = { batches: stream[Symbol.asyncIterator](), batch: [], next: 0 }
      heads.push(head)
      await refill(head)
    }
    for (let at = earliest(heads); at !== undefined; at = earliest(heads)) {
      // Of each stream all that has come, up to where the first of them may have more.
      const until = Math.min(...heads.filter(isThere).map(lastOf))
      for (const head of heads) {
        while (isThere(head) && timeOf(head) <= until) {
          waiting.add(head.batch[head.next++]!)
          if (!isThere(head)) await refill(head)
        }
      }
      const known = earliest(heads)
      const ready = waiting.take(known === undefined ? Number.POSITIVE_INFINITY : known - SKEW_MS)
      if (ready.length > 0) yield ready
    }
    const rest = waiting.take(Number.POSITIVE_INFINITY)
    if (rest.length > 0) yield rest
  } finally {
    for (const { batches } of heads) await batches.return?.()
  }
}

async function refill(head: Head): Promise<void> {
  for (;;) {
    const { done, value } = await head.batches.next()
    head.batch = done ? [] : value
    head.next = 0
    if (done || head.batch.length > 0) return
  }
}

const isThere = ({ batch, next }: Head) => next < batch.length
const timeOf = ({ batch, next }: Head) => batch[next]!.timestamp
const lastOf = ({ batch }: Head) => batch[batch.length - 1]!.timestamp

function earliest(heads: readonly Head[]): number | undefined {
  let least: number | undefined
  for (const head of heads) {
    if (isThere(head) && (least === undefined || timeOf(head) < least)) least = timeOf(head)
  }
  return least
}

/** Events that may have to let others go before them, in order. */
class Waiting {
  #events: MarketEvent[] = []

  add(event: MarketEvent): void {
    const made = availableAt(event)
    // It is ours: nobody else has it. To whoever reads it, it comes when it could be known.
    if (made !== event.receivedAt) (event as { receivedAt: number }).receivedAt = made
    this.#events.push(event)
  }

  take(until: number): MarketEvent[] {
    const events = this.#events.sort(byPlace)
    let [from, to] = [0, events.length]
    while (from < to) {
      const middle = (from + to) >> 1
      if (events[middle]!.receivedAt <= until) from = middle + 1
      else to = middle
    }
    this.#events = events.slice(from)
    return from === events.length ? events : events.slice(0, from)
  }
}

const byPlace = (a: MarketEvent, b: MarketEvent) =>
  a.receivedAt - b.receivedAt || (a.seq ?? 0) - (b.seq ?? 0)

/** When an event could be known, epoch ms. */
export function availableAt(event: MarketEvent): number {
  if (event.seq !== undefined) return event.receivedAt
  if (event.type !== 'bar') return event.timestamp + event.nanos / 1e6
  return event.timestamp + lengthOf(event.interval)
}

const UNITS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}
const lengths = new Map<string, number>()

/** Of a bar of time; one by what it holds says nothing of its end. */
function lengthOf(interval: string): number {
  let length = lengths.get(interval)
  if (length === undefined) {
    length = Number.parseInt(interval, 10) * (UNITS[interval.at(-1)!] ?? 0)
    lengths.set(interval, length)
  }
  return length
}
