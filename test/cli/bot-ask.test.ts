import assert from 'node:assert/strict'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { DiaryRow } from '../../src/bot/diary.ts'
import { createEvent } from '../../src/market/events.ts'
import { openFileTape } from '../../src/tape/file/file.ts'
import { cli, emptyDirectory, lines } from './child.ts'

const STEADY = `
import { defineStrategy } from 'tickwire/bot'
export default defineStrategy({
  name: 'steady',
  onTrade({ symbol }, bot) {
    if (bot.openOrders.length === 0) bot.buy(symbol, 1)
  },
})
`

test('a bot that runs is flattened and paused from outside, and stays paused', async t => {
  const cwd = emptyDirectory()
  const tape = await openFileTape({ folder: join(cwd, '.tickwire/tape') })
  t.after(async () => {
    await tape.close()
    rmSync(cwd, { recursive: true, force: true })
  })
  writeFileSync(join(cwd, 'steady.mjs'), STEADY)
  const timer = setInterval(() => {
    const now = Date.now()
    const plain = { type: 'trade', source: 'simulated', symbol: 'SPY', price: 100, size: 10 }
    tape.append([createEvent({ ...plain, timestamp: now, receivedAt: now } as never)])
  }, 100)
  t.after(() => clearInterval(timer))
  const nobody = await cli(['bot', 'pause', 'steady'], { cwd })
  assert.match(nobody.stderr, /no bot called steady is running here/)
  assert.equal(existsSync(join(cwd, '.tickwire/bots/steady.json.ask')), false)

  let asked: ReturnType<typeof cli> | undefined
  const run = () =>
    cli(['bot', 'run', 'steady.mjs', '--symbols', 'SPY'], {
      cwd,
      onOutput: (child, text) => {
        if (/"did":"fill"/.test(text) && !asked) asked = cli(['bot', 'flatten', 'steady'], { cwd })
        if (/"reason":"close"[\s\S]*"did":"fill"[\s\S]*"PAUSED"/.test(text)) child.kill('SIGINT')
      },
    })
  const first = await run()
  assert.equal(first.code, 130, first.stderr)
  assert.match((await asked!).stderr, /steady cancels its orders, closes what it holds/)
  const rows = lines(first.stdout).map(line => JSON.parse(line) as DiaryRow)
  const closed = rows.findIndex(row => row.did === 'order' && row.order.reason === 'close')
  const later = rows.slice(closed + 1)
  assert.ok(later.every(row => row.did !== 'order'))
  let held = 0
  for (const row of rows) {
    if (row.did === 'fill') held += row.side === 'buy' ? row.quantity : -row.quantity
  }
  assert.equal(held, 0)

  const second = await cli(['bot', 'run', 'steady.mjs', '--symbols', 'SPY'], {
    cwd,
    onOutput: child => child.kill('SIGINT'),
  })
  assert.match(second.stderr, /steady is paused: tickwire bot resume steady/)
})
