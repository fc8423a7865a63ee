// Holds the table of rooms: base → market → {flow, derive} → {feed, tape, store, bot} → providers → gateway → app → cli.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { describe, it } from 'node:test'

const LEVELS: readonly (readonly string[])[] = [
  ['base'],
  ['market'],
  ['flow', 'derive'],
  ['feed', 'tape', 'store', 'bot'],
  ['providers'],
  ['gateway'],
  ['app'],
  ['cli'],
]

/** Who may meet a package: whole rooms, or single files. Everything else is a stray. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  ws: [
    'base/socket.ts',
    'gateway/dropin.ts',
    'gateway/paper.ts',
    'gateway/peer.ts',
    'gateway/serve.ts',
    'testing/scripted-broker.ts',
    'testing/venue-socket.ts',
    'testing/venue.ts',
  ],
  zod: [
    'app/control-wire.ts',
    'gateway/health.ts',
    'gateway/keys.ts',
    'gateway/openapi.ts',
    'gateway/rest-accounts.ts',
    'gateway/rest-feeds.ts',
    'gateway/rest-house.ts',
    'gateway/rest-live.ts',
    'gateway/rest-past.ts',
    'gateway/rest-symbols.ts',
    'gateway/route.ts',
    'gateway/sse.ts',
    'bot/journal.ts',
    'bot/state.ts',
    'bot/strategy.ts',
    'market/schema.ts',
    'market/json.ts',
    'cli/bot-schema.ts',
    'cli/schema.ts',
    'cli/config.ts',
    'providers/alpaca/broker-decode.ts',
    'providers/openalgo/broker-decode.ts',
    'providers/alpaca/server-trading-routes.ts',
    'providers/json/config.ts',
    'providers/tickwire/codec.ts',
    'testing/fake-tws-faults.ts',
    'testing/faults.ts',
  ],
  '@duckdb/node-api': ['store/duckdb.ts'],
  pg: ['store/postgres-driver.ts'],
  'pg-copy-streams': ['store/postgres-driver.ts'],
  redis: ['store/redis-driver.ts'],
  '@hono/node-server': ['gateway/rest.ts'],
  '@clack/prompts': ['cli/commands/init.ts'],
  '@stoqey/ib': ['providers/ibkr/library.ts'],
  'decimal.js': ['bot/portfolio.ts'],
  jiti: ['cli/strategies.ts'],
  commander: [
    'cli/program-bots.ts',
    'cli/program.ts',
    'cli/program-keys.ts',
    'cli/program-past.ts',
  ],
  dotenv: ['cli/config.ts'],
  hono: ['gateway/rest.ts'],
  pino: ['cli/console.ts'],
  'prom-client': ['gateway/metrics.ts'],
  'trading-signals': ['derive/indicators-library.ts'],
  undici: ['base/http-network.ts'],
  yaml: [
    'cli/commands/json.ts',
    'cli/config.ts',
    'testing/fake-tws-faults.ts',
    'testing/faults.ts',
  ],
}

/** Rooms a browser can load whole. */
const BROWSER_SAFE = ['market', 'derive']
/** The only files outside of tests and benches that may use `testing`. */
const TESTING_USERS = [
  'cli/commands/sim.ts',
  'cli/commands/sim-host.ts',
  'cli/commands/sim-ibkr.ts',
  'cli/commands/sim-ibkr-contracts.ts',
  'cli/commands/sim-polygon.ts',
  'cli/commands/sim-venues.ts',
]
const FRONT_DOORS = ['index.ts', 'testing/index.ts']

interface Source {
  /** Relative to `src/`, with forward slashes. */
  readonly path: string
  readonly text: string
}

interface Place {
  readonly room: string
  readonly level: number
  /** Venue of a provider. */
  readonly venue: string | undefined
}

function placeOf(path: string): Place | undefined {
  const [room = '', venue] = path.split('/')
  if (FRONT_DOORS.includes(path) && !path.includes('/')) {
    return { room: 'front door', level: levelOf('gateway'), venue: undefined }
  }
  if (room === 'testing') return { room, level: levelOf('cli'), venue: undefined }
  const level = levelOf(room)
  return level < 0 ? undefined : { room, level, venue: room === 'providers' ? venue : undefined }
}

const levelOf = (room: string) => LEVELS.findIndex(rooms => rooms.includes(room))

const IMPORTS = [
  /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*(['"])(.+?)\1/gm,
  /^\s*import\s*(['"])(.+?)\1/gm,
  /\b(?:import|require)\(\s*(['"`])(.+?)\1/g,
]

function importsOf(text: string): string[] {
  // A file that a command writes for people is text here.
  const code = text.replace(/^const [A-Z]+ = `[^`]*`$/gm, '')
  return IMPORTS.flatMap(pattern => [...code.matchAll(pattern)].map(match => match[2]!))
}

/** Why `path` must not import `specifier`; `undefined` when it may. */
function whyStray(path: string, specifier: string): string | undefined {
  const from = placeOf(path)
  if (!from) return `${path.split('/')[0]} is no room of the table`
  if (specifier.startsWith('node:')) {
    if (specifier === 'node:process' && from.room !== 'cli') return 'only cli reads the process'
    return BROWSER_SAFE.includes(from.room) ? `${from.room} has to run in a browser` : undefined
  }
  if (!specifier.startsWith('.')) {
    const users = PACKAGES[specifier]
    if (!users) return 'the package is not in the table of packages'
    return users.includes(path) ? undefined : `the package is met in ${users.join(', ')} only`
  }
  const target = posix.normalize(posix.join(posix.dirname(path), specifier))
  const to = placeOf(target)
  if (target.startsWith('../')) return 'it lies outside of src'
  if (!specifier.endsWith('.ts')) return 'imports name the defining file with its ending'
  if (FRONT_DOORS.includes(target)) return 'imports name the defining file, not a front door'
  if (!to) return `${target.split('/')[0]} is no room of the table`
  return whyRoomsApart(path, from, target, to)
}

function whyRoomsApart(path: string, from: Place, target: string, to: Place): string | undefined {
  if (to.room === 'testing') {
    return from.room === 'testing' || TESTING_USERS.includes(path)
      ? undefined
      : 'testing is for tests'
  }
  if (from.room === to.room) {
    return from.venue === to.venue ? undefined : 'a provider never imports another'
  }
  if (to.level >= from.level) return `${from.room} never imports ${to.room}`
  const wire = /^providers\/[^/]+\/(codec|server)\.ts$/.test(target)
  if (from.room === 'gateway' && to.room === 'providers' && !wire) {
    return 'gateway takes only codec and server from providers'
  }
  return undefined
}

const READS_PROCESS = [
  /\bprocess\s*(?:\?\.|\.|\[\s*['"`])\s*(?:env|argv)\b/,
  /\{[^}]*\b(?:env|argv)\b[^}]*\}\s*=\s*(?:globalThis\.)?process\b/,
]
const COMMENTS = /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm
const EXPORTS = /export\s+(?:type\s+)?(?:\{[^}]*\}|\*(?:\s+as\s+\w+)?)\s*from\s*(['"]).+?\1;?/g

/** One line per breach of the table: the file, the import, the reason. */
function strays(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, text }) => {
    const found = importsOf(text).flatMap(specifier => {
      const why = whyStray(path, specifier)
      return why ? [`${path} imports ${specifier}: ${why}`] : []
    })
    if (!path.startsWith('cli/') && READS_PROCESS.some(pattern => pattern.test(text))) {
      found.push(`${path}: only cli reads process.env and process.argv`)
    }
    if (FRONT_DOORS.includes(path) && text.replace(COMMENTS, '').replace(EXPORTS, '').trim()) {
      found.push(`${path}: a front door has exports and nothing else`)
    }
    return found
  })
}

const root = new URL('../src/', import.meta.url)
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .map(path => path.replaceAll('\\', '/'))
  .filter(path => path.endsWith('.ts'))
  .map(path => ({ path, text: readFileSync(new URL(path, root), 'utf8') }))

describe('the rooms', () => {
  it('import only what the table allows', () => {
    assert.ok(sources.length > 20)
    assert.deepEqual(strays(sources), [])
  })

  it('name dependencies of package.json, and every dependency is met', () => {
    const manifest = JSON.parse(readFileSync(new URL('../package.json', root), 'utf8'))
    const named = { ...manifest.dependencies, ...manifest.optionalDependencies }
    assert.deepEqual(Object.keys(PACKAGES).sort(), Object.keys(named).sort())
    const met = sources.flatMap(({ path, text }) => importsOf(text).map(name => `${path} ${name}`))
    const unused = Object.entries(PACKAGES).flatMap(([name, files]) =>
      files.map(file => `${file} ${name}`).filter(use => !met.includes(use)),
    )
    assert.deepEqual(unused, [], 'the table of packages names no file in vain')
  })
})

describe('the check of the rooms', () => {
  const wrong: [path: string, text: string, why: RegExp][] = [
    ['base/x.ts', "import { Trade } from '../market/events.ts'", /base never imports market/],
    ['base/x.ts', "import type { Trade } from '../market/events.ts'", /never imports market/],
    ['market/x.ts', "export { a } from '../flow/a.ts'", /market never imports flow/],
    ['market/x.ts', "export * from '../flow/a.ts'", /market never imports flow/],
    ['flow/x.ts', "import { a } from '../derive/a.ts'", /flow never imports derive/],
    ['feed/x.ts', "import {\n  a,\n  type B,\n} from '../tape/a.ts'", /feed never imports tape/],
    ['tape/x.ts', "import '../store/a.ts'", /tape never imports store/],
    ['bot/x.ts', "const a = await import('../feed/a.ts')", /bot never imports feed/],
    ['store/x.ts', "let a: import('../bot/a.ts').A", /store never imports bot/],
    ['feed/x.ts', "import a from '../providers/kraken/index.ts'", /feed never imports providers/],
    [
      'providers/alpaca/x.ts',
      "import a from '../kraken/codec.ts'",
      /a provider never imports another/,
    ],
    [
      'gateway/x.ts',
      "import a from '../providers/alpaca/index.ts'",
      /gateway takes only codec and server/,
    ],
    ['gateway/x.ts', "import a from '../app/app.ts'", /gateway never imports app/],
    ['app/x.ts', "import a from '../cli/main.ts'", /app never imports cli/],
    ['index.ts', "export { a } from './cli/main.ts'", /front door never imports cli/],
    ['index.ts', "export { a } from './testing/clock.ts'", /testing is for tests/],
    ['feed/x.ts', "import a from '../testing/clock.ts'", /testing is for tests/],
    ['cli/commands/stream.ts', "import a from '../../testing/clock.ts'", /testing is for tests/],
    ['testing/x.ts', "import a from '../cli/main.ts'", /testing never imports cli/],
    ['feed/x.ts', "import { openFeed } from '../index.ts'", /not a front door/],
    ['feed/x.ts', "import a from './feed'", /with its ending/],
    ['feed/x.ts', "import a from '../../test/a.ts'", /outside of src/],
    ['utils/x.ts', "import a from '../base/a.ts'", /utils is no room/],
    ['feed/x.ts', "import a from '../utils/a.ts'", /utils is no room/],
    ['feed/x.ts', "import { WebSocket } from 'ws'", /base\/socket\.ts, .*testing\/venue\.ts only/],
    ['feed/x.ts', 'import { WebSocket } from "ws"', /base\/socket\.ts, .*testing\/venue\.ts only/],
    ['base/x.ts', "import pad from 'left-pad'", /not in the table of packages/],
    ['market/x.ts', "import { createHash } from 'node:crypto'", /run in a browser/],
    ['feed/x.ts', "import { env } from 'node:process'", /only cli reads the process/],
    ['feed/x.ts', 'const key = process.env.KEY', /only cli reads process\.env/],
    ['feed/x.ts', "const key = process['env'].KEY", /only cli reads process\.env/],
    ['app/x.ts', 'const { argv } = process', /only cli reads process\.env/],
    ['index.ts', "export { a } from './base/a.ts'\nconst b = 5", /exports and nothing else/],
    ['testing/index.ts', 'export const clock = 5', /exports and nothing else/],
  ]
  for (const [path, text, why] of wrong) {
    it(`finds ${text.replace(/\s+/g, ' ')} in ${path}`, () => {
      const found = strays([{ path, text: `const a = 'b'\n${text}\n` }])
      const line = found.find(breach => why.test(breach))
      assert.ok(line, found.join('\n'))
      assert.ok(
        line.startsWith(`${path} imports ${importsOf(text)[0]}: `) || line.startsWith(`${path}: `),
      )
    })
  }

  const right: [path: string, text: string][] = [
    ['market/x.ts', "import { a } from '../base/a.ts'"],
    ['feed/x.ts', "import { a } from './b.ts'\nimport type { B } from '../flow/b.ts'"],
    ['providers/alpaca/x.ts', "import { a } from './codec.ts'\nimport b from '../../feed/b.ts'"],
    ['gateway/x.ts', "import { a } from '../providers/alpaca/codec.ts'"],
    ['gateway/x.ts', "import { a } from '../providers/alpaca/server.ts'"],
    ['cli/x.ts', "import { a } from '../app/app.ts'\nconst e = process.env"],
    ['cli/commands/sim.ts', "import { a } from '../../testing/clock.ts'"],
    ['testing/x.ts', "import { a } from '../providers/alpaca/index.ts'"],
    ['base/socket.ts', "import { WebSocket } from 'ws'\nimport { Socket } from 'node:net'"],
    ['feed/x.ts', 'throw new Error("import it from \'../cli/main.ts\'") // process environment'],
    [
      'index.ts',
      "/** Doors. */\nexport { a, type B } from './base/a.ts'\n// more\nexport * from './feed/b.ts'",
    ],
  ]
  for (const [path, text] of right) {
    it(`lets ${text.replace(/\s+/g, ' ')} pass in ${path}`, () => {
      assert.deepEqual(strays([{ path, text }]), [])
    })
  }
})
