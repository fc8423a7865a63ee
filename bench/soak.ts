// The whole engine at full simulated rate for minutes: feed, memory tape, one handler, one slow tape reader. Prints
// the live heap after a collection every ten seconds and fails when it grows after the first minute.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { openFeed } from '../src/feed/feed.ts'
import { simulated } from '../src/providers/simulated/index.ts'
import { memoryTape } from '../src/tape/memory.ts'
import { report } from './table.ts'

const SAMPLE_MS = 10_000
/** Growth after the first minute that is still called flat. */
const TOLERANCE = 1.1

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

export async function main({
  minutes = 10,
  json,
}: {
  minutes?: number
  json?: string
}): Promise<void> {
  const feed = openFeed(simulated({ rate: Number.POSITIVE_INFINITY }))
  const tape = memoryTape({ capacity: 65_536 })
  feed.pipe(tape)
  let handled = 0
  feed.on('*', () => {
    handled++
  })
  const abort = new AbortController()
  const reading = (async () => {
    for await (const batch of tape.read({ signal: abort.signal })) {
      if (batch.length > 0) await new Promise(resolve => setTimeout(resolve, 50))
    }
  })()
  await feed.subscribe({ trades: '*', quotes: '*', bars: '*' })

  const start = performance.now()
  let first = 0
  let worst = 0
  while (performance.now() - start < minutes * 60_000) {
    await new Promise(resolve => setTimeout(resolve, SAMPLE_MS))
    collect()
    const heap = process.memoryUsage().heapUsed / 2 ** 20
    const seconds = (performance.now() - start) / 1_000
    console.log(
      `${seconds.toFixed(0).padStart(4)} s  ${heap.toFixed(1)} MiB  ${(handled / seconds).toFixed(0)} events/s`,
    )
    if (seconds < 60) continue
    first ||= heap
    worst = Math.max(worst, heap)
  }
  abort.abort()
  await reading
  await feed.close()
  report(
    [
      {
        ...{ name: `live heap after minute 1, worst of ${minutes} min`, unit: 'MiB', value: worst },
        ...{ peer: 'at minute 1', peerValue: first, ratio: first / worst, spread: 0, rounds: 1 },
        budget: 1 / TOLERANCE,
      },
    ],
    json,
  )
  if (!(worst > 0 && worst <= first * TOLERANCE)) throw new Error('the heap is not flat')
}
