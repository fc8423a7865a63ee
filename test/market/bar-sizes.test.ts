import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeColumns, encodeColumns } from '../../src/market/columns.ts'
import { createEvent, Flag, type Interval } from '../../src/market/events.ts'
import { decodeEvent, encodeEvent } from '../../src/market/json.ts'
import {
  decodeSubject,
  encodeSubject,
  formatTopic,
  isInterval,
  parseTopic,
} from '../../src/market/topics.ts'

const SIZES: readonly Interval[] = ['1s', '1d', '500t', '10000v', '1000000$', '999999999999$']

const bar = (interval: Interval) =>
  createEvent({
    ...{ type: 'bar', symbol: 'SPY', source: 'x', timestamp: 1_705_415_400_000, interval },
    ...{ open: 1, high: 2, low: 1, close: 2, volume: 3, vwap: 1.5, tradeCount: 2 },
    ...{ final: true, revision: 1, flags: Flag.derived },
  })

describe('bars by what they hold', () => {
  for (const interval of SIZES) {
    test(`${interval} has a place in JSON, blocks, topics and subjects`, () => {
      const event = bar(interval)
      assert.deepEqual(decodeEvent(JSON.parse(encodeEvent(event))), event)
      assert.deepEqual(decodeColumns(encodeColumns([event])), [event])
      const topic = { source: 'x', kind: 'bar', symbol: 'SPY', interval } as const
      assert.deepEqual(parseTopic(formatTopic(topic)), topic)
      assert.deepEqual(decodeSubject(encodeSubject(topic)), topic)
      // NATS takes these and no others in keys.
      assert.match(encodeSubject(topic), /^[-/_=.a-zA-Z0-9]+$/)
    })
  }

  test('what is no size is none', () => {
    for (const text of ['0t', 't', '1.5t', '-1v', '1$$', '$', '1000000000000$', '1e3v']) {
      assert.ok(!isInterval(text), text)
    }
  })
})
