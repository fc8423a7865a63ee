// What a reader of the tutorial does: `npm start`, and in another terminal the example.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = new URL('../../', import.meta.url)
const path = (name: string) => fileURLToPath(new URL(name, root))

/** Resolves with what a process has written so far, once that is enough. */
function run(args: string[], env: Record<string, string>, cwd: string, enough: RegExp) {
  const { PATH = '', SystemRoot = '' } = process.env
  const child = spawn(process.execPath, args, { cwd, env: { PATH, SystemRoot, ...env } })
  const gone = new Promise<number | null>(resolve => child.on('close', resolve))
  let text = ''
  const written = new Promise<string>(resolve => {
    const hear = (data: Buffer) => {
      text += data
      if (enough.test(text)) resolve(text)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    void gone.then(() => resolve(text))
  })
  return { child, gone, written }
}

test('17 reads along at a gateway', async t => {
  assert.ok(existsSync(path('dist/client.js')), 'run `npm run build` first')
  const cwd = mkdtempSync(join(tmpdir(), 'gateway-'))
  t.after(() => rmSync(cwd, { recursive: true, force: true }))
  const args = ['dist/cli/main.js', 'serve', '--listen', '0', '--no-record', '--rate', '200']
  const server = run([path(args[0]!), ...args.slice(1)], {}, cwd, /served at http:\S+;/)
  t.after(() => server.child.kill('SIGKILL'))
  const [, url] = /served at (http:\S+);/.exec(await server.written) ?? []
  assert.ok(url)
  const example = path('examples/17-gateway-client.mjs')
  const enough = /(?:^(?:SPY|TSLA) [\d.]+ \d+\n[\s\S]*){3}/m
  const client = run([example], { TICKWIRE_EXAMPLE_GATEWAY: url }, cwd, enough)
  const text = await client.written
  assert.match(text, enough)
  assert.match(text, /SIMULATED/)
  client.child.kill('SIGINT')
  assert.equal(await client.gone, 0)
  const module = await (await fetch(`${url}/client.js`)).text()
  assert.match(module, /export\s*\{/)
  server.child.kill('SIGINT')
  assert.equal(await server.gone, 130)
})
