import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { runCommand } from '../../src/cli/program.ts'
import { cli, emptyDirectory, lines } from './child.ts'

const KEYS = { APCA_API_KEY_ID: 'PKTEST', APCA_API_SECRET_KEY: 's3cret-s3cret' }
const KEYS_PAGE = 'https://app.alpaca.markets/paper/dashboard/overview'

interface Case {
  readonly args: string
  readonly exit: number
  readonly says: RegExp
  readonly hints: RegExp
  readonly env?: Record<string, string>
  readonly file?: string
}

const CASES: readonly Case[] = [
  { args: 'stream', exit: 3, says: /no key/, hints: /--provider simulated.*tickwire init/ },
  {
    args: 'stream --provider alpaca SPY',
    exit: 3,
    says: /needs a key/,
    hints: new RegExp(KEYS_PAGE),
  },
  {
    args: 'stream SPY',
    env: { APCA_API_KEY_ID: 'PKTEST' },
    exit: 3,
    says: /APCA_API_SECRET_KEY is not/,
    hints: /\.env/,
  },
  {
    args: 'stream SPY',
    env: { ...KEYS, APCA_API_SECRET_KEY: 'bad key' },
    exit: 3,
    says: /secret has white space/,
    hints: new RegExp(KEYS_PAGE),
  },
  { args: 'stream', env: KEYS, exit: 2, says: /no symbols/, hints: /stream SPY TSLA/ },
  {
    args: 'stream ,',
    env: KEYS,
    exit: 2,
    says: /list of symbols is empty/,
    hints: /Name at least/,
  },
  { args: 'stream S@Y', env: KEYS, exit: 2, says: /not a symbol/, hints: /AAPL/ },
  {
    args: 'stream SPYY -p simulated',
    exit: 2,
    says: /no SPYY/,
    hints: /SPY\? .*TICKWIRE_SIMULATED_SYMBOLS=SPYY, or simulated\.symbols in/,
  },
  { args: 'up QWERTY', exit: 2, says: /no QWERTY/, hints: /TICKWIRE_SIMULATED_SYMBOLS=QWERTY/ },
  { args: 'stream --provider alpca', exit: 2, says: /no provider "alpca"/, hints: /alpaca\?/ },
  { args: 'stream --feed ixe SPY', exit: 2, says: /no feed "ixe"/, hints: /iex/ },
  { args: 'stream --kinds trads', exit: 2, says: /unknown kind "trads"/, hints: /trades\?/ },
  { args: 'stream --tradse', exit: 2, says: /unknown option '--tradse'/, hints: /--trades\?/ },
  { args: 'strem', exit: 2, says: /unknown command 'strem'/, hints: /stream\?/ },
  {
    args: 'stream -p simulated --rate fast',
    exit: 2,
    says: /--rate cannot be "fast"/,
    hints: /above 0/,
  },
  {
    args: 'stream -p simulated --rate -5',
    exit: 2,
    says: /--rate cannot be "-5"/,
    hints: /above 0/,
  },
  ...['0x10', '1e', '+5', '1e999', '5.', '.5', '1_000', '9'.repeat(400)].map(rate => ({
    args: `stream -p simulated --rate ${rate}`,
    exit: 2,
    says: /--rate cannot be /,
    hints: /above 0/,
  })),
  {
    args: 'stream -p simulated --limit 1e3',
    exit: 2,
    says: /--limit cannot be "1e3"/,
    hints: /from 1/,
  },
  {
    args: 'stream -p simulated --seed 1.5',
    exit: 2,
    says: /--seed cannot be/,
    hints: /whole number/,
  },
  {
    args: 'stream -p simulated --limit 0',
    exit: 2,
    says: /--limit cannot be "0"/,
    hints: /from 1/,
  },
  { args: 'stream -p simulated --duration abc', exit: 2, says: /--duration/, hints: /10s/ },
  { args: 'stream --duration 1000h', exit: 2, says: /--duration/, hints: /at most 596h/ },
  {
    args: 'up',
    env: { TICKWIRE_TAPE_CAPACITY: '1073741824' },
    exit: 3,
    says: /TICKWIRE_TAPE_CAPACITY is 1073741824: must be at most 16777216/,
    hints: /example\.yaml/,
  },
  {
    args: 'stream -p simulated --kinds news',
    exit: 2,
    says: /no news/,
    hints: /trades, quotes, bars/,
  },
  {
    args: 'stream -p simulated --feed iex',
    exit: 2,
    says: /--feed means nothing/,
    hints: /Leave it out/,
  },
  {
    args: 'stream SPY --rate 5',
    env: KEYS,
    exit: 2,
    says: /--rate means nothing/,
    hints: /simulated/,
  },
  {
    args: 'stream',
    file: 'provider: simulated\nsimulatd:\n  rate: 5\n',
    exit: 3,
    says: /tickwire\.config\.yaml:2: unknown key simulatd$/m,
    hints: /simulated\?/,
  },
  {
    args: 'up',
    env: { TICKWIRE_SIMULATED_RATE: 'quick' },
    exit: 3,
    says: /TICKWIRE_SIMULATED_RATE is "quick"/,
    hints: /example\.yaml/,
  },
  {
    args: 'stream SPY --duration 2s',
    env: { ...KEYS, TICKWIRE_ALPACA_URL: 'ws://127.0.0.1:1/v2/iex' },
    exit: 5,
    says: /^tickwire: .*connection refused$/m,
    hints: /network/,
  },
]

describe('bad input gives one clear line, a way out and the right exit code', () => {
  for (const { args, exit, says, hints, env = {}, file } of CASES) {
    const given = [args, ...Object.keys(env), file && 'a file'].filter(Boolean).join(', ')
    test(given, async t => {
      const cwd = emptyDirectory()
      if (file) writeFileSync(join(cwd, 'tickwire.config.yaml'), file)
      let stderr = ''
      t.mock.method(process.stderr, 'write', (text: string) => {
        stderr += text
        return true
      })
      const code = await runCommand(() => ({ argv: args.split(' '), env, cwd }))
      t.mock.restoreAll()
      rmSync(cwd, { recursive: true })
      const last = lines(stderr).slice(-2)
      assert.equal(code, exit, stderr)
      assert.match(last[0]!, /^tickwire: /)
      assert.match(last[0]!, says)
      assert.match(last[1]!, /^ {2}→ /)
      assert.match(last[1]!, hints)
      assert.doesNotMatch(stderr, /\n\s+at /, 'no stack trace')
      assert.doesNotMatch(stderr, /SIMULATED ·/, 'no banner over a market that was never opened')
      assert.ok(!stderr.includes(KEYS.APCA_API_SECRET_KEY), 'no secret')
    })
  }
})

test('the process exits with that code, nothing on standard output', async () => {
  const result = await cli(['stream'])
  assert.equal(result.code, 3)
  assert.equal(result.stdout, '')
  assert.equal(result.said.length, 2)
})

test('--debug adds where an error comes from, and still no secret', async () => {
  const env = { ...KEYS, TICKWIRE_ALPACA_URL: 'ws://127.0.0.1:1/v2/iex' }
  const result = await cli(['stream', 'SPY', '--duration', '300ms', '--debug'], { env })
  assert.equal(result.code, 5)
  assert.match(result.stderr, /\n\s+at /)
  assert.match(result.stderr, /"level":20/, 'the log is on')
  assert.ok(!result.stderr.includes(KEYS.APCA_API_SECRET_KEY))
})
