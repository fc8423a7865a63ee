// The suite of every provider, on a TWS in memory.
import { providerSuite } from '../../../src/testing/provider-suite.ts'
import { IBKR } from './traits.ts'

providerSuite('ibkr', IBKR)
