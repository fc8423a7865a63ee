// 06: records three seconds of a market to disk, steps through its first trades, and plays the rest ten times as fast.
//
//   node examples/06-replay.mjs
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFeed, openFileTape, toISO } from 'tickwire'
import { replay } from 'tickwire/replay'
import { simulated } from 'tickwire/simulated'

console.log('SIMULATED: invented prices, not real ones')

const folder = await mkdtemp(join(tmpdir(), 'tape-'))
const tape = await openFileTape({ folder })
const live = openFeed(simulated({ rate: 50 }))
live.pipe(tape)
await live.subscribe({ trades: ['SPY', 'TSLA'] })
console.log('recording for three seconds …')
await new Promise(resolve => setTimeout(resolve, 3_000))
await live.close()

// A recording is a source like any other, with the controls of a player.
const recording = replay({ tape, speed: 10, paused: true })
const feed = openFeed(recording)
let count = 0
feed.trades('*', trade => {
  count++
  if (recording.state === 'paused') console.log(`${toISO(trade)}  ${trade.symbol}  ${trade.price}`)
})

for (let i = 0; i < 5; i++) await recording.step()
recording.resume()
await feed.done
console.log(`REPLAY: ${count} trades, all but the first five at ten times the speed`)
await tape.close()
await rm(folder, { recursive: true })
