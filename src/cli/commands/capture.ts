import { resolve } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import { webSockets } from '../../base/socket.ts'
import { openFeed } from '../../feed/feed.ts'
import { chooseFeed } from '../../providers/alpaca/feeds.ts'
import { CaptureWriter } from '../../tape/capture.ts'
import { captureSockets } from '../../tape/capture-sockets.ts'
import type { Surroundings } from '../config.ts'
import { createLog, say } from '../console.ts'
import { CONNECT_MS, follow } from '../follow.ts'
import { chooseProvider } from '../providers.ts'
import { Run } from '../run.ts'
import { summary } from '../summary.ts'
import type { Origin } from './frames.ts'
import {
  bannerOf,
  checkFlags,
  conclude,
  requestOf,
  resolveConfig,
  type StreamFlags,
} from './stream.ts'

export interface CaptureFlags extends StreamFlags {
  readonly out?: string
}

/**
 * `tickwire capture`: keeps the venue's own frames, with the times they came, as they were before anything of ours
 * looked at them. Resolves with the exit code.
 */
export async function capture(
  words: readonly string[],
  flags: CaptureFlags,
  around: Surroundings,
): Promise<number> {
  const config = resolveConfig(around, flags)
  // Looked at before the file is made: a mistake shall leave none behind.
  const checked = chooseProvider(config, {})
  checkFlags(checked, flags)
  if (checked.name === 'simulated') {
    throw new TickwireError('UNSUPPORTED', 'the simulated market sends no frames', {
      hint: 'Capture a venue; `tickwire sim` is one on this machine. `tickwire record` keeps events.',
    })
  }
  const request = requestOf(words, flags, config, checked, { kinds: ['trades', 'quotes'] })
  const run = new Run()
  const log = createLog(config, around.env)
  const { name } = checked
  const moment = new Date().toISOString().replace(/\D/g, '').slice(0, 14)
  const file = flags.out ?? `${name}-${moment}.capture`
  const { market } = config.alpaca
  const part = market === 'news' ? {} : { feed: chooseFeed(market, config.alpaca.feed) }
  const origin: Origin = { provider: name, market, ...part, request }
  const writer = await CaptureWriter.create(
    resolve(around.cwd, file),
    { ...origin },
    systemClock(),
    error => run.fail(error),
  )
  const chosen = chooseProvider(config, {
    openSocket: captureSockets(writer, webSockets(config.reachedBy)),
  })
  const feed = openFeed(chosen.provider, { log, ackTimeoutMs: CONNECT_MS })
  const startedAt = performance.now()
  const limit = flags.limit ?? Number.POSITIVE_INFINITY
  let count = 0
  feed.raw(() => {
    if (++count >= limit) run.done()
  })
  follow(feed, run, {
    ...{ request, label: chosen.label, durationMs: flags.duration, say, log },
    shown: () => count,
    connected: () => {
      const banner = bannerOf(chosen.provider.capabilities)
      if (banner) say(banner)
      say(`capturing to ${file}`)
    },
  })
  const ending = await run.ended
  const stats = feed.stats()
  const elapsedMs = performance.now() - startedAt
  await feed.close()
  await writer.close()
  const summarize = () => `${summary('frames', count, elapsedMs, stats, 0)}; in ${file}`
  return conclude(ending, flags.debug ?? false, summarize)
}
