// Records events at a steady rate until it is killed, with readers in the process that report what they see.
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { silentLog } from '../src/base/log.ts'
import { type Random, seededRandom } from '../src/base/random.ts'
import { type Disk, systemDisk } from '../src/tape/file/disk.ts'
import { openFileTape } from '../src/tape/file/file.ts'
import type { Mutation } from './crash.ts'
import { eventOf, GENERATION } from './crash-events.ts'
import { revisit, say, watch } from './crash-readers.ts'
import type { Place } from './crash-sight.ts'

export interface WriterPlan {
  readonly folder: string
  readonly seed: number
  readonly generation: number
  readonly capacity: number
  readonly segmentBytes: number
  readonly syncMs: number
  /** How long a write takes at most, ms; 0: as long as it does. */
  readonly slowMs: number
  readonly without: Mutation | undefined
  /** Where the reader goes on: places it came to before, the last one last. */
  readonly places: readonly Place[]
}

/** Events a second. */
const RATE = 50_000
const MOST_A_TURN = 200
/** What a tape says when the disk did not take what it should. */
const UNRECORDED = /^nothing is recorded/

/** The machine's disk, telling what is safe from a loss of power; and the ways in which one could lie. */
function tellingDisk({ slowMs, without }: WriterPlan, random: Random): Disk {
  return {
    ...systemDisk,
    async create(path) {
      const file = await systemDisk.create(path)
      let size = 0
      return {
        ...file,
        write(bytes, length, at, done) {
          if (without === 'written') {
            const copy = bytes.slice(0, length)
            setTimeout(() => file.write(copy, length, at, () => {}), 30)
            setImmediate(done)
            return
          }
          if (without === 'writes' && at > 0 && random() < 1 / 30) {
            setImmediate(done)
            return
          }
          const write = () =>
            file.write(bytes, length, at, error => {
              if (!error) size = Math.max(size, at + length)
              done(error)
            })
          const wait = without === 'handoff' ? 8 : random() * slowMs
          if (wait > 0) setTimeout(write, wait)
          else write()
        },
        async sync() {
          const reached = size
          await file.sync()
          say('synced', path, reached)
        },
        // What is on its way to a disk that lies must not meet the next file under the same number.
        close: () => void setTimeout(() => file.close(), without === 'written' ? 100 : 0),
      }
    },
  }
}

async function main(plan: WriterPlan): Promise<void> {
  const { folder, capacity, segmentBytes, syncMs, generation, without } = plan
  const random = seededRandom(plan.seed)
  const disk = tellingDisk(plan, random)
  const tape = await openFileTape({
    ...{ folder, capacity, segmentBytes, syncMs, disk },
    log: { ...silentLog, warn: (_, message) => void (UNRECORDED.test(message) && say('stalled')) },
  })
  say('ready', tape.end.seq)
  const watched = { tape, random, written: without !== 'handoff' }
  const places: Place[] = [...plan.places]
  const came = (place: Place) => places.push(place)
  void watch({ ...watched, name: 'reader' }, plan.places.at(-1) ?? { seq: 0 }, came)
  void revisit({ ...watched, name: 'visitor' }, places, new AbortController().signal)
  setInterval(() => say('written', tape.written.seq), 7)

  const began = performance.now()
  const due = () => ((performance.now() - began) * RATE) / 1_000
  for (let sent = 0; ; ) {
    const size = 1 + Math.floor(random() * MOST_A_TURN)
    while (due() < sent + size) await sleep(1)
    tape.append(Array.from({ length: size }, () => eventOf(generation * GENERATION + ++sent)))
    await turn()
  }
}

await main(JSON.parse(process.argv[2]!) as WriterPlan)
