// json-ticks: a vendor on this machine that speaks the simple tick dialect of many tutorials, with invented prices.
//
//   node examples/json-ticks.mjs                 serves ws://127.0.0.1:9000/ticks; Ctrl-C ends it
//   node examples/json-ticks.mjs --port 9100     on another port, which `url` in examples/json-ticks.yaml has to have too
//
// Then, in another terminal, with no code for this vendor but examples/json-ticks.yaml:
//
//   TICKWIRE_JSON=examples/json-ticks.yaml npx tickwire stream AAPL.US MSFT.US TSLA.US NVDA.US --provider json
import { WebSocketServer } from 'ws'

const INSTRUMENTS = {
  'AAPL.US': ['Apple Inc.', 190],
  'MSFT.US': ['Microsoft Corporation', 415],
  'TSLA.US': ['Tesla, Inc.', 245],
  'NVDA.US': ['NVIDIA Corporation', 120],
}
const TICK_EVERY_MS = 250

const cents = value => Math.round(value * 100) / 100
const lots = () => 100 * (1 + Math.floor(Math.random() * 9))

/** The day of each so far. */
const days = new Map(
  Object.entries(INSTRUMENTS).map(([code, [name, open]]) => [
    code,
    { code, name, price: open, open, high: open, low: open, volume: 0 },
  ]),
)

const place = process.argv.indexOf('--port')
const server = new WebSocketServer({
  host: '127.0.0.1',
  port: place > 0 ? Number(process.argv[place + 1]) : 9000,
  path: '/ticks',
})
server.on('error', ({ message }) => {
  console.error(`no server: ${message}`)
  process.exit(1)
})
server.on('listening', () => {
  console.log('SIMULATED: invented prices, not real ones')
  console.log(`serving ws://127.0.0.1:${server.address().port}/ticks`)
})

server.on('connection', socket => {
  socket.subscribed = new Set()
  socket.on('error', ({ message }) => console.log(`cut: ${message}`))
  const say = message => socket.send(JSON.stringify(message))
  socket.on('message', data => {
    console.log(`heard ${data}`)
    const { action, type, symbols } = parse(data) ?? {}
    if (type === 'ping') say({ type: 'pong' })
    else if (!Array.isArray(symbols)) say({ type: 'error', code: 400, message: 'no symbols' })
    else if (action === 'subscribe') {
      const unknown = symbols.filter(code => !days.has(code))
      if (unknown.length > 0) {
        say({ type: 'error', code: 404, message: `unknown: ${unknown}`, symbols: unknown })
      }
      for (const code of symbols) if (days.has(code)) socket.subscribed.add(code)
    } else if (action === 'unsubscribe') for (const code of symbols) socket.subscribed.delete(code)
    else say({ type: 'error', code: 400, message: 'an action is subscribe or unsubscribe' })
  })
})

const ticking = setInterval(() => {
  for (const day of days.values()) {
    day.price = Math.max(1, cents(day.price * (1 + (Math.random() - 0.5) / 500)))
    day.high = Math.max(day.high, day.price)
    day.low = Math.min(day.low, day.price)
    day.volume += lots()
    const [bid, ask] = [cents(day.price - 0.01), cents(day.price + 0.01)]
    const tick = JSON.stringify({ ...day, bid, ask, bidVolume: lots(), askVolume: lots() })
    for (const socket of server.clients) if (socket.subscribed?.has(day.code)) socket.send(tick)
  }
}, TICK_EVERY_MS)

process.once('SIGINT', () => {
  clearInterval(ticking)
  for (const socket of server.clients) socket.close(1001)
  server.close()
})

function parse(data) {
  try {
    return JSON.parse(String(data))
  } catch {
    return undefined // answered as any other message that is none of ours
  }
}
