import type { Clock } from '../base/clock.ts'
import { contractDetails, findContracts, nameOf, symbolSamples } from './fake-tws-contracts.ts'
import type { FakeMarket } from './fake-tws-market.ts'
import { FakeSubs, type SubKind } from './fake-tws-subs.ts'
import { ClientMessages, type ClientWire, encodeMessage, type Field } from './fake-tws-wire.ts'

/** What a client is given by the TWS it has come to. */
export interface ClientHost {
  readonly clock: Clock
  readonly market: FakeMarket
  readonly serverVersion: number
  readonly accounts: string
  readonly budgets: { readonly lines: number; readonly ticks: number; readonly books: number }
  readonly unsubscribed: ReadonlySet<string>
  /** TWS sees IBKR, and this account its data. */
  readonly sees: boolean
  readonly hangs: boolean
  readonly lateRows: boolean
  /** The next one of these is due: an error to answer with. */
  denial(
    of: 'deny' | 'history',
    client: FakeClient,
  ): { readonly code: number; readonly text: string } | undefined
  garbles(): boolean
  isTaken(client: FakeClient): boolean
  heard(client: FakeClient, message: readonly string[]): void
  breach(what: string): void
  gone(client: FakeClient): void
  /** Ticks of an instrument, and history, are asked for across all clients of a login. */
  askedTicks(name: string): boolean
  askedHistory(text: string): boolean
  askedBars(): boolean
}

/** Messages a second a client may send. */
const RATE = 50
/** Answers to what `ib_async` asks as it starts. */
const STARTUP: Readonly<Record<string, (fields: readonly string[]) => Field[][]>> = {
  '61': () => [[62, 1]],
  '5': () => [[53, 1]],
  '16': () => [[53, 1]],
  '99': () => [[102]],
  '6': ([, , , account]) => [
    [8, 1, '18:30'],
    [54, 1, account],
  ],
  '76': ([, , id]) => [[74, 1, id]],
  '7': ([, , id]) => [[55, 1, id]],
  '62': ([, , id]) => [[64, 1, id]],
  '8': () => [[9, 1, 1]],
  '15': () => [],
  '64': () => [],
  '14': () => [],
}
/** Orders: this TWS lets nobody trade. */
const ORDERS = ['3', '4', '58']
/** What a question about each kind of data is cancelled by. */
const CANCELS: Readonly<
  Record<string, readonly [field: number, unknown: readonly [number, string]]>
> = {
  '2': [2, [300, "Can't find EId with tickerId:"]],
  '98': [1, [300, "Can't find EId with tickerId:"]],
  '11': [2, [310, "Can't find the subscribed market depth with tickerId:"]],
  '51': [2, [300, "Can't find EId with tickerId:"]],
  '25': [2, [366, 'No historical data query found for ticker id:']],
}

/** One client of the fake TWS: greeting, questions, subscriptions and their limits. */
export class FakeClient {
  readonly #wire: ClientWire
  readonly #host: ClientHost
  readonly #messages = new ClientMessages()
  /** What it has subscribed to. */
  readonly subs: FakeSubs
  /** When its last messages came, as many as it may send in a second and one. */
  readonly #sent: number[] = []
  #version = 0
  #over = false
  /** Its number; absent until it has said it. */
  clientId: string | undefined

  constructor(wire: ClientWire, host: ClientHost) {
    this.#wire = wire
    this.#host = host
    this.subs = new FakeSubs(this, host)
  }

  get ready(): boolean {
    return this.clientId !== undefined && !this.#over
  }

  /** As `last AAPL`. */
  get subscriptions(): string[] {
    return this.subs.names
  }

  // As its carrier sees it.

  receive(bytes: Uint8Array): void {
    if (this.#host.hangs || this.#over) return
    let messages: string[][]
    try {
      messages = this.#messages.take(bytes)
    } catch {
      this.cut()
      return
    }
    for (const message of messages) {
      if (this.#over) return
      this.#host.heard(this, message)
      if (this.#version === 0) this.#greet(message[0] ?? '')
      else this.#onMessage(message)
    }
  }

  closed(): void {
    this.#over = true
    this.subs.close()
    this.#host.gone(this)
  }

  // As the TWS sees it.

  cut(): void {
    this.#wire.cut()
  }

  /** Ends it behind what has been sent. */
  end(): void {
    this.#wire.end()
  }

  say(...fields: Field[]): void {
    if (!this.#over && !this.#host.hangs) this.#wire.send(encodeMessage(fields))
  }

  notice(code: number, text: string, id: Field = -1): void {
    this.say(4, 2, id, code, text, '')
  }

  #greet(range: string): void {
    const [, least, most] = /^v(\d+)\.\.(\d+)/.exec(range) ?? []
    this.#version = Math.min(this.#host.serverVersion, Number(most))
    if (!(this.#version >= Number(least))) {
      this.cut()
      return
    }
    const now = new Date(this.#host.clock.now()).toISOString()
    const time = `${now.slice(0, 10).replaceAll('-', '')} ${now.slice(11, 19)} UTC`
    this.say(this.#version, time)
  }

  #start(clientId: string): void {
    this.clientId = clientId
    if (this.#host.isTaken(this)) {
      this.clientId = undefined
      const text =
        'Unable to connect as the client id is already in use. Retry with a unique client id.'
      this.notice(326, text)
      this.#wire.end()
      return
    }
    this.say(15, 1, this.#host.accounts)
    this.say(9, 1, 1)
    this.notice(2104, 'Market data farm connection is OK:usfarm')
    this.notice(2106, 'HMDS data farm connection is OK:ushmds')
    this.notice(2158, 'Sec-def data farm connection is OK:secdefil')
  }

  #isTooFast(): boolean {
    const now = this.#host.clock.now()
    this.#sent.push(now)
    if (this.#sent.length > RATE + 1) this.#sent.shift()
    if (this.#sent.length <= RATE || now - this.#sent[0]! >= 1_000) return false
    this.#host.breach(`more than ${RATE} messages in a second`)
    this.notice(100, 'Max rate of messages per second has been exceeded.')
    this.#wire.end()
    return true
  }

  #onMessage(fields: readonly string[]): void {
    const [id = ''] = fields
    if (id === '71') {
      this.#start(fields[2] ?? '')
      return
    }
    if (this.clientId === undefined || this.#isTooFast()) return
    const cancel = CANCELS[id]
    if (cancel) {
      this.subs.cancel(fields[cancel[0]] ?? '', cancel[1])
      return
    }
    switch (id) {
      case '1':
        this.subs.subscribe('line', fields, 2, 3)
        break
      case '9':
        this.#describe(fields)
        break
      case '10':
        this.subs.subscribe('book', fields, 2, 3)
        break
      case '20':
        this.#tellPast(fields, 'bars')
        break
      case '49':
        this.say(49, 1, Math.floor(this.#host.clock.now() / 1_000))
        break
      case '50':
        this.subs.subscribe('bars', fields, 2, 3)
        break
      case '59':
        this.subs.dataType = Number(fields[2])
        break
      case '81': {
        const { contracts } = this.#host.market
        this.say(...symbolSamples(fields[1] ?? '', contracts, fields[2] ?? ''))
        break
      }
      case '96':
        this.#tellPast(fields, 'ticks')
        break
      case '97': {
        const kind = { Last: 'last', AllLast: 'all', BidAsk: 'bidask' }[fields[14] ?? '']
        if (kind) this.subs.subscribe(kind as SubKind, fields, 1, 2)
        else this.notice(321, 'Error validating request: tickType', fields[1])
        break
      }
      default:
        if (ORDERS.includes(id)) {
          const text = 'Error validating request: The API interface is currently in Read-Only mode.'
          this.notice(321, text, fields[1])
        } else for (const answer of STARTUP[id]?.(fields) ?? []) this.say(...answer)
    }
  }

  #describe(fields: readonly string[]): void {
    const id = fields[2] ?? ''
    const found = findContracts(this.#host.market.contracts, fields, 3)
    if (found.length === 0) {
      this.notice(200, 'No security definition has been found for the request', id)
      return
    }
    for (const one of found) this.say(...contractDetails(id, one))
    this.say(52, 1, id)
  }

  #tellPast(fields: readonly string[], what: 'ticks' | 'bars'): void {
    const id = fields[1] ?? ''
    const { market } = this.#host
    const denied = this.#host.denial('history', this)
    if (denied) {
      this.notice(denied.code, denied.text, id)
      return
    }
    const contract = market.find(fields, 2)
    if (!contract) {
      this.notice(200, 'No security definition has been found for the request', id)
      return
    }
    if (this.#host.unsubscribed.has(nameOf(contract))) {
      const text =
        'Historical Market Data Service error message:No market data permissions for ISLAND STK'
      this.notice(162, text, id)
      return
    }
    // The same question under another number is the same question.
    if (!this.#host.askedHistory([fields[0], ...fields.slice(2)].join('|'))) {
      const text =
        'Historical Market Data Service error message:Historical data request pacing violation'
      this.notice(162, text, id)
      return
    }
    this.say(...(what === 'ticks' ? market.ticks(fields, contract) : market.bars(fields, contract)))
  }
}
