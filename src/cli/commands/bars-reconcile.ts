import { TickwireError } from '../../base/errors.ts'
import { BarBuilder } from '../../derive/bars.ts'
import { type BarComparison, type BarDifference, compareBars } from '../../derive/bars-compare.ts'
import { Grid, ONE_DAY, parseSize } from '../../derive/bars-interval.ts'
import { BAR_DEFAULTS, type BarStats } from '../../derive/bars-options.ts'
import { calendarOf } from '../../market/calendar-book.ts'
import type { Bar, EventType, MarketEvent, Trade } from '../../market/events.ts'
import { toISO } from '../../market/time.ts'
import { followFileTape } from '../../tape/file/follow.ts'
import { loadConfig, type Surroundings } from '../config.ts'
import { say, screenOf } from '../console.ts'
import { parseSymbols } from '../flags.ts'
import { Progress } from '../progress.ts'
import { chooseProvider } from '../providers.ts'
import { tapeFolder } from '../recording.ts'
import { amount, price } from '../rows.ts'
import { Run } from '../run.ts'
import { type BarsFlags, leftOut, symbolsOf } from './bars-kit.ts'
import { bannerOf, checkFlags, outputOf, resolveConfig } from './stream.ts'

/** The bars of one source: ours, and those it sent itself. */
interface Sides {
  readonly source: string
  readonly ours: Bar[]
  readonly theirs: Bar[]
}

interface Found {
  readonly sides: readonly Sides[]
  readonly banner: string | undefined
  /** Of each builder. */
  readonly stats: readonly BarStats[]
  /** What else is to be known of the result. */
  readonly remarks: readonly string[]
}

/** `--reconcile`: bars built here against the vendor's, of one trading day. */
export async function reconcile(
  words: readonly string[],
  flags: BarsFlags,
  day: string,
  around: Surroundings,
): Promise<number> {
  const screen = screenOf(around)
  const run = new Run()
  const output = outputOf(run)
  try {
    const found =
      flags.tape === undefined
        ? await fromHistory(words, flags, day, around, run.signal)
        : await fromRecording(words, flags, day, around, run.signal)
    // Each with its own: what two sources say of one symbol may well differ.
    const compared = found.sides.map(({ source, ours, theirs }) => {
      return { source, ...compareBars(ours, theirs), recorded: theirs.length > 0 }
    })
    if (compared.every(({ bars }) => bars === 0)) {
      throw new TickwireError('BAD_OPTION', `there are no ${flags.interval} bars of ${day}`, {
        hint: 'Choose a day on which the market was open and these symbols were traded.',
      })
    }
    const several = compared.length > 1
    const write =
      screen.tty && !flags.json
        ? (it: BarDifference, source: string) => row(it, several ? source : undefined)
        : (it: BarDifference, source: string) => `${record(it, source)}\n`
    for (const { source, recorded, differences } of compared) {
      if (!recorded && several) continue
      for (const difference of differences) await output.put(write(difference, source))
    }
    await output.flush()
    if (found.banner) say(found.banner)
    for (const { source, recorded, ...comparison } of compared) {
      const whose = several ? `${source}: ` : ''
      if (!recorded && several) say(`${whose}${notRecorded(flags, day)}, so nothing is compared`)
      else say(whose + verdict(comparison, day, flags.interval))
    }
    for (const line of [...found.remarks, ...leftOut(found.stats)]) say(line)
    const differ = compared.some(it => (it.recorded || !several) && it.differences.length > 0)
    return differ && flags.strict ? 6 : 0
  } finally {
    run.done()
  }
}

async function fromHistory(
  words: readonly string[],
  flags: BarsFlags,
  day: string,
  around: Surroundings,
  signal: AbortSignal,
): Promise<Found> {
  const config = resolveConfig(around, flags)
  const chosen = chooseProvider(config, {})
  checkFlags(chosen, flags)
  const { provider } = chosen
  if (!provider.history) {
    throw new TickwireError('UNSUPPORTED', `${provider.capabilities.title} has no history`, {
      hint: 'Compare what was recorded: add --tape FOLDER.',
    })
  }
  // A delayed source is taken to be 15 minutes behind, as everywhere.
  const isDelayed = provider.capabilities.nature === 'delayed'
  const youngest = Date.now() - YOUNG_MS - (isDelayed ? DELAY_MS : 0)
  const size = parseSize(flags.interval, 'clock')
  const sides: Sides = { source: provider.id, ours: [], theirs: [] }
  const stats: BarStats[] = []
  const remarks = new Set<string>()
  const progress = new Progress({ label: 'reading', unit: 'events' })
  const symbols = new Set(symbolsOf(words, config).map(text => provider.symbol(text)))
  try {
    for (const symbol of symbols) {
      const span = spanOf(symbol, provider.id, day)
      const until = Math.min(span.to, youngest)
      const isWhole = until === span.to
      if (!isWhole) {
        if (until <= span.from || (size.by === 'time' && size.day)) throw notOver(day)
        remarks.add(`the day still runs; compared until ${timeOf(until).slice(0, 19)}Z`)
      }
      // Of a day that still runs neither side knows the last bar.
      const isOver = ({ timestamp }: Bar) =>
        isWhole || size.by !== 'time' || timestamp + size.ms <= until
      const all: Sides = { source: provider.id, ours: [], theirs: [] }
      const builder = new BarBuilder(
        { interval: flags.interval, time: 'venue' },
        { final: bar => isOver(bar) && all.ours.push(bar) },
      )
      const read = async (kind: EventType, take: (batch: readonly MarketEvent[]) => void) => {
        progress.detail = `${kind}s of ${symbol}`
        const { from } = span
        const asked = { kind, symbols: [symbol], from, to: until - 1, interval: flags.interval }
        for await (const batch of provider.history!({ ...asked, signal })) {
          take(batch)
          progress.add(batch.length)
        }
      }
      // First: a vendor that has none of the length says so before a day of trades is read.
      await read('bar', batch => {
        for (const event of batch) {
          if (event.type === 'bar' && isOver(event)) all.theirs.push(event)
        }
      })
      await read('trade', batch => builder.append(batch))
      builder.advance(isWhole ? until + ONE_DAY.ms : until)
      builder.end()
      stats.push(builder.stats())
      const isNone = all.ours.length + all.theirs.length === 0
      if (isNone) remarks.add(`${symbol}: no ${flags.interval} bars on either side`)
      sides.ours.push(...all.ours)
      sides.theirs.push(...all.theirs)
    }
  } finally {
    progress.end()
  }
  return { sides: [sides], banner: bannerOf(provider.capabilities), stats, remarks: [...remarks] }
}

async function fromRecording(
  words: readonly string[],
  flags: BarsFlags,
  day: string,
  around: Surroundings,
  signal: AbortSignal,
): Promise<Found> {
  const config = loadConfig(around, { file: flags.config })
  const tape = await followFileTape({ folder: tapeFolder(config, flags.tape, around) })
  const wanted = parseSymbols(words)?.map(symbol => symbol.toUpperCase())
  const sources = new Map<string, Sides>()
  const sidesOf = (source: string) => {
    let sides = sources.get(source)
    if (!sides) sources.set(source, (sides = { source, ours: [], theirs: [] }))
    return sides
  }
  // Without one where the market was closed: a tape may have others, that were open.
  const spans = new Map<string, Span | TickwireError>()
  const isOfDay = ({ symbol, source, timestamp }: Bar) => {
    const key = `${source} ${symbol}`
    let span = spans.get(key)
    if (!span) spans.set(key, (span = spanOrClosed(symbol, source, day)))
    return 'from' in span && timestamp >= span.from && timestamp < span.to
  }
  const traded = new Map<string, Trade>()
  const builder = new BarBuilder(
    { interval: flags.interval },
    { final: bar => isOfDay(bar) && sidesOf(bar.source).ours.push(bar) },
  )
  for await (const batch of tape.read({ from: 'start', live: false, signal })) {
    for (const event of batch) {
      const isWanted = !wanted || event.symbol === undefined || wanted.includes(event.symbol)
      // Whatever came, and of whom: it says how late it was.
      if (!isWanted || event.type === 'bar') builder.advance(event.receivedAt)
      else builder.accept(event)
      if (!isWanted) continue
      if (event.type === 'trade') traded.set(`${event.source} ${event.symbol}`, event)
      else if (event.type === 'bar' && event.interval === flags.interval) {
        if (event.final && isOfDay(event)) sidesOf(event.source).theirs.push(event)
      }
    }
  }
  // Who recorded the session has the day, though the tape says nothing of the hours behind it.
  const last = [...traded.values()].filter(it => 'from' in spanOrClosed(it.symbol, it.source, day))
  if (flags.interval === '1d' && last.every(trade => isOver(trade, day, builder.now))) {
    const ends = last.map(({ symbol, source }) => spanOf(symbol, source, day).to)
    builder.advance(Math.max(builder.now, ...ends) + BAR_DEFAULTS.graceMs)
  }
  builder.end()
  await tape.close()
  const sides = [...sources.values()]
  const [closed] = spans.values()
  if (closed && [...spans.values()].every(span => !('from' in span))) throw closed
  if (sides.length > 0 && sides.every(({ theirs }) => theirs.length === 0)) {
    throw new TickwireError('UNSUPPORTED', notRecorded(flags, day), {
      hint: 'Record them too, with --kinds trades,bars,corrections,cancels.',
    })
  }
  return { sides, banner: 'REPLAY · prices of the past', stats: [builder.stats()], remarks: [] }
}

const notOver = (day: string) =>
  new TickwireError('BAD_OPTION', `${day} is not over`, {
    hint: 'Choose an earlier day; of one that runs, bars shorter than a day can be compared.',
  })

const notRecorded = ({ interval }: BarsFlags, day: string) =>
  `no ${interval} bars were recorded on ${day}`

/** A recording that reaches into the last minute of a session has all of it. */
const LAST_MS = 60_000
/** What is younger may not be in a vendor's history yet, or be put right there still, ms. */
const YOUNG_MS = 60_000
const DELAY_MS = 15 * 60_000

interface Span {
  readonly from: number
  readonly to: number
}

/** Whether a recording that goes on until a time has all of a symbol's session. */
function isOver({ symbol, source }: Trade, day: string, until: number): boolean {
  const sessions = calendarOf(symbol, source)?.day(day).sessions
  const close = sessions?.find(({ name }) => name === 'regular')?.to
  return until >= (close ?? spanOf(symbol, source, day).to) - LAST_MS
}

/** @throws BAD_OPTION also where the market was closed */
function spanOf(symbol: string, source: string, day: string): Span {
  const span = spanOrClosed(symbol, source, day)
  if ('from' in span) return span
  throw span
}

/**
 * A trading day of a symbol, first session to last; a UTC day where its market is not known; what to say where that was
 * closed. @throws BAD_OPTION where it is no day
 */
function spanOrClosed(symbol: string, source: string, day: string): Span | TickwireError {
  const calendar = calendarOf(symbol, source)
  const sessions = calendar?.day(day).sessions
  const [first, last] = [sessions?.[0], sessions?.at(-1)]
  if (first && last) {
    // Daily bars bear the midnight there, which may be before the first session or within it.
    const { stamp } = new Grid(ONE_DAY, 'clock', calendar).at(first.from)
    return { from: Math.min(first.from, stamp), to: last.to }
  }
  if (calendar) {
    return new TickwireError('BAD_OPTION', `the ${calendar.market} was closed on ${day}`, {
      hint: '`tickwire calendar` shows when it is open.',
    })
  }
  const from = Date.parse(`${day}T00:00:00Z`)
  if (Number.isNaN(from)) {
    throw new TickwireError('BAD_OPTION', `not a day: ${JSON.stringify(day)}`, {
      hint: 'Write it as 2025-06-02.',
    })
  }
  return { from, to: from + ONE_DAY.ms }
}

const timeOf = (timestamp: number) => toISO({ timestamp, nanos: 0 })

function record(difference: BarDifference, source: string): string {
  const { symbol, interval, timestamp, field, ours, theirs } = difference
  const place = { source, symbol, interval, timestamp: timeOf(timestamp) }
  return JSON.stringify({ ...place, field, ours, theirs })
}

function row(difference: BarDifference, source: string | undefined): string {
  const { symbol, timestamp, field, ours, theirs } = difference
  const show = field === 'volume' || field === 'tradeCount' ? amount : price
  const cells = [
    ...(source === undefined ? [] : [source.padEnd(10)]),
    ...[timeOf(timestamp).slice(0, 19), symbol.padEnd(10), field.padEnd(10)],
    ...[`ours ${show(ours).padStart(12)}`, `theirs ${show(theirs).padStart(12)}`],
  ]
  return `${cells.join('  ')}\n`
}

function verdict(
  { bars: count, equal, differences }: BarComparison,
  day: string,
  interval: string,
) {
  const fields = new Map<string, number>()
  for (const { field } of differences) fields.set(field, (fields.get(field) ?? 0) + 1)
  const where = [...fields].map(([field, times]) => `${field} ${times}`).join(', ')
  const rest = where === '' ? '' : `; differences: ${where}`
  return `${day}: ${amount(equal)} of ${amount(count)} ${interval} bars are equal${rest}`
}
