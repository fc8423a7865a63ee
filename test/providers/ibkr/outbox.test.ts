import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HistoryPace } from '../../../src/providers/ibkr/history-pace.ts'
import { Outbox, PACE } from '../../../src/providers/ibkr/outbox.ts'
import { handClock } from '../../../src/testing/clock.ts'

test('no second holds more than 45 messages, and none is lost', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ waitMs: fc.nat(400), count: fc.integer({ min: 0, max: 60 }) }), {
        maxLength: 12,
      }),
      async bursts => {
        const clock = handClock()
        const outbox = new Outbox(clock)
        const sent: number[] = []
        let pushed = 0
        for (const { waitMs, count } of bursts) {
          await clock.advance(waitMs)
          for (let i = 0; i < count; i++, pushed++) outbox.push(() => sent.push(clock.now()))
        }
        await clock.advance(60_000)
        assert.equal(sent.length, pushed)
        for (const [i, at] of sent.entries()) {
          const next = sent[i + PACE.messages]
          if (next !== undefined) assert.ok(next - at >= PACE.perMs, `${next - at} ms`)
        }
      },
    ),
    { numRuns: 50 },
  )
})

test('what lets go of something goes ahead of what asks for more', async () => {
  const clock = handClock()
  const outbox = new Outbox(clock)
  const sent: string[] = []
  for (let i = 0; i < PACE.messages; i++) outbox.push(() => {})
  outbox.push(() => sent.push('ask'))
  outbox.push(() => sent.push('cancel'), true)
  assert.deepEqual(sent, [])
  await clock.advance(1_000)
  assert.deepEqual(sent, ['cancel', 'ask'])
})

test('history keeps all of its rules, whoever asks', async () => {
  const clock = handClock()
  const pace = new HistoryPace(clock)
  const asked: { at: number; text: string; contract: string; weight: number }[] = []
  const texts = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
  const questions = Array.from({ length: 90 }, (_, i) => ({
    text: texts[i % texts.length]!,
    contract: i % 3 === 0 ? 'AAPL' : 'MSFT',
    weight: i % 5 === 0 ? 2 : 1,
  }))
  const all = Promise.all(
    questions.map(async question => {
      await pace.turn(question)
      asked.push({ at: clock.now(), ...question })
    }),
  )
  await clock.advance(3_600_000)
  await all
  for (const { at, text, contract } of asked) {
    const within = (ms: number) => asked.filter(one => one.at <= at && at - one.at < ms)
    assert.ok(within(600_000).reduce((sum, { weight }) => sum + weight, 0) <= 60)
    assert.ok(within(2_000).filter(one => one.contract === contract).length < 6)
    assert.equal(within(15_000).filter(one => one.text === text).length, 1)
  }
})

test('a question that is given up takes no place', async () => {
  const clock = handClock()
  const pace = new HistoryPace(clock)
  const question = { text: 'a', contract: 'AAPL', weight: 1 }
  await pace.turn(question)
  const abort = new AbortController()
  const second = pace.turn(question, abort.signal)
  abort.abort()
  await assert.rejects(second, { code: 'CLOSED' })
  assert.equal(pace.isFresh('b'), true)
  assert.equal(pace.isFresh('a'), false)
  await clock.advance(17_000)
  assert.equal(pace.isFresh('a'), true)
})
