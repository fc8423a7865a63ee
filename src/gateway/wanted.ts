import type { MarketEvent, Notice } from '../market/events.ts'
import { ANY, formatTopic, type Topic } from '../market/topics.ts'

/** What a subscription is to have: of its topics, the events, and what is to be said about them. */
export class Wanted {
  readonly topics: readonly Topic[]
  /** The same for whoever wants the same. */
  readonly key: string
  readonly #bySymbol = new Map<string, Topic[]>()

  constructor(topics: readonly Topic[]) {
    this.topics = topics
    this.key = topics.map(formatTopic).sort().join(' ')
    for (const topic of topics) {
      const others = this.#bySymbol.get(topic.symbol)
      if (others) others.push(topic)
      else this.#bySymbol.set(topic.symbol, [topic])
    }
  }

  get symbols(): Iterable<string> {
    return this.#bySymbol.keys()
  }

  has(event: MarketEvent): boolean {
    if (event.type === 'notice') return this.#concerns(event)
    if (this.#hits(ANY, event)) return true
    if (event.type === 'news') return event.symbols.some(symbol => this.#hits(symbol, event))
    return this.#hits(event.symbol, event)
  }

  #hits(symbol: string, event: MarketEvent): boolean {
    const topics = this.#bySymbol.get(symbol)
    if (!topics) return false
    for (const { kind, source, interval } of topics) {
      if (kind !== event.type || (source !== event.source && source !== ANY)) continue
      if (event.type !== 'bar' || interval === undefined || interval === event.interval) return true
    }
    return false
  }

  /** A notice concerns whoever has its source, and where it names a symbol or a kind, those. */
  #concerns({ seq, source, symbol, kind }: Notice): boolean {
    if (seq === undefined || source === '') return true
    const concerned = (topic: Topic) =>
      (topic.source === source || topic.source === ANY) &&
      (kind === undefined || kind === topic.kind)
    if (symbol === undefined) return this.topics.some(concerned)
    return [symbol, ANY].some(name => this.#bySymbol.get(name)?.some(concerned))
  }
}
