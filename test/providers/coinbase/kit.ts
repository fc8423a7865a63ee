import { type CoinbaseOptions, coinbase } from '../../../src/providers/coinbase/index.ts'
import {
  type CoinbaseServerOptions,
  coinbaseServer,
} from '../../../src/providers/coinbase/server.ts'
import { cryptoKit, NOON } from '../crypto-kit.ts'

type ServerOptions = Omit<CoinbaseServerOptions, 'clock'>

export const { contextOf, liveKit, restKit, canned } = cryptoKit({
  ...{ id: 'coinbase', symbol: 'BTC/USD', restAt: NOON + 7_200_000 },
  server: (clock, options?: ServerOptions) => coinbaseServer({ clock, ...options }),
  provider: (transport, options?: CoinbaseOptions) => coinbase({ ...transport, ...options }),
})
