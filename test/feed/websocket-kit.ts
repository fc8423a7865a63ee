import { TickwireError } from '../../src/base/errors.ts'
import { silentLog } from '../../src/base/log.ts'
import type { Control, WebSocketDescription } from '../../src/feed/description.ts'
import type { Connection, Link } from '../../src/feed/provider.ts'
import { websocketProvider } from '../../src/feed/websocket.ts'
import type { EventType, MarketEvent } from '../../src/market/events.ts'
import type { Topic } from '../../src/market/topics.ts'
import { handClock } from '../../src/testing/clock.ts'
import { scriptedSockets } from '../../src/testing/sockets.ts'
import { toyDescription } from './toy-venue.ts'

export const topicOf = (kind: EventType, symbol: string): Topic => ({
  ...{ source: 'toy', kind, symbol },
})
export const names = (topics: readonly Topic[]) => topics.map(topic => topic.symbol).join(' ')

/** One connection of a toy venue that neither greets nor authenticates; frames are controls as JSON, by symbol. */
export function connectTo(
  description: Partial<WebSocketDescription> = {},
  {
    topics = [] as readonly Topic[],
    accepts = true,
    signal = new AbortController().signal,
    log = silentLog,
  } = {},
) {
  const clock = handClock()
  const net = scriptedSockets(socket => {
    if (accepts) socket.open()
  })
  const told: string[] = []
  const events: MarketEvent[] = []
  const errors: TickwireError[] = []
  const link: Link = {
    ...{ source: 'toy', topics, clock, log, signal, raw: undefined },
    interest: { revision: 0, mask: () => -1 },
    authenticating: () => told.push('authenticating'),
    opened: () => told.push('opened'),
    emit: batch => {
      told.push(`events ${batch.length}`)
      events.push(...batch)
    },
    acknowledged: acked => told.push(`acknowledged ${names(acked)}`),
    rejected: (refused, reason) => {
      told.push(`rejected ${names(refused)}: ${reason.code}`)
      errors.push(reason)
    },
    broken: (topics, reason) => told.push(`broken ${names(topics)}: ${reason}`),
    outage: reason => told.push(`outage ${reason}`),
    malformed: (_, reason) => told.push(`malformed: ${reason}`),
    unknown: kind => told.push(`unknown ${kind}`),
    room: () => undefined,
  }
  const list = (frame: string, wanted: readonly Topic[]) => ({
    frame: (id: number) => `${id} ${frame} ${names(wanted)}`,
    topics: frame === 'add' ? wanted : [],
  })
  const provider = websocketProvider(
    {
      ...toyDescription(),
      welcomes: false,
      ...{ greet: undefined as never },
      subscribe: wanted => [list('add', wanted)],
      unsubscribe: wanted => [list('drop', wanted)],
      verdict: fault => {
        if (fault.type !== 'message') return undefined
        const unknown = fault.name === 'UNKNOWN' || fault.code === 5
        const error = new TickwireError(unknown ? 'UNKNOWN_SYMBOL' : 'VENUE_ERROR', fault.message)
        return { scope: unknown ? 'request' : 'connection', error }
      },
      decoder: () => ({
        decode(frame, _binary, _receivedAt, inbox) {
          inbox.control(parseControl(Buffer.from(frame).toString()))
        },
      }),
      ...description,
    },
    { openSocket: net.openSocket },
  )
  const connecting = provider.connect(link)
  connecting.catch(() => {})
  let connection!: Connection
  return {
    ...{ clock, net, told, events, errors, connecting },
    get connection() {
      return connection
    },
    /** What the venue got, as text. */
    get sent() {
      return net.last.sent.map(String)
    },
    async open() {
      await clock.advance(1)
      connection = await connecting
      told.length = 0
    },
    say: (control: object) => net.last.send(JSON.stringify(control)),
  }
}

/** A control in JSON: `symbols` stands for `covers`. */
export function parseControl(text: string): Control {
  const { symbols, ...rest } = JSON.parse(text) as { symbols?: string[] }
  const covers = (topic: Topic) => symbols!.includes(topic.symbol)
  return { ...rest, ...(symbols && { covers }) } as unknown as Control
}
