import { type ErrorCode, TickwireError } from '../../base/errors.ts'
import { CHANNELS } from '../../feed/channels.ts'
import type { SubscribeRequest } from '../../feed/feed.ts'
import { calendarOf } from '../../market/calendar-book.ts'
import { describeClosed } from '../../market/calendar-words.ts'
import { ANY, formatTopic, type Topic } from '../../market/topics.ts'
import { requestOf } from '../commands/stream.ts'
import type { Config, Surroundings } from '../config.ts'
import { createLog } from '../console.ts'
import type { Chosen } from '../providers.ts'
import {
  type Finding,
  failed,
  ms,
  ok,
  type Setup,
  seconds,
  skipped,
  type Tools,
} from './finding.ts'
import { Trial } from './trial.ts'

/** Longest wait for an open stream, and for the answer to a subscription, ms. */
const OPEN_MS = 30_000
const ACK_MS = 10_000
/** While the market is closed nothing is to be expected: so long is waited all the same, ms. */
const CLOSED_MS = 3_000

/** Opens a stream, subscribes, and waits for the first event. */
export async function* streamed(
  { config, chosen }: Setup,
  words: readonly string[],
  wait: number,
  around: Surroundings,
  { clock, signal }: Tools,
): AsyncGenerator<Finding> {
  const { provider } = chosen
  const [topics, wrong] = topicsOf(words, config, chosen)
  const log = createLog(config, around.env)
  const trial = new Trial(provider, { topics, clock, log, signal })
  try {
    await trial.until(() => trial.openedAt !== undefined, OPEN_MS)
    if (signal.aborted) return
    if (trial.openedAt === undefined) {
      yield failed('stream', endOf(trial, 'HANDSHAKE_TIMEOUT', 'no connection in 30 s'))
      yield* skipped(['subscription', 'first tick'], 'needs the stream')
      return
    }
    yield ok('stream', openedIn(trial, provider.capabilities.auth))
    if (wrong) {
      yield failed('subscription', wrong)
      yield* skipped(['first tick'], 'needs a subscription')
      return
    }
    const askedAt = clock.now()
    const decided = () => topics.every(topic => isAccepted(trial, topic) || refusalOf(trial, topic))
    await trial.until(decided, ACK_MS)
    if (signal.aborted) return
    const subscription = subscribed(trial, topics, clock.now() - askedAt)
    yield subscription
    if (subscription.status === 'fail') yield* skipped(['first tick'], 'needs a subscription')
    else {
      const tick = await ticked(trial, chosen, topics, wait, { clock, signal })
      if (!signal.aborted) yield tick
    }
  } finally {
    await trial.close()
  }
}

/** What a stream of these settings would ask for; with the reason where that is not to be had. */
function topicsOf(
  words: readonly string[],
  config: Config,
  chosen: Chosen,
): [topics: Topic[], wrong?: unknown] {
  const { provider } = chosen
  const { kinds, title, wildcard } = provider.capabilities
  const source = provider.id
  try {
    const request: SubscribeRequest = requestOf(words, {}, config, chosen, {
      kinds: ['trades', 'quotes'],
      symbols: usualSymbols(chosen),
    })
    const topics = Object.entries(request).flatMap(([channel, symbols]) => {
      const kind = CHANNELS[channel as keyof typeof CHANNELS]
      if (!kinds.includes(kind)) {
        throw new TickwireError('UNSUPPORTED', `${title} has no ${channel}`, {
          hint: `It has: ${kinds.join(', ')}. Change the setting kinds.`,
        })
      }
      return [symbols].flat().map(text => ({
        ...{ source, kind, symbol: text === ANY ? ANY : provider.symbol(text) },
        interval: kind === 'bar' ? ('1m' as const) : undefined,
      }))
    })
    // Of options trades can be had for all contracts at once, and quotes cannot.
    const possible = topics.filter(({ kind, symbol }) => symbol !== ANY || wildcard.includes(kind))
    return [possible.length > 0 ? possible : topics]
  } catch (thrown) {
    return [[], thrown]
  }
}

/** Symbols that tick often, so far as the provider knows them. */
function usualSymbols({ provider }: Chosen): readonly string[] {
  const { symbols, example } = provider.capabilities
  if (symbols) return symbols.slice(0, 3)
  if (example !== undefined) return [example]
  const known = ['SPY', 'BTC/USD'].find(symbol => {
    try {
      return provider.symbol(symbol)
    } catch {
      // Another market: the next one.
      return false
    }
  })
  return [known ?? ANY]
}

const isAccepted = ({ accepted }: Trial, topic: Topic) => accepted.has(formatTopic(topic))
const refusalOf = ({ rejected }: Trial, topic: Topic) =>
  rejected.find(one => formatTopic(one.topic) === formatTopic(topic))

function endOf({ ended }: Trial, code: ErrorCode, otherwise: string): TickwireError {
  if (!ended) return new TickwireError(code, otherwise)
  return ended.reason ?? new TickwireError('CONNECTION_LOST', 'the source ended by itself')
}

function openedIn({ startedAt, authenticatingAt, openedAt }: Trial, auth: 'none' | 'key'): string {
  if (auth === 'none' || authenticatingAt === undefined)
    return `open in ${ms(openedAt! - startedAt)}`
  const [greeting, key] = [authenticatingAt - startedAt, openedAt! - authenticatingAt]
  return `greeted in ${ms(greeting)}, the key accepted in ${ms(key)}; a connection was free`
}

function subscribed(trial: Trial, topics: readonly Topic[], tookMs: number): Finding {
  const check = 'subscription'
  const accepted = topics.filter(topic => isAccepted(trial, topic))
  const refusal = topics.map(topic => refusalOf(trial, topic)).find(one => one !== undefined)
  const all = `${list(accepted)} acknowledged in ${ms(tookMs)}`
  if (accepted.length === topics.length) return ok(check, all)
  if (!refusal) {
    const silent = `no answer to the request for ${list(topics)}`
    return failed(check, endOf(trial, 'MUTE', silent))
  }
  const { reason, topic } = refusal
  if (accepted.length === 0) return failed(check, reason)
  const refused = topics.length - accepted.length
  const found = `${all}; ${refused} of ${topics.length} not, such as ${list([topic])}: ${reason.message}`
  return { check, status: 'warn', found, ...(reason.hint && { next: reason.hint }) }
}

/** `SPY, TSLA (trade, quote)`, cut after some. */
function list(topics: readonly Topic[]): string {
  const symbols = [...new Set(topics.map(({ symbol }) => symbol))]
  const kinds = [...new Set(topics.map(({ kind }) => kind))]
  const more = symbols.length > 5 ? ` and ${symbols.length - 5} more` : ''
  return `${symbols.slice(0, 5).join(', ')}${more} (${kinds.join(', ')})`
}

async function ticked(
  trial: Trial,
  { provider }: Chosen,
  topics: readonly Topic[],
  wait: number,
  { clock, signal }: Tools,
): Promise<Finding> {
  const check = 'first tick'
  const { nature, silenceHint } = provider.capabilities
  const real = nature === 'live' || nature === 'delayed'
  const [topic] = topics
  const startedAt = clock.now()
  const calendar =
    real && topic!.symbol !== ANY ? calendarOf(topic!.symbol, provider.id) : undefined
  const closed = calendar?.sessionAt(startedAt).name === 'closed'
  await trial.until(() => trial.first !== undefined, closed ? Math.min(wait, CLOSED_MS) : wait)
  const { first, malformed, ended } = trial
  const next = capital(silenceHint)
  if (malformed > 0) {
    const found = `${malformed} messages of the venue could not be read`
    const hint = 'Keep what it sends with `tickwire capture`, and show it to the authors.'
    return { check, status: 'warn', found, next: hint }
  }
  if (first) {
    const after = seconds(Math.max(0, first.receivedAt - startedAt))
    const age = nature === 'live' ? `, ${ms(first.receivedAt - first.timestamp)} old` : ''
    return ok(check, `a ${first.type} of ${first.symbol ?? 'the market'} after ${after}${age}`)
  }
  if (ended) return failed(check, endOf(trial, 'CONNECTION_LOST', ''))
  const waited = `nothing in ${seconds(clock.now() - startedAt)}`
  const why = calendar && describeClosed(calendar, startedAt)
  if (why !== undefined) return { check, status: 'warn', found: `${waited}: ${why}`, next }
  const missed = await newerThan(startedAt, provider, topic!, signal)
  if (missed === undefined) return { check, status: 'warn', found: waited, next }
  const found = `${waited}, but the venue has newer data when asked: a ${topic!.kind} of ${missed}`
  return failed(check, new TickwireError('MUTE', found))
}

/** When the venue, asked beside the stream, has something newer than this: its time of day. */
async function newerThan(
  time: number,
  provider: Chosen['provider'],
  { kind, symbol }: Topic,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (symbol === ANY) return undefined
  try {
    const [event] = (await provider.latest?.({ kind, symbols: [symbol], signal })) ?? []
    return event && event.timestamp > time ? new Date(event.timestamp).toISOString() : undefined
  } catch (thrown) {
    // What cannot be asked tells nothing of the stream.
    if (thrown instanceof TickwireError) return undefined
    throw thrown
  }
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
