import { TickwireError } from '../../base/errors.ts'
import { canonicalPair } from '../../market/symbols.ts'
import { ANY } from '../../market/topics.ts'

/** What the venue calls a pair: `BTCUSDT`. */
export function venueName(symbol: string): string {
  return symbol.replace('/', '')
}

/**
 * Pairs by what the venue calls them. Its names do not say where the base ends (`BTCTUSD`), so a name is taken back to
 * the pair it was first asked for by.
 */
export class Names {
  readonly #symbols = new Map<string, string>()

  /**
   * Canonical form of a pair in any spelling: `BTC/USDT`, `btc-usdt`, `BTCUSDT`. One word is split before the longest
   * known currency, unless it is known already.
   * @throws BAD_SYMBOL
   */
  symbol(text: string): string {
    if (text.trim() === ANY) {
      const hint = 'Name the pairs, as in BTC/USDT.'
      throw new TickwireError('BAD_SYMBOL', 'Binance takes no wildcard here', { hint })
    }
    const known = this.#symbols.get(text.trim().toUpperCase())
    if (known !== undefined) return known
    const symbol = canonicalPair(text)
    const name = venueName(symbol)
    const claimed = this.#symbols.get(name)
    if (claimed !== undefined && claimed !== symbol) {
      const message = `not a symbol: ${symbol} would be ${name} at the venue, which is ${claimed}`
      const hint = `Write ${claimed}; to the venue both are one.`
      throw new TickwireError('BAD_SYMBOL', message, { hint })
    }
    this.#symbols.set(name, symbol)
    return symbol
  }

  /** The pair a name of the venue stands for; `undefined` where nobody has asked for it. */
  find(name: string): string | undefined {
    return this.#symbols.get(name)
  }
}
