/** The venue's answers to requests, and its errors. https://docs.kraken.com/api/docs/guides/spot-ws-intro */
import { TickwireError } from '../../base/errors.ts'
import type { Fault, Inbox, Judgement } from '../../feed/description.ts'
import { coversStream, intervalOf } from './channels.ts'
import type { Market } from './market.ts'
import { REGION_HINT } from './rest.ts'
import { isSymbol, unknownPair } from './symbols.ts'

type Message = Readonly<Record<string, unknown>>

/** Reads a message with a `method`, or with an `error` and none. */
export function readReply(message: Message, market: Market, inbox: Inbox): void {
  const { method, success, error, req_id } = message
  if (method === 'pong') return
  const result = isMap(message.result) ? message.result : {}
  const id = Number.isSafeInteger(req_id) ? (req_id as number) : undefined
  const channel = textOf(result.channel)
  const symbol = symbolOf(result.symbol ?? message.symbol)
  const minutes = typeof result.interval === 'number' ? result.interval : undefined
  for (const warning of Array.isArray(result.warnings) ? result.warnings : []) {
    if (typeof warning === 'string') market.tell('info', `Kraken: ${warning}`)
  }
  if (success === true) {
    if (method === 'unsubscribe') market.ended(channel, symbol, intervalOf(minutes))
    if (method !== 'subscribe') return
    // Whose status can be had is known when the pairs are.
    if (channel === 'instrument') return
    inbox.control({ type: 'confirmed', id, covers: coversStream(channel, symbol, minutes) })
    return
  }
  const said = textOf(error)
  if (said === undefined) {
    inbox.unknown(textOf(method) ?? 'a message without channel or method')
    return
  }
  const covers = symbol === undefined ? undefined : coversStream(undefined, symbol, undefined)
  if (ALREADY.test(said)) {
    const named = covers ?? (topic => topic.kind !== 'status')
    inbox.control({ type: 'confirmed', id, covers: named })
    if (!covers) market.answerStatus(inbox)
    return
  }
  // All our requests have numbers: an error without one answers none of them.
  const name = id === undefined ? UNASKED : undefined
  if (id === undefined) market.tell('warn', `Kraken says: ${said}`)
  inbox.control({ type: 'error', code: undefined, name, message: said, id, covers })
}

const ALREADY = /already subscribed/i
const UNASKED = 'UNASKED'

function isMap(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined)
const symbolOf = (value: unknown) =>
  typeof value === 'string' && isSymbol(value) ? value : undefined

/** HTTP answers to the upgrade. Before the venue stands a wall that blocks addresses. */
const UPGRADES: {
  readonly [status: number]: readonly ['REGION_REFUSED' | 'RATE_LIMITED', hint: string]
} = {
  403: ['REGION_REFUSED', REGION_HINT],
  429: ['RATE_LIMITED', 'Kraken takes about 150 connections in ten minutes from one address.'],
  451: ['REGION_REFUSED', REGION_HINT],
}

/** How Kraken's faults are to be read. */
export function krakenVerdict(fault: Fault): Judgement | undefined {
  if (fault.type === 'upgrade') {
    const rule = UPGRADES[fault.status]
    if (!rule) return undefined
    const { status, retryAfterMs } = fault
    const [code, hint] = rule
    const message = `Kraken refused the connection with HTTP ${status}`
    return {
      scope: 'connection',
      error: new TickwireError(code, message, { hint, retryAfterMs }),
    }
  }
  if (fault.type === 'close') {
    // Its own client gives up on 1008. A feed that runs for months does better to try again, slowly.
    if (fault.code !== 1_008) return undefined
    const why = fault.reason ? `: ${fault.reason}` : ''
    const message = `Kraken closed the connection for a breach of its rules (1008${why})`
    return { scope: 'connection', error: new TickwireError('RATE_LIMITED', message) }
  }
  const { message, name } = fault
  const error = judge(message)
  return { scope: name === UNASKED ? 'ignore' : 'request', error }
}

function judge(message: string): TickwireError {
  const said = `Kraken says: ${message}`
  if (/rate limit|too many/i.test(message)) return new TickwireError('RATE_LIMITED', said)
  if (/(pair|symbol)\S* not (supported|found|in ISO)/i.test(message)) {
    return unknownPair(said)
  }
  if (/not supported/i.test(message)) return new TickwireError('UNSUPPORTED', said)
  return new TickwireError('BAD_REQUEST', said)
}
