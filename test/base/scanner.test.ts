import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CodeLists } from '../../src/base/code-lists.ts'
import { hashOf, Interner } from '../../src/base/interner.ts'
import { seededRandom } from '../../src/base/random.ts'
import { KeySet, Scanner, SURPRISE } from '../../src/base/scanner.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const scanner = new Scanner()

function on(text: string): Scanner {
  scanner.at(bytesOf(text))
  return scanner
}

/** What `JSON.parse` makes of the first number of a text that goes on with a comma. */
function oracle(text: string): number | undefined {
  try {
    const value: unknown = JSON.parse(`[${text}]`)
    return typeof (value as unknown[])[0] === 'number' ? (value as number[])[0] : undefined
  } catch {
    return undefined
  }
}

describe('numbers', () => {
  const same = (text: string) => {
    const next = on(`${text},`).number(0)
    const expected = oracle(text)
    const got = next === text.length ? scanner.out[0] : undefined
    assert.ok(Object.is(got, expected), `${text}: ${got}, JSON.parse ${expected}`)
  }

  it('are bit for bit those of JSON.parse', () => {
    const texts = [
      ...['0', '1', '12', '123', '1234', '12345678', '123456789', '1234567890', '0.1', '0.001'],
      ...['12.5', '123.456', '1234.5', '0.0001', '162.92', '0.30000000000000004', '1e5', '1E-7'],
      ...['9007199254740993', '123456789012345', '1234567890123456', '0.000000000000001'],
      ...['1.7976931348623157e308', '1e999', '5e-324', '-1', '-0', '-0.5', '-12.25', '0e0', '1.0'],
    ]
    for (const text of texts) same(text)
    const random = seededRandom(11)
    const digits = (n: number) =>
      Array.from({ length: n }, () => Math.floor(random() * 10)).join('')
    for (let i = 0; i < 20_000; i++) {
      const whole = String(Number(digits(1 + Math.floor(random() * 9))))
      const part = random() < 0.7 ? `.${digits(1 + Math.floor(random() * 9))}` : ''
      same(`${random() < 0.1 ? '-' : ''}${whole}${part}${random() < 0.05 ? 'e-3' : ''}`)
    }
  })

  it('of digits only are those of JSON.parse, whatever stands behind them; longer ones are a surprise', () => {
    const random = seededRandom(12)
    const digit = () => Math.floor(random() * 10)
    for (let length = 1; length <= 20; length++) {
      for (let i = 0; i < 200; i++) {
        const text = Array.from({ length }, digit).join('')
        const sound = text === '0' || !text.startsWith('0')
        for (const behind of ['"', ',', '}', '.5', 'e3', ' ']) {
          const next = on(text + behind).digits(0)
          assert.equal(next, sound && length <= 15 ? length : SURPRISE, text + behind)
          if (next > 0) assert.equal(scanner.out[0], Number(text))
          assert.equal(on(text + behind).pastDigits(0), sound ? length : SURPRISE, text + behind)
        }
      }
    }
    for (const text of ['', 'a', '-1', '.5', '"1']) {
      assert.equal(on(text).digits(0), SURPRISE, text)
      assert.equal(on(text).pastDigits(0), SURPRISE, text)
    }
  })

  it('of 13 digits are times in ms; any other length is a surprise', () => {
    const random = seededRandom(13)
    let now = 1_705_329_000_000
    for (let i = 0; i < 2_000; i++) {
      now = i % 50 === 0 ? 1e12 + Math.floor(random() * 8e12) : now + Math.floor(random() * 60_000)
      assert.equal(on(`${now},`).millis(0), 13)
      assert.equal(scanner.out[1], now)
    }
    for (const text of [
      '170532900000',
      '17053290000001',
      '0705329000000',
      '170532900000a',
      '1705a29000000',
      '',
    ]) {
      assert.equal(on(`${text},`).millis(0), SURPRISE, text)
    }
  })

  it('are refused where JSON.parse refuses them', () => {
    const refused = [
      '00',
      '01',
      '-01',
      '1.',
      '.5',
      '-',
      '+1',
      '1e',
      '1e+',
      '0x1',
      'NaN',
      '',
      '--1',
      '1..2',
    ]
    for (const text of refused) {
      const next = on(`${text},`).number(0)
      assert.notEqual(next, text.length || 1, text)
    }
  })

  it('end with the frame, whatever an earlier one left behind', () => {
    on('[123456789,123456789,123456789]')
    assert.equal(on('12').number(0), 2)
    assert.equal(scanner.out[0], 12)
    assert.equal(on('1.').number(0), SURPRISE)
  })

  it('in quotes are decimals', () => {
    assert.equal(on('"0.00012300",').decimal(0), 12)
    assert.equal(scanner.out[0], 0.000123)
    for (const number of [
      '27123.45000000',
      '0.01000000',
      '1234567.12345678',
      '12345678.12345678',
    ]) {
      assert.equal(on(`"${number}",`).decimal(0), number.length + 2)
      assert.equal(scanner.out[0], Number(number), number)
    }
    for (const text of ['"01.00000000"', '".00000000"', '"1.0000000x"', '"1.00000000']) {
      assert.equal(on(text).decimal(0), SURPRISE, text)
    }
    for (const text of ['"1', '1"', '""', '"1"x'.slice(0, 2), '"1x"']) {
      assert.equal(on(text).decimal(0), SURPRISE, text)
    }
  })

  it('are small integers where they are followed by a comma or an end', () => {
    for (const [text, value] of [
      ['0,', 0],
      ['7}', 7],
      ['123]', 123],
      ['1234,', 1_234],
      ['12345678,', 12_345_678],
    ] as const) {
      assert.equal(on(text).small(0), text.length - 1, text)
      assert.equal(scanner.integer, value)
    }
    for (const text of [
      '01,',
      '0123456,',
      '123456789,',
      '1.5,',
      '1e3,',
      '-1,',
      '1 ,',
      '"1",',
      ',',
    ]) {
      assert.equal(on(text).small(0), SURPRISE, text)
    }
  })
})

describe('text and lists', () => {
  it('takes plain ASCII and leaves the rest to JSON.parse', () => {
    assert.equal(on('"AAPL",').string(0), 6)
    for (const text of ['"é"', '"a\\n"', '"a\nb"', '"open', 'x', '']) {
      assert.equal(on(text).string(0), SURPRISE, text)
    }
  })

  it('interns lists by their bytes', () => {
    assert.equal(on('["@","I"],').list(0), 9)
    const first = scanner.strings
    assert.deepEqual(first, ['@', 'I'])
    assert.ok(Object.isFrozen(first))
    on(' ["@","I"] ').list(1)
    assert.equal(scanner.strings, first)
    on('["AB","C"]').list(0)
    assert.deepEqual(scanner.strings, ['AB', 'C'])
    on('["A","B","C","D","E"]').list(0)
    assert.deepEqual(scanner.strings, ['A', 'B', 'C', 'D', 'E'])
  })

  it('is not misled by brackets and commas inside texts', () => {
    for (const list of [[']'], [']', 'x'], ['a]', '['], ['",'.slice(1), ','], ['a', ']b'], []]) {
      const text = JSON.stringify(list)
      for (let i = 0; i < 2; i++) {
        assert.equal(on(`${text}}`).list(0), text.length, text)
        assert.deepEqual(scanner.strings, list)
      }
    }
  })

  it('refuses what is no list of texts', () => {
    for (const text of [
      '[1]',
      '["a",]',
      '["a"',
      '[',
      '"a"',
      '["a" "b"]',
      '["\\u0041"]',
      '[null]',
      '["\u0001"]',
    ]) {
      assert.equal(on(text).list(0), SURPRISE, text)
    }
  })

  it('tells lists apart that differ only by a zero byte in front', () => {
    const lists = new CodeLists()
    assert.equal(lists.get(0x41, 2), undefined)
    assert.deepEqual(lists.get(0x4142, 2), ['A', 'B'])
    assert.equal(lists.get(0x4142, 3), undefined)
  })
})

describe('times', () => {
  const read = (text: string) =>
    on(`"${text}"`).time(0) === text.length + 2 ? [scanner.out[1], scanner.nanos] : undefined

  it('are exact to the nanosecond, with 0 to 9 digits', () => {
    const base = Date.UTC(2024, 0, 15, 14, 30, 5)
    assert.deepEqual(read('2024-01-15T14:30:05Z'), [base, 0])
    assert.deepEqual(read('2024-01-15T14:30:05.1Z'), [base + 100, 0])
    assert.deepEqual(read('2024-01-15T14:30:05.123456789Z'), [base + 123, 456_789])
    assert.deepEqual(read('2024-01-15T14:30:05.000000001Z'), [base, 1])
    assert.deepEqual(read('2024-01-15T14:30:05.99999Z'), [base + 999, 990_000])
    assert.deepEqual(read('2024-01-15T14:30:05.123456Z'), [base + 123, 456_000])
    assert.deepEqual(read('2024-01-15T14:30:05.000009Z'), [base, 9_000])
    assert.deepEqual(read('2024-01-15T14:30:05.1234567Z'), [base + 123, 456_700])
    assert.deepEqual(read('2024-01-15T14:30:06.5Z'), [base + 1_500, 0])
    assert.deepEqual(read('2024-01-16T14:30:05Z'), [base + 86_400_000, 0])
    assert.deepEqual(read('1969-12-31T23:59:59.999999999Z'), [-1, 999_999])
    assert.deepEqual(read('2024-02-29T00:00:00Z'), [Date.UTC(2024, 1, 29), 0])
  })

  it('are a surprise when they are odd, cached day or not', () => {
    for (const text of [
      ...[
        '2023-02-29T00:00:00Z',
        '2024-13-01T00:00:00Z',
        '2024-01-32T00:00:00Z',
        '2024-01-15T24:00:00Z',
      ],
      ...[
        '2024-01-15T14:60:00Z',
        '2024-01-15T14:30:60Z',
        '2024-01-15T14:30:05.Z',
        '2024-01-15T14:30:05.12345xZ',
        '2024-01-15T14:30:05.123456z',
        '2024-01-15T14:30:05:123456Z',
        '2024-01-15T14:30:05',
      ],
      ...[
        '2024-01-15T14:30:05.1234567891Z',
        '2024-01-15T14:30:05+01:00',
        '2024-01-15t14:30:05Z',
        '0050-01-01T00:00:00Z',
      ],
      ...[
        '2024-01-15 14:30:05Z',
        '2024-01-15T1:430:05Z',
        '2024-01-15T14:30:0aZ',
        '2024-01-15T14:30:05.12345678aZ',
        '',
      ],
    ]) {
      assert.equal(read(text), undefined, text)
    }
  })
})

describe('whole objects', () => {
  const keys = new KeySet(['T', 'price', 'updatedBars'])
  const places = new Int32Array(3)

  it('are walked in any order, unknown keys skipped, of equal keys the last', () => {
    const text = '{"x":[1,{"T":2,"y":"}"}], "price" : 5 ,"T":"a","T":"b"}'
    assert.equal(on(text).fields(0, keys, places), text.length)
    assert.equal(text.slice(places[0], places[0]! + 3), '"b"')
    assert.equal(text[places[1]!], '5')
    assert.equal(places[2], 0)
  })

  it('match whole keys', () => {
    on('{"pric":1,"prices":2,"updatedBar":3}').fields(0, keys, places)
    assert.deepEqual([...places], [0, 0, 0])
  })

  it('are checked as JSON.parse checks them', () => {
    const random = seededRandom(3)
    const good =
      '{"a":[1,-2.5e3,{"b":null}],"c":"x\\n\\u00e9","price":true,"d":{},"e":[],"f":false}'
    const bytes = [...'"\\{}[]:, 019-+.eEtnu\n\u0001x']
    let [taken, refused] = [0, 0]
    for (let i = 0; i < 20_000; i++) {
      const at = Math.floor(random() * good.length)
      const char = random() < 0.3 ? '' : bytes[Math.floor(random() * bytes.length)]!
      const text = good.slice(0, at) + char + good.slice(at + (random() < 0.5 ? 1 : 0))
      let valid = true
      try {
        JSON.parse(text)
      } catch {
        valid = false
      }
      const whole = on(text).fields(0, keys, places) === text.length
      if (whole) assert.ok(valid, text)
      if (whole) taken++
      else refused++
    }
    assert.ok(taken > 1_000 && refused > 1_000, `${taken} ${refused}`)
  })

  it('do not nest without end', () => {
    assert.equal(on(`{"a":${'['.repeat(100_000)}`).fields(0, keys, places), SURPRISE)
  })
})

describe('the cache of texts', () => {
  it('never grows beyond its bound and never gives a wrong value', () => {
    const cache = new Interner<string>(8, 64)
    for (let i = 0; i < 5_000; i++) {
      const bytes = bytesOf(`k${i}`)
      const hash = hashOf(bytes, 0, bytes.length)
      const known = cache.get(bytes, 0, bytes.length, hash)
      assert.ok(known === undefined || known === `k${i}`)
      cache.set(bytes, 0, bytes.length, hash, `k${i}`)
      assert.equal(cache.get(bytes, 0, bytes.length, hash), `k${i}`)
    }
    assert.ok(cache.size <= 64)
  })

  it('tells texts of one hash apart', () => {
    const cache = new Interner<string>(8, 64)
    const [a, b] = [bytesOf('abc'), bytesOf('abd')]
    cache.set(a, 0, 3, 7, 'a')
    assert.equal(cache.get(b, 0, 3, 7), undefined)
    assert.equal(cache.get(a, 0, 2, 7), undefined)
    cache.set(b, 0, 3, 7, 'b')
    assert.equal(cache.get(a, 0, 3, 7), 'a')
    assert.equal(cache.get(b, 0, 3, 7), 'b')
  })

  it('does not keep long texts', () => {
    const cache = new Interner<string>(4, 64)
    cache.set(bytesOf('12345'), 0, 5, 1, 'x')
    assert.equal(cache.size, 0)
  })
})

it('a frame too large for the scanner is left to others', () => {
  assert.equal(new Scanner().at(new Uint8Array(2 * 1_024 * 1_024)), false)
  assert.equal(new Scanner().at(new Uint8Array(100_000)), true)
})
