import { TickwireError } from '../base/errors.ts'
import { Books } from '../derive/books.ts'
import type { Position, ReadOptions } from '../flow/contracts.ts'
import { readerNotice } from '../flow/queue.ts'
import type { MarketEvent } from '../market/events.ts'
import { topicFilter } from '../market/topics.ts'
import type { Ring } from './ring.ts'

/** Most events handed to a reader at once, so that catching up does not hold the event loop. */
const BATCH = 4_096
const GONE = 'no longer held: the reader was away or too slow'

/** What a reader needs to know of a tape. Numbers are `seq`. */
export interface Log {
  readonly id: string
  now(): number
  /** Number before the oldest event still held anywhere. */
  begin(): number
  /** Number of the newest event, or of the newest written one. */
  end(written: boolean): number
  /** True when nothing will be appended any more. */
  isClosed(): boolean
  /** Resolves when `end` or `isClosed` may have changed, or the signal aborts. */
  more(signal: AbortSignal): Promise<void>
  /** The newest events, at hand. */
  readonly ring: Ring | undefined
  /** Reads what is older than the ring; absent on a tape that holds no more than its ring. */
  readonly older?: OlderLog | undefined
}

export interface OlderLog {
  /** The number of the first event received at or after a time, if there is one here. */
  firstAt(time: number): Promise<number | undefined>
  /** The number of the first event of the file that holds `seq`, if one does. */
  beginOf(seq: number): Promise<number | undefined>
  /** A cursor before the event `seq`. */
  open(seq: number): OlderCursor
  /** Whether an event that has left the ring is not there, and will not be. */
  isLost(seq: number): boolean
}

/** A place in the older part of a tape. */
export interface OlderCursor {
  /**
   * The next events up to the number `last`, never from before the cursor's place; `undefined`: there is none yet.
   * Up to the number `written` all that will ever be there is there now.
   */
  next(last: number, written: number): Promise<OlderBatch | undefined>
  close(): void
}

export interface OlderBatch {
  readonly events: readonly MarketEvent[]
  /** The number behind the batch: what to ask for next. */
  readonly next: number
  /** Numbers before the batch whose events cannot be read, and why: damage or retention. */
  readonly missing?: { readonly from: number; readonly to: number; readonly reason: string }
}

/** Reads a tape from a position on. Where it starts is settled by the call, not by the first step of the loop. */
export function readLog(log: Log, options: ReadOptions): AsyncIterableIterator<MarketEvent[]> {
  const { from = 'now', topics, live = true, written = false, books = false, signal } = options
  const start = locate(log, from, written)
  const last = live ? Number.POSITIVE_INFINITY : log.end(written)
  const stop = new AbortController()
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal
  const wanted = topics && topicFilter(topics)
  const steps = books
    ? withBooks(log, start, last, written, wanted, either)
    : follow(log, start, last, written, wanted, either)
  return {
    next: () => steps.next(),
    // A generator that waits would not hear of it.
    return: () => {
      stop.abort()
      return steps.return(undefined)
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

interface Start {
  /** The number to read first, or the time to look it up by. */
  readonly next: number | { readonly time: number }
  /** What must be said before anything else. */
  readonly notice?: MarketEvent
}

function locate(log: Log, from: NonNullable<ReadOptions['from']>, written: boolean): Start {
  if (from === 'start') return { next: log.begin() + 1 }
  if (from === 'now') return { next: log.end(written) + 1 }
  if ('time' in from) return { next: from }
  if (from.tape !== log.id) {
    const message = 'this position is of another tape; reading from the oldest event held'
    const next = log.begin() + 1
    return { next, notice: readerNotice('reset', log.now(), message, { from: next }) }
  }
  if (!Number.isInteger(from.seq) || from.seq < 0 || from.seq > log.end(false)) {
    throw new TickwireError('BAD_POSITION', `no position ${from.seq} on this tape yet`, {
      hint: `It ends at ${log.end(false)}; use a position the tape gave out.`,
    })
  }
  return { next: from.seq + 1 }
}

async function* follow(
  log: Log,
  start: Start,
  last: number,
  written: boolean,
  wanted: ((event: MarketEvent) => boolean) | undefined,
  signal: AbortSignal,
): AsyncGenerator<MarketEvent[]> {
  if (start.notice) yield [start.notice]
  let next = typeof start.next === 'number' ? start.next : await firstAt(log, start.next.time)
  let cursor: OlderCursor | undefined
  try {
    while (!signal.aborted && next <= last) {
      const first = Math.min(last, log.begin()) + 1
      if (next < first) {
        yield [skipped(log, next, first - 1, GONE)]
        next = first
        cursor = drop(cursor)
        continue
      }
      if (log.ring && next < log.ring.first && log.older?.isLost(next)) {
        const to = Math.min(last, log.ring.first - 1)
        yield [skipped(log, next, to, 'not recorded: the disk took nothing')]
        next = to + 1
        cursor = drop(cursor)
        continue
      }
      const end = Math.min(log.end(written), last)
      if (next > end) {
        if (log.isClosed() && next > log.end(written)) return
        await log.more(signal)
        continue
      }
      if (log.ring && next >= log.ring.first) {
        cursor = drop(cursor)
        const batch: MarketEvent[] = []
        for (const stop = Math.min(end, next + BATCH - 1); next <= stop; next++) {
          const event = log.ring.at(next)
          if (!wanted || wanted(event)) batch.push(event)
        }
        if (batch.length > 0) yield batch
        continue
      }
      cursor ??= log.older?.open(next)
      const got = await cursor?.next(end, Math.min(end, log.end(true)))
      if (!got) {
        await log.more(signal)
        continue
      }
      // A hole before what is missing has its own notice on the tape, but that may be among it: all is told here.
      if (got.missing) yield [skipped(log, next, got.missing.to, got.missing.reason)]
      next = got.next
      const batch = wanted ? got.events.filter(wanted) : [...got.events]
      if (batch.length > 0) yield batch
    }
  } finally {
    cursor?.close()
  }
}

/** As {@link follow}, with the books as they stood before the first events. */
async function* withBooks(
  log: Log,
  { next, notice }: Start,
  last: number,
  written: boolean,
  wanted: ((event: MarketEvent) => boolean) | undefined,
  signal: AbortSignal,
): AsyncGenerator<MarketEvent[]> {
  if (notice) yield [notice]
  const first = typeof next === 'number' ? next : await firstAt(log, next.time)
  const books = new Books()
  const begin = (first > 1 && (await log.older?.beginOf(first - 1))) || 1
  const before = { next: Math.max(begin, log.begin() + 1) }
  const isPart = (event: MarketEvent) =>
    event.type === 'notice' || (event.type === 'book' && (!wanted || wanted(event)))
  for await (const batch of follow(log, before, first - 1, written, isPart, signal)) {
    for (const event of batch) books.accept(event)
  }
  const whole = [...books].flatMap(book => book.snapshot() ?? [])
  if (whole.length > 0) yield whole
  yield* follow(log, { next: first }, last, written, wanted, signal)
}

function drop(cursor: OlderCursor | undefined): undefined {
  cursor?.close()
}

/** The number of the first event received at or after a time: by the order of the tape, as a clock may be set back. */
async function firstAt({ ring, older, end }: Log, time: number): Promise<number> {
  const found = await older?.firstAt(time)
  if (!ring || (found !== undefined && found < ring.first)) return found ?? end(false) + 1
  // What the disk did not take may still be at hand.
  return Math.min(found ?? Number.POSITIVE_INFINITY, ring.firstAt(time))
}

function skipped(log: Log, from: number, to: number, reason: string): MarketEvent {
  const count = to - from + 1
  return readerNotice('skipped', log.now(), `${count} events are ${reason}`, { count, from, to })
}

/** Wakes whoever waits for a tape to go on. */
export class Waiting {
  readonly #waiting = new Set<() => void>()

  wake(): void {
    if (this.#waiting.size === 0) return
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  /** Resolves with the next `wake`, or when the signal aborts. */
  wait(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const wake = () => {
        signal.removeEventListener('abort', wake)
        this.#waiting.delete(wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake)
      if (signal.aborted) wake()
    })
  }
}

/** A position on a log. */
export const positionOf = (log: { readonly id: string }, seq: number): Position => ({
  tape: log.id,
  seq,
})
