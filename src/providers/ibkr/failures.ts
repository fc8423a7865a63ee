/** Why there is no connection to TWS, and what to click. */
import { TickwireError } from '../../base/errors.ts'

/** The port is not to be had: nobody listens, or the way there is barred. */
export function notReached(where: string, text: string): TickwireError {
  const refused = text === '' || text.includes('ECONNREFUSED')
  const why = refused
    ? 'nobody listens there; start it, log in, and enable socket clients in its API settings'
    : text
  return new TickwireError('UNREACHABLE', `no TWS or IB Gateway at ${where}: ${why}`, {
    hint:
      'File → Global Configuration → API → Settings → Enable ActiveX and Socket Clients. The port stands there too: of ' +
      'TWS 7496 live and 7497 paper, of IB Gateway 4001 and 4002; say it by the option port (TICKWIRE_IBKR_PORT).',
  })
}

/** Somebody listens, and hangs up. */
export function hungUp(where: string): TickwireError {
  const message =
    `${where} closed the connection without a word: TWS takes connections from its trusted IPs alone, or it ` +
    'is another program'
  return new TickwireError('UNREACHABLE', message, {
    hint: 'API → Settings → Trusted IPs; a program on the same machine needs none, unless the address is not 127.0.0.1.',
  })
}

/** Bytes that no TWS sends: from another program as it seems, or in the midst of a session. */
export function strange(where: string, what: string, ready: boolean): TickwireError {
  return ready
    ? new TickwireError('VENUE_ERROR', `${where} sent what is none of TWS: ${what}`)
    : new TickwireError('UNREACHABLE', `${where} is no TWS or IB Gateway: ${what}`, {
        hint: 'Look up the port in its settings: API → Settings → Socket port.',
      })
}

/** A step of the greeting that does not come. */
export function silent(where: string, step: 'greeting' | 'ready', waitedMs: number): TickwireError {
  const { what, hint } = STEPS[step]
  const message = `${where}: waited ${waitedMs} ms for ${what}`
  return new TickwireError('HANDSHAKE_TIMEOUT', message, { hint })
}

const STEPS = {
  greeting: {
    what: 'a greeting; TWS may be asking whether to accept the connection, or it is another program',
    hint: 'Look at the window of TWS, whether it is logged in, and whether the port is that of its API.',
  },
  ready: {
    what: 'TWS to be ready',
    hint: 'Look at its window: whether it is logged in, and whether it asks for something.',
  },
} as const
