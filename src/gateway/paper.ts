import type { WebSocket } from 'ws'
import { asError } from '../base/errors.ts'
import type { BrokerListener } from '../bot/broker.ts'
import type { Order } from '../bot/orders.ts'
import { PaperBroker } from '../bot/paper.ts'
import { ApprovedOrder } from '../bot/risk.ts'
import type { EventType } from '../market/events.ts'
import type { Topic } from '../market/topics.ts'
import {
  answerDesk,
  type DeskAnswer,
  type DeskOrder,
  type DeskQuestion,
  DeskStream,
  type Exchange,
  TradingDesk,
  updateForm,
} from '../providers/alpaca/server.ts'
import { wantFor } from './desk.ts'
import type { GatewayInside } from './serve.ts'

type Parts = Pick<GatewayInside, 'context' | 'hub' | 'upstream'>

/** What an account on paper begins with. */
const CASH = 100_000
/** Kinds that an order can be filled by. */
const KINDS: readonly EventType[] = ['trade', 'quote', 'ticker']
/** Orders arrive and are canceled also while nothing trades, ms. */
const TURN_MS = 50
/** A client that has not answered the ping before is gone, ms. */
const PING_MS = 30_000
/** A client that reads nothing while so much waits for it is cut off, bytes. */
const MOST_WAITING = 4 << 20

/** The stream of what becomes of orders, below the vendor's name. */
export const ORDERS_STREAM = '/alpaca/stream'
const TRADING =
  /^\/alpaca\/v2\/(orders(:by_client_order_id)?|account|positions|clock|calendar|assets)(\/|$)/

/** Whether a path is of the trading API. */
export const isTrading = (path: string): boolean => TRADING.test(path)

/**
 * An account on paper that clients of Alpaca's trading API trade at, with the data of this gateway whatever its source: the
 * paper broker fills their orders. One account for everybody; it lives as long as the gateway, no money moves.
 */
export class PaperHouse {
  readonly #inside: Parts
  readonly #paper: PaperBroker
  readonly #desk: TradingDesk
  readonly #ending = new AbortController()
  /** Symbols that data is wanted of, by the name of the source, and what is held upstream for them. */
  readonly #watched = new Map<string, readonly Topic[]>()
  readonly #listening = new Set<WebSocket>()
  #isFollowing = false

  constructor(inside: Parts) {
    this.#inside = inside
    const { clock } = inside.context
    const listener: BrokerListener = {
      order: ({ id, status, ending }) => {
        if (status === 'open') this.#desk.opened(id)
        else if (status === 'canceled' || status === 'expired' || status === 'rejected') {
          this.#desk.ended(id, status, ending)
        }
      },
      fill: ({ orderId, quantity, price }) => {
        // One that is filled the moment it comes was there before.
        this.#desk.opened(orderId)
        this.#desk.filled(orderId, quantity, price)
      },
      adopt: () => {},
    }
    this.#paper = new PaperBroker(listener)
    const exchange: Exchange = {
      price: symbol => this.#paper.price(symbol),
      accept: order => this.#paper.submit(new ApprovedOrder(orderOf(order, clock.now()))),
      cancel: ({ id }) => this.#paper.cancel(id),
    }
    this.#desk = new TradingDesk({
      ...{ now: () => Math.floor(clock.now()), cash: CASH, exchange },
      updated: update =>
        this.#tell(JSON.stringify({ stream: 'trade_updates', data: updateForm(update) })),
    })
  }

  async answer(question: DeskQuestion, signal: AbortSignal): Promise<DeskAnswer> {
    this.#follow()
    const { symbol } = (question.body ?? {}) as { symbol?: unknown }
    if (question.method === 'POST' && typeof symbol === 'string') await this.#watch(symbol, signal)
    const market = {
      symbols: () => [...this.#watched.keys()],
      find: (symbol: string) => this.#find(symbol)?.[0]?.symbol,
    }
    return answerDesk(this.#desk, market, question)
  }

  /** A connection that wants to hear what becomes of orders. `isKey` says whether what it shows is right. */
  serve(socket: WebSocket, isKey: (key: string, secret: string) => boolean): void {
    this.#follow()
    const stream = new DeskStream(isKey)
    socket.on('message', data => {
      const { reply, isListening, isOver } = stream.hear(String(data))
      if (isListening === true) this.#listening.add(socket)
      else if (isListening === false) this.#listening.delete(socket)
      socket.send(Buffer.from(reply))
      if (isOver) socket.close(1_000)
    })
    let isThere = true
    socket.on('pong', () => {
      isThere = true
    })
    const { clock } = this.#inside.context
    const look = () => {
      if (!isThere) return socket.terminate()
      isThere = false
      socket.ping()
      timer = clock.setTimeout(look, PING_MS, 'idle')
    }
    let timer = clock.setTimeout(look, PING_MS, 'idle')
    socket.on('close', () => {
      timer.cancel()
      this.#listening.delete(socket)
    })
    socket.on('error', () => socket.terminate())
  }

  close(): void {
    this.#ending.abort()
    for (const topics of this.#watched.values()) this.#inside.upstream.release(topics)
    this.#watched.clear()
    for (const socket of this.#listening) socket.close(1_012, 'the gateway ends')
  }

  #tell(frame: string): void {
    // As Alpaca's paper accounts have it: JSON, as bytes.
    const bytes = Buffer.from(frame)
    for (const socket of this.#listening) {
      if (socket.bufferedAmount > MOST_WAITING) socket.terminate()
      else socket.send(bytes)
    }
  }

  /** What a symbol is here, for what an order can be filled by; nothing where no source knows it. */
  #find(symbol: string): readonly Topic[] | undefined {
    const known = this.#watched.get(symbol)
    if (known) return known
    const { upstream, context } = this.#inside
    const kinds = KINDS.filter(kind =>
      context.feeds.some(one => one.capabilities.kinds.includes(kind)),
    )
    try {
      const { topics } = upstream.resolve({ kinds, symbols: [symbol] })
      return topics.length > 0 ? topics : undefined
    } catch {
      // What no source can have is no instrument.
      return undefined
    }
  }

  /** Wants the data of a symbol from now on, and waits for the first of it. */
  async #watch(asked: string, signal: AbortSignal): Promise<void> {
    const topics = this.#find(asked)
    const symbol = topics?.[0]?.symbol
    if (!topics || symbol === undefined || this.#watched.has(symbol)) return
    const { upstream, hub, context } = this.#inside
    const latest = () => topics.flatMap(topic => hub.present.latest(topic))
    // Whoever waits is not counted: orders of others keep the data as well.
    await wantFor(upstream, topics, () => latest().length > 0, context.clock, signal)
    if (this.#watched.has(symbol) || this.#ending.signal.aborted) return
    this.#watched.set(symbol, topics)
    upstream.hold(topics)
    for (const event of latest()) this.#paper.accept(event)
  }

  /** Reads along from the first question on. */
  #follow(): void {
    if (this.#isFollowing) return
    this.#isFollowing = true
    const { clock, tape, log } = this.#inside.context
    const { signal } = this.#ending
    const turn = () => {
      if (signal.aborted) return
      this.#paper.advance(clock.now())
      clock.setTimeout(turn, TURN_MS, 'idle')
    }
    turn()
    const read = async () => {
      for await (const batch of tape.read({ from: 'now', books: true, signal })) {
        for (const event of batch) {
          if (event.symbol !== undefined && !this.#watched.has(event.symbol)) continue
          this.#paper.advance(event.receivedAt)
          this.#paper.accept(event)
        }
      }
    }
    const again = (error: unknown) => {
      if (signal.aborted) return
      log.error({ error: asError(error).message }, 'the paper account could not read the tape')
      clock.setTimeout(() => void read().catch(again), 1_000, 'idle')
    }
    void read().catch(again)
  }
}

function orderOf(order: DeskOrder, now: number): Order {
  const { id, symbol, side, quantity, type, limitPrice, stopPrice, timeInForce } = order
  return {
    ...{ id, symbol, side, quantity, limitPrice, stopPrice, timeInForce, createdAt: now },
    type: type === 'stop_limit' ? 'stop-limit' : type,
    ...{ reason: undefined, status: 'submitted', filled: 0, averagePrice: undefined },
    ending: undefined,
  }
}
