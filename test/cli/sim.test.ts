import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { runCommand } from '../../src/cli/program.ts'
import { cli, lines, TICKWIRE } from './child.ts'

const directory = mkdtempSync(join(tmpdir(), 'tickwire-sim-'))
const running = new Set<ChildProcess>()
after(() => {
  for (const child of running) child.kill('SIGKILL')
  rmSync(directory, { recursive: true })
})

/** A process whose output can be waited for. */
class Process {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const { PATH = '', SystemRoot = '' } = process.env
    this.child = spawn(process.execPath, args, {
      cwd: directory,
      env: { PATH, SystemRoot, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(this.child)
    this.child.on('exit', () => running.delete(this.child))
    this.child.stdout!.on('data', data => {
      this.stdout += data
    })
    this.child.stderr!.on('data', data => {
      this.stderr += data
    })
  }

  async until(what: string, done: () => boolean): Promise<void> {
    const start = performance.now()
    while (!done()) {
      const late = performance.now() - start > 25_000
      assert.ok(!late, `never: ${what}\n${this.stdout.slice(-2_000)}\n${this.stderr}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }

  /** Ends it, unless it has ended, and gives its exit code. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const exit = once(this.child, 'exit')
    this.child.kill(signal)
    return (await exit)[0] as number | null
  }
}

async function startSim(args: readonly string[], env?: Readonly<Record<string, string>>) {
  const sim = new Process([...TICKWIRE, 'sim', ...args], env)
  await sim.until('the addresses', () => /^symbols/m.test(sim.stdout))
  const url = /ws:\S+/.exec(sim.stdout)![0]
  return Object.assign(sim, { url, port: new URL(url).port })
}

/** The first code of the README, on the sources, with its provider line changed as the README says. */
function readmeCode(url: string): string {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const code = /^```js\r?\n([\s\S]*?)^```/m.exec(readme)![1]!
  const source = (path: string) => new URL(`../../src/${path}`, import.meta.url).href
  const changed = code
    .replace("'tickwire'", `'${source('index.ts')}'`)
    .replace(
      "{ simulated } from 'tickwire/simulated'",
      `{ alpaca } from '${source('providers/alpaca/index.ts')}'`,
    )
    .replace('simulated()', `alpaca({ key: 'any', secret: 'any', url: '${url}' })`)
  assert.ok(!changed.includes('simulated') && changed.includes('alpaca({'), changed)
  return changed
}

describe('tickwire sim', () => {
  test('says where it listens and that prices are SIMULATED, and ends with Ctrl-C', async () => {
    const sim = await startSim(['--port', '0', '--symbols', 'spy,FOO'])
    assert.match(sim.stdout, /^SIMULATED/)
    assert.match(sim.stdout, /^stream {2}ws:\/\/127\.0\.0\.1:\d+\/v2\/iex/m)
    assert.match(sim.stdout, /^REST {4}http:\/\/127\.0\.0\.1:\d+\/v2\/stocks$/m)
    assert.match(sim.stdout, /^symbols SPY FOO$/m)
    assert.equal(await sim.end('SIGINT'), 130)
    assert.match(sim.stderr, /\d+ events in [\d.]+ s, 0 connections, 0 faults\n$/)
  })

  for (const { market, path, args, symbols, of } of [
    {
      ...{ market: 'crypto', path: '/v1beta3/crypto/us', symbols: 'BTC/USD ETH/USD' },
      ...{
        args: ['btcusd', '--kinds', 'trades,books'],
        of: /BTC\/USD \(trades, books, crypto us\)/,
      },
    },
    {
      ...{ market: 'options', path: '/v1beta1/indicative', symbols: 'SPY271217C00630000 .*' },
      ...{ args: ['SPY271217C00630000'], of: /\(trades, options indicative\)/ },
    },
    {
      ...{ market: 'news', path: '/v1beta1/news', symbols: 'SPY TSLA .*' },
      ...{ args: ['*'], of: /\* \(news, news\)/ },
    },
  ]) {
    test(`--market ${market} is that stream of Alpaca's, and \`tickwire stream\` reads it`, async () => {
      const sim = await startSim(['--port', '0', '--market', market])
      assert.ok(sim.stdout.includes(`${path}`), sim.stdout)
      assert.match(sim.stdout, new RegExp(`^symbols ${symbols}$`, 'm'))
      const env = { APCA_API_KEY_ID: 'any', APCA_API_SECRET_KEY: 'any' }
      const url = `ws://127.0.0.1:${sim.port}${path}`
      const result = await cli(
        ['stream', ...args, '--provider', 'alpaca', '--market', market, '--limit', '2'],
        // A feed set for stocks is not meant.
        { env: { ...env, TICKWIRE_ALPACA_URL: url, TICKWIRE_ALPACA_FEED: 'sip' } },
      )
      assert.equal(result.code, 0, result.stderr)
      assert.match(result.stderr, of)
      const events = lines(result.stdout).map(line => JSON.parse(line) as { source: string })
      assert.deepEqual(
        events.map(({ source }) => source),
        Array(2).fill(`alpaca-${market}`),
      )
      await sim.end('SIGTERM')
    })
  }

  for (const { market, args, of } of [
    { market: 'stocks', args: ['SPY', '--kinds', 'trades,quotes'], of: /SPY \(trades, quotes, / },
    { market: 'crypto', args: ['BTC/USD'], of: /BTC\/USD \(trades, crypto realtime\)/ },
    { market: 'forex', args: ['EUR/USD', '--quotes'], of: /EUR\/USD \(quotes, forex / },
    { market: 'options', args: ['SPY271217C00630000'], of: /\(trades, options realtime\)/ },
    { market: 'indices', args: ['SPX', '--kinds', 'tickers'], of: /SPX \(tickers, indices / },
  ]) {
    test(`--venue polygon --market ${market} is that cluster, and \`tickwire stream\` reads it`, async () => {
      const sim = await startSim(['--port', '0', '--venue', 'polygon', '--market', market])
      assert.match(sim.stdout, /^SIMULATED/)
      const result = await cli(
        ['stream', ...args, '--provider', 'polygon', '--market', market, '--limit', '2'],
        { env: { POLYGON_API_KEY: 'any', TICKWIRE_POLYGON_URL: sim.url } },
      )
      assert.equal(result.code, 0, result.stderr)
      assert.match(result.stderr, of)
      assert.equal(lines(result.stdout).length, 2)
      assert.match(sim.stderr, /#1 auth_success authenticated[\s\S]*#1 success subscribed to: /)
      assert.ok(!sim.stderr.includes('any'), 'the key is told nowhere')
      await sim.end('SIGTERM')
    })
  }

  test('of polygon it answers questions, takes the one key that is set, and plays faults', async () => {
    const file = join(directory, 'polygon.yaml')
    writeFileSync(file, '- { fault: close, after: 1 connection, at: 300ms }\n')
    const keys = { TICKWIRE_SIM_KEY: 'PKSIM', TICKWIRE_SIM_SECRET: 'topsecret' }
    const args = ['--port', '0', '--venue', 'polygon', '--symbols', 'aapl', '--faults', file]
    const sim = await startSim(args, keys)
    const env = { POLYGON_API_KEY: 'PKSIM', TICKWIRE_POLYGON_URL: sim.url }
    const stream = ['stream', 'AAPL', '-p', 'polygon', '--duration', '4s']
    const read = await cli(stream, { env })
    assert.equal(read.code, 0, read.stderr)
    assert.match(read.stderr, /connected again/)
    const quote = await cli(['quote', 'AAPL', '-p', 'polygon', '--json'], { env })
    assert.equal(quote.code, 0, quote.stderr)
    const wrong = await cli(stream, { env: { ...env, POLYGON_API_KEY: 'OTHER' } })
    assert.deepEqual([wrong.code, /authentication failed/.test(wrong.stderr)], [4, true])
    await sim.end('SIGTERM')
    assert.match(sim.stderr, /fault close on #1/)
  })

  test('a market or symbol its venue has not is refused before it listens', async () => {
    for (const [args, says] of [
      [['--venue', 'polygon', '--market', 'news'], /polygon has no market "news"/],
      [['--venue', 'polygon', '--market', 'crypto', '--symbols', 'SPY'], /not a symbol: "SPY"/],
      [['--market', 'forex'], /alpaca has no market "forex"/],
      [['--venue', 'ibkr', '--market', 'stocks'], /ibkr has no market.*\n.*leave it out/],
    ] as const) {
      const { code, stderr, stdout } = await cli(['sim', '--port', '0', ...args])
      assert.deepEqual([code, stdout], [2, ''], stderr)
      assert.match(stderr, says)
    }
  })

  test('`tickwire stream` reads from it through faults of a file, history included', async () => {
    const file = join(directory, 'faults.yaml')
    writeFileSync(file, '- { fault: close, after: 1 connection, at: 300ms }\n')
    const keys = { TICKWIRE_SIM_KEY: 'PKSIM', TICKWIRE_SIM_SECRET: 'topsecret' }
    const sim = await startSim(['--port', '0', '--rate', '200', '--faults', file], keys)
    const env = { APCA_API_KEY_ID: 'PKSIM', APCA_API_SECRET_KEY: 'topsecret' }
    const args = ['stream', 'SPY', '--provider', 'alpaca', '--limit', '40']
    const result = await cli(args, { env: { ...env, TICKWIRE_ALPACA_URL: sim.url } })
    assert.equal(result.code, 0, result.stderr)
    assert.equal(lines(result.stdout).length, 40)
    assert.match(result.stderr, /subscribed: SPY/)
    const headers = { 'APCA-API-KEY-ID': 'PKSIM', 'APCA-API-SECRET-KEY': 'topsecret' }
    const history = `http://127.0.0.1:${sim.port}/v2/stocks/SPY/trades?limit=10000`
    const { trades } = (await (await fetch(history, { headers })).json()) as { trades: object[] }
    assert.ok(trades.length >= 40)
    assert.equal((await fetch(history)).status, 401)
    const wrong = await cli(args, {
      env: { ...env, APCA_API_SECRET_KEY: 'wrong1', TICKWIRE_ALPACA_URL: sim.url },
    })
    assert.equal(wrong.code, 4)
    await sim.end('SIGTERM')
    assert.match(sim.stderr, /^#1 connected to \/v2\/iex$/m)
    assert.match(sim.stderr, /^#1 subscribed: trades SPY$/m)
    assert.match(sim.stderr, /^fault close on #1$/m)
    assert.match(sim.stderr, /error 402 auth failed$/m)
    assert.ok(!(sim.stdout + sim.stderr).includes('topsecret'))
  })

  test("the README's ten lines stream on through kill -9 and restart", async () => {
    const first = await startSim(['--port', '0', '--rate', '100'])
    const script = join(directory, 'readme.mts')
    writeFileSync(script, readmeCode(first.url))
    const bot = new Process(['--import', import.meta.resolve('tsx'), script])
    const trades = () => bot.stdout.match(/New Trade/g)?.length ?? 0
    await bot.until('trades', () => trades() > 5)
    await first.end('SIGKILL')
    const before = trades()
    const second = await startSim(['--port', first.port, '--rate', '100'])
    await bot.until('trades of the second', () => trades() > before + 20)
    assert.equal(bot.child.exitCode, null)
    assert.match(second.stderr, /subscribed: trades SPY TSLA/)
    await bot.end('SIGKILL')
    await second.end('SIGKILL')
  })
})

describe('bad input to sim gives one clear line and the right exit code', () => {
  writeFileSync(join(directory, 'broken.yaml'), '- { fault: cut\n')
  writeFileSync(join(directory, 'unknown.yaml'), '- { fault: cut }\n- { fault: upgrade-403 }\n')
  const cases: readonly [args: string, exit: number, says: RegExp, hints: RegExp, env?: object][] =
    [
      ['--venue alpca', 2, /no venue "alpca"/, /did you mean alpaca\?/],
      ['--rate 0', 2, /--rate cannot be "0"/, /above 0/],
      ['--rate -3', 2, /--rate cannot be "-3"/, /above 0/],
      ['--rate fast', 2, /--rate cannot be "fast"/, /above 0/],
      ['--rate max', 2, /--rate cannot be "max"/, /at most 1000000/],
      ['--rate 1e12', 2, /--rate cannot be "1e12"/, /at most 1000000/],
      ['--rate 0x10', 2, /--rate cannot be "0x10"/, /above 0/],
      ['--rate +5', 2, /--rate cannot be "\+5"/, /above 0/],
      ['--rate 1e-3', 2, /--rate cannot be "1e-3"/, /above 0/],
      ['--port 0x10', 2, /--port cannot be "0x10"/, /65535/],
      ['--seed 1e3', 2, /--seed cannot be "1e3"/, /whole number/],
      ['--seed --5', 2, /--seed cannot be "--5"/, /whole number/],
      ['--connections +2', 2, /--connections cannot be "\+2"/, /from 1/],
      ['--port 70000', 2, /--port cannot be "70000"/, /65535/],
      ['--port http', 2, /--port cannot be "http"/, /65535/],
      ['--connections 0', 2, /--connections cannot be "0"/, /from 1/],
      ['--hold forever', 2, /--hold cannot be "forever"/, /90s/],
      ['--seed x', 2, /--seed cannot be "x"/, /whole number/],
      ['--symbols ,', 2, /list of symbols is empty/, /Name at least one/],
      ['--symbols BTC/USD', 2, /not a symbol of a US stock: "BTC\/USD"/, /stocks only/],
      ['--symbols A*', 2, /not a symbol of a US stock: "A\*"/, /stocks only/],
      ['--symbols SPY,*', 2, /not a symbol of a US stock: "\*"/, /stocks only/],
      ['--secret x', 2, /unknown option '--secret'/, /./],
      ['--faults none.yaml', 3, /none\.yaml cannot be read/, /testing\.md/],
      ['--faults broken.yaml', 3, /broken\.yaml:\d+: /, /fault: NAME/],
      ['--faults unknown.yaml', 3, /unknown\.yaml:2: no fault "upgrade-403"/, /upgrade-40/],
      ['', 3, /TICKWIRE_SIM_SECRET is not/, /\.env/, { TICKWIRE_SIM_KEY: 'k' }],
      ['', 3, /unknown variable TICKWIRE_SIM_KEYS/, /./, { TICKWIRE_SIM_KEYS: 'k' }],
    ]
  for (const [args, exit, says, hints, env = {}] of cases) {
    test(args || Object.keys(env).join(), async t => {
      await refused(t, args, exit, says, hints, env as Record<string, string>)
    })
  }

  test('a port in use', async t => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    await refused(t, `--port ${port}`, 5, new RegExp(`listens on port ${port}`), /another port/, {})
    other.close()
  })

  test('a port this user may not have', async t => {
    t.mock.method(Server.prototype, 'listen', function (this: Server) {
      const error = Object.assign(new Error('listen EACCES: permission denied'), { code: 'EACCES' })
      queueMicrotask(() => this.emit('error', error))
      return this
    })
    await refused(t, '--port 80', 2, /may not listen on port 80/, /above 1023/, {})
  })
})

async function refused(
  t: { mock: typeof import('node:test').mock },
  args: string,
  exit: number,
  says: RegExp,
  hints: RegExp,
  env: Readonly<Record<string, string>>,
) {
  let stderr = ''
  t.mock.method(process.stderr, 'write', (text: string) => {
    stderr += text
    return true
  })
  const argv = ['sim', ...args.split(' ').filter(word => word !== '')]
  const code = await runCommand(() => ({ argv, env, cwd: directory }))
  t.mock.restoreAll()
  assert.equal(code, exit, stderr)
  const said = lines(stderr)
  assert.equal(said.length, 2, stderr)
  assert.match(said[0]!, /^tickwire: /)
  assert.match(said[0]!, says)
  assert.match(said[1]!, /^ {2}→ /)
  assert.match(said[1]!, hints)
}
