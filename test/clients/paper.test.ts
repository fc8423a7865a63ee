// The official clients trade on paper at the gateway, with the data of a simulated market.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openTestGateway, type TestGateway } from '../gateway/rest-kit.ts'
import { TRADERS } from './traders.ts'

/** Runs while the hand-turned clock goes on by itself: the clients know no other. */
async function withMarket(
  run: (kit: TestGateway) => Promise<void>,
  options: Parameters<typeof openTestGateway>[0] = {},
): Promise<void> {
  const kit = await openTestGateway(options)
  const turning = setInterval(() => kit.clock.turn(20), 5)
  try {
    await run(kit)
  } finally {
    clearInterval(turning)
    await kit.close()
  }
}

for (const [version, open] of TRADERS) {
  describe(`@alpacahq/alpaca-trade-api ${version} at the gateway`, () => {
    test('buys at what the market is, replaces and cancels what stands in it, and hears of all that', async () => {
      await withMarket(async ({ gateway }) => {
        const trader = open(`${gateway.url}/alpaca`)
        const heard: string[] = []
        let wake = () => {}
        const until = async (is: () => boolean) => {
          while (!is()) await new Promise<void>(resolve => (wake = resolve))
        }
        const close = await trader.listen(event => {
          heard.push(event)
          wake()
        })
        try {
          const bought = await trader.buy(2)
          await until(() => heard.includes('fill'))
          const { status } = await trader.order(bought.id)
          assert.equal(status, 'filled')
          const [held] = await trader.held()
          assert.deepEqual([held!.symbol, Number(held!.qty)], ['SPY', 2])
          const cash = await trader.cash()
          assert.ok(cash < 100_000 && cash > 90_000, `${cash}`)
          heard.length = 0
          const resting = await trader.buy(1, 1)
          await until(() => heard.includes('new'))
          const other = await trader.replace(resting.id, 2)
          await until(() => heard.filter(event => event === 'new').length === 2)
          await trader.cancel(other.id)
          await until(() => heard.includes('canceled'))
          assert.deepEqual(
            heard.filter(event => event !== 'pending_cancel'),
            ['new', 'replaced', 'new', 'canceled'],
          )
        } finally {
          close()
        }
      })
    })
  })
}

describe('the paper account', () => {
  const ask = async (kit: TestGateway, path: string, key: string, body?: object) => {
    const response = await fetch(`${kit.gateway.url}/alpaca/v2/${path}`, {
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
      headers: { 'apca-api-key-id': 'any', 'apca-api-secret-key': key },
    })
    return [response.status, await response.json()] as const
  }

  test('says in words of the vendor what it does not take', async () => {
    await withMarket(async kit => {
      const order = { symbol: 'SPY', side: 'buy', type: 'market', time_in_force: 'day', qty: '1' }
      for (const [more, status, words] of [
        [{ symbol: 'NO/SUCH?' }, 422, /asset .* not found/],
        [{ qty: '1000000' }, 403, /insufficient buying power/],
        [{ qty: '-1' }, 422, /qty: /],
        [{ type: 'limit' }, 422, /limit orders require limit_price/],
        [{ side: 'hold' }, 422, /side: /],
      ] as const) {
        const [code, answer] = await ask(kit, 'orders', 'any', { ...order, ...more })
        assert.equal(code, status, JSON.stringify(answer))
        assert.match((answer as { message: string }).message, words)
      }
      assert.equal((await ask(kit, 'orders/none', 'any'))[0], 404)
      assert.equal((await ask(kit, 'nothing', 'any'))[0], 404)
    })
  })

  test('takes a key with the scope trade where keys are needed', async () => {
    await withMarket(
      async kit => {
        const reader = await kit.newKey({ name: 'reader', scopes: ['read'] })
        const trader = await kit.newKey({ name: 'trader', scopes: ['read', 'trade'] })
        const answers = []
        for (const key of ['any', reader, trader]) answers.push((await ask(kit, 'account', key))[0])
        assert.deepEqual(answers, [401, 403, 200])
      },
      { admission: 'keys' },
    )
  })
})
