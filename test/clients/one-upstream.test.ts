// Two official clients of Alpaca and one of Polygon, as installed and unchanged, at one gateway, on a venue that allows one
// connection: a second one would be refused with 406.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { websocketClient as polygonSocket } from '@polygon.io/client-js'
import { openApp } from '../../src/app/app.ts'
import { silentLog } from '../../src/base/log.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { alpaca } from '../../src/providers/alpaca/index.ts'
import { projectAlpaca } from '../../src/providers/alpaca/project.ts'
import { PolygonDecoder } from '../../src/providers/polygon/codec.ts'
import { MARKETS } from '../../src/providers/polygon/markets.ts'
import { projectPolygon } from '../../src/providers/polygon/project.ts'
import { connect } from '../../src/providers/tickwire/client-node.ts'
import { scriptedVenue } from '../../src/testing/venue-scripted.ts'
import { readingOf, reportsOf } from '../providers/polygon/record.ts'

const require = createRequire(import.meta.url)
const keys = { keyId: 'any', secretKey: 'key', secret: 'key' }
const AT = Date.UTC(2024, 0, 15, 14, 30)

function trades(): MarketEvent[] {
  return Array.from({ length: 200 }, (_, i) =>
    createEvent({
      ...{ type: 'trade', symbol: i % 3 ? 'SPY' : 'QQQ', source: 'venue', price: 470 + i / 100 },
      ...{ size: i + 1, id: i, exchange: 'V', tape: 'B', conditions: ['@'], receivedAt: AT + i },
      ...{ timestamp: AT + i, nanos: i },
    }),
  )
}

type Fields = Record<string, unknown>
const lower = (given: object) =>
  Object.fromEntries(
    Object.entries(given).map(([key, value]) => [key.toLowerCase(), value]),
  ) as Fields

/** A trade as both of Alpaca's clients say it. */
function gistOf(given: object): unknown {
  const { symbol, s, price, size, id, exchange, timestamp } = lower(given)
  return [symbol ?? s, new Date(timestamp as string).getTime(), price, size, id, exchange]
}

/** Sockets are real: a machine that is slow takes its time. */
async function until(is: () => boolean): Promise<void> {
  for (const end = performance.now() + 60_000; !is(); ) {
    assert.ok(performance.now() < end, 'it never came to that')
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}

test('two clients of Alpaca and one of Polygon live on one connection', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-one-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const venue = scriptedVenue({ server: { plan: { connections: 1 }, slotMs: 0 } })
  t.after(() => venue.close())
  const { url: venueUrl } = await venue.listen()
  const provider = alpaca({ feed: 'iex', key: 'any', secret: 'any', url: `${venueUrl}/v2/iex` })
  const app = await openApp({
    feeds: [{ provider, log: silentLog, repair: { policy: 'off' }, leases: false }],
    gateway: { port: 0, keys: join(folder, 'keys.json') },
    log: silentLog,
  })
  t.after(() => app.close())
  const url = app.gateway!.url.replace('http', 'ws')

  const heard: unknown[][] = [[], []]
  const v3 = new (require('alpaca-v3'))({ ...keys, feed: 'iex' }).data_stream_v2
  v3.session.url = `${url}/alpaca/v2/iex`
  v3.onStockTrade((trade: object) => heard[0]!.push(gistOf(trade)))
  const v4 = new (require('alpaca-v4').Alpaca)({ ...keys, paper: true }).marketData.stockStream({
    ...{ feed: 'iex', url: `${url}/alpaca/v2/iex` },
  })
  v4.onTrade((trade: object) => heard[1]!.push(gistOf(trade)))
  for (const stream of [v3, v4]) {
    stream.onConnect(() => stream.subscribeForTrades(['SPY', 'QQQ']))
    stream.connect()
    t.after(() => stream.disconnect())
  }
  const decoder = new PolygonDecoder(readingOf('stocks'))
  const reports: MarketEvent[] = []
  let polygonIsIn = false
  const polygon = polygonSocket('any', `${url}/polygon`).stocks() as unknown as {
    onmessage: (message: { data: string }) => void
    send(text: string): void
    close(): void
  }
  polygon.onmessage = ({ data }) => {
    for (const report of reportsOf(decoder, data)) {
      if (report.type !== 'control') reports.push({ ...report } as unknown as MarketEvent)
    }
    polygonIsIn ||= data.includes('subscribed to: T.QQQ')
    if (!data.includes('auth_success')) return
    polygon.send(JSON.stringify({ action: 'subscribe', params: 'T.SPY,T.QQQ' }))
  }
  t.after(() => polygon.close())
  const native = connect(url)
  t.after(() => native.close())
  const nativeHeard: MarketEvent[] = []
  native.subscribe({ kinds: ['trade'], symbols: ['SPY', 'QQQ'] }, event => {
    if (event.type === 'trade') nativeHeard.push(event)
  })
  const isServed = () =>
    polygonIsIn &&
    app.gateway!.inside.clients().length === 4 &&
    app.gateway!.inside.clients().every(({ symbols }) => symbols === 2) &&
    venue.connections.some(({ subscribed }) => subscribed.trades?.length === 2)
  await until(isServed)
  venue.deliver(trades())
  await until(() => nativeHeard.length === 200 && reports.length >= 200)
  await until(() => heard.every(list => list.length >= 200))

  const native200 = nativeHeard.map(event => projectAlpaca(event)!)
  for (const list of heard) assert.deepEqual(list, native200.map(gistOf))
  assert.deepEqual(
    reports,
    nativeHeard.map(event => ({
      ...{ ...projectPolygon(event, MARKETS.stocks)!, source: 'polygon', receivedAt: 1 },
    })),
  )
  assert.equal(venue.connections.length, 1)
})
