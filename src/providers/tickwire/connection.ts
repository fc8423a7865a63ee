import { TickwireError } from '../../base/errors.ts'
import type { Connection, Link } from '../../feed/provider.ts'
import type { EventType, Interval, MarketEvent, Notice } from '../../market/events.ts'
import { formatTopic, parseTopic, type Topic } from '../../market/topics.ts'
import type { GatewayClient } from './client.ts'
import type { Answered, StreamRequest } from './messages.ts'
import { adopt } from './plain.ts'
import type { ClientSubscription } from './subscription.ts'

/** A subscription at the gateway, and what of it is wanted still. */
interface Part {
  subscription: ClientSubscription | undefined
  readonly topics: Map<string, Topic>
}

/** A gateway as one connection of a feed: it stands while its client tries again. */
export class GatewayConnection implements Connection {
  readonly ended: Promise<TickwireError | undefined>
  readonly #client: GatewayClient
  readonly #link: Link
  readonly #source: string | undefined
  readonly #parts = new Map<string, Part>()
  readonly #unwatch: () => void

  constructor(client: GatewayClient, link: Link, source: string | undefined) {
    this.#client = client
    this.#link = link
    this.#source = source
    this.ended = client.done.then(
      () => undefined,
      error => error as TickwireError,
    )
    let isOut = false
    this.#unwatch = client.watch(({ state, reason }) => {
      if (state === 'waiting') {
        isOut = true
        link.outage(reason?.message ?? 'the gateway is gone')
      } else if (state === 'open' && isOut) {
        isOut = false
        link.outage(undefined)
      }
    })
    const close = () => void this.close()
    link.signal.addEventListener('abort', close, { once: true })
    void this.ended.then(() => link.signal.removeEventListener('abort', close))
  }

  subscribe(topics: readonly Topic[]): void {
    for (const some of together(topics)) {
      const part: Part = {
        subscription: undefined,
        topics: new Map(some.topics.map(topic => [keyOf(topic), topic])),
      }
      for (const key of part.topics.keys()) this.#parts.set(key, part)
      const request: StreamRequest = {
        ...{ kinds: some.kinds, symbols: some.symbols, source: this.#source },
        // Of what is not news only whole books are needed: their changes mean nothing without.
        ...{ interval: some.interval, snapshot: false },
      }
      part.subscription = this.#client.subscribe(request, {
        batch: events => this.#take(part, events),
        answered: answer => this.#answered(part, answer),
        refused: reason => {
          if (reason.code !== 'CLOSED') this.#link.rejected([...part.topics.values()], reason)
        },
      })
    }
  }

  /** What was asked for together is let go of together, when the last of it is not wanted any more. */
  unsubscribe(topics: readonly Topic[]): void {
    for (const topic of topics) {
      const key = keyOf(topic)
      const part = this.#parts.get(key)
      if (!part) continue
      this.#parts.delete(key)
      part.topics.delete(key)
      if (part.topics.size === 0) part.subscription?.close()
    }
  }

  async close(): Promise<void> {
    this.#unwatch()
    this.#client.close()
  }

  #take(part: Part, events: readonly MarketEvent[]): void {
    const { source, clock } = this.#link
    const now = clock.now()
    const batch: MarketEvent[] = []
    for (const event of events) {
      if (event.type === 'notice') this.#hear(part, event)
      else {
        adopt(event, source, now)
        batch.push(event)
      }
    }
    if (batch.length > 0) this.#link.emit(batch, now)
  }

  /** Of the gateway's own notices those matter that say what did not come. */
  #hear(part: Part, { notice, seq, message }: Notice): void {
    const isMissing =
      seq === undefined
        ? notice === 'skipped' || notice === 'dropped' || notice === 'reset'
        : // Of its tape: what the disk did not take, which may have come all the same.
          notice === 'lost'
    if (isMissing) this.#link.broken([...part.topics.values()], message)
  }

  #answered(part: Part, { rejected }: Answered): void {
    const refused = new Set<string>()
    for (const { topic, code, message, hint } of rejected) {
      const key = keyOf(parseTopic(topic))
      const own = part.topics.get(key)
      if (!own) continue
      refused.add(key)
      this.#link.rejected([own], new TickwireError(code, message, { hint }))
    }
    const accepted = [...part.topics].filter(([key]) => !refused.has(key))
    this.#link.acknowledged(accepted.map(([, topic]) => topic))
  }
}

/** Whatever its source is called here and there. */
const keyOf = (topic: Topic) => formatTopic({ ...topic, source: '*' })

interface Together {
  readonly kinds: Exclude<EventType, 'notice'>[]
  readonly symbols: readonly string[]
  readonly interval: Interval | undefined
  readonly topics: Topic[]
}

/** Kinds wanted of the same symbols go into one subscription, so that they come in their order. */
function together(topics: readonly Topic[]): Iterable<Together> {
  const byKind = new Map<string, Topic[]>()
  for (const topic of topics) {
    const key = `${topic.kind}@${topic.interval ?? ''}`
    byKind.set(key, [...(byKind.get(key) ?? []), topic])
  }
  const found = new Map<string, Together>()
  for (const own of byKind.values()) {
    const [{ kind, interval }] = own as [Topic, ...Topic[]]
    const symbols = own.map(topic => topic.symbol).sort()
    const key = `${interval ?? ''} ${symbols.join(' ')}`
    const entry = found.get(key) ?? { kinds: [], symbols, interval, topics: [] }
    entry.kinds.push(kind as Together['kinds'][number])
    entry.topics.push(...own)
    found.set(key, entry)
  }
  return found.values()
}
