import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Literal } from '../../src/base/literal.ts'
import { seededRandom } from '../../src/base/random.ts'
import { Scanner } from '../../src/base/scanner.ts'

test('a literal stands where its text stands, and nowhere else', () => {
  const scanner = new Scanner()
  const random = seededRandom(3)
  const word = (length: number) =>
    Array.from({ length }, () => 'ab{"'[Math.floor(random() * 4)]).join('')
  let found = 0
  for (let i = 0; i < 5_000; i++) {
    const text = word(Math.floor(random() * 40))
    const part = word(1 + Math.floor(random() * 3)) + (random() < 0.3 ? text.slice(3, 12) : '')
    const literal = new Literal(part)
    assert.equal(literal.length, part.length)
    scanner.at(Buffer.from(text))
    for (let pos = 0; pos <= text.length; pos++) {
      const expected = text.startsWith(part, pos)
      assert.equal(literal.isAt(pos), expected, `${part} at ${pos} of ${text}`)
      if (expected) found++
    }
  }
  assert.ok(found > 1_000)
})

test('what an earlier frame has left behind the end is not taken for text by a zero byte', () => {
  const scanner = new Scanner()
  scanner.at(Buffer.from('{"channel":"heartbeat"}'))
  scanner.at(Buffer.from('{"channel"'))
  assert.equal(new Literal('{"channel":"heartbeat"}').isAt(0), false)
})
