import type { Position } from '../flow/contracts.ts'
import { readerNotice } from '../flow/queue.ts'
import type { MarketEvent } from '../market/events.ts'
import { Outgoing } from '../providers/tickwire/codec.ts'
import type { TapeReader } from '../tape/tape.ts'
import type { GroupOptions, Member } from './groups.ts'
import type { Hub } from './hub.ts'
import type { Wanted } from './wanted.ts'

/** Most events in a frame. */
const FRAME_EVENTS = 1_024

export interface CatchUpOptions {
  readonly tape: TapeReader
  readonly hub: Hub
  readonly member: Member
  readonly wanted: Wanted
  readonly group: GroupOptions
  /** Where to begin: behind a position, or at the oldest event there is. */
  readonly from: Position | 'start'
  /** Begin with the books as they stood there. */
  readonly books: boolean
  /** Ends it: the client has gone, or wants it no more. */
  readonly signal: AbortSignal
}

/**
 * Sends what came behind a position, as fast as the client takes it, and joins the others exactly where that ends. What
 * the tape does not have any more it says in its place (`skipped`). Resolves when the member is live.
 * @throws what the tape does, BAD_POSITION among it
 */
export async function catchUp(options: CatchUpOptions): Promise<void> {
  const { tape, hub, member, wanted, group, signal } = options
  let from = options.from
  let books = options.books
  member.seq = from === 'start' ? tape.start.seq : from.seq
  while (!signal.aborted) {
    const rest = books ? undefined : hub.since(member.seq)
    if (rest) {
      send(
        options,
        rest.filter(({ event }) => wanted.has(event)),
        hub.seq,
      )
      hub.join(member, wanted, group)
      return
    }
    // What the hub has handed out is written, so a reader that stops at what is there comes at least that far.
    const target = hub.seq
    const reading = tape.read({
      ...{ from, topics: wanted.topics, written: true, live: false, books, signal },
    })
    for await (const batch of reading) {
      if (signal.aborted) return
      const end = batch.findIndex(event => lastOf(event) > target)
      await sendAll(options, end < 0 ? batch : batch.slice(0, end))
      if (end < 0) continue
      // What is beyond the target the hub may have at hand, though the tape has not.
      const rest = upTo(batch[end]!, target)
      if (rest) await sendAll(options, [rest])
      break
    }
    member.seq = Math.max(member.seq, target)
    from = { tape: tape.id, seq: member.seq }
    books = false
  }
}

/** The number of an event; of events that were skipped, that of the last. */
const lastOf = (event: MarketEvent): number =>
  event.seq ?? (event.type === 'notice' && event.notice === 'skipped' ? event.to! : 0)

/** What a `skipped` says of the numbers up to one; nothing of what is all beyond it. */
function upTo(event: MarketEvent, last: number): MarketEvent | undefined {
  if (event.type !== 'notice' || event.seq !== undefined || event.from! > last) return undefined
  const { from = 0, receivedAt } = event
  const count = last - from + 1
  const message = `${count} events are no longer held: the reader was away or too slow`
  return readerNotice('skipped', receivedAt, message, { count, from, to: last })
}

async function sendAll(options: CatchUpOptions, batch: readonly MarketEvent[]): Promise<void> {
  const { member, wanted, signal } = options
  const events = batch.filter(event => wanted.has(event))
  for (let at = 0; at < events.length && !signal.aborted; at += FRAME_EVENTS) {
    const some = events.slice(at, at + FRAME_EVENTS)
    const last = some.findLast(({ seq }) => seq !== undefined)
    send(
      options,
      some.map(event => new Outgoing(event)),
      last?.seq ?? member.seq,
    )
    if (member.outlet.isFull) await member.outlet.drained()
  }
}

function send({ member, group }: CatchUpOptions, events: readonly Outgoing[], seq: number): void {
  member.seq = seq
  if (events.length === 0) return
  const writer = group.form.writer()
  for (const event of events) writer.add(event)
  member.sent(events.length)
  member.outlet.push(writer.take('events', seq)(member.id))
  member.outlet.flush()
}
