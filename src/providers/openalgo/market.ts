/**
 * What OpenAlgo's market data means, whichever way it was read. The fields are those of the user's broker: each
 * adapter of the server names and fills them as it likes. https://docs.openalgo.in
 *
 * 1. Whose data it is says the envelope alone: `data.mode` is a number, a word or not there, as the broker has it.
 * 2. 0 means unknown for prices, sizes and open interest; `close` is the close of the day before.
 * 3. `timestamp` is when the server had it, `ltt` when it was traded; either in seconds, ms or µs, or as text.
 * 4. Prices are doubles out of sums (1424.1999999999998): twelve digits are what they mean.
 * 5. Depth is always the whole of it; levels that are missing may be padded with zeros.
 */
import type { ConnectionContext, Inbox } from '../../feed/description.ts'
import { KIND_BIT } from '../../feed/provider.ts'
import { Book, type Level, Quote, Ticker } from '../../market/events.ts'
import { type ModePlan, modeNumber } from './modes.ts'
import { MOST_NAMES } from './requests.ts'
import { isIndex, venueName } from './symbols.ts'

/** Fields of `data` that are numbers, in all spellings; of several for one thing the first counts that says something. */
export const FIELDS = [
  ...(['ltp', 'open', 'high', 'low', 'close', 'average_price', 'avg_trade_price'] as const),
  ...(['bid', 'bid_price', 'ask', 'ask_price', 'change', 'price_change'] as const),
  ...(['change_percent', 'price_change_percent', 'mark_price'] as const),
  ...(['last_trade_quantity', 'last_quantity', 'ltq', 'volume', 'oi', 'open_interest'] as const),
  ...(['bid_qty', 'bid_size', 'bid_quantity', 'ask_qty', 'ask_size', 'ask_quantity'] as const),
  ...(['timestamp', 'ltt'] as const),
] as const

/** Their places, as constants: an object of so many names is looked up by hash each time. */
const [LTP, OPEN, HIGH, LOW, CLOSE, AVERAGE, AVERAGE_TRADE] = [0, 1, 2, 3, 4, 5, 6]
const [BID, BID_PRICE, ASK, ASK_PRICE, CHANGE, PRICE_CHANGE] = [7, 8, 9, 10, 11, 12]
const [PERCENT, PRICE_PERCENT, MARK, LAST_TRADE_QUANTITY, LAST_QUANTITY] = [13, 14, 15, 16, 17]
const [LTQ, VOLUME, OI, OPEN_INTEREST, BID_QTY, BID_SIZE] = [18, 19, 20, 21, 22, 23]
const [BID_QUANTITY, ASK_QTY, ASK_SIZE, ASK_QUANTITY, TIMESTAMP, LTT] = [24, 25, 26, 27, 28, 29]

/** Those before it are prices. */
export const SIZES = LAST_TRADE_QUANTITY
/** Of the prices, those that may be below 0. */
export const isSigned = (field: number) => field >= CHANGE && field <= PRICE_PERCENT
/** Those from it on are times: they may be text, and what is none is as good as none. */
export const TIMES = TIMESTAMP

/** Bits of what is in every message in the mode ltp, and mostly nothing else. */
const BARE = (1 << LTP) | (1 << LTT) | (1 << TIMESTAMP)

const HAS_BID_OR_ASK = [BID, BID_PRICE, ASK, ASK_PRICE]
const BID_OR_ASK = HAS_BID_OR_ASK.reduce((bits, field) => bits | (1 << field), 0)

/** A symbol the server sends something of. */
export interface Listed {
  readonly symbol: string
  /** Bits of `KIND_BIT`. */
  mask: number
  /** The last book had levels. */
  hadBook: boolean
  /** Its depth has been asked for, for want of a bid and ask. */
  raised: boolean
}

/** Stands for all the symbols nobody wants anything of. */
export const NOBODY: Listed = { symbol: '', mask: 0, hadBook: false, raised: false }

/** What it calls the last price is its mark price. */
const DELTA = 'deltaexchange'

/** Symbols whose depth has to be asked for are gathered for so long, ms. */
const GATHER_MS = 100
/** More symbols than a server carries are not remembered. */
const MOST_SYMBOLS = 20_000
/** What the server can be asked for of this broker. */
export type Features = Readonly<Record<'ltp' | 'quote' | 'depth', boolean>>

/** The state of one connection. */
export class Market {
  /** Rises whenever a symbol may have come to be wanted or not. */
  revision = 0
  /** Numbers of the message at hand by {@link FIELDS}; NaN where there is none. They are put there by {@link set}. */
  readonly fields = new Float64Array(FIELDS.length)
  /** A bit for each that has been put there. */
  #present = 0
  /** A bit for each that a message before may have put there. */
  #before = -1
  /** Its levels, without zeros, as they came; `undefined` where it has no depth. */
  bids: Level[] | undefined
  asks: Level[] | undefined
  features: Features = { ltp: true, quote: true, depth: true }
  readonly #context: ConnectionContext
  readonly #plan: ModePlan
  readonly #listed = new Map<string, Listed>()
  /** Those whose depth is about to be asked for. */
  readonly #raising: Listed[] = []
  #interest = Number.NaN
  // What `#read` has found.
  #timestamp = 0
  #nanos = 0

  constructor(context: ConnectionContext, plan: ModePlan) {
    this.#context = context
    this.#plan = plan
  }

  /** To be called before each frame. */
  refresh(): void {
    const { interest } = this.#context
    if (interest.revision === this.#interest) return
    this.#interest = interest.revision
    this.revision++
    for (const listed of this.#listed.values()) {
      listed.mask = interest.mask(listed.symbol)
      if ((listed.mask & KIND_BIT.book) === 0) listed.hadBook = false
      if ((listed.mask & KIND_BIT.quote) === 0) listed.raised = false
      if (listed.mask === 0) this.#listed.delete(listed.symbol)
    }
  }

  /** By canonical symbol; with an empty mask when nobody wants anything of it. */
  listed(symbol: string): Listed {
    const known = this.#listed.get(symbol)
    if (known) return known
    const mask = this.#context.interest.mask(symbol)
    if (mask === 0 || this.#listed.size >= MOST_SYMBOLS) return NOBODY
    const listed: Listed = { symbol, mask, hadBook: false, raised: false }
    this.#listed.set(symbol, listed)
    return listed
  }

  /** Forgets the message before. */
  begin(): void {
    this.#before |= this.#present
    this.#present = 0
    this.bids = undefined
    this.asks = undefined
  }

  /** A number of the message at hand; NaN for none. */
  set(field: number, value: number): void {
    this.fields[field] = value
    this.#present |= 1 << field
  }

  /** Tells what `fields`, `bids` and `asks` say of a symbol; false when it lacks what its mode has to have. */
  take(listed: Listed, mode: number, broker: string, receivedAt: number, inbox: Inbox): boolean {
    const { fields, bids, asks } = this
    // Mostly the same fields come again: only those that did not are cleared.
    for (let left = this.#before & ~this.#present; left !== 0; left &= left - 1) {
      const field = 31 - Math.clz32(left & -left)
      if (field < fields.length) fields[field] = Number.NaN
    }
    this.#before = 0
    // Every broker has it in this mode; some fill it with 0 at first.
    if (mode === 1 && Number.isNaN(fields[LTP]!)) return false
    this.#time(receivedAt)
    const { mask } = listed
    if ((this.#present & ~BARE) === 0 && mask === KIND_BIT.ticker && !bids && broker !== DELTA) {
      if (fields[LTP]! > 0) this.#price(listed.symbol, receivedAt, inbox)
      return true
    }
    if (bids && asks) {
      sortSide(bids, -1)
      sortSide(asks, 1)
    }
    const top = bids?.[0]
    const bottom = asks?.[0]
    const isNamed = (this.#present & BID_OR_ASK) !== 0
    const bid = top?.[0] ?? (isNamed ? this.#amount(BID, BID_PRICE) : undefined)
    const ask = bottom?.[0] ?? (isNamed ? this.#amount(ASK, ASK_PRICE) : undefined)
    const bidSize =
      bid === undefined ? undefined : (top?.[1] ?? this.#amount(BID_QTY, BID_SIZE, BID_QUANTITY))
    const askSize =
      ask === undefined ? undefined : (bottom?.[1] ?? this.#amount(ASK_QTY, ASK_SIZE, ASK_QUANTITY))
    if (mask & KIND_BIT.ticker) {
      this.#ticker(listed, broker, receivedAt, bid, bidSize, ask, askSize, inbox)
    }
    if (mask & KIND_BIT.quote) {
      if (bid !== undefined || ask !== undefined) {
        this.#quote(listed.symbol, receivedAt, bid, bidSize, ask, askSize, inbox)
      } else if (mode === modeNumber('quote')) this.#raise(listed)
    }
    if (mask & KIND_BIT.book && bids && asks) this.#book(listed, receivedAt, bids, asks, inbox)
    return true
  }

  /** A last price and its times, with nothing else. */
  #price(symbol: string, receivedAt: number, inbox: Inbox): void {
    const none = undefined
    inbox.event(
      new Ticker(
        symbol,
        this.#context.source,
        this.#timestamp,
        this.#nanos,
        receivedAt,
        0,
        this.fields[LTP]!,
        none,
        this.#tradedAt(),
        none,
        none,
        none,
        none,
        none,
        none,
        none,
        none,
        none,
        none,
        none,
        none,
        none,
        none,
        none,
        none,
      ),
    )
  }

  #ticker(
    { symbol }: Listed,
    broker: string,
    receivedAt: number,
    bid: number | undefined,
    bidSize: number | undefined,
    ask: number | undefined,
    askSize: number | undefined,
    inbox: Inbox,
  ): void {
    const ltp = this.#one(LTP)
    const isMark = broker === DELTA
    const last = isMark ? undefined : ltp
    const mark = this.#one(MARK) ?? (isMark ? ltp : undefined)
    const open = this.#one(OPEN)
    const high = this.#one(HIGH)
    const low = this.#one(LOW)
    const close = this.#one(CLOSE)
    const volume = this.#one(VOLUME)
    const openInterest = this.#amount(OI, OPEN_INTEREST)
    const known = last ?? mark ?? open ?? high ?? low ?? close ?? volume ?? openInterest
    if (known === undefined && bid === undefined && ask === undefined) return
    const unchanged = last !== undefined && last === close
    inbox.event(
      new Ticker(
        symbol,
        this.#context.source,
        this.#timestamp,
        this.#nanos,
        receivedAt,
        0,
        last,
        this.#amount(LAST_TRADE_QUANTITY, LAST_QUANTITY, LTQ),
        this.#tradedAt(),
        open,
        high,
        low,
        close,
        this.#change(unchanged, CHANGE, PRICE_CHANGE),
        this.#change(unchanged, PERCENT, PRICE_PERCENT),
        volume,
        this.#amount(AVERAGE, AVERAGE_TRADE),
        bid,
        ask,
        bidSize,
        askSize,
        undefined,
        openInterest,
        mark,
        undefined,
      ),
    )
  }

  #quote(
    symbol: string,
    receivedAt: number,
    bid: number | undefined,
    bidSize: number | undefined,
    ask: number | undefined,
    askSize: number | undefined,
    inbox: Inbox,
  ): void {
    const none = undefined
    const { source } = this.#context
    inbox.event(
      new Quote(
        symbol,
        source,
        this.#timestamp,
        this.#nanos,
        receivedAt,
        0,
        bid,
        bidSize,
        ask,
        askSize,
        none,
        none,
        none,
        none,
      ),
    )
  }

  #book(listed: Listed, receivedAt: number, bids: Level[], asks: Level[], inbox: Inbox): void {
    const hasLevels = bids.length + asks.length > 0
    // Indices have a depth of zeros; a book that empties has to be told.
    if (!hasLevels && !listed.hadBook) return
    listed.hadBook = hasLevels
    const { source } = this.#context
    inbox.event(
      new Book(
        listed.symbol,
        source,
        this.#timestamp,
        this.#nanos,
        receivedAt,
        0,
        bids,
        asks,
        true,
        undefined,
        undefined,
      ),
    )
  }

  /** Few brokers send bid and ask in this mode: where this one does not, they are to be had with the depth. */
  #raise(listed: Listed): void {
    const { symbol } = listed
    if (listed.raised || !this.features.depth || isIndex(symbol)) return
    // There, but 0: nobody bids or asks just now.
    if (HAS_BID_OR_ASK.some(field => !Number.isNaN(this.fields[field]!))) return
    listed.raised = true
    this.#raising.push(listed)
    if (this.#raising.length === 1) this.#gather()
    if (!this.#plan.quotesFromDepth) {
      this.#plan.quotesFromDepth = true
      const { source, log } = this.#context
      log.info(
        { source },
        'the broker sends no bid and ask in the mode quote: asking for its depth',
      )
    }
  }

  /** Symbols find it out one by one, each with its first tick: those of a while are asked for together. */
  #gather(): void {
    const { clock, signal } = this.#context
    const timer = clock.setTimeout(() => {
      signal.removeEventListener('abort', leave)
      this.refresh()
      const all = this.#raising.splice(0)
      this.#askFor(
        all.filter(({ mask }) => (mask & KIND_BIT.quote) !== 0),
        // Whoever let go of one meanwhile has named the mode it is not in yet.
        all.filter(({ mask }) => (mask & KIND_BIT.quote) !== 0 || mask === 0),
      )
    }, GATHER_MS)
    const leave = () => timer.cancel()
    signal.addEventListener('abort', leave, { once: true })
  }

  #askFor(richer: readonly Listed[], poorer: readonly Listed[]): void {
    const mode = modeNumber('quote')
    const send = (message: object) =>
      this.#context.control({ type: 'reply', frame: JSON.stringify(message) })
    for (let i = 0; i < poorer.length; i += MOST_NAMES) {
      const symbols = richer.slice(i, i + MOST_NAMES).map(({ symbol }) => venueName(symbol))
      if (symbols.length > 0) send({ action: 'subscribe', symbols, mode: 'depth' })
      const gone = poorer.slice(i, i + MOST_NAMES)
      send({
        action: 'unsubscribe',
        symbols: gone.map(({ symbol }) => ({ ...venueName(symbol), mode })),
      })
    }
  }

  /** This, where it is above 0. */
  #one(a: number): number | undefined {
    const value = this.fields[a]!
    return value > 0 ? value : undefined
  }

  /** The first of these that is above 0. */
  #amount(a: number, b: number, c = b): number | undefined {
    const { fields } = this
    if (fields[a]! > 0) return fields[a]
    if (fields[b]! > 0) return fields[b]
    return fields[c]! > 0 ? fields[c] : undefined
  }

  /** A change of 0 is believed where the prices say so too. */
  #change(unchanged: boolean, a: number, b: number): number | undefined {
    const { fields } = this
    const value = fields[a] || fields[b]
    if (value) return value
    return unchanged && (fields[a] === 0 || fields[b] === 0) ? 0 : undefined
  }

  #time(receivedAt: number): void {
    // Not `ltt`: what was traded long ago may be quoted now.
    const time = this.fields[TIMESTAMP]!
    this.#nanos = 0
    if (isMillis(time)) {
      this.#timestamp = time
      return
    }
    const micros = microsOf(time)
    if (micros === undefined) this.#timestamp = Math.floor(receivedAt)
    else {
      this.#timestamp = Math.floor(micros / 1_000)
      this.#nanos = (micros - this.#timestamp * 1_000) * 1_000
    }
  }

  #tradedAt(): number | undefined {
    const time = this.fields[LTT]!
    if (isMillis(time)) return time
    const micros = microsOf(time)
    return micros === undefined ? undefined : Math.floor(micros / 1_000)
  }
}

/** Whole milliseconds since 1970, to the year 2255; the usual case. */
const isMillis = (time: number) => time >= 1e11 && time < 9e12 && Math.floor(time) === time

/** Microseconds since 1970 of a time whose unit its size tells; none for 0 and what is beyond all units. */
export function microsOf(time: number): number | undefined {
  if (!(time > 0 && time < 1e17)) return undefined
  const factor = time < 1e11 ? 1_000_000 : time < 1e14 ? 1_000 : 1
  const micros = Math.round(time * factor)
  return micros > 0 && Number.isSafeInteger(micros) ? micros : undefined
}

/** A price without the noise of sums of doubles. */
export const clean = (price: number): number => Number(price.toPrecision(12))

/** Best first; nearly always it is. */
function sortSide(levels: Level[], sign: 1 | -1): void {
  for (let i = 1; i < levels.length; i++) {
    if ((levels[i]![0] - levels[i - 1]![0]) * sign > 0) continue
    levels.sort((a, b) => (a[0] - b[0]) * sign)
    return
  }
}
