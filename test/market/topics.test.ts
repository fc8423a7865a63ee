import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { TickwireError } from '../../src/base/errors.ts'
import { EVENT_TYPES, type Interval, type MarketEvent } from '../../src/market/events.ts'
import {
  ANY,
  decodeSubject,
  encodeSubject,
  formatTopic,
  isInterval,
  parseTopic,
  type Topic,
  topicFilter,
} from '../../src/market/topics.ts'
import { anyEvent, anySymbol } from './arbitrary.ts'

const interval = fc
  .tuple(fc.integer({ min: 1, max: 99_999 }), fc.constantFrom('s', 'm', 'h', 'd', 'w'))
  .map(([count, unit]) => `${count}${unit}` as Interval)

/** Symbols with all that could split, end or fake a part of a topic. */
const wildSymbol = fc.oneof(
  anySymbol,
  fc.constant(ANY),
  fc
    .array(fc.constantFrom('.', '/', ' ', ':', '=', '*', '>', '@', '-', '_', '%', '\0', 'é', '币'))
    .filter(list => list.length > 0)
    .map(list => list.join('')),
  fc.constantFrom('=2F', '\ufeffBOM', '👍', 'tw.a.trade.B', 'bar@1m:A', '../x', '$JS.API'),
)
const anySource = fc.oneof(
  fc.constantFrom('alpaca', 'alpaca-sip', 'my.source', ANY, 'a b', 'é'),
  fc.string({ unit: 'binary', minLength: 1 }).filter(text => !text.includes(':')),
)
const anyTopic: fc.Arbitrary<Topic> = fc
  .record({
    source: anySource,
    kind: fc.constantFrom(...EVENT_TYPES),
    symbol: wildSymbol,
    interval: fc.option(interval, { nil: undefined }),
  })
  .map(({ interval, ...topic }) => (interval ? { ...topic, interval } : topic))

const badOption = (error: unknown) => error instanceof TickwireError && error.code === 'BAD_OPTION'

describe('a topic as text', () => {
  it('is reversible, whatever the symbol holds', () => {
    fc.assert(
      fc.property(anyTopic, topic => assert.deepEqual(parseTopic(formatTopic(topic)), topic)),
      { numRuns: 300 },
    )
  })

  it('is source, kind and the rest', () => {
    const topic: Topic = { source: 'openalgo', kind: 'trade', symbol: 'NSE:RELIANCE' }
    assert.equal(formatTopic(topic), 'openalgo:trade:NSE:RELIANCE')
    assert.deepEqual(parseTopic('alpaca:bar@5m:BTC/USD'), {
      source: 'alpaca',
      kind: 'bar',
      symbol: 'BTC/USD',
      interval: '5m',
    })
  })

  for (const text of [
    '',
    'trade',
    'a:trade',
    'a:trade:',
    ':trade:A',
    'a:trad:A',
    'a:bar@1x:A',
    'a:bar@:A',
    'a:toString:A',
  ]) {
    it(`is not ${JSON.stringify(text)}`, () => assert.throws(() => parseTopic(text), badOption))
  }
})

describe('a topic as a subject', () => {
  it('is reversible, whatever source and symbol hold', () => {
    fc.assert(
      fc.property(anyTopic, topic => assert.deepEqual(decodeSubject(encodeSubject(topic)), topic)),
      { numRuns: 300 },
    )
  })

  it('has four tokens of legal characters, or a star alone', () => {
    fc.assert(
      fc.property(anyTopic, topic => {
        const tokens = encodeSubject(topic).split('.')
        assert.equal(tokens.length, 4)
        for (const token of tokens) assert.match(token, /^(\*|[A-Za-z0-9_=-]+)$/)
        assert.equal(tokens[3] === ANY, topic.symbol === ANY)
      }),
      { numRuns: 300 },
    )
  })

  it('is spelt like this', () => {
    const spelt: [Topic, string][] = [
      [{ source: 'alpaca', kind: 'trade', symbol: 'AAPL' }, 'tw.alpaca.trade.AAPL'],
      [{ source: 'a', kind: 'trade', symbol: 'BTC/USD' }, 'tw.a.trade.BTC=2FUSD'],
      [{ source: 'a', kind: 'quote', symbol: 'BRK.B' }, 'tw.a.quote.BRK=2EB'],
      [{ source: 'a', kind: 'bar', symbol: 'A B', interval: '1m' }, 'tw.a.bar-1m.A=20B'],
      [{ source: ANY, kind: 'trade', symbol: ANY }, 'tw.*.trade.*'],
      [{ source: 'a', kind: 'trade', symbol: 'A*' }, 'tw.a.trade.A=2A'],
    ]
    for (const [topic, subject] of spelt) assert.equal(encodeSubject(topic), subject)
  })

  it('keeps apart what is different', () => {
    fc.assert(
      fc.property(anyTopic, anyTopic, (a, b) => {
        assert.equal(encodeSubject(a) === encodeSubject(b), formatTopic(a) === formatTopic(b))
      }),
    )
  })

  for (const text of [
    ...['', 'tw', 'tw.a.trade', 'tw.a.trade.', 'tw..trade.A', 'xx.a.trade.A', 'tw.a.trade.A.B'],
    ...['tw.a.trad.A', 'tw.a.trade.A=', 'tw.a.trade.=ZZ', 'tw.a.trade.=2f', 'tw.a.trade.=41'],
    ...['tw.a.trade.BTC/USD', 'tw.a.bar@1m.A', 'tw.a.trade.=FF', 'tw.a.bar-1x.A', 'tw.a.trade.=2A'],
  ]) {
    it(`is not ${JSON.stringify(text)}`, () => assert.throws(() => decodeSubject(text), badOption))
  }
})

describe('isInterval', () => {
  it('takes a count and a unit', () => {
    for (const text of ['1s', '5m', '1h', '1d', '1w', '99999m']) assert.ok(isInterval(text), text)
    for (const text of ['', '1', 'm', '0m', '01m', '1M', '-1m', '1.5m', '100000m', '1m\n', ' 1m']) {
      assert.ok(!isInterval(text), JSON.stringify(text))
    }
  })
})

describe('topicFilter', () => {
  /** The rule in one sentence per line, tried on every topic. */
  const naive = (topics: readonly Topic[]) => (event: MarketEvent) =>
    event.type === 'notice' ||
    topics.some(topic => {
      const symbols = event.type === 'news' ? event.symbols : [event.symbol]
      return (
        topic.kind === event.type &&
        (topic.source === ANY || topic.source === event.source) &&
        (topic.symbol === ANY || symbols.includes(topic.symbol)) &&
        (event.type !== 'bar' || !topic.interval || topic.interval === event.interval)
      )
    })

  const few = (names: string[]) => fc.constantFrom(...names)
  const crowded = fc
    .constantFrom(...EVENT_TYPES)
    .chain(type =>
      fc.tuple(
        anyEvent(type),
        few(['A', 'B', 'C']),
        few(['x', 'y']),
        few(['1m', '5m']),
        fc.array(few(['A', 'B', 'C'])),
      ),
    )
    .map(([event, symbol, source, interval, symbols]) =>
      Object.assign(event, {
        symbol,
        source,
        ...(event.type === 'bar' && { interval }),
        ...(event.type === 'news' && { symbols, symbol: symbols[0] }),
      }),
    )
  const crowdedTopic = fc.record({
    source: few(['x', 'y', ANY]),
    kind: fc.constantFrom(...EVENT_TYPES),
    symbol: few(['A', 'B', ANY]),
    interval: fc.option(fc.constantFrom<Interval>('1m', '5m'), { nil: undefined }),
  })

  it('agrees with the rule tried on every topic', () => {
    let hits = 0
    fc.assert(
      fc.property(fc.array(crowdedTopic), fc.array(crowded), (topics, events) => {
        const wanted = naive(topics)
        const filter = topicFilter(topics)
        for (const event of events) {
          assert.equal(filter(event), wanted(event))
          if (wanted(event) && event.type !== 'notice') hits++
        }
      }),
      { numRuns: 200 },
    )
    assert.ok(hits > 50, 'some events are wanted')
  })

  it('lets notices through even when nothing is asked for', () => {
    const [notice] = fc.sample(anyEvent('notice'), { numRuns: 1, seed: 1 })
    const [trade] = fc.sample(anyEvent('trade'), { numRuns: 1, seed: 1 })
    assert.equal(topicFilter([])(notice!), true)
    assert.equal(topicFilter([])(trade!), false)
  })
})
