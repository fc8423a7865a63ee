import type { Bar, Level, MarketEvent } from '../../market/events.ts'
import { type Known, NOTHING_KNOWN } from './server-frames.ts'

/** What the broker behind the server knows of its market. */
export class OpenAlgoFloor {
  readonly #known = new Map<string, Known>()
  readonly #bars = new Map<string, Bar[]>()

  of(symbol: string): Readonly<Known> {
    return this.#known.get(symbol) ?? NOTHING_KNOWN
  }

  /** The bars of a length, oldest first. */
  bars(symbol: string, interval: string): readonly Bar[] {
    return this.#bars.get(`${interval} ${symbol}`) ?? []
  }

  take(event: MarketEvent): void {
    const { symbol } = event
    if (symbol === undefined) return
    if (event.type === 'bar') {
      const key = `${event.interval} ${symbol}`
      this.#bars.set(key, [...(this.#bars.get(key) ?? []), event])
      return
    }
    const known = this.#known.get(symbol) ?? { ...NOTHING_KNOWN }
    this.#known.set(symbol, known)
    switch (event.type) {
      case 'trade':
        known.last = event.price
        known.lastSize = event.size
        known.lastTime = event.timestamp
        known.volume += event.size
        break
      case 'ticker':
        known.last = event.last ?? known.last
        known.lastSize = event.lastSize ?? known.lastSize
        known.lastTime = event.lastTime ?? event.timestamp
        known.open = event.open ?? known.open
        known.high = event.high ?? known.high
        known.low = event.low ?? known.low
        known.close = event.previousClose ?? known.close
        known.volume = event.volume ?? known.volume
        known.vwap = event.vwap ?? known.vwap
        known.interest = event.openInterest ?? known.interest
        break
      case 'quote':
        known.bids = event.bid === undefined ? [] : [[event.bid, event.bidSize ?? 0]]
        known.asks = event.ask === undefined ? [] : [[event.ask, event.askSize ?? 0]]
        break
      case 'book':
        known.bids = merged(event.snapshot ? [] : known.bids, event.bids, -1)
        known.asks = merged(event.snapshot ? [] : known.asks, event.asks, 1)
    }
  }
}

function merged(before: readonly Level[], changes: readonly Level[], sign: 1 | -1): Level[] {
  const side = new Map<number, number>(before)
  for (const [price, size] of changes) {
    if (size === 0) side.delete(price)
    else side.set(price, size)
  }
  return [...side].sort(([a], [b]) => (a - b) * sign)
}
