import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Backoff } from '../base/backoff.ts'
import { type Clock, sleep, type Timer } from '../base/clock.ts'
import { asError, ERRORS, TickwireError } from '../base/errors.ts'
import { type Lease, takeLease } from '../base/lease.ts'
import type { Random } from '../base/random.ts'
import { AccountBooks, KeptOrder, NEVER_CAME, SKEW_MS } from './account-books.ts'
import { type AccountLimits, overLimit } from './account-limits.ts'
import { Journal } from './journal.ts'
import type { Order } from './orders.ts'
import type { AccountState, BrokerOrder, TradingApi, TradingStream } from './trading.ts'

export interface AccountOptions {
  readonly api: TradingApi
  /** Where its journal is kept: one folder for each account. */
  readonly folder: string
  readonly clock: Clock
  /** Spreads the waits before another connection. @default Math.random */
  readonly random?: Random
  /** What all its bots may do together. @default nothing is limited */
  readonly limits?: AccountLimits
  /** Told what a person should know. */
  readonly said: (line: string) => void
  /** How often what is known is compared with what the broker says, ms. @default 30000 */
  readonly lookMs?: number
  /** So long after an order was sent its answer may still come, ms: behind that, what the broker does not know never was. @default 60000 */
  readonly giveUpMs?: number
}

/**
 * `connecting` no orders: the broker does not tell yet what becomes of them · `ready` · `killed` by a person · `stopped` by
 * itself: see why · `closed`.
 */
export type AccountPhase = 'connecting' | 'ready' | 'killed' | 'stopped' | 'closed'

/** Hears what becomes of the orders of one bot. */
export type BotHears = (order: KeptOrder) => void

/** Between two looks while something does not add up: it may be on its way, ms. */
const AGAIN_MS = 2_000
/** Equal differences in a row that are no accident of timing. */
const MOST_DIFFERENCES = 3
/** An order is looked for this long after its answer was lost, and then twice as late each time, ms. */
const FIND_MS = 500
const LONGEST_FIND_MS = 15_000
/** Decided on so long ago, an order is not sent: the market is another one, ms. */
const STALE_MS = 10_000
/** What is held after a kill and could not be closed is tried again so much later, ms. */
const CLOSE_AGAIN_MS = 10_000
/** A connection that lasted so long was a good one, ms. */
const LASTING_MS = 30_000

/**
 * One account at a broker: the only one who sends orders to it, for all its bots. What is to be sent is on the disk before it is, and
 * is sent once; where the answer is lost, the order is `unknown` until the broker has been asked what it knows.
 * What becomes of orders is told by the broker's stream, and compared with what it says when asked: on each connection,
 * every so often, and behind each lost answer. What it holds must be what the orders of all bots add up to, and what others hold.
 */
export class Account {
  readonly api: TradingApi
  readonly #options: Required<AccountOptions>
  readonly #journal: Journal
  readonly #books: AccountBooks
  readonly #lease: Lease
  readonly #hears = new Map<string, BotHears>()
  readonly #closing = new AbortController()
  /** Orders whose answer was lost and that are being looked for. */
  readonly #looking = new Set<string>()
  #stream: TradingStream | undefined
  #isConnected = false
  #stopped: TickwireError | undefined
  #state: AccountState | undefined
  /** What a unit of each symbol was worth, by the last who said. */
  readonly #prices = new Map<string, number>()
  #closedAt = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined
  #comparing: Promise<void> | undefined
  #differences = 0
  #difference = ''
  readonly #watchers = new Set<() => void>()

  /** @throws ACCOUNT_IN_USE, BAD_STATE */
  constructor(options: AccountOptions) {
    const { api, folder, clock } = options
    this.api = api
    const defaults = { random: Math.random, lookMs: 30_000, giveUpMs: 60_000, limits: {} }
    this.#options = { ...defaults, ...options }
    mkdirSync(folder, { recursive: true })
    const lease = takeLease([join(folder, 'lease')], clock)
    if ('heldBy' in lease) {
      throw new TickwireError(
        'ACCOUNT_IN_USE',
        `process ${lease.heldBy} sends the orders of this account (${folder})`,
        { hint: 'Run all bots of an account in that process, or end it first.' },
      )
    }
    this.#lease = lease
    try {
      this.#journal = new Journal(folder)
      this.#books = new AccountBooks(this.#journal)
    } catch (error) {
      lease.release()
      throw error
    }
  }

  get phase(): AccountPhase {
    if (this.#closing.signal.aborted) return 'closed'
    if (this.#stopped) return 'stopped'
    if (this.#books.killed !== undefined) return 'killed'
    return this.#isConnected ? 'ready' : 'connecting'
  }

  /** Why it takes no orders: what went wrong, or what a person said. */
  get why(): string | undefined {
    return this.#stopped?.message ?? this.#books.killed
  }

  /** What stopped it. */
  get stopped(): TickwireError | undefined {
    return this.#stopped
  }

  get limits(): AccountLimits {
    return this.#options.limits
  }

  /** Equity when the UTC day began, less equity as the broker told of it last; below 0 where it has grown. */
  get lostToday(): number {
    const { day } = this.#books
    return day && this.#state ? day.equity - this.#state.equity : 0
  }

  /** A person has stopped it, and whether what bots hold is to be closed; `undefined` where nobody has. */
  get killed(): { readonly why: string; readonly flatten: boolean } | undefined {
    const { killed: why, isFlattening: flatten } = this.#books
    return why === undefined ? undefined : { why, flatten }
  }

  /** As the broker told of it last. */
  get state(): AccountState | undefined {
    return this.#state
  }

  /** Orders, positions of each bot, and what others hold. */
  get books(): Pick<
    AccountBooks,
    'orders' | 'external' | 'open' | 'held' | 'heldBy' | 'heldByOthers' | 'of'
  > {
    return this.#books
  }

  /**
   * Connects, and keeps connected until it is closed. Resolves once it is ready. @throws what no retry helps; CLOSED where it
   * was closed before that
   */
  async start(): Promise<void> {
    const { signal } = this.#closing
    const ready = this.until(
      () => this.#isConnected || this.#stopped !== undefined || signal.aborted,
    )
    void this.#keepConnected()
    await ready
    if (this.#stopped) throw this.#stopped
    if (signal.aborted) throw new TickwireError('CLOSED', 'the account was closed')
  }

  /** What a bot hears of its orders from now on. @returns what ends that */
  attach(bot: string, hears: BotHears): () => void {
    this.#hears.set(bot, hears)
    return () => {
      if (this.#hears.get(bot) === hears) this.#hears.delete(bot)
    }
  }

  /**
   * Sends an order of a bot, once, whoever asks how often: one whose id is in the journal is only told of again. The
   * bot hears what becomes of it, also that it was not sent. `price`: the most that a unit of it may be worth.
   */
  place(bot: string, order: Order, price?: number): void {
    const known = this.#books.orders.get(order.id)
    if (known) {
      const same = known.bot === bot && isSame(known.order, order)
      this.#tell(same ? known : refused(bot, order, `another order has the id ${order.id}`))
      return
    }
    if (price !== undefined) this.#prices.set(order.symbol, price)
    const isStale = order.createdAt < this.#options.clock.now() - STALE_MS
    const refusal = isStale
      ? 'it was decided on too long ago'
      : (this.#refusal() ?? this.#overLimit(bot, order, price))
    if (refusal !== undefined) {
      this.#tell(refused(bot, order, refusal))
      return
    }
    void this.#send(bot, order)
  }

  /** Asks for an order to be canceled. */
  cancel(id: string): void {
    const kept = this.#books.orders.get(id)
    if (!kept || kept.isOver) return
    void this.#cancel(kept)
  }

  /**
   * Nothing is sent any more, over restarts, until {@link release}; what is open is canceled. With `flatten`, what the bots hold
   * is then closed at the market, over restarts too, until nothing is held. Again changes nothing.
   */
  kill(why: string, flatten = false): void {
    const { killed } = this
    if (killed && (killed.flatten || !flatten)) return
    try {
      this.#books.kill(why, this.#options.clock.now(), flatten)
      this.#options.said(`no more orders: ${why}`)
    } catch (error) {
      const { message } = asError(error)
      this.#options.said(`no more orders: ${why}; it is not in the journal: ${message}`)
    }
    for (const kept of this.#books.open()) this.cancel(kept.order.id)
    this.#changed()
    // What could not be canceled at once is looked after soon.
    if (this.#isConnected) this.#lookLater()
  }

  /** Takes orders again. What stopped it by itself needs a restart. */
  release(): void {
    if (this.#books.killed !== undefined) this.#books.release(this.#options.clock.now())
  }

  /** Resolves once `done` says so, asked whenever something has changed. */
  async until(done: () => boolean): Promise<void> {
    if (done()) return
    await new Promise<void>(resolve => {
      const look = () => {
        if (!done()) return
        this.#watchers.delete(look)
        resolve()
      }
      this.#watchers.add(look)
    })
  }

  /** Lets go of the connection and the journal. Orders stay in the market. */
  close(): void {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    this.#timer?.cancel()
    this.#stream?.close()
    this.#journal.close()
    this.#lease.release()
    this.#changed()
  }

  #refusal(): string | undefined {
    switch (this.phase) {
      case 'ready':
        return this.#state?.blocked
      case 'connecting':
        return `${this.api.name} does not tell yet what becomes of orders`
      case 'closed':
        return 'the account is closed'
      default:
        return `no orders are sent: ${this.why}`
    }
  }

  #overLimit(bot: string, order: Order, price: number | undefined): string | undefined {
    const { orders } = this.#books
    return overLimit(this.#options.limits, bot, order, price, {
      ...{ now: this.#options.clock.now(), orders: orders.values(), lostToday: this.lostToday },
      price: symbol => this.#prices.get(symbol) ?? paidFor(symbol, orders.values()),
    })
  }

  /** Closes what bots hold, as long as somebody wants that: once nothing is open, and the broker tells what becomes of it. */
  #flatten(): void {
    const { clock } = this.#options
    if (!this.#books.isFlattening || !this.#isConnected || this.#stopped) return
    if (clock.now() < this.#closedAt + CLOSE_AGAIN_MS || this.#books.open().length > 0) return
    const closings = this.#books.closings(clock.now())
    if (closings.length === 0) return
    this.#closedAt = clock.now()
    for (const { bot, order } of closings) void this.#send(bot, order)
  }

  async #send(bot: string, order: Order): Promise<void> {
    let kept: KeptOrder
    try {
      kept = this.#books.intend(bot, order, this.#options.clock.now())
    } catch (error) {
      this.#tell(refused(bot, order, `it could not be written down: ${asError(error).message}`))
      return
    }
    this.#tell(kept)
    try {
      const told = await this.api.submit(order)
      if (!this.#closing.signal.aborted) this.#told(told)
    } catch (error) {
      if (this.#closing.signal.aborted) return
      const { code, message } = asTickwire(error)
      if (code === 'ORDER_REJECTED') this.#ended(kept, message)
      else {
        this.#options.said(`${order.id}: nobody knows whether it was sent (${message}); asking`)
        kept.isLost = true
        this.#tell(kept)
        void this.#find(kept)
      }
    }
  }

  /** Asks for an order whose answer was lost until the broker knows it, or it certainly never came there. */
  async #find(kept: KeptOrder): Promise<void> {
    const { clock, giveUpMs } = this.#options
    const { id } = kept.order
    if (this.#looking.has(id)) return
    this.#looking.add(id)
    let waitMs = FIND_MS
    try {
      for (;;) {
        await sleep(clock, waitMs, this.#closing.signal)
        if (this.#closing.signal.aborted || kept.told || kept.isOver) return
        waitMs = Math.min(waitMs * 2, LONGEST_FIND_MS)
        const askedAt = clock.now()
        let found: BrokerOrder | undefined
        try {
          if (this.api.find) found = await this.api.find(id)
          else {
            const told = await this.api.ordersSince(kept.at - SKEW_MS)
            for (const one of told) this.#told(one)
          }
        } catch {
          // Asked again: what cannot be asked now is said by the connection.
          continue
        }
        if (this.#closing.signal.aborted || kept.told || kept.isOver) return
        if (found) this.#told(found)
        else if (askedAt >= kept.at + giveUpMs) this.#ended(kept, NEVER_CAME)
      }
    } finally {
      this.#looking.delete(id)
    }
  }

  async #cancel(kept: KeptOrder): Promise<void> {
    // What nobody can find cannot be canceled: it is as soon as it is found.
    kept.isUnwanted = true
    if (!kept.told) return
    try {
      await this.api.cancel(kept.told.id)
    } catch (error) {
      if (!this.#closing.signal.aborted) {
        this.#options.said(`${kept.order.id} is not canceled yet: ${asError(error).message}`)
      }
    }
  }

  /** Takes what the broker says of an order, whichever way it came. */
  #told(told: BrokerOrder): void {
    if (this.#closing.signal.aborted) return
    const isFirst = !this.#books.keptOf(told)?.told
    const kept = this.#books.take(told)
    if (!kept) {
      this.#changed()
      return
    }
    if (kept.isOver) kept.isUnwanted = false
    else if (kept.isRisen && !kept.isUnwanted) {
      this.#options.said(
        `${kept.order.id} was given up and is in the market after all: canceling it`,
      )
      void this.#cancel(kept)
    } else if (kept.isUnwanted && isFirst) void this.#cancel(kept)
    this.#tell(kept)
  }

  #ended(kept: KeptOrder, why: string): void {
    this.#books.end(kept, why, this.#options.clock.now())
    this.#tell(kept)
  }

  #tell(kept: KeptOrder): void {
    this.#hears.get(kept.bot)?.(kept)
    this.#changed()
  }

  #changed(): void {
    this.#flatten()
    for (const look of [...this.#watchers]) look()
  }

  async #keepConnected(): Promise<void> {
    const { clock, random, said } = this.#options
    const { signal } = this.#closing
    const backoff = new Backoff({ maxMs: 30_000 }, random)
    let saidLast: string | undefined
    const over = new Promise<void>(resolve => {
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    while (!signal.aborted && !this.#stopped) {
      try {
        let lose = (_error: unknown) => {}
        const lost = new Promise<unknown>(resolve => {
          lose = resolve
        })
        // Listening before asking: what happens in between is heard.
        this.#stream = await this.api.listen({ order: told => this.#told(told), lost: lose })
        if (signal.aborted) this.#stream.close()
        else {
          // One that was begun before may have asked before this stream told.
          await this.#comparing?.catch(() => {})
          await this.#compare()
          this.#isConnected = true
          const since = clock.now()
          saidLast = undefined
          this.#changed()
          this.#lookLater()
          const why = await Promise.race([lost, over])
          // One that never lasts is not made again at once.
          if (clock.now() - since > LASTING_MS) backoff.reset()
          if (!signal.aborted)
            said(`${this.api.name}: ${asError(why).message}; no orders until it tells again`)
        }
      } catch (error) {
        if (signal.aborted) return
        const failure = asTickwire(error)
        if (ERRORS[failure.code].verdict === 'fatal') this.#stop(failure)
        else if (failure.message !== saidLast) {
          saidLast = failure.message
          said(`${this.api.name}: ${failure.message}; trying again until it answers`)
        }
      }
      this.#isConnected = false
      this.#timer?.cancel()
      this.#stream?.close()
      this.#stream = undefined
      if (!signal.aborted && !this.#stopped) await sleep(clock, backoff.next('retry'), signal)
    }
  }

  #lookLater(): void {
    this.#timer?.cancel()
    const { lookMs } = this.#options
    const isUrgent =
      this.#differences > 0 ||
      this.#books.open().some(one => one.isUnwanted) ||
      (this.#books.isFlattening && this.#books.closings(0).length > 0)
    const waitMs = isUrgent ? Math.min(AGAIN_MS, lookMs) : lookMs
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#compare()
        .catch(error => {
          // The next look, or the connection, will tell whether that stays so.
          this.#options.said(`${this.api.name} cannot be asked: ${asError(error).message}`)
        })
        .finally(() => {
          if (this.#isConnected && !this.#closing.signal.aborted) this.#lookLater()
        })
    }, waitMs)
  }

  /** Asks for all orders and positions, and compares. One at a time. */
  #compare(): Promise<void> {
    this.#comparing ??= this.#compareNow().finally(() => {
      this.#comparing = undefined
    })
    return this.#comparing
  }

  async #compareNow(): Promise<void> {
    const { api } = this
    const now = this.#options.clock.now()
    const state = await api.account()
    this.#books.check(api, state.id)
    this.#state = state
    if (!this.#books.isOpened) {
      const found = [...(await api.openOrders()), ...(await api.ordersSince(now - SKEW_MS))]
      const positions = await api.positions()
      if (this.#closing.signal.aborted) return
      const orders = [...new Map(found.map(order => [order.id, order])).values()]
      this.#books.begin(api, state.id, now, orders, positions)
      this.#books.turnDay(now, state.equity)
      return
    }
    const version = this.#books.version
    const orders = await api.ordersSince(this.#books.oldestOpen(now) - SKEW_MS)
    const positions = await api.positions()
    if (this.#closing.signal.aborted) return
    this.#books.turnDay(now, state.equity)
    for (const { symbol, price } of positions) {
      if (price !== undefined) this.#prices.set(symbol, price)
    }
    for (const order of orders) this.#told(order)
    const there = new Set(orders.map(({ id }) => id))
    for (const kept of this.#books.open()) {
      const { told } = kept
      if (told && !there.has(told.id) && api.forgets?.(kept.at, now)) {
        // Its fills are in the positions: where they are not in the journal, those disagree.
        this.#told({ ...told, status: 'expired', ending: 'the day is over', updatedAt: now })
        continue
      }
      if (!kept.told) void this.#find(kept)
      else if (kept.isUnwanted) void this.#cancel(kept)
    }
    // Something was told meanwhile: the positions may be of before it, or behind it.
    if (version !== this.#books.version) {
      this.#differences = 0
      return
    }
    this.#judge(this.#books.differences(positions, symbol => api.feeInAsset?.(symbol) ?? 0))
  }

  #judge(differences: readonly string[]): void {
    const difference = differences.join('; ')
    this.#differences =
      difference === '' ? 0 : difference === this.#difference ? this.#differences + 1 : 1
    this.#difference = difference
    if (this.#differences < MOST_DIFFERENCES) return
    this.#stop(
      new TickwireError(
        'ACCOUNT_DISAGREES',
        `${this.api.name} holds something else than the orders add up to: ${difference}`,
        {
          hint: 'Compare the account with its journal; when it is clear, move the journal away and begin anew with what is held.',
        },
      ),
    )
  }

  /** By itself: something is wrong that a person has to look at. */
  #stop(error: TickwireError): void {
    this.#stopped = error
    this.#options.said(error.message)
    for (const kept of this.#books.open()) this.cancel(kept.order.id)
    this.#changed()
  }
}

/** An order that was not sent, and is not in the journal: a bot may be told of it again. */
function refused(bot: string, order: Order, why: string): KeptOrder {
  const kept = new KeptOrder(bot, order, order.createdAt)
  kept.ended = why
  return kept
}

/** What was paid for a symbol last, where nobody has said what it is worth. */
function paidFor(symbol: string, orders: Iterable<KeptOrder>): number | undefined {
  let paid: number | undefined
  for (const { order, averagePrice } of orders) {
    if (order.symbol === symbol) paid = averagePrice ?? paid
  }
  return paid
}

/** Whether two orders ask for the same: what is known of the one may be said of the other. */
function isSame(a: Order, b: Order): boolean {
  const names = [
    'symbol',
    'side',
    'quantity',
    'type',
    'limitPrice',
    'stopPrice',
    'timeInForce',
  ] as const
  return names.every(name => a[name] === b[name])
}

const asTickwire = (error: unknown): TickwireError =>
  error instanceof TickwireError
    ? error
    : new TickwireError('VENUE_ERROR', asError(error).message, { cause: error })
