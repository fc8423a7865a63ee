import type { FrameForm } from '../flow/contracts.ts'
import type { MarketEvent } from '../market/events.ts'
import { ascii, batchWriter, type Encoding, type Outgoing } from '../providers/tickwire/codec.ts'
import { frameOf, type WireFrame } from './wire.ts'

/** How events are written for a group. */
export interface Form {
  /** The same for whoever gets the same bytes. */
  readonly key: string
  writer(): FormWriter
}

/** Collects events, and makes of them what is written to a client's socket. */
export interface FormWriter {
  readonly isEmpty: boolean
  add(out: Outgoing): void
  /** What was collected is gone from here. `id`: the subscription. */
  take(type: 'events' | 'snapshot', seq: number): (id: number) => WireFrame
}

/** The native protocol. */
export function nativeForm(encoding: Encoding): Form {
  return {
    key: encoding,
    writer() {
      const writer = batchWriter(encoding)
      return {
        get isEmpty() {
          return writer.isEmpty
        },
        add: out => writer.add(out),
        take(type, seq) {
          const message = writer.take(type, seq)
          return id => frameOf(message(id))
        },
      }
    },
  }
}

/** The language of a vendor, which knows neither numbers nor subscriptions apart. */
export function vendorForm(protocol: string, form: FrameForm): Form {
  return {
    key: `${protocol} ${form.key}`,
    writer() {
      let events: MarketEvent[] = []
      /** Made already: what they say of how things stand is true now, and not when they are taken. */
      let made: (string | Uint8Array)[] = []
      return {
        get isEmpty() {
          return events.length === 0 && made.length === 0
        },
        add: ({ event }) => {
          // No vendor has words for what is said about the stream.
          if (event.type === 'notice') return
          if (form.standing) made.push(...form.frames([event]))
          else events.push(event)
        },
        take() {
          const frames = (form.standing ? made : form.frames(events)).map(vendorFrame)
          events = []
          made = []
          const all = joined(frames)
          return () => all
        },
      }
    },
  }
}

/** A message of a vendor's protocol: JSON, or packed. */
export function vendorFrame(message: string | Uint8Array): WireFrame {
  return frameOf(typeof message === 'string' ? ascii(message) : message)
}

/** Frames behind each other; nothing at all is no bytes. */
function joined(frames: readonly WireFrame[]): WireFrame {
  if (frames.length === 1) return frames[0]!
  if (frames.every(frame => typeof frame === 'string')) return frames.join('')
  return Buffer.concat(frames.map(frame => Buffer.from(frame as string, 'latin1')))
}
