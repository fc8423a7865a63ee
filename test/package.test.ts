// Tests what ships: the packed tarball, unpacked into an empty project beside its dependencies, without a network.
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, posix } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'

const root = fileURLToPath(new URL('..', import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly version: string
  readonly bin: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string | { types: string; default: string }>>
}
const entries = Object.entries(manifest.exports)
const modules = entries.flatMap(([path, target]) =>
  typeof target === 'string' ? [] : [{ name: path.replace('.', 'tickwire'), ...target }],
)

/** As a user's project: `node_modules` holds tickwire from the tarball and links to its dependencies. */
const project = mkdtempSync(join(tmpdir(), 'tickwire-package-'))
const installed = join(project, 'node_modules', 'tickwire')
let files: string[] = []

before(() => {
  buildWhenStale()
  const tarball = pack()
  files = unpack(tarball, installed)
  for (const name of Object.keys(manifest.dependencies)) link(name)
  writeFileSync(join(project, 'package.json'), '{ "private": true }')
})

after(() => rmSync(project, { recursive: true, force: true }))

/** `npm test` builds before it tests; a test run alone must not judge yesterday's build. */
function buildWhenStale() {
  const newest = ['src', 'web']
    .flatMap(folder =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(
        path => statSync(join(root, folder, path)).mtimeMs,
      ),
    )
    .reduce((a, b) => Math.max(a, b))
  const built = join(root, 'dist', 'index.js')
  if (existsSync(built) && statSync(built).mtimeMs >= newest) return
  const { status, stdout } = spawnSync(process.execPath, ['scripts/build.mjs'], {
    cwd: root,
    encoding: 'utf8',
  })
  assert.equal(status, 0, `the build fails:\n${stdout}`)
}

function pack(): Buffer {
  // The script itself, because npm on Windows is a batch file, which cannot be run without a shell.
  const home = dirname(process.execPath)
  const npm = [
    process.env.npm_execpath ?? '',
    join(home, 'node_modules/npm/bin/npm-cli.js'),
    join(home, '../lib/node_modules/npm/bin/npm-cli.js'),
  ].find(path => path.endsWith('npm-cli.js') && existsSync(path))
  assert.ok(npm, 'npm stands beside node')
  const args = [npm, 'pack', '--ignore-scripts', '--silent', '--pack-destination', project]
  const name = execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' }).trim()
  return readFileSync(join(project, name))
}

/** Unpacks a tarball of npm (ustar, every path below `package/`) and lists its files. */
function unpack(tarball: Buffer, target: string): string[] {
  const tar = gunzipSync(tarball)
  const text = (from: number, length: number) =>
    tar.toString('utf8', from, from + length).replace(/\0.*$/s, '')
  const paths: string[] = []
  for (let at = 0; tar[at]; ) {
    const size = Number.parseInt(text(at + 124, 12), 8)
    const prefix = text(at + 345, 155)
    const path = `${prefix && `${prefix}/`}${text(at, 100)}`.replace(/^package\//, '')
    if (text(at + 156, 1) === '0') {
      paths.push(path)
      mkdirSync(dirname(join(target, path)), { recursive: true })
      writeFileSync(join(target, path), tar.subarray(at + 512, at + 512 + size))
    }
    at += 512 + Math.ceil(size / 512) * 512
  }
  return paths.sort()
}

function link(name: string) {
  const path = join(project, 'node_modules', name)
  mkdirSync(dirname(path), { recursive: true })
  symlinkSync(join(root, 'node_modules', name), path, 'junction')
}

function node(...args: string[]) {
  return spawnSync(process.execPath, args, { cwd: project, encoding: 'utf8', timeout: 60_000 })
}

const listed = (folder: string, ending: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    // A folder is no file.
    .filter(name => name.endsWith(ending) && /\.\w+$/.test(name))
    .map(name => `${folder}/${name.replaceAll('\\', '/')}`)

describe('the packed tarball', () => {
  it('holds the build, the schema and the papers, and nothing else', () => {
    const papers = ['.env.example', 'ARCHITECTURE.md', 'CHANGELOG.md', 'LICENSE', 'README.md']
    papers.push('package.json', ...listed('docs', '.md'), ...listed('examples', ''))
    papers.push(...listed('docs', '.png'), ...listed('deploy', ''))
    // The dashboard is the built page: names of what is in assets/ tell what it holds.
    const page = ['dist/web/icon.svg', 'dist/web/index.html']
    const isBuilt = (path: string) => /^dist\/(.+\.(js|d\.ts)|web\/assets\/[\w-]+\.css)$/.test(path)
    const others = files.filter(path => !isBuilt(path))
    const expected = [...papers, ...page, ...listed('schema', '.json')]
    expected.push('compose.yaml', 'tickwire.config.example.yaml')
    assert.deepEqual(others, expected.sort())
    assert.deepEqual(
      files.filter(path => /(^|\/)(test|bench)\/|\.test\.|\.map$/.test(path)),
      [],
    )
  })

  it('holds every file its papers link to', () => {
    const papers = files.filter(path => path.endsWith('.md'))
    const links = papers.flatMap(path =>
      [...readFileSync(join(installed, path), 'utf8').matchAll(/\]\((?!\w+:)([^)#]+)/g)].map(
        match => posix.join(posix.dirname(path), match[1]!),
      ),
    )
    assert.ok(links.length > 3)
    for (const target of links) assert.ok(files.includes(target), target)
  })

  it('is installed by the name the README gives', () => {
    const readme = readFileSync(join(installed, 'README.md'), 'utf8')
    assert.ok(readme.includes(`npm install ./tickwire-${manifest.version}.tgz`))
  })

  it('holds every file package.json points to, with declarations', () => {
    const targets = entries.flatMap(([, target]) =>
      typeof target === 'string' ? [target] : [target.types, target.default],
    )
    for (const target of [...targets, ...Object.values(manifest.bin)]) {
      assert.ok(files.includes(target.replace(/^\.\//, '')), target)
    }
  })

  for (const { name } of modules) {
    it(`can be imported as ${name}`, () => {
      const code = `console.log(JSON.stringify(Object.keys(await import('${name}'))))`
      const { status, stdout, stderr } = node('--input-type=module', '-e', code)
      assert.equal(status, 0, stderr)
      assert.ok(JSON.parse(stdout).length > 0, 'it exports something')
      assert.equal(stderr, '')
    })
  }

  it('lets its schema and manifest be read, and nothing that is not an entry', () => {
    const read = "JSON.parse(readFileSync(fileURLToPath(import.meta.resolve('tickwire/"
    const head = "import { readFileSync } from 'fs'; import { fileURLToPath } from 'url';"
    const code = `${head} console.log(${read}schema/event.json')))).oneOf.length,
      ${read}package.json')))).version)`
    assert.equal(node('--input-type=module', '-e', code).stdout.trim(), `12 ${manifest.version}`)
    const inner = node('--input-type=module', '-e', "await import('tickwire/dist/index.js')")
    assert.match(inner.stderr, /ERR_PACKAGE_PATH_NOT_EXPORTED/)
  })

  it('brings a command that starts', () => {
    const command = join(installed, manifest.bin.tickwire!)
    assert.match(readFileSync(command, 'utf8'), /^#!\/usr\/bin\/env node\r?\n/)
    const { status, stdout, stderr } = node(command, '--version')
    assert.equal(status, 0, stderr)
    assert.match(stdout, new RegExp(manifest.version.replaceAll('.', '\\.')))
  })

  it("runs the README's first code as it stands", { timeout: 60_000 }, async () => {
    const readme = readFileSync(join(installed, 'README.md'), 'utf8')
    const code = /^```(?:js|javascript|mjs)\r?\n([\s\S]*?)^```/m.exec(readme)?.[1]
    assert.ok(code, 'the README shows JavaScript')
    writeFileSync(join(project, 'readme.mjs'), code)
    const { stdout, stderr } = await firstLines('readme.mjs', 15)
    assert.match(stdout, /\b(SPY|TSLA|AAPL)\b/, stderr)
    const prices = [...stdout.matchAll(/\b\d+\.\d+\b/g)].map(match => Number(match[0]))
    assert.ok(prices.length >= 3 && prices.every(price => price > 0), stdout)
    assert.doesNotMatch(stderr, /Error/)
  })

  it('type-checks in a strict project, declarations included', () => {
    link('@types/node')
    // What the types of Node need in turn.
    link('undici-types')
    const imports = modules.map(({ name }, i) => `import * as entry${i} from '${name}'`)
    const all = modules.map((_, i) => `entry${i}`)
    const code = [
      ...imports,
      `export const entries: object[] = [${all.join(', ')}]`,
      "import { openFeed, TickwireError, type MarketEvent, type Trade } from 'tickwire'",
      "import { simulated } from 'tickwire/simulated'",
      'const feed = openFeed(simulated())',
      "feed.trades(['SPY'], (trade: Trade) => trade.price.toFixed(2))",
      'export const show = (event: MarketEvent) =>',
      "  event.type === 'quote' ? event.bid?.toFixed(2) : event.type === 'trade' ? event.size : 0",
      'export const isFatal = (e: unknown): boolean => e instanceof TickwireError && e.fatal',
      '// @ts-expect-error a trade has no ask',
      'export const ask = (trade: Trade) => trade.ask',
      '// @ts-expect-error no such code',
      "export const error = new TickwireError('NO_SUCH_CODE', '')",
    ]
    writeFileSync(join(project, 'consumer.mts'), code.join('\n'))
    const compilerOptions = {
      ...{ module: 'nodenext', target: 'es2022', lib: ['es2023', 'esnext.disposable'] },
      ...{ strict: true, noEmit: true, skipLibCheck: false, types: ['node'] },
    }
    const config = { compilerOptions, files: ['consumer.mts'] }
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config))
    const require = createRequire(import.meta.url)
    const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')
    const { status, stdout } = node(tsc, '-p', 'tsconfig.json')
    assert.equal(status, 0, stdout)
  })
})

/** Runs a script that never ends until it has printed enough, then ends it. */
async function firstLines(script: string, count: number) {
  const child = spawn(process.execPath, [script], { cwd: project })
  const limit = setTimeout(() => child.kill(), 30_000)
  let stdout = ''
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', chunk => {
    stderr += chunk
  })
  child.stdout.setEncoding('utf8').on('data', chunk => {
    stdout += chunk
    if (stdout.split('\n').length > count) child.kill()
  })
  await new Promise(resolve => child.on('close', resolve))
  clearTimeout(limit)
  return { stdout, stderr }
}
