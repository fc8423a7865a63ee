/**
 * Bytes to events: the JSON scanner and the msgpack decoder against `JSON.parse` on the same data.
 *
 * CPU time; one variant per process (no shared type feedback), the variants in turn within each round, medians over
 * rounds. Every decoded object escapes into a ring, or V8 would not make it. Results are compared in the run.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { Decoder } from '../src/feed/description.ts'
import type { Interest } from '../src/feed/provider.ts'
import { Bar, type MarketEvent, Quote, Trade } from '../src/market/events.ts'
import type { Reading } from '../src/providers/alpaca/messages.ts'
import { PlainJsonDecoder } from '../src/providers/alpaca/plain.ts'
import { JsonScanner } from '../src/providers/alpaca/scan-json.ts'
import { MsgpackScanner } from '../src/providers/alpaca/scan-msgpack.ts'
import { PolygonDecoder } from '../src/providers/polygon/codec.ts'
import { MARKETS } from '../src/providers/polygon/markets.ts'
import type { Reading as PolygonReading } from '../src/providers/polygon/messages.ts'
import { PlainDecoder as PolygonPlainDecoder } from '../src/providers/polygon/plain.ts'
import { Statuses } from '../src/providers/polygon/statuses.ts'
import { jsonFrames, msgpackFrames, polygonFrames, ROUND, sampleEvents } from './data.ts'
import { median, type Row, report, spread } from './table.ts'

const RING = 4_096
const SIZES = [1, 8, 64] as const
/** Variants timed; `parse` is the peer. */
const VARIANTS = [
  ...(['parse', 'map', 'json', 'msgpack', 'json-skip', 'msgpack-skip'] as const),
  ...(['polygon-parse', 'polygon', 'polygon-skip'] as const),
] as const
type Variant = (typeof VARIANTS)[number]

const ring: unknown[] = new Array(RING).fill(undefined)
let at = 0

interface Measured {
  readonly ns: number
  readonly bytes: number
  readonly digest: string
}

/** Least ratio to `JSON.parse` at 1, 8 and 64 messages a frame. */
const BUDGETS = [5, 4, 4] as const
/** Most that may be allocated per event. */
const BUDGET_BYTES = 280

export async function main({
  rounds = 3,
  json,
}: {
  rounds?: number
  json?: string
}): Promise<void> {
  const rows: Row[] = []
  for (const [index, size] of SIZES.entries()) {
    const results = new Map<Variant, Measured[]>(VARIANTS.map(variant => [variant, []]))
    for (let round = 0; round < rounds; round++) {
      for (const variant of VARIANTS) results.get(variant)!.push(inProcess(variant, size))
    }
    const digests = (['map', 'json', 'msgpack'] as const).map(v => results.get(v)![0]!.digest)
    if (new Set(digests).size !== 1) throw new Error(`${size} a frame: the decoders differ`)
    const [scanned, plain] = (['polygon', 'polygon-parse'] as const).map(v => results.get(v)![0])
    if (scanned?.digest !== plain?.digest) throw new Error(`${size} a frame: Polygon's differ`)
    rows.push(...rowsOf(size, BUDGETS[index]!, results, rounds))
  }
  report(rows, json)
}

function rowsOf(
  size: number,
  least: number,
  results: ReadonlyMap<Variant, readonly Measured[]>,
  rounds: number,
): Row[] {
  const row = (variant: Variant, peer: Variant, budget?: number): Row => {
    const values = results.get(variant)!.map(({ ns }) => ns)
    const [value, peerValue] = [median(values), median(results.get(peer)!.map(({ ns }) => ns))]
    return {
      ...{ name: `${TITLES[variant]}, ${size} a frame`, unit: 'ns/event', value },
      ...{ peer: TITLES[peer], peerValue, ratio: peerValue / value },
      ...{ spread: spread(values), rounds },
      ...(budget !== undefined && { budget }),
    }
  }
  const bytes = (variant: Variant): Row => {
    const values = results.get(variant)!.map(measured => measured.bytes)
    const value = median(values)
    return {
      ...{ name: `${TITLES[variant]}, ${size} a frame: allocated`, unit: 'B/event', value },
      ...{ peer: 'at most', peerValue: BUDGET_BYTES, ratio: BUDGET_BYTES / value },
      ...{ spread: spread(values), rounds, budget: 1 },
    }
  }
  return [
    row('json', 'parse', least),
    row('msgpack', 'parse', least),
    row('msgpack', 'json', 1),
    row('json', 'map'),
    row('json-skip', 'parse'),
    row('msgpack-skip', 'parse'),
    bytes('json'),
    bytes('msgpack'),
    row('polygon', 'polygon-parse', least),
    row('polygon-skip', 'polygon-parse'),
    bytes('polygon'),
  ]
}

const TITLES: Readonly<Record<Variant, string>> = {
  parse: 'JSON.parse',
  map: 'JSON.parse + map',
  json: 'JSON scanner',
  msgpack: 'msgpack decoder',
  'json-skip': 'JSON scanner, unwanted',
  'msgpack-skip': 'msgpack decoder, unwanted',
  'polygon-parse': 'JSON.parse of Polygon',
  polygon: 'Polygon scanner',
  'polygon-skip': 'Polygon scanner, unwanted',
}

function inProcess(variant: Variant, size: number): Measured {
  const flags = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64']
  const script = fileURLToPath(import.meta.url)
  const args = [...flags, script, variant, String(size)]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

/** Runs in a process of its own. */
function measure(variant: Variant, size: number): Measured {
  const events = sampleEvents(ROUND)
  const [form] = variant.split('-')
  const framesOf =
    form === 'msgpack' ? msgpackFrames : form === 'polygon' ? polygonFrames : jsonFrames
  const frames = framesOf(events, size)
  const pass = passOf(variant)
  const digest = /skip$|^parse$/.test(variant) ? '' : digestOf(variant, frames)
  for (let n = 0; n < 25; n++) for (const frame of frames) pass(frame)

  globalThis.gc!()
  const before = process.memoryUsage().heapUsed
  for (const frame of frames) pass(frame)
  const bytes = (process.memoryUsage().heapUsed - before) / ROUND

  const samples: number[] = []
  for (let n = 0; n < 7; n++) {
    const start = process.cpuUsage()
    for (let i = 0; i < 10; i++) for (const frame of frames) pass(frame)
    const { user, system } = process.cpuUsage(start)
    samples.push(((user + system) * 1_000) / (10 * ROUND))
  }
  return { ns: median(samples), bytes, digest }
}

function passOf(variant: Variant): (frame: Buffer) => void {
  const keep = {
    event: (event: MarketEvent) => {
      ring[at++ & (RING - 1)] = event
    },
    control: () => {},
    malformed: (reason: string) => {
      throw new Error(reason)
    },
    unknown: () => {},
  }
  if (variant.endsWith('parse')) {
    return frame => {
      for (const message of JSON.parse(frame.toString())) ring[at++ & (RING - 1)] = message
    }
  }
  if (variant === 'map') {
    return frame => {
      for (const message of JSON.parse(frame.toString())) keep.event(mapMessage(message, 1))
    }
  }
  const decoder = decoderOf(variant)
  return frame => decoder.decode(frame, false, 1, keep)
}

function decoderOf(variant: Variant): Decoder {
  const nothing: Interest = { revision: 1, mask: () => 0 }
  const everything: Interest = { revision: 1, mask: () => -1 }
  const interest = variant.endsWith('skip') ? nothing : everything
  if (variant.startsWith('polygon')) return new PolygonDecoder(polygonReading(interest))
  const reading: Reading = { source: 'alpaca', interest, flags: 0, feed: 'iex' }
  return variant.startsWith('json') ? new JsonScanner(reading) : new MsgpackScanner(reading)
}

/** Of all events of all frames, field by field; the plain decoder has to agree too. */
function digestOf(variant: Variant, frames: readonly Buffer[]): string {
  const collect = (decode: (frame: Buffer, event: (event: MarketEvent) => void) => void) => {
    const hash = createHash('sha256')
    for (const frame of frames) decode(frame, event => hash.update(JSON.stringify(event)))
    return hash.digest('hex')
  }
  const by = (decoder: Decoder) =>
    collect((frame, event) => {
      const fail = (what: string) => {
        throw new Error(what)
      }
      decoder.decode(frame, false, 1, { event, control: () => {}, malformed: fail, unknown: fail })
    })
  // In the process of the peer: it would spoil the scanner's.
  if (variant === 'polygon-parse') {
    return by(new PolygonPlainDecoder(polygonReading({ revision: 1, mask: () => -1 })))
  }
  if (variant !== 'map') return by(decoderOf(variant))
  const mapped = collect((frame, event) => {
    for (const message of JSON.parse(frame.toString())) event(mapMessage(message, 1))
  })
  const plain = by(new PlainJsonDecoder({ ...READING, interest: { revision: 1, mask: () => -1 } }))
  if (plain !== mapped) throw new Error('the plain decoder differs')
  return mapped
}

function polygonReading(interest: Interest): PolygonReading {
  const statuses = new Statuses(() => undefined)
  return { source: 'polygon', interest, flags: 0, market: MARKETS.stocks, lot: 1, statuses }
}

const READING = { source: 'alpaca', flags: 0, feed: 'iex' } as const

/** What one would write by hand behind `JSON.parse`: our events, times exact, nothing checked. */
// biome-ignore lint/suspicious/noExplicitAny: this is the unchecked way.
function mapMessage(m: any, receivedAt: number): MarketEvent {
  const text: string = m.t
  const seconds = Date.parse(`${text.slice(0, 19)}Z`)
  const fraction = text.length > 20 ? +text.slice(20, -1).padEnd(9, '0') : 0
  const ms = Math.floor(fraction / 1e6)
  const [time, nanos] = [seconds + ms, fraction - ms * 1e6]
  const source = 'alpaca'
  switch (m.T) {
    case 't':
      return new Trade(
        ...([m.S, source, time, nanos, receivedAt, 0, m.p, m.s, m.i] as const),
        ...([m.x, m.c, m.z, undefined] as const),
      )
    case 'q':
      return new Quote(
        ...([m.S, source, time, nanos, receivedAt, 0, m.bp, m.bs, m.ap, m.as] as const),
        ...([m.bx, m.ax, m.c, m.z] as const),
      )
    default:
      return new Bar(
        ...([m.S, source, time, nanos, receivedAt, 0, '1m', m.o, m.h, m.l, m.c, m.v] as const),
        ...([m.vw, m.n, true, 0, undefined] as const),
      )
  }
}

const [, script, variant, size] = process.argv
if (script === fileURLToPath(import.meta.url)) {
  console.log(JSON.stringify(measure(variant as Variant, Number(size))))
}
