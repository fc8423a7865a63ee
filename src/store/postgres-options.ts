import { type Clock, systemClock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import { type Log, stderrLog } from '../base/log.ts'
import { shownUrl } from './postgres-trouble.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:5432/database`, with `?sslmode=verify-full` for TLS. */
  readonly url: string
  /** A certificate authority to trust, PEM; with it, TLS is used whatever the URL says. */
  readonly ca?: string | undefined
  /** Where its tables are; one for each data folder. @default 'tickwire' */
  readonly schema?: string
  /** Books as one row an event with arrays (`depth`), or also a row for each level (`levels`). @default 'depth' */
  readonly books?: 'depth' | 'levels'
  /** Days older than so many, of which nothing came for as long, are deleted. @default all stay */
  readonly retentionDays?: number | undefined
  /** A role that is to read: it is made where it is missing, and given the right. @default none */
  readonly reader?: string | undefined
  /** TimescaleDB, where the server has it and the tables are not there yet; `off`: plain partitions. @default 'auto' */
  readonly timescale?: 'auto' | 'off'
  /** So long rows wait for others to be committed with, ms. @default 200 */
  readonly flushMs?: number
  /** How long a connection may take, ms. @default 10000 */
  readonly connectMs?: number
  readonly clock?: Clock
  /** @default warnings and errors to stderr */
  readonly log?: Log
}

export type CheckedPostgres = Required<Omit<PostgresOptions, 'ca' | 'retentionDays' | 'reader'>> &
  Pick<PostgresOptions, 'ca' | 'retentionDays' | 'reader'>

/** With all defaults. @throws BAD_OPTION */
export function checkPostgres(options: PostgresOptions): CheckedPostgres {
  const checked: CheckedPostgres = {
    ...({ schema: 'tickwire', books: 'depth', timescale: 'auto' } as const),
    ...{ flushMs: 200, connectMs: 10_000, clock: systemClock(), log: stderrLog },
    ...(Object.fromEntries(
      Object.entries(options).filter(([, value]) => value !== undefined),
    ) as unknown as PostgresOptions),
  }
  const bad = (message: string, hint: string) => new TickwireError('BAD_OPTION', message, { hint })
  if (!/^postgres(ql)?:\/\//.test(checked.url)) {
    throw bad(
      `${shownUrl(checked.url)} is no address of PostgreSQL`,
      'Write postgres://user@host/database.',
    )
  }
  if (!/^[a-z_][a-z0-9_]{0,40}$/.test(checked.schema)) {
    throw bad(
      `the schema cannot be ${JSON.stringify(checked.schema)}`,
      'Use small letters, digits and _.',
    )
  }
  const { retentionDays = 1 } = checked
  if (!(Number.isInteger(retentionDays) && retentionDays >= 1)) {
    throw bad(`retentionDays cannot be ${retentionDays}`, 'Give a whole number of days from 1.')
  }
  if (!(checked.flushMs >= 1)) {
    throw bad(`flushMs cannot be ${checked.flushMs}`, 'Give milliseconds from 1.')
  }
  return checked
}
