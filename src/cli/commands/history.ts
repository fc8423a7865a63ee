import type { Past } from '../../app/past.ts'
import { TickwireError } from '../../base/errors.ts'
import { didYouMean, nearest } from '../../base/suggest.ts'
import { CHANNELS } from '../../feed/channels.ts'
import { csvHeader, encodeCsv } from '../../market/csv.ts'
import {
  type Adjustment,
  type EventType,
  hasFlag,
  type Interval,
  type MarketEvent,
} from '../../market/events.ts'
import { encodeEvent } from '../../market/json.ts'
import { ANY } from '../../market/topics.ts'
import { checkRange, isGivenUp, openPast, type PastFlags, runTask, spellings } from '../asking.ts'
import type { Surroundings } from '../config.ts'
import { type Screen, say, screenOf } from '../console.ts'
import { parseSymbols } from '../flags.ts'
import type { Output } from '../output.ts'
import { amount, Rows } from '../rows.ts'
import type { Run } from '../run.ts'
import { formatOf, type RowFormat } from './sql.ts'

export interface HistoryFlags extends PastFlags {
  readonly from?: number
  readonly to?: number
  readonly asOf?: number
  readonly interval?: Interval
  readonly adjustment?: Adjustment
  readonly source?: string
  readonly limit?: number
  readonly json?: boolean
  readonly csv?: boolean
}

/** Kinds of events by the words people ask for them with. */
export const STORED: Readonly<Record<string, EventType>> = { ...CHANNELS, notices: 'notice' }

/** `trades`, or one of them, `trade`. @throws BAD_OPTION */
export function parseStored(text: string): EventType {
  const word = text.toLowerCase()
  const found = Object.entries(STORED).find(([many, one]) => word === many || word === one)
  if (found) return found[1]
  throw new TickwireError('BAD_OPTION', `unknown kind ${JSON.stringify(text)}`, {
    hint: didYouMean(text, Object.keys(STORED)),
  })
}

const ADJUSTMENTS: readonly Adjustment[] = ['raw', 'split', 'dividend', 'all']

/** @throws BAD_OPTION */
export function parseAdjustment(text: string): Adjustment {
  const found = ADJUSTMENTS.find(name => name === text)
  if (found) return found
  throw new TickwireError('BAD_OPTION', `--adjustment cannot be ${JSON.stringify(text)}`, {
    hint: didYouMean(text, ADJUSTMENTS),
  })
}

/** `tickwire history`: what is stored of symbols, as `stream` prints what is live. Resolves with the exit code. */
export async function history(
  kind: EventType,
  words: readonly string[],
  flags: HistoryFlags,
  around: Surroundings,
): Promise<number> {
  const format = formatOf(flags)
  check(kind, flags)
  const symbols = parseSymbols(words) ?? [ANY]
  const screen = screenOf(around)
  return runTask(flags, async (run, output) => {
    const { past } = await openPast(flags, around, { signal: run.signal })
    try {
      const print = new Printer(kind, symbols, format, screen, output)
      await show(past, kind, symbols, flags, print, run)
      if (run.signal.aborted) return 0
      await output.flush()
      if (print.count === 0) say(await whyNothing(past, kind, symbols))
      else say(`${amount(print.count)} ${print.count === 1 ? kind : manyOf(kind)}`)
    } catch (error) {
      if (!(run.signal.aborted && isGivenUp(error))) throw error
    } finally {
      await past.close()
    }
    return 0
  })
}

function check(kind: EventType, flags: HistoryFlags): void {
  checkRange(flags)
  const { asOf, from, to, interval, adjustment } = flags
  if (asOf !== undefined && (from !== undefined || to !== undefined)) {
    throw new TickwireError(
      'BAD_OPTION',
      '--as-of asks for one moment: --from and --to do not go with it',
      {
        hint: 'Leave out --as-of, or the other two.',
      },
    )
  }
  if (kind !== 'bar' && (interval !== undefined || adjustment !== undefined)) {
    const flag = interval === undefined ? '--adjustment' : '--interval'
    throw new TickwireError('BAD_OPTION', `${flag} means nothing for ${manyOf(kind)}`, {
      hint: 'Only bars have it: `tickwire history bars`.',
    })
  }
  if (asOf !== undefined && adjustment !== undefined) {
    throw new TickwireError('BAD_OPTION', '--adjustment means nothing with --as-of', {
      hint: 'Leave one of them out.',
    })
  }
}

async function show(
  past: Past,
  kind: EventType,
  symbols: readonly string[],
  flags: HistoryFlags,
  print: Printer,
  run: Run,
): Promise<void> {
  const { asOf, from, to, interval, adjustment, source, limit = Number.POSITIVE_INFINITY } = flags
  const { signal } = run
  const common = {
    ...(source !== undefined && { source }),
    ...(interval !== undefined && { interval }),
    signal,
  }
  const asked = spellings(symbols)
  if (asOf !== undefined) {
    const last = await past.asOf({ kind, symbols: asked, time: asOf, ...common })
    await print.put(last.slice(0, limit))
    return
  }
  const range = {
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    ...(adjustment !== undefined && { adjustment }),
  }
  for await (const batch of past.events(kind, asked, { ...common, ...range }).batches()) {
    if (signal.aborted) return
    const room = limit - print.count
    await print.put(batch.length > room ? batch.slice(0, room) : batch)
    if (print.count >= limit) return
  }
}

const manyOf = (kind: EventType) =>
  Object.entries(STORED).find(([, one]) => one === kind)?.[0] ?? kind

const SIMULATED = 'SIMULATED · invented prices, not real ones'

/** Columns for a person at a terminal, NDJSON for everything else, or CSV. */
class Printer {
  count = 0
  readonly #kind: EventType
  readonly #format: RowFormat
  readonly #output: Output
  readonly #rows: Rows | undefined
  #banner: string | undefined

  constructor(
    kind: EventType,
    symbols: readonly string[],
    format: RowFormat,
    screen: Screen,
    output: Output,
  ) {
    this.#kind = kind
    this.#format = format
    this.#output = output
    if (format !== undefined || !screen.tty) return
    const { colors, width, height } = screen
    const symbolWidth = Math.max(6, ...symbols.map(symbol => symbol.length))
    const bannerOf = () => this.#banner
    this.#rows = new Rows({
      ...{ colors, width, height, symbolWidth, dated: true },
      get banner() {
        return bannerOf()
      },
    })
  }

  put(events: readonly MarketEvent[]): Promise<void> | undefined {
    if (events.length === 0) return undefined
    let text = this.#format === 'csv' && this.count === 0 ? csvHeader(this.#kind) : ''
    if (this.#banner === undefined && events.some(event => hasFlag(event, 'simulated'))) {
      this.#banner = SIMULATED
      if (!this.#rows) say(SIMULATED)
    }
    for (const event of events) text += this.#line(event)
    this.count += events.length
    return this.#output.put(text)
  }

  #line(event: MarketEvent): string {
    if (this.#rows) return this.#rows.write(event)
    return this.#format === 'csv' ? encodeCsv(event) : `${encodeEvent(event)}\n`
  }
}

/** Why there was nothing, as far as a look at what is stored shows it. */
async function whyNothing(
  past: Past,
  kind: EventType,
  symbols: readonly string[],
): Promise<string> {
  const many = manyOf(kind)
  const holdings = await past.holdings()
  const days = holdings.filter(one => one.kind === kind || (kind === 'bar' && one.kind === 'trade'))
  const [first, last] = [days[0]?.day, days.at(-1)?.day]
  if (first === undefined || last === undefined) {
    const others = [...new Set(holdings.map(one => manyOf(one.kind)))]
    return others.length === 0
      ? 'nothing is stored yet'
      : `no ${many} are stored; there are ${others.join(', ')}`
  }
  const view = kind === 'bar' && !holdings.some(one => one.kind === 'bar') ? 'trades' : many
  if (!symbols.includes(ANY)) {
    const { rows } = await past.sql(`select distinct symbol from ${view} where symbol is not null`)
    const known: string[] = []
    for await (const batch of rows) known.push(...batch.map(([symbol]) => `${symbol}`))
    const lacking = symbols.find(
      symbol => !known.includes(symbol) && !known.includes(symbol.toUpperCase()),
    )
    if (lacking !== undefined) {
      const near = nearest(lacking, known)
      return `no ${many} of ${lacking} are stored${near ? `; did you mean ${near}?` : `; there are those of ${some(known)}`}`
    }
  }
  const span = first === last ? `of ${first}` : `from ${first} to ${last}`
  return `none of that is stored; there are ${view} ${span} (UTC): \`tickwire store info\``
}

function some(symbols: readonly string[]): string {
  const shown = [...symbols].sort().slice(0, 8).join(', ')
  return symbols.length > 8 ? `${shown} and ${amount(symbols.length - 8)} more` : shown
}
