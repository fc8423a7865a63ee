/** The server's answers, and its errors. */
import { type ErrorCode, TickwireError } from '../../base/errors.ts'
import type { Fault, Inbox, Judgement } from '../../feed/description.ts'
import type { Features, Market } from './market.ts'
import { isName, symbolOf } from './symbols.ts'

type Message = Readonly<Record<string, unknown>>

/** The name under which a refusal of one symbol, which has none of its own, goes to {@link openAlgoVerdict}. */
const SYMBOL = 'SYMBOL'

/** Messages that ask nothing of us: answers to what lets go, and of the account. */
const PASSED_OVER = new Set([
  ...['unsubscribe', 'pong', 'broker_info', 'supported_brokers'],
  ...['subscribe_orders', 'unsubscribe_orders', 'order_update'],
])

/** Reads whatever is no market data. */
export function readReply(message: Message, market: Market, inbox: Inbox): void {
  const { type, status } = message
  if (type === 'subscribe' && Array.isArray(message.subscriptions)) {
    readAck(message.subscriptions as readonly unknown[], inbox)
  } else if (type === 'auth' && status === 'success') {
    market.features = featuresOf(message.supported_features)
    inbox.control({ type: 'ready' })
  } else if (
    status === 'error' &&
    (type === undefined || type === 'auth' || type === 'subscribe')
  ) {
    // An error has no type; one who speaks this protocol may give it one.
    const name = textOf(message.code) ?? (type === 'auth' ? 'AUTHENTICATION_ERROR' : undefined)
    inbox.control({ type: 'error', code: undefined, name, message: textOf(message.message) ?? '' })
  } else if (typeof type !== 'string') inbox.malformed('a message without a type')
  else if (!PASSED_OVER.has(type)) inbox.unknown(type.slice(0, 32))
}

/** Each symbol by itself: `partial` is also said where all are refused. */
function readAck(entries: readonly unknown[], inbox: Inbox): void {
  const granted = new Set<string>()
  const refused = new Map<string, Set<string>>()
  for (const entry of entries) {
    const { symbol, exchange, status, message } = (entry ?? {}) as Message
    if (!isName(symbol) || !isName(exchange)) {
      inbox.malformed('subscribe: an answer for no symbol')
      continue
    }
    const name = symbolOf({ symbol, exchange })
    if (status === 'success') granted.add(name)
    else {
      const why = textOf(message) ?? 'refused'
      const others = refused.get(why)
      if (others) others.add(name)
      else refused.set(why, new Set([name]))
    }
  }
  if (granted.size > 0) {
    inbox.control({ type: 'confirmed', covers: ({ symbol }) => granted.has(symbol) })
  }
  for (const [why, names] of refused) {
    inbox.control({
      ...{ type: 'error', code: undefined, name: SYMBOL, message: why },
      covers: ({ symbol }) => names.has(symbol),
    })
  }
}

/** Older servers do not say; what is not denied is there. */
function featuresOf(value: unknown): Features {
  const { ltp, quote, depth } = (typeof value === 'object' && value ? value : {}) as Message
  return { ltp: ltp !== false, quote: quote !== false, depth: depth !== false }
}

const textOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)

type Rule = readonly [scope: Judgement['scope'], code: ErrorCode, hint?: string]

const KEY_HINT =
  'Copy the key from the page API Key of your OpenAlgo, and give it as apiKey (OPENALGO_API_KEY).'
export const LOGIN_HINT =
  "Log in to your broker on OpenAlgo's own page, and start again: a broker's login lasts until about 03:00 in India."
const SYMBOL_HINT =
  "Symbols are written as OpenAlgo's symbol search has them: NSE:RELIANCE, NSE_INDEX:NIFTY, NFO:NIFTY25AUG26FUT."
const CAPACITY_HINT =
  'Ask for fewer symbols, or raise MAX_SYMBOLS_PER_WEBSOCKET and MAX_WEBSOCKET_CONNECTIONS of OpenAlgo as far as the broker allows.'
const MODE_HINT = 'The broker behind OpenAlgo does not have it; try tickers.'

/** That the user has to log in to the broker again. A «token» alone may be the number of an instrument. */
const LOGGED_OUT =
  /(access|auth\w*|session|feed|bearer)[ _-]?token|(token|session)s? (has |have |is |are |was )?(expired|invalid|missing)|unauthori[sz]ed|\blog ?in\b|no broker configuration|\b40[13]\b/i

/** Whether the words of a broker mean that its login is over. */
export const isLoggedOut = (message: string): boolean => LOGGED_OUT.test(message)

/** Errors by the server's code. */
const ERRORS: Readonly<Record<string, Rule>> = {
  AUTHENTICATION_ERROR: ['connection', 'AUTH_FAILED', KEY_HINT],
  NOT_AUTHENTICATED: ['connection', 'BAD_REQUEST'],
  INVALID_JSON: ['request', 'UNSUPPORTED'],
  INVALID_ACTION: ['request', 'UNSUPPORTED'],
  INVALID_MODE: ['request', 'UNSUPPORTED'],
  INVALID_PARAMETERS: ['request', 'UNSUPPORTED'],
  // What an adapter begins with are the tokens of the broker's login.
  BROKER_INIT_ERROR: ['connection', 'AUTH_FAILED', LOGIN_HINT],
  PROCESSING_ERROR: ['request', 'VENUE_ERROR'],
  SERVER_ERROR: ['request', 'VENUE_ERROR'],
}

/** Why one symbol is refused: brokers have words for it, no codes. The first rule that fits counts. */
const REFUSALS: readonly (readonly [RegExp, Rule])[] = [
  [/symbol .*not found|token not found for/i, ['request', 'UNKNOWN_SYMBOL', SYMBOL_HINT]],
  [LOGGED_OUT, ['connection', 'AUTH_FAILED', LOGIN_HINT]],
  [/maximum|capacity|limit/i, ['request', 'SYMBOL_LIMIT', CAPACITY_HINT]],
  [/mode|not supported|unsupported|depth/i, ['request', 'UNSUPPORTED', MODE_HINT]],
  [/not found|invalid|unknown/i, ['request', 'UNKNOWN_SYMBOL', SYMBOL_HINT]],
]

/** https://docs.openalgo.in: the server's code for a client that has not authenticated within 15 s. */
const AUTH_TIMEOUT = 4_401

/** How the server's faults are to be read. */
export function openAlgoVerdict(fault: Fault): Judgement | undefined {
  if (fault.type === 'upgrade') return undefined
  if (fault.type === 'close') {
    if (fault.code !== AUTH_TIMEOUT) return undefined
    const message = 'OpenAlgo waited 15 s for the key in vain'
    return { scope: 'connection', error: new TickwireError('HANDSHAKE_TIMEOUT', message) }
  }
  const { name, message } = fault
  if (name === SYMBOL) return judgeSymbol(message)
  const code = name === undefined ? '' : `${name}: `
  const said = `OpenAlgo says ${code}${message}`
  const known = name !== undefined && Object.hasOwn(ERRORS, name) ? ERRORS[name] : undefined
  if (known) {
    const [scope, error, hint] = known
    return { scope, error: new TickwireError(error, said, { hint }) }
  }
  const isBroker = name?.startsWith('BROKER_') ?? false
  const error =
    isBroker && isLoggedOut(message)
      ? new TickwireError('AUTH_FAILED', said, { hint: LOGIN_HINT })
      : new TickwireError('VENUE_ERROR', said, {
          hint: isBroker ? LOGIN_HINT : undefined,
          // A broker that cannot be had is not had sooner by asking often.
          retryAfterMs: isBroker ? BROKER_WAIT_MS : undefined,
        })
  return { scope: 'connection', error }
}

const BROKER_WAIT_MS = 5_000

function judgeSymbol(message: string): Judgement {
  const said = `OpenAlgo says: ${message}`
  // A broker's socket that is not up yet, and the like: it is asked again.
  const [, rule] = REFUSALS.find(([pattern]) => pattern.test(message)) ?? []
  const [scope, code, hint] = rule ?? (['request', 'VENUE_ERROR'] as const)
  return { scope, error: new TickwireError(code, said, { hint }) }
}
