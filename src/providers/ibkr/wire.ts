/**
 * What TWS sends, held to its form before the library reads it, which takes `190.2x` for 190.2 and nothing for 0.
 * Field orders: server version 176 and its neighbours, https://interactivebrokers.github.io/tws-api/.
 */

/** The library gives up above this; a length beyond it, or below 0, is no message of TWS. */
export const LONGEST_MESSAGE = 0xffffff

const INTEGER = /^-?\d{1,16}$/
const NUMBER = /^-?\d+(\.\d+)?([eE][-+]?\d+)?$/
/** Sizes may carry commas, or be absent. */
const SIZE = /^(-?\d[\d,]*(\.\d+)?([eE][-+]?\d+)?)?$/

interface Form {
  /** Where the list of records stands behind its count. */
  readonly list?: number
  readonly ints?: readonly number[]
  readonly prices?: readonly number[]
  readonly sizes?: readonly number[]
  /** The same of one record; its length is how many fields it has. */
  readonly record?: { readonly length: number } & Omit<Form, 'list' | 'record'>
}

const FORMS: Readonly<Record<string, Form>> = {
  '1': { ints: [2, 3], prices: [4], sizes: [5] },
  '2': { ints: [2, 3], sizes: [4] },
  '12': { ints: [2, 3, 4, 5], prices: [6], sizes: [7] },
  '13': { ints: [2, 3, 5, 6], prices: [7], sizes: [8] },
  '17': {
    ints: [1, 4],
    list: 4,
    record: { length: 8, prices: [1, 2, 3, 4, 6], sizes: [5, 7] },
  },
  '45': { ints: [2, 3], prices: [4] },
  '46': { ints: [2, 3] },
  '50': { ints: [2, 3, 10], prices: [4, 5, 6, 7, 9], sizes: [8] },
  '58': { ints: [2, 3] },
  '97': { ints: [1, 2], list: 2, record: { length: 6, ints: [0], prices: [2, 3], sizes: [4, 5] } },
  '98': { ints: [1, 2], list: 2, record: { length: 6, ints: [0], prices: [2], sizes: [3] } },
}
/** Message 99, by its type. */
const TICKS: Readonly<Record<string, Form>> = {
  '1': { ints: [1, 3, 6], prices: [4], sizes: [5] },
  '2': { ints: [1, 3, 6], prices: [4], sizes: [5] },
  '3': { ints: [1, 3, 8], prices: [4, 5], sizes: [6, 7] },
  '4': { ints: [1, 3], prices: [4] },
}

/** What is wrong with the fields of a message; `undefined` where nothing is, or where it concerns nobody. */
export function faultOf(fields: readonly string[]): string | undefined {
  const [id = ''] = fields
  if (!INTEGER.test(id)) return `no message: it begins with ${JSON.stringify(id.slice(0, 20))}`
  const form = id === '99' ? TICKS[fields[2] ?? ''] : FORMS[id]
  if (!form) return id === '99' ? 'a tick of an unknown type' : undefined
  const fault = formFault(form, fields, 0)
  if (fault !== undefined) return `message ${id}: ${fault}`
  const { list, record } = form
  if (list === undefined || !record) return undefined
  const count = Number(fields[list])
  if (count < 0 || list + 1 + count * record.length > fields.length) {
    return `message ${id}: ${count} records are not in it`
  }
  for (let i = 0; i < count; i++) {
    const wrong = formFault(record, fields, list + 1 + i * record.length)
    if (wrong !== undefined) return `message ${id}, record ${i}: ${wrong}`
  }
  return undefined
}

function formFault(
  { ints = [], prices = [], sizes = [] }: Form,
  fields: readonly string[],
  from: number,
): string | undefined {
  const wrong = (at: number, what: string) =>
    `field ${at} is no ${what}: ${JSON.stringify((fields[from + at] ?? '').slice(0, 20))}`
  for (const at of ints)
    if (!INTEGER.test(fields[from + at] ?? '')) return wrong(at, 'whole number')
  for (const at of prices) if (!NUMBER.test(fields[from + at] ?? '')) return wrong(at, 'number')
  for (const at of sizes) {
    const text = fields[from + at]
    if (text === undefined || !SIZE.test(text)) return wrong(at, 'size')
  }
  return undefined
}

/** Follows the lengths in front of messages through whatever pieces they come in. */
export class Lengths {
  /** Bytes of the message at hand that are still to come. */
  #left = 0
  #head = 0
  #headBytes = 0

  /** Takes what came; says what is wrong with a length, before anybody waits for so many bytes. */
  take(bytes: Uint8Array): string | undefined {
    let at = 0
    while (at < bytes.length) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, bytes.length - at)
        this.#left -= step
        at += step
        continue
      }
      this.#head = this.#head * 256 + bytes[at++]!
      if (++this.#headBytes < 4) continue
      if (this.#head > LONGEST_MESSAGE) return `a message of ${this.#head} bytes`
      this.#left = this.#head
      this.#head = 0
      this.#headBytes = 0
    }
    return undefined
  }
}
