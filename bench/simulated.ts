// How fast the simulated market makes events when nothing waits for it: the live market and a day, without a feed.
import { KIND_BIT } from '../src/feed/provider.ts'
import type { EventType, MarketEvent } from '../src/market/events.ts'
import { instruments } from '../src/providers/simulated/instruments.ts'
import { KINDS } from '../src/providers/simulated/listing.ts'
import { simulateDay } from '../src/providers/simulated/simulate-day.ts'
import { Simulation } from '../src/providers/simulated/simulation.ts'
import { median, type Row, report, spread } from './table.ts'

/** Events of one sample. */
const EVENTS = 1_000_000
const SLICE = 512

/** Events escape into it, or V8 would not make them. */
const ring: unknown[] = new Array(65_536).fill(undefined)
let at = 0

export async function main({
  rounds = 5,
  json,
}: {
  rounds?: number
  json?: string
}): Promise<void> {
  const day = { day: '2025-06-02', events: EVENTS }
  const variants: [name: string, sample: () => number, budget?: number][] = [
    ['live, trades and quotes', () => live(['trade', 'quote']), 1],
    ['live, all kinds', () => live(KINDS)],
    ['a day, 12 symbols', () => keep(simulateDay(day))],
    ['a day, 500 symbols', () => keep(simulateDay({ ...day, symbols: 500 }))],
    [
      'a day, 500 symbols, all kinds',
      () => keep(simulateDay({ ...day, symbols: 500, kinds: KINDS })),
    ],
  ]
  const samples = variants.map((): number[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, [, sample]] of variants.entries()) {
      const start = performance.now()
      const events = sample()
      samples[index]!.push(events / (performance.now() - start) / 1_000)
    }
  }
  const rows = variants.map(([name, , budget], index): Row => {
    const value = median(samples[index]!)
    return {
      ...{ name, unit: 'M events/s', value, spread: spread(samples[index]!), rounds },
      ...(budget !== undefined && {
        peer: 'goal',
        peerValue: budget,
        ratio: value / budget,
        budget: 1,
      }),
    }
  })
  report(rows, json)
}

function live(kinds: readonly EventType[]): number {
  const all = instruments([], text => text)
  let now = Date.UTC(2025, 5, 2, 15)
  const rate = Number.POSITIVE_INFINITY
  const market = new Simulation(all, { seed: 1, rate, source: 'simulated', start: now })
  const wants = kinds.reduce((bits, kind) => bits | KIND_BIT[kind], 0)
  for (const symbol of all.keys()) market.want(symbol, wants, now)
  const batch: MarketEvent[] = []
  let events = 0
  while (events < EVENTS) {
    now += 0.4
    market.run(now, SLICE, batch)
    events += keep([batch])
    batch.length = 0
  }
  return events
}

function keep(batches: Iterable<readonly MarketEvent[]>): number {
  let events = 0
  for (const batch of batches) {
    for (const event of batch) ring[at++ & 65_535] = event
    events += batch.length
  }
  return events
}
