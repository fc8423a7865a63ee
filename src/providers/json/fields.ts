import {
  createEvent,
  type EventFields,
  type Level,
  type MarketEvent,
  type Side,
  type TradeId,
} from '../../market/events.ts'
import { LAST_MS, type Moment, parseTime } from '../../market/time.ts'
import type { FlagField, LevelsField, NumberField, Rule, TextField, TimeField } from './config.ts'
import { fits, type Reading, reading } from './parse.ts'

/** Why a record is no event. */
export class Unfit extends Error {}

export interface RecordContext {
  readonly source: string
  readonly flags: number
  readonly receivedAt: number
  /** The canonical symbol of one as the venue writes it; `undefined` for what is none. */
  symbol(text: string): string | undefined
}

/** The symbol of a record. @throws Unfit */
export function symbolOf(read: Reading, rule: Rule, context: RecordContext): string {
  const said = textAt(read, rule.symbol)
  const symbol = said === undefined ? undefined : context.symbol(said)
  if (symbol === undefined) throw new Unfit(`no symbol at ${pathOf(rule.symbol)}`)
  return symbol
}

/** The event a record stands for. @throws Unfit */
export function eventOf(
  read: Reading,
  rule: Rule,
  symbol: string,
  context: RecordContext,
): MarketEvent {
  const { source, flags, receivedAt } = context
  const moment = rule.time === undefined ? undefined : momentAt(read, rule.time)
  if (rule.time !== undefined && !moment) throw new Unfit(`no time at ${pathOf(rule.time)}`)
  const { timestamp, nanos } = moment ?? { timestamp: Math.floor(receivedAt), nanos: 0 }
  const own = ownFields(read, rule)
  const fields = { type: rule.kind, symbol, source, flags, receivedAt, timestamp, nanos, ...own }
  return createEvent(fields as EventFields)
}

function ownFields(read: Reading, rule: Rule): object {
  switch (rule.kind) {
    case 'trade': {
      const { price, size, id, exchange, side } = rule.fields
      return {
        ...{ price: needed(read, price, 'price'), size: needed(read, size, 'size') },
        id: id && idAt(read, id),
        exchange: exchange && textAt(read, exchange),
        side: side && sideOf(textAt(read, side)),
      }
    }
    case 'bar': {
      const { open, high, low, close, volume, vwap, tradeCount, final } = rule.fields
      return {
        ...{ interval: rule.interval, revision: 0, final: flagAt(read, final) },
        ...{ open: needed(read, open, 'open'), high: needed(read, high, 'high') },
        ...{ low: needed(read, low, 'low'), close: needed(read, close, 'close') },
        volume: needed(read, volume, 'volume'),
        vwap: vwap && numberAt(read, vwap),
        tradeCount: tradeCount && numberAt(read, tradeCount),
      }
    }
    case 'book': {
      const { bids, asks, levels, snapshot, sequence } = rule.fields
      const places = [bids, asks, levels].flatMap(field => field?.path ?? [])
      // A snapshot of nothing would empty the book; one with an empty list means to.
      if (places.every(path => (read(path) ?? null) === null)) {
        throw new Unfit(`no levels at ${places.join(', ')}`)
      }
      const mixed = levels ? sidesAt(read, levels) : { bids: [], asks: [] }
      return {
        bids: [...mixed.bids, ...(bids ? levelsAt(read, bids) : [])],
        asks: [...mixed.asks, ...(asks ? levelsAt(read, asks) : [])],
        snapshot: flagAt(read, snapshot),
        sequence: sequence && numberAt(read, sequence),
      }
    }
    case 'status': {
      const { statusCode, statusMessage } = rule.fields
      const code = textAt(read, statusCode)
      if (code === undefined) throw new Unfit(`no statusCode at ${pathOf(statusCode)}`)
      return {
        statusCode: code,
        statusMessage: statusMessage && textAt(read, statusMessage),
      }
    }
    default:
      return plainFields(read, rule.fields)
  }
}

/** Quotes and tickers: whatever is there, at least one of it. */
function plainFields(
  read: Reading,
  fields: Readonly<Record<string, NumberField | TextField | TimeField | undefined>>,
): object {
  const found: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(fields)) {
    if (field === undefined) continue
    const value =
      name === 'name' || name.endsWith('Exchange')
        ? textAt(read, field as TextField)
        : name === 'lastTime'
          ? momentAt(read, field as TimeField)?.timestamp
          : numberAt(read, field as NumberField)
    if (value !== undefined) found[name] = value
  }
  if (Object.keys(found).length > 0) return found
  throw new Unfit(`nothing at ${Object.values(fields).map(pathOf).join(', ')}`)
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

/** A number, also as text; `undefined` when there is none. @throws Unfit for what is there and no number */
function numberAt(read: Reading, field: NumberField): number | undefined {
  const { path, scale, zero, ...rest } =
    typeof field === 'string' ? { path: field, scale: 1, zero: undefined } : field
  const said = read(path)
  if (said === undefined || said === null || said === '') {
    return 'default' in rest ? rest.default : undefined
  }
  const number = typeof said === 'string' && DECIMAL.test(said.trim()) ? Number(said) : said
  if (typeof number !== 'number' || !Number.isFinite(number)) {
    throw new Unfit(`not a number at ${path}: ${JSON.stringify(said)?.slice(0, 50)}`)
  }
  return number === 0 && zero ? undefined : scale === 1 ? number : scaled(number, scale)
}

/** 12.34 × 100 is 1234, not 1233.9999999999998: the shortest number that differs by rounding only. */
function scaled(number: number, scale: number): number {
  return Number((number * scale).toPrecision(15))
}

function needed(read: Reading, field: NumberField, name: string): number {
  const number = numberAt(read, field)
  if (number === undefined) throw new Unfit(`no ${name} at ${pathOf(field)}`)
  return number
}

function textAt(read: Reading, field: TextField): string | undefined {
  const { path, map, ...rest } = typeof field === 'string' ? { path: field, map: undefined } : field
  const said = read(path)
  if (said === undefined || said === null || said === '') {
    return 'default' in rest ? rest.default : undefined
  }
  if (typeof said === 'object') throw new Unfit(`not a text at ${path}`)
  const text = String(said)
  return map && Object.hasOwn(map, text) ? map[text] : text
}

/** Whole numbers stay numbers as long as they are exact; longer ones have come as text. */
function idAt(read: Reading, field: TextField): TradeId | undefined {
  const said = read(typeof field === 'string' ? field : field.path)
  return Number.isSafeInteger(said) ? (said as number) : textAt(read, field)
}

const UNIT_NANOS = { s: 1_000_000_000n, ms: 1_000_000n, us: 1_000n, ns: 1n } as const

function momentAt(read: Reading, field: TimeField): Moment | undefined {
  const { path, unit } = typeof field === 'string' ? { path: field, unit: 'ms' as const } : field
  const said = read(path)
  if (said === undefined || said === null) return undefined
  const text = String(said)
  if (unit === 'iso') {
    const moment = parseTime(text)
    if (!moment) throw new Unfit(`not a time (RFC 3339) at ${path}: ${text.slice(0, 50)}`)
    return moment
  }
  const [, whole, fraction = ''] = /^(\d{1,20})(?:\.(\d+))?$/.exec(text) ?? []
  if (whole === undefined) throw new Unfit(`not a time (${unit}) at ${path}: ${text.slice(0, 50)}`)
  const per = UNIT_NANOS[unit]
  const digits = String(per).length - 1
  const below = digits === 0 ? 0n : BigInt(fraction.padEnd(digits, '0').slice(0, digits))
  const nanos = BigInt(whole) * per + below
  const timestamp = Number(nanos / 1_000_000n)
  if (timestamp > LAST_MS) {
    throw new Unfit(`${text} at ${path} is no time in ${unit}: another unit is meant`)
  }
  return { timestamp, nanos: Number(nanos % 1_000_000n) }
}

const flagAt = (read: Reading, flag: FlagField) =>
  typeof flag === 'boolean' ? flag : fits(read, flag.when)

function listAt(read: Reading, path: string): readonly unknown[] {
  const list = read(path)
  if (list === undefined || list === null) return []
  if (!Array.isArray(list)) throw new Unfit(`not a list at ${path}`)
  return list
}

function levelsAt(read: Reading, { path, price, size }: LevelsField): Level[] {
  return listAt(read, path).map(level => levelOf(reading(level), price, size))
}

const levelOf = (read: Reading, price: string, size: string): Level => [
  needed(read, price, 'price'),
  needed(read, size, 'size'),
]

function sidesAt(read: Reading, field: LevelsField): { bids: Level[]; asks: Level[] } {
  const [bids, asks]: [Level[], Level[]] = [[], []]
  for (const one of listAt(read, field.path)) {
    const level = reading(one)
    const side = sideOf(textAt(level, field.side ?? 'side'))
    if (!side) throw new Unfit(`a level without a side at ${field.path}`)
    const entry = levelOf(level, field.price, field.size)
    if (side === 'buy') bids.push(entry)
    else asks.push(entry)
  }
  return { bids, asks }
}

const BUY = new Set(['b', 'buy', 'bid', 'bids'])
const SELL = new Set(['s', 'sell', 'a', 'ask', 'asks', 'offer'])

function sideOf(text = ''): Side | undefined {
  const word = text.toLowerCase()
  return BUY.has(word) ? 'buy' : SELL.has(word) ? 'sell' : undefined
}

/** Where a field looks. */
export const pathOf = (field: NumberField | TextField | TimeField | undefined) =>
  typeof field === 'string' ? field : field?.path
