import type { Clock, Timer } from '../base/clock.ts'
import type { MarketEvent } from '../market/events.ts'
import type { GatewayFeed } from './context.ts'

/** What came in one go: the venue's frames beside what they were taken to say. */
export interface Chunk {
  /** From 1, per source. */
  readonly id: number
  /** Our clock, epoch ms. */
  readonly at: number
  readonly frames: Frame[]
  readonly events: MarketEvent[]
}

export interface Frame {
  readonly bytes: number
  readonly isBinary: boolean
  /** As it is, or base64 where it is binary; cut to {@link FRAME_BYTES}. */
  readonly data: string
}

/** Chunks that are kept, the newest. */
const KEPT = 60
/** Of a frame, and of events of a chunk, no more: somebody looks at them. */
export const FRAME_BYTES = 8_192
const MOST_EVENTS = 50
/** So long after the last question nobody is looking any more, ms. */
const UNWATCHED_MS = 10_000

/** Frames of one source, and what they come to; kept only while somebody asks. Its bytes are counted always. */
export class FrameWatch {
  readonly #feed: GatewayFeed
  readonly #clock: Clock
  #chunks: Chunk[] = []
  #id = 0
  #bytes = 0
  #stop: (() => void) | undefined
  #timer: Timer | undefined

  constructor(feed: GatewayFeed, clock: Clock) {
    this.#feed = feed
    this.#clock = clock
    feed.raw?.(({ data, binary, receivedAt }) => {
      this.#bytes += data.length
      if (!this.#stop) return
      const shown = Buffer.from(data.subarray(0, FRAME_BYTES))
      const frame = {
        bytes: data.length,
        isBinary: binary,
        data: shown.toString(binary ? 'base64' : 'utf8'),
      }
      this.#at(receivedAt).frames.push(frame)
    })
  }

  /** Of all frames since the gateway began; `undefined` where the source has none. */
  get bytes(): number | undefined {
    return this.#feed.raw ? this.#bytes : undefined
  }

  /** Chunks behind `after`, oldest first. */
  read(after: number): readonly Chunk[] {
    this.#timer?.cancel()
    this.#timer = this.#clock.setTimeout(() => this.close(), UNWATCHED_MS, 'idle')
    // What one turn of the event loop brings is delivered within it.
    this.#stop ??= this.#feed.pipe?.({
      append: events => {
        for (const event of events) {
          const { events: own } = this.#at(event.receivedAt)
          if (own.length < MOST_EVENTS) own.push(event)
        }
      },
    })
    return this.#chunks.filter(({ id }) => id > after)
  }

  close(): void {
    this.#timer?.cancel()
    this.#stop?.()
    this.#stop = undefined
    this.#chunks = []
  }

  /** By the clock that was read when it came, which frames and events share. */
  #at(receivedAt: number): Chunk {
    const known = this.#chunks.findLast(({ at }) => at === receivedAt)
    if (known) return known
    const chunk = { id: ++this.#id, at: receivedAt, frames: [], events: [] }
    this.#chunks.push(chunk)
    if (this.#chunks.length > 2 * KEPT) this.#chunks = this.#chunks.slice(-KEPT)
    return chunk
  }
}
