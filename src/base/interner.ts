/** How many slots are tried for a text before its home is taken over. */
const PROBES = 8

/**
 * A bounded cache from short texts, as bytes, to values made of them: a venue's symbols and codes come again and
 * again, and need not become strings again and again. When it is full a new text displaces an old one, so that a
 * hostile peer can make it slow but never large.
 */
export class Interner<T> {
  readonly #maxBytes: number
  readonly #maxSlots: number
  #slots: number
  #used = 0
  #hashes: Int32Array
  #lengths: Uint8Array
  #texts: Uint8Array
  #values: (T | undefined)[]

  /** Texts longer than `maxBytes` (at most 255) are never kept. `maxSlots` is a power of two. */
  constructor(maxBytes = 32, maxSlots = 65_536) {
    this.#maxBytes = maxBytes
    this.#maxSlots = maxSlots
    this.#slots = Math.min(256, maxSlots)
    this.#hashes = new Int32Array(this.#slots)
    this.#lengths = new Uint8Array(this.#slots)
    this.#texts = new Uint8Array(this.#slots * maxBytes)
    this.#values = new Array<T | undefined>(this.#slots).fill(undefined)
  }

  /** How many texts it holds. */
  get size(): number {
    return this.#used
  }

  /** The value kept for `bytes[start, end)`, whose {@link hashOf} is `hash`. */
  get(bytes: Uint8Array, start: number, end: number, hash: number): T | undefined {
    const length = end - start
    const last = this.#slots - 1
    const texts = this.#texts
    for (let probe = 0; probe < PROBES; probe++) {
      const slot = (hash + probe) & last
      const value = this.#values[slot]
      if (value === undefined) return undefined
      if (this.#hashes[slot] === hash && this.#lengths[slot] === length) {
        let at = slot * this.#maxBytes
        let pos = start
        while (pos < end && texts[at] === bytes[pos]) {
          at++
          pos++
        }
        if (pos === end) return value
      }
    }
    return undefined
  }

  /** Keeps a value for a text that {@link get} did not find. */
  set(bytes: Uint8Array, start: number, end: number, hash: number, value: T): void {
    if (end - start > this.#maxBytes) return
    if (this.#used * 2 >= this.#slots && this.#slots < this.#maxSlots) this.#grow()
    this.#put(bytes.subarray(start, end), hash, value)
  }

  #put(text: Uint8Array, hash: number, value: T): void {
    const last = this.#slots - 1
    let slot = hash & last
    for (let probe = 0; probe < PROBES; probe++) {
      const free = (hash + probe) & last
      if (this.#values[free] === undefined) {
        slot = free
        this.#used++
        break
      }
    }
    this.#hashes[slot] = hash
    this.#lengths[slot] = text.length
    this.#texts.set(text, slot * this.#maxBytes)
    this.#values[slot] = value
  }

  #grow(): void {
    const [slots, hashes, lengths] = [this.#slots, this.#hashes, this.#lengths]
    const [texts, values] = [this.#texts, this.#values]
    this.#slots = slots * 2
    this.#used = 0
    this.#hashes = new Int32Array(this.#slots)
    this.#lengths = new Uint8Array(this.#slots)
    this.#texts = new Uint8Array(this.#slots * this.#maxBytes)
    this.#values = new Array<T | undefined>(this.#slots).fill(undefined)
    for (let slot = 0; slot < slots; slot++) {
      const value = values[slot]
      if (value === undefined) continue
      const at = slot * this.#maxBytes
      this.#put(texts.subarray(at, at + lengths[slot]!), hashes[slot]!, value)
    }
  }
}

/** Where a hash begins; `hash = hashByte(hash, byte)` for each byte. */
export const HASH_START = 0x811c9dc5 | 0

/** One step of the hash (FNV-1a). */
export function hashByte(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193)
}

/** The hash of a text in bytes. */
export function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = HASH_START
  for (let pos = start; pos < end; pos++) hash = hashByte(hash, bytes[pos]!)
  return hash
}

/** ASCII bytes as a string. */
export function asciiText(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > 64) return ASCII.decode(bytes.subarray(start, end))
  let text = ''
  for (let pos = start; pos < end; pos++) text += String.fromCharCode(bytes[pos]!)
  return text
}

const ASCII = new TextDecoder('latin1')

/** Whether a byte stands for itself in JSON text: printable ASCII but for quote and backslash. */
export function isPlain(byte: number): boolean {
  return byte >= 32 && byte < 127 && byte !== 34 && byte !== 92
}

/** The string of each byte that {@link isPlain}, made once. */
export const CHARS: readonly (string | undefined)[] = Array.from({ length: 256 }, (_, byte) =>
  isPlain(byte) ? String.fromCharCode(byte) : undefined,
)

/** A frozen list of each of {@link CHARS}. */
export const SINGLES: readonly (readonly string[] | undefined)[] = CHARS.map(char =>
  char === undefined ? undefined : Object.freeze([char]),
)
