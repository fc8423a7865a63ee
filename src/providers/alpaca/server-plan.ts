import type { Clock } from '../../base/clock.ts'
import type { AlpacaFeed } from './feeds.ts'

/** What an account may do. https://docs.alpaca.markets/docs/about-market-data-api#subscription-plans */
export interface AlpacaPlan {
  /** Feeds that may be streamed; any other ends in 409. @default all */
  readonly feeds?: readonly AlpacaFeed[]
  /**
   * Distinct symbols one connection may carry over trades and quotes (30 on the free plan); one more ends in 405,
   * and so does `*` on these two. @default unlimited
   */
  readonly symbols?: number
  /** Connections to one feed at a time; one more ends in 406. @default 1 */
  readonly connections?: number
}

export interface AlpacaAccount extends AlpacaPlan {
  readonly secret: string
}

/** An OAuth token, presented as `{"action":"auth","key":"oauth","secret":"TOKEN"}`. */
export interface AlpacaToken extends AlpacaPlan {
  /** Whether it may read market data; without, it ends in 411. @default true */
  readonly scope?: boolean
}

export interface AlpacaAccountOptions {
  /** Accounts by key: the secret, or secret and plan. @default any key with any secret will do */
  readonly accounts?: Readonly<Record<string, string | AlpacaAccount>> | undefined
  /** OAuth tokens. @default none, or any where `accounts` is not given either */
  readonly tokens?: Readonly<Record<string, AlpacaToken>> | undefined
  /** What an account may do that says nothing of its own. @default one connection per feed, else no limit */
  readonly plan?: AlpacaPlan | undefined
  /**
   * How long the slot of a connection that was cut stays taken, ms: the venue notices late. A clean close frees it
   * at once. @default 90000
   */
  readonly slotMs?: number | undefined
}

/** Somebody the venue knows. */
export interface Identity {
  /** The key, or `oauth:` and the token. */
  readonly account: string
  readonly plan: AlpacaPlan
}

const SLOT_MS = 90_000

/** Who may come in, and the slots of those who are in. */
export class Accounts {
  readonly #options: AlpacaAccountOptions
  readonly #clock: Clock
  readonly #open = new Map<string, Set<object>>()
  /** When the slots of cut connections become free, epoch ms, oldest first. */
  readonly #held = new Map<string, number[]>()

  constructor(options: AlpacaAccountOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
  }

  /** Who presents these; an error code when nobody known does. */
  identify(key: string, secret: string): Identity | 402 | 411 {
    const { accounts, tokens, plan = {} } = this.#options
    const anybody = !accounts && !tokens
    if (key === 'oauth' && (tokens || anybody)) {
      const token = tokens && Object.hasOwn(tokens, secret) ? tokens[secret] : undefined
      if (!token && !(anybody && secret !== '')) return 402
      if (token?.scope === false) return 411
      return { account: `oauth:${secret}`, plan: { ...plan, ...token } }
    }
    if (anybody) return key !== '' && secret !== '' ? { account: key, plan } : 402
    const known = accounts && Object.hasOwn(accounts, key) ? accounts[key] : undefined
    const account = typeof known === 'string' ? { secret: known } : known
    if (!account || account.secret !== secret) return 402
    return { account: key, plan: { ...plan, ...account } }
  }

  /** Takes a slot; false when the plan's are all in use. */
  enter({ account, plan }: Identity, feed: AlpacaFeed, session: object): boolean {
    const key = slotKey(account, feed)
    const open = this.#open.get(key) ?? new Set()
    if (open.size + this.#heldSlots(key) >= (plan.connections ?? 1)) return false
    this.#open.set(key, open.add(session))
    return true
  }

  leave({ account }: Identity, feed: AlpacaFeed, session: object, clean: boolean): void {
    const key = slotKey(account, feed)
    const open = this.#open.get(key)
    if (!open?.delete(session)) return
    if (open.size === 0) this.#open.delete(key)
    const { slotMs = SLOT_MS } = this.#options
    if (clean || !(slotMs > 0)) return
    this.#held.set(key, [...(this.#held.get(key) ?? []), this.#clock.now() + slotMs])
  }

  /** Forgets who was here, as a server that starts anew does. */
  reset(): void {
    this.#open.clear()
    this.#held.clear()
  }

  /** Looked at when asked for, so that no timer waits for it. */
  #heldSlots(key: string): number {
    const now = this.#clock.now()
    const left = (this.#held.get(key) ?? []).filter(until => until > now)
    if (left.length > 0) this.#held.set(key, left)
    else this.#held.delete(key)
    return left.length
  }
}

/** The limit holds for each feed on its own. */
const slotKey = (account: string, feed: AlpacaFeed) => `${feed} ${account}`
