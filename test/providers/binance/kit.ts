import type { BinanceOptions } from '../../../src/providers/binance/index.ts'
import { binance } from '../../../src/providers/binance/index.ts'
import type { MarketRest } from '../../../src/providers/binance/market.ts'
import { type BinanceServerOptions, binanceServer } from '../../../src/providers/binance/server.ts'
import { Names } from '../../../src/providers/binance/symbols.ts'
import { cryptoKit, NOON } from '../crypto-kit.ts'

type ServerOptions = Omit<BinanceServerOptions, 'clock'>

export const { contextOf, liveKit, restKit, canned } = cryptoKit({
  ...{ id: 'binance', symbol: 'BTC/USDT', restAt: NOON + 3_600_000 },
  server: (clock, options?: ServerOptions) => binanceServer({ clock, ...options }),
  provider: (transport, options?: BinanceOptions) => binance({ ...transport, ...options }),
})

/** Names of these pairs are known. */
export function namesOf(...symbols: readonly string[]): Names {
  const names = new Names()
  for (const symbol of symbols) names.symbol(symbol)
  return names
}

/** REST that never answers. */
export const MUTE_REST: MarketRest = {
  limit: 1_000,
  depth: () => new Promise(() => {}),
  strangers: () => new Promise(() => {}),
}
