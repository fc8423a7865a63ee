import type { MarketEvent } from '../market/events.ts'
import type { DaySummary } from './desk.ts'
import type { LoopListener } from './loop.ts'
import type { Fill, Order, OrderRequest, OrderStatus } from './orders.ts'
import type { RefusalCode } from './risk.ts'

/** The event at which something was decided. */
export interface Cause {
  readonly type: MarketEvent['type']
  readonly symbol: string | undefined
  readonly seq: number | undefined
  readonly timestamp: number
}

type Deed =
  | { readonly did: 'order'; readonly order: Order; readonly cause: Cause | undefined }
  | {
      readonly did: 'refused'
      readonly code: RefusalCode
      readonly why: string
      readonly request: OrderRequest
      readonly cause: Cause | undefined
    }
  | {
      readonly did: 'update'
      readonly id: string
      readonly status: OrderStatus
      readonly ending: string | undefined
    }
  | ({ readonly did: 'fill'; readonly made: number } & Fill)
  | { readonly did: 'signal' | 'log'; readonly message: string }
  | ({ readonly did: 'day' } & DaySummary)

/** One thing a bot did, as it is told: plain data for JSON. */
export type DiaryRow = {
  /** Counts all rows of the bot, over its restarts. */
  readonly n: number
  /** Tape time, ISO 8601. */
  readonly time: string
  readonly bot: string
  /** It may have been told before the bot was killed. */
  readonly again?: true
} & Deed

export interface DiarySnapshot {
  /** Number of the last row. */
  readonly count: number
  /** Those that may not have come through. */
  readonly rows: readonly DiaryRow[]
}

/** Rows kept for a restart: who takes longer to hear of them is not told again. */
const MOST_ROWS = 1_000

/**
 * What a bot does, in numbered rows. They are saved with what the bot knows before anybody is told, and kept until they have
 * come through: so a kill leaves nothing told that did not happen, and nothing untold that did.
 */
export class Diary {
  readonly #bot: string
  readonly #now: () => number
  #count = 0
  #unsettled: DiaryRow[] = []
  /** Of the unsettled ones, those that have been told in this life. */
  #told = 0

  /** `now`: tape time. */
  constructor(bot: string, now: () => number) {
    this.#bot = bot
    this.#now = now
  }

  readonly listener: LoopListener = {
    decided: (decision, event) => {
      const cause = event && causeOf(event)
      if (decision.approved) return this.#add({ did: 'order', order: { ...decision.order }, cause })
      const { code, message, request } = decision.refusal
      this.#add({ did: 'refused', code, why: message, request, cause })
    },
    order: ({ id, status, ending }) => this.#add({ did: 'update', id, status, ending }),
    fill: (fill, made) => this.#add({ did: 'fill', ...fill, made }),
    said: (what, message) => this.#add({ did: what, message }),
    day: summary => this.#add({ did: 'day', ...summary }),
  }

  get hasNews(): boolean {
    return this.#told < this.#unsettled.length
  }

  /** What has not been told in this life; from now on it has. */
  news(): DiaryRow[] {
    const rows = this.#unsettled.slice(this.#told)
    this.#unsettled.splice(0, this.#unsettled.length - MOST_ROWS)
    this.#told = this.#unsettled.length
    return rows
  }

  /** Rows up to this number have come through. */
  settle(n: number): void {
    const left = this.#unsettled.filter(row => row.n > n)
    this.#told -= this.#unsettled.length - left.length
    this.#unsettled = left
  }

  snapshot(): DiarySnapshot {
    return { count: this.#count, rows: this.#unsettled }
  }

  /** Goes on behind what was saved: what may not have come through will be told again. */
  restore({ count, rows }: DiarySnapshot): void {
    this.#count = count
    this.#unsettled = rows.map(row => ({ ...row, again: true }))
    this.#told = 0
  }

  #add(deed: Deed): void {
    const time = new Date(this.#now()).toISOString()
    this.#unsettled.push({ n: ++this.#count, time, bot: this.#bot, ...deed })
  }
}

const causeOf = ({ type, symbol, seq, timestamp }: MarketEvent): Cause => ({
  ...{ type, symbol, seq, timestamp },
})
