// What keeps data away while the connection stands: when it is over, and what becomes of books meanwhile.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { book, NOON, quote, type Scene, scene, trade, until } from './kit.ts'

const at = (ms: number, symbol = 'AAPL') =>
  trade(symbol, 100 + ms / 1_000, 1, { timestamp: NOON + ms })
const state = ({ feed }: Scene) => feed.health().state

/** As TWS says it; `2103`, `2104` … of a farm. */
const SAYS = {
  2103: (name: string) => `Market data farm connection is broken:${name}`,
  2104: (name: string) => `Market data farm connection is OK:${name}`,
  2108: (name: string) =>
    `Market data farm connection is inactive but should be available upon demand.${name}`,
}
function says({ tws }: Scene, code: keyof typeof SAYS, name: string): void {
  tws.say(4, 2, -1, code, SAYS[code](name), '')
}

async function watching(stage: Scene, ...symbols: string[]): Promise<void> {
  stage.feed.trades(symbols, () => {})
  await until(() => stage.tws.clients[0]?.subscriptions.length === symbols.length)
}

test('a farm that keeps nothing away is declared no more, once everything comes', async t => {
  const stage = await scene(t)
  const { deliver, pass, of } = stage
  await watching(stage, 'AAPL', 'CME:ES-202612')
  deliver(at(0), at(0, 'CME:ES-202612'))
  await pass(3_000)
  says(stage, 2103, 'cashfarm')
  await until(() => state(stage) === 'stale')
  deliver(at(4_000), at(4_000, 'CME:ES-202612'))
  await pass(1_000)
  assert.equal(state(stage), 'stale', 'it may have been on its way')
  await pass(6_000)
  deliver(at(10_000))
  await pass(1_000)
  assert.equal(state(stage), 'stale', 'the future may be what is kept away')
  deliver(at(11_000, 'CME:ES-202612'))
  await pass(1_000)
  assert.equal(state(stage), 'live')
  assert.equal(of('trade').length, 6)
  says(stage, 2103, 'cashfarm')
  await pass(500)
  assert.equal(state(stage), 'stale', 'TWS says it again')
})

test('a farm that sleeps until it is needed (2108) is not broken', async t => {
  const stage = await scene(t)
  const { deliver, pass } = stage
  await watching(stage, 'AAPL')
  deliver(at(0))
  await pass(3_000)
  says(stage, 2103, 'usfarm.nj')
  await until(() => state(stage) === 'stale')
  says(stage, 2108, 'cashfarm')
  await pass(500)
  assert.equal(state(stage), 'stale', 'that is another farm')
  says(stage, 2108, 'usfarm.nj')
  await until(() => state(stage) === 'live')
})

test('when TWS has IBKR again, it says of its farms anew: none is broken until then', async t => {
  for (const data of ['kept', 'lost'] as const) {
    const stage = await scene(t)
    const { tws, deliver, pass } = stage
    await watching(stage, 'AAPL')
    deliver(at(0))
    await pass(17_000)
    says(stage, 2103, 'cashfarm')
    await until(() => state(stage) === 'stale')
    tws.fault({ fault: 'upstream', for: '1s', data })
    await pass(1_500)
    assert.notEqual(state(stage), 'stale', data)
  }
})

test('what a farm kept away while others came is looked for when it is back', async t => {
  const stage = await scene(t)
  const { tws, deliver, pass, of } = stage
  await watching(stage, 'AAPL', 'MSFT')
  deliver(at(0), at(0, 'MSFT'))
  await pass(3_000)
  says(stage, 2103, 'usfarm.nj')
  await pass(6_000)
  deliver(at(9_000))
  await pass(500)
  assert.notEqual(state(stage), 'stale', 'MSFT is of the same market as AAPL, which comes')
  // And yet it was kept away: only history has it.
  for (const client of tws.clients as never as readonly {
    subs: { close(): void; forget(): void }
  }[])
    client.subs.forget()
  deliver(at(10_000, 'MSFT'))
  says(stage, 2104, 'usfarm.nj')
  await pass(60_000)
  assert.deepEqual(
    of('trade')
      .filter(({ symbol }) => symbol === 'MSFT')
      .map(({ price }) => price),
    [100, 110],
  )
})

test('books are broken by each of them, and whole again behind it', async t => {
  const stage = await scene(t)
  const { feed, tws, deliver, pass, passUntil } = stage
  const live = feed.book('AAPL')
  deliver(book('AAPL', [[100, 1]], [[102, 5]], true))
  await passUntil(() => live.book.synced, 'the book')
  await pass(3_000)
  for (const fault of ['farm', 'competing', 'upstream'] as const) {
    tws.fault({ fault, for: '10s' })
    await pass(2_000)
    assert.equal(live.book.synced, false, fault)
    deliver(book('AAPL', [], [[102, 7]]))
    await pass(60_000)
    deliver(book('AAPL', [], [[102, 5]]))
    await pass(500)
    await passUntil(() => live.book.synced, `the book after ${fault}`)
    assert.deepEqual(live.book.bids(), [[100, 1]])
    assert.deepEqual(live.book.asks(), [[102, 5]])
    await pass(60_000)
    assert.notEqual(state(stage), 'stale', fault)
  }
  assert.deepEqual(tws.breaches, [])
})

test('a book of another farm is whole again at once', async t => {
  const stage = await scene(t)
  const { feed, deliver, pass, passUntil, notices } = stage
  const live = feed.book('AAPL')
  deliver(book('AAPL', [[100, 1]], [[102, 5]], true))
  await passUntil(() => live.book.synced, 'the book')
  await pass(3_000)
  says(stage, 2103, 'cashfarm')
  await until(() => !live.book.synced)
  await pass(1_000)
  assert.equal(live.book.synced, true)
  assert.deepEqual(live.book.bids(), [[100, 1]])
  assert.ok(notices.some(line => /^gap.*farm cashfarm of IBKR is broken/.test(line)))
})

test('one that was mute and speaks does not speak for the others: they are asked for anew', async t => {
  const stage = await scene(t)
  const { tws, deliver, pass } = stage
  await watching(stage, 'AAPL', 'MSFT')
  await pass(20_000)
  tws.fault({ fault: 'competing', for: '2s' })
  await pass(3_000)
  deliver(at(23_000))
  await pass(500)
  assert.notEqual(state(stage), 'stale')
  const asked = () => tws.messages.filter(([id]) => id === '97').map(fields => fields[3])
  assert.deepEqual(asked(), ['AAPL', 'MSFT'])
  await pass(21_000)
  assert.deepEqual(asked(), ['AAPL', 'MSFT', 'MSFT'])
})

test('the first rows of a book are told when they are all there', async t => {
  const stage = await scene(t)
  const { feed, tws, deliver, pass, passUntil, of } = stage
  const live = feed.book('AAPL')
  const bids = [
    [100, 1],
    [99, 2],
    [98, 3],
  ] as [number, number][]
  const asks = [
    [101, 4],
    [102, 5],
  ] as [number, number][]
  deliver(book('AAPL', bids, asks, true))
  await passUntil(() => live.book.synced, 'the book')
  await pass(3_000)
  const before = of('book').length
  const seen: [number, number][] = []
  feed.on('notice', ({ notice }) => {
    if (notice === 'resynced') seen.push([live.book.bidCount, live.book.askCount])
  })
  const id = tws.messages.findLast(([kind]) => kind === '10')![2]
  tws.say(4, 2, id, 317, 'Market depth data has been RESET.', '')
  // Row by row, as they come from a slow line.
  for (const [side, list] of [asks, bids].entries()) {
    for (const [row, [price, size]] of list.entries()) {
      tws.say(13, 1, id, row, 'NSDQ', 0, side, price, size, 1)
      await pass(50, 50)
      assert.equal(live.book.synced, false)
    }
  }
  await pass(100, 50)
  assert.deepEqual(seen, [[3, 2]])
  assert.deepEqual([live.book.bids(), live.book.asks()], [bids, asks])
  const [first, ...more] = of('book').slice(before)
  assert.deepEqual([first?.snapshot, more.length], [true, 0])
})

test('a book with one side, and one that never rests, are told after a second', async t => {
  const stage = await scene(t)
  const { feed, tws, deliver, pass } = stage
  const [one, busy] = [feed.book('AAPL'), feed.book('MSFT')]
  await until(() => tws.clients[0]?.subscriptions.length === 2)
  deliver(book('AAPL', [[100, 1]], [], true), book('MSFT', [[400, 1]], [[401, 1]], true))
  for (let i = 0; i < 18; i++) {
    deliver(book('MSFT', [[400, i + 2]], []))
    await pass(50, 50)
    assert.deepEqual([one.book.synced, busy.book.synced], [false, false], `${i}`)
  }
  for (let i = 0; i < 4; i++) {
    deliver(book('MSFT', [[400, i + 30]], []))
    await pass(50, 50)
  }
  assert.deepEqual([one.book.synced, busy.book.synced], [true, true])
  assert.deepEqual(one.book.bids(), [[100, 1]])
  assert.deepEqual(busy.book.bids(), [[400, 33]])
})

test('quotes that go on by a line have a hole before it', async t => {
  const stage = await scene(t)
  const { feed, tws, deliver, of, pass, notices } = stage
  feed.quotes('AAPL', () => {})
  await until(() => tws.clients[0]?.subscriptions.length === 1)
  deliver(quote('AAPL', 1, 2))
  await until(() => of('quote').length === 1)
  await pass(3_000)
  tws.fault({ fault: 'ticks-end', code: 10_189, text: 'Failed to request tick-by-tick data.' })
  await until(() => tws.clients[0]?.subscriptions.includes('line AAPL') ?? false)
  deliver(quote('AAPL', 3, 4))
  await until(() => of('quote').length > 1)
  assert.ok(
    notices.some(line => line.startsWith('unrepaired') && line.includes('kind quote')),
    notices.join('\n'),
  )
})
