import type { Clock, Timer } from '../../base/clock.ts'
import type { ProtocolPeer, ProtocolSession } from '../../flow/contracts.ts'
import type { Interval, MarketEvent } from '../../market/events.ts'
import { ANY, type Topic } from '../../market/topics.ts'
import type { Diff } from './depth.ts'
import { channelsOf, diffOf, payloadOf } from './server-frames.ts'
import { venueName } from './symbols.ts'

/** https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md#websocket-limits */
const MESSAGES_PER_SECOND = 5
const STREAMS = 1_024
const LIFE_MS = 86_400_000

const METHODS = ['SUBSCRIBE', 'UNSUBSCRIBE', 'LIST_SUBSCRIPTIONS', 'SET_PROPERTY', 'GET_PROPERTY']
const STREAM_NAME = /^[^@\s]+@[A-Za-z0-9_@]+$/

/** A test's hand in the answers to requests; `undefined` leaves one as it is. */
export interface BinanceScript {
  answer?(
    session: BinanceSession,
    method: string,
    params: readonly unknown[],
  ): object | 'silence' | undefined
  /** Hears what is said beside data, as text. */
  said?(session: BinanceSession, text: string): void
}

export interface SessionContext {
  readonly clock: Clock
  readonly script: BinanceScript
  /** The pair a name stands for, as events call it. */
  symbol(name: string): string | undefined
  gone(session: BinanceSession): void
}

/** One client of the venue's streams. */
export class BinanceSession implements ProtocolSession {
  readonly #peer: ProtocolPeer
  readonly #context: SessionContext
  readonly #micros: boolean
  readonly #streams = new Set<string>()
  readonly #received: number[] = []
  readonly #timer: Timer
  #combined: boolean

  constructor(path: string, peer: ProtocolPeer, context: SessionContext) {
    this.#peer = peer
    this.#context = context
    const { pathname, searchParams } = new URL(path, 'ws://venue')
    this.#combined = pathname.startsWith('/stream')
    this.#micros = /^microsecond$/i.test(searchParams.get('timeUnit') ?? '')
    const named = this.#combined ? searchParams.get('streams') : pathname.split('/')[2]
    for (const name of (named ?? '').split('/')) if (name !== '') this.#streams.add(name)
    this.#timer = context.clock.setTimeout(() => peer.close(1_008, 'Disconnected'), LIFE_MS, 'idle')
  }

  get streams(): ReadonlySet<string> {
    return this.#streams
  }

  get topics(): readonly Topic[] {
    return [...this.#streams].flatMap((stream): Topic[] => {
      const [name = '', channel = ''] = stream.split('@')
      const symbol = this.#context.symbol(name.toUpperCase())
      if (symbol === undefined) return []
      const base = { source: ANY, symbol }
      if (channel.startsWith('kline_')) {
        return [{ ...base, kind: 'bar', interval: channel.slice(6) as Interval }]
      }
      const kind = KINDS[channel]
      return kind ? [{ ...base, kind }] : []
    })
  }

  receive(data: Uint8Array): void {
    const now = this.#context.clock.now()
    this.#received.push(now)
    while (this.#received[0]! <= now - 1_000) this.#received.shift()
    if (this.#received.length > MESSAGES_PER_SECOND) {
      this.#peer.close(1_008, 'Too many requests')
      return
    }
    let message: { method?: unknown; params?: unknown; id?: unknown }
    try {
      message = JSON.parse(Buffer.from(data).toString())
    } catch {
      this.#tell({ code: 3, msg: 'Invalid JSON: expected value at line 1 column 1' })
      return
    }
    const { method, params = [], id = null } = message
    if (typeof method !== 'string' || !METHODS.includes(method)) {
      const what = method === undefined ? 'missing field `method`' : `unknown variant ${method}`
      this.#tell({ code: 2, msg: `Invalid request: ${what} at line 1 column 28` })
      return
    }
    const list = Array.isArray(params) ? (params as unknown[]) : []
    const scripted = this.#context.script.answer?.(this, method, list)
    if (scripted === 'silence') return
    this.#tell(scripted ?? this.#answer(method, list, id))
  }

  deliver(batch: readonly MarketEvent[]): void {
    for (const event of batch) {
      if (event.symbol === undefined) continue
      for (const channel of channelsOf(event)) {
        const stream = `${venueName(event.symbol).toLowerCase()}@${channel}`
        if (!this.#streams.has(stream)) continue
        const payload = payloadOf(event, channel, this.#micros)
        if (payload) this.#send(stream, payload)
      }
    }
  }

  /** Sends updates of a book to a client that has subscribed it. */
  update(symbol: string, diffs: readonly Diff[]): void {
    const name = venueName(symbol).toLowerCase()
    const stream = [`${name}@depth@100ms`, `${name}@depth`].find(one => this.#streams.has(one))
    if (stream === undefined) return
    for (const diff of diffs) this.#send(stream, diffOf(symbol, diff, this.#micros))
  }

  /** Tells that this server is about to go away. */
  shutdown(): void {
    this.#send('!serverShutdown', { e: 'serverShutdown', E: Math.floor(this.#context.clock.now()) })
  }

  closed(): void {
    this.#timer.cancel()
    this.#streams.clear()
    this.#context.gone(this)
  }

  #answer(method: string, params: readonly unknown[], id: unknown): object {
    switch (method) {
      case 'SUBSCRIBE':
      case 'UNSUBSCRIBE': {
        const names = params.filter((name): name is string => typeof name === 'string')
        if (names.length !== params.length || !names.every(name => STREAM_NAME.test(name))) {
          return { code: 2, msg: 'Invalid request: invalid stream' }
        }
        if (method === 'UNSUBSCRIBE') for (const name of names) this.#streams.delete(name)
        else {
          const all = new Set([...this.#streams, ...names])
          if (all.size > STREAMS) return { code: 2, msg: 'Invalid request: too many streams', id }
          for (const name of names) this.#streams.add(name)
        }
        return { result: null, id }
      }
      case 'LIST_SUBSCRIPTIONS':
        return { result: [...this.#streams], id }
      case 'GET_PROPERTY':
        return params[0] === 'combined'
          ? { result: this.#combined, id }
          : { code: 0, msg: 'Unknown property', id }
      default:
        if (params[0] !== 'combined') return { code: 0, msg: 'Unknown property', id }
        if (typeof params[1] !== 'boolean') {
          return { code: 1, msg: 'Invalid value type: expected Boolean' }
        }
        this.#combined = params[1]
        return { result: null, id }
    }
  }

  #send(stream: string, data: object): void {
    this.#say(this.#combined ? { stream, data } : data)
  }

  #say(message: object): void {
    this.#peer.send(JSON.stringify(message))
  }

  /** An answer, or an error. */
  #tell(message: object): void {
    this.#say(message)
    this.#context.script.said?.(this, JSON.stringify(message))
  }
}

const KINDS: { readonly [channel: string]: 'trade' | 'quote' | 'ticker' | 'book' } = {
  ...{ trade: 'trade', aggTrade: 'trade', bookTicker: 'quote', ticker: 'ticker', depth: 'book' },
}
