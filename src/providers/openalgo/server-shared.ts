import type { Clock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type {
  FrameForm,
  ProtocolPeer,
  SharedHost,
  SharedSession,
  Standing,
} from '../../flow/contracts.ts'
import type { EventType, MarketEvent } from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'
import { MODES, type Mode, modeNumber, richest } from './modes.ts'
import { pythonJson } from './server-frames.ts'
import { type Entry, OpenAlgoSession } from './server-session.ts'
import { dataOfStanding, isNews } from './server-standing.ts'
import { isExchange, isName, symbolOf } from './symbols.ts'

/** A client that has not authenticated by then is closed with 4401, ms. */
const AUTH_TIMEOUT_MS = 15_000
/** The most levels a side any broker of OpenAlgo has. */
const LEVELS = 50

/** What the messages of a mode are made of, as far as the source has it. */
const KINDS: Readonly<Record<Mode, readonly EventType[]>> = {
  ltp: ['trade', 'ticker'],
  quote: ['trade', 'ticker', 'quote'],
  depth: ['trade', 'ticker', 'quote', 'book'],
}
/** Names one client may have a symbol by. */
const MOST_NAMES = 4
/** Symbols it may remember that are not subscribed any more. */
const SPARE = 100
/** Without any of these there is no such mode. */
const NEEDED: Readonly<Record<Mode, readonly EventType[]>> = {
  ltp: ['trade', 'ticker'],
  quote: ['trade', 'ticker', 'quote'],
  depth: ['quote', 'book'],
}

/** What is had of a symbol in a mode. */
export interface Located {
  readonly symbol: string
  readonly topics: readonly Topic[]
}

/**
 * What the source has of a symbol: `NSE:RELIANCE`, where the exchange is one of India's; the symbol alone where it is
 * another (`AAPL` of `NASDAQ`, `BTC/USD` of `CRYPTO`). A share of the same name elsewhere is another share.
 */
export function locate(
  { symbol, exchange }: Entry,
  mode: Mode,
  host: SharedHost,
): Located | TickwireError {
  if (!isName(symbol) || !isName(exchange)) {
    return new TickwireError('BAD_SYMBOL', 'a symbol or exchange that is none')
  }
  const qualified = symbolOf({ symbol, exchange })
  const names =
    exchange === 'CRYPTO' ? [symbol, qualified] : isExchange(exchange) ? [qualified] : [symbol]
  let reason: TickwireError | undefined
  for (const name of names) {
    const found = KINDS[mode].flatMap(kind => {
      const topic = host.resolve({ source: host.source, kind, symbol: name })
      if (topic instanceof TickwireError) {
        if (NEEDED[mode].includes(kind)) reason ??= topic
        return []
      }
      // What a default exchange makes of it is not what was asked for.
      return name === symbol && topic.symbol.includes(':') ? [] : [topic]
    })
    if (found.some(({ kind }) => NEEDED[mode].includes(kind))) {
      return { symbol: found[0]!.symbol, topics: found }
    }
  }
  return reason ?? new TickwireError('UNKNOWN_SYMBOL', `no ${symbol}`)
}

/** What is written to clients that have the same of a symbol in the same words. */
interface Line {
  readonly entry: Entry
  readonly mode: Mode
  readonly depth: number
}

/** One client that is told of data of any source: the session of the venue, without a broker behind it. */
export class SharedOpenAlgoSession implements SharedSession {
  readonly #inner: OpenAlgoSession
  readonly #host: SharedHost
  readonly #located = new Map<string, Located>()
  /** Names each symbol of the source was asked for by: where an exchange is not India's, any will do. */
  readonly #names = new Map<string, Set<string>>()

  constructor(peer: ProtocolPeer, host: SharedHost, clock: Clock) {
    this.#host = host
    this.#inner = new OpenAlgoSession(peer, {
      ...{ clock, broker: host.source, nature: host.nature, levels: LEVELS, script: {} },
      ...{ authTimeoutMs: AUTH_TIMEOUT_MS, authDelayMs: 0 },
      features: { ltp: true, quote: true, depth: true },
      user: key => (host.admit(key) ? 'tickwire' : undefined),
      loggedOut: () => undefined,
      lacks: (entry, mode) => this.#lacks(entry, mode),
      full: () => undefined,
      // Events are written by the form.
      richest: () => undefined,
      data: () => ({}),
      gone() {},
    })
  }

  get topics(): readonly Topic[] {
    return [...this.#inner.held].flatMap(([name, { modes }]) =>
      [...modes].flatMap(mode => this.#located.get(keyOf(name, mode))?.topics ?? []),
    )
  }

  get form(): FrameForm {
    const lines = new Map<string, Line[]>()
    const words: string[] = []
    for (const [name, { entry, modes, depth }] of this.#inner.held) {
      const mode = richest([...modes])!
      const { symbol } = this.#located.get(keyOf(name, mode))!
      lines.set(symbol, [...(lines.get(symbol) ?? []), { entry, mode, depth }])
      words.push(`${name}@${mode}${mode === 'depth' ? depth : ''}`)
    }
    const host = this.#host
    return {
      key: `${host.source} ${words.sort().join(' ')}`,
      frames: events => events.flatMap(event => framesOf(event, lines, host)),
      standing: symbols =>
        [...symbols].flatMap(symbol => standingFrames(lines.get(symbol) ?? [], symbol, host)),
    }
  }

  refuse(topics: readonly Topic[], { message }: TickwireError): void {
    const symbols = new Set(topics.map(({ symbol }) => symbol))
    const refused = new Set(topics.map(({ kind, symbol }) => `${kind} ${symbol}`))
    const names = [...this.#inner.held.keys()].filter(name => {
      const mode = this.#inner.mode(name)!
      const located = this.#located.get(keyOf(name, mode))
      if (!located || !symbols.has(located.symbol)) return false
      const left = located.topics.filter(({ kind, symbol }) => !refused.has(`${kind} ${symbol}`))
      // It goes on with what it has, as long as that is enough for its mode.
      this.#located.set(keyOf(name, mode), { ...located, topics: left })
      return !left.some(({ kind }) => NEEDED[mode].includes(kind))
    })
    this.#inner.drop(names, message)
  }

  tooSlow(): void {
    // The venue says nothing of it.
  }

  receive(data: Uint8Array): void {
    this.#inner.receive(data)
    this.#forget()
  }

  deliver(): void {
    // Its frames are made by its form, once for all who want the same.
  }

  closed(): void {
    this.#inner.closed()
    this.#located.clear()
    this.#names.clear()
  }

  #lacks(entry: Entry, mode: Mode): string | undefined {
    const located = locate(entry, mode, this.#host)
    if (located instanceof TickwireError) {
      return `Symbol ${entry.symbol} not found for exchange ${entry.exchange}: ${located.message}`
    }
    const name = symbolOf(entry)
    const names = this.#names.get(located.symbol) ?? new Set()
    for (const other of names) if (!this.#inner.held.has(other)) names.delete(other)
    // Each is a message more for each event.
    if (names.size >= MOST_NAMES && !names.has(name)) {
      return `Symbol ${entry.symbol} is subscribed under ${MOST_NAMES} exchanges already`
    }
    this.#names.set(located.symbol, names.add(name))
    this.#located.set(keyOf(name, mode), located)
    return undefined
  }

  /** What is no longer subscribed, when that is most of it: a client may come and go with symbols for days. */
  #forget(): void {
    const { held } = this.#inner
    if (this.#located.size <= MODES.length * held.size + SPARE) return
    const kept = new Set(
      [...held].flatMap(([name, { modes }]) => [...modes].map(mode => keyOf(name, mode))),
    )
    for (const key of this.#located.keys()) if (!kept.has(key)) this.#located.delete(key)
    for (const [symbol, names] of this.#names) {
      for (const name of names) if (!held.has(name)) names.delete(name)
      if (names.size === 0) this.#names.delete(symbol)
    }
  }
}

const keyOf = (name: string, mode: Mode) => `${mode} ${name}`

function framesOf(
  event: MarketEvent,
  lines: ReadonlyMap<string, readonly Line[]>,
  host: SharedHost,
): string[] {
  const { symbol } = event
  const own = symbol === undefined ? undefined : lines.get(symbol)
  if (!own) return []
  const standing = host.standing(event.source, symbol!)
  return own
    .filter(({ mode }) => isNews(event, standing, mode))
    .flatMap(line => frameOf(line, standing, event.timestamp, host))
}

function standingFrames(lines: readonly Line[], symbol: string, host: SharedHost): string[] {
  const standing = host.standing(host.source, symbol)
  const { trade, quote, ticker } = standing
  const times = [trade, quote, ticker].flatMap(event => event?.timestamp ?? [])
  if (times.length === 0) return []
  return lines.flatMap(line => frameOf(line, standing, Math.max(...times), host))
}

function frameOf(
  { entry, mode, depth }: Line,
  standing: Standing,
  timestamp: number,
  { source }: SharedHost,
): string[] {
  const { symbol, exchange } = entry
  const data = dataOfStanding({ symbol, exchange }, mode, standing, timestamp, depth)
  if (!data) return []
  const head = { type: 'market_data', symbol, exchange, mode: modeNumber(mode) }
  return [pythonJson({ ...head, data, broker: source })]
}
