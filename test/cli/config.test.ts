import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse as parseEnv } from 'dotenv'
import { parse as parseYaml } from 'yaml'
import { TickwireError } from '../../src/base/errors.ts'
import { loadConfig, parseConfig, variableOf } from '../../src/cli/config.ts'
import { dataFolder, tapeFolder } from '../../src/cli/recording.ts'
import { LEAVES } from '../../src/cli/schema.ts'
import { emptyDirectory } from './child.ts'

const root = new URL('../../', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, root), 'utf8')

/** Takes the `# ` off every line that is a key or a comment inside a section, and leaves the prose. */
const uncommented = (text: string) =>
  text.replace(/^# ((?:\s+#|\s*(?:- )?[a-z]+[A-Za-z]*:(?: |$)).*)$/gm, '$1')

const paths = (tree: object, above: readonly string[] = []): string[] =>
  Object.entries(tree).flatMap(([key, value]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? paths(value, [...above, key])
      : [[...above, key].join('.')],
  )

test('the example file parses when uncommented, and names exactly the keys there are', () => {
  const text = uncommented(read('tickwire.config.example.yaml'))
  assert.throws(() => parseConfig(text, 'example'), /example:\d+: provider and feeds exclude/)
  parseConfig(text.replace(/^provider:.*$/m, ''), 'example')
  assert.deepEqual(paths(parseYaml(text)).sort(), LEAVES.map(leaf => leaf.path.join('.')).sort())
  assert.equal(parseYaml(read('tickwire.config.example.yaml')), null, 'every option is commented')
})

test('the example .env names exactly the variables there are, and they work together', () => {
  const text = read('.env.example')
  const env = parseEnv(text.replace(/^# (TICKWIRE_)/gm, '$1'))
  const { APCA_API_KEY_ID, APCA_API_SECRET_KEY, TICKWIRE_CONFIG, ...others } = env
  const { TICKWIRE_SIM_KEY, TICKWIRE_SIM_SECRET, TICKWIRE_KEY, ...rest } = others
  assert.equal(TICKWIRE_KEY, '')
  assert.deepEqual([TICKWIRE_SIM_KEY, TICKWIRE_SIM_SECRET], ['', ''])
  assert.deepEqual([APCA_API_KEY_ID, APCA_API_SECRET_KEY], ['', ''])
  assert.ok(TICKWIRE_CONFIG)
  assert.deepEqual(Object.keys(rest).sort(), LEAVES.map(leaf => variableOf(leaf.path)).sort())
  const { TICKWIRE_PROVIDER, ...several } = rest
  const config = loadConfig({ argv: [], env: several, cwd: '/nowhere' })
  assert.deepEqual(config.symbols, ['SPY', 'TSLA', 'AAPL'])
  assert.deepEqual(
    config.each.map(({ config: { symbols } }) => symbols),
    [['SPY'], ['BTC/USD']],
  )
  const { TICKWIRE_FEEDS, ...one } = rest
  assert.equal(loadConfig({ argv: [], env: one, cwd: '/nowhere' }).provider, TICKWIRE_PROVIDER)
  assert.equal(config.simulated.rate, 50)
})

test('flags win over the environment, the environment over the file, the file over defaults', () => {
  const cwd = emptyDirectory()
  const file = 'provider: simulated\nsimulated: { seed: 2, rate: 2 }\nalpaca: { feed: sip }\n'
  writeFileSync(join(cwd, 'tickwire.config.yaml'), file)
  const env = { TICKWIRE_SIMULATED_SEED: '3', TICKWIRE_SIMULATED_RATE: 'max', TICKWIRE_LOG: '' }
  const config = loadConfig({ argv: [], env, cwd }, { flags: { simulated: { seed: 4 } } })
  rmSync(cwd, { recursive: true })
  assert.deepEqual(
    [config.simulated.seed, config.simulated.rate, config.alpaca.feed, config.log],
    [4, 'max', 'sip', 'silent'],
  )
  assert.equal(config.alpacaKeys, undefined)
})

test('a JSON file is read too, but not beside a YAML file', () => {
  const cwd = emptyDirectory()
  writeFileSync(join(cwd, 'tickwire.config.json'), '{ "simulated": { "seed": 9 } }')
  const around = { argv: [], env: {}, cwd }
  assert.equal(loadConfig(around).simulated.seed, 9)
  writeFileSync(join(cwd, 'tickwire.config.yaml'), '')
  assert.throws(() => loadConfig(around), /both tickwire.config.yaml and tickwire.config.json/)
  assert.equal(loadConfig(around, { file: 'tickwire.config.json' }).simulated.seed, 9)
  rmSync(cwd, { recursive: true })
  assert.throws(() => loadConfig(around, { file: 'gone.yaml' }), /gone.yaml cannot be read/)
})

test('what is wrong is said with file, line and a way out', () => {
  const cases: [text: string, message: RegExp, hint: RegExp][] = [
    ['provder: alpaca', /^f\.yaml:1: unknown key provder$/, /provider\?/],
    ['\nalpaca:\n  fed: iex', /^f\.yaml:3: unknown key alpaca\.fed$/, /feed\?/],
    ['alpaca:\n  feed: iexx', /^f\.yaml:2: alpaca\.feed cannot be "iexx"$/, /iex\?/],
    ['alpaca:\n  secret: abc', /unknown key alpaca\.secret$/, /APCA_API_SECRET_KEY in \.env/],
    ['kinds:\n  - trades\n  - quots', /^f\.yaml:3: kinds\.1 cannot be "quots"$/, /quotes\?/],
    ['symbols: []', /^f\.yaml:1: symbols is \[\]: the list is empty$/, /example/],
    [
      'simulated:\n  rate: -1',
      /^f\.yaml:2: simulated\.rate is -1: must be a number above 0/,
      /example/,
    ],
    ['simulated:\n  seed: 1.5', /seed is 1\.5: must be a whole number/, /example/],
    ['tape: 5', /^f\.yaml:1: tape is 5/, /example/],
    ['a: [', /^f\.yaml:1: /, /Indent/],
    ['a: 1\na: 2', /^f\.yaml:2: Map keys must be unique/, /Indent/],
    ['just a text', /^f\.yaml:1: is "just a text"/, /example/],
  ]
  for (const [text, message, hint] of cases) {
    assert.throws(
      () => parseConfig(text, 'f.yaml'),
      (error: unknown) => {
        assert.ok(error instanceof TickwireError)
        assert.equal(error.code, 'BAD_CONFIG')
        assert.match(error.message, message)
        assert.match(error.hint!, hint)
        assert.ok(!error.message.includes('\n'))
        return true
      },
    )
  }
})

test('an unknown variable of ours is an error, those of the examples and of others are not', () => {
  const load = (env: Record<string, string>) => loadConfig({ argv: [], env, cwd: '/nowhere' })
  assert.throws(
    () => load({ TICKWIRE_SIMULATED_RAT: '5' }),
    /unknown variable TICKWIRE_SIMULATED_RAT/,
  )
  load({ TICKWIRE_EXAMPLE_X: '1', OTHER: '2' })
})

const written = (yaml: string) => {
  const cwd = emptyDirectory()
  writeFileSync(join(cwd, 'tickwire.config.yaml'), yaml)
  return cwd
}

const several = `
symbols: [SPY]
alpaca: { market: stocks, feed: sip }
feeds:
  - provider: alpaca
  - { provider: alpaca, source: coins, symbols: [BTC/USD], kinds: [books], alpaca: { market: crypto, feed: us } }
  - { provider: simulated, simulated: { seed: 7 } }
`

test('each of several feeds has its own settings over those of all', t => {
  const cwd = written(several)
  t.after(() => rmSync(cwd, { recursive: true }))
  const { each } = loadConfig({ argv: [], env: { TICKWIRE_SIMULATED_RATE: '9' }, cwd })
  assert.deepEqual(
    each.map(({ source, config }) => [source, config.provider, config.symbols, config.kinds]),
    [
      [undefined, 'alpaca', ['SPY'], undefined],
      ['coins', 'alpaca', ['BTC/USD'], ['books']],
      [undefined, 'simulated', ['SPY'], undefined],
    ],
  )
  const [first, second, third] = each.map(({ config }) => config)
  assert.deepEqual([first!.alpaca.feed, second!.alpaca.feed], ['sip', 'us'])
  assert.equal(second!.alpaca.market, 'crypto')
  assert.deepEqual([third!.simulated.seed, third!.simulated.rate], [7, 9])
})

test('a provider named above the feeds stands for the one of it there, or for none of them', t => {
  const cwd = written(several)
  t.after(() => rmSync(cwd, { recursive: true }))
  const named = (provider: 'simulated' | 'alpaca') =>
    loadConfig({ argv: [], env: {}, cwd }, { flags: { provider } })
  assert.deepEqual([named('simulated').each, named('simulated').simulated.seed], [[], 7])
  const alpaca = named('alpaca')
  assert.deepEqual([alpaca.each, alpaca.alpaca.market, alpaca.provider], [[], 'stocks', 'alpaca'])
  const env = { TICKWIRE_FEEDS: '[{"provider":"simulated"}]' }
  const only = loadConfig({ argv: [], env, cwd })
  assert.deepEqual(
    [only.provider, only.each.length],
    ['simulated', 1],
    'one is as good as the short form',
  )
})

test('what is wrong with feeds is said with its place', t => {
  const wrong = (yaml: string, message: RegExp) => {
    const cwd = written(yaml)
    t.after(() => rmSync(cwd, { recursive: true }))
    assert.throws(() => loadConfig({ argv: [], env: {}, cwd }), message)
  }
  wrong('feeds:\n  - provider: alpacca\n', /yaml:2: feeds\.0\.provider cannot be "alpacca"/)
  wrong('feeds:\n  - provider: alpaca\n    symbol: SPY\n', /yaml:3: unknown key feeds\.0\.symbol/)
  wrong('feeds:\n  - provider: alpaca\n    source: a:b\n', /yaml:3: feeds\.0\.source is "a:b"/)
  wrong('feeds: []\n', /yaml:1: feeds is \[\]: the list is empty/)
  wrong('provider: alpaca\nfeeds: [{ provider: kraken }]\n', /yaml:1: provider and feeds exclude/)
  assert.throws(
    () => loadConfig({ argv: [], env: { TICKWIRE_FEEDS: '[{' }, cwd: '/nowhere' }),
    /TICKWIRE_FEEDS is "\[\{"/,
  )
})

test('the tape is in the data folder unless it is set', () => {
  const load = (env: Record<string, string>) => loadConfig({ argv: [], env, cwd: '/here' })
  const around = { cwd: '/here' }
  assert.equal(tapeFolder(load({}), undefined, around), '/here/.tickwire/tape')
  assert.equal(tapeFolder(load({ TICKWIRE_DATA: '/d' }), undefined, around), '/d/tape')
  const set = load({ TICKWIRE_DATA: 'd', TICKWIRE_TAPE_FOLDER: 't' })
  assert.equal(tapeFolder(set, undefined, around), '/here/t')
  assert.equal(tapeFolder(set, 'given', around), '/here/given')
  assert.equal(dataFolder(set, undefined, around), '/here/d')
})
