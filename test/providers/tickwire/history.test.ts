import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HttpGet } from '../../../src/base/http.ts'
import { toISO } from '../../../src/market/time.ts'
import { gatewayHistory } from '../../../src/providers/tickwire/history.ts'
import { handClock } from '../../../src/testing/clock.ts'

const T0 = 1_700_000_000_000

const trade = (at: number, symbol = 'SPY', type = 'trade') => ({
  ...{ type, symbol, timestamp: toISO({ timestamp: T0 + at, nanos: 0 }), price: 1, size: 1 },
})

/** What comes of an hour's trades of SPY from a gateway that answers so, page by page; the last page again and again. */
async function asked(...pages: readonly object[]) {
  let count = 0
  const httpGet: HttpGet = async () => {
    const page = pages[Math.min(count++, pages.length - 1)]!
    const body = new TextEncoder().encode(typeof page === 'string' ? page : JSON.stringify(page))
    return { status: 200, headers: {}, body }
  }
  const options = { url: 'ws://gateway', key: undefined, source: undefined, id: 'tickwire' }
  const past = gatewayHistory({ ...options, httpGet, clock: handClock(T0) })
  const times: number[] = []
  const request = { kind: 'trade', symbols: ['SPY'], from: T0, to: T0 + 3_600_000 } as const
  for await (const batch of past.history(request))
    times.push(...batch.map(({ timestamp }) => timestamp - T0))
  return { times, count }
}

test('pages of a gateway follow one another', async () => {
  const answer = await asked(
    { data: [trade(0), trade(5)], next: 'a' },
    { data: [trade(5), trade(9)], next: 'b' },
    { data: [], next: null },
  )
  assert.deepEqual(answer, { times: [0, 5, 5, 9], count: 3 })
})

test('what a gateway answers beside the question, or without an end, is no history', async () => {
  for (const pages of [
    [{ data: [], next: 'a' }],
    [{ data: [trade(1)], next: 'a' }],
    [
      { data: [trade(9)], next: 'a' },
      { data: [trade(5)], next: null },
    ],
    [{ data: [trade(-86_400_000)], next: null }],
    [{ data: [trade(3_600_001)], next: null }],
    [{ data: [trade(1, 'QQQ')], next: null }],
    [{ data: [trade(1, 'SPY', 'quote')], next: null }],
  ])
    await assert.rejects(asked(...pages), { code: 'VENUE_ERROR' }, JSON.stringify(pages))
})
