// Bitstamp's other side, for tests: what one client sees.
import { plainVenue } from 'tickwire/testing'
import { channelOf, topicOf } from './bitstamp.mjs'

/** A scripted Bitstamp; options as of every scripted venue. */
export function bitstampVenue(options) {
  return plainVenue('bitstamp', (peer, floor) => new Session(peer, floor), options)
}

class Session {
  #peer
  #floor
  #channels = new Set()

  constructor(peer, floor) {
    this.#peer = peer
    this.#floor = floor
  }

  get topics() {
    return [...this.#channels].map(channel => ({ source: 'bitstamp', ...topicOf(channel) }))
  }

  receive(bytes) {
    const { event, data } = JSON.parse(Buffer.from(bytes).toString())
    const channel = data?.channel
    if (event === 'bts:heartbeat') this.#say(event, '', { status: 'success' })
    else if (typeof channel !== 'string' || !topicOf(channel)) {
      this.#say('bts:error', '', { code: null, message: 'Bad subscription string.' })
    } else if (event === 'bts:subscribe') {
      this.#channels.add(channel)
      this.#say('bts:subscription_succeeded', channel, {})
      if (topicOf(channel).kind === 'book')
        this.#tellBook(channel, Math.floor(this.#floor.clock.now()))
    } else if (event === 'bts:unsubscribe') {
      this.#channels.delete(channel)
      this.#say('bts:unsubscription_succeeded', channel, {})
    }
  }

  deliver(events) {
    for (const event of events) {
      const channel = channelOf({ kind: event.type, symbol: event.symbol })
      if (!this.#channels.has(channel)) continue
      if (event.type === 'book') this.#tellBook(channel, event.timestamp)
      else this.#say('trade', channel, tradeOf(event))
    }
  }

  closed() {}

  /** The best 100 levels of each side, whole each time. */
  #tellBook(channel, timestamp) {
    const book = this.#floor.book(topicOf(channel).symbol)
    if (!book) return
    const texts = levels => levels.slice(0, 100).map(level => level.map(String))
    const sides = { bids: texts(book.bids), asks: texts(book.asks) }
    this.#say('data', channel, { ...timesOf(timestamp), ...sides })
  }

  #say(event, channel, data) {
    this.#peer.send(JSON.stringify({ event, channel, data }))
  }
}

const timesOf = timestamp => ({
  timestamp: String(Math.floor(timestamp / 1_000)),
  microtimestamp: `${timestamp}000`,
})

const tradeOf = ({ id, price, size, side, timestamp }) => ({
  ...{ id, amount: size, amount_str: String(size), price, price_str: String(price) },
  ...{ type: side === 'sell' ? 1 : 0, ...timesOf(timestamp) },
})
