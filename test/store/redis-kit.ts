// What the tests of Redis share: a prefix of their own for each test.
import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { createClient } from 'redis'
import { findRedis } from '../../scripts/services.mjs'
import { silentLog } from '../../src/base/log.ts'
import type { MarketEvent } from '../../src/market/events.ts'
import { encodeEvent } from '../../src/market/json.ts'
import { Latest } from '../../src/store/latest.ts'
import { openRedis, type RedisOptions, type RedisStore } from '../../src/store/redis.ts'
import { atEnd } from './kit.ts'

const server = await findRedis()

export const skip = 'missing' in server ? server.missing : false
export const url = 'url' in server ? server.url : ''

/** A connection of a user, that goes with the test. */
export async function asUser(t: TestContext, at = url) {
  const client = createClient({ url: at, RESP: 2 })
  client.on('error', () => {})
  await client.connect()
  atEnd(t, () => client.isOpen && client.destroy())
  return (...command: string[]) => client.sendCommand(command) as Promise<unknown>
}

/** A prefix whose keys go with the test. */
export async function prefixOf(t: TestContext, at = url): Promise<string> {
  const prefix = `tickwire_test_${process.pid}_${randomBytes(4).toString('hex')}`
  const run = await asUser(t, at)
  atEnd(t, async () => {
    const names = ['latest', 'position', 'state', 'writer', 'events']
    await run('del', ...names.map(name => `${prefix}:${name}`))
  })
  return prefix
}

export async function open(
  t: TestContext,
  prefix: string,
  options: Partial<RedisOptions> = {},
): Promise<RedisStore> {
  const store = await openRedis({ url, prefix, log: silentLog, ...options })
  atEnd(t, () => store.close())
  return store
}

/** What Redis should hold, of events in the order of their tape. */
export function latestOf(
  events: readonly MarketEvent[],
  expire: 'never' | 'session' = 'never',
): Map<string, string> {
  const latest = new Latest({ expire })
  for (const event of events) latest.apply(event)
  return new Map([...latest.entries()].map(([key, event]) => [key, encodeEvent(event)]))
}
