import type { TickwireError } from '../../base/errors.ts'
import type { VenueCheck } from '../../feed/provider.ts'
import type { AllTickMarket } from './plans.ts'
import type { RestClient } from './rest.ts'
import { codeOf } from './symbols.ts'

/** A symbol every plan has. */
export const EXAMPLES: Readonly<Record<AllTickMarket, string>> = {
  ...{ stocks: 'AAPL.US', forex: 'BTC/USDT' },
}

/** Where AllTick is, and whether the token is good: the last trade of a code is asked for. */
export function allTickCheck(rest: RestClient, url: string, market: AllTickMarket): VenueCheck {
  return {
    addresses: [url, rest.base],
    async ask(signal) {
      const sentAt = rest.clock.now()
      let refusal: TickwireError | undefined
      try {
        await rest.ask('trade-tick', { symbol_list: [{ code: codeOf(EXAMPLES[market]) }] }, signal)
      } catch (thrown) {
        refusal = thrown as TickwireError
        if (['UNREACHABLE', 'PROXY_REFUSED', 'CLOSED'].includes(refusal.code)) throw refusal
      }
      const grants = refusal ? [] : [`REST data of the endpoint ${market}`]
      return { sentAt, receivedAt: rest.clock.now(), date: undefined, grants, refusal }
    },
  }
}
