import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { FaultOptions } from '../../../src/testing/faults.ts'
import { cannedKit, OPEN, passing, quote, restKit, trade } from './history-kit.ts'

/** Six trades of two symbols, in pages of two. */
function faulty(...faults: FaultOptions[]) {
  const rest = { pageSize: 2, requestsPerMinute: 100_000 }
  const kit = restKit({ venue: { rest } })
  kit.venue.deliver([1, 2, 3].flatMap(ms => [trade('SPY', ms), trade('TSLA', ms)]))
  for (const fault of faults) kit.venue.inject(fault)
  const all = { symbols: ['SPY', 'TSLA'] }
  return { ...kit, all: () => kit.history(all) }
}

describe('a venue that refuses', () => {
  const cases: readonly [status: 400 | 401 | 403 | 404 | 422 | 429 | 500, code: string][] = [
    [400, 'BAD_REQUEST'],
    [401, 'AUTH_FAILED'],
    [403, 'NOT_ENTITLED'],
    [404, 'NOT_FOUND'],
    [422, 'BAD_REQUEST'],
    [429, 'RATE_LIMITED'],
    [500, 'VENUE_ERROR'],
  ]
  for (const [status, code] of cases) {
    test(`for good with ${status} ends the history with ${code}, after few questions`, async () => {
      const { all, asked, clock } = faulty({ fault: 'rest-error', status, times: 1_000 })
      const { error, events } = await all()
      assert.deepEqual([error?.code, events], [code, []])
      assert.equal(asked.length, code === 'RATE_LIMITED' || code === 'VENUE_ERROR' ? 4 : 1)
      assert.equal(clock.pending(), 0)
      assert.doesNotMatch(`${error!.message} ${error!.hint}`, /hushhush/)
    })
  }

  test('for a while with 429 or 500 is asked again for the same page, and nothing is lost', async () => {
    const { all, asked, venue, clock } = faulty(
      { fault: 'rest-error', status: 500, times: 2 },
      { fault: 'rest-error', status: 429, retryAfter: '30s' },
    )
    const start = clock.now()
    const { error, events } = await all()
    assert.deepEqual(
      [error, events.length, asked.length, venue.struck.length],
      [undefined, 6, 6, 3],
    )
    assert.ok(clock.now() - start >= 30_000, 'it has waited as long as it was asked to')
  })

  test('connections for a while is asked again', async () => {
    const { all } = faulty({ fault: 'refuse', for: 200 })
    const { error, events } = await all()
    assert.deepEqual([error, events.length], [undefined, 6])
  })
})

describe('a venue whose answers are wrong', () => {
  for (const how of ['garbage', 'cut', 'silence'] as const) {
    test(`${how}: once, it is asked again; for good, VENUE_ERROR or UNREACHABLE`, async () => {
      const once = await faulty({ fault: 'rest-spoiled', how }).all()
      assert.deepEqual([once.error, once.events.length], [undefined, 6])
      const { all, asked, clock } = faulty({ fault: 'rest-spoiled', how, times: 1_000 })
      const { error, events } = await all()
      const code = how === 'silence' ? 'UNREACHABLE' : 'VENUE_ERROR'
      assert.deepEqual([error?.code, events, asked.length], [code, [], 4])
      assert.equal(clock.pending(), 0)
    })
  }

  const wrong: readonly [
    how: 'endless' | 'repeated' | 'shuffled' | 'outside' | 'stranger' | 'priceless',
    RegExp,
    most: number,
  ][] = [
    ['endless', /no end of pages/, 10],
    ['repeated', /out of order/, 2],
    ['shuffled', /out of order/, 1],
    ['outside', /outside of the time/, 1],
    ['stranger', /ZZZZ, which nobody asked for/, 1],
    ['priceless', /p is not a price/, 1],
  ]
  for (const [how, why, most] of wrong) {
    test(`${how}: VENUE_ERROR, after few pages, and nothing wrong is given on`, async () => {
      const { all, asked } = faulty({ fault: 'rest-spoiled', how, times: 1_000 })
      const { error, events } = await all()
      assert.equal(error?.code, 'VENUE_ERROR')
      assert.match(error!.message, why)
      assert.equal(asked.length, most)
      // The first page, where it came as it is, was right.
      assert.deepEqual(
        events.map(({ symbol, timestamp }) => [symbol, timestamp - OPEN]),
        how === 'repeated'
          ? [
              ['SPY', 1],
              ['SPY', 2],
            ]
          : [],
      )
    })
  }

  test('a record without its price is left out where somebody is told, and the rest is given', async () => {
    const kit = faulty({ fault: 'rest-spoiled', how: 'priceless' })
    const told: [unknown, string][] = []
    const malformed = (record: unknown, reason: string) => void told.push([record, reason])
    const { error, events } = await kit.history({ symbols: ['SPY', 'TSLA'], malformed })
    assert.deepEqual([error, events.length, told.length], [undefined, 5, 1])
    assert.equal(told[0]![1], 't: p is not a price')
    assert.equal((told[0]![0] as { s: number }).s, 100)
  })

  const item = (ms: number, i: number) => ({
    ...{ t: new Date(OPEN + ms).toISOString(), x: 'V', p: 5, s: 1, c: ['@'], i, z: 'C' },
  })
  const page = (next: string | null, ...items: object[]) => ({
    ...{ trades: { SPY: items }, next_page_token: next },
  })
  const bodies: readonly [what: string, bodies: readonly (object | string)[], right: number][] = [
    ['no list of trades', [{ next_page_token: null }], 0],
    ['no word on the next page', [{ trades: {} }], 0],
    ['a token that is no text', [{ trades: {}, next_page_token: 5 }], 0],
    ['trades that are no map', [{ trades: [], next_page_token: null }], 0],
    ['trades that are no list', [{ trades: { SPY: 'x' }, next_page_token: null }], 0],
    ['a record that is none', [page(null, [])], 0],
    ['two values', ['{"trades":{},"next_page_token":null},5'], 0],
    [
      'a token that comes again',
      [page('a', item(1, 1)), page('a', item(2, 2)), page('a', item(3, 3))],
      2,
    ],
    ['a page that overlaps', [page('a', item(1, 1)), page(null, item(1, 1), item(2, 2))], 1],
    [
      'a page at one time, again',
      [page('a', item(1, 1), item(1, 2)), page('b', item(1, 1), item(1, 2))],
      2,
    ],
    ['an earlier page', [page('a', item(5, 1)), page(null, item(4, 2))], 1],
    ['no order within a page', [page(null, item(5, 1), item(4, 2))], 0],
    ['a time after the end', [page(null, item(3_600_001, 1))], 0],
    ['a time before the start', [page(null, item(-1, 1))], 0],
    ['a time that is none', [page(null, { ...item(1, 1), t: 'noon' })], 0],
    ['a price below 0', [page(null, { ...item(1, 1), p: -5 })], 0],
  ]
  for (const [what, answers, right] of bodies) {
    test(`${what}: VENUE_ERROR`, async () => {
      const { error, events } = await cannedKit(answers).history()
      assert.deepEqual([error?.code, events.length], ['VENUE_ERROR', right])
    })
  }

  test('pages of ever new trades at one time come to an end, and give nothing on', async () => {
    const many = Array.from({ length: 50 }, (_, i) => page(`t${i}`, item(1, i)))
    const kit = cannedKit([page('first', item(0, 99)), ...many])
    const { error, events } = await kit.history()
    assert.equal(error?.code, 'VENUE_ERROR')
    assert.deepEqual([kit.asked.length, events.length], [12, 2])
    const few = [...many.slice(0, 5), page('on', item(2, 98)), page(null, item(2, 97))]
    assert.equal((await cannedKit(few).history()).events.length, 7)
  })

  test('a last page of quotes that comes again and again is given on once', async () => {
    const last = { t: new Date(OPEN).toISOString(), bp: 1, bs: 1, ap: 2, as: 1 }
    const pages = Array.from({ length: 50 }, (_, i) => ({
      quotes: { SPY: [last] },
      next_page_token: `t${i}`,
    }))
    const { error, events } = await cannedKit(pages).history({ kind: 'quote' })
    assert.deepEqual([error?.code, events.length], ['VENUE_ERROR', 1])
  })

  test('but two quotes alike at one time are two quotes, within a page and across', async () => {
    for (const pageSize of [1, 2, 3]) {
      const kit = restKit({ venue: { rest: { pageSize } } })
      kit.venue.deliver([quote('SPY', 1), quote('SPY', 1), quote('SPY', 2)])
      const { error, events } = await kit.history({ kind: 'quote' })
      assert.deepEqual([error, events.length], [undefined, 3])
    }
    const same = { t: new Date(OPEN).toISOString(), bp: 1, bs: 1, ap: 2, as: 1 }
    const last = { ...same, t: new Date(OPEN + 1).toISOString() }
    const pages = [
      { quotes: { SPY: [same] }, next_page_token: 'a' },
      { quotes: { SPY: [same, last] }, next_page_token: null },
    ]
    const { error, events } = await cannedKit(pages).history({ kind: 'quote' })
    assert.deepEqual([error, events.length], [undefined, 3])
  })
})

describe('the quota of an account', () => {
  test('is kept by all providers of the process together, and nobody is refused', async () => {
    const kit = restKit({ venue: { rest: { pageSize: 1, requestsPerMinute: 200 } } })
    const times: number[] = []
    const { httpGet } = kit.venue
    const make = () =>
      kit.make({
        httpGet: request => {
          times.push(kit.clock.now())
          return httpGet(request)
        },
      })
    kit.venue.deliver(Array.from({ length: 150 }, (_, i) => trade('SPY', i)))
    const counts = [make(), make(), make()].map(async provider => {
      let count = 0
      const request = { kind: 'trade', symbols: ['SPY'], from: OPEN, to: OPEN + 1_000 } as const
      for await (const batch of provider.history!(request)) count += batch.length
      return count
    })
    assert.deepEqual(await passing(kit.clock, Promise.all(counts)), [150, 150, 150])
    // Nobody was refused, or some page would have been asked for twice.
    assert.equal(times.length, 450)
    const most = times.map((time, i) => times.slice(i).filter(t => t < time + 59_990).length)
    assert.ok(Math.max(...most) <= 200, `${Math.max(...most)} in a minute`)
    assert.ok(times.at(-1)! - times[0]! < 180_000, 'the quota is used')
  })

  test('of another account is its own', async () => {
    const kit = restKit()
    const request = { kind: 'trade', symbols: ['SPY'] } as const
    kit.venue.inject({ fault: 'rest-error', status: 429, retryAfter: '60s' })
    const first = kit.provider.latest!(request)
    await kit.clock.advance(100)
    const same = kit.make().latest!(request)
    const other = kit.make({ key: 'PK2' }).latest!(request)
    await kit.clock.advance(100)
    assert.equal(await Promise.race([same.then(() => 'same'), other.then(() => 'other')]), 'other')
    assert.equal(kit.asked.length, 2)
    await passing(kit.clock, Promise.all([first, same]))
    assert.equal(kit.asked.length, 4)
  })
})
