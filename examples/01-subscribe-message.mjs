// 01: what is a subscription? A small JSON message. This builds Alpaca's and OpenAlgo's and prints them; no socket is
// opened.
//
//   node examples/01-subscribe-message.mjs
//   node --env-file=.env examples/01-subscribe-message.mjs     the same with the keys of .env
//
// Building a message needs no real key. With one, it is shown in the auth message.
import { alpacaDescription } from 'tickwire/alpaca'
import { openAlgoDescription } from 'tickwire/openalgo'

// With a key, put the second line in place of the first.
const keys = { key: 'YOUR_KEY_ID', secret: 'YOUR_SECRET' }
// const keys = { key: process.env.APCA_API_KEY_ID, secret: process.env.APCA_API_SECRET_KEY }

// A topic is one kind of event of one symbol from one source.
const topics = [
  { source: 'alpaca', kind: 'trade', symbol: 'SPY' },
  { source: 'alpaca', kind: 'trade', symbol: 'TSLA' },
  { source: 'alpaca', kind: 'quote', symbol: 'AAPL' },
]

// A venue is described by pure functions: these make the frames, something else sends them.
const venue = alpacaDescription({ ...keys, feed: 'iex', codec: 'json' })

console.log('Connect to:', venue.url)
console.log('Then send, in this order:')
for (const frame of venue.greet()) console.log('  auth:     ', frame)
for (const { frame } of venue.subscribe(topics, topics)) console.log('  subscribe:', frame)

// Another venue, another language: OpenAlgo names each symbol with its exchange, and one mode for all of them.
const broker = openAlgoDescription({ apiKey: 'YOUR_API_KEY', defaultExchange: 'NSE' })
const prices = ['RELIANCE', 'NSE:INFY'].map(text => ({
  ...{ source: 'openalgo', kind: 'ticker', symbol: broker.symbol(text) },
}))

console.log('\nConnect to:', broker.url)
console.log('Then send, in this order:')
for (const frame of broker.greet()) console.log('  auth:     ', frame)
for (const { frame } of broker.subscribe(prices, prices)) console.log('  subscribe:', frame())
