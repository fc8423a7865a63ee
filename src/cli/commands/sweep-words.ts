// What the threads of a sweep and the command that runs it say to each other.
import type { BacktestResult, RunOptions } from '../../bot/backtest.ts'
import type { PlainError } from './bot-words.ts'

/** One set of parameters, and its place in the sweep. */
export interface SweepSet {
  readonly place: number
  readonly given: Readonly<Record<string, unknown>>
}

export interface SweepJob {
  readonly file: string
  readonly cwd: string
  readonly sets: readonly SweepSet[]
  readonly run: Omit<RunOptions, 'strategy' | 'params'>
}

export type ToSweep =
  /** Events as columns, shared by all threads. */
  { readonly type: 'events'; readonly bytes: Uint8Array } | { readonly type: 'end' }

export type FromSweep =
  | { readonly type: 'taken' }
  | { readonly type: 'result'; readonly place: number; readonly result: BacktestResult }
  | { readonly type: 'over' }
  | { readonly type: 'failed'; readonly error: PlainError }
