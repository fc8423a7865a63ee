import fc from 'fast-check'
import { BarBuilder } from '../../src/derive/bars.ts'
import type { BarOptions, FinalBar, FormingBar } from '../../src/derive/bars-options.ts'
import {
  type Cancel,
  type Correction,
  createEvent,
  type MarketEvent,
  type Trade,
} from '../../src/market/events.ts'

/** 14:30 UTC on a Tuesday: New York opens. */
export const OPEN = Date.UTC(2024, 0, 16, 14, 30)

let nextId = 1

/** A trade at so many ms behind the opening. */
export function trade(
  at: number,
  price: number,
  size = 100,
  more: Partial<Omit<Trade, 'type'>> = {},
): Trade {
  const timestamp = OPEN + at
  return createEvent({
    ...{ type: 'trade', symbol: 'SPY', source: 'test', timestamp, receivedAt: timestamp + 5 },
    ...{ price, size, id: nextId++, exchange: 'V', conditions: ['@'], tape: 'C' },
    ...more,
  })
}

export function cancel({ symbol, source, id, exchange, price, size }: Trade, at: number): Cancel {
  const timestamp = OPEN + at
  return createEvent({
    ...{ type: 'cancel', symbol, source, timestamp, id, exchange, price, size, action: 'cancel' },
  })
}

export function correction(
  trade: Trade,
  at: number,
  price: number,
  size = trade.size,
  right = trade.conditions,
): Correction {
  const { symbol, source, exchange, conditions, tape } = trade
  return createEvent({
    ...{ type: 'correction', symbol, source, timestamp: OPEN + at, exchange, tape },
    ...{ originalId: trade.id, originalPrice: trade.price, originalSize: trade.size },
    ...{ originalConditions: conditions, id: nextId++, price, size, conditions: right },
  })
}

export interface Built {
  readonly builder: BarBuilder
  readonly finals: FinalBar[]
  readonly forming: FormingBar[]
  /** The last revision of each, by time. */
  last(interval?: string): FinalBar[]
}

export function build(
  options: BarOptions,
  events: readonly MarketEvent[] = [],
  forms = false,
): Built {
  const finals: FinalBar[] = []
  const forming: FormingBar[] = []
  const builder = new BarBuilder(options, {
    final: bar => finals.push(bar),
    ...(forms && { forming: (bar: FormingBar) => forming.push(bar) }),
  })
  builder.append(events)
  const last = (interval?: string) => {
    const newest = new Map<string, FinalBar>()
    for (const bar of finals) {
      if (interval !== undefined && bar.interval !== interval) continue
      newest.set(`${bar.symbol} ${bar.interval} ${bar.timestamp}.${bar.nanos}`, bar)
    }
    return [...newest.values()].sort((a, b) => a.timestamp - b.timestamp || a.nanos - b.nanos)
  }
  return { builder, finals, forming, last }
}

/** What is compared of a bar. */
export function said({ timestamp, open, high, low, close, volume, tradeCount }: FinalBar) {
  return { timestamp, open, high, low, close, volume, tradeCount }
}

const CONDITIONS = ['@', '@', '@', 'I', 'F', 'T', 'Z', 'M', 'C', '4', 'X', '9']

/** Trades of some seconds with whole prices and sizes, as they are known to each other's corrections and cancels. */
export const market = fc
  .array(
    fc.record({
      at: fc.integer({ min: 0, max: 12_000 }),
      nanos: fc.constantFrom(0, 1, 999_999),
      price: fc.integer({ min: 90, max: 110 }),
      size: fc.integer({ min: 1, max: 300 }),
      exchange: fc.constantFrom('V', 'Q', 'D'),
      conditions: fc.uniqueArray(fc.constantFrom(...CONDITIONS), { maxLength: 2 }),
      lateBy: fc.constantFrom(0, 0, 0, 0, 700, 5_000),
      fix: fc.constantFrom(...(['none', 'none', 'none', 'none', 'cancel', 'correct'] as const)),
      right: fc.option(fc.uniqueArray(fc.constantFrom(...CONDITIONS), { maxLength: 2 })),
      fixAfter: fc.integer({ min: -500, max: 6_000 }),
    }),
    { maxLength: 60 },
  )
  .map(records => {
    const events = records.flatMap((record, index): MarketEvent[] => {
      const { at, nanos, price, size, exchange, conditions, lateBy, fix, fixAfter } = record
      const rightConditions = record.right ?? conditions
      const receivedAt = OPEN + at + lateBy
      const one = trade(at, price, size, { nanos, exchange, conditions, id: index + 1, receivedAt })
      const told = { receivedAt: Math.max(OPEN, receivedAt + fixAfter) }
      if (fix === 'cancel') return [one, createEvent({ ...cancel(one, at), ...told })]
      if (fix === 'none') return [one]
      const right = correction(one, at, price + 1, size + 7, rightConditions)
      return [one, createEvent({ ...right, ...told, id: 10_000 + index })]
    })
    return events.sort((a, b) => a.receivedAt - b.receivedAt)
  })
