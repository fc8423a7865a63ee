import type { Clock, Timer } from '../../base/clock.ts'
import type { TickwireError } from '../../base/errors.ts'
import type { FrameForm, ProtocolPeer, SharedSession } from '../../flow/contracts.ts'
import type { EventType, Interval, MarketEvent } from '../../market/events.ts'
import { ANY, type Topic } from '../../market/topics.ts'
import { channelOfEvent } from './encode.ts'
import { type Channel, MARKETS, type Market, readSymbol } from './markets.ts'
import type { Frames } from './server-frames.ts'
import type { Accounts, PolygonPlan } from './server-plan.ts'

/** A message about the connection. */
export interface StatusMessage {
  readonly ev: 'status'
  readonly status: string
  readonly message: string
}

/** A test's hand in the venue's answers. `undefined` leaves an answer as it is. */
export interface PolygonScript {
  /** Before an authentication is judged. `silence`: it is not answered at all. */
  auth?(session: PolygonSession): 'silence' | 'auth_failed' | 'max_connections' | undefined
  /** Before a subscribe is carried out: so many of its pairs are left out of subscription and answer. */
  subscribe?(session: PolygonSession): number | undefined
  /** Hears of every status the venue sends. */
  said?(session: PolygonSession, message: StatusMessage): void
  /** After an unsubscribe: how long its data still comes, ms. */
  unsubscribe?(session: PolygonSession): number | undefined
}

export interface SessionContext {
  readonly accounts: Pick<Accounts, 'plan' | 'enter' | 'leave'>
  readonly frames: Frames
  readonly clock: Clock
  readonly maxBufferBytes: number
  readonly script: PolygonScript
  /** Of data that is not live and real, in words. @default nothing is said */
  readonly nature?: string | undefined
  gone(session: PolygonSession): void
}

/** How long the venue waits for a key it does not say; ms. */
const AUTH_TIMEOUT_MS = 10_000

/** What is kept of messages that come ahead of the key. */
const EARLY_MESSAGES = 100
const EARLY_CHARS = 65_536

/** Long enough for a message to leave before the cut behind it, ms. */
const SAID_MS = 20

const UTF8 = new TextDecoder('utf-8', { fatal: true })

/** The venue's words. */
const SAID = {
  connected: 'Connected Successfully',
  auth_success: 'authenticated',
  auth_failed: 'authentication failed',
  auth_timeout: 'No authentication request received.',
  max_connections:
    'Maximum number of websocket connections exceeded. You have reached the connection limit for your account. Please contact support at https://polygon.io/contact to increase your limit.',
} as const
const NO_STREAM =
  "Your plan doesn't include websocket access. Visit https://massive.com/pricing to upgrade."
const NO_REALTIME =
  "You don't have access real-time data. If your plan only includes delayed data, you can connect to the delayed websocket at wss://delayed.polygon.io/stocks."

/** One client of one of Polygon's clusters. */
export class PolygonSession implements SharedSession {
  readonly market: Market
  readonly #peer: ProtocolPeer
  readonly #context: SessionContext
  #timer: Timer
  /** Symbols as they were asked for, by channel. */
  readonly #subscribed = new Map<Channel, Set<string>>()
  /** Names what is subscribed, for frames shared between clients. */
  #wish = ''
  #key: string | undefined
  #plan: PolygonPlan = {}
  /** What came ahead of the key. */
  #early: (readonly [action: 'subscribe' | 'unsubscribe', params: string])[] = []
  #closed = false
  /** What has been unsubscribed and still comes, until when. */
  readonly #leaving = new Map<string, number>()

  constructor(market: Market, peer: ProtocolPeer, context: SessionContext) {
    this.market = market
    this.#peer = peer
    this.#context = context
    this.#timer = context.clock.setTimeout(() => {
      this.#say(status('auth_timeout', SAID.auth_timeout))
      peer.close(1_000, '')
    }, AUTH_TIMEOUT_MS)
    const { nature } = context
    // Clients go by the status; the message is for people.
    const words = nature === undefined ? SAID.connected : `${SAID.connected}. ${nature}`
    this.#say(status('connected', words))
  }

  /** The key, once it has been taken. */
  get account(): string | undefined {
    return this.#key
  }

  /** What is subscribed, by channel. */
  get channels(): ReadonlyMap<Channel, ReadonlySet<string>> {
    return this.#subscribed
  }

  get topics(): readonly Topic[] {
    return [...this.#subscribed].flatMap(([channel, names]) => {
      const of = topicOf(channel, this.market)
      return [...names].map(name => {
        const symbol = name === ANY ? ANY : this.market.fromVenue(name)
        return { source: ANY, symbol, ...of }
      })
    })
  }

  get form(): FrameForm {
    const subscribed = new Map([...this.#subscribed].map(([name, list]) => [name, new Set(list)]))
    const { market } = this
    const { frames } = this.#context
    const key = `${market.name} ${this.#wish}`
    const wants = (event: MarketEvent) => this.#wants(event, subscribed)
    return { key, frames: events => frames.of(events, market, key, wants) }
  }

  refuse(topics: readonly Topic[], { message }: TickwireError): void {
    const refused: StatusMessage[] = []
    for (const [channel, names] of this.#subscribed) {
      const of = topicOf(channel, this.market)
      // Thousands may be refused at once, of thousands.
      const symbols = new Set(
        topics.flatMap(({ kind, symbol, interval }) =>
          of.kind === kind && of.interval === interval ? symbol : [],
        ),
      )
      if (symbols.size === 0) continue
      for (const name of names) {
        if (!symbols.has(name === ANY ? ANY : this.market.fromVenue(name))) continue
        names.delete(name)
        refused.push(status('error', `not authorized: ${channel}.${name}: ${message}`))
      }
      if (names.size === 0) this.#subscribed.delete(channel)
    }
    this.#rename()
    if (refused.length > 0) this.#say(...refused)
  }

  tooSlow(): void {
    // The venue says nothing of it.
  }

  receive(data: Uint8Array): void {
    if (this.#closed) return
    const { action, params } = parse(data)
    if (typeof params !== 'string') {
      this.#say(status('error', 'invalid message'))
    } else if (action === 'auth') this.#authenticate(params)
    else if (action === 'subscribe' || action === 'unsubscribe') {
      if (this.#key === undefined) this.#keepEarly(action, params)
      else this.#change(action, params)
    } else this.#say(status('error', 'unknown action'))
  }

  deliver(batch: readonly MarketEvent[]): void {
    if (this.#wish === '' && this.#leaving.size === 0) return
    const { frames, maxBufferBytes, clock } = this.#context
    const now = clock.now()
    for (const [pair, until] of this.#leaving) if (until <= now) this.#leaving.delete(pair)
    const wish = `${this.market.name} ${this.#wish} ${[...this.#leaving.keys()].join()}`
    for (const frame of frames.of(batch, this.market, wish, event => this.#wants(event))) {
      if (this.#closed) return
      if (this.#peer.bufferedBytes > maxBufferBytes) {
        this.#peer.cut()
        return
      }
      this.#peer.send(frame)
    }
  }

  closed(): void {
    if (this.#closed) return
    this.#closed = true
    this.#timer.cancel()
    if (this.#key !== undefined) this.#context.accounts.leave(this.#key, this.market.name, this)
    this.#subscribed.clear()
    this.#leaving.clear()
    this.#wish = ''
    this.#context.gone(this)
  }

  /** One connection too many: this one goes. */
  evict(): void {
    this.#say(status('max_connections', SAID.max_connections))
    this.#peer.close(1_008, '')
  }

  #keepEarly(action: 'subscribe' | 'unsubscribe', params: string): void {
    const chars = this.#early.reduce((sum, [, text]) => sum + text.length, params.length)
    if (this.#early.length < EARLY_MESSAGES && chars <= EARLY_CHARS) {
      this.#early.push([action, params])
    } else this.#say(status('error', 'not authorized'))
  }

  #wants(
    event: MarketEvent,
    subscribed: ReadonlyMap<Channel, ReadonlySet<string>> = this.#subscribed,
  ): boolean {
    const channel = channelOfEvent(event, this.market)
    const { symbol } = event
    if (channel === undefined || symbol === undefined || !isOf(symbol, this.market)) return false
    const names = subscribed.get(channel)
    const name = this.market.toVenue(symbol)
    if (names?.has(ANY) || names?.has(name) || names?.has(symbol)) return true
    return this.#leaving.has(`${channel}.${name}`) || this.#leaving.has(`${channel}.*`)
  }

  #authenticate(key: string): void {
    const { accounts, script } = this.#context
    const scripted = script.auth?.(this)
    if (scripted === 'silence') return
    const plan = scripted === 'auth_failed' ? undefined : accounts.plan(key)
    const isLacking = plan?.markets && !plan.markets.includes(this.market.name)
    if (!plan || isLacking) {
      this.#say(status('auth_failed', plan ? NO_STREAM : SAID.auth_failed))
      // The venue was not seen to send a close frame. The cut comes a moment later, so that a client can hear why.
      this.#timer.cancel()
      this.#timer = this.#context.clock.setTimeout(() => this.#peer.cut(), SAID_MS)
      return
    }
    this.#timer.cancel()
    this.#say(status('auth_success', SAID.auth_success))
    if (this.#key !== undefined) return
    this.#key = key
    this.#plan = plan
    if (plan.delayedOnly) this.#say(status('error', NO_REALTIME))
    const surplus = accounts.enter(key, this.market.name, this as PolygonSession)
    for (const [action, params] of this.#early.splice(0)) this.#change(action, params)
    // The refusal comes last: behind the confirmation of what was subscribed.
    for (const session of surplus) session.evict()
    if (scripted === 'max_connections') this.evict()
  }

  #change(action: 'subscribe' | 'unsubscribe', params: string): void {
    const pairs = params.split(',').map(pair => pair.trim())
    const statuses = action === 'subscribe' ? this.#subscribe(pairs) : this.#unsubscribe(pairs)
    this.#rename()
    if (statuses.length > 0) this.#say(...statuses)
  }

  #rename(): void {
    const lists = [...this.#subscribed].map(([channel, names]) => `${channel}:${[...names].sort()}`)
    this.#wish = lists.sort().join(' ')
  }

  /** Refusals come first, and name nothing; an unknown channel is passed over in silence. */
  #subscribe(pairs: readonly string[]): StatusMessage[] {
    const omit = this.#context.script.subscribe?.(this) ?? 0
    const granted: StatusMessage[] = []
    const refused: StatusMessage[] = []
    for (const [channel, name, pair] of this.#read(pairs).slice(0, pairs.length - omit)) {
      if (this.#plan.channels && !this.#plan.channels.includes(channel)) {
        refused.push(status('error', 'not authorized'))
        continue
      }
      const names = this.#subscribed.get(channel) ?? new Set()
      this.#subscribed.set(channel, names)
      this.#leaving.delete(pair)
      if (names.has(name)) continue
      names.add(name)
      granted.push(status('success', `subscribed to: ${pair}`))
    }
    return [...refused, ...granted]
  }

  #unsubscribe(pairs: readonly string[]): StatusMessage[] {
    const lingerMs = this.#context.script.unsubscribe?.(this) ?? 0
    return this.#read(pairs).flatMap(([channel, name, pair]) => {
      const names = this.#subscribed.get(channel)
      if (!names?.delete(name)) return []
      if (names.size === 0) this.#subscribed.delete(channel)
      if (lingerMs > 0) this.#leaving.set(pair, this.#context.clock.now() + lingerMs)
      return [status('success', `unsubscribed to: ${pair}`)]
    })
  }

  /** Pairs with a channel of this cluster: the symbol stands behind the first dot. */
  #read(pairs: readonly string[]): [channel: Channel, name: string, pair: string][] {
    const known = channelsOf(this.market)
    return pairs.flatMap(pair => {
      const dot = pair.indexOf('.')
      const channel = known.find(name => name === pair.slice(0, dot))
      const name = pair.slice(dot + 1)
      const isName = name === ANY || readSymbol(name, this.market) !== undefined
      return channel && isName ? [[channel, name, pair]] : []
    })
  }

  /** Statuses, alone in their frame. */
  #say(...messages: readonly StatusMessage[]): void {
    for (const message of messages) this.#context.script.said?.(this, message)
    this.#peer.send(JSON.stringify(messages))
  }
}

function status(name: string, message: string): StatusMessage {
  return { ev: 'status', status: name, message }
}

function parse(data: Uint8Array): { readonly action?: unknown; readonly params?: unknown } {
  try {
    const message: unknown = JSON.parse(UTF8.decode(data))
    return typeof message === 'object' && message !== null ? message : {}
  } catch {
    return {}
  }
}

function channelsOf({ channels, bars, fairValues }: Market): readonly Channel[] {
  return [
    ...Object.values(channels),
    ...Object.values(bars),
    ...(fairValues ? (['FMV'] as const) : []),
  ]
}

/** What a channel delivers. */
function topicOf(
  channel: Channel,
  market: Market,
): { readonly kind: EventType; readonly interval?: Interval } {
  const bar = (Object.keys(market.bars) as Interval[]).find(it => market.bars[it] === channel)
  if (bar) return { kind: 'bar', interval: bar }
  const kinds = Object.keys(market.channels) as EventType[]
  return { kind: kinds.find(kind => market.channels[kind] === channel) ?? 'ticker' }
}

const CURRENCIES =
  'USD EUR GBP JPY CHF AUD CAD NZD SEK NOK DKK PLN CZK HUF TRY ZAR MXN BRL SGD HKD CNH CNY KRW INR THB'
const isMoney = (code: string) => CURRENCIES.split(' ').includes(code)

/**
 * Whether a symbol can be of a market: a venue of several is fed with the events of all. Stocks and indices have names
 * of one form, and are told apart by what they are asked for.
 */
function isOf(symbol: string, market: Market): boolean {
  const [base = '', quote] = symbol.split('/')
  if (quote !== undefined) {
    return market === (isMoney(base) && isMoney(quote) ? MARKETS.forex : MARKETS.crypto)
  }
  const isContract = MARKETS.options.symbol(symbol) === symbol
  return isContract ? market === MARKETS.options : STOCKS_OR_INDICES.includes(market)
}

const STOCKS_OR_INDICES: readonly Market[] = [MARKETS.stocks, MARKETS.indices]
