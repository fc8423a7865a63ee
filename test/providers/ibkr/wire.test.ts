import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { faultOf, Lengths } from '../../../src/providers/ibkr/wire.ts'
import { ClientMessages, encodeMessage, framed } from '../../../src/testing/fake-tws-wire.ts'

/** Messages as TWS sends them; `|` for the NUL. */
const SOUND = [
  '1|6|9000|4|202.55|2|0',
  '2|6|9000|8|323886',
  '45|6|9000|49|0.0',
  '46|6|9000|45|1744742857',
  '58|1|9000|1',
  '81|9000|0.01|9c0001|3',
  '99|2|2|1795199035|190.26|1.5|2|FINRA|T I',
  '99|3|3|1795199034|190.24|190.26|300|200|0',
  '12|1|5|0|0|1|190.24|300',
  '13|1|5|0|NSDQ|0|1|190.24|300|1',
  '50|3|7|1795199035|190.1|190.3|190.0|190.2|1234|190.15|56',
  '17|8|20261119 18:30:00 US/Eastern|20261120 18:30:00 US/Eastern|1|1795199100|190.5|191|190|190.7|900|190.6|70',
  '98|9000|1|1681133400|0|11.63|24547|ISLAND| O X|1',
  '4|2|-1|2104|Market data farm connection is OK:usfarm|',
  '1|6|9000|1|-1|0|0',
  '2|6|9000|8|1,323,886',
]

test('what TWS sends is sound', () => {
  for (const text of SOUND) assert.equal(faultOf(text.split('|')), undefined, text)
})

test('a price, size or id that is none is a fault, wherever it stands', () => {
  const wrong = [
    '1|6|9000|4|202.55x|2|0',
    '1|6|9000|4||2|0',
    '1|6|90a0|4|1|2|0',
    '99|2|2|1795199035|1,190.26|1.5|2|FINRA|T I',
    '99|2|2|noon|190.26|1.5|2|FINRA|',
    '99|2|9|1795199035|190.26',
    '99|3|3|1795199034|NaN|190.26|300|200|0',
    '12|1|5|0|0|1|Infinity|300',
    '13|1|5|0|NSDQ|0|1|190.24|many|1',
    '98|9000|2|1681133400|0|11.63|24547|ISLAND| O X|1',
    '98|9000|1|1681133400|0|0x1f|24547|ISLAND| O X|1',
    '17|8|a|b|1|1795199100|190.5||190|190.7|900|190.6|70',
    'tick|1',
    '',
  ]
  for (const text of wrong) assert.notEqual(faultOf(text.split('|')), undefined, text)
})

test('no field of a tick can be spoiled and pass as a number', () => {
  const ticks = SOUND.filter(text => /^(1|12|13|50|99)\|/.test(text))
  // Where numbers stand that become events.
  const numeric: Record<string, number[]> = {
    ...{ '1': [2, 3, 4], '12': [2, 3, 4, 5, 6], '13': [2, 3, 5, 6, 7] },
    ...{ '50': [2, 3, 4, 5, 6, 7, 9], '99': [1, 3, 4] },
  }
  const junk = fc
    .string({ minLength: 1, maxLength: 4 })
    .filter(text => !/^[-+.\deE\0]*$/.test(text))
  fc.assert(
    fc.property(fc.constantFrom(...ticks), fc.nat(10), junk, (text, pick, noise) => {
      const fields = text.split('|')
      const places = numeric[fields[0]!]!
      const at = places[pick % places.length]!
      fields[at] += noise
      assert.notEqual(faultOf(fields), undefined, fields.join('|'))
    }),
  )
})

test('lengths are followed through any pieces, and one that cannot be is seen before it is waited for', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.string({ maxLength: 12 }), { minLength: 1, maxLength: 5 }), {
        maxLength: 8,
      }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      (messages, cuts) => {
        const bytes = Buffer.concat(messages.map(fields => framed(encodeMessage(fields))))
        const lengths = new Lengths()
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const end = at + cuts[i % cuts.length]!
          assert.equal(lengths.take(bytes.subarray(at, end)), undefined)
          at = end
        }
        assert.match(
          lengths.take(Buffer.from([0xff, 0xff, 0xff, 0xf0]))!,
          /a message of 4294967280/,
        )
      },
    ),
  )
})

test('the greeting of a client is read in any pieces', () => {
  const bytes = Buffer.concat([
    Buffer.from('API\0'),
    Buffer.from([0, 0, 0, 9]),
    Buffer.from('v100..193'),
    framed(encodeMessage([71, 2, 7, ''])),
  ])
  assert.equal(
    bytes.subarray(0, 17).toString('hex'),
    '415049000000000976313030 2e2e313933'.replace(' ', ''),
  )
  for (let cut = 1; cut < bytes.length; cut++) {
    const messages = new ClientMessages()
    const found = [...messages.take(bytes.subarray(0, cut)), ...messages.take(bytes.subarray(cut))]
    assert.deepEqual(found, [['v100..193'], ['71', '2', '7', '']])
  }
  assert.throws(() => new ClientMessages().take(Buffer.from('GET / HTTP/1.1')))
})
