import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { parseKeys } from '../../src/cli/keys.ts'
import { runCommand } from '../../src/cli/program.ts'
import { press } from '../../src/cli/replay-keys.ts'
import { parseEvent } from '../../src/market/json.ts'
import { replay } from '../../src/providers/replay/provider.ts'
import { play, record, T0, trade } from '../providers/replay/play.ts'
import { openTape, START, tempFolder, trades } from '../tape/kit.ts'
import { cli, lines } from './child.ts'

/** Trades of SPY and TSLA, a millisecond apart. */
async function recorded(t: TestContext): Promise<string> {
  const folder = tempFolder(t)
  const tape = await openTape(t, folder)
  tape.append([...trades(0, 20), ...trades(20, 20, 'TSLA')])
  await tape.close()
  return folder
}

describe('tickwire replay', () => {
  test('prints what was recorded, all of it or a part', async t => {
    const tape = ['--tape', await recorded(t), '--speed', 'max']
    const time = (n: number) => new Date(START + n).toISOString()
    const part = ['--from', time(15), '--to', time(25)]
    const [all, some, few] = await Promise.all([
      cli(['replay', ...tape]),
      cli(['replay', 'tsla', ...tape, ...part]),
      cli(['replay', ...tape, '--limit', '3', '--speed', '10x']),
    ])
    assert.deepEqual([all.code, some.code, few.code], [0, 0, 0], all.stderr)
    const sizes = (text: string) =>
      lines(text)
        .map(parseEvent)
        .map(event => event.type === 'trade' && event.size)
    const range = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => from + i)
    assert.deepEqual(sizes(all.stdout), range(0, 40))
    assert.deepEqual(sizes(some.stdout), range(20, 25))
    assert.deepEqual(sizes(few.stdout), range(0, 3))
    assert.match(all.stderr, /^REPLAY · prices of the past$/m)
    assert.match(all.said.at(-1)!, /^40 events in /)
  })

  test('says so where nothing of it is on the tape', async t => {
    const folder = await recorded(t)
    const args = ['replay', 'SPY', '--kinds', 'quotes', '--speed', 'max', '--tape', folder]
    const { code, stdout, said } = await cli(args)
    assert.deepEqual([code, stdout], [0, ''])
    assert.match(said.join('\n'), /none of that is on the tape; `tickwire tape info` shows what is/)
  })

  test('does not wait for a key that nobody can press', async t => {
    let stderr = ''
    const writing = t.mock.method(process.stderr, 'write', (text: string) => {
      stderr += text
      return true
    })
    const folder = await recorded(t)
    const argv = ['replay', '--paused', '--tape', folder]
    // Also when the tests are run on a terminal.
    const { isTTY } = process.stdin
    process.stdin.isTTY = false
    const code = await runCommand(() => ({ argv, env: {}, cwd: folder }))
    process.stdin.isTTY = isTTY
    writing.mock.restore()
    assert.equal(code, 2)
    assert.match(stderr, /--paused waits for a key, and there is no terminal\n {2}→ /)
  })
})

describe('keys', () => {
  test('those that come together are all there', () => {
    assert.deepEqual(parseKeys('++-'), ['faster', 'faster', 'slower'])
    assert.deepEqual(parseKeys(' n\x1b[C\x1bOC[]q'), [
      ...(['space', 'right', 'right', 'right', 'back', 'forward', 'quit'] as const),
    ])
    assert.deepEqual(parseKeys('x+\x03'), ['faster', 'interrupt'])
  })

  test('a sequence that stands for another key is none of the characters in it', () => {
    for (const other of ['\x1b[A', '\x1b[1;5C', '\x1b[15~', '\x1bOA', '\x1bn', '\x1b', 'é', '😀']) {
      assert.deepEqual(parseKeys(`${other}`), [], JSON.stringify(other))
      assert.deepEqual(parseKeys(`+${other}`), ['faster'], JSON.stringify(other))
    }
    assert.deepEqual(parseKeys('\x1b[Aq'), ['quit'])
  })
})

describe('a key pressed', () => {
  const still = (speed: number) => {
    const provider = replay({ tape: record([]), speed })
    const said: string[] = []
    const actions = { say: (line: string) => said.push(line), quit: () => said.push('quit') }
    return { provider, said, actions }
  }

  test('+ is faster and - slower, from and to max', () => {
    const { provider, said, actions } = still(1)
    const speeds = (key: 'faster' | 'slower', times: number) =>
      Array.from({ length: times }, () => {
        press(key, provider, actions)
        return provider.speed
      })
    assert.deepEqual(speeds('faster', 2), [2, 4])
    assert.deepEqual(speeds('slower', 3), [2, 1, 0.5])
    assert.deepEqual(said.slice(-2), ['speed 1x', 'speed 0.5x'])
    provider.speed = 500
    assert.deepEqual(speeds('faster', 3), [1_000, Infinity, Infinity])
    assert.deepEqual(said.slice(-2), ['as fast as it goes', 'as fast as it goes'])
    assert.deepEqual(speeds('slower', 2), [100, 50])
    assert.equal(said.at(-1), 'speed 50x')
    provider.speed = 0.0015
    assert.deepEqual(speeds('slower', 2), [0.001, 0.001])
  })

  test('q quits', () => {
    const { provider, said, actions } = still(1)
    press('quit', provider, actions)
    assert.deepEqual(said, ['quit'])
  })

  test('pauses, steps, goes on and seeks', async () => {
    const tape = record([0, 1_000, 120_000, 121_000].map(at => trade(at)))
    const { replay, prices, pass } = await play({ tape, from: T0, to: T0 + 200_000 })
    const said: string[] = []
    const quit = () => said.push('quit')
    const key = (name: Parameters<typeof press>[0]) =>
      press(name, replay, { say: line => said.push(line), quit })
    await pass(100)
    key('space')
    assert.equal(replay.state, 'paused')
    assert.equal(said.at(-1), 'paused at 2024-01-15T14:30:00.000Z')
    key('right')
    await pass(0)
    assert.deepEqual(prices(), [0, 1_000])
    key('back')
    assert.equal(said.at(-1), 'that is before its beginning')
    key('forward')
    key('forward')
    assert.equal(said.at(-1), 'at 2024-01-15T14:32:01.000Z')
    key('right')
    await pass(0)
    assert.deepEqual(prices(), [0, 1_000, 121_000])
    key('forward')
    key('forward')
    assert.equal(said.at(-1), 'that is beyond its end')
    key('space')
    assert.deepEqual([said.at(-1), replay.state], ['goes on', 'playing'])
  })
})
