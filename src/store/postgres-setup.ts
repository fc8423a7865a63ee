import { TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Link } from './postgres-driver.ts'
import { createTables, literal, name, readerGrants, VERSION } from './postgres-schema.ts'
import {
  createTimescale,
  type Edition,
  editionOf,
  makeExtension,
  remakeBars,
} from './postgres-timescale.ts'

export type Form = 'partitions' | 'timescale'

export interface SetupOptions {
  readonly schema: string
  /** A role that is given the right to read, and made where it is missing. */
  readonly reader: string | undefined
  /** Whether TimescaleDB is used where the server has it. */
  readonly timescale: boolean
  readonly log: Log
}

export interface SetUp {
  readonly form: Form
  /** What was there before: the version of its tables, 0 for none. */
  readonly was: number
}

/** How long a change of tables waits for those who read them, ms: it is tried again. */
const LOCK_MS = 10_000

/**
 * What brings tables of a version to the next one; they stay, for whoever comes late. Rows that are there must stay as they
 * are. Until then a reader reads the older ones: what it could not read is not to be made by a step.
 */
const STEPS: Readonly<Record<number, (schema: string, edition: Edition | undefined) => string[]>> =
  {
    // Bars kept by TimescaleDB left out whatever was of more than three days ago.
    1: (schema, edition) => (edition === 'community' ? remakeBars(schema) : []),
  }

/** What is there. @throws STORE_TOO_NEW */
export async function lookAt(link: Link, schema: string): Promise<SetUp | undefined> {
  const { rows } = await link.query('select to_regclass($1)', [`${name(schema)}.meta`])
  if (rows[0]![0] === null) return undefined
  const meta = await link.query(`select name, value from ${name(schema)}.meta`)
  const values = Object.fromEntries(meta.rows) as { version?: string; form?: Form }
  const was = Number(values.version ?? 0)
  if (was > VERSION) {
    throw new TickwireError(
      'STORE_TOO_NEW',
      `the tables in the schema ${schema} are of version ${was}; this tickwire knows ${VERSION}`,
      { hint: 'Use the newer tickwire, or another schema: `stores.postgres.schema`.' },
    )
  }
  return was === 0 ? undefined : { form: values.form ?? 'partitions', was }
}

/** The statements that make everything, for whoever is to run them by hand. */
export function setupScript(
  { schema, reader }: Pick<SetupOptions, 'schema' | 'reader'>,
  edition?: Edition,
): string[] {
  return [
    ...createTables(schema, edition ? 'timescale' : 'partitions'),
    ...(edition === 'community' ? createTimescale(schema) : []),
    ...(reader === undefined ? [] : readerGrants(schema, reader)),
  ]
}

/**
 * Makes what is missing, and brings what is of an older version forward: all of it, or nothing. Where all is there it only
 * looks, so whoever writes needs no right to make tables.
 * @throws STORE_TOO_NEW STORE_REFUSED, or what the server says
 */
export async function setUp(link: Link, options: SetupOptions): Promise<SetUp> {
  const isDone = (there: SetUp | undefined): there is SetUp => there?.was === VERSION
  const there = await lookAt(link, options.schema)
  if (isDone(there)) return there
  // One at a time: two that begin together would make the same.
  await link.query('select pg_advisory_lock(hashtext($1))', [`tickwire ${options.schema}`])
  try {
    const meanwhile = await lookAt(link, options.schema)
    if (isDone(meanwhile)) return meanwhile
    return meanwhile ? await bringForward(link, options, meanwhile) : await make(link, options)
  } finally {
    if (!link.lost) {
      await link.query('select pg_advisory_unlock(hashtext($1))', [`tickwire ${options.schema}`])
    }
  }
}

async function make(link: Link, options: SetupOptions): Promise<SetUp> {
  const edition = options.timescale ? await makeExtension(link, options.log) : undefined
  if (edition === 'apache') {
    const line =
      'TimescaleDB is the Apache edition: hypertables, without compression and bars kept by the server'
    options.log.warn({}, line)
  }
  if (options.reader !== undefined) await makeRole(link, options.reader)
  await whole(link, setupScript(options, edition))
  return { form: edition ? 'timescale' : 'partitions', was: 0 }
}

/** @throws STORE_REFUSED where this user may not */
async function bringForward(
  link: Link,
  { schema, log }: SetupOptions,
  { form, was }: SetUp,
): Promise<SetUp> {
  const edition = form === 'timescale' ? await editionOf(link) : undefined
  const steps = Array.from({ length: VERSION - was }, (_, i) => STEPS[was + i]!(schema, edition))
  try {
    await whole(link, [
      `set local lock_timeout = ${LOCK_MS}`,
      ...steps.flat(),
      `update ${name(schema)}.meta set value = ${literal(`${VERSION}`)} where name = 'version'`,
    ])
  } catch (error) {
    if ((error as { code?: string }).code !== '42501') throw error
    const message = `the tables in the schema ${schema} are of version ${was}, and this user may not bring them to ${VERSION}`
    throw new TickwireError('STORE_REFUSED', message, {
      cause: error,
      hint: 'Run `tickwire store init` once as their owner.',
    })
  }
  log.info({ schema, from: was, to: VERSION }, 'the tables were brought to a newer version')
  return { form, was }
}

async function whole(link: Link, statements: readonly string[]): Promise<void> {
  try {
    await link.run(['begin', ...statements, 'commit'].join('; '))
  } catch (error) {
    if (!link.lost) await link.run('rollback')
    throw error
  }
}

async function makeRole(link: Link, role: string): Promise<void> {
  const { rows } = await link.query('select 1 from pg_roles where rolname = $1', [role])
  if (rows.length === 0) await link.query(`create role ${name(role)}`)
}

/** Gives a role the right to read; it is made where it is missing. */
export async function grantReader(link: Link, schema: string, role: string): Promise<void> {
  await makeRole(link, role)
  await whole(link, readerGrants(schema, role))
}
