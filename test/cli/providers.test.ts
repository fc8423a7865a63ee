import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { asPage, type Compared, compareProviders } from '../../src/cli/comparison.ts'
import { PROVIDERS } from '../../src/cli/schema.ts'
import { cli } from './child.ts'

describe('tickwire providers', () => {
  test('prints every provider with what it carries and how it works, without key or network', async () => {
    const { code, stdout, stderr } = await cli(['providers'])
    assert.equal(code, 0, stderr)
    for (const name of PROVIDERS) assert.match(stdout, new RegExp(`^${name} `, 'm'))
    assert.match(stdout, /^kraken +none +yes +yes +yes +/m)
    assert.match(stdout, /^ {2}heartbeat +\S/m)
    assert.match(stdout, /^ {2}free +all of it/m)
  })

  test('as data with --json', async () => {
    const { code, stdout } = await cli(['providers', '--json'])
    assert.equal(code, 0)
    const all = JSON.parse(stdout) as Compared[]
    assert.deepEqual([...new Set(all.map(({ provider }) => provider))], [...PROVIDERS])
    const binance = all.find(({ provider }) => provider === 'binance')!
    assert.deepEqual(
      [binance.auth, binance.trades, binance.l1, binance.l2],
      Array(1).fill('none').concat([true, true, true]),
    )
    assert.deepEqual(binance.history, ['trade', 'bar'])
    assert.equal(binance.limits.connectionLifeMs, 86_400_000)
    const crypto = all.find(({ provider, market }) => provider === 'alpaca' && market === 'crypto')!
    assert.deepEqual([crypto.auth, crypto.l2], ['key', true])
  })
})

test('every provider says how it works, and its sources are addresses', () => {
  for (const { provider, facts } of compareProviders()) {
    assert.ok(facts, provider)
    for (const { source } of facts.changes ?? []) assert.ok(URL.canParse(source), source)
    for (const [name, value] of Object.entries(facts))
      assert.ok(value !== '', `${provider} ${name}`)
  }
})

test('docs/providers/README.md is what the providers say: `npm run docs` writes it anew', () => {
  const page = readFileSync(new URL('../../docs/providers/README.md', import.meta.url), 'utf8')
  assert.equal(page, asPage(compareProviders()))
})
