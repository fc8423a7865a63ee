// 04: live trades of SPY and TSLA, each with symbol, price, volume and time.
//
//   node examples/04-trades.mjs                     Ctrl-C ends it
//   node --env-file=.env examples/04-trades.mjs     the same with the keys of .env
import { openFeed, toISO } from 'tickwire'
import { alpaca } from 'tickwire/alpaca'
import { simulated } from 'tickwire/simulated'

const { APCA_API_KEY_ID: key, APCA_API_SECRET_KEY: secret } = process.env

// With a key, put the second line in place of the first.
const feed = openFeed(simulated({ rate: 2 }))
// const feed = openFeed(alpaca({ feed: 'iex', key, secret }))

if (feed.capabilities.nature === 'simulated')
  console.log('SIMULATED: invented prices, not real ones')

feed.trades(['SPY', 'TSLA'], trade => {
  console.log('--- New Trade ---')
  console.log(`Symbol: ${trade.symbol}`)
  console.log(`Price: ${trade.price}`)
  console.log(`Volume: ${trade.size}`)
  console.log(`Timestamp: ${toISO(trade)}`)
})

process.once('SIGINT', () => feed.close())
