import type { Timer } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import { didYouMean, nearest } from '../../base/suggest.ts'
import type { Capabilities, Connection, Link, Provider } from '../../feed/provider.ts'
import type { MarketEvent } from '../../market/events.ts'
import { encodeEvent } from '../../market/json.ts'
import { canonicalSymbol } from '../../market/symbols.ts'
import { ANY, type Topic } from '../../market/topics.ts'
import { instruments, type SymbolOption } from './instruments.ts'
import { Simulation, WANT } from './simulation.ts'

export interface SimulatedOptions {
  /** Chooses the market: the same seed gives every symbol the same prices and sizes again. @default 1 */
  readonly seed?: number
  /**
   * Trades and quotes a second, on average, over all subscribed symbols; of the kinds that are subscribed.
   * `Infinity`: as many as the process manages, with a turn of the event loop after every 512.
   * @default 50
   */
  readonly rate?: number
  /** More symbols than the built-in ones, by name or with price, tick, spread and weight. @default none */
  readonly symbols?: readonly SymbolOption[]
}

/** Most events before the event loop gets its turn: below a millisecond's work. */
const SLICE = 512
/** How far the market may lag behind the clock before it leaves the missed time out, ms. */
const MAX_LAG_MS = 1_000

const KINDS = ['trade', 'quote', 'bar'] as const
type Kind = (typeof KINDS)[number]

/**
 * An invented market that runs at any hour without key or network: trades, quotes and the minute bars that
 * follow from exactly these trades. Every event is flagged `simulated`.
 * @throws BAD_OPTION for a seed that is no whole number, a rate that is not above 0, or an unusable symbol
 */
export function simulated(options: SimulatedOptions = {}): Provider {
  const { seed = 1, rate = 50, symbols: more = [] } = options
  if (!Number.isSafeInteger(seed)) {
    throw new TickwireError('BAD_OPTION', `seed is ${seed}`, { hint: 'Give a whole number.' })
  }
  if (!(rate > 0)) {
    throw new TickwireError('BAD_OPTION', `rate is ${rate}`, {
      hint: 'Give events per second above 0, or Infinity for as many as possible.',
    })
  }
  const all = instruments(more, canonicalSymbol)
  const names = [...all.keys()]
  const capabilities: Capabilities = {
    title: 'Simulated market',
    kinds: KINDS,
    barIntervals: ['1m'],
    wildcard: KINDS,
    symbols: names,
    nature: 'simulated',
    auth: 'none',
    limits: {},
    history: false,
    silenceHint:
      'The simulated market never sleeps: minute bars come once a minute, and a low rate spreads over all symbols. ' +
      'Raise the rate, or ask for trades or quotes.',
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
      const simulation = new Simulation(all, {
        seed,
        rate,
        source: link.source,
        start: link.clock.now(),
      })
      const connection = new SimulatedConnection(link, simulation, names, symbol)
      link.opened()
      connection.subscribe(link.topics)
      return connection
    },
  }
}

class SimulatedConnection implements Connection {
  readonly ended: Promise<TickwireError | undefined>
  readonly #link: Link
  readonly #simulation: Simulation
  readonly #names: readonly string[]
  readonly #symbol: (text: string) => string
  /** Names asked for, per kind; `*` is one of them. */
  readonly #wanted: Record<Kind, Set<string>> = {
    trade: new Set(),
    quote: new Set(),
    bar: new Set(),
  }
  #end: () => void = () => {}
  #over = false
  #timer: Timer | undefined
  #immediate: NodeJS.Immediate | undefined
  #batch: MarketEvent[] = []

  constructor(
    link: Link,
    simulation: Simulation,
    names: readonly string[],
    symbol: (text: string) => string,
  ) {
    this.#link = link
    this.#simulation = simulation
    this.#names = names
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
        this.#wanted[topic.kind as Kind].add(this.#name(topic))
        accepted.push(topic)
      }
    }
    if (accepted.length === 0) return
    this.#changed(accepted)
    this.#link.acknowledged(accepted)
  }

  unsubscribe(topics: readonly Topic[]): void {
    const known = topics.filter(topic => !this.#refusal(topic))
    for (const topic of known) this.#wanted[topic.kind as Kind].delete(this.#name(topic))
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
      this.#symbol(topic.symbol)
      return undefined
    } catch (error) {
      if (error instanceof TickwireError) return error
      throw error
    }
  }

  /** Tells the market what is wanted now of the symbols concerned, and sets it going. */
  #changed(topics: readonly Topic[]): void {
    const concerned = new Set(topics.map(topic => this.#name(topic)))
    for (const name of concerned.has(ANY) ? this.#names : concerned) {
      let wants = 0
      for (const kind of KINDS) {
        if (this.#wanted[kind].has(name) || this.#wanted[kind].has(ANY)) wants |= WANT[kind]
      }
      this.#simulation.want(name, wants, this.#link.clock.now())
    }
    this.#schedule(false)
  }

  #schedule(more: boolean): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#over || this.#immediate) return
    const { next } = this.#simulation
    if (next === Number.POSITIVE_INFINITY) return
    if (more) this.#immediate = setImmediate(this.#run)
    else this.#timer = this.#link.clock.setTimeout(this.#run, next - this.#link.clock.now())
  }

  readonly #run = (): void => {
    this.#immediate = undefined
    this.#timer = undefined
    if (this.#over) return
    const now = this.#link.clock.now()
    this.#simulation.skipTo(now - MAX_LAG_MS)
    const more = this.#simulation.run(now, SLICE, this.#batch)
    if (this.#batch.length > 0) {
      this.#link.raw?.({ data: frameOf(this.#batch), binary: false, receivedAt: now })
      this.#link.emit(this.#batch, now)
      this.#batch.length = 0
    }
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
      : `It has ${names.join(' ')}; add others with the option symbols: ['${name}'].`,
  })
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
