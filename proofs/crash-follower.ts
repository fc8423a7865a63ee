// Follows a tape from outside, over the deaths of its writers, and reports what it sees; told where the tape ends, it
// ends there.
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { TickwireError } from '../src/base/errors.ts'
import { seededRandom } from '../src/base/random.ts'
import { followFileTape } from '../src/tape/file/follow.ts'
import type { TapeReader } from '../src/tape/tape.ts'
import { revisit, say, watch } from './crash-readers.ts'
import type { Place } from './crash-sight.ts'

export interface FollowerPlan {
  readonly folder: string
  readonly seed: number
}

async function open(folder: string): Promise<TapeReader> {
  for (;;) {
    try {
      return await followFileTape({ folder, pollMs: 5 })
    } catch (error) {
      if (!(error instanceof TickwireError) || error.code !== 'NO_TAPE') throw error
      await sleep(2)
    }
  }
}

async function main({ folder, seed }: FollowerPlan): Promise<void> {
  const tape = await open(folder)
  const stop = new AbortController()
  let end = Number.POSITIVE_INFINITY
  const places: Place[] = []
  const came = (place: Place) => {
    places.push(place)
    if (place.seq >= end) stop.abort()
  }
  createInterface({ input: process.stdin }).on('line', line => {
    end = Number(line)
    if ((places.at(-1)?.seq ?? 0) >= end) stop.abort()
  })
  const watched = { tape, random: seededRandom(seed), written: true }
  await Promise.all([
    watch({ ...watched, name: 'follower' }, { seq: 0 }, came, stop.signal),
    revisit({ ...watched, name: 'returner' }, places, stop.signal),
  ])
  await tape.close()
  say('end', places.at(-1)?.seq ?? 0)
  process.exit()
}

await main(JSON.parse(process.argv[2]!) as FollowerPlan)
