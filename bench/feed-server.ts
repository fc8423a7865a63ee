// The far end of the ingest bench, a process of its own: speaks Alpaca's stream, then sends prebuilt frames as fast
// as the client reads them. Prints its port; ends when its parent does.
import type { Socket } from 'node:net'
import { WebSocketServer } from 'ws'
import { decodeMsgpack, encodeMsgpack } from '../src/base/msgpack.ts'
import { encodeJson, encodePack } from '../src/providers/alpaca/encode.ts'
import { LONG_ROUND, ROUND, sampleEvents } from './data.ts'

const CHANNELS = ['trades', 'quotes', 'bars', 'updatedBars', 'dailyBars', 'statuses', 'lulds']
const rounds = new Map<string, Buffer[]>()
const CHUNK_BYTES = 256 * 1024

/**
 * The round as WebSocket frames of `batch` messages, ready for the wire, in chunks of whole frames: `ws` puts its
 * pongs between our writes.
 */
function round(packed: boolean, batch: number, length: number): Buffer[] {
  const key = `${packed} ${batch} ${length}`
  const held = rounds.get(key)
  if (held) return held
  const events = sampleEvents(length)
  const chunks: Buffer[] = []
  let parts: Buffer[] = []
  let bytes = 0
  for (let i = 0; i < length; i += batch) {
    const some = events.slice(i, i + batch)
    const payload = packed ? Buffer.from(encodePack(some)) : Buffer.from(encodeJson(some))
    parts.push(frameHeader(packed ? 2 : 1, payload.length), payload)
    bytes += payload.length
    if (bytes < CHUNK_BYTES && i + batch < length) continue
    chunks.push(Buffer.concat(parts))
    parts = []
    bytes = 0
  }
  rounds.set(key, chunks)
  return chunks
}

function frameHeader(opcode: number, length: number): Buffer {
  if (length < 126) return Buffer.from([0x80 | opcode, length])
  const header = Buffer.alloc(length < 65_536 ? 4 : 10)
  header[0] = 0x80 | opcode
  if (length < 65_536) {
    header[1] = 126
    header.writeUInt16BE(length, 2)
  } else {
    header[1] = 127
    header.writeBigUInt64BE(BigInt(length), 2)
  }
  return header
}

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
server.on('connection', (client, request) => {
  const packed = request.headers['content-type'] === 'application/msgpack'
  const batch = Number(/batch=(\d+)/.exec(request.url ?? '')?.[1] ?? 1)
  const long = request.url?.includes('round=long') ?? false
  const data = round(packed, batch, long ? LONG_ROUND : ROUND)
  const say = (message: object) =>
    client.send(packed ? encodeMsgpack([message]) : JSON.stringify([message]))
  const held = Object.fromEntries(CHANNELS.map(channel => [channel, new Set<string>()]))
  let start: NodeJS.Timeout | undefined
  let gone = false
  client.on('close', () => {
    gone = true
  })
  client.on('error', () => {
    gone = true
  })
  say({ T: 'success', msg: 'connected' })
  client.on('message', (bytes: Buffer) => {
    const message = (packed ? decodeMsgpack(bytes) : JSON.parse(bytes.toString())) as Record<
      string,
      unknown
    >
    if (message.action === 'auth') {
      say({ T: 'success', msg: 'authenticated' })
      return
    }
    for (const channel of CHANNELS) {
      for (const symbol of (message[channel] as string[] | undefined) ?? [])
        held[channel]!.add(symbol)
    }
    const state = Object.fromEntries(CHANNELS.map(channel => [channel, [...held[channel]!]]))
    say({ T: 'subscription', ...state, cancelErrors: [], corrections: [] })
    // The official clients subscribe channel by channel and repeat themselves: wait for them to finish.
    clearTimeout(start)
    start = setTimeout(() => blast((client as unknown as { _socket: Socket })._socket), 300)
  })

  function blast(socket: Socket): void {
    let next = 0
    const more = () => {
      while (!gone) {
        const room = socket.write(data[next]!)
        next = (next + 1) % data.length
        if (!room) {
          socket.once('drain', more)
          return
        }
      }
    }
    more()
  }
})
server.on('listening', () => console.log((server.address() as { port: number }).port))
process.on('disconnect', () => process.exit(0))
