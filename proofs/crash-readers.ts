// Readers of a tape that tell the parent what they have seen, one line at a time: `saw` and runs of it, `fault` and
// what did not hold. A line that is printed is out of the process: a kill cannot take it back.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../src/base/random.ts'
import type { TapeReader } from '../src/tape/tape.ts'
import { type Place, Sight } from './crash-sight.ts'

/** Events read by one that comes and goes, before it goes. */
const VISIT = 5_000

export interface Watched {
  readonly tape: TapeReader
  readonly name: string
  readonly written: boolean
  readonly random: Random
}

export function say(...words: readonly (string | number)[]): void {
  process.stdout.write(`${words.join(' ')}\n`)
}

/** Reads on from a place; `passed` hears of each place come to. Ends with the tape or the signal. */
export async function watch(
  { tape, name, written }: Watched,
  from: Place,
  passed: (place: Place) => void,
  signal?: AbortSignal,
): Promise<void> {
  const sight = new Sight(name, from)
  let told = 0
  const position = { tape: tape.id, seq: from.seq }
  for await (const batch of tape.read({ from: position, written, signal })) {
    const runs = sight.take(batch)
    if (runs.length > 0) say('saw', name, ...runs.flat())
    for (; told < sight.faults.length; told++) say('fault', sight.faults[told]!)
    passed(sight.place)
  }
}

/** Reads on from places that have been come to before, again and again, as one does who was away. */
export async function revisit(
  watched: Watched,
  places: readonly Place[],
  signal: AbortSignal,
): Promise<void> {
  const { random, name } = watched
  for (let visit = 1; !signal.aborted; visit++) {
    await sleep(random() * 40)
    // Half of the time one from long ago, else one that was left just now.
    const back = random() < 0.5 ? places.length : Math.min(places.length, 40)
    const from = places[places.length - 1 - Math.floor(random() * back)]
    if (!from) continue
    const stop = new AbortController()
    const until = from.seq + Math.floor(random() * VISIT)
    const late = setTimeout(() => stop.abort(), 100)
    const passed = ({ seq }: Place) => {
      if (seq >= until) stop.abort()
    }
    const either = AbortSignal.any([signal, stop.signal])
    await watch({ ...watched, name: `${name}.${visit}` }, from, passed, either)
    clearTimeout(late)
  }
}
