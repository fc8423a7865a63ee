import { type PolygonServerOptions, polygonServer } from '../providers/polygon/server.ts'
import { PolygonRest, type RestOptions } from '../providers/polygon/server-rest.ts'
import type {
  PolygonScript,
  PolygonSession,
  StatusMessage,
} from '../providers/polygon/server-session.ts'
import type { FaultName } from './faults.ts'
import {
  type HostHappening,
  type HostOptions,
  type HostScript,
  ScriptedHost,
  type ScriptedVenue,
} from './venue-host.ts'
import type { RestFault } from './venue-rest.ts'
import type { VenueAnswer, VenueQuestion, VenueReply } from './venue-wire.ts'

export interface PolygonVenueOptions extends HostOptions {
  /** Clusters, plans, limits of the protocol. @default any key, one connection per key and cluster */
  readonly server?: Omit<PolygonServerOptions, 'clock' | 'script'>
  /** What is kept of what was delivered, for REST, and its limits. */
  readonly rest?: RestOptions
  /** Hears of everything that happens. */
  readonly observe?: (happening: HostHappening<StatusMessage>) => void
}

const ABSENT: Readonly<Partial<Record<FaultName, string>>> = {
  'symbol-limit': 'it has no limit of symbols',
  'truncated-msgpack': 'it speaks JSON only',
  'bad-checksum': 'it has no books',
}

/**
 * A venue of Polygon's stream and REST side that does what its script says.
 * @throws BAD_CONFIG for a fault that is not in the menu, or that Polygon cannot have
 */
export function polygonVenue(options: PolygonVenueOptions = {}): ScriptedVenue {
  return new ScriptedHost<PolygonSession, StatusMessage>(options, (script, clock) => {
    const server = polygonServer({ ...options.server, clock, script: scriptOf(script) })
    const rest = new PolygonRest(server.accounts, clock, options.rest)
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
      spoiled: (fault, question) => spoiled(fault, question, asked => rest.answer(asked)),
      reset: () => server.accounts.reset(),
      accountOf: session => session.account,
      isOpen: session => session.account !== undefined,
      listsOf: session => {
        const held = [...session.channels].filter(([, names]) => names.size > 0)
        return Object.fromEntries(held.map(([channel, names]) => [channel, [...names]]))
      },
      isServed: session => [...session.channels.values()].some(names => names.size > 0),
      giant: (_session, bytes) => `[{"ev":"giant","pad":"${'x'.repeat(bytes)}"}]`,
      rivals: ({ account, market }, message) => {
        if (account === undefined || message.status !== 'success') return undefined
        return server.sessions.filter(it => it.account === account && it.market === market).length
      },
    }
  })
}

/** Faults of the protocol's own steps. */
function scriptOf({ said, take, note }: HostScript<PolygonSession, StatusMessage>): PolygonScript {
  return {
    said,
    auth(session) {
      const fault = take('auth-timeout', 'auth-error', 'connection-limit')
      if (!fault) return undefined
      note(fault.fault, session)
      if (fault.fault === 'auth-timeout') return 'silence'
      return fault.fault === 'connection-limit' ? 'max_connections' : 'auth_failed'
    },
    subscribe(session) {
      const fault = take('partial-ack')
      if (fault) note(fault.fault, session)
      return fault?.omit
    },
    unsubscribe(session) {
      const fault = take('data-after-unsubscribe')
      if (fault) note(fault.fault, session)
      return fault?.for
    },
  }
}

type Item = { [key: string]: unknown }

/** What becomes of a question to REST under a fault. */
function spoiled(
  fault: RestFault,
  question: VenueQuestion,
  answer: (question: VenueQuestion) => VenueAnswer,
): VenueReply {
  if (fault.fault === 'rest-error') {
    const { status, retryAfter } = fault
    const after =
      retryAfter === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfter / 1_000)) }
    const body = JSON.stringify({ status: 'ERROR', error: `it is a ${status}` })
    return { status, headers: { 'content-type': 'application/json', ...after }, body }
  }
  const { how } = fault
  if (how === 'silence') return 'silence'
  const whole = answer(question)
  if (whole.status !== 200) return whole
  if (how === 'garbage') return { ...whole, body: '<html>Bad day</html>' }
  if (how === 'cut') return { ...whole, body: whole.body.slice(0, whole.body.length >> 1) }
  // Times beyond 2^53 are rounded here: no more than they are spoiled anyway.
  const body = JSON.parse(whole.body) as Item & { results: Item[] }
  const [path] = question.url.split('?')
  switch (how) {
    case 'endless':
      body.results = []
      body.next_url = `https://api.massive.com${path}?cursor=${question.url.length}`
      break
    case 'repeated':
      body.next_url = `https://api.massive.com${question.url}`
      break
    case 'shuffled':
      body.results.reverse()
      break
    case 'outside':
      for (const record of body.results)
        for (const key of TIMES) if (key in record) record[key] = 1e12
      break
    case 'stranger':
      body.status = 'STRANGE'
      break
    case 'priceless':
      for (const record of body.results.slice(0, 1)) for (const key of PRICES) delete record[key]
  }
  return { ...whole, body: JSON.stringify(body) }
}

const TIMES = ['sip_timestamp', 'participant_timestamp', 't']
const PRICES = ['price', 'bid_price', 'ask_price', 'o']
