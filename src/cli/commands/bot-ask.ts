// How people reach a bot that runs: a small file beside its state, which the bot takes away when it has been told.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Clock, sleep, systemClock, type Timer } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { BotCommand } from '../../bot/loop.ts'
import { loadConfig, type Surroundings } from '../config.ts'
import { say } from '../console.ts'
import { dataFolder } from '../recording.ts'
import type { BotFlags } from './bot.ts'
import { stateFile } from './bot-words.ts'

export type BotAsk = 'pause' | 'resume' | 'flatten' | 'stop'

/** What the bot is told for each. Who closes everything does not want it opened again by the next event. */
const COMMANDS = {
  pause: ['pause'],
  resume: ['resume'],
  flatten: ['pause', 'flatten'],
  stop: [],
} as const satisfies Record<BotAsk, readonly BotCommand[]>

const DONE = {
  pause: 'is paused: only exits go through',
  resume: 'goes on',
  flatten: 'cancels its orders, closes what it holds, and is paused',
  stop: 'ends; what it holds and its orders stay in its state',
} as const satisfies Record<BotAsk, string>

/** How often a bot looks, ms. */
const LOOK_MS = 250
/** A bot that runs has looked by then, ms. */
const WAIT_MS = 5_000

const askFile = (folder: string, name: string) => `${stateFile(folder, name)}.ask`

/** `tickwire bot pause`, `resume`, `flatten`. */
export async function botAsk(
  what: BotAsk,
  name: string,
  flags: BotFlags,
  around: Surroundings,
): Promise<number> {
  const folder = dataFolder(loadConfig(around, { file: flags.config }), flags.data, around)
  const file = askFile(folder, name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(`${file}.new`, what, { mode: 0o600 })
  renameSync(`${file}.new`, file)
  const clock = systemClock()
  for (const from = clock.now(); clock.now() - from < WAIT_MS; ) {
    if (!existsSync(file)) {
      say(`${name} ${DONE[what]}`)
      return 0
    }
    await sleep(clock, 50)
  }
  rmSync(file, { force: true })
  throw new TickwireError('BAD_OPTION', `no bot called ${name} is running here`, {
    hint: '`tickwire bot list` shows those that have run; `tickwire bot run FILE` starts one.',
  })
}

/** Who is told what people ask of a bot. */
export interface Asked {
  command(what: BotCommand): void
  stop(): void
  said(line: string): void
}

/** Hears what people ask of a bot, until the timer is canceled. */
export function hearAsks(folder: string, name: string, clock: Clock, asked: Asked): Timer {
  const file = askFile(folder, name)
  // Of before: nobody waits for it any more.
  rmSync(file, { force: true })
  let timer: Timer
  const look = () => {
    timer = clock.setTimeout(look, LOOK_MS)
    if (!existsSync(file)) return
    const what = readFileSync(file, 'utf8')
    rmSync(file)
    if (!Object.hasOwn(COMMANDS, what)) {
      asked.said(`${file} asks for what no bot does: ${what}`)
      return
    }
    for (const command of COMMANDS[what as BotAsk]) asked.command(command)
    if (what === 'stop') asked.stop()
  }
  timer = clock.setTimeout(look, LOOK_MS)
  return { cancel: () => timer.cancel() }
}
