import { z } from 'zod'
import { FEED_NAMES } from '../providers/alpaca/feeds.ts'

/** What `stream` and `up` can show, by the names of the feed's channels. */
export const KINDS = [
  ...(['trades', 'quotes', 'bars', 'tickers', 'statuses', 'lulds'] as const),
  ...(['imbalances', 'corrections', 'cancels'] as const),
] as const
export type Kind = (typeof KINDS)[number]

export const PROVIDERS = ['alpaca', 'simulated'] as const
export type ProviderName = (typeof PROVIDERS)[number]

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const

const symbols = z.array(z.string().min(1, 'a symbol is empty')).min(1, 'the list is empty')

const RATE = "must be a number above 0, or 'max'"

/**
 * Everything that can be configured. The same tree is `tickwire.config.yaml`; a leaf's environment variable is
 * its path: `simulated.rate` is TICKWIRE_SIMULATED_RATE.
 */
export const configSchema = z.strictObject({
  /** Where the data comes from. @default alpaca when keys are there; `up` without: simulated */
  provider: z.enum(PROVIDERS).optional(),
  /** @default SPY TSLA AAPL, where that makes sense */
  symbols: symbols.optional(),
  /** @default trades; `up`: trades and quotes */
  kinds: z.array(z.enum(KINDS)).min(1, 'the list is empty').optional(),
  alpaca: z
    .strictObject({
      feed: z.enum(FEED_NAMES as [(typeof FEED_NAMES)[number]]).default('iex'),
      /** Another server that speaks Alpaca's protocol, instead of the feed's own address. */
      url: z.url({ protocol: /^wss?$/, error: 'must be a ws:// or wss:// address' }).optional(),
    })
    .prefault({}),
  simulated: z
    .strictObject({
      seed: z.int('must be a whole number').default(1),
      /** Events a second; `max` for as many as possible. */
      rate: z.union([z.number().positive(RATE), z.literal('max')], { error: RATE }).default(50),
      /** More symbols than the built-in ones. */
      symbols: symbols.optional(),
    })
    .prefault({}),
  tape: z
    .strictObject({
      /** Events kept in memory for readers that come late. */
      capacity: z
        .int('must be a whole number')
        .min(1, 'must be at least 1')
        .max(2 ** 24, 'must be at most 16777216')
        .default(131_072),
      /** Where `up` and `record` write it. */
      folder: z.string().min(1, 'the path is empty').default('.tickwire/tape'),
      /** What of it is kept; the oldest files go. */
      keep: z
        .strictObject({
          /** Gigabytes. */
          gb: z.number().positive('must be above 0').default(10),
          /** @default any number of days */
          days: z.number().positive('must be above 0').optional(),
        })
        .prefault({}),
    })
    .prefault({}),
  /** What is logged to stderr, as JSON lines. */
  log: z.enum(LOG_LEVELS).default('silent'),
})

export type Settings = z.output<typeof configSchema>
/** A layer of settings as written: in a file, in the environment, as flags. */
export type RawSettings = z.input<typeof configSchema>

/** A place in the tree where a value stands. */
export interface Leaf {
  readonly path: readonly string[]
  readonly type: 'number' | 'list' | 'text'
}

/** All places a value may stand, in the order of the schema. */
export const LEAVES: readonly Leaf[] = leavesOf(configSchema, [])

function leavesOf(schema: z.ZodType, path: readonly string[]): Leaf[] {
  const inner = unwrap(schema)
  if (inner instanceof z.ZodObject) {
    return Object.entries(inner.shape).flatMap(([key, value]) =>
      leavesOf(value as z.ZodType, [...path, key]),
    )
  }
  if (inner instanceof z.ZodArray) return [{ path, type: 'list' }]
  const numeric = inner instanceof z.ZodNumber || inner instanceof z.ZodUnion
  return [{ path, type: numeric ? 'number' : 'text' }]
}

/** The keys that may stand at a place. */
export function keysAt(path: readonly PropertyKey[]): string[] {
  let schema: z.ZodType = configSchema
  for (const key of path) {
    const inner = unwrap(schema)
    if (!(inner instanceof z.ZodObject)) return []
    schema = inner.shape[String(key)] as z.ZodType
  }
  const inner = unwrap(schema)
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : []
}

function unwrap(schema: z.ZodType): z.ZodType {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  ) {
    return unwrap(schema.unwrap() as z.ZodType)
  }
  return schema
}
