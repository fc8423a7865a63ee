/**
 * Where decoders copy the frame they read. A frame is read in one call, so one buffer serves them all; and as it never
 * moves or grows, compiled code has its address and length built in, which makes reading it twice as fast. (For that,
 * a module that reads it takes these into constants of its own.)
 */

/** Larger frames are for the plain decoders. */
export const MAX_FRAME_BYTES = 1_024 * 1_024

/** Room behind a frame, for reading ahead. */
const SLACK = 64

const bytes = new Uint8Array(MAX_FRAME_BYTES + SLACK)

export const scratch = {
  bytes,
  view: new DataView(bytes.buffer),
  /** Doubles that readers hand to their callers: here they are not boxed. */
  out: new Float64Array(2),
} as const

/** Copies a frame, with a zero byte behind it; false when it is too large. */
export function copyFrame(frame: Uint8Array): boolean {
  const { length } = frame
  if (length > MAX_FRAME_BYTES) return false
  bytes.set(frame)
  bytes[length] = 0
  return true
}
