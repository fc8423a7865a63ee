import assert from 'node:assert/strict'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { openHistory } from '../../src/app/history.ts'
import type { StoreKeeper } from '../../src/app/keeper.ts'
import { TickwireError } from '../../src/base/errors.ts'
import { Board } from '../../src/cli/board.ts'
import { StoringState } from '../../src/cli/recording.ts'
import { createEvent } from '../../src/market/events.ts'
import { parseEvent } from '../../src/market/json.ts'
import { cli, emptyDirectory, lines } from './child.ts'

function folder(t: TestContext): string {
  const cwd = emptyDirectory()
  t.after(() => rmSync(cwd, { recursive: true, force: true }))
  return cwd
}

const feeds = `
feeds:
  - { provider: simulated, source: one, symbols: [SPY], kinds: [trades] }
  - { provider: simulated, source: two, symbols: [SPY, QQQ], kinds: [quotes], simulated: { seed: 2 } }
simulated: { rate: 500 }
`

describe('up', { concurrency: 2 }, () => {
  test('stores what it records, and is asked while it runs', async t => {
    const cwd = folder(t)
    let asked: Promise<readonly [number | undefined, number]> | undefined
    const ask = async () => {
      const history = await openHistory(join(cwd, '.tickwire'))
      const { owner } = history
      const { length } = await history.trades('*').toArray()
      await history.close()
      return [owner, length] as const
    }
    let pid: number | undefined
    const { code, said, stderr } = await cli(['up', '--rate', '500', '--duration', '25s'], {
      cwd,
      onOutput: (child, text) => {
        if (asked || text.length < 50_000) return
        pid = child.pid
        asked = ask()
        void asked.finally(() => child.kill('SIGINT'))
      },
    })
    const [owner, length] = await asked!
    assert.equal(code, 130, stderr)
    assert.equal(owner, pid)
    assert.ok(length > 20, `${length} trades`)
    assert.ok(said.includes('storing in .tickwire'), stderr)
    assert.match(said.at(-1)!, /; recorded to \.tickwire\/tape.*; stored in \.tickwire$/)
    assert.equal(existsSync(join(cwd, '.tickwire/control.sock')), false)
    // Nobody owns it now, and nothing is missing.
    const [nobody, rest] = await ask()
    assert.equal(nobody, undefined)
    assert.ok(rest >= length)
  })

  test('runs all feeds of the configuration into one tape', async t => {
    const cwd = folder(t)
    writeFileSync(join(cwd, 'tickwire.config.yaml'), feeds)
    const { code, stdout, said, stderr } = await cli(['up', '--limit', '300', '--no-record'], {
      cwd,
    })
    assert.equal(code, 0, stderr)
    const events = lines(stdout).map(parseEvent)
    assert.equal(events.length, 300)
    const kinds = new Set(events.map(({ source, type, symbol }) => `${source} ${type} ${symbol}`))
    assert.deepEqual([...kinds].sort(), ['one trade SPY', 'two quote QQQ', 'two quote SPY'])
    assert.match(said[0]!, /^SIMULATED · invented prices, not real ones$/)
    assert.ok(
      said.some(line => line.startsWith('one: subscribed: SPY (trades, simulated)')),
      stderr,
    )
    assert.ok(
      said.some(line => line.startsWith('two: subscribed: SPY, QQQ (quotes')),
      stderr,
    )
    assert.equal(existsSync(join(cwd, '.tickwire')), false, 'neither tape nor store')
    assert.ok(!said.some(line => line.includes('stor')), stderr)
  })

  test('a feed that cannot go on is told, and the others go on', async t => {
    const cwd = folder(t)
    const { code, stdout, said, stderr } = await cli(['up', '--limit', '100', '--no-record'], {
      cwd,
      env: {
        TICKWIRE_FEEDS: JSON.stringify([
          { provider: 'simulated', source: 'good', symbols: ['SPY'] },
          { provider: 'simulated', source: 'bad', symbols: ['NOSUCH'] },
        ]),
      },
    })
    assert.equal(code, 0, stderr)
    assert.equal(lines(stdout).length, 100)
    assert.ok(
      said.some(line => line.startsWith('bad: ') && line.includes('NOSUCH')),
      stderr,
    )
  })

  test('ends with the error where no feed can go on', async t => {
    const cwd = folder(t)
    const { code, stderr } = await cli(['up', '--no-record'], {
      cwd,
      env: {
        TICKWIRE_FEEDS: JSON.stringify([
          { provider: 'simulated', source: 'a', symbols: ['NOSUCH'] },
          { provider: 'simulated', source: 'b', symbols: ['NEITHER'] },
        ]),
      },
    })
    assert.equal(code, 2, stderr)
  })

  test('what is about one feed is refused where there are several, with the way out', async t => {
    const cwd = folder(t)
    writeFileSync(join(cwd, 'tickwire.config.yaml'), feeds)
    for (const args of [
      ['up', 'SPY'],
      ['up', '--rate', '5'],
      ['record', '--trades'],
    ]) {
      const { code, stderr } = await cli(args, { cwd })
      assert.equal(code, 2, stderr)
      assert.match(stderr, /can only be given for one feed, and feeds names 2\n {2}→ .*--provider/)
    }
    const { code, stderr } = await cli(['stream'], { cwd })
    assert.deepEqual([code, /feeds names 2/.test(stderr)], [2, true], stderr)
  })

  test('record takes all feeds too, and stores nothing', async t => {
    const cwd = folder(t)
    writeFileSync(join(cwd, 'tickwire.config.yaml'), feeds)
    const { code, stderr } = await cli(['record', '--limit', '100'], { cwd })
    assert.equal(code, 0, stderr)
    assert.equal(existsSync(join(cwd, '.tickwire/store')), false)
    const history = await openHistory(join(cwd, '.tickwire'))
    const sources = new Set((await history.quotes('*').toArray()).map(({ source }) => source))
    await history.close()
    assert.deepEqual([...sources], ['two'])
  })
})

test('what is stored, or why not, stands in the title or at the foot', () => {
  const keeper = {
    state: 'following',
    seq: 1_234,
    behind: 0,
    error: undefined as Error | undefined,
  }
  const app = { keeper: keeper as StoreKeeper, controlPath: '/x' as string | undefined }
  const state = new StoringState(app, '.tickwire')
  assert.equal(state.alarm, undefined)
  assert.equal(
    state.foot,
    'stored in .tickwire up to number 1,234; ask it with `tickwire sql` or `tickwire history`',
  )
  keeper.behind = 7_000
  app.controlPath = undefined
  assert.equal(state.foot, 'stored in .tickwire up to number 1,234, 7,000 behind')
  keeper.error = new TickwireError('STORE_UNWRITABLE', 'cannot', {
    cause: Object.assign(new Error(), { code: 'ENOSPC' }),
  })
  assert.equal(state.alarm, 'NOT stored: no space left')
  assert.equal(state.outcome, 'NOT stored to the end: no space left')
  keeper.error = new Error('IO Error: could not write: No space left on device; and so on')
  assert.equal(state.alarm, 'NOT stored: no space left')
  keeper.error = new TickwireError('STORE_DRIVER_MISSING', 'DuckDB is not installed')
  assert.equal(state.foot, 'NOT stored: DuckDB is not installed')
})

test('a symbol of two sources has a line for each of them', () => {
  const board = new Board(['SPY one', 'SPY two'], 18)
  const trade = (source: string, price: number) =>
    createEvent({ type: 'trade', symbol: 'SPY', source, timestamp: 0, price, size: 1 })
  board.add(trade('one', 100), 'SPY one')
  board.add(trade('two', 200), 'SPY two')
  const view = { colors: false, now: 0, banner: undefined, title: 'title', foot: ['foot'] }
  const shown = board.render({ ...view, width: 60, height: 20 })
  assert.match(shown[2]!, /^SPY one +100\.00/)
  assert.match(shown[3]!, /^SPY two +200\.00/)
  assert.ok(shown.every(line => line.length <= 60))
})
