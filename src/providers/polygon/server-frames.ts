import type { MarketEvent } from '../../market/events.ts'
import { encodeEvent } from './encode.ts'
import type { Market } from './markets.ts'

/** Frames are closed before they grow beyond this: some clients take no message of 1 MB. */
const FRAME_BYTES = 65_536

/** Events as frames. Each event is encoded once per cluster, and each run of events once, whoever gets it. */
export class Frames {
  readonly #messages = new Map<Market, WeakMap<MarketEvent, string>>()
  /** Frames of the batch at hand, by what the clients want of it. */
  readonly #shared = new Map<string, readonly string[]>()
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

  /** What `wants` lets through, in frames of a market; `wish` names what that is. */
  of(
    batch: readonly MarketEvent[],
    market: Market,
    wish: string,
    wants: (event: MarketEvent) => boolean,
  ): readonly string[] {
    const known = this.#sharing ? this.#shared.get(wish) : undefined
    if (known) return known
    const frames = this.#framesOf(batch.filter(wants), market)
    if (this.#sharing) this.#shared.set(wish, frames)
    return frames
  }

  #framesOf(events: readonly MarketEvent[], market: Market): string[] {
    let messages = this.#messages.get(market)
    if (!messages) this.#messages.set(market, (messages = new WeakMap()))
    const frames: string[] = []
    let frame = ''
    for (const event of events) {
      let message = messages.get(event)
      if (message === undefined) messages.set(event, (message = encodeEvent(event, market) ?? ''))
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
}
