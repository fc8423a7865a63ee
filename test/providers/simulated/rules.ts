import assert from 'node:assert/strict'
import type { Bar, Book, MarketEvent, Quote, Trade } from '../../../src/market/events.ts'

/** What the events of a market must be true of, worked out again from the events alone. */

/** Venue time, ms with a fraction. */
export const timeOf = (event: MarketEvent) => event.timestamp + event.nanos / 1e6

export const only = <T extends MarketEvent['type']>(events: readonly MarketEvent[], type: T) =>
  events.filter((event): event is Extract<MarketEvent, { type: T }> => event.type === type)

const OFFICIAL = ['Q', 'M']
export const isOfficial = (trade: Trade) =>
  trade.conditions?.some(code => OFFICIAL.includes(code)) ?? false

/** Each trade with how much older it is than the latest trade of its symbol that came before it, ms. */
export function lags(events: readonly MarketEvent[]): { trade: Trade; lag: number }[] {
  const latest = new Map<string, number>()
  return only(events, 'trade').map(trade => {
    const at = timeOf(trade)
    const before = latest.get(trade.symbol)
    if (before === undefined || at > before) latest.set(trade.symbol, at)
    return { trade, lag: before === undefined ? 0 : Math.max(0, before - at) }
  })
}

/** Every minute bar is what the trades before it in the stream make. Returns how many there are. */
export function checkBars(events: readonly MarketEvent[]): number {
  const trades = new Map<string, Trade[]>()
  let bars = 0
  for (const event of events) {
    if (event.type === 'trade') {
      const key = `${event.symbol} ${Math.floor(event.timestamp / 60_000) * 60_000}`
      const list = trades.get(key)
      if (list) list.push(event)
      else trades.set(key, [event])
    } else if (event.type === 'bar') {
      checkBar(event, trades.get(`${event.symbol} ${event.timestamp}`) ?? [])
      bars++
    }
  }
  return bars
}

function checkBar(bar: Bar, trades: readonly Trade[]): void {
  const counted = trades.filter(trade => !isOfficial(trade))
  const pricing = counted
    .filter(({ conditions = [] }) => !conditions.some(code => ['I', 'Z', 'U'].includes(code)))
    // Stable: of equal times the one printed first stays first.
    .sort((a, b) => timeOf(a) - timeOf(b))
  const prices = pricing.map(({ price }) => price)
  const volume = counted.reduce((sum, { size }) => sum + size, 0)
  const { open, high, low, close, tradeCount, final, revision, interval } = bar
  assert.deepEqual(
    { open, high, low, close, tradeCount, final, revision, interval },
    {
      open: prices[0],
      high: Math.max(...prices),
      low: Math.min(...prices),
      close: prices.at(-1),
      tradeCount: counted.length,
      final: true,
      revision: 0,
      interval: '1m',
    },
  )
  const units = pricing.reduce((sum, { size }) => sum + size, 0)
  const turnover = pricing.reduce((sum, { price, size }) => sum + price * size, 0)
  assert.ok(Math.abs(bar.volume - volume) < 1e-6, `volume ${bar.volume} of ${volume}`)
  assert.ok(Math.abs(bar.vwap! - turnover / units) < 1e-6 * bar.vwap!, `vwap ${bar.vwap}`)
  assert.ok(bar.vwap! >= low && bar.vwap! <= high, 'the vwap lies within the bar')
}

/** Corrections and cancels name trades that came before, each once. Returns how many of each there are. */
export function checkFixes(events: readonly MarketEvent[]): {
  corrections: number
  cancels: number
} {
  const printed = new Map<string, Trade>()
  const counts = { corrections: 0, cancels: 0 }
  const fixed = new Set<string>()
  for (const event of events) {
    if (event.type === 'trade') printed.set(`${event.symbol} ${event.exchange} ${event.id}`, event)
    if (event.type !== 'correction' && event.type !== 'cancel') continue
    const id = event.type === 'cancel' ? event.id : event.originalId
    const key = `${event.symbol} ${event.exchange} ${id}`
    const trade = printed.get(key)
    assert.ok(trade, `${event.type} of ${key}, which never printed`)
    assert.ok(!fixed.has(key), `${key} is put right twice`)
    fixed.add(key)
    assert.ok(timeOf(event) >= timeOf(trade), 'it comes after its trade')
    assert.equal(event.tape, trade.tape)
    if (event.type === 'cancel') {
      assert.deepEqual([event.price, event.size], [trade.price, trade.size])
      counts.cancels++
    } else {
      const { originalPrice, originalSize, originalConditions } = event
      assert.deepEqual(
        [originalPrice, originalSize, originalConditions],
        [trade.price, trade.size, trade.conditions],
      )
      const replacement = `${event.symbol} ${event.exchange} ${event.id}`
      assert.ok(!printed.has(replacement), 'what replaces it has an id of its own')
      assert.notEqual(event.price, trade.price)
      counts.corrections++
    }
  }
  return counts
}

/** Ids rise on each exchange of a symbol. Returns how many (symbol, id) occur on several exchanges. */
export function checkIds(events: readonly MarketEvent[]): number {
  const last = new Map<string, number>()
  const places = new Map<string, Set<string | undefined>>()
  for (const trade of only(events, 'trade')) {
    const place = `${trade.symbol} ${trade.exchange}`
    assert.ok((trade.id as number) > (last.get(place) ?? 0), `${place} ${trade.id} comes again`)
    last.set(place, trade.id as number)
    const name = `${trade.symbol} ${trade.id}`
    if (!places.has(name)) places.set(name, new Set())
    places.get(name)!.add(trade.exchange)
  }
  return [...places.values()].filter(exchanges => exchanges.size > 1).length
}

/** Applies books as a reader would; after each the best levels are the last quote. */
export class Books {
  readonly #quotes = new Map<string, Quote>()
  readonly #sides = new Map<string, { bids: Map<number, number>; asks: Map<number, number> }>()
  readonly #sequences = new Map<string, number>()
  snapshots = 0
  deltas = 0
  levels = 0

  take(event: MarketEvent): void {
    if (event.type === 'quote') this.#quotes.set(event.symbol, event)
    if (event.type === 'book') this.#apply(event)
  }

  #apply(book: Book): void {
    const { symbol } = book
    let sides = this.#sides.get(symbol)
    if (book.snapshot) {
      this.snapshots++
      sides = { bids: new Map(), asks: new Map() }
      this.#sides.set(symbol, sides)
    } else {
      this.deltas++
      assert.equal(book.sequence, this.#sequences.get(symbol)! + 1, 'no update is missing')
    }
    assert.ok(sides, `the first book of ${symbol} is a snapshot`)
    this.#sequences.set(symbol, book.sequence!)
    for (const side of ['bids', 'asks'] as const) {
      const prices = book[side].map(([price]) => price)
      assert.equal(new Set(prices).size, prices.length, 'a level changes once in an update')
      for (const [price, size] of book[side]) {
        if (size > 0) sides[side].set(price, size)
        else assert.ok(!book.snapshot && sides[side].delete(price), `${price} was not there`)
      }
    }
    const bids = [...sides.bids.keys()]
    const asks = [...sides.asks.keys()]
    const [bid, ask] = [Math.max(...bids), Math.min(...asks)]
    assert.ok(bid < ask, 'uncrossed')
    assert.ok(bids.length >= 10 && asks.length >= 10, `${bids.length} and ${asks.length} levels`)
    this.levels = Math.max(this.levels, bids.length, asks.length)
    const quote = this.#quotes.get(symbol)
    if (!quote) return
    assert.deepEqual(
      [bid, sides.bids.get(bid), ask, sides.asks.get(ask)],
      [quote.bid, quote.bidSize, quote.ask, quote.askSize],
    )
    assert.equal(timeOf(book), timeOf(quote))
  }
}

/** Variance over mean of the numbers of events in windows of `ms`: 1 for independent arrivals. */
export function dispersion(times: readonly number[], ms: number): number {
  const first = Math.ceil(times[0]! / ms)
  const counts = new Array<number>(Math.floor(times.at(-1)! / ms) - first).fill(0)
  for (const time of times) {
    const window = Math.floor(time / ms) - first
    if (window >= 0 && window < counts.length) counts[window]!++
  }
  const mean = counts.reduce((a, b) => a + b, 0) / counts.length
  return counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length / mean
}
