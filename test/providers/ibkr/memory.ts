import type { TestContext } from 'node:test'
import { type IbkrOptions, ibkr } from '../../../src/providers/ibkr/index.ts'
import { loadLibrary } from '../../../src/providers/ibkr/library.ts'
import { handClock } from '../../../src/testing/clock.ts'
import type { FakeTwsOptions } from '../../../src/testing/fake-tws.ts'
import { ibkrVenue } from '../../../src/testing/fake-tws-venue.ts'
import { NOON } from './kit.ts'

/** A provider on a TWS in memory, by a clock turned by hand. */
export async function memory(
  t: TestContext,
  options: { readonly tws?: Omit<FakeTwsOptions, 'clock'>; readonly ibkr?: IbkrOptions } = {},
) {
  await loadLibrary()
  const clock = handClock(NOON)
  const venue = ibkrVenue({ clock, ...(options.tws && { tws: options.tws }) })
  t.after(() => venue.close())
  const provider = ibkr({ openTcp: venue.openTcp, clock, ...options.ibkr })
  /** What a promise comes to; the clock goes on until it does. */
  async function settled<T>(promise: Promise<T>): Promise<T> {
    let isOver = false
    const over = () => {
      isOver = true
    }
    promise.then(over, over)
    for (let left = 100; !isOver && left > 0; left--) await clock.advance(500)
    return promise
  }
  return { clock, venue, provider, settled }
}
