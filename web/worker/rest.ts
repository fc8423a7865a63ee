import type { MarketEvent } from '../../src/market/events.ts'
import { eventOf } from '../../src/providers/tickwire/plain.ts'

/** What a gateway refuses, in its words. */
export class Refused extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

export type Query = Readonly<Record<string, string | number | undefined>>

/** The JSON of an answer. @throws Refused, TypeError where nobody answers */
export async function ask<T>(path: string, query: Query = {}, init: RequestInit = {}): Promise<T> {
  const answer = await request(path, query, init)
  return (await answer.json()) as T
}

let last: Promise<unknown> = Promise.resolve()

/**
 * Stored events, oldest first; bars, trades … One question at a time: a browser makes six connections to a gateway, for all
 * its pages together, and a store that is just opening keeps each waiting, so that nothing else would come through.
 * @throws Refused, TypeError where nobody answers
 */
export function past(kind: string, query: Query): Promise<MarketEvent[]> {
  const answer = last.then(async () => {
    const response = await request(kind, query, { headers: { accept: 'application/x-ndjson' } })
    const text = await response.text()
    return text.split('\n').flatMap(line => (line === '' ? [] : [eventOf(JSON.parse(line))]))
  })
  last = answer.catch(() => {})
  return answer
}

async function request(path: string, query: Query, init: RequestInit): Promise<Response> {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  )
  const answer = await fetch(`/v1/${path}?${new URLSearchParams(given)}`, {
    credentials: 'same-origin',
    ...init,
  })
  if (answer.ok) return answer
  const body = (await answer.json().catch(() => undefined)) as
    | { error?: { code?: string; message?: string; hint?: string } }
    | undefined
  const {
    code = `HTTP ${answer.status}`,
    message = 'the gateway refused',
    hint,
  } = body?.error ?? {}
  throw new Refused(code, hint ? `${message}. ${hint}` : message)
}
