import { type Clock, systemClock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import { type Log, stderrLog } from '../base/log.ts'
import type { DeliveryOptions } from '../flow/queue.ts'
import { type EventStream, StreamReader } from '../flow/stream.ts'
import { EVENT_TYPES, type EventOf, type EventType, type Notice } from '../market/events.ts'
import type { Feed } from './feed.ts'

export interface UnionOptions<T extends EventType> extends DeliveryOptions {
  /** Only these. @default everything, notices included */
  readonly kinds?: readonly T[]
  /** Name in the log. @default the feeds' sources */
  readonly name?: string
  /** Ends it. */
  readonly signal?: AbortSignal
  /** The clock of the feeds. @default the machine's */
  readonly clock?: Clock
  /** Takes what the stream has to say of its own reader, `lagging` and `dropped`. @default warnings to stderr */
  readonly log?: Log
}

/**
 * What several feeds deliver, as one stream in order of receipt: no event is merged with another, each names its `source`.
 * It subscribes to nothing; ask each feed for what it is to carry. One queue with one policy stands before the loop. The
 * stream ends when all feeds have, and throws the reason when one ends fatally; ending it closes no feed.
 *
 * ```js
 * stocks.subscribe({ trades: ['SPY', 'TSLA'] })
 * coins.subscribe({ trades: 'BTC/USD' })
 * for await (const event of union([stocks, coins])) console.log(event.source, event.symbol)
 * ```
 * @throws BAD_OPTION for no feeds, two feeds with one name, an unknown kind, and the policy `block` beside a live feed;
 *   CLOSED, or its fatal reason, for a feed that has ended
 */
export function union<T extends EventType = EventType>(
  feeds: readonly Feed[],
  options: UnionOptions<T> = {},
): EventStream<EventOf<T>> {
  const { kinds, name, signal, clock = systemClock(), log = stderrLog, ...given } = options
  check(feeds, kinds)
  const waits = feeds.every(({ capabilities }) => capabilities.waits)
  if (given.policy === 'block' && !waits) {
    throw new TickwireError('BAD_OPTION', 'a live source cannot wait: no policy block here', {
      hint: 'Choose drop-oldest, conflate or close.',
    })
  }
  const ends: (() => void)[] = []
  const stream = new StreamReader<EventOf<T>>(waits ? { policy: 'block', ...given } : given, {
    name: name ?? feeds.map(({ source }) => source).join(' + '),
    clock,
    notify: notice => log.warn({}, (notice as Notice).message),
    // Nothing to do: each feed's end has been heard below.
    told: () => {},
    closed: () => {
      for (const end of ends) end()
    },
  })
  const isWanted = kinds && new Set<EventType>(kinds)
  let running = feeds.length
  let isOver = false
  const close = () => stream.close()
  ends.push(() => {
    isOver = true
    signal?.removeEventListener('abort', close)
  })
  const listen = (feed: Feed) => {
    const stop = feed.on(
      '*',
      event => {
        if (isWanted && !isWanted.has(event.type)) return undefined
        stream.accept(event, clock.now())
        // A recording waits with it.
        return stream.room
      },
      { name: 'union' },
    )
    ends.push(stop)
    void feed.done.then(
      () => {
        if (--running === 0) stream.end()
      },
      reason => {
        if (isOver) log.error({ error: reason }, `${feed.source}: ${reason.message}`)
        else stream.end(reason)
      },
    )
  }
  try {
    for (const feed of feeds) listen(feed)
  } catch (error) {
    close()
    throw error
  }
  if (signal?.aborted) close()
  else signal?.addEventListener('abort', close, { once: true })
  return stream
}

function check(feeds: readonly Feed[], kinds: readonly EventType[] | undefined): void {
  if (!Array.isArray(feeds) || feeds.length === 0) {
    throw new TickwireError('BAD_OPTION', 'union: no feeds', {
      hint: 'Give a list of feeds: union([one, other]).',
    })
  }
  const sources = feeds.map(({ source }) => source)
  const twice = sources.find((source, i) => sources.indexOf(source) !== i)
  if (twice !== undefined) {
    throw new TickwireError('BAD_OPTION', `union: two feeds are called ${twice}`, {
      hint: 'Name them apart, so that each event says where it is from: openFeed(provider, { source }).',
    })
  }
  const unknown = kinds?.find(kind => !EVENT_TYPES.includes(kind))
  if (unknown !== undefined) {
    throw new TickwireError('BAD_OPTION', `union: no events of kind ${unknown}`, {
      hint: `There are: ${EVENT_TYPES.join(', ')}.`,
    })
  }
}
