// Clients of a gateway that are cut, die, stall and come back, and what each of them has had.
import { WebSocket } from 'ws'
import type { Clock } from '../src/base/clock.ts'
import type { Random } from '../src/base/random.ts'
import type { OpenSocket } from '../src/base/socket.ts'
import type { MarketEvent, Notice } from '../src/market/events.ts'
import { encodeEvent } from '../src/market/json.ts'
import { type GatewayClient, openClient } from '../src/providers/tickwire/client.ts'
import type { Encoding, StreamRequest, TapePosition } from '../src/providers/tickwire/messages.ts'
import type { ClientSubscription } from '../src/providers/tickwire/subscription.ts'

export interface ReaderOptions {
  readonly name: string
  readonly request: StreamRequest
  readonly encoding: Encoding
  readonly random: Random
  /** It forgets where it stood when a connection is lost: what must be found out. */
  readonly forgets: boolean
}

/** Numbers of events. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** Somebody who reads one subscription, over any number of connections and lives. */
export class ResumingReader {
  readonly name: string
  readonly request: StreamRequest
  readonly faults: string[] = []
  /** Behind this number it has everything; known once it is live, or from the start. */
  from: number | undefined
  /** Numbers in the order they came, with the events as text. */
  readonly seen = new Map<number, string>()
  /** What it was told is missing. */
  readonly skipped: Range[] = []
  /** What the tape has lost, where it may have seen some of it. */
  readonly lost: Range[] = []
  resets = 0
  cuts = 0
  deaths = 0
  stalls = 0
  /** Everything up to here has been seen or told. */
  last = 0
  readonly #options: ReaderOptions
  #url: string
  #client: GatewayClient | undefined
  #subscription: ClientSubscription | undefined
  #position: TapePosition | undefined
  #socket: WebSocket | undefined
  #away: NodeJS.Timeout | undefined

  constructor(options: ReaderOptions, url: string) {
    this.name = options.name
    this.request = options.request
    this.#options = options
    this.#url = url
    if (typeof options.request.from === 'object') this.#position = options.request.from
    this.#begin()
  }

  get isLive(): boolean {
    return this.#subscription?.isLive ?? false
  }

  /** How its client is. */
  get state(): string {
    return this.#client?.state ?? 'away'
  }

  get position(): TapePosition | undefined {
    return this.#subscription?.position
  }

  /** The network fails. */
  cut(): void {
    this.cuts++
    this.#socket?.terminate()
  }

  /** The process dies, and another one goes on where it stood, after a while: perhaps elsewhere. */
  die(awayMs: number, url = this.#url): void {
    this.#url = url
    if (this.#away) return
    this.deaths++
    this.close()
    this.#away = setTimeout(() => this.come(), awayMs)
  }

  /** Comes back at once, if it is away. */
  come(): void {
    if (!this.#away) return
    clearTimeout(this.#away)
    this.#away = undefined
    this.#begin()
  }

  /** Reads nothing for a while. */
  stall(ms: number): void {
    const socket = this.#socket
    if (socket?.readyState !== WebSocket.OPEN || socket.isPaused) return
    this.stalls++
    socket.pause()
    setTimeout(() => socket.resume(), ms).unref()
  }

  close(): void {
    clearTimeout(this.#away)
    this.#position = this.#subscription?.position ?? this.#position
    this.#client?.close()
    // A paused socket would wait for what it does not read.
    this.#socket?.terminate()
  }

  #begin(): void {
    const { encoding, random, request, forgets } = this.#options
    const client = openClient({
      ...{ url: this.#url, encoding, random, openSocket: this.#open },
      backoff: { firstMs: 5, maxMs: 50 },
    })
    this.#client = client
    client.done.catch(error => this.#fault(`ended: ${error.message}`))
    const from = forgets ? undefined : this.#position
    this.#subscription = client.subscribe(
      { ...request, ...(from && { from }) },
      {
        batch: (events, isSnapshot) => {
          if (!isSnapshot) for (const event of events) this.#take(event)
        },
        begins: ({ seq }) => {
          // One that begins now has what comes once it is live: until then it may begin anew.
          if (request.from === 'start') this.from ??= seq
        },
        live: () => {
          const { position } = this.#subscription!
          this.from ??= position!.seq
          this.last = Math.max(this.last, position!.seq)
        },
        refused: reason => {
          if (reason.code !== 'CLOSED') this.#fault(`refused: ${reason.code} ${reason.message}`)
        },
      },
    )
  }

  #take(event: MarketEvent): void {
    if (event.seq === undefined) {
      this.#hear(event as Notice)
      return
    }
    if (event.seq <= this.last) this.#fault(`${event.seq} came behind ${this.last}`)
    this.last = Math.max(this.last, event.seq)
    if (event.type !== 'notice') this.seen.set(event.seq, encodeEvent(event))
    else if (event.notice === 'lost') this.lost.push({ from: event.from!, to: event.to! })
  }

  #hear({ type, notice, from, to, count, message }: Notice): void {
    if (type !== 'notice') this.#fault(`a ${type} without a number`)
    else if (notice === 'reset') {
      this.resets++
      this.from = undefined
      this.last = 0
    } else if (notice === 'skipped' && from !== undefined && to !== undefined) {
      if (count !== to - from + 1) this.#fault(`skipped says ${count} of ${from}–${to}`)
      this.skipped.push({ from, to })
      this.last = Math.max(this.last, to)
    } else if (notice !== 'lagging') this.#fault(`${notice}: ${message}`)
  }

  #fault(what: string): void {
    if (this.faults.length < 3) this.faults.push(`${this.name}: ${what}`)
  }

  /** As the library opens sockets, but to be paused from outside; it may forget positions. */
  readonly #open: OpenSocket = (request, events, clock: Clock) => {
    const socket = new WebSocket(request.url, [...(request.protocols ?? [])])
    this.#socket = socket
    socket.on('open', () => events.opened())
    socket.on('message', (data: Buffer, binary) => events.frame(data, binary, clock.now()))
    socket.on('error', () => {})
    socket.on('close', (code, reason) => events.closed({ code, reason: reason.toString() }))
    return {
      send: frame => {
        const text = this.#options.forgets ? withoutPosition(String(frame)) : frame
        if (socket.readyState === WebSocket.OPEN) socket.send(text)
      },
      ping: () => socket.ping(),
      close: (code, reason) => socket.close(code, reason),
      terminate: () => socket.terminate(),
    }
  }
}

function withoutPosition(text: string): string {
  const message = JSON.parse(text)
  if (typeof message.from === 'object') delete message.from
  return JSON.stringify(message)
}
