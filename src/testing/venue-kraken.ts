import { type KrakenServerOptions, krakenServer } from '../providers/kraken/server.ts'
import { KrakenRestSide } from '../providers/kraken/server-rest.ts'
import type { KrakenScript, KrakenSession } from '../providers/kraken/server-session.ts'
import type { FaultName } from './faults.ts'
import {
  type HostHappening,
  type HostOptions,
  type HostScript,
  ScriptedHost,
  type ScriptedVenue,
} from './venue-host.ts'
import type { RestFault } from './venue-rest.ts'
import type { VenueAnswer, VenueReply } from './venue-wire.ts'

export interface KrakenVenueOptions extends HostOptions {
  /** Pairs, exponents, idle time of the protocol. */
  readonly server?: Omit<KrakenServerOptions, 'clock' | 'script'>
  /** Most trades of a page of history. @default 1000 */
  readonly pageSize?: number
  /** Hears of everything that happens; what is said is the text of a message. */
  readonly observe?: (happening: HostHappening<string>) => void
}

const NO_KEYS = 'it has no authentication'
const NO_PLANS = 'it has no plans'
const ABSENT: Readonly<Partial<Record<FaultName, string>>> = {
  'auth-error': NO_KEYS,
  'auth-timeout': NO_KEYS,
  'connection-limit': NO_PLANS,
  'truncated-msgpack': 'it speaks JSON only',
}

/**
 * A venue of Kraken's public stream and REST side that does what its script says.
 * @throws BAD_CONFIG for a fault that is not in the menu, or that Kraken cannot have
 */
export function krakenVenue(options: KrakenVenueOptions = {}): ScriptedVenue {
  return new ScriptedHost<KrakenSession, string>(options, (script, clock) => {
    const server = krakenServer({ ...options.server, clock, script: scriptOf(script) })
    const rest = new KrakenRestSide(server.floor, clock, options.pageSize)
    return {
      id: server.id,
      absent: ABSENT,
      accept: (request, peer) => server.accept(request, peer),
      get sessions() {
        return server.sessions
      },
      deliver: batch => {
        rest.add(batch)
        server.deliver(batch)
      },
      answer: question => rest.answer(question),
      spoiled: (fault, question) => spoiled(fault, rest.answer(question)),
      listsOf: session => session.channels,
      isServed: session => session.subscribed,
      giant: (_session, bytes) => `{"channel":"giant","pad":"${'x'.repeat(bytes)}"}`,
    }
  })
}

/** Faults of the protocol's own steps. */
function scriptOf({ said, take, note }: HostScript<KrakenSession, string>): KrakenScript {
  return {
    said,
    subscribe(session) {
      const fault = take('symbol-limit', 'partial-ack')
      if (!fault) return undefined
      note(fault.fault, session)
      return fault.fault === 'symbol-limit'
        ? { error: 'EAPI:Rate limit exceeded' }
        : { omit: fault.omit }
    },
    unsubscribe(session) {
      const fault = take('data-after-unsubscribe')
      if (fault) note(fault.fault, session)
      return fault?.for
    },
    checksum(session) {
      const fault = take('bad-checksum')
      if (fault) note(fault.fault, session)
      return fault !== undefined
    },
  }
}

/** Kraken says what is wrong with HTTP 200; a status is that of the wall before it. */
function spoiled(fault: RestFault, whole: VenueAnswer): VenueReply {
  if (fault.fault === 'rest-error') {
    const { status, retryAfter } = fault
    const after =
      retryAfter === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfter / 1_000)) }
    return { status, headers: { 'content-type': 'text/html', ...after }, body: '<html></html>' }
  }
  const body = JSON.parse(whole.body) as { result?: Record<string, unknown> }
  const [name, rows] = Object.entries(body.result ?? {}).find(([, it]) => Array.isArray(it)) ?? []
  const list = (rows ?? []) as unknown[][]
  switch (fault.how) {
    case 'silence':
      return 'silence'
    case 'garbage':
      return { ...whole, body: '<html>Bad day</html>' }
    case 'cut':
      return { ...whole, body: whole.body.slice(0, whole.body.length >> 1) }
    case 'endless':
    case 'repeated':
      // A full page, and a cursor that stays where it is.
      if (name && list.length > 0) body.result![name] = Array.from({ length: 1_000 }, () => list[0])
      break
    case 'shuffled':
      list.reverse()
      break
    case 'outside':
      for (const row of list) {
        row[row.length === 7 ? 2 : 0] = row.length === 7 ? 915_148_800.5 : 915_148_800
      }
      break
    case 'stranger':
      if (name) body.result!.ZZZUSD = list
      break
    case 'priceless':
      if (list[0]) list[0][list[0].length === 7 ? 0 : 1] = null
  }
  return { ...whole, body: JSON.stringify(body) }
}
