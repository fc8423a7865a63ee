// The official JavaScript clients, as installed and unchanged, against the scripted venue.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { after, describe, test } from 'node:test'
import { createEvent } from '../../src/market/events.ts'
import { type ScriptedVenue, scriptedVenue } from '../../src/testing/venue-scripted.ts'

const require = createRequire(import.meta.url)

/** What both clients can do, by the same names. */
interface Stream {
  connect(): void
  disconnect(): void
  onConnect(fn: () => void): void
  subscribeForTrades(symbols: string[]): void
  subscribeForQuotes(symbols: string[]): void
  subscribeForBars(symbols: string[]): void
  unsubscribeFromTrades(symbols: string[]): void
}

interface Client {
  readonly name: string
  open(url: string, heard: Heard): Stream
}

interface Heard {
  readonly trades: Record<string, unknown>[]
  readonly quotes: Record<string, unknown>[]
  readonly bars: Record<string, unknown>[]
}

const keys = { keyId: 'PKTEST', secretKey: 's3cret', secret: 's3cret' }

const CLIENTS: readonly Client[] = [
  {
    name: '3.1.3',
    open(url, heard) {
      const Alpaca = require('alpaca-v3')
      const stream = new Alpaca({ ...keys, feed: 'iex' }).data_stream_v2
      stream.session.url = `${url}/v2/iex`
      stream.onStockTrade((trade: Record<string, unknown>) => heard.trades.push(trade))
      stream.onStockQuote((quote: Record<string, unknown>) => heard.quotes.push(quote))
      stream.onStockBar((bar: Record<string, unknown>) => heard.bars.push(bar))
      return stream
    },
  },
  {
    name: '4.0.2',
    open(url, heard) {
      const { Alpaca } = require('alpaca-v4')
      const alpaca = new Alpaca({ ...keys, paper: true })
      const stream = alpaca.marketData.stockStream({ feed: 'iex', url: `${url}/v2/iex` })
      stream.onTrade((trade: Record<string, unknown>) => heard.trades.push(lower(trade)))
      stream.onQuote((quote: Record<string, unknown>) => heard.quotes.push(lower(quote)))
      stream.onBar((bar: Record<string, unknown>) => heard.bars.push(lower(bar)))
      return stream
    },
  },
]

/** 4.x names its fields `price`, 3.x `Price`: here they are all as 3.x has them. */
const lower = (object: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(object).map(([key, value]) => [key[0]!.toUpperCase() + key.slice(1), value]),
  )

const AT = Date.UTC(2024, 0, 15, 14, 30, 1, 208)
const trade = createEvent({
  ...{ type: 'trade', symbol: 'SPY', source: 'venue', price: 628.41, size: 3, id: 96_921 },
  ...{ timestamp: AT, nanos: 232_225, exchange: 'V', conditions: ['@', 'I'], tape: 'B' },
})
const quote = createEvent({
  ...{ type: 'quote', symbol: 'SPY', source: 'venue', bid: 628.4, bidSize: 200, ask: 628.42 },
  ...{ askSize: 100, bidExchange: 'U', askExchange: 'Q', conditions: ['R'], tape: 'B' },
  timestamp: AT,
})
const bar = createEvent({
  ...{ type: 'bar', symbol: 'SPY', source: 'venue', interval: '1m', revision: 0, final: true },
  ...{ open: 388.985, high: 389.13, low: 388.975, close: 389.12, volume: 49_378 },
  ...{ vwap: 389.062639, tradeCount: 461, timestamp: Date.UTC(2024, 0, 15, 14, 30) },
})

/** Longest wait for something that is to come, ms. */
const PATIENCE_MS = 10_000

async function until(what: string, done: () => boolean): Promise<void> {
  const start = performance.now()
  while (!done()) {
    assert.ok(performance.now() - start < PATIENCE_MS, `never: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

const subscribed = (venue: ScriptedVenue) => venue.connections[0]?.subscribed ?? {}

describe('the official client 4.0.2 on crypto', () => {
  const venue = scriptedVenue({ server: { accounts: { PKTEST: 's3cret' }, slotMs: 0 } })
  const heard = { trades: [] as Heard['trades'], books: [] as Heard['trades'] }
  let stream: Stream & { subscribeForOrderbooks(symbols: string[]): void }
  after(async () => {
    stream?.disconnect()
    await venue.close()
  })
  const coin = createEvent({
    ...{ type: 'trade', symbol: 'BTC/USD', source: 'venue', price: 71_856.14, size: 0.25 },
    ...{ timestamp: AT, nanos: 232_225, id: '3447222699101865076', side: 'sell' },
  })
  const book = (snapshot: boolean, ...bids: [number, number][]) =>
    createEvent({
      ...{ type: 'book', symbol: 'BTC/USD', source: 'venue', timestamp: AT, bids },
      ...{ asks: snapshot ? [[71_939.7, 0.5]] : [], snapshot },
    })

  test('gets the whole book, its changes, and trades with every digit of their ids', async () => {
    const { url } = await venue.listen()
    venue.deliver([book(true, [71_859.53, 0.28], [71_849.4, 0.55])])
    const { Alpaca } = require('alpaca-v4')
    const alpaca = new Alpaca({ ...keys, paper: true })
    stream = alpaca.marketData.cryptoStream({ url: `${url}/v1beta3/crypto/us` })
    const client = stream as unknown as Record<string, (fn: unknown) => void>
    client.onTrade!((trade: Record<string, unknown>) => heard.trades.push(lower(trade)))
    client.onOrderbook!((one: Record<string, unknown>) => heard.books.push(lower(one)))
    stream.onConnect(() => {
      stream.subscribeForTrades(['BTC/USD'])
      stream.subscribeForOrderbooks(['BTC/USD'])
    })
    stream.connect()
    await until('the book comes', () => heard.books.length > 0)
    assert.deepEqual(subscribed(venue), { trades: ['BTC/USD'], orderbooks: ['BTC/USD'] })
    venue.deliver([coin, book(false, [71_849.4, 0])])
    await until('the change comes', () => heard.books.length > 1)
    assert.equal(heard.books.length, 2, 'one whole book, though it asks twice')
    const [whole, change] = heard.books
    assert.deepEqual(
      [whole!.Symbol, whole!.Reset, whole!.Bids, whole!.Asks],
      [
        ...['BTC/USD', true],
        [
          { price: 71_859.53, size: 0.28 },
          { price: 71_849.4, size: 0.55 },
        ],
        [{ price: 71_939.7, size: 0.5 }],
      ],
    )
    assert.deepEqual([change!.Reset, change!.Bids], [false, [{ price: 71_849.4, size: 0 }]])
    const [t] = heard.trades
    assert.deepEqual(
      [t!.Symbol, t!.Price, t!.Size, t!.IdRaw, t!.TakerSide, t!.TimestampRaw],
      [
        ...['BTC/USD', 71_856.14, 0.25, '3447222699101865076', 'S'],
        '2024-01-15T14:30:01.208232225Z',
      ],
    )
  })
})

test('the official client 4.0.2 reads options and news', async () => {
  const venue = scriptedVenue({ server: { accounts: { PKTEST: 's3cret' } } })
  const { url } = await venue.listen()
  const { Alpaca } = require('alpaca-v4')
  const { marketData } = new Alpaca({ ...keys, paper: true })
  const heard: Record<string, unknown>[] = []
  const call = 'AAPL240315C00172500'
  const options = marketData.optionStream({ url: `${url}/v1beta1/indicative` })
  options.onTrade((trade: Record<string, unknown>) => heard.push(lower(trade)))
  options.onConnect(() => options.subscribeForTrades([call]))
  const news = marketData.newsStream({ url: `${url}/v1beta1/news` })
  news.onNews((article: Record<string, unknown>) => heard.push(lower(article)))
  news.onConnect(() => news.subscribeForNews(['AAPL']))
  try {
    for (const stream of [options, news]) stream.connect()
    const lists = () => venue.connections.flatMap(one => Object.keys(one.subscribed))
    await until('both are subscribed', () => lists().length === 2)
    venue.deliver([
      createEvent({
        ...{ type: 'trade', symbol: call, source: 'venue', price: 2.84, size: 1, timestamp: AT },
        ...{ exchange: 'N', conditions: ['S'] },
      }),
    ])
    await until('the trade comes', () => heard.length === 1)
    const [trade] = heard
    assert.deepEqual([trade!.Symbol, trade!.Price, trade!.Exchange], [call, 2.84, 'N'])
    venue.deliver([
      createEvent({
        ...{ type: 'news', symbol: 'AAPL', symbols: ['AAPL', 'BTC/USD'], timestamp: AT, id: 7 },
        ...{ source: 'venue', headline: 'Über alles', createdAt: AT, publisher: 'benzinga' },
      }),
    ])
    await until('the article comes', () => heard.length === 2)
    const article = heard[1]!
    assert.deepEqual(
      [article.Headline, article.Symbols, article.Source],
      ['Über alles', ['AAPL', 'BTCUSD'], 'benzinga'],
    )
  } finally {
    for (const stream of [options, news]) stream.disconnect()
    await venue.close()
  }
})

for (const client of CLIENTS) {
  describe(`the official client ${client.name}`, () => {
    // It reconnects after a cut at once; the venue shall not hold its slot against it.
    const accounts = { PKTEST: 's3cret' }
    const venue = scriptedVenue({ server: { accounts, slotMs: 0 } })
    const heard: Heard = { trades: [], quotes: [], bars: [] }
    let stream: Stream
    after(async () => {
      stream?.disconnect()
      await venue.close()
    })

    test('connects, authenticates and subscribes', async () => {
      const { url } = await venue.listen()
      stream = client.open(url, heard)
      stream.onConnect(() => {
        stream.subscribeForTrades(['SPY', 'TSLA'])
        stream.subscribeForQuotes(['SPY'])
        stream.subscribeForBars(['SPY'])
      })
      stream.connect()
      await until('all is subscribed', () => subscribed(venue).bars !== undefined)
      assert.equal(venue.connections[0]?.account, 'PKTEST')
      assert.deepEqual(subscribed(venue), {
        ...{ trades: ['SPY', 'TSLA'], quotes: ['SPY'], bars: ['SPY'] },
      })
    })

    test('receives exact values, and what it has not subscribed to not at all', async () => {
      const other = createEvent({ ...trade, symbol: 'AAPL', type: 'trade' })
      venue.deliver([other, trade, quote, bar])
      await until('the bar comes', () => heard.bars.length > 0)
      const [t, q, b] = [heard.trades[0]!, heard.quotes[0]!, heard.bars[0]!]
      assert.deepEqual([heard.trades.length, heard.quotes.length, heard.bars.length], [1, 1, 1])
      assert.deepEqual(
        [t.Symbol, t.Price, t.Size, t.Exchange, t.Conditions, t.Tape, (t.ID ?? t.Id) as number],
        ['SPY', 628.41, 3, 'V', ['@', 'I'], 'B', 96_921],
      )
      assert.equal((t.Timestamp as Date).getTime(), AT)
      if (t.TimestampRaw) assert.equal(t.TimestampRaw, '2024-01-15T14:30:01.208232225Z')
      assert.deepEqual(
        [q.BidPrice, q.BidSize, q.AskPrice, q.AskSize, q.BidExchange, q.AskExchange],
        [628.4, 200, 628.42, 100, 'U', 'Q'],
      )
      const [open, high, low, close] = ['Open', 'High', 'Low', 'Close'].map(
        name => b[name] ?? b[`${name}Price`],
      )
      assert.deepEqual([open, high, low, close], [388.985, 389.13, 388.975, 389.12])
      assert.deepEqual([b.Volume, b.VWAP ?? b.Vwap, b.TradeCount], [49_378, 389.062639, 461])
    })

    test('unsubscribes', async () => {
      stream.unsubscribeFromTrades(['SPY'])
      await until('SPY is let go', () => subscribed(venue).trades?.join() === 'TSLA')
      const before = heard.quotes.length
      venue.deliver([trade, quote])
      await until('the quote comes', () => heard.quotes.length > before)
      assert.equal(heard.trades.length, 1, 'no trade any more')
    })

    test('survives a cut: subscribed again, data again', async () => {
      const [first] = venue.connections
      venue.inject({ fault: 'cut' })
      await until('it is back', () => {
        const [now] = venue.connections
        return now !== undefined && now.id !== first!.id && now.subscribed.quotes !== undefined
      })
      assert.equal(subscribed(venue).quotes?.join(), 'SPY')
      const before = heard.quotes.length
      venue.deliver([quote])
      await until('data comes', () => heard.quotes.length > before)
      assert.equal(venue.maxOpen(), 1)
    })
  })
}
