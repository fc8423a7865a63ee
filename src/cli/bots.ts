// The bots of the configuration, run beside the engine: each in a thread of its own, on the tape that it records.
import { asError, TickwireError } from '../base/errors.ts'
import type { AccountDesk, Accounts } from './accounts.ts'
import { type BotSettings, type BrokerName, defined } from './bot-schema.ts'
import { BotHost, secretUrl } from './commands/bot-host.ts'
import type { Config, Surroundings } from './config.ts'

/** The bots that run here. */
export interface RunningBots {
  /** For the foot of the screen: `2 bots on PAPER`; `undefined` for none. */
  readonly foot: string | undefined
  /** Ends them, their state saved, and then their accounts. */
  close(): Promise<void>
}

const LONGEST_MS = 10_000

/** Those of the configuration whose orders move money, by name. */
export const liveBots = ({ bots = [] }: Config): string[] =>
  bots.flatMap(({ live, name, file }) => (live ? (name ?? file) : []))

/**
 * Starts them, where there is a tape on disk; those with an account at a broker once that is connected. One that fails is
 * told and harms nobody else; it is not started again by itself.
 * @throws BAD_CONFIG for two of one name
 */
export function startBots(
  config: Config,
  place: { readonly folder: string; readonly tape: string } | undefined,
  around: Surroundings,
  said: (line: string) => void,
  accounts: Accounts,
): RunningBots {
  const { bots = [] } = config
  mustDiffer(bots.flatMap(({ name }) => name ?? []))
  if (bots.length > 0 && !place) said('the bots are not started: they need a tape on disk')
  const webhook = secretUrl('TICKWIRE_WEBHOOK', around.env.TICKWIRE_WEBHOOK)
  const ping = secretUrl('TICKWIRE_PING', around.env.TICKWIRE_PING)
  let isClosing = false
  const open = (bot: BotSettings, account: AccountDesk | undefined): BotHost => {
    const { file, name, symbols, params: given, cash, seed, memory } = bot
    const { fees, ...paper } = defined(bot.paper ?? {})
    const job = {
      ...{ ...place!, file, cwd: around.cwd, name, symbols, given, cash, seed },
      risk: defined(bot.risk) as object,
      paper: { ...paper, ...(fees && { fees: defined(fees) }) } as object,
      ...(account && {
        account: { name: account.name, kind: account.kind },
        isRehearsal: account.isRehearsal,
      }),
    }
    return new BotHost({ job, memory, config, webhook, ping, said, ...(account && { account }) })
  }
  const run = async (one: Entry, bot: BotSettings) => {
    try {
      const desk = bot.broker && accounts.open({ broker: bot.broker, live: bot.live })
      if (desk && (!(await desk.start()) || isClosing)) return
      one.host = open(bot, desk)
      const words = await one.host.done
      said(`${one.host.standing.name} has ended: ${words}`)
    } catch (thrown) {
      const name = one.host?.standing.name ?? bot.name ?? bot.file
      said(`${name} does not run: ${asError(thrown).message}`)
    }
  }
  const entries = (place ? bots : []).map(bot => {
    const entry: Entry = { nature: natureOf(bot) }
    entry.done = run(entry, bot)
    return entry
  })
  return {
    get foot() {
      if (entries.length === 0) return undefined
      const running = entries.filter(({ host }) => host?.standing.state === 'running')
      const rest = entries.length - running.length
      const natures = new Set(entries.map(({ nature }) => nature))
      const parts = [...natures].map(nature => {
        const count = running.filter(one => one.nature === nature).length
        return `${count} bot${count === 1 ? '' : 's'} ${nature}`
      })
      return `${parts.join(', ')}${rest > 0 ? `, ${rest} not running` : ''}`
    },
    async close() {
      isClosing = true
      accounts.giveUp()
      for (const { host } of entries) host?.stop()
      const ended = Promise.allSettled(entries.map(({ done }) => done))
      let timer: NodeJS.Timeout | undefined
      const late = new Promise(resolve => {
        timer = setTimeout(resolve, LONGEST_MS)
      })
      await Promise.race([ended, late])
      clearTimeout(timer)
      for (const { host } of entries) host?.abandon()
      accounts.close()
    },
  }
}

/** A bot of the configuration. */
interface Entry {
  /** Where its orders go, in words. */
  readonly nature: string
  /** Once it has been started. */
  host?: BotHost
  /** It has ended, or does not run. */
  done?: Promise<void>
}

function natureOf({ broker, live }: { broker?: BrokerName | undefined; live: boolean }): string {
  if (broker === undefined) return 'on PAPER'
  return live ? `LIVE at ${broker}` : `on PAPER at ${broker}`
}

function mustDiffer(names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice === undefined) return
  throw new TickwireError('BAD_CONFIG', `two bots are called ${twice}`, {
    hint: 'Give each a name of its own.',
  })
}
