import { TickwireError } from '../../base/errors.ts'
import { canonicalPair, canonicalSymbol } from '../../market/symbols.ts'
import type { JsonConfig } from './config.ts'

/** More than anybody asks for; a hostile peer must not fill the memory with names. */
const MOST = 100_000

/** Symbols both ways, by the rules of a configuration. */
export class JsonSymbols {
  readonly #rules: JsonConfig['symbols']
  /** Those of the map, ours to theirs. */
  readonly #theirs: ReadonlyMap<string, string>
  /** What was written, as it was and in capitals, and for which symbol: not every spelling says where a pair splits. */
  readonly #asked = new Map<string, string>()
  readonly #read = new Map<string, string | undefined>()

  /** @throws BAD_CONFIG for a key of the map that is no symbol, or stands for the same one as another */
  constructor(rules: JsonConfig['symbols']) {
    this.#rules = rules
    const theirs = new Map<string, string>()
    for (const [key, name] of Object.entries(rules.map)) {
      const ours = mapped(key)
      if (theirs.has(ours)) throw badMap(key, `stands for ${ours}, as another does`)
      const other = this.#asked.get(name)
      if (other !== undefined) throw badMap(key, `is ${name} at the venue, as ${other} is`)
      theirs.set(ours, name)
      this.#asked.set(name, ours)
    }
    for (const [ours, name] of theirs) this.#remember(name, ours)
    this.#theirs = theirs
  }

  /** The symbol a user means, who may write it as the venue does. @throws BAD_SYMBOL */
  symbol(text: string): string {
    const ours = this.canonical(text.trim()) ?? canonicalSymbol(text)
    // Two spellings of one name are one instrument, under the name that was asked for first.
    const written = this.#written(ours)
    const before = this.#asked.get(written)
    if (before !== undefined) return before
    if (this.#asked.size < MOST) this.#remember(written, ours)
    return ours
  }

  /** As the venue writes it. */
  venue(symbol: string): string {
    const written = this.#written(symbol)
    this.#remember(written, symbol)
    return written
  }

  /** Canonical; `undefined` for what cannot be a symbol. */
  canonical(text: string): string | undefined {
    const asked = this.#asked.get(text) ?? this.#asked.get(text.toUpperCase())
    if (asked !== undefined) return asked
    if (this.#read.has(text)) return this.#read.get(text)
    const symbol = this.#parse(text)
    if (this.#read.size >= MOST) this.#read.clear()
    this.#read.set(text, symbol)
    return symbol
  }

  #remember(written: string, symbol: string): void {
    this.#asked.set(written, symbol)
    const capitals = written.toUpperCase()
    if (!this.#asked.has(capitals)) this.#asked.set(capitals, symbol)
  }

  #written(symbol: string): string {
    const theirs = this.#theirs.get(symbol)
    if (theirs !== undefined) return theirs
    const { pair, suffix, case: letters } = this.#rules
    const written = symbol.split('/').join(pair) + suffix
    return letters === 'lower' ? written.toLowerCase() : written
  }

  #parse(text: string): string | undefined {
    const { suffix } = this.#rules
    const end = suffix !== '' && text.toUpperCase().endsWith(suffix.toUpperCase())
    try {
      const name = canonicalSymbol(end ? text.slice(0, -suffix.length) : text)
      return canonicalSymbol(this.#pair(name) ?? name)
    } catch {
      // Whoever asks counts the message it stood in.
      return undefined
    }
  }

  /** A name as a pair, where it is one of the venue's spelling; `undefined` where it is none. */
  #pair(name: string): string | undefined {
    const { pair } = this.#rules
    if (pair === '/' || name.includes('/')) return undefined
    if (pair !== '') {
      // With more than one there are other things in it than a pair: BTC-25MAR-60000-C.
      const [base, quote, more] = name.split(pair.toUpperCase())
      return base && quote && more === undefined ? `${base}/${quote}` : undefined
    }
    try {
      const found = canonicalPair(name)
      return found.replace('/', '') === name ? found : undefined
    } catch {
      return undefined
    }
  }
}

function mapped(key: string): string {
  try {
    return canonicalSymbol(key)
  } catch (cause) {
    throw badMap(key, 'is no symbol', cause)
  }
}

function badMap(key: string, fault: string, cause?: unknown): TickwireError {
  const message = `the configuration of the json provider: symbols.map.${key} ${fault}`
  return new TickwireError('BAD_CONFIG', message, {
    hint: 'Its keys are symbols as tickwire writes them, AAPL or BTC/USD, each with a name of its own at the venue.',
    cause,
  })
}
