import type { Clock } from '../../base/clock.ts'
import type { Resolved } from './contracts.ts'
import type { Delays } from './delays.ts'
import type { IBApi } from './library.ts'
import { EXTRAS, Line } from './line.ts'
import type { Answers } from './replies.ts'
import type { Requests } from './requests.ts'
import { Room } from './room.ts'
import { RowBook } from './rows.ts'
import type { Budgets, Memory, Settings } from './settings.ts'
import { type Ask, type AskKind, askKey, BUDGET_OF, isSmart, isTicks } from './subscriptions.ts'

/** TWS confirms nothing and refuses quickly: what it has not refused for so long is taken to be subscribed, ms. */
const GRACE_MS = 2_000

export interface AsksOptions {
  readonly requests: Requests
  readonly clock: Clock
  readonly delays: Delays
  readonly settings: Pick<Settings, 'budgets' | 'depth' | 'trades'>
  readonly memory: Memory
  /** Hears what TWS says of one. */
  answers(ask: Ask): Answers
  /** Something of it has come, or no refusal for a while. */
  activated(ask: Ask): void
  /** The same, of one that was active and has been asked for anew; told first. */
  servedAnew(ask: Ask): void
  /** Which of them wait to be asked for anew is not as before. */
  waiting(): void
  /** It is not asked for any more. */
  gone(ask: Ask): void
}

/** What TWS is asked to send on one connection: one request for each symbol and way it can come, whoever wants it. */
export class Asks {
  /** How many more there may be. */
  readonly room: Room
  readonly #options: AsksOptions
  readonly #asks = new Map<string, Ask>()

  constructor(options: AsksOptions) {
    this.#options = options
    this.room = new Room(options.settings.budgets, options.clock, of => this.#used(of))
  }

  /** All there are now. */
  get all(): readonly Ask[] {
    return [...this.#asks.values()]
  }

  get(kind: AskKind, symbol: string): Ask | undefined {
    return this.#asks.get(askKey(kind, symbol))
  }

  /** It has not been let go since. */
  isCurrent(ask: Ask): boolean {
    return this.#asks.get(ask.key) === ask
  }

  open(kind: AskKind, resolved: Resolved): Ask {
    const ask: Ask = {
      ...{ key: askKey(kind, resolved.symbol), kind, resolved, topics: new Map() },
      ...{ standsIn: false, id: 0, active: false, renewed: false, waits: 'no' as const },
      ...{ grace: undefined, dataAt: 0 },
      line: kind === 'line' ? new Line() : undefined,
      rows: kind === 'book' ? new RowBook(this.#options.settings.depth) : undefined,
      ...{ dirty: false, unsound: undefined, filling: undefined },
    }
    this.#asks.set(ask.key, ask)
    const send = (ib: IBApi, id: number) => this.#request(ask, ib, id)
    ask.id = this.#options.requests.send(send, this.#options.answers(ask))
    return ask
  }

  /** Nothing has been refused: whoever wants it is served. */
  activate(ask: Ask): void {
    ask.grace?.cancel()
    if (ask.active || !this.isCurrent(ask)) return
    ask.active = true
    if (ask.renewed) {
      ask.renewed = false
      this.#options.servedAnew(ask)
    }
    this.#options.activated(ask)
  }

  /**
   * Makes a subscription anew under a new number: at once, or when it is this symbol's turn for ticks. The old one is let
   * go in the same moment, and heard until then; what was missed in between is looked for when the new one is served.
   */
  renew(ask: Ask): void {
    const { memory, clock, delays, requests, waiting } = this.#options
    if (ask.waits === 'turn') return
    // What is still to leave needs no other.
    if (requests.isPending(ask.id)) {
      ask.waits = 'no'
      waiting()
      return
    }
    const waitMs = this.#wait(ask)
    if (waitMs > 0) {
      ask.waits = 'turn'
      waiting()
      delays.later(waitMs, () => {
        if (!this.isCurrent(ask) || ask.waits !== 'turn') return
        ask.waits = 'yes'
        this.renew(ask)
      })
      return
    }
    if (isTicks(ask)) memory.ticks.take(ask.resolved.symbol, clock.now())
    else if (ask.kind === 'bars') memory.bars.take(clock.now())
    ask.waits = 'no'
    waiting()
    ask.grace?.cancel()
    ask.rows?.clear()
    calm(ask)
    // Rows of the old are of a book nobody has any more.
    if (ask.rows) requests.forget(ask.id)
    const cancel = cancelOf(ask)
    const send = (ib: IBApi, id: number) => {
      ask.renewed ||= ask.active
      ask.active = false
      this.#request(ask, ib, id)
    }
    ask.id = requests.replace(ask.id, cancel, send, this.#options.answers(ask))
  }

  /** How long until it is its turn to be asked for anew, ms. */
  #wait({ kind, resolved }: Ask): number {
    const { memory, clock } = this.#options
    const now = clock.now()
    if (kind === 'bars') return memory.bars.wait(now)
    return kind === 'last' || kind === 'bidask' ? memory.ticks.wait(resolved.symbol, now) : 0
  }

  /** Something of it has come: bars that wait long for their turn need none. */
  alive(ask: Ask): void {
    if (ask.kind !== 'bars' || ask.waits !== 'turn') return
    ask.waits = 'no'
    this.#options.waiting()
  }

  /** Somebody wants it no more: perhaps nobody does. */
  leave(ask: Ask): void {
    if (ask.topics.size === 0 && !ask.standsIn) this.remove(ask, true)
  }

  /** Lets it go; `cancels`: TWS does not know yet. */
  remove(ask: Ask, cancels: boolean): void {
    this.#asks.delete(ask.key)
    calm(ask)
    this.#options.gone(ask)
    ask.grace?.cancel()
    const { requests } = this.#options
    // What TWS has refused may stand for another that has not left yet.
    if (cancels || requests.isPending(ask.id)) requests.cancel(ask.id, cancelOf(ask))
    else requests.forget(ask.id)
  }

  close(): void {
    for (const ask of this.#asks.values()) {
      ask.grace?.cancel()
      calm(ask)
    }
    this.#asks.clear()
  }

  #used(of: keyof Budgets): number {
    let count = 0
    for (const { kind } of this.#asks.values()) if (BUDGET_OF[kind] === of) count++
    return count
  }

  #request(ask: Ask, ib: IBApi, id: number): void {
    const { settings, clock, memory } = this.#options
    const { contract, secType, symbol } = ask.resolved
    // By when it leaves, which may be later than when it was its turn.
    if (isTicks(ask)) memory.ticks.take(symbol, clock.now())
    ask.grace?.cancel()
    ask.grace = clock.setTimeout(() => this.activate(ask), GRACE_MS)
    switch (ask.kind) {
      case 'last': {
        const type = settings.trades === 'all' ? 'AllLast' : 'Last'
        ib.reqTickByTickData(id, contract, type as never, 0, false)
        break
      }
      case 'bidask':
        ib.reqTickByTickData(id, contract, 'BidAsk' as never, 0, false)
        break
      case 'line':
        ib.reqMktData(id, contract, extrasOf(ask.resolved), false, false)
        break
      case 'book':
        ib.reqMktDepth(id, contract, settings.depth, isSmart(ask))
        break
      case 'bars': {
        const what = secType === 'CRYPTO' ? 'AGGTRADES' : 'TRADES'
        ib.reqRealTimeBars(id, contract, 5, what as never, false)
      }
    }
  }
}

function cancelOf(ask: Ask): (ib: IBApi, id: number) => void {
  return (ib, id) => {
    if (ask.kind === 'line') ib.cancelMktData(id)
    else if (ask.kind === 'book') ib.cancelMktDepth(id, isSmart(ask))
    else if (ask.kind === 'bars') ib.cancelRealTimeBars(id)
    else ib.cancelTickByTickData(id)
  }
}

/** Its book is not looked at for what must not last any more, nor for whether its first rows are all there. */
export function calm(ask: Ask): void {
  ask.unsound?.cancel()
  ask.unsound = undefined
  ask.filling?.timer?.cancel()
  ask.filling = undefined
}

function extrasOf({ secType, trades }: Resolved): string {
  return secType === 'FUT' ? EXTRAS.futures : trades ? EXTRAS.trades : EXTRAS.none
}
