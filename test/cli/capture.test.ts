import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { decodeMsgpack } from '../../src/base/msgpack.ts'
import { runCommand } from '../../src/cli/program.ts'
import { createEvent } from '../../src/market/events.ts'
import { parseEvent } from '../../src/market/json.ts'
import { alpacaServer } from '../../src/providers/alpaca/server.ts'
import { startVenue } from '../../src/testing/venue.ts'
import { tempFolder } from '../tape/kit.ts'
import { cli, emptyDirectory, lines, type Result } from './child.ts'

const KEYS = { APCA_API_KEY_ID: 'PKTEST', APCA_API_SECRET_KEY: 'not-a-real-secret' }
const TRADE = {
  type: 'trade',
  symbol: 'SPY',
  exchange: 'V',
  tape: 'B',
  price: 1.5,
  size: 2,
} as const

/** The first message of a frame of alpaca's, as `frames` prints what is binary. */
function decoded(base64: string): Record<string, unknown> {
  const messages = decodeMsgpack(Buffer.from(base64, 'base64'))
  return (messages as Record<string, unknown>[])[0]!
}

/** Runs a command that prints nothing to standard output, in this process. */
async function run(t: TestContext, argv: readonly string[], cwd = tempFolder(t)) {
  let stderr = ''
  const writing = t.mock.method(process.stderr, 'write', (text: string) => {
    stderr += text
    return true
  })
  const code = await runCommand(() => ({ argv, env: KEYS, cwd }))
  writing.mock.restore()
  return { code, stderr }
}

describe('a capture of a venue', { concurrency: 2 }, () => {
  const folder = emptyDirectory()
  const file = join(folder, 'monday.capture')
  let captured: Result
  after(() => rmSync(folder, { recursive: true }))
  before(async () => {
    const venue = await startVenue(alpacaServer({ clock: systemClock() }))
    let id = 0
    const telling = setInterval(() => {
      venue.deliver([createEvent({ ...TRADE, timestamp: Date.now(), id: ++id })])
    }, 50)
    const env = { ...KEYS, TICKWIRE_ALPACA_URL: `${venue.url}/v2/iex` }
    const args = ['capture', 'SPY', '--trades', '--limit', '6', '--out', 'monday.capture']
    captured = await cli(args, { env, cwd: folder })
    clearInterval(telling)
    await venue.close()
  })

  test('says what it does, and keeps no key', () => {
    assert.equal(captured.code, 0, captured.stderr)
    assert.match(captured.stderr, /^capturing to monday\.capture$/m)
    assert.match(captured.said.at(-1)!, /^6 frames in .*; in monday\.capture$/)
    assert.ok(statSync(file).size > 0)
    assert.ok(!readFileSync(file).includes('secret'))
  })

  test('frames list prints every frame with its number', async () => {
    const { code, stdout, stderr } = await cli(['frames', 'list', file])
    assert.equal(code, 0, stderr)
    const [opened, ...all] = lines(stdout)
    const frames = all.filter(line => !line.includes('connection closed'))
    assert.match(opened!, /^ {5}- {2}\d{4}-.*Z {2}1 {2}connection opened$/)
    const shown = frames.map(line => /^ *(\d+) {2}\d{4}-.*Z {2}1 {2}(\S+)$/.exec(line)!)
    assert.deepEqual(
      shown.map(([, number]) => Number(number)),
      shown.map((_, index) => index + 1),
    )
    const messages = shown.map(([, , text]) => decoded(text!))
    assert.deepEqual([messages[0]!.T, messages[0]!.msg], ['success', 'connected'])
    assert.deepEqual([messages[2]!.T, messages[2]!.trades], ['subscription', ['SPY']])
    assert.deepEqual([messages[3]!.T, messages[3]!.S], ['t', 'SPY'])
  })

  test('frames play decodes it all again', async () => {
    const { code, stdout, said, stderr } = await cli(['frames', 'play', file])
    assert.equal(code, 0, stderr)
    const events = lines(stdout).map(parseEvent)
    assert.ok(events.length >= 3, stderr)
    for (const event of events) {
      assert.ok(event.type === 'trade' && event.price === 1.5 && event.size === 2, event.type)
    }
    assert.match(stderr, /^REPLAY · prices of the past$/m)
    assert.match(said.at(-1)!, new RegExp(`^${events.length} events in `))
  })

  test('frames fixture is a frame with its events', async () => {
    const { stdout, stderr } = await cli(['frames', 'fixture', file, '--frame', '4'])
    const { provider, feed, base64, events } = JSON.parse(stdout)
    assert.deepEqual([provider, feed, events.length], ['alpaca', 'iex', 1], stderr)
    assert.deepEqual([events[0].type, events[0].id], ['trade', decoded(base64).i])
  })

  test('a frame it does not have is an error, and so is writing over it', async t => {
    const beyond = await run(t, ['frames', 'fixture', file, '--frame', '4000'])
    assert.equal(beyond.code, 2)
    assert.match(beyond.stderr, /has \d+ frames, and no number 4000\n {2}→ /)
    const again = await run(t, ['capture', 'SPY', '--out', 'monday.capture'], folder)
    assert.equal(again.code, 3)
    assert.match(again.stderr, /monday\.capture is already there\n {2}→ /)
  })
})

describe('what cannot be captured or read is one clear line, a way out and the right exit code', () => {
  const cases: readonly [args: string, exit: number, says: RegExp][] = [
    ['capture SPY -p simulated', 2, /the simulated market sends no frames/],
    ['capture SPY --json', 2, /unknown option '--json'/],
    ['capture SPY --rate 5', 2, /unknown option '--rate'/],
    ['capture SPY --out ', 2, /--out cannot be ""/],
    ['capture SPY --out none/x.capture', 5, /the capture cannot be written/],
    ['frames play folder', 6, /folder/],
    ['frames fixture text', 6, /text is damaged: it does not begin as/],
    ['frames fixture text --frame 0', 2, /--frame cannot be "0"/],
    ['frames play text --speed 0', 2, /--speed cannot be "0"/],
  ]
  for (const [args, exit, says] of cases) {
    test(args, async t => {
      const cwd = tempFolder(t)
      mkdirSync(join(cwd, 'folder'))
      writeFileSync(join(cwd, 'text'), 'no capture')
      const { code, stderr } = await run(t, args.split(' '), cwd)
      const last = lines(stderr).slice(-2)
      assert.equal(code, exit, stderr)
      assert.match(last[0]!, says)
      assert.match(last[1]!, /^ {2}→ /)
    })
  }
})
