import { TickwireError } from '../base/errors.ts'
import {
  createEvent,
  type EventFields,
  type EventType,
  type MarketEvent,
} from '../market/events.ts'
import { isInterval } from '../market/topics.ts'
import type { ImportOptions } from './import.ts'
import type { FileRow, OpenFile } from './import-files.ts'
import {
  completeMapping,
  describeMapping,
  MAPPED_KINDS,
  type MappedKind,
  mappedFields,
} from './import-mapping.ts'
import { hasZone, type TimeUnit, timeReader, unitOf } from './import-time.ts'

/** How rows become events, by the names of their columns and what was said of them. */
export function mapped(file: OpenFile, options: ImportOptions, sample: readonly FileRow[]) {
  const kind = mappedKind(options.kind)
  const { columns } = file
  const given = new Set<string>()
  const { symbol, interval, adjustment, source = 'import', zone = 'UTC' } = options
  if (symbol !== undefined) given.add('symbol')
  if (interval !== undefined) given.add('interval')
  if (adjustment !== undefined) given.add('adjustment')
  const mapping = completeMapping(kind, columns, options.mapping ?? new Map(), given)
  if (!mapping.has('symbol') && symbol === undefined) {
    throw new TickwireError('BAD_OPTION', 'no column is known to be the symbol', {
      hint: `Say it of all rows, --symbol AAPL, or name the column: --map symbol=COLUMN (${columns.join(', ')}).`,
    })
  }
  if (kind === 'bar' && !mapping.has('interval') && interval === undefined) {
    throw new TickwireError('BAD_OPTION', 'nothing says how long these bars are', {
      hint: 'Say it of all rows, --interval 1m, or name the column: --map interval=COLUMN.',
    })
  }
  const fixed: Record<string, unknown> = {
    ...{ type: kind, symbol, source },
    ...(kind === 'bar' && { interval, adjustment: adjustment ?? 'raw', final: true, revision: 0 }),
  }
  const fields = mappedFields(kind)
  const units = new Map<string, TimeUnit>()
  let isLocal = false
  const readers = [...mapping].map(([field, { columns: named, unit }]) => {
    const places = named.map(name => columns.indexOf(name))
    const read = cellReader(places)
    const { form = 'text', required = false } = fields[field] ?? {}
    if (form !== 'time') return { field, form, required, read, time: undefined }
    const texts = sample.flatMap(({ cells }) => (cells ? (read(cells) ?? []) : [])).map(String)
    const told = unit ?? toldUnit(field, named, texts)
    units.set(field, told)
    if (told === 'iso' && texts.some(text => !hasZone(text))) isLocal = true
    return { field, form, required, read, time: timeReader(told, zone) }
  })
  const make = ({ cells = [] }: FileRow): MarketEvent | string => {
    const values: Record<string, unknown> = { ...fixed }
    for (const { field, form, required, read, time } of readers) {
      const cell = read(cells)
      if (cell === undefined) {
        if (required || field === 'symbol') return `${field} is missing`
        continue
      }
      if (time) {
        const moment = time(String(cell))
        if (!moment) return `${field} is no time: ${shown(cell)}`
        if (field === 'timestamp') Object.assign(values, moment)
        else values[field] = moment.timestamp + moment.nanos / 1e6
        continue
      }
      const value = valueIn(cell, form)
      if (value === undefined) return `${field} is no ${WORDS[form]}: ${shown(cell)}`
      if (field === 'interval' && !isInterval(String(value))) {
        return `interval is no length such as 1m: ${shown(cell)}`
      }
      if (field === 'side') {
        const side = SIDES[String(value).toLowerCase()]
        if (side === undefined) return `side is neither buy nor sell: ${shown(cell)}`
        values.side = side === '' ? undefined : side
      } else values[field] = value
    }
    return createEvent(values as unknown as EventFields)
  }
  const notes = isLocal
    ? [
        `its times name no zone: they are taken for ${zone}${options.zone ? '' : ' (--zone says another)'}`,
      ]
    : []
  const all = describeMapping(mapping, columns, units)
  const symbolSaid = symbol === undefined ? '' : `, symbol is ${symbol}`
  return { make, said: `${kind}s: ${all}${symbolSaid}`, notes }
}

function mappedKind(kind: EventType | undefined): MappedKind {
  const found = MAPPED_KINDS.find(one => one === kind)
  if (found) return found
  const hint = `Say it: --kind ${MAPPED_KINDS.map(one => `${one}s`).join(', ')}.`
  throw kind === undefined
    ? new TickwireError('BAD_OPTION', 'nothing says what its rows are', { hint })
    : new TickwireError('BAD_OPTION', `${kind} events can be imported from our own files only`, {
        hint,
      })
}

function toldUnit(field: string, columns: readonly string[], texts: readonly string[]): TimeUnit {
  const unit = texts.length === 0 ? 'iso' : unitOf(texts)
  if (unit !== undefined && unit !== 'mixed') return unit
  const column = columns.join('+')
  const example = texts[0] ?? ''
  throw new TickwireError(
    'BAD_OPTION',
    unit === 'mixed'
      ? `the times in ${column} look as if they were of several units`
      : `the unit of the times in ${column} cannot be told: ${shown(example)}`,
    { hint: `Say it: --map ${field}=${column}:ms (iso, s, ms, us, ns).` },
  )
}

function cellReader(places: readonly number[]) {
  const [place = -1] = places
  if (places.length === 1) return (cells: NonNullable<FileRow['cells']>) => cells[place]
  return (cells: NonNullable<FileRow['cells']>) => {
    const texts = places.map(at => cells[at])
    return texts.some(text => text === undefined) ? undefined : texts.join(' ')
  }
}

const WORDS = {
  number: 'number',
  id: 'id',
  text: 'text',
  texts: 'list',
  time: 'time',
  boolean: 'yes or no',
} as const

const SIDES: Readonly<Record<string, 'buy' | 'sell' | ''>> = {
  ...{ buy: 'buy', b: 'buy', bid: 'buy', '1': 'buy', sell: 'sell', s: 'sell', ask: 'sell' },
  ...{ a: 'sell', '-1': 'sell', n: '', none: '', '0': '' },
}

const NUMERAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i

function valueIn(cell: string | readonly string[], form: keyof typeof WORDS): unknown {
  if (form === 'texts') return typeof cell === 'string' ? listIn(cell) : cell
  const text = String(cell).trim()
  if (form === 'text') return text
  if (form === 'number') return NUMERAL.test(text) ? Number(text) : undefined
  if (/^-?\d+(?:\.0)?$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  return text
}

/** `@,F`, `@ F`, `["@","F"]`. */
function listIn(text: string): readonly string[] {
  if (text.startsWith('[')) {
    try {
      const value: unknown = JSON.parse(text)
      if (Array.isArray(value)) return value.map(String)
    } catch {
      // Not JSON: read as the plain list it then is.
    }
  }
  return text
    .replace(/^\[|\]$/g, '')
    .split(/[\s,;|]+/)
    .filter(one => one !== '')
}

function shown(cell: string | readonly string[]): string {
  const text = String(cell)
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}
