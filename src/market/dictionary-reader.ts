import type { ByteReader } from './byte-reader.ts'
import { badBlock, MAX_SCALE } from './bytes.ts'

/*
 * What comes again and again in a run of events is written once and then goes by a number: words (codes of exchanges),
 * lists of them (conditions), and heads: symbol, source, flags and tape, which for a symbol hardly ever change. An entry
 * stands for itself: none refers to another, so that one that is lost takes no other with it.
 */

/** Entries of each sort; what comes after is written in place. */
export const MAX_ENTRIES = 65_536

/** How an entry is named in an event; what follows is a number of the dictionary. */
export const PREVIOUS = 0
export const IN_PLACE = 1
export const FIRST = 2

/** Words of one printable ASCII character need no entry. */
export const CHARS = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i))
export const FIRST_WORD = FIRST + CHARS.length

/** What a decoder throws when a number names an entry it has not seen. */
export const UNKNOWN_ENTRY = new Error('an entry of the dictionary that was not seen')

/** Symbol, source, flags and tape of an event, with a price of the symbol that others are written relative to. */
export interface Head {
  readonly symbol: string | undefined
  readonly source: string
  readonly flags: number
  readonly tape: string | undefined
  readonly scale: number
  readonly mantissa: number
  /** Where its numbers are kept: its number + 1, and 0 for all without an entry. */
  readonly slot: number
}

/** Marks of a head: what it has in common with the one before it. */
export const SAME = { source: 1, flags: 2, tape: 4, any: 7 } as const
export const SCALE_SHIFT = 3

/** The reader's side. */
export class DictionaryReader {
  readonly #heads: (Head | undefined)[] = []
  readonly #words: (string | undefined)[] = []
  readonly #lists: (readonly string[] | undefined)[] = []

  /** Takes the entries that stand here. */
  read(from: ByteReader): void {
    readEntries(from, this.#words, readText)
    readEntries(from, this.#lists, readTexts)
    let previous: Head | undefined
    readEntries(from, this.#heads, (bytes, number) => {
      previous = readHead(bytes, number + 1, previous)
      return previous
    })
  }

  /** The head of a code that is neither {@link PREVIOUS} nor {@link IN_PLACE}. */
  head(code: number): Head {
    const head = this.#heads[code - FIRST]
    if (head === undefined) throw UNKNOWN_ENTRY
    return head
  }

  word(from: ByteReader): string {
    const code = from.uint()
    if (code < FIRST_WORD) {
      if (code >= FIRST) return CHARS[code - FIRST]!
      return code === IN_PLACE ? readText(from) : badBlock('a word is missing')
    }
    const word = this.#words[code - FIRST_WORD]
    if (word === undefined) throw UNKNOWN_ENTRY
    return word
  }

  list(from: ByteReader): readonly string[] {
    const code = from.uint()
    if (code < FIRST) return code === IN_PLACE ? readTexts(from) : badBlock('a list is missing')
    const list = this.#lists[code - FIRST]
    if (list === undefined) throw UNKNOWN_ENTRY
    return list
  }
}

/** A head; one without an entry stands by itself. */
export function readHead(from: ByteReader, slot: number, previous: Head | undefined): Head {
  const marks = from.byte()
  const scale = marks >> SCALE_SHIFT
  const like = marks & SAME.any ? (previous ?? badBlock('a head like one that is not there')) : NONE
  const symbol = from.text()
  const source = marks & SAME.source ? like.source : readText(from)
  const flags = marks & SAME.flags ? like.flags : (from.number() ?? badBlock('flags are missing'))
  const tape = marks & SAME.tape ? like.tape : from.text()
  const mantissa = from.number()
  if (scale > MAX_SCALE || mantissa === undefined) return badBlock('a head without a price')
  return { symbol, source, flags, tape, scale, mantissa, slot }
}

const NONE: Pick<Head, 'source' | 'flags' | 'tape'> = { source: '', flags: 0, tape: undefined }

/** A text that cannot be absent. */
export function readText(from: ByteReader): string {
  return from.text() ?? badBlock('a text is missing')
}

export function readTexts(from: ByteReader): readonly string[] {
  const count = from.uint()
  const texts: string[] = []
  for (let i = 0; i < count; i++) texts.push(readText(from))
  return Object.freeze(texts)
}

function readEntries<T>(
  from: ByteReader,
  entries: (T | undefined)[],
  read: (from: ByteReader, number: number) => T,
): void {
  const first = from.uint()
  const count = from.uint()
  if (first + count > MAX_ENTRIES) badBlock('the dictionary is too large')
  while (entries.length < first) entries.push(undefined)
  for (let number = first; number < first + count; number++) entries[number] = read(from, number)
}
