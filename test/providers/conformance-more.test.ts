// The same suite, for those who pass on what others trade.
import { providerSuite } from '../../src/testing/provider-suite.ts'
import { ALLTICK } from './conformance/alltick.ts'
import { JSON_VENDOR } from './conformance/json.ts'
import { OPENALGO } from './conformance/openalgo.ts'

providerSuite('alltick', ALLTICK)
providerSuite('json (a vendor as data)', JSON_VENDOR)
providerSuite('openalgo', OPENALGO)
