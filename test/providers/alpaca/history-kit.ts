import { strict as assert } from 'node:assert'
import type { HttpGet } from '../../../src/base/http.ts'
import type { HistoryRequest } from '../../../src/flow/contracts.ts'
import { createEvent, type MarketEvent, type Trade } from '../../../src/market/events.ts'
import { type AlpacaOptions, alpaca } from '../../../src/providers/alpaca/index.ts'
import { type HandClock, handClock } from '../../../src/testing/clock.ts'
import { type ScriptedVenueOptions, scriptedVenue } from '../../../src/testing/venue-scripted.ts'

export const OPEN = Date.UTC(2024, 0, 15, 14, 30)
export const HOUR = { from: OPEN, to: OPEN + 3_600_000 }
export const KEYS = { key: 'PK', secret: 'hushhush' }

let ids = 0
/** A trade so many ms behind the opening. */
export const trade = (symbol: string, ms: number, fields: object = {}): Trade =>
  createEvent({
    ...{ type: 'trade', symbol, source: 'venue', timestamp: OPEN + ms, price: 100 + ms / 1_000 },
    ...{ size: 100, id: ++ids, exchange: 'V', conditions: ['@'], tape: 'C', ...fields },
  }) as Trade

export const quote = (symbol: string, ms: number, fields: object = {}): MarketEvent =>
  createEvent({
    ...{ type: 'quote', symbol, source: 'venue', timestamp: OPEN + ms, bid: 100, bidSize: 2 },
    ...{ ask: 100.01, askSize: 3, bidExchange: 'V', askExchange: 'V', ...fields },
  })

export const bar = (symbol: string, minute: number, fields: object = {}): MarketEvent =>
  createEvent({
    ...{ type: 'bar', symbol, source: 'venue', timestamp: OPEN + minute * 60_000, interval: '1m' },
    ...{ open: 1, high: 3, low: 0.5, close: 2, volume: 500, vwap: 1.5, tradeCount: 9 },
    ...{ final: true, revision: 0, ...fields },
  })

/** What became of a question: the events, batch by batch, and the error it ended with. */
export interface Outcome {
  readonly batches: MarketEvent[][]
  readonly events: MarketEvent[]
  readonly error:
    | { readonly code: string; readonly message: string; readonly hint?: string }
    | undefined
}

/** Waits for a promise while time goes by. */
export async function passing<T>(clock: HandClock, promise: Promise<T>): Promise<T> {
  let over = false
  const end = () => {
    over = true
  }
  promise.then(end, end)
  for (let i = 0; i < 10_000 && !over; i++) await clock.advance(250)
  assert.ok(over, 'it has come to an end')
  return promise
}

export interface KitOptions {
  readonly venue?: Omit<ScriptedVenueOptions, 'clock'>
  readonly alpaca?: AlpacaOptions
}

/** A scripted venue in memory and a provider that asks it, an hour after the opening. */
export function restKit(options: KitOptions = {}) {
  const clock = handClock(OPEN + 3_600_000)
  // Plenty of requests, unless it is the quota that is looked at.
  const venue = scriptedVenue({ clock, rest: { requestsPerMinute: 100_000 }, ...options.venue })
  const asked: URL[] = []
  const httpGet: HttpGet = request => {
    asked.push(new URL(request.url))
    return venue.httpGet(request)
  }
  const make = (more: AlpacaOptions = {}) =>
    alpaca({ ...KEYS, clock, httpGet, ...options.alpaca, ...more } as AlpacaOptions)
  const provider = make()
  return { clock, venue, provider, make, asked, ...askingOf(provider, clock) }
}

/** A provider whose REST side answers with these bodies, one after another, the last for all that follow. */
export function cannedKit(bodies: readonly (object | string)[], options: AlpacaOptions = {}) {
  const clock = handClock(OPEN + 3_600_000)
  const asked: URL[] = []
  const httpGet: HttpGet = async ({ url }) => {
    const body = bodies[Math.min(asked.length, bodies.length - 1)]!
    asked.push(new URL(url))
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    return { status: 200, headers: {}, body: Buffer.from(text) }
  }
  const provider = alpaca({ ...KEYS, clock, httpGet, ...options })
  return { clock, provider, asked, ...askingOf(provider, clock) }
}

function askingOf(provider: ReturnType<typeof alpaca>, clock: HandClock) {
  return {
    /** All of a history, or what there was of it before the error. */
    history(request: Partial<HistoryRequest> = {}): Promise<Outcome> {
      const whole = { kind: 'trade', symbols: ['SPY'], ...HOUR, ...request } as const
      return passing(clock, outcomeOf(provider.history!(whole)))
    },
  }
}

export async function outcomeOf(history: AsyncIterable<MarketEvent[]>): Promise<Outcome> {
  const batches: MarketEvent[][] = []
  let error: Outcome['error']
  try {
    for await (const batch of history) batches.push(batch)
  } catch (thrown) {
    error = thrown as NonNullable<Outcome['error']>
  }
  return { batches, events: batches.flat(), error }
}
