/** A field as it is written: nothing for what is not there, 1 and 0 for yes and no. */
export type Field = string | number | boolean | undefined

/** What carries one client's bytes, a socket or memory, as the TWS it has come to sees it. */
export interface ClientWire {
  /** Sends a message: the wire puts its length in front of it. */
  send(message: Uint8Array): void
  /** Ends it behind what has been sent. */
  end(): void
  /** Ends it at once. */
  cut(): void
}

/** A message of TWS: every field with a NUL behind it. */
export function encodeMessage(fields: readonly Field[]): Buffer {
  return Buffer.from(fields.map(field => `${textOf(field)}\0`).join(''))
}

/** A message on its way: its length in four bytes, then it. */
export function framed(body: Uint8Array): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(body.length)
  return Buffer.concat([head, body])
}

function textOf(field: Field): string {
  if (typeof field === 'boolean') return field ? '1' : '0'
  return field === undefined ? '' : String(field)
}

const PREFIX = 'API\0'

/** Reads what a client sends, in whatever pieces it comes: the range of versions first, then messages. */
export class ClientMessages {
  #bytes = Buffer.alloc(0)
  #greeted = false

  /** The messages that are whole; the first is the range of versions. @throws for what no client of TWS sends */
  take(bytes: Uint8Array): string[][] {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    if (!this.#greeted) {
      if (this.#bytes.length < PREFIX.length) return []
      if (this.#bytes.toString('latin1', 0, PREFIX.length) !== PREFIX) {
        throw new Error('no client of the API')
      }
      this.#bytes = this.#bytes.subarray(PREFIX.length)
      this.#greeted = true
    }
    const messages: string[][] = []
    while (this.#bytes.length >= 4) {
      const length = this.#bytes.readUInt32BE()
      if (length > 0xffffff) throw new Error(`a message of ${length} bytes`)
      if (this.#bytes.length < 4 + length) break
      const text = this.#bytes.toString('utf8', 4, 4 + length)
      this.#bytes = this.#bytes.subarray(4 + length)
      messages.push(text.endsWith('\0') ? text.slice(0, -1).split('\0') : text.split('\0'))
    }
    return messages
  }
}
