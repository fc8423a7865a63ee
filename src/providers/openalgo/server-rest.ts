/** What the server's REST side answers. https://docs.openalgo.in/api-documentation/v1 */
import type { Level } from '../../market/events.ts'
import type { OpenAlgoFloor } from './server-floor.ts'
import type { Known } from './server-frames.ts'
import { isExchange } from './symbols.ts'

export interface Question {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly body?: string
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface RestContext {
  readonly floor: OpenAlgoFloor
  readonly broker: string
  readonly symbols: readonly string[] | undefined
  user(key: string): string | undefined
  loggedOut(): string | undefined
  knows(symbol: string): boolean
}

const INTERVALS = ['1s', '1m', '3m', '5m', '10m', '15m', '30m', '1h', 'D', 'W']
const DAY_MS = 86_400_000
const INDIA_MS = 19_800_000

/** Answers a question. */
export function answerRest(context: RestContext, { method, url, body }: Question): Answer {
  const [path = '', query] = url.split('?', 2)
  const call = path.replace(/^\/api\/v1\//, '').replace(/\/$/, '')
  let asked: Record<string, unknown>
  try {
    asked =
      method === 'GET' ? Object.fromEntries(new URLSearchParams(query)) : JSON.parse(body ?? '')
  } catch {
    return fault(400, 'Invalid JSON')
  }
  const { apikey } = asked
  if (typeof apikey !== 'string' || context.user(apikey) === undefined) {
    return fault(403, 'Invalid openalgo apikey')
  }
  const loggedOut = context.loggedOut()
  // Of several symbols each has its own error, in an answer that is a success.
  if (loggedOut !== undefined && call !== 'multiquotes') return fault(500, loggedOut)
  const { floor } = context
  const name = `${asked.exchange}:${asked.symbol}`
  const known = floor.of(name)
  const missing = () =>
    isExchange(String(asked.exchange)) && context.knows(name)
      ? undefined
      : fault(404, `Symbol ${asked.symbol} not found for exchange ${asked.exchange}`)
  switch (call) {
    case 'ping':
      return success({ data: { message: 'pong', broker: context.broker } })
    case 'quotes':
      return missing() ?? success({ data: quoteOf(known) })
    case 'multiquotes':
      return success({
        results: (asked.symbols as { symbol: string; exchange: string }[]).map(it => {
          const name = `${it.exchange}:${it.symbol}`
          if (loggedOut !== undefined) return { ...it, error: loggedOut }
          return context.knows(name)
            ? { ...it, data: { ...quoteOf(floor.of(name)), oi: floor.of(name).interest } }
            : { ...it, error: `Symbol ${it.symbol} not found for exchange ${it.exchange}` }
        }),
      })
    case 'depth':
      return missing() ?? success({ data: depthOf(known) })
    case 'intervals':
      return success({ data: { days: ['D'], hours: ['1h'], minutes: ['1m', '5m'], seconds: [] } })
    case 'history':
      return missing() ?? history(floor, name, asked)
    case 'instruments':
      return json(
        200,
        (context.symbols ?? [])
          .filter(it => it.startsWith(`${asked.exchange}:`))
          .map(it => ({
            ...{ symbol: it.slice(it.indexOf(':') + 1), brsymbol: it, name: it, tick_size: 0.05 },
            ...{ exchange: asked.exchange, lotsize: 1, instrumenttype: 'EQ', token: '1' },
          })),
      )
  }
  return fault(404, 'Not found')
}

function history(floor: OpenAlgoFloor, name: string, asked: Record<string, unknown>): Answer {
  const interval = String(asked.interval)
  if (!INTERVALS.includes(interval)) return fault(400, `Unsupported interval: ${interval}`)
  const from = Date.parse(`${asked.start_date}T00:00:00Z`) - INDIA_MS
  const to = Date.parse(`${asked.end_date}T00:00:00Z`) - INDIA_MS + DAY_MS
  const length = { D: '1d', W: '1w' }[interval] ?? interval
  const bars = floor.bars(name, length).filter(({ timestamp: t }) => t >= from && t < to)
  return success({
    data: bars.map(({ timestamp, open, high, low, close, volume }) => ({
      ...{ timestamp: Math.floor(timestamp / 1_000), open, high, low, close, volume, oi: 0 },
    })),
  })
}

function quoteOf({ open, high, low, last, close, volume, bids, asks }: Readonly<Known>): object {
  const [bid, ask] = [bids[0]?.[0] ?? 0, asks[0]?.[0] ?? 0]
  return { open, high, low, ltp: last, ask, bid, prev_close: close, volume }
}

function depthOf(known: Readonly<Known>): object {
  const side = (levels: readonly Level[]) =>
    Array.from({ length: 5 }, (_, i) => {
      const [price, quantity] = levels[i] ?? [0, 0]
      return { price, quantity }
    })
  const { open, high, low, last, close, volume, interest } = known
  const day = { open, high, low, ltp: last, ltq: known.lastSize, prev_close: close, volume }
  const totals = { totalbuyqty: 0, totalsellqty: 0 }
  return { ...day, oi: interest, ...totals, asks: side(known.asks), bids: side(known.bids) }
}

const success = (answer: object) => json(200, { status: 'success', ...answer })
const fault = (status: number, message: string) => json(status, { status: 'error', message })

function json(status: number, body: unknown): Answer {
  const headers = { 'content-type': 'application/json' }
  return { status, headers, body: JSON.stringify(body) }
}
