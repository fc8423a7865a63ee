import { TickwireError } from '../../base/errors.ts'
import { canonicalPair } from '../../market/symbols.ts'
import { ANY } from '../../market/topics.ts'

/** The only products against USDC with a market of their own; all others are other names of those against USD. */
const OWN_USDC: readonly string[] = ['USDT', 'EURC']

/**
 * Canonical form of a pair in any spelling: `BTC/USD`, `BTC-USD`, `btcusd`.
 * @throws BAD_SYMBOL
 */
export function coinbaseSymbol(text: string): string {
  if (text.trim() === ANY) {
    const hint = 'Coinbase takes no wildcard: name the pairs, as in BTC/USD.'
    throw new TickwireError('BAD_SYMBOL', 'a star is no pair', { hint })
  }
  return canonicalPair(text)
}

/**
 * The product whose market a pair is: `BTC-USD` of `BTC/USD`, and of `BTC/USDC` too.
 * https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels
 */
export function productOf(symbol: string): string {
  const [base = '', quote = ''] = symbol.split('/')
  return `${base}-${quote === 'USDC' && !OWN_USDC.includes(base) ? 'USD' : quote}`
}

/** The pairs a product is the market of, its own first; none for what is no product. */
export function symbolsOf(product: string): readonly string[] {
  const [base = '', quote = '', more] = product.split('-')
  if (base === '' || quote === '' || more !== undefined || product.includes('/')) return []
  const symbol = `${base}/${quote}`
  return quote === 'USD' && !OWN_USDC.includes(base) ? [symbol, `${base}/USDC`] : [symbol]
}
