// Questions over HTTP in vendors' words: by their official clients, as installed and unchanged, and word by word.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { restClient as massiveRest } from '@massive.com/client-js'
import { restClient as polygonRest } from '@polygon.io/client-js'
import { WebSocket } from 'ws'
import { createEvent, type EventFields, type MarketEvent } from '../../src/market/events.ts'
import { timestampNs } from '../../src/market/time.ts'
import { openTestGateway, type TestGateway } from '../gateway/rest-kit.ts'

const AT = Date.UTC(2024, 0, 15, 14, 30)
const source = 'simulated'

const made = (type: string, fields: object): MarketEvent =>
  createEvent({ type, source, receivedAt: AT, ...fields } as unknown as EventFields)

/** Trades and quotes, several of one nanosecond; bars as they are stored: in the making, over, mended. */
function past(): MarketEvent[] {
  const events: MarketEvent[] = []
  for (let i = 0; i < 50; i++) {
    const time = { timestamp: AT + Math.floor(i / 3) * 1_000, nanos: 7 }
    const trade = { ...time, price: 100 + i / 8, size: i + 1, id: i, exchange: 'V', tape: 'B' }
    events.push(made('trade', { symbol: 'SPY', ...trade }))
    events.push(made('quote', { symbol: 'SPY', ...time, bid: 99 + i, bidSize: 1, ask: 101 + i }))
  }
  const bar = { interval: '1m', open: 1, high: 3, low: 0.5, volume: 9, vwap: 2, tradeCount: 4 }
  for (let i = 0; i < 10; i++) {
    const own = { symbol: 'BTC/USD', timestamp: AT + i * 60_000, ...bar }
    events.push(made('bar', { ...own, close: 7, final: false, revision: 0 }))
    events.push(made('bar', { ...own, close: 2 + i, final: i < 9, revision: 0 }))
    if (i === 4) events.push(made('bar', { ...own, close: 44, final: true, revision: 1 }))
  }
  return events
}

async function withGateway(
  run: (kit: TestGateway) => Promise<void>,
  options: Parameters<typeof openTestGateway>[0] = {},
): Promise<void> {
  const kit = await openTestGateway(options)
  kit.past.push(...past())
  try {
    await run(kit)
  } finally {
    await kit.close()
  }
}

// biome-ignore lint/suspicious/noExplicitAny: the clients answer with what came
type Answer = any

/** The two packages name the same questions, and give their words one by one, or as one object. */
const CLIENTS = [
  {
    name: '@polygon.io/client-js',
    make: (base: string): Answer => {
      const client = polygonRest('any', base) as Answer
      return {
        trades: (order: string, limit: number) =>
          client.getStocksTrades('SPY', ...new Array(5).fill(undefined), order, limit),
        quotes: (gte: string, lt: string) =>
          client.getStocksQuotes('SPY', undefined, gte, undefined, undefined, lt, 'asc', 100),
        bars: (from: string, to: string, sort: string, limit: number) =>
          client.getCryptoAggregates('X:BTCUSD', 1, 'minute', from, to, false, sort, limit),
      }
    },
  },
  {
    name: '@massive.com/client-js',
    make: (base: string): Answer => {
      const client = massiveRest('any', base) as Answer
      return {
        trades: (order: string, limit: number) =>
          client.getStocksTrades({ stockTicker: 'SPY', order, limit }),
        quotes: (gte: string, lt: string) =>
          client.getStocksQuotes({
            ...{ stockTicker: 'SPY', timestampGte: gte, timestampLt: lt, order: 'asc', limit: 100 },
          }),
        bars: (from: string, to: string, sort: string, limit: number) =>
          client.getCryptoAggregates({
            ...{ cryptoTicker: 'X:BTCUSD', multiplier: 1, timespan: 'minute', from, to },
            ...{ adjusted: false, sort, limit },
          }),
      }
    },
  },
]

const idsOf = (answer: Answer) => answer.results.map(({ id }: Answer) => Number(id))

describe("Polygon's REST side", () => {
  for (const { name, make } of CLIENTS) {
    test(`answers ${name} from what is stored`, async () => {
      await withGateway(async ({ gateway }) => {
        const client = make(`${gateway.url}/polygon`)
        const newest = await client.trades('desc', 5)
        assert.equal(newest.status, 'OK')
        assert.match(newest.nature, /^SIMULATED/)
        assert.deepEqual(new Set(idsOf(newest)), new Set([49, 48, 47, 46, 45]))
        const [first] = (await client.trades('asc', 5)).results
        const { id, price, size, exchange, tape } = first
        assert.deepEqual([id, price, size, exchange, tape], ['0', 100, 1, 15, 2])
        const from = timestampNs(past()[0]!)
        const quotes = await client.quotes(String(from), String(from + 1_000_000_000n))
        assert.equal(quotes.results.length, 3)
        assert.deepEqual([quotes.results[0].bid_price, quotes.results[0].ask_price], [99, 101])
        const bars = await client.bars('2024-01-15', `${AT + 20 * 60_000}`, 'asc', 100)
        // The last is not over, and counts for nothing.
        assert.deepEqual(
          bars.results.map(({ c }: Answer) => c),
          [2, 3, 4, 5, 44, 7, 8, 9, 10],
        )
        const { t, o, h, l, v, vw, n } = bars.results[0]
        assert.deepEqual([t, o, h, l, v, vw, n], [AT, 1, 3, 0.5, 9, 2, 4])
        const last = await client.bars('2024-01-15', '2024-01-16', 'desc', 2)
        assert.deepEqual(
          last.results.map(({ c }: Answer) => c),
          [10, 9],
        )
      })
    })
  }

  for (const order of ['asc', 'desc']) {
    test(`gives pages that put together are the whole answer (${order})`, async () => {
      await withGateway(async ({ ask, gateway }) => {
        for (const limit of [1, 2, 4, 7, 49, 50]) {
          const ids: number[] = []
          let path = `/polygon/v3/trades/SPY?limit=${limit}&order=${order}&apiKey=any`
          for (let pages = 0; path !== ''; pages++) {
            assert.ok(pages <= 50)
            const { json, status } = await ask(path)
            assert.equal(status, 200)
            ids.push(...idsOf(json))
            const next: string | undefined = json.next_url
            assert.ok(
              next === undefined || next.startsWith(`${gateway.url}/polygon/v3/trades/SPY?`),
            )
            assert.ok(!next?.includes('apiKey'))
            path = next === undefined ? '' : `${next.slice(gateway.url.length)}&apiKey=any`
          }
          const rising = Array.from({ length: 50 }, (_, i) => i)
          assert.deepEqual(order === 'asc' ? ids : ids.reverse(), rising, `${limit}`)
        }
      })
    })
  }

  test('keeps times to the nanosecond, and takes a day of the market for a time', async () => {
    await withGateway(async ({ ask }) => {
      const { text } = await ask('/polygon/v3/trades/SPY?limit=1&order=asc&timestamp=2024-01-15')
      assert.match(text, /"sip_timestamp":1705329000000000007[,}]/)
      const none = await ask('/polygon/v3/trades/SPY?timestamp=2024-01-14')
      assert.deepEqual(none.json.results, [])
      const late = await ask('/polygon/v3/trades/SPY?timestamp.gt=1705329016000000007')
      assert.deepEqual(late.json.results, [])
    })
  })

  test("refuses in the vendor's words", async () => {
    await withGateway(async ({ ask }) => {
      const bars = '/polygon/v2/aggs/ticker/SPY/range/1'
      const wrong: Readonly<Record<string, number>> = {
        '/polygon/v3/trades/SPY?limit=0': 400,
        '/polygon/v3/trades/SPY?limit=50001': 400,
        '/polygon/v3/trades/SPY?timestamp=soon': 400,
        '/polygon/v3/trades/SPY?cursor=%00': 400,
        '/polygon/v3/trades/%E0%A4%A': 400,
        '/polygon/v3/trades/C:EURUSD': 404,
        '/polygon/v3/nothing': 404,
        [`${bars}/month/2024-01-01/2024-02-01`]: 400,
        [`${bars}/minute/2024-13-01/2024-02-01`]: 400,
        [`${bars}/minute/2024-01-01/2024-02-01?adjusted=true`]: 400,
      }
      for (const [path, status] of Object.entries(wrong)) {
        const answer = await ask(path)
        assert.equal(answer.status, status, path)
        assert.equal(answer.json.status, 'ERROR', path)
      }
      assert.equal((await ask('/polygon/v3/trades/SPY', { method: 'POST' })).status, 405)
      const origin = { origin: 'https://evil.example' }
      const page = await ask('/polygon/v3/trades/SPY', { headers: origin })
      assert.equal(page.status, 403)
    })
  })

  test('takes a key of ours where the vendor has it, and no other where one is needed', async () => {
    await withGateway(
      async ({ ask, newKey }) => {
        const key = await newKey({ name: 'good', scopes: ['read', 'history'] })
        const live = await newKey({ name: 'live', scopes: ['read'] })
        const path = '/polygon/v3/trades/SPY?order=asc'
        const statuses = []
        for (const word of ['any', 'tw_bad', live, key]) {
          statuses.push((await ask(`${path}&apiKey=${word}`)).status)
        }
        assert.deepEqual(statuses, [401, 401, 403, 200])
        const headers = { authorization: `Bearer ${key}` }
        assert.equal((await ask(path, { headers })).status, 200)
        // Elsewhere a key still does not belong in an address.
        assert.equal((await ask(`/v1/trades?apiKey=${key}`)).status, 400)
      },
      { admission: 'keys' },
    )
  })
})

describe("OpenAlgo's REST side", () => {
  const post = (kit: TestGateway, call: string, fields: object, apikey = 'any') =>
    kit.askFor(`/openalgo/api/v1/${call}`, 3_000, {
      method: 'POST',
      body: JSON.stringify({ apikey, ...fields }),
    })
  const spy = { symbol: 'SPY', exchange: 'ARCA' }

  test('answers quotes, depth and history', async () => {
    await withGateway(async kit => {
      const { json, status } = await post(kit, 'quotes', spy)
      assert.equal(status, 200)
      assert.equal(json.status, 'success')
      assert.match(json.nature, /^SIMULATED/)
      const { ltp, bid, ask } = json.data
      assert.ok(ltp > 0)
      assert.ok(bid >= 0 && (ask === 0 || ask > bid))
      const depth = (await post(kit, 'depth', spy)).json.data
      assert.equal(depth.bids.length, 5)
      assert.ok(depth.bids[0].price < depth.asks[0].price)
      const coin = { symbol: 'BTC/USD', exchange: 'CRYPTO' }
      const days = { interval: '1m', start_date: '2024-01-15', end_date: '2024-01-15' }
      const history = (await post(kit, 'history', { ...coin, ...days })).json.data
      assert.deepEqual(
        history.map(({ close }: Answer) => close),
        [2, 3, 4, 5, 44, 7, 8, 9, 10],
      )
      assert.equal(history[0].timestamp, AT / 1_000)
      const other = { ...coin, ...days, start_date: '2024-01-16', end_date: '2024-01-17' }
      assert.deepEqual((await post(kit, 'history', other)).json.data, [])
    })
  })

  test("answers of several symbols one by one, and refuses in the server's words", async () => {
    await withGateway(async kit => {
      const symbols = [spy, { symbol: 'a:b', exchange: 'ARCA' }]
      const { results } = (await post(kit, 'multiquotes', { symbols })).json
      assert.ok(results[0].data.ltp > 0)
      assert.ok(results[1].error)
      assert.equal((await post(kit, 'ping', {})).json.data.message, 'pong')
      const bad = await post(kit, 'history', { ...spy, interval: '7m' })
      assert.deepEqual([bad.status, bad.json.message], [400, 'Unsupported interval: 7m'])
      assert.equal((await post(kit, 'placeorder', spy)).status, 404)
      const no = await post(kit, 'quotes', spy, 'tw_bad')
      assert.deepEqual([no.status, no.json.message], [403, 'Invalid openalgo apikey'])
    })
  })
})

describe("a vendor's own port", () => {
  test('has its paths with nothing before them, and no others', async () => {
    await withGateway(
      async ({ gateway }) => {
        const { alpaca, polygon, openalgo } = gateway.vendorUrls
        const socket = new WebSocket(`${alpaca!.replace('http', 'ws')}/v2/iex`)
        const [nature] = await new Promise<string[]>((resolve, reject) => {
          socket.on('error', reject)
          socket.on('upgrade', ({ headers }) => resolve([headers['tickwire-nature'] as string]))
        })
        assert.match(nature!, /^SIMULATED/)
        socket.terminate()
        const answer = await (await fetch(`${polygon}/v3/trades/SPY?limit=1&apiKey=any`)).json()
        const { next_url } = answer as { next_url: string }
        assert.ok(next_url.startsWith(`${polygon}/v3/trades/SPY?cursor=`))
        const rest = await (await fetch(next_url)).json()
        assert.equal((rest as { results: unknown[] }).results.length, 1)
        const ping = { method: 'POST', body: '{"apikey":"any"}' }
        assert.equal((await fetch(`${openalgo}/api/v1/ping`, ping)).status, 200)
        assert.equal((await fetch(`${polygon}/v1/providers`)).status, 404)
        assert.equal((await fetch(`${alpaca}/v1/providers`)).status, 404)
      },
      { ports: { alpaca: 0, polygon: 0, openalgo: 0 } },
    )
  })
})
