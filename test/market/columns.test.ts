import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { decodeColumns, encodeColumns } from '../../src/market/columns.ts'
import { createEvent, KINDS, type MarketEvent, stampSeq } from '../../src/market/events.ts'
import { parseEvent } from '../../src/market/json.ts'
import { anyEvents, isBadBlock } from './blocks.ts'
import { SAMPLES } from './samples.ts'

const samples = Object.values(SAMPLES).flat().map(parseEvent)

/** Copies with these numbers. */
function numbered(events: readonly MarketEvent[], seqs: readonly (number | undefined)[]) {
  return events.map((event, i) => {
    const copy = createEvent({ ...event, seq: undefined })
    const seq = seqs[i]
    if (seq !== undefined) stampSeq(copy, seq)
    return copy
  })
}

const step = fc.oneof(fc.constant(1), fc.integer({ min: -3, max: 2_000 }), fc.constant(2 ** 40))
const seqs = (count: number) =>
  fc.oneof(
    fc.constant(new Array<undefined>(count).fill(undefined)),
    fc.maxSafeInteger().map(first => Array.from({ length: count }, (_, i) => first + i)),
    fc
      .tuple(fc.nat(), fc.array(step, { minLength: count, maxLength: count }))
      .map(([first, steps]) => {
        let seq = first
        return steps.map(by => (seq += by))
      }),
    fc.array(fc.oneof(fc.constant(undefined), fc.nat(), fc.double()), {
      minLength: count,
      maxLength: count,
    }),
  )

describe('blocks of columns', () => {
  it('give every event back as it was, its number too', () => {
    const numberedEvents = anyEvents.chain(events =>
      seqs(events.length).map(all => numbered(events, all)),
    )
    fc.assert(
      fc.property(numberedEvents, fc.nat(5), fc.nat(5), (events, skip, rest) => {
        const from = Math.min(skip, events.length)
        const to = Math.max(from, events.length - rest)
        assert.deepStrictEqual(
          decodeColumns(encodeColumns(events, from, to)),
          events.slice(from, to),
        )
        for (const event of decodeColumns(encodeColumns(events))) {
          assert.equal(Object.getPrototypeOf(event), KINDS[event.type].make.prototype)
        }
      }),
      { numRuns: 150 },
    )
  })

  it('give the fields in the order of the class', () => {
    const back = decodeColumns(encodeColumns(samples))
    for (const [i, event] of samples.entries()) {
      assert.deepEqual(Object.keys(back[i]!), Object.keys(event))
    }
  })

  it('hold none and very many events', () => {
    assert.deepEqual(decodeColumns(encodeColumns([])), [])
    const many = Array.from({ length: 20_000 }, (_, i) => samples[i % samples.length]!)
    assert.deepEqual(decodeColumns(encodeColumns(many)), many)
    assert.deepEqual(decodeColumns(encodeColumns(samples)), samples)
  })

  it('take a byte more for every event behind a gap, and none where there is no gap', () => {
    const [none, next, gaps] = [
      () => undefined,
      (i: number) => i + 7,
      (i: number) => i * 3 + 7,
    ].map(
      seq =>
        encodeColumns(
          numbered(
            samples,
            samples.map((_, i) => seq(i)),
          ),
        ).length,
    ) as [number, number, number]
    assert.equal(next - none, 2)
    assert.equal(gaps - next, samples.length - 1)
  })

  it('are bytes of their own', () => {
    const first = encodeColumns(samples)
    const kept = first.slice()
    encodeColumns(samples.slice(3))
    assert.deepEqual(first, kept)
    assert.equal(first.byteOffset, 0)
    assert.equal(first.buffer.byteLength, first.length)
  })

  it('can be written after something that is not an event was refused', () => {
    for (const change of [{ price: '150' }, { seq: '1' }, { seq: null }]) {
      const wrong = { ...samples[0]!, ...change } as unknown as MarketEvent
      assert.throws(() => encodeColumns([samples[1]!, wrong]), { code: 'BAD_EVENT' })
    }
    assert.deepEqual(decodeColumns(encodeColumns(samples)), samples)
  })
})

describe('damaged columns', () => {
  const whole = encodeColumns(samples)

  it('are refused wherever they are cut', () => {
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => decodeColumns(whole.subarray(0, length)), isBadBlock)
    }
    const longer = new Uint8Array(whole.length + 1)
    longer.set(whole)
    assert.throws(() => decodeColumns(longer), isBadBlock)
    const fewer = encodeColumns(numbered(samples, []))
    assert.equal(fewer[2], samples.length)
    fewer[2] = samples.length - 1
    assert.throws(() => decodeColumns(fewer), isBadBlock)
  })

  it('are refused or give some events, and nothing worse, whichever bytes change', () => {
    const changes = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1 })
    fc.assert(
      fc.property(changes, changed => {
        const bytes = whole.slice()
        for (const [at, value] of changed) bytes[at] = value
        try {
          assert.ok(decodeColumns(bytes).length <= bytes.length, 'more events than bytes')
        } catch (error) {
          if (!isBadBlock(error)) throw error
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('are told from those of a newer tickwire and from rows', () => {
    const payload = whole.slice()
    payload[0] = 2
    assert.throws(() => decodeColumns(payload), {
      code: 'BAD_BLOCK',
      message: /a newer tickwire wrote this block \(form 2; this one reads up to 1\)/,
    })
    payload[0] = 1
    payload[1] = 0x50
    assert.throws(() => decodeColumns(payload), isBadBlock)
  })
})

describe('stored columns', () => {
  it('are read as they were when they were written', () => {
    const read = (name: string) =>
      readFileSync(new URL(`../fixtures/blocks/${name}`, import.meta.url), 'utf8').trim()
    const events = read('events.ndjson').split('\n').map(parseEvent)
    const back = decodeColumns(Buffer.from(read('columns.hex').replaceAll('\n', ''), 'hex'))
    assert.deepStrictEqual(back, events)
  })
})
