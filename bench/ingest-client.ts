// One client of the ingest bench in a process of its own: CPU time per message from the socket to one handler.
// ingest-client VARIANT URL MESSAGES → one line of JSON.
import { createRequire } from 'node:module'
import WebSocket from 'ws'
import { type Feed, type FeedOptions, openFeed } from '../src/feed/feed.ts'
import { alpaca } from '../src/providers/alpaca/index.ts'
import { memoryTape } from '../src/tape/memory.ts'
import { SYMBOLS } from './data.ts'

const [variant, url, messages] = process.argv.slice(2) as [string, string, string]
const total = Number(messages)
const warm = Math.floor(total / 4)

// Decoded objects escape to a ring: V8 would leave out the allocation of what nobody keeps.
const ring: unknown[] = new Array(4_096)
const counts = { trades: 0, quotes: 0, bars: 0, size: 0 }
let seen = 0
let start: NodeJS.CpuUsage

function count(object: unknown): void {
  ring[seen & 4_095] = object
  if (++seen === warm) start = process.cpuUsage()
  if (seen !== total) return
  const { user, system } = process.cpuUsage(start)
  const ns = ((user + system) * 1_000) / (total - warm)
  console.log(JSON.stringify({ ns, ...counts }))
  process.exit(0)
}
const trade = (object: object, size: number) => {
  if (seen >= total) return
  counts.trades++
  counts.size += size
  count(object)
}
const quote = (object: object) => {
  if (seen >= total) return
  counts.quotes++
  count(object)
}
const bar = (object: object) => {
  if (seen >= total) return
  counts.bars++
  count(object)
}

/** The venue of this bench sends the same frames round and round. */
const BARE: FeedOptions = { duplicates: true, repair: { policy: 'off' } }

const symbols = [...SYMBOLS]
const keys = { keyId: 'bench', secretKey: 'bench', secret: 'bench' }
const require = createRequire(import.meta.url)

const variants: Record<string, () => void> = {
  'tickwire msgpack': () => tickwire('msgpack', BARE),
  'tickwire JSON': () => tickwire('json', BARE),
  // As a user gets it, with a tape: duplicates, quarantine, repair, health.
  'tickwire, the whole engine': () => tickwire('msgpack', {}).pipe(memoryTape()),
  'ws + JSON.parse': () => {
    const socket = new WebSocket(url, { perMessageDeflate: false })
    socket.on('message', (data: Buffer) => {
      for (const message of JSON.parse(data.toString())) {
        if (message.T === 't') trade(message, message.s)
        else if (message.T === 'q') quote(message)
        else if (message.T === 'b') bar(message)
        else if (message.msg === 'connected') socket.send('{"action":"auth"}')
        else if (message.msg === 'authenticated') {
          socket.send(JSON.stringify({ action: 'subscribe', trades: symbols }))
        }
      }
    })
  },
  'alpaca-trade-api 3': () => {
    const Alpaca = require('alpaca-v3')
    const stream = new Alpaca({ ...keys, feed: 'iex' }).data_stream_v2
    stream.session.url = url
    stream.onConnect(() => {
      stream.subscribeForTrades(symbols)
      stream.subscribeForQuotes(symbols)
      stream.subscribeForBars(symbols)
    })
    stream.onStockTrade((object: { Size: number }) => trade(object, object.Size))
    stream.onStockQuote(quote)
    stream.onStockBar(bar)
    stream.connect()
  },
  'alpaca-trade-api 4': () => {
    const { Alpaca } = require('alpaca-v4')
    const stream = new Alpaca({ ...keys, paper: true }).marketData.stockStream({ feed: 'iex', url })
    stream.onConnect(() => {
      stream.subscribeForTrades(symbols)
      stream.subscribeForQuotes(symbols)
      stream.subscribeForBars(symbols)
    })
    stream.onTrade((object: { size: number }) => trade(object, object.size))
    stream.onQuote(quote)
    stream.onBar(bar)
    stream.connect()
  },
}

function tickwire(codec: 'json' | 'msgpack', options: FeedOptions): Feed {
  const provider = alpaca({ key: 'bench', secret: 'bench', url, codec })
  const feed = openFeed(provider, { ...options, leases: false })
  feed.on('*', event => {
    if (event.type === 'trade') trade(event, event.size)
    else if (event.type === 'quote') quote(event)
    else if (event.type === 'bar') bar(event)
  })
  void feed.subscribe({ trades: symbols, quotes: symbols, bars: symbols })
  return feed
}

variants[variant]?.()
