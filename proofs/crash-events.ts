// Events whose every field follows from their counter, so that whoever has one can tell whether it is as it was made.
import {
  createEvent,
  fieldsOf,
  type MarketEvent,
  Trade,
  type TradeId,
} from '../src/market/events.ts'

/** Counters of one run of a writer begin at a multiple of this, plus one. */
export const GENERATION = 100_000_000

/** Runs of a writer number up to here; from here on they are batches from elsewhere. */
export const BATCHES = 50

const DAY_MS = 86_400_000
const BASE = Date.UTC(2024, 0, 16, 14, 30)
/** From one event to the next, by the venue's time: 2,400 make a day, so that a short run sees some of them end. */
const STEP_MS = 36_000
const SYMBOLS = Array.from({ length: 60 }, (_, i) => `SYM${i}`)
const EXCHANGES = ['V', 'P', 'Q', 'K'] as const
const CONDITIONS = [['@'], ['@', 'I'], ['@', 'F']] as const

/**
 * Mostly trades, some of them taken back, and now and then news that is long; some come days late. Each run begins three
 * days after the one before did, so the first of its events are of days that are over.
 */
export function eventOf(id: number): MarketEvent {
  const mix = scramble(id)
  const symbol = SYMBOLS[mix % SYMBOLS.length]!
  const generation = Math.floor(id / GENERATION)
  const day = generation < BATCHES ? generation * 3 : generation - BATCHES
  const time = BASE + day * DAY_MS + (id % GENERATION) * STEP_MS
  const receivedAt = time + (mix % 1_000) / 1_000
  const timestamp = time - ((mix >>> 20) % 50 === 0 ? (1 + (mix % 3)) * DAY_MS : 0)
  const exchange = EXCHANGES[mix % EXCHANGES.length]!
  const kind = (mix >>> 10) % 1_000
  const [price, size] = [1 + (mix % 60_000) / 100, 1 + (mix % 700)]
  if (kind < 920) {
    const conditions = CONDITIONS[mix % CONDITIONS.length]!
    return new Trade(
      ...([symbol, 'proof', timestamp, mix % 1_000_000, receivedAt, 8, price, size] as const),
      ...([id, exchange, conditions, 'A', undefined] as const),
    )
  }
  const head = { symbol, source: 'proof', timestamp, receivedAt, flags: 8 } as const
  if (kind < 998) {
    return createEvent({ type: 'cancel', ...head, id, price, size, action: 'error', exchange })
  }
  const content = `${mix} `.repeat(mix % 2_000)
  return createEvent({ type: 'news', ...head, id, headline: `${mix}`, symbols: [symbol], content })
}

/** Events of a batch from elsewhere that nothing else has. */
export const BATCH = 300

/** The counter of an event of a batch that comes from elsewhere. */
export function mergedId(batch: number, index: number): number {
  return (BATCHES + batch) * GENERATION + index + 1
}

/** The counter of an event of {@link eventOf}. */
export function idOf(event: MarketEvent): number | undefined {
  const { id } = event as { readonly id?: TradeId }
  return typeof id === 'number' ? id : undefined
}

/** Whether an event is as {@link eventOf} made it, but for its number on the tape. */
export function isAsMade(event: MarketEvent, id: number): boolean {
  const made = eventOf(id) as unknown as Readonly<Record<string, unknown>>
  const held = event as unknown as Readonly<Record<string, unknown>>
  return FIELDS[event.type]!.every(field => isEqual(held[field], made[field]))
}

const FIELDS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  (['trade', 'cancel', 'news'] as const).map(type => [
    type,
    fieldsOf(type).filter(field => field !== 'seq'),
  ]),
)

function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.join() === b.join()
}

function scramble(id: number): number {
  let mix = Math.imul((id ^ (id / 4_294_967_296)) + 0x9e3779b9, 0x85ebca6b)
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35)
  return (mix ^ (mix >>> 16)) >>> 0
}
