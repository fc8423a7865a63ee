import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryTape } from '../../src/tape/memory.ts'
import { tapeSuite } from '../../src/testing/tape-suite.ts'

tapeSuite('memory', capacity => ({ tape: memoryTape({ capacity }) }))

test('a capacity that is no count is refused', () => {
  for (const capacity of [0, -1, 1.5, Number.NaN]) {
    assert.throws(() => memoryTape({ capacity }), { code: 'BAD_OPTION' })
  }
})
