import { TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import type { EventType } from '../market/events.ts'
import { TIME_UNITS, type TimeUnit } from './import-time.ts'

/** Kinds that can be made of columns somebody else has named; the others come from our own files alone. */
export const MAPPED_KINDS = ['trade', 'quote', 'bar', 'ticker'] as const
export type MappedKind = (typeof MAPPED_KINDS)[number]

/** What a field is made of. */
export interface Source {
  /** Columns; two of them are the day and the time of day. */
  readonly columns: readonly string[]
  /** Of times. @default told by the first values */
  readonly unit?: TimeUnit
  /** Guessed from the column's name, not said. */
  readonly guessed: boolean
}

/** Fields of events by the columns they are made of. */
export type Mapping = ReadonlyMap<string, Source>

type Form = 'number' | 'id' | 'text' | 'texts' | 'time' | 'boolean'

interface MappedField {
  readonly form: Form
  readonly required?: true
  /** What it is called elsewhere, letters and digits only; a single letter as it stands. */
  readonly names: string
}

const COMMON = {
  timestamp: {
    form: 'time',
    required: true,
    names:
      'timestamp time ts datetime date t dateandtime tsevent siptimestamp participanttimestamp transacttime tradetime tradetimestamp opentime windowstart eventtime timestampns timestampms timens timems timeus unixtime unix epoch',
  },
  symbol: { form: 'text', names: 'symbol ticker sym S instrument code pair symbolname' },
} as const satisfies Record<string, MappedField>

const FIELDS: Readonly<Record<MappedKind, Readonly<Record<string, MappedField>>>> = {
  trade: {
    price: {
      form: 'number',
      required: true,
      names: 'price px p last tradeprice rate lastprice',
    },
    size: {
      form: 'number',
      required: true,
      names: 'size qty quantity volume vol s amount shares tradesize lastsize v tradeqty',
    },
    id: { form: 'id', names: 'id tradeid i tid aggtradeid' },
    exchange: { form: 'text', names: 'exchange ex x venue exch publisher' },
    conditions: {
      form: 'texts',
      names: 'conditions condition cond c salecondition saleconditions',
    },
    tape: { form: 'text', names: 'tape z' },
    side: { form: 'text', names: 'side takerside aggressor' },
  },
  quote: {
    bid: { form: 'number', names: 'bid bidprice bp bidpx bestbid bidpx00 b' },
    bidSize: { form: 'number', names: 'bidsize bs bidqty bidvolume bidsz bidsz00 bestbidqty' },
    ask: { form: 'number', names: 'ask askprice ap askpx bestask askpx00 offer a' },
    askSize: {
      form: 'number',
      names: 'asksize as askqty askvolume asksz asksz00 bestaskqty offersize',
    },
    bidExchange: { form: 'text', names: 'bidexchange bx bidex' },
    askExchange: { form: 'text', names: 'askexchange ax askex' },
    conditions: { form: 'texts', names: 'conditions condition cond c' },
    tape: { form: 'text', names: 'tape z' },
  },
  bar: {
    open: { form: 'number', required: true, names: 'open o openprice' },
    high: { form: 'number', required: true, names: 'high h highprice' },
    low: { form: 'number', required: true, names: 'low l lowprice' },
    close: { form: 'number', required: true, names: 'close c closeprice' },
    volume: { form: 'number', required: true, names: 'volume v vol basevolume' },
    vwap: { form: 'number', names: 'vwap vw wap average' },
    tradeCount: {
      form: 'number',
      names: 'tradecount trades n count transactions numberoftrades numtrades',
    },
    interval: { form: 'text', names: 'interval timeframe' },
    adjustment: { form: 'text', names: 'adjustment' },
  },
  ticker: {
    last: { form: 'number', names: 'last price px lastprice close ltp' },
    lastSize: { form: 'number', names: 'lastsize size' },
    open: { form: 'number', names: 'open o' },
    high: { form: 'number', names: 'high h' },
    low: { form: 'number', names: 'low l' },
    previousClose: { form: 'number', names: 'previousclose prevclose' },
    change: { form: 'number', names: 'change' },
    changePercent: { form: 'number', names: 'changepercent pctchange' },
    volume: { form: 'number', names: 'volume v vol' },
    vwap: { form: 'number', names: 'vwap' },
    bid: { form: 'number', names: 'bid bidprice' },
    ask: { form: 'number', names: 'ask askprice' },
    bidSize: { form: 'number', names: 'bidsize bidvolume' },
    askSize: { form: 'number', names: 'asksize askvolume' },
    name: { form: 'text', names: 'name' },
    openInterest: { form: 'number', names: 'openinterest oi' },
  },
}

/** All that can be mapped for a kind, `timestamp` and `symbol` first. */
export function mappedFields(kind: MappedKind): Readonly<Record<string, MappedField>> {
  return { ...COMMON, ...FIELDS[kind], ...EXTRA }
}

/** Only where they are named: other people's columns of these names mean other things. */
const EXTRA = {
  source: { form: 'text', names: '' },
  receivedAt: { form: 'time', names: '' },
} as const satisfies Record<string, MappedField>

/** A mapping as written: `price=px,timestamp=time:ns`, a day and a time as `timestamp=date+time`. @throws BAD_OPTION */
export function parseMapping(text: string): Map<string, Source> {
  const mapping = new Map<string, Source>()
  for (const part of text.split(',').filter(one => one.trim() !== '')) {
    const [, field, source] = /^\s*([A-Za-z]+)\s*=\s*(.+?)\s*$/.exec(part) ?? []
    if (field === undefined || source === undefined) {
      throw bad(part, 'Write FIELD=COLUMN, as in --map price=px,timestamp=time:ns.')
    }
    if (mapping.has(field)) throw bad(part, `${field} is named twice.`)
    const [, column = source, word] = /^(.+):([a-z]+)$/.exec(source) ?? []
    const unit = TIME_UNITS.find(one => one === word)
    const name = unit ? column : source
    const columns = name.split('+').map(one => one.trim())
    if (columns.includes('')) throw bad(part, 'A column has no name.')
    mapping.set(field, { columns, ...(unit && { unit }), guessed: false })
  }
  return mapping
}

const bad = (part: string, hint: string) =>
  new TickwireError('BAD_OPTION', `--map cannot be ${JSON.stringify(part)}`, { hint })

const plain = (name: string) =>
  name.length === 1 ? name : name.toLowerCase().replace(/[^a-z0-9]/g, '')

/**
 * What each field is made of: what was said, and where nothing was, columns of well-known names.
 * @throws BAD_OPTION for what is said of fields or columns that are not there, or where a needed field has no column
 */
export function completeMapping(
  kind: MappedKind,
  columns: readonly string[],
  said: Mapping,
  given: ReadonlySet<string>,
): Mapping {
  const fields = mappedFields(kind)
  const mapping = new Map(said)
  for (const [field, { columns: named }] of said) {
    if (!(field in fields)) {
      throw new TickwireError('BAD_OPTION', `a ${kind} has no field ${field}`, {
        hint: didYouMean(field, Object.keys(fields)),
      })
    }
    const lacking = named.find(name => !columns.includes(name))
    if (lacking !== undefined) {
      throw new TickwireError('BAD_OPTION', `there is no column ${JSON.stringify(lacking)}`, {
        hint: didYouMean(lacking, columns),
      })
    }
  }
  const free = () => {
    const used = new Set([...mapping.values()].flatMap(source => source.columns))
    return columns.filter(column => !used.has(column))
  }
  for (const [field, { names }] of Object.entries(fields)) {
    if (mapping.has(field) || given.has(field) || names === '') continue
    const found = names
      .split(' ')
      .map(name => free().find(column => plain(column) === name))
      .find(column => column !== undefined)
    if (found === undefined) continue
    const both = field === 'timestamp' ? dayAndTime(free()) : undefined
    mapping.set(field, { columns: both ?? [found], guessed: true })
  }
  const lacking = Object.entries(fields).find(
    ([field, { required }]) => required && !mapping.has(field) && !given.has(field),
  )
  if (lacking) throw unmapped(kind, lacking[0], columns)
  const some = Object.keys(FIELDS[kind]).filter(field => field !== 'interval' && field !== 'name')
  if (!some.some(field => mapping.has(field))) throw unmapped(kind, some[0]!, columns)
  return mapping
}

/** A column of days beside one of times of day. */
function dayAndTime(columns: readonly string[]): string[] | undefined {
  const day = columns.find(column => plain(column) === 'date' || plain(column) === 'day')
  const time = columns.find(column => plain(column) === 'time' || plain(column) === 'timeofday')
  return day !== undefined && time !== undefined ? [day, time] : undefined
}

function unmapped(kind: EventType, field: string, columns: readonly string[]): TickwireError {
  return new TickwireError('BAD_OPTION', `no column is known to be the ${field} of a ${kind}`, {
    hint: `Name it: --map ${field}=COLUMN. The columns are: ${columns.join(', ')}.`,
  })
}

/** `price ← px, timestamp ← time (ns, by its values); not used: foo`, for people. */
export function describeMapping(
  mapping: Mapping,
  columns: readonly string[],
  units: ReadonlyMap<string, TimeUnit>,
): string {
  const parts = [...mapping].map(([field, source]) => {
    const unit = units.get(field)
    const how = unit ? ` (${unit}${source.unit ? '' : ', by its values'})` : ''
    return `${field} ← ${source.columns.join(' + ')}${how}`
  })
  const used = new Set([...mapping.values()].flatMap(source => source.columns))
  const unused = columns.filter(column => !used.has(column))
  return parts.join(', ') + (unused.length > 0 ? `; not used: ${unused.join(', ')}` : '')
}
