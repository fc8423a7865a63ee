import type { Clock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { Budgets } from './settings.ts'

type Budget = keyof Budgets

/** How long a budget is taken to be as small as TWS has shown, ms: other programs may share it. */
export const LEARNED_MS = 60_000
/**
 * Ticks of one instrument may be asked for once in 15 s, to which the way to TWS adds a little:
 * https://interactivebrokers.github.io/tws-api/tick_data.html
 */
const TICKS_EVERY_MS = 15_500
const WORDS: Readonly<Record<Budget, string>> = {
  ticks: 'tick-by-tick streams',
  lines: 'market data lines',
  books: 'books',
}

/** How much of each kind there may be at the same time: what the account has, or less where TWS has shown it. */
export class Room {
  readonly #budgets: Budgets
  readonly #clock: Clock
  readonly #used: (of: Budget) => number
  readonly #shown = new Map<Budget, { readonly most: number; readonly until: number }>()

  /** `used` counts what there is. */
  constructor(budgets: Budgets, clock: Clock, used: (of: Budget) => number) {
    this.#budgets = budgets
    this.#clock = clock
    this.#used = used
  }

  /** How many more there may be. */
  left(of: Budget): number {
    return this.#most(of) - this.#used(of)
  }

  #most(of: Budget): number {
    const shown = this.#shown.get(of)
    const counts = shown !== undefined && this.#clock.now() < shown.until
    return counts ? Math.min(shown.most, this.#budgets[of]) : this.#budgets[of]
  }

  /** How much of each there is, of what there may be: for people. */
  get use(): string {
    return (['ticks', 'lines', 'books'] as const).map(of => this.#words(of)).join(', ')
  }

  #words(of: Budget, rest = ''): string {
    const most = this.#most(of)
    const shown =
      most < this.#budgets[of]
        ? ` (TWS has shown less room than the ${this.#budgets[of]} it should have)`
        : ''
    return `${this.#used(of)} of ${most} ${WORDS[of]}${rest && ` ${rest}`}${shown}`
  }

  /** TWS gives no more than there are, for now. */
  learn(of: Budget): void {
    this.#shown.set(of, { most: this.#used(of), until: this.#clock.now() + LEARNED_MS })
  }

  /** Why there can be no more; `instead`: of trades, whether tickers come in their place. */
  refusal(of: Budget, instead = false): TickwireError {
    const full = this.#words(of, 'are in use')
    const rest = instead
      ? '; tickers come instead, and trades as soon as one of them is let go'
      : ''
    return new TickwireError('SYMBOL_LIMIT', full + rest, {
      hint:
        'IBKR gives an account 100 lines, 5 tick-by-tick streams and 3 books, more with Quote Booster Packs: then say so by ' +
        'the option budgets.',
    })
  }
}

/**
 * Bars may be asked for 60 times in ten minutes, to which the way to TWS adds a little:
 * https://interactivebrokers.github.io/tws-api/realtime_bars.html
 */
const BARS = { most: 58, withinMs: 610_000 } as const

/** When bars may be asked for again, also on the next connection. */
export class BarTurns {
  /** When they were, as often as it counts, oldest first. */
  readonly #askedAt: number[] = []

  /** How long until it is the next one's turn, ms; 0 when it is. */
  wait(now: number): number {
    const full = this.#askedAt.length >= BARS.most
    return full ? Math.max(0, this.#askedAt[0]! + BARS.withinMs - now) : 0
  }

  /** Some are being asked for. */
  take(now: number): void {
    this.#askedAt.push(now)
    if (this.#askedAt.length > BARS.most) this.#askedAt.shift()
  }
}

/** When ticks of each symbol may be asked for again, also on the next connection. */
export class TickTurns {
  readonly #askedAt = new Map<string, number>()

  /** How long until it is this symbol's turn, ms; 0 when it is. */
  wait(symbol: string, now: number): number {
    const at = this.#askedAt.get(symbol)
    return at === undefined ? 0 : Math.max(0, at + TICKS_EVERY_MS - now)
  }

  /** It is being asked for. */
  take(symbol: string, now: number): void {
    this.#askedAt.set(symbol, now)
  }
}
