import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import {
  hostOf,
  isSecure,
  type Network,
  openTunnel,
  portOf,
  secure,
  unreachable,
} from './network.ts'

/** How a server was reached. */
export interface Reached {
  /** Address of the server, or of the proxy on the way to it. */
  readonly address: string
  /** `host:port` of the proxy. */
  readonly proxy: string | undefined
  /** Version of TLS, as `TLSv1.3`. */
  readonly tls: string | undefined
}

/**
 * Looks whether a server can be had: its name, a connection or a tunnel to it, TLS where the address wants it. Nothing
 * else is said there.
 * @throws UNREACHABLE, PROXY_REFUSED; what `signal` aborted with
 */
export async function reach(url: URL, network: Network, signal: AbortSignal): Promise<Reached> {
  const proxy = network.proxyFor(url)
  let socket: Socket | undefined
  try {
    socket = proxy
      ? await openTunnel(proxy, url, network, signal)
      : await connected(connect({ host: hostOf(url), port: portOf(url) }), 'connect', signal)
    const reached = { address: socket.remoteAddress ?? '', proxy: proxy?.host }
    if (!isSecure(url)) return { ...reached, tls: undefined }
    const safe = secure(url, socket, network)
    socket = safe
    await connected(safe, 'secureConnect', signal)
    return { ...reached, tls: safe.getProtocol() ?? undefined }
  } catch (thrown) {
    throw signal.aborted ? signal.reason : unreachable(url.host, thrown)
  } finally {
    socket?.destroy()
  }
}

async function connected(socket: Socket, event: string, signal: AbortSignal): Promise<Socket> {
  // Whoever gives up on it is not told of what becomes of it.
  socket.on('error', () => {})
  try {
    await once(socket, event, { signal })
    return socket
  } catch (thrown) {
    socket.destroy()
    throw thrown
  }
}
