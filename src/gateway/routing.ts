import type { EventType, MarketEvent } from '../market/events.ts'
import { ANY } from '../market/topics.ts'
import type { Group } from './groups.ts'

interface Route {
  readonly type: EventType
  readonly source: string
  readonly interval: string | undefined
  readonly groups: readonly Group[]
}

/** Which groups want an event: looked up once for each source, kind and symbol, until a group comes or goes. */
export class Routing {
  readonly #bySymbol = new Map<string, Set<Group>>()
  readonly #all = new Set<Group>()
  readonly #routes = new Map<string, Route[]>()

  add(group: Group): void {
    this.#all.add(group)
    for (const symbol of group.wanted.symbols) {
      const groups = this.#bySymbol.get(symbol)
      if (groups) groups.add(group)
      else this.#bySymbol.set(symbol, new Set([group]))
      this.#forget(symbol)
    }
  }

  delete(group: Group): void {
    this.#all.delete(group)
    for (const symbol of group.wanted.symbols) {
      const groups = this.#bySymbol.get(symbol)
      if (groups?.delete(group) && groups.size === 0) this.#bySymbol.delete(symbol)
      this.#forget(symbol)
    }
  }

  get groups(): Iterable<Group> {
    return this.#all
  }

  of(event: MarketEvent): readonly Group[] {
    if (event.type === 'notice' || event.type === 'news') {
      return [...this.#all].filter(group => group.wanted.has(event))
    }
    const { type, source, symbol } = event
    const interval = event.type === 'bar' ? event.interval : undefined
    const routes = this.#routes.get(symbol)
    for (const route of routes ?? []) {
      if (route.type === type && route.source === source && route.interval === interval) {
        return route.groups
      }
    }
    const candidates = [...(this.#bySymbol.get(symbol) ?? []), ...(this.#bySymbol.get(ANY) ?? [])]
    const groups = [...new Set(candidates)].filter(group => group.wanted.has(event))
    const route = { type, source, interval, groups }
    if (routes) routes.push(route)
    else this.#routes.set(symbol, [route])
    return groups
  }

  #forget(symbol: string): void {
    if (symbol === ANY) this.#routes.clear()
    else this.#routes.delete(symbol)
  }
}
