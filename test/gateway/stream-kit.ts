// A gateway on a real socket over a tape that a test fills, with a source that only remembers what it was asked.
import { WebSocket } from 'ws'
import { TickwireError } from '../../src/base/errors.ts'
import { silentLog } from '../../src/base/log.ts'
import { CHANNELS } from '../../src/feed/channels.ts'
import type { SubscribeRequest } from '../../src/feed/feed.ts'
import type { Capabilities } from '../../src/feed/provider.ts'
import type { Access, GatewayContext, GatewayFeed, Guest } from '../../src/gateway/context.ts'
import { type Gateway, type GatewayOptions, openGateway } from '../../src/gateway/serve.ts'
import {
  createEvent,
  EVENT_TYPES,
  type EventFields,
  type EventType,
  type MarketEvent,
} from '../../src/market/events.ts'
import { canonicalSymbol } from '../../src/market/symbols.ts'
import { formatTopic, type Topic } from '../../src/market/topics.ts'
import { decodeMessage } from '../../src/providers/tickwire/decode.ts'
import type {
  Batch,
  ClientMessage,
  Encoding,
  ServerMessage,
  StreamRequest,
} from '../../src/providers/tickwire/messages.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import type { Tape } from '../../src/tape/tape.ts'
import { type HandClock, handClock } from '../../src/testing/clock.ts'

/** What a source was asked for and let go of, in order: `+trade:SPY`, `-trade:SPY`. */
export class ScriptedFeed {
  readonly asked: string[] = []
  readonly source: string
  readonly state = 'open'
  readonly capabilities: Capabilities
  readonly provider

  constructor(source = 'test', more: Partial<Capabilities> = {}) {
    this.source = source
    const kinds = EVENT_TYPES.filter(kind => kind !== 'notice')
    this.capabilities = {
      ...{ title: `a test called ${source}`, kinds, barIntervals: ['1m'], wildcard: ['trade'] },
      ...{ nature: 'simulated', auth: 'none', limits: {}, history: false, silenceHint: '' },
      ...more,
    }
    this.provider = {
      id: 'test',
      symbol(text: string) {
        const symbol = canonicalSymbol(text)
        if (!symbol.startsWith('NO')) return symbol
        throw new TickwireError('UNKNOWN_SYMBOL', `no ${symbol}`, { hint: 'It has others.' })
      },
    }
  }

  hold({ interval: _, ...request }: SubscribeRequest) {
    const topics = Object.entries(request).flatMap(([channel, symbols]) =>
      [symbols as string | string[]].flat().map((symbol): Topic => {
        const kind = CHANNELS[channel as keyof typeof CHANNELS]
        return { source: this.source, kind, symbol, ...(kind === 'bar' && { interval: '1m' }) }
      }),
    )
    const say = (sign: string, some: readonly Topic[]) =>
      this.asked.push(
        ...some.map(topic => `${sign}${formatTopic(topic).split(':').slice(1).join(':')}`),
      )
    say('+', topics)
    return {
      topics,
      answer: async (some: readonly Topic[] = topics) => ({
        accepted: some.filter(({ symbol }) => symbol !== 'REFUSED'),
        rejected: some
          .filter(({ symbol }) => symbol === 'REFUSED')
          .map(topic => ({ topic, reason: new TickwireError('NOT_ENTITLED', 'not in the plan') })),
        pending: [],
      }),
      release: (some: readonly Topic[] = topics) => void say('-', some),
    }
  }
}

export interface StreamGateway {
  readonly gateway: Gateway
  readonly tape: Tape
  readonly clock: HandClock
  readonly feed: ScriptedFeed
  /** A client, greeted. */
  client(options?: ClientOptions): Promise<TestClient>
  /** Turns the clock until it is so. */
  until(is: () => boolean, stepMs?: number): Promise<void>
  close(): Promise<void>
}

export interface ClientOptions {
  readonly encoding?: Encoding
  readonly path?: string
}

export interface StreamOptions {
  readonly tape?: (clock: HandClock) => Tape
  readonly feeds?: readonly ScriptedFeed[]
  readonly access?: Partial<Access>
  readonly lingerMs?: number
  readonly limits?: GatewayOptions['limits']
  readonly clientLimits?: GatewayOptions['clientLimits']
}

export const guest = (more: Partial<Guest> = {}): Guest => ({
  ...{ name: 'test', scopes: new Set(['read'] as const), leave() {} },
  ...more,
})

export async function openStreamGateway(options: StreamOptions = {}): Promise<StreamGateway> {
  const clock = handClock()
  const tape = options.tape?.(clock) ?? memoryTape({ clock })
  const feeds = options.feeds ?? [new ScriptedFeed()]
  const access: Access = {
    ...{ upgrade: () => guest(), authenticate: () => guest(), statusOf: () => 403, close() {} },
    ...options.access,
  }
  const context: GatewayContext = {
    ...{ tape, feeds: feeds as unknown as GatewayFeed[], history: undefined, clock },
    ...{ stores: () => [], ledger: () => [], isRecording: () => false, log: silentLog },
  }
  const gateway = await openGateway(context, {
    ...{ port: 0, access, version: '1.2.3', lingerMs: options.lingerMs ?? 1_000 },
    ...(options.limits && { limits: options.limits }),
    clientLimits: options.clientLimits,
    http: () => ({ listener: (_, response) => void response.end(), close() {} }),
  })
  const clients: TestClient[] = []
  const until = async (is: () => boolean, stepMs = 1) => {
    for (let i = 0; i < 3_000; i++) {
      if (is()) return
      await clock.advance(stepMs)
      // Sockets are real.
      await new Promise(resolve => setTimeout(resolve, i < 50 ? 0 : 1))
    }
    throw new Error('it never came to that')
  }
  return {
    ...{ gateway, tape, clock, until, feed: feeds[0]! },
    async client({ encoding = 'json', path = '/v1/stream' } = {}) {
      const client = new TestClient(`${gateway.url.replace('http', 'ws')}${path}`, encoding, until)
      clients.push(client)
      await until(() => client.messages.length > 0 || client.end !== undefined)
      return client
    },
    async close() {
      for (const { socket } of clients) socket.terminate()
      const closing = gateway.close()
      await clock.advance(5_000)
      await closing
      await tape.close()
    },
  }
}

/** A client that says what a test tells it to, and keeps what it hears. */
export class TestClient {
  readonly socket: WebSocket
  readonly messages: ServerMessage[] = []
  end: { readonly code: number; readonly reason: string } | undefined
  status: number | undefined
  readonly #until: StreamGateway['until']

  constructor(url: string, encoding: Encoding, until: StreamGateway['until']) {
    this.#until = until
    this.socket = new WebSocket(url, [`tickwire.v1.${encoding}`])
    this.socket.on('message', (data: Buffer, isBinary) => {
      this.messages.push(decodeMessage(isBinary ? data : data.toString()))
    })
    this.socket.on('error', () => {})
    this.socket.on('unexpected-response', (_request, response) => {
      this.status = response.statusCode
      this.end = { code: 1006, reason: '' }
    })
    this.socket.on('close', (code, reason) => {
      this.end ??= { code, reason: reason.toString() }
    })
  }

  say(message: ClientMessage | object | string): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  /** Subscribes, and waits until it is live and answered. */
  async subscribe(request: Partial<StreamRequest>, id = 1): Promise<void> {
    const seen = this.messages.length
    this.say({ type: 'subscribe', id, kinds: ['trade'], symbols: ['SPY'], ...request })
    const has = (type: string) =>
      this.messages.slice(seen).some(it => it.type === type && 'id' in it && it.id === id)
    await this.#until(() => (has('live') && has('answered')) || has('error'))
  }

  of<T extends ServerMessage['type']>(type: T): Extract<ServerMessage, { type: T }>[] {
    return this.messages.filter(
      (message): message is Extract<ServerMessage, { type: T }> => message.type === type,
    )
  }

  /** All that came as news, in order. */
  events(id = 1): MarketEvent[] {
    return this.batches('events', id).flatMap(batch => batch.events)
  }

  snapshot(id = 1): MarketEvent[] {
    return this.batches('snapshot', id).flatMap(batch => batch.events)
  }

  batches(type: Batch['type'], id = 1): Batch[] {
    return this.messages.filter((it): it is Batch => it.type === type && it.id === id)
  }

  seqs(id = 1): (number | undefined)[] {
    return this.events(id).map(event => event.seq)
  }
}

let tick = 0

/** Trades one after the other. */
export function trades(count: number, symbol = 'SPY', source = 'test'): MarketEvent[] {
  return Array.from({ length: count }, () =>
    event({ type: 'trade', symbol, source, price: 100 + (tick % 50) / 100, size: 10, id: tick }),
  )
}

export function event(fields: Record<string, unknown> & { type: EventType }): MarketEvent {
  tick++
  const timestamp = Date.UTC(2024, 0, 15, 14, 30) + tick
  return createEvent({
    source: 'test',
    timestamp,
    receivedAt: timestamp,
    ...fields,
  } as unknown as EventFields)
}

export const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)
