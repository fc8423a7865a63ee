import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { WebSocket, WebSocketServer } from 'ws'
import { type Clock, systemClock } from '../base/clock.ts'
import { type Random, seededRandom } from '../base/random.ts'
import {
  type DeskOrder,
  type Exchange,
  left,
  TradingDesk,
} from '../providers/alpaca/server-trading-desk.ts'
import { ALPACA, type BrokerDialect, OPENALGO } from './broker-dialects.ts'

/** How often each goes wrong, of 1. */
export interface BrokerFaults {
  /** A request is done, and its answer never comes: the connection is cut. */
  readonly lostReply?: number
  /** The connection is cut before a request is done. */
  readonly lostRequest?: number
  /** A request is done only after the client has given up. */
  readonly late?: number
  /** HTTP 500, and nothing was done. */
  readonly failed?: number
  /** HTTP 500, though it was done. */
  readonly failedAfter?: number
  /** HTTP 429, and nothing was done. */
  readonly limited?: number
  /** An update of the stream comes twice. */
  readonly doubled?: number
  /** An update comes behind the next one. */
  readonly swapped?: number
  /** An update never comes. */
  readonly dropped?: number
  /** The stream is cut behind an update. */
  readonly cut?: number
  /** An order that was taken is rejected by the market. */
  readonly rejected?: number
}

export interface ScriptedBrokerOptions {
  /** What it speaks: Alpaca's trading API, or OpenAlgo's order services in front of the same account. @default 'alpaca' */
  readonly dialect?: 'alpaca' | 'openalgo'
  readonly clock?: Clock
  /** Of chance. @default 1 */
  readonly seed?: number
  readonly faults?: BrokerFaults
  /** @default 1000000 */
  readonly cash?: number
  /** What each symbol trades at. @default SPY 600, QQQ 500, BTC/USD 90000 */
  readonly prices?: Readonly<Record<string, number>>
  /** The only key it takes. @default any */
  readonly key?: string
  /** Orders stand in the market at once, and what becomes of them the test says, by `desk`. @default by chance */
  readonly byHand?: boolean
  /** Longest time between the steps of an order, ms. @default 40 */
  readonly stepMs?: number
  /** How late an answer is that is too late, ms. @default 3000 */
  readonly lateMs?: number
}

const PRICES = { SPY: 600, QQQ: 500, 'BTC/USD': 90_000 }

/**
 * A broker to be tried against: its trading API on a port of this machine, with an account that starts with cash and a
 * market that fills orders in parts, cancels late and rejects some, by seeded chance, and with faults of the network
 * and of the broker. What it really did stays in `desk`.
 */
export class ScriptedBroker {
  readonly desk: TradingDesk
  /** How often each client order id was asked for by POST, whatever came of it; of OpenAlgo each `buy 5 NSE:INFY`. */
  readonly posts = new Map<string, number>()
  /** No more faults from now on. */
  isCalm = false
  readonly #options: ScriptedBrokerOptions
  readonly #dialect: BrokerDialect
  readonly #clock: Clock
  readonly #random: Random
  readonly #market: RandomMarket
  readonly #sockets = new Set<WebSocket>()
  readonly #listening = new Set<WebSocket>()
  readonly #upgrades = new WebSocketServer({ noServer: true })
  #server: Server | undefined
  #port = 0
  #held: string | undefined

  constructor(options: ScriptedBrokerOptions = {}) {
    this.#options = options
    this.#dialect = options.dialect === 'openalgo' ? OPENALGO : ALPACA
    this.#clock = options.clock ?? systemClock()
    this.#random = seededRandom(options.seed ?? 1)
    const { prices = PRICES, stepMs = 40, faults } = options
    const later = (fn: () => void) => {
      this.#clock.setTimeout(fn, 1 + this.#random() * stepMs, 'idle')
    }
    this.#market = new RandomMarket(prices, this.#random, later, () =>
      this.isCalm ? 0 : (faults?.rejected ?? 0),
    )
    this.desk = new TradingDesk({
      now: () => Math.floor(this.#clock.now()),
      cash: options.cash ?? 1_000_000,
      exchange: options.byHand ? this.#marketByHand(prices) : this.#market,
      updated: update => this.#tell(this.#dialect.update(update)),
    })
    this.#market.desk = this.desk
  }

  /** Where it is: `http://127.0.0.1:4321`. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      void this.#answer(request, response)
    })
    server.on('upgrade', (request, socket, head) => {
      const { streamPath } = this.#dialect
      const { pathname } = new URL(request.url!, this.url)
      if (streamPath !== undefined && pathname !== streamPath) return socket.destroy()
      this.#upgrades.handleUpgrade(request, socket, head, peer => this.#serve(peer))
    })
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#port, '127.0.0.1', resolve)
    })
    this.#port = (server.address() as AddressInfo).port
  }

  /** Goes away, with all connections. What it knows it knows when it is started again, on the same port. */
  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.terminate()
    const server = this.#server
    this.#server = undefined
    if (!server) return
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }

  /** Cuts all streams. */
  cut(): void {
    for (const socket of this.#sockets) socket.terminate()
  }

  #marketByHand(prices: Readonly<Record<string, number>>): Exchange {
    return {
      price: symbol => prices[symbol],
      accept: ({ id }) => this.desk.opened(id),
      cancel: ({ id }) => this.desk.ended(id, 'canceled'),
    }
  }

  #chance(of: keyof BrokerFaults): boolean {
    const rate = this.#options.faults?.[of] ?? 0
    // Chance is drawn also where nothing goes wrong, so that a fault more changes nothing else.
    return this.#random() < rate && !this.isCalm
  }

  #isKey(key: string | undefined): boolean {
    return this.#options.key === undefined || key === this.#options.key
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url!, this.url)
    const method = request.method!
    let said = ''
    try {
      said = await text(request)
    } catch {
      // The client has gone away in the middle of its question.
      return
    }
    const give = (status: number, content: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(content === undefined ? undefined : JSON.stringify(content))
    }
    const dialect = this.#dialect
    const refuse = (status: number, message: string) =>
      give(status, dialect.refusal(status, message).body)
    let body: unknown
    try {
      body = said === '' ? undefined : JSON.parse(said)
    } catch {
      return refuse(400, 'request body format is invalid')
    }
    if (!this.#isKey(dialect.keyOf(request.headers, body))) return refuse(401, 'unauthorized')
    const question = { method, path: pathname, query: searchParams, body }
    const placed = dialect.placing(question)
    if (placed) this.posts.set(placed, (this.posts.get(placed) ?? 0) + 1)
    if (this.#chance('lostRequest')) return void request.socket.destroy()
    if (this.#chance('failed')) return refuse(500, 'internal server error')
    if (this.#chance('limited')) return refuse(429, 'rate limit exceeded')
    const ask = () => {
      const symbols = Object.keys(this.#options.prices ?? PRICES)
      const market = {
        symbols: () => symbols,
        find: (symbol: string) => symbols.find(one => one === symbol.toUpperCase()),
      }
      return dialect.answer(this.desk, market, question)
    }
    if (this.#chance('late')) {
      this.#clock.setTimeout(
        () => {
          const { status, body } = ask()
          if (!response.destroyed) give(status, body)
        },
        this.#options.lateMs ?? 3_000,
        'idle',
      )
      return
    }
    const answer = ask()
    if (this.#chance('lostReply')) return void request.socket.destroy()
    if (this.#chance('failedAfter')) return refuse(500, 'internal server error')
    give(answer.status, answer.body)
  }

  #serve(peer: WebSocket): void {
    this.#sockets.add(peer)
    const stream = this.#dialect.stream(key => this.#isKey(key))
    peer.on('message', data => {
      const { reply, isListening, isOver } = stream.hear(String(data))
      if (isListening === true) this.#listening.add(peer)
      else if (isListening === false) this.#listening.delete(peer)
      // Alpaca's paper accounts send JSON as bytes.
      peer.send(Buffer.from(reply))
      if (isOver) peer.close()
    })
    peer.on('close', () => {
      this.#sockets.delete(peer)
      this.#listening.delete(peer)
    })
    peer.on('error', () => peer.terminate())
  }

  #tell(frame: string): void {
    if (this.#chance('dropped')) return
    if (this.#held === undefined && this.#chance('swapped')) {
      this.#held = frame
      return
    }
    this.#send(frame)
    if (this.#chance('doubled')) this.#send(frame)
    if (this.#held !== undefined) this.#send(this.#held)
    this.#held = undefined
    if (this.#chance('cut')) this.cut()
  }

  #send(frame: string): void {
    for (const peer of this.#listening) {
      if (peer.readyState === WebSocket.OPEN) peer.send(Buffer.from(frame))
    }
  }
}

/** A market by chance: orders are taken after a while, filled in parts at prices around one, and canceled late. */
class RandomMarket implements Exchange {
  desk!: TradingDesk
  readonly #prices: Readonly<Record<string, number>>
  readonly #random: Random
  readonly #later: (fn: () => void) => void
  readonly #rejects: () => number

  constructor(
    prices: Readonly<Record<string, number>>,
    random: Random,
    later: (fn: () => void) => void,
    rejects: () => number,
  ) {
    this.#prices = prices
    this.#random = random
    this.#later = later
    this.#rejects = rejects
  }

  price(symbol: string): number | undefined {
    return this.#prices[symbol]
  }

  accept(order: DeskOrder): void {
    this.#later(() => {
      if (this.#random() < this.#rejects()) {
        return this.desk.ended(order.id, 'rejected', 'rejected by the market')
      }
      this.desk.opened(order.id)
      // Some limit orders are too far away.
      if (order.type !== 'market' && this.#random() < 0.4) return
      this.#fill(order)
    })
  }

  cancel(order: DeskOrder): void {
    this.#later(() => this.desk.ended(order.id, 'canceled'))
  }

  #fill(order: DeskOrder): void {
    this.#later(() => {
      const parts = Math.ceil(this.#random() * 3)
      const whole = left(order)
      const quantity = parts === 1 ? whole : Math.min(whole, Math.max(1, Math.floor(whole / parts)))
      const price =
        Math.round(this.#prices[order.symbol]! * (1 + (this.#random() - 0.5) / 1_000) * 100) / 100
      this.desk.filled(order.id, quantity, price)
      if (left(order) > 0) this.#fill(order)
    })
  }
}
