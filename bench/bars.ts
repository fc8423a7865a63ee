/**
 * Bars from trades, on top of decoding them: frames of eight trades of 500 symbols are decoded into a ring, and each trade
 * goes on to what is measured. What that costs is the difference to decoding alone, measured in turn in the same run.
 *
 * CPU time; one variant per process, medians over rounds. The market's time goes on from pass to pass, so that bars are
 * closed and let go as they are in a long run. The bars of every variant are compared with the plain way.
 */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { BarBuilder } from '../src/derive/bars.ts'
import type { FinalBar } from '../src/derive/bars-options.ts'
import { Dispatcher } from '../src/feed/dispatch.ts'
import { Duplicates } from '../src/feed/duplicates.ts'
import { createEvent, type Interval, type MarketEvent, type Trade } from '../src/market/events.ts'
import { JsonScanner } from '../src/providers/alpaca/scan-json.ts'
import { memoryTape } from '../src/tape/memory.ts'
import { naiveBars } from '../test/derive/naive-bars.ts'
import { jsonFrames, SYMBOLS, sampleEvents } from './data.ts'
import { median, type Row, report, spread } from './table.ts'

const RING = 4_096
const PER_FRAME = 8
/** Events of all kinds that the trades of a pass are picked from. */
const EVENTS = 163_840
/** Passes before it counts, and that count. */
const WARM = 40
const PASSES = 60

const VARIANTS = ['decode', 'minute', 'three', 'ticks', 'path'] as const
type Variant = (typeof VARIANTS)[number]

const INTERVALS: { readonly [variant in Variant]: readonly Interval[] } = {
  ...{ decode: [], minute: ['1m'], three: ['1s', '1m', '1d'], ticks: ['500t'], path: ['1m'] },
}
const TITLES: { readonly [variant in Variant]: string } = {
  decode: 'JSON scanner',
  minute: 'bars of 1 m',
  three: 'bars of 1 s, 1 m and 1 d together',
  ticks: 'bars of 500 trades',
  path: 'repeats, dispatch, bars of 1 m, memory tape',
}
/** Most that the whole path may take on top of decoding, ns an event. */
const PATH_NS = 150

export async function main({
  rounds = 5,
  json,
}: {
  rounds?: number
  json?: string
}): Promise<void> {
  const samples = new Map<Variant, number[]>(VARIANTS.map(variant => [variant, []]))
  for (let round = 0; round < rounds; round++) {
    for (const variant of VARIANTS) samples.get(variant)!.push(inProcess(variant))
  }
  const decode = samples.get('decode')!
  const peerValue = median(decode)
  const rows = VARIANTS.slice(1).map((variant): Row => {
    // Each round against its own decoding: what else the machine does changes from round to round.
    const added = samples.get(variant)!.map((ns, i) => ns - decode[i]!)
    const value = Math.max(1, median(added))
    const common = { name: TITLES[variant], unit: 'ns/trade', value, rounds, spread: spread(added) }
    if (variant === 'path') {
      return { ...common, peer: 'budget', peerValue: PATH_NS, ratio: PATH_NS / value, budget: 1 }
    }
    const budget = variant === 'three' ? { budget: 1 } : {}
    return { ...common, peer: TITLES.decode, peerValue, ratio: peerValue / value, ...budget }
  })
  report(rows, json)
}

function inProcess(variant: Variant): number {
  const flags = ['--max-semi-space-size=64']
  const args = [...flags, fileURLToPath(import.meta.url), variant]
  return Number(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

const tradesOf = (seed: number) =>
  sampleEvents(EVENTS, seed).filter((event): event is Trade => event.type === 'trade')

/** Runs in a process of its own; ns of CPU a trade. */
function measure(variant: Variant): number {
  check(variant)
  let trades = tradesOf(1)
  const count = trades.length
  const first = trades[0]!.timestamp
  const spanMs = Math.ceil((trades.at(-1)!.timestamp - first) / 1_000) * 1_000 + 1_000
  const frames = jsonFrames(trades, PER_FRAME)
  trades = []
  const ring: MarketEvent[] = new Array(RING)
  let at = 0
  let shift = 0
  const take = takerOf(variant, () => {})
  const inbox = {
    event(event: MarketEvent) {
      ring[at++ & (RING - 1)] = event
      const own = event as { timestamp: number; receivedAt: number }
      own.timestamp += shift
      own.receivedAt = own.timestamp + 5
      take(event)
    },
    ...{ control: fail, malformed: fail, unknown: fail },
  }
  const interest = { revision: 1, mask: () => -1 }
  const decoder = new JsonScanner({ source: 'alpaca', interest, flags: 0, feed: 'iex' } as never)
  const samples: number[] = []
  for (let pass = 0; pass < WARM + PASSES; pass++) {
    const start = process.cpuUsage()
    for (const frame of frames) decoder.decode(frame, false, 1, inbox)
    const { user, system } = process.cpuUsage(start)
    if (pass >= WARM) samples.push(((user + system) * 1_000) / count)
    shift += spanMs
  }
  return median(samples)
}

function fail(): never {
  throw new Error('the frames cannot be decoded')
}

/** What each event goes through. */
function takerOf(variant: Variant, onBar: (bar: FinalBar) => void): (event: MarketEvent) => void {
  if (variant === 'decode') return () => {}
  const builder = new BarBuilder({ interval: INTERVALS[variant] }, { final: onBar })
  if (variant !== 'path') return event => builder.accept(event)
  const duplicates = new Duplicates()
  const dispatcher = new Dispatcher()
  dispatcher.add('trade', SYMBOLS, builder)
  const tape = memoryTape({ capacity: RING })
  const batch: MarketEvent[] = []
  return event => {
    batch.push(event)
    if (batch.length < PER_FRAME) return
    const fresh = duplicates.pass(batch)
    tape.append(fresh)
    dispatcher.dispatch(fresh, event.receivedAt)
    batch.length = 0
  }
}

/** The bars of a part of the market, against the plain way. */
function check(variant: Variant): void {
  const lengths: { readonly [interval: string]: number } = { '1s': 1_000, '1m': 60_000 }
  const bars: FinalBar[] = []
  const take = takerOf(variant, bar => bars.push(bar))
  const trades = tradesOf(2).slice(0, 8_000)
  for (const trade of trades) take(Object.assign(trade, { receivedAt: trade.timestamp + 5 }))
  // What moves the time on is of a symbol that is not looked at.
  const receivedAt = trades[0]!.timestamp + 3_600_000
  const last = { ...trades.at(-1)!, symbol: SYMBOLS.at(-1)!, receivedAt, timestamp: receivedAt }
  for (let id = 1; id <= PER_FRAME; id++) take(createEvent({ ...last, id }))
  for (const interval of INTERVALS[variant]) {
    const ms = lengths[interval]
    if (ms === undefined) continue
    for (const symbol of SYMBOLS.slice(0, 20)) {
      const own = bars.filter(bar => bar.symbol === symbol && bar.interval === interval)
      const plain = naiveBars(
        trades.filter(trade => trade.symbol === symbol),
        ms,
      )
      const say = (bar: { timestamp: number; open: number; close: number; volume: number }) =>
        `${bar.timestamp} ${bar.open} ${bar.close} ${bar.volume}`
      if (own.map(say).join() !== plain.map(say).join()) {
        throw new Error(`${TITLES[variant]}: ${symbol} ${interval} differs from the plain way`)
      }
    }
  }
}

const [, script, variant] = process.argv
if (script === fileURLToPath(import.meta.url)) console.log(measure(variant as Variant))
