// 15: ticks in AllTick's language, spoken to a venue on this machine whose free plan carries five codes.
//
//   node examples/15-alltick.mjs                     Ctrl-C ends it
//   node --env-file=.env examples/15-alltick.mjs     with ALLTICK_TOKEN: the real one
import { openFeed } from 'tickwire'
import { alltick } from 'tickwire/alltick'
import { simulated } from 'tickwire/simulated'
import { allTickVenue, feedFrom } from 'tickwire/testing'

const CODES = ['AAPL.US', 'MSFT.US', 'TSLA.US', 'NVDA.US', 'AMZN.US', 'GOOG.US']

const token = process.env.ALLTICK_TOKEN
const provider = token ? alltick({ token, plan: 'free' }) : await invented()

// Programs on this machine wait for each other, as the plan has one connection; with an invented market they need not.
const feed = openFeed(provider, token ? {} : { leases: false })
process.once('SIGINT', () => feed.close())

// The sixth code is one too many: it is refused by name, where the venue would keep silent about it.
feed.on('notice', ({ notice, message }) => console.log(`[${notice}] ${message}`))
for await (const { symbol, price, size, side } of feed.trades(CODES)) {
  console.log(`${symbol}  ${price} × ${size}  ${side ?? 'side unknown'}`)
}
process.exit()

async function invented() {
  console.log('SIMULATED: invented prices, not real ones')
  const venue = allTickVenue({ server: { plan: 'free', codes: CODES } })
  feedFrom(simulated({ symbols: CODES, rate: 200 }), venue)
  const { url } = await venue.listen()
  return alltick({ token: 'any', plan: 'free', url: `${url}/quote-stock-b-ws-api` })
}
