import { resolve } from 'node:path'
import type { App } from '../app/app.ts'
import type { PostgresConfig, RedisConfig, ServersConfig } from '../app/stores.ts'
import { TickwireError } from '../base/errors.ts'
import type { Config } from './config.ts'
import { amount } from './rows.ts'

/** The servers that are set. */
export function serversOf(config: Pick<Config, 'stores' | 'cwd'>): ServersConfig {
  return { postgres: postgresOf(config), redis: redisOf(config) }
}

export function postgresOf({
  stores,
  cwd,
}: Pick<Config, 'stores' | 'cwd'>): PostgresConfig | undefined {
  const { url, ca, ...rest } = stores.postgres
  if (url === undefined) return undefined
  return { ...rest, url, ...(ca !== undefined && { caFile: resolve(cwd, ca) }) }
}

/** @throws BAD_CONFIG */
export function setPostgres(config: Pick<Config, 'stores' | 'cwd'>): PostgresConfig {
  const postgres = postgresOf(config)
  if (postgres) return postgres
  throw new TickwireError('BAD_CONFIG', 'no PostgreSQL is set', {
    hint: 'Set `stores.postgres.url` in tickwire.config.yaml, or TICKWIRE_STORES_POSTGRES_URL.',
  })
}

/** @throws BAD_CONFIG */
export function setRedis(config: Pick<Config, 'stores' | 'cwd'>): RedisConfig {
  const redis = redisOf(config)
  if (redis) return redis
  throw new TickwireError('BAD_CONFIG', 'no Redis is set', {
    hint: 'Set `stores.redis.url` in tickwire.config.yaml, or TICKWIRE_STORES_REDIS_URL.',
  })
}

export function redisOf({ stores, cwd }: Pick<Config, 'stores' | 'cwd'>): RedisConfig | undefined {
  const { url, ca, pubsub, ...rest } = stores.redis
  if (url === undefined) return undefined
  return {
    ...{ ...rest, url, pubsub: pubsub === 'on' },
    ...(ca !== undefined && { caFile: resolve(cwd, ca) }),
  }
}

/** Events on their way are none that lack. */
const BEHIND = 5_000
/** Longer words would push all else out of a line. */
const MOST_REASON = 70

/** What a command says of the servers, in a few words each. */
export class ServersState {
  readonly #app: Pick<App, 'servers'>

  constructor(app: Pick<App, 'servers'>) {
    this.#app = app
  }

  /** `NOT in PostgreSQL: …`, of each that fails. */
  get alarms(): string[] {
    return this.#app.servers.flatMap(({ title, error }) =>
      error ? [`NOT in ${title}: ${short(error.message)}`] : [],
    )
  }

  /** `in PostgreSQL up to number 1,234`, of each. */
  get feet(): string[] {
    return this.#app.servers.map(({ title, state, seq, behind, error }) => {
      if (error) return `NOT in ${title}: ${short(error.message)}; ${amount(behind)} behind`
      if (state === 'opening' || seq === undefined) return `connecting to ${title}`
      const late = behind > BEHIND ? `, ${amount(behind)} behind` : ''
      return `in ${title} up to number ${amount(seq)}${late}`
    })
  }

  /** Where there is no screen: said once. */
  get lines(): string[] {
    return this.#app.servers.map(({ title, url }) => `also to ${title}, ${url}`)
  }

  /** At the end, for the summary. */
  get outcomes(): string[] {
    return this.#app.servers.map(({ title, error, behind }) => {
      if (error) return `NOT in ${title} to the end: ${short(error.message)}`
      const rest = behind > 0 ? `, ${amount(behind)} events left for the next start` : ''
      return `in ${title}${rest}`
    })
  }
}

const short = (text: string) =>
  text.length > MOST_REASON ? `${text.slice(0, MOST_REASON - 1)}…` : text
