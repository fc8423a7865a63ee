import { sleep } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import { createEvent } from '../market/events.ts'
import { formatTopic, type Topic } from '../market/topics.ts'
import { canBePolled, Polling } from './polling.ts'
import type { Connection, Link, Provider } from './provider.ts'

export interface BesideOptions {
  readonly link: Link
  readonly latest: NonNullable<Provider['latest']>
  readonly everyMs: number
  /** These are asked for from now on, because the stream refused them. */
  readonly begun: (reason: TickwireError, topics: readonly Topic[]) => void
  /** There is no stream at all. */
  readonly refused: (reason: TickwireError) => void
}

/** A plan lacks what was asked for; whoever asks is known. */
const isRefusal = ({ code }: TickwireError) => code === 'NOT_ENTITLED'

/**
 * A stream, and beside it questions about what the plan has not got of it; only these where it has none at all. It ends with
 * the stream, and without one when nothing is answered either.
 */
export class PolledBeside implements Connection {
  readonly ended: Promise<TickwireError | undefined>
  readonly #options: BesideOptions
  /** All that is wanted, in the stream or not. */
  readonly #topics = new Map<string, Topic>()
  /** Why the stream does not have these. */
  readonly #reasons = new Map<string, TickwireError>()
  readonly #closing = new AbortController()
  #stream: Connection | undefined
  #polling: Polling | undefined
  /** Why there is no stream. */
  #refusal: TickwireError | undefined
  #lastRefusal: TickwireError | undefined
  #isOpen = false
  /** The stream has granted something. */
  #hasStreamed = false
  #finish!: (reason: TickwireError | undefined) => void

  constructor(options: BesideOptions) {
    this.#options = options
    this.ended = new Promise(resolve => {
      this.#finish = resolve
    })
    for (const topic of options.link.topics) this.#topics.set(formatTopic(topic), topic)
  }

  /** Opens the stream; where the plan has none, asks instead. */
  async open(connect: (link: Link) => Promise<Connection>): Promise<Connection> {
    try {
      this.#stream = await connect(this.#linkOfStream())
    } catch (thrown) {
      if (!(thrown instanceof TickwireError && isRefusal(thrown))) throw thrown
      return this.without(thrown)
    }
    const stream = this.#stream
    void stream.ended.then(reason => {
      this.#stream = undefined
      const isOver = this.#closing.signal.aborted || this.#hasStreamed
      // Where it has streamed, there is a hole behind this end, to be told as any other.
      if (reason && isRefusal(reason) && !isOver) this.#withoutStream(reason)
      else void this.#end(reason)
    })
    return this
  }

  /** There is no stream, for this reason. */
  async without(reason: TickwireError): Promise<Connection> {
    this.#withoutStream(reason)
    return this
  }

  subscribe(topics: readonly Topic[]): void {
    for (const topic of topics) this.#topics.set(formatTopic(topic), topic)
    const others = topics.filter(topic => !this.polls(topic))
    if (others.length === 0) return
    if (this.#refusal) this.#instead(others, this.#refusal)
    else this.#stream?.subscribe(others)
  }

  unsubscribe(topics: readonly Topic[]): void {
    const streamed = topics.filter(topic => !this.polls(topic))
    for (const topic of topics) this.#topics.delete(formatTopic(topic))
    this.#polling?.unsubscribe(topics)
    if (streamed.length > 0) this.#stream?.unsubscribe(streamed)
  }

  resync(topic: Topic, reason: string): void {
    if (!this.polls(topic)) this.#stream?.resync?.(topic, reason)
  }

  polls(topic: Topic): boolean {
    return this.#polling?.has(topic) ?? false
  }

  close(): Promise<void> {
    return this.#end(undefined)
  }

  async #end(reason: TickwireError | undefined): Promise<void> {
    this.#closing.abort()
    await Promise.all([this.#stream?.close(), this.#polling?.close()])
    this.#finish(reason)
  }

  #withoutStream(reason: TickwireError): void {
    this.#refusal = reason
    this.#options.refused(reason)
    if (!this.#isOpen) this.#options.link.opened()
    this.#isOpen = true
    this.#instead([...this.#topics.values()], reason)
  }

  /** Asks for what the stream refused. */
  #instead(topics: readonly Topic[], reason: TickwireError): void {
    const { link } = this.#options
    const able = topics.filter(canBePolled)
    for (const topic of able) this.#reasons.set(formatTopic(topic), reason)
    // Before the others are refused: while something is left to ask, it is not over.
    if (able.length > 0) {
      if (this.#polling) this.#polling.subscribe(able)
      else void this.#poll(able)
    }
    const unable = topics.filter(topic => !canBePolled(topic))
    if (unable.length > 0) link.rejected(unable, reason)
    const isVain = this.#polling === undefined && topics.length > 0
    if (this.#refusal && isVain) void this.#end(this.#refusal)
  }

  /** Asks until nothing is left to ask. A fault of the questions is no reason to lose the stream. */
  async #poll(topics: readonly Topic[]): Promise<void> {
    const { link, latest, everyMs } = this.#options
    const { signal } = this.#closing
    let left = topics
    for (;;) {
      const polling = new Polling(
        {
          ...{ link, latest, everyMs },
          begun: answered => this.#tell(answered),
          explain: (refusal, refused) => this.#explain(refusal, refused),
          refused: () => this.#lookWhatIsLeft(),
        },
        left,
      )
      this.#polling = polling
      const fault = await polling.ended
      if (this.#refusal) {
        await this.#end(fault)
        return
      }
      if (signal.aborted || !fault) return
      left = polling.topics
      if (fault.fatal) {
        this.#polling = undefined
        link.rejected(left, this.#explain(fault, left))
        return
      }
      link.log.warn({ code: fault.code }, fault.message)
      await sleep(link.clock, Math.max(everyMs, fault.retryAfterMs ?? 0), signal)
      left = polling.topics
    }
  }

  /** Without a stream, and with every question refused, there is nothing to stay for. */
  #lookWhatIsLeft(): void {
    if (this.#refusal && this.#polling?.topics.length === 0) void this.#end(this.#lastRefusal)
  }

  /** The plan is to blame first: its word, and what came of asking. */
  #explain(refusal: TickwireError, topics: readonly Topic[]): TickwireError {
    const reason = this.#reasons.get(formatTopic(topics[0]!))
    if (!reason) return refusal
    const message = `${reason.message}; asked for it instead: ${refusal.message}`
    this.#lastRefusal = new TickwireError(reason.code, message, {
      ...{ hint: reason.hint, cause: refusal },
    })
    return this.#lastRefusal
  }

  /** Said in the stream too, ahead of the first that comes so. */
  #tell(answered: readonly Topic[]): void {
    const { link, everyMs, begun } = this.#options
    const now = link.clock.now()
    const byReason = new Map<TickwireError, Topic[]>()
    for (const topic of answered) {
      const reason = this.#reasons.get(formatTopic(topic))
      if (reason) byReason.set(reason, [...(byReason.get(reason) ?? []), topic])
    }
    for (const [reason, topics] of byReason) {
      const notices = topics.map(({ symbol, kind }) =>
        createEvent({
          ...{ type: 'notice', source: link.source, timestamp: Math.floor(now), receivedAt: now },
          ...{ notice: 'rejected', code: reason.code, symbol, kind },
          message: `${symbol} (${kind}): ${reason.message}; asked for every ${everyMs / 1_000} s instead`,
        }),
      )
      link.emit(notices, now)
      begun(reason, topics)
    }
  }

  /** The stream's link: what it refuses for the plan's sake goes here. */
  #linkOfStream(): Link {
    const { link } = this.#options
    return {
      ...{ source: link.source, topics: link.topics, interest: link.interest },
      ...{ clock: link.clock, log: link.log, signal: link.signal },
      get raw() {
        return link.raw
      },
      authenticating: () => link.authenticating(),
      opened: () => {
        this.#isOpen = true
        link.opened()
      },
      emit: (batch, receivedAt) => link.emit(batch, receivedAt),
      room: () => link.room(),
      acknowledged: topics => {
        this.#hasStreamed = true
        link.acknowledged(topics)
      },
      rejected: (topics, reason) => {
        if (isRefusal(reason)) this.#instead(topics, reason)
        else link.rejected(topics, reason)
      },
      broken: (topics, reason) => link.broken(topics, reason),
      outage: reason => link.outage(reason),
      malformed: (frame, reason) => link.malformed(frame, reason),
      unknown: kind => link.unknown(kind),
    }
  }
}
