import { TickwireError } from '../../base/errors.ts'
import {
  createEvent,
  EVENT_TYPES,
  type EventFields,
  Flag,
  flagNames,
  KINDS,
  type MarketEvent,
} from '../../market/events.ts'
import { parseTime, toISO } from '../../market/time.ts'

/*
 * Events as plain values, in the names and forms of the JSON form, without the library that checks it: a client believes
 * its gateway as far as kinds and times go, and takes the rest as it is.
 */

const KNOWN: ReadonlySet<unknown> = new Set(EVENT_TYPES)

/** The event a plain value stands for. @throws BAD_EVENT */
export function eventOf(value: unknown): MarketEvent {
  const plain = value as Record<string, unknown> & { type: MarketEvent['type'] }
  const time = typeof plain?.timestamp === 'string' ? parseTime(plain.timestamp) : undefined
  if (!time || !KNOWN.has(plain.type)) {
    throw new TickwireError('BAD_EVENT', 'the gateway sent what is no event', {
      hint: 'Gateway and client may be of different versions.',
    })
  }
  let flags = 0
  for (const word of (plain.flags as (keyof typeof Flag)[] | undefined) ?? [])
    flags |= Flag[word] ?? 0
  const { timestamp, nanos } = time
  return createEvent({ ...plain, timestamp, nanos, flags } as unknown as EventFields)
}

/** The plain value of an event: what its JSON form says, as an object. */
export function plainOf(event: MarketEvent): Record<string, unknown> {
  const { type, symbol, source, timestamp, receivedAt, seq, flags } = event
  const plain: Record<string, unknown> = { type, symbol, timestamp: toISO(event) }
  const values = event as unknown as Readonly<Record<string, unknown>>
  for (const name of KINDS[type].fields) plain[name] = values[name]
  if (source !== '') plain.source = source
  if (!Object.is(receivedAt, timestamp)) plain.receivedAt = receivedAt
  plain.seq = seq
  if (flags !== 0) plain.flags = flagNames(flags)
  for (const name of Object.keys(plain)) if (plain[name] === undefined) delete plain[name]
  return plain
}

/** Makes an event that was just decoded one of this process: of this source, received now, on no tape yet. */
export function adopt(event: MarketEvent, source: string, receivedAt: number): void {
  const own = event as { source: string; receivedAt: number; seq: number | undefined }
  own.source = source
  own.receivedAt = receivedAt
  own.seq = undefined
}
