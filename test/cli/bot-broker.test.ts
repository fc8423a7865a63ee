// `tickwire bot run --broker`, against a scripted broker on this machine.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import type { AccountInfo } from '../../src/gateway/context.ts'
import { createKey } from '../../src/gateway/keys.ts'
import { ScriptedBroker, type ScriptedBrokerOptions } from '../../src/testing/scripted-broker.ts'
import { cli, emptyDirectory, TICKWIRE } from './child.ts'

const STRATEGY = `import { defineStrategy } from 'tickwire/bot'
export default defineStrategy({
  name: 'flip',
  onTrade({ symbol }, bot) {
    bot.state.n = (bot.state.n ?? 0) + 1
    if (bot.state.n % 20 !== 0 || bot.openOrders.length > 0) return
    const held = bot.position(symbol).quantity
    if (held === 0) bot.buy(symbol, 5)
    else if (bot.state.n % 40 === 0) bot.sell(symbol, held)
  },
})
`

/** A folder, a broker, and children that run against it until the test is over. */
async function setUp(t: TestContext, options: ScriptedBrokerOptions = {}) {
  const cwd = emptyDirectory()
  const broker = new ScriptedBroker(options)
  await broker.start()
  const children: ChildProcess[] = []
  t.after(async () => {
    for (const child of children) child.kill('SIGKILL')
    await broker.stop()
    rmSync(cwd, { recursive: true, force: true, maxRetries: 5 })
  })
  writeFileSync(join(cwd, 'flip.mjs'), STRATEGY)
  const env = {
    ...{ PATH: process.env.PATH ?? '', TICKWIRE_ALPACA_BROKER: broker.url },
    ...{ APCA_API_KEY_ID: 'PKANY', APCA_API_SECRET_KEY: 'any' },
  }
  const start = (...args: string[]) => {
    const child = spawn(process.execPath, [...TICKWIRE, ...args], { cwd, env })
    children.push(child)
    let said = ''
    child.stdout.resume()
    child.stderr.on('data', data => {
      said += data
    })
    return { child, said: () => said }
  }
  const until = async (what: string, done: () => boolean, said: () => string) => {
    const end = performance.now() + 90_000
    while (!done()) {
      assert.ok(performance.now() < end, `never: ${what}\n${said()}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
  return { cwd, broker, env, start, until }
}

test('orders go out once over a kill, and kill closes what is held', {
  timeout: 240_000,
}, async t => {
  const faults = { lostReply: 0.1, doubled: 0.2, swapped: 0.2 }
  const { cwd, broker, env, start, until } = await setUp(t, { seed: 3, faults })
  const up = start('up', 'SPY', '--provider', 'simulated', '--rate', '200')
  await until('recording', () => /recording/.test(up.said()), up.said)
  const bot = () => start('bot', 'run', 'flip.mjs', '--symbols', 'SPY', '--broker', 'alpaca')
  const first = bot()
  await until('five orders', () => broker.desk.orders.size >= 5, first.said)
  assert.match(first.said(), /alpaca-paper: account .*equity/)
  assert.match(first.said(), /flip runs on paper at alpaca-paper with SPY/)
  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  const before = broker.desk.orders.size
  const second = bot()
  await until('five more', () => broker.desk.orders.size >= before + 5, second.said)
  const killed = await cli(['bot', 'kill', '--flatten', '--why', 'a bad day'], { cwd, env })
  assert.equal(killed.code, 0, killed.stderr)
  await until('no more orders', () => /no more orders: a bad day/.test(second.said()), second.said)
  await until(
    'nothing is held',
    () => broker.desk.held('SPY') === 0 && broker.desk.open().length === 0,
    second.said,
  )
  const file = join(cwd, '.tickwire', 'bots', 'flip.json')
  const held = () => JSON.parse(readFileSync(file, 'utf8')).snapshot.portfolio.positions
  await until(
    'the bot knows',
    () => held().every((one: { quantity: string }) => one.quantity === '0'),
    second.said,
  )
  const gone = once(second.child, 'exit')
  second.child.kill('SIGINT')
  assert.deepEqual((await gone)[0], 130, second.said())
  assert.deepEqual(
    [...broker.posts].filter(([, count]) => count > 1),
    [],
  )
  const { stdout } = await cli(['bot', 'state', 'flip'], { cwd, env })
  assert.equal(JSON.parse(stdout).account, 'alpaca-paper')
})

test('bots of one account share it, its limits and its switch, in one process', {
  timeout: 240_000,
}, async t => {
  const { cwd, broker, env, start, until } = await setUp(t, { seed: 5 })
  const bot = (name: string) =>
    `  - { file: flip.mjs, name: ${name}, symbols: [SPY], broker: alpaca }\n`
  writeFileSync(
    join(cwd, 'tickwire.config.yaml'),
    `accounts:\n  - { broker: alpaca, risk: { maxPosition: 8 } }\nbots:\n${bot('one')}${bot('two')}`,
  )
  const keys = join(cwd, '.tickwire', 'gateway-keys.json')
  mkdirSync(join(cwd, '.tickwire'))
  const scopes = ['trade', 'admin'] as const
  const { key } = await createKey(keys, { name: 'desk', scopes, quotas: {} }, systemClock())
  const args = ['SPY', '--provider', 'simulated', '--rate', '400', '--listen', '0']
  const { child, said } = start('serve', ...args)
  await until('both run', () => /one runs on paper at alpaca-paper/.test(said()), said)
  await until('both run', () => /two runs on paper at alpaca-paper/.test(said()), said)
  const log = (name: string) => {
    const file = join(cwd, '.tickwire', 'bots', `${name}.log`)
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }
  await until(
    'one is held up by what the other holds',
    () => /of the account would hold 10 SPY, of 8 at most/.test(log('one') + log('two')),
    said,
  )
  await until(
    'each has its own fills',
    () => ['one', 'two'].every(name => /"did":"fill"/.test(log(name))),
    said,
  )
  for (const { clientId } of broker.desk.orders.values()) assert.match(clientId, /^(one|two)-\d+$/)
  const url = /(http:\/\/127\.0\.0\.1:\d+)/.exec(said())![1]!
  const ask = async (method: string, path: string, body?: object) => {
    const answer = await fetch(`${url}${path}`, {
      ...{ method, headers: { authorization: `Bearer ${key}` } },
      ...(body && { body: JSON.stringify(body) }),
    })
    assert.equal(answer.status, 200)
    return (await answer.json()) as { killed: object | null; data: AccountInfo[] }
  }
  const [account] = (await ask('GET', '/v1/accounts')).data
  assert.deepEqual(
    [account!.name, account!.phase, account!.limits],
    ['alpaca-paper', 'ready', { maxPosition: 8 }],
  )
  assert.deepEqual(account!.bots.map(one => one.bot).sort(), ['one', 'two'])
  // Another process must not send for the same account.
  const other = await cli(
    ['bot', 'run', 'flip.mjs', '--name', 'x', '--symbols', 'SPY', '--broker', 'alpaca'],
    { cwd, env },
  )
  assert.equal(other.code, 5, other.stderr)
  assert.match(other.stderr, /sends the orders of this account/)
  const { killed } = await ask('POST', '/v1/kill', { why: 'from the page', flatten: true })
  assert.deepEqual(killed, { why: 'from the page', flatten: true })
  const isFlat = () => broker.desk.held('SPY') === 0 && broker.desk.open().length === 0
  await until('killed', () => /no more orders: from the page/.test(said()), said)
  await until('nothing is held', isFlat, said)
  const before = broker.desk.orders.size
  assert.equal((await ask('DELETE', '/v1/kill')).killed, null)
  await until('orders again', () => broker.desk.orders.size > before, said)
  child.kill('SIGUSR2')
  await until('stopped by signal', () => /no more orders: by signal/.test(said()), said)
  const gone = once(child, 'exit')
  child.kill('SIGINT')
  await gone
  assert.equal([...broker.posts].filter(([, count]) => count > 1).length, 0)
})

test('what cannot be meant is said, and nothing is sent', async () => {
  const run = ['bot', 'run', 'flip.mjs', '--symbols', 'SPY', '--broker', 'alpaca']
  const keys = { APCA_API_KEY_ID: 'PKANY', APCA_API_SECRET_KEY: 'any' }
  const live = { TICKWIRE_ALPACA_BROKER: 'https://api.alpaca.markets' }
  const cases = [
    { args: run, env: {}, code: 3, words: /needs a key and a secret/ },
    { args: [...run.slice(0, -1), 'openalgo'], env: {}, code: 3, words: /OpenAlgo needs a key/ },
    { args: [...run, '--live'], env: keys, code: 2, words: /nobody is at the terminal/ },
    { args: [...run.slice(0, -2), '--live'], env: keys, code: 2, words: /--live needs --broker/ },
    {
      args: [...run, '--live', '--yes'],
      env: keys,
      code: 3,
      words: /key is one of a paper account, and live/,
    },
    {
      args: run,
      env: { ...keys, ...live },
      code: 2,
      words: /the address of live accounts, and paper trading/,
    },
    {
      args: run,
      env: { ...keys, APCA_API_KEY_ID: 'AKANY' },
      code: 3,
      words: /key is one of a live account, and paper/,
    },
  ]
  for (const { args, env, code, words } of cases) {
    const { code: exit, stderr } = await cli(args, { env })
    assert.match(stderr, words)
    assert.equal(exit, code, stderr)
  }
})
