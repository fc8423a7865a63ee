import type { Timer } from '../base/clock.ts'
import type { TickwireError } from '../base/errors.ts'
import type { MarketEvent } from '../market/events.ts'
import { ANY, type Topic } from '../market/topics.ts'
import { Handover } from './handover.ts'
import type { Provider } from './provider.ts'
import { type FeedState, Session, type SessionHooks } from './session.ts'
import { Portion, type TopicState } from './subscriptions.ts'
import type { Watched } from './watched.ts'
import { Wildcard } from './wildcard.ts'

/** How often the load of the connections is compared, ms. */
const REBALANCE_MS = 30_000
/** A connection that carries this much more than the average gives symbols away. */
const UNEVEN = 1.5
/** How long a connection that refused a symbol for want of room is taken to be full, ms. */
const ROOM_MS = 60_000
/** Attempts refused for want of a place, while another connection is open, after which one is given up. */
const DENIALS = 3
/** How long no further connection is opened then, ms. */
const DENIED_MS = 600_000
/** Symbols moved at a time. */
const MOVES = 20
/** How long two connections carry a symbol at most until one takes over, from the new one's confirmation, ms. */
const OVERLAP_MS = 2_000
/** How long what the old connection still brings is watched after that, ms. */
const AFTERMATH_MS = 5_000
/** How long before the venue ends a connection for its age another one takes over, at most, ms. */
const ROTATION_MS = 600_000

interface Shard {
  readonly portion: Portion
  readonly session: Session
  /** Symbols this connection has shown it cannot exceed, for a while: it may have been a passing refusal. */
  room: number
  roomUntil: number
  /** How often in a row the venue had no place for it, while it had one for another. */
  denials: number
  /** Symbols it owns, and the sum of their weights at the last comparison. */
  count: number
  load: number
  /** Its connection has reached its age: another one takes over all it carries, then it is gone. */
  retiring: boolean
}

interface Move {
  readonly symbol: string
  readonly from: Shard
  readonly to: Shard
  handover: Handover
  /** The new connection has confirmed the symbol; the countdown runs. */
  confirmed: boolean
}

/** What a session tells its feed, less what concerns one connection among several. */
export type ShardHooks = Omit<SessionHooks, 'refused' | 'unleased' | 'interrupted' | 'leaving'> & {
  /** These were confirmed, and are sent no more: their connection is gone, or the venue refuses them. */
  interrupted(topics: readonly Topic[], why: string): void
  /** An answer has come: whoever waits for one looks again. */
  answered(): void
  /** The venue refuses these, and no other connection carries or takes them. */
  denied?(topics: readonly Topic[], reason: TickwireError): void
}

/**
 * Spreads subscriptions over as many connections as the venue allows and the symbols need, by symbol and by
 * measured weight, and moves symbols between them without a hole. One connection is the ordinary case and costs
 * nothing extra.
 */
export class Shards {
  readonly #provider: Provider
  readonly #hooks: ShardHooks
  readonly #shards: Shard[] = []
  readonly #owners = new Map<string, Shard>()
  readonly #moves = new Map<string, Move>()
  /** `*` as asked for, of which kind, and who speaks for symbols that are wanted by themselves too. */
  readonly #wildcards = new Map<string, { readonly topic: Topic; readonly wildcard: Wildcard }>()
  /** Events seen per symbol, halved at each comparison; counted only when there are several connections. */
  readonly #weights = new Map<string, number>()
  readonly #most: number
  readonly #perShard: number
  #timer: Timer | undefined
  #timers = new Set<Timer>()
  /** Until when the connections there are must do, epoch ms: the venue had no place for one more. */
  #deniedUntil = 0
  #ended = 0
  /** Connections made by those that have retired. */
  #retired = 0
  #leaseless = false

  constructor(provider: Provider, hooks: ShardHooks) {
    this.#provider = provider
    this.#hooks = hooks
    const { connections = 1, symbolsPerConnection = Number.POSITIVE_INFINITY } =
      provider.capabilities.limits
    this.#most = connections
    this.#perShard = symbolsPerConnection
  }

  /** The state of the connection that is furthest from open. */
  get state(): FeedState {
    const order: readonly FeedState[] = ['closed', 'waiting', 'connecting', 'authenticating']
    const states = this.#shards.filter(one => one.portion.size > 0).map(one => one.session.state)
    return order.find(state => states.includes(state)) ?? (states.length > 0 ? 'open' : 'waiting')
  }

  get connects(): number {
    return this.#shards.reduce((sum, { session }) => sum + session.connects, this.#retired)
  }

  /** Why the last connection ended, or was not made: of one of those there are. */
  get lost(): TickwireError | undefined {
    return this.#shards.find(({ session }) => session.lost)?.session.lost
  }

  /** How much of what the account may have is in use, by the connections that count it. */
  get use(): readonly string[] {
    return this.#shards.flatMap(({ session }) => session.use ?? [])
  }

  /** The connections, and what has been confirmed to each. */
  get connections(): Watched[] {
    return this.#shards.map(({ portion, session }) => ({
      id: session,
      opened: session.connects,
      topics: portion.in('acknowledged'),
      isOpen: session.state === 'open',
      outage: session.outage,
      polls: topic => session.polls(topic),
      reopen: reason => session.reopen(reason),
    }))
  }

  /** What the venue has said of a topic. */
  of(topic: Topic): ReturnType<Portion['of']> {
    return this.#owners.get(topic.symbol)?.portion.of(topic)
  }

  /** How many of the topics are in which state. */
  counts(topics: readonly Topic[]): Record<TopicState, number> {
    const counts = { wanted: 0, sent: 0, acknowledged: 0, rejected: 0 }
    for (const topic of topics) counts[this.of(topic)?.state ?? 'wanted']++
    return counts
  }

  /** Carries these, those included that are carried already. */
  add(topics: readonly Topic[]): void {
    const changed = new Set<Shard>()
    for (const topic of topics) {
      if (topic.symbol === ANY) this.#watch(topic)
      const shard = this.#ownerOf(topic.symbol)
      shard.portion.add([topic])
      // Whoever asks anew for what was refused wants it to be tried again.
      if (shard.portion.of(topic)?.state === 'rejected') shard.portion.move([topic], 'wanted')
      // While a symbol moves, both ends carry it.
      const move = this.#moves.get(topic.symbol)
      move?.to.portion.add([topic])
      changed.add(shard)
      if (move) changed.add(move.to)
    }
    for (const { session } of changed) session.reconcile()
  }

  remove(topics: readonly Topic[]): void {
    for (const shard of this.#shards) {
      const gone = topics.filter(topic => shard.portion.has(topic))
      if (gone.length === 0) continue
      shard.portion.remove(gone)
      shard.session.reconcile(gone)
    }
    for (const symbol of new Set(topics.map(topic => topic.symbol))) {
      const owner = this.#owners.get(symbol)
      if (!owner || owner.portion.ofSymbol(symbol).length > 0) continue
      this.#own(symbol, undefined)
      this.#moves.delete(symbol)
      for (const { wildcard } of this.#wildcards.values()) this.#say(wildcard.drop(symbol))
    }
    for (const topic of topics) if (topic.symbol === ANY) this.#unwatch(topic)
    // Room has been made for what a full connection had to refuse.
    for (const { portion, session } of this.#shards) {
      const refused = portion
        .in('rejected')
        .filter(t => portion.of(t)?.reason?.verdict === 'reshard')
      if (refused.length === 0) continue
      portion.move(refused, 'wanted')
      session.reconcile()
    }
  }

  /** Asks for a book anew, whoever carries it. */
  resync(topic: Topic, reason: string): void {
    this.#owners.get(topic.symbol)?.session.resync(topic, reason)
  }

  async close(): Promise<void> {
    this.#stop()
    await Promise.all(this.#shards.map(({ session }) => session.close()))
  }

  #stop(): void {
    this.#timer?.cancel()
    for (const timer of this.#timers) timer.cancel()
    // Nobody takes over any more.
    this.#wildcards.clear()
  }

  /** Who carries a symbol; for a new one, the connection with the least to carry that has room. */
  #ownerOf(symbol: string): Shard {
    const held = this.#owners.get(symbol)
    if (held) return held
    const shard = symbol === ANY ? (this.#shards[0] ?? this.#open()) : this.#roomiest()
    this.#own(symbol, shard)
    return shard
  }

  #own(symbol: string, shard: Shard | undefined): void {
    const weight = 1 + (this.#weights.get(symbol) ?? 0)
    const before = this.#owners.get(symbol)
    if (before) {
      before.count--
      before.load -= weight
    }
    if (!shard) {
      this.#owners.delete(symbol)
      return
    }
    this.#owners.set(symbol, shard)
    shard.count++
    shard.load += weight
  }

  /** How many symbols more a connection may take. */
  #room(shard: Shard): number {
    const shown = this.#hooks.clock.now() < shard.roomUntil ? shard.room : Number.POSITIVE_INFINITY
    let coming = 0
    for (const { to } of this.#moves.values()) if (to === shard) coming++
    return Math.min(shown, this.#perShard) - shard.count - coming
  }

  #roomiest(except?: Shard): Shard {
    const others = this.#shards.filter(shard => shard !== except && !shard.retiring)
    const open = others.filter(shard => this.#room(shard) > 0)
    if (open.length > 0) return least(open, shard => shard.load)
    if (this.#mayOpen()) return this.#open()
    return least(others.length > 0 ? others : this.#shards, shard => shard.count)
  }

  #mayOpen(): boolean {
    return this.#shards.length < this.#most && this.#hooks.clock.now() >= this.#deniedUntil
  }

  #open(): Shard {
    const number = this.#shards.length + 1
    const { notice } = this.#hooks
    const portion = new Portion(() => {
      this.#hooks.answered()
      this.#confirmMoves()
      this.#turnWildcards()
    })
    const session = new Session(this.#provider, portion, {
      ...this.#hooks,
      notice: (name, message, details) => {
        // The first connection has no number as long as it is the only one.
        const which = this.#shards.length > 1 ? ` (connection ${number})` : ''
        if (this.#isDenied(shard, details?.code)) {
          const rest = 'the venue has no place for this connection; the others carry its symbols'
          notice(name, rest + which, details)
          this.#giveUp(shard)
        } else notice(name, message + which, details)
        if (name === 'connected') this.#connected(shard)
      },
      emit: (batch, receivedAt) => this.#emit(shard, batch, receivedAt),
      interrupted: topics => {
        this.#interrupted(shard)
        // What another connection speaks for goes on without a hole.
        const own = topics.filter(({ symbol }) => this.#owners.get(symbol) === shard)
        this.#hooks.interrupted(own, 'the connection was lost')
      },
      broken: (topics, reason) => {
        const own = topics.filter(({ symbol }) => this.#owners.get(symbol) === shard)
        if (own.length > 0) this.#hooks.broken(own, reason)
      },
      leaving: () => {
        if (!shard.retiring) this.#rotate(shard)
      },
      unleased: error => this.#unleased(error),
      refused: (topics, reason) => {
        // What was sent until now is missed from here on, whoever takes it again.
        const cut = topics.filter(
          topic =>
            portion.of(topic)?.state === 'acknowledged' &&
            this.#owners.get(topic.symbol) === shard &&
            !session.polls(topic),
        )
        if (cut.length > 0) this.#hooks.interrupted(cut, `the venue refuses it: ${reason.message}`)
        const left = this.#refused(shard, topics, reason)
        if (left.length > 0) this.#hooks.denied?.(left, reason)
        return left
      },
      over: reason => this.#over(reason),
    })
    const shard: Shard = {
      ...{ portion, session },
      ...{ room: Number.POSITIVE_INFINITY, roomUntil: 0, denials: 0, count: 0, load: 0 },
      retiring: false,
    }
    this.#shards.push(shard)
    if (number === 2) this.#timer ??= this.#tick()
    return shard
  }

  /** Whether a connection that never came about has been refused a place often enough, others having theirs. */
  #isDenied(shard: Shard, code: string | undefined): boolean {
    const isOpen = ({ session }: Shard) => session.state === 'open'
    const denied = code === 'CONNECTION_LIMIT' && shard.session.connects === 0
    shard.denials = denied && this.#shards.some(isOpen) ? shard.denials + 1 : 0
    return shard.denials >= DENIALS
  }

  /** The account has fewer places than was said, or others use them: what waits for this one goes to the others. */
  #giveUp(shard: Shard): void {
    this.#deniedUntil = this.#hooks.clock.now() + DENIED_MS
    this.#shards.splice(this.#shards.indexOf(shard), 1)
    void shard.session.close()
    for (const move of [...this.#moves.values()]) if (move.to === shard) this.#cancel(move)
    for (const topic of shard.portion.topics) {
      shard.portion.remove([topic])
      if (this.#owners.get(topic.symbol) === shard) this.#own(topic.symbol, undefined)
      const to = this.#ownerOf(topic.symbol)
      to.portion.add([topic])
      to.session.reconcile()
    }
  }

  /** Said once, however many connections there are and however often they are made anew. */
  #unleased(error: Error): void {
    if (this.#leaseless) return
    this.#leaseless = true
    const { leases, log } = this.#hooks
    log.warn({ error, leases }, `no lease file can be written in ${leases}; going on without`)
  }

  #over(reason: TickwireError | undefined): void {
    if (reason === undefined && ++this.#ended < this.#shards.length) return
    this.#stop()
    // One fatal reason ends them all: they share the account.
    for (const { session } of this.#shards) void session.close()
    this.#hooks.over(reason)
  }

  #emit(shard: Shard, batch: readonly MarketEvent[], receivedAt: number): void {
    if (this.#shards.length > 1) {
      for (const { symbol, type } of batch) {
        if (symbol !== undefined && type !== 'notice') {
          this.#weights.set(symbol, (this.#weights.get(symbol) ?? 0) + 1)
        }
      }
    }
    if (this.#shards.length === 1) this.#hooks.emit(batch, receivedAt)
    else this.#merge(shard, batch, receivedAt)
  }

  /** Of several connections only one speaks for a symbol: `*` of the kind, or else the owner. */
  #merge(shard: Shard, batch: readonly MarketEvent[], receivedAt: number): void {
    const merged: MarketEvent[] = []
    for (const event of batch) {
      const entry = this.#wildcards.size > 0 ? this.#wildcards.get(kindOf(event)) : undefined
      const { symbol } = event
      if (symbol === undefined) merged.push(event)
      else if (!entry) merged.push(...this.#owned(symbol, shard, event))
      else {
        const all = shard === this.#shards[0]
        const { wildcard } = entry
        const own = this.#ownState(symbol, entry.topic)
        if (own === 'acknowledged') {
          for (const said of this.#owned(symbol, shard, event)) {
            merged.push(...wildcard.accept(symbol, 'own', said))
          }
          if (all) merged.push(...wildcard.accept(symbol, 'all', event))
        } else if (own === undefined || wildcard.side === 'all') {
          if (all) merged.push(...wildcard.alone(symbol, event))
        } else merged.push(...this.#owned(symbol, shard, event))
      }
    }
    if (merged.length > 0) this.#hooks.emit(merged, receivedAt)
  }

  /** What its owner says of a symbol; while it moves, its handover decides. */
  #owned(symbol: string, shard: Shard, event: MarketEvent): readonly MarketEvent[] {
    const move = this.#moves.get(symbol)
    if (!move || (move.from !== shard && move.to !== shard)) {
      return this.#owners.get(symbol) === shard ? [event] : []
    }
    const said = move.from === shard ? move.handover.old(event) : move.handover.fresh(event)
    this.#settle(move)
    return said
  }

  /** How a kind that is asked for as `*` stands as a symbol's own topic, if it is one, on another connection. */
  #ownState(symbol: string, all: Topic): TopicState | undefined {
    const owner = this.#owners.get(symbol)
    if (!owner || (owner === this.#shards[0] && !this.#moves.has(symbol))) return undefined
    return owner.portion.of({ ...all, symbol })?.state
  }

  #watch(topic: Topic): void {
    const kind = topicKind(topic)
    if (this.#wildcards.has(kind)) return
    const wildcard = new Wildcard({
      emit: batch => this.#say(batch),
      later: fn => this.#later(OVERLAP_MS, fn),
    })
    this.#wildcards.set(kind, { topic, wildcard })
  }

  /** Once the symbols' own subscriptions have taken over. */
  #unwatch(topic: Topic): void {
    this.#later(OVERLAP_MS, () => {
      const kind = topicKind(topic)
      if (!this.of(topic) && this.#wildcards.get(kind)?.wildcard.idle) this.#wildcards.delete(kind)
    })
  }

  /** `*` speaks as long as it is confirmed. */
  #turnWildcards(): void {
    for (const { topic, wildcard } of this.#wildcards.values()) {
      const side = this.of(topic)?.state === 'acknowledged' ? 'all' : 'own'
      wildcard.turn(side, () =>
        [...this.#owners.keys()].filter(symbol => this.#ownState(symbol, topic) === 'acknowledged'),
      )
    }
  }

  /** What a connection may not carry: a move to it ends, and what it is too full for goes where there is room. */
  #refused(shard: Shard, topics: readonly Topic[], reason: TickwireError): readonly Topic[] {
    const full = reason.verdict === 'reshard'
    if (full) {
      const carried = new Set(shard.portion.in('acknowledged').map(topic => topic.symbol))
      shard.room = Math.max(1, carried.size)
      shard.roomUntil = this.#hooks.clock.now() + ROOM_MS
    }
    const left: Topic[] = []
    for (const symbol of new Set(topics.map(topic => topic.symbol))) {
      const move = this.#moves.get(symbol)
      if (move?.to === shard && this.#owners.get(symbol) !== shard) this.#cancel(move)
      else if (!full || symbol === ANY || !this.#rehome(symbol, shard)) {
        left.push(...topics.filter(topic => topic.symbol === symbol))
      }
    }
    return left
  }

  /** Gives up a move: the old connection has delivered everything so far and goes on. */
  #cancel(move: Move): void {
    this.#moves.delete(move.symbol)
    const topics = move.to.portion.ofSymbol(move.symbol)
    const served = topics.filter(topic => move.to.portion.of(topic)?.state === 'acknowledged')
    move.to.portion.remove(topics)
    move.to.session.reconcile(served)
  }

  /** Takes a symbol in one piece from a full connection to one with room; false when there is none. */
  #rehome(symbol: string, shard: Shard): boolean {
    const able = this.#shards.some(other => other !== shard && this.#room(other) > 0)
    if (!able && !this.#mayOpen()) return false
    const move = this.#moves.get(symbol)
    // A move that is over is only remembered for what is still on its way.
    if (move?.handover.done) this.#moves.delete(symbol)
    else if (move) this.#cancel(move)
    const whole = shard.portion.ofSymbol(symbol)
    const served = whole.filter(topic => shard.portion.of(topic)?.state === 'acknowledged')
    const to = this.#roomiest(shard)
    if (served.length > 0) {
      // What it does deliver must not stop meanwhile.
      this.#move(symbol, shard, to)
      return true
    }
    this.#own(symbol, to)
    shard.portion.remove(whole)
    to.portion.add(whole)
    to.session.reconcile()
    return true
  }

  #tick(): Timer {
    return this.#hooks.clock.setTimeout(
      () => {
        this.#rebalance()
        this.#timer = this.#tick()
      },
      REBALANCE_MS,
      'idle',
    )
  }

  /** Moves symbols from the connection with the most to carry to the one with the least. */
  #rebalance(): void {
    for (const shard of this.#shards) shard.load = 0
    for (const [symbol, weight] of this.#weights) {
      if (weight < 1 || !this.#owners.has(symbol)) this.#weights.delete(symbol)
      else this.#weights.set(symbol, weight / 2)
    }
    const weigh = (symbol: string) => 1 + (this.#weights.get(symbol) ?? 0)
    for (const [symbol, shard] of this.#owners) shard.load += weigh(symbol)
    if (this.#moves.size > 0 || this.state !== 'open') return
    const average = this.#shards.reduce((sum, { load }) => sum + load, 0) / this.#shards.length
    const from = least(this.#shards, shard => -shard.load)
    const to = least(this.#shards, shard =>
      shard.retiring ? Number.POSITIVE_INFINITY : shard.load,
    )
    if (from.retiring || from.load <= average * UNEVEN) return
    const symbols = [...this.#owners]
      .filter(([symbol, owner]) => owner === from && symbol !== ANY)
      .map(([symbol]) => symbol)
      .sort((a, b) => weigh(b) - weigh(a))
    let surplus = (from.load - to.load) / 2
    for (const symbol of symbols) {
      if (this.#moves.size >= MOVES || this.#room(to) <= 0) break
      if (weigh(symbol) > surplus) continue
      surplus -= weigh(symbol)
      this.#move(symbol, from, to)
    }
  }

  /** Lets a second connection carry a symbol too, to take it over. */
  #move(symbol: string, from: Shard, to: Shard): void {
    this.#moves.set(symbol, { symbol, from, to, handover: new Handover(), confirmed: false })
    to.portion.add(from.portion.ofSymbol(symbol))
    to.session.reconcile()
  }

  /** Starts the countdown of moves whose new connection has been confirmed. */
  #confirmMoves(): void {
    for (const move of this.#moves.values()) {
      if (move.confirmed) continue
      const topics = move.to.portion.ofSymbol(move.symbol)
      const ready = topics.every(topic => move.to.portion.of(topic)?.state === 'acknowledged')
      if (!ready || topics.length === 0) continue
      move.confirmed = true
      move.handover.confirm()
      this.#later(OVERLAP_MS, () => {
        if (this.#moves.get(move.symbol) === move && move.confirmed) this.#force(move)
      })
    }
  }

  /** A connection is gone: what it was about to take over starts anew, what it was about to give away is given. */
  #interrupted(shard: Shard): void {
    for (const move of this.#moves.values()) {
      if (move.handover.done) continue
      if (move.to === shard) {
        move.handover = new Handover()
        move.confirmed = false
      } else if (move.from === shard && move.confirmed) this.#force(move)
    }
  }

  #force(move: Move): void {
    this.#say(move.handover.force())
    this.#settle(move)
  }

  /** Delivers what was held. */
  #say(held: readonly MarketEvent[]): void {
    if (held.length > 0) this.#hooks.emit(held, this.#hooks.clock.now())
  }

  /** Once the new connection has taken over: the old one lets the symbol go. */
  #settle(move: Move): void {
    if (!move.handover.done || this.#owners.get(move.symbol) !== move.from) return
    this.#own(move.symbol, move.to)
    const topics = move.from.portion.ofSymbol(move.symbol)
    move.from.portion.remove(topics)
    move.from.session.reconcile(topics)
    this.#renewBooks(move, topics)
    // What was on its way is still told apart for a while.
    this.#later(AFTERMATH_MS, () => {
      if (this.#moves.get(move.symbol) === move) this.#moves.delete(move.symbol)
      if (move.from.retiring) this.#retire(move.from)
    })
  }

  /** The parts of a book that two connections bring have no common end and beginning: it begins anew. */
  #renewBooks({ to }: Move, topics: readonly Topic[]): void {
    const books = topics.filter(({ kind }) => kind === 'book')
    if (books.length === 0) return
    const reason = 'another connection carries it from here on'
    this.#hooks.broken(books, reason)
    for (const topic of books) to.session.resync(topic, reason)
  }

  /** Where the venue ends every connection at an age, another one takes over before that. */
  #connected(shard: Shard): void {
    const { connectionLifeMs } = this.#provider.capabilities.limits
    if (connectionLifeMs === undefined) return
    const { connects } = shard.session
    const lead = Math.min(ROTATION_MS, connectionLifeMs / 10)
    this.#later(connectionLifeMs - lead, () => {
      if (shard.session.connects === connects && shard.session.state === 'open') this.#rotate(shard)
    })
  }

  /**
   * Moves all that a connection carries to a new one. Where the venue allows no further one, or for the one that
   * carries `*`, it stays with being cut and repaired.
   */
  #rotate(shard: Shard): void {
    if (shard.count === 0 || this.#wildcards.size > 0 || !this.#mayOpen()) return
    shard.retiring = true
    const to = this.#open()
    for (const [symbol, owner] of this.#owners) {
      const move = this.#moves.get(symbol)
      if (move && !move.handover.done) this.#cancel(move)
      if (owner === shard) this.#move(symbol, shard, to)
    }
  }

  /** Lets a connection go when nothing of it is carried or under way any more. */
  #retire(shard: Shard): void {
    const busy = [...this.#moves.values()].some(({ from, to }) => from === shard || to === shard)
    if (busy || shard.portion.size > 0 || !this.#shards.includes(shard)) return
    this.#shards.splice(this.#shards.indexOf(shard), 1)
    this.#retired += shard.session.connects
    void shard.session.close()
  }

  #later(ms: number, fn: () => void): void {
    const timer = this.#hooks.clock.setTimeout(
      () => {
        this.#timers.delete(timer)
        fn()
      },
      ms,
      'idle',
    )
    this.#timers.add(timer)
  }
}

/** What a `*` is of: a kind, and for bars a length. */
function topicKind({ kind, interval }: Pick<Topic, 'kind' | 'interval'>): string {
  return interval === undefined ? kind : `${kind} ${interval}`
}

function kindOf(event: MarketEvent): string {
  return event.type === 'bar' ? `bar ${event.interval}` : event.type
}

function least<T>(list: readonly T[], measure: (one: T) => number): T {
  return list.reduce((best, one) => (measure(one) < measure(best) ? one : best))
}
