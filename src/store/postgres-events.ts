import { KINDS, type Level, type MarketEvent, stampSeq } from '../market/events.ts'
import type { FieldColumn, KindTable } from './columns.ts'
import type { Odd } from './postgres-rows.ts'
import { fieldColumns, LEVEL_TABLE, MERGED, name } from './postgres-schema.ts'

type Text = string | null

/**
 * What {@link readEvent} reads of a row, in its order; `t` is the table. `isIn` is the condition that a time is where rows are
 * asked for: without it levels would be looked for on every day there is.
 */
export function eventColumns(
  table: KindTable,
  schema: string,
  isIn: (column: string) => string,
): string {
  const own = fieldColumns(table.fields).map(([column]) => `t.${name(column)}`)
  const common = ['t.symbol', 't.source', 't.ns', 't.received_ms', 't.flags', 't.seq', 't.tape_no']
  // Levels that stand in rows of their own stand for those that are missing here.
  const levels = (side: string) =>
    `case when t.bids is null then (select array_agg(array[l.price, l.size] order by l.level) from ${name(schema)}.${LEVEL_TABLE} l ` +
    `where ${isIn('l.ts')} and l.symbol = t.symbol and l.ts = t.ts and l.tape_no = t.tape_no and l.seq = t.seq and l.side = '${side}') end`
  const more = table.kind === 'book' ? [levels('b'), levels('a')] : []
  return [...common, 't.odd', ...own, ...more].join(', ')
}

const FIRST_OWN = 8

/** The event of a row of {@link eventColumns}, in every field as it was taken. */
export function readEvent(table: KindTable, row: readonly Text[]): MarketEvent {
  const odd = row[7] === null ? undefined : (JSON.parse(row[7]!) as Odd)
  const { numbers, fields } = odd ?? {}
  const number = (field: string, value: number) =>
    numbers?.[field] === undefined ? value : Number(numbers[field])
  // A double holds no nanoseconds since 1970: they are cut off as text.
  const ns = row[2]!
  const [ms, nanos] =
    ns.length > 6 ? [Number(ns.slice(0, -6)), Number(ns.slice(-6))] : [0, Number(ns)]
  let at = FIRST_OWN
  const own = table.fields.map(({ form, field }) => {
    const value = row[at++]!
    const told = form === 'id' ? idOf(value, row[at++]!) : fieldOf(form, value)
    return fields && field in fields ? fields[field] : told
  })
  if (table.kind === 'book' && row[FIRST_OWN] === null) {
    own[0] = levelsOf(row[at] ?? '{}')
    own[1] = levelsOf(row[at + 1] ?? '{}')
  }
  const make = KINDS[table.kind].make as unknown as new (...values: unknown[]) => MarketEvent
  const event = new make(
    fields?.symbol ?? row[0] ?? undefined,
    fields?.source ?? row[1],
    number('timestamp', ms),
    number('nanos', nanos),
    Number(row[3]),
    number('flags', Number(row[4])),
    ...own,
  )
  const said = odd?.seq
  if (said === undefined) {
    if (Number(row[6]) !== MERGED) stampSeq(event, Number(row[5]))
  } else if (said !== '') stampSeq(event, Number(said))
  return event
}

function idOf(id: Text, text: Text): number | string | undefined {
  if (id === null) return text ?? undefined
  return Number(text ?? id)
}

function fieldOf(form: FieldColumn['form'], value: Text): unknown {
  if (value === null) return undefined
  switch (form) {
    case 'number':
      return Number(value)
    case 'boolean':
      return value === 't'
    case 'texts':
      return textsOf(value)
    case 'levels':
      return levelsOf(value)
    default:
      return value
  }
}

/** `{{100.25,2},{99.5,1}}`, as the server writes it. */
function levelsOf(text: string): Level[] {
  if (text === '{}') return []
  return text
    .slice(2, -2)
    .split('},{')
    .map((pair): Level => {
      const comma = pair.indexOf(',')
      return [Number(pair.slice(0, comma)), Number(pair.slice(comma + 1))]
    })
}

/** `{@,"a, b",""}`, as the server writes it. */
export function textsOf(text: string): string[] {
  const all: string[] = []
  for (let at = 1; at < text.length - 1; at++) {
    if (text[at] !== '"') {
      let end = text.indexOf(',', at)
      if (end < 0) end = text.length - 1
      all.push(text.slice(at, end))
      at = end
      continue
    }
    let one = ''
    for (at++; text[at] !== '"'; at++) {
      if (text[at] === '\\') at++
      one += text[at]
    }
    all.push(one)
    at++
  }
  return all
}
