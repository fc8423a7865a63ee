// 12: Polygon's (Massive's) language, spoken to a venue on this machine that has an invented market and lacks a channel.
//
//   node examples/12-polygon.mjs                     Ctrl-C ends it
//   node --env-file=.env examples/12-polygon.mjs     with POLYGON_API_KEY or MASSIVE_API_KEY: the real one, 15 minutes late
import { openFeed } from 'tickwire'
import { polygon } from 'tickwire/polygon'
import { simulated } from 'tickwire/simulated'
import { feedFrom, polygonVenue } from 'tickwire/testing'

const key = process.env.POLYGON_API_KEY || process.env.MASSIVE_API_KEY
const provider = key ? polygon({ key, feed: 'delayed' }) : await invented()

const feed = openFeed(provider, { leases: false })
process.once('SIGINT', () => feed.close())

// A plan may have trades and no quotes: the others come, and what is refused is told by name.
feed.on('notice', ({ notice, message }) => console.log(`[${notice}] ${message}`))
feed.quotes('AAPL', quote => console.log(`quote ${quote.bid} ${quote.ask}`))
for await (const trade of feed.trades(['AAPL', 'MSFT'])) {
  console.log(`${trade.symbol}  ${trade.price} × ${trade.size}  exchange ${trade.exchange}`)
}
process.exit()

async function invented() {
  console.log('SIMULATED: invented prices, not real ones')
  const venue = polygonVenue({ server: { plan: { channels: ['T', 'A', 'AM'] } } })
  feedFrom(simulated({ rate: 20 }), venue)
  const { url } = await venue.listen()
  return polygon({ key: 'any', url: `${url}/stocks` })
}
