// Socket → one handler on Polygon's stream: CPU time per message of tickwire without repair, of the official client with
// JSON.parse, and of ws with JSON.parse, over loopback from one server, one process per client, in turn.
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import type { Socket as NetSocket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { websocketClient } from '@polygon.io/client-js'
import WebSocket, { WebSocketServer } from 'ws'
import { openFeed } from '../src/feed/feed.ts'
import { polygon } from '../src/providers/polygon/index.ts'
import { polygonFrames, ROUND, SYMBOLS, sampleEvents } from './data.ts'
import { median, type Row, report, spread } from './table.ts'

const BATCHES = [1, 8, 64]
const OURS = 'tickwire'
const OFFICIAL = '@polygon.io/client-js + JSON.parse'
/** Messages per process: enough for a second or more of CPU each. */
const MESSAGES: Readonly<Record<string, number>> = {
  [OURS]: 2_000_000,
  [OFFICIAL]: 300_000,
  'ws + JSON.parse': 600_000,
}
/** Least ratio over the official client. */
const BUDGET = 4

export async function main({
  rounds = 3,
  json,
}: {
  rounds?: number
  json?: string
}): Promise<void> {
  const server = fork(fileURLToPath(import.meta.url), ['server'], { stdio: 'pipe' })
  server.stderr?.pipe(process.stderr)
  const port = await firstLine(server)
  const rows: Row[] = []
  for (const batch of BATCHES) {
    const samples = new Map(Object.keys(MESSAGES).map(name => [name, [] as number[]]))
    for (let round = 0; round < rounds; round++) {
      for (const [name, list] of samples) list.push(run(name, port, batch))
    }
    const mine = samples.get(OURS)!
    const value = median(mine)
    for (const [peer, list] of samples) {
      if (peer === OURS) continue
      const peerValue = median(list)
      rows.push({
        ...{ name: `tickwire, ${batch} a frame`, unit: 'ns/msg', value, peer, peerValue },
        ...{ ratio: peerValue / value, spread: spread(mine), rounds },
        ...(peer === OFFICIAL && { budget: BUDGET }),
      })
    }
  }
  server.disconnect()
  report(rows, json)
}

/** One process; throws when what it received is not what was sent. */
function run(variant: string, port: string, batch: number): number {
  const total = MESSAGES[variant]!
  const url = `ws://127.0.0.1:${port}/${batch}`
  const args = [fileURLToPath(import.meta.url), 'client', variant, url, String(total)]
  const options = { encoding: 'utf8', timeout: 120_000 } as const
  const { stdout, stderr, status } = spawnSync(process.execPath, args, options)
  if (status !== 0) throw new Error(`${variant} failed: ${stderr}`)
  const { ns, shares } = JSON.parse(stdout.trim().split('\n').at(-1)!) as Sample
  const sent = sharesOf(total)
  if (shares !== sent) throw new Error(`${variant} saw ${shares} shares traded, not ${sent}`)
  return ns
}

interface Sample {
  readonly ns: number
  readonly shares: number
}

function sharesOf(total: number): number {
  const sizes = sampleEvents(ROUND).map(event => (event.type === 'trade' ? event.size : 0))
  let sum = 0
  for (let i = 0; i < total; i++) sum += sizes[i % ROUND]!
  return sum
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', data => resolve(String(data).trim()))
    child.once('exit', code => reject(new Error(`the server ended with ${code}`)))
  })
}

/** Confirms every pair, then sends the same frames round and round as fast as the client reads them. */
function serve(): void {
  const events = sampleEvents(ROUND)
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
  server.on('connection', (client, request) => {
    const frames = polygonFrames(events, Number(request.url!.split('/')[1]))
    const chunks = chunksOf(frames)
    const say = (status: string, messages: readonly string[]) =>
      client.send(JSON.stringify(messages.map(message => ({ ev: 'status', status, message }))))
    let start: NodeJS.Timeout | undefined
    let gone = false
    client.on('close', () => {
      gone = true
    })
    client.on('error', () => {
      gone = true
    })
    say('connected', ['Connected Successfully'])
    client.on('message', (data: Buffer) => {
      const { action, params } = JSON.parse(data.toString()) as { action: string; params: string }
      if (action === 'auth') say('auth_success', ['authenticated'])
      else if (action === 'subscribe') {
        say(
          'success',
          params.split(',').map(pair => `subscribed to: ${pair}`),
        )
        clearTimeout(start)
        start = setTimeout(blast, 300)
      }
    })
    function blast(): void {
      const socket = (client as unknown as { _socket: NetSocket })._socket
      let next = 0
      const more = () => {
        while (!gone) {
          const room = socket.write(chunks[next]!)
          next = (next + 1) % chunks.length
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
  process.on('disconnect', () => process.exit())
}

const CHUNK_BYTES = 256 * 1_024

/** Whole WebSocket frames, ready for the wire. */
function chunksOf(frames: readonly Buffer[]): Buffer[] {
  const chunks: Buffer[] = []
  let parts: Buffer[] = []
  let bytes = 0
  for (const [i, frame] of frames.entries()) {
    const { length } = frame
    const head = Buffer.alloc(length < 126 ? 2 : 4)
    head[0] = 0x81
    head[1] = length < 126 ? length : 126
    if (length >= 126) head.writeUInt16BE(length, 2)
    parts.push(head, frame)
    bytes += length
    if (bytes < CHUNK_BYTES && i + 1 < frames.length) continue
    chunks.push(Buffer.concat(parts))
    parts = []
    bytes = 0
  }
  return chunks
}

function receive(variant: string, url: string, total: number): void {
  const warm = Math.floor(total / 4)
  // Decoded objects escape to a ring: V8 would leave out the allocation of what nobody keeps.
  const ring: unknown[] = new Array(4_096)
  let seen = 0
  let shares = 0
  let start: NodeJS.CpuUsage
  const count = (object: unknown, size: number) => {
    if (seen >= total) return
    shares += size
    ring[seen & 4_095] = object
    if (++seen === warm) start = process.cpuUsage()
    if (seen !== total) return
    const { user, system } = process.cpuUsage(start)
    const ns = ((user + system) * 1_000) / (total - warm)
    console.log(JSON.stringify({ ns, shares }))
    process.exit(0)
  }
  const pairs = ['T', 'Q', 'AM'].map(channel => SYMBOLS.map(symbol => `${channel}.${symbol}`))
  const subscribe = (send: (text: string) => void) => {
    for (const list of pairs) send(JSON.stringify({ action: 'subscribe', params: list.join() }))
  }
  const read = (text: string, send: (text: string) => void) => {
    for (const message of JSON.parse(text)) {
      if (message.ev !== 'status') count(message, message.ev === 'T' ? message.s : 0)
      else if (message.status === 'auth_success') subscribe(send)
    }
  }
  const variants: Record<string, () => void> = {
    [OURS]: () => {
      const feed = openFeed(polygon({ key: 'bench', url: `${url}/stocks` }), {
        // The venue of this bench sends the same frames round and round.
        ...{ duplicates: true, repair: { policy: 'off' }, leases: false },
      })
      feed.on('*', event => {
        if (event.type === 'trade') count(event, event.size)
        else if (event.type === 'quote' || event.type === 'bar') count(event, 0)
      })
      const symbols = [...SYMBOLS]
      void feed.subscribe({ trades: symbols, quotes: symbols, bars: symbols })
    },
    [OFFICIAL]: () => {
      const socket = websocketClient('bench', url).stocks()
      socket.onmessage = ({ data }: { data: unknown }) =>
        read(data as string, it => socket.send(it))
    },
    'ws + JSON.parse': () => {
      const socket = new WebSocket(`${url}/stocks`, { perMessageDeflate: false })
      socket.on('open', () => socket.send('{"action":"auth","params":"bench"}'))
      socket.on('message', (data: Buffer) => read(data.toString(), it => socket.send(it)))
    },
  }
  variants[variant]?.()
}

const [, script, role, ...rest] = process.argv
if (script === fileURLToPath(import.meta.url)) {
  if (role === 'server') serve()
  else if (role === 'client') receive(rest[0]!, rest[1]!, Number(rest[2]))
}
