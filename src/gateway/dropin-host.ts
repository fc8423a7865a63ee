import type { SharedHost, Standing } from '../flow/contracts.ts'
import type { EventType, MarketEvent } from '../market/events.ts'
import { ANY } from '../market/topics.ts'
import type { GatewayFeed } from './context.ts'
import { Nature } from './nature.ts'
import type { Present } from './present.ts'
import type { Upstream } from './upstream.ts'

/** What a vendor's protocol has of a source, for one client. */
export function hostOf(
  { source, capabilities }: GatewayFeed,
  present: Pick<Present, 'latest' | 'books'>,
  upstream: Pick<Upstream, 'resolve'>,
  admit: SharedHost['admit'],
): SharedHost {
  const isReplayed = capabilities.nature === 'replayed'
  return {
    ...{ admit, source },
    nature: new Nature().source(capabilities).words ?? undefined,
    resolve({ kind, symbol, interval }) {
      const asked = { kinds: [kind], symbols: [symbol], source, interval }
      const { topics, rejected } = upstream.resolve(asked)
      return topics[0] ?? rejected[0]!.reason
    },
    // What is played back says where it was from.
    standing: (name, symbol) =>
      standingOf(present, isReplayed && name === source ? ANY : name, symbol),
  }
}

function standingOf(
  present: Pick<Present, 'latest' | 'books'>,
  source: string,
  symbol: string,
): Standing {
  const last = <T extends EventType>(kind: T) =>
    present.latest({ source, kind, symbol })[0] as Extract<MarketEvent, { type: T }> | undefined
  return {
    ...{ trade: last('trade'), quote: last('quote'), ticker: last('ticker') },
    levels(side, count) {
      const book = source === ANY ? present.books.of(symbol)[0] : present.books.get(source, symbol)
      if (!book?.synced) return []
      return side === 'bids' ? book.bids(count) : book.asks(count)
    },
  }
}
