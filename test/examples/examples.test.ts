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

  test('07 keeps a book, says what an order costs, and ends cleanly', async () => {
    const { code, stdout, stderr } = await example('07-book.mjs', /(mid [\d.]+ .*\n[\s\S]*){5}/)
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, /^SIMULATED[\s\S]*half a coin costs \d+\.\d\d each, 0 are not to be had$/m)
    const tops = [...stdout.matchAll(/ × ([\d.]+) \| ([\d.]+) × .* mid ([\d.]+) /g)]
    assert.ok(tops.length >= 5, stdout)
    for (const [, bid, ask, mid] of tops) {
      assert.ok(Number(bid) < Number(mid) && Number(mid) < Number(ask))
    }
  })

  test('09 prints indicators of an invented day, and ends by itself', async () => {
    const { code, stdout, stderr } = await example('09-indicators.mjs')
    assert.deepEqual([code, stderr], [0, ''])
    const [notice, first, ...rest] = stdout.trimEnd().split('\n')
    assert.match(notice!, /SIMULATED/)
    assert.match(first!, /RSI +— +bands +— … +— +VWAP +—$/)
    assert.match(rest.pop()!, /^\d{3} bars$/)
    assert.ok(rest.length > 10)
    for (const line of rest) assert.match(line, /RSI +\d+\.\d\d {2}bands +\d+\.\d\d … +\d+\.\d\d/)
    assert.match(rest.at(-1)!, /VWAP +\d+\.\d\d$/)
  })

  test('10 reads two sources as one stream', async () => {
    const both = /stocks {2}(SPY|TSLA)[\s\S]*coins {3}BTC|coins {3}BTC[\s\S]*stocks {2}(SPY|TSLA)/
    const { code, stdout, stderr } = await example('10-union.mjs', both)
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, both)
    assert.match(stdout, /SIMULATED[\s\S]*stocks {2}\[connected\][\s\S]*coins {3}\[connected\]/)
  })

  test('11 prints the best of a book, and trades with their side', async () => {
    const enough = /trade \d+: (buy|sell) [\s\S]*bid [^\n]*\n/
    const { code, stdout, stderr } = await example('11-crypto-book.mjs', enough)
    assert.deepEqual([code, stderr], [0, ''])
    const books = [...stdout.matchAll(/^bid ([\d.]+) × [\d.]+ {3}ask ([\d.]+) × [\d.]+$/gm)]
    assert.ok(books.length > 0, stdout)
    for (const [line, bid, ask] of books) assert.ok(Number(bid) < Number(ask), line)
  })

  test('12 says what the plan lacks, and prints the trades it has', async () => {
    const enough = /^(AAPL|MSFT) {2}[\d.]+ × \d+ {2}exchange \d+$/m
    const { code, stdout, stderr } = await example('12-polygon.mjs', enough)
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, enough)
    assert.match(stdout, /\[rejected\] AAPL \(quote\): .*not authorized/)
  })

  test('13 stores what it recorded, and asks for it', async () => {
    const { code, stdout, stderr } = await example('13-history.mjs')
    assert.deepEqual([code, stderr], [0, ''])
    if (stdout.includes('npm install @duckdb/node-api')) return
    assert.match(stdout, /(?:^\d{4}-.*Z {2}SPY {2}\d+\.\d+ {2}\d+\n){3}/m)
    assert.match(stdout, /^symbol {2}trades {2}low {2}high\nSPY {2}\d+ {2}\d.*\nTSLA {2}\d+ /m)
    assert.match(stdout, /^the last quote: \d+\.\d+ \/ \d+\.\d+\n1 Parquet file of trades$/m)
    assert.match(stdout, /^[1-9]\d+ bytes of Arrow$/m)
  })

  test('14 prints last prices and a book by OpenAlgo, and names what there is not', async () => {
    const enough = /(?=[\s\S]*^NSE:(RELIANCE|INFY) {2}\d)(?=[\s\S]*^book NSE:INFY {2}\d[^\n]*\n)/m
    const { code, stdout, stderr } = await example('14-openalgo.mjs', enough)
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, /^SIMULATED/)
    assert.match(stdout, /\[rejected\] NSE:NOPE \(ticker\): .*not found for exchange NSE/)
    assert.match(stdout, /^NSE:(RELIANCE|INFY) {2}[\d.]+$/m)
    assert.match(stdout, /^book NSE:INFY {2}[\d.]+ × \d+ \| [\d.]+ × \d+$/m)
  })

  test('15 prints the trades of five codes by AllTick, and refuses the sixth', async () => {
    const enough = /^[A-Z]{4}\.US {2}[\d.]+ × \d+ {2}.*\n/m
    const { code, stdout, stderr } = await example('15-alltick.mjs', enough)
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, /^SIMULATED/)
    assert.match(stdout, /\[rejected\] GOOG\.US \(trade\): the plan free carries 5 codes/)
    assert.match(stdout, enough)
    assert.doesNotMatch(stdout, /^GOOG/m)
  })

  test('16 goes on without servers that are not there, and names them', async () => {
    const nowhere = ['postgres://127.0.0.1:1/none', 'redis://127.0.0.1:1']
    const { code, stdout, stderr } = await example('16-postgres-and-redis.mjs', undefined, nowhere)
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, /^SIMULATED/)
    assert.match(stdout, /^PostgreSQL is left out: .*\n {2}→ Look whether the server of postgres:/m)
    assert.match(stdout, /^Redis is left out: .*\n {2}→ Look whether the server of redis:/m)
  })

  test('08 prints bars while they form, final ones, and bars of 25 trades', async () => {
    const enough = /SPY 2s .*forming\n[\s\S]*SPY 2s .*final, revision 0\n/
    const { code, stdout, stderr } = await example('08-bars.mjs', enough)
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, /SIMULATED/)
    assert.match(stdout, /TSLA 25t .*final, revision 0/)
  })

  for (const name of [
    '01-subscribe-message',
    '03-raw-messages',
    '04-trades',
    '05-quotes-and-bars',
    '07-book',
    '08-bars',
    '11-crypto-book',
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
    assert.ok(files.length >= 8)
    for (const name of files) {
      assert.ok(readme.includes(`node examples/${name}`), name)
      assert.ok(readFileSync(new URL(name, folder), 'utf8').includes(`node examples/${name}`), name)
    }
  })
})
