import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { takeLease } from '../../src/base/lease.ts'
import type { Log } from '../../src/base/log.ts'
import { silentLog } from '../../src/base/log.ts'
import { KeyRing } from '../../src/gateway/key-ring.ts'
import { createKey, findKey, KEY_PATTERN, readKeys, revokeKey } from '../../src/gateway/keys.ts'
import { handClock } from '../../src/testing/clock.ts'

const folder = mkdtempSync(join(tmpdir(), 'tickwire-keys-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let made = 0
const newPath = () => join(folder, `${++made}`, 'keys.json')
const clock = handClock()

describe('keys', () => {
  it('are shown once: the file holds a hash, for this user alone', async () => {
    const path = newPath()
    const { key, record } = await createKey(path, { name: 'desk' }, clock)
    assert.match(key, new RegExp(`^${KEY_PATTERN.source}$`))
    const text = readFileSync(path, 'utf8')
    const secret = key.split('_').slice(2).join('_')
    assert.ok(!text.includes(secret))
    assert.ok(text.includes(record.id))
    if (process.platform !== 'win32') assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.deepEqual(record.scopes, ['read', 'history'])
  })

  it('are found by the whole of the key only', async () => {
    const path = newPath()
    const { key, record } = await createKey(path, { name: 'one' }, clock)
    const { key: other } = await createKey(path, { name: 'two' }, clock)
    const keys = readKeys(path)
    assert.equal(findKey(keys, key)?.id, record.id)
    const mixed = key.slice(0, 12) + other.slice(12)
    assert.notEqual(mixed, key)
    const flipped = key.slice(0, -3) + (key.at(-3) === 'A' ? 'B' : 'A') + key.slice(-2)
    for (const wrong of [
      mixed,
      flipped,
      '',
      key.slice(0, -1),
      `${key}A`,
      `tw_${record.id}_`,
      ` ${key}`,
    ]) {
      assert.equal(findKey(keys, wrong), undefined, wrong)
    }
  })

  it('have names that are in use once', async () => {
    const path = newPath()
    await createKey(path, { name: 'desk' }, clock)
    await assert.rejects(createKey(path, { name: 'desk' }, clock), /named desk already/)
    for (const name of ['', ' x', 'a\nb', 'x'.repeat(65)]) {
      await assert.rejects(createKey(path, { name }, clock), { code: 'BAD_OPTION' })
    }
    await revokeKey(path, 'desk', clock)
    await createKey(path, { name: 'desk' }, clock)
    assert.equal(readKeys(path).length, 2)
  })

  it('wait for another process that changes the file, and say which one where it takes long', async () => {
    const clock = handClock()
    const path = newPath()
    await createKey(path, { name: 'before' }, clock)
    const lease = takeLease([`${path}.lease`], clock)
    assert.ok('release' in lease)
    const making = createKey(path, { name: 'waits' }, clock)
    await clock.advance(1_000)
    assert.equal(readKeys(path).length, 1)
    lease.release()
    await clock.advance(1_000)
    await making
    assert.equal(readKeys(path).length, 2)
    const again = takeLease([`${path}.lease`], clock)
    const late = assert.rejects(createKey(path, { name: 'late' }, clock), {
      code: 'KEYS_UNSAFE',
      message: new RegExp(`process ${process.pid} has been changing`),
    })
    await clock.advance(6_000)
    await late
    assert.ok('release' in again)
    again.release()
  })

  it('refuse to revoke what is not there, and say what is', async () => {
    const path = newPath()
    await assert.rejects(revokeKey(path, 'x', clock), /no key x in force/)
    await createKey(path, { name: 'grafana' }, clock)
    await assert.rejects(revokeKey(path, 'grafanna', clock), { hint: 'did you mean grafana?' })
  })

  it('are not taken from a file that others may write, or that is none', async () => {
    const path = newPath()
    await createKey(path, { name: 'a' }, clock)
    if (process.platform !== 'win32') {
      chmodSync(path, 0o622)
      assert.throws(() => readKeys(path), { code: 'KEYS_UNSAFE', message: /other users may write/ })
      chmodSync(path, 0o600)
    }
    writeFileSync(path, '{"version":1,"keys":[{"id":"x"}]}')
    assert.throws(() => readKeys(path), { code: 'KEYS_UNSAFE', message: /no file of keys/ })
  })
})

describe('the key ring of a running gateway', () => {
  const setUp = async (log: Log = silentLog) => {
    const clock = handClock()
    const path = newPath()
    const { key, record } = await createKey(path, { name: 'desk', lifeMs: 3_600_000 }, clock)
    return { clock, path, key, record, ring: new KeyRing({ path, clock, log }) }
  }

  it('knows a new key as soon as it is shown', async () => {
    const { clock, path, ring } = await setUp()
    const { key } = await createKey(path, { name: 'new' }, clock)
    assert.equal(ring.show(key).record.name, 'new')
    assert.throws(() => ring.show(`${key}x`), { code: 'KEY_REFUSED' })
    assert.equal(ring.size, 2)
  })

  it('ends what a revoked key opened, and says why', async () => {
    const { clock, path, key, ring } = await setUp()
    // A change of the file in between must not lose who is there.
    const { ended } = ring.show(key)
    await createKey(path, { name: 'other' }, clock)
    await clock.advance(1_000)
    assert.ok(!ended.aborted)
    await revokeKey(path, 'desk', clock)
    await clock.advance(1_000)
    assert.ok(ended.aborted)
    assert.equal(ended.reason.code, 'KEY_REFUSED')
    assert.match(ended.reason.message, /the key desk was revoked at/)
    assert.throws(() => ring.show(key), /the key desk was revoked at/)
  })

  it('ends a key whose time is over, without a change of the file', async () => {
    const { clock, key, ring } = await setUp()
    const { ended } = ring.show(key)
    await clock.advance(3_599_000)
    assert.ok(!ended.aborted)
    await clock.advance(2_000)
    assert.match(ended.reason.message, /the key desk ended at/)
    assert.throws(() => ring.show(key), { code: 'KEY_REFUSED' })
    assert.equal(ring.size, 0)
  })

  it('stays as it was while the file cannot be used, and says so once', async () => {
    const errors: string[] = []
    const log = { ...silentLog, error: (_: object, message: string) => errors.push(message) }
    const { clock, path, key, ring } = await setUp(log)
    writeFileSync(path, 'nonsense')
    await clock.advance(1_000)
    writeFileSync(path, 'nonsense again')
    await clock.advance(1_000)
    assert.equal(ring.show(key).record.name, 'desk')
    assert.equal(errors.length, 1)
  })

  it('takes nobody any more when the file is gone', async () => {
    const { clock, path, key, ring } = await setUp()
    const { ended } = ring.show(key)
    rmSync(path)
    await clock.advance(1_000)
    assert.ok(ended.aborted)
    assert.throws(() => ring.show(key), { code: 'KEY_REFUSED' })
  })
})
