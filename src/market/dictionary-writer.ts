import { TickwireError } from '../base/errors.ts'
import { type ByteWriter, mantissaAt, POWERS } from './bytes.ts'
import {
  FIRST,
  FIRST_WORD,
  type Head,
  IN_PLACE,
  MAX_ENTRIES,
  SAME,
  SCALE_SHIFT,
} from './dictionary-reader.ts'

/** Longer texts are written in place. */
const MAX_TEXT = 64
const MAX_LIST = 8
/** Heads of one symbol that are looked through. */
const MAX_CHAIN = 64
/** Lists known by identity. */
const MAX_KNOWN_LISTS = 4_096

interface KnownHead extends Head {
  /** The next head of the same symbol, and how many there are. */
  readonly next: KnownHead | undefined
  readonly depth: number
}

/** Lists by their words, one word a step. */
interface ListNode {
  readonly next: Map<string, ListNode>
  code: number
}

/** The writer's side. */
export class DictionaryWriter {
  readonly #heads = new Map<string | undefined, KnownHead>()
  readonly #headEntries: Head[] = []
  readonly #words = new Map<string, number>()
  readonly #wordEntries: string[] = []
  readonly #lists: ListNode = { next: new Map(), code: 0 }
  readonly #listEntries: (readonly string[])[] = []
  /** Frozen lists, which cannot become others. */
  readonly #knownLists = new Map<readonly string[], number>()
  /** Entries that stand in a block already. */
  #told = { words: 0, lists: 0, heads: 0 }

  /** Whether entries were added that no block holds yet. */
  get fresh(): boolean {
    const told = this.#told
    return (
      this.#headEntries.length > told.heads ||
      this.#wordEntries.length > told.words ||
      this.#listEntries.length > told.lists
    )
  }

  /** Whether no block holds an entry yet. */
  get untold(): boolean {
    const { heads, words, lists } = this.#told
    return heads + words + lists === 0
  }

  /** The head of an event, if there is one; `anyTape` for kinds that have none. */
  find(
    symbol: string | undefined,
    source: string,
    flags: number,
    tape: string | undefined,
    anyTape: boolean,
  ): Head | undefined {
    let head = this.#heads.get(symbol)
    while (head !== undefined) {
      if (head.source === source && head.flags === flags && (anyTape || head.tape === tape)) break
      head = head.next
    }
    return head
  }

  /** A head that {@link find} did not find. `price` is where the prices of the symbol are. */
  add(
    symbol: string | undefined,
    source: string,
    flags: number,
    tape: string | undefined,
    price: number | undefined,
  ): Head {
    checkHead(symbol, source, flags, tape)
    const next = this.#heads.get(symbol)
    const depth = next ? next.depth + 1 : 1
    const entries = this.#headEntries
    const short =
      (symbol === undefined || isShort(symbol)) &&
      isShort(source) &&
      (tape === undefined || isShort(tape))
    if (!short || depth > MAX_CHAIN || entries.length === MAX_ENTRIES) {
      return { symbol, source, flags, tape, scale: LEAST_SCALE, mantissa: 0, slot: 0 }
    }
    const scale = scaleOf(price)
    const mantissa = price === undefined || scale < 0 ? 0 : mantissaAt(price, scale)
    const slot = entries.length + 1
    const head: KnownHead = {
      symbol,
      source,
      flags,
      tape,
      scale: scale < 0 ? LEAST_SCALE : scale,
      mantissa,
      slot,
      next,
      depth,
    }
    this.#heads.set(symbol, head)
    entries.push(head)
    return head
  }

  /** Writes a word. */
  word(out: ByteWriter, word: string): void {
    checkText(word)
    if (word.length === 1) {
      const code = word.charCodeAt(0)
      if (code >= 32 && code < 127) {
        out.byte(code - 32 + FIRST)
        return
      }
    }
    let code = this.#words.get(word)
    if (code === undefined) {
      if (!isShort(word) || this.#wordEntries.length === MAX_ENTRIES) {
        out.byte(IN_PLACE)
        out.text(word)
        return
      }
      code = FIRST_WORD + this.#wordEntries.length
      this.#words.set(word, code)
      this.#wordEntries.push(word)
    }
    out.uint(code)
  }

  /** Writes a list of words. */
  list(out: ByteWriter, list: readonly string[]): void {
    const code = this.#knownLists.get(list) ?? this.#codeOf(list)
    out.uint(code)
    if (code === IN_PLACE) writeTexts(out, list)
  }

  #codeOf(list: readonly string[]): number {
    checkTexts(list)
    const entries = this.#listEntries
    if (list.length > MAX_LIST || !list.every(isShort)) return IN_PLACE
    let node = this.#lists
    for (const word of list) {
      let next = node.next.get(word)
      if (!next) {
        if (entries.length === MAX_ENTRIES) return IN_PLACE
        next = { next: new Map(), code: 0 }
        node.next.set(word, next)
      }
      node = next
    }
    if (node.code === 0) {
      if (entries.length === MAX_ENTRIES) return IN_PLACE
      node.code = FIRST + entries.length
      entries.push([...list])
    }
    if (Object.isFrozen(list)) {
      if (this.#knownLists.size === MAX_KNOWN_LISTS) this.#knownLists.clear()
      this.#knownLists.set(list, node.code)
    }
    return node.code
  }

  /** Writes the entries that no block holds yet, or all of them. */
  write(out: ByteWriter, whole: boolean): void {
    const told = whole ? { words: 0, lists: 0, heads: 0 } : this.#told
    writeEntries(out, told.words, this.#wordEntries, word => out.text(word))
    writeEntries(out, told.lists, this.#listEntries, list => writeTexts(out, list))
    let previous: Head | undefined
    writeEntries(out, told.heads, this.#headEntries, head => {
      writeHead(out, head, previous)
      previous = head
    })
    this.#told = {
      words: this.#wordEntries.length,
      lists: this.#listEntries.length,
      heads: this.#headEntries.length,
    }
  }
}

function writeEntries<T>(
  out: ByteWriter,
  from: number,
  entries: readonly T[],
  write: (entry: T) => void,
): void {
  out.uint(from)
  out.uint(entries.length - from)
  for (let i = from; i < entries.length; i++) write(entries[i]!)
}

const isShort = (text: string) => text.length <= MAX_TEXT

/** Prices are in hundredths, or in smaller parts where one needs them. */
const LEAST_SCALE = 2

/** The scale of a price; -1 when it has none. */
function scaleOf(price: number | undefined): number {
  if (price === undefined) return -1
  let scale = LEAST_SCALE
  while (scale < POWERS.length && Number.isNaN(mantissaAt(price, scale))) scale++
  return scale < POWERS.length ? scale : -1
}

/** Writes a head; one without an entry stands by itself. */
export function writeHead(out: ByteWriter, head: Head, previous: Head | undefined): void {
  const { symbol, source, flags, tape, scale, mantissa } = head
  let same = 0
  if (previous) {
    if (previous.source === source) same |= SAME.source
    if (previous.flags === flags) same |= SAME.flags
    if (previous.tape === tape) same |= SAME.tape
  }
  out.byte(same | (scale << SCALE_SHIFT))
  out.text(symbol)
  if ((same & SAME.source) === 0) out.text(source)
  if ((same & SAME.flags) === 0) out.number(flags)
  if ((same & SAME.tape) === 0) out.text(tape)
  out.number(mantissa)
}

export function writeTexts(out: ByteWriter, texts: readonly string[]): void {
  checkTexts(texts)
  out.uint(texts.length)
  for (const text of texts) out.text(text)
}

function checkHead(symbol: unknown, source: unknown, flags: unknown, tape: unknown): void {
  if (symbol !== undefined) checkText(symbol)
  checkText(source)
  if (tape !== undefined) checkText(tape)
  if (typeof flags !== 'number') notAnEvent('flags are no number')
}

/** @throws BAD_EVENT */
export function checkText(value: unknown): asserts value is string {
  if (typeof value !== 'string') notAnEvent('a text is missing')
}

function checkTexts(list: unknown): void {
  if (!Array.isArray(list)) notAnEvent('a list of texts is missing')
  for (const text of list) checkText(text)
}

export function notAnEvent(message: string): never {
  throw new TickwireError('BAD_EVENT', `not an event: ${message}`)
}
