import { TickwireError } from '../base/errors.ts'
import type { HistorySource, Reader } from '../flow/contracts.ts'
import { type EventType, Flag, type Interval, type MarketEvent } from '../market/events.ts'
import { inOrder, type PastStream } from './in-order.ts'
import { BotLoop, type LoopListener, type LoopOptions } from './loop.ts'
import { type Fill, isOver, type Order } from './orders.ts'
import type { Position } from './portfolio.ts'
import type { RefusedOrder } from './risk.ts'
import { type Split, withinSplits } from './splits.ts'
import { kindsOf, strategyFailed, venueBarsOf } from './strategy.ts'
import { type RoundTrip, Trips } from './trips.ts'

export interface BacktestOptions<P = unknown> extends Omit<LoopOptions<P>, 'listener'> {
  /** Venue time, epoch ms, both inclusive. On a tape: when it was received. */
  readonly from: number
  readonly to: number
  /** A store, or whatever else answers questions about the past; or a tape, which is read as it was written. */
  readonly source: HistorySource | Reader
  /** Of these configured sources only. @default all */
  readonly sourceName?: string
  /** It ends with an error where it would cross one of these. @default none: see {@link findSplits} */
  readonly splits?: readonly Split[]
  readonly onProgress?: (progress: BacktestProgress) => void
  readonly signal?: AbortSignal
}

/** What one run is made of, wherever its events come from. */
export type RunOptions<P = unknown> = Omit<
  BacktestOptions<P>,
  'source' | 'sourceName' | 'splits' | 'onProgress' | 'signal'
>

export interface BacktestProgress {
  readonly events: number
  /** Tape time it has come to, epoch ms. */
  readonly now: number
}

/** A move of the account's worth. */
export type EquityPoint = readonly [time: number, equity: number]

export interface BacktestResult {
  readonly name: string
  readonly params: unknown
  readonly symbols: readonly string[]
  readonly from: number
  readonly to: number
  readonly seed: number
  readonly startCash: number
  readonly endEquity: number
  readonly fees: number
  readonly events: number
  readonly orders: readonly Order[]
  readonly fills: readonly Fill[]
  readonly refused: readonly { readonly at: number; readonly refusal: RefusedOrder }[]
  readonly trips: readonly RoundTrip[]
  readonly positions: readonly Position[]
  /** At most some thousand points, the first and last among them. */
  readonly equity: readonly EquityPoint[]
  /** Prices at the same times, of the first symbols; `null` before the first. */
  readonly prices: Readonly<Record<string, readonly (number | null)[]>>
  /** Share of the time in which something was held. */
  readonly exposure: number
  readonly log: readonly { readonly at: number; readonly message: string }[]
  /** Some of the prices were invented, or came with a delay. */
  readonly nature: 'SIMULATED' | 'DELAYED' | undefined
}

/** Most points of the equity curve; when there are more, every second one goes. */
const MOST_POINTS = 4_000
/** Between two of them at first, ms. */
const FIRST_EVERY_MS = 1_000
const MOST_LOG = 10_000
/** Symbols whose prices are kept for the report. */
const MOST_CHARTED = 8

/**
 * Runs a strategy over the past: the same loop as live, on the same events.
 * @throws CLOSED when it was given up, STRATEGY_FAILED when the strategy throws; what the source throws
 */
export async function backtest<P>(options: BacktestOptions<P>): Promise<BacktestResult> {
  const { signal, onProgress } = options
  const run = new BacktestRun(options)
  for await (const batch of pastOf(options)) {
    if (signal?.aborted) throw new TickwireError('CLOSED', 'the backtest was given up')
    run.take(batch)
    onProgress?.({ events: run.events, now: run.now })
  }
  return run.result()
}

/** One run, given its events by whoever reads them: several runs can have the same ones. */
export class BacktestRun<P = unknown> {
  readonly #options: RunOptions<P>
  readonly #loop: BotLoop<P>
  readonly #fills: Fill[] = []
  readonly #orders: Order[] = []
  readonly #refused: { readonly at: number; readonly refusal: RefusedOrder }[] = []
  readonly #trips: RoundTrip[] = []
  readonly #log: { readonly at: number; readonly message: string }[] = []
  readonly #equity: EquityPoint[] = []
  readonly #prices: Record<string, (number | null)[]>
  #everyMs = FIRST_EVERY_MS
  #sampleAt = Number.NEGATIVE_INFINITY
  #lastAt = Number.NaN
  #heldMs = 0
  #flags = 0
  events = 0

  /** @throws NO_SYMBOLS BAD_OPTION */
  constructor(options: RunOptions<P>) {
    const { symbols, from, to } = options
    if (symbols.length === 0) {
      throw new TickwireError('NO_SYMBOLS', 'no symbol to run on', { hint: 'Name at least one.' })
    }
    if (!(from <= to)) {
      throw new TickwireError('BAD_OPTION', 'the range ends before it begins', {
        hint: 'Exchange `from` and `to`; both are inclusive.',
      })
    }
    this.#options = options
    this.#prices = Object.fromEntries(symbols.slice(0, MOST_CHARTED).map(symbol => [symbol, []]))
    this.#loop = new BotLoop<P>({ ...options, listener: this.#listener() })
  }

  /** Tape time it has come to. */
  get now(): number {
    return this.#loop.now
  }

  /** @throws STRATEGY_FAILED */
  take(batch: readonly MarketEvent[]): void {
    const loop = this.#loop
    for (let i = 0; i < batch.length; i++) {
      const event = batch[i]!
      try {
        loop.accept(event)
      } catch (thrown) {
        throw strategyFailed(loop.name, event, thrown)
      }
      this.#flags |= event.flags
      if (loop.now >= this.#sampleAt) this.#sample()
    }
    this.events += batch.length
  }

  result(): BacktestResult {
    const { params, symbols, from, to, seed = 1, cash = 100_000 } = this.#options
    const loop = this.#loop
    const equity = this.#equity
    if (this.events > 0 && loop.now > this.#lastAt) this.#sample()
    const ran = this.events > 0 ? loop.now - equity[0]![0] : 0
    return {
      ...{ name: loop.name, params, symbols, from, to, seed, startCash: cash },
      ...{ endEquity: loop.equity, fees: loop.fees, events: this.events },
      ...{ orders: this.#orders, fills: this.#fills, refused: this.#refused, trips: this.#trips },
      ...{ positions: loop.positions(), equity, prices: this.#prices },
      exposure: ran > 0 ? this.#heldMs / ran : 0,
      log: this.#log,
      nature: natureOf(this.#flags),
    }
  }

  #listener(): LoopListener {
    const book = new Trips()
    const places = new Map<string, number>()
    const became = (order: Order) => {
      const place = places.get(order.id)
      if (place !== undefined) this.#orders[place] = order
      if (isOver(order)) places.delete(order.id)
    }
    return {
      fill: (fill, made, order) => {
        this.#fills.push(fill)
        became(order)
        const trip = book.add(fill, made)
        if (trip) this.#trips.push(trip)
      },
      decided: decision => {
        if (decision.approved) {
          places.set(decision.order.id, this.#orders.push(decision.order) - 1)
        } else this.#refused.push({ at: this.#loop.now, refusal: decision.refusal })
      },
      order: became,
      said: (_what, message, at) => {
        if (this.#log.length < MOST_LOG) this.#log.push({ at, message })
      },
    }
  }

  #sample(): void {
    const loop = this.#loop
    const { now } = loop
    const equity = this.#equity
    // Of the stretch that ends here it is known only now whether something was held at its end.
    if (equity.length > 0 && isHeld(loop)) this.#heldMs += now - this.#lastAt
    this.#lastAt = now
    this.#sampleAt = now + this.#everyMs
    equity.push([now, loop.equity])
    for (const [symbol, list] of Object.entries(this.#prices)) list.push(loop.price(symbol) ?? null)
    if (equity.length <= MOST_POINTS) return
    this.#everyMs *= 2
    for (const list of [equity, ...Object.values(this.#prices)]) halve(list)
  }
}

/** Keeps the first of every two. */
function halve(list: unknown[]): void {
  for (let i = 0; 2 * i < list.length; i++) list[i] = list[2 * i]
  list.length = Math.ceil(list.length / 2)
}

function natureOf(flags: number): BacktestResult['nature'] {
  if ((flags & Flag.simulated) !== 0) return 'SIMULATED'
  return (flags & Flag.delayed) !== 0 ? 'DELAYED' : undefined
}

const isHeld = (loop: Pick<BotLoop, 'positions'>) =>
  loop.positions().some(({ quantity }) => quantity !== 0)

/** The events a strategy wants, in the order it would have seen them. */
export function pastOf<P>(options: BacktestOptions<P>): PastStream {
  const { splits = [] } = options
  return splits.length > 0 ? withinSplits(eventsOf(options), splits) : eventsOf(options)
}

function eventsOf<P>(options: BacktestOptions<P>): PastStream {
  const { source, symbols, from, to, sourceName, signal } = options
  const { wanted } = options.strategy
  if (!('history' in source)) return ofTape(source, options)
  const ask = (kind: EventType, symbol: string, interval?: Interval) =>
    source.history({
      ...{ kind, symbols: [symbol], from, to },
      ...(interval !== undefined && { interval }),
      ...(sourceName !== undefined && { source: sourceName }),
      ...(signal && { signal }),
    })
  const kinds = kindsOf(wanted).filter(kind => kind !== 'bar')
  const streams = kinds.flatMap(kind =>
    kind === 'notice' ? [ask(kind, '*')] : symbols.map(symbol => ask(kind, symbol)),
  )
  for (const interval of venueBarsOf(wanted)) {
    for (const symbol of symbols) streams.push(ask('bar', symbol, interval))
  }
  return inOrder(streams)
}

/** As it was written; what of it the bot does not want it leaves alone. */
async function* ofTape<P>(
  reader: Reader,
  { from, to, sourceName, signal }: BacktestOptions<P>,
): AsyncGenerator<MarketEvent[]> {
  const isWanted = (event: MarketEvent) =>
    event.receivedAt <= to && (sourceName === undefined || event.source === sourceName)
  for await (const batch of reader.read({
    from: { time: from },
    live: false,
    books: true,
    signal,
  })) {
    const wanted = batch.every(isWanted) ? batch : batch.filter(isWanted)
    if (wanted.length > 0) yield wanted
    if ((batch.at(-1)?.receivedAt ?? 0) > to) return
  }
}
