// Bars, latest values, instruments and the check, by REST: questions as they go out, answers good and bad.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TickwireError } from '../../../src/base/errors.ts'
import type { HttpAnswer, HttpGet } from '../../../src/base/http.ts'
import { type Bar, createEvent, type MarketEvent } from '../../../src/market/events.ts'
import { openalgo } from '../../../src/providers/openalgo/index.ts'
import {
  type OpenAlgoServerOptions,
  openAlgoServer,
} from '../../../src/providers/openalgo/server.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { KEY, TEN } from './kit.ts'

const MINUTE = 60_000
const bar = (timestamp: number, close: number, symbol = 'NSE:A'): MarketEvent =>
  createEvent({
    ...{ type: 'bar', symbol, source: 'x', timestamp, interval: '1m', close, volume: 10 },
    ...{ open: close, high: close + 1, low: close - 1, final: true, revision: 0 },
  })

function kit(
  options: Omit<OpenAlgoServerOptions, 'clock'> = {},
  spoil: (body: string) => string | HttpAnswer = it => it,
) {
  const clock = handClock(TEN)
  const server = openAlgoServer({ clock, ...options })
  const asked: { url: string; body: Record<string, unknown> | undefined }[] = []
  const httpGet: HttpGet = async ({ url, body }) => {
    const { pathname, search, host } = new URL(url)
    asked.push({ url: host + pathname, body: body === undefined ? undefined : JSON.parse(body) })
    const method = body === undefined ? 'GET' : 'POST'
    const answer = server.answer({ method, url: pathname + search, ...(body && { body }) })
    const spoiled = spoil(answer.body)
    if (typeof spoiled !== 'string') return spoiled
    return { ...answer, body: Buffer.from(spoiled) }
  }
  const never = () => assert.fail('no socket is opened')
  const given = { apiKey: KEY, openSocket: never, httpGet, clock }
  const provider = openalgo({ ...given, url: 'ws://box:8765' })
  /** The outcome, time going by until there is one. */
  const outcome = async <T>(promise: Promise<T>): Promise<{ value?: T; error?: TickwireError }> => {
    let over = false
    const ended = promise
      .then(
        value => ({ value }),
        (error: TickwireError) => ({ error }),
      )
      .finally(() => {
        over = true
      })
    for (let i = 0; i < 1_000 && !over; i++) await clock.advance(500)
    return ended
  }
  const history = (request: object) =>
    outcome(
      (async () => {
        const list: MarketEvent[] = []
        const whole = {
          kind: 'bar',
          symbols: ['NSE:A'],
          from: TEN - 3_600_000,
          to: TEN,
          ...request,
        }
        for await (const batch of provider.history!(whole as never)) list.push(...batch)
        return list
      })(),
    )
  return { clock, server, asked, provider, outcome, history }
}

const body = (data: unknown) => JSON.stringify({ status: 'success', data })

describe('history', () => {
  it('asks by days of India with the key in the body, and gives what lies between the bounds', async () => {
    const { server, asked, history } = kit()
    const times = [-90, -61, -60, -30, -1, 0].map(minutes => TEN + minutes * MINUTE)
    server.deliver(times.map((time, i) => bar(time, 100 + i)))
    const { value } = await history({})
    assert.deepEqual(
      value!.map(event => [event.timestamp, (event as Bar).close, (event as Bar).final]),
      [
        [times[2], 102, true],
        [times[3], 103, true],
        [times[4], 104, true],
        [times[5], 105, false],
      ],
    )
    assert.deepEqual(asked, [
      {
        url: 'box:5000/api/v1/history',
        body: {
          ...{ apikey: KEY, symbol: 'A', exchange: 'NSE', interval: '1m' },
          ...{ start_date: '2026-08-21', end_date: '2026-08-21', source: 'api' },
        },
      },
    ])
  })

  it('of a long time is asked piece by piece, and comes once and in order', async () => {
    const { server, asked, history } = kit()
    const from = TEN - 40 * 86_400_000
    const times = Array.from({ length: 80 }, (_, i) => from + i * 43_200_000)
    server.deliver(times.map((time, i) => bar(time, 100 + i)))
    const { value } = await history({ from })
    assert.deepEqual(
      value!.map(({ timestamp }) => timestamp),
      times,
    )
    assert.deepEqual(
      asked.map(it => [it.body!.start_date, it.body!.end_date]),
      [
        ['2026-07-12', '2026-07-24'],
        ['2026-07-25', '2026-08-06'],
        ['2026-08-07', '2026-08-19'],
        ['2026-08-20', '2026-08-21'],
      ],
    )
  })

  it('refuses what it cannot have, before anything is asked', async () => {
    const { asked, history } = kit()
    for (const [request, code] of [
      [{ kind: 'trade' }, 'UNSUPPORTED'],
      [{ interval: '7m' }, 'UNSUPPORTED'],
      [{ adjustment: 'split' }, 'UNSUPPORTED'],
      [{ symbols: [] }, 'NO_SYMBOLS'],
      [{ symbols: ['A'] }, 'BAD_SYMBOL'],
    ] as const) {
      assert.equal((await history(request)).error?.code, code)
    }
    assert.deepEqual(asked, [])
  })

  it('rejects answers that are wrong rather than give them', async () => {
    const row = { timestamp: TEN / 1_000, open: 1, high: 1, low: 1, close: 1, volume: 1 }
    for (const wrong of [
      'oh',
      '[]',
      body({}),
      body([{ ...row, close: 0 }]),
      body([{ ...row, timestamp: '2026-08-21 10:00' }]),
      body([{ ...row, timestamp: 1_000_000_000 }]),
      body([{ ...row, timestamp: row.timestamp + 10 * 86_400 }]),
      body([row, row]),
      body([null]),
    ]) {
      const { history } = kit({}, () => wrong)
      assert.equal((await history({})).error?.code, 'VENUE_ERROR', wrong)
    }
  })

  it('leaves out a record that is no bar where somebody wants to know of it', async () => {
    const row = { timestamp: TEN / 1_000, open: 1, high: 1, low: 1, close: 1, volume: 1 }
    const { history } = kit({}, () =>
      body([{ ...row, timestamp: row.timestamp - 60, open: null }, row]),
    )
    const reasons: string[] = []
    const { value } = await history({ malformed: (_: unknown, why: string) => reasons.push(why) })
    assert.deepEqual([value!.length, reasons], [1, ['a price is missing']])
  })

  it('says what a refusal means, and does not ask again in vain', async () => {
    const said = (status: number, message: unknown): HttpAnswer => ({
      ...{ status, headers: {} },
      body: Buffer.from(JSON.stringify({ status: 'error', message })),
    })
    for (const [answer, code] of [
      [said(403, 'Invalid openalgo apikey'), 'AUTH_FAILED'],
      [said(500, 'Access token expired'), 'AUTH_FAILED'],
      [said(404, 'Symbol A not found for exchange NSE'), 'UNKNOWN_SYMBOL'],
      [said(400, 'Unsupported interval: 20m'), 'UNSUPPORTED'],
      [said(400, { symbol: ['Missing data'] }), 'BAD_REQUEST'],
      [said(200, 'Session expired'), 'AUTH_FAILED'],
    ] as const) {
      const { history, asked } = kit({}, () => answer)
      const { error } = await history({})
      assert.equal(error?.code, code)
      assert.equal(asked.length, 1)
      assert.ok(!String(error).includes(KEY))
    }
    const { history, asked } = kit({}, () => said(429, 'Rate limit exceeded. Please slow down.'))
    assert.equal((await history({})).error?.code, 'RATE_LIMITED')
    assert.equal(asked.length, 4)
  })
})

describe('latest', () => {
  const market = [
    createEvent({
      ...{ type: 'ticker', symbol: 'NSE:A', source: 'x', timestamp: TEN, last: 1_187.75 },
      ...{ open: 1_172, high: 1_196.6, low: 1_163.3, previousClose: 1_165.7, volume: 14_414_545 },
    }),
    createEvent({
      ...{ type: 'book', symbol: 'NSE:A', source: 'x', timestamp: TEN, snapshot: true },
      ...{ bids: [[1_187.7, 5]], asks: [[1_188, 7], [1_188.5, 1]] }, // biome-ignore format: pairs
    }),
    createEvent({ type: 'ticker', symbol: 'NSE:B', source: 'x', timestamp: TEN, last: 5 }),
  ] as const

  it('values of one symbol and of several', async () => {
    const { server, provider, outcome, asked } = kit({ symbols: ['NSE:A', 'NSE:B'] })
    server.deliver(market)
    const get = (kind: string, symbols: string[]) =>
      outcome(provider.latest!({ kind, symbols } as never)).then(it => it.value!)
    const [ticker] = await get('ticker', ['NSE:A'])
    const { last, open, bid, ask, volume, previousClose } = ticker as never as Record<
      string,
      unknown
    >
    assert.deepEqual(
      [last, open, bid, ask, volume, previousClose],
      [1_187.75, 1_172, 1_187.7, 1_188, 14_414_545, 1_165.7],
    )
    const both = await get('ticker', ['NSE:A', 'NSE:GONE', 'NSE:B'])
    assert.deepEqual(
      both.map(({ symbol }) => symbol),
      ['NSE:A', 'NSE:B'],
    )
    assert.deepEqual(
      (await get('quote', ['NSE:A', 'NSE:B'])).map(it => [it.symbol, 'bid' in it && it.bid]),
      [['NSE:A', 1_187.7]],
    )
    const [book] = await get('book', ['NSE:A'])
    assert.deepEqual('asks' in book! && book.asks, [[1_188, 7], [1_188.5, 1]]) // biome-ignore format: pairs
    server.deliver([bar(TEN - 2 * MINUTE, 4), bar(TEN - MINUTE, 5), bar(TEN, 6)])
    const [last1m] = await get('bar', ['NSE:A'])
    assert.equal((last1m as Bar).close, 5)
    assert.deepEqual(
      asked.map(({ url }) => url.split('/').at(-1)),
      ['quotes', 'multiquotes', 'multiquotes', 'depth', 'history'],
    )
    const { error } = await outcome(provider.latest!({ kind: 'trade', symbols: ['NSE:A'] }))
    assert.equal(error?.code, 'UNSUPPORTED')
  })
})

describe('of several symbols at once', () => {
  it('a broker whose login is over is told, with the way out', async () => {
    const { server, provider, outcome } = kit({ symbols: ['NSE:A', 'NSE:B'] })
    server.logOut('Broker session token expired')
    for (const kind of ['ticker', 'quote'] as const) {
      const { error } = await outcome(provider.latest!({ kind, symbols: ['NSE:A', 'NSE:B'] }))
      assert.equal(error?.code, 'AUTH_FAILED')
      assert.match(error!.hint!, /Log in to your broker/)
    }
  })

  it('one that is refused is told by name, and the others come', async () => {
    const { server, provider, outcome } = kit({ symbols: ['NSE:A', 'NSE:B'] })
    server.deliver([
      createEvent({ type: 'ticker', symbol: 'NSE:A', source: 'x', timestamp: TEN, last: 5 }),
    ])
    const told: string[] = []
    const refused = (symbols: readonly string[], { code }: TickwireError) =>
      void told.push(`${symbols} ${code}`)
    const question = { kind: 'ticker', symbols: ['NSE:A', 'NSE:GONE'], refused } as const
    const { value } = await outcome(provider.latest!(question))
    assert.deepEqual(
      [value?.map(({ symbol }) => symbol), told],
      [['NSE:A'], ['NSE:GONE UNKNOWN_SYMBOL']],
    )
    const { error } = await outcome(
      provider.latest!({ kind: 'ticker', symbols: ['NSE:GONE', 'NSE:AWAY'] }),
    )
    assert.equal(error?.code, 'UNKNOWN_SYMBOL', 'nothing is left')
  })
})

describe('beside', () => {
  it('the instruments of an exchange', async () => {
    const clock = handClock(TEN)
    const server = openAlgoServer({ clock, symbols: ['NSE:A', 'NSE:B', 'BSE:C'] })
    const urls: string[] = []
    const httpGet: HttpGet = async ({ url }) => {
      urls.push(url)
      const { pathname, search } = new URL(url)
      const answer = server.answer({ method: 'GET', url: pathname + search })
      return { ...answer, body: Buffer.from(answer.body) }
    }
    const openSocket = () => assert.fail()
    const given = { apiKey: KEY, openSocket, httpGet, clock }
    const provider = openalgo({ ...given, defaultExchange: 'NSE', url: 'wss://box.test/ws' })
    const list = await provider.instruments!()
    assert.deepEqual(list[0], {
      ...{ symbol: 'NSE:A', kind: 'equity', name: 'NSE:A', tickSize: 0.05, lotSize: 1 },
      currency: 'INR',
    })
    assert.equal(list.length, 2)
    // Behind a proxy with TLS both stand at one address.
    assert.equal(new URL(urls[0]!).origin, 'https://box.test')
  })

  it('the check says which broker there is, or why there is none', async () => {
    const good = kit()
    const { value } = await good.outcome(good.provider.check!.ask(new AbortController().signal))
    assert.deepEqual([value!.grants, value!.refusal], [['the broker angel'], undefined])
    good.server.logOut('Access token expired')
    const bad = await good.outcome(good.provider.check!.ask(new AbortController().signal))
    assert.equal(bad.value!.refusal?.code, 'AUTH_FAILED')
    assert.match(bad.value!.refusal!.hint!, /Log in to your broker/)
    assert.deepEqual(good.provider.check!.addresses, ['ws://box:8765', 'http://box:5000'])
  })
})
