import type { EventType } from '../../market/events.ts'

/** How much the server sends of a symbol. Each mode has what the ones before it have, as far as the broker does. */
export const MODES = ['ltp', 'quote', 'depth'] as const
export type Mode = (typeof MODES)[number]

/** The server's number of a mode. */
export const modeNumber = (mode: Mode): 1 | 2 | 3 => (MODES.indexOf(mode) + 1) as 1 | 2 | 3

export const richest = (modes: readonly Mode[]): Mode | undefined =>
  MODES.findLast(mode => modes.includes(mode))

/** Which mode carries a kind of event; some of it is found out from what the broker sends. */
export class ModePlan {
  readonly #tickers: 'ltp' | 'quote'
  /** The broker sends bid and ask with its depth only. */
  quotesFromDepth = false

  constructor(tickers: 'ltp' | 'quote') {
    this.#tickers = tickers
  }

  /** The least mode that carries this kind. */
  of(kind: EventType): Mode {
    if (kind === 'book') return 'depth'
    if (kind === 'quote') return this.quotesFromDepth ? 'depth' : 'quote'
    return this.#tickers
  }
}
