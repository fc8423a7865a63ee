import { z } from 'zod'
import { TickwireError } from '../../base/errors.ts'
import { encodeMsgpack, MsgpackWriter } from '../../base/msgpack.ts'
import { encodeColumns } from '../../market/columns.ts'
import { EVENT_TYPES, type EventType, type MarketEvent } from '../../market/events.ts'
import { encodeEvent } from '../../market/json.ts'
import { isInterval } from '../../market/topics.ts'
import { BLOCK_EVENTS, BLOCK_HEAD, BLOCK_SNAPSHOT } from './decode.ts'
import { type ClientMessage, type Encoding, type ServerMessage, SLOW_POLICIES } from './messages.ts'
import { plainOf } from './plain.ts'

/* The gateway's side of the native protocol: reads what clients say, writes what they hear. */

export * from './messages.ts'

const KINDS = EVENT_TYPES.filter(kind => kind !== 'notice') as Exclude<EventType, 'notice'>[]
const seq = z.int().min(0)
const position = z.strictObject({ tape: z.string().max(64), seq })

/** Most symbols one message may name. */
const MOST_SYMBOLS = 20_000

const auth = z.strictObject({
  type: z.literal('auth'),
  key: z.string().min(1).max(512).describe('As `tickwire keys create` showed it.'),
})

const subscribe = z.strictObject({
  type: z.literal('subscribe'),
  id: z.int().min(1).max(0x7fff_ffff).describe('Names the subscription on this connection.'),
  kinds: z.array(z.enum(KINDS)).min(1).max(KINDS.length),
  symbols: z.array(z.string().min(1).max(64)).min(1).max(MOST_SYMBOLS),
  source: z.string().min(1).max(64).optional().describe('Default: all that have the kind.'),
  interval: z
    .string()
    .refine(isInterval, 'expected a length such as 1m')
    .optional()
    .describe('Of bars. Default: 1m.'),
  conflateMs: z
    .number()
    .min(0)
    .max(60_000)
    .optional()
    .describe('Merge what comes within so many ms. Default: 0, every event.'),
  conflateTrades: z.boolean().optional().describe('With conflateMs: merge trades too.'),
  slow: z.enum(SLOW_POLICIES).optional().describe('When the client reads too slowly.'),
  snapshot: z.boolean().optional().describe('Begin with how things stand. Default: true.'),
  from: z
    .union([position, z.enum(['start', 'now'])])
    .optional()
    .describe('Behind a position, at the oldest event, or with what comes. Default: now.'),
})

const unsubscribe = z.strictObject({ type: z.literal('unsubscribe'), id: z.int().min(1) })

const clientMessage = z.discriminatedUnion('type', [auth, subscribe, unsubscribe])

/** What a client said. @throws BAD_REQUEST naming the field and what was expected there */
export function readMessage(
  data: string | Uint8Array,
  parse: (data: never) => unknown,
): ClientMessage {
  let value: unknown
  try {
    value = parse(data as never)
  } catch (cause) {
    throw badMessage('it cannot be read', cause)
  }
  const result = clientMessage.safeParse(value)
  if (result.success) return result.data as ClientMessage
  const [issue] = result.error.issues
  const place = issue!.path.length > 0 ? `${issue!.path.join('.')}: ` : ''
  throw badMessage(place + issue!.message.replace('Invalid input: ', ''))
}

function badMessage(what: string, cause?: unknown): TickwireError {
  return new TickwireError('BAD_REQUEST', `not a message of this protocol: ${what}`, {
    hint: 'docs/protocols/native.md and schema/native.json tell what a gateway understands.',
    cause,
  })
}

/** The JSON schema of what a client may say. */
export function nativeJsonSchema(): object {
  return {
    title: 'tickwire native protocol, version 1: messages of a client',
    ...z.toJSONSchema(clientMessage, { io: 'input', unrepresentable: 'any' }),
  }
}

/** Any message but events, as it is written in an encoding. */
export function encodeMessage(message: ServerMessage, encoding: Encoding): string | Uint8Array {
  return encoding === 'msgpack' ? encodeMsgpack(message) : ascii(JSON.stringify(message))
}

/** An event that is going out, with what it has been written as already: once per encoding. */
export class Outgoing {
  readonly event: MarketEvent
  #json: string | undefined
  #msgpack: Uint8Array | undefined

  constructor(event: MarketEvent) {
    this.event = event
  }

  get json(): string {
    this.#json ??= ascii(encodeEvent(this.event))
    return this.#json
  }

  get msgpack(): Uint8Array {
    this.#msgpack ??= encodeMsgpack(plainOf(this.event))
    return this.#msgpack
  }
}

/** Collects events for one message. */
export interface BatchWriter {
  readonly isEmpty: boolean
  add(event: Outgoing): void
  /** The message; what was collected is gone from here. `ids`: the same events for several subscriptions. */
  take(type: 'events' | 'snapshot', seq: number): (id: number) => string | Uint8Array
}

/** Text is ASCII, so that one byte is one character. */
export function batchWriter(encoding: Encoding): BatchWriter {
  switch (encoding) {
    case 'json':
      return new JsonWriter()
    case 'msgpack':
      return new PackedWriter()
    case 'blocks':
      return new BlockWriter()
  }
}

class JsonWriter implements BatchWriter {
  #text = ''

  get isEmpty(): boolean {
    return this.#text === ''
  }

  add({ json }: Outgoing): void {
    this.#text = this.#text === '' ? json : `${this.#text},${json}`
  }

  take(type: 'events' | 'snapshot', seq: number) {
    const tail = `,"seq":${seq},"events":[${this.#text}]}`
    this.#text = ''
    return (id: number) => `{"type":"${type}","id":${id}${tail}`
  }
}

class PackedWriter implements BatchWriter {
  #events: Uint8Array[] = []

  get isEmpty(): boolean {
    return this.#events.length === 0
  }

  add({ msgpack }: Outgoing): void {
    this.#events.push(msgpack)
  }

  take(type: 'events' | 'snapshot', seq: number) {
    const events = this.#events
    this.#events = []
    return (id: number) => {
      const out = new MsgpackWriter(64 + events.reduce((sum, { length }) => sum + length, 0))
      out.map(4)
      for (const [key, value] of [
        ['type', type],
        ['id', id],
        ['seq', seq],
      ] as const) {
        out.text(key)
        if (typeof value === 'string') out.text(value)
        else out.number(value)
      }
      out.text('events')
      out.array(events.length)
      for (const event of events) out.raw(event)
      return out.bytes()
    }
  }
}

class BlockWriter implements BatchWriter {
  #events: MarketEvent[] = []

  get isEmpty(): boolean {
    return this.#events.length === 0
  }

  add({ event }: Outgoing): void {
    this.#events.push(event)
  }

  take(type: 'events' | 'snapshot', seq: number) {
    const block = encodeColumns(this.#events)
    this.#events = []
    return (id: number) => {
      const bytes = new Uint8Array(BLOCK_HEAD + block.length)
      const view = new DataView(bytes.buffer)
      bytes[0] = type === 'events' ? BLOCK_EVENTS : BLOCK_SNAPSHOT
      view.setUint32(1, id)
      view.setFloat64(5, seq)
      bytes.set(block, BLOCK_HEAD)
      return bytes
    }
  }
}

const BEYOND_ASCII = /[\u0080-\uffff]/
const EACH_BEYOND = /[\u0080-\uffff]/g

/** JSON may write any character by its number. */
export function ascii(json: string): string {
  if (!BEYOND_ASCII.test(json)) return json
  return json.replace(EACH_BEYOND, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
