// `tickwire watch`: its pictures of a desk that is told what comes, what is written of them, and the program on a terminal.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import type { HttpClient } from '../../src/base/http.ts'
import { WatchDesk } from '../../src/cli/commands/watch-desk.ts'
import { type PictureView, picture } from '../../src/cli/commands/watch-picture.ts'
import { WatchScreen } from '../../src/cli/commands/watch-screen.ts'
import { paint } from '../../src/cli/rows.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import type { GatewayClient } from '../../src/providers/tickwire/client-node.ts'
import type { Answered } from '../../src/providers/tickwire/messages.ts'
import { openTestGateway } from '../gateway/rest-kit.ts'
import { emptyDirectory, TICKWIRE } from './child.ts'

const NOW = Date.UTC(2025, 5, 2, 14, 30)

interface Request {
  readonly kinds: readonly string[]
  readonly symbols: readonly string[]
}
interface Listener {
  batch(events: readonly MarketEvent[], isSnapshot: boolean): void
  answered?(answer: Answered): void
}

/** A desk of two symbols and a book, and what tells it of the market. */
async function openDesk() {
  const listeners: { readonly request: Request; readonly listener: Listener }[] = []
  const kinds = ['trade', 'quote', 'book']
  const client = {
    state: 'open',
    hello: { sources: [{ source: 'venue', kinds }] },
    ready: Promise.resolve(),
    subscribe: (request: Request, listener: Listener) => {
      listeners.push({ request, listener })
      return { close: () => {} }
    },
  }
  const lag = { p50: 1.2, p95: 8, p99: 21.7 }
  const source = { source: 'venue', state: 'live', reason: 'events come', lag }
  const http = { get: async () => ({ sources: [source] }) }
  const desk = new WatchDesk(
    client as unknown as GatewayClient,
    http as unknown as HttpClient,
    'http://desk',
  )
  const { signal } = new AbortController()
  await desk.open(['SPY', 'BTC/USD'], signal)
  await desk.look(signal)
  const listenersOf = (kind: string, symbol: string) =>
    listeners.filter(({ request }) => {
      return request.kinds.includes(kind) && request.symbols.includes(symbol)
    })
  const tell = (kind: string, symbol: string, events: readonly MarketEvent[], isOld = false) => {
    for (const { listener } of listenersOf(kind, symbol)) listener.batch(events, isOld)
  }
  const about = { source: 'venue', receivedAt: NOW } as const
  const base = (symbol: string, at: number) => ({ ...about, symbol, timestamp: NOW + at })
  return {
    desk,
    client,
    listenersOf,
    trade: (symbol: string, at: number, price: number, size: number) =>
      tell('trade', symbol, [
        createEvent({ ...base(symbol, at), type: 'trade', price, size, exchange: 'V' }),
      ]),
    quote: (symbol: string, bid: number, ask: number) =>
      tell('quote', symbol, [
        createEvent({ ...base(symbol, 0), type: 'quote', bid, ask, bidSize: 1, askSize: 1 }),
      ]),
    book: (symbol: string) =>
      tell('book', symbol, [
        createEvent({
          ...{ ...base(symbol, 0), type: 'book', snapshot: true },
          bids: [
            [500.1, 300],
            [500.09, 100],
          ],
          asks: [[500.12, 200]],
        }),
      ]),
    notice: (symbol: string, notice: 'gap' | 'repaired' | 'stale', message: string) =>
      tell('trade', symbol, [
        createEvent({ ...base(symbol, 2_000), type: 'notice', notice, kind: 'trade', message }),
      ]),
  }
}

const VIEW: PictureView = {
  ...{ width: 100, height: 14, paint: paint(false), isAscii: false, now: NOW + 3_000 },
  ...{ banner: 'SIMULATED: invented prices', url: 'http://desk', pane: 'list' },
  ...{ isLocal: false, prompt: undefined, isHelp: false },
}

const shown = (desk: WatchDesk, view: Partial<PictureView> = {}) =>
  picture(desk, { ...VIEW, ...view }).map(line => line.trimEnd())

async function busyDesk() {
  const open = await openDesk()
  open.trade('SPY', 0, 500, 100)
  open.trade('SPY', 1_000, 500.11, 1_250)
  open.quote('SPY', 500.1, 500.12)
  open.trade('BTC/USD', 1_500, 117_900.5, 0.25)
  open.book('SPY')
  open.notice('SPY', 'gap', '42 trades are missing')
  return open
}

describe('the picture of `tickwire watch`', () => {
  it('has list, book, trades and health side by side', async () => {
    const { desk } = await busyDesk()
    assert.deepEqual(shown(desk), [
      ' SIMULATED: invented prices',
      'tickwire · http://desk · connected · 14:30:03 UTC',
      'SYMBOL             LAST  % SEEN         BID       AGE            │ BOOK SPY',
      '›SPY            ▲500.11   +0.02      500.10       gap            │',
      ' BTC/USD      117900.50    0.00           -      3.0s            │ ████          200       500.12',
      '                                                                 │ spread 0.02 · mid 500.110',
      '                                                                 │ ██████        300       500.10',
      '                                                                 │ ████████      100       500.09',
      '                                                                 │',
      '                                                                 │ TRADES SPY',
      '                                                                 │ 14:30:02 gap: 42 trades are miss…',
      'HEALTH                                                           │ 14:30:01.0      ▲500.11    1,250',
      'venue live · lag 1/8/22 ms · events come                         │ 14:30:00.0       500.00      100',
      '? keys  / symbol  q ends',
    ])
  })

  it('has one pane where there is no room for more, and never runs over', async () => {
    const { desk } = await busyDesk()
    const of = (pane: PictureView['pane']) => shown(desk, { pane, width: 60, height: 9 })
    assert.equal(of('list')[3], '›SPY            ▲500.11   +0.02      500.10       gap')
    assert.equal(of('book')[2], 'BOOK SPY')
    assert.equal(of('tape')[3], '14:30:02 gap: 42 trades are missing')
    assert.equal(of('health')[3], 'venue live · lag 1/8/22 ms · events come')
    for (let width = 1; width < 130; width++) {
      for (const height of [1, 2, 5, 24]) {
        const lines = picture(desk, { ...VIEW, width, height })
        assert.equal(lines.length, height)
        for (const line of lines) assert.ok(line.length <= width, `${width}: ${line}`)
      }
    }
  })

  it('says all that it says in letters of the keyboard, too', async () => {
    const { desk } = await busyDesk()
    const plain = shown(desk, { isAscii: true })
    for (const line of plain) assert.match(line, /^[\x20-\x7e]*$/)
    assert.ok(plain.some(line => line.includes('>SPY            ^500.11')))
    const [before, after] = [shown(desk), plain].map(lines => lines.map(line => line.length))
    assert.deepEqual(after, before)
  })

  it('has colours where they are wanted, which take no room', async () => {
    const { desk } = await busyDesk()
    const lines = picture(desk, { ...VIEW, paint: paint(true) })
    assert.ok(lines.some(line => line.includes('\x1b[32m')))
    assert.deepEqual(
      lines.map(line => stripVTControlCharacters(line).trimEnd()),
      shown(desk),
    )
  })

  it('follows a symbol that is chosen, and a price that is repaired', async () => {
    const { desk, notice, trade } = await busyDesk()
    notice('SPY', 'repaired', '42 came')
    trade('SPY', 2_500, 500.1, 10)
    assert.match(shown(desk)[3]!, /›SPY +▼500\.10 +\+0\.02 .* 3\.0s/)
    desk.step(1)
    assert.match(shown(desk)[4]!, /^›BTC\/USD/)
    assert.match(shown(desk)[3]!, /unsynced/)
    assert.match(shown(desk)[4]!, /waiting for the book/)
    desk.remove('BTC/USD')
    assert.match(shown(desk)[3]!, /^›SPY/)
  })

  it('hides a book that cannot be trusted, and says what is old, when the gateway goes', async () => {
    const { desk, client } = await busyDesk()
    const reason = Object.assign(new Error('the gateway has gone'), { code: 'CLOSED' })
    client.state = 'waiting'
    desk.turned({ state: 'waiting', reason: reason as never })
    const text = shown(desk).join('\n')
    assert.match(text, /no connection · /)
    assert.match(text, /the gateway has gone/)
    assert.match(text, /offline 3\.0s/)
    assert.match(text, /unsynced/)
    assert.doesNotMatch(text, /spread/)
  })

  it('says in its line why a symbol is not to be had', async () => {
    const { desk, listenersOf } = await openDesk()
    desk.add('NOPE')
    const rejected = [{ topic: 'venue:trade:NOPE', code: 'x', message: 'no NOPE here' }]
    listenersOf('trade', 'NOPE')[0]!.listener.answered!({ accepted: [], rejected } as never)
    assert.ok(shown(desk).some(line => line.startsWith(' NOPE      no NOPE here')))
  })
})

describe('what `tickwire watch` writes', () => {
  const written = () => {
    const texts: string[] = []
    return { texts, screen: new WatchScreen(text => void texts.push(text)) }
  }

  it('is only the lines that are other ones', () => {
    const { texts, screen } = written()
    screen.open()
    screen.paint(['one', 'two', 'three'])
    texts.length = 0
    screen.paint(['one', 'TWO', 'three'])
    assert.deepEqual(texts, ['\x1b[2;1HTWO\x1b[0m\x1b[K'])
    texts.length = 0
    screen.paint(['one', 'TWO', 'three'])
    assert.deepEqual(texts, [])
    screen.paint(['one'])
    assert.deepEqual(texts, ['\x1b[2;1H\x1b[0m\x1b[K\x1b[3;1H\x1b[0m\x1b[K'])
    screen.close()
  })

  it('is all of them when the terminal has another size', () => {
    const { texts, screen } = written()
    screen.open()
    screen.paint(['one', 'two'])
    texts.length = 0
    screen.forget()
    screen.paint(['one', 'two'])
    assert.deepEqual(texts, ['\x1b[2J', '\x1b[1;1Hone\x1b[0m\x1b[K\x1b[2;1Htwo\x1b[0m\x1b[K'])
    screen.close()
  })

  it('gives the terminal back once, and nothing behind that', () => {
    const { texts, screen } = written()
    screen.open()
    screen.close()
    screen.close()
    screen.paint(['late'])
    assert.deepEqual(texts, ['\x1b[?1049h\x1b[?25l\x1b[2J', '\x1b[?25h\x1b[?1049l'])
  })
})

/** Of util-linux: gives a program a terminal. */
const hasScript = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout ?? ''
const skip = hasScript.includes('util-linux') ? false : 'needs `script` of util-linux'

describe('`tickwire watch` on a terminal', { skip }, () => {
  const ENTER = '\x1b[?1049h'
  const LEAVE = '\x1b[?25h\x1b[?1049l'
  const ways = [
    { how: 'q', end: 'q', code: 0 },
    { how: 'Ctrl-C', end: '\x03', code: 130 },
    { how: 'a signal', end: 'SIGTERM', code: 143 },
    { how: 'a terminal that goes', end: 'SIGHUP', code: 0 },
  ] as const

  it('shows a gateway, and gives the terminal back however it ends', async () => {
    const kit = await openTestGateway({ rate: 100 })
    const url = kit.gateway.url.replace(/^http/, 'ws')
    await Promise.all(
      ways.map(async ({ how, end, code }) => {
        const command = [process.execPath, ...TICKWIRE, 'watch', 'SPY', 'NOPE', '--url', url]
        // Its number comes first: a signal is for it, and not for what gives it the terminal.
        const line = `stty cols 100 rows 30; echo "<$$>"; exec ${command.map(it => `'${it}'`).join(' ')}`
        const child = spawn('script', ['-qefc', line, '/dev/null'], {
          cwd: emptyDirectory(),
          env: { PATH: process.env.PATH ?? '', TERM: 'xterm', SHELL: '/bin/sh' },
        })
        let text = ''
        let said = false
        const over = new Promise<number | null>(resolve => child.on('exit', resolve))
        child.stdout.on('data', piece => {
          text += piece
          // The list has a price of the gateway's, and the line that has none says why.
          if (said || !/SPY.*\d\.\d\d/.test(text) || !/NOPE.*NOPE/.test(text)) return
          said = true
          const pid = Number(/<(\d+)>/.exec(text)![1])
          if (end === 'q' || end === '\x03') child.stdin.write(end)
          else process.kill(pid, end)
        })
        const timer = setInterval(() => void kit.clock.advance(50), 50)
        const exit = await over
        clearInterval(timer)
        assert.ok(text.includes(ENTER) && text.includes('SIMULATED'), `${how}: ${text}`)
        assert.ok(
          text.lastIndexOf(LEAVE) > text.lastIndexOf('\x1b[K'),
          `${how} leaves it as it was`,
        )
        assert.equal(exit, code, how)
      }),
    )
    await kit.close()
  })

  it('says that there is no terminal, where there is none', () => {
    const command = [...TICKWIRE, 'watch', 'SPY']
    const options = { cwd: emptyDirectory(), encoding: 'utf8', input: '' } as const
    const { status, stderr } = spawnSync(process.execPath, command, options)
    assert.equal(status, 2)
    assert.match(stderr, /there is no terminal/)
  })
})
