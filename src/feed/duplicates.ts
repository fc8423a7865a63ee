import type { MarketEvent } from '../market/events.ts'

/** Events of a symbol and kind that are remembered: a frame sent twice comes soon after itself. */
const MEMORY = 32

/**
 * Finds events that a venue, or the way from it, has sent twice: equal in everything the venue says, its time to the
 * nanosecond included, to one of the last {@link MEMORY} of their symbol and kind.
 */
export class Duplicates {
  readonly #memories = new Map<string, Memory>()
  /** How many there have been. */
  count = 0

  /** The batch, without what has come before; the same array when there is nothing to leave out. */
  pass(batch: readonly MarketEvent[]): readonly MarketEvent[] {
    for (let i = 0; i < batch.length; i++) {
      if (!this.#repeats(batch[i]!)) continue
      const rest = batch.slice(0, i)
      this.count++
      for (let j = i + 1; j < batch.length; j++) {
        if (this.#repeats(batch[j]!)) this.count++
        else rest.push(batch[j]!)
      }
      return rest
    }
    return batch
  }

  #repeats(event: MarketEvent): boolean {
    const { symbol, type } = event
    if (symbol === undefined || type === 'notice') return false
    let memory = this.#memories.get(symbol)
    if (!memory) {
      memory = {}
      this.#memories.set(symbol, memory)
    }
    let last = memory[type]
    if (!last) {
      last = { events: [], times: new Float64Array(MEMORY), at: 0 }
      memory[type] = last
    }
    const { events, times, at } = last
    const { timestamp, nanos } = event
    for (let i = 0; i < MEMORY; i++) {
      if (times[i] !== timestamp) continue
      const known = events[i]
      if (known?.nanos === nanos && isSame(known, event)) return true
    }
    events[at] = event
    times[at] = timestamp
    last.at = (at + 1) % MEMORY
    return false
  }
}

interface Last {
  readonly events: MarketEvent[]
  /** Their venue times once more: most look-ups need no more than these. */
  readonly times: Float64Array
  at: number
}

type Memory = Partial<Record<MarketEvent['type'], Last>>

/** Whether two events of a symbol, kind and time say the same. */
function isSame(a: MarketEvent, b: MarketEvent): boolean {
  if (a.type === 'trade' && b.type === 'trade') {
    return a.id === b.id && a.exchange === b.exchange && a.price === b.price && a.size === b.size
  }
  if (a.type === 'quote' && b.type === 'quote') {
    return (
      a.bid === b.bid &&
      a.ask === b.ask &&
      a.bidSize === b.bidSize &&
      a.askSize === b.askSize &&
      a.bidExchange === b.bidExchange &&
      a.askExchange === b.askExchange
    )
  }
  return said(a) === said(b)
}

function said({ receivedAt: _receivedAt, seq: _seq, ...rest }: MarketEvent): string {
  return JSON.stringify(rest)
}
