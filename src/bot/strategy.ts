import type { z } from 'zod'
import { asError, TickwireError } from '../base/errors.ts'
import { type BarSize, intervalOf } from '../derive/bars-interval.ts'
import type { Indicator } from '../derive/indicators-contract.ts'
import type { OrderBookView } from '../derive/order-book.ts'
import type { SessionName } from '../market/calendar.ts'
import type {
  Bar,
  Book,
  EventType,
  Interval,
  MarketEvent,
  Notice,
  Quote,
  Status,
  Ticker,
  Trade,
} from '../market/events.ts'
import type { Fill, Order, OrderRequest } from './orders.ts'
import type { Position } from './portfolio.ts'
import type { Quality } from './quality.ts'
import type { RefusedOrder } from './risk.ts'

/** What a bot sees of each of its symbols. Corrections, cancels, statuses and notices come with it. */
export interface Wanted {
  readonly trades?: boolean
  readonly quotes?: boolean
  readonly tickers?: boolean
  readonly books?: boolean
  /** Sizes of bars, built here from the trades: `'1m'`, `['1m', '500t']`. */
  readonly bars?: BarSize | readonly BarSize[]
  /** Bars as the venue sends them, where there are no trades to build them from: `'1d'`. */
  readonly venueBars?: BarSize | readonly BarSize[]
}

/** What an order became: sent, or refused with the reason. */
export type Decision =
  | { readonly approved: true; readonly order: Order }
  | { readonly approved: false; readonly refusal: RefusedOrder }

/** What may be kept over a restart: plain data for JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { [key: string]: Json }

/** How an order differs from one at the market. */
export type OrderOptions = Omit<OrderRequest, 'symbol' | 'side' | 'quantity'>

/** What a strategy can see and do. Wall clock and chance of its own would make it another one in backtest. */
export interface BotContext<P = unknown> {
  readonly params: P
  /** The symbols it runs on, in the order given. */
  readonly symbols: readonly string[]
  /** Tape time: when what it sees was received, epoch ms. */
  readonly now: number
  /** Seeded: the same run draws the same numbers. */
  random(): number
  /** Kept over restarts: change it in place. Plain data for JSON. */
  readonly state: { [key: string]: Json }

  buy(symbol: string, quantity: number, options?: OrderOptions): Decision
  sell(symbol: string, quantity: number, options?: OrderOptions): Decision
  order(request: OrderRequest): Decision
  /** Asks for an order to be canceled; `onOrder` says what came of it. */
  cancel(id: string): void
  /**
   * Closes a position at the market. Open orders of the symbol are canceled first: then the closing order is sent when
   * that is done, and nothing is returned, as where nothing is held.
   */
  close(symbol: string): Decision | undefined

  position(symbol: string): Position
  readonly positions: readonly Position[]
  readonly openOrders: readonly Order[]
  readonly cash: number
  readonly equity: number
  /** Last price that is known. */
  price(symbol: string): number | undefined
  /** `undefined` before the first part of it; asks for `books`. */
  book(symbol: string): OrderBookView | undefined
  /** Whether the data of a symbol can be traded on. */
  health(symbol: string): Quality
  /** What its market does now; `undefined` where its calendar is not known. */
  session(symbol: string): SessionName | undefined

  /**
   * The indicator of a name, made at the first call and kept from then on, over restarts too. Feed it in order:
   * `indicator('fast SPY', () => new Ema(12)).update(price)`.
   */
  indicator<I extends Indicator<never, unknown>>(name: string, make: () => I): I
  /** Calls `onTimer` once, after so long of tape time; a timer of the same name is set anew. */
  setTimer(name: string, ms: number): void
  clearTimer(name: string): void
  /** Told to people: in the log, and as a notification. */
  signal(message: string): void
  log(message: string): void
}

type Handler<E, P> = (event: E, bot: BotContext<P>) => void

/** What {@link defineStrategy} takes. Every handler is called with the event and the {@link BotContext}, one after the other. */
export interface StrategyDefinition<P> {
  /** Letters, digits, `-` and `_`. */
  readonly name: string
  /** Checks and completes the parameters: a zod object. @default none are taken */
  readonly params?: z.ZodType<P>
  /** @default ['trades'] for `onTrade`, and so on: what there are handlers for */
  readonly subscribe?: Wanted
  /** Symbols where none are given. */
  readonly symbols?: readonly string[]
  /** Before the first event, and after a restart: `bot.state` is there. */
  onStart?(bot: BotContext<P>): void
  onTrade?: Handler<Trade, P>
  onQuote?: Handler<Quote, P>
  onTicker?: Handler<Ticker, P>
  /** Each bar once, when it is final. */
  onBar?: Handler<Bar, P>
  /** The book is whole and changed. */
  onBook?(book: OrderBookView, bot: BotContext<P>, part: Book): void
  onStatus?: Handler<Status, P>
  onNotice?: Handler<Notice, P>
  onFill?(fill: Fill, bot: BotContext<P>, order: Order): void
  /** An order was taken, canceled, rejected, or expired. */
  onOrder?: Handler<Order, P>
  onTimer?: Handler<string, P>
}

/** A strategy whose parts have been looked at. */
export interface Strategy<P = unknown> extends StrategyDefinition<P> {
  readonly isStrategy: true
  /** What it needs to see. */
  readonly wanted: Wanted
}

const HANDLERS = {
  onTrade: 'trades',
  onQuote: 'quotes',
  onTicker: 'tickers',
  onBook: 'books',
} as const satisfies Record<string, keyof Wanted>

const KNOWN: ReadonlySet<string> = new Set([
  ...[
    'name',
    'params',
    'subscribe',
    'symbols',
    'onStart',
    'onBar',
    'onNotice',
    'onStatus',
    'onFill',
    'onOrder',
  ],
  ...['onTimer', ...Object.keys(HANDLERS)],
])

/**
 * A strategy: what to look at, and what to do about it. The default export of a strategy file.
 * @throws BAD_STRATEGY when a part of it is unknown or missing
 */
export function defineStrategy<P = Record<string, never>>(
  definition: StrategyDefinition<P>,
): Strategy<P> {
  const { name, subscribe, onBar } = definition
  if (typeof name !== 'string' || !/^[\w-]{1,40}$/.test(name)) {
    throw bad(`its name is ${JSON.stringify(name)}`, 'Up to 40 letters, digits, "-" and "_".')
  }
  const stray = Object.keys(definition).find(key => !KNOWN.has(key))
  if (stray !== undefined) {
    throw bad(
      `strategy ${name} has a part nobody knows: ${stray}`,
      `There are: ${[...KNOWN].join(' ')}`,
    )
  }
  if (onBar && !subscribe?.bars && !subscribe?.venueBars) {
    throw bad(`strategy ${name} has onBar but names no bars`, "As in subscribe: { bars: '1m' }.")
  }
  const { bars, venueBars } = subscribe ?? {}
  for (const size of [bars ?? [], venueBars ?? []].flat() as readonly BarSize[]) intervalOf(size)
  for (const interval of venueBarsOf(subscribe ?? {})) {
    if (/[smhdw]$/.test(interval)) continue
    throw bad(
      `strategy ${name} asks for venueBars of ${interval}`,
      'They are of a time, as 1d: when another one ends its past does not say. `bars` are built here.',
    )
  }
  const own = Object.entries(HANDLERS).flatMap(([handler, kind]) =>
    handler in definition ? [[kind, true] as const] : [],
  )
  const wanted: Wanted = { ...Object.fromEntries(own), ...subscribe }
  const seesWhatComesAnyway = 'onStatus' in definition || 'onNotice' in definition
  if (!seesWhatComesAnyway && Object.values(wanted).every(value => !value)) {
    throw bad(`strategy ${name} looks at nothing`, 'Give it a handler, as onTrade.')
  }
  return { ...definition, wanted, isStrategy: true }
}

/** The parameters of a strategy, checked and completed. @throws BAD_STRATEGY */
export function paramsOf<P>(strategy: Strategy<P>, given: Readonly<Record<string, unknown>>): P {
  if (!strategy.params) {
    const [first] = Object.keys(given)
    if (first === undefined) return {} as P
    throw bad(`strategy ${strategy.name} takes no parameters`, `Leave out ${first}.`)
  }
  const result = strategy.params.safeParse(given)
  if (result.success) return result.data
  const [{ path, message }] = result.error.issues as [(typeof result.error.issues)[number]]
  const where = path.length > 0 ? `parameter ${path.join('.')}` : 'parameters'
  throw bad(`strategy ${strategy.name}: ${where}: ${message}`, 'Set it with --param NAME=VALUE.')
}

export function isStrategy(value: unknown): value is Strategy {
  return typeof value === 'object' && value !== null && 'isStrategy' in value
}

function bad(message: string, hint: string): TickwireError {
  return new TickwireError('BAD_STRATEGY', message, { hint })
}

/** A strategy threw at an event. */
export function strategyFailed(name: string, event: MarketEvent, thrown: unknown): TickwireError {
  const { message } = asError(thrown)
  return new TickwireError(
    'STRATEGY_FAILED',
    `${name} failed at ${eventWords(event)}: ${message}`,
    {
      hint: 'Mend the strategy; --debug shows where it failed.',
      cause: thrown,
    },
  )
}

/** As a person finds it again: `trade SPY, number 512 of the tape`. */
export function eventWords({ type, symbol, seq, timestamp }: MarketEvent): string {
  const place = seq === undefined ? new Date(timestamp).toISOString() : `number ${seq} of the tape`
  return `${[type, symbol].filter(Boolean).join(' ')}, ${place}`
}

/** What has to be read: with trades what puts them right, and always what the stream says of itself. */
export function kindsOf({ trades, quotes, tickers, books, bars, venueBars }: Wanted): EventType[] {
  const kinds: EventType[] = ['notice', 'status']
  if (venueBars) kinds.push('bar')
  if (trades || bars) kinds.push('trade', 'correction', 'cancel')
  if (quotes) kinds.push('quote')
  if (tickers) kinds.push('ticker')
  if (books) kinds.push('book')
  return kinds
}

/** Lengths of the bars that are taken as the venue sends them. */
export function venueBarsOf({ venueBars }: Wanted): Interval[] {
  if (venueBars === undefined) return []
  const list = Array.isArray(venueBars) ? venueBars : [venueBars as BarSize]
  return (list as readonly BarSize[]).map(intervalOf)
}
