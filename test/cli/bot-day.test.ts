// A day of a bot as a user lives it: feeds and tape in one process, the bot in another, killed twice and started again, a
// webhook that now and then is asked too often. In the end what was printed, what was sent and what was saved agree.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { DiaryRow } from '../../src/bot/diary.ts'
import { loadBot } from '../../src/bot/state.ts'
import { emptyDirectory, TICKWIRE } from './child.ts'

const STRATEGY = fileURLToPath(
  new URL('../../examples/strategies/moving-average.mjs', import.meta.url),
)
/** Fills of a life before it is ended. */
const FILLS = 8

interface Sent {
  readonly kind: string
  readonly message: string
  readonly n?: number
  readonly again?: boolean
}

test('a bot that is killed twice tells and keeps the same, once', { timeout: 120_000 }, async t => {
  const cwd = emptyDirectory()
  const children: ChildProcess[] = []
  t.after(async () => {
    for (const child of children) if (child.exitCode === null) child.kill('SIGKILL')
    rmSync(cwd, { recursive: true, force: true, maxRetries: 5 })
  })
  const start = (...args: string[]) => {
    const child = spawn(process.execPath, [...TICKWIRE, ...args], {
      ...{ cwd, env: { PATH: process.env.PATH ?? '' }, stdio: ['ignore', 'pipe', 'pipe'] },
    })
    children.push(child)
    return child
  }
  const sink = await webhook()
  t.after(() => sink.close())

  const up = start('up', 'SPY', 'QQQ', '--provider', 'simulated', '--rate', '200')
  up.stdout!.resume()
  up.stderr!.resume()
  while (!existsSync(join(cwd, '.tickwire/tape'))) await once(up.stdout!, 'data')

  const rows: DiaryRow[] = []
  const live = async (end: NodeJS.Signals) => {
    const params = ['--param', 'fast=2', '--param', 'slow=4', '--webhook', sink.url]
    const child = start('bot', 'run', STRATEGY, '--symbols', 'SPY,QQQ', ...params)
    const gone = once(child, 'exit')
    const said = text(child.stderr!)
    let [rest, fills] = ['', 0]
    child.stdout!.setEncoding('utf8').on('data', (piece: string) => {
      const lines = (rest + piece).split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        const row = JSON.parse(line) as DiaryRow
        rows.push(row)
        if (row.did === 'fill' && !row.again && ++fills === FILLS) child.kill(end)
      }
    })
    await gone
    return { said: await said, code: child.exitCode }
  }
  await live('SIGKILL')
  await live('SIGKILL')
  const { said, code } = await live('SIGINT')
  assert.equal(code, 130, said)
  assert.match(said, /goes on behind number \d+ of the tape/)

  // Numbered without a hole; what stands there twice is the same, and says that it may be known.
  const byNumber = new Map<number, DiaryRow>()
  for (const row of rows) {
    const { again, ...plain } = row
    const before = byNumber.get(row.n)
    if (before) {
      assert.deepEqual(plain, before)
      assert.equal(again, true, `row ${row.n} was told twice`)
    }
    byNumber.set(row.n, plain as DiaryRow)
  }
  const told = [...byNumber.values()].sort((a, b) => a.n - b.n)
  assert.deepEqual(
    told.map(({ n }) => n),
    told.map((_, i) => i + 1),
  )

  // What is held and what is left are what the fills come to.
  const saved = loadBot(join(cwd, '.tickwire/bots/moving-average.json'))!
  const fills = told.flatMap(row => (row.did === 'fill' ? [row] : []))
  assert.ok(fills.length >= 3 * FILLS - 2, `${fills.length} fills`)
  assert.equal(new Set(fills.map(({ id }) => id)).size, fills.length)
  const held: Record<string, number> = { SPY: 0, QQQ: 0 }
  let cash = 100_000
  for (const { symbol, side, quantity, price } of fills) {
    const signed = side === 'buy' ? quantity : -quantity
    held[symbol]! += signed
    cash -= signed * price
  }
  const { portfolio } = saved.snapshot
  for (const { symbol, quantity } of portfolio.positions) {
    assert.equal(Number(quantity), held[symbol], symbol)
  }
  assert.ok(Math.abs(Number(portfolio.cash) - cash) < 1e-6, `${portfolio.cash} and ${cash}`)
  assert.deepEqual(saved.diary, { count: told.length, rows: [] })

  // Every fill was sent, a second time only with the words that it may be known; and every signal's words.
  assert.ok(sink.refusals > 0)
  const sent = sink.sent.filter(({ kind }) => kind === 'fill')
  assert.deepEqual(
    [...new Set(sent.map(({ n }) => n!))].sort((a, b) => a - b),
    fills.map(({ n }) => n),
  )
  const first = sent.filter(({ again }) => !again).map(({ n }) => n)
  assert.equal(new Set(first).size, first.length)
  const words = sink.sent.flatMap(one => (one.kind === 'signal' ? [one.message] : []))
  const signals = told.flatMap(row => (row.did === 'signal' ? [row.message] : []))
  assert.deepEqual(new Set(words), new Set(signals))
  const last = sink.sent.at(-1)!
  assert.equal(last.kind, 'summary')
  assert.match(last.message, /^PAPER, SIMULATED prices: equity/)
  assert.ok(Number(/cash ([\d.]+)/.exec(last.message)![1]).toFixed(2) === cash.toFixed(2))
})

/** Takes notifications, and says of every third request that it is one too many. */
async function webhook() {
  const sent: Sent[] = []
  let [requests, refusals] = [0, 0]
  const server = createServer(async (request, response) => {
    const body = JSON.parse(await text(request))
    if (++requests % 3 === 0) {
      refusals++
      response.writeHead(429, { 'retry-after': '0.3' }).end()
      return
    }
    assert.equal(body.nature, 'PAPER, SIMULATED prices')
    sent.push(...body.notifications)
    response.writeHead(204).end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    sent,
    url: `http://127.0.0.1:${port}/hook`,
    get refusals() {
      return refusals
    },
    close: () => new Promise(resolve => server.close(resolve)),
  }
}
