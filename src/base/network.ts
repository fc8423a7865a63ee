import { request as plainRequest, type RequestOptions } from 'node:http'
import { request as secureRequest } from 'node:https'
import { isIP, type Socket } from 'node:net'
import { connect as connectTls, rootCertificates, type TLSSocket } from 'node:tls'
import { asError, TickwireError } from './errors.ts'

/** How servers are reached: the same for WebSockets and HTTP. */
export interface NetworkOptions {
  /**
   * A proxy to go through, `http://host:port` or `https://host:port`, with `user:password@` where it wants them; or one
   * for each protocol: `http` for `http://` and `ws://`, `https` for `https://` and `wss://`. Both go through a tunnel
   * (CONNECT), so a proxy sees where to, and nothing of what is said over TLS.
   * @default none; the environment is not read
   */
  readonly proxy?: string | ProxyByProtocol | undefined
  /**
   * Hosts that are reached without the proxy, as in `NO_PROXY`, separated by commas or spaces: `localhost`, `10.0.0.1:8080`,
   * `example.com` with all below it, also written `.example.com`; `*` for all.
   * @default none
   */
  readonly noProxy?: string | undefined
  /** Certificates (PEM) to trust beside Node's own, for servers and for a proxy. @default none */
  readonly ca?: string | readonly string[] | undefined
}

export interface ProxyByProtocol {
  readonly http?: string | undefined
  readonly https?: string | undefined
}

/** How long a proxy may take to make a tunnel, ms. */
const TUNNEL_MS = 10_000

/** What has been found out about {@link NetworkOptions} once, for every connection. */
export interface Network {
  /** All certificates to trust; `undefined` where Node's own do. For `tls.connect` and kin by {@link trust}. */
  readonly ca: readonly string[] | undefined
  /** The proxy on the way to an address, if any. */
  proxyFor(url: URL): URL | undefined
}

/** @throws BAD_OPTION for a proxy that is no http:// or https:// address; what it is written as is not repeated */
export function networkOf({ proxy, noProxy = '', ca }: NetworkOptions): Network {
  const both = typeof proxy === 'string' ? { http: proxy, https: proxy } : (proxy ?? {})
  const [plain, secure] = [both.http, both.https].map(text =>
    text === undefined ? undefined : parseProxy(text),
  )
  const exceptions = noProxy.split(/[\s,]+/).filter(entry => entry !== '')
  return {
    ca: ca === undefined ? undefined : [...rootCertificates, ...[ca].flat()],
    proxyFor: url => {
      // What speaks neither HTTP nor WebSocket goes by no proxy.
      if (!/^(http|ws)s?:$/.test(url.protocol)) return undefined
      const chosen = isSecure(url) ? secure : plain
      return chosen && !exceptions.some(entry => excepts(entry, url)) ? chosen : undefined
    },
  }
}

/** @throws BAD_OPTION */
export function parseProxy(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url && /^https?:$/.test(url.protocol) && url.hostname !== '' && credentials(url) !== false) {
    return url
  }
  throw new TickwireError('BAD_OPTION', 'the proxy is no http:// or https:// address', {
    hint: 'Write it as http://host:port; special characters of a password as %40 and such.',
  })
}

export const isSecure = ({ protocol }: URL) => protocol === 'https:' || protocol === 'wss:'
export const portOf = (url: URL) => Number(url.port || (isSecure(url) ? 443 : 80))
/** The name without the brackets an IPv6 address has in a URL. */
export const hostOf = ({ hostname }: URL) => hostname.replace(/^\[(.*)\]$/, '$1')
/** The name a certificate must have; an address is no name (RFC 6066). */
export const serverName = (host: string) => (isIP(host) ? '' : host)

export const trust = ({ ca }: Network) => (ca ? { ca: [...ca] } : {})

function excepts(entry: string, url: URL): boolean {
  if (entry === '*') return true
  const [, name = '', port] =
    /^(\[.*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? []
  if (port !== undefined && Number(port) !== portOf(url)) return false
  const wanted = name.replace(/^\*?\./, '').replace(/^\[(.*)\]$/, '$1')
  const host = hostOf(url).toLowerCase()
  return wanted !== '' && (host === wanted || host.endsWith(`.${wanted}`))
}

/** The value of `Proxy-Authorization`; false when it cannot be read. */
function credentials({ username, password }: URL): string | undefined | false {
  if (username === '' && password === '') return undefined
  try {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    return `Basic ${Buffer.from(pair).toString('base64')}`
  } catch {
    return false
  }
}

/**
 * A connection through a proxy to the host and port of `url`; TLS, where wanted, is for the caller to put on it.
 * @throws UNREACHABLE, PROXY_REFUSED; what `signal` aborted with
 */
export function openTunnel(
  proxy: URL,
  url: URL,
  network: Network,
  signal?: AbortSignal,
): Promise<Socket> {
  const target = `${url.hostname}:${portOf(url)}`
  const authorization = credentials(proxy)
  return new Promise((resolve, reject) => {
    const host = hostOf(proxy)
    const options: RequestOptions = {
      ...{ method: 'CONNECT', path: target, host, port: portOf(proxy), agent: false },
      headers: { host: target, ...(authorization && { 'proxy-authorization': authorization }) },
      timeout: TUNNEL_MS,
      ...(signal && { signal }),
    }
    const request =
      proxy.protocol === 'https:'
        ? secureRequest({ ...options, ...trust(network), servername: serverName(host) })
        : plainRequest(options)
    const failed = (thrown: unknown) => {
      reject(signal?.aborted ? signal.reason : unreachable(`the proxy ${proxy.host}`, thrown))
    }
    request.on('connect', ({ statusCode = 0 }, socket, head) => {
      if (statusCode < 200 || statusCode > 299) {
        socket.destroy()
        reject(refused(proxy, target, statusCode))
        return
      }
      request.off('error', failed)
      socket.setTimeout(0)
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    // A server that is no proxy answers the CONNECT as any other request.
    request.on('response', response => {
      response.destroy()
      reject(refused(proxy, target, response.statusCode ?? 0))
    })
    request.on('timeout', () => request.destroy(new Error(`no tunnel in ${TUNNEL_MS} ms`)))
    request.on('error', failed)
    request.end()
  })
}

/** TLS to the host of `url` on a connection that stands; `secured` is called once it does too. */
export function secure(
  url: URL,
  socket: Socket,
  network: Network,
  secured?: () => void,
): TLSSocket {
  const host = hostOf(url)
  return connectTls({ ...trust(network), socket, host, servername: serverName(host) }, secured)
}

function refused({ host }: URL, target: string, status: number): TickwireError {
  const said = `the proxy ${host} makes no tunnel to ${target}: HTTP ${status}`
  if (status === 407) {
    return new TickwireError('PROXY_REFUSED', `${said}, it wants a user and password`, {
      hint: 'Put the right ones before its host: http://user:password@host:port.',
    })
  }
  if (status >= 500) {
    return new TickwireError('UNREACHABLE', said, {
      hint: 'The proxy does not reach the host either: check its address, or try later.',
    })
  }
  return new TickwireError('PROXY_REFUSED', said, {
    hint: 'Let whoever runs the proxy allow that host, or reach it without: noProxy (NO_PROXY).',
  })
}

/** A fault of the network in words, with a way out; an error of ours as it is. */
export function unreachable(place: string, thrown: unknown): TickwireError {
  if (thrown instanceof TickwireError) return thrown
  const cause = asError(thrown)
  const { code } = cause as { code?: unknown }
  const known = typeof code === 'string' ? code : ''
  const why = FAULTS[known] ?? (cause.message || known || cause.name)
  const hint = CERTIFICATE.test(known)
    ? 'Does a proxy or a virus scanner look into TLS? Trust its certificate: the option ca (network.ca).'
    : 'Check the network, a proxy or firewall, and the address.'
  return new TickwireError('UNREACHABLE', `${place}: ${why}`, { cause, hint })
}

const FAULTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name could not be looked up (no network?)',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no network',
}

/** Whether a fault is that there was no connection: the server has seen nothing of what was to be said. */
export function isUnseen({ code, cause }: TickwireError): boolean {
  const known = (cause as { code?: unknown } | undefined)?.code
  return code === 'UNREACHABLE' && UNSEEN.includes(known)
}

const UNSEEN: readonly unknown[] = [
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'],
]

const CERTIFICATE = /CERT|UNABLE_TO_(GET|VERIFY)/
