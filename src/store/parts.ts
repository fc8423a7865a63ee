import { open, readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { asError } from '../base/errors.ts'
import { EVENT_TYPES, type EventType } from '../market/events.ts'
import { formatTime } from '../market/time.ts'
import { fileNamed, quoted, type Session } from './duckdb.ts'
import { makeFolder, settleFile } from './files.ts'
import {
  EMPTY,
  type Manifest,
  type Part,
  type Retired,
  readManifest,
  writeManifest,
} from './manifest.ts'

/** What the user is to be told; work is done where there is no log. */
export interface Note {
  readonly level: 'info' | 'warn' | 'error'
  readonly fields: object
  readonly message: string
}

/** Questions read the files of parts that have been put together for so long at most, ms. */
const RETIRED_MS = 3_600_000

/** The sealed days of a store: Parquet files and the manifest that names them. */
export class Parts {
  readonly folder: string
  #manifest: Manifest = EMPTY
  /** Those whose files are gone or not whole. */
  readonly #broken = new Set<string>()

  constructor(folder: string) {
    this.folder = folder
  }

  get all(): readonly Part[] {
    return this.#manifest.parts
  }

  /** Those of each kind and day, the oldest first. */
  byDay(): Iterable<readonly Part[]> {
    const days = new Map<string, Part[]>()
    for (const part of this.all) {
      const key = `${part.kind} ${part.day}`
      const known = days.get(key)
      if (known) known.push(part)
      else days.set(key, [part])
    }
    return days.values()
  }

  /** Those that can be read. */
  get whole(): readonly Part[] {
    return this.all.filter(({ path }) => !this.#broken.has(path))
  }

  isWhole({ path }: Part): boolean {
    return !this.#broken.has(path)
  }

  pathOf({ path }: Part): string {
    return join(this.folder, path)
  }

  /**
   * Reads the manifest, looks at the files, and removes what an end in the midst of writing has left.
   * @throws STORE_TOO_NEW STORE_DAMAGED
   */
  async open(session: Session): Promise<Note[]> {
    const notes: Note[] = []
    const known = await readManifest(this.folder)
    const files = await parquetFiles(this.folder)
    if (known) {
      this.#manifest = known
      const names = new Set([...known.parts, ...known.retired].map(({ path }) => path))
      const left = files.filter(file => !names.has(file))
      for (const file of left) await rm(join(this.folder, file), { force: true })
      const finished = left.filter(file => file.endsWith('.parquet'))
      if (finished.length > 0) {
        notes.push({
          level: 'info',
          fields: { files: finished },
          message: 'removed files that were not yet part of the store when it ended',
        })
      }
      await this.removeRetired(Date.now())
    } else if (files.length > 0) notes.push(...(await this.#adopt(session, files)))
    // From the start, so that files of the first seal or merge are not taken for a store whose manifest is lost.
    else await this.#write(EMPTY)
    for (const part of this.all) {
      const why = await whyBroken(this.pathOf(part), part.bytes)
      if (why === undefined) continue
      notes.push(this.leaveOut(part, why))
    }
    return notes
  }

  /** From now on the rows of a file are not shown. */
  leaveOut(part: Part, why: string): Note {
    this.#broken.add(part.path)
    const file = this.pathOf(part)
    return {
      level: 'error',
      fields: { file, kind: part.kind, day: part.day, rows: part.rows },
      message: `${file} ${why}: its rows are left out. Put it back, or run \`tickwire store rebuild\`, or \`tickwire backfill --again\` for ${part.day}`,
    }
  }

  /** Without a manifest the files themselves say what they are, and which older ones they stand for. */
  async #adopt(session: Session, files: readonly string[]): Promise<Note[]> {
    const found: Part[] = []
    const gone = new Set<string>()
    for (const file of files) {
      if (!file.endsWith('.parquet')) continue
      try {
        const { part, stands } = await partOf(session, this.folder, file)
        found.push(part)
        for (const path of stands) gone.add(path)
      } catch (error) {
        const path = join(this.folder, file)
        throw new Error(`${path} cannot be taken into a new manifest: ${asError(error).message}`, {
          cause: error,
        })
      }
    }
    const numberOf = ({ path }: Part) => Number.parseInt(path.split('/').at(-1)!, 10) || 0
    const next = Math.max(0, ...found.map(numberOf)) + 1
    const parts = found.filter(({ path }) => !gone.has(path))
    parts.sort((a, b) => numberOf(a) - numberOf(b))
    for (const path of gone) await rm(join(this.folder, path), { force: true })
    await this.#write({ next, parts, retired: [] })
    const message = 'there was no manifest: it is made anew from the Parquet files'
    return [{ level: 'warn', fields: { folder: this.folder, parts: parts.length }, message }]
  }

  /** Up to which number of a tape a kind and day is sealed; 0 where nothing is. */
  through(kind: EventType, day: string, tape: string): number {
    let through = 0
    for (const part of this.all) {
      if (part.kind === kind && part.day === day)
        through = Math.max(through, part.covers[tape] ?? 0)
    }
    return through
  }

  /** Days of which a tape has something here. */
  coverOf(tape: string): Map<string, number> {
    const cover = new Map<string, number>()
    for (const { kind, day, covers } of this.all) {
      const seq = covers[tape]
      const key = `${kind} ${day}`
      if (seq !== undefined && seq > (cover.get(key) ?? 0)) cover.set(key, seq)
    }
    return cover
  }

  /** Writes the rows of a statement to a file of its own, which is nobody's before `add` or `replace`. */
  async write(
    session: Session,
    select: string,
    { kind, day, covers, beside }: Pick<Part, 'kind' | 'day' | 'covers' | 'beside'>,
    stands: readonly Part[] = [],
  ): Promise<Part> {
    const number = this.#manifest.next
    this.#manifest = { ...this.#manifest, next: number + 1 }
    const path = `days/${kind}/${day}/${String(number).padStart(6, '0')}.parquet`
    const file = join(this.folder, path)
    const said = JSON.stringify({
      ...{ version: 1, kind, day, covers },
      ...(beside && { beside }),
      ...(stands.length > 0 && { stands: stands.map(part => part.path) }),
    })
    await makeFolder(dirname(file))
    try {
      await copyOut(session, select, `${file}.new`, `, kv_metadata {tickwire: ${quoted(said)}}`)
      await settleFile(`${file}.new`, file)
      return (await partOf(session, this.folder, path)).part
    } catch (error) {
      await rm(`${file}.new`, { force: true })
      await rm(file, { force: true })
      throw error
    }
  }

  /** From now on these are part of the store, whatever happens. */
  async add(parts: readonly Part[]): Promise<void> {
    await this.#write({ ...this.#manifest, parts: [...this.all, ...parts] })
  }

  /** From now on one stands for others, the newest of its kind and day, whose files stay a while for who reads them. */
  async replace(others: readonly Part[], by: Part, now: number): Promise<void> {
    const gone = new Set(others.map(({ path }) => path))
    const parts = this.all.filter(({ path }) => !gone.has(path))
    const retired = others.map(({ path }): Retired => ({ path, at: now }))
    await this.#write({
      ...this.#manifest,
      parts: [...parts, by],
      retired: [...this.#manifest.retired, ...retired],
    })
  }

  /** Removes files whose rows have long stood in newer ones. */
  async removeRetired(now: number): Promise<void> {
    const isOld = ({ at }: Retired) => now - at > RETIRED_MS || at > now + RETIRED_MS
    const old = this.#manifest.retired.filter(isOld)
    if (old.length === 0) return
    for (const { path } of old) await rm(join(this.folder, path), { force: true })
    const retired = this.#manifest.retired.filter(one => !isOld(one))
    await this.#write({ ...this.#manifest, retired })
  }

  /** Forgets parts whose files cannot be read, so that their rows may come again. */
  async forgetBroken(): Promise<readonly Part[]> {
    const gone = this.all.filter(({ path }) => this.#broken.has(path))
    if (gone.length > 0) await this.#write({ ...this.#manifest, parts: this.whole })
    this.#broken.clear()
    return gone
  }

  async #write(manifest: Manifest): Promise<void> {
    await makeFolder(this.folder)
    await writeManifest(this.folder, manifest)
    this.#manifest = manifest
  }
}

/** Writes the rows of a statement as Parquet. */
export async function copyOut(
  session: Session,
  select: string,
  file: string,
  more = '',
): Promise<void> {
  const options = `format parquet, compression zstd, parquet_version v2${more}`
  await session.run(`copy (${select}) to ${quoted(file)} (${options})`)
}

/** What a file of ours says of itself, and the paths of those it stands for. */
async function partOf(
  session: Session,
  folder: string,
  path: string,
): Promise<{ readonly part: Part; readonly stands: readonly string[] }> {
  const file = fileNamed(join(folder, path))
  const [said] = await session.all(
    `select decode(value) from parquet_kv_metadata(${file}) where decode(key) = 'tickwire'`,
  )
  if (!said) throw new Error('it was not written by tickwire')
  const { kind, day, covers, beside, stands } = JSON.parse(`${said[0]}`) as Part & Stands
  const [row] = await session.all(
    `select count(*), count(distinct symbol), epoch_ns(min(ts)), epoch_ns(max(ts)) from read_parquet(${file})`,
  )
  const [rows, symbols, first, last] = row as bigint[]
  const { size } = await stat(join(folder, path))
  const part: Part = {
    ...{ path, kind, day },
    ...{ rows: Number(rows), symbols: Number(symbols) },
    ...{ first: timeText(first!), last: timeText(last!), bytes: size, covers },
    ...(beside && { beside }),
  }
  return { part, stands: stands ?? [] }
}

interface Stands {
  readonly stands?: readonly string[]
}

function timeText(ns: bigint): string {
  return formatTime(Number(ns / 1_000_000n), Number(ns % 1_000_000n))
}

/** Files below `days`, finished or not, as the manifest names them. */
async function parquetFiles(folder: string): Promise<string[]> {
  let names: string[]
  try {
    names = await readdir(join(folder, 'days'), { recursive: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  return names
    .map(name => `days/${name.replaceAll('\\', '/')}`)
    .filter(name => /\.parquet(?:\.new)?$/.test(name))
    .filter(name => (EVENT_TYPES as readonly string[]).includes(name.split('/')[1]!))
    .sort()
}

const MAGIC = 'PAR1'

/** What is wrong with a file, as far as its size and its two ends show. */
async function whyBroken(path: string, bytes: number): Promise<string | undefined> {
  try {
    const handle = await open(path, 'r')
    try {
      const { size } = await handle.stat()
      if (size !== bytes) return `has ${size} bytes instead of ${bytes}`
      const ends = Buffer.alloc(8)
      await handle.read(ends, 0, 4, 0)
      await handle.read(ends, 4, 4, size - 4)
      return ends.toString('latin1') === MAGIC + MAGIC ? undefined : 'is no whole Parquet file'
    } finally {
      await handle.close()
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? 'is gone' : `cannot be read (${message})`
  }
}
