// The venue that was added from docs/providers/adding.md passes the suite, by what the package exports alone.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = new URL('../../', import.meta.url)

test('examples/adding passes the suite of providers', () => {
  assert.ok(existsSync(new URL('dist/testing/index.js', root)), 'run `npm run build` first')
  const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...env } = process.env
  const file = fileURLToPath(new URL('examples/adding/bitstamp-suite.mjs', root))
  const run = spawnSync(process.execPath, ['--test', '--test-reporter=tap', file], {
    ...{ env, encoding: 'utf8', timeout: 60_000 },
  })
  assert.match(run.stdout, /^# fail 0$/m, run.stdout + run.stderr)
  const [, passed] = /^# pass (\d+)$/m.exec(run.stdout) ?? []
  assert.ok(Number(passed) >= 25, `${passed} passed`)
  assert.equal(run.status, 0)
})

test('the page names what the example has', () => {
  const page = readFileSync(new URL('docs/providers/adding.md', root), 'utf8')
  const code = readFileSync(new URL('examples/adding/bitstamp.mjs', root), 'utf8')
  const description = /const description = \{([\s\S]*?)\n {2}\}\n/.exec(code)?.[1] ?? ''
  const fields = [...description.matchAll(/^ {4}(\w+)[:,]/gm)].map(match => match[1]!)
  assert.ok(fields.length >= 10, fields.join())
  for (const field of fields) assert.ok(page.includes(`\`${field}`), `${field} is on the page`)
})
