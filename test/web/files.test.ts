import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { openTestGateway, type TestGateway } from '../gateway/rest-kit.ts'
import { buildWhenStale } from './page-kit.ts'

describe('the files of the dashboard', () => {
  let kit: TestGateway
  before(async () => {
    await buildWhenStale()
    kit = await openTestGateway()
  })
  after(() => kit.close())

  it('come with a tag, are not sent twice, and those named by what they hold are kept for good', async () => {
    const page = await kit.ask('/')
    assert.equal(page.status, 200)
    assert.match(page.headers['content-type']!, /text\/html/)
    const again = await kit.ask('/', { headers: { 'if-none-match': page.headers.etag! } })
    assert.deepEqual([again.status, again.text], [304, ''])
    const [script] = /\/assets\/[^"]+\.js/.exec(page.text)!
    const { headers } = await kit.ask(script)
    assert.match(headers['cache-control']!, /immutable/)
    assert.match(headers['content-type']!, /javascript/)
  })

  it('run no script but their own, and load nothing from elsewhere', async () => {
    const { headers, text } = await kit.ask('/')
    const policy = headers['content-security-policy'] as string
    assert.match(policy, /default-src 'none'; script-src 'self';/)
    assert.doesNotMatch(policy, /script-src[^;]*unsafe|https?:|\*/)
    assert.doesNotMatch(text, /https?:\/\//)
  })

  it('are all there is: no path leads out of them', async () => {
    for (const path of [
      ...[
        '/../package.json',
        '/assets/../../../package.json',
        '/assets/%2e%2e/%2e%2e/package.json',
      ],
      ...[
        '/..%2fpackage.json',
        '/web/index.html',
        '/assets',
        '/assets/',
        '//etc/passwd',
        '/index.js',
      ],
    ]) {
      const { status, text } = await kit.ask(path)
      assert.equal(status, 404, path)
      assert.doesNotMatch(text, /"name": "tickwire"|root:/, path)
    }
  })

  it('begin with at most 150 KB, and load the chart later', async () => {
    const { text } = await kit.ask('/')
    const first = text.match(/\/assets\/[^"]+\.js/g)!
    assert.ok(!first.some(path => path.includes('chart')), first.join())
    let bytes = 0
    for (const path of first) bytes += gzipSync((await kit.ask(path)).text).length
    assert.ok(bytes < 150 * 1_024, `${bytes} bytes`)
  })
})
