import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { cli } from './child.ts'

const examples = fileURLToPath(new URL('../../examples/strategies/', import.meta.url))

describe('tickwire backtest', () => {
  const cwd = mkdtempSync(join(tmpdir(), 'tickwire-backtest-'))
  after(() => rmSync(cwd, { recursive: true, force: true }))
  before(async () => {
    cpSync(examples, cwd, { recursive: true })
    const day = ['simulate', '--day', '2025-06-02', '--symbols', '2', '--events', '20000']
    const made = await cli(day, { cwd })
    assert.equal(made.code, 0, made.stderr)
  })
  const run = (...args: string[]) => cli(['backtest', ...args], { cwd })

  test('makes the same orders and fills of the tape and of the store', async () => {
    const ask = ['moving-average.mjs', '--symbols', 'SPY', '--fee', '0.01', '--json']
    const ofTape = await run(...ask, '--from-tape', '.tickwire/tape')
    const ofStore = await run(...ask)
    assert.equal(ofTape.code, 0, ofTape.stderr)
    const [[one], [other]] = [JSON.parse(ofTape.stdout), JSON.parse(ofStore.stdout)]
    assert.ok(one.fills.length > 10)
    assert.deepEqual(other.fills, one.fills)
    assert.deepEqual(other.orders, one.orders)
    assert.equal(one.nature, 'SIMULATED')
  })

  test('tries each value of a parameter, and writes the report of the best', async () => {
    const args = ['--symbols', 'SPY', '--param', 'fast=5..15:5', '--param', 'slow=40']
    const { code, stdout, stderr } = await run('moving-average.mjs', ...args, '--out', 'r.html')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^SIMULATED prices, on paper\n/)
    for (const fast of [5, 10, 15]) assert.match(stdout, new RegExp(`fast=${fast} slow=40 `))
    assert.match(stderr, /report in r\.html and r\.json/)
  })

  test('makes the same of each set of parameters alone, in a sweep, and over several threads', async () => {
    // Variables of the file must not be shared between runs that are given the same events.
    writeFileSync(
      join(cwd, 'counting.mjs'),
      `import { defineStrategy } from 'tickwire/bot'
import { z } from 'zod'
let seen = 0
export default defineStrategy({
  name: 'counting',
  params: z.object({ every: z.coerce.number() }),
  onTrade({ symbol }, bot) {
    if (++seen % bot.params.every !== 0) return
    if (bot.position(symbol).quantity > 0) bot.close(symbol)
    else bot.buy(symbol, 1 + Math.floor(bot.random() * 5))
  },
})`,
    )
    const ask = ['counting.mjs', '--symbols', 'SPY', '--json', '--param']
    const sweep = await run(...ask, 'every=40..80:20', '--threads', '2')
    assert.equal(sweep.code, 0, sweep.stderr)
    const together = JSON.parse(sweep.stdout)
    assert.equal(together.length, 3)
    const alone = await run(...ask, 'every=60')
    assert.ok(together[1].fills.length > 10)
    assert.deepEqual(together[1], JSON.parse(alone.stdout)[0])
    assert.notDeepEqual(together[0].fills, together[1].fills)
    const failing = await run('moving-average.mjs', '--symbols', 'SPY', '--param', 'fast=1..3:1')
    assert.equal(failing.code, 3, failing.stderr)
    assert.match(failing.stderr, /parameter fast/)
  })

  test('chooses over one stretch and tries the choice on the next', async () => {
    const time = ['--from', '2025-06-02T13:30', '--to', '2025-06-02T20:00']
    const params = ['--param', 'fast=5..15:10', '--param', 'slow=40', '--walk-forward', '3h/1h']
    const { code, stdout, stderr } = await run(
      ...['moving-average.mjs', '--symbols', 'SPY', ...time, ...params, '--out', 'w.html'],
    )
    assert.equal(code, 0, stderr)
    const lines = stdout.trim().split('\n')
    assert.match(lines[2]!, /^2025-06-02 16:30 +2025-06-02 17:30 .* fast=(5|15) slow=40 /)
    assert.match(lines.at(-1)!, /^all /)
    assert.equal(lines.length, 2 + 4 + 1)
    const whole = JSON.parse(readFileSync(join(cwd, 'w.json'), 'utf8'))
    // Each try begins with what the one before left.
    const ids = new Set(whole.orders.map(({ id }: { id: string }) => id))
    assert.equal(ids.size, whole.orders.length)
    assert.match(whole.orders.at(-1).id, /^moving-average-4-/)
    const short = await run('moving-average.mjs', '--symbols', 'SPY', ...params)
    assert.match(short.stderr, /needs --from and --to/)
  })

  test('does not cross a split that the configuration names', async () => {
    writeFileSync(join(cwd, 'split.yaml'), 'splits:\n  - { symbol: SPY, date: 2025-06-02 }\n')
    const ask = ['moving-average.mjs', '--config', 'split.yaml', '--from-tape', '.tickwire/tape']
    const within = await run(...ask, '--symbols', 'SPY')
    assert.equal(within.code, 0, within.stderr)
    writeFileSync(join(cwd, 'bad.yaml'), 'splits:\n  - { symbol: SPY, date: June }\n')
    const bad = await run('moving-average.mjs', '--symbols', 'SPY', '--config', 'bad.yaml')
    assert.match(bad.stderr, /bad\.yaml:2: splits\.0\.date .* must be a day/)
  })

  for (const [what, content, message] of [
    ['does not compile', 'export default defineStrategy({', /cannot be loaded/],
    ['throws while it is loaded', 'throw new Error("mine")', /cannot be loaded: mine/],
    ['exports something else', 'export default 5', /exports no strategy/],
    [
      'has a part nobody knows',
      "import { defineStrategy } from 'tickwire/bot'\nexport default defineStrategy({ name: 'x', onTick() {} })",
      /nobody knows: onTick/,
    ],
  ] as const) {
    test(`says so where a strategy ${what}`, async () => {
      writeFileSync(join(cwd, 'bad.ts'), content)
      const { code, stderr } = await run('bad.ts', '--symbols', 'SPY')
      assert.equal(code, 3, stderr)
      assert.match(stderr, message)
    })
  }

  test('takes TypeScript as it is, and says what is wrong with parameters', async () => {
    const typed =
      "import { defineStrategy } from 'tickwire/bot'\nconst limit: number = 3\nexport default defineStrategy({ name: 'typed', onTrade({ symbol }, bot) { if (bot.openOrders.length < limit) bot.buy(symbol, 1) } })"
    writeFileSync(join(cwd, 'typed.ts'), typed)
    const good = await run('typed.ts', '--symbols', 'SPY', '--json')
    assert.equal(good.code, 0, good.stderr)
    const wrong = await run('typed.ts', '--symbols', 'SPY', '--param', 'x=1')
    assert.equal(wrong.code, 3, wrong.stderr)
    assert.match(wrong.stderr, /takes no parameters/)
    const missing = await run('none.ts', '--symbols', 'SPY')
    assert.match(missing.stderr, /there is no file none\.ts[\s\S]*tickwire bot new/)
    const range = await run('typed.ts', '--symbols', 'SPY', '--param', 'x=9..1')
    assert.equal(range.code, 2, range.stderr)
  })
})
