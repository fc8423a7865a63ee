import type { EventType, MarketEvent } from '../market/events.ts'
import { type FieldColumn, tableOf } from '../store/columns.ts'
import {
  type ArrowBlock,
  type ArrowField,
  type ArrowType,
  type ArrowValues,
  batchMessage,
  END_OF_STREAM,
  fileFoot,
  MAGIC,
  schemaMessage,
} from './arrow-wire.ts'

/** Rows of a batch, about. */
const ROWS = 65_536
/** Times that nanoseconds in 64 bits can count, epoch ms. */
const LAST_MS = 9_200_000_000_000

interface Column extends ArrowField {
  readonly of: (event: MarketEvent) => unknown
}

const COMMON: readonly Column[] = [
  { name: 'symbol', type: 'utf8', of: ({ symbol }) => symbol },
  { name: 'source', type: 'utf8', of: ({ source }) => source },
  { name: 'ts', type: 'timestamp', of: timeOf },
  { name: 'received_ms', type: 'double', of: ({ receivedAt }) => receivedAt },
  { name: 'flags', type: 'int32', of: ({ flags }) => flags },
  { name: 'seq', type: 'int64', of: ({ seq }) => wholeOf(seq) },
]

const TYPES: Readonly<Record<Exclude<FieldColumn['form'], 'id'>, ArrowType>> = {
  number: 'double',
  word: 'utf8',
  text: 'utf8',
  texts: { list: 'utf8' },
  boolean: 'bool',
  levels: {
    list: {
      struct: [
        { name: 'price', type: 'double' },
        { name: 'size', type: 'double' },
      ],
    },
  },
}

/** The columns of a kind: those of SQL, without the tape. */
function columnsOf(kind: EventType): readonly Column[] {
  const own = tableOf(kind).fields.flatMap(({ field, column, form }): Column[] => {
    const of = (event: MarketEvent) => (event as unknown as Record<string, unknown>)[field]
    if (form !== 'id') return [{ name: column, type: TYPES[form], of }]
    return [
      { name: column, type: 'int64', of: event => wholeOf(of(event)) },
      { name: `${column}_text`, type: 'utf8', of: event => textOf(of(event)) },
    ]
  })
  return [...COMMON, ...own]
}

function timeOf({ timestamp, nanos }: MarketEvent): bigint | undefined {
  if (!(Math.abs(timestamp) <= LAST_MS)) return undefined
  return BigInt(Math.floor(timestamp)) * 1_000_000n + BigInt(Math.floor(nanos))
}

const wholeOf = (id: unknown) => (Number.isSafeInteger(id) ? BigInt(id as number) : undefined)

/** An id that is no whole number stands as text. */
const textOf = (id: unknown) =>
  id === undefined || Number.isSafeInteger(id) ? undefined : String(id)

/** Events of a kind as an Arrow IPC stream, which `tableFromIPC` and `pyarrow.ipc.open_stream` read. */
export async function* arrowStream(
  kind: EventType,
  batches: AsyncIterable<readonly MarketEvent[]>,
): AsyncGenerator<Uint8Array> {
  const columns = columnsOf(kind)
  yield schemaMessage(columns)
  for await (const { head, body } of messages(columns, batches)) {
    yield head
    yield body
  }
  yield END_OF_STREAM
}

/** Events of a kind as an Arrow file (Feather), which can be mapped into memory. */
export async function* arrowFile(
  kind: EventType,
  batches: AsyncIterable<readonly MarketEvent[]>,
): AsyncGenerator<Uint8Array> {
  const columns = columnsOf(kind)
  const begin = new Uint8Array(8)
  begin.set(MAGIC)
  yield begin
  const schema = schemaMessage(columns)
  yield schema
  const blocks: ArrowBlock[] = []
  let offset = begin.length + schema.length
  for await (const { head, body } of messages(columns, batches)) {
    blocks.push({ offset, head: head.length, body: body.length })
    offset += head.length + body.length
    yield head
    yield body
  }
  yield END_OF_STREAM
  yield fileFoot(columns, blocks)
}

async function* messages(
  columns: readonly Column[],
  batches: AsyncIterable<readonly MarketEvent[]>,
) {
  let values: unknown[][] = columns.map(() => [])
  let rows = 0
  const take = () => {
    const full = values as readonly ArrowValues[]
    values = columns.map(() => [])
    rows = 0
    return batchMessage(columns, full)
  }
  for await (const batch of batches) {
    for (const [i, { of }] of columns.entries()) {
      const column = values[i]!
      for (let row = 0; row < batch.length; row++) column.push(of(batch[row]!))
    }
    rows += batch.length
    if (rows >= ROWS) yield take()
  }
  if (rows > 0) yield take()
}
