import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { get, type RequestOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { connect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { openApp } from '../../src/app/app.ts'
import { silentLog } from '../../src/base/log.ts'
import { TlsFiles } from '../../src/gateway/tls.ts'
import { simulated } from '../../src/providers/simulated/index.ts'
import { handClock } from '../../src/testing/clock.ts'

const folder = mkdtempSync(join(tmpdir(), 'tickwire-tls-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const cert = join(folder, 'cert.pem')
const key = join(folder, 'key.pem')
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url))

function put(name: 'localhost' | 'renewed', what: 'both' | 'cert' = 'both'): void {
  copyFileSync(fixture(`${name}.pem`), cert)
  if (what === 'both') copyFileSync(fixture(`${name}-key.pem`), key)
}

/** Fingerprint of the certificate a server shows. */
function shown(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256)
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

function ask(port: number, options: RequestOptions): Promise<{ status: number; cookie: string }> {
  return new Promise((resolve, reject) => {
    const asked = get(
      { port, host: '127.0.0.1', rejectUnauthorized: false, agent: false, ...options },
      it => {
        it.resume()
        resolve({ status: it.statusCode ?? 0, cookie: it.headers['set-cookie']?.[0] ?? '' })
      },
    )
    asked.on('error', reject)
  })
}

describe('certificates from files', () => {
  it('are taken over while the gateway runs, and half of a new pair is not', async () => {
    put('localhost')
    const clock = handClock()
    const errors: string[] = []
    const log = { ...silentLog, error: (fields: object) => errors.push(JSON.stringify(fields)) }
    const app = await openApp({
      ...{ feeds: [{ provider: simulated(), leases: false as const }], clock, log },
      gateway: { port: 0, keys: join(folder, 'keys.json'), tls: { cert, key } },
    })
    const { port, url } = app.gateway!
    assert.equal(url, `https://127.0.0.1:${port}`)
    assert.equal((await ask(port, { path: '/healthz' })).status, 200)
    const own = { path: '/v1/latest', headers: { origin: `https://127.0.0.1:${port}` } }
    assert.equal((await ask(port, own)).status, 200)
    const plain = { ...own, headers: { origin: `http://127.0.0.1:${port}` } }
    assert.equal((await ask(port, plain)).status, 403)
    const before = await shown(port)
    put('renewed', 'cert')
    await clock.advance(30_000)
    assert.equal(await shown(port), before)
    assert.equal(errors.length, 1)
    put('renewed')
    await clock.advance(10_000)
    const now = await shown(port)
    assert.notEqual(now, before)
    put('localhost')
    app.gateway!.reload({ keys: join(folder, 'keys.json'), tls: { cert, key } })
    assert.equal(await shown(port), before)
    put('renewed', 'cert')
    const again = () => app.gateway!.reload({ keys: join(folder, 'keys.json'), tls: { cert, key } })
    assert.throws(again, { code: 'TLS_UNUSABLE' })
    assert.equal(await shown(port), before)
    const closing = app.close()
    await clock.advance(60_000)
    await closing
  })

  it('that cannot be used are refused with the reason', () => {
    const open = (paths: { cert: string; key: string }) =>
      new TlsFiles({ ...paths, clock: handClock(), log: silentLog, changed: () => {} })
    const none = join(folder, 'none.pem')
    put('localhost')
    assert.throws(() => open({ cert: none, key }), {
      code: 'TLS_UNUSABLE',
      message: /cannot be read/,
    })
    writeFileSync(none, 'nonsense')
    assert.throws(() => open({ cert: none, key }), { code: 'TLS_UNUSABLE' })
    const other = { cert, key: fixture('renewed-key.pem') }
    assert.throws(() => open(other), {
      code: 'TLS_UNUSABLE',
      message: /no certificate and its key/,
    })
    rmSync(none)
  })

  it('that end soon are warned of', () => {
    put('localhost')
    const warned: object[] = []
    const log = { ...silentLog, warn: (fields: object) => warned.push(fields) }
    const open = (now: number) =>
      new TlsFiles({ cert, key, clock: handClock(now), log, changed: () => {} })
    open(Date.UTC(2123, 11, 1)).close()
    assert.deepEqual(warned, [])
    open(Date.UTC(2123, 11, 20)).close()
    assert.deepEqual(warned, [{ cert, until: '2124-01-01T00:00:00.000Z' }])
  })
})
