import { hashOf } from './interner.ts'
import { COLON, COMMA, type KeySet, OPEN_MAP, type Scanner, SURPRISE } from './scanner.ts'
import { scratch } from './scratch.ts'

const { bytes: BYTES, view: VIEW } = scratch

/** Words kept of what stands before a value; longer ones are read anew each time. */
const WORDS = 12
/** What is remembered in all, where the order changes all the time. */
const MOST_LEARNED = 1_024

/**
 * The order in which a sender writes the fields of an object, learnt as it goes: what stood before a value the last time,
 * `, "ltp": `, is looked for there first, and compared as words. In any other order each key is read and looked up.
 */
export class FieldOrder {
  /** The field whose value was found last: its number among the keys, below 0 for one that is none of them. */
  key = 0
  readonly #keys: KeySet
  readonly #most: number
  readonly #words: Int32Array
  /** Bytes of each; 0 for what is not known. */
  readonly #lengths: Int32Array
  readonly #numbers: Int32Array
  #learned = 0

  /** `most` is how many fields of an object are remembered. */
  constructor(keys: KeySet, most: number) {
    this.#keys = keys
    this.#most = most
    this.#words = new Int32Array(most * WORDS)
    this.#lengths = new Int32Array(most)
    this.#numbers = new Int32Array(most)
  }

  /**
   * Where the value of the field numbered `i` begins, from the bracket of the object or the comma in front of it; its
   * name is in `key`. A surprise where there is no field.
   */
  value(scanner: Scanner, i: number, pos: number): number {
    const length = i < this.#most ? this.#lengths[i]! : 0
    if (length === 0) return this.#read(scanner, i, pos)
    const words = this.#words
    let at = i * WORDS
    const last = pos + length - 4
    // The last word overlaps the one before: no text is shorter than one.
    for (let p = pos; p < last; p += 4, at++) {
      if (VIEW.getInt32(p, true) !== words[at]) return this.#read(scanner, i, pos)
    }
    if (VIEW.getInt32(last, true) !== words[at]) return this.#read(scanner, i, pos)
    this.key = this.#numbers[i]!
    return pos + length
  }

  #read(scanner: Scanner, i: number, start: number): number {
    const first = BYTES[start]
    if (first !== COMMA && first !== OPEN_MAP) return SURPRISE
    const quote = scanner.space(start + 1)
    const behind = scanner.string(quote)
    if (behind < 0) return SURPRISE
    const hash = hashOf(BYTES, quote + 1, behind - 1)
    this.key = this.#keys.find(BYTES, quote + 1, behind - 1, hash)
    const colon = scanner.space(behind)
    if (BYTES[colon] !== COLON) return SURPRISE
    const pos = scanner.space(colon + 1)
    this.#learn(i, start, pos)
    return pos
  }

  #learn(i: number, start: number, end: number): void {
    const length = end - start
    if (this.#learned >= MOST_LEARNED || i >= this.#most || length > WORDS * 4) return
    this.#learned++
    let at = i * WORDS
    for (let p = start; p < end - 4; p += 4, at++) this.#words[at] = VIEW.getInt32(p, true)
    this.#words[at] = VIEW.getInt32(end - 4, true)
    this.#lengths[i] = length
    this.#numbers[i] = this.key
  }
}
