/** The venue's answers, and its errors. https://github.com/alltick/alltick-realtime-forex-crypto-stock-tick-finance-websocket-api/blob/main/error_code_description.md */
import { type ErrorCode, TickwireError } from '../../base/errors.ts'
import type { Fault, Inbox, Judgement } from '../../feed/description.ts'
import { TOKEN_PAGE } from './plans.ts'

type Message = Readonly<Record<string, unknown>>

/** Numbers of requests; answers have the next one. */
export const COMMANDS = { heartbeat: 22_000, book: 22_002, trade: 22_004, cancel: 22_006 } as const
const ANSWERS: ReadonlySet<unknown> = new Set(Object.values(COMMANDS).map(command => command + 1))

const OK = 200

/** Reads whatever is no push. */
export function readReply(message: Message, inbox: Inbox): void {
  const { ret, msg, cmd_id, seq_id } = message
  // 0 where the venue could not read the header of what was asked.
  const id = Number.isSafeInteger(seq_id) && (seq_id as number) > 0 ? (seq_id as number) : undefined
  if (typeof ret !== 'number') {
    if (typeof cmd_id === 'number') inbox.unknown(String(cmd_id))
    else inbox.malformed('a message without cmd_id and ret')
  } else if (ret !== OK) {
    const said = typeof msg === 'string' ? msg : ''
    inbox.control({ type: 'error', code: ret, message: said, ...(id !== undefined && { id }) })
  } else if (cmd_id === COMMANDS.heartbeat + 1) return
  else if (!ANSWERS.has(cmd_id)) inbox.unknown(String(cmd_id))
  else if (id !== undefined) inbox.control({ type: 'confirmed', id })
}

type Rule = readonly [scope: Judgement['scope'], code: ErrorCode, hint?: string]

const TOKEN_HINT = `Check the token; it is made at ${TOKEN_PAGE}. Pass { token }, or set ALLTICK_TOKEN.`
const CODE_HINT =
  "Codes are written AAPL.US, 700.HK, EUR/USD, BTC/USDT, GOLD. Stocks have market: 'stocks', everything else market: 'forex'."
const PLAN_HINT = `The plan of this token does not have it; set plan to what it is, or see ${TOKEN_PAGE} for another.`

export const ERRORS: Readonly<Record<number, Rule>> = {
  201: ['request', 'UNSUPPORTED'],
  202: ['request', 'UNSUPPORTED'],
  400: ['request', 'UNSUPPORTED'],
  401: ['connection', 'AUTH_FAILED', TOKEN_HINT],
  402: ['request', 'UNSUPPORTED'],
  403: ['connection', 'AUTH_FAILED', TOKEN_HINT],
  429: ['connection', 'RATE_LIMITED', 'Does another program use this token?'],
  600: ['request', 'UNKNOWN_SYMBOL', CODE_HINT],
  601: ['request', 'UNSUPPORTED'],
  603: ['request', 'NOT_ENTITLED', PLAN_HINT],
  604: ['request', 'NOT_ENTITLED', PLAN_HINT],
  605: ['request', 'RATE_LIMITED', 'Does another program use this token?'],
  // The venue closes after this.
  606: [
    'connection',
    'CONNECTION_LIMIT',
    'Another program uses this token on the same endpoint, or the option plan says more than there is.',
  ],
}

/** What an answer's `ret` means, as an error. */
export function errorOf(ret: number | undefined, message: string): TickwireError {
  const [, code, hint] = (ret === undefined ? undefined : ERRORS[ret]) ?? [
    '',
    'VENUE_ERROR' as const,
  ]
  return new TickwireError(code, `AllTick says ${ret ?? ''} ${message.slice(0, 200)}`, { hint })
}

/** HTTP answers to the upgrade. */
const UPGRADES: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  401: ['AUTH_FAILED', TOKEN_HINT],
  403: ['AUTH_FAILED', TOKEN_HINT],
  429: ['RATE_LIMITED', 'Does another program use this token? A free one has one connection.'],
}
/** Known clients wait so long behind a 429, ms. */
const COOL_DOWN_MS = 60_000

/** How AllTick's faults are to be read. Its close codes are not documented: any close means try again. */
export function allTickVerdict(fault: Fault): Judgement | undefined {
  if (fault.type === 'close') return undefined
  if (fault.type === 'upgrade') {
    const rule = UPGRADES[fault.status]
    if (!rule) return undefined
    const [code, hint] = rule
    const waits = code === 'RATE_LIMITED' ? COOL_DOWN_MS : undefined
    const retryAfterMs = fault.retryAfterMs ?? waits
    const message = `AllTick refused the connection with HTTP ${fault.status}`
    return { scope: 'connection', error: new TickwireError(code, message, { hint, retryAfterMs }) }
  }
  const scope = (fault.code === undefined ? undefined : ERRORS[fault.code])?.[0] ?? 'connection'
  return { scope, error: errorOf(fault.code, fault.message) }
}
