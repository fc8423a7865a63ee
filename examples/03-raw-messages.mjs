// 03: what does the venue really send? The frames as they come off the wire, before anything is decoded.
//
//   node examples/03-raw-messages.mjs                     Ctrl-C ends it
//   node --env-file=.env examples/03-raw-messages.mjs     the same with the keys of .env
//
// Without a key it talks to a server on this machine that speaks Alpaca's protocol and sends an invented market.
import { openFeed, systemClock } from 'tickwire'
import { alpaca } from 'tickwire/alpaca'
import { simulated } from 'tickwire/simulated'
import { alpacaServer, startVenue } from 'tickwire/testing'

const { APCA_API_KEY_ID: key, APCA_API_SECRET_KEY: secret } = process.env
const closing = []

// Codec: tickwire's own choice is msgpack, smaller and faster, but not for human eyes.
// With a key, put the second line in place of the first.
const feed = openFeed(await invented({ feed: 'iex', codec: 'json' }))
// const feed = openFeed(alpaca({ feed: 'iex', codec: 'json', key, secret }))

feed.raw(frame => {
  console.log(Buffer.from(frame.data).toString())
})
feed.subscribe({ trades: ['SPY', 'TSLA'], quotes: ['SPY'] })

process.once('SIGINT', async () => {
  await feed.close()
  for (const close of closing) await close()
})

// Alpaca's protocol from a server on this machine, fed by the simulated market.
async function invented(options) {
  console.log('SIMULATED: invented prices from a server on this machine')
  const venue = await startVenue(alpacaServer({ clock: systemClock() }))
  const market = openFeed(simulated({ rate: 5 }))
  market.pipe({ append: events => venue.deliver(events) })
  market.subscribe({ trades: ['SPY', 'TSLA'], quotes: ['SPY', 'TSLA'] })
  closing.push(
    () => market.close(),
    () => venue.close(),
  )
  return alpaca({ ...options, key: 'demo', secret: 'demo', url: `${venue.url}/v2/iex` })
}
