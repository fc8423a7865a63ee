import type { Timer } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import { didYouMean, nearest } from '../../base/suggest.ts'
import {
  type Capabilities,
  type Connection,
  KIND_BIT,
  type Link,
  type Provider,
} from '../../feed/provider.ts'
import type { MarketEvent } from '../../market/events.ts'
import { encodeEvent } from '../../market/json.ts'
import { canonicalSymbol } from '../../market/symbols.ts'
import { ANY, type Topic } from '../../market/topics.ts'
import { checkDay, TradingDay } from './day.ts'
import { SIMULATED_FACTS } from './facts.ts'
import {
  checkSeed,
  instruments,
  type SimulatedInstrument,
  type SymbolOption,
} from './instruments.ts'
import { KINDS, type Kind, STOCK_KINDS } from './listing.ts'
import { type Playing, Simulation } from './simulation.ts'

export interface SimulatedOptions {
  /** Chooses the market: the same seed gives every symbol the same prices and sizes again. @default 1 */
  readonly seed?: number
  /**
   * Trades and quotes a second, on average, over all subscribed symbols; of the kinds that are subscribed. They come
   * in bursts. Books, bars and what is rare (status, luld, correction, cancel) come besides.
   * `Infinity`: as many as the process manages, with a turn of the event loop after every 512.
   * Not for a `day`, which always comes as fast as that.
   * @default 50
   */
  readonly rate?: number
  /**
   * More symbols than the built-in ones, by name or with price, tick, spread and weight. Or a number: so many symbols
   * in all, the built-in ones first, then invented names of falling activity.
   * @default the built-in ones
   */
  readonly symbols?: number | readonly SymbolOption[]
  /**
   * Plays one US trading day, such as `2025-06-02`, instead of a market of now: events carry the times of that day,
   * `receivedAt` too, and the source ends when it is over. Stocks from 04:00 to 20:00 New York time, crypto from
   * midnight to midnight. Weekends are refused, holidays are days like any other. What is subscribed changes which
   * events are told, never the events themselves.
   * @default none
   */
  readonly day?: string
  /** Of a `day`: trades and quotes of all symbols, about. @default 20,000 for each symbol */
  readonly events?: number
}

/** Most steps before the event loop gets its turn: below a millisecond's work. */
const SLICE = 512

/**
 * An invented market that runs at any hour without key or network: trades, some of them late, corrected or canceled,
 * quotes, the books around them, the minute bars that follow from the trades, halts and price bands. Every event is
 * flagged `simulated`.
 * @throws BAD_OPTION for a seed that is no whole number, a rate that is not above 0, an unusable symbol or day, and
 *   for `rate` with a `day` or `events` without one
 */
export function simulated(options: SimulatedOptions = {}): Provider {
  const { seed = 1, rate = 50, symbols: more = [], day, events } = options
  checkSeed(seed)
  if (!(rate > 0)) {
    throw new TickwireError('BAD_OPTION', `rate is ${rate}`, {
      hint: 'Give events per second above 0, or Infinity for as many as possible.',
    })
  }
  if (day !== undefined && options.rate !== undefined) {
    throw new TickwireError('BAD_OPTION', 'a simulated day has no rate', {
      hint: 'Leave rate out: a day comes as fast as the process manages.',
    })
  }
  if (day === undefined && events !== undefined) {
    throw new TickwireError('BAD_OPTION', 'events is the number of a simulated day', {
      hint: "Give a day as well, as in { day: '2025-06-02', events: 1000000 }, or a rate instead.",
    })
  }
  const all = instruments(more, canonicalSymbol)
  const names = [...all.keys()]
  if (day !== undefined) checkDay(day, events)
  const capabilities: Capabilities = {
    title: day === undefined ? 'Simulated market' : `Simulated market of ${day}`,
    kinds: KINDS,
    barIntervals: ['1m'],
    wildcard: KINDS,
    symbols: names,
    nature: 'simulated',
    waits: day !== undefined,
    auth: 'none',
    limits: {},
    history: false,
    facts: SIMULATED_FACTS,
    silenceHint:
      'The simulated market never sleeps: minute bars come once a minute, and a low rate spreads over all symbols. ' +
      'Halts, bands, corrections and cancels are rare. Raise the rate, or ask for trades or quotes.',
  }

  function symbol(text: string): string {
    const name = canonicalSymbol(text)
    if (all.has(name)) return name
    // Crypto pairs are also written BTC-USD and BTCUSD.
    const bare = name.replace('-', '')
    const pair = names.find(known => known.includes('/') && known.replace('/', '') === bare)
    if (pair) return pair
    throw unknownSymbol(name, names)
  }

  return {
    id: 'simulated',
    capabilities,
    symbol,
    async connect(link) {
      const { source, clock } = link
      const playing =
        day === undefined
          ? new Simulation(all, { seed, rate, source, start: clock.now() })
          : new TradingDay(all, { day, seed, events, source })
      const connection = new SimulatedConnection(link, playing, all, symbol, day !== undefined)
      link.opened()
      connection.subscribe(link.topics)
      return connection
    },
  }
}

class SimulatedConnection implements Connection {
  readonly ended: Promise<TickwireError | undefined>
  readonly #link: Link
  readonly #playing: Playing
  readonly #all: ReadonlyMap<string, SimulatedInstrument>
  readonly #symbol: (text: string) => string
  /** Names asked for, per kind; `*` is one of them. */
  readonly #wanted = new Map<Kind, Set<string>>(KINDS.map(kind => [kind, new Set()]))
  readonly #waits: boolean
  #end: () => void = () => {}
  #over = false
  /** Waits for a reader to make room. */
  #held = false
  #timer: Timer | undefined
  #immediate: NodeJS.Immediate | undefined
  #batch: MarketEvent[] = []

  constructor(
    link: Link,
    playing: Playing,
    all: ReadonlyMap<string, SimulatedInstrument>,
    symbol: (text: string) => string,
    waits: boolean,
  ) {
    this.#link = link
    this.#playing = playing
    this.#waits = waits
    this.#all = all
    this.#symbol = symbol
    this.ended = new Promise(resolve => {
      this.#end = () => resolve(undefined)
    })
    if (link.signal.aborted) this.#stop()
    else link.signal.addEventListener('abort', this.#stop, { once: true })
  }

  subscribe(topics: readonly Topic[]): void {
    const accepted: Topic[] = []
    for (const topic of topics) {
      const reason = this.#refusal(topic)
      if (reason) this.#link.rejected([topic], reason)
      else {
        this.#wanted.get(topic.kind as Kind)!.add(this.#name(topic))
        accepted.push(topic)
      }
    }
    if (accepted.length === 0) return
    this.#changed(accepted)
    this.#link.acknowledged(accepted)
  }

  unsubscribe(topics: readonly Topic[]): void {
    const known = topics.filter(topic => !this.#refusal(topic))
    for (const topic of known) this.#wanted.get(topic.kind as Kind)!.delete(this.#name(topic))
    this.#changed(known)
  }

  async close(): Promise<void> {
    this.#stop()
  }

  #name(topic: Topic): string {
    return topic.symbol === ANY ? ANY : this.#symbol(topic.symbol)
  }

  #refusal(topic: Topic): TickwireError | undefined {
    if (!(KINDS as readonly string[]).includes(topic.kind)) {
      return new TickwireError('UNSUPPORTED', `the simulated market has no ${topic.kind} events`, {
        hint: `It has: ${KINDS.join(', ')}.`,
      })
    }
    if (topic.kind === 'bar' && (topic.interval ?? '1m') !== '1m') {
      return new TickwireError(
        'UNSUPPORTED',
        `the simulated market has no ${topic.interval} bars`,
        {
          hint: 'It has 1m bars.',
        },
      )
    }
    if (topic.symbol === ANY) return undefined
    try {
      const symbol = this.#symbol(topic.symbol)
      const { market } = this.#all.get(symbol)!
      if (market === 'stock' || !(STOCK_KINDS as readonly string[]).includes(topic.kind)) {
        return undefined
      }
      return new TickwireError('UNSUPPORTED', `${symbol} has no ${topic.kind} events`, {
        hint: 'Only stocks are halted and have their trades corrected.',
      })
    } catch (error) {
      if (error instanceof TickwireError) return error
      throw error
    }
  }

  /** Tells the market what is wanted now of the symbols concerned, and sets it going. */
  #changed(topics: readonly Topic[]): void {
    const concerned = new Set(topics.map(topic => this.#name(topic)))
    for (const name of concerned.has(ANY) ? this.#all.keys() : concerned) {
      let wants = 0
      for (const [kind, names] of this.#wanted) {
        if (names.has(name) || names.has(ANY)) wants |= KIND_BIT[kind]
      }
      this.#playing.want(name, wants, this.#link.clock.now())
    }
    this.#schedule(false)
  }

  #schedule(more: boolean): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#over || this.#held || this.#immediate) return
    const { next } = this.#playing
    if (next === Number.POSITIVE_INFINITY) return
    if (more || next === Number.NEGATIVE_INFINITY) this.#immediate = setImmediate(this.#run)
    else this.#timer = this.#link.clock.setTimeout(this.#run, next - this.#link.clock.now())
  }

  readonly #run = (): void => {
    this.#immediate = undefined
    this.#timer = undefined
    if (this.#over) return
    const now = this.#link.clock.now()
    const more = this.#playing.run(now, SLICE, this.#batch)
    if (this.#batch.length > 0) {
      // Ours, also for a day whose events carry times of their own: readers are late by our clock.
      this.#link.raw?.({ data: frameOf(this.#batch), binary: false, receivedAt: now })
      this.#link.emit(this.#batch, now)
      this.#batch.length = 0
    }
    if (this.#playing.over) this.#stop()
    else this.#goOn(more)
  }

  /** A day waits for its readers; what is live does not. */
  #goOn(more: boolean): void {
    const room = this.#waits ? this.#link.room() : undefined
    this.#held = room !== undefined
    void room?.then(() => {
      this.#held = false
      this.#schedule(more)
    })
    this.#schedule(more)
  }

  readonly #stop = (): void => {
    if (this.#over) return
    this.#over = true
    this.#timer?.cancel()
    if (this.#immediate) clearImmediate(this.#immediate)
    this.#link.signal.removeEventListener('abort', this.#stop)
    this.#end()
  }
}

/** The market has no wire of its own: its frames are the events in tickwire's JSON form. */
function frameOf(batch: readonly MarketEvent[]): Uint8Array {
  return new TextEncoder().encode(`[${batch.map(encodeEvent).join(',')}]`)
}

function unknownSymbol(name: string, names: readonly string[]): TickwireError {
  return new TickwireError('UNKNOWN_SYMBOL', `the simulated market has no ${name}`, {
    hint: nearest(name, names)
      ? `${capital(didYouMean(name, names))} Or add it with the option symbols: ['${name}'].`
      : `It has ${shown(names)}; add others with the option symbols: ['${name}'].`,
  })
}

const shown = (names: readonly string[]) =>
  names.length > 20
    ? `${names.slice(0, 20).join(' ')} and ${names.length - 20} more`
    : names.join(' ')

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
