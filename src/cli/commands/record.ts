import { openApp } from '../../app/app.ts'
import type { Surroundings } from '../config.ts'
import { createLog, say, screenOf } from '../console.ts'
import { CONNECT_MS, follow } from '../follow.ts'
import { Painter } from '../painter.ts'
import { chooseProvider } from '../providers.ts'
import { RecordingState, recordOf, shortPath } from '../recording.ts'
import { amount } from '../rows.ts'
import { Run } from '../run.ts'
import { countEvents, summary } from '../summary.ts'
import {
  bannerOf,
  checkFlags,
  conclude,
  requestOf,
  resolveConfig,
  type StreamFlags,
} from './stream.ts'

/** Time between two looks at how it goes, ms. */
const LOOK_MS = 500

export interface RecordFlags extends StreamFlags {
  readonly tape?: string
}

/**
 * `tickwire record`: writes what comes to a tape on disk, and shows nothing but how it goes. Ends with an error where
 * it cannot be recorded. Resolves with the exit code.
 */
export async function record(
  words: readonly string[],
  flags: RecordFlags,
  around: Surroundings,
): Promise<number> {
  const screen = screenOf(around)
  const config = resolveConfig(around, flags)
  const chosen = chooseProvider(config, {})
  checkFlags(chosen, flags)
  const { capabilities } = chosen.provider
  const request = requestOf(words, flags, config, chosen, { kinds: ['trades', 'quotes'] })

  const run = new Run()
  const log = createLog(config, around.env)
  const where = recordOf(config, flags.tape, around)
  const folder = shortPath(where.folder, around.cwd)
  const app = await openApp({
    ...{ provider: chosen.provider, tapeCapacity: config.tape.capacity },
    ...{ record: where, ackTimeoutMs: CONNECT_MS, log },
  })
  const { feed, tape } = app
  const recording = new RecordingState(app, folder)
  const banner = bannerOf(capabilities)
  const startedAt = performance.now()
  const limit = flags.limit ?? Number.POSITIVE_INFINITY
  const arrived = countEvents(feed, run.signal)
  const painter = screen.tty ? new Painter(text => process.stdout.write(text)) : undefined
  let word = ''
  const tell = (line: string) => {
    if (painter) word = line
    else say(line)
  }
  const paint = () => {
    const behind = tape.end.seq - tape.written.seq
    const state = behind > 10_000 ? ` · ${amount(behind)} not written yet` : ''
    painter?.paint([
      ...(banner ? [banner] : []),
      `${recording.title} · ${amount(arrived())} events${state} · Ctrl-C ends`,
      word,
    ])
  }
  const looking = setInterval(paint, LOOK_MS)
  feed.pipe({
    append: () => {
      if (arrived() >= limit) run.done()
    },
  })
  watchTape(app.tape, recording, run.signal, tell).catch(error => run.fail(error))
  if (!painter) say(`recording to ${folder}`)
  follow(feed, run, {
    ...{ request, label: chosen.label, durationMs: flags.duration, say: tell, log },
    shown: arrived,
    connected: () => {
      if (banner && !painter) say(banner)
    },
  })

  const ending = await run.ended
  clearInterval(looking)
  const stats = feed.stats()
  const elapsedMs = performance.now() - startedAt
  const count = arrived()
  await app.close()
  paint()
  painter?.close()
  const { failure } = recording
  const summarize = () =>
    `${summary('events', count, elapsedMs, stats, 0)}; ${recording.outcome}, up to number ${tape.end.seq}`
  return conclude(
    failure && ending.type !== 'error' ? { type: 'error', error: failure } : ending,
    flags.debug ?? false,
    summarize,
  )
}

/** Says what the tape has to say of itself. */
async function watchTape(
  tape: Awaited<ReturnType<typeof openApp>>['tape'],
  recording: RecordingState,
  signal: AbortSignal,
  tell: (line: string) => void,
): Promise<void> {
  const topics = [] as const
  for await (const events of tape.read({ topics, signal })) {
    for (const event of events) {
      if (event.type !== 'notice') continue
      recording.hear(event)
      if (event.notice === 'unrecorded' || event.notice === 'lost') tell(event.message)
    }
  }
}
