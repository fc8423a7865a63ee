/**
 * Market data to events, straight from the bytes: the envelope in the order the server writes it, else in any; the
 * broker's fields in whatever order they come. Whatever is odd goes, as a whole frame, through the plain decoder; until a frame has been read to its end
 * nothing of it is taken, so nothing is taken twice.
 */
import { TickwireError } from '../../base/errors.ts'
import { FieldOrder } from '../../base/field-order.ts'
import { asciiText, HASH_START, hashByte, Interner } from '../../base/interner.ts'
import { Literal } from '../../base/literal.ts'
import {
  BACKSLASH,
  CLOSE_LIST,
  CLOSE_MAP,
  COMMA,
  KeySet,
  OPEN_LIST,
  OPEN_MAP,
  QUOTE,
  Scanner,
  SURPRISE,
} from '../../base/scanner.ts'
import { scratch } from '../../base/scratch.ts'
import { ShortTexts } from '../../base/short-texts.ts'
import { pastPlainText } from '../../base/words.ts'
import type { ConnectionContext, Decoder, Inbox } from '../../feed/description.ts'
import type { Level } from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'
import { clean, FIELDS, isSigned, type Listed, Market, SIZES, TIMES } from './market.ts'
import { MODES, type ModePlan } from './modes.ts'
import { PlainDecoder } from './plain.ts'
import { isName, symbolOf } from './symbols.ts'

const { bytes: BYTES, view: VIEW, out: OUT } = scratch

const DATA_FIRST = new Literal('{"type": "market_data", "symbol": "')
const EXCHANGE = new Literal('", "exchange": "')
const MODE = new Literal(', "mode": ')
const DATA = new Literal(', "data": ')
const BROKER = new Literal(', "broker": ')

const BUY = new Literal('{"buy": [')
const SELL = new Literal(', "sell": [')
const PRICE = new Literal('{"price": ')
/** `: ` as a word. */
const COLON_SPACE = 0x203a
const SPACE = 32

const DEPTH = FIELDS.length
const KEYS = new KeySet([...FIELDS, 'depth'])
const ENVELOPE = new KeySet(['type', 'symbol', 'exchange', 'mode', 'data', 'broker'])
const SIDES = new KeySet(['buy', 'sell'])
const LEVEL = new KeySet(['price', 'quantity'])
const TYPE = new Literal('"market_data"')

const MOST_FIELDS = 64
/** Longest `, "broker": "…"` remembered. */
const MOST_TAIL = 64

/** Numbers with fewer characters have no noise in them. */
const SHORT = 12

/** A symbol, and its exchange as it stands behind it: `", "exchange": "NSE"`. */
interface Known {
  readonly exchange: Literal
  readonly listed: Listed
}

/** Decodes the frames of one connection. */
export class OpenAlgoDecoder implements Decoder {
  /** How often `JSON.parse` had to help with data; rises with what brokers do not usually send. */
  fallbacks = 0
  readonly #context: ConnectionContext
  readonly #market: Market
  readonly #plan: ModePlan
  readonly #plain: PlainDecoder
  readonly #scanner = new Scanner()
  /** By `RELIANCE`: the last of that name. */
  readonly #short = new ShortTexts<Known>()
  /** By `RELIANCE", "exchange": "NSE`. */
  #listed = new Interner<Listed>(96, 16_384)
  /** `, "broker": "fake"` of the last message that had one, and its broker. */
  #tail: Literal | undefined
  #broker = ''
  #revision = Number.NaN
  #name: Listed | undefined
  #levels: Level[] = []
  /** A broker's adapter writes the fields in the same order each time; by mode. */
  readonly #orders: readonly FieldOrder[] = MODES.map(() => new FieldOrder(KEYS, MOST_FIELDS))
  readonly #envelope = new Int32Array(ENVELOPE.names.length)
  readonly #sides = new Int32Array(SIDES.names.length)
  readonly #level = new Int32Array(LEVEL.names.length)

  constructor(context: ConnectionContext, plan: ModePlan) {
    this.#context = context
    this.#plan = plan
    this.#market = new Market(context, plan)
    this.#plain = new PlainDecoder(this.#market)
  }

  decode(frame: Uint8Array, binary: boolean, receivedAt: number, inbox: Inbox): void {
    const market = this.#market
    market.refresh()
    if (market.revision !== this.#revision) {
      this.#revision = market.revision
      this.#listed = new Interner(96, 16_384)
      this.#short.clear()
    }
    if (this.#scanner.at(frame)) {
      const isUsual = DATA_FIRST.isAt(0)
      if ((isUsual && this.#usual(receivedAt, inbox)) || this.#any(receivedAt, inbox)) return
      if (isUsual) this.fallbacks++
    }
    this.#plain.decode(frame, binary, receivedAt, inbox)
  }

  /** The server confirms what the broker behind it may not have. */
  confirmed(topics: readonly Topic[]): void {
    const { features } = this.#market
    for (const mode of MODES) {
      if (features[mode] || !topics.some(({ kind }) => this.#plan.of(kind) === mode)) continue
      const error = new TickwireError('UNSUPPORTED', `the broker behind OpenAlgo has no ${mode}`, {
        hint: `It has: ${MODES.filter(it => features[it]).join(', ') || 'nothing of the kind'}.`,
      })
      const covers = ({ kind }: Topic) => this.#plan.of(kind) === mode
      this.#context.control({ type: 'refused', error, covers })
    }
  }

  /** False when the frame is not of the usual form: nothing of it has been taken then. */
  #usual(receivedAt: number, inbox: Inbox): boolean {
    const scanner = this.#scanner
    let pos = this.#symbol(DATA_FIRST.length)
    if (pos < 0 || !MODE.isAt(pos)) return false
    pos += MODE.length
    const mode = BYTES[pos]! - 48
    pos++
    if (mode < 1 || mode > 3 || !DATA.isAt(pos)) return false
    const listed = this.#name!
    if (listed.mask === 0) return BYTES[scanner.end - 1] === CLOSE_MAP
    this.#market.begin()
    pos = this.#data(pos + DATA.length, this.#orders[mode - 1]!)
    if (pos < 0) return false
    // A server has one broker, nearly always the one of the message before.
    if (this.#tail?.isAt(pos)) pos += this.#tail.length
    else {
      pos = this.#readBroker(pos)
      if (pos < 0) return false
    }
    if (BYTES[pos] !== CLOSE_MAP || pos + 1 !== scanner.end) return false
    return this.#market.take(listed, mode, this.#broker, receivedAt, inbox)
  }

  /** What stands behind `data`, and is remembered; nothing may. */
  #readBroker(pos: number): number {
    this.#tail = undefined
    this.#broker = ''
    if (!BROKER.isAt(pos)) return pos
    const start = pos + BROKER.length
    const behind = this.#scanner.string(start)
    if (behind < 0) return SURPRISE
    this.#broker = asciiText(BYTES, start + 1, behind - 1)
    if (behind - pos <= MOST_TAIL) this.#tail = new Literal(asciiText(BYTES, pos, behind))
    return behind
  }

  /** The envelope in any order. */
  #any(receivedAt: number, inbox: Inbox): boolean {
    const scanner = this.#scanner
    const places = this.#envelope
    const behind = scanner.fields(scanner.space(0), ENVELOPE, places)
    if (behind < 0 || scanner.space(behind) !== scanner.end) return false
    const [type, symbolAt, exchangeAt, modeAt, data, brokerAt] = places as unknown as number[]
    if (type === 0 || symbolAt === 0 || exchangeAt === 0 || modeAt === 0 || data === 0) return false
    if (!TYPE.isAt(type!) || scanner.small(modeAt!) < 0) return false
    const mode = scanner.integer
    const [symbol, exchange] = [this.#string(symbolAt!), this.#string(exchangeAt!)]
    if (mode < 1 || mode > 3 || !isName(symbol) || !isName(exchange)) return false
    const broker = brokerAt === 0 ? '' : this.#string(brokerAt!)
    const listed = this.#market.listed(symbolOf({ symbol, exchange }))
    if (listed.mask === 0) return BYTES[data!] === OPEN_MAP
    this.#market.begin()
    if (broker === undefined || this.#data(data!, this.#orders[mode - 1]!) < 0) return false
    return this.#market.take(listed, mode, broker, receivedAt, inbox)
  }

  #string(pos: number): string | undefined {
    const behind = this.#scanner.string(pos)
    return behind < 0 ? undefined : asciiText(BYTES, pos + 1, behind - 1)
  }

  /** `RELIANCE", "exchange": "NSE"`, into `#name`. */
  #symbol(start: number): number {
    const known = this.#short.get(start)
    if (known?.exchange.isAt(this.#short.end)) {
      this.#name = known.listed
      return this.#short.end + known.exchange.length
    }
    return this.#newSymbol(start)
  }

  #newSymbol(start: number): number {
    // Neither a quote, an escape nor what is no name may stand in it; the whole text is compared, its hash is of most.
    let hash = HASH_START
    let middle = start
    let c = 0
    while ((c = BYTES[middle]!) !== QUOTE) {
      if (c < 33 || c > 126 || c === BACKSLASH) return SURPRISE
      hash = hashByte(hash, c)
      middle++
    }
    if (!EXCHANGE.isAt(middle)) return SURPRISE
    const second = middle + EXCHANGE.length
    let end = second
    while ((c = BYTES[end]!) !== QUOTE) {
      if (c < 33 || c > 126 || c === BACKSLASH) return SURPRISE
      end++
    }
    hash = hashByte(hash, BYTES[second]!)
    let listed = this.#listed.get(BYTES, start, end, hash)
    if (listed === undefined) {
      const symbol = asciiText(BYTES, start, middle)
      const exchange = asciiText(BYTES, second, end)
      if (!isName(symbol) || !isName(exchange)) return SURPRISE
      listed = this.#market.listed(symbolOf({ symbol, exchange }))
      this.#listed.set(BYTES, start, end, hash, listed)
    }
    this.#name = listed
    const exchange = new Literal(asciiText(BYTES, middle, end + 1))
    this.#short.set(start, middle, { exchange, listed })
    return end + 1
  }

  /** The fields of `data`, from its bracket to behind the other. */
  #data(pos: number, order: FieldOrder): number {
    const scanner = this.#scanner
    if (BYTES[pos] !== OPEN_MAP) return SURPRISE
    for (let i = 0; ; i++) {
      const at = order.value(scanner, i, pos)
      if (at < 0) return i === 0 ? this.#noFields(pos) : SURPRISE
      const { key } = order
      pos = key < 0 ? this.#skip(at) : key === DEPTH ? this.#depth(at) : this.#value(key, at)
      if (pos < 0) return SURPRISE
      if (BYTES[pos] === COMMA) continue
      pos = scanner.space(pos)
      const c = BYTES[pos]!
      if (c === CLOSE_MAP) return pos + 1
      if (c !== COMMA) return SURPRISE
    }
  }

  #noFields(pos: number): number {
    const next = this.#scanner.space(pos + 1)
    return BYTES[next] === CLOSE_MAP ? next + 1 : SURPRISE
  }

  #skip(pos: number): number {
    const behind = BYTES[pos] === QUOTE ? pastPlainText(pos) : this.#scanner.small(pos)
    return behind < 0 ? this.#scanner.skip(pos) : behind
  }

  #value(key: number, pos: number): number {
    if (key >= TIMES) return this.#time(key, pos)
    const next = this.#scanner.number(pos)
    const value = OUT[0]! + 0
    if (next < 0 || !(value >= 0 && value < Infinity)) return this.#rareValue(key, pos)
    this.#market.set(key, key < SIZES && next - pos > SHORT ? clean(value) : value)
    return next
  }

  /** None, below 0, or none that can be. */
  #rareValue(key: number, pos: number): number {
    if (BYTES[pos] === N && this.#scanner.isNull(pos)) {
      this.#market.set(key, Number.NaN)
      return pos + 4
    }
    const next = this.#scanner.number(pos)
    const value = OUT[0]!
    if (next < 0 || !isSigned(key) || !Number.isFinite(value)) return SURPRISE
    this.#market.set(key, next - pos > SHORT ? clean(value) : value)
    return next
  }

  /** Mostly an integer of thirteen digits. */
  #time(key: number, pos: number): number {
    const next = this.#scanner.millis(pos)
    const c = next < 0 ? 0 : BYTES[next]
    if (c !== COMMA && c !== CLOSE_MAP) return this.#anyTime(key, pos)
    this.#market.set(key, OUT[1]!)
    return next
  }

  /** A time before 1970 is none. */
  #anyTime(key: number, pos: number): number {
    const c = BYTES[pos]
    if (c === QUOTE) return this.#timeText(key, pos)
    if (c === N && this.#scanner.isNull(pos)) {
      this.#market.set(key, Number.NaN)
      return pos + 4
    }
    const next = this.#scanner.number(pos)
    if (next < 0 || !Number.isFinite(OUT[0]!)) return SURPRISE
    this.#market.set(key, OUT[0]! + 0)
    return next
  }

  /** Many brokers leave the time of the last trade empty. */
  #timeText(key: number, pos: number): number {
    if (BYTES[pos + 1] !== QUOTE) return SURPRISE
    this.#market.set(key, Number.NaN)
    return pos + 2
  }

  #depth(pos: number): number {
    const behind = this.#usualDepth(pos)
    return behind < 0 ? this.#anyDepth(pos) : behind
  }

  #usualDepth(pos: number): number {
    if (!BUY.isAt(pos)) return SURPRISE
    pos = this.#side(pos + BUY.length)
    const bids = this.#levels
    if (pos < 0 || !SELL.isAt(pos)) return SURPRISE
    pos = this.#side(pos + SELL.length)
    if (pos < 0 || BYTES[pos] !== CLOSE_MAP) return SURPRISE
    this.#market.bids = bids
    this.#market.asks = this.#levels
    return pos + 1
  }

  #anyDepth(pos: number): number {
    const behind = this.#scanner.fields(pos, SIDES, this.#sides)
    const [buy, sell] = this.#sides as unknown as number[]
    if (behind < 0 || buy === 0 || sell === 0 || !this.#anySide(buy!)) return SURPRISE
    this.#market.bids = this.#levels
    if (!this.#anySide(sell!)) return SURPRISE
    this.#market.asks = this.#levels
    return behind
  }

  /** Levels whose keys come in any order, with others among them. What stands there has been checked to be JSON. */
  #anySide(pos: number): boolean {
    const scanner = this.#scanner
    const levels: Level[] = []
    this.#levels = levels
    if (BYTES[pos] !== OPEN_LIST) return false
    pos = scanner.space(pos + 1)
    while (BYTES[pos] !== CLOSE_LIST) {
      pos = scanner.fields(pos, LEVEL, this.#level)
      const [priceAt, sizeAt] = this.#level as unknown as number[]
      if (pos < 0 || priceAt === 0 || sizeAt === 0) return false
      const priceEnd = scanner.number(priceAt!)
      if (priceEnd < 0) return false
      const price = clean(OUT[0]!)
      if (scanner.number(sizeAt!) < 0) return false
      const size = OUT[0]!
      if (!(price >= 0 && price < Infinity && size >= 0 && size < Infinity)) return false
      if (price > 0 && size > 0) levels.push([price, size])
      pos = scanner.space(pos)
      if (BYTES[pos] === COMMA) pos = scanner.space(pos + 1)
    }
    return true
  }

  /** Levels from behind their bracket to behind the other, into `#levels`. */
  #side(pos: number): number {
    const scanner = this.#scanner
    const levels: Level[] = []
    this.#levels = levels
    if (BYTES[pos] === CLOSE_LIST) return pos + 1
    if (!PRICE.isAt(pos)) return SURPRISE
    pos += PRICE.length
    for (;;) {
      const first = pos
      pos = scanner.number(first)
      // , "quantity":
      if (pos < 0 || VIEW.getInt32(pos, true) !== 0x7122202c) return SURPRISE
      if (VIEW.getInt32(pos + 4, true) !== 0x746e6175) return SURPRISE
      if (VIEW.getInt32(pos + 8, true) !== 0x22797469) return SURPRISE
      if (VIEW.getInt16(pos + 12, true) !== COLON_SPACE) return SURPRISE
      const price = pos - first > SHORT ? clean(OUT[0]!) : OUT[0]!
      const second = pos + 14
      pos = scanner.small(second)
      let size = scanner.integer
      if (pos < 0) {
        pos = scanner.number(second)
        if (pos < 0) return SURPRISE
        size = OUT[0]!
      }
      if (!(price >= 0 && price < Infinity && size >= 0 && size < Infinity)) return SURPRISE
      // , "orders":
      if (
        VIEW.getInt32(pos, true) === 0x6f22202c &&
        VIEW.getInt32(pos + 4, true) === 0x72656472 &&
        VIEW.getInt32(pos + 8, true) === 0x203a2273
      ) {
        pos = this.#orderCount(pos + 12)
        if (pos < 0) return SURPRISE
      }
      if (price > 0 && size > 0) levels.push([price, size])
      // }, {"price":
      if (
        VIEW.getInt32(pos, true) === 0x7b202c7d &&
        VIEW.getInt32(pos + 4, true) === 0x69727022 &&
        VIEW.getInt32(pos + 8, true) === 0x3a226563 &&
        BYTES[pos + 12] === SPACE
      ) {
        pos += 13
      } else if (BYTES[pos] === CLOSE_MAP && BYTES[pos + 1] === CLOSE_LIST) return pos + 2
      else return SURPRISE
    }
  }

  #orderCount(pos: number): number {
    if ((BYTES[pos]! ^ 48) <= 9 && BYTES[pos + 1] === CLOSE_MAP) return pos + 1
    const behind = this.#scanner.pastDigits(pos)
    if (behind > 0 && BYTES[behind] === CLOSE_MAP) return behind
    const c = BYTES[pos]
    return c === OPEN_MAP || c === OPEN_LIST ? SURPRISE : this.#scanner.skip(pos)
  }
}

const N = 110
