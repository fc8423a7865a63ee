import type { Timer } from '../../base/clock.ts'
import type { Topic } from '../../market/topics.ts'
import type { Resolved } from './contracts.ts'
import type { Line } from './line.ts'
import type { RowBook } from './rows.ts'
import type { Budgets } from './settings.ts'

/** `last` and `bidask` come tick by tick, `line` a few times a second, `book` in rows, `bars` of 5 s. */
export type AskKind = 'last' | 'bidask' | 'line' | 'book' | 'bars'

/** Something TWS is asked to send, for one or several topics. */
export interface Ask {
  readonly key: string
  readonly kind: AskKind
  readonly resolved: Resolved
  readonly topics: Map<string, Topic>
  /** It carries tickers for somebody who wanted trades, which there is no room for. */
  standsIn: boolean
  /** TWS's number of it; another one each time it is made anew. */
  id: number
  /** Data has come, or no refusal for a while. */
  active: boolean
  /** It was active, and has been asked for anew: what came in between is not known to have come here. */
  renewed: boolean
  /** TWS sends nothing of it, and it waits until it may be asked for anew; `turn`: until it is this symbol's turn. */
  waits: 'no' | 'yes' | 'turn'
  grace: Timer | undefined
  /** When something of it last came, by our clock. */
  dataAt: number
  readonly line: Line | undefined
  readonly rows: RowBook | undefined
  /** Something is to be published. */
  dirty: boolean
  /** Runs while a book must not be shown as it stands. */
  unsound: Timer | undefined
  /** While the first rows of a book come: since when, and what takes them for all there are. */
  filling: { readonly since: number; isDone: boolean; timer: Timer | undefined } | undefined
}

/** A topic, and how far it has come. */
export interface Held {
  readonly topic: Topic
  /** `limit`: refused for want of room, which may come. */
  state: 'asked' | 'served' | 'refused' | 'limit'
  /** A quote that comes from a line, for want of a tick-by-tick stream. */
  makeshift: boolean
}

export const askKey = (kind: AskKind, symbol: string) => `${kind} ${symbol}`

/** Which budget a request is of. */
export const BUDGET_OF: Readonly<Record<AskKind, keyof Budgets>> = {
  last: 'ticks',
  bidask: 'ticks',
  line: 'lines',
  book: 'books',
  bars: 'lines',
}

/** Single trades or quotes. */
export const isTicks = ({ kind }: Ask) => kind === 'last' || kind === 'bidask'

/** A book merged from all exchanges that `SMART` routes to. */
export const isSmart = ({ resolved }: Ask) => resolved.contract.exchange === 'SMART'
