import { TickwireError } from '../../base/errors.ts'
import { canonicalPair, canonicalSymbol } from '../../market/symbols.ts'
import { ANY } from '../../market/topics.ts'
import type { AllTickMarket } from './plans.ts'

/** Codes in small letters: the venue tells them apart. */
const NAMES = ['Silver', 'Aluminum', 'Palladium', 'Platinum', 'Nickel']
const BY_SYMBOL = new Map(NAMES.map(name => [name.toUpperCase(), name]))

const STOCK = /^[^\s:/]+\.(US|HK|SH|SZ)$/

/**
 * Canonical form of a code: of stocks `AAPL.US`, `700.HK`, `600416.SH`; beside them pairs `EUR/USD` and `BTC/USDT`, and
 * names such as `GOLD` and `US500`.
 * @throws BAD_SYMBOL
 */
export function allTickSymbol(text: string, market: AllTickMarket): string {
  if (text.trim() === ANY) {
    const hint = 'AllTick takes no wildcard: name the codes, as in AAPL.US.'
    throw new TickwireError('BAD_SYMBOL', 'a star is no symbol', { hint })
  }
  const symbol = canonicalSymbol(text)
  const isStock = STOCK.test(symbol)
  if (market === 'stocks') {
    if (!isStock) {
      throw new TickwireError('BAD_SYMBOL', `${symbol} is no code of a stock`, {
        hint: "Write AAPL.US, 700.HK, 600416.SH or 000627.SZ. Pairs, metals and crypto are had by market: 'forex'.",
      })
    }
    // 00700.HK is 700.HK to the venue.
    return symbol.endsWith('.HK') ? symbol.replace(/^0+(?=[^.])/, '') : symbol
  }
  if (isStock) {
    throw new TickwireError('BAD_SYMBOL', `${symbol} is a stock`, { hint: "Set market: 'stocks'." })
  }
  return BY_SYMBOL.has(symbol) ? symbol : pairOf(symbol)
}

/** What the venue calls a canonical symbol. */
export function codeOf(symbol: string): string {
  return BY_SYMBOL.get(symbol) ?? symbol.replace('/', '')
}

/** The canonical symbol of a code of a message; `undefined` for what is none. */
export function symbolOf(code: unknown, market: AllTickMarket): string | undefined {
  if (typeof code !== 'string' || !/^[!#-[\]-~]{1,64}$/.test(code)) return undefined
  if (market === 'stocks') return STOCK.test(code) ? code : undefined
  return /[:/,;]/.test(code) ? undefined : pairOf(code.toUpperCase())
}

/** A pair where one can be seen in it. Written in one word by the venue, it is split as that word would be. */
function pairOf(symbol: string): string {
  try {
    return canonicalPair(canonicalPair(symbol).replace('/', ''))
  } catch {
    return symbol
  }
}
