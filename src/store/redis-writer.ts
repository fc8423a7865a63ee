import { TickwireError } from '../base/errors.ts'
import type { Position } from '../flow/contracts.ts'
import type { MarketEvent } from '../market/events.ts'
import type { Taker } from './commits.ts'
import type { Latest } from './latest.ts'
import type { CheckedRedis } from './redis.ts'
import type { Command, RedisLink } from './redis-driver.ts'
import { CLAIM_MS, positionText, type RedisKeys, stateCommand, textOf } from './redis-keys.ts'

/** How often what a later process needs is kept: after so long, ms, or so many events. */
const KEEP_MS = 30_000
const KEEP_EVENTS = 500_000

export interface RedisWriterOptions {
  readonly link: RedisLink
  readonly keys: RedisKeys
  readonly options: CheckedRedis
  readonly tape: string
  readonly latest: Latest
  /** Behind which number the reading begins. */
  readonly begin: number
  /** Up to which number Redis has everything. */
  readonly seq: number
}

/** Brings what changes of the latest into Redis, once a flush, with how far it has come. */
export class RedisWriter implements Taker {
  readonly #at: RedisWriterOptions
  /** Behind what was taken, and behind what is in Redis. */
  #last: number
  #committed: number
  #pending = 0
  /** Events since the last flush as lines, where all of them are wanted. */
  #lines: string[] = []
  #first = 0
  #kept: number
  #keptAt: number
  #told = false
  /** What stands between the state and the position is being read again. */
  #isReading: boolean
  /** What of it was lost cannot be told: all of the latest is written anew. */
  #isWhole = false

  constructor(at: RedisWriterOptions) {
    this.#at = at
    this.#last = at.begin
    this.#committed = at.seq
    this.#isReading = at.begin < at.seq
    this.#kept = at.begin
    this.#keptAt = at.options.clock.now()
  }

  get pending(): number {
    return this.#pending
  }

  /** Behind it the tape is needed by a later process. */
  get kept(): Position {
    return { tape: this.#at.tape, seq: this.#kept }
  }

  take(events: readonly MarketEvent[]): void {
    const { latest, options } = this.#at
    for (let i = 0; i < events.length; i++) {
      const event = events[i]!
      const { seq } = event
      if (seq !== undefined) {
        if (seq <= this.#last) continue
        // What has been read again up to here is in Redis already.
        if (seq > this.#committed && this.#isReading) {
          this.#isReading = false
          latest.take()
        }
        this.#last = seq
      } else if (this.#isReading && isLoss(event)) this.#isWhole = true
      latest.apply(event)
      if (this.#last <= this.#committed) continue
      this.#pending++
      if (options.streams > 0 && seq !== undefined) this.#line(event, seq)
    }
  }

  #line(event: MarketEvent, seq: number): void {
    const text = textOf(event)
    if (text === undefined) this.#tell(event)
    else {
      if (this.#lines.length === 0) this.#first = seq
      this.#lines.push(text)
    }
  }

  #tell(event: MarketEvent): void {
    if (this.#told) return
    this.#told = true
    const { type, symbol } = event
    this.#at.options.log.warn({ type, symbol }, 'an event has no JSON form: it is not in Redis')
  }

  async flush(): Promise<number> {
    const { link, keys } = this.#at
    const to = this.#last
    const commands = this.#commands(to)
    await link.run(['watch', keys.position])
    const there = await link.run(['get', keys.position])
    if (there !== this.#expected() || !(await link.together(commands))) throw changed()
    this.#committed = to
    if (commands.at(-1)![1] === keys.state) this.#isKept(to)
    return to
  }

  /** All that has come since the last time, as commands that go together. */
  #commands(to: number): Command[] {
    const { keys, options, latest, tape } = this.#at
    const { latest: hash, position, writer, events, changes } = keys
    const set: string[] = []
    const gone: string[] = []
    const isWhole = this.#isWhole
    this.#isWhole = false
    const changed = latest.take()
    for (const [key, event] of isWhole ? latest.entries() : changed) {
      const text = event && textOf(event)
      if (text !== undefined) set.push(key, text)
      else gone.push(key)
      if (event && text === undefined) this.#tell(event)
    }
    const lines = this.#lines
    this.#lines = []
    const commands: Command[] = isWhole ? [['del', hash]] : []
    if (set.length > 0) commands.push(['hset', hash, ...set])
    if (gone.length > 0) commands.push(['hdel', hash, ...gone])
    commands.push(['set', position, positionText(tape, to)])
    commands.push(['set', writer, tape, 'px', `${CLAIM_MS}`])
    if (lines.length > 0) {
      // Entries are numbered as the events are, so that the oldest go by that.
      const oldest = Math.max(0, to - options.streams)
      commands.push([
        ...['xadd', events, 'minid', '~', `${oldest}-0`, `${to}-0`],
        ...['from', `${this.#first}`, 'to', `${to}`, 'events', lines.join('\n')],
      ])
    }
    if (options.pubsub && set.length > 0) {
      const texts = set.filter((_, i) => i % 2 === 1)
      commands.push(['publish', changes, texts.join('\n')])
    }
    const isDue = options.clock.now() - this.#keptAt >= KEEP_MS || to - this.#kept >= KEEP_EVENTS
    if (isDue) commands.push(...this.#keeping(to))
    this.#pending = 0
    return commands
  }

  #keeping(to: number): Command[] {
    const { keys, latest, tape } = this.#at
    const { expiresAt } = latest
    return [
      // Should nobody be there to take it away when all of it is over: so long from now, whatever time the tape is of.
      ...(expiresAt === undefined
        ? [['persist', keys.latest]]
        : [['pexpire', keys.latest, `${Math.ceil(Math.max(1, expiresAt - latest.now))}`]]),
      stateCommand(keys, tape, to, latest),
    ]
  }

  #isKept(seq: number): void {
    this.#kept = seq
    this.#keptAt = this.#at.options.clock.now()
  }

  /** Keeps what a later process needs, where it is not there yet. */
  async keep(): Promise<void> {
    const { link, keys } = this.#at
    if (this.#kept === this.#committed || this.#last !== this.#committed || this.#pending > 0)
      return
    await link.run(['watch', keys.position])
    const there = await link.run(['get', keys.position])
    if (there !== this.#expected() || !(await link.together(this.#keeping(this.#committed)))) {
      throw changed()
    }
    this.#isKept(this.#committed)
  }

  /** Looks whether all is as it was left, and renews the claim to the keys. */
  async beat(): Promise<void> {
    const { link, keys, tape } = this.#at
    const [there, writer] = [
      await link.run(['get', keys.position]),
      await link.run(['get', keys.writer]),
    ]
    if (there !== this.#expected() || (writer !== null && writer !== tape)) throw changed()
    await link.run(['set', keys.writer, tape, 'px', `${CLAIM_MS}`])
  }

  /** The position as we left it. */
  #expected(): string | null {
    return this.#committed === 0 ? null : positionText(this.#at.tape, this.#committed)
  }

  cut(): void {
    this.#at.link.cut()
  }
}

function isLoss(event: MarketEvent): boolean {
  return event.type === 'notice' && (event.notice === 'skipped' || event.notice === 'reset')
}

/** Somebody has emptied Redis, or writes there too: it is read anew, and made good from the tape. */
function changed(): TickwireError {
  return new TickwireError('STORE_UNREACHABLE', 'the keys in Redis are not as they were left', {
    hint: 'They are made anew from the tape; give each data folder a prefix of its own.',
  })
}
