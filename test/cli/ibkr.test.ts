import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseSymbols } from '../../src/cli/flags.ts'
import { createEvent } from '../../src/market/events.ts'
import { type FakeTws, fakeTws } from '../../src/testing/fake-tws.ts'
import { parseTwsFaults, type TwsFault } from '../../src/testing/fake-tws-faults.ts'
import { TICKWIRE } from './child.ts'

const directory = mkdtempSync(join(tmpdir(), 'tickwire-ibkr-'))
after(() => rmSync(directory, { recursive: true }))

/** `tickwire …` in a process of its own. */
function run(args: readonly string[]) {
  const { PATH = '', SystemRoot = '' } = process.env
  const child = spawn(process.execPath, [...TICKWIRE, ...args], {
    ...{ cwd: directory, env: { PATH, SystemRoot, TMPDIR: directory } },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { stdout: '', stderr: '', exit: undefined as number | null | undefined }
  child.stdout.on('data', data => {
    said.stdout += data
  })
  child.stderr.on('data', data => {
    said.stderr += data
  })
  child.on('close', code => {
    said.exit = code
  })
  const until = async (holds: () => boolean, what: string) => {
    const end = performance.now() + 40_000
    while (!holds()) {
      assert.ok(performance.now() < end, `never: ${what}\n${said.stderr}`)
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
  return { child, said, until }
}

/** A market that goes on whatever happens to TWS. */
function market(tws: FakeTws): NodeJS.Timeout {
  let cents = 10_000
  return setInterval(() => {
    const [bid, ask] = [++cents / 100, (cents + 100) / 100]
    const common = { symbol: 'AAPL', timestamp: Date.now() }
    const sides = { bids: [[bid, 1]], asks: [[ask, 1]] } as const
    tws.deliver([
      createEvent({ type: 'quote', ...common, bid, ask, bidSize: 1, askSize: 1 }),
      createEvent({ type: 'book', ...common, ...sides, snapshot: true }),
    ])
  }, 20)
}

test('a stream goes on through every fault that does not end a connection for long', async t => {
  const tws = await fakeTws().listen()
  const ticking = market(tws)
  const { child, said, until } = run([
    ...['stream', 'AAPL', '--provider', 'ibkr', '--port', String(tws.port)],
    ...['--kinds', 'quotes,books', '--json'],
  ])
  t.after(async () => {
    clearInterval(ticking)
    child.kill('SIGKILL')
    await tws.close()
  })
  const count = (type: string) => said.stdout.split(`"type":"${type}"`).length
  const goesOn = async (what: string) => {
    const [quotes, books] = [count('quote'), count('book')]
    await until(() => count('quote') > quotes + 3, `quotes after ${what}`)
    await until(() => count('book') > books + 3, `books after ${what}`)
  }
  await goesOn('the start')
  const faults: TwsFault[] = [
    { fault: 'cut' },
    { fault: 'garbled' },
    { fault: 'fragments', for: '200ms' },
    { fault: 'farm', for: '300ms' },
    { fault: 'competing', for: '300ms' },
    { fault: 'upstream', for: '300ms', data: 'kept' },
    { fault: 'upstream', for: '300ms', data: 'lost' },
    { fault: 'hang', for: '300ms' },
    { fault: 'late-rows', for: '300ms' },
    { fault: 'depth-reset' },
    { fault: 'depth-halt' },
    { fault: 'stranger' },
    { fault: 'moved' },
    { fault: 'slam' },
    { fault: 'restart', for: '500ms', busy: 0 },
  ]
  for (const fault of faults) {
    tws.fault(fault)
    await new Promise(resolve => setTimeout(resolve, 350))
    await goesOn(fault.fault)
  }
  assert.equal(said.exit, undefined)
  assert.match(said.stderr, /TWS closed the connection; next attempt/)
  assert.match(said.stderr, /TWS listens on another port now/)
  assert.match(said.stderr, /sent what is none of TWS/)
  tws.fault({ fault: 'client-id' })
  tws.fault({ fault: 'cut' })
  await until(() => said.stderr.includes('the client id is in use by another program'), 'the 326')
  for (const line of said.stdout.trim().split('\n')) {
    const { type, symbol, bid, ask, bids, asks } = JSON.parse(line)
    assert.equal(symbol, 'AAPL')
    if (type === 'quote') assert.ok(ask > bid, line)
    else for (const [price, size] of [...bids, ...asks]) assert.ok(price >= 100 && size >= 0, line)
  }
})

test('without a TWS the command says what to do, and ends with 5', async () => {
  const { said, until } = run([
    'stream',
    'AAPL',
    '--provider',
    'ibkr',
    '--port',
    '1',
    '--duration',
    '5s',
  ])
  await until(() => said.exit !== undefined, 'the end')
  assert.equal(said.exit, 5)
  assert.match(
    said.stderr,
    /tickwire: no TWS or IB Gateway at 127\.0\.0\.1:1: nobody listens there; start it/,
  )
})

test('a port means nothing to other providers', async () => {
  const { said, until } = run(['stream', 'SPY', '--provider', 'simulated', '--port', '1'])
  await until(() => said.exit !== undefined, 'the end')
  assert.equal(said.exit, 2)
  assert.match(said.stderr, /--port means nothing to the provider simulated/)
})

test('a TWS of one’s own: tickwire sim --venue ibkr', async t => {
  const { child, said, until } = run(['sim', '--venue', 'ibkr', '--port', '0', '--rate', '200'])
  t.after(() => child.kill('SIGKILL'))
  await until(() => /TWS {5}127\.0\.0\.1:\d+/.test(said.stdout), 'the address')
  assert.match(said.stdout, /^SIMULATED · invented prices/)
  const port = /127\.0\.0\.1:(\d+)/.exec(said.stdout)![1]!
  const other = run([
    ...['stream', 'AAPL', 'BTC/USD', '--provider', 'ibkr', '--port', port],
    ...['--kinds', 'trades,books', '--limit', '20', '--json'],
  ])
  await other.until(() => other.said.exit !== undefined, 'twenty events')
  assert.equal(other.said.exit, 0, other.said.stderr)
  assert.match(said.stderr, /client 8425 connected/)
})

test('the TWS of one’s own has what the docs ask it for, and what is ambiguous', async t => {
  writeFileSync(
    join(directory, 'faults.yaml'),
    '- { fault: unsubscribed, symbols: MSFT }\n- { fault: budgets, books: 1 }\n',
  )
  const { child, said, until } = run([
    ...['sim', '--venue', 'ibkr', '--port', '0', '--rate', '2000', '--faults', 'faults.yaml'],
    ...['--symbols', 'AAPL,MSFT,ES 202612 CME,EUR/USD,LSE:VOD,AAPL261218C00200000'],
  ])
  t.after(() => child.kill('SIGKILL'))
  await until(() => /TWS {5}127\.0\.0\.1:\d+/.test(said.stdout), 'the address')
  assert.match(
    said.stdout,
    /symbols AAPL MSFT CME:ES-202612 EUR\/USD LSE:VOD AAPL261218C00200000\n/,
  )
  const port = /127\.0\.0\.1:(\d+)/.exec(said.stdout)![1]!
  await until(() => said.stderr.includes('fault budgets'), 'the faults')
  const asked = ['ES 202612 CME', 'EUR/USD', 'LSE:VOD', 'AAPL261218C00200000', 'TWIN', 'MSFT']
  const other = run([
    ...['stream', ...asked, '--provider', 'ibkr', '--port', port],
    ...['--kinds', 'quotes', '--limit', '40', '--json'],
  ])
  await other.until(() => other.said.exit !== undefined, 'forty quotes')
  assert.equal(other.said.exit, 0, other.said.stderr)
  const symbols = other.said.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line).symbol)
  assert.deepEqual([...new Set(symbols)].sort(), [
    'AAPL261218C00200000',
    'CME:ES-202612',
    'EUR/USD',
    'LSE:VOD',
  ])
  assert.match(other.said.stderr, /TWIN may be 2 contracts: NYSE:TWIN \(USD\), PINK:TWIN \(USD\)/)
  assert.match(other.said.stderr, /rejected: MSFT .*no subscription for the data/)
})

test('a faults file is read, and its mistakes named by line', () => {
  const [first, second] = parseTwsFaults(
    '- { fault: restart, at: 10s, for: 1m }\n- { fault: farm, every: 30s, name: hfarm }\n',
    'faults.yaml',
  )
  assert.deepEqual([first?.at, first?.every, second?.every], [10_000, undefined, 30_000])
  const wrong: [string, RegExp][] = [
    ['fault: cut', /faults\.yaml:1: not a list/],
    ['- { fault: cut }\n- { fault: rstart }', /faults\.yaml:2: no fault "rstart"/],
    ['- { fault: restart, for: soon }', /faults\.yaml:1: restart for: give a time/],
    ['- { fault: cut, on: all }', /faults\.yaml:1: cut/],
    ['- 5', /faults\.yaml:1: not a fault/],
    ['- { fault: cut', /faults\.yaml:\d: /],
  ]
  for (const [text, message] of wrong) {
    assert.throws(() => parseTwsFaults(text, 'faults.yaml'), { code: 'BAD_CONFIG', message })
  }
})

test('a future in quotes is one symbol, whatever stands around it', () => {
  assert.deepEqual(parseSymbols(['ES 202612 CME', 'SPY TSLA,AAPL']), [
    'ES 202612 CME',
    'SPY',
    'TSLA',
    'AAPL',
  ])
  assert.deepEqual(parseSymbols(['SPY,ES 20261218 CME,EUR/USD']), [
    'SPY',
    'ES 20261218 CME',
    'EUR/USD',
  ])
  assert.deepEqual(parseSymbols(['700 200512 300750']), ['700', '200512', '300750'])
})
