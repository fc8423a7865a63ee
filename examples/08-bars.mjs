// 08: bars built from trades: of two seconds while they form, and of 25 trades.
//
//   node examples/08-bars.mjs                     Ctrl-C ends it
//   node --env-file=.env examples/08-bars.mjs     the same with the keys of .env
import { openFeed, toISO } from 'tickwire'
import { alpaca } from 'tickwire/alpaca'
import { simulated } from 'tickwire/simulated'

const { APCA_API_KEY_ID: key, APCA_API_SECRET_KEY: secret } = process.env

// With a key, put the second line in place of the first.
const feed = openFeed(simulated({ rate: 100 }))
// const feed = openFeed(alpaca({ feed: 'iex', key, secret }))

if (feed.capabilities.nature === 'simulated')
  console.log('SIMULATED: invented prices, not real ones')
process.once('SIGINT', () => feed.close())

// A bar is final a second after its end; a trade that comes later sends it again, with the next revision.
function show(bar) {
  const { symbol, interval, open, high, low, close, volume, final, revision } = bar
  const state = final ? `final, revision ${revision}` : 'forming'
  const prices = `open ${open}  high ${high}  low ${low}  close ${close}`
  console.log(`${toISO(bar)}  ${symbol} ${interval}  ${prices}  volume ${volume}  ${state}`)
}
feed.bars('SPY', show, { interval: '2s', from: 'trades', forming: true, formingMs: 1_000 })
feed.bars('TSLA', show, { interval: '25t', from: 'trades' })
