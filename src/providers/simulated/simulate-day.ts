import { TickwireError } from '../../base/errors.ts'
import { KIND_BIT } from '../../feed/provider.ts'
import type { MarketEvent } from '../../market/events.ts'
import { canonicalSymbol } from '../../market/symbols.ts'
import { checkDay, TradingDay } from './day.ts'
import { checkSeed, instruments, type SymbolOption } from './instruments.ts'
import { KINDS, type Kind } from './listing.ts'

/** Steps of one batch. */
const BATCH = 512
const DAY_KINDS: readonly Kind[] = ['trade', 'quote', 'status', 'correction', 'cancel']

export interface DayOptions {
  /** The date in New York, from Monday to Friday: `2025-06-02`. Holidays are days like any other. */
  readonly day: string
  /** Chooses the market. @default 1 */
  readonly seed?: number
  /** How many symbols, or which besides the built-in ones: as in `simulated`. @default the built-in ones */
  readonly symbols?: number | readonly SymbolOption[]
  /** Trades and quotes of the whole day and all symbols, about. @default 20,000 for each symbol */
  readonly events?: number
  /** @default trade, quote, status, correction and cancel */
  readonly kinds?: readonly Kind[]
  /** Name of the source on every event. @default 'simulated' */
  readonly source?: string
}

/**
 * The market of one US trading day without a feed, in batches: the same events as `simulated({ day })` sends, in the
 * same order. The same options give the same events, byte for byte, as often as it is run through.
 * @throws BAD_OPTION for a day, a seed, a number of events or a symbol that cannot be used, or where no kind is named
 */
export function simulateDay(options: DayOptions): Iterable<readonly MarketEvent[]> {
  const { seed = 1, symbols = [], kinds = DAY_KINDS, source = 'simulated', day, events } = options
  checkSeed(seed)
  checkDay(day, events)
  const all = instruments(symbols, canonicalSymbol)
  const wants = kinds.reduce((bits, kind) => bits | KIND_BIT[kind], 0)
  if (wants === 0) {
    throw new TickwireError('BAD_OPTION', 'kinds is empty', {
      hint: `Name some of: ${KINDS.join(', ')}.`,
    })
  }
  return {
    *[Symbol.iterator]() {
      const market = new TradingDay(all, { day, seed, events, source })
      for (const name of all.keys()) market.want(name, wants)
      while (!market.over) {
        const batch: MarketEvent[] = []
        market.run(0, BATCH, batch)
        if (batch.length > 0) yield batch
      }
    },
  }
}
