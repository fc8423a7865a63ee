import type { Clock } from '../../base/clock.ts'
import { asError, TickwireError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { Connection, Link, Provider } from '../../feed/provider.ts'
import type { MarketEvent } from '../../market/events.ts'
import { formatTopic, type Topic } from '../../market/topics.ts'

export interface TrialOptions {
  readonly topics: readonly Topic[]
  readonly clock: Clock
  readonly log: Log
  /** Gives it up. */
  readonly signal: AbortSignal
}

/**
 * One connection to a provider without the feed around it: nothing is tried again and nothing repaired, so that whatever
 * happens first is what is seen.
 */
export class Trial {
  readonly accepted = new Set<string>()
  readonly rejected: { readonly topic: Topic; readonly reason: TickwireError }[] = []
  /** The first event that came. */
  first: MarketEvent | undefined
  malformed = 0
  /** Times of the steps, epoch ms. */
  readonly startedAt: number
  authenticatingAt: number | undefined
  openedAt: number | undefined
  /** Why it is over. */
  ended: { readonly reason: TickwireError | undefined } | undefined
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #connection: Promise<Connection>
  /** Gives up a connection that is still being made. */
  readonly #life = new AbortController()
  #changed = () => {}

  constructor(provider: Provider, { topics, clock, log, signal }: TrialOptions) {
    this.#clock = clock
    this.#signal = signal
    this.startedAt = clock.now()
    const noted = (note: () => void) => () => {
      note()
      this.#changed()
    }
    signal.addEventListener('abort', this.#giveUp)
    if (signal.aborted) this.#giveUp()
    const link: Link = {
      ...{ source: provider.id, topics, clock, log, signal: this.#life.signal, raw: undefined },
      interest: { revision: 0, mask: () => -1 },
      authenticating: noted(() => (this.authenticatingAt = clock.now())),
      opened: noted(() => (this.openedAt = clock.now())),
      emit: batch => {
        if (this.first) return
        this.first = batch[0]
        this.#changed()
      },
      room: () => undefined,
      acknowledged: list => {
        for (const topic of list) this.accepted.add(formatTopic(topic))
        this.#changed()
      },
      rejected: (list, reason) => {
        for (const topic of list) this.rejected.push({ topic, reason })
        this.#changed()
      },
      broken: (list, reason) => log.debug({ topics: list.length }, reason),
      outage: reason => log.debug({}, reason ?? 'data comes again'),
      malformed: (_frame, reason) => {
        this.malformed++
        log.debug({}, reason)
      },
      unknown: kind => log.debug({ kind }, 'a message of an unknown kind'),
    }
    const over = (reason: TickwireError | undefined) => {
      this.ended ??= { reason }
      this.#changed()
    }
    this.#connection = provider.connect(link)
    this.#connection.then(
      connection => connection.ended.then(over),
      thrown => over(asKnown(thrown)),
    )
  }

  /** Waits until this holds, it is over or given up, but not longer than `ms`. Says whether it holds. */
  async until(holds: () => boolean, ms: number): Promise<boolean> {
    let late = false
    const timer = this.#clock.setTimeout(() => {
      late = true
      this.#changed()
    }, ms)
    const stop = () => this.#changed()
    this.#signal.addEventListener('abort', stop)
    while (!holds() && !this.ended && !late && !this.#signal.aborted) {
      await new Promise<void>(resolve => {
        this.#changed = resolve
      })
    }
    timer.cancel()
    this.#signal.removeEventListener('abort', stop)
    return holds()
  }

  /** Ends the connection politely, so that the venue has its place back. */
  async close(): Promise<void> {
    this.#signal.removeEventListener('abort', this.#giveUp)
    if (this.openedAt === undefined) this.#giveUp()
    else await (await this.#connection).close()
  }

  readonly #giveUp = () => this.#life.abort()
}

function asKnown(thrown: unknown): TickwireError {
  if (thrown instanceof TickwireError) return thrown
  const { message } = asError(thrown)
  return new TickwireError('UNREACHABLE', message, { cause: thrown })
}
