import type { ProtocolPeer } from '../flow/contracts.ts'
import type { OpenTcp } from '../providers/ibkr/index.ts'
import { type FakeTws, type FakeTwsOptions, OpenFakeTws } from './fake-tws.ts'
import type { FakeClient } from './fake-tws-client.ts'
import { memoryTcp } from './fake-tws-memory.ts'
import type { FaultName } from './faults.ts'
import {
  type HostHappening,
  type HostOptions,
  type HostScript,
  ScriptedHost,
  type ScriptedVenue,
} from './venue-host.ts'

export interface IbkrVenueOptions extends HostOptions {
  /** What there is, and how much of it. */
  readonly tws?: Omit<FakeTwsOptions, 'clock' | 'observe'>
  /** Hears of everything that happens. */
  readonly observe?: (happening: HostHappening<never>) => void
}

/** A TWS in memory that does what its script says. */
export interface IbkrVenue extends ScriptedVenue {
  /** A transport for the provider's `openTcp` that ends here. */
  readonly openTcp: OpenTcp
  /** What the TWS itself knows. */
  readonly tws: Pick<FakeTws, 'clients' | 'messages' | 'breaches'>
}

/** A client of the TWS as the host of faults sees it. */
interface Session {
  readonly client: FakeClient
  readonly topics: readonly never[]
  receive(bytes: Uint8Array): void
  deliver(): void
  closed(): void
}

const NO_HTTP = 'TWS is spoken to over plain TCP: there is no upgrade by HTTP'
const NO_KEYS = 'the login is that of TWS, and its clients show no key'
const TCP = 'a stream of bytes (TCP) brings each once and in order'
const ABSENT: Readonly<Partial<Record<FaultName, string>>> = {
  ...{ 'upgrade-404': NO_HTTP, 'upgrade-429': NO_HTTP, 'upgrade-502': NO_HTTP },
  ...{ 'auth-error': NO_KEYS, 'auth-timeout': NO_KEYS },
  ...{ duplicate: TCP, reorder: TCP, lost: TCP },
  'partial-ack': 'TWS acknowledges nothing',
  'late-pong': 'TCP has no pings; TWS is asked the time',
  'corrupt-json': 'its messages are fields, not JSON: truncated-msgpack damages them',
  'bad-checksum': 'its books have no checksums',
  'data-after-unsubscribe': 'the fault late-rows of its own menu is that',
  'rest-spoiled': 'it has no REST side: history is asked on the same connection',
}
const NOWHERE = { status: 404, headers: { 'content-type': 'text/plain' }, body: 'no REST side' }

/**
 * The fake TWS in memory, for a clock turned by hand: its clients come over TCP without a network, and faults of the menu of
 * all venues befall them. `connection-limit` is a client id that is taken (326), `symbol-limit` a lack of lines (101),
 * `rest-error` a question about the past that fails (162).
 * @throws BAD_CONFIG for a fault that is not in the menu, or that TWS cannot have
 */
export function ibkrVenue(options: IbkrVenueOptions = {}): IbkrVenue {
  let made: { readonly tws: ScriptedTws; readonly openTcp: OpenTcp } | undefined
  const host = new ScriptedHost<Session, never>(options, (script, clock) => {
    const tws = new ScriptedTws({ ...options.tws, clock }, script)
    made = { tws, openTcp: address => memoryTcp(host, clock)(address) }
    return {
      ...{ id: 'ibkr', absent: ABSENT },
      accept: (_request, peer) => tws.take(peer),
      get sessions() {
        return tws.sessions
      },
      deliver: batch => tws.deliver(batch),
      answer: () => NOWHERE,
      spoiled: () => NOWHERE,
      reset: () => {},
      accountOf: () => undefined,
      isOpen: ({ client }) => client.ready,
      listsOf: ({ client }) => {
        const lists: Record<string, string[]> = {}
        for (const text of client.subscriptions) {
          const [kind = '', ...name] = text.split(' ')
          ;(lists[kind] ??= []).push(name.join(' '))
        }
        return lists
      },
      isServed: ({ client }) => client.subscriptions.length > 0,
      scold: () => false,
      giant: (_session, bytes) => `999\0${'x'.repeat(bytes)}\0`,
      rivals: () => undefined,
    }
  })
  const { tws, openTcp } = made!
  const close = host.close.bind(host)
  return Object.assign(host, {
    ...{ tws, openTcp },
    close: async () => {
      await close()
      await tws.close()
    },
  })
}

/** A TWS whose clients come through the host of faults. */
class ScriptedTws extends OpenFakeTws {
  readonly #script: HostScript<Session, never>
  readonly #sessions = new Map<FakeClient, Session>()

  constructor(options: FakeTwsOptions, script: HostScript<Session, never>) {
    super(options)
    this.#script = script
  }

  get sessions(): readonly Session[] {
    return [...this.#sessions.values()]
  }

  take(peer: ProtocolPeer): Session {
    const client = this.attach({
      send: message => peer.send(message),
      end: () => peer.close(1_000, ''),
      cut: () => peer.cut(),
    })
    const session: Session = {
      ...{ client, topics: [] },
      receive: bytes => client.receive(bytes),
      // The TWS tells its clients itself.
      deliver: () => {},
      closed: () => {
        this.#sessions.delete(client)
        client.closed()
      },
    }
    this.#sessions.set(client, session)
    return session
  }

  override isTaken(client: FakeClient): boolean {
    return this.#strikes('connection-limit', client) || super.isTaken(client)
  }

  override denial(of: 'deny' | 'history', client: FakeClient) {
    if (of === 'deny' && this.#strikes('symbol-limit', client)) {
      return { code: 101, text: 'Max number of tickers has been reached' }
    }
    if (of === 'history' && this.#strikes('rest-error', client)) {
      const text =
        'Historical Market Data Service error message:HMDS server disconnect occurred. Attempting reconnection...'
      return { code: 162, text }
    }
    return super.denial(of, client)
  }

  #strikes(fault: 'connection-limit' | 'symbol-limit' | 'rest-error', client: FakeClient): boolean {
    const struck = this.#script.take(fault)
    if (struck) this.#script.note(fault, this.#sessions.get(client)!)
    return struck !== undefined
  }
}
