import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { redactor } from '../../src/cli/console.ts'

describe('what is logged holds no secret', () => {
  const secret = 'pa"ss\\wo/rd'
  const take = redactor(['PKTEST1', secret])

  test('as it is, inside a string, and inside JSON inside a string', () => {
    const frame = JSON.stringify({ action: 'auth', key: 'PKTEST1', secret })
    for (const fields of [
      { secret },
      { frame },
      { error: `refused: ${secret}` },
      { k: 'PKTEST1' },
    ]) {
      const line = take(JSON.stringify({ level: 20, ...fields, msg: 'hello' }))
      const read = JSON.parse(line)
      assert.equal(read.msg, 'hello')
      assert.ok(line.includes('[redacted]'), line)
      assert.doesNotMatch(line, /pa\\*"ss|wo\/rd|PKTEST1/)
    }
    assert.equal(take(`plain ${secret}`), 'plain [redacted]')
  })

  test('a secret too short to be one leaves the lines as they are', () => {
    const line = JSON.stringify({ level: 20, msg: 'a line with many an a' })
    assert.equal(redactor(['a', '', undefined, 'level'])(line), line)
    assert.equal(redactor(['abcdef'])('"abcdef"'), '"[redacted]"')
  })
})
