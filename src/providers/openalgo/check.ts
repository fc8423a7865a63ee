import type { TickwireError } from '../../base/errors.ts'
import type { VenueCheck } from '../../feed/provider.ts'
import { asMap } from './plain.ts'
import type { RestClient } from './rest.ts'

/** Where OpenAlgo is, and whether its key and the broker's login are good: it is sent a ping. */
export function openAlgoCheck(rest: RestClient, url: string): VenueCheck {
  return {
    addresses: [url, rest.base],
    async ask(signal) {
      const sentAt = rest.clock.now()
      let broker: unknown
      let refusal: TickwireError | undefined
      try {
        const { data } = await rest.ask('ping', {}, signal)
        broker = asMap(data)?.broker
      } catch (thrown) {
        refusal = thrown as TickwireError
        if (['UNREACHABLE', 'PROXY_REFUSED', 'CLOSED'].includes(refusal.code)) throw refusal
      }
      const grants = refusal
        ? []
        : [`the broker ${typeof broker === 'string' ? broker : 'is there'}`]
      return { sentAt, receivedAt: rest.clock.now(), date: undefined, grants, refusal }
    },
  }
}
