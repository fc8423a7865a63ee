import type { MarketEvent } from '../market/events.ts'
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
  readonly #sources = new Map<string, Map<string | undefined, Map<number, number>>>()
  readonly #fresh: HeadEntry[] = []
  #next = 1
  #source: string | undefined
  #symbols = new Map<string | undefined, Map<number, number>>()

  constructor(known: readonly HeadEntry[] = []) {
    for (const { id, symbol, source, flags } of known) {
      this.#of(source, symbol).set(flags, id)
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
    const known = this.#symbols.get(symbol)?.get(flags)
    if (known !== undefined) return known
    const id = this.#next++
    this.#of(source, symbol).set(flags, id)
    this.#fresh.push({ id, symbol, source, flags })
    return id
  }

  /** Entries nobody has written yet. */
  takeFresh(): HeadEntry[] {
    return this.#fresh.splice(0)
  }

  #of(source: string, symbol: string | undefined): Map<number, number> {
    let symbols = this.#sources.get(source)
    if (!symbols) this.#sources.set(source, (symbols = new Map()))
    let flags = symbols.get(symbol)
    if (!flags) symbols.set(symbol, (flags = new Map()))
    return flags
  }
}

type Detail = string | readonly string[] | undefined

export interface DetailEntry {
  readonly id: number
  readonly values: readonly Detail[]
}

/** The words of rows of a kind (exchange, conditions, tape, side), by number for all of them. */
export class Details {
  readonly #fields: readonly string[]
  readonly #fresh: DetailEntry[] = []
  /** A step for each field, by the number of its value. */
  readonly #root: Map<number, unknown> = new Map()
  readonly #words = new Map<Detail, number>()
  /** Lists by what is in them; those met lately, also by what they are. */
  readonly #lists = new Map<string, number>()
  #met = new WeakMap<object, number>()
  #values = 1
  #next = 1

  constructor({ details }: KindTable, known: readonly DetailEntry[] = []) {
    this.#fields = details.map(({ field }) => field)
    for (const { id, values } of known) {
      this.#place(values, id)
      this.#next = Math.max(this.#next, id + 1)
    }
  }

  find(event: MarketEvent): number {
    const from = event as unknown as Readonly<Record<string, Detail>>
    const fields = this.#fields
    let step: Map<number, unknown> = this.#root
    const last = fields.length - 1
    for (let i = 0; i < last; i++) {
      const next = step.get(this.#numberOf(from[fields[i]!]))
      if (next === undefined) return this.#add(fields.map(field => from[field]))
      step = next as Map<number, unknown>
    }
    const id = step.get(this.#numberOf(from[fields[last]!]))
    return id === undefined ? this.#add(fields.map(field => from[field])) : (id as number)
  }

  takeFresh(): DetailEntry[] {
    return this.#fresh.splice(0)
  }

  #add(values: readonly Detail[]): number {
    const id = this.#next++
    this.#place(values, id)
    this.#fresh.push({ id, values })
    return id
  }

  #place(values: readonly Detail[], id: number): void {
    let step: Map<number, unknown> = this.#root
    const last = values.length - 1
    for (const value of values.slice(0, last)) {
      const number = this.#numberOf(value)
      let next = step.get(number) as Map<number, unknown> | undefined
      if (!next) step.set(number, (next = new Map()))
      step = next
    }
    step.set(this.#numberOf(values[last]), id)
  }

  #numberOf(value: Detail): number {
    if (typeof value !== 'object') {
      let number = this.#words.get(value)
      if (number === undefined) this.#words.set(value, (number = this.#values++))
      return number
    }
    const met = this.#met.get(value)
    if (met !== undefined) return met
    const key = JSON.stringify(value)
    let number = this.#lists.get(key)
    if (number === undefined) this.#lists.set(key, (number = this.#values++))
    this.#met.set(value, number)
    return number
  }
}
