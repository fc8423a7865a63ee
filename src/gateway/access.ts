import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { Clock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { type Access, type Guest, SCOPES, type Scope } from './context.ts'
import { type HeldKey, KeyRing } from './key-ring.ts'
import type { Quotas } from './keys.ts'
import { checkHead, checkVendorHead, type OriginRules, parseOrigin } from './origins.ts'
import { Passes } from './passes.ts'
import { QUOTA_DEFAULTS, Usage } from './quotas.ts'
import { statusOf } from './refusals.ts'

/**
 * Who has to show a key. `auto`: nobody on loopback, everybody where the gateway is reached from beyond this machine ·
 * `keys`: everybody · `anyone`: nobody, wherever they come from.
 */
export type Admission = 'auto' | 'keys' | 'anyone'

export interface AccessOptions {
  /** The address the gateway listens at. */
  readonly host: string
  /** File of the keys. */
  readonly keys: string
  /** @default 'auto' */
  readonly admission?: Admission
  /** Other names it goes by. @default none */
  readonly hosts?: readonly string[]
  /** Origins whose pages may ask. @default none but its own */
  readonly origins?: readonly string[]
  /** Of keys that have none of their own, and of all together who have no key. @default QUOTA_DEFAULTS */
  readonly quotas?: Quotas
  /** Served over TLS. @default false */
  readonly isSecure?: boolean
  readonly clock: Clock
  readonly log: Log
}

/** Somebody who asks over HTTP. */
export interface Visitor {
  /** `undefined`: may come in, but has shown no key where one is wanted. */
  readonly guest: Guest | undefined
  readonly key: HeldKey | undefined
}

/** What anybody may who needs no key. Trading and administration always take one. */
const ANONYMOUS: ReadonlySet<Scope> = new Set<Scope>(['read', 'history'])
/** What a token for an event stream is good for. */
const TOKEN_SCOPES: ReadonlySet<Scope> = new Set<Scope>(['read'])
const SESSION_MS = 12 * 3_600_000
export const TOKEN_MS = 60_000

/** The gateway's door: which requests are looked at, who asks, and how much of it. */
export class Door implements Access {
  readonly isOpenToAll: boolean
  readonly cookie: string
  readonly #ring: KeyRing
  readonly #clock: Clock
  readonly #sessions: Passes
  readonly #tokens: Passes
  readonly #usage = new Map<string | undefined, Usage>()
  #rules: OriginRules
  #quotas: Quotas

  /** @throws EXPOSED where it would be open to a network without a word about that, KEYS_UNSAFE, BAD_OPTION */
  constructor(options: AccessOptions) {
    const { clock, host, keys, log, admission = 'auto', isSecure = false } = options
    this.#ring = new KeyRing({ path: keys, clock, log })
    this.#clock = clock
    this.#sessions = new Passes({ clock, lifeMs: SESSION_MS, isOnce: false })
    this.#tokens = new Passes({ clock, lifeMs: TOKEN_MS, isOnce: true })
    this.#quotas = options.quotas ?? {}
    this.#rules = rulesOf(options)
    this.isOpenToAll = admission === 'anyone' || (admission === 'auto' && isLoopback(host))
    this.cookie = isSecure ? '__Host-tickwire' : 'tickwire'
    if (!this.isOpenToAll && !isLoopback(host) && this.#ring.size === 0) {
      this.#ring.close()
      throw exposed(host)
    }
  }

  get rules(): OriginRules {
    return this.#rules
  }

  /** Takes over what may change while it runs; keys are looked at too. @throws BAD_OPTION KEYS_UNSAFE, and nothing is changed */
  reload(options: Pick<AccessOptions, 'host' | 'hosts' | 'origins' | 'quotas' | 'isSecure'>): void {
    const rules = rulesOf(options)
    const trouble = this.#ring.reload()
    if (trouble) throw trouble
    this.#rules = rules
    this.#quotas = options.quotas ?? {}
  }

  /** Whether a request is to be looked at. @throws HOST_REFUSED KEY_IN_URL ORIGIN_REFUSED */
  check(request: IncomingMessage): void {
    checkHead(request, this.#rules)
  }

  upgrade(request: IncomingMessage): Guest | undefined {
    checkHead(request, this.#rules)
    const key = this.#shown(request)
    return key || this.isOpenToAll ? this.#streaming(key) : undefined
  }

  authenticate(key: string): Guest {
    return this.#streaming(this.#ring.show(key))
  }

  /** A request over HTTP: its head is judged, its key looked at, and it is counted. @throws TickwireError */
  visit(request: IncomingMessage): Visitor {
    checkHead(request, this.#rules)
    const key = this.#shown(request)
    this.#usageOf(key).request(this.#quotasOf(key))
    return { guest: key || this.isOpenToAll ? this.#guest(key) : undefined, key }
  }

  /** Whether a question in a vendor's words is to be looked at: its key may be where the vendor has it. @throws HOST_REFUSED ORIGIN_REFUSED */
  checkVendor(request: IncomingMessage): void {
    checkVendorHead(request, this.#rules)
  }

  /**
   * A question in a vendor's words, by what it has for a key: one of ours, or any where nobody needs one; `undefined`
   * where it is no key. It is counted. @throws QUOTA_EXCEEDED
   */
  visitVendor(words: readonly string[]): Guest | undefined {
    const word = words.find(one => one.startsWith('tw_'))
    let key: HeldKey | undefined
    try {
      key = word === undefined ? undefined : this.#ring.show(word)
    } catch {
      // The vendor's protocol has its own word for it.
      return undefined
    }
    this.#usageOf(key).request(this.#quotasOf(key))
    return key || this.isOpenToAll ? this.#guest(key) : undefined
  }

  /** For an event stream, which counts as a connection, by whoever asked or by the token in its address. */
  stream(visitor: Visitor, token: string | undefined): Guest {
    if (token === undefined) return mustBe(visitor.guest, 'read') && this.#streaming(visitor.key)
    const key = this.#tokens.use(token)
    if (key) return this.#streaming(key, TOKEN_SCOPES)
    throw new TickwireError('KEY_REFUSED', 'this token is none, over or used up', {
      hint: `POST /v1/tokens gives another one; each opens one stream within ${TOKEN_MS / 1_000} s.`,
    })
  }

  /** A word for a cookie. */
  openSession(key: string): {
    readonly word: string
    readonly held: HeldKey
    readonly maxAgeS: number
  } {
    const held = this.#ring.show(key)
    return { word: this.#sessions.issue(held), held, maxAgeS: SESSION_MS / 1_000 }
  }

  endSession(request: Pick<IncomingMessage, 'headers'>): void {
    const word = this.#cookieOf(request)
    if (word !== undefined) this.#sessions.end(word)
  }

  openToken(key: HeldKey): string {
    return this.#tokens.issue(key)
  }

  statusOf(error: TickwireError): number {
    return statusOf(error)
  }

  close(): void {
    this.#ring.close()
  }

  /** The key a request came with. A wrong one is refused, also where none is needed. */
  #shown(request: Pick<IncomingMessage, 'headers'>): HeldKey | undefined {
    const { authorization } = request.headers
    if (authorization !== undefined) {
      const [, key] = /^Bearer +(\S+)$/i.exec(authorization) ?? []
      if (key !== undefined) return this.#ring.show(key)
      throw new TickwireError('KEY_REFUSED', 'the Authorization header holds no key', {
        hint: 'Write it as `Authorization: Bearer tw_…`.',
      })
    }
    const word = this.#cookieOf(request)
    return word === undefined ? undefined : this.#sessions.use(word)
  }

  #cookieOf({ headers }: Pick<IncomingMessage, 'headers'>): string | undefined {
    const pairs = (headers.cookie ?? '').split(/; */).map(pair => pair.split('='))
    return pairs.find(([name]) => name === this.cookie)?.[1]
  }

  #usageOf(key: HeldKey | undefined): Usage {
    const id = key?.record.id
    let usage = this.#usage.get(id)
    if (!usage) this.#usage.set(id, (usage = new Usage(this.#clock)))
    return usage
  }

  #quotasOf(key: HeldKey | undefined): Quotas {
    const own = key?.record.quotas ?? {}
    const { symbols, connections, requests } = this.#quotas
    return {
      symbols: own.symbols ?? symbols,
      connections: own.connections ?? connections ?? QUOTA_DEFAULTS.connections,
      requests: own.requests ?? requests ?? QUOTA_DEFAULTS.requests,
    }
  }

  #guest(key: HeldKey | undefined, only: ReadonlySet<Scope> = ALL, leave = () => {}): Guest {
    const scopes = key ? key.record.scopes : ANONYMOUS
    return {
      name: key?.record.name ?? 'anonymous',
      scopes: new Set([...scopes].filter(scope => only.has(scope))),
      maxSymbols: this.#quotasOf(key).symbols,
      revoked: key?.ended,
      leave,
    }
  }

  /** Counted as a connection until it leaves. */
  #streaming(key: HeldKey | undefined, only?: ReadonlySet<Scope>): Guest {
    return this.#guest(key, only, this.#usageOf(key).connect(this.#quotasOf(key)))
  }
}

const ALL: ReadonlySet<Scope> = new Set(SCOPES)

/** The guest, who may do this. @throws KEY_REQUIRED SCOPE_MISSING */
export function mustBe(guest: Guest | undefined, scope: Scope): Guest {
  if (guest?.scopes.has(scope)) return guest
  if (guest && guest.revoked !== undefined) {
    throw new TickwireError('SCOPE_MISSING', `the key ${guest.name} has not the scope ${scope}`, {
      hint: `It has ${[...guest.scopes].join(', ') || 'none'}. Make one that has it: tickwire keys create NAME --scopes ${scope}`,
    })
  }
  throw new TickwireError('KEY_REQUIRED', `this takes a key with the scope ${scope}`, {
    hint: 'Send it as `Authorization: Bearer tw_…`; `tickwire keys create NAME` makes one.',
  })
}

function rulesOf({
  host,
  hosts = [],
  origins = [],
  isSecure = false,
}: Pick<AccessOptions, 'host' | 'hosts' | 'origins' | 'isSecure'>): OriginRules {
  return { hosts: [host, ...hosts], origins: origins.map(parseOrigin), isSecure }
}

/** Whether an address to listen at is of this machine alone. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host.endsWith('.localhost')) return true
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1'
}

const exposed = (host: string) =>
  new TickwireError(
    'EXPOSED',
    `at ${host} the gateway is reached from beyond this machine, and there is no key`,
    {
      hint: 'Make one: tickwire keys create NAME. To let anyone read without a key, say so: gateway.admission: anyone.',
    },
  )

/** Said where nobody is asked for a key. */
export const OPEN_TO_ALL = 'Whoever reaches it may read: nobody is asked for a key.'

/** Said where others can be reached: the data is its vendors'. */
export const REDISTRIBUTION =
  'Others can reach this gateway. Most vendors forbid to pass their data on, even within a company, without a contract that ' +
  'allows it: see to it that you may.'
