import { type CoinbaseServerOptions, coinbaseServer } from '../providers/coinbase/server.ts'
import type { CoinbaseScript, CoinbaseSession } from '../providers/coinbase/server-session.ts'
import type { FaultName } from './faults.ts'
import {
  type HostHappening,
  type HostOptions,
  type HostScript,
  ScriptedHost,
  type ScriptedVenue,
} from './venue-host.ts'
import { type RestFault, spoiledRows } from './venue-rest.ts'
import type { VenueAnswer, VenueReply } from './venue-wire.ts'

export interface CoinbaseVenueOptions extends HostOptions {
  /** Pairs of the venue. */
  readonly server?: Omit<CoinbaseServerOptions, 'clock' | 'script'>
  /** Hears of everything that happens; what is said is the text of a message. */
  readonly observe?: (happening: HostHappening<string>) => void
}

const NO_KEYS = 'its public channels have no authentication'
const ABSENT: Readonly<Partial<Record<FaultName, string>>> = {
  'auth-error': NO_KEYS,
  'auth-timeout': NO_KEYS,
  'connection-limit': 'it has no plans',
  'partial-ack': 'it refuses a request or grants it',
  'data-after-unsubscribe': 'it stops with its answer',
  'truncated-msgpack': 'it speaks JSON only',
  'bad-checksum': 'its books have no checksums',
}

/**
 * A venue of Coinbase's Advanced Trade stream and REST that does what its script says.
 * @throws BAD_CONFIG for a fault that is not in the menu, or that Coinbase cannot have
 */
export function coinbaseVenue(options: CoinbaseVenueOptions = {}): ScriptedVenue {
  return new ScriptedHost<CoinbaseSession, string>(options, (script, clock) => {
    const server = coinbaseServer({ ...options.server, clock, script: scriptOf(script) })
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
      listsOf: ({ channels }) =>
        Object.fromEntries([...channels].map(([channel, products]) => [channel, [...products]])),
      isServed: ({ channels }) => [...channels.keys()].some(channel => channel !== 'heartbeats'),
      giant: (_session, bytes) => `{"type":"giant","pad":"${'x'.repeat(bytes)}"}`,
    }
  })
}

/** Faults of the protocol's own steps. */
function scriptOf({ said, take, note }: HostScript<CoinbaseSession, string>): CoinbaseScript {
  return {
    said,
    answer(session, type, channel) {
      const isBook = type === 'subscribe' && channel === 'level2'
      const fault = isBook ? take('symbol-limit') : undefined
      if (!fault) return undefined
      note(fault.fault, session)
      return { type: 'error', message: 'too many L2 streams requested in a single session' }
    },
  }
}

function spoiled(fault: RestFault, whole: VenueAnswer): VenueReply {
  return spoiledRows(fault, whole, '{"message":"Internal server error"}', {
    rowsOf: body => {
      const rows = Array.isArray(body) ? body : (body as { candles?: unknown }).candles
      return Array.isArray(rows) ? rows : []
    },
    setTime: row => {
      if ('time' in row) row.time = '1999-01-01T00:00:00Z'
      if ('start' in row) row.start = '915148800'
    },
    setPriceless: row => {
      for (const key of ['price', 'open']) if (key in row) row[key] = null
    },
  })
}
