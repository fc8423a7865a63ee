import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { leftOut } from '../../src/cli/commands/bars-kit.ts'
import { createEvent, type Interval, type MarketEvent } from '../../src/market/events.ts'
import { parseEvent } from '../../src/market/json.ts'
import { openTape, tempFolder } from '../tape/kit.ts'
import { cli, lines } from './child.ts'

/** 09:30 in New York on a Tuesday. */
const OPEN = Date.UTC(2024, 0, 16, 14, 30)

const trade = (at: number, price: number, id: number): MarketEvent =>
  createEvent({
    ...{ type: 'trade', symbol: 'SPY', source: 'alpaca', timestamp: OPEN + at, price, size: 10 },
    ...{ id, exchange: 'V', conditions: ['@'], tape: 'B', receivedAt: OPEN + at + 5 },
  })

const bar = (at: number, close: number, volume: number, interval: Interval = '1m') =>
  createEvent({
    ...{ type: 'bar', symbol: 'SPY', source: 'alpaca', timestamp: OPEN + at, interval },
    ...{ open: 100, high: 100, low: 100, close, volume, vwap: 100, tradeCount: volume / 10 },
    ...{ final: true, revision: 0, receivedAt: OPEN + at + 60_100 },
  })

/** Three minutes of trades at 100, with the venue's bars: the second says another volume, the third is missing. */
async function recorded(t: TestContext, second = 30): Promise<string> {
  const folder = tempFolder(t)
  const tape = await openTape(t, folder)
  const trades = [0, 20_000, 60_000, 80_000, 120_000].map((at, i) =>
    createEvent({ ...trade(at, 100, i + 1), conditions: ['@'], tape: 'C' } as never),
  )
  tape.append([
    ...trades.slice(0, 2),
    bar(0, 100, 20),
    ...trades.slice(2, 4),
    bar(60_000, 100, second),
    trades[4]!,
    createEvent({
      type: 'quote',
      symbol: 'SPY',
      source: 'alpaca',
      timestamp: OPEN + 190_000,
      bid: 1,
    }),
  ])
  await tape.close()
  return folder
}

const bars = (stdout: string) =>
  lines(stdout)
    .map(parseEvent)
    .map(
      event =>
        event.type === 'bar' && [event.interval, (event.timestamp - OPEN) / 1_000, event.volume],
    )

describe('tickwire bars', () => {
  test('builds bars of what was recorded, or shows those of the venue', async t => {
    const tape = ['--tape', await recorded(t)]
    const [minutes, seconds, ticks, theirs] = await Promise.all([
      cli(['bars', ...tape]),
      cli(['bars', 'SPY', ...tape, '--interval', '20s']),
      cli(['bars', 'SPY', ...tape, '--interval', '2t', '--limit', '1']),
      cli(['bars', 'SPY', ...tape, '--from', 'venue']),
    ])
    assert.deepEqual(
      [minutes.code, seconds.code, ticks.code, theirs.code],
      [0, 0, 0, 0],
      minutes.stderr,
    )
    assert.deepEqual(bars(minutes.stdout).slice(0, 2), [
      ['1m', 0, 20],
      ['1m', 60, 20],
    ])
    assert.deepEqual(bars(seconds.stdout).slice(0, 4), [
      ...[
        ['20s', 0, 10],
        ['20s', 20, 10],
      ],
      ...[
        ['20s', 60, 10],
        ['20s', 80, 10],
      ],
    ])
    assert.deepEqual(bars(ticks.stdout), [['2t', 0, 20]])
    assert.deepEqual(bars(theirs.stdout), [
      ['1m', 0, 20],
      ['1m', 60, 30],
    ])
    assert.match(minutes.stderr, /REPLAY/)
  })

  test('builds live bars of the simulated market, forming ones too', async () => {
    const args = ['bars', 'SPY', '--provider', 'simulated', '--rate', '200', '--interval', '1s']
    const { code, stdout, said } = await cli([...args, '--forming', '--limit', '6'])
    assert.equal(code, 0, said.join('\n'))
    const shown = lines(stdout).map(parseEvent)
    assert.equal(shown.length, 6)
    assert.ok(shown.some(event => event.type === 'bar' && !event.final))
    assert.ok(said.some(line => line.includes('SIMULATED')))
  })

  test('--reconcile lists every difference, and --strict fails by them', async t => {
    const tape = ['--tape', await recorded(t)]
    const args = ['bars', 'SPY', ...tape, '--reconcile', '2024-01-16']
    const [loose, strict] = await Promise.all([cli(args), cli([...args, '--strict'])])
    assert.deepEqual([loose.code, strict.code], [0, 6], loose.stderr)
    const differences = lines(strict.stdout).map(line => JSON.parse(line))
    assert.deepEqual(
      differences.map(({ timestamp, field, ours, theirs }) => [
        timestamp.slice(11, 16),
        field,
        ours,
        theirs,
      ]),
      [
        ['14:31', 'volume', 20, 30],
        ['14:31', 'tradeCount', 2, 3],
        ['14:32', 'bar', 100, undefined],
      ],
    )
    assert.match(
      strict.stderr,
      /2024-01-16: 1 of 3 1m bars are equal; differences: volume 1, tradeCount 1, bar 1/,
    )
  })

  test('prints every bar by trades, also of those at the end of a millisecond', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder)
    const at = { nanos: 999_999, tape: 'C' }
    tape.append([1, 2, 3].map(id => createEvent({ ...trade(0, 100, id), ...at } as never)))
    await tape.close()
    const { code, stdout, said } = await cli(['bars', '--tape', folder, '--interval', '1t'])
    assert.equal(code, 0, said.join('\n'))
    assert.equal(bars(stdout).length, 3)
    assert.match(said.at(-1)!, /^3 events/)
  })

  test('says when the tape has none of what was asked for', async t => {
    const tape = ['--tape', await recorded(t)]
    const [none, venue, young] = await Promise.all([
      cli(['bars', 'XXX', ...tape]),
      cli(['bars', 'XXX', ...tape, '--from', 'venue']),
      cli(['bars', 'SPY', ...tape, '--interval', '1d']),
    ])
    assert.deepEqual([none.code, venue.code, young.code], [0, 0, 0])
    assert.match(none.stderr, /there are no trades of XXX on this tape/)
    assert.match(venue.stderr, /there are no 1m bars of XXX on this tape/)
    assert.match(young.stderr, /no bar was over by then.*--forming/)
  })

  test('--reconcile compares each source with its own bars, where a tape has several', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder)
    const of = (source: string, events: readonly MarketEvent[]) =>
      events.map(event => createEvent({ ...event, source, tape: 'C' } as never))
    const prints = [trade(0, 100, 1), trade(61_000, 101, 2)]
    // The venue of the first says a close that is 7 off, that of the second what it is; of the third there are no bars.
    tape.append([
      ...of('alpaca', [prints[0]!, bar(0, 107, 10), prints[1]!]),
      ...of('simulated', [prints[0]!, bar(0, 100, 10), prints[1]!]),
      ...of('kraken', prints),
    ])
    await tape.close()
    const args = ['bars', '--tape', folder, '--reconcile', '2024-01-16', '--strict']
    const { code, stdout, stderr } = await cli(args)
    assert.equal(code, 6, stderr)
    assert.deepEqual(
      lines(stdout).map(line => {
        const { source, field, ours, theirs } = JSON.parse(line)
        return [source, field, ours, theirs]
      }),
      [['alpaca', 'close', 100, 107]],
    )
    assert.match(stderr, /alpaca: 2024-01-16: 0 of 1 1m bars are equal; differences: close 1/)
    assert.match(stderr, /simulated: 2024-01-16: 1 of 1 1m bars are equal$/m)
    assert.match(stderr, /kraken: no 1m bars were recorded on 2024-01-16, so nothing is compared/)
  })

  test('--reconcile of a day on which one market of a tape was closed compares the others', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder)
    const DAY = 86_400_000
    const MIDNIGHT = 9.5 * 3_600_000
    const coin = (events: readonly MarketEvent[]) =>
      events.map(({ timestamp, receivedAt, ...event }) =>
        createEvent({
          ...{ ...event, timestamp: timestamp + 4 * DAY, receivedAt: receivedAt + 4 * DAY },
          ...{ source: 'kraken', symbol: 'BTC/USD', tape: 'C' },
        } as never),
      )
    // New York on a Tuesday, coins on the Saturday behind it.
    tape.append([
      ...[trade(0, 100, 1), bar(0, 100, 10), trade(61_000, 100, 2), bar(0, 100, 10, '1d')],
      ...coin([trade(0, 100, 3), bar(0, 100, 10), trade(61_000, 100, 4)]),
      ...coin([trade(MIDNIGHT - 1, 100, 5)]),
      ...coin([bar(MIDNIGHT - DAY, 100, 20, '1d')]).map(event => ({
        ...{ ...event, receivedAt: OPEN + 4 * DAY + MIDNIGHT + 5 },
      })),
    ])
    await tape.close()
    const args = ['bars', '--tape', folder, '--reconcile', '2024-01-20', '--strict']
    const [minutes, days, closed] = await Promise.all([
      cli(args),
      cli([...args, '--interval', '1d']),
      cli([...args.toSpliced(1, 0, 'SPY')]),
    ])
    assert.match(minutes.stderr, /2024-01-20: 1 of 3 1m bars are equal; differences: bar 2/)
    assert.equal(days.code, 6, days.stderr)
    assert.match(days.stderr, /2024-01-20: 0 of 1 1d bars are equal; differences: .*volume 1/)
    assert.equal(closed.code, 2)
    assert.match(closed.stderr, /closed on 2024-01-20/)
  })

  test('what bars lack is said in words', () => {
    const none = { trades: 9, revisions: 0, tooLate: 0, unmatched: 0, malformed: 0 }
    assert.deepEqual(leftOut([none]), [])
    const lines = leftOut([
      { ...none, tooLate: 1 },
      { ...none, unmatched: 2, malformed: 1_003 },
    ])
    assert.deepEqual(lines, [
      '1 came too late to change their bar',
      '2 corrections and cancels are of trades that are not there',
      '1,003 trades and corrections have no finite price, size or time',
    ])
    assert.deepEqual(leftOut([{ ...none, unmatched: 1, malformed: 1 }]), [
      '1 correction or cancel is of a trade that is not there',
      '1 trade or correction has no finite price, size or time',
    ])
  })

  test('bars from a tape say what came too late for them', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder, { capacity: 1_000 })
    const seconds = Array.from({ length: 400 }, (_, s) => trade(s * 1_000, 100, s + 1))
    const late = { ...trade(500, 90, 999), receivedAt: OPEN + 400_000 }
    tape.append([...seconds, late].map(one => createEvent({ ...one, tape: 'C' } as never)))
    await tape.close()
    const { code, stderr } = await cli(['bars', '--tape', folder, '--interval', '1s'])
    assert.equal(code, 0, stderr)
    assert.match(stderr, /1 came too late to change their bar/)
  })

  test('--reconcile goes by the time of everything recorded, and of a day by its close', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder)
    const close = 6.5 * 3_600_000
    const day = { ...bar(close, 101, 20, '1d'), timestamp: Date.UTC(2024, 0, 16, 5) }
    const prices = { open: 100, high: 101, low: 100, vwap: 100.5, tradeCount: 2 }
    const printed = (at: number, price: number, id: number) =>
      createEvent({ ...trade(at, price, id), tape: 'C' } as never)
    // The last minute is only known to be over by the venue's own bar.
    tape.append([
      ...[printed(0, 100, 1), bar(0, 100, 10), printed(close - 50_000, 101, 2)],
      createEvent({
        ...bar(close - 60_000, 101, 10),
        ...prices,
        open: 101,
        low: 101,
        vwap: 101,
        tradeCount: 1,
      } as never),
      createEvent({ ...day, ...prices } as never),
    ])
    await tape.close()
    const args = ['bars', 'SPY', '--tape', folder, '--reconcile', '2024-01-16', '--strict']
    const [minutes, days] = await Promise.all([cli(args), cli([...args, '--interval', '1d'])])
    assert.deepEqual(
      [minutes.code, days.code],
      [0, 0],
      `${minutes.stdout}${days.stderr}${days.stdout}`,
    )
    assert.match(minutes.stderr, /2 of 2 1m bars are equal/)
    assert.match(days.stderr, /1 of 1 1d bars are equal/)
  })

  /** Alpaca's REST side with these trades and bars, and how the command line is told of it. */
  async function historyOf(
    t: TestContext,
    records: { readonly [kind: string]: readonly { readonly t: string }[] },
    market = 'v2/sip',
  ) {
    const asked: URLSearchParams[] = []
    const server = createServer((request, response) => {
      const { pathname, searchParams: query } = new URL(request.url!, 'http://localhost')
      const kind = pathname.split('/').at(-1)!
      asked.push(query)
      const time = (name: string) => Date.parse(query.get(name)!)
      const found = records[kind]!.filter(
        ({ t }) => Date.parse(t) >= time('start') && Date.parse(t) <= time('end'),
      )
      const [symbol] = query.get('symbols')!.split(',')
      const isTheirs = symbol !== 'XXX' && found.length > 0
      response.end(
        JSON.stringify({ [kind]: isTheirs ? { [symbol!]: found } : {}, next_page_token: null }),
      )
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.close())
    const { port } = server.address() as AddressInfo
    const env = {
      ...{ APCA_API_KEY_ID: 'any', APCA_API_SECRET_KEY: 'any' },
      TICKWIRE_ALPACA_URL: `ws://127.0.0.1:${port}/${market}`,
    }
    return { asked, env }
  }

  test('--reconcile of history takes the hours of the day alone', async t => {
    const print = (t: string, p: number, i: number) => ({
      t,
      p,
      s: 10,
      x: 'V',
      c: ['@'],
      i,
      z: 'C',
    })
    const whole = { o: 100, h: 101, l: 100, c: 101, v: 20, n: 2, vw: 100.5 }
    // In winter the day before ends at 01:00 UTC.
    const { env, asked } = await historyOf(t, {
      trades: [
        print('2025-01-15T00:30:00Z', 90, 1),
        print('2025-01-15T14:30:00Z', 100, 2),
        print('2025-01-16T00:30:00Z', 101, 3),
      ],
      bars: [{ t: '2025-01-15T05:00:00Z', ...whole }],
    })
    const args = ['bars', 'SPY', 'XXX', '--provider', 'alpaca', '--feed', 'sip', '--strict']
    const { code, stdout, stderr } = await cli(
      [...args, '--reconcile', '2025-01-15', '--interval', '1d'],
      { env },
    )
    assert.equal(code, 0, stdout + stderr)
    assert.match(stderr, /2025-01-15: 1 of 1 1d bars are equal/)
    assert.match(stderr, /XXX: no 1d bars on either side/)
    assert.deepEqual(
      asked.map(query => query.get('timeframe')),
      ['1Day', null, '1Day', null],
      'what it has none of is said before the trades are read',
    )
  })

  test('--reconcile finds daily bars where the day begins before midnight in UTC', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder)
    const share = { symbol: '700.HK', source: 'alltick', tape: undefined, conditions: undefined }
    const at = (text: string) => ({ timestamp: Date.parse(text), receivedAt: Date.parse(text) + 5 })
    const print = (text: string, id: number) =>
      createEvent({ ...trade(0, 100, id), ...share, ...at(text) } as never)
    const day = { ...bar(0, 100, 20, '1d'), ...share, receivedAt: Date.UTC(2025, 0, 15, 8, 20) }
    tape.append([
      ...[print('2025-01-15T01:30:00Z', 1), print('2025-01-15T07:59:30Z', 2)],
      createEvent({ ...day, timestamp: Date.UTC(2025, 0, 14, 16) } as never),
    ])
    await tape.close()
    const args = ['bars', '--tape', folder, '--reconcile', '2025-01-15', '--interval', '1d']
    const { code, stdout, stderr } = await cli([...args, '--strict'])
    assert.equal(code, 0, stdout + stderr)
    assert.match(stderr, /1 of 1 1d bars are equal/)
  })

  test('--reconcile of a day that runs compares what is over for sure', async t => {
    const MINUTE = 60_000
    const minute = Math.floor(Date.now() / MINUTE) * MINUTE
    // One that is over, and one that is not, however slow the machine is.
    const times = [minute - 4 * MINUTE, minute + 10 * MINUTE]
    const day = new Date(times[0]!).toISOString().slice(0, 10)
    const iso = (ms: number) => new Date(ms).toISOString()
    const { env } = await historyOf(
      t,
      {
        trades: times.map((ms, i) => ({ t: iso(ms + 1_000), p: 100, s: 1, i, tks: 'B' })),
        bars: times.map(ms => ({
          ...{ t: iso(ms), o: 100, h: 100, l: 100, c: 100, v: 1, n: 1, vw: 100 },
        })),
      },
      'v1beta3/crypto/us',
    )
    const args = ['bars', 'BTC/USD', '--provider', 'alpaca', '--market', 'crypto', '--strict']
    const [minutes, days] = await Promise.all([
      cli([...args, '--reconcile', day], { env }),
      cli([...args, '--reconcile', '9998-12-31', '--interval', '1d'], { env }),
    ])
    assert.equal(minutes.code, 0, minutes.stdout + minutes.stderr)
    assert.match(minutes.stderr, /1 of 1 1m bars are equal/)
    assert.equal(days.code, 2)
    assert.match(days.stderr, /9998-12-31 is not over/)
  })

  const wrong: [args: string[], code: number, words: RegExp][] = [
    [['--interval', '0m'], 2, /cannot have the size "0m"[\s\S]*from 1s to 1d.*500t/],
    [['--interval', '7d'], 2, /longer than a day/],
    [['--interval', '7m'], 2, /do not divide a day[\s\S]*6m or 8m/],
    [['--interval', '5s', '--from', 'venue'], 2, /no bars of 5s[\s\S]*--from trades/],
    [['--from', 'quotes'], 2, /--from cannot be "quotes"/],
    [['--forming', '--from', 'venue'], 2, /--from trades/],
    [['--strict'], 2, /--reconcile/],
    [['--reconcile', '2024-01-16'], 2, /no history[\s\S]*--tape/],
    [['--reconcile', '2024-01-16', '--from', 'venue'], 2, /--from venue means nothing to --rec/],
    [['--reconcile', '2024-01-16', '--forming'], 2, /--forming means nothing to --rec/],
    [['--reconcile', '2024-01-16', '--limit', '1'], 2, /--limit means nothing to --rec/],
    [['--reconcile', '2024-01-16', '--duration', '1s'], 2, /--duration means nothing to --rec/],
  ]
  test('what cannot be is refused with the way out', async () => {
    // Two at a time: a dozen processes that begin together are all slow.
    const waiting = [...wrong]
    const lane = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const [args, code, words] = next
        const result = await cli(['bars', 'SPY', '--provider', 'simulated', ...args])
        assert.equal(result.code, code, `${args}: ${result.stderr}`)
        assert.match(result.stderr, words)
        assert.equal(result.stdout, '')
      }
    }
    await Promise.all([lane(), lane()])
    const none = await cli(['bars', '--provider', 'simulated'])
    assert.equal(none.code, 2)
    assert.match(none.stderr, /no symbols given/)
  })

  test('a day on which the market was closed is refused', async t => {
    const tape = ['--tape', await recorded(t)]
    const [weekend, nonsense] = await Promise.all([
      cli(['bars', 'SPY', ...tape, '--reconcile', '2024-01-15']),
      cli(['bars', 'SPY', ...tape, '--reconcile', 'monday']),
    ])
    assert.deepEqual([weekend.code, nonsense.code], [2, 2])
    assert.match(weekend.stderr, /closed on 2024-01-15/)
  })
})
