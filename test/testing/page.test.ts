import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, test } from 'node:test'

const folder = mkdtempSync(join(tmpdir(), 'tickwire-page-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** The program in JavaScript that docs/testing.md shows, on the sources. */
function program(): string {
  const page = readFileSync(new URL('../../docs/testing.md', import.meta.url), 'utf8')
  const source = (path: string) => new URL(`../../src/${path}`, import.meta.url).href
  return /^```js\r?\n([\s\S]*?)^```/m
    .exec(page)![1]!
    .replace("'tickwire'", `'${source('index.ts')}'`)
    .replace("'tickwire/alpaca'", `'${source('providers/alpaca/index.ts')}'`)
    .replace("'tickwire/testing'", `'${source('testing/index.ts')}'`)
}

test('the program of docs/testing.md does what it says, and ends', async () => {
  const file = join(folder, 'page.mts')
  const end =
    '\nconsole.log(JSON.stringify([venue.struck.map(({ fault }) => fault), feed.state, url]))\n'
  writeFileSync(file, program() + end)
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
  })
  const gone = once(child, 'exit')
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  await gone
  assert.deepEqual([child.exitCode, errors], [0, ''])
  const lines = out.trimEnd().split('\n')
  assert.deepEqual(lines.slice(0, 3), ['471.16', '471.17', "{ trades: [ 'SPY' ] }"])
  const [struck, state, url] = JSON.parse(lines.at(-1)!)
  assert.deepEqual([struck, state], [['half-open', 'cut', 'stall'], 'closed'])
  assert.match(url, /^ws:\/\/127\.0\.0\.1:\d+$/)
  assert.match(lines.at(-2)!, /^[1-9]\d*$/)
})
