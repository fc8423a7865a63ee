import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  createEvent,
  EVENT_TYPES,
  Flag,
  fieldsOf,
  flagNames,
  hasFlag,
  KINDS,
  NOTICES,
  READER_NOTICES,
  stampSeq,
  TAPE_NOTICES,
  Trade,
} from '../../src/market/events.ts'
import { anyEvent } from './arbitrary.ts'

const trade = (flags = 0) =>
  createEvent({ type: 'trade', symbol: 'AAPL', timestamp: 5, price: 1, size: 2, flags })

describe('events', () => {
  for (const type of EVENT_TYPES) {
    it(`have one shape and one order of fields as a ${type}`, () => {
      fc.assert(
        fc.property(anyEvent(type), event => {
          assert.deepEqual(Object.keys(event).toSorted(), [...fieldsOf(type)].toSorted())
          const own = Object.keys(event).filter(name => KINDS[type].fields.includes(name as never))
          assert.deepEqual(own, KINDS[type].fields)
          assert.equal(event.type, type)
          assert.ok(event instanceof KINDS[type].make)
        }),
        { numRuns: 20 },
      )
    })

    it(`take the arguments of a ${type} in the order of its fields`, () => {
      const names = fieldsOf(type).filter(name => name !== 'type' && name !== 'seq')
      const make = KINDS[type].make as unknown as new (...values: string[]) => object
      const event = new make(...names) as Record<string, unknown>
      for (const name of names) assert.equal(event[name], name)
    })
  }

  it('list their fields in the order they stand on the object', () => {
    for (const type of EVENT_TYPES) {
      const [event] = fc.sample(anyEvent(type), { numRuns: 1, seed: 1 })
      assert.deepEqual(fieldsOf(type), Object.keys(event!))
    }
  })
})

describe('createEvent', () => {
  it('fills in what is left out', () => {
    const event = trade()
    const none = undefined
    assert.deepStrictEqual(
      event,
      new Trade('AAPL', '', 5, 0, 5, 0, 1, 2, none, none, none, none, none),
    )
    assert.equal(event.receivedAt, event.timestamp)
    assert.equal(event.seq, undefined)
    assert.equal(event.conditions, undefined)
  })

  it('keeps every field it is given', () => {
    for (const type of EVENT_TYPES) {
      fc.assert(
        fc.property(anyEvent(type), event => {
          assert.deepStrictEqual(createEvent({ ...event } as never), event)
        }),
        { numRuns: 50 },
      )
    }
  })
})

describe('flags', () => {
  it('are one bit each', () => {
    const bits = Object.values(Flag)
    assert.deepEqual(
      bits,
      bits.map((_, index) => 2 ** index),
    )
  })

  it('have names, in the order of the bits', () => {
    assert.deepEqual(flagNames(0), [])
    assert.deepEqual(flagNames(Flag.delayed | Flag.repaired), ['repaired', 'delayed'])
    assert.deepEqual(flagNames(255), Object.keys(Flag))
  })

  it('can be asked for one by one', () => {
    const event = trade(Flag.simulated | Flag.late)
    const set = flagNames(255).filter(name => hasFlag(event, name))
    assert.deepEqual(set, ['late', 'simulated'])
  })
})

describe('notices', () => {
  it('go on the tape or to one reader, never both', () => {
    assert.deepEqual(NOTICES, [...TAPE_NOTICES, ...READER_NOTICES])
    assert.equal(new Set(NOTICES).size, NOTICES.length)
  })
})

describe('stampSeq', () => {
  it('writes the number of the tape without changing the shape', () => {
    const event = trade()
    const before = Object.keys(event)
    stampSeq(event, 42)
    assert.equal(event.seq, 42)
    assert.deepEqual(Object.keys(event), before)
  })
})
