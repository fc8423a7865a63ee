/** What a trade may do to a bar's open and close: `first` only while nothing else has given the bar a price. */
export type OpenClose = 'yes' | 'first' | 'no'

/** What a trade changes in a bar. The number of trades goes with the volume, the VWAP with high, low and volume. */
export interface SaleEffect {
  readonly openClose: OpenClose
  readonly highLow: boolean
  readonly volume: boolean
}

/** A sale condition of the consolidated tapes. */
export interface SaleCondition {
  readonly code: string
  readonly name: string
  /** Tapes it is printed on: A and B by the CTA plan, C by the UTP plan, O over the counter. */
  readonly tapes: string
  /** In bars of less than a day. */
  readonly minute: SaleEffect
  /** In bars of a day. */
  readonly day: SaleEffect
}

const ALL = 'ABCO'

const EFFECTS = {
  all: { openClose: 'yes', highLow: true, volume: true },
  first: { openClose: 'first', highLow: true, volume: true },
  volume: { openClose: 'no', highLow: false, volume: true },
  price: { openClose: 'yes', highLow: true, volume: false },
  none: { openClose: 'no', highLow: false, volume: false },
} as const satisfies Record<string, SaleEffect>

type Effect = keyof typeof EFFECTS

const row = (
  code: string,
  name: string,
  tapes: string,
  minute: Effect,
  day: Effect = minute,
): SaleCondition => ({ code, name, tapes, minute: EFFECTS[minute], day: EFFECTS[day] })

/**
 * The table of conditions, as Alpaca publishes how its bars are made (which follows the consolidated volume and last
 * sale rules of the CTA and UTP plans): https://docs.alpaca.markets/docs/market-data-faq
 */
export const SALE_CONDITIONS: readonly SaleCondition[] = [
  row(' ', 'regular', 'AB', 'all'),
  row('@', 'regular', 'CO', 'all'),
  row('A', 'acquisition', 'C', 'all'),
  row('B', 'average price', 'AB', 'volume'),
  row('B', 'bunched', 'C', 'all'),
  row('C', 'cash', ALL, 'volume'),
  row('D', 'distribution', 'C', 'all'),
  row('E', 'automatic execution', 'AB', 'all'),
  row('F', 'intermarket sweep', 'ABC', 'all'),
  row('G', 'bunched sold', 'C', 'volume', 'first'),
  row('H', 'price variation', 'ABC', 'volume'),
  row('I', 'odd lot', ALL, 'volume'),
  row('K', 'rule 127 or 155', 'ABC', 'all'),
  row('L', 'sold last', 'ABC', 'all'),
  row('M', 'official close', 'ABC', 'none'),
  row('N', 'next day', ALL, 'volume'),
  row('O', 'opening', 'ABC', 'all'),
  row('P', 'prior reference price', ALL, 'volume', 'first'),
  row('Q', 'official open', 'ABC', 'none'),
  row('R', 'seller', ALL, 'volume'),
  row('T', 'extended hours', ALL, 'all', 'volume'),
  row('U', 'extended hours, out of sequence', ALL, 'volume'),
  row('V', 'contingent', 'ABC', 'volume'),
  row('W', 'average price', 'CO', 'volume'),
  row('X', 'cross', 'ABC', 'all'),
  row('Y', 'yellow flag', 'C', 'all'),
  row('Z', 'sold out of sequence', 'ABC', 'volume', 'first'),
  row('4', 'derivatively priced', 'ABC', 'volume', 'first'),
  row('5', 'reopening', 'ABC', 'all'),
  row('6', 'closing', 'ABC', 'all'),
  row('7', 'qualified contingent', 'ABC', 'volume'),
  row('9', 'corrected close', 'ABC', 'none', 'price'),
]

/*
 * A rule is four bits: two of open and close (11 yes, 01 first, 00 no), one of high and low, one of volume; those of
 * days stand four bits above those of shorter bars. So the strictest of several conditions is their bitwise and.
 */
export const PRICES = 0b0011
export const RANGE = 0b0100
export const VOLUME = 0b1000
export const DAY_SHIFT = 4
/** Of bars of one kind. */
export const RULE = 0b1111
/** A trade that counts for everything. */
export const EVERYTHING = 0xff

const OPEN_CLOSE: { readonly [effect in OpenClose]: number } = { yes: PRICES, first: 0b01, no: 0 }

const bitsOf = ({ openClose, highLow, volume }: SaleEffect) =>
  OPEN_CLOSE[openClose] | (highLow ? RANGE : 0) | (volume ? VOLUME : 0)

/** What a code of no row does: it is volume, never a price. */
const UNKNOWN = VOLUME | (VOLUME << DAY_SHIFT)

/** Codes are one character of ASCII. */
const CODES = 128
const TABLES = ['A', 'B', 'C', 'O'].map(tape => {
  const table = new Uint8Array(CODES).fill(UNKNOWN)
  for (const { code, tapes, minute, day } of SALE_CONDITIONS) {
    if (!tapes.includes(tape)) continue
    table[code.charCodeAt(0)] = bitsOf(minute) | (bitsOf(day) << DAY_SHIFT)
  }
  return table
})
const [TAPE_A, TAPE_B, TAPE_C, TAPE_O] = TABLES

function tableOf(tape: string): Uint8Array | undefined {
  switch (tape) {
    case 'A':
      return TAPE_A
    case 'B':
      return TAPE_B
    // The overnight venues print with the codes of the UTP plan.
    case 'C':
    case 'N':
      return TAPE_C
    case 'O':
      return TAPE_O
  }
  return undefined
}

/**
 * The rule of a trade, as bits: the strictest of its conditions. A code of no row, or of a row for other tapes, makes it
 * volume but no price. Where there is no consolidated tape (crypto, other countries) there are no such conditions, and
 * everything counts.
 */
export function saleRule(
  conditions: readonly string[] | undefined,
  tape: string | undefined,
): number {
  if (conditions === undefined || tape === undefined) return EVERYTHING
  const table = tableOf(tape)
  if (table === undefined) return EVERYTHING
  let rule = EVERYTHING
  for (let i = 0; i < conditions.length; i++) {
    const code = conditions[i]!
    const at = code.length === 1 ? code.charCodeAt(0) : CODES
    rule &= at < CODES ? table[at]! : UNKNOWN
  }
  return rule
}

/** What a trade with these conditions changes in a bar: of a day, or of less. */
export function saleEffect(
  conditions: readonly string[] | undefined,
  tape: string | undefined,
  bar: 'minute' | 'day' = 'minute',
): SaleEffect {
  const rule = saleRule(conditions, tape)
  const bits = bar === 'day' ? rule >> DAY_SHIFT : rule
  const prices = bits & PRICES
  return {
    openClose: prices === PRICES ? 'yes' : prices === 0 ? 'no' : 'first',
    highLow: (bits & RANGE) !== 0,
    volume: (bits & VOLUME) !== 0,
  }
}
