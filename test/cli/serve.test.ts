import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { TickwireError } from '../../src/base/errors.ts'
import { parseListen, ServingState } from '../../src/cli/serving.ts'
import { connect } from '../../src/providers/tickwire/client-node.ts'
import { cli, emptyDirectory, lines } from './child.ts'

function folder(t: TestContext): string {
  const cwd = emptyDirectory()
  t.after(() => rmSync(cwd, { recursive: true, force: true }))
  return cwd
}

describe('serve', { concurrency: 2 }, () => {
  test('runs the engine, and others read along until it ends', async t => {
    const cwd = folder(t)
    let reading:
      | Promise<{ banner: string | undefined; symbols: Set<string>; end: string }>
      | undefined
    const read = async (url: string) => {
      const client = connect(url)
      const { banner } = await client.ready
      const symbols = new Set<string>()
      const stream = client.subscribe({ kinds: ['trade', 'quote'], symbols: ['spy', 'BTC-USD'] })
      for await (const event of stream) {
        if (event.type !== 'notice') symbols.add(event.symbol!)
        if (symbols.size === 2) break
      }
      return { client, banner, symbols }
    }
    const args = ['serve', 'SPY', '--rate', '300', '--listen', '0', '--no-record']
    const { code, stdout, said, stderr } = await cli(args, {
      cwd,
      onSaid: (child, text) => {
        const [, url] = /served at (http:\S+);/.exec(text) ?? []
        if (reading || !url) return
        reading = read(url).then(async ({ client, banner, symbols }) => {
          const page = await fetch(`${url}/example.html`)
          assert.equal(page.status, 200)
          assert.match(await page.text(), /client\.js/)
          const ended = new Promise<string>(resolve =>
            client.watch(({ state, reason }) => {
              if (state === 'waiting') resolve(reason!.message)
            }),
          )
          child.kill('SIGINT')
          const end = await ended
          client.close()
          return { banner, symbols, end }
        })
      },
    })
    assert.ok(reading, `it ended with ${code} before it served: ${stderr}`)
    const { banner, symbols, end } = await reading
    assert.equal(code, 130, stderr)
    assert.match(banner ?? '', /SIMULATED/)
    assert.deepEqual([...symbols].sort(), ['BTC/USD', 'SPY'])
    assert.match(end, /1012/)
    assert.ok(lines(stdout).length > 0, 'prices go on here')
    assert.match(said[0]!, /SIMULATED/)
  })

  test('says that its port is taken, and what to do', async t => {
    const cwd = folder(t)
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise(resolve => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    t.after(() => server.close())
    const { code, stderr } = await cli(['serve', '--listen', `${port}`], { cwd })
    assert.equal(code, 5, stderr)
    assert.match(stderr, /PORT_IN_USE|is in use/)
    assert.match(stderr, /--listen/)
  })

  test('does not open itself to a network without keys', async t => {
    const { code, stderr } = await cli(['serve', '--listen', '0.0.0.0:0'], { cwd: folder(t) })
    assert.ok(code !== null && code > 0, `exit ${code}: ${stderr}`)
    assert.match(stderr, /tickwire keys create/)
  })

  test('says whose data it is where others can reach it, and when nobody is asked for a key', () => {
    const app = { gateway: { url: 'http://x', vendorUrls: {} } } as never
    const linesAt = (host: string, admission: 'auto' | 'anyone') =>
      new ServingState(app, { host, admission, keys: '' }).lines
    assert.equal(linesAt('127.0.0.1', 'anyone').length, 1)
    assert.match(linesAt('0.0.0.0', 'auto').join(), /Most vendors forbid to pass their data on/)
    assert.doesNotMatch(linesAt('0.0.0.0', 'auto').join(), /nobody is asked/)
    assert.match(linesAt('0.0.0.0', 'anyone').join(), /nobody is asked for a key.*Most vendors/)
  })

  test('takes a port, or an address and a port', () => {
    assert.deepEqual(parseListen('9000'), { port: 9_000 })
    assert.deepEqual(parseListen('10.0.0.7:80'), { host: '10.0.0.7', port: 80 })
    assert.deepEqual(parseListen('[::1]:80'), { host: '::1', port: 80 })
    for (const text of ['', 'here', '70000', '1.2.3.4'])
      assert.throws(() => parseListen(text), TickwireError)
  })
})
