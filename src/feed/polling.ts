import { sleep } from '../base/clock.ts'
import { asError, type ErrorCode, TickwireError } from '../base/errors.ts'
import { type EventType, type MarketEvent, markPolled } from '../market/events.ts'
import { ANY, formatTopic, type Topic } from '../market/topics.ts'
import { exactIdentityOf } from './identity.ts'
import type { Connection, Link, Provider } from './provider.ts'

/** Kinds a venue can have a latest event of. */
const KINDS: readonly EventType[] = ['trade', 'quote', 'ticker', 'bar', 'book']

/** Refusals of what was asked, not of who asks: other questions may go well. */
const OF_QUESTION: readonly ErrorCode[] = ['NOT_ENTITLED', 'UNSUPPORTED', 'NO_SYMBOLS']
/** One symbol may be to blame for all. */
const OF_SYMBOL: readonly ErrorCode[] = ['UNKNOWN_SYMBOL', 'BAD_SYMBOL', 'AMBIGUOUS_SYMBOL']

/** Whether there can be a latest event of it. */
export const canBePolled = ({ kind, symbol }: Pick<Topic, 'kind' | 'symbol'>) =>
  KINDS.includes(kind) && symbol !== ANY

export interface PollingOptions {
  readonly latest: NonNullable<Provider['latest']>
  readonly link: Link
  readonly everyMs: number
  /** Hears of topics that have been answered for the first time. */
  readonly begun?: (topics: readonly Topic[]) => void
  /** Why these will not be answered, where more is to be said than the venue's own words. */
  readonly explain?: (refusal: TickwireError, topics: readonly Topic[]) => TickwireError
  /** Something will not be answered, and has been told to the link. */
  readonly refused?: () => void
}

/** A connection that asks for the latest of its topics again and again, from the first subscription on. */
export class Polling implements Connection {
  readonly ended: Promise<TickwireError | undefined>
  readonly #options: PollingOptions
  readonly #topics = new Map<string, Topic>()
  /** Those that have been answered. */
  readonly #answered = new Set<string>()
  /** What was said last of each topic. */
  readonly #said = new Map<string, string>()
  readonly #abort = new AbortController()
  #wake = () => {}

  constructor(options: PollingOptions, topics: readonly Topic[]) {
    this.#options = options
    this.subscribe(topics)
    const { signal } = options.link
    const abort = () => this.#abort.abort()
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    this.ended = this.#run().finally(() => signal.removeEventListener('abort', abort))
  }

  get topics(): readonly Topic[] {
    return [...this.#topics.values()]
  }

  has(topic: Topic): boolean {
    return this.#topics.has(formatTopic(topic))
  }

  subscribe(topics: readonly Topic[]): void {
    for (const topic of topics) this.#topics.set(formatTopic(topic), topic)
    this.#wake()
  }

  unsubscribe(topics: readonly Topic[]): void {
    for (const topic of topics) {
      const key = formatTopic(topic)
      this.#topics.delete(key)
      this.#answered.delete(key)
      this.#said.delete(key)
    }
  }

  polls(): boolean {
    return true
  }

  async close(): Promise<void> {
    this.#abort.abort()
    await this.ended
  }

  async #run(): Promise<TickwireError | undefined> {
    const { signal } = this.#abort
    const { link, everyMs } = this.#options
    while (!signal.aborted) {
      try {
        const woken = new AbortController()
        // Subscriptions come one after the other, in one turn.
        await sleep(link.clock, 0, signal)
        const asked = new Set(this.#topics.keys())
        // Whoever subscribes while nothing is asked shall not wait for the next turn.
        this.#wake = () => {
          if ([...this.#topics.keys()].some(key => !asked.has(key))) woken.abort()
        }
        await this.#askAll([...this.#topics.values()])
        this.#wake()
        await sleep(link.clock, everyMs, AbortSignal.any([signal, woken.signal]))
      } catch (thrown) {
        if (signal.aborted) return undefined
        if (thrown instanceof TickwireError) return thrown
        const message = `the question failed: ${asError(thrown).message}`
        return new TickwireError('VENUE_ERROR', message, { cause: thrown })
      }
    }
    return undefined
  }

  /** One question for each kind, and each length of bars. */
  async #askAll(topics: readonly Topic[]): Promise<void> {
    const groups = new Map<string, Topic[]>()
    for (const topic of topics) {
      const key = `${topic.kind}@${topic.interval ?? ''}`
      groups.set(key, [...(groups.get(key) ?? []), topic])
    }
    for (const group of groups.values()) await this.#ask(group)
  }

  async #ask(group: readonly Topic[]): Promise<void> {
    const [{ kind, interval }] = group as [Topic]
    const { latest, link } = this.#options
    const refusals: { readonly symbols: readonly string[]; readonly reason: TickwireError }[] = []
    let events: readonly MarketEvent[]
    try {
      events = await latest({
        ...{ kind, symbols: group.map(({ symbol }) => symbol), source: link.source },
        ...(interval !== undefined && { interval }),
        signal: this.#abort.signal,
        refused: (symbols, reason) => refusals.push({ symbols, reason }),
        malformed: (record, reason) =>
          link.malformed(Buffer.from(JSON.stringify(record) ?? ''), reason),
      })
    } catch (thrown) {
      if (this.#abort.signal.aborted || !(thrown instanceof TickwireError)) throw thrown
      if (OF_SYMBOL.includes(thrown.code) && group.length > 1) {
        // One unknown symbol takes no other with it.
        const half = group.length >> 1
        await this.#ask(group.slice(0, half))
        await this.#ask(group.slice(half))
        return
      }
      if (![...OF_QUESTION, ...OF_SYMBOL].includes(thrown.code)) throw thrown
      this.#refuse(group, thrown)
      return
    }
    const unanswered = new Set(refusals.flatMap(({ symbols }) => symbols))
    for (const { symbols, reason } of refusals) {
      const topics = group.filter(({ symbol }) => symbols.includes(symbol))
      if (reason.fatal) this.#refuse(topics, reason)
      // What may pass is asked again, with all others.
      else link.log.warn({ code: reason.code, symbols }, reason.message)
    }
    this.#hasAnswered(group.filter(it => this.has(it) && !unanswered.has(it.symbol)))
    const news = events.filter(event => this.#isNews(event, group))
    for (const event of news) markPolled(event)
    if (news.length > 0) link.emit(news, link.clock.now())
  }

  #refuse(group: readonly Topic[], reason: TickwireError): void {
    const { link, explain } = this.#options
    const refused = group.filter(topic => this.has(topic))
    this.unsubscribe(refused)
    if (refused.length === 0) return
    link.rejected(refused, explain?.(reason, refused) ?? reason)
    this.#options.refused?.()
  }

  #hasAnswered(topics: readonly Topic[]): void {
    const fresh = topics.filter(topic => !this.#answered.has(formatTopic(topic)))
    for (const topic of fresh) this.#answered.add(formatTopic(topic))
    if (fresh.length > 0) this.#options.begun?.(fresh)
    this.#options.link.acknowledged(topics)
  }

  #isNews(event: MarketEvent, group: readonly Topic[]): boolean {
    const topic = group.find(({ symbol }) => symbol === event.symbol)
    if (!topic) return false
    const key = formatTopic(topic)
    // A bar that still runs is told again as it grows, and once it is over.
    const said = `${exactIdentityOf(timeless(event))}${event.type === 'bar' && event.final ? ' final' : ''}`
    if (!this.#topics.has(key) || this.#said.get(key) === said) return false
    this.#said.set(key, said)
    return true
  }
}

/** A quote, ticker or book that a venue tells without a time bears that of its receipt, which is another one each time. */
function timeless(event: MarketEvent): MarketEvent {
  const { type, timestamp, receivedAt } = event
  const isReceipt = timestamp === Math.floor(receivedAt) && type !== 'bar' && type !== 'trade'
  return isReceipt ? { ...event, timestamp: 0, nanos: 0 } : event
}
