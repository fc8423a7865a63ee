import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FieldOrder } from '../../src/base/field-order.ts'
import { seededRandom } from '../../src/base/random.ts'
import { KeySet, Scanner } from '../../src/base/scanner.ts'
import { copyFrame } from '../../src/base/scratch.ts'
import { ShortTexts } from '../../src/base/short-texts.ts'
import { pastMap, pastPlainText } from '../../src/base/words.ts'

/** Puts a text where readers look, and tells its length. */
function put(text: string): number {
  const bytes = Buffer.from(text)
  assert.ok(copyFrame(bytes))
  return bytes.length
}

describe('past a text of a frame', () => {
  test('is its end where it is plain, wherever the quote stands in its word', () => {
    for (let length = 0; length < 20; length++) {
      const text = `"${'SYMBOL.7 ~!{}[]:,x1y2z3'.slice(0, length)}"`
      put(`${text},"b":2`)
      assert.equal(pastPlainText(0), text.length, text)
    }
  })

  test('is refused for anything that is not: another value, an escape, a control, a letter beyond ASCII', () => {
    for (const text of [
      '12',
      'null',
      '"a\\"b"',
      '"\\u0041"',
      '"a\tb"',
      '"é"',
      '"abcdefgh',
      '"\u007f"',
    ]) {
      put(text)
      assert.equal(pastPlainText(0), -1, text)
    }
  })

  test('never takes what JSON would not, in ten thousand texts of odd bytes', () => {
    const random = seededRandom(7)
    const odd = ['"', '\\', '\n', '\u001f', '\u007f', 'é', 'a', ' ', '}', '[']
    let taken = 0
    for (let round = 0; round < 10_000; round++) {
      const inner = Array.from({ length: Math.floor(random() * 12) }, () =>
        random() < 0.15 ? odd[Math.floor(random() * odd.length)] : 'k',
      ).join('')
      put(`"${inner}" `)
      const end = pastPlainText(0)
      if (end < 0) continue
      taken++
      const text = Buffer.from(`"${inner}" `).subarray(0, end).toString()
      assert.equal(JSON.parse(text), text.slice(1, -1))
    }
    assert.ok(taken > 2_000, `${taken}`)
  })
})

test('past an object that nobody wants is behind its brace, braces in texts left aside', () => {
  for (const [rest, behind] of [
    [',"a":1},{', 7],
    [',"a":"}{","b":2}]', 16],
    [',"a":"\\"}"}', -1],
    [',"abcdefg":"never ends"', -1],
    ['}', 1],
  ] as const) {
    assert.equal(pastMap(0, put(rest)), behind, rest)
  }
})

describe('short texts', () => {
  test('are told apart by all their bytes, and found again', () => {
    const texts = new ShortTexts<number>()
    const names = Array.from({ length: 300 }, (_, i) => `S${'x'.repeat(i % 9)}${i % 10}`)
    const different = [...new Set(names)]
    for (const [i, name] of different.entries()) {
      put(`${name}"`)
      assert.equal(texts.get(0), undefined, name)
      assert.equal(texts.end, name.length)
      texts.set(0, name.length, i)
    }
    for (const [i, name] of different.entries()) {
      put(`${name}","${name}`)
      assert.equal(texts.get(0), i)
      put(`${name}y"`)
      assert.notEqual(texts.get(0), i)
    }
    texts.clear()
    put(`${different[0]}"`)
    assert.equal(texts.get(0), undefined)
  })

  test('of more than eleven bytes are not kept', () => {
    const texts = new ShortTexts<number>()
    put('ELEVENBYTES"')
    assert.equal(texts.get(0), undefined)
    texts.set(0, 11, 1)
    assert.equal(texts.get(0), 1)
    put('TWELVE_BYTES"')
    assert.equal(texts.get(0), undefined)
    texts.set(0, 12, 2)
    assert.equal(texts.get(0), undefined)
    put('ELEVENBYTES"')
    assert.equal(texts.get(0), 1, 'the other one is still there')
  })

  test('are a bounded number: new ones displace old ones, and none is mistaken for another', () => {
    const texts = new ShortTexts<string>()
    for (let i = 0; i < 20_000; i++) {
      put(`N${i}"`)
      const found = texts.get(0)
      assert.ok(found === undefined || found === `N${i}`)
      texts.set(0, `N${i}`.length, `N${i}`)
      assert.equal(texts.get(0), `N${i}`)
    }
  })
})

describe('the order of fields', () => {
  const keys = new KeySet(['ltp', 'volume', 'a'])
  const scanner = new Scanner()

  /** What an object's fields come to, as `name=value` of the known ones. */
  function read(order: FieldOrder, text: string): string[] | 'surprise' {
    scanner.at(Buffer.from(text))
    const found: string[] = []
    let pos = 0
    for (let i = 0; ; i++) {
      const at = order.value(scanner, i, pos)
      if (at < 0) return 'surprise'
      const { key } = order
      const behind = scanner.skip(at)
      if (behind < 0) return 'surprise'
      if (key >= 0) found.push(`${keys.names[key]}=${text.slice(at, behind)}`)
      pos = scanner.space(behind)
      if (text[pos] === '}') return found
    }
  }

  test('is learnt, and any other is read all the same', () => {
    const order = new FieldOrder(keys, 4)
    const [one, other] = ['{"ltp": 1, "x": [2], "volume": 3}', '{"volume":3,"a":"q", "ltp" : 1}']
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(read(order, one), ['ltp=1', 'volume=3'])
      assert.deepEqual(read(order, other), ['volume=3', 'a="q"', 'ltp=1'])
    }
    assert.deepEqual(read(order, '{"ltp": 1, "x": [2], "volume": 3, "a": 4, "a": 5, "ltp": 6}'), [
      ...['ltp=1', 'volume=3', 'a=4', 'a=5', 'ltp=6'],
    ])
  })

  test('does not take a field for one that only begins like it, or for one that was cut off', () => {
    const order = new FieldOrder(keys, 4)
    assert.deepEqual(read(order, '{"a":1}'), ['a=1'])
    assert.deepEqual(read(order, '{"ab":1}'), [])
    assert.deepEqual(read(order, '{"a":1}'), ['a=1'])
    for (const text of ['{"a"', '{"a":', '{"a"1}', '{a:1}', '{"a":1 "ltp":2}', '{,"a":1}']) {
      assert.equal(read(order, text), 'surprise', text)
    }
  })

  test('is right however often it changes, and with names longer than are remembered', () => {
    const random = seededRandom(3)
    const order = new FieldOrder(keys, 3)
    const names = ['ltp', 'volume', 'a', 'x'.repeat(60), 'other']
    for (let round = 0; round < 3_000; round++) {
      const fields = Array.from({ length: 1 + Math.floor(random() * 6) }, (_, i) => {
        return [names[Math.floor(random() * names.length)]!, i] as const
      })
      const text = `{${fields.map(([name, i]) => `"${name}":${i}`).join()}}`
      const known = fields.filter(([name]) => keys.names.includes(name))
      assert.deepEqual(
        read(order, text),
        known.map(([name, i]) => `${name}=${i}`),
      )
    }
  })
})
