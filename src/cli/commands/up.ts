import { openApp } from '../../app/app.ts'
import type { Tape } from '../../tape/tape.ts'
import { Accounts } from '../accounts.ts'
import { Board } from '../board.ts'
import { liveBots, startBots } from '../bots.ts'
import { type Config, type Surroundings, surroundings } from '../config.ts'
import { createLog, describeError, say, screenOf } from '../console.ts'
import { bannerOfAll, chooseFeeds, requestOfAll, statsOf, titleOf } from '../feeds.ts'
import { followAll } from '../follow-all.ts'
import { Losses } from '../losses.ts'
import { Painter } from '../painter.ts'
import { dataFolder, RecordingState, recordOf, StoringState, shortPath } from '../recording.ts'
import { onHangup, Reloader } from '../reloading.ts'
import { amount } from '../rows.ts'
import { Run } from '../run.ts'
import { ServersState, serversOf } from '../servers.ts'
import { gatewayOf, type Listen, type PortFlags, ServingState } from '../serving.ts'
import { countEvents, summary } from '../summary.ts'
import { confirmLive } from './bot-account.ts'
import { conclude, lineWriter, outputOf, resolveConfig, type StreamFlags } from './stream.ts'

/** Time between two pictures, ms. */
const PAINT_MS = 250
/** Time between two looks at how far the reader is behind, ms. */
const LOOK_MS = 1_000
/** How long a word of the engine stands at the foot, ms. */
const WORD_MS = 8_000
/** Names of sources may take so much of a line, where there are several. */
const NAME_WIDTH = 18

export interface UpFlags extends StreamFlags {
  readonly tape?: string
  readonly data?: string
  /** False: in memory only, neither recorded nor stored. */
  readonly record?: boolean
  /** Bots whose orders move money start without a question. */
  readonly yes?: boolean
}

/**
 * `tickwire up`: runs the engine, providers → feeds → tape → store, answers other commands about what it has, and shows
 * what a reader of the tape sees: a live table on a terminal, lines as `stream` writes them elsewhere. With `isServing`
 * others read along at a gateway. Resolves with the exit code.
 */
export async function up(
  words: readonly string[],
  flags: UpFlags & PortFlags & { readonly listen?: Listen },
  around: Surroundings,
  isServing = false,
): Promise<number> {
  const screen = screenOf(around)
  const resolved = resolveConfig(around, flags)
  const config = flags.data === undefined ? resolved : { ...resolved, data: flags.data }
  // Heard before there is a screen to show it on.
  let tell = say
  const told = (line: string) => tell(line)
  const choose = (of: Config) =>
    chooseFeeds(words, flags, of, {
      ...{ kinds: ['trades', 'quotes'], fallback: 'simulated', someSymbols: true, told },
    })
  const feeds = choose(config)
  const withMoney = liveBots(config)
  if (withMoney.length > 0) await confirmLive(withMoney.join(', '), flags.yes)
  const run = new Run()
  const log = createLog(config, around.env)
  const data = dataFolder(config, undefined, around)
  const record = flags.record === false ? undefined : recordOf(config, flags.tape, around)
  const gateway = isServing ? gatewayOf(config, flags, around) : undefined
  const accounts = new Accounts(config, data, around, told)
  const app = await openApp({
    ...{ feeds: feeds.map(feed => feed.app), tapeCapacity: config.tape.capacity, log, accounts },
    ...(gateway && { gateway }),
    ...(record && {
      record: { ...record, optional: true },
      store: { folder: data, told },
      servers: serversOf(config),
    }),
  })
  const recording = record && new RecordingState(app, shortPath(record.folder, around.cwd))
  const storing = record && new StoringState(app, shortPath(data, around.cwd))
  const servers = new ServersState(app)
  const place = record && app.isRecording ? { folder: data, tape: record.folder } : undefined
  const bots = startBots(config, place, around, told, accounts)
  const serving = gateway && new ServingState(app, gateway)
  if (gateway) {
    const read = () => {
      const now = surroundings()
      const next = { ...resolveConfig(now, flags), data: config.data }
      return { config: next, feeds: choose(next), gateway: gatewayOf(next, flags, now) }
    }
    const reloader = new Reloader(app, { config, feeds, gateway }, read, line => tell(line))
    onHangup(screen.tty, run.signal, () => reloader.reload())
  }
  const output = outputOf(run)
  const banner = () => bannerOfAll(feeds)
  const startedAt = performance.now()
  const limit = flags.limit ?? Number.POSITIVE_INFINITY
  const live = screen.tty && !flags.json
  const isKeyless = !config.provider && feeds[0]!.chosen.name === 'simulated'
  const tip = isKeyless && config.each.length === 0 ? KEYLESS : ''
  let word = { text: 'connecting …', until: Number.POSITIVE_INFINITY }
  let count = 0
  let skipped = 0
  tell = (line: string) => {
    if (live) word = { text: line, until: performance.now() + WORD_MS }
    else say(line)
  }

  const request = requestOfAll(feeds)
  const isOne = feeds.length === 1
  const named = (symbol: string, source: string) => (isOne ? symbol : `${symbol} ${source}`)
  const names = feeds.flatMap(feed =>
    Object.values(feed.request)
      .flat()
      .flatMap(symbol => (symbol === '*' ? [] : named(upper(symbol), feed.source))),
  )
  const board = new Board([...new Set(names)], isOne ? undefined : NAME_WIDTH)
  const line = lineWriter(screen, flags.json ?? false, banner, request)
  const painter = new Painter(text => process.stdout.write(text))
  let painted = { count: 0, at: startedAt }
  const paintNow = () => {
    const at = performance.now()
    const rate = at > painted.at ? ((count - painted.count) / (at - painted.at)) * 1_000 : 0
    painted = { count, at }
    const speed = `${Math.round(rate).toLocaleString('en-US')} events/s`
    const what = [titleOf(feeds), speed]
    const tape = recording ? [recording.title] : []
    const alarm = [...(storing?.alarm === undefined ? [] : [storing.alarm]), ...servers.alarms]
    // What is not recorded or stored must not be cut off at the right.
    const parts = app.isRecording ? [...alarm, ...what, ...tape] : [...tape, ...what]
    const title = ['tickwire', ...parts, 'Ctrl-C ends'].join(' · ')
    const said = at < word.until ? [word.text] : tip ? [tip] : []
    painter.paint(
      board.render({
        colors: screen.colors,
        width: screen.width(),
        height: screen.height(),
        now: Date.now(),
        banner: banner(),
        title,
        foot: [
          ...[...said, ...(storing ? [storing.foot] : []), ...servers.feet],
          ...(serving ? [serving.foot] : []),
          ...(bots.foot === undefined ? [] : [bots.foot]),
        ],
      }),
    )
  }

  const losses = new Losses(tell)
  const counts = app.feeds.map(feed => countEvents(feed, run.signal))
  const arrived = () => counts.reduce((sum, count) => sum + count(), 0)
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
      if (live) board.add(event, event.symbol && named(event.symbol, event.source))
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
  followAll(feeds, app.feeds, run, {
    ...{ durationMs: flags.duration, say: line => tell(line), log, losses, shown: () => count },
    connected: () => {
      const words = banner()
      if (words && !live) say(words)
      if (tip && !live) say(tip)
      if (recording && app.isRecording && !live) say(recording.title)
      if (storing && app.keeper && !storing.alarm && !live) say(storing.line)
      if (!live) for (const line of servers.lines) say(line)
      if (serving && !live) for (const line of serving.lines) say(line)
    },
  })

  const ending = await run.ended
  clearInterval(looking)
  clearInterval(painting)
  const stats = statsOf(app.feeds)
  const elapsedMs = performance.now() - startedAt
  // What was recorded is not lost for not having been shown.
  const unseen = arrived() - count
  const sated = count >= limit || output.gone
  await bots.close()
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
    const kept = [storing?.outcome, ...servers.outcomes].join('; ')
    return `${line}; ${recording.outcome}${note}; ${kept}`
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
