import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = new URL('../../', import.meta.url)
const folder = new URL('examples/', root)

/** Ends a run that never shows what it should, ms. */
const LONGEST_MS = 20_000

interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs an example as a user would, without keys; presses Ctrl-C when `enough` has been printed. */
async function example(name: string, enough?: RegExp, args: string[] = []): Promise<Result> {
  const { PATH = '', SystemRoot = '' } = process.env
  const child = spawn(process.execPath, [fileURLToPath(new URL(name, folder)), ...args], {
    env: { PATH, SystemRoot },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  let asked = false
  child.stderr.on('data', data => {
    stderr += data
  })
  child.stdout.on('data', data => {
    stdout += data
    if (!asked && enough?.test(stdout)) asked = child.kill('SIGINT')
  })
  const watchdog = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS)
  const code = await new Promise<number | null>(resolve => child.on('close', resolve))
  clearTimeout(watchdog)
  return { code, stdout, stderr }
}

/** Puts the commented line in place of the one above it, as the comment says. */
function withKey(code: string): { changed: number; code: string } {
  let changed = 0
  const pair =
    /^(\/\/ .*put the second line in place of the first\.\n)const .*\n\/\/ (const .*\n)/gm
  const result = code.replace(pair, (_, comment: string, line: string) => {
    changed++
    return comment + line
  })
  return { changed, code: result }
}

describe('the examples', { concurrency: 2 }, () => {
  before(() => {
    const built = existsSync(new URL('dist/index.js', root))
    assert.ok(built, 'examples import the built package: run `npm run build` first')
  })

  test('01 prints the subscribe message and opens nothing', async () => {
    const { code, stdout, stderr } = await example('01-subscribe-message.mjs')
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, /wss:\/\/stream\.data\.alpaca\.markets\/v2\/iex/)
    const message = JSON.parse(/subscribe: (.*)/.exec(stdout)![1]!)
    assert.deepEqual(message, { action: 'subscribe', trades: ['SPY', 'TSLA'], quotes: ['AAPL'] })
  })

  test('02 shows echo, ping, pong, and the timeout when the server goes mute', async () => {
    const { code, stdout, stderr } = await example('02-echo-heartbeat.mjs', undefined, ['--fast'])
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, /ping every 10 s, heartbeat timeout 30 s/)
    assert.match(stdout, /received "echo: hello"/)
    assert.match(stdout, /ping\n.*pong\n[\s\S]*ping\n.*ping\n[\s\S]*nothing heard for 30 s/)
  })

  test("03 prints alpaca's frames as received", async () => {
    const { code, stdout, stderr } = await example('03-raw-messages.mjs', /"T":"q"/)
    assert.deepEqual([code, stderr], [0, ''])
    const [notice, ...frames] = stdout.trim().split('\n')
    assert.match(notice!, /SIMULATED/)
    assert.deepEqual(JSON.parse(frames[0]!), [{ T: 'success', msg: 'connected' }])
    assert.ok(frames.every(frame => Array.isArray(JSON.parse(frame))))
  })

  test('04 prints each trade in five lines', async () => {
    const { code, stdout, stderr } = await example('04-trades.mjs', /(Timestamp: [\s\S]*){2}\n/)
    assert.deepEqual([code, stderr], [0, ''])
    const trade =
      /--- New Trade ---\nSymbol: (SPY|TSLA)\nPrice: \d+(\.\d+)?\nVolume: \d+\nTimestamp: \d{4}-\d\d-\d\dT[\d:.]+Z\n/g
    assert.ok(stdout.match(trade)!.length >= 2)
    assert.match(stdout.replace(trade, ''), /^SIMULATED.*\n$/, 'nothing else is printed')
  })

  test('05 prints quotes and notices', async () => {
    const { code, stdout, stderr } = await example(
      '05-quotes-and-bars.mjs',
      /bid[^\n]*\n[^\n]*bid[^\n]*\n/,
    )
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, /\[connected\][\s\S]*\[subscribed\] SPY, AAPL \(quote\)/)
    assert.match(stdout, /(SPY|AAPL) {2}bid [\d.]+ × \d+ {3}ask [\d.]+ × \d+/)
  })

  test('06 records, steps and replays, and ends by itself', async () => {
    const { code, stdout, stderr } = await example('06-replay.mjs')
    assert.deepEqual([code, stderr], [0, ''])
    const [, , ...rest] = stdout.trimEnd().split('\n')
    assert.equal(rest.length, 6)
    for (const line of rest.slice(0, 5)) assert.match(line, /Z {2}(SPY|TSLA) {2}[\d.]+$/)
    const [, count] = /^REPLAY: (\d+) trades/.exec(rest[5]!) ?? []
    assert.ok(Number(count) > 5, rest[5])
  })

  for (const name of [
    '01-subscribe-message',
    '03-raw-messages',
    '04-trades',
    '05-quotes-and-bars',
  ]) {
    test(`${name} is on the real market after one changed line, with the keys of .env`, () => {
      const { changed, code } = withKey(readFileSync(new URL(`${name}.mjs`, folder), 'utf8'))
      assert.equal(changed, 1)
      const directory = mkdtempSync(join(tmpdir(), 'tickwire-example-'))
      const run = (env: string) => {
        writeFileSync(join(directory, '.env'), env)
        const { PATH = '', SystemRoot = '' } = process.env
        return spawnSync(
          process.execPath,
          [`--env-file=${join(directory, '.env')}`, '--input-type=module', '-e', code],
          {
            cwd: fileURLToPath(root),
            env: { PATH, SystemRoot },
            encoding: 'utf8',
            timeout: 20_000,
          },
        )
      }
      // No network: the key is looked at before anything is opened.
      assert.match(run('').stderr, /MISSING_KEY/)
      const keys = "APCA_API_KEY_ID=PKTEST\nAPCA_API_SECRET_KEY='two words'\n"
      assert.match(run(keys).stderr, /BAD_KEY/)
      rmSync(directory, { recursive: true })
    })
  }

  test('each is listed in the README of its folder, and says how to run it', () => {
    const readme = readFileSync(new URL('README.md', folder), 'utf8')
    const files = readdirSync(folder).filter(name => name.endsWith('.mjs'))
    assert.equal(files.length, 6)
    for (const name of files) {
      assert.ok(readme.includes(`node examples/${name}`), name)
      assert.ok(readFileSync(new URL(name, folder), 'utf8').includes(`node examples/${name}`), name)
    }
  })
})
