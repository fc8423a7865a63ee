/*
 * Arrow's columnar format, version 5, as far as events need it: the messages of an IPC stream, which with a magic and a
 * foot around them are a file. https://arrow.apache.org/docs/format/Columnar.html
 */

/** How a column stands in Arrow. */
export type ArrowType =
  | 'utf8'
  | 'double'
  | 'int32'
  | 'int64'
  | 'bool'
  | 'timestamp'
  | { readonly list: ArrowType }
  | { readonly struct: readonly ArrowField[] }

export interface ArrowField {
  readonly name: string
  readonly type: ArrowType
}

/** Values of a column: `undefined` where there is none. Of `int64` and `timestamp` bigints, of structs lists of values. */
export type ArrowValues = readonly unknown[]

export const END_OF_STREAM = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)
export const MAGIC = new TextEncoder().encode('ARROW1')

const SCHEMA = 1
const RECORD_BATCH = 3
const VERSION = 4

/** Bytes of a flat buffer, written from the end on. https://flatbuffers.dev/internals */
class FlatBuffer {
  #bytes = new Uint8Array(1_024)
  #view = new DataView(this.#bytes.buffer)
  /** Bytes written: where what is written next will stand, from the end. */
  size = 0
  #fields: number[] = []
  #begin = 0

  #prepare(align: number, more: number): void {
    const pad = -(this.size + more) & (align - 1)
    const wanted = this.size + pad + more + align
    if (wanted > this.#bytes.length) {
      const grown = new Uint8Array(2 ** Math.ceil(Math.log2(wanted + 1)))
      grown.set(this.#bytes, grown.length - this.#bytes.length)
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    this.size += pad
  }

  #at(bytes: number): number {
    this.size += bytes
    return this.#bytes.length - this.size
  }

  byte(value: number): void {
    this.#prepare(1, 1)
    this.#view.setUint8(this.#at(1), value)
  }

  short(value: number): void {
    this.#prepare(2, 2)
    this.#view.setInt16(this.#at(2), value, true)
  }

  int(value: number): void {
    this.#prepare(4, 4)
    this.#view.setInt32(this.#at(4), value, true)
  }

  long(value: number): void {
    this.#prepare(8, 8)
    this.#view.setBigInt64(this.#at(8), BigInt(value), true)
  }

  /** The way from here to something written before. */
  offset(to: number): void {
    this.#prepare(4, 4)
    this.int(this.size + 4 - to)
  }

  text(value: string): number {
    const bytes = new TextEncoder().encode(value)
    this.#prepare(4, bytes.length + 5)
    this.#at(1)
    this.#bytes.set(bytes, this.#at(bytes.length))
    this.int(bytes.length)
    return this.size
  }

  /** A list, of which each is written by `write`, the last first; `bytes` of each, aligned at `align`. */
  list(count: number, bytes: number, align: number, write: (index: number) => void): number {
    this.#prepare(4, count * bytes)
    this.#prepare(align, count * bytes)
    for (let i = count - 1; i >= 0; i--) write(i)
    this.int(count)
    return this.size
  }

  offsets(all: readonly number[]): number {
    return this.list(all.length, 4, 4, i => this.offset(all[i]!))
  }

  /** A table with these fields, by number; those that are `undefined` are not there. */
  table(fields: readonly (((buffer: this) => void) | undefined)[]): number {
    this.#fields = []
    this.#begin = this.size
    for (const [i, write] of fields.entries()) {
      if (!write) continue
      write(this)
      this.#fields[i] = this.size
    }
    this.int(0)
    const table = this.size
    let count = fields.length
    while (count > 0 && this.#fields[count - 1] === undefined) count--
    for (let i = count - 1; i >= 0; i--) {
      const at = this.#fields[i]
      this.short(at === undefined ? 0 : table - at)
    }
    this.short(table - this.#begin)
    this.short((count + 2) * 2)
    this.#view.setInt32(this.#bytes.length - table, this.size - table, true)
    return table
  }

  finish(root: number): Uint8Array {
    this.#prepare(8, 4)
    this.offset(root)
    return this.#bytes.slice(this.#bytes.length - this.size)
  }
}

function typeOf(b: FlatBuffer, type: ArrowType): { readonly id: number; readonly at: number } {
  if (typeof type === 'object') return { id: 'list' in type ? 12 : 13, at: b.table([]) }
  switch (type) {
    case 'utf8':
      return { id: 5, at: b.table([]) }
    case 'bool':
      return { id: 6, at: b.table([]) }
    case 'double':
      return { id: 3, at: b.table([it => it.short(2)]) }
    case 'timestamp': {
      const zone = b.text('UTC')
      return { id: 10, at: b.table([it => it.short(3), it => it.offset(zone)]) }
    }
    default: {
      const bits = type === 'int64' ? 64 : 32
      return { id: 2, at: b.table([it => it.int(bits), it => it.byte(1)]) }
    }
  }
}

function childrenOf(type: ArrowType): readonly ArrowField[] {
  if (typeof type !== 'object') return []
  return 'list' in type ? [{ name: 'item', type: type.list }] : type.struct
}

function fieldOf(b: FlatBuffer, { name, type }: ArrowField): number {
  const children = b.offsets(childrenOf(type).map(child => fieldOf(b, child)))
  const { id, at } = typeOf(b, type)
  const called = b.text(name)
  return b.table([
    it => it.offset(called),
    it => it.byte(1),
    it => it.byte(id),
    it => it.offset(at),
    undefined,
    it => it.offset(children),
  ])
}

function schemaOf(b: FlatBuffer, fields: readonly ArrowField[]): number {
  const all = b.offsets(fields.map(field => fieldOf(b, field)))
  return b.table([undefined, it => it.offset(all)])
}

function message(b: FlatBuffer, kind: number, header: number, body: number): Uint8Array {
  const root = b.table([
    it => it.short(VERSION),
    it => it.byte(kind),
    it => it.offset(header),
    it => it.long(body),
  ])
  const bytes = b.finish(root)
  const padded = bytes.length + (-bytes.length & 7)
  const framed = new Uint8Array(8 + padded)
  new DataView(framed.buffer).setUint32(0, 0xffffffff)
  new DataView(framed.buffer).setInt32(4, padded, true)
  framed.set(bytes, 8)
  return framed
}

/** The first message of a stream. */
export function schemaMessage(fields: readonly ArrowField[]): Uint8Array {
  const b = new FlatBuffer()
  return message(b, SCHEMA, schemaOf(b, fields), 0)
}

/** Where a batch stands in a file, and how long its two parts are. */
export interface ArrowBlock {
  readonly offset: number
  readonly head: number
  readonly body: number
}

/** What ends a file, behind the end of its stream. */
export function fileFoot(fields: readonly ArrowField[], blocks: readonly ArrowBlock[]): Uint8Array {
  const b = new FlatBuffer()
  const schema = schemaOf(b, fields)
  const none = b.list(0, 24, 8, () => {})
  const batches = b.list(blocks.length, 24, 8, i => {
    const { offset, head, body } = blocks[i]!
    b.long(body)
    b.int(0)
    b.int(head)
    b.long(offset)
  })
  const root = b.table([
    it => it.short(VERSION),
    it => it.offset(schema),
    it => it.offset(none),
    it => it.offset(batches),
  ])
  const foot = b.finish(root)
  const bytes = new Uint8Array(foot.length + 4 + MAGIC.length)
  bytes.set(foot)
  new DataView(bytes.buffer).setInt32(foot.length, foot.length, true)
  bytes.set(MAGIC, foot.length + 4)
  return bytes
}

/** Buffers of columns, with the counts that a batch names them by. */
class Body {
  readonly nodes: { readonly length: number; readonly nulls: number }[] = []
  readonly buffers: Uint8Array[] = []

  add(type: ArrowType, values: ArrowValues): void {
    const valid = new Uint8Array((values.length + 7) >> 3)
    let nulls = 0
    for (let i = 0; i < values.length; i++) {
      if (values[i] === undefined) nulls++
      else valid[i >> 3]! |= 1 << (i & 7)
    }
    this.nodes.push({ length: values.length, nulls })
    this.buffers.push(nulls === 0 ? new Uint8Array() : valid)
    if (typeof type === 'object') this.#nested(type, values)
    else if (type === 'utf8') this.#texts(values)
    else this.buffers.push(plain(type, values))
  }

  #texts(values: ArrowValues): void {
    const joined = values.join('')
    const bytes = encoder.encode(joined)
    if (bytes.length === joined.length) {
      // A byte a letter: where each begins is known as it is.
      this.#places(values as readonly (string | undefined)[])
      this.buffers.push(bytes)
      return
    }
    const texts = values.map(value => encoder.encode((value as string | undefined) ?? ''))
    this.#places(texts)
    const all = new Uint8Array(texts.reduce((sum, text) => sum + text.length, 0))
    let at = 0
    for (const text of texts) {
      all.set(text, at)
      at += text.length
    }
    this.buffers.push(all)
  }

  #places(values: readonly (ArrayLike<unknown> | undefined)[]): void {
    const places = new Int32Array(values.length + 1)
    for (let i = 0; i < values.length; i++) places[i + 1] = places[i]! + (values[i]?.length ?? 0)
    this.buffers.push(bytesOf(places))
  }

  #nested(type: Exclude<ArrowType, string>, values: ArrowValues): void {
    if ('list' in type) {
      const lists = values as readonly (readonly unknown[] | undefined)[]
      this.#places(lists)
      this.add(
        type.list,
        lists.flatMap(list => list ?? []),
      )
      return
    }
    const rows = values as readonly (readonly unknown[] | undefined)[]
    for (const [i, child] of type.struct.entries()) {
      this.add(
        child.type,
        rows.map(row => row?.[i]),
      )
    }
  }
}

const encoder = new TextEncoder()

const bytesOf = (of: ArrayBufferView) => new Uint8Array(of.buffer, of.byteOffset, of.byteLength)

function plain(type: Exclude<ArrowType, object | 'utf8'>, values: ArrowValues): Uint8Array {
  switch (type) {
    case 'double':
      return bytesOf(Float64Array.from(values as number[], value => value ?? 0))
    case 'int32':
      return bytesOf(Int32Array.from(values as number[], value => value ?? 0))
    case 'bool': {
      const bits = new Uint8Array((values.length + 7) >> 3)
      for (let i = 0; i < values.length; i++) if (values[i]) bits[i >> 3]! |= 1 << (i & 7)
      return bits
    }
    default:
      return bytesOf(BigInt64Array.from(values as bigint[], value => value ?? 0n))
  }
}

/** A message with rows: its head, and the body it announces. */
export function batchMessage(
  fields: readonly ArrowField[],
  columns: readonly ArrowValues[],
): { readonly head: Uint8Array; readonly body: Uint8Array } {
  const all = new Body()
  for (const [i, { type }] of fields.entries()) all.add(type, columns[i]!)
  const starts: number[] = []
  let length = 0
  for (const buffer of all.buffers) {
    starts.push(length)
    length += buffer.length + (-buffer.length & 7)
  }
  const body = new Uint8Array(length)
  for (const [i, buffer] of all.buffers.entries()) body.set(buffer, starts[i])
  const b = new FlatBuffer()
  const buffers = b.list(all.buffers.length, 16, 8, i => {
    b.long(all.buffers[i]!.length)
    b.long(starts[i]!)
  })
  const nodes = b.list(all.nodes.length, 16, 8, i => {
    b.long(all.nodes[i]!.nulls)
    b.long(all.nodes[i]!.length)
  })
  const rows = columns[0]?.length ?? 0
  const batch = b.table([it => it.long(rows), it => it.offset(nodes), it => it.offset(buffers)])
  return { head: message(b, RECORD_BATCH, batch, length), body }
}
