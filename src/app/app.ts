import { join } from 'node:path'
import { type Clock, systemClock } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import { type Log, stderrLog } from '../base/log.ts'
import { type Feed, type FeedOptions, openFeed } from '../feed/feed.ts'
import type { Provider } from '../feed/provider.ts'
import type { Checkpoint } from '../flow/contracts.ts'
import type { AccountsView } from '../gateway/context.ts'
import { createEvent } from '../market/events.ts'
import { openStore } from '../store/embedded.ts'
import { type FileTape, openFileTape } from '../tape/file/file.ts'
import type { Retention } from '../tape/file/retention.ts'
import { memoryTape } from '../tape/memory.ts'
import type { Tape } from '../tape/tape.ts'
import { type Control, type Owner, openControl } from './control.ts'
import { failureOf, type OwnerStatus } from './control-wire.ts'
import { type AppGateway, type GatewayConfig, openAppGateway } from './gateway.ts'
import { type OpenStore, StoreKeeper } from './keeper.ts'
import { LedgerFile } from './ledger-file.ts'
import { resumeOf } from './resume.ts'
import { keepServers, type ServerStore, type ServersConfig } from './stores.ts'

export interface AppConfig {
  /** Their sources have different names. */
  readonly feeds: readonly AppFeed[]
  /** Events the tape keeps in memory. @default 131072 */
  readonly tapeCapacity?: number
  /** Where to record. @default nowhere: the tape is in memory and ends with the process */
  readonly record?: RecordConfig
  /** Where to store what is recorded, and to answer questions about it. @default nowhere */
  readonly store?: StoreConfig
  /** Servers it is brought to as well, where it is recorded. @default none */
  readonly servers?: ServersConfig
  /** Where other processes read along. @default nowhere */
  readonly gateway?: GatewayConfig
  /** Accounts at brokers that the gateway shows and can stop. @default none */
  readonly accounts?: AccountsView
  /** @default the machine's */
  readonly clock?: Clock
  readonly log?: Log
}

/** A provider, and how its feed keeps itself alive and whole; it resumes by what the tape has. @default the feed's own */
export interface AppFeed extends Omit<FeedOptions, 'resume'> {
  readonly provider: Provider
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

export interface StoreConfig {
  /** The data folder: the store is in `store/` below it, and the socket by which other processes ask. */
  readonly folder: string
  /** Hears, in a sentence, when nothing can be stored or asked and when it goes on. */
  readonly told?: (line: string) => void
  /** Another store. @default the embedded one */
  readonly open?: OpenStore
}

/** The running product: feeds that fill a tape, which everything else reads. */
export interface App extends AsyncDisposable {
  /** In the order of the configuration. */
  readonly feeds: readonly Feed[]
  readonly tape: Tape
  /** What follows the tape into the store; none without `store`, or where nothing is recorded. */
  readonly keeper: StoreKeeper | undefined
  /** The servers that what is recorded is brought to; none where nothing is recorded. */
  readonly servers: readonly ServerStore[]
  /** The socket other processes ask at, if there is one. */
  readonly controlPath: string | undefined
  /** Where others read along, if it was to be. */
  readonly gateway: AppGateway | undefined
  /** How far each (source, symbol, kind) had been recorded when the app was opened. */
  readonly checkpoints: readonly Checkpoint[]
  /** Why nothing is recorded although it was to be. */
  readonly unrecorded: TickwireError | undefined
  /** Whether what comes now is recorded: false without `record`, and while the disk takes nothing. */
  readonly isRecording: boolean
  /** How many events of this run, notices included, are not on the disk although they were to be. */
  readonly unrecordedEvents: number
  /** Ends the feeds, then the tape, so that readers see everything that came. May be called twice. */
  close(): Promise<void>
}

/**
 * Wires providers, feeds, tape and store. Nothing is connected before a feed's first subscription. What becomes of the
 * store, or of the socket, stops neither feeds nor tape: it is logged and told, and the store is tried again.
 * @throws TAPE_IN_USE TAPE_UNWRITABLE TAPE_TOO_NEW where it cannot record and is not to go on without, BAD_OPTION for
 *   two sources of one name
 */
export async function openApp(config: AppConfig): Promise<App> {
  const { clock = systemClock(), log = stderrLog } = config
  mustDiffer(config.feeds)
  const { tape, file, unrecorded } = await openTape(config)
  const feeds: Feed[] = []
  try {
    return await wire(config, { tape, file, unrecorded }, feeds, clock, log)
  } catch (error) {
    await Promise.all(feeds.map(feed => feed.close()))
    await tape.close()
    throw error
  }
}

/** What it has opened of feeds is in `feeds` wherever it fails. */
async function wire(
  config: AppConfig,
  { tape, file, unrecorded }: OpenTape,
  feeds: Feed[],
  clock: Clock,
  log: Log,
): Promise<App> {
  const { checkpoints = [] } = file ?? {}
  for (const { provider, ...own } of config.feeds) {
    const source = own.source ?? provider.id
    const feed = openFeed(provider, {
      ...{ ...(config.log && { log }), ...(config.clock && { clock }), ...own },
      // Without a history there is nothing to fill a hole from, so nothing to look back for.
      ...(provider.history && { resume: await resumeOf(tape, checkpoints, own.repair, source) }),
    })
    feeds.push(feed)
    feed.pipe(tape)
  }
  const account = file && (await openAccount(file.folder, log, clock))
  if (account) for (const feed of feeds) feed.pipe(account.ledger)
  const told = config.store?.told
  const servers = file ? keepServers(config.servers ?? {}, { tape: file, clock, log, told }) : []
  const stored =
    file && config.store && (await openStored(config.store, file, feeds, servers, clock, log))
  const isRecording = () => file?.isRecording ?? false
  let gateway: AppGateway | undefined
  const close = async () => {
    await Promise.all(feeds.map(feed => feed.close()))
    await gateway?.close()
    await account?.close()
    await stored?.control?.close()
    await Promise.all(servers.map(server => server.settle()))
    await tape.close()
    await Promise.all([stored?.keeper.close(), ...servers.map(server => server.close())])
  }
  if (config.gateway) {
    try {
      gateway = await openAppGateway(config.gateway, {
        ...{ tape, feeds, configs: config.feeds, keeper: stored?.keeper, servers, account },
        ...{ isRecording, accounts: config.accounts, clock, log },
      })
    } catch (error) {
      await close()
      throw error
    }
  }
  let closing: Promise<void> | undefined
  const closeOnce = () => {
    closing ??= close()
    return closing
  }
  return {
    ...{ feeds, tape, checkpoints, unrecorded, keeper: stored?.keeper, servers },
    ...{ controlPath: stored?.control?.path, gateway, close: closeOnce },
    get isRecording() {
      return isRecording()
    },
    get unrecordedEvents() {
      return file ? file.unrecorded : unrecorded ? tape.end.seq : 0
    },
    [Symbol.asyncDispose]: closeOnce,
  }
}

function mustDiffer(feeds: readonly AppFeed[]): void {
  const names = feeds.map(({ source, provider }) => source ?? provider.id)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice === undefined) return
  throw new TickwireError('BAD_OPTION', `two feeds have the source ${twice}`, {
    hint: 'Give one of them another name: events tell by it where they are from.',
  })
}

/** The ledger beside a tape; one that cannot be read is left alone, and nothing is kept account of. */
async function openAccount(
  folder: string,
  log: Log,
  clock: Clock,
): Promise<LedgerFile | undefined> {
  try {
    return await LedgerFile.open(folder, log, clock)
  } catch (error) {
    log.warn({ error: asError(error).message }, 'no account is kept: the ledger cannot be read')
    return undefined
  }
}

interface Stored {
  readonly keeper: StoreKeeper
  readonly control: Control | undefined
}

async function openStored(
  { folder, told, open }: StoreConfig,
  tape: FileTape,
  feeds: readonly Feed[],
  servers: readonly ServerStore[],
  clock: Clock,
  log: Log,
): Promise<Stored> {
  const ours: OpenStore = heard => openStore({ folder: join(folder, 'store'), clock, log: heard })
  const keeper = new StoreKeeper({ ...{ open: open ?? ours, tape, clock, log }, told })
  const owner: Owner = {
    status: () => statusOf(tape, keeper, servers, feeds),
    ready: signal => keeper.ready(signal),
    get error() {
      return keeper.error
    },
  }
  try {
    return { keeper, control: await openControl({ folder, owner, clock, log }) }
  } catch (error) {
    const { message } = asError(error)
    const line = `other commands cannot ask this one: ${message}`
    const hint = error instanceof TickwireError ? error.hint : undefined
    log.warn({ folder, hint }, line)
    told?.(line)
    if (hint) told?.(`  → ${hint}`)
    return { keeper, control: undefined }
  }
}

function statusOf(
  tape: FileTape,
  keeper: StoreKeeper,
  servers: readonly ServerStore[],
  feeds: readonly Feed[],
): OwnerStatus {
  const { folder, id, isRecording } = tape
  const { state, seq, behind, lagMs, error } = keeper
  return {
    ...{ version: 1, pid: process.pid },
    tape: { folder, id, seq: tape.end.seq, written: tape.written.seq, isRecording },
    store: { state, seq, behind, lagMs, error: error && failureOf(error) },
    servers: servers.map(({ name, url, state, seq, behind, lagMs, error }) => ({
      ...{ name, url, state, seq, behind, lagMs, error: error && failureOf(error) },
    })),
    feeds: feeds.map(feed => ({ source: feed.source, state: feed.state })),
  }
}

interface OpenTape {
  readonly tape: Tape
  /** The same, where it is on disk. */
  readonly file?: FileTape | undefined
  readonly unrecorded?: TickwireError | undefined
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
