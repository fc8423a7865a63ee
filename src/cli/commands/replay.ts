import { TickwireError } from '../../base/errors.ts'
import { openFeed, type SubscribeRequest } from '../../feed/feed.ts'
import { hasFlag, type MarketEvent, type Notice } from '../../market/events.ts'
import { ANY } from '../../market/topics.ts'
import { replay as replayTape } from '../../providers/replay/provider.ts'
import { followFileTape } from '../../tape/file/follow.ts'
import { loadConfig, type Surroundings } from '../config.ts'
import { createLog, say, screenOf } from '../console.ts'
import { parseSymbols } from '../flags.ts'
import { hasKeys, readKeys } from '../keys.ts'
import { tapeFolder } from '../recording.ts'
import { press } from '../replay-keys.ts'
import { Run } from '../run.ts'
import { KINDS, type Kind } from '../schema.ts'
import type { Listen } from '../serving.ts'
import { summary } from '../summary.ts'
import { serveReplay } from './replay-serve.ts'
import { bannerOf, conclude, lineWriter, outputOf } from './stream.ts'

export interface ReplayFlags {
  readonly tape?: string
  readonly from?: number
  readonly to?: number
  readonly speed: number
  readonly paused?: boolean
  readonly kinds?: readonly Kind[]
  readonly maxQuiet?: number
  /** For others to read, instead of printing it. */
  readonly listen?: Listen
  readonly limit?: number
  readonly json?: boolean
  readonly config?: string
  readonly debug?: boolean
}

/**
 * `tickwire replay`: prints a tape, or a part of it, as `stream` prints what is live. On a terminal keys stop it, step
 * it, seek and change its speed. Resolves with the exit code.
 */
export async function replay(
  words: readonly string[],
  flags: ReplayFlags,
  around: Surroundings,
): Promise<number> {
  const screen = screenOf(around)
  if (flags.paused && !flags.listen && !hasKeys()) {
    throw new TickwireError('BAD_OPTION', '--paused waits for a key, and there is no terminal', {
      hint: 'Leave it out, or run it on a terminal.',
    })
  }
  const config = loadConfig(around, { file: flags.config })
  const symbols = parseSymbols(words) ?? [ANY]
  const tape = await followFileTape({ folder: tapeFolder(config, flags.tape, around) })
  const { from, to, speed, paused = false, maxQuiet } = flags
  const provider = replayTape({
    ...{ tape, speed, paused },
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    ...(maxQuiet !== undefined && { maxQuietMs: maxQuiet }),
  })

  if (flags.listen) {
    const { listen, debug = false } = flags
    return serveReplay({ provider, tape, listen, config, debug }, around)
  }
  const run = new Run()
  const output = outputOf(run)
  const feed = openFeed(provider, { log: createLog(config, around.env), leases: false })
  const kinds = flags.kinds ?? KINDS
  const request: SubscribeRequest = Object.fromEntries(kinds.map(kind => [kind, symbols]))
  const banner = bannerOf(provider.capabilities)
  if (banner && (!screen.tty || flags.json)) say(banner)
  const line = lineWriter(screen, flags.json ?? false, banner, request)
  const limit = flags.limit ?? Number.POSITIVE_INFINITY
  const startedAt = performance.now()
  let count = 0
  const show = (event: MarketEvent) => {
    if (run.signal.aborted) return
    if (event.type === 'notice') return tell(event)
    if (++count >= limit) run.done()
    return output.put(line(event))
  }
  feed.on('*', show, { name: 'standard output' })
  const keys = readKeys(run.signal, key => press(key, provider, { say, quit: () => run.done() }))
  if (keys) say('space pauses · → steps · + - speed · [ ] a minute back or on · q ends')
  feed.done.then(
    () => run.done(),
    error => run.fail(error),
  )
  feed.subscribe(request).catch(error => run.fail(error))

  const ending = await run.ended
  const stats = feed.stats()
  const elapsedMs = performance.now() - startedAt
  await feed.close()
  await tape.close()
  await output.flush()
  if (count === 0 && ending.type === 'done') {
    say('none of that is on the tape; `tickwire tape info` shows what is')
  }
  const dropped = stats.readers.reduce((sum, reader) => sum + reader.dropped, 0)
  const summarize = () => summary('events', count, elapsedMs, stats, dropped)
  return conclude(ending, flags.debug ?? false, summarize, output)
}

/** What the recording says of itself, and what is missing in it; the replay's own connection is nobody's concern. */
function tell(notice: Notice): void {
  if (hasFlag(notice, 'replayed')) say(`recorded: ${notice.message}`)
  else if (notice.notice === 'lost' || notice.notice === 'lagging') say(notice.message)
}
