/** AllTick's REST side: a GET with the token and the question as JSON. https://github.com/alltick/alltick-realtime-forex-crypto-stock-tick-finance-websocket-api/blob/main/http_interface */
import type { Clock } from '../../base/clock.ts'
import type { ErrorCode } from '../../base/errors.ts'
import { TickwireError } from '../../base/errors.ts'
import { HttpClient, type HttpGet, type HttpRefusal } from '../../base/http.ts'
import { openHttp } from '../../base/http-network.ts'
import { sharedQuota } from '../../base/http-quota.ts'
import { asMap, parseMap } from './plain.ts'
import { type AllTickPlan, PLANS } from './plans.ts'
import { ERRORS, errorOf } from './replies.ts'

export interface RestOptions {
  readonly base: string
  readonly token: string
  readonly plan: AllTickPlan
  readonly httpGet?: HttpGet | undefined
  readonly clock: Clock
  /** @default as `HttpClient` has it */
  readonly tries?: number
}

export type Answer = Readonly<Record<string, unknown>>

const INTERFACES = ['trade-tick', 'depth-tick', 'kline'] as const
type Interface = (typeof INTERFACES)[number]
/**
 * Trades and tickers are in one answer, quotes and books in another: who asks for both, one behind the other, takes one
 * question of the plan's few.
 */
const SAME_MS = 500

interface Kept {
  readonly url: string
  readonly at: number
  readonly answer: Answer
}

/** Asks one endpoint within the plan of the token. */
export class RestClient {
  readonly clock: Clock
  readonly base: string
  /** Codes of one question. */
  readonly batch: number
  readonly #token: string
  readonly #clients: Record<Interface, HttpClient>
  readonly #last = new Map<Interface, Kept>()

  constructor({ base, token, plan, httpGet = openHttp(), clock, tries }: RestOptions) {
    this.clock = clock
    this.base = base
    const { perInterfaceMs, perMinute, batch } = PLANS[plan]
    this.batch = batch
    this.#token = token
    const client = (name: Interface) => {
      // Each interface has a pace of its own; together they must keep to a minute's.
      const most = Math.min(60_000 / perInterfaceMs, perMinute / INTERFACES.length)
      return new HttpClient({
        ...{ get: httpGet, clock, random: Math.random, headers: {}, explain },
        quota: sharedQuota(clock, `${base} ${token} ${name}`, most, 0),
        ...(tries !== undefined && { tries }),
      })
    }
    this.#clients = {
      ...{ 'trade-tick': client('trade-tick'), 'depth-tick': client('depth-tick') },
      kline: client('kline'),
    }
  }

  /**
   * The `data` of an answer; of a moment ago, where the same ticks are asked for again.
   * @throws AUTH_FAILED, NOT_ENTITLED, UNKNOWN_SYMBOL, RATE_LIMITED by the venue's number; as `HttpClient.get`
   */
  async ask(name: Interface, data: object, signal: AbortSignal | undefined): Promise<Answer> {
    const query = new URLSearchParams({
      token: this.#token,
      query: JSON.stringify({ trace: 'tickwire', data }),
    })
    const url = `${this.base}/${name}?${query}`
    const last = this.#last.get(name)
    if (last?.url === url && this.clock.now() - last.at < SAME_MS) return last.answer
    const answer = await this.#clients[name].get(url, readAnswer, signal)
    if (name !== 'kline') this.#last.set(name, { url, at: this.clock.now(), answer })
    return answer
  }
}

/** What a list of an answer holds. @throws VENUE_ERROR */
export function rowsOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw wrong('no rows')
  return value
}

/** An answer that is not what it should be. */
export const wrong = (what: string) =>
  new TickwireError('VENUE_ERROR', `AllTick's answer is wrong: ${what}`)

function readAnswer(body: Uint8Array): Answer {
  const answer = parseMap(body)
  if (typeof answer === 'string') throw new Error(answer)
  const { ret, msg, data } = answer
  if (ret !== 200) throw errorOf(Number(ret), typeof msg === 'string' ? msg : '')
  const map = asMap(data)
  if (!map) throw wrong('no data')
  return map
}

/** The same numbers are used as HTTP statuses. */
function explain({ status }: HttpRefusal): { code: ErrorCode; hint?: string } | undefined {
  const rule = ERRORS[status]
  if (!rule) return undefined
  const [, code, hint] = rule
  return { code, ...(hint !== undefined && { hint }) }
}
