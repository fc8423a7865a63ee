import type { KindTable } from './columns.ts'

/** A new entry, to be written with the rows that need it. */
export interface HeadEntry {
  readonly id: number
  readonly symbol: string | undefined
  readonly source: string
  readonly flags: number
}

/** Symbol, source and flags of rows, by number: as texts in each row they would take twice the time. */
export class Heads {
  readonly #sources = new Map<string, Map<string | undefined, Flagged>>()
  readonly #fresh: HeadEntry[] = []
  #next = 1
  #source: string | undefined
  #symbols = new Map<string | undefined, Flagged>()

  constructor(known: readonly HeadEntry[] = []) {
    for (const { id, symbol, source, flags } of known) {
      this.#of(source, symbol).ids.set(flags, id)
      this.#next = Math.max(this.#next, id + 1)
    }
  }

  find(symbol: string | undefined, source: string, flags: number): number {
    if (source !== this.#source) {
      this.#source = source
      let symbols = this.#sources.get(source)
      if (!symbols) this.#sources.set(source, (symbols = new Map()))
      this.#symbols = symbols
    }
    const known = this.#symbols.get(symbol)
    if (known !== undefined && known.flags === flags) return known.id
    const of = known ?? this.#of(source, symbol)
    let id = of.ids.get(flags)
    if (id === undefined) {
      id = this.#next++
      of.ids.set(flags, id)
      this.#fresh.push({ id, symbol, source, flags })
    }
    of.flags = flags
    of.id = id
    return id
  }

  /** Entries nobody has written yet. */
  takeFresh(): HeadEntry[] {
    return this.#fresh.splice(0)
  }

  #of(source: string, symbol: string | undefined): Flagged {
    let symbols = this.#sources.get(source)
    if (!symbols) this.#sources.set(source, (symbols = new Map()))
    let of = symbols.get(symbol)
    if (!of) symbols.set(symbol, (of = new Flagged()))
    return of
  }
}

/** What is known of a symbol of a source: by flags, and those asked for last, which hardly ever change. */
class Flagged {
  readonly ids = new Map<number, number>()
  flags = Number.NaN
  id = 0
}

type Detail = string | readonly string[] | undefined

export interface DetailEntry {
  readonly id: number
  readonly values: readonly Detail[]
}

/** As many details have the kinds that have any. */
const DETAILS = 4
/** Where those met lately are looked for first; a power of two. */
const RECENT = 1_024
/** Lists looked at by what they are; a power of two. */
const RECENT_LISTS = 8
const ASCII = 128

/** The words of rows of a kind (exchange, conditions, tape, side), by number for all of them. */
export class Details {
  readonly #fresh: DetailEntry[] = []
  /** All there are, by the numbers of their values. */
  readonly #ids = new Map<string, number>()
  /** Met lately: the numbers of their values, and their own. */
  readonly #recent = new Int32Array(RECENT * DETAILS)
  readonly #recentIds = new Uint32Array(RECENT)
  readonly #words = new Map<string, number>()
  /** Numbers of words of one letter. */
  readonly #letters = new Int32Array(ASCII)
  /** Lists by what is in them; those met lately, also by what they are. */
  readonly #lists = new Map<string, number>()
  readonly #met = new WeakMap<object, number>()
  readonly #last = Array<object | undefined>(RECENT_LISTS).fill(undefined)
  readonly #lastNumbers = new Int32Array(RECENT_LISTS)
  #lastAt = 0
  /** 0 is what is absent. */
  #values = 1
  #next = 1

  constructor({ kind, details }: KindTable, known: readonly DetailEntry[] = []) {
    if (details.length !== DETAILS) throw new Error(`a ${kind} has not ${DETAILS} details`)
    for (const { id, values } of known) {
      const [a, b, c, d] = values
      this.#ids.set(this.#keyOf(a, b, c, d), id)
      this.#next = Math.max(this.#next, id + 1)
    }
  }

  /** The number of these values, in the order of the table's details. */
  find(a: Detail, b: Detail, c: Detail, d: Detail): number {
    const one = this.#of(a)
    const two = this.#of(b)
    const three = this.#of(c)
    const four = this.#of(d)
    const mixed = Math.imul(Math.imul(Math.imul(one, 31) + two, 31) + three, 31) + four
    const slot = (mixed ^ (mixed >>> 10)) & (RECENT - 1)
    const at = slot * DETAILS
    const recent = this.#recent
    const met = this.#recentIds[slot]!
    if (
      met !== 0 &&
      recent[at] === one &&
      recent[at + 1] === two &&
      recent[at + 2] === three &&
      recent[at + 3] === four
    ) {
      return met
    }
    const key = `${one} ${two} ${three} ${four}`
    let id = this.#ids.get(key)
    if (id === undefined) {
      id = this.#next++
      this.#ids.set(key, id)
      this.#fresh.push({ id, values: [a, b, c, d] })
    }
    recent[at] = one
    recent[at + 1] = two
    recent[at + 2] = three
    recent[at + 3] = four
    this.#recentIds[slot] = id
    return id
  }

  takeFresh(): DetailEntry[] {
    return this.#fresh.splice(0)
  }

  #keyOf(a: Detail, b: Detail, c: Detail, d: Detail): string {
    return `${this.#of(a)} ${this.#of(b)} ${this.#of(c)} ${this.#of(d)}`
  }

  /** The number of a value. */
  #of(value: Detail): number {
    if (value === undefined) return 0
    if (typeof value === 'string') {
      const letter = value.length === 1 ? value.charCodeAt(0) : ASCII
      if (letter < ASCII && this.#letters[letter] !== 0) return this.#letters[letter]!
      let number = this.#words.get(value)
      if (number === undefined) this.#words.set(value, (number = this.#values++))
      if (letter < ASCII) this.#letters[letter] = number
      return number
    }
    const last = this.#last
    for (let i = 0; i < RECENT_LISTS; i++) {
      if (last[i] === value) return this.#lastNumbers[i]!
    }
    return this.#ofList(value)
  }

  #ofList(value: readonly string[]): number {
    let number = this.#met.get(value)
    if (number === undefined) {
      const key = JSON.stringify(value)
      number = this.#lists.get(key)
      if (number === undefined) this.#lists.set(key, (number = this.#values++))
      this.#met.set(value, number)
    }
    const at = (this.#lastAt = (this.#lastAt + 1) & (RECENT_LISTS - 1))
    this.#last[at] = value
    this.#lastNumbers[at] = number
    return number
  }
}
