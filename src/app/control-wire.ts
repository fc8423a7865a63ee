import type { Readable } from 'node:stream'
import { z } from 'zod'
import { ERRORS, type ErrorCode, TickwireError } from '../base/errors.ts'
import { decodeColumns, encodeColumns } from '../market/columns.ts'
import { EVENT_TYPES, type EventType, type Interval, type MarketEvent } from '../market/events.ts'
import { isInterval } from '../market/topics.ts'
import type { Cell } from '../store/store.ts'

/*
 * What owner and asker say to each other over the control socket: questions as JSON over HTTP, events as frames of
 * column blocks, which keep every bit of them, SQL answers as lines of JSON. Both are of the same machine, and may be
 * of different versions for a while: unknown keys are ignored.
 */

const kind = z.enum(EVENT_TYPES as [EventType])
const interval = z.custom<Interval>(value => typeof value === 'string' && isInterval(value), {
  error: 'is no interval, as 1m is',
})
const symbols = z.array(z.string().min(1)).min(1)

/** The questions, by their path. What may be left out is left out, never null. */
export const QUESTIONS = {
  '/history': z.object({
    ...{ kind, symbols, from: z.number(), to: z.number(), interval: interval.optional() },
    adjustment: z.enum(['raw', 'split', 'dividend', 'all']).optional(),
    source: z.string().optional(),
  }),
  '/as-of': z.object({
    ...{ kind, symbols, time: z.number(), interval: interval.optional() },
    source: z.string().optional(),
  }),
  '/sql': z.object({ text: z.string() }),
  '/parquet': z.object({
    kinds: z.array(kind).optional(),
    ...{ from: z.number().optional(), to: z.number().optional() },
  }),
} as const
export type Path = keyof typeof QUESTIONS
export type Asked<P extends Path> = z.output<(typeof QUESTIONS)[P]>

/** What a question was, if it was one. @throws BAD_OPTION */
export function questionOf<P extends Path>(path: P, text: string): Asked<P> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new TickwireError('BAD_OPTION', 'a question must be JSON', { cause })
  }
  const result = QUESTIONS[path].safeParse(value)
  if (result.success) return result.data as Asked<P>
  const { path: at, message } = result.error.issues[0]!
  throw new TickwireError('BAD_OPTION', `the question's ${at.join('.') || 'body'}: ${message}`)
}

/** How a store is kept up with the tape. */
export interface StoreStatus {
  readonly state: 'opening' | 'following' | 'waiting' | 'failed' | 'closed'
  /** Up to which number of the tape it has everything. */
  readonly seq: number | undefined
  /** How many events that are written on the tape it has not yet. */
  readonly behind: number
  /** How long ago the oldest of them was received, ms; absent while that is not known, and from an older owner. */
  readonly lagMs?: number | undefined
  readonly error: Failure | undefined
}

/** How the owner is: the answer to `GET /status`. */
export interface OwnerStatus {
  readonly version: 1
  readonly pid: number
  readonly tape: {
    readonly folder: string
    readonly id: string
    readonly seq: number
    readonly written: number
    readonly isRecording: boolean
  }
  readonly store: StoreStatus
  /** Servers it is brought to as well; an older owner says nothing of them. */
  readonly servers?: readonly (StoreStatus & {
    readonly name: 'postgres' | 'redis'
    readonly url: string
  })[]
  readonly feeds: readonly { readonly source: string; readonly state: string }[]
}

/** An error, as it crosses the socket. */
export interface Failure {
  /** Absent for what nobody expected. */
  readonly code?: ErrorCode
  readonly message: string
  readonly hint?: string | undefined
}

export function failureOf(error: unknown): Failure {
  if (error instanceof TickwireError) {
    const { code, message, hint } = error
    return { code, message, ...(hint !== undefined && { hint }) }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { message: `in the process that has the store: ${message}` }
}

/** An owner of another version may know codes that are not known here. */
export function errorOf({ code, message, hint }: Failure): Error {
  return code && code in ERRORS ? new TickwireError(code, message, { hint }) : new Error(message)
}

/** Events in a frame: a millisecond or two of encoding, then it is the stream's turn. */
const FRAME_EVENTS = 2_048
const HEAD_BYTES = 5
/** More than any block of so many events: what claims to be longer is none of ours. */
const MOST_BYTES = 2 ** 28
const TYPE = { events: 1, end: 2, failure: 3 } as const

/** Events as frames, as many as they need. */
export function* eventFrames(events: readonly MarketEvent[]): Generator<Uint8Array> {
  for (let from = 0; from < events.length; from += FRAME_EVENTS) {
    const to = Math.min(events.length, from + FRAME_EVENTS)
    yield frame(TYPE.events, encodeColumns(events, from, to))
  }
}

/** Behind the last event: an answer without it has not been the whole one. */
export const endFrame = () => frame(TYPE.end, new Uint8Array())

export const failureFrame = (error: unknown) =>
  frame(TYPE.failure, Buffer.from(JSON.stringify(failureOf(error))))

function frame(type: number, body: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + body.length)
  bytes.writeUInt32LE(body.length)
  bytes[4] = type
  bytes.set(body, HEAD_BYTES)
  return bytes
}

/** The events of frames. @throws CONNECTION_LOST where they end before their end, what a failure says, BAD_BLOCK */
export async function* eventsOf(stream: Readable): AsyncGenerator<MarketEvent[]> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunksOf(stream)) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    while (rest.length - at >= HEAD_BYTES) {
      const length = rest.readUInt32LE(at)
      if (length > MOST_BYTES) throw new TickwireError('BAD_BLOCK', 'these are no frames of events')
      if (rest.length - at < HEAD_BYTES + length) break
      const type = rest[at + 4]
      const body = rest.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length)
      at += HEAD_BYTES + length
      if (type === TYPE.end) return
      if (type === TYPE.failure) throw errorOf(JSON.parse(body.toString()) as Failure)
      yield decodeColumns(body)
    }
    rest = rest.subarray(at)
  }
  throw cutOff()
}

/** One line of an answer in JSON. */
export type Line =
  | { readonly columns: readonly { readonly name: string; readonly type: string }[] }
  | { readonly rows: Cell[][]; readonly odd?: readonly Odd[] }
  | { readonly events: number }
  | { readonly done: unknown }
  | { readonly error: Failure }

/** A number JSON does not have, and where it stands in the rows. */
export type Odd = readonly [path: readonly (string | number)[], number: 'NaN' | '+' | '-' | '-0']

export const lineOf = (line: Line) => `${JSON.stringify(line)}\n`

/** The lines of an answer up to the one that is `done`, which is the last. @throws what an error line says */
export async function* linesOf(stream: Readable): AsyncGenerator<Line> {
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of chunksOf(stream)) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = parts.pop()!
    for (const part of parts) {
      const line = JSON.parse(part) as Line
      if ('error' in line) throw errorOf(line.error)
      yield line
      if ('done' in line) return
    }
  }
  throw cutOff()
}

/** Rows with what JSON cannot say set apart. */
export function rowsLine(rows: Cell[][]): Line {
  const odd: Odd[] = []
  rows.forEach((row, i) => {
    row.forEach((cell, j) => {
      if (typeof cell === 'number' ? isOdd(cell) : typeof cell === 'object')
        collect(cell, [i, j], odd)
    })
  })
  return odd.length === 0 ? { rows } : { rows, odd }
}

const isOdd = (cell: number) => !Number.isFinite(cell) || Object.is(cell, -0)

function collect(cell: Cell, path: readonly (string | number)[], odd: Odd[]): void {
  if (typeof cell === 'number') {
    if (isOdd(cell)) odd.push([path, nameOf(cell)])
  } else if (Array.isArray(cell)) {
    for (const [i, inner] of cell.entries()) collect(inner, [...path, i], odd)
  } else if (typeof cell === 'object' && cell !== null) {
    for (const [name, inner] of Object.entries(cell)) collect(inner, [...path, name], odd)
  }
}

const nameOf = (cell: number): Odd[1] =>
  Number.isNaN(cell) ? 'NaN' : cell === 0 ? '-0' : cell > 0 ? '+' : '-'

const ODD = { NaN: Number.NaN, '+': Infinity, '-': -Infinity, '-0': -0 } as const

/** The rows of a {@link rowsLine}. */
export function rowsOf({ rows, odd = [] }: Extract<Line, { rows: Cell[][] }>): Cell[][] {
  for (const [path, name] of odd) {
    const inside = path.slice(0, -1).reduce<unknown>((at, key) => (at as Inside)[key], rows)
    ;(inside as Inside)[path.at(-1)!] = ODD[name]
  }
  return rows
}

type Inside = Record<string | number, unknown>

async function* chunksOf(stream: Readable): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of stream) yield chunk as Buffer
  } catch (cause) {
    throw cutOff(cause)
  }
}

/** The other side ended in the middle. */
export function cutOff(cause?: unknown): TickwireError {
  return new TickwireError(
    'CONNECTION_LOST',
    'the process that has the store ended in the middle of this',
    {
      hint: 'Ask again: what it had stored is there.',
      ...(cause !== undefined && { cause }),
    },
  )
}
