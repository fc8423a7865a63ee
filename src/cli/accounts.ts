// The accounts that bots of this process send their orders to, one for all bots of each; and the switch that stops them.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, systemClock, type Timer } from '../base/clock.ts'
import { Account } from '../bot/account.ts'
import type { KeptOrder } from '../bot/account-books.ts'
import type { AccountLimits } from '../bot/account-limits.ts'
import type { ToAccount, ToldOrder } from '../bot/account-link.ts'
import type { AccountInfo, AccountsView } from '../gateway/context.ts'
import { defined } from './bot-schema.ts'
import { type AccountChoice, openBroker } from './brokers.ts'
import type { Config, Surroundings } from './config.ts'

/** How often it is looked whether somebody wants everything stopped, ms. */
const LOOK_MS = 250

const accountsFolder = (folder: string) => join(folder, 'accounts')
/** While this file is there nothing is sent, by any account of the data folder. */
const killFile = (folder: string) => join(accountsFolder(folder), 'KILL')

export interface Killed {
  readonly why: string
  readonly flatten: boolean
}

/** Stops all accounts of a data folder, whether they run or not, and here or elsewhere. */
export function killAll(folder: string, { why, flatten }: Killed): void {
  const file = killFile(folder)
  mkdirSync(accountsFolder(folder), { recursive: true })
  const words = why.replace(/\s+/g, ' ').trim() || 'by hand'
  writeFileSync(`${file}.new`, `${words}\n${flatten ? 'flatten' : ''}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

/** Lets them send orders again. */
export function releaseAll(folder: string): void {
  rmSync(killFile(folder), { force: true })
}

/** Whether somebody has stopped the accounts of a data folder. */
export function killedNow(folder: string): Killed | undefined {
  let text: string
  try {
    text = readFileSync(killFile(folder), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    // What cannot be read is there.
    return { why: 'by hand', flatten: false }
  }
  const [why = '', flatten] = text.split('\n')
  return { why: why.trim() || 'by hand', flatten: flatten === 'flatten' }
}

/** The accounts of this process. */
export class Accounts implements AccountsView {
  readonly #config: Config
  readonly #folder: string
  readonly #around: Surroundings
  readonly #said: (line: string) => void
  readonly #clock = systemClock()
  readonly #desks = new Map<string, AccountDesk>()
  /** SIGUSR2 stops everything, of a system that has it. */
  readonly #signaled = () => this.kill('by signal', false)

  constructor(config: Config, folder: string, around: Surroundings, said: (line: string) => void) {
    this.#config = config
    this.#folder = folder
    this.#around = around
    this.#said = said
    if (process.platform !== 'win32') process.on('SIGUSR2', this.#signaled)
  }

  /** The account for a bot: for all that want the same, one. @throws MISSING_KEY, BAD_KEY, BAD_OPTION, ACCOUNT_IN_USE, BAD_STATE */
  open({ broker, live = false }: AccountChoice): AccountDesk {
    const key = `${broker} ${live}`
    const known = this.#desks.get(key)
    if (known) return known
    const { api, isRehearsal } = openBroker(
      { broker, live },
      this.#config,
      this.#around,
      this.#clock,
    )
    const own = this.#config.accounts?.find(one => one.broker === broker && one.live === live)
    const desk = new AccountDesk({
      ...{ api, isRehearsal, limits: defined(own?.risk ?? {}) as AccountLimits },
      ...{ folder: this.#folder, clock: this.#clock, said: this.#said },
    })
    this.#desks.set(key, desk)
    return desk
  }

  states(): readonly AccountInfo[] {
    return [...this.#desks.values()].map(desk => desk.info)
  }

  get killed(): Killed | undefined {
    return killedNow(this.#folder)
  }

  kill(why: string, flatten: boolean): void {
    killAll(this.#folder, { why, flatten })
  }

  release(): void {
    releaseAll(this.#folder)
  }

  /** Somebody wants to leave: those that are not connected yet will not be. */
  giveUp(): void {
    for (const desk of this.#desks.values()) desk.giveUp()
  }

  close(): void {
    process.off('SIGUSR2', this.#signaled)
    for (const desk of this.#desks.values()) desk.close()
  }
}

interface DeskOptions {
  readonly api: Account['api']
  readonly isRehearsal: boolean
  readonly limits: AccountLimits
  readonly folder: string
  readonly clock: Clock
  readonly said: (line: string) => void
}

/** One account, for the bots of this process. */
export class AccountDesk {
  /** Rejects when the account stops by itself: its bots cannot go on. */
  readonly failed: Promise<never>
  readonly name: string
  readonly kind: 'paper' | 'live'
  /** The broker is a simulation. */
  readonly isRehearsal: boolean
  readonly #account: Account
  readonly #options: DeskOptions
  #timer: Timer | undefined
  #started: Promise<boolean> | undefined
  #isReady = false

  /** @throws ACCOUNT_IN_USE, BAD_STATE */
  constructor(options: DeskOptions) {
    const { api, isRehearsal, limits, folder, clock, said } = options
    this.#options = options
    this.kind = api.kind
    this.name = `${api.name}-${api.kind}`
    this.isRehearsal = isRehearsal
    const own = join(accountsFolder(folder), this.name)
    this.#account = new Account({ api, folder: own, clock, limits, said })
    this.failed = this.#account
      .until(() => this.#account.phase === 'stopped')
      .then(() => {
        throw this.#account.stopped
      })
    this.failed.catch(() => {})
  }

  /** Connects, once for all who ask; false where that was given up. @throws what no retry helps */
  start(): Promise<boolean> {
    this.#started ??= this.#start()
    return this.#started
  }

  async #start(): Promise<boolean> {
    const { said } = this.#options
    this.#look()
    try {
      await this.#account.start()
    } catch (error) {
      if (this.#account.phase === 'closed') return false
      throw error
    }
    const { id, currency, equity, blocked } = this.#account.state!
    said(`${this.name}: account ${id}, equity ${equity.toFixed(2)} ${currency}`)
    if (blocked !== undefined) said(`${this.name}: ${blocked}; no order will be sent`)
    const others = [...this.#account.books.heldByOthers()].filter(([, held]) => held !== 0)
    if (others.length > 0) {
      const words = others.map(([symbol, held]) => `${held} ${symbol}`).join(', ')
      said(`${this.name}: not of bots: ${words}`)
    }
    this.#isReady = true
    return true
  }

  /** Somebody wants to leave: where it is not connected yet, it will not be. */
  giveUp(): void {
    if (!this.#isReady) this.close()
  }

  attach(bot: string, hears: (order: ToldOrder) => void): void {
    const tell = (kept: KeptOrder) => hears(toldOf(kept))
    this.#account.attach(bot, tell)
    for (const kept of this.#account.books.of(bot)) tell(kept)
  }

  take(bot: string, asked: ToAccount): void {
    if (asked.type === 'place') this.#account.place(bot, asked.order, asked.price)
    else this.#account.cancel(asked.id)
  }

  close(): void {
    this.#timer?.cancel()
    this.#account.close()
  }

  /** How it stands, for people. */
  get info(): AccountInfo {
    const { phase, why, state, books, lostToday, limits } = this.#account
    const bots = new Set([...books.orders.values()].map(({ bot }) => bot))
    const { id, currency, cash, equity, buyingPower } = state ?? {}
    const reason = why ?? state?.blocked
    return {
      ...{ name: this.name, kind: this.kind, phase, limits, id, currency, cash, equity },
      ...{ buyingPower, lostToday: state && lostToday, why: reason },
      bots: [...bots].map(bot => ({ bot, positions: heldOf(books.heldBy(bot)) })),
      others: heldOf(books.heldByOthers()),
      openOrders: books.open().map(({ bot, order, status, filled }) => ({
        ...{ id: order.id, bot, symbol: order.symbol, side: order.side, type: order.type },
        ...{ quantity: order.quantity, filled, status },
        ...{ limitPrice: order.limitPrice, stopPrice: order.stopPrice },
      })),
    }
  }

  #look(): void {
    const { folder, clock, said } = this.#options
    const killed = killedNow(folder)
    if (killed) this.#account.kill(killed.why, killed.flatten)
    else if (this.#account.killed) {
      this.#account.release()
      said(`${this.name}: orders are sent again`)
    }
    this.#timer = clock.setTimeout(() => this.#look(), LOOK_MS)
  }
}

const heldOf = (held: ReadonlyMap<string, number>) =>
  [...held].flatMap(([symbol, quantity]) => (quantity === 0 ? [] : [{ symbol, quantity }]))

const toldOf = ({
  order,
  status,
  filled,
  averagePrice,
  ending,
  at,
  updatedAt,
}: KeptOrder): ToldOrder => ({
  ...{ order, status, filled, averagePrice, ending, at, updatedAt },
})
