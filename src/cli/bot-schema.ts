// What a bot can be told, in the configuration and on the command line.
import { z } from 'zod'
import { TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import type { RiskLimits } from '../bot/risk.ts'

const amount = z.number().min(0, 'must be at least 0')
const SESSIONS = ['pre', 'regular', 'break', 'post', 'overnight', 'closed'] as const

/** {@link RiskLimits}, as a person writes them. */
const riskSchema = z.strictObject({
  maxPosition: amount.optional(),
  maxPositionNotional: amount.optional(),
  maxOrderNotional: amount.optional(),
  maxGrossNotional: amount.optional(),
  maxOrdersPerMinute: amount.optional(),
  priceCollar: amount.optional(),
  maxDailyLoss: amount.optional(),
  duplicateMs: amount.optional(),
  sessions: z.array(z.enum(SESSIONS)).min(1, 'the list is empty').optional(),
  allowShort: z.boolean().optional(),
})

/** What trading costs on paper. */
const paperSchema = z.strictObject({
  fees: z
    .strictObject({
      perOrder: amount.optional(),
      perUnit: amount.optional(),
      rate: amount.optional(),
      makerRate: z.number().optional(),
    })
    .optional(),
  slippageBps: amount.optional(),
  latencyMs: amount.optional(),
  share: z.number().gt(0, 'must be above 0').max(1, 'must be at most 1').optional(),
})

/** Brokers that bots can send orders to. */
export const BROKERS = ['alpaca', 'openalgo'] as const
export type BrokerName = (typeof BROKERS)[number]

/** An account at a broker, and what all bots may do there together. */
export const accountSchema = z.strictObject({
  broker: z.enum(BROKERS),
  /** The account with money, not the one on paper. */
  live: z.boolean().default(false),
  risk: z
    .strictObject({
      maxPosition: amount.optional(),
      maxPositionNotional: amount.optional(),
      maxOrderNotional: amount.optional(),
      maxGrossNotional: amount.optional(),
      maxOrdersPerMinute: amount.optional(),
      maxDailyLoss: amount.optional(),
    })
    .default({}),
})

const botShape = z.strictObject({
  /** TypeScript or JavaScript, with a strategy as its default export; paths begin where the configuration is read. */
  file: z.string().min(1, 'the path is empty'),
  /** @default the strategy's */
  name: z
    .string()
    .regex(/^[\w-]{1,40}$/, 'must be of up to 40 letters, digits, - and _')
    .optional(),
  /** @default the strategy's */
  symbols: z.array(z.string().min(1, 'a symbol is empty')).min(1, 'the list is empty').optional(),
  params: z.record(z.string(), z.unknown()).default({}),
  /** What a new account begins with. */
  cash: amount.default(100_000),
  seed: z.int('must be a whole number').default(1),
  /** Its orders go to an account there. @default on paper here */
  broker: z.enum(BROKERS).optional(),
  /** To the one with money. */
  live: z.boolean().default(false),
  /** Megabytes the strategy may take. */
  memory: z
    .number()
    .min(32, 'must be at least 32')
    .max(65_536, 'must be at most 65536')
    .default(512),
  risk: riskSchema.default({}),
  /** Without `broker`. */
  paper: paperSchema.optional(),
})

/** One bot of the configuration. */
export const botSchema = botShape
  .refine(({ live, broker }) => !live || broker !== undefined, {
    ...{ path: ['live'], error: 'needs a broker: what is on paper here moves no money' },
  })
  .refine(({ paper, broker }) => !paper || broker === undefined, {
    ...{
      path: ['paper'],
      error: 'says what trading costs on paper here, and the bot has a broker',
    },
  })

export type BotSettings = z.output<typeof botSchema>

/** A split of shares: prices before its day are those of other shares. */
export const splitSchema = z.strictObject({
  symbol: z.string().min(1, 'it is empty'),
  /** The first day of the new prices. */
  date: z.iso.date('must be a day, as 2024-06-10'),
})

/** Limits given as `maxPosition=100`, one each. @throws BAD_OPTION */
export function parseRisk(words: readonly string[]): RiskLimits {
  const given: Record<string, unknown> = {}
  for (const word of words) {
    const [, name = '', text = ''] = /^(\w+)=(.*)$/.exec(word) ?? []
    if (!Object.hasOwn(riskSchema.shape, name)) {
      throw new TickwireError('BAD_OPTION', `--risk ${word} names no limit`, {
        hint: didYouMean(name, Object.keys(riskSchema.shape)),
      })
    }
    if (name === 'sessions') given[name] = text.split(',')
    else if (text === 'true' || text === 'false') given[name] = text === 'true'
    else given[name] = text.trim() === '' ? text : Number(text)
  }
  const result = riskSchema.safeParse(given)
  if (result.success) return defined(result.data) as RiskLimits
  const [{ path, message }] = result.error.issues as [(typeof result.error.issues)[number]]
  throw new TickwireError('BAD_OPTION', `--risk ${path.join('.')}: ${message}`, {
    hint: 'As in --risk maxPosition=100 --risk maxDailyLoss=500.',
  })
}

/** Without what is not there: a limit that is `undefined` would hide its default. */
export const defined = <T extends object>(values: T): T =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T
