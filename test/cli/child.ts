import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * What Node is given to run the command line: the build that `npm test` has just made, which is what is published
 * and starts three times as fast; the sources where only some suites are run.
 */
export const TICKWIRE: readonly string[] = process.env.TEST_TICKWIRE
  ? [process.env.TEST_TICKWIRE]
  : [
      ...['--import', import.meta.resolve('tsx')],
      fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)),
    ]

/** No run of a test takes this long; one that hangs fails by its exit code, ms. */
const LONGEST_MS = 240_000

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** The lines of standard error, without empty ones. */
  readonly said: string[]
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>
  /** @default an empty directory made for this run */
  readonly cwd?: string
  /** A file to write standard output to. @default a pipe */
  readonly stdout?: number
  /** Called with each piece of standard output. */
  readonly onOutput?: (child: ChildProcess, stdout: string) => void
  /** Called with each piece of standard error. */
  readonly onSaid?: (child: ChildProcess, stderr: string) => void
  /** It is killed (SIGKILL) as soon as this is true; looked at every 2 ms. */
  readonly killWhen?: () => boolean
  /** No file may grow beyond this many bytes: a multiple of 512. Needs a POSIX shell. */
  readonly fileBytes?: number
}

/** Runs the command line as a process of its own, away from any `.env` and key of this machine. */
export async function cli(args: readonly string[], options: CliOptions = {}): Promise<Result> {
  const cwd = options.cwd ?? emptyDirectory()
  const { PATH = '', SystemRoot = '' } = process.env
  const command = [process.execPath, ...TICKWIRE, ...args]
  const limit = `ulimit -f ${(options.fileBytes ?? 0) / 512} && exec "$@"`
  const limited = options.fileBytes ? ['sh', '-c', limit, 'sh', ...command] : command
  const child = spawn(limited[0]!, limited.slice(1), {
    cwd,
    env: { PATH, SystemRoot, ...options.env },
    stdio: ['ignore', options.stdout ?? 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', data => {
    stdout += data
    options.onOutput?.(child, stdout)
  })
  child.stderr!.on('data', data => {
    stderr += data
    options.onSaid?.(child, stderr)
  })
  const watchdog = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS)
  const { killWhen } = options
  const looking = killWhen && setInterval(() => killWhen() && child.kill('SIGKILL'), 2)
  const code = await new Promise<number | null>(resolve => child.on('close', resolve))
  clearTimeout(watchdog)
  clearInterval(looking)
  if (!options.cwd) rmSync(cwd, { recursive: true })
  return { code, stdout, stderr, said: stderr.split('\n').filter(line => line !== '') }
}

export const emptyDirectory = () => mkdtempSync(join(tmpdir(), 'tickwire-test-'))

export const lines = (text: string) => text.split('\n').filter(line => line !== '')
