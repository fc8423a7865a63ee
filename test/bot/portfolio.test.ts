import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Random, seededRandom } from '../../src/base/random.ts'
import type { Fill } from '../../src/bot/orders.ts'
import { Portfolio } from '../../src/bot/portfolio.ts'
import { Trips } from '../../src/bot/trips.ts'

const START = 100_000
/** The reference counts in whole numbers: units of a billionth, prices and fees of a millionth. */
const UNIT = 10n ** 9n
const CENT = 10n ** 6n

interface Book {
  quantity: bigint
  /** Paid less received, of all fills so far. */
  paid: bigint
  /** The same since it was flat last. */
  since: bigint
}

/** A whole number of some unit, and the number a program would have for it. */
function pick(random: Random, most: number, unit: bigint, digits: number) {
  const scale = 10 ** digits
  const whole = BigInt(1 + Math.floor(random() * most * scale))
  return { exact: (whole * unit) / BigInt(scale), plain: Number(whole) / scale }
}

const numberOf = (value: bigint, scale: bigint) => Number(value) / Number(scale)
const near = (a: number, b: number, what: string) =>
  assert.ok(Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b)), `${what}: ${a}, reference ${b}`)

describe('cash and positions', () => {
  test('are those of a reference in whole numbers, through shorts, turns, parts and fees', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = seededRandom(seed)
      const portfolio = new Portfolio(START)
      const books = new Map<string, Book>()
      let [cash, fees] = [BigInt(START) * UNIT * CENT, 0n]
      const trips = new Trips()
      let tripMade = 0
      for (let i = 0; i < 300; i++) {
        const symbol = random() < 0.5 ? 'A' : 'B/USD'
        const book = books.get(symbol) ?? { quantity: 0n, paid: 0n, since: 0n }
        books.set(symbol, book)
        const side = random() < 0.5 ? ('buy' as const) : ('sell' as const)
        const price = pick(random, 300, CENT, random() < 0.5 ? 2 : 4)
        let quantity = pick(random, 20, UNIT, random() < 0.5 ? 0 : 6)
        // Often just what closes it.
        const closes = book.quantity > 0n === (side === 'sell') && book.quantity !== 0n
        if (closes && random() < 0.4) {
          const exact = book.quantity < 0n ? -book.quantity : book.quantity
          quantity = { exact, plain: numberOf(exact, UNIT) }
        }
        const fee = pick(random, 2, CENT, 3)
        const fill: Fill = {
          ...{ id: `${i}`, orderId: 'o', symbol, side, price: price.plain, fee: fee.plain },
          ...{ quantity: quantity.plain, liquidity: 'taker', timestamp: i },
        }
        const made = portfolio.apply(fill)
        const trip = trips.add(fill, made)
        tripMade += trip?.made ?? 0
        const signed = side === 'buy' ? quantity.exact : -quantity.exact
        const before = book.quantity
        book.quantity += signed
        book.paid += signed * price.exact
        const turned = before !== 0n && book.quantity !== 0n && before > 0n !== book.quantity > 0n
        book.since = turned ? book.quantity * price.exact : book.since + signed * price.exact
        if (book.quantity === 0n) book.since = 0n
        cash -= signed * price.exact + fee.exact * UNIT
        fees += fee.exact

        const shown = portfolio.position(symbol)
        near(shown.quantity, numberOf(book.quantity, UNIT), 'quantity')
        near(portfolio.cash, numberOf(cash, UNIT * CENT), 'cash')
        near(portfolio.fees, numberOf(fees, CENT), 'fees')
        assert.equal(shown.averagePrice === undefined, book.quantity === 0n)
        // All that was ever paid is in what is held, or was made.
        const held = shown.quantity * (shown.averagePrice ?? 0)
        near(held - shown.realized, numberOf(book.paid, UNIT * CENT), 'cost less realized')
        if (closes === false) assert.equal(made, 0)
        if (book.quantity === 0n) {
          near(shown.realized, -numberOf(book.paid, UNIT * CENT), 'realized when flat')
          assert.ok(trip, 'a round trip ends where nothing is held')
        } else assert.equal(trip !== undefined, turned)
        const marks = { A: 101.5, 'B/USD': 99.25 }
        let equity = numberOf(cash, UNIT * CENT)
        for (const [name, one] of books) {
          equity += numberOf(one.quantity, UNIT) * marks[name as keyof typeof marks]
        }
        near(
          portfolio.equity(name => marks[name as keyof typeof marks]),
          equity,
          'equity',
        )
      }
      const realized = portfolio.positions().reduce((sum, it) => sum + it.realized, 0)
      // What is still open may have made something by parts.
      const again = new Portfolio(1)
      again.restore(JSON.parse(JSON.stringify(portfolio.snapshot())))
      assert.deepEqual(again.positions(), portfolio.positions())
      assert.deepEqual(again.snapshot(), portfolio.snapshot())
      if ([...books.values()].every(({ quantity }) => quantity === 0n))
        near(tripMade, realized, 'trips')
      assert.ok(Number.isFinite(realized))
    }
  })

  test('a sale from nothing is a short, and makes nothing yet', () => {
    const portfolio = new Portfolio(1_000)
    const of = (side: 'buy' | 'sell', price: number, quantity: number): Fill => ({
      ...{ id: 'x', orderId: 'o', symbol: 'A', side, price, quantity, fee: 0 },
      ...{ liquidity: 'taker', timestamp: 0 },
    })
    assert.equal(portfolio.apply(of('sell', 10, 5)), 0)
    assert.deepEqual(portfolio.position('A'), {
      ...{ symbol: 'A', quantity: -5, averagePrice: 10, realized: 0 },
    })
    assert.equal(portfolio.apply(of('buy', 8, 7)), 10)
    assert.deepEqual(portfolio.position('A'), {
      ...{ symbol: 'A', quantity: 2, averagePrice: 8, realized: 10 },
    })
  })
})

test('a round trip is one, however many fills it took, and one that made nothing is one too', () => {
  const trips = new Trips()
  const of = (side: 'buy' | 'sell', quantity: number, timestamp: number, fee = 1): Fill => ({
    ...{ id: 'x', orderId: 'o', symbol: 'A', side, price: 10, quantity, fee },
    ...{ liquidity: 'taker', timestamp },
  })
  assert.equal(trips.add(of('buy', 5, 1), 0), undefined)
  assert.equal(trips.add(of('buy', 5, 2), 0), undefined)
  assert.equal(trips.add(of('sell', 4, 3), 0), undefined)
  assert.deepEqual(trips.add(of('sell', 12, 4, 2), 0), {
    ...{ symbol: 'A', side: 'long', openedAt: 1, closedAt: 4, quantity: 10, made: 0, fees: 4 },
  })
  assert.deepEqual(trips.add(of('buy', 6, 5), -3), {
    ...{ symbol: 'A', side: 'short', openedAt: 4, closedAt: 5, quantity: 6, made: -3, fees: 2 },
  })
})
