import { EVENT_TYPES, type EventType, KINDS } from './events.ts'

type FieldName = (typeof KINDS)[EventType]['fields'][number]

/**
 * How each field is written. Prices are written relative to the last one of the symbol, moments to the time of the
 * event, ids to the last one. Words and lists go by their number in a dictionary; what is said once (text, texts)
 * stands in place. The tape stands in the head of an event.
 */
const FORMS = {
  price: 'price',
  size: 'number',
  id: 'id',
  exchange: 'word',
  conditions: 'list',
  tape: 'tape',
  side: 'word',
  bid: 'price',
  bidSize: 'number',
  ask: 'price',
  askSize: 'number',
  bidExchange: 'word',
  askExchange: 'word',
  last: 'price',
  lastSize: 'number',
  lastTime: 'moment',
  open: 'price',
  high: 'price',
  low: 'price',
  previousClose: 'price',
  change: 'number',
  changePercent: 'number',
  volume: 'number',
  vwap: 'number',
  name: 'word',
  openInterest: 'number',
  mark: 'price',
  value: 'price',
  interval: 'word',
  close: 'price',
  tradeCount: 'number',
  final: 'boolean',
  revision: 'number',
  adjustment: 'word',
  bids: 'levels',
  asks: 'levels',
  snapshot: 'boolean',
  sequence: 'id',
  checksum: 'number',
  statusCode: 'word',
  statusMessage: 'text',
  reasonCode: 'word',
  reasonMessage: 'text',
  limitUp: 'price',
  limitDown: 'price',
  indicator: 'word',
  pairedSize: 'number',
  auction: 'word',
  originalId: 'id',
  originalPrice: 'price',
  originalSize: 'number',
  originalConditions: 'list',
  action: 'word',
  headline: 'text',
  symbols: 'texts',
  summary: 'text',
  content: 'text',
  author: 'text',
  url: 'text',
  publisher: 'word',
  createdAt: 'moment',
  notice: 'word',
  message: 'text',
  code: 'word',
  kind: 'word',
  from: 'number',
  to: 'number',
  count: 'number',
} as const satisfies Record<FieldName, string>

export type FieldForm = (typeof FORMS)[FieldName]

export interface Field {
  readonly name: string
  readonly form: FieldForm
}

export interface KindPlan {
  readonly type: EventType
  readonly make: new (...values: unknown[]) => object
  readonly fields: readonly Field[]
  readonly hasTape: boolean
}

/**
 * The kinds by their number in a block, which is their place in KINDS, and so are the numbers of fields: blocks that
 * are stored hold both, so KINDS may grow at its ends only.
 */
export const PLANS: readonly KindPlan[] = EVENT_TYPES.map(type => {
  const { make, fields } = KINDS[type]
  return {
    type,
    make: make as unknown as KindPlan['make'],
    fields: fields.map(name => ({ name, form: FORMS[name] })),
    hasTape: fields.some(name => name === 'tape'),
  }
})

export const NUMBER_OF: ReadonlyMap<EventType, number> = new Map(
  EVENT_TYPES.map((type, number) => [type, number]),
)

/** The places blocks have for each sort of value. Rows have one for all, columns one each. */
export interface Streams<T> {
  readonly control: T
  readonly shape: T
  readonly head: T
  readonly time: T
  readonly received: T
  readonly price: T
  readonly size: T
  readonly id: T
  readonly word: T
  readonly list: T
  readonly rest: T
}

/** Calls `make` in the order that columns are stored in. */
export function makeStreams<T>(make: () => T): Streams<T> {
  return {
    control: make(),
    shape: make(),
    head: make(),
    time: make(),
    received: make(),
    price: make(),
    size: make(),
    id: make(),
    word: make(),
    list: make(),
    rest: make(),
  }
}

/** Kinds with a form of their own. */
export const TRADE = 0
export const QUOTE = 1
export const BAR = EVENT_TYPES.indexOf('bar')

/** `control`: the kind in its low half, how the time is written, how the receipt is. */
export const KIND_BITS = 15
export const TIME_SHIFT = 4
export const RECEIVED_SHIFT = 6

/** The same time as before; whole ms; in nanoseconds; in full. */
export const TIME = { same: 0, ms: 1, ns: 2, full: 3 } as const
/** The same receipt as before; steps of 2^-12 ms, which is what doubles have for today; the event's time; in full. */
export const RECEIVED = { same: 0, steps: 1, time: 2, full: 3 } as const
export const STEPS_PER_MS = 4_096
/** Time in nanoseconds reaches this far. */
export const NS_REACH_MS = 1_000

/** `shape` of a trade. */
export const TRADE_SHAPE = {
  fullPrice: 1,
  fullSize: 2,
  /** Two bits: an id of {@link ID}. */
  idShift: 2,
  /** Two bits: none, buy, sell. */
  sideShift: 4,
  exchange: 64,
  conditions: 128,
} as const
/** No id; relative to the last one; text; in full. */
export const ID = { none: 0, step: 1, text: 2, full: 3 } as const
export const SIDES = [undefined, 'buy', 'sell'] as const

/** `shape` of a quote. */
export const QUOTE_SHAPE = {
  bid: 1,
  fullBid: 2,
  ask: 4,
  fullAsk: 8,
  fullBidSize: 16,
  fullAskSize: 32,
  exchanges: 64,
  conditions: 128,
} as const
/** For the exchange that is absent where the other is there. */
export const NO_WORD = 0

/** Sizes are often round lots: whole ones are written in hundreds where they can be. */
export const LOT = 100
export const SIZE_END = 2 ** 29

/** Whether the next time may be told relative to this one. */
export function isMoment(timestamp: number, nanos: number): boolean {
  return (
    Number.isSafeInteger(timestamp) && Number.isInteger(nanos) && nanos >= 0 && nanos < 1_000_000
  )
}

/** What moments of an event are relative to. */
export function momentOf(timestamp: number): number {
  return Number.isSafeInteger(timestamp) ? timestamp + 0 : 0
}

/** What numbers are relative to, by slot of the head; forgotten at the start of a block. */
export class HeadStates {
  block = new Int32Array(64)
  scale = new Uint8Array(64)
  mantissa = new Float64Array(64)
  id = new Float64Array(64)
  #now = 0

  startBlock(): void {
    this.#now = (this.#now + 1) | 0
  }

  /** Makes the numbers of a slot ready, which are those of its head when the block has none yet. */
  enter(slot: number, scale: number, mantissa: number): void {
    if (slot >= this.block.length) this.#grow(slot)
    if (this.block[slot] === this.#now) return
    this.block[slot] = this.#now
    this.scale[slot] = scale
    this.mantissa[slot] = mantissa
    this.id[slot] = 0
  }

  #grow(slot: number): void {
    const length = Math.max(slot + 1, this.block.length * 2)
    const grown = <T extends Int32Array | Uint8Array | Float64Array>(from: T, into: T): T => {
      into.set(from)
      return into
    }
    this.block = grown(this.block, new Int32Array(length))
    this.scale = grown(this.scale, new Uint8Array(length))
    this.mantissa = grown(this.mantissa, new Float64Array(length))
    this.id = grown(this.id, new Float64Array(length))
  }
}
