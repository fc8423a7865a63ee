import { Backoff } from './backoff.ts'
import { type Clock, sleep } from './clock.ts'
import { asError, type ErrorCode, TickwireError } from './errors.ts'
import type { Quota } from './http-quota.ts'
import { isUnseen, unreachable } from './network.ts'
import type { Random } from './random.ts'
import { parseRetryAfter } from './socket.ts'

/** A question as its transport sees it. */
export interface HttpRequest {
  /** @default 'POST' where there is a body, else 'GET' */
  readonly method?: 'POST' | 'PATCH' | 'DELETE'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** Largest body accepted, unpacked, bytes. */
  readonly maxBytes: number
  /** Aborts when the answer is no longer wanted, or late. */
  readonly signal: AbortSignal
}

export interface HttpAnswer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Uint8Array
}

/** Carries one question, following no redirect. Rejects when no whole answer came. */
export type HttpGet = (request: HttpRequest) => Promise<HttpAnswer>

/** An answer other than 200. */
export interface HttpRefusal {
  readonly status: number
  /** What the server says of it, on one line; empty when it says nothing. */
  readonly message: string
}

export interface HttpClientOptions {
  readonly get: HttpGet
  readonly clock: Clock
  /** Spreads the waits before another try. */
  readonly random: Random
  /** Shared by everybody who asks with the same account. */
  readonly quota: Quota
  readonly headers: Readonly<Record<string, string>>
  /** What a refusal means in the words of this server. @default by the status alone */
  readonly explain?: (refusal: HttpRefusal) => { code: ErrorCode; hint?: string } | undefined
  /** Longest wait for a whole answer, ms. @default 15000 */
  readonly timeoutMs?: number
  /** Largest body accepted, bytes. @default 32 MiB */
  readonly maxBytes?: number
  /** How often a question is asked at most while the answer is a passing fault. @default 4 */
  readonly tries?: number
  /** Asked to wait for longer than this before another try, it gives up, ms. @default Infinity */
  readonly patienceMs?: number
}

/** What is asked: for an answer, or with a method for something to be done. */
interface Question {
  readonly method: HttpRequest['method'] | undefined
  readonly url: string
  readonly body: string | undefined
}

/** Faults that may have passed when the question is asked again. */
const PASSING: readonly ErrorCode[] = ['UNREACHABLE', 'RATE_LIMITED', 'VENUE_ERROR']

/** Asks one server within a quota; asks again, a few times, what fails for a passing reason. */
export class HttpClient {
  readonly #options: Required<HttpClientOptions>

  constructor(options: HttpClientOptions) {
    this.#options = {
      explain: () => undefined,
      timeoutMs: 15_000,
      maxBytes: 32 * 1_024 * 1_024,
      tries: 4,
      patienceMs: Number.POSITIVE_INFINITY,
      ...options,
    }
  }

  /**
   * The answer to a GET, as `read` makes it of the body; where `read` throws, the body is taken for a fault of the
   * server, or for what it says where that is one of our errors. `signal` ends it, waits included.
   * @throws AUTH_FAILED (401), NOT_ENTITLED (403), NOT_FOUND (404), REGION_REFUSED (451), BAD_REQUEST (other
   * 4xx), RATE_LIMITED (429), VENUE_ERROR (5xx, any other status, a body that cannot be read), UNREACHABLE (network, no
   * answer in time), CLOSED (the signal aborted); codes of `explain`
   */
  get<T>(url: string, read: (body: Uint8Array) => T, signal?: AbortSignal): Promise<T> {
    return this.#repeat(url, undefined, read, signal)
  }

  /**
   * The same for a POST of JSON, for servers that are asked so. It is asked again as a GET is: for questions only.
   * @throws as {@link get}
   */
  post<T>(
    url: string,
    question: object,
    read: (body: Uint8Array) => T,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#repeat(url, JSON.stringify(question), read, signal)
  }

  /**
   * Asks for something to be done, once: whether it was cannot be told where no answer came, so it is never asked again here.
   * Any status of success will do; `read` is given an empty body where there is none.
   * @throws as {@link get}; UNREACHABLE of which {@link isUnseen} is true was not seen by the server
   */
  send<T>(
    method: 'POST' | 'PATCH' | 'DELETE',
    url: string,
    content: object | undefined,
    read: (body: Uint8Array) => T,
    signal?: AbortSignal,
  ): Promise<T> {
    const body = content && JSON.stringify(content)
    return this.#ask({ method, url, body }, read, signal)
  }

  async #repeat<T>(
    url: string,
    body: string | undefined,
    read: (body: Uint8Array) => T,
    signal?: AbortSignal,
  ): Promise<T> {
    const { clock, quota, random, tries, patienceMs } = this.#options
    const backoff = new Backoff({ slowMs: 2_000, maxMs: 30_000 }, random)
    for (let tried = 1; ; tried++) {
      try {
        return await this.#ask({ method: undefined, url, body }, read, signal)
      } catch (thrown) {
        if (!(thrown instanceof TickwireError) || !PASSING.includes(thrown.code)) throw thrown
        if (isUnseen(thrown)) quota.giveBack()
        const { retryAfterMs } = thrown
        const limited = thrown.code === 'RATE_LIMITED'
        const wait = backoff.next(limited ? 'slow' : 'retry', retryAfterMs)
        // What the server asks of one it asks of all who use the account.
        if (limited || retryAfterMs !== undefined) quota.pause(wait)
        if (tried >= tries || wait > patienceMs) throw thrown
        await sleep(clock, wait, signal)
      }
    }
  }

  async #ask<T>(
    question: Question,
    read: (body: Uint8Array) => T,
    signal?: AbortSignal,
  ): Promise<T> {
    const { quota, explain } = this.#options
    await quota.turn(signal)
    if (signal?.aborted) throw aborted(signal)
    const { host, pathname } = new URL(question.url)
    const place = host + pathname
    const { status, headers, body } = await this.#carry(question, place, signal)
    const perMinute = Number(headers['x-ratelimit-limit'])
    if (Number.isInteger(perMinute) && perMinute >= 1) quota.allow(perMinute)
    if (status === 200 || (question.method !== undefined && status > 200 && status < 300)) {
      try {
        return read(body)
      } catch (cause) {
        if (cause instanceof TickwireError) throw cause
        const why = `${place}: an answer that cannot be read: ${asError(cause).message}`
        throw new TickwireError('VENUE_ERROR', why, { cause })
      }
    }
    const refusal = { status, message: messageOf(body) }
    const { code, hint } = explain(refusal) ?? { code: codeOf(status) }
    const said = refusal.message && `: ${refusal.message}`
    const retryAfterMs = this.#retryAfter(status, headers)
    throw new TickwireError(code, `${place}: HTTP ${status}${said}`, { hint, retryAfterMs })
  }

  /** One question, ended when it takes too long or is no longer wanted, even where the transport pays no heed. */
  async #carry(
    { method, url, body }: Question,
    place: string,
    signal?: AbortSignal,
  ): Promise<HttpAnswer> {
    const { get, clock, maxBytes, timeoutMs } = this.#options
    const type = { 'Content-Type': 'application/json' }
    const headers = { ...this.#options.headers, ...(body !== undefined && type) }
    const control = new AbortController()
    const stop = () => control.abort()
    let late = false
    signal?.addEventListener('abort', stop)
    const timer = clock.setTimeout(() => {
      late = true
      stop()
    }, timeoutMs)
    const stopped = new Promise<never>((_, reject) => {
      control.signal.addEventListener('abort', () => reject(control.signal.reason))
    })
    try {
      return await Promise.race([
        get({
          ...(method !== undefined && { method }),
          url,
          headers,
          ...(body !== undefined && { body }),
          maxBytes,
          signal: control.signal,
        }),
        stopped,
      ])
    } catch (cause) {
      if (signal?.aborted) throw aborted(signal)
      if (late) throw new TickwireError('UNREACHABLE', `${place}: no answer in ${timeoutMs} ms`)
      throw unreachable(place, cause)
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', stop)
    }
  }

  /** What the server asks us to wait, ms: `Retry-After`, or with a 429 the time its quota is renewed. */
  #retryAfter(status: number, headers: HttpAnswer['headers']): number | undefined {
    const now = this.#options.clock.now()
    const asked = parseRetryAfter(headers['retry-after'], now)
    if (asked !== undefined || status !== 429) return asked
    const renewed = Number(headers['x-ratelimit-reset'] || Number.NaN) * 1_000 - now
    return renewed > 0 ? renewed : undefined
  }
}

function aborted(signal: AbortSignal): TickwireError {
  return new TickwireError('CLOSED', 'the request was given up', { cause: signal.reason })
}

function codeOf(status: number): ErrorCode {
  if (status in CODES) return CODES[status as keyof typeof CODES]
  return status >= 400 && status < 500 ? 'BAD_REQUEST' : 'VENUE_ERROR'
}

const CODES = {
  401: 'AUTH_FAILED',
  403: 'NOT_ENTITLED',
  404: 'NOT_FOUND',
  408: 'VENUE_ERROR',
  451: 'REGION_REFUSED',
  429: 'RATE_LIMITED',
} as const

/** At most this much of what a server says is repeated. */
const LONGEST_MESSAGE = 200

/** The server's words: `message` (or `msg`, or `error`) of a JSON body, else the text itself where it is no page. */
function messageOf(body: Uint8Array): string {
  const text = new TextDecoder().decode(body.subarray(0, 4_096))
  let said: unknown = text
  try {
    const body = JSON.parse(text) as { [name: string]: unknown } | null
    said = body?.message ?? body?.msg ?? body?.error
  } catch {
    // No JSON: a proxy's plain words, or a page.
    if (/^\s*</.test(text)) return ''
  }
  if (typeof said !== 'string') return ''
  const line = said.replace(/[\s\p{Cc}]+/gu, ' ').trim()
  return line.length > LONGEST_MESSAGE ? `${line.slice(0, LONGEST_MESSAGE)}…` : line
}
