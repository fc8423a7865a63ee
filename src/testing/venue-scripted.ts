import { type AlpacaServerOptions, alpacaServer } from '../providers/alpaca/server.ts'
import { AlpacaRecord, type RecordOptions } from '../providers/alpaca/server-record.ts'
import { AlpacaRest, type RestOptions } from '../providers/alpaca/server-rest.ts'
import type {
  AlpacaScript,
  AlpacaSession,
  ControlMessage,
} from '../providers/alpaca/server-session.ts'
import {
  type HostHappening,
  type HostOptions,
  type HostScript,
  ScriptedHost,
  type ScriptedVenue,
} from './venue-host.ts'
import { spoiled } from './venue-rest.ts'
import type { VenueFrame } from './venue-wire.ts'

export type { ConnectionView, ScriptedVenue } from './venue-host.ts'

/** Something that happened at a venue of Alpaca's. */
export type Happening = HostHappening<ControlMessage>

export interface ScriptedVenueOptions extends HostOptions {
  /** Plans, accounts, limits of the protocol. @default any key, one connection per account and feed */
  readonly server?: Omit<AlpacaServerOptions, 'clock' | 'script'>
  /** What is kept of what was delivered, for the REST history and `latest`, and how late it is there. */
  readonly record?: RecordOptions
  /** Limits of the REST answers. */
  readonly rest?: RestOptions
  /** Hears of everything that happens. */
  readonly observe?: (happening: Happening) => void
}

/**
 * A venue of Alpaca's streams that does what its script says.
 * @throws BAD_CONFIG for a fault that is not in the menu
 */
export function scriptedVenue(options: ScriptedVenueOptions = {}): ScriptedVenue {
  return new ScriptedHost<AlpacaSession, ControlMessage>(options, (script, clock) => {
    const server = alpacaServer({ ...options.server, clock, script: scriptOf(script) })
    const record = new AlpacaRecord(clock, options.record)
    const rest = new AlpacaRest(server.accounts, record, clock, options.rest)
    return {
      id: server.id,
      absent: { 'bad-checksum': 'its books have no checksums' },
      accept: (request, peer) => server.accept(request, peer),
      get sessions() {
        return server.sessions
      },
      deliver: batch => {
        record.add(batch)
        server.deliver(batch)
      },
      answer: question => rest.answer(question),
      spoiled: (fault, question, random) =>
        spoiled(fault, question, asked => rest.answer(asked), random),
      reset: () => server.accounts.reset(),
      accountOf: session => session.account,
      isOpen: session => session.account !== undefined,
      listsOf: session => {
        const held = [...session.channels].filter(([, symbols]) => symbols.size > 0)
        return Object.fromEntries(held.map(([name, symbols]) => [name, [...symbols]]))
      },
      isServed: session => session.subscribed,
      scold: session => {
        session.fail(407)
        return true
      },
      giant: (session, bytes) => giant(session?.codec === 'msgpack', bytes),
      rivals: ({ account, feed }, message) => {
        if (account === undefined || message.T !== 'success') return undefined
        return server.sessions.filter(other => other.account === account && other.feed === feed)
          .length
      },
    }
  })
}

/** A frame of a kind nobody knows; `bytes` long, give or take its head. */
function giant(packed: boolean, bytes: number): VenueFrame {
  if (!packed) return `[{"T":"giant","pad":"${'x'.repeat(bytes)}"}]`
  const head = Buffer.from('9182a154a56769616e74a3706164c6', 'hex')
  const frame = new Uint8Array(head.length + 4 + bytes)
  frame.set(head)
  new DataView(frame.buffer).setUint32(head.length, bytes)
  return frame
}

/** Faults of the protocol's own steps. */
function scriptOf({ said, take, note }: HostScript<AlpacaSession, ControlMessage>): AlpacaScript {
  return {
    said,
    auth(session) {
      const fault = take('auth-timeout', 'auth-error', 'connection-limit')
      if (!fault) return undefined
      note(fault.fault, session)
      if (fault.fault === 'auth-timeout') return 'silence'
      const code = fault.fault === 'connection-limit' ? 406 : fault.code
      return { code, close: fault.close }
    },
    subscribe(session) {
      const fault = take('symbol-limit', 'partial-ack')
      if (!fault) return undefined
      note(fault.fault, session)
      return fault.fault === 'symbol-limit' ? { code: 405 } : { omit: fault.omit }
    },
    unsubscribe(session) {
      const fault = take('data-after-unsubscribe')
      if (fault) note(fault.fault, session)
      return fault?.for
    },
  }
}
