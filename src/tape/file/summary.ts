import { brotliCompressSync, brotliDecompressSync } from 'node:zlib'
import type { Checkpoint } from '../../flow/contracts.ts'
import type { MarketEvent } from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'
import type { BlockReader } from './blocks.ts'
import type { IndexEntry } from './catalog.ts'
import { BLOCK, FRAME_BYTES, readFrame, writeFrame } from './format.ts'

/** What stands at the end of a sealed segment. */
export interface Summary {
  readonly events: number
  /** Number of the last event. */
  readonly last: number
  /** Receive time of the first event, and the highest of this and all segments before. */
  readonly from: number
  readonly highest: number
  /** Highest receive time of this segment alone; `undefined` when it was sealed before that was kept, or has none. */
  readonly newest: number | undefined
  readonly index: readonly IndexEntry[]
  /** How far each topic had been seen, in this and all segments before. */
  readonly checkpoints: readonly Checkpoint[]
}

const TRAILER = 0x444e4554
const TRAILER_BYTES = 8

/** The summary as a block, and behind it the way to find it from the end of the file. */
export function encodeSummary(summary: Summary): Buffer {
  const { index, checkpoints, highest, newest, from, ...numbers } = summary
  const text = JSON.stringify({
    ...numbers,
    // JSON has no infinity.
    ...(Number.isFinite(from) && { from }),
    ...(Number.isFinite(highest) && { highest }),
    ...(Number.isFinite(newest) && { newest }),
    index: index.map(e => [e.offset, e.first, Number.isFinite(e.highest) ? e.highest : null]),
    checkpoints: checkpoints.map(one => [one.topic, one.timestamp, one.nanos]),
  })
  const body = brotliCompressSync(text)
  const end = FRAME_BYTES + body.length
  const bytes = Buffer.alloc(end + TRAILER_BYTES)
  body.copy(bytes, FRAME_BYTES)
  writeFrame(bytes, 0, end, BLOCK.index)
  bytes.writeUInt32LE(end, end)
  bytes.writeUInt32LE(TRAILER, end + 4)
  return bytes
}

/** The summary of a file; `undefined` when it has none: it is not sealed, or its end is damaged. */
export async function readSummary(blocks: BlockReader): Promise<Summary | undefined> {
  const size = await blocks.size()
  const trailer = await blocks.read(Math.max(0, size - TRAILER_BYTES), TRAILER_BYTES)
  if (trailer.length < TRAILER_BYTES || trailer.readUInt32LE(4) !== TRAILER) return undefined
  const length = trailer.readUInt32LE(0)
  if (length > size) return undefined
  const bytes = await blocks.read(Math.max(0, size - TRAILER_BYTES - length), length)
  const frame = readFrame(bytes, 0, bytes.length)
  if (typeof frame !== 'object' || frame.type !== BLOCK.index) return undefined
  return decodeSummary(bytes.subarray(frame.from, frame.to))
}

function decodeSummary(body: Buffer): Summary {
  const value = JSON.parse(brotliDecompressSync(body).toString()) as {
    readonly events: number
    readonly last: number
    readonly from?: number
    readonly highest?: number
    readonly newest?: number
    readonly index: readonly (readonly [number, number, number | null])[]
    readonly checkpoints: readonly (readonly [Topic, number, number])[]
  }
  return {
    events: value.events,
    last: value.last,
    from: value.from ?? Number.NEGATIVE_INFINITY,
    highest: value.highest ?? Number.NEGATIVE_INFINITY,
    newest: value.newest,
    index: value.index.map(([offset, first, highest]) => ({
      offset,
      first,
      highest: highest ?? Number.NEGATIVE_INFINITY,
    })),
    checkpoints: value.checkpoints.map(([topic, timestamp, nanos]) => ({
      topic,
      timestamp,
      nanos,
    })),
  }
}

/** How far each topic has been seen: by venue time, which may run back where an event came late. */
export class Checkpoints {
  readonly #seen = new Map<string, Map<string, Checkpoint>>()

  constructor(known: readonly Checkpoint[] = []) {
    for (const checkpoint of known) this.put(checkpoint)
  }

  get list(): Checkpoint[] {
    return [...this.#seen.values()].flatMap(topics => [...topics.values()])
  }

  add(event: MarketEvent): void {
    const { type, symbol, source, timestamp, nanos } = event
    if (type === 'notice' || symbol === undefined) return
    const channel = type === 'bar' ? `${source}:${type}@${event.interval}` : `${source}:${type}`
    const held = this.#seen.get(channel)?.get(symbol)
    if (held && !isLater(event, held)) return
    const interval = type === 'bar' ? event.interval : undefined
    this.put({ topic: { source, kind: type, symbol, interval }, timestamp, nanos })
  }

  /** Takes a checkpoint, unless one is known that is further on. */
  put(checkpoint: Checkpoint): void {
    const { source, kind, symbol, interval } = checkpoint.topic
    const channel = interval ? `${source}:${kind}@${interval}` : `${source}:${kind}`
    let topics = this.#seen.get(channel)
    if (!topics) {
      topics = new Map()
      this.#seen.set(channel, topics)
    }
    const held = topics.get(symbol)
    if (held && !isLater(checkpoint, held)) return
    topics.set(symbol, checkpoint)
  }
}

type Moment = Pick<Checkpoint, 'timestamp' | 'nanos'>

const isLater = (one: Moment, other: Moment) =>
  one.timestamp > other.timestamp || (one.timestamp === other.timestamp && one.nanos > other.nanos)
