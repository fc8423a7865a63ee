import {
  BAR,
  type Field,
  HeadStates,
  ID,
  isMoment,
  LOT,
  momentOf,
  NO_WORD,
  NS_REACH_MS,
  NUMBER_OF,
  PLANS,
  QUOTE,
  QUOTE_SHAPE,
  RECEIVED,
  RECEIVED_SHIFT,
  SIDES,
  SIZE_END,
  STEPS_PER_MS,
  type Streams,
  TIME,
  TIME_SHIFT,
  TRADE,
  TRADE_SHAPE,
} from './block-fields.ts'
import { writeLevels } from './block-levels.ts'
import { type ByteWriter, INT_END, POWERS, type Reference } from './bytes.ts'
import { type Head, IN_PLACE, PREVIOUS } from './dictionary-reader.ts'
import {
  checkText,
  type DictionaryWriter,
  notAnEvent,
  writeHead,
  writeTexts,
} from './dictionary-writer.ts'
import type { Level, MarketEvent, Quote, Trade, TradeId } from './events.ts'

/** Where the kinds have a price. */
type FirstPrices = Partial<
  Readonly<Record<'price' | 'bid' | 'last' | 'close', number>> & { readonly bids: readonly Level[] }
>

/** Writes events into streams, each number relative to what stands before it in the block. */
export class EventWriter {
  readonly #streams: Streams<ByteWriter>
  readonly #states = new HeadStates()
  readonly #price: Reference = { scale: 0, mantissa: 0 }
  readonly #moment: Reference = { scale: 0, mantissa: 0 }
  #dictionary: DictionaryWriter

  constructor(streams: Streams<ByteWriter>, dictionary: DictionaryWriter) {
    this.#streams = streams
    this.#dictionary = dictionary
  }

  /** Goes on with another dictionary. */
  use(dictionary: DictionaryWriter): void {
    this.#dictionary = dictionary
  }

  /**
   * Writes events [from, to) as one block that counts time from `base`, a safe integer.
   * @throws BAD_EVENT for what is not an event
   */
  write(events: readonly MarketEvent[], from: number, to: number, base: number): void {
    const { control, head: heads, time, received } = this.#streams
    const states = this.#states
    states.startBlock()
    let [lastTime, lastNanos, lastReceived] = [base, 0, base]
    let lastHead: Head | undefined
    for (let i = from; i < to; i++) {
      const event = events[i]!
      const { type, timestamp, nanos, receivedAt } = event
      const kind = type === 'quote' ? QUOTE : type === 'trade' ? TRADE : numberOf(type)
      const mark = control.hold()

      const head = this.#headOf(event, kind)
      const { slot } = head
      if (head === lastHead) heads.byte(PREVIOUS)
      else if (slot === 0) {
        heads.byte(IN_PLACE)
        writeHead(this.#streams.rest, head, undefined)
      } else {
        heads.uint(slot + IN_PLACE)
        lastHead = head
      }
      states.enter(slot, head.scale, head.mantissa)

      let timing: number = TIME.full
      const ms = timestamp - lastTime
      if (
        ms < INT_END &&
        ms > -INT_END &&
        ms === (ms | 0) &&
        lastTime + ms === timestamp &&
        timestamp !== 0 &&
        nanos === (nanos | 0) &&
        (nanos !== 0 || 1 / nanos > 0)
      ) {
        if (ms === 0 && nanos === lastNanos) timing = TIME.same
        else if (nanos === 0) {
          timing = TIME.ms
          time.int(ms)
        } else if (ms < NS_REACH_MS && ms > -NS_REACH_MS && nanos > 0 && nanos < 1_000_000) {
          timing = TIME.ns
          time.int(ms * 1_000_000 + (nanos - lastNanos))
        }
      }
      if (timing === TIME.full) this.#fullTime(timestamp, nanos, lastTime)
      // A bar stands at the start of its interval, long before its neighbours.
      if (kind !== BAR && (timing !== TIME.full || isMoment(timestamp, nanos))) {
        lastTime = timestamp + 0
        lastNanos = nanos + 0
      }

      let receipt: number = RECEIVED.full
      if (receivedAt === 0) receipt = RECEIVED.full
      else if (receivedAt === lastReceived) receipt = RECEIVED.same
      else if (receivedAt === timestamp) receipt = RECEIVED.time
      else {
        const steps = (receivedAt - lastReceived) * STEPS_PER_MS
        if (
          steps < INT_END &&
          steps > -INT_END &&
          steps === (steps | 0) &&
          lastReceived + steps / STEPS_PER_MS === receivedAt
        ) {
          receipt = RECEIVED.steps
          received.int(steps)
        }
      }
      if (receipt === RECEIVED.full) received.double(numeral(receivedAt, 'receivedAt'))
      lastReceived = receivedAt

      control.bytes[mark] = kind | (timing << TIME_SHIFT) | (receipt << RECEIVED_SHIFT)
      if (kind === QUOTE) this.#quote(event as Quote, slot)
      else if (kind === TRADE) this.#trade(event as Trade, slot)
      else this.#other(event, kind, slot)
    }
  }

  #headOf(event: MarketEvent, kind: number): Head {
    const { symbol, source, flags } = event
    const { tape } = event as { readonly tape?: string }
    const head = this.#dictionary.find(symbol, source, flags, tape, !PLANS[kind]!.hasTape)
    if (head !== undefined) return head
    const { price, bid, last, close, bids } = event as FirstPrices
    const first = price ?? bid ?? last ?? close ?? bids?.[0]?.[0]
    return this.#dictionary.add(symbol, source, flags, tape, first)
  }

  #fullTime(timestamp: number, nanos: number, last: number): void {
    const { time } = this.#streams
    const moment = this.#moment
    moment.scale = 0
    moment.mantissa = last
    time.number(numeral(timestamp, 'timestamp'), moment)
    time.number(numeral(nanos, 'nanos'))
  }

  #trade(trade: Trade, slot: number): void {
    const { shape, price: prices, word, list } = this.#streams
    const { price, id, exchange, conditions, side } = trade
    const { scale, mantissa } = this.#states
    const mark = shape.hold()
    let bits = 0

    const power = POWERS[scale[slot]!]!
    const digits = Math.round(price * power)
    const delta = digits - mantissa[slot]!
    if (
      delta < INT_END &&
      delta > -INT_END &&
      digits / power === price &&
      (digits !== 0 || 1 / price > 0)
    ) {
      prices.int(delta)
      mantissa[slot] = digits
    } else {
      bits |= TRADE_SHAPE.fullPrice
      this.#fullPrice(prices, price, slot)
    }
    if (this.#size(trade.size)) bits |= TRADE_SHAPE.fullSize
    if (id !== undefined) bits |= this.#id(id, slot) << TRADE_SHAPE.idShift
    if (exchange !== undefined) {
      bits |= TRADE_SHAPE.exchange
      this.#dictionary.word(word, exchange)
    }
    if (conditions !== undefined) {
      bits |= TRADE_SHAPE.conditions
      this.#dictionary.list(list, conditions)
    }
    if (side !== undefined) {
      const number = SIDES.indexOf(side)
      if (number < 0) notAnEvent('no such side')
      bits |= number << TRADE_SHAPE.sideShift
    }
    shape.bytes[mark] = bits
  }

  #quote(quote: Quote, slot: number): void {
    const { shape, price: prices, word, list } = this.#streams
    const { bid, ask, bidExchange, askExchange, conditions } = quote
    const { scale, mantissa } = this.#states
    const mark = shape.hold()
    let bits = 0

    if (bid !== undefined) {
      const power = POWERS[scale[slot]!]!
      const digits = Math.round(bid * power)
      const delta = digits - mantissa[slot]!
      if (
        delta < INT_END &&
        delta > -INT_END &&
        digits / power === bid &&
        (digits !== 0 || 1 / bid > 0)
      ) {
        bits |= QUOTE_SHAPE.bid
        prices.int(delta)
        mantissa[slot] = digits
      } else {
        bits |= QUOTE_SHAPE.fullBid
        this.#fullPrice(prices, bid, slot)
      }
    }
    if (ask !== undefined) {
      const power = POWERS[scale[slot]!]!
      const digits = Math.round(ask * power)
      const delta = digits - mantissa[slot]!
      if (
        delta < INT_END &&
        delta > -INT_END &&
        digits / power === ask &&
        (digits !== 0 || 1 / ask > 0)
      ) {
        bits |= QUOTE_SHAPE.ask
        prices.int(delta)
      } else {
        bits |= QUOTE_SHAPE.fullAsk
        this.#fullPrice(prices, ask, slot)
      }
    }
    if (this.#size(quote.bidSize)) bits |= QUOTE_SHAPE.fullBidSize
    if (this.#size(quote.askSize)) bits |= QUOTE_SHAPE.fullAskSize
    if (bidExchange !== undefined || askExchange !== undefined) {
      bits |= QUOTE_SHAPE.exchanges
      if (bidExchange === undefined) word.byte(NO_WORD)
      else this.#dictionary.word(word, bidExchange)
      if (askExchange === undefined) word.byte(NO_WORD)
      else this.#dictionary.word(word, askExchange)
    }
    if (conditions !== undefined) {
      bits |= QUOTE_SHAPE.conditions
      this.#dictionary.list(list, conditions)
    }
    shape.bytes[mark] = bits
  }

  #fullPrice(out: ByteWriter, price: number, slot: number): void {
    const reference = this.#price
    const { scale, mantissa } = this.#states
    reference.scale = scale[slot]!
    reference.mantissa = mantissa[slot]!
    out.number(numeral(price, 'price'), reference)
    scale[slot] = reference.scale
    mantissa[slot] = reference.mantissa
  }

  /** Whether it had to be written in full. */
  #size(size: number | undefined): boolean {
    const out = this.#streams.size
    if (
      size !== undefined &&
      size < SIZE_END &&
      size >= 0 &&
      size === (size | 0) &&
      (size !== 0 || 1 / size > 0)
    ) {
      out.uint(size % LOT === 0 ? ((size / LOT) << 1) | 1 : size << 1)
      return false
    }
    out.number(size === undefined ? size : numeral(size, 'size'))
    return true
  }

  /** Writes an id and says how. */
  #id(id: TradeId, slot: number): number {
    const out = this.#streams.id
    if (typeof id === 'number') {
      const { id: ids } = this.#states
      const last = ids[slot]!
      const step = id - last
      if (
        step < INT_END &&
        step > -INT_END &&
        step === (step | 0) &&
        last + step === id &&
        (id !== 0 || 1 / id > 0)
      ) {
        out.int(step)
        ids[slot] = id
        return ID.step
      }
      out.number(id)
      if (Number.isSafeInteger(id)) ids[slot] = id
      return ID.full
    }
    checkText(id)
    out.text(id)
    return ID.text
  }

  /** Any kind by its table: which fields are there, then those. */
  #other(event: MarketEvent, kind: number, slot: number): void {
    const { shape } = this.#streams
    const { fields } = PLANS[kind]!
    const values = event as unknown as Readonly<Record<string, unknown>>
    let bits = 0
    for (let i = 0; i < fields.length; i++) {
      const { name, form } = fields[i]!
      if (form !== 'tape' && values[name] !== undefined) bits |= 1 << i
    }
    shape.uint(bits)
    for (let i = 0; i < fields.length; i++) {
      if (bits & (1 << i)) this.#field(fields[i]!, values[fields[i]!.name], event, slot)
    }
  }

  #field({ name, form }: Field, value: unknown, event: MarketEvent, slot: number): void {
    const { price, size, id, word, list, rest } = this.#streams
    switch (form) {
      case 'price':
        this.#fullPrice(price, numeral(value, name), slot)
        break
      case 'number':
        size.number(numeral(value, name))
        break
      case 'moment': {
        const reference = this.#moment
        reference.scale = 0
        reference.mantissa = momentOf(event.timestamp)
        rest.number(numeral(value, name), reference)
        break
      }
      case 'id': {
        const mark = id.hold()
        const how = this.#id(value as TradeId, slot)
        id.bytes[mark] = how
        break
      }
      case 'word':
        this.#dictionary.word(word, value as string)
        break
      case 'list':
        this.#dictionary.list(list, value as readonly string[])
        break
      case 'text':
        checkText(value)
        rest.text(value)
        break
      case 'texts':
        writeTexts(rest, value as readonly string[])
        break
      case 'boolean':
        if (typeof value !== 'boolean') notAnEvent(`${name} is neither true nor false`)
        rest.byte(value ? 1 : 0)
        break
      case 'levels':
        writeLevels(rest, value, this.#states, slot)
    }
  }
}

function numberOf(type: MarketEvent['type']): number {
  return NUMBER_OF.get(type) ?? notAnEvent('no such kind')
}

function numeral(value: unknown, name: string): number {
  return typeof value === 'number' ? value : notAnEvent(`${name} is no number`)
}
