import { open } from 'node:fs/promises'
import { sleep, systemClock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import { runTask } from '../asking.ts'
import { loadConfig, type Surroundings } from '../config.ts'
import { dataFolder } from '../recording.ts'
import type { BotFlags } from './bot.ts'
import { logFile } from './bot-words.ts'

export interface BotLogsFlags extends BotFlags {
  /** The last so many. */
  readonly lines: number
  readonly follow?: boolean
}

/** How often it is looked for more, ms. */
const LOOK_MS = 250
const CHUNK = 1 << 20

/** `tickwire bot logs`: what a bot did, the newest last; each row once, though a kill may have it written twice. */
export async function botLogs(
  name: string,
  flags: BotLogsFlags,
  around: Surroundings,
): Promise<number> {
  const folder = dataFolder(loadConfig(around, { file: flags.config }), flags.data, around)
  const file = logFile(folder, name)
  const clock = systemClock()
  return runTask(flags, async (run, output) => {
    const log = new LogReader(file)
    const first = await log.more()
    if (first === undefined) {
      throw new TickwireError('BAD_OPTION', `no bot called ${name} has run here`, {
        hint: '`tickwire bot list` shows those that have.',
      })
    }
    const put = (lines: readonly string[]) => output.put(lines.map(line => `${line}\n`).join(''))
    put(flags.lines === 0 ? [] : first.slice(-flags.lines))
    while (flags.follow && !run.signal.aborted) {
      await output.flush()
      await sleep(clock, LOOK_MS, run.signal).catch(() => {})
      put((await log.more()) ?? [])
    }
    await output.flush()
    return 0
  })
}

/** Reads a log that grows, and that may go aside for a new one. */
class LogReader {
  readonly #file: string
  #inode: number | undefined
  #at = 0
  #rest = ''
  /** Number of the newest row. */
  #last = 0

  constructor(file: string) {
    this.#file = file
  }

  /** Lines that are new; `undefined` where there is no log. */
  async more(): Promise<string[] | undefined> {
    const handle = await open(this.#file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (!handle) return undefined
    try {
      const { ino } = await handle.stat()
      if (ino !== this.#inode) [this.#inode, this.#at, this.#rest] = [ino, 0, '']
      const lines: string[] = []
      const bytes = Buffer.allocUnsafe(CHUNK)
      const decoder = new TextDecoder()
      for (;;) {
        const { bytesRead } = await handle.read(bytes, 0, CHUNK, this.#at)
        if (bytesRead === 0) break
        // Whole lines only: of the rest a character may be cut in two.
        const end = bytes.subarray(0, bytesRead).lastIndexOf(10) + 1
        if (end === 0 && bytesRead < CHUNK) break
        this.#at += end || bytesRead
        this.#rest += decoder.decode(bytes.subarray(0, end || bytesRead))
        lines.push(...this.#take())
      }
      return lines
    } finally {
      await handle.close()
    }
  }

  #take(): string[] {
    const lines = this.#rest.split('\n')
    this.#rest = lines.pop()!
    return lines.filter(line => {
      const [, n] = /^\{"n":(\d+),/.exec(line) ?? []
      if (n === undefined) return false
      if (Number(n) <= this.#last && line.endsWith('"again":true}')) return false
      this.#last = Number(n)
      return true
    })
  }
}
