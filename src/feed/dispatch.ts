import { EVENT_TYPES, type EventType, type Interval, type MarketEvent } from '../market/events.ts'
import { ANY } from '../market/topics.ts'

/** Whoever gets events from a feed: a handler or a stream. */
export interface Receiver {
  accept(event: MarketEvent, now: number): void
}

interface Route {
  readonly receiver: Receiver
  /** Only bars of this length. */
  readonly interval: Interval | undefined
}

/** Who wants a kind. Lists are replaced, never changed: a handler may subscribe and unsubscribe while it runs. */
interface Table {
  any: readonly Route[]
  readonly bySymbol: Map<string | undefined, readonly Route[]>
}

const NOBODY: readonly Route[] = []

/** Hands each event to those who asked for its kind and symbol, in the order they asked. */
export class Dispatcher {
  readonly #tables = Object.fromEntries(
    EVENT_TYPES.map(type => [type, { any: NOBODY, bySymbol: new Map() }]),
  ) as unknown as Readonly<Record<EventType, Table>>
  /** Those of most events, at hand: a look-up by a name that varies costs as much as the call it is for. */
  readonly #trades = this.#tables.trade
  readonly #quotes = this.#tables.quote

  /** Routes a kind (of the symbols, or of all with `*`) to a receiver; returns what undoes it. */
  add(
    kind: EventType,
    symbols: readonly string[],
    receiver: Receiver,
    interval?: Interval,
  ): () => void {
    const route: Route = { receiver, interval }
    const table = this.#tables[kind]
    // `*` covers the named ones: nobody gets an event twice.
    if (symbols.includes(ANY)) {
      table.any = [...table.any, route]
      return () => {
        table.any = table.any.filter(other => other !== route)
      }
    }
    const keys = new Set(symbols)
    for (const key of keys) table.bySymbol.set(key, [...(table.bySymbol.get(key) ?? NOBODY), route])
    return () => {
      for (const key of keys) {
        const rest = (table.bySymbol.get(key) ?? NOBODY).filter(other => other !== route)
        if (rest.length > 0) table.bySymbol.set(key, rest)
        else table.bySymbol.delete(key)
      }
    }
  }

  /** `now`: when the batch was received. */
  dispatch(batch: readonly MarketEvent[], now: number): void {
    for (let i = 0; i < batch.length; i++) {
      const event = batch[i]!
      const table = this.#tableOf(event.type)
      if (table.any.length > 0) deliver(table.any, event, now)
      if (event.type === 'news') this.#deliverNews(table, event, now)
      else {
        const routes = table.bySymbol.get(event.symbol)
        if (routes) deliver(routes, event, now)
      }
    }
  }

  #tableOf(type: EventType): Table {
    if (type === 'trade') return this.#trades
    return type === 'quote' ? this.#quotes : this.#tables[type]
  }

  /** An article concerns several symbols; who asked for two of them gets it once. */
  #deliverNews(table: Table, event: MarketEvent & { type: 'news' }, now: number): void {
    const routes = new Set(event.symbols.flatMap(symbol => table.bySymbol.get(symbol) ?? NOBODY))
    deliver([...routes], event, now)
  }
}

function deliver(routes: readonly Route[], event: MarketEvent, now: number): void {
  for (let i = 0; i < routes.length; i++) {
    const { receiver, interval } = routes[i]!
    if (interval !== undefined && (event as { interval?: Interval }).interval !== interval) continue
    receiver.accept(event, now)
  }
}
