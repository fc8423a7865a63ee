/**
 * Every error tickwire raises: what it means, whether retrying can help, and how a command exits.
 *
 * `verdict` is what a feed does about it:
 * `retry` reconnect with jittered backoff · `slow` reconnect, but start from a long wait (throttled, slot taken) ·
 * `fatal` stop and say so (nothing but a change by the user helps) · `reshard` the connection carries too many symbols.
 */
export type Verdict = 'retry' | 'slow' | 'fatal' | 'reshard'

interface Meaning {
  readonly verdict: Verdict
  /** Exit code of a command that ends with this error. */
  readonly exit: 1 | 2 | 3 | 4 | 5 | 6 | 130
  readonly means: string
}

/** The table of codes; `docs/errors.md` holds the same rows and a test compares them. */
export const ERRORS = {
  AUTH_FAILED: { verdict: 'fatal', exit: 4, means: 'The venue refused the key or secret.' },
  NOT_ENTITLED: {
    verdict: 'fatal',
    exit: 4,
    means: 'The plan of this account lacks the data asked for.',
  },
  REGION_REFUSED: {
    verdict: 'fatal',
    exit: 4,
    means: 'The venue does not serve the country of this address (HTTP 451).',
  },
  MISSING_KEY: { verdict: 'fatal', exit: 3, means: 'A provider needs a key and none was given.' },
  BAD_KEY: {
    verdict: 'fatal',
    exit: 3,
    means: 'A key or secret cannot be right as it stands (spaces, empty, control characters).',
  },
  BAD_CONFIG: {
    verdict: 'fatal',
    exit: 3,
    means: 'A configuration file does not parse or holds an unknown or wrong value.',
  },
  BAD_OPTION: {
    verdict: 'fatal',
    exit: 2,
    means: 'An option or argument has a value that cannot be used.',
  },
  CLOCK_OFF: {
    verdict: 'fatal',
    exit: 3,
    means: "This machine's clock is far from the venue's: no time or delay can be told by it.",
  },
  UNKNOWN_PROVIDER: { verdict: 'fatal', exit: 2, means: 'No provider has this name.' },
  UNKNOWN_FEED: { verdict: 'fatal', exit: 2, means: 'The provider has no feed of this name.' },
  UNKNOWN_SYMBOL: { verdict: 'fatal', exit: 2, means: 'The venue does not know the symbol.' },
  AMBIGUOUS_SYMBOL: {
    verdict: 'fatal',
    exit: 2,
    means: 'Several instruments of the venue answer to the symbol.',
  },
  BAD_SYMBOL: {
    verdict: 'fatal',
    exit: 2,
    means: 'A symbol is empty or has characters no venue accepts.',
  },
  UNSUPPORTED: {
    verdict: 'fatal',
    exit: 2,
    means: 'The provider does not carry what was asked (kind, interval or wildcard).',
  },
  NO_SYMBOLS: { verdict: 'fatal', exit: 2, means: 'A list of symbols is empty.' },
  UNREACHABLE: { verdict: 'retry', exit: 5, means: 'No connection could be made.' },
  PROXY_REFUSED: {
    verdict: 'fatal',
    exit: 5,
    means: 'A proxy makes no tunnel: it wants a user and password, or forbids the host.',
  },
  UPGRADE_REFUSED: {
    verdict: 'retry',
    exit: 5,
    means: 'The server answered the WebSocket upgrade with an HTTP error.',
  },
  NOT_FOUND: {
    verdict: 'fatal',
    exit: 5,
    means: 'The server does not know the address (HTTP 404).',
  },
  RATE_LIMITED: { verdict: 'slow', exit: 5, means: 'The venue asks for fewer attempts.' },
  CONNECTION_LIMIT: {
    verdict: 'slow',
    exit: 5,
    means: 'All connections this account may hold are in use.',
  },
  HANDSHAKE_TIMEOUT: {
    verdict: 'retry',
    exit: 5,
    means: 'The venue did not finish the greeting or authentication in time.',
  },
  CONNECTION_LOST: {
    verdict: 'retry',
    exit: 5,
    means: 'The connection ended without being asked to.',
  },
  MUTE: {
    verdict: 'retry',
    exit: 5,
    means: 'The connection stays open but answers nothing, not even pings.',
  },
  SLOW_CLIENT: {
    verdict: 'retry',
    exit: 5,
    means: 'The venue dropped us because we read too slowly.',
  },
  SYMBOL_LIMIT: {
    verdict: 'reshard',
    exit: 4,
    means: 'More symbols than one connection or the plan may carry.',
  },
  BAD_REQUEST: {
    verdict: 'retry',
    exit: 1,
    means: 'The venue did not understand a message of ours.',
  },
  VENUE_ERROR: { verdict: 'retry', exit: 5, means: 'The venue reported a fault of its own.' },
  READER_TOO_SLOW: {
    verdict: 'fatal',
    exit: 1,
    means: 'A reader with the policy `close` fell behind its bounds.',
  },
  HANDLER_FAILED: {
    verdict: 'retry',
    exit: 1,
    means: 'A handler threw or rejected; the event it failed on is attached.',
  },
  BAD_EVENT: { verdict: 'fatal', exit: 6, means: 'A value is not an event in the JSON form.' },
  BAD_BLOCK: {
    verdict: 'fatal',
    exit: 6,
    means: 'Stored or received bytes are not a whole block of events.',
  },
  BAD_POSITION: { verdict: 'fatal', exit: 2, means: 'A position is not one of this tape.' },
  NO_TAPE: { verdict: 'fatal', exit: 2, means: 'There is no tape in this folder.' },
  TAPE_IN_USE: {
    verdict: 'fatal',
    exit: 5,
    means: 'Another process records to this tape.',
  },
  TAPE_UNWRITABLE: {
    verdict: 'fatal',
    exit: 5,
    means:
      'A tape cannot be written where it is to be: rights, a full or read-only disk, a file in its place.',
  },
  TAPE_DAMAGED: { verdict: 'fatal', exit: 6, means: 'A file of a tape or capture is not whole.' },
  TAPE_TOO_NEW: {
    verdict: 'fatal',
    exit: 3,
    means: 'A tape was written by a newer tickwire, in a form this one does not know.',
  },
  STORE_DRIVER_MISSING: {
    verdict: 'fatal',
    exit: 3,
    means: 'A store needs a package that is not installed; the message names it.',
  },
  STORE_IN_USE: { verdict: 'fatal', exit: 5, means: 'Another process has the store open.' },
  STORE_DAMAGED: {
    verdict: 'fatal',
    exit: 6,
    means: 'A file of the store is not whole, and cannot be made anew by itself.',
  },
  STORE_TOO_NEW: {
    verdict: 'fatal',
    exit: 3,
    means: 'A store was written by a newer tickwire, in a form this one does not know.',
  },
  STORE_UNWRITABLE: {
    verdict: 'fatal',
    exit: 5,
    means:
      'A store cannot be written where it is to be: rights, a full or read-only disk, a file in its place.',
  },
  STORE_UNREACHABLE: {
    verdict: 'retry',
    exit: 5,
    means: 'The server of a store cannot be reached, or has ended the connection.',
  },
  STORE_REFUSED: {
    verdict: 'fatal',
    exit: 4,
    means: 'The server of a store refuses the user or password, or they lack a right.',
  },
  CONTROL_UNSAFE: {
    verdict: 'fatal',
    exit: 3,
    means: "The control socket of a data folder is not, or would not be, this user's alone.",
  },
  BAD_SQL: {
    verdict: 'fatal',
    exit: 2,
    means: 'A statement cannot be understood, fails, or does more than read.',
  },
  BAD_PARQUET: {
    verdict: 'fatal',
    exit: 6,
    means: 'A Parquet file is not whole, or not of the form it should have.',
  },
  CLOSED: {
    verdict: 'fatal',
    exit: 1,
    means: 'Used after it was closed, or given up by a signal.',
  },
  OUTPUT_FAILED: { verdict: 'fatal', exit: 1, means: 'Standard output cannot be written.' },
  PORT_IN_USE: { verdict: 'fatal', exit: 5, means: 'Another process listens on the port.' },
  KEY_REQUIRED: {
    verdict: 'fatal',
    exit: 4,
    means: 'The gateway wants a key for this, and none came with it.',
  },
  KEY_REFUSED: {
    verdict: 'fatal',
    exit: 4,
    means: 'The gateway does not know the key, or it has been revoked or has run out.',
  },
  KEY_IN_URL: {
    verdict: 'fatal',
    exit: 4,
    means: 'A key stands in an address, where histories and logs keep it.',
  },
  SCOPE_MISSING: { verdict: 'fatal', exit: 4, means: 'The key is not for what was asked.' },
  QUOTA_EXCEEDED: {
    verdict: 'slow',
    exit: 5,
    means: 'More symbols, connections or requests than the gateway lets the key have.',
  },
  HOST_REFUSED: {
    verdict: 'fatal',
    exit: 5,
    means: 'The gateway does not go by the host name it was asked by.',
  },
  ORIGIN_REFUSED: {
    verdict: 'fatal',
    exit: 5,
    means: 'A page of another origin asked the gateway, and that origin is not allowed.',
  },
  KEYS_UNSAFE: {
    verdict: 'fatal',
    exit: 3,
    means: "The file of the gateway's keys cannot be used: others may write it, or it is damaged.",
  },
  EXPOSED: {
    verdict: 'fatal',
    exit: 3,
    means: 'The gateway would be reached from beyond this machine, and asks nobody for a key.',
  },
  TLS_UNUSABLE: {
    verdict: 'fatal',
    exit: 3,
    means: 'A certificate or its private key cannot be read, or they do not fit.',
  },
  FILE_EXISTS: {
    verdict: 'fatal',
    exit: 3,
    means: 'A file that would be written is already there.',
  },
  BAD_STRATEGY: {
    verdict: 'fatal',
    exit: 3,
    means:
      'A strategy file cannot be loaded, or a strategy or its parameters are not as they must be.',
  },
  BAD_STATE: {
    verdict: 'fatal',
    exit: 6,
    means: 'What a bot has saved is damaged, of another bot or account, or of a newer version.',
  },
  ORDER_REJECTED: {
    verdict: 'fatal',
    exit: 4,
    means: 'A broker does not take an order: it certainly is not in the market.',
  },
  ACCOUNT_DISAGREES: {
    verdict: 'fatal',
    exit: 6,
    means: 'A broker holds something else than the orders of an account add up to.',
  },
  ACCOUNT_IN_USE: {
    verdict: 'fatal',
    exit: 5,
    means: 'Another process sends the orders of this account.',
  },
  STRATEGY_FAILED: {
    verdict: 'fatal',
    exit: 1,
    means:
      'A strategy threw, did not come back from an event, or took more memory than it may have.',
  },
} as const satisfies Record<string, Meaning>

/** What went wrong, as a word programs can match on. */
export type ErrorCode = keyof typeof ERRORS

export interface ErrorDetails {
  /** What to do about it: the option, command or page that helps. */
  readonly hint?: string | undefined
  readonly cause?: unknown
  /** How long the venue asked us to wait, ms. */
  readonly retryAfterMs?: number | undefined
}

/** The one error class of tickwire. Match on `code`; `fatal` says whether trying again can help. */
export class TickwireError extends Error {
  override readonly name = 'TickwireError'
  readonly code: ErrorCode
  /** The way out, in one sentence. */
  readonly hint: string | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.hint = details.hint
    this.retryAfterMs = details.retryAfterMs
  }

  get verdict(): Verdict {
    return ERRORS[this.code].verdict
  }

  /** True when only a change by the user can help. */
  get fatal(): boolean {
    return this.verdict === 'fatal'
  }
}

/** Any thrown value as an `Error`. */
export function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown
  try {
    return new Error(String(thrown))
  } catch (cause) {
    return new Error('a thrown value that is no text', { cause })
  }
}
