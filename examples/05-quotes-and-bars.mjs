// 05: quotes in a handler, minute bars in a loop, and what the stream says about itself.
//
//   node examples/05-quotes-and-bars.mjs                     Ctrl-C ends it
//   node --env-file=.env examples/05-quotes-and-bars.mjs     the same with the keys of .env
//
// The first bar comes at the full minute.
import { openFeed, toISO } from 'tickwire'
import { alpaca } from 'tickwire/alpaca'
import { simulated } from 'tickwire/simulated'

const { APCA_API_KEY_ID: key, APCA_API_SECRET_KEY: secret } = process.env

// With a key, put the second line in place of the first.
const feed = openFeed(simulated({ rate: 5 }))
// const feed = openFeed(alpaca({ feed: 'iex', key, secret }))

if (feed.capabilities.nature === 'simulated')
  console.log('SIMULATED: invented prices, not real ones')
process.once('SIGINT', () => feed.close())

// The stream tells the truth about itself: connected, subscribed, rejected, disconnected, lagging …
feed.on('notice', notice => console.log(`[${notice.notice}] ${notice.message}`))

// A handler is called with every quote.
feed.quotes(['SPY', 'AAPL'], quote => {
  const { symbol, bid, bidSize, ask, askSize } = quote
  console.log(`${symbol}  bid ${bid} × ${bidSize}   ask ${ask} × ${askSize}`)
})

// A loop pulls: it gets its bars when it is ready for the next. Closing the feed ends it.
for await (const bar of feed.bars('SPY')) {
  const { open, high, low, close, volume } = bar
  console.log(`--- SPY, the minute from ${toISO(bar)} ---`)
  console.log(`open ${open}  high ${high}  low ${low}  close ${close}  volume ${volume}`)
}
