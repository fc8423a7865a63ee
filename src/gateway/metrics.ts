import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { GatewayContext, GatewayFeed } from './context.ts'

/** What the gateway counts of its own clients. */
export interface ClientCounts {
  /** Clients that are connected, by what they speak: `native json`, `native blocks`, `sse`. */
  readonly clients: Readonly<Record<string, number>>
  readonly subscriptions: number
  /** Clients that read too slowly just now. */
  readonly slow: number
  /** Topics the venues are asked for, those nobody has any more included while they linger. */
  readonly upstreamTopics: number
  /** Since the start, clients that have gone included. */
  readonly eventsSent: number
  readonly eventsDropped: number
  readonly eventsConflated: number
  readonly bytesSent: number
}

type Labels = Readonly<Record<string, string>>
type Sample = readonly [labels: Labels, value: number]

/** A metric that is read when it is asked for. */
interface Metric {
  readonly name: string
  readonly type: 'gauge' | 'counter'
  readonly help: string
  readonly labels?: readonly string[]
  read(context: GatewayContext, counts: ClientCounts): Iterable<Sample>
}

const perFeed =
  (value: (feed: GatewayFeed) => number | undefined): Metric['read'] =>
  ({ feeds }) =>
    feeds.flatMap(feed => {
      const found = value(feed)
      return found === undefined ? [] : [[{ source: feed.source }, found] as const]
    })

const ofFeed = (
  name: string,
  type: Metric['type'],
  help: string,
  value: (feed: GatewayFeed) => number | undefined,
): Metric => ({
  name: `tickwire_feed_${name}`,
  type,
  help,
  labels: ['source'],
  read: perFeed(value),
})

const one = (
  name: string,
  type: Metric['type'],
  help: string,
  value: (context: GatewayContext, counts: ClientCounts) => number,
): Metric => ({ name: `tickwire_${name}`, type, help, read: (...of) => [[{}, value(...of)]] })

const HEALTH = ['live', 'quiet', 'stale', 'dead'] as const
const LAGS = [
  ['0.5', 'p50'],
  ['0.95', 'p95'],
  ['0.99', 'p99'],
] as const

/** Everything that is said at `/metrics` beside Node's own, HTTP's counts and times. No metric has a symbol as a label. */
const METRICS: readonly Metric[] = [
  ofFeed('open', 'gauge', '1 while the connection to the venue stands.', feed =>
    feed.state === 'open' ? 1 : 0,
  ),
  {
    ...{ name: 'tickwire_feed_health', type: 'gauge', labels: ['source', 'state'] },
    help: '1 for the state the source is in: live, quiet, stale or dead.',
    read: ({ feeds }) =>
      feeds.flatMap(feed => {
        const { state: is } = feed.health()
        return HEALTH.map(state => [{ source: feed.source, state }, state === is ? 1 : 0] as const)
      }),
  },
  {
    ...{ name: 'tickwire_feed_lag_seconds', type: 'gauge', labels: ['source', 'quantile'] },
    help: 'From the time of the venue to ours, of the last few thousand events, less what the clocks differ by.',
    read: ({ feeds }) =>
      feeds.flatMap(feed => {
        const { lag } = feed.health()
        if (!lag) return []
        return LAGS.map(
          ([quantile, name]) => [{ source: feed.source, quantile }, lag[name] / 1_000] as const,
        )
      }),
  },
  {
    ...{ name: 'tickwire_feed_last_event_age_seconds', type: 'gauge', labels: ['source'] },
    help: 'Time since the last live event; absent before the first.',
    read: ({ feeds, clock }) =>
      feeds.flatMap(feed => {
        const { lastEventAt } = feed.health()
        if (lastEventAt === undefined) return []
        return [[{ source: feed.source }, Math.max(0, clock.now() - lastEventAt) / 1_000] as const]
      }),
  },
  ofFeed(
    'events_total',
    'counter',
    'Events delivered, those filled in included.',
    feed => feed.stats().events,
  ),
  ofFeed(
    'connects_total',
    'counter',
    'Connections made to the venue.',
    feed => feed.stats().connects,
  ),
  ofFeed(
    'malformed_total',
    'counter',
    'Frames, or parts of them, that could not be decoded.',
    feed => feed.stats().malformed,
  ),
  ofFeed(
    'duplicates_total',
    'counter',
    'Events that came twice and were left out.',
    feed => feed.stats().duplicates,
  ),
  ofFeed(
    'quarantined_total',
    'counter',
    'Events that cannot be true, and were not delivered.',
    feed => feed.stats().quarantined.count,
  ),
  ofFeed(
    'failures_total',
    'counter',
    'Calls of handlers that threw.',
    feed => feed.stats().failures,
  ),
  ofFeed(
    'holes_opened_total',
    'counter',
    'Holes found, each of one symbol and kind.',
    feed => feed.stats().holes.opened,
  ),
  ofFeed(
    'holes_filled_total',
    'counter',
    'Holes that were filled from history.',
    feed => feed.stats().holes.filled,
  ),
  ofFeed(
    'holes_left_total',
    'counter',
    'Holes that could not be filled.',
    feed => feed.stats().holes.left,
  ),
  {
    ...{ name: 'tickwire_feed_topics', type: 'gauge', labels: ['source', 'state'] },
    help: 'Subscriptions by what the venue has said of them: wanted, sent, acknowledged or rejected.',
    read: ({ feeds }) =>
      feeds.flatMap(feed =>
        Object.entries(feed.stats().topics).map(
          ([state, count]) => [{ source: feed.source, state }, count] as const,
        ),
      ),
  },
  one(
    'tape_events_total',
    'counter',
    'Number of the newest event on the tape.',
    ({ tape }) => tape.end.seq,
  ),
  one(
    'tape_written_total',
    'counter',
    'Number of the newest event that outlives the process.',
    ({ tape }) => tape.written.seq,
  ),
  one('tape_recording', 'gauge', '1 while what comes is recorded on disk.', ({ isRecording }) =>
    isRecording() ? 1 : 0,
  ),
  {
    ...{ name: 'tickwire_store_behind_events', type: 'gauge', labels: ['store'] },
    help: 'Written events a store has not got yet.',
    read: ({ stores }) => stores().map(({ name, behind }) => [{ store: name }, behind] as const),
  },
  {
    ...{ name: 'tickwire_store_lag_seconds', type: 'gauge', labels: ['store'] },
    help: 'Since the oldest written event was received that a store has not got yet; 0 where it has all.',
    read: ({ stores }) =>
      stores().flatMap(({ name, lagMs }) =>
        lagMs === undefined ? [] : [[{ store: name }, lagMs / 1_000] as const],
      ),
  },
  {
    ...{ name: 'tickwire_store_failing', type: 'gauge', labels: ['store'] },
    help: '1 while a store takes nothing.',
    read: ({ stores }) =>
      stores().map(({ name, error }) => [{ store: name }, error ? 1 : 0] as const),
  },
  {
    ...{ name: 'tickwire_gateway_clients', type: 'gauge', labels: ['protocol'] },
    help: 'Clients that are connected, by what they speak.',
    read: (_, { clients }) =>
      Object.entries(clients).map(([protocol, count]) => [{ protocol }, count] as const),
  },
  one(
    'gateway_subscriptions',
    'gauge',
    'Subscriptions of all clients.',
    (_, counts) => counts.subscriptions,
  ),
  one(
    'gateway_slow_clients',
    'gauge',
    'Clients that read too slowly just now.',
    (_, counts) => counts.slow,
  ),
  one(
    'gateway_upstream_topics',
    'gauge',
    'Topics the venues are asked for on behalf of clients.',
    (_, counts) => counts.upstreamTopics,
  ),
  one(
    'gateway_events_sent_total',
    'counter',
    'Events delivered to clients: one event to ten clients counts ten.',
    (_, counts) => counts.eventsSent,
  ),
  one(
    'gateway_events_dropped_total',
    'counter',
    'Events that clients lost for reading too slowly.',
    (_, counts) => counts.eventsDropped,
  ),
  one(
    'gateway_events_conflated_total',
    'counter',
    'Events merged into later ones for clients that asked for it, or were slow.',
    (_, counts) => counts.eventsConflated,
  ),
  one(
    'gateway_bytes_sent_total',
    'counter',
    'Bytes written to clients of streams.',
    (_, counts) => counts.bytesSent,
  ),
]

const NONE: ClientCounts = {
  ...{ clients: {}, subscriptions: 0, slow: 0, upstreamTopics: 0 },
  ...{ eventsSent: 0, eventsDropped: 0, eventsConflated: 0, bytesSent: 0 },
}

/** Node's own are of the process, however many gateways are in it. */
let node: Registry | undefined

function ofNode(): Registry {
  if (!node) {
    node = new Registry()
    collectDefaultMetrics({ register: node })
  }
  return node
}

/** What is read by Prometheus. */
export class Metrics {
  readonly contentType: string
  readonly #registry = new Registry()
  readonly #count: () => ClientCounts
  /** Counted once for all metrics of an answer. */
  #counts: ClientCounts = NONE
  readonly #requests: Counter<'method' | 'route' | 'status'>
  readonly #seconds: Histogram<'method' | 'route'>

  /** Nothing is counted of a gateway that is not there: for the catalogue. */
  constructor(context?: GatewayContext, counts: () => ClientCounts = () => NONE) {
    const registers = [this.#registry]
    // It counts from when it is made, not from when it is first asked.
    if (context) ofNode()
    this.contentType = this.#registry.contentType
    this.#count = counts
    for (const { name, type, help, labels = [], read } of METRICS) {
      const labelNames = [...labels]
      const samples = () => (context ? read(context, this.#counts) : [])
      if (type === 'gauge') {
        const gauge: Gauge = new Gauge({
          ...{ name, help, labelNames, registers },
          collect: () => {
            gauge.reset()
            for (const [of, value] of samples()) gauge.set(of, value)
          },
        })
      } else {
        const counter: Counter = new Counter({
          ...{ name, help, labelNames, registers },
          collect: () => {
            counter.reset()
            for (const [of, value] of samples()) counter.inc(of, value)
          },
        })
      }
    }
    this.#requests = new Counter({
      name: 'tickwire_http_requests_total',
      help: 'Requests over HTTP, by route and status.',
      labelNames: ['method', 'route', 'status'],
      registers,
    })
    this.#seconds = new Histogram({
      name: 'tickwire_http_request_seconds',
      help: 'Time from a request to the head of its answer.',
      labelNames: ['method', 'route'],
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10],
      registers,
    })
  }

  /** Counts a request: `route` is a path of the router, not what was asked. */
  request(method: string, route: string, status: number, ms: number): void {
    this.#requests.inc({ method, route, status: `${status}` })
    this.#seconds.observe({ method, route }, ms / 1_000)
  }

  async text(): Promise<string> {
    this.#counts = this.#count()
    return `${await this.#registry.metrics()}\n${await ofNode().metrics()}`
  }

  /** All there are, by name, for the docs; Node's own are not among them. */
  async catalogue(): Promise<readonly CatalogueEntry[]> {
    const types = new Map(
      (await this.#registry.getMetricsAsJSON()).map(({ name, type }) => [name, `${type}`]),
    )
    return this.#registry.getMetricsAsArray().map(metric => {
      const { name, help, labelNames } = metric as unknown as {
        readonly labelNames: readonly string[]
      } & typeof metric
      return { name, type: types.get(name) ?? '', help, labels: labelNames }
    })
  }
}

/** A metric, as the docs tell of it. */
export interface CatalogueEntry {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly labels: readonly string[]
}
