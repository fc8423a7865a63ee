// 07: an order book that keeps itself: spread, depth, what an order would cost, whether it can be relied on.
//
//   node examples/07-book.mjs                     Ctrl-C ends it
//   node --env-file=.env examples/07-book.mjs     the same with the keys of .env
import { openFeed } from 'tickwire'
import { alpaca } from 'tickwire/alpaca'
import { simulated } from 'tickwire/simulated'

const { APCA_API_KEY_ID: key, APCA_API_SECRET_KEY: secret } = process.env

// With a key, put the second line in place of the first.
const feed = openFeed(simulated({ rate: 20 }))
// const feed = openFeed(alpaca({ market: 'crypto', key, secret }))

if (feed.capabilities.nature === 'simulated')
  console.log('SIMULATED: invented prices, not real ones')
process.once('SIGINT', () => feed.close())

// A `gap` empties the book, `resynced` says that it is whole again.
feed.on('notice', notice => console.log(`[${notice.notice}] ${notice.message}`))

const live = feed.book('BTC/USD')
const book = await live.ready
const { averagePrice, missing } = book.costOf('buy', 0.5)
console.log(`half a coin costs ${averagePrice.toFixed(2)} each, ${missing} are not to be had`)

// The loop comes round whenever the book has changed: always the present, however slow it is.
for await (const book of live) {
  if (!book.synced) console.log(`unsynced: ${book.unsynced.message}`)
  else {
    const [[bid, bidSize], [ask, askSize]] = [book.bestBid, book.bestAsk]
    const lean = `${Math.round(book.imbalance(5) * 100)} %`.padStart(6)
    console.log(`${bidSize} × ${bid} | ${ask} × ${askSize}   mid ${book.mid.toFixed(2)}  ${lean}`)
  }
}
