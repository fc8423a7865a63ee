import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HttpAnswer } from '../../src/base/http.ts'
import { type Notification, Notifier, type NotifierOptions } from '../../src/bot/notify.ts'
import { DeadMan, withoutSecret } from '../../src/bot/ping.ts'
import { handClock } from '../../src/testing/clock.ts'
import { T0 } from './kit.ts'

const note = (message: string, kind: Notification['kind'] = 'signal'): Notification => ({
  ...{ bot: 'b', kind, message, at: T0 },
})

/** A webhook that answers what the test says, and everything it was sent. */
function setUp(options: Partial<NotifierOptions> = {}) {
  const clock = handClock(T0)
  const bodies: { at: number; text: string }[] = []
  const lines: string[] = []
  let answer: () => { status: number; after?: string } = () => ({ status: 204 })
  const notifier = new Notifier({
    ...{ url: 'https://discord.com/api/webhooks/1/x', nature: () => 'PAPER', clock },
    said: line => lines.push(line),
    http: async ({ body }) => {
      bodies.push({ at: clock.now() - T0, text: String(body) })
      const { status, after } = answer()
      if (status === 0) throw new Error('connection refused')
      const headers = after === undefined ? {} : { 'retry-after': after }
      return { status, headers, body: Buffer.alloc(0) } as HttpAnswer
    },
    ...options,
  })
  return {
    ...{ clock, notifier, bodies, lines },
    answers: (fn: typeof answer) => {
      answer = fn
    },
  }
}

test('messages of a second are one, with what they are about in words; the same is not said twice', async () => {
  const { clock, notifier, bodies } = setUp()
  for (const text of ['buy 1', 'buy 2', 'buy 1']) notifier.notify(note(text))
  await clock.advance(1_000)
  assert.equal(bodies.length, 1)
  const { content, allowed_mentions } = JSON.parse(bodies[0]!.text)
  assert.match(content, /^\*\*PAPER\*\*\n`2024-01-16T15:00:00Z` b · signal · buy 1\n.* · buy 2$/)
  assert.deepEqual(allowed_mentions, { parse: [] })
  await clock.advance(60_000)
  notifier.notify(note('buy 1'))
  await clock.advance(1_000)
  assert.equal(bodies.length, 2)
  await notifier.close()
})

test('a 429 is waited for as long as it asks, other failures ever longer; nothing is lost', async () => {
  const { clock, notifier, bodies, answers, lines } = setUp({
    url: 'http://sink.test/',
    nature: () => 'X',
  })
  const replies = [{ status: 429, after: '7.5' }, { status: 0 }, { status: 500 }]
  answers(() => replies.shift() ?? { status: 200 })
  notifier.notify(note('one'))
  await clock.advance(20_000)
  assert.deepEqual(
    bodies.map(({ at }) => at),
    [1_000, 8_500, 10_500, 14_500],
  )
  assert.deepEqual(JSON.parse(bodies[3]!.text).notifications, [note('one')])
  await notifier.close()
  assert.deepEqual(lines, [])
})

test('long ones are split, and of too many the oldest are left out and counted', async () => {
  const { clock, notifier, bodies, answers } = setUp()
  answers(() => ({ status: 500 }))
  for (let i = 0; i < 1_500; i++) notifier.notify(note(`message ${i} ${'x'.repeat(60)}`))
  await clock.advance(1_000)
  answers(() => ({ status: 204 }))
  await clock.advance(120_000)
  const said = bodies.slice(1).map(({ text }) => JSON.parse(text).content as string)
  for (const content of said) assert.ok(content.length <= 2_000, `${content.length}`)
  assert.match(said[0]!, /\((\d+) messages before were left out\)/)
  assert.match(said.join('\n'), /message 1499 /)
  await notifier.close()
})

test('at the end what waits is sent, for so long at most', async () => {
  const { clock, notifier, bodies, lines, answers } = setUp()
  notifier.notify(note('last'))
  const closed = notifier.close()
  await clock.advance(1_000)
  await closed
  assert.equal(bodies.length, 1)
  const other = setUp()
  other.answers(() => ({ status: 503 }))
  other.notifier.notify(note('never'))
  const gone = other.notifier.close(3_000)
  for (let i = 0; i < 10; i++) await other.clock.advance(1_000)
  await gone
  assert.deepEqual(other.lines, ['1 notifications were not sent'])
  other.notifier.notify(note('behind it'))
  answers(() => ({ status: 204 }))
  assert.deepEqual(lines, [])
})

test('only the kinds that are wanted are sent', async () => {
  const { clock, notifier, bodies } = setUp({ kinds: ['fill'] })
  notifier.notify(note('a'))
  notifier.notify(note('b', 'fill'))
  await clock.advance(1_000)
  assert.equal(bodies.length, 1)
  assert.match(bodies[0]!.text, /fill · b"/)
  await notifier.close()
})

test('a webhook that is gone is said once, without its address, and asked no more', async () => {
  const { clock, notifier, bodies, lines, answers } = setUp()
  answers(() => ({ status: 404 }))
  notifier.notify(note('one'))
  await clock.advance(1_000)
  notifier.notify(note('two'))
  await clock.advance(60_000)
  assert.equal(bodies.length, 1)
  assert.deepEqual(lines, [
    'the webhook is not there any more (HTTP 404): nothing more is sent to it',
  ])
  await notifier.close()
  assert.deepEqual(lines.slice(1), ['2 notifications were not sent'])
})

test('the address of a webhook or ping is in nothing that is said', () => {
  const url = 'https://discord.example/api/webhooks/1/s3cret?x=hidden'
  for (const text of [`cannot reach ${url}`, 'GET /api/webhooks/1/s3cret?x=hidden: reset']) {
    assert.doesNotMatch(withoutSecret(text, url), /s3cret|hidden/)
  }
  assert.equal(withoutSecret('connect ECONNREFUSED', 'http://127.0.0.1/'), 'connect ECONNREFUSED')
})

test('a dead-man ping comes while there is life, and says once when it does not come through', async () => {
  const clock = handClock(0)
  const lines: string[] = []
  let [isAlive, pings, status] = [true, 0, 200]
  const http = async () => {
    pings++
    return { status, headers: {}, body: new Uint8Array() }
  }
  const url = 'https://ping.example/abc'
  const ping = new DeadMan({
    ...{ url, http, clock, isAlive: () => isAlive, said: (line: string) => lines.push(line) },
  })
  await clock.advance(130_000)
  assert.equal(pings, 3)
  isAlive = false
  await clock.advance(120_000)
  assert.equal(pings, 3)
  isAlive = true
  status = 500
  await clock.advance(120_000)
  assert.deepEqual([pings, lines], [5, ['the dead-man ping does not come through: HTTP 500']])
  ping.close()
  await clock.advance(120_000)
  assert.equal(pings, 5)
})
