import { type Clock, sleep } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'

/**
 * How often IBKR may be asked about the past, https://interactivebrokers.github.io/tws-api/historical_limitations.html:
 * 60 questions in ten minutes, of which quotes count twice; fewer than 6 of one contract in 2 s; none twice in 15 s.
 */
const LIMITS = {
  all: { most: 58, withinMs: 600_000 },
  contract: { most: 5, withinMs: 2_000 },
  same: { most: 1, withinMs: 15_000 },
} as const
/** What the way to TWS may take off a distance between two questions, ms. */
const MARGIN_MS = 1_000

export interface Question {
  /** All that is asked for. */
  readonly text: string
  /** The contract, exchange and type of data. */
  readonly contract: string
  readonly weight: number
}

/** Lets questions go when the rules allow it. */
export class HistoryPace {
  readonly #clock: Clock
  /** When what was asked, oldest first. */
  #asked: { readonly at: number; readonly question: Question }[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether the same has not been asked lately. */
  isFresh(text: string): boolean {
    const since = this.#clock.now() - LIMITS.same.withinMs - MARGIN_MS
    return !this.#asked.some(({ at, question }) => at > since && question.text === text)
  }

  /**
   * Waits for its turn, however long that takes. What it returns is to be called when the question leaves, which may be
   * later than when it was its turn.
   * @throws CLOSED when given up
   */
  async turn(question: Question, signal?: AbortSignal): Promise<() => void> {
    for (;;) {
      if (signal?.aborted) throw new TickwireError('CLOSED', 'given up')
      const waitMs = this.#wait(question)
      if (waitMs <= 0) break
      await sleep(this.#clock, waitMs + MARGIN_MS, signal)
    }
    let asked = { at: this.#clock.now(), question }
    this.#asked.push(asked)
    return () => {
      const leaving = { at: this.#clock.now(), question }
      this.#asked = [...this.#asked.filter(one => one !== asked), leaving]
      asked = leaving
    }
  }

  #wait(question: Question): number {
    const now = this.#clock.now()
    this.#asked = this.#asked.filter(({ at }) => now - at < LIMITS.all.withinMs)
    const after = (
      { most, withinMs }: { readonly most: number; readonly withinMs: number },
      counts: (other: Question) => boolean,
      weigh: (other: Question) => number,
    ) => {
      let left = most - weigh(question)
      for (const { at, question: other } of [...this.#asked].reverse()) {
        if (now - at >= withinMs) break
        if (!counts(other)) continue
        left -= weigh(other)
        if (left < 0) return at + withinMs - now
      }
      return 0
    }
    return Math.max(
      after(
        LIMITS.all,
        () => true,
        other => other.weight,
      ),
      after(
        LIMITS.contract,
        other => other.contract === question.contract,
        () => 1,
      ),
      after(
        LIMITS.same,
        other => other.text === question.text,
        () => 1,
      ),
    )
  }
}

const PACES = new WeakMap<Clock, Map<string, HistoryPace>>()

/** The one pace of an account among all who share a clock. */
export function sharedPace(clock: Clock, account: string): HistoryPace {
  let accounts = PACES.get(clock)
  if (!accounts) PACES.set(clock, (accounts = new Map()))
  let pace = accounts.get(account)
  if (!pace) accounts.set(account, (pace = new HistoryPace(clock)))
  return pace
}
