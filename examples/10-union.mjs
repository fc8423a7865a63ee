// 10: two sources read as one stream, in order of receipt; each event says where it is from.
//
//   node examples/10-union.mjs     Ctrl-C ends it
import { openFeed, union } from 'tickwire'
import { simulated } from 'tickwire/simulated'

console.log('SIMULATED: invented prices, not real ones')

const stocks = openFeed(simulated({ seed: 1, rate: 2 }), { source: 'stocks' })
const coins = openFeed(simulated({ seed: 2, rate: 2 }), { source: 'coins' })
process.once('SIGINT', () => {
  stocks.close()
  coins.close()
})

// The union listens only: each feed is asked for what it is to carry.
stocks.subscribe({ trades: ['SPY', 'TSLA'] })
coins.subscribe({ trades: 'BTC/USD' })

for await (const event of union([stocks, coins])) {
  const what =
    event.type === 'trade'
      ? `${event.symbol}  ${event.price} × ${event.size}`
      : event.type === 'notice' && `[${event.notice}] ${event.message}`
  if (what) console.log(`${event.source.padEnd(6)}  ${what}`)
}
