import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { TickwireError } from '../base/errors.ts'
import { KEY_PATTERN } from './keys.ts'

/*
 * Any page a browser shows can send requests to this machine, loopback included: by its own origin, or by a name of its
 * own that it lets point here ("rebinding"). So a request must be to a name the gateway goes by, and one that a browser
 * sends for a page must come from the gateway's own pages or from an origin of the list.
 */

export interface OriginRules {
  /** Names the gateway goes by, beside localhost and plain addresses, which nobody can let point elsewhere. */
  readonly hosts: readonly string[]
  /** Origins whose pages may ask: `https://desk.example`. */
  readonly origins: readonly string[]
  /** Served over TLS. */
  readonly isSecure: boolean
}

/** What of a request these rules look at. */
export type RequestHead = Pick<IncomingMessage, 'method' | 'url' | 'headers'>

/** @throws HOST_REFUSED KEY_IN_URL ORIGIN_REFUSED */
export function checkHead(request: RequestHead, rules: OriginRules): void {
  checkHost(request, rules)
  checkAddress(request)
  checkOrigin(request, rules)
}

/** The same for questions in a vendor's words, some of which have their key in the address. @throws HOST_REFUSED ORIGIN_REFUSED */
export function checkVendorHead(request: RequestHead, rules: OriginRules): void {
  checkHost(request, rules)
  checkOrigin(request, rules)
}

function checkHost({ headers, url = '' }: RequestHead, { hosts }: OriginRules): void {
  const name = nameOf(headers.host ?? '')
  // A whole URL in place of a path is for proxies.
  const isPath = url.startsWith('/')
  if (isPath && (isAlwaysOurs(name) || hosts.some(host => host.toLowerCase() === name))) return
  throw new TickwireError(
    'HOST_REFUSED',
    isPath
      ? `the gateway does not go by the name ${JSON.stringify(name)}`
      : 'the gateway is no proxy',
    { hint: 'Use localhost or the plain address, or add the name to gateway.hosts.' },
  )
}

const isAlwaysOurs = (name: string) =>
  name === 'localhost' || name.endsWith('.localhost') || isIP(name) !== 0

/** A Host header without its port, as names are compared. */
function nameOf(host: string): string {
  const bare = host.startsWith('[') ? host.slice(1, host.indexOf(']')) : host.replace(/:\d*$/, '')
  return bare.toLowerCase().replace(/\.$/, '')
}

const KEY_NAMES =
  /^(?:x-?)?(?:api|access|auth|tickwire)?[-_]?(?:key|secret|password|passwd|authorization|bearer)$/i

/** @throws KEY_IN_URL */
function checkAddress({ url = '' }: RequestHead): void {
  const at = url.indexOf('?')
  const named = at < 0 ? [] : [...new URLSearchParams(url.slice(at)).keys()]
  const isKey = KEY_PATTERN.test(url) || KEY_PATTERN.test(decoded(url))
  if (!isKey && !named.some(name => KEY_NAMES.test(name))) return
  throw new TickwireError(
    'KEY_IN_URL',
    'a key never belongs in an address: logs and histories keep it',
    {
      hint: 'Send it as `Authorization: Bearer …` or in the first WebSocket message; event streams take a short-lived token of POST /v1/tokens. If it was a real key, revoke it.',
    },
  )
}

function decoded(url: string): string {
  try {
    return decodeURIComponent(url)
  } catch {
    return url
  }
}

function checkOrigin(request: RequestHead, rules: OriginRules): void {
  const { origin } = request.headers
  if (
    origin === undefined ? isOwnOrNone(request) : isOwn(request, rules) || isListed(origin, rules)
  )
    return
  const from = origin === undefined ? 'of another site' : `of ${origin}`
  throw new TickwireError('ORIGIN_REFUSED', `pages ${from} may not ask this gateway`, {
    hint: 'If it is your own page, add its origin to gateway.origins.',
  })
}

/** Without an Origin a browser still says what it sends across sites; only to look at a page by a link is allowed. */
function isOwnOrNone({ method, headers }: RequestHead): boolean {
  const site = headers['sec-fetch-site']
  if (site === undefined || site === 'same-origin' || site === 'none') return true
  return (
    method === 'GET' &&
    headers['sec-fetch-mode'] === 'navigate' &&
    headers['sec-fetch-dest'] === 'document'
  )
}

function isOwn({ headers }: RequestHead, { isSecure }: OriginRules): boolean {
  return headers.origin === `${isSecure ? 'https' : 'http'}://${headers.host}`
}

const isListed = (origin: string, { origins }: OriginRules) => origins.includes(origin)

/** What a browser is told about a request of an origin of the list; nothing for others. */
export function corsHeaders(
  { headers }: RequestHead,
  rules: OriginRules,
): Readonly<Record<string, string>> {
  const { origin } = headers
  if (origin === undefined || !isListed(origin, rules)) return {}
  return {
    'access-control-allow-origin': origin,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'etag, link, retry-after, tickwire-nature, tickwire-next',
  }
}

/** The answer to a browser that asks before it sends. */
export function preflightHeaders(
  request: RequestHead,
  rules: OriginRules,
): Readonly<Record<string, string>> {
  return {
    ...corsHeaders(request, rules),
    'access-control-allow-methods': 'GET, POST, DELETE',
    'access-control-allow-headers': 'authorization, content-type, last-event-id, if-none-match',
    'access-control-max-age': '600',
    // A page of a public site asks for an address of this network.
    ...(request.headers['access-control-request-private-network'] === 'true' && {
      'access-control-allow-private-network': 'true',
    }),
  }
}

/** An origin as browsers write it. @throws BAD_OPTION */
export function parseOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isOrigin = url && /^https?:$/.test(url.protocol) && url.pathname === '/' && !url.search
  if (isOrigin && !url.username && !url.hash) return url.origin
  throw new TickwireError('BAD_OPTION', `${JSON.stringify(text)} is no origin`, {
    hint: 'Write scheme, host and port alone, as in https://desk.example or http://localhost:3000.',
  })
}
