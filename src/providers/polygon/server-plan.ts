import type { Channel, PolygonMarket } from './markets.ts'

/** What a key may do. https://massive.com/pricing */
export interface PolygonPlan {
  /** Clusters that may be streamed; on any other the key is refused. @default all */
  readonly markets?: readonly PolygonMarket[]
  /** Channels; any other is answered by `not authorized`. @default all */
  readonly channels?: readonly Channel[]
  /** What REST answers of; of any other kind it says that the plan has none. @default all */
  readonly rest?: readonly ('trade' | 'quote' | 'bar')[]
  /** Data must be late: this is the real-time host, and says so, and REST says `DELAYED`. @default false */
  readonly delayedOnly?: boolean
  /** Connections to one cluster at a time; one more ends in `max_connections`. @default 1 */
  readonly connections?: number
}

export interface PolygonAccountOptions {
  /** Plans by key. @default any key will do */
  readonly accounts?: Readonly<Record<string, PolygonPlan>> | undefined
  /** What a key may do that says nothing of its own. @default one connection per cluster, else no limit */
  readonly plan?: PolygonPlan | undefined
  /** Who goes when one connection too many comes: the venue has done both. @default 'oldest' */
  readonly evicts?: 'oldest' | 'newest' | undefined
}

/** Who may come in, and who is in. */
export class Accounts {
  readonly evicts: 'oldest' | 'newest'
  readonly #options: PolygonAccountOptions
  readonly #open = new Map<string, object[]>()

  constructor(options: PolygonAccountOptions) {
    this.#options = options
    this.evicts = options.evicts ?? 'oldest'
  }

  /** The plan of a key; `undefined` for one nobody knows. */
  plan(key: string): PolygonPlan | undefined {
    const { accounts, plan = {} } = this.#options
    if (key === '') return undefined
    if (!accounts) return plan
    return Object.hasOwn(accounts, key) ? { ...plan, ...accounts[key] } : undefined
  }

  /** Takes a place; gives those that are one too many. */
  enter<S extends object>(key: string, market: PolygonMarket, session: S): S[] {
    const place = `${market} ${key}`
    const open = (this.#open.get(place) ?? []) as S[]
    open.push(session)
    this.#open.set(place, open)
    const surplus = open.length - (this.plan(key)?.connections ?? 1)
    if (surplus <= 0) return []
    return this.evicts === 'oldest' ? open.slice(0, surplus) : open.slice(-surplus)
  }

  leave(key: string, market: PolygonMarket, session: object): void {
    const place = `${market} ${key}`
    const left = this.#open.get(place)?.filter(other => other !== session) ?? []
    if (left.length > 0) this.#open.set(place, left)
    else this.#open.delete(place)
  }

  /** Forgets who was here, as a server that starts anew does. */
  reset(): void {
    this.#open.clear()
  }
}
