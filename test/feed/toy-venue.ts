import { TickwireError } from '../../src/base/errors.ts'
import type { WebSocketDescription } from '../../src/feed/description.ts'
import { type FeedOptions, openFeed } from '../../src/feed/feed.ts'
import type { Capabilities } from '../../src/feed/provider.ts'
import { websocketProvider } from '../../src/feed/websocket.ts'
import type { MarketEvent } from '../../src/market/events.ts'
import { createEvent } from '../../src/market/events.ts'
import type { Topic } from '../../src/market/topics.ts'
import { handClock } from '../../src/testing/clock.ts'
import { type ScriptedSocket, scriptedSockets } from '../../src/testing/sockets.ts'

/** A venue that exists only here, so that the feed is tested without any provider of ours. */
export const toyCapabilities: Capabilities = {
  title: 'Toy',
  kinds: ['trade', 'quote', 'bar', 'news'],
  barIntervals: ['1m', '1d'],
  wildcard: ['trade'],
  nature: 'test',
  auth: 'key',
  limits: {},
  history: false,
  silenceHint: 'toys sleep at night',
}

const key = ({ kind, symbol, interval }: Topic) => `${kind}${interval ?? ''}/${symbol}`

export function toyDescription(
  overrides: Partial<WebSocketDescription> = {},
): WebSocketDescription {
  return {
    id: 'toy',
    capabilities: toyCapabilities,
    url: 'ws://toy.test/',
    welcomes: true,
    greet: () => [JSON.stringify({ login: 'me' })],
    subscribe: topics => [{ frame: JSON.stringify({ add: topics.map(key) }), topics }],
    unsubscribe: topics => [{ frame: JSON.stringify({ drop: topics.map(key) }), topics: [] }],
    ping: { everyMs: 10_000, timeoutMs: 5_000 },
    handshakeTimeoutMs: 10_000,
    maxFrameBytes: 1_000_000,
    verdict: fault => {
      if (fault.type !== 'message') return undefined
      const [scope, code] = (
        {
          1: ['connection', 'AUTH_FAILED'],
          2: ['connection', 'CONNECTION_LIMIT'],
          3: ['request', 'SYMBOL_LIMIT'],
          4: ['ignore', 'BAD_REQUEST'],
        } as const
      )[fault.code as 1] ?? ['connection', 'VENUE_ERROR']
      return { scope, error: new TickwireError(code, fault.message) }
    },
    symbol: text => {
      if (/^[A-Za-z]+$/.test(text)) return text.toUpperCase()
      throw new TickwireError('BAD_SYMBOL', `not a toy: ${text}`)
    },
    decoder: ({ source }) => ({
      decode(frame, _binary, receivedAt, inbox) {
        let message: Record<string, unknown>
        try {
          message = JSON.parse(Buffer.from(frame).toString())
        } catch {
          inbox.malformed('not JSON')
          return
        }
        if (message.hello) inbox.control({ type: 'welcome' })
        else if (message.in) inbox.control({ type: 'ready' })
        else if (message.error) {
          inbox.control({ type: 'error', code: message.error as number, message: 'toy error' })
        } else if (message.have) {
          const have = new Set(message.have as string[])
          inbox.control({ type: 'acknowledged', covers: topic => have.has(key(topic)) })
        } else if (Array.isArray(message.events)) {
          for (const event of message.events)
            inbox.event(createEvent({ ...event, source, receivedAt }))
        } else inbox.unknown(Object.keys(message)[0] ?? '')
      },
    }),
    ...overrides,
  }
}

export interface ToyVenue {
  /** Logs every new client in and confirms whatever it asks for. */
  obliging?: boolean
  description?: Partial<WebSocketDescription>
  feed?: FeedOptions
}

export function toyFeed({ obliging = true, description = {}, feed: options = {} }: ToyVenue = {}) {
  const clock = handClock()
  const net = scriptedSockets(obliging ? oblige : undefined)
  const provider = websocketProvider(toyDescription(description), { openSocket: net.openSocket })
  const feed = openFeed(provider, { clock, random: () => 0.5, ...options })
  return { clock, net, feed }
}

/** Says hello, lets everybody in, and confirms the whole state after each request. */
export function oblige(socket: ScriptedSocket): void {
  const have = new Set<string>()
  socket.onSent = frame => {
    const message = JSON.parse(String(frame))
    if (message.login) say(socket, { in: true })
    for (const name of message.add ?? []) have.add(name)
    for (const name of message.drop ?? []) have.delete(name)
    if (message.add || message.drop) say(socket, { have: [...have] })
  }
  socket.open()
  say(socket, { hello: true })
}

export function say(socket: ScriptedSocket, message: object): void {
  socket.send(JSON.stringify(message))
}

export const tradeOf = (symbol: string, timestamp: number) => ({
  ...{ type: 'trade', symbol, timestamp, price: 1, size: 1 },
})

/** Sends trades with rising timestamps. */
export function trade(socket: ScriptedSocket, symbol: string, ...timestamps: number[]): void {
  say(socket, { events: timestamps.map(timestamp => tradeOf(symbol, timestamp)) })
}

export const times = (events: readonly MarketEvent[]) => events.map(event => event.timestamp)
