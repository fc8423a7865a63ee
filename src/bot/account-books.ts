import { TickwireError } from '../base/errors.ts'
import type { Journal, JournalRow } from './journal.ts'
import { isOver, type Order, type OrderStatus, tidy } from './orders.ts'
import type { BrokerOrder, BrokerPosition, TradingApi } from './trading.ts'

/** Why an order is over that no broker knows. */
export const NEVER_CAME = 'it never came to the broker'

/** An order of ours, as far as is known. */
export class KeptOrder {
  /** What the broker said last. */
  told: BrokerOrder | undefined
  /** It certainly is not in the market: why. */
  ended: string | undefined
  /** The answer to it was lost. */
  isLost = false
  /** It is to be canceled. */
  isUnwanted = false
  /** It had been given up when the broker told of it. */
  isRisen = false

  constructor(
    readonly bot: string,
    readonly order: Order,
    /** When it was sent, epoch ms. */
    readonly at: number,
    /** Its place in the journal. */
    readonly place = 0,
  ) {}

  /** What a broker that keeps no id of ours says of an order it has at a time may be said of this one. */
  isMissing(at: number): boolean {
    if (this.told) return false
    return this.ended === undefined
      ? this.isLost
      : this.ended === NEVER_CAME && at < this.at + LATE_MS
  }

  get status(): OrderStatus {
    if (this.told) return this.told.status
    if (this.ended !== undefined) return 'rejected'
    return this.isLost ? 'unknown' : 'submitted'
  }

  get isOver(): boolean {
    return isOver(this)
  }

  /** Units filled so far. */
  get filled(): number {
    return this.told?.filled ?? 0
  }

  /** Of what is filled; `undefined` when nothing is. */
  get averagePrice(): number | undefined {
    return this.told?.averagePrice
  }

  /** Why it was rejected, canceled or expired. */
  get ending(): string | undefined {
    return this.told ? this.told.ending : this.ended
  }

  /** When the last of this happened, epoch ms. */
  get updatedAt(): number {
    return this.told?.updatedAt ?? this.at
  }
}

type Opened = Extract<JournalRow, { row: 'opened' }>

/** Clocks differ: what was made so long before may be told as later, ms. */
export const SKEW_MS = 60_000
/** So long after an order was given up one like it is taken for it, ms. */
const LATE_MS = 3_600_000
/** Off by less than this, two quantities are the same. */
const SAME = 1e-9

/**
 * What an account's journal says: its orders, what each bot holds by them, and what others hold. Everything that is learned
 * is written down before it counts.
 */
export class AccountBooks {
  readonly orders = new Map<string, KeptOrder>()
  /** Orders of others, by the broker's id. */
  readonly external = new Map<string, BrokerOrder>()
  /** Rises with everything that is learned. */
  version = 0
  /** Why nothing may be sent, until a person says otherwise. */
  killed: string | undefined
  /** What bots hold is to be closed, as long as it is killed. */
  isFlattening = false
  /** The UTC day, and what the account was worth when it began. */
  day: { readonly day: string; readonly equity: number } | undefined
  readonly #journal: Journal
  /** Orders of ours, by the broker's id. */
  readonly #ours = new Map<string, KeptOrder>()
  /** The place in the journal at which each order was seen first that was taken for one of others. */
  readonly #seen = new Map<string, number>()
  #rows = 0
  #opened: Opened | undefined

  constructor(journal: Journal) {
    this.#journal = journal
    for (const row of journal.rows) this.#apply(row)
    // Of what has no answer in the journal the answer was lost with the process.
    for (const kept of this.orders.values()) kept.isLost = !kept.told && kept.ended === undefined
  }

  get isOpened(): boolean {
    return this.#opened !== undefined
  }

  /** @throws BAD_STATE where the journal is one of another account */
  check(api: TradingApi, account: string): void {
    const opened = this.#opened
    if (!opened) return
    const [is, was] = [nameOf({ broker: api.name, kind: api.kind, account }), nameOf(opened)]
    if (is === was) return
    throw new TickwireError(
      'BAD_STATE',
      `${this.#journal.file} is the journal of ${was}, not of ${is}`,
      {
        hint: 'Give each account a folder of its own.',
      },
    )
  }

  /** The first look at an account, with all orders that are open or just made: what is held by now is held by others. */
  begin(
    { name, kind }: TradingApi,
    account: string,
    at: number,
    orders: readonly BrokerOrder[],
    positions: readonly BrokerPosition[],
  ): void {
    const external: Record<string, number> = {}
    for (const { symbol, quantity } of positions) external[symbol] = quantity
    for (const order of orders) {
      external[order.symbol] = tidy((external[order.symbol] ?? 0) - signed(order))
    }
    this.#add({ row: 'opened', version: 1, broker: name, kind, account, at, external })
    for (const order of orders) this.#add({ row: 'external', order })
  }

  /** What was said of orders that are open and not lost. */
  open(): KeptOrder[] {
    return [...this.orders.values()].filter(kept => !kept.isOver)
  }

  of(bot: string): KeptOrder[] {
    return [...this.orders.values()].filter(kept => kept.bot === bot)
  }

  /** Since when there may be orders that are not over, epoch ms. */
  oldestOpen(now: number): number {
    const others = [...this.external.values()].filter(order => !isOver(order))
    return Math.min(
      now,
      ...this.open().map(({ at }) => at),
      ...others.map(({ createdAt }) => createdAt),
    )
  }

  intend(bot: string, order: Order, at: number): KeptOrder {
    this.#add({ row: 'intent', bot, at, order })
    return this.orders.get(order.id)!
  }

  end({ order: { id } }: KeptOrder, why: string, at: number): void {
    this.#add({ row: 'ended', id, at, why })
  }

  /** Counts in any case. @throws where it cannot be written down */
  kill(why: string, at: number, flatten: boolean): void {
    const row: JournalRow = { row: 'killed', at, why, ...(flatten && { flatten }) }
    try {
      this.#add(row)
    } catch (error) {
      this.#apply(row)
      throw error
    }
  }

  /** The first word of a UTC day on what the account is worth counts. */
  turnDay(at: number, equity: number): void {
    const day = new Date(at).toISOString().slice(0, 10)
    if (day !== this.day?.day) this.#add({ row: 'day', at, day, equity })
  }

  release(at: number): void {
    this.#add({ row: 'released', at })
  }

  /** Whose order of ours the broker tells of; `undefined` where it is one of others. */
  keptOf(told: BrokerOrder): KeptOrder | undefined {
    const known = this.orders.get(told.clientId) ?? this.#ours.get(told.id)
    if (known || told.clientId !== '') return known
    // The broker keeps no id of ours: one of the same kind that nobody had seen when ours was sent, whose answer was lost, is ours.
    const seen = this.#seen.get(told.id) ?? Number.POSITIVE_INFINITY
    for (const kept of this.orders.values()) {
      const { symbol, side, quantity } = kept.order
      if (!kept.isMissing(told.createdAt) || kept.place > seen) continue
      if (symbol === told.symbol && side === told.side && quantity === told.quantity) return kept
    }
    return undefined
  }

  /** Takes what the broker says. @returns the order of ours that is another one now */
  take(told: BrokerOrder): KeptOrder | undefined {
    const kept = this.keptOf(told)
    if (!kept) {
      this.#takeExternal(told)
      return undefined
    }
    // The stream may have told of it before the answer to it did.
    const merged = merge(kept.told ?? this.external.get(told.id), told)
    if (merged === kept.told) return undefined
    this.#add({ row: 'told', order: { ...merged, clientId: kept.order.id } })
    return kept
  }

  /** What a bot holds, by symbol. */
  heldBy(bot: string): Map<string, number> {
    return sum(
      this.of(bot).map(({ order, filled }) => [order.symbol, signed({ ...order, filled })]),
    )
  }

  /** What the orders of all bots add up to, by symbol. */
  held(): Map<string, number> {
    const all = [...this.orders.values()]
    return sum(all.map(({ order, filled }) => [order.symbol, signed({ ...order, filled })]))
  }

  /** What was there before, and what others have traded since, by symbol. */
  heldByOthers(): Map<string, number> {
    const others = [...this.external.values()]
    return sum([
      ...Object.entries(this.#opened?.external ?? {}),
      ...others.map(order => [order.symbol, signed(order)] as const),
    ])
  }

  /** Where the broker holds something else than all this adds up to, in words. `fee` is the part of a purchase it may keep in the asset. */
  differences(positions: readonly BrokerPosition[], fee: (symbol: string) => number): string[] {
    const [ours, others] = [this.held(), this.heldByOthers()]
    const broker = sum(positions.map(({ symbol, quantity }) => [symbol, quantity]))
    const differences: string[] = []
    for (const symbol of new Set([...ours.keys(), ...others.keys(), ...broker.keys()])) {
      const [mine, other, has] = [ours, others, broker].map(held => held.get(symbol) ?? 0) as [
        number,
        number,
        number,
      ]
      const missing = mine + other - has
      if (Math.abs(missing) <= SAME) continue
      if (missing > 0 && missing <= fee(symbol) * this.#bought(symbol) + SAME) continue
      differences.push(`${symbol}: it holds ${has}, the bots ${mine}, others ${tidy(other)}`)
    }
    return differences
  }

  /** Orders that close at the market what each bot holds. */
  closings(now: number): { bot: string; order: Order }[] {
    const bots = new Set([...this.orders.values()].map(({ bot }) => bot))
    return [...bots].flatMap(bot =>
      [...this.heldBy(bot)]
        .filter(([, quantity]) => quantity !== 0)
        .map(([symbol, quantity]) => ({ bot, order: this.#closing(bot, symbol, quantity, now) })),
    )
  }

  #closing(bot: string, symbol: string, quantity: number, now: number): Order {
    return {
      ...{
        id: `${bot}-kill-${this.orders.size + 1}-${symbol}`,
        symbol,
        quantity: Math.abs(quantity),
      },
      ...{ side: quantity > 0 ? 'sell' : 'buy', type: 'market', timeInForce: 'day' },
      ...{ limitPrice: undefined, stopPrice: undefined, reason: 'killed', createdAt: now },
      ...{ status: 'submitted', filled: 0, averagePrice: undefined, ending: undefined },
    }
  }

  #bought(symbol: string): number {
    const all = [...this.orders.values(), ...this.external.values()]
    let bought = 0
    for (const one of all) {
      const { symbol: of, side } = 'order' in one ? one.order : one
      if (of === symbol && side === 'buy') bought += one.filled
    }
    return bought
  }

  #takeExternal(told: BrokerOrder): void {
    const opened = this.#opened
    if (!opened) return
    const known = this.external.get(told.id)
    // It was over before anybody looked: it is in what was held by then.
    if (!known && isOver(told) && told.createdAt < opened.at - SKEW_MS) return
    const merged = merge(known, told)
    if (merged !== known) this.#add({ row: 'external', order: merged })
  }

  #add(row: JournalRow): void {
    this.#journal.add(row)
    this.#apply(row)
    this.version++
  }

  #apply(row: JournalRow): void {
    this.#rows++
    switch (row.row) {
      case 'opened':
        this.#opened = row
        break
      case 'intent':
        this.orders.set(row.order.id, new KeptOrder(row.bot, row.order, row.at, this.#rows))
        break
      case 'told': {
        const kept = this.orders.get(row.order.clientId)
        if (!kept) break
        kept.isRisen ||= kept.ended !== undefined
        kept.told = row.order
        kept.isLost = false
        this.#ours.set(row.order.id, kept)
        // It may have been heard of before its answer came.
        this.external.delete(row.order.id)
        break
      }
      case 'ended': {
        const kept = this.orders.get(row.id)
        if (kept) kept.ended = row.why
        break
      }
      case 'external':
        this.external.set(row.order.id, row.order)
        if (!this.#seen.has(row.order.id)) this.#seen.set(row.order.id, this.#rows)
        break
      case 'killed':
        this.killed = row.why
        this.isFlattening = row.flatten ?? false
        for (const kept of this.open()) kept.isUnwanted = true
        break
      case 'released':
        this.killed = undefined
        this.isFlattening = false
        break
      case 'day':
        this.day = row
        break
    }
  }
}

/** What is known once this was said, too: it may be of before, or have been said already. */
function merge(known: BrokerOrder | undefined, told: BrokerOrder): BrokerOrder {
  if (!known) return told
  if (told.filled < known.filled) return known
  if (isOver(known)) {
    if (told.filled === known.filled) return known
    const { filled, averagePrice } = told
    return { ...known, filled, averagePrice }
  }
  if (told.filled > known.filled) return told
  if (told.status === known.status) return known
  return isOver(told) || told.updatedAt >= known.updatedAt ? told : known
}

/** What filling did to the position. */
function signed({ side, filled }: Pick<BrokerOrder, 'side' | 'filled'>): number {
  return side === 'buy' ? filled : -filled
}

function sum(parts: readonly (readonly [symbol: string, quantity: number])[]): Map<string, number> {
  const sums = new Map<string, number>()
  for (const [symbol, quantity] of parts) sums.set(symbol, tidy((sums.get(symbol) ?? 0) + quantity))
  return sums
}

const nameOf = ({ broker, kind, account }: Pick<Opened, 'broker' | 'kind' | 'account'>) =>
  `the ${kind} account ${account} at ${broker}`
