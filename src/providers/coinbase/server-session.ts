import type { Clock, Timer } from '../../base/clock.ts'
import type { ProtocolPeer, ProtocolSession } from '../../flow/contracts.ts'
import type { EventType, MarketEvent, Trade } from '../../market/events.ts'
import { ANY, type Topic } from '../../market/topics.ts'
import type { Change, ServerBook } from './server-book.ts'
import { candleOf, tickerOf, timeOf, tradesOf, updatesOf } from './server-frames.ts'
import { productOf, symbolsOf } from './symbols.ts'

/** Who has subscribed nothing by then is let go, ms. */
const PATIENCE_MS = 5_000
const HEARTBEAT_MS = 1_000
/** Products whose books one connection may have: 16 were taken, 32 refused. */
const MOST_BOOKS = 16

const CHANNELS = [
  ...(['heartbeats', 'level2', 'market_trades', 'ticker', 'ticker_batch', 'candles'] as const),
  'status',
]

/**
 * What goes wrong with the next frame of data: it is lost · it comes twice · it comes behind the next one · numbers go on
 * beyond it, so that some seem to be missing · its number is one that has been.
 */
export const FRAME_FAULTS = ['drop', 'repeat', 'reorder', 'ahead', 'behind'] as const
export type FrameFault = (typeof FRAME_FAULTS)[number]

/** A test's hand in the answers to requests; `undefined` leaves one as it is. */
export interface CoinbaseScript {
  answer?(
    session: CoinbaseSession,
    type: string,
    channel: string,
    products: readonly string[],
  ): object | 'silence' | undefined
  /** Hears what is said beside data, as text. */
  said?(session: CoinbaseSession, text: string): void
}

export interface SessionContext {
  readonly clock: Clock
  readonly script: CoinbaseScript
  /** Ids of the products there are. */
  readonly products: ReadonlySet<string>
  book(product: string): ServerBook
  recent(product: string): readonly Trade[]
  gone(session: CoinbaseSession): void
}

/** One client of the venue's stream. */
export class CoinbaseSession implements ProtocolSession {
  readonly #peer: ProtocolPeer
  readonly #context: SessionContext
  readonly #channels = new Map<string, Set<string>>()
  readonly #faults: FrameFault[] = []
  #timer: Timer
  #sequence = 0
  #beats = 0
  #kept: string | undefined

  constructor(peer: ProtocolPeer, context: SessionContext) {
    this.#peer = peer
    this.#context = context
    this.#timer = context.clock.setTimeout(() => peer.close(1_000, 'no subscription'), PATIENCE_MS)
  }

  /** Products by channel. */
  get channels(): ReadonlyMap<string, ReadonlySet<string>> {
    return this.#channels
  }

  get topics(): readonly Topic[] {
    return [...this.#channels].flatMap(([channel, products]) =>
      [...products].flatMap((product): Topic[] => {
        const [symbol] = symbolsOf(product)
        const kind = KINDS[channel]
        if (symbol === undefined || !kind) return []
        return [{ source: ANY, kind, symbol, ...(kind === 'bar' && { interval: '5m' }) }]
      }),
    )
  }

  receive(data: Uint8Array): void {
    let message: { type?: unknown; channel?: unknown; product_ids?: unknown }
    try {
      message = JSON.parse(Buffer.from(data).toString())
    } catch {
      this.#fail('invalid JSON')
      return
    }
    const { type, channel, product_ids: listed = [] } = message
    if (type !== 'subscribe' && type !== 'unsubscribe') {
      this.#fail('type must be subscribe or unsubscribe')
      return
    }
    // So it answers to any channel it does not know.
    if (typeof channel !== 'string' || !CHANNELS.includes(channel)) {
      this.#fail('authentication failure')
      return
    }
    const products = Array.isArray(listed) ? listed.map(String) : []
    const scripted = this.#context.script.answer?.(this, type, channel, products)
    if (scripted === 'silence') return
    if (scripted) this.#tell(JSON.stringify(scripted))
    else if (type === 'subscribe') this.#subscribe(channel, products)
    else this.#unsubscribe(channel, products)
  }

  deliver(batch: readonly MarketEvent[]): void {
    const trades = new Map<string, Trade[]>()
    for (const event of batch) {
      if (event.symbol === undefined) continue
      const product = productOf(event.symbol)
      if (event.type === 'trade') trades.set(product, [...(trades.get(product) ?? []), event])
      else if (event.type === 'ticker' && this.#has('ticker', product)) {
        this.#data('ticker', [{ type: 'update', tickers: [tickerOf(event)] }])
      } else if (event.type === 'bar' && this.#has('candles', product)) {
        const candles = [{ ...candleOf(event), product_id: product }]
        this.#data('candles', [{ type: 'update', candles }])
      }
    }
    for (const [product, list] of trades) {
      if (!this.#has('market_trades', product)) continue
      this.#data('market_trades', [{ type: 'update', trades: tradesOf(list) }])
    }
  }

  /** Sends changes of a book to a client that has subscribed it. */
  update(product: string, { bids, asks }: Change): void {
    if (!this.#has('level2', product)) return
    const updates = updatesOf(bids, asks, this.#now)
    this.#data('l2_data', [{ type: 'update', product_id: product, updates }])
  }

  /** Spoils the next frame of data on its way. */
  spoil(fault: FrameFault): void {
    this.#faults.push(fault)
  }

  closed(): void {
    this.#timer.cancel()
    this.#channels.clear()
    this.#context.gone(this)
  }

  #has(channel: string, product: string): boolean {
    return this.#channels.get(channel)?.has(product) ?? false
  }

  get #now() {
    return { timestamp: Math.floor(this.#context.clock.now()), nanos: 0 }
  }

  #subscribe(channel: string, products: readonly string[]): void {
    const stranger = products.find(product => !this.#context.products.has(product))
    if (stranger !== undefined) {
      this.#fail(`${stranger} is not a valid product`)
      return
    }
    const held = this.#channels.get(channel) ?? new Set<string>()
    const fresh = products.filter(product => !held.has(product))
    if (channel === 'level2' && held.size + fresh.length > MOST_BOOKS) {
      this.#fail('too many L2 streams requested in a single session')
      return
    }
    this.#channels.set(channel, new Set([...held, ...products]))
    if (channel === 'heartbeats') this.#channels.set(channel, new Set(['heartbeats']))
    this.#acknowledge()
    if (channel === 'heartbeats') {
      this.#timer.cancel()
      this.#timer = this.#context.clock.setTimeout(() => this.#beat(), HEARTBEAT_MS)
    }
    for (const product of fresh) this.#begin(channel, product)
  }

  /** A channel begins with a snapshot; of what is held already there is no other. */
  #begin(channel: string, product: string): void {
    if (channel === 'level2') {
      const { bids, asks } = this.#context.book(product).whole()
      const updates = updatesOf(bids, asks, undefined)
      this.#say('l2_data', [{ type: 'snapshot', product_id: product, updates }])
    } else if (channel === 'market_trades') {
      const trades = tradesOf(this.#context.recent(product).slice(-50))
      this.#say('market_trades', [{ type: 'snapshot', trades }])
    }
  }

  #unsubscribe(channel: string, products: readonly string[]): void {
    const held = this.#channels.get(channel)
    for (const product of products) held?.delete(product)
    if (products.length === 0 || held?.size === 0) this.#channels.delete(channel)
    this.#acknowledge()
  }

  #acknowledge(): void {
    const lists = [...this.#channels].map(([channel, products]) => [channel, [...products]])
    this.#tell(this.#frame('subscriptions', [{ subscriptions: Object.fromEntries(lists) }]))
  }

  #beat(): void {
    const { timestamp } = this.#now
    const current_time = `${new Date(timestamp).toISOString()} UTC m=+${this.#beats}.5`
    this.#say('heartbeats', [{ current_time, heartbeat_counter: this.#beats++ }])
    this.#timer = this.#context.clock.setTimeout(() => this.#beat(), HEARTBEAT_MS)
  }

  #fail(message: string): void {
    this.#tell(JSON.stringify({ type: 'error', message }))
  }

  /** An answer, or an error. */
  #tell(text: string): void {
    this.#peer.send(text)
    this.#context.script.said?.(this, text)
  }

  /** Sends data, or what a fault makes of it. */
  #data(channel: string, events: readonly object[]): void {
    const fault = this.#faults.shift()
    const frame = this.#frame(channel, events, fault === 'behind' ? -1 : 0)
    if (fault === 'ahead') this.#sequence += 2
    const kept = this.#kept
    this.#kept = undefined
    if (fault === 'reorder') this.#kept = frame
    else if (fault !== 'drop') this.#peer.send(frame)
    if (fault === 'repeat') this.#peer.send(frame)
    if (kept !== undefined) this.#peer.send(kept)
  }

  #say(channel: string, events: readonly object[]): void {
    this.#peer.send(this.#frame(channel, events))
  }

  #frame(channel: string, events: readonly object[], off = 0): string {
    const timestamp = timeOf(this.#now)
    return JSON.stringify({ channel, timestamp, sequence_num: this.#sequence++ + off, events })
  }
}

const KINDS: { readonly [channel: string]: EventType } = {
  ...{ market_trades: 'trade', level2: 'book', ticker: 'ticker', candles: 'bar' },
}
