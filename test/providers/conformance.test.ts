// One suite, every provider.
import { providerSuite } from '../../src/testing/provider-suite.ts'
import { ALPACA_CRYPTO, ALPACA_MSGPACK, ALPACA_STOCKS } from './conformance/alpaca.ts'
import { BINANCE } from './conformance/binance.ts'
import { COINBASE } from './conformance/coinbase.ts'
import { KRAKEN } from './conformance/kraken.ts'

providerSuite('alpaca (stocks)', ALPACA_STOCKS)
providerSuite('alpaca (stocks, msgpack)', ALPACA_MSGPACK)
providerSuite('alpaca (crypto)', ALPACA_CRYPTO)
providerSuite('kraken', KRAKEN)
providerSuite('binance', BINANCE)
providerSuite('coinbase', COINBASE)
