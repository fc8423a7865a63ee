/** OpenAlgo's REST side: questions are POSTs of JSON with the key in them. https://docs.openalgo.in/api-documentation/v1 */
import { type Clock, systemClock } from '../../base/clock.ts'
import { type ErrorCode, TickwireError } from '../../base/errors.ts'
import { HttpClient, type HttpGet, type HttpRefusal } from '../../base/http.ts'
import { openHttp } from '../../base/http-network.ts'
import { sharedQuota } from '../../base/http-quota.ts'
import { asMap } from './plain.ts'
import { isLoggedOut, LOGIN_HINT } from './replies.ts'

/** The server takes 50 a second (`API_RATE_LIMIT`) and leaves 350 ms between questions about the past. */
const PER_MINUTE = { other: 1_200, history: 150 } as const
type Budget = keyof typeof PER_MINUTE
/** A question about the past is handed to the broker piece by piece. */
const TIMEOUT_MS = 60_000

/** One clock for all, because who shares a clock shares the quota of a server. */
const MACHINE = systemClock()

export interface RestOptions {
  readonly base: string
  readonly key: string
  readonly httpGet?: HttpGet | undefined
  readonly clock?: Clock | undefined
  /** @default as `HttpClient` has it */
  readonly tries?: number
}

export type Answer = Readonly<Record<string, unknown>>

/** Asks one OpenAlgo. */
export class RestClient {
  readonly clock: Clock
  readonly base: string
  readonly #key: string
  readonly #clients: Record<Budget, HttpClient>

  constructor({ base, key, httpGet = openHttp(), clock = MACHINE, tries }: RestOptions) {
    this.clock = clock
    this.base = base
    this.#key = key
    const client = (budget: Budget) =>
      new HttpClient({
        ...{ get: httpGet, clock, random: Math.random, headers: {}, explain },
        quota: sharedQuota(clock, `${base} ${budget}`, PER_MINUTE[budget], 0.02),
        timeoutMs: TIMEOUT_MS,
        ...(tries !== undefined && { tries }),
      })
    this.#clients = { other: client('other'), history: client('history') }
  }

  /**
   * The answer to a question; `status` in it is `success`.
   * @throws AUTH_FAILED for the key and for a broker's login that is over, UNKNOWN_SYMBOL, as `HttpClient.post`
   */
  ask(
    call: string,
    question: object,
    signal: AbortSignal | undefined,
    budget: Budget = 'other',
  ): Promise<Answer> {
    const url = `${this.base}/api/v1/${call}`
    return this.#clients[budget].post(url, { apikey: this.#key, ...question }, readAnswer, signal)
  }

  /** The rows of the symbol master of an exchange. @throws as `ask` */
  instruments(exchange: string, signal: AbortSignal | undefined): Promise<readonly unknown[]> {
    const query = new URLSearchParams({ apikey: this.#key, exchange, format: 'json' })
    const read = (body: Uint8Array) => {
      const answer = parse(body)
      return Array.isArray(answer) ? (answer as unknown[]) : rowsOf(checked(answer).data)
    }
    return this.#clients.other.get(`${this.base}/api/v1/instruments?${query}`, read, signal)
  }
}

export function rowsOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw wrong('no rows')
  return value
}

/** An answer that is not what it should be. */
export const wrong = (what: string) =>
  new TickwireError('VENUE_ERROR', `OpenAlgo's answer is wrong: ${what}`)

const readAnswer = (body: Uint8Array): Answer => checked(parse(body))

function parse(body: Uint8Array): unknown {
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
}

/** Some faults of a broker come with HTTP 200. */
function checked(value: unknown): Answer {
  const answer = asMap(value)
  if (!answer) throw new Error('not a map')
  if (answer.status === 'success') return answer
  throw refusalOf(typeof answer.message === 'string' ? answer.message : 'no success')
}

/** What the server says in place of data, as an error. */
export function refusalOf(message: string): TickwireError {
  const { code = 'VENUE_ERROR', hint } = explain({ status: 200, message }) ?? {}
  return new TickwireError(code, `OpenAlgo says: ${message.slice(0, 200)}`, { hint })
}

/** What a refusal means: 403 is the key, unless a broker is meant; other numbers are used for whatever a broker says. */
function explain({ status, message }: HttpRefusal): { code: ErrorCode; hint?: string } | undefined {
  if (/invalid (openalgo )?api ?key/i.test(message)) return { code: 'AUTH_FAILED', hint: KEY_HINT }
  if (/symbol .*not found|invalid symbol|not found for/i.test(message)) {
    return { code: 'UNKNOWN_SYMBOL', hint: SYMBOL_HINT }
  }
  if (isLoggedOut(message)) return { code: 'AUTH_FAILED', hint: LOGIN_HINT }
  if (status === 401 || status === 403) return { code: 'AUTH_FAILED', hint: KEY_HINT }
  if (/interval|not supported|unsupported/i.test(message)) {
    return { code: 'UNSUPPORTED', hint: 'What a broker has differs: OpenAlgo answers /intervals.' }
  }
  return undefined
}

const KEY_HINT = 'Copy the key from the page API Key of your OpenAlgo (OPENALGO_API_KEY).'
const SYMBOL_HINT = "Symbols are written as OpenAlgo's symbol search has them: NSE:RELIANCE."
