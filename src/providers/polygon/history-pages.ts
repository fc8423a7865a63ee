import { TickwireError } from '../../base/errors.ts'
import type { HistoryRequest } from '../../flow/contracts.ts'
import type { MarketEvent } from '../../market/events.ts'
import type { Moment } from '../../market/time.ts'
import { isMap, type Page } from './history-client.ts'
import type { RecordReader } from './history-records.ts'

export interface Pages {
  readonly symbol: string
  /** Both inclusive, whole epoch ms. */
  readonly from: number
  readonly to: number
  /** Records so long before `from` are left out without a word: a bar in which `from` lies may come too, ms. */
  readonly slackMs: number
  /** Of one moment there is one record. */
  readonly single: boolean
  readonly reader: RecordReader
  readonly malformed: HistoryRequest['malformed']
  readonly now: () => number
}

/** So many pages in a row that bring nothing later are taken for an endless answer. */
const MAX_STILL_PAGES = 10

/** Records read at a stretch: live data waits for no more than these (about 5 ms). */
const SLICE = 1_000
const othersTurn = () => new Promise<void>(resolve => setImmediate(resolve))

/**
 * Reads page after page of one symbol until the venue names no other. One that is not what was asked for ends it, before
 * anything of it is given on.
 * @throws VENUE_ERROR for records outside of the range, out of order or repeated, for an address that comes again and
 * for pages without end; what `ask` throws
 */
export async function* readPages(
  pages: Pages,
  first: string,
  ask: (pathAndQuery: string) => Promise<Page>,
): AsyncGenerator<MarketEvent[]> {
  const { from, to, slackMs, symbol, reader, malformed, single } = pages
  const asked = new Set([first])
  let address: string | undefined = first
  let last: Moment | undefined
  let before: readonly unknown[] = []
  let still = 0
  /** What pages brought that went no further: perhaps the beginning of an endless repetition. */
  let held: MarketEvent[] = []
  while (address !== undefined) {
    const { records, exact, next }: Page = await ask(address)
    if (next !== undefined && asked.has(next)) throw wrong('the address of a page comes again')
    if (next !== undefined) asked.add(next)
    if (!single && isRepeat(records, before)) throw wrong('a page comes again')
    before = records
    const events: MarketEvent[] = []
    let later = false
    for (let i = 0; i < records.length; i++) {
      if (i % SLICE === SLICE - 1) await othersTurn()
      const record = reader.read(symbol, records[i], exact[i], pages.now())
      if (typeof record === 'string') {
        if (!malformed) throw wrong(`a record of ${symbol} that is none: ${record}`)
        malformed(records[i], record)
        continue
      }
      const { timestamp } = record
      if (timestamp > to || timestamp <= from - Math.max(1, slackMs)) {
        throw wrong(`a record of ${symbol} outside of the time asked for`)
      }
      const order = last ? compare(record, last) : 1
      if (order < 0 || (order === 0 && single)) throw wrong(`records of ${symbol} out of order`)
      if (order > 0) later = true
      last = record
      if (timestamp >= from) events.push(...record.events)
    }
    still = later ? 0 : still + 1
    if (next !== undefined && still >= MAX_STILL_PAGES) throw wrong('there is no end of pages')
    held.push(...events)
    if (held.length > 0 && (later || next === undefined)) {
      yield held
      held = []
    }
    address = next
  }
}

const compare = (a: Moment, b: Moment) => a.timestamp - b.timestamp || a.nanos - b.nanos

/** Whether a page begins with the trade the one before began or ended with. Quotes have no id: two may be alike. */
function isRepeat(page: readonly unknown[], before: readonly unknown[]): boolean {
  const [record] = page
  if (!isMap(record) || record.id === undefined) return false
  return isSame(record, before[0]) || isSame(record, before.at(-1))
}

const TOLD_APART = ['id', 'exchange', 'trf_id', 'sip_timestamp', 'participant_timestamp'] as const

function isSame(a: { readonly [key: string]: unknown }, b: unknown): boolean {
  return isMap(b) && TOLD_APART.every(key => a[key] === b[key])
}

function wrong(what: string): TickwireError {
  return new TickwireError('VENUE_ERROR', `the venue's history is wrong: ${what}`, {
    hint: 'What came of it before was right; the rest is not to be had this way.',
  })
}
