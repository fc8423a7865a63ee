import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TickwireError } from '../../../src/base/errors.ts'
import {
  createEvent,
  EVENT_TYPES,
  type EventFields,
  Flag,
  fieldsOf,
  type MarketEvent,
} from '../../../src/market/events.ts'
import { replayed } from '../../../src/providers/replay/copy.ts'
import { type ReplayOptions, replay } from '../../../src/providers/replay/provider.ts'
import { notice, play, quote, record, T0, texts, trade } from './play.ts'

const TAPE = [
  trade(0),
  quote(10),
  trade(20, 20, 'TSLA'),
  trade(30, 30, 'SPY', 'other'),
  trade(40),
  trade(40, 41),
  quote(50, 'TSLA'),
]

const cases: [what: string, options: Partial<ReplayOptions>, at: number[]][] = [
  ['everything', {}, [0, 10, 20, 30, 40, 40, 50]],
  ['what was received at or after `from`', { from: T0 + 20 }, [20, 30, 40, 40, 50]],
  ['what was received before `to`', { to: T0 + 40 }, [0, 10, 20, 30]],
  ['a stretch of it', { from: T0 + 10, to: T0 + 40.5 }, [10, 20, 30, 40, 40]],
  ['a symbol', { symbols: 'tsla' }, [20, 50]],
  ['symbols', { symbols: ['SPY', 'TSLA'], to: T0 + 30 }, [0, 10, 20]],
  ['every symbol by a star', { symbols: '*', from: T0 + 50 }, [50]],
  ['a kind', { kinds: 'quote' }, [10, 50]],
  ['kinds of a symbol', { kinds: ['quote', 'trade'], symbols: 'SPY' }, [0, 10, 30, 40, 40]],
  ['a source', { sources: 'other' }, [30]],
]
for (const [what, options, at] of cases) {
  test(`plays ${what}`, async () => {
    const { toEnd } = await play({
      tape: record(TAPE),
      speed: Number.POSITIVE_INFINITY,
      ...options,
    })
    const seen = await toEnd()
    assert.deepEqual(
      seen.map(event => event.receivedAt - T0),
      at,
    )
  })
}

test('a range with nothing in it ends the feed and is warned of', async () => {
  const warned: string[] = []
  const log = {
    debug() {},
    info() {},
    error() {},
    warn: (_: object, text: string) => warned.push(text),
  }
  const { toEnd, replay } = await play({ tape: record(TAPE), from: T0 + 51 }, { log })
  assert.deepEqual(await toEnd(), [])
  assert.equal(replay.state, 'ended')
  assert.deepEqual(warned, ['the replay has ended without an event of what is subscribed'])
})

test('an empty tape ends the feed', async () => {
  const { toEnd } = await play({ tape: record([]) })
  assert.deepEqual(await toEnd(), [])
})

test('only what the feed has subscribed comes, bars by their length', async () => {
  const bar = (at: number, interval: '1m' | '5m') =>
    createEvent({
      ...{
        type: 'bar',
        symbol: 'SPY',
        source: 'venue',
        timestamp: T0,
        receivedAt: T0 + at,
        interval,
      },
      ...{ open: 1, high: 1, low: 1, close: 1, volume: at, final: true, revision: 0 },
    })
  const tape = record([trade(0), bar(1, '1m'), bar(2, '5m'), quote(3), trade(4, 4, 'TSLA')])
  const { toEnd } = await play(
    { tape },
    { subscribe: feed => feed.subscribe({ trades: 'TSLA', bars: 'SPY', interval: '5m' }) },
  )
  const seen = await toEnd()
  assert.deepEqual(
    seen.map(event => event.receivedAt - T0),
    [2, 4],
  )
})

test('events come as recorded, marked and without their number, and the recording stays as it was', async () => {
  const tape = record(TAPE)
  const before = texts(TAPE)
  const { toEnd } = await play({ tape, speed: Number.POSITIVE_INFINITY })
  const seen = await toEnd()
  assert.deepEqual(
    seen.map(event => ({ ...event })),
    TAPE.map(event => ({ ...event, flags: Flag.replayed, seq: undefined })),
  )
  assert.deepEqual(texts(TAPE), before)
})

test('a copy of every kind has all its fields, on a new object of its class', () => {
  for (const type of EVENT_TYPES) {
    const values = fieldsOf(type).map((name, i) => [name, `${name} ${i}`])
    const fields = { ...Object.fromEntries(values), type, flags: Flag.late, seq: 7 }
    const event = createEvent(fields as unknown as EventFields)
    const copy = replayed(event)
    assert.notEqual(copy, event)
    assert.deepEqual(Object.keys(copy), Object.keys(event))
    assert.equal(copy.constructor, event.constructor)
    const expected = { ...event, flags: Flag.late | Flag.replayed, seq: undefined }
    assert.deepEqual({ ...copy }, expected, type)
  }
})

test('recorded notices come where they stand, marked, when they concern what is played', async () => {
  const tape = record([
    notice(0, { notice: 'connected', message: 'connected to the venue' }),
    trade(1),
    notice(2, { notice: 'gap', message: 'a hole', symbol: 'SPY', count: 4 }),
    notice(3, { notice: 'gap', message: 'not ours', symbol: 'TSLA' }),
    notice(4, { notice: 'disconnected', message: 'of another source', source: 'other' }),
    trade(5),
  ])
  const { toEnd } = await play({ tape, symbols: 'SPY', sources: 'venue' })
  const seen = await toEnd()
  assert.deepEqual(
    seen.map(event => (event.type === 'notice' ? event.message : event.receivedAt - T0)),
    ['connected to the venue', 1, 'a hole', 5],
  )
  assert.ok(
    seen.every(({ flags, source }: MarketEvent) => flags === Flag.replayed && source === 'venue'),
    'marked, and told from the notices of this feed by their source',
  )
})

test('what it cannot play is refused when it is asked for', () => {
  const tape = record(TAPE)
  const bad: [options: object, code: string, message: RegExp][] = [
    [{}, 'BAD_OPTION', /needs a tape/],
    [{ tape, from: Number.NaN }, 'BAD_OPTION', /from is NaN/],
    [{ tape, to: '2024-01-15' }, 'BAD_OPTION', /to is 2024/],
    [{ tape, from: 5, to: 5 }, 'BAD_OPTION', /nothing lies between/],
    [{ tape, from: 6, to: 5 }, 'BAD_OPTION', /nothing lies between/],
    [{ tape, symbols: [] }, 'BAD_OPTION', /symbols/],
    [{ tape, symbols: 'A B' }, 'BAD_SYMBOL', /A B/],
    [{ tape, kinds: ['trades'] }, 'BAD_OPTION', /kind trades/],
    [{ tape, kinds: 'notice' }, 'BAD_OPTION', /kind notice/],
    [{ tape, sources: [5] }, 'BAD_OPTION', /sources/],
    [{ tape, speed: 0 }, 'BAD_OPTION', /speed is 0/],
    [{ tape, speed: Number.NaN }, 'BAD_OPTION', /speed is NaN/],
    [{ tape, maxQuietMs: 0 }, 'BAD_OPTION', /maxQuietMs/],
  ]
  for (const [options, code, message] of bad) {
    assert.throws(
      () => replay(options as ReplayOptions),
      (error: TickwireError) => error.code === code && message.test(error.message),
      JSON.stringify(Object.keys(options)),
    )
  }
})

test('a symbol that is left out of the selection is refused by name', async () => {
  const { feed } = await play({ tape: record(TAPE), symbols: ['SPY', 'TSLA'], paused: true })
  const refused = (error: unknown) =>
    error instanceof TickwireError &&
    error.code === 'UNKNOWN_SYMBOL' &&
    error.hint === 'Did you mean TSLA?'
  await assert.rejects(feed.subscribe({ trades: 'TSLB' }), refused)
  assert.deepEqual(feed.capabilities.symbols, ['SPY', 'TSLA'])
  assert.equal(feed.capabilities.nature, 'replayed')
  await feed.close()
})
