import { TickwireError } from '../../base/errors.ts'
import type { HistoryRequest, PlaceOf } from '../../flow/contracts.ts'
import type { MarketEvent } from '../../market/events.ts'
import { type Moment, parseTime } from '../../market/time.ts'
import { ANY } from '../../market/topics.ts'
import { type Answer, isMap } from './history-client.ts'
import { LISTS, type RestKind } from './history-markets.ts'
import { Marks } from './history-marks.ts'
import type { RecordReader, RestRecord } from './history-records.ts'

export interface Pages {
  readonly kind: RestKind
  /** Both inclusive, whole epoch ms. */
  readonly from: number
  readonly to: number
  /** Records so long before `from` are left out without a word: a bar in which `from` lies may come too, ms. */
  readonly slackMs: number
  readonly reader: RecordReader
  readonly malformed: HistoryRequest['malformed']
  readonly now: () => number
}

/** So many pages in a row that bring nothing later are taken for an endless answer. */
const MAX_STILL_PAGES = 10

/** Records read at a stretch: live data waits for no more than these (about 5 ms). */
const SLICE = 1_000
const othersTurn = () => new Promise<void>(resolve => setImmediate(resolve))

/** One page, its form checked; each list with its digits. */
interface Page {
  readonly lists: readonly (readonly [
    symbol: string,
    records: readonly unknown[],
    exact: readonly unknown[],
  ])[]
  readonly next: string | undefined
}

/**
 * Reads page after page until the venue says that it was the last. Pages are by symbol, then time. One that is not
 * what was asked for ends it, before anything of it is given on.
 * @throws VENUE_ERROR for records outside of the range, of other symbols, out of order or repeated, for a token that
 * comes again and for pages without end; what `ask` throws
 */
export async function* readPages(
  pages: Pages,
  symbols: readonly string[],
  ask: (token: string | undefined) => Promise<Answer>,
): AsyncGenerator<MarketEvent[]> {
  const course = new Course(pages, new Set(symbols))
  const tokens = new Set<string>()
  let token: string | undefined
  do {
    const page = pageOf(pages.kind, await ask(token))
    const events = await course.take(page, pages.now())
    if (events.length > 0) yield events
    token = page.next
    if (token !== undefined && tokens.has(token)) throw wrong('a page token comes again')
    if (token !== undefined) tokens.add(token)
  } while (token !== undefined)
}

/** Articles come in one list, whatever they are about. */
const ALL_NEWS = 'news'

function pageOf(kind: RestKind, { map, exact }: Answer): Page {
  const list = LISTS[kind]
  const [bySymbol, digits] = [map[list] === null ? {} : map[list], exact[list]]
  const next = map.next_page_token
  // An answer without a word on the next page may be of something else, and must not pass for the end.
  if (next !== null && typeof next !== 'string') throw wrong('no next_page_token')
  if (kind === 'news') {
    if (!Array.isArray(map.news)) throw wrong('no news')
    return { lists: [[ALL_NEWS, map.news, exact.news as unknown[]]], next: next || undefined }
  }
  if (!isMap(bySymbol)) throw wrong(`no ${list}`)
  const lists = Object.entries(bySymbol).map(([symbol, records]) => {
    if (records === null) return [symbol, [], []] as const
    if (!Array.isArray(records)) throw wrong(`the ${list} of ${symbol} are no list`)
    return [symbol, records, (digits as { [symbol: string]: unknown[] })[symbol]!] as const
  })
  return { lists, next: next || undefined }
}

/** How far each symbol has come. */
class Course {
  readonly #pages: Pages
  readonly #asked: ReadonlySet<string>
  readonly #times = new Map<string, Moment>()
  readonly #marks = new Map<string, Marks>()
  #before: Page | undefined
  #sinceTurn = 0
  /** Pages in a row that brought nothing later. */
  #still = 0
  /** What they brought: given on when it goes on, or is all; it may be the beginning of an endless repetition. */
  #held: MarketEvent[] = []

  constructor(pages: Pages, asked: ReadonlySet<string>) {
    this.#pages = pages
    this.#asked = asked
  }

  /** The events of a page. */
  async take(page: Page, receivedAt: number): Promise<MarketEvent[]> {
    const more = page.next !== undefined
    const events: MarketEvent[] = []
    let later = false
    for (const [symbol, records, exact] of page.lists) {
      const isNews = this.#pages.kind === 'news'
      if (!isNews && !this.#asked.has(symbol)) throw wrong(`${symbol}, which nobody asked for`)
      const before = this.#times.get(symbol)
      const read = await this.#read(symbol, records, exact, receivedAt)
      const after = this.#times.get(symbol)
      if (after && (!before || isLater(after, before))) later = true
      this.#tell(symbol, read, more, events)
    }
    // What waited for a replacement on this page has waited long enough when there is no more.
    if (!more) for (const symbol of this.#marks.keys()) this.#tell(symbol, [], false, events)
    const { key, keys } = this.#pages.kind === 'news' ? ARTICLE : TRADE
    if (this.#before && isRepeat(page, this.#before, key, keys)) throw wrong('a page comes again')
    this.#before = page
    this.#still = later ? 0 : this.#still + 1
    if (more && this.#still >= MAX_STILL_PAGES) throw wrong('there is no end of pages')
    const all = this.#held.concat(events)
    this.#held = more && !later ? all : []
    return this.#held.length > 0 ? [] : all
  }

  async #read(
    symbol: string,
    records: readonly unknown[],
    exact: readonly unknown[],
    receivedAt: number,
  ): Promise<RestRecord[]> {
    const { reader, malformed, from, to, slackMs, kind } = this.#pages
    const read: RestRecord[] = []
    for (let i = 0; i < records.length; i++) {
      if (++this.#sinceTurn >= SLICE) {
        this.#sinceTurn = 0
        await othersTurn()
      }
      const record = reader.read(symbol, records[i], exact[i], receivedAt)
      if (typeof record === 'string') {
        if (!malformed) throw wrong(`a record of ${symbol} that is none: ${record}`)
        malformed(records[i], record, placeOf(symbol, records[i]))
        continue
      }
      const { timestamp, nanos } = record.event
      if (record.event.type === 'news' && !this.#isAsked(record.event.symbols)) {
        throw wrong(`an article about ${record.event.symbols.join(', ')}, which nobody asked for`)
      }
      if (timestamp > to || timestamp <= from - Math.max(1, slackMs)) {
        throw wrong(`a record of ${symbol} outside of the time asked for`)
      }
      const last = this.#times.get(symbol)
      const inOrder = !last || !isLater(last, record.event)
      // Of one interval there is one bar.
      const twice = kind === 'bar' && last && inOrder && !isLater(record.event, last)
      if (!inOrder || twice) throw wrong(`records of ${symbol} out of order`)
      this.#times.set(symbol, { timestamp, nanos })
      if (timestamp >= from) read.push(record)
    }
    return read
  }

  #isAsked(symbols: readonly string[]): boolean {
    return this.#asked.has(ANY) || symbols.some(symbol => this.#asked.has(symbol))
  }

  #tell(symbol: string, read: readonly RestRecord[], more: boolean, events: MarketEvent[]): void {
    let marks = this.#marks.get(symbol)
    if (!marks) this.#marks.set(symbol, (marks = new Marks()))
    for (const event of marks.take(read, more)) events.push(event)
  }
}

/** Where a record stands that is none; articles stand under many symbols. */
function placeOf(symbol: string, record: unknown): PlaceOf {
  const time = isMap(record) && typeof record.t === 'string' ? parseTime(record.t) : undefined
  return { symbol: symbol === ALL_NEWS ? undefined : symbol, timestamp: time?.timestamp }
}

const isLater = (a: Moment, b: Moment) =>
  a.timestamp > b.timestamp || (a.timestamp === b.timestamp && a.nanos > b.nanos)

/** What the venue tells records of a symbol apart by, and what it says became of them. */
const TRADE = { key: 'i', keys: ['t', 'x', 'i', 'u'] } as const
const ARTICLE = { key: 'id', keys: ['id', 'updated_at'] } as const

/**
 * Whether a page begins with the trade or article the one before began or ended with. Quotes have no id: two may be
 * alike.
 */
function isRepeat(
  { lists: [page] }: Page,
  { lists }: Page,
  key: string,
  keys: readonly string[],
): boolean {
  const record = page?.[2][0]
  if (!isMap(record) || record[key] === undefined) return false
  const [first, last] = [lists[0], lists.at(-1)]
  return (
    (first?.[0] === page?.[0] && isSame(record, first?.[2][0], keys)) ||
    (last?.[0] === page?.[0] && isSame(record, last?.[2].at(-1), keys))
  )
}

function isSame(a: RecordMap, b: unknown, keys: readonly string[]): boolean {
  return isMap(b) && keys.every(key => String(a[key]) === String(b[key]))
}

type RecordMap = { readonly [key: string]: unknown }

function wrong(what: string): TickwireError {
  return new TickwireError('VENUE_ERROR', `the venue's history is wrong: ${what}`, {
    hint: 'What came of it before was right; the rest is not to be had this way.',
  })
}
