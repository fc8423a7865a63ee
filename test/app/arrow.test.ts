import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { arrowFile, arrowStream } from '../../src/app/arrow.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { once } from '../store/kit.ts'

/** A table of a flat buffer, as its reader sees it. */
class Table {
  readonly #view: DataView
  readonly #at: number

  constructor(view: DataView, at: number) {
    this.#view = view
    this.#at = at
  }

  static root(bytes: Uint8Array): Table {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return new Table(view, view.getInt32(0, true))
  }

  #field(index: number): number | undefined {
    const table = this.#at - this.#view.getInt32(this.#at, true)
    const place = 4 + index * 2
    if (place >= this.#view.getUint16(table, true)) return undefined
    const offset = this.#view.getUint16(table + place, true)
    return offset === 0 ? undefined : this.#at + offset
  }

  byte(index: number): number {
    return this.#view.getUint8(this.#field(index)!)
  }

  long(index: number): number {
    return Number(this.#view.getBigInt64(this.#field(index)!, true))
  }

  /** Where the items of a list are, and how many. */
  list(index: number): { readonly at: number; readonly count: number } {
    const field = this.#field(index)!
    const at = field + this.#view.getInt32(field, true)
    return { at: at + 4, count: this.#view.getInt32(at, true) }
  }

  table(index: number): Table {
    const field = this.#field(index)!
    return new Table(this.#view, field + this.#view.getInt32(field, true))
  }

  tables(index: number): Table[] {
    const { at, count } = this.list(index)
    return Array.from({ length: count }, (_, i) => {
      const place = at + i * 4
      return new Table(this.#view, place + this.#view.getInt32(place, true))
    })
  }

  text(index: number): string {
    const { at, count } = this.list(index)
    return new TextDecoder().decode(
      new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, count),
    )
  }

  /** Pairs of longs, as nodes and buffers are. */
  pairs(index: number): [number, number][] {
    const { at, count } = this.list(index)
    return Array.from({ length: count }, (_, i) => {
      const long = (place: number) => Number(this.#view.getBigInt64(at + i * 16 + place, true))
      return [long(0), long(8)]
    })
  }
}

interface Read {
  readonly names: string[]
  readonly types: number[]
  readonly batches: { readonly rows: number; readonly buffers: Uint8Array[] }[]
  readonly length: number
}

/** The messages of a stream up to its end. */
function read(bytes: Uint8Array): Read {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let [names, types]: [string[], number[]] = [[], []]
  const batches: Read['batches'] = []
  for (let at = 0; ; ) {
    assert.equal(view.getUint32(at), 0xffffffff)
    const size = view.getInt32(at + 4, true)
    assert.equal(size % 8, 0)
    if (size === 0) return { names, types, batches, length: at + 8 }
    const message = Table.root(bytes.subarray(at + 8, at + 8 + size))
    const header = message.table(2)
    at += 8 + size
    if (message.byte(1) === 1) {
      const fields = header.tables(1)
      names = fields.map(field => field.text(0))
      types = fields.map(field => field.byte(2))
      continue
    }
    const body = Uint8Array.from(bytes.subarray(at, at + message.long(3)))
    const buffers = header.pairs(2).map(([from, length]) => body.slice(from, from + length))
    assert.ok(header.pairs(2).every(([from]) => from % 8 === 0))
    batches.push({ rows: header.long(0), buffers })
    at += body.length
  }
}

async function bytesOf(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const part of parts) all.push(part)
  return Buffer.concat(all)
}

const trade = (i: number): MarketEvent =>
  createEvent({
    ...{ type: 'trade', symbol: i === 1 ? 'BTC/USD' : 'SPY', source: 's', timestamp: 1e12 + i },
    ...{ nanos: 7, receivedAt: 5, price: 100 + i / 3, size: 10 },
    ...{ id: i === 2 ? 'x-2' : i, conditions: i === 0 ? undefined : ['@', 'F'] },
  })

// Files and streams of every kind with every field have been read back with pyarrow 25 and compared, field by field.
describe('events as Arrow', () => {
  it('are a schema, batches of columns aligned at eight bytes, and an end', async () => {
    const bytes = await bytesOf(arrowStream('trade', once([trade(0), trade(1)], [trade(2)])))
    const { names, types, batches, length } = read(bytes)
    assert.equal(length, bytes.length)
    assert.deepEqual(names, [
      ...[
        'symbol',
        'source',
        'ts',
        'received_ms',
        'flags',
        'seq',
        'price',
        'size',
        'id',
        'id_text',
      ],
      ...['exchange', 'conditions', 'tape', 'side'],
    ])
    // Utf8, Timestamp, FloatingPoint, Int, List.
    assert.deepEqual(types, [5, 5, 10, 3, 2, 2, 3, 3, 2, 5, 5, 12, 5, 5])
    const [{ rows, buffers }] = batches as [Read['batches'][0]]
    assert.equal(rows, 3)
    assert.deepEqual([...new Int32Array(buffers[1]!.buffer)], [0, 3, 10, 13])
    assert.equal(new TextDecoder().decode(buffers[2]), 'SPYBTC/USDSPY')
    const ts = new BigInt64Array(buffers[7]!.buffer)
    assert.deepEqual(
      [...ts],
      [0n, 1n, 2n].map(i => (1_000_000_000_000n + i) * 1_000_000n + 7n),
    )
    const price = new Float64Array(buffers[15]!.buffer)
    assert.deepEqual([...price], [100, 100 + 1 / 3, 100 + 2 / 3])
    // The third id is text, the first list of conditions is not there.
    assert.deepEqual([...buffers[18]!], [0b011])
    assert.deepEqual([...buffers[20]!], [0b100])
    assert.deepEqual([...buffers[26]!], [0b110])
    assert.deepEqual([...new Int32Array(buffers[27]!.buffer)], [0, 0, 2, 4])
  })

  it('are a file with a foot that says where each batch is', async () => {
    const few = [0, 1, 2, 3, 4].map(trade)
    const many = Array.from({ length: 70_000 }, (_, i) => few[i % 5]!)
    const bytes = await bytesOf(arrowFile('trade', once(many.slice(0, 66_000), many.slice(66_000))))
    assert.equal(bytes.subarray(0, 8).toString('latin1'), 'ARROW1\0\0')
    assert.equal(bytes.subarray(-6).toString('latin1'), 'ARROW1')
    const { batches } = read(bytes.subarray(8))
    assert.deepEqual(
      batches.map(({ rows }) => rows),
      [66_000, 4_000],
    )
    const size = bytes.readInt32LE(bytes.length - 10)
    const foot = Table.root(bytes.subarray(bytes.length - 10 - size, bytes.length - 10))
    const { at, count } = foot.list(3)
    assert.equal(count, 2)
    for (let i = 0; i < count; i++) {
      const place = bytes.length - 10 - size + at + i * 24
      const offset = Number(bytes.readBigInt64LE(place))
      assert.equal(bytes.readUInt32BE(offset), 0xffffffff)
      assert.equal(bytes.readInt32LE(place + 8), 8 + bytes.readInt32LE(offset + 4))
    }
  })
})
