import type { Clock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { VenueCheck } from '../../feed/provider.ts'
import type { Desk, OpenDesk } from './desk.ts'
import { notReached } from './failures.ts'
import type { Settings } from './settings.ts'

/** Longest wait for TWS to say what time it is, ms. */
const TIMEOUT_MS = 10_000
/** What a TWS that is there may say instead of taking the connection. */
const REFUSALS: readonly string[] = ['CONNECTION_LIMIT', 'UNSUPPORTED']

export interface CheckOptions {
  readonly settings: Pick<Settings, 'address' | 'dataType' | 'budgets'>
  readonly clock: Clock
  readonly desk: OpenDesk
  /** How much the feed uses of what there may be, while it is connected. */
  use(): string | undefined
}

/** Where TWS is, whether it takes a client and is logged in: it is asked the time, by the client id behind the feed's. */
export function ibkrCheck({ settings, clock, desk, use }: CheckOptions): VenueCheck {
  const { host, port } = settings.address
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return {
    addresses: [`tcp://${place}`],
    unreachedHint: notReached(place, '').hint,
    async ask(signal) {
      const sentAt = clock.now()
      let found: Desk
      try {
        found = await desk(signal)
      } catch (thrown) {
        if (!(thrown instanceof TickwireError) || !REFUSALS.includes(thrown.code)) throw thrown
        return { sentAt, receivedAt: clock.now(), date: undefined, grants: [], refusal: thrown }
      }
      try {
        const { ticks, lines, books } = settings.budgets
        const room =
          use() ??
          `room for ${ticks} tick-by-tick streams, ${lines} market data lines, ${books} books`
        return await timed(found, [`${settings.dataType} data`, room], clock, signal)
      } finally {
        found.release()
      }
    },
  }
}

async function timed({ tws }: Desk, more: readonly string[], clock: Clock, signal: AbortSignal) {
  const sentAt = clock.now()
  let date = Number.NaN
  await tws.requests.ask(
    ib => ib.reqCurrentTime(),
    done => ({
      time: seconds => {
        date = seconds * 1_000
        done()
      },
    }),
    { what: 'what time it is', timeoutMs: TIMEOUT_MS, signal },
  )
  const grants = [`TWS is logged in with ${accountsOf(tws.accounts)}`, ...more]
  return { sentAt, receivedAt: clock.now(), date, grants, refusal: undefined }
}

/** How many, and of which kind: numbers of accounts are nobody's business. Those for paper begin with a D. */
function accountsOf(list: string): string {
  const names = list.split(',').filter(name => name.trim() !== '')
  const paper = names.filter(name => name.trim().startsWith('D')).length
  const count = (some: number, kind: string) =>
    some === 0 ? [] : [`${some} ${kind} account${some > 1 ? 's' : ''}`]
  const words = [...count(names.length - paper, 'live'), ...count(paper, 'paper')]
  return words.join(' and ') || 'no account'
}
