/**
 * Events as Alpaca's messages, in both codecs: the other direction of the decoders. `T` comes first (Alpaca's Go client
 * insists), prices are doubles, sizes and counts of stocks integers, ids 64-bit, times exact. The keys and their order
 * are those the venue documents for the market of the symbol.
 */
import { MsgpackWriter } from '../../base/msgpack.ts'
import type { Bar, Book, MarketEvent, News, Quote, Trade } from '../../market/events.ts'
import { JsonWriter, PackWriter, type Writer } from './encode-writers.ts'
import type { Channel } from './feeds.ts'
import { isPair } from './market-crypto.ts'
import { toNews } from './market-news.ts'
import { isContract } from './market-options.ts'

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
    case 'book':
      return 'orderbooks'
    case 'news':
      return 'news'
    case 'bar':
      return barChannel(event)
  }
  return undefined
}

function barChannel({ interval, revision, final }: Bar): Channel | undefined {
  // A minute is sent when it is over; a day as it goes.
  if (interval === '1m') return !final ? undefined : revision > 0 ? 'updatedBars' : 'bars'
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

function writeMessage(event: MarketEvent, to: Writer): boolean {
  const channel = channelOf(event)
  if (channel === undefined) return false
  if (event.type === 'news') return writeNews(event, to)
  const { symbol } = event
  if (symbol === undefined) return false
  if (event.type === 'book') return writeBook(event, to)
  if (event.type === 'trade' || event.type === 'quote') {
    if (isPair(symbol)) return event.type === 'trade' ? coinTrade(event, to) : coinQuote(event, to)
    if (isContract(symbol)) {
      return event.type === 'trade' ? optionTrade(event, to) : optionQuote(event, to)
    }
  }
  switch (event.type) {
    case 'trade':
      head(to, 't', event.symbol)
      to.id('i', event.id)
      optional(to, 'x', event.exchange)
      to.price('p', event.price)
      to.count('s', event.size)
      if (event.conditions) to.list('c', event.conditions)
      optional(to, 'z', event.tape)
      taker(event, to)
      break
    case 'quote':
      head(to, 'q', event.symbol)
      sides(event, to)
      if (event.conditions) to.list('c', event.conditions)
      optional(to, 'z', event.tape)
      break
    case 'bar':
      head(to, channel === 'bars' ? 'b' : channel === 'dailyBars' ? 'd' : 'u', event.symbol)
      to.price('o', event.open)
      to.price('h', event.high)
      to.price('l', event.low)
      to.price('c', event.close)
      if (isPair(symbol)) to.price('v', event.volume)
      else to.count('v', event.volume)
      // alpaca-py wants both present, null if need be.
      to.count('n', event.tradeCount)
      // Of crypto 0 where nothing was traded.
      if (event.vwap === undefined) to.count('vw', isPair(symbol) ? 0 : undefined)
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

/** `{"T":"t","S":"AVAX/USD","p":47.299,"s":29.205707815,"t":"…","i":3447222699101865076,"tks":"S"}` */
function coinTrade(event: Trade, to: Writer): true {
  head(to, 't', event.symbol)
  to.price('p', event.price)
  to.price('s', event.size)
  to.time('t', event.timestamp, event.nanos)
  to.id('i', event.id)
  taker(event, to)
  return rest(event, to)
}

/** `{"T":"q","S":"BAT/USD","bp":0.35718,"bs":13445.46,"ap":0.3581,"as":13561.902,"t":"…"}` */
function coinQuote(event: Quote, to: Writer): true {
  head(to, 'q', event.symbol)
  to.price('bp', event.bid ?? 0)
  to.price('bs', event.bidSize ?? 0)
  to.price('ap', event.ask ?? 0)
  to.price('as', event.askSize ?? 0)
  to.time('t', event.timestamp, event.nanos)
  optional(to, 'bx', event.bidExchange)
  optional(to, 'ax', event.askExchange)
  return rest(event, to)
}

/** `{"T":"t","S":"AAPL240315C00172500","t":"…","p":2.84,"s":1,"x":"N","c":"S"}`: no id, no tape. */
function optionTrade(event: Trade, to: Writer): true {
  head(to, 't', event.symbol)
  to.time('t', event.timestamp, event.nanos)
  to.price('p', event.price)
  to.count('s', event.size)
  to.id('i', event.id)
  taker(event, to)
  return rest(event, to)
}

/** `{"T":"q","S":"SPXW240327P04925000","t":"…","bx":"C","bp":9.46,"bs":53,"ax":"C","ap":9.66,"as":38,"c":"A"}` */
function optionQuote(event: Quote, to: Writer): true {
  head(to, 'q', event.symbol)
  to.time('t', event.timestamp, event.nanos)
  sides(event, to)
  return rest(event, to)
}

/** What only some venues say: an exchange, conditions (one by itself is no list), a tape. */
function rest(event: Trade | Quote, to: Writer): true {
  if (event.type === 'trade') optional(to, 'x', event.exchange)
  const { conditions } = event
  if (conditions?.length === 1 && conditions[0] !== '') to.text('c', conditions[0]!)
  else if (conditions) to.list('c', conditions)
  optional(to, 'z', event.tape)
  return true
}

function taker({ side }: Trade, to: Writer): void {
  if (side !== undefined) to.text('tks', side === 'buy' ? 'B' : 'S')
}

/** No quote on a side: price 0, exchange ' '. */
function sides(event: Quote, to: Writer): void {
  to.text('bx', event.bidExchange ?? ' ')
  to.price('bp', event.bid ?? 0)
  to.count('bs', event.bidSize ?? 0)
  to.text('ax', event.askExchange ?? ' ')
  to.price('ap', event.ask ?? 0)
  to.count('as', event.askSize ?? 0)
}

function writeBook(event: Book, to: Writer): true {
  head(to, 'o', event.symbol)
  to.time('t', event.timestamp, event.nanos)
  to.levels('b', event.bids)
  to.levels('a', event.asks)
  if (event.snapshot) to.yes('r')
  return true
}

function writeNews(event: News, to: Writer): true {
  to.text('T', 'n')
  to.id('id', event.id)
  to.text('headline', event.headline)
  to.text('summary', event.summary ?? '')
  to.text('author', event.author ?? '')
  if (event.createdAt !== undefined) to.time('created_at', event.createdAt, 0)
  to.time('updated_at', event.timestamp, event.nanos)
  to.text('url', event.url ?? '')
  to.text('content', event.content ?? '')
  to.list('symbols', event.symbols.map(toNews))
  to.text('source', event.publisher ?? '')
  return true
}

function head(to: Writer, type: string, symbol: string): void {
  to.text('T', type)
  to.text('S', symbol)
}

function optional(to: Writer, key: string, value: string | undefined): void {
  if (value !== undefined) to.text(key, value)
}
