import { KINDS, type MarketEvent, stampSeq } from '../market/events.ts'
import { type FieldColumn, type KindTable, ODD } from './columns.ts'
import type { Chunk, ListValue, StructValue } from './duckdb.ts'

/** What an event is made of again, from columns named as days and views name them, in this order. */
export function eventColumns({ fields }: KindTable): string {
  const own = fields.flatMap(({ column, form }) =>
    form === 'id'
      ? [`"${column}"::DOUBLE`, `"${column}_text"`]
      : [form === 'boolean' ? `"${column}"::INTEGER::DOUBLE` : `"${column}"`],
  )
  return [
    ...['symbol', 'source'],
    '(epoch_ns(ts) // 1000000)::DOUBLE',
    '(epoch_ns(ts) % 1000000)::DOUBLE',
    ...['received_ms', 'flags::DOUBLE', 'seq::DOUBLE', ODD],
    ...own,
  ].join(', ')
}

type Column = readonly unknown[]

/** The events of an answer to {@link eventColumns}. */
export function readEvents(table: KindTable, chunk: Chunk): MarketEvent[] {
  const { kind, fields } = table
  const symbols = chunk.values(0)
  const sources = chunk.values(1)
  const [ms, nanos, received, flags, seqs] = [2, 3, 4, 5, 6].map(i => numbersOf(chunk, i)) as [
    Column,
    Column,
    Column,
    Column,
    Column,
  ]
  const odds = chunk.values(7)
  let at = 8
  const own = fields.map(({ form }): Column => {
    const column = fieldOf(chunk, at, form)
    at += form === 'id' ? 2 : 1
    return column
  })
  const make = KINDS[kind].make as unknown as new (...values: unknown[]) => MarketEvent
  const events: MarketEvent[] = []
  for (let row = 0; row < chunk.rowCount; row++) {
    const odd = odds[row] === null ? undefined : readOdd(odds[row] as string)
    const event = new make(
      symbols[row] ?? undefined,
      sources[row],
      odd?.timestamp ?? ms[row],
      odd?.nanos ?? nanos[row],
      received[row],
      odd?.flags ?? flags[row],
      ...own.map(column => column[row]),
    )
    const seq = odd?.seq ?? seqs[row]
    if (seq !== undefined) stampSeq(event, seq as number)
    events.push(event)
  }
  return events
}

function readOdd(text: string): Readonly<Record<string, number>> {
  const entries = Object.entries(JSON.parse(text) as Record<string, string>)
  const said = entries.filter(([, value]) => value !== '')
  return Object.fromEntries(said.map(([name, value]) => [name, Number(value)]))
}

function numbersOf(chunk: Chunk, column: number): Column {
  const { items, valid } = chunk.numbers(column)
  const numbers: unknown[] = Array.from(items.subarray(0, chunk.rowCount))
  if (!valid) return numbers
  for (let row = 0; row < numbers.length; row++) {
    if ((valid[row >> 3]! & (1 << (row & 7))) === 0) numbers[row] = undefined
  }
  return numbers
}

function fieldOf(chunk: Chunk, at: number, form: FieldColumn['form']): Column {
  switch (form) {
    case 'number':
      return numbersOf(chunk, at)
    case 'boolean':
      return numbersOf(chunk, at).map(value => (value === undefined ? undefined : value === 1))
    case 'id': {
      const texts = chunk.values(at + 1)
      return numbersOf(chunk, at).map((id, row) => {
        const text = texts[row] ?? undefined
        return id === undefined || text === undefined ? (id ?? text) : Number(text)
      })
    }
    case 'texts':
      return chunk
        .values(at)
        .map(value => (value === null ? undefined : (value as ListValue).items))
    case 'levels':
      return chunk.values(at).map(value =>
        value === null
          ? undefined
          : (value as ListValue).items.map(level => {
              const { price, size } = (level as StructValue).entries
              return [price, size]
            }),
      )
    default:
      return chunk.values(at).map(value => value ?? undefined)
  }
}
