import { decodeMsgpack } from '../../base/msgpack.ts'
import { decodeColumns } from '../../market/columns.ts'
import type { Batch, ServerMessage } from './messages.ts'
import { eventOf } from './plain.ts'

/** First byte of a binary block: what it is of. */
export const BLOCK_EVENTS = 0x45
export const BLOCK_SNAPSHOT = 0x53
/** Kind, number of the subscription (32 bits), position (a double): then a block of columns. */
export const BLOCK_HEAD = 13

const UTF8 = new TextDecoder()

/** A message of a gateway, whatever it is written in. @throws BAD_EVENT, BAD_BLOCK, SyntaxError */
export function decodeMessage(data: string | Uint8Array): ServerMessage {
  if (typeof data === 'string') return withEvents(JSON.parse(data))
  const first = data[0]
  if (first === BLOCK_EVENTS || first === BLOCK_SNAPSHOT) return decodeBlock(data)
  // A map of msgpack begins with 0x80 or above, JSON text with a brace.
  if (first !== undefined && first >= 0x80) return withEvents(decodeMsgpack(data))
  return withEvents(JSON.parse(UTF8.decode(data)))
}

function decodeBlock(data: Uint8Array): Batch {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  return {
    type: data[0] === BLOCK_EVENTS ? 'events' : 'snapshot',
    id: view.getUint32(1),
    seq: view.getFloat64(5),
    events: decodeColumns(data.subarray(BLOCK_HEAD)),
  }
}

function withEvents(value: unknown): ServerMessage {
  const message = value as ServerMessage
  if (message.type !== 'events' && message.type !== 'snapshot') return message
  return { ...message, events: (message.events as readonly unknown[]).map(eventOf) }
}
