import type { Clock, Timer } from '../../base/clock.ts'
import type { ProtocolPeer, ProtocolSession } from '../../flow/contracts.ts'
import type { MarketEvent } from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'
import { MODES, type Mode, modeNumber, richest } from './modes.ts'
import { pythonJson } from './server-frames.ts'
import { symbolOf, venueName } from './symbols.ts'

/** A test's hand in what a session does. */
export interface OpenAlgoScript {
  /** Hears what the session says beside data. */
  said?(session: OpenAlgoSession, message: string): void
  /** The next authentication gets no answer, or this error. */
  auth?(
    session: OpenAlgoSession,
  ): 'silence' | { readonly code: string; readonly message: string } | undefined
  /** The next subscribe is refused for all its symbols in these words, or so many of them are left out without any. */
  subscribe?(
    session: OpenAlgoSession,
  ): { readonly refuse: string } | { readonly omit: number } | undefined
}

/** What a session has of its server. */
export interface SessionContext {
  readonly clock: Clock
  readonly broker: string
  readonly features: Readonly<Record<Mode, boolean>>
  /** Levels a side of a book at most. */
  readonly levels: number
  readonly authTimeoutMs: number
  readonly authDelayMs: number
  readonly script: OpenAlgoScript
  user(key: string): string | undefined
  /** What data is that is not live and real, in words. @default nothing is said */
  readonly nature?: string | undefined
  /** What the broker says of the user's login; `undefined` when it is good. */
  loggedOut(): string | undefined
  /** Why a symbol cannot be had in a mode; `undefined` where it can. */
  lacks(entry: Entry, mode: Mode): string | undefined
  /** The richest mode anybody has of a symbol. */
  richest(symbol: string): Mode | undefined
  /** What a tick of a symbol holds. */
  data(symbol: string, mode: Mode): object
  /** Why one more symbol does not go; `undefined` while it does. */
  full(user: string, symbol: string): string | undefined
  gone(session: OpenAlgoSession): void
}

interface Message {
  readonly [name: string]: unknown
}

/** A symbol as a client asks for it, and has it. */
export interface Entry {
  readonly symbol: string
  readonly exchange: string
  readonly mode?: unknown
}

/** What a client has of a symbol. */
interface Held {
  readonly entry: Entry
  readonly modes: Set<Mode>
  /** Levels a side. */
  depth: number
}

/** Largest message taken, bytes: the default of the server's library. */
const MAX_BYTES = 1_024 * 1_024
const LABELS: Readonly<Record<Mode, string>> = { ltp: 'LTP', quote: 'Quote', depth: 'Depth' }
const UNAUTHENTICATED = new Set(['authenticate', 'auth', 'ping', 'get_supported_brokers'])

/** One client of the server. */
export class OpenAlgoSession implements ProtocolSession {
  readonly #peer: ProtocolPeer
  readonly #context: SessionContext
  readonly #held = new Map<string, Held>()
  #user: string | undefined
  #deadline: Timer | undefined
  /** Messages behind one that takes its time. */
  #waiting: Uint8Array[] | undefined
  #over = false

  constructor(peer: ProtocolPeer, context: SessionContext) {
    this.#peer = peer
    this.#context = context
    const { clock, authTimeoutMs } = context
    this.#deadline = clock.setTimeout(
      () => this.#peer.close(4_401, 'auth timeout'),
      authTimeoutMs,
      'idle',
    )
  }

  /** Who has authenticated. */
  get user(): string | undefined {
    return this.#user
  }

  /** Symbols by mode. */
  get modes(): Readonly<Record<string, readonly string[]>> {
    const lists: Record<string, string[]> = {}
    for (const [symbol, { modes }] of this.#held) {
      for (const mode of modes) (lists[mode] ??= []).push(symbol)
    }
    return lists
  }

  get symbols(): Iterable<string> {
    return this.#held.keys()
  }

  get topics(): readonly Topic[] {
    const kinds = { ltp: 'ticker', quote: 'quote', depth: 'book' } as const
    return [...this.#held].flatMap(([symbol, { modes }]) =>
      [...modes].map(mode => ({ source: 'openalgo', kind: kinds[mode], symbol })),
    )
  }

  /** What it has, by the names of its symbols. */
  get held(): ReadonlyMap<string, Readonly<Held>> {
    return this.#held
  }

  /** The richest mode it has of a symbol. */
  mode(symbol: string): Mode | undefined {
    return richest([...(this.#held.get(symbol)?.modes ?? [])])
  }

  /** Takes symbols back that were granted, as an ack that refuses them: the protocol has no other word for it. */
  drop(names: readonly string[], why: string): void {
    const { broker } = this.#context
    const subscriptions = names.flatMap(name => {
      const held = this.#held.get(name)
      if (!held) return []
      this.#held.delete(name)
      const { symbol, exchange } = held.entry
      return [{ symbol, exchange, status: 'error', message: why, broker }]
    })
    if (subscriptions.length > 0) this.#granted(subscriptions)
  }

  receive(data: Uint8Array): void {
    if (this.#over) return
    if (data.length > MAX_BYTES) this.#peer.close(1_009, 'message too big')
    else if (this.#waiting) this.#waiting.push(data)
    else this.#message(data)
  }

  deliver(batch: readonly MarketEvent[]): void {
    for (const event of batch) this.#event(event)
  }

  /** The broker sends the richest mode anybody has of a symbol; a client has that once, under the richest of its own. */
  #event({ symbol, type }: MarketEvent): void {
    if (symbol === undefined || type === 'bar' || type === 'notice' || this.#over) return
    const tagged = this.mode(symbol)
    const mode = tagged && this.#context.richest(symbol)
    if (!tagged || !mode || (type === 'book' && mode !== 'depth')) return
    const { broker } = this.#context
    // Only few brokers have a bid and ask outside of their depth.
    if (type === 'quote' && mode !== 'depth' && broker !== 'deltaexchange') return
    const data = this.#context.data(symbol, mode)
    const head = { type: 'market_data', ...venueName(symbol), mode: modeNumber(tagged) }
    this.#peer.send(pythonJson({ ...head, data, broker }))
  }

  closed(): void {
    if (this.#over) return
    this.#over = true
    this.#deadline?.cancel()
    this.#context.gone(this)
  }

  #message(data: Uint8Array): void {
    let message: Message | undefined
    try {
      message = JSON.parse(Buffer.from(data).toString())
    } catch {
      this.#error('INVALID_JSON', 'Invalid JSON message')
      return
    }
    const action = String(message?.action ?? message?.type)
    if (this.#user === undefined && !UNAUTHENTICATED.has(action)) {
      this.#error('NOT_AUTHENTICATED', 'You must authenticate first')
      return
    }
    switch (action) {
      case 'authenticate':
      case 'auth':
        this.#authenticate(message!)
        break
      case 'subscribe':
        this.#subscribe(message!)
        break
      case 'unsubscribe':
      case 'unsubscribe_all':
        this.#unsubscribe(message!, action === 'unsubscribe_all')
        break
      case 'subscribe_orders':
      case 'unsubscribe_orders': {
        const told = action === 'subscribe_orders' ? 'Subscribed to' : 'Unsubscribed from'
        this.#say({ type: action, status: 'success', message: `${told} order updates` }, message)
        break
      }
      case 'get_broker_info': {
        const info = {
          broker: this.#context.broker,
          adapter_status: 'connected',
          user_id: this.#user,
        }
        this.#say({ type: 'broker_info', status: 'success', ...info })
        break
      }
      case 'get_supported_brokers':
        this.#say({
          ...{
            type: 'supported_brokers',
            status: 'success',
            brokers: [this.#context.broker],
            count: 1,
          },
        })
        break
      case 'ping': {
        const times = {
          server_timestamp: Math.floor(this.#context.clock.now()),
          client_timestamp: message!.timestamp,
          _pingId: message!._pingId,
        }
        this.#say({ type: 'pong', status: 'success', ...times })
        break
      }
      default:
        this.#error('INVALID_ACTION', `Invalid action: ${action}`)
    }
  }

  #authenticate(message: Message): void {
    const { clock, authDelayMs, script } = this.#context
    const scripted = script.auth?.(this)
    if (scripted === 'silence') return
    if (scripted) {
      this.#error(scripted.code, scripted.message)
      return
    }
    const key = message.api_key ?? message.apikey
    if (typeof key !== 'string' || key === '') {
      this.#error('AUTHENTICATION_ERROR', 'API key is required')
      return
    }
    const user = this.#context.user(key)
    if (user === undefined) {
      this.#error('AUTHENTICATION_ERROR', 'Invalid API key')
      return
    }
    if (authDelayMs === 0) {
      this.#welcome(user)
      return
    }
    // The adapter connects to its broker; what is said meanwhile waits.
    this.#waiting = []
    clock.setTimeout(
      () => {
        const waiting = this.#waiting ?? []
        this.#waiting = undefined
        if (this.#over) return
        this.#welcome(user)
        for (const data of waiting) this.receive(data)
      },
      authDelayMs,
      'idle',
    )
  }

  #welcome(user: string): void {
    const { broker, features } = this.#context
    this.#user = user
    this.#deadline?.cancel()
    const loggedOut = this.#context.loggedOut()
    if (loggedOut !== undefined) {
      this.#error('BROKER_INIT_ERROR', loggedOut)
      return
    }
    const { nature } = this.#context
    const message = `Authentication successful${nature === undefined ? '' : `. ${nature}`}`
    this.#say({
      ...{ type: 'auth', status: 'success', message, broker },
      ...{ user_id: user, supported_features: features },
    })
  }

  #subscribe(message: Message): void {
    const { broker, levels, script } = this.#context
    if (this.#context.loggedOut() !== undefined) {
      this.#error('BROKER_ERROR', 'Broker adapter not found')
      return
    }
    const entries = entriesOf(message)
    if (entries === 'broken') {
      this.#error('SERVER_ERROR', "'str' object has no attribute 'get'")
      return
    }
    if (!entries) {
      this.#error('INVALID_PARAMETERS', 'At least one symbol must be specified')
      return
    }
    const mode = modeOf(message.mode ?? 2)
    if (!mode) {
      const expected = 'expected 1 (LTP), 2 (Quote), or 3 (Depth)'
      this.#error('INVALID_MODE', `Invalid mode ${String(message.mode)}; ${expected}`)
      return
    }
    const scripted = script.subscribe?.(this)
    const left = scripted && 'omit' in scripted ? scripted.omit : 0
    const subscriptions = entries.slice(0, entries.length - left).map(entry => {
      const name = symbolOf(entry)
      const why =
        scripted && 'refuse' in scripted ? scripted.refuse : this.#refusal(name, entry, mode)
      const own = { symbol: entry.symbol, exchange: entry.exchange }
      if (why !== undefined) return { ...own, status: 'error', message: why, broker }
      const asked = Number.isInteger(message.depth) ? (message.depth as number) : 5
      const depth = Math.min(Math.max(1, asked), levels)
      const held = this.#held.get(name) ?? { entry: own, modes: new Set(), depth }
      held.modes.add(mode)
      held.depth = depth
      this.#held.set(name, held)
      return { ...own, status: 'success', mode: LABELS[mode], depth, broker }
    })
    this.#granted(subscriptions, message)
  }

  #granted(subscriptions: readonly { readonly status: string }[], request?: Message): void {
    const whole = subscriptions.every(({ status }) => status === 'success')
    const { broker } = this.#context
    this.#say(
      {
        ...{ type: 'subscribe', status: whole ? 'success' : 'partial', subscriptions },
        ...{ message: 'Subscription processing complete', broker },
      },
      request,
    )
  }

  #refusal(name: string, entry: Entry, mode: Mode): string | undefined {
    const { lacks, features, full } = this.#context
    const why = lacks(entry, mode)
    if (why !== undefined) return why
    if (!features[mode]) return `Mode ${modeNumber(mode)} is not supported by this broker`
    return this.#held.has(name) ? undefined : full(this.#user!, name)
  }

  #unsubscribe(message: Message, all: boolean): void {
    const { broker } = this.#context
    const entries = all
      ? [...this.#held.values()].flatMap(({ entry, modes }) =>
          [...modes].map(mode => ({ ...entry, mode })),
        )
      : entriesOf(message)
    if (!entries || entries === 'broken') {
      this.#error('INVALID_PARAMETERS', 'Either symbols or unsubscribe_all is required')
      return
    }
    for (const entry of entries) {
      const name = symbolOf(entry)
      // The mode stands with each symbol; the one of the message is not heeded.
      const mode = modeOf(entry.mode ?? 2)
      const modes = this.#held.get(name)?.modes
      if (mode) modes?.delete(mode)
      if (modes?.size === 0) this.#held.delete(name)
    }
    const successful = entries.map(({ symbol, exchange }) => ({
      ...{ symbol, exchange, status: 'success', broker },
    }))
    const text = 'Unsubscription processing complete'
    this.#say(
      { type: 'unsubscribe', status: 'success', message: text, successful, failed: [], broker },
      message,
    )
  }

  /** Errors have no type. */
  #error(code: string, message: string): void {
    this.#say({ status: 'error', code, message })
  }

  #say(answer: object, request?: Message): void {
    const id = request?.request_id === undefined ? {} : { request_id: request.request_id }
    const text = pythonJson({ ...answer, ...id })
    this.#context.script.said?.(this, text)
    if (!this.#over) this.#peer.send(text)
  }
}

/** The symbols of a message. Entries without one are passed over; what is no entry breaks the server. */
function entriesOf(message: Message): Entry[] | 'broken' | undefined {
  const { symbols, symbol, exchange, mode } = message
  if (Array.isArray(symbols) && symbols.length > 0) {
    if (symbols.some(it => typeof it !== 'object' || it === null)) return 'broken'
    return (symbols as Entry[]).filter(it => it.symbol && it.exchange)
  }
  if (typeof symbol !== 'string' || typeof exchange !== 'string') return undefined
  return [{ symbol, exchange, mode }]
}

/** By number, or by name in any case. */
function modeOf(value: unknown): Mode | undefined {
  if (typeof value === 'number') return MODES[value - 1]
  if (typeof value !== 'string') return undefined
  return MODES.find(mode => mode === value.trim().toLowerCase())
}
