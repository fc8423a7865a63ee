import { type ErrorCode, TickwireError } from '../../base/errors.ts'
import type { Fault, Judgement } from '../../feed/description.ts'
import type { FeedInfo } from './feeds.ts'
import type { Market } from './markets.ts'

/** Where a user of Polygon gets a key. */
export const KEYS_PAGE = 'https://massive.com/dashboard/keys'
const PLANS_PAGE = 'https://massive.com/pricing'

/** Two processes with one key throw each other off: nobody comes back sooner than this, ms. */
const COOL_DOWN_MS = 60_000

const KEY_HINT = `Check the key; it is shown at ${KEYS_PAGE}`
const LIMIT_HINT =
  'Another program uses this key on the same market (individual plans allow one connection, delayed and real-time together); stop it, or raise the limit with the venue.'

/** The venue tells a bad key and a plan without a stream apart in prose only. */
const NO_STREAM = /plan|websocket access|upgrade/i
const LACKING = /authori[sz]ed|entitle|access|plan\b|agreement/i

/**
 * How Polygon's faults are to be read: the words of its statuses, and close code 1008. Other codes are not documented:
 * any other close means try again. https://massive.com/docs/websocket/quickstart
 */
export function polygonVerdict(
  market: Market,
  feed: FeedInfo,
  fault: Fault,
): Judgement | undefined {
  if (fault.type === 'upgrade') return undefined
  if (fault.type === 'close') {
    if (fault.code !== 1_008) return undefined
    const why = fault.reason ? `: ${fault.reason}` : ''
    return limit(`Polygon (${market.name}) closed the connection (1008${why})`)
  }
  const { name, message } = fault
  const said = `Polygon (${market.name}) says ${message || name}`
  switch (name) {
    case 'auth_failed':
      return NO_STREAM.test(message)
        ? connection('NOT_ENTITLED', said, planHint(market))
        : connection('AUTH_FAILED', said, KEY_HINT)
    case 'auth_timeout':
      return connection('HANDSHAKE_TIMEOUT', said, 'The key did not reach the venue in time.')
    case 'max_connections':
      return limit(said)
    case 'no_realtime':
      return connection('NOT_ENTITLED', said, realtimeHint(feed))
    case 'error': {
      const [code, hint]: [ErrorCode, string] = LACKING.test(message)
        ? ['NOT_ENTITLED', channelHint(market, feed)]
        : ['BAD_REQUEST', 'Check the symbols and kinds that were asked for.']
      return { scope: 'request', error: new TickwireError(code, said, { hint }) }
    }
  }
  return undefined
}

function connection(code: ErrorCode, message: string, hint: string): Judgement {
  return { scope: 'connection', error: new TickwireError(code, message, { hint }) }
}

function limit(message: string): Judgement {
  const details = { hint: LIMIT_HINT, retryAfterMs: COOL_DOWN_MS }
  return { scope: 'connection', error: new TickwireError('CONNECTION_LIMIT', message, details) }
}

function planHint({ name }: Market): string {
  return `The plan has no stream of ${name} (the free one has none at all): choose one at ${PLANS_PAGE}`
}

function realtimeHint({ nature }: FeedInfo): string {
  return nature === 'delayed'
    ? `The plan lacks this data: see ${PLANS_PAGE}`
    : "Set feed 'delayed' for data 15 minutes late, or sign the exchange agreements in the dashboard and take a real-time plan."
}

/** https://massive.com/docs/websocket/stocks/trades: what each plan has. */
function channelHint({ name, bars }: Market, { nature }: FeedInfo): string {
  const least = `Bars (${Object.keys(bars).join(', ')}) are in every plan with a stream`
  const more = nature === 'delayed' ? '' : ", late ones with feed 'delayed'"
  return `The plan of this key lacks that kind of ${name} data. ${least}${more}; trades and quotes take a higher one: ${PLANS_PAGE}`
}
