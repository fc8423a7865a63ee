/**
 * A TWS or IB Gateway without Interactive Brokers behind it: a TCP server that speaks the TWS API at server version 176, to
 * which `@stoqey/ib` connects unmodified, with limits as at the venue and faults when told.
 */
import { type Clock, systemClock, type Timer } from '../base/clock.ts'
import type { MarketEvent } from '../market/events.ts'
import { type ClientHost, FakeClient } from './fake-tws-client.ts'
import { FAKE_CONTRACTS, type FakeContract } from './fake-tws-contracts.ts'
import { checkTwsFault, type SetTwsFault, type TwsFault } from './fake-tws-faults.ts'
import { FakeMarket } from './fake-tws-market.ts'
import { FakeServer } from './fake-tws-server.ts'
import type { ClientWire } from './fake-tws-wire.ts'

export interface FakeTwsOptions {
  /** @default the machine's */
  readonly clock?: Clock
  /** @default some US stocks, two futures, two currency pairs, a crypto, an index */
  readonly contracts?: readonly FakeContract[]
  /** 176–181, whose messages are written alike; 178 at most for `ib_async`. @default 176 */
  readonly serverVersion?: number
  /** @default 'DU1234567' */
  readonly accounts?: string
  /** What a client may have at the same time. @default 100 lines, 5 tick-by-tick streams, 3 books */
  readonly budgets?: { readonly lines?: number; readonly ticks?: number; readonly books?: number }
  /** Names of symbols the account has no subscription for: they come delayed, where that is asked for. @default none */
  readonly unsubscribed?: readonly string[]
  /** Told of what happens. */
  readonly observe?: (happening: FakeTwsHappening) => void
}

export type FakeTwsHappening =
  | { readonly type: 'connected' | 'closed'; readonly clientId: string | undefined }
  | { readonly type: 'fault'; readonly fault: SetTwsFault }
  /** A client has broken a rule of TWS's. */
  | { readonly type: 'breach'; readonly what: string }

export interface FakeTws {
  readonly port: number
  /** Connections accepted so far, also of clients that never said who they are. */
  readonly connections: number
  /** Clients that have said who they are. */
  readonly clients: readonly {
    readonly clientId: string | undefined
    /** As `last AAPL`, `bidask AAPL`, `line AAPL`, `book AAPL`, `bars AAPL`. */
    readonly subscriptions: readonly string[]
  }[]
  /** Messages of clients, as fields, the latest 10,000. */
  readonly messages: readonly (readonly string[])[]
  /** Rules of TWS's that clients have broken. */
  readonly breaches: readonly string[]
  /** Listens. @throws PORT_IN_USE */
  listen(options?: { readonly port?: number; readonly host?: string }): Promise<FakeTws>
  /** Happens in the market: trades, quotes and books, by symbol. Who has subscribed is told, and history has it. */
  deliver(batch: readonly MarketEvent[]): void
  /** Brings a fault about. @throws BAD_OPTION */
  fault(fault: TwsFault): void
  /** Says something to every client, as fields. */
  say(...fields: (string | number | boolean | undefined)[]): void
  close(): Promise<void>
}

const MESSAGES = 10_000
const TICKS_EVERY_MS = 15_000
const BARS = { most: 60, withinMs: 600_000 } as const
const HISTORY = { most: 60, withinMs: 600_000, sameMs: 15_000 } as const

export function fakeTws(options: FakeTwsOptions = {}): FakeTws {
  return new OpenFakeTws(options)
}

/** Clients come by its sockets, or some other way: `attach`. */
export class OpenFakeTws implements FakeTws, ClientHost {
  readonly clock: Clock
  readonly market: FakeMarket
  readonly serverVersion: number
  readonly accounts: string
  budgets: ClientHost['budgets']
  unsubscribed: ReadonlySet<string>
  readonly messages: (readonly string[])[] = []
  readonly breaches: string[] = []
  readonly #observe: (happening: FakeTwsHappening) => void
  readonly #clients = new Set<FakeClient>()
  readonly #timers = new Set<Timer>()
  readonly #ticksAt = new Map<string, number>()
  readonly #barsAt: number[] = []
  readonly #history: { readonly at: number; readonly text: string }[] = []
  readonly #server = new FakeServer({
    attach: wire => this.attach(wire),
    later: (ms, fn) => this.#later(ms, fn),
  })
  hangs = false
  lateRows = false
  #upstream = true
  #farms = new Set<string>()
  #competing = false
  #busy = 0
  #garbled = 0
  #denials: { of: 'deny' | 'history'; code: number; text: string; left: number }[] = []

  constructor(options: FakeTwsOptions) {
    const { clock = systemClock(), contracts = FAKE_CONTRACTS, budgets = {} } = options
    this.clock = clock
    this.market = new FakeMarket(clock, contracts)
    this.serverVersion = options.serverVersion ?? 176
    this.accounts = options.accounts ?? 'DU1234567'
    this.budgets = { ...{ lines: 100, ticks: 5, books: 3 }, ...budgets }
    this.unsubscribed = new Set(options.unsubscribed)
    this.#observe = options.observe ?? (() => {})
  }

  get clients(): readonly FakeClient[] {
    return [...this.#clients].filter(client => client.ready)
  }

  get port(): number {
    return this.#server.port
  }

  get connections(): number {
    return this.#server.connections
  }

  get sees(): boolean {
    return this.#upstream && this.#farms.size === 0 && !this.#competing
  }

  async listen({ port = 0, host = '127.0.0.1' } = {}): Promise<this> {
    await this.#server.listen(port, host)
    return this
  }

  deliver(batch: readonly MarketEvent[]): void {
    for (const event of batch) {
      this.market.take(event)
      for (const client of this.#clients) client.subs.deliver(event)
    }
  }

  say(...fields: (string | number | boolean | undefined)[]): void {
    for (const client of this.clients) client.say(...fields)
  }

  fault(given: TwsFault): void {
    const fault = checkTwsFault(given)
    this.#observe({ type: 'fault', fault })
    switch (fault.fault) {
      case 'refuse':
        this.#server.deaf(fault.for)
        break
      case 'restart':
        this.#cut()
        this.#busy += fault.busy
        this.#server.deaf(fault.for)
        break
      case 'cut':
        this.#cut()
        break
      case 'hang':
        this.hangs = true
        if (fault.for > 0) this.#later(fault.for, () => (this.hangs = false))
        break
      case 'silent':
        this.#server.silent += fault.times
        break
      case 'slam':
        this.#server.slam += fault.times
        break
      case 'client-id':
        this.#busy += fault.times
        break
      case 'upstream':
        this.#loseUpstream(fault.for, fault.data)
        break
      case 'farm':
        this.#farms.add(fault.name)
        this.#tell(2103, `Market data farm connection is broken:${fault.name}`)
        this.#later(fault.for, () => {
          this.#farms.delete(fault.name)
          this.#tell(2104, `Market data farm connection is OK:${fault.name}`)
        })
        break
      case 'competing':
        this.#competing = true
        for (const client of this.clients) {
          client.subs.mute(10_197, 'No market data during competing live session')
        }
        this.#later(fault.for, () => (this.#competing = false))
        break
      case 'depth-reset':
        for (const client of this.clients) client.subs.resetBooks()
        break
      case 'depth-halt':
        for (const client of this.clients) client.subs.haltBooks()
        break
      case 'ticks-end':
        for (const client of this.clients) client.subs.endTicks(fault.code, fault.text)
        break
      case 'budgets': {
        const { lines = this.budgets.lines, ticks = this.budgets.ticks } = fault
        this.budgets = { lines, ticks, books: fault.books ?? this.budgets.books }
        break
      }
      case 'unsubscribed':
        this.unsubscribed = new Set(fault.symbols.split(',').map(name => name.trim()))
        break
      case 'deny':
      case 'history':
        this.#denials.push({
          ...{ of: fault.fault, code: fault.code, text: fault.text, left: fault.times },
        })
        break
      case 'too-fast':
        this.#tell(100, 'Max rate of messages per second has been exceeded:max=50 rec=51')
        for (const client of this.clients) client.end()
        break
      case 'moved':
        void this.#move(fault.port)
        break
      case 'garbled':
        this.#garbled += fault.times
        break
      case 'stranger':
        if (!this.hangs) this.#server.strange()
        break
      case 'fragments':
        this.#server.inPieces = true
        this.#later(fault.for, () => (this.#server.inPieces = false))
        break
      case 'late-rows':
        this.lateRows = true
        this.#later(fault.for, () => (this.lateRows = false))
        break
    }
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) timer.cancel()
    this.#cut()
    await this.#server.close()
  }

  /** A client that has come; who carries it tells it what it receives, and its end. */
  attach(wire: ClientWire): FakeClient {
    const client = new FakeClient(wire, this)
    this.#clients.add(client)
    return client
  }

  // What clients are given.

  denial(
    of: 'deny' | 'history',
    _client: FakeClient,
  ): { readonly code: number; readonly text: string } | undefined {
    const denial = this.#denials.find(one => one.of === of && one.left > 0)
    if (denial) denial.left--
    return denial
  }

  garbles(): boolean {
    return this.#garbled > 0 && this.#garbled-- > 0
  }

  isTaken(client: FakeClient): boolean {
    if (this.#busy > 0) {
      this.#busy--
      return true
    }
    const { clientId } = client
    const taken = [...this.#clients].some(
      one => one !== client && one.ready && one.clientId === clientId,
    )
    if (!taken) this.#observe({ type: 'connected', clientId })
    return taken
  }

  heard(_client: FakeClient, message: readonly string[]): void {
    this.messages.push(message)
    if (this.messages.length > MESSAGES) this.messages.shift()
  }

  breach(what: string): void {
    this.breaches.push(what)
    this.#observe({ type: 'breach', what })
  }

  gone(client: FakeClient): void {
    if (!this.#clients.delete(client) || client.clientId === undefined) return
    this.#observe({ type: 'closed', clientId: client.clientId })
  }

  askedTicks(name: string): boolean {
    const now = this.clock.now()
    const before = this.#ticksAt.get(name)
    this.#ticksAt.set(name, now)
    return before === undefined || now - before >= TICKS_EVERY_MS
  }

  askedBars(): boolean {
    const now = this.clock.now()
    this.#barsAt.push(now)
    const recent = this.#barsAt.filter(at => now - at < BARS.withinMs)
    if (recent.length <= BARS.most) return true
    this.breach('more than 60 requests for bars in ten minutes')
    return false
  }

  askedHistory(text: string): boolean {
    const now = this.clock.now()
    const recent = this.#history.filter(({ at }) => now - at < HISTORY.withinMs)
    const same = recent.some(one => one.text === text && now - one.at < HISTORY.sameMs)
    this.#history.push({ at: now, text })
    if (!same && recent.length < HISTORY.most) return true
    this.breach(same ? 'the same history within 15 s' : 'more than 60 questions in ten minutes')
    return false
  }

  // Faults.

  #later(ms: number, fn: () => void): void {
    const timer = this.clock.setTimeout(
      () => {
        this.#timers.delete(timer)
        fn()
      },
      ms,
      'idle',
    )
    this.#timers.add(timer)
  }

  #tell(code: number, text: string): void {
    for (const client of this.clients) client.notice(code, text)
  }

  #cut(): void {
    for (const client of [...this.#clients]) client.cut()
  }

  async #move(port: number | undefined): Promise<void> {
    const letGo = await this.#server.move(port)
    const text = `TWS socket port has been reset and this connection is being dropped. Please reconnect on the new port - ${this.port}`
    this.#tell(1300, text)
    for (const client of this.clients) client.end()
    letGo()
  }

  #loseUpstream(ms: number, data: 'lost' | 'kept'): void {
    this.#upstream = false
    this.#tell(1100, 'Connectivity between IB and Trader Workstation has been lost.')
    this.#later(ms, () => {
      this.#upstream = true
      if (data === 'lost') {
        for (const client of this.clients) client.subs.forget()
        this.#tell(1101, 'Connectivity between IB and TWS has been restored - data lost.')
      } else {
        this.#tell(1102, 'Connectivity between IB and TWS has been restored - data maintained.')
      }
    })
  }
}
