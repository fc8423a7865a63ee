import { z } from 'zod'
import { TickwireError } from '../../base/errors.ts'
import { didYouMean } from '../../base/suggest.ts'
import type { Interval } from '../../market/events.ts'
import { keysAt } from './keys.ts'
import { fill, takesOne, type Variables } from './template.ts'

/** `30s`, `500ms`, `5m`. */
const duration = z
  .string()
  .regex(/^\d+(\.\d+)?(ms|s|m)$/, 'must be a number and ms, s or m, as in 30s')
  .transform(text => Number.parseFloat(text) * { ms: 1, s: 1_000, m: 60_000 }[unitOf(text)])
  .refine(ms => ms >= 100 && ms <= 86_400_000, 'must be from 100ms to 1440m')

const unitOf = (text: string) => /[a-z]+$/.exec(text)![0] as 'ms' | 's' | 'm'

/** Where a value stands: names and places from the outside in, joined by dots, as in `data.0.price`; `.` is all of it. */
const path = z.string().min(1, 'a path is empty')

/** A message is meant when each of these paths holds this value; `null`: when the path is not there. */
const when = z.record(path, z.union([z.string(), z.number(), z.boolean(), z.null()]))

/** A message as it is sent: `"{symbols}"` is a list, `{symbol}` the only one (a message for each), `{id}` a number that grows. */
const message = z.union([z.string(), z.record(z.string(), z.unknown()), z.array(z.unknown())])

/** A number, also one written as text. */
const number = z.union([
  path,
  z.strictObject({
    path,
    /** It is multiplied by this: 100 for lots of a hundred, 0.01 for prices in cents. */
    scale: z.number().positive().default(1),
    /** What it is when it is absent. */
    default: z.number().optional(),
    /** The venue writes 0 for what it does not know. */
    zero: z.literal('absent').optional(),
  }),
])

const text = z.union([
  path,
  z.strictObject({
    path,
    /** The venue's words, and ours for them. A word that is not here stays as it is. */
    map: z.record(z.string(), z.string()).optional(),
    default: z.string().optional(),
  }),
])

const time = z.union([
  path,
  z.strictObject({
    path,
    /** `iso` is RFC 3339; the others count since 1970 in UTC, with a fraction or without. */
    unit: z.enum(['s', 'ms', 'us', 'ns', 'iso']).default('ms'),
  }),
])

/** Levels of a book: lists of lists or of objects. */
const levels = z.strictObject({
  path,
  price: path.default('0'),
  size: path.default('1'),
  /** Where a level says its side itself (`buy`, `bid`, `b` or `sell`, `ask`, `offer`, `s`, `a`): then this is under `levels`. */
  side: path.optional(),
})

const flag = z.union([z.boolean(), z.strictObject({ when })])

/** Fields of each kind of event: what may be mapped, and what has to be. */
const FIELDS = {
  trade: {
    ...{ price: number, size: number, id: text.optional(), exchange: text.optional() },
    side: text.optional(),
  },
  quote: {
    ...{ bid: number.optional(), bidSize: number.optional() },
    ...{ ask: number.optional(), askSize: number.optional() },
    ...{ bidExchange: text.optional(), askExchange: text.optional() },
  },
  ticker: {
    ...{ last: number.optional(), lastSize: number.optional(), lastTime: time.optional() },
    ...{ open: number.optional(), high: number.optional(), low: number.optional() },
    ...{ previousClose: number.optional(), change: number.optional() },
    ...{ changePercent: number.optional(), volume: number.optional(), vwap: number.optional() },
    ...{ bid: number.optional(), ask: number.optional() },
    ...{ bidSize: number.optional(), askSize: number.optional(), name: text.optional() },
    ...{ openInterest: number.optional(), mark: number.optional(), value: number.optional() },
  },
  bar: {
    ...{ open: number, high: number, low: number, close: number, volume: number },
    ...{ vwap: number.optional(), tradeCount: number.optional(), final: flag.default(true) },
  },
  book: {
    ...{ bids: levels.optional(), asks: levels.optional(), levels: levels.optional() },
    ...{ snapshot: flag, sequence: number.optional() },
  },
  status: { statusCode: text, statusMessage: text.optional() },
} as const

/** Kinds of events that can be mapped. */
export type JsonKind = keyof typeof FIELDS

/** A book has one of these at least: updates may be of one side. */
const LEVELS = ['bids', 'asks', 'levels'] as const

function rule<K extends JsonKind>(kind: K) {
  return z.strictObject({
    kind: z.literal(kind),
    when: when.default({}),
    /**
     * A list in the message, each entry an event of its own; what an entry does not have is looked for around the list.
     * @default the message is one event
     */
    each: path.optional(),
    symbol: text,
    /** @default when it was received, which is said by nothing else */
    time: time.optional(),
    ...(kind === 'bar' && {
      interval: z
        .string()
        .regex(/^\d+[smhdw]$/, 'as in 1m')
        .default('1m'),
    }),
    fields: z
      .strictObject(FIELDS[kind])
      .refine(
        (fields: object) => kind !== 'book' || LEVELS.some(name => name in fields),
        'a book has bids, asks, or levels with a side',
      ),
  })
}

const rules = z.discriminatedUnion('kind', [
  ...[rule('trade'), rule('quote'), rule('ticker')],
  ...[rule('bar'), rule('book'), rule('status')],
] as never)

const heartbeat = z.strictObject({
  /** What is sent. @default a ping of the WebSocket itself */
  send: message.optional(),
  /** From one to the next. */
  every: duration.prefault('30s'),
  /** Anything at all must come within this time after one, or the connection is made anew. */
  within: duration.prefault('30s'),
})

const symbols = z.strictObject({
  /** How the venue writes them, against `AAPL` and `BTC/USD`. */
  case: z.enum(['upper', 'lower']).default('upper'),
  /** What stands between the two of a pair. */
  pair: z.string().max(3).default('/'),
  /** What the venue puts behind each, as `.US`. */
  suffix: z.string().default(''),
  /** Those that follow no rule: ours to theirs. */
  map: z.record(z.string(), z.string()).default({}),
})

/** What `json` takes: a vendor as data. `schema/json-provider.json` is the same as a JSON schema. */
export const jsonConfigSchema = z.strictObject({
  /** Name of the source on every event. */
  id: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'lower-case letters, digits and -'),
  title: z.string().optional(),
  /** `${NAME}` here, in headers and in messages is a variable of the environment: no secret has to stand in this file. */
  url: z.string().regex(/^wss?:\/\//, 'must be a ws:// or wss:// address'),
  headers: z.record(z.string(), z.string()).default({}),
  /** What the data is: anything but live is said in words wherever prices are shown. */
  nature: z.enum(['live', 'delayed', 'test']).default('live'),
  /** The venue speaks first, and this is how. */
  welcome: z.strictObject({ when }).optional(),
  /** Messages that come before any other: a login. */
  greet: z.array(message).default([]),
  /** The answer after which the venue takes requests. @default at once */
  ready: z.strictObject({ when }).optional(),
  subscribe: z
    .strictObject({
      message,
      /** @default nothing is sent; what still comes is passed over */
      unsubscribe: message.optional(),
      /** Each message replaces what was subscribed before, so it names everything, however much that is. */
      replaces: z.boolean().default(false),
      /** Symbols of one message. @default 100 */
      most: z.number().int().positive().optional(),
    })
    .refine(
      ({ replaces, most, message: it }) => !replaces || (most === undefined && !takesOne(it)),
      'a message that replaces what was before names all symbols: "{symbols}", and limits.symbols in place of most',
    ),
  heartbeat: heartbeat.prefault({}),
  /** What the venue wants answered. */
  replies: z.array(z.strictObject({ when, message })).default([]),
  /**
   * The confirmation of a request: of the symbols at a path, of the request whose `{id}` stands at a path, or of the
   * oldest one. @default what has been asked for counts as confirmed with the next message of any kind
   */
  ack: z
    .strictObject({ when, symbols: path.optional(), id: path.optional() })
    .refine(({ symbols: names, id }) => !(names && id), 'either symbols or id')
    .optional(),
  errors: z
    .array(
      z.strictObject({
        when,
        code: path.optional(),
        message: path.optional(),
        /** Symbols it is about. */
        symbols: path.optional(),
        id: path.optional(),
        /**
         * `auth`: the key is wrong, `plan`: it does not have this, `limit`: too many symbols, `slow`: too many requests,
         * `request`: just this one is refused, `retry`: connect anew.
         */
        means: z.enum(['auth', 'plan', 'limit', 'slow', 'request', 'retry']).default('request'),
      }),
    )
    .default([]),
  /** Messages to pass over: answers to heartbeats and such. */
  ignore: z.array(when).default([]),
  symbols: symbols.prefault({}),
  limits: z
    .strictObject({
      connections: z.number().int().positive().default(1),
      symbols: z.number().int().positive().optional(),
      /** Messages sent in a second. */
      messages: z.number().int().positive().optional(),
    })
    .prefault({}),
  /**
   * What becomes of messages. Every rule that fits one makes its events of it, so that one message can be a ticker and a
   * quote; of rules of one kind (and list, and interval) only the first that fits.
   */
  messages: z.array(rules).min(1, 'no message is mapped'),
})

/** The configuration's form for editors and other languages, as it is written. */
export function jsonConfigJsonSchema(): object {
  return z.toJSONSchema(jsonConfigSchema, { io: 'input' })
}

export type JsonConfigInput = z.input<typeof jsonConfigSchema>
type Base = z.output<typeof jsonConfigSchema>
export type When = z.output<typeof when>
export type Message = z.output<typeof message>
export type NumberField = z.output<typeof number>
export type TextField = z.output<typeof text>
export type TimeField = z.output<typeof time>
export type LevelsField = z.output<typeof levels>
export type FlagField = z.output<typeof flag>
type Mapped<K extends JsonKind> = K extends JsonKind
  ? {
      readonly kind: K
      readonly when: When
      readonly each?: string
      readonly symbol: TextField
      readonly time?: TimeField
      readonly interval?: Interval
      readonly fields: {
        readonly [F in keyof (typeof FIELDS)[K]]: z.output<(typeof FIELDS)[K][F] & z.ZodType>
      }
    }
  : never
export type Rule = Mapped<JsonKind>
export type JsonConfig = Omit<Base, 'messages'> & { readonly messages: readonly Rule[] }

/**
 * Checks a vendor's configuration and puts in the variables.
 * @throws BAD_CONFIG naming the first fault and where it stands, MISSING_KEY for a variable that is not set
 */
export function readJsonConfig(input: unknown, variables: Variables): JsonConfig {
  const result = jsonConfigSchema.safeParse(fill(input, variables))
  if (result.success) return result.data as unknown as JsonConfig
  const { issues } = result.error
  // A field that is missing may be there under a mistyped name, which says more.
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!
  const where = issue.path.length > 0 ? `${issue.path.join('.')}: ` : ''
  const message = `the configuration of the json provider: ${where}${issue.message}`
  const hint =
    issue.code === 'unrecognized_keys'
      ? didYouMean(issue.keys[0]!, keysAt(jsonConfigJsonSchema(), input, issue.path))
      : 'docs/providers/json.md names every field; `tickwire json check` shows what a frame becomes.'
  throw new TickwireError('BAD_CONFIG', message, { hint })
}
