import { ERRORS, type ErrorCode, TickwireError } from '../base/errors.ts'

/** What HTTP calls our errors; any other is a fault of the gateway, 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  ...{ KEY_REQUIRED: 401, KEY_REFUSED: 401, KEY_IN_URL: 400, SCOPE_MISSING: 403 },
  ...{ HOST_REFUSED: 421, ORIGIN_REFUSED: 403, QUOTA_EXCEEDED: 429 },
  ...{ BAD_OPTION: 400, BAD_POSITION: 400, BAD_SYMBOL: 400, NO_SYMBOLS: 400, UNSUPPORTED: 400 },
  ...{
    UNKNOWN_SYMBOL: 404,
    UNKNOWN_FEED: 404,
    NOT_FOUND: 404,
    NO_TAPE: 404,
    AMBIGUOUS_SYMBOL: 400,
    BAD_REQUEST: 400,
  },
  ...{ RATE_LIMITED: 503, UNREACHABLE: 503, CONNECTION_LOST: 503, VENUE_ERROR: 502, CLOSED: 503 },
  ...{ STORE_IN_USE: 503, STORE_UNWRITABLE: 503, STORE_DRIVER_MISSING: 503, SYMBOL_LIMIT: 429 },
  ...{ AUTH_FAILED: 502, NOT_ENTITLED: 502, REGION_REFUSED: 502, MISSING_KEY: 502 },
}

/** The HTTP status of an error. */
export function statusOf({ code }: TickwireError): number {
  return STATUS[code] ?? 500
}

/** A refusal as it is told over HTTP and in messages: enough to act on, by a program and by a person. */
export interface Refusal {
  /** `UNEXPECTED` for what nobody foresaw. */
  readonly code: ErrorCode | 'UNEXPECTED'
  readonly message: string
  /** The way out. */
  readonly hint?: string
  /** Whether the same request may do better later. */
  readonly retryable: boolean
  readonly retryAfterMs?: number
}

/** Of what nobody expected, nothing is told but that it happened: it stands in the log. */
export function refusalOf(error: unknown): Refusal {
  if (!(error instanceof TickwireError)) {
    return { code: 'UNEXPECTED', message: 'the gateway failed; its log says why', retryable: true }
  }
  const { code, message, hint, retryAfterMs } = error
  return {
    ...{ code, message },
    ...(hint !== undefined && { hint }),
    retryable: ERRORS[code].verdict !== 'fatal',
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  }
}
