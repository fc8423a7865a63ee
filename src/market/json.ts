import { z } from 'zod'
import { TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import type { EventFields, EventType, MarketEvent } from './events.ts'
import { createEvent, EVENT_TYPES, Flag, flagNames } from './events.ts'
import { EVENT_SHAPES, eventSchema } from './schema.ts'
import { FIRST_MS, formatTime, LAST_MS } from './time.ts'

/** `,"price":150.25` for a value, or `undefined` when the form has none for it. */
type Writer = (value: unknown) => string | undefined

/** How one field is written. */
interface Part {
  readonly name: string
  readonly optional: boolean
  readonly write: Writer
}

/** How a kind is written: what stands before the time, and what follows it. */
interface Plan {
  readonly head: string
  readonly leading: readonly Part[]
  readonly rest: readonly Part[]
}

const PLANS: ReadonlyMap<EventType, Plan> = new Map(EVENT_TYPES.map(type => [type, planOf(type)]))

/** `,"flags":["simulated"]` for every value `flags` can have, by that value. */
const FLAGS = Array.from({ length: 2 ** Object.keys(Flag).length }, (_, bits) =>
  bits === 0 ? '' : `,"flags":${JSON.stringify(flagNames(bits))}`,
)

const writeSource = memo(',"source":', quote)
const writeReceivedAt = numberWriter(',"receivedAt":', Number.isFinite)
const writeSeq = numberWriter(',"seq":', seq => Number.isSafeInteger(seq) && (seq as number) > 0)

/**
 * An event in its JSON form, one line of NDJSON without the line end:
 * `{"type":"trade","symbol":"AAPL","price":150.25,"size":100,"timestamp":"2024-01-15T14:30:00.123000000Z"}`.
 *
 * Absent fields are left out, and so are an empty `source`, a `receivedAt` equal to the timestamp, and `flags`
 * when there are none. {@link decodeEvent} gives an equal event back, bit for bit.
 *
 * @throws BAD_EVENT for what the form cannot hold: a number that is not finite, a required field that is absent,
 *   a time outside the years 0000–9999
 */
export function encodeEvent(event: MarketEvent): string {
  const plan = PLANS.get(event.type)
  if (!plan) throw refusal(`type: ${typeProblem(event.type)}`)
  const { timestamp, receivedAt, source, seq, flags } = event
  let json = writeParts(plan.head, event, plan.leading) + writeTime(event)
  json = writeParts(json, event, plan.rest)
  if (source !== '') json += writeSource(source) ?? refuse('source', source)
  if (!Object.is(receivedAt, timestamp)) {
    json += writeReceivedAt(receivedAt) ?? refuse('receivedAt', receivedAt)
  }
  if (seq !== undefined) json += writeSeq(seq) ?? refuse('seq', seq)
  const marks = typeof flags === 'number' ? FLAGS[flags] : undefined
  return `${json}${marks ?? refuse('flags', flags)}}`
}

/**
 * The event a parsed JSON value stands for. Keys it does not know are ignored, so that what a newer tickwire
 * wrote can be read; unknown words in a known field (a kind, a flag, a notice) are refused.
 *
 * @throws BAD_EVENT naming the field and what was expected there
 */
export function decodeEvent(value: unknown): MarketEvent {
  const result = eventSchema.safeParse(value)
  if (!result.success) throw refusal(problem(value, result.error.issues[0]!))
  const fields = result.data
  let flags = 0
  for (const word of fields.flags ?? []) flags |= Flag[word]
  return createEvent(Object.assign(fields, fields.timestamp, { flags }) as EventFields)
}

/** {@link decodeEvent} of a line of text. @throws BAD_EVENT also when it is not JSON */
export function parseEvent(text: string): MarketEvent {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw refusal(`not JSON: ${excerpt(text)}`, cause)
  }
  return decodeEvent(value)
}

function planOf(type: EventType): Plan {
  const rest: Part[] = []
  let leading: Part[] = []
  for (const [name, field] of Object.entries<z.ZodType>(EVENT_SHAPES[type].shape)) {
    if (name === 'timestamp') leading = rest.splice(0)
    else if (!['type', 'source', 'receivedAt', 'seq', 'flags'].includes(name)) {
      const optional = field instanceof z.ZodOptional
      const schema = optional ? (field.unwrap() as z.ZodType) : field
      rest.push({ name, optional, write: writerOf(`,"${name}":`, schema) })
    }
  }
  return { head: `{"type":"${type}"`, leading, rest }
}

function writerOf(key: string, schema: z.ZodType): Writer {
  if (schema instanceof z.ZodNumber) return numberWriter(key, Number.isFinite)
  if (schema instanceof z.ZodBoolean) {
    return value => (typeof value === 'boolean' ? `${key}${value}` : undefined)
  }
  if (schema instanceof z.ZodArray) {
    const write = schema.element instanceof z.ZodString ? writeTexts : writeLevels
    return value => (Array.isArray(value) ? write(key, value) : undefined)
  }
  if (schema instanceof z.ZodUnion) {
    const writeNumber = numberWriter(key, Number.isSafeInteger)
    return id => (typeof id === 'string' ? key + JSON.stringify(id) : writeNumber(id))
  }
  // Text, words, symbols, intervals: what the schema refuses to read is not written, looked at once per text.
  return memo(key, value => (schema.safeParse(value).success ? quote(value) : undefined))
}

function writeParts(head: string, event: MarketEvent, parts: readonly Part[]): string {
  const values = event as unknown as Readonly<Record<string, unknown>>
  let json = head
  for (let i = 0; i < parts.length; i++) {
    const { name, optional, write } = parts[i]!
    const value = values[name]
    if (value === undefined && optional) continue
    json += write(value) ?? refuse(name, value)
  }
  return json
}

function writeTime({ timestamp, nanos }: MarketEvent): string {
  if (!(Number.isInteger(timestamp) && timestamp >= FIRST_MS && timestamp <= LAST_MS)) {
    return refuse('timestamp', timestamp)
  }
  if (!(Number.isInteger(nanos) && nanos >= 0 && nanos < 1_000_000)) return refuse('nanos', nanos)
  return `,"timestamp":"${formatTime(timestamp, nanos)}"`
}

function numberWriter(key: string, fits: (value: unknown) => boolean): Writer {
  return value => (fits(value) ? key + numeral(value as number) : undefined)
}

/** JSON has a negative zero, but `String` does not write it. */
function numeral(value: number): string {
  return value === 0 && Object.is(value, -0) ? '-0' : `${value}`
}

function writeLevels(key: string, levels: readonly unknown[]): string | undefined {
  let json = ''
  for (const level of levels) {
    if (!Array.isArray(level) || level.length !== 2) return undefined
    const [price, size] = level as readonly unknown[]
    if (!Number.isFinite(price) || !Number.isFinite(size)) return undefined
    json += `${json && ','}[${numeral(price as number)},${numeral(size as number)}]`
  }
  return `${key}[${json}]`
}

const writeText = memo('', quote)

function writeTexts(key: string, texts: readonly unknown[]): string | undefined {
  let json = ''
  for (const value of texts) {
    const text = writeText(value)
    if (text === undefined) return undefined
    json += json === '' ? text : `,${text}`
  }
  return `${key}[${json}]`
}

/** Short texts repeat (symbols, exchanges, conditions) and are kept as written; long ones do not. */
const MEMO_LONGEST = 24
const MEMO_ENTRIES = 4_096

function memo(key: string, write: (value: unknown) => string | undefined): Writer {
  const known = new Map<unknown, string>()
  return value => {
    const written = known.get(value)
    if (written !== undefined) return written
    const json = write(value)
    if (json === undefined) return undefined
    if ((value as string).length <= MEMO_LONGEST) {
      if (known.size >= MEMO_ENTRIES) known.clear()
      known.set(value, key + json)
    }
    return key + json
  }
}

function quote(value: unknown): string | undefined {
  return typeof value === 'string' ? JSON.stringify(value) : undefined
}

function refuse(field: string, value: unknown): never {
  const shown = typeof value === 'object' && value ? 'such an object' : excerpt(String(value))
  throw refusal(`${field}: ${shown} has no place in the JSON form`)
}

function refusal(message: string, cause?: unknown): TickwireError {
  return new TickwireError('BAD_EVENT', `not an event: ${message}`, {
    hint: 'The JSON schema tickwire/schema/event.json describes every kind of event.',
    cause,
  })
}

/** The first thing wrong with a value: `price: expected number, received string`. */
function problem(value: unknown, issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_union' && issue.path[0] === 'type') {
    return `type: ${typeProblem((value as { type?: unknown }).type)}`
  }
  if (issue.code === 'invalid_union')
    return `${issue.path.join('.')}: expected a whole number below 2^53 or text`
  const place = issue.path.length > 0 ? `${issue.path.join('.')}: ` : ''
  return place + issue.message.replace('Invalid input: ', '')
}

function typeProblem(type: unknown): string {
  if (type === undefined) return `expected one of ${EVENT_TYPES.join(', ')}`
  return `unknown kind ${excerpt(String(type))}; ${didYouMean(String(type), EVENT_TYPES)}`
}

function excerpt(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
