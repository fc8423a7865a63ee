import type { Clock, Timer } from '../../base/clock.ts'
import type { Meaning } from './codes.ts'
import { Farms } from './farms.ts'
import { Outages } from './outages.ts'
import type { Ask } from './subscriptions.ts'

/** Silence behind an outage after which a subscription is made anew, ms. */
const VERIFY_MS = 20_000
/** How often a line that was muted is asked for again, ms. */
const MUTE_MS = 60_000
/** What comes this long after TWS has lost IBKR shows that it has it again, whatever its codes say, ms. */
const SHOWN_MS = 5_000
/** Symbols that are named of a list. */
const NAMED = 5

export interface UpstreamHooks {
  readonly clock: Clock
  /** What TWS has been asked for. */
  asks(): readonly Ask[]
  /** What has come of these is not whole. */
  broken(asks: readonly Ask[], reason: string): void
  /** Makes a subscription anew. */
  renew(ask: Ask): void
  /** Makes a book anew: at once, and ever more rarely where it breaks again and again. */
  resync(ask: Ask, reason: string): void
  /** Passes on nothing more of a subscription. */
  forget(ask: Ask): void
  /** Why data does not come, or that it may again. */
  declare(reason: string | undefined): void
}

/** What TWS says of its own way to IBKR, and what follows from it for the subscriptions of one connection. */
export class Upstream {
  readonly #hooks: UpstreamHooks
  readonly #outages: Outages
  readonly #farms: Farms
  #lostAt = 0
  /** Asked for, and mute: the account is logged in elsewhere. */
  readonly #mute = new Set<Ask>()
  #muteTimer: Timer | undefined
  readonly #verifying = new Set<Timer>()

  constructor(hooks: UpstreamHooks) {
    this.#hooks = hooks
    this.#outages = new Outages(reason => hooks.declare(reason))
    this.#farms = new Farms(this.#outages, () => hooks.asks())
  }

  close(): void {
    this.#muteTimer?.cancel()
    for (const timer of this.#verifying) timer.cancel()
  }

  /** Nothing comes of it, as the account is in use elsewhere. */
  isMute(ask: Ask): boolean {
    return this.#mute.has(ask)
  }

  /** Something of a subscription has come. */
  heard(ask: Ask, at: number): void {
    if (this.#mute.has(ask)) this.#speaks(ask)
    if (this.#outages.has('upstream') && at - this.#lostAt > SHOWN_MS) this.restored(false)
    this.#farms.heard(ask, at)
  }

  /** Nothing comes any more, and the books are of the past; TWS keeps the connection. */
  lost(text: string): void {
    if (!this.#outages.begin('upstream', `TWS has lost its connection to IBKR: ${text}`)) return
    this.#lostAt = this.#hooks.clock.now()
    this.#breakBooks(this.#hooks.asks().filter(isBook), 'TWS has lost its connection to IBKR')
  }

  /** IBKR is there again: `anew` with every subscription gone. What came meanwhile is missing either way. */
  restored(anew: boolean): void {
    // TWS reports of its farms anew.
    const farms = this.#farms.clear()
    const known = this.#outages.end('upstream')
    if (known || anew || farms) this.#whole('TWS has its connection to IBKR again', anew)
  }

  /** TWS itself hung for a while, and goes on: what it had to say meanwhile may be lost. */
  hung(): void {
    this.#whole('TWS hung for a while', false)
  }

  /** A farm of live data breaks, or is back. */
  farm({ name, ok }: Pick<Extract<Meaning, { type: 'farm' }>, 'name' | 'ok'>): void {
    const { clock, asks, resync } = this.#hooks
    if (ok) {
      if (this.#farms.end(name)) this.#whole(`the market data farm ${name} is back`, false)
      return
    }
    if (!this.#farms.begin(name, clock.now())) return
    // Whose books come from it TWS does not say: those of other farms are whole again at once.
    const books = asks().filter(isBook)
    const reason = `the market data farm ${name} of IBKR is broken`
    this.#breakBooks(books, reason)
    for (const book of books) resync(book, reason)
  }

  /** The account is in use elsewhere, and nothing comes of this. */
  mute(ask: Ask, text: string): void {
    if (!this.#mute.has(ask) && isBook(ask)) {
      this.#breakBooks([ask], 'the account is in use elsewhere')
    }
    this.#mute.add(ask)
    this.#outages.begin('elsewhere', `the account is in use elsewhere, which has its data: ${text}`)
    this.#muteTimer ??= this.#hooks.clock.setTimeout(this.#askMute, MUTE_MS)
  }

  /** Nobody wants this any more. */
  gone(ask: Ask): void {
    if (this.#mute.delete(ask) && this.#mute.size === 0) this.#unmute()
    this.waiting()
  }

  /** Which subscriptions wait until they may be asked for anew is not as before: TWS sends nothing of them. */
  waiting(): void {
    const waiting = this.#hooks.asks().filter(ask => ask.waits !== 'no' && !isBook(ask))
    if (waiting.length === 0) {
      this.#outages.end('waiting')
      return
    }
    const names = [...new Set(waiting.map(({ resolved }) => resolved.symbol))]
    const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : ''
    const what = `${names.slice(0, NAMED).join(', ')}${more}`
    const isTurn = waiting.every(({ waits }) => waits === 'turn')
    const why = isTurn ? `: IBKR takes ${pacesOf(waiting).join(' and ')}` : ''
    this.#outages.begin('waiting', `TWS has dropped ${what}, asked for anew in a moment${why}`)
  }

  /** What still comes of these is of no whole any more. */
  #breakBooks(books: readonly Ask[], reason: string): void {
    for (const book of books) this.#hooks.forget(book)
    this.#hooks.broken(books, reason)
  }

  /** Data comes again: what was missed is looked for, books are begun anew, and what stays silent is asked for anew. */
  #whole(reason: string, anew: boolean): void {
    const { asks, broken, renew } = this.#hooks
    const all = asks()
    broken(all, reason)
    for (const ask of all) if (anew || isBook(ask)) renew(ask)
    if (!anew) this.#verify(() => asks())
  }

  /** Asks for these anew where nothing comes of them for a while. */
  #verify(asks: () => readonly Ask[]): void {
    const { clock, renew } = this.#hooks
    const since = clock.now()
    const timer = clock.setTimeout(() => {
      this.#verifying.delete(timer)
      for (const ask of asks()) if (!isBook(ask) && ask.dataAt < since) renew(ask)
    }, VERIFY_MS)
    this.#verifying.add(timer)
  }

  readonly #askMute = () => {
    this.#muteTimer = this.#hooks.clock.setTimeout(this.#askMute, MUTE_MS)
    for (const ask of this.#mute) this.#hooks.renew(ask)
  }

  /** One that was mute speaks: the other session is over. */
  #speaks(ask: Ask): void {
    const { asks, broken, renew } = this.#hooks
    const others = [...this.#mute].filter(one => one !== ask)
    this.#mute.clear()
    this.#unmute()
    // A book speaks only once it has been asked for anew, and is whole then.
    const missed = isBook(ask) ? others : [ask, ...others]
    broken(missed, 'the account is not in use elsewhere any more')
    for (const one of others) if (isBook(one)) renew(one)
    this.#verify(() => asks().filter(one => others.includes(one)))
  }

  #unmute(): void {
    this.#muteTimer?.cancel()
    this.#muteTimer = undefined
    this.#outages.end('elsewhere')
  }
}

const isBook = ({ kind }: Ask) => kind === 'book'

/** How often IBKR may be asked for such, for people. */
function pacesOf(asks: readonly Ask[]): string[] {
  const ticks = 'a request for the ticks of a symbol once in 15 s'
  const bars = '60 requests for bars in ten minutes'
  return [...new Set(asks.map(({ kind }) => (kind === 'bars' ? bars : ticks)))]
}
