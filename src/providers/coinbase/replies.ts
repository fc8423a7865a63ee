/**
 * The venue's answers to requests, and its errors.
 * https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview
 */
import { type ErrorCode, TickwireError } from '../../base/errors.ts'
import type { Fault, Inbox, Judgement } from '../../feed/description.ts'
import type { Topic } from '../../market/topics.ts'
import { streamOf } from './channels.ts'

/** Tells what is subscribed, as the `subscriptions` message lists it: products by channel. */
export function readSubscriptions(value: unknown, inbox: Inbox): void {
  if (typeof value !== 'object' || value === null) {
    inbox.malformed('subscriptions: no list by channel')
    return
  }
  const streams = new Set<string>()
  for (const [channel, products] of Object.entries(value)) {
    if (!Array.isArray(products)) continue
    const name = channel === 'l2_data' ? 'level2' : channel
    for (const product of products as unknown[]) streams.add(`${name} ${product}`)
  }
  const covers = (topic: Topic) => streams.has(streamOf(topic) ?? '')
  inbox.control({ type: 'acknowledged', covers })
}

const PRODUCTS_HINT =
  'Pairs are written BTC/USD or BTC-USD; provider.instruments() names all that trade.'

/** HTTP statuses of the upgrade and of REST alike. */
export const STATUSES: {
  readonly [status: number]: { readonly code: ErrorCode; readonly hint: string }
} = {
  403: {
    code: 'REGION_REFUSED',
    hint: 'Coinbase or the firewall before it blocks this address: a country it does not serve, a data centre, VPN or proxy. Try another network, or another provider: kraken, binance.',
  },
  429: {
    code: 'RATE_LIMITED',
    hint: 'One address may open eight connections a second and ask REST ten times a second; other programs behind it count too.',
  },
  451: {
    code: 'REGION_REFUSED',
    hint: 'Coinbase does not serve the country of this address. Try another provider: kraken, binance.',
  },
}

/** How Coinbase's faults are to be read. */
export function coinbaseVerdict(fault: Fault): Judgement | undefined {
  if (fault.type === 'upgrade') {
    const { status, retryAfterMs } = fault
    const rule = STATUSES[status]
    if (!rule) return undefined
    const message = `Coinbase refused the connection with HTTP ${status}`
    const error = new TickwireError(rule.code, message, { hint: rule.hint, retryAfterMs })
    return { scope: 'connection', error }
  }
  if (fault.type === 'close') {
    // Names of the older feed, whose servers these are. https://docs.cdp.coinbase.com/exchange/websocket-feed/overview
    if (/ErrSlowConsume/i.test(fault.reason)) {
      const hint = 'This machine or network is too slow for all that is subscribed: ask for less.'
      const error = new TickwireError('SLOW_CLIENT', 'Coinbase let go of a slow client', { hint })
      return { scope: 'connection', error }
    }
    if (fault.code !== 1_008 && !/ErrSlowRead|rate limit/i.test(fault.reason)) return undefined
    const why = fault.reason ? `: ${fault.reason}` : ''
    const message = `Coinbase closed the connection for a breach of its rules (${fault.code}${why})`
    return { scope: 'connection', error: new TickwireError('RATE_LIMITED', message) }
  }
  const said = `Coinbase says: ${fault.message}`
  const judged = (code: ErrorCode, hint?: string): Judgement => ({
    ...{ scope: 'request', error: new TickwireError(code, said, { hint }) },
  })
  if (/too many (L2|level2) streams/i.test(fault.message)) {
    return judged(
      'SYMBOL_LIMIT',
      'Books and quotes take a connection for ten pairs: raise the option connections.',
    )
  }
  if (/rate limit|too many (requests|messages)/i.test(fault.message)) {
    return { scope: 'connection', error: new TickwireError('RATE_LIMITED', said) }
  }
  if (/product/i.test(fault.message)) return judged('UNKNOWN_SYMBOL', PRODUCTS_HINT)
  // Said of channels that are none, too: those asked for here need no key.
  return judged('BAD_REQUEST')
}
