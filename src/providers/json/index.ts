import { systemClock } from '../../base/clock.ts'
import { type ErrorCode, TickwireError } from '../../base/errors.ts'
import { silentLog } from '../../base/log.ts'
import type { OpenSocket } from '../../base/socket.ts'
import type {
  Frame,
  Inbox,
  Judgement,
  Request,
  WebSocketDescription,
} from '../../feed/description.ts'
import { KIND_BIT, type Provider } from '../../feed/provider.ts'
import { Quarantine, type QuarantineRule } from '../../feed/quarantine.ts'
import { websocketProvider } from '../../feed/websocket.ts'
import { EVENT_TYPES, type Interval, type MarketEvent } from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'
import { JsonDecoder } from './codec.ts'
import { type JsonConfig, type JsonConfigInput, readJsonConfig } from './config.ts'
import { JSON_FACTS } from './facts.ts'
import { JsonSymbols } from './symbols.ts'
import { render, takesOne, type Variables } from './template.ts'

export { type JsonConfigInput, jsonConfigSchema } from './config.ts'

export interface JsonOptions {
  /** What `${NAME}` in the configuration stands for. @default nothing */
  readonly variables?: Variables
  /** Another transport, for tests. @default `ws` */
  readonly openSocket?: OpenSocket | undefined
}

/**
 * A vendor nobody wrote a provider for: address, messages and fields come from a configuration, as docs/providers/json.md
 * describes it. It is read with `JSON.parse`, so it is slower than the providers that are written out.
 * @throws BAD_CONFIG naming the field, MISSING_KEY for a variable that is not set
 */
export function json(config: JsonConfigInput, options: JsonOptions = {}): Provider {
  const { variables = {}, openSocket } = options
  return websocketProvider(
    jsonDescription(readJsonConfig(config, variables)),
    openSocket ? { openSocket } : {},
  )
}

/** Of one message, unless the configuration says otherwise. */
const MOST_SYMBOLS = 100

function jsonDescription(config: JsonConfig): WebSocketDescription {
  const symbols = new JsonSymbols(config.symbols)
  const { subscribe, limits, heartbeat, greet } = config
  // A second message would replace the first.
  const most = subscribe.replaces ? Number.POSITIVE_INFINITY : (subscribe.most ?? MOST_SYMBOLS)
  const kinds = EVENT_TYPES.filter(kind => config.messages.some(rule => rule.kind === kind))
  const intervals = config.messages.flatMap(rule => rule.interval ?? [])
  return {
    id: config.id,
    capabilities: {
      title: config.title ?? config.id,
      kinds,
      barIntervals: [...new Set<Interval>(intervals)],
      wildcard: [],
      nature: config.nature,
      auth: 'none',
      limits: {
        connections: limits.connections,
        ...(limits.symbols !== undefined && { symbolsPerConnection: limits.symbols }),
      },
      history: false,
      facts: JSON_FACTS,
      silenceHint:
        'look at the raw messages (--raw) and at what becomes of one (tickwire json check)',
    },
    url: config.url,
    headers: config.headers,
    ...(config.welcome && { welcomes: true }),
    ...((greet.length > 0 || config.ready) && {
      greet: () => greet.map(frame => frameOf(frame, [])),
      unanswered: !config.ready,
    }),
    subscribe: (topics, held) =>
      requests(subscribe.replaces ? held : topics, topics, subscribe.message, most, symbols),
    unsubscribe: (topics, held) => {
      if (subscribe.replaces) return requests(held, [], subscribe.message, most, symbols)
      if (subscribe.unsubscribe === undefined) return []
      const kept = new Set(held.map(({ symbol }) => symbol))
      const gone = topics.filter(({ symbol }) => !kept.has(symbol))
      return requests(gone, [], subscribe.unsubscribe, most, symbols)
    },
    ...(limits.messages !== undefined && { pace: { messages: limits.messages, perMs: 1_000 } }),
    ping: {
      ...{ everyMs: heartbeat.every, timeoutMs: heartbeat.within },
      ...(heartbeat.send !== undefined && { frame: frameOf(heartbeat.send, []) }),
    },
    handshakeTimeoutMs: 10_000,
    maxFrameBytes: 16 * 1_024 * 1_024,
    verdict: fault => (fault.type === 'message' ? judge(config, fault) : undefined),
    symbol: text => symbols.symbol(text),
    selects: true,
    decoder: context => new JsonDecoder(config, symbols, context),
  }
}

const CODES = {
  ...{ auth: 'AUTH_FAILED', plan: 'NOT_ENTITLED', limit: 'SYMBOL_LIMIT', slow: 'RATE_LIMITED' },
  ...{ request: 'UNKNOWN_SYMBOL', retry: 'VENUE_ERROR' },
} as const satisfies Record<string, ErrorCode>

function judge(
  { id }: JsonConfig,
  {
    code,
    name,
    message,
  }: { code?: number | undefined; name?: string | undefined; message: string },
): Judgement {
  const means = (name ?? 'retry') as keyof typeof CODES
  const number = code === undefined ? '' : ` ${code}`
  const error = new TickwireError(CODES[means], `${id} says${number}: ${message}`, {
    hint:
      means === 'auth'
        ? 'Check the variables that the configuration of the json provider uses.'
        : means === 'plan'
          ? 'The plan of this key does not have it.'
          : undefined,
  })
  const scope = ['request', 'plan', 'limit'].includes(means) ? 'request' : 'connection'
  return { scope, error }
}

/** Messages that name the symbols of `named`, and ask for `topics`. */
function requests(
  named: readonly Topic[],
  topics: readonly Topic[],
  message: unknown,
  most: number,
  symbols: JsonSymbols,
): Request[] {
  const names = [...new Set(named.map(({ symbol }) => symbol))]
  const size = takesOne(message) ? 1 : most
  const list: Request[] = []
  for (let i = 0; i < names.length; i += size) {
    const chunk = names.slice(i, i + size)
    list.push({
      frame: id =>
        frameOf(
          message,
          chunk.map(name => symbols.venue(name)),
          id,
        ),
      topics: topics.filter(({ symbol }) => chunk.includes(symbol)),
    })
  }
  return list
}

function frameOf(message: unknown, names: readonly string[], id = 0): Frame {
  const rendered = render(message, { symbols: names, id })
  return typeof rendered === 'string' ? rendered : JSON.stringify(rendered)
}

/** What became of one frame. */
export interface FrameCheck {
  /** What a feed would deliver. */
  readonly events: readonly MarketEvent[]
  /** What it would keep back, because it cannot be true: docs/quarantine.md has the rules. */
  readonly quarantined: readonly { readonly rule: QuarantineRule; readonly event: MarketEvent }[]
  /** What it says about the connection: `ready`, `confirmed`, `error`, `reply` … */
  readonly controls: readonly string[]
  readonly malformed: readonly string[]
  /** Messages no rule fits. */
  readonly unknown: readonly string[]
}

/** What a frame would become, and the messages that ask for symbols: to try a configuration out without the venue. */
export function checkJson(
  config: JsonConfigInput,
  {
    variables = {},
    frame,
    symbols = [],
  }: JsonOptions & { frame?: string; symbols?: readonly string[] },
): FrameCheck & { readonly sent: readonly Frame[] } {
  const description = jsonDescription(readJsonConfig(config, variables))
  const clock = systemClock()
  const events: MarketEvent[] = []
  const quarantined: { rule: QuarantineRule; event: MarketEvent }[] = []
  const [controls, malformed, unknown]: [string[], string[], string[]] = [[], [], []]
  const quarantine = new Quarantine(description.capabilities.nature, {}, silentLog)
  const take = (event: MarketEvent) => {
    const rule = quarantine.ruleOf(event, clock.now())
    if (rule === undefined) events.push(event)
    else quarantined.push({ rule, event })
  }
  const inbox: Inbox = {
    event: take,
    control: ({ type }) => controls.push(type),
    malformed: reason => malformed.push(reason),
    unknown: kind => unknown.push(kind),
  }
  const everything = EVENT_TYPES.reduce((mask, kind) => mask | KIND_BIT[kind], 0)
  const interest = { revision: 0, mask: () => everything }
  const decoder = description.decoder({
    ...{ source: description.id, interest, clock, log: silentLog, signal: AbortSignal.abort() },
    ...{ emit: batch => batch.forEach(take), control: inbox.control },
  })
  const topics = symbols.map(text => {
    const [kind] = description.capabilities.kinds
    const symbol = description.symbol(text)
    return { source: description.id, kind: kind!, symbol, interval: undefined }
  })
  // Behind the symbols: how they are written is how they are read.
  if (frame !== undefined) decoder.decode(Buffer.from(frame), false, clock.now(), inbox)
  const asked = [...(description.greet?.() ?? []), ...description.subscribe(topics, topics)]
  const sent = asked.map(message =>
    typeof message === 'object' && 'frame' in message
      ? typeof message.frame === 'function'
        ? message.frame(1)
        : message.frame
      : message,
  )
  return { events, quarantined, controls, malformed, unknown, sent }
}
