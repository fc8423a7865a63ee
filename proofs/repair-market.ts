import type { Random } from '../src/base/random.ts'
import { identityOf } from '../src/feed/identity.ts'
import { KIND_BIT } from '../src/feed/provider.ts'
import { type Bar, createEvent, type MarketEvent } from '../src/market/events.ts'
import { canonicalSymbol } from '../src/market/symbols.ts'
import { instruments } from '../src/providers/simulated/instruments.ts'
import { Simulation } from '../src/providers/simulated/simulation.ts'

/** Two that move much, one that moves little and one that hardly does. */
const STOCKS = [
  { symbol: 'SPY', weight: 10 },
  { symbol: 'TSLA', weight: 6 },
  { symbol: 'THIN', weight: 1 },
  { symbol: 'RARE', weight: 0.1 },
] as const
export const SYMBOLS = STOCKS.map(({ symbol }) => symbol)
/** How long after its end a bar is put right, and how many are; later trades are told that way. */
const REVISED = { afterMs: 30_000, share: 0.6 } as const
const MINUTE_MS = 60_000
/** Steps at a time: more than there can be. */
const ALL = 100_000

/** An event as the venue sent it, and when. */
export interface Sent {
  readonly event: MarketEvent
  readonly at: number
}

/**
 * A market whose trades share ids across exchanges, are reported late, corrected and canceled, and often have one time,
 * and whose bars are put right later; it keeps what it has sent, which is the truth a feed is held to.
 */
export class Market {
  readonly truth: Sent[] = []
  readonly #simulation: Simulation
  readonly #random: Random
  /** Times are whole multiples of this, ms; 0 leaves them as they are. */
  readonly #grid: number
  readonly #known = new Set<string>()
  /** Bars that will be put right, the next one first. */
  readonly #revisions: Bar[] = []
  readonly #deliver: (batch: readonly MarketEvent[]) => void

  constructor(
    random: Random,
    options: {
      readonly start: number
      /** Events a second. */
      readonly rate: number
      readonly deliver: (batch: readonly MarketEvent[]) => void
    },
  ) {
    const { start, rate, deliver } = options
    const seed = Math.floor(random() * 2 ** 31)
    this.#random = random
    this.#deliver = deliver
    this.#grid = random() < 0.4 ? 1 + Math.floor(random() * 10) : 0
    const all = instruments([...STOCKS], canonicalSymbol)
    this.#simulation = new Simulation(all, { seed, rate, source: 'venue', start })
    const kinds = ['trade', 'quote', 'bar', 'correction', 'cancel'] as const
    const wants = kinds.reduce((bits, kind) => bits | KIND_BIT[kind], 0)
    for (const symbol of SYMBOLS) this.#simulation.want(symbol, wants, start)
  }

  /** One event of each symbol and kind: a feed that never had one cannot know, after a crash, that it wanted any. */
  open(now: number): void {
    const timestamp = Math.floor(now)
    const minute = Math.floor(now / 60_000) * 60_000 - 60_000
    const batch = SYMBOLS.flatMap(symbol => [
      createEvent({
        ...{ type: 'trade', symbol, timestamp, price: 100, size: 1, id: 1_000_000_007 },
        ...{ exchange: 'V', conditions: ['@'], tape: 'C' },
      }),
      createEvent({
        ...{ type: 'quote', symbol, timestamp, bid: 99, bidSize: 1, ask: 101, askSize: 1 },
        ...{ bidExchange: 'V', askExchange: 'V', conditions: ['R'], tape: 'C' },
      }),
      createEvent({
        ...{ type: 'bar', symbol, timestamp: minute, interval: '1m', final: true, revision: 0 },
        ...{ open: 100, high: 100, low: 100, close: 100, volume: 1, vwap: 100, tradeCount: 1 },
      }),
    ])
    this.#send(batch, now)
  }

  /** What has happened up to now goes out, in frames of some events. */
  run(now: number): void {
    const out: MarketEvent[] = []
    this.#simulation.run(now, ALL, out)
    const batch = out.flatMap(event => this.#shape(event))
    for (const event of batch)
      if (event.type === 'bar' && this.#random() < REVISED.share) this.#revisions.push(event)
    const isDue = ({ timestamp }: Bar) => timestamp + MINUTE_MS + REVISED.afterMs <= now
    while (this.#revisions[0] && isDue(this.#revisions[0])) {
      batch.push(revisionOf(this.#revisions.shift()!))
    }
    for (let at = 0; at < batch.length; ) {
      const size = 1 + Math.floor(this.#random() ** 2 * 8)
      this.#send(batch.slice(at, at + size), now)
      at += size
    }
  }

  #send(batch: readonly MarketEvent[], at: number): void {
    for (const event of batch) this.truth.push({ event, at })
    this.#deliver(batch)
  }

  /** On the grid of times; never two quotes that say the same, which nobody could tell from one sent twice. */
  #shape(event: MarketEvent): MarketEvent[] {
    const { timestamp } = event
    const grid = event.type === 'bar' ? 0 : this.#grid
    const time = grid === 0 ? {} : { timestamp: timestamp - (timestamp % grid), nanos: 0 }
    const shaped = createEvent({ ...event, ...time, flags: 0 })
    if (shaped.type !== 'quote') return [shaped]
    const key = `${shaped.symbol} ${identityOf(shaped)}`
    if (this.#known.has(key)) return []
    this.#known.add(key)
    return [shaped]
  }
}

/** The same bar with one trade more. */
function revisionOf(bar: Bar): MarketEvent {
  const { volume, tradeCount, revision } = bar
  const more = { volume: volume + 1, tradeCount: (tradeCount ?? 0) + 1 }
  return createEvent({ ...bar, ...more, revision: revision + 1 })
}
