// What people say of accounts on the command line: that money is meant, and that everything is to stop.
import { createInterface } from 'node:readline/promises'
import { TickwireError } from '../../base/errors.ts'
import { killAll, killedNow, releaseAll } from '../accounts.ts'
import type { BrokerName } from '../bot-schema.ts'
import { loadConfig, type Surroundings } from '../config.ts'
import { say } from '../console.ts'
import { dataFolder } from '../recording.ts'
import type { BotFlags } from './bot.ts'

export interface BrokerFlags {
  readonly broker?: BrokerName
  readonly live?: boolean
  readonly yes?: boolean
}

/**
 * Asks whether orders that move money are meant. @throws BAD_OPTION where nobody can answer, or the answer is another one
 */
export async function confirmLive(who: string, yes: boolean | undefined): Promise<void> {
  if (yes) return
  const hint = 'Leave live trading out for the paper account, or say --yes.'
  if (!process.stdin.isTTY) {
    throw new TickwireError(
      'BAD_OPTION',
      'live trading moves money, and nobody is at the terminal to say that it is meant',
      { hint },
    )
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  // Whoever leaves instead of answering has not said yes.
  const left = new Promise<string>(resolve => {
    lines.once('close', () => resolve('\n'))
  })
  try {
    const asked = lines.question(`${who} will send orders that move money. Type LIVE to go on: `)
    const answer = await Promise.race([asked, left])
    // The cursor still stands behind the question.
    if (answer === '\n') process.stderr.write(answer)
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
  if (what === 'release') {
    if (!killedNow(folder)) say('nothing was stopped')
    releaseAll(folder)
    say('orders may be sent again')
    return 0
  }
  const { why = 'by hand', flatten = false } = flags
  killAll(folder, { why, flatten })
  say(
    `no order is sent any more by accounts of ${folder}, open ones are canceled${flatten ? ', what bots hold is closed' : ''}; tickwire bot release ends that`,
  )
  return 0
}
