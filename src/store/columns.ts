import { EVENT_TYPES, type EventType, KINDS } from '../market/events.ts'

type FieldName = (typeof KINDS)[EventType]['fields'][number]

/**
 * How a field stands in SQL. `id`: whole numbers in a BIGINT, texts in a second column `…_text`. `word`: a text that
 * comes again and again. `texts`: a list of texts. `levels`: a list of prices and sizes.
 */
export type ColumnForm = 'number' | 'id' | 'word' | 'text' | 'texts' | 'boolean' | 'levels'

/** Columns are the names of fields in snake_case; words SQL keeps for itself have others. */
const RENAMED: Readonly<Partial<Record<FieldName, string>>> = { from: 'range_from', to: 'range_to' }

const FORMS: Readonly<Partial<Record<FieldName, ColumnForm>>> = {
  id: 'id',
  originalId: 'id',
  exchange: 'word',
  bidExchange: 'word',
  askExchange: 'word',
  tape: 'word',
  side: 'word',
  conditions: 'texts',
  originalConditions: 'texts',
  symbols: 'texts',
  bids: 'levels',
  asks: 'levels',
  snapshot: 'boolean',
  final: 'boolean',
  name: 'text',
  interval: 'text',
  adjustment: 'text',
  statusCode: 'text',
  statusMessage: 'text',
  reasonCode: 'text',
  reasonMessage: 'text',
  indicator: 'text',
  auction: 'text',
  action: 'text',
  headline: 'text',
  summary: 'text',
  content: 'text',
  author: 'text',
  url: 'text',
  publisher: 'text',
  notice: 'text',
  message: 'text',
  code: 'text',
  kind: 'text',
}

export interface FieldColumn {
  readonly field: string
  readonly column: string
  readonly form: ColumnForm
}

/** How a kind stands in SQL. */
export interface KindTable {
  readonly kind: EventType
  /** What people ask for: `trades`. */
  readonly view: string
  readonly fields: readonly FieldColumn[]
  /** Fields that stand, as one number for all of them, in a table of details; of kinds that come by the million. */
  readonly details: readonly FieldColumn[]
  /** The fields that stand in the rows themselves. */
  readonly plain: readonly FieldColumn[]
}

/** Kinds of which so much comes that their words are kept apart. */
const DETAILED: readonly EventType[] = ['trade', 'quote']

const VIEWS: Readonly<Record<EventType, string>> = {
  trade: 'trades',
  quote: 'quotes',
  ticker: 'tickers',
  bar: 'bars',
  book: 'books',
  status: 'statuses',
  luld: 'lulds',
  imbalance: 'imbalances',
  correction: 'corrections',
  cancel: 'cancels',
  news: 'news',
  notice: 'notices',
}

export const TABLES: readonly KindTable[] = EVENT_TYPES.map(kind => {
  const fields = KINDS[kind].fields.map((field): FieldColumn => {
    const name = RENAMED[field as FieldName] ?? snake(field)
    return { field, column: name, form: FORMS[field as FieldName] ?? 'number' }
  })
  const detailed = DETAILED.includes(kind)
  const isDetail = ({ form }: FieldColumn) => detailed && (form === 'word' || form === 'texts')
  return {
    kind,
    view: VIEWS[kind],
    fields,
    details: fields.filter(isDetail),
    plain: fields.filter(field => !isDetail(field)),
  }
})

const BY_KIND = new Map(TABLES.map(table => [table.kind, table]))

export function tableOf(kind: EventType): KindTable {
  return BY_KIND.get(kind)!
}

export const SQL_TYPES: Readonly<Record<ColumnForm, string>> = {
  number: 'DOUBLE',
  id: 'BIGINT',
  word: 'VARCHAR',
  text: 'VARCHAR',
  texts: 'VARCHAR[]',
  boolean: 'BOOLEAN',
  levels: 'STRUCT(price DOUBLE, size DOUBLE)[]',
}

/** Name and type of the columns of fields, as they are stored and shown. */
export function columnsOf(fields: readonly FieldColumn[]): [name: string, type: string][] {
  return fields.flatMap(({ column, form }): [string, string][] =>
    form === 'id'
      ? [
          [column, 'BIGINT'],
          [`${column}_text`, 'VARCHAR'],
        ]
      : [[column, SQL_TYPES[form]]],
  )
}

/** What every row begins with, as it is shown and stored in days. */
export const COMMON_COLUMNS: readonly [name: string, type: string][] = [
  ['symbol', 'VARCHAR'],
  ['source', 'VARCHAR'],
  ['ts', 'TIMESTAMP_NS'],
  ['received_ms', 'DOUBLE'],
  ['flags', 'INTEGER'],
  ['tape_id', 'VARCHAR'],
  ['seq', 'BIGINT'],
]

/** What the columns cannot hold of an event, as JSON; nearly always nothing. Stands in days, and is not shown. */
export const ODD = 'odd'

/**
 * What a trade counts for in bars, by `saleRule`: the one thing about its conditions that bars ask. The number is that
 * of the table of conditions; days with another one are read the long way.
 */
export const SALE = 'sale_1'

/** Columns that are stored and not shown. */
export function hiddenColumns({ kind }: KindTable): string[] {
  return kind === 'trade' ? [ODD, SALE] : [ODD]
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}
