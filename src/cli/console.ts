import { isatty } from 'node:tty'
import pino from 'pino'
import { ERRORS, TickwireError } from '../base/errors.ts'
import { type Log, silentLog } from '../base/log.ts'
import { KEY_PATTERN } from '../gateway/keys.ts'
import { ALPACA_KEY, ALPACA_SECRET, type Config, type Surroundings, VENDOR_KEYS } from './config.ts'

/** The terminal, or what stands in its place. */
export interface Screen {
  /** Standard output is a terminal. */
  readonly tty: boolean
  readonly colors: boolean
  readonly width: () => number
  readonly height: () => number
}

/** https://no-color.org: set to anything, colours are off. */
export function screenOf({ env }: Surroundings): Screen {
  const tty = isatty(1)
  return {
    tty,
    colors: tty && !env.NO_COLOR && env.TERM !== 'dumb',
    width: () => (tty && process.stdout.columns) || 80,
    height: () => (tty && process.stdout.rows) || 24,
  }
}

/** One line to standard error: everything that is not data. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** An error as a person reads it: one line, the way out under it, and the stack only with `--debug`. */
export function describeError(error: unknown, debug: boolean): string {
  const known = error instanceof TickwireError
  const message = error instanceof Error ? error.message : String(error)
  const lines = [`tickwire: ${known ? message : `unexpected: ${message}`}`]
  if (known && error.hint) lines.push(`  → ${error.hint}`)
  if (!known && !debug) lines.push('  → Run it again with --debug for the details.')
  if (debug && error instanceof Error) lines.push(error.stack ?? '')
  if (debug && error instanceof Error && error.cause) lines.push(`cause: ${String(error.cause)}`)
  return lines.join('\n')
}

export function exitCodeOf(error: unknown): number {
  return error instanceof TickwireError ? ERRORS[error.code].exit : 1
}

/** JSON lines on stderr at the level of the settings. Whatever is logged, the keys' own text never gets out. */
export function createLog(config: Config, env: Surroundings['env']): Log {
  if (config.log === 'silent') return silentLog
  const paths = ['key', 'secret', 'headers', '*.key', '*.secret', '*.headers']
  const options: pino.LoggerOptions = {
    level: config.log,
    base: { name: 'tickwire' },
    redact: { paths, censor: '[redacted]' },
    hooks: { streamWrite: redactor(SECRETS.map(name => env[name])) },
  }
  return pino(options, pino.destination({ fd: 2, sync: true }))
}

/** Variables whose text is nobody's business. */
const SECRETS = [ALPACA_KEY, ALPACA_SECRET, ...Object.values(VENDOR_KEYS).flat()]

/** Keys of a gateway are known by their looks. */
const GATEWAY_KEYS = new RegExp(KEY_PATTERN, 'g')

/** Shorter ones are no keys of any venue, and would be found in every second word. */
const SHORTEST_SECRET = 6

/**
 * Takes secrets out of a line of JSON: as they are, as they stand inside a JSON string, and inside one that holds
 * JSON itself (a frame of the venue). Those shorter than six characters are left; keys of a gateway always go.
 */
export function redactor(secrets: readonly (string | undefined)[]): (line: string) => string {
  const inString = (text: string) => JSON.stringify(text).slice(1, -1)
  const forms = secrets
    .filter(secret => secret !== undefined && secret.length >= SHORTEST_SECRET)
    .flatMap(secret => [secret!, inString(secret!), inString(inString(secret!))])
  // The longest first: a form that holds another one goes as a whole.
  const unique = [...new Set(forms)].sort((a, b) => b.length - a.length)
  return line =>
    unique
      .reduce((text, form) => text.replaceAll(form, '[redacted]'), line)
      .replaceAll(GATEWAY_KEYS, '[redacted]')
}
