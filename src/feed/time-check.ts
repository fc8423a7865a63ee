import type { Clock } from '../base/clock.ts'
import type { TickwireError } from '../base/errors.ts'
import type { HttpGet } from '../base/http.ts'
import type { VenueAnswer, VenueCheck } from './provider.ts'

export interface TimeCheckOptions {
  /** As of {@link VenueCheck}. */
  readonly addresses: readonly string[]
  readonly httpGet: HttpGet
  readonly clock: Clock
  /** What whoever is answered may have, for people. */
  readonly grants: readonly string[]
  /** Asks the venue once, by this transport, for its time: epoch seconds. Rejects with its refusal. */
  time(httpGet: HttpGet, signal: AbortSignal): Promise<unknown>
}

/** Where a venue is, and whether it serves this address: for one that takes no key its time is enough. */
export function timeCheck({
  addresses,
  httpGet,
  clock,
  grants,
  time,
}: TimeCheckOptions): VenueCheck {
  return {
    addresses,
    async ask(signal) {
      let heard: Pick<VenueAnswer, 'sentAt' | 'receivedAt'> | undefined
      const get: HttpGet = async request => {
        const sentAt = clock.now()
        const answer = await httpGet(request)
        heard = { sentAt, receivedAt: clock.now() }
        return answer
      }
      let date: number | undefined
      let refusal: TickwireError | undefined
      try {
        const seconds = await time(get, signal)
        if (Number.isFinite(seconds)) date = Math.floor(seconds as number) * 1_000
      } catch (thrown) {
        refusal = thrown as TickwireError
      }
      if (!heard) throw refusal
      return { ...heard, date, grants: refusal ? [] : grants, refusal }
    },
  }
}
