import { type ErrorCode, TickwireError } from '../../base/errors.ts'
import type { Fault, Judgement } from '../../feed/description.ts'
import { type AlpacaFeed, FEEDS, MARKETS } from './feeds.ts'

/** Where a user of Alpaca gets a key. */
export const KEYS_PAGE = 'https://app.alpaca.markets/paper/dashboard/overview'

type Rule = readonly [scope: Judgement['scope'], code: ErrorCode, hint?: string | undefined]

const KEY_HINT = `Check the key and secret; they are made at ${KEYS_PAGE}`
const PLAN_HINT = 'The plan lacks this feed: try PLAN, or upgrade at https://alpaca.markets/data'
const SYMBOLS_HINT = 'Ask for fewer symbols (the free plan carries LIMIT) or upgrade the plan.'

/** What a free plan has of each market, for hints. https://docs.alpaca.markets/docs/about-market-data-api */
const FREE: { readonly [id: string]: { readonly PLAN: string; readonly LIMIT: string } } = {
  [MARKETS.stocks.id]: {
    PLAN: "feed 'iex' (free), 'delayed_sip' or 'test'",
    LIMIT: '30 of trades and quotes',
  },
  [MARKETS.crypto.id]: { PLAN: "feed 'us' (free)", LIMIT: '30 of trades and quotes, 10 books' },
  [MARKETS.options.id]: { PLAN: "feed 'indicative' (free)", LIMIT: '200 of quotes' },
  [MARKETS.news.id]: { PLAN: 'another key', LIMIT: 'any number' },
}

/**
 * Error messages of the stream. https://docs.alpaca.markets/docs/streaming-market-data#errors
 * (408 is legacy; 411 is only known from Alpaca's Go client.)
 */
const MESSAGES: Readonly<Record<number, Rule>> = {
  400: ['request', 'BAD_REQUEST', 'Check the symbols: the venue found one malformed.'],
  401: ['connection', 'AUTH_FAILED', KEY_HINT],
  402: ['connection', 'AUTH_FAILED', KEY_HINT],
  // Authenticated by headers and by message: what was wanted is there.
  403: ['ignore', 'BAD_REQUEST'],
  404: ['connection', 'HANDSHAKE_TIMEOUT', 'The key did not reach the venue in its 10 seconds.'],
  // The connection stays open and its subscriptions stand.
  405: ['request', 'SYMBOL_LIMIT', SYMBOLS_HINT],
  // A half-dead connection holds its slot for about 90 seconds.
  406: [
    'connection',
    'CONNECTION_LIMIT',
    'Another program uses this key on the same feed (most plans allow one); stop it, or wait 90 s if it just ended.',
  ],
  // The venue cuts the connection after this.
  407: [
    'connection',
    'SLOW_CLIENT',
    'This program reads slower than the venue sends: fewer symbols, or faster handlers.',
  ],
  408: ['connection', 'NOT_ENTITLED', PLAN_HINT],
  409: ['connection', 'NOT_ENTITLED', PLAN_HINT],
  410: ['request', 'UNSUPPORTED', 'This feed does not carry that kind of data.'],
  411: ['connection', 'NOT_ENTITLED', 'The token lacks the scope for market data.'],
  412: ['connection', 'UNSUPPORTED', "Use codec 'msgpack'."],
  413: ['request', 'UNSUPPORTED', 'Name the symbols: * is not allowed here.'],
  500: ['connection', 'VENUE_ERROR'],
}

/** HTTP answers to the upgrade. */
const UPGRADES: Readonly<Record<number, Rule>> = {
  401: ['connection', 'AUTH_FAILED', KEY_HINT],
  403: ['connection', 'AUTH_FAILED', KEY_HINT],
  404: ['connection', 'NOT_FOUND', 'Unknown or retired path: check the address given as url.'],
  429: ['connection', 'RATE_LIMITED', 'Too many attempts to connect; the wait grows by itself.'],
}

/** How Alpaca's faults are to be read. Its close codes are not documented: any close means try again. */
export function alpacaVerdict(feed: AlpacaFeed, fault: Fault): Judgement | undefined {
  if (fault.type === 'close') return undefined
  if (fault.type === 'upgrade') {
    const rule = UPGRADES[fault.status]
    const said = `Alpaca (${feed}) refused the connection with HTTP ${fault.status}`
    return rule && judgement(rule, said, fault.retryAfterMs)
  }
  const { code, message } = fault
  const said = `Alpaca (${feed}) says ${code === undefined ? '' : `${code} `}${message}`
  // A code of tomorrow: a 4xx answers what we asked, anything else ends the connection.
  const known = code === undefined ? undefined : MESSAGES[code]
  if (known) return judgement([known[0], known[1], hintFor(feed, known[2])], said)
  const asked = code !== undefined && code >= 400 && code < 500
  return judgement(asked ? ['request', 'BAD_REQUEST'] : ['connection', 'VENUE_ERROR'], said)
}

function hintFor(feed: AlpacaFeed, hint: string | undefined): string | undefined {
  const { PLAN, LIMIT } = FREE[FEEDS[feed].market.id]!
  return hint?.replace('PLAN', PLAN).replace('LIMIT', LIMIT)
}

function judgement([scope, code, hint]: Rule, message: string, retryAfterMs?: number): Judgement {
  return { scope, error: new TickwireError(code, message, { hint, retryAfterMs }) }
}
