import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { silentLog } from '../../src/base/log.ts'
import { summary } from '../../src/cli/summary.ts'
import { openFeed } from '../../src/feed/feed.ts'
import { PriceLevels } from '../../src/feed/price-levels.ts'
import type { Provider } from '../../src/feed/provider.ts'
import {
  QUARANTINE_RULES,
  Quarantine,
  type QuarantineOptions,
  type QuarantineRule,
} from '../../src/feed/quarantine.ts'
import { websocketProvider } from '../../src/feed/websocket.ts'
import {
  createEvent,
  EVENT_TYPES,
  type EventFields,
  Flag,
  type MarketEvent,
  markRepaired,
} from '../../src/market/events.ts'
import { simulated } from '../../src/providers/simulated/index.ts'
import { simulateDay } from '../../src/providers/simulated/simulate-day.ts'
import { handClock } from '../../src/testing/clock.ts'
import { scriptedSockets } from '../../src/testing/sockets.ts'
import { anyEvent } from '../market/arbitrary.ts'
import { SAMPLES } from '../providers/alpaca/samples.ts'
import { oblige, say, times, toyCapabilities, toyDescription, toyFeed } from './toy-venue.ts'

const NOW = Date.UTC(2024, 0, 15, 14, 30)
const DAY_MS = 86_400_000
const MOST = Number.MAX_SAFE_INTEGER

const quarantine = (options: QuarantineOptions = {}) => new Quarantine('live', options, silentLog)

/** An event like a good one of its kind but for some fields. */
function like<T extends keyof typeof GOOD>(type: T, fields: object = {}): MarketEvent {
  const common = { type, symbol: 'SPY', source: 's', timestamp: NOW }
  return createEvent({ ...common, ...GOOD[type], ...fields } as unknown as EventFields)
}

const GOOD = {
  trade: { price: 100, size: 1 },
  quote: { bid: 99, bidSize: 1, ask: 101, askSize: 1 },
  ticker: { last: 100 },
  bar: { interval: '1m', open: 10, high: 12, low: 9, close: 11, volume: 5, final: true },
  book: { bids: [[99, 1]], asks: [[101, 1]], snapshot: true },
  status: { statusCode: 'T' },
  luld: { limitUp: 110, limitDown: 90 },
  imbalance: { price: 100, size: 5 },
  correction: { originalPrice: 99, originalSize: 1, price: 100, size: 1 },
  cancel: { price: 100, size: 1, action: 'cancel' },
  news: { headline: 'h', symbols: [], symbol: undefined },
  notice: { notice: 'connected', message: 'm', symbol: undefined },
} as const

/** The rule a single event breaks, as a fresh quarantine sees it. */
function ruleOf(event: MarketEvent, options: QuarantineOptions = {}): string | undefined {
  const guard = quarantine(options)
  const batch = [event]
  const passed = guard.pass(batch, NOW)
  const [rule] = Object.keys(guard.stats().byRule)
  assert.equal(passed === batch, rule === undefined)
  assert.equal(passed.length, rule === undefined ? 1 : 0)
  return rule
}

const price = (value: number, at = 0, symbol = 'SPY') =>
  like('trade', { symbol, price: value, timestamp: NOW + at })

/** Which of these prices come through, one after the other. */
function through(guard: Quarantine, prices: readonly number[], at = 0): number[] {
  return prices.filter(value => guard.pass([price(value, at)], NOW).length > 0)
}

describe('each rule at its edge', () => {
  type Case = [type: keyof typeof GOOD, rule: QuarantineRule, inside: object[], outside: object[]]
  const { NaN: NONE, POSITIVE_INFINITY: HUGE } = Number
  const from1990 = Date.UTC(1990, 0, 1)
  const amounts = { inside: [0, undefined, MOST], outside: [-1, -1e-9, NONE, HUGE, MOST + 1] }
  const of = (key: string, values: readonly unknown[]) => values.map(value => ({ [key]: value }))
  const cases: Case[] = [
    ['trade', 'no-symbol', [{ symbol: 'A' }], [{ symbol: '' }, { symbol: undefined }]],
    ['status', 'no-symbol', [{ symbol: 'A' }], [{ symbol: '' }, { symbol: undefined }]],
    ...EVENT_TYPES.filter(type => type !== 'notice').flatMap((type): Case[] => [
      [type, 'too-old', of('timestamp', [from1990]), of('timestamp', [from1990 - 1, 0, -1])],
      [type, 'too-new', of('timestamp', [NOW + DAY_MS]), of('timestamp', [NOW + DAY_MS + 1, 1e18])],
      [type, 'bad-time', of('nanos', [0, 999_999]), of('nanos', [-1, 1_000_000, 0.5, NONE])],
      [type, 'bad-time', [{}], of('timestamp', [NOW + 0.5, NONE, HUGE])],
    ]),
    ['trade', 'bad-price', of('price', [1e-15, MOST]), of('price', [0, -1, NONE, HUGE, MOST + 1])],
    ['trade', 'bad-size', of('size', [1e-12, MOST]), of('size', [0, -1, NONE, HUGE, MOST + 1])],
    ...['bid', 'ask'].map(
      (key): Case => ['quote', 'bad-price', of(key, amounts.inside), of(key, amounts.outside)],
    ),
    ...['bidSize', 'askSize'].map(
      (key): Case => ['quote', 'bad-size', of(key, amounts.inside), of(key, amounts.outside)],
    ),
    [
      'quote',
      'bad-price',
      [
        { bid: 102, ask: 101 },
        { bid: 5, ask: 5 },
      ],
      [],
    ],
    ['bar', 'bad-price', [{ low: 1e-9 }], [{ low: 0 }, { high: NONE }, { close: -1 }, { open: 0 }]],
    ['bar', 'bad-price', of('vwap', [0, 20]), of('vwap', [-1, NONE])],
    ['bar', 'bad-size', of('volume', [0, 1e17]), of('volume', [-1, NONE, HUGE])],
    ['bar', 'bad-size', of('tradeCount', [0]), of('tradeCount', [-1, NONE])],
    ['bar', 'bad-range', [{ open: 12, close: 9 }], [{ open: 12.01 }, { close: 8.99 }]],
    ['bar', 'bad-range', [{ open: 9, high: 9, low: 9, close: 9 }], [{ high: 8 }, { low: 13 }]],
    ['book', 'bad-price', of('bids', [[], [[0, 1]]]), of('bids', [[[-1, 1]], [[NONE, 1]]])],
    [
      'book',
      'bad-size',
      of('asks', [[[9, 0]]]),
      of('asks', [
        [[9, -1]],
        [
          [8, 1],
          [9, NONE],
        ],
      ]),
    ],
    ['ticker', 'bad-price', of('last', amounts.inside), of('last', amounts.outside)],
    ['ticker', 'bad-price', of('value', [-5]), of('value', [NONE])],
    ['ticker', 'bad-price', of('change', [-5]), of('change', [HUGE])],
    ['ticker', 'bad-size', of('volume', [0, 1e17]), of('volume', [-1, NONE])],
    ['ticker', 'bad-size', of('lastSize', amounts.inside), of('lastSize', amounts.outside)],
    ['ticker', 'too-old', of('lastTime', [NOW + 0.5]), of('lastTime', [0])],
    ['luld', 'bad-price', of('limitUp', [0]), of('limitUp', [-1, NONE])],
    ['imbalance', 'bad-price', of('price', amounts.inside), of('price', amounts.outside)],
    ['imbalance', 'bad-size', of('pairedSize', amounts.inside), of('pairedSize', amounts.outside)],
    ['correction', 'bad-price', of('originalPrice', [-1, 0]), of('originalPrice', [NONE])],
    ['correction', 'bad-price', of('price', [1e-9]), of('price', [0, -1, NONE])],
    ['correction', 'bad-size', of('size', [0]), of('size', [-1, NONE])],
    ['cancel', 'bad-price', of('price', [-1, 0, undefined]), of('price', [NONE])],
    ['cancel', 'bad-size', of('size', [-1, 0, undefined]), of('size', [HUGE])],
  ]
  for (const [type, rule, inside, outside] of cases) {
    const text = (fields: object) => Object.keys(fields)[0] ?? 'good'
    test(`${rule} of a ${type}: ${text(outside[0] ?? inside[0]!)}`, () => {
      for (const fields of inside) assert.equal(ruleOf(like(type, fields)), undefined)
      for (const fields of outside) assert.equal(ruleOf(like(type, fields)), rule)
    })
  }

  test('the bounds of time are options, and a repair has no age', () => {
    const old = (type: 'trade' | 'quote' | 'bar') => like(type, { timestamp: NOW - 5_001 })
    const options = { maxAgeMs: 5_000, maxAheadMs: 0 }
    assert.equal(ruleOf(old('trade'), options), 'too-old')
    assert.equal(ruleOf(old('quote'), options), 'too-old')
    assert.equal(ruleOf(old('bar'), options), undefined)
    assert.equal(ruleOf(like('trade', { timestamp: NOW - 5_000 }), options), undefined)
    assert.equal(ruleOf(like('trade', { timestamp: NOW + 1 }), options), 'too-new')
    const filled = old('trade')
    markRepaired(filled)
    assert.deepEqual(quarantine(options).passRepaired([filled], NOW), [filled])
  })

  test('a simulated, recorded or test day may be of any year, but its time is a time', () => {
    for (const nature of ['simulated', 'replayed', 'test'] as const) {
      const guard = new Quarantine(nature, { maxAgeMs: 1 }, silentLog)
      const years = [-1, 0, 1, NOW + 1_000 * DAY_MS].map(timestamp => like('trade', { timestamp }))
      assert.equal(guard.pass(years, NOW), years)
      assert.deepEqual(guard.pass([like('quote', { timestamp: Number.NaN })], NOW), [])
    }
    const delayed = new Quarantine('delayed', {}, silentLog)
    assert.deepEqual(delayed.pass([like('trade', { timestamp: 0 })], NOW), [])
  })

  test('what is read from a tape passes as it was recorded; frames that were captured do not', () => {
    const guard = new Quarantine('replayed', {}, silentLog)
    const recorded = [like('trade', { price: -37.63, flags: Flag.replayed })]
    assert.equal(guard.pass(recorded, NOW), recorded)
    assert.deepEqual(guard.pass([like('trade', { price: -37.63 })], NOW), [])
    assert.equal(ruleOf(recorded[0]!), 'bad-price', 'from a live venue the mark says nothing')
  })

  test('negative prices pass where they are allowed, and jump as they like', () => {
    const guard = quarantine({ negativePrices: true })
    const prices = [10, 5, 1, 0, -37.63, 1_000, -1, 10]
    assert.deepEqual(through(guard, prices), prices)
    assert.equal(ruleOf(like('quote', { bid: -38, ask: -37 }), { negativePrices: true }), undefined)
    assert.equal(ruleOf(like('trade', { price: -MOST - 1 }), { negativePrices: true }), 'bad-price')
    assert.equal(ruleOf(like('trade', { size: -1 }), { negativePrices: true }), 'bad-size')
  })

  test('options that are no bounds are refused', () => {
    for (const options of [{ maxAheadMs: -1 }, { maxAgeMs: Number.NaN }, { maxJump: 1 }]) {
      assert.throws(() => quarantine(options), { code: 'BAD_OPTION' })
    }
  })
})

describe('a price far from the ones before it', () => {
  test('is refused when alone, just outside of the factor, up and down', () => {
    const guard = quarantine()
    assert.deepEqual(through(guard, [1, 1, 1, 10.01, 1, 0.0999, 1]), [1, 1, 1, 1, 1])
    assert.deepEqual(guard.stats().byRule, { 'price-jump': 2 })
    assert.deepEqual(through(guard, [10, 1, 0.1, 1]), [10, 1, 0.1, 1], 'just inside')
  })

  test('is the new level when three in a row agree on it, and what was refused stays refused', () => {
    const guard = quarantine()
    assert.deepEqual(through(guard, [1, 1, 1, 50, 60, 55, 58, 40]), [1, 1, 1, 55, 58, 40])
    assert.equal(guard.stats().count, 2)
    assert.deepEqual(through(guard, [1, 55]), [55], 'now the old level is the odd one')
    assert.deepEqual(through(quarantine(), [1, 1, 1, 50, 50, 50, 1]), [1, 1, 1, 50], 'at once')
  })

  test('is not believed because others that disagree with it, or with interruptions, came before', () => {
    const guard = quarantine()
    assert.deepEqual(through(guard, [1, 1, 1, 50, 5_000, 50, 5_000, 50]), [1, 1, 1])
    assert.deepEqual(through(guard, [50, 1, 50, 50, 1, 50, 50]), [1, 1])
  })

  test('is believed before a level is known, so that a first absurd one costs nothing else', () => {
    assert.deepEqual(through(quarantine(), [5_000, 1, 1, 1, 5_000]), [5_000, 1, 1, 1])
  })

  test('is believed when nothing was heard for a quarter of an hour: a split, a halt, a thin option', () => {
    const guard = quarantine()
    assert.deepEqual(through(guard, [1, 1, 1]), [1, 1, 1])
    assert.deepEqual(through(guard, [20], 15 * 60_000), [])
    assert.deepEqual(through(guard, [20], 15 * 60_000 + 1), [20])
    const other = quarantine()
    through(other, [1, 1, 1])
    assert.deepEqual(through(other, [2, 50], 16 * 60_000), [2, 50], 'one price is no level yet')
  })

  test('is believed when the latest quote of the symbol is near it', () => {
    const far = [1, 1, 1, 50]
    const after = (...quotes: object[]) => {
      const guard = quarantine()
      guard.pass(
        quotes.map(fields => like('quote', fields)),
        NOW,
      )
      return through(guard, far).length === far.length
    }
    assert.equal(after({ bid: 45, ask: 55 }), true)
    assert.equal(after({ bid: 45, ask: undefined }), true)
    assert.equal(after({ bid: undefined, ask: 5 }), true)
    assert.equal(after({ bid: 0.01, ask: 199_999 }), true, 'it lies between')
    assert.equal(after({ bid: 0.9, ask: 1.1 }), false)
    assert.equal(after({ bid: undefined, ask: undefined }), false)
    assert.equal(after({ bid: 45, ask: 55 }, { bid: 0.9, ask: 1.1 }), false, 'the latest counts')
    assert.equal(after({ symbol: 'QQQ', bid: 45, ask: 55 }), false, 'of another symbol')
  })

  test('is looked at symbol by symbol, and not at all when told so', () => {
    const guard = quarantine()
    const mixed = [1, 900, 1, 900, 1, 900, 1, 900].map((value, i) =>
      price(value, 0, i % 2 === 0 ? 'A' : 'B'),
    )
    assert.equal(guard.pass(mixed, NOW), mixed)
    const wild = [1, 1, 1, 1e9, 1]
    assert.deepEqual(through(quarantine({ maxJump: Number.POSITIVE_INFINITY }), wild), wild)
    assert.deepEqual(through(quarantine({ maxJump: 1.5 }), [1, 1, 1, 1.6, 1.5]), [1, 1, 1, 1.5])
  })
})

describe('a repair', () => {
  const repaired = (value: number, at: number) => {
    const event = price(value, at)
    markRepaired(event)
    return event
  }

  test('is held to the rules, leaves alone what passed live, and teaches nothing about live prices', () => {
    const guard = quarantine()
    through(guard, [1, 1, 1])
    const live = price(700)
    const filled = [repaired(1, 1), repaired(-1, 2), repaired(500, 3), live, repaired(1, 4)]
    const sound = guard.passRepaired(filled, NOW)
    assert.deepEqual(sound, [filled[0], live, filled[4]])
    assert.deepEqual(guard.stats().byRule, { 'bad-price': 1, 'price-jump': 1 })
    guard.passRepaired([repaired(50, 5), repaired(50, 6), repaired(50, 7)], NOW)
    assert.deepEqual(through(guard, [1, 50]), [1], 'the level is still that of the live prices')
  })

  test('what is only looked at is held to the rules too, and neither counted nor learned from', () => {
    const guard = quarantine()
    through(guard, [1, 1, 1])
    const looks = [price(1), price(-1), price(500), price(50), price(50), price(50)]
    assert.deepEqual(
      looks.map(event => guard.isSound(event, NOW)),
      [true, false, false, false, false, false],
    )
    assert.equal(guard.stats().count, 0)
    assert.deepEqual(through(guard, [1, 50]), [1], 'the level is still that of the live prices')
  })

  test('of a feed is delivered without what cannot be true, and what cannot be true does not hold it up', async () => {
    const at = (id: number, fields: object = {}) =>
      like('trade', { source: 'toy', id, timestamp: NOW + id, ...fields })
    const capabilities = { ...toyCapabilities, nature: 'live', history: true } as const
    const clock = handClock(NOW)
    const net = scriptedSockets(oblige)
    const description = toyDescription({ capabilities })
    const provider: Provider = {
      ...websocketProvider(description, { openSocket: net.openSocket }),
      capabilities,
      async *history() {
        yield [at(1), at(2), at(3, { price: -5 }), at(4)]
      },
    }
    const feed = openFeed(provider, { clock, random: () => 0.5, log: silentLog })
    const seen: unknown[] = []
    feed.trades('SPY', ({ id }) => seen.push(id))
    await clock.advance(1)
    say(net.last, { events: [at(1)] })
    net.last.end()
    await clock.advance(1_000)
    say(net.last, { events: [at(9, { timestamp: NOW + 9 * DAY_MS }), at(4)] })
    await clock.advance(5_000)
    assert.deepEqual(seen, [1, 2, 4])
    assert.deepEqual(feed.stats().quarantined.byRule, { 'too-new': 1, 'bad-price': 1 })
    await feed.close()
  })
})

describe('what is refused', () => {
  test('is counted by rule and symbol, the latest kept as JSON, the first of a rule said', () => {
    const said: unknown[][] = []
    const log = { ...silentLog, warn: (...words: unknown[]) => said.push(words) }
    const guard = new Quarantine('live', {}, log as never)
    const bad = (value: number, symbol: string) => like('trade', { price: value, symbol })
    guard.pass([bad(-1, 'A'), bad(0, 'A'), bad(Number.NaN, 'B'), like('quote')], NOW)
    guard.pass([like('bar', { high: 1, symbol: '__proto__' })], NOW)
    const { count, byRule, bySymbol, samples } = guard.stats()
    assert.deepEqual([count, byRule], [4, { 'bad-price': 3, 'bad-range': 1 }])
    assert.deepEqual(Object.entries(bySymbol), [
      ['A', { 'bad-price': 2 }],
      ['B', { 'bad-price': 1 }],
      ['__proto__', { 'bad-range': 1 }],
    ])
    const prices = samples.slice(0, 3).map(({ event }) => JSON.parse(event).price)
    assert.deepEqual(prices, [-1, 0, 'NaN'])
    assert.equal(said.length, 2, 'one warning for each rule')
    assert.match(String(said[0]![1]), /a trade is not delivered .*negative.*stats\(\)/)
  })

  test('takes bounded memory, however many symbols there are', () => {
    const guard = quarantine()
    for (let i = 0; i < 3_000; i++) {
      guard.pass([like('trade', { symbol: `S${i}${'x'.repeat(i)}`, price: -i })], NOW)
    }
    const { count, bySymbol, samples } = guard.stats()
    assert.equal(count, 3_000)
    assert.equal(Object.keys(bySymbol).length, 1_000)
    assert.equal(
      Object.keys(bySymbol).every(name => name.length <= 64),
      true,
      'names are cut',
    )
    assert.equal(samples.length, 5)
    assert.equal(
      samples.every(({ event }) => event.length <= 500),
      true,
      'samples are cut',
    )
  })

  test('is not seen by a reader of the feed', async () => {
    const { clock, net, feed } = toyFeed({ feed: { log: silentLog } })
    const seen: MarketEvent[] = []
    const taped: MarketEvent[] = []
    const delivered: MarketEvent[] = []
    feed.on('*', event => delivered.push(event))
    feed.pipe({ append: events => taped.push(...events.filter(({ type }) => type === 'trade')) })
    feed.trades('SPY', event => seen.push(event))
    await clock.advance(1)
    const of = (timestamp: number, size: number) => like('trade', { timestamp, size })
    say(net.last, { events: [of(1, 1), of(2, 0), of(3, -1), of(4, 1)] })
    await clock.advance(1)
    assert.deepEqual(
      [times(seen), times(taped)],
      [
        [1, 4],
        [1, 4],
      ],
    )
    const { events, quarantined } = feed.stats()
    assert.deepEqual([quarantined.count, quarantined.bySymbol], [2, { SPY: { 'bad-size': 2 } }])
    assert.equal(events, delivered.length, 'what is refused counts as not delivered')
    await feed.close()
  })

  test('is said in the last line of a run, where there is any', async () => {
    const { clock, net, feed } = toyFeed({ feed: { log: silentLog } })
    feed.trades('SPY', () => {})
    await clock.advance(1)
    const line = () => summary('events', 1, 1_000, feed.stats(), 0)
    assert.match(line(), /0 dropped$/)
    say(net.last, { events: [like('trade', { price: 0 })] })
    assert.match(line(), /0 dropped, 1 quarantined$/)
    await feed.close()
  })

  test('docs/quarantine.md has a row for each rule, in order', () => {
    const page = readFileSync(new URL('../../docs/quarantine.md', import.meta.url), 'utf8')
    const rows = [...page.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, rule]) => rule)
    assert.deepEqual(rows, Object.keys(QUARANTINE_RULES))
  })
})

describe('what is true passes untouched', () => {
  test('every event of a simulated day', () => {
    const guard = new Quarantine('live', { maxAheadMs: 0 }, silentLog)
    const kinds = ['trade', 'quote', 'bar', 'book', 'status', 'correction', 'cancel'] as const
    let count = 0
    for (const batch of simulateDay({ day: '2025-06-02', events: 60_000, kinds })) {
      assert.equal(guard.pass(batch, Date.UTC(2025, 5, 4)), batch)
      count += batch.length
    }
    assert.equal(count > 50_000, true, `${count} events`)
    assert.equal(guard.stats().count, 0)
  })

  test('every kind of the live simulated market', async () => {
    const clock = handClock()
    const feed = openFeed(simulated({ rate: 200 }), { clock, log: silentLog })
    const kinds = new Set<string>()
    feed.on('*', ({ type }) => kinds.add(type))
    const { kinds: all } = feed.capabilities
    void feed.subscribe({ trades: '*', quotes: '*', bars: '*', books: '*', statuses: '*' })
    await clock.advance(130_000)
    for (const kind of ['trade', 'quote', 'bar', 'book'] as const) {
      assert.equal(kinds.has(kind), all.includes(kind), kind)
    }
    const { events, quarantined } = feed.stats()
    assert.equal(events > 10_000, true, `${events} events`)
    assert.deepEqual(quarantined, { count: 0, byRule: {}, bySymbol: {}, samples: [] })
    await feed.close()
  })

  test("every sample of Alpaca's documentation", () => {
    const batch = SAMPLES.map(({ event }) => createEvent(event))
    assert.equal(quarantine().pass(batch, Date.UTC(2026, 0, 1)).length, batch.length)
  })

  test('clean batches, which stay the same array', () => {
    const guard = quarantine()
    for (let i = 0; i < 1_000; i++) {
      const batch = [price(i + 1, i, `S${i % 7}${i}`), like('quote'), like('book'), like('notice')]
      assert.equal(guard.pass(batch, NOW) === batch, true)
    }
    const none: MarketEvent[] = []
    assert.equal(guard.pass(none, NOW), none)
  })

  test('and the prices of no more than 65,536 symbols are remembered, the newest', () => {
    const levels = new PriceLevels(10)
    const see = (i: number, value: number) => levels.isAbsurd(`S${i}`, value, NOW)
    for (let i = 0; i < 70_000; i++) for (let j = 0; j < 3; j++) see(i, 1)
    assert.equal(levels.size, 65_536)
    assert.deepEqual([see(69_999, 50), see(4_464, 50), see(4_463, 50)], [true, true, false])
  })
})

test('what comes out is what came in, in order, without exactly what breaks a rule', () => {
  const anything = fc.oneof(
    ...EVENT_TYPES.map(type => anyEvent(type)),
    ...(['trade', 'quote', 'bar', 'ticker'] as const).map(type =>
      fc.record({ price: fc.double(), timestamp: fc.double() }).map(fields => like(type, fields)),
    ),
    fc.double({ min: 1, max: 1_000, noNaN: true }).map(value => like('trade', { price: value })),
  )
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 40 }), batch => {
      const guard = quarantine()
      const passed = guard.pass(batch, NOW)
      const { count, byRule } = guard.stats()
      assert.equal(passed.length + count, batch.length)
      assert.equal(
        Object.values(byRule).reduce((sum, n) => sum + n, 0),
        count,
      )
      let at = 0
      for (const event of passed) {
        at = batch.indexOf(event, at) + 1
        assert.notEqual(at, 0, 'in order')
        if (event.type === 'notice') continue
        assert.equal(Number.isInteger(event.timestamp), true)
        assert.equal(event.timestamp >= Date.UTC(1990) && event.timestamp <= NOW + DAY_MS, true)
        for (const [name, value] of Object.entries(event)) {
          const free = /^(id$|original|change|mark|value|sequence|checksum|createdAt|receivedAt)/
          if (typeof value !== 'number' || free.test(name) || event.type === 'cancel') continue
          if (name === 'revision') continue
          assert.equal(value >= 0, true, `${event.type}.${name} is ${value}`)
        }
      }
      if (!Object.hasOwn(byRule, 'price-jump')) {
        assert.equal(quarantine().pass(passed, NOW), passed, 'and it passes as it is')
        for (const event of batch.filter(one => !passed.includes(one))) {
          assert.notEqual(ruleOf(event), undefined, 'and what is refused is, by itself')
        }
      }
    }),
    { numRuns: 300 },
  )
})
