import { z } from 'zod'
import type { Clock, Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import type { Position, ReadOptions } from '../flow/contracts.ts'
import { EVENT_TYPES, type EventType, type Interval, type MarketEvent } from '../market/events.ts'
import { encodeEvent } from '../market/json.ts'
import { eventSchema } from '../market/schema.ts'
import type { Guest } from './context.ts'
import { Nature } from './nature.ts'
import { refusalOf } from './refusals.ts'
import { type LiveParts, refusalIn } from './rest-live.ts'
import { interval } from './rest-past.ts'
import { type Ask, list, type Route, route } from './route.ts'
import { Wanted } from './wanted.ts'

/** Something is said at least this often, ms: a proxy would cut what is silent. */
const HEARTBEAT_MS = 15_000
/** A reader that takes nothing for so long is cut off, ms. */
const STUCK_MS = 60_000
/** How long a browser is to wait before it comes again, ms. */
const RETRY_MS = 2_000
/** Events in one write. */
const AT_ONCE = 512

type Streamed = Exclude<EventType, 'notice'>
const STREAMED = EVENT_TYPES.filter((kind): kind is Streamed => kind !== 'notice')

/** An open event stream, as the gateway's list of clients shows it. */
export interface OpenStream {
  readonly id: string
  readonly name: string
  readonly address: string
  /** Epoch ms. */
  readonly since: number
  readonly symbols: number
  readonly bytesSent: number
  readonly delivered: number
  readonly dropped: number
  readonly isSlow: boolean
  /** Says goodbye: the browser comes again by itself. */
  close(reason: TickwireError): void
}

/** The event streams there are, so that they can be counted, listed and ended. */
export interface OpenStreams {
  readonly open: Set<OpenStream>
  /** What those had that have gone. */
  readonly gone: { delivered: number; dropped: number; bytesSent: number }
}

interface AskedStream {
  readonly symbols: string[]
  readonly kinds?: readonly Streamed[] | undefined
  readonly source?: string | undefined
  readonly interval?: Interval | undefined
  readonly from?: Position | 'start' | 'now' | undefined
  readonly snapshot?: boolean | undefined
}

const position = z
  .string()
  .transform((text, context) => {
    if (text === 'start' || text === 'now') return text
    const found = readPosition(text)
    if (found) return found
    context.issues.push({
      code: 'custom',
      message: 'is start, now, or an id of this stream',
      input: text,
    })
    return z.NEVER
  })
  .optional()
  .meta({ description: 'Where to begin: the `id` of an event seen, start, or now. Default: now.' })

/** `tape:number`, as it stands in `id:` of each event. */
function readPosition(text: string): Position | undefined {
  const [, tape, seq] = /^([\w-]+):(\d{1,16})$/.exec(text) ?? []
  return tape === undefined ? undefined : { tape, seq: Number(seq) }
}

/** Server-sent events: what `EventSource` of any browser, or `curl -N`, reads. */
export function streamRoute(parts: LiveParts, streams: OpenStreams): Route {
  return route({
    ...{ method: 'get', path: '/v1/events', scope: 'read', isStream: true, isData: true },
    summary: 'Live events as server-sent events',
    description:
      'First `hello`, then `snapshot` with the latest of each symbol, then an event a message, its `id` the place to go on from: ' +
      'a browser sends it back by itself as Last-Event-ID, and gets all that came since. `notice` tells of holes, `end` why it is over.',
    query: z.object({
      symbols: list('Symbols, * for all where the source has that'),
      kinds: z
        .string()
        .transform(text => text.split(',').map(part => part.trim().toLowerCase()))
        .pipe(z.array(z.enum(STREAMED as [Streamed])))
        .optional()
        .meta({ description: 'trade, quote, bar … separated by commas. Default: trade, quote.' }),
      source: z.string().min(1).optional(),
      interval,
      from: position,
      snapshot: z
        .enum(['true', 'false'])
        .transform(word => word === 'true')
        .optional()
        .meta({ description: 'Begin with how things stand. Default: true.' }),
      token: z
        .string()
        .optional()
        .meta({ description: 'Of POST /v1/tokens, where no key can be sent.' }),
    }),
    answer: eventSchema,
    answerType: 'text/event-stream',
    handle: ask => open(parts, streams, ask),
  })
}

function open(
  { context, present, upstream }: LiveParts,
  streams: OpenStreams,
  {
    query,
    guest,
    request,
    signal,
    cut,
  }: Omit<Ask, 'query' | 'body'> & { readonly query: AskedStream },
): Response {
  const { tape, clock } = context
  const { symbols, kinds = ['trade', 'quote'], source, interval: length } = query
  const lastId = request.headers['last-event-id']
  const from = positionOf(typeof lastId === 'string' ? lastId : undefined) ?? query.from ?? 'now'
  const { topics, rejected } = upstream.resolve({ kinds, symbols, source, interval: length })
  if (topics.length === 0) throw rejected[0]!.reason
  mustFit(new Set(topics.map(topic => topic.symbol)).size, guest)
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  // Where it starts is settled here, so that nothing is missing between this and what stands below.
  const options: ReadOptions = { topics, written: true, signal: either }
  const begun = from === 'now' ? tape.written : from
  const events = tape
    .read({ ...options, from: begun, books: begun !== 'start' })
    [Symbol.asyncIterator]()
  upstream.hold(topics)
  const wanted = new Wanted(topics)
  const nature = new Nature()
  for (const feed of context.feeds) {
    if (topics.some(topic => topic.source === feed.source || topic.source === '*'))
      nature.source(feed.capabilities)
  }
  const stream = new EventStream(clock, stop, {
    ...{ name: guest.name, cut },
    address: request.socket.remoteAddress ?? '',
    symbols: new Set(topics.map(topic => topic.symbol)).size,
    ended: () => {
      upstream.release(topics)
      guest.leave()
      streams.open.delete(stream)
      streams.gone.delivered += stream.delivered
      streams.gone.dropped += stream.dropped
      streams.gone.bytesSent += stream.bytesSent
    },
  })
  streams.open.add(stream)
  const hello = {
    tape: tape.id,
    seq: tape.written.seq,
    nature: nature.words,
    refused: rejected.map(refusalIn),
  }
  stream.say('hello', JSON.stringify(hello), `retry: ${RETRY_MS}\n`)
  if (from === 'now' && query.snapshot !== false) {
    for (const topic of topics) {
      for (const event of present.latest(topic)) stream.say('snapshot', encodeEvent(event))
    }
  }
  guest.revoked?.addEventListener('abort', () => stream.close(guest.revoked!.reason), {
    signal: either,
  })
  either.addEventListener('abort', () => stream.end(), { once: true })
  void stream.pump(events, event => wanted.has(event), tape.id)
  return new Response(stream.body, {
    headers: {
      ...{ 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
      // Or a proxy in between would collect what is to come at once.
      'x-accel-buffering': 'no',
      ...nature.header,
    },
  })
}

/** @throws BAD_POSITION for what no stream of ours has given as an id */
function positionOf(lastId: string | undefined): Position | undefined {
  if (lastId === undefined || lastId === '') return undefined
  const found = readPosition(lastId)
  if (found) return found
  throw new TickwireError('BAD_POSITION', 'Last-Event-ID is no position of a gateway', {
    hint: 'Send the id of the last event you have, as it was, or none.',
  })
}

/** @throws QUOTA_EXCEEDED */
function mustFit(
  count: number,
  { maxSymbols: most = Number.POSITIVE_INFINITY, name }: Guest,
): void {
  if (count <= most) return
  throw new TickwireError(
    'QUOTA_EXCEEDED',
    `${count} symbols, and ${name} may have ${most} in a connection`,
    {
      hint: 'Ask for fewer, or have the quota of the key raised.',
    },
  )
}

let lastId = 0

interface StreamOf {
  readonly name: string
  readonly address: string
  readonly symbols: number
  readonly ended: () => void
  readonly cut: Ask['cut']
}

/** The body of one event stream. What its client does not take stays on the tape; if that is too long, it is told. */
class EventStream implements OpenStream {
  readonly name: string
  readonly address: string
  readonly symbols: number
  readonly since: number
  readonly body: ReadableStream<Uint8Array>
  readonly id = `sse-${++lastId}`
  bytesSent = 0
  delivered = 0
  dropped = 0
  readonly #clock: Clock
  readonly #stop: AbortController
  readonly #ended: () => void
  readonly #cut: Ask['cut']
  readonly #encoder = new TextEncoder()
  #controller!: ReadableStreamDefaultController<Uint8Array>
  #room: (() => void) | undefined
  #timer: Timer | undefined
  #takenAt: number
  #isOver = false

  constructor(
    clock: Clock,
    stop: AbortController,
    { name, address, symbols, ended, cut }: StreamOf,
  ) {
    this.name = name
    this.address = address
    this.symbols = symbols
    this.since = clock.now()
    this.#clock = clock
    this.#stop = stop
    this.#ended = ended
    this.#cut = cut
    this.#takenAt = this.since
    this.body = new ReadableStream({
      start: controller => {
        this.#controller = controller
      },
      pull: () => {
        this.#takenAt = clock.now()
        this.#room?.()
        this.#room = undefined
      },
      cancel: () => this.end(),
    })
    this.#beat()
  }

  get isSlow(): boolean {
    return !this.#isOver && (this.#controller.desiredSize ?? 1) <= 0 && this.#room !== undefined
  }

  say(event: string, data: string, before = ''): void {
    this.#write(`${before}event: ${event}\ndata: ${data}\n\n`)
  }

  /** Writes what is wanted, no faster than it is taken. */
  async pump(
    batches: AsyncIterator<MarketEvent[]>,
    isWanted: (event: MarketEvent) => boolean,
    tape: string,
  ): Promise<void> {
    try {
      for (;;) {
        await this.#taken()
        const step = await batches.next()
        if (step.done || this.#isOver) break
        const events = step.value.filter(isWanted)
        for (let at = 0; at < events.length; at += AT_ONCE) {
          let text = ''
          for (const event of events.slice(at, at + AT_ONCE)) text += this.#message(event, tape)
          this.#write(text)
          await this.#taken()
        }
      }
      this.end()
    } catch (error) {
      this.close(error instanceof TickwireError ? error : asError(error))
    }
  }

  close(reason: Error): void {
    if (this.#isOver) return
    this.say('end', JSON.stringify(refusalOf(reason)))
    this.end()
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#timer?.cancel()
    this.#room?.()
    this.#stop.abort()
    try {
      this.#controller.close()
    } catch {
      // It was cancelled from the other side.
    }
    this.#ended()
  }

  #message(event: MarketEvent, tape: string): string {
    const id = event.seq === undefined ? '' : `id: ${tape}:${event.seq}\n`
    this.delivered++
    if (event.type !== 'notice') return `${id}data: ${encodeEvent(event)}\n\n`
    if (event.notice === 'skipped') this.dropped += event.count ?? 0
    return `${id}event: notice\ndata: ${encodeEvent(event)}\n\n`
  }

  #write(text: string): void {
    if (this.#isOver || text === '') return
    const bytes = this.#encoder.encode(text)
    this.bytesSent += bytes.length
    this.#controller.enqueue(bytes)
  }

  #taken(): Promise<void> | undefined {
    if (this.#isOver || (this.#controller.desiredSize ?? 1) > 0) return undefined
    return new Promise(resolve => {
      this.#room = resolve
    })
  }

  #beat(): void {
    this.#timer = this.#clock.setTimeout(
      () => {
        const isStuck = (this.#controller.desiredSize ?? 1) <= 0
        if (!isStuck) this.#write(': still here\n\n')
        else if (this.#clock.now() - this.#takenAt > STUCK_MS) {
          // It would not read a goodbye either.
          this.#cut(
            new TickwireError('READER_TOO_SLOW', `${this.name} reads nothing of its events`),
          )
          return this.end()
        }
        this.#beat()
      },
      HEARTBEAT_MS,
      'idle',
    )
  }
}
