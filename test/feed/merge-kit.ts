import { silentLog } from '../../src/base/log.ts'
import { type FeedOptions, openFeed } from '../../src/feed/feed.ts'
import { type MergeOptions, merge } from '../../src/feed/merge.ts'
import type { Capabilities, Provider } from '../../src/feed/provider.ts'
import { websocketProvider } from '../../src/feed/websocket.ts'
import type { MarketEvent, Notice } from '../../src/market/events.ts'
import { handClock } from '../../src/testing/clock.ts'
import { type ScriptedSocket, scriptedSockets } from '../../src/testing/sockets.ts'
import { oblige, toyCapabilities, toyDescription } from './toy-venue.ts'

export interface LegScript {
  readonly script?: (socket: ScriptedSocket) => void
  readonly capabilities?: Partial<Capabilities>
  readonly provider?: Partial<Provider>
  readonly pingMs?: number
}

/** A feed over toy venues, each with its own network. */
export function mergedFeed(
  scripts: readonly LegScript[] = [{}, {}],
  options: MergeOptions = {},
  feedOptions: FeedOptions = {},
) {
  const clock = handClock()
  const nets = scripts.map(({ script = oblige }) => scriptedSockets(script))
  const legs = scripts.map(({ capabilities, provider, pingMs = 1e9 }, i): Provider => {
    const title = `Toy ${'AB'[i]}`
    const description = toyDescription({
      capabilities: { ...toyCapabilities, title, ...capabilities },
      ping: { everyMs: pingMs, timeoutMs: 5_000 },
    })
    return { ...websocketProvider(description, { openSocket: nets[i]!.openSocket }), ...provider }
  })
  const both = merge(legs, { leases: false, random: () => 0.5, ...options })
  const log = silentLog
  const feed = openFeed(both, { clock, random: () => 0.5, leases: false, log, ...feedOptions })
  const events: MarketEvent[] = []
  const notices: Notice[] = []
  feed.on('*', event => (event.type === 'notice' ? notices : events).push(event as never))
  /** What is told of holes. */
  const told = () =>
    notices
      .map(({ notice }) => notice)
      .filter(name => ['gap', 'repaired', 'unrepaired'].includes(name))
  return { clock, nets, both, feed, events, notices, told }
}
