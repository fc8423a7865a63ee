import {
  BAR,
  type FieldForm,
  HeadStates,
  ID,
  isMoment,
  KIND_BITS,
  LOT,
  momentOf,
  NO_WORD,
  PLANS,
  QUOTE,
  QUOTE_SHAPE,
  RECEIVED,
  RECEIVED_SHIFT,
  SIDES,
  STEPS_PER_MS,
  type Streams,
  TIME,
  TIME_SHIFT,
  TRADE,
  TRADE_SHAPE,
} from './block-fields.ts'
import { readLevels } from './block-levels.ts'
import type { ByteReader } from './byte-reader.ts'
import { badBlock, POWERS, type Reference } from './bytes.ts'
import {
  type DictionaryReader,
  type Head,
  IN_PLACE,
  PREVIOUS,
  readHead,
  readText,
  readTexts,
} from './dictionary-reader.ts'
import { type MarketEvent, Quote, Trade, type TradeId } from './events.ts'

/** Reads what an {@link EventWriter} wrote. */
export class EventReader {
  readonly #states = new HeadStates()
  readonly #price: Reference = { scale: 0, mantissa: 0 }
  readonly #moment: Reference = { scale: 0, mantissa: 0 }

  /**
   * The `count` events of a block.
   * @throws BAD_BLOCK
   * @throws UNKNOWN_ENTRY when they refer to entries the dictionary has not seen
   */
  read(
    streams: Streams<ByteReader>,
    dictionary: DictionaryReader,
    count: number,
    base: number,
  ): MarketEvent[] {
    const { control, head: heads, time, received } = streams
    const states = this.#states
    states.startBlock()
    let [lastTime, lastNanos, lastReceived] = [base, 0, base]
    let lastHead: Head | undefined
    const events: MarketEvent[] = []
    for (let i = 0; i < count; i++) {
      const mark = control.byte()
      const kind = mark & KIND_BITS

      let head: Head
      const code = heads.uint()
      if (code > IN_PLACE) head = lastHead = dictionary.head(code)
      else if (code === PREVIOUS) head = lastHead ?? badBlock('an event without a head')
      else head = readHead(streams.rest, 0, undefined)
      states.enter(head.slot, head.scale, head.mantissa)

      let timestamp = lastTime
      let nanos = lastNanos
      let known = true
      switch ((mark >> TIME_SHIFT) & 3) {
        case TIME.ms:
          timestamp += time.int()
          nanos = 0
          break
        case TIME.ns: {
          const total = nanos + time.int()
          const ms = Math.floor(total / 1_000_000)
          timestamp += ms
          nanos = total - ms * 1_000_000
          break
        }
        case TIME.full:
          timestamp = this.#fullTime(time, lastTime)
          nanos = time.number() ?? badBlock('a time is missing')
          known = isMoment(timestamp, nanos)
      }
      if (kind !== BAR && known) {
        lastTime = timestamp + 0
        lastNanos = nanos + 0
      }

      let receivedAt = lastReceived
      switch (mark >> RECEIVED_SHIFT) {
        case RECEIVED.steps:
          receivedAt += received.int() / STEPS_PER_MS
          break
        case RECEIVED.time:
          receivedAt = timestamp
          break
        case RECEIVED.full:
          receivedAt = received.double()
      }
      lastReceived = receivedAt

      if (kind === QUOTE) {
        events.push(this.#quote(streams, dictionary, head, timestamp, nanos, receivedAt))
      } else if (kind === TRADE) {
        events.push(this.#trade(streams, dictionary, head, timestamp, nanos, receivedAt))
      } else {
        events.push(this.#other(streams, dictionary, kind, head, timestamp, nanos, receivedAt))
      }
    }
    return events
  }

  #fullTime(time: ByteReader, last: number): number {
    const moment = this.#moment
    moment.scale = 0
    moment.mantissa = last
    return time.number(moment) ?? badBlock('a time is missing')
  }

  #trade(
    streams: Streams<ByteReader>,
    dictionary: DictionaryReader,
    head: Head,
    timestamp: number,
    nanos: number,
    receivedAt: number,
  ): Trade {
    const { price: prices, word, list } = streams
    const { slot } = head
    const { scale, mantissa } = this.#states
    const bits = streams.shape.byte()
    let price: number
    if ((bits & TRADE_SHAPE.fullPrice) === 0) {
      const digits = mantissa[slot]! + prices.int()
      mantissa[slot] = digits
      price = digits / POWERS[scale[slot]!]!
    } else price = this.#fullPrice(prices, slot) ?? badBlock('a price is missing')
    const size = this.#size(streams.size, bits & TRADE_SHAPE.fullSize)
    const how = (bits >> TRADE_SHAPE.idShift) & 3
    const id = how === ID.none ? undefined : this.#id(streams.id, how, slot)
    const exchange = bits & TRADE_SHAPE.exchange ? dictionary.word(word) : undefined
    const conditions = bits & TRADE_SHAPE.conditions ? dictionary.list(list) : undefined
    const side = (bits >> TRADE_SHAPE.sideShift) & 3
    return new Trade(
      head.symbol!,
      head.source,
      timestamp,
      nanos,
      receivedAt,
      head.flags,
      price,
      size!,
      id,
      exchange,
      conditions,
      head.tape,
      SIDES[side],
    )
  }

  #quote(
    streams: Streams<ByteReader>,
    dictionary: DictionaryReader,
    head: Head,
    timestamp: number,
    nanos: number,
    receivedAt: number,
  ): Quote {
    const { price: prices, size: sizes, word, list } = streams
    const { slot } = head
    const { scale, mantissa } = this.#states
    const bits = streams.shape.byte()
    let bid: number | undefined
    if (bits & QUOTE_SHAPE.bid) {
      const digits = mantissa[slot]! + prices.int()
      mantissa[slot] = digits
      bid = digits / POWERS[scale[slot]!]!
    } else if (bits & QUOTE_SHAPE.fullBid) bid = this.#fullPrice(prices, slot)
    let ask: number | undefined
    if (bits & QUOTE_SHAPE.ask) {
      ask = (mantissa[slot]! + prices.int()) / POWERS[scale[slot]!]!
    } else if (bits & QUOTE_SHAPE.fullAsk) ask = this.#fullPrice(prices, slot)
    const bidSize = this.#size(sizes, bits & QUOTE_SHAPE.fullBidSize)
    const askSize = this.#size(sizes, bits & QUOTE_SHAPE.fullAskSize)
    let bidExchange: string | undefined
    let askExchange: string | undefined
    if (bits & QUOTE_SHAPE.exchanges) {
      bidExchange = wordOrNone(word, dictionary)
      askExchange = wordOrNone(word, dictionary)
    }
    const conditions = bits & QUOTE_SHAPE.conditions ? dictionary.list(list) : undefined
    return new Quote(
      head.symbol!,
      head.source,
      timestamp,
      nanos,
      receivedAt,
      head.flags,
      bid,
      bidSize,
      ask,
      askSize,
      bidExchange,
      askExchange,
      conditions,
      head.tape,
    )
  }

  #fullPrice(from: ByteReader, slot: number): number | undefined {
    const reference = this.#price
    const { scale, mantissa } = this.#states
    reference.scale = scale[slot]!
    reference.mantissa = mantissa[slot]!
    const price = from.number(reference)
    scale[slot] = reference.scale
    mantissa[slot] = reference.mantissa
    return price
  }

  #size(from: ByteReader, full: number): number | undefined {
    if (full) return from.number()
    const code = from.uint()
    return code & 1 ? (code >>> 1) * LOT : code >>> 1
  }

  #id(from: ByteReader, how: number, slot: number): TradeId {
    const { id: ids } = this.#states
    if (how === ID.step) return (ids[slot] = ids[slot]! + from.int())
    if (how === ID.text) return readText(from)
    const id = how === ID.full ? from.number() : undefined
    if (id === undefined) return badBlock('an id is missing')
    if (Number.isSafeInteger(id)) ids[slot] = id
    return id
  }

  #other(
    streams: Streams<ByteReader>,
    dictionary: DictionaryReader,
    kind: number,
    head: Head,
    timestamp: number,
    nanos: number,
    receivedAt: number,
  ): MarketEvent {
    const plan = PLANS[kind]
    if (!plan) return badBlock('no such kind of event')
    const bits = streams.shape.uint()
    const values: unknown[] = [head.symbol, head.source, timestamp, nanos, receivedAt, head.flags]
    for (let i = 0; i < plan.fields.length; i++) {
      const { form } = plan.fields[i]!
      if (form === 'tape') values.push(head.tape)
      else if ((bits & (1 << i)) === 0) values.push(undefined)
      else values.push(this.#field(streams, dictionary, form, timestamp, head.slot))
    }
    return new plan.make(...values) as MarketEvent
  }

  #field(
    streams: Streams<ByteReader>,
    dictionary: DictionaryReader,
    form: Exclude<FieldForm, 'tape'>,
    timestamp: number,
    slot: number,
  ): unknown {
    const { price, size, id, word, list, rest } = streams
    switch (form) {
      case 'price':
        return this.#fullPrice(price, slot)
      case 'number':
        return size.number()
      case 'moment': {
        const reference = this.#moment
        reference.scale = 0
        reference.mantissa = momentOf(timestamp)
        return rest.number(reference)
      }
      case 'id':
        return this.#id(id, id.byte(), slot)
      case 'word':
        return dictionary.word(word)
      case 'list':
        return dictionary.list(list)
      case 'text':
        return readText(rest)
      case 'texts':
        return readTexts(rest)
      case 'boolean':
        return rest.byte() !== 0
      case 'levels':
        return readLevels(rest, this.#states, slot)
    }
  }
}

function wordOrNone(from: ByteReader, dictionary: DictionaryReader): string | undefined {
  if (from.left > 0 && from.bytes[from.pos] === NO_WORD) {
    from.pos++
    return undefined
  }
  return dictionary.word(from)
}
