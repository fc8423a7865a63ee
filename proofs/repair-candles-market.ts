import type { Random } from '../src/base/random.ts'
import { type Bar, createEvent, type Interval } from '../src/market/events.ts'

/** A form of a candle as the venue sent it. */
export interface Form {
  readonly bar: Bar
  readonly at: number
}

export interface CandleMarketOptions {
  readonly symbols: readonly string[]
  readonly interval: Interval
  readonly lengthMs: number
  /** The venue says itself that a candle is over, at its end. */
  readonly tellsEnd: boolean
  /** The venue adds what it hears of late to candles that are over. */
  readonly revises: boolean
  deliver(bar: Bar): void
}

/** One pair, and the candle that grows. */
interface Pair {
  readonly symbol: string
  /** Time between trades on average, ms. */
  readonly gapMs: number
  next: number
  bar: Bar | undefined
}

/** Time between trades, ms: a lively pair, one that is now and then silent for longer than a candle lasts, and one in between. */
const GAPS_MS = [700, 9_000, 75_000] as const
/** How many candles get a trade more once they are over, and how long after that. */
const LATE = { share: 0.3, mostMs: 25_000 } as const

/** A market of candles that grow with each trade; it keeps every form it has sent, which is the truth a feed is held to. */
export class CandleMarket {
  readonly truth = new Map<string, Form[]>()
  readonly #random: Random
  readonly #options: CandleMarketOptions
  readonly #pairs: readonly Pair[]
  /** Trades that candles that are over will be given yet. */
  #late: { readonly bar: Bar; readonly at: number }[] = []

  constructor(random: Random, now: number, options: CandleMarketOptions) {
    this.#random = random
    this.#options = options
    this.#pairs = options.symbols.map((symbol, i) => {
      return { symbol, gapMs: GAPS_MS[i % GAPS_MS.length]!, next: now, bar: undefined }
    })
  }

  /** What has happened up to now goes out; `isOpen` says whether anybody trades. */
  run(now: number, isOpen = true): void {
    for (const pair of this.#pairs) {
      while (isOpen && pair.next <= now) {
        const at = pair.next
        pair.next += Math.ceil(-Math.log(1 - this.#random()) * pair.gapMs)
        this.#end(pair, at)
        this.#trade(pair, at, now)
      }
      this.#end(pair, now)
    }
    const due = this.#late.filter(({ at }) => at <= now)
    this.#late = this.#late.filter(({ at }) => at > now)
    for (const { bar } of due) this.#send(this.#grown(this.#last(bar)), now)
  }

  /** The last form of a candle. */
  #last({ symbol, timestamp }: Bar): Bar {
    return this.truth.get(`${symbol} ${timestamp}`)!.at(-1)!.bar
  }

  #trade(pair: Pair, at: number, now: number): void {
    const { symbol } = pair
    const { interval, lengthMs } = this.#options
    const timestamp = Math.floor(at / lengthMs) * lengthMs
    const price = 100 + Math.floor(this.#random() * 64) / 8
    pair.bar = pair.bar
      ? this.#grown(pair.bar)
      : (createEvent({
          ...{ type: 'bar', source: 'venue', symbol, timestamp, interval, final: false },
          ...{ open: price, high: price, low: price, close: price, volume: 0.5, tradeCount: 1 },
        }) as Bar)
    this.#send(pair.bar, now)
  }

  /** The candle of a pair is over at its end. */
  #end(pair: Pair, now: number): void {
    const { bar } = pair
    const { lengthMs, tellsEnd, revises } = this.#options
    if (!bar || bar.timestamp + lengthMs > now) return
    pair.bar = undefined
    if (tellsEnd) this.#send(createEvent({ ...bar, final: true }) as Bar, now)
    const at = now + this.#random() * LATE.mostMs
    if (this.#random() < LATE.share && revises) this.#late.push({ bar, at })
  }

  /** With one trade more; no two forms of a candle have the same volume. */
  #grown(bar: Bar): Bar {
    const { volume, tradeCount = 0 } = bar
    const close = 100 + Math.floor(this.#random() * 64) / 8
    const [high, low] = [Math.max(bar.high, close), Math.min(bar.low, close)]
    const more = { volume: volume + 0.5, tradeCount: tradeCount + 1, high, low, close }
    return createEvent({ ...bar, ...more }) as Bar
  }

  #send(bar: Bar, at: number): void {
    const key = `${bar.symbol} ${bar.timestamp}`
    const forms = this.truth.get(key)
    if (forms) forms.push({ bar, at })
    else this.truth.set(key, [{ bar, at }])
    this.#options.deliver(bar)
  }
}
