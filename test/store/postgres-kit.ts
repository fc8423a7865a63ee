// What the tests of PostgreSQL share: a database of their own for each test, and tapes to fill it from.
import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import pg from 'pg'
import { findPostgres } from '../../scripts/services.mjs'
import { silentLog } from '../../src/base/log.ts'
import type { MarketEvent } from '../../src/market/events.ts'
import { openPostgres, type PostgresOptions, type PostgresStore } from '../../src/store/postgres.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import type { Tape } from '../../src/tape/tape.ts'
import { atEnd } from './kit.ts'

/** Where the tests' server is, if there is one; a text says why there is none. */
export const server: { readonly url: string } | { readonly missing: string } = await findPostgres()

export const skip = 'missing' in server ? server.missing : false

function serverUrl(): string {
  if ('missing' in server) throw new Error(server.missing)
  return server.url
}

/** A statement as the owner of the server, in any database. */
export async function asOwner(text: string, url = serverUrl()): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query({ text, rowMode: 'array' })
    return rows
  } finally {
    await client.end()
  }
}

/** An empty database of a server, which goes with the test. */
export async function database(t: TestContext, at = serverUrl()): Promise<string> {
  const name = `tickwire_test_${process.pid}_${randomBytes(4).toString('hex')}`
  await asOwner(`create database ${name}`, at)
  atEnd(t, () => asOwner(`drop database if exists ${name} with (force)`, at))
  const url = new URL(at)
  url.pathname = `/${name}`
  return url.href
}

export async function open(
  t: TestContext,
  url: string,
  options: Partial<PostgresOptions> = {},
): Promise<PostgresStore> {
  const store = await openPostgres({ url, log: silentLog, timescale: 'off', ...options })
  atEnd(t, () => store.close())
  return store
}

export function tapeOf(...batches: readonly (readonly MarketEvent[])[]): Tape {
  const tape = memoryTape()
  for (const batch of batches) tape.append(batch)
  return tape
}
