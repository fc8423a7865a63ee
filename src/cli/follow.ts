import { ERRORS, type ErrorCode, TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { CHANNELS } from '../feed/channels.ts'
import type { Feed, SubscribeRequest } from '../feed/feed.ts'
import type { SubscribeOutcome } from '../feed/subscriptions.ts'
import { calendarOf } from '../market/calendar-book.ts'
import { describeClosed } from '../market/calendar-words.ts'
import { ANY, type Topic } from '../market/topics.ts'
import { HoleWords } from './hole-words.ts'
import { Losses } from './losses.ts'
import { inSettings } from './providers.ts'
import type { Run } from './run.ts'

/** How long the first connection may take before a command gives up, ms. */
export const CONNECT_MS = 30_000
/** Silence after the acknowledgement that is worth a word, ms. */
const SILENCE_MS = 5_000

export interface FollowOptions {
  readonly request: SubscribeRequest
  /** What stands for the source: `iex`. */
  readonly label: string
  readonly durationMs: number | undefined
  /** Where everything that is not data is said. */
  readonly say: (line: string) => void
  readonly log: Log
  /** Events shown so far. */
  readonly shown: () => number
  /** The first connection stands: what was asked for makes sense. No data has come yet. */
  readonly connected?: () => void
  /** Where `dropped` is counted and said. @default said with `say` */
  readonly losses?: Losses
}

/**
 * Subscribes, and says on the way what a person wants to know: what was acknowledged and what refused, why it is
 * silent, that the connection was lost. Ends the run when the feed ends, or could not be reached in time.
 */
export function follow(
  feed: Feed,
  run: Pick<Run, 'signal' | 'endAfter' | 'done' | 'fail'>,
  options: FollowOptions,
): void {
  const { request, label, say, log, durationMs } = options
  let lost: { code: ErrorCode; message: string } | undefined
  let connects = 0
  const losses = options.losses ?? new Losses(say)

  const holes = new HoleWords(say)
  let stale: string | undefined
  let isAnswered = false

  const unreached = () => {
    const { code, hint } = feed.stats().lost ?? {}
    // Who knows what is wrong knows better what to do.
    const own = code === lost?.code ? hint : undefined
    return new TickwireError(
      lost?.code ?? 'UNREACHABLE',
      lost?.message ?? 'no connection was made',
      {
        hint: own ?? 'Check the network, the address and any proxy; --debug shows every attempt.',
      },
    )
  }
  const off = feed.on('notice', notice => {
    const { notice: name, code, symbol } = notice
    log.debug({ notice: name, code, symbol }, notice.message)
    if (notice.notice === 'connected') {
      connects++
      if (connects > 1) say('connected again')
      else options.connected?.()
    } else if (notice.notice === 'disconnected') {
      const message = notice.message.replace(/; next attempt .*$/, '')
      lost = { code: (notice.code ?? 'UNREACHABLE') as ErrorCode, message }
      // A fatal end is told once, with its hint, as the command ends.
      if (ERRORS[lost.code].verdict === 'fatal') return
      // Where it is made anew because it was stale, that has been said.
      const again = stale !== undefined && notice.message.startsWith(stale)
      say(again ? `it is made anew${notice.message.slice(stale!.length)}` : notice.message)
      stale = undefined
    } else if (name === 'stale') {
      stale = notice.message
      say(`stale: ${stale}`)
    } else if (name === 'live' && stale !== undefined) {
      stale = undefined
      say(notice.message)
    } else if (name === 'rejected' && symbol === undefined) say(notice.message)
    // What is refused at first, the outcome says.
    else if (name === 'rejected' && isAnswered) say(`rejected: ${notice.message}`)
    else if (notice.notice === 'lagging') say(notice.message)
    else if (notice.notice === 'dropped') losses.add(notice.count ?? 0)
    else holes.hear(notice)
  })

  const deadline = setTimeout(() => {
    if (connects === 0) run.fail(unreached())
  }, CONNECT_MS)
  let silence: NodeJS.Timeout | undefined
  run.signal.addEventListener('abort', () => {
    clearTimeout(deadline)
    clearTimeout(silence)
    off()
    holes.flush()
  })
  if (durationMs !== undefined) {
    run.endAfter(durationMs, () => (connects === 0 ? run.fail(unreached()) : run.done()))
  }
  feed.done.then(
    () => run.done(),
    error => run.fail(error),
  )

  feed.subscribe(request).then(
    outcome => {
      isAnswered = true
      // What was asked for may all be here in the very read that confirms it: that is told all the same.
      if (run.signal.aborted && outcome.accepted.length === 0) return
      for (const line of describeOutcome(outcome, label)) say(line)
      if (run.signal.aborted) return
      const [first] = outcome.rejected
      if (first && outcome.accepted.length === 0 && outcome.pending.length === 0) {
        run.fail(first.reason)
        return
      }
      silence = setTimeout(() => {
        if (options.shown() === 0) say(`nothing for 5 s: ${whySilent(feed, outcome.accepted)}`)
      }, SILENCE_MS)
    },
    error => run.fail(inSettings(error)),
  )
}

/** A closed market explains silence; otherwise what the provider has to say. */
function whySilent({ source, capabilities }: Feed, accepted: readonly Topic[]): string {
  const [first] = accepted
  const now = Date.now()
  const real = capabilities.nature === 'live' || capabilities.nature === 'delayed'
  const known = real && first && first.symbol !== ANY
  const calendar = known ? calendarOf(first.symbol, source) : undefined
  return (calendar && describeClosed(calendar, now)) ?? capabilities.silenceHint
}

const CHANNEL_OF = new Map<string, string>(
  Object.entries(CHANNELS).map(([channel, kind]) => [kind, channel]),
)

/** `subscribed: SPY, TSLA (trades, iex); waiting`, then a line for each refusal. */
export function describeOutcome(outcome: SubscribeOutcome, label: string): string[] {
  const lines = grouped(outcome.accepted).map(
    ([kinds, symbols]) => `${symbols} (${kinds}, ${label})`,
  )
  const accepted = lines.length > 0 ? [`subscribed: ${lines.join('; ')}; waiting`] : []
  const pending = grouped(outcome.pending).map(
    ([kinds, symbols]) => `no answer yet for ${symbols} (${kinds}, ${label})`,
  )
  const byReason = new Map<TickwireError, Topic[]>()
  for (const { topic, reason } of outcome.rejected) {
    byReason.set(reason, [...(byReason.get(reason) ?? []), topic])
  }
  const rejected = [...byReason].flatMap(([reason, topics]) =>
    grouped(topics).map(
      ([kinds, symbols]) => `rejected: ${symbols} (${kinds}, ${label}): ${reason.message}`,
    ),
  )
  return [...accepted, ...rejected, ...pending]
}

/** Symbols that were asked for with the same kinds, together: `[['trades, quotes', 'SPY, TSLA']]`. */
function grouped(topics: readonly Topic[]): [kinds: string, symbols: string][] {
  const kindsOf = new Map<string, string[]>()
  for (const { symbol, kind } of topics) {
    kindsOf.set(symbol, [...(kindsOf.get(symbol) ?? []), CHANNEL_OF.get(kind) ?? kind])
  }
  const groups = new Map<string, string[]>()
  for (const [symbol, kinds] of kindsOf) {
    const key = kinds.join(', ')
    groups.set(key, [...(groups.get(key) ?? []), symbol])
  }
  return [...groups].map(([kinds, symbols]) => [kinds, symbols.join(', ')])
}
