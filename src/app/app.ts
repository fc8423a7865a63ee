import type { Log } from '../base/log.ts'
import { type Feed, type FeedOptions, openFeed } from '../feed/feed.ts'
import type { Provider } from '../feed/provider.ts'
import { memoryTape } from '../tape/memory.ts'
import type { Tape } from '../tape/tape.ts'

export interface AppConfig {
  readonly provider: Provider
  /** Events the memory tape keeps. @default 131072 */
  readonly tapeCapacity?: number
  /** @default the feed's own */
  readonly ackTimeoutMs?: number
  readonly log?: Log
}

/** The running product: a feed that fills a tape, which everything else reads. */
export interface App extends AsyncDisposable {
  readonly feed: Feed
  readonly tape: Tape
  /** Ends the feed, then the tape, so that readers see everything that came. May be called twice. */
  close(): Promise<void>
}

/** Wires provider, feed and tape. Nothing is connected before the feed's first subscription. */
export function openApp({ provider, tapeCapacity, ackTimeoutMs, log }: AppConfig): App {
  const options: FeedOptions = {
    ...(log && { log }),
    ...(ackTimeoutMs !== undefined && { ackTimeoutMs }),
  }
  const feed = openFeed(provider, options)
  const tape = memoryTape(tapeCapacity === undefined ? {} : { capacity: tapeCapacity })
  feed.pipe(tape)
  const close = async () => {
    await feed.close()
    await tape.close()
  }
  return { feed, tape, close, [Symbol.asyncDispose]: close }
}
