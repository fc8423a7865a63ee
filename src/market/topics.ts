import { TickwireError } from '../base/errors.ts'
import { EVENT_TYPES, type EventType, type Interval, type MarketEvent } from './events.ts'

/** What can be asked for: one kind of event of one symbol from one source. `'*'` stands for every source or symbol. */
export interface Topic {
  readonly source: string
  readonly kind: EventType
  readonly symbol: string
  /** For bars: their length; absent means any. */
  readonly interval?: Interval | undefined
}

/** Every symbol, or every source. */
export const ANY = '*'

/** What {@link isInterval} tests. */
export const INTERVAL = /^(?:[1-9]\d{0,4}[smhdw]|[1-9]\d{0,11}[tv$])$/

/** Whether a text is the length of a bar, such as `1m`, or what one holds, such as `500t`. */
export function isInterval(text: string): text is Interval {
  return INTERVAL.test(text)
}

/**
 * A topic as text: `source:kind:symbol`, a bar's interval behind its kind (`alpaca:bar@1m:AAPL`). The symbol is
 * the rest, whatever it holds: `openalgo:trade:NSE:RELIANCE`.
 */
export function formatTopic({ source, kind, symbol, interval }: Topic): string {
  return `${source}:${kind}${interval ? `@${interval}` : ''}:${symbol}`
}

/** The reverse of {@link formatTopic}. @throws BAD_OPTION when the text is not a topic. */
export function parseTopic(text: string): Topic {
  const first = text.indexOf(':')
  const second = text.indexOf(':', first + 1)
  if (first > 0 && second > first && second < text.length - 1) {
    const topic = topicOf(
      text.slice(0, first),
      text.slice(first + 1, second),
      text.slice(second + 1),
    )
    if (topic) return topic
  }
  throw new TickwireError('BAD_OPTION', `not a topic: ${text}`, {
    hint: 'A topic is source:kind:symbol, as in alpaca:trade:AAPL or alpaca:bar@1m:AAPL.',
  })
}

function topicOf(source: string, channel: string, symbol: string): Topic | undefined {
  const at = channel.indexOf('@')
  const kind = at < 0 ? channel : channel.slice(0, at)
  const interval = at < 0 ? undefined : channel.slice(at + 1)
  if (!(EVENT_TYPES as readonly string[]).includes(kind)) return undefined
  if (interval === undefined) return { source, kind: kind as EventType, symbol }
  return isInterval(interval) ? { source, kind: kind as EventType, symbol, interval } : undefined
}

/**
 * A topic as a NATS subject or a key: `tw.source.kind.symbol`, every byte outside `A–Z a–z 0–9 _ -` written as
 * `=HH`, so that dots, slashes and spaces neither split nor break it. {@link ANY} stays a star, the wildcard of NATS.
 */
export function encodeSubject({ source, kind, symbol, interval }: Topic): string {
  const channel = interval ? `${kind}-${encodeToken(interval)}` : kind
  return `tw.${encodeToken(source)}.${channel}.${encodeToken(symbol)}`
}

/** The reverse of {@link encodeSubject}. @throws BAD_OPTION when the text is not such a subject */
export function decodeSubject(subject: string): Topic {
  const [, source, channel, symbol] = subject.split('.')
  if (source && channel && symbol) {
    const [kind, length] = channel.split('-')
    const words = length === undefined ? channel : `${kind}@${decodeToken(length)}`
    const topic = topicOf(decodeToken(source), words, decodeToken(symbol))
    // One spelling per topic: whatever else decodes is not ours.
    if (topic && encodeSubject(topic) === subject) return topic
  }
  throw new TickwireError('BAD_OPTION', `not a tickwire subject: ${subject}`, {
    hint: 'A subject is tw.source.kind.symbol, as in tw.alpaca.trade.BTC=2FUSD or tw.alpaca.bar-1m.AAPL.',
  })
}

function encodeToken(text: string): string {
  if (text === ANY) return ANY
  let token = ''
  for (const byte of new TextEncoder().encode(text)) {
    const char = String.fromCharCode(byte)
    const hex = byte.toString(16).padStart(2, '0').toUpperCase()
    token += /[A-Za-z0-9_-]/.test(char) ? char : `=${hex}`
  }
  return token
}

function decodeToken(token: string): string {
  const bytes: number[] = []
  for (let i = 0; i < token.length; i++) {
    if (token[i] !== '=') bytes.push(token.charCodeAt(i))
    else {
      bytes.push(Number.parseInt(token.slice(i + 1, i + 3), 16))
      i += 2
    }
  }
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array(bytes))
}

/** Whether an event belongs to any of the topics; notices always do. */
export function topicFilter(topics: readonly Topic[]): (event: MarketEvent) => boolean {
  const bySymbol = new Map<string, Topic[]>()
  for (const topic of topics) {
    const list = bySymbol.get(topic.symbol)
    if (list) list.push(topic)
    else bySymbol.set(topic.symbol, [topic])
  }
  const any = bySymbol.get(ANY)
  const hit = (list: readonly Topic[] | undefined, event: MarketEvent) =>
    list?.some(
      topic =>
        topic.kind === event.type &&
        (topic.source === ANY || topic.source === event.source) &&
        (topic.interval === undefined || event.type !== 'bar' || topic.interval === event.interval),
    ) ?? false
  return event => {
    if (event.type === 'notice' || hit(any, event)) return true
    if (event.type === 'news') return event.symbols.some(symbol => hit(bySymbol.get(symbol), event))
    return hit(bySymbol.get(event.symbol), event)
  }
}
