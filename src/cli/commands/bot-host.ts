// One bot with all that is around it: its thread, its lock, its log, the people who are told and who ask.
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Clock, systemClock, type Timer } from '../../base/clock.ts'
import { asError, TickwireError } from '../../base/errors.ts'
import { openHttp } from '../../base/http-network.ts'
import { type Lease, takeLease } from '../../base/lease.ts'
import { type Notification, Notifier } from '../../bot/notify.ts'
import { DeadMan } from '../../bot/ping.ts'
import type { AccountDesk } from '../accounts.ts'
import type { Config } from '../config.ts'
import { hearAsks } from './bot-ask.ts'
import { BotThread } from './bot-thread.ts'
import { type Lines, LogFile, Told } from './bot-told.ts'
import { type BotJob, logFile, stateFile } from './bot-words.ts'

export interface HostOptions {
  readonly job: Omit<BotJob, 'beat'>
  /** Megabytes the strategy may take. */
  readonly memory: number
  readonly config: Config
  /** Sends its orders. @default on paper */
  readonly account?: AccountDesk
  readonly webhook: string | undefined
  readonly ping: string | undefined
  /** Where its rows go besides its log. */
  readonly output?: Lines
  readonly said: (line: string) => void
}

/** How a bot stands, for whoever shows it. */
export interface BotStanding {
  readonly name: string
  readonly state: 'starting' | 'running' | 'stopped' | 'failed'
  /** Why it failed. */
  readonly error?: string
}

/** A secret address, of the command line or the environment. @throws BAD_OPTION without repeating it */
export function secretUrl(what: string, text: string | undefined): string | undefined {
  if (!text) return undefined
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text
  throw new TickwireError('BAD_OPTION', `${what} is no http or https address`, {
    hint: 'Give it whole, as https://….',
  })
}

/** Runs one bot in a thread of its own until it is stopped or fails. */
export class BotHost {
  /** Resolves when it was stopped, with its last words; rejects when it failed. */
  readonly done: Promise<string>
  readonly #options: HostOptions
  readonly #clock: Clock = systemClock()
  readonly #thread: BotThread
  readonly #notifier: Notifier | undefined
  readonly #told: Told
  #ping: DeadMan | undefined
  #asks: Timer | undefined
  #lease: Lease | undefined
  #nature = 'PAPER'
  #standing: BotStanding

  constructor(options: HostOptions) {
    this.#options = options
    const { job, memory, config, webhook, said } = options
    const clock = this.#clock
    const http = openHttp(config.reachedBy)
    const nature = () => this.#nature
    if (webhook) this.#notifier = new Notifier({ url: webhook, nature, http, clock, said })
    const thread = new BotThread(job, memory, clock, said)
    this.#thread = thread
    this.#standing = { name: thread.name, state: 'starting' }
    const settle = (n: number) => thread.tell({ type: 'settled', n })
    thread.onLoaded = name => this.#lock(name)
    const sinks: Lines[] = options.output ? [options.output] : []
    this.#told = new Told(sinks, this.#notifier, settle, clock)
    thread.onRows = (rows, now) => {
      this.#nature = now
      this.#told.take(rows)
    }
    const { account } = options
    if (account) {
      thread.onAsked = asked => account.take(thread.name, asked)
      account.failed.catch(error => thread.give(error))
    }
    thread.onStarted = () => {
      account?.attach(thread.name, order => thread.tell({ type: 'told', order }))
      this.#standing = { name: thread.name, state: 'running' }
      this.#asks = hearAsks(job.folder, thread.name, clock, {
        command: what => thread.tell({ type: 'command', what }),
        stop: () => this.stop(),
        said,
      })
      const { ping } = options
      const isAlive = () => thread.isAlive
      if (ping) this.#ping = new DeadMan({ url: ping, isAlive, http, clock, said })
    }
    // Its log has its name, which is known when it is loaded.
    thread.onNamed = name => sinks.push(new LogFile(logFile(job.folder, name), said))
    this.done = this.#run()
    this.done.catch(() => {})
  }

  get standing(): BotStanding {
    return this.#standing
  }

  stop(): void {
    this.#thread.tell({ type: 'stop' })
  }

  /** Ends its thread, whatever it does; nothing for one that has ended. */
  abandon(): void {
    this.#thread.abandon()
  }

  async #run(): Promise<string> {
    const thread = this.#thread
    try {
      const end = await thread.stopped
      this.#nature = end.nature
      const words = `${end.nature}: equity ${end.equity.toFixed(2)}, cash ${end.cash.toFixed(2)}`
      this.#notify('summary', words)
      await this.#told.close()
      await thread.end()
      this.#standing = { name: thread.name, state: 'stopped' }
      return words
    } catch (thrown) {
      const { message } = asError(thrown)
      this.#standing = { name: thread.name, state: 'failed', error: message }
      this.#notify('error', `${thread.name} was stopped: ${message}`)
      await this.#told.close()
      throw thrown
    } finally {
      this.#ping?.close()
      this.#asks?.cancel()
      this.#lease?.release()
    }
  }

  #notify(kind: Notification['kind'], message: string): void {
    this.#notifier?.notify({ kind, bot: this.#thread.name, message, at: this.#clock.now() })
  }

  /** Two of one name would write over each other's state. @throws BAD_OPTION */
  #lock(name: string): void {
    const file = `${stateFile(this.#options.job.folder, name)}.lock`
    mkdirSync(dirname(file), { recursive: true })
    const taken = takeLease([file], this.#clock, undefined, () => {
      this.#options.said(`${name} was taken over by another process, and ends here`)
      this.stop()
    })
    if ('release' in taken) {
      this.#lease = taken
      return
    }
    const by = taken.heldBy > 0 ? `, in process ${taken.heldBy}` : ''
    throw new TickwireError('BAD_OPTION', `a bot called ${name} is already running${by}`, {
      hint: `Give this one another --name, or stop the other: tickwire bot stop ${name}.`,
    })
  }
}
