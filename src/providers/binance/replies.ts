/**
 * The venue's answers to requests, and its errors.
 * https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md#live-subscribingunsubscribing-to-streams
 */
import { type ErrorCode, TickwireError } from '../../base/errors.ts'
import type { Fault, Inbox, Judgement } from '../../feed/description.ts'

type Message = Readonly<Record<string, unknown>>

/** The notice of a server that is about to go away. */
export const SHUTDOWN = 'serverShutdown'

/** Reads a message that is no event. */
export function readReply(message: Message, inbox: Inbox): void {
  const { result, id, error } = message
  const number = Number.isSafeInteger(id) ? (id as number) : undefined
  const fault = isMap(error) ? error : message
  const { code, msg } = fault
  if (Number.isSafeInteger(code) && typeof msg === 'string') {
    // Most errors name no request: then it is the oldest.
    inbox.control({ type: 'error', code: code as number, message: msg, id: number })
  } else if (result === null && number !== undefined) {
    inbox.control({ type: 'confirmed', id: number })
  } else inbox.unknown(Object.keys(message).slice(0, 4).join(' ').slice(0, 32))
}

function isMap(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Why the venue lets somebody in, or not, by HTTP. https://www.binance.com/en/support/faq lists no countries. */
export const REGION_HINT =
  "Binance refuses this address by its country. Try the option site: 'us' (Binance.US, another venue with its own prices) or site: 'vision' (its hosts for market data), or another provider: kraken, coinbase."

/** HTTP statuses of the upgrade and of REST alike. */
export const STATUSES: {
  readonly [status: number]: { readonly code: ErrorCode; readonly hint: string }
} = {
  403: {
    code: 'REGION_REFUSED',
    hint: 'The firewall before Binance blocks this address: a data centre, VPN or proxy, or too many requests. Wait five minutes, or try another network.',
  },
  418: {
    code: 'RATE_LIMITED',
    hint: 'Binance has banned this address for asking on after it said stop: from two minutes to three days. All programs behind the address count.',
  },
  429: {
    code: 'RATE_LIMITED',
    hint: 'One address may open 300 connections in five minutes, and ask REST for a weight of 6000 a minute; other programs behind it count too.',
  },
  451: { code: 'REGION_REFUSED', hint: REGION_HINT },
}

/** How Binance's faults are to be read. */
export function binanceVerdict(fault: Fault): Judgement | undefined {
  if (fault.type === 'upgrade') {
    const { status, retryAfterMs } = fault
    const rule = STATUSES[status]
    if (!rule) return undefined
    const message = `Binance refused the connection with HTTP ${status}`
    const error = new TickwireError(rule.code, message, { hint: rule.hint, retryAfterMs })
    return { scope: 'connection', error }
  }
  if (fault.type === 'close') {
    if (fault.code !== 1_008) return undefined
    const why = fault.reason ? `: ${fault.reason}` : ''
    const message = `Binance closed the connection for a breach of its rules (1008${why})`
    const hint = 'It takes five messages a second from a connection, pings and pongs included.'
    return { scope: 'connection', error: new TickwireError('RATE_LIMITED', message, { hint }) }
  }
  const { message } = fault
  const said = `Binance says: ${message}`
  if (/too many (streams|subscriptions)|max\S* streams|1024/i.test(message)) {
    const hint = 'A connection carries 1024 streams: raise the option connections, or ask for less.'
    return { scope: 'request', error: new TickwireError('SYMBOL_LIMIT', said, { hint }) }
  }
  if (/too many (requests|messages)|rate limit/i.test(message)) {
    return { scope: 'connection', error: new TickwireError('RATE_LIMITED', said) }
  }
  return { scope: 'request', error: new TickwireError('BAD_REQUEST', said) }
}
