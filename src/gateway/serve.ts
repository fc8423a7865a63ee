import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import {
  CLOSE,
  DEFAULT_PORT,
  type Encoding,
  encodeMessage,
  type Hello,
  type Limits,
  STREAM_PATH,
  SUBPROTOCOLS,
  VERSION,
} from '../providers/tickwire/codec.ts'
import type { Access, GatewayContext, GatewayFeed, Guest } from './context.ts'
import { DropinPeer } from './dropin.ts'
import { Dropins, leadTo, VENDORS, type Vendor } from './dropin-paths.ts'
import { QUEUED_EVENTS } from './groups.ts'
import { Hub } from './hub.ts'
import { SERVER_LIMITS, type ServerLimits } from './limits.ts'
import { NATURE_HEADER, Nature } from './nature.ts'
import { ORDERS_STREAM, PaperHouse } from './paper.ts'
import { type ClientState, Peer, type PeerContext } from './peer.ts'
import { refusalOf } from './refusals.ts'
import { Upstream } from './upstream.ts'
import { frameOf, sharedFrame } from './wire.ts'

export interface GatewayOptions {
  /** The address to listen at. @default '127.0.0.1' */
  readonly host?: string
  /** 0: any that is free. @default 8425 */
  readonly port?: number
  readonly access: Access
  /** What answers over HTTP. */
  readonly http: (inside: GatewayInside) => HttpSide
  /** Certificate and key: then it is https and wss. @default none */
  readonly tls?: Pick<ServerOptions, 'cert' | 'key'> | undefined
  /** Ports at which a vendor's paths have nothing before them. 0: any that is free. @default none */
  readonly ports?: VendorPorts | undefined
  /** How long a subscription of a venue is kept when no client wants it any more, ms. @default 30000 */
  readonly lingerMs?: number
  /** How connections are taken. @default SERVER_LIMITS */
  readonly limits?: Partial<ServerLimits>
  /** What one client may have. @default LIMITS */
  readonly clientLimits?: Partial<Limits> | undefined
  /** Of tickwire, for the greeting. */
  readonly version: string
}

export type VendorPorts = { readonly [vendor in Vendor]?: number | undefined }

/** What answers over HTTP. */
export interface HttpSide {
  readonly listener: RequestListener
  /** Says goodbye to those who listen. */
  close(): void
}

/** What a gateway is made of, for what answers over HTTP. */
export interface GatewayInside {
  readonly context: GatewayContext
  readonly hub: Hub
  readonly upstream: Upstream
  readonly dropins: Dropins
  readonly paper: PaperHouse
  readonly clients: () => readonly ClientState[]
  /** What clients had that have gone. */
  readonly gone: Readonly<GoneClients>
}

/** Sums over clients. */
export interface GoneClients {
  delivered: number
  dropped: number
  conflated: number
  bytes: number
}

/** A gateway that listens. */
export interface Gateway extends AsyncDisposable {
  /** `http://127.0.0.1:8425` */
  readonly url: string
  readonly port: number
  /** Where vendors' paths have nothing before them: `http://127.0.0.1:8426`. */
  readonly vendorUrls: { readonly [vendor in Vendor]?: string }
  readonly inside: GatewayInside
  /** Takes another certificate for connections to come. */
  secure(tls: Pick<ServerOptions, 'cert' | 'key'>): void
  /** Lets no one in any more, tells clients to come again (1012), and ends. May be called twice. */
  close(): Promise<void>
}

/** Messages of clients are short. */
const MESSAGE_BYTES = 1_024 * 1_024
const LIMITS: Limits = {
  subscriptions: 1_000,
  symbols: 20_000,
  topics: 200_000,
  messageBytes: MESSAGE_BYTES,
  queuedEvents: QUEUED_EVENTS,
  heartbeatMs: 5_000,
}
/** A client that has answered none of so many pings is gone: one that reads slowly gets to them late. */
const LOST_PINGS = 12
/** How long clients have to leave when the gateway ends, ms. */
const DRAIN_MS = 1_000

/**
 * Serves a tape: the native protocol at /v1/stream, what `http` answers elsewhere.
 * @throws PORT_IN_USE, BAD_OPTION for an address that is not of this machine
 */
export async function openGateway(
  context: GatewayContext,
  options: GatewayOptions,
): Promise<Gateway> {
  const gateway = new OpenGateway(context, options)
  await gateway.listen(options.host ?? '127.0.0.1', options.port ?? DEFAULT_PORT)
  return gateway
}

class OpenGateway implements Gateway {
  readonly inside: GatewayInside
  readonly #context: GatewayContext
  readonly #options: GatewayOptions
  readonly #http: HttpSide
  readonly #gone: GoneClients = { delivered: 0, dropped: 0, conflated: 0, bytes: 0 }
  readonly #server: Server
  readonly #vendorServers = new Map<Vendor, Server>()
  readonly #sockets: WebSocketServer
  readonly #hub: Hub
  readonly #upstream: Upstream
  readonly #peers = new Map<Peer | DropinPeer, number>()
  readonly #dropins: Dropins
  readonly #peerContext: PeerContext
  #timer: Timer | undefined
  #url = ''
  #vendorUrls: Gateway['vendorUrls'] = {}
  /** Of connections of vendors' clients, what their data is in words, where it is not live and real. */
  readonly #natures = new WeakMap<IncomingMessage, string>()
  #closing: Promise<void> | undefined

  constructor(context: GatewayContext, options: GatewayOptions) {
    const { tape, clock, log } = context
    this.#context = context
    this.#options = options
    this.#hub = new Hub(tape, clock, log)
    this.#upstream = new Upstream(context.feeds, clock, options.lingerMs)
    this.#peerContext = {
      ...{ tape, clock, log, hub: this.#hub, upstream: this.#upstream },
      ...{ access: options.access, limits: { ...LIMITS, ...options.clientLimits } },
      hello: (encoding, needsKey) => this.#hello(encoding, needsKey),
    }
    this.#dropins = new Dropins(context.feeds, clock)
    this.inside = {
      ...{ context, hub: this.#hub, upstream: this.#upstream, dropins: this.#dropins },
      paper: new PaperHouse({ context, hub: this.#hub, upstream: this.#upstream }),
      clients: () => [...this.#peers.keys()].map(peer => peer.state),
      gone: this.#gone,
    }
    this.#http = options.http(this.inside)
    this.#server = this.#serverFor(undefined)
    for (const vendor of VENDORS) {
      if (options.ports?.[vendor] === undefined) continue
      this.#vendorServers.set(vendor, this.#serverFor(vendor))
    }
    this.#sockets = new WebSocketServer({
      ...{ noServer: true, perMessageDeflate: false, maxPayload: MESSAGE_BYTES },
      handleProtocols: offered => [...offered].find(name => name in SUBPROTOCOLS) ?? false,
    })
    // What the data is, said before the first message: some protocols have no word for it.
    this.#sockets.on('headers', (headers, request) => {
      const nature = this.#natures.get(request)
      if (nature !== undefined) headers.push(`${NATURE_HEADER}: ${nature}`)
    })
    this.#beat()
  }

  /** A server of everything, or of what is a vendor's alone. */
  #serverFor(vendor: Vendor | undefined): Server {
    const { tls, limits } = this.#options
    const taken = { ...SERVER_LIMITS, ...limits }
    const lead = (request: IncomingMessage) => {
      if (vendor) leadTo(vendor, request)
    }
    const listener: RequestListener = (request, response) => {
      lead(request)
      this.#http.listener(request, response)
    }
    const server = tls
      ? createSecureServer({ ...tls, ...taken }, listener)
      : createServer(taken, listener)
    server.maxConnections = taken.maxConnections
    server.on('upgrade', (request, socket, head) => {
      lead(request)
      this.#upgrade(request, socket, head)
    })
    return server
  }

  get #servers(): Server[] {
    return [this.#server, ...this.#vendorServers.values()]
  }

  get url(): string {
    return this.#url
  }

  get vendorUrls(): Gateway['vendorUrls'] {
    return this.#vendorUrls
  }

  get port(): number {
    return portOf(this.#server)
  }

  async listen(host: string, port: number): Promise<void> {
    this.#url = await this.#listenAt(this.#server, host, port)
    for (const [vendor, server] of this.#vendorServers) {
      const own = this.#options.ports![vendor]!
      this.#vendorUrls = { ...this.#vendorUrls, [vendor]: await this.#listenAt(server, host, own) }
    }
  }

  /** Its URL. */
  async #listenAt(server: Server, host: string, port: number): Promise<string> {
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, resolve)
      })
    } catch (cause) {
      await this.close()
      throw notListening(host, port, cause)
    }
    server.on('error', error =>
      this.#context.log.error({ error: error.message }, 'the gateway server failed'),
    )
    const scheme = this.#options.tls ? 'https' : 'http'
    return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${portOf(server)}`
  }

  secure(tls: Pick<ServerOptions, 'cert' | 'key'>): void {
    for (const server of this.#servers) {
      if ('setSecureContext' in server) {
        ;(server as ReturnType<typeof createSecureServer>).setSecureContext(tls)
      }
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#timer?.cancel()
    const servers = this.#servers
    const closed = Promise.all(
      servers.map(server => new Promise<void>(resolve => void server.close(() => resolve()))),
    )
    await this.#hub.close()
    this.inside.paper.close()
    this.#http.close()
    for (const peer of [...this.#peers.keys()]) peer.close(CLOSE.restart, 'the gateway ends')
    this.#upstream.close()
    const timer = this.#context.clock.setTimeout(() => {
      for (const server of servers) server.closeAllConnections()
    }, DRAIN_MS)
    for (const server of servers) server.closeIdleConnections()
    await closed
    timer.cancel()
    this.#options.access.close()
  }

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    stream.on('error', error =>
      this.#context.log.debug({ error: error.message }, 'a connection failed'),
    )
    if ((request.url ?? '').split('?', 1)[0] === ORDERS_STREAM) {
      this.#upgradeTrader(request, stream, head)
      return
    }
    let guest: Guest | undefined
    let vendorPeer: DropinPeer | undefined
    try {
      if (this.#closing) throw new TickwireError('CLOSED', 'the gateway ends')
      const [path = '', query] = (request.url ?? '').split('?', 2)
      const dropin = this.#dropins.find(path, query)
      if (path !== STREAM_PATH && !dropin) {
        const hint = `The native protocol is at ${STREAM_PATH}; docs/dropin.md names the others.`
        throw new TickwireError('NOT_FOUND', `there is no stream at ${path}`, { hint })
      }
      guest = this.#options.access.upgrade(request)
      // Whatever becomes of the handshake, it counts no longer than the connection.
      stream.once('close', () => guest?.leave())
      if (dropin) {
        const gone = (it: DropinPeer) => this.#forget(it)
        const where = { dropin, request, stream, guest, context: this.#peerContext, gone }
        vendorPeer = new DropinPeer(where)
        const { words } = new Nature().source(dropin.feed.capabilities)
        if (words !== null) this.#natures.set(request, words)
      }
    } catch (error) {
      refuse(stream, error, this.#options.access)
      return
    }
    this.#sockets.handleUpgrade(request, stream, head, socket => {
      if (vendorPeer) {
        this.#peers.set(vendorPeer, 0)
        this.#watch(vendorPeer, socket)
        vendorPeer.attach(socket)
        return
      }
      const encoding = encodingOf(socket.protocol)
      const connection = { socket, stream, request }
      let isGone = false
      const peer = new Peer(connection, encoding, guest, this.#peerContext, gone => {
        isGone = true
        this.#forget(gone)
      })
      // One whose key is not for this has been sent away by now.
      if (!isGone) this.#peers.set(peer, 0)
      this.#watch(peer, socket)
    })
  }

  /** Somebody who wants to hear what becomes of orders on paper. */
  #upgradeTrader(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const { access } = this.#options
    let guest: Guest | undefined
    try {
      if (this.#closing) throw new TickwireError('CLOSED', 'the gateway ends')
      guest = access.upgrade(request)
    } catch (error) {
      refuse(stream, error, access)
      return
    }
    stream.once('close', () => guest?.leave())
    this.#sockets.handleUpgrade(request, stream, head, socket => {
      const revoked = () => socket.close(CLOSE.auth, 'the key was revoked')
      guest?.revoked?.addEventListener('abort', revoked)
      socket.once('close', () => guest?.revoked?.removeEventListener('abort', revoked))
      const isKey = (_key: string, secret: string) => {
        try {
          if (!guest) {
            guest = access.authenticate(secret, request)
            guest.revoked?.addEventListener('abort', revoked)
          }
        } catch {
          // The vendor's protocol has its own word for it.
          return false
        }
        // Who has shown no key has come in where nobody needs one.
        return guest.revoked === undefined || guest.scopes.has('trade')
      }
      this.inside.paper.serve(socket, isKey)
    })
  }

  #watch(peer: Peer | DropinPeer, socket: WebSocket): void {
    socket.on('pong', () => {
      if (this.#peers.has(peer)) this.#peers.set(peer, 0)
    })
  }

  #forget(peer: Peer | DropinPeer): void {
    if (this.#peers.delete(peer)) this.#count(peer.state)
  }

  #count({ counters, bytes }: ClientState): void {
    this.#gone.delivered += counters.delivered
    this.#gone.dropped += counters.dropped
    this.#gone.conflated += counters.conflated
    this.#gone.bytes += bytes
  }

  #hello(encoding: Encoding, needsKey: boolean): Hello {
    const { tape, feeds, clock } = this.#context
    const natures = new Set(feeds.map(feed => feed.capabilities.nature))
    const [nature = 'live', ...others] = natures
    return {
      ...{ type: 'hello', version: VERSION, encoding },
      server: `tickwire/${this.#options.version}`,
      nature: others.length > 0 ? 'mixed' : nature,
      banner: bannerOf(feeds),
      ...{ tape: tape.id, seq: this.#hub.seq, time: clock.now() },
      sources: feeds.map(feed => {
        const { title, nature, kinds, barIntervals, wildcard, symbols } = feed.capabilities
        return {
          ...{ source: feed.source, title, nature, state: feed.state },
          ...{ kinds, barIntervals, wildcard, symbols },
          banner: bannerOf([feed]),
        }
      }),
      ...{ needsKey, limits: this.#peerContext.limits },
    }
  }

  /** Tells everybody where they stand, and looks whether they are still there. */
  #beat(): void {
    const { clock } = this.#context
    // What has been collected comes before the word that nothing is missing.
    this.#hub.flush()
    const here = { type: 'position', seq: this.#hub.seq, time: clock.now() } as const
    const frames = new Map<Encoding, Uint8Array>()
    for (const [peer, unanswered] of this.#peers) {
      if (unanswered >= LOST_PINGS) {
        peer.lost()
        continue
      }
      if (peer instanceof Peer && peer.isLive) {
        let frame = frames.get(peer.encoding)
        if (!frame) {
          frame = sharedFrame(frameOf(encodeMessage(here, peer.encoding)))
          frames.set(peer.encoding, frame)
        }
        peer.beat(frame)
      }
      // The answer of one who is not read from could not be heard.
      if (peer.isHeldBack) continue
      this.#peers.set(peer, unanswered + 1)
      peer.ping()
    }
    this.#timer = clock.setTimeout(() => this.#beat(), LIMITS.heartbeatMs, 'idle')
  }
}

const portOf = (server: Server) => (server.address() as AddressInfo | null)?.port ?? 0

const bannerOf = (feeds: readonly GatewayFeed[]) =>
  feeds.reduce((nature, feed) => nature.source(feed.capabilities), new Nature()).words ?? undefined

function encodingOf(protocol: string): Encoding {
  return SUBPROTOCOLS[protocol as keyof typeof SUBPROTOCOLS] ?? 'json'
}

/** Answers an upgrade that is refused in words, as HTTP does. */
function refuse(stream: Duplex, error: unknown, access: Access): void {
  const status = error instanceof TickwireError ? access.statusOf(error) : 500
  const body = `${JSON.stringify({ error: refusalOf(error) })}\n`
  stream.end(
    `HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

function notListening(host: string, port: number, cause: unknown): TickwireError {
  const { code } = cause as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') {
    return new TickwireError('PORT_IN_USE', `port ${port} of ${host} is in use`, {
      hint: 'Another gateway may be running; choose another with --listen, or gateway.port (gateway.ports) in the file.',
      cause,
    })
  }
  return new TickwireError(
    'BAD_OPTION',
    `cannot listen at ${host}:${port}: ${asError(cause).message}`,
    {
      hint: 'Give an address of this machine and a port above 1023.',
      cause,
    },
  )
}
