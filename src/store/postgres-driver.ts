import type { Writable } from 'node:stream'
import type { Client, ClientConfig, QueryArrayResult } from 'pg'
import { TickwireError } from '../base/errors.ts'

interface Driver {
  readonly Client: typeof Client
  readonly copyFrom: (text: string) => Writable & { readonly rowCount: number }
}

let driver: Driver | undefined

/** @throws STORE_DRIVER_MISSING */
async function loadDriver(): Promise<Driver> {
  if (driver) return driver
  try {
    const [{ default: pg }, { from }] = await Promise.all([import('pg'), import('pg-copy-streams')])
    driver = { Client: pg.Client, copyFrom: from as unknown as Driver['copyFrom'] }
    return driver
  } catch (cause) {
    throw new TickwireError(
      'STORE_DRIVER_MISSING',
      'PostgreSQL needs the packages pg and pg-copy-streams, which are not installed',
      { cause, hint: 'Run `npm install pg pg-copy-streams`; everything else works without them.' },
    )
  }
}

export interface LinkOptions {
  readonly url: string
  /** A certificate authority to trust beside the known ones, PEM. */
  readonly ca?: string | undefined
  /** What the server calls it: `select application_name from pg_stat_activity`. */
  readonly name: string
  readonly connectMs: number
}

/** An answer: every value as the server writes it, `null` for null. */
export interface Answer {
  readonly columns: readonly { readonly name: string; readonly type: number }[]
  readonly rows: (string | null)[][]
  /** Rows that a statement changed. */
  readonly count: number
}

/** One connection. Statements go one after the other; after an error of the connection it is of no use. */
export class Link {
  readonly #driver: Driver
  readonly #client: Client
  readonly #options: LinkOptions
  #lost: Error | undefined

  private constructor(loaded: Driver, options: LinkOptions, client: Client) {
    this.#driver = loaded
    this.#options = options
    this.#client = client
    const lost = (error: Error) => {
      this.#lost ??= error
    }
    client.on('error', lost)
    client.on('end', () => lost(new Error('the server ended the connection')))
  }

  /** @throws STORE_DRIVER_MISSING, or what the driver throws */
  static async connect(options: LinkOptions): Promise<Link> {
    const loaded = await loadDriver()
    const { url, ca, name, connectMs } = options
    const config: ClientConfig = {
      connectionString: url,
      application_name: name,
      connectionTimeoutMillis: connectMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      types: { getTypeParser: () => (text: string) => text } as never,
      ...(ca !== undefined && { ssl: { ca } }),
    }
    const client = new loaded.Client(config)
    const link = new Link(loaded, options, client)
    await client.connect()
    return link
  }

  /** Why the connection is of no use any more. */
  get lost(): Error | undefined {
    return this.#lost
  }

  /** One statement, with values for `$1` and so on. */
  async query(text: string, values: readonly unknown[] = []): Promise<Answer> {
    this.#mustHold()
    const result = await this.#client.query<(string | null)[]>({
      ...{ text, values: [...values], rowMode: 'array' },
      // Several statements in one text are refused.
      ...({ queryMode: 'extended' } as object),
    })
    return answerOf(result)
  }

  /** Several statements in one text, one round trip. */
  async run(text: string): Promise<Answer[]> {
    this.#mustHold()
    const results = (await this.#client.query({ text, rowMode: 'array' })) as unknown
    return (Array.isArray(results) ? results : [results]).map(answerOf)
  }

  /** Sends rows in the binary form of COPY; returns how many there were. */
  copy(text: string, data: readonly Uint8Array[]): Promise<number> {
    return new Promise((resolve, reject) => {
      const stream = this.#client.query(
        this.#driver.copyFrom(text) as never,
      ) as unknown as Writable & {
        readonly rowCount: number
      }
      stream.on('error', reject)
      stream.on('finish', () => resolve(stream.rowCount))
      for (const part of data) stream.write(part)
      stream.end()
    })
  }

  /** Why the connection ended says more than what the driver says of one that has ended. */
  #mustHold(): void {
    if (this.#lost) throw this.#lost
  }

  /** Ends the statement that runs, if there is one. */
  async cancel(): Promise<void> {
    const { processID } = this.#client as unknown as { processID: number | null }
    if (this.#lost || !processID) return
    const other = await Link.connect(this.#options)
    try {
      await other.query('select pg_cancel_backend($1)', [processID])
    } finally {
      await other.close()
    }
  }

  /** Ends it behind what is under way. */
  async close(): Promise<void> {
    if (this.#lost) return
    this.#lost = new Error('the connection is closed')
    await this.#client.end()
  }

  /** Ends it at once, with whatever is under way. */
  cut(): void {
    this.#lost ??= new Error('the connection was cut')
    const { connection } = this.#client as unknown as {
      connection: { stream: { destroy(): void } }
    }
    connection.stream.destroy()
  }
}

function answerOf({ fields, rows, rowCount }: QueryArrayResult): Answer {
  return {
    columns: (fields ?? []).map(({ name, dataTypeID }) => ({ name, type: dataTypeID })),
    rows: rows as (string | null)[][],
    count: rowCount ?? 0,
  }
}
