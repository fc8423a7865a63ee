import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ReadOptions } from '../../src/flow/contracts.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { parseEvent } from '../../src/market/json.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { handClock } from '../../src/testing/clock.ts'
import { START } from './kit.ts'
import { marketEvents } from './latest-kit.ts'
import { asUser, latestOf, open, prefixOf, skip, url } from './redis-kit.ts'

function trade(fields: object = {}): MarketEvent {
  return createEvent({
    ...{ type: 'trade', symbol: 'AAPL', source: 'test', timestamp: START },
    ...{ price: 150.25, size: 100 },
    ...fields,
  })
}

describe('Redis as a store', { skip }, () => {
  it('holds the latest of every topic, as the tape up to its position has it', async t => {
    const prefix = await prefixOf(t)
    const run = await asUser(t)
    const events = marketEvents(6_000, 1)
    const tape = memoryTape()
    tape.append(events.slice(0, 2_000))
    const store = await open(t, prefix)
    await store.follow(tape, { live: false })
    assert.deepEqual((await store.all()).latest, latestOf(events.slice(0, 2_000)))
    // A new process goes on from there; what it has read again changes nothing.
    for (const to of [2_001, 3_500, 6_000]) {
      await store.close()
      tape.append(events.slice(Math.min(to - 1, tape.end.seq), to))
      const next = await open(t, prefix)
      await next.follow(tape, { live: false })
      const { at, latest } = await next.all()
      assert.deepEqual(at, { tape: tape.id, seq: tape.end.seq })
      assert.deepEqual(latest, latestOf(events.slice(0, to)), `up to ${to}`)
      await next.close()
    }
    const one = (await run('hget', `${prefix}:latest`, 'one:quote:AAPL')) as string
    assert.equal(parseEvent(one).symbol, 'AAPL')
  })

  it('after a kill goes on from the state it kept, whatever lies between', async t => {
    const prefix = await prefixOf(t)
    const run = await asUser(t)
    const events = marketEvents(4_000, 5)
    const tape = memoryTape()
    tape.append(events.slice(0, 1_500))
    const first = await open(t, prefix)
    await first.follow(tape, { live: false })
    const state = (await run('hgetall', `${prefix}:state`)) as string[]
    tape.append(events.slice(1_500, 3_000))
    await first.follow(tape, { live: false })
    await first.close()
    // As a kill leaves it: rows and position are new, the state is old.
    await run('hset', `${prefix}:state`, ...state)
    const second = await open(t, prefix)
    tape.append(events.slice(3_000))
    await second.follow(tape, { live: false })
    assert.deepEqual((await second.all()).latest, latestOf(events))
  })

  it('does not go back while it reads again what is there already', async t => {
    const prefix = await prefixOf(t)
    const events = marketEvents(2_000, 6)
    const tape = memoryTape()
    tape.append(events)
    const first = await open(t, prefix)
    await first.follow(tape, { live: false })
    const { at, latest } = await first.all()
    await first.close()
    const run = await asUser(t)
    await run('del', `${prefix}:state`)
    const clock = handClock(START)
    const second = await open(t, prefix, { clock })
    const half = new AbortController()
    // A tape that stops half-way for longer than a flush waits.
    const slow = {
      id: tape.id,
      async *read({ signal }: ReadOptions = {}) {
        yield events.slice(0, 700)
        await clock.advance(1_000)
        await new Promise(resolve => setTimeout(resolve, 50))
        half.abort()
        assert.ok(signal?.aborted)
      },
    }
    await second.follow(slow, { signal: half.signal })
    assert.deepEqual(await second.all(), { at, latest })
  })

  it('is made good from the tape when somebody has emptied Redis, or another tape was there', async t => {
    const prefix = await prefixOf(t)
    const run = await asUser(t)
    const events = marketEvents(1_000, 9)
    const tape = memoryTape()
    tape.append(events.slice(0, 500))
    const store = await open(t, prefix, { flushMs: 1 })
    const end = new AbortController()
    const following = store.follow(tape, { signal: end.signal })
    await store.reached(tape.end)
    await run('del', `${prefix}:latest`, `${prefix}:position`, `${prefix}:state`)
    tape.append(events.slice(500))
    await assert.rejects(following, { code: 'STORE_UNREACHABLE' })
    await store.follow(tape, { live: false })
    assert.deepEqual((await store.all()).latest, latestOf(events))
    await store.close()

    const other = memoryTape()
    other.append([trade()])
    const next = await open(t, prefix)
    await assert.rejects(next.follow(other, { live: false }), { code: 'STORE_IN_USE' })
    await run('del', `${prefix}:writer`)
    await next.follow(other, { live: false })
    assert.deepEqual([...(await next.all()).latest.keys()], ['test:trade:AAPL'])
  })

  it('notices while nothing comes that it was emptied, and keeps its claim to the keys', async t => {
    const prefix = await prefixOf(t)
    const run = await asUser(t)
    const clock = handClock(START)
    const tape = memoryTape()
    tape.append([trade()])
    const store = await open(t, prefix, { clock })
    await store.follow(tape, { live: false })
    const following = store.follow(tape)
    const failing = assert.rejects(following, { code: 'STORE_UNREACHABLE' })
    await run('del', `${prefix}:writer`)
    const claimed = async () => {
      await clock.advance(10_000)
      return (await run('get', `${prefix}:writer`)) === tape.id
    }
    while (!(await claimed()));
    await run('del', `${prefix}:latest`, `${prefix}:position`, `${prefix}:state`)
    let isOver = false
    void failing.finally(() => (isOver = true))
    while (!isOver) {
      await clock.advance(10_000)
      await new Promise(resolve => setImmediate(resolve))
    }
    await failing
    await store.follow(tape, { live: false })
    assert.equal((await store.all()).latest.size, 1)
  })

  it('makes anew what an older version left, and leaves alone what a newer one did', async t => {
    const prefix = await prefixOf(t)
    const run = await asUser(t)
    const tape = memoryTape()
    tape.append([trade()])
    const store = await open(t, prefix)
    await run('hset', `${prefix}:latest`, 'test:trade:OLD', '{}')
    const left = (version: number) => JSON.stringify({ version, tape: tape.id, seq: 1 })
    await run('set', `${prefix}:position`, left(0))
    await store.follow(tape, { live: false })
    const { at, latest } = await store.all()
    assert.deepEqual([at, [...latest.keys()]], [tape.end, ['test:trade:AAPL']])
    await run('set', `${prefix}:position`, left(2))
    await assert.rejects(store.follow(tape, { live: false }), { code: 'STORE_TOO_NEW' })
    assert.equal(await run('get', `${prefix}:position`), left(2))
  })

  it('is read as it was at one position, however often it changes', async t => {
    const prefix = await prefixOf(t)
    const tape = memoryTape()
    const events = marketEvents(4_000, 3)
    const store = await open(t, prefix, { flushMs: 1 })
    const end = new AbortController()
    const following = store.follow(tape, { signal: end.signal })
    const seen = new Set<number>()
    for (let i = 0; i < events.length; i += 100) {
      tape.append(events.slice(i, i + 100))
      const { at, latest } = await store.all()
      seen.add(at?.seq ?? 0)
      assert.deepEqual(latest, latestOf(events.slice(0, at?.seq ?? 0)), `at ${at?.seq}`)
    }
    assert.ok(seen.size > 1)
    end.abort()
    await following
  })

  it('keeps all events in a stream, and publishes what changes', async t => {
    const prefix = await prefixOf(t)
    const run = await asUser(t)
    const { createClient } = await import('redis')
    const listener = createClient({ url, RESP: 2 })
    await listener.connect()
    t.after(() => listener.destroy())
    const heard: string[] = []
    await listener.subscribe(`${prefix}:changes`, text => heard.push(...text.split('\n')))
    const tape = memoryTape()
    tape.append([trade(), trade({ price: 2 }), trade({ symbol: 'MSFT' })])
    const store = await open(t, prefix, { streams: 1_000, pubsub: true })
    await store.follow(tape, { live: false })
    tape.append([trade({ price: 3 })])
    await store.follow(tape, { live: false })
    const entries = (await run('xrange', `${prefix}:events`, '-', '+')) as [string, string[]][]
    assert.deepEqual(
      entries.map(([id, fields]) => [id, ...fields.slice(0, 4)]),
      [
        ['3-0', 'from', '1', 'to', '3'],
        ['4-0', 'from', '4', 'to', '4'],
      ],
    )
    const events = entries.flatMap(([, fields]) => fields[5]!.split('\n')).map(parseEvent)
    assert.deepEqual(
      events.map(event => event.seq),
      [1, 2, 3, 4],
    )
    while (heard.length < 3) await new Promise(resolve => setTimeout(resolve, 5))
    assert.deepEqual(
      heard.map(text => parseEvent(text).seq),
      [2, 3, 4],
    )
  })

  it('answers with the latest of symbols', async t => {
    const prefix = await prefixOf(t)
    const tape = memoryTape()
    tape.append([
      trade(),
      trade({ source: 'b', timestamp: START + 1, price: 9 }),
      trade({ symbol: 'X' }),
    ])
    const store = await open(t, prefix)
    await store.follow(tape, { live: false })
    const found = await store.latest({ kind: 'trade', symbols: ['NONE', 'AAPL'] })
    assert.deepEqual(
      found.map(event => event.type === 'trade' && event.price),
      [9],
    )
    assert.equal((await store.latest({ kind: 'trade', symbols: ['*'], source: 'test' })).length, 2)
  })

  it('takes away what is of an earlier trading day, by the time of the tape', async t => {
    const prefix = await prefixOf(t)
    const run = await asUser(t)
    // A Monday's opening in New York; the next trading day begins at 4:00 there.
    const clock = handClock(START)
    const at = (time: number) => ({ timestamp: time, receivedAt: time })
    const tape = memoryTape()
    tape.append([trade({ source: 'alpaca', ...at(START) })])
    const store = await open(t, prefix, { expire: 'session', clock })
    await store.follow(tape, { live: false })
    tape.append([trade({ source: 'alpaca', symbol: 'MSFT', ...at(START + 10 * 3_600_000) })])
    await store.follow(tape, { live: false })
    assert.equal((await store.all()).latest.size, 2)
    const left = Number(await run('pttl', `${prefix}:latest`))
    assert.ok(left > 0 && left <= 10 * 3_600_000, 'and all of it, should nobody be there')
    tape.append([trade({ source: 'alpaca', symbol: 'TSLA', ...at(START + 30 * 3_600_000) })])
    await store.follow(tape, { live: false })
    assert.deepEqual([...(await store.all()).latest.keys()], ['alpaca:trade:TSLA'])
  })
})
