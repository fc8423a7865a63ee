import type { Clock } from '../base/clock.ts'
import type { ProtocolPeer, ProtocolSession } from '../flow/contracts.ts'
import type { Level, MarketEvent } from '../market/events.ts'
import type { FaultName } from './faults.ts'
import {
  type HostHappening,
  type HostOptions,
  ScriptedHost,
  type ScriptedVenue,
} from './venue-host.ts'

export interface PlainVenueOptions extends HostOptions {
  /** Hears of everything that happens. */
  readonly observe?: (happening: HostHappening<string>) => void
}

/** What the venue knows beside its clients. */
export interface PlainFloor {
  readonly clock: Clock
  /** The whole book of a symbol, best levels first; `undefined` before anything was delivered of it. */
  book(symbol: string): { readonly bids: Level[]; readonly asks: Level[] } | undefined
}

const NO_KEYS = 'it has no authentication'
const NO_SCRIPT = 'its answers are not scripted'
const NO_REST = 'it has no REST side'
const ABSENT: Readonly<Partial<Record<FaultName, string>>> = {
  'auth-error': NO_KEYS,
  'auth-timeout': NO_KEYS,
  'connection-limit': 'it has no plans',
  'symbol-limit': NO_SCRIPT,
  'partial-ack': NO_SCRIPT,
  'data-after-unsubscribe': NO_SCRIPT,
  'bad-checksum': NO_SCRIPT,
  'truncated-msgpack': 'it speaks JSON only',
  'rest-error': NO_REST,
  'rest-spoiled': NO_REST,
}

/**
 * A scripted venue of which only what one client sees has to be written: without keys, without REST, in JSON. One that has
 * more of it is made with {@link ScriptedHost}.
 */
export function plainVenue(
  id: string,
  session: (peer: ProtocolPeer, floor: PlainFloor) => ProtocolSession,
  options: PlainVenueOptions = {},
): ScriptedVenue {
  return new ScriptedHost<ProtocolSession, string>(options, (_script, clock) => {
    const sessions = new Set<ProtocolSession>()
    const floor = new Floor(clock)
    const nowhere = { status: 404, headers: { 'content-type': 'text/plain' }, body: NO_REST }
    return {
      ...{ id, absent: ABSENT },
      accept: (_request, peer) => {
        const made = session(peer, floor)
        sessions.add(made)
        return {
          get topics() {
            return made.topics
          },
          receive: (data, binary) => made.receive(data, binary),
          deliver: batch => made.deliver(batch),
          closed: clean => {
            sessions.delete(made)
            made.closed(clean)
          },
        }
      },
      get sessions() {
        return [...sessions]
      },
      deliver: batch => {
        for (const event of batch) {
          floor.take(event)
          for (const one of [...sessions]) one.deliver([event])
        }
      },
      answer: () => nowhere,
      spoiled: () => nowhere,
      listsOf: ({ topics }) => {
        const lists: Record<string, string[]> = {}
        for (const { kind, symbol } of topics) (lists[kind] ??= []).push(symbol)
        return lists
      },
      isServed: ({ topics }) => topics.length > 0,
      giant: (_session, bytes) => `{"giant":"${'x'.repeat(bytes)}"}`,
    }
  })
}

class Floor implements PlainFloor {
  readonly clock: Clock
  readonly #books = new Map<string, { bids: Map<number, number>; asks: Map<number, number> }>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  book(symbol: string) {
    const book = this.#books.get(symbol)
    if (!book) return undefined
    const best = (side: ReadonlyMap<number, number>, sign: number): Level[] =>
      [...side].sort(([a], [b]) => sign * (a - b))
    return { bids: best(book.bids, -1), asks: best(book.asks, 1) }
  }

  take(event: MarketEvent): void {
    if (event.type !== 'book') return
    const old = event.snapshot ? undefined : this.#books.get(event.symbol)
    const book = old ?? { bids: new Map(), asks: new Map() }
    this.#books.set(event.symbol, book)
    for (const side of ['bids', 'asks'] as const) {
      for (const [price, size] of event[side]) {
        if (size > 0) book[side].set(price, size)
        else book[side].delete(price)
      }
    }
  }
}
