// The store of manifest version 1 under test/fixtures/store. It stays as it is: a later form gets a folder of its own.
// To make it anew before a version is released: npx tsx test/store/golden.ts write
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { silentLog } from '../../src/base/log.ts'
import { EVENT_TYPES, type MarketEvent, stampSeq } from '../../src/market/events.ts'
import { encodeEvent, parseEvent } from '../../src/market/json.ts'
import { openStore } from '../../src/store/embedded.ts'
import { handClock } from '../../src/testing/clock.ts'
import { SAMPLES } from '../market/samples.ts'

const HOME = fileURLToPath(new URL('../fixtures/store/', import.meta.url))

export const GOLDEN = join(HOME, 'v1')

export function goldenEvents(): MarketEvent[] {
  const text = readFileSync(join(HOME, 'v1.ndjson'), 'utf8')
  return text.trim().split('\n').map(parseEvent)
}

/** The tape it was made from. */
export const goldenTape = () => ({
  id: 'golden',
  async *read(): AsyncGenerator<MarketEvent[]> {
    yield goldenEvents()
  },
})

async function write(): Promise<void> {
  rmSync(HOME, { recursive: true, force: true })
  mkdirSync(GOLDEN, { recursive: true })
  const events = EVENT_TYPES.flatMap(type => SAMPLES[type].map(sample => parseEvent(sample)))
  for (const [i, event] of events.entries()) stampSeq(event, i + 1)
  writeFileSync(join(HOME, 'v1.ndjson'), `${events.map(encodeEvent).join('\n')}\n`)
  const clock = handClock(Date.UTC(2030, 0, 1))
  const store = await openStore({ folder: GOLDEN, clock, log: silentLog })
  await store.follow(goldenTape(), { live: false })
  await clock.advance(60_000)
  await store.seal()
  await store.close()
  // The manifest and what it names is what lasts.
  for (const name of ['hot.duckdb', 'hot.duckdb.wal', 'spill']) {
    rmSync(join(GOLDEN, name), { recursive: true, force: true })
  }
}

if (process.argv[2] === 'write') await write()
