import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { wordOf } from '../../src/cli/commands/book.ts'
import { type LadderView, renderLadder } from '../../src/cli/ladder.ts'
import { OrderBook } from '../../src/derive/order-book.ts'
import { createEvent, type Level } from '../../src/market/events.ts'
import { cli, lines } from './child.ts'

const NOW = 1_700_000_000_000

function bookOf(bids: readonly Level[], asks: readonly Level[]): OrderBook {
  const book = new OrderBook('BTC/USD', 's')
  const time = { timestamp: NOW - 1_500, receivedAt: NOW - 1_500 }
  book.apply(
    createEvent({
      type: 'book',
      symbol: 'BTC/USD',
      source: 's',
      ...time,
      bids,
      asks,
      snapshot: true,
    }),
  )
  return book
}

const ladder = (direction: 1 | -1, count = 30) =>
  Array.from(
    { length: count },
    (_, i): Level => [1_000.5 + direction * (0.5 + i / 2), 1 + (i % 7) / 4],
  )

const view = (more: Partial<LadderView> = {}): LadderView => ({
  ...{ colors: false, width: 80, height: 24, depth: 10, now: NOW },
  ...{ banner: 'SIMULATED', title: 'Toy', foot: 'foot' },
  ...more,
})

test('the foot says that it waits only until the book has come', () => {
  const said = 'subscribed: BTC/USD (books, us); waiting'
  assert.deepEqual([wordOf(said, false), wordOf('connecting …', false)], [said, 'connecting …'])
  const come = ['subscribed: BTC/USD (books, us)', '', 'connected again']
  assert.deepEqual(
    [said, 'connecting …', 'connected again'].map(it => wordOf(it, true)),
    come,
  )
})

describe('the ladder', () => {
  test('shows bids and asks side by side, the best on top, and what follows from them', () => {
    const book = bookOf(ladder(-1), ladder(1))
    const shown = renderLadder(book, view())
    assert.equal(shown[0], ' SIMULATED ')
    assert.equal(shown[1], 'BTC/USD · Toy · 30 bids, 30 asks · 1.5s old · Ctrl-C ends')
    assert.equal(shown[2], 'spread 1.00 (10.00 bp)   mid 1000.500   micro 1000.500   imbalance 0 %')
    assert.match(shown[3]!, /SIZE +BID │ +ASK +SIZE$/)
    assert.match(shown[4]!, /^ +█+ +1\.00 +1000\.00 │ +1001\.00 +1\.00 +█+$/)
    assert.match(shown[5]!, /^ +█+ +1\.25 +999\.50 │ +1001\.50 +1\.25 +█+$/)
    assert.equal(shown.length, 15)
    assert.equal(shown.at(-1), 'foot')
    const bars = (line: string) => /█+$/.exec(line)![0].length
    assert.equal(
      bars(shown[4]!),
      Math.round(bars(shown[10]!) / 2.5),
      'a bar is as long as its size',
    )
  })

  test('a wide terminal has totals, a narrow one no bars, and nothing wraps or runs over', () => {
    const book = bookOf(ladder(-1), ladder(1, 5))
    const wide = renderLadder(book, view({ width: 120 }))
    assert.match(wide[3]!, /TOTAL +SIZE +BID │ +ASK +SIZE +TOTAL$/)
    assert.match(wide[5]!, / 2\.25 +1\.25 +999\.50 │ +1001\.50 +1\.25 +2\.25 +█+$/)
    assert.match(wide[13]!, /995\.50 │$/)
    const narrow = renderLadder(book, view({ width: 44 }))
    assert.ok(!narrow.join('').includes('█'))
    for (const [width, height] of [
      [120, 30],
      [80, 24],
      [60, 10],
      [44, 7],
      [20, 4],
      [1, 1],
    ] as const) {
      for (const colors of [false, true]) {
        const shown = renderLadder(book, view({ width, height, colors, depth: 50 }))
        assert.ok(shown.length <= Math.max(1, height - 1), `${width}x${height}: ${shown.length}`)
        for (const line of shown) assert.ok(stripVTControlCharacters(line).length <= width, line)
      }
    }
  })

  test('says in words that it is not whole, and why', () => {
    const book = bookOf(ladder(-1), ladder(1))
    book.break('gap', 'the connection was lost')
    const shown = renderLadder(book, view({ banner: undefined }))
    assert.equal(shown[1], ' UNSYNCED: the connection was lost ')
    assert.ok(!shown.join('').match(/100\d\.\d/), 'no price of before')
    assert.equal(shown.length, 14, 'the picture keeps its height')
    const fresh = renderLadder(new OrderBook('BTC/USD', 's'), view())
    assert.equal(fresh[2], ' UNSYNCED: no snapshot has come yet ')
    assert.ok(!fresh[1]!.includes('old'))
  })

  test('a side that is empty has no spread, and a price of zero no hundredths', () => {
    assert.match(
      renderLadder(bookOf([], ladder(1)), view())[2]!,
      /^one side only +imbalance -100 %$/,
    )
    assert.match(
      renderLadder(bookOf([[-1, 1]], [[1, 1]]), view())[2]!,
      /^spread 2\.00 {3}mid 0\.000/,
    )
  })
})

describe('tickwire book', { concurrency: 2 }, () => {
  const simulated = ['-p', 'simulated', '--rate', '500']

  test('when piped it is a line for each change at the top, and everything else on stderr', async () => {
    const result = await cli(['book', 'btc-usd', ...simulated, '--limit', '200'])
    assert.equal(result.code, 0, result.stderr)
    const tops = lines(result.stdout).map(line => JSON.parse(line))
    assert.equal(tops.length, 200)
    let before = ''
    for (const top of tops) {
      assert.deepEqual([top.symbol, top.nature, top.synced], ['BTC/USD', 'simulated', true])
      assert.ok(top.bid < top.microprice && top.microprice < top.ask, JSON.stringify(top))
      assert.ok(Math.abs(top.ask - top.bid - top.spread) < 1e-6)
      const key = JSON.stringify([top.bid, top.bidSize, top.ask, top.askSize])
      assert.notEqual(key, before)
      before = key
    }
    assert.match(result.said[0]!, /^SIMULATED/)
    assert.match(result.said.at(-1)!, /^200 lines in \d+\.\d s, 0 reconnects$/)
  })

  test('--once shows the whole book and ends; --depth says how much of it', async () => {
    const result = await cli(['book', 'SPY', ...simulated, '--once', '--depth', '3'])
    assert.equal(result.code, 0, result.stderr)
    const [top, ...more] = lines(result.stdout).map(line => JSON.parse(line))
    assert.equal(more.length, 0)
    assert.deepEqual([top.bids.length, top.asks.length], [3, 3])
    assert.deepEqual(
      [top.bids[0], top.asks[0]],
      [
        [top.bid, top.bidSize],
        [top.ask, top.askSize],
      ],
    )
  })

  for (const [what, args, exit, said] of [
    ['two symbols', ['SPY,TSLA'], 2, /a book is of one symbol/],
    ['every symbol', ['*'], 2, /a book is of one symbol/],
    ['no symbol', [], 2, /missing required argument/],
    ['an unknown symbol', ['NOPE'], 2, /has no NOPE[\s\S]*TICKWIRE_SIMULATED_SYMBOLS/],
    ['a depth of nothing', ['SPY', '--depth', '0'], 2, /--depth cannot be "0"/],
  ] as const) {
    test(`${what} is refused`, async () => {
      const result = await cli(['book', ...args, ...simulated])
      assert.equal(result.code, exit, result.stderr)
      assert.match(result.stderr, said)
      assert.equal(result.stdout, '')
    })
  }

  test('a provider without books says so', async () => {
    const env = { APCA_API_KEY_ID: 'PKTEST', APCA_API_SECRET_KEY: 's3cret-s3cret' }
    const result = await cli(['book', 'SPY', '-p', 'alpaca'], { env })
    assert.deepEqual([result.code, result.stdout], [2, ''])
    assert.match(result.stderr, /has no books/)
  })

  test('--once says why there is no connection, where there is none', async () => {
    // Nobody listens there.
    const env = { TICKWIRE_KRAKEN_URL: 'ws://127.0.0.1:9/ws' }
    const args = ['book', 'BTC/USD', '-p', 'kraken', '--once', '--duration', '2s']
    const result = await cli(args, { env })
    assert.deepEqual([result.code, result.stdout], [5, ''], result.stderr)
    assert.match(result.stderr, /127\.0\.0\.1/)
    assert.doesNotMatch(result.stderr, /no whole book|next attempt/)
  })

  test('Ctrl-C ends it with a summary', async () => {
    let sent = false
    const result = await cli(['book', 'SPY', ...simulated], {
      onOutput: child => {
        if (!sent) sent = child.kill('SIGINT')
      },
    })
    assert.equal(result.code, 130, result.stderr)
    assert.match(result.said.at(-1)!, /^[\d,]+ lines? in \d+\.\d s, 0 reconnects$/)
  })
})
