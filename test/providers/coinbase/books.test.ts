// Books through everything that may happen to the frames of a connection.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../../../src/base/random.ts'
import { FRAME_FAULTS } from '../../../src/providers/coinbase/server-session.ts'
import { liveKit } from './kit.ts'

const BTC = 'BTC/USD'

/** A feed with the book and the quotes of one pair. */
async function bookKit(latencyMs = 0) {
  const kit = liveKit({ latencyMs })
  const { server, clock, feed } = kit
  const random = seededRandom(5)
  for (let i = 0; i < 50; i++) server.step(BTC, random)
  const live = feed.book('btc-usd')
  await clock.advance(3_000)
  const truth = () => server.book(BTC).whole()
  const found = () => ({ bids: live.book.bids(), asks: live.book.asks() })
  const steps = async (count: number) => {
    for (let i = 0; i < count; i++) {
      server.step(BTC, random)
      await clock.advance(100)
    }
  }
  return { ...kit, live, truth, found, steps, random }
}

describe('a book', () => {
  it('begins whole and follows every update', async () => {
    const { live, truth, found, steps, end, said } = await bookKit()
    assert.equal(live.book.synced, true)
    assert.deepEqual(found(), truth())
    await steps(100)
    assert.deepEqual(found(), truth())
    assert.deepEqual(said('gap'), [])
    await end()
  })

  it('behind a lost frame is empty until its next snapshot, which is asked for', async () => {
    const { server, clock, live, truth, found, steps, end, said } = await bookKit(20)
    server.spoil('drop')
    server.step(BTC, seededRandom(9))
    server.step(BTC, seededRandom(9))
    await clock.advance(25)
    assert.equal(live.book.synced, false)
    assert.match(said('gap').at(-1)!, /BTC\/USD \(book\): frame \d+ is missing/)
    await steps(20)
    assert.deepEqual(found(), truth())
    assert.equal(said('resynced').length, 1)
    await end()
  })

  it('that has stood still when a frame was lost learns of it from the next heartbeat', async () => {
    const { server, clock, live, truth, found, end } = await bookKit()
    server.spoil('drop')
    server.step(BTC, seededRandom(9))
    await clock.advance(3_000)
    assert.equal(live.book.synced, true)
    assert.deepEqual(found(), truth())
    await end()
  })

  it('that stands still is not taken for mute: what REST answers is always of the moment', async () => {
    const { clock, feed, steps, end } = await bookKit()
    await steps(250)
    await clock.advance(120_000)
    assert.equal(feed.stats().connects, 1)
    await end()
  })

  it('whose first snapshot was lost, and nothing behind it, is asked for once more', async () => {
    const { clock, venue, feed, live, truth, found, steps, end } = await bookKit(10)
    feed.on('notice', ({ notice }) => {
      // What answers the first request does not come, so it is asked again: that is no news for the venue.
      if (notice === 'connected') for (const one of venue.connections) one.mute(3_800)
    })
    venue.cut()
    await steps(60)
    assert.equal(live.book.synced, false)
    await steps(60)
    assert.deepEqual([live.book.synced, found()], [true, truth()])
    // As soon as that, and no sooner.
    await clock.advance(10_000)
    assert.equal(feed.stats().connects, 2)
    await end()
  })

  it('is right again after each fault, and after cuts', async () => {
    const { server, clock, venue, live, truth, found, steps, random, end } = await bookKit(10)
    for (let round = 0; round < 40; round++) {
      const fault = FRAME_FAULTS[Math.floor(random() * FRAME_FAULTS.length)]!
      if (round % 8 === 7) venue.cut()
      else server.spoil(fault)
      await steps(3 + Math.floor(random() * 10))
      await clock.advance(70_000)
      await steps(3)
      await clock.advance(5_000)
      assert.equal(live.book.synced, true, `round ${round}, ${fault}`)
      assert.deepEqual(found(), truth(), `round ${round}, ${fault}`)
    }
    await end()
  })

  it('shares its snapshots with the quotes of its pair, whichever came first', async () => {
    const { server, clock, feed, steps, end, truth, found } = await bookKit()
    const quotes: (readonly [number | undefined, number | undefined])[] = []
    feed.quotes(BTC, ({ bid, ask }) => {
      quotes.push([bid, ask])
    })
    await clock.advance(3_000)
    const best = () => [truth().bids[0]?.[0], truth().asks[0]?.[0]]
    assert.deepEqual(quotes.at(-1), best())
    assert.deepEqual(found(), truth())
    server.spoil('drop')
    await steps(3)
    await clock.advance(5_000)
    await steps(30)
    assert.deepEqual(quotes.at(-1), best())
    assert.deepEqual(found(), truth())
    await end()
  })

  it('of a pair by another name, asked for later, begins with a snapshot too', async () => {
    const { server, clock, feed, steps, end, random } = await bookKit(50)
    const first = new Map<string, boolean>()
    feed.on('book', ({ symbol, snapshot }) => {
      if (!first.has(symbol)) first.set(symbol, snapshot)
    })
    await steps(1)
    feed.subscribe({ books: 'BTC/USDC' }).catch(() => {})
    // On its way to the venue, while the book goes on.
    for (let i = 0; i < 4; i++) {
      server.step(BTC, random)
      await clock.advance(10)
    }
    await clock.advance(1_000)
    assert.deepEqual(
      [...first],
      [
        [BTC, false],
        ['BTC/USDC', true],
      ],
    )
    await end()
  })

  it('is asked for anew where only quotes are wanted', async () => {
    const { server, clock, feed, end } = liveKit()
    const random = seededRandom(3)
    for (let i = 0; i < 50; i++) server.step(BTC, random)
    const bids: (number | undefined)[] = []
    feed.quotes(BTC, ({ bid }) => {
      bids.push(bid)
    })
    await clock.advance(3_000)
    server.spoil('drop')
    for (let i = 0; i < 60; i++) {
      server.step(BTC, random)
      await clock.advance(100)
    }
    assert.equal(bids.at(-1), server.book(BTC).whole().bids[0]![0])
    await end()
  })
})
