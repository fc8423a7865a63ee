import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bar, notice, puppet, quote, T0, trade } from './kit.ts'

describe('a market order', () => {
  test('takes what the best quote shows when it arrives, and the rest from the next ones', () => {
    const { give, on, fills, said, orders } = puppet()
    on(quote(0, [99, 500, 100, 30]), bot => bot.buy('SPY', 50))
    // On its way for 10 ms: this one comes first.
    give(quote(5, [99, 500, 101, 30]))
    give(quote(20, [99, 500, 101, 40]))
    give(quote(30, [99, 500, 102, 40]))
    assert.deepEqual(said(), [
      [101, 30, 'taker'],
      [101, 20, 'taker'],
    ])
    assert.deepEqual(
      fills.map(({ timestamp }) => timestamp - T0),
      [10, 20],
    )
    assert.deepEqual(
      orders.map(({ status }) => status),
      ['open'],
    )
  })

  test('takes nothing twice from one quote', () => {
    const { give, on, said } = puppet({ risk: { duplicateMs: 0 } })
    on(quote(0, [99, 500, 100, 30]), bot => {
      bot.buy('SPY', 20)
      bot.buy('SPY', 20)
    })
    give(trade(20, 100))
    assert.deepEqual(said(), [
      [100, 20, 'taker'],
      [100, 10, 'taker'],
    ])
    give(quote(30, [99, 500, 100.5, 30]))
    assert.deepEqual(said()[2], [100.5, 10, 'taker'])
  })

  test('pays slippage and fees, the fee of the order once', () => {
    const fees = { perOrder: 1, perUnit: 0.01, rate: 0.001 }
    const { give, on, fills, loop } = puppet({ paper: { latencyMs: 10, slippageBps: 10, fees } })
    on(quote(0, [99, 500, 100, 30]), bot => bot.buy('SPY', 40))
    give(quote(20, [99, 500, 100, 30]))
    give(quote(40, [99, 500, 100, 30]))
    assert.deepEqual(
      fills.map(({ price, quantity }) => [price, quantity]),
      [
        [100.1, 30],
        [100.1, 10],
      ],
    )
    const fee = [1 + 0.3 + 3.003, 0.1 + 1.001]
    for (const [i, fill] of fills.entries()) assert.ok(Math.abs(fill.fee - fee[i]!) < 1e-9)
    assert.ok(Math.abs(loop.cash - (100_000 - 4_004 - fee[0]! - fee[1]!)) < 1e-9)
  })

  test('without quotes takes what trades; repaired and late trades are past', () => {
    const { give, on, said } = puppet()
    on(trade(0, 100), bot => bot.buy('SPY', 50))
    give(trade(20, 101, 20, { flags: 1 }), trade(21, 101, 20, { flags: 2 }))
    assert.deepEqual(said(), [])
    give(trade(22, 102, 30), trade(23, 103, 30))
    assert.deepEqual(said(), [
      [102, 30, 'taker'],
      [103, 20, 'taker'],
    ])
  })

  test('with bars alone is filled at the open of the next one', () => {
    const { give, on, said } = puppet()
    on(bar(60_000, [10, 12, 9, 11]), bot => bot.buy('SPY', 50))
    give(bar(120_000, [11.5, 13, 11, 12]))
    assert.deepEqual(said(), [[11.5, 50, 'taker']])
  })
})

test('what is sent while a bar runs is filled at its close, not at prices of before', () => {
  const { give, on, said, loop } = puppet({}, { subscribe: { venueBars: ['1m', '1h'] } })
  on(bar(60_000, [10, 12, 9, 11]), bot => bot.buy('SPY', 50))
  // It began an hour before the order was sent.
  give(bar(70_000, [5, 20, 4, 11.2], { interval: '1h', timestamp: T0 - 3_530_000 }))
  assert.deepEqual(said(), [[11.2, 50, 'taker']])
  on(bar(120_000, [11, 12, 10, 11]), bot => bot.sell('SPY', 50, { limitPrice: 11.5 }))
  give(bar(130_000, [5, 20, 4, 11.2], { interval: '1h', timestamp: T0 - 3_470_000 }))
  assert.equal(loop.positions()[0]?.quantity, 50)
})

test('no two orders have the same of a trade', () => {
  const { give, on, said } = puppet({ risk: { duplicateMs: 0 } })
  on(trade(0, 100), bot => {
    bot.buy('SPY', 20)
    bot.buy('SPY', 20)
  })
  give(trade(20, 101, 30), trade(21, 102, 30))
  assert.deepEqual(said(), [
    [101, 20, 'taker'],
    [101, 10, 'taker'],
    [102, 10, 'taker'],
  ])
})

test('without quotes a limit that the market is beyond takes what trades, at that price', () => {
  const { give, on, said } = puppet()
  on(trade(0, 95), bot => bot.buy('SPY', 20, { limitPrice: 98 }))
  give(trade(20, 95.5, 5), trade(30, 98.5, 5), trade(40, 97.9, 5))
  assert.deepEqual(said(), [
    [95.5, 5, 'taker'],
    [98, 15, 'maker'],
  ])
})

describe('a limit order', () => {
  test('takes what is there at its price or better, and the rest stands in the book', () => {
    const { give, on, said } = puppet()
    on(quote(0, [99, 500, 100, 30]), bot => bot.buy('SPY', 50, { limitPrice: 100 }))
    give(quote(20, [100, 10, 101, 30]))
    assert.deepEqual(said(), [[100, 30, 'taker']])
    // It was the first at its price: the ten came behind.
    give(trade(30, 100, 15))
    assert.deepEqual(said()[1], [100, 15, 'maker'])
    give(trade(31, 100, 100))
    assert.deepEqual(said()[2], [100, 5, 'maker'])
  })

  test('waits for what stands before it at its price; who leaves moves it on', () => {
    const { give, on, said } = puppet()
    on(quote(0, [99, 500, 100, 30]), bot => bot.buy('SPY', 50, { limitPrice: 99 }))
    give(quote(20, [99, 300, 100, 30]), trade(30, 99, 200))
    assert.deepEqual(said(), [])
    give(trade(31, 99, 120))
    assert.deepEqual(said(), [[99, 20, 'maker']])
  })

  test('is filled whole where trades go through its price, at its price', () => {
    const { give, on, said } = puppet()
    on(quote(0, [99, 500, 100, 30]), bot => bot.buy('SPY', 50, { limitPrice: 98.5 }))
    give(trade(20, 98.5, 1_000))
    assert.deepEqual(said(), [], 'nobody knows what stands there')
    give(trade(30, 98.4, 1))
    assert.deepEqual(said(), [[98.5, 50, 'maker']])
  })

  test('is the first inside the spread, and filled when the other side comes to it', () => {
    const { give, on, said } = puppet()
    on(quote(0, [99, 500, 100, 30]), bot => bot.sell('SPY', 50, { limitPrice: 99.5 }))
    assert.deepEqual(said(), [])
    const short = puppet({ risk: { allowShort: true } })
    short.on(quote(0, [99, 500, 100, 30]), bot => bot.sell('SPY', 50, { limitPrice: 99.5 }))
    short.give(trade(20, 99.5, 10), quote(30, [99.6, 25, 100, 30]))
    assert.deepEqual(short.said(), [
      [99.5, 10, 'maker'],
      [99.5, 25, 'maker'],
    ])
    give(quote(40, [99, 1, 100, 1]))
  })

  test('ioc leaves nothing behind; fok is filled whole or not at all', () => {
    const { give, on, said, orders } = puppet()
    on(quote(0, [99, 500, 100, 30]), bot => {
      bot.buy('SPY', 50, { limitPrice: 100, timeInForce: 'fok' })
      bot.buy('SPY', 40, { limitPrice: 100, timeInForce: 'ioc' })
    })
    give(quote(20, [99, 500, 100, 30]))
    assert.deepEqual(said(), [[100, 30, 'taker']])
    assert.deepEqual(
      orders.filter(({ ending }) => ending).map(({ status, quantity }) => [status, quantity]),
      [
        ['canceled', 50],
        ['canceled', 40],
      ],
    )
  })

  test('of the day expires with the session, in tape time', () => {
    const { give, on, orders } = puppet()
    on(quote(0, [99, 500, 100, 30]), bot => bot.buy('SPY', 50, { limitPrice: 99 }))
    give(trade(6 * 3_600_000 + 1, 99))
    assert.deepEqual(
      [orders.at(-1)?.status, orders.at(-1)?.ending],
      ['expired', 'the session ended'],
    )
  })

  test('with bars alone is filled where the range went through its price', () => {
    const { give, on, said } = puppet()
    on(bar(60_000, [10, 12, 9, 11]), bot => bot.buy('SPY', 50, { limitPrice: 10.5 }))
    give(bar(120_000, [11, 12, 10.5, 12]))
    assert.deepEqual(said(), [], 'at its edge nobody knows')
    give(bar(180_000, [11, 12, 10.4, 12]))
    assert.deepEqual(said(), [[10.5, 50, 'maker']])
  })
})

describe('a stop order', () => {
  test('waits for its price to trade, then takes what there is', () => {
    const { give, on, said } = puppet()
    on(quote(0, [99, 500, 100, 30]), bot => bot.buy('SPY', 20))
    give(trade(20, 100))
    on(quote(30, [99, 500, 100, 30]), bot => bot.sell('SPY', 20, { stopPrice: 98 }))
    give(trade(50, 98.1), quote(51, [97, 15, 98, 30]), trade(52, 98))
    give(quote(60, [96, 15, 97, 30]))
    assert.deepEqual(said().slice(1), [
      [97, 15, 'taker'],
      [96, 5, 'taker'],
    ])
  })

  test('with a limit stands in the book at that once it is triggered', () => {
    const { give, on, said } = puppet()
    give(trade(-1, 100))
    on(quote(0, [99, 500, 100, 30]), bot => {
      bot.buy('SPY', 20, { stopPrice: 101, limitPrice: 101.5 })
    })
    give(quote(20, [101, 5, 102, 30]), trade(21, 101))
    assert.deepEqual(said(), [])
    give(quote(30, [101, 5, 101.5, 8]), trade(40, 101.4, 1))
    assert.deepEqual(said(), [
      [101.5, 8, 'maker'],
      [101.5, 12, 'maker'],
    ])
  })
})

test('a cancel takes its time, and what was filled before it stays', () => {
  const { give, on, said, orders, loop } = puppet()
  on(quote(0, [99, 0, 100, 30]), bot => bot.buy('SPY', 50, { limitPrice: 99 }))
  on(quote(20, [99, 0, 100, 30]), bot => bot.cancel('puppet-1'))
  give(trade(25, 99, 10), quote(40, [99, 0, 100, 30]), trade(41, 98, 10))
  assert.deepEqual(said(), [[99, 10, 'maker']])
  assert.deepEqual(
    orders.map(({ status, filled }) => [status, filled]),
    [
      ['open', 0],
      ['canceled', 10],
    ],
  )
  assert.deepEqual(
    loop.positions().map(({ quantity }) => quantity),
    [10],
  )
})

test('the same seed gives the same latency, another one another', () => {
  const timesOf = (seed: number) => {
    const { give, on, fills } = puppet({ seed, paper: { latencyMs: [10, 1_000] } })
    on(quote(0, [99, 500, 100, 30]), bot => bot.buy('SPY', 20))
    give(quote(2_000, [99, 500, 100, 30]))
    return fills[0]!.timestamp - T0
  }
  assert.equal(timesOf(7), timesOf(7))
  assert.notEqual(timesOf(7), timesOf(8))
})

test('a book is a market too; one that is not whole is none', () => {
  const { give, on, said } = puppet({}, { onBook: () => {} })
  const part = (at: number, asks: readonly (readonly [number, number])[]) =>
    ({
      ...notice(at, 'clock'),
      ...{ type: 'book', symbol: 'SPY', bids: [[99, 5]], asks, snapshot: true },
    }) as never
  give(part(0, [[100, 30]]))
  on(trade(1, 100), bot => bot.buy('SPY', 50))
  give(notice(20, 'gap', { symbol: 'SPY', kind: 'book' }))
  assert.deepEqual(said(), [[100, 30, 'taker']])
  give(trade(30, 100), part(40, [[101, 30]]))
  assert.deepEqual(said().slice(1), [[101, 20, 'taker']])
})
