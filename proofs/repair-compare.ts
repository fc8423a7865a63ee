import { BarBuilder } from '../src/derive/bars.ts'
import { compareBars } from '../src/derive/bars-compare.ts'
import { BAR_DEFAULTS, type FinalBar } from '../src/derive/bars-options.ts'
import {
  type Bar,
  createEvent,
  hasFlag,
  type MarketEvent,
  type Notice,
} from '../src/market/events.ts'
import type { Sent } from './repair-market.ts'

export interface Terms {
  readonly maxHoldMs: number
  readonly overlapMs: number
  /** Whether history was taken away for good: then holes may stay, where that is said. */
  readonly deprived: boolean
  /** Whether the venue's own frames came in order. */
  readonly ordered: boolean
  /** What is taken from the bars built of the recording: that they are revised, or that they know of holes. */
  readonly without?: BarMutation | undefined
}

export const BAR_MUTATIONS = ['revise', 'holes'] as const
export type BarMutation = (typeof BAR_MUTATIONS)[number]

/** Compares what was recorded with what the venue sent; returns what is not as it should be. */
export function compare(
  truth: readonly Sent[],
  tape: readonly MarketEvent[],
  terms: Terms,
): string[] {
  const faults: string[] = []
  const said = tape.flatMap((event, at) => (event.type === 'notice' ? [{ event, at }] : []))
  const notices = said.map(({ event }) => event)
  const unrepaired = notices.filter(({ notice }) => notice === 'unrepaired')
  const stays = unrepaired.find(one => !isTakenAgain(one, notices))
  if (!terms.deprived && stays) faults.push(`unrepaired: ${stays.message}`)
  const wanted = byTopic(truth, ({ event }) => event)
  const got = byTopic(
    tape.map((event, at) => ({ event, at })).filter(({ event }) => event.type !== 'notice'),
    ({ event }) => event,
  )
  let isWhole = true
  for (const [topic, sent] of wanted) {
    const came = got.get(topic) ?? []
    if (!terms.deprived) faults.push(...outdated(topic, sent, came))
    const counts = new Map<string, number>()
    for (const { event } of came) add(counts, keyOf(event), 1)
    const missing = sent.filter(({ event }) => add(counts, keyOf(event), -1) < 0)
    const lost = missing.filter(one => !isExcused(one, unrepaired, terms, truth))
    const extra = [...counts].filter(([, count]) => count > 0)
    if (missing.length + extra.length > 0) isWhole = false
    if (lost.length > 0) {
      const { event, at } = lost[0]!
      const when = `${(event.timestamp % 1e6) / 1e3}, sent ${(at % 1e6) / 1e3}`
      faults.push(`${topic}: ${lost.length} of ${sent.length} missing, first at ${when}`)
    }
    if (extra.length > 0) faults.push(`${topic}: ${extra.length} too many, first ${extra[0]![0]}`)
    if (lost.length + extra.length > 0) continue
    const [a, b] = [sent, came].map(list => list.map(({ event }) => event).sort(byPlace))
    // Those that are excused are missing.
    if (missing.length === 0 && a!.some((event, i) => keyOf(event) !== keyOf(b![i]!))) {
      faults.push(`${topic}: another order`)
    }
    if (terms.ordered) faults.push(...misplaced(topic, sent, came, said, terms))
  }
  for (const topic of got.keys()) if (!wanted.has(topic)) faults.push(`${topic} was never sent`)
  if (isWhole) faults.push(...differentBars(truth, tape, terms.without))
  return faults
}

/**
 * Whether a hole was given up only because the venue refused its symbol for long, and is told to be filled since: when it
 * was taken again.
 */
function isTakenAgain(stays: Notice, notices: readonly Notice[]): boolean {
  if (!stays.message.includes('stays: the venue refuses it')) return false
  const { kind, symbol } = stays
  return notices
    .slice(notices.indexOf(stays))
    .some(one => one.notice === 'repaired' && one.kind === kind && one.symbol === symbol)
}

/** Bars whose last form on the tape is not the venue's last. */
function outdated(topic: string, sent: readonly Sent[], came: readonly Came[]): string[] {
  const lastOf = (list: readonly { readonly event: MarketEvent }[]) =>
    new Map(list.flatMap(({ event }) => (event.type === 'bar' ? [[event.timestamp, event]] : [])))
  const said = lastOf(came)
  const wrong = [...lastOf(sent)].filter(([at, event]) => {
    const last = said.get(at)
    return last !== undefined && keyOf(last) !== keyOf(event)
  })
  return wrong.length > 0 ? [`${topic}: ${wrong.length} bars are not as they were last`] : []
}

/** Bars built from what was recorded, holes filled late and all, must end up as those of what was sent. */
function differentBars(
  truth: readonly Sent[],
  tape: readonly MarketEvent[],
  without: BarMutation | undefined,
): string[] {
  // Whatever the source is called: bars of two are two.
  const sent = truth.map(({ event, at }) => createEvent({ ...event, source: '', receivedAt: at }))
  const theirs = barsOf(sent, BAR_DEFAULTS.reviseMs).finals
  return MEMORIES.flatMap(memory => {
    const known = without === 'holes' ? tape.filter(({ type }) => type !== 'notice') : tape
    return notThose(theirs, barsOf(known, without === 'revise' ? 0 : memory), memory)
  })
}

/** What of the bars built of the recording is not as it should be. */
function notThose(theirs: readonly FinalBar[], ours: Built, memory: number): string[] {
  const { bars, differences } = compareBars(ours.finals, theirs)
  const [first] = differences
  if (!first) return bars > 0 ? [] : ['no bar could be built']
  const { symbol, interval, timestamp, field } = first
  const where = `${symbol} ${interval} at ${(timestamp % 1e6) / 1e3}: ${field} ${first.ours}, not ${first.theirs}`
  const late = `${ours.late} came too late for bars kept ${memory / 1_000} s`
  return [`${differences.length} fields of bars differ, ${late}, first ${where}`]
}

/**
 * How long bars are kept, ms: as everybody has them, and little longer than trades are reported late, so that whatever is
 * filled in later depends on what is told of holes.
 */
const MEMORIES = [BAR_DEFAULTS.reviseMs, 32_000] as const

interface Built {
  readonly finals: readonly FinalBar[]
  /** Events that changed no bar, counted for each size. */
  readonly late: number
}

function barsOf(events: readonly MarketEvent[], reviseMs: number): Built {
  const finals: FinalBar[] = []
  const options = { interval: ['1s', '1m'], reviseMs } as const
  const builder = new BarBuilder(options, { final: bar => finals.push(bar) })
  for (const event of events) if (event.type !== 'bar') builder.accept(event)
  builder.advance(builder.now + 10 * 60_000)
  const { tooLate, unmatched } = builder.stats()
  return { finals, late: tooLate + unmatched }
}

interface Came {
  readonly event: MarketEvent
  /** Index on the tape. */
  readonly at: number
}

/** Events that came behind later ones although the policy `hold` promises otherwise. */
function misplaced(
  topic: string,
  sent: readonly Sent[],
  came: readonly Came[],
  said: readonly { readonly event: Notice; readonly at: number }[],
  { maxHoldMs }: Terms,
): string[] {
  // Late reports have no place of their own; neither have corrections and cancels, which history dates by their trade.
  const places = new Map<string, { readonly rank: number; readonly at: number }>()
  let [latest, rank] = [undefined as MarketEvent | undefined, 0]
  for (const { event, at } of sent) {
    if (event.type === 'correction' || event.type === 'cancel') return []
    const later = latest ? byTime(event, latest) : 1
    if (later < 0) continue
    // History has an order of its own for what happened at one time.
    if (later > 0) rank++
    latest = event
    places.set(keyOf(event), { rank, at })
  }
  const passed: { readonly rank: number; readonly at: number; readonly receivedAt: number }[] = []
  let most = 0
  for (const { event, at } of came) {
    const place = places.get(keyOf(event))
    if (!place) continue
    if (place.rank >= most) {
      most = place.rank
      passed.push({ rank: place.rank, at, receivedAt: event.receivedAt })
      continue
    }
    if (!hasFlag(event, 'repaired')) return [`${topic}: a live event came behind a later one`]
    // The hole it was in began to be filled after it was sent, and was closed at the next word of that.
    const concerns = ({ kind, symbol }: Notice) => kind === event.type && symbol === event.symbol
    const words = said.filter(one => concerns(one.event))
    const closed = words.find(one => one.event.notice === 'repaired' && one.at > at)
    const gaps = words.filter(one => one.event.notice === 'gap' && one.at < at)
    const begun = gaps.find(one => one.event.receivedAt >= place.at) ?? gaps.at(-1)
    if (!closed || !begun) continue
    if (closed.event.receivedAt - begun.event.receivedAt >= maxHoldMs) continue
    // What was delivered before the hole was known of cannot be helped, and nothing waits longer than it may: what an
    // earlier break had kept back already is due sooner.
    const due = closed.event.receivedAt - maxHoldMs
    const early = (one: (typeof passed)[number]) =>
      one.rank > place.rank && one.at > begun.at && one.at < at && one.receivedAt > due
    if (!passed.some(early)) continue
    const when = (event.timestamp % 1e6) / 1e3
    return [`${topic}: what was missed at ${when} came behind live events that could have waited`]
  }
  return []
}

/** Whether an event may be missing: said to be, or put right so late that no repair looks that far back. */
function isExcused(
  { event, at }: Sent,
  unrepaired: readonly Notice[],
  { overlapMs, deprived }: Terms,
  truth: readonly Sent[],
): boolean {
  const kind = event.type === 'correction' || event.type === 'cancel' ? 'trade' : event.type
  if (kind !== event.type && at - tradeOf(event, truth) > overlapMs) return true
  // History has a bar only as it was put right.
  if (event.type === 'bar' && isRevised(event, truth)) return true
  return (
    deprived &&
    unrepaired.some(
      one =>
        one.kind === kind && one.symbol === event.symbol && at >= one.from! - 1 && at <= one.to!,
    )
  )
}

function isRevised({ symbol, timestamp, revision }: Bar, truth: readonly Sent[]): boolean {
  return truth.some(
    ({ event: one }) =>
      one.type === 'bar' &&
      one.symbol === symbol &&
      one.timestamp === timestamp &&
      one.revision > revision,
  )
}

/** The time of the trade that is put right. */
function tradeOf(event: MarketEvent, truth: readonly Sent[]): number {
  const id = event.type === 'correction' ? event.originalId : event.type === 'cancel' && event.id
  const trade = truth.find(
    ({ event: one }) =>
      one.type === 'trade' &&
      one.symbol === event.symbol &&
      one.id === id &&
      one.exchange === (event as { exchange?: string }).exchange,
  )
  return trade?.event.timestamp ?? 0
}

function byTopic<T>(list: readonly T[], eventOf: (one: T) => MarketEvent): Map<string, T[]> {
  const topics = new Map<string, T[]>()
  for (const one of list) {
    const { symbol, type } = eventOf(one)
    const key = `${symbol} ${type}s`
    const held = topics.get(key)
    if (held) held.push(one)
    else topics.set(key, [one])
  }
  return topics
}

const keys = new WeakMap<MarketEvent, string>()

/**
 * What the venue says of an event. History does not say when a trade was put right, nor whether a cancel was an error:
 * these are left out.
 */
function keyOf(event: MarketEvent): string {
  const known = keys.get(event)
  if (known !== undefined) return known
  const text = said(event)
  keys.set(event, text)
  return text
}

function said(event: MarketEvent): string {
  const { timestamp, nanos } = event
  switch (event.type) {
    case 'trade': {
      const { price, size, id, exchange, conditions, tape } = event
      return `${timestamp}.${nanos} ${price} ${size} ${id} ${exchange} ${conditions} ${tape}`
    }
    case 'quote': {
      const { bid, bidSize, ask, askSize, bidExchange, askExchange, conditions, tape } = event
      const sides = `${bid} ${bidSize} ${bidExchange} ${ask} ${askSize} ${askExchange}`
      return `${timestamp}.${nanos} ${sides} ${conditions} ${tape}`
    }
    default: {
      const { receivedAt: _receivedAt, seq: _seq, flags: _flags, source: _source, ...rest } = event
      // History says that bars are not adjusted, the stream says nothing of that; it does not say how often it put one right.
      if (event.type === 'bar') {
        return JSON.stringify({ ...rest, adjustment: undefined, revision: undefined })
      }
      return JSON.stringify({ ...rest, timestamp: 0, nanos: 0, action: undefined })
    }
  }
}

const byTime = (a: MarketEvent, b: MarketEvent) => a.timestamp - b.timestamp || a.nanos - b.nanos

/** (timestamp, nanos, exchange, id), and by all that is said where these are the same. */
function byPlace(a: MarketEvent, b: MarketEvent): number {
  const exact = a.type === 'correction' || a.type === 'cancel'
  const [x, y] = [placeOf(a), placeOf(b)]
  return (exact ? 0 : byTime(a, b)) || (x < y ? -1 : x > y ? 1 : 0)
}

function placeOf(event: MarketEvent): string {
  const { exchange = '', id = '' } = event as { exchange?: string; id?: string | number }
  return `${exchange}|${String(id).padStart(20, '0')}|${keyOf(event)}`
}

function add(counts: Map<string, number>, key: string, by: number): number {
  const count = (counts.get(key) ?? 0) + by
  counts.set(key, count)
  return count
}
