import { type Clock, sleep, type Timer } from '../base/clock.ts'
import { asError, type TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { LAGGING_MS } from '../flow/handler.ts'
import { readerNotice } from '../flow/queue.ts'
import type { MarketEvent } from '../market/events.ts'
import { Outgoing } from '../providers/tickwire/codec.ts'
import type { TapeReader } from '../tape/tape.ts'
import { Group, type GroupOptions, type Member } from './groups.ts'
import type { Outlet } from './outlet.ts'
import { Present } from './present.ts'
import { Routing } from './routing.ts'
import type { Wanted } from './wanted.ts'

/**
 * Between two writes to a client, ms: as long as the last ones took, so that whatever there is to do half the time is left for
 * it, and more leaves together the more there is.
 */
const TICK_MS = 1
const SLOWEST_TICK_MS = 50
/** How long after a failure the tape is read again, ms. */
const RETRY_MS = 1_000
/** Events that whoever joins may have of the hub itself instead of the tape. A power of two. */
const RECENT = 4_096
/** Events a client that has been slow is given at once. */
const SPOONFUL = 512

/** One client, as the hub sees it. */
export interface Client {
  readonly outlet: Outlet
  readonly members: ReadonlySet<Member>
  /** It has been too slow for what it has chosen. */
  tooSlow(reason: TickwireError): void
}

interface Slow {
  readonly client: Client
  readonly since: number
  isTold: boolean
  /** Written, and not all gone yet. */
  isWaiting: boolean
}

/**
 * Reads the tape once for all clients: each event is looked up, written once for each encoding, and collected; what has been
 * collected leaves in one write for each client and tick. A client that reads too slowly gets a queue of its own, so it
 * costs the others nothing.
 */
export class Hub {
  readonly present = new Present()
  readonly #clock: Clock
  readonly #log: Log
  readonly #routing = new Routing()
  readonly #groups = new Map<string, Group>()
  /** Groups that have collected something, each once. */
  #dirty: Group[] = []
  readonly #slow = new Map<Client, Slow>()
  readonly #clients = new Map<Outlet, Client>()
  readonly #recent: (Outgoing | undefined)[] = new Array(RECENT).fill(undefined)
  readonly #end = new AbortController()
  readonly #done: Promise<void>
  #touched: Outlet[] = []
  #timer: Timer | undefined
  #watcher: Timer | undefined
  /** When there may be a tick again. */
  #dueAt = 0
  /** Number of the last event handed out. */
  #seq: number
  /** All from this number on is at hand. */
  #firstRecent: number

  constructor(tape: TapeReader, clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
    this.#seq = tape.written.seq
    this.#firstRecent = this.#seq + 1
    this.#done = this.#follow(tape)
    this.#watch()
  }

  /** Number of the last event handed out. */
  get seq(): number {
    return this.#seq
  }

  get slowClients(): number {
    return this.#slow.size
  }

  get clients(): Iterable<Client> {
    return this.#clients.values()
  }

  get groups(): number {
    return this.#groups.size
  }

  add(client: Client): void {
    this.#clients.set(client.outlet, client)
  }

  delete(client: Client): void {
    this.#clients.delete(client.outlet)
    this.#slow.delete(client)
    for (const member of client.members) this.leave(member)
  }

  /** From here on the member has everything its group wants: nothing before, nothing twice. */
  join(member: Member, wanted: Wanted, options: GroupOptions): void {
    const key = [options.form.key, options.conflateMs, options.conflateTrades, wanted.key].join(' ')
    let group = this.#groups.get(key)
    if (!group) {
      group = new Group(key, wanted, options, {
        clock: this.#clock,
        outgoing: event => this.#outgoing(event),
        dirty: it => this.#mark(it),
        snapshot: delta => this.present.snapshotBehind(delta),
      })
      this.#groups.set(key, group)
      this.#routing.add(group)
    } else {
      // What it has taken so far is the others'.
      group.settle()
      if (group.isDirty) this.flush()
    }
    group.members.add(member)
    member.joined(group)
    member.seq = this.#seq
    const client = this.#clients.get(member.outlet)
    if (client && this.#slow.has(client)) group.stall(member, client.members.size)
  }

  leave(member: Member): void {
    const { group } = member
    if (!group) return
    group.members.delete(member)
    group.slow.delete(member)
    if (!group.isEmpty) return
    group.close()
    this.#groups.delete(group.key)
    this.#routing.delete(group)
  }

  /** What has been handed out behind a number; `undefined` where that is not at hand any more. */
  since(seq: number): Outgoing[] | undefined {
    if (seq + 1 < this.#firstRecent) return undefined
    const out: Outgoing[] = []
    for (let at = seq + 1; at <= this.#seq; at++) out.push(this.#recent[at & (RECENT - 1)]!)
    return out
  }

  /** Writes what has been collected. */
  flush(): void {
    const start = this.#clock.now()
    this.#timer?.cancel()
    this.#timer = undefined
    const touched = this.#touched
    const dirty = this.#dirty
    this.#dirty = []
    for (const group of dirty) {
      group.flush(this.#seq, outlet => {
        if (!outlet.isDirty) touched.push(outlet)
      })
    }
    this.#touched = []
    for (const outlet of touched) {
      outlet.flush()
      if (outlet.isFull) this.#stall(outlet)
    }
    const end = this.#clock.now()
    // The more a tick costs the more is to come together for the next one.
    this.#dueAt = end + Math.min(SLOWEST_TICK_MS, Math.max(TICK_MS, end - start))
    for (const slow of this.#slow.values()) if (!slow.isWaiting) this.#feed(slow)
  }

  async close(): Promise<void> {
    this.flush()
    this.#end.abort()
    this.#timer?.cancel()
    this.#watcher?.cancel()
    for (const group of this.#groups.values()) group.close()
    await this.#done
  }

  /** Reads the tape to its end; where it cannot be read for a while, goes on behind what was read. */
  async #follow(tape: TapeReader): Promise<void> {
    const { signal } = this.#end
    let books = true
    while (!signal.aborted) {
      try {
        const from = { tape: tape.id, seq: this.#seq }
        for await (const batch of tape.read({ from, written: true, books, signal })) {
          if (signal.aborted) return
          books = false
          this.#hand(batch)
        }
        return
      } catch (error) {
        const { message } = asError(error)
        this.#log.error({ error: message, seq: this.#seq }, 'the tape cannot be read: tried again')
        await sleep(this.#clock, RETRY_MS, signal)
      }
    }
  }

  #hand(batch: readonly MarketEvent[]): void {
    const now = this.#clock.now()
    for (const event of batch) {
      this.present.accept(event)
      const out = new Outgoing(event)
      if (event.seq !== undefined) this.#remember(event.seq, out)
      // How books stood before the first event is for joiners only.
      else if (event.type !== 'notice') continue
      else if (event.notice === 'skipped') this.#passOver(event.to!)
      for (const group of this.#routing.of(event))
        if (group.accept(out, now)) this.#dirty.push(group)
    }
    if (this.#dirty.length > 0) this.#schedule(now)
    for (const { client } of this.#slow.values()) closeSlow(client)
  }

  /** The tape has lost what came before it was read here. */
  #passOver(seq: number): void {
    this.#seq = seq
    this.#firstRecent = seq + 1
  }

  #remember(seq: number, out: Outgoing): void {
    if (seq !== this.#seq + 1) this.#firstRecent = seq
    this.#recent[seq & (RECENT - 1)] = out
    this.#seq = seq
    this.#firstRecent = Math.max(this.#firstRecent, seq - RECENT + 1)
  }

  #outgoing(event: MarketEvent): Outgoing {
    const known = this.#recent[(event.seq ?? 0) & (RECENT - 1)]
    return known?.event === event ? known : new Outgoing(event)
  }

  #mark(group: Group): void {
    this.#dirty.push(group)
    this.#schedule(this.#clock.now())
  }

  /** Writes at once where the last time is a tick ago, else when it is: what comes now and then does not wait. */
  #schedule(now: number): void {
    if (this.#timer) return
    const wait = this.#dueAt - now
    if (wait <= 0) this.flush()
    else this.#timer = this.#clock.setTimeout(() => this.flush(), wait)
  }

  #stall(outlet: Outlet): void {
    const client = this.#clients.get(outlet)
    if (!client || this.#slow.has(client)) return
    const slow = { client, since: this.#clock.now(), isTold: false, isWaiting: false }
    this.#slow.set(client, slow)
    const { members } = client
    for (const member of members) member.group?.stall(member, members.size)
    this.#await(slow)
  }

  #await(slow: Slow): void {
    slow.isWaiting = true
    slow.client.outlet.drained().then(() => {
      slow.isWaiting = false
      if (this.#slow.get(slow.client) === slow) this.#feed(slow)
    })
  }

  /** Gives a slow client of what waits, as much as it takes; when nothing does, it is like any other again. */
  #feed(slow: Slow): void {
    const { client } = slow
    const { outlet } = client
    let left = 0
    for (const member of client.members) {
      while (member.queue && !outlet.isFull && this.#spoon(member));
      left += member.queue?.size ?? 0
    }
    if (outlet.isFull) this.#await(slow)
    if (left > 0 || outlet.isFull) return
    // What its groups have collected since the last tick has been in its queue too.
    if (this.#dirty.length > 0) this.flush()
    else {
      this.#slow.delete(client)
      for (const member of client.members) member.group?.recover(member)
    }
  }

  /** Sends some of what waits; whether there was anything. */
  #spoon(member: Member): boolean {
    const queue = member.queue!
    const events = queue.take(this.#clock.now(), SPOONFUL)
    if (events.length === 0) return false
    const writer = member.group!.options.form.writer()
    for (const event of events) writer.add(this.#outgoing(event))
    const last = events.findLast(event => event.seq !== undefined)
    member.seq = queue.size === 0 ? this.#seq : (last?.seq ?? member.seq)
    // What a protocol has no words for leaves nothing to send.
    if (writer.isEmpty) return true
    member.outlet.push(writer.take('events', member.seq)(member.id))
    member.outlet.flush()
    return true
  }

  /** Says that a client lags, in its stream. */
  #watch(): void {
    const now = this.#clock.now()
    for (const slow of this.#slow.values()) {
      if (slow.isTold || now - slow.since < LAGGING_MS) continue
      slow.isTold = true
      const ms = Math.round(now - slow.since)
      for (const { queue } of slow.client.members) {
        const message = `the client has read nothing for ${ms} ms; ${queue?.size ?? 0} events wait`
        queue?.push(readerNotice('lagging', now, message, { count: queue.size }), now)
      }
    }
    this.#watcher = this.#clock.setTimeout(() => this.#watch(), LAGGING_MS, 'idle')
  }
}

function closeSlow(client: Client): void {
  for (const { queue } of client.members) {
    if (!queue?.closed) continue
    client.tooSlow(queue.closed)
    return
  }
}
