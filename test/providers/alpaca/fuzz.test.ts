import assert from 'node:assert/strict'
import { it } from 'node:test'
import { fuzz } from './fuzz.ts'

for (const [codec, rounds] of [
  ['json', 100_000],
  ['msgpack', 100_000],
] as const) {
  it(`${rounds} mutated frames of ${codec} give the scanner the same events or the same refusal as the plain decoder`, () => {
    const { failures, events, refused, fallbacks } = fuzz(codec, rounds, 1)
    assert.deepEqual(failures, [])
    // That it compared something.
    assert.ok(events > rounds && refused > rounds / 20 && refused < rounds / 2)
    assert.ok(fallbacks > rounds / 20)
  })
}
