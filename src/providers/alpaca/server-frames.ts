import type { MarketEvent } from '../../market/events.ts'
import type { AlpacaCodec } from './codec.ts'
import { encodeJsonMessage, encodeMsgpackMessage, packFrame } from './encode.ts'

/** Frames are closed before they grow beyond this; alpaca-py takes no more than 1 MiB. */
const FRAME_BYTES = 65_536

const NOTHING = new Uint8Array(0)

/** Events as frames. Each event is encoded once per codec, and each run of events once per codec, whoever gets it. */
export class Frames {
  readonly #json = new WeakMap<MarketEvent, string>()
  readonly #msgpack = new WeakMap<MarketEvent, Uint8Array>()
  /** Frames of the batch at hand, by what the clients want of it. */
  readonly #shared = new Map<string, readonly (string | Uint8Array)[]>()
  #sharing = false

  /** During `deliver`, clients with the same `wish` share their frames. */
  share(deliver: () => void): void {
    this.#sharing = true
    try {
      deliver()
    } finally {
      this.#sharing = false
      this.#shared.clear()
    }
  }

  /** What `wants` lets through, in frames; `wish` names what that is, and the codec. */
  of(
    batch: readonly MarketEvent[],
    codec: AlpacaCodec,
    wish: string,
    wants: (event: MarketEvent) => boolean,
  ): readonly (string | Uint8Array)[] {
    const known = this.#sharing ? this.#shared.get(wish) : undefined
    if (known) return known
    const events = batch.filter(wants)
    const frames = codec === 'json' ? this.#jsonFrames(events) : this.#msgpackFrames(events)
    if (this.#sharing) this.#shared.set(wish, frames)
    return frames
  }

  #jsonFrames(events: readonly MarketEvent[]): string[] {
    const frames: string[] = []
    let frame = ''
    for (const event of events) {
      let message = this.#json.get(event)
      if (message === undefined) {
        message = encodeJsonMessage(event) ?? ''
        this.#json.set(event, message)
      }
      if (message === '') continue
      if (frame !== '' && frame.length + message.length > FRAME_BYTES) {
        frames.push(`[${frame}]`)
        frame = ''
      }
      frame += frame === '' ? message : `,${message}`
    }
    if (frame !== '') frames.push(`[${frame}]`)
    return frames
  }

  #msgpackFrames(events: readonly MarketEvent[]): Uint8Array[] {
    const frames: Uint8Array[] = []
    let frame: Uint8Array[] = []
    let bytes = 0
    for (const event of events) {
      let message = this.#msgpack.get(event)
      if (!message) {
        message = encodeMsgpackMessage(event) ?? NOTHING
        this.#msgpack.set(event, message)
      }
      if (message.length === 0) continue
      if (frame.length > 0 && bytes + message.length > FRAME_BYTES) {
        frames.push(packFrame(frame))
        frame = []
        bytes = 0
      }
      frame.push(message)
      bytes += message.length
    }
    if (frame.length > 0) frames.push(packFrame(frame))
    return frames
  }
}
