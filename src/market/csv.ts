import { TickwireError } from '../base/errors.ts'
import {
  createEvent,
  type EventFields,
  type EventType,
  Flag,
  flagNames,
  KINDS,
  type MarketEvent,
} from './events.ts'
import { EVENT_SHAPES } from './schema.ts'
import { formatTime, parseTime } from './time.ts'

/*
 * Events as CSV, a kind to a file: the names of the JSON form as columns, the same in `tickwire history --csv`,
 * `tickwire export` and `tickwire import`. Every field comes back as it was: an empty cell is a field that is absent;
 * lists are JSON; a text that would be read as something else (an empty one, an id of digits) stands in JSON's quotes.
 */

/** How a field stands in a cell. */
type Form = 'number' | 'id' | 'text' | 'boolean' | 'json'

/** The columns of a kind, in order. */
export function csvColumns(kind: EventType): readonly string[] {
  return ['type', 'timestamp', 'symbol', 'source', ...KINDS[kind].fields, ...TAIL]
}

const TAIL = ['receivedAt', 'seq', 'flags'] as const

/** The first line of a file, with its end. */
export function csvHeader(kind: EventType): string {
  return `${csvColumns(kind).join(',')}\n`
}

/** An event as a line, with its end. @throws RangeError outside of the years 0000–9999 */
export function encodeCsv(event: MarketEvent): string {
  const { type, timestamp, nanos, symbol, source, receivedAt, seq, flags } = event
  const values = event as unknown as Readonly<Record<string, unknown>>
  const own = formsOf(type).map(([name, form]) => cellOf(values[name], form))
  const head = [
    type,
    formatTime(timestamp, nanos),
    cellOf(symbol, 'text'),
    source === '' ? '' : cellOf(source, 'text'),
  ]
  const tail = [numeral(receivedAt), cellOf(seq, 'number'), flagNames(flags).join('|')]
  return `${[...head, ...own, ...tail].map(quotedCell).join(',')}\n`
}

/** Whether a file with these columns is one of ours; which kind, its rows say. */
export function isCsvOfEvents(columns: readonly string[]): boolean {
  return ['type', 'timestamp', 'symbol', 'source', ...TAIL].every(name => columns.includes(name))
}

/** The event of a line, by the names of its columns. @throws BAD_EVENT naming the column */
export function decodeCsv(columns: readonly string[], cells: readonly string[]): MarketEvent {
  const at = (name: string) => cells[columns.indexOf(name)] ?? ''
  const type = at('type')
  if (!(type in KINDS)) throw refusal(`type: unknown kind ${JSON.stringify(type)}`)
  const kind = type as EventType
  const moment = parseTime(at('timestamp'))
  if (!moment) throw refusal(`timestamp: ${JSON.stringify(at('timestamp'))} is no time`)
  const fields: Record<string, unknown> = { type: kind, ...moment }
  const take = (name: string, form: Form) => {
    fields[name] = readCell(at(name), form, name)
  }
  take('symbol', 'text')
  take('source', 'text')
  for (const [name, form] of formsOf(kind)) take(name, form)
  take('receivedAt', 'number')
  take('seq', 'number')
  fields.flags = flagsOf(at('flags'))
  for (const name of requiredOf(kind)) {
    if (fields[name] === undefined) throw refusal(`${name}: it is empty`)
  }
  return createEvent(fields as unknown as EventFields)
}

const FORMS = new Map<EventType, readonly (readonly [name: string, form: Form])[]>()

/** The kind's own fields and how they stand in cells, as the table of the JSON form has them. */
function formsOf(kind: EventType): readonly (readonly [name: string, form: Form])[] {
  let forms = FORMS.get(kind)
  if (!forms) {
    const shape = EVENT_SHAPES[kind].shape as Readonly<Record<string, Field>>
    forms = KINDS[kind].fields.map(name => [name, formOf(shape[name])] as const)
    FORMS.set(kind, forms)
  }
  return forms
}

/** What is needed of a field's schema. */
interface Field {
  readonly type: string
  unwrap?(): Field
}

function formOf(field: Field | undefined): Form {
  const inner = field?.type === 'optional' ? field.unwrap?.() : field
  switch (inner?.type) {
    case 'number':
    case 'int':
      return 'number'
    case 'boolean':
      return 'boolean'
    case 'union':
      return 'id'
    case 'array':
      return 'json'
    default:
      return 'text'
  }
}

const REQUIRED = new Map<EventType, readonly string[]>()

function requiredOf(kind: EventType): readonly string[] {
  let names = REQUIRED.get(kind)
  if (!names) {
    const shape = EVENT_SHAPES[kind].shape as Readonly<Record<string, Field>>
    names = Object.keys(shape).filter(name => shape[name]!.type !== 'optional')
    REQUIRED.set(kind, names)
  }
  return names
}

/** JSON and CSV have a negative zero, but `String` does not write it. */
const numeral = (value: number) => (Object.is(value, -0) ? '-0' : `${value}`)

const NUMERAL = /^-?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i
const ODD_NUMERALS = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
])

function cellOf(value: unknown, form: Form): string {
  if (value === undefined) return ''
  if (typeof value === 'number') return numeral(value)
  if (form === 'json') return JSON.stringify(value, withNegativeZero)
  if (typeof value !== 'string') return `${value}`
  const isMistakable =
    value === '' || value.startsWith('"') || (form === 'id' && readNumber(value) !== undefined)
  return isMistakable ? JSON.stringify(value) : value
}

/** As text, for JSON has no place for it: only numbers in lists, so no text is taken for one. */
const withNegativeZero = (_: string, value: unknown) =>
  typeof value === 'number' && (Object.is(value, -0) || !Number.isFinite(value))
    ? { number: numeral(value) }
    : value

const backToNumber = (_: string, value: unknown) =>
  typeof value === 'object' && value !== null && 'number' in value
    ? readNumber(`${value.number}`)
    : value

function readNumber(text: string): number | undefined {
  return NUMERAL.test(text) ? Number(text) : ODD_NUMERALS.get(text)
}

function readCell(cell: string, form: Form, name: string): unknown {
  if (cell === '') return undefined
  const bad = () => refusal(`${name}: ${JSON.stringify(cell.slice(0, 60))} is no ${form}`)
  if (form === 'json' || cell.startsWith('"')) {
    try {
      return JSON.parse(cell, backToNumber)
    } catch {
      throw bad()
    }
  }
  if (form === 'text') return cell
  const number = form === 'boolean' ? undefined : readNumber(cell)
  if (form === 'id') return number ?? cell
  if (form === 'boolean' && /^(?:true|false)$/.test(cell)) return cell === 'true'
  if (number === undefined) throw bad()
  return number
}

function flagsOf(cell: string): number {
  let flags = 0
  for (const word of cell === '' ? [] : cell.split('|')) {
    const bit = (Flag as Readonly<Record<string, number>>)[word]
    if (bit === undefined) throw refusal(`flags: unknown word ${JSON.stringify(word)}`)
    flags |= bit
  }
  return flags
}

/** A cell as RFC 4180 writes it. */
export function quotedCell(text: string): string {
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function refusal(message: string): TickwireError {
  return new TickwireError('BAD_EVENT', `not an event: ${message}`)
}
