import { scratch } from './scratch.ts'

const { view: VIEW } = scratch

/** A text of ASCII that is expected at a place of the frame, compared four bytes at a time. */
export class Literal {
  readonly length: number
  readonly #words: Int32Array
  /** What is left of it behind the whole words. */
  readonly #mask: number
  readonly #tail: number

  constructor(text: string) {
    this.length = text.length
    const bytes = new TextEncoder().encode(text)
    const whole = bytes.length >> 2
    const view = new DataView(bytes.buffer)
    this.#words = Int32Array.from({ length: whole }, (_, i) => view.getInt32(4 * i, true))
    this.#mask = (1 << (8 * (bytes.length & 3))) - 1
    this.#tail = bytes.subarray(4 * whole).reduceRight((word, byte) => (word << 8) | byte, 0)
  }

  /** Whether it stands at `pos`. Behind a frame there is room to look. */
  isAt(pos: number): boolean {
    const words = this.#words
    for (let i = 0; i < words.length; i++, pos += 4) {
      if (VIEW.getInt32(pos, true) !== words[i]) return false
    }
    return ((VIEW.getInt32(pos, true) ^ this.#tail) & this.#mask) === 0
  }
}
