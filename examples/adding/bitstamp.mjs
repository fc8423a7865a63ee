// A venue added from docs/providers/adding.md alone: Bitstamp's public channels, https://www.bitstamp.net/websocket/v2/.
//   import { bitstamp } from './bitstamp.mjs'; openFeed(bitstamp()).trades('BTC/USD', console.log)
import { canonicalPair, createEvent, TickwireError, websocketProvider } from 'tickwire'

const CHANNELS = { trade: 'live_trades', book: 'order_book' }
const KINDS = { live_trades: 'trade', order_book: 'book' }

export const channelOf = ({ kind, symbol }) =>
  `${CHANNELS[kind]}_${symbol.replace('/', '').toLowerCase()}`

/** `order_book_btcusd` → kind and symbol; `undefined` for a channel that is none of ours. */
export function topicOf(channel) {
  const [, name, pair] = /^(live_trades|order_book)_([a-z0-9]+)$/.exec(channel) ?? []
  if (!name) return undefined
  try {
    return { kind: KINDS[name], symbol: canonicalPair(pair) }
  } catch {
    return undefined
  }
}

/** Its channels have pairs in one word: one that cannot be read back would be asked for and never be heard of. */
function pairOf(text) {
  const symbol = canonicalPair(text)
  if (topicOf(channelOf({ kind: 'trade', symbol }))?.symbol === symbol) return symbol
  throw new TickwireError('BAD_SYMBOL', `${symbol} cannot be told from another pair in one word`)
}

/** Bitstamp's trades and books (the best 100 levels, whole each time). No key. */
export function bitstamp({ url = 'wss://ws.bitstamp.net', openSocket } = {}) {
  const ask = (event, topics) =>
    topics.map(topic => ({
      frame: JSON.stringify({ event, data: { channel: channelOf(topic) } }),
      topics: event === 'bts:subscribe' ? [topic] : [],
    }))
  const description = {
    id: 'bitstamp',
    capabilities: {
      title: 'Bitstamp',
      kinds: ['trade', 'book'],
      barIntervals: [],
      wildcard: [],
      nature: 'live',
      auth: 'none',
      limits: { connectionLifeMs: 90 * 86_400_000 },
      history: false,
      silenceHint: 'Bitstamp trades at all hours; for much traffic try BTC/USD.',
    },
    url,
    subscribe: topics => ask('bts:subscribe', topics),
    unsubscribe: topics => ask('bts:unsubscribe', topics),
    ping: { everyMs: 10_000, timeoutMs: 5_000, frame: '{"event":"bts:heartbeat"}' },
    handshakeTimeoutMs: 10_000,
    maxFrameBytes: 1_000_000,
    verdict: fault =>
      fault.type === 'message'
        ? { scope: 'request', error: new TickwireError('BAD_REQUEST', fault.message) }
        : undefined,
    symbol: pairOf,
    decoder: context => ({
      decode(frame, _binary, receivedAt, inbox) {
        let message
        try {
          message = JSON.parse(Buffer.from(frame).toString())
        } catch {
          inbox.malformed('not JSON')
          return
        }
        read(message, { source: context.source, receivedAt }, inbox)
      },
    }),
  }
  return websocketProvider(description, openSocket ? { openSocket } : {})
}

function read(message, base, inbox) {
  const { event, channel, data } = message ?? {}
  const topic = typeof channel === 'string' ? topicOf(channel) : undefined
  const isIt = ({ kind, symbol }) => kind === topic.kind && symbol === topic.symbol
  switch (event) {
    case 'bts:subscription_succeeded':
      if (topic) inbox.control({ type: 'confirmed', covers: isIt })
      break
    case 'bts:error':
      inbox.control({ type: 'error', code: undefined, message: String(data?.message) })
      break
    case 'bts:heartbeat':
    case 'bts:unsubscription_succeeded':
      break
    case 'bts:request_reconnect':
      // Its servers are about to be changed; the close that follows makes a new connection.
      break
    case 'trade':
    case 'data':
      if (topic) (topic.kind === 'trade' ? readTrade : readBook)(data, topic, base, inbox)
      else inbox.malformed('an event of no channel')
      break
    default:
      if (typeof event === 'string') inbox.unknown(event)
      else inbox.malformed('no event')
  }
}

/** Epoch µs as text. */
function timeOf(data) {
  const micros = data?.microtimestamp
  if (typeof micros !== 'string' || !/^\d{16}$/.test(micros)) return undefined
  return { timestamp: Number(micros.slice(0, 13)), nanos: Number(micros.slice(13)) * 1_000 }
}

function readTrade(data, { symbol }, base, inbox) {
  const time = timeOf(data)
  const [price, size] = [Number(data?.price_str), Number(data?.amount_str)]
  if (!time || !isAbove0(price) || !isAbove0(size) || !Number.isSafeInteger(data.id)) {
    inbox.malformed('a trade without price, size, number or time')
    return
  }
  const side = data.type === 0 ? 'buy' : data.type === 1 ? 'sell' : undefined
  inbox.event(
    createEvent({ type: 'trade', ...base, symbol, ...time, price, size, id: data.id, side }),
  )
}

function readBook(data, { symbol }, base, inbox) {
  const time = timeOf(data)
  const [bids, asks] = [levelsOf(data?.bids), levelsOf(data?.asks)]
  if (!time || !bids || !asks) {
    inbox.malformed('a book without levels or time')
    return
  }
  inbox.event(createEvent({ type: 'book', ...base, symbol, ...time, bids, asks, snapshot: true }))
}

const isAbove0 = value => Number.isFinite(value) && value > 0

/** Levels as numbers; `undefined` when one of them is none. */
function levelsOf(list) {
  if (!Array.isArray(list)) return undefined
  const levels = list.map(level =>
    Array.isArray(level) ? [Number(level[0]), Number(level[1])] : [],
  )
  return levels.every(([price, size]) => isAbove0(price) && (size === 0 || isAbove0(size)))
    ? levels
    : undefined
}
