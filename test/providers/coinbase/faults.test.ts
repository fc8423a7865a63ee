// The stream through the menu of faults of the scripted venue.
import { test } from 'node:test'
import { coinbase } from '../../../src/providers/coinbase/index.ts'
import { coinbaseVenue } from '../../../src/testing/venue-coinbase.ts'
import { throughFaults } from '../crypto-faults.ts'

test('no fault of the menu costs a trade or leaves a wrong book', async () => {
  await throughFaults('BTC/USD', clock => {
    const venue = coinbaseVenue({ clock, latencyMs: 5 })
    const { openSocket, httpGet } = venue
    return { venue, provider: coinbase({ openSocket, httpGet, clock }) }
  })
})
