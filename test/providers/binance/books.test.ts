// Books through everything that may happen to their updates and snapshots.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../../../src/base/random.ts'
import type { Level } from '../../../src/market/events.ts'
import { BinanceDecoder } from '../../../src/providers/binance/codec.ts'
import { BOOK_FAULTS } from '../../../src/providers/binance/server-book.ts'
import { NOON } from '../crypto-kit.ts'
import { contextOf, liveKit, MUTE_REST, namesOf } from './kit.ts'

const BTC = 'BTC/USDT'

/** A feed with the book of one pair, which has some levels. */
async function bookKit(latencyMs = 0) {
  const kit = liveKit({ latencyMs })
  const { server, clock, feed } = kit
  const random = seededRandom(5)
  for (let i = 0; i < 50; i++) server.step(BTC, random)
  const live = feed.book('btcusdt')
  await clock.advance(2_000)
  const truth = () => {
    const { last, bids, asks } = server.book(BTC).snapshot()
    return { last, bids, asks }
  }
  const found = () => ({
    last: live.book.sequence,
    bids: live.book.bids(),
    asks: live.book.asks(),
  })
  const steps = async (count: number) => {
    for (let i = 0; i < count; i++) {
      server.step(BTC, random)
      await clock.advance(100)
    }
  }
  return { ...kit, live, truth, found, steps, random }
}

describe('a book', () => {
  it('begins whole before anything moves, and follows every update', async () => {
    const { live, truth, found, steps, end, notices } = await bookKit()
    assert.equal(live.book.synced, true)
    assert.deepEqual(found(), truth())
    await steps(100)
    assert.deepEqual(found(), truth())
    assert.deepEqual(
      notices.filter(({ notice }) => notice === 'gap'),
      [],
    )
    await end()
  })

  it('that lost an update says so, is empty, and is whole again by one more snapshot', async () => {
    const { server, clock, venue, live, truth, found, steps, end, said } = await bookKit(20)
    const before = venue.questions.filter(url => url.includes('depth')).length
    server.spoil(BTC, 'drop')
    await steps(1)
    assert.equal(live.book.synced, true)
    server.step(BTC, seededRandom(9))
    await clock.advance(25)
    assert.equal(live.book.synced, false)
    assert.match(said('gap').at(-1)!, /BTC\/USDT \(book\): update \d+ is missing/)
    await steps(5)
    assert.deepEqual(found(), truth())
    assert.equal(said('resynced').length, 1)
    assert.equal(venue.questions.filter(url => url.includes('depth')).length, before + 1)
    await end()
  })

  it('waits for a snapshot that reaches its first update, however late they are', async () => {
    const { server, clock, venue, live, truth, found, steps, end } = await bookKit()
    server.delaySnapshots(20)
    server.spoil(BTC, 'drop')
    await steps(4)
    assert.equal(live.book.synced, false)
    await steps(40)
    assert.deepEqual(found(), truth())
    assert.ok(venue.questions.filter(url => url.includes('depth')).length < 12, 'never a storm')
    await clock.advance(1_000)
    await end()
  })

  it('is right again after each fault, and after cuts', async () => {
    const { server, clock, venue, live, truth, found, steps, random, end } = await bookKit(10)
    for (let round = 0; round < 40; round++) {
      const fault = BOOK_FAULTS[Math.floor(random() * BOOK_FAULTS.length)]!
      if (round % 8 === 7) venue.cut()
      else server.spoil(BTC, fault)
      await steps(3 + Math.floor(random() * 10))
      await clock.advance(70_000)
      await steps(3)
      await clock.advance(5_000)
      assert.equal(live.book.synced, true, `round ${round}, ${fault}`)
      assert.deepEqual(found(), truth(), `round ${round}, ${fault}`)
    }
    await end()
  })

  it('is not delivered while it is not whole', async () => {
    const { server, clock, feed, steps, end } = await bookKit()
    const seen: string[] = []
    feed.on('book', book => seen.push(book.snapshot ? 'snapshot' : 'delta'))
    await clock.advance(1_000)
    seen.length = 0
    server.delaySnapshots(10)
    server.spoil(BTC, 'drop')
    await steps(2)
    assert.deepEqual(seen, [])
    await steps(30)
    assert.equal(seen[0], 'snapshot')
    await end()
  })

  it('is taken anew beneath its readers when the price nears the end of what was shown', async () => {
    const { context, recorder, clock } = contextOf()
    const levels = (top: number, step: number): Level[] =>
      Array.from({ length: 10 }, (_, i) => [top + i * step, 1])
    const answers = [
      { last: 10, bids: levels(100, -1), asks: levels(101, 1) },
      { last: 12, bids: levels(95, -1), asks: levels(96, 1) },
    ]
    const rest = { ...MUTE_REST, limit: 10, depth: async () => answers.shift()! }
    const decoder = new BinanceDecoder(context, namesOf(BTC), rest)
    const update = (id: number, price: string) => {
      const text = `{"e":"depthUpdate","E":${NOON + id},"s":"BTCUSDT","U":${id},"u":${id},"b":[],"a":[["${price}","2"]]}`
      decoder.decode(new TextEncoder().encode(text), false, NOON + id, recorder)
    }
    decoder.confirmed([{ source: 'binance', kind: 'book', symbol: BTC }])
    await clock.advance(1)
    update(11, '96.00')
    assert.equal(answers.length, 1, 'the middle of what is known of the bids is 95.5')
    update(12, '95.40')
    await clock.advance(1)
    update(13, '99.00')
    const books = recorder.take().filter(one => one.type === 'book')
    assert.deepEqual(
      books.map(({ snapshot, sequence }) => [snapshot, sequence]),
      [
        [true, 10],
        [false, 11],
        [false, 12],
        [true, 12],
        [false, 13],
      ],
    )
  })

  it('of a pair the venue does not have is refused with the way out', async () => {
    const { clock, feed, notices, end } = liveKit()
    feed.book('FOO/USDT')
    await clock.advance(3_000)
    const refused = notices.filter(({ notice }) => notice === 'rejected')
    assert.deepEqual(
      refused.map(({ symbol, kind, code }) => [symbol, kind, code]),
      [['FOO/USDT', 'book', 'UNKNOWN_SYMBOL']],
    )
    await end()
  })
})
