import { ERRORS, type ErrorCode, TickwireError } from '../../base/errors.ts'
import type { OrderBookView } from '../../derive/order-book.ts'
import { openFeed } from '../../feed/feed.ts'
import type { Capabilities } from '../../feed/provider.ts'
import type { Surroundings } from '../config.ts'
import { createLog, say, screenOf } from '../console.ts'
import { parseSymbols } from '../flags.ts'
import { CONNECT_MS, follow } from '../follow.ts'
import { renderLadder } from '../ladder.ts'
import { Painter } from '../painter.ts'
import { chooseProvider, inSettings } from '../providers.ts'
import { amount } from '../rows.ts'
import { Run } from '../run.ts'
import {
  bannerOf,
  checkFlags,
  conclude,
  outputOf,
  resolveConfig,
  type StreamFlags,
} from './stream.ts'

/** Time between two pictures, ms. */
const PAINT_MS = 100
/** How long a word of the engine stands at the foot, ms. */
const WORD_MS = 8_000
/** How long `--once` waits for a whole book unless told otherwise, ms. */
const ONCE_MS = 30_000

export interface BookFlags extends StreamFlags {
  /** Levels of a side. */
  readonly depth?: number
  readonly once?: boolean
}

/** `tickwire book`: an order book as it lives, or a line for each change at its top. Resolves with the exit code. */
export async function book(word: string, flags: BookFlags, around: Surroundings): Promise<number> {
  const screen = screenOf(around)
  const config = resolveConfig(around, flags)
  const chosen = chooseProvider(config, {})
  checkFlags(chosen, flags)
  const symbol = symbolOf(word)
  const { capabilities } = chosen.provider
  const run = new Run()
  const output = outputOf(run)
  const log = createLog(config, around.env)
  const feed = openFeed(chosen.provider, { log, ackTimeoutMs: CONNECT_MS })
  const banner = bannerOf(capabilities)
  const drawn = screen.tty && !flags.json
  const living = drawn && !flags.once
  const startedAt = performance.now()
  let foot = { text: living ? 'connecting …' : '', until: Number.POSITIVE_INFINITY }
  const tell = (line: string) => {
    if (living) foot = { text: line, until: performance.now() + WORD_MS }
    else say(line)
  }
  let count = 0
  const live = feedBook()
  const picture = (height: number) =>
    renderLadder(live.book, {
      ...{ colors: screen.colors, width: screen.width(), height, depth: flags.depth ?? 10 },
      ...{ now: Date.now(), banner, title: capabilities.title },
      foot: performance.now() >= foot.until ? '' : wordOf(foot.text, count > 0),
    })
  const painter = new Painter(text => process.stdout.write(text))
  const painting = living
    ? setInterval(() => painter.paint(picture(screen.height())), PAINT_MS)
    : undefined

  let last = ''
  let isFull = false
  /** A line when the top is another than that of the last line; a slow reader gets the present, not the past. */
  const write = (view: OrderBookView) => {
    if (isFull || run.signal.aborted) return
    const { unsynced } = view
    if (flags.once && unsynced) return
    const shown = flags.depth ?? 1
    const key = JSON.stringify(unsynced ?? [view.bids(shown), view.asks(shown)])
    if (key === last) return
    last = key
    count++
    const { timestamp, receivedAt } = view
    const { nature } = capabilities
    const line = {
      symbol: view.symbol,
      source: view.source,
      nature,
      timestamp,
      receivedAt,
      ...topOf(view, flags.depth),
    }
    const wait = output.put(`${JSON.stringify(line)}\n`)
    if (flags.once || count === flags.limit) run.done()
    if (!wait) return
    isFull = true
    void wait.then(() => {
      isFull = false
      write(live.book)
    })
  }
  live.on('change', view => {
    if (!drawn) write(view)
    else if (living) {
      // What was waited for is there.
      if (++count === 1) foot = { text: '', until: 0 }
    } else if (view.synced) {
      for (const line of picture(Number.POSITIVE_INFINITY)) void output.put(`${line}\n`)
      count++
      run.done()
    }
  })
  const durationMs = flags.duration ?? (flags.once ? ONCE_MS : undefined)
  let lost: TickwireError | undefined
  if (flags.once) {
    feed.on('notice', ({ notice, code, message }) => {
      if (notice === 'disconnected') lost = lostBy(code, message)
    })
    // Where no connection was made, that is why.
    run.endAfter(durationMs!, () => {
      const unmade = feed.stats().connects === 0 ? lost : undefined
      run.fail(unmade ?? unseen(symbol, capabilities))
    })
  }
  follow(feed, run, {
    request: { books: symbol },
    ...{ label: chosen.label, durationMs: flags.once ? undefined : durationMs },
    ...{ say: flags.once ? () => {} : tell, log, shown: () => count },
    connected: () => {
      if (banner && !drawn) say(banner)
    },
  })

  const ending = await run.ended
  clearInterval(painting)
  if (living && ending.type !== 'error') painter.paint(picture(screen.height()))
  painter.close()
  const { connects } = feed.stats()
  const elapsed = ((performance.now() - startedAt) / 1_000).toFixed(1)
  await feed.close()
  await output.flush()
  const summarize = () => {
    const what = drawn ? 'change' : 'line'
    const reconnects = Math.max(0, connects - 1)
    return `${amount(count)} ${what}${count === 1 ? '' : 's'} in ${elapsed} s, ${reconnects} reconnect${reconnects === 1 ? '' : 's'}`
  }
  return conclude(ending, flags.debug ?? false, summarize, output)

  function feedBook() {
    try {
      return feed.book(symbol)
    } catch (error) {
      throw inSettings(error)
    }
  }
}

/** What is said at the foot: once the book has come, nothing is waited for. */
export const wordOf = (text: string, hasCome: boolean) =>
  hasCome ? text.replace(/^connecting …$|; waiting$/, '') : text

/** @throws NO_SYMBOLS BAD_OPTION */
function symbolOf(word: string): string {
  const [symbol, ...more] = parseSymbols([word]) ?? []
  if (symbol !== undefined && more.length === 0) return symbol
  throw new TickwireError('BAD_OPTION', 'a book is of one symbol', {
    hint: 'As in `tickwire book BTC/USD`; `tickwire stream --kinds books` takes several.',
  })
}

/** What a line tells, but for when. */
function topOf(view: OrderBookView, depth: number | undefined): object {
  if (view.unsynced) {
    const { reason, message } = view.unsynced
    return { synced: false, reason, message }
  }
  const [bid, bidSize] = view.bestBid ?? []
  const [ask, askSize] = view.bestAsk ?? []
  const { spread, mid, microprice } = view
  const imbalance = view.imbalance(depth ?? 10)
  const levels = depth === undefined ? {} : { bids: view.bids(depth), asks: view.asks(depth) }
  return {
    ...{ synced: true, bid, bidSize, ask, askSize },
    ...{ spread: rounded(spread), mid: rounded(mid), microprice: rounded(microprice) },
    ...{ imbalance: rounded(imbalance), ...levels },
  }
}

/** Without what binary fractions leave at the end. */
const rounded = (value: number | undefined) =>
  value === undefined ? undefined : Math.round(value * 1e10) / 1e10

/** What a notice says of a connection that was not made. */
function lostBy(code: string | undefined, message: string): TickwireError {
  const known = code !== undefined && code in ERRORS ? (code as ErrorCode) : 'UNREACHABLE'
  return new TickwireError(known, message.replace(/; next attempt .*$/, ''), {
    hint: '`tickwire doctor` looks for the cause; --debug shows every attempt.',
  })
}

function unseen(symbol: string, { silenceHint }: Capabilities): TickwireError {
  const message = `no whole book of ${symbol} has come in time`
  return new TickwireError('VENUE_ERROR', message, { hint: silenceHint })
}
