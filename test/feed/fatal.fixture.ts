import { say, toyFeed } from './toy-venue.ts'

// A program that only has handlers, and a key the venue refuses.
const { clock, net, feed } = toyFeed({ obliging: false })
feed.trades('SPY', () => {})
await clock.advance(1)
net.last.open()
say(net.last, { hello: true })
say(net.last, { error: 1 })
