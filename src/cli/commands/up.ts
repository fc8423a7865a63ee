import { openApp } from '../../app/app.ts'
import type { Tape } from '../../tape/tape.ts'
import { Board } from '../board.ts'
import type { Surroundings } from '../config.ts'
import { createLog, describeError, say, screenOf } from '../console.ts'
import { CONNECT_MS, follow } from '../follow.ts'
import { Losses } from '../losses.ts'
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
  lineWriter,
  outputOf,
  requestOf,
  resolveConfig,
  type StreamFlags,
} from './stream.ts'

/** Time between two pictures, ms. */
const PAINT_MS = 250
/** Time between two looks at how far the reader is behind, ms. */
const LOOK_MS = 1_000
/** How long a word of the engine stands at the foot, ms. */
const WORD_MS = 8_000
/** Without a list of symbols, from a real venue: few enough for a free plan. */
const LIVE_SYMBOLS = ['SPY', 'TSLA', 'AAPL']

export interface UpFlags extends StreamFlags {
  readonly tape?: string
  /** False: in memory only. */
  readonly record?: boolean
}

/**
 * `tickwire up`: runs the engine, provider → feed → tape, and shows what a reader of the tape sees: a live table
 * on a terminal, lines as `stream` writes them elsewhere. Resolves with the exit code.
 */
export async function up(
  words: readonly string[],
  flags: UpFlags,
  around: Surroundings,
): Promise<number> {
  const screen = screenOf(around)
  const config = resolveConfig(around, flags)
  const chosen = chooseProvider(config, { fallback: 'simulated' })
  checkFlags(chosen, flags)
  const { capabilities } = chosen.provider
  const request = requestOf(words, flags, config, chosen, {
    kinds: ['trades', 'quotes'],
    symbols: capabilities.symbols ?? LIVE_SYMBOLS,
  })

  const run = new Run()
  const log = createLog(config, around.env)
  const record = flags.record === false ? undefined : recordOf(config, flags.tape, around)
  const app = await openApp({
    provider: chosen.provider,
    tapeCapacity: config.tape.capacity,
    ...(record && { record: { ...record, optional: true } }),
    ackTimeoutMs: CONNECT_MS,
    log,
  })
  const recording = record && new RecordingState(app, shortPath(record.folder, around.cwd))
  const output = outputOf(run)
  const banner = bannerOf(capabilities)
  const startedAt = performance.now()
  const limit = flags.limit ?? Number.POSITIVE_INFINITY
  const live = screen.tty && !flags.json
  const tip = !config.provider && chosen.name === 'simulated' ? KEYLESS : ''
  let word = { text: 'connecting …', until: Number.POSITIVE_INFINITY }
  let count = 0
  let skipped = 0
  const tell = (line: string) => {
    if (live) word = { text: line, until: performance.now() + WORD_MS }
    else say(line)
  }

  const symbols = Object.values(request).flat()
  const board = new Board([...new Set(symbols)].filter(symbol => symbol !== '*').map(upper))
  const line = lineWriter(screen, flags.json ?? false, banner, request)
  const painter = new Painter(text => process.stdout.write(text))
  let painted = { count: 0, at: startedAt }
  const paintNow = () => {
    const at = performance.now()
    const rate = at > painted.at ? ((count - painted.count) / (at - painted.at)) * 1_000 : 0
    painted = { count, at }
    const speed = `${Math.round(rate).toLocaleString('en-US')} events/s`
    const tape = recording ? [recording.title] : []
    // What is not recorded must not be cut off at the right.
    const parts = app.isRecording
      ? [capabilities.title, speed, ...tape]
      : [...tape, capabilities.title, speed]
    const title = ['tickwire', ...parts, 'Ctrl-C ends'].join(' · ')
    painter.paint(
      board.render({
        colors: screen.colors,
        width: screen.width(),
        height: screen.height(),
        now: Date.now(),
        banner,
        title,
        foot: at < word.until ? word.text : tip,
      }),
    )
  }

  const losses = new Losses(tell)
  const arrived = countEvents(app.feed, run.signal)
  let inHand = 0
  const reading = readTape(app.tape, run.signal, async events => {
    inHand = events.length
    for (const event of events) {
      if (run.signal.aborted) return
      inHand--
      if (event.type === 'notice') {
        recording?.hear(event)
        if (event.notice === 'skipped') skipped += event.count ?? 0
        if (event.notice === 'unrecorded' || event.notice === 'lost') tell(event.message)
        continue
      }
      if (++count === limit) run.done()
      if (live) board.add(event)
      else {
        const wait = output.put(line(event))
        if (wait) await wait
      }
    }
  })
  reading.catch(error => run.fail(error))
  // The tape tells of a hole when its reader comes back; one that is stuck would never hear of it.
  const looking = setInterval(() => {
    const { start, end } = app.tape
    losses.reach(arrived() - count - inHand - (end.seq - start.seq))
  }, LOOK_MS)
  if (app.unrecorded) for (const text of describeError(app.unrecorded, false).split('\n')) say(text)
  const painting = live ? setInterval(paintNow, PAINT_MS) : undefined
  follow(app.feed, run, {
    request,
    label: chosen.label,
    durationMs: flags.duration,
    say: tell,
    log,
    losses,
    shown: () => count,
    connected: () => {
      if (banner && !live) say(banner)
      if (tip && !live) say(tip)
      if (recording && app.isRecording && !live) say(recording.title)
    },
  })

  const ending = await run.ended
  clearInterval(looking)
  clearInterval(painting)
  const stats = app.feed.stats()
  const elapsedMs = performance.now() - startedAt
  // What was recorded is not lost for not having been shown.
  const unseen = arrived() - count
  const sated = count >= limit || output.gone
  await app.close()
  if (live && count > 0) paintNow()
  painter.close()
  await output.flush()
  const summarize = () => {
    const lost = recording ? Math.min(unseen, app.unrecordedEvents) : unseen
    const dropped = sated ? skipped : Math.max(skipped, lost)
    const line = summary('events', count, elapsedMs, stats, dropped)
    if (!recording) return line
    if (app.unrecorded) return `${line}; ${recording.title}`
    const rest = count < limit ? unseen - dropped : 0
    const note = rest > 0 ? ` (${amount(rest)} of them not shown)` : ''
    return `${line}; ${recording.outcome}${note}`
  }
  return conclude(ending, flags.debug ?? false, summarize, output)
}

const KEYLESS = 'no key set, so this market is simulated; `tickwire init` sets up a real one'
const upper = (symbol: string) => symbol.toUpperCase()

async function readTape(
  tape: Tape,
  signal: AbortSignal,
  take: (events: Parameters<Tape['append']>[0]) => Promise<void>,
): Promise<void> {
  for await (const events of tape.read({ signal })) await take(events)
}
