import { CHARS } from './interner.ts'

const SLOTS = 1_024

/** Lists of two to four texts of one letter each, found by their letters in one word. Bounded: a new one displaces. */
export class CodeLists {
  readonly #codes = new Int32Array(SLOTS)
  readonly #counts = new Uint8Array(SLOTS)
  readonly #lists = new Array<readonly string[] | undefined>(SLOTS).fill(undefined)

  /** The list, frozen; `undefined` when a letter is not plain. `code` has the first letter in its highest byte. */
  get(code: number, count: number): readonly string[] | undefined {
    const slot = (Math.imul(code, 0x9e3779b1) >>> 22) & (SLOTS - 1)
    if (this.#codes[slot] === code && this.#counts[slot] === count) return this.#lists[slot]
    return this.#make(code, count, slot)
  }

  #make(code: number, count: number, slot: number): readonly string[] | undefined {
    const list: string[] = []
    for (let shift = (count - 1) * 8; shift >= 0; shift -= 8) {
      const char = CHARS[(code >>> shift) & 0xff]
      if (char === undefined) return undefined
      list.push(char)
    }
    this.#codes[slot] = code
    this.#counts[slot] = count
    return (this.#lists[slot] = Object.freeze(list))
  }
}
