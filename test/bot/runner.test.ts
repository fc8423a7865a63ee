import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { DiaryRow } from '../../src/bot/diary.ts'
import { BotRunner } from '../../src/bot/runner.ts'
import { loadBot, saveBot } from '../../src/bot/state.ts'
import { defineStrategy, type Strategy } from '../../src/bot/strategy.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import type { Tape } from '../../src/tape/tape.ts'
import { handClock } from '../../src/testing/clock.ts'
import { quote, T0, trade } from './kit.ts'

function fileOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-bot-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'bots', 'steady.json')
}

/** Buys one at each tenth trade. */
const steady = defineStrategy({
  name: 'steady',
  onTrade({ symbol }, bot) {
    const seen = ((bot.state.seen as number) ?? 0) + 1
    bot.state.seen = seen
    if (seen % 10 === 0) bot.buy(symbol, seen / 10)
  },
})

function start(
  file: string,
  tape: Tape,
  clock: ReturnType<typeof handClock>,
  strategy: Strategy<Record<string, never>> = steady,
) {
  const rows: DiaryRow[] = []
  const lines: string[] = []
  const stop = new AbortController()
  const runner = new BotRunner({
    ...{ strategy, params: {}, symbols: ['SPY'], tape, file, clock, signal: stop.signal },
    said: line => lines.push(line),
    tell: told => rows.push(...told),
  })
  const done = runner.run()
  const settle = async () => {
    for (let i = 0; i < 20; i++) await new Promise(resolve => setImmediate(resolve))
  }
  return {
    ...{ rows, lines, runner, settle, done },
    /** Quantities of the fills that were told. */
    fills: () => rows.flatMap(row => (row.did === 'fill' ? [row.quantity] : [])),
    /** As a kill does: nothing of it is saved. */
    die: async () => {
      const left = readFileSync(file)
      stop.abort()
      await done
      writeFileSync(file, left)
    },
    stop: async () => {
      stop.abort()
      await done
    },
  }
}

describe('a running bot', () => {
  test('that is killed goes on with what it knew, and trades on nothing that has passed', async t => {
    const file = fileOf(t)
    const clock = handClock(T0)
    const tape = memoryTape({ clock })
    let at = 0
    const tick = async (bot: { settle(): Promise<void> }, count: number) => {
      for (let i = 0; i < count; i++) {
        at += 100
        await clock.advance(100)
        tape.append([trade(at, 100), quote(at, [99, 500, 100, 500])])
        await bot.settle()
      }
    }
    const first = start(file, tape, clock)
    await first.settle()
    await tick(first, 25)
    assert.deepEqual(first.fills(), [1, 2])
    first.runner.settle(Number.MAX_SAFE_INTEGER)
    first.runner.save()
    await first.die()
    // While it is away the market goes on, for longer than an event is fresh.
    const away = { settle: async () => {} }
    await tick(away, 25)
    await clock.advance(10_000)
    at += 10_000
    const second = start(file, tape, clock)
    await second.settle()
    assert.deepEqual(
      second.rows.map(row => (row.did === 'refused' ? row.code : row.did)),
      ['CATCHING_UP', 'CATCHING_UP', 'CATCHING_UP'],
    )
    await tick(second, 12)
    assert.deepEqual(second.fills(), [6])
    assert.equal(second.runner.loop.positions()[0]?.quantity, 1 + 2 + 6)
    await second.stop()
    assert.equal((loadBot(file)?.snapshot.state.seen as number) ?? 0, 62)
  })

  test('tells again, under the same numbers, what may not have come through', async t => {
    const file = fileOf(t)
    const clock = handClock(T0)
    const tape = memoryTape({ clock })
    const first = start(file, tape, clock)
    await first.settle()
    for (let i = 0; i < 25; i++) tape.append([trade(i, 100), quote(i, [99, 500, 100, 500])])
    tape.append([trade(200, 100)])
    await first.settle()
    const whole = first.rows.map(({ n, did }) => ({ n, did }))
    assert.deepEqual(
      whole.map(({ n }) => n),
      whole.map((_, i) => i + 1),
    )
    const [, second] = whole.filter(({ did }) => did === 'order')
    first.runner.settle(second!.n - 1)
    first.runner.save()
    await first.die()
    const next = start(file, tape, clock)
    await next.settle()
    assert.deepEqual(
      next.rows.map(({ n, did }) => ({ n, did })),
      whole.slice(second!.n - 1),
    )
    assert.ok(next.rows.every(({ again }) => again))
    await next.stop()
    // What came through is not told a third time.
    const last = start(file, tape, clock)
    await last.settle()
    assert.equal(last.rows.length, next.rows.length)
    last.runner.settle(Number.MAX_SAFE_INTEGER)
    await last.stop()
    assert.deepEqual(loadBot(file)?.diary, { count: whole.length, rows: [] })
  })

  test('that throws keeps the state of before, and names the event', async t => {
    const file = fileOf(t)
    const clock = handClock(T0)
    const tape = memoryTape({ clock })
    const falling = defineStrategy({
      name: 'steady',
      onTrade({ symbol, price }, bot) {
        bot.state.seen = price
        bot.buy(symbol, 1)
        if (price === 102) throw new Error('mine')
      },
    })
    const bot = start(file, tape, clock, falling)
    bot.done.catch(() => {})
    await bot.settle()
    tape.append([trade(0, 100)])
    await bot.settle()
    tape.append([trade(2_000, 101), trade(4_000, 102)])
    await assert.rejects(bot.done, {
      code: 'STRATEGY_FAILED',
      message: 'steady failed at trade SPY, number 3 of the tape: mine',
    })
    assert.equal(loadBot(file)?.snapshot.state.seen, 100)
    assert.equal(bot.rows.filter(({ did }) => did === 'order').length, 1)
  })

  test('of another tape keeps what it holds', async t => {
    const file = fileOf(t)
    const clock = handClock(T0)
    const one = memoryTape({ clock })
    const first = start(file, one, clock)
    await first.settle()
    for (let i = 0; i < 12; i++) one.append([trade(i, 100), quote(i, [99, 500, 100, 500])])
    one.append([trade(100, 100)])
    await first.settle()
    await first.stop()
    const second = start(file, memoryTape({ clock }), clock)
    await second.settle()
    assert.equal(second.runner.loop.positions()[0]?.quantity, 1)
    assert.match(second.lines[0]!, /another tape/)
    await second.stop()
  })
})

describe('a state file is refused when it', () => {
  const saved = { version: 1, bot: 'a', strategy: 's', account: 'paper', params: {}, symbols: [] }
  const whole = {
    ...saved,
    position: { tape: 't', seq: 1 },
    snapshot: { now: 1, orderCount: 0, draws: 0 },
  }
  const identity = { bot: 'a', strategy: 's', account: 'paper' }
  for (const [what, content, message] of [
    ['is damaged', '{"version":1,', /damaged/],
    ['lacks something', JSON.stringify(saved), /damaged/],
    ['is of a newer version', JSON.stringify({ ...whole, version: 2 }), /version 2/],
    ['is of another account', JSON.stringify({ ...whole, account: 'live' }), /account live/],
    ['is of another strategy', JSON.stringify({ ...whole, strategy: 'x' }), /strategy x/],
  ] as const) {
    test(what, t => {
      const file = fileOf(t)
      saveBot(file, whole as never)
      assert.equal(loadBot(file, identity)?.bot, 'a')
      writeFileSync(file, content)
      assert.throws(() => loadBot(file, identity), { code: 'BAD_STATE', message })
    })
  }
})
