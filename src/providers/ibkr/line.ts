import { Flag, Quote, Ticker } from '../../market/events.ts'
import { sideOf } from './ticks.ts'

/** What a line of market data says, by TWS's tick types, live and delayed: https://interactivebrokers.github.io/tws-api/tick_types.html */
const PRICES: Readonly<Record<number, PriceField>> = {
  ...{ 1: 'bid', 2: 'ask', 4: 'last', 6: 'high', 7: 'low', 9: 'previousClose', 14: 'open' },
  ...{ 37: 'mark', 66: 'bid', 67: 'ask', 68: 'last', 72: 'high', 73: 'low' },
  ...{ 75: 'previousClose', 76: 'open' },
}
const SIZES: Readonly<Record<number, SizeField>> = {
  ...{ 0: 'bidSize', 3: 'askSize', 5: 'lastSize', 8: 'volume', 22: 'openInterest' },
  ...{ 69: 'bidSize', 70: 'askSize', 71: 'lastSize', 74: 'volume', 86: 'openInterest' },
}
const LAST_TIMES = [45, 88]
const RT_VOLUME = 48
/** What is asked for besides the usual: RTVolume, the only one with times in ms, and a future's open interest. */
export const EXTRAS = { trades: '233', futures: '233,588', none: '' } as const

type PriceField = 'bid' | 'ask' | 'last' | 'high' | 'low' | 'previousClose' | 'open' | 'mark'
type SizeField = 'bidSize' | 'askSize' | 'lastSize' | 'volume' | 'openInterest'
type Field = PriceField | SizeField | 'lastTime' | 'vwap'

const QUOTED: readonly Field[] = ['bid', 'ask', 'bidSize', 'askSize']

/**
 * A line of market data: what was last said of each field. TWS sends it a few times a second with what has changed since,
 * so it is never a trade, however much the last price looks like one.
 */
export class Line {
  readonly #fields: Partial<Record<Field, number>> = {}
  /** TWS's data type: 1 live, 2 frozen, 3 delayed, 4 delayed and frozen. */
  #dataType = 1
  #changed = false
  #quoteChanged = false
  /** Sides TWS has said anything of: until then nobody knows whether somebody quotes there. */
  readonly #told = new Set<PriceField>()

  /** Live data that is not of now. */
  get flags(): number {
    return this.#dataType === 1 ? 0 : Flag.delayed
  }

  get dataType(): number {
    return this.#dataType
  }

  set dataType(type: number) {
    if (type >= 1 && type <= 4) this.#dataType = type
  }

  price(tick: number, price: number | undefined): void {
    const field = PRICES[tick]
    if (!field) return
    // Delayed ticks are told apart also where no type was said.
    if (tick >= 66 && this.#dataType === 1) this.#dataType = 3
    // −1 says that there is none.
    const none = price === undefined || price === -1
    this.#told.add(field)
    this.#set(field, none ? undefined : price)
  }

  size(tick: number, size: number | undefined): void {
    const field = SIZES[tick]
    if (field && (size === undefined || size >= 0)) this.#set(field, size)
  }

  /** @returns why it cannot be read */
  text(tick: number, text: string): string | undefined {
    if (LAST_TIMES.includes(tick)) {
      const seconds = Number(text)
      if (!(Number.isInteger(seconds) && seconds > 0)) return `a last time ${text.slice(0, 20)}`
      this.#set('lastTime', Math.max(seconds * 1_000, this.#fields.lastTime ?? 0))
    } else if (tick === RT_VOLUME) return this.#summary(text)
    return undefined
  }

  /** `price;size;time in ms;volume;VWAP;single`; the price is empty where only the volume changed. */
  #summary(text: string): string | undefined {
    const [price = '', size = '', time = '', volume = '', vwap = ''] = text.split(';')
    const numbers = [time, volume, vwap].map(Number)
    if ([time, volume, vwap].includes('') || !numbers.every(Number.isFinite)) {
      return `an RTVolume ${text.slice(0, 60)}`
    }
    const [at, total, mean] = numbers as [number, number, number]
    if (price !== '' && Number.isFinite(Number(price)) && Number(size) > 0) {
      this.#set('last', Number(price))
      this.#set('lastSize', Number(size))
      this.#set('lastTime', Math.floor(at))
    }
    if (total > 0) this.#set('volume', total)
    if (mean > 0) this.#set('vwap', mean)
    return undefined
  }

  #set(field: Field, value: number | undefined): void {
    if (this.#fields[field] === value) return
    if (value === undefined) delete this.#fields[field]
    else this.#fields[field] = value
    this.#changed = true
    if (QUOTED.includes(field)) this.#quoteChanged = true
  }

  /** A price and how much is there: none where TWS says nothing at 0. */
  #side(name: 'bid' | 'ask' | 'last') {
    return sideOf(this.#fields[name], this.#fields[`${name}Size`])
  }

  /** A price of the day: TWS writes 0 for one there has not been. */
  #known(name: PriceField): number | undefined {
    return this.#fields[name] || undefined
  }

  /** What it says now, if that is news. TWS gives no time of it: it is that of receipt. */
  ticker(symbol: string, source: string, receivedAt: number): Ticker | undefined {
    if (!this.#changed) return undefined
    this.#changed = false
    const { lastTime, volume, vwap, openInterest } = this.#fields
    const [bid, ask, trade] = [this.#side('bid'), this.#side('ask'), this.#side('last')]
    const [open, high, low] = [this.#known('open'), this.#known('high'), this.#known('low')]
    const [previousClose, mark] = [this.#known('previousClose'), this.#known('mark')]
    const last = trade?.price
    const known = last !== undefined && previousClose !== undefined
    const change = known ? last - previousClose : undefined
    return new Ticker(
      ...([symbol, source, Math.floor(receivedAt), 0, receivedAt, this.flags] as const),
      ...([last, trade?.size, lastTime, open, high, low, previousClose, change] as const),
      change === undefined ? undefined : (change / Math.abs(previousClose!)) * 100,
      ...([volume, vwap, bid?.price, ask?.price, bid?.size, ask?.size] as const),
      ...([undefined, openInterest, mark, undefined] as const),
    )
  }

  /** The best bid and ask, if they are news: one stands for all there were since the last. */
  quote(symbol: string, source: string, receivedAt: number): Quote | undefined {
    const [bid, ask] = [this.#side('bid'), this.#side('ask')]
    const isTold = this.#told.has('bid') && this.#told.has('ask')
    if (!this.#quoteChanged || !isTold || (bid === undefined && ask === undefined)) return undefined
    this.#quoteChanged = false
    return new Quote(
      ...([symbol, source, Math.floor(receivedAt), 0, receivedAt] as const),
      this.flags | Flag.conflated,
      ...([bid?.price, bid?.size, ask?.price, ask?.size] as const),
      ...([undefined, undefined, undefined, undefined] as const),
    )
  }

  /** Everything is news again, for somebody who has only just come. */
  renew(): void {
    this.#changed = Object.keys(this.#fields).length > 0
    this.#quoteChanged = this.#changed
  }
}
