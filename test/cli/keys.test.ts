import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import { parseScopes } from '../../src/cli/commands/keys.ts'
import { lifeOf } from '../../src/cli/flags.ts'
import { cli, emptyDirectory, lines } from './child.ts'

test('a key is made, shown once, revoked and listed', async () => {
  const cwd = emptyDirectory()
  const wishes = ['--scopes', 'read,admin', '--symbols', '5', '--expires', '30d']
  const made = await cli(['keys', 'create', 'desk', ...wishes], { cwd })
  assert.equal(made.code, 0)
  const key = made.stdout.trim()
  assert.match(key, /^tw_[a-z0-9]{8}_[\w-]{43}$/)
  assert.match(made.stderr, /the key of desk, for read, admin: shown this once/)
  assert.ok(!made.stderr.includes(key))
  const revoked = await cli(['keys', 'revoke', 'desk'], { cwd })
  assert.deepEqual([revoked.code, revoked.stdout], [0, ''])
  const list = await cli(['keys', 'list', '--json'], { cwd })
  const [one, ...others] = lines(list.stdout).map(line => JSON.parse(line))
  assert.equal(others.length, 0)
  assert.deepEqual([one.name, one.scopes, one.quotas], ['desk', ['read', 'admin'], { symbols: 5 }])
  assert.equal(Date.parse(one.expiresAt) - Date.parse(one.createdAt), 30 * 86_400_000)
  assert.match(one.state, /^revoked /)
  assert.ok(!list.stdout.includes(key.slice(12)) && !('hash' in one))
  const nobody = await cli(['keys', 'revoke', 'nobody'], { cwd })
  assert.equal(nobody.code, 2)
  assert.match(nobody.stderr, /there is no key nobody in force/)
  rmSync(cwd, { recursive: true })
})

test('scopes and lives that cannot be are refused with the way out', () => {
  assert.deepEqual(parseScopes('read, history'), ['read', 'history'])
  assert.throws(() => parseScopes('reed'), { code: 'BAD_OPTION', hint: 'did you mean read?' })
  assert.throws(() => parseScopes(','), { hint: 'Any of read, history, trade, admin.' })
  const life = lifeOf('--expires')
  assert.deepEqual([life('30d'), life('1.5h'), life('10m')], [2_592_000_000, 5_400_000, 600_000])
  for (const text of ['0d', '20000d', '5', '10s', '-1d', '']) {
    assert.throws(() => life(text), { code: 'BAD_OPTION', hint: /at most ten years/ }, text)
  }
})
