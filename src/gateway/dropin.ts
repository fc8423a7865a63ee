import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { asError, TickwireError } from '../base/errors.ts'
import type { ProtocolPeer, SharedHost, SharedSession } from '../flow/contracts.ts'
import type { DeliveryCounters } from '../flow/queue.ts'
import { formatTopic, type Topic } from '../market/topics.ts'
import { CLOSE } from '../providers/tickwire/codec.ts'
import type { Guest } from './context.ts'
import { hostOf } from './dropin-host.ts'
import type { Dropin } from './dropin-paths.ts'
import { vendorForm, vendorFrame } from './forms.ts'
import { Member } from './groups.ts'
import type { Client } from './hub.ts'
import { Inflow, TOPICS_A_MESSAGE } from './limits.ts'
import { Outlet } from './outlet.ts'
import { type ClientState, type PeerContext, takeId } from './peer.ts'
import type { Rejection } from './upstream.ts'
import { Wanted } from './wanted.ts'

/** How long a client that is told to go has for it, ms. */
const GOING_MS = 2_000
/** Close code of a fault of ours (RFC 6455, section 7.4.1). */
const INTERNAL_ERROR = 1_011
const NOTHING: DeliveryCounters = { in: 0, delivered: 0, conflated: 0, dropped: 0, queued: 0 }

export interface DropinOptions {
  readonly dropin: Dropin
  readonly request: IncomingMessage
  readonly stream: Duplex
  readonly guest: Guest | undefined
  readonly context: PeerContext
  readonly gone: (peer: DropinPeer) => void
}

/** One client that takes the gateway for a vendor: its subscription is a member of a group like any other. */
export class DropinPeer implements Client {
  readonly id = takeId()
  readonly outlet: Outlet
  readonly #options: DropinOptions
  readonly #host: SharedHost
  readonly #session: SharedSession
  readonly #since: number
  #socket: WebSocket | undefined
  #inflow: Inflow | undefined
  #guest: Guest | undefined
  #member: Member | undefined
  /** What is held upstream, by the session's name of it. */
  #held = new Map<string, Topic>()
  #form = ''
  /** Of subscriptions it has had. */
  #past = NOTHING
  /** Asked for before the handshake was done. */
  #ending: readonly [code: number, reason: string] | undefined
  #isGone = false

  /** @throws NOT_FOUND where the vendor has no such path */
  constructor(options: DropinOptions) {
    const { request, stream, context, guest } = options
    const { protocol, path, feed } = options.dropin
    this.#options = options
    this.#since = context.clock.now()
    this.outlet = new Outlet(stream)
    if (guest) this.#welcome(guest)
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, value?.toString()]),
    )
    const peer: ProtocolPeer = this.#peer()
    const { hub, upstream } = context
    const admit = (...words: readonly string[]) => this.#admit(words)
    this.#host = hostOf(feed, hub.present, upstream, admit)
    const session = protocol.accept({ path, headers }, peer, this.#host)
    if ('status' in session) {
      const hint = `docs/dropin.md names the paths of ${protocol.id}.`
      throw new TickwireError('NOT_FOUND', `${protocol.id} has no stream at ${path}`, { hint })
    }
    this.#session = session
    hub.add(this)
    stream.once('close', () => this.#gone())
  }

  get #protocol() {
    return this.#options.dropin.protocol
  }

  get members(): ReadonlySet<Member> {
    return new Set(this.#member ? [this.#member] : [])
  }

  get state(): ClientState {
    const topics = [...this.#held.values()]
    return {
      ...{ id: this.id, name: this.#guest?.name ?? '', protocol: this.#protocol.id },
      address: this.#options.request.socket.remoteAddress ?? '',
      since: this.#since,
      subscriptions: this.#member ? 1 : 0,
      symbols: new Set(topics.map(({ symbol }) => symbol)).size,
      isSlow: this.#member?.queue !== undefined,
      waitingBytes: this.outlet.waitingBytes,
      bytes: this.outlet.bytes,
      counters: sum(this.#past, this.#member?.counters ?? NOTHING),
    }
  }

  /** The handshake is done: what has been said so far goes out. */
  attach(socket: WebSocket): void {
    const { context } = this.#options
    this.#socket = socket
    const inflow = new Inflow(socket, this.outlet, context.clock)
    this.#inflow = inflow
    socket.on('message', (data: Buffer, isBinary) =>
      inflow.take(() => this.#receive(data, isBinary)),
    )
    // `ws` closes the connection itself on what is no frame; `close` follows.
    socket.on('error', error => context.log.debug({ error: error.message }, 'a client failed'))
    this.outlet.flush()
    if (this.#ending) this.close(...this.#ending)
  }

  tooSlow(reason: TickwireError): void {
    this.#session.tooSlow()
    this.close(CLOSE.slow, reason.message)
  }

  get isHeldBack(): boolean {
    return this.#inflow?.isHeldBack ?? false
  }

  close(code: number, reason: string): void {
    if (this.#isGone) return
    // A reason has room for 123 bytes.
    this.#socket?.close(code, Buffer.from(reason).subarray(0, 120).toString('latin1'))
    this.#gone()
    const { clock } = this.#options.context
    clock.setTimeout(() => this.outlet.destroy(), GOING_MS, 'idle')
  }

  ping(): void {
    this.#socket?.ping()
  }

  /** It has answered nothing for long. */
  lost(): void {
    this.#gone()
    this.outlet.destroy()
  }

  #peer(): ProtocolPeer {
    const { outlet } = this
    return {
      get bufferedBytes() {
        return outlet.waitingBytes
      },
      send: frame => {
        outlet.push(vendorFrame(frame))
        if (this.#socket) outlet.flush()
      },
      close: (code, reason) => {
        if (this.#socket) this.close(code, reason)
        else this.#ending = [code, reason]
      },
      cut: () => this.lost(),
    }
  }

  #gone(): void {
    if (this.#isGone) return
    this.#isGone = true
    const { hub, upstream } = this.#options.context
    this.#inflow?.close()
    this.#session.closed(true)
    hub.delete(this)
    upstream.release([...this.#held.values()])
    this.#guest?.leave()
    this.#guest?.revoked?.removeEventListener('abort', this.#revoked)
    this.#options.gone(this)
  }

  readonly #revoked = (): void => {
    this.close(CLOSE.auth, asError(this.#guest!.revoked!.reason).message)
  }

  /** A key of ours among what the protocol has for one; any words will do where nobody needs a key. */
  #admit(words: readonly string[]): boolean {
    const { context, request } = this.#options
    const key = words.find(word => word.startsWith('tw_'))
    if (key === undefined) return this.#guest !== undefined
    try {
      const guest = context.access.authenticate(key, request)
      this.#guest?.leave()
      this.#guest?.revoked?.removeEventListener('abort', this.#revoked)
      this.#welcome(guest)
      return guest.scopes.has('read')
    } catch (error) {
      context.log.info({ error: asError(error).message }, 'a client was not let in')
      return false
    }
  }

  #welcome(guest: Guest): void {
    this.#guest = guest
    guest.revoked?.addEventListener('abort', this.#revoked)
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#isGone) return
    // What was collected so far is of the subscription as it was.
    this.#options.context.hub.flush()
    this.#inflow!.count(this.#held.size / TOPICS_A_MESSAGE)
    try {
      this.#session.receive(data, isBinary)
      this.#apply()
    } catch (error) {
      // Whatever a client can do to its own session is the end of that, and of nothing else.
      const { message, stack } = asError(error)
      this.#options.context.log.error({ error: message, stack }, 'a client could not be served')
      this.close(INTERNAL_ERROR, 'internal error')
    }
  }

  /** Carries out what the session has agreed to, and takes back what cannot be had. */
  #apply(): void {
    if (this.#isGone || this.#session.form.key === this.#form) return
    const { upstream, log, hub } = this.#options.context
    const wanted = new Map(this.#session.topics.map(topic => [formatTopic(topic), topic]))
    // More than it had: what is refused has been looked at too.
    this.#inflow?.count(Math.max(0, wanted.size - this.#held.size) / TOPICS_A_MESSAGE)
    const fresh = [...wanted].filter(([name]) => !this.#held.has(name))
    const held = new Map([...this.#held].filter(([name]) => wanted.has(name)))
    const rejected: Rejection[] = []
    const begun: Topic[] = []
    for (const [name, topic] of fresh) {
      const found = this.#resolve(topic)
      if (found instanceof TickwireError) rejected.push({ topic, reason: found })
      else if (found) {
        held.set(name, found)
        begun.push(found)
      }
    }
    const symbols = new Set([...held.values()].map(({ symbol }) => symbol))
    const most = Math.min(this.#options.context.limits.symbols, this.#guest?.maxSymbols ?? Infinity)
    if (symbols.size > most) {
      this.#session.refuse(
        fresh.map(([, topic]) => topic),
        new TickwireError('QUOTA_EXCEEDED', `more than ${most} symbols on one connection`, {
          hint: 'Ask for fewer, or for a key that may have more.',
        }),
      )
      if (fresh.length > 0) this.#apply()
      return
    }
    upstream.hold(begun)
    upstream.release([...this.#held].flatMap(([name, topic]) => (held.has(name) ? [] : topic)))
    this.#held = held
    for (const { topic, reason } of rejected) {
      log.debug({ topic: formatTopic(topic), error: reason.message }, 'a client asked in vain')
    }
    this.#refuse(rejected)
    this.#join(begun)
    hub.flush()
    if (begun.length > 0) void this.#answer(begun)
  }

  /** What the source calls it; nothing where the source has no such events and nobody asked for them in so many words. */
  #resolve(topic: Topic): Topic | TickwireError | undefined {
    const { kind, symbol } = topic
    const found = this.#host.resolve(topic)
    if (found instanceof TickwireError) return COMPANIONS.has(kind) ? undefined : found
    if (found.symbol === symbol) return found
    const { source } = this.#host
    const hint = 'Subscribe to it by that name.'
    return new TickwireError('BAD_SYMBOL', `${source} calls ${symbol} ${found.symbol}`, { hint })
  }

  #refuse(rejected: readonly Rejection[]): void {
    const byReason = new Map<string, Rejection[]>()
    for (const one of rejected) {
      const others = byReason.get(one.reason.message)
      if (others) others.push(one)
      else byReason.set(one.reason.message, [one])
    }
    for (const some of byReason.values()) {
      this.#session.refuse(
        some.map(({ topic }) => topic),
        some[0]!.reason,
      )
    }
  }

  async #answer(topics: readonly Topic[]): Promise<void> {
    const { rejected } = await this.#options.context.upstream.answer(topics)
    if (this.#isGone || rejected.length === 0) return
    const names = new Map([...this.#held].map(([name, topic]) => [formatTopic(topic), name]))
    const wanted = new Map(this.#session.topics.map(topic => [formatTopic(topic), topic]))
    const known = rejected.flatMap(({ topic, reason }) => {
      const own = wanted.get(names.get(formatTopic(topic)) ?? '')
      return own && !COMPANIONS.has(own.kind) ? [{ topic: own, reason }] : []
    })
    this.#options.context.hub.flush()
    this.#refuse(known)
    this.#apply()
  }

  /** Joins the group of those who want the same, with how things stand of what is new. */
  #join(begun: readonly Topic[]): void {
    const { hub, clock } = this.#options.context
    const { form } = this.#session
    this.#form = form.key
    const last = this.#member
    const waiting = last?.queue?.take(clock.now(), Infinity, true) ?? []
    if (last) {
      const { counters } = last
      this.#past = sum(this.#past, counters)
      // What waits is counted where it waits.
      this.#past = sum(this.#past, { ...NOTHING, in: -waiting.length, delivered: -waiting.length })
      hub.leave(last)
    }
    this.#member = undefined
    if (this.#held.size === 0) return
    const wanted = new Wanted([...this.#held.values()])
    const member = new Member(0, this.outlet, 'close')
    this.#member = member
    for (const frame of this.#standing(begun)) this.outlet.push(vendorFrame(frame))
    this.outlet.flush()
    const vendor = vendorForm(this.#protocol.id, form)
    hub.join(member, wanted, { form: vendor, conflateMs: 0, conflateTrades: false })
    const now = clock.now()
    for (const event of waiting) if (wanted.has(event)) member.queue?.push(event, now)
  }

  /** How things stand of topics that have just begun. */
  #standing(begun: readonly Topic[]): readonly (string | Uint8Array)[] {
    const { present } = this.#options.context.hub
    const { form } = this.#session
    if (form.standing) return form.standing(new Set(begun.map(({ symbol }) => symbol)))
    const events = begun.flatMap(topic => {
      if (!this.#protocol.standing.has(topic.kind)) return []
      return topic.kind === 'book' ? present.wholeBooks(topic) : present.latest(topic)
    })
    return form.frames(events)
  }
}

/** Vendors send these along with trades, whether or not there are any. */
const COMPANIONS = new Set(['correction', 'cancel'])

function sum(a: DeliveryCounters, b: DeliveryCounters): DeliveryCounters {
  return {
    in: a.in + b.in,
    delivered: a.delivered + b.delivered,
    conflated: a.conflated + b.conflated,
    dropped: a.dropped + b.dropped,
    queued: a.queued + b.queued,
  }
}
