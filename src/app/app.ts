import { type Clock, systemClock } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import { type Log, stderrLog } from '../base/log.ts'
import { type Feed, type FeedOptions, openFeed, type Resume } from '../feed/feed.ts'
import type { Provider } from '../feed/provider.ts'
import { REPAIR_DEFAULTS, type RepairOptions } from '../feed/repair.ts'
import type { Checkpoint } from '../flow/contracts.ts'
import { createEvent, type MarketEvent, type Notice } from '../market/events.ts'
import { type FileTape, openFileTape } from '../tape/file/file.ts'
import type { Retention } from '../tape/file/retention.ts'
import { memoryTape } from '../tape/memory.ts'
import type { Tape } from '../tape/tape.ts'
import { LedgerFile } from './ledger-file.ts'

export interface AppConfig {
  readonly provider: Provider
  /** Events the tape keeps in memory. @default 131072 */
  readonly tapeCapacity?: number
  /** Where to record. @default nowhere: the tape is in memory and ends with the process */
  readonly record?: RecordConfig
  /** @default the feed's own */
  readonly ackTimeoutMs?: number
  /** How the feed keeps itself alive and whole; it resumes by what the tape has. @default the feed's own */
  readonly feed?: Omit<FeedOptions, 'resume'>
  /** @default the machine's */
  readonly clock?: Clock
  readonly log?: Log
}

export interface RecordConfig {
  readonly folder: string
  readonly retention?: Retention
  /**
   * Whether the app is to open without a tape on disk where there can be none: the stream goes on in memory under an
   * `unrecorded` notice. Otherwise that is an error.
   * @default false
   */
  readonly optional?: boolean
}

/** The running product: a feed that fills a tape, which everything else reads. */
export interface App extends AsyncDisposable {
  readonly feed: Feed
  readonly tape: Tape
  /** How far each (source, symbol, kind) had been recorded when the app was opened. */
  readonly checkpoints: readonly Checkpoint[]
  /** Why nothing is recorded although it was to be. */
  readonly unrecorded: TickwireError | undefined
  /** Whether what comes now is recorded: false without `record`, and while the disk takes nothing. */
  readonly isRecording: boolean
  /** How many events of this run, notices included, are not on the disk although they were to be. */
  readonly unrecordedEvents: number
  /** Ends the feed, then the tape, so that readers see everything that came. May be called twice. */
  close(): Promise<void>
}

/**
 * Wires provider, feed and tape. Nothing is connected before the feed's first subscription.
 * @throws TAPE_IN_USE TAPE_UNWRITABLE TAPE_TOO_NEW where it cannot record and is not to go on without
 */
export async function openApp(config: AppConfig): Promise<App> {
  const { provider, ackTimeoutMs, clock, log } = config
  const { tape, file, unrecorded } = await openTape(config)
  const { checkpoints = [] } = file ?? {}
  const options: FeedOptions = {
    ...(log && { log }),
    ...(clock && { clock }),
    ...(ackTimeoutMs !== undefined && { ackTimeoutMs }),
    ...config.feed,
    // Without a history there is nothing to fill a hole from, so nothing to look back for.
    ...(provider.history && { resume: await resumeOf(tape, checkpoints, config.feed?.repair) }),
  }
  const feed = openFeed(provider, options)
  feed.pipe(tape)
  const account = config.record && !unrecorded && (await openAccount(config.record.folder, log))
  if (account) feed.pipe(account.ledger)
  const close = async () => {
    await feed.close()
    if (account) await account.close()
    await tape.close()
  }
  return {
    ...{ feed, tape, checkpoints, unrecorded, close },
    get isRecording() {
      return file?.isRecording ?? false
    },
    get unrecordedEvents() {
      return file ? file.unrecorded : unrecorded ? tape.end.seq : 0
    },
    [Symbol.asyncDispose]: close,
  }
}

/** Events of before that a feed is handed at a start: it remembers about as many itself. */
const MOST_RECENT = 131_072

/** The ledger beside a tape; one that cannot be read is left alone, and nothing is kept account of. */
async function openAccount(folder: string, log: Log = stderrLog): Promise<LedgerFile | undefined> {
  try {
    return await LedgerFile.open(folder, log)
  } catch (error) {
    log.warn({ error: asError(error).message }, 'no account is kept: the ledger cannot be read')
    return undefined
  }
}

/**
 * What a feed has to know of an earlier process to go on behind it: how far that had come, and what it recorded last, by
 * which the feed tells what it has had.
 */
export async function resumeOf(
  tape: Tape,
  checkpoints: readonly Checkpoint[],
  repair: RepairOptions = {},
): Promise<Resume> {
  const newest = checkpoints.reduce((most, one) => Math.max(most, one.timestamp), 0)
  if (newest === 0) return { checkpoints, recent: [], recentSince: Number.NEGATIVE_INFINITY }
  const { overlapMs, giveUpMs, maxSpanMs } = { ...REPAIR_DEFAULTS, ...repair }
  // A hole that was being filled may still be open, as long as it is tried.
  const recent = await lastEvents(tape, newest - giveUpMs - overlapMs)
  const gaps = recent.events.filter(isGap).filter(({ from }) => from > newest - maxSpanMs)
  const earliest = gaps.reduce((least, { from }) => Math.min(least, from), newest)
  const enough = earliest - overlapMs >= recent.since
  const { events, since } = enough ? recent : await lastEvents(tape, earliest - overlapMs)
  const isWhole = tape.start.seq === 0 && events[0]?.seq === 1
  return {
    checkpoints: checkpoints.map(one => before(one, gaps)),
    recent: events,
    recentSince: isWhole ? Number.NEGATIVE_INFINITY : since,
  }
}

/** The last events received since a time, at most {@link MOST_RECENT}, and since when they are complete. */
async function lastEvents(
  tape: Tape,
  time: number,
): Promise<{ readonly events: MarketEvent[]; readonly since: number }> {
  let events: MarketEvent[] = []
  let since = time
  for await (const batch of tape.read({ from: { time }, live: false })) {
    events.push(...batch)
    if (events.length <= 2 * MOST_RECENT) continue
    events = events.slice(-MOST_RECENT)
    since = events[0]!.receivedAt
  }
  return { events, since }
}

type Gap = Notice & { readonly from: number }
const isGap = (event: MarketEvent): event is Gap =>
  event.type === 'notice' && event.notice === 'gap' && event.from !== undefined

/** Live events may have passed a hole that was never closed: then all since its beginning is to be looked at again. */
function before(checkpoint: Checkpoint, gaps: readonly Gap[]): Checkpoint {
  const { source, kind, symbol } = checkpoint.topic
  let { timestamp, nanos } = checkpoint
  for (const gap of gaps) {
    const isOther = gap.symbol !== undefined && gap.symbol !== symbol
    if (gap.source !== source || gap.kind !== kind || isOther || gap.from >= timestamp) continue
    ;[timestamp, nanos] = [gap.from, 0]
  }
  return { topic: checkpoint.topic, timestamp, nanos }
}

interface OpenTape {
  readonly tape: Tape
  /** The same, where it is on disk. */
  readonly file?: FileTape
  readonly unrecorded?: TickwireError
}

async function openTape({ tapeCapacity, record, clock, log }: AppConfig): Promise<OpenTape> {
  const size = {
    ...(tapeCapacity !== undefined && { capacity: tapeCapacity }),
    ...(clock && { clock }),
  }
  if (!record) return { tape: memoryTape(size) }
  const { folder, retention = {}, optional = false } = record
  try {
    const file = await openFileTape({ folder, retention, ...size, ...(log && { log }) })
    return { tape: file, file }
  } catch (error) {
    if (!optional || !(error instanceof TickwireError)) throw error
    const tape = memoryTape(size)
    const now = (clock ?? systemClock()).now()
    const time = { timestamp: Math.floor(now), receivedAt: now }
    const { code, message } = error
    tape.append([createEvent({ type: 'notice', notice: 'unrecorded', ...time, code, message })])
    return { tape, unrecorded: error }
  }
}
