import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Clock, Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { decodeMsgpack } from '../base/msgpack.ts'
import type { DeliveryCounters } from '../flow/queue.ts'
import { readerNotice } from '../flow/queue.ts'
import { formatTopic, type Topic } from '../market/topics.ts'
import {
  batchWriter,
  CLOSE,
  type Encoding,
  encodeMessage,
  type Hello,
  type Limits,
  Outgoing,
  readMessage,
  type ServerMessage,
  type SubscribeMessage,
} from '../providers/tickwire/codec.ts'
import type { TapeReader } from '../tape/tape.ts'
import { catchUp } from './catch-up.ts'
import type { Access, Guest } from './context.ts'
import { nativeForm } from './forms.ts'
import { Member } from './groups.ts'
import type { Client, Hub } from './hub.ts'
import { Inflow, TOPICS_A_MESSAGE } from './limits.ts'
import { Outlet } from './outlet.ts'
import { refusalOf } from './refusals.ts'
import type { Outcome, Rejection, Upstream } from './upstream.ts'
import { Wanted } from './wanted.ts'
import { frameOf, type WireFrame } from './wire.ts'

/** A client that has not shown its key by then is sent away, ms. */
const AUTH_MS = 10_000
/** How long a client that is told to go has for it, ms. */
const GOING_MS = 2_000

export interface PeerContext {
  readonly tape: TapeReader
  readonly hub: Hub
  readonly upstream: Upstream
  readonly access: Access
  readonly limits: Limits
  readonly clock: Clock
  readonly log: Log
  /** What a connection is greeted with. */
  hello(encoding: Encoding, needsKey: boolean): Hello
}

/** How a client is, for people and metrics. */
export interface ClientState {
  readonly id: number
  readonly name: string
  readonly address: string
  /** `native json`, `alpaca` */
  readonly protocol: string
  /** Since when, epoch ms. */
  readonly since: number
  readonly subscriptions: number
  readonly symbols: number
  readonly isSlow: boolean
  readonly waitingBytes: number
  readonly bytes: number
  readonly counters: DeliveryCounters
}

interface Stream {
  readonly member: Member
  readonly wanted: Wanted
  readonly stop: AbortController
}

let lastId = 0

/** Names a client, in this process. */
export const takeId = (): number => ++lastId

/** One client of the native protocol: what it says, and what of it is answered. */
export class Peer implements Client {
  readonly id = takeId()
  readonly outlet: Outlet
  readonly encoding: Encoding
  readonly #socket: WebSocket
  readonly #request: IncomingMessage
  readonly #inflow: Inflow
  readonly #context: PeerContext
  readonly #since: number
  readonly #streams = new Map<number, Stream>()
  readonly #members = new Set<Member>()
  /** In how many of its subscriptions each symbol is. */
  readonly #symbols = new Map<string, number>()
  readonly #closed: (peer: Peer) => void
  #guest: Guest | undefined
  #authTimer: Timer | undefined
  #isGone = false

  constructor(
    connection: { socket: WebSocket; stream: Duplex; request: IncomingMessage },
    encoding: Encoding,
    guest: Guest | undefined,
    context: PeerContext,
    closed: (peer: Peer) => void,
  ) {
    const { socket, stream, request } = connection
    this.#socket = socket
    this.#request = request
    this.encoding = encoding
    this.#context = context
    this.#closed = closed
    this.#since = context.clock.now()
    this.outlet = new Outlet(stream)
    this.#inflow = new Inflow(socket, this.outlet, context.clock)
    context.hub.add(this)
    socket.on('message', (data: Buffer, isBinary) =>
      this.#inflow.take(() => this.#receive(data, isBinary)),
    )
    socket.on('close', () => this.#gone())
    // `ws` closes the connection itself on what is no frame; `close` follows.
    socket.on('error', error => context.log.debug({ error: error.message }, 'a client failed'))
    this.say(context.hello(encoding, guest === undefined))
    if (guest) this.#welcome(guest)
    else {
      this.#authTimer = context.clock.setTimeout(() => {
        this.refuse(keyRequired('no key came in time'), CLOSE.auth)
      }, AUTH_MS)
    }
  }

  get members(): ReadonlySet<Member> {
    return this.#members
  }

  get state(): ClientState {
    const counters = { in: 0, delivered: 0, conflated: 0, dropped: 0, queued: 0 }
    let isSlow = false
    for (const member of this.#members) {
      for (const [name, value] of Object.entries(member.counters)) {
        counters[name as keyof DeliveryCounters] += value
      }
      isSlow ||= member.queue !== undefined
    }
    return {
      ...{ id: this.id, name: this.#guest?.name ?? '', isSlow, counters },
      protocol: `native ${this.encoding}`,
      address: this.#request.socket.remoteAddress ?? '',
      since: this.#since,
      subscriptions: this.#streams.size,
      symbols: this.#symbols.size,
      waitingBytes: this.outlet.waitingBytes,
      bytes: this.outlet.bytes,
    }
  }

  /** Nothing is still to come for it but what happens. */
  get isLive(): boolean {
    if (this.outlet.isFull) return false
    for (const { group, queue } of this.#members) if (!group || queue) return false
    return true
  }

  get isHeldBack(): boolean {
    return this.#inflow.isHeldBack
  }

  say(message: ServerMessage): void {
    this.outlet.push(frameOf(encodeMessage(message, this.encoding)))
    this.outlet.flush()
  }

  tooSlow(reason: TickwireError): void {
    this.refuse(reason, CLOSE.slow)
  }

  /** Says why, and ends the connection. */
  refuse(error: unknown, code: number): void {
    this.#error(error)
    this.close(code, asError(error).message)
  }

  close(code: number, reason: string): void {
    if (this.#isGone) return
    // A reason has room for 123 bytes.
    this.#socket.close(code, Buffer.from(reason).subarray(0, 120).toString('latin1'))
    this.#gone()
    this.#context.clock.setTimeout(() => this.#socket.terminate(), GOING_MS, 'idle')
  }

  /** Looks whether the client is still there. */
  ping(): void {
    this.#socket.ping()
  }

  /** Tells it where it stands. */
  beat(frame: WireFrame): void {
    this.outlet.push(frame)
    this.outlet.flush()
  }

  /** It has answered nothing for long. */
  lost(): void {
    this.#gone()
    this.#socket.terminate()
  }

  #gone(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#authTimer?.cancel()
    this.#inflow.close()
    for (const stream of this.#streams.values()) this.#end(stream)
    this.#context.hub.delete(this)
    this.#guest?.leave()
    this.#guest?.revoked?.removeEventListener('abort', this.#revoked)
    this.#closed(this)
  }

  readonly #revoked = (): void => {
    this.refuse(this.#guest!.revoked!.reason, CLOSE.auth)
  }

  #welcome(guest: Guest): void {
    this.#guest = guest
    this.#authTimer?.cancel()
    if (!guest.scopes.has('read')) {
      const message = `the key ${guest.name} has not the scope read`
      const hint = 'Make one that has it: tickwire keys create NAME --scopes read'
      this.refuse(new TickwireError('SCOPE_MISSING', message, { hint }), CLOSE.auth)
      return
    }
    guest.revoked?.addEventListener('abort', this.#revoked)
    this.say({ type: 'welcome', name: guest.name, scopes: [...guest.scopes] })
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#isGone) return
    try {
      const message = isBinary
        ? readMessage(data, (bytes: Uint8Array) => decodeMsgpack(bytes))
        : readMessage(data.toString(), (text: string) => JSON.parse(text))
      if (message.type === 'auth') this.#authenticate(message.key)
      else if (!this.#guest) throw keyRequired('the first message shows a key here')
      else if (message.type === 'subscribe') this.#subscribe(message)
      else this.#unsubscribe(message.id)
    } catch (error) {
      const code = error instanceof TickwireError ? error.code : undefined
      if (code === 'BAD_REQUEST') this.refuse(error, CLOSE.badMessage)
      else if (code?.startsWith('KEY_')) this.refuse(error, CLOSE.auth)
      else if (code === 'QUOTA_EXCEEDED') this.refuse(error, CLOSE.quota)
      else this.#error(error)
    }
  }

  #authenticate(key: string): void {
    const guest = this.#context.access.authenticate(key, this.#request)
    // Who came in without one may still show who he is.
    this.#guest?.leave()
    this.#guest?.revoked?.removeEventListener('abort', this.#revoked)
    this.#welcome(guest)
  }

  #subscribe(message: SubscribeMessage): void {
    const { upstream, hub } = this.#context
    const { id } = message
    try {
      this.#check(message)
      const { topics, rejected } = upstream.resolve(message)
      this.#inflow.count((topics.length + rejected.length) / TOPICS_A_MESSAGE)
      if (topics.length === 0) throw rejected[0]!.reason
      const wanted = new Wanted(topics)
      this.#mustHaveRoom(wanted)
      upstream.hold(topics)
      for (const symbol of wanted.symbols) {
        this.#symbols.set(symbol, (this.#symbols.get(symbol) ?? 0) + 1)
      }
      const slow = message.slow ?? ((message.conflateMs ?? 0) > 0 ? 'conflate' : 'drop-oldest')
      const stream = {
        ...{ wanted, stop: new AbortController() },
        member: new Member(id, this.outlet, slow),
      }
      this.#streams.set(id, stream)
      this.#members.add(stream.member)
      this.#begin(stream, message)
      this.#answer(stream, topics, rejected)
    } catch (error) {
      this.#error(error, id)
    }
    hub.flush()
  }

  /** @throws BAD_OPTION, BAD_POSITION, QUOTA_EXCEEDED */
  #check({ id, from }: SubscribeMessage): void {
    const { tape, hub, limits } = this.#context
    if (this.#streams.has(id)) {
      const hint = 'Unsubscribe it first, or count on.'
      throw new TickwireError('BAD_OPTION', `subscription ${id} is there already`, { hint })
    }
    if (this.#streams.size >= limits.subscriptions) {
      const most = `a connection has at most ${limits.subscriptions} subscriptions`
      const hint = 'Ask for several symbols and kinds in one.'
      throw new TickwireError('QUOTA_EXCEEDED', most, { hint })
    }
    if (typeof from === 'object' && from.tape === tape.id && from.seq > hub.seq) {
      const hint = `It ends at ${hub.seq}; use a position this gateway gave out.`
      throw new TickwireError('BAD_POSITION', `no position ${from.seq} on this tape yet`, { hint })
    }
  }

  #mustHaveRoom(wanted: Wanted): void {
    const { limits } = this.#context
    let topics = wanted.topics.length
    for (const other of this.#streams.values()) topics += other.wanted.topics.length
    if (topics > limits.topics) {
      const what = `more than ${limits.topics} kinds of symbols in the subscriptions of one connection`
      const hint = 'Ask for fewer kinds, or for each symbol in one subscription only.'
      throw new TickwireError('QUOTA_EXCEEDED', what, { hint })
    }
    const most = Math.min(limits.symbols, this.#guest?.maxSymbols ?? Number.POSITIVE_INFINITY)
    let symbols = this.#symbols.size
    for (const symbol of wanted.symbols) if (!this.#symbols.has(symbol)) symbols++
    if (symbols <= most) return
    throw new TickwireError('QUOTA_EXCEEDED', `more than ${most} symbols on one connection`, {
      hint: 'Ask for fewer, or for a key that may have more.',
    })
  }

  #begin(stream: Stream, message: SubscribeMessage): void {
    const { hub, tape } = this.#context
    const { from = 'now', conflateMs = 0, snapshot = true, id } = message
    const { member, wanted } = stream
    const isPosition = typeof from === 'object'
    const group = {
      ...{ form: nativeForm(this.encoding), conflateMs },
      conflateTrades: message.conflateTrades ?? false,
    }
    if (conflateMs === 0 && (from === 'start' || (isPosition && from.tape === tape.id))) {
      const position = isPosition ? from : { tape: tape.id, seq: tape.start.seq }
      this.say({ type: 'subscribed', id, position, begins: 'behind' })
      this.#catchUp(stream, group, isPosition ? from : 'start')
      return
    }
    const { seq } = hub
    this.say({ type: 'subscribed', id, position: { tape: tape.id, seq }, begins: 'now' })
    if (isPosition && from.tape !== tape.id) {
      const text = 'that position is of another tape: what follows begins with how things stand now'
      const reset = readerNotice('reset', this.#context.clock.now(), text, { from: seq + 1 })
      this.#send('events', member, [new Outgoing(reset)])
    }
    this.#sendPresent(stream, snapshot)
    hub.join(member, wanted, group)
    this.say({ type: 'live', id, seq })
  }

  #catchUp(
    stream: Stream,
    group: Parameters<Hub['join']>[2],
    from: Parameters<typeof catchUp>[0]['from'],
  ): void {
    const { hub, tape, log } = this.#context
    const { member, wanted, stop } = stream
    const { id } = member
    // Who goes on has the books; who begins does not.
    const books = from === 'start'
    catchUp({ ...{ tape, hub, member, wanted, group, from, books }, signal: stop.signal }).then(
      () => {
        if (!stop.signal.aborted) this.say({ type: 'live', id, seq: member.seq })
      },
      error => {
        if (stop.signal.aborted) return
        if (!(error instanceof TickwireError))
          log.warn({ error: asError(error).message }, 'a client could not be given what it missed')
        this.#unsubscribe(id, true)
        this.#error(error, id)
      },
    )
  }

  /** How things stand: books always, as their changes mean nothing without. */
  #sendPresent({ member, wanted }: Stream, all: boolean): void {
    const { present } = this.#context.hub
    const events = wanted.topics.flatMap(topic => {
      if (topic.kind === 'book') return present.wholeBooks(topic)
      return all ? present.latest(topic) : []
    })
    if (events.length > 0) {
      this.#send(
        'snapshot',
        member,
        events.map(event => new Outgoing(event)),
      )
    }
  }

  #send(type: 'events' | 'snapshot', member: Member, events: readonly Outgoing[]): void {
    const writer = batchWriter(this.encoding)
    for (const event of events) writer.add(event)
    this.outlet.push(frameOf(writer.take(type, this.#context.hub.seq)(member.id)))
    this.outlet.flush()
  }

  #answer(stream: Stream, topics: readonly Topic[], rejected: readonly Rejection[]): void {
    const { id } = stream.member
    const told = (outcome: Outcome) => {
      // The same number may stand for another one by now.
      if (this.#isGone || this.#streams.get(id) !== stream) return
      this.say({
        ...{ type: 'answered', id },
        accepted: outcome.accepted.map(formatTopic),
        rejected: [...rejected, ...outcome.rejected].map(({ topic, reason }) => {
          const { code, message, hint } = reason
          return { topic: formatTopic(topic), code, message, ...(hint !== undefined && { hint }) }
        }),
        pending: outcome.pending.map(formatTopic),
      })
    }
    void this.#context.upstream.answer(topics).then(told)
  }

  #unsubscribe(id: number, isSilent = false): void {
    const stream = this.#streams.get(id)
    if (!stream) {
      if (isSilent) return
      const hint = 'It was never there, or is gone.'
      throw new TickwireError('NOT_FOUND', `no subscription ${id}`, { hint })
    }
    this.#end(stream)
    this.#streams.delete(id)
    this.#members.delete(stream.member)
    if (!isSilent) this.say({ type: 'unsubscribed', id })
  }

  #end({ member, wanted, stop }: Stream): void {
    stop.abort()
    this.#context.hub.leave(member)
    this.#context.upstream.release(wanted.topics)
    for (const symbol of wanted.symbols) {
      const left = this.#symbols.get(symbol)! - 1
      if (left > 0) this.#symbols.set(symbol, left)
      else this.#symbols.delete(symbol)
    }
  }

  #error(error: unknown, id?: number): void {
    if (!(error instanceof TickwireError)) {
      this.#context.log.error({ error: asError(error).message }, 'a message could not be handled')
    }
    const { code, message, hint, retryable } = refusalOf(error)
    this.say({
      ...{ type: 'error', code, message, retryable },
      ...(id !== undefined && { id }),
      ...(hint !== undefined && { hint }),
    })
  }
}

const keyRequired = (what: string) =>
  new TickwireError('KEY_REQUIRED', what, {
    hint: 'Send {"type":"auth","key":"tw_…"} first; `tickwire keys create NAME` makes one.',
  })
