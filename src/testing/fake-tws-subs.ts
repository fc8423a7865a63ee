import type { Timer } from '../base/clock.ts'
import type { Level, MarketEvent, Quote, Trade } from '../market/events.ts'
import type { ClientHost, FakeClient } from './fake-tws-client.ts'
import { type FakeContract, nameOf } from './fake-tws-contracts.ts'
import { codesOf, maskOf, secondOf, valuesOf } from './fake-tws-market.ts'
import { rowSteps } from './fake-tws-rows.ts'
import type { Field } from './fake-tws-wire.ts'

/** What comes tick by tick, as a line, in rows, as bars of 5 s. */
export type SubKind = 'last' | 'all' | 'bidask' | 'line' | 'book' | 'bars'

interface Sub {
  readonly id: string
  readonly kind: SubKind
  readonly contract: FakeContract
  readonly name: string
  readonly rows: number
  readonly smart: boolean
  /** Generic ticks that were asked for. */
  readonly extras: readonly string[]
  readonly delayed: boolean
  bids: readonly Level[]
  asks: readonly Level[]
  cancelled: boolean
}

const BUDGETS: Readonly<Record<SubKind, 'lines' | 'ticks' | 'books'>> = {
  ...{ last: 'ticks', all: 'ticks', bidask: 'ticks' },
  ...{ line: 'lines', bars: 'lines', book: 'books' },
}
const FULL: Readonly<Record<'lines' | 'ticks' | 'books', readonly [number, string]>> = {
  lines: [101, 'Max number of tickers has been reached'],
  ticks: [10_190, 'Max number of tick-by-tick requests has been reached'],
  books: [309, 'Max number (3) of market depth requests has been reached'],
}
/** Numbers of a price, and of the size beside it. */
const TICKS = {
  live: { bid: [1, 0], ask: [2, 3], last: [4, 5] },
  delayed: { bid: [66, 69], ask: [67, 70], last: [68, 71] },
} as const
const BAR_MS = 5_000

/** What one client of the fake TWS has subscribed to: its limits, and what is sent of it. */
export class FakeSubs {
  readonly #client: FakeClient
  readonly #host: ClientHost
  readonly #subs = new Map<string, Sub>()
  #bars: Timer | undefined
  /** What it wants: 1 live, 2 frozen, 3 delayed, 4 delayed and frozen. */
  dataType = 1

  constructor(client: FakeClient, host: ClientHost) {
    this.#client = client
    this.#host = host
  }

  close(): void {
    this.#bars?.cancel()
  }

  /** As `last AAPL`. */
  get names(): string[] {
    return [...this.#subs.values()]
      .filter(({ cancelled }) => !cancelled)
      .map(({ kind, name }) => `${kind} ${name}`)
  }

  /** TWS has lost them all. */
  forget(): void {
    this.#subs.clear()
  }

  mute(code: number, text: string): void {
    for (const { id, cancelled } of this.#subs.values())
      if (!cancelled) this.#client.notice(code, text, id)
  }

  resetBooks(): void {
    for (const sub of this.#books()) {
      const text =
        'Market depth data has been RESET. Please empty deep book contents before applying any new entries.'
      this.#client.notice(317, text, sub.id)
      sub.bids = []
      sub.asks = []
      this.#sendRows(sub)
    }
  }

  haltBooks(): void {
    for (const sub of this.#books()) {
      this.#subs.delete(sub.id)
      this.#client.notice(316, 'Market depth data has been HALTED. Please re-subscribe.', sub.id)
    }
  }

  endTicks(code: number, text: string): void {
    for (const { id, kind } of [...this.#subs.values()]) {
      if (BUDGETS[kind] !== 'ticks') continue
      this.#subs.delete(id)
      this.#client.notice(code, text, id)
    }
  }

  #books(): Sub[] {
    return [...this.#subs.values()].filter(({ kind, cancelled }) => kind === 'book' && !cancelled)
  }

  deliver(event: MarketEvent): void {
    if (!this.#host.sees) return
    for (const sub of this.#subs.values()) {
      if (sub.name !== event.symbol) continue
      if (sub.kind === 'book') {
        if (event.type === 'book' && (!sub.cancelled || this.#host.lateRows)) this.#sendRows(sub)
      } else if (sub.cancelled) continue
      else if (sub.kind === 'line') this.#sendLine(sub, event)
      else if (sub.kind === 'bidask') {
        if (event.type === 'quote') this.#sendQuote(sub, event)
      } else if (event.type === 'trade' && sub.kind !== 'bars') this.#sendTrade(sub, event)
    }
  }

  subscribe(kind: SubKind, fields: readonly string[], idAt: number, at: number): void {
    const id = fields[idAt] ?? ''
    const { market, budgets } = this.#host
    const refuse = (code: number, text: string) => this.#client.notice(code, text, id)
    if (this.#subs.has(id)) {
      this.#host.breach(`id ${id} twice`)
      refuse(322, 'Error processing request: Duplicate ticker id')
      return
    }
    const denied = this.#host.denial('deny', this.#client)
    if (denied) {
      refuse(denied.code, denied.text)
      return
    }
    const contract = market.find(fields, at)
    if (!contract) {
      refuse(200, 'No security definition has been found for the request')
      return
    }
    const name = nameOf(contract)
    const isTicks = BUDGETS[kind] === 'ticks'
    if (isTicks && !this.#host.askedTicks(name)) this.#host.breach(`ticks of ${name} within 15 s`)
    if (kind === 'last' && (contract.secType === 'CASH' || contract.secType === 'IND')) {
      refuse(10_189, 'Failed to request tick-by-tick data.No market data permissions')
      return
    }
    if (kind === 'bars' && !this.#host.askedBars()) {
      refuse(420, 'Invalid Real-time Query: Historical data request pacing violation')
      return
    }
    const isDelayed = this.#host.unsubscribed.has(name)
    if (isDelayed && isTicks) {
      refuse(10_189, 'Failed to request tick-by-tick data.No market data permissions')
      return
    }
    if (isDelayed && (kind !== 'line' || this.dataType < 3)) {
      const offer = 'Requested market data is not subscribed. Delayed market data is available.'
      refuse(354, offer)
      return
    }
    const used = [...this.#subs.values()].filter(
      sub => !sub.cancelled && BUDGETS[sub.kind] === BUDGETS[kind],
    )
    if (used.length >= budgets[BUDGETS[kind]]) {
      refuse(...FULL[BUDGETS[kind]])
      return
    }
    const sub: Sub = {
      ...{ id, kind, contract, name, delayed: isDelayed, cancelled: false },
      rows: kind === 'book' ? Number(fields[at + 12]) : 0,
      smart: kind === 'book' && fields[at + 13] === '1',
      extras: kind === 'line' ? (fields[at + 13] ?? '').split(',') : [],
      ...{ bids: [], asks: [] },
    }
    this.#subs.set(id, sub)
    this.#begin(sub)
  }

  #begin(sub: Sub): void {
    const { sees, market } = this.#host
    if (sub.kind === 'line') {
      if (sub.delayed) {
        const text = 'Requested market data is not subscribed. Displaying delayed market data.'
        this.#client.notice(10_167, text, sub.id)
      }
      // Who asks for delayed data of what is subscribed is sent live data.
      const isFrozen = this.dataType === 2 || this.dataType === 4
      this.#client.say(58, 1, sub.id, sub.delayed ? 3 : isFrozen ? 2 : 1)
      this.#client.say(81, sub.id, sub.contract.minTick ?? 0.01, '9c0001', 3)
      const { trades, quotes } = market.of(sub.name)
      const [trade, quote] = [trades.at(-1), quotes.at(-1)]
      if (quote && sees) this.#sendLine(sub, quote)
      if (trade && sees) this.#sendLine(sub, trade)
    } else if (sub.kind === 'book' && sees) this.#sendRows(sub)
    else if (sub.kind === 'bars') this.#scheduleBars()
  }

  cancel(id: string, [code, text]: readonly [number, string]): void {
    const sub = this.#subs.get(id)
    if (!sub || sub.cancelled) this.#client.notice(code, `${text}${id}`, id)
    else if (sub.kind === 'book' && this.#host.lateRows) sub.cancelled = true
    else this.#subs.delete(id)
  }

  #price(price: number): Field {
    return this.#host.garbles() ? `${price}x` : price
  }

  #sendTrade({ id, kind }: Sub, trade: Trade): void {
    const mask = maskOf(trade)
    if (kind === 'last' && mask > 0) return
    const type = kind === 'last' ? 1 : 2
    const price = this.#price(trade.price)
    const rest = [trade.size, mask, trade.exchange, codesOf(trade)]
    this.#client.say(99, id, type, secondOf(trade), price, ...rest)
  }

  #sendQuote({ id }: Sub, quote: Quote): void {
    const { bid = -1, ask = -1, bidSize = 0, askSize = 0 } = quote
    this.#client.say(99, id, 3, secondOf(quote), this.#price(bid), ask, bidSize, askSize, 0)
  }

  /** Sizes come twice: with their price, and by themselves. */
  #sendLine({ id, name, delayed, extras }: Sub, event: MarketEvent): void {
    const priced = (what: keyof (typeof TICKS)['live'], value = -1, size = 0) => {
      const [priceTick, sizeTick] = TICKS[delayed ? 'delayed' : 'live'][what]
      this.#client.say(1, 6, id, priceTick, value === -1 ? -1 : this.#price(value), size, 0)
      this.#client.say(2, 6, id, sizeTick, size)
    }
    if (event.type === 'quote') {
      priced('bid', event.bid, event.bidSize)
      priced('ask', event.ask, event.askSize)
    } else if (event.type === 'trade') {
      const { volume, turnover } = this.#host.market.of(name)
      priced('last', event.price, event.size)
      this.#client.say(46, 6, id, delayed ? 88 : 45, secondOf(event))
      this.#client.say(2, 6, id, delayed ? 74 : 8, volume)
      if (!extras.includes('233') || delayed) return
      const fields = [event.price, event.size, event.timestamp, volume, turnover / volume, 'true']
      this.#client.say(46, 6, id, 48, fields.join(';'))
    }
  }

  #sendRows(sub: Sub): void {
    const { bids, asks } = this.#host.market.of(sub.name)
    for (const side of ['asks', 'bids'] as const) {
      const after = side === 'bids' ? bids : asks
      const number = side === 'bids' ? 1 : 0
      for (const [position, operation, price, size] of rowSteps(sub[side], after, side, sub.rows)) {
        const shown = operation === 2 ? price : this.#price(price)
        if (sub.smart)
          this.#client.say(13, 1, sub.id, position, 'NSDQ', operation, number, shown, size, 1)
        else this.#client.say(12, 1, sub.id, position, operation, number, shown, size)
      }
      sub[side] = after.slice(0, sub.rows)
    }
  }

  #scheduleBars(): void {
    const { clock, market } = this.#host
    const now = clock.now()
    const end = (Math.floor(now / BAR_MS) + 1) * BAR_MS
    this.#bars ??= clock.setTimeout(
      () => {
        this.#bars = undefined
        const subs = [...this.#subs.values()].filter(({ kind }) => kind === 'bars')
        for (const sub of this.#host.sees ? subs : []) {
          const bar = market.of(sub.name).bars.findLast(({ start }) => start === end - BAR_MS)
          if (bar) this.#client.say(50, 3, sub.id, bar.start / 1_000, ...valuesOf(bar))
        }
        if (subs.length > 0) this.#scheduleBars()
      },
      end - now,
      'idle',
    )
  }
}
