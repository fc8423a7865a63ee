// Clients in a process of their own, as thin as can be: raw sockets that count events and how late they come.
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'

export interface Opening {
  readonly port: number
  /** Of each client, the symbols it asks for. */
  readonly symbols: readonly (readonly string[])[]
  /** Every so many clients one stops reading, once everybody is subscribed; 0: none. */
  readonly stalled: number
}

export type Order =
  | ({ readonly type: 'open' } & Opening)
  | { readonly type: 'stall' }
  | { readonly type: 'count' }
  | { readonly type: 'late' }
  | { readonly type: 'close' }

/** Deliveries so far; those of stalled clients are not counted. */
export interface Counted {
  readonly events: number
  readonly frames: number
  /** Connections that have ended, though nobody asked for it. */
  readonly ended: number
}

export interface Late {
  readonly p50: number
  readonly p99: number
}

const TEXT = 1
const PING = 9
/** Without a payload, and with a mask of zeros. */
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0])
const MARK = Buffer.from('"type":"trade"')
const RECEIVED = Buffer.from('"receivedAt":')
const LIVE = Buffer.from('"type":"live"')
const now = () => performance.timeOrigin + performance.now()

class Client {
  readonly socket: Socket
  readonly ready: Promise<void>
  events = 0
  frames = 0
  isStalled = false
  hasEnded = false
  #rest: Buffer | undefined
  #isUpgraded = false
  #ready!: () => void

  constructor(port: number, symbols: readonly string[]) {
    this.ready = new Promise(resolve => {
      this.#ready = resolve
    })
    const socket = connect(port, '127.0.0.1', () => {
      const key = randomBytes(16).toString('base64')
      socket.write(
        `GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
      )
      const asked = { type: 'subscribe', id: 1, kinds: ['trade'], symbols, snapshot: false }
      socket.write(masked(Buffer.from(JSON.stringify(asked))))
    })
    socket.setNoDelay()
    socket.on('data', data => this.#take(data))
    // What it was is of no interest: that it ended fails the bench.
    socket.on('error', () => {})
    socket.on('close', () => {
      this.hasEnded = true
      this.#ready()
    })
    this.socket = socket
  }

  #take(data: Buffer): void {
    let buffer = this.#rest ? Buffer.concat([this.#rest, data]) : data
    if (!this.#isUpgraded) {
      const end = buffer.indexOf('\r\n\r\n')
      if (end < 0) {
        this.#rest = buffer
        return
      }
      this.#isUpgraded = true
      buffer = buffer.subarray(end + 4)
    }
    const at = now()
    let from = 0
    while (buffer.length - from >= 2) {
      const short = buffer[from + 1]!
      const head = short === 127 ? 10 : short === 126 ? 4 : 2
      if (buffer.length - from < head) break
      const length =
        short === 127
          ? buffer.readUIntBE(from + 4, 6)
          : short === 126
            ? buffer.readUInt16BE(from + 2)
            : short
      if (buffer.length - from < head + length) break
      const opcode = buffer[from]! & 0x0f
      if (opcode === TEXT) this.#frame(buffer.subarray(from + head, from + head + length), at)
      // Who answers no pings is cut off after a minute.
      else if (opcode === PING) this.socket.write(PONG)
      from += head + length
    }
    this.#rest = from < buffer.length ? Buffer.from(buffer.subarray(from)) : undefined
  }

  #frame(payload: Buffer, at: number): void {
    let found = payload.indexOf(MARK)
    if (found < 0) {
      if (payload.indexOf(LIVE) >= 0) this.#ready()
      return
    }
    this.frames++
    const stamp = payload.indexOf(RECEIVED)
    const sent = Number.parseFloat(payload.toString('latin1', stamp + 13, stamp + 33))
    if (!this.isStalled) record(at - sent)
    while (found >= 0) {
      this.events++
      found = payload.indexOf(MARK, found + 100)
    }
  }
}

/** Lateness in buckets of 0.05 ms. */
let buckets = new Uint32Array(200_000)

function record(ms: number): void {
  const bucket = Math.max(0, Math.min(buckets.length - 1, Math.floor(ms * 20)))
  buckets[bucket] = buckets[bucket]! + 1
}

function lateness(): Late {
  const total = buckets.reduce((sum, count) => sum + count, 0)
  const at = (share: number) => {
    let left = total * share
    return buckets.findIndex(count => (left -= count) <= 0) / 20
  }
  const late = { p50: at(0.5), p99: at(0.99) }
  buckets = new Uint32Array(buckets.length)
  return late
}

function masked(payload: Buffer): Buffer {
  const { length } = payload
  const head = length < 126 ? [0x81, 0x80 | length] : [0x81, 0xfe, length >> 8, length & 0xff]
  // A mask of zeros changes nothing.
  return Buffer.concat([Buffer.from(head), Buffer.alloc(4), payload])
}

let clients: Client[] = []
let stalled = 0

async function obey(order: Order): Promise<object> {
  switch (order.type) {
    case 'open': {
      stalled = order.stalled
      clients = []
      for (let from = 0; from < order.symbols.length; from += 200) {
        const some = order.symbols.slice(from, from + 200).map(it => new Client(order.port, it))
        clients.push(...some)
        await Promise.all(some.map(client => client.ready))
      }
      return {}
    }
    case 'stall':
      for (let i = 0; i < stalled; i++) {
        clients[i]!.isStalled = true
        clients[i]!.socket.pause()
      }
      return {}
    case 'count': {
      const read = clients.filter(client => !client.isStalled)
      const sum = (of: 'events' | 'frames') => read.reduce((total, it) => total + it[of], 0)
      const ended = clients.filter(client => client.hasEnded).length
      return { events: sum('events'), frames: sum('frames'), ended }
    }
    case 'late':
      return lateness()
    case 'close':
      for (const { socket } of clients) socket.destroy()
      clients = []
      return {}
  }
}

if (process.send) {
  process.on('message', (order: Order) => void obey(order).then(answer => process.send!(answer)))
  process.on('disconnect', () => process.exit(0))
}
