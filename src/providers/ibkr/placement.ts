import type { TickwireError } from '../../base/errors.ts'
import type { Link } from '../../feed/provider.ts'
import { formatTopic, type Topic } from '../../market/topics.ts'
import type { Asks } from './asks.ts'
import type { Contracts, Resolved } from './contracts.ts'
import type { Delays } from './delays.ts'
import { Holdings } from './holdings.ts'
import type { Output } from './output.ts'
import { barsLater, noStandIn, noTrades, notDelayed } from './refusals.ts'
import { LEARNED_MS } from './room.ts'
import { isLate, type Memory, type Settings } from './settings.ts'
import { type Ask, type AskKind, BUDGET_OF, type Held } from './subscriptions.ts'
import type { Tws } from './tws.ts'

export interface PlacementOptions {
  readonly link: Link
  readonly tws: Tws
  readonly contracts: Contracts
  readonly memory: Memory
  readonly settings: Settings
  readonly asks: Asks
  readonly output: Output
  readonly delays: Delays
}

/**
 * Which of TWS's ways each topic comes by: tick by tick as far as there is room, trades before quotes, which fall back on
 * a line of market data. Trades never do: where there is no room for them, the line comes as tickers.
 */
export class Placement {
  readonly #options: PlacementOptions
  readonly #holdings: Holdings

  constructor(options: PlacementOptions) {
    this.#options = options
    this.#holdings = new Holdings(options.link)
  }

  /** Wants these. */
  add(topics: readonly Topic[]): void {
    // Trades first: where there is no room for all, quotes have something to fall back on.
    const ordered = [...topics].sort(
      (a, b) => Number(b.kind === 'trade') - Number(a.kind === 'trade'),
    )
    for (const topic of ordered) {
      const held = this.#holdings.add(topic)
      if (held) this.#resolve(held)
    }
  }

  /** Wants these no more. */
  remove(topics: readonly Topic[]): void {
    const { asks } = this.#options
    for (const topic of topics) {
      if (!this.#holdings.delete(topic)) continue
      const key = formatTopic(topic)
      for (const ask of asks.all) {
        if (ask.topics.delete(key)) asks.leave(ask)
        else if (topic.kind === 'trade' && ask.standsIn && ask.resolved.symbol === topic.symbol) {
          ask.standsIn = false
          asks.leave(ask)
        }
      }
    }
    this.promote()
  }

  close(): void {
    this.#holdings.clear()
  }

  /** TWS sends it. */
  served(ask: Ask): void {
    this.#serve(this.#holdings.of(ask))
  }

  /** TWS does not: each that wanted it is refused, or has another way. */
  refused(ask: Ask, error: TickwireError, cancels: boolean): void {
    const { asks, contracts, output } = this.#options
    if (error.code === 'UNKNOWN_SYMBOL') contracts.forget(ask.resolved.symbol)
    // Quotes may go on by a line, but not without a hole.
    if (ask.kind === 'bidask' && error.code === 'NOT_ENTITLED') output.broken([ask], error.message)
    asks.remove(ask, cancels)
    this.#noStandIn(ask, error)
    const list = this.#holdings.of(ask)
    if (error.code === 'NOT_ENTITLED' && ask.kind === 'bidask') {
      // Not every account or contract has ticks; a line may be had nevertheless.
      for (const held of list) this.#join('line', held, ask.resolved)
    } else if (error.code === 'NOT_ENTITLED' && ask.kind === 'last') {
      this.#standIn(list, ask.resolved, () => error)
    } else this.#holdings.refuse(list, error)
    this.promote()
  }

  /** TWS has no room for it, and there is less room than was thought. */
  overflowed(ask: Ask, of: (typeof BUDGET_OF)[AskKind], error: TickwireError): void {
    const { asks, delays, output } = this.#options
    if (ask.kind === 'bidask') output.broken([ask], error.message)
    asks.remove(ask, false)
    this.#noStandIn(ask, error)
    asks.room.learn(of)
    this.#options.link.log.warn({ use: asks.room.use }, 'TWS has less room than was said')
    const list = this.#holdings.of(ask)
    if (ask.kind === 'last') this.#standIn(list, ask.resolved, () => error)
    else if (ask.kind === 'bidask') {
      for (const held of list) this.#makeShift(held, ask.resolved)
      delays.later(LEARNED_MS, () => this.promote())
    } else this.#holdings.refuse(list, error, 'limit')
  }

  /** There may be room: trades that were refused come first, then quotes that make shift. */
  promote(): void {
    const { tws, asks, contracts, memory, link } = this.#options
    if (!tws.isOpen) return
    for (const held of this.#holdings.all) {
      if (held.state !== 'limit' || asks.room.left(budgetOf(held.topic)) <= 0) continue
      if (held.topic.kind === 'bar' && memory.bars.wait(link.clock.now()) > 0) continue
      held.state = 'asked'
      this.#resolve(held)
    }
    for (const held of this.#holdings.all) {
      const { symbol } = held.topic
      const resolved = contracts.known(symbol)
      const isDue = memory.ticks.wait(symbol, link.clock.now()) === 0
      if (!held.makeshift || !resolved || !isDue || asks.room.left('ticks') <= 0) continue
      held.makeshift = false
      const line = asks.get('line', symbol)
      if (line?.topics.delete(formatTopic(held.topic))) asks.leave(line)
      this.#placeTicks(held, resolved, 'bidask')
    }
  }

  #resolve(held: Held): void {
    const { contracts, tws } = this.#options
    const { symbol } = held.topic
    const known = contracts.known(symbol)
    if (known) {
      this.#place(held, known)
      return
    }
    contracts.resolve(tws, symbol).then(
      resolved => {
        if (this.#holdings.isAsked(held)) this.#place(held, resolved)
      },
      (error: TickwireError) => {
        if (this.#holdings.isAsked(held) && tws.isOpen) this.#holdings.refuse([held], error)
      },
    )
  }

  #place(held: Held, resolved: Resolved): void {
    const { kind, symbol } = held.topic
    if (!resolved.trades && (kind === 'trade' || kind === 'bar')) {
      this.#holdings.refuse([held], noTrades(symbol, kind))
      return
    }
    const isLive = !isLate(this.#options.settings.dataType)
    switch (kind) {
      case 'trade':
        if (isLive) this.#placeTicks(held, resolved, 'last')
        else this.#standIn([held], resolved, notDelayed)
        break
      case 'quote':
        if (isLive) this.#placeTicks(held, resolved, 'bidask')
        else this.#join('line', held, resolved)
        break
      case 'ticker':
        this.#join('line', held, resolved)
        break
      case 'book':
        this.#join('book', held, resolved)
        break
      default:
        this.#placeBars(held, resolved)
    }
  }

  #placeBars(held: Held, resolved: Resolved): void {
    const { asks, memory, link } = this.#options
    const now = link.clock.now()
    const isNew = !asks.get('bars', resolved.symbol) && asks.room.left('lines') > 0
    const waitMs = isNew ? memory.bars.wait(now) : 0
    if (waitMs <= 0) {
      if (isNew) memory.bars.take(now)
      this.#join('bars', held, resolved)
      return
    }
    // The feed asks for it again, a minute later at most.
    this.#holdings.refuse([held], barsLater(waitMs), 'limit')
  }

  #placeTicks(held: Held, resolved: Resolved, kind: 'last' | 'bidask'): void {
    const { asks, memory, link, delays } = this.#options
    const { symbol } = resolved
    if (asks.get(kind, symbol)) {
      this.#join(kind, held, resolved)
      return
    }
    if (kind === 'last' && asks.room.left('ticks') <= 0) this.#demote()
    const full = asks.room.left('ticks') <= 0
    const waitMs = memory.ticks.wait(symbol, link.clock.now())
    if (!full && waitMs <= 0) {
      memory.ticks.take(symbol, link.clock.now())
      this.#join(kind, held, resolved)
    } else if (kind === 'bidask') {
      this.#makeShift(held, resolved)
      if (waitMs > 0) delays.later(waitMs, () => this.promote())
    } else if (full) {
      this.#standIn([held], resolved, instead => asks.room.refusal('ticks', instead))
    } else {
      delays.later(waitMs, () => {
        if (this.#holdings.isAsked(held)) this.#place(held, resolved)
      })
    }
  }

  /** A quote makes way for trades, which nothing can stand in for. */
  #demote(): void {
    const { asks } = this.#options
    const ask = asks.all.find(({ kind }) => kind === 'bidask')
    if (!ask) return
    asks.remove(ask, true)
    for (const held of this.#holdings.of(ask)) this.#makeShift(held, ask.resolved)
  }

  /** A quote comes from a line until there is room. */
  #makeShift(held: Held, resolved: Resolved): void {
    held.makeshift = true
    this.#join('line', held, resolved)
  }

  #join(kind: AskKind, held: Held, resolved: Resolved): void {
    const { asks, output, link } = this.#options
    let ask = asks.get(kind, resolved.symbol)
    if (!ask) {
      const budget = BUDGET_OF[kind]
      if (asks.room.left(budget) <= 0) {
        this.#holdings.refuse([held], asks.room.refusal(budget), 'limit')
        return
      }
      ask = asks.open(kind, resolved)
    }
    ask.topics.set(formatTopic(held.topic), held.topic)
    if (!ask.active) return
    this.#serve([held])
    ask.line?.renew()
    ask.dirty ||= ask.line !== undefined
    // A book is told whole to who comes later by the feed itself.
    if (ask.dirty) output.flush(link.clock.now())
  }

  #serve(list: readonly Held[]): void {
    const fresh = this.#holdings.serve(list)
    for (const { topic } of fresh) if (topic.kind === 'trade') this.#relieve(topic.symbol)
    this.#holdings.acknowledge(fresh)
  }

  /** Trades are not to be had: what the symbol's line says comes as tickers, and never as trades. */
  #standIn(
    list: readonly Held[],
    resolved: Resolved,
    refusal: (instead: boolean) => TickwireError,
  ): void {
    const { asks } = this.#options
    const line = asks.get('line', resolved.symbol)
    const instead = line !== undefined || asks.room.left('lines') > 0
    const error = refusal(instead)
    this.#holdings.refuse(list, error, error.code === 'SYMBOL_LIMIT' ? 'limit' : 'refused')
    if (!instead) return
    const ask = line ?? asks.open('line', resolved)
    ask.standsIn = true
  }

  /** Tickers were promised in the place of trades there is no room for, and do not come. */
  #noStandIn({ standsIn, resolved: { symbol } }: Ask, error: TickwireError): void {
    if (!standsIn) return
    const without = this.#holdings.all.filter(
      ({ topic, state }) => topic.kind === 'trade' && topic.symbol === symbol && state === 'limit',
    )
    this.#holdings.refuse(without, noStandIn(error), 'limit')
  }

  /** Trades come: nothing need stand in for them. */
  #relieve(symbol: string): void {
    const { asks } = this.#options
    const line = asks.get('line', symbol)
    if (!line?.standsIn) return
    line.standsIn = false
    asks.leave(line)
  }
}

const budgetOf = ({ kind }: Topic) =>
  kind === 'trade' ? 'ticks' : kind === 'book' ? 'books' : 'lines'
