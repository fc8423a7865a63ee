import type { Clock, Timer } from '../../base/clock.ts'
import type { ProtocolPeer, ProtocolSession } from '../../flow/contracts.ts'
import type { EventType, Level, MarketEvent } from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'
import { INTERVALS, intervalOf } from './channels.ts'
import { type BookSides, type KrakenFloor, micros } from './server-market.ts'

/** A test's hand in what a session does. */
export interface KrakenScript {
  /** Hears what the session says beside data. */
  said?(session: KrakenSession, message: string): void
  /** The next subscribe is refused with this error, or so many of its symbols are left out without a word. */
  subscribe?(session: KrakenSession): { error: string } | { omit: number } | undefined
  /** How long data still comes after an unsubscribe, ms. */
  unsubscribe?(session: KrakenSession): number | undefined
  /** Whether the next checksum shall be wrong. */
  checksum?(session: KrakenSession): boolean
}

export interface SessionContext {
  readonly floor: KrakenFloor
  readonly clock: Clock
  readonly idleMs: number
  readonly script: KrakenScript
  readonly gone: (session: KrakenSession) => void
}

const DEPTHS = [10, 25, 100, 500, 1_000]
const CHANNELS = ['trade', 'ticker', 'ohlc', 'book', 'instrument'] as const
type ChannelName = (typeof CHANNELS)[number]

interface Stream {
  readonly channel: ChannelName
  readonly symbol: string
  readonly minutes: number
  readonly depth: number
  /** What the client has of the book. */
  view?: BookSides
  /** Until when it goes on although it was let go, epoch ms. */
  until?: number
}

interface Params {
  channel?: unknown
  symbol?: unknown
  depth?: unknown
  interval?: unknown
  snapshot?: unknown
}

/** One client of the venue. */
export class KrakenSession implements ProtocolSession {
  readonly #peer: ProtocolPeer
  readonly #context: SessionContext
  readonly #streams = new Map<string, Stream>()
  #heartbeat: Timer | undefined
  #idle: Timer | undefined
  #quiet = true
  #over = false

  constructor(peer: ProtocolPeer, context: SessionContext) {
    this.#peer = peer
    this.#context = context
    this.#say(
      // A number beyond 2^53, as the venue's are.
      '{"channel":"status","type":"update","data":[{"api_version":"v2","connection_id":13834774380200032777,"system":"online","version":"2.0.0"}]}',
    )
    this.#stir()
    this.#beat()
  }

  /** Symbols by channel. */
  get channels(): Readonly<Record<string, readonly string[]>> {
    const lists: Record<string, string[]> = {}
    for (const { channel, symbol } of this.#live()) (lists[channel] ??= []).push(symbol)
    return lists
  }

  get topics(): readonly Topic[] {
    return this.#live().flatMap(({ channel, symbol, minutes }) =>
      KINDS[channel].map(kind => ({
        ...{ source: 'kraken', kind, symbol },
        ...(kind === 'bar' && { interval: intervalOf(minutes)! }),
      })),
    )
  }

  get subscribed(): boolean {
    return this.#streams.size > 0
  }

  receive(data: Uint8Array): void {
    if (this.#over) return
    this.#stir()
    const time = this.#now()
    let message: { method?: unknown; params?: unknown; req_id?: unknown } | null
    try {
      message = JSON.parse(Buffer.from(data).toString())
    } catch {
      message = null
    }
    const id = Number.isInteger(message?.req_id) ? `,"req_id":${message!.req_id}` : ''
    const times = `"time_in":"${time}","time_out":"${time}"`
    const { method } = message ?? {}
    if (method === 'ping') {
      this.#say(`{"method":"pong"${id},${times}}`)
      return
    }
    const params = message?.params
    const isMap = typeof params === 'object' && params !== null
    if ((method !== 'subscribe' && method !== 'unsubscribe') || !isMap) {
      this.#say(`{"error":"Malformed request","success":false${id},${times}}`)
      return
    }
    if (method === 'subscribe') this.#subscribe(params as Params, id, times)
    else this.#unsubscribe(params as Params, id, times)
  }

  deliver(batch: readonly MarketEvent[]): void {
    for (const event of batch) this.#event(event)
  }

  closed(): void {
    if (this.#over) return
    this.#over = true
    this.#heartbeat?.cancel()
    this.#idle?.cancel()
    this.#context.gone(this)
  }

  #event(event: MarketEvent): void {
    const { floor } = this.#context
    const { symbol } = event
    if (symbol === undefined || !floor.pairs.has(symbol)) return
    switch (event.type) {
      case 'trade':
        if (this.#has('trade', symbol)) this.#send(floor.trade(event))
        break
      case 'quote':
      case 'ticker': {
        const time = micros(event.timestamp, event.nanos)
        if (this.#has('ticker', symbol)) this.#send(floor.ticker(symbol, 'update', time)!)
        break
      }
      case 'bar': {
        const minutes = INTERVALS[event.interval]
        if (minutes === undefined || !this.#has('ohlc', symbol, minutes)) break
        this.#send(floor.candle(event, this.#now()))
        break
      }
      case 'status':
        if (this.#has('instrument', '')) this.#send(floor.instruments(event))
        break
      case 'book':
        this.#book(symbol, micros(event.timestamp, event.nanos))
    }
  }

  /** What has changed among the levels the client sees. What has only fallen out of its sight, it has to find itself. */
  #book(symbol: string, time: string): void {
    const { floor } = this.#context
    const stream = this.#find('book', symbol)
    if (!stream?.view) return
    const before = stream.view
    const after = floor.view(symbol, stream.depth)
    stream.view = after
    const changes = (side: 'bids' | 'asks'): Level[] => [
      ...[...after[side]].filter(([price, size]) => before[side].get(price) !== size),
      ...[...before[side].keys()]
        .filter(price => !after[side].has(price) && !floor.has(symbol, side, price))
        .map((price): Level => [price, 0]),
    ]
    const lists = { bids: changes('bids'), asks: changes('asks') }
    if (lists.bids.length + lists.asks.length === 0) return
    this.#send(floor.book(symbol, 'update', lists, this.#checksum(symbol, after), time))
  }

  #checksum(symbol: string, view: BookSides): number {
    const right = this.#context.floor.checksum(symbol, view)
    return this.#context.script.checksum?.(this) ? (right ^ 1) >>> 0 : right
  }

  #subscribe(params: Params, id: string, times: string): void {
    const script = this.#context.script.subscribe?.(this)
    const fail = (error: string, symbol?: string) => {
      const named = symbol === undefined ? '' : `,"symbol":${JSON.stringify(symbol)}`
      this.#say(`{"error":"${error}","method":"subscribe"${id},"success":false${named},${times}}`)
    }
    const read = this.#read(params)
    if (typeof read === 'string') {
      fail(read)
      return
    }
    const omit = script && 'omit' in script ? script.omit : 0
    const streams = read.slice(0, read.length - omit)
    for (const stream of streams) {
      const { channel, symbol, minutes, depth } = stream
      const key = keyOf(stream)
      const name = channel === 'instrument' ? undefined : symbol
      if (script && 'error' in script) fail(script.error, name)
      else if (name !== undefined && !this.#context.floor.pairs.has(name)) {
        fail(`Currency pair not supported ${name}`, name)
      } else if (this.#streams.has(key) && this.#streams.get(key)!.until === undefined) {
        fail('Already subscribed', name)
      } else {
        this.#streams.set(key, { ...stream })
        const result = {
          channel,
          ...(channel === 'book' && { depth }),
          ...(channel === 'ohlc' && { interval: minutes }),
          ...(channel === 'ticker' && { event_trigger: 'bbo' }),
          snapshot: params.snapshot !== false,
          ...(name !== undefined && { symbol: name }),
        }
        this.#say(
          `{"method":"subscribe","result":${JSON.stringify(result)},"success":true,${times}${id}}`,
        )
        this.#snapshot(this.#streams.get(key)!, params)
      }
    }
  }

  #snapshot(stream: Stream, params: Params): void {
    const { floor } = this.#context
    const { channel, symbol, depth } = stream
    if (channel === 'instrument') this.#send(floor.instruments())
    if (channel === 'ticker') {
      const ticker = floor.ticker(symbol, 'snapshot', this.#now())
      if (ticker) this.#send(ticker)
    }
    if (channel !== 'book' || params.snapshot === false) return
    stream.view = floor.view(symbol, depth)
    const lists = { bids: [...stream.view.bids], asks: [...stream.view.asks] }
    const checksum = this.#checksum(symbol, stream.view)
    this.#send(floor.book(symbol, 'snapshot', lists, checksum, this.#now()))
  }

  #unsubscribe(params: Params, id: string, times: string): void {
    const lasts = this.#context.script.unsubscribe?.(this)
    const fail = (error: string, symbol?: string) => {
      const named = symbol === undefined ? '' : `,"symbol":${JSON.stringify(symbol)}`
      this.#say(`{"error":"${error}","method":"unsubscribe"${id},"success":false${named},${times}}`)
    }
    const read = this.#read(params)
    if (typeof read === 'string') {
      fail(read)
      return
    }
    for (const stream of read) {
      const key = keyOf(stream)
      const held = this.#streams.get(key)
      const { channel, symbol, minutes, depth } = stream
      if (!held) {
        fail('Subscription Not Found', symbol)
        continue
      }
      if (lasts === undefined) this.#streams.delete(key)
      else {
        held.until = this.#context.clock.now() + lasts
        this.#context.clock.setTimeout(
          () => {
            if (this.#streams.get(key) === held) this.#streams.delete(key)
          },
          lasts,
          'idle',
        )
      }
      const result = {
        channel,
        ...(channel === 'book' && { depth }),
        ...(channel === 'ohlc' && { interval: minutes }),
        ...(channel !== 'instrument' && { symbol }),
      }
      this.#say(
        `{"method":"unsubscribe","result":${JSON.stringify(result)},"success":true,${times}${id}}`,
      )
    }
  }

  /** The streams a request names, or what is wrong with it. */
  #read({ channel, symbol, depth = 10, interval = 1 }: Params): Stream[] | string {
    const known = CHANNELS.find(name => name === channel)
    if (!known) return 'Malformed request'
    if (known === 'book' && !DEPTHS.includes(depth as number)) {
      return 'Subscription depth not supported'
    }
    if (known === 'ohlc' && !intervalOf(interval as number)) {
      return 'Subscription ohlc interval not supported'
    }
    const rest = { channel: known, minutes: interval as number, depth: depth as number }
    if (known === 'instrument') return [{ ...rest, symbol: '' }]
    if (!Array.isArray(symbol) || symbol.some(it => typeof it !== 'string')) {
      return 'Malformed request'
    }
    return symbol.map((name: string) => ({ ...rest, symbol: name }))
  }

  #live(): Stream[] {
    return [...this.#streams.values()].filter(({ until }) => until === undefined)
  }

  #has(channel: ChannelName, symbol: string, minutes = 1): boolean {
    return this.#find(channel, symbol, minutes) !== undefined
  }

  #find(channel: ChannelName, symbol: string, minutes = 1): Stream | undefined {
    for (const stream of this.#streams.values()) {
      if (stream.channel !== channel || stream.symbol !== symbol) continue
      if (channel !== 'ohlc' || stream.minutes === minutes) return stream
    }
    return undefined
  }

  #say(message: string): void {
    this.#context.script.said?.(this, message)
    this.#send(message)
  }

  #send(message: string): void {
    this.#quiet = false
    if (!this.#over) this.#peer.send(message)
  }

  /** Once a second when nothing else flows, to those who have subscribed to something. */
  #beat(): void {
    this.#heartbeat = this.#context.clock.setTimeout(
      () => {
        if (this.#quiet && this.subscribed) this.#peer.send('{"channel":"heartbeat"}')
        this.#quiet = true
        this.#beat()
      },
      1_000,
      'idle',
    )
  }

  /** The client has said something. */
  #stir(): void {
    this.#idle?.cancel()
    const { clock, idleMs } = this.#context
    this.#idle = clock.setTimeout(() => this.#peer.close(1_000, ''), idleMs, 'idle')
  }

  #now(): string {
    const now = this.#context.clock.now()
    return micros(Math.floor(now), 0)
  }
}

const keyOf = ({ channel, symbol, minutes, depth }: Stream) =>
  `${channel} ${symbol} ${channel === 'ohlc' ? minutes : ''} ${channel === 'book' ? depth : ''}`

const KINDS: { readonly [channel in ChannelName]: readonly EventType[] } = {
  trade: ['trade'],
  ticker: ['ticker', 'quote'],
  ohlc: ['bar'],
  book: ['book'],
  instrument: [],
}
