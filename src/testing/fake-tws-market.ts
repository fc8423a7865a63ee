import type { Clock } from '../base/clock.ts'
import type { Book, Level, MarketEvent, Quote, Trade } from '../market/events.ts'
import { type FakeContract, findContracts, nameOf } from './fake-tws-contracts.ts'
import type { Field } from './fake-tws-wire.ts'

/** Ticks of a symbol that are remembered for questions about the past. */
const MOST = 200_000
const BAR_MS = 5_000

/** A bar of 5 s. */
export interface FakeBar {
  readonly start: number
  readonly open: number
  high: number
  low: number
  close: number
  volume: number
  turnover: number
  count: number
}

/** What has happened in a symbol. */
export class FakeSymbol {
  readonly trades: Trade[] = []
  readonly quotes: Quote[] = []
  bids: readonly Level[] = []
  asks: readonly Level[] = []
  volume = 0
  turnover = 0

  get bars(): FakeBar[] {
    const bars: FakeBar[] = []
    for (const { timestamp, price, size } of this.trades) {
      const start = Math.floor(timestamp / BAR_MS) * BAR_MS
      let bar = bars.at(-1)
      if (bar?.start !== start) {
        bar = {
          ...{ start, open: price, high: price, low: price, close: price },
          ...{ volume: 0, turnover: 0, count: 0 },
        }
        bars.push(bar)
      }
      bar.high = Math.max(bar.high, price)
      bar.low = Math.min(bar.low, price)
      bar.close = price
      bar.volume += size
      bar.turnover += price * size
      bar.count++
    }
    return bars
  }
}

/** IBKR behind the fake TWS: what there is, and what has happened. It goes on while TWS cannot see it. */
export class FakeMarket {
  readonly clock: Clock
  readonly contracts: readonly FakeContract[]
  readonly #symbols = new Map<string, FakeSymbol>()

  constructor(clock: Clock, contracts: readonly FakeContract[]) {
    this.clock = clock
    this.contracts = contracts
  }

  of(name: string): FakeSymbol {
    let symbol = this.#symbols.get(name)
    if (!symbol) this.#symbols.set(name, (symbol = new FakeSymbol()))
    return symbol
  }

  /** The contract a request names, if it is one alone. */
  find(fields: readonly string[], at: number): FakeContract | undefined {
    const found = findContracts(this.contracts, fields, at)
    return found.length === 1 ? found[0] : undefined
  }

  take(event: MarketEvent): void {
    if (event.symbol === undefined) return
    const symbol = this.of(event.symbol)
    if (event.type === 'trade') {
      symbol.trades.push(event)
      symbol.volume += event.size
      symbol.turnover += event.price * event.size
      if (symbol.trades.length > MOST) symbol.trades.splice(0, MOST / 2)
    } else if (event.type === 'quote') {
      symbol.quotes.push(event)
      if (symbol.quotes.length > MOST) symbol.quotes.splice(0, MOST / 2)
    } else if (event.type === 'book') {
      symbol.bids = applied(symbol.bids, event, 'bids')
      symbol.asks = applied(symbol.asks, event, 'asks')
    }
  }

  /** Message 98 or 97: a page of ticks, from a time on or up to one, its boundary second whole. */
  ticks(fields: readonly string[], contract: FakeContract): Field[] {
    const [, reqId, ...rest] = fields
    const [start = '', end = '', count = '0', what] = rest.slice(13)
    const { trades, quotes } = this.of(nameOf(contract))
    const all: readonly (Trade | Quote)[] =
      what === 'TRADES' || what === 'AGGTRADES' ? trades : quotes
    const page = pageOf(all, secondsOf(start), secondsOf(end), Number(count))
    const records = page.flatMap(tick =>
      tick.type === 'trade'
        ? [secondOf(tick), maskOf(tick), tick.price, tick.size, tick.exchange, codesOf(tick)]
        : [secondOf(tick), 0, tick.bid ?? -1, tick.ask ?? -1, tick.bidSize ?? 0, tick.askSize ?? 0],
    )
    return [what === 'BID_ASK' ? 97 : 98, reqId, page.length, ...records, true]
  }

  /** Message 17: bars of 5 s. */
  bars(fields: readonly string[], contract: FakeContract): Field[] {
    const [, reqId, ...rest] = fields
    const [end = '', , duration = '0 S'] = rest.slice(13)
    const until = (secondsOf(end) ?? this.clock.now() / 1_000) * 1_000
    const from = until - Number.parseInt(duration, 10) * 1_000
    const bars = this.of(nameOf(contract)).bars.filter(
      ({ start }) => start >= from && start < until,
    )
    const records = bars.flatMap(bar => [bar.start / 1_000, ...valuesOf(bar)])
    return [17, reqId, 'start', 'end', bars.length, ...records]
  }
}

/** Open, high, low, close, volume, VWAP, count. */
export function valuesOf({ open, high, low, close, volume, turnover, count }: FakeBar): number[] {
  return [open, high, low, close, volume, turnover / volume, count]
}

export const secondOf = ({ timestamp }: MarketEvent) => Math.floor(timestamp / 1_000)

/** Bit 1: not reported. */
export function maskOf({ conditions }: Trade): number {
  return conditions?.includes('unreported') ? 2 : 0
}

export function codesOf({ conditions = [] }: Trade): string {
  return conditions.filter(code => code !== 'unreported').join(' ')
}

function pageOf<T extends MarketEvent>(
  all: readonly T[],
  start: number | undefined,
  end: number | undefined,
  count: number,
): T[] {
  if (start !== undefined) {
    const from = all.filter(event => secondOf(event) >= start)
    const last = from[count - 1]
    return last ? from.filter(event => secondOf(event) <= secondOf(last)) : from
  }
  const upTo = all.filter(event => end === undefined || secondOf(event) < end)
  const first = upTo.at(-count)
  return first ? upTo.filter(event => secondOf(event) >= secondOf(first)) : upTo
}

/** `20261120-18:30:00`, UTC. */
function secondsOf(text: string): number | undefined {
  const [, year, month, day, time] = /^(\d{4})(\d{2})(\d{2})-(\d{2}:\d{2}:\d{2})$/.exec(text) ?? []
  return year ? Date.parse(`${year}-${month}-${day}T${time}Z`) / 1_000 : undefined
}

/** Levels of a side, best first. */
function applied(before: readonly Level[], event: Book, side: 'bids' | 'asks'): Level[] {
  const levels = new Map(event.snapshot ? [] : before)
  for (const [price, size] of event[side]) {
    if (size > 0) levels.set(price, size)
    else levels.delete(price)
  }
  return [...levels].sort(([a], [b]) => (side === 'bids' ? b - a : a - b))
}
