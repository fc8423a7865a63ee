import { type Clock, systemClock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import { type Log, stderrLog } from '../base/log.ts'
import type { LatestRequest, LatestSource, Position } from '../flow/contracts.ts'
import { decodeColumns } from '../market/columns.ts'
import type { MarketEvent } from '../market/events.ts'
import { parseEvent } from '../market/json.ts'
import { parseTopic } from '../market/topics.ts'
import { Follower, type Taking } from './follower.ts'
import { Latest } from './latest.ts'
import { givenUp } from './link.ts'
import { shownUrl } from './postgres-trouble.ts'
import { RedisLink } from './redis-driver.ts'
import { CLAIM_MS, type RedisKeys, redisKeys, textOf, VERSION } from './redis-keys.ts'
import { redisTrouble } from './redis-trouble.ts'
import { RedisWriter } from './redis-writer.ts'
import type { Followed, TapeStore } from './store.ts'

export interface RedisOptions {
  /** `redis://user:password@host:6379/0`, `rediss://` for TLS; of a cluster any of its servers. */
  readonly url: string
  /** A certificate authority to trust, PEM. */
  readonly ca?: string | undefined
  /** Begins all keys: one for each data folder. In a cluster with braces: `{tickwire}`. @default 'tickwire' */
  readonly prefix?: string
  /** So long updates are gathered, of which the last one of a symbol counts, ms. @default 20 */
  readonly flushMs?: number
  /** Keeps about so many events, all that come, in a stream of batches; 0: none. @default 0 */
  readonly streams?: number
  /** Publishes what has changed, one message a flush. @default false */
  readonly pubsub?: boolean
  /** When the latest goes: never, or when the next trading day of its market begins. @default 'never' */
  readonly expire?: 'never' | 'session'
  /** How long a connection may take, ms. @default 10000 */
  readonly connectMs?: number
  readonly clock?: Clock
  /** @default warnings and errors to stderr */
  readonly log?: Log
}

export type CheckedRedis = Required<Omit<RedisOptions, 'ca'>> & Pick<RedisOptions, 'ca'>

/**
 * The latest of every symbol in Redis, for dashboards: always that of the tape up to a position, which stands beside it.
 * @throws STORE_DRIVER_MISSING STORE_UNREACHABLE STORE_REFUSED STORE_UNWRITABLE BAD_OPTION
 */
export async function openRedis(options: RedisOptions): Promise<RedisStore> {
  const store = new RedisStore(check(options))
  await store.open()
  return store
}

function check(options: RedisOptions): CheckedRedis {
  const checked: CheckedRedis = {
    ...{ prefix: 'tickwire', flushMs: 20, streams: 0, pubsub: false, expire: 'never' as const },
    ...{ connectMs: 10_000, clock: systemClock(), log: stderrLog },
    ...(Object.fromEntries(
      Object.entries(options).filter(([, value]) => value !== undefined),
    ) as unknown as RedisOptions),
  }
  const bad = (message: string, hint: string) => new TickwireError('BAD_OPTION', message, { hint })
  if (!/^rediss?:\/\//.test(checked.url)) {
    throw bad(`${shownUrl(checked.url)} is no address of Redis`, 'Write redis://host:6379.')
  }
  if (checked.prefix === '' || /\s/.test(checked.prefix)) {
    throw bad(`the prefix cannot be ${JSON.stringify(checked.prefix)}`, 'Write it without spaces.')
  }
  if (!(checked.flushMs >= 1)) {
    throw bad(`flushMs cannot be ${checked.flushMs}`, 'Give milliseconds from 1; 10 to 50 do well.')
  }
  if (!(Number.isInteger(checked.streams) && checked.streams >= 0)) {
    throw bad(`streams cannot be ${checked.streams}`, 'Give a number of events, or 0 for none.')
  }
  return checked
}

interface Stored {
  readonly tape: string
  readonly seq: number
}

/** What a later process goes on from. */
export interface StoredState extends Stored {
  readonly now: number
  readonly events: readonly MarketEvent[]
}

export class RedisStore implements TapeStore, LatestSource {
  readonly keys: RedisKeys
  readonly #options: CheckedRedis
  readonly #follower: Follower<RedisLink>
  #writer: RedisWriter | undefined

  constructor(options: CheckedRedis) {
    const { clock, log, flushMs, prefix } = options
    this.#options = options
    this.keys = redisKeys(prefix)
    this.#follower = new Follower({
      ...{ clock, log, flushMs, what: 'Redis' },
      connect: () => this.#connect(),
      begin: (link, tape) => this.#begin(link, tape),
      trouble: (error, what) => redisTrouble(error, options, what),
    })
  }

  async open(): Promise<void> {
    await this.#follower.trying('Redis cannot be used', () => this.#follower.linked())
  }

  get position(): Position | undefined {
    return this.#follower.position
  }

  /** What Redis would need again of the tape to go on: what came behind the last state it keeps. */
  get needed(): Position | undefined {
    return this.#writer?.kept
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

  async #begin(link: RedisLink, tape: string): Promise<Taking> {
    const { seq, state } = await this.#found(link, tape)
    const latest = new Latest(this.#options)
    if (state) latest.restore(state.events, state.now)
    const from = state?.seq ?? 0
    const writer = new RedisWriter({
      ...{ link, keys: this.keys, options: this.#options, tape, latest, begin: from },
      // What it has is not written again: it would go back to what it was.
      seq,
    })
    this.#writer = writer
    return { taker: writer, seq, from, books: from > 0, end: () => writer.keep() }
  }

  /** What of a tape is there; of another one all goes. */
  async #found(link: RedisLink, tape: string) {
    await this.#claim(link, tape)
    const stored = await this.#stored(link)
    if (stored?.tape === tape) {
      return { seq: stored.seq, state: await this.#state(link, tape) }
    }
    await this.#wipe(link)
    return { seq: 0, state: undefined }
  }

  /** One data folder writes: two would take turns to undo each other's. */
  async #claim(link: RedisLink, tape: string): Promise<void> {
    const { writer } = this.keys
    const { prefix } = this.#options
    const claimed = await link.run(['set', writer, tape, 'px', `${CLAIM_MS}`, 'nx'])
    if (claimed === 'OK' || (await link.run(['get', writer])) === tape) return
    const message = `another tape is written to the keys ${prefix}:*`
    throw new TickwireError('STORE_IN_USE', message, {
      hint: 'End that process, or give one of them another prefix: `stores.redis.prefix`.',
    })
  }

  async #stored(link: RedisLink): Promise<Stored | undefined> {
    return this.#storedOf(await link.run(['get', this.keys.position]))
  }

  #storedOf(text: unknown): Stored | undefined {
    if (typeof text !== 'string') return undefined
    const { version = 0, tape, seq } = JSON.parse(text) as Stored & { version?: number }
    // It is only what the tape gives: of an older version it is made anew.
    if (version < VERSION) return undefined
    if (version > VERSION) {
      const message = `the keys ${this.#options.prefix}:* are of a newer tickwire`
      throw new TickwireError('STORE_TOO_NEW', message, {
        hint: 'Use the newer tickwire, or another prefix: `stores.redis.prefix`.',
      })
    }
    return { tape, seq }
  }

  async #state(link: RedisLink, tape: string): Promise<StoredState | undefined> {
    const values = (await link.run([
      ...['hmget', this.keys.state, 'tape', 'seq', 'now', 'events'],
    ])) as (string | null)[]
    const [of, seq, now, events] = values
    if (of !== tape || !seq || !now || events === null || events === undefined) return undefined
    return {
      ...{ tape, seq: Number(seq), now: Number(now) },
      events: events === '' ? [] : decodeColumns(Buffer.from(events, 'base64')),
    }
  }

  async #wipe(link: RedisLink): Promise<void> {
    const { latest, position, state, events } = this.keys
    await link.run(['del', latest, position, state, events])
  }

  /** Forgets all: the next that follows a tape begins with its oldest event. */
  async forget(_tape?: string, _from?: number): Promise<void> {
    await this.#follower.trying('nothing was forgotten', async () =>
      this.#wipe(await this.#follower.linked()),
    )
    this.#follower.position = undefined
  }

  /** How far of a tape Redis has, asked now. */
  async stored(tape: string): Promise<Position | undefined> {
    return this.#follower.trying('Redis cannot be asked', async () => {
      const stored = await this.#stored(await this.#follower.linked())
      return stored?.tape === tape ? { tape, seq: stored.seq } : undefined
    })
  }

  /**
   * Compares what is there with the latest that the tape gives. Resolves with how many topics were compared; those that
   * differ are told.
   */
  async check(
    tape: Followed & { readonly start: Position },
    told: (key: string) => void,
    signal?: AbortSignal,
  ): Promise<number> {
    const { at, latest: there } = await this.all()
    const latest = new Latest(this.#options)
    const written = { from: 'start', written: true, live: false } as const
    for await (const batch of tape.read({ ...written, ...(signal && { signal }) })) {
      for (const event of batch) {
        if (event.seq === undefined || event.seq <= (at?.seq ?? 0)) latest.apply(event)
      }
    }
    // What was read until then is no answer.
    if (signal?.aborted) throw givenUp()
    const isOfTape = at?.tape === tape.id
    for (const [key, event] of latest.entries()) {
      if (!isOfTape || there.get(key) !== textOf(event)) told(key)
      there.delete(key)
    }
    for (const [key, text] of there) {
      // What the tape does not hold any more may still be the latest.
      if (!isOfTape || (parseEvent(text).seq ?? 0) > tape.start.seq) told(key)
    }
    return [...latest.entries()].length
  }

  /** All there is, and how far of which tape it is: read together. */
  async all(): Promise<{
    readonly at: Position | undefined
    readonly latest: Map<string, string>
  }> {
    return this.#follower.trying('Redis cannot be asked', async () => {
      const { position, latest: hash } = this.keys
      // By a connection of its own: a transaction between those of a flush would end its watch.
      const link = await this.#connect()
      let answer: unknown
      try {
        // Asked one after the other, a flush would come between: time and again, where the hash is large.
        answer = await link.together([
          ['get', position],
          ['hgetall', hash],
        ])
      } finally {
        await link.close()
      }
      const [text, fields] = answer as [string | null, string[]]
      const latest = new Map<string, string>()
      for (let i = 0; i < fields.length; i += 2) latest.set(fields[i]!, fields[i + 1]!)
      return { at: this.#storedOf(text), latest }
    })
  }

  async latest({ kind, symbols, interval = '1m', source }: LatestRequest): Promise<MarketEvent[]> {
    const found = new Map<string, MarketEvent>()
    for (const [key, text] of (await this.all()).latest) {
      const topic = parseTopic(key)
      if (topic.kind !== kind || (source !== undefined && topic.source !== source)) continue
      if (kind === 'bar' && topic.interval !== interval) continue
      const event = parseEvent(text)
      const known = found.get(topic.symbol)
      if (!known || event.timestamp >= known.timestamp) found.set(topic.symbol, event)
    }
    if (symbols.includes('*')) return [...found.values()]
    return symbols.flatMap(symbol => found.get(symbol) ?? [])
  }

  #connect(): Promise<RedisLink> {
    const { url, ca, connectMs } = this.#options
    return RedisLink.connect({ url, ca, connectMs }, this.keys.position)
  }

  close(): Promise<void> {
    return this.#follower.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
