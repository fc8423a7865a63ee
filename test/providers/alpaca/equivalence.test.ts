// Properties: the scanners and the plain decoders are the same, bit for bit, on messages of any order and form.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MsgpackWriter } from '../../../src/base/msgpack.ts'
import type { Decoder } from '../../../src/feed/description.ts'
import { formatTime } from '../../../src/market/time.ts'
import { PlainJsonDecoder, PlainMsgpackDecoder } from '../../../src/providers/alpaca/plain.ts'
import { JsonScanner } from '../../../src/providers/alpaca/scan-json.ts'
import { MsgpackScanner } from '../../../src/providers/alpaca/scan-msgpack.ts'
import { plain, readingOf, reportsOf, same } from './record.ts'

/** Messages are pairs of key and value, both as JSON writes them. */
type Pair = readonly [key: string, json: string]

/** The keys a message of a kind is read by. */
const OF: Readonly<Record<string, string>> = {
  t: 'i S x p s c z t tks',
  q: 'S bx bp bs ax ap as c z t',
  b: 'S o h l c v n vw t',
  d: 'S o h l c v n vw t',
  u: 'S o h l c v n vw t',
  s: 'S sc sm rc rm t z',
  l: 'S u d i t z',
  i: 'S p z t',
  c: 'S x oi op os oc ci cp cs cc z t',
  x: 'S i x p s a z t',
  o: 'S t b a r',
  n: 'id headline summary author created_at updated_at url content symbols source',
  success: 'msg',
  error: 'code msg',
  zz: 'S p',
}
const TEXTS = new Set(
  'x z bx ax sc sm rc rm msg headline summary author url content source'.split(' '),
)
const IDS = new Set(['i', 'oi', 'ci', 'id'])
const TIMES = new Set(['t', 'created_at', 'updated_at'])
const ALL_KEYS = [...new Set(Object.values(OF).join(' ').split(' '))]

const often = <V>(usual: fc.Arbitrary<V>, odd: fc.Arbitrary<V>, weight = 9) =>
  fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: odd })
const digits = (min: number, max: number) =>
  fc.stringMatching(new RegExp(`^[1-9][0-9]{${min},${max}}$`))
const joined = (...parts: fc.Arbitrary<string>[]) => fc.tuple(...parts).map(texts => texts.join(''))

const point = fc.constant('.')
const exponent = joined(
  fc.constantFrom('e', 'E'),
  fc.constantFrom('', '+', '-'),
  fc.nat(330).map(String),
)
const jsonNumber = fc.oneof(
  { weight: 6, arbitrary: fc.nat(10_000_000).map(cents => String(cents / 100)) },
  { weight: 4, arbitrary: fc.nat().map(String) },
  { weight: 2, arbitrary: digits(0, 30) },
  { weight: 2, arbitrary: joined(digits(0, 18), point, fc.stringMatching(/^[0-9]{1,25}$/)) },
  { weight: 2, arbitrary: joined(digits(0, 17), fc.constantFrom('', '.0', '.5'), exponent) },
  { weight: 1, arbitrary: fc.double().map(value => JSON.stringify(value)) },
  { weight: 1, arbitrary: fc.constantFrom('0', '-0', '0.0', '-0.0e0', '-1.5', '1e999') },
)
const jsonId = often(
  fc.oneof(
    fc.nat().map(String),
    fc.bigInt({ min: 2n ** 52n, max: 2n ** 64n + 9n }).map(String),
    fc.constantFrom('9007199254740991', '9007199254740992', '18446744073709551615'),
  ),
  jsonNumber,
)
const escapes = fc.constantFrom('\\u0041', '\\"', '\\\\', '\\/', '\\n', '\\ud83d\\ude00', '\\ud800')
const jsonText = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('"V"', '"C"', '"Q"', '" "', '""', '"connected"') },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }).map(value => JSON.stringify(value)) },
  { weight: 1, arbitrary: fc.array(escapes, { maxLength: 3 }).map(all => `"${all.join('A')}"`) },
)
const jsonSymbol = often(
  fc
    .stringMatching(/^[A-Z0-9.]{1,9}$|^[!#-[\]-~]{1,66}$/)
    .map(text => `"${text.replace('\\', '/')}"`),
  jsonText,
)
const space = often(fc.constant(''), fc.constantFrom(' ', '\n', '\t', '\r\n  '), 6)
const jsonList = fc
  .tuple(fc.array(jsonText, { maxLength: 5 }), space, space)
  .map(([texts, a, b]) => `[${a}${texts.join(`${b},${a}`)}${b}]`)
const jsonTime = often(
  fc
    .tuple(fc.integer({ min: -6e13, max: 253_402_300_799_999 }), fc.nat(999_999), fc.boolean())
    .map(([ms, nanos, whole]) => formatTime(whole ? Math.floor(ms / 1_000) * 1_000 : ms, nanos))
    .chain(time => fc.constantFrom(time, time.replace(/\.?0*Z$/, 'Z'), `${time.slice(0, 19)}Z`)),
  fc.constantFrom(
    ...['2024-02-30T00:00:00Z', '2024-01-15T24:00:00Z', '2024-01-15', ''],
    ...['2024-01-15T14:30:00.5+01:00', '2024-01-15t14:30:00z', '2024-01-15T14:30:00.Z'],
  ),
).map(text => `"${text}"`)
const { nested } = fc.letrec<{ nested: string }>(tie => ({
  nested: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom('null', 'true', '1', '-2.5e-3', '"}"', '"]"', '"\\""', '[]', '{}'),
    fc.array(tie('nested'), { maxLength: 3 }).map(items => `[${items.join(' , ')}]`),
    fc
      .array(fc.tuple(fc.constantFrom('T', 'S', 'p', 'é', '\\"'), tie('nested')), { maxLength: 3 })
      .map(pairs => `{${pairs.map(([key, value]) => `"${key}" :${value}`).join(',')}}`),
  ),
}))
const anyJson = fc.oneof(jsonNumber, jsonText, jsonList, jsonTime, nested)

const jsonLevels = fc
  .tuple(
    fc.array(
      fc.tuple(jsonNumber, jsonNumber, often(fc.constant(''), fc.constantFrom(',"n":1', ',"p":2'))),
      { maxLength: 4 },
    ),
    space,
  )
  .map(([all, a]) => {
    return `[${a}${all.map(([p, s, more]) => `{"p":${p},${a}"s":${s}${more}}`).join(`${a},`)}${a}]`
  })

function fitting(key: string, type: string): fc.Arbitrary<string> {
  if (TIMES.has(key)) return jsonTime
  if (type === 'o' && (key === 'a' || key === 'b')) return jsonLevels
  if (key === 'r') return fc.constantFrom('true', 'false', 'true', 'null')
  if (key === 'tks') return fc.constantFrom('"B"', '"S"', '"B"', '"S"', '"N"', '""', '"é"')
  if (key === 'symbols') {
    return fc.array(jsonSymbol, { maxLength: 3 }).map(list => `[${list.join(',')}]`)
  }
  if (key === 'S') return jsonSymbol
  if (key === 'a') return fc.constantFrom('"C"', '"E"', '"C"', '"E"', '"X"')
  if (TEXTS.has(key) || (key === 'i' && type === 'l')) return jsonText
  if (key === 'oc' || key === 'cc' || (key === 'c' && !'bdu'.includes(type))) return jsonList
  return IDS.has(key) ? jsonId : jsonNumber
}

const pair = (key: string, type: string): fc.Arbitrary<Pair> =>
  often(fitting(key, type), anyJson, 60).map(json => [key, json])
const unknownPair: fc.Arbitrary<Pair> = fc.tuple(
  fc.constantFrom('r', 'tks', 'k', '__proto__', 'é', '\\u0053', 'a\\"b', ''),
  nested,
)

/** A message as documented, or with unknown and repeated keys, in another order, or with some of its pairs lost. */
const message: fc.Arbitrary<readonly Pair[]> = fc.constantFrom(...Object.keys(OF)).chain(type => {
  const usual = fc.tuple(...OF[type]!.split(' ').map(key => pair(key, type)))
  const more = fc.array(
    fc.oneof(
      unknownPair,
      fc.constantFrom(...ALL_KEYS).chain(key => pair(key, type)),
    ),
    { maxLength: 2 },
  )
  const head: Pair = ['T', JSON.stringify(type)]
  return fc
    .tuple(usual, more, fc.nat(9))
    .chain(([pairs, extra, chance]): fc.Arbitrary<readonly Pair[]> => {
      const all = chance < 5 ? [...pairs, ...extra] : pairs
      const whole = { minLength: all.length, maxLength: all.length }
      if (chance === 0) return fc.shuffledSubarray([head, ...all])
      if (chance === 1) return fc.shuffledSubarray(all).map(rest => [head, ...rest])
      if (chance > 6) return fc.constant([head, ...all])
      return fc.shuffledSubarray(all, whole).map(rest => [head, ...rest])
    })
})
const messages = fc.array(message, { maxLength: 4 })

const jsonFrame = fc.tuple(messages, space, space).map(([list, a, b]) => {
  const texts = list.map(pairs => {
    return `{${pairs.map(([key, json]) => `${a}"${key}"${b}:${a}${json}${b}`).join(',')}}${a}`
  })
  return Buffer.from(`${b}[${a}${texts.join(`,${b}`)}]${a}`)
})

/** The same in msgpack: numbers as integers or doubles, times as extensions or text. */
const packFrame = fc.tuple(messages, fc.nat(999_999)).map(([list, odd]) => {
  const writer = new MsgpackWriter()
  writer.array(list.length)
  for (const pairs of list) {
    writer.map(pairs.length)
    for (const [key, json] of pairs) {
      writer.text(key)
      const value: unknown = JSON.parse(json)
      if (typeof value === 'number' && odd % 3 === 0) writer.float(value)
      else if (/^\d{16,19}$/.test(json)) writer.bigint(BigInt(json))
      else if (TIMES.has(key) && odd % 4 > 0) writer.time((odd - 99_999) * 17_000_000 + odd, odd)
      else pack(writer, value)
    }
  }
  return writer.bytes()
})

function pack(writer: MsgpackWriter, value: unknown): void {
  if (typeof value === 'number') writer.number(value)
  else if (typeof value === 'string') writer.text(value)
  else if (typeof value === 'boolean') writer.boolean(value)
  else if (Array.isArray(value)) {
    writer.array(value.length)
    for (const item of value) pack(writer, item)
  } else if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
    writer.map(entries.length)
    for (const [key, item] of entries) {
      writer.text(key)
      pack(writer, item)
    }
  } else writer.nil()
}

/** Gives one frame to both, and counts what came, so that a property over nothing shows. */
function comparison(fast: Decoder, slow: Decoder) {
  const seen = new Map<string, number>()
  const compare = (frame: Uint8Array) => {
    const scanned = reportsOf(fast, frame)
    const expected = reportsOf(slow, frame)
    if (!same(scanned, expected)) assert.deepEqual(plain(scanned), plain(expected))
    assert.ok(same(scanned, expected))
    for (const { type } of scanned) seen.set(type, (seen.get(type) ?? 0) + 1)
  }
  return { seen, compare }
}

const FORMS = {
  JSON: { frames: jsonFrame, Fast: JsonScanner, Slow: PlainJsonDecoder },
  msgpack: { frames: packFrame, Fast: MsgpackScanner, Slow: PlainMsgpackDecoder },
}

for (const [codec, { frames, Fast, Slow }] of Object.entries(FORMS)) {
  test(`${codec} of any order and form gives the same from the scanner and the plain decoder`, () => {
    const { seen, compare } = comparison(new Fast(readingOf()), new Slow(readingOf()))
    fc.assert(fc.property(frames, compare), { numRuns: 3_000, seed: 20_240_115 })
    const kinds = [
      ...['trade', 'quote', 'bar', 'status', 'luld', 'imbalance', 'correction', 'cancel'],
      ...['book', 'news'],
    ]
    for (const type of [...kinds, 'malformed', 'unknown', 'control']) {
      assert.ok((seen.get(type) ?? 0) >= 50, `${type}: ${seen.get(type)}`)
    }
  })
}

test('numbers of any length are the same in the documented forms, both orders of a trade', () => {
  const { seen, compare } = comparison(
    new JsonScanner(readingOf()),
    new PlainJsonDecoder(readingOf()),
  )
  const t = '"t":"2024-01-15T14:30:00.123456789Z"'
  fc.assert(
    fc.property(jsonNumber, jsonNumber, jsonId, (p, s, i) => {
      for (const head of [`"S":"A","i":${i}`, `"i":${i},"S":"A"`]) {
        compare(Buffer.from(`[{"T":"t",${head},"x":"V","p":${p},"s":${s},${t}}]`))
      }
      const side = (a: string) => `"${a}x":"V","${a}p":${p},"${a}s":${s}`
      compare(Buffer.from(`[{"T":"q","S":"A",${side('b')},${side('a')},${t}}]`))
      compare(Buffer.from(`[{"T":"t","S":"A/B","p":${p},"s":${s},${t},"i":${i},"tks":"S"}]`))
      const coin = (a: string) => `"${a}p":${p},"${a}s":${s}`
      compare(Buffer.from(`[{"T":"q","S":"A/B",${coin('b')},${coin('a')},${t}}]`))
      const levels = `[{"p":${p},"s":${s}},{"p":${s},"s":${p}}]`
      for (const r of ['', ',"r":true']) {
        compare(Buffer.from(`[{"T":"o","S":"A/B",${t},"b":${levels},"a":[]${r}}]`))
      }
      const prices = `"o":${p},"h":${p},"l":${p},"c":${p},"v":${s},"n":1,"vw":${p}`
      compare(Buffer.from(`[{"T":"b","S":"A",${prices},${t}}]`))
    }),
    { numRuns: 2_500, seed: 20_240_115 },
  )
  for (const type of ['trade', 'quote', 'bar', 'book']) assert.ok(seen.get(type)! > 1_000, type)
  assert.ok(seen.get('malformed')! > 100)
})

test('a price is the double JSON.parse reads, to the last bit', () => {
  const decoder = new JsonScanner(readingOf())
  const price = fc.double({ min: 5e-324, noNaN: true, noDefaultInfinity: true })
  const written = fc.oneof(
    price.map(String),
    fc.nat(99_999_999).map(n => String((n + 1) / 1_000)),
  )
  const long = joined(digits(0, 20), point, digits(0, 20))
  fc.assert(
    fc.property(fc.oneof(written, long), json => {
      const rest = '"s":1,"t":"2024-01-15T14:30:00Z"'
      const frame = `[{"T":"t","S":"A","i":1,"x":"V","p":${json},${rest}}]`
      const [report] = reportsOf(decoder, Buffer.from(frame))
      assert.ok(report?.type === 'trade')
      assert.ok(Object.is(report.price, JSON.parse(json)), json)
    }),
    { numRuns: 4_000, seed: 20_240_115 },
  )
})
