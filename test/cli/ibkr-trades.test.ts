// `tickwire stream AAPL --provider ibkr --port N` against the fake TWS: every trade that was sent is received, once, through
// every fault of the menu, with calm stretches and faults close together.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { createEvent } from '../../src/market/events.ts'
import { type FakeTws, fakeTws } from '../../src/testing/fake-tws.ts'
import { TWS_FAULT_NAMES, type TwsFault } from '../../src/testing/fake-tws-faults.ts'
import { TICKWIRE } from './child.ts'

const directory = mkdtempSync(join(tmpdir(), 'tickwire-ibkr-trades-'))
after(() => rmSync(directory, { recursive: true }))

/** A fault, and how long it is until the next, ms. */
type Step = readonly [fault: TwsFault, thenMs: number]

interface Story {
  /** There before the command is. */
  readonly before?: TwsFault
  readonly steps: readonly Step[]
  /** What the command must have said: a fault that meets nobody shows nothing. */
  readonly says: readonly RegExp[]
}

/** The symbol that is compared; in the last run another one is refused, and this one goes on. */
const SYMBOL = 'AAPL'
const CUT = /TWS closed the connection; next attempt/

/** They run at the same time: IBKR takes a request for the ticks of a symbol once in 15 s, which each of them waits for. */
const RUNS: Readonly<Record<string, Story>> = {
  'TWS loses IBKR again and again': {
    steps: [
      [{ fault: 'upstream', for: '1s', data: 'lost' }, 2_000],
      [{ fault: 'upstream', for: '1s', data: 'lost' }, 300],
      [{ fault: 'farm', for: '1s' }, 3_000],
      [{ fault: 'upstream', for: '500ms', data: 'lost' }, 700],
      [{ fault: 'upstream', for: '1s', data: 'kept' }, 5_000],
    ],
    says: [/TWS has lost its connection to IBKR/, /TWS has dropped AAPL/],
  },
  'subscriptions end, and the account is in use elsewhere': {
    steps: [
      [{ fault: 'late-rows', for: '9s' }, 0],
      [{ fault: 'ticks-end' }, 1_000],
      [{ fault: 'depth-halt' }, 1_000],
      [{ fault: 'competing', for: '3s' }, 3_500],
      [{ fault: 'ticks-end' }, 1_500],
      [{ fault: 'depth-reset' }, 1_500],
      [{ fault: 'farm', for: '2s', name: 'cashfarm' }, 3_500],
    ],
    says: [/the account is in use elsewhere/, /TWS has dropped AAPL/],
  },
  'connections end in every way': {
    steps: [
      [{ fault: 'cut' }, 1_500],
      [{ fault: 'stranger' }, 3_000],
      [{ fault: 'moved' }, 300],
      [{ fault: 'cut' }, 2_500],
      [{ fault: 'slam' }, 0],
      [{ fault: 'cut' }, 2_500],
      [{ fault: 'refuse', for: '1s' }, 0],
      [{ fault: 'cut' }, 2_500],
    ],
    says: [CUT, /none of TWS/, /listens on another port/, /without a word/, /nobody listens there/],
  },
  'TWS restarts, and keeps the client id for a while': {
    steps: [
      [{ fault: 'restart', for: '1s', busy: 0 }, 3_500],
      [{ fault: 'client-id' }, 0],
      [{ fault: 'cut' }, 0],
    ],
    says: [CUT, /nobody listens there/, /client id is in use by another program/],
  },
  'TWS hangs': {
    // Over the question of 20 s behind the greeting, and over before the answer is due.
    steps: [
      [{ fault: 'fragments', for: '1s' }, 2_000],
      [{ fault: 'hang', for: '18500ms' }, 19_000],
    ],
    says: [],
  },
  'TWS answers wrongly, and then not at all': {
    steps: [
      [{ fault: 'history' }, 0],
      [{ fault: 'garbled' }, 1_000],
      [{ fault: 'garbled', times: 3 }, 1_500],
      [{ fault: 'silent' }, 0],
      [{ fault: 'cut' }, 0],
    ],
    says: [CUT, /waited 10000 ms for a greeting/],
  },
  'others take what there is': {
    before: { fault: 'unsubscribed', symbols: 'MSFT' },
    steps: [
      [{ fault: 'ticks-end', code: 10_190, text: 'Max number of tick-by-tick requests' }, 500],
      [{ fault: 'budgets', books: 0 }, 0],
      [{ fault: 'depth-halt' }, 2_000],
      [{ fault: 'budgets', books: 3 }, 0],
      [{ fault: 'deny', code: 309, text: 'Max number of market depth requests' }, 0],
      // What TWS has shown of its room is forgotten with the connection.
      [{ fault: 'too-fast' }, 0],
    ],
    says: [
      /rejected: MSFT \(trades, ibkr\): this account has no subscription/,
      /no more tick-by-tick streams/,
      /no more books/,
      /TWS takes no more messages/,
    ],
  },
}

/** A market that goes on whatever happens to TWS: three busy seconds, then calm ones with a single trade. No price comes twice. */
function market(tws: FakeTws) {
  const sent = new Set<number>()
  let ticks = 0
  const timer = setInterval(() => {
    const tick = ticks++ % 120
    if (tick >= 30 && tick !== 75) return
    const price = (10_000 + sent.size) / 100
    sent.add(price)
    const common = { timestamp: Date.now() }
    const event = { type: 'trade', price, size: 1, exchange: 'NASDAQ', ...common } as const
    tws.deliver([
      createEvent({ ...event, symbol: SYMBOL }),
      createEvent({ ...event, symbol: 'MSFT' }),
      createEvent({
        ...{ type: 'book', symbol: SYMBOL, ...common, snapshot: true },
        ...{ bids: [[price, 1]], asks: [[price + 1, 1]] },
      }),
    ])
  }, 100)
  return {
    sent: sent as ReadonlySet<number>,
    /** Busy from now on, whatever it was. */
    wake: () => {
      ticks = 0
    },
    stop: () => clearInterval(timer),
  }
}

function stream(args: readonly string[]) {
  const { PATH = '', SystemRoot = '' } = process.env
  const child = spawn(process.execPath, [...TICKWIRE, 'stream', ...args], {
    ...{ cwd: directory, env: { PATH, SystemRoot, TMPDIR: directory } },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  /** How often each price has come. */
  const received = new Map<number, number>()
  const said = { stderr: '' }
  let rest = ''
  child.stdout.on('data', data => {
    const lines = `${rest}${data}`.split('\n')
    rest = lines.pop()!
    for (const line of lines) {
      const { type, symbol, price } = JSON.parse(line)
      if (type === 'trade' && symbol === SYMBOL) received.set(price, (received.get(price) ?? 0) + 1)
    }
  })
  child.stderr.on('data', data => {
    said.stderr += data
  })
  return { child, received, said }
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

test('the runs have every fault of the menu', () => {
  const all = Object.values(RUNS).flatMap(({ before, steps }) => [
    ...(before ? [before.fault] : []),
    ...steps.map(([{ fault }]) => fault),
  ])
  assert.deepEqual([...new Set(all)].sort(), [...TWS_FAULT_NAMES].sort())
})

describe('every trade is received once', { concurrency: Object.keys(RUNS).length }, () => {
  for (const [name, { before, steps, says }] of Object.entries(RUNS)) {
    test(name, async t => {
      const tws = await fakeTws().listen()
      if (before) tws.fault(before)
      const { sent, wake, stop } = market(tws)
      const { child, received, said } = stream([
        ...[SYMBOL, 'MSFT', '--provider', 'ibkr', '--port', String(tws.port)],
        ...['--kinds', 'trades,books', '--json'],
      ])
      t.after(async () => {
        stop()
        child.kill('SIGKILL')
        await tws.close()
      })
      const until = async (holds: () => boolean, ms: number) => {
        const end = performance.now() + ms
        const isOn = () => child.exitCode === null && performance.now() < end
        while (!holds() && isOn()) await pause(50)
        return holds()
      }
      assert.ok(await until(() => received.size > 0, 60_000), `nothing came\n${said.stderr}`)
      await pause(500)
      // What was there before the stream was subscribed is nobody's.
      const [first] = received.keys()
      wake()
      for (const [fault, thenMs] of steps) {
        tws.fault(fault)
        await pause(thenMs)
      }
      const last = Math.max(...sent)
      wake()
      await until(() => Math.max(...received.keys()) > last, 60_000)
      stop()
      const isDue = (price: number) => price >= first!
      const missing = () => [...sent].filter(price => isDue(price) && !received.has(price))
      await until(() => missing().length === 0, 60_000)
      const story = () => `${said.stderr}\n${tws.breaches.join('\n')}`
      assert.deepEqual(missing(), [], story())
      assert.ok(sent.size > 50)
      for (const told of says) assert.match(said.stderr, told)
      assert.deepEqual(
        [...received].filter(([, times]) => times > 1),
        [],
        story(),
      )
      assert.equal(child.exitCode, null, story())
      assert.deepEqual(tws.breaches, [], story())
    })
  }
})
