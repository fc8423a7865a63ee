/**
 * Events as Alpaca's stock messages, in both codecs: the other direction of the decoders. `T` comes first (Alpaca's
 * Go client insists), prices are doubles, sizes and counts integers, ids 64-bit, times exact.
 */
import { MsgpackWriter } from '../../base/msgpack.ts'
import type { Bar, MarketEvent, TradeId } from '../../market/events.ts'
import { formatTime } from '../../market/time.ts'
import type { Channel } from './feeds.ts'
import { longId } from './messages.ts'

/** The channel an event goes out on; `undefined` for what the protocol has no message for. */
export function channelOf(event: MarketEvent): Channel | undefined {
  switch (event.type) {
    case 'trade':
    case 'correction':
    case 'cancel':
      return 'trades'
    case 'quote':
      return 'quotes'
    case 'status':
      return 'statuses'
    case 'luld':
      return 'lulds'
    case 'imbalance':
      return 'imbalances'
    case 'bar':
      return barChannel(event)
  }
  return undefined
}

function barChannel({ interval, revision }: Bar): Channel | undefined {
  if (interval === '1m') return revision > 0 ? 'updatedBars' : 'bars'
  return interval === '1d' ? 'dailyBars' : undefined
}

/** One message as JSON text (without the array around it); `undefined` when there is none for the event. */
export function encodeJsonMessage(event: MarketEvent): string | undefined {
  const writer = new JsonWriter()
  return writeMessage(event, writer) ? writer.end() : undefined
}

/** One message as msgpack (without the array around it); `undefined` when there is none for the event. */
export function encodeMsgpackMessage(event: MarketEvent): Uint8Array | undefined {
  const writer = new PackWriter()
  return writeMessage(event, writer) ? writer.end() : undefined
}

/** A frame of JSON; events the protocol has no message for are left out. */
export function encodeJson(events: readonly MarketEvent[]): string {
  return `[${events.map(encodeJsonMessage).filter(message => message !== undefined)}]`
}

/** A frame of msgpack; events the protocol has no message for are left out. */
export function encodePack(events: readonly MarketEvent[]): Uint8Array {
  const messages = events.map(encodeMsgpackMessage).filter(message => message !== undefined)
  return packFrame(messages)
}

/** Messages of msgpack as a frame. */
export function packFrame(messages: readonly Uint8Array[]): Uint8Array {
  const writer = new MsgpackWriter(messages.reduce((sum, { length }) => sum + length, 5))
  writer.array(messages.length)
  for (const message of messages) writer.raw(message)
  return writer.bytes()
}

/** Takes the fields of a message in order. */
interface Writer {
  text(key: string, value: string): void
  /** A price: always a double. */
  price(key: string, value: number): void
  /** A size or count: an integer where it is whole; null where it is absent. */
  count(key: string, value: number | undefined): void
  id(key: string, value: TradeId | undefined): void
  list(key: string, value: readonly string[] | undefined): void
  time(key: string, timestamp: number, nanos: number): void
}

function writeMessage(event: MarketEvent, to: Writer): boolean {
  const channel = channelOf(event)
  if (channel === undefined || event.symbol === undefined) return false
  switch (event.type) {
    case 'trade':
      head(to, 't', event.symbol)
      to.id('i', event.id)
      optional(to, 'x', event.exchange)
      to.price('p', event.price)
      to.count('s', event.size)
      if (event.conditions) to.list('c', event.conditions)
      optional(to, 'z', event.tape)
      break
    case 'quote':
      head(to, 'q', event.symbol)
      // No quote on a side: price 0, exchange ' '.
      to.text('bx', event.bidExchange ?? ' ')
      to.price('bp', event.bid ?? 0)
      to.count('bs', event.bidSize ?? 0)
      to.text('ax', event.askExchange ?? ' ')
      to.price('ap', event.ask ?? 0)
      to.count('as', event.askSize ?? 0)
      if (event.conditions) to.list('c', event.conditions)
      optional(to, 'z', event.tape)
      break
    case 'bar':
      head(to, channel === 'bars' ? 'b' : channel === 'dailyBars' ? 'd' : 'u', event.symbol)
      to.price('o', event.open)
      to.price('h', event.high)
      to.price('l', event.low)
      to.price('c', event.close)
      to.count('v', event.volume)
      // alpaca-py wants both present, null if need be.
      to.count('n', event.tradeCount)
      if (event.vwap === undefined) to.count('vw', undefined)
      else to.price('vw', event.vwap)
      break
    case 'status':
      head(to, 's', event.symbol)
      to.text('sc', event.statusCode)
      to.text('sm', event.statusMessage ?? '')
      to.text('rc', event.reasonCode ?? '')
      to.text('rm', event.reasonMessage ?? '')
      break
    case 'luld':
      head(to, 'l', event.symbol)
      to.price('u', event.limitUp)
      to.price('d', event.limitDown)
      optional(to, 'i', event.indicator)
      break
    case 'imbalance':
      head(to, 'i', event.symbol)
      to.price('p', event.price ?? 0)
      optional(to, 'z', event.tape)
      break
    case 'correction':
      head(to, 'c', event.symbol)
      to.text('x', event.exchange ?? '')
      to.id('oi', event.originalId)
      to.price('op', event.originalPrice)
      to.count('os', event.originalSize)
      to.list('oc', event.originalConditions)
      to.id('ci', event.id)
      to.price('cp', event.price)
      to.count('cs', event.size)
      to.list('cc', event.conditions)
      to.text('z', event.tape ?? '')
      break
    case 'cancel':
      head(to, 'x', event.symbol)
      to.id('i', event.id)
      to.text('x', event.exchange ?? '')
      to.price('p', event.price ?? 0)
      to.count('s', event.size ?? 0)
      to.text('a', event.action === 'cancel' ? 'C' : 'E')
      to.text('z', event.tape ?? '')
      break
  }
  to.time('t', event.timestamp, event.nanos)
  // These two carry the tape behind the time.
  if (event.type === 'status') to.text('z', event.tape ?? '')
  else if (event.type === 'luld') optional(to, 'z', event.tape)
  return true
}

function head(to: Writer, type: string, symbol: string): void {
  to.text('T', type)
  to.text('S', symbol)
}

function optional(to: Writer, key: string, value: string | undefined): void {
  if (value !== undefined) to.text(key, value)
}

class JsonWriter implements Writer {
  #text = ''

  end(): string {
    return `${this.#text}}`
  }

  text(key: string, value: string): void {
    this.#put(key, JSON.stringify(value))
  }

  price(key: string, value: number): void {
    this.#put(key, JSON.stringify(value))
  }

  count(key: string, value: number | undefined): void {
    this.#put(key, value === undefined ? 'null' : JSON.stringify(value))
  }

  id(key: string, value: TradeId | undefined): void {
    const digits = idDigits(value)
    if (digits !== undefined) this.#put(key, digits)
  }

  list(key: string, value: readonly string[] | undefined): void {
    this.#put(key, JSON.stringify(value ?? []))
  }

  time(key: string, timestamp: number, nanos: number): void {
    this.#put(key, `"${trimmedTime(timestamp, nanos)}"`)
  }

  #put(key: string, value: string): void {
    this.#text += `${this.#text === '' ? '{' : ','}"${key}":${value}`
  }
}

class PackWriter implements Writer {
  readonly #fields = new MsgpackWriter()
  #count = 0

  end(): Uint8Array {
    const writer = new MsgpackWriter(this.#fields.length + 3)
    writer.map(this.#count)
    writer.raw(this.#fields.bytes())
    return writer.bytes()
  }

  text(key: string, value: string): void {
    this.#key(key).text(value)
  }

  price(key: string, value: number): void {
    this.#key(key).float(value)
  }

  count(key: string, value: number | undefined): void {
    if (value === undefined) this.#key(key).nil()
    else this.#key(key).number(value)
  }

  id(key: string, value: TradeId | undefined): void {
    const digits = idDigits(value)
    if (digits === undefined) return
    if (typeof value === 'number') this.#key(key).number(value)
    else this.#key(key).bigint(BigInt(digits))
  }

  list(key: string, value: readonly string[] | undefined): void {
    const writer = this.#key(key)
    writer.array(value?.length ?? 0)
    for (const text of value ?? []) writer.text(text)
  }

  time(key: string, timestamp: number, nanos: number): void {
    this.#key(key).time(timestamp, nanos)
  }

  #key(key: string): MsgpackWriter {
    this.#count++
    this.#fields.text(key)
    return this.#fields
  }
}

/** Alpaca's ids are 64-bit numbers; an id that is not one is left out. */
function idDigits(id: TradeId | undefined): string | undefined {
  if (typeof id === 'string') return longId(id)
  return Number.isSafeInteger(id) && id! >= 0 ? String(id) : undefined
}

/** RFC 3339 with nanoseconds, zeros at the end cut off, as Go writes it. */
function trimmedTime(timestamp: number, nanos: number): string {
  return formatTime(timestamp, nanos).replace(/\.?0*Z$/, 'Z')
}
