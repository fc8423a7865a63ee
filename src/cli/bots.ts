// The bots of the configuration, run beside the engine: each in a thread of its own, on the tape that it records.
import { asError, TickwireError } from '../base/errors.ts'
import { defined } from './bot-schema.ts'
import { BotHost, secretUrl } from './commands/bot-host.ts'
import type { Config, Surroundings } from './config.ts'

/** The bots that run here. */
export interface RunningBots {
  /** How each stands, in the order of the configuration. */
  readonly hosts: readonly BotHost[]
  /** For the foot of the screen: `2 bots on PAPER`; `undefined` for none. */
  readonly foot: string | undefined
  /** Ends them, their state saved. */
  close(): Promise<void>
}

const LONGEST_MS = 10_000

/**
 * Starts them, where there is a tape on disk. One that fails is told and harms nobody else; it is not started again by itself.
 * @throws BAD_CONFIG for two of one name
 */
export function startBots(
  config: Config,
  place: { readonly folder: string; readonly tape: string } | undefined,
  around: Surroundings,
  said: (line: string) => void,
): RunningBots {
  const { bots = [] } = config
  mustDiffer(bots.flatMap(({ name }) => name ?? []))
  if (bots.length > 0 && !place) said('the bots are not started: they need a tape on disk')
  const webhook = secretUrl('TICKWIRE_WEBHOOK', around.env.TICKWIRE_WEBHOOK)
  const ping = secretUrl('TICKWIRE_PING', around.env.TICKWIRE_PING)
  const hosts = (place ? bots : []).map(bot => {
    const { file, name, symbols, params: given, cash, seed, memory } = bot
    const { fees, ...paper } = defined(bot.paper)
    const job = {
      ...{ ...place!, file, cwd: around.cwd, name, symbols, given, cash, seed },
      risk: defined(bot.risk) as object,
      paper: { ...paper, ...(fees && { fees: defined(fees) }) } as object,
    }
    const host = new BotHost({ job, memory, config, webhook, ping, said })
    host.done.then(
      words => said(`${host.standing.name} has ended: ${words}`),
      thrown => said(`${host.standing.name} does not run: ${asError(thrown).message}`),
    )
    return host
  })
  return {
    hosts,
    get foot() {
      const running = hosts.filter(({ standing }) => standing.state === 'running').length
      if (hosts.length === 0) return undefined
      const rest = hosts.length - running
      return `${running} bot${running === 1 ? '' : 's'} on PAPER${rest > 0 ? `, ${rest} not running` : ''}`
    },
    async close() {
      for (const host of hosts) host.stop()
      const ended = Promise.allSettled(hosts.map(({ done }) => done))
      let timer: NodeJS.Timeout | undefined
      const late = new Promise(resolve => {
        timer = setTimeout(resolve, LONGEST_MS)
      })
      await Promise.race([ended, late])
      clearTimeout(timer)
      for (const host of hosts) host.abandon()
    },
  }
}

function mustDiffer(names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice === undefined) return
  throw new TickwireError('BAD_CONFIG', `two bots are called ${twice}`, {
    hint: 'Give each a name of its own.',
  })
}
