import type { Timer } from '../base/clock.ts'
import type { UpgradeRequest } from '../flow/contracts.ts'

/** A frame as it is sent: text or binary. */
export type VenueFrame = string | Uint8Array

/** What carries one connection, a real socket or memory, as the venue sees it. */
export interface VenueWire {
  /** Bytes the far end has not taken yet. */
  readonly bufferedBytes: number
  send(frame: VenueFrame): void
  /**
   * Sends a frame at so many bytes a second, after `forMs` its rest at once; `done` when the last one has left.
   * Nothing else may be sent meanwhile.
   */
  drip(frame: VenueFrame, bytesPerSecond: number, forMs: number, done: () => void): Timer
  pong(data: Uint8Array): void
  /** Starts the closing handshake, behind everything sent. */
  close(code: number, reason: string): void
  /** Ends it without one: by a reset, or by the plain end of the stream. */
  cut(reset: boolean): void
}

/** What the carrier reports. */
export interface VenueLine {
  /** Whether the far end's close is answered; a venue that hangs does not. */
  readonly answering: boolean
  receive(data: Uint8Array, binary: boolean): void
  ping(data: Uint8Array): void
  /** The end, told once. `clean`: by the closing handshake. */
  gone(clean: boolean): void
}

/** An upgrade that is not granted: by HTTP status, or as if nobody listened. */
export type VenueRefusal =
  | {
      readonly status: number
      readonly retryAfterMs?: number | undefined
    }
  | 'unreachable'

/** An HTTP question that is no upgrade. */
export interface VenueQuestion {
  readonly method: string
  /** Path and query. */
  readonly url: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** What came with it; absent where nothing did. */
  readonly body?: string
}

export interface VenueAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What becomes of a question: an answer, none ever, or nobody to be asked. */
export type VenueReply = VenueAnswer | 'silence' | 'unreachable'

/** Who stands behind a carrier. */
export interface VenueHost {
  admit(request: UpgradeRequest): VenueRefusal | ((wire: VenueWire) => VenueLine)
  reply(question: VenueQuestion): VenueReply
  /** After a pause nobody listens: the port is another's, or forbidden. It is tried again until it works. */
  deaf?(port: number, reason: Error): void
}
