import type { MarketEvent } from '../market/events.ts'
import type { AskedAt } from './answerer.ts'
import { barSource } from './bars.ts'
import { lastBars } from './bars-told.ts'
import { tableOf } from './columns.ts'
import { eventColumns, readEvents } from './events.ts'
import { rowsOf, type Snapshot } from './snapshot.ts'

/** The last event of each symbol at or before a time; of bars the last that was over by then. */
export async function lastOf(snapshot: Snapshot, asked: AskedAt): Promise<MarketEvent[]> {
  const { kind, symbols } = asked
  const found =
    kind === 'bar' ? await lastBars(barSource(snapshot), asked) : await lastEvents(snapshot, asked)
  if (symbols.includes('*')) {
    return [...found.values()].sort((a, b) => ((a.symbol ?? '') < (b.symbol ?? '') ? -1 : 1))
  }
  return [...new Set(symbols)].flatMap(symbol => found.get(symbol) ?? [])
}

async function lastEvents(snapshot: Snapshot, asked: AskedAt) {
  const { kind, symbols, time } = asked
  const table = tableOf(kind)
  const range = { ...asked, from: 0, to: time }
  const found = new Map<string | undefined, MarketEvent>()
  const wanted = new Set(symbols)
  const isAll = wanted.has('*')
  const newest = 'order by ts desc, seq desc nulls last, part desc, nth desc'
  for (const day of (await snapshot.daysOf(kind, range)).reverse()) {
    if (!isAll && found.size === wanted.size) break
    const left = isAll ? symbols : symbols.filter(symbol => !found.has(symbol))
    const rows = rowsOf(snapshot, table, day, { ...range, symbols: left })
    const select = `select ${eventColumns(table)} from (${rows}) qualify row_number() over (partition by symbol ${newest}) = 1`
    const { chunks } = await snapshot.session.stream(select)
    for await (const chunk of chunks) {
      for (const event of readEvents(table, chunk)) {
        if (!found.has(event.symbol)) found.set(event.symbol, event)
      }
    }
  }
  return found
}
