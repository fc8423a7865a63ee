import { type OpenAlgoServerOptions, openAlgoServer } from '../providers/openalgo/server.ts'
import type { OpenAlgoScript, OpenAlgoSession } from '../providers/openalgo/server-session.ts'
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

export interface OpenAlgoVenueOptions extends HostOptions {
  /** Users, symbols, broker and capacity of the server. */
  readonly server?: Omit<OpenAlgoServerOptions, 'clock' | 'script'>
  /** Hears of everything that happens; what is said is the text of a message. */
  readonly observe?: (happening: HostHappening<string>) => void
}

const ABSENT: Readonly<Partial<Record<FaultName, string>>> = {
  'connection-limit': 'it takes any number of clients',
  'data-after-unsubscribe': 'it stops at once',
  'truncated-msgpack': 'it speaks JSON only',
  'bad-checksum': 'its books have no checksums',
}

/**
 * An OpenAlgo, its WebSocket and its REST side, that does what its script says.
 * @throws BAD_CONFIG for a fault that is not in the menu, or that OpenAlgo cannot have
 */
export function openAlgoVenue(options: OpenAlgoVenueOptions = {}): ScriptedVenue {
  return new ScriptedHost<OpenAlgoSession, string>(options, (script, clock) => {
    const server = openAlgoServer({ ...options.server, clock, script: scriptOf(script) })
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
      accountOf: session => session.user,
      isOpen: session => session.user !== undefined,
      listsOf: session => session.modes,
      isServed: session => session.topics.length > 0,
      giant: (_session, bytes) => `{"type": "giant", "pad": "${'x'.repeat(bytes)}"}`,
    }
  })
}

/** Faults of the protocol's own steps. */
function scriptOf({ said, take, note }: HostScript<OpenAlgoSession, string>): OpenAlgoScript {
  return {
    said,
    auth(session) {
      const fault = take('auth-timeout', 'auth-error')
      if (!fault) return undefined
      note(fault.fault, session)
      if (fault.fault === 'auth-timeout') return 'silence'
      return { code: 'AUTHENTICATION_ERROR', message: 'Invalid API key' }
    },
    subscribe(session) {
      const fault = take('symbol-limit', 'partial-ack')
      if (!fault) return undefined
      note(fault.fault, session)
      return fault.fault === 'symbol-limit'
        ? { refuse: 'Maximum capacity reached: 3 connections × 1000 symbols = 3000 symbols.' }
        : { omit: fault.omit }
    },
  }
}

function spoiled(fault: RestFault, whole: VenueAnswer): VenueReply {
  if (fault.fault === 'rest-error') {
    const { status, retryAfter } = fault
    const after =
      retryAfter === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfter / 1_000)) }
    const body = JSON.stringify({ status: 'error', message: `HTTP ${status}` })
    return { status, headers: { 'content-type': 'application/json', ...after }, body }
  }
  const answer = JSON.parse(whole.body) as { data?: unknown }
  const rows = Array.isArray(answer.data) ? (answer.data as Record<string, unknown>[]) : []
  switch (fault.how) {
    case 'silence':
      return 'silence'
    case 'garbage':
      return { ...whole, body: '<html>Bad day</html>' }
    case 'cut':
      return { ...whole, body: whole.body.slice(0, whole.body.length >> 1) }
    case 'shuffled':
      rows.reverse()
      break
    case 'repeated':
    case 'endless':
      answer.data = [...rows, ...rows]
      break
    case 'outside':
      for (const row of rows) row.timestamp = 915_148_800
      break
    case 'stranger':
      // A symbol stands in the question only.
      answer.data = {}
      break
    case 'priceless':
      if (rows[0]) rows[0].close = 0
  }
  return { ...whole, body: JSON.stringify(answer) }
}
