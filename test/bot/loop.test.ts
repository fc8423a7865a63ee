import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { seededRandom } from '../../src/base/random.ts'
import { BotLoop, type LoopSnapshot } from '../../src/bot/loop.ts'
import type { Fill } from '../../src/bot/orders.ts'
import { type Decision, defineStrategy, paramsOf } from '../../src/bot/strategy.ts'
import { Ema } from '../../src/derive/indicators.ts'
import type { MarketEvent } from '../../src/market/events.ts'
import { puppet, quote, T0, trade } from './kit.ts'

/** Buys and sells by two averages, with all there is to remember. */
const crossing = defineStrategy({
  name: 'crossing',
  params: z.object({ fast: z.number().default(5), slow: z.number().default(20) }),
  subscribe: { trades: true, quotes: true, bars: '1s' },
  onTrade({ symbol, price }, bot) {
    const fast = bot.indicator(`fast ${symbol}`, () => new Ema(bot.params.fast)).update(price)
    const slow = bot.indicator(`slow ${symbol}`, () => new Ema(bot.params.slow)).update(price)
    if (fast === undefined || slow === undefined || bot.openOrders.length > 0) return
    const held = bot.position(symbol).quantity
    if (fast > slow && held === 0) bot.buy(symbol, 1 + Math.floor(bot.random() * 20))
    else if (fast < slow && held > 0) bot.sell(symbol, held, { limitPrice: price })
  },
  onBar({ symbol }, bot) {
    bot.state[symbol] = ((bot.state[symbol] as number) ?? 0) + 1
    bot.setTimer('late', 1_500)
  },
  onTimer(_name, bot) {
    for (const { id } of bot.openOrders) bot.cancel(id)
  },
})

function market(seed: number, count = 3_000): MarketEvent[] {
  const random = seededRandom(seed)
  let [at, price] = [0, 100]
  return Array.from({ length: count }, () => {
    at += Math.floor(random() * 300)
    price = Math.round((price + (random() - 0.5) * 0.2) * 100) / 100
    const symbol = random() < 0.5 ? 'SPY' : 'QQQ'
    const size = 1 + Math.floor(random() * 30)
    return random() < 0.5
      ? trade(at, price, size, { symbol })
      : quote(at, [price - 0.01, size, price + 0.01, size], { symbol })
  })
}

function run(
  loop: BotLoop<never>,
  events: readonly MarketEvent[],
  cutAt: readonly number[] = [],
  make: (from: LoopSnapshot, warm: readonly MarketEvent[]) => BotLoop<never> = () => loop,
) {
  let current = loop
  for (const [i, event] of events.entries()) {
    if (cutAt.includes(i)) {
      const saved = JSON.parse(JSON.stringify(current.snapshot())) as LoopSnapshot
      current = make(saved, events.slice(0, i))
    }
    current.accept(event)
  }
  return current
}

const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown

describe('a bot', () => {
  test('that is stopped and restarted wherever does what one does that never stopped', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed)
      const events = market(seed)
      const make = (told: { decisions: Decision[]; fills: Fill[] }) =>
        new BotLoop<never>({
          ...{ strategy: crossing as never, params: paramsOf(crossing, {}) as never, seed },
          symbols: ['SPY', 'QQQ'],
          paper: { latencyMs: [10, 500], fees: { perUnit: 0.01 } },
          listener: {
            decided: decision => told.decisions.push(structuredClone(decision)),
            fill: fill => told.fills.push(fill),
          },
        })
      const whole = { decisions: [] as Decision[], fills: [] as Fill[] }
      const straight = run(make(whole), events)
      const parts = { decisions: [] as Decision[], fills: [] as Fill[] }
      const cuts = Array.from({ length: 6 }, () => Math.floor(random() * events.length))
      const cut = run(make(parts), events, cuts, (from, warm) => {
        const loop = make(parts)
        for (const event of warm) loop.warm(event)
        loop.restore(from)
        return loop
      })
      assert.ok(whole.fills.length > 10, `${whole.fills.length} fills`)
      assert.deepEqual(parts, whole)
      assert.deepEqual(plain(cut.snapshot()), plain(straight.snapshot()))
    }
  })

  test('does before a moment the same whatever comes behind it', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const [events, others] = [market(seed), market(seed + 100)]
      const half = Math.floor(events.length / 2)
      const then = events[half - 1]!.receivedAt
      const behind = others.filter(({ receivedAt }) => receivedAt > then)
      const decided = (list: readonly MarketEvent[]) => {
        const decisions: unknown[] = []
        const params = paramsOf(crossing, {}) as never
        const loop = new BotLoop<never>({
          ...{ strategy: crossing as never, params, symbols: ['SPY', 'QQQ'] },
          listener: {
            decided: (it, cause) => {
              if (cause && cause.receivedAt <= then) decisions.push(structuredClone(it))
            },
          },
        })
        run(loop, list)
        return decisions
      }
      assert.deepEqual(decided([...events.slice(0, half), ...behind]), decided(events))
    }
  })

  test('calls timers at their tape time, before what comes then', () => {
    const order: string[] = []
    const { give, on } = puppet(
      {},
      {
        onTimer: (name, bot) => {
          order.push(`${name} ${bot.now - T0}`)
          if (name === 'a') bot.setTimer('c', 5)
        },
        onOrder: ({ status }, bot) => order.push(`${status} ${bot.now - T0}`),
      },
    )
    on(quote(0, [99, 5, 100, 5]), bot => {
      bot.setTimer('b', 30)
      bot.setTimer('a', 20)
      bot.setTimer('never', 25)
      bot.clearTimer('never')
      bot.buy('SPY', 1)
    })
    give(trade(1_000, 100))
    assert.deepEqual(order, ['open 10', 'a 20', 'c 25', 'b 30'])
  })

  test('shows a cash account that adds up, and positions with their averages', () => {
    const { on, give, loop } = puppet({ risk: { allowShort: true, duplicateMs: 0 }, cash: 10_000 })
    const at = (ms: number, price: number) => quote(ms, [price, 1_000, price, 1_000])
    on(at(0, 10), bot => bot.buy('SPY', 10))
    on(at(100, 12), bot => bot.buy('SPY', 10))
    give(at(200, 12))
    assert.deepEqual(loop.positions()[0], {
      ...{ symbol: 'SPY', quantity: 20, averagePrice: 11, realized: 0 },
    })
    on(at(300, 12), bot => bot.sell('SPY', 30, { reason: 'turns' }))
    give(at(400, 14))
    // The quote of 400 came behind the order's arrival: it was filled at 12.
    assert.deepEqual(loop.positions()[0], {
      ...{ symbol: 'SPY', quantity: -10, averagePrice: 12, realized: 20 },
    })
    assert.equal(loop.cash, 10_000 - 10 * 10 - 12 * 10 + 12 * 30)
    assert.equal(loop.equity, loop.cash - 140)
  })

  test('sums tenths without error over thousands of fills', () => {
    const { on, give, loop } = puppet({ risk: { maxOrdersPerMinute: 1e9, duplicateMs: 0 } })
    for (let i = 0; i < 2_000; i++) {
      on(quote(i * 100, [0.1, 1e6, 0.1, 1e6]), bot => {
        if (bot.position('SPY').quantity === 0) bot.buy('SPY', 0.3)
        else bot.sell('SPY', 0.3)
      })
    }
    give(quote(300_000, [0.1, 1e6, 0.1, 1e6]))
    assert.deepEqual([loop.cash, loop.positions()[0]?.quantity], [100_000, 0])
  })
})

describe('defineStrategy', () => {
  const bad = [
    [{ name: 'has spaces', onTrade() {} }, /its name is "has spaces"/],
    [{ name: 'x', onTick() {} }, /nobody knows: onTick/],
    [{ name: 'x', onBar() {} }, /names no bars/],
    [{ name: 'x' }, /looks at nothing/],
  ] as const
  for (const [definition, message] of bad) {
    test(`refuses what ${message.source}`, () => {
      assert.throws(() => defineStrategy(definition as never), { code: 'BAD_STRATEGY', message })
    })
  }

  test('checks parameters and completes them', () => {
    assert.deepEqual(paramsOf(crossing, { fast: 7 }), { fast: 7, slow: 20 })
    assert.throws(() => paramsOf(crossing, { fast: 'x' }), /parameter fast: .*number/)
    const plain = defineStrategy({ name: 'plain', onTrade() {} })
    assert.throws(() => paramsOf(plain, { fast: 1 }), /takes no parameters/)
  })
})
