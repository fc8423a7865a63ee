import { z } from 'zod'
import {
  EVENT_TYPES,
  type EventOf,
  type EventType,
  Flag,
  type FlagName,
  type Interval,
  NOTICES,
} from './events.ts'
import { type Moment, parseTime } from './time.ts'
import { INTERVAL } from './topics.ts'

/*
 * The JSON form of every event: names, order and types of its fields. `encodeEvent` writes by this table,
 * `decodeEvent` checks against it, and schema/event.json is printed from it (`npm run schema`).
 *
 * Unknown keys are ignored, so that files and peers of a newer tickwire can be read. Unknown words in a known
 * field (a kind, a flag, a notice) are refused: to drop `simulated` would change what the event means.
 */

const number = z.number()
const text = z.string()
const texts = z.array(text)
const time = z.number().meta({ description: 'Epoch ms.' })
const side = z.enum(['buy', 'sell'])
const id = z.union([z.int(), text]).meta({ description: 'Ids beyond 2^53 are text.' })
const levels = z.array(z.tuple([number, number])).meta({
  description: 'Levels as [price, size]; in a delta a size of 0 removes the level.',
})
const interval = z.string().regex(INTERVAL, 'expected a length such as 1s, 5m or 1d').meta({
  description:
    'Length of a bar: a count and s, m, h, d or w; or what it holds: t trades, v units, $ money.',
}) as unknown as z.ZodType<Interval>

const symbol = z.string().min(1).meta({ description: 'Canonical: AAPL, BTC/USD, NSE:RELIANCE.' })

const timestamp = z
  .string()
  .meta({
    format: 'date-time',
    description: 'Venue time: written in UTC with nine digits, read with 0–9 and any offset.',
    examples: ['2024-01-15T14:30:00.123000000Z'],
  })
  .transform((input, context): Moment => {
    const moment = parseTime(input)
    if (moment) return moment
    const message = 'expected a time as in 2024-01-15T14:30:00.123Z'
    context.issues.push({ code: 'custom', message, input })
    return z.NEVER
  })

/** What every event may end with. */
const tail = {
  source: text.optional().meta({ description: 'The configured source it came from.' }),
  receivedAt: number.optional().meta({
    description: 'Receipt by our clock, epoch ms with a fraction. Absent: the same as `timestamp`.',
  }),
  seq: z.int().min(1).optional().meta({ description: 'Number on the tape.' }),
  flags: z.array(z.enum(Object.keys(Flag) as FlagName[])).optional(),
}

const kinds = {
  trade: z.object({
    type: z.literal('trade'),
    symbol,
    price: number,
    size: number,
    timestamp,
    id: id.optional(),
    exchange: text.optional(),
    conditions: texts.optional(),
    tape: text.optional(),
    side: side.optional(),
    ...tail,
  }),
  quote: z.object({
    type: z.literal('quote'),
    symbol,
    bid: number.optional(),
    bidSize: number.optional(),
    ask: number.optional(),
    askSize: number.optional(),
    timestamp,
    bidExchange: text.optional(),
    askExchange: text.optional(),
    conditions: texts.optional(),
    tape: text.optional(),
    ...tail,
  }),
  ticker: z.object({
    type: z.literal('ticker'),
    symbol,
    last: number.optional(),
    lastSize: number.optional(),
    timestamp,
    lastTime: time.optional(),
    open: number.optional(),
    high: number.optional(),
    low: number.optional(),
    previousClose: number.optional(),
    change: number.optional(),
    changePercent: number.optional().meta({ description: '1.5 means 1.5 %.' }),
    volume: number.optional(),
    vwap: number.optional(),
    bid: number.optional(),
    ask: number.optional(),
    bidSize: number.optional(),
    askSize: number.optional(),
    name: text.optional(),
    openInterest: number.optional(),
    mark: number.optional(),
    value: number.optional(),
    ...tail,
  }),
  bar: z.object({
    type: z.literal('bar'),
    symbol,
    interval,
    open: number,
    high: number,
    low: number,
    close: number,
    volume: number,
    timestamp,
    vwap: number.optional(),
    tradeCount: number.optional(),
    final: z.boolean().meta({ description: 'False while the interval still runs.' }),
    revision: number.meta({ description: 'Above 0 when it replaces an earlier one.' }),
    adjustment: z.enum(['raw', 'split', 'dividend', 'all']).optional(),
    ...tail,
  }),
  book: z.object({
    type: z.literal('book'),
    symbol,
    timestamp,
    bids: levels,
    asks: levels,
    snapshot: z.boolean().meta({ description: 'True: clear the book first.' }),
    sequence: number.optional(),
    checksum: number.optional(),
    ...tail,
  }),
  status: z.object({
    type: z.literal('status'),
    symbol,
    statusCode: text,
    statusMessage: text.optional(),
    timestamp,
    reasonCode: text.optional(),
    reasonMessage: text.optional(),
    tape: text.optional(),
    ...tail,
  }),
  luld: z.object({
    type: z.literal('luld'),
    symbol,
    limitUp: number,
    limitDown: number,
    timestamp,
    indicator: text.optional(),
    tape: text.optional(),
    ...tail,
  }),
  imbalance: z.object({
    type: z.literal('imbalance'),
    symbol,
    price: number.optional(),
    size: number.optional(),
    timestamp,
    pairedSize: number.optional(),
    side: side.optional(),
    auction: text.optional(),
    exchange: text.optional(),
    tape: text.optional(),
    ...tail,
  }),
  correction: z.object({
    type: z.literal('correction'),
    symbol,
    price: number,
    size: number,
    timestamp,
    id: id.optional(),
    conditions: texts.optional(),
    originalId: id.optional(),
    originalPrice: number,
    originalSize: number,
    originalConditions: texts.optional(),
    exchange: text.optional(),
    tape: text.optional(),
    ...tail,
  }),
  cancel: z.object({
    type: z.literal('cancel'),
    symbol,
    price: number.optional(),
    size: number.optional(),
    timestamp,
    action: z.enum(['cancel', 'error']),
    id: id.optional(),
    exchange: text.optional(),
    tape: text.optional(),
    ...tail,
  }),
  news: z.object({
    type: z.literal('news'),
    symbol: symbol.optional(),
    headline: text,
    timestamp,
    id: id.optional(),
    symbols: texts,
    summary: text.optional(),
    content: text.optional(),
    author: text.optional(),
    url: text.optional(),
    publisher: text.optional(),
    createdAt: time.optional(),
    ...tail,
  }),
  notice: z.object({
    type: z.literal('notice'),
    symbol: symbol.optional(),
    notice: z.enum(NOTICES),
    message: text,
    timestamp,
    code: text.optional(),
    kind: z.enum(EVENT_TYPES).optional(),
    from: number.optional(),
    to: number.optional(),
    count: number.optional(),
    ...tail,
  }),
}

/** Every field of the class, with its type; `nanos` is part of the time and `flags` are words. */
type Shape<T extends EventType> = {
  [F in Exclude<keyof EventOf<T>, 'nanos' | 'flags' | 'timestamp' | keyof typeof tail>]: z.ZodType<
    EventOf<T>[F]
  >
} & { timestamp: typeof timestamp } & typeof tail

/** Kind to fields, in the order they are written. */
export const EVENT_SHAPES: { readonly [T in EventType]: { readonly shape: Shape<T> } } = kinds

/** What `decodeEvent` checks against. */
export const eventSchema = z.discriminatedUnion('type', [
  kinds.trade,
  kinds.quote,
  kinds.ticker,
  kinds.bar,
  kinds.book,
  kinds.status,
  kinds.luld,
  kinds.imbalance,
  kinds.correction,
  kinds.cancel,
  kinds.news,
  kinds.notice,
])

/** The published JSON schema: what stands in `schema/event.json`. */
export function jsonSchema(): object {
  const schema = z.toJSONSchema(eventSchema, { io: 'input' })
  return {
    ...schema,
    title: 'tickwire event',
    description:
      'One event in JSON: a line of NDJSON, a message of the gateway. Ignore unknown keys.',
  }
}
