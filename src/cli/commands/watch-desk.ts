import type { HttpClient } from '../../base/http.ts'
import { Books } from '../../derive/books.ts'
import type { OrderBook } from '../../derive/order-book.ts'
import type { MarketEvent, Notice, Trade } from '../../market/events.ts'
import type {
  ClientStatus,
  ClientSubscription,
  GatewayClient,
} from '../../providers/tickwire/client-node.ts'
import type { Answered } from '../../providers/tickwire/messages.ts'

export type LineState = 'loading' | 'live' | 'quiet' | 'stale' | 'gap' | 'offline' | 'refused'

export interface WatchLine {
  readonly symbol: string
  state: LineState
  note: string
  last: number | undefined
  /** The first price since it was shown: what the change is against. */
  first: number | undefined
  tick: -1 | 0 | 1
  bid: number | undefined
  ask: number | undefined
  volume: number
  digits: number
  /** When something last came, by our clock. */
  at: number | undefined
  readonly subscriptions: ClientSubscription[]
}

export type TapeLine =
  | { readonly at: number; readonly trade: Trade; readonly tick: -1 | 0 | 1 }
  | { readonly at: number; readonly text: string; readonly isGap: boolean }

export interface SourceLine {
  readonly source: string
  readonly state: string
  readonly reason: string
  readonly lag?: { readonly p50: number; readonly p95: number; readonly p99: number } | undefined
}

/** Prints that are kept, newest last. */
const KEPT = 200
/** Quotes quicker than anybody reads are merged, ms. */
const QUOTES_MS = 200
/** A list to begin with. */
const FIRST_SYMBOLS = 24
const MOST_DIGITS = 8
const TOLD: ReadonlySet<string> = new Set([
  ...['disconnected', 'connected', 'gap', 'repaired', 'unrepaired', 'stale', 'live'],
  ...['lost', 'dropped', 'skipped', 'reset'],
])
const MISSING: ReadonlySet<string> = new Set([
  ...['gap', 'unrepaired', 'lost', 'dropped', 'skipped', 'reset'],
])

/** What `tickwire watch` shows, kept up with one gateway. */
export class WatchDesk {
  readonly lines: WatchLine[] = []
  /** Of the symbol that is chosen. */
  tape: TapeLine[] = []
  sources: readonly SourceLine[] = []
  /** Why these may be old. */
  trouble: string | undefined
  focus: string | undefined
  readonly #client: GatewayClient
  readonly #http: HttpClient
  readonly #url: string
  #books = new Books()
  #bookSubscription: ClientSubscription | undefined
  #bookReason: string | undefined
  readonly #heard = new Set<number>()

  /** `url` of the gateway, http. */
  constructor(client: GatewayClient, http: HttpClient, url: string) {
    this.#client = client
    this.#http = http
    this.#url = url
  }

  /** Begins with these symbols, or those the gateway has already. */
  async open(symbols: readonly string[] | undefined, signal: AbortSignal): Promise<void> {
    await this.#client.ready
    for (const symbol of symbols ?? (await this.#known(signal))) this.add(symbol)
  }

  get status(): ClientStatus['state'] {
    return this.#client.state
  }

  /** The book of the symbol that is chosen, or why there is none. */
  get book(): OrderBook | string {
    const [book] = this.focus === undefined ? [] : this.#books.of(this.focus)
    if (this.#client.state !== 'open') return 'no connection to the gateway'
    return book ?? this.#bookReason ?? 'waiting for the book'
  }

  add(symbol: string): void {
    const known = this.lines.find(line => line.symbol === symbol)
    if (known) {
      this.choose(symbol)
      return
    }
    const line: WatchLine = {
      ...{ symbol, state: 'loading', note: 'nothing has come yet', last: undefined },
      ...{ first: undefined, tick: 0, bid: undefined, ask: undefined, volume: 0, digits: 2 },
      ...{ at: undefined, subscriptions: [] },
    }
    this.lines.push(line)
    this.#subscribe(line)
    if (this.focus === undefined) this.choose(symbol)
  }

  /** What there is to ask for is known once the gateway has greeted. */
  #subscribe(line: WatchLine): void {
    const { symbol } = line
    const kinds = new Set(this.#client.hello?.sources.flatMap(source => source.kinds))
    const ofTrades = (['trade', 'cancel', 'correction'] as const).filter(kind => kinds.has(kind))
    const ofQuotes = (['quote', 'ticker'] as const).filter(kind => kinds.has(kind))
    const listener = {
      batch: (events: readonly MarketEvent[], isSnapshot: boolean) =>
        this.#take(line, events, isSnapshot),
      answered: (answer: Answered) => this.#answered(line, answer),
      refused: ({
        code,
        message,
        hint,
      }: {
        code: string
        message: string
        hint?: string | undefined
      }) => {
        if (code !== 'CLOSED') says(line, 'refused', hint ? `${message}. ${hint}` : message)
      },
    }
    const symbols = [symbol]
    if (ofTrades.length > 0) {
      line.subscriptions.push(this.#client.subscribe({ kinds: ofTrades, symbols }, listener))
    }
    if (ofQuotes.length > 0) {
      const request = { kinds: ofQuotes, symbols, conflateMs: QUOTES_MS }
      line.subscriptions.push(this.#client.subscribe(request, listener))
    }
  }

  remove(symbol: string): void {
    const at = this.lines.findIndex(line => line.symbol === symbol)
    if (at < 0) return
    const [line] = this.lines.splice(at, 1)
    for (const subscription of line!.subscriptions) subscription.close()
    const next = this.lines[Math.min(at, this.lines.length - 1)]
    if (this.focus !== symbol) return
    this.focus = undefined
    if (next) this.choose(next.symbol)
  }

  /** The symbol of book and tape. */
  choose(symbol: string): void {
    if (this.focus === symbol) return
    this.focus = symbol
    this.tape = []
    this.#books = new Books()
    this.#bookSubscription?.close()
    this.#bookSubscription = undefined
    this.#bookReason = undefined
    this.#readBook(symbol)
  }

  #readBook(symbol: string): void {
    const { hello } = this.#client
    if (!hello) return
    const hasBooks = hello.sources.some(source => source.kinds.includes('book'))
    this.#bookReason = hasBooks ? undefined : 'no source here has books'
    if (!hasBooks) return
    const books = this.#books
    this.#bookSubscription = this.#client.subscribe(
      { kinds: ['book'], symbols: [symbol] },
      {
        batch: events => {
          for (const event of events) books.accept(event)
        },
        answered: ({ accepted, rejected: [no] }) => {
          if (accepted.length === 0 && no && books === this.#books) this.#bookReason = no.message
        },
        refused: ({ message }) => {
          if (books === this.#books) this.#bookReason = message
        },
      },
    )
  }

  step(by: number): void {
    const at = this.lines.findIndex(line => line.symbol === this.focus)
    const next = this.lines[at + by]
    if (next) this.choose(next.symbol)
  }

  /** The connection is gone, or there again. */
  turned({ state, reason }: ClientStatus): void {
    this.trouble = state === 'open' ? undefined : reason && wordsOf(reason)
    for (const line of this.lines) {
      if (state !== 'open' && line.state !== 'refused') says(line, 'offline', reason?.message ?? '')
      else if (line.state === 'offline') says(line, 'live', '')
    }
    if (state === 'open') {
      for (const line of this.lines) if (line.subscriptions.length === 0) this.#subscribe(line)
      if (this.focus !== undefined && !this.#bookSubscription) this.#readBook(this.focus)
      return
    }
    // What changes meanwhile is not known here: a book is whole again with the next snapshot.
    for (const book of this.#books) if (book.synced) book.break('gap', 'no connection')
  }

  /** Asks how the sources are. */
  async look(signal: AbortSignal): Promise<void> {
    if (this.#client.state !== 'open') return
    try {
      const answer = await this.#http.get(`${this.#url}/v1/health`, readJson, signal)
      this.sources = (answer as { sources: readonly SourceLine[] }).sources
      this.trouble = undefined
    } catch (error) {
      if (!signal.aborted) this.trouble = wordsOf(error as Error)
    }
  }

  async #known(signal: AbortSignal): Promise<readonly string[]> {
    const answer = await this.#http.get(`${this.#url}/v1/symbols?limit=1000`, readJson, signal)
    const { data } = answer as { data: readonly { readonly symbol: string }[] }
    return [...new Set(data.map(it => it.symbol))].slice(0, FIRST_SYMBOLS)
  }

  #take(line: WatchLine, events: readonly MarketEvent[], isSnapshot: boolean): void {
    for (const event of events) {
      if (event.type === 'notice') {
        this.#hear(event)
        continue
      }
      line.at = Math.max(line.at ?? 0, event.receivedAt)
      if (line.state === 'loading' || (!isSnapshot && line.state !== 'gap')) says(line, 'live', '')
      const isShown = line.symbol === this.focus && !isSnapshot
      if (event.type === 'trade') {
        priced(line, event.price)
        if (isSnapshot) continue
        line.volume += event.size
        if (isShown) this.#print({ at: event.timestamp, trade: event, tick: tickOf(event, line) })
      } else if (event.type === 'quote') {
        line.bid = event.bid
        line.ask = event.ask
      } else if (event.type === 'ticker') {
        if (event.last !== undefined) priced(line, event.last)
        line.bid = event.bid ?? line.bid
        line.ask = event.ask ?? line.ask
      } else if (isShown) {
        const text = `${event.type}: ${'price' in event ? event.price : ''}`
        this.#print({ at: event.timestamp, text, isGap: false })
      }
    }
  }

  #hear(notice: Notice): void {
    const { seq, symbol, message, timestamp: at, kind } = notice
    // Those of a source come with each subscription.
    if (seq !== undefined) {
      if (this.#heard.has(seq)) return
      this.#heard.add(seq)
    }
    const own = this.lines.filter(line => symbol === undefined || line.symbol === symbol)
    const { notice: name } = notice
    for (const line of own) {
      if (line.state === 'refused') continue
      if (name === 'stale' || name === 'quiet') says(line, name, message)
      else if (name === 'disconnected') says(line, 'offline', message)
      else if (name === 'gap' && (kind === undefined || kind === 'trade'))
        says(line, 'gap', message)
      else if (name === 'repaired' || name === 'unrepaired') {
        if (line.state === 'gap') says(line, 'live', message)
      } else if ((name === 'live' || name === 'connected') && line.state !== 'gap') {
        says(line, 'live', '')
      }
    }
    if (TOLD.has(name) && (symbol === undefined || symbol === this.focus)) {
      this.#print({ at, text: `${name}: ${message}`, isGap: MISSING.has(name) })
    }
  }

  #answered(line: WatchLine, { accepted, rejected: [no] }: Answered): void {
    if (accepted.length > 0 || !no) return
    says(line, 'refused', no.hint ? `${no.message}. ${no.hint}` : no.message)
  }

  #print(print: TapeLine): void {
    this.tape.push(print)
    if (this.tape.length > 2 * KEPT) this.tape = this.tape.slice(-KEPT)
  }
}

function says(line: WatchLine, state: LineState, note: string): void {
  line.state = state
  line.note = note
}

function priced(line: WatchLine, price: number): void {
  line.first ??= price
  if (line.last !== undefined && price !== line.last) line.tick = price > line.last ? 1 : -1
  line.last = price
  const digits = String(price).split('.')[1]?.length ?? 0
  line.digits = Math.min(MOST_DIGITS, Math.max(line.digits, digits))
}

/** The taker's side where the venue says it, else the tick. */
const tickOf = ({ side }: Trade, { tick }: WatchLine) =>
  side === undefined ? tick : side === 'buy' ? 1 : -1

const wordsOf = (error: Error & { hint?: string | undefined }) =>
  error.hint ? `${error.message}. ${error.hint}` : error.message

const readJson = (body: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(body))
