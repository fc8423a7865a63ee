import { TickwireError } from '../../base/errors.ts'
import { type BarSize, intervalOf } from '../../derive/bars-interval.ts'
import { type Feed, type ListenOptions, openFeed, type Subscription } from '../../feed/feed.ts'
import type { Interval, MarketEvent } from '../../market/events.ts'
import { ANY } from '../../market/topics.ts'
import { replay as replayTape } from '../../providers/replay/provider.ts'
import { followFileTape } from '../../tape/file/follow.ts'
import { loadConfig, type Surroundings } from '../config.ts'
import { createLog, say, screenOf } from '../console.ts'
import { parseSymbols } from '../flags.ts'
import { CONNECT_MS, follow } from '../follow.ts'
import { chooseProvider } from '../providers.ts'
import { tapeFolder } from '../recording.ts'
import { Run } from '../run.ts'
import { summary } from '../summary.ts'
import { type BarsFlags, leftOut, symbolsOf } from './bars-kit.ts'
import { reconcile } from './bars-reconcile.ts'
import { bannerOf, checkFlags, conclude, lineWriter, outputOf, resolveConfig } from './stream.ts'

/** `1m`, `500t`, as `--interval` takes it. @throws BAD_OPTION */
export function parseInterval(text: string): Interval {
  try {
    return intervalOf(text as BarSize)
  } catch (error) {
    if (!(error instanceof TickwireError)) throw error
    const hint =
      'Give a time from 1s to 1d, or what a bar is to hold: 500t trades, 10000v units, 1000000$ of money.'
    throw new TickwireError(error.code, error.message, { hint, cause: error })
  }
}

/** @throws BAD_OPTION */
export function parseFrom(text: string): BarsFlags['from'] {
  if (text === 'trades' || text === 'venue') return text
  throw new TickwireError('BAD_OPTION', `--from cannot be ${JSON.stringify(text)}`, {
    hint: 'Choose trades, to build bars here, or venue, for those it sends.',
  })
}

/** `tickwire bars`. Resolves with the exit code. */
export async function bars(
  words: readonly string[],
  flags: BarsFlags,
  around: Surroundings,
): Promise<number> {
  if (flags.strict && flags.reconcile === undefined) {
    throw new TickwireError('BAD_OPTION', '--strict means nothing without --reconcile', {
      hint: 'Add --reconcile 2025-06-02, or leave it out.',
    })
  }
  if (flags.forming && flags.from === 'venue') {
    throw new TickwireError('BAD_OPTION', '--forming means nothing to bars of the venue', {
      hint: 'Leave it out, or build the bars here with --from trades.',
    })
  }
  const stray = flags.reconcile === undefined ? undefined : strayOf(flags)
  if (stray !== undefined) {
    throw new TickwireError('BAD_OPTION', `${stray} means nothing to --reconcile`, {
      hint: 'Leave it out: the bars of a whole day are built from trades, and every difference is listed.',
    })
  }
  if (flags.reconcile !== undefined) return reconcile(words, flags, flags.reconcile, around)
  return flags.tape === undefined ? live(words, flags, around) : fromTape(words, flags, around)
}

/** What is said of bars as they come, where a day is compared. */
function strayOf({ from, forming, limit, duration }: BarsFlags): string | undefined {
  if (from === 'venue') return '--from venue'
  if (forming) return '--forming'
  if (limit !== undefined) return '--limit'
  return duration === undefined ? undefined : '--duration'
}

const listenOptions = ({ interval, from, forming }: BarsFlags): ListenOptions =>
  from === 'venue' ? { interval } : { interval, from, ...(forming && { forming }) }

async function live(
  words: readonly string[],
  flags: BarsFlags,
  around: Surroundings,
): Promise<number> {
  const config = resolveConfig(around, flags)
  const chosen = chooseProvider(config, {})
  checkFlags(chosen, flags)
  const symbols = symbolsOf(words, config)
  const { provider, label } = chosen
  const feed = openFeed(provider, {
    log: createLog(config, around.env),
    ackTimeoutMs: CONNECT_MS,
  })
  const print = new Printer(feed, symbols, flags, around)
  await print.listen()
  const { run } = print
  follow(feed, run, {
    // What the bars are made of is subscribed by them; this only asks what has become of it.
    request:
      flags.from === 'venue' ? { bars: symbols, interval: flags.interval } : { trades: symbols },
    ...{ label, durationMs: flags.duration, say, log: createLog(config, around.env) },
    shown: () => print.count,
    connected: () => print.banner(),
  })
  return print.finish()
}

async function fromTape(
  words: readonly string[],
  flags: BarsFlags,
  around: Surroundings,
): Promise<number> {
  const config = loadConfig(around, { file: flags.config })
  const tape = await followFileTape({ folder: tapeFolder(config, flags.tape, around) })
  const symbols = parseSymbols(words) ?? [ANY]
  const provider = replayTape({ tape, speed: Number.POSITIVE_INFINITY })
  const feed = openFeed(provider, { log: createLog(config, around.env), leases: false })
  const print = new Printer(feed, symbols, flags, around)
  print.banner()
  await print.listen()
  const { run } = print
  feed.done.then(
    () => run.done(),
    error => run.fail(error),
  )
  const exit = await print.finish()
  await tape.close()
  return exit
}

/** Bars to standard output, until the run ends. */
class Printer {
  readonly run = new Run()
  count = 0
  readonly #output = outputOf(this.run)
  readonly #feed: Feed
  readonly #symbols: readonly string[]
  readonly #flags: BarsFlags
  readonly #line: (event: MarketEvent) => string
  readonly #banner: string | undefined
  readonly #shown: boolean
  readonly #startedAt = performance.now()
  #subscription: Subscription | undefined

  constructor(feed: Feed, symbols: readonly string[], flags: BarsFlags, around: Surroundings) {
    const screen = screenOf(around)
    this.#feed = feed
    this.#symbols = symbols
    this.#flags = flags
    this.#banner = bannerOf(feed.capabilities)
    this.#shown = screen.tty && !flags.json
    this.#line = lineWriter(screen, flags.json ?? false, this.#banner, { bars: symbols })
    // One that cannot be written is not left out in silence.
    feed.on('error', error => this.run.fail(error))
  }

  /** In words wherever it does not stand in the heading. */
  banner(): void {
    if (this.#banner && !this.#shown) say(this.#banner)
  }

  async listen(): Promise<void> {
    const options = { ...listenOptions(this.#flags), name: 'standard output' }
    try {
      this.#subscription = this.#feed.bars(this.#symbols, this.#put, options)
    } catch (error) {
      await this.#feed.close()
      throw inFlags(error)
    }
  }

  readonly #put = (bar: MarketEvent): unknown => {
    if (this.run.signal.aborted) return undefined
    const line = this.#line(bar)
    if (++this.count >= (this.#flags.limit ?? Number.POSITIVE_INFINITY)) this.run.done()
    return this.#output.put(line)
  }

  async finish(): Promise<number> {
    const ending = await this.run.ended
    const stats = this.#feed.stats()
    const made = this.#subscription?.made
    const elapsedMs = performance.now() - this.#startedAt
    await this.#feed.close()
    await this.#output.flush()
    if (this.count === 0 && ending.type === 'done') say(this.#whyNone(made?.trades))
    if (made) for (const line of leftOut([made])) say(line)
    const dropped = this.#subscription?.counters.dropped ?? 0
    const summarize = () => summary('events', this.count, elapsedMs, stats, dropped)
    return conclude(ending, this.#flags.debug ?? false, summarize, this.#output)
  }

  #whyNone(trades: number | undefined): string {
    const isTape = this.#flags.tape !== undefined
    const of = this.#symbols.includes(ANY) ? '' : ` of ${this.#symbols.join(', ')}`
    const what = trades === undefined ? `${this.#flags.interval} bars` : 'trades'
    if (trades)
      return 'no bar was over by then; those whose time still runs are shown with --forming'
    return isTape ? `there are no ${what}${of} on this tape` : `no ${what}${of} came by then`
  }
}

/** The library's way out is an option of the program; here it is a flag. */
function inFlags(error: unknown): unknown {
  if (!(error instanceof TickwireError) || !error.hint) return error
  const hint = error.hint.replace("from: 'trades'", '--from trades')
  return new TickwireError(error.code, error.message, { hint, cause: error.cause })
}
