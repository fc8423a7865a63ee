// 14: last prices and a book in OpenAlgo's language, spoken to an OpenAlgo on this machine with an invented market.
//
//   node examples/14-openalgo.mjs                     Ctrl-C ends it
//   node --env-file=.env examples/14-openalgo.mjs     with OPENALGO_API_KEY: your own, at ws://127.0.0.1:8765
import { openFeed } from 'tickwire'
import { openalgo } from 'tickwire/openalgo'
import { simulated } from 'tickwire/simulated'
import { feedFrom, openAlgoVenue } from 'tickwire/testing'

const apiKey = process.env.OPENALGO_API_KEY
const provider = apiKey ? openalgo({ apiKey, defaultExchange: 'NSE' }) : await invented()

const feed = openFeed(provider, { leases: false })
process.once('SIGINT', () => feed.close())

// A symbol without an exchange is of the default one. What the server refuses is told by name.
feed.on('notice', ({ notice, message }) => console.log(`[${notice}] ${message}`))
feed.books('INFY', ({ bids: [bid], asks: [ask] }) => {
  console.log(`book NSE:INFY  ${bid?.join(' × ')} | ${ask?.join(' × ')}`)
})
for await (const tick of feed.tickers(['RELIANCE', 'NSE:INFY', 'NSE:NOPE'])) {
  console.log(`${tick.symbol}  ${tick.last ?? 'no trade yet'}`)
}
process.exit()

async function invented() {
  console.log('SIMULATED: invented prices, not real ones')
  const symbols = ['NSE:RELIANCE', 'NSE:INFY']
  const venue = openAlgoVenue({ server: { broker: 'angel', symbols } })
  // The broker behind it turns trades and quotes into last prices and depth.
  feedFrom(simulated({ symbols, rate: 200 }), venue)
  const { url, httpUrl } = await venue.listen()
  return openalgo({ apiKey: 'any', url, restUrl: httpUrl, defaultExchange: 'NSE' })
}
