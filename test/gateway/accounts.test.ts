// Accounts of bots over HTTP: who may see them, and who may stop them.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { AccountInfo, AccountsView } from '../../src/gateway/context.ts'
import { openTestGateway, type TestGateway } from './rest-kit.ts'

const INFO: AccountInfo = {
  ...{ name: 'alpaca-paper', kind: 'paper', phase: 'ready', why: undefined, id: 'A1' },
  ...{ currency: 'USD', cash: 400, equity: 1_000, buyingPower: 400, lostToday: 12.5 },
  limits: { maxPosition: 10 },
  bots: [{ bot: 'ma', positions: [{ symbol: 'SPY', quantity: 1 }] }],
  others: [{ symbol: 'QQQ', quantity: -2 }],
  openOrders: [
    {
      ...{ id: 'ma-2', bot: 'ma', symbol: 'SPY', side: 'sell', type: 'limit', quantity: 1 },
      ...{ filled: 0, status: 'open', limitPrice: 610, stopPrice: undefined },
    },
  ],
}

describe('accounts', () => {
  let at: TestGateway
  const done: unknown[] = []
  const accounts: AccountsView & { killed: AccountsView['killed'] } = {
    killed: undefined,
    states: () => [INFO],
    kill(why, flatten) {
      done.push({ why, flatten })
      this.killed = { why, flatten }
    },
    release() {
      done.push('released')
      this.killed = undefined
    },
  }
  const headers: Record<'trade' | 'admin', Record<string, string>> = { trade: {}, admin: {} }
  before(async () => {
    at = await openTestGateway({ accounts })
    for (const scope of ['trade', 'admin'] as const) {
      const key = await at.newKey({ name: scope, scopes: [scope], quotas: {} })
      headers[scope] = { authorization: `Bearer ${key}` }
    }
  })
  after(() => at.close())

  it('are shown and stopped by whoever may trade, and by nobody else', async () => {
    for (const [method, path] of [
      ['GET', '/v1/accounts'],
      ['POST', '/v1/kill'],
      ['DELETE', '/v1/kill'],
    ] as const) {
      assert.equal((await at.ask(path, { method })).status, 401, `${method} ${path}`)
    }
    const asAdmin = await at.ask('/v1/kill', { method: 'POST', headers: headers.admin })
    assert.equal(asAdmin.status, 403)
    assert.deepEqual(done, [])
    const shown = await at.ask('/v1/accounts', { headers: headers.trade })
    assert.deepEqual(shown.json, { killed: null, data: [JSON.parse(JSON.stringify(INFO))] })
  })

  it('are stopped with a reason, and go on when an administrator says so', async () => {
    const kill = (body: string) =>
      at.ask('/v1/kill', { method: 'POST', headers: headers.trade, body })
    assert.deepEqual((await kill('')).json.killed, { why: 'by hand', flatten: false })
    const more = await kill('{"why":"a bad day","flatten":true}')
    assert.deepEqual(more.json.killed, { why: 'a bad day', flatten: true })
    const wrong = await kill('{"flatten":"yes"}')
    assert.deepEqual([wrong.status, wrong.json.error.code], [400, 'BAD_OPTION'])
    const release = (who: 'trade' | 'admin') =>
      at.ask('/v1/kill', { method: 'DELETE', headers: headers[who] })
    assert.equal((await release('trade')).status, 403)
    assert.equal((await release('admin')).json.killed, null)
    assert.deepEqual(done, [
      ...[{ why: 'by hand', flatten: false }, { why: 'a bad day', flatten: true }, 'released'],
    ])
  })

  it('are not there where no bots can run', async () => {
    const none = await openTestGateway()
    try {
      assert.equal((await none.ask('/v1/accounts')).status, 404)
    } finally {
      await none.close()
    }
  })
})
