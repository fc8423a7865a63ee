/**
 * Blocks of the tape: rows at several events a turn, columns at 4,096, against NDJSON of the same events.
 *
 * CPU time; one variant per process (no shared type feedback), the variants in turn within each round, medians over
 * rounds. Events that are read escape into a ring, or V8 would not make them. Results are compared in the run.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants } from 'node:zlib'
import { seededRandom } from '../src/base/random.ts'
import { decodeColumns, encodeColumns } from '../src/market/columns.ts'
import { type MarketEvent, Quote, stampSeq, Trade } from '../src/market/events.ts'
import { decodeEvent, encodeEvent } from '../src/market/json.ts'
import { RowDecoder, RowEncoder } from '../src/market/rows.ts'
import { SYMBOLS } from './data.ts'
import { median, type Row, report, spread } from './table.ts'

const EVENTS = 65_536
const RING = 4_096
const ring: unknown[] = new Array(RING).fill(undefined)
let at = 0
const keep = (event: unknown) => {
  ring[at++ & (RING - 1)] = event
}

interface Codec {
  encode(events: readonly MarketEvent[], from: number, to: number): Uint8Array
  decode(block: Uint8Array, firstSeq: number): readonly MarketEvent[]
}

interface Variant {
  readonly perBlock: number
  /** Most ns an event may take, writing and reading, and most bytes. */
  readonly ns?: readonly [encode: number, decode: number]
  readonly bytes?: number
  /** How the bytes are kept that are counted. */
  readonly store?: (block: Uint8Array) => Uint8Array
  readonly open: () => Codec
}

const openRows = (): Codec => {
  const encoder = new RowEncoder()
  const decoder = new RowDecoder()
  return {
    encode: (events, from, to) => encoder.encode(events, from, to, false),
    decode: (block, firstSeq) => decoder.decode(block, firstSeq)!,
  }
}

const openLines = (): Codec => {
  const [toBytes, toText] = [new TextEncoder(), new TextDecoder()]
  return {
    encode: (events, from, to) => {
      let text = ''
      for (let i = from; i < to; i++) text += `${encodeEvent(events[i]!)}\n`
      return toBytes.encode(text)
    },
    decode: block => {
      const lines = toText.decode(block).split('\n')
      lines.pop()
      return lines.map(line => decodeEvent(JSON.parse(line)))
    },
  }
}

/** The cheapest compression that every Node has. */
const brotli = (block: Uint8Array) =>
  brotliCompressSync(block, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })

const VARIANTS = {
  NDJSON: { perBlock: 4_096, open: openLines },
  'rows, 1 a block': { perBlock: 1, open: openRows },
  'rows, 4 a block': { perBlock: 4, bytes: 28, open: openRows },
  'rows, 16 a block': { perBlock: 16, ns: [450, 250], bytes: 28, open: openRows },
  'rows, 512 a block': { perBlock: 512, ns: [320, 250], bytes: 28, open: openRows },
  'rows, 4,096 a block': { perBlock: 4_096, ns: [320, 250], bytes: 28, open: openRows },
  'columns, 4,096 a block': {
    perBlock: 4_096,
    ns: [320, 240],
    bytes: 15,
    store: brotli,
    open: () => ({ encode: encodeColumns, decode: decodeColumns }),
  },
} as const satisfies Record<string, Variant>
type Name = keyof typeof VARIANTS
const NAMES = Object.keys(VARIANTS) as Name[]

/** Writing and reading have to be this many times faster than NDJSON, from 16 events a block. */
const LEAST = 3

interface Measured {
  readonly encode: number
  readonly decode: number
  readonly bytes: number
  readonly digest: string
}

export async function main({
  rounds = 3,
  json,
}: {
  rounds?: number
  json?: string
}): Promise<void> {
  const results = new Map<Name, Measured[]>(NAMES.map(name => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const name of NAMES) results.get(name)!.push(inProcess(name))
  }
  const digests = new Set([...results.values()].flat().map(({ digest }) => digest))
  if (digests.size !== 1) throw new Error('what is read differs from what was written')
  report(
    NAMES.filter(name => name !== 'NDJSON').flatMap(name => rowsOf(name, results, rounds)),
    json,
  )
}

function rowsOf(
  name: Name,
  results: ReadonlyMap<Name, readonly Measured[]>,
  rounds: number,
): Row[] {
  const { ns, bytes, perBlock }: Variant = VARIANTS[name]
  const row = (what: 'encode' | 'decode' | 'bytes', unit: string, peer?: number): Row => {
    const values = results.get(name)!.map(measured => measured[what])
    const value = median(values)
    const peerValue = peer ?? median(results.get('NDJSON')!.map(measured => measured[what]))
    return {
      ...{ name: `${name}: ${what}`, unit, value, ratio: peerValue / value },
      ...{ peer: peer === undefined ? 'NDJSON' : 'at most', peerValue },
      ...{ spread: spread(values), rounds },
      ...((peer !== undefined || (perBlock >= 16 && what !== 'bytes')) && {
        budget: peer === undefined ? LEAST : 1,
      }),
    }
  }
  return [
    row('encode', 'ns/event'),
    row('decode', 'ns/event'),
    ...(ns ? [row('encode', 'ns/event', ns[0]), row('decode', 'ns/event', ns[1])] : []),
    row('bytes', 'B/event', bytes),
  ]
}

function inProcess(name: Name): Measured {
  const flags = ['--min-semi-space-size=64', '--max-semi-space-size=64']
  const args = [...flags, fileURLToPath(import.meta.url), name]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

/** Runs in a process of its own. */
function measure(name: Name): Measured {
  const { perBlock, open, store = block => block }: Variant = VARIANTS[name]
  const events = marketEvents(EVENTS)
  const codec = open()
  const encode = (each: (block: Uint8Array) => void) => {
    for (let from = 0; from < EVENTS; from += perBlock) {
      each(codec.encode(events, from, Math.min(from + perBlock, EVENTS)))
    }
  }
  const blocks: Uint8Array[] = []
  let bytes = 0
  encode(block => {
    blocks.push(block.slice())
    bytes += store(block).length
  })
  const decode = (each: (event: MarketEvent) => void) => {
    for (let i = 0; i < blocks.length; i++) {
      for (const event of codec.decode(blocks[i]!, i * perBlock + 1)) each(event)
    }
  }
  const hash = createHash('sha256')
  decode(event => hash.update(JSON.stringify(event)))
  return {
    encode: nsPerEvent(() => encode(keep)),
    decode: nsPerEvent(() => decode(keep)),
    bytes: bytes / EVENTS,
    digest: hash.digest('hex'),
  }
}

function nsPerEvent(pass: () => void): number {
  for (let n = 0; n < 10; n++) pass()
  const samples: number[] = []
  for (let n = 0; n < 9; n++) {
    const start = process.cpuUsage()
    pass()
    const { user, system } = process.cpuUsage(start)
    samples.push(((user + system) * 1_000) / EVENTS)
  }
  return median(samples)
}

/**
 * As the simulated market sends them: 400 symbols, 30 % trades, one source, exact times; 50,000 a second, each received
 * some microseconds after it happened. An event keeps its number, so that all forms hold the same.
 */
export function marketEvents(count: number): MarketEvent[] {
  const random = seededRandom(1)
  const int = (below: number) => Math.floor(random() * below)
  const pick = <T>(list: readonly T[]) => list[int(list.length)]!
  const symbols = SYMBOLS.slice(0, 400)
  const prices = symbols.map(() => 1_000 + int(60_000))
  const ids = symbols.map(() => EXCHANGES.map(() => int(50_000)))
  let now = Date.UTC(2024, 0, 16, 14, 30)
  let received = now
  return Array.from({ length: count }, (_, i) => {
    now += -Math.log(1 - random()) / 50
    const timestamp = Math.floor(now)
    const nanos = Math.floor((now - timestamp) * 1_000_000)
    // Whole microseconds after the origin of the clock, which itself lies anywhere.
    const arrival = Math.round((now + 0.005 + random() * 0.095 - ORIGIN) * 1_000) / 1_000
    received = Math.max(received, ORIGIN + arrival)
    const place = int(random() < 0.5 ? 40 : symbols.length)
    const head = [symbols[place]!, 'simulated', timestamp, nanos, received, 8] as const
    const cents = (prices[place] = Math.max(500, prices[place]! + int(7) - 3))
    const exchange = int(EXCHANGES.length)
    let event: MarketEvent
    if (random() < 0.7) {
      const ask = cents + 1 + int(4)
      event = new Quote(
        ...head,
        ...([cents / 100, 100 * (1 + int(12)), ask / 100, 100 * (1 + int(12))] as const),
        ...([EXCHANGES[exchange], pick(EXCHANGES), QUOTE, TAPES[place % 3]] as const),
      )
    } else {
      const size = random() < 0.5 ? 1 + int(99) : 100 * (1 + int(20))
      const list = CONDITIONS[size < 100 ? 1 : int(3) === 0 ? 2 : 0]
      event = new Trade(
        ...head,
        ...([cents / 100, size, ++ids[place]![exchange]!, EXCHANGES[exchange], list] as const),
        ...([TAPES[place % 3], undefined] as const),
      )
    }
    stampSeq(event, i + 1)
    return event
  })
}

const ORIGIN = Date.UTC(2024, 0, 16, 14, 0) + 0.384765625
const EXCHANGES = ['V', 'P', 'Q', 'K', 'Z', 'N', 'D', 'U']
const TAPES = ['A', 'B', 'C']
const QUOTE = Object.freeze(['R'])
const CONDITIONS = [Object.freeze(['@']), Object.freeze(['@', 'I']), Object.freeze(['@', 'F'])]

const [, script, name] = process.argv
if (script === fileURLToPath(import.meta.url)) {
  console.log(JSON.stringify(measure(name as Name)))
}
