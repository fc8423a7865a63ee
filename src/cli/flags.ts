import { TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import { KINDS, type Kind } from './schema.ts'

/** The longest a timer of Node can wait, ms. */
const LONGEST_MS = 2 ** 31 - 1

/** A longer life is as good as none. */
const LONGEST_LIFE_MS = 3_653 * 86_400_000

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const

/** A rate as all flags take it: decimal, with a fraction or as `1e6`; no sign, no hex, nothing else JavaScript has. */
export function parseDecimal(text: string): number | undefined {
  const number = Number(text)
  return /^\d+(\.\d+)?(e\d+)?$/i.test(text) && Number.isFinite(number) ? number : undefined
}

/** A whole number as all flags take it: digits only, and as many as are exact. */
export function parseWhole(text: string): number | undefined {
  const number = Number(text)
  return /^\d+$/.test(text) && Number.isSafeInteger(number) ? number : undefined
}

/** Reads `10s`, `500ms`, `5m`, `1.5h` as ms, for the flag of this name. @throws BAD_OPTION */
export function durationOf(flag: string): (text: string) => number {
  return text => {
    const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
    const ms = Number(number) * UNIT_MS[unit as keyof typeof UNIT_MS]
    if (ms > 0 && ms <= LONGEST_MS) return ms
    if (ms > LONGEST_MS) throw bad(flag, text, 'Give at most 596h, or leave it out.')
    throw bad(flag, text, 'Give a number and a unit, as in 500ms, 10s, 5m or 1h.')
  }
}

/** Reads `12h` or `30d` as ms, for the flag of this name: no timer waits for it. @throws BAD_OPTION */
export function lifeOf(flag: string): (text: string) => number {
  return text => {
    const [, number, unit] = /^(\d+(?:\.\d+)?)(m|h|d)$/.exec(text) ?? []
    const ms = Number(number) * (unit === 'd' ? 86_400_000 : UNIT_MS[unit as 'm' | 'h'])
    if (ms > 0 && ms <= LONGEST_LIFE_MS) return ms
    throw bad(flag, text, 'Give a number and a unit, as in 30m, 12h or 30d, at most ten years.')
  }
}

/** Venues count questions. */
const LEAST_POLL_MS = 1_000

/** Time between two questions, as `60s`. @throws BAD_OPTION */
export function parsePoll(text: string): number {
  const ms = durationOf('--poll')(text)
  if (ms >= LEAST_POLL_MS) return ms
  throw bad('--poll', text, 'Give a second or more, as in 60s: venues count questions.')
}

/** Reads a whole number from 1, for the flag of this name. @throws BAD_OPTION */
export function countOf(flag: string): (text: string) => number {
  return text => {
    const count = parseWhole(text)
    if (count) return count
    throw bad(flag, text, 'Give a whole number from 1.')
  }
}

/** Reads a path, for the flag of this name: an empty one would be the working directory. @throws BAD_OPTION */
export function pathOf(flag: string): (text: string) => string {
  return text => {
    if (text.trim() !== '') return text
    throw bad(flag, text, 'Name it, or leave it out.')
  }
}

/** Events a second. @throws BAD_OPTION */
export function parseRate(text: string): number | 'max' {
  if (/^(max|inf(inity)?)$/i.test(text)) return 'max'
  const rate = parseDecimal(text)
  if (rate) return rate
  throw bad('--rate', text, 'Give events per second above 0, or max for as many as possible.')
}

/** @throws BAD_OPTION */
export function parseSeed(text: string): number {
  const seed = parseWhole(text.replace(/^-/, ''))
  if (seed !== undefined) return text.startsWith('-') ? 0 - seed : seed
  throw bad('--seed', text, 'Give a whole number.')
}

/** @throws BAD_OPTION */
export function parseKinds(text: string): Kind[] {
  const kinds = text.split(/[\s,]+/).filter(part => part !== '')
  if (kinds.length === 0) throw bad('--kinds', text, `Name some of: ${KINDS.join(', ')}.`)
  return kinds.map(kind => {
    const known = KINDS.find(name => name === kind.toLowerCase())
    if (known) return known
    throw new TickwireError('BAD_OPTION', `unknown kind ${JSON.stringify(kind)}`, {
      hint: didYouMean(kind, KINDS),
    })
  })
}

/** A future as people write it, `"ES 202612 CME"`: one symbol, though there are blanks in it. */
const FUTURE = /^\s*\S+\s+20\d{4}(\d\d)?\s+[^\s\d]\S*\s*$/

/**
 * Symbols as written on the command line, separated by spaces or commas.
 * @throws NO_SYMBOLS when something was written and no symbol is in it
 */
export function parseSymbols(words: readonly string[]): string[] | undefined {
  if (words.length === 0) return undefined
  const symbols = words
    .flatMap(word => word.split(','))
    .flatMap(word => (FUTURE.test(word) ? [word.trim()] : word.split(/\s+/)))
    .filter(part => part !== '')
  if (symbols.length > 0) return [...new Set(symbols)]
  throw new TickwireError('NO_SYMBOLS', 'the list of symbols is empty', {
    hint: 'Name at least one, as in `tickwire stream SPY TSLA`.',
  })
}

function bad(flag: string, text: string, hint: string): TickwireError {
  return new TickwireError('BAD_OPTION', `${flag} cannot be ${JSON.stringify(text)}`, { hint })
}
