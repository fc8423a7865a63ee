import { TickwireError } from '../../base/errors.ts'
import { Accounts } from '../accounts.ts'
import { runTask } from '../asking.ts'
import { parseRisk } from '../bot-schema.ts'
import { type Config, loadConfig, type Surroundings } from '../config.ts'
import { say } from '../console.ts'
import { parseSymbols } from '../flags.ts'
import { dataFolder, tapeFolder } from '../recording.ts'
import type { BotFlags } from './bot.ts'
import { type BrokerFlags, confirmLive } from './bot-account.ts'
import { BotHost, secretUrl } from './bot-host.ts'
import type { BotJob } from './bot-words.ts'
import { parameterSets } from './parameters.ts'

export interface BotRunFlags extends BotFlags, BrokerFlags {
  readonly name?: string
  readonly symbols?: string
  readonly param: readonly string[]
  readonly cash: number
  readonly seed: number
  readonly webhook?: string
  readonly ping?: string
  readonly allowShort?: boolean
  readonly risk: readonly string[]
  /** Megabytes the strategy may take. */
  readonly memory: number
}

/** `tickwire bot run`: a strategy on paper, on the tape that `tickwire up` writes. Resolves with the exit code. */
export async function botRun(
  file: string,
  flags: BotRunFlags,
  around: Surroundings,
): Promise<number> {
  const [given, more] = parameterSets(flags.param)
  if (more) {
    throw new TickwireError('BAD_OPTION', 'a bot runs with one value for each parameter', {
      hint: '`tickwire backtest` tries several.',
    })
  }
  if (flags.live && flags.broker === undefined) {
    throw new TickwireError(
      'BAD_OPTION',
      '--live needs --broker: what is on paper here moves no money',
      {
        hint: 'As in --broker alpaca --live.',
      },
    )
  }
  const config = loadConfig(around, { file: flags.config })
  const { allowShort } = flags
  const job: Omit<BotJob, 'beat'> = {
    ...{ file, cwd: around.cwd, name: flags.name, given: given! },
    ...placeOf(config, flags.data, around),
    symbols: parseSymbols(flags.symbols === undefined ? [] : [flags.symbols]),
    ...{ cash: flags.cash, seed: flags.seed, paper: {} },
    risk: { ...(allowShort && { allowShort }), ...parseRisk(flags.risk) },
  }
  const webhook = secretUrl('--webhook', flags.webhook ?? around.env.TICKWIRE_WEBHOOK)
  const ping = secretUrl('--ping', flags.ping ?? around.env.TICKWIRE_PING)
  return runTask(flags, async (run, output) => {
    const { memory } = flags
    const given = { memory, config, webhook, ping, output, said: say }
    if (flags.broker === undefined) {
      const bot = new BotHost({ job, ...given })
      run.signal.addEventListener('abort', () => bot.stop())
      say(await bot.done)
      return 0
    }
    const { broker, live, yes } = flags
    if (live) await confirmLive(file, yes)
    const accounts = new Accounts(config, job.folder, around, say)
    const account = accounts.open({ broker, live })
    // Whoever has waited long enough for the broker may leave.
    run.signal.addEventListener('abort', () => accounts.giveUp())
    try {
      if (!(await account.start())) return 0
      const { name, kind, isRehearsal } = account
      const bot = new BotHost({
        job: { ...job, account: { name, kind }, isRehearsal },
        account,
        ...given,
      })
      run.signal.addEventListener('abort', () => bot.stop())
      say(await bot.done)
      return 0
    } finally {
      accounts.close()
    }
  })
}

/** Where its data is, and the tape in it. */
function placeOf(
  config: Config,
  data: string | undefined,
  around: Surroundings,
): Pick<BotJob, 'folder' | 'tape'> {
  const folder = dataFolder(config, data, around)
  const own = data === undefined ? config : { ...config, data: folder, tape: {} as never }
  return { folder, tape: tapeFolder(own, undefined, around) }
}
