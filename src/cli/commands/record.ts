import { openApp } from '../../app/app.ts'
import type { Surroundings } from '../config.ts'
import { createLog, say, screenOf } from '../console.ts'
import { bannerOfAll, chooseFeeds, statsOf } from '../feeds.ts'
import { followAll } from '../follow-all.ts'
import { Painter } from '../painter.ts'
import { RecordingState, recordOf, shortPath } from '../recording.ts'
import { amount } from '../rows.ts'
import { Run } from '../run.ts'
import { countEvents, summary } from '../summary.ts'
import { conclude, resolveConfig, type StreamFlags } from './stream.ts'

/** Time between two looks at how it goes, ms. */
const LOOK_MS = 500

export interface RecordFlags extends StreamFlags {
  readonly tape?: string
}

/**
 * `tickwire record`: writes what comes to a tape on disk, and nothing to the store; shows nothing but how it goes. Ends with an error where
 * it cannot be recorded. Resolves with the exit code.
 */
export async function record(
  words: readonly string[],
  flags: RecordFlags,
  around: Surroundings,
): Promise<number> {
  const screen = screenOf(around)
  const config = resolveConfig(around, flags)
  let word = ''
  const painter = screen.tty ? new Painter(text => process.stdout.write(text)) : undefined
  const tell = (line: string) => {
    if (painter) word = line
    else say(line)
  }
  const feeds = chooseFeeds(words, flags, config, { kinds: ['trades', 'quotes'], told: tell })

  const run = new Run()
  const log = createLog(config, around.env)
  const where = recordOf(config, flags.tape, around)
  const folder = shortPath(where.folder, around.cwd)
  const app = await openApp({
    ...{ feeds: feeds.map(feed => feed.app), tapeCapacity: config.tape.capacity },
    ...{ record: where, log },
  })
  const { tape } = app
  const recording = new RecordingState(app, folder)
  const banner = () => bannerOfAll(feeds)
  const startedAt = performance.now()
  const limit = flags.limit ?? Number.POSITIVE_INFINITY
  const counts = app.feeds.map(feed => countEvents(feed, run.signal))
  const arrived = () => counts.reduce((sum, count) => sum + count(), 0)
  const paint = () => {
    const line = banner()
    const behind = tape.end.seq - tape.written.seq
    const state = behind > 10_000 ? ` · ${amount(behind)} not written yet` : ''
    painter?.paint([
      ...(line ? [line] : []),
      `${recording.title} · ${amount(arrived())} events${state} · Ctrl-C ends`,
      word,
    ])
  }
  const looking = setInterval(paint, LOOK_MS)
  for (const feed of app.feeds) {
    feed.pipe({
      append: () => {
        if (arrived() >= limit) run.done()
      },
    })
  }
  watchTape(app.tape, recording, run.signal, tell).catch(error => run.fail(error))
  if (!painter) say(`recording to ${folder}`)
  followAll(feeds, app.feeds, run, {
    ...{ durationMs: flags.duration, say: tell, log, shown: arrived },
    connected: () => {
      const line = banner()
      if (line && !painter) say(line)
    },
  })

  const ending = await run.ended
  clearInterval(looking)
  const stats = statsOf(app.feeds)
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
