import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { TickwireError } from '../../src/base/errors.ts'
import { Board } from '../../src/cli/board.ts'
import { countOf, durationOf, parseRate, parseSymbols } from '../../src/cli/flags.ts'
import { describeOutcome } from '../../src/cli/follow.ts'
import { Losses } from '../../src/cli/losses.ts'
import { Painter } from '../../src/cli/painter.ts'
import { amount, price, Rows } from '../../src/cli/rows.ts'
import { createEvent } from '../../src/market/events.ts'

const trade = (symbol: string, at: number, size = 100) =>
  createEvent({
    type: 'trade',
    symbol,
    timestamp: 0,
    price: at,
    size,
    exchange: 'V',
    conditions: ['@', 'I'],
  })
const quote = (symbol: string, bid: number, ask: number) =>
  createEvent({ type: 'quote', symbol, timestamp: 0, bid, bidSize: 100, ask, askSize: 200 })

test('columns line up, whatever the kind and the length of numbers', () => {
  const rows = new Rows({
    colors: false,
    banner: undefined,
    width: () => 80,
    height: () => 24,
    symbolWidth: 7,
  })
  const bar = createEvent({
    type: 'bar',
    symbol: 'SPY',
    timestamp: 0,
    interval: '1m',
    open: 1,
    high: 2,
    low: 0.5,
    close: 1.25,
    volume: 1234567,
    vwap: 1.23456789,
    final: true,
    revision: 0,
  })
  const lines = [trade('BTC/USD', 117_900.25, 0.0123), quote('SPY', 1, 1.0001), bar]
    .map(event => rows.write(event))
    .join('')
    .split('\n')
  const ends = lines
    .slice(1, 4)
    .map(line => line.indexOf(line.trim().split(/\s+/)[4]!) + line.trim().split(/\s+/)[4]!.length)
  assert.equal(new Set(ends).size, 1, lines.join('\n'))
  assert.match(lines[0]!, /^TIME +KIND +SYMBOL +PRICE +SIZE$/)
  assert.match(lines[1]!, /117900\.25 +0\.0123 {2}V {2}@ I$/)
  assert.match(lines[3]!, /1,234,567 {2}1m/)
})

test('a heading with the banner is always among the lines of the screen', () => {
  const rows = new Rows({
    colors: true,
    banner: 'SIMULATED',
    width: () => 80,
    height: () => 10,
    symbolWidth: 6,
  })
  const lines = Array.from({ length: 100 }, () => rows.write(trade('SPY', 1)))
    .join('')
    .split('\n')
    .slice(0, -1)
  for (let top = 0; top + 10 <= lines.length; top++) {
    // The shell's cursor takes the last line of the screen.
    assert.ok(
      lines.slice(top, top + 10).some(line => line.includes('SIMULATED')),
      `from line ${top}`,
    )
  }
})

test('nothing wraps on a narrow terminal, and the price is still there', () => {
  for (const width of [120, 80, 60, 54, 53, 40, 34, 28, 12, 1]) {
    const banner = 'SIMULATED · invented prices, not real ones'
    const options = { banner, width: () => width, height: () => 24, symbolWidth: 6 }
    const rows = new Rows({ colors: true, ...options })
    const text = [trade('SPY', 628.4), quote('SPY', 628.39, 628.41), trade('SPY', 629)]
      .map(event => rows.write(event))
      .join('')
    const lines = stripVTControlCharacters(text).split('\n').slice(0, -1)
    assert.equal(lines.length, 5)
    assert.ok(
      lines.every(line => line.length <= width),
      `${width}: ${lines.join('\n')}`,
    )
    if (width > 28) assert.match(lines[2]!, /SPY +628\.40/)
    if (width < 34) assert.ok(lines[2]!.endsWith('…'), 'what is cut is marked')
    // Each colour that was opened is closed again, also when the cut falls into it.
    assert.equal(text.split('\x1b[2m').length, text.split('\x1b[22m').length)
    assert.equal(text.split('\x1b[32m').length, 2)
    assert.equal(text.split('\x1b[39m').length, 2)
  }
})

test('what is lost is said at once, then not with every event', () => {
  const said: string[] = []
  const losses = new Losses(line => said.push(line))
  losses.add(3)
  losses.add(4)
  losses.reach(5)
  losses.reach(9)
  assert.equal(losses.count, 9)
  assert.deepEqual(said, ['3 dropped so far: standard output is read too slowly'])
})

test('prices are green above the last one and red below, and plain without colours', () => {
  const row = (colors: boolean) => {
    const rows = new Rows({
      colors,
      banner: 'SIMULATED',
      width: () => 80,
      height: () => 24,
      symbolWidth: 6,
    })
    return [1, 2, 2, 1].map(at => rows.write(trade('SPY', at)))
  }
  const [first, up, same, down] = row(true)
  assert.ok(!first!.includes('\x1b[32m') && !same!.includes('\x1b[3'))
  assert.ok(up!.includes('\x1b[32m') && down!.includes('\x1b[31m'))
  assert.ok(row(false).every(line => line === stripVTControlCharacters(line)))
})

test('the board shows what the trades and quotes add up to, within width and height', () => {
  const board = new Board(['SPY', 'QQQ'])
  for (const event of [
    trade('SPY', 100),
    quote('SPY', 99.98, 100.02),
    trade('SPY', 101.5, 50),
    trade('ZZZ', 7),
  ]) {
    board.add(event)
  }
  const view = { colors: false, now: 5_000, banner: 'SIMULATED', title: 'title', foot: ['foot'] }
  const lines = board.render({ ...view, width: 120, height: 24 })
  const spy = lines
    .find(line => line.startsWith('SPY'))!
    .trim()
    .split(/\s+/)
  assert.deepEqual(spy, ['SPY', '101.50', '+1.50', '99.98', '100.02', '0.04', '150', '2', '-'])
  assert.match(lines.find(line => line.startsWith('QQQ'))!, /^QQQ +- +- +-/)
  assert.match(lines[0]!, /SIMULATED/)
  assert.equal(lines.at(-1), 'foot')
  assert.equal(board.events, 4)
  for (const [width, height] of [
    [40, 24],
    [80, 7],
    [20, 5],
  ] as const) {
    const small = board.render({ ...view, width, height })
    assert.ok(
      small.length < height && small.every(line => line.length <= width),
      `${width}x${height}`,
    )
  }
  assert.match(board.render({ ...view, width: 80, height: 7 }).join('\n'), /and 2 more/)
})

test('the painter goes back up over its own lines only, and gives the cursor back', () => {
  let out = ''
  const painter = new Painter(text => {
    out += text
  })
  const listeners = process.listenerCount('exit')
  painter.paint(['a', 'b'])
  assert.equal(process.listenerCount('exit'), listeners + 1)
  painter.paint(['c'])
  painter.paint(['d'])
  painter.close()
  painter.close()
  assert.equal(process.listenerCount('exit'), listeners)
  assert.equal(
    out,
    '\x1b[?25la\x1b[K\nb\x1b[K\n\x1b[J' +
      '\x1b[2A\rc\x1b[K\n\x1b[J' +
      '\x1b[1A\rd\x1b[K\n\x1b[J' +
      '\x1b[?25h',
  )
})

test('an outcome is said in one line per kind of answer', () => {
  const topic = (symbol: string, kind: 'trade' | 'quote') => ({ source: 'alpaca', symbol, kind })
  const reason = new TickwireError('SYMBOL_LIMIT', 'symbol limit exceeded')
  const lines = describeOutcome(
    {
      accepted: [topic('SPY', 'trade'), topic('TSLA', 'trade'), topic('SPY', 'quote')],
      rejected: [
        { topic: topic('AMD', 'trade'), reason },
        { topic: topic('GE', 'trade'), reason },
      ],
      pending: [topic('META', 'trade')],
    },
    'iex',
  )
  assert.deepEqual(lines, [
    'subscribed: SPY (trades, quotes, iex); TSLA (trades, iex); waiting',
    'rejected: AMD, GE (trades, iex): symbol limit exceeded',
    'no answer yet for META (trades, iex)',
  ])
})

test('numbers read as people write them', () => {
  assert.deepEqual([1, 1.5, 628.4, 0.0001, 1e-7, undefined].map(price), [
    '1.00',
    '1.50',
    '628.40',
    '0.0001',
    '1e-7',
    '-',
  ])
  assert.deepEqual([1234.5, 0.000001, undefined].map(amount), ['1,234.5', '0.000001', '-'])
  assert.deepEqual(
    ['500ms', '10s', '1.5m', '1h'].map(durationOf('--duration')),
    [500, 10_000, 90_000, 3_600_000],
  )
  assert.deepEqual(['5', 'max', 'Infinity', '0.5'].map(parseRate), [5, 'max', 'max', 0.5])
  assert.deepEqual(parseSymbols(['SPY,TSLA', 'SPY', 'BTC/USD']), ['SPY', 'TSLA', 'BTC/USD'])
  assert.equal(parseSymbols([]), undefined)
  for (const text of ['', '-1', '1.5', '1e3', '99999999999999999999']) {
    assert.throws(() => countOf('--limit')(text), /--limit/)
  }
  for (const text of ['', '10', '-1s', '0s', '30d', '1000h'])
    assert.throws(() => durationOf('--duration')(text), /--duration/)
  assert.equal(durationOf('--duration')('596h'), 596 * 3_600_000)
  assert.throws(() => durationOf('--duration')('597h'), { hint: /at most 596h/ })
})

test('a book shows its best levels, an article its headline, and no text speaks to the terminal', () => {
  const rows = new Rows({
    ...{ colors: false, banner: undefined, width: () => 200, height: () => 24, symbolWidth: 7 },
  })
  const book = createEvent({
    ...{ type: 'book', symbol: 'BTC/USD', timestamp: 0, snapshot: true, asks: [] },
    bids: [
      [100.5, 0.25],
      [99, 1],
    ],
  })
  assert.match(rows.write(book), /book {5}BTC\/USD +whole {2}bid 100\.50 × 0\.25 \+1 {2}ask -\n$/)
  const article = createEvent({
    ...{ type: 'news', symbol: 'AAPL', symbols: ['AAPL', 'SPY'], timestamp: 0 },
    headline: 'Up\u001b[2J and\naway',
  })
  const line = rows.write(article)
  assert.match(line, /news {5}AAPL +Up \[2J and away +AAPL SPY\n$/)
  const halt = createEvent({
    ...{ type: 'status', symbol: 'AAPL', timestamp: 0, statusCode: 'H' },
    statusMessage: 'Halt\u001b]0;x\u0007',
  })
  assert.ok(![...`${line}${rows.write(halt)}`].some(c => c < ' ' && c !== '\n'))
})
