// The official JavaScript clients, as installed and unchanged, trade at a scripted broker.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ScriptedBroker } from '../../src/testing/scripted-broker.ts'
import { TRADERS } from './traders.ts'

for (const [version, open] of TRADERS) {
  describe(`@alpacahq/alpaca-trade-api ${version}`, () => {
    const broker = new ScriptedBroker({ byHand: true, cash: 10_000 })
    before(() => broker.start())
    after(() => broker.stop())

    test('places, replaces and cancels orders, and hears of them', async t => {
      const trader = open(broker.url)
      const heard: string[] = []
      let wake = () => {}
      const until = async (count: number) => {
        while (heard.length < count) await new Promise<void>(resolve => (wake = resolve))
      }
      const close = await trader.listen((event, price) => {
        heard.push(price === undefined ? event : `${event} ${Number(price)}`)
        wake()
      })
      t.after(close)
      const limit = await trader.buy(4, 500)
      assert.equal(limit.status, 'new')
      const other = await trader.replace(limit.id, 510)
      assert.notEqual(other.id, limit.id)
      assert.equal((await trader.order(limit.id)).status, 'replaced')
      await until(3)
      broker.desk.filled(other.id, 1, 509.5)
      await trader.cancel(other.id)
      const market = await trader.buy(2)
      broker.desk.filled(market.id, 2, 600)
      await until(7)
      assert.deepEqual(heard, [
        ...['new', 'replaced', 'new', 'partial_fill 509.5', 'canceled', 'new', 'fill 600'],
      ])
      assert.equal(await trader.cash(), 10_000 - 509.5 - 1_200)
      assert.deepEqual(
        (await trader.held()).map(({ symbol, qty }) => [symbol, Number(qty)]),
        [['SPY', 3]],
      )
      assert.ok(await trader.clock())
    })

    test('is told in words why an order is not taken', async () => {
      const trader = open(broker.url)
      const words = async (asked: Promise<unknown>) => {
        try {
          await asked
        } catch (error) {
          const { message, response, body } = error as { [key: string]: unknown }
          return `${message} ${JSON.stringify((response as { data?: unknown })?.data ?? body ?? '')}`
        }
        return assert.fail('it was taken')
      }
      assert.match(await words(trader.buy(1_000, 500)), /insufficient buying power/)
      assert.match(await words(trader.cancel('no-such-order')), /order not found|404/)
    })
  })
}
