// A made-up stream of everything that changes what is latest: late and repaired events, cancels, corrections, books, holes.
import { seededRandom } from '../../src/base/random.ts'
import { createEvent, Flag, type Level, type MarketEvent } from '../../src/market/events.ts'
import { START } from './kit.ts'

const SYMBOLS = ['AAPL', 'BTC/USD', 'NSE:RELIANCE']
const SOURCES = ['one', 'two']

export function marketEvents(count: number, seed: number): MarketEvent[] {
  const random = seededRandom(seed)
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!
  const trades: { id: number; symbol: string; source: string; exchange: string }[] = []
  return Array.from({ length: count }, (_, i): MarketEvent => {
    const isBehind = random() < 0.1
    const received = START + i * 7
    const timestamp =
      received - (isBehind ? Math.floor(random() * 3_000) : Math.floor(random() * 3))
    const flags = isBehind ? pick([Flag.late, Flag.repaired, 0]) : 0
    const common = {
      ...{ symbol: pick(SYMBOLS), source: pick(SOURCES), timestamp, flags },
      ...{ nanos: Math.floor(random() * 3), receivedAt: received },
    }
    const kind = random()
    if (kind < 0.4) {
      const exchange = pick(['V', 'Q'])
      trades.push({ id: i, exchange, symbol: common.symbol, source: common.source })
      const price = Math.floor(random() * 500) / 100 + 1
      return createEvent({ type: 'trade', ...common, price, size: 1, id: i, exchange })
    }
    if (kind < 0.5 && trades.length > 0) {
      const { id, ...of } = random() < 0.6 ? trades.at(-1)! : pick(trades)
      return random() < 0.7
        ? createEvent({ type: 'cancel', ...common, ...of, id, action: 'cancel' })
        : createEvent({
            ...{ type: 'correction', ...common, ...of, originalId: id, originalPrice: 1 },
            ...{ originalSize: 1, id: i, price: 99, size: 3 },
          })
    }
    if (kind < 0.7) return createEvent({ type: 'quote', ...common, bid: random(), ask: 2 })
    if (kind < 0.75) return createEvent({ type: 'ticker', ...common, last: random() })
    if (kind < 0.8) {
      return createEvent({
        ...{ type: 'bar', ...common, timestamp: START + Math.floor(i / 50) * 60_000, nanos: 0 },
        ...{ interval: pick(['1m', '1d'] as const), open: 1, high: 2, low: 1, close: random() },
        ...{ volume: 3, final: random() < 0.5, revision: Math.floor(random() * 3) },
      })
    }
    if (kind < 0.803) {
      const notice = pick(['gap', 'clock'] as const)
      return createEvent({ type: 'notice', ...common, notice, kind: 'book', message: 'made up' })
    }
    const level = (from: number): Level => [
      from + Math.floor(random() * 5),
      Math.floor(random() * 3),
    ]
    const snapshot = random() < 0.05
    const sides = { bids: [level(100)], asks: [level(110)] }
    return createEvent({ type: 'book', ...common, ...sides, snapshot })
  })
}
