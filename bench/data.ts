/**
 * The market data that benches run on, the same in every run: 500 symbols, 20 % trades, 75 % quotes, 5 % bars, times
 * with nanoseconds, as frames of Alpaca's stock stream (about 130 bytes a message as JSON, 75 as msgpack).
 */
import { seededRandom } from '../src/base/random.ts'
import { Bar, type MarketEvent, Quote, Trade } from '../src/market/events.ts'
import { encodeJson, encodePack } from '../src/providers/alpaca/encode.ts'

export const SYMBOLS: readonly string[] = makeSymbols(500)

/** Events in one round of data: enough that caches see something new. */
export const ROUND = 32_768

/** Events of a round that is not repeated within a run: the whole engine would leave out what comes twice. */
export const LONG_ROUND = 1_048_576

/** Events as a busy market sends them. `source` and `receivedAt` are the caller's to compare or ignore. */
export function sampleEvents(count: number, seed = 1): MarketEvent[] {
  const random = seededRandom(seed)
  const int = (below: number) => Math.floor(random() * below)
  const pick = <T>(list: readonly T[]) => list[int(list.length)]!
  const prices = SYMBOLS.map(() => 1_000 + int(60_000))
  const start = Date.UTC(2024, 0, 16, 14, 30)
  let now = start
  return Array.from({ length: count }, () => {
    now += random() * 0.2
    const ms = Math.floor(now)
    const nanos = pick([int(1_000_000), int(1_000_000), int(1_000) * 1_000])
    const at = Math.floor(random() ** 2 * SYMBOLS.length)
    const symbol = SYMBOLS[at]!
    const cents = (prices[at] = Math.max(500, prices[at]! + int(7) - 3))
    const kind = random()
    if (kind < 0.75) {
      const ask = cents + 1 + int(5)
      return new Quote(
        ...([symbol, 'alpaca', ms, nanos, 0, 0, cents / 100, 1 + int(40), ask / 100] as const),
        ...([1 + int(40), pick(EXCHANGES), pick(EXCHANGES), ['R'], pick(TAPES)] as const),
      )
    }
    if (kind < 0.95) {
      const price = random() < 0.1 ? (cents * 100 + int(100)) / 10_000 : cents / 100
      return new Trade(
        ...([symbol, 'alpaca', ms, nanos, 0, 0, price, 1 + int(500), 1 + int(1e8)] as const),
        ...([pick(EXCHANGES), pick(CONDITIONS), pick(TAPES), undefined] as const),
      )
    }
    const minute = Math.floor(ms / 60_000) * 60_000 - 60_000
    const [open, high, low] = [cents - int(9), cents + 10 + int(20), cents - 10 - int(20)]
    return new Bar(
      ...([symbol, 'alpaca', minute, 0, 0, 0, '1m', open / 100, high / 100, low / 100] as const),
      ...([cents / 100, 100 + int(90_000), (cents * 1e4 + int(1e4)) / 1e6] as const),
      ...([1 + int(900), true, 0, undefined] as const),
    )
  })
}

/** Frames of `perFrame` messages each, as the venue sends them. */
export function jsonFrames(events: readonly MarketEvent[], perFrame: number): Buffer[] {
  return chunks(events, perFrame).map(chunk => Buffer.from(encodeJson(chunk)))
}

/** The same in msgpack. */
export function msgpackFrames(events: readonly MarketEvent[], perFrame: number): Buffer[] {
  return chunks(events, perFrame).map(chunk => Buffer.from(encodePack(chunk)))
}

/** The same market as frames of Polygon's stock stream, with every key its pages document. */
export function polygonFrames(events: readonly MarketEvent[], perFrame: number): Buffer[] {
  const random = seededRandom(3)
  const int = (below: number) => Math.floor(random() * below)
  const messages = events.map((event, q) => JSON.stringify(polygonMessage(event, q, int)))
  return chunks(messages, perFrame).map(chunk => Buffer.from(`[${chunk.join()}]`))
}

function polygonMessage(event: MarketEvent, q: number, int: (below: number) => number): object {
  const { symbol: sym, timestamp: t } = event
  const z = 1 + int(3)
  switch (event.type) {
    case 'trade': {
      const { price: p, size: s } = event
      const c = POLYGON_CONDITIONS[int(POLYGON_CONDITIONS.length)]
      const ids = { x: 1 + int(21), i: String(event.id) }
      return { ev: 'T', sym, ...ids, z, p, s, ...(c && { c }), t, pt: t - int(20), q: 1e6 + q }
    }
    case 'quote': {
      const { bid: bp, bidSize: bs, ask: ap, askSize: as } = event
      const sides = { bx: 1 + int(21), bp, bs, ax: 1 + int(21), ap, as }
      return { ev: 'Q', sym, ...sides, c: 1, ...(int(8) === 0 && { i: [604] }), t, q: 1e6 + q, z }
    }
    case 'bar': {
      const { open: o, close: c, high: h, low: l, volume: v, vwap: vw } = event
      const day = { v, av: 1e6 + int(1e6), op: o, vw }
      return { ev: 'AM', sym, ...day, o, c, h, l, a: vw, z: 1 + int(200), s: t, e: t + 60_000 }
    }
  }
  throw new Error(`no ${event.type} in this bench`)
}

const POLYGON_CONDITIONS = [undefined, [37], [12, 37], [14, 41], [14, 37, 41], [0, 12]]

function chunks<T>(list: readonly T[], size: number): T[][] {
  const parts: T[][] = []
  for (let i = 0; i < list.length; i += size) parts.push(list.slice(i, i + size))
  return parts
}

const EXCHANGES = ['V', 'Q', 'K', 'Z', 'P', 'D', 'N', 'U']
const CONDITIONS = [
  ['@'],
  ['@', 'I'],
  ['@', 'F'],
  ['@', 'F', 'I'],
  ['@', 'T', 'I'],
  ['@', 'F', 'T', 'I'],
]
const TAPES = ['A', 'B', 'C']

function makeSymbols(count: number): string[] {
  const random = seededRandom(7)
  const letter = () => String.fromCharCode(65 + Math.floor(random() * 26))
  const symbols = new Set(['AAPL', 'SPY', 'TSLA', 'MSFT', 'F', 'BRK.B'])
  while (symbols.size < count) {
    symbols.add(Array.from({ length: 1 + Math.floor(random() * 4) }, letter).join(''))
  }
  return [...symbols]
}
