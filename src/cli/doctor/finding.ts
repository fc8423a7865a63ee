import type { Clock } from '../../base/clock.ts'
import { asError, type ErrorCode, TickwireError } from '../../base/errors.ts'
import type { Config } from '../config.ts'
import { type Chosen, inSettings } from '../providers.ts'

/** What is looked at, in this order. */
export const CHECKS = [
  ...(['configuration', 'keys', 'host', 'clock', 'account'] as const),
  ...(['stream', 'subscription', 'first tick', 'disk', 'machine'] as const),
] as const
export type CheckName = (typeof CHECKS)[number]

/** `skip`: something before it failed. */
export type Status = 'ok' | 'warn' | 'fail' | 'skip'

export interface Finding {
  readonly check: CheckName
  readonly status: Status
  readonly found: string
  /** What to do about it. */
  readonly next?: string | undefined
  readonly code?: ErrorCode | undefined
}

/** What the checks of a venue go by. */
export interface Setup {
  readonly config: Config
  readonly chosen: Chosen
}

export interface Tools {
  readonly clock: Clock
  /** Gives up on whatever is being looked at. */
  readonly signal: AbortSignal
}

export const ok = (check: CheckName, found: string): Finding => ({ check, status: 'ok', found })

/** Where an error knows no better, and may pass. */
export const TRY_AGAIN =
  'Try again in a while; a proxy or firewall in between may hold messages back, or the venue has a fault.'

export function failed(check: CheckName, thrown: unknown, status: Status = 'fail'): Finding {
  const error = inSettings(thrown)
  if (!(error instanceof TickwireError)) {
    const found = `unexpected: ${asError(error).message}`
    return { check, status, found, next: 'Run it again with --debug for the details.' }
  }
  const { message, code, fatal } = error
  const next = error.hint ?? (fatal ? `docs/errors.md says what ${code} means.` : TRY_AGAIN)
  return { check, status, found: message, next, code }
}

export const skipped = (checks: readonly CheckName[], why: string): Finding[] =>
  checks.map(check => ({ check, status: 'skip', found: why }))

export const ms = (time: number) => `${Math.round(time)} ms`
export const seconds = (time: number) => `${(time / 1_000).toFixed(1)} s`
