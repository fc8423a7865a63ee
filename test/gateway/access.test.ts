import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import { type AccessOptions, Door, isLoopback, mustBe, TOKEN_MS } from '../../src/gateway/access.ts'
import { createKey, type NewKey, revokeKey } from '../../src/gateway/keys.ts'
import { handClock } from '../../src/testing/clock.ts'

const folder = mkdtempSync(join(tmpdir(), 'tickwire-access-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let made = 0

async function setUp(options: Partial<AccessOptions> = {}, ...keys: NewKey[]) {
  const clock = handClock()
  const path = join(folder, `${++made}.json`)
  const texts: string[] = []
  for (const one of keys) texts.push((await createKey(path, one, clock)).key)
  const door = new Door({ host: '127.0.0.1', keys: path, clock, log: silentLog, ...options })
  return { clock, path, door, keys: texts }
}

const ask = (
  headers: Record<string, string> = {},
  { url = '/v1/latest', method = 'GET' } = {},
): IncomingMessage =>
  ({ method, url, headers: { host: '127.0.0.1:8425', ...headers } }) as unknown as IncomingMessage

const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

describe('the host a request names', () => {
  it('is this machine, a plain address, or a name of the list', async () => {
    const { door } = await setUp({ host: '127.0.0.1', hosts: ['Desk.example'] })
    const right = [
      'localhost',
      'localhost:8425',
      '127.0.0.1',
      '[::1]:8425',
      '192.168.1.5:80',
      'desk.example:1',
      'DESK.example.',
    ]
    for (const host of right) door.visit(ask({ host }))
  })

  it('is refused where anybody could have let it point here', async () => {
    const { door } = await setUp({ hosts: ['desk.example'] })
    const wrong = [
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.nip.io:8425',
      'notdesk.example',
      'desk.example.evil',
      '',
      '127.0.0.1@evil.example',
      '[evil',
    ]
    for (const host of wrong) {
      assert.throws(() => door.visit(ask({ host })), { code: 'HOST_REFUSED' }, host)
      assert.throws(() => door.upgrade(ask({ host })), { code: 'HOST_REFUSED' }, host)
    }
    const proxy = ask({}, { url: 'http://127.0.0.1:8425/v1/latest' })
    assert.throws(() => door.visit(proxy), { code: 'HOST_REFUSED', message: /no proxy/ })
  })
})

describe('the origin of a page', () => {
  it('is the gateway itself, or one of the list', async () => {
    const { door } = await setUp({ origins: ['https://desk.example/', 'http://localhost:3000'] })
    for (const origin of [
      'http://127.0.0.1:8425',
      'https://desk.example',
      'http://localhost:3000',
    ]) {
      door.visit(ask({ origin, 'sec-fetch-site': 'cross-site' }))
      door.upgrade(ask({ origin }))
    }
  })

  it('is refused when it is any other, on loopback too', async () => {
    const { door } = await setUp({ origins: ['https://desk.example'] })
    const wrong = [
      'null',
      'https://evil.example',
      'http://desk.example',
      'https://desk.example:444',
      'http://127.0.0.1:3000',
      'http://localhost:8425',
      'https://127.0.0.1:8425',
      '',
    ]
    for (const origin of wrong) {
      assert.throws(() => door.visit(ask({ origin })), { code: 'ORIGIN_REFUSED' }, origin)
      assert.throws(() => door.upgrade(ask({ origin })), { code: 'ORIGIN_REFUSED' }, origin)
    }
  })

  it('is told by a browser even where it sends no Origin', async () => {
    const { door } = await setUp()
    const site = (of: string, mode: string, dest: string) => ({
      ...{ 'sec-fetch-site': of, 'sec-fetch-mode': mode, 'sec-fetch-dest': dest },
    })
    for (const of of ['cross-site', 'same-site']) {
      for (const dest of ['script', 'image', 'iframe']) {
        assert.throws(() => door.visit(ask(site(of, 'no-cors', dest))), { code: 'ORIGIN_REFUSED' })
      }
      assert.throws(() => door.visit(ask(site(of, 'navigate', 'iframe'))), {
        code: 'ORIGIN_REFUSED',
      })
      const form = ask(site(of, 'navigate', 'document'), { method: 'POST' })
      assert.throws(() => door.visit(form), { code: 'ORIGIN_REFUSED' })
      door.visit(ask(site(of, 'navigate', 'document')))
    }
    door.visit(ask(site('same-origin', 'cors', 'empty')))
    door.visit(ask(site('none', 'navigate', 'document')))
  })

  it('must be written as one in the settings', async () => {
    for (const origin of [
      'desk.example',
      'https://desk.example/page',
      'ftp://x',
      '*',
      'https://a@b',
    ]) {
      await assert.rejects(setUp({ origins: [origin] }), { code: 'BAD_OPTION' }, origin)
    }
  })
})

describe('a key in an address', () => {
  it('is refused with the reason, by its name or its looks', async () => {
    const { door, keys } = await setUp({}, { name: 'desk' })
    const [key = ''] = keys
    const wrong = [
      `?x=${key}`,
      `?token=${key}`,
      '?key=abc',
      '?apiKey=1',
      '?api_key=1',
      '?access_key=1',
      '?secret=',
      '?Authorization=x',
      `?x=%74w_${key.slice(3)}`,
    ]
    for (const query of wrong) {
      for (const url of [`/v1/latest${query}`, `/v1/stream${query}`]) {
        const refusal = { code: 'KEY_IN_URL', message: /never belongs in an address/ }
        assert.throws(() => door.visit(ask({}, { url })), refusal, url)
        assert.throws(() => door.upgrade(ask({}, { url })), refusal, url)
      }
    }
    door.visit(ask({}, { url: '/v1/latest?symbols=KEY&kind=trade&token=abc&monkey=1' }))
  })
})

describe('who may come in', () => {
  it('is everybody on loopback, to read: trading and administration take a key', async () => {
    const { door, keys } = await setUp({}, { name: 'boss', scopes: ['admin', 'trade'] })
    const { guest } = door.visit(ask())
    assert.equal(guest?.name, 'anonymous')
    assert.deepEqual([...(guest?.scopes ?? [])], ['read', 'history'])
    for (const scope of ['admin', 'trade'] as const) {
      assert.throws(() => mustBe(guest, scope), { code: 'KEY_REQUIRED' })
      const boss = door.visit(ask(bearer(keys[0]!))).guest
      assert.equal(mustBe(boss, scope), boss)
    }
  })

  it('is refused with a wrong key where none is needed', async () => {
    const { door } = await setUp()
    const wrong = `tw_abcdefgh_${'A'.repeat(43)}`
    for (const authorization of [`Bearer ${wrong}`, 'Bearer x', 'Basic abc', '']) {
      assert.throws(() => door.visit(ask({ authorization })), { code: 'KEY_REFUSED' })
      assert.throws(() => door.upgrade(ask({ authorization })), { code: 'KEY_REFUSED' })
    }
    assert.throws(() => door.authenticate(wrong), { code: 'KEY_REFUSED' })
  })

  it('is nobody without a key where keys are asked for', async () => {
    const { door, keys } = await setUp({ admission: 'keys' }, { name: 'desk', scopes: ['read'] })
    const { guest } = door.visit(ask())
    assert.throws(() => mustBe(guest, 'read'), { code: 'KEY_REQUIRED' })
    assert.equal(door.upgrade(ask()), undefined)
    const shown = door.authenticate(keys[0]!)
    assert.equal(shown.name, 'desk')
    assert.throws(() => mustBe(shown, 'history'), {
      code: 'SCOPE_MISSING',
      message: 'the key desk has not the scope history',
    })
  })

  it('is not decided in silence beyond loopback', async () => {
    for (const host of ['0.0.0.0', '::', '192.168.1.5', 'desk.example']) {
      await assert.rejects(setUp({ host }), { code: 'EXPOSED' }, host)
      await assert.rejects(setUp({ host, admission: 'keys' }), { code: 'EXPOSED' }, host)
      const { door } = await setUp({ host }, { name: 'desk' })
      assert.equal(door.visit(ask()).guest, undefined)
      const open = await setUp({ host, admission: 'anyone' })
      assert.equal(open.door.visit(ask()).guest?.name, 'anonymous')
    }
    for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost']) assert.ok(isLoopback(host))
    for (const host of ['127.0.0.1.example', '128.0.0.1', '::2', '0.0.0.0'])
      assert.ok(!isLoopback(host))
  })

  it('ends with the key', async () => {
    const { door, keys, clock, path } = await setUp({}, { name: 'desk' })
    const guest = door.upgrade(ask(bearer(keys[0]!)))!
    await revokeKey(path, 'desk', clock)
    await clock.advance(1_000)
    assert.ok(guest.revoked?.aborted)
    assert.match(guest.revoked.reason.message, /revoked/)
    assert.throws(() => door.visit(ask(bearer(keys[0]!))), {
      code: 'KEY_REFUSED',
      message: /revoked/,
    })
  })
})

describe('a cookie', () => {
  it('stands for a key, is not the key, and ends with it', async () => {
    const { door, keys, clock, path } = await setUp({ admission: 'keys' }, { name: 'desk' })
    const { word } = door.openSession(keys[0]!)
    assert.ok(!keys[0]!.includes(word))
    const cookie = `a=b; ${door.cookie}=${word}`
    assert.equal(door.visit(ask({ cookie })).guest?.name, 'desk')
    assert.equal(door.upgrade(ask({ cookie }))?.name, 'desk')
    assert.equal(door.visit(ask({ cookie: `${door.cookie}=wrong` })).guest, undefined)
    await revokeKey(path, 'desk', clock)
    await clock.advance(1_000)
    assert.equal(door.visit(ask({ cookie })).guest, undefined)
  })

  it('is over when its user says so, and after half a day', async () => {
    const { door, keys, clock } = await setUp({ admission: 'keys' }, { name: 'desk' })
    const one = `${door.cookie}=${door.openSession(keys[0]!).word}`
    const two = `${door.cookie}=${door.openSession(keys[0]!).word}`
    door.endSession(ask({ cookie: one }))
    assert.equal(door.visit(ask({ cookie: one })).guest, undefined)
    assert.ok(door.visit(ask({ cookie: two })).guest)
    clock.set(clock.now() + 12 * 3_600_000)
    assert.equal(door.visit(ask({ cookie: two })).guest, undefined)
  })
})

describe('a token of an event stream', () => {
  it('opens one, within a minute, to read only', async () => {
    const { door, keys, clock } = await setUp(
      { admission: 'keys' },
      { name: 'desk', scopes: ['read', 'history', 'admin'] },
    )
    const visitor = door.visit(ask())
    const { key } = door.visit(ask(bearer(keys[0]!)))
    const token = door.openToken(key!)
    const guest = door.stream(visitor, token)
    assert.deepEqual([guest.name, [...guest.scopes]], ['desk', ['read']])
    assert.throws(() => door.stream(visitor, token), { code: 'KEY_REFUSED', message: /used up/ })
    const late = door.openToken(key!)
    clock.set(clock.now() + TOKEN_MS)
    assert.throws(() => door.stream(visitor, late), { code: 'KEY_REFUSED' })
    assert.throws(() => door.stream(visitor, undefined), { code: 'KEY_REQUIRED' })
  })
})

describe('quotas', () => {
  it('bound the connections of a key, and count what has left no more', async () => {
    const quotas = { connections: 2 }
    const { door, keys } = await setUp({ quotas: { connections: 1 } }, { name: 'desk', quotas })
    const one = door.upgrade(ask(bearer(keys[0]!)))!
    door.authenticate(keys[0]!)
    assert.throws(() => door.authenticate(keys[0]!), {
      code: 'QUOTA_EXCEEDED',
      message: /2 connections are open/,
    })
    door.upgrade(ask())
    assert.throws(() => door.upgrade(ask()), { code: 'QUOTA_EXCEEDED', message: /1 connections/ })
    one.leave()
    one.leave()
    door.authenticate(keys[0]!)
    assert.throws(() => door.authenticate(keys[0]!), { code: 'QUOTA_EXCEEDED' })
  })

  it('bound requests a second, and say how long to wait', async () => {
    const { door, keys, clock } = await setUp({ quotas: { requests: 5 } }, { name: 'desk' })
    for (let i = 0; i < 10; i++) door.visit(ask())
    assert.throws(() => door.visit(ask()), { code: 'QUOTA_EXCEEDED', retryAfterMs: 200 })
    door.visit(ask(bearer(keys[0]!)))
    await clock.advance(200)
    door.visit(ask())
    assert.throws(() => door.visit(ask()), { code: 'QUOTA_EXCEEDED' })
  })

  it('name the symbols a connection may have', async () => {
    const { door, keys } = await setUp(
      { quotas: { symbols: 7 } },
      { name: 'a' },
      { name: 'b', quotas: { symbols: 3 } },
    )
    assert.equal(door.upgrade(ask())?.maxSymbols, 7)
    assert.equal(door.authenticate(keys[0]!).maxSymbols, 7)
    assert.equal(door.authenticate(keys[1]!).maxSymbols, 3)
  })

  it('and lists may change while it runs', async () => {
    const { door, path } = await setUp({ quotas: { symbols: 7 } })
    assert.throws(() => door.visit(ask({ origin: 'https://new.example' })), {
      code: 'ORIGIN_REFUSED',
    })
    door.reload({ host: '127.0.0.1', origins: ['https://new.example'], quotas: { symbols: 9 } })
    assert.equal(door.visit(ask({ origin: 'https://new.example' })).guest?.maxSymbols, 9)
    assert.throws(() => door.reload({ host: '127.0.0.1', origins: ['nonsense'] }), {
      code: 'BAD_OPTION',
    })
    door.visit(ask({ origin: 'https://new.example' }))
    writeFileSync(path, 'nonsense')
    assert.throws(() => door.reload({ host: '127.0.0.1' }), { code: 'KEYS_UNSAFE' })
    door.visit(ask({ origin: 'https://new.example' }))
  })
})
