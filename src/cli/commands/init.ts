import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { isatty } from 'node:tty'
import { fileURLToPath } from 'node:url'
import { isCancel, password } from '@clack/prompts'
import { TickwireError } from '../../base/errors.ts'
import { KEYS_PAGE } from '../../providers/alpaca/verdict.ts'
import { ALPACA_KEY, ALPACA_SECRET, readDotEnv, type Surroundings } from '../config.ts'
import { say } from '../console.ts'

/** The examples stand at the root of the package, two rooms above this file in `src/` and `dist/` alike. */
const EXAMPLES = fileURLToPath(new URL('../../../', import.meta.url))

export interface InitFlags {
  readonly force?: boolean
}

/** Asks for one secret without showing it; `undefined` when the person backs out. */
export type AskSecret = (question: string) => Promise<string | undefined>

/**
 * `tickwire init`: `.env` and `tickwire.config.yaml` from their examples, with the keys asked for where somebody
 * can answer. With `force` an `.env` that is there keeps every line but those of the keys given, and the
 * configuration file is replaced. Resolves with the exit code.
 * @throws FILE_EXISTS before anything is written
 */
export async function init(
  flags: InitFlags,
  { cwd }: Surroundings,
  ask: AskSecret | undefined = isatty(0) && isatty(1) ? askHidden : undefined,
): Promise<number> {
  const envFile = join(cwd, '.env')
  const configFile = join(cwd, 'tickwire.config.yaml')
  const there = [envFile, configFile].filter(existsSync).map(file => file.slice(cwd.length + 1))
  if (there.length > 0 && !flags.force) {
    const verb = there.length === 1 ? 'is' : 'are'
    throw new TickwireError('FILE_EXISTS', `${there.join(' and ')} ${verb} already there`, {
      hint:
        'Nothing was changed. `tickwire init --force` sets the keys in .env and keeps its other lines, and ' +
        'writes tickwire.config.yaml anew.',
    })
  }

  let key = ''
  let secret = ''
  if (ask) {
    say(`Alpaca's keys are free and made at ${KEYS_PAGE}`)
    say('Leave them empty to go on without: the simulated market needs none.')
    const first = await ask('Key id')
    if (first === undefined) return cancelled()
    key = first
    if (key !== '') {
      const second = await ask('Secret')
      if (second === undefined) return cancelled()
      secret = second
    }
  }

  // Before the keys are written: there is no moment in which git could take them along.
  const ignored = ignoreEnvFile(cwd)
  const text = withKeys(envText(envFile), key, secret)
  // The mode counts only for a new file; an old one is closed before it gets its content.
  if (existsSync(envFile)) chmodSync(envFile, 0o600)
  writeFileSync(envFile, text, { mode: 0o600 })
  copyFileSync(join(EXAMPLES, 'tickwire.config.example.yaml'), configFile)

  say('wrote .env (readable by you alone) and tickwire.config.yaml')
  if (ignored) say('added .env to .gitignore')
  const set = readDotEnv(cwd)
  if (!set[ALPACA_KEY] || !set[ALPACA_SECRET]) {
    say(`no key set: put it into .env as ${ALPACA_KEY} and ${ALPACA_SECRET} (${KEYS_PAGE})`)
    say('next, without a key: tickwire stream SPY TSLA --provider simulated')
  } else say('next: tickwire stream SPY TSLA')
  return 0
}

function cancelled(): number {
  say('nothing was changed')
  return 130
}

async function askHidden(question: string): Promise<string | undefined> {
  const answer = await password({ message: question, validate: problemWith })
  return isCancel(answer) ? undefined : (answer ?? '').trim()
}

/** What is wrong with a key as typed, or nothing. Keys never hold white space; a pasted line end is forgiven. */
export function problemWith(value: string | undefined): string | undefined {
  const text = value?.trim() ?? ''
  return /^[!-~]*$/.test(text) ? undefined : 'A key is one word of letters and digits.'
}

/** What the new file starts from: the one that is there, with a place for each key, or else the example. */
function envText(envFile: string): string {
  const example = readFileSync(join(EXAMPLES, '.env.example'), 'utf8')
  if (!existsSync(envFile)) return example
  const text = readFileSync(envFile, 'utf8')
  const missing = [ALPACA_KEY, ALPACA_SECRET].filter(name => !lineOf(name).test(text))
  return missing.reduce((before, name) => `${ended(before)}${name}=\n`, text)
}

/** A key that was not given stays as it is. */
function withKeys(text: string, key: string, secret: string): string {
  const given = [
    [ALPACA_KEY, key],
    [ALPACA_SECRET, secret],
  ] as const
  return given
    .filter(([, value]) => value !== '')
    .reduce(
      (before, [name, value]) => before.replace(lineOf(name), () => `${name}=${quoted(value)}`),
      text,
    )
}

const lineOf = (name: string) => new RegExp(`^[ \\t]*(?:export[ \\t]+)?${name}[ \\t]*[=:].*$`, 'gm')
const ended = (text: string) => (text === '' || text.endsWith('\n') ? text : `${text}\n`)

/** In .env a `#` starts a comment, unless quoted; inside the quotes a value has no such mark itself. */
function quoted(value: string): string {
  if (/^[A-Za-z0-9_/+=.-]*$/.test(value)) return value
  const mark = ["'", '`', '"'].find(quote => !value.includes(quote)) ?? "'"
  return `${mark}${value}${mark}`
}

/**
 * Makes sure that git ignores `.env`, also where there is no repository yet: a later `git init && git add .` must
 * not take the keys along. True when something had to be added.
 */
function ignoreEnvFile(cwd: string): boolean {
  const root = repositoryOf(cwd) ?? cwd
  for (let directory = cwd; ; directory = dirname(directory)) {
    const file = join(directory, '.gitignore')
    if (existsSync(file) && ignoresEnv(readFileSync(file, 'utf8'))) return false
    if (directory === root) break
  }
  const file = join(cwd, '.gitignore')
  const before = existsSync(file) ? readFileSync(file, 'utf8') : ''
  appendFileSync(file, `${ended(before).slice(before.length)}.env\n`)
  return true
}

function repositoryOf(directory: string): string | undefined {
  if (existsSync(join(directory, '.git'))) return directory
  const parent = dirname(directory)
  return parent === directory ? undefined : repositoryOf(parent)
}

/** A plain line that covers `.env`; where patterns are cleverer than this, one more line does no harm. */
function ignoresEnv(text: string): boolean {
  const lines = text.split(/\r?\n/).map(line => line.trim())
  const covers = ['.env', '/.env', '.env*', '**/.env', '*.env'].some(line => lines.includes(line))
  return covers && !lines.includes('!.env')
}
