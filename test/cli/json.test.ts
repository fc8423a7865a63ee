import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { WebSocketServer } from 'ws'
import { parse, stringify } from 'yaml'
import { cli, emptyDirectory, lines } from './child.ts'

const TICKS = fileURLToPath(new URL('../../examples/json-ticks.yaml', import.meta.url))
const TICK = { code: 'AAPL.US', name: 'Apple Inc.', price: 190.12, bid: 190.11, ask: 190.13 }

test('json check shows what is sent and what a frame becomes, and fails for one that is no event', async () => {
  const args = ['json', 'check', TICKS, JSON.stringify(TICK), '--symbols', 'AAPL,MSFT']
  const { code, stdout } = await cli(args)
  assert.equal(code, 0)
  assert.match(stdout, /sends +\{"action":"subscribe","symbols":\["AAPL.US","MSFT.US"\]\}/)
  assert.match(stdout, /event +\{"type":"ticker","symbol":"AAPL",.*"last":190.12/)
  const bad = await cli(['json', 'check', TICKS, '{"code":"AAPL.US","price":"x"}', '--json'])
  assert.equal(bad.code, 6)
  assert.match((JSON.parse(bad.stdout) as { malformed: string[] }).malformed[0]!, /not a number/)
  const strange = await cli(['json', 'check', TICKS, '{"type":"surprise"}'])
  assert.deepEqual([strange.code, /^unknown +type surprise/m.test(strange.stdout)], [6, true])
  // Well-formed, and yet no feed would deliver it.
  const free = ['json', 'check', TICKS, JSON.stringify({ ...TICK, price: -1 })]
  const kept = await cli(free)
  assert.deepEqual(
    [kept.code, /^kept back +a price is negative.*AAPL/m.test(kept.stdout)],
    [6, true],
  )
  const { events, quarantined } = JSON.parse((await cli([...free, '--json'])).stdout) as {
    [list: string]: { rule: string }[]
  }
  assert.deepEqual([events, quarantined!.map(({ rule }) => rule)], [[], ['bad-price']])
  const answer = await cli(['json', 'check', TICKS, '{"type":"pong"}'])
  assert.deepEqual([answer.code, answer.stdout], [0, 'nothing    it is passed over\n'])
})

test('a configuration that is wrong or not there ends with 3, naming the place', async () => {
  const cwd = emptyDirectory()
  writeFileSync(join(cwd, 'v.yaml'), stringify({ ...parse(readFileSync(TICKS, 'utf8')), ulr: 'x' }))
  const wrong = await cli(['json', 'check', 'v.yaml'], { cwd })
  assert.deepEqual([wrong.code, /ulr.*\n.*known: id,.* url,/.test(wrong.stderr)], [3, true])
  const gone = await cli(['json', 'check', 'gone.yaml'], { cwd })
  assert.deepEqual([gone.code, /gone.yaml cannot be read/.test(gone.stderr)], [3, true])
  const unset = await cli(['stream', 'AAPL', '--provider', 'json'], { cwd })
  assert.deepEqual([unset.code, /TICKWIRE_JSON/.test(unset.stderr)], [3, true])
})

test('an error of the vendor that answers nothing is said', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  server.on('connection', client =>
    client.on('message', () => {
      client.send(JSON.stringify(TICK))
      client.send('{"type":"error","code":500,"message":"your subscription was dropped"}')
    }),
  )
  await new Promise(resolve => server.on('listening', resolve))
  const cwd = emptyDirectory()
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ticks`
  writeFileSync(join(cwd, 'v.yaml'), stringify({ ...parse(readFileSync(TICKS, 'utf8')), url }))
  const args = ['stream', 'AAPL', '--provider', 'json', '--duration', '1s']
  const { code, stderr } = await cli(args, { cwd, env: { TICKWIRE_JSON: 'v.yaml' } })
  server.close()
  assert.deepEqual([code, /your subscription was dropped/.test(stderr)], [0, true])
})

test("the vendor of the example serves the tutorials' symbols to the command line", async () => {
  const file = fileURLToPath(new URL('../../examples/json-ticks.mjs', import.meta.url))
  const vendor = spawn(process.execPath, [file, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let heard = ''
  const url = await new Promise<string>(resolve => {
    vendor.stdout.on('data', data => {
      heard += data
      const [found] = /ws:\S+(?=\n)/.exec(heard) ?? []
      if (found) resolve(found)
    })
  })
  const cwd = emptyDirectory()
  const text = readFileSync(TICKS, 'utf8').replace(/^url: .*$/m, `url: ${url}`)
  writeFileSync(join(cwd, 'v.yaml'), text)
  const codes = ['AAPL.US', 'MSFT.US', 'TSLA.US', 'NVDA.US']
  const args = ['stream', ...codes, 'NOPE.US', '--provider', 'json', '--limit', '8']
  const { code, stdout, stderr } = await cli(args, { cwd, env: { TICKWIRE_JSON: 'v.yaml' } })
  vendor.kill('SIGINT')
  assert.equal(await new Promise(resolve => vendor.on('close', resolve)), 0)
  assert.equal(code, 0)
  assert.match(stderr, /rejected: NOPE .*unknown: NOPE\.US/)
  assert.match(stderr, /not real prices/)
  const events = lines(stdout).map(line => JSON.parse(line) as { type: string; symbol: string })
  assert.deepEqual([...new Set(events.map(({ symbol }) => symbol))].sort(), [
    ...['AAPL', 'MSFT', 'NVDA', 'TSLA'],
  ])
  assert.ok(
    heard.includes(
      `heard ${JSON.stringify({ action: 'subscribe', symbols: [...codes, 'NOPE.US'] })}`,
    ),
  )
})

test('stream shows the ticks of such a vendor', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  const asked: string[] = []
  server.on('connection', client =>
    client.on('message', data => {
      asked.push(String(data))
      client.send(JSON.stringify(TICK))
    }),
  )
  await new Promise(resolve => server.on('listening', resolve))
  const cwd = emptyDirectory()
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ticks`
  writeFileSync(join(cwd, 'v.yaml'), stringify({ ...parse(readFileSync(TICKS, 'utf8')), url }))
  const args = ['stream', 'AAPL', '--provider', 'json', '--kinds', 'tickers', '--limit', '1']
  const { code, stdout } = await cli(args, { cwd, env: { TICKWIRE_JSON: 'v.yaml' } })
  server.close()
  assert.equal(code, 0)
  assert.deepEqual(asked, ['{"action":"subscribe","symbols":["AAPL.US"]}'])
  const event = JSON.parse(stdout)
  assert.deepEqual([event.source, event.symbol, event.last], ['ticks', 'AAPL', 190.12])
})
