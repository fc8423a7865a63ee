/** The codes that stocks carry, as Alpaca's stream spells them. */

/** Where trades print, by the share each place has: off exchange (D) most of all. */
export const EXCHANGES = ['D', 'Q', 'P', 'K', 'Z', 'N', 'V', 'U'] as const
/** Index into {@link EXCHANGES} for each of sixteen equal chances. */
export const EXCHANGE_OF = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7] as const
/** Reports of trades made elsewhere, which are those that come late. */
export const OFF_EXCHANGE = 0

/** Both sides of the quote are regular. */
export const QUOTE_REGULAR = Object.freeze(['R'])

/** What is special about a trade, as bits: the index into {@link conditionsOf}. */
export const PRINT = { odd: 1, sweep: 2, extended: 4, late: 8 } as const
/** Prints that count for a minute bar's volume and not for its prices: odd lots, and those out of sequence. */
export const VOLUME_ONLY = PRINT.odd | PRINT.late

/** The lists for every sum of {@link PRINT}, made once: events share them. */
function lists(regular: string): readonly (readonly string[])[] {
  return Array.from({ length: 16 }, (_, bits) => {
    const extended = (bits & PRINT.extended) !== 0
    const late = (bits & PRINT.late) !== 0
    return Object.freeze([
      regular,
      ...(bits & PRINT.sweep ? ['F'] : []),
      ...(late ? [extended ? 'U' : 'Z'] : extended ? ['T'] : []),
      ...(bits & PRINT.odd ? ['I'] : []),
    ])
  })
}

const NASDAQ_LISTS = lists('@')
const OTHER_LISTS = lists(' ')

/** Sale conditions by {@link PRINT} bits: a regular sale is `@` on tape C and a blank on A and B. */
export function conditionsOf(tape: string): readonly (readonly string[])[] {
  return tape === 'C' ? NASDAQ_LISTS : OTHER_LISTS
}

/** The prints that open and close a day: the auction's trade, then the official price, which is no trade. */
export interface AuctionCodes {
  /** Index of the listing exchange into {@link EXCHANGES}. */
  readonly exchange: number
  readonly open: readonly (readonly string[])[]
  readonly close: readonly (readonly string[])[]
}

function auction(regular: string, exchange: (typeof EXCHANGES)[number]): AuctionCodes {
  const pair = (trade: string, official: string) =>
    [trade, official].map(code => Object.freeze([regular, code]))
  return { exchange: EXCHANGES.indexOf(exchange), open: pair('O', 'Q'), close: pair('6', 'M') }
}

const AUCTIONS: Readonly<Record<string, AuctionCodes>> = {
  A: auction(' ', 'N'),
  B: auction(' ', 'P'),
  C: auction('@', 'Q'),
}

export function auctionOf(tape: string): AuctionCodes {
  return AUCTIONS[tape] ?? AUCTIONS.A!
}

/** What a `status` says. */
export interface StatusCodes {
  readonly code: string
  readonly message: string
  readonly reason: string
  readonly reasonMessage: string
}

const says = (
  code: string,
  message: string,
  reason: string,
  reasonMessage: string,
): StatusCodes => ({ code, message, reason, reasonMessage })

/** A halt and how it ends. */
export interface HaltCodes {
  readonly halt: StatusCodes
  readonly resume: StatusCodes
}

const PAUSE = 'Volatility Trading Pause'
const NASDAQ_HALTS = {
  volatility: {
    halt: says('P', PAUSE, 'LUDP', PAUSE),
    resume: says('T', 'Trading Resumption', 'LUDP', PAUSE),
  },
  news: {
    halt: says('H', 'Trading Halt', 'T1', 'Halt News Pending'),
    resume: says('T', 'Trading Resumption', 'T3', 'News and Resumption Times'),
  },
}
const OTHER_HALTS = {
  volatility: {
    halt: says('2', 'Trading Halt', 'M', PAUSE),
    resume: says('3', 'Resume', 'M', PAUSE),
  },
  news: {
    halt: says('2', 'Trading Halt', 'P', 'News Pending'),
    resume: says('3', 'Resume', 'D', 'News Released'),
  },
}

/** Codes of halts: those of Nasdaq on tape C, those of the CTA on A and B. */
export function haltsOf(tape: string): {
  readonly volatility: HaltCodes
  readonly news: HaltCodes
} {
  return tape === 'C' ? NASDAQ_HALTS : OTHER_HALTS
}
