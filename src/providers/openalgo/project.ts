import type { Standing } from '../../flow/contracts.ts'
import { Flag, type Level, type MarketEvent } from '../../market/events.ts'
import type { Mode } from './modes.ts'
import { dataOfStanding, isNews } from './server-standing.ts'

/** What has been heard of one symbol. */
interface Heard {
  trade: Standing['trade']
  quote: Standing['quote']
  ticker: Standing['ticker']
  readonly bids: Map<number, number>
  readonly asks: Map<number, number>
}

/**
 * What is left of events that go out in OpenAlgo's words, in a mode and with so many levels: the `data` of the message, of
 * all that has been heard of the symbol so far. `undefined` where there is no message: bars, statuses, news and notices; of
 * a mode that has nothing of the kind; and what comes late or was filled in, which says nothing of now.
 */
export function projectOpenAlgo(
  mode: Mode,
  depth: number,
): (event: MarketEvent) => object | undefined {
  const all = new Map<string, Heard>()
  return event => {
    if (event.symbol === undefined) return undefined
    const key = `${event.source} ${event.symbol}`
    const heard = all.get(key) ?? {
      ...{ trade: undefined, quote: undefined, ticker: undefined },
      ...{ bids: new Map(), asks: new Map() },
    }
    all.set(key, heard)
    take(heard, event)
    const standing = standingOf(heard)
    if (!isNews(event, standing, mode)) return undefined
    return dataOfStanding(undefined, mode, standing, event.timestamp, depth)
  }
}

function take(heard: Heard, event: MarketEvent): void {
  switch (event.type) {
    case 'trade':
      if (isNewer(event, heard.trade)) heard.trade = event
      break
    case 'quote':
      if (isNewer(event, heard.quote)) heard.quote = event
      break
    case 'ticker':
      if (isNewer(event, heard.ticker)) heard.ticker = event
      break
    case 'book':
      apply(heard.bids, event.bids, event.snapshot)
      apply(heard.asks, event.asks, event.snapshot)
  }
}

function apply(side: Map<number, number>, levels: readonly Level[], isWhole: boolean): void {
  if (isWhole) side.clear()
  for (const [price, size] of levels) {
    if (size === 0) side.delete(price)
    else side.set(price, size)
  }
}

function isNewer(event: MarketEvent, last: MarketEvent | undefined): boolean {
  if (!last) return true
  const order = event.timestamp - last.timestamp || event.nanos - last.nanos
  if (order === 0) return true
  return order > 0 && (event.flags & (Flag.repaired | Flag.late)) === 0
}

function standingOf({ trade, quote, ticker, bids, asks }: Heard): Standing {
  return {
    ...{ trade, quote, ticker },
    levels(side, count) {
      const sign = side === 'bids' ? -1 : 1
      const levels: Level[] = [...(side === 'bids' ? bids : asks)]
      return levels.sort(([a], [b]) => (a - b) * sign).slice(0, count)
    },
  }
}
