// Whatever a bot sends into whatever market: every fill is one that the market it saw could have given, by rules written down
// here a second time and in another way.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import type { Fill, Order } from '../../src/bot/orders.ts'
import type { MarketEvent, Quote, Trade } from '../../src/market/events.ts'
import { puppet, quote, T0, trade } from './kit.ts'

const round = (value: number) => Math.round(value * 100) / 100

function market(seed: number, kinds: 'both' | 'trades' | 'quotes', count = 1_500): MarketEvent[] {
  const random = seededRandom(seed)
  let [at, price] = [0, 100]
  return Array.from({ length: count }, () => {
    at += Math.floor(random() * 60)
    price = round(price + Math.round((random() - 0.5) * 6) / 100)
    const size = 1 + Math.floor(random() * 30)
    if (kinds === 'trades' || (kinds === 'both' && random() < 0.5)) return trade(at, price, size)
    const half = random() < 0.5 ? 0.01 : 0.02
    return quote(at, [round(price - half), size, round(price + half), size])
  })
}

interface Seen {
  readonly fill: Fill
  readonly order: Order
  /** Events taken when it was told, the one that was being taken included. */
  readonly place: number
}

/** Sends orders of all types at random; returns each fill with the place at which it was told. */
function run(seed: number, events: readonly MarketEvent[]) {
  const random = seededRandom(seed + 1_000)
  const seen: Seen[] = []
  let place = -1
  const bot = puppet(
    {
      paper: { latencyMs: [5, 200], seed },
      risk: { allowShort: true, duplicateMs: 0, maxOrdersPerMinute: 1e9 },
      cash: 1e9,
    },
    { onFill: (fill, _bot, order) => seen.push({ fill, order, place }) },
  )
  for (const [i, event] of events.entries()) {
    place = i
    bot.on(event, it => {
      if (random() > 0.3) return
      const last = it.price('SPY')
      const side = random() < 0.5 ? ('buy' as const) : ('sell' as const)
      const quantity = 1 + Math.floor(random() * 25)
      const near =
        last === undefined ? undefined : round(last + Math.round((random() - 0.5) * 8) / 100)
      const kind = random()
      const [open] = it.openOrders
      if (open && random() < 0.3) it.cancel(open.id)
      const more =
        near === undefined || kind < 0.35
          ? {}
          : kind < 0.75
            ? { limitPrice: near }
            : kind < 0.9
              ? { stopPrice: near }
              : {
                  limitPrice: near,
                  timeInForce: random() < 0.5 ? ('ioc' as const) : ('fok' as const),
                }
      it.order({ symbol: 'SPY', side, quantity, ...more })
    })
  }
  return { seen, orders: bot.loop.orders, updates: bot.orders }
}

/** The last event of a type before a place, by the time it had come. */
function before<T extends 'quote' | 'trade'>(
  events: readonly MarketEvent[],
  type: T,
  time: number,
  place: number,
) {
  for (let i = place; i >= 0; i--) {
    const event = events[i]!
    if (event.type === type && event.receivedAt <= time)
      return event as T extends 'quote' ? Quote : Trade
  }
  return undefined
}

for (const kinds of ['both', 'quotes', 'trades'] as const) {
  describe(`fills in a market of ${kinds === 'both' ? 'trades and quotes' : kinds}`, () => {
    test('are at prices that were there, in amounts that were there, for orders that had come', () => {
      let count = 0
      for (let seed = 1; seed <= 12; seed++) {
        const events = market(seed, kinds)
        const { seen, orders, updates } = run(seed, events)
        const filled = new Map<string, number>()
        const hadOf = new Map<MarketEvent, number>()
        for (const { fill, order, place } of seen) {
          count++
          const { price, quantity, timestamp, side, orderId, liquidity } = fill
          const what = `seed ${seed}, ${JSON.stringify(fill)} of ${JSON.stringify(order)}`
          const isBuy = side === 'buy'
          assert.ok(timestamp >= order.createdAt + 5, `${what}: before it came`)
          assert.ok(timestamp <= events[place]!.receivedAt, `${what}: in the future`)
          const sum = (filled.get(orderId) ?? 0) + quantity
          filled.set(orderId, sum)
          assert.ok(sum <= order.quantity, `${what}: more than was asked for`)
          const { limitPrice } = order
          if (limitPrice !== undefined) {
            assert.ok(
              isBuy ? price <= limitPrice : price >= limitPrice,
              `${what}: worse than its limit`,
            )
          }
          if (liquidity === 'maker') assert.equal(price, limitPrice, what)
          // Of one that happens between two events the earlier one is the market, else the event itself.
          const event = events[place]!
          const own = event.receivedAt === timestamp ? place : place - 1
          const shown = before(events, 'quote', timestamp, own)
          const last = before(events, 'trade', timestamp, own)
          if (liquidity === 'taker' && kinds !== 'trades') {
            const there = isBuy ? shown!.ask : shown!.bid
            const earlier = before(events, 'quote', timestamp, place - 1)
            const known = [there, isBuy ? earlier?.ask : earlier?.bid]
            assert.ok(known.includes(price), `${what}: nobody offered that, ${known}`)
          } else if (liquidity === 'taker') {
            assert.equal(price, last!.price, `${what}: nothing traded there`)
            const had = (hadOf.get(last!) ?? 0) + quantity
            hadOf.set(last!, had)
            assert.ok(had <= last!.size, `${what}: ${had} of a trade of ${last!.size}`)
          } else if (event.type === 'trade') {
            assert.ok(
              isBuy ? event.price <= price : event.price >= price,
              `${what}: did not reach it`,
            )
            if (event.price === price) {
              const had = (hadOf.get(event) ?? 0) + quantity
              hadOf.set(event, had)
              assert.ok(had <= event.size, `${what}: ${had} of a trade of ${event.size}`)
            }
          } else if (event.type === 'quote') {
            const there = isBuy ? event.ask! : event.bid!
            assert.ok(isBuy ? there <= price : there >= price, `${what}: nobody came to it`)
            const had = (hadOf.get(event) ?? 0) + quantity
            hadOf.set(event, had)
            const size = isBuy ? event.askSize! : event.bidSize!
            assert.ok(had <= 2 * size, `${what}: more than was shown`)
          }
        }
        for (const order of orders) {
          if (filled.has(order.id)) assert.equal(order.filled, filled.get(order.id))
          if (order.timeInForce === 'fok' && order.filled > 0) assert.equal(order.status, 'filled')
        }
        for (const { id, status, filled: then } of updates) {
          if (status !== 'canceled') continue
          assert.equal(filled.get(id) ?? 0, then, `${id} was filled after it was canceled`)
        }
      }
      assert.ok(count > 1_000, `${count} fills`)
    })
  })
}

test('prices of before a market closed are not there while it is closed', () => {
  const evening = 5 * 3_600_000 // 15:00 in New York
  const night = 11 * 3_600_000
  const { give, on, loop, said } = puppet()
  on(quote(evening, [99, 50, 100, 50]), bot => bot.buy('SPY', 10))
  give(quote(evening + 100, [99, 50, 100, 50]))
  assert.deepEqual(said(), [[100, 10, 'taker']])
  loop.advance(T0 + night)
  loop.command('flatten')
  loop.advance(T0 + night + 60_000)
  assert.equal(said().length, 1, 'nobody is there at night')
  give(quote(22 * 3_600_000 + 1, [90, 50, 91, 50]))
  assert.deepEqual(said()[1], [90, 10, 'taker'])
})

test('what is halted fills nothing until it is resumed', () => {
  const status = (at: number, statusCode: string) =>
    ({ ...quote(at, [1, 1, 1, 1]), type: 'status', symbol: 'SPY', statusCode }) as never
  const { give, on, said, refusals } = puppet()
  on(quote(0, [99, 50, 100, 50]), bot => bot.buy('SPY', 10))
  give(status(5, 'H'))
  give(quote(20, [80, 50, 81, 50]), trade(30, 81, 50))
  assert.deepEqual(said(), [])
  on(quote(40, [80, 50, 81, 50]), bot => bot.buy('SPY', 1))
  assert.deepEqual(refusals(), ['HALTED'])
  give(status(50, 'T'))
  assert.deepEqual(said(), [])
  give(quote(60, [85, 50, 86, 50]))
  assert.deepEqual(said(), [[86, 10, 'taker']])
})
