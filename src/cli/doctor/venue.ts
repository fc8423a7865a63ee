import { TickwireError } from '../../base/errors.ts'
import { networkOf, portOf } from '../../base/network.ts'
import { reach } from '../../base/reach.ts'
import type { Capabilities, VenueAnswer, VenueCheck } from '../../feed/provider.ts'
import type { Config } from '../config.ts'
import { type Finding, failed, ms, ok, seconds, skipped, type Tools } from './finding.ts'

/** Longest wait for a server to be reached, ms. */
const REACH_MS = 10_000
/** A clock that is off by more than this is worth a word, or makes times worthless, ms. */
const SKEW_MS = { warn: 1_000, fail: 30_000 }
/** `Date` of an HTTP answer has whole seconds: the middle of its second is taken, ms. */
const HALF_SECOND_MS = 500

/** Every server of the venue, each once. */
export async function* hosts(
  { addresses, unreachedHint }: VenueCheck,
  { reachedBy }: Config,
  tools: Tools,
): AsyncGenerator<Finding> {
  const network = networkOf(reachedBy)
  const seen = new Set<string>()
  for (const address of addresses) {
    const url = new URL(address)
    const place = `${url.hostname}:${portOf(url)}`
    if (seen.has(place)) continue
    seen.add(place)
    const startedAt = tools.clock.now()
    try {
      const {
        address: ip,
        proxy,
        tls,
      } = await inTime(REACH_MS, place, tools, signal => reach(url, network, signal))
      const way = proxy ? `by the proxy ${proxy}` : ip === url.hostname ? '' : `at ${ip}`
      const parts = [place, way, tls ?? '', `in ${ms(tools.clock.now() - startedAt)}`]
      yield ok('host', parts.filter(part => part !== '').join(' '))
    } catch (thrown) {
      const { next, ...rest } = failed('host', thrown)
      const finding = { ...rest, next: unreachedHint ?? next }
      const { found } = finding
      // What a proxy has to say does not begin with the host.
      yield found.startsWith(url.hostname) ? finding : { ...finding, found: `${place}: ${found}` }
    }
  }
}

/** What the venue says when it is asked something: its time, and whether the key may have it. */
export async function asked(
  check: VenueCheck,
  signal: AbortSignal,
  auth: Capabilities['auth'] = 'key',
): Promise<Finding[]> {
  let answer: VenueAnswer
  try {
    answer = await check.ask(signal)
  } catch (thrown) {
    return [...skipped(['clock'], 'the venue does not answer'), failed('account', thrown)]
  }
  const { refusal, grants } = answer
  if (!refusal) {
    const words = auth === 'key' ? ['the key is accepted'] : []
    return [timed(answer), ok('account', [...words, grants.join(', ')].join('; '))]
  }
  // Whatever else it is may not be so on the stream, or pass.
  const final = refusal.code === 'AUTH_FAILED' || refusal.code === 'NOT_ENTITLED'
  return [timed(answer), failed('account', refusal, final ? 'fail' : 'warn')]
}

export function timed({ sentAt, receivedAt, date }: VenueAnswer): Finding {
  if (date === undefined)
    return { check: 'clock', status: 'skip', found: 'the venue tells no time' }
  const halfTrip = (receivedAt - sentAt) / 2
  const skew = sentAt + halfTrip - (date + HALF_SECOND_MS)
  const off = Math.abs(skew) - halfTrip
  const give = `give or take ${seconds(halfTrip + HALF_SECOND_MS)}`
  if (off <= SKEW_MS.warn) return ok('clock', `as the venue's, ${give}`)
  const found = `this machine is ${seconds(Math.abs(skew))} ${skew > 0 ? 'ahead of' : 'behind'} the venue, ${give}`
  const next =
    'Let the system set its clock: `timedatectl set-ntp true` on Linux, the settings of date and time elsewhere.'
  const status = off > SKEW_MS.fail ? 'fail' : 'warn'
  return { check: 'clock', status, found, next, ...(status === 'fail' && { code: 'CLOCK_OFF' }) }
}

/** Does something that must not take longer. @throws UNREACHABLE when it does */
async function inTime<T>(
  limit: number,
  place: string,
  { clock, signal }: Tools,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const control = new AbortController()
  const stop = () => control.abort(signal.reason)
  signal.addEventListener('abort', stop)
  const timer = clock.setTimeout(() => {
    const hint = 'A firewall may swallow what is sent: check it, the network and the address.'
    const message = `${place}: no answer in ${limit / 1_000} s`
    control.abort(new TickwireError('UNREACHABLE', message, { hint }))
  }, limit)
  try {
    return await run(control.signal)
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', stop)
  }
}
