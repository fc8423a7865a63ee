// `npm test`: types, lint, build, then every test file under test/ in Node's own runner.
// `npm test -- feed codec` runs only the test files whose path contains one of the words.
// Prints one line per suite with its time, and ends with `tests: N passed, N failed, N skipped`.
// Where all are run, two at a time, a suite that failed is run once more by itself at the end. One that passes then is
// still told, with what failed, as unsteady: the machine was too slow for it, or it has a race to be found.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join, resolve, sep } from 'node:path'
import { run } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)
const words = process.argv.slice(2)
process.chdir(dirname(dirname(fileURLToPath(import.meta.url))))

if (words.length === 0) {
  const bin = (name, path) => join(dirname(require.resolve(`${name}/package.json`)), path)
  step('types', [bin('typescript', 'bin/tsc'), '--noEmit'])
  step('types of the page', [bin('typescript', 'bin/tsc'), '-p', 'web'])
  step('lint', [bin('@biomejs/biome', 'bin/biome'), 'check', '.'])
  step('build', ['scripts/build.mjs'])
  // The suites of the command line run what is published.
  process.env.TEST_TICKWIRE = resolve('dist/cli/main.js')
}

const files = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .map(file => join('test', file).split(sep).join('/'))
  .filter(file => file.endsWith('.test.ts'))
  .filter(file => words.length === 0 || words.some(word => file.includes(word)))
  .sort()
if (files.length === 0) {
  console.error(`no test file matches: ${words.join(', ')}`)
  process.exit(2)
}

if (files.some(file => /postgres|redis|servers/.test(file))) await findServers()

// The runner hands its own --import on to the process of each test file.
process.execArgv.push('--import', pathToFileURL(require.resolve('tsx')).href)

const total = { passed: 0, failed: 0, skipped: 0 }
const failures = new Map()
const start = Date.now()
const waiting = [...files]
await Promise.all(
  Array.from({ length: Math.min(2, availableParallelism()) }, async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) await suite(file)
  }),
)
const unsteady = []
if (words.length === 0) {
  for (const [file, { count, text }] of [...failures]) {
    failures.delete(file)
    for (const key of Object.keys(total)) total[key] -= count[key]
    await suite(file)
    if (!failures.has(file)) unsteady.push(text)
  }
}
for (const text of unsteady) console.log(`\nunsteady, passed when run by itself: ${text}`)
// Once more where nobody overlooks them.
for (const { text } of failures.values()) console.log(`\n${text}`)
console.log(`\n${'all suites'.padEnd(52)} ${seconds(start)} s`)
console.log(`tests: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1)

/** Runs one test file in a process of its own and prints what came of it. */
async function suite(file) {
  const began = Date.now()
  const count = { passed: 0, failed: 0, skipped: 0 }
  const lines = []
  const path = resolve(file)
  for await (const { type, data } of run({ files: [path], timeout: 300_000 })) {
    if (type === 'test:stderr' || type === 'test:stdout') lines.push(data.message.trimEnd())
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const isSkipped = data.skip !== undefined || data.todo !== undefined
    // A suite counts by its tests, except one that is left out as a whole.
    if (data.details.type === 'suite' && !data.details.error && !isSkipped) continue
    if (isSkipped) {
      count.skipped++
      lines.push(`  skipped: ${data.name}${typeof data.skip === 'string' ? ` (${data.skip})` : ''}`)
    } else if (type === 'test:fail') {
      // A suite fails with its tests, which have been reported; it counts only when it failed by itself.
      const error = data.details.error
      if (error?.failureType === 'subtestsFailed') continue
      count.failed++
      lines.push(`✖ ${data.name}\n${error?.cause?.stack ?? error?.stack ?? error}`)
    } else if (resolve(data.name) !== path) count.passed++
  }
  const counts = `${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`
  console.log(`${file.padEnd(52)} ${seconds(began)} s  ${counts}`)
  if (count.failed > 0 || count.skipped > 0) console.log(lines.join('\n'))
  if (count.failed > 0) failures.set(file, { count, text: `${file}\n${lines.join('\n')}` })
  for (const key of Object.keys(total)) total[key] += count[key]
}

/** Looks for servers once, for all suites; what is not there is named, and its suites leave themselves out. */
async function findServers() {
  const { findPostgres, findTimescale, findRedis, installServers } = await import('./services.mjs')
  await installServers()
  for (const [name, variable, find] of [
    ['PostgreSQL', 'TEST_POSTGRES_URL', findPostgres],
    ['TimescaleDB', 'TEST_TIMESCALE_URL', findTimescale],
    ['Redis', 'TEST_REDIS_URL', findRedis],
  ]) {
    const { url, missing } = await find()
    if (url) process.env[variable] = url
    console.log(`${name.padEnd(52)} ${url ? new URL(url).host : `left out: ${missing}`}`)
  }
}

function step(name, args) {
  const began = Date.now()
  const { status, error } = spawnSync(process.execPath, args, { stdio: 'inherit' })
  if (error) throw error
  if (status !== 0) {
    console.error(`${name} failed`)
    process.exit(status ?? 1)
  }
  console.log(`${name.padEnd(52)} ${seconds(began)} s`)
}

function seconds(since) {
  return ((Date.now() - since) / 1000).toFixed(1).padStart(6)
}
