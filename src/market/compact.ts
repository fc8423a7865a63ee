import {
  EVENT_TYPES,
  type EventBase,
  type EventType,
  type MarketEvent,
  Quote,
  type Side,
  Trade,
  type TradeId,
} from './events.ts'

/** Numbers of a slot: timestamp, nanos, receivedAt, code, and four of the kind's own. */
const NUMBERS = 8
const CODE = 3
/** What else a slot holds: symbol, source, and five of the kind's own. */
const REFS = 7

/** A slot's code: the kind, which of its own numbers are there, and the flags. */
const KIND_SHIFT = 12
const HAS_SHIFT = 8
const HAS_ALL = 0b1111
const HAS_ID = 0b0100
const FLAGS = 0xff
/** The event itself is kept: of a kind that is rarer, or an object of somebody's own. */
const KEPT = 0

const KIND_CODES = Object.fromEntries(
  EVENT_TYPES.map((type, index) => [type, (index + 1) << KIND_SHIFT]),
) as Readonly<Record<EventType, number>>
const { trade: TRADE, quote: QUOTE } = KIND_CODES

type Conditions = readonly string[] | undefined

/**
 * A fixed number of slots for events, which holds what trades and quotes say instead of the objects. A hundred thousand
 * objects kept for a while are each copied twice by the garbage collector before they die: measured, that costs three
 * times what decoding them does. An event that is asked for is made anew, equal to the one that was put.
 */
export class CompactEvents {
  #numbers: Float64Array
  #refs: unknown[]

  /** Slots are 0 to `capacity − 1`. */
  constructor(public capacity: number) {
    this.#numbers = new Float64Array(capacity * NUMBERS)
    this.#refs = new Array(capacity * REFS).fill(undefined)
  }

  /** As many slots again; what is held stays where it is. */
  double(): void {
    this.capacity *= 2
    const numbers = new Float64Array(this.capacity * NUMBERS)
    numbers.set(this.#numbers)
    this.#numbers = numbers
    this.#refs = this.#refs.concat(new Array(this.#refs.length).fill(undefined))
  }

  put(slot: number, event: MarketEvent): void {
    // Each kind reads its own fields in its own function: V8 knows the shape there.
    if (event instanceof Quote) this.#putQuote(slot, event)
    else if (event instanceof Trade) this.#putTrade(slot, event)
    else this.#keep(slot, event)
  }

  /** The event last put into a slot, without its `seq`; there must be one. */
  get(slot: number): MarketEvent {
    const n = slot * NUMBERS
    const r = slot * REFS
    const numbers = this.#numbers
    const refs = this.#refs
    const code = numbers[n + CODE]!
    if (code === KEPT) return refs[r + 2] as MarketEvent
    const has = code >> HAS_SHIFT
    const [symbol, source] = [refs[r] as string, refs[r + 1] as string]
    const common = [numbers[n]!, numbers[n + 1]!, numbers[n + 2]!, code & FLAGS] as const
    const own = (index: number) => ((has >> index) & 1 ? numbers[n + 4 + index] : undefined)
    if (code >> KIND_SHIFT === QUOTE >> KIND_SHIFT) {
      const [bidExchange, askExchange] = [refs[r + 2], refs[r + 3]] as (string | undefined)[]
      const rest = [refs[r + 4] as Conditions, refs[r + 5] as string | undefined] as const
      const prices = [own(0), own(1), own(2), own(3)] as const
      return new Quote(symbol, source, ...common, ...prices, bidExchange, askExchange, ...rest)
    }
    const id = (has & HAS_ID ? numbers[n + 6] : refs[r + 6]) as TradeId | undefined
    const exchange = refs[r + 2] as string | undefined
    const rest = [refs[r + 4] as string | undefined, refs[r + 5] as Side | undefined] as const
    const said = [
      numbers[n + 4]!,
      numbers[n + 5]!,
      id,
      exchange,
      refs[r + 3] as Conditions,
    ] as const
    return new Trade(symbol, source, ...common, ...said, ...rest)
  }

  /** `receivedAt` of the event in a slot. */
  receivedAt(slot: number): number {
    return this.#numbers[slot * NUMBERS + 2]!
  }

  #putQuote(slot: number, quote: Quote): void {
    const { bid, bidSize, ask, askSize } = quote
    const numbers = this.#numbers
    const n = slot * NUMBERS + 4
    let has = HAS_ALL
    if (bid === undefined) has &= ~1
    else numbers[n] = bid
    if (bidSize === undefined) has &= ~2
    else numbers[n + 1] = bidSize
    if (ask === undefined) has &= ~4
    else numbers[n + 2] = ask
    if (askSize === undefined) has &= ~8
    else numbers[n + 3] = askSize
    this.#common(slot, quote, QUOTE | (has << HAS_SHIFT) | quote.flags)
    const refs = this.#refs
    const r = slot * REFS
    refs[r + 2] = quote.bidExchange
    refs[r + 3] = quote.askExchange
    refs[r + 4] = quote.conditions
    refs[r + 5] = quote.tape
  }

  #putTrade(slot: number, trade: Trade): void {
    const { id } = trade
    const numbers = this.#numbers
    const n = slot * NUMBERS + 4
    numbers[n] = trade.price
    numbers[n + 1] = trade.size
    const refs = this.#refs
    const r = slot * REFS
    let has = 0
    if (typeof id === 'number') {
      numbers[n + 2] = id
      has = HAS_ID
    } else refs[r + 6] = id
    this.#common(slot, trade, TRADE | (has << HAS_SHIFT) | trade.flags)
    refs[r + 2] = trade.exchange
    refs[r + 3] = trade.conditions
    refs[r + 4] = trade.tape
    refs[r + 5] = trade.side
  }

  #keep(slot: number, event: MarketEvent): void {
    this.#common(slot, event, KEPT)
    this.#refs[slot * REFS + 2] = event
  }

  #common(slot: number, event: EventBase, code: number): void {
    const numbers = this.#numbers
    const n = slot * NUMBERS
    numbers[n] = event.timestamp
    numbers[n + 1] = event.nanos
    numbers[n + 2] = event.receivedAt
    numbers[n + CODE] = code
    const refs = this.#refs
    const r = slot * REFS
    refs[r] = event.symbol
    refs[r + 1] = event.source
  }
}
