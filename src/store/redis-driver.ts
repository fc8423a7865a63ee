import type { RedisClientType } from 'redis'
import { TickwireError } from '../base/errors.ts'

type Api = typeof import('redis')

let driver: Api | undefined

/** @throws STORE_DRIVER_MISSING */
async function loadDriver(): Promise<Api> {
  if (driver) return driver
  try {
    driver = await import('redis')
    return driver
  } catch (cause) {
    throw new TickwireError(
      'STORE_DRIVER_MISSING',
      'Redis needs the package redis, which is not installed',
      { cause, hint: 'Run `npm install redis`; everything else works without it.' },
    )
  }
}

export interface RedisLinkOptions {
  readonly url: string
  /** A certificate authority to trust beside the known ones, PEM. */
  readonly ca?: string | undefined
  readonly connectMs: number
}

/** A command and its arguments. */
export type Command = readonly string[]

/** One connection. It makes itself anew never: what was under way would be in doubt. */
export class RedisLink {
  readonly #client: RedisClientType
  #lost: Error | undefined

  private constructor(client: RedisClientType) {
    this.#client = client
    client.on('error', (error: Error) => {
      this.#lost ??= error
    })
  }

  /**
   * Connects; in a cluster, to the server that has a key.
   * @throws STORE_DRIVER_MISSING, or what the driver throws
   */
  static async connect(options: RedisLinkOptions, key: string): Promise<RedisLink> {
    const link = await RedisLink.#open(options)
    const late = setTimeout(() => link.cut(), options.connectMs)
    try {
      await link.run(['exists', key])
      return link
    } catch (error) {
      await link.close()
      const [, host, port] = /^MOVED \d+ (.*):(\d+)$/.exec((error as Error).message) ?? []
      if (port === undefined) throw error
      const url = new URL(options.url)
      if (host) url.hostname = host
      url.port = port
      return RedisLink.#open({ ...options, url: url.href })
    } finally {
      clearTimeout(late)
    }
  }

  static async #open({ url, ca, connectMs }: RedisLinkOptions): Promise<RedisLink> {
    const { createClient } = await loadDriver()
    const client = createClient({
      url,
      // Without this the driver tells its name and version, a right that a user may lack.
      disableClientInfo: true,
      disableOfflineQueue: true,
      RESP: 2,
      socket: {
        reconnectStrategy: false,
        connectTimeout: connectMs,
        keepAlive: true,
        keepAliveInitialDelay: 10_000,
        ...(ca !== undefined && { tls: true as const, ca }),
      },
    })
    const link = new RedisLink(client as unknown as RedisClientType)
    // The driver's own limit ends with the socket, before the server has said anything.
    const late = setTimeout(() => link.cut(), connectMs)
    try {
      await client.connect()
    } catch (error) {
      // The first error says more than the one that the connection then ends with.
      throw link.#lost ?? error
    } finally {
      clearTimeout(late)
    }
    return link
  }

  /** Why the connection is of no use any more. */
  get lost(): Error | undefined {
    return this.#lost
  }

  async run(command: Command): Promise<unknown> {
    // Why it ended says more than that it has ended.
    if (this.#lost) throw this.#lost
    return this.#client.sendCommand([...command])
  }

  /**
   * Commands that are done together or not at all, and only if nobody has changed a key since it was {@link watch}ed.
   * Resolves with what each of them says; with `undefined` where somebody has.
   */
  async together(commands: readonly Command[]): Promise<unknown[] | undefined> {
    const sent = [['multi'], ...commands, ['exec']].map(command => this.run(command))
    // Each of them says that it is queued, or why not; the last one says what became of them.
    const queued = await Promise.allSettled(sent)
    const refused = queued.find(result => result.status === 'rejected')
    if (refused) throw (refused as PromiseRejectedResult).reason
    const results = (queued.at(-1) as PromiseFulfilledResult<unknown>).value
    if (results === null) return undefined
    const failed = (results as unknown[]).find(result => result instanceof Error)
    if (failed) throw failed
    return results as unknown[]
  }

  async close(): Promise<void> {
    if (this.#lost || !this.#client.isOpen) return
    this.#lost = new Error('the connection is closed')
    await this.#client.close()
  }

  /** Ends it at once, with whatever is under way. */
  cut(): void {
    this.#lost ??= new Error('the connection was cut')
    if (this.#client.isOpen) this.#client.destroy()
  }
}
