/**
 * The fault menu: what can go wrong at a venue, as data. A fault is brought about by its trigger (`at`, `every`,
 * `after`); faults of a connection's opening then wait for the next connection, authentication or subscribe.
 */
import { type Document, LineCounter, parseDocument, visit } from 'yaml'
import { z } from 'zod'
import { TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import { SERVER_ERRORS, type ServerErrorCode } from '../providers/alpaca/server-session.ts'

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const
/** The longest a timer of Node can wait, ms. */
const LONGEST_MS = 2 ** 31 - 1

const TIME = 'give a time such as 500ms, 10s or 5m, at most 596h'
/** A length of time: ms as a number, or text such as `500ms`, `10s`, `5m`, `1.5h`. */
const duration = z
  .union([z.number(), z.string()], { error: TIME })
  .transform(toMs)
  .refine(ms => ms >= 0 && ms <= LONGEST_MS, TIME)

function toMs(value: string | number): number {
  if (typeof value === 'number') return value
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)$/.exec(value) ?? []
  return Number(number) * UNIT_MS[unit as keyof typeof UNIT_MS]
}

/** `3 connections`, `1000 events`. */
const COUNT = /^([1-9]\d{0,14}) (connections?|events?)$/
const COUNT_HINT = 'write it as `3 connections` or `1000 events`, from 1'
const count = z
  .string({ error: COUNT_HINT })
  .regex(COUNT, COUNT_HINT)
  .transform(text => {
    const [, number, what] = COUNT.exec(text)!
    return { count: Number(number), of: what!.startsWith('c') ? 'connections' : 'events' }
  })

const trigger = {
  /** Time since the start, or since `after`. */
  at: duration.optional(),
  /** Time between two occasions; the first is one such time after the start, or `at`. */
  every: duration.refine(ms => ms >= 1, 'must be at least 1ms').optional(),
  /** Once so many connections have been made, or events delivered. */
  after: count.optional(),
  /** How likely it is at each occasion. @default 1 */
  chance: z.number().min(0, 'must be from 0 to 1').max(1, 'must be from 0 to 1').default(1),
}

/** How many occasions are hit each time: upgrades, authentications, subscribes, frames. */
const times = z.int('must be a whole number').min(1, 'must be at least 1').default(1)
/** Which of the open connections. */
const on = z.enum(['all', 'oldest', 'newest', 'random']).default('all')

const CODES = Object.keys(SERVER_ERRORS).map(Number) as ServerErrorCode[]
const errorCode = z.literal(CODES)
const closeCode = z
  .int('must be a whole number')
  .refine(
    code =>
      (code >= 1_000 && code <= 1_014 && ![1_004, 1_005, 1_006].includes(code)) ||
      (code >= 3_000 && code <= 4_999),
    'is no close code that can be sent: 1000-1014 without 1004-1006, or 3000-4999',
  )

/** HTTP statuses of the REST side. */
const REST_STATUSES = [400, 401, 403, 404, 422, 429, 500, 502, 503] as const
type RestStatus = (typeof REST_STATUSES)[number]

/** What may be wrong with an answer of the REST side that looks right. */
const REST_SPOILS = [
  ...(['garbage', 'cut', 'silence', 'endless', 'repeated'] as const),
  ...(['shuffled', 'outside', 'stranger', 'priceless'] as const),
] as const
type RestSpoil = (typeof REST_SPOILS)[number]

interface FaultEntry {
  /** For people, in one sentence. */
  readonly does: string
  readonly params: z.ZodRawShape
}

/** `'5s'`, `'500ms'`, or ms as a number. */
export type FaultTime = string | number
type Which = 'all' | 'oldest' | 'newest' | 'random'

/** What each fault may be told; `undefined` is allowed where there is no default. */
interface FaultParameters<Time> {
  refuse: { for?: Time }
  'upgrade-404': { times?: number }
  'upgrade-429': { times?: number; retryAfter?: Time | undefined }
  'upgrade-502': { times?: number }
  'half-open': { times?: number }
  'welcome-delayed': { by?: Time; times?: number }
  'auth-error': { code?: ServerErrorCode; close?: boolean; times?: number }
  'auth-timeout': { times?: number }
  'connection-limit': { close?: boolean; times?: number }
  'symbol-limit': { times?: number }
  'partial-ack': { omit?: number; times?: number }
  'slow-client': { silent?: boolean; on?: Which }
  cut: { reset?: boolean; on?: Which }
  close: { code?: number; reason?: string; on?: Which }
  mute: { for?: Time; on?: Which }
  stall: { for?: Time; on?: Which }
  duplicate: { times?: number; on?: Which }
  reorder: { times?: number; on?: Which }
  lost: { times?: number; on?: Which }
  'corrupt-json': { times?: number; on?: Which }
  'truncated-msgpack': { times?: number; on?: Which }
  'giant-frame': { bytes?: number; on?: Which }
  'slow-drip': { for?: Time; bytesPerSecond?: number; on?: Which }
  restart: { for?: Time }
  'late-pong': { by?: Time; for?: Time | undefined; on?: Which }
  'data-after-unsubscribe': { for?: Time; times?: number }
  'bad-checksum': { times?: number }
  'rest-error': { status?: RestStatus; retryAfter?: Time | undefined; times?: number }
  'rest-spoiled': { how?: RestSpoil; times?: number }
}

export type FaultName = keyof FaultParameters<FaultTime>

/** When a fault comes about. */
interface TriggerOptions {
  /** Time since the start, or since `after`. */
  readonly at?: FaultTime
  /** Time between two occasions; the first is at `at`, or one such time after the start. */
  readonly every?: FaultTime
  /** `3 connections`, `1000 events`: once so many connections have been made, or events delivered. */
  readonly after?: string
  /** How likely it is at each occasion, 0 to 1. @default 1 */
  readonly chance?: number
}

/** A fault as written; times as `'5s'` or in ms. */
export type FaultOptions = {
  [N in FaultName]: { readonly fault: N } & TriggerOptions & Readonly<FaultParameters<FaultTime>[N]>
}[FaultName]

/** A fault with its defaults; times in ms. */
export type Fault = {
  [N in FaultName]: {
    readonly fault: N
    readonly at?: number
    readonly every?: number
    readonly after?: { readonly count: number; readonly of: 'connections' | 'events' }
    readonly chance: number
  } & Readonly<Required<FaultParameters<number>[N]>>
}[FaultName]

/** Every fault with its parameters, their defaults, and what it does. `docs/testing.md` holds the same table. */
export const FAULTS: Readonly<Record<FaultName, FaultEntry>> = {
  refuse: {
    does: 'Nobody listens for a time: connections are refused (ECONNREFUSED). Open ones stay.',
    params: { for: duration.default(1_000) },
  },
  'upgrade-404': {
    does: 'The next upgrades are answered with HTTP 404, as for an unknown path.',
    params: { times },
  },
  'upgrade-429': {
    does: 'The next upgrades are answered with HTTP 429 and, where given, Retry-After.',
    params: { times, retryAfter: duration.optional() },
  },
  'upgrade-502': {
    does: 'The next upgrades are answered with HTTP 502, as by a proxy with nothing behind it.',
    params: { times },
  },
  'half-open': {
    does: 'The next connections are accepted, and then nothing is said: no welcome, no pong.',
    params: { times },
  },
  'welcome-delayed': {
    does: 'The next connections get their welcome late.',
    params: { by: duration.default(3_000), times },
  },
  'auth-error': {
    does: 'The next authentications are answered with this error, and closed where asked for.',
    params: { code: errorCode.default(402), close: z.boolean().default(false), times },
  },
  'auth-timeout': {
    does: 'The next authentications are not answered; after 10 s the venue says 404 and closes.',
    params: { times },
  },
  'connection-limit': {
    does: 'The next authentications are answered with 406, as if the slot were taken.',
    params: { close: z.boolean().default(false), times },
  },
  'symbol-limit': {
    does: 'The next subscribes are answered with 405; subscriptions stay as they were.',
    params: { times },
  },
  'partial-ack': {
    does: 'The next subscribes leave so many of their symbols out, of the subscription and of its ack.',
    params: {
      omit: z.int('must be a whole number').min(1, 'must be at least 1').default(1),
      times,
    },
  },
  'slow-client': {
    does: 'Open connections are told 407 and cut; with `silent` they are cut without a word.',
    params: { silent: z.boolean().default(false), on },
  },
  cut: {
    does: 'Open connections are cut without a close frame, by a TCP reset or, without `reset`, an end of the stream. Their slots stay taken for a while.',
    params: { reset: z.boolean().default(true), on },
  },
  close: {
    does: 'Open connections are closed with this code.',
    params: {
      code: closeCode.default(1_001),
      reason: z
        .string()
        .refine(text => Buffer.byteLength(text) <= 123, 'must be at most 123 bytes')
        .default(''),
      on,
    },
  },
  mute: {
    does: 'For a time what would be sent on open connections is lost, while pings are answered.',
    params: { for: duration.default(30_000), on },
  },
  stall: {
    does: 'Open connections stand still, pongs too; afterwards everything comes at once.',
    params: { for: duration.default(5_000), on },
  },
  duplicate: {
    does: 'The next frames of data are sent twice.',
    params: { times, on },
  },
  reorder: {
    does: 'The next frames of data change places with the ones behind them.',
    params: { times, on },
  },
  lost: {
    does: 'The next frames of data are not sent.',
    params: { times, on },
  },
  'corrupt-json': {
    does: 'The next frames of data on JSON connections are damaged; their events are lost.',
    params: { times, on },
  },
  'truncated-msgpack': {
    does: 'The next frames of data on msgpack connections end too early; their events are lost.',
    params: { times, on },
  },
  'giant-frame': {
    does: 'Open connections get one frame of this size that no client should take.',
    params: {
      bytes: z
        .int('must be a whole number')
        .min(1, 'must be at least 1')
        .max(256 * 1_024 * 1_024, 'must be at most 256 MiB')
        .default(17 * 1_024 * 1_024),
      on,
    },
  },
  'slow-drip': {
    does: 'For a time the bytes of open connections trickle, so many a second.',
    params: {
      for: duration.default(2_000),
      bytesPerSecond: z.number().positive('must be above 0').default(1_000),
      on,
    },
  },
  restart: {
    does: 'The venue dies and comes back: everything is cut, nobody listens for a time, slots are forgotten.',
    params: { for: duration.default(1_000) },
  },
  'late-pong': {
    does: 'Pongs of open connections come late for a time, or until they end.',
    params: { by: duration.default(6_000), for: duration.optional(), on },
  },
  'data-after-unsubscribe': {
    does: 'After the next unsubscribes the data still comes for a time.',
    params: { for: duration.default(1_000), times },
  },
  'bad-checksum': {
    does: 'The next messages of books carry a checksum that does not fit, at venues that have them.',
    params: { times },
  },
  'rest-error': {
    does: 'The next questions to the REST side are answered with this HTTP status and, where given, Retry-After.',
    params: {
      status: z.literal(REST_STATUSES).default(500),
      retryAfter: duration.optional(),
      times,
    },
  },
  'rest-spoiled': {
    does: 'The next answers of the REST side are wrong: `garbage` (a page of HTML), `cut` (half of it), `silence` (none), `endless` (empty, and more to come), `repeated` (the first page with one and the same token), `shuffled` (latest first), `outside` (another day), `stranger` (a symbol nobody asked for), `priceless` (a record without its price).',
    params: { how: z.enum(REST_SPOILS).default('garbage'), times },
  },
}

export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[]

const SCHEMAS = Object.fromEntries(
  FAULT_NAMES.map(name => [
    name,
    z.strictObject({ fault: z.literal(name), ...trigger, ...FAULTS[name].params }),
  ]),
) as unknown as Readonly<Record<FaultName, z.ZodObject>>

/** The parameters of a fault, without those of its trigger. */
export function parametersOf(name: FaultName): string[] {
  return Object.keys(FAULTS[name].params)
}

/**
 * Faults given as an object, checked.
 * @throws BAD_CONFIG naming the entry
 */
export function checkFaults(faults: unknown): Fault[] {
  return check(faults, path => `faults[${path.join('.')}]`)
}

/**
 * The text of a faults file, YAML or JSON: a list of faults, or a map with the list as `faults`.
 * @throws BAD_CONFIG naming file and line
 */
export function parseFaults(text: string, file: string): Fault[] {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, logLevel: 'error' })
  const [wrong] = document.errors
  if (wrong) {
    const line = wrong.linePos?.[0].line ?? 1
    const what =
      wrong.code === 'MULTIPLE_DOCS'
        ? 'a second document'
        : wrong.message.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, '')
    throw bad(`${file}:${line}: ${what}`, 'Write one `- fault: NAME` each.')
  }
  const raw = contentOf(document, offset => `${file}:${lines.linePos(offset).line}`) ?? []
  const inner = typeof raw === 'object' && !Array.isArray(raw) && raw !== null && 'faults' in raw
  const list = inner ? (raw as { faults: unknown }).faults : raw
  if (inner) {
    const stray = Object.keys(raw as object).find(key => key !== 'faults')
    if (stray) throw bad(`${file}: unknown key ${stray}`, 'A faults file has one key: faults.')
  }
  return check(list, path => {
    const whole = inner ? ['faults', ...path] : path
    let node: unknown
    for (let end = whole.length; end > 0 && !node; end--) {
      node = document.getIn(whole.slice(0, end), true)
    }
    const { range } = (node ?? {}) as { range?: readonly [number, number, number] }
    return `${file}:${lines.linePos(range?.[0] ?? 0).line}`
  })
}

/** What a document says. @throws BAD_CONFIG for an alias of nothing, and for aliases that grow beyond all bounds */
function contentOf(document: Document, where: (offset: number) => string): unknown {
  let last = 0
  visit(document, {
    Alias: (_, alias) => {
      last = alias.range?.[0] ?? 0
      if (alias.resolve(document)) return
      throw bad(`${where(last)}: no &${alias.source} stands before *${alias.source}`, ALIASES)
    },
  })
  try {
    return document.toJS()
  } catch {
    throw bad(`${where(last)}: too many aliases within aliases`, ALIASES)
  }
}

const ALIASES = 'Write the faults out, without * and &.'

function check(list: unknown, where: (path: readonly (string | number)[]) => string): Fault[] {
  if (!Array.isArray(list)) {
    throw bad(`${where([])}: not a list of faults`, 'Write one `- fault: NAME` each.')
  }
  return list.map((entry: unknown, index) => {
    const name = (entry as { fault?: unknown } | null)?.fault
    if (typeof name !== 'string' || !Object.hasOwn(FAULTS, name)) {
      if (name === undefined || name === null) {
        throw bad(
          `${where([index])}: no fault is named`,
          'Write `fault: NAME`; see docs/testing.md.',
        )
      }
      const hint = didYouMean(typeof name === 'string' ? name : '', FAULT_NAMES)
      throw bad(`${where([index, 'fault'])}: no fault ${show(name)}`, hint)
    }
    const result = SCHEMAS[name as FaultName].safeParse(entry)
    if (result.success) return result.data as unknown as Fault
    throw describe(result.error.issues[0]!, name as FaultName, index, entry, where)
  })
}

function describe(
  issue: z.core.$ZodIssue,
  name: FaultName,
  index: number,
  entry: unknown,
  where: (path: readonly (string | number)[]) => string,
): TickwireError {
  const known = Object.keys(SCHEMAS[name].shape)
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!
    return bad(`${where([index, key])}: ${name} has no ${key}`, didYouMean(key, known))
  }
  const key = String(issue.path[0])
  const value = show((entry as Record<string, unknown>)[key])
  const text = issue.message.replace(/^Invalid (input|option): /, '')
  return bad(`${where([index, key])}: ${key} of ${name} cannot be ${value}`, text)
}

/** A value as written, where it is not a whole list or map. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value !== 'object' || value === null) return String(value)
  return Array.isArray(value) ? 'a list' : 'a map'
}

function bad(message: string, hint: string): TickwireError {
  return new TickwireError('BAD_CONFIG', message, { hint })
}
