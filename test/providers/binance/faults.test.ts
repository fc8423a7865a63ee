// The stream through the menu of faults of the scripted venue.
import { test } from 'node:test'
import { binance } from '../../../src/providers/binance/index.ts'
import { binanceVenue } from '../../../src/testing/venue-binance.ts'
import { throughFaults } from '../crypto-faults.ts'

test('no fault of the menu costs a trade or leaves a wrong book', async () => {
  await throughFaults('BTC/USDT', clock => {
    const venue = binanceVenue({ clock, latencyMs: 5 })
    const { openSocket, httpGet } = venue
    return { venue, provider: binance({ openSocket, httpGet, clock }) }
  })
})
