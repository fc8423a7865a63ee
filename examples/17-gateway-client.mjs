// 17: reads along at a gateway, reconnects and resumes by itself. In another terminal first: npm start
//
//   node examples/17-gateway-client.mjs SPY TSLA
import { connect } from 'tickwire/client'

const symbols = process.argv.length > 2 ? process.argv.slice(2) : ['SPY', 'TSLA']
const client = connect(process.env.TICKWIRE_EXAMPLE_GATEWAY ?? 'ws://127.0.0.1:8425')
client.watch(({ state, reason }) => console.error(reason ? `${state}: ${reason.message}` : state))
process.once('SIGINT', () => client.close())

client.subscribe({ kinds: ['trade'], symbols }, (event, isSnapshot) => {
  if (event.type === 'trade' && !isSnapshot) console.log(event.symbol, event.price, event.size)
})

client.ready.then(
  ({ banner }) => banner && console.error(banner),
  () => {},
)
await client.done
