import type { Clock, Timer } from '../../base/clock.ts'
import type { TickwireError } from '../../base/errors.ts'
import { decodeMsgpack, encodeMsgpack } from '../../base/msgpack.ts'
import type {
  FrameForm,
  ProtocolPeer,
  SharedSession,
  UpgradeRequest,
} from '../../flow/contracts.ts'
import type { MarketEvent } from '../../market/events.ts'
import { ANY, formatTopic, type Topic } from '../../market/topics.ts'
import { type AlpacaCodec, CONTENT_TYPES } from './codec.ts'
import { channelOf } from './encode.ts'
import {
  type AlpacaFeed,
  type Channel,
  channelsOfFeed,
  FEEDS,
  FOLLOWERS,
  MARKETS,
  venueSymbol,
} from './feeds.ts'
import type { Market } from './market.ts'
import { isPair } from './market-crypto.ts'
import { fromNews, toNews } from './market-news.ts'
import { isContract } from './market-options.ts'
import { isSymbol } from './messages.ts'
import type { ServerBooks } from './server-books.ts'
import type { Frames } from './server-frames.ts'
import type { Accounts, Identity } from './server-plan.ts'

/** What the venue says is wrong. https://docs.alpaca.markets/docs/streaming-market-data#errors */
export const SERVER_ERRORS = {
  400: 'invalid syntax',
  401: 'not authenticated',
  402: 'auth failed',
  403: 'already authenticated',
  404: 'auth timeout',
  405: 'symbol limit exceeded',
  406: 'connection limit exceeded',
  407: 'slow client',
  408: 'v2 not enabled',
  409: 'insufficient subscription',
  410: 'invalid subscribe action for this feed',
  411: 'insufficient scope',
  412: 'option messages are only available in MsgPack format',
  413: 'star subscription is not allowed for option quotes',
  500: 'internal error',
} as const

export type ServerErrorCode = keyof typeof SERVER_ERRORS

/** An error instead of the true answer; `close` ends the connection behind it. */
export interface ScriptedError {
  readonly code: ServerErrorCode
  readonly close?: boolean
}

/** A message about the connection: `success`, `error` or `subscription`. */
export interface ControlMessage {
  readonly T: string
  readonly msg?: string
  readonly code?: number
  /** Not of the venue: what data is that is not live and real. Clients pass over keys they do not know. */
  readonly nature?: string
}

/** A test's hand in the venue's answers. `undefined` leaves an answer as it is. */
export interface AlpacaScript {
  /** Before an authentication is judged. `silence`: it is not answered at all. */
  auth?(session: AlpacaSession): ScriptedError | 'silence' | undefined
  /** Before a subscribe is carried out. `omit`: so many of its symbols are left out of subscription and ack. */
  subscribe?(session: AlpacaSession): ScriptedError | { readonly omit: number } | undefined
  /** Hears of every control message the venue sends. */
  said?(session: AlpacaSession, message: ControlMessage): void
  /** After an unsubscribe: how long its data still comes, ms. */
  unsubscribe?(session: AlpacaSession): number | undefined
}

export interface SessionContext {
  readonly feed: AlpacaFeed
  readonly accounts: Pick<Accounts, 'identify' | 'enter' | 'leave'>
  readonly frames: Frames
  readonly books: ServerBooks
  readonly clock: Clock
  readonly maxBufferBytes: number
  readonly script: AlpacaScript
  /** Of data that is not live and real, in words. @default nothing is said */
  readonly nature?: string | undefined
  gone(session: AlpacaSession): void
}

/** The venue ends a connection that has not authenticated by then, ms. */
const AUTH_TIMEOUT_MS = 10_000

/** A list of a stream that is not here: Alpaca's Go client sends it, empty, everywhere. */
const FOREIGN = 'pricing'

/** One client of one of Alpaca's streams. */
export class AlpacaSession implements SharedSession {
  readonly feed: AlpacaFeed
  readonly codec: AlpacaCodec
  readonly #peer: ProtocolPeer
  readonly #context: SessionContext
  readonly #subscribed: ReadonlyMap<Channel, Set<string>>
  readonly #timer: Timer
  #identity: Identity | undefined
  /** Names what is subscribed, for frames shared between clients. */
  #wish = ''
  #closed = false
  /** What has been unsubscribed and still comes, until when, by channel and symbol. */
  #leaving: Map<string, number> | undefined

  constructor(request: UpgradeRequest, peer: ProtocolPeer, context: SessionContext) {
    this.feed = context.feed
    this.#peer = peer
    this.#context = context
    const asked = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
    this.codec = asked === CONTENT_TYPES.msgpack ? 'msgpack' : 'json'
    this.#subscribed = new Map(channelsOfFeed(context.feed).map(channel => [channel, new Set()]))
    this.#timer = context.clock.setTimeout(() => this.#timeout(), AUTH_TIMEOUT_MS)
    const { nature } = context
    this.#send({ T: 'success', msg: 'connected', ...(nature !== undefined && { nature }) })
    const credentials = fromHeaders(request.headers)
    if (credentials) this.#authenticate(...credentials)
  }

  /** Whose connection it is, once it has authenticated. */
  get account(): string | undefined {
    return this.#identity?.account
  }

  /** The lists of the state of subscriptions. */
  get channels(): ReadonlyMap<Channel, ReadonlySet<string>> {
    return this.#subscribed
  }

  /** Whether anything is subscribed. */
  get subscribed(): boolean {
    return this.#wish !== ''
  }

  get topics(): readonly Topic[] {
    const topics = new Map<string, Topic>()
    for (const [channel, symbols] of this.#subscribed) {
      for (const listed of symbols) {
        const symbol = this.feed === 'news' ? fromNews(listed) : listed
        for (const topic of TOPICS[channel]) {
          const full = { source: ANY, symbol, ...topic }
          topics.set(formatTopic(full), full)
        }
      }
    }
    return [...topics.values()]
  }

  get form(): FrameForm {
    const subscribed = new Map([...this.#subscribed].map(([name, list]) => [name, new Set(list)]))
    const { codec } = this
    const { frames } = this.#context
    const key = this.#wish
    const wants = (event: MarketEvent) => this.#wants(event, subscribed)
    return { key, frames: events => frames.of(events, codec, key, wants) }
  }

  refuse(topics: readonly Topic[], { code }: TickwireError): void {
    for (const [channel, symbols] of this.#subscribed) {
      for (const { kind, symbol, interval } of topics) {
        const isOfIt = TOPICS[channel].some(it => it.kind === kind && it.interval === interval)
        if (isOfIt) symbols.delete(this.feed === 'news' ? toNews(symbol) : symbol)
      }
    }
    this.fail(REFUSALS[code] ?? 410)
    this.#rename()
    this.#acknowledge()
  }

  tooSlow(): void {
    this.fail(407)
  }

  receive(data: Uint8Array): void {
    if (this.#closed) return
    const message = this.#parse(data)
    switch (message?.action) {
      case 'auth':
        this.#onAuth(message)
        break
      case 'subscribe':
      case 'unsubscribe':
        if (this.#identity) this.#change(message.action, message)
        else this.fail(401)
        break
      default:
        this.fail(400)
    }
  }

  deliver(batch: readonly MarketEvent[]): void {
    if (this.#wish === '' && !this.#leaving) return
    const { frames, maxBufferBytes } = this.#context
    const wish = this.#leaving ? this.#leavingWish() : this.#wish
    for (const frame of frames.of(batch, this.codec, wish, event => this.#wants(event))) {
      if (this.#closed) return
      if (this.#peer.bufferedBytes > maxBufferBytes) {
        // Whether the message still arrives is up to the client.
        this.fail(407)
        this.#peer.cut()
        return
      }
      this.#peer.send(frame)
    }
  }

  closed(clean: boolean): void {
    if (this.#closed) return
    this.#closed = true
    this.#timer.cancel()
    if (this.#identity) {
      this.#context.accounts.leave(this.#identity, this.feed, this, clean)
    }
    for (const symbols of this.#subscribed.values()) symbols.clear()
    this.#wish = ''
    this.#leaving = undefined
    this.#context.gone(this)
  }

  #timeout(): void {
    this.fail(404)
    this.#peer.close(1000, SERVER_ERRORS[404])
  }

  #wants(
    event: MarketEvent,
    subscribed: ReadonlyMap<Channel, ReadonlySet<string>> = this.#subscribed,
  ): boolean {
    const channel = channelOf(event)
    const symbols = channel && subscribed.get(channel)
    if (!symbols) return false
    if (event.type === 'news') {
      return symbols.has(ANY) || event.symbols.some(it => this.#isOn(channel, symbols, toNews(it)))
    }
    const { symbol } = event
    if (symbol === undefined) return false
    if (this.#isOn(channel, symbols, symbol)) return true
    const any = symbols.has(ANY) || this.#isLeaving(`${channel} *`)
    // A venue of several markets is fed with the events of all.
    return any && marketOf(symbol) === FEEDS[this.feed].market
  }

  #isOn(channel: Channel, symbols: ReadonlySet<string>, symbol: string): boolean {
    return symbols.has(symbol) || this.#isLeaving(`${channel} ${symbol}`)
  }

  #isLeaving(name: string): boolean {
    const until = this.#leaving?.get(name)
    return until !== undefined && until > this.#context.clock.now()
  }

  #leavingWish(): string {
    const now = this.#context.clock.now()
    for (const [name, until] of this.#leaving!) if (until <= now) this.#leaving!.delete(name)
    const names = [...this.#leaving!.keys()]
    if (names.length > 0) return `${this.codec} ${this.#wish} leaving ${names.join()}`
    this.#leaving = undefined
    return this.#wish
  }

  #onAuth({ key, secret }: Record<string, unknown>): void {
    if (this.#identity) this.fail(403)
    else if (this.codec === 'json' && FEEDS[this.feed].market === MARKETS.options) {
      this.#failAs({ code: 412, close: true })
    } else if (typeof key !== 'string' || typeof secret !== 'string') this.fail(400)
    else this.#authenticate(key, secret)
  }

  /** A refused client may try again until the timer ends it. */
  #authenticate(key: string, secret: string): void {
    const { accounts, script } = this.#context
    if (this.codec === 'json' && FEEDS[this.feed].market === MARKETS.options) {
      this.#failAs({ code: 412, close: true })
      return
    }
    const scripted = script.auth?.(this)
    if (scripted === 'silence') return
    if (scripted) {
      this.#failAs(scripted)
      return
    }
    const identity = accounts.identify(key, secret)
    const refusal = typeof identity === 'number' ? identity : this.#refusal(identity)
    if (refusal !== undefined || typeof identity === 'number') {
      this.fail(refusal!)
      return
    }
    this.#identity = identity
    this.#timer.cancel()
    this.#send({ T: 'success', msg: 'authenticated' })
  }

  #refusal(identity: Identity): ServerErrorCode | undefined {
    const { feeds } = identity.plan
    if (feeds && !feeds.includes(this.feed)) return 409
    return this.#context.accounts.enter(identity, this.feed, this) ? undefined : 406
  }

  #change(action: 'subscribe' | 'unsubscribe', message: Record<string, unknown>): void {
    const changes = this.#read(message)
    if (typeof changes === 'number') {
      this.fail(changes)
      return
    }
    const books = new Set(this.#subscribed.get('orderbooks'))
    if (action === 'unsubscribe') this.#unsubscribe(changes)
    else if (!this.#subscribe(changes)) return
    this.#rename()
    this.#acknowledge()
    this.#sendBooks(books)
  }

  #rename(): void {
    const held = [...this.#subscribed].filter(([, symbols]) => symbols.size > 0)
    const lists = held.map(([channel, symbols]) => `${channel}:${[...symbols].sort().join()}`)
    // * of one market is not * of another.
    const { title } = FEEDS[this.feed].market
    this.#wish = lists.length > 0 ? `${this.codec} ${title} ${lists.join(' ')}` : ''
  }

  /** What was subscribed before has its book already. */
  #sendBooks(before: ReadonlySet<string>): void {
    const { books, frames } = this.#context
    const now = this.#subscribed.get('orderbooks')
    if (!now || before.has(ANY)) return
    const symbols = now.has(ANY) ? books.symbols : [...now]
    const snapshots = symbols
      .filter(symbol => !before.has(symbol))
      .map(symbol => books.snapshot(symbol))
      .filter(book => book !== undefined)
    const wish = `${this.codec} whole ${snapshots.map(({ symbol }) => symbol).join()}`
    for (const frame of frames.of(snapshots, this.codec, wish, () => true)) this.#peer.send(frame)
  }

  /** Lists may be missing or nil, as clients send them; a channel of another feed matters only with symbols in it. */
  #read(message: Record<string, unknown>): [Channel, string[]][] | 400 | 410 | 413 {
    const changes: [Channel, string[]][] = []
    for (const name of Object.keys(message)) {
      const channel = name as Channel
      const value = message[name] ?? []
      const carried = this.#subscribed.has(channel)
      if (!carried && name !== FOREIGN && !Object.hasOwn(TOPICS, name)) continue
      if (!Array.isArray(value) || !value.every(isListed)) return 400
      if (!carried) {
        if (value.length > 0) return 410
        continue
      }
      const { market } = FEEDS[this.feed]
      if (!value.every(symbol => symbol === ANY || isOf(symbol, market, this.feed))) return 400
      if (market === MARKETS.options && channel === 'quotes' && value.includes(ANY)) return 413
      changes.push([channel, value])
    }
    return changes
  }

  #subscribe(changes: readonly [Channel, string[]][]): boolean {
    const scripted = this.#context.script.subscribe?.(this)
    if (scripted && 'code' in scripted) {
      this.#failAs(scripted)
      return false
    }
    if (this.#exceeds(changes)) {
      this.fail(405)
      return false
    }
    const asked = new Set(changes.flatMap(([, list]) => list))
    const omitted = scripted ? [...asked].slice(-scripted.omit) : []
    for (const [channel, list] of changes) {
      const symbols = this.#subscribed.get(channel)!
      for (const symbol of list) {
        if (!omitted.includes(symbol)) symbols.add(symbol)
        this.#leaving?.delete(`${channel} ${symbol}`)
      }
    }
    return true
  }

  #unsubscribe(changes: readonly [Channel, string[]][]): void {
    const { clock, script } = this.#context
    const lingerMs = script.unsubscribe?.(this) ?? 0
    for (const [channel, list] of changes) {
      for (const symbol of list) {
        if (!this.#subscribed.get(channel)!.delete(symbol) || lingerMs <= 0) continue
        this.#leaving ??= new Map()
        this.#leaving.set(`${channel} ${symbol}`, clock.now() + lingerMs)
      }
    }
  }

  /** Bars do not count, trades and quotes of one symbol count once, and a plan with a limit has no `*` on them. */
  #exceeds(changes: readonly [Channel, string[]][]): boolean {
    const limit = this.#identity?.plan.symbols
    if (limit === undefined) return false
    const counted = (channel: Channel) => channel === 'trades' || channel === 'quotes'
    const symbols = new Set(changes.flatMap(([channel, list]) => (counted(channel) ? list : [])))
    if (symbols.size === 0) return false
    for (const [channel, list] of this.#subscribed) {
      if (counted(channel)) for (const symbol of list) symbols.add(symbol)
    }
    return symbols.has(ANY) || symbols.size > limit
  }

  #acknowledge(): void {
    const lists = Object.fromEntries(
      [...this.#subscribed].map(([channel, symbols]) => [channel, [...symbols]]),
    )
    const { only, market } = FEEDS[this.feed]
    const followers =
      only || market !== MARKETS.stocks
        ? {}
        : Object.fromEntries(FOLLOWERS.map(name => [name, lists.trades]))
    this.#send({ T: 'subscription', ...lists, ...followers })
  }

  #failAs({ code, close }: ScriptedError): void {
    this.fail(code)
    if (close) this.#peer.close(1000, SERVER_ERRORS[code])
  }

  /** Says an error; the connection stays as it is. */
  fail(code: ServerErrorCode): void {
    this.#send({ T: 'error', code, msg: SERVER_ERRORS[code] })
  }

  /** A control message, alone in its frame. */
  #send(message: ControlMessage): void {
    this.#context.script.said?.(this, message)
    this.#peer.send(this.codec === 'json' ? JSON.stringify([message]) : encodeMsgpack([message]))
  }

  #parse(data: Uint8Array): Record<string, unknown> | undefined {
    let message: unknown
    try {
      message = this.codec === 'json' ? JSON.parse(UTF8.decode(data)) : decodeMsgpack(data)
    } catch {
      return undefined
    }
    const isMap = typeof message === 'object' && message !== null && !Array.isArray(message)
    return isMap ? (message as Record<string, unknown>) : undefined
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

/** How it is said that something cannot be had. */
const REFUSALS: Partial<Record<TickwireError['code'], ServerErrorCode>> = {
  ...{ NOT_ENTITLED: 409, QUOTA_EXCEEDED: 405, SYMBOL_LIMIT: 405, SCOPE_MISSING: 411 },
  ...{ BAD_SYMBOL: 400, UNKNOWN_SYMBOL: 400 },
}

/** What each channel delivers. */
const TOPICS: Readonly<Record<Channel, readonly Pick<Topic, 'kind' | 'interval'>[]>> = {
  trades: [{ kind: 'trade' }, { kind: 'correction' }, { kind: 'cancel' }],
  quotes: [{ kind: 'quote' }],
  bars: [{ kind: 'bar', interval: '1m' }],
  updatedBars: [{ kind: 'bar', interval: '1m' }],
  dailyBars: [{ kind: 'bar', interval: '1d' }],
  statuses: [{ kind: 'status' }],
  lulds: [{ kind: 'luld' }],
  imbalances: [{ kind: 'imbalance' }],
  orderbooks: [{ kind: 'book' }],
  news: [{ kind: 'news' }],
}

/** The market whose events have such a symbol. */
function marketOf(symbol: string): Market {
  if (isPair(symbol)) return MARKETS.crypto
  return isContract(symbol) ? MARKETS.options : MARKETS.stocks
}

/** Whether a symbol can be subscribed on a feed; stocks may have any name that no other market would have. */
function isOf(symbol: string, market: Market, feed: AlpacaFeed): boolean {
  if (market === MARKETS.news) return venueSymbol(symbol, feed) === symbol
  return marketOf(symbol) === market
}

function isListed(symbol: unknown): symbol is string {
  return typeof symbol === 'string' && isSymbol(symbol)
}

/** Key and secret from the venue's own headers, or from a broker partner's `Authorization: Basic`. */
export function fromHeaders(
  headers: UpgradeRequest['headers'],
): [key: string, secret: string] | undefined {
  const key = headers['apca-api-key-id']
  const secret = headers['apca-api-secret-key']
  if (key !== undefined && secret !== undefined) return [key, secret]
  const basic = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(headers.authorization ?? '')?.[1]
  const pair = basic === undefined ? undefined : Buffer.from(basic, 'base64').toString('utf8')
  const colon = pair?.indexOf(':') ?? -1
  return colon > 0 ? [pair!.slice(0, colon), pair!.slice(colon + 1)] : undefined
}
