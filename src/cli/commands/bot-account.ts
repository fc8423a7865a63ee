// The account that bots send their orders to, in the process of the command; and the switch that stops all of them.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { type Clock, systemClock, type Timer } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import { openHttp } from '../../base/http-network.ts'
import { webSockets } from '../../base/socket.ts'
import { Account } from '../../bot/account.ts'
import type { KeptOrder } from '../../bot/account-books.ts'
import type { ToAccount, ToldOrder } from '../../bot/account-link.ts'
import { alpacaBroker } from '../../providers/alpaca/broker.ts'
import { type Config, loadConfig, type Surroundings } from '../config.ts'
import { say } from '../console.ts'
import { dataFolder } from '../recording.ts'
import type { BotFlags } from './bot.ts'

export const BROKERS = ['alpaca'] as const

export interface BrokerFlags {
  readonly broker?: (typeof BROKERS)[number]
  readonly live?: boolean
  readonly yes?: boolean
}

/** How often it is looked whether somebody wants everything stopped, ms. */
const LOOK_MS = 250

const accountsFolder = (folder: string) => join(folder, 'accounts')
/** While this file is there nothing is sent, by any account of the data folder. */
const killFile = (folder: string) => join(accountsFolder(folder), 'KILL')

/** Accounts for the bots of this process. */
export class AccountDesk {
  /** Rejects when the account stops by itself: its bots cannot go on. */
  readonly failed: Promise<never>
  readonly name: string
  readonly kind: 'paper' | 'live'
  /** The broker is on this machine: a simulation. */
  readonly isRehearsal: boolean
  readonly #account: Account
  readonly #folder: string
  readonly #clock: Clock
  #timer: Timer | undefined
  #isStarted = false

  /** @throws MISSING_KEY, BAD_KEY, BAD_OPTION, ACCOUNT_IN_USE, BAD_STATE */
  constructor(flags: BrokerFlags, config: Config, folder: string, around: Surroundings) {
    const { env } = around
    const live = flags.live ?? false
    const url = config.alpaca.broker
    const clock = systemClock()
    const api = alpacaBroker({
      ...{ key: env.APCA_API_KEY_ID ?? '', secret: env.APCA_API_SECRET_KEY ?? '', live, clock },
      ...(url !== undefined && url !== '' && { url }),
      ...{ httpGet: openHttp(config.reachedBy), openSocket: webSockets(config.reachedBy) },
    })
    this.kind = api.kind
    this.name = `${api.name}-${api.kind}`
    this.isRehearsal =
      url !== undefined && /^(127\.|localhost$|\[::1\]$)/.test(new URL(url).hostname)
    this.#folder = folder
    this.#clock = clock
    this.#account = new Account({
      api,
      folder: join(accountsFolder(folder), this.name),
      clock,
      said: say,
    })
    this.failed = this.#account
      .until(() => this.#account.phase === 'stopped')
      .then(() => {
        throw this.#account.stopped
      })
    this.failed.catch(() => {})
  }

  /** Connects; false where that was given up. @throws what no retry helps */
  async start(): Promise<boolean> {
    this.#look()
    try {
      await this.#account.start()
    } catch (error) {
      if (this.#account.phase === 'closed') return false
      throw error
    }
    const { id, currency, equity, blocked } = this.#account.state!
    say(`${this.name}: account ${id}, equity ${equity.toFixed(2)} ${currency}`)
    if (blocked !== undefined) say(`${this.name}: ${blocked}; no order will be sent`)
    const others = [...this.#account.books.heldByOthers()].filter(([, held]) => held !== 0)
    if (others.length > 0) {
      say(
        `${this.name}: not of bots: ${others.map(([symbol, held]) => `${held} ${symbol}`).join(', ')}`,
      )
    }
    this.#isStarted = true
    return true
  }

  /** Somebody wants to leave: where it is not connected yet, it will not be. */
  giveUp(): void {
    if (!this.#isStarted) this.close()
  }

  attach(bot: string, hears: (order: ToldOrder) => void): void {
    const tell = (kept: KeptOrder) => hears(toldOf(kept))
    this.#account.attach(bot, tell)
    for (const kept of this.#account.books.of(bot)) tell(kept)
  }

  take(bot: string, asked: ToAccount): void {
    if (asked.type === 'place') this.#account.place(bot, asked.order)
    else this.#account.cancel(asked.id)
  }

  close(): void {
    this.#timer?.cancel()
    this.#account.close()
  }

  #look(): void {
    const file = killFile(this.#folder)
    const { phase } = this.#account
    if (existsSync(file)) {
      if (phase !== 'killed') {
        const [why = '', flatten] = readFileSync(file, 'utf8').split('\n')
        void this.#account.kill(why.trim() || 'by hand', flatten === 'flatten')
      }
    } else if (phase === 'killed') {
      this.#account.release()
      say(`${this.name}: orders are sent again`)
    }
    this.#timer = this.#clock.setTimeout(() => this.#look(), LOOK_MS)
  }
}

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

/**
 * Asks whether orders that move money are meant. @throws BAD_OPTION where nobody can answer, or the answer is another one
 */
export async function confirmLive({ live, yes }: BrokerFlags, file: string): Promise<void> {
  if (!live || yes) return
  const hint = 'Leave --live out for the paper account, or say --yes.'
  if (!process.stdin.isTTY) {
    throw new TickwireError(
      'BAD_OPTION',
      '--live moves money, and nobody is at the terminal to say that it is meant',
      { hint },
    )
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await lines.question(
      `${file} will send orders that move money. Type LIVE to go on: `,
    )
    if (answer.trim() !== 'LIVE')
      throw new TickwireError('BAD_OPTION', 'nothing was started', { hint })
  } finally {
    lines.close()
  }
}

/** `tickwire bot kill` and `tickwire bot release`: for all accounts of the data folder, whether they run or not. */
export async function botKill(
  what: 'kill' | 'release',
  flags: BotFlags & { readonly flatten?: boolean; readonly why?: string },
  around: Surroundings,
): Promise<number> {
  const folder = dataFolder(loadConfig(around, { file: flags.config }), flags.data, around)
  const file = killFile(folder)
  if (what === 'release') {
    if (!existsSync(file)) say('nothing was stopped')
    rmSync(file, { force: true })
    say('orders may be sent again')
    return 0
  }
  mkdirSync(accountsFolder(folder), { recursive: true })
  const why = flags.why?.replace(/\s+/g, ' ') ?? 'by hand'
  writeFileSync(`${file}.new`, `${why}\n${flags.flatten ? 'flatten' : ''}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
  say(
    `no order is sent any more by accounts of ${folder}, open ones are canceled${flags.flatten ? ', what bots hold is closed' : ''}; tickwire bot release ends that`,
  )
  return 0
}
