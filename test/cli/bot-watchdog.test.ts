import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { loadBot } from '../../src/bot/state.ts'
import { createEvent } from '../../src/market/events.ts'
import { openFileTape } from '../../src/tape/file/file.ts'
import { cli, emptyDirectory } from './child.ts'

/** What the strategy does at its third trade, and how many it had seen whole by then. */
const FAULTS = [
  ['blocks', 'for (;;) {}', /did not come back for 5 s/, 2],
  ['awaits for ever', 'endless()', /did not come back for 5 s/, 3],
  ['throws later', "setTimeout(() => { throw new Error('mine, later') })", /mine, later/, 3],
  ['takes all memory', 'for (;;) kept.push(new Array(1e5).fill(bot.now))', /more than 64 MB/, 2],
] as const

describe('a strategy that', { concurrency: 2 }, () => {
  for (const [what, code, message, whole] of FAULTS) {
    test(`${what} is stopped and said, with the event; what it had seen whole is kept`, async t => {
      const cwd = emptyDirectory()
      t.after(() => rmSync(cwd, { recursive: true, force: true }))
      const tape = await openFileTape({ folder: join(cwd, '.tickwire/tape') })
      t.after(() => tape.close())
      writeFileSync(join(cwd, 'bad.mjs'), strategyDoing(code))
      let seen = 0
      const trade = () => {
        const now = Date.now()
        const plain = { type: 'trade', source: 'simulated', symbol: 'SPY', price: 100, size: 1 }
        tape.append([
          createEvent({ ...plain, timestamp: now, receivedAt: now, id: ++seen } as never),
        ])
      }
      const args = ['bot', 'run', 'bad.mjs', '--symbols', 'SPY', '--memory', '64']
      const { code: exit, stderr } = await cli(args, {
        cwd,
        onSaid: (_, said) => {
          if (seen === 0 && said.includes('runs on PAPER')) trade()
        },
        // The next one when the one before has been told.
        onOutput: () => trade(),
      })
      assert.equal(exit, 1, stderr)
      assert.match(stderr, message)
      assert.match(stderr, /trade SPY, number 3 of the tape/)
      const saved = loadBot(join(cwd, '.tickwire/bots/bad.json'))!
      // What it had seen last may not have been saved yet, and then was not told either.
      const seenWhole = saved.snapshot.state.seen
      assert.ok(seenWhole === 2 || seenWhole === whole, `${seenWhole}`)
    })
  }
})

const strategyDoing = (code: string) => `
import { defineStrategy } from 'tickwire/bot'
const kept = []
const endless = async () => { for (;;) await null }
export default defineStrategy({
  name: 'bad',
  onTrade(_, bot) {
    bot.state.seen = (bot.state.seen ?? 0) + 1
    if (bot.state.seen === 3) { ${code} }
    bot.log('seen ' + bot.state.seen)
  },
})
`
