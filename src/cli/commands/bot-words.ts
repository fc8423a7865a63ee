// What a bot's thread and the command that runs it say to each other.
import { join } from 'node:path'
import { asError, type ErrorCode, TickwireError } from '../../base/errors.ts'
import type { ToAccount, ToldOrder } from '../../bot/account-link.ts'
import type { DiaryRow } from '../../bot/diary.ts'
import type { BotCommand } from '../../bot/loop.ts'
import type { PaperOptions } from '../../bot/paper-costs.ts'
import type { RiskLimits } from '../../bot/risk.ts'

/** Where a bot keeps what it knows, in a data folder. */
export const stateFile = (folder: string, name: string) => join(folder, 'bots', `${name}.json`)

/** What it did, a line of JSON each. */
export const logFile = (folder: string, name: string) => join(folder, 'bots', `${name}.log`)

/** What the thread is given. */
export interface BotJob {
  readonly file: string
  readonly cwd: string
  /** Of the bot. @default the strategy's */
  readonly name: string | undefined
  readonly given: Readonly<Record<string, unknown>>
  /** @default the strategy's */
  readonly symbols: readonly string[] | undefined
  readonly cash: number
  /** The account at a broker that its orders go to, by name. @default on paper */
  readonly account?: { readonly name: string; readonly kind: 'paper' | 'live' }
  /** Orders may be sent though prices are simulated or replayed: the broker is a simulation, too. */
  readonly isRehearsal?: boolean
  readonly seed: number
  readonly risk: RiskLimits
  readonly paper: PaperOptions
  /** Folders of the data and of the tape in it. */
  readonly folder: string
  readonly tape: string
  /** {@link BEATS} and {@link EVENT}, for the watchdog. */
  readonly beat: SharedArrayBuffer
}

/** Rises with every event it takes, and while it comes back to its event loop. */
export const BEATS = 0
/** Number on the tape of the event it took last. */
export const EVENT = 1
/** How often it shows that it comes back, ms. */
export const BEAT_MS = 250

/** What the command tells the thread. */
export type ToBot =
  /** Its name is its own: it may go on. */
  | { readonly type: 'go' }
  | { readonly type: 'settled'; readonly n: number }
  | { readonly type: 'command'; readonly what: BotCommand }
  /** What becomes of an order at its account. */
  | { readonly type: 'told'; readonly order: ToldOrder }
  | { readonly type: 'stop' }
  | { readonly type: 'end' }

/** What the thread tells the command. */
export type FromBot =
  | { readonly type: 'loaded'; readonly name: string }
  | {
      readonly type: 'started'
      readonly name: string
      readonly symbols: readonly string[]
      readonly isPaused: boolean
    }
  | { readonly type: 'rows'; readonly rows: readonly DiaryRow[]; readonly nature: string }
  | { readonly type: 'said'; readonly line: string }
  /** For its account. */
  | { readonly type: 'asked'; readonly asked: ToAccount }
  /** It reads no more: `settled` is still heard, and then `end`. */
  | {
      readonly type: 'stopped'
      readonly nature: string
      readonly equity: number
      readonly cash: number
    }
  | { readonly type: 'failed'; readonly error: PlainError }

/** An error as it can be sent. */
export interface PlainError {
  readonly code: ErrorCode | undefined
  readonly message: string
  readonly hint: string | undefined
  readonly stack: string | undefined
}

export function plainError(thrown: unknown): PlainError {
  const error = asError(thrown)
  const { code, hint } =
    error instanceof TickwireError ? error : { code: undefined, hint: undefined }
  const { cause } = error
  const stack = cause instanceof Error ? `${error.stack}\ncause: ${cause.stack}` : error.stack
  return { code, hint, message: error.message, stack }
}

export function errorOf({ code, message, hint, stack }: PlainError): Error {
  const error = code ? new TickwireError(code, message, { hint }) : new Error(message)
  if (stack !== undefined) error.stack = stack
  return error
}
