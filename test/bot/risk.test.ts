import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { notice, puppet, quote, trade } from './kit.ts'

const market = quote(0, [99, 5_000, 100, 5_000])

describe('an entry is refused', () => {
  const cases = [
    ['BAD_ORDER', {}, bot => bot.buy('SPY', 0)],
    ['BAD_ORDER', {}, bot => bot.buy('SPY', Number.NaN)],
    ['BAD_ORDER', {}, bot => bot.buy('SPY', 1, { limitPrice: -1 })],
    ['BAD_ORDER', {}, bot => bot.buy('SPY', 1, { type: 'limit' })],
    ['BAD_ORDER', {}, bot => bot.buy('MSFT', 1)],
    ['SHORT', {}, bot => bot.sell('SPY', 1)],
    ['POSITION', { maxPosition: 10 }, bot => bot.buy('SPY', 11)],
    ['POSITION', { maxPositionNotional: 1_000 }, bot => bot.buy('SPY', 11)],
    ['ORDER_SIZE', { maxOrderNotional: 1_000 }, bot => bot.buy('SPY', 11)],
    ['GROSS', { maxGrossNotional: 1_000 }, bot => bot.buy('SPY', 11)],
    ['PRICE_COLLAR', {}, bot => bot.buy('SPY', 1, { limitPrice: 90 })],
    ['PRICE_COLLAR', { priceCollar: 0.01 }, bot => bot.buy('SPY', 1, { stopPrice: 101.5 })],
    ['BUYING_POWER', {}, bot => bot.buy('SPY', 2_000)],
  ] as const satisfies readonly (readonly [string, object, (bot: BotOf) => unknown])[]
  for (const [code, risk, act] of cases) {
    test(`${code}: ${act.toString().replace(/^.*?bot\./, '')} ${JSON.stringify(risk)}`, () => {
      const { on, refusals, give, said } = puppet({ risk })
      on(market, act)
      give(trade(100, 100))
      assert.deepEqual([refusals(), said()], [[code], []])
    })
  }

  test('NO_PRICE before anything is known', () => {
    const { give, refusals } = puppet({}, { onNotice: (_, bot) => bot.buy('SPY', 1) })
    give(notice(0, 'connected'))
    assert.deepEqual(refusals(), ['NO_PRICE'])
  })

  test('MARKET_CLOSED outside of the sessions it is for', () => {
    const night = 7 * 3_600_000
    for (const [sessions, codes] of [
      [undefined, ['MARKET_CLOSED']],
      [['regular', 'post'], []],
    ] as const) {
      const { on, refusals } = puppet({ risk: sessions ? { sessions } : {} })
      on(quote(night, [99, 5_000, 100, 5_000]), bot => bot.buy('SPY', 1))
      assert.deepEqual(refusals(), codes)
    }
  })

  test('RATE after so many within a minute, DUPLICATE when it is the same at once', () => {
    const { on, refusals } = puppet({ risk: { maxOrdersPerMinute: 2 } })
    on(market, bot => {
      bot.buy('SPY', 1)
      bot.buy('SPY', 1)
      bot.buy('SPY', 2)
      bot.buy('SPY', 3)
    })
    assert.deepEqual(refusals(), ['DUPLICATE', 'RATE'])
    on(trade(61_000, 100), bot => bot.buy('SPY', 1))
    assert.equal(refusals().length, 2)
  })

  test('DAILY_LOSS until the next day; what closes goes through', () => {
    const { on, give, refusals, said } = puppet({ risk: { maxDailyLoss: 50 } })
    on(market, bot => bot.buy('SPY', 10))
    give(trade(20, 100))
    on(quote(10_000, [94, 500, 95, 500]), () => {})
    on(trade(10_001, 94), bot => {
      bot.buy('SPY', 1)
      bot.sell('SPY', 10)
    })
    give(trade(10_020, 94))
    assert.deepEqual(refusals(), ['DAILY_LOSS'])
    assert.equal(said().length, 2)
    on(trade(86_400_000, 94), bot => bot.buy('SPY', 1))
    assert.deepEqual(refusals(), ['DAILY_LOSS'])
  })

  test('HALTED between the halt and the resumption, also where it closes', () => {
    const status = (at: number, statusCode: string) =>
      ({ ...notice(at, 'clock'), type: 'status', symbol: 'SPY', statusCode }) as never
    const { on, give, refusals } = puppet()
    give(market, status(1, 'H'))
    on(trade(2, 100), bot => bot.buy('SPY', 1))
    give(status(3, 'T'))
    on(trade(4, 100), bot => bot.buy('SPY', 2))
    assert.deepEqual(refusals(), ['HALTED'])
  })
})

describe('while the data cannot be trusted entries are refused and exits go through', () => {
  const names = 'A, SPY, B since 2024-01-16T15:00:00.000Z is being filled'
  for (const [how, bad, good] of [
    ['stale', ['stale', { symbol: 'SPY' }], ['live', { symbol: 'SPY' }]],
    ['stale as a whole', ['stale', {}], ['live', {}]],
    ['down', ['disconnected', {}], ['connected', {}]],
    [
      'gapped',
      ['gap', { symbol: 'SPY', kind: 'trade' }],
      ['repaired', { symbol: 'SPY', kind: 'trade' }],
    ],
    [
      'gapped with many',
      ['gap', { kind: 'trade', message: `the hole in trades of ${names}` }],
      ['unrepaired', { kind: 'trade', message: `the hole in trades of ${names}` }],
    ],
  ] as readonly Case[]) {
    test(how, () => {
      const { on, give, refusals, said } = puppet()
      on(market, bot => bot.buy('SPY', 10))
      give(trade(20, 100), notice(30, ...bad))
      on(trade(40, 100), bot => {
        assert.notEqual(bot.health('SPY'), 'live')
        bot.buy('SPY', 1)
        bot.sell('SPY', 11)
        bot.sell('SPY', 10)
      })
      assert.deepEqual(refusals(), ['DATA_QUALITY', 'DATA_QUALITY'])
      give(notice(60, ...good), trade(61, 100))
      assert.equal(said().length, 2)
      on(trade(70, 100), bot => bot.buy('SPY', 1))
      assert.equal(refusals().length, 2)
    })
  }
})

test('what is on its way counts: two orders cannot close the same position, nor fill it twice over', () => {
  const { on, give, refusals } = puppet({ risk: { maxPosition: 10, duplicateMs: 0 } })
  on(market, bot => {
    bot.buy('SPY', 6)
    bot.buy('SPY', 6)
  })
  give(trade(20, 100))
  on(trade(30, 100), bot => {
    bot.sell('SPY', 4)
    bot.sell('SPY', 4)
  })
  assert.deepEqual(refusals(), ['POSITION', 'SHORT'])
})

test('a paused bot may only leave, one that catches up may do nothing', () => {
  const { on, give, refusals, loop, said } = puppet()
  on(market, bot => bot.buy('SPY', 10))
  give(trade(20, 100))
  loop.command('pause')
  on(trade(30, 100), bot => {
    bot.buy('SPY', 1)
    bot.sell('SPY', 3)
  })
  loop.isCatchingUp = true
  on(trade(50, 100), bot => bot.sell('SPY', 2))
  assert.deepEqual(refusals(), ['PAUSED', 'CATCHING_UP'])
  loop.command('flatten')
  loop.isCatchingUp = false
  loop.command('flatten')
  give(trade(80, 100))
  assert.deepEqual(
    said().map(([, quantity]) => quantity),
    [10, 3, 7],
  )
})

describe('limits hold for', () => {
  const short = { risk: { allowShort: true, duplicateMs: 0 }, cash: 10_000 }
  const at = (ms: number, more: object = {}) => quote(ms, [100, 5_000, 100, 5_000], more)

  test('what shorts have brought: it buys nothing more', () => {
    const { on, give, refusals, loop } = puppet(short)
    on(at(0), bot => bot.sell('SPY', 100))
    give(at(20))
    assert.equal(loop.cash, 20_000)
    on(at(30), bot => bot.sell('SPY', 1))
    assert.deepEqual(refusals(), ['BUYING_POWER'])
  })

  test('what would turn a position: of it only the part beyond closing', () => {
    const { on, give, refusals, loop } = puppet(short)
    on(at(0), bot => bot.buy('SPY', 100))
    give(at(20))
    on(at(30), bot => {
      bot.sell('SPY', 90)
      // Ten are left to close; of the orders on their way, too, what they open counts.
      bot.sell('SPY', 20)
    })
    assert.deepEqual(refusals(), ['BUYING_POWER'])
    give(at(50))
    on(at(60), bot => bot.sell('SPY', 100))
    give(at(80))
    assert.deepEqual(
      loop.positions().map(({ quantity }) => quantity),
      [-90],
    )
    assert.equal(refusals().length, 1)
  })

  test('what is offered, where that is far from what traded last', () => {
    const { on, refusals } = puppet({ cash: 10_000 })
    on(trade(0, 100), () => {})
    on(quote(10, [99, 5_000, 104, 5_000]), bot => bot.buy('SPY', 98))
    on(quote(20, [99, 5_000, 140, 5_000]), bot => bot.buy('SPY', 1))
    assert.deepEqual(refusals(), ['BUYING_POWER', 'PRICE_COLLAR'])
  })

  test('entries by size, not what closes them', () => {
    const { on, give, refusals, loop } = puppet({ risk: { maxOrderNotional: 1_000 } })
    for (const ms of [0, 2_000]) on(at(ms), bot => bot.buy('SPY', 10))
    give(at(3_000))
    on(at(4_000), bot => bot.close('SPY'))
    give(at(5_000))
    assert.deepEqual([refusals(), loop.positions()[0]?.quantity], [[], 0])
  })

  test('the data of each source a bot reads, not of one of them', () => {
    const { on, give, refusals } = puppet({ symbols: ['SPY', 'BTC/USD'] })
    const coin = (ms: number) => at(ms, { symbol: 'BTC/USD', source: 'other' })
    give(at(0), coin(1))
    give(notice(10, 'disconnected', { source: 'other' }))
    on(at(20), bot => {
      bot.buy('BTC/USD', 1)
      bot.buy('SPY', 1)
    })
    assert.deepEqual(refusals(), ['DATA_QUALITY'])
  })
})

describe('flatten', () => {
  const risk = { duplicateMs: 60_000, maxOrdersPerMinute: 2 }
  test('cancels first, and closes once that is done, what bounds a strategy notwithstanding', () => {
    for (const latencyMs of [10, [1, 90]] as const) {
      const { on, give, refusals, loop, said } = puppet({ risk, paper: { latencyMs } })
      on(market, bot => bot.buy('SPY', 10))
      give(trade(100, 100))
      on(trade(110, 100), bot => bot.sell('SPY', 10, { limitPrice: 101 }))
      give(trade(220, 100))
      loop.command('flatten')
      for (let i = 1; i <= 10; i++) give(quote(220 + i * 50, [99, 5_000, 100, 5_000]))
      assert.deepEqual(refusals(), [])
      assert.deepEqual(loop.positions()[0]?.quantity, 0)
      assert.deepEqual(
        said().map(([, quantity]) => quantity),
        [10, 10],
      )
    }
  })

  test('goes on trying while a symbol is halted, over a restart too', () => {
    const status = (at: number, statusCode: string) =>
      ({ ...market, receivedAt: market.receivedAt + at, type: 'status', statusCode }) as never
    const first = puppet()
    first.on(market, bot => bot.buy('SPY', 10))
    first.give(trade(20, 100), status(30, 'H'))
    first.loop.command('flatten')
    first.give(quote(40, [99, 5_000, 100, 5_000]))
    assert.deepEqual(first.refusals(), ['HALTED'])
    const second = puppet()
    second.loop.restore(JSON.parse(JSON.stringify(first.loop.snapshot())))
    second.give(status(50, 'T'), quote(60, [99, 5_000, 100, 5_000]))
    assert.deepEqual(second.decisions, [])
    second.give(quote(11_000, [98, 5_000, 99, 5_000]), quote(11_100, [98, 5_000, 99, 5_000]))
    assert.deepEqual(
      second.said().map(([price, quantity]) => [price, quantity]),
      [[98, 10]],
    )
    second.give(quote(30_000, [98, 5_000, 99, 5_000]))
    assert.equal(second.decisions.length, 1)
  })
})

type Told = readonly [name: string, more: object]
type Case = readonly [how: string, bad: Told, good: Told]
type BotOf = Parameters<Parameters<ReturnType<typeof puppet>['on']>[1]>[0]
