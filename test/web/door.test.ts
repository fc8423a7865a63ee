// The rules about pages of other origins, held by a real browser: what headers promise, it has to do.
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import type { Browser } from 'playwright-core'
import { openTestGateway, type TestGateway } from '../gateway/rest-kit.ts'
import { noChromium, openBrowser } from './page-kit.ts'

describe('a browser', { skip: noChromium }, () => {
  let browser: Browser
  let pages: Server
  let at: TestGateway
  let key: string
  let turning: NodeJS.Timeout

  before(async () => {
    browser = await openBrowser()
    pages = createServer((_, response) => {
      response.setHeader('content-type', 'text/html')
      response.end('<!doctype html><title>another page</title>')
    })
    await new Promise<void>(resolve => pages.listen(0, '127.0.0.1', resolve))
    at = await openTestGateway({ admission: 'keys', origins: [listed()] })
    key = await at.newKey({ name: 'page', scopes: ['read'] })
    await at.feed.subscribe({ trades: 'SPY' })
    turning = setInterval(() => void at.clock.advance(20), 20)
  })
  after(async () => {
    await browser?.close()
    pages?.close()
    clearInterval(turning)
    await at?.close()
  })

  const portOf = () => (pages.address() as AddressInfo).port
  const listed = () => `http://127.0.0.1:${portOf()}`
  const foreign = () => `http://localhost:${portOf()}`
  const own = () => `http://127.0.0.1:${at.gateway.port}`

  /** What a script in a page comes to. */
  async function inPage(origin: string, script: string): Promise<unknown> {
    const page = await browser.newPage()
    try {
      await page.goto(origin)
      return await page.evaluate(script)
    } finally {
      await page.close()
    }
  }

  const status = (url: string, options = '{}') =>
    `fetch('${url}', ${options}).then(it => it.status, () => 'blocked')`
  const socket = () =>
    `new Promise(done => {
      const socket = new WebSocket('${own().replace('http', 'ws')}/v1/stream')
      socket.onmessage = ({ data }) => done(JSON.parse(data).type)
      socket.onerror = () => done('blocked')
    })`
  const firstOf = (url: string) =>
    `new Promise(done => {
      const source = new EventSource(${url})
      source.onmessage = ({ data }) => { source.close(); done(JSON.parse(data).symbol) }
      source.onerror = () => { source.close(); done('blocked') }
    })`

  it('gets nothing for a page of another origin, though it is of this machine', async () => {
    const url = `${own()}/healthz`
    assert.equal(await inPage(foreign(), status(url)), 'blocked')
    assert.equal(await inPage(foreign(), status(url, "{ mode: 'no-cors' }")), 'blocked')
    assert.equal(await inPage(foreign(), socket()), 'blocked')
    assert.equal(await inPage(listed(), socket()), 'hello')
    assert.equal(await inPage(foreign(), firstOf(`'${own()}/v1/events?symbols=SPY'`)), 'blocked')
  })

  it('gets for a page of the list what its key opens', async () => {
    const authorized = `{ headers: { authorization: 'Bearer ${key}' } }`
    const latest = `${own()}/v1/latest?symbols=SPY&kinds=trade`
    assert.equal(await inPage(listed(), status(latest)), 401)
    assert.equal(await inPage(listed(), status(latest, authorized)), 200)
    const nature = `fetch('${latest}', ${authorized}).then(it => it.headers.get('tickwire-nature'))`
    assert.match(`${await inPage(listed(), nature)}`, /^SIMULATED/)
    const token = `fetch('${own()}/v1/tokens', { method: 'POST', headers: { authorization: 'Bearer ${key}' } })
      .then(it => it.json()).then(({ token }) => ${firstOf(`'${own()}/v1/events?symbols=SPY&token=' + token`)})`
    assert.equal(await inPage(listed(), token), 'SPY')
  })

  it('keeps a cookie for the own page that no script sees, and that opens all three', async () => {
    // What has no page of its own lets no script ask: that is not what is looked at here.
    const context = await browser.newContext({ bypassCSP: true })
    const page = await context.newPage()
    await page.goto(`${own()}/healthz`)
    const latest = '/v1/latest?symbols=SPY&kinds=trade'
    assert.equal(await page.evaluate(status(latest)), 401)
    const body = JSON.stringify(JSON.stringify({ key }))
    const session = status('/v1/session', `{ method: 'POST', body: ${body} }`)
    assert.equal(await page.evaluate(session), 200)
    assert.equal(await page.evaluate('document.cookie'), '')
    assert.equal(await page.evaluate(status(latest)), 200)
    assert.equal(await page.evaluate(socket()), 'hello')
    assert.equal(await page.evaluate(firstOf("'/v1/events?symbols=SPY'")), 'SPY')
    await context.close()
    // A cookie of the same machine is none of another page's.
    assert.equal(
      await inPage(foreign(), status(`${own()}${latest}`, "{ credentials: 'include' }")),
      'blocked',
    )
  })
})
