import { type ErrorCode, TickwireError } from '../../base/errors.ts'

/** What there is a limited number of. */
export type Budget = 'lines' | 'ticks' | 'books'
/** Servers of IBKR that TWS reports on: of live data, of history, of contracts. */
export type Farm = 'market' | 'history' | 'contracts'

/** What one of TWS's codes means to a stream. */
export type Meaning =
  /** The connection is over, or no use. */
  | { readonly type: 'ends'; readonly error: TickwireError }
  /** The request it names is refused. */
  | { readonly type: 'refuses'; readonly error: TickwireError }
  /** Refused for want of room. */
  | { readonly type: 'full'; readonly of: Budget; readonly error: TickwireError }
  /** TWS itself has lost IBKR, or has it again: `anew` with all subscriptions gone, `kept` with them. */
  | { readonly type: 'upstream'; readonly state: 'lost' | 'anew' | 'kept' }
  /** A farm is gone, or there again, or would be if it were needed. */
  | { readonly type: 'farm'; readonly farm: Farm; readonly name: string; readonly ok: boolean }
  /** The line stays open and says nothing: the account is logged in elsewhere. */
  | { readonly type: 'mute' }
  /** The subscription it names is dead, and may be made again. */
  | { readonly type: 'again' }
  /** The book it names is empty, and will be sent anew. */
  | { readonly type: 'emptied' }
  /** TWS listens elsewhere from now on. */
  | { readonly type: 'moved'; readonly port: number | undefined; readonly error: TickwireError }
  /** Faster than TWS takes messages. */
  | { readonly type: 'too-fast'; readonly error: TickwireError }
  /** For the log. */
  | { readonly type: 'advice' }
  | { readonly type: 'unknown'; readonly error: TickwireError }

const SUBSCRIBE =
  'Subscribe to the market data in the Client Portal (Settings → Market Data Subscriptions; the API needs its own ' +
  "acknowledgement there), or take quotes and tickers that are free with dataType: 'delayed': on the command line " +
  'TICKWIRE_IBKR_DATA=delayed and --kinds quotes,tickers.'
/** What TWS writes with several codes where the account lacks the data. */
const LACKS = /permission|not subscribed/i

/** Whether a text says that the account lacks the data, whatever its code. */
export const lacksData = (text: string) => LACKS.test(text)

/**
 * What a code of message 4 means. https://interactivebrokers.github.io/tws-api/message_codes.html; docs/providers/ibkr.md
 * holds the table for people.
 */
export function meaningOf(code: number, text: string): Meaning {
  const said = text.replace(/\s+/g, ' ').trim().slice(0, 300)
  const error = (is: ErrorCode, message: string, hint?: string, retryAfterMs?: number) =>
    new TickwireError(is, `${message} (TWS ${code}: ${said})`, { hint, retryAfterMs })
  const refuses = (is: ErrorCode, message: string, hint?: string): Meaning => ({
    type: 'refuses',
    error: error(is, message, hint),
  })
  switch (code) {
    case 100:
      return {
        type: 'too-fast',
        error: error('RATE_LIMITED', 'TWS takes no more messages for now'),
      }
    case 101:
      return {
        type: 'full',
        of: 'lines',
        error: error(
          'SYMBOL_LIMIT',
          'all market data lines are in use',
          'Close watchlists in TWS, which use the same lines, or buy a Quote Booster Pack.',
        ),
      }
    case 200:
      return refuses('UNKNOWN_SYMBOL', 'IBKR has no such contract')
    case 309:
      return {
        type: 'full',
        of: 'books',
        error: error(
          'SYMBOL_LIMIT',
          'no more books at the same time',
          'An account with 100 market data lines has 3 books.',
        ),
      }
    case 10190:
      return {
        type: 'full',
        of: 'ticks',
        error: error(
          'SYMBOL_LIMIT',
          'no more tick-by-tick streams at the same time',
          'An account with 100 market data lines has 5, which all programs of the login share: end one of them, or ask for ' +
            'tickers, which come by lines.',
        ),
      }
    case 354:
    case 10089:
    case 10168:
    case 10186:
    case 10189:
      return refuses('NOT_ENTITLED', 'this account has no subscription for the data', SUBSCRIBE)
    case 10092:
      return refuses('NOT_ENTITLED', 'this exchange has no book for this contract')
    case 320:
    case 321:
    case 322:
      return refuses('BAD_REQUEST', 'TWS did not take the request')
    case 162:
    case 420:
      if (lacksData(text)) {
        return refuses('NOT_ENTITLED', 'this account has no subscription for the data', SUBSCRIBE)
      }
      return code === 420 || /pacing/i.test(text)
        ? refuses('RATE_LIMITED', 'TWS takes no more questions of this kind for now')
        : { type: 'unknown', error: error('VENUE_ERROR', 'TWS reports an error') }
    case 316:
    case 10182:
    case 10225:
      return { type: 'again' }
    case 317:
      return { type: 'emptied' }
    case 326:
      return {
        type: 'ends',
        error: error(
          'CONNECTION_LIMIT',
          'the client id is in use by another program; choose another clientId, or end that program',
          'Each program that is connected to the same TWS needs a clientId of its own (TICKWIRE_IBKR_CLIENT).',
          10_000,
        ),
      }
    case 503:
    case 506:
      return {
        type: 'ends',
        error: error(
          'UNSUPPORTED',
          'this version of TWS or IB Gateway cannot be used',
          'Install the current stable version.',
        ),
      }
    case 502:
    case 504:
      return { type: 'ends', error: error('CONNECTION_LOST', 'the connection to TWS was lost') }
    case 1100:
    case 2110:
      return { type: 'upstream', state: 'lost' }
    case 1101:
      return { type: 'upstream', state: 'anew' }
    case 1102:
      return { type: 'upstream', state: 'kept' }
    case 1300: {
      const port = Number(/(\d{2,5})\D*$/.exec(text)?.[1])
      return {
        type: 'moved',
        port: port > 0 && port < 65_536 ? port : undefined,
        error: error('CONNECTION_LOST', 'TWS listens on another port now'),
      }
    }
    case 2103:
      return farm('market', text, false)
    case 2104:
    case 2108:
      return farm('market', text, true)
    case 2105:
      return farm('history', text, false)
    // What sleeps until it is needed is not broken.
    case 2106:
    case 2107:
      return farm('history', text, true)
    case 2157:
      return farm('contracts', text, false)
    case 2158:
      return farm('contracts', text, true)
    case 10197:
      return { type: 'mute' }
    // A cancel of what is gone already, data that comes delayed or in part, and a farm that is being connected to.
    case 300:
    case 310:
    case 366:
    case 2119:
    case 2152:
    case 2174:
    case 10090:
    case 10091:
    case 10167:
      return { type: 'advice' }
    default:
      // Warnings of the system; what ends something has a number of its own.
      if ((code >= 2_100 && code < 3_000) || /\bwarning\b/i.test(text)) return { type: 'advice' }
      return { type: 'unknown', error: error('VENUE_ERROR', 'TWS reports an error') }
  }
}

/** The name stands at the end: `Market data farm connection is broken:usfarm`, `… available upon demand.usfarm`. */
function farm(kind: Farm, text: string, ok: boolean): Meaning {
  return {
    type: 'farm',
    farm: kind,
    name: /(?::|demand\.)\s*([\w.-]+)\s*$/.exec(text)?.[1] ?? '',
    ok,
  }
}
