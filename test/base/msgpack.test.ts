import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  decodeMsgpack,
  encodeMsgpack,
  MAX_DEPTH,
  MsgpackExtension,
  MsgpackTime,
  MsgpackWriter,
} from '../../src/base/msgpack.ts'
import { seededRandom } from '../../src/base/random.ts'

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))
const bytesBy = (write: (writer: MsgpackWriter) => void) => {
  const writer = new MsgpackWriter(1)
  write(writer)
  return Buffer.from(writer.bytes()).toString('hex')
}
/** Maps come without prototype. */
const plain = (value: unknown) => structuredClone(value)

describe('reading', () => {
  it('knows every form of the specification', () => {
    const cases: [string, unknown][] = [
      ...([
        ['c0', null],
        ['c2', false],
        ['c3', true],
        ['00', 0],
        ['7f', 127],
        ['e0', -32],
        ['ff', -1],
      ] as [string, unknown][]),
      ...([
        ['cc80', 128],
        ['cdffff', 65_535],
        ['ceffffffff', 4_294_967_295],
        ['cf001fffffffffffff', Number.MAX_SAFE_INTEGER],
        ['cf0020000000000000', 2n ** 53n],
        ['cfffffffffffffffff', 2n ** 64n - 1n],
        ['d080', -128],
        ['d18000', -32_768],
        ['d280000000', -2_147_483_648],
        ['d3ffe0000000000001', Number.MIN_SAFE_INTEGER],
        ['d38000000000000000', -(2n ** 63n)],
      ] as [string, unknown][]),
      ...([
        ['ca3fc00000', 1.5],
        ['cb3ff8000000000000', 1.5],
        ['cb8000000000000000', -0],
        ['cb7ff0000000000000', Infinity],
      ] as [string, unknown][]),
      ...([
        ['a0', ''],
        ['a3616263', 'abc'],
        ['d903616263', 'abc'],
        ['da0003616263', 'abc'],
        ['db00000003616263', 'abc'],
        ['a4f09f9880', '😀'],
        ['c40201ff', hex('01ff')],
      ] as [string, unknown][]),
      ...([
        ['90', []],
        ['9201c0', [1, null]],
        ['dc000101', [1]],
        ['dd0000000101', [1]],
      ] as [string, unknown][]),
    ]
    for (const [text, value] of cases) assert.deepEqual(decodeMsgpack(hex(text)), value, text)
    assert.deepEqual(plain(decodeMsgpack(hex('82a16101a162c3'))), { a: 1, b: true })
    assert.deepEqual(plain(decodeMsgpack(hex('de0001a16101'))), { a: 1 })
    assert.deepEqual(plain(decodeMsgpack(hex('82a16101a16102'))), { a: 2 }, 'the last key counts')
  })

  it('knows the three forms of a time, and leaves wrong ones alone', () => {
    assert.deepEqual(decodeMsgpack(hex('d6ff603402b4')), new MsgpackTime(1_614_021_300_000, 0))
    assert.deepEqual(
      decodeMsgpack(hex('d7ffc7d9a284642eb2f2')),
      new MsgpackTime(1_680_782_066_838, 232_225),
    )
    assert.deepEqual(
      decodeMsgpack(hex('c70cff00000001ffffffffffffffff')),
      new MsgpackTime(-1_000, 1),
    )
    // 1,000,000,000 nanoseconds; a length that is none of the three.
    for (const text of ['d7ffee6b280000000000', 'd5ff0001', 'c700ff']) {
      assert.ok(decodeMsgpack(hex(text)) instanceof MsgpackExtension, text)
    }
    assert.deepEqual(decodeMsgpack(hex('d40507')), new MsgpackExtension(5, hex('07')))
  })

  it('refuses what is not one whole value', () => {
    const refused = [
      ...['', 'c1', 'a3ab', 'a161ff', '9201', '81a161', '8101c0', 'cb00', 'd7ff00', '0000'],
      ...['ddffffffff', 'dfffffffff', 'dbffffffff61', 'c6ffffffff', 'a1ff', 'a2c328', 'c9ffffffff'],
    ]
    for (const text of refused) assert.throws(() => decodeMsgpack(hex(text)), SyntaxError, text)
  })

  it('does not nest without end', () => {
    const deep = (n: number) => hex(`${'91'.repeat(n)}c0`)
    decodeMsgpack(deep(MAX_DEPTH))
    assert.throws(() => decodeMsgpack(deep(MAX_DEPTH + 1)), SyntaxError)
    assert.throws(() => decodeMsgpack(deep(1_000_000)), SyntaxError)
  })

  it('throws nothing but SyntaxError, whatever the bytes', () => {
    const random = seededRandom(5)
    let read = 0
    for (let i = 0; i < 50_000; i++) {
      const bytes = Uint8Array.from({ length: Math.floor(random() * 24) }, () =>
        Math.floor(random() * 256),
      )
      try {
        decodeMsgpack(bytes)
        read++
      } catch (error) {
        assert.ok(error instanceof SyntaxError, Buffer.from(bytes).toString('hex'))
      }
    }
    assert.ok(read > 1_000)
  })
})

describe('writing', () => {
  it('takes the shortest form', () => {
    const cases: [number, string][] = [
      ...([
        [0, '00'],
        [127, '7f'],
        [128, 'cc80'],
        [256, 'cd0100'],
        [65_536, 'ce00010000'],
        [4_294_967_296, 'cf0000000100000000'],
      ] as [number, string][]),
      ...([
        [-1, 'ff'],
        [-32, 'e0'],
        [-33, 'd0df'],
        [-129, 'd1ff7f'],
        [-32_769, 'd2ffff7fff'],
        [-2_147_483_649, 'd3ffffffff7fffffff'],
        [1.5, 'cb3ff8000000000000'],
      ] as [number, string][]),
    ]
    for (const [value, expected] of cases) {
      assert.equal(
        bytesBy(writer => writer.number(value)),
        expected,
        String(value),
      )
    }
    assert.equal(
      bytesBy(writer => writer.time(1_614_021_300_000, 0)),
      'd6ff603402b4',
    )
    assert.equal(
      bytesBy(writer => writer.time(1_680_782_066_838, 232_225)),
      'd7ffc7d9a284642eb2f2',
    )
    assert.equal(
      bytesBy(writer => writer.time(-1_000, 1)),
      'c70cff00000001ffffffffffffffff',
    )
  })

  it('gives back what was written', () => {
    const leaf = fc.oneof(
      ...[fc.integer(), fc.maxSafeInteger(), fc.double({ noNaN: true }), fc.boolean()],
      ...[fc.string(), fc.string({ unit: 'grapheme', maxLength: 400 }), fc.constant(null)],
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
      fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
    )
    const { value } = fc.letrec(tie => ({
      value: fc.oneof(
        { depthSize: 'small' },
        leaf,
        fc.array(tie('value'), { maxLength: 40 }),
        fc.dictionary(fc.string({ minLength: 1 }), tie('value'), { maxKeys: 20 }),
      ),
    }))
    fc.assert(
      fc.property(value, written => {
        assert.deepEqual(normal(decodeMsgpack(encodeMsgpack(written))), normal(written))
      }),
      { numRuns: 300, seed: 1 },
    )
  })

  it('gives back every time it can say', () => {
    const ms = fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 })
    fc.assert(
      fc.property(ms, fc.integer({ min: 0, max: 999_999 }), (timestamp, nanos) => {
        const time = new MsgpackTime(timestamp, nanos)
        assert.deepEqual(decodeMsgpack(encodeMsgpack(time)), time)
      }),
      { numRuns: 500, seed: 1 },
    )
  })

  it('leaves out fields that are undefined', () => {
    assert.deepEqual(plain(decodeMsgpack(encodeMsgpack({ a: undefined, b: 1 }))), { b: 1 })
  })
})

/** With plain objects. */
function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value)
    .map(([key, item]) => [key, normal(item)])
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))
}
