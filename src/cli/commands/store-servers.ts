import { join } from 'node:path'
import { findControl } from '../../app/control-address.ts'
import type { StoreStatus } from '../../app/control-wire.ts'
import { receivedBehind } from '../../app/lag.ts'
import { Remote } from '../../app/remote.ts'
import {
  openPostgresServer,
  openRedisServer,
  readPostgresServer,
  SERVERS,
  type ServerName,
  TITLES,
} from '../../app/stores.ts'
import { systemClock } from '../../base/clock.ts'
import { asError, TickwireError } from '../../base/errors.ts'
import { didYouMean } from '../../base/suggest.ts'
import { hasStore } from '../../store/embedded.ts'
import { VERSION } from '../../store/postgres-schema.ts'
import { setupScript } from '../../store/postgres-setup.ts'
import { shownUrl } from '../../store/postgres-trouble.ts'
import { followFileTape } from '../../tape/file/follow.ts'
import type { TapeReader } from '../../tape/tape.ts'
import { type PastFlags, runTask, sayingLog } from '../asking.ts'
import { type Config, loadConfig, type Surroundings } from '../config.ts'
import { say, screenOf } from '../console.ts'
import type { Output } from '../output.ts'
import { Progress, timeText } from '../progress.ts'
import { dataFolder, shortPath, tapeFolder } from '../recording.ts'
import { amount } from '../rows.ts'
import { postgresOf, redisOf, setPostgres, setRedis } from '../servers.ts'
import { TablePrinter } from '../table.ts'

export interface ServerFlags extends PastFlags {
  readonly json?: boolean
  readonly print?: boolean
}

/** @throws BAD_OPTION */
export function parseServer(text: string): ServerName {
  const found = SERVERS.find(name => name === text)
  if (found) return found
  throw new TickwireError('BAD_OPTION', `no such store: ${JSON.stringify(text)}`, {
    hint: didYouMean(text, [...SERVERS]),
  })
}

/** What a command about servers is of. */
interface Place {
  readonly config: Config
  readonly data: string
  readonly tape: string
}

function placeOf(flags: PastFlags, around: Surroundings): Place {
  const config = loadConfig(around, { file: flags.config })
  const data = dataFolder(config, flags.data, around)
  const of =
    flags.data === undefined
      ? config
      : { ...config, data, tape: { ...config.tape, folder: undefined } }
  return { config, data, tape: tapeFolder(of, flags.tape, around) }
}

/** The servers meant: those named, else those that are set. @throws BAD_CONFIG where there is none */
function serversMeant(names: readonly ServerName[], config: Config): readonly ServerName[] {
  if (names.length > 0) return names
  const set = SERVERS.filter(name => config.stores[name].url !== undefined)
  if (set.length > 0) return set
  throw new TickwireError('BAD_CONFIG', 'no server is set', {
    hint: 'Set `stores.postgres.url` or `stores.redis.url` in tickwire.config.yaml.',
  })
}

interface StatusRow extends Partial<StoreStatus> {
  readonly name: 'embedded' | ServerName
  readonly where: string
}

/** `tickwire store status`: how far each store is, and what keeps it. */
export async function storeStatus(flags: ServerFlags, around: Surroundings): Promise<number> {
  return runTask(flags, async (run, output) => {
    const place = placeOf(flags, around)
    const log = sayingLog(place.config, around)
    const path = findControl(place.data)
    const owner = path === undefined ? undefined : await new Remote(path, log).status(run.signal)
    const shown = shortPath(join(place.data, 'store'), around.cwd)
    const rows: StatusRow[] = owner
      ? [
          { name: 'embedded', where: shown, ...owner.store },
          ...(owner.servers ?? []).map(({ url, ...rest }) => ({ where: url, ...rest })),
        ]
      : await statusAlone(place, shown, around)
    const by = owner ? `process ${owner.pid} keeps them` : 'nobody keeps them just now'
    if (flags.json) {
      await output.put(`${JSON.stringify({ ...(owner && { pid: owner.pid }), stores: rows })}\n`)
      return
    }
    const screen = screenOf(around)
    const table = new TablePrinter(COLUMNS, screen.tty ? screen : PLAIN)
    await output.put(table.write(rows.map(cellsOf)))
    await output.flush()
    for (const { name, error } of rows) {
      if (!error) continue
      say(`${name}: ${error.message}`)
      if (error.hint) say(`  → ${error.hint}`)
    }
    say(by)
    return 0
  })
}

const PLAIN = { colors: false, width: () => Number.POSITIVE_INFINITY }
const COLUMNS = [
  { name: 'store', type: 'VARCHAR' },
  { name: 'state', type: 'VARCHAR' },
  { name: 'up to', type: 'BIGINT' },
  { name: 'behind', type: 'BIGINT' },
  { name: 'since', type: 'BIGINT' },
  { name: 'where', type: 'VARCHAR' },
]

function cellsOf({ name, state, seq, behind, lagMs, where, error }: StatusRow): string[] {
  const number = (value: number | undefined) => (value === undefined ? '' : amount(value))
  // Of what is only on its way the age says nothing.
  const since = lagMs !== undefined && lagMs >= 1_000 ? timeText(lagMs / 1_000) : ''
  return [name, error ? 'fails' : (state ?? ''), number(seq), number(behind), since, where]
}

/** Asked by ourselves, where no process does: how far the servers are of the tape. */
async function statusAlone(
  { config, data, tape: folder }: Place,
  shown: string,
  around: Surroundings,
): Promise<StatusRow[]> {
  const options = { clock: systemClock(), log: sayingLog(config, around) }
  const tape = await followFileTape({ folder }).catch(error => {
    if (error instanceof TickwireError && error.code === 'NO_TAPE') return undefined
    throw error
  })
  try {
    const rows: StatusRow[] = []
    if (hasStore(join(data, 'store'))) rows.push({ name: 'embedded', where: shown })
    for (const name of SERVERS) {
      const server = name === 'postgres' ? postgresOf(config) : redisOf(config)
      if (!server) continue
      const where = shownUrl(server.url)
      try {
        const store =
          name === 'postgres'
            ? await readPostgresServer(setPostgres(config), options)
            : await openRedisServer(setRedis(config), options)
        try {
          const seq = tape && ((await store.stored(tape.id))?.seq ?? tape.start.seq)
          const behind = tape && Math.max(0, tape.end.seq - seq!)
          const received = behind ? await receivedBehind(tape!, seq!) : undefined
          const lagMs = received === undefined ? undefined : Math.max(0, Date.now() - received)
          const known = behind === 0 ? { lagMs: 0 } : lagMs !== undefined && { lagMs }
          rows.push({ name, where, seq, ...(behind !== undefined && { behind }), ...known })
        } finally {
          await store.close()
        }
      } catch (error) {
        const { message } = asError(error)
        const { code, hint } = error as Partial<TickwireError>
        rows.push({ name, where, error: { message, hint, ...(code && { code }) } })
      }
    }
    return rows
  } finally {
    await tape?.close()
  }
}

/** `tickwire store init`: makes the tables, or prints what makes them. */
export async function storeInit(
  names: readonly ServerName[],
  flags: ServerFlags,
  around: Surroundings,
): Promise<number> {
  return runTask(flags, async (_, output) => {
    const { config } = placeOf(flags, around)
    const options = { clock: systemClock(), log: sayingLog(config, around) }
    for (const name of serversMeant(names, config)) {
      if (name === 'postgres') await initPostgres(config, flags, options, output)
      else if (!flags.print) {
        const redis = await openRedisServer(setRedis(config), options)
        await redis.close()
        say('Redis answers; nothing has to be made there')
      }
    }
    return 0
  })
}

async function initPostgres(
  config: Config,
  flags: ServerFlags,
  options: Parameters<typeof openPostgresServer>[1],
  output: Output,
): Promise<void> {
  const postgres = setPostgres(config)
  const { schema = 'tickwire', reader } = postgres
  if (flags.print) {
    // Partitions can be made by whoever asks for nothing else of the server.
    const script = setupScript({ schema, reader })
    await output.put(`${script.map(text => `${text};`).join('\n')}\n`)
    return
  }
  const store = await openPostgresServer(postgres, options)
  try {
    const { form, was } = store.found!
    const kind = form === 'timescale' ? 'hypertables of TimescaleDB' : 'daily partitions'
    const where = `${shownUrl(postgres.url)}, schema ${schema}`
    const from = was === 0 || was === VERSION ? '' : `, brought forward from version ${was}`
    say(`the tables are there, with ${kind}: ${where} (version ${VERSION}${from})`)
    if (reader === undefined) return
    await store.grant(reader)
    say(`${reader} may read them`)
  } finally {
    await store.close()
  }
}

/** `tickwire store check`: compares servers with the tape. Exit code 6 where they differ. */
export async function storeCheck(
  names: readonly ServerName[],
  flags: ServerFlags,
  around: Surroundings,
): Promise<number> {
  return runTask(flags, async (run, output) => {
    const place = placeOf(flags, around)
    const { config } = place
    const meant = serversMeant(names, config)
    const tape = await followFileTape({ folder: place.tape })
    let exit = 0
    try {
      for (const name of meant) {
        const found = await checkOne(name, place, tape, run.signal, around)
        const { compared, differences, what } = found
        if (flags.json) await output.put(`${JSON.stringify({ store: name, ...found })}\n`)
        for (const text of differences.slice(0, MOST_TOLD)) say(`${TITLES[name]}: ${text}`)
        if (differences.length > 0) exit = 6
        const how =
          differences.length === 0 ? 'as on the tape' : `${amount(differences.length)} differ`
        say(`${TITLES[name]}: ${amount(compared)} ${what} compared, ${how}`)
      }
    } finally {
      await tape.close()
    }
    if (exit !== 0) say('  → `tickwire store rebuild` makes them anew from the tape')
    return exit
  })
}

/** Differences that are told one by one. */
const MOST_TOLD = 20

interface Checked {
  readonly compared: number
  readonly what: string
  readonly differences: string[]
}

async function checkOne(
  name: ServerName,
  { config }: Place,
  tape: TapeReader,
  signal: AbortSignal,
  around: Surroundings,
): Promise<Checked> {
  const options = { clock: systemClock(), log: sayingLog(config, around) }
  const differences: string[] = []
  if (name === 'postgres') {
    const store = await readPostgresServer(setPostgres(config), options)
    try {
      const told = ({ seq, kind, is }: { seq: number; kind: string; is: string }) =>
        differences.push(`number ${seq} (${kind}) is ${is}`)
      return { compared: await store.check(tape, told, signal), what: 'events', differences }
    } finally {
      await store.close()
    }
  }
  const store = await openRedisServer(setRedis(config), options)
  try {
    const told = (key: string) => differences.push(`${key} is another`)
    return { compared: await store.check(tape, told, signal), what: 'topics', differences }
  } finally {
    await store.close()
  }
}

/** `tickwire store rebuild postgres`, `redis`: makes anew from the tape what came of it. */
export async function rebuildServer(
  name: ServerName,
  flags: ServerFlags,
  around: Surroundings,
): Promise<number> {
  return runTask(flags, async (run, output) => {
    const place = placeOf(flags, around)
    const { config } = place
    const log = sayingLog(config, around)
    const options = { clock: systemClock(), log }
    const tape = await followFileTape({ folder: place.tape })
    const progress = new Progress({ label: 'taking the tape', unit: 'events' })
    const start = tape.start.seq
    progress.total = tape.end.seq - start
    const path = findControl(place.data)
    const owner = path === undefined ? undefined : await new Remote(path, log).status(run.signal)
    const store =
      name === 'postgres'
        ? await openPostgresServer(setPostgres(config), options)
        : await openRedisServer(setRedis(config), options)
    const looking = setInterval(() => progress.update((store.position?.seq ?? start) - start), 500)
    try {
      await store.forget(tape.id, start)
      // Whoever keeps it up with the tape fills it again; two would be in each other's way.
      if (!owner) await store.follow(tape, { live: false, signal: run.signal })
    } finally {
      clearInterval(looking)
      progress.end()
      await store.close()
      await tape.close()
    }
    const title = TITLES[name]
    if (owner) say(`${title} is emptied; process ${owner.pid} fills it again from the tape`)
    else if (run.signal.aborted)
      say('ended before it was done: what is missing comes with the next start')
    else {
      const events = tape.end.seq - start
      if (flags.json) await output.put(`${JSON.stringify({ store: name, events })}\n`)
      say(`${title} is made anew from ${amount(events)} events of the tape`)
    }
    return 0
  })
}
