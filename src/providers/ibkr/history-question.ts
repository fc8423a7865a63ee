import type { Clock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { HistoryRequest } from '../../flow/contracts.ts'
import { lacksData, meaningOf } from './codes.ts'
import type { Contracts, Resolved } from './contracts.ts'
import type { OpenDesk } from './desk.ts'
import type { HistoryPace } from './history-pace.ts'
import type { AskOptions } from './requests.ts'
import type { Tws } from './tws.ts'

/** How long TWS may take to answer one question about the past, ms. */
export const TIMEOUT_MS = 60_000

export interface HistoryOptions {
  /** Name of the source where a request gives none. */
  readonly id: string
  readonly clock: Clock
  readonly contracts: Contracts
  readonly pace: HistoryPace
  /** With `last`, as on the stream, trades that were not reported are left out. */
  readonly trades: 'last' | 'all'
  symbol(text: string): string
  readonly desk: OpenDesk
}

/** One symbol's part of a request, and the connection it is asked on. */
export interface Context {
  readonly tws: Tws
  readonly resolved: Resolved
  readonly source: string
  readonly malformed: HistoryRequest['malformed']
  readonly signal: AbortSignal | undefined
}

/** Nothing of a time is an answer too, though TWS writes it as an error. */
export async function answered<T>(
  found: T[],
  ask: (options: Pick<AskOptions, 'judge'>) => Promise<void>,
): Promise<T[]> {
  let isEmpty = false
  const judge = (code: number, text: string) => {
    isEmpty = code === 162 && /no data/i.test(text)
    return judgeOf(code, text)
  }
  try {
    await ask({ judge })
  } catch (error) {
    if (!isEmpty) throw error
  }
  return found
}

function judgeOf(code: number, text: string): TickwireError | undefined {
  const said = `TWS ${code}: ${text.slice(0, 300)}`
  if (lacksData(text)) {
    return new TickwireError('NOT_ENTITLED', `this account has no history of it (${said})`)
  }
  if (code === 162 && /pacing/i.test(text)) {
    const message = `history was asked for too often (${said})`
    return new TickwireError('RATE_LIMITED', message, { retryAfterMs: 15_000 })
  }
  if (code === 162 || code === 10_187) return wrong(`no history (${said})`)
  const meaning = meaningOf(code, text)
  return 'error' in meaning ? meaning.error : undefined
}

export const wrong = (what: string) =>
  new TickwireError('VENUE_ERROR', `IBKR answered with ${what}`)

/** `20261120-18:30:00`, which TWS takes for UTC. */
export function utcText(seconds: number): string {
  const text = new Date(seconds * 1_000).toISOString()
  return `${text.slice(0, 10).replaceAll('-', '')}-${text.slice(11, 19)}`
}
