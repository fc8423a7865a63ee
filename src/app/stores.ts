import { readFile } from 'node:fs/promises'
import type { Clock, Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import {
  openPostgres,
  type PostgresOptions,
  type PostgresStore,
  readPostgres,
} from '../store/postgres.ts'
import { shownUrl } from '../store/postgres-trouble.ts'
import { openRedis, type RedisOptions, type RedisStore } from '../store/redis.ts'
import type { TapeStore } from '../store/store.ts'
import type { FileTape } from '../tape/file/file.ts'
import { type KeeperState, StoreKeeper } from './keeper.ts'
import { LedgerBringer } from './ledger-server.ts'

/** Servers that what is recorded is brought to, beside the embedded store. */
export interface ServersConfig {
  readonly postgres?: PostgresConfig | undefined
  readonly redis?: RedisConfig | undefined
}

interface OurOptions {
  /** The path of a file with the certificate authority to trust, PEM. */
  readonly caFile?: string | undefined
}

export type PostgresConfig = Omit<PostgresOptions, 'ca' | 'clock' | 'log'> & OurOptions
export type RedisConfig = Omit<RedisOptions, 'ca' | 'clock' | 'log'> & OurOptions

export const SERVERS = ['postgres', 'redis'] as const
export type ServerName = (typeof SERVERS)[number]

export const TITLES: Readonly<Record<ServerName, string>> = {
  postgres: 'PostgreSQL',
  redis: 'Redis',
}

/** One of them, and what keeps it up with the tape. */
export interface ServerStore {
  readonly name: ServerName
  /** As people call it. */
  readonly title: string
  /** Where it is, without the password. */
  readonly url: string
  readonly state: KeeperState
  /** Why it does not follow. */
  readonly error: Error | undefined
  /** Up to which number of the tape it has everything; `undefined` while that is not known. */
  readonly seq: number | undefined
  /** How many events that are written on the tape it has not yet. */
  readonly behind: number
  /** How long ago the oldest of them was received, ms; 0 where it lacks none, `undefined` while that is not known. */
  readonly lagMs: number | undefined
  /** Brings what does not come by the tape. To be called before the tape is closed. */
  settle(): Promise<void>
  close(): Promise<void>
}

export interface KeepOptions {
  readonly tape: FileTape
  readonly clock: Clock
  readonly log: Log
  /** Hears, in a sentence, when a server fails and when it goes on. */
  readonly told?: ((line: string) => void) | undefined
}

/** The longest wait before a server is tried again, ms: that is cheap. */
const LONGEST_MS = 15_000
/** How often the ledger is brought to PostgreSQL, ms. */
const LEDGER_MS = 60_000
/** How long a server that is being opened is waited for at the end, ms: the next start brings the rest. */
const SETTLE_MS = 5_000

/**
 * Keeps the servers that are configured up with the tape, each by itself: what fails is told and tried again, and the tape
 * keeps what they lack. One that is not configured any more holds nothing of the tape.
 */
export function keepServers(config: ServersConfig, options: KeepOptions): ServerStore[] {
  const servers: ServerStore[] = []
  const { postgres, redis } = config
  if (postgres) servers.push(keepPostgres(postgres, options))
  else options.tape.release('postgres')
  if (redis) {
    const open = (log: Log) => openRedisServer(redis, { clock: options.clock, log })
    servers.push(kept('redis', redis.url, new StoreKeeper(keeping('redis', open, options))))
  } else options.tape.release('redis')
  return servers
}

function keeping<S extends TapeStore>(
  name: ServerName,
  open: (log: Log) => Promise<S>,
  options: KeepOptions,
) {
  return { ...options, open, hold: name, title: TITLES[name], longestMs: LONGEST_MS }
}

function kept(
  name: ServerName,
  url: string,
  keeper: StoreKeeper<TapeStore>,
  settle: () => Promise<void> = async () => {},
): ServerStore {
  return {
    ...{ name, title: TITLES[name], url: shownUrl(url), settle },
    get state() {
      return keeper.state
    },
    get error() {
      return keeper.error
    },
    get seq() {
      return keeper.seq
    },
    get behind() {
      return keeper.behind
    },
    get lagMs() {
      return keeper.lagMs
    },
    close: () => keeper.close(),
  }
}

function keepPostgres(config: PostgresConfig, options: KeepOptions): ServerStore {
  const { clock, log, tape } = options
  let store: PostgresStore | undefined
  const open = async (heard: Log) => {
    store = await openPostgresServer(config, { clock, log: heard })
    return store
  }
  const keeper = new StoreKeeper(keeping('postgres', open, options))
  const ledger = new LedgerBringer(tape, log)
  let timer: Timer | undefined
  let isOver = false
  const bring = async () => {
    if (!store || keeper.state !== 'following') return
    await ledger.bring(store).catch(error => {
      const fields = { error: asError(error).message }
      log.warn(fields, 'the ledger could not be brought to PostgreSQL; it is tried again')
    })
  }
  const later = () => {
    if (!isOver) timer = clock.setTimeout(() => void bring().then(later), LEDGER_MS, 'idle')
  }
  later()
  return kept('postgres', config.url, keeper, async () => {
    isOver = true
    timer?.cancel()
    // One that ends soon after its start may not be connected yet. What keeps the server away has been told.
    const late = new AbortController()
    const limit = clock.setTimeout(() => late.abort(), SETTLE_MS)
    await keeper.opened(late.signal).catch(() => {})
    limit.cancel()
    await bring()
  })
}

/** @throws BAD_CONFIG where the file of certificates cannot be read, and as {@link openPostgres} */
export async function openPostgresServer(
  { caFile, ...config }: PostgresConfig,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<PostgresStore> {
  return openPostgres({ ...config, ca: await readCa(caFile), clock, log })
}

/** The same, to be asked only: no tables are made. */
export async function readPostgresServer(
  { caFile, ...config }: PostgresConfig,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<PostgresStore> {
  return readPostgres({ ...config, ca: await readCa(caFile), clock, log })
}

/** @throws BAD_CONFIG where the file of certificates cannot be read, and as {@link openRedis} */
export async function openRedisServer(
  { caFile, ...config }: RedisConfig,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<RedisStore> {
  return openRedis({ ...config, ca: await readCa(caFile), clock, log })
}

export async function readCa(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new TickwireError('BAD_CONFIG', `the certificates in ${file} cannot be read`, {
      hint: 'Give the path of a file of certificates (PEM).',
      cause,
    })
  }
}
