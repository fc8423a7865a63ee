import { TickwireError } from '../base/errors.ts'
import { encodeColumns } from '../market/columns.ts'
import type { MarketEvent } from '../market/events.ts'
import { encodeEvent } from '../market/json.ts'
import type { Latest } from './latest.ts'
import type { Command } from './redis-driver.ts'

/** Of the keys. What a newer tickwire has made is left alone. */
export const VERSION = 1

/** Names of the keys, and of the channel. */
export interface RedisKeys {
  /** A hash: topic as text → event as JSON. */
  readonly latest: string
  /** A text: how far of which tape that is. */
  readonly position: string
  /** A hash: what a later process needs to go on. */
  readonly state: string
  /** A text that expires: which tape is written from. */
  readonly writer: string
  /** A stream of batches of events. */
  readonly events: string
  /** The channel: lines of JSON, each an event. */
  readonly changes: string
}

export function redisKeys(prefix: string): RedisKeys {
  return {
    ...{ latest: `${prefix}:latest`, position: `${prefix}:position`, state: `${prefix}:state` },
    ...{ writer: `${prefix}:writer`, events: `${prefix}:events`, changes: `${prefix}:changes` },
  }
}

/** How long a tape keeps its claim to the keys without a sign of life, ms. */
export const CLAIM_MS = 30_000

/** The position as it stands in Redis. */
export const positionText = (tape: string, seq: number) =>
  JSON.stringify({ version: VERSION, tape, seq })

/** What a later process needs to go on, as a command. */
export function stateCommand(
  { state }: RedisKeys,
  tape: string,
  seq: number,
  latest: Latest,
): Command {
  const events = latest.state()
  const block = events.length === 0 ? '' : Buffer.from(encodeColumns(events)).toString('base64')
  return [
    ...['hset', state, 'tape', tape, 'seq', `${seq}`, 'now', `${latest.now}`],
    ...['events', block],
  ]
}

/** An event as it stands in Redis; `undefined` for what JSON cannot hold. */
export function textOf(event: MarketEvent): string | undefined {
  try {
    return encodeEvent(event)
  } catch (error) {
    if (error instanceof TickwireError && error.code === 'BAD_EVENT') return undefined
    throw error
  }
}
