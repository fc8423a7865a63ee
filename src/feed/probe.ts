import type { Clock } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import type { EventType, MarketEvent, Quote, Ticker } from '../market/events.ts'
import type { Topic } from '../market/topics.ts'
import type { Provider } from './provider.ts'

/** What the venue has newer may be on its way just then, ms. */
const ON_ITS_WAY_MS = 1_000
/** A question nobody answers is given up after this, ms. */
const UNANSWERED_MS = 30_000

/** How long the venue may take to say what it has last, ms. */
const LATEST_TIMEOUT_MS = 5_000

/** The venue's last event of a symbol; `undefined` when it has none. */
export type Latest = (kind: EventType, symbol: string) => Promise<MarketEvent | undefined>

/** Asks a provider beside its stream, where it can be asked. */
export function latestOf(provider: Provider, source: string, clock: Clock): Latest | undefined {
  if (!provider.latest) return undefined
  return async (kind, symbol) => {
    // One asked for is always of the moment, so it would be newer than any that has not changed since.
    if (kind === 'book') throw new TickwireError('UNSUPPORTED', 'a book has no time of its own')
    const abort = new AbortController()
    const timer = clock.setTimeout(() => abort.abort(), LATEST_TIMEOUT_MS, 'idle')
    try {
      const { signal } = abort
      const [event] = (await provider.latest?.({ kind, symbols: [symbol], source, signal })) ?? []
      return event
    } finally {
      timer.cancel()
    }
  }
}

/**
 * What a venue has answered when asked for the present state of something. Many give it with the time they were asked at,
 * or that of the last change of anything: while nothing changes, that time alone shows nothing.
 */
export class Answers {
  readonly #states = new Map<string, Quote | Ticker>()

  /** Whether an answer tells of something that has not come, as far as what it says shows that. */
  isNews(answer: MarketEvent, askedAt: number, last: Quote | Ticker | undefined): boolean {
    if (answer.type !== 'quote' && answer.type !== 'ticker') return true
    const isOfThen = answer.timestamp < Math.floor(askedAt)
    if (answer.type === 'ticker' && isOfThen) return true
    const key = `${answer.type} ${answer.symbol}`
    const before = last ?? this.#states.get(key)
    this.#states.set(key, answer)
    return before ? differs(answer, before) : isOfThen
  }
}

/** Whether the best prices differ, or the last one: as far as both say them. */
function differs(answer: Quote | Ticker, before: Quote | Ticker): boolean {
  if (answer.type === 'quote' && (answer.bid !== before.bid || answer.ask !== before.ask))
    return true
  const state = (it: Quote | Ticker) => {
    const sizes = [it.bid, it.bidSize, it.ask, it.askSize]
    return it.type === 'ticker' ? [it.last, it.lastTime, ...sizes] : sizes
  }
  const said = state(before)
  return state(answer).some((value, i) => {
    return value !== undefined && said[i] !== undefined && value !== said[i]
  })
}

export type Asked = Pick<Topic, 'kind' | 'symbol' | 'interval'>

/** What the venue has said, or why it has not. */
export interface Said {
  readonly at: number
  readonly event?: MarketEvent
  readonly error?: string
}

/** A question to a venue, beside its stream, for its latest of a topic. */
export class Question {
  readonly of: Asked
  /** Of one topic that is silent while others come; otherwise it stands for the whole connection. */
  readonly isOne: boolean
  readonly at: number
  /** When the last had come then. */
  readonly last: number
  #said: Said | undefined

  /** `answered` is called when an answer has come. */
  constructor(
    { kind, symbol, interval }: Asked,
    { isOne, last }: { readonly isOne: boolean; readonly last: number },
    clock: Clock,
    latest: Latest,
    answered: () => void,
  ) {
    this.of = { kind, symbol, interval }
    this.isOne = isOne
    this.last = last
    this.at = clock.now()
    const take = (said: Omit<Said, 'at'>) => {
      this.#said = { at: clock.now(), ...said }
      answered()
    }
    const asked = async () => latest(kind, symbol)
    asked().then(
      event => take(event ? { event } : {}),
      error => take({ error: asError(error).message }),
    )
  }

  /** From when on what has been said can be judged by; `undefined` while nothing has. */
  get due(): number | undefined {
    return this.#said && this.#said.at + ON_ITS_WAY_MS
  }

  /** What has been said, once that is old enough for what it speaks of to have come too. */
  answer(now: number): Said | undefined {
    const late = now - this.at >= UNANSWERED_MS
    const said = this.#said ?? (late ? { at: this.at, error: 'there was no answer' } : undefined)
    return said && now - said.at >= ON_ITS_WAY_MS ? said : undefined
  }
}
