// Faults at random, close together and far apart, in busy and calm markets: every trade comes once, and every bar, or is
// told to be missing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../../src/base/random.ts'
import type { TwsFault } from '../../../src/testing/fake-tws-faults.ts'
import { NOON, scene, trade } from './kit.ts'

/** How long faults come, and how long after that everything has to be there, ms. */
const FAULTY_MS = 180_000
const AFTER_MS = 420_000
const STEP_MS = 500
const BAR_MS = 5_000

const FAULTS: readonly TwsFault[] = [
  { fault: 'cut' },
  { fault: 'upstream', for: '1s', data: 'lost' },
  { fault: 'upstream', for: '4s', data: 'lost' },
  { fault: 'upstream', for: '2s', data: 'kept' },
  { fault: 'farm', for: '3s' },
  { fault: 'farm', for: '500ms', name: 'cashfarm' },
  { fault: 'competing', for: '5s' },
  { fault: 'ticks-end' },
  { fault: 'ticks-end', code: 10_999, text: 'Something new' },
  { fault: 'ticks-end', code: 10_190, text: 'Max number of tick-by-tick requests' },
  { fault: 'garbled' },
  { fault: 'fragments', for: '5s' },
  { fault: 'restart', for: '6s', busy: 1 },
  { fault: 'refuse', for: '3s' },
  { fault: 'hang', for: '20s' },
  { fault: 'stranger' },
  { fault: 'too-fast' },
  { fault: 'slam' },
  { fault: 'history' },
  { fault: 'deny', code: 10_190, text: 'Max number of tick-by-tick requests' },
  { fault: 'moved' },
]

const { SEEDS = '8' } = process.env
for (let seed = 1; seed <= Number(SEEDS); seed++) {
  test(`faults at random leave no trade out (seed ${seed})`, async t => {
    const random = seededRandom(seed)
    const stage = await scene(t, { feed: { random: seededRandom(seed) } })
    const { feed, tws, clock, deliver, of, pass, notices } = stage
    const story: string[] = []
    feed.trades('AAPL', () => {})
    feed.bars('AAPL', () => {}, { interval: '5s' })
    await pass(2_000)
    /** When what was sent, by its price. */
    const sent = new Map<number, number>()
    /** Trades of each five seconds, which are bars. */
    const counts = new Map<number, number>()
    let next = clock.now()
    let dueAt = clock.now() + 3_000
    let isBusy = true
    let hangsUntil = 0
    const send = () => {
      const price = (10_000 + sent.size) / 100
      const timestamp = Math.floor(clock.now())
      sent.set(price, timestamp)
      const start = Math.floor(timestamp / BAR_MS) * BAR_MS
      counts.set(start, (counts.get(start) ?? 0) + 1)
      deliver(trade('AAPL', price, 1, { timestamp }))
    }
    send()
    await pass(500)
    for (let at = 0; at < FAULTY_MS; at += STEP_MS) {
      if (clock.now() >= dueAt) {
        send()
        if (random() < 0.1) isBusy = !isBusy
        dueAt = clock.now() + (isBusy ? 500 : 500 + random() * 12_000)
      }
      if (clock.now() >= next) {
        const fault = FAULTS[Math.floor(random() * FAULTS.length)]!
        if (fault.fault === 'hang') hangsUntil = clock.now() + 20_000
        // Whoever is not there to hear where TWS moves cannot find it.
        const isHeard = tws.clients.length > 0 && clock.now() > hangsUntil
        if (fault.fault === 'moved' && !isHeard) continue
        story.push(`${(clock.now() - NOON) / 1_000} s: ${JSON.stringify(fault)}`)
        tws.fault(fault)
        next = clock.now() + (random() < 0.4 ? random() * 3_000 : random() * 25_000)
      }
      await pass(STEP_MS)
    }
    /** From when on, venue time, some of a kind were told to stay missing: too many holes for so few questions. */
    const toldSince = (kind: string) => {
      const told = notices.filter(
        line => line.startsWith('unrepaired') && line.includes(`in ${kind}`),
      )
      const times = told.map(line => Date.parse(/since (\S+)/.exec(line)![1]!))
      return Math.min(Number.POSITIVE_INFINITY, ...times)
    }
    const missing = () => {
      const there = new Set(of('trade').map(({ price }) => price))
      return [...sent].filter(([price, at]) => !there.has(price) && at < toldSince('trades'))
    }
    /** Bars that are over and were not told, or not with all their trades. */
    const missingBars = () => {
      const there = new Map(of('bar').map(({ timestamp, volume }) => [timestamp, volume]))
      return [...counts].filter(
        ([start, count]) =>
          start > NOON &&
          start < clock.now() - 2 * BAR_MS &&
          start < toldSince('bars') &&
          there.get(start) !== count,
      )
    }
    for (
      let left = AFTER_MS;
      left > 0 && missing().length + missingBars().length > 0;
      left -= 5_000
    ) {
      // The stream is there again only when something comes.
      send()
      await pass(5_000)
    }
    const said = () => [...story, ...notices].join('\n')
    assert.deepEqual(missing(), [], said())
    assert.deepEqual(missingBars(), [], said())
    const prices = of('trade').map(({ price }) => price)
    assert.equal(new Set(prices).size, prices.length, said())
    assert.deepEqual(tws.breaches, [], said())
  })
}
