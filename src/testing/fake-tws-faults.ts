/**
 * What can go wrong at TWS, IB Gateway and behind them, as data. `tws.fault({ … })` brings it about at once; a faults file
 * of `tickwire sim --venue ibkr` says when.
 */
import { LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const
const TIME = 'give a time such as 500ms, 10s or 5m, at most 24h'
/** Length of time: ms as a number, or text. */
const duration = z
  .union([z.number(), z.string()], { error: TIME })
  .transform(value => {
    if (typeof value === 'number') return value
    const [, number, unit] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)$/.exec(value) ?? []
    return Number(number) * UNIT_MS[unit as keyof typeof UNIT_MS]
  })
  .refine(ms => ms >= 0 && ms <= 24 * UNIT_MS.h, TIME)
const times = z.int('must be a whole number').min(1, 'must be at least 1').default(1)
const farm = z.string().min(1).default('usfarm')
const most = z.int('must be a whole number').min(0).optional()
const code = z.int('must be a whole number').min(1).max(99_999)

interface Entry {
  /** For people, in one sentence. */
  readonly does: string
  readonly params: z.ZodRawShape
}

/** What each fault may be told; `undefined` is allowed where there is no default. */
interface Parameters<Time> {
  refuse: { for?: Time }
  restart: { for?: Time; busy?: number }
  cut: object
  hang: { for?: Time }
  silent: { times?: number }
  slam: { times?: number }
  'client-id': { times?: number }
  upstream: { for?: Time; data?: 'lost' | 'kept' }
  farm: { for?: Time; name?: string }
  competing: { for?: Time }
  'depth-reset': object
  'depth-halt': object
  'ticks-end': { code?: number; text?: string }
  budgets: {
    lines?: number | undefined
    ticks?: number | undefined
    books?: number | undefined
  }
  unsubscribed: { symbols?: string }
  deny: { code?: number; text?: string; times?: number }
  history: { code?: number; text?: string; times?: number }
  'too-fast': object
  moved: { port?: number | undefined }
  garbled: { times?: number }
  stranger: object
  fragments: { for?: Time }
  'late-rows': { for?: Time }
}

export type TwsFaultName = keyof Parameters<number>

/** A fault as written; times as `'5s'` or in ms. */
export type TwsFault = {
  [N in TwsFaultName]: { readonly fault: N } & Readonly<Parameters<number | string>[N]>
}[TwsFaultName]

/** A fault with its defaults; times in ms. */
export type SetTwsFault = {
  [N in TwsFaultName]: { readonly fault: N } & Readonly<Required<Parameters<number>[N]>>
}[TwsFaultName]

/** A fault of a file, and when it comes. */
export interface ScriptedTwsFault {
  readonly fault: TwsFault
  /** From the start, ms. */
  readonly at: number
  /** Again and again, this far apart, ms. */
  readonly every: number | undefined
}

/** Every fault with its parameters, their defaults, and what it does; `docs/providers/ibkr.md` holds the same table. */
export const TWS_FAULTS: Readonly<Record<TwsFaultName, Entry>> = {
  refuse: {
    does: 'Nobody listens for a time, as when TWS is not running. Open connections stay.',
    params: { for: duration.default(5_000) },
  },
  restart: {
    does: 'The daily restart: everything is cut, nobody listens for a time, and the first `busy` connections are told that their client id is taken.',
    params: {
      for: duration.default(60_000),
      busy: z.int('must be a whole number').min(0).default(1),
    },
  },
  cut: { does: 'Open connections are cut.', params: {} },
  hang: {
    does: 'TWS hangs for a time, or for good: it reads nothing and answers nothing, and its sockets stay open.',
    params: { for: duration.default(0) },
  },
  silent: {
    does: 'The next connections are accepted and never greeted, as while TWS asks whether to accept them.',
    params: { times },
  },
  slam: {
    does: 'The next connections are closed without a word, as from an address TWS does not trust.',
    params: { times },
  },
  'client-id': {
    does: 'The next connections are told that their client id is taken (326), and closed.',
    params: { times },
  },
  upstream: {
    does: 'TWS loses IBKR (1100) and has it again after a time, with subscriptions kept (1102) or lost (1101).',
    params: { for: duration.default(10_000), data: z.enum(['lost', 'kept']).default('lost') },
  },
  farm: {
    does: 'A market data farm breaks (2103) and is back after a time (2104).',
    params: { for: duration.default(10_000), name: farm },
  },
  competing: {
    does: 'The account is logged in elsewhere (10197): for a time nothing comes on any line.',
    params: { for: duration.default(10_000) },
  },
  'depth-reset': {
    does: 'Books are reset (317): they are sent anew, row by row, on the same subscription.',
    params: {},
  },
  'depth-halt': { does: 'Book subscriptions die (316).', params: {} },
  'ticks-end': {
    does: 'Tick-by-tick streams end with this error, without being asked to.',
    params: {
      code: code.default(10_182),
      text: z.string().default('Failed to request live updates (disconnected).'),
    },
  },
  budgets: {
    does: 'From now on the account has so much at the same time, as when another program takes its share; what runs goes on.',
    params: { lines: most, ticks: most, books: most },
  },
  unsubscribed: {
    does: 'From now on the account has no subscription for these symbols alone, names with commas between them: they are refused (354), or come delayed where that is asked for; what runs goes on.',
    params: { symbols: z.string().default('') },
  },
  deny: {
    does: 'The next subscriptions are refused with this error.',
    params: {
      code: code.default(354),
      text: z.string().default('Requested market data is not subscribed.'),
      times,
    },
  },
  history: {
    does: 'The next questions about the past are answered with this error.',
    params: {
      code: code.default(162),
      text: z
        .string()
        .default(
          'Historical Market Data Service error message:Historical data request pacing violation',
        ),
      times,
    },
  },
  'too-fast': {
    does: 'Connections are told that they send too fast (100), and cut.',
    params: {},
  },
  moved: {
    does: 'TWS moves to another port, any free one or this, and says so (1300).',
    params: { port: z.int().min(1).max(65_535).optional() },
  },
  garbled: {
    does: 'The next ticks carry a price that is none; they are lost.',
    params: { times },
  },
  stranger: {
    does: 'Open connections get bytes that no TWS sends.',
    params: {},
  },
  fragments: {
    does: 'For a time all that is sent comes in pieces of a few bytes.',
    params: { for: duration.default(5_000) },
  },
  'late-rows': {
    does: 'For a time rows of a book go on coming after its subscription was cancelled.',
    params: { for: duration.default(5_000) },
  },
}

export const TWS_FAULT_NAMES = Object.keys(TWS_FAULTS) as readonly TwsFaultName[]

/** Checks a fault and fills in its defaults. @throws BAD_OPTION */
export function checkTwsFault(given: TwsFault): SetTwsFault {
  const entry = TWS_FAULTS[given.fault]
  if (!entry) {
    throw new TickwireError('BAD_OPTION', `no fault ${JSON.stringify(given.fault)}`, {
      hint: didYouMean(String(given.fault), TWS_FAULT_NAMES),
    })
  }
  const { fault, ...params } = given
  const result = z.strictObject(entry.params).safeParse(params)
  if (result.success) return { fault, ...result.data } as SetTwsFault
  const [issue] = result.error.issues
  throw new TickwireError('BAD_OPTION', `${fault} ${issue!.path.join('.')}: ${issue!.message}`, {
    hint: `It takes: ${Object.keys(entry.params).join(', ') || 'nothing'}.`,
  })
}

/**
 * The faults of a file: a YAML or JSON list of entries, each a `fault` with its parameters, `at` and `every`.
 * @throws BAD_CONFIG naming file and line
 */
export function parseTwsFaults(text: string, file: string): ScriptedTwsFault[] {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const [broken] = document.errors
  const fail = (line: number, message: string, hint?: string): never => {
    throw new TickwireError('BAD_CONFIG', `${file}:${line}: ${message}`, { hint })
  }
  if (broken) fail(broken.linePos?.[0].line ?? 1, broken.message.split('\n')[0]!)
  const list: unknown = document.toJS()
  if (!Array.isArray(list)) return fail(1, 'not a list', 'Begin each fault with a dash.')
  return list.map((entry: unknown, i) => {
    const node = document.getIn([i], true) as { range?: [number, number, number] } | undefined
    const line = lines.linePos(node?.range?.[0] ?? 0).line
    if (typeof entry !== 'object' || entry === null) return fail(line, 'not a fault')
    const { at = 0, every, ...fault } = entry as Record<string, unknown>
    const when = z
      .object({ at: duration, every: duration.refine(ms => ms >= 1, TIME).optional() })
      .safeParse({ at, every })
    if (!when.success) return fail(line, when.error.issues[0]!.message)
    try {
      checkTwsFault(fault as TwsFault)
    } catch (error) {
      if (error instanceof TickwireError) return fail(line, error.message, error.hint)
      throw error
    }
    return { fault: fault as TwsFault, at: when.data.at, every: when.data.every }
  })
}
