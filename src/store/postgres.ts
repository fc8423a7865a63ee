import { asError, TickwireError } from '../base/errors.ts'
import type { HistoryRequest, Position } from '../flow/contracts.ts'
import type { MarketEvent } from '../market/events.ts'
import { closed, Follower, type Taking } from './follower.ts'
import { givenUp } from './link.ts'
import { Answers, badSql } from './postgres-answers.ts'
import { compareRows, type Difference, forgetTape } from './postgres-check.ts'
import { Days } from './postgres-days.ts'
import { Link } from './postgres-driver.ts'
import { type AccountRow, accountMark, markAccounts, putAccount } from './postgres-ledger.ts'
import { mergeInto } from './postgres-merge.ts'
import { type CheckedPostgres, checkPostgres, type PostgresOptions } from './postgres-options.ts'
import { name, writingSettings } from './postgres-schema.ts'
import { grantReader, lookAt, type SetUp, setUp } from './postgres-setup.ts'
import { postgresTrouble, shownUrl } from './postgres-trouble.ts'
import { TapeWriter } from './postgres-writer.ts'
import type { AsOfRequest, Followed, Holding, Merged, MergeOptions, Store, Table } from './store.ts'

/** Events compared with rows at once. */
const COMPARED_AT_ONCE = 20_000

export type { AccountRow } from './postgres-ledger.ts'
export type { PostgresOptions } from './postgres-options.ts'

/**
 * The tables of a database as a store: what is recorded, to be asked with SQL by anybody. They are made where they are
 * missing and the user may. One process writes for a tape; any number may read.
 * @throws STORE_DRIVER_MISSING STORE_UNREACHABLE STORE_REFUSED STORE_TOO_NEW STORE_UNWRITABLE BAD_OPTION
 */
export async function openPostgres(options: PostgresOptions): Promise<PostgresStore> {
  return opened(new PostgresStore(checkPostgres(options)), store => store.init())
}

/**
 * The same, to be asked only: nothing is made, and the right to read is enough.
 * @throws as {@link openPostgres}; STORE_REFUSED where there are no tables
 */
export async function readPostgres(options: PostgresOptions): Promise<PostgresStore> {
  return opened(new PostgresStore(checkPostgres(options)), store => store.look())
}

/** One that fails to begin must not keep its connection. */
async function opened(
  store: PostgresStore,
  begin: (store: PostgresStore) => Promise<unknown>,
): Promise<PostgresStore> {
  try {
    await begin(store)
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

export class PostgresStore implements Store {
  readonly #options: CheckedPostgres
  readonly #follower: Follower<Link>
  #found: SetUp | undefined
  readonly #asking = new Set<Link>()

  constructor(options: CheckedPostgres) {
    this.#options = options
    const { clock, log, flushMs, url } = options
    this.#follower = new Follower({
      ...{ clock, log, flushMs, what: 'PostgreSQL' },
      connect: () => this.#writing(),
      begin: (link, tape) => this.#begin(link, tape),
      trouble: (error, what) => postgresTrouble(error, url, what),
    })
  }

  /** Makes what is missing, and brings what is of an older version forward. Resolves with what was there. */
  async init(): Promise<SetUp> {
    const { schema, reader, timescale, log } = this.#options
    return this.#follower.trying('PostgreSQL cannot be used', async () => {
      const options = { schema, reader, timescale: timescale === 'auto', log }
      const was = await this.#follower.asking(link => setUp(link, options))
      await this.#isOf(was)
      return was
    })
  }

  /** Gives the role that is to read its rights anew. */
  async grant(role: string): Promise<void> {
    const { schema } = this.#options
    await this.#follower.trying(`${role} cannot be given the right to read`, async () =>
      grantReader(await this.#follower.linked(), schema, role),
    )
  }

  /** @throws STORE_REFUSED where there are no tables */
  async look(): Promise<SetUp> {
    const { schema, url } = this.#options
    return this.#follower.trying('the tables cannot be read', async () => {
      const there = await lookAt(await this.#follower.linked(), schema)
      if (!there) {
        const message = `there are no tables of tickwire in ${shownUrl(url)}, schema ${schema}`
        throw new TickwireError('STORE_REFUSED', message, {
          hint: 'Make them with `tickwire store init`, or name another schema.',
        })
      }
      await this.#isOf(there)
      return there
    })
  }

  get position(): Position | undefined {
    return this.#follower.position
  }

  /** What is committed is safe there: the tape need not keep it. */
  get needed(): Position | undefined {
    return this.#follower.position
  }

  reached(position: Position): Promise<void> {
    return this.#follower.reached(position)
  }

  follow(
    tape: Followed,
    options?: { readonly signal?: AbortSignal; readonly live?: boolean },
  ): Promise<void> {
    return this.#follower.follow(tape, options)
  }

  async #begin(link: Link, tape: string): Promise<Taking> {
    const { schema, books, retentionDays, clock, log } = this.#options
    const { no, seq } = await this.#placeOf(link, tape)
    const days = new Days({ schema, form: this.#form, retentionDays, clock, log })
    const byLevel = books === 'levels'
    return { taker: new TapeWriter({ link, schema, tapeNo: no, seq, byLevel, days }), seq }
  }

  /** Number of a tape in rows, and how far of it is there. */
  async #placeOf(link: Link, id: string): Promise<{ no: number; seq: number }> {
    const s = name(this.#options.schema)
    await link.query(
      `insert into ${s}.tapes (id, seq) values ($1, 0) on conflict (id) do nothing`,
      [id],
    )
    const { rows } = await link.query(`select no, seq from ${s}.tapes where id = $1`, [id])
    const [no, seq] = rows[0]! as [string, string]
    return { no: Number(no), seq: Number(seq) }
  }

  /** How far of a tape the server has, asked now. */
  async stored(tape: string): Promise<Position | undefined> {
    const s = name(this.#options.schema)
    return this.#follower.trying('PostgreSQL cannot be asked', async () => {
      const link = await this.#follower.linked()
      const { rows } = await link.query(`select seq from ${s}.tapes where id = $1`, [tape])
      return rows[0] ? { tape, seq: Number(rows[0][0]) } : undefined
    })
  }

  /** Forgets what came from a tape behind a number, so that it comes again. Resolves with how many rows went. */
  async forget(tape: string, from: number): Promise<number> {
    const { schema } = this.#options
    return this.#follower.trying('nothing was forgotten', async () => {
      const link = await this.#follower.linked()
      const { no } = await this.#placeOf(link, tape)
      const gone = await forgetTape(link, schema, no, from)
      this.#follower.position = { tape, seq: from }
      return gone
    })
  }

  /**
   * Compares the rows of a tape with the tape, up to where both go. Resolves with how many events were compared; what
   * differs is told.
   */
  async check(
    tape: Followed,
    told: (difference: Difference) => void,
    signal?: AbortSignal,
  ): Promise<number> {
    const { schema } = this.#options
    return this.#follower.trying('the rows cannot be compared', async () => {
      const link = await this.#follower.linked()
      const { rows } = await link.query(`select no, seq from ${name(schema)}.tapes where id = $1`, [
        tape.id,
      ])
      const [no, seq] = (rows[0] ?? ['0', '0']) as [string, string]
      let compared = 0
      let waiting: MarketEvent[] = []
      const compare = async () => {
        for (const one of await compareRows(link, schema, Number(no), waiting)) told(one)
        compared += waiting.length
        waiting = []
      }
      const written = { from: 'start', written: true, live: false } as const
      for await (const batch of tape.read({ ...written, ...(signal && { signal }) })) {
        for (const event of batch) {
          if (event.seq !== undefined && event.seq <= Number(seq)) waiting.push(event)
        }
        // The tape may have been written a few events at a time: asked for each of those, it would take hours.
        if (waiting.length >= COMPARED_AT_ONCE) await compare()
        if (batch.some(event => event.seq !== undefined && event.seq > Number(seq))) break
      }
      // What was compared until then is no answer.
      if (signal?.aborted) throw givenUp()
      await compare()
      return compared
    })
  }

  /** Puts what has been counted of days in the place of what was there of them. */
  async putLedger(rows: readonly AccountRow[]): Promise<void> {
    if (rows.length === 0) return
    await this.#aside(link => putAccount(link, this.#options.schema, rows))
  }

  /** Up to when accounts of a tape that were kept until then are there, epoch ms; 0 where none are. */
  async ledgerMark(tape: string): Promise<number> {
    return this.#aside(link => accountMark(link, this.#options.schema, tape))
  }

  async markLedger(tape: string, at: number): Promise<void> {
    await this.#aside(link => markAccounts(link, this.#options.schema, tape, at))
  }

  /** By a connection of its own: that for writing is in the midst of a transaction. */
  async #aside<T>(work: (link: Link) => Promise<T>): Promise<T> {
    return this.#follower.trying('the ledger was not taken in', async () => {
      const link = await this.#connect()
      try {
        return await work(link)
      } finally {
        await link.close()
      }
    })
  }

  async *history(request: HistoryRequest): AsyncGenerator<MarketEvent[]> {
    if (!(request.from <= request.to)) {
      throw new TickwireError('BAD_OPTION', 'the range ends before it begins', {
        hint: 'Give the earlier time first.',
      })
    }
    const asking = await this.#ask(request.signal)
    try {
      yield* asking.answers.history(request, this.#options.clock.now())
    } catch (error) {
      throw this.#told(error, request.signal)
    } finally {
      await asking.end()
    }
  }

  async asOf(request: AsOfRequest): Promise<MarketEvent[]> {
    return this.#answer(request.signal, it => it.asOf(request, this.#options.clock.now()))
  }

  async holdings(): Promise<Holding[]> {
    return this.#answer(undefined, it => it.holdings(this.#form))
  }

  async sql(text: string, options: { readonly signal?: AbortSignal } = {}): Promise<Table> {
    const asking = await this.#ask(options.signal)
    const fail = (thrown: unknown) => {
      const error = asError(thrown)
      // The server's own words for a statement that is wrong or not allowed.
      const { code = '' } = error as { code?: string }
      return /^(?:42|22|21|25006|0A|2F|P0)/.test(code)
        ? badSql(error)
        : this.#told(error, options.signal)
    }
    try {
      const { columns, rows } = await asking.answers.sql(text)
      const read = async function* () {
        try {
          yield* rows
        } catch (error) {
          throw fail(error)
        } finally {
          await asking.end()
        }
      }
      return { columns, rows: read() }
    } catch (error) {
      await asking.end()
      throw fail(error)
    }
  }

  parquet(): Promise<string[]> {
    const message = 'PostgreSQL has no Parquet files'
    return Promise.reject(
      new TickwireError('UNSUPPORTED', message, {
        hint: 'The embedded store has; or ask with SQL.',
      }),
    )
  }

  async merge(
    events: AsyncIterable<readonly MarketEvent[]>,
    options: MergeOptions = {},
  ): Promise<Merged> {
    const { schema, clock, log } = this.#options
    if (this.#follower.isClosing) throw closed()
    return this.#follower.trying('nothing was taken in', async () => {
      const link = await this.#writing()
      this.#asking.add(link)
      try {
        const days = new Days({ schema, form: this.#form, retentionDays: undefined, clock, log })
        return await mergeInto(link, schema, days, events, options)
      } finally {
        this.#asking.delete(link)
        await link.close()
      }
    })
  }

  /** A connection of its own, in a transaction that reads; ended by the signal. */
  async #ask(signal: AbortSignal | undefined) {
    if (this.#follower.isClosing) throw closed()
    if (signal?.aborted) throw givenUp()
    const { schema, log } = this.#options
    const link = await this.#follower.trying('PostgreSQL cannot be asked', () => this.#connect())
    this.#asking.add(link)
    const abort = () => {
      link.cancel().catch(error => {
        log.debug({ error: asError(error).message }, 'a question could not be ended: it is cut off')
        link.cut()
      })
    }
    signal?.addEventListener('abort', abort)
    const end = async () => {
      signal?.removeEventListener('abort', abort)
      if (this.#asking.delete(link)) await link.close()
    }
    try {
      return { answers: await Answers.begin(link, schema), end }
    } catch (error) {
      await end()
      throw this.#told(error, signal)
    }
  }

  async #answer<T>(
    signal: AbortSignal | undefined,
    work: (answers: Answers) => Promise<T>,
  ): Promise<T> {
    const asking = await this.#ask(signal)
    try {
      return await work(asking.answers)
    } catch (error) {
      throw this.#told(error, signal)
    } finally {
      await asking.end()
    }
  }

  #told(error: unknown, signal?: AbortSignal): Error {
    if (signal?.aborted) return givenUp()
    if (this.#follower.isClosing) return closed()
    return postgresTrouble(error, this.#options.url, 'PostgreSQL cannot answer')
  }

  #connect(): Promise<Link> {
    const { url, ca, connectMs } = this.#options
    return Link.connect({ url, ca, connectMs, name: 'tickwire' })
  }

  /** A connection to write by. */
  async #writing(): Promise<Link> {
    const link = await this.#connect()
    await link.run(writingSettings(this.#form))
    return link
  }

  /** What is known of the tables now may want other settings than the connection was made with. */
  async #isOf(found: SetUp): Promise<void> {
    this.#found ??= found
    await (await this.#follower.linked()).run(writingSettings(found.form))
  }

  get #form(): SetUp['form'] {
    return this.#found?.form ?? 'partitions'
  }

  /** How the tables are, and what was there before they were as they are. */
  get found(): SetUp | undefined {
    return this.#found
  }

  close(): Promise<void> {
    return this.#follower.close(() => {
      for (const link of this.#asking) link.cut()
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
