import { type BinanceServerOptions, binanceServer } from '../providers/binance/server.ts'
import type { BinanceScript, BinanceSession } from '../providers/binance/server-session.ts'
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

export interface BinanceVenueOptions extends HostOptions {
  /** Pairs of the venue. */
  readonly server?: Omit<BinanceServerOptions, 'clock' | 'script'>
  /** Hears of everything that happens; what is said is the text of a message. */
  readonly observe?: (happening: HostHappening<string>) => void
}

const NO_KEYS = 'it has no authentication'
const ABSENT: Readonly<Partial<Record<FaultName, string>>> = {
  'auth-error': NO_KEYS,
  'auth-timeout': NO_KEYS,
  'connection-limit': 'it has no plans',
  'partial-ack': 'it answers a request as a whole',
  'data-after-unsubscribe': 'it stops with its answer',
  'truncated-msgpack': 'it speaks JSON only',
  'bad-checksum': 'its books have no checksums',
}

/**
 * A venue of Binance's spot streams and REST that does what its script says.
 * @throws BAD_CONFIG for a fault that is not in the menu, or that Binance cannot have
 */
export function binanceVenue(options: BinanceVenueOptions = {}): ScriptedVenue {
  return new ScriptedHost<BinanceSession, string>(options, (script, clock) => {
    const server = binanceServer({ ...options.server, clock, script: scriptOf(script) })
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
      listsOf: ({ streams }) => (streams.size > 0 ? { streams: [...streams] } : {}),
      isServed: ({ streams }) => streams.size > 0,
      giant: (_session, bytes) => `{"e":"giant","pad":"${'x'.repeat(bytes)}"}`,
    }
  })
}

/** Faults of the protocol's own steps. */
function scriptOf({ said, take, note }: HostScript<BinanceSession, string>): BinanceScript {
  return {
    said,
    answer(session, method) {
      const fault = method === 'SUBSCRIBE' ? take('symbol-limit') : undefined
      if (!fault) return undefined
      note(fault.fault, session)
      return { code: 2, msg: 'Invalid request: too many streams' }
    },
  }
}

function spoiled(fault: RestFault, whole: VenueAnswer): VenueReply {
  const error = JSON.stringify({ code: -1_000, msg: 'An unknown error occurred' })
  return spoiledRows(fault, whole, error, {
    rowsOf: body => (Array.isArray(body) ? body : []),
    setTime: row => {
      for (const key of ['T', 'time', '0']) if (key in row) row[key] = 915_148_800_000
    },
    setPriceless: row => {
      for (const key of ['p', 'price', '1']) if (key in row) row[key] = null
    },
  })
}
