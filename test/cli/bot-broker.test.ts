// `tickwire bot run --broker`, against a scripted broker on this machine.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ScriptedBroker } from '../../src/testing/scripted-broker.ts'
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

test('orders go out once over a kill, and kill closes what is held', {
  timeout: 240_000,
}, async t => {
  const cwd = emptyDirectory()
  const broker = new ScriptedBroker({
    seed: 3,
    faults: { lostReply: 0.1, doubled: 0.2, swapped: 0.2 },
  })
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

test('what cannot be meant is said, and nothing is sent', async () => {
  const run = ['bot', 'run', 'flip.mjs', '--symbols', 'SPY', '--broker', 'alpaca']
  const keys = { APCA_API_KEY_ID: 'PKANY', APCA_API_SECRET_KEY: 'any' }
  const live = { TICKWIRE_ALPACA_BROKER: 'https://api.alpaca.markets' }
  const cases = [
    { args: run, env: {}, code: 3, words: /needs a key and a secret/ },
    { args: [...run, '--live'], env: keys, code: 2, words: /nobody is at the terminal/ },
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
