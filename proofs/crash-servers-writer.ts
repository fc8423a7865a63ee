// Records at a steady rate beside PostgreSQL and Redis that follow the tape, until it is killed. Says how far they are.
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { keepServers } from '../src/app/stores.ts'
import { silentLog } from '../src/base/log.ts'
import { seededRandom } from '../src/base/random.ts'
import { openFileTape } from '../src/tape/file/file.ts'
import { GENERATION } from './crash-events.ts'
import { say } from './crash-readers.ts'
import { hasty, type ServersPlan, serversEvent, serversOf } from './crash-servers-kit.ts'

/** Events a second. */
const RATE = 8_000
const MOST_A_TURN = 100

const plan = JSON.parse(process.argv[2]!) as ServersPlan
const random = seededRandom(plan.seed)
const tape = await openFileTape({ folder: plan.tape, log: silentLog })
const servers = keepServers(serversOf(plan), { tape, clock: hasty(), log: silentLog })
say('ready', tape.end.seq)
setInterval(() => say('stored', ...servers.map(({ seq = 0 }) => seq)), 7)

const began = performance.now()
const due = () => ((performance.now() - began) * RATE) / 1_000
for (let sent = 0; ; ) {
  const size = 1 + Math.floor(random() * MOST_A_TURN)
  while (due() < sent + size) await sleep(1)
  tape.append(
    Array.from({ length: size }, () => serversEvent(plan.generation * GENERATION + ++sent)),
  )
  await turn()
}
