import {
  closeSync,
  existsSync,
  fdatasyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { TickwireError } from '../base/errors.ts'
import type { Order } from './orders.ts'
import type { BrokerOrder } from './trading.ts'

const ORDER = z.looseObject({
  ...{ id: z.string(), symbol: z.string(), side: z.enum(['buy', 'sell']), quantity: z.number() },
  ...{ type: z.string(), timeInForce: z.string(), createdAt: z.number() },
})
const TOLD = z.looseObject({
  ...{ id: z.string(), clientId: z.string(), symbol: z.string(), side: z.enum(['buy', 'sell']) },
  ...{ quantity: z.number(), status: z.string(), filled: z.number() },
  ...{ createdAt: z.number(), updatedAt: z.number() },
})

const ROW = z.discriminatedUnion('row', [
  z.object({
    row: z.literal('opened'),
    version: z.literal(1),
    ...{ broker: z.string(), kind: z.enum(['paper', 'live']), account: z.string() },
    at: z.number(),
    external: z.record(z.string(), z.number()),
  }),
  z.object({ row: z.literal('intent'), bot: z.string(), at: z.number(), order: ORDER }),
  z.object({ row: z.literal('told'), order: TOLD }),
  z.object({ row: z.literal('ended'), id: z.string(), at: z.number(), why: z.string() }),
  z.object({ row: z.literal('external'), order: TOLD }),
  z.object({
    ...{ row: z.literal('killed'), at: z.number(), why: z.string() },
    flatten: z.boolean().optional(),
  }),
  z.object({ row: z.literal('released'), at: z.number() }),
  z.object({ row: z.literal('day'), at: z.number(), day: z.string(), equity: z.number() }),
])

/**
 * A line of the journal. `opened` what was held before the first order of ours · `intent` an order is about to be sent, by a
 * bot · `told` what the broker says of one · `ended` it certainly never was in the market · `external` an order of others ·
 * `killed` nothing may be sent any more, until `released`, and with `flatten` what is held is to be closed · `day` what the account
 * was worth when a UTC day began.
 */
export type JournalRow =
  | {
      readonly row: 'opened'
      readonly version: 1
      readonly broker: string
      readonly kind: 'paper' | 'live'
      readonly account: string
      readonly at: number
      readonly external: Readonly<Record<string, number>>
    }
  | { readonly row: 'intent'; readonly bot: string; readonly at: number; readonly order: Order }
  | { readonly row: 'told'; readonly order: BrokerOrder }
  | { readonly row: 'ended'; readonly id: string; readonly at: number; readonly why: string }
  | { readonly row: 'external'; readonly order: BrokerOrder }
  | {
      readonly row: 'killed'
      readonly at: number
      readonly why: string
      readonly flatten?: boolean
    }
  | { readonly row: 'released'; readonly at: number }
  | { readonly row: 'day'; readonly at: number; readonly day: string; readonly equity: number }

/**
 * What was meant, and what became of it: one file of lines, only ever added to, each on the disk when `add` returns. A kill in the
 * middle of a line leaves a piece of one, which was not acted on: it is cut off.
 */
export class Journal {
  /** All lines there were when it was opened. */
  readonly rows: readonly JournalRow[]
  readonly file: string
  readonly #handle: number
  #bytes: number

  /** @throws BAD_STATE where a line is damaged that others follow, or of another version */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true })
    this.file = join(folder, 'orders.ndjson')
    const bytes = existsSync(this.file) ? readFileSync(this.file) : Buffer.alloc(0)
    const whole = bytes.lastIndexOf(10) + 1
    this.rows = parse(bytes.subarray(0, whole).toString('utf8'), this.file)
    this.#handle = openSync(this.file, 'a', 0o600)
    if (whole < bytes.length) ftruncateSync(this.#handle, whole)
    this.#bytes = whole
  }

  /** @throws what the disk says: then the line is not there, not in part either */
  add(row: JournalRow): void {
    const line = Buffer.from(`${JSON.stringify(row)}\n`)
    try {
      let written = 0
      while (written < line.length) written += writeSync(this.#handle, line, written)
      fdatasyncSync(this.#handle)
    } catch (error) {
      ftruncateSync(this.#handle, this.#bytes)
      throw error
    }
    this.#bytes += line.length
  }

  close(): void {
    closeSync(this.#handle)
  }
}

function parse(text: string, file: string): JournalRow[] {
  const rows: JournalRow[] = []
  for (const [at, line] of text.split('\n').entries()) {
    if (line === '') continue
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch (cause) {
      throw damaged(file, at + 1, cause)
    }
    const result = ROW.safeParse(value)
    if (!result.success) throw damaged(file, at + 1, result.error)
    rows.push(result.data as unknown as JournalRow)
  }
  return rows
}

function damaged(file: string, line: number, cause: unknown): TickwireError {
  return new TickwireError('BAD_STATE', `${file}, line ${line}, is no line of an order journal`, {
    hint: 'Look at the account at the broker itself, then move the file away to begin anew.',
    cause,
  })
}
