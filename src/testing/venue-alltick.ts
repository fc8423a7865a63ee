import {
  type AllTickScript,
  type AllTickServerOptions,
  type AllTickSession,
  allTickServer,
} from '../providers/alltick/server.ts'
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

export interface AllTickVenueOptions extends HostOptions {
  /** Market, plan, tokens and codes of the venue. */
  readonly server?: Omit<AllTickServerOptions, 'clock' | 'script'>
  /** Hears of everything that happens; what is said is the text of a message. */
  readonly observe?: (happening: HostHappening<string>) => void
}

const BY_ADDRESS = 'its token stands in the address: use tokens of the server'
const ABSENT: Readonly<Partial<Record<FaultName, string>>> = {
  'auth-timeout': BY_ADDRESS,
  'partial-ack': 'its answers name no codes',
  'data-after-unsubscribe': 'it stops at once',
  'truncated-msgpack': 'it speaks JSON only',
  'bad-checksum': 'its books have no checksums',
}

/**
 * A venue of AllTick's stream and REST side that does what its script says.
 * @throws BAD_CONFIG for a fault that is not in the menu, or that AllTick cannot have
 */
export function allTickVenue(options: AllTickVenueOptions = {}): ScriptedVenue {
  return new ScriptedHost<AllTickSession, string>(options, (script, clock) => {
    const server = allTickServer({ ...options.server, clock, script: scriptOf(script) })
    return {
      id: server.id,
      absent: ABSENT,
      accept: (request, peer) => server.accept(request, peer),
      get sessions() {
        return server.sessions
      },
      deliver: batch => server.deliver(batch),
      answer: question => server.answer(question),
      spoiled: (fault, question) => spoiled(fault, server.answer(question)),
      listsOf: session =>
        Object.fromEntries(Object.entries(session.lists).filter(([, codes]) => codes.length > 0)),
      isServed: session => session.topics.length > 0,
      giant: (_session, bytes) => `{"cmd_id":1,"pad":"${'x'.repeat(bytes)}"}`,
    }
  })
}

/** Faults of the protocol's own steps, as numbers of its errors. */
function scriptOf({ said, take, note }: HostScript<AllTickSession, string>): AllTickScript {
  return {
    said,
    request(session) {
      const fault = take('symbol-limit', 'auth-error', 'connection-limit')
      if (!fault) return undefined
      note(fault.fault, session)
      return { 'symbol-limit': 603, 'auth-error': 401, 'connection-limit': 606 }[fault.fault]
    },
  }
}

function spoiled(fault: RestFault, whole: VenueAnswer): VenueReply {
  if (fault.fault === 'rest-error') {
    const { status, retryAfter } = fault
    const after =
      retryAfter === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfter / 1_000)) }
    const body = JSON.stringify({ ret: status, msg: 'scripted', trace: '', data: {} })
    return { status, headers: { 'content-type': 'application/json', ...after }, body }
  }
  const answer = JSON.parse(whole.body) as {
    data: { kline_list?: Record<string, unknown>[]; code?: string }
  }
  const rows = answer.data.kline_list ?? []
  switch (fault.how) {
    case 'silence':
      return 'silence'
    case 'garbage':
      return { ...whole, body: '<html>Bad day</html>' }
    case 'cut':
      return { ...whole, body: whole.body.slice(0, whole.body.length >> 1) }
    case 'shuffled':
      if (rows.length > 2) rows.push(rows.shift()!)
      break
    case 'repeated':
    case 'endless':
      answer.data.kline_list = [...rows, ...rows]
      break
    case 'outside':
      for (const row of rows) row.timestamp = '99999999999'
      break
    case 'stranger':
      answer.data.code = 'ZZZZ'
      break
    case 'priceless':
      if (rows[0]) rows[0].close_price = '0'
  }
  return { ...whole, body: JSON.stringify(answer) }
}
