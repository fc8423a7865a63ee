import { type Clock, systemClock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import type { HttpGet } from '../base/http.ts'
import { type Random, seededRandom } from '../base/random.ts'
import type { OpenSocket } from '../base/socket.ts'
import type { ProtocolPeer, ProtocolSession, UpgradeRequest } from '../flow/contracts.ts'
import type { MarketEvent } from '../market/events.ts'
import { checkFaults, type Fault, type FaultName, type FaultOptions } from './faults.ts'
import { type Listener, type ListenOptions, listenOn } from './venue.ts'
import { VenueConnection } from './venue-connection.ts'
import { FaultSchedule } from './venue-faults.ts'
import { memoryHttp, memoryTransport } from './venue-memory.ts'
import type { RestFault } from './venue-rest.ts'
import type {
  VenueAnswer,
  VenueFrame,
  VenueHost,
  VenueLine,
  VenueQuestion,
  VenueRefusal,
  VenueReply,
  VenueWire,
} from './venue-wire.ts'

/** What every scripted venue can be told. */
export interface HostOptions {
  /** What goes wrong, and when. @default nothing */
  readonly faults?: readonly FaultOptions[]
  /** @default the machine's */
  readonly clock?: Clock
  /** Chance for `chance` and for `on: random`. @default seeded with 1 */
  readonly random?: Random
  /** How long a message takes either way in memory, ms. @default 0: a microtask */
  readonly latencyMs?: number
}

/**
 * A venue's server as the host of faults sees it: the protocol, and what faults need to know of its sessions. Written
 * once for each venue; the faults are written here.
 */
export interface VenueServer<S extends ProtocolSession, M> {
  readonly id: string
  /** Faults that cannot befall it, and why not. */
  readonly absent: Readonly<Partial<Record<FaultName, string>>>
  accept(request: UpgradeRequest, peer: ProtocolPeer): S | { readonly status: number }
  readonly sessions: readonly S[]
  /** Hands events to every session. */
  deliver(batch: readonly MarketEvent[]): void
  /** The REST side. */
  answer(question: VenueQuestion): VenueAnswer
  /** What a fault makes of a question to it. */
  spoiled(fault: RestFault, question: VenueQuestion, random: Random): VenueReply
  /** Forgets who was there, as a server that starts anew does. @default it remembers nobody */
  reset?(): void
  /** Who has authenticated on it; `undefined` for nobody yet. @default nobody has to */
  accountOf?(session: S): string | undefined
  /** Whether a session may be sent frames that were not asked for. @default each */
  isOpen?(session: S): boolean
  /** Symbols by list; empty lists left out. */
  listsOf(session: S): Readonly<Record<string, readonly string[]>>
  /** Whether it has subscribed to anything. */
  isServed(session: S): boolean
  /** Tells a client that it is too slow; false for one that cannot be told. @default the venue has no words for that */
  scold?(session: S): boolean
  /** A frame of a kind nobody knows, about so many bytes long. */
  giant(session: S | undefined, bytes: number): VenueFrame
  /** Connections of the account that count with this one, after it has been told `message`. @default none do */
  rivals?(session: S, message: M): number | undefined
}

/** The host's hand in what a server does, for a server to be made with. */
export interface HostScript<S, M> {
  /** Hears what a session says beside data. */
  said(session: S, message: M): void
  /** The fault that befalls a step of the protocol, if one waits for it. */
  take: FaultSchedule['take']
  /** It has come about. */
  note(fault: FaultName, session: S): void
}

/** Something that happened at a venue. `connection` is the number of one, from 1. */
export type HostHappening<M> =
  | { readonly type: 'connected'; readonly connection: number; readonly path: string }
  | { readonly type: 'refused'; readonly status: number }
  | { readonly type: 'said'; readonly connection: number; readonly message: M }
  | { readonly type: 'closed'; readonly connection: number; readonly clean: boolean }
  /** It should listen again after a fault and cannot; tried again every second. */
  | { readonly type: 'deaf'; readonly port: number; readonly reason: string }
  | { readonly type: 'fault'; readonly fault: FaultName; readonly connections: readonly number[] }

/** A connection as the venue sees it. */
export interface ConnectionView {
  readonly id: number
  readonly path: string
  readonly openedAt: number
  /** Who has authenticated on it. */
  readonly account: string | undefined
  /** Lists of the state of subscriptions: `{ trades: ['SPY'] }`, empty ones left out. */
  readonly subscribed: Readonly<Record<string, readonly string[]>>
}

/**
 * A venue that does what its script says, in memory (`openSocket`) and on real sockets (`listen`), also both at once.
 */
export interface ScriptedVenue extends AsyncDisposable {
  /** A transport for the provider's `openSocket` that ends here. */
  readonly openSocket: OpenSocket
  /** A transport for the provider's `httpGet` that ends here. */
  readonly httpGet: HttpGet
  /** Listens on 127.0.0.1. @throws PORT_IN_USE, or BAD_OPTION for a port this user may not have */
  listen(options?: ListenOptions): Promise<Listener>
  /** Answers a question about history or latest values as the REST side does over HTTP, faults left aside. */
  answer(question: VenueQuestion): VenueAnswer
  /** Hands events to every client; each gets what it has subscribed to. */
  deliver(batch: readonly MarketEvent[]): void
  /** Sends frames as they are to every client that has authenticated. */
  send(...frames: readonly VenueFrame[]): void
  /** Takes a fault into the script (where it has `at`, `every` or `after`), or brings it about now. */
  inject(fault: FaultOptions): void
  /** Takes a fault of a file, as `parseFaults` gives it, into the script; its trigger counts from now. */
  script(fault: Fault): void
  /** The connections open now, oldest first. */
  readonly connections: readonly ConnectionView[]
  /** Open connections: of an account, or all. */
  openConnections(account?: string): number
  /** The most there ever were at a time: of an account on one feed, or altogether. */
  maxOpen(account?: string): number
  /** Moments of the attempts that reached the venue, refused ones too, epoch ms; of many the last 10,000 or more. */
  readonly attempts: readonly number[]
  /** The most attempts in any window of this length. @default 10000 ms */
  connectsPerWindow(windowMs?: number): number
  /** Faults brought about so far, oldest first; of many the last 10,000 or more. */
  readonly struck: readonly { readonly fault: FaultName; readonly at: number }[]
  /** Cuts everything, stops listening and lets go of every timer. May be called twice. */
  close(): Promise<void>
}

/** A venue around a server; `make` is given the host's hand in it. */
export class ScriptedHost<S extends ProtocolSession, M> implements ScriptedVenue, VenueHost {
  readonly openSocket: OpenSocket
  readonly httpGet: HttpGet
  readonly attempts: number[] = []
  readonly struck: { readonly fault: FaultName; readonly at: number }[] = []
  readonly #clock: Clock
  readonly #random: Random
  readonly #observe: (happening: HostHappening<M>) => void
  readonly #server: VenueServer<S, M>
  readonly #schedule: FaultSchedule
  readonly #connections = new Set<VenueConnection>()
  readonly #listeners = new Set<Listener>()
  readonly #most = new Map<string, number>()
  #mostOpen = 0
  #ids = 0
  #refusing = 0
  #closed = false

  /** @throws BAD_CONFIG for a fault that is not in the menu, or that this venue cannot have */
  constructor(
    options: HostOptions & { readonly observe?: (happening: HostHappening<M>) => void },
    make: (script: HostScript<S, M>, clock: Clock) => VenueServer<S, M>,
  ) {
    this.#clock = options.clock ?? systemClock()
    this.#random = options.random ?? seededRandom(1)
    this.#observe = options.observe ?? (() => {})
    this.#schedule = new FaultSchedule(this.#clock, this.#random, fault => this.#strike(fault))
    const script: HostScript<S, M> = {
      said: (session, message) => this.#said(session, message),
      take: (...names) => this.#schedule.take(...names),
      note: (fault, session) => this.#note(fault, this.#connectionOf(session)),
    }
    this.#server = make(script, this.#clock)
    this.openSocket = memoryTransport(this, this.#clock, options.latencyMs)
    this.httpGet = memoryHttp(this, this.#clock, options.latencyMs)
    for (const fault of checkFaults(options.faults ?? [])) this.#add(fault)
  }

  async listen(options: ListenOptions = {}): Promise<Listener> {
    this.#assertOpen()
    const listener = await listenOn(this, { clock: this.#clock, ...options })
    this.#listeners.add(listener)
    return listener
  }

  deliver(batch: readonly MarketEvent[]): void {
    if (this.#closed || batch.length === 0) return
    this.#data(() => this.#server.deliver(batch))
    this.#schedule.count('events', batch.length)
  }

  send(...frames: readonly VenueFrame[]): void {
    this.#data(() => {
      for (const connection of this.#connections) {
        const session = this.#sessionOf(connection)
        if (!session || this.#server.isOpen?.(session) === false) continue
        for (const frame of frames) connection.send(frame)
      }
    })
  }

  inject(fault: FaultOptions): void {
    this.#assertOpen()
    const [checked] = checkFaults([fault])
    const scheduled = fault.at ?? fault.every ?? fault.after
    if (scheduled !== undefined) this.#add(checked!)
    else this.#schedule.strike(this.#known(checked!))
  }

  script(fault: Fault): void {
    this.#assertOpen()
    this.#add(fault)
  }

  get connections(): readonly ConnectionView[] {
    return [...this.#connections].map(connection => {
      const { id, path, openedAt } = connection
      const session = this.#sessionOf(connection)
      const subscribed = session ? this.#server.listsOf(session) : {}
      return { id, path, openedAt, account: this.#accountOf(connection), subscribed }
    })
  }

  openConnections(account?: string): number {
    if (account === undefined) return this.#connections.size
    return [...this.#connections].filter(one => this.#accountOf(one) === account).length
  }

  maxOpen(account?: string): number {
    return account === undefined ? this.#mostOpen : (this.#most.get(account) ?? 0)
  }

  connectsPerWindow(windowMs = 10_000): number {
    let most = 0
    let from = 0
    for (const [index, time] of this.attempts.entries()) {
      while (time - this.attempts[from]! >= windowMs) from++
      most = Math.max(most, index - from + 1)
    }
    return most
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#schedule.close()
    for (const connection of [...this.#connections]) connection.cut()
    await Promise.all([...this.#listeners].map(listener => listener.close()))
    this.#listeners.clear()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // As the carriers see it.

  admit(request: UpgradeRequest): VenueRefusal | ((wire: VenueWire) => VenueLine) {
    const now = this.#clock.now()
    remember(this.attempts, now)
    if (this.#closed || now < this.#refusing) return 'unreachable'
    const refusal = this.#schedule.take('upgrade-404', 'upgrade-429', 'upgrade-502')
    if (refusal) {
      this.#note(refusal.fault, [])
      const status = Number(refusal.fault.slice(-3))
      this.#observe({ type: 'refused', status })
      const after = refusal.fault === 'upgrade-429' ? refusal.retryAfter : undefined
      return { status, retryAfterMs: after }
    }
    const halfOpen = this.#schedule.take('half-open')
    const { path } = request
    const connection = new VenueConnection(
      this.#ids + 1,
      path,
      this.#clock,
      halfOpen !== undefined,
      (one, clean) => {
        this.#connections.delete(one)
        this.#observe({ type: 'closed', connection: one.id, clean })
      },
    )
    if (halfOpen) this.#note('half-open', [connection])
    else {
      const session = this.#server.accept(request, connection)
      if ('status' in session) {
        this.#observe({ type: 'refused', status: session.status })
        return session
      }
      connection.attach(session)
      const late = this.#schedule.take('welcome-delayed')
      if (late) {
        this.#note('welcome-delayed', [connection])
        connection.hold(late.by)
      }
    }
    this.#ids++
    this.#connections.add(connection)
    this.#mostOpen = Math.max(this.#mostOpen, this.#connections.size)
    this.#observe({ type: 'connected', connection: connection.id, path })
    return wire => {
      connection.carry(wire)
      this.#schedule.count('connections', 1)
      return connection
    }
  }

  answer(question: VenueQuestion): VenueAnswer {
    return this.#server.answer(question)
  }

  reply(question: VenueQuestion): VenueReply {
    if (this.#closed || this.#clock.now() < this.#refusing) return 'unreachable'
    const fault: RestFault | undefined = this.#schedule.take('rest-error', 'rest-spoiled')
    if (!fault) return this.answer(question)
    this.#note(fault.fault, [])
    return this.#server.spoiled(fault, question, this.#random)
  }

  deaf(port: number, { message }: Error): void {
    this.#observe({ type: 'deaf', port, reason: message })
  }

  /** Runs something that sends data. */
  #data(send: () => void): void {
    if (
      this.#schedule.awaitsData &&
      this.#server.sessions.some(session => this.#server.isServed(session))
    ) {
      this.#schedule.data()
    }
    for (const connection of this.#connections) connection.delivering(true)
    try {
      send()
    } finally {
      for (const connection of this.#connections) connection.delivering(false)
    }
  }

  /** Carries out a fault that waits for no step of a connection's opening. */
  #strike(fault: Fault): void {
    switch (fault.fault) {
      case 'refuse':
        this.#note(fault.fault, [])
        this.#refuse(fault.for)
        return
      case 'restart': {
        const all = [...this.#connections]
        this.#note(fault.fault, all)
        for (const connection of all) connection.cut()
        this.#server.reset?.()
        this.#refuse(fault.for)
        return
      }
    }
    if (!('on' in fault)) return
    const targets = this.#choose(fault.on)
    this.#note(fault.fault, targets)
    for (const connection of targets) this.#strikeOne(fault, connection)
  }

  #refuse(ms: number): void {
    this.#refusing = Math.max(this.#refusing, this.#clock.now() + ms)
    for (const listener of this.#listeners) listener.pause(ms)
  }

  #choose(on: 'all' | 'oldest' | 'newest' | 'random'): VenueConnection[] {
    const open = [...this.#connections]
    if (on === 'all' || open.length === 0) return open
    const at = on === 'oldest' ? 0 : on === 'newest' ? -1 : Math.floor(this.#random() * open.length)
    return [open.at(at)!]
  }

  #note(fault: FaultName, connections: readonly VenueConnection[]): void {
    remember(this.struck, { fault, at: this.#clock.now() })
    this.#observe({ type: 'fault', fault, connections: connections.map(({ id }) => id) })
  }

  #add(fault: Fault): void {
    this.#schedule.add(this.#known(fault))
  }

  /** @throws BAD_CONFIG for a fault that cannot befall this venue */
  #known(fault: Fault): Fault {
    const { id, absent } = this.#server
    const why = absent[fault.fault]
    if (why === undefined) return fault
    throw new TickwireError('BAD_CONFIG', `${fault.fault} cannot befall ${id}: ${why}`)
  }

  #sessionOf(connection: VenueConnection): S | undefined {
    // Every session of ours is the server's.
    return connection.session as S | undefined
  }

  #accountOf(connection: VenueConnection): string | undefined {
    const session = this.#sessionOf(connection)
    return session && this.#server.accountOf?.(session)
  }

  #connectionOf(session: S): VenueConnection[] {
    return [...this.#connections].filter(one => one.session === session)
  }

  #said(session: S, message: M): void {
    // A session that is being made speaks before its connection is known.
    const connection = this.#connectionOf(session)[0]?.id ?? this.#ids + 1
    this.#observe({ type: 'said', connection, message })
    const rivals = this.#server.rivals?.(session, message)
    const account = this.#server.accountOf?.(session)
    if (rivals === undefined || account === undefined) return
    this.#most.set(account, Math.max(this.#most.get(account) ?? 0, rivals))
  }

  #strikeOne(fault: Targeted, connection: VenueConnection): void {
    const session = this.#sessionOf(connection)
    switch (fault.fault) {
      case 'cut':
        connection.cut(fault.reset)
        break
      case 'close':
        connection.close(fault.code, fault.reason)
        break
      case 'slow-client':
        if (!fault.silent && session && this.#server.scold?.(session)) {
          // The cut comes a moment later, so that a client that listens can hear why.
          this.#clock.setTimeout(() => connection.cut(), SAID_MS, 'idle')
        } else connection.cut()
        break
      case 'mute':
        connection.mute(fault.for)
        break
      case 'stall':
        connection.stall(fault.for)
        break
      case 'slow-drip':
        connection.drip(fault.for, fault.bytesPerSecond)
        break
      case 'late-pong':
        connection.latePongs(fault.by, fault.for ?? Number.POSITIVE_INFINITY)
        break
      case 'giant-frame':
        connection.send(this.#server.giant(session, fault.bytes))
        break
      default:
        connection.spoil(fault.fault, fault.times)
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new TickwireError('CLOSED', 'the venue is closed')
  }
}

/** What is kept of a list at least, so that a venue may run for ever. */
const KEPT = 10_000

function remember<T>(list: T[], entry: T): void {
  list.push(entry)
  if (list.length >= 2 * KEPT) list.splice(0, KEPT)
}

type Targeted = Extract<Fault, { on: unknown }>

/** Long enough for a message to leave before the cut behind it, ms. */
const SAID_MS = 20
