// 11: the order book of a pair, and who took what.
//
//   node examples/11-crypto-book.mjs                     Ctrl-C ends it
//   node --env-file=.env examples/11-crypto-book.mjs     the same with the keys of .env
import { openFeed } from 'tickwire'
import { alpaca } from 'tickwire/alpaca'
import { simulated } from 'tickwire/simulated'

const { APCA_API_KEY_ID: key, APCA_API_SECRET_KEY: secret } = process.env

// Real and without a key: kraken() of 'tickwire/kraken'. With a key, put the second line in place of the first.
const feed = openFeed(simulated({ rate: 5 }))
// const feed = openFeed(alpaca({ market: 'crypto', feed: 'us', key, secret }))

if (feed.capabilities.nature === 'simulated')
  console.log('SIMULATED: invented prices, not real ones')
process.once('SIGINT', () => feed.close())

// Crypto trades say which side crossed the spread. Ids beyond 2^53 are strings: none is rounded.
feed.trades('BTC/USD', ({ id, side, price, size }) => {
  console.log(`trade ${id}: ${side} ${size} at ${price}`)
})

// Books come whole first, then level by level, and whole again after a lost connection.
const bids = new Map()
const asks = new Map()
for await (const book of feed.books('BTC/USD')) {
  if (book.snapshot) {
    bids.clear()
    asks.clear()
  }
  for (const [side, levels] of [
    [bids, book.bids],
    [asks, book.asks],
  ]) {
    for (const [price, size] of levels) size > 0 ? side.set(price, size) : side.delete(price)
  }
  const bid = Math.max(...bids.keys())
  const ask = Math.min(...asks.keys())
  console.log(`bid ${bid} × ${bids.get(bid)}   ask ${ask} × ${asks.get(ask)}`)
}
