// What the worker tells the page: only what is new, and nothing of a day that is over.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createEvent, type Trade } from '../../src/market/events.ts'
import type { Prints } from '../../web/wire.ts'
import { Line } from '../../web/worker/line.ts'
import { PrintLog } from '../../web/worker/print-log.ts'

const START = Date.UTC(2025, 5, 2, 14, 0, 0)

function trade(seq: number): Trade {
  const at = START + seq
  const about = { symbol: 'SPY', source: 's', timestamp: at, receivedAt: at } as const
  return createEvent({ ...about, type: 'trade', price: 100 + seq, size: 1, id: seq, seq }) as Trade
}

const pricesOf = ({ list }: Prints) => list.map(it => (it.kind === 'trade' ? it.price : it.text))

describe('what the page is told of trades', () => {
  it('is all of them once, and then those that are new', () => {
    const log = new PrintLog('SPY')
    log.trade(trade(1))
    log.trade(trade(2))
    const first = log.changed()!
    assert.deepEqual([first.isWhole, pricesOf(first)], [true, [102, 101]])
    assert.equal(log.changed(), undefined)
    log.trade(trade(3))
    log.trade(trade(3))
    log.trade(trade(4))
    const next = log.changed()!
    assert.deepEqual([next.isWhole, pricesOf(next), next.count], [false, [104, 103], 4])
  })

  it('is all that is kept, where more is new than that, and where the past has come', () => {
    const log = new PrintLog('SPY')
    log.changed()
    for (let seq = 1_000; seq < 2_000; seq++) log.trade(trade(seq))
    const many = log.changed()!
    assert.equal(many.isWhole, true)
    assert.deepEqual(pricesOf(many).slice(0, 2), [2_099, 2_098])
    assert.equal(many.list.length, 300)
    const other = new PrintLog('SPY')
    other.trade(trade(10))
    other.changed()
    other.past([trade(8), trade(9), trade(10)])
    const whole = other.changed()!
    assert.deepEqual([whole.isWhole, pricesOf(whole)], [true, [110, 109, 108]])
  })
})

describe('a line of the list', () => {
  it('notices that another day has begun, once', () => {
    const line = new Line('BTC/USD', () => {})
    assert.equal(line.hasTurned(START), false)
    assert.equal(line.hasTurned(START + 3_600_000), false)
    assert.equal(line.hasTurned(START + 86_400_000), true)
    assert.equal(line.hasTurned(START + 86_401_000), false)
  })
})

describe('a line that is stale', () => {
  it('stays so by what was received before that was said, and lives by what comes behind it', () => {
    const line = new Line('SPY', () => {})
    line.accept(trade(1), true, START + 1)
    line.silent('stale', 'the venue has newer data', START + 100)
    line.accept(trade(90), true, START + 110)
    assert.equal(line.state, 'stale')
    line.accept(trade(101), true, START + 110)
    assert.equal(line.state, 'live')
  })
})
