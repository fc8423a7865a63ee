import { Cancel, Correction, type MarketEvent, type Trade } from '../../market/events.ts'
import type { RestRecord } from './history-records.ts'

/**
 * Trades of one symbol that the venue has marked, as the stream tells it: the trade, and behind it what became of it.
 * A replacement names no original; it has its time and its exchange. So the records of one time are looked at together.
 *
 * canceled: the trade and a cancel. incorrect with its corrected: the trade and a correction. incorrect alone: the
 * trade and a cancel as an error. corrected alone: a trade, which it is.
 *
 * The cancel or correction has the time of its trade: when the venue learned of it REST does not say.
 */
export class Marks {
  /** Records of the last time, as long as a replacement among them may be missing. */
  #held: RestRecord[] = []

  /** Takes the next records, in order of time, and gives what can be told now. `more`: others may follow. */
  take(records: readonly RestRecord[], more: boolean): MarketEvent[] {
    const all = this.#held.length > 0 ? [...this.#held, ...records] : records
    const events: MarketEvent[] = []
    let from = 0
    while (from < all.length) {
      let to = from + 1
      while (to < all.length && atSameTime(all[from]!, all[to]!)) to++
      const group = all.slice(from, to)
      const open = more && to === all.length && group.some(({ mark }) => mark !== undefined)
      if (open) {
        this.#held = group
        return events
      }
      for (const event of told(group)) events.push(event)
      from = to
    }
    this.#held = []
    return events
  }
}

function atSameTime({ event: a }: RestRecord, { event: b }: RestRecord): boolean {
  return a.timestamp === b.timestamp && a.nanos === b.nanos
}

function told(group: readonly RestRecord[]): MarketEvent[] {
  if (group.every(({ mark }) => mark === undefined)) return group.map(({ event }) => event)
  const replacements = group.filter(({ mark }) => mark === 'corrected')
  const pairs = new Map<RestRecord, Trade>()
  for (const record of group) {
    if (record.mark !== 'incorrect') continue
    const { exchange } = record.event as Trade
    const at = replacements.findIndex(({ event }) => (event as Trade).exchange === exchange)
    if (at >= 0) pairs.set(record, replacements.splice(at, 1)[0]!.event as Trade)
  }
  return group.flatMap(record => {
    const trade = record.event as Trade
    if (record.mark === 'canceled') return [trade, cancelOf(trade, 'cancel')]
    if (record.mark === 'incorrect') {
      const replacement = pairs.get(record)
      return [trade, replacement ? correctionOf(trade, replacement) : cancelOf(trade, 'error')]
    }
    // A replacement stands in its correction, where there is one.
    return record.mark === 'corrected' && !replacements.includes(record) ? [] : [trade]
  })
}

function cancelOf(trade: Trade, action: Cancel['action']): Cancel {
  const { symbol, source, timestamp, nanos, receivedAt, flags } = trade
  const { id, price, size, exchange, tape } = trade
  return new Cancel(
    ...([symbol, source, timestamp, nanos, receivedAt, flags] as const),
    ...([id, price, size, action, exchange, tape] as const),
  )
}

function correctionOf(original: Trade, by: Trade): Correction {
  const { symbol, source, timestamp, nanos, receivedAt, flags } = original
  return new Correction(
    ...([symbol, source, timestamp, nanos, receivedAt, flags] as const),
    ...([original.id, original.price, original.size, original.conditions] as const),
    ...([by.id, by.price, by.size, by.conditions, by.exchange, by.tape] as const),
  )
}
